package ewstest

import (
	"context"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// TestExchangelib lets a client that nobody here wrote use the server
// (Debian: python3-exchangelib).
func TestExchangelib(t *testing.T) {
	t.Parallel()
	const python = "/usr/bin/python3"
	if err := exec.Command(python, "-c", "import exchangelib").Run(); err != nil {
		if os.Getenv("KOYOMI_REQUIRE") != "" {
			t.Fatal("exchangelib is not here: apt-get install python3-exchangelib")
		}
		t.Skip("skipped: python3-exchangelib is not here")
	}
	for _, dialect := range []Dialect{Exchange2019, Exchange2013} {
		t.Run(string(dialect), func(t *testing.T) {
			t.Parallel()
			s := Start(Options{Users: 2, Dialect: dialect})
			defer s.Close()
			s.AddMailbox(room, "Room 1", AsRoom(DefaultRoom()))
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
			defer cancel()
			out, err := exec.CommandContext(ctx, python, "testdata/with_exchangelib.py", s.URL, svc, "password", user1, user2, room).CombinedOutput()
			if err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			if n := strings.Count(string(out), "ok "); n != 18 || len(s.Calls()) < 50 {
				t.Errorf("%d steps and %d calls:\n%s", n, len(s.Calls()), out)
			}
		})
	}
}
