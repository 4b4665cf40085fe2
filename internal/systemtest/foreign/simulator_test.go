package foreign

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/koyomi-cal/koyomi/ews"
)

// What the simulator is known by.
const (
	service  = "svc@example.com"
	password = "password"
)

func user(n int) string { return fmt.Sprintf("user%04d@example.com", n) }

// simulator is `koyomi exchange` in a process of its own.
type simulator struct {
	*process
	url, ca string // ca: a file, where it serves https
}

// startSimulator starts it with further flags.
func startSimulator(t *testing.T, flags ...string) *simulator {
	t.Helper()
	binary, err := built()
	if err != nil {
		t.Fatal(err)
	}
	s := &simulator{}
	args := append([]string{"exchange", "--listen", "127.0.0.1:0", "--users", "3"}, flags...)
	for _, f := range flags {
		if f == "--tls" {
			s.ca = filepath.Join(t.TempDir(), "ca.pem")
			args = append(args, "--ca-out", s.ca)
		}
	}
	s.process = start(t, "koyomi exchange", exec.Command(binary, args...))
	s.url = s.says(t, `at (https?://\S+)`)[1]
	return s
}

// as signs a person in, beside the program under test.
func (s *simulator) as(t *testing.T, address string) *ews.Mailbox {
	t.Helper()
	c, err := ews.New(ews.Options{URL: s.url, CAFile: s.ca, Credentials: ews.Credentials{Username: address, Password: ews.NewSecret(password)}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c.As("")
}

// operations reads the lines of a client's script: "ok NAME" or "FAILED NAME
// WHY", and makes each a test of its own. Every wanted name has to be there.
func operations(t *testing.T, out string, err error, wanted ...string) {
	t.Helper()
	said := map[string]string{}
	for line := range strings.Lines(out) {
		f := strings.SplitN(strings.TrimSpace(line), " ", 3)
		if len(f) >= 2 && (f[0] == "ok" || f[0] == "FAILED") {
			said[f[1]] = strings.TrimSpace(line)
		}
	}
	for _, name := range wanted {
		t.Run(name, func(t *testing.T) {
			if said[name] == "" || strings.HasPrefix(said[name], "FAILED") {
				t.Errorf("operation %s: %q", name, said[name])
			}
		})
	}
	if err != nil || t.Failed() {
		t.Errorf("%v\n%s", err, out)
	}
}

// environment is this process's, with some variables replaced and without proxies.
func environment(pairs ...string) []string {
	env := pairs
	for _, e := range os.Environ() {
		name, _, _ := strings.Cut(e, "=")
		set := strings.HasSuffix(strings.ToLower(name), "_proxy")
		for _, p := range pairs {
			set = set || strings.HasPrefix(p, name+"=")
		}
		if !set {
			env = append(env, e)
		}
	}
	return env
}

func asError(err error) (*ews.Error, bool) { return errors.AsType[*ews.Error](err) }
