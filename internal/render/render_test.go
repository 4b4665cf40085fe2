package render

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/koyomi-cal/koyomi/internal/calendar"
)

var update = flag.Bool("update", false, "rewrite the golden files")

const room = "https://meet.example.org/k7qv3n?lang=en&x=1"

func details() calendar.JoinDetails {
	return calendar.JoinDetails{Service: "Example Meet", JoinMethod: calendar.JoinMethod{
		Kind: "jitsi", URL: room, Passcode: "4711 <&>", ID: "123 456 789", SIP: "sip:123456789@example.org", H323: "203.0.113.7##1234",
		Dialin: []calendar.Dialin{{Number: "+49 30 1234567", PIN: "4711"}, {Number: "0800 000000"}},
	}}
}

func options(locale string) Options {
	return Options{Locale: locale, Header: "Welcome to Example & Sons.\nPlease be on time.", Footer: "Help: extension 100 <any time>", WithPhone: true, WithVideo: true}
}

func htmlBody(s string) calendar.Body {
	return calendar.Body{Type: calendar.BodyHTML, Content: s, Whole: true}
}

func textBody(s string) calendar.Body {
	return calendar.Body{Type: calendar.BodyText, Content: s, Whole: true}
}

func TestBlockGolden(t *testing.T) {
	t.Parallel()
	for _, locale := range Locales() {
		block, err := NewBlock(details(), options(locale))
		if err != nil {
			t.Fatal(err)
		}
		for ext, got := range map[string]string{".html": block.HTML, ".txt": block.Text} {
			golden(t, filepath.Join("testdata", "block."+locale+ext), got+"\n")
		}
	}
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(name, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if string(want) != got {
		t.Errorf("%s differs; got\n%s", name, got)
	}
}

func TestBlockShape(t *testing.T) {
	t.Parallel()
	for _, locale := range Locales() {
		block, err := NewBlock(details(), options(locale))
		if err != nil {
			t.Fatal(err)
		}
		lines := strings.Split(block.Text, "\n")
		if lines[1] != room || !strings.HasSuffix(lines[2], "4711 <&>") {
			t.Errorf("%s: the first three lines do not suffice: %q", locale, lines[:3])
		}
		for _, bad := range []string{"<img", "background", "<style", "class=", " id=", "<!--", "src=", "display:none"} {
			if strings.Contains(block.HTML, bad) {
				t.Errorf("%s: HTML holds %q", locale, bad)
			}
		}
		for _, want := range []string{`href="https://meet.example.org/k7qv3n?lang=en&amp;x=1">https://meet.example.org/k7qv3n?lang=en&amp;x=1</a>`, `tel:&#43;49301234567,,4711%23`, `href="sip:123456789@example.org"`, "4711 &lt;&amp;&gt;"} {
			if !strings.Contains(block.HTML, want) {
				t.Errorf("%s: HTML lacks %q:\n%s", locale, want, block.HTML)
			}
		}
		// Both forms show the same, or a conversion would look like an edit.
		if a, b := string(newPage(htmlBody(block.HTML)).seen), string(newPage(textBody(block.Text)).seen); a != b {
			t.Errorf("%s: the two forms differ:\n%s\n%s", locale, a, b)
		}
	}
}

func TestBlockLeavesOut(t *testing.T) {
	t.Parallel()
	j := calendar.JoinDetails{JoinMethod: calendar.JoinMethod{URL: room, SIP: "1@example.org", Dialin: []calendar.Dialin{{Number: "+1"}}}}
	block, err := NewBlock(j, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(block.Text, "\n"); n != 3 {
		t.Errorf("bare block has %d line ends: %q", n, block.Text)
	}
}

func TestBlockRefuses(t *testing.T) {
	t.Parallel()
	edit := func(f func(*calendar.JoinDetails)) calendar.JoinDetails {
		j := details()
		f(&j)
		return j
	}
	for name, j := range map[string]calendar.JoinDetails{
		"no link":           edit(func(j *calendar.JoinDetails) { j.URL = "" }),
		"http":              edit(func(j *calendar.JoinDetails) { j.URL = "http://meet.example.org/x" }),
		"script":            edit(func(j *calendar.JoinDetails) { j.URL = "javascript:alert(1)" }),
		"quote in link":     edit(func(j *calendar.JoinDetails) { j.URL = `https://meet.example.org/"onclick="x` }),
		"user in link":      edit(func(j *calendar.JoinDetails) { j.URL = "https://meet.example.org@evil.example/" }),
		"blank in link":     edit(func(j *calendar.JoinDetails) { j.URL = "https://meet.example.org/a b" }),
		"long link":         edit(func(j *calendar.JoinDetails) { j.URL = "https://meet.example.org/" + strings.Repeat("a", maxURL) }),
		"passcode in lines": edit(func(j *calendar.JoinDetails) { j.Passcode = "1\n2" }),
		"long id":           edit(func(j *calendar.JoinDetails) { j.ID = strings.Repeat("1", 300) }),
		"service":           edit(func(j *calendar.JoinDetails) { j.Service = "a\u2028b" }),
		"sip":               edit(func(j *calendar.JoinDetails) { j.SIP = "sip:a b" }),
		"h323":              edit(func(j *calendar.JoinDetails) { j.H323 = "h323:\"x\"" }),
		"phone":             edit(func(j *calendar.JoinDetails) { j.Dialin[0].Number = "1\n2" }),
	} {
		if _, err := NewBlock(j, options("en")); err == nil {
			t.Errorf("%s: accepted", name)
		}
		if b, err := Insert(textBody("x"), j, options("en")); err == nil || b.Content != "x" {
			t.Errorf("%s: inserted: %v", name, err)
		}
	}
	for name, o := range map[string]Options{
		"long header":   {Header: strings.Repeat("あ", 1025)},
		"frame in text": {Footer: "please  Join the\nonline meeting"},
		"frame, ja":     {Header: "この参加情報は Koyomi が追加しました (1234)"},
	} {
		if _, err := NewBlock(details(), o); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	if err := (Options{Header: strings.Repeat("あ", 1024)}).Check(); err != nil {
		t.Error(err)
	}
}

func TestLocale(t *testing.T) {
	t.Parallel()
	for tag, first := range map[string]string{"": "Join", "ja": "オンライン", "ja-JP": "オンライン", "JA_jp": "オンライン", "xx": "Join", "en-GB": "Join", "-": "Join"} {
		block, err := NewBlock(details(), Options{Locale: tag})
		if err != nil || !strings.HasPrefix(block.Text, first) {
			t.Errorf("%q: %v %q", tag, err, block.Text)
		}
	}
}

func TestTextKeepsLineEnds(t *testing.T) {
	t.Parallel()
	out, err := Insert(textBody("Agenda\r\nBudget\r\n"), details(), options("en"))
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(strings.ReplaceAll(out.Content, "\r\n", ""), "\n") {
		t.Errorf("a bare LF in a CRLF body: %q", out.Content)
	}
}

func TestRefusesBodies(t *testing.T) {
	t.Parallel()
	cut := calendar.Body{Type: calendar.BodyHTML, Content: "<p>half"}
	if _, err := Insert(cut, details(), options("en")); !errors.Is(err, ErrUnread) {
		t.Errorf("cut body: %v", err)
	}
	if f := Find(cut, room); f.State != Partial || f.Reason != Unread {
		t.Errorf("cut body: %+v", f)
	}
	if _, err := Remove(cut, room); !errors.Is(err, ErrUnread) {
		t.Errorf("cut body: %v", err)
	}
	large := htmlBody(strings.Repeat("x", MaxBody+1))
	if _, err := Insert(large, details(), options("en")); !errors.Is(err, ErrLarge) {
		t.Errorf("large body: %v", err)
	}
	rtf := calendar.Body{Type: calendar.BodyRTF, Content: "{\\rtf1}", Whole: true}
	if _, err := Insert(rtf, details(), options("en")); err == nil {
		t.Error("RTF accepted")
	}
	if _, err := Remove(textBody("x"), room); !errors.Is(err, ErrAbsent) {
		t.Errorf("absent: %v", err)
	}
	if _, err := Replace(textBody("x"), room, details(), options("en")); !errors.Is(err, ErrAbsent) {
		t.Errorf("absent: %v", err)
	}
	var partial *PartialError
	if _, err := Remove(textBody("see "+room), room); !errors.As(err, &partial) || partial.Reason != LinkOnly || partial.Error() == "" {
		t.Errorf("link only: %v", err)
	}
}

func TestReplace(t *testing.T) {
	t.Parallel()
	j := details()
	j.URL, j.Passcode = "https://meet.example.org/other", "99"
	for _, b := range []calendar.Body{htmlBody("<html><body><p>Agenda</p></body></html>"), textBody("Agenda\r\n")} {
		out, err := Insert(b, details(), options("en"))
		if err != nil {
			t.Fatal(err)
		}
		want, err := Insert(b, j, options("ja"))
		if err != nil {
			t.Fatal(err)
		}
		got, err := Replace(out, room, j, options("ja"))
		if err != nil || got != want {
			t.Errorf("replace: %v\n got %q\nwant %q", err, got.Content, want.Content)
		}
		if _, err := Replace(out, room, calendar.JoinDetails{}, options("ja")); err == nil {
			t.Error("empty details accepted")
		}
	}
	// In a rewritten body the new block still arrives once.
	out, err := Insert(htmlBody("<body><p>Agenda</p></body>"), details(), options("en"))
	if err != nil {
		t.Fatal(err)
	}
	got, err := Replace(htmlBody(rewrite(out.Content)), room, j, options("en"))
	if err != nil {
		t.Fatal(err)
	}
	if f := Find(got, j.URL); f.State != Whole || f.Others != 0 || Find(got, room).Reason != OtherLink {
		t.Errorf("after replace: %+v\n%s", f, got.Content)
	}
}

var (
	wordTags  = regexp.MustCompile(`<(table|tr|td|p|b|span|div|body)\b[^>]*>`)
	comments  = regexp.MustCompile(`(?s)<!--.*?-->`)
	someWords = regexp.MustCompile(`meeting|Koyomi`)
)

// rewrite does to HTML what Word does when it saves a mail: attributes gone
// (but for href), entities instead of characters, white space laid out anew,
// text in spans, <o:p> in paragraphs.
func rewrite(html string) string {
	html = wordTags.ReplaceAllString(html, "<$1>")
	html = comments.ReplaceAllString(html, "")
	html = strings.ReplaceAll(html, "<table>", "<table class=MsoNormalTable border=0><tbody>")
	html = strings.ReplaceAll(html, "</table>", "</tbody></table>")
	html = strings.ReplaceAll(html, "<p>", "<p class=MsoNormal>\r\n<span\r\nstyle='color:black'>")
	html = strings.ReplaceAll(html, "</p>", "<o:p></o:p></span>\r\n</p>\r\n\r\n")
	html = strings.ReplaceAll(html, "&#43;", "+")
	html = someWords.ReplaceAllStringFunc(html, func(s string) string {
		return s[:3] + "</span><span lang=EN-GB>" + s[3:]
	})
	html = strings.ReplaceAll(html, "Join the online", "Join&nbsp;the\r\nonline")
	html = strings.ReplaceAll(html, "オンライン会議", "オンライン&#20250;&#x8B70;")
	return html
}

func TestSurvivesRewriting(t *testing.T) {
	t.Parallel()
	for _, locale := range Locales() {
		for _, own := range []string{"<p>Agenda &amp; more</p>", "<div>Agenda</div><div><br></div>", ""} {
			out, err := Insert(htmlBody("<html><body>"+own+"</body></html>"), details(), options(locale))
			if err != nil {
				t.Fatal(err)
			}
			b := htmlBody(rewrite(out.Content))
			if f := Find(b, room); f.State != Whole || f.Locale != locale {
				t.Fatalf("%s: %+v\n%s", locale, f, b.Content)
			}
			back, err := Remove(b, room)
			if err != nil {
				t.Fatal(err)
			}
			if want := rewrite("<html><body>" + own + "</body></html>"); strings.Join(strings.Fields(back.Content), "") != strings.Join(strings.Fields(want), "") {
				t.Errorf("%s: removed to\n%s\nwant\n%s", locale, back.Content, want)
			}
		}
	}
}

func TestSurvivesOtherEditors(t *testing.T) {
	t.Parallel()
	block, err := NewBlock(details(), options("en"))
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(block.Text, "\n")
	esc := strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;")
	for i := range lines {
		lines[i] = esc.Replace(lines[i])
	}
	flat := strings.Join(lines, "<br>\n")
	echoes := strings.NewReplacer(room, room+" <"+room+">", "+49 30 1234567", "+49 30 1234567 <tel:+49301234567,,4711%23>", "123456789@example.org", "123456789@example.org <sip:123456789@example.org>").Replace(block.Text)
	for name, tt := range map[string]struct{ in, want calendar.Body }{
		"lines with br in the organiser's own element": {
			htmlBody("<div>Agenda<br><br>" + flat + "<br>Bye</div>"), htmlBody("<div>Agenda<br><br><br>Bye</div>")},
		"paragraphs without end": {
			htmlBody("<p>Agenda<p>" + strings.ReplaceAll(flat, "<br>", "<p>") + "<p>Bye"), htmlBody("")},
		"a picture between the lines stays": {
			htmlBody("<div><p>" + strings.Join(lines, `</p><p>`) + `</p><p><img src="cid:1"></p></div>`), htmlBody(`<div><p><img src="cid:1"></p></div>`)},
		"text with echoes of links": {
			textBody("Agenda\r\n\r\n" + strings.ReplaceAll(echoes, "\n", "\r\n") + "\r\n"), textBody("Agenda\r\n")},
		"text, wrapped and indented": {
			textBody("Agenda\n\n   " + strings.ReplaceAll(strings.ReplaceAll(block.Text, " ", "\n"), "\n", "\n   ")), textBody("Agenda\n\n   ")},
		"text on both sides": {
			textBody("Agenda\n" + block.Text + "\nBye\n"), textBody("Agenda\nBye\n")},
		"text on the same lines": {
			textBody("Agenda: " + block.Text + " Bye\n"), textBody("Agenda: \n Bye\n")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if f := Find(tt.in, room); f.State != Whole {
				t.Fatalf("%+v\n%s", f, tt.in.Content)
			}
			got, err := Remove(tt.in, room)
			if err != nil {
				t.Fatal(err)
			}
			if tt.want.Content == "" { // only what is seen counts
				if seen := string(newPage(got).seen); seen != "AgendaBye" {
					t.Errorf("%q is seen of %q", seen, got.Content)
				}
				return
			}
			if got != tt.want {
				t.Errorf("got  %q\nwant %q", got.Content, tt.want.Content)
			}
		})
	}
}

func TestPartial(t *testing.T) {
	t.Parallel()
	block, err := NewBlock(details(), options("en"))
	if err != nil {
		t.Fatal(err)
	}
	other := details()
	other.URL = "https://meet.example.org/other"
	otherBlock, err := NewBlock(other, options("ja"))
	if err != nil {
		t.Fatal(err)
	}
	first, rest, _ := strings.Cut(block.Text, "\n")
	body, _, _ := strings.Cut(block.Text, "\nJoin details")
	last := block.Text[strings.LastIndex(block.Text, "\n")+1:]
	for name, tt := range map[string]struct {
		content string
		state   State
		reason  Reason
	}{
		"first line gone":             {rest, Partial, NoFirstLine},
		"last line gone":              {body, Partial, NoLastLine},
		"only the last line":          {"x\n" + last, Partial, NoFirstLine},
		"only the first line":         {first + "\nx", Absent, ""},
		"a word added":                {strings.Replace(block.Text, "4711", "4711 or 4712", 1), Partial, Edited},
		"a line of the user's added":  {strings.Replace(block.Text, "\n\n", "\nBring cake\n", 1), Partial, Edited},
		"a line taken out":            {strings.Replace(block.Text, "Meeting ID: 123 456 789\n", "", 1), Partial, Edited},
		"the code lost":               {block.Text[:len(block.Text)-6], Partial, NoLastLine},
		"the code cut":                {block.Text[:len(block.Text)-3], Partial, Edited},
		"the code changed":            {block.Text[:len(block.Text)-3] + "??)", Partial, Edited},
		"other link":                  {otherBlock.Text, Partial, OtherLink},
		"other link beside ours":      {otherBlock.Text + "\n" + block.Text, Whole, ""},
		"twice":                       {block.Text + "\nx\n" + block.Text, Partial, Twice},
		"twice, one edited":           {block.Text + "\nx\n" + strings.Replace(block.Text, "4711", "4712", 1), Partial, Twice},
		"quoted by >":                 {"> " + strings.ReplaceAll(block.Text, "\n", "\n> "), Partial, Quoted},
		"quoted below a header":       {"x\n-----Original Message-----\nFrom: a\n" + block.Text, Partial, Quoted},
		"quoted and outside":          {block.Text + "\n-----Original Message-----\nFrom: a\n" + block.Text, Whole, ""},
		"other link in a quoted mail": {"x\n-----Original Message-----\nFrom: a\n" + otherBlock.Text, Absent, ""},
		"link only":                   {"my room is " + room + ".", Partial, LinkOnly},
		"a longer link":               {"my room is " + room + "2", Absent, ""},
		"inside another link":         {"https://x.example/?u=" + room, Absent, ""},
		"own words first":             {first + "\nas usual!\n" + block.Text, Whole, ""},
	} {
		f := Find(textBody(tt.content), room)
		if f.State != tt.state || f.Reason != tt.reason {
			t.Errorf("%s: %+v", name, f)
		}
		if tt.state == Partial && tt.reason != LinkOnly {
			var partial *PartialError
			if _, err := Insert(textBody(tt.content), details(), options("en")); !errors.As(err, &partial) || partial.Reason != tt.reason {
				t.Errorf("%s: insert: %v", name, err)
			}
		}
	}
	if f := Find(textBody(otherBlock.Text), ""); f.State != Whole {
		t.Errorf("any link: %+v", f)
	}
	if f := Find(textBody("x"), ""); f.State != Absent {
		t.Errorf("any link, none there: %+v", f)
	}
	if f := Find(textBody("x\r\n"+last), ""); f.Reason != NoFirstLine {
		t.Errorf("any link, half: %+v", f)
	}
}

func TestInsertBesidePastedLink(t *testing.T) {
	t.Parallel()
	b := textBody("my room is " + room + "\n")
	out, err := Insert(b, details(), options("en"))
	if err != nil {
		t.Fatal(err)
	}
	if back, err := Remove(out, room); err != nil || back != b {
		t.Errorf("%v %q", err, back.Content)
	}
}

func TestHash(t *testing.T) {
	t.Parallel()
	base := Hash(details())
	if len(base) != 16 || base != Hash(details()) {
		t.Fatalf("hash %q", base)
	}
	seen := map[string]bool{base: true}
	for _, f := range []func(*calendar.JoinDetails){
		func(j *calendar.JoinDetails) { j.URL += "x" },
		func(j *calendar.JoinDetails) { j.Passcode += "x" },
		func(j *calendar.JoinDetails) { j.SIP += "x" },
		func(j *calendar.JoinDetails) { j.H323 += "x" },
		func(j *calendar.JoinDetails) { j.ID += "x" },
		func(j *calendar.JoinDetails) { j.Kind += "x" },
		func(j *calendar.JoinDetails) { j.Dialin = j.Dialin[:1] },
		func(j *calendar.JoinDetails) { j.Dialin[1].PIN = "1" },
	} {
		j := details()
		f(&j)
		if seen[Hash(j)] {
			t.Errorf("a change does not show: %+v", j.JoinMethod)
		}
		seen[Hash(j)] = true
	}
	j := details()
	j.Service, j.Personal = "Another name", true
	j.Dialin[0], j.Dialin[1] = j.Dialin[1], j.Dialin[0]
	if Hash(j) != base {
		t.Error("the service's name or the order of numbers changes the hash")
	}
}

// TestAddition: the block alone is the whole difference, and only where its
// place is the end.
func TestAddition(t *testing.T) {
	t.Parallel()
	for content, want := range map[string]bool{
		"<html><body><p>Agenda</p></body></html>\r\n": true, "<p>Agenda</p>": true, "": true, "<p>unfinished": true,
		"<p>Mine</p><p>-----Original Message-----</p><p>From: a</p><p>Sent: b</p><p>To: c</p><p>Subject: d</p><p>old</p>": false,
	} {
		b := calendar.Body{Type: calendar.BodyHTML, Content: content, Whole: true}
		added, end := Addition(b, details(), options("en"))
		out, err := Insert(b, details(), options("en"))
		if err != nil || end != want {
			t.Errorf("%q: %v, %v", content, end, err)
		}
		if end && strings.Replace(out.Content, added.Content, "", 1) != content {
			t.Errorf("%q is not all that is added", added.Content)
		}
	}
	if _, end := Addition(calendar.Body{Type: calendar.BodyHTML, Content: "x"}, calendar.JoinDetails{}, options("en")); end {
		t.Error("a block without a link")
	}
}
