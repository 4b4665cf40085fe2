package systemtest

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/koyomi-cal/koyomi/ews"
	"github.com/koyomi-cal/koyomi/internal/api"
	"github.com/koyomi-cal/koyomi/internal/calendar"
	"github.com/koyomi-cal/koyomi/internal/kms"
	"github.com/koyomi-cal/koyomi/internal/render"
	"github.com/koyomi-cal/koyomi/internal/seal"
)

// This file is what people do in the tests that run processes: they keep a
// calendar, read their mail and look at the meeting list on a device.

// procMeeting is an appointment that begins so many hours from now.
func procMeeting(subject, location string, hours int, attendees ...string) ews.CalendarItem {
	start := time.Now().UTC().Truncate(time.Hour).Add(time.Duration(hours) * time.Hour)
	it := ews.CalendarItem{
		Subject: subject, Location: location, Start: start, End: start.Add(30 * time.Minute), Status: ews.Busy,
		Body: &ews.Body{Type: ews.BodyHTML, Content: "<html><body><p>Agenda of " + subject + "</p></body></html>"},
	}
	for _, a := range attendees {
		it.RequiredAttendees = append(it.RequiredAttendees, ews.Attendee{EmailAddress: ews.EmailAddress{Address: a}})
	}
	return it
}

// procWeekly makes a series of an appointment.
func procWeekly(it ews.CalendarItem, times int) ews.CalendarItem {
	it.Recurrence = &ews.Recurrence{
		Pattern: ews.Weekly, Interval: 1, DaysOfWeek: []string{it.Start.Weekday().String()}, FirstDayOfWeek: "Monday",
		StartDate: it.Start.Format(time.DateOnly), Count: times,
	}
	return it
}

// procSave saves an item, and sends the invitations if send says so.
func procSave(ctx context.Context, box *ews.Mailbox, it ews.CalendarItem, send bool) (ews.ItemID, error) {
	mode := ews.SendToNone
	if send {
		mode = ews.SendToAllAndSaveCopy
	}
	results, err := box.CreateItem(ctx, ews.CreateItemRequest{Items: []ews.CalendarItem{it}, Send: mode})
	switch {
	case err != nil:
		return ews.ItemID{}, err
	case len(results) != 1:
		return ews.ItemID{}, errors.New("the server did not say which item it made")
	}
	return results[0].Item.ItemID, results[0].Err
}

// procItem reads an item with everything.
func procItem(t *testing.T, box *ews.Mailbox, id ews.ItemID) ews.CalendarItem {
	t.Helper()
	results, err := box.GetItem(t.Context(), ews.CalendarShape(ews.BodyBest, ews.PublicString("KoyomiJoin")), id.Ref())
	if err != nil || len(results) != 1 || results[0].Err != nil {
		t.Fatalf("read an item: %v %v", err, results)
	}
	return results[0].Item
}

// procCalendar reads all that stands in somebody's calendar, by subject, masters
// once.
func procCalendar(t *testing.T, box *ews.Mailbox) map[string][]ews.CalendarItem {
	t.Helper()
	all := map[string][]ews.CalendarItem{}
	for state, last := "", false; !last; {
		page, err := box.SyncFolderItems(t.Context(), ews.SyncFolderItemsRequest{State: state})
		if err != nil {
			t.Fatal(err)
		}
		var refs []ews.ItemRef
		for _, c := range page.Changes {
			refs = append(refs, c.Item.ItemID.Ref())
		}
		for some := range slices.Chunk(refs, 25) {
			results, err := box.GetItem(t.Context(), ews.CalendarShape(ews.BodyBest, ews.PublicString("KoyomiJoin")), some...)
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range results {
				if r.Err != nil {
					t.Fatal(r.Err)
				}
				all[r.Item.Subject] = append(all[r.Item.Subject], r.Item)
			}
		}
		state, last = page.State, page.Last
	}
	return all
}

func procBody(it *ews.CalendarItem) calendar.Body {
	b := calendar.Body{Type: calendar.BodyText, Whole: true}
	if it.Body != nil {
		b.Content = it.Body.Content
		if it.Body.Type == ews.BodyHTML {
			b.Type = calendar.BodyHTML
		}
	}
	return b
}

// procService is the address of the meeting service that the connector uses.
const procService = "https://meet.example.net/"

// procBlocks counts the join blocks for a link that an item shows. Links of the
// service that stand outside of a block for that one count a hundred each.
func procBlocks(it *ews.CalendarItem, link string) (blocks int) {
	body := procBody(it)
	for link != "" && render.Find(body, link).State == render.Whole {
		rest, err := render.Remove(body, link)
		if err != nil {
			break
		}
		blocks, body = blocks+1, rest
	}
	return blocks + 100*strings.Count(body.Content, procService)
}

// procLink is the link that the connector has noted on its organizer's copy.
func procLink(it *ews.CalendarItem) string {
	link, _ := it.Property(ews.PublicString("KoyomiJoin"))
	return link
}

// procMail counts the meeting requests in somebody's Inbox, by subject.
func procMail(t *testing.T, box *ews.Mailbox) map[string]int {
	t.Helper()
	mails := map[string]int{}
	for state, last := "", false; !last; {
		page, err := box.SyncFolderItems(t.Context(), ews.SyncFolderItemsRequest{
			Folder: ews.FolderRef{Distinguished: "inbox"}, State: state, Shape: ews.Shape{Fields: ews.Fields("item:Subject", "item:ItemClass")},
		})
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range page.Changes {
			if strings.HasPrefix(c.Item.ItemClass, "IPM.Schedule.Meeting.Request") {
				mails[c.Item.Subject]++
			}
		}
		state, last = page.State, page.Last
	}
	return mails
}

// procDevice is a device of a user: it holds the user's own keys and reads what
// the cloud delivers.
type procDevice struct {
	t     *testing.T
	cloud *api.Client
	keys  *kms.Client

	cursors map[string]int64                    // by resource
	heads   map[string]map[string]calendar.Head // by resource and item
}

// device redeems a user's codes.
func (s *procSystem) device(user int) *procDevice {
	s.t.Helper()
	who := s.people[user]
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		s.t.Fatal(err)
	}
	identity, err := kms.Redeem(s.t.Context(), kms.ClientOptions{URL: s.kmsURL, Key: key}, who.KMSCode)
	if err != nil {
		s.t.Fatal(err)
	}
	answer, err := api.Redeem(s.t.Context(), api.ClientOptions{URL: s.cloudURL}, who.CloudCode)
	if err != nil {
		s.t.Fatal(err)
	}
	d := &procDevice{t: s.t, cursors: map[string]int64{}, heads: map[string]map[string]calendar.Head{}}
	if d.keys, err = kms.NewClient(kms.ClientOptions{URL: s.kmsURL, Key: key, Identity: identity}); err != nil {
		s.t.Fatal(err)
	}
	if d.cloud, err = api.NewClient(api.ClientOptions{URL: s.cloudURL, Credential: answer.Credential}); err != nil {
		s.t.Fatal(err)
	}
	return d
}

// list reads what is new and returns the meeting list by subject.
func (d *procDevice) list() map[string][]calendar.Head {
	d.t.Helper()
	mine, err := d.keys.Mine(d.t.Context())
	if err != nil {
		d.t.Fatal(err)
	}
	list := map[string][]calendar.Head{}
	for _, res := range mine {
		for d.read(res) {
		}
		for _, h := range d.heads[res.ID] {
			list[h.Subject] = append(list[h.Subject], h)
		}
	}
	return list
}

// read takes in one page of a calendar and reports whether there is more.
func (d *procDevice) read(res seal.Resource) (more bool) {
	d.t.Helper()
	page, err := d.cloud.Items(d.t.Context(), res.ID, d.cursors[res.ID])
	switch e, is := errors.AsType[*api.Error](err); {
	case is && e.Code == api.CodeNotFound:
		return false // nothing was delivered yet
	case is && e.Code == api.CodeReset:
		delete(d.cursors, res.ID)
		delete(d.heads, res.ID)
		return true
	case err != nil:
		d.t.Fatal(err)
	}
	if d.heads[res.ID] == nil {
		d.heads[res.ID] = map[string]calendar.Head{}
	}
	for _, e := range page.Items {
		if e.Deleted {
			delete(d.heads[res.ID], e.Item)
		}
		if e.Part != seal.PartHead {
			continue
		}
		text, err := seal.Open(res.Head, seal.Header{Org: res.Org, Resource: res.ID, Item: e.Item, Part: e.Part, Rev: e.Rev}, e.JWE)
		if err != nil {
			d.t.Fatal(err)
		}
		m, err := calendar.Decode(text, nil)
		if err != nil {
			d.t.Fatal(err)
		}
		d.heads[res.ID][e.Item] = m.Head
	}
	d.cursors[res.ID] = page.Cursor
	return page.More
}
