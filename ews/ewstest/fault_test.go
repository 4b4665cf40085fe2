package ewstest

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/koyomi-cal/koyomi/ews/internal/wire"
)

var getCalendar = `<m:GetFolder><m:FolderShape>` + shapeOf("IdOnly") + `</m:FolderShape><m:FolderIds><t:DistinguishedFolderId Id="calendar"/></m:FolderIds></m:GetFolder>`

func TestBusy(t *testing.T) {
	t.Parallel()
	r := newRig(t, Options{})
	r.s.Fail(Fault{Op: "GetFolder", Mailbox: user1, BackOff: 60 * time.Second})
	a := r.send(svc, "password", envelope(user1, getCalendar))
	root, err := wire.Parse(a.raw, wire.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	f := wire.ParseFault(root)
	if a.status != 500 || f == nil || f.Code != "ErrorServerBusy" || f.ResponseCode != "ErrorServerBusy" || f.Values["BackOffMilliseconds"] != "60000" {
		t.Errorf("status %d, %s", a.status, a.raw)
	}
	r.ok(user1, getCalendar) // once only
	r.s.Fail(Fault{Op: "GetFolder", BackOff: time.Second, InBody: true})
	m := r.one(user1, getCalendar)
	if m.Value("ResponseCode") != "ErrorServerBusy" || m.Value("MessageXml", "Value") != "1000" {
		t.Errorf("in the body: %s", m.Value("ResponseCode"))
	}
}

func TestWhichCallsAFaultStrikes(t *testing.T) {
	t.Parallel()
	r := newRig(t, Options{})
	r.s.Fail(Fault{Op: "GetFolder", Mailbox: user2, Skip: 1, Times: 2, Code: "ErrorTimeoutExpired"})
	var got []string
	for _, box := range []string{user1, user2, user1, user2, user2, user2} {
		got = append(got, r.code(box, getCalendar))
	}
	if s := strings.Join(got, " "); s != "NoError NoError NoError ErrorTimeoutExpired ErrorTimeoutExpired NoError" {
		t.Error(s)
	}
	r.s.Fail(Fault{Times: -1, Code: "ErrorMailboxStoreUnavailable", Match: func(c Call) bool { return c.Anchor == user3 }})
	for range 3 {
		if a := r.send(svc, "password", envelope(user1, getCalendar), "X-AnchorMailbox", user3); a.status != 500 {
			t.Errorf("status %d", a.status)
		}
	}
	r.s.Heal()
	if a := r.send(svc, "password", envelope(user1, getCalendar), "X-AnchorMailbox", user3); a.status != 200 {
		t.Errorf("healed: status %d", a.status)
	}
}

func TestHTTPFaults(t *testing.T) {
	t.Parallel()
	r := newRig(t, Options{})
	r.s.Fail(Fault{Status: 503, Page: "<html>later</html>", RetryAfter: 7 * time.Second})
	a := r.send(svc, "password", envelope(user1, getCalendar))
	if a.status != 503 || a.header.Get("Retry-After") != "7" || string(a.raw) != "<html>later</html>" {
		t.Errorf("status %d, %s", a.status, a.raw)
	}
	r.s.Fail(Fault{Status: 401})
	if a := r.send(svc, "password", envelope(user1, getCalendar)); a.status != 401 || a.header.Get("WWW-Authenticate") == "" {
		t.Errorf("status %d", a.status)
	}
	if n := r.s.Refused(svc); n != 0 {
		t.Errorf("a scripted 401 counts as %d wrong passwords", n)
	}
}

func TestDelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := clockRig(t, Options{})
		r.s.Fail(Fault{Op: "GetFolder", Delay: 3 * time.Second})
		start := time.Now()
		r.ok(user1, getCalendar)
		if d := time.Since(start); d != 3*time.Second {
			t.Errorf("it took %v", d)
		}
	})
}

// post sends a request whose answer may not come.
func (r *rig) post(body string) error {
	r.t.Helper()
	req, err := http.NewRequestWithContext(context.Background(), http.MethodPost, "http://exchange.example.com"+Path, strings.NewReader(envelope(user1, body)))
	if err != nil {
		r.t.Fatal(err)
	}
	req.SetBasicAuth(svc, "password")
	res, err := r.client.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }()
	_, err = io.ReadAll(res.Body)
	return err
}

func TestAnswersThatDoNotArrive(t *testing.T) {
	t.Parallel()
	meeting := createMeeting("SendOnlyToAll", planning+tomorrow+attendees("RequiredAttendees", user2))
	for name, f := range map[string]Fault{"dropped": {Op: "CreateItem", DropAnswer: true}, "cut": {Op: "CreateItem", CutAfterBytes: 200}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, Options{})
			r.s.Fail(f)
			if err := r.post(meeting); err == nil {
				t.Error("the answer came")
			}
			if len(r.s.Calendar(user1)) != 1 || len(r.s.Inbox(user2)) != 1 {
				t.Error("the work was not done")
			}
			if err := r.post(meeting); err != nil {
				t.Errorf("the next call: %v", err)
			}
		})
	}
}

func TestSavedNotMailed(t *testing.T) {
	t.Parallel()
	r := newRig(t, Options{})
	meeting := createMeeting("SendOnlyToAll", planning+tomorrow+attendees("RequiredAttendees", user2))
	r.s.Fail(Fault{Op: "CreateItem", SavedNotMailed: true})
	_, id := itemOf(r.ok(user1, meeting))
	if it := r.s.Calendar(user1)[0]; it.RequestSent || len(r.s.Mails()) != 0 {
		t.Errorf("sent: %v, mails %v", it.RequestSent, r.s.Mails())
	}
	r.s.Fail(Fault{Op: "UpdateItem", SavedNotMailed: true, Code: "ErrorInternalServerTransientError", InBody: true})
	if got := r.code(user1, updateItem(id, "NeverOverwrite", "SendOnlyToAll", setField("calendar:Location", `<t:Location>x</t:Location>`))); got != "ErrorInternalServerTransientError" {
		t.Errorf("code %s", got)
	}
	r.s.Fail(Fault{Op: "UpdateItem", SavedNotMailed: true, Code: "ErrorTimeoutExpired"})
	if got := r.code(user1, updateItem(id, "AlwaysOverwrite", "SendOnlyToAll", setField("item:Subject", `<t:Subject>y</t:Subject>`))); got != "ErrorTimeoutExpired" {
		t.Errorf("code %s", got)
	}
	if it := r.s.Calendar(user1)[0]; it.Location != "x" || it.Subject != "y" || len(r.s.Mails()) != 0 {
		t.Errorf("saved %q %q, mails %v", it.Location, it.Subject, r.s.Mails())
	}
}

func TestInBodyFaultsLeaveTheWorkUndone(t *testing.T) {
	t.Parallel()
	r := newRig(t, Options{})
	id := r.create(user1, "SendToNone", planning+tomorrow)
	one := `<m:ItemIds><t:ItemId Id="` + id.Attr("Id") + `"/></m:ItemIds>`
	for op, body := range map[string]string{
		"CreateItem":          createMeeting("SendToNone", tomorrow),
		"UpdateItem":          updateItem(id, "AlwaysOverwrite", "SendToNone", setField("item:Subject", `<t:Subject>y</t:Subject>`)),
		"DeleteItem":          `<m:DeleteItem DeleteType="HardDelete" SendMeetingCancellations="SendToNone">` + one + `</m:DeleteItem>`,
		"MoveItem":            `<m:MoveItem><m:ToFolderId><t:DistinguishedFolderId Id="inbox"/></m:ToFolderId>` + one + `</m:MoveItem>`,
		"Subscribe":           `<m:Subscribe><m:StreamingSubscriptionRequest>` + calendarOnly + allEvents + `</m:StreamingSubscriptionRequest></m:Subscribe>`,
		"SyncFolderItems":     syncBody("calendar", "", 5),
		"FindItem":            calendarView("2026-01-01T00:00:00Z", "2027-01-01T00:00:00Z"),
		"GetItem":             getItem(id.Attr("Id")),
		"GetUserOofSettings":  `<m:GetUserOofSettingsRequest><t:Mailbox><t:Address>` + user1 + `</t:Address></t:Mailbox></m:GetUserOofSettingsRequest>`,
		"SyncFolderHierarchy": `<m:SyncFolderHierarchy><m:FolderShape>` + shapeOf("IdOnly") + `</m:FolderShape></m:SyncFolderHierarchy>`,
	} {
		r.s.Fail(Fault{Op: op, Code: "ErrorMailboxStoreUnavailable", InBody: true})
		if got := r.code(user1, body); got != "ErrorMailboxStoreUnavailable" {
			t.Errorf("%s: %s", op, got)
		}
		if calls := r.s.CallsTo(op, user1); len(calls) == 0 || calls[len(calls)-1].Code != "ErrorMailboxStoreUnavailable" {
			t.Errorf("%s: the log says %+v", op, calls)
		}
	}
	if items := r.s.Calendar(user1); len(items) != 1 || items[0].Subject != "Planning" || r.s.Subscriptions("") != 0 {
		t.Errorf("something was done: %+v", items)
	}
}

func TestIllegalCharacters(t *testing.T) {
	t.Parallel()
	r := newRig(t, Options{})
	id := r.create(user1, "SendToNone", planning+tomorrow).Attr("Id")
	r.s.Fail(Fault{Op: "GetItem", Illegal: true})
	a := r.send(svc, "password", envelope(user1, getItem(id, "item:Subject", "item:Body")))
	for _, bad := range []string{"&#x0;", "\x0b", "&#xFFFE;", "\xed\xa0\xbd"} {
		if !strings.Contains(string(a.raw), bad) {
			t.Errorf("no %q in the answer", bad)
		}
	}
}

func TestStreamFault(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := clockRig(t, Options{})
		id := r.subscribe(user1, calendarOnly)
		r.s.Fail(Fault{Op: "GetStreamingEvents", Code: "ErrorProxiedSubscriptionCallFailure", InBody: true})
		l := r.stream(user1, 1, id)
		defer l.close()
		if m, _ := l.next(); m.Value("ResponseCode") != "ErrorProxiedSubscriptionCallFailure" {
			t.Errorf("code %s", m.Value("ResponseCode"))
		}
		if _, err := l.cut.Next(); !errors.Is(err, io.EOF) {
			t.Errorf("then %v", err)
		}
	})
}

func TestCallLog(t *testing.T) {
	t.Parallel()
	r := newRig(t, Options{})
	id := r.create(user1, "SendToNone", planning+tomorrow)
	r.s.ForgetCalls()
	body := updateItem(id, "NeverOverwrite", "SendToAllAndSaveCopy", setField("item:Subject", `<t:Subject>y</t:Subject>`))
	r.send(svc, "password", envelope(user1, body), "X-AnchorMailbox", user1, "User-Agent", "test")
	if r.s.Count("UpdateItem") != 1 || r.s.Count("CreateItem") != 1 || r.s.Count("") != 2 {
		t.Errorf("counted %d, %d, %d", r.s.Count("UpdateItem"), r.s.Count("CreateItem"), r.s.Count(""))
	}
	calls := r.s.CallsTo("UpdateItem", user1)
	if len(calls) != 1 {
		t.Fatalf("%d calls", len(calls))
	}
	c := calls[0]
	if c.Login != svc || c.Anchor != user1 || c.SendMode != "SendToAllAndSaveCopy" || c.Conflict != "NeverOverwrite" || c.Status != 200 || c.Code != "" ||
		len(c.Items) != 1 || c.Items[0] != id.Attr("Id") || c.Version != "Exchange2013_SP1" || !c.At.Equal(noon) || c.Header.Get("User-Agent") != "test" {
		t.Errorf("%+v", c)
	}
	if c.Header.Get("Authorization") != "" {
		t.Error("the log holds credentials")
	}
}

func TestEditorOfTheUsersNextSave(t *testing.T) {
	t.Parallel()
	r := newRig(t, Options{})
	block := `&lt;!-- k --&gt;&lt;div id="a" class="b" style="color:red"&gt;Join&lt;/div&gt;`
	id := r.create(user1, "SendToNone", `<t:Body BodyType="HTML">`+block+`</t:Body>`+tomorrow)
	r.s.Fail(Fault{Edit: EditOutlook, Mailbox: user1})
	change := func(subject string) string {
		return updateItem(id, "AlwaysOverwrite", "SendToNone", setField("item:Subject", `<t:Subject>`+subject+`</t:Subject>`))
	}
	r.ok(user1, change("by the service account"))
	if b := r.s.Calendar(user1)[0].Body.Content; !strings.Contains(b, `id="a"`) {
		t.Error("the service account's save was rewritten")
	}
	if a := r.send(user1, "password", envelope("", change("by the user"))); a.status != 200 {
		t.Fatalf("status %d", a.status)
	}
	b := r.s.Calendar(user1)[0].Body.Content
	if strings.Contains(b, `id="a"`) || strings.Contains(b, "<!-- k") || !strings.Contains(b, "MsoNormal") || !strings.Contains(b, "Join") {
		t.Errorf("the user's save left %s", b)
	}
	r.s.Fail(Fault{Edit: EditOutlook})
	if err := r.s.Edit(user1, id.Attr("Id"), func(it *Item) { it.Body.Content = "<p id=x>again</p>" }); err != nil {
		t.Fatal(err)
	}
	if b := r.s.Calendar(user1)[0].Body.Content; strings.Contains(b, "id=x") {
		t.Error("a direct edit was not rewritten")
	}
}

func TestShapesOfFaults(t *testing.T) {
	t.Parallel()
	r := newRig(t, Options{})
	for name, try := range map[string]struct {
		shape  FaultShape
		status int
		has    []string
		lacks  string
	}{
		"as always": {0, 500, []string{">a:ErrorTimeoutExpired<", "<detail"}, "Header"},
		"header":    {FaultWithHeader, 500, []string{"<s:Header><h:ServerVersionInfo ", "</s:Header><s:Body"}, ""},
		"spaces":    {FaultSpaces, 500, []string{"\n      a:ErrorTimeoutExpired\r\n"}, ""},
		"bare":      {FaultBare, 500, []string{">ErrorTimeoutExpired</faultcode>"}, "a:Error"},
		"SOAP 1.2":  {FaultSOAP12, 500, []string{soap12}, wire.NSSoap},
		"200":       {FaultStatus200, 200, []string{"ErrorTimeoutExpired"}, ""},
		"all":       {FaultBare | FaultSpaces | FaultNoDetail | FaultStatus200, 200, []string{"\n      ErrorTimeoutExpired"}, "<detail"},
	} {
		r.s.Fail(Fault{Code: "ErrorTimeoutExpired", Shape: try.shape})
		a := r.send(svc, "password", envelope(user1, getCalendar))
		if a.status != try.status || a.body == nil || a.body.Name != "Fault" {
			t.Errorf("%s: %d %s", name, a.status, a.raw)
		}
		for _, want := range try.has {
			if !strings.Contains(string(a.raw), want) {
				t.Errorf("%s: no %q in %s", name, want, a.raw)
			}
		}
		if try.lacks != "" && strings.Contains(string(a.raw), try.lacks) {
			t.Errorf("%s: %q in %s", name, try.lacks, a.raw)
		}
	}
}

func TestFaultsOutsideSOAP(t *testing.T) {
	t.Parallel()
	r := newRig(t, Options{})
	r.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	r.s.Fail(ServerError())
	if a := r.send(svc, "password", envelope(user1, getCalendar)); a.status != 200 || !strings.Contains(string(a.raw), "Server Error in '/EWS' Application") {
		t.Errorf("%d %s", a.status, a.raw)
	}
	r.s.Fail(GenericErrorPage())
	if a := r.send(svc, "password", envelope(user1, getCalendar)); a.status != 302 || !strings.HasPrefix(a.header.Get("Location"), "/ews/genericerrorpage.htm") {
		t.Errorf("%d to %s", a.status, a.header.Get("Location"))
	}
	r.s.Fail(Fault{EndAfterBytes: 300})
	if a := r.send(svc, "password", envelope(user1, getCalendar)); a.status != 200 || len(a.raw) != 300 || a.body != nil {
		t.Errorf("%d with %d bytes", a.status, len(a.raw))
	}
	r.ok(user1, getCalendar)
}

func TestBatchStopsInTheMiddle(t *testing.T) {
	t.Parallel()
	r := newRig(t, Options{})
	var ids, changes string
	for _, name := range []string{"a", "b", "c"} {
		id := r.create(user1, "SendToNone", "<t:Subject>"+name+"</t:Subject>"+tomorrow)
		ids += `<t:ItemId Id="` + id.Attr("Id") + `"/>`
		changes += `<t:ItemChange><t:ItemId Id="` + id.Attr("Id") + `"/><t:Updates>` + setField("item:Subject", "<t:Subject>new</t:Subject>") + `</t:Updates></t:ItemChange>`
	}
	item := `<t:CalendarItem><t:Subject>d</t:Subject>` + tomorrow + `</t:CalendarItem>`
	for op, body := range map[string]string{
		"GetItem":    `<m:GetItem><m:ItemShape>` + shapeOf("IdOnly") + `</m:ItemShape><m:ItemIds>` + ids + `</m:ItemIds></m:GetItem>`,
		"UpdateItem": `<m:UpdateItem ConflictResolution="AlwaysOverwrite" SendMeetingInvitationsOrCancellations="SendToNone"><m:ItemChanges>` + changes + `</m:ItemChanges></m:UpdateItem>`,
		"CreateItem": `<m:CreateItem SendMeetingInvitations="SendToNone"><m:Items>` + item + item + item + `</m:Items></m:CreateItem>`,
	} {
		r.s.Fail(Fault{Op: op, Code: "ErrorTimeoutExpired", FailItem: 2})
		var got []string
		for _, m := range r.as(user1, body).Child("ResponseMessages").Children {
			got = append(got, m.Value("ResponseCode"))
		}
		if want := "NoError ErrorTimeoutExpired ErrorBatchProcessingStopped"; strings.Join(got, " ") != want {
			t.Errorf("%s: %v", op, got)
		}
	}
	n := map[string]int{}
	for _, it := range r.s.Calendar(user1) {
		n[it.Subject]++
	}
	if n["new"] != 1 || n["d"] != 1 {
		t.Errorf("what was done: %v", n)
	}
	r.s.Fail(Fault{Op: "DeleteItem", Code: "ErrorTimeoutExpired", FailItem: 1})
	r.as(user1, `<m:DeleteItem DeleteType="HardDelete" SendMeetingCancellations="SendToNone"><m:ItemIds>`+ids+`</m:ItemIds></m:DeleteItem>`)
	if len(r.s.Calendar(user1)) != 4 {
		t.Error("something was deleted")
	}
}
