package ewstest

import (
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/koyomi-cal/koyomi/ews/internal/wire"
)

// FuzzHandler sends requests to a server that has a little of everything. What
// comes back is XML, or an HTTP error.
func FuzzHandler(f *testing.F) {
	rich := createMeeting("SendToAllAndSaveCopy", planning+tomorrow+attendees("RequiredAttendees", user2)+attendees("Resources", room)+weekly)
	for _, body := range []string{
		getCalendar, rich, syncBody("calendar", "", 5), calendarView("2026-01-01T00:00:00Z", "2027-01-01T00:00:00Z", "item:Subject"),
		getItem("AAMkAA==", everyField(ClassAppointment)...), updateOf(`<t:ItemId Id="A" ChangeKey="B"/>`, "NeverOverwrite", "SendToAllAndSaveCopy", setField("item:Subject", "<t:Subject>x</t:Subject>")),
		`<m:GetServerTimeZones/>`, availabilityBody("DetailedMerged", "2026-11-24T08:00:00", "2026-11-24T16:00:00", user1, user2), find("inbox", "", restriction("IsEqualTo", "item:Subject", "x"), ""),
		`<m:ConvertId DestinationFormat="EntryId"><m:SourceIds><t:AlternateId Format="EwsId" Id="DUMMY" Mailbox="DUMMY"/></m:SourceIds></m:ConvertId>`,
	} {
		f.Add(envelope(user1, body))
	}
	for _, name := range seeds(f) {
		if data, err := os.ReadFile(name); err == nil {
			f.Add(envelope(user1, string(data)))
		}
	}
	f.Fuzz(func(t *testing.T, doc string) {
		if strings.Contains(doc, "GetStreamingEvents") {
			return // it would wait
		}
		s := NewServer(Options{Users: 2, EventsPerUser: 10, Now: func() time.Time { return noon }})
		s.AddMailbox(room, "Room", AsRoom(DefaultRoom()))
		for range 2 { // the second time it meets what the first has left
			req := httptest.NewRequest("POST", Path, strings.NewReader(doc))
			req.SetBasicAuth(svc, "password")
			w := httptest.NewRecorder()
			s.Handler().ServeHTTP(w, req)
			if root, err := wire.Parse(w.Body.Bytes(), wire.Limits{}); err != nil || root.Body() == nil {
				t.Fatalf("status %d, %v:\n%s", w.Code, err, w.Body.Bytes())
			}
		}
		for _, box := range s.Mailboxes() {
			s.View(box, noon, noon.AddDate(0, 1, 0))
		}
	})
}

// seeds returns the request bodies that lie beside the published schema.
func seeds(f *testing.F) []string {
	f.Helper()
	names, err := filepath.Glob(filepath.Join(os.Getenv("KOYOMI_SCHEMA"), "[A-Z]*.xml"))
	if err != nil || os.Getenv("KOYOMI_SCHEMA") == "" {
		return nil
	}
	return names
}

// FuzzBodies checks that no HTML stops the conversions, and that what Word
// writes once it writes again.
func FuzzBodies(f *testing.F) {
	for _, s := range []string{"<p>a</p>", "<a href='x'>b</a>", "<<<>>", "<!--", "<style>x", "<b><i>c</b></i>", "a&amp;b&#0;", "<a", "</", "<p =x>", "\xff<p>", "<br/><td>"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		once := RewriteAsOutlook(s)
		if twice := RewriteAsOutlook(once); twice != once {
			t.Fatalf("%q\n%q\n%q", s, once, twice)
		}
		htmlToText(s)
		textToHTML(s)
	})
}

// FuzzIds checks that no id, change key, sync state or subscription id does
// harm.
func FuzzIds(f *testing.F) {
	f.Add(ref{folder: 4, item: 7, original: noon}.encode())
	f.Add(syncState{base: 1, top: 2, next: 3}.encode())
	f.Add(changeKey(kindCalendar, guid{}, 3))
	f.Fuzz(func(t *testing.T, s string) {
		if r, ok := decodeID(s); ok && r.encode() != s {
			// Base64 allows other spellings of the last bits.
			if again, ok := decodeID(r.encode()); !ok || again != r {
				t.Fatalf("%q reads %+v", s, r)
			}
		}
		if st, ok := decodeState(s); ok {
			b := newMailbox(user1, "")
			b.add(noon, calendarFolder, &Item{})
			b.changes(b.folder(calendarFolder), st, 3)
		}
		changeNumber(s)
		decodeSubscription(s)
		cleanGOID(s)
	})
}
