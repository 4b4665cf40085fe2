package ewstest

import (
	"slices"
	"time"
)

// The item classes that the simulator makes ([MS-OXCMSG], [MS-OXOCAL] 2.2).
const (
	ClassAppointment  = "IPM.Appointment"
	ClassNote         = "IPM.Note"
	ClassRequest      = "IPM.Schedule.Meeting.Request"
	ClassCancellation = "IPM.Schedule.Meeting.Canceled"
	ClassAccepted     = "IPM.Schedule.Meeting.Resp.Pos"
	ClassTentative    = "IPM.Schedule.Meeting.Resp.Tent"
	ClassDeclined     = "IPM.Schedule.Meeting.Resp.Neg"
)

// The answers to a meeting ([MS-OXWSCDATA] 2.2.5, ResponseTypeType).
const (
	ResponseUnknown   = "Unknown"
	ResponseOrganizer = "Organizer"
	ResponseAccept    = "Accept"
	ResponseTentative = "Tentative"
	ResponseDecline   = "Decline"
	ResponseNone      = "NoResponseReceived"
)

// The bits of AppointmentState ([MS-OXOCAL] 2.2.1.10).
const (
	StateMeeting   = 1 // it has, or had, attendees
	StateReceived  = 2 // it came from somebody else
	StateCancelled = 4
)

// Person is somebody with an address.
type Person struct{ Name, Address string }

// Kind says in which list of a meeting an attendee stands.
type Kind string

// The lists of attendees.
const (
	Required Kind = "Required"
	Optional Kind = "Optional"
	Resource Kind = "Resource"
)

// Attendee is one invited person or room, as the copy at hand knows it.
type Attendee struct {
	Person
	Kind      Kind
	Response  string    // "" stands for ResponseUnknown
	Responded time.Time // zero before the first answer
}

// Body is a body as it is stored.
type Body struct {
	Type    string // "HTML" or "Text"
	RTF     bool   // stored as RTF (native body 2); Content is what the server makes of it in HTML
	Content string
}

// Property is an extended property. Either Tag is set, or Set with Name or ID.
type Property struct {
	Set    string   // a distinguished name such as "PublicStrings", or a GUID
	Name   string   // of a property named by a string
	ID     int      // of a property named by a number
	Tag    string   // such as "0x1016"
	Type   string   // such as "String", "Binary", "Integer", "StringArray"
	Value  string   // of a single property
	Values []string // of an array
}

// Item is an appointment, a meeting, or a message. [Server.Calendar] and its
// like return copies, which are the caller's; what [Server.Edit] hands out is
// stored when the function returns.
type Item struct {
	// ID and ChangeKey as the protocol shows them, and the folder's display
	// name. They are filled in for reading and ignored otherwise.
	ID, ChangeKey, Folder string

	Class       string // such as "IPM.Appointment"
	Subject     string
	Body        Body
	Sensitivity string // "Normal" where empty
	Importance  string // "Normal" where empty
	Categories  []string
	Culture     string
	Extended    []Property
	Attachments []Attachment
	Created     time.Time
	Modified    time.Time
	Padding     int // bytes added to Size, for items that are heavy without being so

	// Of calendar items, and of the meeting messages that speak of one.
	UID         string
	Start, End  time.Time
	AllDay      bool
	Zone        string // a Windows id such as "Tokyo Standard Time"; "" is UTC
	Busy        string // "Free", "Tentative", "Busy", "OOF", "WorkingElsewhere", "NoData"
	Location    string
	Organizer   Person
	Attendees   []Attendee
	State       int    // StateMeeting and so on
	RequestSent bool   // MeetingRequestWasSent
	Unsent      bool   // of the organizer's copy: changed since attendees were told, so that Outlook offers to send an update
	Response    string // MyResponseType
	Replied     time.Time
	Sequence    int
	Reminder    int  // minutes before the start; negative: none
	NoResponse  bool // attendees are not asked to respond
	Recurrence  *Recurrence
	Exceptions  []Exception
	Deleted     []time.Time // original starts of deleted occurrences

	// Of messages.
	From      Person
	To, Cc    []Person
	Received  time.Time
	MessageID string
	Read      bool
	Draft     bool
	Kind      string // MeetingRequestType of a request: "NewMeetingRequest", "FullUpdate", "InformationalUpdate"

	// Of an occurrence, as views show it.
	Occurrence string    // CalendarItemType; "" as stored
	Original   time.Time // the start the pattern gave it

	num, cn, born, readCN uint64 // number in the mailbox; change numbers of its last change, of its creation, of its read flag
	folder                uint32 // number of the folder
	intended              string // of an attendee's copy: the busy status once accepted
	about                 uint64 // of a meeting message: the item number of the calendar item
	seed                  uint64 // the body is made from it, until there is another
}

// Exception is one occurrence of a series that differs from the pattern.
type Exception struct {
	Original   time.Time // the start the pattern gave it
	Start, End time.Time
	Item       *Item // the values of the fields that Set names
	Set        Fields
}

// Fields is a set of fields of an item that an occurrence has of its own.
type Fields uint32

// The fields an occurrence can have of its own.
const (
	FieldSubject Fields = 1 << iota
	FieldBody
	FieldLocation
	FieldBusy
	FieldAllDay
	FieldAttendees
	FieldExtended
	FieldReminder
	FieldCategories
	FieldSensitivity
	FieldResponse // MyResponseType and its time
	FieldState    // AppointmentState, and whether the request was sent
	FieldImportance
	FieldTime       // start and end
	FieldRecurrence // masters only
	FieldOther      // what nothing depends on
)

// IsMeeting reports whether the item has, or had, attendees.
func (it *Item) IsMeeting() bool { return it.State&StateMeeting != 0 }

// IsOrganizer reports whether this is the organizer's own copy.
func (it *Item) IsOrganizer() bool { return it.State&StateReceived == 0 }

// IsCancelled reports whether the meeting has been called off.
func (it *Item) IsCancelled() bool { return it.State&StateCancelled != 0 }

// Property returns the value of an extended property in PublicStrings.
func (it *Item) Property(name string) string {
	p := it.extended(Property{Set: "PublicStrings", Name: name})
	if p == nil {
		return ""
	}
	return p.Value
}

func (it *Item) extended(path Property) *Property {
	for i := range it.Extended {
		if it.Extended[i].same(path) {
			return &it.Extended[i]
		}
	}
	return nil
}

// setExtended stores a property in a list of its own, because the old one may
// be shared.
func (it *Item) setExtended(p Property) {
	it.dropExtended(p)
	it.Extended = append(it.Extended, p)
}

func (it *Item) dropExtended(path Property) {
	kept := make([]Property, 0, len(it.Extended)+1)
	for _, p := range it.Extended {
		if !p.same(path) {
			kept = append(kept, p)
		}
	}
	it.Extended = kept
}

// body returns the body, made from its seed where nobody has written one.
func (it *Item) body() Body {
	if it.seed != 0 {
		return seededBody(it.seed)
	}
	return it.Body
}

// shallow returns a copy that shares its slices with the original. Stored
// items and their slices are never changed in place: a change replaces the
// item, so that readers need no lock.
func (it *Item) shallow() *Item {
	c := *it
	return &c
}

// deep returns a copy that shares nothing.
func (it *Item) deep() *Item {
	c := it.shallow()
	c.Body = it.body()
	c.seed = 0
	c.Categories = slices.Clone(it.Categories)
	c.Attendees = slices.Clone(it.Attendees)
	c.Deleted = slices.Clone(it.Deleted)
	c.To, c.Cc = slices.Clone(it.To), slices.Clone(it.Cc)
	c.Extended, c.Attachments = slices.Clone(it.Extended), slices.Clone(it.Attachments)
	for i := range c.Extended {
		c.Extended[i].Values = slices.Clone(c.Extended[i].Values)
	}
	if it.Recurrence != nil {
		r := *it.Recurrence
		c.Recurrence = &r
	}
	c.Exceptions = slices.Clone(it.Exceptions)
	for i := range c.Exceptions {
		if x := c.Exceptions[i].Item; x != nil {
			c.Exceptions[i].Item = x.deep()
		}
	}
	return c
}

// occurrence returns the item that stands for one occurrence of a master: what
// the master has, with the exception's own fields over it.
func (it *Item) occurrence(o occurrence) *Item {
	c := it.shallow()
	c.Recurrence, c.Exceptions, c.Deleted = nil, nil, nil
	c.Start, c.End, c.Original, c.Occurrence = o.start, o.end, o.original, "Occurrence"
	if x := o.exception; x != nil {
		c.Occurrence = "Exception"
		if x.Item != nil {
			copyFields(c, x.Item, x.Set)
		}
	}
	return c
}

// copyFields copies the fields of a set from one item to another.
func copyFields(dst, src *Item, set Fields) {
	if set&FieldSubject != 0 {
		dst.Subject = src.Subject
	}
	if set&FieldBody != 0 {
		dst.Body, dst.seed = src.Body, src.seed
	}
	if set&FieldLocation != 0 {
		dst.Location = src.Location
	}
	if set&FieldBusy != 0 {
		dst.Busy = src.Busy
	}
	if set&FieldAllDay != 0 {
		dst.AllDay = src.AllDay
	}
	if set&FieldAttendees != 0 {
		dst.Attendees = src.Attendees
	}
	if set&FieldExtended != 0 {
		dst.Extended = src.Extended
	}
	if set&FieldReminder != 0 {
		dst.Reminder = src.Reminder
	}
	if set&FieldCategories != 0 {
		dst.Categories = src.Categories
	}
	if set&FieldSensitivity != 0 {
		dst.Sensitivity = src.Sensitivity
	}
	if set&FieldImportance != 0 {
		dst.Importance = src.Importance
	}
	if set&FieldResponse != 0 {
		dst.Response, dst.Replied = src.Response, src.Replied
	}
	if set&FieldState != 0 {
		dst.State, dst.RequestSent, dst.Unsent = src.State, src.RequestSent, src.Unsent
	}
}

// except returns the list of exceptions with one occurrence changed to what
// changed holds in the fields of set.
func (it *Item) except(o occurrence, changed *Item, set Fields) []Exception {
	x := Exception{Original: o.original, Start: changed.Start, End: changed.End, Item: changed, Set: set}
	if o.exception != nil {
		x.Set |= o.exception.Set
	}
	x.Set &^= FieldTime | FieldRecurrence | FieldOther
	out := make([]Exception, 0, len(it.Exceptions)+1)
	for _, e := range it.Exceptions {
		if !e.Original.Equal(o.original) {
			out = append(out, e)
		}
	}
	out = append(out, x)
	slices.SortFunc(out, func(a, b Exception) int { return a.Original.Compare(b.Original) })
	return out
}

// without returns the item with one occurrence deleted.
func (it *Item) without(original time.Time) *Item {
	c := it.shallow()
	c.Exceptions = slices.DeleteFunc(slices.Clone(it.Exceptions), func(x Exception) bool { return x.Original.Equal(original) })
	c.Deleted = append(slices.Clone(it.Deleted), original)
	slices.SortFunc(c.Deleted, time.Time.Compare)
	return c
}

// size estimates PR_MESSAGE_SIZE.
func (it *Item) size() int {
	n := 1500 + it.Padding + len(it.Subject) + len(it.Location) + len(it.body().Content) + 120*len(it.Attendees)
	for i := range it.Extended {
		n += len(it.Extended[i].Value) + 64
	}
	for _, a := range it.Attachments {
		n += a.Size + 200
	}
	for _, x := range it.Exceptions {
		if x.Item != nil && x.Set&FieldBody != 0 {
			n += len(x.Item.body().Content)
		}
	}
	return n
}
