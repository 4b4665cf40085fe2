// Package koyomi_test keeps the shape of the module: which package may import
// which, and the few rules of style that a compiler does not check. The table
// below is the design; a new edge is a decision of its own, made here, with
// the reason in the commit.
//
// It reads the sources with packages os and go/parser instead of asking
// "go list": only then does "go test" see which files it depends on and drop a
// cached pass when one of them changes.
package koyomi_test

import (
	"fmt"
	"go/ast"
	"go/token"
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/koyomi-cal/koyomi"

// everything stands for every package of the module that is not wiring.
const everything = "*"

// edges is the import table: package -> what it may import of ours. A package
// that has a folder and no row fails the test. Rows of packages that have no
// folder yet are the plan.
var edges = map[string]string{
	// The shared languages import nothing of ours.
	"internal/calendar": "",
	"ews/internal/wire": "",
	"internal/api":      "",
	"internal/seal":     "",
	"internal/store":    "",
	"internal/web":      "",

	// Strangers must be able to use the client and the simulator.
	"ews":                 "ews/internal/wire ews/internal/ntlm",
	"ews/ewstest":         "ews ews/internal/wire ews/internal/ntlm",
	"ews/internal/ntlm":   "",
	"ews/activedirectory": "ews ews/internal/ntlm",

	// Pure functions.
	"internal/detect":   "internal/calendar",
	"internal/render":   "internal/calendar",
	"internal/presence": "internal/calendar",
	"internal/freebusy": "internal/calendar",
	"internal/invite":   "internal/detect",
	"internal/mailbox":  "internal/calendar internal/detect internal/render internal/presence",

	// The premises. The connector sees sources, seal's keys and api's client,
	// never Exchange, the key server or the cloud themselves.
	"internal/exchange":  "ews ews/activedirectory internal/calendar",
	"internal/meet":      "internal/calendar",
	"internal/directory": "ews/activedirectory",
	"internal/schedule":  "internal/calendar internal/freebusy",
	"internal/connector": "internal/mailbox internal/calendar internal/presence internal/schedule internal/meet internal/seal internal/api internal/store internal/ops",
	"internal/admin":     "internal/connector internal/calendar internal/detect internal/render internal/invite internal/store internal/account internal/ops",
	"internal/room":      "internal/api internal/seal internal/calendar",
	"internal/room/poly": "internal/room internal/calendar ews ews/ewstest",

	// Keys never meet a calendar; the cloud cannot read what it keeps.
	"internal/account":             "internal/store",
	"internal/account/accounttest": "",
	"internal/ops":                 "internal/store",
	"internal/api/relay":           "",
	"internal/kms":                 "internal/seal internal/store internal/account internal/ops internal/api/relay",
	"internal/cloud":               "internal/api internal/api/relay internal/store internal/account internal/ops",

	"internal/store/sqlite":    "internal/store",
	"internal/store/postgres":  "internal/store",
	"internal/store/storetest": "internal/store",

	// Wiring. The node is the connector with its databases, Exchange and the two
	// clients: the command, the demo and the loads start the same thing.
	"internal/node": "internal/connector internal/exchange internal/meet internal/kms internal/api internal/seal internal/store internal/store/sqlite",

	"internal/demo":               everything,
	"internal/bench":              everything,
	"internal/systemtest":         everything,
	"internal/systemtest/canary":  "",
	"internal/systemtest/foreign": everything,
	"internal/cli":                everything,
	"cmd/koyomi":                  "internal/cli",
}

// wiring may only be imported by what is named: nothing depends on the
// command line but the command.
var wiring = map[string][]string{
	"internal/cli":        {"cmd/koyomi"},
	"internal/node":       {"internal/cli", "internal/demo", "internal/bench", "internal/systemtest"},
	"internal/demo":       {"internal/cli", "internal/systemtest"},
	"internal/bench":      {"internal/cli"},
	"internal/systemtest": {},
}

// testEdges is what test files may import beyond their package's own row. The
// conformance suite, its two drivers and the simulator are what tests are made of.
var testEdges = map[string]string{
	"ews":                     "ews/ewstest",
	"ews/activedirectory":     "ews/ewstest",
	"internal/exchange":       "ews/ewstest",
	"internal/schedule":       "ews ews/ewstest internal/exchange",
	"internal/connector":      "ews ews/ewstest internal/exchange internal/store/sqlite internal/kms internal/cloud internal/detect internal/render",
	"internal/cloud":          "internal/store/sqlite internal/account/accounttest",
	"internal/kms":            "internal/store/sqlite internal/account/accounttest",
	"internal/api":            "internal/cloud internal/store internal/store/sqlite",
	"internal/node":           "ews ews/ewstest internal/calendar internal/ops internal/cloud internal/detect internal/mailbox",
	"internal/cli":            everything,
	"internal/demo":           everything,
	"internal/store/sqlite":   "internal/store/storetest",
	"internal/store/postgres": "internal/store/storetest",
}

// stdlibOnly names the packages without any dependency: the public ones, which
// nobody should pay for, and those that touch keys.
var stdlibOnly = []string{"ews", "ews/internal/wire", "ews/internal/ntlm", "ews/ewstest", "internal/calendar", "internal/seal"}

// algorithms names what the standard library lacks and a stdlibOnly package
// may take from golang.org/x: NTLM is built on MD4.
var algorithms = map[string]string{
	"ews":               "golang.org/x/crypto/md4",
	"ews/internal/ntlm": "golang.org/x/crypto/md4",
}

// pure names the packages without I/O, clock or goroutine.
var pure = []string{
	"internal/calendar", "internal/detect", "internal/render", "internal/presence", "internal/freebusy", "internal/invite", "internal/mailbox",
}

func allowed(table map[string]string, from, to string) bool {
	row := strings.Fields(table[from])
	return slices.Contains(row, everything) || slices.Contains(row, to)
}

// rules are what holds for each file by itself. A rule returns what is wrong.
var rules = map[string]func(source) []string{
	"imports": importRule, "standard library": stdlibRule, "purity": pureRule,
	"function length": lengthRule, "side doors": doorRule, "interface size": interfaceRule,
}

func TestRules(t *testing.T) {
	t.Parallel()
	files := sources(t)
	for name, rule := range rules {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, f := range files {
				for _, fault := range rule(f) {
					t.Error(fault)
				}
			}
		})
	}
}

// importRule holds the table above.
func importRule(f source) (faults []string) {
	if f.Dir == "." {
		return nil
	}
	if _, known := edges[f.Dir]; !known {
		return []string{fmt.Sprintf("%s: package %s has no row in the import table of arch_test.go", f.Path, f.Dir)}
	}
	for _, to := range ours(f.AST) {
		if to == f.Dir && f.Test {
			continue // an external test of its own package
		}
		ok := allowed(edges, f.Dir, to) || f.Test && allowed(testEdges, f.Dir, to)
		if users, is := wiring[to]; is && !slices.Contains(users, f.Dir) {
			ok = false
		}
		if !ok {
			faults = append(faults, fmt.Sprintf("%s: %s may not import %s", f.Path, f.Dir, to))
		}
	}
	return faults
}

func stdlibRule(f source) (faults []string) {
	if f.Test || !slices.Contains(stdlibOnly, f.Dir) {
		return nil
	}
	for _, p := range paths(f.AST) {
		if host, _, _ := strings.Cut(p, "/"); strings.Contains(host, ".") && !strings.HasPrefix(p, module+"/") && algorithms[f.Dir] != p {
			faults = append(faults, fmt.Sprintf("%s: %s uses the standard library only, not %s", f.Path, f.Dir, p))
		}
		if f.Dir == "ews/ewstest" && path.Base(p) == "testing" {
			faults = append(faults, fmt.Sprintf("%s: the simulator runs in programs too and may not import %s", f.Path, p))
		}
	}
	return faults
}

func pureRule(f source) (faults []string) {
	banned := []string{"net", "net/http", "database/sql", "os", "os/exec", "log", "io/fs", "io/ioutil"}
	clock := []string{"Now", "Since", "Until", "After", "AfterFunc", "Sleep", "NewTimer", "NewTicker", "Tick"}
	if f.Test || !slices.Contains(pure, f.Dir) {
		return nil
	}
	for _, p := range paths(f.AST) {
		if slices.Contains(banned, p) {
			faults = append(faults, fmt.Sprintf("%s: %s is pure and may not import %s", f.Path, f.Dir, p))
		}
	}
	ast.Inspect(f.AST, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.GoStmt:
			faults = append(faults, fmt.Sprintf("%s: %s is pure and may not start a goroutine", f.pos(n.Pos()), f.Dir))
		case *ast.SelectorExpr:
			if name, is := selector(n, "time"); is && slices.Contains(clock, name) {
				faults = append(faults, fmt.Sprintf("%s: %s is pure and takes the time as an argument, not from time.%s", f.pos(n.Pos()), f.Dir, name))
			}
		}
		return true
	})
	return faults
}

// TestRulesCatch: each rule finds what it is for, and leaves alone what it is
// not for.
func TestRulesCatch(t *testing.T) {
	t.Parallel()
	us := func(p string) string { return "package x\nimport _ \"" + module + "/" + p + "\"" }
	tests := []struct{ rule, path, text, want string }{
		{"imports", "internal/cloud/x.go", us("internal/seal"), "internal/cloud may not import internal/seal"},
		{"imports", "internal/cloud/x_test.go", us("internal/kms"), "internal/cloud may not import internal/kms"},
		{"imports", "internal/kms/x.go", us("internal/calendar"), "internal/kms may not import internal/calendar"},
		{"imports", "internal/connector/x.go", us("ews"), "internal/connector may not import ews"},
		{"imports", "internal/connector/x_test.go", us("ews"), ""},
		{"imports", "ews/x.go", us("internal/calendar"), "ews may not import internal/calendar"},
		{"imports", "internal/demo/x.go", us("internal/cli"), "internal/demo may not import internal/cli"},
		{"imports", "internal/demo/x.go", us("internal/cloud"), ""},
		{"imports", "internal/helper/x.go", "package helper", "package internal/helper has no row"},
		{"imports", "internal/cloud/sub/x.go", "package sub", "package internal/cloud/sub has no row"},
		{"standard library", "ews/x.go", "package x\nimport _ \"golang.org/x/net/html\"", "not golang.org/x/net/html"},
		{"standard library", "ews/ewstest/x.go", "package x\nimport _ \"testing\"", "may not import testing"},
		{"standard library", "internal/detect/x.go", "package x\nimport _ \"golang.org/x/net/html\"", ""},
		{"purity", "internal/mailbox/x.go", "package x\nimport _ \"os\"", "may not import os"},
		{"purity", "internal/mailbox/x.go", "package x\nimport \"time\"\nvar t = time.Now()", "not from time.Now"},
		{"purity", "internal/detect/x.go", "package x\nfunc f() { go f() }", "may not start a goroutine"},
		{"purity", "internal/connector/x.go", "package x\nimport \"time\"\nvar t = time.Now()", ""},
		{"function length", "ews/x.go", "package x\nfunc f() {" + strings.Repeat("\n", 160) + "}", "f has 160 lines"},
		{"side doors", "ews/x.go", "package x\nimport \"fmt\"\nfunc f() { fmt.Println() }", "do not use fmt.Println"},
		{"side doors", "ews/x.go", "package x\nfunc f() { panic(1) }", "instead of panicking"},
		{"side doors", "ews/x.go", "package x\nfunc init() {}", "no init functions"},
		{"side doors", "ews/x.go", "package x\nimport \"log\"\nvar l log.Logger", "*slog.Logger"},
		{"side doors", "internal/cli/x.go", "package x\nimport \"os\"\nfunc f() { os.Exit(1) }", "do not use os.Exit"},
		{"side doors", "cmd/koyomi/x.go", "package main\nimport \"os\"\nfunc f() { os.Exit(1) }", ""},
		{"interface size", "ews/x.go", "package x\ntype I interface { A(); B(); C(); D(); E(); F() }", "an interface of 6 methods"},
		{"interface size", "internal/store/x.go", "package x\ntype I interface { A(); B(); C(); D(); E(); F() }", ""},
	}
	for _, tt := range tests {
		f, err := parse(token.NewFileSet(), tt.path, []byte(tt.text))
		if err != nil {
			t.Fatalf("%s: %v", tt.text, err)
		}
		got := strings.Join(rules[tt.rule](f), "\n")
		if tt.want == "" && got != "" || !strings.Contains(got, tt.want) {
			t.Errorf("%s of %q in %s: got %q, want %q", tt.rule, tt.text, tt.path, got, tt.want)
		}
	}
}

// paths returns the import paths of a file.
func paths(f *ast.File) []string {
	var out []string
	for _, s := range f.Imports {
		if p, err := strconv.Unquote(s.Path.Value); err == nil {
			out = append(out, p)
		}
	}
	return out
}

// ours returns the imports of a file that are of this module, without its path.
func ours(f *ast.File) []string {
	var out []string
	for _, p := range paths(f) {
		if rest, is := strings.CutPrefix(p, module+"/"); is {
			out = append(out, rest)
		}
	}
	return out
}

// selector returns the name selected from the package called pkg.
func selector(n *ast.SelectorExpr, pkg string) (string, bool) {
	if id, is := n.X.(*ast.Ident); is && id.Name == pkg {
		return n.Sel.Name, true
	}
	return "", false
}
