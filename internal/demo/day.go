package demo

import (
	"html"
	"strings"
	"time"

	"github.com/koyomi-cal/koyomi/ews"
)

// person is somebody with a mailbox on the simulated Exchange.
type person struct{ Name, Address string }

// The people of the demo. The first is the one that it is about.
func people() []person {
	return []person{
		{"Hanako Tanaka", "hanako@example.com"},
		{"Ben Carter", "ben@example.com"},
		{"Ken Sato", "ken@example.com"},
	}
}

// entry is one meeting of the day, before it is made.
type entry struct {
	by       int // who calls it: index in people
	item     ews.CalendarItem
	invited  []int
	declined bool // the first person says no
}

// day is what stands in the calendars around now: enough to see every shape,
// in the order in which it is made. The first meeting begins within minutes.
func day(now time.Time, subject string) []entry {
	minute := now.UTC().Truncate(time.Minute)
	soon := minute.Add(7 * time.Minute)
	local := now.Local()
	at := func(days, hour, min int) time.Time {
		return time.Date(local.Year(), local.Month(), local.Day()+days, hour, min, 0, 0, local.Location()).UTC()
	}
	if subject == "" {
		subject = "Design review: spring release"
	}
	monday := (8 - int(local.Weekday())) % 7 // days until the next one, or today
	standup := meeting("朝会", at(1, 9, 30), 15, "@meet", "昨日・今日・困っていること")
	standup.Recurrence = &ews.Recurrence{
		Pattern: ews.Weekly, Interval: 1, DaysOfWeek: []string{"Monday", "Tuesday", "Wednesday", "Thursday", "Friday"},
		FirstDayOfWeek: "Monday", StartDate: standup.Start.Format(time.DateOnly), Count: 20,
	}
	oneOnOne := meeting("1:1 Hanako / Ben", at(monday+1, 15, 0), 30, "@webex", "")
	oneOnOne.Recurrence = &ews.Recurrence{
		Pattern: ews.Weekly, Interval: 1, DaysOfWeek: []string{oneOnOne.Start.Weekday().String()},
		FirstDayOfWeek: "Monday", StartDate: oneOnOne.Start.Format(time.DateOnly), Count: 8,
	}
	offsite := meeting("社員旅行（京都）", at(3, 0, 0), 0, "京都", "")
	y, m, d := local.AddDate(0, 0, 3).Date()
	offsite.Start = time.Date(y, m, d, 0, 0, 0, 0, time.UTC)
	offsite.End, offsite.IsAllDay, offsite.Status = offsite.Start.AddDate(0, 0, 1), true, ews.Free
	dentist := meeting("歯医者", at(1, 17, 30), 45, "", "")
	dentist.Sensitivity = "Private"

	return []entry{
		{item: meeting(subject, soon, 30, "@meet", "1. What changed since Tuesday\n2. Open questions\n3. Who tells the customers"), invited: []int{1, 2}},
		{item: meeting("Customer call: Hokusai Prints", soon.Add(43*time.Minute), 45, "", zoomText), invited: []int{1}},
		{item: meeting("経営会議の資料確認", soon.Add(123*time.Minute), 30, "@meet:myroom", "資料は前日までに共有します。"), invited: []int{2}},
		{by: 1, item: meeting("Budget round", soon.Add(183*time.Minute), 60, "@meet", "Numbers by Ken."), invited: []int{0, 2}},
		{by: 2, item: meeting("Vendor pitch: third try", soon.Add(213*time.Minute), 30, "Room 4", ""), invited: []int{0}, declined: true},
		{item: meeting("Release retrospective", minute.Add(-3*time.Hour), 60, "Room 2", "")},
		{item: standup, invited: []int{1, 2}},
		{item: oneOnOne, invited: []int{1}},
		{item: meeting("Interview: platform engineer", at(2, 11, 0), 60, "https://teams.microsoft.com/l/meetup-join/19%3ameeting_ZGVtbw%40thread.v2/0?context=%7b%22Tid%22%3a%22demo%22%7d", ""), invited: []int{1}},
		{item: offsite},
		{item: dentist},
	}
}

// zoomText is an invitation as people paste it.
const zoomText = `Ben Carter is inviting you to a scheduled Zoom meeting.

Join Zoom Meeting
https://example.zoom.us/j/95512340987?pwd=T25seUZvclRoZURlbW8u.1

Meeting ID: 955 1234 0987
Passcode: 271828`

// meeting is an item as a calendar program makes it.
func meeting(subject string, start time.Time, minutes int, location, text string) ews.CalendarItem {
	it := ews.CalendarItem{
		Subject: subject, Location: location, Start: start, End: start.Add(time.Duration(minutes) * time.Minute), Status: ews.Busy,
	}
	if text != "" {
		it.Body = &ews.Body{Type: ews.BodyHTML, Content: htmlOf(text)}
	}
	return it
}

// htmlOf makes the body that a calendar program stores for typed text.
func htmlOf(text string) string {
	var b strings.Builder
	b.WriteString("<html><body>\n")
	for p := range strings.SplitSeq(strings.TrimSpace(strings.ReplaceAll(text, "\r\n", "\n")), "\n\n") {
		b.WriteString("<p>" + strings.ReplaceAll(html.EscapeString(p), "\n", "<br>\n") + "</p>\n")
	}
	b.WriteString("</body></html>\n")
	return b.String()
}

// invite puts people on an item.
func invite(it *ews.CalendarItem, who ...person) {
	for _, p := range who {
		it.RequiredAttendees = append(it.RequiredAttendees, ews.Attendee{EmailAddress: ews.EmailAddress{Name: p.Name, Address: p.Address}})
	}
}
