package cli

import (
	"bufio"
	"bytes"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/koyomi-cal/koyomi/ews/ewstest"
)

// signIns are ways to sign in that go well or fail, and what is to be said then.
type signIns []struct {
	name     string
	password string // default "password"
	set      []string
	steps    string // where it goes well, the steps; else what the last one says
	detail   string
	warning  string

	code, cause, causeJa string
	repair, command      string // parts of what to do
}

// run checks each of them against a server: the steps as JSON, and the tables in
// both languages, which have to hold cause and command whole.
func (all signIns) run(t *testing.T, s *ewstest.Server, base []string) {
	t.Helper()
	for _, tt := range all {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if tt.password == "" {
				tt.password = "password"
			}
			args := []string{"--config", checkConfig(t, s.URL, tt.password)}
			for _, set := range append(base[:len(base):len(base)], tt.set...) {
				args = append(args, "--set", set)
			}
			code, steps := checkJSON(t, args...)
			last := steps[len(steps)-1]
			if tt.steps != "" {
				if code != 0 || names(steps) != tt.steps || !strings.Contains(steps[1].Detail, tt.detail) ||
					!strings.Contains(steps[1].Warning, tt.warning) || (tt.warning == "") != (steps[1].Warning == "") || !strings.Contains(steps[1].Repair, tt.repair) {
					t.Errorf("exit code %d, %+v", code, steps)
				}
				return
			}
			if code != 1 || last.OK || last.Code != tt.code || !strings.Contains(last.Cause, tt.cause) ||
				!strings.Contains(last.Repair, tt.repair) || !strings.Contains(last.Command, tt.command) || !strings.HasSuffix(last.Repair, last.Command) {
				t.Errorf("exit code %d\n%+v", code, last)
			}
			for lang, cause := range map[string]string{"en": tt.cause, "ja": tt.causeJa} {
				code, stdout, stderr := call(t, append([]string{"check", "--lang", lang}, args...)...)
				if code != 1 || stderr != "" || !strings.Contains(stdout, cause) || !strings.Contains(stdout, last.Command) {
					t.Errorf("exit code %d, %s\n%s", code, stderr, stdout)
				}
			}
		})
	}
}

// TestCheckByOAuth: tokens by secret and by certificate, and everything that an
// endpoint, or Exchange, can have against them.
func TestCheckByOAuth(t *testing.T) {
	t.Parallel()
	s := ewstest.Start(ewstest.Options{TLS: true, Auth: []string{ewstest.AuthOAuth}})
	t.Cleanup(s.Close)
	s.AddMailbox("aya@example.com", "Aya")
	s.AddServiceAccount("short@example.com", "unused")
	s.AddServiceAccount("other@example.com", "unused")
	dir := t.TempDir()
	ca := filepath.Join(dir, "ca.pem")
	if err := os.WriteFile(ca, s.CA, 0o600); err != nil {
		t.Fatal(err)
	}
	file := func(login string, until time.Time) (certificate, key string) {
		c, err := ewstest.NewClientCertificate(login, until)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.SetClientCertificate(login, c.Certificate[0]); err != nil {
			t.Fatal(err)
		}
		der, err := x509.MarshalPKCS8PrivateKey(c.PrivateKey)
		if err != nil {
			t.Fatal(err)
		}
		certificate, key = filepath.Join(dir, login+".pem"), filepath.Join(dir, login+".key")
		text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Certificate[0]})
		secret := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
		for name, data := range map[string][]byte{certificate: text, key: secret, certificate + ".both": append(bytes.Clone(secret), text...)} {
			if err := os.WriteFile(name, data, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		return certificate, key
	}
	cert, key := file("svc", time.Now().AddDate(0, 6, 0))
	short, shortKey := file("short", time.Now().Add(5*24*time.Hour))
	token := strings.TrimSuffix(s.URL, ewstest.Path) + ewstest.TokenPath
	base := []string{"exchange.ca_file=" + ca, "exchange.username=svc", "exchange.sign_in.scheme=oauth", "exchange.sign_in.token_url=" + token, "exchange.sign_in.scope=https://outlook.office365.com/.default"}
	by := func(cert, key string, more ...string) []string {
		return append([]string{"exchange.password_file=", "exchange.sign_in.certificate_file=" + cert, "exchange.sign_in.key_file=" + key}, more...)
	}
	const well = "discover=true authenticate=true impersonate=true bind=true subscribe=true write=true"
	const application = `Get-MgApplication -Filter "appId eq 'svc'" | Format-List DisplayName,KeyCredentials,PasswordCredentials`
	signIns{
		{name: "secret", steps: well, detail: "OAuth as svc"},
		{name: "certificate", set: by(cert, key), steps: well, detail: "OAuth as svc, certificate until " + time.Now().AddDate(0, 6, 0).UTC().Format(time.DateOnly)},
		{name: "certificate and key in one file", set: by(cert+".both", ""), steps: well},
		{name: "certificate that ends", set: by(short, shortKey, "exchange.username=short"), steps: well, warning: "in less than 7 days", repair: "beside the old one"},
		{name: "wrong secret", password: "wrong", code: "AuthFailed", cause: "not its id", causeJa: "拒否しました", repair: "the client id, and exchange.password_file against", command: application},
		{name: "certificate of another", set: by(cert, key, "exchange.username=other"), code: "AuthFailed", cause: "add it to the application's registration", causeJa: "証明書が登録されていません",
			repair: "and exchange.sign_in.certificate_file against", command: "appId eq 'other'"},
		{name: "unknown client", set: []string{"exchange.username=nobody"}, code: "AuthFailed", cause: "does not know the client id", causeJa: "クライアント ID がありません", command: "appId eq 'nobody'"},
		{name: "scope", set: []string{"exchange.sign_in.scope=Mail.Read"}, code: "NoScheme", cause: "scope", causeJa: "スコープが正しくありません", repair: "exchange.sign_in.token_url and exchange.sign_in.scope"},
		{name: "no endpoint", set: []string{"exchange.sign_in.token_url=" + strings.TrimSuffix(token, "token")}, code: "NoScheme", cause: "URL of the token endpoint", causeJa: "トークン エンドポイントの URL", repair: "exchange.sign_in.token_url"},
	}.run(t, s, base)
	for set, want := range map[string]string{
		"exchange.sign_in.certificate_file=" + cert: "two ways to sign in",
		"exchange.sign_in.key_file=" + key:          "goes with certificate_file",
		"exchange.sign_in.token_url=":               "exchange.sign_in.token_url is missing",
	} {
		args := []string{"check", "--config", checkConfig(t, s.URL, "password")}
		for _, v := range append(base[:len(base):len(base)], set) {
			args = append(args, "--set", v)
		}
		if code, _, stderr := call(t, args...); code != 1 || !strings.Contains(stderr, want) {
			t.Errorf("%s: exit code %d, %s", set, code, stderr)
		}
	}
	mixed := append([]string{"check", "--config", checkConfig(t, s.URL, "password")}, "--set", "exchange.password_file=", "--set", "exchange.sign_in.certificate_file="+cert, "--set", "exchange.sign_in.key_file="+shortKey)
	for _, v := range base {
		mixed = append(mixed, "--set", v)
	}
	if code, _, stderr := call(t, mixed...); code != 1 || !strings.Contains(stderr, "the key without a passphrase, and it is the certificate's own") {
		t.Errorf("a key of another certificate: exit code %d, %s", code, stderr)
	}
}

// TestCheckOAuthAtExchange: the endpoint gives a token and Exchange refuses it.
func TestCheckOAuthAtExchange(t *testing.T) {
	t.Parallel()
	s := ewstest.Start(ewstest.Options{Auth: []string{ewstest.AuthOAuth}})
	t.Cleanup(s.Close)
	endpoint := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, `{"token_type":"Bearer","expires_in":3600,"access_token":"of somebody else"}`)
	})
	at, stop := serveHTTP(t, endpoint)
	defer stop()
	signIns{{
		name: "token", code: "AuthFailed", cause: "the token is not for this server", causeJa: "拒否", repair: "full_access_as_app",
		command: "Get-AuthServer | Format-List Name,Type,Enabled,AuthMetadataUrl; Get-WebServicesVirtualDirectory | Set-WebServicesVirtualDirectory -OAuthAuthentication $true",
	}, {
		name: "AD FS", set: []string{"exchange.sign_in.token_url=" + at + "/adfs/oauth2/token"}, code: "AuthFailed", cause: "token", causeJa: "拒否", command: "Get-AuthServer",
	}}.run(t, s, []string{"exchange.username=svc", "exchange.sign_in.scheme=oauth", "exchange.sign_in.token_url=" + at})
}

// serveHTTP serves a handler on loopback.
func serveHTTP(t *testing.T, h http.Handler) (address string, stop func()) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv := &http.Server{Handler: h, ReadHeaderTimeout: time.Minute}
	done := make(chan struct{})
	go func() { defer close(done); _ = srv.Serve(l) }()
	t.Cleanup(func() { _ = srv.Close(); <-done })
	return "http://" + l.Addr().String(), func() {}
}

// forward is an HTTP proxy that knows CONNECT, and a name and password by Basic.
type forward struct{ user, password string }

func (p forward) start(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var g sync.WaitGroup
	var mu sync.Mutex
	var open []net.Conn
	g.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			open = append(open, c)
			mu.Unlock()
			g.Go(func() { p.serve(c) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		mu.Lock()
		for _, c := range open {
			c.Close()
		}
		mu.Unlock()
		g.Wait()
	})
	return "http://" + l.Addr().String()
}

func (p forward) serve(c net.Conn) {
	defer c.Close()
	r := bufio.NewReader(c)
	req, err := http.ReadRequest(r)
	if err != nil || req.Method != http.MethodConnect {
		return
	}
	want := "Basic " + base64.StdEncoding.EncodeToString([]byte(p.user+":"+p.password))
	if p.user != "" && req.Header.Get("Proxy-Authorization") != want {
		_, _ = io.WriteString(c, "HTTP/1.1 407 No\r\nProxy-Authenticate: Basic\r\nContent-Length: 0\r\n\r\n")
		return
	}
	out, err := net.Dial("tcp", req.Host)
	if err != nil {
		_, _ = io.WriteString(c, "HTTP/1.1 502 No\r\nContent-Length: 0\r\n\r\n")
		return
	}
	defer out.Close()
	_, _ = io.WriteString(c, "HTTP/1.1 200 Yes\r\n\r\n")
	var g sync.WaitGroup
	g.Go(func() { _, _ = io.Copy(out, r); _ = out.(*net.TCPConn).CloseWrite() })
	_, _ = io.Copy(c, out)
	c.Close()
	g.Wait()
}

// TestCheckThroughProxy goes through a proxy that takes anybody, and one that asks
// who it is; NTLM with Extended Protection goes through, too.
func TestCheckThroughProxy(t *testing.T) {
	t.Parallel()
	s := ewstest.Start(ewstest.Options{TLS: true, Auth: []string{ewstest.AuthBasic, ewstest.AuthNTLM}, ExtendedProtection: ewstest.ProtectionRequire})
	t.Cleanup(s.Close)
	s.AddMailbox("aya@example.com", "Aya")
	dir := t.TempDir()
	for name, data := range map[string][]byte{"ca.pem": s.CA, "right": []byte("of the proxy"), "wrong": []byte("wrong")} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	dead, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	dead.Close()
	anybody, known := forward{}.start(t), forward{"carrier", "of the proxy"}.start(t)
	as := func(file string, more ...string) []string {
		return append([]string{"exchange.proxy.url=" + known, "exchange.proxy.username=carrier", "exchange.proxy.password_file=" + filepath.Join(dir, file)}, more...)
	}
	const well = "discover=true authenticate=true impersonate=true bind=true subscribe=true write=true"
	signIns{
		{name: "anybody", set: []string{"exchange.proxy.url=" + anybody}, steps: well},
		{name: "with credentials", set: as("right"), steps: well},
		{name: "with credentials and NTLM", set: as("right", "exchange.sign_in.scheme=ntlm"), steps: well, detail: "NTLM as"},
		{name: "wrong password", set: as("wrong"), code: "ProxyAuth", cause: "the proxy refuses", causeJa: "プロキシ", repair: "exchange.proxy.password_file"},
		{name: "no credentials", set: []string{"exchange.proxy.url=" + known}, code: "ProxyAuth", cause: "the proxy asks for a user name", causeJa: "プロキシ", repair: "exchange.proxy.username"},
		{name: "nothing listens", set: []string{"exchange.proxy.url=http://" + dead.Addr().String()}, code: "Refused", cause: "refuses the connection", causeJa: "接続が拒否", repair: "exchange.proxy.url"},
	}.run(t, s, []string{"exchange.ca_file=" + filepath.Join(dir, "ca.pem")})
}

// TestTableOnTerminal: on 80 columns no line of words is longer, and no command is
// broken.
func TestTableOnTerminal(t *testing.T) {
	t.Parallel()
	command := "Get-WebServicesVirtualDirectory | Set-WebServicesVirtualDirectory -BasicAuthentication $true"
	for lang, s := range map[lang]step{
		english:  {Step: "authenticate", Cause: "GetFolder: the server refuses the account's name or password; enter the right one [AuthFailed]", Repair: "check exchange.username and the content of exchange.password_file; if both are right: " + command, Command: command},
		japanese: {Step: "authenticate", Cause: "アカウント名またはパスワードが拒否されました。パスワードを入力し直してください。それでも拒否される場合は [AuthFailed]", Repair: "exchange.username と exchange.password_file の内容を確認してください。正しい場合: " + command, Command: command},
	} {
		var out bytes.Buffer
		r := &report{env: &environment{stdout: &out, stderr: io.Discard}, lang: lang, columns: 80}
		r.add([]step{s})
		words := ""
		for line := range strings.Lines(out.String()) {
			line = strings.TrimRight(line, "\n")
			if line == "    "+command {
				continue
			}
			if width(line) > 80 {
				t.Errorf("%d columns: %s", width(line), line)
			}
			words += strings.TrimSpace(line)
		}
		if !strings.Contains(out.String(), "    "+command+"\n") {
			t.Errorf("the command is broken:\n%s", out.String())
		}
		if !strings.Contains(strings.ReplaceAll(words, " ", ""), strings.ReplaceAll(s.Cause, " ", "")) {
			t.Errorf("the cause is not whole:\n%s", out.String())
		}
	}
	for text, want := range map[string]int{"short": 1, strings.Repeat("x", 200): 1, strings.Repeat("word ", 20): 4, strings.Repeat("漢字", 20): 3} {
		if got := wrapped(text, 30); len(got) != want {
			t.Errorf("%q: %q", text, got)
		}
	}
}
