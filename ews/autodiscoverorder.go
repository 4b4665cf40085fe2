package ews

import (
	"context"
	"errors"
	"iter"
	"maps"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

const maxHops = 10 // redirects of every kind, one after the other

// sought is a mailbox that is looked for.
type sought struct {
	key     string
	address string // as it was given
	at      string // as it is asked now: another one after a redirect
	via     string // the URL to ask at; empty: the domain's own
	found   Discovery
	been    map[string]bool // addresses it was redirected to
	told    bool            // the answer is that of a server, and no redirect
	moved   bool            // a redirect is to be followed
	done    bool
}

func (a *sought) fail(err *Error) {
	if !a.done {
		a.found.Err, a.done = err, true
	}
}

// place is where Autodiscover may be.
type place struct {
	origin string // one of the Origin constants
	url    string
	method string // soap or pox: all that works there; empty: not known
}

// search is the way of some mailboxes of one domain that are asked for together.
type search struct {
	d    *Discoverer
	asks []*sought

	domain string
	via    string // the URL to ask at; empty: the domain's own

	hops  int
	seen  map[string]bool // URLs asked
	steps []DiscoveryStep

	online  bool     // the way led to Exchange Online
	pending []string // hosts that nobody has allowed
	last    *Error   // a failure that may pass
}

// run looks for the mailboxes and leaves in each what was found.
func (d *Discoverer) run(ctx context.Context, asks []*sought) {
	var work []*search
	for domain, some := range byDomain(asks) {
		if domain == "" {
			for _, a := range some {
				a.fail(invalid("Autodiscover", "a mailbox is named by its SMTP address, such as aya@example.com"))
			}
			continue
		}
		for group := range slices.Chunk(some, maxUsers) {
			work = append(work, &search{d: d, asks: group, domain: domain, seen: map[string]bool{}})
		}
	}
	for len(work) > 0 {
		s := work[0]
		work = work[1:]
		s.run(ctx)
		work = append(work, s.further()...)
	}
	now := time.Now()
	for _, a := range asks {
		a.found.Address, a.found.Found = a.address, now
	}
}

// byDomain sorts by the domain that is asked now.
func byDomain(asks []*sought) map[string][]*sought {
	out := map[string][]*sought{}
	for _, a := range asks {
		domain := domainOf(a.at)
		out[domain] = append(out[domain], a)
	}
	return out
}

// domainOf returns an address' domain, or "" where it is none.
func domainOf(address string) string {
	local, domain, has := strings.Cut(address, "@")
	if host, err := canonicalHost(domain); has && local != "" && err == nil && strings.Contains(host, ".") && net.ParseIP(host) == nil {
		return host
	}
	return ""
}

// run tries one place after the other until one answers.
func (s *search) run(ctx context.Context) {
	places := s.d.places(ctx, s, s.domain)
	if s.via != "" {
		places = slices.Values([]place{{origin: OriginRedirect, url: s.via}})
	} else if onlineDomain(s.domain) {
		s.online = true
		places = slices.Values([]place(nil))
	}
	var stop *Error
	for p := range places {
		if ctx.Err() != nil {
			stop = canceled(ctx, "Autodiscover")
			break
		}
		var answered bool
		if answered, stop = s.try(ctx, p); answered || stop != nil {
			break
		}
	}
	if stop == nil {
		stop = s.verdict()
	}
	for _, a := range s.asks {
		if !a.done && !a.moved {
			a.found.Online = stop.Code == CodeOnline
			a.fail(stop)
		}
		a.found.Steps = append(a.found.Steps, s.steps...)
	}
}

// verdict is the most telling of what was met.
func (s *search) verdict() *Error {
	switch {
	case s.online:
		return isOnline()
	case len(s.pending) > 0:
		return hostPending(s.pending...)
	case s.last != nil:
		return s.last
	}
	return &Error{
		Op: "Autodiscover", Code: CodeNotDiscovered,
		Message: "no Autodiscover service was found for the mailbox's domain; publish it (SCP, https://autodiscover.<domain> or SRV), or give the URL of Exchange Web Services",
	}
}

func isOnline() *Error {
	return &Error{
		Op: "Autodiscover", Code: CodeOnline,
		Message: "the mailbox lives in Exchange Online, where it is not followed; only mailboxes on servers of the organisation are served",
	}
}

// hostPending names hosts, or URLs, that nobody has allowed.
func hostPending(hosts ...string) *Error {
	for i, h := range hosts {
		if u, err := url.Parse(h); err == nil && u.Host != "" {
			hosts[i] = u.Host
		}
	}
	return &Error{
		Op: "Autodiscover", Code: CodeHostPending, Values: map[string]string{"Hosts": strings.Join(hosts, " ")},
		Message: "Autodiscover leads to a host that has not been allowed, and nothing was sent to it; allow the host if it is the organisation's own",
	}
}

// further returns the searches that redirects ask for.
func (s *search) further() []*search {
	type key struct{ domain, via string }
	next := map[key][]*sought{}
	for _, a := range s.asks {
		if a.done {
			continue
		}
		a.moved = false
		next[key{domainOf(a.at), a.via}] = append(next[key{domainOf(a.at), a.via}], a)
	}
	var out []*search
	for k, asks := range next {
		if k.domain == "" || s.hops >= maxHops {
			for _, a := range asks {
				a.fail(&Error{Op: "Autodiscover", Code: CodeRedirected, Message: "Autodiscover redirects in a circle or without end; look at the servers' RedirectAddr and RedirectUrl"})
			}
			continue
		}
		seen := map[string]bool{} // another address may be asked for at the same place
		if k.via != "" {
			seen = maps.Clone(s.seen)
		}
		out = append(out, &search{d: s.d, asks: asks, domain: k.domain, via: k.via, hops: s.hops + 1, seen: seen})
	}
	return out
}

// settle takes in what an answer says of one mailbox. What remains not done is
// looked for elsewhere.
func (s *search) settle(a *sought, from *url.URL, got settings) {
	f := &a.found
	f.GroupingInformation, f.ServerVersion, f.SMTPAddress = got.grouping, got.version, got.address
	switch {
	case got.redirectAddress != "":
		s.moveTo(a, got.redirectAddress)
	case got.redirectURL != "":
		s.moveURL(a, from, got.redirectURL)
	case got.code != noError && got.code != "":
		a.told = true
		e := &Error{Op: "Autodiscover", Code: got.code, Message: autodiscoverSentence(got.code)}
		if got.code == busyCode {
			e.BackOff = busyPause
		}
		a.fail(e)
	default:
		s.choose(a, got)
	}
}

// moveTo follows redirectAddr: the mailbox is to be asked for by another address.
func (s *search) moveTo(a *sought, address string) {
	key := strings.ToLower(address)
	switch domain := domainOf(address); {
	case onlineDomain(domain):
		a.found.Online, a.told = true, true
		a.fail(isOnline())
	case domain == "":
		a.fail(&Error{Op: "Autodiscover", Code: CodeMalformed, Message: "Autodiscover redirects to what is no address"})
	case a.been[key], key == a.key:
		a.fail(&Error{Op: "Autodiscover", Code: CodeRedirected, Message: "Autodiscover redirects in a circle; look at the servers' RedirectAddr"})
	default:
		if a.been == nil {
			a.been = map[string]bool{}
		}
		a.been[key] = true
		a.at, a.via, a.moved = address, "", true
	}
}

// moveURL follows redirectUrl: another server is to be asked.
func (s *search) moveURL(a *sought, from *url.URL, target string) {
	u, err := safeURL(target)
	switch {
	case err != nil:
		a.fail(&Error{Op: "Autodiscover", Code: CodeRedirected, Message: "Autodiscover redirects to what is no https address", Cause: err})
	case onlineHost(u.Hostname()):
		a.found.Online, a.told = true, true
		a.fail(isOnline())
	case s.seen[u.String()], u.String() == from.String():
		a.fail(&Error{Op: "Autodiscover", Code: CodeRedirected, Message: "Autodiscover redirects in a circle; look at the servers' RedirectUrl"})
	default:
		a.via, a.moved = u.String(), true
	}
}

// choose takes the EWS URL of an allowed host, the internal one first: this
// program runs beside Exchange.
func (s *search) choose(a *sought, got settings) {
	a.told = true
	var hosts []string
	for _, raw := range []string{got.internal, got.external} {
		u, err := safeURL(raw)
		switch {
		case raw == "" || err != nil:
		case onlineHost(u.Hostname()):
			got.online = true
		case s.d.opts.Trust.state(u) == HostAllowed && a.found.EWSURL == "":
			a.found.EWSURL = u.String()
		case a.found.EWSURL == "" && !slices.Contains(hosts, hostKey(u)):
			s.d.opts.Trust.meet(u, OriginAnswer)
			hosts = append(hosts, hostKey(u))
		}
	}
	switch {
	case got.online:
		a.found.Online, a.found.EWSURL = true, ""
		a.fail(isOnline())
	case a.found.EWSURL != "":
		a.done = true
	case len(hosts) > 0:
		a.fail(hostPending(hosts...))
	default:
		a.fail(&Error{Op: "Autodiscover", Code: or(got.failed, "SettingIsNotAvailable"), Message: autodiscoverSentence("SettingIsNotAvailable")})
	}
}

// onlineDomain reports whether mailboxes of a domain live in Exchange Online.
func onlineDomain(domain string) bool {
	for _, d := range []string{"onmicrosoft.com", "onmicrosoft.us", "onmicrosoft.cn", "onmschina.cn"} {
		if domain == d || strings.HasSuffix(domain, "."+d) {
			return true
		}
	}
	return false
}

// onlineHost reports whether a host is Exchange Online's. It decides what is
// named, never what is trusted: these hosts are not followed even where
// somebody allows them.
func onlineHost(host string) bool {
	for _, d := range []string{"outlook.com", "office365.com", "office.com", "office365.us", "outlook.cn", "outlook.office.de"} {
		if host == d || strings.HasSuffix(host, "."+d) {
			return true
		}
	}
	return false
}

// places returns where Autodiscover of a domain may be, best first. Each is
// found out only when it is needed.
func (d *Discoverer) places(ctx context.Context, s *search, domain string) iter.Seq[place] {
	const path = "/autodiscover/autodiscover.xml"
	return func(yield func(place) bool) {
		d.mu.Lock()
		p, has := d.worked[domain]
		d.mu.Unlock()
		if has && !yield(p) {
			return
		}
		for _, p := range s.connectionPoints(ctx, domain) {
			if !yield(p) {
				return
			}
		}
		if d.opts.RootDomain && !yield(place{origin: OriginCandidate, url: "https://" + domain + path}) {
			return
		}
		if !yield(place{origin: OriginCandidate, url: "https://autodiscover." + domain + path}) {
			return
		}
		if p, has := s.unsafeRedirect(ctx, "http://autodiscover."+domain+path); has && !yield(p) {
			return
		}
		for _, p := range s.records(ctx, domain) {
			if !yield(p) {
				return
			}
		}
	}
}

// connectionPoints asks the directory.
func (s *search) connectionPoints(ctx context.Context, domain string) []place {
	if s.d.opts.SCP == nil {
		return nil
	}
	began := time.Now()
	points, err := s.d.opts.SCP(ctx, domain)
	step := DiscoveryStep{Method: "scp", URL: domain, Took: time.Since(began), Result: strconv.Itoa(len(points)) + " service connection points"}
	if err != nil {
		step.Code, step.Result = CodeTransport, "the directory did not answer: "+err.Error()
	}
	s.steps = append(s.steps, step)
	var out []place
	for _, p := range points[:min(len(points), 50)] {
		u, err := safeURL(p.URL)
		if err != nil {
			continue
		}
		if p.Verified {
			s.d.opts.Trust.publish(u)
		}
		out = append(out, place{origin: OriginSCP, url: u.String()})
	}
	return out
}

// records asks for SRV records. The resolver sorts them: lowest priority
// first, by chance according to weight among equals (RFC 2782).
func (s *search) records(ctx context.Context, domain string) []place {
	began := time.Now()
	ctx, cancel := context.WithTimeout(ctx, s.d.opts.Timeout)
	defer cancel()
	_, found, err := s.d.opts.Resolver.LookupSRV(ctx, "autodiscover", "tcp", domain)
	step := DiscoveryStep{Method: "srv", URL: "_autodiscover._tcp." + domain, Took: time.Since(began), Result: strconv.Itoa(len(found)) + " SRV records"}
	if dns, is := errors.AsType[*net.DNSError](err); err != nil && !(is && dns.IsNotFound) {
		step.Code, step.Result = CodeDNS, "DNS did not answer"
		s.passing(&Error{Op: "Autodiscover", Code: CodeDNS, Message: "DNS did not say where Autodiscover is; check the resolver", Cause: err})
	}
	s.steps = append(s.steps, step)
	var out []place
	for _, r := range found[:min(len(found), 20)] {
		host, err := canonicalHost(r.Target)
		if err != nil || r.Port == 0 {
			continue // "." says that there is none
		}
		out = append(out, place{origin: OriginSRV, url: "https://" + net.JoinHostPort(host, strconv.Itoa(int(r.Port))) + "/autodiscover/autodiscover.xml"})
	}
	return out
}
