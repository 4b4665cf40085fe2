package activedirectory

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/go-ldap/ldap/v3"

	"github.com/koyomi-cal/koyomi/ews"
)

// The keywords of Exchange's service connection points ([MS-OXDISCO] 2.2.2):
// entries that lead to another directory, and entries with URLs.
const (
	pointerID = "67661d7F-8FC4-4fa7-BFAC-E1D7794C1F68"
	urlID     = "77378F46-2C66-4aa9-A6A6-3E7A48B19596"

	scpFilter = "(&(objectClass=serviceConnectionPoint)(|(keywords=" + pointerID + ")(keywords=" + urlID + ")))"

	maxPointers = 10
	maxSCP      = 1000
)

// scp is an entry as it was read.
type scp struct {
	keywords []string
	bindings []string // serviceBindingInformation
}

func (s scp) is(id string) bool {
	return slices.ContainsFunc(s.keywords, func(k string) bool { return strings.EqualFold(k, id) })
}

// value returns what follows a keyword's name, such as "Site=".
func (s scp) value(name string) (string, bool) {
	for _, k := range s.keywords {
		if len(k) > len(name) && strings.EqualFold(k[:len(name)], name) {
			return k[len(name):], true
		}
	}
	return "", false
}

// ServiceConnectionPoints returns the Autodiscover URLs that the directory
// publishes for a mail domain, best first: those of this computer's site, of
// no site, of others ([MS-OXDISCO] 3.1.5.1). Pointers to other directories are
// followed, at most ten, and only to servers that the options name. It fits
// [ews.DiscovererOptions].
func (d *Directory) ServiceConnectionPoints(ctx context.Context, domain string) ([]ews.ServiceConnectionPoint, error) {
	w := &walk{d: d, domain: domain, seen: map[string]bool{}}
	urls, err := w.look(ctx, d.opt.Servers, "")
	if err != nil {
		return nil, err
	}
	out := make([]ews.ServiceConnectionPoint, len(urls))
	for i, u := range urls {
		out[i] = ews.ServiceConnectionPoint{URL: u, Verified: true} // nothing is read over anything else
	}
	return out, nil
}

// walk is one search, over all directories that it comes to.
type walk struct {
	d      *Directory
	domain string
	hops   int
	seen   map[string]bool // pointers
}

// look searches one directory.
func (w *walk) look(ctx context.Context, servers []string, at string) ([]string, error) {
	points, err := w.read(ctx, servers, at)
	if err != nil {
		return nil, err
	}
	var fallback []string
	for _, p := range points {
		if !p.is(pointerID) {
			continue
		}
		scope, has := p.value("Domain=")
		switch {
		case !has:
			fallback = append(fallback, p.bindings...)
		case strings.EqualFold(scope, w.domain):
			if urls := w.follow(ctx, p.bindings); len(urls) > 0 {
				return urls, nil
			}
		}
	}
	if urls := order(points, w.d.opt.Site); len(urls) > 0 {
		return urls, nil
	}
	return w.follow(ctx, fallback), nil
}

// read reads the entries of one directory; at is where, empty for all of it.
func (w *walk) read(ctx context.Context, servers []string, at string) ([]scp, error) {
	var out []scp
	err := w.d.ask(ctx, servers, func(l *ldap.Conn) error {
		if at == "" {
			r, err := root(l)
			if err != nil {
				return fmt.Errorf("read the directory's contexts: %w", err)
			}
			at = r.GetAttributeValue("configurationNamingContext")
		}
		found, err := l.Search(ldap.NewSearchRequest(at, ldap.ScopeWholeSubtree, ldap.NeverDerefAliases, maxSCP, 10, false,
			scpFilter, []string{"keywords", "serviceBindingInformation"}, nil))
		if err != nil {
			return fmt.Errorf("search the directory for service connection points: %w", err)
		}
		for _, e := range found.Entries[:min(len(found.Entries), maxSCP)] {
			out = append(out, scp{e.GetAttributeValues("keywords"), e.GetAttributeValues("serviceBindingInformation")})
		}
		return nil
	})
	return out, err
}

// follow searches where pointers lead. What cannot be reached is left out.
func (w *walk) follow(ctx context.Context, pointers []string) []string {
	for _, raw := range pointers {
		server, at, ok := w.d.pointer(raw)
		if !ok || w.seen[server+"/"+at] || w.hops >= maxPointers {
			continue
		}
		w.seen[server+"/"+at] = true
		w.hops++
		if urls, err := w.look(ctx, []string{server}, at); err == nil && len(urls) > 0 {
			return urls
		}
	}
	return nil
}

// pointer reads an LDAP URL. Whatever its scheme and port, the server is asked
// over TLS, and only where the options name it.
func (d *Directory) pointer(raw string) (server, at string, ok bool) {
	u, err := url.Parse(strings.TrimSpace(raw))
	if err != nil || u.User != nil || !strings.EqualFold(u.Scheme, "ldap") && !strings.EqualFold(u.Scheme, "ldaps") {
		return "", "", false
	}
	at = strings.TrimPrefix(u.Path, "/")
	if at != "" {
		if _, err := ldap.ParseDN(at); err != nil {
			return "", "", false
		}
	}
	if u.Host == "" {
		return d.opt.Servers[0], at, at != ""
	}
	host := strings.ToLower(strings.TrimSuffix(u.Hostname(), "."))
	for known := range d.pointers {
		if h, _, found := strings.Cut(known, ":"); found && h == host {
			return known, at, true
		}
	}
	return "", "", false
}

// order returns the URLs, best site first.
func order(points []scp, site string) []string {
	var ours, any, others []string
	for _, p := range points {
		if !p.is(urlID) {
			continue
		}
		s, has := p.value("Site=")
		switch {
		case !has:
			any = append(any, p.bindings...)
		case site != "" && strings.EqualFold(s, site):
			ours = append(ours, p.bindings...)
		default:
			others = append(others, p.bindings...)
		}
	}
	all := slices.Concat(ours, any, others)
	seen := map[string]bool{}
	return slices.DeleteFunc(all, func(u string) bool {
		twice := seen[strings.ToLower(u)]
		seen[strings.ToLower(u)] = true
		return twice
	})
}
