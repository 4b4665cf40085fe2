package ews

import (
	"cmp"
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// HostState says whether the account's credentials may go to a host.
type HostState string

// The states of a host.
const (
	HostAllowed HostState = "allowed" // typed by the administrator, or published by the directory
	HostPending HostState = "pending" // met on the way; the administrator has not decided
	HostBlocked HostState = "blocked" // not even asked without credentials
)

// Where a host was met.
const (
	OriginTyped     = "typed"     // the administrator named it
	OriginSCP       = "scp"       // a service connection point of the directory
	OriginCandidate = "candidate" // made from the domain of the address
	OriginRedirect  = "redirect"  // another host led to it
	OriginSRV       = "srv"       // an SRV record of the domain
	OriginAnswer    = "answer"    // the EwsUrl of an answer
)

// HostRule is what is known of one host.
type HostRule struct {
	Host   string    `json:"host"` // "mail.example.com"; with ":port" where it is not 443
	State  HostState `json:"state"`
	Origin string    `json:"origin"` // where it was met first
}

// Trust says to which hosts the account's credentials may go: to those that are
// allowed, and to no other. A host is one name or IP address with one port;
// nothing is ever allowed by a part of its name. Hosts that [Discoverer] meets
// and that nobody has decided on become pending.
//
// It is safe for use by several goroutines at once.
type Trust struct {
	pending func(HostRule)

	mu    sync.Mutex
	rules map[string]HostRule
}

// maxPending bounds the hosts that others can have noted here.
const maxPending = 1000

// NewTrust returns the trust of these rules. The function, where it is not nil,
// is called once for each host that becomes pending, from the goroutine that
// has met it; it must not call the Trust.
func NewTrust(rules []HostRule, pending func(HostRule)) (*Trust, error) {
	t := &Trust{pending: pending, rules: map[string]HostRule{}}
	for _, r := range rules {
		if err := t.Set(r.Host, r.State); err != nil {
			return nil, err
		}
		if r.Origin != "" {
			key, _ := typedHost(r.Host) // Set has accepted it
			t.rules[key] = HostRule{Host: key, State: r.State, Origin: r.Origin}
		}
	}
	return t, nil
}

// Set puts a host, such as "mail.example.com" or "mail.example.com:8443", into
// a state.
func (t *Trust) Set(host string, s HostState) error {
	key, err := typedHost(host)
	if err != nil {
		return err
	}
	switch s {
	case HostAllowed, HostPending, HostBlocked:
	default:
		return invalid("", "a host is allowed, pending or blocked")
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	r, known := t.rules[key]
	if !known {
		r = HostRule{Host: key, Origin: OriginTyped}
	}
	r.State = s
	t.rules[key] = r
	return nil
}

// Rules returns what is known, sorted by host.
func (t *Trust) Rules() []HostRule {
	t.mu.Lock()
	defer t.mu.Unlock()
	out := make([]HostRule, 0, len(t.rules))
	for _, r := range t.rules {
		out = append(out, r)
	}
	slices.SortFunc(out, func(a, b HostRule) int { return cmp.Compare(a.Host, b.Host) })
	return out
}

// Allows reports whether credentials may go to a URL. What is no https URL of
// an allowed host, whole and without user name, is not allowed.
func (t *Trust) Allows(rawURL string) bool {
	u, err := safeURL(rawURL)
	return err == nil && t.state(u) == HostAllowed
}

// state returns what is decided about a URL from safeURL; "" is nothing.
func (t *Trust) state(u *url.URL) HostState {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.rules[hostKey(u)].State
}

// meet notes a host that answered and on which nobody has decided.
func (t *Trust) meet(u *url.URL, origin string) {
	r := HostRule{Host: hostKey(u), State: HostPending, Origin: origin}
	if t.add(r) && t.pending != nil {
		t.pending(r)
	}
}

// publish allows a host that the directory names, unless it is blocked.
func (t *Trust) publish(u *url.URL) {
	t.mu.Lock()
	defer t.mu.Unlock()
	key := hostKey(u)
	if r, known := t.rules[key]; !known || r.State == HostPending {
		t.rules[key] = HostRule{Host: key, State: HostAllowed, Origin: OriginSCP}
	}
}

func (t *Trust) add(r HostRule) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if _, known := t.rules[r.Host]; known || len(t.rules) >= maxPending {
		return false
	}
	t.rules[r.Host] = r
	return true
}

// typedHost returns the key of a host as a person types it.
func typedHost(s string) (string, error) {
	if s = strings.TrimSpace(s); strings.Contains(s, "*") {
		return "", invalid("", "write each host out: a pattern such as *.example.com would allow hosts that nobody knows")
	}
	if addr, err := netip.ParseAddr(s); err == nil && addr.Is6() {
		s = "[" + s + "]"
	}
	u, err := safeURL("https://" + s)
	if err != nil || strings.ContainsAny(s, "/?#@\\") {
		return "", invalid("", "a host is written as its name, such as mail.example.com, with :port where that is not 443; other letters than a to z as xn--…")
	}
	return hostKey(u), nil
}

// safeURL returns a URL in the one form that is both compared and called: the
// host in lower case, without a dot at its end, in ASCII; without user name and
// fragment. What does not fit is refused, not mended. Only https is let
// through, and http to this machine.
func safeURL(s string) (*url.URL, error) {
	u, err := url.Parse(s)
	if err != nil || u.Host == "" || u.Opaque != "" {
		return nil, invalid("", "this is not the whole address of a server, such as https://mail.example.com/")
	}
	if u.User != nil {
		return nil, invalid("", "an address with a user name in it is refused")
	}
	host, err := canonicalHost(u.Hostname())
	if err != nil {
		return nil, err
	}
	switch {
	case u.Scheme == "https", u.Scheme == "http" && loopback(host):
	default:
		return nil, invalid("", "only https is followed")
	}
	port, err := canonicalPort(u)
	if err != nil {
		return nil, err
	}
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	out := &url.URL{Scheme: u.Scheme, Host: host, Path: u.Path, RawPath: u.RawPath, RawQuery: u.RawQuery}
	if port != "" {
		out.Host += ":" + port
	}
	return out, nil
}

// canonicalPort returns the port where it is not the scheme's own.
func canonicalPort(u *url.URL) (string, error) {
	text := u.Port()
	if text == "" {
		if strings.HasSuffix(u.Host, ":") {
			return "", invalid("", "the port is missing behind the colon")
		}
		return "", nil
	}
	n, err := strconv.ParseUint(text, 10, 16)
	if err != nil || n == 0 {
		return "", invalid("", "a port is a number from 1 to 65535")
	}
	if u.Scheme == "https" && n == 443 || u.Scheme == "http" && n == 80 {
		return "", nil
	}
	return strconv.FormatUint(n, 10), nil
}

// canonicalHost returns the one form of a host name or IP address.
func canonicalHost(h string) (string, error) {
	if addr, err := netip.ParseAddr(h); err == nil {
		if addr.Zone() != "" {
			return "", invalid("", "an address with a zone is refused")
		}
		return addr.Unmap().String(), nil
	}
	h = strings.TrimSuffix(h, ".")
	if h == "" || len(h) > 253 {
		return "", invalid("", "the host name is empty or too long")
	}
	b := []byte(h)
	for i, c := range b {
		switch {
		case c >= 'A' && c <= 'Z':
			b[i] = c + 'a' - 'A'
		case c >= 'a' && c <= 'z', c >= '0' && c <= '9', c == '-', c == '_', c == '.':
		default:
			return "", invalid("", "a host name is written in the letters a to z, digits and dashes")
		}
	}
	h = string(b)
	for label := range strings.SplitSeq(h, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return "", invalid("", "the host name has a part that no name may have")
		}
	}
	if numeric(h[strings.LastIndexByte(h, '.')+1:]) {
		return "", invalid("", "an IP address is written as four numbers, such as 192.0.2.1")
	}
	return h, nil
}

// numeric reports whether a last label makes some resolvers read the name as
// an IP address, as they do 127.1 and 0x7f000001.
func numeric(label string) bool {
	if hex, is := strings.CutPrefix(label, "0x"); is {
		_, err := strconv.ParseUint(hex, 16, 64)
		return err == nil || hex == ""
	}
	return strings.Trim(label, "0123456789") == ""
}

// hostKey returns host and port of a URL from safeURL as they are compared.
func hostKey(u *url.URL) string {
	if u.Scheme == "http" && u.Port() == "" {
		return u.Host + ":80"
	}
	return strings.TrimSuffix(u.Host, ":443")
}

// String tells how many hosts are known, not which.
func (t *Trust) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return fmt.Sprintf("ews.Trust(%d hosts)", len(t.rules))
}
