package ewstest

import (
	"fmt"
	"net/http/httptest"
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
