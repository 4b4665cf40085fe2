package mailbox

import (
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/koyomi-cal/koyomi/internal/calendar"
	"github.com/koyomi-cal/koyomi/internal/detect"
	"github.com/koyomi-cal/koyomi/internal/render"
)

// joinedFor is how long join details are good for: a service keeps a meeting
// that nobody wrote down for a day.
const joinedFor = time.Hour

// consider decides on a freshly read item and takes the next step towards the
// write: ask for join details, wait until the item is quiet, or write.
func (s *turn) consider(id string, t *tracked, it *calendar.Item, found *detect.Result) {
	if t.Intent != nil && !s.resolve(t, it) {
		return
	}
	t.Due = time.Time{}
	v := s.decide(t, it, found)
	if v.do == nothing {
		s.settled(t, it, v.reason)
		return
	}
	due := s.due(t, v)
	if v.wish != "" && (t.join == nil || t.wish != v.wish || s.now.Sub(t.joined) >= joinedFor) {
		if w := t.Waiting; w != nil && w.Wish == wishHash(v.wish) && s.now.Before(w.Until) {
			t.Due = w.Until // the service asked for patience, whatever happens to the item
			return
		}
		s.ask(id, t, it, v, due)
		return
	}
	if s.now.Before(due) {
		t.Due = due
		s.trace(t, map[bool]Reason{true: Draft, false: Settling}[v.draft])
		return
	}
	s.write(id, t, it, v)
}

// settled ends the road of a change: nothing is to be written.
func (s *turn) settled(t *tracked, it *calendar.Item, why Reason) {
	t.join, t.wish, t.item, t.Waiting = nil, "", nil, nil
	if why == Done {
		why = s.afterwards(t, it)
	}
	s.trace(t, why)
}

// afterwards looks at a decorated item: was the invitation ever sent, and did
// the update arrive?
func (s *turn) afterwards(t *tracked, it *calendar.Item) Reason {
	if t.Reason == NotConfirmed || t.Reason == AnswerLost {
		if t.CopyBlock {
			return Confirmed
		}
		return NotConfirmed
	}
	if len(it.Attendees) == 0 || !readMark(it.Marker).silent || s.sent(t, it) {
		t.SilentAt = time.Time{}
		return Done
	}
	if t.SilentAt.IsZero() {
		t.SilentAt = s.now
	}
	if seen := t.SilentAt.Add(seenAfter); s.now.Before(seen) {
		t.Due = seen
		return Done
	}
	return NotSeen
}

// due says when the item may be written: after it was quiet for a while, and
// not before the server or the service allowed.
func (s *turn) due(t *tracked, v verdict) time.Time {
	quiet := s.r.settle()
	if v.draft {
		quiet = s.r.draftSettle()
	}
	due := t.LastEvent.Add(quiet)
	if t.Retry.After(due) {
		due = t.Retry
	}
	return due
}

// ask asks the meeting service while the item settles.
func (s *turn) ask(id string, t *tracked, it *calendar.Item, v verdict, due time.Time) {
	t.Due = due
	if t.joining == v.wish {
		return
	}
	t.joining, t.item = v.wish, it
	if t.Waiting == nil || t.Waiting.Wish != wishHash(v.wish) {
		t.Waiting = nil
		s.trace(t, WaitingJoin)
	}
	s.emit(Join{
		ID: id, Wish: v.wish, Hash: wishHash(v.wish), Service: v.service, Action: v.act,
		Key: it.Key(), People: people(it), Times: timesOf(it),
	})
}

// people are the addresses of all who meet.
func people(it *calendar.Item) []string {
	all := []string{it.Organizer.Address}
	for _, a := range it.Attendees {
		if a.Role != calendar.Resource && a.Address != "" {
			all = append(all, a.Address)
		}
	}
	return all
}

// resolve looks at an item whose last write got no answer. It reports whether
// the matter is closed.
func (s *turn) resolve(t *tracked, it *calendar.Item) bool {
	in := t.Intent
	if stamp(it.Marker) == in.Stamp {
		t.Intent, t.Due, t.Reason = nil, time.Time{}, in.Do
		if in.Notify == calendar.NotifyAll {
			t.Reason = AnswerLost // afterwards() tells confirmed from not confirmed
		}
		s.counted(t)
		return true
	}
	grace := graceKeys
	if s.r.WeakChangeKeys {
		grace = graceWeak
	}
	if wait := in.At.Add(grace); s.now.Before(wait) {
		t.Due = wait
		return false
	}
	t.Intent = nil // not saved, so not mailed: decided anew under a fresh change key
	return true
}

// write emits the one write, with its intent put down first.
func (s *turn) write(id string, t *tracked, it *calendar.Item, v verdict) {
	if s.tooMany(t) {
		s.trace(t, TooManyWrites)
		return
	}
	patch, err := s.patch(t, it, v)
	if err != nil {
		s.trace(t, RenderRefused)
		return
	}
	s.holdBoth(t, it, v)
	t.Intent = &intent{At: s.now, Stamp: stamp(*patch.Marker), Notify: patch.Notify, Do: v.reason, Drafted: v.draft}
	t.writing = true
	w := Write{Patch: patch}
	if patch.Notify == calendar.NotifyAll {
		w.Recipients = len(it.Attendees)
	}
	s.emit(w)
}

// patch makes the write that a verdict asks for.
func (s *turn) patch(t *tracked, it *calendar.Item, v verdict) (calendar.Patch, error) {
	p := calendar.Patch{ID: it.ID, ChangeKey: it.ChangeKey, Notify: v.notify}
	body, err := it.Body, error(nil)
	o := s.r.Render.For(it.Culture, s.r.outsiders(it))
	switch v.do {
	case insert:
		body, err = render.Insert(it.Body, *t.join, o)
		if added, end := render.Addition(it.Body, *t.join, o); end && it.Body.Native == calendar.BodyRTF && it.Body.Type == calendar.BodyHTML {
			p.Addition = &added
		}
	case replace:
		body, err = render.Replace(it.Body, it.Marker.Join, *t.join, o)
	case remove:
		body, err = render.Remove(it.Body, it.Marker.Join)
	}
	if err != nil {
		return p, err
	}
	if v.do != unmark {
		p.Body = &body
	}
	var m calendar.Marker
	switch v.do {
	case insert, replace:
		m = newMarker(it.Key(), v.wish, t.join, v.notify)
		p.SIP = t.join.SIP
	case resend:
		m = it.Marker
		m.Version = strings.Replace(m.Version, "silent", "mailed", 1)
	}
	p.Marker = &m
	return p, nil
}

func (s *turn) written(ev Written) {
	t := s.items[ev.ID]
	if t == nil {
		return
	}
	t.writing = false
	if in := t.Intent; in != nil {
		s.trace(t, in.Do)
		if in.Drafted {
			t.SilentAt = s.now
		}
	}
	if t.Reason == Resent {
		t.CopyBare = false
	}
	t.Intent, t.Due, t.Conflicts = nil, time.Time{}, 0
	t.join, t.wish, t.item = nil, "", nil
	s.counted(t)
	id := ev.ID
	if ev.NewID != "" && ev.NewID != id {
		delete(s.items, id)
		id = ev.NewID
		s.items[id] = t
	}
	s.get(id) // the list shows the button without waiting for the event
}

func (s *turn) writeFailed(ev WriteFailed) {
	t := s.items[ev.ID]
	if t == nil {
		return
	}
	t.writing = false
	switch ev.Outcome {
	case Conflict:
		t.Intent = nil
		t.Conflicts++
		if t.Conflicts >= 2 {
			t.Due, t.join, t.item = time.Time{}, nil, nil
			s.trace(t, ConflictTwice)
			break
		}
		t.LastEvent = s.now // somebody is at work on it
		s.trace(t, ConflictOnce)
		s.get(ev.ID)
		return
	case Busy:
		t.Intent, t.Retry, t.Due = nil, ev.Until, ev.Until
		s.trace(t, ServerBusy)
	case Unclear:
		s.trace(t, AnswerLost)
		s.get(ev.ID)
		return
	case Stopped:
		t.Intent, t.Due = nil, time.Time{}
		s.trace(t, Held)
	default:
		t.Intent, t.Due = nil, time.Time{}
		s.trace(t, ServerRefused)
	}
	if t.again {
		s.get(ev.ID)
	}
}

// counted counts a write to one meeting, by calendar month.
func (s *turn) counted(t *tracked) {
	if m := month(s.now); t.Month != m {
		t.Month, t.Writes = m, 0
	}
	t.Writes++
}

func (s *turn) tooMany(t *tracked) bool {
	limit := s.r.MonthlyWrites
	if limit == 0 {
		limit = 30
	}
	return t.Month == month(s.now) && t.Writes >= limit
}

func month(now time.Time) int { return now.UTC().Year()*12 + int(now.UTC().Month()) }

// ids returns the tracked items in a fixed order, so that the same events give
// the same effects.
func (s *turn) ids() []string { return slices.Sorted(maps.Keys(s.items)) }
