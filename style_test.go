package koyomi_test

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
)

// source is one Go file of the module.
type source struct {
	Path string // from the module's root, with slashes
	Dir  string
	Test bool
	Data []byte
	AST  *ast.File
	set  *token.FileSet
}

func (s source) pos(p token.Pos) token.Position { return s.set.Position(p) }

// tree reads and parses the module once for all tests of this package.
var tree = sync.OnceValues(func() ([]source, error) {
	var out []source
	set := token.NewFileSet()
	err := fs.WalkDir(os.DirFS("."), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if skipped(d.Name()) && name != "." {
				return fs.SkipDir
			}
			return nil
		}
		if path.Ext(name) != ".go" {
			return nil
		}
		data, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		f, err := parse(set, name, data)
		out = append(out, f)
		return err
	})
	return out, err
})

func parse(set *token.FileSet, name string, data []byte) (source, error) {
	file, err := parser.ParseFile(set, name, data, parser.ParseComments)
	return source{
		Path: name, Dir: path.Dir(name), Test: strings.HasSuffix(name, "_test.go"), Data: data, AST: file, set: set,
	}, err
}

// skipped names the folders that hold no source of ours.
func skipped(name string) bool {
	return strings.HasPrefix(name, ".") || slices.Contains([]string{"node_modules", "dist", "testdata", "bin", "test-output"}, name)
}

func sources(t *testing.T) []source {
	t.Helper()
	files, err := tree()
	if err != nil {
		t.Fatal(err)
	}
	if len(files) == 0 {
		t.Fatal("no source found")
	}
	return files
}

// TestPackageComments demands an essay: what the package is for and how it is
// used, in at least three lines.
func TestPackageComments(t *testing.T) {
	t.Parallel()
	longest := map[string]int{}
	for _, f := range sources(t) {
		if f.Test {
			continue
		}
		n := 0
		if f.AST.Doc != nil {
			n = strings.Count(strings.TrimSpace(f.AST.Doc.Text()), "\n") + 1
		}
		longest[f.Dir] = max(longest[f.Dir], n)
	}
	for dir, n := range longest {
		if n < 3 {
			t.Errorf("package %s: its package comment has %d lines; say what it is for and how it is called in at least 3", dir, n)
		}
	}
}

// operations are the twelve of Exchange Web Services that Koyomi uses.
var operations = []string{
	"ConvertId", "GetFolder", "FindItem", "GetItem", "SyncFolderItems", "Subscribe", "GetStreamingEvents", "Unsubscribe",
	"CreateItem", "UpdateItem", "GetUserOofSettings", "GetUserAvailability",
}

// TestOperationsNameTheirSection demands that whoever reads an operation can
// find what the protocol says about it.
func TestOperationsNameTheirSection(t *testing.T) {
	t.Parallel()
	section := regexp.MustCompile(`\[MS-OXW[A-Z]+\]`)
	found := map[string]bool{}
	for _, f := range sources(t) {
		if f.Test || f.Dir != "ews" {
			continue
		}
		for _, d := range f.AST.Decls {
			fn, is := d.(*ast.FuncDecl)
			if !is || fn.Recv == nil || !slices.Contains(operations, fn.Name.Name) {
				continue
			}
			found[fn.Name.Name] = true
			if !section.MatchString(fn.Doc.Text()) && !section.Match(f.Data) {
				t.Errorf("%s: %s does not name its protocol section, such as [MS-OXWSCORE] 3.1.4.4", f.pos(fn.Pos()), fn.Name.Name)
			}
		}
	}
	for _, op := range operations {
		if !found[op] {
			t.Errorf("ews: no method %s", op)
		}
	}
}

var generated = regexp.MustCompile(`(?m)^// Code generated .* DO NOT EDIT\.$`)

// TestFileLength keeps every file readable in one sitting.
func TestFileLength(t *testing.T) {
	t.Parallel()
	const most = 800
	err := fs.WalkDir(os.DirFS("."), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if skipped(d.Name()) && name != "." {
				return fs.SkipDir
			}
			return nil
		}
		if !slices.Contains([]string{".go", ".ts", ".tsx", ".css"}, path.Ext(name)) {
			return nil
		}
		data, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		if n := bytes.Count(data, []byte("\n")); n > most && !generated.Match(data) {
			t.Errorf("%s: %d lines; split what has more than %d", name, n, most)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// lengthRule stops a function long before it becomes a page nobody reads.
func lengthRule(f source) (faults []string) {
	const most = 150
	if generated.Match(f.Data) {
		return nil
	}
	for _, d := range f.AST.Decls {
		fn, is := d.(*ast.FuncDecl)
		if !is {
			continue
		}
		if n := f.pos(fn.End()).Line - f.pos(fn.Pos()).Line; n > most {
			faults = append(faults, fmt.Sprintf("%s: %s has %d lines; split what has more than %d", f.pos(fn.Pos()), fn.Name.Name, n, most))
		}
	}
	return faults
}

// doors are the names that libraries do not use, by package.
var doors = map[string]string{
	"fmt": "Print Printf Println", "os": "Exit", "slog": "Default SetDefault Debug Info Warn Error",
}

// doorRule forbids what takes a decision away from the caller: printing, a
// process-wide logger, ending the process, panics as control flow, and work at
// import time.
func doorRule(f source) (faults []string) {
	if f.Test || strings.HasPrefix(f.Dir, "cmd/") {
		return nil
	}
	if slices.Contains(paths(f.AST), "log") {
		faults = append(faults, fmt.Sprintf("%s: take a *slog.Logger instead of using package log", f.Path))
	}
	ast.Inspect(f.AST, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.FuncDecl:
			if n.Name.Name == "init" && n.Recv == nil {
				faults = append(faults, fmt.Sprintf("%s: no init functions; wire in plain sight", f.pos(n.Pos())))
			}
		case *ast.CallExpr:
			if id, is := n.Fun.(*ast.Ident); is && id.Name == "panic" {
				faults = append(faults, fmt.Sprintf("%s: return an error instead of panicking", f.pos(n.Pos())))
			}
		case *ast.SelectorExpr:
			for pkg, names := range doors {
				if name, is := selector(n, pkg); is && slices.Contains(strings.Fields(names), name) {
					faults = append(faults, fmt.Sprintf("%s: libraries do not use %s.%s", f.pos(n.Pos()), pkg, name))
				}
			}
		}
		return true
	})
	return faults
}

// interfaceRule keeps interfaces at the consumer and small: five methods, and
// twelve for the roles of package store.
func interfaceRule(f source) (faults []string) {
	most := 5
	if f.Test {
		return nil
	}
	if f.Dir == "internal/store" {
		most = 12
	}
	ast.Inspect(f.AST, func(n ast.Node) bool {
		if it, is := n.(*ast.InterfaceType); is && it.Methods.NumFields() > most {
			faults = append(faults, fmt.Sprintf("%s: an interface of %d methods; %d at most", f.pos(n.Pos()), it.Methods.NumFields(), most))
		}
		return true
	})
	return faults
}
