package wire

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
)

// Scanner reads one document from front to back without building anything of
// it. It is as strict and as forgiving as [Parse], which is made of it.
//
// A reader goes down with [Scanner.Child] and takes what it wants by
// [Scanner.Text], [Scanner.Attr] or further calls of Child; what it does not
// take is passed over:
//
//	for depth := s.Depth(); s.Child(depth); {
//		switch s.Name() {
//		case "Subject":
//			subject, _ = s.Text()
//		}
//	}
//
// The first error ends the document: from then on there are no children and
// no text, and [Scanner.Err] returns it.
type Scanner struct {
	s    string
	pos  int
	lim  Limits
	used int // elements and attributes so far
	err  error

	open     []frame
	bindings []binding
	rooted   bool   // the root element has begun
	attrs    []Attr // of the last start tag; names and values as written
	empty    bool   // the last start tag was its own end tag, which is yet to be read
	fresh    bool   // nothing inside the innermost element has been read
	text     string // that next came upon
	raw      bool   // the text may hold references
	scratch  []byte
}

// event is what the scanner comes upon.
type event uint8

const (
	eventEnd   event = iota // of the innermost element
	eventStart              // of the innermost element
	eventText
	eventStop // an error, or the end of the document
)

// maxBindings bounds the namespace declarations in scope, each of which costs
// time at every name below it.
const maxBindings = 256

// binding is one namespace declaration in scope.
type binding struct{ prefix, uri string }

// frame is one open element.
type frame struct {
	name     string // as written, with its prefix
	local    int    // where the local name begins in it
	bindings int    // declarations in scope outside it
}

// NewScanner returns a scanner of one document, whose bytes must not change
// any more: they are not copied.
func NewScanner(data []byte, lim Limits) *Scanner {
	s := &Scanner{lim: lim.withDefaults(), open: make([]frame, 0, 16)}
	if int64(len(data)) > s.lim.Bytes {
		s.err = fmt.Errorf("%w: more than %d bytes", ErrTooLarge, s.lim.Bytes)
		return s
	}
	s.s = repair(data)
	return s
}

// Err returns the error that ended the document early, or nil.
func (s *Scanner) Err() error { return s.err }

// Depth returns how many elements are open: inside the root element it is 1.
func (s *Scanner) Depth() int { return len(s.open) }

// Name returns the local name of the innermost open element.
func (s *Scanner) Name() string {
	if len(s.open) == 0 {
		return ""
	}
	f := &s.open[len(s.open)-1]
	return f.name[f.local:]
}

// Child moves to the next child of the element that was the innermost one at
// the given depth, and reports whether there is one. Depth 0 moves to the root
// element. What is left of the child before is passed over.
func (s *Scanner) Child(depth int) bool {
	for len(s.open) >= depth {
		switch s.next() {
		case eventStart:
			if len(s.open) == depth+1 {
				return true
			}
		case eventStop:
			return false
		}
	}
	return false
}

// Attr returns the value of the attribute with that local name, or "". It must
// be called before anything inside the element is read.
func (s *Scanner) Attr(name string) string {
	for i := range s.attrs {
		if a := &s.attrs[i]; a.Name == name || strings.HasSuffix(a.Name, name) && a.Name[len(a.Name)-len(name)-1] == ':' {
			return unescape(a.Value)
		}
	}
	return ""
}

// Text reads the innermost element to its end and returns the character data
// directly inside it, or "" where it has children and only white space beside
// them. Shared says that the text shares the memory of the document.
func (s *Scanner) Text() (text string, shared bool) {
	if raw, ok := s.leaf(); ok {
		if strings.IndexByte(raw, '&') < 0 {
			return raw, true
		}
		s.scratch = appendUnescaped(slices.Grow(s.scratch[:0], len(raw)), raw)
		return string(s.scratch), false
	}
	return s.mixed(), false
}

// leaf reads an element that holds nothing but plain text, in one go. It
// returns false, and has read nothing, where it is not that simple.
func (s *Scanner) leaf() (raw string, ok bool) {
	if !s.fresh || s.empty || len(s.open) == 0 {
		return "", false
	}
	i := strings.IndexByte(s.s[s.pos:], '<')
	if i < 0 {
		return "", false
	}
	f := &s.open[len(s.open)-1]
	tag := s.s[s.pos+i:]
	if n := len(f.name) + 2; len(tag) <= n || tag[1] != '/' || tag[n] != '>' || tag[2:n] != f.name {
		return "", false
	}
	raw = s.s[s.pos : s.pos+i]
	s.pos += i + len(f.name) + 3
	s.close()
	return raw, true
}

// mixed reads text between comments, sections and children.
func (s *Scanner) mixed() string {
	text, kids := s.scratch[:0], false
	for depth := len(s.open); len(s.open) >= depth && depth > 0; {
		switch s.next() {
		case eventText:
			if len(s.open) == depth {
				if s.raw {
					text = appendUnescaped(text, s.text)
				} else {
					text = append(text, s.text...)
				}
			}
		case eventStart:
			kids = true
		case eventStop:
			return ""
		}
	}
	s.scratch = text
	if kids && len(bytes.TrimSpace(text)) == 0 {
		return ""
	}
	return string(text)
}

func (s *Scanner) stop(err error) event {
	s.err = err
	return eventStop
}

func (s *Scanner) malformed(what string) event {
	return s.stop(fmt.Errorf("%w: %s at byte %d", ErrMalformed, what, s.pos))
}

// close leaves the innermost element.
func (s *Scanner) close() {
	f := &s.open[len(s.open)-1]
	s.bindings = s.bindings[:f.bindings]
	s.open = s.open[:len(s.open)-1]
	s.empty, s.fresh = false, false
}
