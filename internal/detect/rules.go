package detect

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"golang.org/x/net/publicsuffix"
)

// Rules are an organisation's own rules. The zero value holds the defaults.
// [Rules.Validate] says what is wrong with them; [New] leaves out what is.
type Rules struct {
	SIPDomains []string  // domains on which digits@domain is a meeting, not a person
	JitsiHosts []string  // hosts on which the organisation runs Jitsi Meet
	Hosts      []Host    // hosts on which the organisation runs other services
	Patterns   []Pattern // links that no host and prefix describes
	Rooms      []Room    // links of the organisation's own meeting service
	Keywords   []Keyword // nil: @webex (personal room) and @meet (a new meeting)
	Priority   []string  // providers that go before others of the same field, dearest first
}

// Host says that a provider's meetings stand on a host of the organisation's.
type Host struct {
	Provider string // one of [Providers]
	// Host is compared label by label: "vc.example.com" is that host,
	// ".example.com" that domain and all hosts below it, "*.example.com" the
	// hosts below it only.
	Host string
	// Prefix is how the path of a meeting begins, e.g. "/rooms/"; what follows
	// it is the meeting's name. Empty: the shapes that the provider's links have
	// everywhere. A provider without such shapes needs one.
	Prefix string
}

// Pattern is a regular expression (RE2) for whole links: it has to fit from
// their beginning and may end before them. A group named "id" is the meeting's
// number or name.
type Pattern struct {
	Name     string // by which reasons and errors call it
	Provider string // one of [Providers]
	Pattern  string // e.g. `https://vc\.example\.com/r/(?P<id>\d+)`
}

// Room says that links that begin with Prefix lead into lasting rooms of a
// provider.
type Room struct {
	Provider string
	Prefix   string // e.g. "https://vc.example.com/room/"
}

// The bounds of an organisation's own rules: of each list in entries, of a
// pattern in bytes.
const (
	maxRules    = 256
	maxPatterns = 32
	maxPattern  = 512
	maxPriority = 10
)

// priorityStep is how much each place on the list of preferred providers adds
// to a candidate's score: more than what kind of link it is, and all places
// together less than the next field.
const priorityStep = 50

// RuleError says what is wrong with one rule.
type RuleError struct {
	Rule    string // list and place, with the name or host where there is one: `patterns[0] "rooms"`
	Field   string // "host", "prefix", "provider", "name", "pattern" or "word"; empty: the whole entry
	Problem string // and what to write instead
}

func (e *RuleError) Error() string {
	if e.Field == "" {
		return e.Rule + ": " + e.Problem
	}
	return e.Rule + ": " + e.Field + ": " + e.Problem
}

// Validate returns everything that is wrong with the rules, each as a
// [RuleError], joined; nil if nothing is.
func (r *Rules) Validate() error {
	v := validation{}
	v.count("sip_domains", len(r.SIPDomains), maxRules)
	for i, d := range r.SIPDomains {
		v.at("sip_domains", i, d)
		v.check("", hostProblem(d, false))
	}
	v.count("jitsi_hosts", len(r.JitsiHosts), maxRules)
	for i, h := range r.JitsiHosts {
		v.at("jitsi_hosts", i, h)
		v.check("", hostProblem(h, true))
	}
	v.count("hosts", len(r.Hosts), maxRules)
	for i, h := range r.Hosts {
		v.at("hosts", i, h.Host)
		v.check("provider", providerProblem(h.Provider))
		v.check("host", hostProblem(h.Host, true))
		v.check("prefix", h.prefixProblem())
	}
	v.count("patterns", len(r.Patterns), maxPatterns)
	for i, p := range r.Patterns {
		v.at("patterns", i, p.Name)
		if strings.TrimSpace(p.Name) == "" {
			v.check("name", "missing: the reasons that people are shown call the pattern by it")
		} else if slices.ContainsFunc(r.Patterns[:i], func(q Pattern) bool { return q.Name == p.Name }) {
			v.check("name", "another pattern has this name")
		}
		v.check("provider", providerProblem(p.Provider))
		_, problem := p.compile()
		v.check("pattern", problem)
	}
	v.count("rooms", len(r.Rooms), maxRules)
	for i, m := range r.Rooms {
		v.at("rooms", i, m.Prefix)
		v.check("provider", providerProblem(m.Provider))
		v.check("prefix", m.prefixProblem())
	}
	for i, k := range r.Keywords {
		v.at("keywords", i, k.Word)
		if strings.TrimSpace(k.Word) == "" {
			v.check("word", "missing: write what people type into the location, e.g. \"@meet\"")
		}
	}
	v.count("priority", len(r.Priority), maxPriority)
	for i, p := range r.Priority {
		v.at("priority", i, p)
		v.check("", providerProblem(p))
		if slices.Contains(r.Priority[:i], p) {
			v.check("", "named twice")
		}
	}
	return errors.Join(v.errs...)
}

// validation collects what is wrong.
type validation struct {
	rule string
	errs []error
}

func (v *validation) at(list string, i int, name string) {
	v.rule = fmt.Sprintf("%s[%d]", list, i)
	if name != "" {
		v.rule += fmt.Sprintf(" %.80q", name)
	}
}

func (v *validation) check(field, problem string) {
	if problem != "" {
		v.errs = append(v.errs, &RuleError{v.rule, field, problem})
	}
}

func (v *validation) count(list string, n, most int) {
	if n > most {
		v.errs = append(v.errs, &RuleError{list, "", fmt.Sprintf("%d entries, at most %d are allowed", n, most)})
	}
}

// hostProblem says what is wrong with the name of a host or domain.
func hostProblem(host string, wild bool) string {
	name := strings.ToLower(host)
	if wild {
		name = strings.TrimPrefix(strings.TrimPrefix(name, "*"), ".")
	}
	switch {
	case name == "":
		return "missing: write a host, e.g. \"vc.example.com\""
	case strings.Contains(name, "/") || strings.Contains(name, ":"):
		return "write the host alone, without https://, port and path"
	case strings.Contains(name, "*"):
		return "a \"*\" may stand for whole labels in front only, as in \"*.example.com\""
	case strings.Contains(name, "@"):
		return "write the domain alone, without a name and \"@\""
	case !allOf(name, func(c byte) bool { return isAlnum(c) || c == '-' || c == '.' }):
		return "not the name of a host; write one with letters outside ASCII in its xn-- form"
	case strings.Contains(name, "..") || strings.HasSuffix(name, ".") || strings.HasPrefix(name, ".") || len(name) > 253:
		return "not the name of a host"
	case !strings.Contains(name, "."):
		return "write the full name with its domain, as it stands in links"
	}
	if suffix, _ := publicsuffix.PublicSuffix(name); suffix == name && len(name) != len(host) {
		return "everybody's hosts stand below " + name + ": name a domain of your own"
	}
	return ""
}

func providerProblem(name string) string {
	if slices.Contains(providerNames(), name) {
		return ""
	}
	return "no known provider; write \"other\" for a service that has no name here"
}

func (h Host) prefixProblem() string {
	switch {
	case h.Prefix == "" && providerProblem(h.Provider) == "" && len(shapesOf(h.Provider).join) == 0 && len(shapesOf(h.Provider).room) == 0:
		return "missing: nothing is known of how links of \"" + h.Provider + "\" look; write how the path of a meeting begins, e.g. \"/rooms/\""
	case h.Prefix != "" && h.Prefix[0] != '/':
		return "write it from the \"/\" behind the host on"
	case len(h.Prefix) > maxPattern || strings.ContainsAny(h.Prefix, " \t\r\n<>\""):
		return "not the beginning of a path"
	}
	return ""
}

func (m Room) prefixProblem() string {
	a, ok := parse(m.Prefix)
	switch {
	case m.Prefix == "":
		return "missing: write how the link of a room begins, e.g. \"https://vc.example.com/room/\""
	case !ok || a.scheme != "https" && a.scheme != "http" || !strings.Contains(a.host, "."):
		return "write a whole beginning, from https:// on"
	case a.path == "":
		return "a prefix that ends inside the host would fit other people's hosts: write it with the \"/\" behind the host"
	case len(m.Prefix) > maxPattern:
		return fmt.Sprintf("longer than %d bytes", maxPattern)
	}
	return ""
}

// compile makes the expression ready, or says what is wrong with it.
func (p Pattern) compile() (*regexp.Regexp, string) {
	switch {
	case p.Pattern == "":
		return nil, "missing: write a regular expression for whole links"
	case len(p.Pattern) > maxPattern:
		return nil, fmt.Sprintf("longer than %d bytes", maxPattern)
	}
	re, err := regexp.Compile("^(?:" + p.Pattern + ")")
	if err != nil {
		return nil, strings.TrimPrefix(err.Error(), "error parsing regexp: ")
	}
	for _, stranger := range []string{"https://host.invalid/", "http://host.invalid/a/b?c=1#d", "https://a.b.host.invalid/j/1234567890?pwd=a1", "https://host.invalid/abc-defg-hij", "x"} {
		if re.MatchString(stranger) {
			return nil, "it fits links of any host: write the host into it, with its dots as \"\\.\""
		}
	}
	return re, ""
}

// ownPattern is a pattern ready for use.
type ownPattern struct {
	Pattern
	re *regexp.Regexp
}

// judgeRules says what the organisation's own rooms, hosts with a prefix and
// patterns make of a link.
func (r *registry) judgeRules(a address) verdict {
	for _, room := range r.rules.Rooms {
		if room.Prefix != "" && strings.HasPrefix(a.raw, room.Prefix) && len(a.raw) > len(room.Prefix) {
			return verdict{kind: lastingRoom, provider: room.Provider, why: "one of the organisation's own rooms"}
		}
	}
	for _, p := range r.patterns {
		m := p.re.FindStringSubmatch(a.raw)
		if m == nil {
			continue
		}
		v := verdict{kind: meeting, provider: p.Provider, why: fmt.Sprintf("the organisation's pattern %q", p.Name)}
		if i := p.re.SubexpIndex("id"); i > 0 {
			v.id = unescape(m[i])
		}
		return v
	}
	return verdict{}
}

// addRules makes an organisation's own rules ready for looking up.
func (r *registry) addRules(rules *Rules) {
	r.added = map[string][]hostRule{}
	hosts := slices.Clone(rules.Hosts)
	for _, h := range rules.JitsiHosts {
		hosts = append(hosts, Host{Provider: "jitsi", Host: h})
	}
	for _, h := range hosts[:min(len(hosts), 2*maxRules)] {
		h.Host = strings.ToLower(strings.TrimSpace(h.Host))
		if hostProblem(h.Host, true) != "" || providerProblem(h.Provider) != "" || h.prefixProblem() != "" {
			continue
		}
		p := shapesOf(h.Provider)
		if h.Prefix != "" {
			p = &provider{name: h.Provider, prefix: h.Prefix}
		}
		p.rule = h.Host
		add(r.added, p, h.Host)
	}
	for _, p := range rules.Patterns[:min(len(rules.Patterns), maxPatterns)] {
		if re, problem := p.compile(); problem == "" && providerProblem(p.Provider) == "" {
			r.patterns = append(r.patterns, ownPattern{p, re})
		}
	}
}

// shapesOf gathers how a provider's links look on whatever host.
func shapesOf(name string) *provider {
	all := &provider{name: name}
	if name == "other" {
		return all // many services, each with its own
	}
	for _, rows := range [][]provider{selfHosted(), providers()} {
		for _, p := range rows {
			if p.name == name {
				all.join, all.room, all.not = append(all.join, p.join...), append(all.room, p.room...), append(all.not, p.not...)
			}
		}
	}
	// A row that refuses a whole host speaks of that host alone.
	all.not = slices.DeleteFunc(all.not, func(n refusal) bool { return n.shape == "..." })
	return all
}

// Providers returns the names of the providers that detection tells apart, and
// "other", sorted.
func Providers() []string { return providerNames() }

func providerNames() []string {
	names := []string{"other"}
	for _, rows := range [][]provider{selfHosted(), providers()} {
		for _, p := range rows {
			names = append(names, p.name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}
