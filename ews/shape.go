package ews

import (
	"strconv"
	"strings"
)

// Field names a property by its URI, e.g. "item:Subject" or
// "calendar:Location" ([MS-OXWSCDATA] UnindexedFieldURIType).
func Field(uri string) PropertyPath { return PropertyPath{URI: uri} }

// Fields names several properties by their URIs.
func Fields(uris ...string) []PropertyPath {
	paths := make([]PropertyPath, 0, len(uris))
	for _, uri := range uris {
		paths = append(paths, Field(uri))
	}
	return paths
}

// PublicString names a string property of the set PublicStrings, in which
// programs keep their own ([MS-OXPROPS] 1.3.2).
func PublicString(name string) ExtendedField {
	return ExtendedField{Set: "PublicStrings", Name: name, Type: "String"}
}

// CleanGlobalObjectIDField is PidLidCleanGlobalObjectId ([MS-OXOCAL]
// 2.2.1.28): the same in every copy and every occurrence of a meeting.
func CleanGlobalObjectIDField() ExtendedField {
	return ExtendedField{Set: "Meeting", ID: 0x23, Type: "Binary"}
}

// GlobalObjectIDField is PidLidGlobalObjectId ([MS-OXOCAL] 2.2.1.27): of an
// exception, it holds the date.
func GlobalObjectIDField() ExtendedField {
	return ExtendedField{Set: "Meeting", ID: 3, Type: "Binary"}
}

// NativeBodyField is PidTagNativeBody ([MS-OXCMSG] 2.2.1.56.2), the form in
// which the body is stored: 1 text, 2 RTF, 3 HTML, 4 clear-signed.
func NativeBodyField() ExtendedField {
	return ExtendedField{Tag: "0x1016", Type: "Integer"}
}

// ContentClassField is PidNameContentClass ([MS-OXORMMS] 2.2.1): of a
// rights-managed item, "rpmsg.message".
func ContentClassField() ExtendedField {
	return ExtendedField{Set: "InternetHeaders", Name: "content-class", Type: "String"}
}

// ConferenceFields are the properties in which Skype for Business, Teams and
// the Telepresence Management Suite keep how a meeting is joined.
func ConferenceFields() []ExtendedField {
	var fields []ExtendedField
	for _, name := range []string{
		"OnlineMeetingConfLink", "OnlineMeetingExternalLink", "OnlineMeetingInternalLink", "UCMeetingSetting", "UCOpenedConferenceID",
		"ConferenceTelURI", "SkypeTeamsMeetingUrl", "SkypeTeamsProperties", "SchedulingServiceMeetingOptionsUrl", "TMS:ExternalConferenceData",
	} {
		fields = append(fields, PublicString(name))
	}
	return fields
}

// ViewShape asks for what a calendar view gives cheaply, without opening the
// items: enough for a list, but with strings cut at 255 characters and without
// body and attendees.
func ViewShape(extended ...ExtendedField) Shape {
	return Shape{Fields: append(Fields(
		"item:ItemClass", "item:Subject", "item:Sensitivity", "item:LastModifiedTime",
		"calendar:UID", "calendar:Start", "calendar:End", "calendar:IsAllDayEvent", "calendar:LegacyFreeBusyStatus", "calendar:Location",
		"calendar:IsMeeting", "calendar:IsCancelled", "calendar:IsRecurring", "calendar:CalendarItemType", "calendar:MyResponseType",
		"calendar:Organizer", "calendar:AppointmentState", "calendar:StartTimeZoneId",
	), extendedPaths(CleanGlobalObjectIDField(), extended)...)}
}

// CalendarShape asks for all that a [CalendarItem] can hold, with the body in
// the given form: BodyHTML, BodyText or BodyBest, or none where it is empty.
// Attendees are asked for together with IsMeeting, without which some servers
// leave them out.
func CalendarShape(body BodyType, extended ...ExtendedField) Shape {
	s := Shape{BodyType: body, Fields: Fields(
		"item:ItemClass", "item:ParentFolderId", "item:Subject", "item:Sensitivity", "item:Categories", "item:Importance", "item:Size",
		"item:HasAttachments", "item:Culture", "item:DateTimeCreated", "item:LastModifiedTime", "item:EffectiveRights",
		"item:RightsManagementLicenseData", "item:ReminderIsSet", "item:ReminderMinutesBeforeStart",
		"calendar:UID", "calendar:RecurrenceId", "calendar:Start", "calendar:End", "calendar:OriginalStart", "calendar:IsAllDayEvent",
		"calendar:LegacyFreeBusyStatus", "calendar:Location", "calendar:IsMeeting", "calendar:IsCancelled", "calendar:IsRecurring",
		"calendar:MeetingRequestWasSent", "calendar:IsResponseRequested", "calendar:CalendarItemType", "calendar:MyResponseType",
		"calendar:Organizer", "calendar:RequiredAttendees", "calendar:OptionalAttendees", "calendar:Resources",
		"calendar:AppointmentSequenceNumber", "calendar:AppointmentState", "calendar:Recurrence", "calendar:FirstOccurrence",
		"calendar:LastOccurrence", "calendar:ModifiedOccurrences", "calendar:DeletedOccurrences", "calendar:StartWallClock",
		"calendar:StartTimeZoneId", "calendar:EndTimeZoneId", "calendar:IsOnlineMeeting", "calendar:JoinOnlineMeetingUrl", "calendar:IsOrganizer",
	)}
	if body != "" {
		s.Fields = append(s.Fields, Field("item:Body"))
	}
	s.Fields = append(s.Fields, extendedPaths(CleanGlobalObjectIDField(), []ExtendedField{
		GlobalObjectIDField(), NativeBodyField(), ContentClassField()})...)
	s.Fields = append(s.Fields, extendedPaths(ExtendedField{}, extended)...)
	return s
}

func extendedPaths(first ExtendedField, rest []ExtendedField) []PropertyPath {
	var paths []PropertyPath
	if first != (ExtendedField{}) {
		paths = append(paths, first.Path())
	}
	for _, f := range rest {
		paths = append(paths, f.Path())
	}
	return paths
}

// Property returns the value of an extended property and whether the item has
// it. Servers write the same name in different ways: a property set by name or
// by GUID, a tag in hexadecimal or decimal.
func (it *CalendarItem) Property(f ExtendedField) (string, bool) {
	return property(it.Extended, f)
}

// Property returns the value of an extended property and whether the folder
// has it.
func (f *Folder) Property(field ExtendedField) (string, bool) {
	return property(f.Extended, field)
}

func property(list []ExtendedProperty, f ExtendedField) (string, bool) {
	for i := range list {
		if sameField(list[i].Field, f) {
			return list[i].Value, true
		}
	}
	return "", false
}

func sameField(a, b ExtendedField) bool {
	if a.Tag != "" || b.Tag != "" {
		return tagNumber(a.Tag) == tagNumber(b.Tag)
	}
	return a.ID == b.ID && strings.EqualFold(a.Name, b.Name) && setGUID(a.Set) == setGUID(b.Set)
}

func tagNumber(tag string) uint64 {
	n, _ := strconv.ParseUint(tag, 0, 32)
	if n > 0xFFFF {
		n >>= 16 // with its type in the lower half
	}
	return n
}

// setGUID returns a property set's GUID in lower case ([MS-OXPROPS] 1.3.2).
func setGUID(set string) string {
	switch set {
	case "Meeting":
		return "6ed8da90-450b-101b-98da-00aa003f1305"
	case "Appointment":
		return "00062002-0000-0000-c000-000000000046"
	case "Common":
		return "00062008-0000-0000-c000-000000000046"
	case "PublicStrings":
		return "00020329-0000-0000-c000-000000000046"
	case "Address":
		return "00062004-0000-0000-c000-000000000046"
	case "InternetHeaders":
		return "00020386-0000-0000-c000-000000000046"
	case "CalendarAssistant":
		return "11000e07-b51b-40d6-af21-caa85edab1d0"
	case "UnifiedMessaging":
		return "4442858e-a9e3-4e80-b900-317a210cc15b"
	case "Task":
		return "00062003-0000-0000-c000-000000000046"
	case "Sharing":
		return "00062040-0000-0000-c000-000000000046"
	}
	return strings.ToLower(set)
}

// RightsManaged reports whether rights management protects the item, so that
// its body must not be rewritten.
func (it *CalendarItem) RightsManaged() bool {
	if class, _ := it.Property(ContentClassField()); strings.EqualFold(class, "rpmsg.message") {
		return true
	}
	l := it.RightsLicense
	return l != nil && (l.TemplateID != "" || l.DecryptionStatus != 0 || l.EditAllowed != nil && !*l.EditAllowed)
}

// Signed reports whether the item is signed or encrypted by S/MIME
// ([MS-OXOSMIME] 2.1), so that its body must not be rewritten.
func (it *CalendarItem) Signed() bool {
	if strings.Contains(strings.ToUpper(it.ItemClass), ".SMIME") {
		return true
	}
	native, _ := it.Property(NativeBodyField())
	return native == "4"
}

// path writes a property's path.
func (r *request) path(p *PropertyPath) {
	switch {
	case p.URI == "" && p.Extended == (ExtendedField{}):
		r.refuse("a property path is empty")
	case p.URI == "":
		r.extendedField(&p.Extended)
	case p.Index != "":
		r.Fill(`<t:IndexedFieldURI FieldURI="{}" FieldIndex="{}"/>`, p.URI, p.Index)
	default:
		r.Around(`<t:FieldURI FieldURI="`, p.URI, `"/>`)
	}
}

// extendedField writes the path of an extended property, in one of the five
// forms that there are: a tag, or a set by name or GUID with a name or an id.
func (r *request) extendedField(f *ExtendedField) {
	set := "DistinguishedPropertySetId"
	if strings.Contains(f.Set, "-") {
		set = "PropertySetId"
	}
	switch {
	case f.Type == "":
		r.refuse("an extended property needs its type")
	case f.Tag != "":
		r.Fill(`<t:ExtendedFieldURI PropertyTag="{}" PropertyType="{}"/>`, f.Tag, f.Type)
	case f.Set == "":
		r.refuse("an extended property needs its set, or its tag")
	case f.Name != "":
		r.Leaf("t:ExtendedFieldURI", "", set, f.Set, "PropertyName", f.Name, "PropertyType", f.Type)
	default:
		r.Leaf("t:ExtendedFieldURI", "", set, f.Set, "PropertyId", strconv.Itoa(f.ID), "PropertyType", f.Type)
	}
}

// shape writes an item shape ([MS-OXWSCDATA] ItemResponseShapeType).
func (r *request) shape(s Shape) {
	r.Start("m:ItemShape")
	base := s.Base
	if base == "" {
		base = IDOnly
	}
	r.Leaf("t:BaseShape", string(base))
	if s.MIME {
		r.Leaf("t:IncludeMimeContent", "true")
	}
	if s.BodyType != "" {
		r.Leaf("t:BodyType", string(s.BodyType))
	}
	if s.FilterHTML {
		r.Leaf("t:FilterHtmlContent", "true")
	}
	if s.BlockImages {
		r.Leaf("t:BlockExternalImages", "true")
	}
	if s.MaximumBodySize > 0 {
		r.Leaf("t:MaximumBodySize", strconv.Itoa(s.MaximumBodySize))
	}
	r.additional(s.Fields)
	r.End()
}

func (r *request) additional(fields []PropertyPath) {
	if len(fields) == 0 {
		return
	}
	r.Start("t:AdditionalProperties")
	for i := range fields {
		r.path(&fields[i])
	}
	r.End()
}
