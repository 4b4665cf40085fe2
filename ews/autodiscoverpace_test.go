package ews_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
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
