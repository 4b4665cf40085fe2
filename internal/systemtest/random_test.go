package systemtest

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/koyomi-cal/koyomi/ews"
	"github.com/koyomi-cal/koyomi/ews/ewstest"
)

// TestRandomDays plays days that a seed makes up: people do what people do, and
// servers do what they should not. KOYOMI_SEEDS says how many; KOYOMI_SEED plays
// one.
func TestRandomDays(t *testing.T) {
	t.Parallel()
	first, seeds := 1, 10
	if n, err := strconv.Atoi(os.Getenv("KOYOMI_SEEDS")); err == nil {
		seeds = n
	}
	if n, err := strconv.Atoi(os.Getenv("KOYOMI_SEED")); err == nil {
		first, seeds = n, 1
	}
	if testing.Short() {
		seeds = min(seeds, 3)
	}
	for seed := first; seed < first+seeds; seed++ {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			memStory(t, func(t *testing.T, r *memRig, n *memNode) {
				d := &memDay{r: r, n: n, rng: rand.New(rand.NewPCG(uint64(seed), 20260302))}
				for _, who := range memPeople {
					r.opened(who)
				}
				for hour := range 4 {
					for range 12 {
						d.something()
						memQuiet(time.Duration(d.rng.IntN(90)) * time.Second)
					}
					d.heal()
					memQuiet(25 * time.Minute)
					when := fmt.Sprintf("seed %d, hour %d", seed, hour)
					r.judge(when)
					d.judge(when)
					if t.Failed() {
						t.Fatalf("what happened:\n%s", strings.Join(d.did, "\n"))
					}
				}
			})
		})
	}
}

// memDay is a day under way.
type memDay struct {
	r        *memRig
	n        *memNode
	rng      *rand.Rand
	meetings []*memMeeting
	did      []string
	made     int
	conflict bool // one was arranged since the last healing
}

func (d *memDay) say(format string, args ...any) {
	d.did = append(d.did, time.Now().Format("15:04:05 ")+fmt.Sprintf(format, args...))
}

// something happens: mostly a person does something, now and then a server does.
func (d *memDay) something() {
	if len(d.meetings) < 3 || d.rng.IntN(4) == 0 {
		d.book()
		return
	}
	if d.rng.IntN(5) == 0 {
		d.trouble()
		return
	}
	m := d.meetings[d.rng.IntN(len(d.meetings))]
	it, ok := m.copy(m.by)
	if !ok || it.IsCancelled() {
		return
	}
	switch d.rng.IntN(12) {
	case 0, 1:
		d.say("rename %q", it.Subject)
		m.rename(it.Subject + "+")
	case 2, 3:
		if it.Recurrence == nil {
			d.say("shift %q", it.Subject)
			m.shift(15 * time.Minute)
		}
	case 4, 5, 6:
		if len(m.invited) > 0 {
			action := []ews.MeetingAction{ews.AcceptItem, ews.DeclineItem, ews.TentativelyAcceptItem}[d.rng.IntN(3)]
			who := m.invited[d.rng.IntN(len(m.invited))]
			d.say("%s: %s to %q", who, action, it.Subject)
			m.respond(who, action)
		}
	case 7, 8:
		place := []string{"@meet", "@webex", "Room 7", "@meet:myroom"}[d.rng.IntN(4)]
		if place != it.Location {
			d.say("locate %q at %s", it.Subject, place)
			m.locate(place)
		}
	case 9:
		if memBlocks(it.Body) == 1 && strings.Contains(it.Location, "@") {
			d.say("take the block out of %q", it.Subject)
			m.dropBlock()
		}
	case 10:
		if len(m.invited) > 0 && !it.RequestSent {
			d.say("send %q", it.Subject)
			m.send()
		} else if it.Recurrence != nil {
			d.say("an occurrence of %q goes", it.Subject)
			d.r.removeOccurrence(m, d.rng.IntN(2))
		}
	case 11:
		if d.rng.IntN(2) == 0 && it.RequestSent {
			d.say("cancel %q", it.Subject)
			m.cancel()
		} else {
			d.say("remove %q", it.Subject)
			memOK(d.r.t, d.r.x.Remove(m.by, it.ID))
		}
	}
}

func (d *memDay) book() {
	d.made++
	by := memPeople[d.rng.IntN(len(memPeople))]
	p := memPlan{
		subject: fmt.Sprintf("M%02d", d.made), location: []string{"@meet", "@webex", "Room 3", "@MEET room"}[d.rng.IntN(4)],
		in: time.Duration(10+d.rng.IntN(60)) * time.Hour, text: d.rng.IntN(3) == 0, draft: d.rng.IntN(6) == 0,
	}
	for _, who := range append(slices.Clone(memPeople), memGuest) {
		if who != by && d.rng.IntN(3) == 0 {
			p.invited = append(p.invited, who)
		}
	}
	if d.rng.IntN(6) == 0 {
		p.series = &ews.Recurrence{Pattern: ews.Daily, Interval: 1 + d.rng.IntN(3), Count: 4 + d.rng.IntN(4)}
	}
	d.say("%s books %q at %s, draft %v, series %v, to %v", by, p.subject, p.location, p.draft, p.series != nil, p.invited)
	d.meetings = append(d.meetings, d.r.book(by, p))
}

// trouble is what servers, networks and disks do.
func (d *memDay) trouble() {
	r := d.r
	fault := func(f ewstest.Fault) {
		f.Match = memOurs
		r.x.Fail(f)
	}
	who := memPeople[d.rng.IntN(len(memPeople))]
	kind := d.rng.IntN(15)
	d.say("trouble %d", kind)
	switch kind {
	case 0:
		r.net.pull(memCloud)
	case 1:
		r.net.pull(memKMS)
	case 2:
		r.net.plug(memCloud)
		r.net.plug(memKMS)
	case 3:
		r.net.cut(memExchange)
	case 4:
		fault(ewstest.Fault{Mailbox: who, BackOff: time.Duration(1+d.rng.IntN(300)) * time.Second})
	case 5:
		fault(ewstest.Fault{Op: "UpdateItem", DropAnswer: true})
	case 6:
		fault(ewstest.Fault{Op: "GetItem", CutAfterBytes: 200, Times: 2})
	case 7:
		fault(ewstest.Fault{Op: "GetStreamingEvents", Code: "ErrorMissedNotificationEvents"})
		r.net.cut(memExchange)
	case 8:
		fault(ewstest.Fault{Op: "SyncFolderItems", Code: "ErrorInvalidSyncStateData"})
		r.net.cut(memExchange)
	case 9:
		d.n.end()
		d.n = r.start("one")
	case 10:
		d.n.loseCache()
	case 11:
		fault(ewstest.Fault{Op: "UpdateItem", Status: 500})
	case 12:
		fault(ewstest.Fault{Op: "FindItem", Delay: 30 * time.Second})
	case 13: // once an hour: after two in a row the meeting waits for its next change
		if !d.conflict {
			d.conflict = true
			fault(ewstest.Fault{Op: "UpdateItem", Code: "ErrorIrresolvableConflict", InBody: true})
		}
	case 14:
		fault(ewstest.Fault{Op: "GetItem", Status: 503, Times: 2})
	}
}

// heal takes every cause away.
func (d *memDay) heal() {
	d.say("heal")
	d.r.x.Heal()
	d.conflict = false
	d.r.net.plug(memCloud)
	d.r.net.plug(memKMS)
}

// judge holds each organizer's copy against what the organizer wants.
func (d *memDay) judge(when string) {
	d.r.t.Helper()
	synctest.Wait()
	for _, m := range d.meetings {
		it, ok := m.copy(m.by)
		if !ok || it.IsCancelled() {
			continue
		}
		n, wants := memBlocks(it.Body), strings.Contains(it.Location, "@")
		switch {
		case m.optedOut:
		case wants && n != 1:
			d.r.t.Errorf("%s: %q wants a block and has %d; waiting: %v", when, it.Subject, n, d.n.status(m.by).Waiting)
		case !wants && n != 0:
			d.r.t.Errorf("%s: %q wants no block and has %d", when, it.Subject, n)
		}
	}
}
