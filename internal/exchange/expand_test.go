package exchange

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/teambition/rrule-go"
	"pgregory.net/rapid"

	"github.com/koyomi-cal/koyomi/ews"
	"github.com/koyomi-cal/koyomi/ews/ewstest"
	"github.com/koyomi-cal/koyomi/internal/calendar"
)

// zones are Windows ids with their IANA names: summer time in either half of the
// year, none, and half an hour of it.
var zones = [][2]string{
	{"UTC", "Etc/UTC"}, {"W. Europe Standard Time", "Europe/Berlin"}, {"Tokyo Standard Time", "Asia/Tokyo"},
	{"Pacific Standard Time", "America/Los_Angeles"}, {"AUS Eastern Standard Time", "Australia/Sydney"}, {"Lord Howe Standard Time", "Australia/Lord_Howe"},
}

// drawn is a series as the simulator has it and as a client reads it.
type drawn struct {
	sim   ewstest.Item
	read  ews.CalendarItem
	place *time.Location
}

func drawSeries(rt *rapid.T) drawn {
	zone := rapid.SampledFrom(zones).Draw(rt, "zone")
	place, err := time.LoadLocation(zone[1])
	if err != nil {
		rt.Fatal(err)
	}
	// A clock time that no change of summer time skips: what a gap means is
	// nobody's agreement.
	begin := time.Date(2026, time.Month(rapid.IntRange(1, 12).Draw(rt, "month")), rapid.IntRange(1, 28).Draw(rt, "day"),
		rapid.IntRange(5, 22).Draw(rt, "hour"), 30, 0, 0, place)
	sim := ewstest.Recurrence{Interval: rapid.IntRange(1, 4).Draw(rt, "interval"), Start: ewstest.DateOf(begin)}
	r := ews.Recurrence{Interval: sim.Interval, StartDate: sim.Start.String()}
	weekday := time.Weekday(rapid.IntRange(0, 6).Draw(rt, "weekday"))
	index := rapid.IntRange(1, 5).Draw(rt, "index")
	month := time.Month(rapid.IntRange(1, 12).Draw(rt, "of"))
	day := rapid.IntRange(1, 31).Draw(rt, "dom")
	relative := func() {
		sim.Index, sim.Days = index, 1<<weekday
		r.DayOfWeekIndex, r.DaysOfWeek = []string{"First", "Second", "Third", "Fourth", "Last"}[index-1], []string{weekday.String()}
	}
	switch sim.Pattern = rapid.SampledFrom([]ewstest.Pattern{
		ewstest.Daily, ewstest.Weekly, ewstest.AbsoluteMonthly, ewstest.RelativeMonthly, ewstest.AbsoluteYearly, ewstest.RelativeYearly,
	}).Draw(rt, "pattern"); sim.Pattern {
	case ewstest.Weekly:
		sim.Days = ewstest.Weekdays(rapid.IntRange(1, 127).Draw(rt, "days"))
		sim.FirstDayOfWeek = rapid.SampledFrom([]time.Weekday{time.Sunday, time.Monday}).Draw(rt, "first")
		r.FirstDayOfWeek = sim.FirstDayOfWeek.String()
		for d := time.Sunday; d <= time.Saturday; d++ {
			if sim.Days&(1<<d) != 0 {
				r.DaysOfWeek = append(r.DaysOfWeek, d.String())
			}
		}
	case ewstest.AbsoluteMonthly:
		sim.DayOfMonth, r.DayOfMonth = day, day
	case ewstest.RelativeMonthly:
		relative()
	case ewstest.AbsoluteYearly:
		sim.DayOfMonth, r.DayOfMonth, sim.Month, r.Month = day, day, month, month.String()
	case ewstest.RelativeYearly:
		relative()
		sim.Month, r.Month = month, month.String()
	}
	r.Pattern = ews.RecurrencePattern(string(sim.Pattern) + "Recurrence")
	switch rapid.IntRange(0, 2).Draw(rt, "range") {
	case 1:
		sim.Count = rapid.IntRange(1, 30).Draw(rt, "count")
		r.Count = sim.Count
	case 2:
		sim.End = ewstest.DateOf(begin.AddDate(0, rapid.IntRange(0, 30).Draw(rt, "months"), 0))
		r.EndDate = sim.End.String() + rapid.SampledFrom([]string{"", "Z", "+02:00"}).Draw(rt, "suffix")
	}
	end := begin.Add(45 * time.Minute)
	return drawn{
		sim:   ewstest.Item{Subject: "series", Start: begin, End: end, Zone: zone[0], Recurrence: &sim},
		read:  ews.CalendarItem{Type: ews.RecurringMaster, Start: begin.UTC(), End: end.UTC(), StartTimeZone: zone[0], Recurrence: &r},
		place: place,
	}
}

// TestExpandAgreesWithTheSimulator: two expanders that know nothing of each
// other give the same days.
func TestExpandAgreesWithTheSimulator(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		d := drawSeries(rt)
		srv := ewstest.NewServer(ewstest.Options{})
		srv.AddMailbox(annAddr, "Ann")
		made, err := srv.Add(annAddr, d.sim)
		if err != nil {
			rt.Skip(err)
		}
		d.read.Start, d.read.End = made.Start, made.End
		from := d.sim.Start.AddDate(0, rapid.IntRange(-1, 40).Draw(rt, "from"), 0)
		w := calendar.Window{From: from, To: from.AddDate(0, rapid.IntRange(0, 6).Draw(rt, "length"), 3)}
		var want, got []string
		for _, it := range srv.View(annAddr, w.From, w.To) {
			want = append(want, it.Start.UTC().Format(time.RFC3339))
		}
		for _, o := range expand(&d.read, w) {
			got = append(got, o.From.UTC().Format(time.RFC3339))
			if o.To.Sub(o.From) != 45*time.Minute {
				rt.Errorf("an occurrence of %v", o.To.Sub(o.From))
			}
		}
		slices.Sort(want)
		if !slices.Equal(got, want) {
			rt.Fatalf("%+v\n got %s\nwant %s", *d.read.Recurrence, strings.Join(got, " "), strings.Join(want, " "))
		}
	})
}

// TestExpandAgreesWithRRule holds the expander against the rules of iCalendar,
// where both mean the same.
func TestExpandAgreesWithRRule(t *testing.T) {
	t.Parallel()
	freq := map[ews.RecurrencePattern]rrule.Frequency{
		ews.Daily: rrule.DAILY, ews.Weekly: rrule.WEEKLY, ews.RelativeMonthly: rrule.MONTHLY, ews.AbsoluteMonthly: rrule.MONTHLY,
	}
	days := []rrule.Weekday{rrule.SU, rrule.MO, rrule.TU, rrule.WE, rrule.TH, rrule.FR, rrule.SA}
	rapid.Check(t, func(rt *rapid.T) {
		d := drawSeries(rt)
		r := d.read.Recurrence
		f, known := freq[r.Pattern]
		if !known || r.DayOfMonth > 28 || r.Count > 0 && r.Pattern != ews.Daily { // a series whose start is no occurrence counts differently
			rt.Skip("no equal in iCalendar")
		}
		o := rrule.ROption{Freq: f, Interval: r.Interval, Dtstart: d.sim.Start, Count: r.Count}
		if r.FirstDayOfWeek != "" {
			o.Wkst = days[weekdaysOf(r.FirstDayOfWeek)[0]]
		}
		for _, name := range r.DaysOfWeek {
			day := days[weekdaysOf(name)[0]]
			if n := slices.Index([]string{"First", "Second", "Third", "Fourth", "Last"}, r.DayOfWeekIndex); n >= 0 {
				day = day.Nth([]int{1, 2, 3, 4, -1}[n])
			}
			o.Byweekday = append(o.Byweekday, day)
		}
		if r.DayOfMonth > 0 {
			o.Bymonthday = []int{r.DayOfMonth}
		}
		if last, has := parseDate(r.EndDate); has {
			o.Until = time.Date(last.Year(), last.Month(), last.Day(), 23, 59, 59, 0, d.place)
		}
		rule, err := rrule.NewRRule(o)
		if err != nil {
			rt.Fatal(err)
		}
		w := calendar.Window{From: d.sim.Start, To: d.sim.Start.AddDate(1, 0, 0)}
		var got, want []string
		for _, at := range rule.Between(w.From, w.To.Add(-time.Second), true) {
			want = append(want, at.UTC().Format(time.RFC3339))
		}
		for _, o := range expand(&d.read, w) {
			got = append(got, o.From.UTC().Format(time.RFC3339))
		}
		if !slices.Equal(got, want) {
			rt.Fatalf("%+v from %v\n got %s\nwant %s", *r, d.sim.Start, strings.Join(got, " "), strings.Join(want, " "))
		}
	})
}

func TestSeriesEnd(t *testing.T) {
	t.Parallel()
	begin := time.Date(2026, 11, 2, 9, 0, 0, 0, time.UTC)
	item := func(r ews.Recurrence) *ews.CalendarItem {
		r.Pattern, r.Interval = ews.Daily, 1
		return &ews.CalendarItem{Start: begin, End: begin.Add(time.Hour), Recurrence: &r}
	}
	for name, c := range map[string]struct {
		it   *ews.CalendarItem
		want time.Time
	}{
		"endless":    {item(ews.Recurrence{}), time.Time{}},
		"three":      {item(ews.Recurrence{Count: 3}), begin.AddDate(0, 0, 2).Add(time.Hour)},
		"until":      {item(ews.Recurrence{EndDate: "2026-11-05+09:00"}), begin.AddDate(0, 0, 3).Add(time.Hour)},
		"no series":  {&ews.CalendarItem{}, time.Time{}},
		"nonsense":   {&ews.CalendarItem{Recurrence: &ews.Recurrence{Count: 3, Pattern: "Hourly"}}, time.Time{}},
		"never hits": {&ews.CalendarItem{Recurrence: &ews.Recurrence{Count: 3, Pattern: ews.Weekly}}, time.Time{}},
	} {
		if got := lastEnd(c.it); !got.Equal(c.want) {
			t.Errorf("%s: %v, not %v", name, got, c.want)
		}
	}
	moved := item(ews.Recurrence{Count: 3})
	moved.ModifiedOccurrences = []ews.OccurrenceInfo{{End: begin.AddDate(0, 0, 9)}}
	if got := lastEnd(moved); !got.Equal(begin.AddDate(0, 0, 9)) {
		t.Errorf("an occurrence moved beyond the last: %v", got)
	}
}

// FuzzExpand: whatever a server says of a series, expanding it ends.
func FuzzExpand(f *testing.F) {
	f.Add("DailyRecurrence", "Monday", "First", "January", "2026-11-02", "2026-12-01Z", 1, 1, 3, "Tokyo Standard Time")
	f.Add("RelativeYearlyRecurrence", "WeekendDay", "Last", "May", "", "", 0, 0, 0, "tzone://Microsoft/Utc")
	f.Add("WeeklyRecurrence", "Weekday", "", "", "0001-01-01", "9999-12-31", 99999999, -5, 0, "Europe/Berlin")
	f.Fuzz(func(t *testing.T, pattern, day, index, month, start, end string, interval, dom, count int, zone string) {
		at := time.Date(2026, 11, 2, 9, 0, 0, 0, time.UTC)
		it := &ews.CalendarItem{Start: at, End: at.Add(time.Hour), StartTimeZone: zone, Recurrence: &ews.Recurrence{
			Pattern: ews.RecurrencePattern(pattern), DaysOfWeek: []string{day}, DayOfWeekIndex: index, Month: month, StartDate: start, EndDate: end,
			Interval: interval, DayOfMonth: dom, Count: count, FirstDayOfWeek: day,
		}}
		w := calendar.Window{From: at, To: at.AddDate(0, 1, 7)}
		for _, o := range expand(it, w) {
			if !w.Contains(o.From, o.To) {
				t.Errorf("%v is outside", o.From)
			}
		}
		lastEnd(it)
	})
}

func TestZones(t *testing.T) {
	t.Parallel()
	for id, want := range map[string]string{
		"Tokyo Standard Time": "+09:00", "tokyo standard time": "+09:00", "Asia/Tokyo": "+09:00", "UTC": "+00:00", "tzone://Microsoft/Utc": "+00:00",
		"tzone://Microsoft/Custom": "+05:45", "(UTC+01:00) Somewhere": "+05:45", "Nowhere/None": "+05:45", "": "+05:45",
	} {
		it := ews.CalendarItem{StartTimeZone: id, StartWall: time.Date(2026, 11, 2, 9, 0, 0, 0, time.FixedZone("", 5*3600+45*60))}
		if got := time.Date(2026, 11, 2, 9, 0, 0, 0, zoneOf(&it)).Format("-07:00"); got != want {
			t.Errorf("%q: %s, not %s", id, got, want)
		}
	}
	n := 0
	for line := range strings.Lines(windowsZones) {
		name, zone, _ := strings.Cut(strings.TrimSpace(line), "=")
		if _, err := time.LoadLocation(zone); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		n++
	}
	if n < 130 {
		t.Errorf("%d zones", n)
	}
	if got := fmt.Sprint(zoneOf(&ews.CalendarItem{})); got != "UTC" {
		t.Errorf("nothing known: %s", got)
	}
}
