package exchange

import (
	"slices"
	"time"

	"github.com/koyomi-cal/koyomi/ews"
	"github.com/koyomi-cal/koyomi/internal/calendar"
)

// years bounds how long a pattern is followed.
const years = 60

// steps is how many steps of a pattern can lie in these years.
func steps(p ews.RecurrencePattern) int {
	switch p {
	case ews.Daily:
		return years * 366
	case ews.Weekly:
		return years * 53
	case ews.AbsoluteMonthly, ews.RelativeMonthly:
		return years * 12
	}
	return years
}

// expand returns the times of a series' occurrences in a window, deleted ones
// left out, modified ones at their original times ([MS-OXOCAL] 2.2.1.44,
// [MS-OXWSCDATA] 2.2.4.63). Days are those of the series' time zone.
func expand(master *ews.CalendarItem, w calendar.Window) []calendar.Window {
	deleted := make(map[int64]bool, len(master.DeletedOccurrences))
	for _, d := range master.DeletedOccurrences {
		deleted[d.Unix()] = true
	}
	var out []calendar.Window
	follow(master, func(o calendar.Window) bool {
		if !o.From.Before(w.To) {
			return false
		}
		if w.Contains(o.From, o.To) && !deleted[o.From.Unix()] {
			out = append(out, o)
		}
		return true
	})
	return out
}

// seriesEnd is when the last occurrence ends; zero where there is no last one.
func seriesEnd(master *ews.CalendarItem) time.Time {
	r := master.Recurrence
	if r == nil || r.EndDate == "" && r.Count == 0 {
		return time.Time{}
	}
	var last time.Time
	follow(master, func(o calendar.Window) bool {
		last = o.To
		return true
	})
	for _, o := range master.ModifiedOccurrences {
		if o.End.After(last) {
			last = o.End
		}
	}
	return last
}

// follow calls visit with each occurrence in order until it returns false.
func follow(master *ews.CalendarItem, visit func(calendar.Window) bool) {
	p := newPattern(master)
	if p == nil {
		return
	}
	counted := 0
	for step := range steps(p.Pattern) {
		for _, day := range p.days(step) {
			if day.Before(p.first) {
				continue
			}
			if !p.last.IsZero() && day.After(p.last) || p.count > 0 && counted >= p.count {
				return
			}
			counted++
			from := day.Add(p.clock)
			from = time.Date(from.Year(), from.Month(), from.Day(), from.Hour(), from.Minute(), from.Second(), 0, p.zone)
			if !visit(calendar.Window{From: from, To: from.Add(p.length)}) {
				return
			}
		}
	}
}

// pattern is a recurrence made ready to be followed. Days are midnights in UTC
// that stand for a date; a clock time in the zone makes them moments.
type pattern struct {
	ews.Recurrence
	zone        *time.Location
	first, last time.Time // dates; last may be zero
	count       int
	clock       time.Duration // time of day of the start
	length      time.Duration
	weekdays    []time.Weekday
	month       time.Month
}

func newPattern(master *ews.CalendarItem) *pattern {
	if master.Recurrence == nil {
		return nil
	}
	p := &pattern{Recurrence: *master.Recurrence, zone: zoneOf(master), count: master.Recurrence.Count, length: max(master.End.Sub(master.Start), 0)}
	p.Interval = max(p.Interval, 1)
	start := master.Start.In(p.zone)
	p.clock = time.Duration(start.Hour())*time.Hour + time.Duration(start.Minute())*time.Minute + time.Duration(start.Second())*time.Second
	p.first = date(start)
	if d, ok := parseDate(p.StartDate); ok {
		p.first = d
	}
	if d, ok := parseDate(p.EndDate); ok {
		p.last = d
	}
	for _, name := range p.DaysOfWeek {
		p.weekdays = append(p.weekdays, weekdaysOf(name)...)
	}
	for m := time.January; m <= time.December; m++ {
		if m.String() == p.Month {
			p.month = m
		}
	}
	return p
}

func date(t time.Time) time.Time {
	return time.Date(t.Year(), t.Month(), t.Day(), 0, 0, 0, 0, time.UTC)
}

// parseDate reads a date; servers add a zone to it at times.
func parseDate(s string) (time.Time, bool) {
	if len(s) < len(time.DateOnly) {
		return time.Time{}, false
	}
	d, err := time.Parse(time.DateOnly, s[:len(time.DateOnly)])
	return d, err == nil
}

func weekdaysOf(name string) []time.Weekday {
	switch name {
	case "Day":
		return []time.Weekday{0, 1, 2, 3, 4, 5, 6}
	case "Weekday":
		return []time.Weekday{1, 2, 3, 4, 5}
	case "WeekendDay":
		return []time.Weekday{time.Saturday, time.Sunday}
	}
	for d := time.Sunday; d <= time.Saturday; d++ {
		if d.String() == name {
			return []time.Weekday{d}
		}
	}
	return nil
}

// days returns the dates of one step of the pattern: a day, a week, a month or
// a year, in order.
func (p *pattern) days(step int) []time.Time {
	switch p.Pattern {
	case ews.Daily:
		return []time.Time{p.first.AddDate(0, 0, step*p.Interval)}
	case ews.Weekly:
		return p.week(step)
	case ews.AbsoluteMonthly, ews.RelativeMonthly:
		y, m, _ := p.first.Date()
		return p.inMonth(time.Date(y, m+time.Month(step*p.Interval), 1, 0, 0, 0, 0, time.UTC))
	case ews.AbsoluteYearly, ews.RelativeYearly:
		if p.month == 0 {
			return nil
		}
		return p.inMonth(time.Date(p.first.Year()+step, p.month, 1, 0, 0, 0, 0, time.UTC))
	}
	return nil
}

func (p *pattern) week(step int) []time.Time {
	begin := time.Sunday
	if d := weekdaysOf(p.FirstDayOfWeek); len(d) == 1 {
		begin = d[0]
	}
	back := (int(p.first.Weekday()) - int(begin) + 7) % 7
	monday := p.first.AddDate(0, 0, -back+7*step*p.Interval)
	var out []time.Time
	for i := range 7 {
		if day := monday.AddDate(0, 0, i); slices.Contains(p.weekdays, day.Weekday()) {
			out = append(out, day)
		}
	}
	return out
}

// inMonth returns the date in a month: an absolute day, which in a shorter month
// is its last, or the n-th of some weekdays.
func (p *pattern) inMonth(first time.Time) []time.Time {
	length := first.AddDate(0, 1, -1).Day()
	if p.Pattern == ews.AbsoluteMonthly || p.Pattern == ews.AbsoluteYearly {
		if p.DayOfMonth < 1 {
			return nil
		}
		return []time.Time{first.AddDate(0, 0, min(p.DayOfMonth, length)-1)}
	}
	n := slices.Index([]string{"First", "Second", "Third", "Fourth", "Last"}, p.DayOfWeekIndex)
	var hits []time.Time
	for i := range length {
		if day := first.AddDate(0, 0, i); slices.Contains(p.weekdays, day.Weekday()) {
			hits = append(hits, day)
		}
	}
	switch {
	case n < 0 || len(hits) == 0:
		return nil
	case n == 4:
		return hits[len(hits)-1:]
	case n >= len(hits):
		return nil
	}
	return hits[n : n+1]
}
