package systemtest

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"text/template"
	"time"

	"github.com/koyomi-cal/koyomi/ews"
)

// This file is the rig of the tests that run Koyomi as its administrators do: a
// binary, configuration files, one process for each role, codes from the command
// line, everything on loopback with ports that the system picks.

const (
	procPassword = "password"
	procPatience = 60 * time.Second // how long anything may take before a test gives up; it decides nothing else
)

// procSources has the program's sources watched by the test cache: without it, a
// change of a package that no test here imports would leave a cached pass.
func procSources(root string) error {
	return filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (strings.HasPrefix(d.Name(), ".") || d.Name() == "node_modules" || d.Name() == "test-output" || d.Name() == "ui"):
			return fs.SkipDir
		case d.IsDir() || strings.HasSuffix(path, "_test.go"):
			return nil
		}
		_, err = os.Stat(path)
		return err
	})
}

// procDir is where the binary lies while the tests run.
var procDir string

// TestMain takes the binary away again.
func TestMain(m *testing.M) {
	var err error
	if procDir, err = os.MkdirTemp("", "koyomi-systemtest-"); err == nil {
		m.Run()
		err = os.RemoveAll(procDir)
	}
	if err != nil {
		panic(err)
	}
}

// procBuilt builds the program once for all tests that run it.
var procBuilt = sync.OnceValues(func() (string, error) {
	for _, part := range []string{"cmd", "ews", "internal", "go.mod"} {
		if err := procSources(filepath.Join("..", "..", part)); err != nil {
			return "", err
		}
	}
	binary := filepath.Join(procDir, "koyomi")
	build := exec.Command("go", "build", "-o", binary, "../../cmd/koyomi")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	return binary, nil
})

func procBinary(t *testing.T) string {
	t.Helper()
	binary, err := procBuilt()
	if err != nil {
		t.Fatal(err)
	}
	return binary
}

// procRun runs a command of the program to its end and returns what it printed.
func procRun(t *testing.T, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), procPatience)
	defer cancel()
	var stderr bytes.Buffer
	c := exec.CommandContext(ctx, procBinary(t), args...)
	c.Stderr = &stderr
	out, err := c.Output()
	if err != nil {
		t.Fatalf("koyomi %s: %v\n%s", strings.Join(args, " "), err, stderr.String())
	}
	return string(out)
}

// proc is one running process of the program.
type proc struct {
	t    *testing.T
	name string
	cmd  *exec.Cmd
	done chan struct{} // closed when the process is gone
	err  error         // how it ended, after done

	mu    sync.Mutex
	lines []string
	fresh chan struct{} // closed at the next line
}

// procStart starts a process of the program, which ends with the test.
func procStart(t *testing.T, name string, args ...string) *proc {
	t.Helper()
	p := &proc{t: t, name: name, done: make(chan struct{}), fresh: make(chan struct{})}
	p.cmd = exec.Command(procBinary(t), args...)
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	p.cmd.Stdout, p.cmd.Stderr = w, w
	err = p.cmd.Start()
	w.Close()
	if err != nil {
		r.Close()
		t.Fatalf("%s: %v", name, err)
	}
	go func() {
		p.read(r)
		r.Close()
		p.err = p.cmd.Wait()
		close(p.done)
	}()
	t.Cleanup(func() {
		p.kill()
		if t.Failed() {
			t.Logf("%s said at the end:\n%s", name, strings.Join(p.last(25), "\n"))
		}
	})
	return p
}

func (p *proc) read(r io.Reader) {
	in := bufio.NewScanner(r)
	in.Buffer(nil, 4<<20)
	for in.Scan() {
		p.mu.Lock()
		p.lines = append(p.lines, in.Text())
		close(p.fresh)
		p.fresh = make(chan struct{})
		p.mu.Unlock()
	}
	_, _ = io.Copy(io.Discard, r) // a line beyond all measure must not stop the process
}

// last returns the last lines that the process printed.
func (p *proc) last(n int) []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.lines[max(0, len(p.lines)-n):])
}

// await returns the submatches of the n-th line that matches, counted from 1,
// or nil when the process or the context ends first.
func (p *proc) await(ctx context.Context, pattern *regexp.Regexp, n int) []string {
	for seen := 0; ; {
		p.mu.Lock()
		lines, fresh := p.lines[seen:], p.fresh
		seen = len(p.lines)
		p.mu.Unlock()
		for _, line := range lines {
			if m := pattern.FindStringSubmatch(line); m != nil {
				if n--; n == 0 {
					return m
				}
			}
		}
		select {
		case <-fresh:
		case <-p.done:
			return nil
		case <-ctx.Done():
			return nil
		}
	}
}

// says waits for a line and returns its submatches.
func (p *proc) says(pattern string) []string {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), procPatience)
	defer cancel()
	m := p.await(ctx, regexp.MustCompile(pattern), 1)
	if m == nil {
		p.t.Fatalf("%s does not say %q; it said:\n%s", p.name, pattern, strings.Join(p.last(40), "\n"))
	}
	return m
}

// kill ends the process as a power cut would, and waits until it is gone.
func (p *proc) kill() {
	_ = p.cmd.Process.Kill() // it may be gone already
	<-p.done
}

// stop ends the process in order and demands that it says all is well.
func (p *proc) stop() {
	p.t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		p.t.Errorf("%s: %v", p.name, err)
	}
	select {
	case <-p.done:
	case <-time.After(procPatience):
		p.t.Errorf("%s does not stop", p.name)
		p.kill()
	}
	if p.err != nil {
		p.t.Errorf("%s ended with %v:\n%s", p.name, p.err, strings.Join(p.last(20), "\n"))
	}
}

// procOptions say what is installed.
type procOptions struct {
	Dialect     string                  // of the simulator; empty: the default
	Users       int                     // mailboxes of the simulator
	Events      int                     // calendar items that each of them has from the beginning
	Served      []int                   // numbers of the users that the connector serves
	Settle      string                  // quiet time before a write
	DraftSettle string                  // the same for what was not sent
	AbsentSent  string                  // empty: unknown
	Before      func(s *procSystem)     // runs before the connector is started for the first time
	Cloud       func(url string) string // gives the connector another address of the cloud, such as a proxy's
}

// procSystem is an installation: the simulator, the key server, the cloud and a
// connector, each a process of its own.
type procSystem struct {
	t                    *testing.T
	opt                  procOptions
	dir                  string
	exchange, kms, cloud *proc
	connector            *proc // the one that runs now
	ews                  string
	kmsURL, cloudURL     string // as the connector has them
	people               map[int]procPerson
}

// procPerson is a served user: what an administrator would hand out.
type procPerson struct{ Address, Account, CloudCode, KMSCode string }

func procAddress(user int) string { return fmt.Sprintf("user%04d@example.com", user) }

// procInstall installs everything as an administrator would, and starts it. It
// returns when every mailbox is served.
func procInstall(t *testing.T, o procOptions) *procSystem {
	t.Helper()
	s := &procSystem{t: t, opt: o, dir: t.TempDir(), people: map[int]procPerson{}}

	args := []string{"exchange", "--listen", "127.0.0.1:0", "--users", fmt.Sprint(o.Users), "--events", fmt.Sprint(o.Events)}
	if o.Dialect != "" {
		args = append(args, "--dialect", o.Dialect)
	}
	s.exchange = procStart(t, "exchange", args...)
	s.ews = s.exchange.says(`^Exchange simulator .* at (http://\S+)`)[1]

	s.file("kms.yaml", procKMSConfig, map[string]string{"Dir": s.dir})
	authority := s.value(procRun(t, "kms", "init", "-c", s.path("kms.yaml")), "authority")
	s.kms = procStart(t, "kms", "kms", "-c", s.path("kms.yaml"))
	s.kmsURL = "http://" + s.kms.says(`key server runs.* listen=(\S+)`)[1]

	s.file("cloud.yaml", procCloudConfig, map[string]string{"Dir": s.dir, "KMS": s.kmsURL, "Authority": authority})
	s.cloud = procStart(t, "cloud", "cloud", "-c", s.path("cloud.yaml"))
	s.cloudURL = "http://" + s.cloud.says(`cloud runs.* listen=(\S+)`)[1]
	if o.Cloud != nil {
		s.cloudURL = o.Cloud(s.cloudURL)
	}

	s.enrol()
	if o.Before != nil {
		o.Before(s)
	}
	s.start()
	s.served()
	return s
}

// enrol makes the codes of the connector and of every served user, and writes
// the connector's configuration.
func (s *procSystem) enrol() {
	s.t.Helper()
	code := func(file string, args ...string) {
		s.write(file, s.value(procRun(s.t, args...), "code")+"\n")
	}
	code("kms-code", "kms", "enrol", "-c", s.path("kms.yaml"), "--connector", "main")
	code("cloud-code", "cloud", "enrol", "-c", s.path("cloud.yaml"), "--connector", "main")
	s.write("password", procPassword+"\n")
	for _, n := range s.opt.Served {
		at := procRun(s.t, "cloud", "enrol", "-c", s.path("cloud.yaml"))
		s.people[n] = procPerson{
			Address: procAddress(n), Account: s.value(at, "account"), CloudCode: s.value(at, "code"),
			KMSCode: s.value(procRun(s.t, "kms", "enrol", "-c", s.path("kms.yaml"), procAddress(n)), "code"),
		}
	}
	var served []procPerson
	for _, n := range s.opt.Served {
		served = append(served, s.people[n])
	}
	s.file("connector.yaml", procConnectorConfig, map[string]any{
		"Dir": s.dir, "EWS": s.ews, "KMS": s.kmsURL, "Cloud": s.cloudURL, "People": served,
		"Settle": s.opt.Settle, "DraftSettle": s.opt.DraftSettle, "AbsentSent": s.opt.AbsentSent,
	})
}

const procKMSConfig = `data: {{.Dir}}/kms
listen: 127.0.0.1:0
master_key_file: {{.Dir}}/master.key
`

const procCloudConfig = `data: {{.Dir}}/cloud
listen: 127.0.0.1:0
kms:
  url: {{.KMS}}
  authority: {{.Authority}}
`

const procConnectorConfig = `data: {{.Dir}}/connector
log: {level: debug}
admin: {listen: "127.0.0.1:0"}
exchange:
  url: {{.EWS}}
  username: svc@example.com
  password_file: {{.Dir}}/password
{{- with .AbsentSent}}
  absent_counts_as: {{.}}
{{- end}}
cloud: {url: "{{.Cloud}}", code_file: {{.Dir}}/cloud-code}
kms: {url: "{{.KMS}}", code_file: {{.Dir}}/kms-code}
keywords:
  - {word: "@meet", action: onetime}
services:
  - {name: Example Meet, jitsi_url: "https://meet.example.net", room_url: "https://rooms.example.net/{{"{{user}}"}}"}
safety: {settle: {{.Settle}}, draft_settle: {{.DraftSettle}}}
mailboxes:
{{- range .People}}
  - {address: {{.Address}}, account: {{.Account}}}
{{- end}}
`

// start starts the connector, at first or again.
func (s *procSystem) start() {
	s.connector = procStart(s.t, "connector", "connector", "-c", s.path("connector.yaml"))
}

// served waits until every mailbox is served.
func (s *procSystem) served() {
	s.t.Helper()
	admin := s.admin()
	procEventually(s.t, "every mailbox is served", func() (bool, string) {
		n := procMetric(s.t, admin, "koyomi_mailboxes_activated")
		return n == float64(len(s.opt.Served)), fmt.Sprintf("%v of %d", n, len(s.opt.Served))
	})
}

// admin waits for the connector to run and returns its own address.
func (s *procSystem) admin() string {
	s.t.Helper()
	return s.connector.says(`connector runs.* admin=(\S+)`)[1]
}

// procMetric reads one number that a role shows of itself.
func procMetric(t *testing.T, admin, name string) float64 {
	t.Helper()
	status, text := procGet(t, "http://"+admin+"/metrics")
	var value float64
	for line := range strings.Lines(text) {
		if rest, is := strings.CutPrefix(line, name+" "); is {
			if _, err := fmt.Sscan(rest, &value); err == nil {
				return value
			}
		}
	}
	t.Fatalf("no %s among the metrics (status %d)", name, status)
	return 0
}

func procGet(t *testing.T, url string) (status int, text string) {
	t.Helper()
	r, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return r.StatusCode, string(body)
}

// procEventually waits for something that other processes bring about. What is
// missing stands in the failure.
func procEventually(t *testing.T, what string, is func() (bool, string)) {
	t.Helper()
	var missing string
	for deadline := time.Now().Add(procPatience); time.Now().Before(deadline); time.Sleep(25 * time.Millisecond) {
		var ok bool
		if ok, missing = is(); ok {
			return
		}
	}
	t.Fatalf("never came about: %s: %s", what, missing)
}

func (s *procSystem) path(name string) string { return filepath.Join(s.dir, name) }

func (s *procSystem) write(name, text string) {
	s.t.Helper()
	if err := os.WriteFile(s.path(name), []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
}

func (s *procSystem) file(name, text string, data any) {
	s.t.Helper()
	var out strings.Builder
	if err := template.Must(template.New(name).Parse(text)).Execute(&out, data); err != nil {
		s.t.Fatal(err)
	}
	s.write(name, out.String())
}

// value takes the value of a name out of what a command printed.
func (s *procSystem) value(printed, name string) string {
	s.t.Helper()
	for line := range strings.Lines(printed) {
		if f := strings.Fields(line); len(f) == 2 && f[0] == name {
			return f[1]
		}
	}
	s.t.Fatalf("no %s in %q", name, printed)
	return ""
}

// as signs a user in at the simulator, like a calendar program.
func (s *procSystem) as(user int) *ews.Mailbox {
	s.t.Helper()
	c, err := ews.New(ews.Options{URL: s.ews, Credentials: ews.Credentials{Username: procAddress(user), Password: ews.NewSecret(procPassword)}})
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(c.Close)
	return c.As("")
}

// procJSON reads one JSON value.
func procJSON(t *testing.T, text string, into any) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), into); err != nil {
		t.Fatalf("%v in %q", err, text)
	}
}
