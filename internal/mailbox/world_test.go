package mailbox_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/koyomi-cal/koyomi/internal/calendar"
	"github.com/koyomi-cal/koyomi/internal/detect"
	"github.com/koyomi-cal/koyomi/internal/mailbox"
	"github.com/koyomi-cal/koyomi/internal/render"
)

// world is a small model of an Exchange organization with Koyomi beside it:
// mailboxes with items, people who edit them, and a shell that carries effects
// out with every fault a network and a restart can bring. It knows nothing of
// package mailbox but its events and effects.
type world struct {
	t     *testing.T
	rng   *rand.Rand
	now   time.Time
	boxes []*box
	next  int

	service *service // of meetings that live there

	faults  bool
	weak    bool // change keys are ignored by the server
	log     []string
	writes  int
	crashes int
}

// box is one mailbox, with the actor that serves it.
type box struct {
	w     *world
	addr  string
	rules *mailbox.Rules
	state *mailbox.State
	disk  []byte // state as last saved
	queue []mailbox.Event
	items map[string]*calendar.Item
	facts map[string]*fact // by meeting key, for organized meetings
	list  map[string]calendar.Meeting
	busy  time.Time

	series    []*calendar.Item // occurrences that a view shows beside items
	organizes []string         // items that are this mailbox's own although they do not say so
	fault     func(*calendar.Item) mailbox.Outcome
	lose      string // what the next write loses: request, mail or answer
	tries     int
	noService int // how often the meeting service still fails
}

// fact is what really happened to one meeting, for the oracle.
type fact struct {
	text    string // what the organizer wrote
	changes int    // how often the keyword was added, changed or removed
	mails   int    // updates that the connector mailed
	edited  bool   // the organizer deleted the block
	lost    bool   // saved without being mailed
}

var start = time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC)

func newWorld(t *testing.T, seed uint64, boxes int) *world {
	w := &world{t: t, service: newService(), rng: rand.New(rand.NewPCG(seed, 7)), now: start, faults: true}
	for i := range boxes {
		addr := fmt.Sprintf("p%d@example.com", i)
		b := &box{w: w, addr: addr, items: map[string]*calendar.Item{}, facts: map[string]*fact{}, list: map[string]calendar.Meeting{}}
		b.rules = &mailbox.Rules{
			Mailbox: calendar.Mailbox{ID: calendar.MailboxID(fmt.Sprint("mb-", i)), Address: addr},
			Detect:  detect.New(&detect.Rules{JitsiHosts: []string{"meet.example.org"}}),
			Render:  render.Options{Locale: "en", Service: "Example Meet"},
			Entry:   func(key string) string { return fmt.Sprintf("%s#%s", addr, key) },
		}
		b.state = mailbox.New(start)
		b.save()
		b.queue = append(b.queue, mailbox.Started{})
		w.boxes = append(w.boxes, b)
	}
	return w
}

func (w *world) logf(format string, args ...any) {
	w.log = append(w.log, w.now.Format("15:04:05 ")+fmt.Sprintf(format, args...))
}

func (w *world) fail(format string, args ...any) {
	w.t.Helper()
	w.t.Fatalf("%s\n%s", fmt.Sprintf(format, args...), strings.Join(w.log[max(0, len(w.log)-400):], "\n"))
}

func (w *world) chance(percent int) bool { return w.rng.IntN(100) < percent }

func (w *world) id() string { w.next++; return fmt.Sprintf("AAMk%06d", w.next) }

func (b *box) save() {
	d, err := b.state.MarshalBinary()
	if err != nil {
		b.w.fail("save: %v", err)
	}
	b.disk = d
}

// touch is what the server does when an item is saved, and tells the stream.
func (b *box) touch(it *calendar.Item) {
	b.w.logf("%s saved %s %s", b.addr, it.ID, it.GOID)
	it.Modified = b.w.now
	b.w.next++
	it.ChangeKey = fmt.Sprint("ck", b.w.next)
	if b.w.faults && b.w.chance(5) {
		b.queue = append(b.queue, mailbox.Lost{}) // the event was missed, the gap was noticed
		return
	}
	b.queue = append(b.queue, mailbox.Changed{ID: it.ID})
	if b.w.chance(30) {
		b.queue = append(b.queue, mailbox.Changed{ID: it.ID})
	}
}

// deliver puts the organizer's copy into the calendars of served attendees.
func (b *box) deliver(it *calendar.Item) {
	for _, a := range it.Attendees {
		o := b.w.box(a.Address)
		if o == nil || o == b {
			continue
		}
		var c *calendar.Item
		for _, x := range o.sorted() {
			if x.GOID == it.GOID {
				c = x
			}
		}
		if c == nil {
			c = &calendar.Item{ID: b.w.id(), IsOrganizer: calendar.No, Received: calendar.Yes, MyResponse: calendar.NoResponse}
			o.items[c.ID] = c
		}
		mine := *c
		*c = *it
		c.ID, c.IsOrganizer, c.Received, c.MyResponse, c.Marker = mine.ID, mine.IsOrganizer, mine.Received, mine.MyResponse, calendar.Marker{}
		o.touch(c)
	}
}

func (w *world) box(addr string) *box {
	for _, b := range w.boxes {
		if b.addr == addr {
			return b
		}
	}
	return nil
}

// person does one thing that people do to their calendars.
func (w *world) person() {
	b := w.boxes[w.rng.IntN(len(w.boxes))]
	own := b.organized()
	if len(own) == 0 || w.chance(25) {
		b.create()
		return
	}
	it := own[w.rng.IntN(len(own))]
	f := b.facts[it.GOID]
	switch w.rng.IntN(11) {
	case 0, 1:
		it.Subject = fmt.Sprint("subject ", w.rng.IntN(1000))
	case 2:
		it.Start, it.End = it.Start.Add(time.Hour), it.End.Add(time.Hour)
	case 3:
		b.keyword(it, f)
		return
	case 4: // takes the block out by hand
		if it.Marker.Join == "" || render.Find(it.Body, it.Marker.Join).State != render.Whole {
			return
		}
		body, err := render.Remove(it.Body, it.Marker.Join)
		if err != nil {
			w.fail("remove: %v", err)
		}
		it.Body, f.edited = body, true
	case 5:
		if it.RequestSent != calendar.Yes && len(it.Attendees) > 0 {
			it.RequestSent = calendar.Yes
		}
	case 6:
		delete(b.items, it.ID)
		b.queue = append(b.queue, mailbox.Gone{ID: it.ID})
		w.logf("%s deletes %s", b.addr, it.ID)
		return
	case 7: // drags it to another folder and back: a new id
		delete(b.items, it.ID)
		old := it.ID
		it.ID = w.id()
		b.items[it.ID] = it
		b.touch(it)
		b.queue = append(b.queue, mailbox.Gone{ID: old})
		w.logf("%s moves %s to %s", b.addr, old, it.ID)
		return
	case 8:
		b.decline()
		return
	case 9:
		b.cancel(it)
		return
	case 10:
		b.copyItem(it, f)
		return
	}
	w.logf("%s edits %s", b.addr, it.ID)
	b.touch(it)
	if it.RequestSent == calendar.Yes && len(it.Attendees) > 0 {
		b.deliver(it)
	}
}

func (b *box) organized() []*calendar.Item {
	var own []*calendar.Item
	for _, it := range b.sorted() {
		if it.IsOrganizer == calendar.Yes {
			own = append(own, it)
		}
	}
	return own
}

// sorted returns the items in a fixed order: a seed replays exactly.
func (b *box) sorted() []*calendar.Item {
	return slices.SortedFunc(maps.Values(b.items), func(x, y *calendar.Item) int { return strings.Compare(x.ID, y.ID) })
}

func (b *box) create() {
	w := b.w
	id := w.id()
	begin := w.now.Add(time.Duration(1+w.rng.IntN(200)) * time.Hour)
	it := &calendar.Item{
		ID: id, Kind: calendar.Single, ItemClass: "IPM.Appointment", UID: "uid-" + id, GOID: "goid-" + id,
		Subject: "meeting", Location: "Room 1", Start: begin, End: begin.Add(time.Hour),
		Organizer: calendar.Person{Address: b.addr}, IsOrganizer: calendar.Yes, IsMeeting: calendar.No, Received: calendar.No,
		RequestSent: calendar.No, MyResponse: calendar.Organiser,
		Body: calendar.Body{Type: calendar.BodyText, Native: calendar.BodyText, Content: "agenda of " + id + "\r\n", Whole: true},
	}
	if w.chance(50) {
		it.Body = calendar.Body{Type: calendar.BodyHTML, Native: calendar.BodyHTML, Whole: true,
			Content: "<html><body><p>agenda of " + id + "</p></body></html>"}
	}
	f := &fact{text: it.Body.Content}
	b.facts[it.GOID] = f
	if w.chance(70) {
		it.Location = "Room 1; @meet"
		f.changes++
	}
	if w.chance(60) {
		for _, o := range w.boxes {
			if o != b && w.chance(50) {
				it.Attendees = append(it.Attendees, calendar.Attendee{Person: calendar.Person{Address: o.addr}, Role: calendar.Required})
			}
		}
		it.Attendees = append(it.Attendees, calendar.Attendee{Person: calendar.Person{Address: "stranger@example.net"}})
		it.IsMeeting = calendar.Yes
		if w.chance(75) {
			it.RequestSent = calendar.Yes
		}
	}
	b.items[id] = it
	w.logf("%s creates %s kw=%v attendees=%d sent=%v", b.addr, id, strings.Contains(it.Location, "@"), len(it.Attendees), it.RequestSent)
	b.touch(it)
	if it.RequestSent == calendar.Yes || len(it.Attendees) > 0 && w.chance(30) { // or a phone mailed it by itself
		b.deliver(it)
	}
}

// keyword adds, changes or removes the keyword.
func (b *box) keyword(it *calendar.Item, f *fact) {
	old := it.Location
	switch b.w.rng.IntN(3) {
	case 0:
		it.Location = "Room 1"
	case 1:
		it.Location = "Room 1; @meet"
	case 2:
		it.Location = "@meet:myroom"
	}
	if it.Location == old {
		return
	}
	f.changes++
	b.w.service.let(it.Key(), b.w.now)
	b.w.logf("%s sets location of %s to %q", b.addr, it.ID, it.Location)
	b.touch(it)
}

func (b *box) decline() {
	for _, it := range b.sorted() {
		if it.IsOrganizer == calendar.No && b.w.chance(50) {
			it.MyResponse = calendar.Declined
			b.touch(it)
			return
		}
	}
}
