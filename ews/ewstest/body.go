package ewstest

import (
	"html"
	"strings"
	"unicode/utf8"
)

// body writes the body in the form that was asked for.
func (v *view) body() {
	if v.r.s.traits.poorBodies && v.shape.base == "AllProperties" && !v.shape.has("item:Body") {
		return
	}
	v.writeBody("Body", v.shape.bodyType)
}

// writeBody writes a body as Best (what is stored), HTML or Text.
func (v *view) writeBody(name, want string) {
	b := v.it.body()
	if want == "Best" {
		want = orElse(b.Type, "Text")
	}
	content := b.Content
	switch {
	case v.r.s.traits.poorBodies && (v.it.Occurrence == "Exception" || (want == "Text" && b.Type == "HTML")):
		content = ""
	case want == "Text" && b.Type == "HTML":
		content = htmlToText(content)
	case want == "HTML" && b.Type != "HTML" && content != "":
		content = textToHTML(content)
	}
	attrs := []string{"BodyType", want}
	if most := v.shape.most; most > 0 && len(content) > most {
		for most > 0 && !utf8.RuneStart(content[most]) {
			most--
		}
		content = content[:most]
		attrs = append(attrs, "IsTruncated", "true")
	} else if v.shape.most > 0 {
		attrs = append(attrs, "IsTruncated", "false")
	}
	v.w.Leaf("t:"+name, content, attrs...)
}

// preview is the beginning of the text, as message lists show it.
func (v *view) preview() string {
	b := v.it.body()
	text := b.Content
	if b.Type == "HTML" {
		text = htmlToText(text)
	}
	text = strings.Join(strings.Fields(text), " ")
	if r := []rune(text); len(r) > 255 {
		text = string(r[:255])
	}
	return text
}

// textToHTML is what the server makes of a text body when HTML is asked for.
func textToHTML(text string) string {
	var b strings.Builder
	b.WriteString("<html>\r\n<head>\r\n<meta http-equiv=\"Content-Type\" content=\"text/html; charset=utf-8\">\r\n</head>\r\n<body>\r\n" +
		"<font size=\"2\"><span style=\"font-size:11pt;\"><div class=\"PlainText\">")
	for i, line := range strings.Split(strings.ReplaceAll(text, "\r\n", "\n"), "\n") {
		if i > 0 {
			b.WriteString("<br>\r\n")
		}
		b.WriteString(html.EscapeString(line))
	}
	b.WriteString("</div></span></font>\r\n</body>\r\n</html>\r\n")
	return b.String()
}

// blockTags end the line in the text of a body.
var blockTags = map[string]bool{
	"p": true, "div": true, "br": true, "tr": true, "li": true, "h1": true, "h2": true, "h3": true, "table": true, "hr": true,
	"ul": true, "ol": true, "blockquote": true, "body": true, "pre": true,
}

// htmlToText is what the server makes of an HTML body when text is asked for:
// the visible words, a line for each block, and the address of a link in angle
// brackets after its words where the two differ.
func htmlToText(s string) string {
	t := textMaker{}
	tokens(s, func(tok token) {
		switch {
		case tok.kind == textToken && t.hidden == 0:
			t.text(html.UnescapeString(tok.text))
		case tok.kind == openToken:
			t.open(tok)
		case tok.kind == closeToken:
			t.close(tok.name)
		}
	})
	return strings.TrimSpace(t.b.String())
}

type textMaker struct {
	b      strings.Builder
	hidden int // inside elements that are not shown
	links  []link
}

type link struct {
	href string
	at   int
}

func (t *textMaker) text(s string) {
	lead := s != "" && isSpace(s[0])
	fields := strings.Fields(strings.ReplaceAll(s, "\u00a0", " "))
	if len(fields) == 0 {
		if lead {
			t.space()
		}
		return
	}
	if lead {
		t.space()
	}
	t.b.WriteString(strings.Join(fields, " "))
	if isSpace(s[len(s)-1]) {
		t.space()
	}
}

func (t *textMaker) space() {
	if s := t.b.String(); s != "" && !isSpace(s[len(s)-1]) {
		t.b.WriteByte(' ')
	}
}

func (t *textMaker) line() {
	s := t.b.String()
	if s != "" && !strings.HasSuffix(s, "\n") {
		t.b.WriteString("\r\n")
	}
}

func (t *textMaker) open(tok token) {
	switch {
	case tok.name == "style" || tok.name == "script" || tok.name == "head" || tok.name == "title":
		if !tok.empty {
			t.hidden++
		}
	case tok.name == "br":
		t.b.WriteString("\r\n")
	case tok.name == "a":
		t.links = append(t.links, link{tok.attr("href"), t.b.Len()})
	case blockTags[tok.name]:
		t.line()
	}
}

func (t *textMaker) close(name string) {
	switch {
	case name == "style" || name == "script" || name == "head" || name == "title":
		t.hidden = max(0, t.hidden-1)
	case name == "a" && len(t.links) > 0:
		l := t.links[len(t.links)-1]
		t.links = t.links[:len(t.links)-1]
		if words := strings.TrimSpace(t.b.String()[l.at:]); l.href != "" && words != l.href && "mailto:"+words != l.href {
			t.b.WriteString("<" + l.href + ">")
		}
	case blockTags[name]:
		t.line()
	}
}

func isSpace(c byte) bool { return c == ' ' || c == '\t' || c == '\r' || c == '\n' }
