package mailbox_test

import (
	"strings"
	"testing"
	"time"

	"github.com/koyomi-cal/koyomi/internal/calendar"
	"github.com/koyomi-cal/koyomi/internal/mailbox"
	"github.com/koyomi-cal/koyomi/internal/render"
)

func TestConflictTwiceWaitsForTheNextEvent(t *testing.T) {
	t.Parallel()
	w, b := quiet(t, 1)
	b[0].fault = func(it *calendar.Item) mailbox.Outcome { it.ChangeKey += "'"; return "" } // no event tells of it
	it := b[0].meeting(nil)
	w.pass(time.Hour)
	b[0].want(it, 0, 0, render.Absent)
	if b[0].tries != 2 {
		t.Fatalf("%d tries, want 2", b[0].tries)
	}
	b[0].wantReason(it, mailbox.ConflictTwice)
	b[0].fault = nil
	b[0].touch(it)
	w.pass(time.Minute)
	b[0].want(it, 1, 0, render.Whole)
}

func TestLostAnswers(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		fault  string
		served bool
		writes int
		mails  int
		reason mailbox.Reason
	}{
		"saved and mailed, an attendee is served":     {"answer", true, 1, 1, mailbox.Confirmed},
		"saved and mailed, nobody can confirm":        {"answer", false, 1, 1, mailbox.NotConfirmed},
		"saved but not mailed":                        {"mail", false, 1, 0, mailbox.NotConfirmed},
		"saved but not mailed, an attendee is served": {"mail", true, 1, 0, mailbox.NotConfirmed},
		"never arrived":                               {"request", false, 1, 1, mailbox.Done},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, b := quiet(t, 2)
			b[0].lose = c.fault
			who := "stranger@example.net"
			if c.served {
				who = b[1].addr
			}
			it := b[0].meeting(invite(who))
			w.pass(2 * time.Hour)
			b[0].want(it, c.writes, c.mails, render.Whole)
			b[0].wantReason(it, c.reason)
			it.Subject = "later"
			b[0].touch(it)
			w.pass(2 * time.Hour)
			b[0].want(it, c.writes, c.mails, render.Whole)
		})
	}
}

func TestRestartInTheMiddleOfAWrite(t *testing.T) {
	t.Parallel()
	for _, saved := range []bool{true, false} {
		w, b := quiet(t, 1)
		it := b[0].meeting(invite("stranger@example.net"))
		w.settle()
		w.now = w.now.Add(4 * time.Second)
		for _, e := range b[0].state.Step(b[0].rules, w.now, mailbox.Tick{}) {
			b[0].carry(e)
		}
		ev := b[0].queue[0]
		b[0].queue = nil
		effects := b[0].state.Step(b[0].rules, w.now, ev)
		b[0].save() // the intent is down
		for _, e := range effects {
			if wr, ok := e.(mailbox.Write); ok && saved {
				b[0].write(wr)
			}
		}
		restored := mailbox.New(time.Time{})
		if err := restored.UnmarshalBinary(b[0].disk); err != nil {
			t.Fatal(err)
		}
		b[0].state, b[0].queue = restored, []mailbox.Event{mailbox.Started{}}
		if !restored.Baseline().Equal(start) || len(restored.Pending()) != 1 {
			t.Fatalf("restored %v, pending %v", restored.Baseline(), restored.Pending())
		}
		w.pass(time.Hour)
		b[0].want(it, 1, 1, render.Whole)
		want := mailbox.Done
		if saved {
			want = mailbox.NotConfirmed
		}
		b[0].wantReason(it, want)
	}
}

// A trace that was lost with the cache is written anew from what a view shows:
// not for every appointment, but for whatever asks for a meeting or has one.
func TestLostStateNamesItsReasonsAgain(t *testing.T) {
	t.Parallel()
	w, b := quiet(t, 1)
	done := b[0].meeting(nil)
	optedOut := b[0].meeting(nil)
	silent := b[0].meeting(func(it *calendar.Item) { it.Location = "Room 1" })
	w.pass(time.Minute)
	optedOut.Body.Content = "agenda\r\n"
	b[0].touch(optedOut)
	w.pass(time.Minute)
	w.log = nil
	b[0].state = mailbox.New(start)
	b[0].queue = append(b[0].queue, mailbox.Started{})
	w.pass(time.Minute)
	b[0].wantReason(done, mailbox.Done)
	b[0].wantReason(optedOut, mailbox.OptedOut)
	if log := strings.Join(w.log, "\n"); strings.Contains(log, b[0].rules.Entry(silent.Key())) {
		t.Errorf("an appointment without a keyword is traced:\n%s", log)
	}
}

func TestBusyIsHonoured(t *testing.T) {
	t.Parallel()
	w, b := quiet(t, 1)
	it := b[0].meeting(nil)
	w.settle()
	b[0].busy = w.now.Add(90 * time.Second)
	w.pass(89 * time.Second)
	b[0].want(it, 0, 0, render.Absent)
	w.pass(5 * time.Second)
	b[0].want(it, 1, 0, render.Whole)
}

func TestHeldAndRefused(t *testing.T) {
	t.Parallel()
	for outcome, reason := range map[mailbox.Outcome]mailbox.Reason{
		mailbox.Stopped: mailbox.Held, mailbox.Refused: mailbox.ServerRefused,
	} {
		w, b := quiet(t, 1)
		b[0].fault = func(*calendar.Item) mailbox.Outcome { return outcome }
		it := b[0].meeting(nil)
		w.pass(time.Hour)
		b[0].want(it, 0, 0, render.Absent)
		b[0].wantReason(it, reason)
		if b[0].tries != 1 {
			t.Errorf("%s: %d tries, want 1", outcome, b[0].tries)
		}
		b[0].fault = nil
		b[0].queue = append(b[0].queue, mailbox.Lost{}) // acknowledged
		w.pass(time.Minute)
		b[0].want(it, 1, 0, render.Whole)
	}
}

func TestALoopStops(t *testing.T) {
	t.Parallel()
	w, b := quiet(t, 1)
	it := b[0].meeting(nil)
	for i := range 100 { // another program and ours undo each other
		it.Location = []string{"@meet", "@meet:myroom"}[i%2]
		b[0].touch(it)
		w.pass(10 * time.Second)
	}
	if w.writes != 30 {
		t.Fatalf("%d writes, want the limit of 30", w.writes)
	}
	b[0].wantReason(it, mailbox.TooManyWrites)
}

func TestSettingsNeverRewrite(t *testing.T) {
	t.Parallel()
	w, b := quiet(t, 2)
	it := b[0].meeting(invite(b[1].addr))
	w.pass(time.Minute)
	was := it.Body.Content
	b[0].rules.Render.Locale, b[0].rules.Render.Footer = "ja", "new footer"
	b[0].state = mailbox.New(start)
	b[0].queue = append(b[0].queue, mailbox.Started{})
	w.pass(time.Minute)
	it.Subject = "touched"
	b[0].touch(it)
	w.pass(time.Hour)
	b[0].want(it, 1, 1, render.Whole)
	if it.Body.Content != was {
		t.Error("the invitation was rewritten")
	}
}

func TestServiceAway(t *testing.T) {
	t.Parallel()
	w, b := quiet(t, 1)
	b[0].noService = 3
	it := b[0].meeting(nil)
	w.pass(90 * time.Second)
	b[0].want(it, 0, 0, render.Absent)
	if m := b[0].list[b[0].rules.Entry(it.Key())]; m.Head.Notice != "" && m.Head.Notice != string(mailbox.ServiceDown) {
		t.Errorf("the organizer is told %q", m.Head.Notice)
	}
	w.pass(10 * time.Minute)
	b[0].want(it, 1, 0, render.Whole)
}

func TestSeries(t *testing.T) {
	t.Parallel()
	w, b := quiet(t, 2)
	m := b[0].meeting(func(it *calendar.Item) {
		it.Kind, it.Last = calendar.Master, start.Add(60*24*time.Hour)
		invite("stranger@example.net")(it)
	})
	day := 24 * time.Hour
	for i := range 5 {
		at := m.Start.Add(time.Duration(i) * day)
		o := &calendar.Item{
			ID: m.ID + string(rune('a'+i)), Kind: calendar.Occurrence, GOID: m.GOID, UID: m.UID, RecurrenceID: at,
			Start: at, End: at.Add(time.Hour), IsOrganizer: calendar.Yes, Organizer: m.Organizer,
		}
		if i == 3 { // an exception with a body of its own
			o.Kind, o.Start, o.End = calendar.Exception, at.Add(2*time.Hour), at.Add(3*time.Hour)
			o.Body = calendar.Body{Type: calendar.BodyText, Content: "other room", Whole: true}
		}
		b[0].series = append(b[0].series, o)
	}
	w.pass(time.Minute)
	b[0].want(m, 1, 1, render.Whole)
	b[0].touch(m)
	w.pass(time.Minute)
	b[0].want(m, 1, 1, render.Whole)
	if len(b[0].list) != 5 {
		t.Fatalf("%d entries listed, want 5", len(b[0].list))
	}
	for _, e := range b[0].list {
		if !e.Head.Series || len(e.Head.Join) == 0 {
			t.Errorf("an occurrence has no button: %d ways to join", len(e.Head.Join))
		}
	}
	b[0].series = b[0].series[:4] // the last occurrence is deleted
	b[0].touch(m)
	w.pass(time.Minute)
	if len(b[0].list) != 4 {
		t.Errorf("%d entries listed after one was deleted, want 4", len(b[0].list))
	}
	delete(b[0].items, m.ID)
	b[0].series = nil
	b[0].queue = append(b[0].queue, mailbox.Gone{ID: m.ID})
	w.pass(time.Minute)
	if len(b[0].list) != 0 {
		t.Errorf("%d entries listed after the series was deleted", len(b[0].list))
	}
}

func TestListFollowsTheCalendar(t *testing.T) {
	t.Parallel()
	w, b := quiet(t, 2)
	it := b[0].meeting(invite(b[1].addr))
	w.pass(time.Minute)
	if len(b[1].list) != 1 {
		t.Fatal("the attendee does not see the meeting")
	}
	for _, c := range b[1].items {
		c.MyResponse = calendar.Declined
		b[1].touch(c)
	}
	w.pass(time.Second)
	if len(b[1].list) != 0 {
		t.Error("a declined meeting is still listed")
	}
	it.Cancelled = true
	w.service.let(it.Key(), w.now)
	b[0].touch(it)
	w.pass(time.Second)
	m := b[0].list[b[0].rules.Entry(it.Key())]
	if m.Head.Status != calendar.StatusCancelled || m.Head.Join != nil {
		t.Errorf("a cancelled meeting is listed as %s with %d ways to join", m.Head.Status, len(m.Head.Join))
	}
	far := b[0].meeting(func(it *calendar.Item) {
		it.Start, it.End = start.Add(40*24*time.Hour), start.Add(40*24*time.Hour+time.Hour)
	})
	w.pass(time.Minute)
	if _, ok := b[0].list[b[0].rules.Entry(far.Key())]; ok {
		t.Error("a meeting beyond the horizon is listed")
	}
	b[0].want(far, 2, 0, render.Whole)
	w.pass(12 * 24 * time.Hour)
	if _, ok := b[0].list[b[0].rules.Entry(far.Key())]; !ok {
		t.Error("the horizon did not slide")
	}
}

func TestStateHoldsNothingPrivate(t *testing.T) {
	t.Parallel()
	w, b := quiet(t, 2)
	b[0].rules.Entry = func(key string) string { return wishless(key) }
	it := b[0].meeting(invite(b[1].addr))
	w.pass(time.Second)
	b[0].save()
	mid := string(b[0].disk)
	w.pass(time.Minute)
	b[0].save()
	for _, secret := range []string{it.Subject, "agenda", "meet.example.org", "example.com", it.GOID, it.UID, "@meet"} {
		if strings.Contains(mid+string(b[0].disk), secret) {
			t.Errorf("the stored state holds %q", secret)
		}
	}
	var s mailbox.State
	for _, bad := range []string{"", "{", `{"v":9}`, `{"v":1,"i":{"x":null}}`} {
		err := s.UnmarshalBinary([]byte(bad))
		if (err == nil) != strings.Contains(bad, "null") {
			t.Errorf("reading %q: %v", bad, err)
		}
	}
	s.Step(b[0].rules, start, mailbox.Tick{})
}

func wishless(key string) string {
	return strings.Map(func(r rune) rune { return 'a' + (r*7+3)%26 }, key)
}

func TestBreaker(t *testing.T) {
	t.Parallel()
	fresh := mailbox.Breaker{Mailboxes: 10, Since: start}
	old := mailbox.Breaker{Mailboxes: 10, Since: start.Add(-15 * 24 * time.Hour), Peak: mailbox.Load{Writes: 5, Recipients: 50}}
	silent := mailbox.Breaker{Mailboxes: 10, Since: old.Since}
	for name, c := range map[string]struct {
		b    mailbox.Breaker
		hour mailbox.Load
		more int
		want bool
	}{
		"first day, quiet":           {fresh, mailbox.Load{}, 5, true},
		"first day, at the cap":      {fresh, mailbox.Load{Writes: 110}, 0, false},
		"first day, one below":       {fresh, mailbox.Load{Writes: 109}, 0, true},
		"first day, too many mails":  {fresh, mailbox.Load{Recipients: 1090}, 11, false},
		"nothing learned, a big one": {silent, mailbox.Load{}, 110, true},
		"nothing learned, bigger":    {silent, mailbox.Load{}, 111, false},
		"learned, four times":        {old, mailbox.Load{Writes: 20}, 0, false},
		"learned, below":             {old, mailbox.Load{Writes: 19, Recipients: 195}, 5, true},
		"learned, too many mails":    {old, mailbox.Load{Writes: 1, Recipients: 195}, 6, false},
	} {
		if got := c.b.Allow(start, c.hour, c.more); got != c.want {
			t.Errorf("%s: Allow = %v, want %v", name, got, c.want)
		}
	}
}

func TestReasonsHaveSentences(t *testing.T) {
	t.Parallel()
	if s := mailbox.OptedOut.Sentence(); !strings.Contains(s, "join block") {
		t.Errorf("OptedOut says %q", s)
	}
	if s := mailbox.Reason("unknown-code").Sentence(); s != "unknown-code" {
		t.Errorf("an unknown code says %q", s)
	}
}
