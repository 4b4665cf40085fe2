package wire

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// The errors of [Parse] and [Splitter].
var (
	// ErrTruncated says that a document ended before its root element did.
	ErrTruncated = errors.New("the document ends in the middle")
	// ErrTooLarge says that a document exceeds one of its [Limits].
	ErrTooLarge = errors.New("the document is larger than allowed")
	// ErrMalformed says that the bytes are not XML.
	ErrMalformed = errors.New("the document is not well-formed XML")
)

// Limits bound what [Parse] accepts. The zero value of a field stands for a
// default that every answer of a real server fits into.
type Limits struct {
	Bytes    int64 // of the document; default 64 MB
	Depth    int   // of nested elements; default 128
	Elements int   // elements and attributes in all; default one million
}

func (l Limits) withDefaults() Limits {
	if l.Bytes <= 0 {
		l.Bytes = 64 << 20
	}
	if l.Depth <= 0 {
		l.Depth = 128
	}
	if l.Elements <= 0 {
		l.Elements = 1_000_000
	}
	return l
}

// Parse reads one document and returns its root element.
func Parse(data []byte, lim Limits) (*Element, error) {
	lim = lim.withDefaults()
	if int64(len(data)) > lim.Bytes {
		return nil, fmt.Errorf("%w: more than %d bytes", ErrTooLarge, lim.Bytes)
	}
	p := parser{s: repair(data), lim: lim}
	if err := p.document(); err != nil {
		return nil, err
	}
	return p.root, nil
}

// maxBindings bounds the namespace declarations in scope, each of which costs
// time at every name below it.
const maxBindings = 256

// binding is one namespace declaration in scope.
type binding struct{ prefix, uri string }

// frame is one open element.
type frame struct {
	e        *Element
	name     string   // as written, with its prefix
	bindings int      // declarations in scope outside it
	kids     int      // where its children begin
	parts    []string // of its text after the first, to be joined once
}

type parser struct {
	s    string
	pos  int
	lim  Limits
	used int // elements and attributes so far

	root     *Element
	open     []frame
	bindings []binding

	// Elements, and the lists of their children and attributes, are allocated
	// in blocks. kids holds the children of the open elements, innermost last.
	slab     []Element
	kids     []*Element
	kidSlab  []*Element
	attrs    []Attr
	attrSlab []Attr
}

// carve copies list into a block, from which it takes its room.
func carve[T any](block *[]T, list []T) []T {
	n := len(list)
	if n == 0 {
		return nil
	}
	if len(*block) < n {
		*block = make([]T, max(n, 256))
	}
	out := (*block)[:n:n]
	*block = (*block)[n:]
	copy(out, list)
	return out
}

func (p *parser) malformed(what string) error {
	return fmt.Errorf("%w: %s at byte %d", ErrMalformed, what, p.pos)
}

// document parses the prolog, the root element and what follows it.
func (p *parser) document() error {
	for {
		i := strings.IndexByte(p.s[p.pos:], '<')
		if i < 0 {
			return p.end()
		}
		if err := p.text(p.s[p.pos : p.pos+i]); err != nil {
			return err
		}
		p.pos += i
		if err := p.markup(); err != nil {
			return err
		}
	}
}

// end checks that the document is over where the bytes are.
func (p *parser) end() error {
	if len(p.open) > 0 {
		return ErrTruncated
	}
	rest := strings.TrimSpace(p.s[p.pos:])
	switch {
	case p.root == nil && rest == "":
		return ErrTruncated
	case rest != "":
		return p.malformed("text outside the root element")
	}
	return nil
}

// markup parses one piece of markup; p.pos is at its '<'.
func (p *parser) markup() error {
	rest := p.s[p.pos:]
	switch {
	case strings.HasPrefix(rest, "</"):
		return p.endTag()
	case strings.HasPrefix(rest, "<?"):
		_, err := p.skip("<?", "?>")
		return err
	case strings.HasPrefix(rest, "<!--"):
		_, err := p.skip("<!--", "-->")
		return err
	case strings.HasPrefix(rest, "<![CDATA["):
		body, err := p.skip("<![CDATA[", "]]>")
		if err != nil {
			return err
		}
		return p.cdata(body)
	case strings.HasPrefix(rest, "<!"):
		if partial(rest, "<!--") || partial(rest, "<![CDATA[") {
			return ErrTruncated
		}
		return p.malformed("a DOCTYPE or declaration, which is refused")
	}
	return p.startTag()
}

// partial reports whether s is a true beginning of the token.
func partial(s, token string) bool { return len(s) < len(token) && strings.HasPrefix(token, s) }

// skip passes over a construct and returns what is inside it.
func (p *parser) skip(begin, end string) (string, error) {
	start := p.pos + len(begin)
	i := strings.Index(p.s[start:], end)
	if i < 0 {
		return "", ErrTruncated
	}
	p.pos = start + i + len(end)
	return p.s[start : start+i], nil
}

// text takes character data up to the next markup.
func (p *parser) text(s string) error {
	if s == "" {
		return nil
	}
	if len(p.open) == 0 {
		if strings.TrimSpace(s) != "" {
			return p.malformed("text outside the root element")
		}
		return nil
	}
	p.add(unescape(s))
	return nil
}

// cdata takes the content of a CDATA section.
func (p *parser) cdata(s string) error {
	if len(p.open) == 0 {
		return p.malformed("CDATA outside the root element")
	}
	p.add(s)
	return nil
}

// add joins text to the innermost open element.
func (p *parser) add(s string) {
	f := &p.open[len(p.open)-1]
	if f.e.Text == "" {
		f.e.Text = s
	} else {
		f.parts = append(f.parts, s)
	}
}

// startTag parses a start tag or an empty element.
func (p *parser) startTag() error {
	start := p.pos
	p.pos++
	name, err := p.name()
	if err != nil {
		return err
	}
	if len(p.open) == 0 && p.root != nil {
		p.pos = start
		return p.malformed("a second root element")
	}
	if len(p.open) >= p.lim.Depth {
		return fmt.Errorf("%w: elements nested deeper than %d", ErrTooLarge, p.lim.Depth)
	}
	e, err := p.element()
	if err != nil {
		return err
	}
	f := frame{e: e, name: name, bindings: len(p.bindings)}
	p.attrs = p.attrs[:0]
	empty, err := p.attributes()
	if err != nil {
		return err
	}
	e.Space, e.Name = p.resolve(name, true)
	e.Attrs = carve(&p.attrSlab, p.attrs)
	for i := range e.Attrs {
		e.Attrs[i].Space, e.Attrs[i].Name = p.resolve(e.Attrs[i].Name, false)
	}
	if len(p.open) == 0 {
		p.root = e
	} else {
		p.kids = append(p.kids, e)
	}
	if empty {
		p.bindings = p.bindings[:f.bindings]
		return nil
	}
	f.kids = len(p.kids)
	p.open = append(p.open, f)
	return nil
}

// element allocates an element and counts it.
func (p *parser) element() (*Element, error) {
	if p.used++; p.used > p.lim.Elements {
		return nil, fmt.Errorf("%w: more than %d elements and attributes", ErrTooLarge, p.lim.Elements)
	}
	if len(p.slab) == 0 {
		p.slab = make([]Element, min(max(16, p.used), 256))
	}
	e := &p.slab[0]
	p.slab = p.slab[1:]
	return e, nil
}

// attributes parses the attributes of a start tag up to and including its
// end, and reports whether the element is empty.
func (p *parser) attributes() (empty bool, err error) {
	for {
		p.space()
		if p.pos >= len(p.s) {
			return false, ErrTruncated
		}
		switch p.s[p.pos] {
		case '>':
			p.pos++
			return false, nil
		case '/':
			if p.pos+1 >= len(p.s) {
				return false, ErrTruncated
			}
			if p.s[p.pos+1] != '>' {
				return false, p.malformed("a stray slash in a tag")
			}
			p.pos += 2
			return true, nil
		}
		name, value, err := p.attribute()
		if err != nil {
			return false, err
		}
		if p.used++; p.used > p.lim.Elements {
			return false, fmt.Errorf("%w: more than %d elements and attributes", ErrTooLarge, p.lim.Elements)
		}
		if len(p.bindings) > maxBindings {
			return false, fmt.Errorf("%w: more than %d namespaces in scope", ErrTooLarge, maxBindings)
		}
		switch {
		case name == "xmlns":
			p.bindings = append(p.bindings, binding{"", value})
		case strings.HasPrefix(name, "xmlns:"):
			p.bindings = append(p.bindings, binding{name[len("xmlns:"):], value})
		default:
			p.attrs = append(p.attrs, Attr{Name: name, Value: value})
		}
	}
}

// attribute parses one name="value".
func (p *parser) attribute() (name, value string, err error) {
	if name, err = p.name(); err != nil {
		return "", "", err
	}
	p.space()
	if p.pos >= len(p.s) {
		return "", "", ErrTruncated
	}
	if p.s[p.pos] != '=' {
		return "", "", p.malformed("an attribute without a value")
	}
	p.pos++
	p.space()
	if p.pos >= len(p.s) {
		return "", "", ErrTruncated
	}
	quote := p.s[p.pos]
	if quote != '"' && quote != '\'' {
		return "", "", p.malformed("an attribute value without quotes")
	}
	p.pos++
	i := strings.IndexByte(p.s[p.pos:], quote)
	if i < 0 {
		return "", "", ErrTruncated
	}
	value = p.s[p.pos : p.pos+i]
	if strings.IndexByte(value, '<') >= 0 {
		return "", "", p.malformed("a '<' in an attribute value")
	}
	p.pos += i + 1
	return name, unescape(value), nil
}

// endTag parses an end tag and closes the innermost element.
func (p *parser) endTag() error {
	start := p.pos
	p.pos += len("</")
	name, err := p.name()
	if err != nil {
		return err
	}
	p.space()
	if p.pos >= len(p.s) {
		return ErrTruncated
	}
	if p.s[p.pos] != '>' {
		return p.malformed("an end tag that does not end")
	}
	p.pos++
	if len(p.open) == 0 || p.open[len(p.open)-1].name != name {
		p.pos = start
		return p.malformed("an end tag that closes nothing")
	}
	f := p.open[len(p.open)-1]
	f.e.Children = carve(&p.kidSlab, p.kids[f.kids:])
	p.kids = p.kids[:f.kids]
	if len(f.parts) > 0 {
		f.e.Text += strings.Join(f.parts, "")
	}
	if len(f.e.Children) > 0 && strings.TrimSpace(f.e.Text) == "" {
		f.e.Text = ""
	}
	p.bindings = p.bindings[:f.bindings]
	p.open = p.open[:len(p.open)-1]
	return nil
}

// name reads a qualified name.
func (p *parser) name() (string, error) {
	start := p.pos
	for p.pos < len(p.s) && isName(p.s[p.pos]) {
		p.pos++
	}
	if p.pos >= len(p.s) {
		return "", ErrTruncated
	}
	name := p.s[start:p.pos]
	if name == "" || name[0] == ':' || name[len(name)-1] == ':' || name[0] == '-' || name[0] == '.' ||
		name[0] >= '0' && name[0] <= '9' || strings.Count(name, ":") > 1 {
		p.pos = start
		return "", p.malformed("a bad name")
	}
	return name, nil
}

// isName reports whether the byte may be part of a name. Every byte of a
// character beyond ASCII may: names are compared, never shown.
func isName(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' ||
		c == ':' || c == '_' || c == '-' || c == '.' || c >= utf8.RuneSelf
}

func (p *parser) space() {
	for p.pos < len(p.s) && (p.s[p.pos] == ' ' || p.s[p.pos] == '\n' || p.s[p.pos] == '\t' || p.s[p.pos] == '\r') {
		p.pos++
	}
}

// resolve splits a qualified name and looks its prefix up. An undeclared
// prefix stands for itself.
func (p *parser) resolve(qname string, element bool) (space, local string) {
	prefix, local, ok := strings.Cut(qname, ":")
	if !ok {
		prefix, local = "", qname
		if !element {
			return "", local
		}
	}
	for i := len(p.bindings) - 1; i >= 0; i-- {
		if p.bindings[i].prefix == prefix {
			return p.bindings[i].uri, local
		}
	}
	if prefix == "xml" {
		return NSXML, local
	}
	return prefix, local
}

// unescape resolves references. What is no reference stays as it is: a bare
// ampersand in a subject must not cost the whole answer.
func unescape(s string) string {
	i := strings.IndexByte(s, '&')
	if i < 0 {
		return s
	}
	var b strings.Builder
	b.Grow(len(s))
	for {
		b.WriteString(s[:i])
		s = s[i:]
		r, size := reference(s)
		b.WriteRune(r)
		s = s[size:]
		if i = strings.IndexByte(s, '&'); i < 0 {
			b.WriteString(s)
			return b.String()
		}
	}
}

// reference reads the reference at the start of s, which begins with '&', and
// returns its character and length.
func reference(s string) (r rune, size int) {
	end := strings.IndexByte(s[:min(len(s), 16)], ';')
	if end < 2 {
		return '&', 1
	}
	switch s[1:end] {
	case "amp":
		return '&', end + 1
	case "lt":
		return '<', end + 1
	case "gt":
		return '>', end + 1
	case "quot":
		return '"', end + 1
	case "apos":
		return '\'', end + 1
	}
	r, ok := charRef(s[1:end])
	if !ok {
		return '&', 1
	}
	if r >= 0xD800 && r < 0xDC00 { // half of a pair: some servers write both halves as references
		if low, size := lowSurrogate(s[end+1:]); size > 0 {
			return 0x10000 + (r-0xD800)<<10 + (low - 0xDC00), end + 1 + size
		}
	}
	if !legal(r) {
		r = utf8.RuneError
	}
	return r, end + 1
}

// charRef parses "#65" or "#x41".
func charRef(s string) (rune, bool) {
	digits, ok := strings.CutPrefix(s, "#")
	if !ok {
		return 0, false
	}
	base := 10
	if hex, ok := strings.CutPrefix(digits, "x"); ok {
		digits, base = hex, 16
	}
	n, err := strconv.ParseUint(digits, base, 31)
	if err != nil {
		return 0, false
	}
	return rune(n), true
}

// lowSurrogate reads a reference to the second half of a surrogate pair.
func lowSurrogate(s string) (r rune, size int) {
	end := strings.IndexByte(s[:min(len(s), 16)], ';')
	if end < 2 || s[0] != '&' {
		return 0, 0
	}
	if r, ok := charRef(s[1:end]); ok && r >= 0xDC00 && r < 0xE000 {
		return r, end + 1
	}
	return 0, 0
}
