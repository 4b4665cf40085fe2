package exchange

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"time"

	"github.com/koyomi-cal/koyomi/ews"
	"github.com/koyomi-cal/koyomi/internal/calendar"
)

// watch is one call of Watch: a group, and while another service account takes
// over, for a short time two. The new account makes subscriptions of its own
// while the streams of the old one go on, and only when its stream carries every
// mailbox that it can watch the old one is ended. So nothing is missed and
// nothing is late; what is told twice in between does no harm.
//
// Groups move one after the other, so that a server meets the subscriptions of
// one of them at a time; but a group whose stream is gone, and whose account is
// refused, waits for nobody.
type watch struct {
	x  *Exchange
	at func() (*ews.Client, error)
	by map[string]calendar.Mailbox // by address in lower case

	now, next *followed
	wants     bool // to move
	turn      bool // it is ours: Exchange.moving holds it
	urgent    bool // there is no stream any more: move without a turn
}

// moveTime is how long a group is watched by two accounts at the most.
const moveTime = 2 * time.Minute

// followed is a group that is being followed.
type followed struct {
	client *ews.Client
	group  *ews.Group
	out    chan groupTold
	end    context.CancelFunc
	done   chan struct{}

	carried atomic.Int64  // mailboxes that its streams carry
	begun   chan struct{} // one token when there are more

	until   time.Time       // of a group that takes over
	settled map[string]bool // its mailboxes that are subscribed, or cannot be
	lost    map[string]bool // those that cannot
}

// groupTold is one thing that a group tells.
type groupTold struct {
	event ews.GroupEvent
	err   error
}

// follow begins to follow the mailboxes with a client, going on with what a
// predecessor of the same account has.
func (w *watch) follow(ctx context.Context, client *ews.Client, state *ews.GroupState) (*followed, error) {
	addresses := make([]string, 0, len(w.by))
	for _, m := range w.by {
		addresses = append(addresses, m.Address)
	}
	f := &followed{
		client: client, out: make(chan groupTold), begun: make(chan struct{}, 1), done: make(chan struct{}),
		until: time.Now().Add(moveTime), settled: map[string]bool{}, lost: map[string]bool{},
	}
	o := w.options(client, addresses, state)
	o.Begun = func(n int) {
		f.carried.Store(int64(n))
		select {
		case f.begun <- struct{}{}:
		default:
		}
	}
	var err error
	if f.group, err = ews.NewGroup(o); err != nil {
		return nil, err
	}
	ctx, f.end = context.WithCancel(ctx)
	go func() {
		defer close(f.done)
		defer close(f.out)
		for event, err := range f.group.Events(ctx) {
			select {
			case f.out <- groupTold{event, err}:
			case <-ctx.Done():
				return
			}
		}
	}()
	return f, nil
}

// stop ends it and waits until it has.
func (f *followed) stop() {
	if f != nil {
		f.end()
		<-f.done
	}
}

// run tells what happens until ctx ends, or the caller has enough.
func (w *watch) run(ctx context.Context, yield func(calendar.Notice, error) bool) {
	client, err := w.at()
	if err == nil {
		w.now, err = w.follow(ctx, client, nil)
	}
	if err != nil {
		yield(calendar.Notice{}, w.x.fault(calendar.StepSubscribe, err))
		return
	}
	defer func() {
		w.now.stop()
		w.next.stop()
		w.rest()
	}()
	for more := true; more && ctx.Err() == nil; {
		renewal := w.x.renewal()
		if err := w.look(ctx); err != nil {
			yield(calendar.Notice{}, w.x.fault(calendar.StepSubscribe, err))
			return
		}
		more = w.wait(ctx, renewal, yield)
	}
}

// wait waits for one thing to happen and takes it in. It returns false at the end.
func (w *watch) wait(ctx context.Context, renewal <-chan struct{}, yield func(calendar.Notice, error) bool) bool {
	var (
		grant chan<- struct{} // nil, as what follows, where nobody waits for it
		news  <-chan groupTold
		begun <-chan struct{}
		late  <-chan time.Time
	)
	if w.wants && w.next == nil {
		grant = w.x.moving
	}
	if w.next != nil {
		news, begun = w.next.out, w.next.begun
		t := time.NewTimer(time.Until(w.next.until))
		defer t.Stop()
		late = t.C
	}
	select {
	case <-ctx.Done():
		return false
	case <-renewal:
		w.now.group.TryNow()
	case grant <- struct{}{}:
		w.turn = true
	case <-late:
		w.arrive()
	case <-begun:
	case t, more := <-news:
		if !more {
			return false
		}
		w.next.settle(t)
		return w.tell(t, yield)
	case t, more := <-w.now.out:
		if !more {
			return false
		}
		if e, is := errors.AsType[*ews.Error](t.err); is && e.Class() == ews.Auth {
			w.urgent = true
		}
		return w.tell(t, yield)
	}
	return true
}

// settle takes in what became of a mailbox with the new account.
func (f *followed) settle(t groupTold) {
	key := strings.ToLower(t.event.Mailbox)
	switch {
	case key == "":
	case t.err != nil:
		f.settled[key], f.lost[key] = true, true
	default:
		f.settled[key] = true
		delete(f.lost, key)
	}
}

// complete reports whether the new account carries every mailbox that it can.
func (w *watch) complete() bool {
	n := w.next
	return len(n.settled) >= len(w.by) && int(n.carried.Load()) >= len(w.by)-len(n.lost)
}

// look has the mailboxes followed by the client that is used now.
func (w *watch) look(ctx context.Context) error {
	client, err := w.at()
	if err != nil {
		w.x.log.Debug("a watch stays with the client that it has", "error", err)
		return nil
	}
	if w.next != nil && client != w.next.client { // it is yet another one
		w.next.stop()
		w.next = nil
	}
	switch {
	case client == w.now.client:
		w.rest()
	case w.next != nil:
		if w.complete() {
			w.arrive()
		}
	case client.Account() == w.now.client.Account(): // the subscriptions are its own
		return w.takeOver(ctx, client)
	case w.turn || w.urgent:
		w.next, err = w.follow(ctx, client, nil)
	default:
		w.wants = true
	}
	return err
}

// takeOver goes on with another client of the same account: by the subscriptions
// that there are.
func (w *watch) takeOver(ctx context.Context, client *ews.Client) error {
	w.now.stop()
	state := w.now.group.State(nil)
	f, err := w.follow(ctx, client, &state)
	if err == nil {
		w.now = f
	}
	return err
}

// arrive ends the old group: the new one carries what it can.
func (w *watch) arrive() {
	w.now.stop()
	w.now, w.next = w.next, nil
	w.rest()
}

// rest gives the turn back.
func (w *watch) rest() {
	if w.turn {
		<-w.x.moving
	}
	w.wants, w.turn, w.urgent = false, false, false
}

// tell passes on what a group tells. It returns false where that was the end.
func (w *watch) tell(t groupTold, yield func(calendar.Notice, error) bool) bool {
	m := w.by[strings.ToLower(t.event.Mailbox)]
	switch {
	case t.err != nil:
		w.x.noteCall(m.Address, t.err)
		f := w.x.fault(calendar.StepSubscribe, t.err)
		return yield(calendar.Notice{Mailbox: m.ID}, f) && f.Class != calendar.Taken
	case t.event.Kind == ews.GroupSync:
		return yield(calendar.Notice{Mailbox: m.ID, Change: calendar.Change{Kind: calendar.Catchup}}, nil)
	}
	for _, ch := range changes(&t.event.Event, w.x.folder(m).calendar, t.event.AllFolders) {
		if !yield(calendar.Notice{Mailbox: m.ID, Change: ch, At: t.event.Event.Time}, nil) {
			return false
		}
	}
	return true
}
