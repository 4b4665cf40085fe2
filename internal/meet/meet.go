// Package meet asks meeting services for join details.
//
// A [Service] turns one meeting of one mailbox into the details that people
// need to join it. Asking is idempotent: the same mailbox, key and action give
// the same details, however often and on whichever node, so that a crash
// between asking and writing never leaves two meetings behind. Services keep
// that promise in two ways. Some need neither a network nor a database:
//
//   - [Template] hands out a person's own lasting room, made from an address
//     pattern such as https://vc.example.com/{{user}}.
//   - [Jitsi] makes a room for each meeting. Its name is 128 bits that nobody
//     can guess, derived from the installation's secret and the meeting's key.
//   - [BigBlueButton] does the same, and the address leads to a [Door], which
//     creates the meeting when somebody comes.
//
// Others are a [Host]: the client of a product at which a meeting has to be
// made, changed and ended, such as [Webex]. A [Keeper] beside it remembers in a
// [Ledger] what was asked, so that there is one meeting whatever happens.
//
// Where meetings know a moderator, a service is [Moderated]: it gives the
// organiser a link of their own when they push Join.
//
// [Choice] puts services together as a keyword needs them: personal rooms from
// one, new meetings from another. New builds all of it from configuration.
//
// What a service learns is as little as possible: no subject, no agenda, no
// list of invitees. The addresses of a request serve to derive names and never
// appear in one.
//
// The calls are: New once, then Service.Join for each meeting that wants join
// details. A failure is an [*Error] whose State is shown beside the meeting.
package meet

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/koyomi-cal/koyomi/internal/calendar"
)

// The actions of a request, as keywords spell them (package detect).
const (
	Default = "default" // what the service does if nothing else is asked
	MyRoom  = "myroom"  // the organiser's personal room
	Space   = "space"   // a lasting space of the people who meet
	OneTime = "onetime" // a new meeting
)

// Request asks for the join details of one meeting.
type Request struct {
	Mailbox calendar.Mailbox // the organiser's
	Key     string           // of the meeting: its GOID, else its UID; the same for all occurrences of a series
	Action  string           // one of the actions; empty: Default
	People  []string         // SMTP addresses of all who meet, the organiser's among them or not; only Space looks at them
	Start   time.Time        // of the first occurrence, where it is a series
	End     time.Time
	Locale  string // BCP 47

	TimeZone   string // IANA's name, or one of Windows' where it has none; empty: UTC
	Recurrence string // of a series: its rule (RFC 5545, section 3.3.10) without "RRULE:"
	Tag        string // opaque id of the meeting, by which it is found again at a service
}

// Service makes join details.
type Service interface {
	// Name is the service's name as people know it.
	Name() string
	// Join returns the join details for a request; asked again for the same
	// mailbox, key and action it returns the same. Errors are *Error.
	Join(ctx context.Context, r Request) (calendar.JoinDetails, error)
}

// Checked is a [Service] that can be tried without making a meeting.
type Checked interface {
	// Check signs in to the service, where there is somebody to sign in to.
	Check(ctx context.Context) error
}

// The states of an Error: why a meeting has no join details yet.
const (
	NotOffered  = "not-offered" // the service cannot do what was asked: no retry helps
	BadRequest  = "bad-request" // the request lacks a key or an address
	Unavailable = "unavailable" // the service does not answer, or asks for patience: retry later
	Quota       = "quota"       // the service's limit is used up: retry then
	Unclear     = "unclear"     // the answer was lost: it may or may not have been done
	Missing     = "missing"     // the service has no such meeting
)

// Error is a failure to get join details.
type Error struct {
	Service string    // name of the service
	State   string    // one of the states
	RetryAt time.Time // when to ask again; zero: not before something changes
	Message string    // a sentence for people
	Cause   error     // for the log, may be nil
}

// Error says what failed and what to do.
func (e *Error) Error() string { return e.Service + ": " + e.Message }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Cause }

// Secret is the installation's own random secret, from which names of rooms
// are derived. It never shows.
type Secret []byte

// String hides the secret.
func (Secret) String() string { return "[redacted]" }

// Format hides the secret, whatever the verb.
func (Secret) Format(f fmt.State, _ rune) { fmt.Fprint(f, "[redacted]") }

// LogValue hides the secret.
func (Secret) LogValue() slog.Value { return slog.StringValue("[redacted]") }

// MarshalText hides the secret from encoders.
func (Secret) MarshalText() ([]byte, error) { return []byte("[redacted]"), nil }

// minSecret is the least length of a secret in bytes.
const minSecret = 16

// Config describes what stands behind one keyword.
type Config struct {
	Name     string          // as people know it, e.g. "Example Meet"
	Default  string          // action of the plain keyword: MyRoom, Space or OneTime; empty: the first that is offered of OneTime, MyRoom
	Personal *TemplateConfig // personal rooms; nil: from Jitsi, if that is there
	Jitsi    *JitsiConfig    // new meetings and spaces; nil: not offered
	Webex    *WebexConfig    // new meetings, and personal rooms where Personal is nil; nil: not offered

	BigBlueButton *BigBlueButtonConfig // new meetings and spaces, and personal rooms where Personal is nil; nil: not offered

	Ledger Ledger // remembers meetings that are made at a service; needed for Webex
}

// New builds the service behind one keyword.
func New(c Config) (Service, error) {
	if strings.TrimSpace(c.Name) == "" {
		return nil, errors.New("meeting service: name it, people see that name in invitations")
	}
	choice := &Choice{name: c.Name, fallback: c.Default}
	if c.Webex != nil {
		if err := choice.webex(c); err != nil {
			return nil, err
		}
	}
	if c.Jitsi != nil {
		if choice.meeting != nil {
			return nil, fmt.Errorf("meeting service %s: one service makes its meetings in one place: give the other a name of its own", c.Name)
		}
		jitsi, err := NewJitsi(c.Name, *c.Jitsi)
		if err != nil {
			return nil, err
		}
		choice.meeting, choice.personal = jitsi, jitsi
	}
	if c.BigBlueButton != nil {
		if choice.meeting != nil {
			return nil, fmt.Errorf("meeting service %s: one service makes its meetings in one place: give the other a name of its own", c.Name)
		}
		b, err := NewBigBlueButton(c.Name, *c.BigBlueButton)
		if err != nil {
			return nil, err
		}
		choice.meeting, choice.personal = b, b
	}
	if c.Personal != nil {
		template, err := NewTemplate(c.Name, *c.Personal)
		if err != nil {
			return nil, err
		}
		choice.personal = template
	}
	switch c.Default {
	case "":
		choice.fallback = OneTime
		if choice.meeting == nil {
			choice.fallback = MyRoom
		}
	case MyRoom, Space, OneTime:
	default:
		return nil, fmt.Errorf("meeting service %s: default action %q is none of myroom, space, onetime", c.Name, c.Default)
	}
	if choice.serves(choice.fallback) == nil {
		return nil, fmt.Errorf("meeting service %s: nothing is configured that offers %q: add personal rooms or Jitsi", c.Name, choice.fallback)
	}
	return choice, nil
}

// webex has meetings and personal rooms made at Webex.
func (c *Choice) webex(config Config) error {
	w, err := NewWebex(config.Name, *config.Webex)
	if err != nil {
		return err
	}
	if config.Ledger == nil {
		return fmt.Errorf("meeting service %s: Webex needs a ledger", config.Name)
	}
	c.meeting, c.personal = NewKeeper(w, config.Ledger, w.config.limits()), webexRooms{w}
	return nil
}

// Choice sends each action to the service that offers it.
type Choice struct {
	name     string
	fallback string
	personal Service
	meeting  Service
}

// Name is the name from the configuration.
func (c *Choice) Name() string { return c.name }

func (c *Choice) serves(action string) Service {
	if action == MyRoom {
		return c.personal
	}
	return c.meeting
}

// Check tries the services that can be tried.
func (c *Choice) Check(ctx context.Context) error {
	if k, is := c.meeting.(*Keeper); is {
		if h, is := k.host.(Checked); is {
			return h.Check(ctx)
		}
	}
	return nil
}

// Keeps returns the keeper of what an action makes, nil if it needs no ending.
func (c *Choice) Keeps(action string) *Keeper {
	if action == "" || action == Default {
		action = c.fallback
	}
	if k, is := c.serves(action).(Keeping); is {
		return k.Keeps(action)
	}
	return nil
}

// Join hands the request on; Default becomes the configured action.
func (c *Choice) Join(ctx context.Context, r Request) (calendar.JoinDetails, error) {
	if r.Action == "" || r.Action == Default {
		r.Action = c.fallback
	}
	s := c.serves(r.Action)
	if _, kept := s.(*Keeper); s == nil || kept && r.Action == Space {
		return calendar.JoinDetails{}, notOffered(c.name, r.Action)
	}
	return s.Join(ctx, r)
}

// Enter hands the entrance on to the service whose link it is.
func (c *Choice) Enter(e Entrance) (string, error) {
	for _, s := range []Service{c.meeting, c.personal} {
		m, is := s.(Moderated)
		if !is {
			continue
		}
		link, err := m.Enter(e)
		if f, no := errors.AsType[*Error](err); !no || f.State != NotOffered {
			return link, err
		}
	}
	return "", notModerated(c.name)
}

func notModerated(service string) *Error {
	return &Error{Service: service, State: NotOffered, Message: "has no moderator's link for this meeting: the link of the invitation is the way in"}
}

func notOffered(service, action string) *Error {
	what := map[string]string{MyRoom: "personal rooms", Space: "lasting spaces", OneTime: "new meetings"}[action]
	if what == "" {
		what = fmt.Sprintf("%q", action)
	}
	return &Error{Service: service, State: NotOffered, Message: "does not offer " + what + ": use another keyword or ask the administrator to set it up"}
}
