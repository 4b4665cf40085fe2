package invite

import (
	"slices"
	"strings"
)

// scope is the component that a property belongs to, with those around it.
type scope struct {
	names []string
	event *event // within a VEVENT
	zone  *zone  // within a VTIMEZONE
}

// event is a VEVENT being read.
type event struct {
	Event
	rich, richFrom string   // the description as HTML and the property that holds it
	description    string   // DESCRIPTION, unescaped
	conferences    []string // CONFERENCE values, those with a picture first
	video          int      // how many of them
	times          map[string]int
}

// How many properties of one event are kept for detect, and how many of the
// same name.
const (
	maxProperties = 500
	maxTimes      = 20
)

// zone is a VTIMEZONE being read.
type zone struct {
	id      string
	offsets []string
}

// calendar reads a calendar file's events. Whatever stands before its first
// line and behind its last is passed over.
func (r *reader) calendar(text, part string) []Event {
	if len(text) > maxText {
		r.problem(Problem{Part: part, Code: TooLong})
		text = text[:maxText]
	}
	c := calendarReader{reader: r, part: part, zones: map[string]string{}}
	if i := strings.Index(text, "BEGIN:VCALENDAR"); i > 0 && !calendarStart.MatchString(text[:min(len(text), 256)]) {
		text = text[i:]
	}
	r.properties(text, part, c.property)
	if len(c.scope.names) > 0 {
		r.problem(Problem{Part: part, Code: Unclosed, Detail: c.scope.names[0]})
		c.end(c.scope.names[0])
	}
	for i := range c.events {
		e := &c.events[i]
		e.Method = orElse(e.Method, c.method)
		for _, m := range []*Moment{&e.Start, &e.End, &e.RecurrenceID} {
			m.Offset = c.zones[m.Zone]
		}
	}
	if len(c.events) == 0 {
		r.problem(Problem{Part: part, Code: NoEvent})
	}
	return c.events
}

// calendarReader reads one calendar.
type calendarReader struct {
	*reader
	part   string
	scope  scope
	method string
	zones  map[string]string // TZID -> offsets
	events []Event
}

// property takes one content line.
func (c *calendarReader) property(p property) {
	switch p.name {
	case "BEGIN":
		c.begin(strings.ToUpper(strings.TrimSpace(p.value)), p.line)
	case "END":
		c.end(strings.ToUpper(strings.TrimSpace(p.value)))
	default:
		switch inner := c.inner(); {
		case inner == "VEVENT" && c.scope.event != nil:
			c.eventProperty(c.scope.event, p)
		case c.scope.zone != nil:
			c.scope.zone.property(p)
		case p.name == "METHOD":
			c.method = strings.ToUpper(strings.TrimSpace(p.value))
		}
	}
}

func (c *calendarReader) inner() string {
	if n := len(c.scope.names); n > 0 {
		return c.scope.names[n-1]
	}
	return ""
}

// begin opens a component. One that cannot lie in the open one closes that.
func (c *calendarReader) begin(name string, line int) {
	switch name {
	case "VCALENDAR":
		if len(c.scope.names) > 0 {
			c.unclosed(c.scope.names[0], line)
		}
		c.method = ""
	case "VEVENT", "VTIMEZONE":
		for _, open := range []string{"VEVENT", "VTIMEZONE"} {
			if slices.Contains(c.scope.names, open) {
				c.unclosed(open, line)
			}
		}
	}
	if len(c.scope.names) >= maxDepth {
		c.problem(Problem{Part: c.part, Line: line, Code: TooDeep})
		return
	}
	c.scope.names = append(c.scope.names, name)
	switch name {
	case "VEVENT":
		if len(c.events) >= maxEvents {
			c.problem(Problem{Part: c.part, Line: line, Code: TooManyEvents})
			return
		}
		c.scope.event = &event{Event: Event{Part: c.part, Method: c.method}}
	case "VTIMEZONE":
		c.scope.zone = &zone{}
	}
}

func (c *calendarReader) unclosed(name string, line int) {
	c.problem(Problem{Part: c.part, Line: line, Code: Unclosed, Detail: name})
	c.end(name)
}

// end closes a component and what is open within it. An end without a
// beginning is passed over.
func (c *calendarReader) end(name string) {
	i := len(c.scope.names) - 1
	for i >= 0 && c.scope.names[i] != name {
		i--
	}
	if i < 0 {
		return
	}
	closing := c.scope.names[i:]
	c.scope.names = c.scope.names[:i]
	if slices.Contains(closing, "VEVENT") && c.scope.event != nil {
		c.events = append(c.events, c.scope.event.done())
		c.scope.event = nil
	}
	if slices.Contains(closing, "VTIMEZONE") && c.scope.zone != nil {
		if z := c.scope.zone; z.id != "" {
			slices.Sort(z.offsets)
			c.zones[z.id] = strings.Join(slices.Compact(z.offsets), "/")
		}
		c.scope.zone = nil
	}
}

// property takes one content line of a time zone or of one of its rules.
func (z *zone) property(p property) {
	switch v := strings.TrimSpace(p.value); p.name {
	case "TZID":
		z.id = v
	case "TZOFFSETTO":
		if len(v) >= 5 && (v[0] == '+' || v[0] == '-') && len(z.offsets) < 64 {
			z.offsets = append(z.offsets, v[:3]+":"+v[3:5])
		}
	}
}

// eventProperty takes one content line of an event.
func (c *calendarReader) eventProperty(e *event, p property) {
	switch p.name {
	case "UID":
		e.Input.ID = strings.TrimSpace(p.value)
	case "SUMMARY":
		e.Input.Subject = unescaped(c.decoded(p))
	case "LOCATION":
		e.Input.Location = unescaped(c.decoded(p))
		e.set("LOCATION;ALTREP", p.params["ALTREP"])
	case "DESCRIPTION":
		e.description = unescaped(c.decoded(p))
		e.alternative(p.params["ALTREP"])
	case "X-ALT-DESC", "STYLED-DESCRIPTION":
		if t := p.params["FMTTYPE"]; t == "" || strings.HasPrefix(strings.ToLower(t), "text/html") {
			e.rich, e.richFrom = unescaped(p.value), p.name
			return
		}
		e.set(p.name, unescaped(p.value))
	case "CONFERENCE":
		e.conference(p)
	case "URL":
		e.set("URL", p.value)
	case "ORGANIZER":
		e.Organizer = organizer(p)
	case "ATTENDEE":
		e.Attendees++
	case "DTSTART":
		e.Start = c.moment(p)
	case "DTEND":
		e.End = c.moment(p)
	case "RECURRENCE-ID":
		e.RecurrenceID = c.moment(p)
	case "DURATION":
		e.Duration = strings.TrimSpace(p.value)
	case "RRULE":
		e.Recurrence = strings.TrimSpace(p.value)
	case "STATUS":
		e.Status = strings.ToUpper(strings.TrimSpace(p.value))
	default:
		if strings.HasPrefix(p.name, "X-") {
			e.set(p.name, p.value)
		}
	}
}

// decoded returns a property's value in UTF-8: vCalendar 1.0 names a
// character set for each.
func (c *calendarReader) decoded(p property) string {
	if label := p.params["CHARSET"]; label != "" && p.params["ENCODING"] != "" {
		return c.unicode([]byte(p.value), label, c.part)
	}
	return p.value
}

// set keeps a property for detect, as written. What stands there already stays
// before it.
func (e *event) set(name, value string) {
	if value = strings.TrimSpace(value); value == "" {
		return
	}
	if e.Input.Properties == nil {
		e.Input.Properties, e.times = map[string]string{}, map[string]int{}
	}
	if len(e.times) >= maxProperties && e.times[name] == 0 && strings.HasPrefix(name, "X-") || e.times[name] == maxTimes {
		return
	}
	if e.times[name]++; e.times[name] > 1 {
		value = e.Input.Properties[name] + "\n" + value
	}
	e.Input.Properties[name] = value
}

// alternative takes a description's other form: a "data:" link with HTML in
// it, as Thunderbird writes it, or an address to look it up.
func (e *event) alternative(uri string) {
	head, content, ok := strings.Cut(uri, ",")
	if !ok || !strings.HasPrefix(strings.ToLower(head), "data:text/html") {
		e.set("DESCRIPTION;ALTREP", uri)
		return
	}
	raw := unpercent(content)
	if strings.HasSuffix(strings.ToLower(head), ";base64") {
		raw, _ = fromBase64(raw)
	}
	if e.rich == "" {
		e.rich, e.richFrom = strings.ToValidUTF8(string(raw), "\uFFFD"), "DESCRIPTION;ALTREP"
	}
}

// conference takes a CONFERENCE property (RFC 7986 5.11). What is for chatting
// or for the chair is no way in and keeps its own name.
func (e *event) conference(p property) {
	features := strings.ToUpper(p.params["FEATURE"])
	has := func(f string) bool { return slices.Contains(strings.Split(features, ","), f) }
	switch {
	case len(e.conferences) == maxTimes:
	case has("VIDEO") || has("SCREEN"):
		e.conferences = slices.Insert(e.conferences, e.video, p.value)
		e.video++
	case has("CHAT") || has("FEED"):
		e.set("CONFERENCE;FEATURE=CHAT", p.value)
	case has("MODERATOR"):
		e.set("CONFERENCE;FEATURE=MODERATOR", p.value)
	default:
		e.conferences = append(e.conferences, p.value)
	}
}

// done makes the event of what was read: its body is the richest text that it
// has, the plain description stays beside it.
func (e *event) done() Event {
	for _, v := range e.conferences {
		e.set("CONFERENCE", v)
	}
	switch {
	case strings.TrimSpace(e.rich) != "":
		e.Input.Body, e.Input.BodyType, e.BodyFrom = e.rich, bodyHTML, e.richFrom
		e.set("DESCRIPTION", escaped(e.description))
	case e.description != "":
		e.Input.Body, e.Input.BodyType, e.BodyFrom = e.description, bodyText, "DESCRIPTION"
		if isHTML(e.description) {
			e.Input.BodyType = bodyHTML
		}
	}
	if e.RecurrenceID.Value != "" && e.Input.ID != "" {
		e.Input.ID += "/" + e.RecurrenceID.Value
	}
	return e.Event
}

// escaped writes a text with the escapes of RFC 5545 3.3.11, as detect expects
// a property.
func escaped(v string) string {
	return strings.NewReplacer(`\`, `\\`, "\n", `\n`, ",", `\,`, ";", `\;`).Replace(v)
}

// organizer reads CN and address of an ORGANIZER.
func organizer(p property) Person {
	address := strings.TrimSpace(p.value)
	if len(address) > 7 && strings.EqualFold(address[:7], "mailto:") {
		address = address[7:]
	}
	return Person{Name: strings.TrimSpace(p.params["CN"]), Address: address}
}

// moment reads a date or a date and time (RFC 5545 3.3.4 and 3.3.5).
func (c *calendarReader) moment(p property) Moment {
	v := strings.TrimSpace(p.value)
	m := Moment{Value: v, Zone: p.params["TZID"]}
	digits := func(s string) bool { return strings.Trim(s, "0123456789") == "" }
	date, clock, timed := strings.Cut(v, "T")
	utc := strings.HasSuffix(clock, "Z")
	clock = strings.TrimSuffix(clock, "Z")
	switch {
	case len(date) != 8 || !digits(date), timed && (len(clock) != 6 || !digits(clock)):
		c.problem(Problem{Part: c.part, Line: p.line, Field: p.name, Code: BrokenField})
		m.Value = v[:min(len(v), 40)]
		return m
	}
	m.Value = date[:4] + "-" + date[4:6] + "-" + date[6:]
	if timed {
		m.Value += "T" + clock[:2] + ":" + clock[2:4] + ":" + clock[4:]
	}
	if utc {
		m.Zone = "UTC"
	}
	return m
}
