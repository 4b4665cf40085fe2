package connector

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/koyomi-cal/koyomi/internal/calendar"
	"github.com/koyomi-cal/koyomi/internal/mailbox"
)

// aDay is what people do in the crash tests: some of it before the crash, some
// while the program is down, some after.
func (s *system) aDay() {
	s.x.schedule(ann, "one", "@meet", bob, guest)
	draft := s.x.schedule(ann, "draft", "Room")
	wait(2 * time.Second)
	s.x.edit(ann, draft, func(it *calendar.Item) { it.Location = "@meet" })
	gone := s.x.schedule(bob, "gone", "@meet", ann)
	wait(5 * time.Second)
	s.x.remove(bob, gone)
	s.x.remove(ann, "copy-"+ann+"-goid-gone")
	s.x.schedule(bob, "two", "@meet", ann, guest)
	wait(time.Minute)
}

// afterwards holds the world against what must be, whatever happened.
func (s *system) afterwards(t *testing.T, what string) {
	t.Helper()
	for _, m := range []struct{ address, name string }{{ann, "one"}, {ann, "draft"}, {bob, "two"}} {
		it := s.x.item(m.address, "item-"+m.name)
		if !decorated(it) || blocks(it.Body) != 1 {
			t.Errorf("%s: %s has %d blocks", what, m.name, blocks(it.Body))
		}
	}
	for who, n := range s.x.mails {
		if n > 1 {
			t.Errorf("%s: %d updates for %s", what, n, who)
		}
	}
	for owner, want := range map[string][]string{
		ann: {"subject of draft", "subject of one", "subject of two"}, bob: {"subject of one", "subject of two"},
	} {
		got := s.subjects(owner)
		if !slices.Equal(got, want) {
			t.Errorf("%s: %s's list is %q", what, owner, got)
		}
		for subject, m := range s.cloud.list(s.keys, owner) {
			if len(m.Head.Join) == 0 {
				t.Errorf("%s: %s has no button for %q", what, owner, subject)
			}
		}
	}
}

// TestKilledBetweenAnyTwoDoings kills the program at each thing that it does to
// the world, before or after the thing is done, and starts it again.
func TestKilledBetweenAnyTwoDoings(t *testing.T) {
	t.Parallel()
	total := 0
	synctest.Test(t, func(t *testing.T) {
		s := newSystem(t)
		s.run()
		s.aDay()
		s.stop()
		total = s.gate.count
		s.run()
		wait(10 * time.Minute)
		s.afterwards(t, "without a crash")
		s.stop()
	})
	if total < 80 {
		t.Fatalf("only %d doings: the story is too thin", total)
	}
	step := 1
	if testing.Short() {
		step = 7
	}
	for at := 1; at <= total; at += step {
		done := at%2 == 0
		what := fmt.Sprintf("killed at %d of %d, done %v", at, total, done)
		synctest.Test(t, func(t *testing.T) {
			s := newSystem(t)
			s.start(&gate{})
			wait(time.Second) // activated: what comes is not older than the baseline
			s.stop()
			s.start(&gate{at: at, done: done})
			synctest.Wait()
			s.aDay()
			s.stop()
			if !s.gate.dead {
				return
			}
			wait(time.Second)
			s.run()
			wait(10 * time.Minute)
			s.afterwards(t, what)
			s.stop()
		})
	}
}

// TestKilledWhileActivating kills the program during its first start: the
// baseline stands wherever it got to, and nothing older is written.
func TestKilledWhileActivating(t *testing.T) {
	t.Parallel()
	for at := 1; at <= 60; at++ {
		synctest.Test(t, func(t *testing.T) {
			s := newSystem(t)
			old := s.x.schedule(ann, "old", "@meet", bob)
			wait(time.Minute)
			s.start(&gate{at: at, done: at%2 == 0})
			wait(time.Minute)
			s.stop()
			s.run()
			wait(time.Minute)
			id := s.x.schedule(ann, "new", "@meet", bob)
			wait(time.Minute)
			if s.x.item(ann, old).Marker.Present() || !decorated(s.x.item(ann, id)) {
				t.Errorf("killed at %d: the old one was written, or the new one was not", at)
			}
			if got := s.subjects(ann); len(got) != 2 {
				t.Errorf("killed at %d: listed %q", at, got)
			}
			s.stop()
		})
	}
}

// TestKilledByTheWrite kills the program when a write is saved and mailed and
// its answer is on the way: the meeting is not written again, and the trace
// says what is known of the mails.
func TestKilledByTheWrite(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		attendee string
		want     mailbox.Reason
	}{{guest, mailbox.NotConfirmed}, {bob, mailbox.Confirmed}} {
		synctest.Test(t, func(t *testing.T) {
			s := newSystem(t)
			s.run()
			wait(time.Minute)
			s.x.set(func() {
				s.x.lost = func(op, _ string) error {
					if op != "Patch" {
						return nil
					}
					s.gate.mu.Lock()
					defer s.gate.mu.Unlock()
					s.gate.dead = true
					return errDead
				}
			})
			id := s.x.schedule(ann, "review", "@meet", c.attendee)
			wait(time.Minute)
			s.stop()
			s.x.set(func() { s.x.lost = nil })
			s.run()
			wait(10 * time.Minute)
			if !decorated(s.x.item(ann, id)) || s.x.writes["goid-review"] != 1 {
				t.Errorf("%d writes", s.x.writes["goid-review"])
			}
			lines, err := s.c.Trace(t.Context(), s.c.order[0].mb.ID, time.Time{})
			mustT(t, err)
			if !slices.ContainsFunc(lines, func(l TraceLine) bool { return l.Reason == c.want }) {
				t.Errorf("the trace does not say %q: %v", c.want, lines)
			}
			s.stop()
		})
	}
}

// TestKilledWhileRebuilding kills the program at each thing that it does after
// its cache was lost: the reasons for what was and was not written are in the
// trace again afterwards.
func TestKilledWhileRebuilding(t *testing.T) {
	t.Parallel()
	for at := 1; at <= 40; at++ {
		synctest.Test(t, func(t *testing.T) {
			s := newSystem(t)
			s.run()
			wait(time.Minute)
			s.x.schedule(ann, "review", "@meet", bob)
			wait(time.Minute)
			s.stop()
			s.disk.loseCache()
			s.start(&gate{at: at, done: at%2 == 0})
			wait(time.Minute)
			s.stop()
			s.run()
			wait(10 * time.Minute)
			for i, want := range []mailbox.Reason{mailbox.Done, mailbox.NotOrganizer} {
				lines, err := s.c.Trace(t.Context(), s.c.order[i].mb.ID, time.Time{})
				mustT(t, err)
				if !slices.ContainsFunc(lines, func(l TraceLine) bool { return l.Reason == want }) {
					t.Errorf("killed at %d: the trace does not say %q: %v", at, want, lines)
				}
			}
			s.stop()
		})
	}
}
