package ewstest

import (
	"strconv"
	"time"

	"github.com/koyomi-cal/koyomi/ews/internal/wire"
)

// zoneRules are the rules of a zone as they are in one year: two offsets, and
// on which days they change.
type zoneRules struct {
	standard, daylight     int // seconds east of UTC; equal where nothing changes
	toDaylight, toStandard changeDay
}

// changeDay says when a zone changes its offset, in the time before it.
type changeDay struct {
	month     time.Month
	weekday   time.Weekday
	nth       int // from 1; -1 is the last
	timeOfDay time.Duration
}

// rulesOf works out the rules of a zone in a year. Zones that change more
// than twice in it are shown without their changes.
func rulesOf(loc *time.Location, year int) zoneRules {
	changes := offsetChanges(loc, year)
	_, january := time.Date(year, 1, 1, 12, 0, 0, 0, loc).Zone()
	if len(changes) != 2 {
		return zoneRules{standard: january, daylight: january}
	}
	var r zoneRules
	for _, c := range changes {
		_, before := c.Add(-time.Second).In(loc).Zone()
		_, after := c.In(loc).Zone()
		wall := c.In(time.FixedZone("", before))
		d := changeDay{month: wall.Month(), weekday: wall.Weekday(), nth: (wall.Day()-1)/7 + 1, timeOfDay: clockOf(wall)}
		if wall.AddDate(0, 0, 7).Month() != wall.Month() {
			d.nth = -1
		}
		if after > before {
			r.daylight, r.toDaylight = after, d
		} else {
			r.standard, r.toStandard = after, d
		}
	}
	return r
}

// offsetChanges returns the moments in a year at which a zone's offset
// changes.
func offsetChanges(loc *time.Location, year int) []time.Time {
	var out []time.Time
	offset := func(t time.Time) int { _, o := t.In(loc).Zone(); return o }
	for t := time.Date(year, 1, 1, 0, 0, 0, 0, time.UTC); t.Year() == year; t = t.AddDate(0, 0, 1) {
		low, high := t, t.AddDate(0, 0, 1)
		if offset(low) == offset(high) {
			continue
		}
		for high.Sub(low) > time.Second {
			middle := low.Add(high.Sub(low) / 2).Truncate(time.Second)
			if middle.Equal(low) {
				break
			}
			if offset(middle) == offset(low) {
				low = middle
			} else {
				high = middle
			}
		}
		out = append(out, high)
	}
	return out
}

// bias prints an offset as the protocol does: what has to be added to local
// time to get UTC.
func bias(seconds int) string { return isoDuration(-time.Duration(seconds) * time.Second) }

// writeZoneRules writes the content of a TimeZoneDefinitionType
// ([MS-OXWSGTZ] 2.2.4.4).
func writeZoneRules(w *wire.Writer, r zoneRules) {
	w.Start("t:Periods")
	w.Leaf("t:Period", "", "Bias", bias(r.standard), "Name", "Standard", "Id", "Std")
	if r.daylight != r.standard {
		w.Leaf("t:Period", "", "Bias", bias(r.daylight), "Name", "Daylight", "Id", "Dlt")
	}
	w.End()
	w.Start("t:TransitionsGroups")
	w.Start("t:TransitionsGroup", "Id", "0")
	if r.daylight == r.standard {
		w.Start("t:Transition")
		w.Leaf("t:To", "Std", "Kind", "Period")
		w.End()
	} else {
		writeChangeDay(w, "Dlt", r.toDaylight)
		writeChangeDay(w, "Std", r.toStandard)
	}
	w.End()
	w.End()
	w.Start("t:Transitions")
	w.Start("t:Transition")
	w.Leaf("t:To", "0", "Kind", "Group")
	w.End()
	w.End()
}

func writeChangeDay(w *wire.Writer, period string, d changeDay) {
	w.Start("t:RecurringDayTransition")
	w.Leaf("t:To", period, "Kind", "Period")
	w.Leaf("t:TimeOffset", isoDuration(d.timeOfDay))
	w.Leaf("t:Month", strconv.Itoa(int(d.month)))
	w.Leaf("t:DayOfWeek", d.weekday.String())
	w.Leaf("t:Occurrence", strconv.Itoa(d.nth))
	w.End()
}

// writeSerializable writes a zone as the availability operations do
// ([MS-OXWAVLS] 2.2.4.18, SerializableTimeZone).
func writeSerializable(w *wire.Writer, r zoneRules) {
	w.Leaf("t:Bias", strconv.Itoa(-r.standard/60))
	write := func(name string, extra int, d changeDay) {
		order := d.nth
		if order < 0 {
			order = 5
		}
		w.Start("t:" + name)
		w.Leaf("t:Bias", strconv.Itoa(-extra/60))
		w.Leaf("t:Time", time.Time{}.Add(d.timeOfDay).Format("15:04:05"))
		w.Leaf("t:DayOrder", strconv.Itoa(order))
		w.Leaf("t:Month", strconv.Itoa(int(d.month)))
		w.Leaf("t:DayOfWeek", d.weekday.String())
		w.End()
	}
	write("StandardTime", 0, r.toStandard)
	write("DaylightTime", r.daylight-r.standard, r.toDaylight)
}

// biasZone is a zone as a request for availability spells it.
type biasZone struct {
	bias               int // minutes west of UTC
	standard, daylight biasRule
}

type biasRule struct {
	bias, order int
	month       time.Month
	weekday     time.Weekday
	clock       time.Duration
}

// parseBiasZone reads a SerializableTimeZone.
func parseBiasZone(e *wire.Element) (biasZone, error) {
	z := biasZone{}
	ok := false
	if z.bias, ok = parseInt(e.Value("Bias")); !ok || z.bias < -24*60 || z.bias > 24*60 {
		return z, fail("ErrorTimeZone")
	}
	for _, p := range []struct {
		name string
		rule *biasRule
	}{{"StandardTime", &z.standard}, {"DaylightTime", &z.daylight}} {
		c := e.Child(p.name)
		if c == nil {
			return z, fail("ErrorTimeZone")
		}
		bias, ok1 := parseInt(c.Value("Bias"))
		order, ok2 := parseInt(c.Value("DayOrder"))
		month, ok3 := parseInt(c.Value("Month"))
		set, ok4 := parseDays(c.Value("DayOfWeek"))
		clock, err := time.Parse("15:04:05", c.Value("Time"))
		if !ok1 || !ok2 || !ok3 || !ok4 || err != nil || month < 0 || month > 12 || order < 0 || order > 31 || bias < -1440 || bias > 1440 {
			return z, fail("ErrorTimeZone")
		}
		*p.rule = biasRule{bias: bias, order: order, month: time.Month(month), clock: clockOf(clock)}
		for d := time.Sunday; d <= time.Saturday; d++ {
			if set == On(d) {
				p.rule.weekday = d
			}
		}
	}
	return z, nil
}

// in returns when the rule applies in a year, as a moment that shows the local
// time in UTC.
func (r biasRule) in(year int) time.Time {
	m := Recurrence{Pattern: RelativeYearly, Days: On(r.weekday), Index: max(1, min(r.order, 5))}
	return time.Unix(int64(m.inMonth(year, r.month))*86400, 0).UTC().Add(r.clock)
}

// offset returns how many minutes have to be added to local time at a moment.
func (z biasZone) offset(utc time.Time) int {
	std, dlt := z.bias+z.standard.bias, z.bias+z.daylight.bias
	if std == dlt || z.standard.month == 0 || z.daylight.month == 0 {
		return std
	}
	year := utc.Add(-time.Duration(std) * time.Minute).Year()
	begin := z.daylight.in(year).Add(time.Duration(std) * time.Minute)
	end := z.standard.in(year).Add(time.Duration(dlt) * time.Minute)
	in := !utc.Before(begin) && utc.Before(end)
	if end.Before(begin) {
		in = !utc.Before(begin) || utc.Before(end)
	}
	if in {
		return dlt
	}
	return std
}

// utc converts a local time, shown in UTC, to the moment it stands for.
func (z biasZone) utc(local time.Time) time.Time {
	guess := local.Add(time.Duration(z.bias+z.standard.bias) * time.Minute)
	return local.Add(time.Duration(z.offset(guess)) * time.Minute)
}

// local converts a moment to local time, shown in UTC.
func (z biasZone) local(utc time.Time) time.Time {
	return utc.UTC().Add(-time.Duration(z.offset(utc)) * time.Minute)
}

// parse reads a time that is in the zone unless it has an offset of its own.
func (z biasZone) parse(s string) (time.Time, error) {
	local, err := parseTimeIn(s, time.UTC)
	if err != nil {
		return local, err
	}
	if other, err := parseTimeIn(s, time.FixedZone("", 3600)); err == nil && other.Equal(local) {
		return local, nil // it does not depend on a zone
	}
	return z.utc(local), nil
}
