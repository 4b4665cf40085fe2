package ews_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/koyomi-cal/koyomi/ews"
)

// nine is a Monday at nine in UTC.
var nine = time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)

func masterOf(r ews.Recurrence) *ews.CalendarItem {
	return &ews.CalendarItem{Type: ews.RecurringMaster, StartTimeZone: "UTC", Start: nine, End: nine.Add(time.Hour), Recurrence: &r}
}

func dates(t *testing.T, master *ews.CalendarItem, from, to time.Time) string {
	t.Helper()
	list, err := ews.Expand(master, from, to)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, i := range list {
		out = append(out, i.Start.UTC().Format("2006-01-02T15"))
	}
	return strings.ReplaceAll(strings.Join(out, " "), "T09", "")
}

func TestPatternsOfExchange(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		r    ews.Recurrence
		want string
	}{
		{"the 31st is the last day of a shorter month", ews.Recurrence{Pattern: ews.AbsoluteMonthly, Interval: 1, DayOfMonth: 31}, "2026-11-30 2026-12-31 2027-01-31 2027-02-28"},
		{"29 February", ews.Recurrence{Pattern: ews.AbsoluteYearly, Month: "February", DayOfMonth: 29, StartDate: "2023-01-01"}, "2027-02-28"},
		{"last working day", ews.Recurrence{Pattern: ews.RelativeMonthly, Interval: 1, DaysOfWeek: []string{"Weekday"}, DayOfWeekIndex: "Last"}, "2026-11-30 2026-12-31 2027-01-29 2027-02-26"},
		{"second weekend day", ews.Recurrence{Pattern: ews.RelativeMonthly, Interval: 1, DaysOfWeek: []string{"WeekendDay"}, DayOfWeekIndex: "Second"}, "2026-12-06 2027-01-03 2027-02-07"},
		{"third day of every second month", ews.Recurrence{Pattern: ews.RelativeMonthly, Interval: 2, DaysOfWeek: []string{"Day"}, DayOfWeekIndex: "Third"}, "2027-01-03 2027-03-03"},
		{"weeks that begin on Monday", ews.Recurrence{Pattern: ews.Weekly, Interval: 2, DaysOfWeek: []string{"Sunday", "Tuesday"}, FirstDayOfWeek: "Monday", EndDate: "2026-12-20"}, "2026-11-24 2026-11-29 2026-12-08 2026-12-13"},
		{"weeks that begin on Sunday", ews.Recurrence{Pattern: ews.Weekly, Interval: 2, DaysOfWeek: []string{"Sunday", "Tuesday"}, FirstDayOfWeek: "Sunday", EndDate: "2026-12-20"}, "2026-11-24 2026-12-06 2026-12-08 2026-12-20"},
		{"four times, deleted ones counted", ews.Recurrence{Pattern: ews.Daily, Interval: 3, Count: 4}, "2026-11-23 2026-11-26 2026-11-29 2026-12-02"},
		{"until a day in the zone of the start", ews.Recurrence{Pattern: ews.Daily, Interval: 1, EndDate: "2026-11-24-08:00"}, "2026-11-23 2026-11-24"},
	} {
		if got := dates(t, masterOf(c.r), nine.Add(-time.Hour), nine.AddDate(0, 3, 10)); got != c.want {
			t.Errorf("%s:\n got %s\nwant %s", c.name, got, c.want)
		}
	}
}

// TestMonthEndRules goes through every month of a leap year: both rules that
// Exchange has for a day that a month lacks.
func TestMonthEndRules(t *testing.T) {
	t.Parallel()
	for day, want := range map[int]string{
		29: "29 29 29 29 29 29 29 29 29 29 29 29", 30: "30 29 30 30 30 30 30 30 30 30 30 30", 31: "31 29 31 30 31 30 31 31 30 31 30 31",
	} {
		m := masterOf(ews.Recurrence{Pattern: ews.AbsoluteMonthly, Interval: 1, DayOfMonth: day})
		list, err := ews.Expand(m, time.Date(2028, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(2029, 1, 1, 0, 0, 0, 0, time.UTC))
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, i := range list {
			got = append(got, i.Start.Format("2"))
		}
		if s := strings.Join(got, " "); s != want {
			t.Errorf("day %d: %s, want %s", day, s, want)
		}
	}
}

// TestDaylightTime names the two moments of a year at which a clock is no good.
func TestDaylightTime(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ zone, start, want string }{
		{"W. Europe Standard Time", "2027-03-27T01:30:00Z", "01:30 01:30 00:30"}, // 02:30 is skipped on the 28th
		{"W. Europe Standard Time", "2027-10-30T00:30:00Z", "00:30 00:30 01:30"}, // and comes twice on the 31st: the first counts
		{"AUS Eastern Standard Time", "2026-10-03T02:00:00Z", "02:00 01:00 01:00"},
		{"Lord Howe Standard Time", "2026-10-03T01:30:00Z", "01:30 01:00 01:00"},
		{"Tokyo Standard Time", "2027-03-27T00:00:00Z", "00:00 00:00 00:00"},
	} {
		start, err := time.Parse(time.RFC3339, c.start)
		if err != nil {
			t.Fatal(err)
		}
		m := &ews.CalendarItem{StartTimeZone: c.zone, Start: start, End: start.Add(time.Hour), Recurrence: &ews.Recurrence{Pattern: ews.Daily, Interval: 1, Count: 3}}
		list, err := ews.Expand(m, start.AddDate(0, 0, -1), start.AddDate(0, 0, 5))
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, i := range list {
			got = append(got, i.Start.Format("15:04"))
			if i.End.Sub(i.Start) != time.Hour && c.start != "2027-03-27T01:30:00Z" && c.start != "2027-10-30T00:30:00Z" {
				t.Errorf("%s: an occurrence of %v", c.zone, i.End.Sub(i.Start))
			}
		}
		if s := strings.Join(got, " "); s != c.want {
			t.Errorf("%s from %s: %s, want %s", c.zone, c.start, s, c.want)
		}
	}
}

// TestSeriesWithoutAZone: an id that nobody knows costs daylight time, but not
// the day.
func TestSeriesWithoutAZone(t *testing.T) {
	t.Parallel()
	early := time.Date(2026, 11, 22, 23, 0, 0, 0, time.UTC) // Monday, 8 o'clock in Tokyo
	m := &ews.CalendarItem{Start: early, End: early.Add(time.Hour), StartTimeZone: "Nowhere",
		Recurrence: &ews.Recurrence{Pattern: ews.Weekly, Interval: 1, DaysOfWeek: []string{"Monday"}, StartDate: "2026-11-23", EndDate: "2026-12-07"}}
	want := "2026-11-22T23 2026-11-29T23 2026-12-06T23"
	if got := dates(t, m, early.AddDate(0, 0, -1), early.AddDate(0, 1, 0)); got != want {
		t.Errorf("by the date of the range: %s", got)
	}
	m.StartWall = early.In(time.FixedZone("", 9*3600))
	if got := dates(t, m, early.AddDate(0, 0, -1), early.AddDate(0, 1, 0)); got != want {
		t.Errorf("by the wall clock: %s", got)
	}
}

// TestExceptionsOfASeries: they show where they were moved to, and nowhere
// else, also where the server reckons daylight time by other rules.
func TestExceptionsOfASeries(t *testing.T) {
	t.Parallel()
	m := masterOf(ews.Recurrence{Pattern: ews.Daily, Interval: 1, Count: 6})
	at := func(day int, by time.Duration) time.Time { return nine.AddDate(0, 0, day).Add(by) }
	m.DeletedOccurrences = []time.Time{at(1, time.Hour), at(50, 0)}
	m.ModifiedOccurrences = []ews.OccurrenceInfo{
		{ItemID: ews.ItemID{ID: "moved far"}, OriginalStart: at(2, 0), Start: at(30, 0), End: at(30, time.Hour)},
		{ItemID: ews.ItemID{ID: "an hour off"}, OriginalStart: at(3, -time.Hour), Start: at(3, 2*time.Hour), End: at(3, 3*time.Hour)},
	}
	list, err := ews.Expand(m, at(-1, 0), at(10, 0))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, i := range list {
		got = append(got, i.Start.Format("02T15")+i.ItemID.ID)
	}
	if want := []string{"23T09", "26T11an hour off", "27T09", "28T09"}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if list[1].Index != 4 || list[2].Index != 5 {
		t.Errorf("numbers %d and %d: deleted ones count", list[1].Index, list[2].Index)
	}
	if got := dates(t, m, at(29, 0), at(31, 0)); got != "2026-12-23" {
		t.Errorf("moved out of the range: %s", got)
	}
	if end, ok := ews.SeriesEnd(m); !ok || !end.Equal(at(30, time.Hour)) {
		t.Errorf("the series ends at %v", end)
	}
}

func TestSeriesEnd(t *testing.T) {
	t.Parallel()
	last := masterOf(ews.Recurrence{Pattern: ews.Daily, Interval: 1, Count: 3})
	last.DeletedOccurrences = []time.Time{nine.AddDate(0, 0, 2)}
	for name, c := range map[string]struct {
		it   *ews.CalendarItem
		want time.Time
	}{
		"endless":      {masterOf(ews.Recurrence{Pattern: ews.Daily, Interval: 1}), time.Time{}},
		"three":        {masterOf(ews.Recurrence{Pattern: ews.Daily, Interval: 1, Count: 3}), nine.AddDate(0, 0, 2).Add(time.Hour)},
		"last deleted": {last, nine.AddDate(0, 0, 1).Add(time.Hour)},
		"until":        {masterOf(ews.Recurrence{Pattern: ews.Weekly, DaysOfWeek: []string{"Monday"}, EndDate: "2099-01-01+09:00"}), time.Date(2098, 12, 29, 10, 0, 0, 0, time.UTC)},
		"no series":    {&ews.CalendarItem{Start: nine}, time.Time{}},
		"nonsense":     {masterOf(ews.Recurrence{Pattern: "Hourly", Count: 3}), time.Time{}},
		"never":        {masterOf(ews.Recurrence{Pattern: ews.Daily, EndDate: "2020-01-01"}), time.Time{}},
	} {
		if got, ok := ews.SeriesEnd(c.it); !got.Equal(c.want) || ok == c.want.IsZero() {
			t.Errorf("%s: %v, %v, not %v", name, got, ok, c.want)
		}
	}
}

// TestACentury: the days of an old series are not counted one by one, and their
// numbers are right all the same. BenchmarkExpandCentury tells what it costs.
func TestACentury(t *testing.T) {
	t.Parallel()
	old := masterOf(ews.Recurrence{Pattern: ews.Daily, Interval: 1})
	old.Start, old.End = nine.AddDate(-100, 0, 0), nine.AddDate(-100, 0, 0).Add(time.Hour)
	list, err := ews.Expand(old, nine, nine.AddDate(0, 0, 1))
	if err != nil || len(list) != 1 || list[0].Index != 36526 {
		t.Errorf("%+v %v", list, err)
	}
	if _, err := ews.Expand(old, old.Start, nine.AddDate(900, 0, 0)); err == nil || !strings.Contains(err.Error(), "shorter") {
		t.Errorf("a window of a thousand years: %v", err)
	}
}

func TestWhatCannotBeExpanded(t *testing.T) {
	t.Parallel()
	for name, m := range map[string]*ews.CalendarItem{
		"no series": {Start: nine}, "no start": {Recurrence: &ews.Recurrence{Pattern: ews.Daily}},
		"no pattern": masterOf(ews.Recurrence{}), "a week without days": masterOf(ews.Recurrence{Pattern: ews.Weekly}),
		"day 32": masterOf(ews.Recurrence{Pattern: ews.AbsoluteMonthly, DayOfMonth: 32}), "no month": masterOf(ews.Recurrence{Pattern: ews.AbsoluteYearly, DayOfMonth: 1}),
		"no index": masterOf(ews.Recurrence{Pattern: ews.RelativeMonthly, DaysOfWeek: []string{"Monday"}}),
		"no day":   masterOf(ews.Recurrence{Pattern: ews.RelativeYearly, DayOfWeekIndex: "Last", Month: "May", DaysOfWeek: []string{"Lundi"}}),
	} {
		if list, err := ews.Expand(m, nine, nine.AddDate(1, 0, 0)); err == nil {
			t.Errorf("%s: %d instances", name, len(list))
		}
	}
	if list, err := ews.Expand(masterOf(ews.Recurrence{Pattern: ews.Daily}), nine, nine); err != nil || list != nil {
		t.Errorf("an empty window: %v, %v", list, err)
	}
}

// FuzzExpand: whatever a server says of a series, expanding it ends, and stays
// inside the window and in order.
func FuzzExpand(f *testing.F) {
	f.Add("DailyRecurrence", "Monday", "First", "January", "2026-11-02", "2026-12-01Z", 1, 1, 3, "Tokyo Standard Time", int64(0), int64(40*86400))
	f.Add("RelativeYearlyRecurrence", "WeekendDay", "Last", "May", "", "", 0, 0, 0, "tzone://Microsoft/Utc", int64(-86400), int64(800*86400))
	f.Add("WeeklyRecurrence", "Weekday", "", "", "0001-01-01", "9999-12-31", 99999999, -5, 0, "Europe/Berlin", int64(1<<33), int64(86400))
	f.Add("AbsoluteMonthlyRecurrence", "", "", "", "2026-11-02-08:00", "", 1, 31, 999999999, "(UTC+05:45) Kathmandu", int64(-1<<34), int64(1<<34))
	f.Fuzz(func(t *testing.T, pattern, days, index, month, start, end string, interval, dom, count int, zone string, after, length int64) {
		m := masterOf(ews.Recurrence{
			Pattern: ews.RecurrencePattern(pattern), DaysOfWeek: strings.Fields(days), DayOfWeekIndex: index, Month: month, StartDate: start, EndDate: end,
			Interval: interval, DayOfMonth: dom, Count: count, FirstDayOfWeek: days,
		})
		m.StartTimeZone = zone
		m.DeletedOccurrences = []time.Time{nine.Add(time.Duration(after))}
		m.ModifiedOccurrences = []ews.OccurrenceInfo{{OriginalStart: time.Unix(after, 0), Start: time.Unix(length, 0), End: nine}}
		from := nine.Add(time.Duration(after%(1<<34)) * time.Second)
		to := from.Add(time.Duration(length%(1<<27)) * time.Second)
		list, err := ews.Expand(m, from, to)
		if err != nil && list != nil {
			t.Error("instances beside an error")
		}
		for k, i := range list {
			if !i.Start.Before(to) || i.End.Before(from) && !i.Exception || k > 0 && i.Start.Before(list[k-1].Start) {
				t.Errorf("%v to %v is not in its place", i.Start, i.End)
			}
		}
		ews.SeriesEnd(m)
	})
}

func BenchmarkExpandCentury(b *testing.B) {
	m := masterOf(ews.Recurrence{Pattern: ews.Daily, Interval: 1})
	m.Start, m.End, m.StartTimeZone = nine.AddDate(-100, 0, 0), nine.AddDate(-100, 0, 0).Add(time.Hour), "W. Europe Standard Time"
	b.ReportAllocs()
	for b.Loop() {
		if _, err := ews.Expand(m, nine, nine.AddDate(0, 1, 0)); err != nil {
			b.Fatal(err)
		}
	}
}
