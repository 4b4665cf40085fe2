package ewstest

import (
	"encoding/base64"
	"fmt"
	"strings"
	"time"
)

// mime returns the item in MIME, base64-encoded ([MS-OXWSCORE] 2.2.4.29,
// MimeContent): a calendar item as a text/calendar part.
func (v *view) mime() string {
	var b strings.Builder
	fmt.Fprintf(&b, "From: %s\r\nSubject: %s\r\nMIME-Version: 1.0\r\n", v.it.From.Address, oneLine(v.it.Subject))
	if v.it.isCalendar() {
		b.WriteString("Content-Type: text/calendar; charset=\"utf-8\"; method=REQUEST\r\nContent-Transfer-Encoding: 8bit\r\n\r\n")
		b.WriteString(v.icalendar())
	} else {
		b.WriteString("Content-Type: text/plain; charset=\"utf-8\"\r\nContent-Transfer-Encoding: 8bit\r\n\r\n")
		b.WriteString(v.preview())
	}
	return base64.StdEncoding.EncodeToString([]byte(b.String()))
}

func oneLine(s string) string { return strings.NewReplacer("\r", " ", "\n", " ").Replace(s) }

// icalText escapes a text value (RFC 5545 3.3.11).
func icalText(s string) string {
	return strings.NewReplacer("\\", "\\\\", ";", "\\;", ",", "\\,", "\r\n", "\\n", "\n", "\\n").Replace(s)
}

// icalendar returns the item as a VCALENDAR (RFC 5545), its times in UTC.
func (v *view) icalendar() string {
	it := v.it
	var b strings.Builder
	line := func(format string, args ...any) { b.WriteString(fold(fmt.Sprintf(format, args...))) }
	utc := func(t time.Time) string { return t.UTC().Format("20060102T150405Z") }
	line("BEGIN:VCALENDAR")
	line("METHOD:REQUEST")
	line("PRODID:Microsoft Exchange Server 2010")
	line("VERSION:2.0")
	line("BEGIN:VEVENT")
	if it.Organizer.Address != "" && it.IsMeeting() {
		line("ORGANIZER;CN=\"%s\":MAILTO:%s", strings.ReplaceAll(it.Organizer.Name, "\"", ""), it.Organizer.Address)
	}
	for _, a := range it.Attendees {
		line("ATTENDEE;ROLE=%s;PARTSTAT=%s;RSVP=TRUE;CN=\"%s\":MAILTO:%s", icalRole(a.Kind), icalStatus(a.Response), strings.ReplaceAll(a.Name, "\"", ""), a.Address)
	}
	body := it.body()
	text := body.Content
	if body.Type == "HTML" {
		text = htmlToText(text)
	}
	line("DESCRIPTION:%s", icalText(text))
	if it.Recurrence != nil {
		line("RRULE:%s", icalRule(it.Recurrence))
	}
	line("UID:%s", icalText(it.UID))
	line("SUMMARY:%s", icalText(it.Subject))
	if it.AllDay {
		loc := v.r.s.zones.location(it.Zone)
		line("DTSTART;VALUE=DATE:%s", it.Start.In(loc).Format("20060102"))
		line("DTEND;VALUE=DATE:%s", it.End.In(loc).Format("20060102"))
	} else {
		line("DTSTART:%s", utc(it.Start))
		line("DTEND:%s", utc(it.End))
	}
	line("CLASS:PUBLIC")
	line("DTSTAMP:%s", utc(it.Modified))
	line("LOCATION:%s", icalText(it.Location))
	line("SEQUENCE:%d", it.Sequence)
	line("X-MICROSOFT-CDO-BUSYSTATUS:%s", strings.ToUpper(orElse(it.Busy, "Busy")))
	line("END:VEVENT")
	line("END:VCALENDAR")
	return b.String()
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
