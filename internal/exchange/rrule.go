package exchange

import (
	"strconv"
	"strings"
	"time"

	"github.com/koyomi-cal/koyomi/ews"
)

// toRule writes a series' pattern and range as iCalendar has them (RFC 5545,
// section 3.3.10; [MS-OXWSCDATA] RecurrenceType); empty for what is no series
// or says too little.
func toRule(e *ews.CalendarItem) string {
	r := e.Recurrence
	if r == nil {
		return ""
	}
	var parts []string
	add := func(name, value string) { parts = append(parts, name+"="+value) }
	every := func(freq string) {
		add("FREQ", freq)
		if r.Interval > 1 {
			add("INTERVAL", strconv.Itoa(r.Interval))
		}
	}
	days, index := ruleDays(r.DaysOfWeek), ruleIndex(r.DayOfWeekIndex)
	relative := func() {
		if add("BYDAY", strings.Join(days, ",")); len(days) == 1 {
			parts[len(parts)-1] = "BYDAY=" + index + days[0]
			return
		}
		add("BYSETPOS", index)
	}
	month := 0
	for m := time.January; m <= time.December; m++ {
		if m.String() == r.Month {
			month = int(m)
		}
	}
	switch r.Pattern {
	case ews.Daily:
		every("DAILY")
	case ews.Weekly:
		every("WEEKLY")
		if len(days) > 0 {
			add("BYDAY", strings.Join(days, ","))
		}
	case ews.AbsoluteMonthly:
		every("MONTHLY")
		add("BYMONTHDAY", strconv.Itoa(r.DayOfMonth))
	case ews.RelativeMonthly:
		every("MONTHLY")
		relative()
	case ews.AbsoluteYearly:
		every("YEARLY")
		add("BYMONTH", strconv.Itoa(month))
		add("BYMONTHDAY", strconv.Itoa(r.DayOfMonth))
	case ews.RelativeYearly:
		every("YEARLY")
		add("BYMONTH", strconv.Itoa(month))
		relative()
	}
	rule := strings.Join(parts, ";")
	if rule == "" || strings.Contains(rule, "MONTHDAY=0") || strings.Contains(rule, "BYMONTH=0") || strings.Contains(rule, "BYDAY=;") || strings.HasSuffix(rule, "BYSETPOS=") {
		return ""
	}
	switch end := lastEnd(e); {
	case r.Count > 0:
		rule += ";COUNT=" + strconv.Itoa(r.Count)
	case r.EndDate != "" && !end.IsZero():
		rule += ";UNTIL=" + end.UTC().Format("20060102T150405Z")
	}
	return rule
}

func ruleDays(names []string) (days []string) {
	for _, n := range names {
		switch n {
		case "Day":
			days = append(days, "SU", "MO", "TU", "WE", "TH", "FR", "SA")
		case "Weekday":
			days = append(days, "MO", "TU", "WE", "TH", "FR")
		case "WeekendDay":
			days = append(days, "SA", "SU")
		case "Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday":
			days = append(days, strings.ToUpper(n[:2]))
		}
	}
	return days
}

func ruleIndex(name string) string {
	return map[string]string{"First": "1", "Second": "2", "Third": "3", "Fourth": "4", "Last": "-1"}[name]
}
