package ews_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/koyomi-cal/koyomi/ews"
	"github.com/koyomi-cal/koyomi/ews/ewstest"
)

// TestDiscoverLeftAlone: a host of Autodiscover that asks to be left alone gets not
// one request before the time is over, with or without a password, in whatever name
// a mailbox is looked for; other hosts are asked as ever, and EWS on the same host
// is not held up.
func TestDiscoverLeftAlone(t *testing.T) {
	t.Parallel()
	l, s := newLAN(t), exchangeServer(t, ewstest.Exchange2019)
	var asked atomic.Int32
	var busy atomic.Bool
	busy.Store(true)
	l.host(autoHost, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if asked.Add(1); busy.Load() {
			w.Header().Set("Retry-After", "120")
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		s.Handler().ServeHTTP(w, r)
	}))
	scheduler := ews.NewScheduler(ews.SchedulerOptions{})
	f := l.finder(func(o *ews.DiscovererOptions) { o.Scheduler = scheduler }, autoHost, mailHost)
	for i := range 5 {
		d := f.one(t, fmt.Sprintf("user%04d@example.com", i+1))
		if d.Err == nil || d.Err.Class() != ews.Transient {
			t.Errorf("%v", d.Err)
		}
		f.TryNow()
	}
	if n := asked.Load(); n != 1 {
		t.Errorf("the host was asked %d times although it asked to be left alone", n)
	}
	if st := scheduler.Stats(); st.BackOffs != 1 {
		t.Errorf("%d times noted", st.BackOffs)
	}
	busy.Store(false)
	other := l.finder(func(o *ews.DiscovererOptions) { o.Scheduler = ews.NewScheduler(ews.SchedulerOptions{}) }, autoHost, mailHost)
	s.SetDiscovery("user0001@example.com", ewstest.Discovery{EWSURL: mailURL})
	if d := other.one(t, "user0001@example.com"); d.Err != nil {
		t.Errorf("a program that was not told: %v", d.Err)
	}
}

// TestDiscoverWithinLimits: however many mailboxes are looked for at once, a host
// has no more requests under way than the scheduler lets through, and those of the
// client and of its Discoverer have one scheduler.
func TestDiscoverWithinLimits(t *testing.T) {
	t.Parallel()
	l, s := newLAN(t), exchangeServer(t, ewstest.Exchange2019)
	s.SetDiscovery("", ewstest.Discovery{EWSURL: mailURL})
	var now, most atomic.Int32
	l.host(autoHost, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n := now.Add(1)
		defer now.Add(-1)
		for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
		}
		time.Sleep(2 * time.Millisecond) // so that others come meanwhile
		s.Handler().ServeHTTP(w, r)
	}))
	client, err := ews.New(ews.Options{
		URL: mailURL, Credentials: ews.Credentials{Username: "svc@example.com", Password: ews.NewSecret("password")},
		RootCAs: l.roots, DialContext: l.dial, Scheduler: ews.NewScheduler(ews.SchedulerOptions{Start: 2, Most: 2}),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	trust, err := ews.NewTrust([]ews.HostRule{{Host: autoHost, State: ews.HostAllowed}, {Host: mailHost, State: ews.HostAllowed}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	d, err := client.Discoverer(ews.DiscovererOptions{Trust: trust, Resolver: l.records()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.Close)
	var all sync.WaitGroup
	for i := range 20 {
		all.Go(func() {
			a := fmt.Sprintf("user%04d@example.com", i%3+1)
			if found := d.Find(soon(t), a)[0]; found.Err != nil {
				t.Errorf("%v", found.Err)
			}
		})
	}
	all.Wait()
	if n := most.Load(); n > 2 || n == 0 {
		t.Errorf("%d requests under way at once", n)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	d.Forget()
	if found := d.Find(ended, "user0001@example.com")[0]; found.Err == nil || !errors.Is(found.Err, context.Canceled) {
		t.Errorf("after its caller ended: %v", found.Err)
	}
}

// TestDiscoverBusy: a server that says in an answer that it is busy, with one
// mailbox or altogether, by SOAP or by plain XML, is left alone for thirty seconds,
// whoever wants it tried at once. What is known of other mailboxes, and of this one
// from before, counts as ever.
func TestDiscoverBusy(t *testing.T) {
	t.Parallel()
	_, _, _ = noDNS().LookupSRV(t.Context(), "", "", "example.com") // package net makes its locks at the first one: outside of any bubble
	const (
		bob, carol = "user0002@example.com", "user0003@example.com"

		soap = `<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body><GetUserSettingsResponseMessage xmlns="http://schemas.microsoft.com/exchange/2010/Autodiscover">` +
			`<Response><ErrorCode>ServerBusy</ErrorCode><ErrorMessage>busy</ErrorMessage></Response></GetUserSettingsResponseMessage></s:Body></s:Envelope>`
		plain = `<Autodiscover xmlns="http://schemas.microsoft.com/exchange/autodiscover/responseschema/2006">` +
			`<Response><Error Time="08:00" Id="1"><ErrorCode>603</ErrorCode><Message>busy</Message></Error></Response></Autodiscover>`
	)
	for name, c := range map[string]struct {
		dialect ewstest.Dialect
		op      string
		whole   string // what answers everything; empty: one mailbox is answered so
	}{
		"one mailbox, by SOAP":     {ewstest.Exchange2019, "GetUserSettings", ""},
		"altogether, by SOAP":      {ewstest.Exchange2019, "GetUserSettings", soap},
		"altogether, by plain XML": {ewstest.Gromox, "Autodiscover", plain},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				t.Cleanup(func() { time.Sleep(time.Minute) }) // both sides may be about to say good-bye, to nobody
				s := ewstest.NewServer(ewstest.Options{Users: 3, Dialect: c.dialect, Now: time.Now})
				h := newPiped(t, s)
				f := newLAN(t).finder(func(o *ews.DiscovererOptions) { o.DialContext, o.RootCAs, o.Resolver = h.dial, h.roots, noDNS() }, autoHost)
				step := func(what, address string, well bool, asked int) {
					t.Helper()
					d := f.Find(t.Context(), address)[0]
					if (d.Err == nil) != well || !well && (d.Err.Class() != ews.Transient || d.Err.BackOff <= 0 || d.Err.BackOff > 30*time.Second) {
						t.Errorf("%s: %v", what, d.Err)
					}
					if got := s.Count("GetUserSettings") + s.Count("Autodiscover"); got != asked {
						t.Errorf("%s: asked %d times, want %d", what, got, asked)
					}
				}
				step("before", bob, true, 1)
				if c.whole == "" {
					s.SetDiscovery(alice, ewstest.Discovery{Code: "ServerBusy"})
				} else {
					s.Fail(ewstest.Fault{Op: c.op, Status: http.StatusOK, Page: c.whole, Times: -1})
				}
				step("busy", alice, false, 2)
				f.TryNow()
				step("at once", alice, false, 2)
				f.Forget(alice)
				time.Sleep(29 * time.Second)
				f.TryNow()
				step("a second too early", alice, false, 2)
				step("one that is known", bob, true, 2)
				asked := 2
				if c.whole == "" {
					asked = 3 // the server is not busy with this one
				}
				step("one that is not", carol, c.whole == "", asked)
				s.SetDiscovery(alice, ewstest.Discovery{})
				s.Heal()
				time.Sleep(2 * time.Second)
				f.TryNow()
				step("when the pause is over", alice, true, asked+1)
			})
		})
	}
}
