package calendar_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/koyomi-cal/koyomi/internal/calendar"
)

const secret = "geheim@canary.example"

// private lists a filled value of every type that holds something a person
// wrote.
func private() []any {
	person := calendar.Person{Name: secret, Address: secret}
	join := calendar.JoinMethod{Kind: "zoom", URL: secret, SIP: secret, ID: secret, Passcode: secret}
	head := calendar.Head{Subject: secret, Location: secret, Organizer: person, Join: []calendar.JoinMethod{join}}
	details := calendar.Details{Notes: secret, Attendees: []calendar.Attendee{{Person: person}}}
	body := calendar.Body{Type: calendar.BodyText, Content: secret}
	marker := calendar.Marker{Join: secret, GOID: secret}
	item := calendar.Item{Subject: secret, UID: secret, Body: body, Organizer: person, Marker: marker}
	return []any{
		calendar.Mailbox{ID: "mb-1", Address: secret, Name: secret, Aliases: []string{secret}},
		person, details.Attendees[0], join, head, details, body, marker, item,
		calendar.Meeting{Key: secret, Head: head, Details: details},
		calendar.JoinDetails{Service: "Example", JoinMethod: join},
		calendar.Patch{ID: "AAMk", Body: &body, Marker: &marker, SIP: secret, Location: &body.Content},
	}
}

func TestPrivateTypesNeverPrint(t *testing.T) {
	t.Parallel()
	for _, v := range private() {
		var out bytes.Buffer
		log := slog.New(slog.NewJSONHandler(&out, nil))
		log.Info("x", "v", v)
		text := slog.New(slog.NewTextHandler(&out, nil))
		text.Info("x", "v", v)
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x"} {
			fmt.Fprintf(&out, verb, v)
		}
		fmt.Fprint(&out, []any{v}, map[string]any{"k": v}, fmt.Errorf("because %v", v))
		if strings.Contains(out.String(), "geheim") || strings.Contains(out.String(), fmt.Sprintf("%x", "geheim")) {
			t.Errorf("%T prints what it must not: %s", v, out.String())
		}
	}
}

func TestEncodeIsTheWholeMeeting(t *testing.T) {
	t.Parallel()
	when := time.Date(2026, 11, 24, 10, 0, 0, 0, time.FixedZone("JST", 9*3600))
	m := calendar.Meeting{
		Key: "goid", RecurrenceID: when,
		Head: calendar.Head{
			UID: "uid", Start: when, End: when.Add(time.Hour), TimeZone: "Tokyo Standard Time",
			Subject: "四半期会議", Location: "@meet", Organizer: calendar.Person{Name: "花子", Address: "hanako@example.com"},
			Join:   []calendar.JoinMethod{{Kind: "jitsi", URL: "https://meet.example.org/x", Dialin: []calendar.Dialin{{Number: "+4930123", PIN: "1"}}}},
			Status: calendar.StatusConfirmed, OBTP: calendar.OBTP{Lead: 300},
		},
		Details: calendar.Details{Notes: "議題", Attendees: []calendar.Attendee{{Person: calendar.Person{Address: "a@example.com"}, Role: calendar.Required, Response: calendar.Accepted}}},
	}
	head, details, err := calendar.Encode(m)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"v":1,"uid":"uid","start":"2026-11-24T01:00:00Z","end":"2026-11-24T02:00:00Z","tz":"Tokyo Standard Time",` +
		`"subject":"四半期会議","location":"@meet","organizer":{"name":"花子","mail":"hanako@example.com"},` +
		`"join":[{"kind":"jitsi","url":"https://meet.example.org/x","dialin":[{"number":"+4930123","pin":"1"}]}],` +
		`"status":"confirmed","obtp":{"lead":300}}`
	if diff := cmp.Diff(want, string(head)); diff != "" {
		t.Errorf("head (-want +got):\n%s", diff)
	}
	if want := `{"v":1,"notes":"議題","attendees":[{"mail":"a@example.com","role":"required","resp":"accepted"}]}`; string(details) != want {
		t.Errorf("details are %s, want %s", details, want)
	}
	if got := m.ItemKey(); got != "goid|20261124T010000Z" {
		t.Errorf("ItemKey = %q", got)
	}
	back, err := calendar.Decode(head, details)
	if err != nil {
		t.Fatal(err)
	}
	back.Key, back.RecurrenceID = m.Key, m.RecurrenceID
	m.Head.V, m.Details.V = 1, 1
	if diff := cmp.Diff(m, back, cmpopts.EquateApproxTime(0)); diff != "" {
		t.Errorf("decoded (-want +got):\n%s", diff)
	}
}

func TestDecodeRefusesTheFuture(t *testing.T) {
	t.Parallel()
	if _, err := calendar.Decode([]byte(`{"v":2}`), nil); !errors.Is(err, calendar.ErrVersion) {
		t.Errorf("error is %v, want ErrVersion", err)
	}
	if _, err := calendar.Decode([]byte(`{"v":`), nil); err == nil {
		t.Error("half a document was accepted")
	}
	if _, err := calendar.Decode([]byte(`{"v":1}`), []byte(`[]`)); err == nil {
		t.Error("details of the wrong type were accepted")
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{"v":1,"subject":"x"}`), []byte(`{"v":1}`))
	f.Fuzz(func(t *testing.T, head, details []byte) {
		m, err := calendar.Decode(head, details)
		if err != nil {
			return
		}
		if _, err := json.Marshal(m.Head); err != nil && m.Head.Start.Year() < 10000 && m.Head.End.Year() < 10000 {
			t.Fatalf("decoded what cannot be encoded: %v", err)
		}
	})
}

func TestMailbox(t *testing.T) {
	t.Parallel()
	m := calendar.Mailbox{Address: "Hanako@Example.com", Aliases: []string{"h@example.com"}}
	for addr, want := range map[string]bool{
		"hanako@example.com": true, " HANAKO@EXAMPLE.COM ": true, "H@example.com": true,
		"taro@example.com": false, "": false, "hanako@example.com.evil": false,
	} {
		if got := m.Owns(addr); got != want {
			t.Errorf("Owns(%q) = %v, want %v", addr, got, want)
		}
	}
	a := calendar.NewMailboxID([]byte("salt"), "a@example.com")
	if b := calendar.NewMailboxID([]byte("salt"), " A@EXAMPLE.com"); a != b {
		t.Errorf("the id depends on case: %s, %s", a, b)
	}
	if c := calendar.NewMailboxID([]byte("other"), "a@example.com"); a == c {
		t.Error("the id does not depend on the salt")
	}
	if len(a) != len("mb-")+12 || a == "" {
		t.Errorf("id %q", a)
	}
}

func TestItemKey(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		item calendar.Item
		want string
	}{
		{calendar.Item{GOID: "BAAA=", UID: "X"}, "BAAA="},
		{calendar.Item{UID: " ABC@Example.com "}, "abc@example.com"},
		{calendar.Item{}, ""},
	} {
		if got := c.item.Key(); got != c.want {
			t.Errorf("Key() = %q, want %q", got, c.want)
		}
	}
}

func TestWindow(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		at := func(name string) time.Time { return time.Unix(int64(rapid.IntRange(0, 20).Draw(t, name)), 0) }
		w := calendar.Window{From: at("from"), To: at("to")}
		start, end := at("start"), at("end")
		if !w.To.After(w.From) || end.Before(start) {
			t.Skip("not an interval")
		}
		want := false // by its seconds
		for s := start.Unix(); s < max(end.Unix(), start.Unix()+1); s++ {
			want = want || s >= w.From.Unix() && s < w.To.Unix()
		}
		if got := w.Contains(start, end); got != want {
			t.Fatalf("%v contains %v-%v = %v, want %v", w, start.Unix(), end.Unix(), got, want)
		}
	})
}

func TestTri(t *testing.T) {
	t.Parallel()
	if got := fmt.Sprint(calendar.Unknown, calendar.TriOf(false), calendar.TriOf(true)); got != "unknown no yes" {
		t.Errorf("got %q", got)
	}
}
