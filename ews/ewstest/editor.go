package ewstest

import (
	"html"
	"strconv"
	"strings"
	"unicode/utf8"
)

// EditOutlook is the editor that [Fault.Edit] names for Outlook on the
// desktop, whose HTML is written by Word; EditOutlookRTF is the same program
// where it stores its bodies as RTF, which it does by default in calendars.
const (
	EditOutlook    = "outlook"
	EditOutlookRTF = "outlook-rtf"
)

// edited returns a body as an editor leaves it.
func edited(editor string, b Body) Body {
	if b.Type != "HTML" || editor != EditOutlook && editor != EditOutlookRTF {
		return b
	}
	b.Content = RewriteAsOutlook(b.Content)
	if editor == EditOutlookRTF {
		return b.stored(NativeRTF)
	}
	return b
}

// RewriteAsOutlook returns an HTML body as Word writes it after somebody has
// opened and saved it: what is visible stays, with words, lines and links; the
// markup is Word's own. Comments, ids, classes, data attributes and styles are
// gone, hidden text is visible, every block is a paragraph of class MsoNormal,
// white space is laid out anew and characters outside ASCII are references.
func RewriteAsOutlook(s string) string {
	w := wordWriter{}
	w.b.WriteString("<html xmlns:v=\"urn:schemas-microsoft-com:vml\" xmlns:o=\"urn:schemas-microsoft-com:office:office\" " +
		"xmlns:w=\"urn:schemas-microsoft-com:office:word\" xmlns=\"http://www.w3.org/TR/REC-html40\">\r\n<head>\r\n" +
		"<meta http-equiv=\"Content-Type\" content=\"text/html; charset=utf-8\">\r\n" +
		"<meta name=\"Generator\" content=\"Microsoft Word 15 (filtered medium)\">\r\n<style><!--\r\np.MsoNormal, li.MsoNormal, div.MsoNormal\r\n" +
		"\t{margin:0cm;\r\n\tfont-size:11.0pt;\r\n\tfont-family:\"Calibri\",sans-serif;}\r\n--></style>\r\n</head>\r\n" +
		"<body lang=\"EN-US\" link=\"#0563C1\" vlink=\"#954F72\">\r\n<div class=\"WordSection1\">\r\n")
	tokens(s, w.token)
	w.end()
	w.b.WriteString("</div>\r\n</body>\r\n</html>\r\n")
	return w.b.String()
}

// wordWriter writes paragraphs.
type wordWriter struct {
	b     strings.Builder
	line  strings.Builder // of the paragraph that is open
	any   bool            // something visible is in it
	gap   bool            // white space waits
	skip  int             // inside head, style, script
	marks []string        // open inline elements, innermost last
}

// inline elements that Word keeps, under its own names.
var inline = map[string]string{"b": "b", "strong": "b", "i": "i", "em": "i", "u": "u", "s": "s", "sub": "sub", "sup": "sup"}

func (w *wordWriter) token(t token) {
	switch {
	case t.kind == commentToken:
	case t.kind == textToken:
		if w.skip == 0 {
			w.text(html.UnescapeString(t.text))
		}
	case t.name == "head" || t.name == "style" || t.name == "script" || t.name == "title":
		w.hide(t)
	case t.kind == openToken:
		w.open(t)
	default:
		w.close(t.name)
	}
}

func (w *wordWriter) hide(t token) {
	switch {
	case t.kind == openToken && !t.empty:
		w.skip++
	case t.kind == closeToken:
		w.skip = max(0, w.skip-1)
	}
}

// text writes words; runs of white space are one space.
func (w *wordWriter) text(s string) {
	for s != "" {
		r, n := utf8.DecodeRuneInString(s)
		s = s[n:]
		if r == ' ' || r == '\t' || r == '\r' || r == '\n' {
			w.gap = w.gap || w.any
			continue
		}
		if r < ' ' || (r >= 0x7f && r < 0xa0) {
			continue // control characters
		}
		w.flushGap()
		w.any = true
		switch {
		case r == '<':
			w.line.WriteString("&lt;")
		case r == '>':
			w.line.WriteString("&gt;")
		case r == '&':
			w.line.WriteString("&amp;")
		case r == '\u00a0':
			w.line.WriteString("&nbsp;")
		case r > 126 && r != utf8.RuneError:
			w.line.WriteString("&#" + strconv.Itoa(int(r)) + ";")
		default:
			w.line.WriteRune(r)
		}
	}
}

// flushGap writes the space that waits. Word breaks long lines there.
func (w *wordWriter) flushGap() {
	if !w.gap {
		return
	}
	w.gap = false
	s := w.line.String()
	if len(s)-strings.LastIndexByte(s, '\n') > 76 {
		w.line.WriteString("\r\n")
	} else {
		w.line.WriteByte(' ')
	}
}

func (w *wordWriter) open(t token) {
	switch {
	case t.name == "br":
		w.paragraph()
	case t.name == "img":
		w.flushGap()
		w.any = true
		w.line.WriteString(`<img src="` + html.EscapeString(t.attr("src")) + `" alt="` + html.EscapeString(t.attr("alt")) + `">`)
	case t.name == "a" && t.attr("href") != "":
		w.flushGap()
		w.mark("a", ` href="`+html.EscapeString(t.attr("href"))+`"`)
	case inline[t.name] != "":
		w.flushGap()
		w.mark(inline[t.name], "")
	case t.name == "td" || t.name == "th":
		w.gap = w.any
	case blockTags[t.name]:
		w.paragraph()
	}
}

func (w *wordWriter) mark(name, attrs string) {
	w.line.WriteString("<" + name + attrs + ">")
	w.marks = append(w.marks, name)
}

func (w *wordWriter) close(name string) {
	if as := inline[name]; as != "" {
		name = as
	}
	if n := len(w.marks); n > 0 && w.marks[n-1] == name {
		w.line.WriteString("</" + name + ">")
		w.marks = w.marks[:n-1]
		return
	}
	if blockTags[name] {
		w.paragraph()
	}
}

// paragraph ends the paragraph that is open, if there is something in it.
func (w *wordWriter) paragraph() {
	if !w.any {
		w.gap = false
		return
	}
	for i := len(w.marks) - 1; i >= 0; i-- {
		w.line.WriteString("</" + w.marks[i] + ">")
	}
	w.b.WriteString(`<p class="MsoNormal">` + w.line.String() + "<o:p></o:p></p>\r\n")
	w.line.Reset()
	w.marks, w.any, w.gap = nil, false, false
}

func (w *wordWriter) end() { w.paragraph() }
