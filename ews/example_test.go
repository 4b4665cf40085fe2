package ews_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"time"

	"github.com/koyomi-cal/koyomi/ews"
	"github.com/koyomi-cal/koyomi/ews/ewstest"
)

// dial starts a server in memory and returns a client for it. Against a real
// server, only the options differ.
func dial() (client *ews.Client, closeAll func()) {
	server := ewstest.Start(ewstest.Options{Users: 2})
	client, err := ews.New(ews.Options{
		URL:         server.URL, // "https://mail.example.com/EWS/Exchange.asmx"
		Credentials: ews.Credentials{Username: "svc@example.com", Password: ews.NewSecret("password")},
	})
	if err != nil {
		log.Fatal(err)
	}
	return client, func() { client.Close(); server.Close() }
}

// meeting is an invitation to user0002.
func meeting() ews.CalendarItem {
	start := time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)
	return ews.CalendarItem{
		Subject: "Plan", Location: "@meet", Start: start, End: start.Add(time.Hour),
		Body:              &ews.Body{Type: ews.BodyText, Content: "Agenda"},
		RequiredAttendees: []ews.Attendee{{EmailAddress: ews.EmailAddress{Address: "user0002@example.com"}}},
	}
}

// Create a meeting in a user's name, invite somebody, and list the day.
func Example() {
	client, closeAll := dial()
	defer closeAll()
	ctx := context.Background()
	user := client.As("user0001@example.com")

	created, err := user.CreateItem(ctx, ews.CreateItemRequest{Send: ews.SendToAllAndSaveCopy, Items: []ews.CalendarItem{meeting()}})
	if err != nil {
		log.Fatal(err)
	}
	if created[0].Err != nil {
		log.Fatal(created[0].Err)
	}

	day := time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)
	page, err := user.FindItem(ctx, ews.FindItemRequest{Start: day, End: day.AddDate(0, 0, 1), Shape: ews.ViewShape()})
	if err != nil {
		log.Fatal(err)
	}
	for _, it := range page.Items {
		fmt.Println(it.Start.Format("15:04"), it.Subject, it.Location)
	}
	// Output: 09:00 Plan @meet
}

// Write into an item under the change key of the copy that was read: if
// somebody has changed it since, the server refuses.
func ExampleMailbox_UpdateItem() {
	client, closeAll := dial()
	defer closeAll()
	ctx := context.Background()
	user := client.As("user0001@example.com")
	created, err := user.CreateItem(ctx, ews.CreateItemRequest{Items: []ews.CalendarItem{meeting()}})
	if err != nil {
		log.Fatal(err)
	}
	id := created[0].Item.ItemID

	change := ews.UpdateItemRequest{Send: ews.SendToNone, Changes: []ews.ItemChange{{Item: id.Ref(), Updates: []ews.FieldUpdate{
		ews.Set("calendar:Location", ews.CalendarItem{Location: "Room 1"}),
		ews.SetProperty(ews.ExtendedProperty{Field: ews.PublicString("Seen"), Value: "yes"}),
	}}}}
	for range 2 { // the second time, the change key is an old one
		results, err := user.UpdateItem(ctx, change)
		if err != nil {
			log.Fatal(err)
		}
		if e, ok := errors.AsType[*ews.Error](results[0].Err); ok {
			fmt.Println(e.Class(), "-", e)
		}
	}
	// Output: refetch - UpdateItem: the item was changed by somebody else in the meantime; read it again [ErrorIrresolvableConflict]
}

// Follow a calendar: subscribe, catch up, then read the stream. In this order
// nothing is missed.
func ExampleMailbox_GetStreamingEvents() {
	client, closeAll := dial()
	defer closeAll()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	user := client.As("user0001@example.com")

	subscription, err := user.Subscribe(ctx, ews.SubscribeRequest{})
	if err != nil {
		log.Fatal(err)
	}
	defer user.Unsubscribe(ctx, subscription)
	var state string
	for last := false; !last; {
		page, err := user.SyncFolderItems(ctx, ews.SyncFolderItemsRequest{State: state})
		if err != nil {
			log.Fatal(err)
		}
		state, last = page.State, page.Last // and deal with page.Changes
	}

	if _, err := user.CreateItem(ctx, ews.CreateItemRequest{Items: []ews.CalendarItem{meeting()}}); err != nil {
		log.Fatal(err)
	}
	for n, err := range user.GetStreamingEvents(ctx, []string{subscription}, 30*time.Minute) {
		if err != nil {
			log.Fatal(err) // by class: wait, or subscribe and catch up again
		}
		for _, e := range n.Events {
			if e.ItemID.ID != "" {
				fmt.Println(e.Type)
				return // leaving the loop closes the connection
			}
		}
	}
	// Output: CreatedEvent
}

// Read several items at once: each has its own result.
func ExampleMailbox_GetItem() {
	client, closeAll := dial()
	defer closeAll()
	ctx := context.Background()
	user := client.As("user0001@example.com")
	created, err := user.CreateItem(ctx, ews.CreateItemRequest{Items: []ews.CalendarItem{meeting(), meeting()}})
	if err != nil {
		log.Fatal(err)
	}

	shape := ews.CalendarShape(ews.BodyBest, ews.ConferenceFields()...)
	results, err := user.GetItem(ctx, shape, created[0].Item.ItemID.Ref(), created[1].Item.ItemID.Ref())
	if err != nil {
		log.Fatal(err)
	}
	for _, r := range results {
		if r.Err != nil {
			fmt.Println(r.Err)
			continue
		}
		fmt.Println(r.Item.Subject, r.Item.Body.Type, r.Item.Body.Content, len(r.Item.RequiredAttendees))
	}
	// Output:
	// Plan Text Agenda 1
	// Plan Text Agenda 1
}

// Two people's free/busy.
func ExampleMailbox_GetUserAvailability() {
	client, closeAll := dial()
	defer closeAll()
	ctx := context.Background()
	user := client.As("user0001@example.com")
	if _, err := user.CreateItem(ctx, ews.CreateItemRequest{Items: []ews.CalendarItem{meeting()}}); err != nil {
		log.Fatal(err)
	}

	from := time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC)
	people := []string{"user0001@example.com", "user0002@example.com"}
	list, err := user.GetUserAvailability(ctx, ews.AvailabilityRequest{Mailboxes: people, From: from, To: from.Add(3 * time.Hour)})
	if err != nil {
		log.Fatal(err)
	}
	for i, fb := range list {
		fmt.Println(people[i], len(fb.Events))
	}
	// Output:
	// user0001@example.com 1
	// user0002@example.com 0
}
