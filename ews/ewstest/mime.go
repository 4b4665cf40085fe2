package ewstest

import (
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// mime returns MimeContent ([MS-OXWSCORE] 2.2.4.29), base64-encoded: a
// calendar item as iCalendar, a message in MIME.
func (v *view) mime() string {
	if v.it.isCalendar() {
		return base64.StdEncoding.EncodeToString([]byte(v.icalendar()))
	}
	var b strings.Builder
	fmt.Fprintf(&b, "From: %s\r\nSubject: %s\r\nMIME-Version: 1.0\r\n", v.it.From.Address, oneLine(v.it.Subject))
	b.WriteString("Content-Type: text/plain; charset=\"utf-8\"\r\nContent-Transfer-Encoding: 8bit\r\n\r\n")
	b.WriteString(v.preview())
	return base64.StdEncoding.EncodeToString([]byte(b.String()))
}

func oneLine(s string) string { return strings.NewReplacer("\r", " ", "\n", " ").Replace(s) }

// icalText escapes a text value (RFC 5545 3.3.11).
func icalText(s string) string {
	return strings.NewReplacer("\\", "\\\\", ";", "\\;", ",", "\\,", "\r\n", "\\n", "\n", "\\n").Replace(s)
}

// ical writes the lines of a calendar.
type ical struct {
	strings.Builder
	id  string // of the time zone
	loc *time.Location
}

func (b *ical) line(format string, args ...any) { b.WriteString(fold(fmt.Sprintf(format, args...))) }

// moment writes a time in the calendar's zone, or a day.
func (b *ical) moment(name string, t time.Time, day bool) {
	if day {
		b.line("%s;VALUE=DATE:%s", name, t.In(b.loc).Format("20060102"))
		return
	}
	b.line("%s;TZID=%s:%s", name, b.id, t.In(b.loc).Format("20060102T150405"))
}

// icalendar returns the item as a VCALENDAR (RFC 5545): the master of a series
// with its exceptions.
func (v *view) icalendar() string {
	id := shownZone(v.it.Zone)
	b := &ical{id: id, loc: v.r.s.zones.location(id)}
	b.line("BEGIN:VCALENDAR")
	b.line("METHOD:PUBLISH")
	b.line("PRODID:Microsoft Exchange Server 2010")
	b.line("VERSION:2.0")
	b.zone(v.r.s.zones.in(b.loc, v.it.Start.Year()))
	b.event(v.it)
	for i := range v.it.Exceptions {
		x := &v.it.Exceptions[i]
		b.event(v.it.occurrence(occurrence{original: x.Original, start: x.Start, end: x.End, exception: x}))
	}
	b.line("END:VCALENDAR")
	return b.String()
}

// zone writes the VTIMEZONE.
func (b *ical) zone(r zoneRules) {
	offset := func(seconds int) string {
		sign := "+"
		if seconds < 0 {
			sign, seconds = "-", -seconds
		}
		return fmt.Sprintf("%s%02d%02d", sign, seconds/3600, seconds/60%60)
	}
	part := func(name string, from, to int, d changeDay) {
		b.line("BEGIN:%s", name)
		b.line("DTSTART:16010101T%s", time.Time{}.Add(d.timeOfDay).Format("150405"))
		b.line("TZOFFSETFROM:%s", offset(from))
		b.line("TZOFFSETTO:%s", offset(to))
		if d.month != 0 {
			b.line("RRULE:FREQ=YEARLY;INTERVAL=1;BYDAY=%d%s;BYMONTH=%d", d.nth, strings.ToUpper(d.weekday.String()[:2]), d.month)
		}
		b.line("END:%s", name)
	}
	b.line("BEGIN:VTIMEZONE")
	b.line("TZID:%s", b.id)
	part("STANDARD", r.daylight, r.standard, r.toStandard)
	part("DAYLIGHT", r.standard, r.daylight, r.toDaylight)
	b.line("END:VTIMEZONE")
}

// event writes one VEVENT.
func (b *ical) event(it *Item) {
	b.line("BEGIN:VEVENT")
	if it.Organizer.Address != "" && it.IsMeeting() {
		b.line("ORGANIZER;CN=\"%s\":MAILTO:%s", strings.ReplaceAll(it.Organizer.Name, "\"", ""), it.Organizer.Address)
	}
	for _, a := range it.Attendees {
		b.line("ATTENDEE;ROLE=%s;PARTSTAT=%s;RSVP=TRUE;CN=\"%s\":MAILTO:%s", icalRole(a.Kind), icalStatus(a.Response), strings.ReplaceAll(a.Name, "\"", ""), a.Address)
	}
	body := it.body()
	text := body.Content
	if body.Type == "HTML" {
		text = htmlToText(text)
	}
	b.line("DESCRIPTION;LANGUAGE=%s:%s", orElse(it.Culture, "en-US"), icalText(text))
	if it.Recurrence != nil {
		b.line("RRULE:%s", icalRule(it.Recurrence))
	}
	for _, t := range it.Deleted {
		b.moment("EXDATE", t, it.AllDay)
	}
	b.line("UID:%s", icalText(it.UID))
	if !it.Original.IsZero() {
		b.moment("RECURRENCE-ID", it.Original, it.AllDay)
	}
	b.line("SUMMARY;LANGUAGE=%s:%s", orElse(it.Culture, "en-US"), icalText(it.Subject))
	b.moment("DTSTART", it.Start, it.AllDay)
	b.moment("DTEND", it.End, it.AllDay)
	b.line("CLASS:%s", icalClass(it.Sensitivity))
	b.line("DTSTAMP:%s", it.Modified.UTC().Format("20060102T150405Z"))
	b.line("LOCATION;LANGUAGE=%s:%s", orElse(it.Culture, "en-US"), icalText(it.Location))
	b.line("SEQUENCE:%d", it.Sequence)
	b.line("X-MICROSOFT-CDO-BUSYSTATUS:%s", strings.ToUpper(orElse(it.Busy, "Busy")))
	b.line("X-MICROSOFT-CDO-ALLDAYEVENT:%s", strings.ToUpper(strconv.FormatBool(it.AllDay)))
	b.line("END:VEVENT")
}

func icalClass(sensitivity string) string {
	switch sensitivity {
	case "Private", "Confidential":
		return strings.ToUpper(sensitivity)
	}
	return "PUBLIC"
}

func icalRole(k Kind) string {
	switch k {
	case Optional:
		return "OPT-PARTICIPANT"
	case Resource:
		return "NON-PARTICIPANT"
	}
	return "REQ-PARTICIPANT"
}

func icalStatus(response string) string {
	switch response {
	case ResponseAccept:
		return "ACCEPTED"
	case ResponseTentative:
		return "TENTATIVE"
	case ResponseDecline:
		return "DECLINED"
	}
	return "NEEDS-ACTION"
}

// icalRule writes a recurrence as an RRULE.
func icalRule(r *Recurrence) string {
	var days []string
	for d := time.Sunday; d <= time.Saturday; d++ {
		if r.Days.Has(d) {
			days = append(days, strings.ToUpper(d.String()[:2]))
		}
	}
	position := r.Index
	if position >= 5 {
		position = -1
	}
	interval := max(r.Interval, 1)
	var rule string
	switch r.Pattern {
	case Daily:
		rule = fmt.Sprintf("FREQ=DAILY;INTERVAL=%d", interval)
	case Weekly:
		rule = fmt.Sprintf("FREQ=WEEKLY;INTERVAL=%d;BYDAY=%s;WKST=%s", interval, strings.Join(days, ","), strings.ToUpper(r.FirstDayOfWeek.String()[:2]))
	case AbsoluteMonthly:
		rule = fmt.Sprintf("FREQ=MONTHLY;INTERVAL=%d;BYMONTHDAY=%d", interval, r.DayOfMonth)
	case RelativeMonthly:
		rule = fmt.Sprintf("FREQ=MONTHLY;INTERVAL=%d;BYDAY=%s;BYSETPOS=%d", interval, strings.Join(days, ","), position)
	case AbsoluteYearly:
		rule = fmt.Sprintf("FREQ=YEARLY;BYMONTH=%d;BYMONTHDAY=%d", r.Month, r.DayOfMonth)
	case RelativeYearly:
		rule = fmt.Sprintf("FREQ=YEARLY;BYMONTH=%d;BYDAY=%s;BYSETPOS=%d", r.Month, strings.Join(days, ","), position)
	}
	switch {
	case r.Count > 0:
		rule += fmt.Sprintf(";COUNT=%d", r.Count)
	case !r.End.IsZero():
		rule += fmt.Sprintf(";UNTIL=%04d%02d%02dT235959Z", r.End.Year, r.End.Month, r.End.Day)
	}
	return rule
}

// fold ends a line and breaks it after 75 bytes (RFC 5545 3.1).
func fold(s string) string {
	var b strings.Builder
	n := 0
	for _, r := range s {
		if size := len(string(r)); n+size > 73 {
			b.WriteString("\r\n ")
			n = 1
		}
		b.WriteRune(r)
		n += len(string(r))
	}
	b.WriteString("\r\n")
	return b.String()
}
