package render

import (
	"strings"

	nethtml "golang.org/x/net/html"
	"golang.org/x/net/html/atom"

	"github.com/koyomi-cal/koyomi/internal/calendar"
)

// cut takes the block at a spot out of a body.
func cut(b calendar.Body, at spot) string {
	if b.Type != calendar.BodyHTML {
		return cutText(b.Content, at)
	}
	if from, to, ok := pristine(b.Content, at); ok {
		return b.Content[:from] + b.Content[to:]
	}
	c := cutter{src: b.Content, spot: at}
	scan(b.Content, c.token)
	return c.rest()
}

// pristine widens a spot to the whole of a block's markup, if it is still as
// NewBlock wrote it.
func pristine(src string, at spot) (from, to int, ok bool) {
	if !strings.HasSuffix(src[:at.from], at.locale.prefix) || !strings.HasPrefix(src[at.to:], at.locale.suffix) {
		return at.from, at.to, false
	}
	return at.from - len(at.locale.prefix), at.to + len(at.locale.suffix), true
}

// textMargins returns the line ends that Insert puts around a block: two in
// front of it at the end of a body, else one in front of it and two behind.
func textMargins(before, after, eol string) (lead, trail string) {
	switch {
	case strings.TrimSpace(after) != "" && before != "":
		return eol, eol + eol
	case strings.TrimSpace(after) != "":
		return "", eol + eol
	case before != "":
		return eol + eol, ""
	}
	return "", ""
}

// cutText takes a block out of plain text, with the margins of textMargins as
// far as they are there.
func cutText(src string, at spot) string {
	eol := "\n"
	if strings.Contains(src[at.from:at.to], "\r\n") {
		eol = "\r\n"
	}
	before, after := src[:at.from], src[at.to:]
	lead, trail := textMargins(before, after, eol)
	for ; lead != "" && strings.HasSuffix(before, eol); lead = lead[len(eol):] {
		before = strings.TrimSuffix(before, eol)
	}
	for ; trail != "" && strings.HasPrefix(after, eol); trail = trail[len(eol):] {
		after = strings.TrimPrefix(after, eol)
	}
	if before != "" && after != "" && !strings.HasSuffix(before, "\n") && after[0] != '\n' && after[0] != '\r' {
		before += eol // two lines stay two lines
	}
	return before + after
}

// cutter takes a block out of markup that somebody rewrote: every largest
// element of which nothing else can be seen goes as a whole; elsewhere only
// the block's own text goes. Tags stay balanced, and whatever is not ours
// (text around, a picture between) stays.
type cutter struct {
	src  string
	spot spot
	open []holder
	cuts []gap
}

// holder is an open element and what it holds so far.
type holder struct {
	atom        atom.Atom
	name        string
	at          int
	ours, other bool
}

// gap is a piece of source that goes.
type gap struct{ from, to int }

func (c *cutter) token(t token) {
	switch t.kind {
	case nethtml.TextToken:
		if !t.hidden {
			c.text(t)
		}
	case nethtml.SelfClosingTagToken, nethtml.StartTagToken:
		switch {
		case t.atom == atom.Br:
			if t.at >= c.spot.from && t.to <= c.spot.to {
				c.cuts = append(c.cuts, gap{t.at, t.to})
			}
		case shows(t.atom):
			c.note(false, true)
		}
		if t.kind == nethtml.StartTagToken && !void(t.atom) {
			c.open = append(c.open, holder{atom: t.atom, name: t.name, at: t.at, other: shows(t.atom)})
		}
	case nethtml.EndTagToken:
		c.finish(t)
	}
}

// note records what was seen in the innermost open element.
func (c *cutter) note(ours, other bool) {
	if k := len(c.open) - 1; k >= 0 {
		c.open[k].ours = c.open[k].ours || ours
		c.open[k].other = c.open[k].other || other
	}
}

func (c *cutter) text(t token) {
	from, to := max(t.at, c.spot.from), min(t.to, c.spot.to)
	if from >= to {
		c.note(false, visibleMarkup(c.src[t.at:t.to]))
		return
	}
	c.cuts = append(c.cuts, gap{from, to})
	c.note(true, visibleMarkup(c.src[t.at:from]) || visibleMarkup(c.src[to:t.to]))
}

// visibleMarkup reports whether anything of an HTML text can be seen.
func visibleMarkup(text string) bool {
	p := &page{src: text, angle: -1}
	p.markup(0, len(text))
	return len(p.seen) > 0
}

func (c *cutter) finish(t token) {
	for k := len(c.open) - 1; k >= 0 && k >= len(c.open)-maxDepth; k-- {
		e := c.open[k]
		if e.atom != t.atom || !strings.EqualFold(e.name, t.name) {
			continue
		}
		for _, inner := range c.open[k+1:] {
			e.ours, e.other = e.ours || inner.ours, e.other || inner.other
		}
		c.open = c.open[:k]
		e.ours = e.ours || e.at >= c.spot.from && t.to <= c.spot.to // an empty line between
		if e.ours && !e.other && e.atom != atom.Body && e.atom != atom.Html {
			n := len(c.cuts)
			for n > 0 && c.cuts[n-1].from >= e.at {
				n--
			}
			c.cuts = append(c.cuts[:n], gap{e.at, t.to})
		}
		c.note(e.ours, e.other)
		return
	}
}

// rest returns the source without the cuts.
func (c *cutter) rest() string {
	var out strings.Builder
	at := 0
	for _, g := range c.cuts {
		out.WriteString(c.src[at:g.from])
		at = g.to
	}
	out.WriteString(c.src[at:])
	return out.String()
}
