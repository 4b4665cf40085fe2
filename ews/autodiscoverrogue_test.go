package ews_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/koyomi-cal/koyomi/ews"
	"github.com/koyomi-cal/koyomi/ews/ewstest"
)

// TestDiscoverRogue leads the Discoverer to a host that is after credentials,
// by every step that there is. None may reach it; the administrator is asked
// about it.
func TestDiscoverRogue(t *testing.T) {
	t.Parallel()
	const evil = "evil.test"
	to := func(url string) http.Handler { return http.RedirectHandler(url, http.StatusTemporaryRedirect) }
	const evilXML, evilSVC = "https://evil.test/autodiscover/autodiscover.xml", "https://evil.test/autodiscover/autodiscover.svc"
	scp := func(verified bool, url string) func(*lan, *ews.DiscovererOptions) {
		return func(_ *lan, o *ews.DiscovererOptions) {
			o.SCP = func(context.Context, string) ([]ews.ServiceConnectionPoint, error) {
				return []ews.ServiceConnectionPoint{{URL: url, Verified: verified}}, nil
			}
		}
	}
	honest := func(d ewstest.Discovery) func(*lan, *ewstest.Server, *ewstest.Rogue) {
		return func(l *lan, s *ewstest.Server, g *ewstest.Rogue) {
			s.SetDiscovery(alice, d)
			l.host(autoHost, s.Handler())
			l.host(evil, g)
			l.host("autodiscover."+evil, g)
		}
	}
	for name, c := range map[string]struct {
		build   func(l *lan, s *ewstest.Server, g *ewstest.Rogue)
		change  func(*lan, *ews.DiscovererOptions)
		allowed []string
		pending string // host that the administrator is asked about
	}{
		"the root domain": {
			func(l *lan, _ *ewstest.Server, g *ewstest.Rogue) { l.host("example.com", g) },
			func(_ *lan, o *ews.DiscovererOptions) { o.RootDomain = true }, nil, "example.com",
		},
		"autodiscover of the domain": {
			func(l *lan, _ *ewstest.Server, g *ewstest.Rogue) { l.host(autoHost, g) }, nil, nil, autoHost,
		},
		"autodiscover of the domain, by http": {
			func(l *lan, _ *ewstest.Server, g *ewstest.Rogue) { l.insecure(autoHost, g) }, nil, nil, "",
		},
		"a redirect from http": {
			func(l *lan, _ *ewstest.Server, g *ewstest.Rogue) {
				l.insecure(autoHost, http.RedirectHandler(evilXML, http.StatusFound))
				l.host(evil, g)
			}, nil, nil, evil,
		},
		"a redirect from http to http": {
			func(l *lan, _ *ewstest.Server, g *ewstest.Rogue) {
				l.insecure(autoHost, http.RedirectHandler("http://evil.test/autodiscover/autodiscover.xml", http.StatusFound))
				l.insecure(evil, g)
			}, nil, []string{evil}, "",
		},
		"a redirect from an allowed host": {
			func(l *lan, _ *ewstest.Server, g *ewstest.Rogue) { l.host(autoHost, to(evilXML)); l.host(evil, g) }, nil, []string{autoHost}, evil,
		},
		"a redirect after the password": {
			func(l *lan, s *ewstest.Server, g *ewstest.Rogue) {
				l.host(autoHost, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					if r.Method == http.MethodPost {
						http.Redirect(w, r, evilSVC, http.StatusTemporaryRedirect)
						return
					}
					s.Handler().ServeHTTP(w, r)
				}))
				l.host(evil, g)
			}, nil, []string{autoHost}, evil,
		},
		"a redirect with a user name": {
			func(l *lan, _ *ewstest.Server, g *ewstest.Rogue) {
				l.host(autoHost, to("https://autodiscover.example.com@evil.test/autodiscover/autodiscover.xml"))
				l.host(evil, g)
			}, nil, []string{autoHost}, "",
		},
		"a redirect to another port": {
			func(l *lan, _ *ewstest.Server, g *ewstest.Rogue) {
				l.host(autoHost, to("https://autodiscover.example.com:444/autodiscover/autodiscover.xml"))
				l.host(evil, g)
				l.mu.Lock()
				l.hosts[autoHost+":444"] = l.hosts[evil+":443"]
				l.mu.Unlock()
			}, nil, []string{autoHost}, "",
		},
		"an SRV record": {
			func(l *lan, _ *ewstest.Server, g *ewstest.Rogue) { l.host(evil, g) },
			func(l *lan, o *ews.DiscovererOptions) {
				o.Resolver = l.records("_autodiscover._tcp.example.com. 60 IN SRV 0 0 443 evil.test.")
			}, nil, evil,
		},
		"a connection point that was not verified": {
			func(l *lan, _ *ewstest.Server, g *ewstest.Rogue) { l.host(evil, g) }, scp(false, evilXML), nil, evil,
		},
		"RedirectUrl by SOAP":     {honest(ewstest.Discovery{RedirectURL: evilSVC}), nil, []string{autoHost}, evil},
		"RedirectAddress by SOAP": {honest(ewstest.Discovery{RedirectAddress: "a@evil.test"}), nil, []string{autoHost}, "autodiscover." + evil},
		"EwsUrl by SOAP":          {honest(ewstest.Discovery{EWSURL: "https://evil.test/EWS/Exchange.asmx"}), nil, []string{autoHost}, evil},
		"EwsUrl by SOAP in clear": {honest(ewstest.Discovery{EWSURL: "http://autodiscover.example.com/EWS/Exchange.asmx"}), nil, []string{autoHost}, ""},
		"an address that looks like Exchange Online's": {
			honest(ewstest.Discovery{RedirectAddress: "a@onmicrosoft.com.evil.test"}), nil, []string{autoHost}, "",
		},
		"a host whose name ends like an allowed one": {
			func(l *lan, s *ewstest.Server, g *ewstest.Rogue) {
				s.SetDiscovery(alice, ewstest.Discovery{EWSURL: "https://evil-autodiscover.example.com/EWS/Exchange.asmx", InternalEWSURL: "https://autodiscover.example.com.evil.test/EWS/Exchange.asmx"})
				l.host(autoHost, s.Handler())
				l.host("evil-autodiscover.example.com", g)
				l.host("autodiscover.example.com.evil.test", g)
			}, nil, []string{autoHost}, "evil-autodiscover.example.com",
		},
	} {
		for _, d := range []ewstest.Dialect{ewstest.Exchange2019, ewstest.Gromox} { // SOAP, and plain XML
			t.Run(name+" "+string(d), func(t *testing.T) {
				t.Parallel()
				l, s, g := newLAN(t), exchangeServer(t, d), new(ewstest.Rogue)
				c.build(l, s, g)
				f := l.finder(func(o *ews.DiscovererOptions) {
					if c.change != nil {
						c.change(l, o)
					}
				}, c.allowed...)
				got := f.one(t, alice)
				if got.EWSURL != "" || got.Err == nil {
					t.Errorf("found %+v", got)
				}
				for _, v := range g.Visits() {
					if v.Credentials || v.Method != http.MethodGet || v.Body > 0 {
						t.Errorf("the rogue host got %+v", v)
					}
				}
				if c.pending != "" && !slices.Contains(f.pending, c.pending) || c.pending == "" && len(f.pending) > 0 {
					t.Errorf("the administrator is asked about %v, want %q", f.pending, c.pending)
				}
				if c.pending != "" && code(got) != ews.CodeHostPending {
					t.Errorf("the error is %v", got.Err)
				}
				for _, h := range f.pending {
					if err := f.trust.Set(h, ews.HostBlocked); err != nil {
						t.Fatal(err)
					}
				}
				n := len(g.Visits())
				f.Forget()
				f.one(t, alice)
				if len(f.pending) > 0 && c.pending != "autodiscover."+evil && len(g.Visits()) != n {
					t.Error("a blocked host is asked all the same")
				}
			})
		}
	}
}

// TestDiscoverCertificate: an allowed name with a certificate for another one,
// or of nobody, gets nothing.
func TestDiscoverCertificate(t *testing.T) {
	t.Parallel()
	for _, ours := range []bool{true, false} {
		l, g := newLAN(t), new(ewstest.Rogue)
		if ours {
			l.host(autoHost, g, "other.example.com")
		} else {
			known := l.roots.Clone()
			l.host(autoHost, g)
			l.roots = known
		}
		if got := l.finder(nil, autoHost).one(t, alice); code(got) != ews.CodeCertificate {
			t.Errorf("found %+v", got)
		}
		if v := g.Visits(); len(v) > 0 {
			t.Errorf("the host got %+v", v)
		}
	}
}

// TestDiscoverDecision: what the administrator decides counts for answers that
// are kept, too.
func TestDiscoverDecision(t *testing.T) {
	t.Parallel()
	l, s := newLAN(t), exchangeServer(t, ewstest.Exchange2019)
	l.host(autoHost, s.Handler())
	s.SetDiscovery("", ewstest.Discovery{EWSURL: mailURL, InternalEWSURL: "https://cas01.example.com/EWS/Exchange.asmx"})
	f := l.finder(nil, autoHost, mailHost)
	if got := f.one(t, alice); got.EWSURL != mailURL {
		t.Errorf("found %+v", got)
	}
	if err := f.trust.Set(mailHost, ews.HostBlocked); err != nil {
		t.Fatal(err)
	}
	if got := f.one(t, alice); code(got) != ews.CodeHostPending || got.EWSURL != "" {
		t.Errorf("the host is blocked, and found is %+v", got)
	}
	if err := f.trust.Set("cas01.example.com", ews.HostAllowed); err != nil {
		t.Fatal(err)
	}
	f.Forget(alice)
	if got := f.one(t, alice); got.EWSURL != "https://cas01.example.com/EWS/Exchange.asmx" {
		t.Errorf("after the internal host was allowed: %+v", got)
	}
}

// TestDiscoverMoves: an answer counts for a day, up to a tenth more or less; a
// sign that the mailbox has moved has it looked for at once.
func TestDiscoverMoves(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLAN(t)
		s := ewstest.NewServer(ewstest.Options{Users: 2, Now: time.Now})
		h := newPiped(t, s)
		f := l.finder(func(o *ews.DiscovererOptions) {
			o.DialContext, o.RootCAs = h.dial, h.roots
			o.Life, o.Resolver = 24*time.Hour, noDNS()
		}, autoHost, "new.example.com")
		url := func() string { return f.Find(t.Context(), alice)[0].EWSURL }
		asked := func() int { return s.Count("GetUserSettings") }
		const oldURL, newURL = "https://autodiscover.example.com/EWS/Exchange.asmx", "https://new.example.com/EWS/Exchange.asmx"
		step := func(what string, wantURL string, wantAsked int) {
			t.Helper()
			if got := url(); got != wantURL || asked() != wantAsked {
				t.Errorf("%s: %s after %d questions, want %s after %d", what, got, asked(), wantURL, wantAsked)
			}
		}
		step("at first", oldURL, 1)
		time.Sleep(21 * time.Hour)
		step("within a day", oldURL, 1)
		time.Sleep(6 * time.Hour)
		step("after a day", oldURL, 2)

		s.SetDiscovery(alice, ewstest.Discovery{EWSURL: newURL})
		time.Sleep(time.Hour)
		gone := &ews.Error{Code: ews.CodeNotFound, HTTPStatus: 404}
		if f.Report(alice, gone) || f.Report(alice, nil) || f.Report(alice, gone) || f.Report(alice, gone) {
			t.Error("a few 404 are taken for a move")
		}
		step("after two 404", oldURL, 2)
		if !f.Report(alice, gone) {
			t.Error("three 404 are taken for nothing")
		}
		step("after three 404", newURL, 3)

		s.SetDiscovery(alice, ewstest.Discovery{})
		moved := &ews.Error{Code: "ErrorMailboxMoveInProgress", HTTPStatus: 200}
		if f.Report(alice, moved) {
			t.Error("a mailbox that was just looked for is looked for at once")
		}
		step("at once", newURL, 3)
		time.Sleep(2 * time.Minute)
		step("two minutes later", oldURL, 4)

		s.SetDiscovery(alice, ewstest.Discovery{Code: "ServerBusy"})
		time.Sleep(27 * time.Hour)
		step("while Autodiscover is busy the old answer counts", oldURL, 5)
		step("and is not asked again at once", oldURL, 5)
		s.SetDiscovery(alice, ewstest.Discovery{EWSURL: newURL})
		time.Sleep(2 * time.Minute)
		f.Refresh(t.Context())
		if asked() != 6 {
			t.Errorf("%d questions after Refresh", asked())
		}
		step("after Refresh", newURL, 6)
		if f.Report("nobody@example.com", moved) {
			t.Error("a mailbox that was never looked for has moved")
		}
	})
}

// noDNS is a resolver without a server.
func noDNS() *net.Resolver {
	return &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
		return nil, errors.New("there is no DNS here")
	}}
}
