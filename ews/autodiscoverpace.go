package ews

import (
	"context"
	"maps"
	"net/url"
	"strings"
	"time"
)

// pace sends the requests of a [Discoverer] under the scheduler of the program, as
// all others are: so many at once to a host as it bears, none before the time is
// over for which it has asked to be left alone, and one at a time to one that
// cannot be reached. Each host is an endpoint of its own for that, since that it
// has no Autodiscover says nothing of its Exchange Web Services.
type pace struct {
	scheduler *Scheduler
	account   *Account
}

// discoverySuffix tells the endpoints of Autodiscover from those of EWS.
const discoverySuffix = "/autodiscover"

// busyCode is what a host answers that is busy, of everything or of one mailbox
// (ServerBusy of [MS-OXWSADISC] 2.2.4.4), and busyPause how long the one or the
// other is left alone: it does not say for how long.
const (
	busyCode  = "ServerBusy"
	busyPause = 30 * time.Second
)

// enter waits until a request may be sent to a host, or says why it may not.
func (p pace) enter(ctx context.Context, op string, u *url.URL) (*ticket, *Error) {
	endpoint := hostKey(u) + discoverySuffix
	return p.scheduler.enter(ctx, job{op: op, key: boxKey{p.account, endpoint}, endpoint: endpoint, priority: priorityOf(ctx)})
}

// leave takes in what the request has met. That there is nothing at an address, or
// something else, is no failure of the host.
func (p pace) leave(t *ticket, e *Error) {
	if e != nil {
		switch e.Code {
		case CodeNotFound, CodeNotEWS, CodeRedirected, CodeForbidden, CodeNotDiscovered:
		default:
			t.note(e)
		}
	}
	t.leave()
}

// rest leaves a host alone that is busy.
func (p pace) rest(u *url.URL) {
	s, now := p.scheduler, time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.backOffs++
	l := s.named(hostKey(u) + discoverySuffix)
	l.until = latest(l.until, now.Add(busyPause))
	s.refuseAll(now, func(w *ticket) bool { return w.lane == l })
}

// tryNow has hosts that cannot be reached tried at once.
func (p pace) tryNow() {
	p.scheduler.mu.Lock()
	defer p.scheduler.mu.Unlock()
	maps.DeleteFunc(p.scheduler.endpoints, func(name string, _ *reach) bool { return strings.HasSuffix(name, discoverySuffix) })
}
