package ewstest

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/koyomi-cal/koyomi/ews/internal/wire"
)

// TestManyAtOnce lets people schedule with each other at the same time, with
// streams open, and looks whether every meeting is complete.
func TestManyAtOnce(t *testing.T) {
	t.Parallel()
	const people, meetings = 6, 15
	s := Start(Options{Users: people})
	defer s.Close()
	address := func(i int) string { return fmt.Sprintf("user%04d@example.com", i%people+1) }
	client := &http.Client{}
	defer client.CloseIdleConnections()
	call := func(ctx context.Context, box, body string) (*http.Response, error) {
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.URL, strings.NewReader(envelope(box, body)))
		if err != nil {
			return nil, err
		}
		req.SetBasicAuth(svc, "password")
		return client.Do(req)
	}
	do := func(box, body string) *wire.Element {
		res, err := call(t.Context(), box, body)
		if err != nil {
			t.Error(err)
			return nil
		}
		defer func() { _ = res.Body.Close() }()
		doc, err := wire.NewSplitter(res.Body, 64<<20).Next()
		if err != nil {
			t.Error(err)
			return nil
		}
		root, err := wire.Parse(doc, wire.Limits{})
		if err != nil {
			t.Error(err)
		}
		m := root.Body().Child("ResponseMessages")
		if m == nil || m.Children[0].Value("ResponseCode") != "NoError" {
			t.Errorf("%s", doc)
			return nil
		}
		return m.Children[0]
	}
	ctx, stop := context.WithCancel(t.Context())
	var listening, working sync.WaitGroup
	for i := range people {
		id := do(address(i), `<m:Subscribe><m:StreamingSubscriptionRequest>`+calendarOnly+allEvents+`</m:StreamingSubscriptionRequest></m:Subscribe>`).Value("SubscriptionId")
		res, err := call(ctx, address(i), streamBody(1, id))
		if err != nil {
			t.Fatal(err)
		}
		listening.Go(func() {
			defer func() { _ = res.Body.Close() }()
			cut := wire.NewSplitter(res.Body, 4<<20)
			for {
				if _, err := cut.Next(); err != nil {
					return
				}
			}
		})
	}
	for i := range people {
		working.Go(func() {
			for n := range meetings {
				m := do(address(i), createMeeting("SendToAllAndSaveCopy", fmt.Sprintf(`<t:Subject>M %d %d</t:Subject>`, i, n)+tomorrow+attendees("RequiredAttendees", address(i+1), address(i+2))))
				_, id := itemOf(m)
				do(address(i), updateItem(id, "AlwaysOverwrite", "SendToAllAndSaveCopy", setField("item:Body", `<t:Body BodyType="Text">done</t:Body>`)))
				do(address(i), calendarView("2026-11-23T00:00:00Z", "2026-11-30T00:00:00Z", "item:Subject"))
			}
		})
	}
	working.Wait()
	stop()
	listening.Wait()
	for i := range people {
		items := s.Calendar(address(i))
		if len(items) != 3*meetings || len(s.Inbox(address(i))) != 4*meetings || len(s.Sent(address(i))) != 2*meetings {
			t.Errorf("%s has %d items, %d letters, %d sent", address(i), len(items), len(s.Inbox(address(i))), len(s.Sent(address(i))))
		}
		for _, it := range items {
			if it.Body.Content != "done" {
				t.Errorf("%q in %s has the body %q", it.Subject, address(i), it.Body.Content)
			}
		}
	}
	if n := len(s.Mails()); n != people*meetings*4 {
		t.Errorf("%d mails", n)
	}
	for deadline := time.Now().Add(10 * time.Second); s.Streams() > 0; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d streams stay open after their clients have left", s.Streams())
		}
	}
}
