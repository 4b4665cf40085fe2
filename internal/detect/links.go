package detect

import (
	"bytes"
	"slices"
	"strings"
)

// maxURL bounds the length of a link in bytes. Wrapped Teams links reach two
// thousand; three wrappers around one have been seen with nine.
const maxURL = 16 << 10

// links finds every link of a field and judges it.
func (s *search) links(f *flat) {
	for _, l := range f.links {
		if isWeb(l.href) {
			s.consider(f, l.href, l.src, l.from, "in a link's href")
		}
	}
	next := 0 // first of f.links that may cover the current place
	for at := 0; at < len(f.text); {
		from, to := word(f.text, at)
		if from >= to {
			break
		}
		at = to
		for next < len(f.links) && f.links[next].to <= from {
			next++
		}
		if next < len(f.links) && f.links[next].from <= from && s.hrefWins(f, f.links[next], string(f.text[from:to])) {
			continue
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

// hrefWins reports whether an anchor's target counts and not the link that its
// text shows.
func (s *search) hrefWins(f *flat, l link, text string) bool {
	if !isWeb(l.href) {
		return false
	}
	target, _ := s.registry.unwrap(l.href)
	a, ok := parse(target)
	if !ok || opaque(a.host) {
		return false
	}
	if i := strings.Index(text, "://"); i >= 0 {
		shown, _ := parse(clean(text[max(strings.LastIndexAny(text[:i], "([:")+1, 0):]))
		if v := s.registry.judge(shown); v.kind > refused && domain(shown.host) != domain(a.host) {
			s.reject(shown.raw, "the text of a link that leads to another host, "+domain(a.host))
		}
	}
	return true
}

// word returns the next run of characters that can be part of a link.
func word(text []byte, at int) (from, to int) {
	for at < len(text) && !inWord(text[at]) {
		at++
	}
	from = at
	for at < len(text) && inWord(text[at]) {
		at++
	}
	return from, at
}

// inWord reports whether a byte may stand in a link. Text in other scripts
// ends one, as it does in practice; so do the marks that enclose links.
func inWord(c byte) bool {
	return c > ' ' && c < 0x7f && c != '<' && c != '>' && c != '"' && c != '`' && c != '\\' && c != '|' && c != '{' && c != '}' && c != '^'
}

// word finds the links in one word and returns where to go on: behind the
// word, or further down if a link was broken over lines.
func (s *search) word(f *flat, from, to int) int {
	text := f.text[from:to]
	if bytes.IndexByte(text, '.') < 0 && bytes.IndexByte(text, ':') < 0 {
		return to
	}
	for len(text) > 0 {
		i := schemeAt(text)
		if i < 0 {
			if n := len("https%3A%2F%2F"); len(text) > n && strings.EqualFold(string(text[:4]), "http") && bytes.Contains(bytes.ToLower(text[:n]), []byte("%3a%2f%2f")) {
				s.consider(f, percent(string(text[:min(len(text), maxURL)])), span{f.source(from), f.source(to-1) + 1}, from, "percent-encoded")
				return to
			}
			s.bare(f, from, text)
			return to
		}
		if i > 0 {
			s.bare(f, from, text[:i])
		}
		from, text = from+i, text[i:]
		n := urlLength(text)
		end := from + n
		raw := string(text[:n])
		if n == len(text) {
			raw, end = joinLines(f.text, from, end)
		}
		if strings.HasPrefix(string(text[n:min(n+2, len(text))]), "](") && schemeAt(text[n+2:]) == 0 {
			// The label of a markdown link: its target follows.
		} else {
			f.urls = append(f.urls, span{from, end})
			s.consider(f, raw, span{f.source(from), f.source(end-1) + 1}, from, "")
		}
		if end > from+len(text) {
			return end
		}
		text = text[n:]
		from = end
	}
	return to
}

// schemeAt finds where a link with a scheme begins.
func schemeAt(text []byte) int {
	for at := 0; ; {
		k := bytes.IndexByte(text[at:], ':')
		if k < 0 {
			return -1
		}
		k += at
		rest := text[k:]
		for _, scheme := range []string{"https", "http", "zoommtg", "zoomus", "msteams"} {
			i := k - len(scheme)
			if i < 0 || !strings.EqualFold(string(text[i:k]), scheme) {
				continue
			}
			if scheme == "msteams" && len(rest) > 1 && rest[1] == '/' || bytes.HasPrefix(rest, []byte("://")) {
				return i
			}
		}
		at = k + 1
	}
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
			// follows upon "=", "_" or "/".
			if i > 8 && bytes.HasPrefix(text[i:], []byte("://")) {
				k := i - 4
				if text[i-1]|0x20 == 's' {
					k--
				}
				if strings.HasPrefix(strings.ToLower(string(text[k:i])), "http") && !strings.ContainsRune("=_/:&?", rune(text[k-1])) {
					return k
				}
			}
		}
	}
	return min(len(text), maxURL)
}

// joinLines puts a link together that was broken over lines: in angle brackets
// up to the closing one, else where a long line ends in the middle of it.
func joinLines(text []byte, from, end int) (string, int) {
	raw := string(text[from:end])
	if from > 0 && text[from-1] == '<' || from > 1 && text[from-1] <= ' ' && bytes.HasSuffix(bytes.TrimRight(text[max(0, from-4):from], " \r\n\t"), []byte("<")) {
		stop := bytes.IndexByte(text[end:min(len(text), end+4096)], '>')
		if stop < 0 {
			return raw, end
		}
		rest := text[end : end+stop]
		if bytes.ContainsAny(rest, "<\"") || bytes.Contains(rest, []byte("://")) {
			return raw, end
		}
		return raw + strings.Join(strings.Fields(string(rest)), ""), end + stop
	}
	for range 12 {
		next, stop := continuation(text, from, end)
		if next >= stop {
			break
		}
		raw += string(text[next:stop])
		from, end = next, stop
	}
	return raw, end
}

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
	for stop < len(text) && inWord(text[stop]) {
		stop++
	}
	part := text[next:stop]
	// The rest of a link stands alone on its line and looks like no word.
	if stop < len(text) && text[stop] != '\n' && text[stop] != '\r' && text[stop] != '>' || len(part) == 0 || schemeAt(part) >= 0 || part[len(part)-1] == ':' ||
		part[0] == '-' || part[0] == '*' || part[0] == '_' || part[0] == '(' || part[0] == '+' || !bytes.ContainsAny(part, "%=&?/_0123456789") {
		return 0, 0
	}
	return next, stop
}

// clean cuts off what surrounds a link in a sentence.
func clean(raw string) string {
	raw = strings.Map(func(r rune) rune {
		if r >= 0x80 && invisible(r) {
			return -1
		}
		return r
	}, raw)
	for strings.Contains(raw, "&amp;") {
		next := strings.ReplaceAll(raw, "&amp;", "&")
		if len(next) == len(raw) {
			break
		}
		raw = next
	}
	if i := strings.Index(raw, "&#46;"); i >= 0 {
		raw = strings.ReplaceAll(raw, "&#46;", ".")
	}
	for {
		before := len(raw)
		raw = strings.TrimRight(raw, ".,;:!?*'\"~([")
		for _, tail := range []string{"%3E", "%3e", "%22", "%20", "%0A", "%0a", "%0D", "%0d", "%C2%A0", "%c2%a0", "&gt", "&nbsp", "&quot", "&lt"} {
			raw = strings.TrimSuffix(raw, tail)
		}
		for _, pair := range []string{"()", "[]"} {
			if strings.HasSuffix(raw, pair[1:]) && strings.Count(raw, pair[1:]) > strings.Count(raw, pair[:1]) {
				raw = raw[:len(raw)-1]
			}
		}
		if len(raw) == before {
			return raw
		}
	}
}

// bare finds links without a scheme: a word that begins with a known host.
func (s *search) bare(f *flat, from int, text []byte) {
	for at := 0; at < len(text); {
		end := at
		for end < len(text) && (isAlnum(text[end]) || text[end] == '.' || text[end] == '-') {
			end++
		}
		host := strings.ToLower(strings.Trim(string(text[at:min(end, at+256)]), "."))
		if at > 0 && text[at-1] == '@' || end < len(text) && text[end] == '@' || end == at || strings.IndexByte(host, '.') <= 0 {
			if at > 0 && (text[at-1] == '@' || text[at-1] == '/') && strings.IndexByte(host, '.') > 0 {
				return // what follows belongs to a mail address or a path
			}
			at = end + 1
			continue
		}
		if end < len(text) && text[end] == '/' || s.registry.knows(host) {
			n := urlLength(text[at:])
			if !s.registry.knows(host) {
				return
			}
			raw := string(text[at : at+n])
			if strings.HasPrefix(string(text[at+n:min(at+n+2, len(text))]), "](") {
				return // the label of a markdown link
			}
			end := from + at + n
			if at+n == len(text) {
				raw, end = joinLines(f.text, from+at, end)
			}
			f.urls = append(f.urls, span{from + at, end})
			s.consider(f, "https://"+raw, span{f.source(from + at), f.source(end-1) + 1}, from+at, "without https://")
			return
		}
		at = end + 1
	}
}

// consider judges one link that stands at text[at].
func (s *search) consider(f *flat, raw string, src span, at int, why string) {
	if len(raw) > maxURL || len(s.out.Candidates) == maxFound {
		return
	}
	target, wrappers := s.registry.unwrap(clean(raw))
	if len(wrappers) > 0 {
		target = clean(target)
	}
	a, ok := parse(target)
	if !ok {
		return
	}
	if sip := interop(a); sip != "" && s.cvi == "" {
		s.cvi = sip
	}
	v := s.registry.judge(a)
	if b, w := s.overescaped(a); w.kind > refused {
		v, a = w, b
		wrappers = append(wrappers, "percent-encoding")
	}
	if v.kind == unknown && declares(f.field) && (a.scheme == "https" || a.scheme == "http") && strings.Contains(a.host, ".") {
		v = verdict{kind: meeting, provider: "other", why: "the property says that it is the conference"}
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
	c := Candidate{Provider: v.provider, URL: canonical(a), Field: f.field, Start: src.from, End: src.to, id: v.id, Why: []string{v.why}}
	if why != "" {
		c.Why = append(c.Why, why)
	}
	if len(wrappers) > 0 {
		c.Why = append(c.Why, "wrapped by "+strings.Join(wrappers, ", "))
	}
	s.weigh(&c, f, v, at)
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
	if !ok || b.host != a.host {
		return a, verdict{}
	}
	return b, s.registry.judge(b)
}

// weigh gives a candidate its score: the field counts most, then whose service
// it is, then what kind of link, then how its surroundings speak of it.
func (s *search) weigh(c *Candidate, f *flat, v verdict, at int) {
	c.Score = 10 * strength(f.field)
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
	if f.quoted(at) {
		add(-priorityStep*maxPriority-20, "in a quoted mail")
	}
	if word := stale(f.text, at); word != "" {
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
