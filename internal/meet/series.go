package meet

import (
	"strconv"
	"strings"
	"time"
)

// upcoming moves a series that began in the past on by whole periods of its
// rule, to the first begin that is not over, and takes from its count what lies
// behind. A rule that it does not understand stays as it is.
func upcoming(start time.Time, zone, rule string, now time.Time) (time.Time, string) {
	loc, err := time.LoadLocation(zone)
	if err != nil {
		loc = time.UTC
	}
	parts := strings.Split(rule, ";")
	get := func(name string) string {
		for _, p := range parts {
			if v, is := strings.CutPrefix(p, name+"="); is {
				return v
			}
		}
		return ""
	}
	every, err := strconv.Atoi(get("INTERVAL"))
	if err != nil || every < 1 {
		every = 1
	}
	each := 1 // occurrences in a period
	var years, months, days int
	switch get("FREQ") {
	case "DAILY":
		days = every
	case "WEEKLY":
		days, each = 7*every, max(1, len(strings.Split(get("BYDAY"), ",")))
	case "MONTHLY":
		months = every
	case "YEARLY":
		years = every
	default:
		return start, rule
	}
	periods, first := 0, start.In(loc)
	const most = 20000                                                                             // days of 50 years
	for periods < most && (start.Before(now) || days == 0 && start.In(loc).Day() != first.Day()) { // not every month has a 31st
		periods++
		start = first.AddDate(years*periods, months*periods, days*periods)
	}
	if n, err := strconv.Atoi(get("COUNT")); err == nil {
		for i, p := range parts {
			if strings.HasPrefix(p, "COUNT=") {
				parts[i] = "COUNT=" + strconv.Itoa(max(1, n-periods*each))
			}
		}
	}
	return start, strings.Join(parts, ";")
}
