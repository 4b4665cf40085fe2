package connector

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/koyomi-cal/koyomi/internal/api"
	"github.com/koyomi-cal/koyomi/internal/calendar"
	"github.com/koyomi-cal/koyomi/internal/mailbox"
	"github.com/koyomi-cal/koyomi/internal/meet"
	"github.com/koyomi-cal/koyomi/internal/ops"
	"github.com/koyomi-cal/koyomi/internal/seal"
	"github.com/koyomi-cal/koyomi/internal/store"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func api22(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

// rooms is a meeting service.
type rooms struct {
	mu    sync.Mutex
	err   error
	slow  time.Duration
	asked map[string]int
}

func (r *rooms) Name() string { return "Rooms" }

func (r *rooms) Join(ctx context.Context, q meet.Request) (calendar.JoinDetails, error) {
	r.mu.Lock()
	if r.asked == nil {
		r.asked = map[string]int{}
	}
	r.asked[q.Key]++
	err, slow := r.err, r.slow
	r.mu.Unlock()
	if slow > 0 && !pause(ctx, slow) {
		return calendar.JoinDetails{}, ctx.Err()
	}
	return calendar.JoinDetails{Service: "Rooms", JoinMethod: calendar.JoinMethod{Kind: "rooms", URL: "https://rooms.example.com/" + strings.ReplaceAll(q.Key, " ", "")}}, err
}

// system is everything around one connector. What is in it outlives crashes.
type system struct {
	t     *testing.T
	x     *exchange
	disk  *disk
	cloud *cloud
	keys  *keys
	rooms *rooms
	opt   Options

	gate *gate
	c    *Connector
	stop func()
}

const (
	ann, bob, guest = "ann@example.com", "bob@example.com", "guest@elsewhere.example"
)

func newSystem(t *testing.T, served ...string) *system {
	if len(served) == 0 {
		served = []string{ann, bob}
	}
	s := &system{t: t, x: newExchange(served...), disk: newDisk(), cloud: newCloud(t), keys: newKeys(), rooms: &rooms{}}
	d, r := testRules()
	s.opt = Options{Services: []meet.Service{s.rooms}, Rules: mailbox.Rules{Detect: d, Render: r}, Status: new(ops.Status)}
	for _, a := range served {
		s.opt.Mailboxes = append(s.opt.Mailboxes, Mailbox{Mailbox: calendar.Mailbox{Address: a}, Account: api22([]byte("account of " + a)[:16])})
	}
	return s
}

// run starts the connector and lets it settle.
func (s *system) run() {
	s.t.Helper()
	s.start(&gate{})
	synctest.Wait()
}

func (s *system) start(g *gate) {
	s.t.Helper()
	s.gate = g
	opt := s.opt
	u := user{s.x, g}
	opt.Reader, opt.Watcher, opt.Writer = u, u, u
	opt.Settings, opt.Cache = settings{s.disk, g}, cache{s.disk, g, map[string]int{}}
	opt.Cloud, opt.Keys = cloudUser{s.cloud, g}, keysUser{s.keys, g}
	c, err := New(s.t.Context(), opt)
	if err != nil {
		if errors.Is(err, errDead) {
			s.c, s.stop = nil, func() {}
			return
		}
		s.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(s.t.Context())
	done := make(chan error, 1)
	go func() { done <- c.Run(ctx) }()
	s.c = c
	s.stop = func() {
		cancel()
		if err := <-done; err != nil {
			s.t.Error(err)
		}
		s.x.set(func() {
			for _, b := range s.x.boxes {
				b.watches = nil
			}
		})
	}
}

// restart stops in order and starts again.
func (s *system) restart() {
	s.stop()
	s.run()
}

func (s *system) subjects(owner string) []string {
	return slices.Sorted(maps.Keys(s.cloud.list(s.keys, owner)))
}

// wait lets time pass until everything that comes of it is done.
func wait(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// inSync runs a test on fake time and ends the connector it leaves running.
func inSync(t *testing.T, fn func(t *testing.T, s *system)) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSystem(t)
		fn(t, s)
		if s.stop != nil {
			s.stop()
		}
	})
}

func TestKeywordBecomesOneBlock(t *testing.T) {
	inSync(t, func(t *testing.T, s *system) {
		s.run()
		wait(10 * time.Second)
		id := s.x.schedule(ann, "review", "Room 1 @meet", bob, guest)
		synctest.Wait()
		if got := s.subjects(ann); !slices.Equal(got, []string{"subject of review"}) {
			t.Errorf("listed at once: %q", got)
		}
		if s.x.item(ann, id).Marker.Present() {
			t.Error("written before the settle time was over")
		}
		wait(4 * time.Second)
		it := s.x.item(ann, id)
		if !decorated(it) || !strings.HasPrefix(it.Body.Content, "agenda of review") {
			t.Fatalf("no block: %q", it.Body.Content)
		}
		m := s.cloud.list(s.keys, ann)["subject of review"]
		if len(m.Head.Join) == 0 || m.Head.Join[0].URL != it.Marker.Join {
			t.Errorf("no button: %+v", m.Head.Join)
		}
		if m := s.cloud.list(s.keys, bob)["subject of review"]; len(m.Head.Join) == 0 {
			t.Error("the attendee has no button")
		}
		wait(30 * time.Hour)
		if w := s.x.writes["goid-review"]; w != 1 {
			t.Errorf("%d writes", w)
		}
		for _, who := range []string{bob, guest} {
			if n := s.x.mails[who+" goid-review"]; n != 1 {
				t.Errorf("%d mails", n)
			}
		}
		if got := s.c.Metrics(); got.Writes["written"] != 1 || got.Activated != 2 || got.HourWrites != 0 || got.Panics != 0 {
			t.Errorf("metrics: %+v", got)
		}
		for _, secret := range []string{"subject", "agenda", ann, "rooms.example.com", guest} {
			if strings.Contains(s.disk.text(), secret) {
				t.Errorf("%q is on the disk", secret)
			}
		}
	})
}

func TestOlderThanTheActivation(t *testing.T) {
	inSync(t, func(t *testing.T, s *system) {
		old := s.x.schedule(ann, "old", "@meet", guest)
		wait(time.Minute)
		s.run()
		wait(time.Hour)
		if s.x.item(ann, old).Marker.Present() {
			t.Error("an item older than the activation was written")
		}
		if got := s.subjects(ann); !slices.Equal(got, []string{"subject of old"}) {
			t.Errorf("listed: %q", got)
		}
		st := s.c.Status()
		if m := st.Mailboxes[0]; m.State != StateActivated || m.LastSync.IsZero() || m.Baseline.IsZero() || len(st.Alarms) != 0 {
			t.Errorf("status: %+v", st)
		}
	})
}

func TestWhatHappensWhileStopped(t *testing.T) {
	inSync(t, func(t *testing.T, s *system) {
		s.run()
		wait(time.Minute)
		gone := s.x.schedule(ann, "gone", "Room", guest)
		wait(time.Minute)
		s.stop()
		var ids []string
		for i := range 8 { // more than one page of changes
			ids = append(ids, s.x.schedule(ann, fmt.Sprint("new", i), "@meet", guest))
		}
		s.x.remove(ann, gone)
		s.run()
		wait(10 * time.Second)
		for _, id := range ids {
			if !decorated(s.x.item(ann, id)) {
				t.Errorf("%s was missed", id)
			}
		}
		if got := s.subjects(ann); len(got) != 8 {
			t.Errorf("listed: %q", got)
		}
		puts := s.cloud.puts
		s.restart()
		wait(time.Minute)
		if s.cloud.puts != puts {
			t.Errorf("%d parts were put again though nothing changed", s.cloud.puts-puts)
		}
	})
}

func TestEventsThatAreMissed(t *testing.T) {
	inSync(t, func(t *testing.T, s *system) {
		s.run()
		wait(time.Minute)
		s.x.set(func() { s.x.deaf = true })
		id := s.x.schedule(ann, "quiet", "@meet", guest)
		wait(5 * time.Hour)
		if !s.x.item(ann, id).Marker.Present() {
			// it is over by then, so it is only listed
			if got := s.subjects(ann); !slices.Equal(got, []string{"subject of quiet"}) {
				t.Errorf("the safety net missed it: %q", got)
			}
		}
	})
}

func TestSyncStateIsLost(t *testing.T) {
	inSync(t, func(t *testing.T, s *system) {
		s.run()
		wait(time.Minute)
		s.stop()
		id := s.x.schedule(ann, "between", "@meet", guest)
		s.x.set(func() { s.x.boxes[ann].epoch++ })
		s.run()
		wait(time.Minute)
		if !decorated(s.x.item(ann, id)) {
			t.Error("what changed before the lost sync state was missed")
		}
	})
}

func TestAnswersAreLost(t *testing.T) {
	for _, saved := range []bool{true, false} {
		t.Run(fmt.Sprint("saved ", saved), func(t *testing.T) {
			inSync(t, func(t *testing.T, s *system) {
				s.run()
				wait(time.Minute)
				tries := 0
				lose := func(op, address string) error {
					if op != "Patch" {
						return nil
					}
					if tries++; tries > 1 {
						return nil
					}
					return &calendar.Fault{Class: calendar.Uncertain, Step: calendar.StepWrite, Sentence: "the answer was lost"}
				}
				if saved {
					s.x.set(func() { s.x.lost = lose })
				} else {
					s.x.set(func() { s.x.fault = lose })
				}
				id := s.x.schedule(ann, "review", "@meet", guest)
				wait(time.Hour)
				if !decorated(s.x.item(ann, id)) || blocks(s.x.item(ann, id).Body) != 1 {
					t.Errorf("block: %q", s.x.item(ann, id).Body.Content)
				}
				if n := s.x.mails[guest+" goid-review"]; n != 1 {
					t.Errorf("%d mails", n)
				}
			})
		})
	}
}

func TestServerAsksToWait(t *testing.T) {
	inSync(t, func(t *testing.T, s *system) {
		s.run()
		wait(time.Minute)
		var until time.Time
		s.x.set(func() {
			s.x.fault = func(op, address string) error {
				if address != ann || op != "Patch" && time.Now().After(until) {
					return nil
				}
				if until.IsZero() {
					until = time.Now().Add(time.Minute)
				} else if time.Now().Before(until) && op == "Patch" {
					t.Errorf("%s before the time", op)
				} else if op == "Patch" {
					return nil
				}
				if op != "Patch" {
					return nil
				}
				return &calendar.Fault{Class: calendar.Wait, Step: calendar.StepWrite, Until: until, Sentence: "busy"}
			}
		})
		id := s.x.schedule(ann, "review", "@meet", guest)
		other := s.x.schedule(bob, "other", "@meet", guest)
		wait(30 * time.Second)
		if s.x.item(ann, id).Marker.Present() || !decorated(s.x.item(bob, other)) {
			t.Error("the mailbox did not wait, or the other one did")
		}
		wait(40 * time.Second)
		if !decorated(s.x.item(ann, id)) {
			t.Error("not written after the wait")
		}
		if n := s.x.mails[guest+" goid-review"]; n != 1 {
			t.Errorf("%d mails", n)
		}
	})
}

func TestMailboxThatDoesNotExist(t *testing.T) {
	inSync(t, func(t *testing.T, s *system) {
		s.x.set(func() { s.x.boxes[bob].gone = true })
		s.run()
		wait(time.Minute)
		id := s.x.schedule(ann, "review", "@meet")
		wait(10 * time.Second)
		if !decorated(s.x.item(ann, id)) {
			t.Error("the others are not served")
		}
		st := s.c.Status().Mailboxes[1]
		if st.State != StateError || st.Step != calendar.StepImpersonate || st.Cause == "" {
			t.Errorf("status: %+v", st)
		}
		if n := s.x.count("", bob, time.Time{}); n > 5 {
			t.Errorf("%d requests in a minute for a mailbox that does not exist", n)
		}
	})
}

func TestServerIsDown(t *testing.T) {
	inSync(t, func(t *testing.T, s *system) {
		down := true
		s.x.set(func() {
			s.x.fault = func(string, string) error {
				if down {
					return &calendar.Fault{Class: calendar.Wait, Step: calendar.StepConnect, Sentence: "the server refuses the connection; check that it is up"}
				}
				return nil
			}
		})
		s.run()
		wait(time.Minute)
		if a := s.c.Status().Alarms; len(a) != 1 || a[0].ID != alarmExchange || len(s.opt.Status.Unwell()) != 1 {
			t.Errorf("alarms: %+v", a)
		}
		s.x.set(func() { down = false })
		for _, b := range s.c.order {
			b.catchUp() // what a watch says once it is through
		}
		wait(31 * time.Second)
		id := s.x.schedule(ann, "review", "@meet")
		wait(10 * time.Second)
		if !decorated(s.x.item(ann, id)) || len(s.c.Status().Alarms) != 0 {
			t.Errorf("did not heal: %+v", s.c.Status())
		}
	})
}

func TestCloudIsDown(t *testing.T) {
	for _, which := range []string{"cloud", "kms", "kms at start"} {
		t.Run(which, func(t *testing.T) {
			inSync(t, func(t *testing.T, s *system) {
				if which == "kms at start" {
					s.keys.down = errors.New("the key server does not answer")
				}
				s.run()
				wait(time.Minute)
				gone := s.x.schedule(ann, "gone", "Room")
				wait(time.Minute)
				if which == "cloud" {
					s.cloud.mu.Lock()
					s.cloud.down = &api.Error{Op: "put", Code: api.CodeTransport, Message: "no answer"}
					s.cloud.mu.Unlock()
				} else {
					s.keys.mu.Lock()
					s.keys.down = errors.New("the key server does not answer")
					s.keys.mu.Unlock()
					wait(vaultTime)
				}
				id := s.x.schedule(ann, "review", "@meet", guest)
				s.x.remove(ann, gone)
				wait(time.Minute)
				if !decorated(s.x.item(ann, id)) {
					t.Error("the calendar is not written while the cloud is down")
				}
				if len(s.c.Status().Alarms) != 1 {
					t.Errorf("alarms: %+v", s.c.Status().Alarms)
				}
				wait(5 * time.Hour) // until the changes have been caught up with once more
				s.restart()         // what waits must survive it
				wait(time.Minute)
				s.cloud.mu.Lock()
				s.cloud.down = nil
				s.cloud.mu.Unlock()
				s.keys.mu.Lock()
				s.keys.down = nil
				s.keys.mu.Unlock()
				wait(6 * time.Minute)
				if got := s.subjects(ann); !slices.Equal(got, []string{"subject of review"}) {
					t.Errorf("listed: %q", got)
				}
				if m := s.cloud.list(s.keys, ann)["subject of review"]; len(m.Head.Join) == 0 {
					t.Error("no button")
				}
				if len(s.c.Status().Alarms) != 0 {
					t.Errorf("alarms: %+v", s.c.Status().Alarms)
				}
				before := s.x.count("", "", time.Now())
				wait(time.Minute)
				if n := s.x.count("", "", time.Now().Add(-time.Minute)); before != 0 || n > 4 {
					t.Errorf("%d requests in a quiet minute", n)
				}
			})
		})
	}
}

func TestCacheIsDeletedWhileRunning(t *testing.T) {
	inSync(t, func(t *testing.T, s *system) {
		s.run()
		wait(time.Minute)
		id := s.x.schedule(ann, "review", "@meet", guest)
		gone := s.x.schedule(ann, "gone", "Room", guest)
		wait(time.Minute)
		s.disk.loseCache()
		s.x.remove(ann, gone)
		next := s.x.schedule(ann, "next", "@meet", guest)
		wait(time.Minute)
		if got := s.subjects(ann); !slices.Equal(got, []string{"subject of next", "subject of review"}) {
			t.Errorf("listed: %q", got)
		}
		s.disk.loseCache()
		wait(30 * time.Hour) // an idle mailbox finds out by itself
		for _, id := range []string{id, next} {
			if it := s.x.item(ann, id); !decorated(it) || blocks(it.Body) != 1 {
				t.Errorf("block: %q", it.Body.Content)
			}
		}
		if n := s.x.mails[guest+" goid-review"]; n != 1 {
			t.Errorf("%d mails", n)
		}
		if len(s.c.Status().Alarms) != 0 {
			t.Errorf("alarms: %+v", s.c.Status().Alarms)
		}
	})
}

func TestSettingsAreLost(t *testing.T) {
	inSync(t, func(t *testing.T, s *system) {
		s.run()
		wait(time.Minute)
		s.stop()
		late := s.x.schedule(ann, "late", "@meet", guest)
		s.disk.loseSettings()
		wait(time.Minute)
		s.run()
		wait(time.Minute)
		if s.x.item(ann, late).Marker.Present() {
			t.Error("written although the new baseline is later")
		}
		id := s.x.schedule(ann, "review", "@meet", guest)
		wait(time.Minute)
		if !decorated(s.x.item(ann, id)) {
			t.Error("nothing is served any more")
		}
		if got := s.subjects(ann); !slices.Equal(got, []string{"subject of late", "subject of review"}) {
			t.Errorf("listed: %q", got)
		}
	})
}

func TestBreaker(t *testing.T) {
	inSync(t, func(t *testing.T, s *system) {
		s.opt.Writes, s.opt.Recipients = 3, 100 // and one for each mailbox
		s.run()
		wait(time.Minute)
		var ids []string
		for i := range 9 {
			ids = append(ids, s.x.schedule(ann, fmt.Sprint("m", i), "@meet", guest))
		}
		wait(10 * time.Minute)
		written := func() (n int) {
			for _, id := range ids {
				if decorated(s.x.item(ann, id)) {
					n++
				}
			}
			return n
		}
		if n := written(); n != 5 {
			t.Errorf("%d written", n)
		}
		if a := s.c.Status().Alarms; len(a) != 1 || a[0].ID != alarmBreaker {
			t.Errorf("alarms: %+v", a)
		}
		s.restart()
		wait(time.Minute)
		if a := s.c.Status().Alarms; len(a) != 1 || written() != 5 {
			t.Errorf("a restart lifted it: %+v, %d written", a, written())
		}
		mustT(t, s.c.Acknowledge(t.Context()))
		wait(10 * time.Minute)
		if n := written(); n != 9 {
			t.Errorf("%d written after acknowledging", n)
		}
		if len(s.c.Status().Alarms) != 0 {
			t.Errorf("alarms: %+v", s.c.Status().Alarms)
		}
	})
}

func TestMeetingServices(t *testing.T) {
	t.Run("slow and failing", func(t *testing.T) {
		inSync(t, func(t *testing.T, s *system) {
			s.rooms.slow = time.Hour
			s.run()
			wait(time.Minute)
			id := s.x.schedule(ann, "review", "@meet", guest)
			plain := s.x.schedule(ann, "plain", "Room")
			wait(time.Second)
			if got := s.subjects(ann); len(got) != 2 {
				t.Errorf("a slow service holds the list up: %q", got)
			}
			wait(time.Minute)
			s.rooms.mu.Lock()
			s.rooms.slow = 0
			s.rooms.mu.Unlock()
			wait(2 * time.Minute)
			if !decorated(s.x.item(ann, id)) || s.x.item(ann, plain).Marker.Present() {
				t.Error("not written after the service came back")
			}
		})
	})
	t.Run("not configured", func(t *testing.T) {
		inSync(t, func(t *testing.T, s *system) {
			s.opt.Services = nil
			s.run()
			wait(time.Minute)
			id := s.x.schedule(ann, "review", "@meet", guest)
			wait(time.Hour)
			if s.x.item(ann, id).Marker.Present() {
				t.Error("written without a service")
			}
			lines, err := s.c.Trace(t.Context(), s.c.order[0].mb.ID, time.Time{})
			if err != nil || !slices.ContainsFunc(lines, func(l TraceLine) bool { return l.Reason == mailbox.ServiceUnknown && l.Meeting != "" }) {
				t.Errorf("trace: %v %v", lines, err)
			}
		})
	})
}

func TestCloudKnowsLaterRevisions(t *testing.T) {
	inSync(t, func(t *testing.T, s *system) {
		s.run()
		wait(time.Minute)
		id := s.x.schedule(ann, "review", "Room")
		wait(time.Second)
		s.cloud.mu.Lock()
		for _, r := range s.cloud.resources {
			for k, e := range r.parts {
				e.Rev += 1 << 40
				r.parts[k] = e
			}
		}
		s.cloud.mu.Unlock()
		s.x.edit(ann, id, func(it *calendar.Item) { it.Subject = "another" })
		wait(time.Second)
		if got := s.subjects(ann); !slices.Equal(got, []string{"another"}) {
			t.Errorf("listed: %q", got)
		}
		s.x.remove(ann, id)
		wait(time.Second)
		if got := s.subjects(ann); len(got) != 0 {
			t.Errorf("listed: %q", got)
		}
	})
}

func TestCloudBeginsAnew(t *testing.T) {
	inSync(t, func(t *testing.T, s *system) {
		s.run()
		wait(time.Minute)
		s.x.schedule(ann, "review", "@meet", guest)
		s.x.schedule(ann, "plain", "Room", guest)
		wait(time.Minute)
		lose := func() {
			s.cloud.mu.Lock()
			s.cloud.resources = map[string]*resource{}
			s.cloud.mu.Unlock()
		}
		lose()
		s.x.schedule(ann, "third", "Room", guest)
		wait(time.Minute)
		if got := s.subjects(ann); len(got) != 3 {
			t.Errorf("after a change: %q", got)
		}
		lose()
		wait(25 * time.Hour) // nothing changes; the daily view finds out
		if got := s.subjects(ann); len(got) != 3 {
			t.Errorf("without a change: %q", got)
		}
		s.keys.mu.Lock()
		s.keys.made = map[string]seal.Resource{}
		s.keys.mu.Unlock()
	})
}

func TestDiskIsFull(t *testing.T) {
	inSync(t, func(t *testing.T, s *system) {
		s.run()
		wait(time.Minute)
		s.disk.mu.Lock()
		s.disk.full = store.ErrFull
		s.disk.mu.Unlock()
		id := s.x.schedule(ann, "review", "@meet", guest)
		wait(time.Minute)
		if s.x.item(ann, id).Marker.Present() {
			t.Error("written without the intent on the disk")
		}
		if a := s.c.Status().Alarms; len(a) != 1 || a[0].ID != alarmStore || !strings.Contains(a[0].Why, "disk is full") {
			t.Errorf("alarms: %+v", a)
		}
		s.disk.mu.Lock()
		s.disk.full = nil
		s.disk.mu.Unlock()
		wait(time.Minute)
		if !decorated(s.x.item(ann, id)) || len(s.c.Status().Alarms) != 0 {
			t.Errorf("did not heal: %+v", s.c.Status())
		}
	})
}

func TestStatesLeaveTheMemory(t *testing.T) {
	inSync(t, func(t *testing.T, s *system) {
		s.run()
		wait(time.Minute)
		id := s.x.schedule(ann, "review", "@meet", guest)
		wait(time.Minute)
		if n := s.c.Metrics().Loaded; n == 0 {
			t.Error("nothing is loaded although something has just happened")
		}
		wait(10 * time.Minute)
		if n := s.c.Metrics().Loaded; n != 0 {
			t.Errorf("%d states are still in memory", n)
		}
		s.x.edit(ann, id, func(it *calendar.Item) { it.Location = "Room 2" })
		wait(10 * time.Second)
		if it := s.x.item(ann, id); it.Marker.Present() || blocks(it.Body) != 0 {
			t.Errorf("the keyword went and the block stayed: %q", it.Body.Content)
		}
	})
}

func TestStopLetsWorkEnd(t *testing.T) {
	inSync(t, func(t *testing.T, s *system) {
		s.rooms.slow = 5 * time.Second
		s.run()
		wait(time.Minute)
		s.x.schedule(ann, "review", "@meet", guest)
		wait(time.Second)
		began := time.Now()
		s.stop()
		if took := time.Since(began); took > 10*time.Second {
			t.Errorf("stopping took %v", took)
		}
		s.rooms.slow = 0
		s.run()
		wait(time.Minute)
		if w := s.x.writes["goid-review"]; w != 1 {
			t.Errorf("%d writes", w)
		}
	})
}

func TestMissingOptions(t *testing.T) {
	t.Parallel()
	if _, err := New(t.Context(), Options{}); err == nil || os.IsNotExist(err) {
		t.Error("made from nothing")
	}
	synctest.Test(t, func(t *testing.T) {
		s := newSystem(t)
		s.opt.Mailboxes = append(s.opt.Mailboxes, Mailbox{Mailbox: calendar.Mailbox{Address: "x@example.com", Aliases: []string{"Ann@Example.com"}}})
		g := &gate{}
		opt := s.opt
		u := user{s.x, g}
		opt.Reader, opt.Watcher, opt.Writer = u, u, u
		opt.Settings, opt.Cache = settings{s.disk, g}, cache{s.disk, g, map[string]int{}}
		opt.Cloud, opt.Keys = cloudUser{s.cloud, g}, keysUser{s.keys, g}
		if _, err := New(t.Context(), opt); err == nil || strings.Contains(err.Error(), "@") {
			t.Errorf("an address that two mailboxes have: %v", err)
		}
	})
}
