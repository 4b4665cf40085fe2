package ewstest

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/koyomi-cal/koyomi/ews/internal/wire"
)

// mostFound is EwsFindCountLimit, how many items one FindItem returns.
const mostFound = 1000

// findItem answers FindItem ([MS-OXWSSRCH] 3.1.4.4): with CalendarView the
// occurrences in a window, without it the stored items of folders.
func (r *request) findItem() error {
	shape, err := r.parseShape(r.body.Child("ItemShape"), true)
	if err != nil {
		return err
	}
	if shape.has("item:Body") {
		return failf("ErrorInvalidPropertyRequest", "Property item:Body is not valid for the FindItem operation.")
	}
	if t := r.body.Attr("Traversal"); !slices.Contains([]string{"Shallow", "SoftDeleted", "Associated"}, t) {
		return schemaViolation("%q is not a Traversal", t)
	}
	folders := r.body.Child("ParentFolderIds")
	if folders == nil || len(folders.Children) == 0 {
		return schemaViolation("ParentFolderIds is empty")
	}
	r.begin()
	for _, e := range folders.Children {
		var found findings
		err := r.blocked()
		if err == nil {
			found, err = r.find(e)
		}
		r.message(err, "", func() { r.showFindings(found, shape) })
	}
	return nil
}

// findings are the items of one folder that FindItem returns.
type findings struct {
	box    *mailbox
	items  []found
	total  int
	offset int // of the next page; meaningful where paged
	last   bool
	paged  bool
}

// found is one of them with the master it belongs to.
type found struct{ it, master *Item }

// find looks through one folder.
func (r *request) find(folder *wire.Element) (findings, error) {
	r.s.mu.RLock()
	b, f, err := r.folder(folder)
	var items []*Item
	if err == nil && r.body.Attr("Traversal") == "Shallow" {
		items = slices.Clone(f.items)
	}
	r.s.mu.RUnlock()
	if err != nil {
		return findings{}, err
	}
	if view := r.body.Child("CalendarView"); view != nil {
		return r.calendarView(b, items, view)
	}
	return r.pagedView(b, items)
}

// calendarView returns what a calendar shows in a window
// ([MS-OXWSSRCH] 2.2.4.7, CalendarViewType).
func (r *request) calendarView(b *mailbox, items []*Item, view *wire.Element) (findings, error) {
	if r.body.Child("Restriction") != nil || r.body.Child("SortOrder") != nil {
		return findings{}, fail("ErrorUnsupportedPathForQuery")
	}
	from, err1 := r.parseTime(view.Attr("StartDate"))
	to, err2 := r.parseTime(view.Attr("EndDate"))
	if err1 != nil || err2 != nil {
		return findings{}, schemaViolation("CalendarView needs StartDate and EndDate")
	}
	if to.Before(from) {
		return findings{}, fail("ErrorCalendarEndDateIsEarlierThanStartDate")
	}
	if to.Sub(from) > 732*24*time.Hour && !r.s.traits.noExpansion {
		return findings{}, fail("ErrorCalendarViewRangeTooBig")
	}
	out := findings{box: b, last: true}
	for _, it := range items {
		switch {
		case !it.isCalendar():
		case r.s.traits.noExpansion:
			if !it.Start.After(to) && !it.End.Before(from) {
				out.items = append(out.items, found{it, it})
			}
		case it.Recurrence == nil:
			if seen(it.Start, it.End, from, to) {
				out.items = append(out.items, found{it, it})
			}
		default:
			for _, o := range it.window(r.s.zones.location(it.Zone), from, to) {
				out.items = append(out.items, found{it.occurrence(o), it})
			}
		}
	}
	if !r.s.traits.noExpansion {
		slices.SortStableFunc(out.items, func(a, b found) int { return a.it.Start.Compare(b.it.Start) })
	}
	out.total = len(out.items)
	most := mostFound
	if n, ok := parseInt(view.Attr("MaxEntriesReturned")); ok {
		if n < 1 {
			return findings{}, schemaViolation("MaxEntriesReturned begins at 1")
		}
		most = min(most, n)
	} else if out.total > mostFound && !r.s.traits.noExpansion {
		f := fail("ErrorExceededFindCountLimit")
		f.values = []string{"PolicyLimit", strconv.Itoa(mostFound)}
		return findings{}, f
	}
	if out.total > most {
		out.items, out.last = out.items[:most], false
	}
	return out, nil
}

// pagedView returns a page of the items of a folder.
func (r *request) pagedView(b *mailbox, items []*Item) (findings, error) {
	match, err := r.restriction(r.body.Child("Restriction"))
	if err != nil {
		return findings{}, err
	}
	out := findings{box: b, last: true}
	for _, it := range items {
		if match(b, it) {
			out.items = append(out.items, found{it, it})
		}
	}
	if err := r.sort(b, out.items); err != nil {
		return findings{}, err
	}
	out.total = len(out.items)
	page := r.body.Child("IndexedPageItemView")
	if page == nil {
		if out.total > mostFound {
			out.items, out.last = out.items[:mostFound], false
		}
		return out, nil
	}
	offset, _ := parseInt(page.Attr("Offset"))
	offset = max(0, offset)
	if page.Attr("BasePoint") == "End" {
		offset = max(0, out.total-offset)
	}
	offset = min(offset, out.total)
	most := mostFound
	if n, ok := parseInt(page.Attr("MaxEntriesReturned")); ok && n > 0 {
		most = min(most, n)
	}
	end := min(offset+most, out.total)
	out.items, out.paged, out.offset, out.last = out.items[offset:end], true, end, end == out.total
	return out, nil
}

// showFindings writes RootFolder.
func (r *request) showFindings(f findings, s *shape) {
	attrs := []string{"TotalItemsInView", strconv.Itoa(f.total), "IncludesLastItemInRange", strconv.FormatBool(f.last)}
	if f.paged {
		attrs = append([]string{"IndexedPagingOffset", strconv.Itoa(f.offset)}, attrs...)
	}
	r.w.Start("m:RootFolder", attrs...)
	r.w.Start("t:Items")
	for _, i := range f.items {
		r.show(f.box, i.it, i.master, s)
	}
	r.w.End()
	r.w.End()
}

// sort orders items as SortOrder says; without one, newest first.
func (r *request) sort(b *mailbox, items []found) error {
	order := r.body.Child("SortOrder")
	if order == nil {
		slices.SortStableFunc(items, func(a, b found) int { return b.it.receivedAt().Compare(a.it.receivedAt()) })
		return nil
	}
	fields := slices.Collect(order.All("FieldOrder"))
	slices.Reverse(fields) // the first counts most, so it is sorted by last
	for _, f := range fields {
		path, err := parseField(f)
		if err != nil {
			return err
		}
		less := comparison(path.uri)
		if path.extended != nil {
			less = func(x, y *Item) int {
				a, _ := r.fieldValue(b, x, path)
				b, _ := r.fieldValue(b, y, path)
				return compareValues(a, b)
			}
		}
		if less == nil {
			return failf("ErrorUnsupportedPathForSortGroup", "The property %s cannot be used for sorting.", path.uri)
		}
		descending := f.Attr("Order") == "Descending"
		slices.SortStableFunc(items, func(a, b found) int {
			if descending {
				return less(b.it, a.it)
			}
			return less(a.it, b.it)
		})
	}
	return nil
}

// comparison returns how items are ordered by a property, or nil.
func comparison(uri string) func(a, b *Item) int {
	switch uri {
	case "item:DateTimeReceived", "item:DateTimeSent":
		return func(a, b *Item) int { return a.receivedAt().Compare(b.receivedAt()) }
	case "item:DateTimeCreated":
		return func(a, b *Item) int { return a.Created.Compare(b.Created) }
	case "item:LastModifiedTime":
		return func(a, b *Item) int { return a.Modified.Compare(b.Modified) }
	case "item:Subject":
		return func(a, b *Item) int { return strings.Compare(a.Subject, b.Subject) }
	case "calendar:Start":
		return func(a, b *Item) int { return a.Start.Compare(b.Start) }
	case "calendar:End":
		return func(a, b *Item) int { return a.End.Compare(b.End) }
	}
	return nil
}
