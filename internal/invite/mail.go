package invite

import (
	"bytes"
	"html"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/koyomi-cal/koyomi/internal/detect"
)

// message is one mail being read: what its parts hold.
type message struct {
	*reader
	events []Event // of its calendars, each meeting once
	inner  []attached
}

// attached is a mail within a mail.
type attached struct {
	data  []byte
	part  string
	depth int
}

// body is a piece of a mail's text as its reader sees it.
type body struct {
	text string
	html bool
}

// entity is a part: its header, its kind and its content as transferred.
type entity struct {
	header  header
	media   string
	params  map[string]string
	content []byte
	part    string
	depth   int
}

// mail reads a mail: its calendars' events, with the mail's body for the
// first of them, or else one event of subject and body. Mails attached to it
// follow.
func (r *reader) mail(data []byte, part string, depth int) {
	m := &message{reader: r}
	e := m.entity(data, part, depth, "text/plain")
	text := join(m.walk(e))
	subject := r.text(e.header, "subject", part)
	if len(m.events) == 0 && (text.text != "" || subject != "" || len(m.inner) == 0) {
		m.events = []Event{m.plain(e, subject, text)}
	} else if text.text != "" {
		m.share(subject, text)
	}
	r.add(m.events...)
	for _, a := range m.inner {
		r.mail(a.data, a.part, a.depth)
	}
}

// plain is the event of a mail without a calendar.
func (m *message) plain(e entity, subject string, text body) Event {
	ev := Event{
		Part: e.part, Organizer: m.person(e.header, "from", e.part),
		Input: detect.Input{ID: strings.Trim(e.header["message-id"], "<> "), Subject: subject, Body: text.text, BodyType: bodyText},
	}
	if text.html {
		ev.Input.BodyType = bodyHTML
		return ev
	}
	_, ev.Input.Location = labelled(text.text)
	return ev
}

// share gives the mail's text to the event that it is about: the first that is
// no exception of a series. The event's own description stays beside it.
func (m *message) share(subject string, text body) {
	to := &m.events[0]
	for i := range m.events {
		if m.events[i].RecurrenceID.Value == "" {
			to = &m.events[i]
			break
		}
	}
	to.Input.Subject = orElse(to.Input.Subject, subject)
	if to.Input.Body != "" {
		if to.Input.Properties == nil {
			to.Input.Properties = map[string]string{}
		}
		if to.Input.BodyType == bodyHTML {
			to.Input.Properties["X-ALT-DESC"] = to.Input.Body // the property that detect reads as HTML
		} else {
			to.Input.Properties["DESCRIPTION"] = escaped(to.Input.Body)
		}
	}
	to.Input.Body, to.Input.BodyType, to.BodyFrom = text.text, bodyText, string(Mail)
	if text.html {
		to.Input.BodyType = bodyHTML
	}
}

// join puts a mail's pieces of text together. Plain pieces among HTML become
// HTML.
func join(pieces []body) body {
	out := body{html: isRich(pieces)}
	var b strings.Builder
	for _, p := range pieces {
		if b.Len() > 0 {
			b.WriteByte('\n')
		}
		if out.html && !p.html {
			b.WriteString("<pre>" + html.EscapeString(p.text) + "</pre>")
		} else {
			b.WriteString(p.text)
		}
	}
	out.text = clip(b.String())
	return out
}

// isRich reports whether there is HTML among the pieces.
func isRich(pieces []body) bool {
	return slices.ContainsFunc(pieces, func(p body) bool { return p.html })
}

// entity reads a part's header.
func (m *message) entity(data []byte, part string, depth int, otherwise string) entity {
	h, content := m.header(data, part)
	e := entity{header: h, content: content, part: part, depth: depth}
	e.media, e.params = m.media(h, "content-type", part)
	if !strings.Contains(e.media, "/") {
		e.media = otherwise
	}
	return e
}

// name returns the name of a part as a file.
func (m *message) name(e entity) string {
	_, p := m.media(e.header, "content-disposition", e.part)
	return strings.ToLower(orElse(p["filename"], e.params["name"]))
}

// walk goes through a part and all below it, keeps calendars and mails, and
// returns what a person reads of it as the mail's text.
func (m *message) walk(e entity) []body {
	if m.parts++; m.parts > maxParts {
		m.problem(Problem{Code: TooManyParts})
		return nil
	}
	if e.depth > maxDepth {
		m.problem(Problem{Part: e.part, Code: TooDeep})
		return nil
	}
	if kind, is := strings.CutPrefix(e.media, "multipart/"); is {
		return m.multipart(e, kind)
	}
	name := m.name(e)
	switch ext := path.Ext(name); {
	case e.media == "application/ms-tnef" || e.media == "application/vnd.ms-tnef" || name == "winmail.dat":
		m.problem(Problem{Part: e.part, Code: WinMail})
	case strings.HasSuffix(e.media, "/pkcs7-mime") || strings.HasSuffix(e.media, "/x-pkcs7-mime") || ext == ".p7m":
		code := Encrypted
		if strings.EqualFold(e.params["smime-type"], "signed-data") || strings.EqualFold(e.params["smime-type"], "clear-signed") {
			code = SignedOpaque
		}
		m.problem(Problem{Part: e.part, Code: code})
	case e.media == "message/rfc822" || e.media == "message/global":
		m.inner = append(m.inner, attached{m.decode(e), e.part, e.depth + 1})
	case e.media == "text/calendar", e.media == "application/ics", e.media == "text/x-vcalendar", ext == ".ics", ext == ".vcs":
		m.take(e)
	case e.media == "text/html", e.media == "text/plain", e.media == "text/enriched", e.media == "application/octet-stream", e.media == "text":
		return m.leaf(e)
	}
	return nil
}

// take keeps the events of a calendar part, each meeting once: most mails
// hold the same calendar as a part to show and as a file to save.
func (m *message) take(e entity) {
	events := m.calendar(m.unfolded(m.decode(e), e.params["charset"], e.part), e.part)
	before := m.events
	for _, ev := range events {
		known := slices.ContainsFunc(before, func(k Event) bool { return k.Input.ID != "" && k.Input.ID == ev.Input.ID })
		if known || len(m.events) == maxEvents {
			continue
		}
		ev.Method = orElse(ev.Method, strings.ToUpper(e.params["method"]))
		m.events = append(m.events, ev)
	}
}

// leaf reads a part of text, or one of which nothing is said. An attachment
// is no text of the mail, but may be a calendar under a wrong name.
func (m *message) leaf(e entity) []body {
	disposition, _ := m.media(e.header, "content-disposition", e.part)
	apart := disposition == "attachment" || e.media == "application/octet-stream"
	if apart && len(e.content) > maxText {
		return nil
	}
	data := m.decode(e)
	if calendarStart.Match(data[:min(len(data), 256)]) {
		m.take(e)
		return nil
	}
	if apart {
		return nil
	}
	if len(data) > maxText {
		m.problem(Problem{Part: e.part, Code: TooLong})
		data = data[:maxText]
	}
	label := e.params["charset"]
	if e.media == "text/html" {
		if text := m.unicodeHTML(data, label, e.part); strings.TrimSpace(text) != "" {
			return []body{{text, true}}
		}
		return nil
	}
	if text := m.unicode(data, label, e.part); strings.TrimSpace(text) != "" {
		return []body{{text, false}}
	}
	return nil
}

// multipart goes through the parts of a multipart (RFC 2046 5.1).
func (m *message) multipart(e entity, kind string) []body {
	if kind == "encrypted" {
		m.problem(Problem{Part: e.part, Code: Encrypted})
		return nil
	}
	otherwise := "text/plain"
	if kind == "digest" {
		otherwise = "message/rfc822"
	}
	var all []body
	for i, data := range m.split(e) {
		place := strconv.Itoa(i + 1)
		if e.part != "" {
			place = e.part + "." + place
		}
		child := m.entity(data, place, e.depth+1, otherwise)
		switch got := m.walk(child); {
		case len(got) == 0:
		case kind == "alternative":
			// The last one that can be shown is the richest (5.1.4); programs
			// that put HTML first mean the HTML all the same.
			if isRich(got) || !isRich(all) {
				all = got
			}
		case kind == "related" && len(all) > 0, kind == "signed" && i > 0:
			// What the first part refers to, and the signature.
		default:
			all = append(all, got...)
		}
		if m.parts > maxParts {
			break
		}
	}
	return all
}

// split cuts a multipart's content at its boundary.
func (m *message) split(e entity) [][]byte {
	content := e.content
	boundary := strings.TrimRight(e.params["boundary"], " ")
	if boundary == "" {
		m.problem(Problem{Part: e.part, Field: "Content-Type", Code: NoBoundary})
		line, _ := cutLine(bytes.TrimLeft(content, "\r\n \t"))
		if !bytes.HasPrefix(line, []byte("--")) || len(line) < 3 {
			return nil
		}
		boundary = strings.TrimRight(string(line[2:]), " \t")
	}
	marker := []byte("--" + boundary)
	var parts [][]byte
	start, closed := -1, false
	for at := 0; at < len(content) && !closed && len(parts) <= maxParts; {
		i := bytes.Index(content[at:], marker)
		if i < 0 {
			break
		}
		i += at
		at = i + len(marker)
		if i > 0 && content[i-1] != '\n' {
			continue
		}
		line, rest := cutLine(content[at:])
		tail := bytes.TrimRight(line, " \t")
		if closed = bytes.HasPrefix(tail, []byte("--")); !closed && len(tail) > 0 {
			continue // a longer boundary, of a part further in
		}
		if start >= 0 {
			parts = append(parts, lastLineEnd(content[start:i]))
		}
		start = len(content) - len(rest)
	}
	if !closed {
		m.problem(Problem{Part: e.part, Code: Unclosed, Detail: "multipart"})
		if start >= 0 && start < len(content) {
			parts = append(parts, content[start:])
		}
	}
	return parts
}

// lastLineEnd takes off the line end that belongs to the boundary behind it.
func lastLineEnd(b []byte) []byte {
	return bytes.TrimSuffix(bytes.TrimSuffix(b, []byte("\n")), []byte("\r"))
}

// decode undoes the transfer encoding (RFC 2045 6). What is broken in it is
// passed over.
func (m *message) decode(e entity) []byte {
	name := strings.ToLower(strings.TrimSpace(e.header["content-transfer-encoding"]))
	name, _, _ = strings.Cut(name, ";")
	var out []byte
	var whole bool
	switch name {
	case "base64":
		out, whole = fromBase64(e.content)
	case "quoted-printable":
		out, whole = fromQuotedPrintable(e.content)
	case "", "7bit", "8bit", "binary", "utf-8", "7-bit", "8-bit":
		return e.content
	default:
		m.problem(Problem{Part: e.part, Field: "Content-Transfer-Encoding", Code: UnknownEncoding, Detail: name[:min(len(name), 40)]})
		return e.content
	}
	if !whole {
		m.problem(Problem{Part: e.part, Code: BrokenEncoding, Detail: name})
	}
	return out
}
