package invite

import (
	"bytes"
	"encoding/base64"
	"io"
	"mime/quotedprintable"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"
)

func seeds(f *testing.F) {
	f.Helper()
	files, err := filepath.Glob("testdata/*.*")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		if filepath.Ext(file) != ".golden" {
			data, err := os.ReadFile(file)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(data)
		}
	}
}

// sound fails if a document is not what Read promises.
func sound(t *testing.T, doc *Document, size int) {
	t.Helper()
	if len(doc.Events) > maxEvents || len(doc.Problems) > maxProblems {
		t.Fatalf("%d events, %d problems", len(doc.Events), len(doc.Problems))
	}
	for _, e := range doc.Events {
		for _, s := range []string{e.Input.Body, e.Input.Subject, e.Input.Location} {
			if len(s) > maxText+maxText/2 {
				t.Fatalf("a text of %d bytes from %d", len(s), size)
			}
		}
		if len(e.Input.Properties) > maxProperties+10 {
			t.Fatalf("%d properties", len(e.Input.Properties))
		}
	}
	for _, p := range doc.Problems {
		if p.String() == "" || !utf8.ValidString(p.String()) && p.Detail == "" {
			t.Fatalf("%q", p)
		}
	}
}

func FuzzRead(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		doc, err := Read(data)
		if (err == nil) != (doc != nil && len(doc.Events) > 0) {
			t.Fatalf("%v, %+v", err, doc)
		}
		if doc != nil {
			sound(t, doc, len(data))
		}
	})
}

func FuzzMail(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		r := &reader{doc: &Document{}}
		r.mail(data, "", 0)
		sound(t, r.doc, len(data))
	})
}

func FuzzCalendar(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		r := &reader{doc: &Document{}}
		r.add(r.calendar(string(data), "1")...)
		sound(t, r.doc, len(data))
	})
}

// FuzzContentLine: taking a line apart loses none of its value.
func FuzzContentLine(f *testing.F) {
	f.Add(`ATTENDEE;CN="Sato, Aya";X-A=^'b^':mailto:aya@example.com`)
	f.Add(`DESCRIPTION;ALTREP="data:text/html,x:y":text`)
	f.Fuzz(func(t *testing.T, line string) {
		p, ok := contentLine(line)
		if ok && p.params["ENCODING"] == "" && !strings.HasSuffix(line, p.value) {
			t.Fatalf("%q is not the end of %q", p.value, line)
		}
	})
}

func FuzzParameters(f *testing.F) {
	f.Add(`text/plain; charset="utf-8"; name*0*=utf-8''a%20; name*1=b`)
	f.Fuzz(func(t *testing.T, field string) {
		r := &reader{doc: &Document{}}
		_, params := r.media(header{"content-type": field}, "content-type", "")
		if len(params) > 64 {
			t.Fatalf("%d parameters", len(params))
		}
	})
}

// FuzzTransfer: what strict decoders accept, these read the same.
func FuzzTransfer(f *testing.F) {
	f.Add([]byte("aGVsbG8="), []byte("a=3Db=\r\nc"))
	f.Fuzz(func(t *testing.T, b64, qp []byte) {
		if want, err := base64.StdEncoding.DecodeString(string(b64)); err == nil {
			if got, sound := fromBase64(b64); !sound || !bytes.Equal(got, want) {
				t.Fatalf("base64 %q: %q (%v), want %q", b64, got, sound, want)
			}
		} else {
			fromBase64(b64)
		}
		got, sound := fromQuotedPrintable(qp)
		want, err := io.ReadAll(quotedprintable.NewReader(bytes.NewReader(qp)))
		if err == nil && sound && !bytes.Equal(bare(got), bare(want)) {
			t.Fatalf("quoted-printable %q: %q, want %q", qp, got, want)
		}
	})
}

// bare leaves out what the two decoders may differ in: line ends and blanks
// before them.
func bare(b []byte) []byte {
	return bytes.Map(func(r rune) rune {
		if strings.ContainsRune(" \t\r\n", r) {
			return -1
		}
		return r
	}, b)
}

// TestTextSurvives: a text that is escaped and folded as RFC 5545 says comes
// back as it was.
func TestTextSurvives(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringOf(rapid.RuneFrom([]rune("ab ,;:\\\n\"<>=^nN会é🙂"))).Draw(t, "text")
		line := "DESCRIPTION:" + escaped(text)
		width := rapid.IntRange(1, 75).Draw(t, "width")
		var folded strings.Builder
		for at := 0; at < len(line); at += width {
			if at > 0 {
				folded.WriteString("\r\n ")
			}
			folded.WriteString(line[at:min(len(line), at+width)])
		}
		r := &reader{doc: &Document{}}
		events := r.calendar("BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nUID:1\r\n"+folded.String()+"\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n", "")
		if len(events) != 1 || events[0].Input.Body != text || len(r.doc.Problems) > 0 {
			t.Fatalf("%q became %q (%v)", text, events[0].Input.Body, r.doc.Problems)
		}
	})
}
