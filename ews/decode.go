package ews

import (
	"strconv"
	"strings"
	"time"

	"github.com/koyomi-cal/koyomi/ews/internal/wire"
)

// The readers of values. Absent and unreadable values give the zero value: a
// server's slip in one property must not cost the whole item. Strings are
// cloned, because the tree's share the memory of the document.

func str(e *wire.Element) string {
	if e == nil {
		return ""
	}
	return strings.Clone(e.Text)
}

// word reads a value in which white space means nothing.
func word(e *wire.Element) string {
	if e == nil {
		return ""
	}
	return intern(strings.TrimSpace(e.Text))
}

// intern clones a string, but for the words that every item repeats.
func intern(s string) string {
	switch s {
	case "SMTP":
		return "SMTP"
	case "Mailbox":
		return "Mailbox"
	case "Unknown":
		return "Unknown"
	case "Accept":
		return "Accept"
	case "Normal":
		return "Normal"
	case "Busy":
		return "Busy"
	case "Single":
		return "Single"
	case "Occurrence":
		return "Occurrence"
	case "Organizer":
		return "Organizer"
	case "NoResponseReceived":
		return "NoResponseReceived"
	case "IPM.Appointment":
		return "IPM.Appointment"
	case "String":
		return "String"
	case "PublicStrings":
		return "PublicStrings"
	}
	return strings.Clone(s)
}

func number(e *wire.Element) int {
	n, _ := strconv.Atoi(strings.TrimSpace(e.Value()))
	return n
}

func optNumber(e *wire.Element) *int {
	n, err := strconv.Atoi(strings.TrimSpace(e.Value()))
	if err != nil {
		return nil
	}
	return &n
}

func truth(e *wire.Element) bool {
	b := optTruth(e)
	return b != nil && *b
}

func optTruth(e *wire.Element) *bool {
	var b bool
	switch strings.TrimSpace(e.Value()) {
	case "true", "1", "True":
		b = true
	case "false", "0", "False":
	default:
		return nil
	}
	return &b
}

// dateTime reads an xs:dateTime and returns it in UTC.
func dateTime(e *wire.Element) time.Time { return parseTime(e.Value()).UTC() }

// parseTime parses an xs:dateTime. Servers write up to nine fractional digits.
// Without a zone it is UTC. What is no time, or before any calendar, is zero.
func parseTime(s string) time.Time {
	if s = strings.TrimSpace(s); s == "" {
		return time.Time{}
	}
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05", "2006-01-02Z07:00", time.DateOnly} {
		if t, err := time.Parse(layout, s); err == nil {
			if t.Year() <= 1 {
				return time.Time{}
			}
			return t
		}
	}
	return time.Time{}
}

// date reads an xs:date and drops the zone that some servers write after it.
func date(e *wire.Element) string {
	s := word(e)
	if len(s) > len(time.DateOnly) {
		s = s[:len(time.DateOnly)]
	}
	return s
}

func itemID(e *wire.Element) ItemID {
	return ItemID{ID: strings.Clone(e.Attr("Id")), ChangeKey: strings.Clone(e.Attr("ChangeKey"))}
}

func folderID(e *wire.Element) FolderID {
	return FolderID{ID: strings.Clone(e.Attr("Id")), ChangeKey: strings.Clone(e.Attr("ChangeKey"))}
}

// calendarItem reads an item ([MS-OXWSMTGS] 2.2.4.6).
func calendarItem(e *wire.Element) CalendarItem {
	var it CalendarItem
	for _, c := range e.Children {
		if !it.itemProperty(c) && !it.calendarProperty(c) {
			it.seriesProperty(c)
		}
	}
	return it
}

// itemProperty reads what every item can have ([MS-OXWSCORE] 2.2.4.24).
func (it *CalendarItem) itemProperty(c *wire.Element) bool {
	switch c.Name {
	case "ItemId":
		it.ItemID = itemID(c)
	case "ParentFolderId":
		it.ParentFolderID = folderID(c)
	case "ItemClass":
		it.ItemClass = word(c)
	case "Subject":
		it.Subject = str(c)
	case "Sensitivity":
		it.Sensitivity = word(c)
	case "Body":
		it.Body = body(c)
	case "Categories":
		for _, s := range c.Children {
			it.Categories = append(it.Categories, str(s))
		}
	case "Importance":
		it.Importance = word(c)
	case "Size":
		it.Size, _ = strconv.ParseInt(strings.TrimSpace(c.Text), 10, 64)
	case "HasAttachments":
		it.HasAttachments = truth(c)
	case "Culture":
		it.Culture = word(c)
	case "DateTimeCreated":
		it.Created = dateTime(c)
	case "LastModifiedTime":
		it.LastModified = dateTime(c)
	case "LastModifiedName":
		it.LastModifiedBy = str(c)
	case "EffectiveRights":
		it.Rights = rights(c)
	case "RightsManagementLicenseData":
		it.RightsLicense = &RightsLicense{
			TemplateID:       word(c.Child("RmsTemplateId")),
			DecryptionStatus: number(c.Child("RightsManagedMessageDecryptionStatus")),
			EditAllowed:      optTruth(c.Child("EditAllowed")),
		}
	case "ReminderIsSet":
		it.ReminderIsSet = optTruth(c)
	case "ReminderMinutesBeforeStart":
		it.ReminderMinutes = optNumber(c)
	case "ExtendedProperty":
		it.Extended = append(it.Extended, extendedProperty(c))
	default:
		return false
	}
	return true
}

// calendarProperty reads what an appointment can have.
func (it *CalendarItem) calendarProperty(c *wire.Element) bool {
	switch c.Name {
	case "UID":
		it.UID = word(c)
	case "RecurrenceId":
		it.RecurrenceID = dateTime(c)
	case "Start":
		it.Start = dateTime(c)
	case "End":
		it.End = dateTime(c)
	case "OriginalStart":
		it.OriginalStart = dateTime(c)
	case "IsAllDayEvent":
		it.IsAllDay = truth(c)
	case "LegacyFreeBusyStatus":
		it.Status = FreeBusyStatus(word(c))
	case "Location":
		it.Location = str(c)
	case "IsMeeting":
		it.IsMeeting = optTruth(c)
	case "IsCancelled":
		it.IsCancelled = truth(c)
	case "IsRecurring":
		it.IsRecurring = optTruth(c)
	case "MeetingRequestWasSent":
		it.MeetingRequestSent = optTruth(c)
	case "IsResponseRequested":
		it.IsResponseRequested = optTruth(c)
	case "CalendarItemType":
		it.Type = CalendarItemType(word(c))
	case "MyResponseType":
		it.MyResponse = ResponseType(word(c))
	case "Organizer":
		if m := c.Child("Mailbox"); m != nil {
			who := emailAddress(m)
			it.Organizer = &who
		}
	case "RequiredAttendees":
		it.RequiredAttendees = attendees(c)
	case "OptionalAttendees":
		it.OptionalAttendees = attendees(c)
	case "Resources":
		it.Resources = attendees(c)
	case "AppointmentSequenceNumber":
		it.SequenceNumber = optNumber(c)
	case "AppointmentState":
		it.AppointmentState = optNumber(c)
	case "IsOrganizer":
		it.IsOrganizer = optTruth(c)
	case "IsOnlineMeeting":
		it.IsOnlineMeeting = optTruth(c)
	case "JoinOnlineMeetingUrl":
		it.JoinOnlineMeetingURL = word(c)
	default:
		return false
	}
	return true
}

// seriesProperty reads what a series can have, and time zones.
func (it *CalendarItem) seriesProperty(c *wire.Element) {
	switch c.Name {
	case "Recurrence":
		it.Recurrence = recurrence(c)
	case "FirstOccurrence":
		o := occurrence(c)
		it.FirstOccurrence = &o
	case "LastOccurrence":
		o := occurrence(c)
		it.LastOccurrence = &o
	case "ModifiedOccurrences":
		for o := range c.All("Occurrence") {
			it.ModifiedOccurrences = append(it.ModifiedOccurrences, occurrence(o))
		}
	case "DeletedOccurrences":
		for o := range c.All("DeletedOccurrence") {
			it.DeletedOccurrences = append(it.DeletedOccurrences, dateTime(o.Child("Start")))
		}
	case "StartTimeZoneId":
		it.StartTimeZone = word(c)
	case "EndTimeZoneId":
		it.EndTimeZone = word(c)
	case "StartTimeZone":
		if it.StartTimeZone == "" {
			it.StartTimeZone = strings.Clone(c.Attr("Id"))
		}
		it.StartZone = zoneDefinition(c)
	case "EndTimeZone":
		if it.EndTimeZone == "" {
			it.EndTimeZone = strings.Clone(c.Attr("Id"))
		}
	case "StartWallClock":
		it.StartWall = parseTime(c.Text)
	}
}

func body(c *wire.Element) *Body {
	t := c.Attr("BodyType")
	b := &Body{Type: BodyHTML, Content: str(c), Truncated: c.Attr("IsTruncated") == "true"}
	if strings.EqualFold(t, string(BodyText)) {
		b.Type = BodyText
	}
	return b
}

func rights(c *wire.Element) *EffectiveRights {
	return &EffectiveRights{
		CreateContents: truth(c.Child("CreateContents")), Delete: truth(c.Child("Delete")), Modify: truth(c.Child("Modify")),
		Read: truth(c.Child("Read")), ViewPrivateItems: truth(c.Child("ViewPrivateItems")),
	}
}

func emailAddress(m *wire.Element) EmailAddress {
	return EmailAddress{
		Name: str(m.Child("Name")), Address: word(m.Child("EmailAddress")),
		RoutingType: word(m.Child("RoutingType")), MailboxType: word(m.Child("MailboxType")),
	}
}

func attendees(c *wire.Element) []Attendee {
	list := make([]Attendee, 0, len(c.Children))
	for a := range c.All("Attendee") {
		list = append(list, Attendee{
			EmailAddress: emailAddress(a.Child("Mailbox")),
			Response:     ResponseType(word(a.Child("ResponseType"))),
			LastResponse: dateTime(a.Child("LastResponseTime")),
		})
	}
	return list
}

func occurrence(c *wire.Element) OccurrenceInfo {
	return OccurrenceInfo{
		ItemID: itemID(c.Child("ItemId")), Start: dateTime(c.Child("Start")),
		End: dateTime(c.Child("End")), OriginalStart: dateTime(c.Child("OriginalStart")),
	}
}

// recurrence reads pattern and range ([MS-OXWSCDATA] RecurrenceType).
func recurrence(c *wire.Element) *Recurrence {
	var r Recurrence
	for _, p := range c.Children {
		switch p.Name {
		case "NoEndRecurrence", "EndDateRecurrence", "NumberedRecurrence":
			r.StartDate, r.EndDate = date(p.Child("StartDate")), date(p.Child("EndDate"))
			r.Count = number(p.Child("NumberOfOccurrences"))
		default:
			r.Pattern = RecurrencePattern(strings.Clone(p.Name))
			r.Interval = number(p.Child("Interval"))
			r.DaysOfWeek = strings.Fields(str(p.Child("DaysOfWeek")))
			r.FirstDayOfWeek = word(p.Child("FirstDayOfWeek"))
			r.DayOfWeekIndex = word(p.Child("DayOfWeekIndex"))
			r.DayOfMonth = number(p.Child("DayOfMonth"))
			r.Month = word(p.Child("Month"))
		}
	}
	return &r
}

func extendedProperty(c *wire.Element) ExtendedProperty {
	f := c.Child("ExtendedFieldURI")
	p := ExtendedProperty{Field: ExtendedField{
		Set: intern(f.Attr("DistinguishedPropertySetId")), Name: strings.Clone(f.Attr("PropertyName")),
		Tag: strings.Clone(f.Attr("PropertyTag")), Type: intern(f.Attr("PropertyType")),
	}}
	if guid := f.Attr("PropertySetId"); guid != "" {
		p.Field.Set = strings.Clone(guid)
	}
	p.Field.ID, _ = strconv.Atoi(f.Attr("PropertyId"))
	p.Value = str(c.Child("Value"))
	for v := range c.Child("Values").All("Value") {
		p.Values = append(p.Values, str(v))
	}
	return p
}
