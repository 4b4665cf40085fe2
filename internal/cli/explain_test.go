package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
	"pgregory.net/rapid"

	"github.com/koyomi-cal/koyomi/internal/detect"
	"github.com/koyomi-cal/koyomi/internal/invite"
)

// TestFold: no line is wider than asked for, and nothing but blanks is lost.
func TestFold(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringOf(rapid.RuneFrom([]rune("ab /?&=-会。é🙂 "))).Draw(t, "text")
		columns := rapid.IntRange(2, 40).Draw(t, "columns")
		lines := fold(text, columns)
		for _, l := range lines {
			if width(l) > columns {
				t.Fatalf("%q is wider than %d", l, columns)
			}
		}
		bare := func(s string) string { return strings.ReplaceAll(s, " ", "") }
		if bare(strings.Join(lines, "")) != bare(text) {
			t.Fatalf("%q became %q", text, lines)
		}
	})
	link := "https://meet.example.com/" + strings.Repeat("a1_", 60)
	if got := strings.Join(fold(link, 60), ""); got != link {
		t.Errorf("a link put together from its lines is %q", got)
	}
}

// TestVisible: nothing that steers a terminal or hides gets through.
func TestVisible(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		for _, r := range visible(rapid.String().Draw(t, "text")) {
			if r < ' ' || r >= 0x7f && r < 0xa0 || r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069 || r == 0x200b || r == 0x2028 {
				t.Fatalf("%U is shown", r)
			}
		}
	})
}

// TestReasonsInJapanese: each kind of reason that detect gives for a text has
// its translation, with the names in their places.
func TestReasonsInJapanese(t *testing.T) {
	t.Parallel()
	rules := &detect.Rules{
		SIPDomains: []string{"vc.example.com"}, Priority: []string{"webex", "zoom"},
		Hosts:    []detect.Host{{Provider: "jitsi", Host: "meet.example.com"}, {Provider: "bigbluebutton", Host: "bbb.example.com", Prefix: "/r/"}},
		Patterns: []detect.Pattern{{Name: "hours", Provider: "other", Pattern: `https://h\.example\.com/\d+`}},
		Rooms:    []detect.Room{{Provider: "other", Prefix: "https://room.example.com/"}},
	}
	for _, body := range []string{
		"https://meet.example.com/Weekly https://bbb.example.com/r/x https://h.example.com/12 https://room.example.com/aya",
		"old: https://example.webex.com/meet/aya example.zoom.us/j/91234567890 12345@vc.example.com",
		"https://zoom.us.evil.example/j/1234567890 https://zoom.us@evil.example/j/1 https://example.zoom.us/u/abc https://support.zoom.us/hc/x",
		"https://nam02.safelinks.protection.outlook.com/?url=https%3A%2F%2Fexample.zoom.us%2Fj%2F91234567890 12345678@example.org",
		"https://bigbluebutton.example.org/b/abc-def-ghi-jkl https://example.zoom.us/rec/share/x https://meet.google.com/new",
	} {
		r := detect.Detect(detect.Input{Body: body}, rules)
		var all []string
		for _, c := range r.Candidates {
			all = append(all, c.Why...)
		}
		for _, j := range r.Rejected {
			all = append(all, j.Why)
		}
		if len(all) == 0 {
			t.Errorf("nothing was found in %q", body)
		}
		for _, why := range all {
			if got := japanese.reason(why); got == why || strings.Contains(got, "%") {
				t.Errorf("%q is %q in Japanese", why, got)
			}
		}
	}
	if got := japanese.reason("the host evil.example only looks like zoom"); got != "ホスト evil.example は zoom に似せているだけ" {
		t.Error(got)
	}
	if got := japanese.reason("a reason of next year"); got != "a reason of next year" {
		t.Error(got)
	}
}

// TestProblemsInJapanese: each code has its sentence.
func TestProblemsInJapanese(t *testing.T) {
	t.Parallel()
	for _, code := range []invite.Code{
		invite.WinMail, invite.Encrypted, invite.SignedOpaque, invite.TooDeep, invite.TooManyParts, invite.TooManyEvents, invite.TooLong, invite.UnknownCharset,
		invite.GuessedCharset, invite.UnknownEncoding, invite.BrokenEncoding, invite.BrokenHeader, invite.BrokenField, invite.BrokenLine, invite.BareLineEnd,
		invite.Unclosed, invite.NoBoundary, invite.NoEvent,
	} {
		p := invite.Problem{Part: "1.2", Line: 3, Field: "X", Code: code, Detail: "detail"}
		if got := japanese.problem(p); got == p.String() || !strings.HasPrefix(got, "パート 1.2、3 行目、X: ") || strings.Contains(got, "%") {
			t.Errorf("%s: %q", code, got)
		}
		if got := english.problem(p); got == string(code) || strings.HasSuffix(got, ": "+string(code)) {
			t.Errorf("%s has no English sentence", code)
		}
	}
}

// TestExplainFitsTheTerminal: no line of an explanation is wider than 80
// columns, whatever the invitation, in both languages.
func TestExplainFitsTheTerminal(t *testing.T) {
	t.Parallel()
	story, err := txtar.ParseFile("testdata/script/explain.txtar")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for _, f := range story.Files {
		if ext := filepath.Ext(f.Name); ext != ".eml" && f.Name != "series.ics" && ext != ".txt" {
			continue
		}
		name := filepath.Join(dir, f.Name)
		if err := os.WriteFile(name, f.Data, 0o600); err != nil {
			t.Fatal(err)
		}
		for _, l := range []string{"en", "ja"} {
			code, stdout, stderr := call(t, "explain", "--lang", l, name)
			if code != 0 {
				t.Fatalf("%s: %s", f.Name, stderr)
			}
			for line := range strings.Lines(stdout) {
				if n := width(strings.TrimSuffix(line, "\n")); n > explainWidth {
					t.Errorf("%s: %d columns: %s", f.Name, n, line)
				}
			}
		}
	}
}
