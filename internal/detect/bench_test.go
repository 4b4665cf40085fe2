package detect

import (
	"fmt"
	"strings"
	"testing"

	"github.com/koyomi-cal/koyomi/internal/calendar"
)

func BenchmarkPlain(b *testing.B) {
	in := Input{Location: "Room 4, second floor", Body: "Please bring the figures.\r\nAnn"}
	d := New(nil)
	b.ReportAllocs()
	for b.Loop() {
		d.Detect(in)
	}
}

func BenchmarkText(b *testing.B) {
	in := Input{Location: "Online", Body: "Join Zoom Meeting\nhttps://us02web.zoom.us/j/81234567890?pwd=abc\n\nMeeting ID: 812 3456 7890\nPasscode: 123456\nDial by your location\n+1 305 224 1968 US\n"}
	d := New(nil)
	b.ReportAllocs()
	for b.Loop() {
		d.Detect(in)
	}
}

// wordBody is a long mail as Word writes it, with a meeting at its end.
func wordBody(paragraphs int) string {
	var s strings.Builder
	s.WriteString("<html><head><style>p{margin:0}</style></head><body lang=EN-US><div class=WordSection1>")
	for i := range paragraphs {
		fmt.Fprintf(&s, "<p class=MsoNormal style='margin-bottom:12.0pt'><span lang=EN-GB style='font-size:11.0pt;font-family:\"Calibri\",sans-serif'>Item %d: the figures for <b>2026</b>, see <a href=\"https://files.example.com/doc/%d\">the draft</a> &amp; the notes of Ann &lt;ann@example.com&gt;.<o:p></o:p></span></p>\r\n", i, i)
	}
	s.WriteString("<p><a href=\"https://teams.microsoft.com/l/meetup-join/19%3ameeting_x%40thread.v2/0?context=%7b%7d\">Join</a></p></div></body></html>")
	return s.String()
}

func BenchmarkHTML(b *testing.B) {
	in := Input{Body: wordBody(400), BodyType: calendar.BodyHTML}
	d := New(nil)
	b.SetBytes(int64(len(in.Body)))
	b.ReportAllocs()
	for b.Loop() {
		if !d.Detect(in).Join {
			b.Fatal("not found")
		}
	}
}

// hostile are pieces that have made scanners of mail slow.
func hostile() map[string]string {
	return map[string]string{"lt": "<", "amp": "&amp;", "at": "@", "colon": ":", "slash": "/", "anchor": "<a href=x>", "quote": "\n>", "digits": "1 ", "phone": "+1 305 224 1968 US\n", "open bracket": "<https://zoom.us/j/1\n",
		"url": "https://zoom.us/j/123456789 ", "glued": "https://zoom.us/j/123456789", "wrapped": "https://x.safelinks.protection.outlook.com/?url=https%3A%2F%2Fx.safelinks.protection.outlook.com%2F%3Furl%3D", "label": "Meeting ID: ", "pin": "PIN", "mail": "1@zoom.us ",
		"blockquote": "<blockquote>", "script": "<script></", "dots": "a.b.", "hash": "1.1##", "full": "＠", "line": strings.Repeat("a/1", 30) + "\n", "attribute": "<a b=\"", "comma": ",,123#", "brackets": "[(", "keyword": "@meet"}
}

func BenchmarkHostile(b *testing.B) {
	for name, piece := range hostile() {
		for _, kind := range []calendar.BodyType{calendar.BodyText, calendar.BodyHTML} {
			b.Run(name+"/"+string(kind), func(b *testing.B) {
				in := Input{Body: strings.Repeat(piece, 1_000_000/len(piece)), BodyType: kind}
				d := New(nil)
				b.SetBytes(int64(len(in.Body)))
				for b.Loop() {
					d.Detect(in)
				}
			})
		}
	}
}
