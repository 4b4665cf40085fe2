package wire

import (
	"errors"
	"strings"
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

// Parse reads one document and returns its root element. The bytes must not
// change any more: they are not copied.
func Parse(data []byte, lim Limits) (*Element, error) { return ParseWith(data, lim, nil) }

// Decoder reads an element straight from the scanner, whose innermost open
// element it is, and returns what it made of it. It returns false, and reads
// nothing, where the element is to become part of the tree instead. Parent is
// the local name of the element around it.
type Decoder func(s *Scanner, parent string) (value any, ok bool)

// ParseWith reads one document, in which it leaves some elements to a decoder.
// They have neither text nor children, but are Decoded.
func ParseWith(data []byte, lim Limits, decode Decoder) (*Element, error) {
	t := tree{Scanner: NewScanner(data, lim), decode: decode}
	for {
		switch t.next() {
		case eventStart:
			t.start()
		case eventText:
			t.add(t.takeText())
		case eventEnd:
			t.finish()
		case eventStop:
			if t.err != nil {
				return nil, t.err
			}
			return t.root, nil
		}
	}
}

// Tree reads the innermost element to its end and returns it. It must be
// called before anything inside the element is read.
func (s *Scanner) Tree() *Element {
	t := tree{Scanner: s}
	depth := s.Depth()
	if depth == 0 || s.err != nil {
		return nil
	}
	for t.start(); s.Depth() >= depth; {
		switch s.next() {
		case eventStart:
			t.start()
		case eventText:
			t.add(s.takeText())
		case eventEnd:
			t.finish()
		case eventStop:
			return nil
		}
	}
	return t.root
}

// tree is a tree under construction. Elements, and the lists of their children
// and attributes, are allocated in blocks.
type tree struct {
	*Scanner
	decode Decoder
	root   *Element
	stack  []branch

	slab     []Element
	kids     []*Element // the children of the open elements, innermost last
	kidSlab  []*Element
	list     []Attr
	attrSlab []Attr
}

// branch is one open element of a tree.
type branch struct {
	e     *Element
	kids  int      // where its children begin
	parts []string // of its text after the first, to be joined once
}

// carve copies list into a block, from which it takes its room.
func carve[T any](block *[]T, list []T) []T {
	n := len(list)
	if n == 0 {
		return nil
	}
	if len(*block) < n {
		*block = make([]T, max(n, 64))
	}
	out := (*block)[:n:n]
	*block = (*block)[n:]
	copy(out, list)
	return out
}

// start puts the element that has just begun into the tree.
func (t *tree) start() {
	e := t.element()
	e.Space, e.Name = t.resolve(t.open[len(t.open)-1].name, true)
	if len(t.attrs) > 0 {
		t.list = t.list[:0]
		for _, a := range t.attrs {
			space, local := t.resolve(a.Name, false)
			t.list = append(t.list, Attr{Space: space, Name: local, Value: unescape(a.Value)})
		}
		e.Attrs = carve(&t.attrSlab, t.list)
	}
	var parent string
	if len(t.stack) == 0 {
		t.root = e
	} else {
		t.kids = append(t.kids, e)
		parent = t.stack[len(t.stack)-1].e.Name
	}
	if t.decode != nil {
		depth := t.Depth()
		if v, ok := t.decode(t.Scanner, parent); ok {
			e.Decoded = v
			for len(t.open) >= depth && t.next() != eventStop { // what the decoder has left
			}
			return
		}
	}
	t.stack = append(t.stack, branch{e: e, kids: len(t.kids)})
}

func (t *tree) element() *Element {
	if len(t.slab) == 0 {
		t.slab = make([]Element, min(max(8, t.used), 128))
	}
	e := &t.slab[0]
	t.slab = t.slab[1:]
	return e
}

// add joins text to the innermost open element.
func (t *tree) add(s string) {
	b := &t.stack[len(t.stack)-1]
	if b.e.Text == "" {
		b.e.Text = s
	} else {
		b.parts = append(b.parts, s)
	}
}

// finish completes the element that has just ended.
func (t *tree) finish() {
	b := t.stack[len(t.stack)-1]
	t.stack = t.stack[:len(t.stack)-1]
	b.e.Children = carve(&t.kidSlab, t.kids[b.kids:])
	t.kids = t.kids[:b.kids]
	if len(b.parts) > 0 {
		b.e.Text += strings.Join(b.parts, "")
	}
	if len(b.e.Children) > 0 && strings.TrimSpace(b.e.Text) == "" {
		b.e.Text = ""
	}
}
