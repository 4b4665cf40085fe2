package ewstest

import (
	"encoding/base64"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/koyomi-cal/koyomi/ews/internal/wire"
)

// mime stores what the iCalendar in MimeContent says ([MS-OXCICAL] 2.1.3):
// the first VEVENT, whose other elements in the request count more.
func (c *change) mime(e *wire.Element) error {
	if e == nil || c.kind != "CalendarItem" {
		return nil
	}
	data, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(e.Text), ""))
	if err != nil {
		return fail("ErrorMimeContentInvalidBase64String")
	}
	ev := icalReader{c: c, zones: map[string]string{}}
	if err := ev.read(string(data)); err != nil {
		return failf("ErrorMimeContentInvalid", "Mime content is not valid: %v.", err)
	}
	return nil
}

// icalProperty is one line of iCalendar.
type icalProperty struct {
	name, value string
	params      map[string]string
}

// icalReader fills an item from iCalendar.
type icalReader struct {
	c     *change
	in    []string          // open components
	zones map[string]string // TZID -> id that the server knows
	done  bool              // the first event is read
	rule  string
	ended bool
}

func (r *icalReader) read(text string) error {
	text = strings.ReplaceAll(strings.ReplaceAll(text, "\r\n", "\n"), "\n ", "")
	text = strings.ReplaceAll(text, "\n\t", "")
	any := false
	for line := range strings.Lines(text) {
		p, ok := parseProperty(strings.TrimRight(line, "\n"))
		if !ok {
			continue
		}
		switch p.name {
		case "BEGIN":
			r.in = append(r.in, strings.ToUpper(p.value))
			continue
		case "END":
			r.done = r.done || strings.EqualFold(p.value, "VEVENT")
			r.in = r.in[:max(0, len(r.in)-1)]
			continue
		}
		if !r.done && len(r.in) > 0 && r.in[len(r.in)-1] == "VEVENT" {
			any = true
			if err := r.property(p); err != nil {
				return err
			}
		}
	}
	if !any {
		return fmt.Errorf("there is no event in it")
	}
	return r.finish()
}

// parseProperty reads a line such as DTSTART;TZID="x":20260101T000000.
func parseProperty(line string) (icalProperty, bool) {
	p := icalProperty{params: map[string]string{}}
	quoted := false
	colon := strings.IndexFunc(line, func(c rune) bool {
		if c == '"' {
			quoted = !quoted
		}
		return c == ':' && !quoted
	})
	if colon < 0 {
		return p, false
	}
	head := strings.Split(line[:colon], ";")
	p.name, p.value = strings.ToUpper(head[0]), line[colon+1:]
	for _, param := range head[1:] {
		k, v, _ := strings.Cut(param, "=")
		p.params[strings.ToUpper(k)] = strings.Trim(v, `"`)
	}
	return p, p.name != ""
}

// icalUnescape undoes icalText.
func icalUnescape(s string) string {
	return strings.Clone(strings.NewReplacer(`\\`, `\`, `\;`, ";", `\,`, ",", `\n`, "\r\n", `\N`, "\r\n").Replace(s))
}

// property stores one property of the event.
func (r *icalReader) property(p icalProperty) error {
	it := r.c.it
	switch p.name {
	case "SUMMARY":
		it.Subject = icalUnescape(p.value)
	case "DESCRIPTION":
		it.Body, it.seed = Body{Type: "Text", Content: icalUnescape(p.value)}, 0
	case "LOCATION":
		it.Location = icalUnescape(p.value)
	case "UID":
		it.UID = icalUnescape(p.value)
	case "CLASS":
		it.Sensitivity = map[string]string{"PRIVATE": "Private", "CONFIDENTIAL": "Confidential"}[strings.ToUpper(p.value)]
	case "TRANSP":
		if strings.EqualFold(p.value, "TRANSPARENT") {
			it.Busy = "Free"
		}
	case "X-MICROSOFT-CDO-BUSYSTATUS":
		for _, b := range []string{"Free", "Tentative", "Busy", "OOF"} {
			if strings.EqualFold(p.value, b) {
				it.Busy = b
			}
		}
	case "ATTENDEE":
		r.attendee(p)
	case "RRULE":
		r.rule = p.value
	case "DTSTART", "DTEND", "EXDATE", "DURATION":
		return r.time(p)
	}
	return nil
}

func (r *icalReader) attendee(p icalProperty) {
	it := r.c.it
	address := p.value
	if len(address) > 7 && strings.EqualFold(address[:7], "mailto:") {
		address = address[7:]
	}
	if !strings.Contains(address, "@") || len(it.Attendees) >= mostAttendees {
		return
	}
	kind := Required
	switch strings.ToUpper(p.params["ROLE"]) {
	case "OPT-PARTICIPANT":
		kind = Optional
	case "NON-PARTICIPANT":
		kind = Resource
	}
	person := Person{Name: strings.Clone(p.params["CN"]), Address: strings.Clone(address)}
	if b := r.c.r.s.names[strings.ToLower(address)]; b != nil {
		person.Name = b.name
	}
	it.Attendees = append(slices.Clone(it.Attendees), Attendee{Person: person, Kind: kind})
}

func (r *icalReader) time(p icalProperty) error {
	it := r.c.it
	if p.name == "DURATION" {
		d, err := parseICalDuration(p.value)
		it.End, r.ended = it.Start.Add(d), true
		return err
	}
	loc := r.c.r.s.zones.location(it.Zone)
	if id := p.params["TZID"]; id != "" {
		loc = r.c.r.s.zones.location(id)
		if p.name == "DTSTART" && knownZone(id) {
			it.Zone = strings.Clone(id)
		}
	}
	for _, value := range strings.Split(p.value, ",") {
		t, day, err := parseICalTime(value, loc)
		if err != nil {
			return err
		}
		switch p.name {
		case "DTSTART":
			it.Start, it.AllDay = t, day
		case "DTEND":
			it.End, r.ended = t, true
		case "EXDATE":
			it.Deleted = append(it.Deleted, t)
		}
	}
	return nil
}

// finish makes a series of the event where there is a rule.
func (r *icalReader) finish() error {
	it := r.c.it
	if !r.ended {
		it.End = it.Start
	}
	if r.rule == "" {
		it.Deleted = nil
		return nil
	}
	rec, err := parseRule(r.rule, it.Start.In(r.c.r.s.zones.location(it.Zone)))
	if err != nil {
		return err
	}
	it.Recurrence = rec
	return nil
}

// parseICalTime reads a date or a date with time (RFC 5545 3.3.4, 3.3.5).
func parseICalTime(s string, loc *time.Location) (t time.Time, day bool, err error) {
	for _, f := range []struct {
		layout string
		loc    *time.Location
		day    bool
	}{{"20060102T150405Z", time.UTC, false}, {"20060102T150405", loc, false}, {"20060102", loc, true}} {
		if t, err = time.Parse(f.layout, s); err == nil {
			t, err = bounded(at(dayOf(t), clockOf(t), f.loc).UTC())
			return t, f.day, err
		}
	}
	return t, false, fmt.Errorf("%.30q is not a time", s)
}

// parseICalDuration reads a duration of days, hours, minutes and seconds
// (RFC 5545 3.3.6).
func parseICalDuration(s string) (time.Duration, error) {
	rest, ok := strings.CutPrefix(strings.TrimPrefix(s, "+"), "P")
	units := map[byte]time.Duration{'W': 7 * 24 * time.Hour, 'D': 24 * time.Hour, 'H': time.Hour, 'M': time.Minute, 'S': time.Second}
	var out time.Duration
	for ok && rest != "" {
		rest = strings.TrimPrefix(rest, "T")
		n := strings.IndexFunc(rest, func(c rune) bool { return c < '0' || c > '9' })
		if n < 1 || n > 6 {
			break
		}
		count, err := strconv.Atoi(rest[:n])
		if err != nil || units[rest[n]] == 0 {
			break
		}
		out += time.Duration(count) * units[rest[n]]
		rest = rest[n+1:]
	}
	if !ok || rest != "" || out > 5*366*24*time.Hour {
		return 0, fmt.Errorf("%.30q is not a duration", s)
	}
	return out, nil
}

// parseRule reads the RRULEs that Exchange can keep.
func parseRule(rule string, start time.Time) (*Recurrence, error) {
	part := map[string]string{}
	for _, kv := range strings.Split(strings.ToUpper(rule), ";") {
		k, v, _ := strings.Cut(kv, "=")
		part[k] = v
	}
	r := &Recurrence{Interval: 1, Start: DateOf(start), DayOfMonth: start.Day(), Month: start.Month(), FirstDayOfWeek: time.Sunday}
	number := func(name string, dst *int) error {
		if part[name] == "" {
			return nil
		}
		n, ok := parseInt(part[name])
		if !ok {
			return fmt.Errorf("%s is not a number", name)
		}
		*dst = n
		return nil
	}
	month := int(r.Month)
	for name, dst := range map[string]*int{"INTERVAL": &r.Interval, "COUNT": &r.Count, "BYMONTHDAY": &r.DayOfMonth, "BYMONTH": &month, "BYSETPOS": &r.Index} {
		if err := number(name, dst); err != nil {
			return nil, err
		}
	}
	r.Month = time.Month(month)
	if err := r.ruleDays(part["BYDAY"], part["WKST"]); err != nil {
		return nil, err
	}
	if until := part["UNTIL"]; until != "" {
		t, _, err := parseICalTime(until, start.Location())
		if err != nil {
			return nil, err
		}
		r.End = DateOf(t.In(start.Location()))
	}
	r.rulePattern(part["FREQ"], start)
	return r, r.validate()
}

// ruleDays reads BYDAY, in which a day may have its number in the month.
func (r *Recurrence) ruleDays(days, first string) error {
	names := []string{"SU", "MO", "TU", "WE", "TH", "FR", "SA"}
	if i := slices.Index(names, first); i >= 0 {
		r.FirstDayOfWeek = time.Weekday(i)
	}
	for _, d := range strings.Split(days, ",") {
		if d == "" {
			continue
		}
		if len(d) < 2 || slices.Index(names, d[len(d)-2:]) < 0 {
			return fmt.Errorf("%.10q is not a day", d)
		}
		r.Days |= On(time.Weekday(slices.Index(names, d[len(d)-2:])))
		if len(d) > 2 {
			n, ok := parseInt(d[:len(d)-2])
			if !ok {
				return fmt.Errorf("%.10q is not a day", d)
			}
			r.Index = n
		}
	}
	if r.Index == -1 {
		r.Index = 5
	}
	return nil
}

func (r *Recurrence) rulePattern(freq string, start time.Time) {
	relative := r.Days != 0 && r.Index != 0
	switch {
	case freq == "DAILY" && r.Days == 0:
		r.Pattern = Daily
	case freq == "DAILY" || freq == "WEEKLY":
		r.Pattern = Weekly
		if r.Days == 0 {
			r.Days = On(start.Weekday())
		}
	case freq == "MONTHLY" && relative:
		r.Pattern = RelativeMonthly
	case freq == "MONTHLY":
		r.Pattern = AbsoluteMonthly
	case freq == "YEARLY" && relative:
		r.Pattern = RelativeYearly
	case freq == "YEARLY":
		r.Pattern = AbsoluteYearly
	}
	if r.Pattern == AbsoluteMonthly || r.Pattern == AbsoluteYearly || r.Pattern == Daily {
		r.Days, r.Index = 0, 0
	}
}
