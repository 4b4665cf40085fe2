package ewstest

import (
	"fmt"
	"slices"
	"sync"
	"time"
)

// eventKind is one of the notifications of [MS-OXWSNTIF] 2.2.5.
type eventKind uint8

const (
	createdEvent eventKind = 1 << iota
	modifiedEvent
	deletedEvent
	movedEvent
	copiedEvent
	newMailEvent
	freeBusyEvent
)

// eventNames are the elements of the notifications, without those that
// subscriptions cannot ask for.
var eventNames = [...]struct {
	kind eventKind
	name string
}{
	{createdEvent, "CreatedEvent"}, {modifiedEvent, "ModifiedEvent"}, {deletedEvent, "DeletedEvent"}, {movedEvent, "MovedEvent"},
	{copiedEvent, "CopiedEvent"}, {newMailEvent, "NewMailEvent"}, {freeBusyEvent, "FreeBusyChangedEvent"},
}

func (k eventKind) String() string {
	for _, e := range eventNames {
		if e.kind == k {
			return e.name
		}
	}
	return fmt.Sprintf("event %d", uint8(k))
}

// parseEvent returns the kind for the name of an element.
func parseEvent(name string) (eventKind, bool) {
	for _, e := range eventNames {
		if e.name == name {
			return e.kind, true
		}
	}
	return 0, false
}

// event is one thing that happened in a mailbox. Where item is zero it is
// about the folder itself.
type event struct {
	kind      eventKind
	object    byte
	at        time.Time
	folder    uint32
	item      uint64
	oldFolder uint32 // of movedEvent
	oldItem   uint64
}

// mostPending bounds the events that wait for a stream to come back.
const mostPending = 4000

// subscription is a streaming subscription. Its identity never changes; the
// rest is guarded by mu, so that the reader of a stream does not stop the
// store.
type subscription struct {
	id      string
	account string // who subscribed, before impersonation
	as      *mailbox
	box     *mailbox
	all     bool
	folders []uint32
	kinds   eventKind
	coarse  bool     // gromox: item events are creations only
	silent  bool     // gromox: subscribed without rights
	back    *backEnd // where it lives

	mu     sync.Mutex
	queue  []event
	missed bool
	stream *stream
	used   time.Time // when a stream last had it
}

// publish hands an event to whoever subscribed to it.
func (b *mailbox) publish(e event) {
	for _, sub := range b.subs {
		if sub.wants(e) {
			sub.push(e)
		}
	}
}

func (sub *subscription) wants(e event) bool {
	if sub.silent || sub.kinds&e.kind == 0 {
		return false
	}
	if !sub.all && !slices.Contains(sub.folders, e.folder) &&
		(e.kind != movedEvent || !slices.Contains(sub.folders, e.oldFolder)) {
		return false
	}
	return !sub.coarse || sub.all || e.item == 0 || e.kind == createdEvent
}

func (sub *subscription) push(e event) {
	sub.mu.Lock()
	if len(sub.queue) >= mostPending {
		sub.queue, sub.missed = nil, true
	} else if !sub.missed {
		sub.queue = append(sub.queue, e)
	}
	st := sub.stream
	sub.mu.Unlock()
	if st != nil {
		st.wake(sub)
	}
}

// settled returns when the change is done that is going on, if there is one.
func (s *Server) settled() {
	s.mu.RLock()
	defer s.mu.RUnlock()
}

// drain takes the events that wait, unless another stream has them to tell.
func (sub *subscription) drain(st *stream) (events []event, missed bool) {
	sub.mu.Lock()
	defer sub.mu.Unlock()
	if sub.stream != st {
		return nil, false
	}
	events, missed = sub.queue, sub.missed
	sub.queue = nil
	return events, missed
}

// waiting reports whether there is something to tell.
func (sub *subscription) waiting() bool {
	sub.mu.Lock()
	defer sub.mu.Unlock()
	return len(sub.queue) > 0 || sub.missed
}

// attach gives the subscription to a stream and returns the one that had it.
func (sub *subscription) attach(st *stream) (previous *stream) {
	sub.mu.Lock()
	defer sub.mu.Unlock()
	previous = sub.stream
	sub.stream = st
	return previous
}

// detach takes the subscription from a stream that ends, unless another one
// has it already.
func (sub *subscription) detach(st *stream, now time.Time) {
	sub.mu.Lock()
	defer sub.mu.Unlock()
	if sub.stream == st {
		sub.stream, sub.used = nil, now
	}
}

// expired reports whether nobody has listened for longer than life.
func (sub *subscription) expired(now time.Time, life time.Duration) bool {
	sub.mu.Lock()
	defer sub.mu.Unlock()
	return sub.stream == nil && now.Sub(sub.used) > life
}

// stream is one open GetStreamingEvents.
type stream struct {
	signal chan struct{} // holds one token while there is something to do

	mu     sync.Mutex
	dirty  []*subscription
	kicked bool     // another stream took a subscription away
	cut    bool     // to be closed in the middle
	blinds []string // ids of subscriptions whose mailbox has gone
}

func newStream() *stream { return &stream{signal: make(chan struct{}, 1)} }

func (st *stream) wake(sub *subscription) {
	st.mu.Lock()
	if !slices.Contains(st.dirty, sub) {
		st.dirty = append(st.dirty, sub)
	}
	st.mu.Unlock()
	st.poke()
}

func (st *stream) kick() {
	st.mu.Lock()
	st.kicked = true
	st.mu.Unlock()
	st.poke()
}

// blind says that the mailbox of a subscription has gone elsewhere.
func (st *stream) blind(sub *subscription) {
	st.mu.Lock()
	st.blinds = append(st.blinds, sub.id)
	st.mu.Unlock()
	st.poke()
}

// blinded returns the ids of subscriptions that blind has named.
func (st *stream) blinded() []string {
	st.mu.Lock()
	defer st.mu.Unlock()
	return st.blinds
}

func (st *stream) sever() {
	st.mu.Lock()
	st.cut = true
	st.mu.Unlock()
	st.poke()
}

func (st *stream) poke() {
	select {
	case st.signal <- struct{}{}:
	default:
	}
}

// take returns what there is to do.
func (st *stream) take() (dirty []*subscription, kicked, severed bool) {
	st.mu.Lock()
	defer st.mu.Unlock()
	dirty, st.dirty = st.dirty, nil
	return dirty, st.kicked, st.cut
}
