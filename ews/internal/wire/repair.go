package wire

import (
	"bytes"
	"encoding/binary"
	"slices"
	"strings"
	"unicode/utf8"
	"unsafe"
)

// legal reports whether XML 1.0 allows the character (production Char).
func legal(r rune) bool {
	switch {
	case r < 0x20:
		return r == '\t' || r == '\n' || r == '\r'
	case r < 0xD800:
		return true
	case r < 0xE000: // surrogates
		return false
	}
	return r <= utf8.MaxRune && r != 0xFFFE && r != 0xFFFF
}

// clean reports whether a document needs no repair.
func clean(data []byte) bool { return !control(data) && utf8.Valid(data) && !noncharacter(data) }

// control reports whether there is a control byte other than tab and line
// feed. It looks at eight bytes at once.
func control(data []byte) bool {
	const ones, high = 0x0101010101010101, 0x8080808080808080
	for len(data) >= 8 {
		w := binary.LittleEndian.Uint64(data)
		if (w-0x20*ones)&^w&high != 0 && slices.ContainsFunc(data[:8], isControl) {
			return true
		}
		data = data[8:]
	}
	return slices.ContainsFunc(data, isControl)
}

func isControl(c byte) bool { return c < 0x20 && c != '\t' && c != '\n' }

// noncharacter reports whether there is a U+FFFE or U+FFFF.
func noncharacter(data []byte) bool {
	for {
		i := bytes.IndexByte(data, 0xEF)
		if i < 0 || len(data) < i+3 {
			return false
		}
		if data[i+1] == 0xBF && data[i+2] >= 0xBE {
			return true
		}
		data = data[i+1:]
	}
}

// repair turns the bytes of a document into a string in which every character
// is legal: raw control bytes are dropped, invalid UTF-8 becomes U+FFFD, and
// line ends become a single line feed as XML 1.0 2.11 demands. The byte order
// mark goes. Where there is nothing to repair, the string is the bytes
// themselves, not a copy.
func repair(data []byte) string {
	data = bytes.TrimPrefix(data, []byte("\xEF\xBB\xBF"))
	if clean(data) {
		return unsafe.String(unsafe.SliceData(data), len(data)) // a copy of each answer would cost as much as reading it
	}
	var b strings.Builder
	b.Grow(len(data))
	for i := 0; i < len(data); {
		c := data[i]
		if c < utf8.RuneSelf {
			i++
			switch {
			case c == '\r':
				if i == len(data) || data[i] != '\n' {
					b.WriteByte('\n')
				}
			case c >= 0x20 || c == '\t' || c == '\n':
				b.WriteByte(c)
			}
			continue
		}
		r, size := utf8.DecodeRune(data[i:])
		i += size
		if legal(r) {
			b.WriteRune(r) // RuneError too: it is U+FFFD
		} else {
			b.WriteRune(utf8.RuneError)
		}
	}
	return b.String()
}
