package wire

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

// pairs reads a document of two levels with a scanner: name, text and the
// attribute "x" of each child.
func pairs(doc string, lim Limits) (string, error) {
	s := NewScanner([]byte(doc), lim)
	var b strings.Builder
	for s.Child(0) {
		for depth := s.Depth(); s.Child(depth); {
			name, x := s.Name(), s.Attr("x")
			if name == "skip" {
				continue
			}
			text, _ := s.Text()
			fmt.Fprintf(&b, "%s[%s]=%q ", name, x, text)
		}
	}
	return strings.TrimSpace(b.String()), s.Err()
}

func TestScanner(t *testing.T) {
	t.Parallel()
	for doc, want := range map[string]string{
		`<r><a>1</a><p:b x="&lt;2">two &amp; three</p:b></r>`:                     `a[]="1" b[<2]="two & three"`,
		"\uFEFF<?xml version='1.0'?>\n<r> <a/> <skip><a>no</a></skip><c></c></r>": `a[]="" c[]=""`,
		`<r><a>1<!-- x -->2<![CDATA[&amp;]]>&gt;<b>no</b></a></r>`:                `a[]="12&amp;>"`,
		`<r><a> <b>no</b> </a><b p:x='1' yx="2">&#xD83D;&#xDE00;</b ></r>`:        `a[]="" b[1]="😀"`,
		"<r><a>\x00x\x1f&#x1F;&#0; & &nbsp; \xff</a></r>":                         "a[]=\"x\uFFFD\uFFFD & &nbsp; \uFFFD\"",
		`<r/>`: ``,
	} {
		if got, err := pairs(doc, Limits{}); got != want || err != nil {
			t.Errorf("%s: got %s, %v; want %s", doc, got, err, want)
		}
	}
}

func TestScannerErrors(t *testing.T) {
	t.Parallel()
	for doc, want := range map[string]error{
		``: ErrTruncated, `<r><a>1</a>`: ErrTruncated, `<r><a>1`: ErrTruncated, `<r><a x="1`: ErrTruncated, `<r>x`: ErrTruncated,
		`<r><a>1</b></r>`: ErrMalformed, `<r/><r/>`: ErrMalformed, `<!DOCTYPE r><r/>`: ErrMalformed, `<r><a x=1/></r>`: ErrMalformed, `<r/>x`: ErrMalformed,
		`<r>` + strings.Repeat("<a>", 200): ErrTooLarge, `<r>` + strings.Repeat("<a/>", 2000) + `</r>`: ErrTooLarge,
		`<r ` + strings.Repeat(`y="" `, 2000) + `/>`: ErrTooLarge, `<r>` + strings.Repeat("x", 1<<16): ErrTooLarge,
	} {
		if _, err := pairs(doc, Limits{Bytes: 1 << 16, Elements: 1000}); !errors.Is(err, want) {
			t.Errorf("%.40s: got %v, want %v", doc, err, want)
		}
	}
	s := NewScanner([]byte(`<r><a>1</b></r>`), Limits{})
	s.Child(0)
	s.Child(1)
	if text, _ := s.Text(); text != "" || s.Child(0) || s.Tree() != nil || s.Err() == nil {
		t.Error("after an error there must be nothing more")
	}
}

// TestScannerTime: what is split into very many pieces takes a time that grows
// as its size does. Were it the square, this would take minutes.
func TestScannerTime(t *testing.T) {
	t.Parallel()
	doc := "<r><a>" + strings.Repeat("0123456789<!---->", 400_000) + "</a></r>"
	began := time.Now()
	got, err := pairs(doc, Limits{})
	if err != nil || len(got) < 4_000_000 {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	t.Log(time.Since(began))
}

// TestDecoder leaves elements to a decoder that reads some of them, and gives
// them back as a tree.
func TestDecoder(t *testing.T) {
	t.Parallel()
	doc := []byte(`<p:r xmlns:p="u"><list><i n="1"><x>a</x><y/></i><i n="2"/></list><other>t</other></p:r>`)
	root, err := ParseWith(doc, Limits{}, func(s *Scanner, parent string) (any, bool) {
		if parent != "list" {
			return nil, false
		}
		n := s.Attr("n")
		s.Child(s.Depth()) // and leave the rest
		return n, true
	})
	if err != nil || root.Space != "u" || root.Value("other") != "t" {
		t.Fatalf("%v, %+v", err, root)
	}
	for n, e := range root.Child("list").Children {
		if e.Decoded != fmt.Sprint(n+1) || len(e.Children) != 0 {
			t.Errorf("element %d: %+v", n, e)
		}
	}
	s := NewScanner(doc, Limits{})
	for range 3 {
		s.Child(s.Depth())
	}
	if e := s.Tree(); e.Attr("n") != "1" || e.Value("x") != "a" || s.Depth() != 2 {
		t.Errorf("tree %+v, depth %d", e, s.Depth())
	}
}

// FuzzRepair: whatever comes, only legal characters are left, a second repair
// finds nothing to do, and the quick look agrees with the slow one.
func FuzzRepair(f *testing.F) {
	for _, s := range []string{"plain", "\x00\x1f\r\n\r", "\uFEFF\uFEFFx", "\xEF\xBF\xBE\xEF\xBF\xBF", "\xED\xA0\x80", "12345678\x0b", "12345\t\n8\xff"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		dirty := !utf8.Valid(data)
		for _, r := range string(data) {
			dirty = dirty || !legal(r) || r == '\r'
		}
		if clean(data) == dirty {
			t.Errorf("clean says %v of %q", !dirty, data)
		}
		got := repair(data)
		for _, r := range got {
			if !legal(r) || r == '\r' {
				t.Fatalf("%q is left in %q", r, got)
			}
		}
		if !utf8.ValidString(got) || strings.TrimPrefix(got, "\uFEFF") != repair([]byte(got)) {
			t.Errorf("a second repair makes %q of %q", repair([]byte(got)), got)
		}
	})
}
