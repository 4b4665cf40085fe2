package cli

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestOperate: while the connector runs, a mailbox is activated, traced,
// exported, deactivated and purged, each by command.
func TestOperate(t *testing.T) {
	t.Parallel()
	in := newInstallation(t)
	in.exchange.AddMailbox("cleo@example.com", "Cleo")
	in.exchange.AddMailbox("shut@example.com", "Shut")
	in.exchange.Deny("shut@example.com")
	admin, _ := in.start()
	in.waitActivated(admin)
	in.meeting("Secret subject of a board")
	config := filepath.Join(in.dir, "connector.yaml")
	list := func(address string) (m listed) {
		var out listing
		if err := json.Unmarshal([]byte(in.must("mailboxes", "list", "--config", config, "--json", address)), &out); err != nil || len(out.Mailboxes) != 1 {
			t.Fatalf("%v: %d mailboxes", err, len(out.Mailboxes))
		}
		return out.Mailboxes[0]
	}

	in.must("mailboxes", "activate", "--config", config, "cleo@example.com", "shut@example.com")
	eventually(t, "an activation that is taken up", func() bool {
		m := list("cleo@example.com")
		return m.State == "activated" && !m.Baseline.IsZero() && !m.Seen.IsZero()
	})
	eventually(t, "a failure with its step and repair", func() bool {
		m := list("shut@example.com")
		return m.State == "error" && m.Step == "impersonate" && m.Cause != "" && strings.Contains(m.Repair, "ApplicationImpersonation")
	})

	if code, got, _ := call(t, "check", "--config", config, "--json", string(list("cleo@example.com").Mailbox)); code != 0 || !strings.Contains(got, "cleo@example.com") {
		t.Errorf("check by short id: %d %s", code, got)
	}

	var tr trace
	eventually(t, "the trace of a write", func() bool {
		tr = trace{}
		err := json.Unmarshal([]byte(in.must("trace", "--config", config, "--json", "aya@example.com")), &tr)
		return err == nil && strings.Contains(in.must("trace", "--config", config, "aya@example.com"), "[inserted]")
	})
	plainText := in.must("trace", "--config", config, "aya@example.com")
	if strings.Contains(plainText, "Secret") {
		t.Error("a subject without being asked for")
	}
	if got := in.must("trace", "--config", config, "--subjects", string(tr.Mailbox)); !strings.Contains(got, "Secret subject of a board") {
		t.Errorf("no subject: %s", got)
	}
	if got := in.must("mailboxes", "history", "--config", config, "aya@example.com"); !strings.Contains(got, "subjects read for a trace") {
		t.Errorf("it is not in the audit record: %s", got)
	}
	id := tr.Meetings[len(tr.Meetings)-1].Meeting
	if got := in.must("trace", "--config", config, "--meeting", id[:8], "--lang", "ja", "aya@example.com"); !strings.Contains(got, "会議 "+id) {
		t.Errorf("one meeting: %s", got)
	}
	if code, _, stderr := call(t, "trace", "--config", config, "--meeting", "none", "aya@example.com"); code != 1 || !strings.Contains(stderr, "no meeting none") {
		t.Errorf("%d %s", code, stderr)
	}

	file := filepath.Join(in.dir, "aya.json")
	in.must("export", "--config", config, "--out", file, "aya@example.com")
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var x exported
	if err := json.Unmarshal(data, &x); err != nil || x.Receipt.Items == 0 || x.Receipt.Trace == 0 || x.Receipt.Entries == 0 || x.Record == nil {
		t.Errorf("%v %+v", err, x.Receipt)
	}
	if strings.Contains(string(data), "Secret") || strings.Contains(string(data), "password") {
		t.Error("the export holds more than it should")
	}

	for _, tt := range [][2]string{{"aya@example.com", "take it out of mailboxes"}, {"cleo@example.com", "deactivate it first"}} {
		if code, _, stderr := call(t, "purge", "--config", config, tt[0]); code != 1 || !strings.Contains(stderr, tt[1]) {
			t.Errorf("%d %s", code, stderr)
		}
	}
	in.must("mailboxes", "deactivate", "--config", config, "cleo@example.com")
	if got := in.must("purge", "--config", config, "cleo@example.com"); !strings.Contains(got, "address, names and owner         removed") {
		t.Errorf("receipt: %s", got)
	}
	if got := in.must("purge", "--config", config, "cleo@example.com"); !strings.Contains(got, "There was nothing to remove.") {
		t.Errorf("the second receipt: %s", got)
	}
}
