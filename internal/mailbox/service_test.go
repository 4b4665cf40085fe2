package mailbox_test

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/koyomi-cal/koyomi/internal/calendar"
	"github.com/koyomi-cal/koyomi/internal/mailbox"
	"github.com/koyomi-cal/koyomi/internal/render"
)

// service is a meeting service whose meetings live there until they are ended,
// with the shell's memory of them. It is the oracle of behaviour.md 0.7.
type service struct {
	memory map[string]*mailbox.Hosted // what the shell remembers; survives a crash, as settings.db does
	family map[string][]string        // tags by the key of the meeting
	lives  map[string]bool            // by tag: meetings at the service
	moved  map[string]mailbox.Times   // by tag: the times that the service has
	inUse  map[string]bool            // by tag: an invitation has shown it
	gone   map[string][]time.Time     // by key: when somebody cancelled, or changed the keyword
	ends   int
}

func newService() *service {
	return &service{
		memory: map[string]*mailbox.Hosted{}, family: map[string][]string{}, lives: map[string]bool{}, moved: map[string]mailbox.Times{},
		inUse: map[string]bool{}, gone: map[string][]time.Time{},
	}
}

func (s *service) let(key string, now time.Time) { s.gone[key] = append(s.gone[key], now) }

// tagOf names the meeting that an item shows, if it is one at a service.
func tagOf(it *calendar.Item) string {
	if it.Marker.Join == "" || strings.Contains(it.Marker.Version, "personal") {
		return ""
	}
	wish, _, _ := strings.Cut(it.Marker.Hash, ".")
	return it.Marker.GOID + "|" + wish
}

func (s *service) shown(it *calendar.Item) {
	if tag := tagOf(it); tag != "" {
		s.inUse[tag] = true
	}
}

// join is the shell's road to a meeting: remember for whom, then make it.
func (s *service) join(b *box, e mailbox.Join) {
	tag := e.Key + "|" + e.Hash
	h := s.memory[tag]
	if h == nil {
		h = &mailbox.Hosted{Wish: e.Hash, Mailbox: b.rules.Mailbox.ID, Times: e.Times}
		s.memory[tag] = h
		if !slices.Contains(s.family[e.Key], tag) {
			s.family[e.Key] = append(s.family[e.Key], tag)
		}
	}
	h.Ask(b.w.now, b.rules.Entry(e.Key))
	if !s.lives[tag] {
		s.lives[tag], s.moved[tag] = true, e.Times
	}
}

func (s *service) hold(now time.Time, e mailbox.Hold) {
	for _, tag := range s.family[e.Key] {
		if h := s.memory[tag]; h != nil {
			h.Apply(now, e)
		}
	}
}

func (s *service) next() (first time.Time) {
	for _, h := range s.memory {
		if d, at := h.Next(); d != mailbox.Rest && !at.IsZero() && (first.IsZero() || at.Before(first)) {
			first = at
		}
	}
	return first
}

// attend does what is due, with failures.
func (s *service) attend(w *world) {
	for _, tag := range slices.Sorted(maps.Keys(s.memory)) {
		h := s.memory[tag]
		d, at := h.Next()
		if d == mailbox.Rest || at.After(w.now) {
			continue
		}
		if d == mailbox.Forget {
			delete(s.memory, tag)
			continue
		}
		if w.faults && w.chance(30) {
			h.Done(d, w.now.Add(5*time.Minute))
			continue
		}
		if d == mailbox.Follow {
			s.moved[tag] = h.Times
			h.Done(d, time.Time{})
			continue
		}
		s.end(w, tag)
	}
}

func (s *service) end(w *world, tag string) {
	key, _, _ := strings.Cut(tag, "|")
	w.logf("service ends %s", tag)
	for _, b := range w.boxes {
		for _, it := range b.organized() {
			if tagOf(it) == tag && !it.Cancelled && (it.Marker.GOID == it.Key() || it.RequestSent == calendar.Yes) {
				w.fail("%s: ended %s, whose link %s shows", b.addr, tag, it.ID)
			}
		}
	}
	long := slices.ContainsFunc(s.gone[key], func(let time.Time) bool { return !w.now.Before(let.Add(24 * time.Hour)) })
	if s.inUse[tag] && !long {
		w.fail("ended %s, which nobody let go of a day ago: %v", tag, s.gone[key])
	}
	s.lives[tag] = false
	delete(s.memory, tag)
	s.ends++
}

// check is what has to hold in a quiet moment: every invitation's meeting lives
// and has the calendar's times.
func (s *service) check(w *world) {
	w.t.Helper()
	for _, b := range w.boxes {
		for _, it := range b.organized() {
			tag := tagOf(it)
			if tag == "" || it.Cancelled || render.Find(it.Body, it.Marker.Join).State != render.Whole {
				continue
			}
			if !s.lives[tag] {
				w.fail("%s: the meeting %s that %s shows is not there", b.addr, tag, it.ID)
			}
			if times := s.moved[tag]; it.Marker.GOID == it.Key() && it.End.After(w.now) && !times.Start.Equal(it.Start) {
				w.fail("%s: %s has moved to %s, its meeting is at %s", b.addr, it.ID, it.Start, times.Start)
			}
		}
	}
}

// cancel is what an organizer does: the item stays as cancelled, or goes, and
// the attendees' copies show it.
func (b *box) cancel(it *calendar.Item) {
	w := b.w
	w.logf("%s cancels %s", b.addr, it.ID)
	w.service.let(it.Key(), w.now)
	it.Cancelled = true
	if it.RequestSent == calendar.Yes {
		b.deliver(it)
	}
	if w.chance(50) {
		b.touch(it)
		return
	}
	delete(b.items, it.ID)
	b.queue = append(b.queue, mailbox.Gone{ID: it.ID})
}

// copyItem makes a copy with an id of its own, as a calendar does when a meeting
// is copied or a series is split: marker and block come along.
func (b *box) copyItem(it *calendar.Item, f *fact) {
	if it.Cancelled {
		return
	}
	c := *it
	c.ID = b.w.id()
	c.UID, c.GOID = "uid-"+c.ID, "goid-"+c.ID
	c.Attendees = slices.Clone(it.Attendees)
	if b.w.chance(50) {
		c.RequestSent = calendar.No
	}
	b.w.logf("%s copies %s to %s, sent=%v", b.addr, it.ID, c.ID, c.RequestSent)
	b.facts[c.GOID] = &fact{text: f.text, changes: f.changes + 1, edited: f.edited}
	b.items[c.ID] = &c
	b.touch(&c)
}

func only(t *testing.T, s *service) (tag string) {
	t.Helper()
	for tag = range s.lives {
	}
	if len(s.lives) != 1 {
		t.Fatalf("meetings at the service: %v", s.lives)
	}
	return tag
}

// TestLifeOfAMeetingAtAService: it follows the calendar, and ends a day after a
// cancellation or removal that was seen, and for no other reason.
func TestLifeOfAMeetingAtAService(t *testing.T) {
	t.Parallel()
	far := func(it *calendar.Item) {
		it.Start, it.End = it.Start.Add(14*24*time.Hour), it.End.Add(14*24*time.Hour)
	}
	for name, tt := range map[string]struct {
		do   func(b []*box, it *calendar.Item)
		ends bool
	}{
		"nothing":   {func([]*box, *calendar.Item) {}, false},
		"cancelled": {func(b []*box, it *calendar.Item) { it.Cancelled = true; b[0].touch(it) }, true},
		"cancelled and gone, an attendee shows it": {func(b []*box, it *calendar.Item) {
			it.Cancelled = true
			b[0].deliver(it)
			delete(b[0].items, it.ID)
			b[0].queue = append(b[0].queue, mailbox.Gone{ID: it.ID})
		}, true},
		"gone, then an attendee shows it": {func(b []*box, it *calendar.Item) {
			delete(b[0].items, it.ID)
			b[0].queue = append(b[0].queue, mailbox.Gone{ID: it.ID})
			b[0].w.settle()
			it.Cancelled = true
			b[0].deliver(it)
		}, true},
		"an attendee's copy says so, the organizer's does not": {func(b []*box, it *calendar.Item) {
			c := *it
			c.Cancelled = true
			b[0].deliver(&c)
		}, false},
		"deleted": {func(b []*box, it *calendar.Item) {
			delete(b[0].items, it.ID)
			b[0].queue = append(b[0].queue, mailbox.Gone{ID: it.ID})
		}, false},
		"thrown away": {func(b []*box, it *calendar.Item) { it.InDeletedItems, it.Cancelled = true, false; b[0].touch(it) }, false},
		"mailbox silent": {func(b []*box, _ *calendar.Item) {
			b[0].items = map[string]*calendar.Item{}
			b[0].queue = append(b[0].queue, mailbox.Lost{})
		}, false},
		"cache lost": {func(b []*box, _ *calendar.Item) {
			b[0].state = mailbox.New(start)
			b[0].queue = append(b[0].queue, mailbox.Started{})
		}, false},
		"keyword removed":         {func(b []*box, it *calendar.Item) { it.Location = "Room 1"; b[0].touch(it) }, true},
		"keyword changed":         {func(b []*box, it *calendar.Item) { it.Location = "@meet:myroom"; b[0].touch(it) }, true},
		"block taken out by hand": {func(b []*box, it *calendar.Item) { it.Body.Content = "agenda\r\n"; b[0].touch(it) }, false},
		"removed and put back": {func(b []*box, it *calendar.Item) {
			it.Location = "Room 1"
			b[0].touch(it)
			b[0].w.pass(23 * time.Hour)
			it.Location = "@meet"
			b[0].touch(it)
		}, false},
		"cancelled, but a copy went out": {func(b []*box, it *calendar.Item) {
			c := *it
			c.ID, c.GOID, c.UID = b[0].w.id(), "goid-copy", "uid-copy"
			b[0].facts[c.GOID] = &fact{text: "agenda\r\n"}
			b[0].items[c.ID] = &c
			b[0].touch(&c)
			b[0].w.pass(time.Minute)
			it.Cancelled = true
			b[0].touch(it)
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, b := quiet(t, 2)
			it := b[0].meeting(func(it *calendar.Item) { far(it); invite(b[1].addr)(it) })
			w.pass(time.Minute)
			tag := only(t, w.service)
			w.service.let(it.Key(), w.now)
			tt.do(b, it)
			w.pass(23 * time.Hour)
			if !w.service.lives[tag] {
				t.Fatal("it ended within the day")
			}
			w.pass(2 * time.Hour)
			if w.service.lives[tag] == tt.ends {
				w.fail("after a day it lives: %v", w.service.lives[tag])
			}
			w.pass(5 * 24 * time.Hour)
			if w.service.lives[tag] == tt.ends {
				w.fail("after a week it lives: %v", w.service.lives[tag])
			}
			w.pass(12 * 24 * time.Hour)
			if w.service.memory[tag] != nil {
				t.Error("a meeting that is over is remembered")
			}
		})
	}
}

func TestCopyGetsItsOwnMeetingBeforeItIsSent(t *testing.T) {
	t.Parallel()
	w, b := quiet(t, 2)
	it := b[0].meeting(invite(b[1].addr))
	w.pass(time.Minute)
	c := *it
	c.ID, c.GOID, c.UID, c.RequestSent = w.id(), "goid-copy", "uid-copy", calendar.No
	b[0].facts[c.GOID] = &fact{text: "agenda\r\n", changes: 1}
	b[0].items[c.ID] = &c
	b[0].touch(&c)
	w.pass(3 * time.Minute)
	if c.Marker.GOID != "goid-copy" || len(w.service.lives) != 2 {
		t.Errorf("the copy is marked for %s, meetings %v", c.Marker.GOID, w.service.lives)
	}
}

// TestMeetingFollowsTheCalendar: also after the service refused for a while.
func TestMeetingFollowsTheCalendar(t *testing.T) {
	t.Parallel()
	w, b := quiet(t, 1)
	it := b[0].meeting(nil)
	w.pass(time.Minute)
	tag := only(t, w.service)
	it.Start, it.End = it.Start.Add(48*time.Hour), it.End.Add(48*time.Hour)
	b[0].touch(it)
	w.pass(time.Second)
	if got := w.service.moved[tag]; !got.Start.Equal(it.Start) || !got.End.Equal(it.End) {
		t.Errorf("the service has %v", got)
	}
	h := mailbox.Hosted{Wish: "w", Mailbox: "mb", Uses: map[string]time.Time{}}
	h.Apply(start, mailbox.Hold{Mailbox: "mb", Use: "u", Wishes: []string{"w"}, Own: true, Times: mailbox.Times{Start: start, End: start.Add(time.Hour)}})
	h.Done(mailbox.Follow, start.Add(10*time.Minute))
	if d, at := h.Next(); d != mailbox.Follow || !at.Equal(start.Add(10*time.Minute)) {
		t.Errorf("after a failure: %s at %v", d, at)
	}
	h.Apply(start, mailbox.Hold{Mailbox: "other", Use: "v", Wishes: []string{"w"}, Own: true, Times: mailbox.Times{Start: start.Add(9 * time.Hour)}})
	if !h.Times.Start.Equal(start) {
		t.Error("somebody else's calendar moved it")
	}
	h.Done(mailbox.Follow, time.Time{})
	if d, at := h.Next(); d != mailbox.Forget || !at.Equal(start.Add(25*time.Hour)) {
		t.Errorf("then: %s at %v", d, at)
	}
}

// TestWaitingIsNamed: what people and traces are told while a service is away.
func TestWaitingIsNamed(t *testing.T) {
	t.Parallel()
	for _, series := range []bool{false, true} {
		w, b := quiet(t, 1)
		b[0].noService = 3
		it := b[0].meeting(func(it *calendar.Item) {
			if series {
				it.Kind, it.Last, it.ChangeKey = calendar.Master, start.Add(60*24*time.Hour), "k"
			}
		})
		if series {
			o := *it
			o.Kind, o.ID, o.RecurrenceID = calendar.Occurrence, it.ID+"o", it.Start
			b[0].series = append(b[0].series, &o)
		}
		since := w.now
		w.pass(90 * time.Second)
		if len(b[0].list) != 1 {
			t.Fatalf("%d entries", len(b[0].list))
		}
		for _, m := range b[0].list {
			got := m.Head.Waiting
			if m.Head.Notice != string(mailbox.ServiceDown) || got.Service != "Example Meet" || !got.Since.Equal(since) || series != got.Retry.IsZero() || !series && !got.Retry.Equal(since.Add(2*time.Minute)) {
				w.fail("series %v: notice %q, waiting %+v", series, m.Head.Notice, got)
			}
		}
		b[0].touch(it) // no reason to ask before the time
		w.settle()
		if b[0].noService != 1 {
			t.Errorf("it was asked before the time: %d failures left", b[0].noService)
		}
		w.pass(10 * time.Minute)
		b[0].want(it, 1, 0, render.Whole)
		for _, m := range b[0].list {
			if m.Head.Notice != "" || m.Head.Waiting.Service != "" {
				t.Errorf("still waiting: %q", m.Head.Notice)
			}
		}
	}
}
