package ews

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// day is a date: days since 1970-01-01.
type day int64

// lastDay is the last day that a calendar of Exchange can hold, 4500-08-31
// ([MS-OXOCAL] 2.2.1.44.1, EndDate, means "no end" by it).
const lastDay day = 924306

// dayIn returns the date of a moment in a zone.
func dayIn(t time.Time, loc *time.Location) day {
	y, m, d := t.In(loc).Date()
	return dayFrom(y, m, d)
}

func dayFrom(y int, m time.Month, d int) day {
	return day(time.Date(y, m, d, 0, 0, 0, 0, time.UTC).Unix() / 86400)
}

func (d day) date() (int, time.Month, int) { return time.Unix(int64(d)*86400, 0).UTC().Date() }

func (d day) weekday() time.Weekday { return time.Weekday((d%7 + 7 + 4) % 7) }

// weekdaySet is a set of days of the week.
type weekdaySet uint8

// weekdays reads names of days, and of sets of days ([MS-OXWSCDATA] 2.2.5.9,
// DayOfWeekType), separated by white space. Unknown words count for nothing.
func weekdays(s string) (set weekdaySet) {
	for word := range strings.FieldsSeq(s) {
		switch word {
		case "Day":
			set |= 0b1111111
		case "Weekday":
			set |= 0b0111110
		case "WeekendDay":
			set |= 0b1000001
		}
		for d := time.Sunday; d <= time.Saturday; d++ {
			if d.String() == word {
				set |= 1 << d
			}
		}
	}
	return set
}

// before returns how many days of the set come before a day in a week that
// begins on first.
func (s weekdaySet) before(d, first time.Weekday) (n int) {
	for w := first; w != d; w = (w + 1) % 7 {
		n += int(s >> w & 1)
	}
	return n
}

func (s weekdaySet) size() (n int) {
	for ; s != 0; s >>= 1 {
		n += int(s & 1)
	}
	return n
}

// rule is a pattern with its range ([MS-OXOCAL] 2.2.1.44.1), made ready to say
// of each of its days which it is: every pattern that a server can send has the
// same number of days in each of its periods, so that no day has to be counted
// up to.
type rule struct {
	pattern  RecurrencePattern
	interval int64
	days     weekdaySet
	first    time.Weekday // of the week
	index    int          // 0 to 3, or 4 for the last
	of       int          // day of the month
	month    time.Month
	start    day // the range begins, and the first period holds it
	end      day // the last day of the range
	count    int // of occurrences; 0: no limit
	skipped  int64
}

// newRule reads a pattern and its range. start is where the range begins if it
// does not say so itself, or something earlier.
func newRule(r *Recurrence, start day) (*rule, error) {
	p := &rule{
		pattern: r.Pattern, interval: int64(min(max(r.Interval, 1), 9999)), days: weekdays(strings.Join(r.DaysOfWeek, " ")),
		of: r.DayOfMonth, start: start, end: lastDay, count: max(r.Count, 0),
		index: slices.Index([]string{"First", "Second", "Third", "Fourth", "Last"}, r.DayOfWeekIndex),
	}
	for d := time.Sunday; d <= time.Saturday; d++ {
		if d.String() == r.FirstDayOfWeek {
			p.first = d
		}
	}
	for m := time.January; m <= time.December; m++ {
		if m.String() == r.Month {
			p.month = m
		}
	}
	if d, ok := parseDay(r.StartDate); ok && d > start {
		p.start = d
	}
	if d, ok := parseDay(r.EndDate); ok {
		p.end = min(d, lastDay)
	}
	if err := p.check(); err != nil {
		return nil, err
	}
	p.skipped = p.periodOffset()
	return p, nil
}

// parseDay reads a date and drops the zone that some servers write after it.
func parseDay(s string) (day, bool) {
	if len(s) < len(time.DateOnly) {
		return 0, false
	}
	d, err := time.Parse(time.DateOnly, s[:len(time.DateOnly)])
	if err != nil {
		return 0, false
	}
	return dayIn(d, time.UTC), true
}

// check reports what makes a pattern meaningless.
func (p *rule) check() error {
	yearly := p.pattern == AbsoluteYearly || p.pattern == RelativeYearly
	ok := true
	switch p.pattern {
	case Daily:
	case Weekly:
		ok = p.days != 0
	case AbsoluteMonthly, AbsoluteYearly:
		ok = p.of >= 1 && p.of <= 31
	case RelativeMonthly, RelativeYearly:
		ok = p.days != 0 && p.index >= 0
	default:
		return fmt.Errorf("%.40q is no recurrence pattern", p.pattern)
	}
	if !ok || yearly && p.month == 0 {
		return fmt.Errorf("the %s names no day", p.pattern)
	}
	if yearly {
		p.interval = 12
	}
	return nil
}

// periodOffset counts the days of the first period that lie before the start.
func (p *rule) periodOffset() int64 {
	switch p.pattern {
	case Daily:
		return 0
	case Weekly:
		return int64(p.days.before(p.start.weekday(), p.first))
	}
	if p.inPeriod(0) < p.start {
		return 1
	}
	return 0
}

// at returns the n-th day of the series, counted from 1.
func (p *rule) at(n int64) day {
	n += p.skipped - 1
	switch p.pattern {
	case Daily:
		return p.start + day(n*p.interval)
	case Weekly:
		size := int64(p.days.size())
		week := p.start - day((p.start.weekday()-p.first+7)%7) + day(7*p.interval*(n/size))
		left := n % size
		for d := week; ; d++ {
			if p.days>>d.weekday()&1 == 0 {
				continue
			}
			if left == 0 {
				return d
			}
			left--
		}
	}
	return p.inPeriod(n)
}

// inPeriod returns the day of a monthly or yearly pattern in its n-th period,
// counted from 0.
func (p *rule) inPeriod(n int64) day {
	y, m, _ := p.start.date()
	if p.interval == 12 && p.month != 0 {
		m = p.month
	}
	months := int64(y)*12 + int64(m) - 1 + n*p.interval
	y, m = int(months/12), time.Month(months%12+1)
	first, last := dayFrom(y, m, 1), dayFrom(y, m+1, 1)-1
	if p.pattern == AbsoluteMonthly || p.pattern == AbsoluteYearly {
		return min(first+day(p.of)-1, last) // the 31st of a shorter month is its last day
	}
	if p.index == 4 {
		for p.days>>last.weekday()&1 == 0 {
			last--
		}
		return last
	}
	left := p.index
	for d := first; ; d++ { // ends: each day of the week comes four times in every month
		if p.days>>d.weekday()&1 == 0 {
			continue
		}
		if left == 0 {
			return d
		}
		left--
	}
}

// from returns the number of the first day on or after a date. Days that come
// after the last one of any calendar have numbers too.
func (p *rule) from(d day) int64 {
	low, high := int64(1), int64(lastDay)
	for low < high {
		middle := (low + high) / 2
		if p.at(middle) < d {
			low = middle + 1
		} else {
			high = middle
		}
	}
	return low
}

// last returns the number of the last day of the series, zero where it has
// none, and whether the range has an end.
func (p *rule) last() (n int64, ends bool) {
	n = p.from(p.end+1) - 1
	if p.count > 0 {
		n = min(n, int64(p.count))
	}
	return n, p.count > 0 || p.end < lastDay
}
