package calendar

import (
	"fmt"
	"log/slog"
	"time"
)

// Kind says what an item is in a series ([MS-OXWSMTGS] CalendarItemType).
type Kind string

// The kinds of an item. A calendar view gives single items, occurrences and
// exceptions; a change names single items and masters.
const (
	Single     Kind = "single"
	Occurrence Kind = "occurrence"
	Exception  Kind = "exception"
	Master     Kind = "master"
)

// BodyType is the form in which a body is written.
type BodyType string

// The forms of a body. BodyRTF appears as a native type only: Exchange shows
// RTF as HTML.
const (
	BodyText BodyType = "text"
	BodyHTML BodyType = "html"
	BodyRTF  BodyType = "rtf"
)

// Body is the body of an item as read.
type Body struct {
	Type    BodyType // form of Content: text or html
	Native  BodyType // form in which the server stores it (PidTagNativeBody); empty: not said
	Content string
	Whole   bool // Content is the whole body; false: it was not read, or cut
}

// String prints the form and size only.
func (b Body) String() string { return fmt.Sprintf("body(%s, %d bytes)", b.Type, len(b.Content)) }

// Format prints like String, whatever the verb.
func (b Body) Format(f fmt.State, _ rune) { fmt.Fprint(f, b.String()) }

// LogValue prints like String.
func (b Body) LogValue() slog.Value { return slog.StringValue(b.String()) }

// Person is somebody named in an invitation.
type Person struct {
	Name    string `json:"name,omitempty"`
	Address string `json:"mail,omitempty"` // SMTP address
}

// String hides the person.
func (p Person) String() string { return "[person]" }

// Format hides the person, whatever the verb.
func (p Person) Format(f fmt.State, _ rune) { fmt.Fprint(f, "[person]") }

// LogValue hides the person.
func (p Person) LogValue() slog.Value { return slog.StringValue("[person]") }

// Role is an attendee's part in a meeting.
type Role string

// The parts an attendee can have.
const (
	Required Role = "required"
	Optional Role = "optional"
	Resource Role = "resource"
)

// Response is what somebody answered to an invitation ([MS-OXOCAL]
// PidLidResponseStatus in words).
type Response string

// The responses. NoResponse covers "none" and "not responded"; Organiser marks
// the copy of the person who called the meeting.
const (
	NoResponse Response = ""
	Organiser  Response = "organizer"
	Tentative  Response = "tentative"
	Accepted   Response = "accepted"
	Declined   Response = "declined"
)

// Attendee is somebody invited to a meeting.
type Attendee struct {
	Person
	Role     Role     `json:"role,omitempty"`
	Response Response `json:"resp,omitempty"`
}

// Sensitivity is the privacy that the organiser asked for.
type Sensitivity string

// The sensitivities of an item.
const (
	Normal       Sensitivity = "normal"
	Personal     Sensitivity = "personal"
	Private      Sensitivity = "private"
	Confidential Sensitivity = "confidential"
)

// Marker is what Koyomi writes on an item beside the join block: a fixed small
// set of named properties in PublicStrings. It is how a later run knows what
// was done, without a database.
type Marker struct {
	Join    string // KoyomiJoin: the join URL that was written
	GOID    string // KoyomiGoid: the CleanGlobalObjectId, or else the UID, it was written for
	Hash    string // KoyomiHash: hash over the join details, never over HTML
	Version string // KoyomiVersion: version of the marker's own form, "1"
}

// Present reports whether the item carries a marker at all.
func (m Marker) Present() bool { return m.Join != "" || m.Hash != "" || m.GOID != "" }

// String hides the link.
func (m Marker) String() string { return "marker(" + m.Version + ")" }

// Format prints like String, whatever the verb.
func (m Marker) Format(f fmt.State, _ rune) { fmt.Fprint(f, m.String()) }

// LogValue prints like String.
func (m Marker) LogValue() slog.Value { return slog.StringValue(m.String()) }

// Item is one copy of an appointment in one mailbox, as the server showed it.
type Item struct {
	ID        string // opaque, case-sensitive; changes when the item moves
	ChangeKey string
	Kind      Kind
	ItemClass string

	UID          string    // iCalendar UID; compared without case
	GOID         string    // CleanGlobalObjectId in base64, empty where the server gives none
	RecurrenceID time.Time // original start of an occurrence or exception, else zero

	Subject     string
	Location    string
	Body        Body
	Culture     string // language tag of the item, may be empty
	Sensitivity Sensitivity

	Start, End time.Time
	TimeZone   string // IANA's name of the time zone; where it has none, the id that the server gave
	AllDay     bool
	ShowAs     string // free, tentative, busy, oof, elsewhere

	Organizer    Person
	Attendees    []Attendee
	AttendeesCut bool     // there may be more attendees than listed
	MyResponse   Response // this mailbox's own answer
	IsOrganizer  Tri
	Received     Tri // AppointmentState has the "received" bit
	IsMeeting    Tri
	Cancelled    bool
	RequestSent  Tri // MeetingRequestWasSent

	Created, Modified time.Time
	InDeletedItems    bool
	RightsManaged     bool
	Signed            bool
	HasAttachments    bool
	Size              int64 // bytes as the server counts them; 0: unknown

	Marker     Marker
	Properties map[string]string // conference properties by name, e.g. SkypeTeamsMeetingUrl

	Exceptions []Occurrences // of a master: its modified occurrences
	Last       time.Time     // of a master: end of its last occurrence; zero: unknown or endless
	Recurrence string        // of a master: its rule (RFC 5545, section 3.3.10); empty: unknown
}

// Occurrences names one modified occurrence of a master.
type Occurrences struct {
	ID            string
	Start, End    time.Time
	OriginalStart time.Time
}

// Key names the meeting of which this item is a copy: the clean GOID, or the
// UID where the server gives no GOID. It is empty when there is neither.
func (it *Item) Key() string {
	if it.GOID != "" {
		return it.GOID
	}
	return foldUID(it.UID)
}

// String prints the kind and nothing that a person wrote.
func (it Item) String() string { return "item(" + string(it.Kind) + ")" }

// Format prints like String, whatever the verb.
func (it Item) Format(f fmt.State, _ rune) { fmt.Fprint(f, it.String()) }

// LogValue prints like String.
func (it Item) LogValue() slog.Value { return slog.StringValue(it.String()) }

// Notify says who is told of a write ([MS-OXWSCORE]
// SendMeetingInvitationsOrCancellations).
type Notify string

// The two ways in which Koyomi ever writes.
const (
	NotifyNone Notify = "none" // SendToNone
	NotifyAll  Notify = "all"  // SendToAllAndSaveCopy, or SendOnlyToAll by setting
)

// Patch is the one write that Koyomi makes to an item: body, marker and,
// where the organisation asks for it, the location; all in one request, under
// the change key of the copy that the decision was made on.
type Patch struct {
	ID        string
	ChangeKey string
	Body      *Body
	Addition  *Body // what Body has at its end and the item had not, where nothing else differs and the item stores RTF: may be appended instead
	Location  *string
	Marker    *Marker // nil: untouched; a zero Marker removes the properties
	SIP       string  // TMS:ExternalConferenceData, empty: untouched
	Notify    Notify
}

// String hides what is written.
func (p Patch) String() string { return "patch(notify " + string(p.Notify) + ")" }

// Format prints like String, whatever the verb.
func (p Patch) Format(f fmt.State, _ rune) { fmt.Fprint(f, p.String()) }

// LogValue prints like String.
func (p Patch) LogValue() slog.Value { return slog.StringValue(p.String()) }

// Window is a half-open interval of time.
type Window struct{ From, To time.Time }

// Contains reports whether [start, end) meets the window.
func (w Window) Contains(start, end time.Time) bool {
	return end.After(w.From) && start.Before(w.To) || start.Equal(end) && !start.Before(w.From) && start.Before(w.To)
}

// ChangeKind says what happened to an item.
type ChangeKind string

// The kinds of change. Resync means that the server can no longer say what
// changed: the whole window has to be viewed again.
const (
	Upsert ChangeKind = "upsert"
	Delete ChangeKind = "delete"
	Resync ChangeKind = "resync"
)

// Change says that one item of a calendar was created, modified, moved in or
// out, or deleted. It carries ids only; the item has to be read.
type Change struct {
	Kind ChangeKind
	ID   string
}

// Changes is one page of what changed since a sync state.
type Changes struct {
	Changes []Change
	State   string // opaque; persist only after the changes are processed
	More    bool
}

// Notice is what a watched calendar's stream says.
type Notice struct {
	Mailbox MailboxID
	Change  Change
	At      time.Time // the server's time stamp, zero where it gave none
}
