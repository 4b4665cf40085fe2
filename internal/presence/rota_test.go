package presence

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/koyomi-cal/koyomi/internal/calendar"
)

// run plays a rota for a while and returns when each person was looked at.
func run(r *Rota, from, to time.Time) map[calendar.MailboxID][]time.Time {
	looks := map[calendar.MailboxID][]time.Time{}
	for now := from; ; {
		id, due, ok := r.Next(now)
		if !ok {
			return looks
		}
		if due.After(now) {
			now = due
		}
		if !now.Before(to) {
			return looks
		}
		looks[id] = append(looks[id], now)
		r.Looked(id, now)
	}
}

func filled(n int, requests float64) *Rota {
	r := NewRota(requests)
	for i := range n {
		r.Add(name(i))
	}
	return r
}

func name(i int) calendar.MailboxID { return calendar.MailboxID(fmt.Sprintf("m%05d", i)) }

func TestRotaIntervals(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		people, watched  int
		requests         float64
		soon, otherwise  time.Duration
		stretched, never bool
	}{
		{people: 100, watched: 10, requests: 100, soon: time.Minute, otherwise: 15 * time.Minute},
		{people: 900, requests: 10, soon: time.Minute, otherwise: 15 * time.Minute},
		{people: 1800, requests: 10, soon: time.Minute, otherwise: 30 * time.Minute},
		{people: 90, watched: 60, requests: 10, soon: time.Minute, otherwise: 15 * time.Minute, stretched: true},
		{people: 1080, watched: 1080, requests: 10, soon: 18 * time.Minute, otherwise: 15 * time.Minute},
		{people: 10, watched: 5},
	} {
		r := filled(tc.people, tc.requests)
		for i := range tc.watched {
			r.Watch(name(i), noon.Add(time.Hour))
		}
		soon, otherwise := r.Intervals()
		if tc.stretched {
			if soon < time.Minute || otherwise < 15*time.Minute {
				t.Errorf("%+v: every %v and %v", tc, soon, otherwise)
			}
			continue
		}
		if soon.Round(time.Second) != tc.soon || otherwise.Round(time.Second) != tc.otherwise {
			t.Errorf("%+v: every %v and %v", tc, soon, otherwise)
		}
	}
}

// However many people there are and however many are watched, looks stay below
// a tenth of the budget, everybody has a turn, and whoever is watched has it at
// least as often.
func TestRotaBudget(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		people := rapid.IntRange(1, 200).Draw(t, "people")
		watched := rapid.IntRange(0, people).Draw(t, "watched")
		requests := rapid.Float64Range(0.5, 100).Draw(t, "requests")
		r := filled(people, requests)
		for i := range watched {
			r.Watch(name(i), at(10000))
		}
		soon, seldom := r.Intervals()
		span := 3*max(soon, seldom) + time.Duration(float64(people)/(requests*share)*float64(time.Second))
		looks := run(r, noon, noon.Add(span))
		total := 0
		for i := range people {
			l := looks[name(i)]
			total += len(l)
			if len(l) < 2 {
				t.Fatalf("%d of %d watched: number %d was looked at %d times in %v", watched, people, i, len(l), span)
			}
			every := seldom
			if i < watched {
				every = soon
			}
			for k := 1; k < len(l); k++ {
				if l[k].Sub(l[k-1]) < every-time.Millisecond {
					t.Fatalf("number %d was looked at after %v, its turn is every %v", i, l[k].Sub(l[k-1]), every)
				}
			}
		}
		if limit := requests*share*span.Seconds() + 1; float64(total) > limit {
			t.Fatalf("%d looks in %v, a tenth of the budget is %.1f", total, span, limit)
		}
	})
}

func TestRotaWatch(t *testing.T) {
	t.Parallel()
	r := filled(2, 100)
	run(r, noon, at(1))
	if _, due, _ := r.Next(at(1)); due.Before(at(14)) {
		t.Fatalf("looked at again at %v, unwatched", due)
	}
	r.Watch(name(1), at(5))
	r.Watch(name(7), at(5)) // nobody
	id, due, _ := r.Next(at(1))
	if id != name(1) || due.After(at(2)) {
		t.Fatalf("%s at %v, want the watched one within a minute", id, due)
	}
	looks := run(r, at(1), at(12))
	if n := len(looks[name(1)]); n < 4 || n > 6 {
		t.Errorf("watched for four minutes: %d looks", n)
	}
	r.Remove(name(0))
	r.Remove(name(0))
	for range 3 {
		id, due, ok := r.Next(at(12))
		if !ok || id != name(1) {
			t.Fatalf("%s at %v, %v", id, due, ok)
		}
		r.Looked(id, due)
	}
	r.Looked(name(0), at(90)) // its answer came after it left
	r.Budget(0)
	if _, _, ok := r.Next(at(100)); ok {
		t.Error("a look without a budget")
	}
	r.Budget(10)
	r.Remove(name(1))
	if _, _, ok := r.Next(at(100)); ok {
		t.Error("a look at nobody")
	}
}

func BenchmarkRota(b *testing.B) {
	r := filled(100_000, 5000)
	now := noon
	for b.Loop() {
		id, due, _ := r.Next(now)
		now = due
		r.Looked(id, now)
	}
}
