package ewstest

import (
	"fmt"
	"slices"
	"time"
)

// Pattern is the kind of a recurrence, named as its element in the protocol
// without the suffix "Recurrence" ([MS-OXWSCDATA] 2.2.5.4).
type Pattern string

// The patterns of a series.
const (
	Daily           Pattern = "Daily"
	Weekly          Pattern = "Weekly"
	AbsoluteMonthly Pattern = "AbsoluteMonthly"
	RelativeMonthly Pattern = "RelativeMonthly"
	AbsoluteYearly  Pattern = "AbsoluteYearly"
	RelativeYearly  Pattern = "RelativeYearly"
)

// Date is a day without a time zone.
type Date struct {
	Year  int
	Month time.Month
	Day   int
}

// DateOf returns the day on which t falls in its own location.
func DateOf(t time.Time) Date {
	y, m, d := t.Date()
	return Date{y, m, d}
}

// String prints the date as in the protocol, without an offset.
func (d Date) String() string { return fmt.Sprintf("%04d-%02d-%02d", d.Year, int(d.Month), d.Day) }

// IsZero reports whether d is the zero Date, which stands for "no date".
func (d Date) IsZero() bool { return d == Date{} }

// Recurrence is the pattern and the range of a series, as [MS-OXOCAL] 2.2.1.44
// means them.
type Recurrence struct {
	Pattern        Pattern
	Interval       int          // every so many days, weeks or months; 1 where zero; ignored for years
	Days           Weekdays     // Weekly, and the relative patterns
	DayOfMonth     int          // of the absolute patterns; in shorter months the last day
	Index          int          // of the relative patterns: 1 to 4, and 5 for the last
	Month          time.Month   // of the yearly patterns
	FirstDayOfWeek time.Weekday // Weekly: where weeks begin when only every n-th counts
	Start          Date         // the range begins; the first occurrence is on or after it
	End            Date         // the range ends with this day; zero where it does not end by date
	Count          int          // so many occurrences, deleted ones included; zero where it does not end by number
}

// Weekdays is a set of days of the week.
type Weekdays uint8

// The sets that have a name of their own in the protocol.
const (
	AnyDay     Weekdays = 1<<7 - 1
	WeekendDay          = Weekdays(1<<time.Saturday | 1<<time.Sunday)
	Weekday             = AnyDay &^ WeekendDay
)

// On returns the set of the given days.
func On(days ...time.Weekday) Weekdays {
	var w Weekdays
	for _, d := range days {
		w |= 1 << d
	}
	return w
}

// Has reports whether the day is in the set.
func (w Weekdays) Has(d time.Weekday) bool { return w&(1<<d) != 0 }

// dayNumber counts days since 1970-01-01.
type dayNumber int

func (d Date) number() dayNumber {
	return dayNumber(floorDiv(int(time.Date(d.Year, d.Month, d.Day, 0, 0, 0, 0, time.UTC).Unix()), 86400))
}

func floorDiv(a, b int) int {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}

func (n dayNumber) date() Date { return DateOf(time.Unix(int64(n)*86400, 0).UTC()) }

func (n dayNumber) weekday() time.Weekday { return time.Weekday(((int(n)+4)%7 + 7) % 7) }

// lastDay ends every series: the last day Exchange can store, [MS-OXOCAL]
// 2.2.1.44.1 EndDate, rounded to a year.
var lastDay = Date{4500, time.August, 31}.number()

// firstDay is before every day of every series.
const firstDay = dayNumber(-1 << 40)

// validate reports what makes a pattern or a range meaningless.
func (r *Recurrence) validate() error {
	switch r.Pattern {
	case Daily:
	case Weekly:
		if r.Days == 0 {
			return fmt.Errorf("a weekly pattern names no day")
		}
	case AbsoluteMonthly, AbsoluteYearly:
		if r.DayOfMonth < 1 || r.DayOfMonth > 31 {
			return fmt.Errorf("day %d of the month does not exist", r.DayOfMonth)
		}
	case RelativeMonthly, RelativeYearly:
		if r.Days == 0 || r.Index < 1 || r.Index > 5 {
			return fmt.Errorf("a relative pattern needs a day and an index")
		}
	default:
		return fmt.Errorf("unknown pattern")
	}
	if (r.Pattern == AbsoluteYearly || r.Pattern == RelativeYearly) && (r.Month < 1 || r.Month > 12) {
		return fmt.Errorf("month %d does not exist", r.Month)
	}
	if r.Interval < 0 || r.Interval > 999 || r.Count < 0 || r.Count > 999 {
		return fmt.Errorf("interval and number of occurrences go up to 999")
	}
	if !r.End.IsZero() && r.End.number() < r.Start.number() {
		return fmt.Errorf("the range ends before it starts")
	}
	return nil
}

// days calls yield with each day of the series in order and its number from 1,
// until the range ends or yield returns false.
func (r *Recurrence) days(yield func(n int, d dayNumber) bool) {
	n, start, end := 0, r.Start.number(), lastDay
	if !r.End.IsZero() {
		end = min(end, r.End.number())
	}
	r.candidates(start, func(d dayNumber) bool {
		if d > end {
			return false
		}
		if d < start {
			return true
		}
		n++
		return yield(n, d) && n != r.Count
	})
}

// candidates calls yield with the days of the pattern in order, beginning at
// or a little before start.
func (r *Recurrence) candidates(start dayNumber, yield func(dayNumber) bool) {
	interval := max(r.Interval, 1)
	switch r.Pattern {
	case Daily:
		for d := start; yield(d); d += dayNumber(interval) {
		}
	case Weekly:
		r.weeks(start, interval, yield)
	case AbsoluteMonthly, RelativeMonthly:
		first := r.Start.Year*12 + int(r.Start.Month) - 1
		for m := first; yield(r.inMonth(m/12, time.Month(m%12+1))); m += interval {
		}
	case AbsoluteYearly, RelativeYearly:
		for y := r.Start.Year; yield(r.inMonth(y, r.Month)); y++ {
		}
	}
}

// weeks walks the weeks of a weekly pattern. Which weeks count is decided by
// the week that holds the start, and weeks begin on FirstDayOfWeek.
func (r *Recurrence) weeks(start dayNumber, interval int, yield func(dayNumber) bool) {
	back := (int(start.weekday()) - int(r.FirstDayOfWeek) + 7) % 7
	for week := start - dayNumber(back); week <= lastDay; week += dayNumber(7 * interval) {
		for d := week; d < week+7; d++ {
			if r.Days.Has(d.weekday()) && !yield(d) {
				return
			}
		}
	}
}

// inMonth returns the day of a monthly or yearly pattern in one month. A month
// without the 31st has it on its last day ([MS-OXOCAL] 2.2.1.44.1.1,
// PatternTypeMonth).
func (r *Recurrence) inMonth(year int, month time.Month) dayNumber {
	first := Date{year, month, 1}.number()
	last := Date{year, month + 1, 1}.number() - 1
	if r.Pattern == AbsoluteMonthly || r.Pattern == AbsoluteYearly {
		return min(first+dayNumber(max(r.DayOfMonth, 1))-1, last)
	}
	if r.Index >= 5 {
		for d := last; d > first; d-- {
			if r.Days.Has(d.weekday()) {
				return d
			}
		}
		return last
	}
	left := r.Index
	for d := first; d < last; d++ {
		if r.Days.Has(d.weekday()) {
			if left--; left <= 0 {
				return d
			}
		}
	}
	return last
}

// occurrence is one meeting of a series.
type occurrence struct {
	n          int       // from 1, deleted ones counted
	original   time.Time // the start the pattern gives
	start, end time.Time // of the exception, where there is one
	exception  *Exception
}

// series walks the occurrences of a master in the order of the pattern, from
// the first whose day is since or later. Deleted ones are left out unless all
// is set. loc is the master's zone.
func (it *Item) series(loc *time.Location, since dayNumber, all bool, yield func(occurrence) bool) {
	if it.Recurrence == nil {
		return
	}
	start := it.Start.In(loc)
	clock := clockOf(start)
	days := it.End.In(loc)
	length, endClock := dayOf(days)-dayOf(start), clockOf(days)
	it.Recurrence.days(func(n int, d dayNumber) bool {
		if d < since {
			return true
		}
		o := occurrence{n: n, original: at(d, clock, loc)}
		o.start = o.original
		o.end = later(o.start, at(d+length, endClock, loc)) // a skipped hour can put the end before the start
		if x := it.exception(o.original); x != nil {
			o.exception, o.start, o.end = x, x.Start, x.End
		} else if !all && it.deleted(o.original) {
			return true
		}
		return yield(o)
	})
}

// occurrenceAt returns the occurrence whose original start is given.
func (it *Item) occurrenceAt(loc *time.Location, original time.Time) (occurrence, bool) {
	return it.find(loc, dayOf(original.In(loc)), func(o occurrence) (match, stop bool) {
		return o.original.Equal(original), o.original.After(original)
	})
}

// occurrenceNumber returns the n-th occurrence, deleted ones counted.
func (it *Item) occurrenceNumber(loc *time.Location, n int) (occurrence, bool) {
	return it.find(loc, firstDay, func(o occurrence) (match, stop bool) { return o.n == n, o.n > n })
}

func (it *Item) find(loc *time.Location, since dayNumber, test func(occurrence) (match, stop bool)) (found occurrence, ok bool) {
	it.series(loc, since, true, func(o occurrence) bool {
		match, stop := test(o)
		if match {
			found, ok = o, true
		}
		return !match && !stop
	})
	return found, ok
}

// window returns the occurrences that are seen in a calendar between two
// moments, exceptions where they have been moved to, in the order of starts.
func (it *Item) window(loc *time.Location, from, to time.Time) []occurrence {
	var out []occurrence
	earliest, latest := from.Add(-it.End.Sub(it.Start)-48*time.Hour), to
	for i := range it.Exceptions {
		original := it.Exceptions[i].Original
		latest = later(latest, original)
		if original.Before(earliest) {
			earliest = original
		}
	}
	it.series(loc, dayOf(earliest.In(loc)), false, func(o occurrence) bool {
		if seen(o.start, o.end, from, to) {
			out = append(out, o)
		}
		return o.original.Before(latest) || o.original.Equal(latest)
	})
	slices.SortStableFunc(out, func(a, b occurrence) int { return a.start.Compare(b.start) })
	return out
}

// seen is the rule of CalendarView ([MS-OXWSCORE] 3.1.4.6, CalendarViewType):
// what ends after the window begins and begins before it ends. A meeting of no
// length is seen at the moment it stands.
func seen(start, end, from, to time.Time) bool {
	return start.Before(to) && (end.After(from) || (start.Equal(end) && start.Equal(from)))
}

// exception returns the exception that stands for an original start, or nil.
func (it *Item) exception(original time.Time) *Exception {
	for i := range it.Exceptions {
		if it.Exceptions[i].Original.Equal(original) {
			return &it.Exceptions[i]
		}
	}
	return nil
}

func (it *Item) deleted(original time.Time) bool {
	return slices.ContainsFunc(it.Deleted, func(t time.Time) bool { return t.Equal(original) })
}

// dayOf and clockOf take a moment apart as its location shows it.
func dayOf(t time.Time) dayNumber { return DateOf(t).number() }

func clockOf(t time.Time) time.Duration {
	h, m, s := t.Clock()
	return time.Duration(h)*time.Hour + time.Duration(m)*time.Minute + time.Duration(s)*time.Second
}

// at puts a wall clock on a day. A time that a change to daylight time skips
// is shown by the clock as it was before the change, which moves it forward;
// a time that comes twice is the first of the two.
func at(d dayNumber, clock time.Duration, loc *time.Location) time.Time {
	midnightUTC := time.Unix(int64(d)*86400, 0)
	wall := midnightUTC.Add(clock)
	_, before := midnightUTC.Add(clock - 26*time.Hour).In(loc).Zone()
	first := wall.Add(-time.Duration(before) * time.Second)
	if _, o := first.In(loc).Zone(); o == before {
		return first
	}
	_, after := midnightUTC.Add(clock + 26*time.Hour).In(loc).Zone()
	second := wall.Add(-time.Duration(after) * time.Second)
	if _, o := second.In(loc).Zone(); o == after {
		return second
	}
	return first
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
