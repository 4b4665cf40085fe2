package calendar

import (
	"fmt"
	"log/slog"
	"time"
)

// Busy is one stretch of somebody's calendar, as far as others may see it.
type Busy struct {
	Window
	ShowAs string // free, tentative, busy, oof, elsewhere, nodata
}

// Hours are when somebody works: the same in every week.
type Hours struct {
	Zone  *time.Location
	Spans []Span
}

// Span is a part of some days of the week.
type Span struct {
	Days     [7]bool       // by time.Weekday
	From, To time.Duration // since midnight
}

// Availability is what is known of somebody's time. It prints nothing of them.
type Availability struct {
	Address string
	Busy    []Busy // in order; what is not named is free
	Hours   *Hours // nil: not known
	// Fault says why nothing is known; empty: the rest is. Nothing is then to be
	// taken for free.
	Fault FaultClass
}

// String prints nothing of the person.
func (a Availability) String() string {
	return fmt.Sprintf("availability(%d stretches, fault %q)", len(a.Busy), string(a.Fault))
}

// Format prints like String, whatever the verb.
func (a Availability) Format(f fmt.State, _ rune) { fmt.Fprint(f, a.String()) }

// LogValue prints like String.
func (a Availability) LogValue() slog.Value { return slog.StringValue(a.String()) }

// Replies are a mailbox's automatic replies.
type Replies struct {
	State    RepliesState
	From, To time.Time // of RepliesScheduled; without meaning else
}

// RepliesState says when automatic replies are sent.
type RepliesState string

// The states of automatic replies.
const (
	RepliesOff       RepliesState = "off"
	RepliesOn        RepliesState = "on"
	RepliesScheduled RepliesState = "scheduled" // between From and To
)
