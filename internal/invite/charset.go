package invite

import (
	"bytes"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/html/charset"
	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/japanese"
	"golang.org/x/text/encoding/simplifiedchinese"
	"golang.org/x/text/encoding/unicode"
)

// unicode returns text in UTF-8. The label is the character set as the
// document names it, empty where it names none. Where the bytes do not fit the
// name, or there is none, the set is guessed and the guess is noted.
func (r *reader) unicode(data []byte, label, part string) string {
	data = bytes.TrimPrefix(fromUTF16(data), []byte("\xef\xbb\xbf"))
	label = strings.ToLower(strings.Trim(label, " \"'"))
	switch label {
	case "", "us-ascii", "ascii", "utf-8", "utf8", "unknown-8bit", "x-unknown":
		return r.guess(data, part)
	}
	e := lookup(label)
	if e == nil {
		r.problem(Problem{Part: part, Field: "charset", Code: UnknownCharset, Detail: label})
		return ascii(data)
	}
	text, err := e.NewDecoder().Bytes(data)
	if err != nil {
		r.problem(Problem{Part: part, Field: "charset", Code: BrokenField})
	}
	return strings.ToValidUTF8(string(text), "\uFFFD")
}

// unicodeHTML does the same for HTML, which may name its character set itself.
func (r *reader) unicodeHTML(data []byte, label, part string) string {
	if label == "" && !utf8.Valid(data) && bytes.Contains(bytes.ToLower(data[:min(len(data), 1024)]), []byte("charset")) {
		_, label, _ = charset.DetermineEncoding(data, "")
	}
	return r.unicode(data, label, part)
}

// unfolded does the same for a calendar: it undoes the folds first where they
// may have been made within characters (RFC 5545 3.1).
func (r *reader) unfolded(data []byte, label, part string) string {
	data = fromUTF16(data)
	if !utf8.Valid(data) {
		for _, end := range []string{"\r\n", "\n", "\r"} {
			for _, blank := range []string{" ", "\t"} {
				data = bytes.ReplaceAll(data, []byte(end+blank), nil)
			}
		}
	}
	return r.unicode(data, label, part)
}

// lookup finds a character set by the names that the Encoding Standard has for
// it and by some that mail programs use besides; nil if there is none.
func lookup(label string) encoding.Encoding {
	switch label {
	case "cp932", "windows-932", "x-ms-cp932", "sjis", "shiftjis":
		return japanese.ShiftJIS
	case "eucjp", "euc_jp", "cp51932", "eucjp-ms", "cp20932":
		return japanese.EUCJP
	case "iso-2022-jp-1", "iso-2022-jp-ms", "cp50220", "cp50221", "cp50222":
		return japanese.ISO2022JP
	case "cp936", "gb_18030", "gb18030-2000", "gb18030-2005", "euc-cn":
		return simplifiedchinese.GB18030
	}
	if e, _ := charset.Lookup(label); e != nil && e != encoding.Replacement {
		return e
	}
	// "windows1252", "cp-1252": the same with the usual hyphens.
	bare := strings.NewReplacer("-", "", "_", "").Replace(label)
	for _, prefix := range []string{"windows", "cp", "iso8859"} {
		if number, is := strings.CutPrefix(bare, prefix); is && number != "" {
			name := "windows-" + number
			if prefix == "iso8859" {
				name = "iso-8859-" + number
			}
			if e, _ := charset.Lookup(name); e != nil && e != encoding.Replacement {
				return e
			}
		}
	}
	return nil
}

// guess returns text whose character set is not known in UTF-8.
func (r *reader) guess(data []byte, part string) string {
	if bytes.Contains(data, []byte("\x1b$")) {
		if text, err := japanese.ISO2022JP.NewDecoder().Bytes(data); err == nil {
			r.problem(Problem{Part: part, Code: GuessedCharset, Detail: "iso-2022-jp"})
			return strings.ToValidUTF8(string(text), "\uFFFD")
		}
	}
	if utf8.Valid(data) {
		return string(data)
	}
	if mostlyUTF8(data) {
		r.problem(Problem{Part: part, Code: GuessedCharset, Detail: "utf-8"})
		return strings.ToValidUTF8(string(data), "\uFFFD")
	}
	name, best, text := "", 0, ""
	for _, c := range []string{"shift_jis", "euc-jp", "gb18030"} {
		out, err := lookup(c).NewDecoder().Bytes(data)
		if n := plausible(string(out), c); err == nil && n > best {
			name, best, text = c, n, string(out)
		}
	}
	if name == "" {
		name = "windows-1252"
		out, err := lookup(name).NewDecoder().Bytes(data)
		if err != nil {
			return ascii(data)
		}
		text = string(out)
	}
	r.problem(Problem{Part: part, Code: GuessedCharset, Detail: name})
	return text
}

// mostlyUTF8 reports whether broken bytes are few beside whole characters, as
// where a text was cut or folded within one.
func mostlyUTF8(data []byte) bool {
	good, bad := 0, 0
	for len(data) > 0 {
		r, n := utf8.DecodeRune(data)
		switch {
		case r == utf8.RuneError && n == 1:
			bad++
		case n > 1:
			good++
		}
		data = data[n:]
	}
	return good > 4*bad
}

// plausible says how much a text decoded as one of the East Asian sets looks
// like one: Japanese has kana, Chinese is read as ideographs without a stray
// letter between them.
func plausible(text, name string) int {
	kana, han, odd := 0, 0, 0
	for _, c := range text {
		switch {
		case c < 0x80:
		case c >= 0x3041 && c <= 0x30FC:
			kana++
		case c >= 0x4E00 && c <= 0x9FFF:
			han++
		case c >= 0x3000 && c <= 0x303F, c >= 0xFF01 && c <= 0xFF5E:
		default:
			odd++ // half-width kana, private use, replacement: the wrong set
		}
	}
	switch {
	case odd*4 > kana+han:
		return 0
	case name == "gb18030":
		if kana > 0 || han < 2 {
			return 0
		}
		return han - odd
	case kana == 0:
		return 0
	}
	return 2*kana + han - 4*odd
}

// ascii keeps what is ASCII: links are.
func ascii(data []byte) string {
	return string(bytes.Map(func(c rune) rune {
		if c >= 0x80 {
			return '\uFFFD'
		}
		return c
	}, data))
}

// isUTF16 reports whether data is UTF-16: by its byte order mark, or because
// every second byte of its beginning is zero.
func isUTF16(data []byte) bool {
	_, is := utf16Order(data)
	return is
}

func utf16Order(data []byte) (unicode.Endianness, bool) {
	if len(data) < 4 {
		return unicode.LittleEndian, false
	}
	switch {
	case data[0] == 0xFF && data[1] == 0xFE, data[0] != 0 && data[1] == 0 && data[2] != 0 && data[3] == 0:
		return unicode.LittleEndian, true
	case data[0] == 0xFE && data[1] == 0xFF, data[0] == 0 && data[1] != 0 && data[2] == 0 && data[3] != 0:
		return unicode.BigEndian, true
	}
	return unicode.LittleEndian, false
}

// fromUTF16 turns UTF-16 into UTF-8 and leaves all else alone.
func fromUTF16(data []byte) []byte {
	order, is := utf16Order(data)
	if !is {
		return data
	}
	out, err := unicode.UTF16(order, unicode.UseBOM).NewDecoder().Bytes(data)
	if err != nil {
		return data
	}
	return out
}
