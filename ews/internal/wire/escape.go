package wire

import (
	"encoding/binary"
	"fmt"
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

// escape appends s with the characters escaped that mean something in XML, and
// without those that it has no place for. A ">" stays as it is, which halves the
// work for HTML, unless "]]>" is in the text (XML 1.0, 2.4).
//
// Eight bytes are taken at once. Where none of them needs a second look they
// are copied as they are; otherwise each is looked up, without a branch, for
// nobody can foretell where in HTML the next tag begins.
func escape(dst []byte, s string, attr bool) []byte {
	l := looks{amp: '&' * ones, wide: high, with: &ofText}
	if attr {
		l.bit, l.with = 4*ones, &ofAttr // 0x22 is a quote, 0x26 an ampersand
	} else if strings.Contains(s, "]]>") {
		return escapeRunes(dst, s, &ofCData)
	}
	i, n := 0, len(dst)
	dst = room(dst, len(s))
	for i+8 <= len(s) {
		w := word(s[i:])
		marks := l.special(w)
		if marks == 0 {
			binary.LittleEndian.PutUint64(dst[n:], w)
			i, n = i+8, n+8
			continue
		}
		if w&l.wide != 0 {
			if !plain(s[i:]) {
				return escapeRunes(dst[:n], s[i:], l.with)
			}
			l.wide = 0
			continue
		}
		n += l.with.eight((*[slack]byte)(dst[n:]), w, marks)
		if i += 8; len(dst)-n < len(s)-i+slack {
			dst = room(dst[:n], len(s)-i)
		}
	}
	return l.end(dst, n, s, i)
}

// end is escape for the last bytes, fewer than eight.
func (l looks) end(dst []byte, n int, s string, i int) []byte {
	if k := len(s) - i; k > 0 && i > 0 {
		w := word(s[len(s)-8:])>>(64-8*k) | ' '*ones<<(8*k)
		if l.special(w) == 0 {
			binary.LittleEndian.PutUint64(dst[n:], w)
			return dst[:n+k]
		}
	}
	if l.wide != 0 && !plain(s[i:]) {
		return escapeRunes(dst[:n], s[i:], l.with)
	}
	for ; i < len(s); i++ {
		e := l.with[s[i]]
		binary.LittleEndian.PutUint64(dst[n:], e)
		n += int(e >> 56)
	}
	return dst[:n]
}

// slack is more than eight bytes become, with what is written past their end.
const slack = 64

// room returns dst with all its capacity, which is enough for n more bytes of
// which the next eight may grow.
func room(dst []byte, n int) []byte {
	dst = slices.Grow(dst, n+slack)
	return dst[:cap(dst)]
}

// plain reports whether all that is not ASCII can stay as it is.
func plain(s string) bool {
	return utf8.ValidString(s) && !strings.Contains(s, "\uFFFE") && !strings.Contains(s, "\uFFFF")
}

// escapeRunes is escape for text that is not as it should be.
func escapeRunes(dst []byte, s string, with *entities) []byte {
	for _, r := range s { // U+FFFD for what is no UTF-8
		if r >= utf8.RuneSelf {
			if legal(r) {
				dst = utf8.AppendRune(dst, r)
			}
			continue
		}
		e := with[r]
		for n := e >> 56; n > 0; n-- {
			dst = append(dst, byte(e))
			e >>= 8
		}
	}
	return dst
}

// entities is what stands for each byte: the text with its first byte lowest,
// and its length in the highest byte.
type entities [256]uint64

// The tables are for text, for text with "]]>" in it, and for the values of
// attributes. They never change.
var (
	ofText  = newEntities("&<\r")
	ofCData = newEntities("&<>\r")
	ofAttr  = newEntities("&<\r\"\t\n")
)

func newEntities(escaped string) (t entities) {
	set := func(c byte, text string) {
		t[c] = uint64(len(text)) << 56
		for i := range len(text) {
			t[c] |= uint64(text[i]) << (8 * i)
		}
	}
	for c := range 256 {
		if c >= ' ' || legal(rune(c)) {
			set(byte(c), string([]byte{byte(c)}))
		}
	}
	for i := range len(escaped) {
		c := escaped[i]
		text, named := map[byte]string{'&': "&amp;", '<': "&lt;", '>': "&gt;", '"': "&quot;"}[c]
		if !named {
			text = fmt.Sprintf("&#x%X;", c)
		}
		set(c, text)
	}
	return t
}

// eight writes what stands for the eight bytes of w, of which some are marked,
// and returns its length. Runs between the marks are written eight bytes at
// once, whose end is overwritten by what follows.
func (t *entities) eight(dst *[slack]byte, w, marks uint64) (n int) {
	done := 0
	for ; marks != 0; marks &= marks - 1 {
		at := bits.TrailingZeros64(marks) &^ 7
		binary.LittleEndian.PutUint64(dst[n:], w>>(done&63))
		n += (at - done) >> 3
		e := t[byte(w>>at)]
		binary.LittleEndian.PutUint64(dst[n:], e)
		n += int(e >> 56)
		done = at + 8
	}
	binary.LittleEndian.PutUint64(dst[n:], w>>(done&63))
	return n + (64-done)>>3
}

// word returns eight bytes as a number, the first of them lowest.
func word(s string) uint64 {
	return uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 |
		uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56
}

// looks is what special looks for: "<", control characters, "&", which with the
// bit set in every byte before is the quote, too, and what is not ASCII.
type looks struct {
	bit, amp, wide uint64
	with           *entities
}

const ones, high = 0x0101010101010101, 0x8080808080808080

// special marks by its highest bit the first of eight bytes that is looked for.
// Bytes above the first may be marked without cause.
func (l looks) special(w uint64) uint64 {
	t := ((w ^ '<'*ones) - ones) | (((w | l.bit) ^ l.amp) - ones) | (w - ' '*ones)
	return (t&^w | w&l.wide) & high
}
