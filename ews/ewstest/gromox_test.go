package ewstest

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func gromoxRig(t *testing.T) *rig { return newRig(t, Options{Dialect: Gromox}) }

func TestGromoxFaults(t *testing.T) {
	t.Parallel()
	r := gromoxRig(t)
	r.s.Deny(user2)
	for _, tc := range []struct {
		doc, code string
		status    int
	}{
		{envelope("nobody@example.com", getCalendar), "ErrorCannotFindUser", 200},
		{envelope(user2, getCalendar), "ErrorImpersonateUserDenied", 200},
		{strings.Replace(envelope(user1, getCalendar), "PrimarySmtpAddress>", "SID>", 2), "ErrorImpersonationFailed", 200},
		{envelope(user1, `<m:GetFolder><m:FolderIds/></m:GetFolder>`), "SOAP:Client", 200},
		{envelope(user1, `<m:GetServerTimeZones/>`), "ErrorInvalidOperation", 500},
	} {
		a := r.send(svc, "password", tc.doc)
		if a.status != tc.status || a.body.Value("faultcode") != tc.code || a.body.Child("detail") != nil {
			t.Errorf("want %d %s: %d %s", tc.status, tc.code, a.status, a.raw)
		}
		if !strings.Contains(string(a.raw), "<SOAP:Fault>") {
			t.Errorf("the prefix is another: %s", a.raw)
		}
	}
	a := r.send(svc, "password", envelope(user1, getCalendar))
	if !strings.Contains(string(a.raw), `<SOAP:Envelope`) || !strings.Contains(string(a.raw), `MajorBuildNumber="847"`) {
		t.Errorf("%s", a.raw)
	}
	if a := r.send(svc, "password", strings.Replace(envelope(user1, getCalendar), "Exchange2013_SP1", "Exchange2099", 1)); a.status != 200 {
		t.Errorf("it looks at the version: %d", a.status)
	}
}

func TestGromoxHTTP(t *testing.T) {
	t.Parallel()
	r := gromoxRig(t)
	for _, tc := range []struct {
		method  string
		chunked bool
		status  int
	}{{"GET", false, 405}, {"POST", true, 400}, {"POST", false, 200}} {
		doc := envelope(user1, getCalendar)
		req, err := http.NewRequestWithContext(t.Context(), tc.method, "http://exchange.example.com"+Path, strings.NewReader(doc))
		if err != nil {
			t.Fatal(err)
		}
		if tc.chunked {
			req.ContentLength = -1
		}
		if tc.method == "POST" {
			req.SetBasicAuth(svc, "password")
		}
		res, err := r.client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		if res.StatusCode != tc.status || res.Header.Get("WWW-Authenticate") != "" {
			t.Errorf("%+v: %d", tc, res.StatusCode)
		}
	}
}

func TestGromoxItems(t *testing.T) {
	t.Parallel()
	r := gromoxRig(t)
	id := r.create(user1, "SendOnlyToAll", planning+tomorrow+attendees("RequiredAttendees", user2)+attendees("Resources", room)).Attr("Id")
	if len(r.s.Calendar(user2)) != 0 || len(r.s.Inbox(user2)) != 1 {
		t.Error("the calendar of an attendee was processed")
	}
	it := r.get(user1, id, "calendar:IsOrganizer", "calendar:MeetingRequestWasSent", "calendar:MyResponseType", "calendar:AppointmentState", "calendar:RequiredAttendees", "calendar:Start")
	if it.Child("IsOrganizer") != nil || it.Child("MeetingRequestWasSent") != nil || it.Child("RequiredAttendees") != nil {
		t.Errorf("it gives what only a MAPI client sets, or attendees without IsMeeting: %v", it)
	}
	if it.Value("MyResponseType") != ResponseNone || it.Value("AppointmentState") != "1" {
		t.Errorf("response %q, state %q", it.Value("MyResponseType"), it.Value("AppointmentState"))
	}
	it = r.get(user1, id, "calendar:IsMeeting", "calendar:RequiredAttendees", "calendar:Resources")
	if n := len(it.Child("RequiredAttendees").Children); n != 2 || it.Child("Resources") != nil {
		t.Errorf("with IsMeeting: %d required attendees", n)
	}
	m := r.ok(user1, `<m:GetItem><m:ItemShape><t:BaseShape>IdOnly</t:BaseShape><t:BodyType>Text</t:BodyType><t:AdditionalProperties><t:FieldURI FieldURI="item:Body"/></t:AdditionalProperties></m:ItemShape><m:ItemIds><t:ItemId Id="`+id+`"/></m:ItemIds></m:GetItem>`)
	if got, _ := itemOf(m); got.Value("Body") != "" {
		t.Errorf("the text of an HTML body is %q", got.Value("Body"))
	}
	m = r.ok(user1, `<m:GetItem><m:ItemShape><t:BaseShape>AllProperties</t:BaseShape></m:ItemShape><m:ItemIds><t:ItemId Id="`+id+`"/></m:ItemIds></m:GetItem>`)
	if got, _ := itemOf(m); got.Child("Body") != nil || got.Child("RequiredAttendees") != nil {
		t.Error("AllProperties gives the body or attendees")
	}
	plain := r.create(user1, "SendToNone", planning+tomorrow).Attr("Id")
	it = r.get(user1, plain, "calendar:Organizer", "calendar:AppointmentState", "calendar:MyResponseType", "item:Subject")
	if len(it.Children) != 2 {
		t.Errorf("a plain appointment: %v", it.Children)
	}
	for _, bad := range []string{"stale", ""} {
		r.ok(user1, updateOf(`<t:ItemId Id="`+id+`" ChangeKey="`+bad+`"/>`, "NeverOverwrite", "SendToNone", setField("item:Subject", `<t:Subject>y</t:Subject>`)))
	}
}

func TestGromoxAttendeeAccepts(t *testing.T) {
	t.Parallel()
	r := gromoxRig(t)
	r.create(user1, "SendOnlyToAll", planning+tomorrow+attendees("RequiredAttendees", user2))
	letter := r.s.Inbox(user2)[0].ID
	r.ok(user2, `<m:CreateItem MessageDisposition="SendAndSaveCopy"><m:Items><t:AcceptItem><t:ReferenceItemId Id="`+letter+`"/></t:AcceptItem></m:Items></m:CreateItem>`)
	c := r.s.Calendar(user2)
	if len(c) != 1 || c[0].Response != ResponseAccept || c[0].Class != ClassAppointment {
		t.Fatalf("the calendar after accepting: %+v", c)
	}
	org, att := r.s.Calendar(user1)[0], r.get(user2, c[0].ID, "calendar:UID")
	if got := att.Value("UID"); got == org.UID || !strings.EqualFold(got, org.UID) {
		t.Errorf("UIDs %q and %q differ in more than case, or not at all", org.UID, got)
	}
}

func TestGromoxView(t *testing.T) {
	t.Parallel()
	r := gromoxRig(t)
	id := r.create(user1, "SendToNone", `<t:Subject>S</t:Subject>`+tomorrow+weekly).Attr("Id")
	if got := r.view(user1); got != "S 11-24T10:00 R" {
		t.Errorf("it shows %s", got)
	}
	if got := r.found(user1, calendarView("2026-11-30T00:00:00Z", "2026-12-10T00:00:00Z", "item:Subject")); got != "" {
		t.Errorf("a window without the first occurrence shows %s", got)
	}
	if got := r.found(user1, calendarView("2026-11-24T11:00:00Z", "2036-12-10T00:00:00Z", "item:Subject")); got != "S" {
		t.Errorf("the bounds are not inclusive, or the range is limited: %s", got)
	}
	before := r.s.Calendar(user1)[0].ChangeKey
	_, state, _ := r.synced(user1, "calendar", "", 512)
	m := r.ok(user1, updateOf(occurrenceID(id, 2), "NeverOverwrite", "SendToNone", setField("item:Body", `<t:Body BodyType="HTML">own</t:Body>`)))
	_, one := itemOf(m)
	if got := r.s.Calendar(user1)[0].ChangeKey; got != before {
		t.Error("a changed occurrence changed the master's key")
	}
	if changes, _, _ := r.synced(user1, "calendar", state, 512); changes != "" {
		t.Errorf("and is synced: %s", changes)
	}
	if got := r.get(user1, one.Attr("Id"), "item:Body").Value("Body"); got != "" {
		t.Errorf("an exception's body reads %q", got)
	}
	if got := r.code(user1, `<m:GetItem><m:ItemShape>`+shapeOf("IdOnly")+`</m:ItemShape><m:ItemIds><t:RecurringMasterItemId OccurrenceId="`+one.Attr("Id")+`"/></m:ItemIds></m:GetItem>`); got != "ErrorInvalidId" {
		t.Errorf("RecurringMasterItemId: %s", got)
	}
	if changes, _, last := r.synced(user1, "calendar", "rubbish", 512); changes != "Create 1" || !last {
		t.Errorf("rubbish for a state: %s", changes)
	}
}

func TestGromoxConvertsFewFormats(t *testing.T) {
	t.Parallel()
	r := gromoxRig(t)
	id := r.create(user1, "SendToNone", tomorrow).Attr("Id")
	for format, want := range map[string]string{"HexEntryId": "NoError", "EwsLegacyId": "NoError", "StoreId": "ErrorInvalidIdMalformed"} {
		if got := r.code(user1, `<m:ConvertId DestinationFormat="`+format+`"><m:SourceIds><t:AlternateId Format="EwsId" Id="`+id+`" Mailbox="x"/></m:SourceIds></m:ConvertId>`); got != want {
			t.Errorf("%s: %s", format, got)
		}
	}
}

func TestGromoxSavesIntoTheOutbox(t *testing.T) {
	t.Parallel()
	r := gromoxRig(t)
	r.ok(user1, `<m:CreateItem SendMeetingInvitations="SendToNone"><m:Items><t:CalendarItem>`+tomorrow+`</t:CalendarItem></m:Items></m:CreateItem>`)
	if len(r.s.Items(user1, "outbox")) != 1 || len(r.s.Calendar(user1)) != 0 {
		t.Error("it is somewhere else")
	}
}

func TestGromoxEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := clockRig(t, Options{Dialect: Gromox})
		one := r.subscribe(user1, calendarOnly)
		all := r.ok(user1, `<m:Subscribe><m:StreamingSubscriptionRequest SubscribeToAllFolders="true">`+allEvents+`</m:StreamingSubscriptionRequest></m:Subscribe>`).Value("SubscriptionId")
		narrow, wide := r.stream(user1, 1, one), r.stream(user1, 1, all)
		defer narrow.close()
		defer wide.close()
		narrow.next()
		wide.next()
		start := time.Now()
		id := r.create(user1, "SendToNone", planning+tomorrow+weekly).Attr("Id")
		if got := narrow.events(); got != "Created+ Modified/" || time.Since(start) != 5*time.Second {
			t.Errorf("a folder's stream says %s after %v", got, time.Since(start))
		}
		wide.next()
		if err := r.s.Edit(user1, id, func(it *Item) { it.Subject = "x" }); err != nil {
			t.Fatal(err)
		}
		if got := narrow.events() + ", " + wide.events(); got != "Modified/, Modified+ Modified/" {
			t.Errorf("after an edit: %s", got)
		}
		r.ok(user1, updateOf(occurrenceID(id, 2), "AlwaysOverwrite", "SendToNone", setField("item:Subject", `<t:Subject>x</t:Subject>`)))
		if got := wide.events(); got != "Modified+" {
			t.Errorf("a changed occurrence: %s", got)
		}
	})
}

func TestGromoxHeartbeatsAndEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := clockRig(t, Options{Dialect: Gromox})
		start := time.Now()
		l := r.stream(user1, 1, r.subscribe(user1, calendarOnly))
		defer l.close()
		if _, doc := l.next(); !strings.HasPrefix(string(doc), "<SOAP:Envelope ") {
			t.Errorf("the document begins %.60s", doc)
		}
		var got []string
		for len(got) < 4 {
			what := l.events()
			got = append(got, fmt.Sprint(what, " ", time.Since(start)))
		}
		if s := strings.Join(got, ", "); s != "Status/ 45s, Status/ 1m30s, Closed 1m34s, Closed 1m34s" {
			t.Error(s)
		}
	})
}

func TestGromoxSubscriptionsBelongToTheMailbox(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := clockRig(t, Options{Dialect: Gromox})
		a, b := r.subscribe(user1, calendarOnly), r.subscribe(user2, calendarOnly)
		l := r.stream(user1, 1, a, b)
		m, doc := l.next()
		if m.Value("ResponseCode") != "ErrorInvalidSubscription" || m.Value("ConnectionStatus") != "Closed" || !strings.Contains(string(doc), `<SubscriptionId xmlns="">`+b) {
			t.Errorf("two mailboxes on one stream: %s", doc)
		}
		waited := make(chan error, 1)
		go func() { _, err := l.cut.Next(); waited <- err }()
		time.Sleep(30 * time.Second)
		select {
		case err := <-waited:
			t.Errorf("the connection closed: %v", err)
		default:
		}
		l.close()
		<-waited
		of := func(box string) string {
			return `<t:FolderIds><t:DistinguishedFolderId Id="calendar"><t:Mailbox><t:EmailAddress>` + box + `</t:EmailAddress></t:Mailbox></t:DistinguishedFolderId></t:FolderIds>`
		}
		r.s.Deny(user3)
		l = r.stream("", 1, r.subscribe("", of(user1)), r.subscribe("", of(user2)), r.subscribe("", of(user3)))
		defer l.close()
		l.next()
		r.create(user2, "SendToNone", planning+tomorrow)
		if got := l.events(); got != "Created+ Modified/" {
			t.Errorf("the service account's own stream says %s", got)
		}
		if _, err := r.s.Add(user3, Item{Start: noon, End: noon}); err != nil {
			t.Fatal(err)
		}
		if got := l.events(); !strings.Contains(got, "Status") {
			t.Errorf("a folder without rights is not silent: %s", got)
		}
	})
}
