package cli

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/koyomi-cal/koyomi/internal/bench"
)

// TestBenchAgainstExchangelib: both clients read the same, and the Go one is
// cheaper by more than a machine's mood explains. The full measure is the bench
// itself; timing decides no test.
func TestBenchAgainstExchangelib(t *testing.T) {
	t.Parallel()
	if err := exec.CommandContext(t.Context(), "/usr/bin/python3", "-c", "import exchangelib").Run(); err != nil {
		if os.Getenv("KOYOMI_REQUIRE") != "" {
			t.Fatal("python3-exchangelib is needed and not here; install it with: make deps")
		}
		t.Skip("python3-exchangelib is not here; install it with: make deps")
	}
	var stdout, stderr bytes.Buffer
	code := run(t.Context(), []string{"bench", "ews", "--mailboxes", "4", "--events", "50", "--vs", "exchangelib"}, strings.NewReader(""), &stdout, &stderr, noEnv)
	var r bench.EWSResult
	if err := json.Unmarshal(stdout.Bytes(), &r); code != 0 || err != nil {
		t.Fatalf("exit code %d, %v\n%s", code, err, stderr.String())
	}
	if r.Versus == nil || r.Ratio == nil || r.Koyomi.Items != 200 || r.Versus.Items != 200 || r.Versus.Attendees != r.Koyomi.Attendees {
		t.Errorf("%s", stdout.String())
	}
	t.Logf("items per CPU second: %.0f against %.0f, %.1f times", r.Koyomi.ItemsPerCPUSecond, r.Versus.ItemsPerCPUSecond, r.Ratio.ItemsPerCPUSecond)
}
