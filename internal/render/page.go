package render

import (
	"bytes"
	"html"
	"sort"
	"strings"
	"unicode"
	"unicode/utf8"

	nethtml "golang.org/x/net/html"
	"golang.org/x/net/html/atom"

	"github.com/koyomi-cal/koyomi/internal/calendar"
)

// page is a body taken apart: what a reader sees of it, without blanks, and
// where each piece of that stands in the source. Nothing that a reader does
// not see (comments, attributes, ids) is in it, so nothing that hangs on those
// can be decided with it.
//
// Reading is one pass, linear in the body, whatever is in it.
type page struct {
	src   string
	seen  []byte // visible text, UTF-8, blanks and invisible characters left out
	spans []span // seen in pieces, in order
	lines []line // visible lines, in order; none is empty
	end   int    // where text may be appended: inside <body>, before what would swallow it

	angle    int  // index in seen of the last "<", -1: none
	gap      bool // a blank or a line break precedes the next character
	newLine  bool // the next character opens a line
	anchor   int  // where a block may stand so that it precedes the next character
	quoted   int  // depth of quoting elements, or 1 in a quoted text line
	quotedAt int  // anchor of the outermost quoting element

	mail    mailAt // the quoted mail at the end
	settled bool   // mail is known
}

// span maps seen[txt:] up to the next span to the source.
type span struct {
	txt, src uint32
	n        uint16 // length of an entity in the source; 0: a literal run
	gap      bool   // preceded by a blank or a line break
}

// line is one visible line.
type line struct {
	txt    uint32 // where it begins in seen
	src    uint32 // where its first character stands
	anchor uint32 // where a block may be put in front of it
	quoted bool   // part of a quoted mail by markup or by ">"
}

// newPage reads a body.
func newPage(b calendar.Body) *page {
	p := &page{src: b.Content, angle: -1, newLine: true, gap: true}
	if b.Type == calendar.BodyHTML {
		p.readHTML()
	} else {
		p.readText()
	}
	return p
}

// squeeze returns a plain text without blanks, as a page shows it.
func squeeze(text string) string {
	p := &page{src: text, angle: -1}
	p.literal(0, len(text))
	return string(p.seen)
}

// readText reads a plain text body line by line.
func (p *page) readText() {
	p.end = len(p.src)
	for at := 0; at < len(p.src); {
		stop := len(p.src)
		if i := strings.IndexByte(p.src[at:], '\n'); i >= 0 {
			stop = at + i + 1
		}
		p.breakLine()
		p.anchor, p.quoted = at, 0
		if strings.HasPrefix(strings.TrimLeft(p.src[at:stop], " \t\u00a0"), ">") {
			p.quoted, p.quotedAt = 1, at
		}
		p.literal(at, stop)
		at = stop
	}
}

// readHTML reads an HTML body with a tokenizer, which never fails: what it
// cannot make sense of is text or nothing, as in a browser.
func (p *page) readHTML() {
	w := &walker{page: p, bodyEnd: -1, broken: -1, valid: true}
	scan(p.src, w.token)
	p.end = len(p.src)
	if w.broken >= 0 {
		p.end = w.broken
	}
	if w.bodyEnd >= 0 && w.bodyEnd < p.end {
		p.end = w.bodyEnd
	}
}

// token is one piece of HTML source.
type token struct {
	kind   nethtml.TokenType
	atom   atom.Atom
	name   string // lower case, of tags
	quotes quoting
	at     int // source[at:to]
	to     int
	whole  bool // false: source ended in the middle of it
	hidden bool // text inside script, style and the like
}

// scan hands every token of the source to f.
func scan(src string, f func(token)) {
	z := nethtml.NewTokenizer(strings.NewReader(src))
	at, raw := 0, atom.Atom(0)
	for {
		kind := z.Next()
		t := token{kind: kind, at: at, to: at + len(z.Raw()), whole: true}
		if kind == nethtml.ErrorToken {
			if t.to = len(src); t.at < t.to {
				t.whole = false
				f(t)
			}
			return
		}
		at = t.to
		switch kind {
		case nethtml.StartTagToken, nethtml.SelfClosingTagToken, nethtml.EndTagToken:
			name, more := z.TagName()
			if t.atom = atom.Lookup(name); t.atom != 0 {
				t.name = t.atom.String()
			} else {
				t.name = string(name)
			}
			raw = 0
			if kind == nethtml.StartTagToken {
				t.quotes = quotes(z, t.atom, more)
				if swallows(t.atom) {
					raw = t.atom
				}
			}
		case nethtml.TextToken:
			t.hidden = raw != 0
		case nethtml.CommentToken:
			t.whole = t.to < len(src) || closesComment(src[t.at:t.to])
		}
		f(t)
	}
}

// closesComment reports whether a comment that reaches the end of the source
// is closed: what follows an open one would be swallowed.
func closesComment(raw string) bool {
	if !strings.HasPrefix(raw, "<!--") {
		return strings.HasSuffix(raw, ">")
	}
	return len(raw) >= len("<!-->") && (strings.HasSuffix(raw, "-->") || strings.HasSuffix(raw, "--!>") || raw == "<!-->")
}

// swallows reports whether an element's content is not markup and not shown
// as text of the page.
func swallows(a atom.Atom) bool {
	switch a {
	case atom.Script, atom.Style, atom.Title, atom.Textarea, atom.Xmp, atom.Iframe, atom.Noembed, atom.Noframes, atom.Plaintext:
		return true
	}
	return false
}

// breaks reports whether an element begins and ends visible lines.
func breaks(a atom.Atom) bool {
	switch a {
	case atom.Address, atom.Article, atom.Aside, atom.Blockquote, atom.Body, atom.Br, atom.Caption, atom.Center, atom.Dd, atom.Div, atom.Dl, atom.Dt,
		atom.Fieldset, atom.Footer, atom.Form, atom.H1, atom.H2, atom.H3, atom.H4, atom.H5, atom.H6, atom.Header, atom.Hr, atom.Html, atom.Li, atom.Main,
		atom.Nav, atom.Ol, atom.P, atom.Pre, atom.Section, atom.Table, atom.Tbody, atom.Tfoot, atom.Thead, atom.Tr, atom.Ul:
		return true
	}
	return false
}

// void reports whether an element has no content and no end tag.
func void(a atom.Atom) bool {
	switch a {
	case atom.Area, atom.Base, atom.Br, atom.Col, atom.Embed, atom.Hr, atom.Img, atom.Input, atom.Link, atom.Meta, atom.Param, atom.Source, atom.Track, atom.Wbr:
		return true
	}
	return false
}

// shows reports whether an element is visible without text.
func shows(a atom.Atom) bool {
	switch a {
	case atom.Img, atom.Input, atom.Embed, atom.Object, atom.Video, atom.Audio, atom.Canvas, atom.Svg, atom.Iframe, atom.Button, atom.Select, atom.Textarea, atom.Hr:
		return true
	}
	return false
}

// literal adds source[at:to] as plain text.
func (p *page) literal(at, to int) {
	for i := at; i < to; {
		if c := p.src[i]; c < utf8.RuneSelf {
			n := 1
			switch {
			case c <= ' ' || c == 0x7f:
				p.gap = true
			case c == '<' || c == '>':
				p.add(p.src[i:i+1], i, 0)
			default:
				for i+n < to && plain(p.src[i+n]) {
					n++
				}
				p.add(p.src[i:i+n], i, 0)
			}
			i += n
			continue
		}
		r, n := utf8.DecodeRuneInString(p.src[i:])
		p.rune(r, p.src[i:i+n], i, 0)
		i += n
	}
}

// plain reports whether c is visible ASCII and nothing more.
func plain(c byte) bool { return c > ' ' && c < 0x7f && c != '<' && c != '>' }

// rune adds one character that is not ASCII, unless nobody sees it.
func (p *page) rune(r rune, text string, src, entity int) {
	switch {
	case unicode.IsSpace(r) || r == '\u200b' || r == '\u3000':
		p.gap = true
	case r < ' ' || r == 0x7f || r == '\u00ad' || r == '\u2060' || r == '\ufeff' || r >= '\u200c' && r <= '\u200f' || r >= '\u202a' && r <= '\u202e' || r >= '\u2066' && r <= '\u2069':
	default:
		p.add(text, src, entity)
	}
}

// markup adds source[at:to] as HTML text: with its entities decoded.
func (p *page) markup(at, to int) {
	const longest = 34 // bytes of "&CounterClockwiseContourIntegral;" and a bit
	for at < to {
		i := strings.IndexByte(p.src[at:to], '&')
		if i < 0 {
			p.literal(at, to)
			return
		}
		p.literal(at, at+i)
		at += i
		n := strings.IndexByte(p.src[at:min(to, at+longest)], ';') + 1
		var text string
		if n > 0 {
			text = html.UnescapeString(p.src[at : at+n])
		}
		if n == 0 || text == p.src[at:at+n] || strings.HasSuffix(text, ";") && text != ";" {
			p.literal(at, at+1)
			at++
			continue
		}
		for _, r := range text {
			p.rune(r, string(r), at, n)
		}
		at += n
	}
}

// add appends visible text that stands at src; entity is the length of the
// entity it was decoded from, 0 of literal text.
func (p *page) add(text string, src, entity int) {
	if p.newLine {
		anchor := p.anchor
		if p.quoted > 0 {
			anchor = p.quotedAt
		}
		p.lines = append(p.lines, line{txt: uint32(len(p.seen)), src: uint32(src), anchor: uint32(anchor), quoted: p.quoted > 0})
		p.newLine = false
	}
	if k := len(p.spans) - 1; p.gap || entity > 0 || k < 0 || p.spans[k].n > 0 || int(p.spans[k].src)+len(p.seen)-int(p.spans[k].txt) != src {
		p.spans = append(p.spans, span{txt: uint32(len(p.seen)), src: uint32(src), n: uint16(entity), gap: p.gap})
	}
	p.gap = false
	switch text {
	case "<":
		p.angle = len(p.seen)
	case ">":
		if p.angle >= 0 && echo(p.seen[:p.angle], p.seen[p.angle+1:]) {
			p.truncate(p.angle)
			p.angle, p.gap = -1, true
			return
		}
		p.angle = -1
	}
	p.seen = append(p.seen, text...)
}

// echo reports whether <target> behind text is what a conversion from HTML to
// text leaves of a link: the address that was just shown, or that of a number.
func echo(text, target []byte) bool {
	if len(target) > maxWrapped {
		return false
	}
	for _, scheme := range []string{"tel:", "sip:", "sips:", "h323:", "mailto:"} {
		if bytes.HasPrefix(target, []byte(scheme)) {
			return true
		}
	}
	if len(target) <= 8 {
		return false
	}
	return bytes.HasSuffix(text, target) || bytes.HasPrefix(target, []byte("https://")) && bytes.HasSuffix(text, []byte(unwrap(string(target))))
}

// truncate forgets seen[n:].
func (p *page) truncate(n int) {
	p.seen = p.seen[:n]
	for k := len(p.spans); k > 0 && int(p.spans[k-1].txt) >= n; k-- {
		p.spans = p.spans[:k-1]
	}
	for k := len(p.lines); k > 0 && int(p.lines[k-1].txt) > n; k-- {
		p.lines = p.lines[:k-1]
	}
	// A line that began with the echo itself begins with what follows.
	if k := len(p.lines); k > 0 && int(p.lines[k-1].txt) == n {
		p.lines = p.lines[:k-1]
		p.newLine = true
	}
}

// breakLine ends the visible line.
func (p *page) breakLine() { p.newLine, p.gap = true, true }

// spanOf returns the index of the span that holds seen[i].
func (p *page) spanOf(i int) int {
	return sort.Search(len(p.spans), func(k int) bool { return int(p.spans[k].txt) > i }) - 1
}

// from returns where seen[i] begins in the source.
func (p *page) from(i int) int {
	s := p.spans[p.spanOf(i)]
	if s.n > 0 {
		return int(s.src)
	}
	return int(s.src) + i - int(s.txt)
}

// to returns where seen[i-1] ends in the source.
func (p *page) to(i int) int {
	s := p.spans[p.spanOf(i-1)]
	if s.n > 0 {
		return int(s.src) + int(s.n)
	}
	return int(s.src) + i - int(s.txt)
}

// parted reports whether a blank or line break stands before seen[i].
func (p *page) parted(i int) bool {
	k := p.spanOf(i)
	return k < 0 || p.spans[k].gap && int(p.spans[k].txt) == i
}

// lineOf returns the index of the line that holds seen[i].
func (p *page) lineOf(i int) int {
	return sort.Search(len(p.lines), func(k int) bool { return int(p.lines[k].txt) > i }) - 1
}

// without reports whether a reader sees the same on page q as on this one, but
// for the block at a spot.
func (p *page) without(at spot, q *page) bool {
	n := at.first + len(p.seen) - at.last
	return len(q.seen) == n && bytes.Equal(q.seen[:at.first], p.seen[:at.first]) && bytes.Equal(q.seen[at.first:], p.seen[at.last:])
}

// words returns the k-th visible line without blanks.
func (p *page) words(k int) []byte {
	stop := len(p.seen)
	if k+1 < len(p.lines) {
		stop = int(p.lines[k+1].txt)
	}
	return p.seen[p.lines[k].txt:stop]
}
