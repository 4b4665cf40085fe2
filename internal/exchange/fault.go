package exchange

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/koyomi-cal/koyomi/ews"
	"github.com/koyomi-cal/koyomi/internal/calendar"
)

// fault translates a failure of a request that was at a step.
func (x *Exchange) fault(step calendar.Step, err error) *calendar.Fault {
	if f, is := errors.AsType[*calendar.Fault](err); is {
		return f
	}
	e, is := errors.AsType[*ews.Error](err)
	if !is {
		return &calendar.Fault{Class: calendar.Wait, Step: step, Sentence: "the request to Exchange failed; it is tried again", Cause: err}
	}
	f := &calendar.Fault{Class: calendar.Wait, Step: stepOf(e, step), Sentence: e.Message, Cause: err}
	if e.BackOff > 0 {
		f.Until = time.Now().Add(e.BackOff)
	}
	if taken(err) {
		f.Class = calendar.Taken
		return f
	}
	switch e.Class() {
	case ews.Auth:
		f.Class, f.Until = calendar.NoAccount, x.refused()
		x.wantOther()
	case ews.AccountLevel:
		f.Class = calendar.NoAccount
	case ews.MailboxPermanent:
		f.Class = calendar.NoMailbox
		if step == calendar.StepRead && e.Code == "ErrorAccessDenied" {
			f.Class = calendar.Denied // of one item
		}
	case ews.Resync:
		f.Class = calendar.StateLost
		if step != calendar.StepSubscribe && strings.HasSuffix(e.Code, "FolderNotFound") {
			f.Class, f.Sentence = calendar.NoMailbox, "the mailbox has no calendar folder; check that it is not an archive or a shared mailbox that was never opened"
		}
	case ews.Refetch:
		f.Class = calendar.Stale
	case ews.ItemLocal:
		f.Class = calendar.Denied
		if e.Code == "ErrorItemNotFound" {
			f.Class = calendar.Missing
		}
	case ews.OwnBug:
		f.Class = calendar.Denied
	}
	return f
}

// stepOf says how far a request came.
func stepOf(e *ews.Error, at calendar.Step) calendar.Step {
	switch e.Code {
	case ews.CodeAuthFailed, ews.CodeAccountLocked, ews.CodeProxyAuth, ews.CodeNoScheme:
		return calendar.StepAuthenticate
	case "ErrorImpersonateUserDenied", "ErrorImpersonationFailed", "ErrorImpersonationDenied", "ErrorNonExistentMailbox",
		"ErrorCannotFindUser", "ErrorInvalidSmtpAddress", "ErrorMailRecipientNotFound", "ErrorAccountDisabled":
		return calendar.StepImpersonate
	}
	if ofServer(e) || e.Code == "ErrorServerBusy" && e.HTTPStatus == 0 {
		return calendar.StepConnect
	}
	return at
}

// ofServer reports whether a failure is one of the whole server: no other
// request has a better chance right now.
func ofServer(e *ews.Error) bool {
	switch e.Code {
	case ews.CodeRefused, ews.CodeDNS, ews.CodeCertificate, ews.CodeTLS, ews.CodeForbidden, ews.CodeNotFound, ews.CodeNotEWS, ews.CodeRedirected:
		return true
	case ews.CodeTimeout, ews.CodeTransport:
		return !e.Unclear
	}
	return false
}

// ask sends one request for a mailbox, as urgently as ctx says. Whether and
// when it leaves is decided by the scheduler.
func ask[T any](ctx context.Context, x *Exchange, m calendar.Mailbox, step calendar.Step, send func(context.Context, *ews.Mailbox) (T, error)) (T, error) {
	ctx = ews.WithPriority(ctx, ews.Priority(calendar.UrgencyOf(ctx)))
	var none T
	client, err := x.at(ctx, m.Address)
	if err != nil {
		return none, x.fault(calendar.StepConnect, err)
	}
	result, err := send(ctx, client.As(m.Address))
	x.noteCall(m.Address, err)
	if err != nil {
		return none, x.fault(step, err)
	}
	x.accepted()
	return result, nil
}

// Requests returns the decisions of the scheduler, for metrics.
func (x *Exchange) Requests() ews.SchedulerStats { return x.opt.Scheduler.Stats() }
