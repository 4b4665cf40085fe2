package invite

import (
	"bytes"
	"regexp"
	"slices"
	"strings"
)

// recogniseWithin is how much of a document is looked at to recognise it.
const recogniseWithin = 64 << 10

var (
	// tag is one that HTML has and that nobody types into a text: "<https://…>"
	// and "<aya@example.com>" are none.
	tag = regexp.MustCompile(`(?i)<(?:!doctype|html|head|meta|body|div|p|span|table|tbody|tr|td|ul|ol|li|a|b|i|u|strong|em|font|br|hr|h[1-6]|style|img|center|pre|blockquote)(?:[\s/][^<>]*)?>`)
	// calendarStart is the first line of a calendar, or of a component that was
	// copied out of one.
	calendarStart = regexp.MustCompile(`(?i)^\s*BEGIN[ \t]*:[ \t]*(?:VCALENDAR|VEVENT)[ \t]*(?:[\r\n]|$)`)
	headerName    = regexp.MustCompile(`^([!-9;-~]+)[ \t]*:`)
)

// recognise says what a document is by its beginning.
func recognise(data []byte) Kind {
	head := bytes.TrimPrefix(data[:min(len(data), recogniseWithin)], []byte("\xef\xbb\xbf"))
	switch {
	case calendarStart.Match(head):
		return Calendar
	case isMail(head):
		return Mail
	case isHTML(string(head)):
		return HTML
	}
	// A calendar below a line or two, as pasted from a chat.
	if i := bytes.Index(head, []byte("\nBEGIN:VCALENDAR")); i >= 0 && i < 1024 {
		return Calendar
	}
	return Text
}

// isHTML reports whether a text is HTML.
func isHTML(text string) bool {
	return tag.MatchString(text[:min(len(text), recogniseWithin)])
}

// isMail reports whether a document begins with the header of a mail: with
// fields that only transport writes, or with the sender and a further one.
func isMail(head []byte) bool {
	sure, likely := false, 0
	for i, line := range headerLines(head) {
		if i == 0 && isEnvelope(line) {
			continue
		}
		m := headerName.FindSubmatch(line)
		if m == nil {
			if i < 2 {
				return false
			}
			continue
		}
		switch name := strings.ToLower(string(m[1])); {
		case slices.Contains([]string{"mime-version", "content-type", "received", "message-id", "return-path", "delivered-to", "dkim-signature", "content-class", "thread-topic", "thread-index"}, name):
			sure = true
		case name == "from":
			likely += 2
		case slices.Contains([]string{"to", "cc", "date", "subject", "reply-to", "sender"}, name):
			likely++
		}
	}
	return sure || likely >= 3
}

// headerLines returns the lines of a header with continuations joined to
// them, at most 200 of them.
func headerLines(head []byte) [][]byte {
	var lines [][]byte
	head = bytes.TrimLeft(head, "\r\n")
	for len(head) > 0 && len(lines) < 200 {
		var line []byte
		line, head = cutLine(head)
		if len(line) == 0 {
			break
		}
		if (line[0] == ' ' || line[0] == '\t') && len(lines) > 0 {
			continue
		}
		lines = append(lines, line)
	}
	return lines
}

// cutLine returns the first line without its end (CRLF, LF or CR), and the
// rest.
func cutLine(data []byte) (line, rest []byte) {
	i := bytes.IndexByte(data, '\n')
	if i < 0 {
		return bytes.TrimSuffix(data, []byte("\r")), nil
	}
	return bytes.TrimSuffix(data[:i], []byte("\r")), data[i+1:]
}

// fromClipboard takes the header off HTML as it comes from the Windows
// clipboard ("HTML Format").
func fromClipboard(data []byte) []byte {
	head := data[:min(len(data), 512)]
	if !bytes.HasPrefix(head, []byte("Version:")) || !bytes.Contains(head, []byte("StartHTML:")) {
		return data
	}
	if i := bytes.IndexByte(data, '<'); i >= 0 {
		return data[i:]
	}
	return data
}

// labelled reads the subject and the location out of a text whose first lines
// name them, as calendar programs write it into mails and as people paste it.
func labelled(text string) (subject, location string) {
	for range 40 {
		line, rest, more := strings.Cut(text, "\n")
		text = rest
		label, value, ok := strings.Cut(strings.Replace(line, "：", ":", 1), ":")
		if value = strings.TrimSpace(value); ok && value != "" && len(label) < 40 {
			switch strings.ToLower(strings.Trim(label, " \t*_#-•")) {
			case "subject", "title", "件名", "タイトル", "betreff", "objet", "asunto", "主题", "主題":
				subject = orElse(subject, value)
			case "location", "where", "場所", "ort", "wo", "lieu", "où", "lugar", "ubicación", "dónde", "地点", "位置", "地點":
				location = orElse(location, value)
			}
		}
		if !more {
			break
		}
	}
	return subject, location
}

func orElse(a, b string) string {
	if a != "" {
		return a
	}
	return b
}
