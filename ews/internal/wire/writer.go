package wire

import "bytes"

// Writer builds a document in memory. Names are written as given, with their
// prefix; text and attribute values are escaped, and characters that XML 1.0
// forbids are left out, because Exchange answers them with
// ErrorSchemaValidation. The zero value is ready to use.
type Writer struct {
	buf  bytes.Buffer
	open []string
	tag  bool // the start tag of the innermost element is not closed yet
}

// Start opens an element; attrs are pairs of name and value. An odd last name
// is ignored.
func (w *Writer) Start(name string, attrs ...string) {
	w.content()
	w.buf.WriteByte('<')
	w.buf.WriteString(name)
	for i := 0; i+1 < len(attrs); i += 2 {
		w.buf.WriteByte(' ')
		w.buf.WriteString(attrs[i])
		w.buf.WriteString(`="`)
		escape(&w.buf, attrs[i+1], true)
		w.buf.WriteByte('"')
	}
	w.open = append(w.open, name)
	w.tag = true
}

// End closes the innermost element. Without one it does nothing.
func (w *Writer) End() {
	if len(w.open) == 0 {
		return
	}
	name := w.open[len(w.open)-1]
	w.open = w.open[:len(w.open)-1]
	if w.tag {
		w.buf.WriteString("/>")
		w.tag = false
		return
	}
	w.buf.WriteString("</")
	w.buf.WriteString(name)
	w.buf.WriteByte('>')
}

// Text writes character data.
func (w *Writer) Text(s string) {
	if s == "" {
		return
	}
	w.content()
	escape(&w.buf, s, false)
}

// Leaf writes an element with text only.
func (w *Writer) Leaf(name, text string, attrs ...string) {
	w.Start(name, attrs...)
	w.Text(text)
	w.End()
}

// Raw writes XML as it is.
func (w *Writer) Raw(xml string) {
	w.content()
	w.buf.WriteString(xml)
}

// Declaration writes the XML declaration. Call it first.
func (w *Writer) Declaration() { w.buf.WriteString(`<?xml version="1.0" encoding="utf-8"?>`) }

// Bytes closes what is open and returns the document.
func (w *Writer) Bytes() []byte {
	for len(w.open) > 0 {
		w.End()
	}
	return w.buf.Bytes()
}

// content closes the start tag that is still open.
func (w *Writer) content() {
	if w.tag {
		w.buf.WriteByte('>')
		w.tag = false
	}
}
