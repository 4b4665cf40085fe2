package calendar

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"
)

// Version is the version of the JSON form of a [Meeting].
const Version = 1

// JoinMethod is one way to join a meeting.
type JoinMethod struct {
	Kind     string   `json:"kind"` // provider name of package detect, or "sip", "h323", "phone"
	URL      string   `json:"url,omitempty"`
	SIP      string   `json:"sip,omitempty"`
	H323     string   `json:"h323,omitempty"`
	ID       string   `json:"id,omitempty"` // meeting number or room name
	Passcode string   `json:"passcode,omitempty"`
	Dialin   []Dialin `json:"dialin,omitempty"`
}

// String prints the kind only: links, numbers and passcodes open meetings.
func (j JoinMethod) String() string { return "join(" + j.Kind + ")" }

// Format prints like String, whatever the verb.
func (j JoinMethod) Format(f fmt.State, _ rune) { fmt.Fprint(f, j.String()) }

// LogValue prints like String.
func (j JoinMethod) LogValue() slog.Value { return slog.StringValue(j.String()) }

// Dialin is a telephone number with the PIN that a caller types.
type Dialin struct {
	Number string `json:"number"`
	PIN    string `json:"pin,omitempty"`
}

// JoinDetails is what a meeting service hands out for one meeting and what the
// join block shows: the best method first.
type JoinDetails struct {
	Service  string // name of the meeting service as shown to people
	Personal bool   // a personal room: lasting, not made for this meeting
	JoinMethod
}

// String prints the service's name only.
func (d JoinDetails) String() string { return "join(" + d.Service + ")" }

// Format prints like String, whatever the verb.
func (d JoinDetails) Format(f fmt.State, _ rune) { fmt.Fprint(f, d.String()) }

// LogValue prints like String.
func (d JoinDetails) LogValue() slog.Value { return slog.StringValue(d.String()) }

// Head is the sealed part of a meeting that lists and buttons need.
type Head struct {
	V           int          `json:"v"`
	UID         string       `json:"uid,omitempty"`
	Start       time.Time    `json:"start"`
	End         time.Time    `json:"end"`
	TimeZone    string       `json:"tz,omitempty"`
	AllDay      bool         `json:"allDay,omitempty"`
	Subject     string       `json:"subject,omitempty"`
	Location    string       `json:"location,omitempty"`
	Organizer   Person       `json:"organizer,omitzero"`
	Join        []JoinMethod `json:"join,omitempty"` // ranked, best first
	Status      string       `json:"status,omitempty"`
	Response    Response     `json:"resp,omitempty"`
	Sensitivity Sensitivity  `json:"sens,omitempty"`
	Series      bool         `json:"series,omitempty"`
	OBTP        OBTP         `json:"obtp,omitzero"`
	Notice      string       `json:"notice,omitempty"` // machine-readable state for the organiser, e.g. "sending-not-confirmed"
	Waiting     Waiting      `json:"waiting,omitzero"` // with the notices "service-unavailable" and "service-quota"
}

// Waiting says for which meeting service an invitation waits: "waiting for
// Webex since 10:02, retry 10:12".
type Waiting struct {
	Service string    `json:"service"`
	Since   time.Time `json:"since"`
	Retry   time.Time `json:"retry,omitzero"` // zero: not known
}

// String prints nothing that a person wrote.
func (h Head) String() string { return "head" }

// Format prints like String, whatever the verb.
func (h Head) Format(f fmt.State, _ rune) { fmt.Fprint(f, "head") }

// LogValue prints like String.
func (h Head) LogValue() slog.Value { return slog.StringValue("head") }

// OBTP says when the one button to push is shown.
type OBTP struct {
	Lead int `json:"lead"` // seconds before the start
	Lag  int `json:"lag,omitempty"`
}

// The values of Head.Status.
const (
	StatusConfirmed = "confirmed"
	StatusTentative = "tentative"
	StatusCancelled = "cancelled"
)

// Details is the sealed part of a meeting that is read when it is opened.
type Details struct {
	V         int        `json:"v"`
	Notes     string     `json:"notes,omitempty"` // agenda as plain text
	Attendees []Attendee `json:"attendees,omitempty"`
}

// String prints nothing that a person wrote.
func (d Details) String() string { return "details" }

// Format prints like String, whatever the verb.
func (d Details) Format(f fmt.State, _ rune) { fmt.Fprint(f, "details") }

// LogValue prints like String.
func (d Details) LogValue() slog.Value { return slog.StringValue("details") }

// Meeting is one entry of a person's meeting list.
type Meeting struct {
	Key          string    // of the item: GOID or UID
	RecurrenceID time.Time // zero for a single meeting
	Head         Head
	Details      Details
}

// ItemKey is the string from which the cloud's opaque item id is made (under
// the calendar's index key): it names one entry of one calendar.
func (m *Meeting) ItemKey() string {
	if m.RecurrenceID.IsZero() {
		return m.Key
	}
	return m.Key + "|" + m.RecurrenceID.UTC().Format("20060102T150405Z")
}

// String prints nothing that a person wrote.
func (m Meeting) String() string { return "meeting" }

// Format prints like String, whatever the verb.
func (m Meeting) Format(f fmt.State, _ rune) { fmt.Fprint(f, "meeting") }

// LogValue prints like String.
func (m Meeting) LogValue() slog.Value { return slog.StringValue("meeting") }

// Encode returns the JSON of the two parts of a meeting, ready to be padded
// and sealed. Times are written in UTC.
func Encode(m Meeting) (head, details []byte, err error) {
	m.Head.V, m.Details.V = Version, Version
	m.Head.Start, m.Head.End = m.Head.Start.UTC(), m.Head.End.UTC()
	if head, err = json.Marshal(m.Head); err != nil {
		return nil, nil, fmt.Errorf("encode meeting head: %w", err)
	}
	if details, err = json.Marshal(m.Details); err != nil {
		return nil, nil, fmt.Errorf("encode meeting details: %w", err)
	}
	return head, details, nil
}

// ErrVersion is returned by Decode for a form that this version cannot read.
var ErrVersion = errors.New("meeting was written by a newer version of Koyomi: update this one")

// Decode reads what Encode wrote. Details may be nil when only the head was
// fetched. The caller supplies Key and RecurrenceID where it needs them: they
// are not part of the JSON.
func Decode(head, details []byte) (Meeting, error) {
	var m Meeting
	if err := json.Unmarshal(head, &m.Head); err != nil {
		return Meeting{}, fmt.Errorf("decode meeting head: %w", err)
	}
	if m.Head.V > Version {
		return Meeting{}, ErrVersion
	}
	if details == nil {
		return m, nil
	}
	if err := json.Unmarshal(details, &m.Details); err != nil {
		return Meeting{}, fmt.Errorf("decode meeting details: %w", err)
	}
	return m, nil
}

// Presence is what colleagues see of a person: whether they are out of office.
// It stands until Expires, so that it does not outlive whoever publishes it.
type Presence struct {
	OutOfOffice bool      `json:"oof"`
	From        time.Time `json:"from,omitzero"` // zero: open
	To          time.Time `json:"to,omitzero"`   // zero: open
	Expires     time.Time `json:"expires,omitzero"`
}

// String prints nothing of the person.
func (p Presence) String() string { return "presence" }

// Format prints like String, whatever the verb.
func (p Presence) Format(f fmt.State, _ rune) { fmt.Fprint(f, "presence") }

// LogValue prints like String.
func (p Presence) LogValue() slog.Value { return slog.StringValue("presence") }

// foldUID makes UIDs comparable: some servers change their case.
func foldUID(uid string) string { return strings.ToLower(strings.TrimSpace(uid)) }
