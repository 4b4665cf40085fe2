package exchange

import (
	"testing"
	"time"

	"github.com/teambition/rrule-go"

	"github.com/koyomi-cal/koyomi/ews"
)

func TestRules(t *testing.T) {
	t.Parallel()
	last := &ews.OccurrenceInfo{End: time.Date(2026, 12, 24, 10, 0, 0, 0, time.UTC)}
	for want, e := range map[string]ews.CalendarItem{
		"":                                   {},
		"FREQ=DAILY":                         {Recurrence: &ews.Recurrence{Pattern: ews.Daily, Interval: 1}},
		"FREQ=DAILY;INTERVAL=3;COUNT=5":      {Recurrence: &ews.Recurrence{Pattern: ews.Daily, Interval: 3, Count: 5}},
		"FREQ=WEEKLY;INTERVAL=2;BYDAY=MO,TH": {Recurrence: &ews.Recurrence{Pattern: ews.Weekly, Interval: 2, DaysOfWeek: []string{"Monday", "Thursday"}}},
		"FREQ=MONTHLY;BYMONTHDAY=31;UNTIL=20261224T100000Z": {Recurrence: &ews.Recurrence{Pattern: ews.AbsoluteMonthly, Interval: 1, DayOfMonth: 31, EndDate: "2026-12-24"}, LastOccurrence: last},
		"FREQ=MONTHLY;BYDAY=-1FR":                           {Recurrence: &ews.Recurrence{Pattern: ews.RelativeMonthly, Interval: 1, DaysOfWeek: []string{"Friday"}, DayOfWeekIndex: "Last"}},
		"FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=1":      {Recurrence: &ews.Recurrence{Pattern: ews.RelativeMonthly, Interval: 1, DaysOfWeek: []string{"Weekday"}, DayOfWeekIndex: "First"}},
		"FREQ=YEARLY;BYMONTH=5;BYMONTHDAY=1":                {Recurrence: &ews.Recurrence{Pattern: ews.AbsoluteYearly, DayOfMonth: 1, Month: "May"}},
		"FREQ=YEARLY;BYMONTH=11;BYDAY=4TH":                  {Recurrence: &ews.Recurrence{Pattern: ews.RelativeYearly, DaysOfWeek: []string{"Thursday"}, DayOfWeekIndex: "Fourth", Month: "November"}},
	} {
		got := toRule(&e)
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
		if got == "" {
			continue
		}
		if _, err := rrule.StrToRRule(got); err != nil {
			t.Errorf("%q: %v", got, err)
		}
	}
	for _, r := range []ews.Recurrence{
		{Pattern: "MinutelyRecurrence"}, {Pattern: ews.AbsoluteMonthly}, {Pattern: ews.AbsoluteYearly, DayOfMonth: 1},
		{Pattern: ews.RelativeMonthly}, {Pattern: ews.RelativeMonthly, DaysOfWeek: []string{"Weekday"}},
	} {
		if got := toRule(&ews.CalendarItem{Recurrence: &r}); got != "" {
			t.Errorf("%+v gives %q", r, got)
		}
	}
}
