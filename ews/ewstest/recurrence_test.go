package ewstest

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/teambition/rrule-go"
	"pgregory.net/rapid"
)

func day(y int, m time.Month, d int) Date { return Date{y, m, d} }

// list returns the first days of a series.
func (r *Recurrence) list(n int) []string {
	var out []string
	r.days(func(_ int, d dayNumber) bool {
		out = append(out, d.date().String())
		return len(out) < n
	})
	return out
}

func TestPatterns(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name string
		r    Recurrence
		want string
	}{
		{"every third day", Recurrence{Pattern: Daily, Interval: 3, Start: day(2026, 2, 27)}, "2026-02-27 2026-03-02 2026-03-05 2026-03-08"},
		{"two days a week", Recurrence{Pattern: Weekly, Days: On(time.Monday, time.Thursday), Start: day(2026, 12, 29)}, "2026-12-31 2027-01-04 2027-01-07 2027-01-11"},
		{"every second week from Monday", Recurrence{Pattern: Weekly, Interval: 2, Days: On(time.Sunday, time.Tuesday), FirstDayOfWeek: time.Monday, Start: day(2026, 11, 24)}, "2026-11-24 2026-11-29 2026-12-08 2026-12-13"},
		{"every second week from Sunday", Recurrence{Pattern: Weekly, Interval: 2, Days: On(time.Sunday, time.Tuesday), FirstDayOfWeek: time.Sunday, Start: day(2026, 11, 24)}, "2026-11-24 2026-12-06 2026-12-08 2026-12-20"},
		{"the 31st is the last day of a short month", Recurrence{Pattern: AbsoluteMonthly, DayOfMonth: 31, Start: day(2027, 1, 1)}, "2027-01-31 2027-02-28 2027-03-31 2027-04-30"},
		{"every second month, later in the month", Recurrence{Pattern: AbsoluteMonthly, Interval: 2, DayOfMonth: 5, Start: day(2026, 11, 24)}, "2027-01-05 2027-03-05 2027-05-05 2027-07-05"},
		{"last Friday", Recurrence{Pattern: RelativeMonthly, Days: On(time.Friday), Index: 5, Start: day(2026, 11, 1)}, "2026-11-27 2026-12-25 2027-01-29 2027-02-26"},
		{"second working day", Recurrence{Pattern: RelativeMonthly, Days: Weekday, Index: 2, Start: day(2026, 11, 1)}, "2026-11-03 2026-12-02 2027-01-04 2027-02-02"},
		{"29 February", Recurrence{Pattern: AbsoluteYearly, Month: time.February, DayOfMonth: 29, Start: day(2026, 1, 1)}, "2026-02-28 2027-02-28 2028-02-29 2029-02-28"},
		{"fourth Thursday of November", Recurrence{Pattern: RelativeYearly, Month: time.November, Days: On(time.Thursday), Index: 4, Start: day(2026, 11, 27)}, "2027-11-25 2028-11-23 2029-11-22 2030-11-28"},
		{"until a day", Recurrence{Pattern: Daily, Start: day(2026, 11, 23), End: day(2026, 11, 25)}, "2026-11-23 2026-11-24 2026-11-25"},
		{"three times", Recurrence{Pattern: Daily, Start: day(2026, 11, 23), Count: 3}, "2026-11-23 2026-11-24 2026-11-25"},
	} {
		if err := tc.r.validate(); err != nil {
			t.Errorf("%s: %v", tc.name, err)
		}
		if got := strings.Join(tc.r.list(4), " "); got != tc.want {
			t.Errorf("%s:\n got %s\nwant %s", tc.name, got, tc.want)
		}
	}
}

// TestPatternsAgainstRRule holds the expander against an independent one. The
// two standards differ where a month has no such day: iCalendar leaves it out,
// Exchange takes the last day, which as a rule is the last of several days.
func TestPatternsAgainstRRule(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		r := drawRecurrence(t)
		rule, err := rrule.NewRRule(asRule(r))
		if err != nil {
			t.Fatal(err)
		}
		var want []string
		next := rule.Iterator()
		for len(want) < 200 {
			d, ok := next()
			if !ok {
				break
			}
			want = append(want, DateOf(d).String())
		}
		if got := r.list(200); !slices.Equal(got, want) {
			t.Fatalf("%+v\n got %v\nwant %v", r, got, want)
		}
	})
}

func drawRecurrence(t *rapid.T) *Recurrence {
	r := &Recurrence{
		Pattern:        rapid.SampledFrom([]Pattern{Daily, Weekly, AbsoluteMonthly, RelativeMonthly, AbsoluteYearly, RelativeYearly}).Draw(t, "pattern"),
		Interval:       rapid.IntRange(1, 14).Draw(t, "interval"),
		DayOfMonth:     rapid.IntRange(1, 31).Draw(t, "day of month"),
		Index:          rapid.IntRange(1, 5).Draw(t, "index"),
		Month:          time.Month(rapid.IntRange(1, 12).Draw(t, "month")),
		FirstDayOfWeek: time.Weekday(rapid.IntRange(0, 6).Draw(t, "first day of week")),
		Start:          dayNumber(rapid.IntRange(14000, 25000).Draw(t, "start")).date(),
	}
	switch r.Pattern {
	case Weekly:
		r.Days = Weekdays(rapid.IntRange(1, 127).Draw(t, "days"))
	case RelativeMonthly, RelativeYearly:
		r.Days = rapid.SampledFrom([]Weekdays{1, 2, 4, 8, 16, 32, 64, AnyDay, Weekday, WeekendDay}).Draw(t, "day")
	}
	switch rapid.IntRange(0, 2).Draw(t, "range") {
	case 1:
		r.Count = rapid.IntRange(1, 100).Draw(t, "count")
	case 2:
		r.End = (r.Start.number() + dayNumber(rapid.IntRange(0, 2000).Draw(t, "length"))).date()
	}
	return r
}

func asRule(r *Recurrence) rrule.ROption {
	weekdays := []rrule.Weekday{rrule.SU, rrule.MO, rrule.TU, rrule.WE, rrule.TH, rrule.FR, rrule.SA}
	o := rrule.ROption{Dtstart: time.Date(r.Start.Year, r.Start.Month, r.Start.Day, 0, 0, 0, 0, time.UTC), Count: r.Count, Interval: r.Interval}
	if !r.End.IsZero() {
		o.Until = time.Date(r.End.Year, r.End.Month, r.End.Day, 23, 0, 0, 0, time.UTC)
	}
	for d, w := range weekdays {
		if r.Days.Has(time.Weekday(d)) {
			o.Byweekday = append(o.Byweekday, w)
		}
	}
	switch r.Pattern {
	case Daily:
		o.Freq = rrule.DAILY
	case Weekly:
		o.Freq, o.Wkst = rrule.WEEKLY, weekdays[r.FirstDayOfWeek]
	case AbsoluteMonthly, RelativeMonthly:
		o.Freq = rrule.MONTHLY
	case AbsoluteYearly, RelativeYearly:
		o.Freq, o.Interval, o.Bymonth = rrule.YEARLY, 1, []int{int(r.Month)}
	}
	switch r.Pattern {
	case AbsoluteMonthly, AbsoluteYearly:
		for d := min(28, r.DayOfMonth); d <= r.DayOfMonth; d++ {
			o.Bymonthday = append(o.Bymonthday, d)
		}
		o.Bysetpos = []int{-1}
	case RelativeMonthly, RelativeYearly:
		o.Bysetpos = []int{r.Index}
		if r.Index == 5 {
			o.Bysetpos = []int{-1}
		}
	}
	return o
}

func TestRecurrencesThatMakeNoSense(t *testing.T) {
	t.Parallel()
	for _, r := range []Recurrence{
		{}, {Pattern: "Hourly"}, {Pattern: Weekly}, {Pattern: AbsoluteMonthly}, {Pattern: AbsoluteMonthly, DayOfMonth: 32},
		{Pattern: RelativeMonthly, Days: AnyDay}, {Pattern: RelativeMonthly, Index: 1}, {Pattern: AbsoluteYearly, DayOfMonth: 1},
		{Pattern: Daily, Interval: 1000}, {Pattern: Daily, Count: 1000}, {Pattern: Daily, Start: day(2026, 2, 2), End: day(2026, 2, 1)},
	} {
		if r.validate() == nil {
			t.Errorf("%+v is valid", r)
		}
		r.list(10) // and expanding it all the same ends
	}
}

func zoned(t *testing.T, id string) *time.Location {
	t.Helper()
	if !knownZone(id) {
		t.Fatalf("no zone %q", id)
	}
	return (&zones{}).location(id)
}

func TestSeriesKeepsItsWallClock(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ zone, start, want string }{
		// Berlin: summer time begins on 28 March 2027 and 02:30 does not exist.
		{"W. Europe Standard Time", "2027-03-27 02:30", "01:30 01:30 00:30"},
		{"W. Europe Standard Time", "2027-03-27 09:00", "08:00 07:00 07:00"},
		// and ends on 31 October 2027: 02:30 comes twice, the first counts.
		{"W. Europe Standard Time", "2027-10-30 02:30", "00:30 00:30 01:30"},
		{"AUS Eastern Standard Time", "2026-10-03 12:00", "02:00 01:00 01:00"},
		{"Tokyo Standard Time", "2027-03-27 09:00", "00:00 00:00 00:00"},
		{"Lord Howe Standard Time", "2026-10-03 12:00", "01:30 01:00 01:00"},
	} {
		loc := zoned(t, tc.zone)
		start, err := time.ParseInLocation("2006-01-02 15:04", tc.start, loc)
		if err != nil {
			t.Fatal(err)
		}
		it := &Item{Start: start.UTC(), End: start.Add(time.Hour).UTC(), Zone: tc.zone, Recurrence: &Recurrence{Pattern: Daily, Start: DateOf(start), Count: 3}}
		var got []string
		it.series(loc, firstDay, false, func(o occurrence) bool {
			got = append(got, o.start.UTC().Format("15:04"))
			return true
		})
		if strings.Join(got, " ") != tc.want {
			t.Errorf("%s in %s: %v UTC, want %s", tc.start, tc.zone, got, tc.want)
		}
	}
}

// TestWindowIsASliceOfTheSeries checks that looking at a window finds what
// walking the whole series finds.
func TestWindowIsASliceOfTheSeries(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		rec := drawRecurrence(t)
		rec.Count = rapid.IntRange(1, 60).Draw(t, "n")
		rec.End = Date{}
		loc := (&zones{}).location(rapid.SampledFrom([]string{"UTC", "Tokyo Standard Time", "W. Europe Standard Time", "AUS Eastern Standard Time"}).Draw(t, "zone"))
		start := at(rec.Start.number(), time.Duration(rapid.IntRange(0, 1439).Draw(t, "clock"))*time.Minute, loc)
		it := &Item{Start: start, End: start.Add(time.Duration(rapid.IntRange(0, 3000).Draw(t, "length")) * time.Minute), Recurrence: rec}
		var all []occurrence
		it.series(loc, firstDay, true, func(o occurrence) bool { all = append(all, o); return true })
		for range rapid.IntRange(0, 3).Draw(t, "exceptions") {
			o := all[rapid.IntRange(0, len(all)-1).Draw(t, "which")]
			x := &Item{Start: o.start.Add(time.Duration(rapid.IntRange(-3000, 3000).Draw(t, "by")) * time.Minute)}
			x.End = x.Start.Add(time.Hour)
			it.Exceptions = it.except(o, x, FieldSubject)
		}
		if rapid.Bool().Draw(t, "delete one") {
			it = it.without(all[rapid.IntRange(0, len(all)-1).Draw(t, "deleted")].original)
		}
		from := start.Add(time.Duration(rapid.IntRange(-10, 100).Draw(t, "from")) * 24 * time.Hour)
		to := from.Add(time.Duration(rapid.IntRange(0, 60*24).Draw(t, "hours")) * time.Hour)
		var want []string
		it.series(loc, firstDay, false, func(o occurrence) bool {
			if o.start.Before(to) && (o.end.After(from) || (o.start.Equal(o.end) && o.start.Equal(from))) {
				want = append(want, fmt.Sprint(o.n))
			}
			return true
		})
		var got []string
		for _, o := range it.window(loc, from, to) {
			got = append(got, fmt.Sprint(o.n))
		}
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Fatalf("window %v, series %v", got, want)
		}
	})
}

func TestDayNumbers(t *testing.T) {
	t.Parallel()
	for n := dayNumber(-150000); n < 150000; n += 97 {
		d := n.date()
		if d.number() != n {
			t.Fatalf("%v: %d -> %d", d, n, d.number())
		}
		if want := time.Date(d.Year, d.Month, d.Day, 0, 0, 0, 0, time.UTC).Weekday(); n.weekday() != want {
			t.Fatalf("%v is a %v, not a %v", d, want, n.weekday())
		}
	}
}
