package mailbox

import (
	"time"

	"github.com/koyomi-cal/koyomi/internal/calendar"
)

// Event is something that happened to a mailbox. The set is closed: the types
// of this file.
type Event interface{ event() }

type (
	// Started opens every run: after a start, a restart or a move to another
	// node. Open intents are looked into and the horizon is viewed if that is
	// due.
	Started struct{}

	// Changed says that an item was created, modified or moved in.
	Changed struct{ ID string }

	// Gone says that an item was deleted or moved away, or that reading it
	// found nothing.
	Gone struct{ ID string }

	// Lost says that changes may have been missed: the horizon has to be
	// viewed as a whole.
	Lost struct{}

	// Read is the answer to the effect [Get].
	Read struct{ Item calendar.Item }

	// ReadFailed is the other answer to the effect [Get].
	ReadFailed struct {
		ID    string
		Until time.Time // try again then; zero: only at the next event
		Why   Reason
	}

	// Viewed is the answer to the effect [View]: every entry of the window,
	// series expanded, and the masters of those series.
	Viewed struct {
		Window  calendar.Window
		Entries []calendar.Item
		Masters []calendar.Item
	}

	// ViewFailed is the other answer to the effect [View].
	ViewFailed struct{ Until time.Time }

	// Joined is the answer to the effect [Join].
	Joined struct {
		ID, Wish string
		Details  calendar.JoinDetails
	}

	// JoinFailed is the other answer to the effect [Join].
	JoinFailed struct {
		ID, Wish string
		Until    time.Time // zero: not before the next event
		Why      Reason
		Service  string // its name, for people
	}

	// Written is the good answer to the effect [Write].
	Written struct{ ID, NewID string }

	// WriteFailed is the other answer to the effect [Write].
	WriteFailed struct {
		ID      string
		Outcome Outcome
		Until   time.Time // with Busy: not before this
	}

	// CopySeen says that a served attendee's mailbox holds a copy of a
	// meeting, whether that copy carries a join block, and whether it is
	// cancelled.
	CopySeen struct {
		Key       string // key of the meeting
		Block     bool
		Cancelled bool
	}

	// Tick says that time has passed.
	Tick struct{}
)

func (Started) event()     {}
func (Changed) event()     {}
func (Gone) event()        {}
func (Lost) event()        {}
func (Read) event()        {}
func (ReadFailed) event()  {}
func (Viewed) event()      {}
func (ViewFailed) event()  {}
func (Joined) event()      {}
func (JoinFailed) event()  {}
func (Written) event()     {}
func (WriteFailed) event() {}
func (CopySeen) event()    {}
func (Tick) event()        {}

// Outcome says how a write failed.
type Outcome string

// How a write can fail.
const (
	Conflict Outcome = "conflict" // the item changed underneath: read and decide anew
	Busy     Outcome = "busy"     // not executed; not before Until
	Refused  Outcome = "refused"  // the server will not have it: leave the item alone
	Unclear  Outcome = "unclear"  // the answer was lost: it may or may not have been saved and mailed
	Stopped  Outcome = "stopped"  // the breaker or a dry run held it back: nothing was sent
)
