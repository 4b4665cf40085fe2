package invite_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/japanese"
	"golang.org/x/text/encoding/simplifiedchinese"
	"golang.org/x/text/encoding/unicode"

	"github.com/koyomi-cal/koyomi/internal/detect"
	"github.com/koyomi-cal/koyomi/internal/invite"
)

var update = flag.Bool("update", false, "write the golden files anew")

// TestDocuments reads the invented documents in testdata; what comes of each
// stands beside it.
func TestDocuments(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/*.*")
	if err != nil {
		t.Fatal(err)
	}
	read := 0
	for _, file := range files {
		if filepath.Ext(file) == ".golden" {
			continue
		}
		read++
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		doc, err := invite.Read(data)
		if err != nil {
			t.Errorf("%s: %v", file, err)
			continue
		}
		var out bytes.Buffer
		enc := json.NewEncoder(&out)
		enc.SetEscapeHTML(false)
		enc.SetIndent("", "  ")
		if err := enc.Encode(doc); err != nil {
			t.Fatal(err)
		}
		for _, p := range doc.Problems {
			fmt.Fprintln(&out, p)
		}
		golden := file + ".golden"
		if *update {
			if err := os.WriteFile(golden, out.Bytes(), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(golden)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), out.String()); diff != "" {
			t.Errorf("%s: (-want +got)\n%s", file, diff)
		}
	}
	if read < 7 {
		t.Errorf("only %d documents in testdata", read)
	}
}

func read(t *testing.T, data string) *invite.Document {
	t.Helper()
	doc, err := invite.Read([]byte(data))
	if err != nil {
		t.Fatalf("%v: %.200q", err, data)
	}
	if len(doc.Events) == 0 {
		t.Fatalf("no event: %.200q", data)
	}
	return doc
}

// TestKinds: the content decides, and trouble is named.
func TestKinds(t *testing.T) {
	t.Parallel()
	const event = "BEGIN:VEVENT\r\nUID:1\r\nEND:VEVENT\r\n"
	tests := []struct {
		data string
		want invite.Kind
	}{
		{"BEGIN:VCALENDAR\r\n" + event + "END:VCALENDAR\r\n", invite.Calendar},
		{"\ufeffbegin:vcalendar\n" + event + "END:VCALENDAR", invite.Calendar},
		{event, invite.Calendar},
		{"\n\n  BEGIN:VCALENDAR\n" + event, invite.Calendar},
		{"Here you are:\nBEGIN:VCALENDAR\n" + event, invite.Calendar},
		{"From: a@example.com\nTo: b@example.com\n\nhi", invite.Mail},
		{"From a@example.com Mon Jan  5 10:00:00 2026\nMIME-Version: 1.0\n\nhi", invite.Mail},
		{"\r\nContent-Type: text/plain\r\n\r\nhi", invite.Mail},
		{"<!DOCTYPE html><title>x</title>", invite.HTML},
		{"Join <a href='https://meet.jit.si/x'>here</a>", invite.HTML},
		{"<BR/>line", invite.HTML},
		{"Join <https://meet.jit.si/x> or mail <aya@example.com>", invite.Text},
		{"Subject: only this\nis a text", invite.Text},
		{"Note: From: nowhere", invite.Text},
		{"1 < 2 and 3 > 2", invite.Text},
	}
	for _, tt := range tests {
		if got := read(t, tt.data).Kind; got != tt.want {
			t.Errorf("%.60q is %s, want %s", tt.data, got, tt.want)
		}
	}
}

func TestRefused(t *testing.T) {
	t.Parallel()
	tests := []struct {
		data string
		want error
	}{
		{"", invite.ErrEmpty},
		{" \r\n\t", invite.ErrEmpty},
		{"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1rest", invite.ErrMSG},
		{"%PDF-1.7 x", invite.ErrBinary},
		{"PK\x03\x04rest", invite.ErrBinary},
		{"abc\x00\x00\x00def", invite.ErrBinary},
		{"BEGIN:VCALENDAR\nBEGIN:VTODO\nUID:1\nEND:VTODO\nEND:VCALENDAR\n", invite.ErrEvents},
		{strings.Repeat("x", invite.MaxDocument+1), invite.ErrLarge},
	}
	for _, tt := range tests {
		if doc, err := invite.Read([]byte(tt.data)); err != tt.want || doc != nil {
			t.Errorf("%.40q: %v, want %v", tt.data, err, tt.want)
		}
	}
}

// TestCharsets writes the same words in each character set, named in the part,
// in the subject, in a file's name, and not named at all.
func TestCharsets(t *testing.T) {
	t.Parallel()
	tests := []struct {
		label, words string
		e            encoding.Encoding
		guessed      bool // found also where nothing names it
	}{
		{"ISO-2022-JP", "定例会議のお知らせ", japanese.ISO2022JP, true},
		{"Shift_JIS", "定例会議のお知らせ", japanese.ShiftJIS, true},
		{"cp932", "定例会議のお知らせ", japanese.ShiftJIS, true},
		{"EUC-JP", "定例会議のお知らせ", japanese.EUCJP, true},
		{"GB18030", "每周例会通知", simplifiedchinese.GB18030, true},
		{"gb2312", "每周例会通知", simplifiedchinese.GBK, true},
		{"windows-1252", "Grüße – déjà €", charmap.Windows1252, true},
		{"windows1250", "Příští týden", charmap.Windows1250, false},
		{"cp1251", "Еженедельная встреча", charmap.Windows1251, false},
		{"iso8859-15", "Prix 5 €", charmap.ISO8859_15, false},
		{"UTF-16LE", "定例会議", unicode.UTF16(unicode.LittleEndian, unicode.IgnoreBOM), false},
		{"utf-8", "定例会議 – Grüße", encoding.Nop, true},
	}
	for _, tt := range tests {
		coded, err := tt.e.NewEncoder().String(tt.words)
		if err != nil {
			t.Fatal(err)
		}
		b64 := base64.StdEncoding.EncodeToString([]byte(coded))
		mail := func(label, name string) string {
			return "From: =?" + tt.label + "?B?" + b64 + "?= <aya@example.com>\nSubject: =?" + tt.label + "?B?" + b64 + "?=\nMIME-Version: 1.0\n" +
				"Content-Type: text/plain; " + label + name + "\nContent-Transfer-Encoding: base64\n\n" + b64 + "\n"
		}
		for _, m := range []string{mail("charset="+tt.label, ""), mail(`charset="`+tt.label+`"`, "; format=flowed")} {
			doc := read(t, m)
			e := doc.Events[0]
			if e.Input.Body != tt.words || e.Input.Subject != tt.words || e.Organizer.Name != tt.words || len(doc.Problems) > 0 {
				t.Errorf("%s: subject %q, sender %q, body %q, problems %v", tt.label, e.Input.Subject, e.Organizer.Name, e.Input.Body, doc.Problems)
			}
		}
		if !tt.guessed {
			continue
		}
		if got := read(t, coded).Events[0].Input.Body; got != tt.words {
			t.Errorf("%s pasted: %q", tt.label, got)
		}
		calendar := "BEGIN:VCALENDAR\nBEGIN:VEVENT\nSUMMARY:" + coded + "\nEND:VEVENT\nEND:VCALENDAR\n"
		if got := read(t, calendar).Events[0].Input.Subject; got != tt.words {
			t.Errorf("%s as a calendar: %q", tt.label, got)
		}
	}
}

// TestHTMLNamesItsCharset: the HTML's own word counts where the mail is
// silent.
func TestHTMLNamesItsCharset(t *testing.T) {
	t.Parallel()
	coded, err := japanese.ShiftJIS.NewEncoder().String("会議")
	if err != nil {
		t.Fatal(err)
	}
	page := `<html><head><meta http-equiv="Content-Type" content="text/html; charset=Shift_JIS"></head><body>` + coded + "</body></html>"
	for _, data := range []string{page, "MIME-Version: 1.0\nContent-Type: text/html\n\n" + page} {
		if got := read(t, data).Events[0].Input.Body; !strings.Contains(got, "会議") {
			t.Errorf("%q", got)
		}
	}
}

// TestBody says which of a mail's parts is its text.
func TestBody(t *testing.T) {
	t.Parallel()
	part := func(header, text string) string { return "--b\nContent-Type: " + header + "\n\n" + text + "\n" }
	mail := func(kind string, parts ...string) string {
		return "MIME-Version: 1.0\nSubject: s\nContent-Type: multipart/" + kind + "; boundary=b\n\npreamble\n" + strings.Join(parts, "") + "--b--\nepilogue\n"
	}
	plain, rich := part("text/plain", "PLAIN"), part("text/html", "<p>RICH</p>")
	tests := []struct{ name, data, body, kind string }{
		{"rich last", mail("alternative", plain, rich), "<p>RICH</p>", "html"},
		{"rich first", mail("alternative", rich, plain), "<p>RICH</p>", "html"},
		{"rich empty", mail("alternative", plain, part("text/html", " ")), "PLAIN", "text"},
		{"signed", mail("signed; protocol=\"application/pkcs7-signature\"", plain, part("application/pkcs7-signature; name=smime.p7s", "xx")), "PLAIN", "text"},
		{"signature as text", mail("signed", plain, part("text/plain", "-----BEGIN PGP SIGNATURE-----")), "PLAIN", "text"},
		{"mixed", mail("mixed", plain, part("text/plain", "MORE & <more>")), "PLAIN\nMORE & <more>", "text"},
		{"mixed with rich", mail("mixed", part("text/plain", "a < b"), rich), "<pre>a &lt; b</pre>\n<p>RICH</p>", "html"},
		{"related", mail("related", rich, part("text/html", "<p>FRAME</p>")), "<p>RICH</p>", "html"},
		{"attachment", mail("mixed", plain, "--b\nContent-Type: text/html\nContent-Disposition: attachment; filename=x.html\n\n<p>NO</p>\n"), "PLAIN", "text"},
		{"no type", mail("mixed", "--b\n\nPLAIN\n"), "PLAIN", "text"},
		{"unclosed", strings.Replace(mail("mixed", plain), "--b--\nepilogue\n", "", 1), "PLAIN\n", "text"},
		{"longer boundary within", mail("mixed", part("text/plain", "--b-longer\nPLAIN")), "--b-longer\nPLAIN", "text"},
		{"boundary not at a line's start", mail("mixed", part("text/plain", "see --b here")), "see --b here", "text"},
		{"no boundary named", "MIME-Version: 1.0\nContent-Type: multipart/mixed\n\n--b\n\nPLAIN\n--b--\n", "PLAIN", "text"},
		{"CRLF", strings.ReplaceAll(mail("alternative", plain, rich), "\n", "\r\n"), "<p>RICH</p>", "html"},
		{"digest", mail("digest", "--b\n\nSubject: inner\n\nINNER\n"), "", "text"},
	}
	for _, tt := range tests {
		in := read(t, tt.data).Events[0].Input
		if in.Body != tt.body || string(in.BodyType) != tt.kind {
			t.Errorf("%s: %s %q, want %s %q", tt.name, in.BodyType, in.Body, tt.kind, tt.body)
		}
	}
	if doc := read(t, tests[len(tests)-1].data); len(doc.Events) != 2 || doc.Events[1].Input.Body != "INNER" || doc.Events[1].Part != "1" {
		t.Errorf("digest: %+v", doc.Events)
	}
}

// TestParameters: RFC 2231 in all its forms, and what is sent instead.
func TestParameters(t *testing.T) {
	t.Parallel()
	const calendar = "BEGIN:VCALENDAR\nBEGIN:VEVENT\nUID:u\nEND:VEVENT\nEND:VCALENDAR\n"
	for _, disposition := range []string{
		`attachment; filename=invite.ics`,
		`attachment; filename="invite \"weekly\".ics"`,
		`attachment; filename*=UTF-8''%E4%BC%9A%E8%AD%B0.ics`,
		`attachment; filename*=ISO-2022-JP'ja'%1B%24B2q5D%1B%28B.ics`,
		`attachment; filename*0="invitation-"; filename*1="weekly.ics"`,
		`attachment; filename*1*=%2Eics; filename*0*=us-ascii'en'invite`,
		`attachment; filename="=?UTF-8?B?5Lya6K2wLmljcw==?="`,
		`attachment; =broken; filename=invite.ics; x`,
		`attachment; filename="invite.ics`,
	} {
		data := "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: application/pdf\nContent-Disposition: " + disposition + "\n\n" + calendar + "--b--\n"
		if got := read(t, data).Events[0].Input.ID; got != "u" {
			t.Errorf("%s: the calendar was not found", disposition)
		}
	}
}

// TestOrganizer: the forms of a mailbox.
func TestOrganizer(t *testing.T) {
	t.Parallel()
	tests := []struct{ field, name, address string }{
		{"Aya Sato <aya@example.com>", "Aya Sato", "aya@example.com"},
		{`"Sato, Aya" <aya@example.com>`, "Sato, Aya", "aya@example.com"},
		{"aya@example.com", "", "aya@example.com"},
		{"aya@example.com (Aya)", "Aya", "aya@example.com"},
		{"Aya", "Aya", ""},
		{"<aya@example.com", "", "aya@example.com"},
	}
	for _, tt := range tests {
		got := read(t, "MIME-Version: 1.0\nFrom: "+tt.field+"\n\nx").Events[0].Organizer
		if got.Name != tt.name || got.Address != tt.address {
			t.Errorf("%s: %+v", tt.field, got)
		}
	}
}

// TestFolding: however a calendar is folded, the same is read.
func TestFolding(t *testing.T) {
	t.Parallel()
	const link = "https://meet.jit.si/会議室/Weekly;with,marks"
	plain := "BEGIN:VCALENDAR\nBEGIN:VEVENT\nURL:" + link + "\nSUMMARY:a\\, b\\; c\\\\n\\nd\nEND:VEVENT\nEND:VCALENDAR\n"
	for _, end := range []string{"\r\n", "\n", "\r"} {
		for _, blank := range []string{" ", "\t"} {
			for width := 1; width < 80; width++ {
				var b strings.Builder
				for line := range strings.Lines(plain) {
					line = strings.TrimSuffix(line, "\n")
					for at := 0; at < len(line) || at == 0; at += width {
						if at > 0 {
							b.WriteString(end + blank)
						}
						b.WriteString(line[at:min(len(line), at+width)]) // within a character too
					}
					b.WriteString(end)
				}
				data := b.String()
				if width < 15 {
					data = "BEGIN:VCALENDAR" + end + data // what is folded there is not recognised as a calendar
				}
				doc := read(t, data)
				in := doc.Events[0].Input
				if doc.Kind != invite.Calendar || in.Properties["URL"] != link || in.Subject != "a, b; c\\n\nd" {
					t.Fatalf("%q, width %d: %q %q", end, width, in.Properties["URL"], in.Subject)
				}
			}
		}
	}
}

// TestBounds: too much of anything is cut off with a word about it, and what
// stands before it is read.
func TestBounds(t *testing.T) {
	t.Parallel()
	const event = "BEGIN:VEVENT\nUID:1\nSUMMARY:kept\nEND:VEVENT\n"
	nested := "Subject: kept\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b0\n\n"
	for i := range 40 {
		nested += fmt.Sprintf("--b%d\nContent-Type: multipart/mixed; boundary=b%d\n\n", i, i+1)
	}
	mails := "Subject: kept\nMIME-Version: 1.0\n"
	for range 40 {
		mails += "Content-Type: message/rfc822\n\nSubject: inner\n"
	}
	tests := []struct {
		name, data string
		code       invite.Code
	}{
		{"events", "BEGIN:VCALENDAR\n" + strings.Repeat(event, 501), invite.TooManyEvents},
		{"parts", "Subject: kept\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\n" + strings.Repeat("--b\n\nx\n", 600), invite.TooManyParts},
		{"depth", nested, invite.TooDeep},
		{"mails", mails, invite.TooDeep},
		{"components", "BEGIN:VCALENDAR\n" + event + strings.Repeat("BEGIN:X\n", 100), invite.TooDeep},
		{"header", "Subject: kept\nMIME-Version: 1.0\n" + strings.Repeat("X-A: b\n", 50_000) + "\nbody", invite.TooLong},
		{"text", "Subject: kept\nMIME-Version: 1.0\n\n" + strings.Repeat("x", 9<<20), invite.TooLong},
		{"calendar", "BEGIN:VCALENDAR\n" + event + strings.Repeat("x", 9<<20), invite.TooLong},
	}
	for _, tt := range tests {
		doc := read(t, tt.data)
		found := false
		for _, p := range doc.Problems {
			found = found || p.Code == tt.code
			if s := p.String(); s == "" || strings.Contains(s, "%") {
				t.Errorf("%s: %q", tt.name, s)
			}
		}
		if !found || doc.Events[0].Input.Subject != "kept" || len(doc.Events) > 500 {
			t.Errorf("%s: %v, %q", tt.name, doc.Problems, doc.Events[0].Input.Subject)
		}
	}
}

// TestRepeated: a property that stands a million times costs no more than its
// bytes.
func TestRepeated(t *testing.T) {
	t.Parallel()
	var data strings.Builder
	data.WriteString("BEGIN:VCALENDAR\nBEGIN:VEVENT\nUID:1\n" + strings.Repeat("X-A:b\n", 500_000) + strings.Repeat("CONFERENCE;FEATURE=VIDEO:c\n", 50_000))
	for i := range 2000 {
		fmt.Fprintf(&data, "X-%d:1\n", i)
	}
	p := read(t, data.String()).Events[0].Input.Properties
	if got := strings.Count(p["X-A"], "b"); got != 20 {
		t.Errorf("%d times X-A", got)
	}
	if got := strings.Count(p["CONFERENCE"], "c"); got != 20 {
		t.Errorf("%d times CONFERENCE", got)
	}
}

// TestVCalendar reads version 1.0, whose texts are quoted-printable in a
// character set of their own.
func TestVCalendar(t *testing.T) {
	t.Parallel()
	e := read(t, "BEGIN:VCALENDAR\nVERSION:1.0\nBEGIN:VEVENT\nDTSTART:20260105T100000Z\nSUMMARY;CHARSET=windows-1252;ENCODING=QUOTED-PRINTABLE:Gr=FC=\n=DFe\nDESCRIPTION;ENCODING=QUOTED-PRINTABLE:Join=0D=0Ahttps://meet.jit.si/=\nOld\nEND:VEVENT\nEND:VCALENDAR\n").Events[0]
	if e.Input.Subject != "Grüße" || !strings.Contains(e.Input.Body, "https://meet.jit.si/Old") || e.Start.Zone != "UTC" {
		t.Errorf("%+v", e)
	}
}

// TestFound follows documents into detect: the same meeting, whichever way the
// invitation comes.
func TestFound(t *testing.T) {
	t.Parallel()
	want := map[string]string{
		"request.eml": "https://meet.jit.si/PlannedThings", "series.ics": "https://meet.google.com/abc-defg-hij", "broken.ics": "https://meet.jit.si/BrokenLines",
		"closed.eml": "https://meet.jit.si/StillRead", "pasted.html": "https://meet.jit.si/Kickoff", "pasted.txt": "https://meet.jit.si/Pasted",
	}
	for file, url := range want {
		data, err := os.ReadFile(filepath.Join("testdata", file))
		if err != nil {
			t.Fatal(err)
		}
		doc, err := invite.Read(data)
		if err != nil {
			t.Fatal(err)
		}
		if got := detect.Detect(doc.Events[0].Input, nil); got.URL != url {
			t.Errorf("%s: %q, want %q", file, got.URL, url)
		}
	}
	data, err := os.ReadFile("testdata/outlook.eml")
	if err != nil {
		t.Fatal(err)
	}
	if got := detect.Detect(read(t, string(data)).Events[0].Input, nil); got.Keyword != "@webex:myroom" {
		t.Errorf("pasted from a mail program: keyword %q", got.Keyword)
	}
}

// TestBrokenInOnePlace: each of these has one mistake that makes strict
// readers give the whole document up; all the rest is read.
func TestBrokenInOnePlace(t *testing.T) {
	t.Parallel()
	calendar := func(line string) string {
		return "BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nUID:1\r\n" + line + "\r\nSUMMARY:s\r\nURL:https://meet.jit.si/x\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
	}
	mail := func(header, body string) string {
		return "MIME-Version: 1.0\nSubject: s\n" + header + "\n\n" + body
	}
	tests := []struct {
		name, data string
		code       invite.Code
	}{
		{"a bare line end", calendar("DESCRIPTION:a\r\nJoin here"), invite.BareLineEnd},
		{"no colon", calendar("NOTHING"), invite.BrokenLine},
		{"a quote left open", calendar(`ATTENDEE;CN="a:mailto:x@example.com`), ""},
		{"a quote within", calendar(`ATTENDEE;CN=a"b:mailto:x@example.com`), ""},
		{"a parameter without name", calendar("COMMENT;:x"), ""},
		{"a date that is none", calendar("DTSTART:2026-01-05"), invite.BrokenField},
		{"no end", strings.TrimSuffix(calendar("COMMENT:x"), "END:VCALENDAR\r\n"), invite.Unclosed},
		{"an end too many", calendar("END:VALARM"), ""},
		{"an event within an event", calendar("BEGIN:VALARM\r\nEND:VEVENT\r\nBEGIN:VEVENT\r\nUID:2"), ""},
		{"no header field", mail("broken", "https://meet.jit.si/x"), invite.BrokenHeader},
		{"a part without header", mail("Content-Type: multipart/mixed; boundary=b", "--b\nbroken\n--b\n\nhttps://meet.jit.si/x\n--b--"), invite.BrokenHeader},
		{"broken base64", mail("Content-Transfer-Encoding: base64", "aHR0cHM6Ly9tZWV0Lmppd#!C5zaS94"), invite.BrokenEncoding},
		{"base64 cut off", mail("Content-Transfer-Encoding: base64", "aHR0cHM6Ly9tZWV0Lmppd C5zaS94IHh4e"), invite.BrokenEncoding},
		{"broken quoted-printable", mail("Content-Transfer-Encoding: quoted-printable", "a=ZZ https:=2F/meet.jit.si/=\nx"), invite.BrokenEncoding},
		{"an unknown encoding", mail("Content-Transfer-Encoding: rot13", "https://meet.jit.si/x"), invite.UnknownEncoding},
		{"an unknown character set", mail("Content-Type: text/plain; charset=x-none", "https://meet.jit.si/x \xff"), invite.UnknownCharset},
		{"a lying character set", mail("Content-Type: text/plain; charset=us-ascii", "https://meet.jit.si/x Gr\xfc\xdfe"), invite.GuessedCharset},
		{"a broken word in the subject", "Subject: s\nFrom: =?utf-8?B?!!!?= <a@example.com>\nMIME-Version: 1.0\n\nhttps://meet.jit.si/x", ""},
		{"an unknown set in a word", "Subject: s\nFrom: =?x-none?Q?a?= <a@example.com>\nMIME-Version: 1.0\n\nhttps://meet.jit.si/x", invite.UnknownCharset},
		{"a calendar part of nothing", mail("Content-Type: multipart/mixed; boundary=b", "--b\n\nhttps://meet.jit.si/x\n--b\nContent-Type: text/calendar\n\nsorry\n--b--"), invite.NoEvent},
	}
	for _, tt := range tests {
		doc := read(t, tt.data)
		e := doc.Events[len(doc.Events)-1]
		all := e.Input.Body + e.Input.Properties["URL"]
		if !strings.Contains(all, "https://meet.jit.si/x") || e.Input.Subject != "s" {
			t.Errorf("%s: subject %q, text %q", tt.name, e.Input.Subject, all)
		}
		found := tt.code == ""
		for _, p := range doc.Problems {
			found = found || p.Code == tt.code
		}
		if !found {
			t.Errorf("%s: %v, want %s", tt.name, doc.Problems, tt.code)
		}
	}
}
