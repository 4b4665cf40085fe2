package detect

import (
	"bytes"
	"html"
	"sort"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/net/html/atom"
)

// flat is a field as a reader sees it: plain lines without markup, quoting
// marks, invisible characters or full-width forms, and beside them the links
// that markup hides behind other text.
type flat struct {
	field string
	text  []byte
	marks []mark
	links []link
	quote []span // what is quoted from an earlier mail
	urls  []span // links in the text
}

// mark says that text from here on stands at this place of the source.
type mark struct{ text, src uint32 }

// span is a half-open range of text.
type span struct{ from, to int }

// link is an anchor: the text between from and to leads to href.
type link struct {
	span
	href string
	src  span // of the attribute's value, in the source
}

// source returns where text[i] stands in the field as it came.
func (f *flat) source(i int) int {
	k := sort.Search(len(f.marks), func(k int) bool { return int(f.marks[k].text) > i }) - 1
	if k < 0 {
		return i
	}
	return int(f.marks[k].src) + i - int(f.marks[k].text)
}

// quoted reports whether text[i] is quoted from an earlier mail.
func (f *flat) quoted(i int) bool {
	k := sort.Search(len(f.quote), func(k int) bool { return f.quote[k].to > i })
	return k < len(f.quote) && f.quote[k].from <= i
}

// here marks that the next text stands at src.
func (f *flat) here(src int) {
	n := len(f.marks)
	if n > 0 && int(f.marks[n-1].src)+len(f.text)-int(f.marks[n-1].text) == src {
		return
	}
	if n > 0 && int(f.marks[n-1].text) == len(f.text) {
		n--
	}
	f.marks = append(f.marks[:n], mark{uint32(len(f.text)), uint32(src)})
}

// flattenText makes a flat of plain text.
func flattenText(field, src string) *flat {
	f := &flat{field: field, text: make([]byte, 0, len(src))}
	if !strings.Contains(src, "\n>") && !strings.HasPrefix(src, ">") {
		f.plain(src, 0)
		return f
	}
	for at := 0; at < len(src); {
		stop := len(src)
		if i := strings.IndexByte(src[at:], '\n'); i >= 0 {
			stop = at + i + 1
		}
		begin := at
		for begin < stop && (src[begin] == '>' || src[begin] == ' ' && begin > at) {
			begin++
		}
		if src[at] != '>' {
			begin = at
		}
		from := len(f.text)
		f.plain(src[begin:stop], begin)
		if begin > at {
			if n := len(f.quote); n > 0 && f.quote[n-1].to == from {
				f.quote[n-1].to = len(f.text)
			} else {
				f.quote = append(f.quote, span{from, len(f.text)})
			}
		}
		at = stop
	}
	return f
}

// plain appends text that stands at src: full-width forms become ASCII, blanks
// of all kinds a space, invisible characters nothing.
func (f *flat) plain(s string, src int) {
	f.here(src)
	for i := 0; i < len(s); {
		if s[i] < utf8.RuneSelf {
			n := 1
			for i+n < len(s) && s[i+n] < utf8.RuneSelf {
				n++
			}
			f.text = append(f.text, s[i:i+n]...)
			i += n
			continue
		}
		r, n := utf8.DecodeRuneInString(s[i:])
		switch {
		case r >= '！' && r <= '～':
			f.text = append(f.text, byte(r-'！'+'!'))
		case r == '\u2028' || r == '\u2029' || r == '\u0085':
			f.text = append(f.text, '\n')
		case invisible(r):
		case unicode.IsSpace(r):
			f.text = append(f.text, ' ')
		case r == '\u2010' || r == '\u2011' || r == '\u2012' || r == '\u2212':
			f.text = append(f.text, '-') // hyphens that stand in phone numbers
		default:
			f.text = append(f.text, s[i:i+n]...)
		}
		i += n
		f.here(src + i)
	}
}

// invisible reports whether a character leaves no trace on the page.
func invisible(r rune) bool {
	switch {
	case r == '\u00ad', r == '\u034f', r == '\u2060', r == '\ufeff', r >= '\u200b' && r <= '\u200f', r >= '\u202a' && r <= '\u202e', r >= '\u2066' && r <= '\u2069', r >= '\ufe00' && r <= '\ufe0f':
		return true
	}
	return false
}

// flattenHTML makes a flat of HTML. It is a scanner, not a parser: one pass,
// whatever is in it, and what is no markup is text.
func flattenHTML(field, src string) *flat {
	s := htmlScanner{flat: &flat{field: field, text: make([]byte, 0, len(src)/2)}, src: src, anchor: -1}
	for s.at < len(src) {
		i := strings.IndexByte(src[s.at:], '<')
		if i < 0 {
			s.textTo(len(src))
			break
		}
		s.textTo(s.at + i)
		s.tag()
	}
	s.closeAnchor()
	if len(s.quotes) > 0 {
		s.endQuote(0)
	}
	return s.flat
}

type htmlScanner struct {
	*flat
	src    string
	at     int
	anchor int // index in links of the open anchor, -1: none
	pre    int // depth of <pre>
	markup bool
	quotes []int // where open blockquotes began
}

// textTo appends src[at:to] as text.
func (s *htmlScanner) textTo(to int) {
	piece, at := s.src[s.at:to], s.at
	s.at = to
	if piece == "" {
		return
	}
	from := len(s.text)
	for piece != "" {
		i := strings.IndexByte(piece, '&')
		if i < 0 {
			s.plain(piece, at)
			break
		}
		s.plain(piece[:i], at)
		at, piece = at+i, piece[i:]
		n := entity(piece)
		s.plain(html.UnescapeString(piece[:n]), at)
		at, piece = at+n, piece[n:]
	}
	if s.pre == 0 && s.markup {
		for i := from; i < len(s.text); i++ {
			if c := s.text[i]; c == '\n' || c == '\r' {
				s.text[i] = ' '
			}
		}
	}
}

// entity returns the length of the entity that s begins with, 1 if it is only
// an ampersand.
func entity(s string) int {
	for i := 1; i < len(s) && i < 34; i++ {
		c := s[i]
		if c == ';' {
			return i + 1
		}
		if c != '#' && (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') {
			break
		}
	}
	return 1
}

// tag takes what begins with the "<" at the current place.
func (s *htmlScanner) tag() {
	rest := s.src[s.at:]
	switch {
	case strings.HasPrefix(rest, "<!--"):
		s.skip(rest, "-->")
	case strings.HasPrefix(rest, "<!"), strings.HasPrefix(rest, "<?"):
		s.skip(rest, ">")
	case len(rest) > 1 && isLetter(rest[1]) && !schemed(rest[1:]):
		s.startTag()
	case len(rest) > 2 && rest[1] == '/' && isLetter(rest[2]):
		s.endTag()
	default:
		s.plain("<", s.at)
		s.at++
	}
}

func (s *htmlScanner) skip(rest, until string) {
	s.markup = true
	if i := strings.Index(rest, until); i >= 0 {
		s.at += i + len(until)
	} else {
		s.at = len(s.src)
	}
}

func isLetter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }

// schemed reports whether text in angle brackets is an address, as plain text
// that was taken for HTML has it.
func schemed(s string) bool {
	n := min(len(s), 12)
	i := strings.Index(s[:n], ":")
	return i > 0 && (strings.HasPrefix(s[i:], "://") || strings.EqualFold(s[:i], "tel") || strings.EqualFold(s[:i], "sip") || strings.EqualFold(s[:i], "mailto"))
}

// name reads a tag's name.
func (s *htmlScanner) name() string {
	i := s.at
	for s.at < len(s.src) && s.src[s.at] != '>' && s.src[s.at] != '/' && s.src[s.at] > ' ' {
		s.at++
	}
	return s.src[i:s.at]
}

func (s *htmlScanner) endTag() {
	s.markup = true
	s.at += 2
	name := tagAtom(s.name())
	s.skip(s.src[s.at:], ">")
	switch name {
	case atom.A:
		s.closeAnchor()
	case atom.Pre:
		s.pre = max(s.pre-1, 0)
	case atom.Blockquote:
		if n := len(s.quotes); n > 0 {
			s.endQuote(n - 1)
		}
	}
	s.breakAt(name)
}

// endQuote closes the n-th open blockquote; only the outermost counts.
func (s *htmlScanner) endQuote(n int) {
	if n == 0 {
		s.quote = append(s.quote, span{s.quotes[0], len(s.text)})
	}
	s.quotes = s.quotes[:n]
}

// breakAt ends a line where a block begins or ends.
func (s *htmlScanner) breakAt(name atom.Atom) {
	var c byte
	switch name {
	case atom.P, atom.Div, atom.Br, atom.Tr, atom.Table, atom.Li, atom.Ul, atom.Ol, atom.H1, atom.H2, atom.H3, atom.H4, atom.H5, atom.H6, atom.Hr,
		atom.Blockquote, atom.Pre, atom.Section, atom.Article, atom.Header, atom.Footer, atom.Dt, atom.Dd, atom.Dl, atom.Center, atom.Body:
		c = '\n'
	case atom.Td, atom.Th:
		c = '\t'
	default:
		return
	}
	switch n := len(s.text); {
	case n == 0, s.text[n-1] == c, s.text[n-1] == '\n':
		return
	case s.text[n-1] == '\t':
		s.text[n-1] = c
		return
	}
	s.here(min(s.at, len(s.src)))
	s.text = append(s.text, c)
}

func tagAtom(name string) atom.Atom {
	var buf [16]byte
	if len(name) > len(buf) {
		return 0
	}
	b := buf[:len(name)]
	for i := range b {
		b[i] = name[i]
		if 'A' <= b[i] && b[i] <= 'Z' {
			b[i] |= 0x20
		}
	}
	return atom.Lookup(b)
}

func (s *htmlScanner) startTag() {
	s.markup = true
	s.at++
	name := tagAtom(s.name())
	s.breakAt(name)
	if name == atom.A || name == atom.Area {
		s.closeAnchor()
	}
	for s.attribute(name) {
	}
	switch name {
	case atom.Pre:
		s.pre++
	case atom.Blockquote:
		s.quotes = append(s.quotes, len(s.text))
	case atom.Script, atom.Style, atom.Title, atom.Noscript:
		s.raw(name.String())
	}
}

// raw skips the content of an element that holds no text.
func (s *htmlScanner) raw(name string) {
	for {
		i := strings.Index(s.src[s.at:], "</")
		if i < 0 {
			s.at = len(s.src)
			return
		}
		s.at += i
		if end := s.at + 2 + len(name); end <= len(s.src) && strings.EqualFold(s.src[s.at+2:end], name) {
			return
		}
		s.at += 2
	}
}

// attribute takes one attribute and reports whether the tag goes on.
func (s *htmlScanner) attribute(tag atom.Atom) bool {
	src := s.src
	for s.at < len(src) && (src[s.at] <= ' ' || src[s.at] == '/') {
		s.at++
	}
	if s.at >= len(src) || src[s.at] == '>' {
		s.at = min(s.at+1, len(src))
		return false
	}
	key := s.at
	for s.at < len(src) && src[s.at] != '=' && src[s.at] != '>' && src[s.at] != '/' && src[s.at] > ' ' {
		s.at++
	}
	name := src[key:s.at]
	if s.at == key {
		s.at++ // a stray "="
	}
	for s.at < len(src) && src[s.at] <= ' ' {
		s.at++
	}
	if s.at >= len(src) || src[s.at] != '=' {
		return true
	}
	s.at++
	for s.at < len(src) && src[s.at] <= ' ' {
		s.at++
	}
	from, to := s.value()
	if (tag == atom.A || tag == atom.Area) && s.anchor < 0 && strings.EqualFold(name, "href") {
		s.openAnchor(from, to)
	}
	return true
}

// value takes an attribute's value.
func (s *htmlScanner) value() (from, to int) {
	src := s.src
	if s.at < len(src) && (src[s.at] == '"' || src[s.at] == '\'') {
		from = s.at + 1
		i := strings.IndexByte(src[from:], src[s.at])
		if i < 0 {
			s.at = len(src)
			return len(src), len(src) // never closed: nobody knows where it ends
		}
		s.at = from + i + 1
		return from, from + i
	}
	from = s.at
	for s.at < len(src) && src[s.at] > ' ' && src[s.at] != '>' {
		s.at++
	}
	return from, s.at
}

func (s *htmlScanner) openAnchor(from, to int) {
	const longest = 16 << 10 // wrapped links of a few thousand bytes are met
	href := html.UnescapeString(s.src[from:min(to, from+longest)])
	if strings.ContainsAny(href, "\r\n\t") {
		href = strings.NewReplacer("\r", "", "\n", "", "\t", "").Replace(href)
	}
	s.anchor = len(s.links)
	s.links = append(s.links, link{span{len(s.text), len(s.text)}, strings.TrimSpace(href), span{from, to}})
}

func (s *htmlScanner) closeAnchor() {
	if s.anchor >= 0 {
		s.links[s.anchor].to = len(s.text)
		s.anchor = -1
	}
}

// lines calls f with each line's range.
func (f *flat) lines(yield func(span) bool) {
	for at := 0; at < len(f.text); {
		stop := len(f.text)
		if i := bytes.IndexByte(f.text[at:], '\n'); i >= 0 {
			stop = at + i
		}
		if !yield(span{at, stop}) {
			return
		}
		at = stop + 1
	}
}
