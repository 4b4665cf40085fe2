package wire

import (
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
// runs over what needs no second look, letters first.
func escape(dst []byte, s string, attr bool) []byte {
	last := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c > '>' && c < utf8.RuneSelf || c >= ' ' && c <= ';' && c != '&' && c != '"' || c == '=' {
			i++
			continue
		}
		r, size := rune(c), 1
		if c >= utf8.RuneSelf {
			r, size = utf8.DecodeRuneInString(s[i:])
		}
		if sub, ok := substitute(r, size, attr); ok {
			dst = append(append(dst, s[last:i]...), sub...)
			last = i + size
		}
		i += size
	}
	return append(dst, s[last:]...)
}

// substitute returns what stands for a character, and whether anything has to.
func substitute(r rune, size int, attr bool) (string, bool) {
	switch r {
	case '&':
		return "&amp;", true
	case '<':
		return "&lt;", true
	case '>':
		return "&gt;", true
	case '"':
		return "&quot;", attr
	case '\r': // raw, it would be read as a line feed
		return "&#xD;", true
	case '\n':
		return "&#xA;", attr
	case '\t':
		return "&#x9;", attr
	case utf8.RuneError:
		return "\uFFFD", size == 1
	}
	return "", !legal(r)
}
