package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/koyomi-cal/koyomi/ews/ewstest"
)

// simulator starts an Exchange with two mailboxes, one of which the service
// account may not open.
func simulator(t *testing.T) *ewstest.Server {
	t.Helper()
	s := ewstest.Start(ewstest.Options{})
	t.Cleanup(s.Close)
	if err := s.Err(); err != nil {
		t.Fatal(err)
	}
	s.AddMailbox("aya@example.com", "Aya")
	s.AddMailbox("closed@example.com", "Closed")
	s.Deny("closed@example.com")
	return s
}

// checkConfig writes a configuration for the simulator.
func checkConfig(t *testing.T, url, password string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(file, []byte(password+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return write(t, fmt.Sprintf("exchange:\n  url: %q\n  username: 'EXAMPLE\\svc'\n  password_file: %q\n  timeout: 5s\nmailboxes:\n  - address: aya@example.com\n", url, file))
}

// checkJSON runs the command with --json.
func checkJSON(t *testing.T, args ...string) (int, []step) {
	t.Helper()
	code, stdout, stderr := call(t, append([]string{"check", "--json"}, args...)...)
	var out struct {
		OK    bool
		Steps []step
	}
	if err := json.Unmarshal([]byte(stdout), &out); err != nil {
		t.Fatalf("%v: %s %s", err, stdout, stderr)
	}
	if out.OK != (code == 0) {
		t.Errorf("ok is %v with exit code %d", out.OK, code)
	}
	return code, out.Steps
}

func names(steps []step) string {
	var b strings.Builder
	for _, s := range steps {
		fmt.Fprintf(&b, "%s=%v ", s.Step, s.OK)
	}
	return strings.TrimSpace(b.String())
}

func TestCheckAllWell(t *testing.T) {
	t.Parallel()
	s := simulator(t)
	code, steps := checkJSON(t, "--config", checkConfig(t, s.URL, "password"))
	if want := "discover=true authenticate=true impersonate=true bind=true subscribe=true write=true"; code != 0 || names(steps) != want {
		t.Errorf("exit code %d, %s", code, names(steps))
	}
	for _, c := range s.Calls() {
		if c.Op == "CreateItem" || c.Op == "UpdateItem" {
			t.Errorf("check wrote: %s", c.Op)
		}
	}
}

func TestCheckTable(t *testing.T) {
	t.Parallel()
	s := simulator(t)
	code, stdout, stderr := call(t, "check", "--config", checkConfig(t, s.URL, "password"), "closed@example.com", "nobody@example.com", "aya@example.com")
	if code != 1 || stderr != "" {
		t.Errorf("exit code %d, stderr %q", code, stderr)
	}
	for _, want := range []string{
		"  authenticate  ok      Basic as EXAMPLE\\svc; at most 10 requests", "closed@example.com\n  impersonate   FAILED  ConvertId: the account may not act for this mailbox",
		`repair  New-ManagementRoleAssignment -Name "Koyomi impersonation" -Role ApplicationImpersonation -User 'svc' -CustomRecipientWriteScope "Koyomi mailboxes"`,
		"nobody@example.com\n  impersonate   FAILED", "repair  Get-Recipient 'nobody@example.com'",
		"aya@example.com\n  impersonate   ok      Exchange 2019",
	} {
		if !strings.Contains(stdout, want) {
			t.Errorf("missing %q in\n%s", want, stdout)
		}
	}
}

func TestCheckNamesCauseAndRepair(t *testing.T) {
	t.Parallel()
	s := simulator(t)
	dead, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	dead.Close()
	page := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte("<html>Sign in")) }))
	t.Cleanup(page.Close)
	secure := httptest.NewTLSServer(s.Handler())
	t.Cleanup(secure.Close)
	tests := []struct{ name, url, password, steps, cause, repair string }{
		{"wrong password", s.URL, "wrong", "discover=true authenticate=false", "password", "BasicAuthentication $true"},
		{"nothing listens", "http://" + dead.Addr().String() + ewstest.Path, "password", "discover=false", "refuses the connection", "firewall"},
		{"another page", page.URL + ewstest.Path, "password", "discover=false", "", "Get-WebServicesVirtualDirectory"},
		{"unknown certificate", secure.URL + ewstest.Path, "password", "discover=false", "certificate", "exchange.ca_file"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			code, steps := checkJSON(t, "--config", checkConfig(t, tt.url, tt.password))
			last := steps[len(steps)-1]
			if code != 1 || names(steps) != tt.steps || !strings.Contains(last.Cause, tt.cause) || !strings.Contains(last.Repair, tt.repair) {
				t.Errorf("exit code %d, %s, cause %q, repair %q", code, names(steps), last.Cause, last.Repair)
			}
		})
	}
}

func TestCheckRefusesWhatItCannotUse(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	password := filepath.Join(dir, "empty")
	if err := os.WriteFile(password, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	url := "exchange.url=https://mail.example.com/EWS/Exchange.asmx"
	tests := []struct {
		set  []string
		want string
	}{
		{nil, "exchange.url is missing"},
		{[]string{"exchange.url=http://mail.example.com/EWS/Exchange.asmx"}, "exchange.url: http is refused"},
		{[]string{url}, "exchange.username is missing"},
		{[]string{url, "exchange.username=svc"}, "exchange.password_file is missing"},
		{[]string{url, "exchange.username=svc", "exchange.password_file=" + dir + "/none"}, "there is no file " + dir + "/none"},
		{[]string{url, "exchange.username=svc", "exchange.password_file=" + password}, "is empty"},
		{[]string{url, "exchange.username=svc", "exchange.password_file=" + dir + "/x", "exchange.ca_file=" + dir + "/none.pem"}, "exchange.ca_file: " + dir + "/none.pem cannot be read: no such file"},
	}
	if err := os.WriteFile(dir+"/x", []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range tests {
		args := []string{"check"}
		for _, s := range tt.set {
			args = append(args, "--set", s)
		}
		if code, _, stderr := call(t, args...); code != 1 || !strings.Contains(stderr, tt.want) || strings.Count(stderr, "\n") != 1 {
			t.Errorf("%v: exit code %d, %s", tt.set, code, stderr)
		}
	}
}

func TestSecretFromSystemdCredential(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "exchange-password"), []byte("p\r\n"), 0o400); err != nil {
		t.Fatal(err)
	}
	env := &environment{getenv: func(k string) string { return map[string]string{"CREDENTIALS_DIRECTORY": dir}[k] }}
	if got, err := readSecret(env, "exchange.password_file", "", exchangeCredential); err != nil || got != "p" {
		t.Errorf("%q %v", got, err)
	}
}

// TestExchangeCommand: the simulator answers on its port, over TLS with the
// certificate it wrote, and stops in order.
func TestExchangeCommand(t *testing.T) {
	t.Parallel()
	ca := filepath.Join(t.TempDir(), "ca.pem")
	out, stop := background(t, "exchange", "--listen", "127.0.0.1:0", "--users", "2", "--tls", "--ca-out", ca)
	url := strings.TrimSpace(strings.TrimPrefix(out.line(t, " at "), "Exchange simulator (exchange2019) at "))
	config := checkConfig(t, url, "password")
	if code, steps := checkJSON(t, "--config", config, "--set", "exchange.ca_file="+ca, "user0001@example.com", "user0002@example.com"); code != 0 {
		t.Errorf("exit code %d: %s", code, names(steps))
	}
	if code := stop(); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

func TestExchangeRefuses(t *testing.T) {
	t.Parallel()
	busy, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer busy.Close()
	for args, want := range map[string]string{
		"--listen 0.0.0.0:8490":            "listens on loopback only",
		"--dialect exchange2000":           `there is no dialect "exchange2000"`,
		"--auth kerberos":                  `not "kerberos"`,
		"--ca-out x":                       "--ca-out goes with --tls",
		"--users=-1":                       "0 or more",
		"--back-ends 0":                    "1 to 99",
		"--dialect-file /nowhere.json":     "/nowhere.json cannot be read: no such file",
		"--dialect-file check_test.go":     "check_test.go: profile: not JSON at byte 1",
		"--listen " + busy.Addr().String(): "the address is in use by another program",
		"--tls --ca-out /nowhere/at/all/c.pem --listen 127.0.0.1:0": "cannot be written",
	} {
		code, _, stderr := call(t, append([]string{"exchange"}, strings.Fields(args)...)...)
		if code == 0 || !strings.Contains(stderr, want) {
			t.Errorf("%s: exit code %d, %s", args, code, stderr)
		}
	}
}

// TestExchangePlaysAProfile: the file's dialect is played, by two back ends.
func TestExchangePlaysAProfile(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "profile.json")
	if err := os.WriteFile(file, []byte(`{"name":"Head office","dialect":"exchange2016","server_version":"15.1.2507.58"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	out, stop := background(t, "exchange", "--listen", "127.0.0.1:0", "--users", "2", "--dialect-file", file, "--back-ends", "2")
	url := strings.TrimSpace(strings.TrimPrefix(out.line(t, " at "), "Exchange simulator (exchange2016) at "))
	if code, steps := checkJSON(t, "--config", checkConfig(t, url, "password"), "user0001@example.com", "user0002@example.com"); code != 0 {
		t.Errorf("exit code %d: %s", code, names(steps))
	}
	if code := stop(); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

// lines collects what a command prints, for a test that waits for a line.
type lines struct {
	more chan string
}

func (l *lines) Write(p []byte) (int, error) {
	for s := range bytes.Lines(p) {
		l.more <- string(s)
	}
	return len(p), nil
}

// line waits for a line that contains a text.
func (l *lines) line(t *testing.T, text string) string {
	t.Helper()
	limit := time.After(30 * time.Second)
	for {
		select {
		case s := <-l.more:
			if strings.Contains(s, text) {
				return s
			}
		case <-limit:
			t.Fatalf("no line with %q", text)
		}
	}
}

// TestCheckSummaryOfAServer: where the server itself fails, the last line says
// what failed and how many mailboxes nobody has looked at, and not that none has
// failed.
func TestCheckSummaryOfAServer(t *testing.T) {
	t.Parallel()
	s := simulator(t)
	for _, tt := range []struct{ lang, password, want string }{
		{"en", "wrong", "\nfailed for all: authenticate; 2 mailboxes not looked at: repair that first; 0 warnings\n"},
		{"ja", "wrong", "\n全体で失敗: 認証、未確認のメールボックス 2 件 (先に上記を解決してください)、警告 0 件\n"},
		{"en", "password", "\n2 mailboxes: 1 well, 1 failed; 0 warnings\n"},
		{"ja", "password", "\nメールボックス 2 件: 正常 1 件、失敗 1 件、警告 0 件\n"},
	} {
		code, stdout, stderr := call(t, "check", "--lang", tt.lang, "--config", checkConfig(t, s.URL, tt.password), "aya@example.com", "closed@example.com")
		if code != 1 || stderr != "" || !strings.HasSuffix(stdout, tt.want) {
			t.Errorf("%s, %s: exit code %d, %s%s", tt.lang, tt.password, code, stdout, stderr)
		}
	}
	code, stdout, _ := call(t, "check", "--json", "--config", checkConfig(t, s.URL, "wrong"), "aya@example.com", "closed@example.com")
	var out struct{ Summary summary }
	if err := json.Unmarshal([]byte(stdout), &out); err != nil || code != 1 {
		t.Fatalf("exit code %d, %v", code, err)
	}
	if got := out.Summary; got.Mailboxes != 0 || got.NotTried != 2 || len(got.Elsewhere) != 1 || got.Elsewhere[0] != "authenticate" {
		t.Errorf("%+v", got)
	}
}

// TestSummaryLine has what the simulator does not bring about.
func TestSummaryLine(t *testing.T) {
	t.Parallel()
	for want, s := range map[string]summary{
		"0 mailboxes: 0 well, 0 failed; 0 warnings":                                        {},
		"1 mailbox: 1 well, 0 failed; failed for all: standby, service; 1 warning":         {Mailboxes: 1, Well: 1, Warnings: 1, Elsewhere: []string{"standby", "service"}},
		"failed for all: discover; 0 warnings":                                             {Elsewhere: []string{"discover"}},
		"failed for all: discover; 1 mailbox not looked at: repair that first; 0 warnings": {NotTried: 1, Elsewhere: []string{"discover"}},
	} {
		if got := s.line(english); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
