package detect

import (
	"flag"
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

var update = flag.Bool("update", false, "write the table of docs/detection.md anew")

// TestDocument: the table in docs/detection.md is the registry's.
func TestDocument(t *testing.T) {
	t.Parallel()
	const file = "../../docs/detection.md"
	const begin, end = "<!-- providers: written by TestDocument -->\n", "<!-- end of providers -->"
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(data), begin)
	_, after, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatalf("%s has no place for the table", file)
	}
	want := before + begin + documentTable() + end + after
	if *update {
		if err := os.WriteFile(file, []byte(want), 0o600); err != nil {
			t.Fatal(err)
		}
	} else if string(data) != want {
		t.Errorf("the table in %s is not the registry's: run go test ./internal/detect -run TestDocument -update", file)
	}
}

// documentTable writes a row for each provider: the hosts with a meeting, and
// where it stands on hosts of anybody's.
func documentTable() string {
	hosts, own := map[string][]string{}, map[string][]string{}
	for _, p := range providers() {
		if len(p.join)+len(p.room) > 0 {
			hosts[p.name] = append(hosts[p.name], strings.Fields(p.hosts)...)
		}
	}
	for _, p := range selfHosted() {
		words := "any"
		if p.labels != "" {
			words = p.labels
		}
		own[p.name] = append(own[p.name], words)
	}
	var out strings.Builder
	out.WriteString("\n| name | hosts | own hosts |\n|---|---|---|\n")
	for _, name := range Providers() {
		slices.Sort(hosts[name])
		list := slices.Compact(hosts[name])
		for i := range list {
			list[i] = "`" + list[i] + "`"
		}
		slices.Sort(own[name])
		out.WriteString("| " + name + " | " + strings.Join(list, " ") + " | " + strings.Join(slices.Compact(own[name]), "; ") + " |\n")
	}
	out.WriteString("\n")
	return out.String()
}
