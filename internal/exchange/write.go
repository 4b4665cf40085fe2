package exchange

import (
	"context"
	"errors"

	"github.com/koyomi-cal/koyomi/ews"
	"github.com/koyomi-cal/koyomi/internal/calendar"
)

// Patch makes one write: one UpdateItem under the patch's change key, which
// never overwrites what somebody else saved in between. It returns the item's
// new id where the server gave it another one.
//
// Faults: Wait, nothing was sent or the server says that nothing was done;
// Stale or Missing, the item changed; Denied, the server will not have it;
// Uncertain, anything else: the item may be saved, and mailed, or not.
func (x *Exchange) Patch(ctx context.Context, m calendar.Mailbox, p calendar.Patch) (newID string, err error) {
	send := ews.SendToNone
	if p.Notify == calendar.NotifyAll {
		send = ews.SendToAllAndSaveCopy
		if x.opt.SendOnlyToAll {
			send = ews.SendOnlyToAll
		}
	}
	req := ews.UpdateItemRequest{
		Changes:  []ews.ItemChange{{Item: ews.ItemID{ID: p.ID, ChangeKey: p.ChangeKey}.Ref(), Updates: fromPatch(&p, x.opt.Profile.AppendsToRTF())}},
		Conflict: ews.NeverOverwrite, Send: send, SuppressReadReceipts: true,
	}
	e, err := ask(ctx, x, m, calendar.StepWrite, func(ctx context.Context, mb *ews.Mailbox) (ews.CalendarItem, error) {
		it, err := one(mb.UpdateItem(ctx, req))
		if err != nil {
			return it, x.writeFault(err)
		}
		return it, nil
	})
	if err != nil || e.ItemID.ID == p.ID {
		return "", err
	}
	return e.ItemID.ID, nil
}

// writeFault says what became of a write that failed.
func (x *Exchange) writeFault(err error) *calendar.Fault {
	f := x.fault(calendar.StepWrite, err)
	e, is := errors.AsType[*ews.Error](err)
	if !is {
		f.Class = calendar.Uncertain
		return f
	}
	switch {
	case e.Unclear:
		f.Class = calendar.Uncertain
	case f.Class == calendar.Stale, f.Class == calendar.Missing, f.Class == calendar.NoAccount, f.Class == calendar.NoMailbox:
	case f.Class == calendar.Denied, f.Class == calendar.StateLost:
		f.Class = calendar.Denied
	case notDone(e):
		f.Class = calendar.Wait
	default:
		f.Class = calendar.Uncertain
	}
	return f
}

// notDone reports whether a passing failure means for certain that the write
// was not carried out. Most do not: saving and mailing are not one transaction,
// and a server that failed in between says so with the same codes.
func notDone(e *ews.Error) bool {
	switch e.Code {
	case "ErrorServerBusy", "ErrorExceededConnectionCount", "ErrorMailboxMoveInProgress", "ErrorNoRespondingCASInDestinationSite",
		"ErrorBatchProcessingStopped":
		return true
	case ews.CodeUnavailable:
		return e.HTTPStatus == 503 || e.HTTPStatus == 429
	case ews.CodeCanceled:
		return true // and not Unclear: it was not sent
	}
	return ofServer(e)
}
