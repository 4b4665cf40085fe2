package ewstest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/koyomi-cal/koyomi/ews/internal/wire"
)

const allEvents = `<t:EventTypes><t:EventType>CreatedEvent</t:EventType><t:EventType>ModifiedEvent</t:EventType><t:EventType>DeletedEvent</t:EventType><t:EventType>MovedEvent</t:EventType></t:EventTypes>`

func (r *rig) subscribe(mailbox, folders string) string {
	r.t.Helper()
	return r.ok(mailbox, `<m:Subscribe><m:StreamingSubscriptionRequest>`+folders+allEvents+`</m:StreamingSubscriptionRequest></m:Subscribe>`).Value("SubscriptionId")
}

const calendarOnly = `<t:FolderIds><t:DistinguishedFolderId Id="calendar"/></t:FolderIds>`

func streamBody(minutes int, ids ...string) string {
	out := `<m:GetStreamingEvents><m:SubscriptionIds>`
	for _, id := range ids {
		out += `<t:SubscriptionId>` + id + `</t:SubscriptionId>`
	}
	return out + fmt.Sprintf(`</m:SubscriptionIds><m:ConnectionTimeout>%d</m:ConnectionTimeout></m:GetStreamingEvents>`, minutes)
}

// listening is an open stream.
type listening struct {
	r      *rig
	body   io.ReadCloser
	cut    *wire.Splitter
	cancel context.CancelFunc
}

// stream opens a stream as a user, or as the service account for a mailbox.
func (r *rig) stream(mailbox string, minutes int, ids ...string) *listening {
	r.t.Helper()
	ctx, cancel := context.WithCancel(r.t.Context())
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://exchange.example.com"+Path, strings.NewReader(envelope(mailbox, streamBody(minutes, ids...))))
	if err != nil {
		r.t.Fatal(err)
	}
	req.SetBasicAuth(svc, "password")
	res, err := r.client.Do(req)
	if err != nil {
		r.t.Fatal(err)
	}
	if res.StatusCode != http.StatusOK {
		r.t.Fatalf("status %d", res.StatusCode)
	}
	return &listening{r, res.Body, wire.NewSplitter(res.Body, 4<<20), cancel}
}

func (l *listening) close() { l.cancel(); _ = l.body.Close() }

// next returns the response message of the next document, and its bytes.
func (l *listening) next() (*wire.Element, []byte) {
	l.r.t.Helper()
	doc, err := l.cut.Next()
	if err != nil {
		l.r.t.Fatalf("next document: %v", err)
	}
	root, err := wire.Parse(doc, wire.Limits{})
	if err != nil {
		l.r.t.Fatal(err)
	}
	m := root.Body().Find("ResponseMessages", "GetStreamingEventsResponseMessage")
	if m == nil {
		l.r.t.Fatalf("no message in %s", doc)
	}
	l.r.keepStream(doc)
	return m, doc
}

// events returns the kinds of the events of the next document, "+" for those
// about an item and "/" for those about a folder.
func (l *listening) events() string {
	l.r.t.Helper()
	m, _ := l.next()
	var out []string
	for n := range m.Child("Notifications").All("Notification") {
		for _, e := range n.Children[1:] {
			mark := "/"
			if e.Child("ItemId") != nil {
				mark = "+"
			}
			out = append(out, strings.TrimSuffix(e.Name, "Event")+mark)
		}
	}
	if out == nil {
		return m.Value("ConnectionStatus")
	}
	return strings.Join(out, " ")
}

// clockRig is a rig on the clock of a synctest bubble.
func clockRig(t *testing.T, o Options) *rig {
	o.Now = time.Now
	return newRig(t, o)
}

func TestStreamBeatsUntilItsTimeIsOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := clockRig(t, Options{})
		l := r.stream(user1, 2, r.subscribe(user1, calendarOnly))
		defer l.close()
		start := time.Now()
		_, doc := l.next()
		if !strings.HasPrefix(string(doc), `<Envelope xmlns="`+wire.NSSoap+`">`) || !strings.HasSuffix(string(doc), "</Envelope>") {
			t.Errorf("a stream's document is\n%s", doc)
		}
		if time.Since(start) != 0 {
			t.Error("the first document did not come at once")
		}
		var at []string
		for {
			m, _ := l.next()
			at = append(at, fmt.Sprint(m.Value("ConnectionStatus"), " ", time.Since(start)))
			if m.Value("ConnectionStatus") == "Closed" {
				break
			}
		}
		if got := strings.Join(at, ", "); got != "OK 45s, OK 1m30s, Closed 2m0s" {
			t.Errorf("documents: %s", got)
		}
		if _, err := l.cut.Next(); !errors.Is(err, io.EOF) {
			t.Errorf("after the last document: %v, want a clean end", err)
		}
	})
}

func TestStreamTellsWhatHappens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := clockRig(t, Options{})
		id := r.subscribe(user1, calendarOnly)
		l := r.stream(user1, 30, id)
		defer l.close()
		if got := l.events(); got != "OK" {
			t.Fatalf("first document: %s", got)
		}
		item := r.create(user1, "SendToNone", planning+tomorrow)
		m, _ := l.next()
		n := m.Find("Notifications", "Notification")
		if n.Value("SubscriptionId") != id {
			t.Errorf("subscription %q", n.Value("SubscriptionId"))
		}
		e := n.Child("CreatedEvent")
		if e.Child("ItemId").Attr("Id") != item.Attr("Id") || e.Child("ItemId").Attr("ChangeKey") != "DwAAAA==" {
			t.Errorf("created: %v, want %s with a short key", e.Child("ItemId").Attrs, item.Attr("Id"))
		}
		if r.s.Edit(user1, item.Attr("Id"), func(it *Item) { it.Subject = "x" }) != nil {
			t.Fatal("no item")
		}
		synctest.Wait()
		if got := l.events(); got != "Modified+ Modified/" {
			t.Errorf("after an edit: %s", got)
		}
		moved, _ := r.s.Move(user1, item.Attr("Id"), "deleteditems")
		synctest.Wait()
		m, _ = l.next()
		e = m.Find("Notifications", "Notification", "MovedEvent")
		if e == nil || e.Child("ItemId").Attr("Id") != moved || e.Child("OldItemId").Attr("Id") != item.Attr("Id") {
			t.Errorf("after a move: %v", m)
		}
		other, _ := r.s.Add(user1, Item{Subject: "y", Start: noon, End: noon})
		l.next()
		if r.s.Remove(user1, other.ID) != nil {
			t.Fatal("no item")
		}
		synctest.Wait()
		if got := l.events(); got != "Deleted+ Modified/" {
			t.Errorf("after a deletion: %s", got)
		}
	})
}

func TestEventsWaitForTheNextStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := clockRig(t, Options{})
		id := r.subscribe(user1, calendarOnly)
		l := r.stream(user1, 1, id)
		for l.events() != "Closed" {
		}
		l.close()
		r.create(user1, "SendToNone", planning+tomorrow)
		l = r.stream(user1, 1, id)
		defer l.close()
		if got := l.events() + ", " + l.events(); got != "OK, Created+ Modified/" {
			t.Errorf("the next stream begins with %s", got)
		}
	})
}

func TestSubscriptionsDieWithoutAStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := clockRig(t, Options{})
		id := r.subscribe(user1, calendarOnly)
		time.Sleep(29 * time.Minute)
		if n := r.s.Subscriptions(user1); n != 1 {
			t.Fatalf("%d subscriptions after 29 minutes", n)
		}
		time.Sleep(2 * time.Minute)
		l := r.stream(user1, 1, id)
		defer l.close()
		m, _ := l.next()
		if m.Value("ResponseCode") != "ErrorSubscriptionNotFound" || r.s.Subscriptions("") != 0 {
			t.Errorf("after 31 minutes: %s", m.Value("ResponseCode"))
		}
	})
}

func TestOneBadIdPoisonsTheStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := clockRig(t, Options{})
		good := r.subscribe(user1, calendarOnly)
		gone := r.subscribe(user1, calendarOnly)
		r.ok(user1, `<m:Unsubscribe><m:SubscriptionId>`+gone+`</m:SubscriptionId></m:Unsubscribe>`)
		for bad, want := range map[string]string{gone: "ErrorSubscriptionNotFound", "c3VicmlzaA==": "ErrorInvalidSubscription"} {
			l := r.stream(user1, 1, good, bad)
			m, _ := l.next()
			if m.Attr("ResponseClass") != "Error" || m.Value("ResponseCode") != want || m.Value("ConnectionStatus") != "Closed" ||
				m.Value("ErrorSubscriptionIds", "SubscriptionId") != bad {
				t.Errorf("%s: %s, bad ids %q", want, m.Value("ResponseCode"), m.Value("ErrorSubscriptionIds", "SubscriptionId"))
			}
			if _, err := l.cut.Next(); !errors.Is(err, io.EOF) {
				t.Errorf("the poisoned stream goes on: %v", err)
			}
			l.close()
		}
		if code := r.code(user1, `<m:Unsubscribe><m:SubscriptionId>`+gone+`</m:SubscriptionId></m:Unsubscribe>`); code != "ErrorSubscriptionNotFound" {
			t.Errorf("unsubscribing twice: %s", code)
		}
	})
}

func TestSecondStreamTakesTheSubscription(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := clockRig(t, Options{})
		id := r.subscribe(user1, calendarOnly)
		first := r.stream(user1, 30, id)
		defer first.close()
		first.next()
		second := r.stream(user1, 30, id)
		defer second.close()
		second.next()
		if m, _ := first.next(); m.Value("ResponseCode") != "ErrorNewEventStreamConnectionOpened" {
			t.Errorf("the first stream says %s", m.Value("ResponseCode"))
		}
		r.create(user1, "SendToNone", planning+tomorrow)
		if got := second.events(); got != "Created+ Modified/" {
			t.Errorf("the second stream says %s", got)
		}
	})
}

func TestStreamOfAnotherAccount(t *testing.T) {
	t.Parallel()
	r := newRig(t, Options{})
	id := r.subscribe(user1, calendarOnly)
	a := r.send(user1, "password", envelope("", streamBody(1, id)))
	if code := a.body.Value("ResponseMessages", "GetStreamingEventsResponseMessage", "ResponseCode"); code != "ErrorSubscriptionAccessDenied" {
		t.Errorf("code %s", code)
	}
}

func TestHangingConnectionLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := clockRig(t, Options{Dialect: Exchange2013})
		for range 3 {
			l := r.stream(user1, 30, r.subscribe(user1, calendarOnly))
			defer l.close()
			l.next()
		}
		if n := r.s.Streams(); n != 3 {
			t.Errorf("%d streams", n)
		}
		if code := r.code(user1, streamBody(1, r.subscribe(user1, calendarOnly))); code != "ErrorExceededConnectionCount" {
			t.Errorf("the fourth stream: %s", code)
		}
		l := r.stream(user2, 30, r.subscribe(user2, calendarOnly)) // another budget
		defer l.close()
		l.next()
	})
}

func TestCloseEndsStreamsWithTheirLastDocument(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := clockRig(t, Options{})
		l := r.stream(user1, 30, r.subscribe(user1, calendarOnly))
		defer l.close()
		l.next()
		closed := make(chan struct{})
		go func() { r.s.Close(); close(closed) }()
		if got := l.events(); got != "Closed" {
			t.Errorf("last document: %s", got)
		}
		if _, err := l.cut.Next(); !errors.Is(err, io.EOF) {
			t.Errorf("then: %v", err)
		}
		<-closed
	})
}

func TestStreamsCanBeCut(t *testing.T) {
	for name, cut := range map[string]func(*rig){
		"CutStreams":        func(r *rig) { r.s.CutStreams() },
		"DropSubscriptions": func(r *rig) { r.s.DropSubscriptions() },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := clockRig(t, Options{})
				id := r.subscribe(user1, calendarOnly)
				l := r.stream(user1, 30, id)
				l.next()
				cut(r)
				if _, err := l.cut.Next(); err == nil || errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
					t.Errorf("the stream ended with %v, want it broken off", err)
				}
				l.close()
				l = r.stream(user1, 30, id)
				defer l.close()
				m, _ := l.next()
				if got := m.Value("ResponseCode"); (got == "NoError") != (name == "CutStreams") {
					t.Errorf("the subscription afterwards: %s", got)
				}
			})
		})
	}
}

func TestMissedEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := clockRig(t, Options{})
		id := r.subscribe(user1, calendarOnly)
		for range mostPending {
			if _, err := r.s.Add(user1, Item{Start: noon, End: noon}); err != nil {
				t.Fatal(err)
			}
		}
		l := r.stream(user1, 30, id)
		defer l.close()
		l.next()
		if m, _ := l.next(); m.Value("ResponseCode") != "ErrorMissedNotificationEvents" || m.Value("ErrorSubscriptionIds", "SubscriptionId") != id {
			t.Errorf("after too many events: %s", m.Value("ResponseCode"))
		}
	})
}

func TestStreamThatBreaksOffInADocument(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := clockRig(t, Options{})
		id := r.subscribe(user1, calendarOnly)
		r.s.Fail(Fault{Op: "GetStreamingEvents", CutAfterBytes: 1000})
		l := r.stream(user1, 30, id)
		defer l.close()
		l.next()
		r.create(user1, "SendToNone", planning+tomorrow)
		if _, err := l.cut.Next(); !errors.Is(err, wire.ErrTruncated) && !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("the cut stream ended with %v", err)
		}
	})
}

func TestSubscribeRefuses(t *testing.T) {
	t.Parallel()
	r := newRig(t, Options{})
	sub := func(inner string) string { return `<m:Subscribe>` + inner + `</m:Subscribe>` }
	streaming := func(inner string) string {
		return sub(`<m:StreamingSubscriptionRequest>` + inner + `</m:StreamingSubscriptionRequest>`)
	}
	for _, tc := range []struct{ name, mailbox, body, want string }{
		{"pull", user1, sub(`<m:PullSubscriptionRequest/>`), "ErrorSchemaValidation"},
		{"no events", user1, streaming(calendarOnly), "ErrorSchemaValidation"},
		{"status events", user1, streaming(calendarOnly + `<t:EventTypes><t:EventType>StatusEvent</t:EventType></t:EventTypes>`), "ErrorSchemaValidation"},
		{"no folders", user1, streaming(allEvents), "ErrorSchemaValidation"},
		{"unknown folder", user1, streaming(`<t:FolderIds><t:DistinguishedFolderId Id="favorites"/></t:FolderIds>` + allEvents), "ErrorFolderNotFound"},
		{"no mailbox", "", streaming(calendarOnly + allEvents), "ErrorMissingEmailAddress"},
		{"two mailboxes", user1, streaming(`<t:FolderIds><t:DistinguishedFolderId Id="calendar"/><t:DistinguishedFolderId Id="calendar"><t:Mailbox><t:EmailAddress>` + user2 + `</t:EmailAddress></t:Mailbox></t:DistinguishedFolderId></t:FolderIds>` + allEvents), "ErrorInvalidSubscriptionRequest"},
		{"minutes", user1, streamBody(31, "x"), "ErrorSchemaValidation"},
		{"no ids", user1, streamBody(3), "ErrorSchemaValidation"},
		{"nobody's folder", user1, streaming(`<t:FolderIds><t:DistinguishedFolderId Id="calendar"><t:Mailbox><t:EmailAddress>` + user3 + `</t:EmailAddress></t:Mailbox></t:DistinguishedFolderId></t:FolderIds>` + allEvents), "ErrorFolderNotFound"},
	} {
		r.s.Delegate(user2, user1)
		if got := r.code(tc.mailbox, tc.body); got != tc.want {
			t.Errorf("%s: %s, want %s", tc.name, got, tc.want)
		}
	}
	if n := r.s.Subscriptions(""); n != 0 {
		t.Errorf("%d subscriptions exist", n)
	}
}

func TestSubscribeToAllFolders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := clockRig(t, Options{})
		m := r.ok(user2, `<m:Subscribe><m:StreamingSubscriptionRequest SubscribeToAllFolders="true"><t:EventTypes><t:EventType>NewMailEvent</t:EventType><t:EventType>FreeBusyChangedEvent</t:EventType></t:EventTypes></m:StreamingSubscriptionRequest></m:Subscribe>`)
		l := r.stream(user2, 30, m.Value("SubscriptionId"))
		defer l.close()
		l.next()
		r.create(user1, "SendOnlyToAll", planning+tomorrow+attendees("RequiredAttendees", user2))
		synctest.Wait()
		if got := l.events(); got != "FreeBusyChanged+ NewMail+" {
			t.Errorf("events %s", got)
		}
	})
}
