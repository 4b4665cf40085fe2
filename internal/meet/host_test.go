package meet

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// rig is a host with the small server that it speaks to, which has the shape
// that the product documents. It is made for each test anew.
type rig struct {
	host Host
	wire *wire
	// meetings lists the tags of the meetings at the server.
	meetings func() []string
	// create, change and end are what a request begins with that makes, changes
	// and ends a meeting.
	create, change, end string
}

func order(tag string) Request {
	start := time.Now().Add(2 * time.Hour).Truncate(time.Minute)
	return Request{Mailbox: ann, Key: "goid", Tag: tag, Action: OneTime, Start: start, End: start.Add(time.Hour), TimeZone: "Europe/Berlin", Locale: "en"}
}

// testHost is the suite that every [Host] passes: whatever goes wrong on the
// way, there is one meeting or none, the details are whole or there are none,
// and the error says when to come back.
func testHost(t *testing.T, newRig func(t *testing.T) rig) {
	within := func(name string, f hostTest) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r, l := newRig(t), newLedger()
				f(t, r, NewKeeper(r.host, l, Limits{}), l)
			})
		})
	}
	testMaking(within)
	testCrashes(within)
	testLife(within)
}

// hostTest is one test of the suite, with a server, a keeper and a ledger of
// its own, in fake time.
type hostTest func(t *testing.T, r rig, k *Keeper, l *ledger)

func testMaking(within func(string, hostTest)) {
	within("one meeting", func(t *testing.T, r rig, k *Keeper, l *ledger) {
		first := join(t, k, order("t1"))
		if first.Service != k.Name() || first.URL == "" || first.Personal || first.Kind == "" {
			t.Errorf("details %+v", first.JoinMethod)
		}
		if again := join(t, k, order("t1")); again.URL != first.URL || again.Passcode != first.Passcode {
			t.Error("asked again, it gave another meeting")
		}
		again := NewKeeper(r.host, l, Limits{}) // after a restart
		if d := join(t, again, order("t1")); d.URL != first.URL {
			t.Error("after a restart, it gave another meeting")
		}
		if d := join(t, k, order("t2")); d.URL == first.URL {
			t.Error("another meeting has the same link")
		}
		if got := r.meetings(); len(got) != 2 {
			t.Errorf("meetings %v", got)
		}
	})
	for _, f := range []fault{lostAnswer, brokenOff, garbage, huge, slow} {
		within("made, but "+string(f), func(t *testing.T, r rig, k *Keeper, l *ledger) {
			r.wire.next(r.create, f)
			began := time.Now()
			later(t, k, order("t1"), Unavailable, grace)
			asked := r.wire.count("")
			later(t, k, order("t1"), Unavailable, grace-time.Since(began)) // not before
			if n := r.wire.count(""); n != asked {
				t.Errorf("%d requests while it had to wait", n-asked)
			}
			time.Sleep(2 * grace)
			k = NewKeeper(r.host, l, Limits{})
			join(t, k, order("t1"))
			if got := r.meetings(); len(got) != 1 {
				t.Errorf("meetings %v, want one", got)
			}
			if n := r.wire.count(r.create); n != 1 {
				t.Errorf("made %d times", n)
			}
		})
	}
	for _, f := range []fault{lostRequest, down} {
		within("perhaps made, but "+string(f), func(t *testing.T, r rig, k *Keeper, _ *ledger) {
			r.wire.next(r.create, f)
			later(t, k, order("t1"), Unavailable, grace)
			time.Sleep(grace)
			join(t, k, order("t1"))
			if got := r.meetings(); len(got) != 1 {
				t.Errorf("meetings %v, want one", got)
			}
		})
	}
	within("asked for patience", func(t *testing.T, r rig, k *Keeper, _ *ledger) {
		r.wire.next(r.create, tooMany)
		later(t, k, order("t1"), Unavailable, 90*time.Second)
		asked := r.wire.count("")
		time.Sleep(89 * time.Second)
		later(t, k, order("t1"), Unavailable, time.Second)
		later(t, k, order("t2"), Unavailable, time.Second) // whoever asks
		if n := r.wire.count(""); n != asked {
			t.Errorf("%d requests before the time was up", n-asked)
		}
		time.Sleep(time.Second)
		join(t, k, order("t1"))
		if got := r.meetings(); len(got) != 1 {
			t.Errorf("meetings %v, want one", got)
		}
	})
	within("refused", func(t *testing.T, r rig, k *Keeper, l *ledger) {
		r.wire.next(r.create, forbidden, elsewhere)
		for range 2 {
			if _, err := k.Join(t.Context(), order("t1")); stateOf(err) != BadRequest {
				t.Errorf("error %v", err)
			}
		}
		if e := l.entries["t1"]; e != (Entry{}) {
			t.Errorf("entry %+v after a refusal", e)
		}
		join(t, k, order("t1"))
	})
}

func testCrashes(within func(string, hostTest)) {
	within("crash in the middle", func(t *testing.T, r rig, _ *Keeper, l *ledger) {
		dead := &dyingLedger{ledger: l, left: 1} // the intent is put down, the id is not
		if _, err := NewKeeper(r.host, dead, Limits{}).Join(t.Context(), order("t1")); err == nil {
			t.Fatal("it lived")
		}
		if len(r.meetings()) != 1 || l.entries["t1"].Asked.IsZero() {
			t.Fatalf("meetings %v, entry %+v", r.meetings(), l.entries["t1"])
		}
		time.Sleep(grace)
		join(t, NewKeeper(r.host, l, Limits{}), order("t1"))
		if got := r.meetings(); len(got) != 1 {
			t.Errorf("meetings %v, want one", got)
		}
	})
	within("nothing is asked that cannot be put down", func(t *testing.T, r rig, k *Keeper, l *ledger) {
		l.full = errors.New("disk is full")
		later(t, k, order("t1"), Unavailable, 0)
		if n := r.wire.count(""); n != 0 {
			t.Errorf("%d requests", n)
		}
	})
	within("two at once", func(t *testing.T, r rig, k *Keeper, _ *ledger) {
		done := make(chan string, 4)
		for range cap(done) {
			go func() {
				d, err := k.Join(context.WithoutCancel(t.Context()), order("t1"))
				if err != nil {
					t.Error(err)
				}
				done <- d.URL
			}()
		}
		links := map[string]bool{}
		for range cap(done) {
			links[<-done] = true
		}
		if len(links) != 1 || len(r.meetings()) != 1 {
			t.Errorf("%d links, meetings %v", len(links), r.meetings())
		}
	})
}

func testLife(within func(string, hostTest)) {
	within("follows and ends", func(t *testing.T, r rig, k *Keeper, l *ledger) {
		o := order("t1")
		if err := k.Follow(t.Context(), o); err != nil || r.wire.count("") != 0 {
			t.Errorf("followed a meeting that was never made: %v", err)
		}
		d := join(t, k, o)
		if err := k.Follow(t.Context(), o); err != nil || r.wire.count(r.change) != 0 {
			t.Errorf("the same times were sent: %v", err)
		}
		o.Start, o.End = o.Start.Add(24*time.Hour), o.End.Add(25*time.Hour)
		r.wire.next(r.change, tooMany)
		if err := k.Follow(t.Context(), o); stateOf(err) != Unavailable {
			t.Errorf("error %v", err)
		}
		time.Sleep(2 * time.Minute)
		for range 2 {
			if err := k.Follow(t.Context(), o); err != nil {
				t.Error(err)
			}
		}
		if n := r.wire.count(r.change); n != 2 {
			t.Errorf("times were sent %d times, want 2", n)
		}
		if now := join(t, k, o); now.URL != d.URL {
			t.Error("moving it changed the link")
		}
		r.wire.next(r.end, down)
		if err := k.End(t.Context(), o); err == nil {
			t.Error("ended by a failure")
		}
		for range 2 {
			if err := k.End(t.Context(), o); err != nil {
				t.Error(err)
			}
		}
		if got := r.meetings(); len(got) != 0 || l.entries["t1"] != (Entry{}) {
			t.Errorf("meetings %v, entry %+v after the end", got, l.entries["t1"])
		}
	})
	within("ended at the service by somebody else", func(t *testing.T, r rig, k *Keeper, l *ledger) {
		o := order("t1")
		join(t, k, o)
		if err := r.host.End(t.Context(), o, l.entries["t1"].ID); err != nil {
			t.Fatal(err)
		}
		moved := o
		moved.End = o.End.Add(time.Hour)
		if err := k.Follow(t.Context(), moved); err != nil {
			t.Error(err)
		}
		join(t, k, o)
		if got := r.meetings(); len(got) != 1 {
			t.Errorf("meetings %v, want a new one", got)
		}
		if err := r.host.End(t.Context(), o, "no-such-meeting"); err != nil {
			t.Errorf("ending what is not there: %v", err)
		}
	})
	within("ended after a lost answer", func(t *testing.T, r rig, k *Keeper, _ *ledger) {
		r.wire.next(r.create, lostAnswer)
		later(t, k, order("t1"), Unavailable, grace)
		time.Sleep(grace)
		if err := k.End(t.Context(), order("t1")); err != nil || len(r.meetings()) != 0 {
			t.Errorf("error %v, meetings %v", err, r.meetings())
		}
	})
	within("nothing private goes out", func(t *testing.T, r rig, k *Keeper, _ *ledger) {
		o := order("t1")
		o.People = []string{"guest@example.org"}
		join(t, k, o)
		o.Start = o.Start.Add(time.Hour)
		if err := errors.Join(k.Follow(t.Context(), o), k.End(t.Context(), o)); err != nil {
			t.Fatal(err)
		}
		for i, text := range r.wire.bodies {
			if all := text + r.wire.urls[i]; strings.Contains(all, "guest") || strings.Contains(all, "goid") || strings.Contains(all, "invitees\":[{") {
				t.Errorf("request %s", all)
			}
		}
	})
	within("without an identity", func(t *testing.T, r rig, k *Keeper, _ *ledger) {
		o := order("")
		if _, err := k.Join(t.Context(), o); stateOf(err) != BadRequest || r.wire.count("") != 0 {
			t.Errorf("error %v", err)
		}
	})
}

// later asks, and wants an error of a state that says when to come back.
func later(t *testing.T, s Service, r Request, state string, in time.Duration) {
	t.Helper()
	d, err := s.Join(t.Context(), r)
	e, is := errors.AsType[*Error](err)
	if !is || e.State != state || d.URL != "" {
		t.Fatalf("error %v, want state %s", err, state)
	}
	if in > 0 && time.Until(e.RetryAt).Round(time.Second) > in.Round(time.Second) || in > 0 && e.RetryAt.IsZero() {
		t.Fatalf("come back in %v, want %v", time.Until(e.RetryAt), in)
	}
}

// dyingLedger keeps so many entries and fails from then on.
type dyingLedger struct {
	*ledger
	left int
}

func (d *dyingLedger) PutEntry(ctx context.Context, tag string, e Entry) error {
	if d.left--; d.left < 0 {
		return errors.New("killed")
	}
	return d.ledger.PutEntry(ctx, tag, e)
}

func TestLimits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLedger()
		began := time.Now()
		take := func(host string) error {
			return (&quota{service: "S", limits: Limits{Overall: 5, PerHost: 3}, ledger: l}).take(t.Context(), time.Now(), host) // restarted each time
		}
		until := func(err error, want time.Time) {
			t.Helper()
			e, is := errors.AsType[*Error](err)
			if !is || e.State != Quota || e.RetryAt.Before(want) || e.RetryAt.After(want.Add(quotaStep)) {
				t.Fatalf("error %v, retry %v, want %v", err, e.RetryAt, want)
			}
		}
		for range 3 {
			if err := take("ann"); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Hour)
		}
		until(take("ann"), began.Add(24*time.Hour))
		for range 2 {
			if err := take("bob"); err != nil {
				t.Fatal(err)
			}
		}
		until(take("bob"), began.Add(24*time.Hour)) // the overall limit
		time.Sleep(21*time.Hour + quotaStep)
		if err := take("ann"); err != nil {
			t.Fatal(err)
		}
		until(take("ann"), began.Add(25*time.Hour))
		l.calls["S"] = []byte("garbage")
		if err := take("ann"); err != nil {
			t.Errorf("counts that cannot be read: %v", err)
		}
		l.full = errors.New("disk is full")
		if err := take("ann"); stateOf(err) != Unavailable {
			t.Errorf("counts that cannot be kept: %v", err)
		}
	})
}
