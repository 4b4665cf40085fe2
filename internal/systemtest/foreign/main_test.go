package foreign

import (
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// patience is how long anything may take before a test gives up.
const patience = 3 * time.Minute

// shared is what all tests have in common: a folder, and what has to end with
// the last of them.
var shared struct {
	dir   string
	mu    sync.Mutex
	ended []func()
}

// TestMain takes away what the tests have in common.
func TestMain(m *testing.M) {
	var err error
	if shared.dir, err = os.MkdirTemp("", "koyomi-foreign-"); err != nil {
		panic(err)
	}
	code := m.Run()
	for _, end := range shared.ended {
		end()
	}
	if err := os.RemoveAll(shared.dir); err != nil {
		panic(err)
	}
	os.Exit(code)
}

// atEnd has something done after the last test.
func atEnd(f func()) {
	shared.mu.Lock()
	defer shared.mu.Unlock()
	shared.ended = append(shared.ended, f)
}

// built is the program, built once. Its sources are looked at so that the test
// cache drops a pass when one of them changes.
var built = sync.OnceValues(func() (string, error) {
	root := filepath.Join("..", "..", "..")
	for _, part := range []string{"cmd", "ews", "internal", "go.mod"} {
		err := filepath.WalkDir(filepath.Join(root, part), func(path string, d fs.DirEntry, err error) error {
			switch {
			case err != nil:
				return err
			case d.IsDir() && (d.Name() == "node_modules" || d.Name() == "test-output" || d.Name() == "ui"):
				return fs.SkipDir
			case d.IsDir() || strings.HasSuffix(path, "_test.go"):
				return nil
			}
			_, err = os.Stat(path)
			return err
		})
		if err != nil {
			return "", err
		}
	}
	binary := filepath.Join(shared.dir, "koyomi")
	if out, err := exec.Command("go", "build", "-o", binary, "../../../cmd/koyomi").CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	return binary, nil
})

// need skips the test where a file is missing, or fails it where everything has
// to run. The name is that of the Debian package.
func need(t *testing.T, pkg string, files ...string) {
	t.Helper()
	for _, f := range files {
		if _, err := os.Stat(f); err != nil {
			notHere(t, fmt.Sprintf("%s (no file %s)", pkg, f))
		}
	}
}

func notHere(t *testing.T, what string) {
	t.Helper()
	if os.Getenv("KOYOMI_REQUIRE") != "" {
		t.Fatalf("%s is needed and not here; install it with: make deps", what)
	}
	t.Skipf("%s is not here; install it with: make deps", what)
}

var hosts atomic.Int32

// newHost returns an address of the loopback network that nobody else uses: it
// holds the number of this process and counts. Servers can have the ports of
// their kind on it, and what connects from 127.0.0.1 takes none of them.
func newHost(t *testing.T) string {
	t.Helper()
	n := hosts.Add(1)
	if n > 254 {
		t.Fatal("too many servers for one run")
	}
	return hostAddress(n)
}

func hostAddress(n int32) string {
	pid := os.Getpid()
	return fmt.Sprintf("127.%d.%d.%d", 64+pid>>8&127, pid&255, n)
}

// write puts a file into a folder and returns its path.
func write(t *testing.T, dir, name, text string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func read(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// readIf reads a file that may not be there yet.
func readIf(path string) string {
	data, _ := os.ReadFile(path)
	return string(data)
}
