package ews

import (
	"context"

	"github.com/koyomi-cal/koyomi/ews/internal/wire"
)

// UpdateItemRequest says what to change.
type UpdateItemRequest struct {
	Changes  []ItemChange
	Send     SendMode           // default SendToNone
	Conflict ConflictResolution // default NeverOverwrite
	// SuppressReadReceipts keeps the server from sending them because of this
	// change. Exchange 2013 before SP1 does not know it.
	SuppressReadReceipts bool
}

// ItemChange is the changes to one item. With NeverOverwrite its change key
// must be the item's present one, from [Mailbox.GetItem].
type ItemChange struct {
	Item    ItemRef
	Updates []FieldUpdate
}

// FieldUpdate changes one property. [Set], [Append], [Delete], [SetProperty]
// and [DeleteProperty] make it.
type FieldUpdate struct {
	action string // "Set", "Append", "Delete"
	path   PropertyPath
	item   CalendarItem
	value  ExtendedProperty
}

// Set sets the property with that URI to its value in item, e.g.
//
//	ews.Set("calendar:Location", ews.CalendarItem{Location: "Room 1"})
//
// Set Start and End together: a start after the old end is an error.
func Set(uri string, item CalendarItem) FieldUpdate {
	return FieldUpdate{action: "Set", path: Field(uri), item: item}
}

// Append adds to the property with that URI its value in item. It works for
// "item:Body", which the server then converts, and for lists of attendees.
func Append(uri string, item CalendarItem) FieldUpdate {
	return FieldUpdate{action: "Append", path: Field(uri), item: item}
}

// Delete removes a property.
func Delete(path PropertyPath) FieldUpdate { return FieldUpdate{action: "Delete", path: path} }

// SetProperty sets an extended property.
func SetProperty(p ExtendedProperty) FieldUpdate {
	return FieldUpdate{action: "Set", path: p.Field.Path(), value: p}
}

// DeleteProperty removes an extended property.
func DeleteProperty(f ExtendedField) FieldUpdate { return Delete(f.Path()) }

// UpdateItem changes items ([MS-OXWSCORE] 3.1.4.9). The
// results hold the ids with their new change keys, in the order of the
// changes. An item that somebody else has changed in the meantime is an error
// of class Refetch. A call whose answer is lost (Error.Unclear) may have saved
// the item, and mailed it or not: saving and mailing are not one transaction.
func (m *Mailbox) UpdateItem(ctx context.Context, req UpdateItemRequest) ([]ItemResult, error) {
	return do(ctx, m, operation[[]ItemResult]{
		name: "UpdateItem", write: req.write,
		read: func(a answer) ([]ItemResult, error) {
			return each(a, len(req.Changes), func(msg *wire.Element, e *Error) ItemResult { return a.item(msg, e) }), nil
		},
	})
}

func (req UpdateItemRequest) write(r *request) {
	conflict, send := req.Conflict, req.Send
	if conflict == "" {
		conflict = NeverOverwrite
	}
	if send == "" {
		send = SendToNone
	}
	attrs := []string{"ConflictResolution", string(conflict), "SendMeetingInvitationsOrCancellations", string(send)}
	if req.SuppressReadReceipts && r.version != version2013 {
		attrs = append(attrs, "SuppressReadReceipts", "true")
	}
	if len(req.Changes) == 0 {
		r.refuse("there is nothing to change")
	}
	r.Start("m:UpdateItem", attrs...)
	r.Start("m:ItemChanges")
	for _, c := range req.Changes {
		if len(c.Updates) == 0 {
			r.refuse("there is nothing to change")
		}
		r.Start("t:ItemChange")
		r.itemRef(c.Item)
		r.Start("t:Updates")
		for i := range c.Updates {
			r.update(&c.Updates[i])
		}
		r.End()
		r.End()
	}
	r.End()
	r.End()
}

// update writes one change: the path, and an item that holds exactly the
// property that it names.
func (r *request) update(u *FieldUpdate) {
	switch u.action {
	case "Set":
		r.Start("t:SetItemField")
	case "Append":
		r.Start("t:AppendToItemField")
	case "Delete":
		r.Start("t:DeleteItemField")
	default:
		r.refuse("a change is empty")
		return
	}
	r.path(&u.path)
	if u.action != "Delete" {
		r.Start("t:CalendarItem")
		if u.path.URI == "" {
			r.extendedProperty(&u.value)
		} else {
			r.property(u.path.URI, &u.item)
		}
		r.End()
	}
	r.End()
}
