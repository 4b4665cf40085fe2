package exchange

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/koyomi-cal/koyomi/ews"
)

// memo is Notes in memory.
type memo struct {
	mu   sync.Mutex
	text map[string]string
}

func (n *memo) InitValue(_ context.Context, name string, value []byte) ([]byte, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if _, has := n.text[name]; !has {
		n.text[name] = string(value)
	}
	return []byte(n.text[name]), nil
}

func (n *memo) PutValue(_ context.Context, name string, value []byte) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.text[name] = string(value)
	return nil
}

func shownHosts(t *testing.T, n Notes) string {
	t.Helper()
	list, err := Hosts(t.Context(), n)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, r := range list {
		out = append(out, fmt.Sprint(r.Host, " ", r.State, " ", r.Origin))
	}
	return strings.Join(out, ", ")
}

// TestDecisions: a host that was met is noted and gets nothing; a decision about
// it is taken up while the program runs, and can be taken back; one that
// contradicts the configuration is not.
func TestDecisions(t *testing.T) {
	onCampus(t, []string{"autodiscover.example.com"}, func(t *testing.T, c *campus) {
		kept := &memo{text: map[string]string{}}
		if err := c.x.Remember(t.Context(), kept); err != nil {
			t.Fatal(err)
		}
		binds := func(want bool, when string) {
			t.Helper()
			c.x.mu.Lock()
			clear(c.x.folders) // so that the server is asked
			c.x.mu.Unlock()
			if _, err := c.x.Bind(t.Context(), c.ann); (err == nil) != want {
				t.Errorf("%s: %v", when, err)
			}
		}
		decide := func(host string, s ews.HostState) {
			t.Helper()
			if _, err := DecideHost(t.Context(), kept, host, s); err != nil {
				t.Fatal(err)
			}
			time.Sleep(lookEvery + time.Second)
		}
		binds(false, "a host that nobody has decided on")
		time.Sleep(lookEvery + time.Second)
		if got, want := shownHosts(t, kept), "a.example.com pending answer"; got != want {
			t.Errorf("noted: %s, want %s", got, want)
		}
		if n := c.a.Count("GetFolder"); n != 0 {
			t.Errorf("it was sent %d requests", n)
		}
		decide("A.example.com", ews.HostAllowed)
		binds(true, "allowed")
		if got, want := shownHosts(t, kept), "a.example.com allowed answer"; got != want {
			t.Errorf("noted: %s, want %s", got, want)
		}
		decide("a.example.com", ews.HostBlocked)
		binds(false, "blocked")
		decide("a.example.com", ews.HostPending)
		binds(false, "taken back")
		decide("a.example.com", ews.HostAllowed)
		binds(true, "allowed again")
		decide("autodiscover.example.com", ews.HostBlocked)
		if !c.trust.Allows("https://autodiscover.example.com/") {
			t.Error("a decision goes before the configuration")
		}
	})
}

// TestDecisionsOverRestarts: hosts that were met and decisions outlive the
// program, and notes that cannot be read allow nothing.
func TestDecisionsOverRestarts(t *testing.T) {
	t.Parallel()
	kept := &memo{text: map[string]string{hostsMet: `[{"host":"met.example.com","state":"pending","origin":"srv"}]`}}
	if _, err := DecideHost(t.Context(), kept, "good.example.com", ews.HostAllowed); err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct{ damage, good, met string }{
		"as it is": {"", "allowed", "pending"},
		"damaged":  {`[{"host":`, "", "pending"},
		"foreign":  {`[{"host":"*.example.com","state":"allowed"},{"host":"good.example.com","state":"everything"}]`, "", "pending"},
	} {
		t.Run(name, func(t *testing.T) {
			n := &memo{text: map[string]string{hostsMet: kept.text[hostsMet], hostsDecided: kept.text[hostsDecided]}}
			if tc.damage != "" {
				n.text[hostsDecided] = tc.damage
			}
			trust, err := ews.NewTrust([]ews.HostRule{{Host: "mail.example.com", State: ews.HostAllowed}}, nil)
			if err != nil {
				t.Fatal(err)
			}
			x, err := New(Options{Autodiscover: &Autodiscover{Trust: trust}, Username: "svc", Password: ews.NewSecret("x")})
			if err != nil {
				t.Fatal(err)
			}
			defer x.ews().Close()
			if err := x.Remember(t.Context(), n); err != nil {
				t.Fatal(err)
			}
			states := map[string]string{}
			for _, r := range trust.Rules() {
				states[r.Host] = string(r.State)
			}
			if states["good.example.com"] != tc.good || states["met.example.com"] != tc.met || states["mail.example.com"] != "allowed" || trust.Allows("https://x.example.com/") {
				t.Errorf("%v", states)
			}
		})
	}
	for _, host := range []string{"", "*.example.com", "https://x/"} {
		if _, err := DecideHost(t.Context(), kept, host, ews.HostAllowed); err == nil {
			t.Errorf("%q is decided on", host)
		}
	}
}
