package ewstest

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// parseTime reads an xs:dateTime. One without an offset is in the zone of
// TimeZoneContext, and in UTC without that.
func (r *request) parseTime(s string) (time.Time, error) { return parseTimeIn(s, r.zone) }

func parseTimeIn(s string, loc *time.Location) (time.Time, error) {
	s = strings.TrimSpace(s)
	for _, layout := range []string{"2006-01-02T15:04:05.999999999Z07:00", "2006-01-02T15:04Z07:00", "2006-01-02Z07:00"} {
		if t, err := time.Parse(layout, s); err == nil {
			return bounded(t.UTC())
		}
	}
	for _, layout := range []string{"2006-01-02T15:04:05.999999999", "2006-01-02T15:04", "2006-01-02"} {
		if t, err := time.Parse(layout, s); err == nil {
			clock := clockOf(t) + time.Duration(t.Nanosecond())
			return bounded(at(dayOf(t), clock, loc).UTC())
		}
	}
	return time.Time{}, fmt.Errorf("%.40q is not a date with time", s)
}

// bounded refuses what a FILETIME cannot hold.
func bounded(t time.Time) (time.Time, error) {
	if t.Year() < 1601 || t.Year() > 4500 {
		return t, fmt.Errorf("the year %d is out of range", t.Year())
	}
	return t, nil
}

// parseDate reads an xs:date; its offset, if any, means nothing.
func parseDate(s string) (Date, error) {
	s = strings.TrimSpace(s)
	if len(s) < 10 {
		return Date{}, fmt.Errorf("%.40q is not a date", s)
	}
	t, err := time.Parse("2006-01-02", s[:10])
	if err != nil {
		return Date{}, fmt.Errorf("%.40q is not a date", s)
	}
	if _, err := bounded(t); err != nil {
		return Date{}, err
	}
	return DateOf(t), nil
}

func parseInt(s string) (int, bool) {
	n, err := strconv.Atoi(strings.TrimSpace(s))
	return n, err == nil && n >= -1<<31 && n < 1<<31
}

func parseBool(s string) (value, ok bool) {
	switch strings.TrimSpace(s) {
	case "true", "1":
		return true, true
	case "false", "0":
		return false, true
	}
	return false, false
}

// commitTime makes a moment of a change number: it only has to grow with it.
func commitTime(cn uint64) time.Time {
	return time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(cn) * time.Millisecond)
}
