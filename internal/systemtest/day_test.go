package systemtest

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/koyomi-cal/koyomi/ews"
	"github.com/koyomi-cal/koyomi/ews/ewstest"
	"github.com/koyomi-cal/koyomi/internal/connector"
)

// memStory runs a story in a bubble on a running system of one connector.
func memStory(t *testing.T, story func(t *testing.T, r *memRig, n *memNode)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newMemRig(t, ewstest.Exchange2019)
		n := r.start("one")
		for _, p := range memPeople {
			if s := n.status(p); s.State != connector.StateActivated {
				t.Fatalf("%s is %s: %s", p, s.State, s.Cause)
			}
		}
		story(t, r, n)
	})
}

// TestDay is an ordinary day of several people with everything that calendars
// can present, without a fault.
func TestDay(t *testing.T) {
	memStory(t, func(t *testing.T, r *memRig, _ *memNode) {
		plan := r.book(memAnn, memPlan{subject: "Plan", location: "@meet", invited: []string{memBob, memGuest}})
		room := r.book(memBob, memPlan{subject: "Room", location: "Room 5 @WebEx", in: 2 * time.Hour, invited: []string{memAnn, memCho}, text: true})
		alone := r.book(memCho, memPlan{subject: "Alone", location: "＠meet", in: 3 * time.Hour})
		zoom := r.book(memDee, memPlan{subject: "Zoom", location: "https://acme.zoom.us/j/12345678901", in: 4 * time.Hour, invited: []string{memAnn}})
		plain := r.book(memDee, memPlan{subject: "Lunch", location: "Canteen", in: 5 * time.Hour, invited: []string{memCho}})
		draft := r.book(memCho, memPlan{subject: "Draft", location: "@meet", in: 6 * time.Hour, invited: []string{memDee}, draft: true})
		series := r.book(memAnn, memPlan{subject: "Weekly", location: "@meet", in: 26 * time.Hour, invited: []string{memBob, memCho},
			series: &ews.Recurrence{Pattern: ews.Weekly, Interval: 1, DaysOfWeek: []string{"Tuesday", "Thursday"}, Count: 8}})

		memQuiet(2 * time.Second)
		r.judge("before anything has settled")
		if n := memBlocks(plan.own().Body); n != 0 {
			t.Error("a block was written before the item had settled")
		}
		memQuiet(time.Minute)
		r.judge("after a minute")
		for _, m := range []*memMeeting{plan, room, alone, series} {
			m.decorated("after a minute", true)
		}
		if room.own().Body.Type != "Text" {
			t.Error("a text body did not stay text")
		}
		if memBlocks(draft.own().Body) != 0 || memBlocks(zoom.own().Body) != 0 || memBlocks(plain.own().Body) != 0 {
			t.Error("a block stands where none was asked for, or not yet")
		}
		for _, x := range []struct {
			m    *memMeeting
			to   string
			want int
		}{{plan, memBob, 1}, {plan, memGuest, 1}, {room, memAnn, 1}, {room, memCho, 1}, {series, memBob, 1}, {zoom, memAnn, 0}, {plain, memCho, 0}, {draft, memDee, 0}} {
			if n := r.mailed(x.m.uid, x.to); n != x.want {
				t.Errorf("%s got %d updates about %q, not %d", x.to, n, x.m.own().Subject, x.want)
			}
		}

		// The draft is written silently after two minutes, and goes out with its block.
		memQuiet(3 * time.Minute)
		draft.decorated("as a draft", false)
		draft.send()
		memQuiet(time.Minute)
		draft.decorated("sent", true)
		if n := r.mailed(draft.uid, memDee); n != 0 {
			t.Errorf("a draft that was sent with its block was mailed %d times more", n)
		}
		r.judge("the draft was sent")

		// Edits of all kinds.
		plan.rename("Plan B")
		room.shift(time.Hour)
		plan.respond(memBob, ews.AcceptItem)
		room.respond(memAnn, ews.DeclineItem)
		room.respond(memCho, ews.TentativelyAcceptItem)
		memQuiet(time.Minute)
		r.judge("edited and answered")
		plan.decorated("edited", true)
		room.decorated("moved", true)

		// A keyword comes later, another goes, a third changes.
		plain.locate("Canteen @meet")
		alone.locate("Nowhere")
		plan.locate("@webex")
		memQuiet(time.Minute)
		r.judge("keywords changed")
		plain.decorated("keyword added", true)
		plan.decorated("keyword changed", true)
		if it := alone.own(); memBlocks(it.Body) != 0 || it.Property("KoyomiJoin") != "" {
			t.Error("the keyword is gone and the block is not")
		}
		if n := r.mailed(plan.uid, memBob); n != 2 {
			t.Errorf("the change of the keyword was mailed %d times", n-1)
		}

		// Somebody takes the block out: it stays out.
		plain.dropBlock()
		memQuiet(time.Minute)
		plain.rename("Lunch without a call")
		memQuiet(10 * time.Minute)
		if memBlocks(plain.own().Body) != 0 {
			t.Error("a block came back after the organizer took it out")
		}
		r.judge("block taken out")

		// One occurrence moves, one goes, one is declined.
		r.occurrence(series, 1, func(it *ewstest.Item) { it.Start, it.End = it.Start.Add(time.Hour), it.End.Add(time.Hour) })
		r.removeOccurrence(series, 2)
		memQuiet(time.Minute)
		r.judge("occurrences changed")
		series.decorated("occurrences changed", true)

		// A meeting is called off, one is thrown away.
		room.cancel()
		memOK(t, r.x.Remove(memCho, alone.own().ID))
		memQuiet(time.Minute)
		r.judge("cancelled and removed")

		// One is moved out of the calendar and comes back.
		_, err := r.x.Move(memDee, zoom.own().ID, "deleteditems")
		memOK(t, err)
		memQuiet(time.Minute)
		r.judge("moved to deleted items")
		id := ""
		for _, it := range r.x.DeletedItems(memDee) {
			if it.UID == zoom.uid {
				id = it.ID
			}
		}
		_, err = r.x.Move(memDee, id, "calendar")
		memOK(t, err)
		memQuiet(time.Minute)
		r.judge("restored")

		memQuiet(20 * time.Hour)
		r.judge("the next day")
		series.decorated("the next day", true)
	})
}

// occurrence edits the n-th shown occurrence of a series without mail.
func (r *memRig) occurrence(m *memMeeting, n int, change func(*ewstest.Item)) {
	r.t.Helper()
	memOK(r.t, r.x.Edit(m.by, r.nth(m, n), change))
}

func (r *memRig) removeOccurrence(m *memMeeting, n int) {
	r.t.Helper()
	memOK(r.t, r.x.Remove(m.by, r.nth(m, n)))
}

func (r *memRig) nth(m *memMeeting, n int) string {
	r.t.Helper()
	for _, it := range r.x.View(m.by, time.Now(), time.Now().AddDate(0, 0, 31)) {
		if it.UID == m.uid {
			if n == 0 {
				return it.ID
			}
			n--
		}
	}
	r.t.Fatal("there is no such occurrence")
	return ""
}

// TestBaseline: what was there before the activation is shown and never
// written.
func TestBaseline(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newMemRig(t, ewstest.Exchange2019)
		old := r.book(memAnn, memPlan{subject: "Old", location: "@meet", invited: []string{memBob}})
		oldSeries := r.book(memBob, memPlan{subject: "Old series", location: "@meet", in: 25 * time.Hour, invited: []string{memAnn},
			series: &ews.Recurrence{Pattern: ews.Daily, Interval: 1, Count: 5}})
		memQuiet(time.Hour - time.Minute)
		r.start("one")
		memQuiet(10 * time.Minute)
		r.judge("activated")
		for _, m := range []*memMeeting{old, oldSeries} {
			if memBlocks(m.own().Body) != 0 || m.own().ChangeKey == "" {
				t.Error("what is older than the activation was written")
			}
		}
		if n := len(r.x.CallsTo("UpdateItem", "")); n != 0 {
			t.Errorf("%d writes to old items", n)
		}
		// Somebody touches the series: now it is young.
		oldSeries.rename("Old series, new name")
		memQuiet(time.Minute)
		oldSeries.decorated("touched", true)
		r.judge("touched")
	})
}
