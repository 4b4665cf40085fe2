package ewstest

import (
	"encoding/base64"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// calendarProperties are those of CalendarItemType ([MS-OXWSMTGS] 2.2.4.8).
var calendarProperties = []property{
	{"calendar:UID", inAll, false, func(v *view) { v.leaf("UID", v.uid()) }},
	{"calendar:RecurrenceId", inNone, false, func(v *view) { v.moment("RecurrenceId", v.it.Original) }},
	{"calendar:DateTimeStamp", inAll, false, func(v *view) { v.moment("DateTimeStamp", v.it.Created) }},
	{"calendar:Start", inDefault, false, func(v *view) { v.moment("Start", v.it.Start) }},
	{"calendar:End", inDefault, false, func(v *view) { v.moment("End", v.it.End) }},
	{"calendar:OriginalStart", inNone, false, func(v *view) { v.moment("OriginalStart", v.it.Original) }},
	{"calendar:IsAllDayEvent", inAll, false, func(v *view) { v.flag("IsAllDayEvent", v.it.AllDay) }},
	{"calendar:LegacyFreeBusyStatus", inDefault, false, func(v *view) { v.leaf("LegacyFreeBusyStatus", orElse(v.it.Busy, "Busy")) }},
	{"calendar:Location", inDefault, false, func(v *view) { v.leaf("Location", v.it.Location) }},
	{"calendar:When", inNone, false, func(v *view) { v.leaf("When", v.when()) }},
	{"calendar:IsMeeting", inAll, false, func(v *view) { v.flag("IsMeeting", v.it.IsMeeting()) }},
	{"calendar:IsCancelled", inAll, false, func(v *view) { v.flag("IsCancelled", v.it.IsCancelled()) }},
	{"calendar:IsRecurring", inAll, false, func(v *view) { v.flag("IsRecurring", v.it.Occurrence != "") }},
	{"calendar:MeetingRequestWasSent", inAll, false, (*view).requestWasSent},
	{"calendar:IsResponseRequested", inAll, false, func(v *view) { v.flag("IsResponseRequested", !v.it.NoResponse) }},
	{"calendar:CalendarItemType", inDefault, false, func(v *view) { v.leaf("CalendarItemType", v.it.calendarType()) }},
	{"calendar:MyResponseType", inAll, false, (*view).myResponse},
	{"calendar:Organizer", inDefault, false, (*view).organizer},
	{"calendar:RequiredAttendees", inAll, true, func(v *view) { v.attendees("RequiredAttendees", Required) }},
	{"calendar:OptionalAttendees", inAll, true, func(v *view) { v.attendees("OptionalAttendees", Optional) }},
	{"calendar:Resources", inAll, true, func(v *view) { v.attendees("Resources", Resource) }},
	{"calendar:ConflictingMeetingCount", inNone, true, func(v *view) { v.number("ConflictingMeetingCount", 0) }},
	{"calendar:AdjacentMeetingCount", inNone, true, func(v *view) { v.number("AdjacentMeetingCount", 0) }},
	{"calendar:Duration", inAll, false, func(v *view) { v.leaf("Duration", isoDuration(v.it.End.Sub(v.it.Start))) }},
	{"calendar:TimeZone", inAll, false, func(v *view) { v.leaf("TimeZone", shownZone(v.it.Zone)) }},
	{"calendar:AppointmentReplyTime", inAll, false, func(v *view) { v.moment("AppointmentReplyTime", v.it.Replied) }},
	{"calendar:AppointmentSequenceNumber", inAll, false, func(v *view) { v.number("AppointmentSequenceNumber", v.it.Sequence) }},
	{"calendar:AppointmentState", inAll, false, (*view).appointmentState},
	{"calendar:Recurrence", inAll, true, (*view).recurrence},
	{"calendar:FirstOccurrence", inAll, true, (*view).firstOccurrence},
	{"calendar:LastOccurrence", inAll, true, (*view).lastOccurrence},
	{"calendar:ModifiedOccurrences", inAll, true, (*view).modifiedOccurrences},
	{"calendar:DeletedOccurrences", inAll, true, (*view).deletedOccurrences},
	{"calendar:StartTimeZone", inAll, false, func(v *view) { v.zone("StartTimeZone") }},
	{"calendar:EndTimeZone", inAll, false, func(v *view) { v.zone("EndTimeZone") }},
	{"calendar:ConferenceType", inAll, false, func(v *view) { v.number("ConferenceType", 0) }},
	{"calendar:AllowNewTimeProposal", inAll, false, func(v *view) { v.flag("AllowNewTimeProposal", true) }},
	{"calendar:IsOnlineMeeting", inAll, false, func(v *view) { v.flag("IsOnlineMeeting", false) }},
	{"calendar:StartWallClock", inNone, false, func(v *view) { v.wall("StartWallClock", v.it.Start) }},
	{"calendar:EndWallClock", inNone, false, func(v *view) { v.wall("EndWallClock", v.it.End) }},
	{"calendar:StartTimeZoneId", inNone, false, func(v *view) { v.leaf("StartTimeZoneId", shownZone(v.it.Zone)) }},
	{"calendar:EndTimeZoneId", inNone, false, func(v *view) { v.leaf("EndTimeZoneId", shownZone(v.it.Zone)) }},
	{"calendar:IsOrganizer", inAll, false, (*view).isOrganizer},
}

// meetingProperties are those of MeetingMessageType ([MS-OXWSMTGS] 2.2.4.17).
var meetingProperties = []property{
	{"meeting:AssociatedCalendarItemId", inDefault, false, (*view).associated},
	{"meeting:IsDelegated", inAll, false, func(v *view) { v.flag("IsDelegated", false) }},
	{"meeting:IsOutOfDate", inAll, false, func(v *view) { v.flag("IsOutOfDate", false) }},
	{"meeting:HasBeenProcessed", inAll, false, func(v *view) { v.flag("HasBeenProcessed", v.it.about != 0) }},
	{"meeting:ResponseType", inAll, false, func(v *view) { v.leaf("ResponseType", v.it.messageResponse()) }},
	{"calendar:UID", inAll, false, func(v *view) { v.leaf("UID", v.uid()) }},
	{"calendar:RecurrenceId", inAll, false, func(v *view) { v.moment("RecurrenceId", v.it.Original) }},
	{"calendar:DateTimeStamp", inAll, false, func(v *view) { v.moment("DateTimeStamp", v.it.Created) }},
	{"calendar:IsOrganizer", inNone, false, func(v *view) { v.flag("IsOrganizer", false) }},
}

// requestProperties are those of MeetingRequestMessageType ([MS-OXWSMTGS]
// 2.2.4.19).
var requestProperties = []property{
	{"meetingRequest:MeetingRequestType", inDefault, false, func(v *view) { v.leaf("MeetingRequestType", orElse(v.it.Kind, "NewMeetingRequest")) }},
	{"meetingRequest:IntendedFreeBusyStatus", inDefault, false, func(v *view) { v.leaf("IntendedFreeBusyStatus", orElse(v.it.Busy, "Busy")) }},
	{"calendar:Start", inDefault, false, func(v *view) { v.moment("Start", v.it.Start) }},
	{"calendar:End", inDefault, false, func(v *view) { v.moment("End", v.it.End) }},
	{"calendar:OriginalStart", inNone, false, func(v *view) { v.moment("OriginalStart", v.it.Original) }},
	{"calendar:IsAllDayEvent", inAll, false, func(v *view) { v.flag("IsAllDayEvent", v.it.AllDay) }},
	{"calendar:LegacyFreeBusyStatus", inAll, false, func(v *view) { v.leaf("LegacyFreeBusyStatus", "Tentative") }},
	{"calendar:Location", inDefault, false, func(v *view) { v.leaf("Location", v.it.Location) }},
	{"calendar:When", inNone, false, func(v *view) { v.leaf("When", v.when()) }},
	{"calendar:IsMeeting", inAll, false, func(v *view) { v.flag("IsMeeting", true) }},
	{"calendar:IsCancelled", inAll, false, func(v *view) { v.flag("IsCancelled", false) }},
	{"calendar:IsRecurring", inAll, false, func(v *view) { v.flag("IsRecurring", v.it.Recurrence != nil) }},
	{"calendar:MeetingRequestWasSent", inAll, false, func(v *view) { v.flag("MeetingRequestWasSent", true) }},
	{"calendar:CalendarItemType", inAll, false, func(v *view) { v.leaf("CalendarItemType", v.it.calendarType()) }},
	{"calendar:MyResponseType", inAll, false, func(v *view) { v.leaf("MyResponseType", ResponseNone) }},
	{"calendar:Organizer", inDefault, false, (*view).organizer},
	{"calendar:RequiredAttendees", inAll, true, func(v *view) { v.attendees("RequiredAttendees", Required) }},
	{"calendar:OptionalAttendees", inAll, true, func(v *view) { v.attendees("OptionalAttendees", Optional) }},
	{"calendar:Resources", inAll, true, func(v *view) { v.attendees("Resources", Resource) }},
	{"calendar:Duration", inAll, false, func(v *view) { v.leaf("Duration", isoDuration(v.it.End.Sub(v.it.Start))) }},
	{"calendar:TimeZone", inAll, false, func(v *view) { v.leaf("TimeZone", shownZone(v.it.Zone)) }},
	{"calendar:AppointmentSequenceNumber", inAll, false, func(v *view) { v.number("AppointmentSequenceNumber", v.it.Sequence) }},
	{"calendar:AppointmentState", inAll, false, func(v *view) { v.number("AppointmentState", StateMeeting|StateReceived) }},
	{"calendar:Recurrence", inAll, true, (*view).recurrence},
	{"calendar:StartTimeZone", inAll, false, func(v *view) { v.zone("StartTimeZone") }},
	{"calendar:EndTimeZone", inAll, false, func(v *view) { v.zone("EndTimeZone") }},
	{"calendar:StartWallClock", inNone, false, func(v *view) { v.wall("StartWallClock", v.it.Start) }},
	{"calendar:EndWallClock", inNone, false, func(v *view) { v.wall("EndWallClock", v.it.End) }},
	{"calendar:StartTimeZoneId", inNone, false, func(v *view) { v.leaf("StartTimeZoneId", shownZone(v.it.Zone)) }},
	{"calendar:EndTimeZoneId", inNone, false, func(v *view) { v.leaf("EndTimeZoneId", shownZone(v.it.Zone)) }},
}

// noticeProperties are those that cancellations and responses have in common
// ([MS-OXWSMTGS] 2.2.4.16 and 2.2.4.20).
var noticeProperties = []property{
	{"calendar:Start", inDefault, false, func(v *view) { v.moment("Start", v.it.Start) }},
	{"calendar:End", inDefault, false, func(v *view) { v.moment("End", v.it.End) }},
	{"calendar:Location", inAll, false, func(v *view) { v.leaf("Location", v.it.Location) }},
	{"calendar:Recurrence", inNone, true, (*view).recurrence},
	{"calendar:CalendarItemType", inAll, false, func(v *view) { v.leaf("CalendarItemType", v.it.calendarType()) }},
}

// calendarType returns the CalendarItemType.
func (it *Item) calendarType() string {
	switch {
	case it.Occurrence != "":
		return it.Occurrence
	case it.Recurrence != nil:
		return "RecurringMaster"
	}
	return "Single"
}

// messageResponse returns what a response message says.
func (it *Item) messageResponse() string {
	switch it.Class {
	case ClassAccepted:
		return ResponseAccept
	case ClassTentative:
		return ResponseTentative
	case ClassDeclined:
		return ResponseDecline
	}
	return ResponseUnknown
}

func (v *view) uid() string {
	if v.r.s.traits.caseUIDs && v.it.State&StateReceived != 0 {
		return strings.ToLower(v.it.UID)
	}
	return v.it.UID
}

// requestWasSent, isOrganizer, appointmentState, myResponse and organizer are
// what gromox leaves out where no MAPI client has set it.
func (v *view) requestWasSent() {
	if v.r.s.opt.Profile.givesRequestSent(!v.r.s.traits.sparse) {
		v.flag("MeetingRequestWasSent", v.it.RequestSent)
	}
}

func (v *view) isOrganizer() {
	if !v.r.s.traits.sparse {
		v.flag("IsOrganizer", v.it.IsOrganizer())
	}
}

func (v *view) plain() bool { return v.r.s.traits.sparse && !v.it.IsMeeting() }

func (v *view) appointmentState() {
	if !v.plain() {
		v.number("AppointmentState", v.it.State)
	}
}

func (v *view) organizer() {
	if !v.plain() {
		v.person("Organizer", v.it.Organizer)
	}
}

func (v *view) myResponse() {
	switch {
	case v.plain():
	case v.it.Response != "":
		v.leaf("MyResponseType", v.it.Response)
	case v.it.IsOrganizer() && !v.r.s.traits.sparse:
		v.leaf("MyResponseType", ResponseOrganizer)
	default:
		v.leaf("MyResponseType", ResponseNone)
	}
}

// attendees writes one of the lists. gromox gives them only together with
// IsMeeting, and resources as required attendees.
func (v *view) attendees(name string, kind Kind) {
	hidden := v.r.s.traits.hiddenAttendees
	if hidden && !v.shape.has("calendar:IsMeeting") {
		return
	}
	open := false
	for _, a := range v.it.Attendees {
		k := a.Kind
		if hidden && k == Resource {
			k = Required
		}
		if k != kind {
			continue
		}
		if !open {
			v.w.Start("t:" + name)
			open = true
		}
		v.w.Start("t:Attendee")
		v.mailbox(a.Person)
		v.w.Leaf("t:ResponseType", orElse(a.Response, ResponseUnknown))
		v.moment("LastResponseTime", a.Responded)
		v.w.End()
	}
	if open {
		v.w.End()
	}
}

func (v *view) recurrence() {
	if r := v.it.Recurrence; r != nil {
		writeRecurrence(v.w, r)
	}
}

func (v *view) occurrenceInfo(name string, o occurrence) {
	it := v.all.occurrence(o)
	v.w.Start("t:" + name)
	v.r.itemID(v.box, it)
	v.moment("Start", o.start)
	v.moment("End", o.end)
	v.moment("OriginalStart", o.original)
	v.w.End()
}

func (v *view) firstOccurrence() {
	if v.it.Recurrence == nil {
		return
	}
	v.it.series(v.loc, firstDay, false, func(o occurrence) bool {
		v.occurrenceInfo("FirstOccurrence", o)
		return false
	})
}

func (v *view) lastOccurrence() {
	r := v.it.Recurrence
	if r == nil || (r.Count == 0 && r.End.IsZero()) {
		return
	}
	var last *occurrence
	v.it.series(v.loc, firstDay, false, func(o occurrence) bool {
		last = &o
		return true
	})
	if last != nil {
		v.occurrenceInfo("LastOccurrence", *last)
	}
}

func (v *view) modifiedOccurrences() {
	if v.it.Recurrence == nil || len(v.it.Exceptions) == 0 {
		return
	}
	v.w.Start("t:ModifiedOccurrences")
	for i := range v.it.Exceptions {
		x := &v.it.Exceptions[i]
		v.occurrenceInfo("Occurrence", occurrence{original: x.Original, start: x.Start, end: x.End, exception: x})
	}
	v.w.End()
}

func (v *view) deletedOccurrences() {
	if v.it.Recurrence == nil || len(v.it.Deleted) == 0 {
		return
	}
	v.w.Start("t:DeletedOccurrences")
	for _, t := range v.it.Deleted {
		v.w.Start("t:DeletedOccurrence")
		v.moment("Start", t)
		v.w.End()
	}
	v.w.End()
}

// zone writes a time zone, in FindItem by its id only.
func (v *view) zone(name string) {
	id := shownZone(v.it.Zone)
	v.w.Start("t:"+name, "Id", id, "Name", id)
	if !v.shape.find {
		writeZoneRules(v.w, v.r.s.zones.in(v.r.s.zones.location(v.it.Zone), v.it.Start.Year()))
	}
	v.w.End()
}

// wall writes a moment as the clock on the wall shows it in the item's zone.
func (v *view) wall(name string, t time.Time) {
	v.w.Leaf("t:"+name, t.In(v.r.s.zones.location(v.it.Zone)).Format("2006-01-02T15:04:05-07:00"))
}

func (v *view) when() string {
	loc := v.r.s.zones.location(v.it.Zone)
	return v.it.Start.In(loc).Format("Monday, January 2, 2006 3:04 PM") + "-" + v.it.End.In(loc).Format("3:04 PM")
}

// associated names the calendar item that a meeting message is about.
func (v *view) associated() {
	v.r.s.mu.RLock()
	var it *Item
	if v.it.about != 0 {
		it = v.box.byNumber(v.it.about)
	}
	v.r.s.mu.RUnlock()
	if it != nil {
		v.w.Leaf("t:AssociatedCalendarItemId", "", "Id", v.box.itemRef(it).encode(), "ChangeKey", it.changeKey(v.box))
	}
}

// isoDuration prints a duration as xs:duration.
func isoDuration(d time.Duration) string {
	sign := ""
	if d < 0 {
		sign, d = "-", -d
	}
	if d == 0 {
		return "PT0S"
	}
	out := sign + "P"
	if days := d / (24 * time.Hour); days > 0 {
		out += strconv.Itoa(int(days)) + "D"
		d %= 24 * time.Hour
	}
	if d == 0 {
		return out
	}
	out += "T"
	for _, u := range []struct {
		of   time.Duration
		name string
	}{{time.Hour, "H"}, {time.Minute, "M"}, {time.Second, "S"}} {
		if n := d / u.of; n > 0 {
			out += strconv.Itoa(int(n)) + u.name
			d %= u.of
		}
	}
	return out
}

// conversation makes an id that all messages about one thing share.
func (v *view) conversation() string {
	return base64.StdEncoding.EncodeToString([]byte(fmt.Sprintf("%s|%.64s", v.box.guid, orElse(v.it.UID, v.it.Subject))))
}

func (v *view) instanceKey() string {
	return base64.StdEncoding.EncodeToString(counter(v.it.num + uint64(max(v.it.Original.Unix(), 0))))
}

// property returns an extended property: one that is stored, or one that the
// server works out ([MS-OXPROPS] 2).
func (v *view) property(path Property) (Property, bool) {
	if p := v.it.extended(path); p != nil {
		return *p, true
	}
	value := ""
	switch {
	case path.Tag != "":
		value = v.tagged(tagNumber(path.Tag))
	case setGUID(path.Set) == propertySets["Meeting"]:
		value = v.meetingProperty(path.ID)
	case setGUID(path.Set) == propertySets["Appointment"]:
		value = v.appointmentProperty(path.ID)
	case path.Name == "urn:schemas:calendar:instancetype" && v.it.isCalendar():
		value = instanceType(v.it.calendarType())
	}
	path.Value = value
	return path, value != ""
}

// instanceType is the CDO number of a CalendarItemType.
func instanceType(kind string) string {
	switch kind {
	case "RecurringMaster":
		return "1"
	case "Occurrence":
		return "2"
	case "Exception":
		return "3"
	}
	return "0"
}

func (v *view) tagged(tag int64) string {
	switch tag {
	case 0x1016: // PidTagNativeBody
		return strconv.Itoa(v.it.nativeBody())
	case 0x001A: // PidTagMessageClass
		return v.it.Class
	case 0x0037, 0x0E1D: // PidTagSubject, PidTagNormalizedSubject
		return v.it.Subject
	case 0x0E23: // PidTagInternetArticleNumber, by which mail gateways page
		return strconv.FormatUint(v.it.num, 10)
	case 0x0E08: // PidTagMessageSize
		return strconv.Itoa(v.it.size())
	case 0x3007: // PidTagCreationTime
		return v.r.stamp(v.it.Created)
	case 0x3008: // PidTagLastModificationTime
		return v.r.stamp(v.it.Modified)
	case 0x0FFF: // PidTagEntryId
		return base64.StdEncoding.EncodeToString(v.box.itemRef(v.it).entryID())
	}
	return ""
}

func (v *view) meetingProperty(id int) string {
	if v.it.UID == "" {
		return ""
	}
	switch id {
	case 0x03: // PidLidGlobalObjectId
		original := v.it.Original
		if !original.IsZero() {
			original = original.In(v.loc)
		}
		return base64.StdEncoding.EncodeToString(goid(v.it.UID, original))
	case 0x23: // PidLidCleanGlobalObjectId
		return base64.StdEncoding.EncodeToString(cleanGOID(v.it.UID))
	}
	return ""
}

func (v *view) appointmentProperty(id int) string {
	switch id {
	case 0x8201: // PidLidAppointmentSequence
		return strconv.Itoa(v.it.Sequence)
	case 0x8205: // PidLidBusyStatus
		return strconv.Itoa(max(0, slices.Index(busyNames, orElse(v.it.Busy, "Busy"))))
	case 0x8208: // PidLidLocation
		return v.it.Location
	case 0x820D: // PidLidAppointmentStartWhole
		return v.r.stamp(v.it.Start)
	case 0x820E: // PidLidAppointmentEndWhole
		return v.r.stamp(v.it.End)
	case 0x8215: // PidLidAppointmentSubType
		return strconv.FormatBool(v.it.AllDay)
	case 0x8217: // PidLidAppointmentStateFlags
		return strconv.Itoa(v.it.State)
	case 0x8223: // PidLidRecurring
		return strconv.FormatBool(v.all.Recurrence != nil)
	case 0x8229: // PidLidFInvited
		if v.r.s.traits.sparse {
			return ""
		}
		return strconv.FormatBool(v.it.RequestSent)
	}
	return ""
}

// nativeBody returns PidTagNativeBody: 1 text, 2 RTF, 3 HTML.
func (it *Item) nativeBody() int {
	switch b := it.body(); {
	case b.RTF:
		return 2
	case b.Type == "HTML":
		return 3
	}
	return 1
}
