package demo

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf16"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const testSubject = "暦の検査 Quarterly-canary-7731"

// playOnce plays the story on data and returns what it printed.
func playOnce(t *testing.T, data string) result {
	t.Helper()
	var out bytes.Buffer
	err := Run(t.Context(), Options{Listen: "127.0.0.1:0", Once: true, Data: data, Subject: testSubject, Out: &out})
	var res result
	if jsonErr := json.Unmarshal(out.Bytes(), &res); err != nil || jsonErr != nil || strings.Count(out.String(), "\n") != 1 {
		t.Fatalf("%v %v: %s", err, jsonErr, out.String())
	}
	return res
}

// TestOnce: the story ends well, each role has its own folder, and the cloud's
// holds nothing that a reader could use. A second run on the same data, which
// finds everybody enrolled, ends as well.
func TestOnce(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	for range 2 {
		res := playOnce(t, data)
		if !res.OK || res.Subject != testSubject || !strings.HasPrefix(res.JoinURL, "https://") || res.Block <= 0 || res.List <= 0 || res.Error != "" {
			t.Errorf("%+v", res)
		}
		for role, files := range map[string][]string{
			"cloud": {"settings.db", "cache.db"}, "kms": {"settings.db", "master.key"}, "connector": {"settings.db", "cache.db"},
		} {
			for _, f := range files {
				if _, err := os.Stat(filepath.Join(data, role, f)); err != nil {
					t.Error(err)
				}
			}
		}
		for _, secret := range []string{testSubject, res.JoinURL, "hanako@example.com", "ben@example.com", "Hanako Tanaka"} {
			for _, name := range find(t, filepath.Join(data, "cloud"), secret) {
				t.Errorf("%s holds %q", name, secret)
			}
			for _, name := range find(t, filepath.Join(data, "connector"), secret) {
				t.Errorf("%s holds %q", name, secret)
			}
		}
	}
	if len(find(t, filepath.Join(data, "cloud"), `"alg":"dir"`)) == 0 {
		t.Error("the search finds nothing that is there for sure")
	}
}

// find returns the files under dir that hold a text in a common encoding.
func find(t *testing.T, dir, text string) []string {
	t.Helper()
	wide := make([]byte, 0, 2*len(text))
	for _, u := range utf16.Encode([]rune(text)) {
		wide = append(wide, byte(u), byte(u>>8))
	}
	forms := [][]byte{[]byte(text), wide, []byte(hex.EncodeToString([]byte(text)))}
	for shift := range 3 { // base64 of the text wherever it begins
		padded := append(make([]byte, shift), text...)
		enc := base64.RawURLEncoding.EncodeToString(padded)
		forms = append(forms, []byte(enc[(shift*8+5)/6:len(enc)-1]))
	}
	var found []string
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := os.ReadFile(name)
		for _, f := range forms {
			if bytes.Contains(content, f) {
				found = append(found, name)
				break
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestListenRefuses(t *testing.T) {
	t.Parallel()
	for _, address := range []string{"", "8480", "0.0.0.0:8480", "192.0.2.1:8480", "127.0.0.1:65533", "127.0.0.1:x", ":8480"} {
		if err := Run(t.Context(), Options{Listen: address, Data: t.TempDir()}); !errors.Is(err, ErrListen) {
			t.Errorf("%q: %v", address, err)
		}
	}
}

// TestPortInUse: with one of the four ports taken, nothing starts and the
// others are free again.
func TestPortInUse(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	_, port, _ := net.SplitHostPort(taken.Addr().String())
	n, _ := strconv.Atoi(port)
	if err := Run(t.Context(), Options{Listen: "127.0.0.1:" + strconv.Itoa(n-3), Data: t.TempDir()}); err == nil || errors.Is(err, ErrListen) {
		t.Errorf("got %v", err)
	}
}

// running is a demo with the links that it printed.
type running struct{ page, app, metrics string }

// start runs the demo until the test ends.
func start(t *testing.T) running {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	out := &watched{text: make(chan string, 1)}
	ended := make(chan error, 1)
	go func() { ended <- Run(ctx, Options{Listen: "127.0.0.1:0", Out: out}) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Errorf("the demo ended with %v", err)
		}
	})
	select {
	case text := <-out.text:
		link := func(label string) string {
			m := regexp.MustCompile(label + ` +(\S+)`).FindStringSubmatch(text)
			if m == nil {
				t.Fatalf("no %q in %s", label, text)
			}
			return m[1]
		}
		return running{link("Calendar and app"), link("The app alone"), link("Health, metrics")}
	case err := <-ended:
		ended <- err
		t.Fatalf("did not start: %v", err)
	}
	return running{}
}

type watched struct{ text chan string }

func (w *watched) Write(p []byte) (int, error) {
	w.text <- string(p)
	return len(p), nil
}

// ask sends a request and decodes the JSON of the answer.
func ask(t *testing.T, method, url string, body, into any, header ...string) int {
	t.Helper()
	var b bytes.Buffer
	if body != nil {
		if err := json.NewEncoder(&b).Encode(body); err != nil {
			t.Fatal(err)
		}
	}
	req, err := http.NewRequestWithContext(t.Context(), method, url, &b)
	if err != nil {
		t.Fatal(err)
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(header); i += 2 {
		if header[i] == "Host" {
			req.Host = header[i+1]
			continue
		}
		req.Header.Set(header[i], header[i+1])
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	res, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if into != nil {
		if err := json.NewDecoder(res.Body).Decode(into); err != nil {
			t.Fatalf("%s %s: %v", method, url, err)
		}
	}
	return res.StatusCode
}

// eventually waits for what other parts of the demo bring about. How long it
// takes decides nothing.
func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for range 3000 {
		if is() {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("it did not come to: %s", what)
}

func TestPageWalksTheRoad(t *testing.T) {
	t.Parallel()
	d := start(t)
	var state stateJSON
	if code := ask(t, "GET", d.page+"/api/state", nil, &state); code != 200 || state.Me.Name != "Hanako Tanaka" || len(state.Users) != 3 || !strings.Contains(state.AppLink, "/#k=kms-") {
		t.Fatalf("%d %+v", code, state)
	}
	if state.AppLink == d.app {
		t.Error("the page hands out a link that was handed out before")
	}
	begin := time.Now().Add(time.Hour).UTC().Truncate(time.Second)
	var made eventJSON
	draft := map[string]any{
		"subject": "Kick-off <now>", "start": begin, "end": begin.Add(30 * time.Minute), "location": "Room 1 ＠Meet",
		"body": "Hello\n\n<b>bold</b> & so on", "attendees": []string{"ben@example.com"},
	}
	if code := ask(t, "POST", d.page+"/api/events", draft, &made); code != 200 || made.Subject != "Kick-off <now>" || !made.Mine || made.Joined || !strings.Contains(made.Body, "&lt;b&gt;bold") {
		t.Fatalf("%d %+v", code, made)
	}
	day := begin.Format(time.DateOnly)
	see := func() (e eventJSON) {
		var list struct{ Events []eventJSON }
		ask(t, "GET", d.page+"/api/events?days=1&day="+day, nil, &list)
		for _, x := range list.Events {
			if x.UID == made.UID {
				return x
			}
		}
		return e
	}
	eventually(t, "join details in the invitation", func() bool { return see().Joined })
	if e := see(); !strings.HasPrefix(e.JoinURL, jitsiURL) || !strings.Contains(e.Body, "&lt;b&gt;bold") {
		t.Errorf("%+v", e)
	}
	mails := func(kind string) (n int) {
		var list struct{ Messages []messageJSON }
		ask(t, "GET", d.page+"/api/inbox?user=BEN@example.com", nil, &list)
		for _, m := range list.Messages {
			if strings.HasSuffix(m.Subject, made.Subject) && m.Kind == kind {
				n++
			}
		}
		return n
	}
	if mails("request") != 1 || mails("update") != 1 {
		t.Errorf("Ben got %d requests and %d updates", mails("request"), mails("update"))
	}
	var held cloudJSON
	eventually(t, "sealed entries in the cloud", func() bool {
		ask(t, "GET", d.page+"/api/cloud", nil, &held)
		return held.Items > 10 && held.Cursor > 0 && held.Last.Bytes > 1000
	})

	var moved eventJSON
	change := map[string]any{"subject": "Kick-off, moved", "start": begin.Add(time.Hour), "end": begin.Add(90 * time.Minute)}
	if code := ask(t, "PATCH", d.page+"/api/events/"+escape(see().ID), change, &moved); code != 200 || moved.Subject != "Kick-off, moved" || !moved.Start.Equal(begin.Add(time.Hour)) || !moved.Joined {
		t.Errorf("%d %+v", code, moved)
	}
	if code := ask(t, "DELETE", d.page+"/api/events/"+escape(moved.ID), nil, &struct{}{}); code != 200 {
		t.Errorf("delete: %d", code)
	}
	if e := see(); e.ID != "" {
		t.Errorf("still there: %+v", e)
	}
	var gone struct {
		Error struct{ Code, Message string }
	}
	if code := ask(t, "DELETE", d.page+"/api/events/"+escape(moved.ID), nil, &gone); code < 400 || gone.Error.Message == "" {
		t.Errorf("deleted twice: %d %+v", code, gone)
	}
}

// TestPageRemovesWhatHasNoGuests: there is nobody to tell.
func TestPageRemovesWhatHasNoGuests(t *testing.T) {
	t.Parallel()
	d := start(t)
	begin := time.Now().Add(time.Hour)
	var made eventJSON
	if code := ask(t, "POST", d.page+"/api/events", map[string]any{"subject": "Alone", "start": begin, "end": begin.Add(time.Hour)}, &made); code != 200 || made.ID == "" {
		t.Fatalf("%d %+v", code, made)
	}
	if code := ask(t, "DELETE", d.page+"/api/events/"+escape(made.ID), nil, nil); code != 200 {
		t.Errorf("delete: %d", code)
	}
	if code := ask(t, "DELETE", d.page+"/api/events/"+escape(made.ID), nil, nil); code < 400 {
		t.Errorf("deleted twice: %d", code)
	}
}

func escape(id string) string {
	return strings.NewReplacer("/", "%2F", "+", "%2B", "=", "%3D").Replace(id)
}

func TestPageRefuses(t *testing.T) {
	t.Parallel()
	d := start(t)
	now := time.Now()
	tests := []struct {
		name, method, path string
		body               any
		header             []string
		want               int
	}{
		{"foreign page", "POST", "/api/events", map[string]any{}, []string{"Origin", "https://evil.example"}, http.StatusForbidden},
		{"foreign name", "GET", "/api/state", nil, []string{"Host", "evil.example"}, http.StatusMisdirectedRequest},
		{"own page", "GET", "/api/cloud", nil, []string{"Origin", d.page}, http.StatusOK},
		{"no day", "GET", "/api/events", nil, nil, http.StatusBadRequest},
		{"too many days", "GET", "/api/events?day=2026-01-01&days=400", nil, nil, http.StatusBadRequest},
		{"form", "POST", "/api/events", "text", nil, http.StatusBadRequest},
		{"nothing", "POST", "/api/events", map[string]any{}, nil, http.StatusBadRequest},
		{"end before start", "POST", "/api/events", map[string]any{"subject": "x", "start": now, "end": now.Add(-time.Hour)}, nil, http.StatusBadRequest},
		{"a form of a page elsewhere", "POST", "/api/events", map[string]any{}, []string{"Content-Type", "text/plain"}, http.StatusUnsupportedMediaType},
		{"start alone", "PATCH", "/api/events/x", map[string]any{"start": now}, nil, http.StatusBadRequest},
		{"too large", "POST", "/api/events", map[string]any{"body": strings.Repeat("x", maxRequest)}, nil, http.StatusBadRequest},
		{"unknown item", "PATCH", "/api/events/x", map[string]any{"subject": "x"}, nil, http.StatusBadGateway},
	}
	for _, tt := range tests {
		if code := ask(t, tt.method, d.page+tt.path, tt.body, nil, tt.header...); code != tt.want {
			t.Errorf("%s: %d, want %d", tt.name, code, tt.want)
		}
	}
	if code := ask(t, "GET", strings.TrimSuffix(d.metrics, "/metrics")+"/healthz", nil, nil); code != 200 {
		t.Errorf("health: %d", code)
	}
	if code := ask(t, "GET", d.metrics, nil, nil, "Host", "evil.example"); code != http.StatusMisdirectedRequest {
		t.Errorf("metrics under a foreign name: %d", code)
	}
}

// TestDay: whatever the hour, the first meeting begins within minutes and
// nothing lies outside the window that is shown.
func TestDay(t *testing.T) {
	t.Parallel()
	for hour := range 24 * 7 {
		now := time.Date(2026, 11, 23, 0, 59, 59, 0, time.UTC).Add(time.Duration(hour) * time.Hour)
		entries := day(now, "")
		if wait := entries[0].item.Start.Sub(now); wait < 5*time.Minute || wait > 8*time.Minute || !strings.Contains(entries[0].item.Location, "@meet") {
			t.Errorf("%v: the first meeting begins in %v", now, wait)
		}
		for _, e := range entries {
			it := e.item
			if !it.End.After(it.Start) || it.Start.Before(now.Add(-24*time.Hour)) || it.Start.After(now.Add(9*24*time.Hour)) {
				t.Errorf("%v: %q from %v to %v", now, it.Subject, it.Start, it.End)
			}
			if r := it.Recurrence; r != nil && fmt.Sprint(it.Start.Weekday()) != r.DaysOfWeek[0] && len(r.DaysOfWeek) == 1 {
				t.Errorf("%v: %q begins on a %v and recurs on %v", now, it.Subject, it.Start.Weekday(), r.DaysOfWeek)
			}
		}
	}
	if got := day(time.Now(), "mine")[0].item.Subject; got != "mine" {
		t.Errorf("subject %q", got)
	}
}
