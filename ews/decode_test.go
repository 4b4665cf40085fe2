package ews

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/koyomi-cal/koyomi/ews/internal/wire"
)

func TestParseTime(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"2026-11-23T09:00:00Z":                "2026-11-23T09:00:00Z",
		" 2026-11-23T09:00:00.123456789Z\n":   "2026-11-23T09:00:00.123456789Z",
		"2026-11-23T09:00:00.12345678901234Z": "2026-11-23T09:00:00.123456789Z",
		"2026-11-23T09:00:00":                 "2026-11-23T09:00:00Z",
		"2026-11-23T09:00:00.5":               "2026-11-23T09:00:00.5Z",
		"2026-11-23T18:00:00+09:00":           "2026-11-23T09:00:00Z",
		"2026-11-23":                          "2026-11-23T00:00:00Z",
		"2026-11-23Z":                         "2026-11-23T00:00:00Z",
		"2026-11-23-07:00":                    "2026-11-23T07:00:00Z",
		"0001-01-01T00:00:00Z":                "",
		"":                                    "",
		"yesterday":                           "",
	} {
		got := parseTime(in)
		if want == "" && !got.IsZero() || want != "" && !got.Equal(utc(want)) {
			t.Errorf("%q: got %v, want %s", in, got, want)
		}
	}
}

// FuzzDecode gives every reader every document: none may fail otherwise than
// with an *Error, nor print what it read.
func FuzzDecode(f *testing.F) {
	names, err := filepath.Glob(filepath.Join("testdata", "responses", "*.xml"))
	if err != nil || len(names) == 0 {
		f.Fatalf("no transcripts: %v", err)
	}
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		c := &call{op: "Fuzz"}
		a, err := c.interpret(&http.Response{StatusCode: 200}, data)
		if err == nil {
			err = readAll(a)
		}
		var e *Error
		if err != nil && (!errors.As(err, &e) || e.Message == "" || e.Class() == "") {
			t.Errorf("got %#v", err)
		}
	})
}

// readAll runs every reader over an answer and joins the errors.
func readAll(a answer) error {
	results := each(a, 3, func(msg *wire.Element, e *Error) ItemResult { return a.item(msg, e) })
	_, err := a.notification()
	errs := []error{err}
	for _, r := range results {
		errs = append(errs, r.Err)
	}
	var walk func(e *wire.Element)
	walk = func(e *wire.Element) {
		if it := decoded[CalendarItem](e); it != nil {
			_, _ = it.RightsManaged(), it.Signed()
		}
		errs = append(errs, a.freeBusy(e).Err)
		if id, ok := ParseGlobalObjectID(e.Text); ok {
			_ = id.UID()
		}
		for _, c := range e.Children {
			walk(c)
		}
	}
	walk(a.body)
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// FuzzStream reads a stream from any bytes.
func FuzzStream(f *testing.F) {
	f.Add([]byte(status("OK") + notes(modified, moved) + status("Closed")))
	f.Add([]byte("<Envelope><Body><Fault/></Body></Envelope>"))
	f.Fuzz(func(t *testing.T, data []byte) {
		resp := &http.Response{StatusCode: 200}
		s := streamReader{client: &Client{trace: &tracer{}}, call: &call{op: "Fuzz"}, resp: resp, docs: wire.NewSplitter(bytes.NewReader(data), 1<<16)}
		err := s.run(t.Context(), func(Notification) bool { return true })
		var e *Error
		if err != nil && !errors.As(err, &e) {
			t.Errorf("got %#v", err)
		}
	})
}

// bigResponse is an answer with n items, each with an HTML body of some 3 KB
// and five attendees.
func bigResponse(n int) []byte {
	var b strings.Builder
	person := func(i int) string {
		return fmt.Sprintf("<t:Mailbox><t:Name>User %04d</t:Name><t:EmailAddress>user%04d@example.com</t:EmailAddress><t:RoutingType>SMTP</t:RoutingType><t:MailboxType>Mailbox</t:MailboxType></t:Mailbox>", i, i)
	}
	html := "&lt;html&gt;&lt;body&gt;" + strings.Repeat("&lt;p class=\"MsoNormal\"&gt;Please read the agenda &amp;amp; bring it along.&lt;/p&gt;&#xD;\n", 35) + "&lt;/body&gt;&lt;/html&gt;"
	for i := range n {
		fmt.Fprintf(&b, `<m:GetItemResponseMessage ResponseClass="Success"><m:ResponseCode>NoError</m:ResponseCode><m:Items><t:CalendarItem><t:ItemId Id="AAMkADk%08d" ChangeKey="DwAAABYAAAB%d"/><t:ItemClass>IPM.Appointment</t:ItemClass><t:Subject>Plan %d</t:Subject><t:Sensitivity>Normal</t:Sensitivity><t:Body BodyType="HTML">%s</t:Body><t:Size>6543</t:Size>`, i, i, i, html)
		b.WriteString(`<t:DateTimeCreated>2026-11-20T08:00:00Z</t:DateTimeCreated><t:HasAttachments>false</t:HasAttachments><t:ExtendedProperty><t:ExtendedFieldURI DistinguishedPropertySetId="Meeting" PropertyId="35" PropertyType="Binary"/><t:Value>BAAAAIIA4AB0xbcQGoLgCAAAAAA=</t:Value></t:ExtendedProperty><t:Culture>en-US</t:Culture><t:LastModifiedTime>2026-11-21T09:30:15Z</t:LastModifiedTime><t:UID>040000008200E00074C5B7101A82E00800000000</t:UID><t:Start>2026-11-23T09:00:00Z</t:Start><t:End>2026-11-23T10:00:00Z</t:End><t:IsAllDayEvent>false</t:IsAllDayEvent><t:LegacyFreeBusyStatus>Busy</t:LegacyFreeBusyStatus><t:Location>@meet</t:Location><t:IsMeeting>true</t:IsMeeting><t:IsCancelled>false</t:IsCancelled><t:MeetingRequestWasSent>true</t:MeetingRequestWasSent><t:CalendarItemType>Single</t:CalendarItemType><t:MyResponseType>Organizer</t:MyResponseType><t:Organizer>` + person(1) + `</t:Organizer><t:RequiredAttendees>`)
		for k := range 5 {
			b.WriteString("<t:Attendee>" + person(k+2) + "<t:ResponseType>Accept</t:ResponseType></t:Attendee>")
		}
		b.WriteString(`</t:RequiredAttendees><t:AppointmentState>1</t:AppointmentState><t:StartTimeZoneId>Tokyo Standard Time</t:StartTimeZoneId><t:IsOrganizer>true</t:IsOrganizer></t:CalendarItem></m:Items></m:GetItemResponseMessage>`)
	}
	return []byte(response("GetItem", b.String()))
}

func decodeItems(data []byte, n int) ([]ItemResult, error) {
	c := &call{op: "GetItem"}
	a, err := c.interpret(&http.Response{StatusCode: 200}, data)
	if err != nil {
		return nil, err
	}
	return each(a, n, func(msg *wire.Element, e *Error) ItemResult { return a.item(msg, e) }), nil
}

// TestDecodeCost bounds the allocations of an item, so that a large calendar
// stays cheap.
func TestDecodeCost(t *testing.T) {
	const n = 100
	data := bigResponse(n)
	items, err := decodeItems(data, n)
	if err != nil || items[n-1].Err != nil || len(items[n-1].Item.RequiredAttendees) != 5 {
		t.Fatalf("%v %v", err, items[n-1].Err)
	}
	perItem := testing.AllocsPerRun(5, func() { decodeItems(data, n) }) / n
	if perItem > 25 {
		t.Errorf("%.0f allocations an item", perItem)
	}
}

func BenchmarkDecodeGetItem(b *testing.B) {
	const n = 100
	data := bigResponse(n)
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := decodeItems(data, n); err != nil {
			b.Fatal(err)
		}
	}
}
