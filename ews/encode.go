package ews

import (
	"slices"
	"strconv"
	"strings"
	"time"
)

// itemRef writes the id of an item.
func (r *request) itemRef(ref ItemRef) {
	if ref.ID == "" {
		r.refuse("an item's id is empty")
	}
	switch {
	case ref.Master && ref.ChangeKey == "":
		r.Fill(`<t:RecurringMasterItemId OccurrenceId="{}"/>`, ref.ID)
	case ref.Master:
		r.Fill(`<t:RecurringMasterItemId OccurrenceId="{}" ChangeKey="{}"/>`, ref.ID, ref.ChangeKey)
	case ref.Instance < 0:
		r.refuse("occurrences are counted from 1")
	case ref.Instance != 0 && ref.ChangeKey == "":
		r.Fill(`<t:OccurrenceItemId RecurringMasterId="{}" InstanceIndex="{}"/>`, ref.ID, strconv.Itoa(ref.Instance))
	case ref.Instance != 0:
		r.Fill(`<t:OccurrenceItemId RecurringMasterId="{}" ChangeKey="{}" InstanceIndex="{}"/>`, ref.ID, ref.ChangeKey, strconv.Itoa(ref.Instance))
	default:
		r.itemID("t:ItemId", ref.ItemID)
	}
}

func (r *request) itemID(name string, id ItemID) {
	r.Start(name)
	r.Attr("Id", id.ID)
	if id.ChangeKey != "" {
		r.Attr("ChangeKey", id.ChangeKey)
	}
	r.End()
}

// folder writes the id of a folder ([MS-OXWSFOLD] BaseFolderIdType).
func (r *request) folder(f FolderRef) {
	if f.ID.ID != "" {
		r.itemID("t:FolderId", ItemID(f.ID))
		return
	}
	name := f.Distinguished
	if name == "" {
		name = "calendar"
	}
	r.Start("t:DistinguishedFolderId", "Id", name)
	if f.Owner != "" {
		r.Start("t:Mailbox")
		r.Leaf("t:EmailAddress", f.Owner)
		r.End()
	}
	r.End()
}

// folders writes folder ids; none stands for the calendar.
func (r *request) folders(name string, refs []FolderRef) {
	if len(refs) == 0 {
		refs = []FolderRef{{}}
	}
	r.Start(name)
	for _, f := range refs {
		r.folder(f)
	}
	r.End()
}

func instant(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05Z") }

// writable returns the properties that can be written, in the order of the
// schema, which Exchange insists on ([MS-OXWSCORE] 2.2.4.24, [MS-OXWSMTGS]
// 2.2.4.6). Extended properties go where "" stands.
func writable() []string {
	return []string{
		"item:ItemClass", "item:Subject", "item:Sensitivity", "item:Body", "item:Categories", "item:Importance", "item:ReminderIsSet",
		"item:ReminderMinutesBeforeStart", "", "item:Culture",
		"calendar:UID", "calendar:Start", "calendar:End", "calendar:IsAllDayEvent", "calendar:LegacyFreeBusyStatus", "calendar:Location",
		"calendar:IsResponseRequested", "calendar:RequiredAttendees", "calendar:OptionalAttendees", "calendar:Resources",
		"calendar:Recurrence", "calendar:StartTimeZone", "calendar:EndTimeZone", "calendar:AllowNewTimeProposal",
	}
}

// calendarItem writes a whole new item.
func (r *request) calendarItem(it *CalendarItem) {
	r.Start("t:CalendarItem")
	for _, uri := range writable() {
		switch {
		case uri == "":
			for i := range it.Extended {
				r.extendedProperty(&it.Extended[i])
			}
		case it.has(uri):
			r.property(uri, it)
		}
	}
	r.End()
}

// has reports whether the item has a value for the property, other than what
// the server would make of its absence.
func (it *CalendarItem) has(uri string) bool {
	switch uri {
	case "item:ItemClass":
		return it.ItemClass != ""
	case "item:Subject":
		return it.Subject != ""
	case "item:Sensitivity":
		return it.Sensitivity != ""
	case "item:Body":
		return it.Body != nil
	case "item:Categories":
		return len(it.Categories) > 0
	case "item:Importance":
		return it.Importance != ""
	case "item:ReminderIsSet":
		return it.ReminderIsSet != nil
	case "item:ReminderMinutesBeforeStart":
		return it.ReminderMinutes != nil
	case "item:Culture":
		return it.Culture != ""
	case "calendar:UID":
		return it.UID != ""
	case "calendar:Start":
		return !it.Start.IsZero()
	case "calendar:End":
		return !it.End.IsZero()
	case "calendar:IsAllDayEvent":
		return it.IsAllDay
	case "calendar:LegacyFreeBusyStatus":
		return it.Status != ""
	case "calendar:Location":
		return it.Location != ""
	case "calendar:IsResponseRequested":
		return it.IsResponseRequested != nil
	case "calendar:RequiredAttendees":
		return len(it.RequiredAttendees) > 0
	case "calendar:OptionalAttendees":
		return len(it.OptionalAttendees) > 0
	case "calendar:Resources":
		return len(it.Resources) > 0
	case "calendar:AllowNewTimeProposal":
		return it.AllowNewTimeProposal != nil
	case "calendar:Recurrence":
		return it.Recurrence != nil
	case "calendar:StartTimeZone":
		return it.StartTimeZone != ""
	case "calendar:EndTimeZone":
		return it.EndTimeZone != ""
	}
	return false
}

// property writes one property of the item.
func (r *request) property(uri string, it *CalendarItem) {
	_, local, _ := strings.Cut(uri, ":")
	name := "t:" + local
	switch uri {
	case "item:ItemClass":
		r.Leaf(name, it.ItemClass)
	case "item:Subject":
		r.Leaf(name, it.Subject)
	case "item:Sensitivity":
		r.Leaf(name, it.Sensitivity)
	case "item:Body":
		r.body(name, it.Body)
	case "item:Categories":
		r.Start(name)
		for _, c := range it.Categories {
			r.Leaf("t:String", c)
		}
		r.End()
	case "item:Importance":
		r.Leaf(name, it.Importance)
	case "item:ReminderIsSet":
		r.optTruth(name, it.ReminderIsSet)
	case "item:ReminderMinutesBeforeStart":
		if it.ReminderMinutes == nil {
			r.refuse("the reminder has no value to set")
			return
		}
		r.Leaf(name, strconv.Itoa(*it.ReminderMinutes))
	case "item:Culture":
		r.Leaf(name, it.Culture)
	case "calendar:RequiredAttendees":
		r.attendees(name, it.RequiredAttendees)
	case "calendar:OptionalAttendees":
		r.attendees(name, it.OptionalAttendees)
	case "calendar:Resources":
		r.attendees(name, it.Resources)
	case "calendar:Recurrence":
		r.recurrence(it.Recurrence)
	default:
		r.appointmentProperty(uri, name, it)
	}
}

// appointmentProperty writes one of the simple properties of an appointment.
func (r *request) appointmentProperty(uri, name string, it *CalendarItem) {
	switch uri {
	case "calendar:UID":
		r.Leaf(name, it.UID)
	case "calendar:Start":
		r.Leaf(name, instant(it.Start))
	case "calendar:End":
		r.Leaf(name, instant(it.End))
	case "calendar:IsAllDayEvent":
		r.Leaf(name, strconv.FormatBool(it.IsAllDay))
	case "calendar:LegacyFreeBusyStatus":
		r.Leaf(name, string(it.Status))
	case "calendar:Location":
		r.Leaf(name, it.Location)
	case "calendar:IsResponseRequested":
		r.optTruth(name, it.IsResponseRequested)
	case "calendar:StartTimeZone":
		r.Leaf(name, "", "Id", it.StartTimeZone)
	case "calendar:EndTimeZone":
		r.Leaf(name, "", "Id", it.EndTimeZone)
	case "calendar:AllowNewTimeProposal":
		r.optTruth(name, it.AllowNewTimeProposal)
	default:
		r.refuse("the property " + uri + " cannot be written")
	}
}

func (r *request) optTruth(name string, b *bool) {
	if b == nil {
		r.refuse("the property " + strings.TrimPrefix(name, "t:") + " has no value to set")
		return
	}
	r.Leaf(name, strconv.FormatBool(*b))
}

func (r *request) body(name string, b *Body) {
	if b == nil || b.Type != BodyHTML && b.Type != BodyText {
		r.refuse("a body is written as HTML or Text")
		return
	}
	r.Grow(len(b.Content) + len(b.Content)/4)
	r.Leaf(name, b.Content, "BodyType", string(b.Type))
}

func (r *request) attendees(name string, list []Attendee) {
	if len(list) == 0 {
		r.refuse("a list of attendees to set is empty; delete the property instead")
	}
	r.Start(name)
	for _, a := range list {
		r.Raw(`<t:Attendee><t:Mailbox>`)
		if a.Name != "" {
			r.Fill(`<t:Name>{}</t:Name>`, a.Name)
		}
		r.Fill(`<t:EmailAddress>{}</t:EmailAddress>`, a.Address)
		if a.RoutingType != "" {
			r.Fill(`<t:RoutingType>{}</t:RoutingType>`, a.RoutingType)
		}
		r.Raw(`</t:Mailbox></t:Attendee>`)
	}
	r.End()
}

func (r *request) extendedProperty(p *ExtendedProperty) {
	r.Start("t:ExtendedProperty")
	r.extendedField(&p.Field)
	if strings.HasSuffix(p.Field.Type, "Array") {
		r.Start("t:Values")
		for _, v := range p.Values {
			r.Leaf("t:Value", v)
		}
		r.End()
	} else {
		r.Leaf("t:Value", p.Value)
	}
	r.End()
}

// recurrence writes pattern and range ([MS-OXWSCDATA] RecurrenceType).
func (r *request) recurrence(rec *Recurrence) {
	if rec == nil || rec.StartDate == "" ||
		!slices.Contains([]RecurrencePattern{RelativeYearly, AbsoluteYearly, RelativeMonthly, AbsoluteMonthly, Weekly, Daily}, rec.Pattern) {
		r.refuse("a recurrence needs a pattern and a start date")
		return
	}
	r.Start("t:Recurrence")
	r.Start("t:" + string(rec.Pattern))
	if rec.Pattern != RelativeYearly && rec.Pattern != AbsoluteYearly {
		r.Leaf("t:Interval", strconv.Itoa(max(1, rec.Interval)))
	}
	days := strings.Join(rec.DaysOfWeek, " ")
	switch rec.Pattern {
	case RelativeYearly, RelativeMonthly:
		r.Leaf("t:DaysOfWeek", days)
		r.Leaf("t:DayOfWeekIndex", rec.DayOfWeekIndex)
	case AbsoluteYearly, AbsoluteMonthly:
		r.Leaf("t:DayOfMonth", strconv.Itoa(rec.DayOfMonth))
	case Weekly:
		r.Leaf("t:DaysOfWeek", days)
		if rec.FirstDayOfWeek != "" {
			r.Leaf("t:FirstDayOfWeek", rec.FirstDayOfWeek)
		}
	}
	if rec.Pattern == RelativeYearly || rec.Pattern == AbsoluteYearly {
		r.Leaf("t:Month", rec.Month)
	}
	r.End()
	switch {
	case rec.Count > 0:
		r.Start("t:NumberedRecurrence")
		r.Leaf("t:StartDate", rec.StartDate)
		r.Leaf("t:NumberOfOccurrences", strconv.Itoa(rec.Count))
	case rec.EndDate != "":
		r.Start("t:EndDateRecurrence")
		r.Leaf("t:StartDate", rec.StartDate)
		r.Leaf("t:EndDate", rec.EndDate)
	default:
		r.Start("t:NoEndRecurrence")
		r.Leaf("t:StartDate", rec.StartDate)
	}
	r.End()
	r.End()
}
