package detect

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/rogpeppe/go-internal/txtar"
	"pgregory.net/rapid"

	"github.com/koyomi-cal/koyomi/internal/calendar"
)

// promises checks what holds of every result, whatever came in.
func promises(t interface {
	Helper()
	Fatalf(string, ...any)
}, in Input, r Result) {
	t.Helper()
	if len(r.Candidates) > maxFound+2 || len(r.Rejected) > maxFound || len(r.Dialin) > maxDialin*4 {
		t.Fatalf("too many: %d %d %d", len(r.Candidates), len(r.Rejected), len(r.Dialin))
	}
	if r.Join != (r.URL != "" || r.SIP != "" || r.H323 != "" || r.Keyword != "" || len(r.Dialin) > 0) || r.Join != (r.Provider != "") {
		t.Fatalf("join %v of %+v", r.Join, r)
	}
	for _, c := range r.Candidates {
		size := map[string]int{"location": len(in.Location), "body": len(in.Body), "subject": len(in.Subject)}[c.Field]
		if name, ok := strings.CutPrefix(c.Field, propertyField); ok {
			size = len(in.Properties[name])
		}
		if c.Start < 0 || c.End < c.Start || c.End > size && !strings.HasPrefix(c.Field, propertyField) || len(c.Why) == 0 {
			t.Fatalf("candidate at %d to %d of %d: %+v", c.Start, c.End, size, c)
		}
		if c.URL == "" {
			continue
		}
		a, ok := parse(c.URL)
		bad := " \"<>\r\n\t"
		if strings.Contains(c.URL, `{"`) { // the context of Teams, as some programs write it
			bad = " <>\r\n\t"
		}
		if !ok || a.user || !isWeb(c.URL) || strings.ContainsAny(c.URL, bad) {
			t.Fatalf("link %q", c.URL)
		}
	}
	line, err := json.Marshal(r)
	if err != nil || !utf8.Valid(line) {
		t.Fatalf("%v in %q", err, line)
	}
}

func FuzzDetect(f *testing.F) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		archive, err := txtar.ParseFile(file)
		if err != nil {
			f.Fatal(err)
		}
		for _, part := range archive.Files {
			f.Add(strings.HasSuffix(part.Name, ".html"), string(part.Data), "@meet")
		}
	}
	for _, piece := range hostile() {
		f.Add(true, strings.Repeat(piece, 20), piece)
		f.Add(false, strings.Repeat(piece, 20), piece)
	}
	d := New(&Rules{SIPDomains: []string{"video.example.com"}, JitsiHosts: []string{"talk.example.org"}})
	f.Fuzz(func(t *testing.T, html bool, body, location string) {
		in := Input{Body: body, Location: location, Properties: map[string]string{"X-GOOGLE-CONFERENCE": location, "X-ALT-DESC": body}}
		if html {
			in.BodyType = calendar.BodyHTML
		}
		promises(t, in, d.Detect(in))
	})
}

func FuzzUnwrap(f *testing.F) {
	archive, err := txtar.ParseFile("testdata/wrappers.txtar")
	if err != nil {
		f.Fatal(err)
	}
	for _, part := range archive.Files {
		if strings.HasSuffix(part.Name, "/body.txt") {
			f.Add(strings.TrimSpace(string(part.Data)))
		}
	}
	f.Add("https://urldefense.com/v3/__https://zoom.us/j/1**A__;Kio!!a!b$")
	f.Add("https://a.safelinks.protection.outlook.com/?url=https%3A%2F%2Fzoom.us%2")
	r := New(nil).registry
	f.Fuzz(func(t *testing.T, raw string) {
		target, names := r.unwrap(raw)
		if len(names) > maxNesting || len(names) == 0 && target != raw {
			t.Fatalf("%q to %q by %q", raw, target, names)
		}
		// A v3 wrapper may stand for more bytes than it has, by runs; the
		// bytes themselves are in the link. What is deflated has a limit.
		if len(target) > max(2*len(raw), maxURL) {
			t.Fatalf("%d bytes grew to %d", len(raw), len(target))
		}
		if again, more := r.unwrap(target); len(names) < maxNesting && len(more) > 0 {
			t.Fatalf("%q to %q, and then by %q to %q", raw, target, more, again)
		}
		a, ok := parse(target)
		if len(names) > 0 && (!ok || a.host == "") {
			t.Fatalf("%q to %q, which is no link", raw, target)
		}
		_ = clean(target)
		_ = canonical(a)
	})
}

func FuzzRunJSON(f *testing.F) {
	f.Add([]byte("{\"id\":\"a\",\"body\":\"https://zoom.us/j/1\"}\n\n{}\nx"))
	f.Fuzz(func(t *testing.T, data []byte) {
		var out strings.Builder
		_ = RunJSON(t.Context(), strings.NewReader(string(data)), &out, nil)
		for line := range strings.Lines(out.String()) {
			if !json.Valid([]byte(line)) || !strings.HasSuffix(line, "\n") {
				t.Fatalf("answer %q", line)
			}
		}
	})
}

// TestFoundAnywhere: a link is found whatever plain text stands around it.
func TestFoundAnywhere(t *testing.T) {
	t.Parallel()
	d := New(nil)
	rapid.Check(t, func(t *rapid.T) {
		link := rapid.SampledFrom([]string{"https://zoom.us/j/81230000001?pwd=x1", "https://meet.google.com/abc-mnop-xyz", "https://example.webex.com/example/j.php?MTID=m01"}).Draw(t, "link")
		text := rapid.StringOf(rapid.RuneFrom([]rune("abc XYZ,.;()日本\n\té1-"))).Draw(t, "text")
		around := rapid.SampledFrom([]string{" %s ", "\n%s\n", "<%s>", "(%s)", "日本%s日本", "\"%s\"", "[%s]", "%s.\n", " %s, "}).Draw(t, "around")
		body := text + strings.ReplaceAll(around, "%s", link)
		if r := d.Detect(Input{Body: body}); r.URL != link {
			t.Fatalf("%q in %q", r.URL, body)
		}
	})
}

// TestStrangersHost: no text makes a link out of a host that nobody listed.
func TestStrangersHost(t *testing.T) {
	t.Parallel()
	d := New(nil)
	rapid.Check(t, func(t *rapid.T) {
		host := rapid.SampledFrom([]string{"zoom.us.%s.example", "%szoom.us.example", "%s.example/zoom.us", "zoom.us@%s.example", "%s.example?u=https://zoom.us"}).Draw(t, "host")
		word := rapid.StringMatching(`[a-z0-9]{1,8}`).Draw(t, "word")
		link := "https://" + strings.ReplaceAll(host, "%s", word) + "/j/81230000001"
		if r := d.Detect(Input{Location: link, Body: link}); r.Join {
			t.Fatalf("%q taken for %q", link, r.URL)
		}
	})
}
