package wire

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// next reads up to and including the next start tag, end tag or piece of text.
// Of a text, nothing is taken yet: that is for takeText, or else the next
// call passes over it.
func (s *Scanner) next() event {
	if s.err != nil {
		return eventStop
	}
	if s.empty {
		s.close()
		return eventEnd
	}
	s.text = ""
	for {
		if s.pos >= len(s.s) {
			return s.end()
		}
		if s.s[s.pos] != '<' {
			i := strings.IndexByte(s.s[s.pos:], '<')
			if i < 0 {
				return s.end()
			}
			s.text, s.raw, s.fresh = s.s[s.pos:s.pos+i], true, false
			s.pos += i
			if len(s.open) > 0 {
				return eventText
			}
			if strings.TrimSpace(s.text) != "" {
				s.pos -= i
				return s.malformed("text outside the root element")
			}
			continue
		}
		if ev, ok := s.markup(); ok {
			return ev
		}
	}
}

// takeText returns the text that next came upon, its references resolved.
func (s *Scanner) takeText() string {
	if s.raw {
		return unescape(s.text)
	}
	return s.text
}

// end checks that the document is over where the bytes are.
func (s *Scanner) end() event {
	if len(s.open) > 0 {
		return s.stop(ErrTruncated)
	}
	rest := strings.TrimSpace(s.s[s.pos:])
	switch {
	case !s.rooted && rest == "":
		return s.stop(ErrTruncated)
	case rest != "":
		return s.malformed("text outside the root element")
	}
	return eventStop
}

// markup reads one piece of markup, at whose '<' the scanner is, and reports
// whether it is more than a comment.
func (s *Scanner) markup() (event, bool) {
	rest := s.s[s.pos:]
	if len(rest) < 2 {
		return s.stop(ErrTruncated), true
	}
	switch rest[1] {
	case '/':
		return s.endTag(), true
	case '?':
		return s.skip("<?", "?>")
	case '!':
		switch {
		case strings.HasPrefix(rest, "<!--"):
			return s.skip("<!--", "-->")
		case strings.HasPrefix(rest, "<![CDATA["):
			return s.cdata()
		case partial(rest, "<!--"), partial(rest, "<![CDATA["):
			return s.stop(ErrTruncated), true
		}
		return s.malformed("a DOCTYPE or declaration, which is refused"), true
	}
	return s.startTag(), true
}

// partial reports whether s is a true beginning of the token.
func partial(s, token string) bool { return len(s) < len(token) && strings.HasPrefix(token, s) }

// skip passes over a construct, whose inside is then in s.text.
func (s *Scanner) skip(begin, end string) (event, bool) {
	start := s.pos + len(begin)
	i := strings.Index(s.s[start:], end)
	if i < 0 {
		return s.stop(ErrTruncated), true
	}
	s.text = s.s[start : start+i]
	s.pos = start + i + len(end)
	s.fresh = false
	return eventText, false
}

// cdata takes the content of a CDATA section as text.
func (s *Scanner) cdata() (event, bool) {
	if ev, failed := s.skip("<![CDATA[", "]]>"); failed {
		return ev, true
	}
	if len(s.open) == 0 {
		return s.malformed("CDATA outside the root element"), true
	}
	s.raw = false
	return eventText, true
}

// startTag reads a start tag or an empty element, and opens the element.
func (s *Scanner) startTag() event {
	start := s.pos
	s.pos++
	name, local, ev := s.name()
	if ev == eventStop {
		return ev
	}
	switch {
	case len(s.open) == 0 && s.rooted:
		s.pos = start
		return s.malformed("a second root element")
	case len(s.open) >= s.lim.Depth:
		return s.stop(fmt.Errorf("%w: elements nested deeper than %d", ErrTooLarge, s.lim.Depth))
	}
	s.open = append(s.open, frame{name: name, local: local, bindings: len(s.bindings)})
	s.rooted, s.fresh, s.empty = true, true, false
	s.attrs = s.attrs[:0]
	if s.used++; s.used > s.lim.Elements {
		return s.tooMany()
	}
	if s.s[s.pos] == '>' { // name leaves a byte
		s.pos++
		return eventStart
	}
	return s.attributes()
}

func (s *Scanner) tooMany() event {
	return s.stop(fmt.Errorf("%w: more than %d elements and attributes", ErrTooLarge, s.lim.Elements))
}

// attributes reads the attributes of a start tag up to and including its end.
func (s *Scanner) attributes() event {
	for {
		s.space()
		if s.pos >= len(s.s) {
			return s.stop(ErrTruncated)
		}
		switch s.s[s.pos] {
		case '>':
			s.pos++
			return eventStart
		case '/':
			if s.pos+1 >= len(s.s) {
				return s.stop(ErrTruncated)
			}
			if s.s[s.pos+1] != '>' {
				return s.malformed("a stray slash in a tag")
			}
			s.pos += 2
			s.empty = true
			return eventStart
		}
		if ev := s.attribute(); ev == eventStop {
			return ev
		}
	}
}

// attribute reads one name="value" and keeps it.
func (s *Scanner) attribute() event {
	name, local, ev := s.name()
	if ev == eventStop {
		return ev
	}
	value, ev := s.value()
	if ev == eventStop {
		return ev
	}
	if s.used++; s.used > s.lim.Elements {
		return s.tooMany()
	}
	switch {
	case name == "xmlns":
		s.bindings = append(s.bindings, binding{"", unescape(value)})
	case local == len("xmlns:") && name[:local] == "xmlns:":
		s.bindings = append(s.bindings, binding{name[local:], unescape(value)})
	default:
		s.attrs = append(s.attrs, Attr{Name: name, Value: value})
	}
	if len(s.bindings) > maxBindings {
		return s.stop(fmt.Errorf("%w: more than %d namespaces in scope", ErrTooLarge, maxBindings))
	}
	return eventText
}

// value reads the ="value" of an attribute, as written.
func (s *Scanner) value() (string, event) {
	s.space()
	if s.pos >= len(s.s) {
		return "", s.stop(ErrTruncated)
	}
	if s.s[s.pos] != '=' {
		return "", s.malformed("an attribute without a value")
	}
	s.pos++
	s.space()
	if s.pos >= len(s.s) {
		return "", s.stop(ErrTruncated)
	}
	quote := s.s[s.pos]
	if quote != '"' && quote != '\'' {
		return "", s.malformed("an attribute value without quotes")
	}
	s.pos++
	i := strings.IndexByte(s.s[s.pos:], quote)
	if i < 0 {
		return "", s.stop(ErrTruncated)
	}
	value := s.s[s.pos : s.pos+i]
	if strings.IndexByte(value, '<') >= 0 {
		return "", s.malformed("a '<' in an attribute value")
	}
	s.pos += i + 1
	return value, eventText
}

// endTag reads an end tag and closes the innermost element.
func (s *Scanner) endTag() event {
	start := s.pos
	s.pos += len("</")
	name, _, ev := s.name()
	if ev == eventStop {
		return ev
	}
	s.space()
	if s.pos >= len(s.s) {
		return s.stop(ErrTruncated)
	}
	if s.s[s.pos] != '>' {
		return s.malformed("an end tag that does not end")
	}
	s.pos++
	if len(s.open) == 0 || s.open[len(s.open)-1].name != name {
		s.pos = start
		return s.malformed("an end tag that closes nothing")
	}
	s.close()
	return eventEnd
}

// name reads a qualified name, and returns where its local part begins. There
// is at least one more byte after it.
func (s *Scanner) name() (name string, local int, ev event) {
	start, colons := s.pos, 0
	for s.pos < len(s.s) && isName(s.s[s.pos]) {
		if s.s[s.pos] == ':' {
			colons++
			local = s.pos + 1 - start
		}
		s.pos++
	}
	if s.pos >= len(s.s) {
		return "", 0, s.stop(ErrTruncated)
	}
	name = s.s[start:s.pos]
	if name == "" || name[0] <= ':' || local == len(name) || colons > 1 { // digits, '-' and '.' are below ':'
		s.pos = start
		return "", 0, s.malformed("a bad name")
	}
	return name, local, eventText
}

// isName reports whether the byte may be part of a name. Every byte of a
// character beyond ASCII may: names are compared, never shown.
func isName(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= ':' ||
		c == '_' || c == '-' || c == '.' || c >= utf8.RuneSelf
}

func (s *Scanner) space() {
	for s.pos < len(s.s) && (s.s[s.pos] == ' ' || s.s[s.pos] == '\n' || s.s[s.pos] == '\t' || s.s[s.pos] == '\r') {
		s.pos++
	}
}

// resolve splits a qualified name and looks its prefix up. An undeclared
// prefix stands for itself.
func (s *Scanner) resolve(qname string, element bool) (space, local string) {
	prefix, local, ok := strings.Cut(qname, ":")
	if !ok {
		prefix, local = "", qname
		if !element {
			return "", local
		}
	}
	for i := len(s.bindings) - 1; i >= 0; i-- {
		if s.bindings[i].prefix == prefix {
			return s.bindings[i].uri, local
		}
	}
	if prefix == "xml" {
		return NSXML, local
	}
	return prefix, local
}
