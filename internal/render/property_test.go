package render

import (
	"errors"
	"fmt"
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
}, b calendar.Body, o Options) {
	t.Helper()
	j := details()
	out, err := Insert(b, j, o)
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
		shapes := templates(rapid.SampledFrom(Locales()).Draw(t, "locale"))
		roundTrip(t, genBody(t), shapes[rapid.SampledFrom([]string{"full", "bare", "English below"}).Draw(t, "shape")])
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

// fuzzBlocks are blocks in every language and shape, written once: a fuzzer
// runs many millions of bodies.
func fuzzBlocks(f testing.TB) (*shelf, []Block) {
	s, err := library()
	if err != nil {
		f.Fatal(err)
	}
	var all []Block
	for _, locale := range Locales() {
		for _, shape := range []string{"full", "bare", "English below"} {
			block, err := s.block(details(), templates(locale)[shape])
			if err != nil {
				f.Fatal(err)
			}
			all = append(all, block)
		}
	}
	return s, all
}

const maxFuzz = 16 << 10 // bytes of a body

// FuzzRoundTrip puts a block into any body: it is found there and taken out
// to the byte, or the body is refused and stays.
func FuzzRoundTrip(f *testing.F) {
	s, blocks := fuzzBlocks(f)
	for i, b := range bodies {
		f.Add(b.kind == "html", byte(i), b.content)
	}
	f.Add(true, byte(0), "<p>x</p>"+blocks[3].HTML)
	f.Add(false, byte(1), "x\n"+blocks[3].Text)
	f.Fuzz(func(t *testing.T, html bool, which byte, content string) {
		if fault := s.putAndTake(html, blocks[int(which)%len(blocks)], content); fault != "" {
			t.Fatal(fault)
		}
	})
}

// putAndTake is one run of FuzzRoundTrip. It returns what went wrong.
func (s *shelf) putAndTake(html bool, block Block, content string) (fault string) {
	if len(content) > maxFuzz {
		return ""
	}
	b := textBody(content)
	if html {
		b = htmlBody(content)
	}
	p := newPage(b)
	if f := s.find(p, room); f.State == Whole || f.State == Partial && f.Reason != LinkOnly {
		return ""
	}
	out, err := s.put(b, p, block, room)
	if err != nil {
		if out != b || !errors.Is(err, ErrPlace) {
			return fmt.Sprintf("put: %v", err)
		}
		return ""
	}
	q := newPage(out)
	found := s.find(q, room)
	if found.State != Whole {
		return fmt.Sprintf("find: %+v in %q", found, out.Content)
	}
	back, _, err := s.takeOut(out, q, found.spot)
	if err != nil || back != b {
		return fmt.Sprintf("remove: %v\n got %q\nwant %q", err, back.Content, b.Content)
	}
	return ""
}

// FuzzRemove throws bodies with a rewritten block somewhere in them at Find and
// Remove: nothing else that is seen is lost.
func FuzzRemove(f *testing.F) {
	s, blocks := fuzzBlocks(f)
	for i := range blocks {
		blocks[i].HTML = rewrite(blocks[i].HTML)
	}
	f.Add(byte(0), "<p>Agenda", "<p>Bye")
	f.Add(byte(1), "<table><tr><td>", "</td></tr></table>")
	f.Add(byte(2), "> *", "* <https://x.example>")
	f.Add(byte(3), "-- \n", "\nFrom: a\nSent: b\nTo: c\n")
	f.Fuzz(func(t *testing.T, which byte, before, after string) {
		if fault := s.takeBetween(which&1 == 0, blocks[int(which>>1)%len(blocks)], before, after); fault != "" {
			t.Fatal(fault)
		}
	})
}

// takeBetween is one run of FuzzRemove. It returns what went wrong.
func (s *shelf) takeBetween(html bool, block Block, before, after string) (fault string) {
	if len(before)+len(after) > maxFuzz {
		return ""
	}
	b := textBody(before + block.Text + after)
	if html {
		b = htmlBody(before + block.HTML + after)
	}
	p := newPage(b)
	found := s.find(p, room)
	if found.State != Whole {
		return ""
	}
	out, rest, err := s.takeOut(b, p, found.spot)
	if err != nil {
		if out != b || !errors.Is(err, ErrPlace) {
			return err.Error()
		}
		return ""
	}
	if len(out.Content) > len(b.Content) || len(rest.seen) != len(p.seen)-(found.spot.last-found.spot.first) {
		return fmt.Sprintf("from %q\nto   %q", b.Content, out.Content)
	}
	return ""
}

func BenchmarkRender(b *testing.B) {
	o := options("en")
	for name, body := range map[string]calendar.Body{
		"html": htmlBody("<html><body>" + strings.Repeat("<p class=MsoNormal>Agenda of the day<o:p></o:p></p>\r\n", 200) + "</body></html>"),
		"text": textBody(strings.Repeat("Agenda of the day, with a few words more\r\n", 250)),
	} {
		with, err := Insert(body, details(), o)
		if err != nil {
			b.Fatal(err)
		}
		for step, do := range map[string]func() error{
			"insert": func() error { _, err := Insert(body, details(), o); return err },
			"find":   func() error { Find(with, room); return nil },
			"remove": func() error { _, err := Remove(with, room); return err },
			"block":  func() error { _, err := NewBlock(details(), o); return err },
		} {
			b.Run(name+"/"+step, func(b *testing.B) {
				b.ReportAllocs()
				b.SetBytes(int64(len(with.Content)))
				for b.Loop() {
					if err := do(); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

func BenchmarkFindHostile(b *testing.B) {
	for name, piece := range map[string]string{"rule": "-----", "sign": "-- \n", "wrapped": safelink(room) + " ", "lt": "<", "amp": "&amp;", "open": "<div>", "first": "Join the online meeting", "last": "Join details added by Koyomi (0000)", "echo": "<tel:", "from": "From: a<br>", "url": room} {
		b.Run(name, func(b *testing.B) {
			body := htmlBody(strings.Repeat(piece, 1_000_000/len(piece)))
			b.SetBytes(int64(len(body.Content)))
			for b.Loop() {
				Find(body, room)
			}
		})
	}
}
