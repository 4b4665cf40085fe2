// Package invite reads what people have at hand of an invitation and makes of
// it what package detect reads: a mail as saved (.eml, RFC 5322 with MIME), a
// calendar file (.ics, RFC 5545), pasted HTML or pasted text. It recognises
// which of them it is by the content, never by a file's name.
//
// [Read] returns one [Event] for each event of the document: several where a
// calendar file holds a series and its exceptions or several meetings. An
// event carries the [detect.Input] and the facts that help a person to
// recognise the meeting: organizer, start and end as written, method.
//
// Real invitations are broken in many ways: mail programs that forget an
// encoded word's end, calendars with bare line breaks, lying character sets,
// mails cut off in the middle. So the readers here never give up over one
// mistake: what cannot be read is named with its place as a [Problem], and
// everything else is read. General libraries for both formats were tried and
// refuse the whole document over one line; hence own readers, on top of the
// standard library and of x/text's character sets.
//
// Nothing is opened that would need a key or a program: encrypted mails,
// opaque signatures and winmail.dat are named and left alone. The package is
// pure, and linear in the size of the document, which is bounded, as are
// depth, parts and events.
package invite

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/koyomi-cal/koyomi/internal/detect"
)

// The bounds of what is read.
const (
	MaxDocument = 32 << 20 // bytes of a document
	maxText     = 8 << 20  // bytes of one text or calendar within it, decoded
	maxHeader   = 256 << 10
	maxDepth    = 16  // parts within parts, mails within mails, components within components
	maxParts    = 500 // of all mails in a document
	maxEvents   = 500
	maxProblems = 50
	maxAlike    = 10 // problems of one code
)

// The kinds of a body, as [detect.Input] has them.
const (
	bodyText = "text"
	bodyHTML = "html"
)

// Kind says what a document is.
type Kind string

// The kinds.
const (
	Mail     Kind = "mail"
	Calendar Kind = "calendar"
	HTML     Kind = "html"
	Text     Kind = "text"
)

// Document is what was read.
type Document struct {
	Kind     Kind
	Events   []Event   // at least one
	Problems []Problem // what could not be read, in the order of the document
}

// Event is one event with what is known about it.
type Event struct {
	Input detect.Input // its ID is the UID, of an exception with its RECURRENCE-ID, or the mail's Message-ID

	Part         string // place of the MIME part it comes from, such as "1.2"; empty: the document itself
	BodyFrom     string // what Input.Body is: "mail" or the name of a calendar property; empty: the document itself
	Method       string // REQUEST, CANCEL and so on; empty of what is no scheduling message
	Status       string // STATUS: CONFIRMED, TENTATIVE or CANCELLED
	Organizer    Person // of a mail without an event its sender
	Attendees    int
	Start, End   Moment
	Duration     string // DURATION as written, where there is no end
	Recurrence   string // RRULE as written
	RecurrenceID Moment // which occurrence of a series this is
}

// Person is somebody named in an invitation.
type Person struct{ Name, Address string }

// Moment is a date, or a date and time, as an invitation writes it: a time in
// a zone stays a time in that zone.
type Moment struct {
	Value  string // "2026-01-05T10:00:00", "2026-01-05" of a whole day, or as written where it is neither; empty: none
	Zone   string // TZID, "UTC", or empty: wherever the reader is
	Offset string // what the invitation says of the zone, such as "+09:00" or "+01:00/+02:00"; may be empty
}

// Code says what could not be read, for programs and translators.
type Code string

// The codes. Each has its English sentence in [Problem.String].
const (
	WinMail         Code = "winmail"          // TNEF, an Outlook format
	Encrypted       Code = "encrypted"        // S/MIME or OpenPGP
	SignedOpaque    Code = "signed-opaque"    // S/MIME with the text inside the signature
	TooDeep         Code = "too-deep"         // more than maxDepth
	TooManyParts    Code = "too-many-parts"   // more than maxParts
	TooManyEvents   Code = "too-many-events"  // more than maxEvents
	TooLong         Code = "too-long"         // cut at maxText or maxHeader
	UnknownCharset  Code = "unknown-charset"  // read as ASCII
	GuessedCharset  Code = "guessed-charset"  // none was named, or not that one
	UnknownEncoding Code = "unknown-encoding" // Content-Transfer-Encoding
	BrokenEncoding  Code = "broken-encoding"  // base64 or quoted-printable
	BrokenHeader    Code = "broken-header"    // a line that is no header field
	BrokenField     Code = "broken-field"     // a header field or property whose value cannot be read
	BrokenLine      Code = "broken-line"      // a calendar line that is no property
	BareLineEnd     Code = "bare-line-end"    // a calendar text with a line end that is not escaped
	Unclosed        Code = "unclosed"         // a component or multipart without its end
	NoBoundary      Code = "no-boundary"      // multipart without a boundary parameter
	NoEvent         Code = "no-event"         // a calendar without an event
)

// Problem is something that could not be read, or not as it stands. It names
// the place and never repeats content.
type Problem struct {
	Part   string // place of the MIME part, such as "1.2"; empty: the document itself
	Line   int    // within the calendar, from 1; 0: not known
	Field  string // header field, parameter or property
	Code   Code
	Detail string // such as the name of a character set
}

// String returns one sentence in English.
func (p Problem) String() string {
	var where []string
	if p.Part != "" {
		where = append(where, "part "+p.Part)
	}
	if p.Line > 0 {
		where = append(where, "line "+strconv.Itoa(p.Line))
	}
	if p.Field != "" {
		where = append(where, p.Field)
	}
	text := p.Code.sentence()
	if p.Detail != "" {
		text = strings.Replace(text, "%", p.Detail, 1)
	}
	if len(where) == 0 {
		return text
	}
	return strings.Join(where, ", ") + ": " + text
}

// sentence is the English of a code; "%" stands for the detail.
func (c Code) sentence() string {
	switch c {
	case WinMail:
		return "winmail.dat (TNEF) is not opened: have the sender send the invitation as HTML or plain text"
	case Encrypted:
		return "this part is encrypted and not opened"
	case SignedOpaque:
		return "the text is inside an S/MIME signature and not opened"
	case TooDeep:
		return "nested more than " + strconv.Itoa(maxDepth) + " deep; what is further down is left out"
	case TooManyParts:
		return "more than " + strconv.Itoa(maxParts) + " parts; the rest is left out"
	case TooManyEvents:
		return "more than " + strconv.Itoa(maxEvents) + " events; the rest is left out"
	case TooLong:
		return "too long; the rest of it is left out"
	case UnknownCharset:
		return "the character set % is not known; only ASCII is read"
	case GuessedCharset:
		return "the text is not in the character set that it says, or says none; read as %"
	case UnknownEncoding:
		return "the transfer encoding % is not known"
	case BrokenEncoding:
		return "the % is broken in places; the rest is read"
	case BrokenHeader:
		return "a line that is no header field is left out"
	case BrokenField:
		return "the value cannot be read"
	case BrokenLine:
		return "a line that is no property is left out"
	case BareLineEnd:
		return "a line end that is not escaped; what follows is read as part of the text"
	case Unclosed:
		return "the end of % is missing; read up to where the document ends"
	case NoBoundary:
		return "a multipart without its boundary; guessed from its first line"
	case NoEvent:
		return "a calendar without an event (VEVENT)"
	}
	return string(c)
}

// The errors of Read: nothing can be read at all.
var (
	ErrEmpty  = errors.New("there is nothing in it")
	ErrLarge  = fmt.Errorf("it is larger than %d MiB, which no invitation is", MaxDocument>>20)
	ErrBinary = errors.New("it is neither a mail nor a calendar nor text")
	ErrMSG    = errors.New("it is an Outlook .msg file: open it in Outlook and save the mail as .eml or the meeting as .ics, or paste its text")
	ErrEvents = errors.New("it is a calendar without an event (VEVENT)")
)

// Read reads a document. It returns an error only if there is nothing in it
// that could be an invitation; smaller trouble is in the document's problems.
func Read(data []byte) (*Document, error) {
	if len(data) > MaxDocument {
		return nil, ErrLarge
	}
	r := &reader{doc: &Document{}}
	if err := refuse(data); err != nil {
		return nil, err
	}
	data = fromUTF16(data)
	r.doc.Kind = recognise(data)
	switch r.doc.Kind {
	case Mail:
		r.mail(bytes.TrimLeft(data, "\r\n"), "", 0)
	case Calendar:
		r.add(r.calendar(r.unfolded(data, "", ""), "")...)
		if len(r.doc.Events) == 0 {
			return nil, ErrEvents
		}
	case HTML:
		r.add(Event{Input: detect.Input{Body: clip(r.unicodeHTML(fromClipboard(data), "", "")), BodyType: bodyHTML}})
	case Text:
		text := clip(r.unicode(data, "", ""))
		subject, location := labelled(text)
		r.add(Event{Input: detect.Input{Subject: subject, Location: location, Body: text, BodyType: bodyText}})
	}
	return r.doc, nil
}

// reader is one document being read.
type reader struct {
	doc   *Document
	parts int
}

func (r *reader) add(events ...Event) {
	for _, e := range events {
		if len(r.doc.Events) == maxEvents {
			r.problem(Problem{Part: e.Part, Code: TooManyEvents})
			return
		}
		r.doc.Events = append(r.doc.Events, e)
	}
}

// problem notes a problem, each once.
func (r *reader) problem(p Problem) {
	if len(r.doc.Problems) == maxProblems {
		return
	}
	alike := 0
	for _, q := range r.doc.Problems {
		if q == p {
			return
		}
		if q.Code == p.Code {
			alike++
		}
	}
	if alike == maxAlike {
		return
	}
	r.doc.Problems = append(r.doc.Problems, p)
}

// refuse says why something cannot be an invitation.
func refuse(data []byte) error {
	switch {
	case len(bytes.TrimSpace(data)) == 0:
		return ErrEmpty
	case bytes.HasPrefix(data, []byte("\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1")):
		return ErrMSG
	case bytes.HasPrefix(data, []byte("PK\x03\x04")), bytes.HasPrefix(data, []byte("%PDF-")):
		return ErrBinary
	case bytes.IndexByte(data[:min(len(data), 4096)], 0) >= 0 && !isUTF16(data):
		return ErrBinary
	}
	return nil
}

func clip(s string) string { return s[:min(len(s), maxText)] }
