package detect

import (
	"bytes"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxURL bounds the length of a link in bytes. Wrapped Teams links reach two
// thousand; three wrappers around one have been seen with nine.
const maxURL = 16 << 10

// sighting is a link where it was found, not judged yet.
type sighting struct {
	*flat
	raw   string
	at    span   // in the flat's text
	src   span   // in the field; empty: where the text stands
	aside bool   // not where people see it
	why   string // how it was found
}

// links finds every link of a field and judges it.
func (s *search) links(f *flat) {
	for _, l := range f.links {
		if isWeb(l.href) {
			why := "in a link's href"
			if l.aside {
				why = "in what only some mail programs show"
			}
			s.consider(sighting{f, l.href, span{l.from, l.from}, l.src, l.aside, why})
		}
	}
	next := 0 // first of f.links that may cover the current place
	cover := covering{link: -1}
	for at := 0; at < len(f.text); {
		from, to := word(f.text, at)
		f.steps += to - at
		if from >= to {
			break
		}
		at = to
		for next < len(f.links) && f.links[next].to <= from {
			next++
		}
		if next < len(f.links) && f.links[next].from <= from {
			if cover.link != next {
				cover = s.covers(f.links[next], next)
			}
			if cover.wins {
				s.mismatch(f.text[from:to], cover.host)
				continue
			}
		}
		at = s.word(f, from, to)
	}
}

// isWeb reports whether a link is one that a browser or a meeting program
// opens.
func isWeb(href string) bool {
	for _, scheme := range []string{"https:", "http:", "msteams:", "zoommtg:", "zoomus:"} {
		if len(href) > len(scheme) && strings.EqualFold(href[:len(scheme)], scheme) {
			return true
		}
	}
	return false
}

// covering says of an anchor whether its target counts and not the link that
// its text shows.
type covering struct {
	link int // its index
	wins bool
	host string
}

func (s *search) covers(l link, index int) covering {
	c := covering{link: index}
	if !isWeb(l.href) {
		return c
	}
	target, _ := s.registry.unwrap(l.href)
	s.steps += len(l.href)
	a, ok := parse(target)
	c.wins, c.host = ok && !opaque(a.host), a.host
	return c
}

// mismatch names a link in an anchor's text that leads to another host than
// the anchor does.
func (s *search) mismatch(text []byte, host string) {
	i := bytes.Index(text, []byte("://"))
	if i < 0 || len(text) > maxURL || len(s.out.Rejected) == maxFound {
		return
	}
	shown, _ := parse(clean(string(text[bytes.LastIndexAny(text[:i], "([:")+1:])))
	s.steps += len(text)
	if v := s.registry.judge(shown); v.kind > refused && domain(shown.host) != domain(host) {
		s.reject(shown.raw, "the text of a link that leads to another host, "+domain(host))
	}
}

// word returns the next run of characters that can be part of a link and holds
// a mark that every link has, "." or ":".
func word(text []byte, at int) (from, to int) {
	to = at
	for to < len(text) && text[to] != '.' && text[to] != ':' {
		to++
	}
	if to == len(text) {
		return to, to
	}
	for from = to; from > at && inWord(text[from-1]); {
		from--
	}
	for to < len(text) && inWord(text[to]) {
		to++
	}
	return from, to
}

// inWord reports whether a byte may stand in a link. Text in other scripts
// ends one, as it does in practice; so do the marks that enclose links.
func inWord(c byte) bool {
	// Two words of bits instead of a row of comparisons: this is asked of
	// every byte.
	const low = uint64((1<<64 - 1<<33) &^ (1<<'<' | 1<<'>' | 1<<'"'))
	const high = uint64((1<<64 - 1) &^ (1<<('`'-64) | 1<<('\\'-64) | 1<<('|'-64) | 1<<('{'-64) | 1<<('}'-64) | 1<<('^'-64) | 1<<(0x7f-64)))
	if c < 64 {
		return low>>c&1 != 0
	}
	return c < 128 && high>>(c-64)&1 != 0
}

// word finds the links in one word and returns where to go on: behind the
// word, or further down if a link was broken over lines.
func (s *search) word(f *flat, from, to int) int {
	text := f.text[from:to]
	for len(text) > 0 {
		i := schemeAt(text)
		if i < 0 {
			const escaped = "http%3a%2f%2f"
			if len(text) > len(escaped) && text[0]|0x20 == 'h' && bytes.Contains(bytes.ToLower(text[:len(escaped)+1]), []byte("%3a%2f%2f")) {
				s.consider(sighting{flat: f, raw: percent(string(text[:min(len(text), maxURL)])), at: span{from, to}, why: "percent-encoded"})
				return to
			}
			if stop := s.backslashed(f, from, to); stop > 0 {
				return stop
			}
			s.bare(f, from, text)
			return to
		}
		if i > 0 {
			s.bare(f, from, text[:i])
		}
		from, text = from+i, text[i:]
		n := urlLength(text)
		f.steps += n
		end := from + n
		raw := ""
		switch {
		case n < len(text):
			raw = string(text[:n])
		case foreignHost(f.text, from, end):
			raw, end = s.foreign(f, from, end)
		default:
			raw, end = joinLines(f, from, end)
		}
		if n+2 < len(text) && text[n] == ']' && text[n+1] == '(' && schemeAt(text[n+2:min(len(text), n+16)]) == 0 {
			// The label of a markdown link: its target follows.
		} else if raw != "" {
			f.take(from, end)
			s.consider(sighting{flat: f, raw: raw, at: span{from, end}})
		}
		if end > from+len(text) {
			return end
		}
		text = text[n:]
		from = end
	}
	return to
}

// backslashed takes a link that JSON wrote, with "\/" for "/", and returns where
// to go on, 0 if there is none.
func (s *search) backslashed(f *flat, from, to int) int {
	begin := from
	if i := bytes.LastIndexByte(f.text[from:to], 'h'); i >= 0 {
		begin += i
	}
	if name := f.text[begin:to]; string(name) != "https:" && string(name) != "http:" || !bytes.HasPrefix(f.text[to:], []byte(`\/\/`)) {
		return 0
	}
	i := begin
	for i < len(f.text) && i-begin < maxURL && (inWord(f.text[i]) || f.text[i] == '\\' && i+1 < len(f.text) && f.text[i+1] == '/') {
		i++
	}
	raw := strings.ReplaceAll(string(f.text[begin:i]), `\/`, "/")
	f.steps += i - begin
	f.take(begin, i)
	s.consider(sighting{flat: f, raw: raw, at: span{begin, i}, why: `with "\/" for "/"`})
	return i
}

// foreignHost reports whether a link ends within its host at a letter of
// another script.
func foreignHost(text []byte, from, end int) bool {
	if end >= len(text) || text[end] < utf8.RuneSelf || end-from > 100 {
		return false
	}
	i := bytes.Index(text[from:end], []byte("://"))
	return i > 0 && !bytes.ContainsAny(text[from+i+3:end], "/?#@")
}

// foreign takes a link whose host has letters of other scripts. Behind the
// host of a known service they are the text around it.
func (s *search) foreign(f *flat, from, end int) (string, int) {
	raw := string(f.text[from:end])
	if a, ok := parse(raw); ok && s.registry.knows(a.host) {
		return raw, end
	}
	const longest = 256
	stop := end
	for stop < len(f.text) && stop-end < longest {
		r, n := utf8.DecodeRune(f.text[stop:])
		if r >= utf8.RuneSelf && !unicode.IsLetter(r) && !unicode.IsMark(r) || r < utf8.RuneSelf && !inWord(byte(r)) {
			break
		}
		stop += n
	}
	f.steps += stop - end
	return string(f.text[from:stop]), stop
}

// schemeAt finds where a link with a scheme begins.
func schemeAt(text []byte) int {
	for at := 0; ; {
		k := bytes.IndexByte(text[at:], ':')
		if k < 0 || at+k+1 == len(text) {
			return -1
		}
		if k += at; text[k+1] == '/' {
			if i := schemeBefore(text, k); i >= 0 {
				return i
			}
		}
		at = k + 1
	}
}

// schemeBefore returns where the scheme begins that ends with the ":" at k, or
// -1.
func schemeBefore(text []byte, k int) int {
	for _, scheme := range []string{"https", "http", "zoommtg", "zoomus", "msteams"} {
		i := k - len(scheme)
		if i < 0 || text[i]|0x20 != scheme[0] || !strings.EqualFold(string(text[i:k]), scheme) {
			continue
		}
		if scheme == "msteams" || k+2 < len(text) && text[k+2] == '/' {
			return i
		}
	}
	return -1
}

// urlLength cuts a link out of a word that begins with it: up to a bracket
// that it did not open, or to where the next link begins.
func urlLength(text []byte) int {
	var round, square int
	for i := 0; i < len(text) && i < maxURL; i++ {
		switch text[i] {
		case '(':
			round++
		case ')':
			if round--; round < 0 {
				return i
			}
		case '[':
			square++
		case ']':
			if square--; square < 0 {
				return i
			}
		case '\'':
			if i+1 == len(text) || !isAlnum(text[i+1]) {
				return i
			}
		case ':':
			// Two links without a blank between them; inside a wrapper one
			// follows upon "=", "_" or "/", and behind "#" none is one of its own.
			if i > 8 && bytes.HasPrefix(text[i:], []byte("://")) {
				k := i - 4
				if text[i-1]|0x20 == 's' {
					k--
				}
				if strings.HasPrefix(strings.ToLower(string(text[k:i])), "http") && !strings.ContainsRune("=_/:&?#@", rune(text[k-1])) {
					return k
				}
			}
		}
	}
	return min(len(text), maxURL)
}

// joinLines puts a link together that was broken over lines: in angle brackets
// up to the closing one, else where a long line ends in the middle of it.
func joinLines(f *flat, from, end int) (string, int) {
	text := f.text
	if end >= len(text) || text[end] > ' ' {
		return string(text[from:end]), end
	}
	if bracketed(text, from) {
		stop := end
		for stop < len(text) && stop-end < 4096 && text[stop] != '>' && text[stop] != '<' && text[stop] != '"' {
			stop++
		}
		f.steps += stop - end
		if stop == len(text) || text[stop] != '>' || bytes.Contains(text[end:stop], []byte("://")) {
			return string(text[from:end]), end
		}
		return string(text[from:end]) + string(bytes.Join(bytes.Fields(text[end:stop]), nil)), stop
	}
	raw := text[from:end:end]
	for range 12 {
		next, stop := continuation(text, from, end)
		f.steps += stop - next
		if next >= stop {
			break
		}
		raw = append(raw, text[next:stop]...)
		from, end = next, stop
	}
	return string(raw), end
}

// bracketed reports whether a "<" stands in front of a place.
func bracketed(text []byte, at int) bool {
	for i := at - 1; i >= 0 && at-i <= 4; i-- {
		switch text[i] {
		case '<':
			return true
		case ' ', '\t', '\r', '\n':
		default:
			return false
		}
	}
	return false
}

// maxContinuation bounds how much of a link one further line holds.
const maxContinuation = 2048

// continuation returns the part of a broken link on the next line, if the line
// that ends here is full and the next one begins like the rest of a link.
func continuation(text []byte, from, end int) (next, stop int) {
	if end >= len(text) || text[end] != '\n' && text[end] != '\r' {
		return 0, 0
	}
	begin := bytes.LastIndexByte(text[max(0, from-200):from], '\n') + 1 + max(0, from-200)
	if end-begin < 60 {
		return 0, 0
	}
	next = end
	if text[next] == '\r' {
		next++
	}
	if next < len(text) && text[next] == '\n' {
		next++
	}
	if next < len(text) && (text[next] == ' ' || text[next] == '\t') {
		next++ // a folded line (RFC 5545 3.1)
	}
	stop = next
	for stop < len(text) && stop-next < maxContinuation && inWord(text[stop]) {
		stop++
	}
	part := text[next:stop]
	// The rest of a link stands alone on its line and looks like no word.
	if stop < len(text) && text[stop] != '\n' && text[stop] != '\r' && text[stop] != '>' || len(part) == 0 || schemeAt(part) >= 0 || part[len(part)-1] == ':' ||
		part[0] == '-' || part[0] == '*' || part[0] == '_' || part[0] == '(' || part[0] == '+' || bytes.IndexByte(part, '@') > 0 && !bytes.ContainsAny(part, "%=&?/") || !bytes.ContainsAny(part, "%=&?/_0123456789") {
		return 0, 0
	}
	return next, stop
}

// clean cuts off what surrounds a link in a sentence, and undoes what was
// escaped once too often.
func clean(raw string) string {
	raw = strings.Map(func(r rune) rune {
		if r >= utf8.RuneSelf && invisible(r) {
			return -1
		}
		return r
	}, raw)
	for range 3 {
		if !strings.Contains(raw, "&amp;") {
			break
		}
		raw = strings.ReplaceAll(raw, "&amp;", "&")
	}
	if strings.Contains(raw, "&#46;") {
		raw = strings.ReplaceAll(raw, "&#46;", ".")
	}
	for {
		before := len(raw)
		raw = strings.TrimRight(raw, ".,;:!?*'\"~([")
		raw = strings.TrimSuffix(raw, trailing(raw))
		raw = unclosed(raw)
		if len(raw) == before {
			return raw
		}
	}
}

// trailing returns what a link ends with that was escaped together with it.
func trailing(raw string) string {
	for _, tail := range []string{"%3E", "%22", "%20", "%0A", "%0D", "%C2%A0", "%E2%80%8B", "%E2%80%8E", "%E2%80%8F", "%EF%BB%BF", "&gt", "&nbsp", "&quot", "&lt"} {
		if n := len(raw) - len(tail); n >= 0 && strings.EqualFold(raw[n:], tail) {
			return raw[n:]
		}
	}
	return ""
}

// unclosed cuts off brackets at the end that were not opened.
func unclosed(raw string) string {
	for _, pair := range []string{"()", "[]"} {
		if !strings.HasSuffix(raw, pair[1:]) {
			continue
		}
		for more := strings.Count(raw, pair[1:]) - strings.Count(raw, pair[:1]); more > 0 && strings.HasSuffix(raw, pair[1:]); more-- {
			raw = raw[:len(raw)-1]
		}
	}
	return raw
}

// bare finds links without a scheme: a word that begins with a known host.
func (s *search) bare(f *flat, from int, text []byte) {
	const longest = 253 // bytes of a host name (RFC 1035 2.3.4)
	f.steps += len(text)
	for at := 0; at < len(text); {
		end := at
		dots := 0
		for end < len(text) && (isAlnum(text[end]) || text[end] == '.' || text[end] == '-') {
			if text[end] == '.' && end > at && end+1 < len(text) {
				dots++
			}
			end++
		}
		if dots == 0 || end-at > longest {
			at = end + 1
			continue
		}
		if at > 0 && (text[at-1] == '@' || text[at-1] == '/') {
			return // what follows belongs to a mail address or a path
		}
		if end < len(text) && text[end] == '@' {
			at = end + 1
			continue
		}
		host := strings.ToLower(strings.Trim(string(text[at:end]), "."))
		known := s.registry.knows(host)
		if !known && end < len(text) && text[end] == '/' {
			return
		}
		if known {
			s.bareAt(f, from+at, text[at:])
			return
		}
		at = end + 1
	}
}

// bareAt takes the link without a scheme that text begins with.
func (s *search) bareAt(f *flat, from int, text []byte) {
	n := urlLength(text)
	if n+1 < len(text) && text[n] == ']' && text[n+1] == '(' {
		return // the label of a markdown link
	}
	raw, end := string(text[:n]), from+n
	if n == len(text) {
		raw, end = joinLines(f, from, end)
	}
	f.take(from, end)
	s.consider(sighting{flat: f, raw: "https://" + raw, at: span{from, end}, why: "without https://"})
}

// consider judges one link.
func (s *search) consider(found sighting) {
	if len(found.raw) > maxURL || len(s.out.Candidates) == maxFound {
		return
	}
	target, wrappers := s.registry.unwrap(clean(found.raw))
	s.steps += len(found.raw) * (2 + len(wrappers))
	if len(wrappers) > 0 {
		target = clean(target)
	}
	a, ok := parse(target)
	if !ok || !isWeb(target) || strings.ContainsAny(target, " <>\r\n\t") || strings.Contains(target, `"`) && !strings.Contains(target, `{"`) {
		return // no link, but for the context of Teams as some programs write it
	}
	if sip := interop(a); sip != "" && s.cvi == "" {
		s.cvi = sip
	}
	v := s.registry.judge(a)
	if b, w := s.overescaped(a); w.kind > refused {
		v, a = w, b
		wrappers = append(wrappers, "percent-encoding")
	}
	if v.kind == unknown && declares(found.field) && (a.scheme == "https" || a.scheme == "http") && strings.Contains(a.host, ".") {
		v = verdict{kind: lastingRoom, provider: "other", why: "the property says that it is the conference"}
	}
	switch {
	case v.kind > refused:
	case v.why != "":
		s.reject(target, v.why)
		return
	case opaque(a.host):
		s.reject(target, "a wrapped link whose target only the filter's server knows")
		return
	default:
		if len(wrappers) > 0 {
			s.reject(target, "no known meeting service")
		}
		return
	}
	src := found.src
	if src == (span{}) {
		src = span{found.source(found.at.from), found.source(found.at.to-1) + 1}
	}
	c := Candidate{Provider: v.provider, URL: canonical(a), Field: found.field, Start: src.from, End: src.to, id: v.id, Why: []string{v.why}}
	if found.why != "" {
		c.Why = append(c.Why, found.why)
	}
	if len(wrappers) > 0 {
		c.Why = append(c.Why, "wrapped by "+strings.Join(wrappers, ", "))
	}
	s.weigh(&c, found, v)
	s.out.Candidates = append(s.out.Candidates, c)
}

// overescaped judges a link of a known service as it is with one level of
// percent-encoding taken off, if its path looks as though there were one too
// many.
func (s *search) overescaped(a address) (address, verdict) {
	lower := strings.ToLower(a.path)
	if !strings.Contains(lower, "%3f") && !strings.Contains(lower, "%2f") || !s.registry.knows(a.host) {
		return a, verdict{}
	}
	b, ok := parse(percent(a.raw))
	if !ok || b.host != a.host || strings.ContainsAny(b.raw, " \"<>\r\n\t") {
		return a, verdict{} // what a link may not hold was encoded for good reason
	}
	return b, s.registry.judge(b)
}

// weigh gives a candidate its score: the field counts most, then whose service
// it is, then what kind of link, then how its surroundings speak of it.
func (s *search) weigh(c *Candidate, found sighting, v verdict) {
	c.Score = 10 * strength(found.field)
	add := func(n int, why string) {
		c.Score += n
		c.Why = append(c.Why, why)
	}
	if v.kind == meeting {
		c.Score += 40
	}
	own := s.registry.rules.Priority
	if i := slices.Index(own[:min(len(own), maxPriority)], v.provider); i == 0 {
		add(priorityStep*maxPriority, "the organisation's own service")
	} else if i > 0 {
		add(priorityStep*(maxPriority-i), "a service that the organisation prefers")
	}
	if found.aside {
		add(-priorityStep*maxPriority-40, "not where people see it")
	}
	if found.quoted(found.at.from) {
		add(-priorityStep*maxPriority-20, "in a quoted mail")
	}
	if word := stale(found.text, found.at.from); word != "" {
		add(-priorityStep*maxPriority-80, "called "+word)
	}
}

// declares reports whether a field is a property that holds a link to a
// conference and nothing else.
func declares(field string) bool {
	return strength(field) == 500
}

// canonical writes a link as people get it: default port off, all else as it
// was written.
func canonical(a address) string {
	if a.scheme != "https" && a.scheme != "http" {
		return a.raw
	}
	begin := strings.Index(a.raw, "://") + 3
	end := len(a.raw)
	if i := strings.IndexAny(a.raw[begin:], "/?#"); i >= 0 {
		end = begin + i
	}
	return a.scheme + "://" + strings.TrimSuffix(strings.TrimSuffix(a.raw[begin:end], ":443"), ".") + a.raw[end:]
}

// stale returns the word right in front of a link that calls it outdated or
// second choice.
func stale(text []byte, at int) string {
	begin := max(0, at-32)
	if i := bytes.LastIndexByte(text[begin:at], '\n'); i >= 0 {
		begin += i + 1
	}
	before := strings.ToLower(string(text[begin:at]))
	if i := strings.LastIndex(before, "://"); i >= 0 {
		if k := strings.IndexByte(before[i:], ' '); k >= 0 {
			before = before[i+k:]
		}
	}
	for word := range strings.FieldsFuncSeq(before, func(r rune) bool { return r <= ' ' || strings.ContainsRune(":,;()[]<>*/.-", r) }) {
		switch word {
		case "old", "alt", "alte", "alter", "backup", "previous", "former", "ancien", "ancienne", "antiguo", "fallback", "cancelled", "canceled", "vecchio", "旧", "备用", "予備":
			return word
		}
	}
	return ""
}
