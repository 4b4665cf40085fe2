package exchange

import (
	"fmt"
	"strings"
	"time"

	"github.com/koyomi-cal/koyomi/ews"
	"github.com/koyomi-cal/koyomi/internal/calendar"
)

// freeBusyStep is how fine merged free/busy is asked for.
const freeBusyStep = 15 * time.Minute

// toAvailability translates free/busy. A server that shows no single entries
// shows digits, one for each step.
func toAvailability(f *ews.FreeBusy, w calendar.Window) calendar.Availability {
	a := calendar.Availability{Hours: toHours(f.WorkingHours)}
	for _, e := range f.Events {
		a.Busy = append(a.Busy, calendar.Busy{Window: calendar.Window{From: e.Start, To: e.End}, ShowAs: toShowAs(e.Status)})
	}
	if len(f.Events) == 0 {
		a.Busy = merged(f.Merged, w.From)
	}
	if f.View == "None" && f.Err == nil {
		a.Busy = []calendar.Busy{{Window: w, ShowAs: "nodata"}}
	}
	return a
}

// merged reads the digits of merged free/busy ([MS-OXWAVLS] MergedFreeBusy).
func merged(digits string, from time.Time) []calendar.Busy {
	var out []calendar.Busy
	for _, d := range digits {
		to := from.Add(freeBusyStep)
		state := map[rune]string{'1': "tentative", '2': "busy", '3': "oof", '4': "nodata"}[d]
		switch n := len(out); {
		case state == "":
		case n > 0 && out[n-1].ShowAs == state && out[n-1].To.Equal(from):
			out[n-1].To = to
		default:
			out = append(out, calendar.Busy{Window: calendar.Window{From: from, To: to}, ShowAs: state})
		}
		from = to
	}
	return out
}

func toHours(w *ews.WorkingHours) *calendar.Hours {
	if w == nil || len(w.Periods) == 0 || w.Zone == nil {
		return nil
	}
	zone, err := w.Zone.Location()
	if err != nil {
		return nil
	}
	h := &calendar.Hours{Zone: zone}
	for _, p := range w.Periods {
		s := calendar.Span{From: p.Start, To: p.End}
		for _, name := range p.Days {
			for d := range s.Days {
				s.Days[d] = s.Days[d] || strings.EqualFold(name, time.Weekday(d).String())
			}
		}
		h.Spans = append(h.Spans, s)
	}
	return h
}

func toReplies(s ews.OofSettings) calendar.Replies {
	switch s.State {
	case ews.OofEnabled:
		return calendar.Replies{State: calendar.RepliesOn}
	case ews.OofScheduled:
		return calendar.Replies{State: calendar.RepliesScheduled, From: s.Start, To: s.End}
	}
	return calendar.Replies{State: calendar.RepliesOff}
}

// fromDraft translates a meeting to be made.
func fromDraft(d *calendar.Draft) (ews.CalendarItem, error) {
	if err := d.Check(); err != nil {
		return ews.CalendarItem{}, err
	}
	zone, ok := ews.WindowsZone(d.TimeZone)
	if !ok {
		return ews.CalendarItem{}, fmt.Errorf("time zone: Exchange does not know %q", d.TimeZone)
	}
	local, err := time.LoadLocation(d.TimeZone)
	if err != nil {
		return ews.CalendarItem{}, err
	}
	it := ews.CalendarItem{
		UID: d.UID, Subject: d.Subject, Location: d.Location, Start: d.Start, End: d.End, IsAllDay: d.AllDay,
		StartTimeZone: zone, EndTimeZone: zone, Status: fromShowAs(d.ShowAs), Sensitivity: fromSensitivity(d.Sensitivity),
		Recurrence: fromRepeat(d.Repeat, d.Start.In(local)),
	}
	if d.Body.Content != "" {
		it.Body = fromBody(&d.Body)
	}
	it.RequiredAttendees, it.OptionalAttendees, it.Resources = fromAttendees(d.Attendees)
	return it, nil
}

func fromAttendees(all []calendar.Attendee) (required, optional, resources []ews.Attendee) {
	for _, a := range all {
		e := ews.Attendee{EmailAddress: ews.EmailAddress{Name: a.Name, Address: a.Address}}
		switch a.Role {
		case calendar.Optional:
			optional = append(optional, e)
		case calendar.Resource:
			resources = append(resources, e)
		default:
			required = append(required, e)
		}
	}
	return required, optional, resources
}

func fromShowAs(s string) ews.FreeBusyStatus {
	switch s {
	case "free":
		return ews.Free
	case "tentative":
		return ews.Tentative
	case "oof":
		return ews.OOF
	case "elsewhere":
		return ews.WorkingElsewhere
	}
	return ews.Busy
}

func fromSensitivity(s calendar.Sensitivity) string {
	switch s {
	case calendar.Personal, calendar.Private, calendar.Confidential:
		return strings.ToUpper(string(s[:1])) + string(s[1:])
	}
	return ""
}

// fromRepeat translates a pattern; start is in the meeting's time zone.
func fromRepeat(r *calendar.Repeat, start time.Time) *ews.Recurrence {
	if r == nil {
		return nil
	}
	const date = "2006-01-02"
	out := &ews.Recurrence{Interval: max(r.Each, 1), StartDate: start.Format(date), Count: r.Count}
	if !r.Until.IsZero() {
		out.EndDate = r.Until.In(start.Location()).Format(date)
	}
	for _, d := range r.Days {
		out.DaysOfWeek = append(out.DaysOfWeek, d.String())
	}
	relative := r.Nth != 0
	if relative {
		out.DayOfWeekIndex = map[int]string{1: "First", 2: "Second", 3: "Third", 4: "Fourth", -1: "Last"}[r.Nth]
	}
	switch r.Every {
	case calendar.Daily:
		out.Pattern, out.DaysOfWeek = ews.Daily, nil
	case calendar.Weekly:
		out.Pattern, out.FirstDayOfWeek = ews.Weekly, r.Starts.String()
	case calendar.Monthly:
		out.Pattern = ews.RelativeMonthly
		if !relative {
			out.Pattern, out.DayOfMonth, out.DaysOfWeek = ews.AbsoluteMonthly, start.Day(), nil
		}
	case calendar.Yearly:
		out.Pattern, out.Month, out.Interval = ews.RelativeYearly, start.Month().String(), 0
		if !relative {
			out.Pattern, out.DayOfMonth, out.DaysOfWeek = ews.AbsoluteYearly, start.Day(), nil
		}
	}
	return out
}

// fromAmendment translates the changes to a meeting. The time zone goes first:
// the times are read in it.
func fromAmendment(a *calendar.Amendment) []ews.FieldUpdate {
	var u []ews.FieldUpdate
	if a.Subject != nil {
		u = append(u, ews.Set("item:Subject", ews.CalendarItem{Subject: *a.Subject}))
	}
	if a.Location != nil {
		u = append(u, ews.Set("calendar:Location", ews.CalendarItem{Location: *a.Location}))
	}
	if !a.Start.IsZero() {
		if zone, ok := ews.WindowsZone(a.TimeZone); ok {
			u = append(u, ews.Set("calendar:StartTimeZone", ews.CalendarItem{StartTimeZone: zone}), ews.Set("calendar:EndTimeZone", ews.CalendarItem{EndTimeZone: zone}))
		}
		u = append(u, ews.Set("calendar:Start", ews.CalendarItem{Start: a.Start}), ews.Set("calendar:End", ews.CalendarItem{End: a.End}))
	}
	if a.Attendees != nil {
		it := ews.CalendarItem{}
		it.RequiredAttendees, it.OptionalAttendees, it.Resources = fromAttendees(a.Attendees)
		for _, list := range []struct {
			uri string
			of  []ews.Attendee
		}{{"calendar:RequiredAttendees", it.RequiredAttendees}, {"calendar:OptionalAttendees", it.OptionalAttendees}, {"calendar:Resources", it.Resources}} {
			if len(list.of) > 0 {
				u = append(u, ews.Set(list.uri, it))
			} else {
				u = append(u, ews.Delete(ews.Field(list.uri)))
			}
		}
	}
	return u
}
