package seal

import (
	"fmt"
	"strconv"
	"strings"
)

// The parts of an item.
const (
	PartHead     = "h" // what a list shows: subject, times, join details
	PartBody     = "b" // notes and attendees
	PartManifest = "m" // what a calendar consists of
	PartCommand  = "c" // a request from the app to the connector
	PartResult   = "r" // its answer
	PartPresence = "n" // out of office
)

// maxInt is the largest integer in a header: what a browser can count to.
const maxInt = 1<<53 - 1

// Header is what a sealed part says about itself, in clear and bound to the
// text: the kid and the "hc" of the JWE's header.
type Header struct {
	KeyID      string // kms:AUTHORITY/UUID
	Org        string // the organisation, 16 bytes in base64url
	Resource   string // the calendar, 16 bytes in base64url
	Item       string // the meeting in this calendar, see [ItemID]
	Part       string // one of the Part constants
	Rev        int64  // revision, from 1
	Generation int64  // of the calendar: raised when everything is sealed anew
}

// check reports whether the header is in form, with ErrMalformed.
func (h Header) check() error {
	bad := func(what string) error { return fmt.Errorf("%w: header's %s is out of form", ErrMalformed, what) }
	switch {
	case !validKeyID(h.KeyID):
		return bad("kid")
	case !validID(h.Org):
		return bad("organisation")
	case !validID(h.Resource):
		return bad("resource")
	case !validID(h.Item):
		return bad("item")
	case len(h.Part) != 1 || !strings.Contains("hbmcrn", h.Part):
		return bad("part")
	case h.Rev < 1 || h.Rev > maxInt:
		return bad("revision")
	case h.Generation < 0 || h.Generation > maxInt:
		return bad("generation")
	}
	return nil
}

// matches compares a header with what a reader asked for.
func (h Header) matches(want Header) error {
	switch {
	case h.Org != want.Org, h.Resource != want.Resource, h.Item != want.Item, h.Part != want.Part:
		return ErrContext
	case want.Rev != 0 && h.Rev != want.Rev, want.Generation != 0 && h.Generation != want.Generation:
		return ErrContext
	case want.KeyID != "" && h.KeyID != want.KeyID:
		return ErrKey
	}
	return nil
}

// appendJSON writes the header in the order of the package comment. Its fields
// need no escaping: check admits none that would.
func (h Header) appendJSON(b []byte) []byte {
	b = append(b, `{"alg":"dir","enc":"A256GCM","kid":"`...)
	b = append(b, h.KeyID...)
	b = append(b, `","typ":"koyomi+jwe","hc":{"o":"`...)
	b = append(b, h.Org...)
	b = append(b, `","r":"`...)
	b = append(b, h.Resource...)
	b = append(b, `","i":"`...)
	b = append(b, h.Item...)
	b = append(b, `","p":"`...)
	b = append(b, h.Part...)
	b = append(b, `","v":`...)
	b = strconv.AppendInt(b, h.Rev, 10)
	b = append(b, `,"g":`...)
	b = strconv.AppendInt(b, h.Generation, 10)
	return append(b, `}}`...)
}

// validID reports whether s is 16 bytes in canonical base64url.
func validID(s string) bool {
	var b [17]byte
	if len(s) != 22 {
		return false
	}
	n, err := encoding.Decode(b[:], []byte(s))
	return err == nil && n == 16
}

// validKeyID reports whether s is kms:AUTHORITY/UUID, the UUID in lower case.
func validKeyID(s string) bool {
	rest, ok := strings.CutPrefix(s, "kms:")
	authority, id, slash := strings.Cut(rest, "/")
	if !ok || !slash || !validID(authority) || len(id) != 36 {
		return false
	}
	for i := range len(id) {
		c := id[i]
		switch i {
		case 8, 13, 18, 23:
			if c != '-' {
				return false
			}
		default:
			if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
				return false
			}
		}
	}
	return true
}

// parseHeader reads a JWE header strictly: the fields of the package comment,
// each once, in any order, with nothing else. The general decoder would take a
// field twice or in another case; this one has no room for two readings.
func parseHeader(raw []byte) (h Header, err error) {
	s := scanner{text: raw}
	var alg, enc, typ string
	hc := false
	s.object(func(name string) {
		switch name {
		case "alg":
			alg = s.str()
		case "enc":
			enc = s.str()
		case "typ":
			typ = s.str()
		case "kid":
			h.KeyID = s.str()
		case "hc":
			hc = true
			s.object(func(name string) {
				switch name {
				case "o":
					h.Org = s.str()
				case "r":
					h.Resource = s.str()
				case "i":
					h.Item = s.str()
				case "p":
					h.Part = s.str()
				case "v":
					h.Rev = s.integer()
				case "g":
					h.Generation = s.integer()
				default:
					s.fail()
				}
			}, 6)
		default:
			s.fail()
		}
	}, 5)
	switch {
	case s.bad || s.pos != len(raw):
		return Header{}, fmt.Errorf("%w: header has another form", ErrMalformed)
	case alg != "dir" || enc != "A256GCM" || typ != "koyomi+jwe" || !hc:
		return Header{}, fmt.Errorf("%w: another algorithm or type", ErrMalformed)
	}
	return h, h.check()
}

// scanner reads the little JSON that a header may be: objects with a fixed
// number of distinct fields, strings without escapes, integers, no white space.
type scanner struct {
	text []byte
	pos  int
	bad  bool
}

func (s *scanner) fail() { s.bad = true }

func (s *scanner) take(c byte) bool {
	if s.bad || s.pos >= len(s.text) || s.text[s.pos] != c {
		s.bad = true
		return false
	}
	s.pos++
	return true
}

// object reads exactly n fields, no name twice.
func (s *scanner) object(field func(name string), n int) {
	s.take('{')
	var seen [8]string
	for i := range n {
		if i > 0 {
			s.take(',')
		}
		name := s.str()
		s.take(':')
		for _, old := range seen[:i] {
			if old == name {
				s.fail()
			}
		}
		if s.bad {
			return
		}
		seen[i] = name
		field(name)
	}
	s.take('}')
}

// str reads a string of printable ASCII without quotes and backslashes.
func (s *scanner) str() string {
	if !s.take('"') {
		return ""
	}
	start := s.pos
	for s.pos < len(s.text) {
		switch c := s.text[s.pos]; {
		case c == '"':
			s.pos++
			return string(s.text[start : s.pos-1])
		case c < 0x20 || c > 0x7e || c == '\\':
			s.fail()
			return ""
		}
		s.pos++
	}
	s.fail()
	return ""
}

// integer reads a whole number without sign, leading zero, fraction or exponent.
func (s *scanner) integer() int64 {
	start := s.pos
	for s.pos < len(s.text) && s.text[s.pos] >= '0' && s.text[s.pos] <= '9' {
		s.pos++
	}
	digits := s.text[start:s.pos]
	if len(digits) == 0 || len(digits) > 16 || len(digits) > 1 && digits[0] == '0' {
		s.fail()
		return 0
	}
	var n int64
	for _, d := range digits {
		n = n*10 + int64(d-'0')
	}
	return n
}
