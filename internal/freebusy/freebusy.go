// Package freebusy finds the times at which people and rooms can meet.
//
//	free := freebusy.Of(person, window)           // free, tentative, busy, oof, elsewhere or nodata
//	best := freebusy.Suggest(freebusy.Wanted{…}, 5)
//
// What is known of somebody's time comes as a [calendar.Availability]. Of whom
// nothing is known is never taken for free: their state is nodata, which is
// neither, and a suggestion names them.
//
// A suggestion is a start at which the meeting fits. They are ranked by who
// cannot come, by who would come outside of their working hours, by whose time
// is uncertain, and then by which comes first; among rooms, one that is free is
// enough. The package is pure and linear in the stretches it is given.
package freebusy

import (
	"cmp"
	"slices"
	"time"

	"github.com/koyomi-cal/koyomi/internal/calendar"
)

// The states of somebody's time, from the least to the most in the way.
const (
	Free        = "free"
	Elsewhere   = "elsewhere"
	Tentative   = "tentative"
	NoData      = "nodata"
	Busy        = "busy"
	OutOfOffice = "oof"
)

// rank orders the states. What nobody knows counts as busy.
func rank(showAs string) int {
	return slices.Index([]string{Free, Elsewhere, Tentative, NoData, Busy, OutOfOffice}, known(showAs))
}

func known(showAs string) string {
	switch showAs {
	case Free, Elsewhere, Tentative, NoData, OutOfOffice:
		return showAs
	}
	return Busy
}

// Of returns the state of somebody's time in a window: the one most in the way.
func Of(a calendar.Availability, w calendar.Window) string {
	if a.Fault != "" {
		return NoData
	}
	worst := Free
	for _, b := range a.Busy {
		if b.From.Before(b.To) && b.From.Before(w.To) && w.From.Before(b.To) && rank(b.ShowAs) > rank(worst) {
			worst = known(b.ShowAs)
		}
	}
	return worst
}

// Works reports whether a window lies within somebody's working hours. It is
// true where these are not known.
func Works(h *calendar.Hours, w calendar.Window) bool {
	if h == nil || len(h.Spans) == 0 {
		return true
	}
	zone := h.Zone
	if zone == nil {
		zone = time.UTC
	}
	from, to := w.From.In(zone), w.To.In(zone)
	midnight := time.Date(from.Year(), from.Month(), from.Day(), 0, 0, 0, 0, zone)
	for _, s := range h.Spans {
		if s.Days[from.Weekday()] && !from.Before(clock(midnight, s.From)) && !to.After(clock(midnight, s.To)) {
			return true
		}
	}
	return false
}

// clock returns when the clock shows a time on the day that begins at midnight,
// however long that day is.
func clock(midnight time.Time, d time.Duration) time.Time {
	y, m, day := midnight.Date()
	return time.Date(y, m, day, 0, 0, int(d/time.Second), 0, midnight.Location())
}

// Wanted is a meeting that looks for its time.
type Wanted struct {
	Window   calendar.Window // within which it has to lie
	Duration time.Duration
	Step     time.Duration           // between starts, counted from the hour; default 30 min
	Required []calendar.Availability // have to come
	Optional []calendar.Availability
	Rooms    []calendar.Availability // one of them is enough; none: no room is wanted
}

// Suggestion is a time at which a meeting could be.
type Suggestion struct {
	calendar.Window
	Missing   []string // addresses of the required who cannot come
	Unknown   []string // of whom nothing is known
	Tentative []string // who have something there that is not certain
	Outside   []string // who would come outside of their working hours
	Absent    []string // the optional who cannot come
	Room      string   // address of the first room that is free; empty: none
}

// maxStarts bounds how many starts are looked at.
const maxStarts = 10000

// Suggest returns the n best times. Times at which none of the required can come
// or, where one is wanted, no room is free, are left out.
func Suggest(w Wanted, n int) []Suggestion {
	step := w.Step
	if step <= 0 {
		step = 30 * time.Minute
	}
	if w.Duration <= 0 || n <= 0 {
		return nil
	}
	var all []Suggestion
	start := w.Window.From.Truncate(step)
	if start.Before(w.Window.From) {
		start = start.Add(step)
	}
	for range maxStarts {
		span := calendar.Window{From: start, To: start.Add(w.Duration)}
		if span.To.After(w.Window.To) {
			break
		}
		if s, ok := w.at(span); ok {
			all = append(all, s)
		}
		start = start.Add(step)
	}
	slices.SortStableFunc(all, compare)
	return all[:min(n, len(all))]
}

// at looks at one time.
func (w *Wanted) at(span calendar.Window) (Suggestion, bool) {
	s := Suggestion{Window: span}
	for _, a := range w.Required {
		switch Of(a, span) {
		case Busy, OutOfOffice:
			s.Missing = append(s.Missing, a.Address)
			continue
		case NoData:
			s.Unknown = append(s.Unknown, a.Address)
		case Tentative:
			s.Tentative = append(s.Tentative, a.Address)
		}
		if !Works(a.Hours, span) {
			s.Outside = append(s.Outside, a.Address)
		}
	}
	for _, a := range w.Optional {
		if state := Of(a, span); state == Busy || state == OutOfOffice {
			s.Absent = append(s.Absent, a.Address)
		}
	}
	for _, r := range w.Rooms {
		if Of(r, span) == Free {
			s.Room = r.Address
			break
		}
	}
	nobody := len(w.Required) > 0 && len(s.Missing) == len(w.Required)
	return s, !nobody && (len(w.Rooms) == 0 || s.Room != "")
}

func compare(a, b Suggestion) int {
	return cmp.Or(
		cmp.Compare(len(a.Missing), len(b.Missing)),
		cmp.Compare(len(a.Outside), len(b.Outside)),
		cmp.Compare(len(a.Unknown)+len(a.Tentative), len(b.Unknown)+len(b.Tentative)),
		cmp.Compare(len(a.Absent), len(b.Absent)),
		a.From.Compare(b.From),
	)
}
