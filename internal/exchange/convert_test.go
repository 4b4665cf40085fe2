package exchange

import (
	"encoding/base64"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/koyomi-cal/koyomi/ews"
	"github.com/koyomi-cal/koyomi/ews/ewstest"
	"github.com/koyomi-cal/koyomi/internal/calendar"
)

func prop(f ews.ExtendedField, value string) []ews.ExtendedProperty {
	return []ews.ExtendedProperty{{Field: f, Value: value}}
}

func ptr[T any](v T) *T { return &v }

func TestToItem(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 24, 9, 0, 0, 0, time.UTC)
	clean := ews.GlobalObjectIDOf("uid-1")
	dated := append(ews.GlobalObjectID{}, clean...)
	dated[16], dated[17], dated[18], dated[19] = 0x07, 0xEA, 11, 24
	odd := base64.StdEncoding.EncodeToString([]byte("of another make"))
	for _, c := range []struct {
		name string
		in   ews.CalendarItem
		get  func(calendar.Item) any
		want any
	}{
		{"nothing said", ews.CalendarItem{}, func(it calendar.Item) any { return it }, calendar.Item{
			Kind: calendar.Single, Body: calendar.Body{Type: calendar.BodyText}, Sensitivity: calendar.Normal, ShowAs: "busy",
		}},
		{"series without a type", ews.CalendarItem{Recurrence: &ews.Recurrence{}}, kind, calendar.Master},
		{"occurrence", ews.CalendarItem{Type: ews.Occurrence, Start: at}, func(it calendar.Item) any { return it.RecurrenceID }, at},
		{"exception that moved", ews.CalendarItem{Type: ews.Exception, Start: at.Add(time.Hour), OriginalStart: at}, func(it calendar.Item) any { return it.RecurrenceID }, at},
		{"clean id", ews.CalendarItem{Extended: prop(ews.CleanGlobalObjectIDField(), clean.String())}, goid, clean.String()},
		{"id with a date", ews.CalendarItem{Extended: prop(ews.GlobalObjectIDField(), dated.String())}, goid, clean.String()},
		{"clean id with a date", ews.CalendarItem{Extended: prop(ews.CleanGlobalObjectIDField(), dated.String())}, goid, clean.String()},
		{"id of another make", ews.CalendarItem{Extended: prop(ews.CleanGlobalObjectIDField(), odd)}, goid, odd},
		{"id that is none", ews.CalendarItem{Extended: prop(ews.CleanGlobalObjectIDField(), "%%")}, goid, ""},
		{"no id", ews.CalendarItem{UID: "U"}, goid, ""},
		{"native RTF", ews.CalendarItem{Extended: prop(ews.NativeBodyField(), "2")}, func(it calendar.Item) any { return it.Body.Native }, calendar.BodyRTF},
		{"native HTML", ews.CalendarItem{Extended: prop(ews.NativeBodyField(), "3")}, func(it calendar.Item) any { return it.Body.Native }, calendar.BodyHTML},
		{"native text", ews.CalendarItem{Extended: prop(ews.NativeBodyField(), "1")}, func(it calendar.Item) any { return it.Body.Native }, calendar.BodyText},
		{"signed", ews.CalendarItem{Extended: prop(ews.NativeBodyField(), "4")}, func(it calendar.Item) any { return it.Signed }, true},
		{"cut by the server", ews.CalendarItem{Body: &ews.Body{Content: "x", Truncated: true}}, func(it calendar.Item) any { return it.Body.Whole }, false},
		{"empty body", ews.CalendarItem{Body: &ews.Body{Type: ews.BodyHTML}}, func(it calendar.Item) any { return it.Body }, calendar.Body{Type: calendar.BodyHTML, Whole: true}},
		{"free", ews.CalendarItem{Status: ews.Free}, showAs, "free"},
		{"tentative", ews.CalendarItem{Status: ews.Tentative}, showAs, "tentative"},
		{"out of office", ews.CalendarItem{Status: ews.OOF}, showAs, "oof"},
		{"elsewhere", ews.CalendarItem{Status: ews.WorkingElsewhere}, showAs, "elsewhere"},
		{"confidential", ews.CalendarItem{Sensitivity: "Confidential"}, func(it calendar.Item) any { return it.Sensitivity }, calendar.Confidential},
		{"sensitivity of no known kind", ews.CalendarItem{Sensitivity: "Secret"}, func(it calendar.Item) any { return it.Sensitivity }, calendar.Normal},
		{"declined", ews.CalendarItem{MyResponse: ews.ResponseDecline}, response, calendar.Declined},
		{"tentatively accepted", ews.CalendarItem{MyResponse: ews.ResponseTentative}, response, calendar.Tentative},
		{"not answered", ews.CalendarItem{MyResponse: ews.ResponseNoResponse}, response, calendar.NoResponse},
		{"cancelled by state", ews.CalendarItem{AppointmentState: ptr(7)}, func(it calendar.Item) any { return []any{it.Cancelled, it.Received} }, []any{true, calendar.Yes}},
		{"own by state", ews.CalendarItem{AppointmentState: ptr(1)}, func(it calendar.Item) any { return it.Received }, calendar.No},
		{"not sent", ews.CalendarItem{MeetingRequestSent: ptr(false)}, func(it calendar.Item) any { return it.RequestSent }, calendar.No},
		{"organizer of the same Exchange", ews.CalendarItem{Organizer: &ews.EmailAddress{Name: "A", Address: "/o=x/cn=a", RoutingType: "EX"}}, organizer, calendar.Person{Name: "A"}},
		{"organizer", ews.CalendarItem{Organizer: &ews.EmailAddress{Name: "A", Address: " a@example.com "}}, organizer, calendar.Person{Name: "A", Address: "a@example.com"}},
		{"in Deleted Items", ews.CalendarItem{ParentFolderID: ews.FolderID{ID: "trash"}}, func(it calendar.Item) any { return it.InDeletedItems }, true},
		{"in the calendar", ews.CalendarItem{ParentFolderID: ews.FolderID{ID: "cal"}}, func(it calendar.Item) any { return it.InDeletedItems }, false},
		{"room", ews.CalendarItem{Resources: []ews.Attendee{{EmailAddress: ews.EmailAddress{Address: "r@example.com"}, Response: ews.ResponseAccept}}},
			func(it calendar.Item) any { return it.Attendees },
			[]calendar.Attendee{{Person: calendar.Person{Address: "r@example.com"}, Role: calendar.Resource, Response: calendar.Accepted}}},
		{"changed occurrences", ews.CalendarItem{ModifiedOccurrences: []ews.OccurrenceInfo{{ItemID: ews.ItemID{ID: "o"}, Start: at, End: at, OriginalStart: at}}},
			func(it calendar.Item) any { return it.Exceptions }, []calendar.Occurrences{{ID: "o", Start: at, End: at, OriginalStart: at}}},
		{"series that ends", ews.CalendarItem{Recurrence: &ews.Recurrence{Count: 2, Pattern: ews.Daily}, LastOccurrence: &ews.OccurrenceInfo{End: at}},
			func(it calendar.Item) any { return it.Last }, at},
		{"series without an end", ews.CalendarItem{Recurrence: &ews.Recurrence{Pattern: ews.Daily}, LastOccurrence: &ews.OccurrenceInfo{End: at}},
			func(it calendar.Item) any { return it.Last }, time.Time{}},
		{"join link of the server's own", ews.CalendarItem{JoinOnlineMeetingURL: "https://x.example.com"},
			func(it calendar.Item) any { return it.Properties }, map[string]string{"JoinOnlineMeetingUrl": "https://x.example.com"}},
	} {
		got := c.get(toItem(&c.in, folder{calendar: "cal", deleted: "trash"}, 100))
		if !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: %#v, not %#v", c.name, got, c.want)
		}
	}
}

func kind(it calendar.Item) any      { return it.Kind }
func goid(it calendar.Item) any      { return it.GOID }
func showAs(it calendar.Item) any    { return it.ShowAs }
func response(it calendar.Item) any  { return it.MyResponse }
func organizer(it calendar.Item) any { return it.Organizer }

// FuzzBody: however a body is cut, it stays valid text and says so.
func FuzzBody(f *testing.F) {
	f.Add("日本語", 4)
	f.Add("plain", 5)
	f.Add("\xff\xfe\x80", 1)
	f.Fuzz(func(t *testing.T, text string, most int) {
		if most < 0 || most > 1<<20 {
			t.Skip()
		}
		b := toBody(&ews.CalendarItem{Body: &ews.Body{Content: text}}, most)
		switch {
		case !strings.HasPrefix(text, b.Content) || len(b.Content) > max(most, 0) && !b.Whole:
			t.Errorf("cut to %d bytes: %d", most, len(b.Content))
		case b.Whole != (len(text) <= most):
			t.Errorf("whole %v", b.Whole)
		case utf8.ValidString(text) && !utf8.ValidString(b.Content):
			t.Error("cut in the middle of a letter")
		}
	})
}

// TestFindCountLimit: a server that refuses to show so much is asked for less.
func TestFindCountLimit(t *testing.T) {
	t.Parallel()
	inOffice(t, ewstest.Exchange2019, nil, func(t *testing.T, o *office) {
		begin := time.Now().UTC().Truncate(time.Hour)
		for i := range 20 {
			o.meeting(ewstest.Item{Subject: "m", Start: begin.Add(time.Duration(i) * time.Hour)})
		}
		w := calendar.Window{From: begin, To: begin.Add(20 * time.Hour)}
		o.srv.Fail(ewstest.Fault{Op: "FindItem", Code: "ErrorExceededFindCountLimit", InBody: true, Times: 3})
		found, err := o.x.findAll(t.Context(), o.ann, w, 0)
		if err != nil || len(found) != 20 {
			t.Errorf("%d found, %v", len(found), err)
		}
		o.srv.Fail(ewstest.Fault{Op: "FindItem", Code: "ErrorExceededFindCountLimit", InBody: true, Times: -1})
		if _, err := o.x.findAll(t.Context(), o.ann, w, 0); class(t, err) == "" {
			t.Error("a server that never shows anything")
		}
	})
}

// TestTwoSeriesWithOneID: the occurrences of a copy of a series are its own.
func TestTwoSeriesWithOneID(t *testing.T) {
	t.Parallel()
	inOffice(t, ewstest.Exchange2019, nil, func(t *testing.T, o *office) {
		begin := time.Now().UTC().Truncate(24 * time.Hour).Add(9 * time.Hour)
		for i, subject := range []string{"first", "second"} {
			start := begin.Add(time.Duration(i) * time.Hour)
			o.meeting(ewstest.Item{
				Subject: subject, UID: "one-uid", Start: start, End: start.Add(time.Hour),
				Recurrence: &ewstest.Recurrence{Pattern: ewstest.Daily, Start: ewstest.DateOf(begin)},
			})
		}
		entries, _, err := o.x.View(t.Context(), o.ann, calendar.Window{From: begin, To: begin.AddDate(0, 0, 3)})
		if err != nil {
			t.Fatal(err)
		}
		for _, it := range entries {
			if it.Subject == "first" && it.Start.Hour() != 9 || it.Subject == "second" && it.Start.Hour() != 10 {
				t.Errorf("%s at %v", it.Subject, it.Start)
			}
		}
		if len(entries) != 6 {
			t.Errorf("%d entries", len(entries))
		}
	})
}

// TestNewCAFile: a certificate authority that is put into the file is trusted
// without a restart; one that is none leaves the old one in place.
func TestNewCAFile(t *testing.T) {
	t.Parallel()
	right, wrong := ewstest.Start(ewstest.Options{TLS: true, Users: 1}), ewstest.Start(ewstest.Options{TLS: true})
	defer right.Close()
	defer wrong.Close()
	file := filepath.Join(t.TempDir(), "ca.pem")
	write := func(pem []byte) {
		if err := os.WriteFile(file, pem, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(wrong.CA)
	x, err := New(Options{URL: right.URL, Username: "svc@example.com", Password: ews.NewSecret("password"), CAFile: file})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { x.ews().Close() }()
	m := calendar.Mailbox{ID: "mb", Address: "user0001@example.com"}
	_, err = x.Bind(t.Context(), m)
	if class(t, err) != calendar.NoAccount || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("not trusted: %v", err)
	}
	write([]byte("no certificate"))
	x.look()
	write(right.CA)
	x.look()
	if _, err := x.Bind(t.Context(), m); err != nil {
		t.Errorf("the new authority: %v", err)
	}
}
