package mailbox

import (
	"time"

	"github.com/koyomi-cal/koyomi/internal/calendar"
	"github.com/koyomi-cal/koyomi/internal/render"
)

const (
	viewEvery = 24 * time.Hour   // the horizon slides: series reach into it without any change
	seenAfter = 10 * time.Minute // when a draft's invitation counts as not seen
	graceKeys = 10 * time.Second // after a lost answer, where change keys are enforced
	graceWeak = 2 * time.Minute  // and where the server ignores them
)

// turn is one call of Step: the state at work, the rules and the effects so far.
type turn struct {
	*State
	r       *Rules
	now     time.Time
	effects []Effect
}

func (s *turn) emit(e Effect) { s.effects = append(s.effects, e) }

// Step takes in one event and returns what is to be done about it, in order.
// It never fails: what cannot be done is said in a [Trace].
func (s *State) Step(r *Rules, now time.Time, ev Event) []Effect {
	s.turns++
	t := &turn{State: s, r: r, now: now}
	switch ev := ev.(type) {
	case Started:
		t.started()
	case Changed:
		t.changed(ev.ID)
	case Gone:
		t.gone(ev.ID)
	case Lost:
		t.view()
	case Read:
		t.read(&ev.Item)
	case ReadFailed:
		t.readFailed(ev)
	case Viewed:
		t.viewedAll(ev)
	case ViewFailed:
		t.viewing, t.viewAt = false, ev.Until
	case Joined:
		t.joined(ev)
	case JoinFailed:
		t.joinFailed(ev)
	case Written:
		t.written(ev)
	case WriteFailed:
		t.writeFailed(ev)
	case CopySeen:
		t.copySeen(ev)
	case Tick:
		t.tick()
	}
	return t.effects
}

func (s *turn) started() {
	for _, id := range s.ids() {
		if s.items[id].Intent != nil {
			s.get(id)
		}
	}
	if s.viewed.IsZero() {
		s.view()
		return
	}
	s.viewAt = s.viewed.Add(viewEvery)
	s.tick()
}

func (s *turn) tick() {
	for _, id := range s.ids() {
		if w := s.items[id].wake(); !w.IsZero() && !w.After(s.now) {
			s.get(id)
		}
	}
	if !s.viewAt.IsZero() && !s.viewAt.After(s.now) {
		s.view()
	}
}

// view asks for the whole horizon, once at a time.
func (s *turn) view() {
	if s.viewing {
		s.viewAt = s.now // something more was missed while it is being viewed
		return
	}
	s.viewing, s.viewAt, s.asked = true, time.Time{}, s.turns
	s.emit(View{Window: s.r.Window(s.now)})
}

// get asks for one item, once at a time: what comes meanwhile collapses into
// one further read.
func (s *turn) get(id string) {
	t := s.track(id)
	if t.reading || t.writing {
		t.again = true
		return
	}
	t.reading, t.again = true, false
	s.emit(Get{ID: id})
}

func (s *turn) track(id string) *tracked {
	t := s.items[id]
	if t == nil {
		t = &tracked{}
		s.items[id] = t
	}
	return t
}

func (s *turn) trace(t *tracked, why Reason) {
	if t.Reason != why {
		t.Reason = why
		s.emit(Trace{Ref: t.Ref, Reason: why, Waiting: t.awaited()})
	}
}

func (s *turn) changed(id string) {
	t := s.track(id)
	t.LastEvent, t.Conflicts, t.item, t.news = s.now, 0, nil, s.turns
	s.get(id)
}

func (s *turn) gone(id string) {
	t := s.items[id]
	if t == nil {
		return
	}
	delete(s.items, id)
	s.withdraw(t.Entries)
	if t.lapsed != "" {
		s.letGo(t.lapsed)
	}
	if s.viewing || t.Series {
		s.view() // what is being viewed may still show it
	}
}

func (s *turn) read(it *calendar.Item) {
	t := s.track(it.ID)
	t.reading = false
	found := s.detect(it)
	s.meet(t, it)
	switch it.Kind {
	case calendar.Master:
		t.Series = true
		if t.news > s.asked || it.ChangeKey != t.known {
			s.view() // else the list shows it as it is: a view looks at it again, which must not ask for a view
		}
	case calendar.Occurrence, calendar.Exception:
		delete(s.items, it.ID) // its master speaks for it
		s.view()
		return
	default:
		s.listOne(t, it, found)
	}
	if t.again {
		s.get(it.ID)
		return
	}
	before := t.notice()
	s.consider(it.ID, t, it, found)
	if it.Kind == calendar.Single && t.notice() != before {
		s.listOne(t, it, found)
	}
}

// meet connects an item with its meeting: what is known of the meeting from
// other copies, and what other copies should know of this one.
func (s *turn) meet(t *tracked, it *calendar.Item) {
	key := it.Key()
	if key == "" {
		return
	}
	t.Ref = s.r.Entry(key)
	if block, ok := s.copies[t.Ref]; ok {
		delete(s.copies, t.Ref)
		t.copy(block)
	}
	if it.IsOrganizer != calendar.Yes && it.Organizer.Address != "" && !s.r.Mailbox.Owns(it.Organizer.Address) {
		s.emit(Copy{Organizer: it.Organizer.Address, Key: key, Block: render.Find(it.Body, "").State == render.Whole, Cancelled: it.Cancelled})
	}
	s.hold(t, it)
}

// copy notes what a served attendee's copy shows.
func (t *tracked) copy(block bool) {
	t.CopySeen, t.CopyBare, t.CopyBlock = true, !block, block
}

func (s *turn) copySeen(ev CopySeen) {
	ref, found := s.r.Entry(ev.Key), false
	for _, id := range s.ids() {
		t := s.items[id]
		if t.Ref != ref {
			continue
		}
		found = true
		news := !t.CopySeen || t.CopyBlock != ev.Block
		t.copy(ev.Block)
		if ev.Cancelled { // the organizer's own copy has the last word, if it is there
			t.lapsed = ev.Key
			s.get(id)
		} else if news && (!t.Due.IsZero() || t.Reason == NotConfirmed || t.Reason == NotSeen || !t.SilentAt.IsZero()) {
			s.get(id)
		}
	}
	if !found && ev.Cancelled {
		s.letGo(ev.Key)
	}
	if !found {
		if s.copies == nil || len(s.copies) >= 1000 {
			s.copies = map[string]bool{}
		}
		s.copies[ref] = ev.Block
	}
}

func (s *turn) readFailed(ev ReadFailed) {
	t := s.items[ev.ID]
	if t == nil {
		return
	}
	t.reading, t.again, t.Due = false, false, ev.Until
	s.trace(t, orReason(ev.Why, ReadLater))
}

func (s *turn) joined(ev Joined) {
	t := s.items[ev.ID]
	if t == nil || t.joining != ev.Wish {
		return
	}
	t.joining, t.wish, t.join, t.joined, t.Waiting = "", ev.Wish, &ev.Details, s.now, nil
	it := t.item
	t.item = nil
	switch {
	case t.reading:
	case it == nil || s.r.WeakChangeKeys:
		s.get(ev.ID)
	default: // its change key guards the write
		s.consider(ev.ID, t, it, s.detect(it))
	}
}

func (s *turn) joinFailed(ev JoinFailed) {
	t := s.items[ev.ID]
	if t == nil || t.joining != ev.Wish {
		return
	}
	it, first := t.item, t.Waiting == nil
	t.joining, t.item, t.Due = "", nil, ev.Until
	switch {
	case ev.Until.IsZero():
		t.Waiting = nil
	case first:
		t.Waiting = &waiting{Service: ev.Service, Wish: wishHash(ev.Wish), Since: s.now, Until: ev.Until}
	default:
		t.Waiting.Service, t.Waiting.Until = ev.Service, ev.Until
	}
	s.trace(t, orReason(ev.Why, ServiceDown))
	switch { // the organizer is told
	case it != nil && it.Kind == calendar.Single:
		s.listOne(t, it, s.detect(it))
	case t.Series && first:
		s.view()
	}
}

// awaited is the service that is waited for, as people are told.
func (t *tracked) awaited() calendar.Waiting {
	if t.Waiting == nil {
		return calendar.Waiting{}
	}
	return calendar.Waiting{Service: t.Waiting.Service, Since: t.Waiting.Since, Retry: t.Waiting.Until}
}

func orReason(r, def Reason) Reason {
	if r == "" {
		return def
	}
	return r
}

// noted remembers why nothing is to be done with an item that was seen in a
// view. The trace names it where somebody asked for something: it is all that
// tells why, after the cache was lost.
func (s *turn) noted(t *tracked, why Reason) {
	if why == NothingAsked {
		t.Reason = why
		return
	}
	s.trace(t, why)
}

// viewedAll takes in the whole horizon: lists it, and looks again at whatever
// might want a write.
func (s *turn) viewedAll(ev Viewed) {
	s.viewing, s.viewed = false, s.now
	if s.viewAt.IsZero() {
		s.viewAt = s.now.Add(viewEvery)
	}
	s.listAll(ev)
	present := map[string]bool{}
	look := func(it *calendar.Item) {
		present[it.ID] = true
		t, found := s.track(it.ID), s.detect(it)
		s.meet(t, it)
		v := s.decide(t, it, found)
		if t.LastEvent.IsZero() {
			t.LastEvent = s.now
		}
		if (v.do != nothing || t.Intent != nil) && !t.reading && t.joining == "" {
			s.get(it.ID)
		} else if v.do == nothing && t.Due.IsZero() && t.Reason == "" {
			s.noted(t, v.reason)
		}
	}
	for i := range ev.Masters {
		t := s.track(ev.Masters[i].ID)
		t.Series, t.known = true, ev.Masters[i].ChangeKey
		look(&ev.Masters[i])
	}
	for i := range ev.Entries {
		if it := &ev.Entries[i]; it.Kind == calendar.Single {
			look(it)
		}
	}
	for id, t := range s.items {
		if !present[id] && t.Due.IsZero() && t.Intent == nil && !t.reading && t.joining == "" {
			delete(s.items, id) // it left the horizon
		}
	}
}
