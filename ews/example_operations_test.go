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

// made creates the meeting in a user's calendar and returns its id.
func made(ctx context.Context, user *ews.Mailbox, items ...ews.CalendarItem) ews.ItemID {
	if len(items) == 0 {
		items = []ews.CalendarItem{meeting()}
	}
	created, err := user.CreateItem(ctx, ews.CreateItemRequest{Send: ews.SendToAllAndSaveCopy, Items: items})
	if err != nil {
		log.Fatal(err)
	}
	if created[0].Err != nil {
		log.Fatal(created[0].Err)
	}
	return created[0].Item.ItemID
}

// daily is a series of five days.
func daily() ews.CalendarItem {
	it := meeting()
	it.RequiredAttendees = nil
	it.StartTimeZone, it.EndTimeZone = "UTC", "UTC"
	it.Recurrence = &ews.Recurrence{Pattern: ews.Daily, Interval: 1, StartDate: it.Start.Format(time.DateOnly), Count: 5}
	return it
}

// Find out whether the server is there, knows the account and lets it act for
// the mailbox.
func ExampleMailbox_Probe() {
	client, closeAll := dial()
	defer closeAll()
	info, err := client.As("user0001@example.com").Probe(context.Background())
	if err != nil {
		log.Fatal(err) // says what to do
	}
	fmt.Println("Exchange", info.Major)
	// Output: Exchange 15
}

// Turn an item's id into the one that MAPI programs know.
func ExampleMailbox_ConvertId() {
	client, closeAll := dial()
	defer closeAll()
	ctx := context.Background()
	user := client.As("user0001@example.com")

	id := made(ctx, user)
	ids, err := user.ConvertId(ctx, ews.HexEntryID, ews.AlternateID{Format: ews.EwsID, ID: id.ID, Mailbox: "user0001@example.com"})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(ids[0].ID.Format, ids[0].Err)
	// Output: HexEntryId <nil>
}

// Read the calendar folder, and another one beside it.
func ExampleMailbox_GetFolder() {
	client, closeAll := dial()
	defer closeAll()
	ctx := context.Background()
	user := client.As("user0001@example.com")

	folders, err := user.GetFolder(ctx, ews.FolderFields(), ews.FolderRef{}, ews.FolderRef{Distinguished: "deleteditems"})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(folders[0].Folder.Class, folders[1].Err)
	// Output: IPF.Appointment <nil>
}

// Find a meeting by what is the same in all its copies. Every item of the
// folder is looked at: do this seldom.
func ExampleMailbox_FindItem() {
	client, closeAll := dial()
	defer closeAll()
	ctx := context.Background()
	user := client.As("user0001@example.com")

	read, err := user.GetItem(ctx, ews.CalendarShape(""), made(ctx, user).Ref())
	if err != nil {
		log.Fatal(err)
	}
	goid, _ := read[0].Item.Property(ews.CleanGlobalObjectIDField())
	page, err := user.FindItem(ctx, ews.FindItemRequest{
		Equal: &ews.ExtendedProperty{Field: ews.CleanGlobalObjectIDField(), Value: goid}, Shape: ews.ViewShape(),
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(len(page.Items), page.Items[0].Subject)
	// Output: 1 Plan
}

// List three years, which is more than a server answers at once.
func ExampleMailbox_View() {
	client, closeAll := dial()
	defer closeAll()
	ctx := context.Background()
	user := client.As("user0001@example.com")
	made(ctx, user, daily())

	from := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	items, err := user.View(ctx, ews.FindItemRequest{Start: from, End: from.AddDate(3, 0, 0), Shape: ews.ViewShape()})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(len(items), items[0].Type)
	// Output: 5 Occurrence
}

// Read a hundred items, whatever a server can do at once.
func ExampleMailbox_GetItems() {
	client, closeAll := dial()
	defer closeAll()
	ctx := context.Background()
	user := client.As("user0001@example.com")

	var refs []ews.ItemRef
	id := made(ctx, user)
	for range 100 {
		refs = append(refs, id.Ref())
	}
	results, err := user.GetItems(ctx, ews.CalendarShape(ews.BodyText), refs...)
	if err != nil {
		log.Fatal(err) // results holds what was read before
	}
	fmt.Println(len(results), results[99].Item.Subject)
	// Output: 100 Plan
}

// Read the second occurrence of a series, change it, and find its master.
func ExampleItemID_OccurrenceAt() {
	client, closeAll := dial()
	defer closeAll()
	ctx := context.Background()
	user := client.As("user0001@example.com")
	master := made(ctx, user, daily())

	read, err := user.GetItem(ctx, ews.CalendarShape(""), master.OccurrenceAt(2))
	if err != nil {
		log.Fatal(err)
	}
	second := read[0].Item
	fmt.Println(second.Type, second.Start.Day())
	_, err = user.UpdateItem(ctx, ews.UpdateItemRequest{Changes: []ews.ItemChange{{Item: second.ItemID.Ref(), Updates: []ews.FieldUpdate{
		ews.Set("calendar:Location", ews.CalendarItem{Location: "Room 2"}),
	}}}})
	if err != nil {
		log.Fatal(err)
	}
	back, err := user.GetItem(ctx, ews.CalendarShape(""), second.ItemID.MasterOf())
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(back[0].Item.Type, len(back[0].Item.ModifiedOccurrences))
	// Output:
	// Occurrence 24
	// RecurringMaster 1
}

// Catch up with a folder, a page at a time. Keep the state once the changes
// are dealt with.
func ExampleMailbox_SyncFolderItems() {
	client, closeAll := dial()
	defer closeAll()
	ctx := context.Background()
	user := client.As("user0001@example.com")
	made(ctx, user)

	state := "" // from the last time
	for last := false; !last; {
		page, err := user.SyncFolderItems(ctx, ews.SyncFolderItemsRequest{State: state})
		if e, ok := errors.AsType[*ews.Error](err); ok && e.Class() == ews.Resync {
			state = "" // and begin again
			continue
		}
		if err != nil {
			log.Fatal(err)
		}
		for _, c := range page.Changes {
			fmt.Println(c.Kind)
		}
		state, last = page.State, page.Last
	}
	// Output: Create
}

// Subscribe to a calendar, and end it again. Ending what is no more succeeds.
func ExampleMailbox_Subscribe() {
	client, closeAll := dial()
	defer closeAll()
	ctx := context.Background()
	user := client.As("user0001@example.com")

	id, err := user.Subscribe(ctx, ews.SubscribeRequest{Events: []ews.EventType{ews.Created, ews.Modified, ews.Deleted, ews.Moved}})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(id != "", user.Unsubscribe(ctx, id), user.Unsubscribe(ctx, id))
	// Output: true <nil> <nil>
}

// End a subscription that is not needed any more.
func ExampleMailbox_Unsubscribe() {
	client, closeAll := dial()
	defer closeAll()
	ctx := context.Background()
	user := client.As("user0001@example.com")

	id, err := user.Subscribe(ctx, ews.SubscribeRequest{})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(user.Unsubscribe(ctx, id))
	// Output: <nil>
}

// Create a meeting under a UID of your own, so that it can be found where the
// answer is lost, and mail the invitation.
func ExampleMailbox_CreateItem() {
	client, closeAll := dial()
	defer closeAll()
	ctx := context.Background()
	user := client.As("user0001@example.com")

	it := meeting()
	it.UID = "3c0f1a52@koyomi.example.com"
	results, err := user.CreateItem(ctx, ews.CreateItemRequest{Send: ews.SendToAllAndSaveCopy, Items: []ews.CalendarItem{it}})
	if e, ok := errors.AsType[*ews.Error](err); ok && e.Unclear {
		log.Fatal("look for the UID before trying again")
	}
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(results[0].Item.ItemID.ChangeKey != "", results[0].Err)
	// Output: true <nil>
}

// Accept an invitation in an attendee's name; then the organizer cancels.
func ExampleMailbox_Respond() {
	client, closeAll := dial()
	defer closeAll()
	ctx := context.Background()
	organizer, attendee := client.As("user0001@example.com"), client.As("user0002@example.com")
	id := made(ctx, organizer)

	day := time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)
	page, err := attendee.FindItem(ctx, ews.FindItemRequest{Start: day, End: day.AddDate(0, 0, 1)})
	if err != nil {
		log.Fatal(err)
	}
	if _, err := attendee.Respond(ctx, ews.RespondRequest{Action: ews.AcceptItem, Item: page.Items[0].ItemID}); err != nil {
		log.Fatal(err)
	}
	read, err := organizer.GetItem(ctx, ews.CalendarShape(""), id.Ref())
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(read[0].Item.RequiredAttendees[0].Response)

	_, err = organizer.Respond(ctx, ews.RespondRequest{
		Action: ews.CancelCalendarItem, Item: read[0].Item.ItemID, Body: &ews.Body{Type: ews.BodyText, Content: "Off"},
	})
	fmt.Println(err)
	// Output:
	// Accept
	// <nil>
}

// Is somebody out of office now?
func ExampleMailbox_GetUserOofSettings() {
	server := ewstest.Start(ewstest.Options{Users: 1})
	defer server.Close()
	now := time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)
	server.SetOOF("user0001@example.com", ewstest.OOF{State: "Scheduled", Start: now, End: now.AddDate(0, 0, 2), Audience: "All"})
	client, err := ews.New(ews.Options{URL: server.URL, Credentials: ews.Credentials{Username: "svc@example.com", Password: ews.NewSecret("password")}})
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()

	oof, err := client.As("user0001@example.com").GetUserOofSettings(context.Background(), "")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(oof.State, oof.Active(now), oof.Active(now.AddDate(0, 0, 3)))
	// Output: Scheduled true false
}
