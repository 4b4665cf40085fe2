package freebusy

import (
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/koyomi-cal/koyomi/internal/calendar"
)

var monday = time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)

func at(hours float64) time.Time { return monday.Add(time.Duration(hours * float64(time.Hour))) }

func span(from, to float64) calendar.Window { return calendar.Window{From: at(from), To: at(to)} }

func who(address string, busy ...calendar.Busy) calendar.Availability {
	return calendar.Availability{Address: address, Busy: busy}
}

func is(state string, from, to float64) calendar.Busy {
	return calendar.Busy{Window: span(from, to), ShowAs: state}
}

func TestOf(t *testing.T) {
	t.Parallel()
	a := who("a", is(Busy, 9, 10), is(Tentative, 9.5, 11), is(OutOfOffice, 12, 13), is(Elsewhere, 14, 18), is(Free, 14, 15), is("strange", 20, 21))
	for _, c := range []struct {
		from, to float64
		want     string
	}{
		{8, 9, Free}, {8, 9.1, Busy}, {9.9, 10.5, Busy}, {10, 11, Tentative}, {11, 12, Free}, {9, 13, OutOfOffice}, {14, 15, Elsewhere}, {20, 20.5, Busy},
	} {
		if got := Of(a, span(c.from, c.to)); got != c.want {
			t.Errorf("%v to %v: %s, want %s", c.from, c.to, got, c.want)
		}
	}
	a.Fault = calendar.Denied
	if got := Of(a, span(8, 9)); got != NoData {
		t.Errorf("of whom nothing is known is %s", got)
	}
}

func TestWorks(t *testing.T) {
	t.Parallel()
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	h := &calendar.Hours{Zone: berlin, Spans: []calendar.Span{{Days: [7]bool{time.Monday: true, time.Sunday: true}, From: 9 * time.Hour, To: 17 * time.Hour}}}
	summer := time.Date(2026, 3, 29, 0, 0, 0, 0, berlin) // a Sunday of 23 hours
	for name, c := range map[string]struct {
		w    calendar.Window
		want bool
	}{
		"morning":             {span(8, 9), true}, // nine o'clock in Berlin
		"too early":           {span(7.5, 8.5), false},
		"the last hour":       {span(15, 16), true},
		"too late":            {span(15.5, 16.5), false},
		"Tuesday":             {span(24+8, 24+9), false},
		"over night":          {span(8, 24+9), false},
		"the day of 23 hours": {calendar.Window{From: summer.Add(8 * time.Hour), To: summer.Add(9 * time.Hour)}, true},
		"its eighth hour":     {calendar.Window{From: summer.Add(7 * time.Hour), To: summer.Add(8 * time.Hour)}, false},
	} {
		if got := Works(h, c.w); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
	if !Works(nil, span(3, 4)) || !Works(&calendar.Hours{}, span(3, 4)) {
		t.Error("hours that are not known are in the way")
	}
	if !Works(&calendar.Hours{Spans: h.Spans}, span(9, 10)) {
		t.Error("hours without a zone")
	}
}

func TestSuggest(t *testing.T) {
	t.Parallel()
	hours := &calendar.Hours{Spans: []calendar.Span{{Days: [7]bool{time.Monday: true}, From: 9 * time.Hour, To: 17 * time.Hour}}}
	ann, ben := who("ann", is(Busy, 9, 11)), who("ben", is(Tentative, 11, 12))
	ann.Hours = hours
	far := calendar.Availability{Address: "far", Fault: calendar.Denied}
	show := func(s []Suggestion) string {
		var lines []string
		for _, x := range s {
			l := x.From.Format("15:04")
			for _, p := range []struct {
				sign string
				of   []string
			}{{"-", x.Missing}, {"?", x.Unknown}, {"~", x.Tentative}, {"!", x.Outside}, {"o", x.Absent}} {
				for _, a := range p.of {
					l += " " + p.sign + a
				}
			}
			if x.Room != "" {
				l += " @" + x.Room
			}
			lines = append(lines, l)
		}
		return strings.Join(lines, ", ")
	}
	for name, c := range map[string]struct {
		wanted Wanted
		want   string
	}{
		"free, then tentative, then outside, then missing": {
			Wanted{Window: span(8.2, 13), Duration: time.Hour, Step: time.Hour, Required: []calendar.Availability{ann, ben}},
			"12:00, 11:00 ~ben, 09:00 -ann, 10:00 -ann",
		},
		"outside of working hours": {
			Wanted{Window: span(7, 9), Duration: time.Hour, Required: []calendar.Availability{ann, ben}},
			"07:00 !ann, 07:30 !ann, 08:00 !ann",
		},
		"nobody can come": {Wanted{Window: span(9, 10), Duration: time.Hour, Required: []calendar.Availability{ann}}, ""},
		"somebody unknown": {
			Wanted{Window: span(12, 13), Duration: time.Hour, Required: []calendar.Availability{ann, far}, Optional: []calendar.Availability{who("opt", is(Busy, 12, 13))}},
			"12:00 ?far oopt",
		},
		"a room is wanted": {
			Wanted{Window: span(12, 14), Duration: time.Hour, Step: time.Hour, Rooms: []calendar.Availability{who("blue", is(Busy, 12, 14)), who("red", is(Tentative, 12, 13)), far}},
			"13:00 @red",
		},
		"too long":    {Wanted{Window: span(12, 13), Duration: 2 * time.Hour}, ""},
		"no duration": {Wanted{Window: span(12, 13)}, ""},
	} {
		if got := show(Suggest(c.wanted, 4)); got != c.want {
			t.Errorf("%s:\ngot  %s\nwant %s", name, got, c.want)
		}
	}
	if s := Suggest(Wanted{Window: span(0, 1e6), Duration: time.Hour}, 1e6); len(s) != maxStarts {
		t.Errorf("%d starts were looked at", len(s))
	}
}

// A suggestion without anybody missing is one at which a minute-by-minute look
// finds nobody busy.
func TestSuggestTruth(t *testing.T) {
	t.Parallel()
	states := []string{Free, Elsewhere, Tentative, NoData, Busy, OutOfOffice}
	rapid.Check(t, func(t *rapid.T) {
		var people []calendar.Availability
		for range rapid.IntRange(1, 4).Draw(t, "people") {
			a := who("p")
			for range rapid.IntRange(0, 5).Draw(t, "stretches") {
				from := rapid.IntRange(0, 40).Draw(t, "from")
				a.Busy = append(a.Busy, is(rapid.SampledFrom(states).Draw(t, "state"), float64(from)/4, float64(from+rapid.IntRange(0, 8).Draw(t, "length"))/4))
			}
			people = append(people, a)
		}
		w := Wanted{Window: span(0, 12), Duration: 45 * time.Minute, Step: 15 * time.Minute, Required: people}
		for _, s := range Suggest(w, 1000) {
			missing := 0
			for _, a := range people {
				busy := false
				for m := s.From; m.Before(s.To); m = m.Add(time.Minute) {
					for _, b := range a.Busy {
						busy = busy || (b.ShowAs == Busy || b.ShowAs == OutOfOffice) && !m.Before(b.From) && m.Before(b.To)
					}
				}
				if busy {
					missing++
				}
			}
			if missing != len(s.Missing) || missing == len(people) {
				t.Fatalf("at %v %d are busy, %d said to be missing", s.From, missing, len(s.Missing))
			}
		}
	})
}
