package cli

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// TestConfigWhateverStandsInIt: a sample with anything typed into it gives a
// configuration, or one line that names the file.
func TestConfigWhateverStandsInIt(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	sample(&b, "connector", new(connectorConfig))
	name := filepath.Join(t.TempDir(), "koyomi.yaml")
	pieces := []string{"- ", ": ", "\n", "  ", "{", "}", "[", "]", "&x ", "*x", "!!str ", "|", ">", "?", "<<: ", "---\n", "'", "\"", "#", "%", "\t", "\x00", "\xff", "data", "0x1f", "~", "暦"}
	rapid.Check(t, func(t *rapid.T) {
		text := b.String()
		for range rapid.IntRange(0, 6).Draw(t, "edits") {
			from := rapid.IntRange(0, len(text)).Draw(t, "from")
			to := min(len(text), from+rapid.IntRange(0, 40).Draw(t, "cut"))
			text = text[:from] + rapid.SampledFrom(pieces).Draw(t, "piece") + text[to:]
		}
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		err := loadConfig(&connectorConfig{}, name, noEnv, nil)
		if err != nil && (!strings.HasPrefix(err.Error(), name) || strings.Contains(err.Error(), "\n")) {
			t.Fatalf("%q", err)
		}
	})
}
