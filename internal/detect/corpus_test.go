package detect

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// TestCorpus scores the detector against real invitations. They are not part
// of the project: KOYOMI_CORPUS names the folder that holds cases.jsonl and
// score.py. What it shows is also tested from testdata.
func TestCorpus(t *testing.T) {
	t.Parallel()
	dir := os.Getenv("KOYOMI_CORPUS")
	if dir == "" {
		t.Skip("skipped: KOYOMI_CORPUS names no folder")
	}
	data, err := os.ReadFile(filepath.Join(dir, "cases.jsonl"))
	if err != nil {
		t.Skip("skipped: not here")
	}
	var inputs bytes.Buffer
	for line := range bytes.Lines(data) {
		var c struct {
			ID    string         `json:"id"`
			Input map[string]any `json:"input"`
		}
		if err := json.Unmarshal(line, &c); err != nil {
			t.Fatal(err)
		}
		c.Input["id"] = c.ID
		b, err := json.Marshal(c.Input)
		if err != nil {
			t.Fatal(err)
		}
		inputs.Write(append(b, '\n'))
	}
	answers := filepath.Join(t.TempDir(), "answers.jsonl")
	var out bytes.Buffer
	if err := RunJSON(t.Context(), &inputs, &out, nil); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(answers, out.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	score, err := exec.CommandContext(t.Context(), "python3", filepath.Join(dir, "score.py"), answers, "--cases", filepath.Join(dir, "cases.jsonl"), "--worst", "40", "--json").Output()
	if err != nil {
		t.Skipf("skipped: score.py: %v", err)
	}
	first, rest, _ := bytes.Cut(score, []byte("\n"))
	var rate map[string]float64
	if err := json.Unmarshal(first, &rate); err != nil {
		t.Fatalf("%v in %s", err, first)
	}
	for name, least := range map[string]float64{"provider_url_precision": 0.98, "provider_url_recall": 0.96, "negatives_left_alone": 0.97, "sip_recall": 0.95, "meeting_id_recall": 0.95, "passcode_recall": 0.95, "dialin_recall": 0.9, "keyword_recall": 1} {
		t.Logf("%-24s %.4f", name, rate[name])
		if rate[name] < least {
			t.Errorf("%s is %.4f, below %.2f", name, rate[name], least)
		}
	}
	t.Logf("forbidden picks %.0f, pins %.4f, dial-in precision %.4f\n%s", rate["forbidden_picks"], rate["pin_recall"], rate["dialin_precision_where_complete"], rest)
}
