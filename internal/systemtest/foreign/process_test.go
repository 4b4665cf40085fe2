package foreign

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// process is a program that runs, in a process group of its own.
type process struct {
	name string
	cmd  *exec.Cmd
	done chan struct{} // closed when it is gone
	err  error         // how it ended, after done

	mu    sync.Mutex
	lines []string
	fresh chan struct{} // closed at the next line
}

// launch starts a program. Whoever launches it ends it.
func launch(name string, c *exec.Cmd) (*process, error) {
	p := &process{name: name, cmd: c, done: make(chan struct{}), fresh: make(chan struct{})}
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	c.Stdout, c.Stderr = w, w
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	err = c.Start()
	w.Close()
	if err != nil {
		r.Close()
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	var reading sync.WaitGroup
	reading.Go(func() { p.read(r) })
	go func() {
		p.err = c.Wait()
		p.signal(syscall.SIGKILL) // whatever it has left behind
		reading.Wait()
		r.Close()
		close(p.done)
	}()
	return p, nil
}

// start starts a program that ends with the test, which shows its last words
// where it fails.
func start(t *testing.T, name string, c *exec.Cmd) *process {
	t.Helper()
	p, err := launch(name, c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		p.end()
		if t.Failed() {
			t.Logf("%s said at the end:\n%s", name, p.last(40))
		}
	})
	return p
}

func (p *process) read(r io.Reader) {
	in := bufio.NewScanner(r)
	in.Buffer(nil, 4<<20)
	for in.Scan() {
		p.mu.Lock()
		p.lines = append(p.lines, in.Text())
		close(p.fresh)
		p.fresh = make(chan struct{})
		p.mu.Unlock()
	}
	_, _ = io.Copy(io.Discard, r) // a line beyond all measure must not stop the program
}

func (p *process) last(n int) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return strings.Join(p.lines[max(0, len(p.lines)-n):], "\n")
}

// says waits for a line and returns its submatches.
func (p *process) says(t *testing.T, pattern string) []string {
	t.Helper()
	want, limit := regexp.MustCompile(pattern), time.After(patience)
	for seen := 0; ; {
		p.mu.Lock()
		lines, fresh := slices.Clone(p.lines[seen:]), p.fresh
		seen = len(p.lines)
		p.mu.Unlock()
		for _, line := range lines {
			if m := want.FindStringSubmatch(line); m != nil {
				return m
			}
		}
		select {
		case <-fresh:
			continue
		case <-p.done:
		case <-limit:
		}
		t.Fatalf("%s does not say %q; it said:\n%s", p.name, pattern, p.last(40))
	}
}

// listens waits until the program takes connections at an address.
func (p *process) listens(address string) error {
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		c, err := net.Dial("tcp", address)
		if err == nil {
			return c.Close()
		}
		select {
		case <-p.done:
			return fmt.Errorf("%s has ended: %v\n%s", p.name, p.err, p.last(40))
		case <-time.After(20 * time.Millisecond):
		}
	}
	return fmt.Errorf("%s does not listen on %s\n%s", p.name, address, p.last(40))
}

// signal reaches the program and all that it has started.
func (p *process) signal(s syscall.Signal) { _ = syscall.Kill(-p.cmd.Process.Pid, s) }

// end asks the program to end, and ends it where it does not.
func (p *process) end() {
	p.signal(syscall.SIGTERM)
	select {
	case <-p.done:
	case <-time.After(5 * time.Second):
		p.signal(syscall.SIGKILL)
		<-p.done
	}
}

// run runs a program to its end and returns what it printed.
func run(t *testing.T, c *exec.Cmd) string {
	t.Helper()
	out, err := runErr(c)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func runErr(c *exec.Cmd) (string, error) {
	var stdout, stderr bytes.Buffer
	c.Stdout, c.Stderr = &stdout, &stderr
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := c.Start(); err != nil {
		return "", err
	}
	late := time.AfterFunc(patience, func() { _ = syscall.Kill(-c.Process.Pid, syscall.SIGKILL) })
	defer late.Stop()
	if err := c.Wait(); err != nil {
		return stdout.String(), fmt.Errorf("%s: %w\n%s%s", strings.Join(c.Args, " "), err, stdout.String(), stderr.String())
	}
	return stdout.String(), nil
}

// eventually waits for something that other programs bring about. What is
// missing stands in the failure.
func eventually(t *testing.T, what string, is func() error) {
	t.Helper()
	missing := errors.New("never looked")
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(25 * time.Millisecond) {
		if missing = is(); missing == nil {
			return
		}
	}
	t.Fatalf("never came about: %s: %v", what, missing)
}

// limited is the test's context with an end.
func limited(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}
