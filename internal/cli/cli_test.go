package cli

import (
	"bytes"
	"context"
	"strings"
	"testing"
)

// call runs the command and returns exit code, standard output and error.
func call(t *testing.T, args ...string) (int, string, string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	code := run(t.Context(), args, strings.NewReader(""), &stdout, &stderr, noEnv)
	return code, stdout.String(), stderr.String()
}

// background runs a command until stop is called, which returns its exit code.
func background(t *testing.T, args ...string) (out *lines, stop func() int) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background()) // t.Context ends before clean-up
	out = &lines{more: make(chan string, 10000)}
	code := make(chan int, 1)
	go func() { code <- run(ctx, args, strings.NewReader(""), out, out, noEnv) }()
	stop = func() int {
		cancel()
		n := <-code
		code <- n
		return n
	}
	t.Cleanup(func() { stop() })
	return out, stop
}

func TestExitCodes(t *testing.T) {
	t.Parallel()
	for args, want := range map[string]int{
		"--help": 0, "version": 0, "version --help": 0, "config kms": 0,
		"": 2, "nothing": 2, "config": 2, "config x": 2, "version -x": 2, "version more": 2,
	} {
		if code, _, stderr := call(t, strings.Fields(args)...); code != want {
			t.Errorf("koyomi %s: exit code %d, want %d (%s)", args, code, want, stderr)
		}
	}
}

func TestErrorsAreOneLine(t *testing.T) {
	t.Parallel()
	for _, args := range []string{"", "nothing", "config", "version -x"} {
		_, stdout, stderr := call(t, strings.Fields(args)...)
		if stdout != "" || strings.Count(stderr, "\n") != 1 || !strings.HasPrefix(stderr, "koyomi: ") {
			t.Errorf("koyomi %s: %q %q", args, stdout, stderr)
		}
	}
}
