package mailbox_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"slices"
	"strconv"
	"testing"

	"github.com/koyomi-cal/koyomi/internal/mailbox"
)

// TestEveryReasonHasASentence reads the constants from the source, so that none
// can be forgotten.
func TestEveryReasonHasASentence(t *testing.T) {
	t.Parallel()
	file, err := parser.ParseFile(token.NewFileSet(), "reason.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	all, n := mailbox.Reasons(), 0
	ast.Inspect(file, func(node ast.Node) bool {
		spec, is := node.(*ast.ValueSpec)
		if !is || len(spec.Values) != 1 {
			return true
		}
		lit, is := spec.Values[0].(*ast.BasicLit)
		if !is || lit.Kind != token.STRING {
			return true
		}
		code, err := strconv.Unquote(lit.Value)
		if err != nil {
			t.Fatal(err)
		}
		n++
		r := mailbox.Reason(code)
		if s := r.Sentence(); s == code || !slices.Contains(all, r) || s[len(s)-1] != '.' {
			t.Errorf("reason %q has no sentence", code)
		}
		return true
	})
	if n < 40 || n != len(all) {
		t.Errorf("%d reasons in the source, %d known", n, len(all))
	}
}
