package ewstest

import (
	"sync"
	"time"
)

// sowing makes the calendars that the server began with. A calendar takes no
// memory until somebody writes into it: whoever reads gets items made from the
// numbers of the mailbox and of the event. That is what lets a hundred thousand
// mailboxes fit.
type sowing struct {
	s      *Server
	now    time.Time // when the server was made
	events int       // in each mailbox
	boxes  []*mailbox

	mu     sync.Mutex
	recent map[*mailbox]*folder // what was made last
}

// mostRecent bounds how many calendars are kept after reading.
const mostRecent = 256

// item makes the k-th event of a mailbox, counted from zero. Every tenth event
// of a pair of neighbours is a meeting that one of them calls and the other
// attends.
func (s *sowing) item(b *mailbox, k int) *Item {
	n := int(b.user)
	other := n ^ 1
	var it *Item
	switch meets := k%10 == 3 || k%10 == 4; {
	case !meets || other >= len(s.boxes):
		it = s.s.sample(s.now, b, n, k)
		if guests := s.s.guests(s.now, n); len(guests) > 0 {
			it.State, it.RequestSent, it.Attendees = StateMeeting, true, guests
		}
	case (n%2 == 0) == (k%10 == 3):
		it = s.meeting(n, k, b)
	default:
		it = s.meeting(other, k, s.boxes[other])
		p := &post{s: s.s, now: s.now}
		created := it.Created
		it = p.copyOf(b, it)
		it.Response, it.Replied, it.Busy, it.Created = ResponseAccept, created, "Busy", created
	}
	it.num, it.cn, it.born = uint64(k)+1, uint64(k)+1, uint64(k)+1
	it.folder, it.Modified = calendarFolder, s.now
	return it
}

// meeting makes the organizer's copy of a meeting of two, long sent and
// accepted.
func (s *sowing) meeting(n, k int, b *mailbox) *Item {
	it := s.s.sample(s.now, b, n, k)
	it.State, it.RequestSent = StateMeeting, true
	it.Attendees = []Attendee{{Person: s.boxes[n^1].person(), Kind: Required, Response: ResponseAccept, Responded: it.Created}}
	if s.s.opt.Attendees > 1 {
		it.Attendees = append(it.Attendees, s.s.guests(s.now, n)[1:]...)
	}
	return it
}

// calendar makes the whole calendar of a mailbox.
func (s *sowing) calendar(b *mailbox) *folder {
	f := standardFolder(calendarFolder)
	f.items = make([]*Item, s.events)
	for k := range f.items {
		f.items[k] = s.item(b, k)
	}
	f.cn = uint64(s.events)
	return f
}

// read returns the calendar of a mailbox for reading, which may be that of an
// earlier reader.
func (s *sowing) read(b *mailbox) *folder {
	s.mu.Lock()
	defer s.mu.Unlock()
	f := s.recent[b]
	if f == nil {
		if len(s.recent) >= mostRecent {
			clear(s.recent)
		}
		f = s.calendar(b)
		s.recent[b] = f
	}
	return f
}

// forget drops what readers have got of a mailbox's calendar.
func (s *sowing) forget(b *mailbox) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.recent, b)
}

// sow gives a mailbox the calendar that the seeds make for the n-th user.
func (s *sowing) sow(b *mailbox, n int) {
	if s.events > 0 {
		b.seeds, b.user = s, int32(n)
		b.cn, b.lastItem = uint64(s.events), uint64(s.events)
	}
}
