package detect

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestEveryProviderHasAnInvitation: the invented invitations show each name of
// the closed list.
func TestEveryProviderHasAnInvitation(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil {
		t.Fatal(err)
	}
	shown := map[string]bool{}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`(?m)^provider (\S+)$`).FindAllStringSubmatch(string(data), -1) {
			shown[m[1]] = true
		}
	}
	for _, name := range Providers() {
		if !shown[name] {
			t.Errorf("no invented invitation of %s", name)
		}
	}
}

// TestRegistryRows: every row of the table can be read and does something.
func TestRegistryRows(t *testing.T) {
	t.Parallel()
	holders := []string{"{id}", "{room}", "{code}", "{bbb}", "{token}", "{any}", "{talk}", "{lync}"}
	for _, rows := range [][]provider{providers(), selfHosted()} {
		for _, p := range rows {
			shapes := slices.Concat(p.join, p.room)
			for _, n := range p.not {
				shapes = append(shapes, n.shape)
				if n.why == "" {
					t.Errorf("%s %s: refused without a reason", p.name, n.shape)
				}
			}
			if len(shapes) == 0 {
				t.Errorf("%s %s: no shapes", p.name, p.hosts)
			}
			for _, s := range shapes {
				for _, h := range regexp.MustCompile(`\{[^}]*\}?`).FindAllString(s, -1) {
					if !slices.Contains(holders, h) {
						t.Errorf("%s %s: unknown placeholder %s", p.name, s, h)
					}
				}
				if strings.Contains(s, " ") {
					t.Errorf("%s: a blank in %q", p.name, s)
				}
			}
			for host := range strings.FieldsSeq(p.hosts) {
				if problem := hostProblem(host, true); problem != "" {
					t.Errorf("%s %s: %s", p.name, host, problem)
				}
			}
		}
	}
}
