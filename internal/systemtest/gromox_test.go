package systemtest

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/koyomi-cal/koyomi/ews"
)

// gromoxEvents is more than the server names on one page of changes.
const gromoxEvents = 550

// TestGromox takes the whole road on a server of another make: Basic only,
// faults with status 200, series that are not expanded, change keys that are not
// looked at, items named to those who watch everything, 512 changes a page,
// nothing that says whether an invitation was sent.
func TestGromox(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		absent string // what it counts as
		mails  int    // requests that an attendee gets: the invitation, and an update
	}{{"", 1}, {"sent", 2}} {
		t.Run("absent counts as "+c.absent, func(t *testing.T) {
			t.Parallel()
			s := procInstall(t, procOptions{
				Dialect: "gromox", Users: 4, Events: gromoxEvents, Served: []int{1, 2}, Settle: "200ms", DraftSettle: "2s", AbsentSent: c.absent,
			})
			g := &gromox{t: t, s: s, box: s.as(1), phone: s.device(1), mails: c.mails}
			for _, part := range []struct {
				name string
				play func()
			}{
				{"all is listed", g.everythingIsListed}, {"made", g.made}, {"changed", g.changed}, {"removed", g.removed}, {"restarted", g.restarted},
			} {
				began := time.Now()
				part.play()
				t.Logf("%s, after %.1f s", part.name, time.Since(began).Seconds())
			}
			s.connector.stop()
		})
	}
}

// gromox is one user of that server.
type gromox struct {
	t     *testing.T
	s     *procSystem
	box   *ews.Mailbox
	phone *procDevice
	mails int // requests that an attendee gets of each meeting

	alone, meeting, series, long ews.ItemID
}

const (
	gromoxAlone, gromoxMeeting = "Focus time", "Budget"
	gromoxSeries, gromoxLong   = "Stand-up", "Choir"
	gromoxMoved                = "Rescheduled"
)

// everythingIsListed has the list hold what stood in the calendar before: more
// than one page of it.
func (g *gromox) everythingIsListed() {
	g.t.Helper()
	procEventually(g.t, "a list of everything", func() (bool, string) {
		n := 0
		for _, heads := range g.phone.list() {
			n += len(heads)
		}
		return n > gromoxEvents*8/10, fmt.Sprint(n, " entries")
	})
}

// save makes an item as its user would.
func (g *gromox) save(it ews.CalendarItem) ews.ItemID {
	g.t.Helper()
	id, err := procSave(g.t.Context(), g.box, it, len(it.RequiredAttendees) > 0)
	if err != nil {
		g.t.Fatal(err)
	}
	return id
}

// joined waits until an item has its one join block and the list offers its
// link, as often as it takes place, and returns the link.
func (g *gromox) joined(id ews.ItemID, subject string, entries int) (link string) {
	g.t.Helper()
	procEventually(g.t, subject+" with a join block", func() (bool, string) {
		it := procItem(g.t, g.box, id)
		link = procLink(&it)
		blocks := procBlocks(&it, link)
		return blocks == 1, fmt.Sprint(blocks, " blocks")
	})
	g.listed(subject, entries, link)
	return link
}

// listed waits until the list has a subject so many times, each with the link.
func (g *gromox) listed(subject string, entries int, link string) {
	g.t.Helper()
	procEventually(g.t, fmt.Sprintf("%s in the list %d times", subject, entries), func() (bool, string) {
		heads := g.phone.list()[subject]
		for _, h := range heads {
			if link != "" && (len(h.Join) == 0 || h.Join[0].URL != link) {
				return false, "without the link"
			}
		}
		return len(heads) == entries, fmt.Sprint(len(heads), " times")
	})
}

// made has every kind of item made, and looks at the block, the list and the
// mail.
func (g *gromox) made() {
	g.t.Helper()
	g.alone = g.save(procMeeting(gromoxAlone, "@meet", 30))
	g.meeting = g.save(procMeeting(gromoxMeeting, "@meet", 32, procAddress(2), procAddress(3)))
	g.series = g.save(procWeekly(procMeeting(gromoxSeries, "@meet", 34), 4))
	g.long = g.save(procWeekly(procMeeting(gromoxLong, "@meet", 36-24*7*30), 60)) // it began long before the horizon
	g.joined(g.alone, gromoxAlone, 1)
	g.joined(g.meeting, gromoxMeeting, 1)
	g.joined(g.series, gromoxSeries, 4)
	g.joined(g.long, gromoxLong, gromoxOccurrences(g.t, g.box, g.long))
	for _, user := range []int{2, 3} {
		box := g.s.as(user)
		procEventually(g.t, "mail", func() (bool, string) {
			n := procMail(g.t, box)[gromoxMeeting]
			return n == g.mails, fmt.Sprint(n, " requests")
		})
	}
}

// gromoxOccurrences counts how often a weekly series takes place within the
// horizon of a week back and a month ahead.
func gromoxOccurrences(t *testing.T, box *ews.Mailbox, id ews.ItemID) (n int) {
	t.Helper()
	it := procItem(t, box, id)
	now := time.Now()
	for start := it.Start; start.Before(now.AddDate(0, 0, 31)); start = start.AddDate(0, 0, 7) {
		if start.Add(it.End.Sub(it.Start)).After(now.AddDate(0, 0, -7)) {
			n++
		}
	}
	if n < 4 {
		t.Fatalf("the series takes place %d times: the story is too thin", n)
	}
	return n
}

// changed has one occurrence deleted, of which neither the master's change key
// nor the sync state tells, and an appointment renamed.
func (g *gromox) changed() {
	g.t.Helper()
	g.soap(`<m:DeleteItem DeleteType="HardDelete" SendMeetingCancellations="SendToNone"><m:ItemIds>` +
		`<t:OccurrenceItemId RecurringMasterId="` + g.series.ID + `" InstanceIndex="2"/></m:ItemIds></m:DeleteItem>`)
	_, err := g.box.UpdateItem(g.t.Context(), ews.UpdateItemRequest{
		Changes:  []ews.ItemChange{{Item: g.alone.Ref(), Updates: []ews.FieldUpdate{ews.Set("item:Subject", ews.CalendarItem{Subject: gromoxMoved})}}},
		Conflict: ews.AlwaysOverwrite,
	})
	if err != nil {
		g.t.Fatal(err)
	}
	g.listed(gromoxSeries, 3, "")
	g.listed(gromoxMoved, 1, "")
	g.listed(gromoxAlone, 0, "")
}

// removed has a meeting and a series deleted.
func (g *gromox) removed() {
	g.t.Helper()
	for _, id := range []ews.ItemID{g.meeting, g.series} {
		g.soap(`<m:DeleteItem DeleteType="MoveToDeletedItems" SendMeetingCancellations="SendToAllAndSaveCopy"><m:ItemIds>` +
			`<t:ItemId Id="` + id.ID + `"/></m:ItemIds></m:DeleteItem>`)
	}
	g.listed(gromoxMeeting, 0, "")
	g.listed(gromoxSeries, 0, "")
}

// restarted starts the connector again, with something made while it was down:
// that is found, and nothing is written or mailed twice.
func (g *gromox) restarted() {
	g.t.Helper()
	g.s.connector.stop()
	late := g.save(procMeeting("Made meanwhile", "@meet", 50, procAddress(3)))
	g.s.start()
	g.s.served()
	link := g.joined(late, "Made meanwhile", 1)
	if link == "" {
		g.t.Error("no link")
	}
	g.joined(g.alone, gromoxMoved, 1)
	box := g.s.as(3)
	procEventually(g.t, "mail", func() (bool, string) {
		n := procMail(g.t, box)["Made meanwhile"]
		return n == g.mails, fmt.Sprint(n, " requests")
	})
	if n := procMail(g.t, box)[gromoxMeeting]; n != g.mails {
		g.t.Errorf("%d requests for the first meeting after the restart, %d before", n, g.mails)
	}
}

// soap sends a request that the client of this module has no operation for.
func (g *gromox) soap(body string) {
	g.t.Helper()
	req, err := http.NewRequestWithContext(g.t.Context(), http.MethodPost, g.s.ews, strings.NewReader(
		`<?xml version="1.0" encoding="utf-8"?><s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/" `+
			`xmlns:m="http://schemas.microsoft.com/exchange/services/2006/messages" xmlns:t="http://schemas.microsoft.com/exchange/services/2006/types">`+
			`<s:Header><t:RequestServerVersion Version="Exchange2013"/></s:Header><s:Body>`+body+`</s:Body></s:Envelope>`))
	if err != nil {
		g.t.Fatal(err)
	}
	req.SetBasicAuth(procAddress(1), procPassword)
	req.Header.Set("Content-Type", "text/xml; charset=utf-8")
	answer, err := http.DefaultClient.Do(req)
	if err != nil {
		g.t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != http.StatusOK || !strings.Contains(string(text), ">NoError<") {
		g.t.Fatalf("%v: %d %s", err, answer.StatusCode, text)
	}
}
