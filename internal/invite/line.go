package invite

import (
	"slices"
	"strings"
)

// property is a content line of a calendar (RFC 5545 3.1), unfolded.
type property struct {
	name   string // in upper case
	params map[string]string
	value  string // as written
	line   int    // where it begins, from 1
}

// properties calls f with each content line of a calendar. What is no content
// line goes on with the text before it: producers forget to escape line ends.
func (r *reader) properties(text, part string, f func(property)) {
	var current *property
	var value []byte
	end := func() {
		if current != nil {
			current.value = string(value)
			f(*current)
			current = nil
		}
	}
	logical(text, func(line string, number int) {
		p, ok := contentLine(line)
		if ok && (isKnown(p.name) || !holdsText(current)) {
			end()
			p.line = number
			current, value = &p, append(value[:0], p.value...)
			return
		}
		switch {
		case strings.TrimSpace(line) == "":
		case holdsText(current):
			r.problem(Problem{Part: part, Line: current.line, Field: current.name, Code: BareLineEnd})
			value = append(append(value, '\n'), line...)
		default:
			r.problem(Problem{Part: part, Line: number, Code: BrokenLine})
		}
	})
	end()
}

// logical calls f with each line of a calendar with its folds undone (RFC 5545
// 3.1), and with the number of its first physical line.
func logical(text string, f func(line string, number int)) {
	var line []byte
	number, first := 0, 0
	soft := false // vCalendar 1.0: quoted-printable goes on behind "="
	for len(text) > 0 {
		number++
		var next string
		if i := strings.IndexAny(text, "\r\n"); i < 0 {
			next, text = text, ""
		} else {
			next = text[:i]
			if strings.HasPrefix(text[i:], "\r\n") {
				i++
			}
			text = text[i+1:]
		}
		switch {
		case soft:
			line = append(line[:len(line)-1], next...)
		case first > 0 && next != "" && (next[0] == ' ' || next[0] == '\t'):
			line = append(line, next[1:]...)
		default:
			if first > 0 {
				f(string(line), first)
			}
			line, first = append(line[:0], next...), number
		}
		soft = strings.HasSuffix(next, "=") && isQuotedPrintable(line)
	}
	if first > 0 {
		f(string(line), first)
	}
}

// isQuotedPrintable reports whether a line is a property that vCalendar 1.0
// encodes.
func isQuotedPrintable(line []byte) bool {
	head, _, _ := strings.Cut(string(line[:min(len(line), 200)]), ":")
	return strings.Contains(strings.ToUpper(head), "QUOTED-PRINTABLE")
}

// contentLine takes NAME *(";" PARAM) ":" VALUE apart.
func contentLine(line string) (property, bool) {
	line = strings.TrimPrefix(line, "\uFEFF")
	end := 0
	for end < len(line) && (line[end] == '-' || line[end] >= '0' && line[end] <= '9' || line[end]|0x20 >= 'a' && line[end]|0x20 <= 'z') {
		end++
	}
	name := line[:end]
	rest := strings.TrimLeft(line[len(name):], " \t")
	if name == "" || rest == "" || rest[0] != ':' && rest[0] != ';' {
		return property{}, false
	}
	p := property{name: strings.ToUpper(name)}
	colon := valueAt(rest)
	if colon < 0 {
		return property{}, false
	}
	p.value = rest[colon+1:]
	if colon > 0 {
		p.params = parameters(rest[1:colon])
	}
	if strings.EqualFold(p.params["ENCODING"], "QUOTED-PRINTABLE") {
		raw, _ := fromQuotedPrintable([]byte(p.value))
		p.value = string(raw)
	}
	return p, true
}

// valueAt finds the colon before the value: not one within quotes, unless a
// quote is never closed.
func valueAt(s string) int {
	quoted := false
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '"':
			quoted = !quoted
		case ':':
			if !quoted {
				return i
			}
		}
	}
	return strings.IndexByte(s, ':')
}

// parameters reads NAME=VALUE;NAME="VALUE"… with the escapes of RFC 6868. Of a
// list of values the commas stay.
func parameters(s string) map[string]string {
	params := map[string]string{}
	for len(s) > 0 && len(params) < 64 {
		end, quoted := len(s), false
		for i := 0; i < len(s); i++ {
			if s[i] == '"' {
				quoted = !quoted
			} else if s[i] == ';' && !quoted {
				end = i
				break
			}
		}
		name, value, _ := strings.Cut(s[:end], "=")
		value = strings.ReplaceAll(value, `"`, "")
		if strings.Contains(value, "^") {
			value = strings.NewReplacer("^n", "\n", "^N", "\n", "^'", `"`, "^^", "^").Replace(value)
		}
		params[strings.ToUpper(strings.TrimSpace(name))] = value
		s = s[min(end+1, len(s)):]
	}
	return params
}

// isKnown reports whether a name is a property of RFC 5545, 7986, 9073 or of
// vCalendar 1.0, or an extension. A word before a colon in a text is none.
func isKnown(name string) bool {
	if strings.HasPrefix(name, "X-") {
		return true
	}
	return slices.Contains([]string{
		"BEGIN", "END", "CALSCALE", "METHOD", "PRODID", "VERSION", "ATTACH", "CATEGORIES", "CLASS", "COMMENT", "DESCRIPTION", "GEO", "LOCATION",
		"PERCENT-COMPLETE", "PRIORITY", "RESOURCES", "STATUS", "SUMMARY", "COMPLETED", "DTEND", "DUE", "DTSTART", "DURATION", "FREEBUSY", "TRANSP",
		"TZID", "TZNAME", "TZOFFSETFROM", "TZOFFSETTO", "TZURL", "ATTENDEE", "CONTACT", "ORGANIZER", "RECURRENCE-ID", "RELATED-TO", "URL", "UID",
		"EXDATE", "EXRULE", "RDATE", "RRULE", "ACTION", "REPEAT", "TRIGGER", "CREATED", "DTSTAMP", "LAST-MODIFIED", "SEQUENCE", "REQUEST-STATUS",
		"NAME", "REFRESH-INTERVAL", "SOURCE", "COLOR", "IMAGE", "CONFERENCE", "ACKNOWLEDGED", "PROXIMITY", "LOCATION-TYPE", "PARTICIPANT-TYPE",
		"RESOURCE-TYPE", "CALENDAR-ADDRESS", "STYLED-DESCRIPTION", "STRUCTURED-DATA", "CONCEPT", "LINK", "REFID", "BUSYTYPE", "DALARM", "AALARM",
		"RNUM", "TZ", "DAYLIGHT", "DCREATED",
	}, name)
}

// holdsText reports whether a property's value is text that a bare line end
// may have been left in.
func holdsText(p *property) bool {
	return p != nil && (strings.HasPrefix(p.name, "X-") || slices.Contains([]string{"DESCRIPTION", "SUMMARY", "LOCATION", "COMMENT", "CONTACT", "STYLED-DESCRIPTION", "URL", "CONFERENCE"}, p.name))
}

// unescaped undoes the escapes of a text (RFC 5545 3.3.11). Some producers
// escape colons too.
func unescaped(v string) string {
	if !strings.Contains(v, `\`) {
		return v
	}
	return strings.NewReplacer(`\n`, "\n", `\N`, "\n", `\,`, ",", `\;`, ";", `\:`, ":", `\"`, `"`, `\\`, `\`).Replace(v)
}
