package exchange

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/koyomi-cal/koyomi/ews"
	"github.com/koyomi-cal/koyomi/ews/ewstest"
	"github.com/koyomi-cal/koyomi/internal/calendar"
)

// diary notes when each item was told of first, and how often there was a reason
// to catch up.
type diary struct {
	mu       sync.Mutex
	told     map[string]time.Time
	caughtUp int
	faults   []error
}

func (d *diary) follow(ctx context.Context, x *Exchange, mailboxes []calendar.Mailbox) {
	for n, err := range x.Watch(ctx, mailboxes) {
		d.mu.Lock()
		switch _, before := d.told[n.Change.ID]; {
		case err != nil:
			d.faults = append(d.faults, err)
		case n.Change.Kind == calendar.Catchup:
			d.caughtUp++
		case !before:
			d.told[n.Change.ID] = time.Now()
		}
		d.mu.Unlock()
	}
}

// busyOffice is an Exchange with two accounts and three watches of two mailboxes
// each, in all of which something happens every 200 ms.
type busyOffice struct {
	t     *testing.T
	s     *ewstest.Server
	x     *Exchange
	d     *diary
	boxes []string
	made  map[string]time.Time
}

func (o *busyOffice) spend(long time.Duration) {
	for began := time.Now(); time.Since(began) < long; time.Sleep(200 * time.Millisecond) {
		for _, b := range o.boxes {
			start := time.Now().Add(24 * time.Hour)
			it, err := o.s.Add(b, ewstest.Item{Subject: "x", Start: start, End: start.Add(time.Hour)})
			if err != nil {
				o.t.Fatal(err)
			}
			o.made[it.ID] = time.Now()
		}
	}
}

// nothingMissed demands that each item was told of within a second.
func (o *busyOffice) nothingMissed(when string) {
	o.t.Helper()
	time.Sleep(time.Second)
	o.d.mu.Lock()
	defer o.d.mu.Unlock()
	missed, slowest := 0, time.Duration(0)
	for id, at := range o.made {
		told, has := o.d.told[id]
		if !has {
			missed++
			continue
		}
		slowest = max(slowest, told.Sub(at))
	}
	if missed > 0 || slowest > time.Second || len(o.made) < 100 {
		o.t.Errorf("%s: of %d items %d were not told of, and one after %v", when, len(o.made), missed, slowest)
	}
	o.made = map[string]time.Time{}
}

// inTurn demands that a login has subscribed group by group since a time, each
// mailbox once.
func (o *busyOffice) inTurn(login string, since time.Time) {
	o.t.Helper()
	var order []string
	for _, c := range o.s.Calls() {
		if c.Op != "Subscribe" || c.Login != login || c.At.Before(since) {
			continue
		}
		order = append(order, map[string]string{"1": "A", "2": "A", "3": "B", "4": "B", "5": "C", "6": "C"}[strings.TrimSuffix(c.Mailbox, "@example.com")[7:]])
	}
	seen, groups := strings.Join(order, ""), map[string]bool{}
	for i := 0; i+1 < len(seen); i += 2 {
		if seen[i] != seen[i+1] || groups[seen[i:i+1]] {
			o.t.Errorf("%s subscribed in the order %s", login, seen)
		}
		groups[seen[i:i+1]] = true
	}
	if len(seen) != len(o.boxes) {
		o.t.Errorf("%s subscribed in the order %s", login, seen)
	}
}

// TestMove has the first account refused while streams are open: its groups move
// over one after the other, while the old streams go on; not one event is missed
// or late, and the refused account sends nothing more. When it has its right
// password, they move back in the same way.
func TestMove(t *testing.T) {
	t.Parallel()
	for name, scheme := range map[string]ews.Scheme{"basic": ews.Basic, "ntlm": ews.NTLM} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			onFakeTime(t, ewstest.Options{Auth: []string{name}, Latency: 100 * time.Millisecond, Budget: ewstest.Budget{}}, func(t *testing.T, s *ewstest.Server, p *pipes) {
				s.AddServiceAccount("svc2@example.com", "second")
				o := &busyOffice{t: t, s: s, d: &diary{told: map[string]time.Time{}}, made: map[string]time.Time{}}
				file := secretFile(t, "password")
				x, stop := startRun(t, Options{
					URL: "http://localhost/EWS/Exchange.asmx", Username: "svc@example.com", PasswordFile: file, SignIn: SignIn{Scheme: scheme},
					Standby: &Login{Username: "svc2@example.com", Password: ews.NewSecret("second")}, DialContext: p.dial,
				})
				defer stop()
				o.x = x
				ctx, cancel := context.WithCancel(t.Context())
				var all sync.WaitGroup
				for i := range 6 {
					o.boxes = append(o.boxes, fmt.Sprintf("user%04d@example.com", i+1))
					if i == 3 || i > 3 {
						s.AddMailbox(o.boxes[i], o.boxes[i])
					}
					if i%2 == 1 {
						pair := o.boxes[i-1 : i+1]
						all.Go(func() {
							o.d.follow(ctx, x, []calendar.Mailbox{{ID: calendar.MailboxID(pair[0]), Address: pair[0]}, {ID: calendar.MailboxID(pair[1]), Address: pair[1]}})
						})
					}
				}
				defer all.Wait()
				defer cancel()
				time.Sleep(20 * time.Second)
				o.spend(10 * time.Second)
				o.nothingMissed("before")

				s.SetPassword("svc@example.com", "changed")
				refusedAt := time.Now()
				if scheme == ews.Basic { // with NTLM connections that are signed in go on
					_, _ = x.Changes(t.Context(), calendar.Mailbox{Address: o.boxes[0]}, "")
				} else {
					x.accounts[0].Hold(time.Now().Add(30 * time.Minute))
					_, _ = x.Changes(t.Context(), calendar.Mailbox{Address: o.boxes[0]}, "")
				}
				o.spend(40 * time.Second)
				o.nothingMissed("while they move")
				if !x.OnStandby() || s.Streams() != 3 {
					t.Errorf("on standby %v, %d streams", x.OnStandby(), s.Streams())
				}
				o.inTurn("svc2@example.com", refusedAt)
				for _, c := range s.Calls() {
					if c.Login == "svc@example.com" && c.At.After(refusedAt.Add(time.Second)) {
						t.Errorf("the refused account has sent %s", c.Op)
					}
				}
				if n := s.Refused("svc@example.com"); n > 2 || s.Lockouts() != 0 {
					t.Errorf("refused %d times, locked %d times", n, s.Lockouts())
				}

				entered := time.Now()
				setFile(t, file, "changed")
				o.spend(40 * time.Second)
				o.nothingMissed("while they move back")
				if x.OnStandby() || s.Streams() != 3 {
					t.Errorf("on standby %v, %d streams", x.OnStandby(), s.Streams())
				}
				o.inTurn("svc@example.com", entered)
				if len(x.moving) != 0 {
					t.Error("the turn to move was not given back")
				}
			})
		})
	}
}

// TestMoveWithoutStream: groups whose streams are gone, and whose account is
// refused, do not wait for each other.
func TestMoveWithoutStream(t *testing.T) {
	t.Parallel()
	onFakeTime(t, ewstest.Options{Latency: 100 * time.Millisecond}, func(t *testing.T, s *ewstest.Server, p *pipes) {
		s.AddServiceAccount("svc2@example.com", "second")
		d := &diary{told: map[string]time.Time{}}
		x, stop := startRun(t, Options{
			URL: "http://localhost/EWS/Exchange.asmx", Username: "svc@example.com", Password: ews.NewSecret("password"),
			Standby: &Login{Username: "svc2@example.com", Password: ews.NewSecret("second")}, DialContext: p.dial,
		})
		defer stop()
		x.moving <- struct{}{} // somebody moves, and does not come to an end
		ctx, cancel := context.WithCancel(t.Context())
		var all sync.WaitGroup
		for i := range 3 {
			a := fmt.Sprintf("user%04d@example.com", i+1)
			all.Go(func() { d.follow(ctx, x, []calendar.Mailbox{{ID: calendar.MailboxID(a), Address: a}}) })
		}
		defer all.Wait()
		defer cancel()
		time.Sleep(20 * time.Second)
		s.SetPassword("svc@example.com", "changed")
		p.setDown(true)
		p.setDown(false)
		time.Sleep(20 * time.Second)
		if s.Streams() != 3 || !x.OnStandby() {
			t.Errorf("%d streams, on standby %v, %v", s.Streams(), x.OnStandby(), d.faults)
		}
		<-x.moving
	})
}

// TestGoBackNeedsProof: a server that cannot be reached does not bring the first
// account back.
func TestGoBackNeedsProof(t *testing.T) {
	t.Parallel()
	onFakeTime(t, ewstest.Options{}, func(t *testing.T, s *ewstest.Server, p *pipes) {
		s.AddServiceAccount("svc2@example.com", "second")
		x, err := New(Options{
			URL: "http://localhost/EWS/Exchange.asmx", Username: "svc@example.com", Password: ews.NewSecret("password"),
			Standby: &Login{Username: "svc2@example.com", Password: ews.NewSecret("second")}, DialContext: p.dial,
		})
		if err != nil {
			t.Fatal(err)
		}
		defer func() { x.ews().Close() }()
		x.accounts[0].Hold(time.Now().Add(time.Hour))
		x.failOver(t.Context())
		if !x.OnStandby() {
			t.Fatal("the refused account is used")
		}
		x.accounts[0].TryNow()
		p.setDown(true)
		if x.goBack(t.Context()); !x.OnStandby() {
			t.Error("the first account is used again, and nobody knows whether it is let in")
		}
		p.setDown(false)
		x.opt.Scheduler.TryNow()
		if x.goBack(t.Context()); x.OnStandby() {
			t.Error("the first account is let in and not used")
		}
	})
}
