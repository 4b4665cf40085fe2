package ews

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

// Instance is one meeting of a series, as [Expand] works it out.
type Instance struct {
	// Index counts from 1, deleted occurrences included: what
	// [ItemID.OccurrenceAt] takes.
	Index int
	// OriginalStart is the start that the pattern gives. Together with the clean
	// GlobalObjectId of the series it names the instance for ever, which an item
	// id does not.
	OriginalStart time.Time
	Start, End    time.Time // of an exception, where it was moved to
	// ItemID is that of an exception, as ModifiedOccurrences of the master has
	// it. Expand does not know the ids of other occurrences.
	ItemID    ItemID
	Exception bool
}

// mostInstances bounds what one call of Expand returns.
const mostInstances = 100_000

// Expand returns the instances of a series that a calendar shows between two
// moments, in the order of their starts: what ends after from and begins
// before to, as CalendarView has it ([MS-OXWSCORE] 3.1.4.6). It does what
// servers do that expand series, for those that do not, and sends nothing.
//
// The master must have been read with Recurrence, Start, End, the time zone
// (see [CalendarItem.Zone]), ModifiedOccurrences and DeletedOccurrences.
// Instances keep the clock of that zone; one that daylight time skips is later
// by as much as is skipped, one that comes twice is the first. The 31st of a
// shorter month is its last day, for Exchange knows no month without
// ([MS-OXOCAL] 2.2.1.44.1). The cost depends on the window, not on the age of
// the series.
//
// It fails where the item is no series, its pattern says nothing, or the window
// holds more than a hundred thousand instances.
func Expand(master *CalendarItem, from, to time.Time) ([]Instance, error) {
	s, err := newSeries(master)
	if err != nil {
		return nil, err
	}
	if !to.After(from) {
		return nil, nil
	}
	days := from.Add(-s.length - 48*time.Hour)
	n, most := s.from(dayIn(days, s.loc)), int64(0)
	if last, _ := s.last(); last > 0 {
		most = min(last, s.from(dayIn(to.Add(48*time.Hour), s.loc)))
	}
	if most-n > mostInstances {
		return nil, fmt.Errorf("the window holds %d instances of the series; look at a shorter one", most-n)
	}
	var out []Instance
	for ; n <= most; n++ {
		d := s.at(n)
		if s.exceptions[d] != nil || s.deleted[d] {
			continue
		}
		i := s.instance(n, d)
		if shows(i.Start, i.End, from, to) {
			out = append(out, i)
		}
	}
	for d, x := range s.exceptions {
		if !shows(x.Start, x.End, from, to) {
			continue
		}
		i := Instance{OriginalStart: x.OriginalStart.UTC(), Start: x.Start.UTC(), End: x.End.UTC(), ItemID: x.ItemID, Exception: true}
		if n := s.from(d); s.at(n) == d {
			i.Index = int(n)
		}
		out = append(out, i)
	}
	slices.SortFunc(out, func(a, b Instance) int {
		if c := a.Start.Compare(b.Start); c != 0 {
			return c
		}
		return a.OriginalStart.Compare(b.OriginalStart)
	})
	return out, nil
}

// shows is the rule of CalendarView. A meeting of no length is seen at the
// moment at which it stands.
func shows(start, end, from, to time.Time) bool {
	return start.Before(to) && (end.After(from) || end.Equal(start) && start.Equal(from))
}

// SeriesEnd returns when the last instance of a series is over, moved ones
// included; false where the series has no end or is none.
func SeriesEnd(master *CalendarItem) (time.Time, bool) {
	s, err := newSeries(master)
	if err != nil {
		return time.Time{}, false
	}
	n, ends := s.last()
	if !ends {
		return time.Time{}, false
	}
	end := time.Time{}
	for ; n > 0; n-- { // deleted and moved ones at the end do not count
		if d := s.at(n); !s.deleted[d] && s.exceptions[d] == nil {
			end = s.instance(n, d).End
			break
		}
	}
	for _, x := range s.exceptions {
		if x.End.After(end) {
			end = x.End.UTC()
		}
	}
	return end, !end.IsZero()
}

// series is a rule with the clock of its meetings and what differs from it.
type series struct {
	*rule
	loc        *time.Location
	begin      time.Duration // since midnight of an instance's day
	length     time.Duration // by the clock, not by the sun
	exceptions map[day]*OccurrenceInfo
	deleted    map[day]bool
}

var errNoSeries = errors.New("the item has no recurrence; read the master of the series with calendar:Recurrence")

func newSeries(master *CalendarItem) (*series, error) {
	if master.Recurrence == nil || master.Start.IsZero() {
		return nil, errNoSeries
	}
	loc, exact := master.Zone()
	s := &series{loc: loc, exceptions: map[day]*OccurrenceInfo{}, deleted: map[day]bool{}}
	first := dayIn(master.Start, loc)
	if d, ok := parseDay(master.Recurrence.StartDate); ok && !exact && (d == first+1 || d == first-1) {
		// Without the zone, the date in the range is better than that of the
		// start: the clock is counted from it, and may be negative.
		first = d
	}
	var err error
	if s.rule, err = newRule(master.Recurrence, first); err != nil {
		return nil, err
	}
	s.begin = clockIn(master.Start, loc) + time.Duration(dayIn(master.Start, loc)-first)*24*time.Hour
	end := clockIn(master.End, loc) + time.Duration(dayIn(master.End, loc)-dayIn(master.Start, loc))*24*time.Hour
	s.length = max(end-clockIn(master.Start, loc), 0)
	for i := range master.ModifiedOccurrences {
		x := &master.ModifiedOccurrences[i]
		if d, ok := s.dayOf(x.OriginalStart); ok {
			s.exceptions[d] = x
		}
	}
	for _, t := range master.DeletedOccurrences {
		if d, ok := s.dayOf(t); ok {
			s.deleted[d] = true
		}
	}
	return s, nil
}

// dayOf returns the day to which an original start belongs. A pattern has one
// instance a day at most, and the server's rules for daylight time need not be
// ours: the nearest is meant.
func (s *series) dayOf(original time.Time) (day, bool) {
	near := dayIn(original.Add(-s.begin), time.UTC)
	best, off := day(0), 20*time.Hour
	for d := near - 1; d <= near+1; d++ {
		if o := s.wall(d, s.begin).Sub(original).Abs(); o < off {
			best, off = d, o
		}
	}
	return best, off < 20*time.Hour
}

// instance returns the n-th instance, which is on day d.
func (s *series) instance(n int64, d day) Instance {
	i := Instance{Index: int(n), OriginalStart: s.wall(d, s.begin).UTC()}
	i.Start, i.End = i.OriginalStart, s.wall(d, s.begin+s.length).UTC()
	if i.End.Before(i.Start) {
		i.End = i.Start
	}
	return i
}

// wall returns the moment at which the clock in the zone shows a time of a day.
func (s *series) wall(d day, clock time.Duration) time.Time {
	want := time.Unix(int64(d)*86400, 0).UTC().Add(clock)
	y, m, dom := want.Date()
	t := time.Date(y, m, dom, want.Hour(), want.Minute(), want.Second(), 0, s.loc)
	_, offset := t.Zone()
	shown := t.Add(time.Duration(offset) * time.Second).UTC()
	if skipped := want.Sub(shown); skipped > 0 {
		return t.Add(skipped) // the clock jumps over it
	}
	if begin, _ := t.ZoneBounds(); !begin.IsZero() {
		_, before := begin.Add(-time.Second).Zone()
		if earlier := t.Add(time.Duration(offset-before) * time.Second); before > offset && earlier.Before(begin) {
			return earlier // the clock shows it twice
		}
	}
	return t
}

func clockIn(t time.Time, loc *time.Location) time.Duration {
	h, m, s := t.In(loc).Clock()
	return time.Duration(h)*time.Hour + time.Duration(m)*time.Minute + time.Duration(s)*time.Second
}
