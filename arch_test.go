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
	"go/ast"
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
	"ews":         "ews/internal/wire",
	"ews/ewstest": "ews ews/internal/wire",

	// Pure functions.
	"internal/detect":   "internal/calendar",
	"internal/render":   "internal/calendar",
	"internal/presence": "internal/calendar",
	"internal/invite":   "internal/detect",
	"internal/mailbox":  "internal/calendar internal/detect internal/render internal/presence",

	// The premises. The connector sees sources, seal's keys and api's client,
	// never Exchange, the key server or the cloud themselves.
	"internal/exchange":  "ews internal/calendar",
	"internal/meet":      "internal/calendar",
	"internal/directory": "internal/calendar",
	"internal/connector": "internal/mailbox internal/calendar internal/meet internal/seal internal/api internal/store internal/ops",
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

	"internal/demo":              everything,
	"internal/bench":             everything,
	"internal/systemtest":        everything,
	"internal/systemtest/canary": "",
	"internal/cli":               everything,
	"cmd/koyomi":                 "internal/cli",
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
	"internal/exchange":       "ews/ewstest",
	"internal/connector":      "ews ews/ewstest internal/exchange internal/store/sqlite internal/kms internal/cloud internal/detect internal/render",
	"internal/cloud":          "internal/store/sqlite internal/account/accounttest",
	"internal/kms":            "internal/store/sqlite internal/account/accounttest",
	"internal/api":            "internal/cloud internal/store internal/store/sqlite",
	"internal/node":           "ews internal/cloud",
	"internal/cli":            everything,
	"internal/demo":           everything,
	"internal/store/sqlite":   "internal/store/storetest",
	"internal/store/postgres": "internal/store/storetest",
}

// stdlibOnly names the packages without any dependency: the public ones, which
// nobody should pay for, and those that touch keys.
var stdlibOnly = []string{"ews", "ews/internal/wire", "ews/ewstest", "internal/calendar", "internal/seal"}

// pure names the packages without I/O, clock or goroutine.
var pure = []string{
	"internal/calendar", "internal/detect", "internal/render", "internal/presence", "internal/invite", "internal/mailbox",
}

func allowed(table map[string]string, from, to string) bool {
	row := strings.Fields(table[from])
	return slices.Contains(row, everything) || slices.Contains(row, to)
}

func TestImports(t *testing.T) {
	t.Parallel()
	for _, f := range sources(t) {
		if f.Dir == "." {
			continue
		}
		if _, known := edges[f.Dir]; !known {
			t.Errorf("%s: package %s has no row in the import table of arch_test.go", f.Path, f.Dir)
			continue
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
				t.Errorf("%s: %s may not import %s", f.Path, f.Dir, to)
			}
		}
	}
}

func TestStandardLibraryOnly(t *testing.T) {
	t.Parallel()
	for _, f := range sources(t) {
		if f.Test || !slices.Contains(stdlibOnly, f.Dir) {
			continue
		}
		for _, p := range paths(f.AST) {
			if host, _, _ := strings.Cut(p, "/"); strings.Contains(host, ".") && !strings.HasPrefix(p, module+"/") {
				t.Errorf("%s: %s uses the standard library only, not %s", f.Path, f.Dir, p)
			}
			if f.Dir == "ews/ewstest" && path.Base(p) == "testing" {
				t.Errorf("%s: the simulator runs in programs too and may not import %s", f.Path, p)
			}
		}
	}
}

func TestPurePackages(t *testing.T) {
	t.Parallel()
	banned := []string{"net", "net/http", "database/sql", "os", "os/exec", "log", "io/fs", "io/ioutil"}
	clock := []string{"Now", "Since", "Until", "After", "AfterFunc", "Sleep", "NewTimer", "NewTicker", "Tick"}
	for _, f := range sources(t) {
		if f.Test || !slices.Contains(pure, f.Dir) {
			continue
		}
		for _, p := range paths(f.AST) {
			if slices.Contains(banned, p) {
				t.Errorf("%s: %s is pure and may not import %s", f.Path, f.Dir, p)
			}
		}
		ast.Inspect(f.AST, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.GoStmt:
				t.Errorf("%s: %s is pure and may not start a goroutine", f.pos(n.Pos()), f.Dir)
			case *ast.SelectorExpr:
				if name, is := selector(n, "time"); is && slices.Contains(clock, name) {
					t.Errorf("%s: %s is pure and takes the time as an argument, not from time.%s", f.pos(n.Pos()), f.Dir, name)
				}
			}
			return true
		})
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
