package render

import (
	"bytes"
	"encoding/base64"
	"net/url"
	"strings"
)

// Mail gateways rewrite links so that a click passes them first. In HTML they
// change the target only, which find does not look at; in plain text they
// change the link that is read. The three most used forms carry the address
// in clear, and so does a target behind "url=" of most others. What unwrap
// makes of a text is only ever compared with what must be there, so it may be
// generous.

const maxWrapped = 8 << 10 // bytes of a wrapped link

// unwrapped returns seen[from:to] with the addresses that gateways wrapped, and
// these addresses.
func (p *page) unwrapped(from, to int) (text []byte, links []string) {
	for i := from; i < to; {
		k := bytes.Index(p.seen[i:to], []byte("https://"))
		if k < 0 {
			return append(text, p.seen[i:to]...), links
		}
		start := i + k
		end := p.linkEnd(start, min(to, start+maxWrapped))
		link := unwrap(string(p.seen[start:end]))
		text = append(append(text, p.seen[i:start]...), link...)
		links = append(links, link)
		i = end
	}
	return text, links
}

// linkEnd returns where the address that begins at start ends: at a blank, a
// line break or a sign that no address holds.
func (p *page) linkEnd(start, limit int) int {
	k := p.spanOf(start) + 1
	for ; k < len(p.spans) && !p.spans[k].gap; k++ {
	}
	if k < len(p.spans) {
		limit = min(limit, int(p.spans[k].txt))
	}
	for i := start; i < limit; i++ {
		if c := p.seen[i]; c <= ' ' || c == '<' || c == '>' || c == '"' || c == ')' {
			return i
		}
	}
	return limit
}

// unwrap returns the address inside a wrapped one, or the address itself.
func unwrap(link string) string {
	if _, rest, ok := strings.Cut(link, "/v3/__"); ok {
		return proofpoint(link, rest)
	}
	u, err := url.Parse(link)
	if err != nil {
		return link
	}
	q := u.Query()
	for _, key := range []string{"url", "u", "a", "q"} {
		v := q.Get(key)
		if strings.HasPrefix(v, "https-3A__") { // Proofpoint's second form
			if v, err = url.PathUnescape(strings.NewReplacer("-", "%", "_", "/").Replace(v)); err != nil {
				return link
			}
		}
		if strings.HasPrefix(v, "https://") {
			return v
		}
	}
	return link
}

// proofpoint undoes Proofpoint's third form: https://urldefense.com/v3/__URL__;
// and then, in base64, the characters that stand as "*" in URL.
func proofpoint(link, rest string) string {
	inner, tail, ok := strings.Cut(rest, "__;")
	if !ok {
		return link
	}
	tail, _, _ = strings.Cut(tail, "!")
	hidden, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(tail, "="))
	if err != nil {
		return link
	}
	if strings.HasPrefix(inner, "https:/") && !strings.HasPrefix(inner, "https://") {
		inner = "https://" + inner[len("https:/"):]
	}
	var b strings.Builder
	for i := 0; i < len(inner); i++ {
		c := inner[i]
		if c == '*' && len(hidden) > 0 {
			c, hidden = hidden[0], hidden[1:]
		}
		b.WriteByte(c)
	}
	return b.String()
}
