package ewstest

import (
	"fmt"
	"strings"
	"time"

	"github.com/koyomi-cal/koyomi/ews/internal/wire"
)

// A zone that a request defines by rules of its own is kept in Item.Zone as the
// id that the request gave, a "#", and the rules in the words of POSIX
// (IEEE Std 1003.1, 8.3, TZ).

// customZone returns what is kept of a zone: the id where it is known or comes
// without rules.
func customZone(id string, e *wire.Element) string {
	if knownZone(id) || e.Child("Periods") == nil || strings.Contains(id, "#") {
		return strings.Clone(id)
	}
	rules, ok := posixRules(e)
	if !ok || posixZone(rules) == nil {
		return strings.Clone(id)
	}
	return id + "#" + rules
}

// shownZone returns the id of a zone as answers give it.
func shownZone(kept string) string {
	id, _, _ := strings.Cut(kept, "#")
	return orElse(id, "UTC")
}

// posixRules translates the newest rules of a TimeZoneDefinition ([MS-OXWSGTZ]
// 2.2.4.4): no change in a year, or two on days of the week.
func posixRules(e *wire.Element) (string, bool) {
	bias := map[string]string{}
	for p := range e.Child("Periods").All("Period") {
		b, ok := posixTime(p.Attr("Bias"))
		if !ok {
			return "", false
		}
		bias[p.Attr("Id")] = b
	}
	var group *wire.Element
	for g := range e.Child("TransitionsGroups").All("TransitionsGroup") {
		group = g
	}
	if group == nil {
		return "", false
	}
	var days, periods []string
	for _, t := range group.Children {
		to := bias[t.Value("To")]
		if to == "" {
			return "", false
		}
		periods = append(periods, to)
		if t.Name != "RecurringDayTransition" {
			continue
		}
		month, ok1 := parseInt(t.Value("Month"))
		nth, ok2 := parseInt(t.Value("Occurrence"))
		set, ok3 := parseDays(t.Value("DayOfWeek"))
		clock, ok4 := posixTime(t.Value("TimeOffset"))
		if !ok1 || !ok2 || !ok3 || !ok4 || nth == 0 || nth < -1 || nth > 5 || month < 1 || month > 12 {
			return "", false
		}
		if nth < 0 {
			nth = 5
		}
		for d := time.Sunday; d <= time.Saturday; d++ {
			if set == On(d) {
				days = append(days, fmt.Sprintf("M%d.%d.%d/%s", month, nth, d, clock))
			}
		}
	}
	switch {
	case len(periods) == 1 && len(days) == 0:
		return "<S>" + periods[0], true
	case len(periods) == 2 && len(days) == 2: // the one with the smaller bias is daylight time
		return "<S>" + periods[1] + "<D>" + periods[0] + "," + days[0] + "," + days[1], true
	}
	return "", false
}

// posixTime translates an xs:duration of hours and minutes.
func posixTime(s string) (string, bool) {
	s, negative := strings.CutPrefix(s, "-")
	d, err := parseICalDuration(s)
	if err != nil || d > 24*time.Hour {
		return "", false
	}
	sign := ""
	if negative && d != 0 {
		sign = "-"
	}
	return fmt.Sprintf("%s%d:%02d", sign, d/time.Hour, d%time.Hour/time.Minute), true
}

// posixZone makes a location of rules, or nil: a file of the zone database
// (RFC 8536) with one change a hundred years ago and the rules behind it.
func posixZone(rules string) *time.Location {
	loc, err := time.LoadLocationFromTZData("", []byte("TZif2"+strings.Repeat("\x00", 15)+strings.Repeat("\x00", 24)+
		"TZif2"+strings.Repeat("\x00", 15)+strings.Repeat("\x00", 12)+strings.Repeat("\x00\x00\x00\x01", 3)+ // one change, one offset, one name
		"\xff\xff\xff\xff\x80\x00\x00\x00"+"\x00"+strings.Repeat("\x00", 6)+"\x00"+"\n"+rules+"\n"))
	if err != nil {
		return nil
	}
	return loc
}
