package exchange

import (
	"context"
	"errors"
	"time"

	"github.com/koyomi-cal/koyomi/ews"
	"github.com/koyomi-cal/koyomi/internal/calendar"
)

// Bounds of one look at free/busy, which are the server's.
const (
	maxFreeBusy       = 100
	maxFreeBusyWindow = 42 * 24 * time.Hour
)

// FreeBusy looks at the time of up to 100 people and rooms, as somebody may see
// it, over at most 42 days. The answers are in the order of the addresses; of
// whom nothing is known, the answer says so and the others stand.
func (x *Exchange) FreeBusy(ctx context.Context, m calendar.Mailbox, addresses []string, w calendar.Window) ([]calendar.Availability, error) {
	switch {
	case len(addresses) == 0:
		return nil, nil
	case len(addresses) > maxFreeBusy, w.To.Sub(w.From) > maxFreeBusyWindow, !w.To.After(w.From):
		return nil, &calendar.Fault{Class: calendar.Denied, Step: calendar.StepRead, Sentence: "free/busy is looked at for up to 100 people and 42 days at once; ask for less"}
	}
	found, err := ask(ctx, x, m, calendar.StepRead, func(ctx context.Context, mb *ews.Mailbox) ([]ews.FreeBusy, error) {
		return mb.GetUserAvailability(ctx, ews.AvailabilityRequest{Mailboxes: addresses, From: w.From, To: w.To, Interval: freeBusyStep})
	})
	if err != nil {
		return nil, err
	}
	out := make([]calendar.Availability, len(found))
	for i := range found {
		out[i] = toAvailability(&found[i], w)
		out[i].Address = addresses[i]
		if found[i].Err != nil {
			out[i].Fault = x.personFault(found[i].Err)
		}
	}
	return out, nil
}

// personFault says why nothing is known of one person: a failure that is theirs
// alone, and so neither the mailbox's who asks nor the account's.
func (x *Exchange) personFault(err error) calendar.FaultClass {
	e, is := errors.AsType[*ews.Error](err)
	switch {
	case !is:
		return calendar.Wait
	case e.Code == "ErrorMailRecipientNotFound" || e.Code == "ErrorNonExistentMailbox" || e.Code == "ErrorInvalidSmtpAddress":
		return calendar.Missing
	case e.Code == "ErrorNoFreeBusyAccess" || e.Code == "ErrorAccessDenied":
		return calendar.Denied
	}
	return calendar.Wait
}

// Replies reads a mailbox's automatic replies. Their text is not kept.
func (x *Exchange) Replies(ctx context.Context, m calendar.Mailbox) (calendar.Replies, error) {
	s, err := ask(ctx, x, m, calendar.StepRead, func(ctx context.Context, mb *ews.Mailbox) (ews.OofSettings, error) {
		return mb.GetUserOofSettings(ctx, "")
	})
	if err != nil {
		return calendar.Replies{}, err
	}
	return toReplies(s), nil
}
