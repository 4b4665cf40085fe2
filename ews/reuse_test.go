package ews_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/koyomi-cal/koyomi/ews"
	"github.com/koyomi-cal/koyomi/ews/ewstest"
)

// TestItemsOutliveTheirAnswer: the memory of an answer is used again for the
// next one, and nothing of an item that was returned may change with it.
func TestItemsOutliveTheirAnswer(t *testing.T) {
	t.Parallel()
	s := ewstest.Start(ewstest.Options{Users: 3, EventsPerUser: 8, Attendees: 5})
	defer s.Close()
	client, err := ews.New(ews.Options{URL: s.URL, Credentials: ews.Credentials{Username: "svc@example.com", Password: ews.NewSecret("password")}})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	read := func(user int) []ews.ItemResult {
		t.Helper()
		box := client.As(fmt.Sprintf("user%04d@example.com", user))
		page, err := box.FindItem(t.Context(), ews.FindItemRequest{Start: time.Now().AddDate(0, -6, 0), End: time.Now().AddDate(0, 6, 0), Shape: ews.ViewShape()})
		if err != nil {
			t.Fatal(err)
		}
		var refs []ews.ItemRef
		for _, it := range page.Items {
			refs = append(refs, it.ItemID.Ref())
		}
		items, err := box.GetItem(t.Context(), ews.CalendarShape(ews.BodyBest), refs...)
		if err != nil || len(items) == 0 {
			t.Fatalf("%d items, %v", len(items), err)
		}
		return items
	}
	first := read(1)
	before := strings.Join(shown(first), "\n")
	for range 3 {
		read(2)
		read(3)
	}
	if after := strings.Join(shown(first), "\n"); after != before {
		t.Error("items changed with the answers that came after theirs")
	}
}

// shown is everything that an item holds by reference, too.
func shown(items []ews.ItemResult) (out []string) {
	for _, r := range items {
		it := r.Item
		out = append(out, fmt.Sprint(it.Subject, it.Location, it.UID, it.Start, it.End, it.Categories, it.Body.Content))
		for _, a := range it.RequiredAttendees {
			out = append(out, a.Name, a.Address)
		}
		for _, p := range it.Extended {
			out = append(out, p.Field.Name, p.Value)
		}
	}
	return out
}
