package ews_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/koyomi-cal/koyomi/ews"
	"github.com/koyomi-cal/koyomi/ews/ewstest"
)

// lan is a network of hosts with names. What is not on it does not resolve.
type lan struct {
	t     *testing.T
	roots *x509.CertPool

	mu    sync.Mutex
	hosts map[string]string // "name:port" -> address on loopback
	dials []string
}

func newLAN(t *testing.T) *lan {
	return &lan{t: t, roots: x509.NewCertPool(), hosts: map[string]string{}}
}

// host serves a name by https, with a certificate for these names, or for
// itself where none is given.
func (l *lan) host(name string, h http.Handler, certFor ...string) {
	l.t.Helper()
	if len(certFor) == 0 {
		certFor = []string{name}
	}
	cert, ca, err := ewstest.NewCertificate(time.Now(), certFor...)
	if err != nil {
		l.t.Fatal(err)
	}
	l.roots.AppendCertsFromPEM(ca)
	l.serve(name+":443", h, &tls.Config{Certificates: []tls.Certificate{cert}})
}

// insecure serves a name by http.
func (l *lan) insecure(name string, h http.Handler) { l.serve(name+":80", h, nil) }

func (l *lan) serve(at string, h http.Handler, c *tls.Config) {
	l.t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		l.t.Fatal(err)
	}
	l.mu.Lock()
	l.hosts[at] = listener.Addr().String()
	l.mu.Unlock()
	if c != nil {
		listener = tls.NewListener(listener, c)
	}
	s := &http.Server{Handler: h, ReadHeaderTimeout: time.Minute}
	var g sync.WaitGroup
	g.Go(func() { _ = s.Serve(listener) })
	l.t.Cleanup(func() { s.Close(); g.Wait() })
}

func (l *lan) dial(ctx context.Context, network, address string) (net.Conn, error) {
	l.mu.Lock()
	l.dials = append(l.dials, address)
	to, has := l.hosts[address]
	l.mu.Unlock()
	if !has {
		return nil, &net.OpError{Op: "dial", Net: network, Err: &net.DNSError{Err: "no such host", Name: address, IsNotFound: true}}
	}
	return (&net.Dialer{}).DialContext(ctx, network, to)
}

func (l *lan) dialed(address string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Contains(l.dials, address)
}

// finder is a Discoverer on a network, with what it trusts.
type finder struct {
	*ews.Discoverer
	trust   *ews.Trust
	account *ews.Account
	mu      sync.Mutex
	pending []string
}

func (l *lan) finder(change func(*ews.DiscovererOptions), allowed ...string) *finder {
	l.t.Helper()
	f := &finder{account: ews.NewAccount(ews.Credentials{Username: "svc@example.com", Password: ews.NewSecret("password")}, ews.AccountOptions{})}
	var rules []ews.HostRule
	for _, h := range allowed {
		rules = append(rules, ews.HostRule{Host: h, State: ews.HostAllowed})
	}
	var err error
	if f.trust, err = ews.NewTrust(rules, func(r ews.HostRule) {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.pending = append(f.pending, r.Host)
	}); err != nil {
		l.t.Fatal(err)
	}
	o := ews.DiscovererOptions{
		Options: ews.Options{Account: f.account, RootCAs: l.roots, DialContext: l.dial}, Trust: f.trust,
	}
	if change != nil {
		change(&o)
	}
	if o.Resolver == nil {
		o.Resolver = l.records()
	}
	if f.Discoverer, err = ews.NewDiscoverer(o); err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(f.Close)
	return f
}

// records serves SRV records by a real DNS server on loopback. Without any it
// says that there is no such name.
func (l *lan) records(lines ...string) *net.Resolver {
	l.t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		l.t.Fatal(err)
	}
	var all []dns.RR
	for _, line := range lines {
		rr, err := dns.NewRR(line)
		if err != nil {
			l.t.Fatal(err)
		}
		all = append(all, rr)
	}
	s := &dns.Server{PacketConn: conn, Handler: dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		m := new(dns.Msg).SetReply(q)
		for _, rr := range all {
			if strings.EqualFold(rr.Header().Name, q.Question[0].Name) && rr.Header().Rrtype == q.Question[0].Qtype {
				m.Answer = append(m.Answer, rr)
			}
		}
		if len(m.Answer) == 0 {
			m.Rcode = dns.RcodeNameError
		}
		_ = w.WriteMsg(m)
	})}
	var g sync.WaitGroup
	g.Go(func() { _ = s.ActivateAndServe() })
	l.t.Cleanup(func() { conn.Close(); g.Wait() })
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "udp", conn.LocalAddr().String())
	}}
}

func (f *finder) one(t *testing.T, address string) ews.Discovery {
	t.Helper()
	return f.Find(soon(t), address)[0]
}

func exchangeServer(t *testing.T, d ewstest.Dialect) *ewstest.Server {
	t.Helper()
	s := ewstest.NewServer(ewstest.Options{Users: 3, Dialect: d})
	t.Cleanup(s.Close)
	return s
}

func code(d ews.Discovery) string {
	if d.Err == nil {
		return ""
	}
	return d.Err.Code
}

const (
	autoHost = "autodiscover.example.com"
	mailHost = "mail.example.com"
	mailURL  = "https://mail.example.com/EWS/Exchange.asmx"
	exoURL   = "https://outlook.office365.com/EWS/Exchange.asmx"
)

// TestDiscover finds mailboxes of every server by what it has.
func TestDiscover(t *testing.T) {
	t.Parallel()
	for _, d := range ewstest.Dialects() {
		t.Run(string(d), func(t *testing.T) {
			t.Parallel()
			l, s := newLAN(t), exchangeServer(t, d)
			l.host(autoHost, s.Handler())
			l.host(mailHost, s.Handler())
			s.SetDiscovery("", ewstest.Discovery{EWSURL: mailURL})
			f := l.finder(nil, autoHost, mailHost)
			found := f.Find(soon(t), alice, "nobody@example.com", bob)
			op, calls := "GetUserSettings", 1
			if d == ewstest.Gromox {
				op, calls = "Autodiscover", 3
			}
			for _, i := range []int{0, 2} {
				got := found[i]
				if got.Err != nil || got.EWSURL != mailURL || got.Online || !strings.HasPrefix(got.ServerVersion, "15.") || got.SMTPAddress == "" {
					t.Errorf("found %+v", got)
				}
				if (got.GroupingInformation == "") != (d == ewstest.Gromox) {
					t.Errorf("GroupingInformation is %q", got.GroupingInformation)
				}
				if len(got.Steps) == 0 {
					t.Error("no steps are told")
				}
			}
			if code(found[1]) != "" { // SetDiscovery scripts it for all
				if found[1].Err.Class() != ews.MailboxPermanent {
					t.Errorf("an unknown mailbox is %v", found[1].Err)
				}
			}
			if n := s.Count(op); n != calls {
				t.Errorf("%d calls of %s", n, op)
			}
			c, err := ews.New(ews.Options{URL: found[0].EWSURL, Account: f.account, RootCAs: l.roots, DialContext: l.dial})
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			if _, err := c.As(alice).GetFolder(soon(t), ews.FolderFields(), ews.FolderRef{}); err != nil {
				t.Errorf("the URL is of no use: %v", err)
			}
		})
	}
}

// TestDiscoverBatches: a hundred users in one request, and no second request
// within a day.
func TestDiscoverBatches(t *testing.T) {
	t.Parallel()
	l := newLAN(t)
	s := ewstest.NewServer(ewstest.Options{Users: 250})
	t.Cleanup(s.Close)
	l.host(autoHost, s.Handler())
	f := l.finder(nil, autoHost)
	all := s.Mailboxes()
	for range 2 {
		for _, d := range f.Find(soon(t), all...) {
			if d.Err != nil || d.EWSURL != "https://autodiscover.example.com/EWS/Exchange.asmx" {
				t.Fatalf("found %+v", d)
			}
		}
	}
	if n := s.Count("GetUserSettings"); n != 3 {
		t.Errorf("%d requests for 250 mailboxes", n)
	}
}

// TestDiscoverOrder: each step is taken only where those before it lead
// nowhere.
func TestDiscoverOrder(t *testing.T) {
	t.Parallel()
	redirect := http.RedirectHandler("https://mail.example.com/autodiscover/autodiscover.xml", http.StatusFound)
	scp := func(urls ...string) func(*ews.DiscovererOptions) {
		return func(o *ews.DiscovererOptions) {
			o.SCP = func(context.Context, string) ([]ews.ServiceConnectionPoint, error) {
				var out []ews.ServiceConnectionPoint
				for _, u := range urls {
					out = append(out, ews.ServiceConnectionPoint{URL: u, Verified: true})
				}
				return out, nil
			}
		}
	}
	for name, c := range map[string]struct {
		build  func(l *lan, s *ewstest.Server)
		change func(*ews.DiscovererOptions)
		allow  []string
		not    []string // hosts that must not have been called
	}{
		"SCP": {
			func(l *lan, s *ewstest.Server) {
				l.host("cas01.corp.example", s.Handler())
				l.host(autoHost, s.Handler())
			},
			scp("https://dead.corp.example/autodiscover/autodiscover.xml", "https://cas01.corp.example/Autodiscover/Autodiscover.xml"), nil,
			[]string{autoHost + ":443", "example.com:443"},
		},
		"root domain": {
			func(l *lan, s *ewstest.Server) { l.host("example.com", s.Handler()); l.host(autoHost, s.Handler()) },
			func(o *ews.DiscovererOptions) { o.RootDomain = true }, []string{"example.com", autoHost}, []string{autoHost + ":443"},
		},
		"autodiscover host": {
			func(l *lan, s *ewstest.Server) { l.host("example.com", s.Handler()); l.host(autoHost, s.Handler()) },
			nil, []string{"example.com", autoHost}, []string{"example.com:443", autoHost + ":80"},
		},
		"redirect from http": {
			func(l *lan, s *ewstest.Server) { l.insecure(autoHost, redirect); l.host(mailHost, s.Handler()) }, nil, []string{mailHost}, nil,
		},
		"redirect from https that is not allowed itself": {
			func(l *lan, s *ewstest.Server) { l.host(autoHost, redirect); l.host(mailHost, s.Handler()) }, nil, []string{mailHost}, []string{autoHost + ":80"},
		},
		"redirect from an allowed host": {
			func(l *lan, s *ewstest.Server) { l.host(autoHost, redirect); l.host(mailHost, s.Handler()) }, nil, []string{autoHost, mailHost}, nil,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l, s := newLAN(t), exchangeServer(t, ewstest.Exchange2016)
			c.build(l, s)
			f := l.finder(c.change, c.allow...)
			if got := f.one(t, alice); got.Err != nil || got.EWSURL == "" {
				t.Errorf("found %v\n%+v", got.Err, got.Steps)
			}
			for _, h := range c.not {
				if l.dialed(h) {
					t.Errorf("%s was called", h)
				}
			}
			n := len(l.dials)
			f.Forget(alice)
			if got := f.one(t, alice); got.Err != nil {
				t.Errorf("the second time: %v", got.Err)
			}
			if len(l.dials)-n > 1 {
				t.Errorf("what has worked is not tried first: %v", l.dials[n:])
			}
		})
	}
}

// TestDiscoverRedirects follows redirectAddr and redirectUrl, and never in a
// circle.
func TestDiscoverRedirects(t *testing.T) {
	t.Parallel()
	for _, d := range []ewstest.Dialect{ewstest.Exchange2019, ewstest.Gromox} {
		t.Run(string(d), func(t *testing.T) {
			t.Parallel()
			l, s, other := newLAN(t), exchangeServer(t, d), exchangeServer(t, d)
			l.host(autoHost, s.Handler())
			l.host("autodiscover.other.example", other.Handler())
			other.SetDiscovery("ann@other.example", ewstest.Discovery{})
			other.SetDiscovery(bob, ewstest.Discovery{})
			s.SetDiscovery(alice, ewstest.Discovery{RedirectAddress: "ann@other.example"})
			s.SetDiscovery(bob, ewstest.Discovery{RedirectURL: "https://autodiscover.other.example/autodiscover/autodiscover.xml"})
			s.SetDiscovery("here@example.com", ewstest.Discovery{RedirectAddress: "there@example.com"})
			s.SetDiscovery("there@example.com", ewstest.Discovery{RedirectAddress: "here@example.com"})
			s.SetDiscovery("me@example.com", ewstest.Discovery{RedirectAddress: "me@example.com"})
			s.SetDiscovery("url@example.com", ewstest.Discovery{RedirectURL: "https://autodiscover.example.com/autodiscover/autodiscover.xml"})
			s.SetDiscovery("http@example.com", ewstest.Discovery{RedirectURL: "http://autodiscover.example.com/autodiscover/autodiscover.xml"})
			for i := range 20 {
				s.SetDiscovery(fmt.Sprintf("far%d@example.com", i), ewstest.Discovery{RedirectAddress: fmt.Sprintf("far%d@example.com", i+1)})
			}
			s.SetDiscovery("far20@example.com", ewstest.Discovery{})
			f := l.finder(nil, autoHost, "autodiscover.other.example")
			const otherURL = "https://autodiscover.other.example/EWS/Exchange.asmx"
			found := f.Find(soon(t), alice, bob, "user0003@example.com", "here@example.com", "me@example.com", "url@example.com", "http@example.com", "far0@example.com", "far12@example.com")
			for i, want := range []string{otherURL, otherURL, "https://autodiscover.example.com/EWS/Exchange.asmx", "", "", "", "", "", "https://autodiscover.example.com/EWS/Exchange.asmx"} {
				got := found[i]
				if got.EWSURL != want || want == "" && code(got) != ews.CodeRedirected {
					t.Errorf("%s: %q, %v", got.Address, got.EWSURL, got.Err)
				}
			}
		})
	}
	t.Run("by HTTP", func(t *testing.T) {
		t.Parallel()
		l, s := newLAN(t), exchangeServer(t, ewstest.Exchange2019)
		l.host(autoHost, s.Handler())
		var n int
		l.host(mailHost, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			n++
			http.Redirect(w, r, fmt.Sprintf("https://mail.example.com/%d/autodiscover.xml", n), http.StatusFound)
		}))
		s.RedirectAutodiscover("https://mail.example.com/autodiscover/autodiscover.xml")
		if got := l.finder(nil, autoHost, mailHost).one(t, alice); code(got) != ews.CodeNotDiscovered || n > 25 {
			t.Errorf("after %d redirects: %v", n, got.Err)
		}
	})
}

// TestDiscoverOnline: a mailbox in Exchange Online is named, and nothing is
// sent there, not even where somebody has allowed it.
func TestDiscoverOnline(t *testing.T) {
	t.Parallel()
	for name, script := range map[string]ewstest.Discovery{
		"address":  {RedirectAddress: "aya@tenant.mail.onmicrosoft.com"},
		"setting":  {Online: true},
		"URL":      {EWSURL: exoURL},
		"redirect": {RedirectURL: "https://autodiscover-s.outlook.com/autodiscover/autodiscover.svc"},
	} {
		for _, d := range []ewstest.Dialect{ewstest.Exchange2019, ewstest.Gromox} {
			t.Run(name+" "+string(d), func(t *testing.T) {
				t.Parallel()
				l, s, cloud := newLAN(t), exchangeServer(t, d), new(ewstest.Rogue)
				l.host(autoHost, s.Handler())
				for _, h := range []string{"outlook.office365.com", "autodiscover-s.outlook.com", "autodiscover.tenant.mail.onmicrosoft.com"} {
					l.host(h, cloud)
				}
				s.SetDiscovery(alice, script)
				f := l.finder(nil, autoHost, "outlook.office365.com", "autodiscover-s.outlook.com")
				found := f.Find(soon(t), alice, bob)
				if got := found[0]; !got.Online || code(got) != ews.CodeOnline || got.EWSURL != "" || got.Err.Class() != ews.MailboxPermanent {
					t.Errorf("found %+v", got)
				}
				if found[1].Online || found[1].Err != nil {
					t.Errorf("the other mailbox is %+v", found[1])
				}
				if v := cloud.Visits(); len(v) > 0 {
					t.Errorf("Exchange Online was asked: %+v", v)
				}
			})
		}
	}
	t.Run("domain", func(t *testing.T) {
		t.Parallel()
		l, cloud := newLAN(t), new(ewstest.Rogue)
		l.insecure(autoHost, http.RedirectHandler("https://autodiscover-s.outlook.com/autodiscover/autodiscover.xml", http.StatusFound))
		l.host("autodiscover-s.outlook.com", cloud)
		f := l.finder(nil, "autodiscover-s.outlook.com")
		if got := f.one(t, alice); !got.Online || code(got) != ews.CodeOnline {
			t.Errorf("found %+v", got)
		}
		if got := f.one(t, "x@tenant.onmicrosoft.com"); !got.Online {
			t.Errorf("a tenant's own domain is %+v", got)
		}
		if v := cloud.Visits(); len(v) > 0 {
			t.Errorf("Exchange Online was asked: %+v", v)
		}
	})
}

// TestDiscoverForeignPassword: a web server that asks for a password at every
// path is no Autodiscover: it gets none, and its 401 is not counted.
func TestDiscoverForeignPassword(t *testing.T) {
	t.Parallel()
	l, s := newLAN(t), exchangeServer(t, ewstest.Gromox)
	var sent int
	l.host("example.com", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "" {
			sent++
		}
		w.Header().Set("WWW-Authenticate", `Basic realm="intranet"`)
		w.WriteHeader(http.StatusUnauthorized)
	}))
	l.host(autoHost, s.Handler())
	f := l.finder(func(o *ews.DiscovererOptions) { o.RootDomain = true }, "example.com", autoHost)
	if got := f.one(t, alice); got.Err != nil {
		t.Errorf("found %v\n%+v", got.Err, got.Steps)
	}
	if sent > 0 || !f.account.HeldUntil().IsZero() {
		t.Errorf("%d passwords were sent to the web server; held until %v", sent, f.account.HeldUntil())
	}
}

// TestDiscoverWrongPassword: a real refusal holds the account, and ends the
// search: the other places would refuse it, too.
func TestDiscoverWrongPassword(t *testing.T) {
	t.Parallel()
	l, s := newLAN(t), exchangeServer(t, ewstest.Exchange2019)
	l.host("example.com", s.Handler())
	l.host(autoHost, s.Handler())
	f := l.finder(func(o *ews.DiscovererOptions) { o.RootDomain = true }, "example.com", autoHost)
	f.account.SetCredentials(ews.Credentials{Username: "svc@example.com", Password: ews.NewSecret("wrong")})
	for range 3 {
		if got := f.one(t, alice); got.Err == nil || got.Err.Class() != ews.Auth {
			t.Fatalf("found %+v", got)
		}
	}
	if n := s.Refused("svc@example.com"); n != 1 || f.account.HeldUntil().IsZero() {
		t.Errorf("the wrong password was sent %d times; held until %v", n, f.account.HeldUntil())
	}
	f.account.SetCredentials(ews.Credentials{Username: "svc@example.com", Password: ews.NewSecret("password")})
	if got := f.one(t, alice); got.Err != nil {
		t.Errorf("after the right password was entered: %v", got.Err)
	}
}

// TestDiscoverSRV: the record with the lowest priority first, and a port other
// than 443 is a host of its own.
func TestDiscoverSRV(t *testing.T) {
	t.Parallel()
	l, s := newLAN(t), exchangeServer(t, ewstest.Exchange2019)
	second := new(ewstest.Rogue)
	l.host(mailHost, s.Handler())
	l.host("second.example.com", second)
	resolver := l.records(
		"_autodiscover._tcp.example.com. 60 IN SRV 20 100 443 second.example.com.",
		"_autodiscover._tcp.example.com. 60 IN SRV 5 1 443 mail.example.com.",
		"_autodiscover._tcp.example.com. 60 IN SRV 1 1 443 gone.example.com.",
		"_autodiscover._tcp.none.example. 60 IN SRV 0 0 0 .",
		"_autodiscover._tcp.port.example. 60 IN SRV 0 0 8443 mail.example.com.",
	)
	f := l.finder(func(o *ews.DiscovererOptions) { o.Resolver = resolver }, mailHost, "second.example.com", "gone.example.com")
	if got := f.one(t, alice); got.Err != nil || got.EWSURL != mailURL {
		t.Errorf("found %+v", got)
	}
	if !l.dialed("gone.example.com:443") || len(second.Visits()) > 0 {
		t.Errorf("the order was wrong: %v", l.dials)
	}
	if got := f.one(t, "x@none.example"); code(got) != ews.CodeNotDiscovered {
		t.Errorf("a record that says there is none gives %v", got.Err)
	}
	if got := f.one(t, "x@port.example"); got.Err == nil || l.dialed("mail.example.com:443") == false {
		t.Errorf("another port gives %+v", got)
	}
	if got := f.one(t, "no address"); code(got) != ews.CodeInvalid {
		t.Errorf("what is no address gives %v", got.Err)
	}
	seen := map[string]bool{}
	for i := range 200 { // by weight among equals: both are first at some time
		ll := newLAN(t)
		r := ll.records("_autodiscover._tcp.example.com. 60 IN SRV 5 50 443 a.example.com.", "_autodiscover._tcp.example.com. 60 IN SRV 5 50 443 b.example.com.")
		ff := ll.finder(func(o *ews.DiscovererOptions) { o.Resolver = r }, "a.example.com", "b.example.com")
		ff.one(t, alice)
		for _, d := range ll.dials {
			if d == "a.example.com:443" || d == "b.example.com:443" {
				seen[d] = true
				break
			}
		}
		if len(seen) == 2 {
			break
		}
		if i == 199 {
			t.Errorf("only %v is ever first", seen)
		}
	}
}

// piped is a server in memory under every name, for fake time.
type piped struct {
	conns chan net.Conn
	done  chan struct{}
	cert  tls.Certificate
	roots *x509.CertPool
}

func newPiped(t *testing.T, s *ewstest.Server) *piped {
	t.Helper()
	p := &piped{conns: make(chan net.Conn), done: make(chan struct{}), roots: x509.NewCertPool()}
	cert, ca, err := ewstest.NewCertificate(time.Now(), autoHost, "new.example.com")
	if err != nil {
		t.Fatal(err)
	}
	p.cert = cert
	p.roots.AppendCertsFromPEM(ca)
	var g sync.WaitGroup
	g.Go(func() { _ = s.Serve(p) })
	t.Cleanup(func() {
		s.Close()
		p.Close()
		g.Wait()
		time.Sleep(10 * time.Second) // in the test's own time: both ends say goodbye at once, and TLS waits 5 s to be heard
	})
	return p
}

func (p *piped) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	ours, theirs := net.Pipe()
	select {
	case p.conns <- tls.Server(theirs, &tls.Config{Certificates: []tls.Certificate{p.cert}}):
		return ours, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Accept waits for a call.
func (p *piped) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}

// Close ends Accept.
func (p *piped) Close() error {
	select {
	case <-p.done:
	default:
		close(p.done)
	}
	return nil
}

// Addr is needed by net.Listener.
func (p *piped) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 443} }
