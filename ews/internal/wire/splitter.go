package wire

import (
	"bytes"
	"errors"
	"fmt"
	"io"
)

// Splitter cuts a stream of documents that follow one another, as
// GetStreamingEvents sends them ([MS-OXWSNTIF] 3.1.4.2), into single ones. It
// finds the end of a root element by counting depth, so it knows no prefix,
// needs no XML declaration and does not care where the chunks of the
// connection begin.
type Splitter struct {
	r   io.Reader
	max int
	buf []byte
	n   int   // length of the document handed out last, to be dropped
	err error // what ended the reading
}

// NewSplitter returns a Splitter that refuses documents of more than max
// bytes; 0 stands for 4 MB.
func NewSplitter(r io.Reader, max int) *Splitter {
	if max <= 0 {
		max = 4 << 20
	}
	return &Splitter{r: r, max: max}
}

// Next returns the next whole document; the bytes are the
// caller's. It returns io.EOF where the stream ends between two documents,
// [ErrTruncated] where it ends inside one, and the reader's own error where
// that came between two documents.
func (s *Splitter) Next() ([]byte, error) {
	s.buf = append(s.buf[:0], s.buf[s.n:]...)
	s.n = 0
	var sc docScanner
	start := 0 // of the document, after white space and the like
	for i := 0; ; {
		for ; i < len(s.buf); i++ {
			done, err := sc.step(s.buf[i])
			if err != nil {
				return nil, err
			}
			if done {
				s.n = i + 1
				return bytes.Clone(s.buf[start:s.n]), nil
			}
			if !sc.begun() {
				start = i + 1
			}
		}
		s.buf = append(s.buf[:0], s.buf[start:]...)
		i, start = i-start, 0
		if len(s.buf) >= s.max {
			return nil, fmt.Errorf("%w: more than %d bytes", ErrTooLarge, s.max)
		}
		if err := s.fill(); err != nil {
			return nil, s.ended(&sc, err)
		}
	}
}

// fill reads what is there.
func (s *Splitter) fill() error {
	if s.err != nil {
		return s.err
	}
	if cap(s.buf)-len(s.buf) < 4096 {
		grown := make([]byte, len(s.buf), max(8192, 2*cap(s.buf)))
		copy(grown, s.buf)
		s.buf = grown
	}
	room := min(cap(s.buf)-len(s.buf), s.max-len(s.buf))
	n, err := s.r.Read(s.buf[len(s.buf) : len(s.buf)+room])
	s.buf = s.buf[:len(s.buf)+n]
	s.err = err
	if n > 0 {
		return nil
	}
	return err // (0, nil) means: try again
}

// ended tells a clean end from a cut.
func (s *Splitter) ended(sc *docScanner, err error) error {
	switch {
	case sc.begun() && errors.Is(err, io.EOF):
		return ErrTruncated
	case sc.begun():
		return errors.Join(ErrTruncated, err)
	}
	return err
}

// docScanner follows the lexical structure of a document, one byte at a time.
type docScanner struct {
	state byte
	quote byte
	depth int
	last  [2]byte // the two bytes before, inside constructs that end in three
	count int     // bytes inside the construct
	empty bool    // the byte before was a '/' in a start tag
}

// The states of a docScanner.
const (
	inText byte = iota
	inOpen      // after '<'
	inStart
	inQuote
	inEnd
	inPI
	inBang // after '<!'
	inComment
	inCDATA
)

// begun reports whether the bytes so far are the beginning of a document.
func (d *docScanner) begun() bool { return d.depth > 0 || d.state != inText || d.count > 0 }

// step takes the next byte and reports whether it ends the root element.
func (d *docScanner) step(c byte) (done bool, err error) {
	switch d.state {
	case inText:
		return false, d.text(c)
	case inOpen:
		return false, d.opened(c)
	case inStart:
		return d.start(c), nil
	case inQuote:
		if c == d.quote {
			d.state = inStart
		}
	case inEnd:
		if c == '>' {
			return d.close()
		}
	case inPI:
		if c == '>' && d.last[1] == '?' && d.count > 0 {
			d.leave()
		} else {
			d.push(c)
		}
	case inBang:
		return false, d.bang(c)
	case inComment:
		d.until(c, "--")
	case inCDATA:
		d.until(c, "]]")
	}
	return false, nil
}

func (d *docScanner) text(c byte) error {
	switch {
	case c == '<':
		d.state = inOpen
	case d.depth > 0:
	case c <= ' ' || c == 0xEF || c == 0xBB || c == 0xBF: // white space, or a byte order mark
	default:
		return fmt.Errorf("%w: text between the documents of the stream", ErrMalformed)
	}
	return nil
}

func (d *docScanner) opened(c byte) error {
	switch {
	case c == '/':
		d.state = inEnd
	case c == '?':
		d.enter(inPI)
	case c == '!':
		d.enter(inBang)
	case isName(c):
		d.state, d.empty = inStart, false
		d.depth++
	default:
		return fmt.Errorf("%w: a bad name", ErrMalformed)
	}
	return nil
}

func (d *docScanner) start(c byte) (done bool) {
	switch c {
	case '"', '\'':
		d.state, d.quote = inQuote, c
	case '>':
		d.state = inText
		if d.empty {
			d.depth--
			return d.depth == 0
		}
	}
	d.empty = c == '/'
	return false
}

func (d *docScanner) close() (done bool, err error) {
	d.state = inText
	if d.depth == 0 {
		return false, fmt.Errorf("%w: an end tag that closes nothing", ErrMalformed)
	}
	d.depth--
	return d.depth == 0, nil
}

// bang tells a comment from CDATA; a DOCTYPE is refused.
func (d *docScanner) bang(c byte) error {
	const cdata = "[CDATA["
	switch {
	case d.count == 0 && c == '-' || d.count < len(cdata) && c == cdata[d.count] && d.last[1] != '-':
		d.push(c)
		if d.count == len(cdata) {
			d.enter(inCDATA)
		}
	case d.count == 1 && c == '-' && d.last[1] == '-':
		d.enter(inComment)
	default:
		return fmt.Errorf("%w: a DOCTYPE or declaration, which is refused", ErrMalformed)
	}
	return nil
}

// until leaves a construct at '>' after the two bytes of its end mark.
func (d *docScanner) until(c byte, mark string) {
	if c == '>' && d.count >= 2 && string(d.last[:]) == mark {
		d.leave()
		return
	}
	d.push(c)
}

func (d *docScanner) enter(state byte) {
	d.state, d.count, d.last = state, 0, [2]byte{}
}

func (d *docScanner) leave() {
	d.enter(inText)
	if d.depth == 0 {
		d.count = 1 // a prolog has been seen: the document has begun
	}
}

func (d *docScanner) push(c byte) {
	d.last[0], d.last[1] = d.last[1], c
	d.count++
}
