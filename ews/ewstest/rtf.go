package ewstest

import (
	"fmt"
	"html"
	"slices"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// RewriteAsRTF returns an HTML body as a server gives it back that stores it as
// RTF, which is what Outlook on the desktop writes. Words, lines, bold and
// slanted type, links and images stay. Comments, ids, classes, data attributes
// and styles have no place in RTF and are gone; so is "display:none", and what
// it hid is visible.
func RewriteAsRTF(s string) string { return rtfToHTML(htmlToRTF(s)) }

// htmlToRTF writes RTF ([MS-OXRTFCP] 3.1; the Rich Text Format Specification
// 1.9.1) without the HTML that some writers hide in it.
func htmlToRTF(s string) string {
	w := rtfWriter{}
	w.b.WriteString("{\\rtf1\\ansi\\ansicpg1252\\deff0{\\fonttbl{\\f0\\fswiss Calibri;}}{\\*\\generator Microsoft Exchange Server;}\\uc1\\pard\r\n")
	tokens(s, w.token)
	w.paragraph()
	w.b.WriteString(strings.Repeat("}}", w.fields) + "}")
	return w.b.String()
}

// rtfStyles are the inline elements that RTF has a word for.
var rtfStyles = map[string]string{"b": "b", "strong": "b", "i": "i", "em": "i", "u": "ul", "s": "strike", "strike": "strike"}

type rtfWriter struct {
	b      strings.Builder
	any    bool // something visible is in the paragraph
	gap    bool // white space waits
	fresh  bool // a line has just begun
	skip   int  // inside head, style, script
	fields int  // open links
}

func (w *rtfWriter) token(t token) {
	switch {
	case t.kind == commentToken:
	case t.kind == textToken:
		if w.skip == 0 {
			w.text(html.UnescapeString(t.text))
		}
	case t.name == "head" || t.name == "style" || t.name == "script" || t.name == "title":
		if t.kind == openToken && !t.empty {
			w.skip++
		} else if t.kind == closeToken {
			w.skip = max(0, w.skip-1)
		}
	case t.kind == openToken:
		w.open(t)
	default:
		w.close(t.name)
	}
}

func (w *rtfWriter) text(s string) {
	for _, r := range s {
		if r == ' ' || r == '\t' || r == '\r' || r == '\n' {
			w.gap = w.gap || w.any && !w.fresh
			continue
		}
		if r < ' ' || r >= 0x7f && r < 0xa0 {
			continue
		}
		w.space()
		w.any, w.fresh = true, false
		w.rune(r)
	}
}

func (w *rtfWriter) space() {
	if w.gap {
		w.b.WriteByte(' ')
		w.gap = false
	}
}

func (w *rtfWriter) rune(r rune) {
	switch {
	case r == '\\' || r == '{' || r == '}':
		w.b.WriteByte('\\')
		w.b.WriteRune(r)
	case r == '\u00a0':
		w.b.WriteString("\\~")
	case r < 0x80:
		w.b.WriteRune(r)
	default:
		for _, u := range utf16.Encode([]rune{r}) {
			w.b.WriteString("\\u" + strconv.Itoa(int(int16(u))) + "?")
		}
	}
}

func (w *rtfWriter) open(t token) {
	switch {
	case t.name == "br":
		w.b.WriteString("\\line\r\n")
		w.gap, w.fresh = false, true
	case t.name == "img":
		w.space()
		w.any = true
		w.field("INCLUDEPICTURE", t.attr("src"))
		w.text(t.attr("alt"))
		w.endField()
	case t.name == "a" && t.attr("href") != "" && w.fields < 8:
		w.space()
		w.field("HYPERLINK", t.attr("href"))
	case t.name == "u" && w.fields > 0: // links are underlined anyway
	case rtfStyles[t.name] != "":
		w.space()
		w.b.WriteString("\\" + rtfStyles[t.name] + " ")
	case t.name == "td" || t.name == "th":
		if w.any {
			w.b.WriteString("\\tab ")
			w.gap = false
		}
	case t.name == "li":
		w.paragraph()
		w.b.WriteString("\\bullet\\tab ")
		w.any = true
	case blockTags[t.name]:
		w.paragraph()
	}
}

func (w *rtfWriter) close(name string) {
	switch {
	case name == "a" && w.fields > 0:
		w.endField()
	case name == "u" && w.fields > 0:
	case rtfStyles[name] != "":
		w.b.WriteString("\\" + rtfStyles[name] + "0 ")
	case blockTags[name]:
		w.paragraph()
	}
}

func (w *rtfWriter) field(kind, target string) {
	target = strings.NewReplacer("\"", "%22", "\r", "", "\n", "", "\x00", "").Replace(target)
	w.b.WriteString("{\\field{\\*\\fldinst " + kind + " \"")
	for _, r := range target {
		w.rune(r)
	}
	w.b.WriteString("\"}{\\fldrslt ")
	w.fields++
}

func (w *rtfWriter) endField() {
	w.b.WriteString("}}")
	w.fields--
}

func (w *rtfWriter) paragraph() {
	if w.any {
		w.b.WriteString("\\par\r\n")
	}
	w.any, w.gap, w.fresh = false, false, false
}

// rtfToHTML is what a server shows of a body in RTF when HTML is asked for.
func rtfToHTML(s string) string {
	r := rtfReader{src: s}
	r.b.WriteString("<html>\r\n<head>\r\n<meta http-equiv=\"Content-Type\" content=\"text/html; charset=utf-8\">\r\n" +
		"<meta name=\"Generator\" content=\"Microsoft Exchange Server\">\r\n<!-- converted from rtf -->\r\n" +
		"<style><!-- .EmailQuote { margin-left: 1pt; padding-left: 4pt; border-left: #800000 2px solid; } --></style>\r\n</head>\r\n" +
		"<body>\r\n<font face=\"Calibri\" size=\"2\"><span style=\"font-size:11pt;\">\r\n")
	r.read()
	r.paragraph()
	r.b.WriteString("</span></font>\r\n</body>\r\n</html>\r\n")
	return r.b.String()
}

// rtfGroup is what holds between two braces.
type rtfGroup struct {
	skip    bool   // a destination that is not shown
	target  bool   // the instruction of a field
	closing string // written at the end of the group
	field   *rtfField
	styles  []string
}

type rtfField struct{ instruction strings.Builder }

type rtfReader struct {
	src    string
	b      strings.Builder
	line   strings.Builder
	stack  []rtfGroup
	g      rtfGroup
	high   rune // half of a pair
	ignore int  // characters that stand for the one before
}

// mostRTFDepth bounds how deep groups are followed.
const mostRTFDepth = 200

func (r *rtfReader) read() {
	for r.src != "" {
		c := r.src[0]
		switch c {
		case '{':
			r.src = r.src[1:]
			if len(r.stack) == mostRTFDepth {
				return
			}
			r.stack = append(r.stack, r.g)
			r.g = rtfGroup{skip: r.g.skip, target: r.g.target, field: r.g.field, styles: r.g.styles}
		case '}':
			r.src = r.src[1:]
			r.line.WriteString(r.g.closing)
			if len(r.stack) == 0 {
				return
			}
			r.g, r.stack = r.stack[len(r.stack)-1], r.stack[:len(r.stack)-1]
		case '\\':
			r.control()
		case '\r', '\n':
			r.src = r.src[1:]
		default:
			ch, n := utf8.DecodeRuneInString(r.src)
			r.src = r.src[n:]
			r.char(ch)
		}
	}
}

// control reads a control word or symbol.
func (r *rtfReader) control() {
	r.src = r.src[1:]
	n := 0
	for n < len(r.src) && (r.src[n] >= 'a' && r.src[n] <= 'z' || r.src[n] >= 'A' && r.src[n] <= 'Z') {
		n++
	}
	if n == 0 {
		if r.src == "" {
			return
		}
		symbol := r.src[0]
		r.src = r.src[1:]
		switch symbol {
		case '~':
			r.char('\u00a0')
		case '*':
			r.g.skip = true
		case '\\', '{', '}':
			r.char(rune(symbol))
		}
		return
	}
	word := r.src[:n]
	end := n
	for end < len(r.src) && end < n+11 && (r.src[end] >= '0' && r.src[end] <= '9' || end == n && r.src[end] == '-') {
		end++
	}
	number, err := strconv.Atoi(r.src[n:end])
	has := err == nil
	r.src = strings.TrimPrefix(r.src[end:], " ")
	r.word(word, number, has)
}

func (r *rtfReader) word(word string, number int, has bool) {
	switch word {
	case "u":
		r.unicode(rune(uint16(int16(number))))
		r.ignore = 1
	case "par":
		r.paragraph()
	case "line":
		if !r.g.skip {
			r.line.WriteString("<br>\r\n")
		}
	case "tab":
		r.char('\t')
	case "bullet":
		r.char('•')
	case "fonttbl", "colortbl", "stylesheet", "info", "generator", "pict":
		r.g.skip = true
	case "field":
		r.g.field = &rtfField{}
	case "fldinst":
		r.g.target, r.g.skip = true, true
	case "fldrslt":
		r.g.target, r.g.skip = false, false
		r.result()
	case "b", "i", "ul", "strike":
		r.style(word, !has || number != 0)
	}
}

// result begins what a field shows.
func (r *rtfReader) result() {
	if r.g.field == nil {
		return
	}
	kind, target, _ := strings.Cut(strings.TrimSpace(r.g.field.instruction.String()), " ")
	target = html.EscapeString(strings.Trim(target, "\" "))
	r.g.field = nil
	switch kind {
	case "HYPERLINK":
		r.line.WriteString(`<a href="` + target + `"><font color="blue"><u>`)
		r.g.closing = "</u></font></a>"
	case "INCLUDEPICTURE":
		r.line.WriteString(`<img src="` + target + `" alt="`)
		r.g.closing = `">`
	}
}

// htmlStyles are the elements for the words of RTF.
var htmlStyles = map[string]string{"b": "b", "i": "i", "ul": "u", "strike": "s"}

func (r *rtfReader) style(word string, on bool) {
	name := htmlStyles[word]
	if on {
		r.g.styles = append(r.g.styles[:len(r.g.styles):len(r.g.styles)], name)
		r.line.WriteString("<" + name + ">")
		return
	}
	if n := len(r.g.styles); n > 0 && r.g.styles[n-1] == name {
		r.g.styles = r.g.styles[:n-1]
		r.line.WriteString("</" + name + ">")
	}
}

func (r *rtfReader) unicode(u rune) {
	if utf16.IsSurrogate(u) {
		if r.high != 0 {
			u, r.high = utf16.DecodeRune(r.high, u), 0
		} else {
			r.high = u
			return
		}
	}
	r.high = 0
	r.ignore = 0
	r.char(u)
}

func (r *rtfReader) char(c rune) {
	if r.ignore > 0 && c == '?' {
		r.ignore--
		return
	}
	r.ignore = 0
	switch {
	case r.g.target && r.g.field != nil:
		r.g.field.instruction.WriteRune(c)
	case r.g.skip:
	case c == '\u00a0':
		r.line.WriteString("&nbsp;")
	case c == '\t':
		r.line.WriteString("&nbsp;&nbsp;&nbsp; ")
	default:
		r.line.WriteString(html.EscapeString(string(c)))
	}
}

// paragraph ends a line of the text.
func (r *rtfReader) paragraph() {
	if r.g.skip || strings.TrimSpace(r.line.String()) == "" {
		return
	}
	fmt.Fprintf(&r.b, "<div>%s</div>\r\n", r.line.String())
	r.line.Reset()
}

// stored returns a body as a server keeps it that was given in HTML and stores
// it in that way.
func (b Body) stored(as NativeBody) Body {
	switch {
	case b.Type != "HTML":
		return b
	case as == NativeRTF:
		return Body{Type: "HTML", RTF: true, Content: RewriteAsRTF(b.Content)}
	case as == NativeText:
		return Body{Type: "Text", Content: htmlToText(b.Content)}
	}
	return b
}

// native says how a body is stored.
func (b Body) native() NativeBody {
	switch {
	case b.RTF:
		return NativeRTF
	case b.Type == "HTML":
		return NativeHTML
	}
	return NativeText
}

// withoutTags returns HTML without some of its elements; what is inside stays.
func withoutTags(s string, names ...string) string {
	var b strings.Builder
	tokens(s, func(t token) {
		switch {
		case t.kind == textToken || t.kind == commentToken:
			b.WriteString(t.text)
		case slices.Contains(names, t.name):
		case t.kind == closeToken:
			b.WriteString("</" + t.name + ">")
		default:
			b.WriteString("<" + t.name)
			for _, a := range t.attrs {
				b.WriteString(" " + a.name + `="` + html.EscapeString(a.value) + `"`)
			}
			b.WriteString(">")
		}
	})
	return b.String()
}

// appendToRTF puts something behind a body that is stored as RTF, which costs
// what the server's profile says.
func appendToRTF(old, added string, kept Append) Body {
	if !kept.Links {
		old = withoutTags(old, "a")
	}
	if !kept.Images {
		old = withoutTags(old, "img")
	}
	if !kept.Text {
		old = ""
	}
	return Body{Type: "HTML", RTF: true, Content: RewriteAsRTF(joinHTML(old, added))}
}

// joinHTML puts HTML at the end of a body.
func joinHTML(old, added string) string {
	end := strings.LastIndex(strings.ToLower(old), "</body>")
	if end < 0 || end > len(old) {
		return old + added
	}
	return old[:end] + added + old[end:]
}
