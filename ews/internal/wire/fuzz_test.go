package wire

import (
	"encoding/xml"
	"io"
	"strings"
	"testing"
)

// FuzzParse holds Parse against encoding/xml: where that package accepts a
// document, Parse must read the same elements, attributes and text from it.
// encoding/xml is fed the repaired text, as it would refuse the raw bytes.
func FuzzParse(f *testing.F) {
	for _, s := range []string{
		`<a b="1">x</a>`, "<s:a xmlns:s='u'><s:b/>&#65;<![CDATA[x]]></s:a>", "\uFEFF <?xml version=\"1.0\"?><a>&lt;\r\n</a>",
		"<a>\x00&#x0;&#xD83D;</a>", "<a><!-- - --><b xmlns='v' c='&quot;'/></a>", "<!DOCTYPE a><a/>", "<a></b>",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		got, err := Parse(data, Limits{Bytes: 1 << 16})
		want, ok := stdlib(repair(data))
		if !ok {
			return // encoding/xml refuses it, or reads what this package refuses
		}
		if err != nil {
			t.Fatalf("refused: %v\n%q", err, data)
		}
		if g, w := dump(got), dump(want); g != w {
			t.Errorf("got  %s\nwant %s\nfrom %q", g, w, data)
		}
	})
}

// FuzzWriter writes what it is given and expects it back, repaired.
func FuzzWriter(f *testing.F) {
	f.Add("a<b", "\r\n\t\"'&")
	f.Fuzz(func(t *testing.T, text, attr string) {
		var w Writer
		w.Leaf("a", text, "b", attr)
		e, err := Parse(w.Bytes(), Limits{})
		if err != nil {
			t.Fatal(err)
		}
		if e.Text != dropIllegal(text) || e.Attr("b") != dropIllegal(attr) {
			t.Errorf("got %q, %q from %s", e.Text, e.Attr("b"), w.Bytes())
		}
	})
}

func dropIllegal(s string) string {
	return strings.Map(func(r rune) rune {
		if legal(r) {
			return r
		}
		return -1
	}, s)
}

// stdlib reads a document with encoding/xml. It reports false where that
// package fails, or where the document holds what the two treat differently
// on purpose: directives, several roots, references that are none.
func stdlib(s string) (*Element, bool) {
	d := xml.NewDecoder(strings.NewReader(s))
	d.CharsetReader = func(_ string, r io.Reader) (io.Reader, error) { return r, nil }
	var root *Element
	var open []*Element
	for {
		tok, err := d.Token()
		if err == io.EOF {
			return root, root != nil
		}
		if err != nil {
			return nil, false
		}
		switch tok := tok.(type) {
		case xml.StartElement:
			if len(open) == 0 && root != nil || strings.Contains(tok.Name.Local, ":") || bad(tok.Name.Local) {
				return nil, false
			}
			e := &Element{Space: tok.Name.Space, Name: tok.Name.Local}
			for _, a := range tok.Attr {
				if bad(a.Name.Local) || a.Name.Space != "" && bad(a.Name.Space) {
					return nil, false
				}
				if a.Name.Space != "xmlns" && a.Name != (xml.Name{Local: "xmlns"}) {
					e.Attrs = append(e.Attrs, Attr{a.Name.Space, a.Name.Local, a.Value})
				}
			}
			if len(open) == 0 {
				root = e
			} else {
				open[len(open)-1].Children = append(open[len(open)-1].Children, e)
			}
			open = append(open, e)
		case xml.EndElement:
			e := open[len(open)-1]
			if len(e.Children) > 0 && strings.TrimSpace(e.Text) == "" {
				e.Text = ""
			}
			open = open[:len(open)-1]
		case xml.CharData:
			if len(open) > 0 {
				open[len(open)-1].Text += string(tok)
			} else if strings.TrimSpace(string(tok)) != "" {
				return nil, false
			}
		case xml.Directive:
			return nil, false
		}
	}
}

// bad reports whether a local name begins as no name may.
func bad(name string) bool {
	return name == "" || strings.ContainsAny(name[:1], "-.0123456789:") || strings.Contains(name, ":")
}

func dump(e *Element) string {
	var w Writer
	var walk func(e *Element)
	walk = func(e *Element) {
		attrs := []string{"space", e.Space}
		for _, a := range e.Attrs {
			attrs = append(attrs, "{"+a.Space+"}"+a.Name, a.Value)
		}
		w.Start(e.Name, attrs...)
		w.Text(e.Text)
		for _, c := range e.Children {
			walk(c)
		}
		w.End()
	}
	walk(e)
	return string(w.Bytes())
}
