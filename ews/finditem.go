package ews

import (
	"context"
	"slices"
	"strconv"
	"time"

	"github.com/koyomi-cal/koyomi/ews/internal/wire"
)

// FindItemRequest says what FindItem shall find: the items of a time, series
// expanded, or the items with a property.
type FindItemRequest struct {
	Folder FolderRef
	Shape  Shape

	// Start and End bound a calendar view: the items that touch the time. At
	// most two years.
	Start, End time.Time

	// Equal finds the items with this value of an extended property instead.
	// The server looks at every item of the folder: use it sparingly.
	Equal *ExtendedProperty

	Max    int // most items to return; default 1000, beyond which servers refuse
	Offset int // with Equal: how many to skip
}

// FindItemPage is what FindItem found.
type FindItemPage struct {
	Items []CalendarItem
	Total int  // items in the view, as the server counts them
	Last  bool // no more items after these; false: halve the time and ask again
}

// FindItem finds items of one folder ([MS-OXWSSRCH] 3.1.4.2), mostly as a
// calendar view ([MS-OXWSSRCH] CalendarViewType), in which Exchange expands series into
// occurrences. Strings are cut at 255 characters and bodies and attendees are
// left out, whatever the shape says: read those by [Mailbox.GetItem]. Too many
// items are ErrorExceededFindCountLimit, or a page that is not the last.
func (m *Mailbox) FindItem(ctx context.Context, req FindItemRequest) (FindItemPage, error) {
	return do(ctx, m, operation[FindItemPage]{
		name: "FindItem", safe: true, write: req.write,
		read: func(a answer) (FindItemPage, error) {
			msg, err := a.single()
			if err != nil {
				return FindItemPage{}, err
			}
			root := msg.Child("RootFolder")
			page := FindItemPage{
				Total: number(&wire.Element{Text: root.Attr("TotalItemsInView")}),
				Last:  root.Attr("IncludesLastItemInRange") != "false",
			}
			items := root.Child("Items").Elements()
			page.Items = slices.Grow(page.Items, len(items))
			for _, e := range items {
				if it := decoded[CalendarItem](e); it != nil {
					page.Items = append(page.Items, *it)
				}
			}
			return page, nil
		},
	})
}

func (req FindItemRequest) write(r *request) {
	limit := strconv.Itoa(orDefault(req.Max, 1000))
	r.Start("m:FindItem", "Traversal", "Shallow")
	r.shape(req.Shape)
	if p := req.Equal; p != nil {
		r.Leaf("m:IndexedPageItemView", "", "MaxEntriesReturned", limit, "Offset", strconv.Itoa(req.Offset), "BasePoint", "Beginning")
		r.Start("m:Restriction")
		r.Start("t:IsEqualTo")
		r.extendedField(&p.Field)
		r.Start("t:FieldURIOrConstant")
		r.Leaf("t:Constant", "", "Value", p.Value)
		r.End()
		r.End()
		r.End()
	} else {
		if !req.End.After(req.Start) {
			r.refuse("the end of a calendar view must be after its start")
		}
		r.Leaf("m:CalendarView", "", "MaxEntriesReturned", limit, "StartDate", instant(req.Start), "EndDate", instant(req.End))
	}
	r.folders("m:ParentFolderIds", []FolderRef{req.Folder})
	r.End()
}
