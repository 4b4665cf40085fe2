// Package render writes join details into the body of an invitation, finds
// them there again, replaces them and takes them out.
//
// What it writes is the join block: a small table in an HTML body, a few lines
// in a text body, in one of the languages under locales/. Its first three
// lines are all that one needs (what to do, the link in full, the passcode);
// its last line says who wrote it and ends in a short code.
//
// The hard part is finding it again. Between two looks at an invitation,
// Outlook stores its body as RTF and back, Word or a web editor writes the
// markup anew, a phone makes plain text of it, and a person types around it.
// Comments, ids, classes and hidden text do not survive that, visible text
// does. So [Find] reads what a person would read: the first line, the last
// line, the link between them, blanks and markup left out. The code in the
// last line is computed over that very text. If it matches, everything between
// the two lines is ours and may go; if not, a person has written there and
// nothing is touched.
//
// The order of calls is [Find], then one of [Insert] (when it says Absent),
// [Replace] or [Remove] (when it says Whole). Where nobody rewrote the body,
// Remove undoes Insert to the byte.
//
// A block goes to the end of the organiser's own text, above a signature that
// "-- " opens: never into a mail that is quoted below it, never into another
// block. All work is linear in the
// body, and a body that was not wholly read is never written.
package render

import (
	"errors"
	"fmt"
	"strings"

	"github.com/koyomi-cal/koyomi/internal/calendar"
)

// MaxBody is the size in bytes up to which a body is rewritten. Exchange's own
// limit for a request lies well below it in most installations.
const MaxBody = 16 << 20

// The errors of Insert, Replace and Remove. Each leaves the body as it was.
var (
	ErrUnread = errors.New("the invitation's text was not wholly read, so it is not rewritten: read it again in full")
	ErrLarge  = errors.New("the invitation's text is larger than 16 MiB, so it is not rewritten")
	ErrThere  = errors.New("the invitation already carries these join details")
	ErrAbsent = errors.New("the invitation carries no join details to replace or remove")
	ErrPlace  = errors.New("the invitation's text is damaged in such a way that join details cannot be put there or taken out safely: it was left as it is")
)

// PartialError says that a body holds something of a join block that is not
// wholly recognisable, and so was left alone.
type PartialError struct {
	Reason Reason
}

// Error names the reason.
func (e *PartialError) Error() string {
	return fmt.Sprintf("the invitation holds join details that are not wholly ours (%s): they were left as they are", e.Reason)
}

// checkBody refuses what is never rewritten.
func checkBody(b calendar.Body) error {
	switch {
	case !b.Whole:
		return ErrUnread
	case len(b.Content) > MaxBody:
		return ErrLarge
	case b.Type != calendar.BodyHTML && b.Type != calendar.BodyText:
		return fmt.Errorf("a body of type %q cannot carry join details", b.Type)
	}
	return nil
}

// Insert appends the join details to the organiser's own text, in the form in
// which the body is stored. It refuses a body that already holds a block, whole
// or in part (a [PartialError]); a link that somebody pasted themselves
// ([LinkOnly]) is no block and does not stop it.
func Insert(b calendar.Body, j calendar.JoinDetails, o Options) (calendar.Body, error) {
	if err := checkBody(b); err != nil {
		return b, err
	}
	s, err := library()
	if err != nil {
		return b, err
	}
	block, err := s.block(j, o)
	if err != nil {
		return b, err
	}
	p := newPage(b)
	switch f := s.find(p, j.URL); {
	case f.State == Whole:
		return b, ErrThere
	case f.State == Partial && f.Reason != LinkOnly:
		return b, &PartialError{f.Reason}
	}
	return s.put(b, p, block, j.URL)
}

// Addition returns the block alone that Insert would put into a body, and
// whether its place is the body's end: then appending it does the same.
func Addition(b calendar.Body, j calendar.JoinDetails, o Options) (calendar.Body, bool) {
	block, err := NewBlock(j, o)
	if err != nil || checkBody(b) != nil {
		return calendar.Body{}, false
	}
	_, at := newPage(b).quoteAt()
	added := calendar.Body{Type: b.Type, Content: block.Text, Whole: true}
	if b.Type == calendar.BodyHTML {
		added.Content = block.HTML
	}
	return added, closing(b.Content[at:])
}

// closing reports whether nothing but ends of elements is left of a body.
func closing(s string) bool {
	for s = strings.TrimSpace(s); s != ""; s = strings.TrimSpace(s) {
		end := strings.IndexByte(s, '>')
		if !strings.HasPrefix(s, "</") || end < 0 || strings.IndexByte(s[1:end], '<') >= 0 {
			return false
		}
		s = s[end+1:]
	}
	return true
}

// put inserts a block into the body of page p and makes sure that it can be
// found and taken out again without a trace: in a damaged body neither is
// certain.
func (s *shelf) put(b calendar.Body, p *page, block Block, url string) (calendar.Body, error) {
	_, at := p.quoteAt()
	before, after := b.Content[:at], b.Content[at:]
	out := b
	if b.Type == calendar.BodyHTML {
		out.Content = before + block.HTML + after
	} else {
		eol := lineEnd(b.Content)
		lead, trail := textMargins(before, after, eol)
		out.Content = before + lead + strings.ReplaceAll(block.Text, "\n", eol) + trail + after
	}
	q := newPage(out)
	f := s.find(q, url)
	if f.State != Whole || cut(out, f.spot) != b.Content || !q.without(f.spot, p) {
		return b, ErrPlace
	}
	return out, nil
}

// lineEnd returns the line end that a text body uses: CRLF unless it only
// knows LF.
func lineEnd(text string) string {
	if !strings.Contains(text, "\r\n") && strings.Contains(text, "\n") {
		return "\n"
	}
	return "\r\n"
}

// Remove takes the block that shows joinURL out of a body.
func Remove(b calendar.Body, joinURL string) (calendar.Body, error) {
	s, p, f, err := whole(b, joinURL)
	if err != nil {
		return b, err
	}
	out, _, err := s.takeOut(b, p, f.spot)
	return out, err
}

// takeOut cuts a block out of the body of page p and makes sure that what else
// is seen stays: two halves of a word or a tag might meet where the block
// stood.
func (s *shelf) takeOut(b calendar.Body, p *page, at spot) (calendar.Body, *page, error) {
	out := b
	out.Content = cut(b, at)
	rest := newPage(out)
	if !p.without(at, rest) {
		return b, p, ErrPlace
	}
	return out, rest, nil
}

// Replace puts new join details in the place of the block that shows oldURL.
// Where somebody rewrote the markup, the new block goes to the end of the
// organiser's text instead.
func Replace(b calendar.Body, oldURL string, j calendar.JoinDetails, o Options) (calendar.Body, error) {
	s, p, f, err := whole(b, oldURL)
	if err != nil {
		return b, err
	}
	block, err := s.block(j, o)
	if err != nil {
		return b, err
	}
	if from, to, ok := pristine(b.Content, f.spot); ok && b.Type == calendar.BodyHTML {
		out := b
		out.Content = b.Content[:from] + block.HTML + b.Content[to:]
		if s.find(newPage(out), j.URL).State == Whole {
			return out, nil
		}
		return b, ErrPlace
	}
	rest, left, err := s.takeOut(b, p, f.spot)
	if err != nil {
		return b, err
	}
	out, err := s.put(rest, left, block, j.URL)
	if err != nil {
		return b, err
	}
	return out, nil
}

// whole finds the one whole block for a link.
func whole(b calendar.Body, joinURL string) (*shelf, *page, Found, error) {
	if err := checkBody(b); err != nil {
		return nil, nil, Found{}, err
	}
	s, err := library()
	if err != nil {
		return nil, nil, Found{}, err
	}
	p := newPage(b)
	f := s.find(p, joinURL)
	switch f.State {
	case Whole:
		return s, p, f, nil
	case Partial:
		return s, p, f, &PartialError{f.Reason}
	}
	return s, p, f, ErrAbsent
}
