package render

import (
	"bytes"
	"slices"
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
	return s.find(newPage(b), joinURL)
}

// find looks for a block on a page.
func (s *shelf) find(p *page, joinURL string) Found {
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
	title       int // length of its first line
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
	if slices.ContainsFunc(firsts, func(i int) bool { return i < at && at-i < maxBlock }) {
		return Found{State: Partial, Reason: NoLastLine}
	}
	return Found{State: Partial, Reason: LinkOnly}
}

// frames finds every last line, each with its first line if it has one, and
// the places of all first lines. Frames never overlap, so that the work is
// linear in the page.
func (f *finder) frames() (frames []frame, firsts []int) {
	for i := range f.shelf.locales {
		l := &f.shelf.locales[i]
		starts, ends := places(f.seen, l.firstKeys), places(f.seen, l.lastKeys)
		for _, s := range starts {
			firsts = append(firsts, s.at)
		}
		free, next := 0, 0 // seen[:free] belongs to earlier frames
		for _, end := range ends {
			fr := frame{locale: l, first: -1}
			begin := max(free, end.at-maxBlock)
			for ; next < len(starts) && starts[next].at < end.at; next++ {
				if starts[next].at >= begin {
					fr.first, fr.title = starts[next].at, len(starts[next].key)
				}
			}
			f.judge(&fr, begin, end)
			frames = append(frames, fr)
			free = fr.last
		}
	}
	return frames, firsts
}

// judge fills a frame whose last line stands at end; begin is how far back it
// may reach.
func (f *finder) judge(fr *frame, begin int, end place) {
	code := end.at + len(end.key)
	fr.last = code + len(noCode) - 1
	if fr.last > len(f.seen) || f.seen[fr.last-1] != ')' {
		fr.last = code
	}
	fr.quoted = f.isQuoted(end.at) || fr.first >= 0 && f.isQuoted(fr.first)
	if fr.first < 0 {
		_, fr.hasURL = f.link(begin, end.at)
		return
	}
	_, fr.hasURL = f.link(fr.first, end.at)
	if fr.last == code {
		return
	}
	visible, want := f.seen[fr.first:code], string(f.seen[code:fr.last-1])
	fr.whole = check(visible) == want
	if !fr.whole {
		plain, links := f.unwrapped(fr.first, code)
		fr.whole = check(plain) == want
		fr.hasURL = fr.hasURL || fr.whole && slices.ContainsFunc(links, func(l string) bool { return f.url == "" || l == f.url })
	}
	if fr.whole {
		f.widen(fr, end.at)
	}
}

// widen takes in the stars that a conversion to plain text put around a bold
// first or last line.
func (f *finder) widen(fr *frame, end int) {
	for n := 0; n < 3 && fr.first > 0 && fr.first+fr.title < len(f.seen); n++ {
		c := f.seen[fr.first-1]
		if c != '*' && c != '_' || f.seen[fr.first+fr.title+n] != c {
			break
		}
		fr.first--
		fr.title++
	}
	for n := 1; n <= 3 && fr.last < len(f.seen) && end-n > fr.first; n++ {
		c := f.seen[fr.last]
		if c != '*' && c != '_' || f.seen[end-n] != c {
			break
		}
		fr.last++
	}
}

// place is where a key stands.
type place struct {
	at  int
	key string
}

// places lists in order where any of the keys stands in text.
func places(text []byte, keys []string) (all []place) {
	for _, key := range keys {
		for i := 0; ; {
			k := bytes.Index(text[i:], []byte(key))
			if k < 0 {
				break
			}
			all = append(all, place{i + k, key})
			i += k + len(key)
		}
	}
	if len(keys) > 1 {
		slices.SortFunc(all, func(a, b place) int { return a.at - b.at })
	}
	return all
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
