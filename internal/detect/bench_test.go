package detect

import (
	"strings"
	"testing"

	"github.com/koyomi-cal/koyomi/internal/calendar"
)

func BenchmarkPlain(b *testing.B) {
	in := Input{Location: "Room 4, second floor", Body: "Please bring the figures.\r\nAnn"}
	d := New(nil)
	b.SetBytes(int64(len(in.Location) + len(in.Body)))
	b.ReportAllocs()
	for b.Loop() {
		d.Detect(in)
	}
}

func BenchmarkText(b *testing.B) {
	in := Input{Location: "Online", Body: "Join Zoom Meeting\nhttps://us02web.zoom.us/j/81234567890?pwd=abc\n\nMeeting ID: 812 3456 7890\nPasscode: 123456\nDial by your location\n+1 305 224 1968 US\n"}
	d := New(nil)
	b.SetBytes(int64(len(in.Location) + len(in.Body)))
	b.ReportAllocs()
	for b.Loop() {
		d.Detect(in)
	}
}

// BenchmarkHTML reads invitations of 5 to 200 KB as mail programs write them:
// each kind for itself, and all of them in turn.
func BenchmarkHTML(b *testing.B) {
	d := New(nil)
	all := htmlBodies()
	run := func(b *testing.B, bodies []htmlBody) {
		size := 0
		for _, body := range bodies {
			size += len(body.html)
		}
		b.SetBytes(int64(size))
		b.ReportAllocs()
		for b.Loop() {
			for _, body := range bodies {
				if r := d.Detect(Input{Body: body.html, BodyType: calendar.BodyHTML}); r.URL != body.url {
					b.Fatalf("%s: %q, want %q", body.name, r.URL, body.url)
				}
			}
		}
	}
	for _, body := range all {
		b.Run(body.name, func(b *testing.B) { run(b, []htmlBody{body}) })
	}
	b.Run("all", func(b *testing.B) { run(b, all) })
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
