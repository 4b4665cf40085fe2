package wire

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

func parse(t *testing.T, s string) *Element {
	t.Helper()
	e, err := Parse([]byte(s), Limits{})
	if err != nil {
		t.Fatalf("Parse(%.60q): %v", s, err)
	}
	return e
}

func TestParseText(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct{ in, want string }{
		"plain":                      {"<a>x y</a>", "x y"},
		"predefined entities":        {"<a>&lt;&gt;&amp;&quot;&apos;</a>", `<>&"'`},
		"character references":       {"<a>&#65;&#x42;&#x65E5;&#128512;</a>", "AB日😀"},
		"illegal references":         {"<a>a&#x0;b&#x1F;c&#xFFFE;d&#x110000;e</a>", "a\uFFFDb\uFFFDc\uFFFDd\uFFFDe"},
		"lone surrogate":             {"<a>&#xD83D;x</a>", "\uFFFDx"},
		"surrogate pair":             {"<a>&#xD83D;&#xDE00;</a>", "😀"},
		"raw control bytes":          {"<a>a\x00\x01\x0Bb\x1F</a>", "ab"},
		"invalid UTF-8":              {"<a>a\xFFb\xED\xA0\xBDc\xF0\x9F</a>", "a\uFFFDb\uFFFD\uFFFD\uFFFDc\uFFFD\uFFFD"},
		"raw non-characters":         {"<a>\uFFFE\uFFFF</a>", "\uFFFD\uFFFD"},
		"line ends":                  {"<a>1\r\n2\r3\n4&#xD;5</a>", "1\n2\n3\n4\r5"},
		"byte order mark":            {"\uFEFF<?xml version='1.0'?>\n<a>x</a>", "x"},
		"leading white space":        {" \r\n\t<a>x</a>\n ", "x"},
		"CDATA":                      {"<a>1<![CDATA[<b>&amp;]]]>2</a>", "1<b>&amp;]2"},
		"comment and PI":             {"<!-- c --><?pi?><a>1<!-- <x> -->2<?p ?>3</a><!-- end -->", "123"},
		"unknown entity stays":       {"<a>a&nbsp;b</a>", "a&nbsp;b"},
		"bare ampersand stays":       {"<a>Q&A & more; &#x; &#; &;</a>", "Q&A & more; &#x; &#; &;"},
		"empty":                      {"<a/>", ""},
		"white space kept in leaves": {"<a>  </a>", "  "},
		"white space between dropped": {
			"<a>\n <b/>\n <b/>\n</a>", ""},
		"mixed content kept": {"<a>x<b/>y</a>", "xy"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := parse(t, tc.in).Text; got != tc.want {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}

func TestParseNamespaces(t *testing.T) {
	t.Parallel()
	e := parse(t, `<s:E xmlns:s="urn:s" xmlns="urn:d" a="1" s:b='2' xml:lang="en"><x xmlns="urn:i"/><y/><z xmlns=""/><u:v/></s:E>`)
	if !e.Is("urn:s", "E") {
		t.Errorf("root is {%s}%s", e.Space, e.Name)
	}
	want := []Attr{{"", "a", "1"}, {"urn:s", "b", "2"}, {NSXML, "lang", "en"}}
	if !slices.Equal(e.Attrs, want) {
		t.Errorf("attributes %v, want %v", e.Attrs, want)
	}
	var got []string
	for _, c := range e.Children {
		got = append(got, c.Space+" "+c.Name)
	}
	if want := []string{"urn:i x", "urn:d y", " z", "u v"}; !slices.Equal(got, want) {
		t.Errorf("children %q, want %q", got, want)
	}
}

func TestElementReaders(t *testing.T) {
	t.Parallel()
	e := parse(t, `<a><b n="1"><c>x</c></b><b n="2"/><d/></a>`)
	if got := e.Value("b", "c"); got != "x" {
		t.Errorf("Value = %q", got)
	}
	if got := e.Value("b", "nothing", "c"); got != "" {
		t.Errorf("Value of nothing = %q", got)
	}
	var ns []string
	for b := range e.All("b") {
		ns = append(ns, b.Attr("n"))
	}
	if !slices.Equal(ns, []string{"1", "2"}) {
		t.Errorf("All = %v", ns)
	}
	for range e.All("b") {
		break
	}
	var none *Element
	if none.Child("x") != nil || none.Value() != "" || none.Attr("x") != "" || none.Body() != nil || none.Is("", "") {
		t.Error("the readers must work on nil")
	}
	for range none.All("x") {
		t.Error("a child of nil")
	}
	if e.Body() != nil {
		t.Error("Body of something that is no envelope")
	}
}

func TestParseErrors(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		in   string
		want error
	}{
		"nothing":             {"", ErrTruncated},
		"white space":         {" \n", ErrTruncated},
		"no end":              {"<a><b>x</b>", ErrTruncated},
		"cut in a tag":        {"<a><b", ErrTruncated},
		"cut in an attribute": {`<a b="1`, ErrTruncated},
		"cut after a name":    {`<a b`, ErrTruncated},
		"cut after equals":    {`<a b=`, ErrTruncated},
		"cut in an end tag":   {"<a></a", ErrTruncated},
		"cut after a slash":   {"<a/", ErrTruncated},
		"cut in a comment":    {"<a><!-- x", ErrTruncated},
		"cut in a comment's start": {
			"<a><!-", ErrTruncated},
		"cut in CDATA":       {"<a><![CDATA[x", ErrTruncated},
		"text":               {"401 Unauthorized", ErrMalformed},
		"doctype":            {`<!DOCTYPE a [<!ENTITY x "y">]><a>&x;</a>`, ErrMalformed},
		"wrong end":          {"<a></b>", ErrMalformed},
		"end first":          {"</a>", ErrMalformed},
		"two roots":          {"<a/><b/>", ErrMalformed},
		"text after":         {"<a/>=== Truncated Data ===", ErrMalformed},
		"text before":        {"x<a/>", ErrMalformed},
		"CDATA outside":      {"<![CDATA[x]]><a/>", ErrMalformed},
		"no quotes":          {"<a b=1/>", ErrMalformed},
		"no value":           {"<a b/>", ErrMalformed},
		"angle in attribute": {`<a b="<"/>`, ErrMalformed},
		"bad name":           {"<1a/>", ErrMalformed},
		"two colons":         {"<a:b:c/>", ErrMalformed},
		"stray slash":        {"<a / b='1'>", ErrMalformed},
		"end tag with more":  {"<a></a b>", ErrMalformed},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if e, err := Parse([]byte(tc.in), Limits{}); !errors.Is(err, tc.want) {
				t.Errorf("got %v, %v; want %v", e, err, tc.want)
			}
		})
	}
}

func TestParseManyParts(t *testing.T) {
	t.Parallel()
	const n = 1_000_000 // quadratic work on this would not end
	if got := parse(t, "<a>"+strings.Repeat("x<!---->", n)+"</a>").Text; got != strings.Repeat("x", n) {
		t.Errorf("got %d bytes", len(got))
	}
}

func TestParseLimits(t *testing.T) {
	t.Parallel()
	deep := strings.Repeat("<a>", 10) + strings.Repeat("</a>", 10)
	for name, tc := range map[string]struct {
		in  string
		lim Limits
		ok  bool
	}{
		"bytes":               {"<a>123456789</a>", Limits{Bytes: 10}, false},
		"depth":               {deep, Limits{Depth: 9}, false},
		"depth reached":       {deep, Limits{Depth: 10}, true},
		"elements":            {"<a><b/><b/></a>", Limits{Elements: 2}, false},
		"attributes":          {"<a b='' c=''/>", Limits{Elements: 2}, false},
		"namespaces":          {"<a xmlns:b='' xmlns:c=''/>", Limits{Elements: 2}, false},
		"namespaces in scope": {strings.Repeat("<a xmlns:a='' xmlns:b='' xmlns:c=''>", 100), Limits{}, false},
		"elements reached":    {"<a><b/><b/></a>", Limits{Elements: 3}, true},
		"default depth":       {strings.Repeat("<a>", 100_000), Limits{}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := Parse([]byte(tc.in), tc.lim)
			if tc.ok && err != nil || !tc.ok && !errors.Is(err, ErrTooLarge) {
				t.Errorf("got %v", err)
			}
		})
	}
}
