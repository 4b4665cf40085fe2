package ews

import (
	"context"
	"time"

	"github.com/koyomi-cal/koyomi/ews/internal/wire"
)

// CreateItemRequest says what to create.
type CreateItemRequest struct {
	Folder FolderRef // default the calendar
	Send   SendMode  // SendToNone (default), SendOnlyToAll or SendToAllAndSaveCopy
	Items  []CalendarItem
}

// CreateItem creates appointments, and meetings where they have attendees
// ([MS-OXWSCORE] 3.1.4.2, [MS-OXWSMTGS] 3.1.4). Of a [CalendarItem] it
// writes what can be written; Start and End are written in UTC, and
// StartTimeZone is the zone in which a series recurs. The results hold the new
// ids.
//
// A call whose answer is lost (Error.Unclear) may have created the item and
// mailed it. Give the item a UID or a property of your own and look for it
// before calling again.
func (m *Mailbox) CreateItem(ctx context.Context, req CreateItemRequest) ([]ItemResult, error) {
	return do(ctx, m, operation[[]ItemResult]{
		name: "CreateItem", write: req.write,
		read: func(a answer) ([]ItemResult, error) {
			return each(a, len(req.Items), func(msg *wire.Element, e *Error) ItemResult { return a.item(msg, e) }), nil
		},
	})
}

func (req CreateItemRequest) write(r *request) {
	send := req.Send
	if send == "" {
		send = SendToNone
	}
	if len(req.Items) == 0 {
		r.refuse("there is no item to create")
	}
	r.Start("m:CreateItem", "SendMeetingInvitations", string(send))
	r.folders("m:SavedItemFolderId", []FolderRef{req.Folder})
	r.Start("m:Items")
	for i := range req.Items {
		r.calendarItem(&req.Items[i])
	}
	r.End()
	r.End()
}

// MeetingAction is what somebody does with a meeting ([MS-OXWSCDATA]
// WellKnownResponseObjectType).
type MeetingAction string

// The actions. The first three are an attendee's, the last the organizer's.
const (
	AcceptItem            MeetingAction = "AcceptItem"
	TentativelyAcceptItem MeetingAction = "TentativelyAcceptItem"
	DeclineItem           MeetingAction = "DeclineItem"
	CancelCalendarItem    MeetingAction = "CancelCalendarItem"
)

// Disposition says what becomes of the message that an action makes.
type Disposition string

// The dispositions ([MS-OXWSCDATA] MessageDispositionType).
const (
	SaveOnly        Disposition = "SaveOnly"
	SendOnly        Disposition = "SendOnly"
	SendAndSaveCopy Disposition = "SendAndSaveCopy"
)

// RespondRequest answers or cancels a meeting.
type RespondRequest struct {
	Action      MeetingAction
	Item        ItemID // the invitation or the calendar item, with its change key
	Body        *Body  // text that goes with it, or nil
	Disposition Disposition
	// ProposedStart and ProposedEnd propose another time, with
	// TentativelyAcceptItem and DeclineItem.
	ProposedStart, ProposedEnd time.Time
}

// Respond carries out one of the response objects of a meeting by CreateItem
// ([MS-OXWSMTGS] 3.1.4). Disposition is SendAndSaveCopy by default. It
// returns the ids of the items that the server touched, where it says so.
func (m *Mailbox) Respond(ctx context.Context, req RespondRequest) ([]ItemID, error) {
	return do(ctx, m, operation[[]ItemID]{
		name: "CreateItem", write: req.write,
		read: func(a answer) ([]ItemID, error) {
			msg, err := a.single()
			if err != nil {
				return nil, err
			}
			var ids []ItemID
			for _, e := range msg.Child("Items").Elements() {
				if it := decoded[CalendarItem](e); it != nil && it.ItemID.ID != "" {
					ids = append(ids, it.ItemID)
				}
			}
			return ids, nil
		},
	})
}

func (req RespondRequest) write(r *request) {
	disposition := req.Disposition
	if disposition == "" {
		disposition = SendAndSaveCopy
	}
	if req.Item.ID == "" {
		r.refuse("an item's id is empty")
	}
	r.Start("m:CreateItem", "MessageDisposition", string(disposition))
	r.Start("m:Items")
	r.Start("t:" + string(req.Action))
	switch req.Action {
	case AcceptItem, TentativelyAcceptItem, DeclineItem:
		if req.Body != nil {
			r.body("t:Body", req.Body)
		}
		r.itemID("t:ReferenceItemId", req.Item)
		if !req.ProposedStart.IsZero() {
			r.Leaf("t:ProposedStart", instant(req.ProposedStart))
			r.Leaf("t:ProposedEnd", instant(req.ProposedEnd))
		}
	case CancelCalendarItem:
		r.itemID("t:ReferenceItemId", req.Item)
		if req.Body != nil {
			r.body("t:NewBodyContent", req.Body)
		}
	default:
		r.refuse("there is no such action on a meeting")
	}
	r.End()
	r.End()
	r.End()
}
