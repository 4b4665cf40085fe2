package render

import (
	"strings"

	nethtml "golang.org/x/net/html"
	"golang.org/x/net/html/atom"
)

// maxDepth bounds how far up an end tag looks for its start tag, so that a
// million of open elements cost no more than a million steps.
const maxDepth = 256

// walker follows the elements of an HTML body while its page is filled. It
// knows where a block could stand: a place where the text is still in sight
// and no table would be torn apart.
type walker struct {
	*page
	open    []element
	bodyEnd int  // of the last </body> or </html> with nothing visible after it; -1: none
	broken  int  // of what swallows all that follows it; -1: nothing does
	valid   bool // the anchor is such a place
}

type element struct {
	atom   atom.Atom
	name   string
	at     int
	quotes bool
}

// token takes one token.
func (w *walker) token(t token) {
	if !t.whole {
		w.broken = t.at
		return
	}
	switch t.kind {
	case nethtml.TextToken:
		w.text(t)
	case nethtml.StartTagToken:
		w.start(t)
	case nethtml.SelfClosingTagToken:
		if void(t.atom) {
			w.start(t)
		} else if breaks(t.atom) {
			w.breakLine()
		}
	case nethtml.EndTagToken:
		w.finish(t)
	}
}

func (w *walker) text(t token) {
	if t.hidden {
		// The end tag of such an element is a token of its own. If none
		// follows, the source ended inside it.
		if t.to == len(w.src) && len(w.open) > 0 {
			w.broken = w.open[len(w.open)-1].at
		}
		return
	}
	before := len(w.seen)
	w.markup(t.at, t.to)
	if len(w.seen) != before {
		w.visible(t.to)
	}
}

// visible notes that something can be seen up to this point: a block that is
// to precede what comes next stands behind it.
func (w *walker) visible(at int) {
	w.bodyEnd = -1
	w.settle(at)
}

// settle moves the anchor, unless a block there would tear a table apart; the
// next start tag then offers a better place.
func (w *walker) settle(at int) {
	w.anchor = at
	w.valid = len(w.open) == 0 || !holdsNoText(w.open[len(w.open)-1].atom)
}

// holdsNoText reports whether text directly inside an element is moved
// elsewhere or not shown.
func holdsNoText(a atom.Atom) bool {
	switch a {
	case atom.Table, atom.Tbody, atom.Thead, atom.Tfoot, atom.Tr, atom.Colgroup, atom.Ul, atom.Ol, atom.Dl, atom.Select, atom.Head, atom.Html:
		return true
	}
	return swallows(a)
}

func (w *walker) start(t token) {
	if t.quotes != noQuote && w.quoted == 0 {
		w.quotedAt = w.anchor
	}
	if breaks(t.atom) {
		w.breakLine()
	} else if t.atom == atom.Td || t.atom == atom.Th {
		w.gap = true
	}
	if void(t.atom) {
		if shows(t.atom) && t.atom != atom.Hr {
			w.visible(t.to)
		}
		return
	}
	w.open = append(w.open, element{atom: t.atom, name: t.name, at: t.at, quotes: t.quotes == wrapsMail})
	if t.quotes != noQuote {
		w.quoted++
	}
	if swallows(t.atom) && t.to == len(w.src) {
		w.broken = t.at
	}
	if !w.valid || t.atom == atom.Body || t.atom == atom.Html || t.atom == atom.Head {
		w.settle(t.to)
	}
}

func (w *walker) finish(t token) {
	if breaks(t.atom) {
		w.breakLine()
	} else if t.atom == atom.Td || t.atom == atom.Th {
		w.gap = true
	}
	if (t.atom == atom.Body || t.atom == atom.Html) && w.bodyEnd < 0 {
		w.bodyEnd = t.at
	}
	for k := len(w.open) - 1; k >= 0 && k >= len(w.open)-maxDepth; k-- {
		if w.open[k].atom != t.atom || !strings.EqualFold(w.open[k].name, t.name) {
			continue
		}
		for _, e := range w.open[k:] {
			if e.quotes {
				w.quoted--
			}
		}
		w.open = w.open[:k]
		break
	}
	w.settle(t.to)
}
