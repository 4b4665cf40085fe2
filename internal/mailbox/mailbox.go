// Package mailbox is the heart of Koyomi: a pure function from what is known
// of one mailbox and what just happened to what is to be done about it.
//
//	effects := state.Step(now, event)
//
// Every case a calendar can present is decided here, and nothing is done here:
// no I/O, no clock, no goroutine, no randomness. The shell around it (package
// connector) reads, writes, waits and reports back with further events. That
// is why a year of a mailbox replays in microseconds, and why a crash can be
// placed between any two effects in a test.
//
// # The road of one change
//
// An event says that an item changed. The item is read at once and listed at
// once ([Publish]); events that arrive while it is being read collapse into one
// further read. If [decide] finds that something ought to be written, the join
// details are fetched ([Join]), and when the item has been quiet for the settle
// time it is read again; the decision is made anew, from nothing, on that fresh
// copy, and one write follows under its change key ([Write]). Before the shell
// carries a write out it saves the state, which then holds the intent; so a
// restart knows that an answer may have been lost, and looks at the item.
//
// # What makes a write happen once
//
// The write puts the join block and its marker on the item in one request.
// The marker is the only memory that counts: whoever reads the item later, this
// node, another node or the next version, sees it and has nothing to do. A lost
// database loses nothing. A marker without its block means that the organizer
// took the block out: it is never put back.
//
// # What may be persisted
//
// [State] holds item ids, keyed hashes, times and reason codes: no subject,
// body, link or address. Join details live in memory only and are asked for
// again after a restart; services answer the same question with the same
// details.
package mailbox

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/koyomi-cal/koyomi/internal/calendar"
	"github.com/koyomi-cal/koyomi/internal/detect"
	"github.com/koyomi-cal/koyomi/internal/render"
)

// Rules are the settings under which a mailbox is served. They are not part of
// the state: a change of settings takes effect with the next event and never
// by itself rewrites an invitation.
type Rules struct {
	Mailbox calendar.Mailbox
	Detect  *detect.Detector
	Render  render.Options
	Domains []string // mail domains of the organisation, beside the mailbox's own: people of others are outsiders

	// Entry turns the key of a meeting into the opaque id under which it is
	// published and remembered: an HMAC under a secret of this installation,
	// so that a calendar can be followed while the key server is away.
	Entry func(key string) string

	Settle      time.Duration // quiet time before a write; default 3 s, negative for none
	DraftSettle time.Duration // the same for invitations not known to be sent; default 120 s
	Back, Ahead time.Duration // the stored horizon; default 7 and 31 days
	Lead, Lag   time.Duration // when the button shows; default 5 min before, 0 after

	AbsentIsSent   bool // a server that leaves MeetingRequestWasSent out counts as "sent"
	WeakChangeKeys bool // the server ignores change keys: wait longer after unclear answers
	MonthlyWrites  int  // writes a month to one meeting before it is left alone; default 30
	ItemClasses    []string
}

func (r *Rules) settle() time.Duration {
	switch {
	case r.Settle < 0:
		return 0
	case r.Settle == 0:
		return 3 * time.Second
	}
	return r.Settle
}

func (r *Rules) draftSettle() time.Duration { return orElse(r.DraftSettle, 120*time.Second) }

// Window is the horizon around now: what is stored and listed.
func (r *Rules) Window(now time.Time) calendar.Window {
	day := 24 * time.Hour
	return calendar.Window{From: now.Add(-orElse(r.Back, 7*day)), To: now.Add(orElse(r.Ahead, 31*day))}
}

func orElse(d, def time.Duration) time.Duration {
	switch {
	case d < 0:
		return 0
	case d == 0:
		return def
	}
	return d
}

// State is what is remembered of one mailbox between events.
type State struct {
	baseline time.Time
	viewed   time.Time // when the horizon was last viewed as a whole
	viewing  bool
	turns    int64     // events taken in, to tell before from after within one instant
	asked    int64     // the turn in which the view under way was asked for
	viewAt   time.Time // when it is to be viewed next; zero: not planned
	items    map[string]*tracked
	copies   map[string]bool // what copies showed of meetings not seen here yet
}

// tracked is what is remembered of one item: a single meeting or a master.
type tracked struct {
	Ref     string   `json:"r,omitempty"` // opaque id of the meeting
	Entries []string `json:"e,omitempty"` // opaque ids published from it
	Series  bool     `json:"s,omitempty"`

	LastEvent time.Time `json:"l,omitzero"`
	Due       time.Time `json:"d,omitzero"` // when to read again for a write
	Retry     time.Time `json:"t,omitzero"` // not before this: the server or the service said so
	Intent    *intent   `json:"i,omitempty"`
	Conflicts int       `json:"c,omitempty"`
	Reason    Reason    `json:"o,omitempty"`
	Month     int       `json:"m,omitempty"` // year*12+month of Writes
	Writes    int       `json:"w,omitempty"`
	CopySeen  bool      `json:"cs,omitempty"` // a served attendee has a copy: the invitation was sent
	CopyBare  bool      `json:"cb,omitempty"` // and that copy lacks the block
	CopyBlock bool      `json:"ck,omitempty"` // a served attendee's copy has the block
	SilentAt  time.Time `json:"sa,omitzero"`  // when the one silent write to a draft was made
	Held      string    `json:"hd,omitempty"` // what was last said about meetings at services
	Waiting   *waiting  `json:"wt,omitempty"` // for a meeting service

	reading bool
	writing bool
	again   bool
	seen    int64          // the turn in which it was last listed from a read of its own
	news    int64          // the turn of the last event about it
	known   string         // of a master: its change key when the horizon was last viewed
	item    *calendar.Item // read, waiting for its join details
	joining string         // the wish that was asked for and not answered yet
	wish    string         // the wish that join answers
	join    *calendar.JoinDetails
	joined  time.Time // when join was given
	lapsed  string    // key of the meeting, where an attendee's copy shows it cancelled
}

// waiting is a meeting service that does not give join details now.
type waiting struct {
	Service string    `json:"n"` // its name
	Wish    string    `json:"w"` // hash of the keyword
	Since   time.Time `json:"s"`
	Until   time.Time `json:"u"`
}

// intent is put down before a write and taken away with its answer.
type intent struct {
	At     time.Time       `json:"at"`
	Stamp  string          `json:"h"` // stamp of the marker to be found if it was saved
	Notify calendar.Notify `json:"n"`

	Do      Reason `json:"d"`           // what the write does
	Drafted bool   `json:"p,omitempty"` // it goes to an invitation not known to be sent
}

// New returns the state of a mailbox that was activated at the given time, by
// the server's clock. Items last modified before it are shown, never written.
func New(baseline time.Time) *State {
	return &State{baseline: baseline, items: map[string]*tracked{}}
}

// Baseline returns the time of activation.
func (s *State) Baseline() time.Time { return s.baseline }

// stored is the persisted form of a State.
type stored struct {
	V        int                 `json:"v"`
	Baseline time.Time           `json:"b"`
	Viewed   time.Time           `json:"w,omitzero"`
	Items    map[string]*tracked `json:"i,omitempty"`
}

const storedVersion = 1

// MarshalBinary writes the state. It holds no subject, body, link or address.
func (s *State) MarshalBinary() ([]byte, error) {
	return json.Marshal(stored{V: storedVersion, Baseline: s.baseline, Viewed: s.viewed, Items: s.items})
}

// ErrState is returned for a stored state that this version cannot read; the
// caller starts from [New] with the same baseline and views the calendar anew.
var ErrState = errors.New("stored state of a mailbox cannot be read")

// UnmarshalBinary reads what MarshalBinary wrote.
func (s *State) UnmarshalBinary(data []byte) error {
	var st stored
	if err := json.Unmarshal(data, &st); err != nil {
		return fmt.Errorf("%w: %w", ErrState, err)
	}
	if st.V != storedVersion {
		return fmt.Errorf("%w: version %d", ErrState, st.V)
	}
	if st.Items == nil {
		st.Items = map[string]*tracked{}
	}
	for id, t := range st.Items {
		if t == nil {
			delete(st.Items, id)
		}
	}
	*s = State{baseline: st.Baseline, viewed: st.Viewed, items: st.Items}
	return nil
}

// NextWake returns when Step wants to see a [Tick] next; zero means never.
func (s *State) NextWake() time.Time {
	next := s.viewAt
	for _, t := range s.items {
		if w := t.wake(); !w.IsZero() && (next.IsZero() || w.Before(next)) {
			next = w
		}
	}
	return next
}

// wake returns when the item has to be looked at again.
func (t *tracked) wake() time.Time {
	if t.reading || t.writing || t.joining != "" || t.Due.IsZero() {
		return time.Time{}
	}
	if t.Retry.After(t.Due) {
		return t.Retry
	}
	return t.Due
}

// Pending returns the items that wait for something, with the reason: what a
// status report and a trace show as not done yet.
func (s *State) Pending() map[string]Reason {
	p := map[string]Reason{}
	for id, t := range s.items {
		if !t.Due.IsZero() || t.Intent != nil {
			p[id] = t.Reason
		}
	}
	return p
}
