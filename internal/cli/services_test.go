package cli

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/koyomi-cal/koyomi/internal/calendar"
	"github.com/koyomi-cal/koyomi/internal/connector"
	"github.com/koyomi-cal/koyomi/internal/meet"
)

func keep(t *testing.T, name, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func testEnv(t *testing.T) *environment {
	t.Helper()
	return &environment{ctx: t.Context(), stderr: t.Output(), stdout: t.Output(), getenv: noEnv}
}

func TestMeetingServicesOfTheConfiguration(t *testing.T) {
	t.Parallel()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	pemKey := string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)}))
	secret := meet.Secret("0123456789abcdef")
	c := connectorConfig{Services: []serviceConfig{
		{Name: "Jitsi", JitsiURL: "https://meet.example.com", JitsiToken: jitsiTokenConfig{AppID: "app", SecretFile: keep(t, "s", "app secret\n")}},
		{Name: "Jitsi RSA", JitsiURL: "https://rsa.example.com", JitsiToken: jitsiTokenConfig{AppID: "app", KeyFile: keep(t, "k", pemKey)}},
		{Name: "Webex", Default: "myroom", Webex: webexServiceConfig{ClientID: "c", ClientSecretFile: keep(t, "c", "x"), RefreshTokenFile: keep(t, "r", "y")}},
		{Name: "BBB", BigBlueButton: bbbServiceConfig{URL: "https://join.example.com", KeyFile: keep(t, "b", "fedcba9876543210")}},
		{Name: "Rooms", RoomURL: "https://bbb.example.com/rooms/{{user}}", RoomProvider: "bigbluebutton"},
	}}
	if err := c.checkServices(); err != nil {
		t.Fatal(err)
	}
	all, err := c.meetServices(testEnv(t), secret, connector.Ledger{})
	if err != nil || len(all) != 5 {
		t.Fatalf("%d services, %v", len(all), err)
	}
	ann := calendar.Mailbox{ID: "mb-ann", Address: "ann@example.com"}
	for _, i := range []int{0, 1, 3} {
		d, err := all[i].Join(t.Context(), meet.Request{Mailbox: ann, Key: "k"})
		if err != nil {
			t.Fatal(err)
		}
		if link, err := all[i].(meet.Moderated).Enter(meet.Entrance{Mailbox: ann, URL: d.URL, Until: time.Now()}); err != nil || !strings.HasPrefix(link, d.URL+"?") {
			t.Errorf("%s: link %s, %v", c.Services[i].Name, link, err)
		}
	}
	if k := all[2].(meet.Keeping); k.Keeps("default") != nil || k.Keeps("onetime") == nil {
		t.Error("Webex keeps the wrong meetings")
	}
	d, err := all[4].Join(t.Context(), meet.Request{Mailbox: ann})
	if err != nil || d.Kind != "bigbluebutton" {
		t.Errorf("rooms %+v, %v", d.JoinMethod, err)
	}
	rules := c.detectRules()
	if len(rules.Rooms) != 2 || rules.Rooms[0].Prefix != "https://join.example.com/b/" || rules.Rooms[1].Provider != "bigbluebutton" {
		t.Errorf("rooms for detection %+v", rules.Rooms)
	}
	c.Services[2].Webex.RefreshTokenFile = "/nowhere"
	if _, err := c.meetServices(testEnv(t), secret, connector.Ledger{}); err == nil || !strings.Contains(err.Error(), "webex.refresh_token_file") {
		t.Errorf("error %v", err)
	}
}

func TestMeetingServicesThatCannotWork(t *testing.T) {
	t.Parallel()
	for want, s := range map[string]serviceConfig{
		"three services":     {JitsiURL: "https://x", Webex: webexServiceConfig{ClientID: "c"}},
		"needs jitsi_url":    {JitsiToken: jitsiTokenConfig{AppID: "a"}},
		"either secret_file": {JitsiURL: "https://x", JitsiToken: jitsiTokenConfig{AppID: "a"}},
		"refresh_token_file": {Webex: webexServiceConfig{ClientID: "c"}},
		"needs key_file":     {BigBlueButton: bbbServiceConfig{URL: "https://x"}},
		"http is refused":    {BigBlueButton: bbbServiceConfig{URL: "http://join.example.com", KeyFile: "k"}},
	} {
		c := connectorConfig{Services: []serviceConfig{s}}
		if err := c.checkServices(); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "entry 1") {
			t.Errorf("%s: %v", want, err)
		}
	}
}

func TestCheckOfMeetingServices(t *testing.T) {
	t.Parallel()
	webex := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/v1/access_token" || r.FormValue("refresh_token") != "good" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		fmt.Fprint(w, `{"access_token":"a","expires_in":3600}`)
	}))
	defer webex.Close()
	entry := func(name, token string) serviceConfig {
		return serviceConfig{Name: name, Webex: webexServiceConfig{
			URL: webex.URL + "/v1", ClientID: "c", ClientSecretFile: keep(t, "c", "x"), RefreshTokenFile: keep(t, "r", token),
		}}
	}
	c := connectorConfig{Services: []serviceConfig{
		entry("Good", "good"), entry("Bad", "bad"), {Name: "Meet", JitsiURL: "https://meet.example.com"},
		{Name: "Unread", BigBlueButton: bbbServiceConfig{URL: "https://join.example.com", KeyFile: "/nowhere"}},
	}}
	steps := c.serviceSteps(testEnv(t), english)
	if len(steps) != 4 || !steps[0].OK || steps[1].OK || !steps[2].OK || steps[3].OK {
		t.Fatalf("steps %+v", steps)
	}
	if !strings.Contains(steps[1].Cause, "refresh token") || strings.Contains(fmt.Sprint(steps), "bad") || !strings.Contains(steps[3].Cause, "/nowhere") {
		t.Errorf("steps %+v", steps)
	}
}

func TestJoinCommand(t *testing.T) {
	t.Parallel()
	bbb := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasSuffix(r.URL.Path, "/create") || len(r.URL.Query().Get("checksum")) != 128 {
			t.Errorf("call %s", r.URL)
		}
		fmt.Fprint(w, "<response><returncode>SUCCESS</returncode><createTime>1531155809613</createTime></response>")
	}))
	defer bbb.Close()
	c := joinConfig{
		Listen: "127.0.0.1:0", URL: "https://join.example.com", KeyFile: keep(t, "k", "fedcba9876543210"), PerCaller: 3, PerMeeting: 1000,
		BBB: joinBBBConfig{URL: bbb.URL + "/bigbluebutton/api", SecretFile: keep(t, "s", "secret"), Checksum: "sha512"},
	}
	if err := c.check(); err != nil {
		t.Fatal(err)
	}
	door, err := c.door(testEnv(t))
	if err != nil {
		t.Fatal(err)
	}
	rooms, err := meet.NewBigBlueButton("B", meet.BigBlueButtonConfig{URL: c.URL, Key: meet.Secret("fedcba9876543210"), Secret: meet.Secret("0123456789abcdef")})
	if err != nil {
		t.Fatal(err)
	}
	d, err := rooms.Join(t.Context(), meet.Request{Key: "k"})
	if err != nil {
		t.Fatal(err)
	}
	codes := map[int]int{}
	for range 5 {
		r := httptest.NewRequest(http.MethodPost, d.URL, strings.NewReader(url.Values{"name": {"Ann"}}.Encode()))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.RemoteAddr = "192.0.2.7:1234"
		w := httptest.NewRecorder()
		door.Handler().ServeHTTP(w, r)
		codes[w.Code]++
	}
	if codes[http.StatusSeeOther] != 3 || codes[http.StatusTooManyRequests] != 2 {
		t.Errorf("answers %v", codes)
	}
	for want, edit := range map[string]func(*joinConfig){
		"key_file": func(c *joinConfig) { c.KeyFile = "" }, "secret_file": func(c *joinConfig) { c.BBB.SecretFile = "" },
		"per_caller": func(c *joinConfig) { c.PerCaller = 0 }, "certificate": func(c *joinConfig) { c.Listen = "0.0.0.0:1" },
	} {
		wrong := c
		edit(&wrong)
		if err := wrong.check(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
	wrong := c
	wrong.KeyFile = "/nowhere"
	if _, err := wrong.door(testEnv(t)); err == nil {
		t.Error("a door without a key")
	}
}
