package presence

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/koyomi-cal/koyomi/internal/calendar"
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func at(minutes int) time.Time { return noon.Add(time.Duration(minutes) * time.Minute) }

func away(from, to int) calendar.Busy {
	return calendar.Busy{Window: calendar.Window{From: at(from), To: at(to)}, ShowAs: "oof"}
}

func TestPresence(t *testing.T) {
	t.Parallel()
	const off, on, scheduled = calendar.RepliesOff, calendar.RepliesOn, calendar.RepliesScheduled
	replies := func(s calendar.RepliesState, from, to time.Time) calendar.Replies {
		return calendar.Replies{State: s, From: from, To: to}
	}
	busy := away(0, 60)
	busy.ShowAs = "busy"
	for name, tc := range map[string]struct {
		look   Look
		now    int
		out    bool
		to     int // minutes; 0: open
		change int // minutes; 0: never
	}{
		"off":                        {look: Look{Replies: replies(off, at(-60), at(60))}},
		"on":                         {look: Look{Replies: calendar.Replies{State: on}}, out: true},
		"on, a period left over":     {look: Look{Replies: replies(on, at(60), at(120))}, out: true},
		"before a scheduled one":     {look: Look{Replies: replies(scheduled, at(60), at(120))}, change: 60},
		"its first second":           {look: Look{Replies: replies(scheduled, at(60), at(120))}, now: 60, out: true, to: 120, change: 120},
		"its last second is over":    {look: Look{Replies: replies(scheduled, at(60), at(120))}, now: 120},
		"a period of no length":      {look: Look{Replies: replies(scheduled, at(0), at(0))}},
		"a period turned round":      {look: Look{Replies: replies(scheduled, at(60), at(-60))}},
		"busy is not out of office":  {look: Look{Busy: []calendar.Busy{busy}}},
		"a trip in the calendar":     {look: Look{Busy: []calendar.Busy{away(-5, 30)}}, out: true, to: 30, change: 30},
		"trips that touch":           {look: Look{Busy: []calendar.Busy{away(30, 50), away(-5, 30)}}, out: true, to: 50, change: 50},
		"a trip within the replies":  {look: Look{Replies: replies(scheduled, at(-60), at(90)), Busy: []calendar.Busy{away(-5, 30)}}, out: true, to: 90, change: 90},
		"a trip beyond the replies":  {look: Look{Replies: replies(scheduled, at(-60), at(90)), Busy: []calendar.Busy{away(80, 100)}}, out: true, to: 100, change: 100},
		"between two trips":          {look: Look{Busy: []calendar.Busy{away(-60, -5), away(10, 20)}}, change: 10},
		"off, but a trip is coming":  {look: Look{Replies: calendar.Replies{State: off}, Busy: []calendar.Busy{away(10, 20)}}, change: 10},
		"on goes before what is due": {look: Look{Replies: calendar.Replies{State: on}, Busy: []calendar.Busy{away(10, 20)}}, out: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tc.look.At = noon
			p, change := tc.look.Presence(at(tc.now), time.Hour)
			want := calendar.Presence{OutOfOffice: tc.out, Expires: at(60)}
			if p.OutOfOffice != want.OutOfOffice || !p.Expires.Equal(want.Expires) {
				t.Errorf("out of office %v until %v, expires %v", p.OutOfOffice, p.To, p.Expires)
			}
			if tc.to != 0 && !p.To.Equal(at(tc.to)) || tc.to == 0 && !p.To.IsZero() {
				t.Errorf("back at %v, want minute %d", p.To, tc.to)
			}
			if tc.change != 0 && !change.Equal(at(tc.change)) || tc.change == 0 && !change.IsZero() {
				t.Errorf("changes at %v, want minute %d", change, tc.change)
			}
		})
	}
}

// What Presence says of a minute equals what the stretches say one by one, and
// nothing changes before the time it names.
func TestPresenceChange(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		look := Look{At: noon}
		r := &look.Replies
		r.State = rapid.SampledFrom([]calendar.RepliesState{calendar.RepliesOff, calendar.RepliesOn, calendar.RepliesScheduled}).Draw(t, "state")
		minute := rapid.IntRange(-20, 20)
		r.From, r.To = at(minute.Draw(t, "from")), at(minute.Draw(t, "to"))
		for range rapid.IntRange(0, 4).Draw(t, "n") {
			look.Busy = append(look.Busy, away(minute.Draw(t, "start"), minute.Draw(t, "end")))
		}
		truth := func(m int) bool {
			in := func(from, to time.Time) bool { return !at(m).Before(from) && at(m).Before(to) }
			return r.State == calendar.RepliesOn || r.State == calendar.RepliesScheduled && in(r.From, r.To) ||
				slices.ContainsFunc(look.Busy, func(b calendar.Busy) bool { return in(b.From, b.To) })
		}
		for m := -25; m < 25; m++ {
			p, change := look.Presence(at(m), time.Hour)
			if p.OutOfOffice != truth(m) {
				t.Fatalf("minute %d: out of office %v", m, p.OutOfOffice)
			}
			for k := m + 1; k < 25; k++ {
				if truth(k) != truth(m) {
					if !change.Equal(at(k)) {
						t.Fatalf("minute %d: changes at %v, not at minute %d", m, change, k)
					}
					break
				}
				if change.Equal(at(k)) {
					t.Fatalf("minute %d: nothing changes at minute %d", m, k)
				}
			}
		}
	})
}
