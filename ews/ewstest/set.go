package ewstest

import (
	"slices"
	"strings"
	"time"

	"github.com/koyomi-cal/koyomi/ews/internal/wire"
)

// change sets or deletes one property of an item while it is created or
// updated. It returns the field that changed, for series.
type change struct {
	r    *request
	it   *Item
	kind string         // element of the item: "CalendarItem", "Message"
	loc  *time.Location // of times without an offset; nil: the request's
}

// setter stores what an element holds; without the element it deletes.
type setter struct {
	field Fields
	set   func(c *change, e *wire.Element) error
}

// setters are the properties that clients can set, by their URI. Deleting
// calls them with nil.
var setters = map[string]setter{
	"item:Subject":   {FieldSubject, func(c *change, e *wire.Element) error { c.it.Subject = text(e); return nil }},
	"item:Body":      {FieldBody, (*change).body},
	"item:ItemClass": {FieldOther, (*change).class},
	"item:Sensitivity": {FieldSensitivity, func(c *change, e *wire.Element) error {
		return choose(&c.it.Sensitivity, e, "Normal", "Personal", "Private", "Confidential")
	}},
	"item:Importance": {FieldImportance, func(c *change, e *wire.Element) error { return choose(&c.it.Importance, e, "Normal", "Low", "High") }},
	"item:Categories": {FieldCategories, (*change).categories},
	"item:Culture":    {FieldOther, func(c *change, e *wire.Element) error { c.it.Culture = text(e); return nil }},
	"item:ReminderIsSet": {FieldReminder, func(c *change, e *wire.Element) error {
		on, err := flag(e)
		if !on {
			c.it.Reminder = -1
		} else {
			c.it.Reminder = max(c.it.Reminder, 0)
		}
		return err
	}},
	"item:ReminderMinutesBeforeStart": {FieldReminder, func(c *change, e *wire.Element) error {
		if n, ok := parseInt(text(e)); ok && c.it.Reminder >= 0 {
			c.it.Reminder = n
		}
		return nil
	}},
	"item:ReminderDueBy":          {FieldOther, ignore},
	"item:MimeContent":            {^FieldRecurrence, (*change).mime},
	"item:InternetMessageHeaders": {FieldOther, ignore},
	"item:IsAssociated":           {FieldOther, ignore},
	"item:EffectiveRights":        {FieldOther, ignore},
	"item:Flag":                   {FieldOther, ignore},

	"calendar:UID":           {FieldOther, func(c *change, e *wire.Element) error { c.it.UID = text(e); return nil }},
	"calendar:Start":         {FieldTime, func(c *change, e *wire.Element) error { return c.moment(e, &c.it.Start) }},
	"calendar:End":           {FieldTime, func(c *change, e *wire.Element) error { return c.moment(e, &c.it.End) }},
	"calendar:IsAllDayEvent": {FieldAllDay, func(c *change, e *wire.Element) error { return set(&c.it.AllDay, e) }},
	"calendar:LegacyFreeBusyStatus": {FieldBusy, func(c *change, e *wire.Element) error {
		return choose(&c.it.Busy, e, "Busy", "Free", "Tentative", "OOF", "WorkingElsewhere", "NoData")
	}},
	"calendar:Location": {FieldLocation, func(c *change, e *wire.Element) error { c.it.Location = text(e); return nil }},
	"calendar:EnhancedLocation": {FieldLocation, func(c *change, e *wire.Element) error {
		c.it.Location = strings.Clone(e.Value("DisplayName"))
		return nil
	}},
	"calendar:IsResponseRequested":  {FieldOther, func(c *change, e *wire.Element) error { return c.responses(e) }},
	"calendar:RequiredAttendees":    {FieldAttendees, func(c *change, e *wire.Element) error { return c.attendees(e, Required) }},
	"calendar:OptionalAttendees":    {FieldAttendees, func(c *change, e *wire.Element) error { return c.attendees(e, Optional) }},
	"calendar:Resources":            {FieldAttendees, func(c *change, e *wire.Element) error { return c.attendees(e, Resource) }},
	"calendar:Recurrence":           {FieldRecurrence, (*change).recurrence},
	"calendar:StartTimeZone":        {FieldOther, (*change).zone},
	"calendar:StartTimeZoneId":      {FieldOther, (*change).zone},
	"calendar:MeetingTimeZone":      {FieldOther, (*change).zone},
	"calendar:EndTimeZone":          {FieldOther, ignore},
	"calendar:EndTimeZoneId":        {FieldOther, ignore},
	"calendar:ConferenceType":       {FieldOther, ignore},
	"calendar:AllowNewTimeProposal": {FieldOther, ignore},
	"calendar:IsOnlineMeeting":      {FieldOther, ignore},
	"calendar:MeetingWorkspaceUrl":  {FieldOther, ignore},
	"calendar:NetShowUrl":           {FieldOther, ignore},

	"message:ToRecipients":               {FieldOther, func(c *change, e *wire.Element) error { return c.people(e, &c.it.To) }},
	"message:CcRecipients":               {FieldOther, func(c *change, e *wire.Element) error { return c.people(e, &c.it.Cc) }},
	"message:BccRecipients":              {FieldOther, ignore},
	"message:From":                       {FieldOther, ignore},
	"message:Sender":                     {FieldOther, ignore},
	"message:ReplyTo":                    {FieldOther, ignore},
	"message:IsRead":                     {FieldOther, func(c *change, e *wire.Element) error { return set(&c.it.Read, e) }},
	"message:IsReadReceiptRequested":     {FieldOther, ignore},
	"message:IsDeliveryReceiptRequested": {FieldOther, ignore},
	"message:IsResponseRequested":        {FieldOther, ignore},
	"message:InternetMessageId":          {FieldOther, func(c *change, e *wire.Element) error { c.it.MessageID = text(e); return nil }},
	"message:References":                 {FieldOther, ignore},
	"message:ConversationIndex":          {FieldOther, ignore},
	"message:ConversationTopic":          {FieldOther, ignore},
}

// readOnly are properties that the schema lets into a request and the server
// refuses to set.
var readOnly = []string{
	"DateTimeStamp", "IsMeeting", "IsCancelled", "IsRecurring", "MeetingRequestWasSent", "CalendarItemType", "MyResponseType",
	"Organizer", "AppointmentState", "AppointmentSequenceNumber", "FirstOccurrence", "LastOccurrence", "ModifiedOccurrences",
	"DeletedOccurrences", "IsOrganizer", "Size", "LastModifiedTime", "LastModifiedName", "DateTimeCreated", "HasAttachments",
	"JoinOnlineMeetingUrl", "OnlineMeetingSettings", "TextBody", "OriginalStart", "RecurrenceId", "StartWallClock", "EndWallClock",
	"ItemId", "ParentFolderId", "DateTimeReceived", "DateTimeSent", "DisplayTo", "DisplayCc", "Duration", "TimeZone", "When",
}

// element stores one child of an item in a request.
func (c *change) element(e *wire.Element) (Fields, error) {
	if e.Name == "ExtendedProperty" {
		return c.extended(e)
	}
	s, ok := setters["item:"+e.Name]
	if !ok {
		s, ok = setters[c.prefix()+e.Name]
	}
	if !ok {
		if slices.Contains(readOnly, e.Name) {
			return 0, failf("ErrorInvalidPropertySet", "Set action is invalid for property %s.", e.Name)
		}
		return 0, schemaViolation("the element %q is not expected in %s", e.Name, c.kind)
	}
	return s.field, s.set(c, e)
}

func (c *change) prefix() string {
	if c.kind == "CalendarItem" {
		return "calendar:"
	}
	return "message:"
}

// text returns the text of an element in memory of its own; of nil, "".
func text(e *wire.Element) string {
	if e == nil {
		return ""
	}
	return strings.Clone(e.Text)
}

func ignore(*change, *wire.Element) error { return nil }

func flag(e *wire.Element) (bool, error) {
	if e == nil {
		return false, nil
	}
	v, ok := parseBool(e.Text)
	if !ok {
		return false, schemaViolation("%.20q is not a boolean", e.Text)
	}
	return v, nil
}

func set(dst *bool, e *wire.Element) error {
	v, err := flag(e)
	*dst = v
	return err
}

// choose stores one of a few words; the first is what deleting leaves.
func choose(dst *string, e *wire.Element, words ...string) error {
	if e == nil {
		*dst = words[0]
		return nil
	}
	for _, w := range words {
		if e.Text == w {
			*dst = w
			return nil
		}
	}
	return schemaViolation("%.20q is not a value of %s", e.Text, e.Name)
}

func (c *change) moment(e *wire.Element, dst *time.Time) error {
	if e == nil {
		return fail("ErrorInvalidPropertyDelete")
	}
	loc := c.loc
	if loc == nil {
		loc = c.r.zone
	}
	t, err := parseTimeIn(e.Text, loc)
	if err != nil {
		return schemaViolation("%s: %v", e.Name, err)
	}
	*dst = t
	return nil
}

// inZone makes times without an offset mean those of a StartTimeZone in the
// same request.
func (c *change) inZone(e *wire.Element) {
	if id := e.Attr("Id"); id != "" {
		c.loc = c.r.s.zones.location(customZone(id, e))
	}
}

func (c *change) body(e *wire.Element) error {
	b := Body{Type: "Text"}
	if e != nil {
		b = Body{Type: e.Attr("BodyType"), Content: strings.Clone(e.Text)}
		if b.Type != "HTML" && b.Type != "Text" {
			return schemaViolation("%q is not a BodyType", b.Type)
		}
		b.Type = strings.Clone(b.Type)
	}
	as := c.r.s.opt.Profile.written(c.it.body().native())
	if c.it.num == 0 { // it is being made
		if as = NativeHTML; c.r.s.opt.StoreRTF {
			as = NativeRTF
		}
	}
	c.it.Body, c.it.seed = b.stored(as), 0
	c.shown()
	return nil
}

// appendBody puts a body after the one that is there, in the form in which that
// is stored.
func (c *change) appendBody(e *wire.Element) error {
	old := c.it.body()
	if old.Content == "" {
		return c.body(e)
	}
	added := text(e)
	switch html := e.Attr("BodyType") == "HTML"; {
	case old.Type == "HTML" && !html:
		added = textToHTML(added)
	case old.Type != "HTML" && html:
		added = htmlToText(added)
	}
	switch {
	case old.RTF:
		kept := c.r.s.opt.Profile.appended()
		c.it.Body = appendToRTF(old.Content, added, kept)
		c.left(kept)
	case old.Type == "HTML":
		c.it.Body = Body{Type: "HTML", Content: joinHTML(old.Content, added)}
	default:
		c.it.Body = Body{Type: old.Type, Content: old.Content + added}
	}
	c.it.seed = 0
	return nil
}

func (c *change) class(e *wire.Element) error {
	class := text(e)
	if elementOf(class) != c.kind && c.kind != "Message" {
		return failf("ErrorObjectTypeChanged", "The item class %.60q does not fit the item.", class)
	}
	c.it.Class = class
	return nil
}

func (c *change) categories(e *wire.Element) error {
	c.it.Categories = nil
	for s := range e.All("String") {
		c.it.Categories = append(c.it.Categories, strings.Clone(s.Text))
	}
	return nil
}

func (c *change) responses(e *wire.Element) error {
	on, err := flag(e)
	c.it.NoResponse = !on
	return err
}

// extended stores an ExtendedProperty.
func (c *change) extended(e *wire.Element) (Fields, error) {
	uri := e.Child("ExtendedFieldURI")
	if uri == nil {
		return 0, schemaViolation("ExtendedProperty has no ExtendedFieldURI")
	}
	p, err := parsePath(uri)
	if err != nil {
		return 0, err
	}
	if e.Child("Value") == nil && e.Child("Values") == nil {
		return 0, schemaViolation("ExtendedProperty has no value")
	}
	p.Value = strings.Clone(e.Value("Value"))
	for v := range e.Child("Values").All("Value") {
		p.Values = append(p.Values, strings.Clone(v.Text))
	}
	if field := c.it.setMAPI(p); field != 0 {
		return field, nil
	}
	c.it.setExtended(p)
	return FieldExtended, nil
}

// setMAPI stores a property that has a field of its own, and returns that
// field, or zero where there is none ([MS-OXPROPS] 2).
func (it *Item) setMAPI(p Property) Fields {
	switch {
	case p.Tag != "":
		return it.setTag(tagNumber(p.Tag), p.Value)
	case setGUID(p.Set) == propertySets["Appointment"]:
		return it.setAppointment(p.ID, p.Value)
	case setGUID(p.Set) == propertySets["Common"]:
		return it.setCommon(p.ID, p.Value)
	}
	return 0
}

func (it *Item) setTag(tag int64, value string) Fields {
	pick := func(words ...string) string {
		if n, ok := parseInt(value); ok && n >= 0 && n < len(words) {
			return words[n]
		}
		return words[0]
	}
	switch tag {
	case 0x0037, 0x0E1D: // PidTagSubject, PidTagNormalizedSubject
		it.Subject = value
		return FieldSubject
	case 0x1000: // PidTagBody
		it.Body, it.seed = Body{Type: "Text", Content: value}, 0
		return FieldBody
	case 0x0017: // PidTagImportance
		it.Importance = pick("Low", "Normal", "High")
		return FieldImportance
	case 0x0036: // PidTagSensitivity
		it.Sensitivity = pick("Normal", "Personal", "Private", "Confidential")
		return FieldSensitivity
	}
	return 0
}

func (it *Item) setAppointment(id int, value string) Fields {
	switch id {
	case 0x8208: // PidLidLocation
		it.Location = value
		return FieldLocation
	case 0x8205: // PidLidBusyStatus
		if n, ok := parseInt(value); ok && n >= 0 && n < len(busyNames) {
			it.Busy = busyNames[n]
		}
		return FieldBusy
	}
	return 0
}

func (it *Item) setCommon(id int, value string) Fields {
	switch id {
	case 0x8501: // PidLidReminderDelta
		if n, ok := parseInt(value); ok && it.Reminder >= 0 {
			it.Reminder = max(0, n)
		}
		return FieldReminder
	case 0x8503: // PidLidReminderSet
		if on, ok := parseBool(value); ok && !on {
			it.Reminder = -1
		} else if it.Reminder < 0 {
			it.Reminder = 15
		}
		return FieldReminder
	}
	return 0
}

// busyNames are the values of LegacyFreeBusyStatus by their MAPI numbers.
var busyNames = []string{"Free", "Tentative", "Busy", "OOF", "WorkingElsewhere"}

// mostAttendees bounds a list of attendees.
const mostAttendees = 10000

// attendees replaces one of the lists and keeps what is known about who stays.
func (c *change) attendees(e *wire.Element, kind Kind) error {
	old := c.it.Attendees
	c.it.Attendees = nil
	for _, a := range old {
		if a.Kind != kind {
			c.it.Attendees = append(c.it.Attendees, a)
		}
	}
	for a := range e.All("Attendee") {
		if err := c.attendee(a, kind, old); err != nil {
			return err
		}
	}
	return nil
}

// appendAttendees adds to one of the lists.
func (c *change) appendAttendees(e *wire.Element, kind Kind) error {
	old := c.it.Attendees
	c.it.Attendees = slices.Clone(old)
	for a := range e.All("Attendee") {
		if err := c.attendee(a, kind, old); err != nil {
			return err
		}
	}
	return nil
}

func (c *change) attendee(e *wire.Element, kind Kind, old []Attendee) error {
	p := c.person(e.Child("Mailbox"))
	if p.Address == "" || len(c.it.Attendees) >= mostAttendees {
		return fail("ErrorInvalidRecipients")
	}
	a := Attendee{Person: p, Kind: kind}
	for _, o := range old {
		if strings.EqualFold(o.Address, p.Address) {
			a.Response, a.Responded = o.Response, o.Responded
		}
	}
	for _, o := range c.it.Attendees {
		if strings.EqualFold(o.Address, p.Address) {
			return nil
		}
	}
	c.it.Attendees = append(c.it.Attendees, a)
	return nil
}

// person reads a mailbox and fills in the name of one that exists here. The
// caller holds Server.mu.
func (c *change) person(e *wire.Element) Person {
	p := Person{Name: text(e.Child("Name")), Address: strings.TrimSpace(text(e.Child("EmailAddress")))}
	p.Address = strings.TrimPrefix(strings.TrimPrefix(p.Address, "SMTP:"), "smtp:")
	if b := c.r.s.names[strings.ToLower(p.Address)]; b != nil {
		p.Name = b.name
	}
	return p
}

func (c *change) people(e *wire.Element, dst *[]Person) error {
	*dst = nil
	for m := range e.All("Mailbox") {
		if p := c.person(m); p.Address != "" && len(*dst) < mostAttendees {
			*dst = append(*dst, p)
		}
	}
	return nil
}

func (c *change) recurrence(e *wire.Element) error {
	if e == nil {
		c.it.Recurrence, c.it.Exceptions, c.it.Deleted = nil, nil, nil
		return nil
	}
	rec, err := parseRecurrence(e)
	if err != nil {
		return err
	}
	c.it.Recurrence, c.it.Exceptions, c.it.Deleted = rec, nil, nil
	return nil
}

// zone stores the time zone of the start. One with a name that nobody knows is
// kept with its rules, or by name where it has none.
func (c *change) zone(e *wire.Element) error {
	if e == nil {
		c.it.Zone = ""
		return nil
	}
	id := e.Attr("Id")
	if id == "" {
		id = e.Attr("TimeZoneName")
	}
	if e.Name == "StartTimeZoneId" {
		id = e.Text
	}
	if id != "" {
		c.it.Zone = customZone(id, e)
	}
	return nil
}

// settle makes the item consistent after its properties were set: who the
// organizer is, what an all-day event means, that the end is not before the
// start. The caller holds Server.mu.
func (c *change) settle(b *mailbox) error {
	it := c.it
	if !it.isCalendar() {
		return nil
	}
	if it.End.Before(it.Start) {
		return fail("ErrorCalendarEndDateIsEarlierThanStartDate")
	}
	if it.End.Sub(it.Start) > 5*366*24*time.Hour {
		return fail("ErrorCalendarDurationIsTooLong")
	}
	loc := c.r.s.zones.location(it.Zone)
	if it.AllDay {
		start, end := it.Start.In(loc), it.End.In(loc)
		first, last := dayOf(start), dayOf(end)
		if clockOf(end) > 0 || last == first {
			last++
		}
		it.Start, it.End = at(first, 0, loc).UTC(), at(last, 0, loc).UTC()
	}
	if len(it.Attendees) > 0 {
		it.State |= StateMeeting
	}
	if it.IsOrganizer() {
		it.Organizer = b.person()
	}
	if rec := it.Recurrence; rec != nil && it.Occurrence == "" {
		return c.settleSeries(loc)
	}
	return nil
}

// settleSeries moves the start of a series to its first occurrence, as the
// server does.
func (c *change) settleSeries(loc *time.Location) error {
	it := c.it
	if err := it.Recurrence.validate(); err != nil {
		return failf("ErrorCalendarInvalidRecurrence", "The recurrence is not valid: %v.", err)
	}
	if day := DateOf(it.Start.In(loc)); day.number() > it.Recurrence.Start.number() {
		rec := *it.Recurrence
		rec.Start = day
		it.Recurrence = &rec
	}
	first, any := dayNumber(0), false
	it.Recurrence.days(func(_ int, d dayNumber) bool { first, any = d, true; return false })
	if !any {
		return fail("ErrorCalendarInvalidRecurrence")
	}
	start, end := it.Start.In(loc), it.End.In(loc)
	length := dayOf(end) - dayOf(start)
	it.Start, it.End = at(first, clockOf(start), loc).UTC(), at(first+length, clockOf(end), loc).UTC()
	return nil
}
