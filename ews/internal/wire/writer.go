package wire

import (
	"slices"
	"strings"
)

// Writer builds a document in memory. Names are written as given, with their
// prefix; text and attribute values are escaped, and characters that XML 1.0
// forbids are left out, because Exchange answers them with
// ErrorSchemaValidation. The zero value is ready to use.
type Writer struct {
	buf  []byte
	open []span // the names of the open elements
	tag  bool   // the start tag of the innermost element is not closed yet
}

// span is a piece of the document: without pointers, so that the collector
// never looks at the stack of names.
type span struct{ start, end int }

// Start opens an element; attrs are pairs of name and value. An odd last name
// is ignored.
func (w *Writer) Start(name string, attrs ...string) {
	w.content()
	w.buf = append(w.buf, '<')
	if w.open == nil {
		w.open = make([]span, 0, 16)
	}
	w.open = append(w.open, span{len(w.buf), len(w.buf) + len(name)})
	w.buf = append(w.buf, name...)
	w.tag = true
	for i := 0; i+1 < len(attrs); i += 2 {
		w.Attr(attrs[i], attrs[i+1])
	}
}

// Attr adds an attribute to the element that Start has just opened.
func (w *Writer) Attr(name, value string) {
	w.buf = append(w.buf, ' ')
	w.buf = append(w.buf, name...)
	w.buf = append(w.buf, `="`...)
	w.buf = escape(w.buf, value, true)
	w.buf = append(w.buf, '"')
}

// End closes the innermost element. Without one it does nothing.
func (w *Writer) End() {
	if len(w.open) == 0 {
		return
	}
	name := w.open[len(w.open)-1]
	w.open = w.open[:len(w.open)-1]
	if w.tag {
		w.buf = append(w.buf, "/>"...)
		w.tag = false
		return
	}
	w.buf = append(w.buf, "</"...)
	w.buf = append(w.buf, w.buf[name.start:name.end]...)
	w.buf = append(w.buf, '>')
}

// Text writes character data.
func (w *Writer) Text(s string) {
	if s == "" {
		return
	}
	w.content()
	w.buf = escape(w.buf, s, false)
}

// Leaf writes an element with text only.
func (w *Writer) Leaf(name, text string, attrs ...string) {
	w.Start(name, attrs...)
	w.Text(text)
	w.End()
}

// Fill writes a template: well-formed XML in which each "{}" stands for the
// next value, escaped as its place demands: the value of an attribute where
// the quote comes right before it, text otherwise. Values that are missing are
// empty.
func (w *Writer) Fill(template string, values ...string) {
	w.content()
	for _, v := range values {
		i := strings.Index(template, "{}")
		if i < 0 {
			break
		}
		w.buf = append(w.buf, template[:i]...)
		w.buf = escape(w.buf, v, i > 0 && template[i-1] == '"')
		template = template[i+2:]
	}
	w.buf = append(w.buf, template...)
}

// Around writes the value of an attribute, escaped, between two pieces of XML.
func (w *Writer) Around(before, value, after string) {
	w.content()
	w.buf = append(w.buf, before...)
	w.buf = escape(w.buf, value, true)
	w.buf = append(w.buf, after...)
}

// Grow makes room for n more bytes.
func (w *Writer) Grow(n int) { w.buf = slices.Grow(w.buf, n) }

// Raw writes XML as it is.
func (w *Writer) Raw(xml string) {
	w.content()
	w.buf = append(w.buf, xml...)
}

// Declaration writes the XML declaration. Call it first.
func (w *Writer) Declaration() { w.buf = append(w.buf, `<?xml version="1.0" encoding="utf-8"?>`...) }

// Reset makes the document empty. Its memory is used again, so that what Bytes
// has returned is overwritten by what is written next.
func (w *Writer) Reset() { w.buf, w.open, w.tag = w.buf[:0], w.open[:0], false }

// Bytes closes what is open and returns the document. It lies in the writer's
// memory, until Reset.
func (w *Writer) Bytes() []byte {
	for len(w.open) > 0 {
		w.End()
	}
	return w.buf
}

// content closes the start tag that is still open.
func (w *Writer) content() {
	if w.tag {
		w.buf = append(w.buf, '>')
		w.tag = false
	}
}
