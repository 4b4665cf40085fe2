package connector

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/koyomi-cal/koyomi/internal/calendar"
	"github.com/koyomi-cal/koyomi/internal/detect"
	"github.com/koyomi-cal/koyomi/internal/render"
)

// gate counts what the connector does to the world. From the n-th doing on,
// everything fails: that is how a program that was killed looks from outside.
type gate struct {
	mu    sync.Mutex
	count int
	at    int  // 0: never
	done  bool // the n-th doing itself is done; only its answer is lost
	dead  bool
}

var errDead = errors.New("the program was killed")

// pass reports whether a doing may happen, and whether its answer arrives.
func (g *gate) pass() (before, after error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.dead {
		return errDead, errDead
	}
	g.count++
	if g.at > 0 && g.count >= g.at {
		g.dead = true
		if g.done {
			return nil, errDead
		}
		return errDead, errDead
	}
	return nil, nil
}

// exchange is an Exchange in memory. Unlike the connector it outlives crashes.
type exchange struct {
	mu    sync.Mutex
	boxes map[string]*account
	next  int

	fault  func(op, address string) error // before the request is carried out
	lost   func(op, address string) error // after it was
	calls  []call
	mails  map[string]int // updates mailed: "attendee goid"
	writes map[string]int // by goid
	deaf   bool           // watches tell nothing
}

type call struct {
	at          time.Time
	op, address string
}

type account struct {
	address string
	items   map[string]*calendar.Item
	log     []calendar.Change
	epoch   int // sync states of another epoch are lost
	watches []chan calendar.Notice
	id      calendar.MailboxID
	gone    bool // no such mailbox
}

func newExchange(addresses ...string) *exchange {
	x := &exchange{boxes: map[string]*account{}, mails: map[string]int{}, writes: map[string]int{}}
	for _, a := range addresses {
		x.boxes[a] = &account{address: a, items: map[string]*calendar.Item{}}
	}
	return x
}

// user is the exchange as one run of the connector sees it.
type user struct {
	*exchange
	gate *gate
}

func (x *exchange) request(op, address string) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.calls = append(x.calls, call{time.Now(), op, address})
	if b := x.boxes[address]; b == nil || b.gone {
		return &calendar.Fault{Class: calendar.NoMailbox, Step: calendar.StepImpersonate, Sentence: "there is no such mailbox"}
	}
	if x.fault != nil {
		return x.fault(op, address)
	}
	return nil
}

func (x *exchange) answer(op, address string) error {
	if x.lost != nil {
		return x.lost(op, address)
	}
	return nil
}

// do is one request of one run.
func do[T any](u user, op string, m calendar.Mailbox, fn func(b *account) (T, error)) (T, error) {
	var none T
	before, after := u.gate.pass()
	if before != nil {
		return none, before
	}
	if err := u.request(op, m.Address); err != nil {
		return none, err
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	out, err := fn(u.boxes[m.Address])
	if err == nil {
		err = errors.Join(u.answer(op, m.Address), after)
	}
	if err != nil {
		return none, err
	}
	return out, nil
}

func (u user) Bind(_ context.Context, m calendar.Mailbox) (calendar.Binding, error) {
	return do(u, "Bind", m, func(*account) (calendar.Binding, error) {
		return calendar.Binding{Now: time.Now()}, nil
	})
}

func (u user) View(_ context.Context, m calendar.Mailbox, w calendar.Window) (entries, masters []calendar.Item, err error) {
	entries, err = do(u, "View", m, func(b *account) ([]calendar.Item, error) {
		var out []calendar.Item
		for _, id := range slices.Sorted(maps.Keys(b.items)) {
			if it := b.items[id]; w.Contains(it.Start, it.End) {
				out = append(out, *it)
			}
		}
		return out, nil
	})
	return entries, nil, err
}

const pageSize = 3

func (u user) Changes(_ context.Context, m calendar.Mailbox, state string) (calendar.Changes, error) {
	return do(u, "Changes", m, func(b *account) (calendar.Changes, error) {
		epoch, from := b.epoch, 0
		if state != "" {
			if _, err := fmt.Sscanf(state, "%d/%d", &epoch, &from); err != nil || epoch != b.epoch {
				return calendar.Changes{}, &calendar.Fault{Class: calendar.StateLost, Step: calendar.StepRead, Sentence: "the sync state is lost"}
			}
		}
		to := min(from+pageSize, len(b.log))
		return calendar.Changes{Changes: slices.Clone(b.log[from:to]), State: fmt.Sprintf("%d/%d", b.epoch, to), More: to < len(b.log)}, nil
	})
}

func (u user) Get(_ context.Context, m calendar.Mailbox, id string) (calendar.Item, error) {
	return do(u, "Get", m, func(b *account) (calendar.Item, error) {
		it := b.items[id]
		if it == nil {
			return calendar.Item{}, &calendar.Fault{Class: calendar.Missing, Step: calendar.StepRead, Sentence: "the item is gone"}
		}
		return *it, nil
	})
}

func (u user) Patch(_ context.Context, m calendar.Mailbox, p calendar.Patch) (string, error) {
	out, err := do(u, "Patch", m, func(b *account) (string, error) {
		it := b.items[p.ID]
		switch {
		case it == nil:
			return "", &calendar.Fault{Class: calendar.Missing, Step: calendar.StepWrite, Sentence: "the item is gone"}
		case it.ChangeKey != p.ChangeKey:
			return "", &calendar.Fault{Class: calendar.Stale, Step: calendar.StepWrite, Sentence: "the item has changed"}
		}
		if p.Body != nil {
			it.Body = *p.Body
		}
		if p.Marker != nil {
			it.Marker = *p.Marker
		}
		u.writes[it.GOID]++
		u.saved(b, it)
		if p.Notify == calendar.NotifyAll {
			for _, a := range it.Attendees {
				u.mails[a.Address+" "+it.GOID]++
			}
			u.deliver(it)
		}
		return "", nil
	})
	if errors.Is(err, errDead) {
		return out, &calendar.Fault{Class: calendar.Uncertain, Step: calendar.StepWrite, Sentence: "the answer was lost", Cause: err}
	}
	return out, err
}

func (u user) Watch(ctx context.Context, mailboxes []calendar.Mailbox) iter.Seq2[calendar.Notice, error] {
	return func(yield func(calendar.Notice, error) bool) {
		ch := make(chan calendar.Notice, 100000)
		again := time.NewTicker(5 * time.Second)
		defer again.Stop()
		due := make([]time.Time, len(mailboxes))
		for {
			for i, m := range mailboxes {
				if time.Now().Before(due[i]) {
					continue
				}
				n, err := u.subscribe(m, ch)
				switch f := faultOf(err); {
				case err == nil:
					due[i] = time.Now().Add(1000000 * time.Hour)
				case f.Class == calendar.NoMailbox:
					due[i] = time.Now().Add(5 * time.Minute)
				}
				if !yield(n, err) {
					return
				}
			}
			select {
			case n := <-ch:
				if !yield(n, nil) {
					return
				}
			case <-again.C:
			case <-ctx.Done():
				return
			}
		}
	}
}

func (u user) subscribe(m calendar.Mailbox, ch chan calendar.Notice) (calendar.Notice, error) {
	n := calendar.Notice{Mailbox: m.ID}
	if err := u.request("Subscribe", m.Address); err != nil {
		return n, err
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	b := u.boxes[m.Address]
	b.id = m.ID
	b.watches = append(b.watches, ch)
	n.Change.Kind = calendar.Catchup
	return n, nil
}

// saved is what a server does when an item was written.
func (x *exchange) saved(b *account, it *calendar.Item) {
	x.next++
	it.ChangeKey, it.Modified = fmt.Sprint("ck", x.next), time.Now().Truncate(time.Second)
	b.items[it.ID] = it
	x.changed(b, calendar.Change{Kind: calendar.Upsert, ID: it.ID})
}

func (x *exchange) changed(b *account, ch calendar.Change) {
	b.log = append(b.log, ch)
	for _, w := range b.watches {
		if !x.deaf {
			select {
			case w <- calendar.Notice{Mailbox: b.id, Change: ch, At: time.Now()}:
			default:
			}
		}
	}
}

// deliver puts the organizer's copy into the attendees' calendars.
func (x *exchange) deliver(it *calendar.Item) {
	for _, a := range it.Attendees {
		b := x.boxes[a.Address]
		if b == nil {
			continue
		}
		c := *it
		c.ID, c.IsOrganizer, c.Received, c.MyResponse, c.Marker = "copy-"+a.Address+"-"+it.GOID, calendar.No, calendar.Yes, calendar.NoResponse, calendar.Marker{}
		x.saved(b, &c)
	}
}

// schedule has somebody make a meeting and send the invitations.
func (x *exchange) schedule(organizer, name, location string, attendees ...string) string {
	x.mu.Lock()
	defer x.mu.Unlock()
	now := time.Now().Truncate(time.Second)
	it := &calendar.Item{
		ID: "item-" + name, Kind: calendar.Single, ItemClass: "IPM.Appointment", GOID: "goid-" + name, UID: "uid-" + name,
		Subject: "subject of " + name, Location: location, Start: now.Add(3 * time.Hour), End: now.Add(4 * time.Hour), Created: now,
		Body:        calendar.Body{Type: calendar.BodyText, Native: calendar.BodyText, Content: "agenda of " + name, Whole: true},
		Organizer:   calendar.Person{Name: "Organizer", Address: organizer},
		IsOrganizer: calendar.Yes, MyResponse: calendar.Organiser, Received: calendar.No,
		IsMeeting: calendar.TriOf(len(attendees) > 0), RequestSent: calendar.TriOf(len(attendees) > 0),
	}
	for _, a := range attendees {
		it.Attendees = append(it.Attendees, calendar.Attendee{Person: calendar.Person{Address: a}, Role: calendar.Required})
	}
	x.saved(x.boxes[organizer], it)
	x.deliver(it)
	return it.ID
}

func (x *exchange) edit(address, id string, fn func(*calendar.Item)) {
	x.mu.Lock()
	defer x.mu.Unlock()
	b := x.boxes[address]
	it := *b.items[id]
	fn(&it)
	x.saved(b, &it)
}

func (x *exchange) remove(address, id string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	b := x.boxes[address]
	delete(b.items, id)
	x.changed(b, calendar.Change{Kind: calendar.Delete, ID: id})
}

func (x *exchange) item(address, id string) calendar.Item {
	x.mu.Lock()
	defer x.mu.Unlock()
	if it := x.boxes[address].items[id]; it != nil {
		return *it
	}
	return calendar.Item{}
}

func (x *exchange) set(fn func()) {
	x.mu.Lock()
	defer x.mu.Unlock()
	fn()
}

// count returns how often something was asked for since a time.
func (x *exchange) count(op, address string, since time.Time) (n int) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, c := range x.calls {
		if (op == "" || c.op == op) && (address == "" || c.address == address) && !c.at.Before(since) {
			n++
		}
	}
	return n
}

// blocks counts the join blocks in a body.
func blocks(b calendar.Body) int {
	return strings.Count(b.Content, "https://rooms.example.com/")
}

// decorated reports whether an item shows its block whole and once.
func decorated(it calendar.Item) bool {
	return it.Marker.Present() && render.Find(it.Body, it.Marker.Join).State == render.Whole
}

func testRules() (d *detect.Detector, r render.Options) {
	return detect.New(&detect.Rules{Keywords: []detect.Keyword{{Word: "@meet", Default: detect.ActionOneTime}},
		Rooms: []detect.Room{{Provider: "rooms", Prefix: "https://rooms.example.com/"}}}), render.Options{Locale: "en"}
}

func mustT(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
