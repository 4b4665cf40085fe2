package exchange

import (
	"context"
	"time"

	"github.com/koyomi-cal/koyomi/ews"
	"github.com/koyomi-cal/koyomi/internal/calendar"
)

// FindUID looks for the meeting with a UID in the mailbox's calendar, first
// around the time at which it ought to be and then, which costs the server more,
// everywhere. It reports false where there is none.
func (x *Exchange) FindUID(ctx context.Context, m calendar.Mailbox, uid string, around calendar.Window) (id calendar.ItemID, found bool, err error) {
	goid := ews.GlobalObjectIDOf(uid)
	key := canonical(goid)
	items, err := x.findAll(ctx, m, calendar.Window{From: around.From.Add(-time.Minute), To: around.To.Add(time.Minute)}, 0)
	if err != nil {
		return calendar.ItemID{}, false, err
	}
	if id, found = withKey(items, key, uid); found {
		return id, true, nil
	}
	page, err := ask(ctx, x, m, calendar.StepRead, func(ctx context.Context, mb *ews.Mailbox) (ews.FindItemPage, error) {
		return mb.FindItem(ctx, ews.FindItemRequest{
			Equal: &ews.ExtendedProperty{Field: ews.CleanGlobalObjectIDField(), Value: goid.String()}, Max: 10, Shape: ews.ViewShape(),
		})
	})
	if err != nil {
		return calendar.ItemID{}, false, err
	}
	id, found = withKey(page.Items, key, uid)
	return id, found, nil
}

func withKey(items []ews.CalendarItem, key, uid string) (calendar.ItemID, bool) {
	for i := range items {
		it := &items[i]
		if k := toGOID(it); (k == key || k == "" && it.UID == uid) && toKind(it) != calendar.Occurrence && toKind(it) != calendar.Exception {
			return calendar.ItemID{ID: it.ItemID.ID, ChangeKey: it.ItemID.ChangeKey}, true
		}
	}
	return calendar.ItemID{}, false
}

// Create makes a meeting and invites whom it names, in one request. It never
// looks whether the meeting is there already: see FindUID.
//
// Faults are those of Patch.
func (x *Exchange) Create(ctx context.Context, m calendar.Mailbox, d calendar.Draft) (calendar.ItemID, error) {
	it, err := fromDraft(&d)
	if err != nil {
		return calendar.ItemID{}, &calendar.Fault{Class: calendar.Denied, Step: calendar.StepWrite, Sentence: "the meeting cannot be made: " + err.Error(), Cause: err}
	}
	return x.write(ctx, m, func(ctx context.Context, mb *ews.Mailbox) (ews.CalendarItem, error) {
		return one(mb.CreateItem(ctx, ews.CreateItemRequest{Send: x.sends(len(d.Attendees) > 0), Items: []ews.CalendarItem{it}}))
	})
}

// Amend changes a meeting of the mailbox's own under its change key, and tells
// whom it names in one mail.
//
// Faults are those of Patch.
func (x *Exchange) Amend(ctx context.Context, m calendar.Mailbox, a calendar.Amendment, invited bool) (calendar.ItemID, error) {
	req := ews.UpdateItemRequest{
		Changes:  []ews.ItemChange{{Item: ews.ItemID{ID: a.ID, ChangeKey: a.ChangeKey}.Ref(), Updates: fromAmendment(&a)}},
		Conflict: ews.NeverOverwrite, Send: x.sends(invited || len(a.Attendees) > 0), SuppressReadReceipts: true,
	}
	return x.write(ctx, m, func(ctx context.Context, mb *ews.Mailbox) (ews.CalendarItem, error) {
		return one(mb.UpdateItem(ctx, req))
	})
}

// Answer accepts, accepts tentatively or declines an invitation, with a few
// words to the organizer where there are any.
//
// Faults are those of Patch.
func (x *Exchange) Answer(ctx context.Context, m calendar.Mailbox, it calendar.ItemID, r calendar.Response, words string) error {
	var action ews.MeetingAction
	switch r {
	case calendar.Accepted:
		action = ews.AcceptItem
	case calendar.Tentative:
		action = ews.TentativelyAcceptItem
	case calendar.Declined:
		action = ews.DeclineItem
	default:
		return &calendar.Fault{Class: calendar.Denied, Step: calendar.StepWrite, Sentence: "an invitation is accepted, tentatively accepted or declined"}
	}
	return x.respond(ctx, m, it, action, words)
}

// Cancel cancels a meeting of the mailbox's own and tells everybody, in one mail
// with a few words where there are any.
//
// Faults are those of Patch.
func (x *Exchange) Cancel(ctx context.Context, m calendar.Mailbox, it calendar.ItemID, words string) error {
	return x.respond(ctx, m, it, ews.CancelCalendarItem, words)
}

func (x *Exchange) respond(ctx context.Context, m calendar.Mailbox, it calendar.ItemID, action ews.MeetingAction, words string) error {
	req := ews.RespondRequest{Action: action, Item: ews.ItemID{ID: it.ID, ChangeKey: it.ChangeKey}}
	if words != "" {
		req.Body = &ews.Body{Type: ews.BodyText, Content: words}
	}
	_, err := x.write(ctx, m, func(ctx context.Context, mb *ews.Mailbox) (ews.CalendarItem, error) {
		_, err := mb.Respond(ctx, req)
		return ews.CalendarItem{}, err
	})
	return err
}

// sends says who is told of a write of somebody's own.
func (x *Exchange) sends(invited bool) ews.SendMode {
	switch {
	case !invited:
		return ews.SendToNone
	case x.opt.SendOnlyToAll:
		return ews.SendOnlyToAll
	}
	return ews.SendToAllAndSaveCopy
}

// write sends one request that changes a calendar, and says of a failure what
// became of it.
func (x *Exchange) write(ctx context.Context, m calendar.Mailbox, send func(context.Context, *ews.Mailbox) (ews.CalendarItem, error)) (calendar.ItemID, error) {
	e, err := ask(ctx, x, m, calendar.StepWrite, func(ctx context.Context, mb *ews.Mailbox) (ews.CalendarItem, error) {
		it, err := send(ctx, mb)
		if err != nil {
			return it, x.writeFault(err)
		}
		return it, nil
	})
	if err != nil {
		return calendar.ItemID{}, err
	}
	return calendar.ItemID{ID: e.ItemID.ID, ChangeKey: e.ItemID.ChangeKey}, nil
}
