package bench

import (
	"bufio"
	"bytes"
	"context"
	_ "embed" // the Python client's script
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

// EWSOptions say what is measured. Program, Mailboxes and Events are required.
type EWSOptions struct {
	Program   string // this command, which plays the simulator and the measured client
	Mailboxes int
	Events    int    // calendar items in each mailbox
	Attendees int    // of each item; default 5
	Workers   int    // mailboxes read at once; default 2
	Batch     int    // items in one GetItem; default 25
	Plain     bool   // answers are not packed
	Versus    string // "exchangelib" or ""
	Python    string // interpreter that has exchangelib; default /usr/bin/python3
	Progress  io.Writer
}

// EWSResult is what [EWS.Run] found out.
type EWSResult struct {
	Mailboxes int     `json:"mailboxes"`
	Events    int     `json:"events"`
	Attendees int     `json:"attendees"`
	Koyomi    Result  `json:"koyomi"`
	Versus    *Result `json:"versus,omitempty"`
	// Ratio says how many times the other client's work Koyomi's does.
	Ratio *Ratio `json:"ratio,omitempty"`
}

// Ratio compares two results.
type Ratio struct {
	ItemsPerCPUSecond float64 `json:"items_per_cpu_second"`
	ItemsPerSecond    float64 `json:"items_per_second"`
	RSSBytes          float64 `json:"rss_bytes"` // below 1: Koyomi needs less
}

// EWS measures the Exchange client against the simulator.
type EWS struct{ opt EWSOptions }

// NewEWS returns a measurement that [EWS.Run] carries out.
func NewEWS(o EWSOptions) *EWS {
	def := func(v *int, d int) {
		if *v <= 0 {
			*v = d
		}
	}
	def(&o.Attendees, 5)
	def(&o.Workers, 2)
	def(&o.Batch, 25)
	if o.Python == "" {
		o.Python = "/usr/bin/python3"
	}
	if o.Progress == nil {
		o.Progress = io.Discard
	}
	return &EWS{opt: o}
}

//go:embed exchangelib.py
var exchangelibScript string

// Run starts the simulator, measures, and stops it.
func (b *EWS) Run(ctx context.Context) (EWSResult, error) {
	o := b.opt
	if o.Versus == "exchangelib" {
		if out, err := exec.CommandContext(ctx, o.Python, "-c", "import exchangelib").CombinedOutput(); err != nil {
			return EWSResult{}, fmt.Errorf("exchangelib is not there for %s; on Debian install python3-exchangelib: %s", o.Python, lastLine(out))
		}
	}
	server, err := b.simulator(ctx)
	if err != nil {
		return EWSResult{}, err
	}
	defer server.stop()
	r := EWSResult{Mailboxes: o.Mailboxes, Events: o.Events, Attendees: o.Attendees}
	args := []string{"bench", "ews-client", "--url", server.url, "--mailboxes", strconv.Itoa(o.Mailboxes),
		"--workers", strconv.Itoa(o.Workers), "--batch", strconv.Itoa(o.Batch)}
	if o.Plain {
		args = append(args, "--plain")
	}
	if r.Koyomi, err = b.measure(ctx, server, o.Program, args...); err != nil || o.Versus == "" {
		return r, err
	}
	other, err := b.measure(ctx, server, o.Python, "-c", exchangelibScript, server.url, strconv.Itoa(o.Mailboxes), simulatorUser, simulatorPassword)
	if err != nil {
		return r, err
	}
	r.Versus = &other
	if other.Items != r.Koyomi.Items || other.Attendees != r.Koyomi.Attendees {
		return r, fmt.Errorf("the clients did not read the same: %d items with %d attendees against %d with %d",
			r.Koyomi.Items, r.Koyomi.Attendees, other.Items, other.Attendees)
	}
	r.Ratio = &Ratio{
		ItemsPerCPUSecond: quotient(r.Koyomi.ItemsPerCPUSecond, other.ItemsPerCPUSecond),
		ItemsPerSecond:    quotient(r.Koyomi.ItemsPerSecond, other.ItemsPerSecond),
		RSSBytes:          quotient(float64(r.Koyomi.RSSBytes), float64(other.RSSBytes)),
	}
	return r, nil
}

func quotient(a, b float64) float64 {
	if b == 0 {
		return 0
	}
	return a / b
}

// The simulator's account; its password is known to everybody.
const (
	simulatorUser     = "svc@example.com"
	simulatorPassword = "password"
)

// simulator is the other process.
type simulator struct {
	cmd *exec.Cmd
	url string
	out io.Closer
}

// startTime is how long the simulator may take to invent its mailboxes.
const startTime = 5 * time.Minute

func (b *EWS) simulator(ctx context.Context) (*simulator, error) {
	o := b.opt
	fmt.Fprintf(o.Progress, "simulator: %d mailboxes with %d items of %d attendees each\n", o.Mailboxes, o.Events, o.Attendees)
	cmd := command(ctx, o.Program, "exchange", "--listen", "127.0.0.1:0", "--users", strconv.Itoa(o.Mailboxes),
		"--events", strconv.Itoa(o.Events), "--attendees", strconv.Itoa(o.Attendees))
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("the simulator cannot be started: %w", err)
	}
	s := &simulator{cmd: cmd, out: out}
	slow := time.AfterFunc(startTime, func() { s.stop() })
	defer slow.Stop()
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if _, url, found := strings.Cut(lines.Text(), " at http"); found {
			s.url = "http" + url
			go io.Copy(io.Discard, out) //nolint:errcheck // ends with the process
			return s, nil
		}
	}
	s.stop()
	return nil, fmt.Errorf("the simulator did not start: %s", lastLine(stderr.Bytes()))
}

func (s *simulator) stop() {
	_ = s.cmd.Process.Signal(os.Interrupt)
	_ = s.cmd.Wait() // it was told to end; how it does is of no interest
}

// command is a process that is asked to end when ctx does, and made to after a
// while.
func command(ctx context.Context, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 5 * time.Second
	return cmd
}

// measure runs a client, which prints its result, and adds what the server
// used meanwhile.
func (b *EWS) measure(ctx context.Context, server *simulator, name string, args ...string) (Result, error) {
	cmd := command(ctx, name, args...)
	var out, problem bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, io.MultiWriter(b.opt.Progress, &tail{&problem})
	before := cpuOf(server.cmd.Process.Pid)
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			return Result{}, ctx.Err()
		}
		return Result{}, fmt.Errorf("the measured client failed: %s", lastLine(problem.Bytes()))
	}
	var r Result
	if err := json.Unmarshal(out.Bytes(), &r); err != nil {
		return r, fmt.Errorf("the measured client did not print its result: %w", err)
	}
	r.ServerCPUSeconds = (cpuOf(server.cmd.Process.Pid) - before).Seconds()
	r.rates()
	if want := int64(b.opt.Mailboxes) * int64(b.opt.Events); r.Items == 0 && want > 0 {
		return r, errors.New("the measured client read nothing")
	}
	return r, nil
}

// tail keeps the last few kilobytes that are written to it.
type tail struct{ b *bytes.Buffer }

func (t *tail) Write(p []byte) (int, error) {
	if t.b.Len() > 64<<10 {
		t.b.Reset()
	}
	return t.b.Write(p)
}

func lastLine(text []byte) string {
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	return strings.TrimSpace(lines[len(lines)-1])
}
