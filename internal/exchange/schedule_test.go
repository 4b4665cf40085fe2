package exchange

import (
	"strings"
	"testing"
	"time"

	"github.com/koyomi-cal/koyomi/ews"
	"github.com/koyomi-cal/koyomi/ews/ewstest"
	"github.com/koyomi-cal/koyomi/internal/calendar"
)

const draftUID = "koyomi-4f1c0d9a7be24466a2a1c6ad5b5f9d10"

// draft is a meeting that Ann wants with Bob.
func draft() calendar.Draft {
	start := time.Now().Add(24 * time.Hour).Truncate(time.Hour)
	return calendar.Draft{
		UID: draftUID, Subject: "Budget 予算", Location: "@meet", Start: start, End: start.Add(time.Hour), TimeZone: "Europe/Berlin",
		Body:        calendar.Body{Type: calendar.BodyText, Content: "agenda"},
		Attendees:   []calendar.Attendee{{Person: calendar.Person{Name: "Bob", Address: bobAddr}}},
		Sensitivity: calendar.Private, ShowAs: "tentative",
	}
}

func (o *office) around(d calendar.Draft) calendar.Window {
	return calendar.Window{From: d.Start, To: d.End}
}

func TestCreate(t *testing.T) {
	eachDialect(t, func(t *testing.T, o *office) {
		d := draft()
		if _, found, err := o.x.FindUID(t.Context(), o.ann, d.UID, o.around(d)); found || err != nil {
			t.Fatalf("found before it was made: %v", err)
		}
		made, err := o.x.Create(t.Context(), o.ann, d)
		if err != nil {
			t.Fatal(err)
		}
		it := o.get(made.ID)
		if it.Subject != d.Subject || it.Location != d.Location || !it.Start.Equal(d.Start) || !it.End.Equal(d.End) || it.Sensitivity != calendar.Private || it.ShowAs != "tentative" {
			t.Errorf("made: %s %s to %s, %s, %s", it.Subject, it.Start, it.End, it.Sensitivity, it.ShowAs)
		}
		if len(it.Attendees) != 1 || it.Attendees[0].Address != bobAddr || strings.TrimSpace(it.Body.Content) == "" {
			t.Errorf("made with %d attendees, %s", len(it.Attendees), it.Body)
		}
		if n := len(o.srv.Inbox(bobAddr)); n != 1 {
			t.Errorf("Bob got %d mails", n)
		}
		for name, w := range map[string]calendar.Window{"there": o.around(d), "moved": {From: d.Start.AddDate(0, -1, 0), To: d.End.AddDate(0, -1, 0)}} {
			again, found, err := o.x.FindUID(t.Context(), o.ann, d.UID, w)
			if err != nil || !found || again.ID != made.ID {
				t.Errorf("%s: looked for again: %v, %v", name, found, err)
			}
		}
		if _, found, err := o.x.FindUID(t.Context(), o.ann, d.UID+"x", o.around(d)); found || err != nil {
			t.Errorf("another one is found: %v", err)
		}
		d.End = d.Start
		if _, err := o.x.Create(t.Context(), o.ann, d); class(t, err) != calendar.Denied {
			t.Errorf("a meeting that ends before it starts: %v", err)
		}
		d = draft()
		d.TimeZone = "Antarctica/Troll"
		d.UID += "z"
		if _, err := o.x.Create(t.Context(), o.ann, d); err != nil && class(t, err) != calendar.Denied {
			t.Errorf("a rare time zone: %v", err)
		}
	})
}

// A lost answer is Uncertain, and looking finds what was made.
func TestCreateUnclear(t *testing.T) {
	eachDialect(t, func(t *testing.T, o *office) {
		d := draft()
		o.srv.Fail(ewstest.Fault{Op: "CreateItem", DropAnswer: true})
		if _, err := o.x.Create(t.Context(), o.ann, d); class(t, err) != calendar.Uncertain {
			t.Fatalf("a lost answer: %v", err)
		}
		if _, found, err := o.x.FindUID(t.Context(), o.ann, d.UID, o.around(d)); !found || err != nil {
			t.Errorf("what was made is not found: %v", err)
		}
		o.srv.Fail(ewstest.Fault{Op: "CreateItem", BackOff: time.Minute})
		if _, err := o.x.Create(t.Context(), o.ann, d); class(t, err) != calendar.Wait {
			t.Errorf("a busy server: %v", err)
		}
	})
}

func TestCreateSeries(t *testing.T) {
	eachDialect(t, func(t *testing.T, o *office) {
		berlin, err := time.LoadLocation("Europe/Berlin")
		if err != nil {
			t.Fatal(err)
		}
		start := time.Date(2027, 3, 1, 9, 0, 0, 0, berlin) // a Monday, before summer time
		for name, c := range map[string]struct {
			repeat calendar.Repeat
			want   string
		}{
			"daily":          {calendar.Repeat{Every: calendar.Daily, Each: 2, Count: 3}, "03-01 03-03 03-05"},
			"weekly":         {calendar.Repeat{Every: calendar.Weekly, Days: []time.Weekday{time.Monday, time.Thursday}, Count: 4}, "03-01 03-04 03-08 03-11"},
			"fortnightly":    {calendar.Repeat{Every: calendar.Weekly, Each: 2, Days: []time.Weekday{time.Monday}, Starts: time.Monday, Until: start.AddDate(0, 0, 29)}, "03-01 03-15 03-29"},
			"monthly":        {calendar.Repeat{Every: calendar.Monthly, Count: 2}, "03-01 04-01"},
			"last Monday":    {calendar.Repeat{Every: calendar.Monthly, Nth: -1, Days: []time.Weekday{time.Monday}, Count: 2}, "03-29 04-26"},
			"yearly":         {calendar.Repeat{Every: calendar.Yearly, Count: 2}, "03-01"},
			"yearly, by day": {calendar.Repeat{Every: calendar.Yearly, Nth: 1, Days: []time.Weekday{time.Monday}, Count: 2}, "03-01"},
		} {
			d := draft()
			d.UID += strings.ReplaceAll(name, " ", "")
			d.Start, d.End, d.Repeat, d.Attendees = start, start.Add(time.Hour), &c.repeat, nil
			made, err := o.x.Create(t.Context(), o.ann, d)
			if err != nil {
				t.Errorf("%s: %v", name, err)
				continue
			}
			var days []string
			entries, _, err := o.x.View(t.Context(), o.ann, calendar.Window{From: start.AddDate(0, 0, -1), To: start.AddDate(0, 3, 0)})
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range entries {
				if e.Start.In(berlin).Hour() != 9 {
					t.Errorf("%s: one at %s", name, e.Start.In(berlin))
				}
				days = append(days, e.Start.In(berlin).Format("01-02"))
			}
			if got := strings.Join(days, " "); got != c.want {
				t.Errorf("%s: %s, want %s", name, got, c.want)
			}
			if err := o.srv.Remove(annAddr, made.ID); err != nil {
				t.Fatal(err)
			}
		}
	})
}

func TestAmendAndCancel(t *testing.T) {
	eachDialect(t, func(t *testing.T, o *office) {
		d := draft()
		made, err := o.x.Create(t.Context(), o.ann, d)
		if err != nil {
			t.Fatal(err)
		}
		it := o.get(made.ID)
		subject, later := "Budget, second try", d.Start.Add(3*time.Hour)
		stale := it.ChangeKey
		changed, err := o.x.Amend(t.Context(), o.ann, calendar.Amendment{
			ID: it.ID, ChangeKey: it.ChangeKey, Subject: &subject, Start: later, End: later.Add(time.Hour), TimeZone: "Europe/Berlin",
		}, true)
		if err != nil {
			t.Fatal(err)
		}
		it = o.get(changed.ID)
		if it.Subject != subject || !it.Start.Equal(later) || len(it.Attendees) != 1 || it.Location != d.Location {
			t.Errorf("changed: %s at %s, %d attendees", it.Subject, it.Start, len(it.Attendees))
		}
		if n := len(o.srv.Inbox(bobAddr)); n != 2 {
			t.Errorf("Bob got %d mails, want the invitation and one change", n)
		}
		if !o.binding(t).WeakChangeKeys {
			if _, err := o.x.Amend(t.Context(), o.ann, calendar.Amendment{ID: it.ID, ChangeKey: stale, Subject: &subject}, true); class(t, err) != calendar.Stale {
				t.Errorf("under an old change key: %v", err)
			}
		}
		if err := o.x.Cancel(t.Context(), o.ann, calendar.ItemID{ID: it.ID, ChangeKey: it.ChangeKey}, "another day"); err != nil {
			t.Fatal(err)
		}
		if n := len(o.srv.Inbox(bobAddr)); n != 3 {
			t.Errorf("Bob got %d mails, want one more that cancels", n)
		}
	})
}

func (o *office) binding(t *testing.T) calendar.Binding {
	t.Helper()
	b, err := o.x.Bind(t.Context(), o.ann)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestAnswer(t *testing.T) {
	eachDialect(t, func(t *testing.T, o *office) {
		for i, r := range []calendar.Response{calendar.Accepted, calendar.Tentative, calendar.Declined} {
			d := draft()
			d.UID += string(rune('a' + i))
			if _, err := o.x.Create(t.Context(), o.ann, d); err != nil {
				t.Fatal(err)
			}
			copyID, found, err := o.x.FindUID(t.Context(), o.bob, d.UID, o.around(d))
			if err != nil || found == o.binding(t).WeakChangeKeys {
				t.Fatalf("Bob has a copy: %v, %v", found, err)
			}
			if !found {
				return // gromox leaves the invitation in the Inbox until a program of Bob's looks at it: nothing is listed, so nothing is answered
			}
			before := len(o.srv.Inbox(annAddr))
			if err := o.x.Answer(t.Context(), o.bob, copyID, r, "see you"); err != nil {
				t.Fatalf("%s: %v", r, err)
			}
			if n := len(o.srv.Inbox(annAddr)) - before; n != 1 {
				t.Errorf("%s: Ann got %d answers", r, n)
			}
		}
		if err := o.x.Answer(t.Context(), o.bob, calendar.ItemID{ID: "x"}, calendar.NoResponse, ""); class(t, err) != calendar.Denied {
			t.Errorf("no answer: %v", err)
		}
	})
}

func TestFreeBusy(t *testing.T) {
	eachDialect(t, func(t *testing.T, o *office) {
		start := time.Now().Add(24 * time.Hour).Truncate(time.Hour)
		w := calendar.Window{From: start.Add(-2 * time.Hour), To: start.Add(8 * time.Hour)}
		o.meeting(ewstest.Item{Subject: "x", Start: start, End: start.Add(time.Hour), Busy: "Busy"})
		o.meeting(ewstest.Item{Subject: "x", Start: start.Add(2 * time.Hour), End: start.Add(3 * time.Hour), Busy: "OOF"})
		o.srv.AddMailbox("shy@example.com", "Shy")
		o.srv.HideFreeBusy("shy@example.com", "ErrorNoFreeBusyAccess")
		got, err := o.x.FreeBusy(t.Context(), o.bob, []string{annAddr, "nobody@example.com", "shy@example.com", bobAddr}, w)
		if err != nil {
			t.Fatal(err)
		}
		if len(got) != 4 || len(got[0].Busy) != 2 || got[0].Busy[0].ShowAs != "busy" || got[0].Busy[1].ShowAs != "oof" || !got[0].Busy[0].From.Equal(start) || got[0].Address != annAddr {
			t.Fatalf("%+v", got)
		}
		if got[1].Fault != calendar.Missing || got[2].Fault != calendar.Denied || got[3].Fault != "" || len(got[3].Busy) != 0 {
			t.Errorf("%v, %v, %v", got[1], got[2], got[3])
		}
		if h := got[0].Hours; h != nil {
			if offset := start.In(h.Zone).Format("-07:00"); offset != "+01:00" && offset != "+02:00" || len(h.Spans) == 0 || !h.Spans[0].Days[time.Monday] {
				t.Errorf("working hours in %s: %v", offset, h.Spans)
			}
		}
		if _, err := o.x.FreeBusy(t.Context(), o.bob, make([]string, 101), w); class(t, err) != calendar.Denied {
			t.Errorf("101 people: %v", err)
		}
		if got, err := o.x.FreeBusy(t.Context(), o.bob, nil, w); got != nil || err != nil {
			t.Errorf("nobody: %v, %v", got, err)
		}
	})
}

func TestToAvailability(t *testing.T) {
	t.Parallel()
	from := time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)
	w := calendar.Window{From: from, To: from.Add(2 * time.Hour)}
	a := toAvailability(&ews.FreeBusy{View: "MergedOnly", Merged: "0221003x4"}, w)
	var got []string
	for _, b := range a.Busy {
		got = append(got, b.From.Format("15:04")+" "+b.To.Format("15:04")+" "+b.ShowAs)
	}
	if want := "09:15 09:45 busy, 09:45 10:00 tentative, 10:30 10:45 oof, 11:00 11:15 nodata"; strings.Join(got, ", ") != want {
		t.Errorf("%s, want %s", got, want)
	}
	if a := toAvailability(&ews.FreeBusy{View: "None"}, w); len(a.Busy) != 1 || a.Busy[0].ShowAs != "nodata" || a.Busy[0].Window != w {
		t.Errorf("nothing is shown: %+v", a.Busy)
	}
}

func TestReplies(t *testing.T) {
	eachDialect(t, func(t *testing.T, o *office) {
		if r, err := o.x.Replies(t.Context(), o.ann); err != nil || r.State != calendar.RepliesOff {
			t.Errorf("at first %v, %v", r, err)
		}
		start := time.Now().Add(time.Hour).Truncate(time.Hour).UTC()
		o.srv.SetOOF(annAddr, ewstest.OOF{State: "Scheduled", Start: start, End: start.Add(24 * time.Hour)})
		if r, err := o.x.Replies(t.Context(), o.ann); err != nil || r.State != calendar.RepliesScheduled || !r.From.Equal(start) || !r.To.Equal(start.Add(24*time.Hour)) {
			t.Errorf("scheduled: %v, %v", r, err)
		}
		o.srv.SetOOF(annAddr, ewstest.OOF{State: "Enabled"})
		if r, err := o.x.Replies(t.Context(), o.ann); err != nil || r != (calendar.Replies{State: calendar.RepliesOn}) {
			t.Errorf("on: %v, %v", r, err)
		}
	})
}
