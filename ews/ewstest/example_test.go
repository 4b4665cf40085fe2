package ewstest_test

import (
	"fmt"
	"time"

	"github.com/koyomi-cal/koyomi/ews/ewstest"
)

// A meeting that somebody made is in the attendee's calendar, and the mail in
// their Inbox.
func Example() {
	s := ewstest.Start(ewstest.Options{Users: 2})
	defer s.Close()
	// A client under test talks to s.URL. Here, the calendar is filled directly.
	start := time.Date(2026, 11, 24, 10, 0, 0, 0, time.UTC)
	it, err := s.Add("user0001@example.com", ewstest.Item{
		Subject: "Stand-up", Location: "@meet", Start: start, End: start.Add(30 * time.Minute),
		Recurrence: &ewstest.Recurrence{Pattern: ewstest.Weekly, Days: ewstest.On(time.Tuesday, time.Thursday), Start: ewstest.DateOf(start)},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, o := range s.View("user0001@example.com", start, start.AddDate(0, 0, 8)) {
		fmt.Println(o.Subject, o.Start.Format("Mon 15:04"), o.Occurrence)
	}
	err = s.Edit("user0001@example.com", it.ID, func(it *ewstest.Item) { it.Location = "Room 2" })
	fmt.Println(s.Calendar("user0001@example.com")[0].Location, err)
	// Output:
	// Stand-up Tue 10:00 Occurrence
	// Stand-up Thu 10:00 Occurrence
	// Stand-up Tue 10:00 Occurrence
	// Room 2 <nil>
}

// The server answers the next UpdateItem with a request for a pause, and then
// counts what came.
func ExampleServer_Fail() {
	s := ewstest.Start(ewstest.Options{Users: 1})
	defer s.Close()
	s.Fail(ewstest.Fault{Op: "UpdateItem", Mailbox: "user0001@example.com", BackOff: time.Minute})
	// The client under test works here.
	fmt.Println(s.Count("UpdateItem"))
	// Output: 0
}
