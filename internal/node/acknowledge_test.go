package node

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// TestAcknowledge: word left in the data folder is taken once, and recorded.
func TestAcknowledge(t *testing.T) {
	t.Parallel()
	s := newServers(t)
	n, err := Open(t.Context(), s.options)
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	acknowledged := func() (times int) {
		entries, err := n.settings.AuditSince(t.Context(), time.Time{}, 100)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			if e.Action == "breaker.acknowledge" {
				times++
			}
		}
		return times
	}
	for want := range 3 {
		for range 2 { // looked at twice, taken once
			if err := n.takeNote(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if got := acknowledged(); got != want {
			t.Fatalf("acknowledged %d times, want %d", got, want)
		}
		if _, err := os.Stat(filepath.Join(s.options.Data, note)); !errors.Is(err, fs.ErrNotExist) {
			t.Fatalf("the note is still there: %v", err)
		}
		if err := Acknowledge(s.options.Data); err != nil {
			t.Fatal(err)
		}
	}
	if err := Acknowledge(filepath.Join(t.TempDir(), "elsewhere")); err == nil {
		t.Error("word was left in a folder that is not there")
	}
}
