package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/koyomi-cal/koyomi/ews"
	"github.com/koyomi-cal/koyomi/ews/ewstest"
)

// installation is a folder with the three roles' configurations, whose servers
// this test starts and stops.
type installation struct {
	t        *testing.T
	dir      string
	exchange *ewstest.Server
	cloud    string // addresses, once they run
	kms      string
}

func newInstallation(t *testing.T) *installation {
	t.Helper()
	s := ewstest.Start(ewstest.Options{})
	t.Cleanup(s.Close)
	if err := s.Err(); err != nil {
		t.Fatal(err)
	}
	s.AddMailbox("aya@example.com", "Aya")
	s.AddMailbox("ben@example.com", "Ben")
	return &installation{t: t, dir: t.TempDir(), exchange: s}
}

// file writes a file of the installation and returns its name.
func (in *installation) file(name, text string) string {
	in.t.Helper()
	path := filepath.Join(in.dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		in.t.Fatal(err)
	}
	return path
}

// must runs a command that has to succeed and returns what it printed.
func (in *installation) must(args ...string) string {
	in.t.Helper()
	code, stdout, stderr := call(in.t, args...)
	if code != 0 {
		in.t.Fatalf("koyomi %s: exit code %d: %s", strings.Join(args, " "), code, stderr)
	}
	return stdout
}

// word returns what stands behind a label.
func (in *installation) word(text, label string) string {
	in.t.Helper()
	m := regexp.MustCompile(`(?m)^` + label + ` +(\S+)$`).FindStringSubmatch(text)
	if m == nil {
		in.t.Fatalf("no %q in %q", label, text)
	}
	return m[1]
}

// serve starts a role and waits until it says that it runs. It returns the
// address that it listens on.
func (in *installation) serve(role, config, says string) (address string, stop func() int) {
	in.t.Helper()
	out, stop := background(in.t, role, "--config", config, "--set", "log.format=json")
	var line struct{ Listen, Admin string }
	if err := json.Unmarshal([]byte(out.line(in.t, says)), &line); err != nil {
		in.t.Fatal(err)
	}
	return line.Listen + line.Admin, stop
}

// kmsConfig and the like write the roles' configurations.
func (in *installation) kmsConfig() string {
	return in.file("kms.yaml", fmt.Sprintf("data: %s/kms\nlisten: 127.0.0.1:0\nmaster_key_file: %s/master\n", in.dir, in.dir))
}

func (in *installation) cloudConfig(authority string) string {
	return in.file("cloud.yaml", fmt.Sprintf("data: %s/cloud\nlisten: 127.0.0.1:0\nkms: {url: 'http://%s', authority: %s}\n", in.dir, in.kms, authority))
}

func (in *installation) connectorConfig(account string) string {
	in.file("password", "password\n")
	return in.file("connector.yaml", fmt.Sprintf(`
data: %[1]s/connector
log: {format: json}
admin: {listen: 127.0.0.1:0}
exchange: {url: '%[2]s', username: svc@example.com, password_file: %[1]s/password}
cloud: {url: 'http://%[3]s', code_file: %[1]s/cloud-code}
kms: {url: 'http://%[4]s', code_file: %[1]s/kms-code}
services:
  - {name: Example Meet, jitsi_url: 'https://meet.example.com', room_url: 'https://vc.example.com/{{user}}'}
safety: {settle: 0s, draft_settle: 0s}
mailboxes:
  - {address: aya@example.com, account: %[5]s}
  - {address: ben@example.com}
`, in.dir, in.exchange.URL, in.cloud, in.kms, account))
}

// start brings all three roles up and enrols the connector.
func (in *installation) start() (admin string, stopConnector func() int) {
	in.t.Helper()
	kms := in.kmsConfig()
	authority := in.word(in.must("kms", "init", "--config", kms), "authority")
	in.kms, _ = in.serve("kms", kms, "key server runs")
	cloud := in.cloudConfig(authority)
	in.cloud, _ = in.serve("cloud", cloud, "cloud runs")
	if again := in.word(in.must("kms", "status", "--config", kms), "authority"); again != authority {
		in.t.Errorf("the authority changed from %s to %s", authority, again)
	}
	in.file("kms-code", in.word(in.must("kms", "enrol", "--config", kms, "--connector", "node"), "code"))
	in.file("cloud-code", in.word(in.must("cloud", "enrol", "--config", cloud, "--connector", "node"), "code")+"\n")
	return in.serve("connector", in.connectorConfig(in.word(in.must("cloud", "enrol", "--config", cloud), "account")), "connector runs")
}

// TestRoles: an installation as the documents describe it decorates a meeting,
// stops in order and goes on after a restart without any code.
func TestRoles(t *testing.T) {
	t.Parallel()
	in := newInstallation(t)
	admin, stop := in.start()
	in.waitActivated(admin)
	in.meeting("First")
	if code := stop(); code != 0 {
		t.Fatalf("the connector stopped with exit code %d", code)
	}
	for _, f := range []string{"kms-code", "cloud-code"} {
		if err := os.Remove(filepath.Join(in.dir, f)); err != nil {
			t.Fatal(err)
		}
	}
	admin, stop = in.serve("connector", filepath.Join(in.dir, "connector.yaml"), "connector runs")
	in.waitActivated(admin)
	in.meeting("Second")
	if code := stop(); code != 0 {
		t.Errorf("the connector stopped with exit code %d", code)
	}
}

// get reads a page of the connector's listener.
func (in *installation) get(url string) (int, string) {
	req, err := http.NewRequestWithContext(in.t.Context(), http.MethodGet, url, nil)
	if err != nil {
		in.t.Fatal(err)
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	res, err := client.Do(req)
	if err != nil {
		in.t.Fatal(err)
	}
	defer res.Body.Close()
	body, _ := io.ReadAll(res.Body)
	return res.StatusCode, string(body)
}

func (in *installation) waitActivated(admin string) {
	in.t.Helper()
	eventually(in.t, "both mailboxes served", func() bool {
		_, metrics := in.get("http://" + admin + "/metrics")
		return strings.Contains(metrics, "\nkoyomi_mailboxes_activated 2\n")
	})
	if code, body := in.get("http://" + admin + "/healthz"); code != 200 {
		in.t.Errorf("health: %d %s", code, body)
	}
}

// meeting saves a meeting with the keyword and waits for its join details.
func (in *installation) meeting(subject string) {
	in.t.Helper()
	client, err := ews.New(ews.Options{URL: in.exchange.URL, Credentials: ews.Credentials{Username: "aya@example.com", Password: ews.NewSecret("password")}})
	if err != nil {
		in.t.Fatal(err)
	}
	defer client.Close()
	start := time.Now().Add(time.Hour)
	made, err := client.As("").CreateItem(in.t.Context(), ews.CreateItemRequest{Items: []ews.CalendarItem{{
		Subject: subject, Location: "@meet", Start: start, End: start.Add(time.Hour),
	}}})
	if err != nil || made[0].Err != nil {
		in.t.Fatal(err, made)
	}
	eventually(in.t, "join details in the meeting", func() bool {
		got, err := client.As("").GetItem(in.t.Context(), ews.CalendarShape(ews.BodyBest), made[0].Item.ItemID.Ref())
		return err == nil && got[0].Err == nil && got[0].Item.Body != nil && strings.Contains(got[0].Item.Body.Content, "https://meet.example.com/")
	})
}

// eventually waits for what other parts bring about. How long it takes decides
// nothing.
func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for range 6000 {
		if is() {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("it did not come to: %s", what)
}

// TestRolesSayWhatIsWrong: whatever is wrong before a role runs ends in one
// sentence that says what to do.
func TestRolesSayWhatIsWrong(t *testing.T) {
	t.Parallel()
	in := newInstallation(t)
	kms := in.kmsConfig()
	if code, _, stderr := call(t, "kms", "status", "--config", kms); code != 1 || !strings.Contains(stderr, "run `koyomi kms init`") {
		t.Errorf("status before the first start: %d %s", code, stderr)
	}
	in.must("kms", "init", "--config", kms)
	in.kms, _ = in.serve("kms", kms, "key server runs")
	in.cloud = in.kms // answers, but is no cloud
	connector := in.connectorConfig("pX2mJ4bq1zTt0m6v8c3k5Q")
	notCode := in.file("no-code", "hello")

	tests := []struct {
		name string
		args []string
		want string
	}{
		{"second key server on the same data", []string{"kms", "--config", kms, "--set", "listen=127.0.0.1:0"}, "settings.db"},
		{"port in use", []string{"kms", "--config", kms, "--set", "data=" + in.dir + "/kms2", "--set", "master_key_file=" + in.dir + "/master2", "--set", "listen=" + in.kms}, "the address is in use by another program"},
		{"no certificate", []string{"kms", "--config", kms, "--set", "listen=0.0.0.0:0"}, "needs a certificate"},
		{"certificate that is not there", []string{"kms", "--config", kms, "--set", "data=" + in.dir + "/kms3", "--set", "master_key_file=" + in.dir + "/master3", "--set", "tls.cert_file=/none.pem", "--set", "tls.key_file=/none.key"}, "/none.pem and /none.key cannot be used"},
		{"master key lost", []string{"kms", "init", "--config", kms, "--set", "master_key_file=" + in.dir + "/other"}, "is missing, and the database cannot be read without it"},
		{"user that is no address", []string{"kms", "enrol", "--config", kms, "aya"}, "a user is named by the primary mail address"},
		{"nobody to enrol", []string{"kms", "enrol", "--config", kms}, "name either a user or a connector"},
		{"nothing configured", []string{"kms", "enrol", "aya@example.com"}, "without --config FILE: master_key_file is missing"},
		{"connector without codes", []string{"connector", "--config", connector}, "kms.code_file: there is no file " + in.dir + "/kms-code"},
		{"connector with another text for a code", []string{"connector", "--config", connector, "--set", "kms.code_file=" + notCode}, "not a one-time code"},
		{"connector without a password", []string{"connector", "--config", connector, "--set", "exchange.password_file=" + in.dir + "/none"}, "exchange.password_file: there is no file"},
		{"connector without a CA file", []string{"connector", "--config", connector, "--set", "exchange.ca_file=" + in.dir + "/none"}, "exchange.ca_file: " + in.dir + "/none cannot be read"},
		{"header too long", []string{"connector", "--config", connector, "--set", "organisation.header=" + strings.Repeat("x", 2000)}, "organisation: "},
	}
	for _, tt := range tests {
		code, _, stderr := call(t, tt.args...)
		if code == 0 || !strings.Contains(stderr, tt.want) || !strings.HasPrefix(stderr, "koyomi: ") || strings.Count(stderr, "\n") != 1 {
			t.Errorf("%s: exit code %d, %s", tt.name, code, stderr)
		}
	}
}

func TestDemoCommand(t *testing.T) {
	t.Parallel()
	code, stdout, stderr := call(t, "demo", "--once", "--listen", "127.0.0.1:0", "--subject", "Board", "--data", t.TempDir())
	var res struct {
		OK      bool
		Subject string
		JoinURL string `json:"join_url"`
	}
	if err := json.Unmarshal([]byte(stdout), &res); err != nil || code != 0 || !res.OK || res.Subject != "Board" || res.JoinURL == "" {
		t.Errorf("exit code %d, %v: %s%s", code, err, stdout, stderr)
	}
	if code, _, stderr := call(t, "demo", "--listen", "0.0.0.0:80"); code != 2 || !strings.HasPrefix(stderr, "koyomi: --listen: ") {
		t.Errorf("exit code %d: %s", code, stderr)
	}
}

// TestConnectorHeals: a wrong password stops nothing but the service; it is
// named, tried no more, and the right one in the file is taken up by itself.
func TestConnectorHeals(t *testing.T) {
	t.Parallel()
	in := newInstallation(t)
	in.exchange.SetPassword("svc@example.com", "another")
	admin, stop := in.start()
	eventually(t, "an alarm about the password", func() bool {
		code, body := in.get("http://" + admin + "/healthz")
		return code == http.StatusServiceUnavailable && strings.Contains(body, `"name":"exchange"`) && strings.Contains(body, "password")
	})
	refused := in.exchange.Refused("svc@example.com")
	if refused == 0 || refused > 2*2 { // each of the two mailboxes may have had a request under way
		t.Errorf("the wrong password was sent %d times", refused)
	}
	in.file("password", "another")
	in.waitActivated(admin)
	in.meeting("After the repair")
	if again := in.exchange.Refused("svc@example.com"); again != refused {
		t.Errorf("the wrong password was sent %d times more", again-refused)
	}
	if code := stop(); code != 0 {
		t.Errorf("the connector stopped with exit code %d", code)
	}
}
