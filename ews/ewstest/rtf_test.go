package ewstest

import (
	"strings"
	"testing"
)

// TestRewriteAsRTF: what a body loses on its way through RTF, and what it keeps.
func TestRewriteAsRTF(t *testing.T) {
	t.Parallel()
	in := `<html><head><title>no</title><style>.j{color:red}</style></head><body class="x"><!-- begin --><div id="k" data-k="1" style="display:none">hidden once</div>` +
		`<p class="j">Über&nbsp;uns \{x} &lt;b&gt; <strong>now</strong> 会議 🎥 <a class="l" href="https://join.example/?a=1&amp;b=2#c" target="_blank">https://join.example/?a=1&amp;b=2#c</a></p>` +
		`<ul><li>one<li>two</ul>a<br>b<img src="cid:logo" width="3" alt="Logo"><table><tr><td>l</td><td>r</td></tr></table><script>x()</script></body></html>`
	out := RewriteAsRTF(in)
	for _, want := range []string{
		"<div>hidden once</div>", "Über&nbsp;uns \\{x} &lt;b&gt; <b>now</b> 会議 🎥 ", `<a href="https://join.example/?a=1&amp;b=2#c"><font color="blue"><u>https://join.example/?a=1&amp;b=2#c</u></font></a>`,
		"•&nbsp;&nbsp;&nbsp; one</div>", "a<br>", `<img src="cid:logo" alt="Logo">`, "l&nbsp;&nbsp;&nbsp; r",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
	for _, gone := range []string{"begin", "data-k", `id="k"`, "display", `class="j"`, "x()", "target", ">no<"} {
		if strings.Contains(out, gone) {
			t.Errorf("%q is still there", gone)
		}
	}
	if again := RewriteAsRTF(out); again != out {
		t.Errorf("the second time it is\n%s\nafter\n%s", again, out)
	}
	if a, b := htmlToText(in), htmlToText(out); strings.Join(strings.Fields(a), "") == "" || !strings.Contains(b, "Über uns \\{x} <b> now 会議") {
		t.Errorf("text %q", b)
	}
}

// native reads how an item's body is stored, its form and its content.
func (r *rig) native(id, ask string) (native, form, content string) {
	r.t.Helper()
	m := r.ok(user1, `<m:GetItem><m:ItemShape><t:BaseShape>IdOnly</t:BaseShape><t:BodyType>`+ask+`</t:BodyType><t:AdditionalProperties><t:FieldURI FieldURI="item:Body"/>`+
		`<t:ExtendedFieldURI PropertyTag="0x1016" PropertyType="Integer"/></t:AdditionalProperties></m:ItemShape><m:ItemIds><t:ItemId Id="`+id+`"/></m:ItemIds></m:GetItem>`)
	it, _ := itemOf(m)
	return it.Find("ExtendedProperty").Value("Value"), it.Child("Body").Attr("BodyType"), it.Child("Body").Text
}

const (
	richBody = `<t:Body BodyType="HTML">&lt;p id="x"&gt;Agenda &lt;!-- c --&gt;&lt;a href="https://x.example/"&gt;here&lt;/a&gt;&lt;img src="cid:1" alt="pic"&gt;&lt;/p&gt;</t:Body>`
	moreBody = `<t:Body BodyType="HTML">&lt;p&gt;More&lt;/p&gt;</t:Body>`
	moreText = `<t:Body BodyType="Text">More &lt;</t:Body>`
)

func appendField(uri, value string) string {
	return strings.ReplaceAll(setField(uri, value), "SetItemField", "AppendToItemField")
}

// TestRTFBodies: an HTML body of a new item is stored as RTF; appending leaves
// it so, and writing HTML over it makes it HTML.
func TestRTFBodies(t *testing.T) {
	t.Parallel()
	r := newRig(t, Options{StoreRTF: true})
	id := r.create(user1, "SendToNone", richBody+tomorrow)
	native, form, content := r.native(id.Attr("Id"), "Best")
	if native != "2" || form != "HTML" || !strings.Contains(content, "converted from rtf") || strings.Contains(content, `id="x"`) {
		t.Errorf("created: %s %s\n%s", native, form, content)
	}
	if _, form, content := r.native(id.Attr("Id"), "Text"); form != "Text" || content != "Agenda here<https://x.example/>" {
		t.Errorf("as text: %q", content)
	}
	for _, more := range []string{moreBody, moreText} {
		r.ok(user1, updateItem(id, "AlwaysOverwrite", "SendToNone", appendField("item:Body", more)))
		native, _, content = r.native(id.Attr("Id"), "Best")
		if native != "2" || !strings.Contains(content, `href="https://x.example/"`) || !strings.Contains(content, "cid:1") || !strings.Contains(content, "More") {
			t.Errorf("appended: %s\n%s", native, content)
		}
	}
	r.ok(user1, updateItem(id, "AlwaysOverwrite", "SendToNone", setField("item:Body", richBody)))
	if native, _, content = r.native(id.Attr("Id"), "Best"); native != "3" || !strings.Contains(content, `<p id="x">`) {
		t.Errorf("written over: %s\n%s", native, content)
	}
	text := r.create(user1, "SendToNone", `<t:Body BodyType="Text">plain</t:Body>`+tomorrow)
	r.ok(user1, updateItem(text, "AlwaysOverwrite", "SendToNone", appendField("item:Body", moreBody)))
	if native, form, content = r.native(text.Attr("Id"), "Best"); native != "1" || form != "Text" || content != "plainMore" {
		t.Errorf("text stays text: %s %s %q", native, form, content)
	}
}

// TestBodiesByProfile: what a server was seen to do with bodies is played.
func TestBodiesByProfile(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		p      Profile
		append bool
		native string
		has    []string
		lacks  []string
	}{
		"stays RTF":         {Profile{NativeBody: map[NativeBody]NativeBody{NativeRTF: NativeRTF}}, false, "2", []string{"More", "converted from rtf"}, []string{"Agenda"}},
		"becomes text":      {Profile{NativeBody: map[NativeBody]NativeBody{NativeRTF: NativeText}}, false, "1", []string{"More"}, []string{"<"}},
		"loses links":       {Profile{AppendToRTF: &Append{Text: true, Images: true}}, true, "2", []string{"Agenda", "here", "cid:1", "More"}, []string{"https://x.example/"}},
		"loses images":      {Profile{AppendToRTF: &Append{Text: true, Links: true}}, true, "2", []string{"https://x.example/", "More"}, []string{"cid:1"}},
		"loses all":         {Profile{AppendToRTF: &Append{}}, true, "2", []string{"More"}, []string{"Agenda", "https://x.example/"}},
		"nothing was found": {Profile{}, true, "2", []string{"Agenda", "https://x.example/", "cid:1", "More"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, Options{StoreRTF: true, Profile: &c.p})
			id := r.create(user1, "SendToNone", richBody+tomorrow)
			field := setField("item:Body", moreBody)
			if c.append {
				field = appendField("item:Body", moreBody)
			}
			r.ok(user1, updateItem(id, "AlwaysOverwrite", "SendToNone", field))
			native, _, content := r.native(id.Attr("Id"), "Best")
			if native != c.native {
				t.Errorf("stored as %s", native)
			}
			for _, w := range c.has {
				if !strings.Contains(content, w) {
					t.Errorf("no %q in\n%s", w, content)
				}
			}
			for _, w := range c.lacks {
				if strings.Contains(content, w) {
					t.Errorf("%q in\n%s", w, content)
				}
			}
		})
	}
}

func TestOutlookStoresRTF(t *testing.T) {
	t.Parallel()
	r := newRig(t, Options{})
	id := r.create(user1, "SendToNone", richBody+tomorrow).Attr("Id")
	r.s.Fail(Fault{Edit: EditOutlookRTF})
	if err := r.s.Edit(user1, id, func(it *Item) { it.Subject = "edited" }); err != nil {
		t.Fatal(err)
	}
	if native, _, content := r.native(id, "Best"); native != "2" || !strings.Contains(content, `href="https://x.example/"`) {
		t.Errorf("%s\n%s", native, content)
	}
}

func FuzzRewriteAsRTF(f *testing.F) {
	for _, s := range []string{"<p>a</p>", `<a href="x"><b>y</a>`, "{\\rtf1 \\u8364?}", "<li>\xff\\", "😀<br>", `<a href="a"b">c<img src=x alt="\}">`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		out := RewriteAsRTF(s)
		if !strings.HasSuffix(out, "</html>\r\n") || len(out) > 200*len(s)+1000 {
			t.Errorf("%d bytes of %d", len(out), len(s))
		}
		_ = rtfToHTML(s) // anything may be stored
		_ = htmlToText(out)
		if kept := withoutTags(s, "a", "img"); strings.Contains(s, "<") && len(kept) > 8*len(s)+16 {
			t.Errorf("%d bytes of %d", len(kept), len(s))
		}
	})
}
