package connector

import (
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/koyomi-cal/koyomi/internal/calendar"
	"github.com/koyomi-cal/koyomi/internal/mailbox"
	"github.com/koyomi-cal/koyomi/internal/store"
)

// box is one mailbox: its queue and what is known without loading its state.
type box struct {
	c              *Connector
	mb             calendar.Mailbox
	owner, account string

	as      Mailbox     // as it was asked for
	since   time.Time   // on the roster; what was activated earlier is activated anew
	gone    atomic.Bool // not served any more: nothing is read, written or put
	leaving bool        // only to be taken out of the cloud

	// Of the clock, under its lock.
	wakeAt time.Time
	slot   int // 1-based place in the heap; 0: not in it

	mu      sync.Mutex
	events  []mailbox.Event // what came from outside and waits
	pending bool            // changes have to be asked for
	queued  bool            // in the queue, or being worked on
	again   bool            // something came while it was being worked on
	joins   int             // calls of meeting services under way
	status  status
	held    bool // a write was held back by the breaker

	// Of the worker that has the box; nobody else touches them.
	active   store.Activated // Mailbox is empty before the activation
	bound    bool
	binding  calendar.Binding
	live     bool // caught up at least once in this run of the program
	failures int  // in a row
	syncAt   time.Time
	tickAt   time.Time
	resendAt time.Time // something could not be published; try again then
	resends  int       // in a row that were of no use
	dropAt   time.Time // the state leaves the memory then
	mem      *memory   // nil: not loaded
}

// status is what a box tells about itself.
type status struct {
	state    string
	step     calendar.Step
	cause    string
	baseline time.Time
	lastSync time.Time
	seen     time.Time // when the server last answered
	loaded   bool
	reasons  map[mailbox.Reason]int
}

// maxEvents bounds the queue of one box; beyond it, single events give way to
// one look at the whole calendar.
const maxEvents = 2000

// post puts events into the queue. An event that already waits there is not
// put twice.
func (b *box) post(events ...mailbox.Event) {
	b.mu.Lock()
	for _, ev := range events {
		if len(b.events) >= maxEvents && droppable(ev) {
			b.events = slices.DeleteFunc(b.events, droppable)
			ev = mailbox.Lost{}
		}
		if !repeated(b.events, ev) {
			b.events = append(b.events, ev)
		}
	}
	b.mu.Unlock()
	b.wake()
}

// droppable reports whether a view of the calendar makes up for the event.
func droppable(ev mailbox.Event) bool {
	switch ev.(type) {
	case mailbox.Changed, mailbox.Gone, mailbox.Lost:
		return true
	}
	return false
}

// repeated reports whether the event already waits and nothing about the same
// item came after it.
func repeated(events []mailbox.Event, ev mailbox.Event) bool {
	switch ev := ev.(type) {
	case mailbox.Changed:
		for _, old := range slices.Backward(events) {
			switch old := old.(type) {
			case mailbox.Changed:
				if old.ID == ev.ID {
					return true
				}
			case mailbox.Gone:
				if old.ID == ev.ID {
					return false
				}
			}
		}
	case mailbox.Lost:
		return slices.Contains(events, mailbox.Event(ev))
	case mailbox.CopySeen:
		return slices.Contains(events, mailbox.Event(ev))
	}
	return false
}

// catchUp has the changes asked for.
func (b *box) catchUp() {
	b.mu.Lock()
	b.pending = true
	b.mu.Unlock()
	b.wake()
}

// wake puts the box into the queue of those with work, unless it is there.
func (b *box) wake() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.queued {
		b.again = true
		return
	}
	b.queued = true
	b.c.ready.put(b)
}

// release ends a turn. It reports whether something came meanwhile, in which
// case the worker keeps the box.
func (b *box) release() (more bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.again {
		b.again = false
		return true
	}
	b.queued = false
	return false
}

// next takes the first waiting event.
func (b *box) next() (mailbox.Event, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.events) == 0 {
		return nil, false
	}
	ev := b.events[0]
	b.events[0] = nil
	if b.events = b.events[1:]; len(b.events) == 0 {
		b.events = nil
	}
	return ev, true
}

// changedMeanwhile takes out a waiting change of an item that was just read: it
// is newer than the reading. A later removal of the item stays where it is.
func (b *box) changedMeanwhile(id string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if slices.Contains(b.events, mailbox.Event(mailbox.Gone{ID: id})) {
		return false
	}
	i := slices.Index(b.events, mailbox.Event(mailbox.Changed{ID: id}))
	if i < 0 {
		return false
	}
	b.events = slices.Delete(b.events, i, i+1)
	return true
}

// failed shows a fault in the mailbox's status.
func (b *box) failed(err error) {
	f := faultOf(err)
	b.mu.Lock()
	defer b.mu.Unlock()
	if f.Class == calendar.NoMailbox || f.Class == calendar.NoAccount {
		b.status.state = StateError
	}
	b.status.step, b.status.cause = f.Step, f.Sentence
}

// well takes the cause away and notes how far the mailbox has come.
func (b *box) well(step calendar.Step, lastSync time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.status.state, b.status.step, b.status.cause, b.status.seen = StateActivated, step, "", time.Now()
	if !lastSync.IsZero() {
		b.status.lastSync = lastSync
	}
}

// faultOf returns the fault in an error. Anything else, such as a full disk, is
// waited for.
func faultOf(err error) *calendar.Fault {
	if f, is := errors.AsType[*calendar.Fault](err); is {
		return f
	}
	if err == nil {
		return &calendar.Fault{}
	}
	return &calendar.Fault{Class: calendar.Wait, Sentence: err.Error(), Cause: err}
}
