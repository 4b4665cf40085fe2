package exchange

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/koyomi-cal/koyomi/ews"
	"github.com/koyomi-cal/koyomi/ews/ewstest"
	"github.com/koyomi-cal/koyomi/internal/calendar"
)

func TestLastEnd(t *testing.T) {
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

// TestZoneNames: what leaves the adapter is a name that browsers know too.
func TestZoneNames(t *testing.T) {
	t.Parallel()
	for id, want := range map[string]string{
		"Tokyo Standard Time": "Asia/Tokyo", "UTC": "UTC", "tzone://Microsoft/Utc": "UTC", "": "", "Europe/Berlin": "Europe/Berlin",
		"(UTC+09:00) Osaka, Sapporo, Tokyo": "Asia/Tokyo", "tzone://Microsoft/Custom": "tzone://Microsoft/Custom",
	} {
		if got := zoneName(&ews.CalendarItem{StartTimeZone: id}); got != want {
			t.Errorf("%q: %q, not %q", id, got, want)
		}
	}
}

// TestExpandedView: where the server does not expand, the view shows the days
// of a series in its own zone, over a change of daylight time, with exceptions
// where they were moved to and without what was deleted.
func TestExpandedView(t *testing.T) {
	t.Parallel()
	inOffice(t, ewstest.Gromox, nil, func(t *testing.T, o *office) {
		berlin, err := ews.LoadZone("W. Europe Standard Time")
		if err != nil {
			t.Fatal(err)
		}
		begin := time.Date(2000, 10, 22, 9, 0, 0, 0, berlin)
		made := o.meeting(ewstest.Item{Subject: "daily", Zone: "W. Europe Standard Time", Start: begin, End: begin.Add(time.Hour),
			Recurrence: &ewstest.Recurrence{Pattern: ewstest.Weekly, Interval: 1, Days: ewstest.AnyDay, Start: ewstest.DateOf(begin)},
			Deleted:    []time.Time{time.Date(2026, 10, 27, 9, 0, 0, 0, berlin)},
			Exceptions: []ewstest.Exception{{Original: time.Date(2026, 10, 24, 9, 0, 0, 0, berlin), Start: time.Date(2026, 10, 26, 15, 0, 0, 0, berlin), End: time.Date(2026, 10, 26, 16, 0, 0, 0, berlin)}},
		})
		entries, masters, err := o.x.View(t.Context(), o.ann, calendar.Window{From: time.Date(2026, 10, 24, 0, 0, 0, 0, berlin), To: time.Date(2026, 10, 29, 0, 0, 0, 0, berlin)})
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for i := range entries {
			got = append(got, entries[i].Start.UTC().Format("02T15")+" "+string(entries[i].Kind))
			if entries[i].TimeZone != "Europe/Berlin" || entries[i].UID != made.UID {
				t.Errorf("%s: %s %s", got[i], entries[i].TimeZone, entries[i].UID)
			}
		}
		const want = "25T08 occurrence, 26T08 occurrence, 26T14 exception, 28T08 occurrence"
		if s := strings.Join(got, ", "); s != want || len(masters) != 1 {
			t.Errorf("%s, and %d masters; want %s", s, len(masters), want)
		}
	})
}

// TestViewInAZoneOfItsOwn: a zone without a known name is read by its rules,
// but only for a series that we expand ourselves.
func TestViewInAZoneOfItsOwn(t *testing.T) {
	t.Parallel()
	for dialect, reads := range map[ewstest.Dialect]bool{ewstest.Gromox: true, ewstest.Exchange2019: false} {
		inOffice(t, dialect, nil, func(t *testing.T, o *office) {
			begin := time.Date(2027, 3, 26, 8, 0, 0, 0, time.UTC) // nine o'clock, two days before daylight time
			o.meeting(ewstest.Item{Subject: "daily", Zone: "tzone://Microsoft/Custom#<S>-1:00<D>-2:00,M3.5.0/2:00,M10.5.0/3:00", Start: begin, End: begin.Add(time.Hour),
				Recurrence: &ewstest.Recurrence{Pattern: ewstest.Daily, Interval: 1, Start: ewstest.DateOf(begin), Count: 4}})
			entries, _, err := o.x.View(t.Context(), o.ann, calendar.Window{From: begin.AddDate(0, 0, -2), To: begin.AddDate(0, 0, 9)})
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for i := range entries {
				got = append(got, entries[i].Start.UTC().Format("02T15"))
			}
			slices.Sort(got)
			if s := strings.Join(got, " "); s != "26T08 27T08 28T07 29T07" {
				t.Errorf("%s: %s", dialect, s)
			}
			last := o.srv.CallsTo("GetItem", annAddr)
			if small := last[len(last)-1].Request < 1200; small != reads { // a request for the rules names nothing else
				t.Errorf("%s: the last request has %d bytes", dialect, last[len(last)-1].Request)
			}
		})
	}
}
