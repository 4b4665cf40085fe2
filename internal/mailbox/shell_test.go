package mailbox_test

import (
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/koyomi-cal/koyomi/internal/calendar"
	"github.com/koyomi-cal/koyomi/internal/mailbox"
	"github.com/koyomi-cal/koyomi/internal/render"
)

// run hands queued events to the core and carries its effects out, until
// nothing is queued.
func (b *box) run() {
	for len(b.queue) > 0 {
		ev := b.queue[0]
		b.queue = b.queue[1:]
		b.step(ev)
	}
}

func (b *box) step(ev mailbox.Event) {
	b.w.logf("%s step %T", b.addr, ev)
	effects := b.state.Step(b.rules, b.w.now, ev)
	for _, e := range effects {
		if b.w.faults && b.w.rng.IntN(200) == 0 {
			b.crash()
			return
		}
		if b.w.faults && b.w.rng.IntN(50) == 0 {
			b.w.person() // people do not wait until we are done
		}
		if _, ok := e.(mailbox.Write); ok {
			b.save()
		}
		b.carry(e)
	}
	b.save()
}

// crash forgets everything in memory. What was queued is found again by the
// catch-up, or the cache is gone too and the horizon is viewed.
func (b *box) crash() {
	b.w.crashes++
	b.w.logf("%s CRASH", b.addr)
	queued := b.queue
	b.queue = []mailbox.Event{mailbox.Started{}}
	if b.w.chance(30) {
		b.state = mailbox.New(start)
		b.list = map[string]calendar.Meeting{}
		b.save()
	} else {
		s := mailbox.New(start)
		if err := s.UnmarshalBinary(b.disk); err != nil {
			b.w.fail("load: %v", err)
		}
		b.state = s
	}
	for _, ev := range queued {
		switch ev.(type) {
		case mailbox.Changed, mailbox.Gone, mailbox.Lost:
			b.queue = append(b.queue, ev)
		}
	}
	b.queue = append(b.queue, mailbox.Lost{}) // the change in hand was not recorded as processed
}

func (b *box) carry(e mailbox.Effect) {
	w := b.w
	if w.now.Before(b.busy) {
		switch e.(type) {
		case mailbox.Get, mailbox.View, mailbox.Write:
			// the shell of a real connector holds the request back itself
			switch e := e.(type) {
			case mailbox.Get:
				b.queue = append(b.queue, mailbox.ReadFailed{ID: e.ID, Until: b.busy})
			case mailbox.View:
				b.queue = append(b.queue, mailbox.ViewFailed{Until: b.busy})
			case mailbox.Write:
				b.queue = append(b.queue, mailbox.WriteFailed{ID: e.Patch.ID, Outcome: mailbox.Busy, Until: b.busy})
			}
			return
		}
	}
	switch e := e.(type) {
	case mailbox.Get:
		if it := b.items[e.ID]; it != nil {
			b.queue = append(b.queue, mailbox.Read{Item: *it})
		} else {
			b.queue = append(b.queue, mailbox.Gone{ID: e.ID})
		}
	case mailbox.View:
		v := mailbox.Viewed{Window: e.Window}
		for _, it := range b.sorted() {
			switch {
			case it.Kind == calendar.Master:
				v.Masters = append(v.Masters, *it)
			case e.Window.Contains(it.Start, it.End):
				v.Entries = append(v.Entries, *it)
			}
		}
		for _, o := range b.series {
			if e.Window.Contains(o.Start, o.End) {
				v.Entries = append(v.Entries, *o)
			}
		}
		b.queue = append(b.queue, v)
	case mailbox.Publish:
		b.list[e.Entry] = e.Meeting
	case mailbox.Withdraw:
		delete(b.list, e.Entry)
	case mailbox.Keep:
		keep := map[string]bool{}
		for _, k := range e.Entries {
			keep[k] = true
		}
		for k := range b.list {
			if !keep[k] {
				delete(b.list, k)
			}
		}
	case mailbox.Join:
		if b.noService > 0 || w.faults && w.chance(5) {
			b.noService--
			b.queue = append(b.queue, mailbox.JoinFailed{ID: e.ID, Wish: e.Wish, Until: w.now.Add(time.Minute), Service: "Example Meet"})
			return
		}
		d := calendar.JoinDetails{Service: "Example Meet"}
		d.URL = "https://meet.example.org/" + e.Key
		if e.Action != "myroom" {
			w.service.join(b, e)
		}
		if e.Action == "myroom" {
			d.URL, d.Personal = "https://meet.example.org/room-"+strings.Split(b.addr, "@")[0], true
		}
		b.queue = append(b.queue, mailbox.Joined{ID: e.ID, Wish: e.Wish, Details: d})
	case mailbox.Hold:
		w.service.hold(w.now, e)
	case mailbox.Copy:
		if o := w.box(e.Organizer); o != nil {
			o.queue = append(o.queue, mailbox.CopySeen{Key: e.Key, Block: e.Block, Cancelled: e.Cancelled})
		}
	case mailbox.Write:
		b.write(e)
	case mailbox.Trace:
		if e.Waiting.Service != "" {
			w.logf("%s waits for %s since %s, retry %s", b.addr, e.Waiting.Service, e.Waiting.Since.Format("15:04"), e.Waiting.Retry.Format("15:04"))
		}
		w.logf("%s trace %s %s", b.addr, e.Ref, e.Reason)
	}
}

// write is the server's side of the one write, with the faults it can have.
func (b *box) write(e mailbox.Write) {
	w, p := b.w, e.Patch
	fail := func(o mailbox.Outcome, until time.Time) {
		b.queue = append(b.queue, mailbox.WriteFailed{ID: p.ID, Outcome: o, Until: until})
	}
	it := b.items[p.ID]
	if it == nil {
		fail(mailbox.Refused, time.Time{})
		return
	}
	b.tries++
	if it.IsOrganizer != calendar.Yes && !slices.Contains(b.organizes, it.ID) {
		w.fail("wrote an attendee's copy")
	}
	f := b.facts[it.GOID]
	lose := b.lose
	b.lose = ""
	if b.fault != nil {
		if o := b.fault(it); o != "" {
			fail(o, time.Time{})
			return
		}
	}
	if lose == "request" {
		fail(mailbox.Unclear, time.Time{})
		return
	}
	if w.faults {
		switch n := w.rng.IntN(100); {
		case n < 5: // somebody edits between our read and our write
			it.Subject += "!"
			b.touch(it)
		case n < 10:
			b.busy = w.now.Add(time.Duration(1+w.rng.IntN(300)) * time.Second)
			fail(mailbox.Busy, b.busy)
			w.logf("%s busy until %s", b.addr, b.busy.Format("15:04:05"))
			return
		case n < 13: // never arrived
			fail(mailbox.Unclear, time.Time{})
			return
		}
	}
	if it.ChangeKey != p.ChangeKey && !w.weak {
		fail(mailbox.Conflict, time.Time{})
		return
	}
	if it.Modified.Before(start) {
		w.fail("wrote an item older than the baseline")
	}
	if p.Body != nil {
		it.Body = *p.Body
	}
	if p.Marker != nil {
		it.Marker = *p.Marker
	}
	w.service.shown(it)
	w.writes++
	w.logf("%s WRITE %s notify=%s marker=%q", b.addr, p.ID, p.Notify, it.Marker.Version)
	b.touch(it)
	mailed := p.Notify == calendar.NotifyAll
	if mailed && (lose == "mail" || w.faults && w.chance(5)) {
		f.lost = true // saved but not mailed
		fail(mailbox.Unclear, time.Time{})
		w.logf("saved but not mailed")
		return
	}
	if mailed {
		f.mails++
		b.deliver(it)
	}
	if lose == "answer" || w.faults && w.chance(5) {
		w.logf("answer lost")
		fail(mailbox.Unclear, time.Time{})
		return
	}
	b.queue = append(b.queue, mailbox.Written{ID: p.ID})
}

// pass lets time go by, waking each mailbox when it asks for it.
func (w *world) pass(d time.Duration) {
	end := w.now.Add(d)
	for {
		w.settle()
		next := end
		for _, b := range w.boxes {
			if n := b.state.NextWake(); !n.IsZero() && n.Before(next) {
				next = n
			}
		}
		if n := w.service.next(); !n.IsZero() && n.Before(next) {
			next = n
		}
		if next.After(w.now) {
			w.now = next
		}
		w.service.attend(w)
		if !w.now.Before(end) {
			w.settle()
			return
		}
		for _, b := range w.boxes {
			if n := b.state.NextWake(); !n.IsZero() && !n.After(w.now) {
				b.queue = append(b.queue, mailbox.Tick{})
			}
		}
	}
}

func (w *world) settle() {
	for steps := 0; ; steps++ {
		idle := true
		for _, b := range w.boxes {
			if len(b.queue) > 0 {
				idle = false
				b.run()
			}
		}
		if idle {
			return
		}
		if steps > 10000 {
			w.fail("events never end")
		}
	}
}

// check is the oracle of a quiet moment.
func (w *world) check() {
	w.t.Helper()
	w.checkLists()
	for _, b := range w.boxes {
		for _, it := range b.organized() {
			b.checkItem(it)
		}
	}
}

// checkLists compares what each person can see with what lies in the calendar.
func (w *world) checkLists() {
	w.t.Helper()
	for _, b := range w.boxes {
		want := map[string]bool{}
		for _, it := range b.items {
			win := b.rules.Window(w.now)
			if it.MyResponse != calendar.Declined && win.Contains(it.Start, it.End) {
				want[b.rules.Entry(it.Key())] = true
			}
		}
		for _, k := range slices.Sorted(maps.Keys(b.list)) {
			if !want[k] && b.list[k].Head.End.After(w.now.Add(-6*24*time.Hour)) {
				w.fail("%s lists %s, which its calendar does not", b.addr, k)
			}
		}
		for _, it := range b.sorted() {
			m, ok := b.list[b.rules.Entry(it.Key())]
			switch {
			case !want[b.rules.Entry(it.Key())]:
			case !ok:
				w.fail("%s does not list %s", b.addr, it.ID)
			case m.Head.Subject != it.Subject || m.Head.Location != it.Location || !m.Head.Start.Equal(it.Start):
				w.fail("%s lists an old state of %s (%s)", b.addr, it.ID, it.GOID)
			}
		}
	}
}

func (b *box) checkItem(it *calendar.Item) {
	w, f := b.w, b.facts[it.GOID]
	if f.mails > f.changes {
		w.fail("%s: %d updates mailed for %d changes of %s", b.addr, f.mails, f.changes, it.ID)
	}
	if w.weak {
		return
	}
	if it.Marker.Join == "" {
		if it.Body.Content != f.text {
			w.fail("%s: body of %s without a marker is %q, want %q", b.addr, it.ID, it.Body.Content, f.text)
		}
	} else if render.Find(it.Body, it.Marker.Join).State == render.Whole {
		rest, err := render.Remove(it.Body, it.Marker.Join)
		if err != nil || rest.Content != f.text {
			w.fail("%s: text of %s was touched: %q, want %q (%v)", b.addr, it.ID, rest.Content, f.text, err)
		}
	}
	asked := strings.Contains(it.Location, "@meet")
	switch {
	case f.edited || it.Cancelled || !it.End.After(w.now):
	case asked && it.Marker.Join == "" && b.pending(it.ID) == "":
		w.fail("%s: %s has no block and nothing says why", b.addr, it.ID)
	case !asked && it.Marker.Present() && b.pending(it.ID) == "":
		w.fail("%s: %s keeps its block though the keyword is gone", b.addr, it.ID)
	}
}

// pending is the reason for which something is still to be done.
func (b *box) pending(id string) mailbox.Reason { return b.state.Pending()[id] }

func week(t *testing.T, seed uint64, weak bool) *world {
	w := newWorld(t, seed, 2+int(seed%4))
	w.weak = weak
	for _, b := range w.boxes {
		b.rules.WeakChangeKeys = weak
	}
	w.pass(time.Second)
	for range 60 {
		w.person()
		w.pass(time.Duration(w.rng.IntN(5000)) * time.Second / 10)
	}
	w.faults = false
	w.pass(time.Hour) // whatever waits has its time
	w.checkLists()
	// a conflict gets its next event
	for _, b := range w.boxes {
		b.queue = append(b.queue, mailbox.Lost{})
	}
	w.pass(time.Hour)
	for _, b := range w.boxes {
		b.queue = append(b.queue, mailbox.Lost{})
	}
	w.pass(time.Hour)
	w.check()
	w.service.check(w)
	w.pass(26 * time.Hour)
	w.service.check(w)
	return w
}

func TestWeeks(t *testing.T) {
	t.Parallel()
	weeks(t, 120, false)
}

// TestWeeksWithoutChangeKeys has a server that lets every write through.
func TestWeeksWithoutChangeKeys(t *testing.T) {
	t.Parallel()
	weeks(t, 30, true)
}

// weeks plays a number of seeds; KOYOMI_SEEDS asks for more.
func weeks(t *testing.T, seeds uint64, weak bool) {
	t.Helper()
	if n, err := strconv.ParseUint(os.Getenv("KOYOMI_SEEDS"), 10, 32); err == nil {
		seeds = n
	}
	writes, crashes, ended := 0, 0, 0
	for seed := range seeds {
		w := week(t, seed, weak)
		writes += w.writes
		crashes += w.crashes
		ended += w.service.ends
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
	if writes < int(seeds)*5 || crashes < int(seeds)/4 || ended < int(seeds)/4 {
		t.Fatalf("the weeks are empty: %d writes, %d crashes, %d meetings ended", writes, crashes, ended)
	}
	t.Logf("%d weeks, %d writes, %d crashes, %d meetings ended", seeds, writes, crashes, ended)
}
