package exchange

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/koyomi-cal/koyomi/ews/ewstest"
	"github.com/koyomi-cal/koyomi/internal/calendar"
)

func TestGet(t *testing.T) {
	eachDialect(t, func(t *testing.T, o *office) {
		gromox := !strings.HasPrefix(string(o.dialect()), "exchange")
		b, err := o.x.Bind(t.Context(), o.ann)
		if err != nil || time.Since(b.Now) > 2*time.Second || time.Until(b.Now) > time.Second {
			t.Fatalf("bind: %+v %v", b, err)
		}
		made := o.meeting(ewstest.Item{
			Subject: "Review", Location: "@meet", Body: ewstest.Body{Type: "HTML", Content: "<p>Agenda</p>"}, Zone: "W. Europe Standard Time",
			Attendees:   []ewstest.Attendee{{Person: ewstest.Person{Name: "Bob", Address: bobAddr}, Kind: ewstest.Optional, Response: ewstest.ResponseAccept}},
			State:       ewstest.StateMeeting,
			RequestSent: true, Response: ewstest.ResponseOrganizer, Sensitivity: "Private",
			Extended: []ewstest.Property{
				{Set: "PublicStrings", Name: "SkypeTeamsMeetingUrl", Type: "String", Value: "https://teams.example.com/x"},
				{Set: "PublicStrings", Name: propJoin, Type: "String", Value: "https://rooms.example.com/1"},
				{Set: "PublicStrings", Name: propHash, Type: "String", Value: "abc"},
			},
		})
		it := o.get(made.ID)
		if it.ID != made.ID || it.ChangeKey == "" || it.Kind != calendar.Single || it.ItemClass != "IPM.Appointment" ||
			it.Subject != "Review" || it.Location != "@meet" || !it.Start.Equal(made.Start) || !it.End.Equal(made.End) ||
			it.Sensitivity != calendar.Private || it.UID == "" || it.GOID == "" || it.Size == 0 || it.Modified.IsZero() {
			t.Errorf("plain properties: %#v", it.ID)
		}
		if it.Body.Type != calendar.BodyHTML || !it.Body.Whole || !strings.Contains(it.Body.Content, "<p>Agenda</p>") {
			t.Errorf("body: %+v", it.Body)
		}
		if len(it.Attendees) != 1 || it.Attendees[0].Role != calendar.Optional || it.Attendees[0].Response != calendar.Accepted || it.Organizer.Address != annAddr {
			t.Error("people are not as they were")
		}
		if it.Marker.Join != "https://rooms.example.com/1" || it.Marker.Hash != "abc" || it.Properties["SkypeTeamsMeetingUrl"] == "" || len(it.Properties) != 1 {
			t.Errorf("properties: %v", len(it.Properties))
		}
		want := calendar.Yes
		if gromox {
			want = calendar.Unknown
		}
		if it.IsOrganizer != want || it.IsMeeting != calendar.Yes || it.Received != calendar.No {
			t.Errorf("organizer %v, meeting %v, received %v", it.IsOrganizer, it.IsMeeting, it.Received)
		}
		if b, err = o.rebind(); err != nil || b.WeakChangeKeys != gromox {
			t.Errorf("weak change keys: %v %v", b.WeakChangeKeys, err)
		}
		if _, err := o.x.Get(t.Context(), o.ann, made.ID+"x"); class(t, err) != calendar.Missing && class(t, err) != calendar.Denied {
			t.Errorf("an id that is none: %v", err)
		}
		if err := o.srv.Remove(annAddr, made.ID); err != nil {
			t.Fatal(err)
		}
		if _, err := o.x.Get(t.Context(), o.ann, made.ID); class(t, err) != calendar.Missing {
			t.Errorf("a removed item: %v", err)
		}
	})
}

func (o *office) dialect() ewstest.Dialect {
	_, name, _ := strings.Cut(o.t.Name(), "/")
	return ewstest.Dialect(name)
}

// rebind binds again later, when what the watch found is forgotten.
func (o *office) rebind() (calendar.Binding, error) {
	time.Sleep(2 * time.Minute)
	return o.x.Bind(o.t.Context(), o.ann)
}

func TestBaselineIsLaterThanWhatIsThere(t *testing.T) {
	t.Parallel()
	second := time.Date(2026, 11, 24, 8, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		name              string
		now, commit, want time.Time
	}{
		{"quiet calendar", second.Add(400 * time.Millisecond), second.Add(-time.Hour), second},
		{"nothing said", second.Add(400 * time.Millisecond), time.Time{}, second},
		{"changed in this second", second.Add(400 * time.Millisecond), second.Add(200 * time.Millisecond), second.Add(time.Second)},
		{"changed in this second, in whole seconds", second.Add(400 * time.Millisecond), second, second.Add(time.Second)},
		{"server ahead", second, second.Add(time.Minute), second.Add(61 * time.Second)},
	} {
		if got := baseline(c.now, c.commit); !got.Equal(c.want) {
			t.Errorf("%s: %v, not %v", c.name, got, c.want)
		}
	}
}

func TestBaselineIsByTheServersClock(t *testing.T) {
	eachDialect(t, func(t *testing.T, o *office) {
		o.ahead = -time.Hour // ours would make everything old that is saved in the next hour
		b, err := o.x.Bind(t.Context(), o.ann)
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		made := o.meeting(ewstest.Item{Subject: "new"})
		if it := o.get(made.ID); it.Modified.Before(b.Now) {
			t.Errorf("saved at %v, after the baseline of %v was taken", it.Modified, b.Now)
		}
	})
}

func TestBodies(t *testing.T) {
	eachDialect(t, func(t *testing.T, o *office) {
		long := o.meeting(ewstest.Item{Subject: "long", Body: ewstest.Body{Type: "Text", Content: strings.Repeat("日本語 ", 250000)}})
		it := o.get(long.ID)
		if it.Body.Whole || len(it.Body.Content) > 2<<20 || len(it.Body.Content) < 1<<20 {
			t.Errorf("a body of 2.5 MB: whole %v, %d bytes", it.Body.Whole, len(it.Body.Content))
		}
		text := o.meeting(ewstest.Item{Subject: "text", Body: ewstest.Body{Type: "Text", Content: "plain\nlines"}})
		if it := o.get(text.ID); it.Body.Type != calendar.BodyText || !it.Body.Whole || !strings.HasPrefix(it.Body.Content, "plain") {
			t.Errorf("text: %+v", it.Body.Type)
		}
		o.srv.Fail(ewstest.Fault{Op: "GetItem", Illegal: true})
		if it := o.get(text.ID); !it.Body.Whole || !strings.Contains(it.Body.Content, "lines") {
			t.Errorf("illegal characters: %q", it.Body.Content)
		}
		o.srv.Fail(ewstest.Fault{Op: "GetItem", Code: "ErrorCorruptData", InBody: true})
		if it := o.get(text.ID); it.Body.Whole || it.Subject != "text" {
			t.Error("an item whose body the server cannot read")
		}
	})
}

// series makes a daily series with one occurrence moved, one changed in place
// and one deleted.
func (o *office) series(begin time.Time) ewstest.Item {
	o.t.Helper()
	master := o.meeting(ewstest.Item{
		Subject: "standup", Start: begin, End: begin.Add(15 * time.Minute), Zone: "W. Europe Standard Time", Body: ewstest.Body{Type: "Text", Content: "daily"},
		Recurrence: &ewstest.Recurrence{Pattern: ewstest.Daily, Start: ewstest.DateOf(begin)},
	})
	occurrence := func(day int) string {
		for _, it := range o.srv.View(annAddr, begin.AddDate(0, 0, day).Add(-time.Hour), begin.AddDate(0, 0, day).Add(2*time.Hour)) {
			return it.ID
		}
		o.t.Fatal("no occurrence")
		return ""
	}
	moved, gone := occurrence(10), occurrence(12)
	if err := o.srv.Edit(annAddr, moved, func(it *ewstest.Item) {
		it.Subject, it.Start, it.End = "standup, late", it.Start.Add(3*time.Hour), it.End.Add(3*time.Hour)
	}); err != nil {
		o.t.Fatal(err)
	}
	if err := o.srv.Remove(annAddr, gone); err != nil {
		o.t.Fatal(err)
	}
	return master
}

func TestView(t *testing.T) {
	eachDialect(t, func(t *testing.T, o *office) {
		begin := time.Now().UTC().Truncate(24*time.Hour).Add(9*time.Hour).AddDate(0, -2, 0)
		from := begin.AddDate(0, 0, 8)
		w := calendar.Window{From: from, To: from.AddDate(0, 0, 10)}
		master := o.series(begin)
		single := o.meeting(ewstest.Item{Subject: "single", Start: from.Add(time.Hour), End: from.Add(2 * time.Hour), Body: ewstest.Body{Type: "Text", Content: "once"}})
		o.meeting(ewstest.Item{Subject: "outside", Start: w.To.Add(time.Hour), End: w.To.Add(2 * time.Hour)})

		for round := range 2 { // the second one knows the server
			entries, masters, err := o.x.View(t.Context(), o.ann, w)
			if err != nil {
				t.Fatal(err)
			}
			if len(masters) != 1 || masters[0].ID != master.ID || masters[0].Kind != calendar.Master || masters[0].Body.Content == "" {
				t.Fatalf("round %d: %d masters", round, len(masters))
			}
			var got []string
			ids := map[string]bool{}
			for _, it := range entries {
				got = append(got, fmt.Sprintf("%s %s %s", it.Start.UTC().Format("2 15:04"), it.Kind, it.Subject))
				if it.Kind != calendar.Single && it.RecurrenceID.IsZero() || it.Key() == "" || ids[it.ID] {
					t.Errorf("an entry without names of its own: %v", it)
				}
				if it.Kind != calendar.Exception && !strings.Contains("daily once", strings.TrimSpace(it.Body.Content)) {
					t.Errorf("body of %s: %q", it.Subject, it.Body.Content)
				}
				ids[it.ID] = true
			}
			slices.Sort(got)
			want := []string{fmt.Sprintf("%s single single", single.Start.Format("2 15:04"))}
			for _, it := range o.srv.View(annAddr, w.From, w.To) {
				switch it.Subject {
				case "standup":
					want = append(want, it.Start.UTC().Format("2 15:04")+" occurrence standup")
				case "standup, late":
					want = append(want, it.Start.UTC().Format("2 15:04")+" exception standup, late")
				}
			}
			slices.Sort(want)
			if len(want) < 9 {
				t.Fatalf("the story is too thin: %q", want)
			}
			if !slices.Equal(got, want) {
				t.Errorf("round %d:\n got %q\nwant %q", round, got, want)
			}
		}
	})
}

func TestCrowdedCalendar(t *testing.T) {
	eachDialect(t, func(t *testing.T, o *office) {
		begin := time.Now().UTC().Truncate(time.Hour)
		for i := range 1300 {
			o.meeting(ewstest.Item{Subject: fmt.Sprint("m", i), Start: begin.Add(time.Duration(i) * 30 * time.Minute)})
		}
		found, err := o.x.findAll(t.Context(), o.ann, calendar.Window{From: begin, To: begin.AddDate(0, 0, 31)}, 0)
		ids := map[string]bool{}
		for i := range found {
			ids[found[i].ItemID.ID] = true
		}
		if err != nil || len(found) != 1300 || len(ids) != 1300 {
			t.Errorf("%d entries, %d of them different, %v", len(found), len(ids), err)
		}
		entries, _, err := o.x.View(t.Context(), o.ann, calendar.Window{From: begin.Add(time.Minute), To: begin.Add(29 * time.Hour)})
		if err != nil || len(entries) != 58 {
			t.Errorf("%d entries, %v", len(entries), err)
		}
		for _, c := range o.srv.CallsTo("GetItem", annAddr) {
			if len(c.Items) > 25 {
				t.Fatalf("%d items in one request", len(c.Items))
			}
		}
	})
}

func TestViewWhereSomeItemsFail(t *testing.T) {
	t.Parallel()
	inOffice(t, ewstest.Exchange2019, nil, func(t *testing.T, o *office) {
		for i := range 30 {
			o.meeting(ewstest.Item{Subject: fmt.Sprint("m", i)})
		}
		w := calendar.Window{From: time.Now(), To: time.Now().AddDate(0, 0, 1)}
		for _, c := range []struct {
			fault ewstest.Fault
			want  calendar.FaultClass
			n     int
		}{
			{ewstest.Fault{Op: "GetItem", Code: "ErrorItemNotFound", InBody: true, Skip: 1}, "", 19}, // the second batch has eleven
			{ewstest.Fault{Op: "GetItem", Code: "ErrorBatchProcessingStopped", InBody: true}, calendar.Wait, 0},
			{ewstest.Fault{Op: "GetItem", Code: "ErrorItemCorrupt", InBody: true, Skip: 1}, "", 30},
			{ewstest.Fault{Op: "GetItem", BackOff: time.Minute, InBody: true}, calendar.Wait, 0},
		} {
			o.srv.Fail(c.fault)
			entries, _, err := o.x.View(t.Context(), o.ann, w)
			if class(t, err) != c.want || len(entries) != c.n {
				t.Errorf("%s: %d entries, %v", c.fault.Code, len(entries), err)
			}
			o.srv.Heal()
			time.Sleep(2 * time.Minute)
		}
	})
}

func TestChanges(t *testing.T) {
	eachDialect(t, func(t *testing.T, o *office) {
		for i := range 600 { // more than one page
			o.meeting(ewstest.Item{Subject: fmt.Sprint("m", i)})
		}
		all := func(state string) (changes []calendar.Change, next string) {
			for {
				page, err := o.x.Changes(t.Context(), o.ann, state)
				if err != nil {
					t.Fatal(err)
				}
				changes = append(changes, page.Changes...)
				if state = page.State; !page.More {
					return changes, state
				}
			}
		}
		first, state := all("")
		if len(first) != 600 {
			t.Errorf("%d changes from nothing", len(first))
		}
		made := o.meeting(ewstest.Item{Subject: "new"})
		if err := o.srv.Remove(annAddr, first[0].ID); err != nil {
			t.Fatal(err)
		}
		second, state := all(state)
		want := []calendar.Change{{Kind: calendar.Upsert, ID: made.ID}, {Kind: calendar.Delete, ID: first[0].ID}}
		if len(second) != 2 || !slices.Contains(second, want[0]) || !slices.Contains(second, want[1]) {
			t.Errorf("second: %d changes", len(second))
		}
		o.srv.ForgetSyncStates(annAddr)
		page, err := o.x.Changes(t.Context(), o.ann, state)
		if o.dialect() == ewstest.Gromox {
			if err != nil || len(page.Changes) < 512 {
				t.Errorf("a silent start from nothing: %v", err)
			}
		} else if class(t, err) != calendar.StateLost {
			t.Errorf("a sync state that is lost: %v", err)
		}
	})
}
