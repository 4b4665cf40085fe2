package ews

import (
	"cmp"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/koyomi-cal/koyomi/ews/internal/wire"
)

// ZoneDefinition is a time zone with its rules, as StartTimeZone of an item
// carries it ([MS-OXWSGTZ] 2.2.4.4, TimeZoneDefinitionType). Transitions say
// from when on which group of rules holds; the rules of a group say, for every
// year, when which period begins.
type ZoneDefinition struct {
	ID, Name    string
	Periods     []ZonePeriod
	Groups      []ZoneGroup
	Transitions []ZoneTransition
}

// ZonePeriod is a time of one offset, such as daylight time. Bias is what has
// to be added to local time to get UTC.
type ZonePeriod struct {
	ID, Name string
	Bias     time.Duration
}

// ZoneGroup is a set of rules that hold together.
type ZoneGroup struct {
	ID          string
	Transitions []ZoneTransition
}

// ZoneTransition is a change to another period, or, in
// [ZoneDefinition.Transitions], to another group ([MS-OXWSGTZ] 2.2.4.8 to
// 2.2.4.12). It is the beginning of time where Month is zero and At too.
type ZoneTransition struct {
	To    string // id of a period or of a group
	Group bool   // To is a group

	At time.Time // once, at this local time, which is shown as UTC

	Month      time.Month    // every year:
	Day        int           // on this day of the month, or,
	Occurrence int           // where not 0, on the n-th Weekday, or the n-th from the end
	Weekday    time.Weekday  //
	TimeOffset time.Duration // since midnight
}

// Bounds of what a definition may hold and of the years it is worked out for.
const (
	mostZoneRules  = 512
	firstZoneYear  = 1970
	lastZoneYear   = 2200
	mostBias       = 24 * time.Hour
	mostTimeOffset = 8 * 24 * time.Hour
)

// Location makes a time zone of the definition, for the years 1970 to 2200.
func (d *ZoneDefinition) Location() (*time.Location, error) {
	changes, first, err := d.changes()
	if err != nil {
		return nil, err
	}
	return time.LoadLocationFromTZData(cmp.Or(d.Name, d.ID), tzif(first, changes))
}

// offsetChange is a moment at which the offset becomes another one.
type offsetChange struct {
	at     int64 // seconds since 1970
	offset int   // seconds east of UTC
}

var errZoneDefinition = errors.New("the definition of the time zone names a period or a group that it does not have, or is too large")

// changes works out all changes of the offset, and the first offset.
func (d *ZoneDefinition) changes() (out []offsetChange, first int, err error) {
	spans, err := d.spans()
	if err != nil {
		return nil, 0, err
	}
	offset := 0
	for i, s := range spans {
		begin, until := int64(-1<<62), int64(1<<62) // until is local time
		if i > 0 {
			begin = s.from.Unix() - int64(offset)
		}
		if i+1 < len(spans) {
			until = spans[i+1].from.Unix()
		}
		all, initial, err := d.yearly(s.group, begin, until)
		if err != nil {
			return nil, 0, err
		}
		if i == 0 {
			first, offset = initial, initial
		} else if initial != offset {
			out = append(out, offsetChange{begin, initial})
			offset = initial
		}
		for _, c := range all {
			if c.at >= until-int64(offset) {
				break
			}
			if c.offset != offset {
				out = append(out, c)
				offset = c.offset
			}
		}
	}
	slices.SortStableFunc(out, func(a, b offsetChange) int { return cmp.Compare(a.at, b.at) })
	return out, first, nil
}

// zoneSpan is a group with the local time from which on it holds.
type zoneSpan struct {
	from  time.Time
	group []ZoneTransition
}

// spans puts the groups in the order in which they hold.
func (d *ZoneDefinition) spans() ([]zoneSpan, error) {
	n := len(d.Periods) + len(d.Groups) + len(d.Transitions)
	for _, g := range d.Groups {
		n += len(g.Transitions)
	}
	if n > mostZoneRules {
		return nil, errZoneDefinition
	}
	var spans []zoneSpan
	for _, t := range d.Transitions {
		group := []ZoneTransition{t}
		if t.Group {
			i := slices.IndexFunc(d.Groups, func(g ZoneGroup) bool { return g.ID == t.To })
			if i < 0 {
				return nil, errZoneDefinition
			}
			group = d.Groups[i].Transitions
		}
		spans = append(spans, zoneSpan{t.At, group})
	}
	slices.SortStableFunc(spans, func(a, b zoneSpan) int { return a.from.Compare(b.from) })
	if len(spans) == 0 { // written by some programs: one group and nothing that says from when
		if len(d.Groups) == 0 {
			return nil, errZoneDefinition
		}
		spans = append(spans, zoneSpan{group: d.Groups[0].Transitions})
	}
	return spans, nil
}

// yearly works out the changes of a group after begin, to the end of the year
// in which it ends, and the offset at begin.
func (d *ZoneDefinition) yearly(group []ZoneTransition, begin, until int64) (out []offsetChange, initial int, err error) {
	var rules []ZoneTransition
	initial, known := 0, false
	for _, t := range group {
		o, ok := d.offset(t.To)
		if !ok {
			return nil, 0, errZoneDefinition
		}
		if t.Month == 0 {
			initial, known = o, true
			continue
		}
		rules = append(rules, t)
	}
	if len(rules) == 0 {
		if !known {
			return nil, 0, errZoneDefinition
		}
		return nil, initial, nil
	}
	slices.SortStableFunc(rules, func(a, b ZoneTransition) int { return cmp.Compare(a.Month, b.Month) })
	offset, _ := d.offset(rules[len(rules)-1].To)
	initial = offset
	from, to := firstZoneYear, lastZoneYear
	if begin > 0 {
		from = max(from, time.Unix(begin, 0).UTC().Year()-1)
	}
	if until < 1<<40 {
		to = min(to, time.Unix(until, 0).UTC().Year()+1)
	}
	for year := from; year <= to; year++ {
		for _, r := range rules {
			at := r.in(year).Unix() - int64(offset)
			offset, _ = d.offset(r.To)
			if at <= begin {
				initial = offset
				continue
			}
			out = append(out, offsetChange{at, offset})
		}
	}
	return out, initial, nil
}

// offset returns the offset of a period in seconds east of UTC.
func (d *ZoneDefinition) offset(id string) (int, bool) {
	for _, p := range d.Periods {
		if p.ID == id {
			return -int(p.Bias / time.Second), true
		}
	}
	return 0, false
}

// in returns the local time, shown as UTC, at which a yearly rule applies.
func (t *ZoneTransition) in(year int) time.Time {
	day := time.Date(year, t.Month, t.Day, 0, 0, 0, 0, time.UTC)
	switch {
	case t.Occurrence > 0:
		first := time.Date(year, t.Month, 1, 0, 0, 0, 0, time.UTC)
		day = first.AddDate(0, 0, (int(t.Weekday)-int(first.Weekday())+7)%7+7*(min(t.Occurrence, 5)-1))
		for day.Month() != t.Month {
			day = day.AddDate(0, 0, -7)
		}
	case t.Occurrence < 0:
		last := time.Date(year, t.Month+1, 0, 0, 0, 0, 0, time.UTC)
		day = last.AddDate(0, 0, -(int(last.Weekday())-int(t.Weekday)+7)%7-7*(min(-t.Occurrence, 4)-1))
	}
	return day.Add(t.TimeOffset)
}

// tzif writes a zone in the format of RFC 8536, version 2, which is the way to
// make a time.Location that has rules.
func tzif(first int, changes []offsetChange) []byte {
	var offsets []int
	index := func(offset int) byte {
		i := slices.Index(offsets, offset)
		if i < 0 {
			i = len(offsets)
			offsets = append(offsets, offset)
		}
		return byte(i)
	}
	index(first)
	var times, kinds, types []byte
	for _, c := range changes {
		times = appendBig(times, uint64(c.at), 8)
		kinds = append(kinds, index(c.offset))
	}
	for _, o := range offsets {
		types = append(appendBig(types, uint64(uint32(int32(o))), 4), 0, 0)
	}
	header := func(times, types, chars int) []byte {
		b := append([]byte("TZif2"), make([]byte, 15)...)
		for _, n := range []int{0, 0, 0, times, types, chars} {
			b = appendBig(b, uint64(n), 4)
		}
		return b
	}
	b := header(0, 0, 0)
	b = append(b, header(len(changes), len(offsets), 1)...)
	b = append(b, times...)
	b = append(b, kinds...)
	b = append(b, types...)
	return append(b, 0, '\n', '\n')
}

func appendBig(b []byte, v uint64, bytes int) []byte {
	for i := bytes - 1; i >= 0; i-- {
		b = append(b, byte(v>>(8*i)))
	}
	return b
}

// zoneDefinition reads a definition; nil where the element has an id only, or
// what it says cannot be.
func zoneDefinition(e *wire.Element) *ZoneDefinition {
	if e.Child("Periods") == nil {
		return nil
	}
	d := &ZoneDefinition{ID: strings.Clone(e.Attr("Id")), Name: strings.Clone(e.Attr("Name"))}
	for p := range e.Child("Periods").All("Period") {
		bias, ok := isoDuration(p.Attr("Bias"))
		if !ok || bias > mostBias || bias < -mostBias || len(d.Periods) == mostZoneRules {
			return nil
		}
		d.Periods = append(d.Periods, ZonePeriod{ID: strings.Clone(p.Attr("Id")), Name: strings.Clone(p.Attr("Name")), Bias: bias})
	}
	ok := true
	read := func(e *wire.Element) (list []ZoneTransition) {
		if e == nil {
			return nil
		}
		for _, c := range e.Children {
			t, good := zoneTransition(c)
			ok = ok && good && len(list) < mostZoneRules
			if !ok {
				return nil
			}
			list = append(list, t)
		}
		return list
	}
	for g := range e.Child("TransitionsGroups").All("TransitionsGroup") {
		d.Groups = append(d.Groups, ZoneGroup{ID: strings.Clone(g.Attr("Id")), Transitions: read(g)})
		ok = ok && len(d.Groups) < mostZoneRules
	}
	d.Transitions = read(e.Child("Transitions"))
	if !ok {
		return nil
	}
	return d
}

// serializableZone reads a time zone of free/busy ([MS-OXWAVLS]
// SerializableTimeZone): a bias, and rules for standard and daylight time that
// hold in every year; nil where what it says cannot be.
func serializableZone(e *wire.Element) *ZoneDefinition {
	if e == nil {
		return nil
	}
	minutes := func(e *wire.Element) time.Duration { return time.Duration(number(e.Child("Bias"))) * time.Minute }
	d := &ZoneDefinition{ID: "free/busy"}
	var rules []ZoneTransition
	for _, c := range []*wire.Element{e.Child("StandardTime"), e.Child("DaylightTime")} {
		if c == nil {
			return nil
		}
		p := ZonePeriod{ID: c.Name, Bias: minutes(e) + minutes(c)}
		if p.Bias > mostBias || p.Bias < -mostBias {
			return nil
		}
		d.Periods = append(d.Periods, p)
		t := ZoneTransition{To: c.Name, Month: time.Month(number(c.Child("Month"))), Occurrence: number(c.Child("DayOrder"))}
		at, err := time.Parse("15:04:05", word(c.Child("Time")))
		if err == nil {
			t.TimeOffset = at.Sub(at.Truncate(24 * time.Hour))
		}
		t.Weekday = weekday(word(c.Child("DayOfWeek")))
		if err == nil && t.Month >= 1 && t.Month <= 12 && t.Occurrence >= 1 && t.Occurrence <= 5 {
			rules = append(rules, t)
		}
	}
	if len(rules) < 2 || d.Periods[0].Bias == d.Periods[1].Bias {
		d.Transitions = []ZoneTransition{{To: d.Periods[0].ID}}
		return d
	}
	d.Groups = []ZoneGroup{{ID: "yearly", Transitions: rules}}
	d.Transitions = []ZoneTransition{{To: "yearly", Group: true}}
	return d
}

// weekday reads the name of one day of the week; Sunday for anything else.
func weekday(name string) time.Weekday {
	for d := time.Sunday; d <= time.Saturday; d++ {
		if weekdays(name) == 1<<d {
			return d
		}
	}
	return time.Sunday
}

func zoneTransition(e *wire.Element) (t ZoneTransition, ok bool) {
	to := e.Child("To")
	t = ZoneTransition{To: str(to), Group: to.Attr("Kind") == "Group"}
	if e.Name == "Transition" {
		return t, true
	}
	if e.Name == "AbsoluteDateTransition" {
		t.At = dateTime(e.Child("DateTime"))
		return t, !t.At.IsZero()
	}
	t.TimeOffset, ok = isoDuration(word(e.Child("TimeOffset")))
	t.Month, t.Day, t.Occurrence = time.Month(number(e.Child("Month"))), number(e.Child("Day")), number(e.Child("Occurrence"))
	t.Weekday = weekday(word(e.Child("DayOfWeek")))
	ok = ok && t.Month >= 1 && t.Month <= 12 && t.TimeOffset > -mostTimeOffset && t.TimeOffset < mostTimeOffset &&
		(e.Name == "RecurringDateTransition" && t.Day >= 1 && t.Day <= 31 || e.Name == "RecurringDayTransition" && t.Occurrence >= -5 && t.Occurrence <= 5 && t.Occurrence != 0)
	return t, ok
}

// isoDuration reads an xs:duration of days and smaller parts.
func isoDuration(s string) (time.Duration, bool) {
	s, negative := strings.CutPrefix(strings.TrimSpace(s), "-")
	s, ok := strings.CutPrefix(s, "P")
	if !ok || len(s) > 32 || s == "" {
		return 0, false
	}
	var d time.Duration
	units := map[byte]time.Duration{'D': 24 * time.Hour}
	for s != "" {
		if s[0] == 'T' {
			units, s = map[byte]time.Duration{'H': time.Hour, 'M': time.Minute, 'S': time.Second}, s[1:]
			continue
		}
		n := strings.IndexFunc(s, func(r rune) bool { return r != '.' && (r < '0' || r > '9') })
		if n < 1 || n > 9 {
			return 0, false
		}
		unit, known := units[s[n]]
		v, err := strconv.ParseFloat(s[:n], 64)
		if !known || err != nil || v > 1e6 {
			return 0, false
		}
		d, s = d+time.Duration(v*float64(unit)), s[n+1:]
	}
	if negative {
		d = -d
	}
	return d, true
}
