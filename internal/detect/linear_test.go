package detect

import (
	"slices"
	"strings"
	"testing"

	"github.com/koyomi-cal/koyomi/internal/calendar"
)

// adversaries are inputs of about n bytes, made to wear scanners out. Each is
// given as text, as HTML and as a location.
func adversaries(n int) map[string]string {
	fill := func(piece string) string { return strings.Repeat(piece, n/len(piece)+1)[:n] }
	m := map[string]string{
		"amp nested":            "&" + fill("amp;"),
		"entities":              fill("&#x41;&nGt;&AMP"),
		"one url":               "https://zoom.us/j/" + fill("1"),
		"one url of signs":      "https://zoom.us/j/1?" + fill("a=%2F&"),
		"one url of brackets":   "https://zoom.us/j/1" + fill("(["),
		"one host":              "https://" + fill("a."),
		"one user":              "https://" + fill("a@"),
		"one anchor":            `<a href="https://zoom.us/j/123456789?` + strings.Repeat("x", 8000) + `">` + fill("http://x.y "),
		"anchors":               fill(`<a href="https://a.example/b">c</a> `),
		"anchors nested":        fill(`<a href=https://a.b/>`),
		"tel anchors":           fill(`<a href=tel:1>`),
		"safelinks":             fill("https://x.safelinks.protection.outlook.com/?url=https%3A%2F%2Fx.safelinks.protection.outlook.com%2F%3Furl%3D"),
		"safelinks, one":        "https://x.safelinks.protection.outlook.com/?url=" + fill("https://x.safelinks.protection.outlook.com/?url="),
		"escaped":               "https%" + fill("25") + "3A%2F%2Fzoom.us%2Fj%2F1",
		"proofpoint":            fill("https://urldefense.com/v3/__https://a.b/**A**A__;Kio!! "),
		"attribute unclosed":    fill(`<a b="`),
		"attributes":            "<p " + fill(" a=b"),
		"tag unclosed":          fill("<p "),
		"comment unclosed":      fill("<!-- "),
		"comment for Outlook":   fill("<!--[if mso]>"),
		"comments for Outlook":  fill("<!--[if mso]><a href=https://zoom.us/j/1><![endif]-->"),
		"cdata":                 fill("<![CDATA["),
		"script unclosed":       fill("<script></"),
		"data":                  `<script type="application/ld+json">` + fill(`"http`),
		"data links":            `<script type="application/ld+json">` + fill(`"https://a.b/c",`),
		"json":                  fill(`https:\/\/`),
		"json, one":             `https:\/\/` + fill(`a\/`),
		"quoted":                fill("\n>"),
		"quoted deeper":         fill("\n> > > x"),
		"quoted every other":    fill("\n>a\na"),
		"blockquote":            fill("<blockquote>"),
		"blockquotes":           fill("<blockquote>a</blockquote>b"),
		"broken lines":          fill(strings.Repeat("a", 61) + "/https://zoom.us/j/1" + "\n"),
		"broken link":           "https://zoom.us/j/1?" + fill(strings.Repeat("a=1", 25)+"\n"),
		"open bracket":          fill("<https://zoom.us/j/1\n"),
		"open bracket, blanks":  "<https://zoom.us/j/1" + fill("\n"),
		"quoted-printable":      fill("=3D=\n"),
		"quoted-printable urls": fill("https://zoom.us/j/1?a=3Db=20\n"),
		"other script":          fill("https://é"),
		"other scripts":         "https://" + fill("é"),
		"meeting ids":           fill("Meeting ID: "),
		"passcodes":             fill("Passcode: 123456 "),
		"numbers":               fill("Phone +1 305 224 1968,,123456# "),
		"numbers, labelled":     fill("Fax: 1234567 "),
		"mails":                 fill("1234@zoom.us "),
		"gruu":                  fill("a@b.c;gruu"),
		"h323":                  fill("1.1##H.323 "),
		"keywords":              fill("/@meetx"),
		"plain":                 fill("Please bring the figures. "),
		"japanese":              fill("会議室で会いましょう。"),
	}
	for _, piece := range []string{"<", ">", "&amp;", "&", "@", ":", "/", ".", "1", " ", "\n", "%", "\"", "(", "[", "*", "#", "+", "-", "_", "=", "\\", "＠", "\u200b", "\u00a0", "http", "://", "://zoom.us", "zoom.us/", "zoom.us,", "http://", "a.b/", "PIN ", "pin 1"} {
		m["only "+piece] = fill(piece)
	}
	return m
}

func inputs(body string) map[string]Input {
	return map[string]Input{
		"text":     {Body: body},
		"html":     {Body: body, BodyType: calendar.BodyHTML},
		"location": {Location: body},
	}
}

// work returns how many bytes were looked at, however often.
func (s *search) work() int {
	n := s.steps
	for _, f := range s.fields {
		n += f.steps
	}
	return n
}

// TestLinear: ten times the bytes are at most eleven times the work, and the
// work is a small multiple of the bytes.
func TestLinear(t *testing.T) {
	t.Parallel()
	d := New(nil)
	check := func(name, kind string, short, long Input, size int) {
		few, many := d.search(short).work(), d.search(long).work()
		// What was cut off at a fixed length counts alike in both.
		if many > 11*few+11*maxURL {
			t.Errorf("%s as %s: %d steps of %d bytes, %d of %d", name, kind, few, size/10, many, size)
		}
		if many > 40*size {
			t.Errorf("%s as %s: %d steps a byte", name, kind, many/size)
		}
	}
	sizes := []int{200_000, 1_000_000}
	if withRace {
		sizes = sizes[:1]
	}
	for _, size := range sizes {
		short := adversaries(size / 10)
		for name, body := range adversaries(size) {
			if (size == 1_000_000 || withRace) && !slices.Contains(worst(), name) {
				continue
			}
			for kind, in := range inputs(body) {
				check(name, kind, inputs(short[name])[kind], in, size)
			}
		}
	}
}

// worst are the adversaries that are looked at in full size.
func worst() []string {
	return []string{"only <", "only &amp;", "only @", "only :", "only /", "only 1", "only \n", "only ＠", "one url", "safelinks", "safelinks, one", "escaped", "quoted", "tag unclosed", "comment unclosed", "attribute unclosed", "anchors", "entities", "amp nested", "keywords"}
}
