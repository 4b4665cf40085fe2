package systemtest

import (
	"bytes"
	"database/sql"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	_ "modernc.org/sqlite" // to look into the roles' databases without them

	"github.com/koyomi-cal/koyomi/ews"
	"github.com/koyomi-cal/koyomi/internal/systemtest/canary"
)

// restSecrets are what the cloud must not know of a meeting.
func restSecrets(t *testing.T, it *ews.CalendarItem, link string, people ...string) *canary.Scanner {
	t.Helper()
	secrets := []canary.Secret{
		canary.Text("subject", it.Subject), canary.Text("room", strings.TrimPrefix(link, "https://")),
		canary.Time("start", it.Start), canary.Time("end", it.End),
	}
	for _, p := range people {
		secrets = append(secrets, canary.Text("address of "+p, p))
	}
	s, err := canary.New(secrets...)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// restFiles reads what lies in a folder, and demands that it is enough to be
// worth a look.
func restFiles(t *testing.T, dir string, names ...string) map[string][]byte {
	t.Helper()
	files, total := map[string][]byte{}, 0
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		if os.IsNotExist(err) {
			return nil // a journal that was taken in meanwhile
		}
		files[filepath.Base(path)] = data
		total += len(data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if len(files[name]) == 0 {
			t.Errorf("%s: there is nothing in %s", dir, name)
		}
	}
	if total < 64<<10 {
		t.Errorf("%s: only %d bytes were looked at", dir, total)
	}
	return files
}

// restClean looks for the secrets in files.
func restClean(t *testing.T, where string, files map[string][]byte, s *canary.Scanner) {
	t.Helper()
	total, found := 0, 0
	for name, data := range files {
		total += len(data)
		hits := slices.Concat(s.Scan(data), s.Scan([]byte(name)))
		found += len(hits)
		for _, hit := range hits[:min(len(hits), 10)] {
			t.Errorf("%s/%s: %v", where, name, hit)
		}
	}
	t.Logf("%s: %d files, %d bytes, %d secrets", where, len(files), total, found)
}

// restNumbers looks into the tables of a database: an integer that is the start
// or the end in any unit may be stored in fewer bytes than can be searched for.
func restNumbers(t *testing.T, file string, moments ...time.Time) {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+file+"?mode=ro")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	secret := map[int64]bool{}
	for _, m := range moments {
		for _, n := range []int64{m.Unix(), m.UnixMilli(), m.UnixMicro(), m.UnixNano(), m.Unix() / 60, m.UnixNano()/100 + 116444736000000000} {
			secret[n] = true
		}
	}
	cells := 0
	for _, table := range restTables(t, db) {
		restCells(t, db, table, func(column string, value any) {
			cells++
			if n, is := value.(int64); is && secret[n] {
				t.Errorf("%s: %s.%s holds the start or the end", file, table, column)
			}
		})
	}
	if cells < 20 {
		t.Errorf("%s: only %d cells were looked at", file, cells)
	}
}

// restCells goes through all values of a table.
func restCells(t *testing.T, db *sql.DB, table string, each func(column string, value any)) {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), `SELECT * FROM "`+table+`"`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		t.Fatal(err)
	}
	for rows.Next() {
		values, into := make([]any, len(columns)), make([]any, len(columns))
		for i := range values {
			into[i] = &values[i]
		}
		if err := rows.Scan(into...); err != nil {
			t.Fatal(err)
		}
		for i, v := range values {
			each(columns[i], v)
		}
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
}

func restTables(t *testing.T, db *sql.DB) (tables []string) {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), `SELECT name FROM sqlite_master WHERE type = 'table'`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			t.Fatal(err)
		}
		tables = append(tables, name)
	}
	if err := rows.Err(); err != nil || len(tables) < 2 {
		t.Fatalf("%v: tables %v", err, tables)
	}
	return tables
}

// restFind reads the meeting of a subject from a demo's simulator.
func restFind(t *testing.T, endpoint, user, subject string) *ews.CalendarItem {
	t.Helper()
	c, err := ews.New(ews.Options{URL: endpoint, Credentials: ews.Credentials{Username: user, Password: ews.NewSecret(procPassword)}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	found := procCalendar(t, c.As(""))[subject]
	if len(found) != 1 {
		t.Fatalf("%d meetings %q", len(found), subject)
	}
	return &found[0]
}

var demoPeople = []string{"hanako@example.com", "ben@example.com", "ken@example.com"}

// TestDemoOnceLeavesNothing plays the demo's story and looks at what the cloud
// and the connector have on their disks afterwards.
func TestDemoOnceLeavesNothing(t *testing.T) {
	t.Parallel()
	dir, subject := t.TempDir(), "四半期の数字 Tanuki-Zq7"
	before := time.Now()
	var story struct {
		OK      bool    `json:"ok"`
		Block   float64 `json:"seconds_to_join_block"`
		List    float64 `json:"seconds_to_list"`
		Subject string  `json:"subject"`
		JoinURL string  `json:"join_url"`
	}
	procJSON(t, procRun(t, "demo", "--once", "--listen", "127.0.0.1:0", "--data", dir, "--subject", subject), &story)
	if !story.OK || story.Subject != subject || !strings.HasPrefix(story.JoinURL, "https://") || story.Block <= 0 || story.List <= 0 {
		t.Fatalf("the story: %+v", story)
	}
	// The simulator is gone with its calendar: the meeting began in one of these minutes.
	for minute := before.UTC().Truncate(time.Minute); !minute.After(time.Now()); minute = minute.Add(time.Minute) {
		it := &ews.CalendarItem{Subject: subject, Start: minute.Add(4 * time.Minute), End: minute.Add(34 * time.Minute)}
		s := restSecrets(t, it, story.JoinURL, demoPeople...)
		if len(s.Scan([]byte(it.Start.Format(time.RFC3339)+subject+story.JoinURL))) < 3 {
			t.Error("the search would find nothing")
		}
		restClean(t, "cloud", restFiles(t, filepath.Join(dir, "cloud"), "settings.db", "cache.db"), s)
		restClean(t, "connector", restFiles(t, filepath.Join(dir, "connector"), "settings.db", "cache.db"), s)
		restNumbers(t, filepath.Join(dir, "cloud", "cache.db"), it.Start, it.End)
		restNumbers(t, filepath.Join(dir, "connector", "cache.db"), it.Start, it.End)
	}
}

// TestDemoLeavesNothingWhileItRuns looks at the disks of a running demo with a
// whole day in its calendars, journals and all, and once more after its end.
func TestDemoLeavesNothingWhileItRuns(t *testing.T) {
	t.Parallel()
	dir, subject := t.TempDir(), "Vorstandssitzung Tanuki-Zq8"
	demo := procStart(t, "demo", "demo", "--listen", "127.0.0.1:0", "--data", dir, "--subject", subject)
	endpoint := demo.says(`Exchange +(http://\S+)`)[1]
	var meeting *ews.CalendarItem
	procEventually(t, "a join block in the meeting", func() (bool, string) {
		meeting = restFind(t, endpoint, demoPeople[0], subject)
		return procLink(meeting) != "", ""
	})
	s := restSecrets(t, meeting, procLink(meeting), demoPeople...)
	clear, err := json.Marshal(meeting)
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{"subject", "room", "start", "end", "address of " + demoPeople[1]} {
		if !slices.ContainsFunc(s.Scan(clear), func(h canary.Hit) bool { return h.Secret == secret }) {
			t.Errorf("the search does not find the %s where it stands in clear", secret)
		}
	}
	looked := func(when string) {
		for _, role := range []string{"cloud", "connector"} {
			restClean(t, role+" "+when, restFiles(t, filepath.Join(dir, role), "settings.db", "cache.db"), s)
		}
	}
	looked("while it runs")
	demo.stop()
	looked("afterwards")
	restNumbers(t, filepath.Join(dir, "cloud", "cache.db"), meeting.Start, meeting.End)
	restNumbers(t, filepath.Join(dir, "connector", "cache.db"), meeting.Start, meeting.End)
}

// wire is the line to the cloud with somebody who listens: a proxy that keeps
// all that passes, in both directions.
type wire struct {
	mu   sync.Mutex
	sent []wireRequest
	came bytes.Buffer // answers, headers and bodies
}

type wireRequest struct {
	method, target string
	header         http.Header
	body           []byte
}

// tap puts the proxy before the cloud and returns its address.
func (w *wire) tap(t *testing.T, cloud string) string {
	t.Helper()
	target, err := url.Parse(cloud)
	if err != nil {
		t.Fatal(err)
	}
	proxy := httputil.NewSingleHostReverseProxy(target)
	proxy.ModifyResponse = func(r *http.Response) error {
		w.mu.Lock()
		_ = r.Header.Write(&w.came)
		w.mu.Unlock()
		r.Body = &wireBody{r.Body, w}
		return nil
	}
	server := httptest.NewServer(http.HandlerFunc(func(out http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			http.Error(out, "the request broke off", http.StatusBadRequest)
			return
		}
		w.mu.Lock()
		w.sent = append(w.sent, wireRequest{r.Method, r.URL.RequestURI(), r.Header.Clone(), body})
		w.mu.Unlock()
		r.Body, r.Host = io.NopCloser(bytes.NewReader(body)), target.Host
		proxy.ServeHTTP(out, r)
	}))
	t.Cleanup(server.CloseClientConnections)
	t.Cleanup(server.Close)
	return server.URL
}

// wireBody keeps what is read of an answer.
type wireBody struct {
	io.ReadCloser
	w *wire
}

// Read implements io.Reader.
func (b *wireBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.w.mu.Lock()
	defer b.w.mu.Unlock()
	b.w.came.Write(p[:n])
	return n, err
}

// heard returns what passed, by direction.
func (w *wire) heard() (files map[string][]byte, sent []wireRequest) {
	w.mu.Lock()
	defer w.mu.Unlock()
	var out bytes.Buffer
	for _, r := range w.sent {
		fmt.Fprintf(&out, "%s %s\n", r.method, r.target)
		_ = r.header.Write(&out)
		out.Write(r.body)
	}
	return map[string][]byte{"sent": out.Bytes(), "came": bytes.Clone(w.came.Bytes())}, slices.Clone(w.sent)
}

// TestWire listens on the line to the cloud while meetings are made, changed and
// deleted and a device reads the list. Nothing of them is heard; and a cloud that
// says all of it to the key server is given no key.
func TestWire(t *testing.T) {
	t.Parallel()
	line := &wire{}
	s := procInstall(t, procOptions{
		Users: 3, Served: []int{1, 2}, Settle: "100ms", DraftSettle: "1s",
		Cloud: func(address string) string { return line.tap(t, address) },
	})
	box, phone := s.as(1), s.device(1)
	it := procMeeting("Übernahmeangebot Tanuki-Zq9", "@meet", 30, procAddress(2), procAddress(3))
	id, err := procSave(t.Context(), box, it, true)
	if err != nil {
		t.Fatal(err)
	}
	listed := func(n int) {
		procEventually(t, "the list", func() (bool, string) {
			heads := phone.list()[it.Subject]
			return len(heads) == n && (n == 0 || len(heads[0].Join) > 0), fmt.Sprint(len(heads))
		})
	}
	procEventually(t, "a join block", func() (bool, string) {
		read := procItem(t, box, id)
		return procLink(&read) != "", ""
	})
	listed(1)
	read := procItem(t, box, id)
	if _, err := box.Respond(t.Context(), ews.RespondRequest{Action: ews.CancelCalendarItem, Item: read.ItemID}); err != nil {
		t.Fatal(err)
	}
	listed(0)
	s.connector.stop()

	heard, sent := line.heard()
	if len(heard["sent"]) < 10<<10 || len(heard["came"]) < 4<<10 || len(sent) < 8 {
		t.Errorf("only %d requests with %d bytes, and %d bytes of answers, passed", len(sent), len(heard["sent"]), len(heard["came"]))
	}
	scanner := restSecrets(t, &read, procLink(&read), procAddress(1), procAddress(2), procAddress(3))
	restClean(t, "line", heard, scanner)
	wireGetsNoKey(t, s, sent)
}

// wireGetsNoKey says everything that the cloud was told to the key server.
func wireGetsNoKey(t *testing.T, s *procSystem, sent []wireRequest) {
	t.Helper()
	said := 0
	for _, r := range sent {
		for _, op := range []string{"getKeys", "myResources", "ensureResource", "enrol"} {
			if said++; said > 400 {
				break
			}
			req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.kmsURL+"/kms/v1/"+op, bytes.NewReader(r.body))
			if err != nil {
				t.Fatal(err)
			}
			req.Header = r.header.Clone()
			req.Header.Set("Content-Type", "application/json")
			if bearer := r.header.Get("Authorization"); said%2 == 0 {
				req.Header.Set("Authorization", strings.Replace(bearer, "Bearer", "KMS-JWS", 1))
			}
			answer, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			text, err := io.ReadAll(answer.Body)
			answer.Body.Close()
			if err != nil {
				t.Fatal(err)
			}
			if answer.StatusCode < 400 || !bytes.HasPrefix(text, []byte(`{"error"`)) {
				t.Errorf("%s after %s %s: the key server answers %d: %s", op, r.method, r.target, answer.StatusCode, text)
			}
		}
	}
	t.Logf("the key server was told %d things and gave nothing", said)
}
