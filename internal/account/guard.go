package account

import (
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
)

// Guard checks the Host and Origin headers of requests. The zero value admits
// loopback names only, and pages of the server's own origin.
type Guard struct {
	// Hosts are the names under which the server is reached, without port.
	// Empty: localhost and loopback addresses.
	Hosts []string
	// Origins are further origins whose pages may call the server, such as
	// "https://app.example.com".
	Origins []string
}

// Refusal says why a request was not let in: an HTTP status, a code for
// programs and a sentence for people.
type Refusal struct {
	Status        int
	Code, Message string
}

// Check returns nil if a request may come in.
func (g Guard) Check(r *http.Request) *Refusal {
	if !g.host(r.Host) {
		return &Refusal{http.StatusMisdirectedRequest, "host",
			"this server is not known under that name; add the name to its configured hosts, or use one of them"}
	}
	if !g.origin(r) {
		return &Refusal{http.StatusForbidden, "origin",
			"pages of that origin may not call this server; add the origin to its configured origins"}
	}
	return nil
}

// Allowed reports whether an origin is one of the further origins: the answer to
// it needs CORS headers.
func (g Guard) Allowed(origin string) bool {
	for _, o := range g.Origins {
		if origin != "" && strings.EqualFold(strings.TrimSuffix(o, "/"), origin) {
			return true
		}
	}
	return false
}

func (g Guard) host(hostport string) bool {
	name := hostport
	if h, _, err := net.SplitHostPort(hostport); err == nil {
		name = h
	}
	name = strings.TrimSuffix(strings.Trim(name, "[]"), ".")
	if len(g.Hosts) == 0 {
		return Loopback(name)
	}
	for _, h := range g.Hosts {
		if strings.EqualFold(strings.Trim(h, "[]"), name) {
			return true
		}
	}
	return false
}

// origin admits requests without an Origin header (not from a page, or from one
// of the same origin), from the server's own origin and from the listed ones.
// Behind a proxy that ends TLS the own scheme is not known, so only the host
// is compared: the two origins of one host and port cannot both be served.
func (g Guard) origin(r *http.Request) bool {
	origin := r.Header.Get("Origin")
	if origin == "" || g.Allowed(origin) {
		return true
	}
	u, err := url.Parse(origin)
	return err == nil && u.Host != "" && strings.EqualFold(u.Host, r.Host)
}

// Loopback reports whether a host name or address, without port, is this
// machine: localhost or an address in 127.0.0.0/8 or ::1.
func Loopback(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	a, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return err == nil && a.Unmap().IsLoopback()
}
