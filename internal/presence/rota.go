package presence

import (
	"container/heap"
	"time"

	"github.com/koyomi-cal/koyomi/internal/calendar"
)

const (
	watchedEvery = time.Minute      // people whom somebody is looking at
	othersEvery  = 15 * time.Minute // all others
	share        = 0.1              // of the server's requests that looks may take
	othersShare  = 0.1              // of the looks that others keep, however many are watched
)

// Rota says whose automatic replies are looked at next. It keeps no clock: the
// caller says what time it is. It is not safe for concurrent use.
type Rota struct {
	rate    float64 // looks a second, all together
	people  map[calendar.MailboxID]*person
	watched queue
	others  queue
	next    time.Time // no look before this: the pace of all together
}

type person struct {
	id     calendar.MailboxID
	looked time.Time // zero: never
	until  time.Time // watched until then
	in     *queue
	place  int
}

// NewRota returns an empty rota for a server that gives us so many requests a
// second.
func NewRota(requests float64) *Rota {
	r := &Rota{people: map[calendar.MailboxID]*person{}}
	r.Budget(requests)
	return r
}

// Budget changes how many requests a second the server gives us, for everything
// together; looks take a tenth. Zero or less stops all looks.
func (r *Rota) Budget(requests float64) { r.rate = max(requests, 0) * share }

// Add takes somebody in. Whoever was never looked at is due at once.
func (r *Rota) Add(id calendar.MailboxID) {
	if r.people[id] != nil {
		return
	}
	p := &person{id: id}
	r.people[id] = p
	r.put(p, &r.others)
}

// Remove takes somebody out.
func (r *Rota) Remove(id calendar.MailboxID) {
	if p := r.people[id]; p != nil {
		heap.Remove(p.in, p.place)
		delete(r.people, id)
	}
}

// Watch says that somebody looks at this person until the given time, which
// brings the next look forward. It does nothing for people who are not in.
func (r *Rota) Watch(id calendar.MailboxID, until time.Time) {
	p := r.people[id]
	if p == nil || !until.After(p.until) {
		return
	}
	p.until = until
	if p.in != &r.watched {
		r.put(p, &r.watched)
	}
}

// Intervals returns how often people are looked at, those who are watched and
// all others, at the budget there is: what a status page shows. Zero means
// never.
func (r *Rota) Intervals() (watched, others time.Duration) {
	w, o := float64(len(r.watched)), float64(len(r.others))
	if r.rate == 0 {
		return 0, 0
	}
	forWatched := w / watchedEvery.Seconds()
	forOthers := o / othersEvery.Seconds()
	if forWatched+forOthers <= r.rate {
		return watchedEvery, othersEvery
	}
	forOthers = min(forOthers, max(r.rate*othersShare, r.rate-forWatched))
	forWatched = min(forWatched, r.rate-forOthers)
	return stretch(w, forWatched, watchedEvery), stretch(o, forOthers, othersEvery)
}

// stretch returns how long a round over n people takes at so many looks a
// second.
func stretch(n, looks float64, least time.Duration) time.Duration {
	if n == 0 {
		return least
	}
	return max(least, time.Duration(n/looks*float64(time.Second)))
}

// Next returns whose turn it is and from when on. It reports false when nobody
// is in, or nothing may be asked.
func (r *Rota) Next(now time.Time) (id calendar.MailboxID, at time.Time, ok bool) {
	for len(r.watched) > 0 {
		p := r.expired(now)
		if p == nil {
			break
		}
		r.put(p, &r.others)
	}
	every, seldom := r.Intervals()
	if r.rate == 0 {
		return "", time.Time{}, false
	}
	var best *person
	for _, c := range []struct {
		q     queue
		every time.Duration
	}{{r.watched, every}, {r.others, seldom}} {
		if len(c.q) == 0 {
			continue
		}
		if due := c.q[0].due(c.every); best == nil || due.Before(at) {
			best, at = c.q[0], due
		}
	}
	if best == nil {
		return "", time.Time{}, false
	}
	if at.Before(r.next) {
		at = r.next
	}
	return best.id, at, true
}

// expired returns somebody at the head of the watched whom nobody watches any
// more.
func (r *Rota) expired(now time.Time) *person {
	if p := r.watched[0]; !p.until.After(now) {
		return p
	}
	return nil
}

// Looked says that a look at somebody has been taken, or was tried.
func (r *Rota) Looked(id calendar.MailboxID, now time.Time) {
	if r.rate > 0 {
		r.next = now.Add(time.Duration(float64(time.Second) / r.rate))
	}
	p := r.people[id]
	if p == nil {
		return
	}
	p.looked = now
	q := &r.others
	if p.until.After(now) {
		q = &r.watched
	}
	r.put(p, q)
}

// put places somebody in a queue, by when they were last looked at.
func (r *Rota) put(p *person, q *queue) {
	if p.in != nil {
		heap.Remove(p.in, p.place)
	}
	p.in = q
	heap.Push(q, p)
}

// due is when somebody is to be looked at again.
func (p *person) due(every time.Duration) time.Time {
	if p.looked.IsZero() {
		return time.Time{}
	}
	return p.looked.Add(every)
}

// queue is a heap of people, who waits longest first.
type queue []*person

func (q queue) Len() int { return len(q) }
func (q queue) Less(i, j int) bool {
	if q[i].looked.Equal(q[j].looked) {
		return q[i].id < q[j].id
	}
	return q[i].looked.Before(q[j].looked)
}
func (q queue) Swap(i, j int) {
	q[i], q[j] = q[j], q[i]
	q[i].place, q[j].place = i, j
}

// Push is for package heap.
func (q *queue) Push(x any) {
	p := x.(*person)
	p.place = len(*q)
	*q = append(*q, p)
}

// Pop is for package heap.
func (q *queue) Pop() any {
	old := *q
	p := old[len(old)-1]
	*q = old[:len(old)-1]
	p.in = nil
	return p
}
