package canary

import (
	"bytes"
	"crypto/md5"  //nolint:gosec // looked for, not relied on
	"crypto/sha1" //nolint:gosec // looked for, not relied on
	"crypto/sha256"
	"encoding/base32"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"mime/quotedprintable"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf16"
)

// How long a stretch has to be in each kind of form, so that it stands for
// eight bytes of the secret.
const (
	leastPlain  = window
	leastBase64 = 11
	leastBase32 = 13
	leastDouble = 2 * window // two or more bytes for each byte
)

// formsOf writes a text in every form. The first is the text itself.
func formsOf(text string) []form {
	raw := []byte(text)
	backwards := slices.Clone(raw)
	slices.Reverse(backwards)
	little, big := utf16Of(text)
	forms := []form{
		{"text", raw, leastPlain},
		{"lower case", []byte(strings.ToLower(text)), leastPlain},
		{"upper case", []byte(strings.ToUpper(text)), leastPlain},
		{"backwards", backwards, leastPlain},
		{"utf-16le", little, leastDouble},
		{"utf-16be", big, leastDouble},
	}
	forms = append(forms, radix("", raw)...)
	forms = append(forms, radix("utf-16le in ", little)...)
	forms = append(forms, escapes(text)...)
	return append(forms, digests(text)...)
}

func utf16Of(text string) (little, big []byte) {
	for _, c := range utf16.Encode([]rune(text)) {
		little = binary.LittleEndian.AppendUint16(little, c)
		big = binary.BigEndian.AppendUint16(big, c)
	}
	return little, big
}

// radix writes bytes in base 16, 32 and 64, at every place that they can have
// within a longer text.
func radix(name string, raw []byte) []form {
	lower := hex.EncodeToString(raw)
	forms := []form{
		{name + "hexadecimal", []byte(lower), leastDouble},
		{name + "upper hexadecimal", []byte(strings.ToUpper(lower)), leastDouble},
	}
	for shift := range 3 {
		text := base64.RawStdEncoding.EncodeToString(append(make([]byte, shift), raw...))
		text = text[(shift*8+5)/6 : (shift+len(raw))*8/6]
		inURL := strings.NewReplacer("+", "-", "/", "_").Replace(text)
		forms = append(forms,
			form{fmt.Sprintf("%sbase64 shifted by %d", name, shift), []byte(text), leastBase64},
			form{fmt.Sprintf("%sbase64url shifted by %d", name, shift), []byte(inURL), leastBase64})
	}
	for shift := range 5 {
		text := base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(append(make([]byte, shift), raw...))
		text = text[(shift*8+4)/5 : (shift+len(raw))*8/5]
		forms = append(forms, form{fmt.Sprintf("%sbase32 shifted by %d", name, shift), []byte(text), leastBase32})
	}
	return forms
}

func escapes(text string) []form {
	inJSON, err := json.Marshal(text)
	if err != nil {
		inJSON = []byte(`""`)
	}
	var entities strings.Builder
	for _, c := range text {
		fmt.Fprintf(&entities, "&#%d;", c)
	}
	var printable bytes.Buffer
	w := quotedprintable.NewWriter(&printable)
	if _, err := w.Write([]byte(text)); err != nil || w.Close() != nil {
		printable.Reset() // never: a buffer takes everything
	}
	return []form{
		{"query", []byte(url.QueryEscape(text)), leastDouble},
		{"path", []byte(url.PathEscape(text)), leastDouble},
		{"json", inJSON[1 : len(inJSON)-1], leastDouble},
		{"ascii json", []byte(strings.Trim(strconv.QuoteToASCII(text), `"`)), leastDouble},
		{"html entities", []byte(entities.String()), leastDouble},
		{"quoted-printable", printable.Bytes(), leastDouble},
	}
}

// digests are those without a key: whoever guesses the text can check the guess.
func digests(text string) (forms []form) {
	for _, t := range []string{text, strings.ToLower(text)} {
		long, middle, short := sha256.Sum256([]byte(t)), sha1.Sum([]byte(t)), md5.Sum([]byte(t)) //nolint:gosec // looked for
		for name, sum := range map[string][]byte{"sha-256": long[:], "sha-1": middle[:], "md5": short[:]} {
			forms = append(forms, form{name, sum, leastPlain})
			forms = append(forms, radix(name+" in ", sum)...)
		}
	}
	return forms
}

// notations are the texts in which programs and people write a moment, in UTC
// and in its own time zone. The first is RFC 3339.
func notations(t time.Time) []string {
	all := []string{}
	for _, z := range []time.Time{t.UTC(), t} {
		for _, layout := range []string{
			time.RFC3339, "2006-01-02T15:04", "2006-01-02 15:04", "20060102T1504", "200601021504",
			time.RFC1123, time.RFC850, time.ANSIC, "02 Jan 2006 15:04", "Jan 2, 2006 15:04", "Jan 2, 2006 3:04 PM",
			"02.01.2006 15:04", "02/01/2006 15:04", "1/2/2006 3:04 PM", "2006/01/02 15:04", "2006年1月2日 15:04",
		} {
			all = append(all, z.Format(layout))
		}
	}
	for _, n := range []int64{t.Unix(), t.UnixMilli(), t.UnixMicro(), t.UnixNano(), filetime(t), t.Unix() / 60} {
		all = append(all, strconv.FormatInt(n, 10), strconv.FormatInt(n, 16))
	}
	return slices.Compact(all)
}

// numbers are the eight bytes in which programs keep a moment.
func numbers(t time.Time) (forms []form) {
	add := func(name string, n uint64) {
		forms = append(forms,
			form{name + ", big end first", binary.BigEndian.AppendUint64(nil, n), 0},
			form{name + ", little end first", binary.LittleEndian.AppendUint64(nil, n), 0})
	}
	for name, n := range map[string]int64{
		"seconds": t.Unix(), "milliseconds": t.UnixMilli(), "microseconds": t.UnixMicro(), "nanoseconds": t.UnixNano(), "filetime": filetime(t),
	} {
		add(name, uint64(n)) //nolint:gosec // after 1970
	}
	add("seconds as a float", math.Float64bits(float64(t.Unix())))
	add("milliseconds as a float", math.Float64bits(float64(t.UnixMilli())))
	add("days since 1899 as a float", math.Float64bits(float64(t.Unix())/86400+25569))
	return forms
}

// filetime counts 100 ns since 1601, as Windows does.
func filetime(t time.Time) int64 { return t.UnixNano()/100 + 116444736000000000 }
