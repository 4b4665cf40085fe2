package wire

import (
	"strings"
	"testing"
	"unicode/utf8"
)

// plainEscape escapes character by character, as the specification has it.
func plainEscape(s string, attr bool) string {
	var b strings.Builder
	for _, r := range s { // bytes that are no UTF-8 come as U+FFFD
		switch {
		case !legal(r):
		case r == '&':
			b.WriteString("&amp;")
		case r == '<':
			b.WriteString("&lt;")
		case r == '>' && !attr && strings.Contains(s, "]]>"):
			b.WriteString("&gt;")
		case r == '\r':
			b.WriteString("&#xD;")
		case r == '"' && attr:
			b.WriteString("&quot;")
		case r == '\n' && attr:
			b.WriteString("&#xA;")
		case r == '\t' && attr:
			b.WriteString("&#x9;")
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// TestEscapeEveryByte puts each byte at each place of a word, alone and twice.
func TestEscapeEveryByte(t *testing.T) {
	t.Parallel()
	for c := range 256 {
		for at := range 17 {
			clean := []byte("abcdefghABCDEFGHxyz")
			clean[at] = byte(c)
			clean[at+1] = 'z'
			for _, twin := range []byte{'z', byte(c), '?', '!', '\'', '%', '='} {
				clean[at+1] = twin
				for _, attr := range []bool{false, true} {
					s := string(clean)
					if got, want := string(escape([]byte("+"), s, attr)), "+"+plainEscape(s, attr); got != want {
						t.Fatalf("%q, attribute %v: got %q, want %q", s, attr, got, want)
					}
				}
			}
		}
	}
}

func FuzzEscape(f *testing.F) {
	f.Add(`<p class="x">Q&A ` + "\r\n\t\x00\x7F\x80é日本語😀\uFFFE\xED\xA0\x80</p>")
	f.Add("]]><b>]] >")
	f.Add(strings.Repeat(`"`, 9) + strings.Repeat("&", 9) + strings.Repeat("日", 9))
	f.Fuzz(func(t *testing.T, s string) {
		for _, attr := range []bool{false, true} {
			got := string(escape(nil, s, attr))
			if want := plainEscape(s, attr); got != want {
				t.Errorf("%q, attribute %v: got %q, want %q", s, attr, got, want)
			}
			if !utf8.ValidString(got) || !attr && unescape(got) != strings.ToValidUTF8(strings.Map(onlyLegal, s), "\uFFFD") {
				t.Errorf("%q came back as %q", s, unescape(got))
			}
		}
	})
}

func onlyLegal(r rune) rune {
	if !legal(r) {
		return -1
	}
	return r
}
