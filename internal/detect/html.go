package detect

import (
	"bytes"
	"html"
	"strings"
)

// flattenHTML makes a flat of HTML. It is a scanner, not a parser: one pass,
// whatever is in it, and what is no markup is text.
func flattenHTML(field, src string) *flat {
	f := &flat{field: field}
	src = f.decode(src)
	f.size = len(src)
	f.text = make([]byte, 0, len(src)/4+64)
	s := htmlScanner{flat: f, src: src, anchor: -1}
	s.run(len(src))
	s.closeAnchor()
	if len(s.quotes) > 0 {
		s.endQuote(0)
	}
	return f
}

type htmlScanner struct {
	*flat
	src    string
	at     int
	anchor int   // index in links of the open anchor, -1: none
	pre    int   // depth of <pre>
	quotes []int // where open blockquotes began
	deeper int   // open blockquotes beyond those that quotes counts
	markup bool  // there was a tag
	aside  bool  // inside a comment for one mail program: only links count
}

// maxQuotes bounds how deep blockquotes are followed.
const maxQuotes = 64

// run scans up to end; a tag that begins there may end beyond.
func (s *htmlScanner) run(end int) {
	for s.at < end {
		i := strings.IndexByte(s.src[s.at:end], '<')
		if i < 0 {
			s.textTo(end)
			return
		}
		s.textTo(s.at + i)
		begin := s.at
		s.tag()
		s.steps += s.at - begin
	}
}

// textTo appends src[at:to] as text.
func (s *htmlScanner) textTo(to int) {
	piece, at := s.src[s.at:to], s.at
	s.at = to
	if piece == "" || s.aside {
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
		text, n := entity(piece)
		s.plain(text, at)
		s.steps += n
		at, piece = at+n, piece[n:]
	}
	if s.pre == 0 && s.markup {
		blank(s.text[from:], '\n')
		blank(s.text[from:], '\r')
	}
}

// blank replaces a byte by spaces.
func blank(text []byte, c byte) {
	for {
		i := bytes.IndexByte(text, c)
		if i < 0 {
			return
		}
		text[i] = ' '
		text = text[i+1:]
	}
}

// entity returns the character that the entity at the beginning of s stands
// for, and the entity's length; an "&" that begins none stands for itself.
func entity(s string) (text string, n int) {
	for i := 1; i < len(s) && i < 34; i++ {
		c := s[i]
		if c == ';' {
			switch s[:i+1] {
			case "&nbsp;":
				return " ", i + 1
			case "&amp;":
				return "&", i + 1
			case "&lt;":
				return "<", i + 1
			case "&gt;":
				return ">", i + 1
			case "&quot;":
				return `"`, i + 1
			}
			return html.UnescapeString(s[:i+1]), i + 1
		}
		if c != '#' && !isAlnum(c) {
			break
		}
	}
	return s[:1], 1
}

// unescapeAttribute undoes the entities of an attribute's value. One without
// ";" is none there: "&copy=1" is a parameter.
func unescapeAttribute(s string) string {
	if strings.IndexByte(s, '&') < 0 {
		return s
	}
	var out strings.Builder
	out.Grow(len(s))
	for s != "" {
		i := strings.IndexByte(s, '&')
		if i < 0 {
			out.WriteString(s)
			break
		}
		text, n := entity(s[i:])
		out.WriteString(s[:i])
		out.WriteString(text)
		s = s[i+n:]
	}
	return out.String()
}

// tag takes what begins with the "<" at the current place.
func (s *htmlScanner) tag() {
	rest := s.src[s.at:]
	switch {
	case strings.HasPrefix(rest, "<!--") && !s.aside:
		s.comment(rest)
	case strings.HasPrefix(rest, "<![CDATA["):
		s.at += len("<![CDATA[") // its content is read as what it is
	case strings.HasPrefix(rest, "<!"), strings.HasPrefix(rest, "<?"):
		s.skip(rest, ">")
	case len(rest) > 1 && isLetter(rest[1]) && !schemed(rest[1:]):
		s.startTag()
	case len(rest) > 2 && rest[1] == '/' && isLetter(rest[2]):
		s.endTag()
	default:
		if !s.aside {
			s.plain("<", s.at)
		}
		s.at++
	}
}

// comment passes over a comment. One for Outlook alone (<!--[if mso]>) often
// holds the button that the others get as a plain link: its links count.
func (s *htmlScanner) comment(rest string) {
	s.markup = true
	n := strings.Index(rest[4:], "-->")
	if n < 0 {
		s.at = len(s.src)
		return
	}
	end := s.at + 4 + n
	condition, _, _ := strings.Cut(rest[4:min(4+n, 80)], ">")
	if strings.HasPrefix(condition, "[if ") && strings.Contains(condition, "mso") && !strings.Contains(condition, "!mso") {
		s.at += 4 + len(condition)
		s.aside = true
		s.run(end)
		s.aside = false
	}
	s.at = max(s.at, end+3)
	s.at = min(s.at, len(s.src))
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
	i := strings.IndexByte(s[:min(len(s), 12)], ':')
	if i <= 0 {
		return false
	}
	switch strings.ToLower(s[:i]) {
	case "tel", "sip", "sips", "mailto":
		return true
	}
	return strings.HasPrefix(s[i:], "://")
}

// name reads a tag's name.
func (s *htmlScanner) name() string {
	i := s.at
	for s.at < len(s.src) && s.src[s.at] != '>' && s.src[s.at] != '/' && s.src[s.at] > ' ' {
		s.at++
	}
	return s.src[i:s.at]
}

// tagKind is what an element means to the scanner.
type tagKind uint8

const (
	inline tagKind = iota
	block          // begins and ends a line
	cell
	anchor
	form // a link of another kind: a drawn button, an area, a form
	pre
	quote
	raw    // holds no text
	script // holds no text, but perhaps data about the mail
	meta
)

// kindOf returns what a tag's name means.
func kindOf(name string) tagKind {
	var buf [12]byte
	if len(name) > len(buf) {
		return inline
	}
	for i := range len(name) {
		c := name[i]
		if 'A' <= c && c <= 'Z' {
			c |= 0x20
		}
		buf[i] = c
	}
	switch string(buf[:len(name)]) {
	case "p", "div", "br", "tr", "table", "li", "ul", "ol", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "section", "article", "header", "footer", "dt", "dd", "dl", "center", "body":
		return block
	case "td", "th":
		return cell
	case "a":
		return anchor
	case "area", "form", "button", "v:roundrect", "v:rect", "v:shape", "v:oval":
		return form
	case "pre":
		return pre
	case "blockquote":
		return quote
	case "style", "title":
		return raw
	case "script":
		return script
	case "meta", "link":
		return meta
	}
	return inline
}

func (s *htmlScanner) startTag() {
	s.markup = true
	s.at++
	name := s.name()
	kind := kindOf(name)
	s.breakAt(kind)
	switch kind {
	case anchor, form:
		s.anchorTag(kind)
		return
	case meta:
		s.metaTag()
		return
	case script:
		s.scriptTag()
		return
	}
	for {
		if _, _, _, more := s.attribute(); !more {
			break
		}
	}
	switch kind {
	case pre:
		s.pre++
	case quote:
		if len(s.quotes) < maxQuotes {
			s.quotes = append(s.quotes, len(s.text))
		} else {
			s.deeper++
		}
	case raw:
		s.raw(name)
	}
}

func (s *htmlScanner) endTag() {
	s.markup = true
	s.at += 2
	kind := kindOf(s.name())
	s.skip(s.src[s.at:], ">")
	switch kind {
	case anchor:
		s.closeAnchor()
	case pre:
		s.pre = max(s.pre-1, 0)
	case quote:
		if n := len(s.quotes); s.deeper > 0 {
			s.deeper--
		} else if n > 0 {
			s.endQuote(n - 1)
		}
	}
	s.breakAt(kind)
}

// endQuote closes the n-th open blockquote; only the outermost counts.
func (s *htmlScanner) endQuote(n int) {
	if n == 0 {
		s.quote.set(s.quotes[0], len(s.text), max(s.size, len(s.text)))
	}
	s.quotes = s.quotes[:n]
}

// breakAt ends a line where a block begins or ends.
func (s *htmlScanner) breakAt(kind tagKind) {
	var c byte
	switch kind {
	case block, pre, quote:
		c = '\n'
	case cell:
		c = '\t'
	default:
		return
	}
	n := len(s.text)
	switch {
	case n == 0, s.aside, s.text[n-1] == c, s.text[n-1] == '\n':
		return
	case s.text[n-1] == '\t':
		s.text[n-1] = c
		return
	}
	s.here(min(s.at, len(s.src)))
	s.text = append(s.text, c)
}

// raw skips the content of an element that holds no text and returns it.
func (s *htmlScanner) raw(name string) (content string) {
	begin := s.at
	for {
		i := strings.Index(s.src[s.at:], "</")
		if i < 0 {
			s.at = len(s.src)
			return s.src[begin:]
		}
		s.at += i
		if end := s.at + 2 + len(name); end <= len(s.src) && strings.EqualFold(s.src[s.at+2:end], name) {
			return s.src[begin:s.at]
		}
		s.at += 2
	}
}

// attribute takes one attribute: its name, where its value stands, and whether
// the tag goes on.
func (s *htmlScanner) attribute() (name string, from, to int, more bool) {
	src := s.src
	for s.at < len(src) && (src[s.at] <= ' ' || src[s.at] == '/') {
		s.at++
	}
	if s.at >= len(src) || src[s.at] == '>' {
		s.at = min(s.at+1, len(src))
		return "", 0, 0, false
	}
	key := s.at
	for s.at < len(src) && src[s.at] != '=' && src[s.at] != '>' && src[s.at] != '/' && src[s.at] > ' ' {
		s.at++
	}
	name = src[key:s.at]
	if s.at == key {
		s.at++ // a stray "="
	}
	for s.at < len(src) && src[s.at] <= ' ' {
		s.at++
	}
	if s.at >= len(src) || src[s.at] != '=' {
		return name, 0, 0, true
	}
	s.at++
	for s.at < len(src) && src[s.at] <= ' ' {
		s.at++
	}
	from, to = s.value()
	return name, from, to, true
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

// anchorTag takes the attributes of an element that leads somewhere.
func (s *htmlScanner) anchorTag(kind tagKind) {
	if kind == anchor {
		s.closeAnchor()
	}
	taken := false
	for {
		name, from, to, more := s.attribute()
		if !more {
			return
		}
		switch {
		case kind == anchor && !taken && strings.EqualFold(name, "href"):
			if taken = true; s.addLink(from, to, s.aside) && !s.aside {
				s.anchor = len(s.links) - 1
			}
		case kind == form && (strings.EqualFold(name, "href") || strings.EqualFold(name, "action") || strings.EqualFold(name, "formaction")):
			s.addLink(from, to, s.aside)
		case kind == anchor && (strings.EqualFold(name, "originalsrc") || strings.EqualFold(name, "xlink:href")):
			s.addLink(from, to, true)
		}
	}
}

// addLink keeps a link and reports whether it did.
func (s *htmlScanner) addLink(from, to int, aside bool) bool {
	const longest = 16 << 10 // wrapped links of a few thousand bytes are met
	if len(s.links) == maxLinks || from >= to {
		return false
	}
	s.steps += min(to-from, longest)
	href := tidy(unescapeAttribute(s.src[from:min(to, from+longest)]))
	if href == "" {
		return false
	}
	s.links = append(s.links, link{span{len(s.text), len(s.text)}, href, span{s.original(from), s.original(to)}, aside})
	return true
}

func (s *htmlScanner) closeAnchor() {
	if s.anchor >= 0 {
		s.links[s.anchor].to = len(s.text)
		s.anchor = -1
	}
}

// metaTag takes the links of data about the mail: <link itemprop=url href>,
// <meta itemprop=url content>, <meta http-equiv=refresh content="0;url=…">.
func (s *htmlScanner) metaTag() {
	var value span
	says := false
	for {
		name, from, to, more := s.attribute()
		if !more {
			break
		}
		switch {
		case strings.EqualFold(name, "href"), strings.EqualFold(name, "content"):
			value = span{from, to}
		case strings.EqualFold(name, "itemprop"), strings.EqualFold(name, "http-equiv") && strings.EqualFold(s.src[from:to], "refresh"):
			says = true
		}
	}
	if i := strings.Index(s.src[value.from:min(value.to, value.from+200)], "://"); says && i >= 0 {
		for i > 0 && isLetter(s.src[value.from+i-1]) {
			i--
		}
		s.addLink(value.from+i, value.to, true)
	}
}

// scriptTag passes over a script. One that is no program but data about the
// mail (JSON-LD, as Gmail reads it) names links.
func (s *htmlScanner) scriptTag() {
	data := false
	for {
		name, from, to, more := s.attribute()
		if !more {
			break
		}
		data = data || strings.EqualFold(name, "type") && strings.EqualFold(strings.TrimSpace(s.src[from:to]), "application/ld+json")
	}
	begin := s.at
	content := s.raw("script")
	if !data {
		return
	}
	for at := 0; len(s.links) < maxLinks; {
		i := strings.Index(content[at:], `"http`)
		if i < 0 {
			return
		}
		from := at + i + 1
		n := strings.IndexByte(content[from:], '"')
		if n < 0 {
			return
		}
		at = from + n + 1
		if href := tidy(unescapeJSON(content[from : from+min(n, maxURL)])); href != "" {
			s.links = append(s.links, link{span{len(s.text), len(s.text)}, href, span{s.original(begin + from), s.original(begin + from + n)}, true})
		}
	}
}

// unescapeJSON undoes the escapes that links have in JSON.
func unescapeJSON(s string) string {
	if strings.IndexByte(s, '\\') < 0 {
		return s
	}
	var out strings.Builder
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] != '\\' || i+1 == len(s):
			out.WriteByte(s[i])
		case s[i+1] == 'u' && i+5 < len(s) && s[i+2] == '0' && s[i+3] == '0' && unhex(s[i+4]) >= 0 && unhex(s[i+5]) >= 0:
			out.WriteByte(byte(unhex(s[i+4])<<4 | unhex(s[i+5])))
			i += 5
		default:
			i++
			out.WriteByte(s[i])
		}
	}
	return out.String()
}

// tidy writes a link as a browser reads it: line breaks and tabs in it are
// nothing, "\" is "/" in front of the query, any number of slashes follow upon
// the scheme, and a blank is %20. It is empty if the link leads nowhere: a
// place on the page, a script, data.
func tidy(href string) string {
	if strings.ContainsAny(href, "\r\n\t") {
		href = strings.NewReplacer("\r", "", "\n", "", "\t", "").Replace(href)
	}
	href = strings.TrimFunc(href, func(r rune) bool { return r <= ' ' || r == 0xa0 || r >= 0x80 && invisible(r) })
	i := strings.IndexByte(href[:min(len(href), 13)], ':')
	if i <= 0 {
		return ""
	}
	switch strings.ToLower(href[:i]) {
	case "javascript", "vbscript", "data", "cid", "file", "about", "blob", "mid":
		return ""
	case "http", "https":
		path := len(href)
		if k := strings.IndexAny(href, "?#"); k >= 0 {
			path = k
		}
		if strings.IndexByte(href[:path], '\\') >= 0 {
			href = strings.ReplaceAll(href[:path], `\`, "/") + href[path:]
		}
		if rest := strings.TrimLeft(href[i+1:], "/"); len(href)-len(rest) != i+3 {
			href = href[:i] + "://" + rest
		}
	}
	if strings.ContainsAny(href, " \"<>") {
		href = strings.NewReplacer(" ", "%20", `"`, "%22", "<", "%3C", ">", "%3E").Replace(href)
	}
	return href
}
