package ews

import (
	"container/list"
	"time"
)

// lane is one server as the scheduler sees it.
type lane struct {
	name  string
	most  float64
	until time.Time // nothing is sent before

	limit    float64 // requests at once
	inFlight int
	lowly    int       // of them: of Load and Background
	full     time.Time // when all places were taken last
	steep    bool      // nothing has gone wrong yet: the limit doubles

	halved time.Time // answers to what was sent before say nothing new
	pace   map[string]*fastest

	lines  [priorities]list.List // of *ticket
	passed [priorities]int       // times that a line was passed over in a row

	batch int
}

// patience is how often a line may be passed over in a row.
var patience = [priorities]int{Soon: 4, Load: 8, Background: 32}

const (
	smallBatch = 10 // items in one request to begin with
	largeBatch = 25
	longWait   = 10 * time.Second // a batch that takes longer is too large
)

func newLane(name string, opt SchedulerOptions) *lane {
	return &lane{
		name: name, most: float64(opt.Most), limit: float64(opt.Start), steep: true,
		pace: map[string]*fastest{}, batch: smallBatch,
	}
}

// fits reports whether there is a place for a request of the priority. What is
// not urgent leaves a quarter of the places, and one at least, to what is.
func (l *lane) fits(p Priority) bool {
	places := int(l.limit)
	if l.inFlight >= places {
		return false
	}
	if p < Load || places < 2 {
		return true
	}
	return l.lowly < places-max(1, places/4)
}

// next returns the request that goes next, or nil.
func (l *lane) next() *ticket {
	chosen := Priority(-1)
	for p := Live; p <= Background; p++ {
		if l.lines[p].Len() == 0 || !l.fits(p) {
			continue
		}
		if chosen < 0 || l.passed[p] >= patience[p] {
			chosen = p
		}
	}
	if chosen < 0 {
		return nil
	}
	for p := Soon; p <= Background; p++ {
		switch {
		case p == chosen || l.lines[p].Len() == 0:
			l.passed[p] = 0
		case p > chosen && l.fits(p):
			l.passed[p]++
		}
	}
	return l.lines[chosen].Front().Value.(*ticket)
}

func (l *lane) take(p Priority, now time.Time) {
	if l.inFlight++; l.inFlight >= int(l.limit) {
		l.full = now
	}
	if p >= Load {
		l.lowly++
	}
}

func (l *lane) give(p Priority) {
	l.inFlight--
	if p >= Load {
		l.lowly--
	}
}

// grow takes in a good answer. More is asked at once where all places were
// taken meanwhile and the answer came as fast as it does when there is little to do.
func (l *lane) grow(t *ticket, now time.Time) {
	took := now.Sub(t.at)
	f := l.pace[t.op]
	if f == nil {
		f = &fastest{}
		l.pace[t.op] = f
	}
	flat := took <= 2*f.see(took, now)+slack
	if t.items >= l.batch && took < longWait {
		l.batch = min(l.batch+1, largeBatch)
	}
	if took >= longWait {
		l.smaller(t)
	}
	if !flat {
		l.steep = false
		return
	}
	if l.full.Before(t.at) {
		return
	}
	if l.steep {
		l.limit++
	} else {
		l.limit += 1 / l.limit
	}
	l.limit = min(l.limit, l.most)
}

// halve takes in that the server has too much to do. It returns how often the
// limit was halved: answers to requests that were sent before do not count
// again.
func (l *lane) halve(t *ticket, now time.Time) int64 {
	if t.failure.Code == "ErrorTimeoutExpired" || t.failure.Code == CodeTimeout {
		l.smaller(t)
	}
	if t.at.Before(l.halved) {
		return 0
	}
	l.limit, l.steep, l.halved = max(l.limit/2, 1), false, now
	return 1
}

// smaller halves the batches, below what they begin with if need be.
func (l *lane) smaller(t *ticket) {
	if t.items > 1 {
		l.batch = max(min(l.batch, t.items)/2, 1)
	}
}

// slack is by how much an answer may be late without meaning anything.
const slack = 20 * time.Millisecond

// fastest is the shortest time that answers to an operation took in the last
// one to two minutes.
type fastest struct {
	now, before time.Duration // in this minute and in the one before
	since       time.Time     // when this minute began
}

// see takes in a time and returns the shortest.
func (f *fastest) see(took time.Duration, at time.Time) time.Duration {
	switch age := at.Sub(f.since); {
	case age >= 2*time.Minute:
		f.now, f.before, f.since = took, took, at
	case age >= time.Minute:
		f.before, f.now, f.since = f.now, took, at
	default:
		f.now = min(f.now, took)
	}
	return min(f.now, f.before)
}
