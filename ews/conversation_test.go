package ews_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/koyomi-cal/koyomi/ews"
	"github.com/koyomi-cal/koyomi/ews/ewstest"
)

const (
	alice = "user0001@example.com"
	bob   = "user0002@example.com"
)

// newPair starts a server of the dialect and a client of its service account.
func newPair(t *testing.T, o ewstest.Options) (*ewstest.Server, *ews.Client) {
	t.Helper()
	o.Users = max(o.Users, 2)
	s := ewstest.Start(o)
	t.Cleanup(s.Close)
	if err := s.Err(); err != nil {
		t.Fatal(err)
	}
	c, err := ews.New(ews.Options{URL: s.URL, Credentials: ews.Credentials{Username: "svc@example.com", Password: ews.NewSecret("password")}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return s, c
}

func soon(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func must[T any](v T, err error) func(t *testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func one(results []ews.ItemResult, err error) func(t *testing.T) ews.CalendarItem {
	return func(t *testing.T) ews.CalendarItem {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		if len(results) != 1 || results[0].Err != nil {
			t.Fatalf("%d results, first %v", len(results), results[0].Err)
		}
		return results[0].Item
	}
}

// TestConversation drives every operation against every dialect of the
// simulator, as one person's morning.
func TestConversation(t *testing.T) {
	t.Parallel()
	for _, d := range ewstest.Dialects() {
		t.Run(string(d), func(t *testing.T) {
			t.Parallel()
			s, c := newPair(t, ewstest.Options{Dialect: d, EventDelay: -1})
			k := &talk{t: t, s: s, m: c.As(alice), gromox: d == ewstest.Gromox, start: time.Now().UTC().Truncate(time.Hour).Add(24 * time.Hour)}
			k.hello()
			state := k.sync("")
			sub := k.subscribe()
			id := k.create()
			k.watch(sub, id)
			state = k.changed(state, id)
			id = k.decorate(id)
			k.view(id)
			k.find(id)
			k.series()
			k.people()
			k.answer()
			k.goodbye(sub)
			_ = state
		})
	}
}

// talk is the state of one conversation.
type talk struct {
	t      *testing.T
	s      *ewstest.Server
	m      *ews.Mailbox
	gromox bool
	start  time.Time
}

// hello probes the server and binds the calendar.
func (k *talk) hello() {
	k.t.Helper()
	info := must(k.m.Probe(soon(k.t)))(k.t)
	if info.Major != 15 || info.Build == 0 {
		k.t.Errorf("the server says it is %+v", info)
	}
	folders := must(k.m.GetFolder(soon(k.t), ews.FolderFields(), ews.FolderRef{}, ews.FolderRef{Distinguished: "deleteditems"}))(k.t)
	for _, f := range folders {
		if f.Err != nil || f.Folder.ID.ID == "" {
			k.t.Errorf("folder: %v", f.Err)
		}
	}
	if f := folders[0].Folder; f.Class != "IPF.Appointment" {
		k.t.Errorf("the calendar's class is %q", f.Class)
	}
}

func (k *talk) sync(state string) string {
	k.t.Helper()
	for {
		page := must(k.m.SyncFolderItems(soon(k.t), ews.SyncFolderItemsRequest{State: state}))(k.t)
		if state = page.State; page.Last {
			return state
		}
	}
}

func (k *talk) subscribe() string {
	k.t.Helper()
	return must(k.m.Subscribe(soon(k.t), ews.SubscribeRequest{AllFolders: k.gromox}))(k.t)
}

// create makes a meeting and mails the invitation.
func (k *talk) create() ews.ItemID {
	k.t.Helper()
	it := one(k.m.CreateItem(soon(k.t), ews.CreateItemRequest{Send: ews.SendToAllAndSaveCopy, Items: []ews.CalendarItem{{
		Subject: "Plan & review <1>", Location: "@meet", Start: k.start, End: k.start.Add(time.Hour), UID: "client-made-uid",
		Body:              &ews.Body{Type: ews.BodyHTML, Content: "<html><body><p>Agenda</p></body></html>"},
		RequiredAttendees: []ews.Attendee{{EmailAddress: ews.EmailAddress{Address: bob}}},
		Extended:          []ews.ExtendedProperty{{Field: ews.PublicString("KoyomiTest"), Value: "v<1>"}},
	}}}))(k.t)
	if len(k.s.Inbox(bob)) != 1 {
		k.t.Errorf("%d messages reached the attendee", len(k.s.Inbox(bob)))
	}
	return it.ItemID
}

// watch reads the stream until the event about the item comes.
func (k *talk) watch(sub string, id ews.ItemID) {
	k.t.Helper()
	beats := 0
	for n, err := range k.m.GetStreamingEvents(soon(k.t), []string{sub}, time.Minute) {
		if err != nil {
			k.t.Fatal(err)
		}
		if len(n.Events) == 0 {
			beats++
		}
		if slices.ContainsFunc(n.Events, func(e ews.Event) bool {
			return e.ItemID.ID == id.ID && e.Type == ews.Created && e.SubscriptionID == sub && !e.Time.IsZero()
		}) {
			return
		}
	}
	k.t.Errorf("the stream ended without the event, after %d heartbeats", beats)
}

func (k *talk) changed(state string, id ews.ItemID) string {
	k.t.Helper()
	page := must(k.m.SyncFolderItems(soon(k.t), ews.SyncFolderItemsRequest{State: state}))(k.t)
	if !slices.ContainsFunc(page.Changes, func(c ews.SyncChange) bool { return c.Item.ItemID.ID == id.ID && c.Kind == ews.SyncCreate }) {
		k.t.Errorf("the new item is not among %d changes", len(page.Changes))
	}
	return page.State
}

// decorate reads the item whole and writes to it twice, once under an old
// change key.
func (k *talk) decorate(id ews.ItemID) ews.ItemID {
	k.t.Helper()
	it := one(k.m.GetItem(soon(k.t), ews.CalendarShape(ews.BodyBest, ews.PublicString("KoyomiTest")), id.Ref()))(k.t)
	if it.Subject != "Plan & review <1>" || it.Location != "@meet" || !it.Start.Equal(k.start) || len(it.RequiredAttendees) != 1 || it.RequiredAttendees[0].Address != bob {
		k.t.Error("the item is not as it was created")
	}
	if it.Body == nil || !strings.Contains(it.Body.Content, "<p>Agenda</p>") {
		k.t.Error("the body is not as it was created")
	}
	if v, _ := it.Property(ews.PublicString("KoyomiTest")); v != "v<1>" {
		k.t.Errorf("the property is %q", v)
	}
	goid, ok := it.Property(ews.CleanGlobalObjectIDField())
	if id, valid := ews.ParseGlobalObjectID(goid); !ok || !valid || !strings.EqualFold(id.UID(), it.UID) {
		k.t.Errorf("the GlobalObjectId does not match the UID %q", it.UID)
	}
	write := func() (ews.ItemResult, error) {
		r, err := k.m.UpdateItem(soon(k.t), ews.UpdateItemRequest{Send: ews.SendToAllAndSaveCopy, SuppressReadReceipts: true, Changes: []ews.ItemChange{{
			Item: it.ItemID.Ref(), Updates: []ews.FieldUpdate{
				ews.Set("item:Body", ews.CalendarItem{Body: &ews.Body{Type: ews.BodyHTML, Content: "<html><body><p>Agenda</p><p>Join</p></body></html>"}}),
				ews.SetProperty(ews.ExtendedProperty{Field: ews.PublicString("KoyomiJoin"), Value: "https://meet.example.com/1"}),
				ews.DeleteProperty(ews.PublicString("KoyomiTest")),
			}}}})
		if err != nil {
			return ews.ItemResult{}, err
		}
		return r[0], nil
	}
	written := must(write())(k.t)
	if written.Err != nil || written.Item.ItemID.ChangeKey == "" {
		k.t.Fatalf("the write failed: %v", written.Err)
	}
	again := must(write())(k.t) // under the change key from before
	var e *ews.Error
	if !k.gromox && (!errors.As(again.Err, &e) || e.Class() != ews.Refetch) {
		k.t.Errorf("a write under an old change key: %v", again.Err)
	}
	it = one(k.m.GetItem(soon(k.t), ews.CalendarShape(ews.BodyHTML, ews.PublicString("KoyomiJoin"), ews.PublicString("KoyomiTest")), id.Ref()))(k.t)
	if v, _ := it.Property(ews.PublicString("KoyomiJoin")); v != "https://meet.example.com/1" || !strings.Contains(it.Body.Content, "Join") {
		k.t.Error("what was written is not there")
	}
	if _, ok := it.Property(ews.PublicString("KoyomiTest")); ok {
		k.t.Error("what was deleted is there")
	}
	return it.ItemID
}

func (k *talk) view(id ews.ItemID) {
	k.t.Helper()
	page := must(k.m.FindItem(soon(k.t), ews.FindItemRequest{Shape: ews.ViewShape(), Start: k.start, End: k.start.Add(time.Minute)}))(k.t)
	if len(page.Items) != 1 || page.Items[0].ItemID.ID != id.ID || !page.Last || page.Items[0].Location != "@meet" {
		k.t.Errorf("the view has %d items", len(page.Items))
	}
}

// find looks for the item by its GlobalObjectId.
func (k *talk) find(id ews.ItemID) {
	k.t.Helper()
	it := one(k.m.GetItem(soon(k.t), ews.CalendarShape(""), id.Ref()))(k.t)
	goid, _ := it.Property(ews.CleanGlobalObjectIDField())
	page := must(k.m.FindItem(soon(k.t), ews.FindItemRequest{Equal: &ews.ExtendedProperty{Field: ews.CleanGlobalObjectIDField(), Value: goid}}))(k.t)
	if len(page.Items) != 1 || page.Items[0].ItemID.ID != id.ID {
		k.t.Errorf("found %d items", len(page.Items))
	}
}

// series makes a series and reads master and occurrences.
func (k *talk) series() {
	k.t.Helper()
	start := k.start.Add(2 * time.Hour)
	master := one(k.m.CreateItem(soon(k.t), ews.CreateItemRequest{Items: []ews.CalendarItem{{
		Subject: "Daily", Start: start, End: start.Add(30 * time.Minute), StartTimeZone: "UTC", EndTimeZone: "UTC",
		Recurrence: &ews.Recurrence{Pattern: ews.Daily, Interval: 1, StartDate: start.Format(time.DateOnly), Count: 3},
	}}}))(k.t)
	got := one(k.m.GetItem(soon(k.t), ews.CalendarShape(ews.BodyBest), master.ItemID.Ref()))(k.t)
	if got.Type != ews.RecurringMaster || got.Recurrence == nil || got.Recurrence.Count != 3 {
		k.t.Errorf("the master is %s with %+v", got.Type, got.Recurrence)
	}
	second := one(k.m.GetItem(soon(k.t), ews.CalendarShape(ews.BodyBest), master.ItemID.OccurrenceAt(2)))(k.t)
	if !second.Start.Equal(start.AddDate(0, 0, 1)) || second.Type != ews.Occurrence {
		k.t.Errorf("the second occurrence is a %s at %v", second.Type, second.Start)
	}
	page := must(k.m.FindItem(soon(k.t), ews.FindItemRequest{Shape: ews.ViewShape(), Start: start, End: start.AddDate(0, 0, 7)}))(k.t)
	if want := map[bool]int{false: 3, true: 1}[k.gromox]; len(page.Items) != want {
		k.t.Errorf("the view shows %d entries of the series, want %d", len(page.Items), want)
	}
	if !k.gromox {
		back := one(k.m.GetItem(soon(k.t), ews.Shape{}, second.ItemID.MasterOf()))(k.t)
		if back.ItemID.ID != master.ItemID.ID {
			k.t.Error("the occurrence's master is another item")
		}
	}
	gone := must(k.m.GetItem(soon(k.t), ews.Shape{}, master.ItemID.OccurrenceAt(9), master.ItemID.Ref()))(k.t)
	var e *ews.Error
	if !errors.As(gone[0].Err, &e) || e.Class() != ews.ItemLocal || gone[1].Err != nil {
		k.t.Errorf("the ninth of three: %v; beside it: %v", gone[0].Err, gone[1].Err)
	}
}

// people asks for free/busy, automatic replies and an id in another form.
func (k *talk) people() {
	k.t.Helper()
	fb := must(k.m.GetUserAvailability(soon(k.t), ews.AvailabilityRequest{Mailboxes: []string{alice, "nobody@example.com"}, From: k.start, To: k.start.Add(time.Hour)}))(k.t)
	if fb[0].Err != nil || len(fb[0].Events) != 1 || fb[0].Events[0].Status != ews.Busy || !fb[0].Events[0].Start.Equal(k.start) {
		k.t.Errorf("free/busy: %v, %v", fb[0].Err, fb[0].Events)
	}
	if fb[1].Err == nil {
		k.t.Error("nobody has free/busy")
	}
	k.s.SetOOF(alice, ewstest.OOF{State: "Scheduled", Start: k.start, End: k.start.Add(time.Hour), Audience: "All"})
	oof := must(k.m.GetUserOofSettings(soon(k.t), ""))(k.t)
	if oof.State != ews.OofScheduled || !oof.Start.Equal(k.start) || !oof.Active(k.start) {
		k.t.Errorf("automatic replies: %v from %v", oof.State, oof.Start)
	}
	it := must(k.m.FindItem(soon(k.t), ews.FindItemRequest{Start: k.start, End: k.start.Add(time.Minute)}))(k.t).Items[0]
	ids := must(k.m.ConvertId(soon(k.t), ews.HexEntryID, ews.AlternateID{Format: ews.EwsID, ID: it.ItemID.ID, Mailbox: alice}))(k.t)
	if ids[0].Err != nil || ids[0].ID.Format != ews.HexEntryID || ids[0].ID.ID == "" {
		k.t.Errorf("the id in another form: %v", ids[0].Err)
	}
}

// answer lets the attendee accept, and the organizer cancel.
func (k *talk) answer() {
	k.t.Helper()
	if k.gromox {
		return // keeps no copy for attendees
	}
	_, c := k.s, k.m
	page := must(c.FindItem(soon(k.t), ews.FindItemRequest{Start: k.start, End: k.start.Add(time.Minute)}))(k.t)
	mine := page.Items[0].ItemID
	invitation := k.s.Inbox(bob)[0]
	attendee := k.other(bob)
	must(attendee.Respond(soon(k.t), ews.RespondRequest{Action: ews.AcceptItem, Item: ews.ItemID{ID: invitation.ID}}))(k.t)
	it := one(c.GetItem(soon(k.t), ews.CalendarShape(""), mine.Ref()))(k.t)
	if it.RequiredAttendees[0].Response != ews.ResponseAccept {
		k.t.Errorf("the attendee's answer is %q", it.RequiredAttendees[0].Response)
	}
	must(c.Respond(soon(k.t), ews.RespondRequest{Action: ews.CancelCalendarItem, Item: it.ItemID}))(k.t)
	if last := k.s.Inbox(bob); len(last) == 0 || last[len(last)-1].Class != "IPM.Schedule.Meeting.Canceled" {
		k.t.Error("the cancellation did not reach the attendee")
	}
}

// other returns another mailbox of the same server.
func (k *talk) other(address string) *ews.Mailbox {
	c, err := ews.New(ews.Options{URL: k.s.URL, Credentials: ews.Credentials{Username: "svc@example.com", Password: ews.NewSecret("password")}})
	if err != nil {
		k.t.Fatal(err)
	}
	k.t.Cleanup(c.Close)
	return c.As(address)
}

// goodbye ends the subscription, twice, and reads a stream of it.
func (k *talk) goodbye(sub string) {
	k.t.Helper()
	for range 2 {
		if err := k.m.Unsubscribe(soon(k.t), sub); err != nil {
			k.t.Error(err)
		}
	}
	var e *ews.Error
	for _, err := range k.m.GetStreamingEvents(soon(k.t), []string{sub}, time.Minute) {
		if errors.As(err, &e) {
			break
		}
	}
	if e == nil || e.Class() != ews.Resubscribe || !slices.Equal(e.SubscriptionIDs, []string{sub}) {
		k.t.Errorf("a stream of a subscription that has ended: %v", e)
	}
}

// TestConversationFaults lets the simulator misbehave.
func TestConversationFaults(t *testing.T) {
	t.Parallel()
	view := func(c *ews.Client) error {
		_, err := c.As(alice).FindItem(soon(t), ews.FindItemRequest{Start: time.Now(), End: time.Now().Add(24 * time.Hour), Shape: ews.ViewShape()})
		return err
	}
	for name, tc := range map[string]struct {
		fault ewstest.Fault
		code  string
	}{
		"busy":           {ewstest.Fault{BackOff: 5 * time.Second}, "ErrorServerBusy"},
		"busy in body":   {ewstest.Fault{BackOff: 5 * time.Second, InBody: true}, "ErrorServerBusy"},
		"unavailable":    {ewstest.Fault{Status: 503}, ews.CodeUnavailable},
		"cut":            {ewstest.Fault{CutAfterBytes: 300}, ews.CodeTruncated},
		"log-in page":    {ewstest.Fault{Status: 200, Page: "<html><body>Log in</body></html>"}, ews.CodeNotEWS},
		"illegal":        {ewstest.Fault{Illegal: true}, ""},
		"moving mailbox": {ewstest.Fault{Code: "ErrorMailboxMoveInProgress"}, "ErrorMailboxMoveInProgress"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, c := newPair(t, ewstest.Options{EventsPerUser: 3})
			s.Fail(tc.fault)
			err := view(c)
			var e *ews.Error
			if tc.code == "" && err != nil || tc.code != "" && (!errors.As(err, &e) || e.Code != tc.code) {
				t.Fatalf("got %v", err)
			}
			if tc.fault.BackOff > 0 && e.BackOff != tc.fault.BackOff {
				t.Errorf("back-off %v", e.BackOff)
			}
			c.TryNow()
			err = view(c)
			if tc.fault.BackOff > 0 { // it is held to
				if !errors.As(err, &e) || e.HTTPStatus != 0 || e.BackOff <= 0 || e.BackOff > tc.fault.BackOff || len(s.Calls()) != 1 {
					t.Errorf("while the server wants to be left alone: %v, %d calls", err, len(s.Calls()))
				}
			} else if err != nil {
				t.Errorf("once the fault is over: %v", err)
			}
		})
	}
	t.Run("lost answer", func(t *testing.T) {
		t.Parallel()
		s, c := newPair(t, ewstest.Options{})
		s.Fail(ewstest.Fault{Op: "CreateItem", DropAnswer: true})
		_, err := c.As(alice).CreateItem(soon(t), ews.CreateItemRequest{Items: []ews.CalendarItem{{Subject: "once", Start: time.Now(), End: time.Now().Add(time.Hour)}}})
		var e *ews.Error
		if !errors.As(err, &e) || !e.Unclear {
			t.Errorf("got %v", err)
		}
		if n := len(s.Calendar(alice)); n != 1 {
			t.Errorf("%d items were made", n)
		}
	})
	t.Run("no rights", func(t *testing.T) {
		t.Parallel()
		s, c := newPair(t, ewstest.Options{})
		s.Deny(alice)
		var e *ews.Error
		if err := view(c); !errors.As(err, &e) || e.Class() != ews.MailboxPermanent {
			t.Errorf("got %v", err)
		}
	})
	t.Run("wrong password", func(t *testing.T) {
		t.Parallel()
		s, c := newPair(t, ewstest.Options{})
		c.SetCredentials(ews.Credentials{Username: "svc@example.com", Password: ews.NewSecret("wrong")})
		for range 3 {
			var e *ews.Error
			if err := view(c); !errors.As(err, &e) || e.Class() != ews.Auth {
				t.Errorf("got %v", err)
			}
		}
		if n := s.Refused("svc@example.com"); n != 1 {
			t.Errorf("the server refused the password %d times", n)
		}
	})
}
