package calendar

import (
	"fmt"
	"log/slog"
	"time"
)

// Draft is a meeting as somebody wants it: to be made, or made of an existing
// one. It prints nothing of it.
type Draft struct {
	// UID is the iCalendar UID that the meeting gets. It is chosen before the
	// first attempt, so that a repetition finds what an earlier one made.
	UID string

	Subject, Location string
	Body              Body // Type and Content
	Start, End        time.Time
	TimeZone          string // IANA's name; a series recurs in it
	AllDay            bool
	Attendees         []Attendee // whom to invite: without responses; none: an appointment
	Repeat            *Repeat    // nil: a single one
	Sensitivity       Sensitivity
	ShowAs            string // free, tentative, busy, oof, elsewhere; empty: busy
}

// ItemID names an item at a state: an id, and a change key that stands for what
// it holds.
type ItemID struct{ ID, ChangeKey string }

// Amendment changes an existing meeting of one's own; nil and zero leave things
// as they are. Start and End go together.
type Amendment struct {
	ID, ChangeKey     string
	Subject, Location *string
	Start, End        time.Time
	TimeZone          string     // with Start
	Attendees         []Attendee // all who are invited from now on; nil: unchanged
}

// String prints nothing that a person wrote.
func (a Amendment) String() string { return "amendment" }

// Format prints like String, whatever the verb.
func (a Amendment) Format(f fmt.State, _ rune) { fmt.Fprint(f, "amendment") }

// LogValue prints like String.
func (a Amendment) LogValue() slog.Value { return slog.StringValue("amendment") }

// Frequency is how a series repeats (RFC 5545 3.3.10 FREQ).
type Frequency string

// The frequencies.
const (
	Daily   Frequency = "daily"
	Weekly  Frequency = "weekly"
	Monthly Frequency = "monthly"
	Yearly  Frequency = "yearly"
)

// Repeat is the pattern of a series: the patterns that Exchange can keep. A
// monthly or yearly one repeats on the day of the month of its start, or, with
// Nth, on the n-th of one of the Days.
type Repeat struct {
	Every  Frequency
	Each   int            // every n-th day, week or month; 0: every one
	Days   []time.Weekday // weekly: at least one
	Nth    int            // 1 to 4, or -1: the last; with one of Days
	Until  time.Time      // the last day; zero: by Count
	Count  int            // occurrences; 0: by Until, or without end
	Starts time.Weekday   // first day of the week, of weekly patterns with Each > 1
}

// Check says what is wrong with a draft, in a sentence that names the field.
func (d *Draft) Check() error {
	switch {
	case d.UID == "":
		return fmt.Errorf("the meeting has no uid")
	case !d.End.After(d.Start):
		return fmt.Errorf("end: the meeting has to end after it starts")
	case d.End.Sub(d.Start) > 31*24*time.Hour:
		return fmt.Errorf("end: a meeting lasts at most 31 days")
	case len(d.Subject) > 255:
		return fmt.Errorf("subject: at most 255 bytes")
	case len(d.Location) > 255:
		return fmt.Errorf("location: at most 255 bytes")
	}
	if _, err := time.LoadLocation(d.TimeZone); d.TimeZone == "" || err != nil {
		return fmt.Errorf("time zone: name one as in Asia/Tokyo")
	}
	for _, a := range d.Attendees {
		if a.Address == "" {
			return fmt.Errorf("attendees: everybody needs an address")
		}
	}
	return d.Repeat.check(d)
}

func (r *Repeat) check(d *Draft) error {
	if r == nil {
		return nil
	}
	monthly := r.Every == Monthly || r.Every == Yearly
	switch {
	case r.Every != Daily && r.Every != Weekly && !monthly:
		return fmt.Errorf("repeat: daily, weekly, monthly or yearly")
	case r.Each < 0 || r.Each > 999 || r.Every == Yearly && r.Each > 1:
		return fmt.Errorf("repeat: each is 1 to 999, and 1 for yearly meetings")
	case r.Every == Weekly && (len(r.Days) == 0 || len(r.Days) > 7):
		return fmt.Errorf("repeat: a weekly meeting needs its days")
	case monthly && r.Nth != 0 && (r.Nth < -1 || r.Nth > 4 || len(r.Days) != 1):
		return fmt.Errorf("repeat: nth is 1 to 4, or -1 for the last, with one day of the week")
	case !r.Until.IsZero() && (r.Count != 0 || r.Until.Before(d.Start.Add(-24*time.Hour))):
		return fmt.Errorf("repeat: until is after the start and goes without count")
	case r.Count < 0 || r.Count > 999:
		return fmt.Errorf("repeat: count is at most 999")
	}
	return nil
}

// String prints nothing that a person wrote.
func (d Draft) String() string { return "draft" }

// Format prints like String, whatever the verb.
func (d Draft) Format(f fmt.State, _ rune) { fmt.Fprint(f, "draft") }

// LogValue prints like String.
func (d Draft) LogValue() slog.Value { return slog.StringValue("draft") }
