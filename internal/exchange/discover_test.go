package exchange

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/koyomi-cal/koyomi/ews"
	"github.com/koyomi-cal/koyomi/ews/ewstest"
	"github.com/koyomi-cal/koyomi/internal/calendar"
)

// campus is a network of two Exchange servers with names, the first of which
// answers Autodiscover, and an Exchange of ours that finds mailboxes by it.
type campus struct {
	a, b  *ewstest.Server
	x     *Exchange
	trust *ews.Trust
	ann   calendar.Mailbox
	bob   calendar.Mailbox

	mu     sync.Mutex
	dialed []string
}

const (
	urlA = "https://a.example.com/EWS/Exchange.asmx"
	urlB = "https://b.example.com/EWS/Exchange.asmx"
)

// onCampus runs a test on fake time.
func onCampus(t *testing.T, allowed []string, fn func(t *testing.T, c *campus)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(26 * 365 * 24 * time.Hour)
		t.Cleanup(func() { time.Sleep(10 * time.Second) }) // both ends say goodbye at once, and TLS waits 5 s to be heard
		cert, ca, err := ewstest.NewCertificate(time.Now(), "autodiscover.example.com", "a.example.com", "b.example.com", "c.example.com")
		if err != nil {
			t.Fatal(err)
		}
		roots := x509.NewCertPool()
		roots.AppendCertsFromPEM(ca)
		c := &campus{ann: calendar.Mailbox{ID: "mb-ann", Address: annAddr}, bob: calendar.Mailbox{ID: "mb-bob", Address: bobAddr}}
		hosts := map[string]*pipes{}
		serve := func(names ...string) *ewstest.Server {
			s, p := ewstest.NewServer(ewstest.Options{Now: time.Now}), newPipes()
			s.AddMailbox(annAddr, "Ann")
			s.AddMailbox(bobAddr, "Bob")
			var g sync.WaitGroup
			g.Go(func() { _ = s.Serve(p) })
			t.Cleanup(func() { s.Close(); p.Close(); g.Wait() })
			for _, n := range names {
				hosts[n+":443"] = p
			}
			return s
		}
		c.a, c.b = serve("autodiscover.example.com", "a.example.com"), serve("b.example.com")
		c.a.SetDiscovery("", ewstest.Discovery{EWSURL: urlA})
		dial := func(ctx context.Context, _, address string) (net.Conn, error) {
			c.mu.Lock()
			c.dialed = append(c.dialed, address)
			c.mu.Unlock()
			p := hosts[address]
			if p == nil {
				return nil, errRefused
			}
			ours, theirs := net.Pipe()
			select {
			case p.conns <- tls.Server(theirs, &tls.Config{Certificates: []tls.Certificate{cert}}):
				return ours, nil
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		}
		var rules []ews.HostRule
		for _, h := range allowed {
			rules = append(rules, ews.HostRule{Host: h, State: ews.HostAllowed})
		}
		if c.trust, err = ews.NewTrust(rules, nil); err != nil {
			t.Fatal(err)
		}
		resolver := &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) { return nil, errRefused }}
		c.x, err = New(Options{
			Autodiscover: &Autodiscover{Trust: c.trust, Resolver: resolver}, Username: "svc@example.com", Password: ews.NewSecret("password"),
			RootCAs: roots, DialContext: dial,
		})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		var g sync.WaitGroup
		g.Go(func() { _ = c.x.Run(ctx) })
		defer g.Wait()
		defer cancel()
		fn(t, c)
	})
}

func everywhere() []string {
	return []string{"autodiscover.example.com", "a.example.com", "b.example.com"}
}

func meetingAt(s *ewstest.Server, subject string) {
	start := time.Now().Add(time.Hour).Truncate(time.Hour)
	s.Add(annAddr, ewstest.Item{Subject: subject, Start: start, End: start.Add(time.Hour)})
}

func subjects(t *testing.T, c *campus) string {
	t.Helper()
	entries, _, err := c.x.View(t.Context(), c.ann, calendar.Window{From: time.Now(), To: time.Now().Add(24 * time.Hour)})
	if err != nil {
		return "fault: " + err.Error()
	}
	var out []string
	for _, e := range entries {
		out = append(out, e.Subject)
	}
	return strings.Join(out, ",")
}

// TestMovedMailbox: a mailbox that moves from one server to another one keeps
// being served, after the first call that says so.
func TestMovedMailbox(t *testing.T) {
	t.Parallel()
	onCampus(t, everywhere(), func(t *testing.T, c *campus) {
		meetingAt(c.a, "old")
		meetingAt(c.b, "new")
		if got := subjects(t, c); got != "old" {
			t.Errorf("before the move: %s", got)
		}
		time.Sleep(time.Hour)
		meetingAt(c.a, "old")
		meetingAt(c.b, "new")
		c.a.SetDiscovery(annAddr, ewstest.Discovery{EWSURL: urlB})
		c.a.Fail(ewstest.Fault{Mailbox: annAddr, Code: "ErrorWrongServerVersion", Times: -1})
		if got := subjects(t, c); !strings.HasPrefix(got, "fault") {
			t.Errorf("the call that meets the move gives %s", got)
		}
		if got := subjects(t, c); !strings.Contains(got, "new") {
			t.Errorf("after the move: %s", got)
		}
		if n := len(c.b.Calls()); n == 0 {
			t.Error("the new server was not asked")
		}
	})
}

// TestWatchMoves: a watch over two servers goes after a mailbox that moves, and
// leaves the other one alone.
func TestWatchMoves(t *testing.T) {
	t.Parallel()
	onCampus(t, everywhere(), func(t *testing.T, c *campus) {
		c.a.SetDiscovery(bobAddr, ewstest.Discovery{EWSURL: urlB})
		ctx, cancel := context.WithCancel(t.Context())
		var mu sync.Mutex
		got := map[calendar.MailboxID][]calendar.ChangeKind{}
		var g sync.WaitGroup
		g.Go(func() {
			for n, err := range c.x.Watch(ctx, []calendar.Mailbox{c.ann, c.bob}) {
				mu.Lock()
				if err != nil {
					t.Errorf("the watch says %v", err)
				}
				got[n.Mailbox] = append(got[n.Mailbox], n.Change.Kind)
				mu.Unlock()
			}
		})
		defer g.Wait()
		defer cancel()
		count := func(id calendar.MailboxID, k calendar.ChangeKind) (n int) {
			mu.Lock()
			defer mu.Unlock()
			for _, kind := range got[id] {
				if kind == k {
					n++
				}
			}
			return n
		}
		time.Sleep(2 * time.Minute)
		if count("mb-ann", calendar.Catchup) != 1 || count("mb-bob", calendar.Catchup) != 1 {
			t.Fatalf("at first: %v", got)
		}
		meetingAt(c.a, "one")
		time.Sleep(time.Minute)
		if count("mb-ann", calendar.Upsert) == 0 {
			t.Errorf("no news from the first server: %v", got)
		}
		c.a.SetDiscovery(annAddr, ewstest.Discovery{EWSURL: urlB})
		c.x.noteCall(annAddr, &ews.Error{Code: "ErrorMailboxMoveInProgress", HTTPStatus: 200})
		time.Sleep(2 * time.Minute)
		before := count("mb-ann", calendar.Upsert)
		meetingAt(c.b, "two")
		time.Sleep(time.Minute)
		if count("mb-ann", calendar.Catchup) < 2 || count("mb-ann", calendar.Upsert) <= before {
			t.Errorf("no news from the second server: %v", got)
		}
	})
}

// TestNoServer: what Autodiscover does not find, or may not use, becomes a fault
// of the mailbox with a sentence that says what to do.
func TestNoServer(t *testing.T) {
	t.Parallel()
	onCampus(t, []string{"autodiscover.example.com", "a.example.com"}, func(t *testing.T, c *campus) {
		fault := func() *calendar.Fault {
			t.Helper()
			_, err := c.x.Bind(t.Context(), c.ann)
			f, is := errors.AsType[*calendar.Fault](err)
			if !is {
				t.Fatalf("the error is %v", err)
			}
			return f
		}
		c.a.SetDiscovery(annAddr, ewstest.Discovery{RedirectAddress: "ann@tenant.mail.onmicrosoft.com"})
		if f := fault(); f.Class != calendar.NoMailbox || !strings.Contains(f.Sentence, "Exchange Online") || strings.Contains(f.Sentence, "@") {
			t.Errorf("a mailbox in Exchange Online: %+v", f)
		}
		c.a.SetDiscovery(annAddr, ewstest.Discovery{EWSURL: urlB})
		c.x.TryNow()
		if f := fault(); f.Class != calendar.NoMailbox || !strings.Contains(f.Sentence, "b.example.com") {
			t.Errorf("a host that is not allowed: %+v", f)
		}
		if n := len(c.b.Calls()); n > 0 {
			t.Errorf("%d calls to a host that is not allowed", n)
		}
		if err := c.trust.Set("b.example.com", ews.HostAllowed); err != nil {
			t.Fatal(err)
		}
		c.x.TryNow()
		if _, err := c.x.Bind(t.Context(), c.ann); err != nil {
			t.Errorf("after the host was allowed: %v", err)
		}
		for _, d := range c.dialed {
			if strings.Contains(d, ".invalid") {
				t.Error("the client that stands for the account was used")
			}
		}
	})
	if _, err := New(Options{Autodiscover: &Autodiscover{}, Username: "a", Password: ews.NewSecret("b")}); err == nil {
		t.Error("Autodiscover without a trust is taken")
	}
}

// TestStandbyKnowsWhere: another account does not have every mailbox looked for
// again.
func TestStandbyKnowsWhere(t *testing.T) {
	onCampus(t, everywhere(), func(t *testing.T, c *campus) {
		if _, err := c.x.Bind(t.Context(), c.ann); err != nil {
			t.Fatal(err)
		}
		asked := c.a.Count("GetUserSettings")
		client, err := c.x.clientOf(c.x.accounts[0])
		if err != nil {
			t.Fatal(err)
		}
		c.x.mu.Lock()
		c.x.client = client
		clear(c.x.folders)
		c.x.mu.Unlock()
		if _, err := c.x.Bind(t.Context(), c.ann); err != nil || asked == 0 || c.a.Count("GetUserSettings") != asked {
			t.Errorf("%v; looked for %d times, before %d", err, c.a.Count("GetUserSettings"), asked)
		}
		if _, err := c.x.Bind(t.Context(), c.bob); err != nil || c.a.Count("GetUserSettings") != asked+1 {
			t.Errorf("a mailbox that is not known: %v", err)
		}
	})
}
