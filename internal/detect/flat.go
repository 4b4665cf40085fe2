package detect

import (
	"bytes"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// flat is a field as a reader sees it: plain lines without markup, quoting
// marks, invisible characters or full-width forms, and beside them the links
// that markup hides behind other text.
type flat struct {
	field string
	text  []byte
	links []link
	quote bits // what is quoted from an earlier mail
	urls  bits // what is part of a link

	marks marks  // from text to what was flattened
	coded *marks // from there to the field, if it was in quoted-printable
	size  int    // bytes of what was flattened
	steps int    // bytes looked at, however often: what the work is measured by
}

// span is a half-open range of text.
type span struct{ from, to int }

// link is an anchor: the text between from and to leads to href.
type link struct {
	span
	href  string
	src   span // of the attribute's value, in the field
	aside bool // not where people see it: in data about the mail, or for one mail program only
}

// maxLinks bounds how many links of one field are kept. Newsletters have some
// hundreds.
const maxLinks = 4096

// source returns where text[i] stands in the field as it came.
func (f *flat) source(i int) int { return f.original(f.marks.at(i)) }

// original returns where a place of what was flattened stands in the field.
func (f *flat) original(i int) int {
	if f.coded != nil {
		return f.coded.at(i)
	}
	return i
}

// quoted reports whether text[i] is quoted from an earlier mail.
func (f *flat) quoted(i int) bool { return f.quote.has(i) }

// taken reports whether text[i] is part of a link.
func (f *flat) taken(i int) bool { return f.urls.has(i) }

// take notes that text from from to to is a link.
func (f *flat) take(from, to int) { f.urls.set(from, to, len(f.text)) }

// flattenText makes a flat of plain text.
func flattenText(field, src string) *flat {
	f := &flat{field: field}
	src = f.decode(src)
	f.size = len(src)
	f.text = make([]byte, 0, len(src))
	if !strings.Contains(src, "\n>") && !strings.HasPrefix(src, ">") {
		f.plain(src, 0)
		return f
	}
	for at := 0; at < len(src); {
		stop := len(src)
		if i := strings.IndexByte(src[at:], '\n'); i >= 0 {
			stop = at + i + 1
		}
		begin := at
		for begin < stop && (src[begin] == '>' || src[begin] == ' ' && begin > at) {
			begin++
		}
		if src[at] != '>' {
			begin = at
		}
		from := len(f.text)
		f.plain(src[begin:stop], begin)
		if begin > at {
			f.steps += begin - at
			f.quote.set(from, len(f.text), f.size)
		}
		at = stop
	}
	return f
}

// here marks that the next text stands at src.
func (f *flat) here(src int) { f.marks.add(len(f.text), src) }

// plain appends text that stands at src: full-width forms become ASCII, blanks
// of all kinds a space, invisible characters nothing.
func (f *flat) plain(s string, src int) {
	if s == "" {
		return
	}
	f.steps += len(s)
	f.here(src)
	if cap(f.text)-len(f.text) < len(s) {
		f.text = slices.Grow(f.text, max(f.size-src, len(s)))
	}
	for i := 0; i < len(s); {
		if n := asciiLength(s[i:]); n > 0 {
			f.text = append(f.text, s[i:i+n]...)
			i += n
			continue
		}
		r, n := utf8.DecodeRuneInString(s[i:])
		if c, changed := shown(r); changed {
			if c != 0 {
				f.text = append(f.text, c)
			}
			f.here(src + i + n)
		} else {
			f.text = append(f.text, s[i:i+n]...)
		}
		i += n
	}
}

// asciiLength returns how many bytes at the beginning of s are ASCII.
func asciiLength(s string) int {
	n := 0
	for ; n+8 <= len(s); n += 8 {
		t := s[n : n+8]
		if (uint64(t[0])|uint64(t[1])<<8|uint64(t[2])<<16|uint64(t[3])<<24|uint64(t[4])<<32|uint64(t[5])<<40|uint64(t[6])<<48|uint64(t[7])<<56)&0x8080808080808080 != 0 {
			break
		}
	}
	for n < len(s) && s[n] < utf8.RuneSelf {
		n++
	}
	return n
}

// shown returns what stands in the flat for a character: another one, or none
// (0), if it is not the character itself.
func shown(r rune) (c byte, changed bool) {
	switch {
	case r >= '！' && r <= '～':
		return byte(r - '！' + '!'), true
	case r == '\u2028' || r == '\u2029' || r == '\u0085':
		return '\n', true
	case invisible(r):
		return 0, true
	case unicode.IsSpace(r):
		return ' ', true
	case r == '\u2010' || r == '\u2011' || r == '\u2012' || r == '\u2212':
		return '-', true // hyphens that stand in phone numbers
	}
	return 0, false
}

// invisible reports whether a character leaves no trace on the page.
func invisible(r rune) bool {
	switch {
	case r == '\u00ad', r == '\u034f', r == '\u2060', r == '\ufeff', r >= '\u200b' && r <= '\u200f', r >= '\u202a' && r <= '\u202e', r >= '\u2066' && r <= '\u2069', r >= '\ufe00' && r <= '\ufe0f':
		return true
	}
	return false
}

// lines calls f with each line's range.
func (f *flat) lines(yield func(span) bool) {
	for at := 0; at < len(f.text); {
		stop := len(f.text)
		if i := bytes.IndexByte(f.text[at:], '\n'); i >= 0 {
			stop = at + i
		}
		f.steps += stop + 1 - at
		if !yield(span{at, stop}) {
			return
		}
		at = stop + 1
	}
}

// decode undoes quoted-printable (RFC 2045 6.7) that was left in a text.
func (f *flat) decode(src string) string {
	if !quotedPrintable(src) {
		return src
	}
	f.coded = &marks{}
	f.steps += len(src)
	var out strings.Builder
	out.Grow(len(src))
	for i := 0; i < len(src); {
		n := strings.IndexByte(src[i:], '=')
		if n < 0 {
			n = len(src) - i
		}
		f.coded.add(out.Len(), i)
		out.WriteString(src[i : i+n])
		if i += n; i == len(src) {
			break
		}
		if n, soft := softBreak(src[i+1:]); soft {
			i += 1 + n
			continue
		}
		out.WriteByte(byte(unhex(src[i+1])<<4 | unhex(src[i+2])))
		i += 3
	}
	f.coded.add(out.Len(), len(src))
	return out.String()
}

// quotedPrintable reports whether a text is in quoted-printable: each "=" is
// what it may be there, and there are enough of them to be no accident.
func quotedPrintable(src string) bool {
	soft, escapes := 0, 0
	for i := 0; ; {
		n := strings.IndexByte(src[i:], '=')
		if n < 0 {
			break
		}
		i += n + 1
		if _, ok := softBreak(src[i:]); ok {
			soft++
			continue
		}
		if i+1 >= len(src) || !upperHex(src[i]) || !upperHex(src[i+1]) {
			return false
		}
		if c := byte(unhex(src[i])<<4 | unhex(src[i+1])); isAlnum(c) || c < ' ' && c != '\t' && c != '\r' && c != '\n' {
			return false // nobody escapes a letter, but "conference=4711" looks like it
		}
		escapes++
	}
	return soft > 0 && soft+escapes > 1 || escapes > 1
}

// softBreak returns how long the line break is that s begins with, blanks in
// front of it counted.
func softBreak(s string) (n int, ok bool) {
	for n < len(s) && n < 8 && (s[n] == ' ' || s[n] == '\t' || s[n] == '\r') {
		n++
	}
	if n < len(s) && s[n] == '\n' {
		return n + 1, true
	}
	return 0, false
}

func upperHex(c byte) bool { return isDigit(c) || c >= 'A' && c <= 'F' }
