package detect

import (
	"strings"
	"sync"

	"golang.org/x/net/idna"
	"golang.org/x/net/publicsuffix"
)

// registry is the table of providers made ready for looking up, together with
// an organisation's own rules.
type registry struct {
	*table
	added    map[string][]hostRule // the organisation's own hosts
	patterns []ownPattern
	rules    *Rules
}

// table is what is the same for everybody. It is made once and never changed.
type table struct {
	byHost   map[string][]hostRule
	own      []provider // self-hosted services, tried on unknown hosts
	wrappers *wrapperIndex
	labels   *labelIndex
	brands   []string        // names that look-alike hosts imitate
	domains  map[string]bool // registrable domains that services own
	drawn    *strings.Replacer
}

var common = sync.OnceValue(func() *table {
	t := &table{byHost: map[string][]hostRule{}, domains: map[string]bool{}, own: selfHosted(), wrappers: wrappers(), labels: labelWords(), drawn: drawnAlike(),
		brands: []string{"zoom", "webex", "teams", "gotomeeting", "bluejeans", "whereby", "ringcentral", "jit.si", "meet.google"}}
	rows := providers()
	for i := range rows {
		for host := range strings.FieldsSeq(rows[i].hosts) {
			add(t.byHost, &rows[i], host)
			t.domains[domain(strings.TrimLeft(host, "*."))] = true
		}
	}
	return t
})

// hostRule is one host pattern of one provider.
type hostRule struct {
	*provider
	exact, below bool // fits the host itself, hosts below it
}

// kind ranks what a link leads to.
type kind int8

const (
	unknown kind = iota
	refused
	lastingRoom
	meeting
)

// verdict is what the registry says about a link.
type verdict struct {
	kind     kind
	provider string
	why      string
	id       string
}

func newRegistry(rules *Rules) *registry {
	r := &registry{table: common(), rules: rules}
	r.addRules(rules)
	return r
}

func add(byHost map[string][]hostRule, p *provider, host string) {
	rule := hostRule{provider: p, exact: true}
	switch {
	case strings.HasPrefix(host, "*."):
		host, rule.exact, rule.below = host[2:], false, true
	case strings.HasPrefix(host, "."):
		host, rule.below = host[1:], true
	}
	byHost[host] = append(byHost[host], rule)
}

// find calls f with the provider rows for a host, the most particular host
// first, until f says stop.
func (r *registry) find(host string, f func(*provider) (stop bool)) {
	for rest := host; ; {
		for _, rules := range [][]hostRule{r.added[rest], r.byHost[rest]} {
			for _, rule := range rules {
				if (rest == host && rule.exact || rest != host && rule.below) && f(rule.provider) {
					return
				}
			}
		}
		i := strings.IndexByte(rest, '.')
		if i < 0 {
			return
		}
		rest = rest[i+1:]
	}
}

// knows reports whether a host belongs to a provider.
func (r *registry) knows(host string) bool {
	known := false
	r.find(host, func(*provider) bool { known = true; return true })
	return known
}

// judge says whether a link leads into a meeting.
func (r *registry) judge(a address) verdict {
	if a.user {
		return verdict{kind: refused, why: "the host is disguised behind a user name"}
	}
	if v := r.judgeRules(a); v.kind != unknown {
		return v
	}
	var v verdict
	r.find(a.host, func(p *provider) bool {
		v = p.judge(a)
		if v.kind > refused && p.rule != "" {
			v.why += ", by the organisation's rule for " + p.rule
		}
		return v.kind != unknown
	})
	if v.kind != unknown {
		return v
	}
	if r.knows(a.host) {
		return verdict{kind: refused, why: "a page of a meeting service that is not a meeting"}
	}
	if v = r.judgeOwn(a); v.kind != unknown {
		return v
	}
	if brand := r.lookAlike(a.host); brand != "" && !r.domains[domain(a.host)] {
		return verdict{kind: refused, why: "the host " + domain(a.host) + " only looks like " + brand}
	}
	return v
}

// judge compares a link with a provider's shapes.
func (p *provider) judge(a address) verdict {
	if p.prefix != "" {
		return p.below(a)
	}
	for _, s := range p.join {
		if id, ok := fits(s, a); ok && !refusedRoot(p, a) {
			return verdict{meeting, p.name, "a " + p.name + " meeting link", id}
		}
	}
	for _, n := range p.not {
		if _, ok := fits(n.shape, a); ok {
			return verdict{kind: refused, provider: p.name, why: n.why}
		}
	}
	for _, s := range p.room {
		if id, ok := fits(s, a); ok {
			return verdict{lastingRoom, p.name, "a lasting " + p.name + " room", id}
		}
	}
	return verdict{}
}

// below judges by the prefix that an organisation's own rule gives.
func (p *provider) below(a address) verdict {
	rest, ok := strings.CutPrefix(a.path, p.prefix)
	name, _, _ := strings.Cut(strings.TrimPrefix(rest, "/"), "/")
	if !ok || name == "" {
		return verdict{}
	}
	return verdict{meeting, p.name, "below " + p.prefix + " on a host of the organisation", unescape(name)}
}

// refusedRoot reports whether a refusal names exactly the path that a shape
// with a placeholder also fits.
func refusedRoot(p *provider, a address) bool {
	for _, n := range p.not {
		if _, ok := fits(n.shape, a); ok {
			return true
		}
	}
	return false
}

// judgeOwn tries the shapes of services that organisations run themselves.
func (r *registry) judgeOwn(a address) verdict {
	if a.scheme != "https" && a.scheme != "http" || !strings.Contains(a.host, ".") {
		return verdict{}
	}
	for i := range r.own {
		p := &r.own[i]
		if p.labels != "" && !hasOneLabel(a.host, p.labels) {
			continue
		}
		if v := p.judge(a); v.kind != unknown {
			v.why += ", by its shape"
			return v
		}
	}
	return verdict{}
}

// hasOneLabel reports whether a host has one of several labels.
func hasOneLabel(host, labels string) bool {
	for word := range strings.FieldsSeq(labels) {
		if hasLabel(host, word) {
			return true
		}
	}
	return false
}

// hasLabel reports whether a host has a label below its registrable domain
// that begins with a word.
func hasLabel(host, word string) bool {
	if !strings.Contains(host, word) {
		return false // most hosts: no need to ask for their registrable domain
	}
	reg := domain(host)
	for label := range strings.SplitSeq(strings.TrimSuffix(host, reg), ".") {
		if label == word || strings.HasPrefix(label, word) && len(label) <= len(word)+3 {
			return true
		}
	}
	return false
}

// lookAlike returns the service that a foreign host imitates, if any.
func (r *registry) lookAlike(host string) string {
	plain := host
	if strings.Contains(host, "xn--") {
		if u, err := idna.ToUnicode(host); err == nil {
			plain = u
		}
	}
	plain = r.drawn.Replace(plain)
	for _, brand := range r.brands {
		if strings.Contains(plain, brand) {
			return brand
		}
	}
	return ""
}

// drawnAlike maps characters to those that they are taken for.
func drawnAlike() *strings.Replacer {
	return strings.NewReplacer("0", "o", "1", "l", "rn", "m", "vv", "w", "-", "", "і", "i", "о", "o", "е", "e", "а", "a", "ѕ", "s", "х", "x", "с", "c", "т", "t", "м", "m")
}

// domain returns the registrable domain of a host, or the host itself.
func domain(host string) string {
	suffix, _ := publicsuffix.PublicSuffix(host)
	i := len(host) - len(suffix) - 1
	if i <= 0 || host[i] != '.' || isDigit(host[len(host)-1]) {
		return host // a suffix itself, or an IP address
	}
	return host[strings.LastIndexByte(host[:i], '.')+1:]
}

// fits compares a link with a shape and returns the id that the shape keeps.
func fits(shape string, a address) (id string, ok bool) {
	shape, hash, wantHash := strings.Cut(shape, "#")
	shape, query, wantQuery := strings.Cut(shape, "?")
	if wantHash {
		var q string
		var hasQ bool
		hash, q, hasQ = strings.Cut(hash, "?")
		path, search, _ := strings.Cut(a.hash, "?")
		if a.hash == "" {
			return "", false
		}
		if got, ok := segments(hash, path); ok {
			id = got
		} else {
			return "", false
		}
		if hasQ {
			if got, ok := parameter(q, address{search: search}); ok {
				id = got
			} else {
				return "", false
			}
		}
	}
	if wantQuery {
		got, ok := parameter(query, a)
		if !ok {
			return "", false
		}
		if got != "" {
			id = got
		}
	}
	got, ok := segments(shape, a.path)
	if got != "" {
		id = got
	}
	return id, ok
}

// parameter compares a query with KEY or KEY=PLACEHOLDER.
func parameter(want string, a address) (string, bool) {
	key, holder, captures := strings.Cut(want, "=")
	value := a.query(key)
	if value == "" {
		return "", false
	}
	if !captures {
		return "", true
	}
	return segment(holder, value)
}

// segments compares a path with the path of a shape. A trailing "/" does not
// count.
func segments(shape, path string) (id string, ok bool) {
	if shape == "..." {
		return "", true
	}
	shape, path = strings.Trim(shape, "/"), strings.Trim(path, "/")
	for {
		if shape == "..." {
			return id, true
		}
		if shape == "" || path == "" {
			return id, shape == path
		}
		want, moreShape, _ := strings.Cut(shape, "/")
		got, morePath, _ := strings.Cut(path, "/")
		kept, fit := segment(want, got)
		if !fit {
			return "", false
		}
		if kept != "" {
			id = kept
		}
		shape, path = moreShape, morePath
	}
}

// segment compares one path segment or value with one of a shape.
func segment(want, got string) (id string, ok bool) {
	open := strings.IndexByte(want, '{')
	if open < 0 {
		return "", strings.EqualFold(want, got)
	}
	if len(got) < open || !strings.EqualFold(want[:open], got[:open]) {
		return "", false
	}
	got = got[open:]
	if got == "" {
		return "", false
	}
	switch want[open:] {
	case "{any}":
		return "", !isFile(got)
	case "{room}":
		return unescape(got), !isFile(got)
	case "{id}":
		if !allOf(got, func(c byte) bool { return isDigit(c) || c == '-' || c == '+' || c == '%' }) {
			return "", false
		}
		d := got
		for _, gap := range []string{"-", "+", "%20"} {
			d = strings.ReplaceAll(d, gap, "")
		}
		return d, d != "" && allOf(d, isDigit)
	case "{code}":
		return strings.ToLower(got), isCode(got)
	case "{bbb}":
		return "", isCode(got) && len(got) >= 11
	case "{token}":
		return "", len(got) >= 6 && allOf(got, func(c byte) bool { return isAlnum(c) || c == '-' || c == '_' || c == '.' || c == '%' }) && mixed(got)
	case "{talk}":
		return got, len(got) >= 8 && len(got) <= 32 && allOf(got, isAlnum) && mixed(got)
	case "{lync}":
		return got, len(got) >= 6 && len(got) <= 8 && allOf(got, func(c byte) bool { return isDigit(c) || c >= 'A' && c <= 'Z' })
	}
	return "", false
}

// isFile reports whether a path segment is the name of a file that every
// host has and no meeting.
func isFile(s string) bool {
	i := strings.LastIndexByte(s, '.')
	if i < 0 {
		return false
	}
	switch strings.ToLower(s[i+1:]) {
	case "png", "ico", "svg", "jpg", "jpeg", "gif", "webp", "css", "js", "json", "pdf", "ics", "xml", "txt", "html", "htm", "zip", "dmg", "exe", "msi", "pkg", "mp4":
		return true
	}
	return false
}

// isCode reports whether s is made of groups joined by "-", as the names of
// rooms that a service made up.
func isCode(s string) bool {
	groups := 0
	for g := range strings.SplitSeq(s, "-") {
		if len(g) < 3 || len(g) > 5 || !allOf(g, isAlnum) {
			return false
		}
		groups++
	}
	return groups == 3 || groups == 4
}

// mixed tells a token that was made up by chance from a word in an address:
// it has digits, or capitals after the first letter.
func mixed(s string) bool {
	for i := 0; i < len(s); i++ {
		if isDigit(s[i]) || i > 0 && s[i] >= 'A' && s[i] <= 'Z' {
			return true
		}
	}
	return false
}

func allOf(s string, f func(byte) bool) bool {
	for i := 0; i < len(s); i++ {
		if !f(s[i]) {
			return false
		}
	}
	return true
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }
func isAlnum(c byte) bool { return isDigit(c) || isLetter(c) }
