// Package schedule makes, changes, cancels and answers meetings for people who
// ask for it from the app, and looks at free/busy for them.
//
//	desk := schedule.New(schedule.Options{Calendars: x, People: x, Reader: x, Secret: secret})
//	made, err := desk.Create(ctx, mailbox, schedule.Create{Command: id, Draft: draft})
//
// # Once, whatever happens
//
// A command has an id, chosen by whoever gives it. Everything here can be given
// again under the same id, after a crash, a lost answer or on another node: a
// meeting's UID is derived from the id, so a repetition finds what was made; a
// change, a cancellation and an answer first look whether the calendar is as
// they want it, and then do nothing.
//
// Saving and mailing are not one transaction in Exchange. After a lost answer
// the calendar is looked at, once it has had time to come to rest. What is found
// there is done; what is not is reported as [NotConfirmed] and never tried again
// by itself, because people would get their mail twice.
//
// # No meeting over another one
//
// Free/busy is looked at again right before a meeting is made or moved. Who is
// busy then, and was not known to be when the person decided, is a [Conflict],
// not a meeting.
//
// Errors are *[Error]: a code for programs, a sentence for people, and whom it is
// about.
package schedule

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/koyomi-cal/koyomi/internal/calendar"
	"github.com/koyomi-cal/koyomi/internal/freebusy"
)

// Calendars is where meetings are made and changed. Its errors are
// *[calendar.Fault].
type Calendars interface {
	// FindUID looks for a meeting by its UID.
	FindUID(ctx context.Context, m calendar.Mailbox, uid string, around calendar.Window) (calendar.ItemID, bool, error)
	// Create makes a meeting and invites people.
	Create(ctx context.Context, m calendar.Mailbox, d calendar.Draft) (calendar.ItemID, error)
	// Amend changes a meeting; invited says that people are to be told.
	Amend(ctx context.Context, m calendar.Mailbox, a calendar.Amendment, invited bool) (calendar.ItemID, error)
	// Cancel cancels a meeting and tells people.
	Cancel(ctx context.Context, m calendar.Mailbox, it calendar.ItemID, words string) error
	// Answer answers an invitation.
	Answer(ctx context.Context, m calendar.Mailbox, it calendar.ItemID, r calendar.Response, words string) error
}

// People is where free/busy is read. Its errors are *[calendar.Fault].
type People interface {
	FreeBusy(ctx context.Context, m calendar.Mailbox, addresses []string, w calendar.Window) ([]calendar.Availability, error)
}

// Reader reads one item whole. Its errors are *[calendar.Fault].
type Reader interface {
	Get(ctx context.Context, m calendar.Mailbox, id string) (calendar.Item, error)
}

// Options is what a Desk is made of; all but Rest is needed.
type Options struct {
	Calendars Calendars
	People    People
	Reader    Reader
	Secret    []byte        // of the installation: UIDs are derived from it
	Rest      time.Duration // how long a calendar is given to come to rest after a lost answer; default 10 s
}

// Desk carries out commands. It is safe for use by several goroutines at once;
// the same command given twice at once is carried out once.
type Desk struct {
	opt   Options
	calls singleflight.Group
}

// New returns a desk.
func New(o Options) *Desk {
	if o.Rest <= 0 {
		o.Rest = 10 * time.Second
	}
	return &Desk{opt: o}
}

// Code is what kept a command from being carried out.
type Code string

// The codes.
const (
	Invalid      Code = "invalid"       // the command makes no sense; its sentence names the field
	Conflict     Code = "conflict"      // People are busy, which was not known; nothing was done
	NotConfirmed Code = "not-confirmed" // it may have been done or not: look, and decide
	NotYours     Code = "not-yours"     // only the organizer may do this
	Changed      Code = "changed"       // the meeting changed in between; nothing was done
	Gone         Code = "gone"          // the meeting is not there any more
	Later        Code = "later"         // nothing was done; not before Until
	Refused      Code = "refused"       // the server will not have it
)

// Error is why a command was not carried out. It prints neither people nor what
// they wrote.
type Error struct {
	Code     Code
	Sentence string
	People   []string  // of Conflict: who is busy
	Until    time.Time // of Later; zero: no time is known
	Cause    error
}

// Error is the sentence.
func (e *Error) Error() string { return e.Sentence }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Cause }

// LogValue prints the code only.
func (e *Error) LogValue() slog.Value { return slog.StringValue("schedule(" + string(e.Code) + ")") }

// of translates a fault.
func of(err error) *Error {
	f, is := errors.AsType[*calendar.Fault](err)
	if !is {
		return &Error{Code: Later, Sentence: "the calendar could not be reached; try again", Cause: err}
	}
	e := &Error{Sentence: f.Sentence, Until: f.Until, Cause: err}
	switch f.Class {
	case calendar.Uncertain:
		e.Code = NotConfirmed
	case calendar.Stale:
		e.Code, e.Sentence = Changed, "the meeting was changed in the meantime; look at it and decide again"
	case calendar.Missing:
		e.Code, e.Sentence = Gone, "the meeting is not in the calendar any more"
	case calendar.Denied:
		e.Code = Refused
	default:
		e.Code = Later
	}
	return e
}

// UID is the iCalendar UID that the meeting of a command gets.
func (d *Desk) UID(m calendar.Mailbox, command string) string {
	h := hmac.New(sha256.New, d.opt.Secret)
	fmt.Fprintf(h, "meeting\x00%s\x00%s", m.ID, command)
	return "koyomi-" + hex.EncodeToString(h.Sum(nil)[:16])
}

// once carries a command out, once at a time.
func (d *Desk) once(m calendar.Mailbox, command string, do func() (calendar.ItemID, error)) (calendar.ItemID, error) {
	if command == "" || len(command) > 200 {
		return calendar.ItemID{}, &Error{Code: Invalid, Sentence: "command: it needs an id of at most 200 bytes"}
	}
	v, err, _ := d.calls.Do(string(m.ID)+"\x00"+command, func() (any, error) { return do() })
	return v.(calendar.ItemID), err
}

// rest waits until a calendar that owes an answer has had time to come to rest.
func (d *Desk) rest(ctx context.Context) error {
	t := time.NewTimer(d.opt.Rest)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func uncertain(err error) bool {
	f, is := errors.AsType[*calendar.Fault](err)
	return is && f.Class == calendar.Uncertain
}

// notConfirmed is what is left to say after a lost answer.
func notConfirmed(cause error) *Error {
	return &Error{Code: NotConfirmed, Cause: cause, Sentence: "the server's answer was lost and the calendar does not show the change; look at it before you try again"}
}

// free makes sure that nobody is newly busy: of the people, those who are busy in
// the window and are not among the known.
func (d *Desk) free(ctx context.Context, m calendar.Mailbox, people []calendar.Attendee, w, own calendar.Window, known []string) error {
	var ask []string
	for _, a := range people {
		if a.Role != calendar.Optional && !m.Owns(a.Address) && !containsFold(known, a.Address) {
			ask = append(ask, a.Address)
		}
	}
	slices.Sort(ask)
	ask = slices.Compact(ask)
	var busy []string
	for batch := range slices.Chunk(ask, maxPeople) {
		found, err := d.opt.People.FreeBusy(ctx, m, batch, w)
		if err != nil {
			return of(err)
		}
		for _, a := range found {
			a.Busy = slices.DeleteFunc(slices.Clone(a.Busy), func(b calendar.Busy) bool { return b.From.Equal(own.From) && b.To.Equal(own.To) })
			if s := freebusy.Of(a, w); s == freebusy.Busy || s == freebusy.OutOfOffice {
				busy = append(busy, a.Address)
			}
		}
	}
	if len(busy) > 0 {
		return &Error{Code: Conflict, People: busy, Sentence: fmt.Sprintf("%d of those invited are busy at that time; choose another one, or invite them all the same", len(busy))}
	}
	return nil
}

func containsFold(list []string, s string) bool {
	return slices.ContainsFunc(list, func(x string) bool { return strings.EqualFold(x, s) })
}
