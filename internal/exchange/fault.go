package exchange

import (
	"context"
	"errors"
	"math/rand/v2"
	"strings"
	"sync"
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
	switch e.Class() {
	case ews.Auth:
		f.Class, f.Until = calendar.NoAccount, x.refused()
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
	case ews.CodeAuthFailed, ews.CodeAccountLocked:
		return calendar.StepAuthenticate
	case "ErrorImpersonateUserDenied", "ErrorImpersonationFailed", "ErrorImpersonationDenied", "ErrorNonExistentMailbox",
		"ErrorCannotFindUser", "ErrorInvalidSmtpAddress", "ErrorMailRecipientNotFound", "ErrorAccountDisabled":
		return calendar.StepImpersonate
	}
	if ofServer(e) {
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

// pace keeps requests back: those for a mailbox that is to be left alone, and
// all but one while the server cannot be reached.
type pace struct {
	mu      sync.Mutex
	until   map[string]time.Time // by mailbox address
	down    time.Time            // nothing is sent before
	tries   int
	probing bool
	why     *calendar.Fault
}

func newPace() *pace { return &pace{until: map[string]time.Time{}} }

// wait returns when a request for the mailbox may be sent; zero means now.
func (p *pace) wait(address string) time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	if at := p.until[address]; at.After(time.Now()) {
		return at
	}
	return time.Time{}
}

// enter asks for a request to be sent. Each enter without a fault is followed
// by leave.
func (p *pace) enter(address string) *calendar.Fault {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	if at, is := p.until[address]; is {
		if at.After(now) {
			return &calendar.Fault{Class: calendar.Wait, Step: calendar.StepConnect, Until: at, Sentence: "the server asked to wait with this mailbox"}
		}
		delete(p.until, address)
	}
	if p.why == nil {
		return nil
	}
	if f := *p.why; p.probing || p.down.After(now) {
		if f.Until = p.down; !p.down.After(now) {
			f.Until = now.Add(time.Second)
		}
		return &f
	}
	p.probing = true
	return nil
}

// leave takes in how a request went.
func (p *pace) leave(address string, f *calendar.Fault, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.probing = false
	e, _ := errors.AsType[*ews.Error](err)
	switch {
	case e == nil || !ofServer(e):
		if e == nil || e.Class() != ews.Canceled && e.Class() != ews.Auth {
			p.why, p.tries, p.down = nil, 0, time.Time{}
		}
	default:
		p.down = time.Now().Add(backOff(p.tries))
		p.tries++
		p.why = f
	}
	if e != nil && e.BackOff > 0 {
		if at := time.Now().Add(e.BackOff); at.After(p.until[address]) {
			p.until[address] = at
		}
		p.sweep()
	}
}

// sweep forgets mailboxes whose time is over.
func (p *pace) sweep() {
	now := time.Now()
	for a, at := range p.until {
		if !at.After(now) {
			delete(p.until, a)
		}
	}
}

// forget has the server tried at once.
func (p *pace) forget() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.why, p.tries, p.down, p.probing = nil, 0, time.Time{}, false
}

// backOff doubles from half a second to thirty seconds, with a random share
// taken off.
func backOff(tries int) time.Duration {
	d := min(500*time.Millisecond<<min(tries, 6), 30*time.Second)
	return d - rand.N(d/2)
}

// ask sends one request for a mailbox, unless it has to be kept back.
func ask[T any](ctx context.Context, x *Exchange, m calendar.Mailbox, step calendar.Step, send func(context.Context, *ews.Mailbox) (T, error)) (T, error) {
	var none T
	address := strings.ToLower(m.Address)
	if f := x.pace.enter(address); f != nil {
		return none, f
	}
	result, err := send(ctx, x.ews().As(m.Address))
	if err != nil {
		f := x.fault(step, err)
		x.pace.leave(address, f, err)
		return none, f
	}
	x.pace.leave(address, nil, nil)
	x.accepted()
	return result, nil
}
