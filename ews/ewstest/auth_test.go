package ewstest

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

const aProbe = `<?xml version="1.0"?><s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body><GetFolder xmlns="http://schemas.microsoft.com/exchange/services/2006/messages" xmlns:t="http://schemas.microsoft.com/exchange/services/2006/types"><FolderShape><t:BaseShape>IdOnly</t:BaseShape></FolderShape><FolderIds><t:DistinguishedFolderId Id="calendar"/></FolderIds></GetFolder></s:Body></s:Envelope>`

// foreign returns the path of a program that nobody here wrote, and fails where
// it must be there and is not.
func foreign(t *testing.T, name, pkg string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		if os.Getenv("KOYOMI_REQUIRE") != "" {
			t.Fatalf("%s is not here: apt-get install %s", name, pkg)
		}
		t.Skipf("skipped: %s is not here", name)
	}
	return path
}

// startSignIn starts a server over TLS and writes its authority's certificate.
func startSignIn(t *testing.T, o Options) (s *Server, ca string) {
	t.Helper()
	o.TLS, o.Users = true, 2
	s = Start(o)
	t.Cleanup(s.Close)
	if s.Err() != nil {
		t.Fatal(s.Err())
	}
	ca = filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, s.CA, 0o600); err != nil {
		t.Fatal(err)
	}
	return s, ca
}

// TestCurlNTLM signs in with curl, which sends no channel binding.
func TestCurlNTLM(t *testing.T) {
	t.Parallel()
	curl := foreign(t, "curl", "curl")
	for _, tc := range []struct {
		protection, password string
		status               string
	}{
		{ProtectionOff, "password", "200"}, {ProtectionAllow, "password", "200"},
		{ProtectionRequire, "password", "401"}, {ProtectionAllow, "wrong", "401"},
	} {
		t.Run(tc.protection+" "+tc.password, func(t *testing.T) {
			t.Parallel()
			s, ca := startSignIn(t, Options{Auth: []string{AuthNegotiate, AuthNTLM}, ExtendedProtection: tc.protection})
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			config := fmt.Sprintf("user = \"EXAMPLE\\\\user0001:%s\"\n", tc.password)
			cmd := exec.CommandContext(ctx, curl, "-sS", "-K", "-", "--cacert", ca, "--ntlm", "-H", "Content-Type: text/xml", "--data", aProbe,
				"-o", os.DevNull, "-w", "%{http_code}", s.URL)
			cmd.Stdin = strings.NewReader(config)
			out, err := cmd.CombinedOutput()
			if err != nil || string(out) != tc.status {
				t.Errorf("%v: got %s, want %s", err, out, tc.status)
			}
			if tc.status == "200" && s.Count("GetFolder") != 1 {
				t.Errorf("%d calls", s.Count("GetFolder"))
			}
		})
	}
}

// pythonEnv lets Python trust the authority, and use MD4, on which NTLM is
// built and which OpenSSL 3 keeps in a drawer of its own.
func pythonEnv(t *testing.T, ca string) []string {
	t.Helper()
	conf := filepath.Join(t.TempDir(), "openssl.cnf")
	text := "openssl_conf = init\n[init]\nproviders = all\n[all]\ndefault = on\nlegacy = on\n[on]\nactivate = 1\n"
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return append(os.Environ(), "REQUESTS_CA_BUNDLE="+ca, "OPENSSL_CONF="+conf)
}

const pythonProbe = `
import sys, requests
from requests_ntlm import HttpNtlmAuth
url, ca, user, password, cbt = sys.argv[1:]
s = requests.Session()
s.verify = ca
s.auth = HttpNtlmAuth(user, password, send_cbt=cbt == "yes")
body = sys.stdin.read()
print(*[s.post(url, data=body, headers={"Content-Type": "text/xml"}).status_code for _ in range(2)])
`

// TestRequestsNTLM signs in with the Python library that exchangelib uses, with
// and without the channel binding (Debian: python3-requests-ntlm).
func TestRequestsNTLM(t *testing.T) {
	t.Parallel()
	python := foreign(t, "/usr/bin/python3", "python3-requests-ntlm")
	if exec.Command(python, "-c", "import requests_ntlm").Run() != nil {
		foreign(t, "requests_ntlm", "python3-requests-ntlm")
	}
	for _, tc := range []struct{ protection, binding, password, statuses string }{
		{ProtectionRequire, "yes", "password", "200 200"}, {ProtectionAllow, "yes", "password", "200 200"},
		{ProtectionRequire, "no", "password", "401 401"}, {ProtectionAllow, "no", "password", "200 200"},
		{ProtectionRequire, "yes", "wrong", "401 401"},
	} {
		t.Run(strings.Join([]string{tc.protection, tc.binding, tc.password}, " "), func(t *testing.T) {
			t.Parallel()
			s, ca := startSignIn(t, Options{Auth: []string{AuthNTLM}, ExtendedProtection: tc.protection})
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			cmd := exec.CommandContext(ctx, python, "-c", pythonProbe, s.URL, ca, `EXAMPLE\user0001`, tc.password, tc.binding)
			cmd.Stdin = strings.NewReader(aProbe)
			cmd.Env = pythonEnv(t, ca)
			out, err := cmd.CombinedOutput()
			if err != nil || strings.TrimSpace(string(out)) != tc.statuses {
				t.Errorf("%v: got %s, want %s", err, out, tc.statuses)
			}
		})
	}
}

// TestExchangelibNTLM lets exchangelib work over TLS with channel binding.
func TestExchangelibNTLM(t *testing.T) {
	t.Parallel()
	python := foreign(t, "/usr/bin/python3", "python3-exchangelib")
	if exec.Command(python, "-c", "import exchangelib").Run() != nil {
		foreign(t, "exchangelib", "python3-exchangelib")
	}
	s, ca := startSignIn(t, Options{Auth: []string{AuthNegotiate, AuthNTLM}, ExtendedProtection: ProtectionRequire})
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, python, "-c", exchangelibProbe, s.URL)
	cmd.Env = pythonEnv(t, ca)
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "ok 1") {
		t.Errorf("%v: %s", err, out)
	}
	if s.Count("CreateItem") != 1 || s.Count("FindItem") == 0 {
		t.Errorf("calls %v", s.Calls())
	}
}

const exchangelibProbe = `
import sys, datetime
from exchangelib import Account, CalendarItem, Configuration, Credentials, DELEGATE, NTLM, UTC
c = Configuration(service_endpoint=sys.argv[1], credentials=Credentials("EXAMPLE\\user0001", "password"), auth_type=NTLM)
a = Account("user0001@example.com", config=c, autodiscover=False, access_type=DELEGATE)
start = datetime.datetime(2030, 1, 2, 9, tzinfo=UTC)
CalendarItem(account=a, folder=a.calendar, subject="Signed in", start=start, end=start + datetime.timedelta(hours=1)).save()
print("ok", a.calendar.all().filter(subject="Signed in").count())
`

// TestChallenges checks what is offered, and that a sign-in of one connection is
// worth nothing on another.
func TestChallenges(t *testing.T) {
	t.Parallel()
	s := Start(Options{Users: 1, Auth: []string{AuthBasic, AuthNTLM, AuthNegotiate}})
	t.Cleanup(s.Close)
	post := func(authorization string) *http.Response {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL, strings.NewReader(aProbe))
		if err != nil {
			t.Fatal(err)
		}
		if authorization != "" {
			req.Header.Set("Authorization", authorization)
		}
		req.Close = true
		resp, err := http.DefaultTransport.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		return resp
	}
	want := []string{"Negotiate", "NTLM", `Basic realm="exchange.example.com"`}
	if got := post("").Header.Values("WWW-Authenticate"); !slices.Equal(got, want) {
		t.Errorf("offered %q", got)
	}
	const hello = "TlRMTVNTUAABAAAAt4II4gAAAAAAAAAAAAAAAAAAAAAKAGFKAAAADw=="
	if got := post("NTLM " + hello).Header.Values("WWW-Authenticate"); len(got) != 1 || !strings.HasPrefix(got[0], "NTLM TlRMTVNTUAACAAAA") {
		t.Errorf("challenge %q", got)
	}
	for _, junk := range []string{"NTLM", "NTLM !", "NTLM TlRMTVNTUAADAAAA", "Negotiate YII=", "Bearer x", "NTLM " + strings.Repeat("A", 4000)} {
		if resp := post(junk); resp.StatusCode != http.StatusUnauthorized {
			t.Errorf("%s: status %d", junk, resp.StatusCode)
		}
	}
	if _, err := ParseAuth("basic,magic"); err == nil {
		t.Error("an unknown way to sign in is taken")
	}
	if list, err := ParseAuth("basic, NTLM"); err != nil || !slices.Equal(list, []string{AuthBasic, AuthNTLM}) {
		t.Errorf("%v %v", list, err)
	}
	if bad := Start(Options{ExtendedProtection: "maybe"}); bad.Err() == nil {
		t.Error("an unknown protection is taken")
	}
}

// TestKerberosBinding has a stand-in for the ticket's reader: what counts here
// is what becomes of the binding.
func TestKerberosBinding(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		protection string
		binding    []byte
		right      bool
		status     int
	}{
		{ProtectionRequire, nil, true, 200}, {ProtectionRequire, nil, false, 401}, {ProtectionAllow, nil, false, 200},
		{ProtectionAllow, make([]byte, 16), false, 401}, {ProtectionOff, make([]byte, 16), false, 200},
	} {
		var s *Server
		s, _ = startSignIn(t, Options{Auth: []string{AuthNegotiate}, ExtendedProtection: tc.protection, Kerberos: func(token []byte) (Ticket, error) {
			if string(token) != "ticket" {
				return Ticket{}, errors.New("no ticket")
			}
			b := tc.binding
			if tc.right {
				b = s.binding
			}
			return Ticket{Login: `EXAMPLE\user0001`, Binding: b, Reply: []byte("reply")}, nil
		}})
		for token, status := range map[string]int{"dGlja2V0": tc.status, "eA==": 401} {
			resp := postTLS(t, s, "Negotiate "+token)
			if resp.StatusCode != status {
				t.Errorf("%s, right %v, binding %x: status %d, want %d", tc.protection, tc.right, tc.binding, resp.StatusCode, status)
			}
			if got := resp.Header.Get("WWW-Authenticate"); status == 200 && got != "Negotiate cmVwbHk=" {
				t.Errorf("reply %q", got)
			}
		}
	}
}

// postTLS sends one request.
func postTLS(t *testing.T, s *Server, authorization string) *http.Response {
	t.Helper()
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(s.CA)
	way := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}, DisableKeepAlives: true}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL, strings.NewReader(aProbe))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", authorization)
	resp, err := way.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	return resp
}

// TestLockout locks an account after so many wrong passwords in half an hour.
func TestLockout(t *testing.T) {
	t.Parallel()
	now := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	s := NewServer(Options{Users: 1, Lockout: 3, Now: func() time.Time { return now }})
	try := func(right bool) bool { return s.attempt("user0001@example.com", right) }
	for range 2 {
		try(false)
		now = now.Add(time.Minute)
	}
	if !try(true) || s.Lockouts() != 0 {
		t.Error("locked too early")
	}
	for range 2 {
		try(false)
		now = now.Add(20 * time.Minute)
	}
	if !try(true) {
		t.Error("wrong passwords of more than half an hour count")
	}
	for range 3 {
		try(false)
	}
	if try(true) || s.Lockouts() != 1 {
		t.Errorf("not locked, %d", s.Lockouts())
	}
	if now = now.Add(31 * time.Minute); !try(true) {
		t.Error("locked for ever")
	}
}
