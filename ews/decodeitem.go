package ews

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/koyomi-cal/koyomi/ews/internal/wire"
)

// parseEnvelope reads an answer: its items and folders straight into the
// public structs, the little that is around them into a tree.
func parseEnvelope(data []byte) (*wire.Element, error) {
	return new(decoder).envelope(data)
}

func (d *decoder) envelope(data []byte) (*wire.Element, error) {
	return wire.ParseWith(data, wire.Limits{Bytes: int64(len(data))}, d.decode)
}

// decoder reads items and folders from a scanner. What it returns shares no
// memory with the document: small strings are copied into an arena of their
// item, large ones each on its own, so that whoever keeps one item keeps
// nothing of the others.
//
// Values that are absent or unreadable are left out: a server's slip in one
// property must not cost the whole item.
type decoder struct {
	*wire.Scanner
	arena     strings.Builder
	room      int // what the arena of the next item is made for
	bools     []bool
	ints      []int
	attendees []Attendee
	extended  []ExtendedProperty
	strings   []string
	items     []CalendarItem // room for the items of an answer, which its reader copies
	used      int            // of it
}

// reset makes the decoder ready for the next answer. The items of the one
// before must have been copied.
func (d *decoder) reset() {
	clear(d.items[:d.used])
	clear(d.attendees[:cap(d.attendees)])
	clear(d.extended[:cap(d.extended)])
	clear(d.strings[:cap(d.strings)])
	*d = decoder{attendees: d.attendees[:0], extended: d.extended[:0], strings: d.strings[:0], items: d.items}
}

// item returns room for one more item.
func (d *decoder) item() *CalendarItem {
	if d.used == len(d.items) {
		d.items, d.used = make([]CalendarItem, min(max(16, 2*len(d.items)), 128)), 0
	}
	d.used++
	return &d.items[d.used-1]
}

// decode is the [wire.Decoder]: it takes the items that an answer holds, by
// what is around them.
func (d *decoder) decode(s *wire.Scanner, parent string) (any, bool) {
	switch parent {
	case "Items", "Create", "Update":
		d.begin(s)
		return d.calendarItem(), true
	case "Folders":
		d.begin(s)
		return d.folder(), true
	}
	return nil, false
}

// begin starts an arena that has room for as much as the item before needed.
func (d *decoder) begin(s *wire.Scanner) {
	d.Scanner = s
	d.room = max(d.arena.Len(), 256)
	d.arena = strings.Builder{}
	d.bools, d.ints, d.extended = nil, nil, d.extended[:0]
}

// decoded returns what the decoder made of an element, or nil where it is no
// item or folder.
func decoded[T any](e *wire.Element) *T {
	if e == nil {
		return nil
	}
	v, _ := e.Decoded.(*T)
	return v
}

// keep copies a string out of the document.
func (d *decoder) keep(s string) string {
	const large = 1 << 10
	switch {
	case s == "":
		return ""
	case len(s) > large:
		return strings.Clone(s)
	case d.arena.Cap()-d.arena.Len() < len(s):
		d.arena = strings.Builder{}
		d.arena.Grow(max(d.room, len(s)))
		d.room = 256
	}
	start := d.arena.Len()
	d.arena.WriteString(s)
	return d.arena.String()[start:]
}

// str reads text as it is.
func (d *decoder) str() string {
	s, shared := d.Text()
	if shared {
		return d.keep(s)
	}
	return s
}

// word reads a value in which white space means nothing.
func (d *decoder) word() string {
	s, _ := d.Text()
	return d.keep(strings.TrimSpace(s))
}

func (d *decoder) truth() bool {
	s, _ := d.Text()
	value, _ := parseTruth(s)
	return value
}

// optTruth reads a truth, for which room is made together with the others of
// the item.
func (d *decoder) optTruth() *bool {
	s, _ := d.Text()
	value, ok := parseTruth(s)
	if !ok {
		return nil
	}
	if len(d.bools) == 0 {
		d.bools = make([]bool, 16)
	}
	b := &d.bools[0]
	d.bools = d.bools[1:]
	*b = value
	return b
}

func (d *decoder) number() int {
	s, _ := d.Text()
	return parseNumber(s)
}

func (d *decoder) optNumber() *int {
	s, _ := d.Text()
	n, err := strconv.Atoi(strings.TrimSpace(s))
	if err != nil {
		return nil
	}
	if len(d.ints) == 0 {
		d.ints = make([]int, 4)
	}
	p := &d.ints[0]
	d.ints = d.ints[1:]
	*p = n
	return p
}

func (d *decoder) dateTime() time.Time {
	s, _ := d.Text()
	return parseTime(s).UTC()
}

func (d *decoder) date() string {
	s, _ := d.Text()
	return d.keep(parseDate(s))
}

func (d *decoder) itemID() ItemID {
	return ItemID{ID: d.keep(d.Attr("Id")), ChangeKey: d.keep(d.Attr("ChangeKey"))}
}

// calendarItem reads an item ([MS-OXWSMTGS] 2.2.4.6).
func (d *decoder) calendarItem() *CalendarItem {
	it := d.item()
	for depth := d.Depth(); d.Child(depth); {
		if name := d.Name(); !d.itemProperty(it, name) && !d.calendarProperty(it, name) && !d.meetingProperty(it, name) {
			d.seriesProperty(it, name)
		}
	}
	it.Extended = slices.Clone(d.extended)
	return it
}

// itemProperty reads what every item can have ([MS-OXWSCORE] 2.2.4.24).
func (d *decoder) itemProperty(it *CalendarItem, name string) bool {
	switch name {
	case "MimeContent":
		it.MimeContent = d.str()
	case "ItemId":
		it.ItemID = d.itemID()
	case "ParentFolderId":
		it.ParentFolderID = FolderID(d.itemID())
	case "ItemClass":
		it.ItemClass = d.word()
	case "Subject":
		it.Subject = d.str()
	case "Sensitivity":
		it.Sensitivity = d.word()
	case "Body":
		it.Body = d.body()
	case "TextBody":
		it.TextBody = d.body()
	case "Categories":
		it.Categories = d.list(d.str)
	case "Importance":
		it.Importance = d.word()
	case "Size":
		s, _ := d.Text()
		it.Size, _ = strconv.ParseInt(strings.TrimSpace(s), 10, 64)
	case "IsDraft":
		it.IsDraft = d.optTruth()
	case "HasAttachments":
		it.HasAttachments = d.truth()
	case "Culture":
		it.Culture = d.word()
	case "DateTimeCreated":
		it.Created = d.dateTime()
	case "LastModifiedTime":
		it.LastModified = d.dateTime()
	case "LastModifiedName":
		it.LastModifiedBy = d.str()
	case "ResponseObjects":
		it.ResponseObjects = d.responseObjects()
	case "EffectiveRights":
		it.Rights = d.rights()
	case "RightsManagementLicenseData":
		it.RightsLicense = d.rightsLicense()
	case "ReminderIsSet":
		it.ReminderIsSet = d.optTruth()
	case "ReminderMinutesBeforeStart":
		it.ReminderMinutes = d.optNumber()
	case "ExtendedProperty":
		d.extended = append(d.extended, d.extendedProperty())
	default:
		return false
	}
	return true
}

// calendarProperty reads what an appointment can have.
func (d *decoder) calendarProperty(it *CalendarItem, name string) bool {
	switch name {
	case "UID":
		it.UID = d.word()
	case "RecurrenceId":
		it.RecurrenceID = d.dateTime()
	case "Start":
		it.Start = d.dateTime()
	case "End":
		it.End = d.dateTime()
	case "OriginalStart":
		it.OriginalStart = d.dateTime()
	case "IsAllDayEvent":
		it.IsAllDay = d.truth()
	case "LegacyFreeBusyStatus":
		it.Status = FreeBusyStatus(d.word())
	case "Location":
		it.Location = d.str()
	case "IsCancelled":
		it.IsCancelled = d.truth()
	case "IsRecurring":
		it.IsRecurring = d.optTruth()
	case "CalendarItemType":
		it.Type = CalendarItemType(d.word())
	case "StartTimeZoneId":
		it.StartTimeZone = d.word()
	case "EndTimeZoneId":
		it.EndTimeZone = d.word()
	case "StartTimeZone":
		if it.StartTimeZone == "" {
			it.StartTimeZone = d.keep(d.Attr("Id"))
		}
		it.StartZone = zoneDefinition(d.Tree())
	case "EndTimeZone":
		if it.EndTimeZone == "" {
			it.EndTimeZone = d.keep(d.Attr("Id"))
		}
	case "StartWallClock":
		it.StartWall = d.wallClock()
	case "EndWallClock":
		it.EndWall = d.wallClock()
	default:
		return false
	}
	return true
}

// meetingProperty reads what an appointment has through other people.
func (d *decoder) meetingProperty(it *CalendarItem, name string) bool {
	switch name {
	case "IsMeeting":
		it.IsMeeting = d.optTruth()
	case "MeetingRequestWasSent":
		it.MeetingRequestSent = d.optTruth()
	case "IsResponseRequested":
		it.IsResponseRequested = d.optTruth()
	case "MyResponseType":
		it.MyResponse = ResponseType(d.word())
	case "AppointmentReplyTime":
		it.ReplyTime = d.dateTime()
	case "Organizer":
		for depth := d.Depth(); d.Child(depth); {
			if d.Name() == "Mailbox" {
				it.Organizer = new(EmailAddress)
				d.emailAddress(it.Organizer)
			}
		}
	case "RequiredAttendees":
		it.RequiredAttendees = d.people()
	case "OptionalAttendees":
		it.OptionalAttendees = d.people()
	case "Resources":
		it.Resources = d.people()
	case "AppointmentSequenceNumber":
		it.SequenceNumber = d.optNumber()
	case "AppointmentState":
		it.AppointmentState = d.optNumber()
	case "AllowNewTimeProposal":
		it.AllowNewTimeProposal = d.optTruth()
	case "IsOrganizer":
		it.IsOrganizer = d.optTruth()
	case "IsOnlineMeeting":
		it.IsOnlineMeeting = d.optTruth()
	case "JoinOnlineMeetingUrl":
		it.JoinOnlineMeetingURL = d.word()
	case "DoNotForwardMeeting":
		it.DoNotForward = d.optTruth()
	default:
		return false
	}
	return true
}

// seriesProperty reads what a series can have.
func (d *decoder) seriesProperty(it *CalendarItem, name string) {
	switch name {
	case "Recurrence":
		it.Recurrence = d.recurrence()
	case "FirstOccurrence":
		o := d.occurrence()
		it.FirstOccurrence = &o
	case "LastOccurrence":
		o := d.occurrence()
		it.LastOccurrence = &o
	case "ModifiedOccurrences":
		for depth := d.Depth(); d.Child(depth); {
			if d.Name() == "Occurrence" {
				it.ModifiedOccurrences = append(it.ModifiedOccurrences, d.occurrence())
			}
		}
	case "DeletedOccurrences":
		for depth := d.Depth(); d.Child(depth); {
			if d.Name() == "DeletedOccurrence" {
				it.DeletedOccurrences = append(it.DeletedOccurrences, d.occurrence().Start)
			}
		}
	}
}

// list reads the children by read.
func (d *decoder) list(read func() string) []string {
	d.strings = d.strings[:0]
	for depth := d.Depth(); d.Child(depth); {
		d.strings = append(d.strings, read())
	}
	return slices.Clone(d.strings)
}

func (d *decoder) body() *Body {
	b := &Body{Type: BodyHTML, Truncated: d.Attr("IsTruncated") == "true"}
	if strings.EqualFold(d.Attr("BodyType"), string(BodyText)) {
		b.Type = BodyText
	}
	b.Content = d.str()
	return b
}

// wallClock reads a time and keeps its offset.
func (d *decoder) wallClock() time.Time {
	s, _ := d.Text()
	return parseTime(s)
}

func (d *decoder) responseObjects() []MeetingAction {
	var list []MeetingAction
	for depth := d.Depth(); d.Child(depth); {
		list = append(list, MeetingAction(d.keep(d.Name())))
	}
	return list
}

func (d *decoder) rights() *EffectiveRights {
	r := new(EffectiveRights)
	for depth := d.Depth(); d.Child(depth); {
		switch d.Name() {
		case "CreateContents":
			r.CreateContents = d.truth()
		case "Delete":
			r.Delete = d.truth()
		case "Modify":
			r.Modify = d.truth()
		case "Read":
			r.Read = d.truth()
		case "ViewPrivateItems":
			r.ViewPrivateItems = d.truth()
		}
	}
	return r
}

func (d *decoder) rightsLicense() *RightsLicense {
	r := new(RightsLicense)
	for depth := d.Depth(); d.Child(depth); {
		switch d.Name() {
		case "RmsTemplateId":
			r.TemplateID = d.word()
		case "RightsManagedMessageDecryptionStatus":
			r.DecryptionStatus = d.number()
		case "EditAllowed":
			r.EditAllowed = d.optTruth()
		case "ModifyRecipientsAllowed":
			r.ModifyRecipientsAllowed = d.optTruth()
		case "ExtractAllowed":
			r.ExtractAllowed = d.optTruth()
		case "ProgrammaticAccessAllowed":
			r.ProgrammaticAccessAllowed = d.optTruth()
		case "IsOwner":
			r.IsOwner = d.optTruth()
		}
	}
	return r
}

func (d *decoder) emailAddress(m *EmailAddress) {
	for depth := d.Depth(); d.Child(depth); {
		switch d.Name() {
		case "Name":
			m.Name = d.str()
		case "EmailAddress":
			m.Address = d.word()
		case "RoutingType":
			m.RoutingType = d.word()
		case "MailboxType":
			m.MailboxType = d.word()
		}
	}
}

// people reads a list of attendees, which is not nil even where it is empty.
func (d *decoder) people() []Attendee {
	d.attendees = d.attendees[:0]
	for depth := d.Depth(); d.Child(depth); {
		if d.Name() == "Attendee" {
			d.attendees = append(d.attendees, Attendee{})
			d.attendee(&d.attendees[len(d.attendees)-1])
		}
	}
	return append(make([]Attendee, 0, len(d.attendees)), d.attendees...)
}

func (d *decoder) attendee(a *Attendee) {
	for depth := d.Depth(); d.Child(depth); {
		switch d.Name() {
		case "Mailbox":
			d.emailAddress(&a.EmailAddress)
		case "ResponseType":
			a.Response = ResponseType(d.word())
		case "LastResponseTime":
			a.LastResponse = d.dateTime()
		case "ProposedStart":
			a.ProposedStart = d.dateTime()
		case "ProposedEnd":
			a.ProposedEnd = d.dateTime()
		}
	}
}

func (d *decoder) occurrence() OccurrenceInfo {
	var o OccurrenceInfo
	for depth := d.Depth(); d.Child(depth); {
		switch d.Name() {
		case "ItemId":
			o.ItemID = d.itemID()
		case "Start":
			o.Start = d.dateTime()
		case "End":
			o.End = d.dateTime()
		case "OriginalStart":
			o.OriginalStart = d.dateTime()
		}
	}
	return o
}

// recurrence reads pattern and range ([MS-OXWSCDATA] RecurrenceType).
func (d *decoder) recurrence() *Recurrence {
	r := new(Recurrence)
	for depth := d.Depth(); d.Child(depth); {
		switch name := d.Name(); name {
		case "NoEndRecurrence", "EndDateRecurrence", "NumberedRecurrence":
		default:
			r.Pattern = RecurrencePattern(d.keep(name))
		}
		d.recurrencePart(r)
	}
	return r
}

// recurrencePart reads the values of a pattern or a range, which have no names
// in common.
func (d *decoder) recurrencePart(r *Recurrence) {
	for depth := d.Depth(); d.Child(depth); {
		switch d.Name() {
		case "Interval":
			r.Interval = d.number()
		case "DaysOfWeek":
			if days := strings.Fields(d.str()); len(days) > 0 {
				r.DaysOfWeek = days
			}
		case "FirstDayOfWeek":
			r.FirstDayOfWeek = d.word()
		case "DayOfWeekIndex":
			r.DayOfWeekIndex = d.word()
		case "DayOfMonth":
			r.DayOfMonth = d.number()
		case "Month":
			r.Month = d.word()
		case "StartDate":
			r.StartDate = d.date()
		case "EndDate":
			r.EndDate = d.date()
		case "NumberOfOccurrences":
			r.Count = d.number()
		}
	}
}

func (d *decoder) extendedProperty() ExtendedProperty {
	var p ExtendedProperty
	for depth := d.Depth(); d.Child(depth); {
		switch d.Name() {
		case "ExtendedFieldURI":
			p.Field = d.extendedField()
		case "Value":
			p.Value = d.str()
		case "Values":
			p.Values = d.list(d.str)
		}
	}
	return p
}

func (d *decoder) extendedField() ExtendedField {
	f := ExtendedField{
		Set: d.keep(d.Attr("DistinguishedPropertySetId")), Name: d.keep(d.Attr("PropertyName")),
		Tag: d.keep(d.Attr("PropertyTag")), Type: d.keep(d.Attr("PropertyType")),
	}
	if guid := d.Attr("PropertySetId"); guid != "" {
		f.Set = d.keep(guid)
	}
	f.ID, _ = strconv.Atoi(d.Attr("PropertyId"))
	return f
}

// folder reads a folder of any class ([MS-OXWSFOLD] BaseFolderType).
func (d *decoder) folder() *Folder {
	f := new(Folder)
	for depth := d.Depth(); d.Child(depth); {
		switch d.Name() {
		case "FolderId":
			f.ID = FolderID(d.itemID())
		case "ParentFolderId":
			f.ParentID = FolderID(d.itemID())
		case "FolderClass":
			f.Class = d.word()
		case "DisplayName":
			f.DisplayName = d.str()
		case "TotalCount":
			f.TotalCount = d.number()
		case "ChildFolderCount":
			f.ChildFolderCount = d.number()
		case "EffectiveRights":
			f.Rights = d.rights()
		case "ExtendedProperty":
			f.Extended = append(f.Extended, d.extendedProperty())
		}
	}
	return f
}
