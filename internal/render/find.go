package render

import (
	"bytes"
	"strings"

	"github.com/koyomi-cal/koyomi/internal/calendar"
)

// State says how much of a join block is in a body.
type State string

// The states of a body.
const (
	Absent  State = "absent"  // nothing of a block, and the link is not there either
	Whole   State = "whole"   // exactly one block for the link, all of it ours: it may be replaced or removed
	Partial State = "partial" // something is there that must not be touched; Reason says what
)

// Reason says why a block is not whole.
type Reason string

// The reasons for [Partial].
const (
	NoFirstLine Reason = "first-line-missing" // a last line without its first one
	NoLastLine  Reason = "last-line-missing"  // a first line and the link without a last line
	Edited      Reason = "edited"             // somebody wrote between the first and the last line
	OtherLink   Reason = "other-link"         // a whole block, but for another link
	Twice       Reason = "twice"              // two blocks for the same link
	Quoted      Reason = "quoted"             // the block stands in a quoted mail
	LinkOnly    Reason = "link-only"          // the link without any block, as somebody pasted it
	Unread      Reason = "unread"             // the body was not wholly read, or is too large
)

// Found is what Find saw.
type Found struct {
	State  State
	Reason Reason // of Partial; empty otherwise
	Locale string // of Whole: the language of the block
	Others int    // further whole blocks, for other links

	spot spot
}

// spot is where a block stands in the source: from its first visible character
// to behind its last one.
type spot struct {
	from, to    int
	locale      *locale
	first, last int // the same in page.seen
}

// Find looks for the join block that shows joinURL. It goes by what a reader
// sees: the block's first and last line in any language, the link between
// them, and the code in the last line, which covers all that lies between. So
// it does not matter what an editor did to the markup, and whatever a person
// changed inside the block is noticed.
//
// An empty joinURL finds a block for any link.
func Find(b calendar.Body, joinURL string) Found {
	if err := checkBody(b); err != nil {
		return Found{State: Partial, Reason: Unread}
	}
	s, err := library()
	if err != nil {
		return Found{State: Partial, Reason: Unread}
	}
	p := newPage(b)
	f := finder{page: p, shelf: s, url: squeeze(joinURL)}
	f.ownEnd, _ = p.quoteAt()
	return f.find()
}

// finder is one search.
type finder struct {
	*page
	shelf  *shelf
	url    string
	ownEnd int // first line of the quoted mail at the end
}

// frame is a last line with the nearest first line in front of it.
type frame struct {
	locale      *locale
	first, last int // in seen: where the block begins, where its code's parenthesis ends
	whole       bool
	hasURL      bool
	quoted      bool
}

func (f *finder) find() Found {
	frames, firsts := f.frames()
	var ours, others []frame
	var broken Reason
	quoted := false
	for _, fr := range frames {
		switch {
		case fr.quoted:
			quoted = quoted || fr.hasURL
		case fr.whole && fr.hasURL:
			ours = append(ours, fr)
		case fr.whole:
			others = append(others, fr)
		case fr.hasURL && len(ours) > 0:
			broken = Twice
		case fr.first < 0:
			broken = NoFirstLine
		default:
			broken = Edited
		}
	}
	switch {
	case len(ours) > 1 || len(ours) == 1 && broken == Twice:
		return Found{State: Partial, Reason: Twice}
	case len(ours) == 1:
		fr := ours[0]
		return Found{State: Whole, Locale: fr.locale.Tag, Others: len(others), spot: spot{f.from(fr.first), f.to(fr.last), fr.locale, fr.first, fr.last}}
	case broken != "":
		return Found{State: Partial, Reason: broken}
	case len(others) > 0:
		return Found{State: Partial, Reason: OtherLink, Others: len(others)}
	case quoted:
		return Found{State: Partial, Reason: Quoted}
	}
	at, ok := f.link(0, len(f.seen))
	if !ok || f.isQuoted(at) {
		return Found{State: Absent}
	}
	for _, i := range firsts {
		if i < at && at-i < maxBlock {
			return Found{State: Partial, Reason: NoLastLine}
		}
	}
	return Found{State: Partial, Reason: LinkOnly}
}

// frames finds every last line, each with its first line if it has one, and
// the places of all first lines. Frames never overlap, so that the work is
// linear in the page.
func (f *finder) frames() (frames []frame, firsts []int) {
	for i := range f.shelf.locales {
		l := &f.shelf.locales[i]
		starts := places(f.seen, l.firstKey)
		firsts = append(firsts, starts...)
		free, next := 0, 0 // seen[:free] belongs to earlier frames
		for _, at := range places(f.seen, l.lastKey) {
			fr := frame{locale: l, first: -1}
			for next < len(starts) && starts[next] < at {
				if starts[next] >= free {
					fr.first = starts[next]
				}
				next++
			}
			code := at + len(l.lastKey)
			fr.last = code + len("0000)")
			if fr.last > len(f.seen) || f.seen[fr.last-1] != ')' {
				fr.last = code
			}
			if fr.first >= 0 && at-fr.first > maxBlock {
				fr.first = -1
			}
			fr.quoted = f.isQuoted(at) || fr.first >= 0 && f.isQuoted(fr.first)
			begin := max(fr.first, at-maxBlock, free)
			if fr.first >= 0 {
				begin = fr.first
				fr.whole = fr.last > code && check(string(f.seen[fr.first:code])) == string(f.seen[code:fr.last-1])
			}
			_, fr.hasURL = f.link(begin, at)
			frames = append(frames, fr)
			free = fr.last
		}
	}
	return frames, firsts
}

// places lists where key stands in text.
func places(text []byte, key string) (at []int) {
	for i := 0; ; {
		k := bytes.Index(text[i:], []byte(key))
		if k < 0 {
			return at
		}
		at = append(at, i+k)
		i += k + len(key)
	}
}

// isQuoted reports whether seen[i] is part of a quoted mail.
func (f *finder) isQuoted(i int) bool {
	k := f.lineOf(i)
	return k >= f.ownEnd || k >= 0 && f.lines[k].quoted
}

// link finds the join URL in seen[from:to], as a whole address and not as the
// beginning or the end of a longer one. Without a URL to look for, anything
// will do.
func (f *finder) link(from, to int) (int, bool) {
	if f.url == "" {
		return from, from < to && bytes.Contains(f.seen[from:to], []byte("https://"))
	}
	for i := from; i < to; {
		k := bytes.Index(f.seen[i:to], []byte(f.url))
		if k < 0 {
			return 0, false
		}
		at, end := i+k, i+k+len(f.url)
		if (at == 0 || f.parted(at) || !inURL(f.seen[at-1])) && (end == len(f.seen) || f.parted(end) || !inURL(f.seen[end])) {
			return at, true
		}
		i = at + 1
	}
	return 0, false
}

// inURL reports whether an address may go on with c.
func inURL(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || strings.IndexByte("-_~/?#@!$&*+=%", c) >= 0
}
