package connector

import (
	"errors"
	"fmt"
	"runtime"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/koyomi-cal/koyomi/internal/api"
	"github.com/koyomi-cal/koyomi/internal/calendar"
	"github.com/koyomi-cal/koyomi/internal/mailbox"
	"github.com/koyomi-cal/koyomi/internal/meet"
	"github.com/koyomi-cal/koyomi/internal/seal"
	"github.com/koyomi-cal/koyomi/internal/store"
)

// TestBugIsContained: a bug at one mailbox stops neither the program nor the
// others, and the mailbox comes back.
func TestBugIsContained(t *testing.T) {
	inSync(t, func(t *testing.T, s *system) {
		bug := false
		s.x.set(func() {
			s.x.lost = func(op, address string) error {
				if bug && op == "Get" && address == ann {
					panic("a bug")
				}
				return nil
			}
		})
		s.run()
		wait(time.Minute)
		s.x.set(func() { bug = true })
		id := s.x.schedule(ann, "review", "@meet")
		other := s.x.schedule(bob, "other", "@meet")
		wait(time.Minute)
		st := s.c.Status()
		if !decorated(s.x.item(bob, other)) || s.c.Metrics().Panics == 0 || len(st.Alarms) != 1 || st.Alarms[0].ID != alarmBug || st.Mailboxes[0].Cause == "" {
			t.Errorf("status: %+v", st)
		}
		s.x.set(func() { bug = false })
		wait(time.Minute)
		if !decorated(s.x.item(ann, id)) || s.c.Status().Mailboxes[0].State != StateActivated {
			t.Errorf("did not come back: %+v", s.c.Status().Mailboxes[0])
		}
	})
}

// TestManyIdleMailboxes cost their records: no goroutine, no state in memory.
func TestManyIdleMailboxes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var many []string
		for i := range 1000 {
			many = append(many, fmt.Sprintf("user%d@example.com", i))
		}
		s := newSystem(t, many...)
		s.run()
		wait(10 * time.Minute)
		if m := s.c.Metrics(); m.Activated != 1000 || m.Loaded != 0 || m.ReadyMailboxes != 0 || m.SleepingAlarms != 1000 {
			t.Errorf("metrics: %+v", m)
		}
		if n := runtime.NumGoroutine(); n > 100 {
			t.Errorf("%d goroutines", n)
		}
		id := s.x.schedule(many[777], "review", "@meet", many[3])
		wait(10 * time.Second)
		if !decorated(s.x.item(many[777], id)) || len(s.subjects(many[3])) != 1 {
			t.Error("one of them is not served")
		}
		s.stop()
	})
}

// TestFloodOfEvents: more events than a box holds become one look at the whole
// calendar.
func TestFloodOfEvents(t *testing.T) {
	inSync(t, func(t *testing.T, s *system) {
		s.rooms.slow = time.Minute
		s.run()
		wait(time.Minute)
		s.x.schedule(ann, "kept", "@meet")
		b := s.c.order[0]
		b.mu.Lock()
		for i := range maxEvents {
			b.events = append(b.events, mailbox.Changed{ID: fmt.Sprint("gone", i)})
		}
		b.mu.Unlock()
		b.post(mailbox.Changed{ID: "one more"}, mailbox.CopySeen{Key: "k"}, mailbox.Lost{})
		synctest.Wait()
		if n := s.x.count("Get", ann, time.Now()); n > 10 {
			t.Errorf("%d items were read one by one", n)
		}
		if got := s.subjects(ann); !slices.Equal(got, []string{"subject of kept"}) {
			t.Errorf("listed: %q", got)
		}
	})
}

func TestKeysBeginAnew(t *testing.T) {
	inSync(t, func(t *testing.T, s *system) {
		s.run()
		wait(time.Minute)
		s.x.schedule(ann, "review", "Room")
		s.x.schedule(ann, "other", "Room")
		wait(time.Minute)
		s.keys.mu.Lock()
		s.keys.made = map[string]seal.Resource{}
		s.keys.mu.Unlock()
		wait(vaultTime)
		s.x.schedule(ann, "third", "Room")
		wait(time.Minute)
		if got := s.subjects(ann); len(got) != 3 {
			t.Errorf("under the new keys: %q", got)
		}
		if a := s.disk.activated[string(s.c.order[0].mb.ID)]; a.Resource != s.keys.made[ann].ID {
			t.Error("the new resource is not recorded")
		}
	})
}

func TestManyAttendees(t *testing.T) {
	inSync(t, func(t *testing.T, s *system) {
		s.run()
		wait(time.Minute)
		id := s.x.schedule(ann, "assembly", "Hall")
		s.x.edit(ann, id, func(it *calendar.Item) {
			for i := range 12000 {
				it.Attendees = append(it.Attendees, calendar.Attendee{Person: calendar.Person{Name: "Somebody With A Name", Address: fmt.Sprintf("user%d@example.com", i)}})
			}
		})
		wait(time.Minute)
		if m := s.cloud.list(s.keys, ann)["subject of assembly"]; len(m.Details.Attendees) != maxNames {
			t.Errorf("%d attendees are listed", len(m.Details.Attendees))
		}
	})
}

// TestCloudRefuses: what the cloud will never have is not sent for ever.
func TestCloudRefuses(t *testing.T) {
	for _, code := range []string{api.CodeTooLarge, api.CodeNotFound, api.CodeUnauthorized} {
		t.Run(code, func(t *testing.T) {
			inSync(t, func(t *testing.T, s *system) {
				s.cloud.mu.Lock()
				s.cloud.down = &api.Error{Op: "put", Code: code, Message: "no"}
				s.cloud.mu.Unlock()
				s.run()
				wait(time.Minute)
				id := s.x.schedule(ann, "review", "@meet")
				wait(time.Hour)
				if n := s.x.count("View", ann, time.Now().Add(-50*time.Minute)); n > 12 {
					t.Errorf("the calendar was viewed %d times", n)
				}
				if !decorated(s.x.item(ann, id)) {
					t.Error("the calendar is not written")
				}
				s.cloud.mu.Lock()
				s.cloud.down = nil
				s.cloud.mu.Unlock()
				s.x.edit(ann, id, func(it *calendar.Item) { it.Subject = "again" })
				wait(15 * time.Minute)
				if got := s.subjects(ann); !slices.Equal(got, []string{"again"}) {
					t.Errorf("listed: %q", got)
				}
			})
		})
	}
}

func TestStateThatCannotBeRead(t *testing.T) {
	inSync(t, func(t *testing.T, s *system) {
		s.run()
		wait(time.Minute)
		id := s.x.schedule(ann, "review", "@meet", guest)
		wait(time.Minute)
		s.stop()
		s.disk.mu.Lock()
		for m := range s.disk.boxes {
			s.disk.boxes[m] = store.MailboxState{Core: []byte("{"), Sync: []byte("x")}
		}
		s.disk.mu.Unlock()
		s.run()
		wait(time.Minute)
		if it := s.x.item(ann, id); !decorated(it) || s.x.writes[it.GOID] != 1 || len(s.subjects(ann)) != 1 {
			t.Errorf("%d writes", s.x.writes[it.GOID])
		}
	})
}

func TestFaultsOfServices(t *testing.T) {
	t.Parallel()
	later := time.Now().Add(time.Minute)
	for _, c := range []struct {
		err   error
		why   mailbox.Reason
		until time.Time
	}{
		{errors.New("odd"), mailbox.ServiceDown, later},
		{&meet.Error{State: meet.Unavailable}, mailbox.ServiceDown, later},
		{&meet.Error{State: meet.Unavailable, RetryAt: later.Add(time.Hour)}, mailbox.ServiceDown, later.Add(time.Hour)},
		{&meet.Error{State: meet.NotOffered}, mailbox.ServiceRefused, time.Time{}},
		{&meet.Error{State: meet.BadRequest}, mailbox.ServiceRefused, time.Time{}},
	} {
		if why, until := joinFault(c.err, later); why != c.why || !until.Equal(c.until) {
			t.Errorf("%v: %s until %v", c.err, why, until)
		}
	}
}

// TestWatchSays: whatever a watch says is taken in without blocking.
func TestWatchSays(t *testing.T) {
	inSync(t, func(t *testing.T, s *system) {
		s.run()
		wait(time.Minute)
		b := s.c.order[0]
		s.c.heard(calendar.Notice{}, &calendar.Fault{Class: calendar.NoAccount, Step: calendar.StepAuthenticate, Sentence: "the password is refused"})
		s.c.heard(calendar.Notice{Mailbox: "mb-nobody"}, nil)
		if a := s.c.Status().Alarms; len(a) != 1 || a[0].Why != "the password is refused" {
			t.Errorf("alarms: %+v", a)
		}
		s.c.heard(calendar.Notice{Mailbox: b.mb.ID}, &calendar.Fault{Class: calendar.NoAccount, Step: calendar.StepAuthenticate, Sentence: "the password is refused"})
		if m := s.c.Status().Mailboxes[0]; m.State != StateError || m.Step != calendar.StepAuthenticate {
			t.Errorf("status: %+v", m)
		}
		before := time.Now()
		s.c.heard(calendar.Notice{Mailbox: b.mb.ID, Change: calendar.Change{Kind: calendar.Resync}}, nil)
		wait(time.Second)
		if s.x.count("View", ann, before) != 1 || s.c.Status().Mailboxes[0].State != StateActivated || len(s.c.Status().Alarms) != 0 {
			t.Errorf("after a lost event: %+v", s.c.Status())
		}
	})
}
