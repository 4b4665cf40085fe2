package connector

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/koyomi-cal/koyomi/internal/calendar"
	"github.com/koyomi-cal/koyomi/internal/mailbox"
	"github.com/koyomi-cal/koyomi/internal/meet"
	"github.com/koyomi-cal/koyomi/internal/store"
)

// shelf is a store.Meetings in memory, which outlives crashes.
type shelf struct {
	mu   sync.Mutex
	rows map[string]store.Meeting
}

func (s *shelf) Meeting(_ context.Context, tag string) (store.Meeting, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	m, has := s.rows[tag]
	if !has {
		return m, store.ErrNotFound
	}
	return m, nil
}

func (s *shelf) UpdateMeeting(_ context.Context, tag string, change func(*store.Meeting) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	m := s.rows[tag]
	m.Tag = tag
	err := change(&m)
	if err == nil {
		s.rows[tag] = m
	}
	return err
}

func (s *shelf) DeleteMeeting(_ context.Context, tag string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.rows, tag)
	return nil
}

func (s *shelf) pick(fit func(store.Meeting) bool) (all []store.Meeting, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, tag := range slices.Sorted(maps.Keys(s.rows)) {
		if fit(s.rows[tag]) {
			all = append(all, s.rows[tag])
		}
	}
	return all, nil
}

func (s *shelf) MeetingsOf(_ context.Context, family string) ([]store.Meeting, error) {
	return s.pick(func(m store.Meeting) bool { return m.Family == family })
}

func (s *shelf) MeetingsDue(_ context.Context, now time.Time, _ int) ([]store.Meeting, error) {
	return s.pick(func(m store.Meeting) bool { return !m.Due.IsZero() && !m.Due.After(now) })
}

// host is a meeting service in memory.
type host struct {
	mu     sync.Mutex
	starts map[string]time.Time // by tag
	made   int
	err    error
}

func (h *host) do(f func()) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.err == nil {
		f()
	}
	return h.err
}

func (h *host) fail(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.err = err
}

func (h *host) live() map[string]time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	return maps.Clone(h.starts)
}

func (h *host) Name() string { return "Host" }

func (h *host) Create(_ context.Context, r meet.Request) (meet.Made, error) {
	err := h.do(func() { h.starts[r.Tag] = r.Start; h.made++ })
	return h.details(r.Tag), err
}

func (h *host) details(tag string) meet.Made {
	return meet.Made{ID: tag, Details: calendar.JoinDetails{Service: "Host", JoinMethod: calendar.JoinMethod{Kind: "rooms", URL: "https://rooms.example.com/" + tag}}}
}

func (h *host) Find(_ context.Context, r meet.Request, _ string) (meet.Made, error) {
	has := false
	if err := h.do(func() { _, has = h.starts[r.Tag] }); err != nil {
		return meet.Made{}, err
	}
	if !has {
		return meet.Made{}, &meet.Error{State: meet.Missing}
	}
	return h.details(r.Tag), nil
}

func (h *host) Update(_ context.Context, r meet.Request, _ string) error {
	return h.do(func() { h.starts[r.Tag] = r.Start })
}

func (h *host) End(_ context.Context, r meet.Request, _ string) error {
	return h.do(func() { delete(h.starts, r.Tag) })
}

func withHost(s *system) (*host, *shelf) {
	h, db := &host{starts: map[string]time.Time{}}, &shelf{rows: map[string]store.Meeting{}}
	s.opt.Meetings = db
	s.opt.Services = []meet.Service{meet.NewKeeper(h, Ledger{Meetings: db, Settings: settings{s.disk, &gate{}}}, meet.Limits{Overall: 100})}
	return h, db
}

// TestMeetingsAtAServiceFollowTheCalendar, through restarts and a lost cache.
func TestMeetingsAtAServiceFollowTheCalendar(t *testing.T) {
	inSync(t, func(t *testing.T, s *system) {
		h, db := withHost(s)
		s.run()
		wait(time.Minute)
		id := s.x.schedule(ann, "review", "@meet", guest)
		s.x.edit(ann, id, func(it *calendar.Item) { it.Start, it.End = it.Start.Add(72*time.Hour), it.End.Add(72*time.Hour) })
		wait(time.Minute)
		if !decorated(s.x.item(ann, id)) || len(h.live()) != 1 {
			t.Fatalf("meetings %v", h.live())
		}
		for tag, m := range db.rows {
			all := tag + m.Family + string(m.Held) + string(m.Entry)
			for _, private := range []string{"review", "example.com", s.x.item(ann, id).GOID} {
				if strings.Contains(all, private) {
					t.Errorf("settings.db holds %q in %s", private, all)
				}
			}
		}
		h.fail(&meet.Error{State: meet.Unavailable, RetryAt: time.Now().Add(10 * time.Minute), Message: "is away"})
		var start time.Time
		s.x.edit(ann, id, func(it *calendar.Item) {
			it.Start, it.End = it.Start.Add(24*time.Hour), it.End.Add(24*time.Hour)
			start = it.Start
		})
		wait(time.Minute)
		if a := s.c.Status().Alarms; len(a) != 1 || a[0].ID != alarmServices || !strings.Contains(a[0].Why, "Host") {
			t.Errorf("alarms %+v", a)
		}
		h.fail(nil)
		s.restart()
		wait(12 * time.Minute)
		for _, at := range h.live() {
			if !at.Equal(start) {
				t.Errorf("the service has %v, the calendar %v", at, start)
			}
		}
		if a := s.c.Status().Alarms; len(a) != 0 {
			t.Errorf("alarms %+v", a)
		}
		s.disk.loseCache()
		s.restart()
		wait(time.Hour)
		s.x.edit(ann, id, func(it *calendar.Item) { it.Cancelled = true })
		wait(23 * time.Hour)
		if len(h.live()) != 1 {
			t.Error("it ended within the day")
		}
		s.restart()
		wait(2 * time.Hour)
		if len(h.live()) != 0 || len(db.rows) != 0 || h.made != 1 {
			t.Errorf("meetings %v, remembered %d, made %d", h.live(), len(db.rows), h.made)
		}
	})
}

func TestQuotaIsNamed(t *testing.T) {
	inSync(t, func(t *testing.T, s *system) {
		h, db := withHost(s)
		s.run()
		wait(time.Minute)
		retry := time.Now().Add(10 * time.Minute)
		h.fail(&meet.Error{Service: "Host", State: meet.Quota, RetryAt: retry, Message: "is full"})
		id := s.x.schedule(ann, "review", "@meet", guest)
		wait(9 * time.Minute)
		if s.x.item(ann, id).Marker.Present() {
			t.Error("half an invitation was written")
		}
		lines, err := s.c.Trace(t.Context(), s.c.order[0].mb.ID, time.Time{})
		if err != nil || !slices.ContainsFunc(lines, func(l TraceLine) bool {
			return l.Reason == mailbox.ServiceQuota && l.Waiting.Service == "Host" && l.Waiting.Retry.Equal(retry) && l.Waiting.Since.Before(retry)
		}) {
			t.Errorf("trace %+v, %v", lines, err)
		}
		if n := s.c.Status().Mailboxes[0].Waiting[mailbox.ServiceQuota]; n != 1 {
			t.Errorf("status %+v", s.c.Status().Mailboxes[0])
		}
		h.fail(nil)
		wait(2 * time.Minute)
		if !decorated(s.x.item(ann, id)) || h.made != 1 || len(db.rows) != 1 {
			t.Errorf("made %d, remembered %d", h.made, len(db.rows))
		}
	})
}

func TestLedger(t *testing.T) {
	t.Parallel()
	db := &shelf{rows: map[string]store.Meeting{}}
	l := Ledger{Meetings: db, Settings: settings{newDisk(), &gate{}}}
	if e, err := l.Entry(t.Context(), "t"); err != nil || e != (meet.Entry{}) {
		t.Errorf("%+v, %v", e, err)
	}
	if counts, err := l.Calls(t.Context(), "Host"); err != nil || counts != nil {
		t.Errorf("%q, %v", counts, err)
	}
	want := meet.Entry{ID: "i", Shape: "s"}
	err := errors.Join(l.PutEntry(t.Context(), "t", want), l.PutCalls(t.Context(), "Host", []byte("[]")))
	got, err2 := l.Entry(t.Context(), "t")
	counts, err3 := l.Calls(t.Context(), "Host")
	if err := errors.Join(err, err2, err3); err != nil || got != want || string(counts) != "[]" {
		t.Errorf("%+v, %q, %v", got, counts, err)
	}
	if _, err := New(t.Context(), Options{}); err == nil {
		t.Error("made of nothing")
	}
}
