package ews

import (
	"fmt"
	"log/slog"
	"time"
)

// ItemID names one item of a mailbox in one state ([MS-OXWSCORE] 2.2.4.25).
// Ids are opaque and case-sensitive, and change when the item moves to another
// folder. The change key changes with every change of the item; the short one
// that notifications carry is not good for [Mailbox.UpdateItem].
type ItemID struct{ ID, ChangeKey string }

// ItemRef names an item in a request: by its own id, as the n-th occurrence of
// a series, or as the master to which an occurrence belongs.
type ItemRef struct {
	ItemID
	Instance int  // not 0: the occurrence with this 1-based index, counting deleted ones, of the master ItemID
	Master   bool // the recurring master of the occurrence ItemID
}

// Ref names the item itself.
func (id ItemID) Ref() ItemRef { return ItemRef{ItemID: id} }

// OccurrenceAt names the n-th occurrence, counted from 1, of the series whose
// master is id ([MS-OXWSCORE] OccurrenceItemId).
func (id ItemID) OccurrenceAt(n int) ItemRef { return ItemRef{ItemID: id, Instance: n} }

// MasterOf names the recurring master of the occurrence id ([MS-OXWSCORE]
// RecurringMasterItemId).
func (id ItemID) MasterOf() ItemRef { return ItemRef{ItemID: id, Master: true} }

// FolderID names a folder of a mailbox.
type FolderID struct{ ID, ChangeKey string }

// FolderRef names a folder in a request. The zero value is the mailbox's own
// calendar.
type FolderRef struct {
	ID            FolderID // a folder's id, or
	Distinguished string   // a name such as "calendar", "deleteditems", "inbox"; default "calendar"
	Owner         string   // SMTP address of the mailbox that a distinguished folder is in; default the impersonated one
}

// Folder is a folder as GetFolder returns it ([MS-OXWSFOLD] BaseFolderType).
type Folder struct {
	ID, ParentID     FolderID
	Class            string // for a calendar "IPF.Appointment"
	DisplayName      string
	TotalCount       int
	ChildFolderCount int
	Rights           *EffectiveRights // nil: not asked for
	Extended         []ExtendedProperty
}

// EffectiveRights says what the caller may do ([MS-OXWSCDATA] EffectiveRightsType).
type EffectiveRights struct {
	CreateContents, Delete, Modify, Read, ViewPrivateItems bool
}

// BodyType is the form of a body, in an item or as asked for.
type BodyType string

// The forms of a body. BodyBest asks for the form that is stored: text stays
// text.
const (
	BodyHTML BodyType = "HTML"
	BodyText BodyType = "Text"
	BodyBest BodyType = "Best"
)

// Body is the body of an item.
type Body struct {
	Type      BodyType // BodyHTML or BodyText
	Content   string
	Truncated bool // the server cut it at Shape.MaximumBodySize
}

// EmailAddress is somebody with an address ([MS-OXWSCDATA] EmailAddressType). Server
// answers may lack the address of an organizer that is not SMTP.
type EmailAddress struct {
	Name        string
	Address     string
	RoutingType string // "SMTP"; "EX" marks an address that is no SMTP address
	MailboxType string // "Mailbox", "PublicDL", "PrivateDL", "Contact", "OneOff"...
}

// String hides the person.
func (EmailAddress) String() string { return "[person]" }

// Format hides the person, whatever the verb.
func (EmailAddress) Format(f fmt.State, _ rune) { fmt.Fprint(f, "[person]") }

// LogValue hides the person.
func (EmailAddress) LogValue() slog.Value { return slog.StringValue("[person]") }

// ResponseType is an answer to an invitation ([MS-OXWSCDATA] ResponseTypeType).
type ResponseType string

// The answers to an invitation.
const (
	ResponseUnknown    ResponseType = "Unknown"
	ResponseOrganizer  ResponseType = "Organizer"
	ResponseTentative  ResponseType = "Tentative"
	ResponseAccept     ResponseType = "Accept"
	ResponseDecline    ResponseType = "Decline"
	ResponseNoResponse ResponseType = "NoResponseReceived"
)

// Attendee is somebody invited to a meeting ([MS-OXWSCDATA] AttendeeType).
type Attendee struct {
	EmailAddress
	Response     ResponseType
	LastResponse time.Time // zero: never, or not given
	// ProposedStart and ProposedEnd are the other time that the attendee has
	// proposed, where the organizer's copy tells it.
	ProposedStart, ProposedEnd time.Time
}

// CalendarItemType is an item's place in a series ([MS-OXWSMTGS] CalendarItemTypeType).
type CalendarItemType string

// The places in a series.
const (
	Single          CalendarItemType = "Single"
	Occurrence      CalendarItemType = "Occurrence"
	Exception       CalendarItemType = "Exception"
	RecurringMaster CalendarItemType = "RecurringMaster"
)

// FreeBusyStatus is how an item shows in free/busy ([MS-OXWSCDATA]
// LegacyFreeBusyType).
type FreeBusyStatus string

// The free/busy statuses.
const (
	Free             FreeBusyStatus = "Free"
	Tentative        FreeBusyStatus = "Tentative"
	Busy             FreeBusyStatus = "Busy"
	OOF              FreeBusyStatus = "OOF"
	WorkingElsewhere FreeBusyStatus = "WorkingElsewhere"
	NoData           FreeBusyStatus = "NoData"
)

// CalendarItem is an appointment or a meeting, as one mailbox holds it
// ([MS-OXWSMTGS] 2.2.4.6, [MS-OXWSCORE] 2.2.4.24). Only what a request's
// [Shape] names is filled. Where the difference between absent and false
// matters, the field is a pointer.
//
// It prints its type and nothing that a person wrote, in every format.
type CalendarItem struct {
	ItemID         ItemID
	ParentFolderID FolderID
	ItemClass      string // "IPM.Appointment" or a subclass

	Subject        string
	Sensitivity    string // "Normal", "Personal", "Private", "Confidential"
	Body           *Body  // nil: not asked for or not given
	TextBody       *Body  // item:TextBody, the body as text; nil: not asked for
	MimeContent    string // item:MimeContent, base64: the item as iCalendar
	Categories     []string
	Importance     string // "Low", "Normal", "High"
	Size           int64  // bytes
	HasAttachments bool
	IsDraft        *bool
	Culture        string // language tag
	Created        time.Time
	LastModified   time.Time
	LastModifiedBy string
	// ResponseObjects are the actions that [Mailbox.Respond] can carry out on
	// the item, and others.
	ResponseObjects []MeetingAction
	Rights          *EffectiveRights
	RightsLicense   *RightsLicense // not nil: rights management applies, see [CalendarItem.RightsManaged]

	ReminderIsSet       *bool
	ReminderMinutes     *int
	UID                 string
	RecurrenceID        time.Time // original start of an occurrence, where the server gives it
	Start, End          time.Time
	OriginalStart       time.Time // of an exception
	IsAllDay            bool
	Status              FreeBusyStatus // LegacyFreeBusyStatus
	Location            string
	IsMeeting           *bool
	IsCancelled         bool
	IsRecurring         *bool
	MeetingRequestSent  *bool // MeetingRequestWasSent
	IsResponseRequested *bool
	Type                CalendarItemType
	MyResponse          ResponseType // MyResponseType
	ReplyTime           time.Time    // AppointmentReplyTime: when the attendee answered
	Organizer           *EmailAddress
	RequiredAttendees   []Attendee
	OptionalAttendees   []Attendee
	Resources           []Attendee
	SequenceNumber      *int
	AppointmentState    *int // bits: 1 meeting, 2 received, 4 cancelled; [MS-OXOCAL] PidLidAppointmentStateFlags
	IsOrganizer         *bool

	AllowNewTimeProposal *bool
	DoNotForward         *bool // DoNotForwardMeeting

	Recurrence          *Recurrence
	FirstOccurrence     *OccurrenceInfo
	LastOccurrence      *OccurrenceInfo
	ModifiedOccurrences []OccurrenceInfo
	DeletedOccurrences  []time.Time // original starts

	StartTimeZone string // time zone id as the server gives it: StartTimeZoneId, or else the Id of StartTimeZone
	EndTimeZone   string
	StartZone     *ZoneDefinition // the rules of StartTimeZone, where calendar:StartTimeZone was asked for; see [CalendarItem.Zone]
	StartWall     time.Time       // StartWallClock: local time of the start, its offset kept
	EndWall       time.Time       // EndWallClock

	IsOnlineMeeting      *bool
	JoinOnlineMeetingURL string

	Extended []ExtendedProperty
}

// String prints the item's type only.
func (it CalendarItem) String() string { return "CalendarItem(" + string(it.Type) + ")" }

// Format prints like String, whatever the verb.
func (it CalendarItem) Format(f fmt.State, _ rune) { fmt.Fprint(f, it.String()) }

// LogValue prints like String.
func (it CalendarItem) LogValue() slog.Value { return slog.StringValue(it.String()) }

// RightsLicense is what rights management allows the caller ([MS-OXWSCORE]
// 2.2.4.42).
type RightsLicense struct {
	TemplateID       string
	DecryptionStatus int // 0: the server could read the content

	EditAllowed, ModifyRecipientsAllowed, ExtractAllowed, ProgrammaticAccessAllowed *bool
	IsOwner                                                                         *bool
}

// OccurrenceInfo names one occurrence of a series ([MS-OXWSMTGS] 2.2.4.22).
type OccurrenceInfo struct {
	ItemID                    ItemID
	Start, End, OriginalStart time.Time
}

// Recurrence is the pattern and range of a series ([MS-OXWSCDATA] RecurrenceType).
type Recurrence struct {
	Pattern        RecurrencePattern
	Interval       int      // every n days, weeks, months; 0 for yearly patterns
	DaysOfWeek     []string // "Monday"..., "Day", "Weekday", "WeekendDay"
	FirstDayOfWeek string   // weekly only
	DayOfWeekIndex string   // relative patterns: "First" to "Fourth", "Last"
	DayOfMonth     int      // absolute patterns
	Month          string   // yearly patterns: "January"...

	StartDate string // date "2006-01-02" in the item's time zone
	EndDate   string // last date, or ""
	Count     int    // number of occurrences, or 0; without EndDate and Count: no end
}

// RecurrencePattern is the kind of a recurrence.
type RecurrencePattern string

// The recurrence patterns ([MS-OXWSCDATA] RecurrencePatternTypes).
const (
	RelativeYearly  RecurrencePattern = "RelativeYearlyRecurrence"
	AbsoluteYearly  RecurrencePattern = "AbsoluteYearlyRecurrence"
	RelativeMonthly RecurrencePattern = "RelativeMonthlyRecurrence"
	AbsoluteMonthly RecurrencePattern = "AbsoluteMonthlyRecurrence"
	Weekly          RecurrencePattern = "WeeklyRecurrence"
	Daily           RecurrencePattern = "DailyRecurrence"
)

// Shape says which properties a server shall return ([MS-OXWSCDATA]
// ItemResponseShapeType). The zero value asks for ids only.
type Shape struct {
	Base            BaseShape // default IDOnly
	BodyType        BodyType  // default: the server's, which is BodyBest
	FilterHTML      bool      // have scripts taken out of HTML bodies
	BlockImages     bool      // have the addresses of images elsewhere taken out of HTML bodies
	MIME            bool      // give CalendarItem.MimeContent, which costs the server the most and fails for some items
	MaximumBodySize int       // bytes; 0: whole
	Fields          []PropertyPath
}

// BaseShape is a named set of properties. On some servers AllProperties has
// neither body nor attendees.
type BaseShape string

// The named sets of properties.
const (
	IDOnly        BaseShape = "IdOnly"
	DefaultShape  BaseShape = "Default"
	AllProperties BaseShape = "AllProperties"
)

// PropertyPath names one property: by URI, by URI and index, or as an extended
// property.
type PropertyPath struct {
	URI      string        // FieldURI, e.g. "item:Subject"
	Index    string        // with it: IndexedFieldURI, e.g. "item:InternetMessageHeader" and a header's name
	Extended ExtendedField // instead of URI
}

// ExtendedField names an extended property ([MS-OXWSXPROP] PathToExtendedFieldType): Set and
// Name, Set and ID, or Tag; Type always.
type ExtendedField struct {
	Set  string // "PublicStrings", "Meeting", "Appointment", "Common"..., or a GUID
	Name string
	ID   int
	Tag  string // "0x1016"
	Type string // "String", "Integer", "Binary" (base64), "SystemTime", "StringArray"...
}

// Path makes a path of the field.
func (f ExtendedField) Path() PropertyPath { return PropertyPath{Extended: f} }

// ExtendedProperty is an extended property with its value, or its values where
// its type is an array.
type ExtendedProperty struct {
	Field  ExtendedField
	Value  string
	Values []string
}

// ItemResult is what a request says of one of the items that it names: the
// item, or an [*Error] for this item alone.
type ItemResult struct {
	Item CalendarItem
	Err  error
}

// SendMode says whom the server tells of a change ([MS-OXWSCDATA]
// CalendarItemUpdateOperationType).
type SendMode string

// The ways to tell attendees. The two …Changed… ones are for
// [Mailbox.UpdateItem] only and concern attendees added or removed.
const (
	SendToNone               SendMode = "SendToNone"
	SendOnlyToAll            SendMode = "SendOnlyToAll"
	SendToAllAndSaveCopy     SendMode = "SendToAllAndSaveCopy"
	SendOnlyToChanged        SendMode = "SendOnlyToChanged"
	SendToChangedAndSaveCopy SendMode = "SendToChangedAndSaveCopy"
)

// ConflictResolution says what happens to a write under an old change key.
type ConflictResolution string

// The conflict resolutions. AutoResolve overwrites in most cases.
const (
	NeverOverwrite  ConflictResolution = "NeverOverwrite"
	AutoResolve     ConflictResolution = "AutoResolve"
	AlwaysOverwrite ConflictResolution = "AlwaysOverwrite"
)

// EventType is what happened to an item or folder ([MS-OXWSNTIF] NotificationEventTypeType).
type EventType string

// The event types. Exchange sends FreeBusyChanged beside Modified: subscribe
// to one of them.
const (
	Created         EventType = "CreatedEvent"
	Modified        EventType = "ModifiedEvent"
	Deleted         EventType = "DeletedEvent"
	Moved           EventType = "MovedEvent"
	Copied          EventType = "CopiedEvent"
	NewMail         EventType = "NewMailEvent"
	FreeBusyChanged EventType = "FreeBusyChangedEvent"
)

// Event is one event of a subscription ([MS-OXWSNTIF] NotificationType). It is about an
// item where ItemID is set and about a folder otherwise. Servers report a
// change of one occurrence with the master's id.
type Event struct {
	SubscriptionID    string
	Type              EventType
	Time              time.Time
	ItemID            ItemID
	FolderID          FolderID
	ParentFolderID    FolderID
	OldItemID         ItemID // of Moved and Copied
	OldParentFolderID FolderID
}

// Notification is one document of an event stream. Without events it is a
// heartbeat: the connection is alive.
type Notification struct {
	Events []Event
	Closed bool // the server ends the stream in good order; open it again
}
