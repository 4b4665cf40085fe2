package wire

import (
	"encoding/binary"
	"math/bits"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// unescape resolves references. What is no reference stays as it is: a bare
// ampersand in a subject must not cost the whole answer.
func unescape(s string) string {
	if strings.IndexByte(s, '&') < 0 {
		return s
	}
	return string(appendUnescaped(make([]byte, 0, len(s)), s))
}

// appendUnescaped appends s, its references resolved. The four that HTML in
// XML is full of go first.
func appendUnescaped(dst []byte, s string) []byte {
	for {
		i := strings.IndexByte(s, '&')
		if i < 0 {
			return append(dst, s...)
		}
		dst = append(dst, s[:i]...)
		s = s[i:]
		switch {
		case len(s) >= 4 && s[1] == 'l' && s[2] == 't' && s[3] == ';':
			dst = append(dst, '<')
			s = s[4:]
		case len(s) >= 4 && s[1] == 'g' && s[2] == 't' && s[3] == ';':
			dst = append(dst, '>')
			s = s[4:]
		case strings.HasPrefix(s, "&amp;"):
			dst = append(dst, '&')
			s = s[5:]
		case strings.HasPrefix(s, "&#xD;"):
			dst = append(dst, '\r')
			s = s[5:]
		default:
			r, size := reference(s)
			dst = utf8.AppendRune(dst, r)
			s = s[size:]
		}
	}
}

// reference reads the reference at the start of s, which begins with '&', and
// returns its character and length.
func reference(s string) (r rune, size int) {
	end := strings.IndexByte(s[:min(len(s), 16)], ';')
	if end < 2 {
		return '&', 1
	}
	switch s[1:end] {
	case "amp":
		return '&', end + 1
	case "lt":
		return '<', end + 1
	case "gt":
		return '>', end + 1
	case "quot":
		return '"', end + 1
	case "apos":
		return '\'', end + 1
	}
	r, ok := charRef(s[1:end])
	if !ok {
		return '&', 1
	}
	if r >= 0xD800 && r < 0xDC00 { // half of a pair: some servers write both halves as references
		if low, size := lowSurrogate(s[end+1:]); size > 0 {
			return 0x10000 + (r-0xD800)<<10 + (low - 0xDC00), end + 1 + size
		}
	}
	if !legal(r) {
		r = utf8.RuneError
	}
	return r, end + 1
}

// charRef parses "#65" or "#x41".
func charRef(s string) (rune, bool) {
	digits, ok := strings.CutPrefix(s, "#")
	if !ok {
		return 0, false
	}
	base := 10
	if hex, ok := strings.CutPrefix(digits, "x"); ok {
		digits, base = hex, 16
	}
	n, err := strconv.ParseUint(digits, base, 31)
	if err != nil {
		return 0, false
	}
	return rune(n), true
}

// lowSurrogate reads a reference to the second half of a surrogate pair.
func lowSurrogate(s string) (r rune, size int) {
	end := strings.IndexByte(s[:min(len(s), 16)], ';')
	if end < 2 || s[0] != '&' {
		return 0, 0
	}
	if r, ok := charRef(s[1:end]); ok && r >= 0xDC00 && r < 0xE000 {
		return r, end + 1
	}
	return 0, 0
}

// escape appends s with the characters escaped that mean something in XML. It
// looks at eight bytes at once and copies them before it knows how many of them
// need no second look: most do not. A ">" stays as it is, which halves the work
// for HTML, unless "]]>" is in the text (XML 1.0, 2.4).
func escape(dst []byte, s string, attr bool) []byte {
	n := len(dst)
	looks := lookFor(attr, strings.Contains(s, "]]>"))
	dst = dst[:cap(dst)]
	for i := 0; i < len(s); {
		if len(dst)-n < 8 {
			dst = slices.Grow(dst, 8+len(s)-i)
			dst = dst[:cap(dst)]
		}
		var w uint64
		if len(s)-i >= 8 {
			w = word(s[i : i+8])
		} else {
			w = rest(s[i:])
		}
		binary.LittleEndian.PutUint64(dst[n:], w)
		marks := looks.special(w)
		if marks == 0 { // says what follows without waiting for the count
			i, n = i+8, n+8
			continue
		}
		k := bits.TrailingZeros64(marks) / 8
		i, n = i+k, n+k
		if i == len(s) || len(dst)-n < 8 {
			continue
		}
		if c := s[i]; c < utf8.RuneSelf {
			text, size := character(c, attr)
			binary.LittleEndian.PutUint64(dst[n:], text)
			i, n = i+1, n+size
			continue
		}
		r, size := utf8.DecodeRuneInString(s[i:]) // U+FFFD for what is no UTF-8
		if legal(r) {
			n += utf8.EncodeRune(dst[n:], r)
		}
		i += size
	}
	return dst[:n]
}

// character returns what stands for an ASCII character, the first byte of it
// lowest, and its length.
func character(c byte, attr bool) (text uint64, size int) {
	switch {
	case c == '<':
		return '&' | 'l'<<8 | 't'<<16 | ';'<<24, 4
	case c == '>':
		return '&' | 'g'<<8 | 't'<<16 | ';'<<24, 4
	case c == '&':
		return '&' | 'a'<<8 | 'm'<<16 | 'p'<<24 | ';'<<32, 5
	case c == '\r': // raw, it would be read as a line feed
		return '&' | '#'<<8 | 'x'<<16 | 'D'<<24 | ';'<<32, 5
	case c >= ' ' && (c != '"' || !attr), c == '\n' && !attr, c == '\t' && !attr:
		return uint64(c), 1
	case c == '"':
		return '&' | 'q'<<8 | 'u'<<16 | 'o'<<24 | 't'<<32 | ';'<<40, 6
	case c == '\n':
		return '&' | '#'<<8 | 'x'<<16 | 'A'<<24 | ';'<<32, 5
	case c == '\t':
		return '&' | '#'<<8 | 'x'<<16 | '9'<<24 | ';'<<32, 5
	}
	return 0, 0 // XML has no place for it
}

// word returns eight bytes as a number, the first of them lowest.
func word(s string) uint64 {
	return uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 |
		uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56
}

// rest is word of fewer than eight bytes. What is missing is zero, which is a
// control character and so stops a run.
func rest(s string) (w uint64) {
	for i := range len(s) {
		w |= uint64(s[i]) << (8 * i)
	}
	return w
}

// looks is what special looks for. Two characters that differ in one bit are
// compared as one: the bit is set in every byte before.
type looks struct{ angleBit, angle, quoteBit, quote uint64 }

const ones, high = 0x0101010101010101, 0x8080808080808080

// lookFor returns what to look for in text or in the value of an attribute.
func lookFor(attr, greater bool) looks {
	l := looks{angle: '<' * ones, quote: '&' * ones}
	if greater {
		l.angleBit, l.angle = 2*ones, '>'*ones // 0x3C and 0x3E
	}
	if attr {
		l.quoteBit = 4 * ones // 0x22 and 0x26
	}
	return l
}

// special marks by its highest bit the first of eight bytes that is a control
// or no ASCII character, one of < & and what else is looked for. Bytes above
// the first may be marked without cause.
func (l *looks) special(w uint64) uint64 {
	angle := (w | l.angleBit) ^ l.angle
	amp := (w | l.quoteBit) ^ l.quote
	return ((angle-ones)&^angle | (amp-ones)&^amp | (w - ' '*ones) | w) & high
}
