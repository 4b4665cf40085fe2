package ewstest

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/koyomi-cal/koyomi/ews/internal/wire"
)

// operationCase is one row of the matrix: the bodies of requests that have each
// outcome. An outcome that the operation cannot have is nil.
type operationCase struct {
	op   string
	good func(r *rig) string
	// bad is answered with an error of its own; mixed holds something bad
	// between two good things.
	bad, mixed func(r *rig) string
	// noBad says why an operation cannot fail in its answer.
	noBad string
	// lenient says that nothing in the request is required, so that an empty
	// one succeeds.
	lenient bool
}

const (
	badItem   = `<t:ItemId Id="AAMkbad"/>`
	badFolder = `<t:FolderId Id="AAMkbad"/>`
	calendar  = `<t:DistinguishedFolderId Id="calendar"/>`
)

// freshItem makes an appointment and returns its ItemId.
func freshItem(r *rig) string {
	id := r.create(user1, "SendToNone", `<t:Subject>s</t:Subject>`+tomorrow)
	return `<t:ItemId Id="` + id.Attr("Id") + `" ChangeKey="` + id.Attr("ChangeKey") + `"/>`
}

// freshFolder makes a folder and returns its FolderId.
func freshFolder(r *rig) string {
	r.t.Helper()
	made := r.ok(user1, createFolders(fmt.Sprintf("f%d", len(r.docs)))).Find("Folders").Children[0].Child("FolderId")
	return `<t:FolderId Id="` + made.Attr("Id") + `"/>`
}

func createFolders(names ...string) string {
	out := `<m:CreateFolder><m:ParentFolderId><t:DistinguishedFolderId Id="msgfolderroot"/></m:ParentFolderId><m:Folders>`
	for _, n := range names {
		out += `<t:Folder><t:DisplayName>` + n + `</t:DisplayName></t:Folder>`
	}
	return out + `</m:Folders></m:CreateFolder>`
}

// itemsCase is the row of an operation on a list of things, each of which one
// makes anew.
func itemsCase(op, bad string, one func(*rig) string, wrap func(list string) string) operationCase {
	return operationCase{op: op,
		good:  func(r *rig) string { return wrap(one(r)) },
		bad:   func(*rig) string { return wrap(bad) },
		mixed: func(r *rig) string { return wrap(one(r) + bad + one(r)) },
	}
}

func fixed(body string) func(*rig) string { return func(*rig) string { return body } }

// matrix has a row for every operation of the simulator.
func matrix() []operationCase {
	around := func(before, after string) func(string) string {
		return func(list string) string { return before + list + after }
	}
	oof := func(box string) string {
		return `<m:GetUserOofSettingsRequest><t:Mailbox><t:Address>` + box + `</t:Address></t:Mailbox></m:GetUserOofSettingsRequest>`
	}
	setOOF := func(state string) string {
		return `<m:SetUserOofSettingsRequest><t:Mailbox><t:Address>` + user1 + `</t:Address></t:Mailbox><t:UserOofSettings><t:OofState>` + state +
			`</t:OofState><t:ExternalAudience>Known</t:ExternalAudience><t:InternalReply><t:Message>away</t:Message></t:InternalReply></t:UserOofSettings></m:SetUserOofSettingsRequest>`
	}
	configuration := func(name string) string {
		return `<m:GetUserConfiguration><m:UserConfigurationName Name="` + name + `"><t:DistinguishedFolderId Id="root"/></m:UserConfigurationName><m:UserConfigurationProperties>All</m:UserConfigurationProperties></m:GetUserConfiguration>`
	}
	change := func(id string) string {
		return `<t:ItemChange>` + id + `<t:Updates>` + setField("item:Subject", `<t:Subject>new</t:Subject>`) + `</t:Updates></t:ItemChange>`
	}
	create := func(r *rig) string {
		return `<t:CalendarItem><t:Subject>s</t:Subject>` + tomorrow + `</t:CalendarItem>`
	}
	hierarchy := func(state string) string {
		return `<m:SyncFolderHierarchy><m:FolderShape>` + shapeOf("AllProperties") + `</m:FolderShape><m:SyncFolderId><t:DistinguishedFolderId Id="msgfolderroot"/></m:SyncFolderId>` + state + `</m:SyncFolderHierarchy>`
	}
	alternate := func(id string) string {
		return `<t:AlternateId Format="EwsId" Id="` + id + `" Mailbox="` + user1 + `"/>`
	}
	subscribe := func(folder string) string {
		return `<m:Subscribe><m:StreamingSubscriptionRequest><t:FolderIds>` + folder + `</t:FolderIds>` + allEvents + `</m:StreamingSubscriptionRequest></m:Subscribe>`
	}
	twelve := []operationCase{
		itemsCase("ConvertId", alternate("AAMkbad"), func(r *rig) string { return alternate(attrIn(freshItem(r), "Id")) }, around(`<m:ConvertId DestinationFormat="HexEntryId"><m:SourceIds>`, `</m:SourceIds></m:ConvertId>`)),
		itemsCase("FindItem", badFolder, func(*rig) string { return calendar }, around(`<m:FindItem Traversal="Shallow"><m:ItemShape>`+shapeOf("AllProperties")+
			`</m:ItemShape><m:CalendarView StartDate="2026-11-01T00:00:00Z" EndDate="2026-12-31T00:00:00Z"/><m:ParentFolderIds>`, `</m:ParentFolderIds></m:FindItem>`)),
		itemsCase("GetFolder", badFolder, func(*rig) string { return calendar }, around(`<m:GetFolder><m:FolderShape>`+shapeOf("AllProperties", "folder:FolderClass")+`</m:FolderShape><m:FolderIds>`, `</m:FolderIds></m:GetFolder>`)),
		itemsCase("GetItem", badItem, freshItem, around(`<m:GetItem><m:ItemShape>`+shapeOf("AllProperties", everyField(ClassAppointment)...)+`</m:ItemShape><m:ItemIds>`, `</m:ItemIds></m:GetItem>`)),
		{op: "SyncFolderItems", good: fixed(syncBody("calendar", "", 512)), bad: fixed(syncBody("calendar", "garbage", 512))},
		{op: "Subscribe", good: fixed(subscribe(calendar)), bad: fixed(subscribe(badFolder))},
		{op: "GetStreamingEvents"}, // TestSchemaMatrixOfStreams
		{op: "Unsubscribe", good: func(r *rig) string {
			return `<m:Unsubscribe><m:SubscriptionId>` + r.subscribe(user1, calendarOnly) + `</m:SubscriptionId></m:Unsubscribe>`
		}, bad: fixed(`<m:Unsubscribe><m:SubscriptionId>AAAA</m:SubscriptionId></m:Unsubscribe>`)},
		itemsCase("CreateItem", `<t:CalendarItem><t:Subject>s</t:Subject><t:Start>2026-11-24T10:00:00Z</t:Start><t:End>2026-11-24T09:00:00Z</t:End></t:CalendarItem>`, create,
			around(`<m:CreateItem SendMeetingInvitations="SendToNone"><m:SavedItemFolderId>`+calendar+`</m:SavedItemFolderId><m:Items>`, `</m:Items></m:CreateItem>`)),
		itemsCase("UpdateItem", change(badItem), func(r *rig) string { return change(freshItem(r)) },
			around(`<m:UpdateItem ConflictResolution="NeverOverwrite" SendMeetingInvitationsOrCancellations="SendToNone"><m:ItemChanges>`, `</m:ItemChanges></m:UpdateItem>`)),
		{op: "GetUserOofSettings", good: fixed(oof(user1)), bad: fixed(oof("nobody@example.com"))},
		{op: "GetUserAvailability", good: fixed(availabilityBody("DetailedMerged", "2026-11-24T00:00:00", "2026-11-25T00:00:00", user1)),
			bad:   fixed(availabilityBody("DetailedMerged", "2026-11-24T00:00:00", "2026-11-25T00:00:00", "nobody@example.com")),
			mixed: fixed(availabilityBody("FreeBusy", "2026-11-24T00:00:00", "2026-11-25T00:00:00", user1, "nobody@example.com", user2))},
	}
	return append(twelve,
		itemsCase("DeleteItem", badItem, freshItem, around(`<m:DeleteItem DeleteType="MoveToDeletedItems" SendMeetingCancellations="SendToNone"><m:ItemIds>`, `</m:ItemIds></m:DeleteItem>`)),
		itemsCase("MoveItem", badItem, freshItem, around(`<m:MoveItem><m:ToFolderId><t:DistinguishedFolderId Id="deleteditems"/></m:ToFolderId><m:ItemIds>`, `</m:ItemIds></m:MoveItem>`)),
		itemsCase("CopyItem", badItem, freshItem, around(`<m:CopyItem><m:ToFolderId>`+calendar+`</m:ToFolderId><m:ItemIds>`, `</m:ItemIds></m:CopyItem>`)),
		operationCase{op: "SetUserOofSettings", good: fixed(setOOF("Enabled")), bad: fixed(setOOF("Scheduled"))},
		operationCase{op: "CreateFolder", good: func(r *rig) string { return createFolders(fmt.Sprint("new", len(r.s.Calls()))) }, bad: fixed(createFolders("Calendar")), mixed: fixed(createFolders("n1", "n1", "n2"))},
		itemsCase("DeleteFolder", calendar, freshFolder, around(`<m:DeleteFolder DeleteType="HardDelete"><m:FolderIds>`, `</m:FolderIds></m:DeleteFolder>`)),
		itemsCase("FindFolder", badFolder, func(*rig) string { return `<t:DistinguishedFolderId Id="msgfolderroot"/>` },
			around(`<m:FindFolder Traversal="Deep"><m:FolderShape>`+shapeOf("AllProperties")+`</m:FolderShape><m:ParentFolderIds>`, `</m:ParentFolderIds></m:FindFolder>`)),
		operationCase{op: "SyncFolderHierarchy", good: fixed(hierarchy("")), bad: fixed(hierarchy(`<m:SyncState>garbage</m:SyncState>`))},
		operationCase{op: "GetServerTimeZones", good: fixed(`<m:GetServerTimeZones ReturnFullTimeZoneData="true"/>`), noBad: "it has no input that could be bad", lenient: true},
		operationCase{op: "GetUserConfiguration", good: fixed(configuration("OWA.UserOptions")), bad: fixed(configuration("Other"))},
	)
}

func attrIn(element, name string) string {
	_, rest, _ := strings.Cut(element, name+`="`)
	v, _, _ := strings.Cut(rest, `"`)
	return v
}

// classes returns the ResponseClass of each thing in an answer.
func classes(a answer) string {
	if a.body == nil {
		return ""
	}
	if a.body.Name == "Fault" {
		return "Fault"
	}
	var out []string
	switch {
	case a.body.Child("ResponseMessages") != nil:
		for _, m := range a.body.Child("ResponseMessages").Children {
			out = append(out, m.Attr("ResponseClass"))
		}
	case a.body.Child("FreeBusyResponseArray") != nil:
		for _, f := range a.body.Child("FreeBusyResponseArray").Children {
			out = append(out, f.Child("ResponseMessage").Attr("ResponseClass"))
		}
	default:
		out = append(out, a.body.Child("ResponseMessage").Attr("ResponseClass"))
	}
	return strings.Join(out, " ")
}

// TestSchemaMatrix takes every operation of every dialect through every kind
// of outcome, and holds the whole of each answer, headers included, and each
// request that is meant to be good, against the published schema.
func TestSchemaMatrix(t *testing.T) {
	t.Parallel()
	schemaFolder(t)
	checkMatrixIsWhole(t)
	var s sheets
	for _, dialect := range Dialects() {
		t.Run(string(dialect), func(t *testing.T) {
			for _, row := range matrix() {
				if row.good != nil {
					row.try(t, newRig(t, Options{Dialect: dialect, Users: 3, EventsPerUser: 4}), &s)
				}
			}
			everyFault(t, newRig(t, Options{Dialect: dialect}), &s)
			everyItem(t, newRig(t, Options{Dialect: dialect, EventsPerUser: 30}), &s)
			streams(t, dialect, &s)
			autodiscoverSheets(t, NewServer(Options{Dialect: dialect, Users: 3}), &s)
		})
	}
	s.check(t, true)
}

// checkMatrixIsWhole fails where the simulator answers an operation that the
// matrix does not have.
func checkMatrixIsWhole(t *testing.T) {
	t.Helper()
	source, err := os.ReadFile("handler.go")
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile(`case "(\w+)":\n\t\treturn \(\*request\)`).FindAllStringSubmatch(string(source), -1)
	if len(found) < 20 {
		t.Fatalf("%d operations found in handler.go", len(found))
	}
	for _, f := range found {
		if !slices.ContainsFunc(matrix(), func(c operationCase) bool { return c.op == f[1] }) {
			t.Errorf("the matrix has no row for %s", f[1])
		}
	}
}

// batches are the operations in which a script can let one thing fail.
var batches = []string{"CreateItem", "UpdateItem", "DeleteItem", "GetItem", "GetFolder", "MoveItem", "CopyItem"}

// try takes one operation through its outcomes.
func (c operationCase) try(t *testing.T, r *rig, s *sheets) {
	t.Helper()
	dialect := r.s.opt.Dialect
	expect := func(outcome, body, want string) answer {
		t.Helper()
		doc := envelope(user1, body)
		s.add(fmt.Sprint("request-", dialect, c.op, outcome), []byte(doc))
		a := r.send(svc, "password", doc)
		s.add(fmt.Sprint(dialect, c.op, outcome), a.raw)
		if got := classes(a); got != want {
			t.Errorf("%s %s, %s: %q, want %q: %.600s", dialect, c.op, outcome, got, want, a.raw)
		}
		return a
	}
	if r.s.traits.fewIDFormats && c.op == "GetServerTimeZones" {
		expect("unknown", c.good(r), "Fault")
		return
	}
	expect("success", c.good(r), "Success")
	switch {
	case c.bad == nil:
		if c.noBad == "" {
			t.Errorf("%s has no outcome of its own that is bad", c.op)
		}
	case strings.HasPrefix(c.op, "Sync") && r.s.traits.lenientSyncState:
		expect("bad", c.bad(r), "Success")
	default:
		expect("bad", c.bad(r), "Error")
	}
	if c.mixed != nil {
		expect("partly", c.mixed(r), "Success Error Success")
	}
	body := c.good(r)
	r.s.Fail(Fault{Op: c.op, BackOff: 5 * time.Second, InBody: true})
	if a := expect("busy in its body", body, "Error"); !strings.Contains(string(a.raw), `BackOffMilliseconds">5000<`) && c.op != "GetUserAvailability" { // whose MessageXml is its own
		t.Errorf("%s %s: no back-off in %s", dialect, c.op, a.raw)
	}
	r.s.Fail(Fault{Op: c.op, BackOff: 5 * time.Second})
	if a := expect("busy", body, "Fault"); !r.s.traits.faultsWith200 && (a.status != 500 || !strings.Contains(string(a.raw), `BackOffMilliseconds">5000<`)) {
		t.Errorf("%s %s: %d %s", dialect, c.op, a.status, a.raw)
	}
	if slices.Contains(batches, c.op) {
		three := strings.Replace(c.mixed(r), "AAMkbad", attrIn(freshItem(r), "Id"), 1)
		r.s.Fail(Fault{Op: c.op, Code: "ErrorTimeoutExpired", FailItem: 2})
		if a := expect("stopped", three, "Success Error Error"); !strings.Contains(string(a.raw), ">ErrorBatchProcessingStopped<") {
			t.Errorf("%s %s: no ErrorBatchProcessingStopped", dialect, c.op)
		}
	}
	c.refused(t, r, s)
}

// refused makes requests that end in a fault.
func (c operationCase) refused(t *testing.T, r *rig, s *sheets) {
	t.Helper()
	element := regexp.MustCompile(`<m:(\w+)`).FindStringSubmatch(c.good(r))[1]
	for outcome, doc := range map[string]string{
		"empty":   envelope(user1, `<m:`+element+`/>`),
		"version": strings.Replace(envelope(user1, c.good(r)), "Exchange2013_SP1", "Exchange2027", 1),
		"nobody":  envelope("nobody@example.com", c.good(r)),
	} {
		a := r.send(svc, "password", doc)
		s.add(fmt.Sprint(r.s.opt.Dialect, c.op, outcome), a.raw)
		want := "Fault"
		if outcome == "version" && r.s.traits.newest < 0 || outcome == "empty" && c.lenient {
			want = "Success"
		}
		if got := classes(a); got != want {
			t.Errorf("%s %s, %s: %q, want %q: %.600s", r.s.opt.Dialect, c.op, outcome, got, want, a.raw)
		}
		if code := map[string]string{"empty": "ErrorSchemaValidation", "version": "ErrorInvalidServerVersion", "nobody": "ErrorNonExistentMailbox"}[outcome]; want == "Fault" &&
			!r.s.traits.faultsWith200 && !strings.Contains(string(a.raw), ">"+code+"<") {
			t.Errorf("%s %s, %s: no %s in %.600s", r.s.opt.Dialect, c.op, outcome, code, a.raw)
		}
		if outcome == "empty" && want == "Fault" && !r.s.traits.faultsWith200 && !strings.Contains(string(a.raw), "</t:LinePosition><t:Violation>") {
			t.Errorf("%s %s: the fault does not say what is violated: %.900s", r.s.opt.Dialect, c.op, a.raw)
		}
	}
}

// everyFault collects a fault in each way to write it, what is spoilt by
// script, and what is no SOAP at all.
func everyFault(t *testing.T, r *rig, s *sheets) {
	t.Helper()
	r.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	name := string(r.s.opt.Dialect)
	for shape := range FaultShape(64) {
		r.s.Fail(Fault{Code: "ErrorTimeoutExpired", Shape: shape})
		s.add(name+"shape", r.send(svc, "password", envelope(user1, getCalendar)).raw)
	}
	for code := range texts {
		r.s.Fail(Fault{Code: code})
		s.add(name+code, r.send(svc, "password", envelope(user1, getCalendar)).raw)
		r.s.Fail(Fault{Code: code, InBody: true})
		s.add(name+code, r.send(svc, "password", envelope(user1, getCalendar)).raw)
	}
	freshItem(r)
	for _, f := range []Fault{{Illegal: true}, {EndAfterBytes: 400}, ServerError()} {
		r.s.Fail(f)
		s.add(name+"spoilt", r.send(svc, "password", envelope(user1, find("calendar", "", "", ""))).raw)
	}
	s.add(name+"unknown", r.send(svc, "password", envelope(user1, `<m:GetNothing/>`)).raw)
}

// everyItem collects everything that there can be in the folders of organizer,
// attendee and room, in every shape.
func everyItem(t *testing.T, r *rig, s *sheets) {
	t.Helper()
	id := r.create(user1, "SendToAllAndSaveCopy", `<t:Subject>All</t:Subject><t:Sensitivity>Private</t:Sensitivity><t:Body BodyType="HTML">&lt;p&gt;x&lt;/p&gt;</t:Body>`+
		`<t:Categories><t:String>Red</t:String></t:Categories>`+tomorrow+attendees("RequiredAttendees", user2)+attendees("OptionalAttendees", "x@else.example")+attendees("Resources", room)+
		`<t:Recurrence><t:DailyRecurrence><t:Interval>1</t:Interval></t:DailyRecurrence><t:NumberedRecurrence><t:StartDate>2026-11-24</t:StartDate><t:NumberOfOccurrences>9</t:NumberOfOccurrences></t:NumberedRecurrence></t:Recurrence>`)
	r.ok(user1, updateOf(occurrenceID(id.Attr("Id"), 2), "AlwaysOverwrite", "SendToNone", setField("item:Subject", `<t:Subject>Other</t:Subject>`)))
	r.ok(user1, `<m:DeleteItem DeleteType="HardDelete" SendMeetingCancellations="SendToNone"><m:ItemIds>`+occurrenceID(id.Attr("Id"), 3)+`</m:ItemIds></m:DeleteItem>`)
	if _, err := r.s.Add(user1, attached(Body{Type: "HTML", Content: shownImage})); err != nil {
		t.Fatal(err)
	}
	for i, it := range r.s.Inbox(user2) {
		answer := []string{"AcceptItem", "TentativelyAcceptItem", "DeclineItem"}[i%3]
		a := r.send(svc, "password", envelope(user2, `<m:CreateItem MessageDisposition="SendAndSaveCopy"><m:Items><t:`+answer+`><t:ReferenceItemId Id="`+it.ID+`"/></t:`+answer+`></m:Items></m:CreateItem>`))
		s.add(fmt.Sprint(r.s.opt.Dialect, answer), a.raw)
		if it.Subject == "All" && classes(a) != "Success" {
			t.Errorf("%s: %.600s", answer, a.raw)
		}
	}
	for _, box := range []string{user1, user2, room} {
		for _, folder := range []string{"calendar", "inbox", "sentitems", "deleteditems"} {
			for _, it := range r.s.Items(box, folder) {
				for _, base := range []string{"IdOnly", "Default", "AllProperties"} {
					body := `<m:GetItem><m:ItemShape>` + shapeOf(base, everyField(it.Class)...) + `</m:ItemShape><m:ItemIds><t:ItemId Id="` + it.ID + `"/></m:ItemIds></m:GetItem>`
					a := r.send(svc, "password", envelope(box, body))
					s.add(fmt.Sprint(r.s.opt.Dialect, "item"), a.raw)
					if classes(a) != "Success" {
						t.Errorf("%s: %.600s", it.Class, a.raw)
					}
				}
			}
			s.add(fmt.Sprint(r.s.opt.Dialect, "sync"), r.send(svc, "password", envelope(box, syncBody(folder, "", 512))).raw)
		}
		view := strings.Replace(calendarView("2026-11-20T00:00:00Z", "2026-12-20T00:00:00Z"), "IdOnly", "AllProperties", 1)
		s.add(fmt.Sprint(r.s.opt.Dialect, "view"), r.send(svc, "password", envelope(box, view)).raw)
	}
}

// streams collects the documents of streams: at once, the heartbeat, each kind
// of event, the end, a bad id, and a second stream.
func streams(t *testing.T, dialect Dialect, s *sheets) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		r := clockRig(t, Options{Dialect: dialect})
		folders := calendarOnly
		if r.s.traits.folderEvents {
			folders = ""
		}
		request := `<m:Subscribe><m:StreamingSubscriptionRequest>` + folders
		if folders == "" {
			request = `<m:Subscribe><m:StreamingSubscriptionRequest SubscribeToAllFolders="true">`
		}
		id := r.ok(user1, request+`<t:EventTypes><t:EventType>CopiedEvent</t:EventType><t:EventType>CreatedEvent</t:EventType><t:EventType>DeletedEvent</t:EventType><t:EventType>ModifiedEvent</t:EventType><t:EventType>MovedEvent</t:EventType><t:EventType>FreeBusyChangedEvent</t:EventType></t:EventTypes></m:StreamingSubscriptionRequest></m:Subscribe>`).Value("SubscriptionId")
		l := r.stream(user1, 1, id)
		seen := map[string]bool{}
		take := func() *wire.Element {
			m, doc := l.next()
			s.add(string(dialect)+"stream", doc)
			for n := range m.Child("Notifications").All("Notification") {
				for _, e := range n.Children[1:] {
					seen[e.Name] = true
				}
			}
			return m
		}
		take() // at once
		item := freshItem(r)
		take()
		r.ok(user1, updateOf(`<t:ItemId Id="`+attrIn(item, "Id")+`"/>`, "AlwaysOverwrite", "SendToNone", setField("item:Subject", `<t:Subject>x</t:Subject>`)))
		take()
		r.ok(user1, `<m:MoveItem><m:ToFolderId><t:DistinguishedFolderId Id="deleteditems"/></m:ToFolderId><m:ItemIds>`+item+`</m:ItemIds></m:MoveItem>`)
		take()
		gone := freshItem(r)
		take()
		r.ok(user1, `<m:DeleteItem DeleteType="HardDelete" SendMeetingCancellations="SendToNone"><m:ItemIds>`+gone+`</m:ItemIds></m:DeleteItem>`)
		take()
		for range 3 { // heartbeats to the end
			if m := take(); m.Value("ConnectionStatus") == "Closed" {
				break
			}
		}
		l.close()
		for _, kind := range []string{"CreatedEvent", "ModifiedEvent", "MovedEvent", "DeletedEvent"} {
			if !seen[kind] {
				t.Errorf("%s: no %s in a stream", dialect, kind)
			}
		}
		l = r.stream(user1, 1, id)
		take()
		second := r.stream(user1, 1, id)
		if code := take().Value("ResponseCode"); code != "ErrorNewEventStreamConnectionOpened" {
			t.Errorf("%s: the first of two streams ends with %s", dialect, code)
		}
		l.close()
		second.close()
		l = r.stream(user1, 1, id, "AAAA")
		if code := take().Value("ResponseCode"); code != "ErrorInvalidSubscription" {
			t.Errorf("%s: a bad id is told with %s", dialect, code)
		}
		l.close()
		r.s.Fail(Fault{Op: "GetStreamingEvents", BackOff: time.Second})
		a := r.send(svc, "password", envelope(user1, streamBody(31, id)))
		s.add(string(dialect)+"stream-refused", a.raw)
		s.add(string(dialect)+"stream-request", []byte(envelope(user1, streamBody(30, id))))
	})
}

// autodiscoverSheets collects answers of Autodiscover.
func autodiscoverSheets(t *testing.T, srv *Server, s *sheets) {
	t.Helper()
	defer srv.Close()
	ask := func(path, body string) {
		r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(body))
		r.Header.Set("Content-Type", "text/xml; charset=utf-8")
		r.SetBasicAuth(svc, "password")
		w := httptest.NewRecorder()
		srv.Handler().ServeHTTP(w, r)
		if w.Code == http.StatusNotFound {
			if !srv.traits.noProcessing || path != AutodiscoverSOAP {
				t.Errorf("%s has no %s", srv.opt.Dialect, path)
			}
			return
		}
		s.add(string(srv.opt.Dialect)+"autodiscover", w.Body.Bytes())
	}
	pox := `<Autodiscover xmlns="` + poxRequest + `"><Request><EMailAddress>` + user1 + `</EMailAddress><AcceptableResponseSchema>` + poxResponse + `</AcceptableResponseSchema></Request></Autodiscover>`
	soap := `<soap:Envelope xmlns:soap="` + wire.NSSoap + `" xmlns:a="` + wire.NSAutodiscover + `" xmlns:wsa="` + wire.NSAddressing + `"><soap:Header><a:RequestedServerVersion>Exchange2013</a:RequestedServerVersion><wsa:Action>` +
		wire.NSAutodiscover + `/Autodiscover/GetUserSettings</wsa:Action></soap:Header><soap:Body><a:GetUserSettingsRequestMessage><a:Request><a:Users><a:User><a:Mailbox>` + user1 + `</a:Mailbox></a:User><a:User><a:Mailbox>nobody@example.com</a:Mailbox></a:User></a:Users>` +
		`<a:RequestedSettings><a:Setting>ExternalEwsUrl</a:Setting><a:Setting>GroupingInformation</a:Setting><a:Setting>Nonsense</a:Setting></a:RequestedSettings></a:Request></a:GetUserSettingsRequestMessage></soap:Body></soap:Envelope>`
	for _, d := range []Discovery{{}, {RedirectAddress: "u@other.example"}, {RedirectURL: "https://other.example/Autodiscover/Autodiscover.xml"}, {Code: "InvalidUser"}, {Code: "ServerBusy"}, {Online: true}, {NoEWSURL: true}} {
		srv.SetDiscovery(user1, d)
		ask(AutodiscoverXML, pox)
		ask(AutodiscoverSOAP, soap)
	}
	ask(AutodiscoverXML, "")
	ask(AutodiscoverSOAP, pox)
	ask(AutodiscoverSOAP, strings.ReplaceAll(soap, "a:Setting>", "a:Other>"))
}

// TestPropertiesAreOfTheSchema finds paths in the simulator's tables that no
// request within the schema can name.
func TestPropertiesAreOfTheSchema(t *testing.T) {
	t.Parallel()
	types, err := os.ReadFile(schemaFolder(t) + "/Types.xsd")
	if err != nil {
		t.Fatal(err)
	}
	for _, class := range []string{ClassAppointment, "IPM.Note", "IPM.Schedule.Meeting.Request", ClassAccepted, "IPM.Schedule.Meeting.Canceled"} {
		for _, uri := range everyField(class) {
			if !strings.Contains(string(types), `<xs:enumeration value="`+uri+`"`) {
				t.Errorf("%s has a property %q that the schema does not know", class, uri)
			}
		}
	}
}
