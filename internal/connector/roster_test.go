package connector

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/koyomi-cal/koyomi/internal/calendar"
	"github.com/koyomi-cal/koyomi/internal/store"
)

// rosterDisk is the roster of a settings.db, and the statuses of a cache.db.
type rosterDisk struct {
	d *disk

	mu      sync.Mutex
	members map[string]store.Member
	notes   map[string]store.MailboxNote
	rev     int64
}

func (r *rosterDisk) PutMembers(_ context.Context, members []store.Member, entries ...store.AuditEntry) error {
	r.d.mu.Lock()
	r.d.audit = append(r.d.audit, entries...)
	r.d.mu.Unlock()
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, m := range members {
		r.members[m.Mailbox] = m
	}
	r.rev++
	return nil
}

func (r *rosterDisk) MoveMember(_ context.Context, id string, from, to store.Standing) (bool, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	m := r.members[id]
	if m.Standing != from {
		return false, nil
	}
	m.Standing = to
	r.members[id] = m
	r.rev++
	return true, nil
}

func (r *rosterDisk) Members(context.Context) ([]store.Member, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Collect(maps.Values(r.members)), nil
}

func (r *rosterDisk) RosterRev(context.Context) (int64, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.rev, nil
}

func (r *rosterDisk) History(_ context.Context, id string, _ int) (out []store.AuditEntry, _ error) {
	r.d.mu.Lock()
	defer r.d.mu.Unlock()
	for _, e := range r.d.audit {
		if e.Subject == id {
			out = append(out, e)
		}
	}
	return out, nil
}

func (r *rosterDisk) Purge(_ context.Context, id string) (store.Purged, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	_, member := r.members[id]
	delete(r.members, id)
	r.d.mu.Lock()
	defer r.d.mu.Unlock()
	_, active := r.d.activated[id]
	delete(r.d.activated, id)
	return store.Purged{Member: member, Activation: active}, nil
}

func (r *rosterDisk) PutStatuses(_ context.Context, list ...store.MailboxNote) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, n := range list {
		r.notes[n.Mailbox] = n
	}
	return nil
}

func (r *rosterDisk) Statuses(context.Context) ([]store.MailboxNote, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Collect(maps.Values(r.notes)), nil
}

func (r *rosterDisk) standing(id calendar.MailboxID) store.Standing {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.members[string(id)].Standing
}

func (r *rosterDisk) activation(id calendar.MailboxID) store.Activated {
	r.d.mu.Lock()
	defer r.d.mu.Unlock()
	return r.d.activated[string(id)]
}

// roster gives the system a roster. Only ann stands in the configuration.
func (s *system) roster() (*rosterDisk, *Roster) {
	s.t.Helper()
	d := &rosterDisk{d: s.disk, members: map[string]store.Member{}, notes: map[string]store.MailboxNote{}}
	s.opt.Roster, s.opt.Statuses = d, d
	s.opt.Mailboxes = s.opt.Mailboxes[:1]
	r, err := OpenRoster(s.t.Context(), settings{s.disk, &gate{}}, d)
	mustT(s.t, err)
	return d, r
}

func asked(address string) Mailbox {
	return Mailbox{Mailbox: calendar.Mailbox{Address: address}, Account: api22([]byte("account of " + address)[:16])}
}

func one(t *testing.T) func([]Outcome, error) Outcome {
	return func(out []Outcome, err error) Outcome {
		t.Helper()
		mustT(t, err)
		if len(out) != 1 {
			t.Fatalf("%d outcomes", len(out))
		}
		return out[0]
	}
}

// TestActivateWhileRunning shows that a running connector takes a mailbox on
// and off within seconds, and never touches one that is not activated.
func TestActivateWhileRunning(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSystem(t)
		_, r := s.roster()
		s.run()
		defer func() { s.stop() }()
		before := s.x.schedule(bob, "Before", "@meet")
		wait(time.Minute)
		if n := s.x.count("", bob, time.Time{}); n != 0 {
			t.Fatalf("%d requests for a mailbox that is not activated", n)
		}

		if o := one(t)(r.Activate(t.Context(), "test", asked(bob))); !o.Changed || o.Err != nil {
			t.Fatalf("activate: %+v", o)
		}
		wait(6 * time.Second)
		if s.c.named(bob) == nil {
			t.Fatal("not taken up")
		}
		after := s.x.schedule(bob, "After", "@meet")
		wait(time.Minute)
		if decorated(s.x.item(bob, before)) || !decorated(s.x.item(bob, after)) {
			t.Error("the baseline is not the time of the activation")
		}
		if got := s.subjects(bob); !slices.Equal(got, []string{"subject of After", "subject of Before"}) {
			t.Errorf("list is %q", got)
		}
		if o := one(t)(r.Activate(t.Context(), "test", asked(bob))); o.Changed || o.Err != nil {
			t.Errorf("activate again: %+v", o)
		}

		if o := one(t)(r.Deactivate(t.Context(), "test", asked(bob))); !o.Changed || o.Err != nil {
			t.Fatalf("deactivate: %+v", o)
		}
		wait(6 * time.Second)
		off := time.Now()
		left := s.x.schedule(bob, "Later", "@meet")
		wait(time.Hour)
		if n := s.x.count("", bob, off); n != 0 {
			t.Errorf("%d requests for a mailbox that was taken off", n)
		}
		if decorated(s.x.item(bob, left)) {
			t.Error("written after it was taken off")
		}
		if got := s.subjects(bob); len(got) != 0 {
			t.Errorf("still in the cloud: %q", got)
		}

		// It comes back: with a new baseline.
		one(t)(r.Activate(t.Context(), "test", asked(bob)))
		wait(6 * time.Second)
		again := s.x.schedule(bob, "Again", "@meet")
		wait(time.Minute)
		if decorated(s.x.item(bob, left)) || !decorated(s.x.item(bob, again)) {
			t.Error("the second activation has the first one's baseline")
		}
		if got := s.subjects(bob); len(got) != 4 {
			t.Errorf("list is %q", got)
		}
	})
}

// TestDeactivateWithoutCloud shows that a list is taken out as soon as the cloud
// is back, also by another run of the program, and purged after its time.
func TestDeactivateWithoutCloud(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSystem(t)
		d, r := s.roster()
		one(t)(r.Activate(t.Context(), "test", asked(bob)))
		s.run()
		defer func() { s.stop() }()
		s.x.schedule(bob, "Talk", "@meet")
		wait(time.Minute)
		s.cloud.mu.Lock()
		s.cloud.down = errors.New("away")
		s.cloud.mu.Unlock()
		one(t)(r.Deactivate(t.Context(), "test", asked(bob)))
		wait(time.Minute)
		id := r.ID(bob)
		if _, err := r.Purge(t.Context(), s.c.opt.Cache, "test", id, false); !errors.Is(err, ErrInCloud) {
			t.Errorf("purge: %v", err)
		}
		s.restart()
		wait(time.Minute)
		if len(s.subjects(bob)) == 0 || d.standing(id) != store.Leaving {
			t.Fatal("the test shows nothing")
		}
		s.cloud.mu.Lock()
		s.cloud.down = nil
		s.cloud.mu.Unlock()
		wait(2 * time.Minute)
		if got := s.subjects(bob); len(got) != 0 || d.standing(id) != store.Left {
			t.Errorf("still in the cloud: %q", got)
		}
		wait(29 * 24 * time.Hour)
		if d.standing(id) == "" {
			t.Error("purged too early")
		}
		wait(2 * 24 * time.Hour)
		if d.standing(id) != "" || d.activation(id).Mailbox != "" {
			t.Error("not purged after 30 days")
		}
		if rec, err := r.Purge(t.Context(), s.c.opt.Cache, "test", id, false); err != nil || !rec.Nothing() || rec.Audit < 4 {
			t.Errorf("purge again: %+v %v", rec, err)
		}
	})
}

// TestConfiguredMailboxes shows what commands can do about mailboxes that stand
// in the configuration, and what happens when they are taken out of it.
func TestConfiguredMailboxes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSystem(t)
		d, r := s.roster()
		s.run()
		wait(time.Minute)
		first := d.activation(r.ID(ann))
		for _, change := range []func(context.Context, string, ...Mailbox) ([]Outcome, error){r.Activate, r.Deactivate} {
			if o := one(t)(change(t.Context(), "test", asked(ann))); !errors.Is(o.Err, ErrConfigured) {
				t.Errorf("%+v", o)
			}
		}
		if o := one(t)(r.Deactivate(t.Context(), "test", asked(bob))); !errors.Is(o.Err, ErrNotServed) {
			t.Errorf("%+v", o)
		}
		m := asked(bob)
		m.Aliases = []string{"ANN@example.com"}
		if o := one(t)(r.Activate(t.Context(), "test", m)); !errors.Is(o.Err, ErrShared) {
			t.Errorf("%+v", o)
		}
		s.restart()
		if d.activation(r.ID(ann)) != first {
			t.Error("a restart changed the activation")
		}
		s.x.schedule(ann, "Talk", "@meet")
		wait(time.Minute)
		s.stop()
		all := s.opt.Mailboxes
		s.opt.Mailboxes = nil
		s.run()
		wait(time.Minute)
		if got := s.subjects(ann); len(got) != 0 || d.standing(r.ID(ann)) != store.Left {
			t.Errorf("list is %q", got)
		}
		s.stop()
		s.opt.Mailboxes = all
		s.run()
		wait(time.Minute)
		if again := d.activation(r.ID(ann)); !again.Baseline.After(first.Baseline) {
			t.Error("no new baseline after it came back")
		}
		s.stop()
	})
}

// TestRosterBeforeThereWasOne shows that a mailbox of the configuration keeps its
// baseline when the first version with a roster starts.
func TestRosterBeforeThereWasOne(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSystem(t, ann)
		s.run()
		wait(time.Minute)
		s.stop()
		wait(time.Hour)
		first := maps.Clone(s.disk.activated)
		s.roster()
		s.run()
		wait(time.Minute)
		s.stop()
		if !maps.EqualFunc(first, s.disk.activated, func(a, b store.Activated) bool { return a.Baseline.Equal(b.Baseline) }) || len(first) == 0 {
			t.Error("the baseline moved")
		}
	})
}

// TestNoted shows that statuses can be read from beside the connector, and hold
// no address.
func TestNoted(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSystem(t)
		d, r := s.roster()
		s.x.set(func() {
			s.x.boxes[bob].gone = true
		})
		one(t)(r.Activate(t.Context(), "test", asked(bob)))
		s.run()
		defer func() { s.stop() }()
		wait(time.Minute)
		notes, err := Noted(t.Context(), d)
		mustT(t, err)
		if time.Since(notes.At) > 2*time.Minute {
			t.Error("it does not show that the connector runs")
		}
		if m := notes.Mailboxes[r.ID(ann)]; m.State != StateActivated || m.Baseline.IsZero() || time.Since(m.Seen) > 2*time.Minute {
			t.Errorf("%+v", m)
		}
		if m := notes.Mailboxes[r.ID(bob)]; m.State != StateError || m.Step != calendar.StepImpersonate || m.Cause == "" {
			t.Errorf("%+v", m)
		}
		for _, m := range d.members {
			for _, a := range []string{ann, bob} {
				if text := string(m.Details); text == "" || strings.Contains(text, a) {
					t.Error("an address in clear")
				}
			}
		}
	})
}
