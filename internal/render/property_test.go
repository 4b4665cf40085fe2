package render

import (
	"errors"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/koyomi-cal/koyomi/internal/calendar"
)

// pieces are what bodies are made of in the tests that make them up.
var pieces = []string{
	"Agenda", " ", "\r\n", "\n", "\r", "&nbsp;", "&amp;", "&", "&#", "<", ">", "<p>", "</p>", "<div>", "</div>", "<br>", "<table><tr><td>", "</td></tr></table>", "<td>",
	"<tr>", "</table>", "<b>", "</b>", "<a href=\"https://example.com/\">", "</a>", "<!-- x -->", "<!--", "-->", "<![if x]>", "<script>", "</script>", "<title>", "<body>", "</body>", "</html>",
	"<blockquote type=cite>", "</blockquote>", "<div class=gmail_quote>", "> ", "From: a", "Sent: b", "To: c", "Subject: d", "-----Original Message-----", "________", "wrote:",
	"Join the online meeting", "オンライン会議に参加", "<img src=x>", "<hr>", "<o:p></o:p>", "\x00", "\xff", "\u200b", "\u3000", "<ul><li>", "<select>", "<plaintext>", "<svg>", "</",
}

func genBody(t *rapid.T) calendar.Body {
	parts := rapid.SliceOfN(rapid.OneOf(rapid.SampledFrom(pieces), rapid.String()), 0, 30).Draw(t, "parts")
	kind := rapid.SampledFrom([]calendar.BodyType{calendar.BodyHTML, calendar.BodyText}).Draw(t, "type")
	return calendar.Body{Type: kind, Content: strings.Join(parts, ""), Whole: true}
}

// roundTrip is the promise of the package: what Insert accepts, Find finds and
// Remove undoes to the byte; what it refuses stays as it was.
func roundTrip(t interface {
	Helper()
	Fatalf(string, ...any)
}, b calendar.Body, locale string) {
	t.Helper()
	j := details()
	out, err := Insert(b, j, options(locale))
	if err != nil {
		var partial *PartialError
		if out != b || !errors.Is(err, ErrPlace) && !errors.Is(err, ErrThere) && !errors.As(err, &partial) {
			t.Fatalf("insert: %v", err)
		}
		return
	}
	if f := Find(out, j.URL); f.State != Whole {
		t.Fatalf("find: %+v in %q", f, out.Content)
	}
	back, err := Remove(out, j.URL)
	if err != nil || back != b {
		t.Fatalf("remove: %v\n got %q\nwant %q", err, back.Content, b.Content)
	}
	again := j
	again.URL += "&again"
	replaced, err := Replace(out, j.URL, again, options("ja"))
	if err != nil {
		t.Fatalf("replace: %v", err)
	}
	if back, err = Remove(replaced, again.URL); err != nil || back != b {
		t.Fatalf("remove after replace: %v\n got %q\nwant %q", err, back.Content, b.Content)
	}
}

func TestRoundTripProperty(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		roundTrip(t, genBody(t), rapid.SampledFrom(Locales()).Draw(t, "locale"))
	})
}

// TestPlaceIsRare makes sure that refusing is no way out: any body whose
// markup is whole gets its block.
func TestPlaceIsRare(t *testing.T) {
	t.Parallel()
	whole := []string{"Agenda", "<p>x</p>", "<div><p>x</p></div>", "<table><tr><td>x</td></tr></table>", "<ul><li>x</li></ul>", "<!-- x -->", "&nbsp;", "\r\n", "<br>", "<blockquote type=cite>x</blockquote>", "<div class=gmail_quote>x</div>", "<img src=x>", "<hr>", "<style>p{}</style>", "<p><b>From:</b> a<br>Sent: b<br>Subject: c</p>"}
	rapid.Check(t, func(t *rapid.T) {
		b := htmlBody(strings.Join(rapid.SliceOfN(rapid.SampledFrom(whole), 0, 20).Draw(t, "parts"), ""))
		if _, err := Insert(b, details(), options("en")); err != nil {
			t.Fatalf("%v: %q", err, b.Content)
		}
	})
}

// TestNoLostText: whatever stands around a block in rewritten markup is still
// seen after the block is removed.
func TestNoLostText(t *testing.T) {
	t.Parallel()
	block, err := NewBlock(details(), options("en"))
	if err != nil {
		t.Fatal(err)
	}
	rewritten := rewrite(block.HTML)
	rapid.Check(t, func(t *rapid.T) {
		before, after := genBody(t).Content, genBody(t).Content
		b := htmlBody(before + rewritten + after)
		f := Find(b, room)
		if f.State != Whole {
			return
		}
		seen := string(newPage(b).seen)
		want := seen[:strings.Index(seen, "Jointheonlinemeetinghttps")] + seen[strings.LastIndex(seen, "Koyomi(")+len("Koyomi(0000)"):]
		out, err := Remove(b, room)
		if err != nil && (!errors.Is(err, ErrPlace) || out != b) {
			t.Fatalf("remove: %v", err)
		}
		got := string(newPage(out).seen)
		if err == nil && got != want {
			t.Fatalf("seen before %q, after %q\nfrom %q\nto   %q", want, got, b.Content, out.Content)
		}
	})
}

func FuzzRoundTrip(f *testing.F) {
	for _, b := range bodies {
		f.Add(b.kind == "html", b.content)
	}
	block, err := NewBlock(details(), options("en"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(true, "<p>x</p>"+block.HTML)
	f.Add(false, "x\n"+block.Text)
	f.Fuzz(func(t *testing.T, html bool, content string) {
		b := textBody(content)
		if html {
			b = htmlBody(content)
		}
		roundTrip(t, b, "en")
	})
}

// FuzzRemove throws bodies with a block somewhere in them at Find and Remove.
func FuzzRemove(f *testing.F) {
	f.Add("<p>Agenda", "<p>Bye")
	f.Add("<table><tr><td>", "</td></tr></table>")
	block, err := NewBlock(details(), options("ja"))
	if err != nil {
		f.Fatal(err)
	}
	rewritten := rewrite(block.HTML)
	f.Fuzz(func(t *testing.T, before, after string) {
		for _, b := range []calendar.Body{htmlBody(before + rewritten + after), textBody(before + block.Text + after)} {
			if Find(b, room).State != Whole {
				continue
			}
			out, err := Remove(b, room)
			if err != nil {
				t.Fatal(err)
			}
			if len(out.Content) > len(b.Content) {
				t.Fatalf("grew: %q", out.Content)
			}
		}
	})
}

func BenchmarkInsert(b *testing.B) {
	body := htmlBody("<html><body>" + strings.Repeat("<p class=MsoNormal>Agenda of the day<o:p></o:p></p>\r\n", 200) + "</body></html>")
	b.SetBytes(int64(len(body.Content)))
	for b.Loop() {
		if _, err := Insert(body, details(), options("en")); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkFindHostile(b *testing.B) {
	for name, piece := range map[string]string{"lt": "<", "amp": "&amp;", "open": "<div>", "first": "Join the online meeting", "last": "Join details added by Koyomi (0000)", "echo": "<tel:", "from": "From: a<br>", "url": room} {
		b.Run(name, func(b *testing.B) {
			body := htmlBody(strings.Repeat(piece, 1_000_000/len(piece)))
			b.SetBytes(int64(len(body.Content)))
			for b.Loop() {
				Find(body, room)
			}
		})
	}
}
