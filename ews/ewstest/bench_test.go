package ewstest

import (
	"fmt"
	"net/http/httptest"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"time"
)

// BenchmarkMailboxes tells how much memory a mailbox with ten events takes,
// and how long it takes to make.
func BenchmarkMailboxes(b *testing.B) {
	const users = 10000
	for b.Loop() {
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		s := NewServer(Options{Users: users, EventsPerUser: 10, Now: func() time.Time { return noon }})
		runtime.GC()
		runtime.ReadMemStats(&after)
		b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/users, "B/mailbox")
		s.Close()
	}
}

// BenchmarkRequests tells how long the requests of a client's first load take
// in the server.
func BenchmarkRequests(b *testing.B) {
	s := NewServer(Options{Users: 2, EventsPerUser: 100, Now: func() time.Time { return noon }})
	var ids strings.Builder
	for _, it := range s.Calendar(user1)[:20] {
		fmt.Fprintf(&ids, `<t:ItemId Id="%s"/>`, it.ID)
	}
	for _, tc := range []struct{ name, body string }{
		{"GetFolder", getCalendar},
		{"SyncFolderItems", syncBody("calendar", "", 512)},
		{"CalendarView", calendarView("2026-11-16T00:00:00Z", "2026-12-24T00:00:00Z", "item:Subject", "calendar:Start", "calendar:End", "calendar:UID")},
		{"GetItem20", `<m:GetItem><m:ItemShape>` + shapeOf("AllProperties", "item:Body") + `</m:ItemShape><m:ItemIds>` + ids.String() + `</m:ItemIds></m:GetItem>`},
	} {
		b.Run(tc.name, func(b *testing.B) {
			doc := envelope(user1, tc.body)
			b.ReportAllocs()
			for b.Loop() {
				req := httptest.NewRequest("POST", Path, strings.NewReader(doc))
				req.SetBasicAuth(svc, "password")
				w := httptest.NewRecorder()
				s.Handler().ServeHTTP(w, req)
				if w.Code != 200 {
					b.Fatal(w.Code)
				}
				b.SetBytes(int64(w.Body.Len()))
			}
		})
	}
}

// TestMailboxesAreSmall: what nobody has written takes almost no memory, even
// when it has been read; a hundred thousand mailboxes with ten events each fit
// into 2 GiB many times over. It must not run beside other tests.
func TestMailboxesAreSmall(t *testing.T) {
	const users = 4000
	inUse := func() int64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.GC()
		runtime.ReadMemStats(&m)
		return int64(m.HeapInuse)
	}
	before := inUse()
	s := NewServer(Options{Users: users, EventsPerUser: 10, Now: func() time.Time { return noon }})
	defer s.Close()
	n := 0
	for _, address := range s.Mailboxes() {
		n += len(s.Calendar(address))
	}
	if n != 10*users {
		t.Fatalf("%d items in all calendars", n)
	}
	each := (inUse() - before) / users
	t.Logf("%d bytes a mailbox", each)
	if each > 4096 { // half of it the calendars that were read last
		t.Errorf("a mailbox takes %d bytes", each)
	}
	runtime.KeepAlive(s)
}

// TestSownCalendarsStayTheSame: an item made for a reader is the one that a
// writer finds, and both sides of a meeting agree.
func TestSownCalendarsStayTheSame(t *testing.T) {
	t.Parallel()
	o := Options{Users: 4, EventsPerUser: 50, Attendees: 2, Now: func() time.Time { return noon }}
	a, b := NewServer(o), NewServer(o)
	defer a.Close()
	defer b.Close()
	for _, address := range []string{user1, user2, user3} {
		a.change(address, func(m *mailbox) { m.own(calendarFolder) })
		x, y := a.Calendar(address), b.Calendar(address)
		if len(x) != 50 || !reflect.DeepEqual(x, y) {
			t.Errorf("%s: %d items written, %d read, or they differ", address, len(x), len(y))
		}
		for k := range 50 {
			box := b.names[address]
			if !reflect.DeepEqual(box.item(calendarFolder, uint64(k)+1), box.folder(calendarFolder).items[k]) {
				t.Errorf("%s: item %d alone is another", address, k)
			}
		}
	}
	called := map[string]bool{}
	for _, it := range b.Calendar(user1) {
		called[it.UID] = it.IsOrganizer()
	}
	both := 0
	for _, it := range b.Calendar(user2) {
		if organizes, known := called[it.UID]; known {
			both++
			if organizes == it.IsOrganizer() || !it.IsMeeting() {
				t.Errorf("both sides of %s say the same of themselves", it.Subject)
			}
		}
	}
	if both != 10 {
		t.Errorf("%d meetings of the two", both)
	}
	// A write keeps the numbers going.
	r := newRig(t, Options{Users: 2, EventsPerUser: 10})
	state := r.ok(user1, syncBody("calendar", "", 512)).Value("SyncState")
	r.create(user1, "SendToNone", tomorrow)
	if m := r.ok(user1, syncBody("calendar", state, 512)); len(m.Child("Changes").Children) != 1 {
		t.Errorf("%d changes after one", len(m.Child("Changes").Children))
	}
}
