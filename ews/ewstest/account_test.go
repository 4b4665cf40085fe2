package ewstest

import (
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/koyomi-cal/koyomi/ews/internal/wire"
)

func TestLogin(t *testing.T) {
	t.Parallel()
	r := newRig(t, Options{})
	r.s.AddMailbox("own@example.com", "Own", WithPassword("mine"), WithAliases("alias@example.com"), WithCulture("ja-JP"), InZone("Tokyo Standard Time"))
	r.s.SetPassword(user3, "changed")
	for _, tc := range []struct {
		login, password string
		status          int
	}{
		{svc, "password", 200}, {"SVC@EXAMPLE.COM", "password", 200}, {`EXAMPLE\svc`, "password", 200}, {"svc", "password", 200},
		{svc, "Password", 401}, {svc, "", 401}, {"nobody@example.com", "password", 401}, {user1, "password", 200},
		{"own@example.com", "password", 401}, {"own@example.com", "mine", 200}, {"alias@example.com", "mine", 200},
		{user3, "password", 401}, {user3, "changed", 200},
	} {
		body := `<m:ConvertId DestinationFormat="EntryId"><m:SourceIds><t:AlternateId Format="EwsId" Id="DUMMY" Mailbox="DUMMY"/></m:SourceIds></m:ConvertId>`
		a := r.send(tc.login, tc.password, envelope("", body))
		if a.status != tc.status {
			t.Errorf("%s with %q: %d, want %d", tc.login, tc.password, a.status, tc.status)
		}
		if a.status == 401 && !strings.HasPrefix(a.header.Get("WWW-Authenticate"), "Basic ") {
			t.Errorf("%s: no challenge", tc.login)
		}
	}
	if n := r.s.Refused(svc); n != 2 {
		t.Errorf("%d wrong passwords of the service account, want 2", n)
	}
	if n := r.s.Refused("nobody@example.com"); n != 1 {
		t.Errorf("%d of nobody", n)
	}
	if s := fmt.Sprintf("%v %+v %s %#v", secret("x"), secret("x"), secret("x"), secret("x")); strings.Contains(s, "x") {
		t.Errorf("a secret prints as %s", s)
	}
}

func TestImpersonation(t *testing.T) {
	t.Parallel()
	r := newRig(t, Options{})
	by := func(element, value string) string {
		return strings.Replace(envelope(user1, getCalendar), `<t:PrimarySmtpAddress>`+user1+`</t:PrimarySmtpAddress>`, `<t:`+element+`>`+value+`</t:`+element+`>`, 1)
	}
	r.s.Deny(user3)
	for _, tc := range []struct{ login, doc, want string }{
		{svc, by("PrimarySmtpAddress", user1), ""},
		{svc, by("SmtpAddress", strings.ToUpper(user1)), ""},
		{svc, by("PrincipalName", user1), ""},
		{svc, by("PrimarySmtpAddress", "nobody@example.com"), "ErrorNonExistentMailbox"},
		{svc, by("PrimarySmtpAddress", user3), "ErrorImpersonateUserDenied"},
		{svc, by("Nickname", user1), "ErrorInvalidExchangeImpersonationHeaderData"},
		{user2, by("PrimarySmtpAddress", user1), "ErrorImpersonateUserDenied"},
		{user2, by("PrimarySmtpAddress", user2), ""},
		{svc, envelope("", getCalendar), "ErrorMissingEmailAddress"},
	} {
		a := r.send(tc.login, "password", tc.doc)
		got := a.body.Value("detail", "ResponseCode")
		if m := a.body.Find("ResponseMessages", "GetFolderResponseMessage"); m != nil {
			got = strings.TrimPrefix(m.Value("ResponseCode"), "NoError")
		}
		if got != tc.want {
			t.Errorf("%s: %.60q: %q, want %q", tc.login, tc.doc[len(tc.doc)-60:], got, tc.want)
		}
	}
	r.s.Grant(user3)
	r.ok(user3, getCalendar)
	r.s.RemoveMailbox(user3)
	if got := r.code(user3, getCalendar); got != "ErrorNonExistentMailbox" {
		t.Errorf("a mailbox that was removed: %s", got)
	}
}

func TestDelegate(t *testing.T) {
	t.Parallel()
	r := newRig(t, Options{})
	foreign := strings.Replace(getCalendar, `Id="calendar"/>`, `Id="calendar"><t:Mailbox><t:EmailAddress>`+user1+`</t:EmailAddress></t:Mailbox></t:DistinguishedFolderId>`, 1)
	if got := r.codeAs(user2, "", foreign); got != "ErrorFolderNotFound" {
		t.Errorf("without rights: %s", got)
	}
	r.s.Delegate(user1, user2)
	if got := r.codeAs(user2, "", foreign); got != "NoError" {
		t.Errorf("as a delegate: %s", got)
	}
	if got := r.codeAs(svc, user2, foreign); got != "NoError" {
		t.Errorf("for the delegate: %s", got)
	}
	if got := r.codeAs(svc, user3, foreign); got != "ErrorFolderNotFound" {
		t.Errorf("for somebody else: %s", got)
	}
	unknown := strings.Replace(foreign, user1, "nobody@example.com", 1)
	if got := r.codeAs(user2, "", unknown); got != "ErrorNonExistentMailbox" {
		t.Errorf("of nobody: %s", got)
	}
	create := strings.Replace(createMeeting("SendToNone", planning+tomorrow), `Id="calendar"/>`, `Id="calendar"><t:Mailbox><t:EmailAddress>`+user1+`</t:EmailAddress></t:Mailbox></t:DistinguishedFolderId>`, 1)
	if got := r.codeAs(user2, "", create); got != "NoError" {
		t.Fatalf("a delegate creates: %s", got)
	}
	if items := r.s.Calendar(user1); len(items) != 1 || items[0].Organizer.Address != user1 {
		t.Errorf("in the boss's calendar: %+v", items)
	}
}

func TestRequestServerVersion(t *testing.T) {
	t.Parallel()
	for dialect, newest := range map[Dialect]string{Exchange2013: "Exchange2013_SP1", Exchange2016: "Exchange2016", Exchange2019: "V2017_07_11", ExchangeSE: "V2017_07_11"} {
		r := newRig(t, Options{Dialect: dialect})
		for version, status := range map[string]int{newest: 200, "Exchange2010": 200, "Exchange2019": 500, "exchange2013": 500} {
			a := r.send(svc, "password", strings.Replace(envelope(user1, getCalendar), "Exchange2013_SP1", version, 1))
			if a.status != status {
				t.Errorf("%s asked for %s: %d, want %d", dialect, version, a.status, status)
			}
			if status == 500 && (a.body.Value("faultcode") != "a:ErrorInvalidServerVersion" || !strings.HasPrefix(string(a.raw), "<?xml")) {
				t.Errorf("%s: %s", dialect, a.raw)
			}
		}
		if dialect == Exchange2013 {
			if a := r.send(svc, "password", strings.Replace(envelope(user1, getCalendar), "Exchange2013_SP1", "Exchange2016", 1)); a.status != 500 {
				t.Errorf("2013 asked for Exchange2016: %d", a.status)
			}
		}
	}
}

func TestHTTP(t *testing.T) {
	t.Parallel()
	r := newRig(t, Options{})
	do := func(method, path, body string, change func(*http.Request)) *httptest.ResponseRecorder {
		req := httptest.NewRequest(method, path, strings.NewReader(body))
		req.SetBasicAuth(svc, "password")
		if change != nil {
			change(req)
		}
		w := httptest.NewRecorder()
		r.s.Handler().ServeHTTP(w, req)
		return w
	}
	doc := envelope(user1, getCalendar)
	for _, tc := range []struct {
		method, path, body string
		status             int
	}{
		{"POST", "/ews/exchange.asmx", doc, 200}, {"POST", "/EWS/EXCHANGE.ASMX", doc, 200}, {"POST", "/ews/other.asmx", doc, 404},
		{"GET", Path, "", 200}, {"POST", Path, "", 500}, {"POST", Path, "<a><b></a>", 500}, {"POST", Path, envelope(user1, "<m:Dance/>"), 500},
		{"POST", Path, envelope(user1, `<x:GetFolder xmlns:x="urn:x"/>`), 500},
		{"POST", Path, strings.Replace(doc, `<?xml version="1.0" encoding="utf-8"?>`, `<!DOCTYPE a [<!ENTITY b "c">]>`, 1), 500},
	} {
		if w := do(tc.method, tc.path, tc.body, nil); w.Code != tc.status {
			t.Errorf("%s %s %.40q: %d, want %d", tc.method, tc.path, tc.body, w.Code, tc.status)
		}
	}
	if w := do("POST", Path, doc, nil); w.Header().Get("Content-Type") != "text/xml; charset=utf-8" {
		t.Errorf("Content-Type %q", w.Header().Get("Content-Type"))
	}
	if w := do("GET", Path, "", func(r *http.Request) { r.Header.Del("Authorization") }); w.Code != 401 {
		t.Errorf("GET without a login: %d", w.Code)
	}
	w := do("POST", Path, doc, func(r *http.Request) {
		r.Header.Set("Accept-Encoding", "gzip, deflate")
		r.Header.Set("client-request-id", "42")
		r.Header.Set("return-client-request-id", "true")
	})
	z, err := gzip.NewReader(w.Body)
	if err != nil || w.Header().Get("Content-Encoding") != "gzip" {
		t.Fatalf("not compressed: %v", err)
	}
	if plain, err := io.ReadAll(z); err != nil || !strings.Contains(string(plain), "NoError") {
		t.Errorf("compressed: %v %s", err, plain)
	}
	if w.Header().Get("client-request-id") != "42" {
		t.Error("client-request-id does not come back")
	}
}

func TestOtherPrefixes(t *testing.T) {
	t.Parallel()
	r := newRig(t, Options{})
	doc := `<SOAP-ENV:Envelope xmlns:SOAP-ENV="` + wire.NSSoap + `" xmlns="` + wire.NSTypes + `"><SOAP-ENV:Header><RequestServerVersion Version="Exchange2010"/>` +
		`<ExchangeImpersonation><ConnectingSID><PrimarySmtpAddress>` + user1 + `</PrimarySmtpAddress></ConnectingSID></ExchangeImpersonation></SOAP-ENV:Header><SOAP-ENV:Body>` +
		`<messages:GetFolder xmlns:messages="` + wire.NSMessages + `"><messages:FolderShape><BaseShape>Default</BaseShape></messages:FolderShape><messages:FolderIds><DistinguishedFolderId Id="calendar"/></messages:FolderIds></messages:GetFolder></SOAP-ENV:Body></SOAP-ENV:Envelope>`
	a := r.send(svc, "password", doc)
	if m := a.body.Find("ResponseMessages", "GetFolderResponseMessage"); m.Value("ResponseCode") != "NoError" {
		t.Errorf("%s", a.raw)
	}
}

func TestServerOnAPort(t *testing.T) {
	t.Parallel()
	for _, tls := range []bool{false, true} {
		s := Start(Options{Users: 1, TLS: tls})
		if err := s.Err(); err != nil {
			t.Fatal(err)
		}
		if got := strings.HasPrefix(s.URL, "https://127.0.0.1:"); got != tls || (len(s.CA) > 0) != tls {
			t.Errorf("URL %s, CA %d bytes", s.URL, len(s.CA))
		}
		client := clientFor(t, s)
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL, strings.NewReader(envelope(user1, getCalendar)))
		if err != nil {
			t.Fatal(err)
		}
		req.SetBasicAuth(svc, "password")
		res, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		if res.StatusCode != 200 || res.ProtoMajor != 1 {
			t.Errorf("status %d by %s", res.StatusCode, res.Proto)
		}
		client.CloseIdleConnections()
		s.Close()
		s.Close() // twice does no harm
		if _, err := client.Do(req.Clone(t.Context())); err == nil {
			t.Error("a closed server answers")
		}
		w := httptest.NewRecorder()
		s.Handler().ServeHTTP(w, httptest.NewRequest("POST", Path, nil))
		if w.Code != 503 {
			t.Errorf("a closed server's handler says %d", w.Code)
		}
	}
}
