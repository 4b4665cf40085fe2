package ewstest

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/koyomi-cal/koyomi/ews/internal/wire"
)

// indexNames are the values of DayOfWeekIndex ([MS-OXWSCDATA] 2.2.3.6), from
// index 1.
var indexNames = []string{"First", "Second", "Third", "Fourth", "Last"}

// daySets are the values of DayOfWeek that stand for several days.
var daySets = []struct {
	name string
	set  Weekdays
}{{"Day", AnyDay}, {"Weekday", Weekday}, {"WeekendDay", WeekendDay}}

// writeRecurrence writes a Recurrence ([MS-OXWSCDATA] 2.2.4.48).
func writeRecurrence(w *wire.Writer, r *Recurrence) {
	w.Start("t:Recurrence")
	w.Start("t:" + string(r.Pattern) + "Recurrence")
	interval := func() { w.Leaf("t:Interval", strconv.Itoa(max(r.Interval, 1))) }
	switch r.Pattern {
	case Daily:
		interval()
	case Weekly:
		interval()
		w.Leaf("t:DaysOfWeek", dayNames(r.Days, false))
		w.Leaf("t:FirstDayOfWeek", r.FirstDayOfWeek.String())
	case AbsoluteMonthly:
		interval()
		w.Leaf("t:DayOfMonth", strconv.Itoa(r.DayOfMonth))
	case RelativeMonthly:
		interval()
		w.Leaf("t:DaysOfWeek", dayNames(r.Days, true))
		w.Leaf("t:DayOfWeekIndex", indexName(r.Index))
	case AbsoluteYearly:
		w.Leaf("t:DayOfMonth", strconv.Itoa(r.DayOfMonth))
		w.Leaf("t:Month", r.Month.String())
	case RelativeYearly:
		w.Leaf("t:DaysOfWeek", dayNames(r.Days, true))
		w.Leaf("t:DayOfWeekIndex", indexName(r.Index))
		w.Leaf("t:Month", r.Month.String())
	}
	w.End()
	switch {
	case r.Count > 0:
		w.Start("t:NumberedRecurrence")
		w.Leaf("t:StartDate", r.Start.String())
		w.Leaf("t:NumberOfOccurrences", strconv.Itoa(r.Count))
	case !r.End.IsZero():
		w.Start("t:EndDateRecurrence")
		w.Leaf("t:StartDate", r.Start.String())
		w.Leaf("t:EndDate", r.End.String())
	default:
		w.Start("t:NoEndRecurrence")
		w.Leaf("t:StartDate", r.Start.String())
	}
	w.End()
	w.End()
}

func indexName(i int) string { return indexNames[max(1, min(i, 5))-1] }

// dayNames spells a set of days. The relative patterns have words for sets.
func dayNames(set Weekdays, relative bool) string {
	var names []string
	for _, s := range daySets {
		if relative && s.set == set {
			return s.name
		}
	}
	for d := time.Sunday; d <= time.Saturday; d++ {
		if set.Has(d) {
			names = append(names, d.String())
		}
	}
	return strings.Join(names, " ")
}

func parseDays(s string) (Weekdays, bool) {
	var out Weekdays
	for _, name := range strings.Fields(s) {
		set := Weekdays(0)
		for d := time.Sunday; d <= time.Saturday; d++ {
			if d.String() == name {
				set = On(d)
			}
		}
		for _, s := range daySets {
			if s.name == name {
				set = s.set
			}
		}
		if set == 0 {
			return 0, false
		}
		out |= set
	}
	return out, out != 0
}

// parseRecurrence reads a Recurrence.
func parseRecurrence(e *wire.Element) (*Recurrence, error) {
	r := &Recurrence{}
	for _, c := range e.Children {
		name := Pattern(strings.TrimSuffix(c.Name, "Recurrence"))
		var err error
		switch name {
		case Daily, Weekly, AbsoluteMonthly, RelativeMonthly, AbsoluteYearly, RelativeYearly:
			err = r.pattern(name, c)
		case "NoEnd", "EndDate", "Numbered":
			err = r.limits(c)
		default:
			err = schemaViolation("%q is not a recurrence", c.Name)
		}
		if err != nil {
			return nil, err
		}
	}
	if r.Pattern == "" || r.Start.IsZero() {
		return nil, schemaViolation("a Recurrence needs a pattern and a range")
	}
	if err := r.validate(); err != nil {
		return nil, failf("ErrorCalendarInvalidRecurrence", "The recurrence is not valid: %v.", err)
	}
	return r, nil
}

func (r *Recurrence) pattern(p Pattern, e *wire.Element) error {
	r.Pattern, r.Interval = p, 1
	for _, c := range e.Children {
		ok := true
		switch c.Name {
		case "Interval":
			r.Interval, ok = parseInt(c.Text)
			ok = ok && r.Interval >= 1
		case "DaysOfWeek":
			r.Days, ok = parseDays(c.Text)
		case "FirstDayOfWeek":
			var set Weekdays
			set, ok = parseDays(c.Text)
			for d := time.Sunday; d <= time.Saturday; d++ {
				if set == On(d) {
					r.FirstDayOfWeek = d
				}
			}
		case "DayOfMonth":
			r.DayOfMonth, ok = parseInt(c.Text)
		case "DayOfWeekIndex":
			r.Index = slices.Index(indexNames, c.Text) + 1
			ok = r.Index > 0
		case "Month":
			r.Month, ok = parseMonth(c.Text)
		}
		if !ok {
			return schemaViolation("%.20q is not a value of %s", c.Text, c.Name)
		}
	}
	return nil
}

func parseMonth(s string) (time.Month, bool) {
	for m := time.January; m <= time.December; m++ {
		if m.String() == s {
			return m, true
		}
	}
	return 0, false
}

func (r *Recurrence) limits(e *wire.Element) error {
	start, err := parseDate(e.Value("StartDate"))
	if err != nil {
		return schemaViolation("StartDate: %v", err)
	}
	r.Start = start
	if c := e.Child("EndDate"); c != nil {
		if r.End, err = parseDate(c.Text); err != nil {
			return schemaViolation("EndDate: %v", err)
		}
	}
	if c := e.Child("NumberOfOccurrences"); c != nil {
		n, ok := parseInt(c.Text)
		if !ok || n < 1 {
			return failf("ErrorCalendarInvalidRecurrence", "NumberOfOccurrences begins at 1.")
		}
		r.Count = n
	}
	return nil
}
