package mailbox_test

import (
	"strings"
	"testing"
	"time"

	"github.com/koyomi-cal/koyomi/internal/calendar"
	"github.com/koyomi-cal/koyomi/internal/mailbox"
	"github.com/koyomi-cal/koyomi/internal/render"
)

// record lets time go by and returns the writes that were asked for meanwhile.
func (b *box) record(long time.Duration) (patches []calendar.Patch) {
	for end := b.w.now.Add(long); b.w.now.Before(end); b.w.now = b.w.now.Add(500 * time.Millisecond) {
		b.queue = append(b.queue, mailbox.Tick{})
		for len(b.queue) > 0 {
			ev := b.queue[0]
			b.queue = b.queue[1:]
			for _, e := range b.state.Step(b.rules, b.w.now, ev) {
				if w, is := e.(mailbox.Write); is {
					patches = append(patches, w.Patch)
				}
				b.carry(e)
			}
		}
	}
	return patches
}

// TestAddition: what is added is named beside the whole body exactly where the
// item stores RTF and the block goes to the end, and it is the whole difference.
// Nothing else may be appended: not a block that goes above a quoted mail or a
// signature, nor one that replaces another, nor what is left when one is taken out.
func TestAddition(t *testing.T) {
	t.Parallel()
	const (
		html   = "<html><body><p>agenda</p></body></html>\r\n"
		quoted = "<html><body><p>Mine</p><p>-----Original Message-----</p><p>From: a</p><p>Sent: b</p><p>To: c</p><p>Subject: d</p><p>old</p></body></html>"
	)
	for name, c := range map[string]struct {
		shown, native calendar.BodyType
		content       string
		want          bool
	}{
		"rtf":                         {calendar.BodyHTML, calendar.BodyRTF, html, true},
		"rtf, empty":                  {calendar.BodyHTML, calendar.BodyRTF, "", true},
		"rtf, shown as text":          {calendar.BodyText, calendar.BodyRTF, "agenda\r\n", false}, // of a text the lines before the block are a part
		"rtf, a quoted mail":          {calendar.BodyHTML, calendar.BodyRTF, quoted, false},
		"rtf, as text, a quoted mail": {calendar.BodyText, calendar.BodyRTF, "Mine\r\n\r\n-----Original Message-----\r\nFrom: a\r\nSent: b\r\nTo: c\r\nSubject: d\r\n\r\nold\r\n", false},
		"rtf, a signature":            {calendar.BodyText, calendar.BodyRTF, "agenda\r\n-- \r\nAya\r\n", false},
		"html":                        {calendar.BodyHTML, calendar.BodyHTML, html, false},
		"html, empty":                 {calendar.BodyHTML, calendar.BodyHTML, "", false},
		"text":                        {calendar.BodyText, calendar.BodyText, "agenda\r\n", false},
		"html, not said how stored":   {calendar.BodyHTML, "", html, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, b := quiet(t, 1)
			it := b[0].meeting(func(it *calendar.Item) {
				it.Body = calendar.Body{Type: c.shown, Native: c.native, Content: c.content, Whole: true}
			})
			patches := b[0].record(time.Minute)
			if len(patches) != 1 || patches[0].Body == nil {
				t.Fatalf("%d writes", len(patches))
			}
			p := patches[0]
			switch {
			case (p.Addition != nil) != c.want:
				t.Fatalf("an addition: %v", p.Addition != nil)
			case c.want && (p.Addition.Content == "" || p.Addition.Type != c.shown || strings.Replace(p.Body.Content, p.Addition.Content, "", 1) != c.content):
				t.Errorf("%q is not what is added to %q", p.Addition.Content, c.content)
			}
			it.Body.Native = c.native // what the server stores stays what it was

			it.Location = "Room 1; @meet:myroom" // another room: the block is another one
			b[0].touch(it)
			for _, p := range b[0].record(10 * time.Minute) {
				if p.Addition != nil {
					t.Error("an addition where a block is replaced")
				}
			}
			it.Body.Native = c.native
			it.Location = "Room 1"
			b[0].touch(it)
			taken := b[0].record(10 * time.Minute)
			for _, p := range taken {
				if p.Addition != nil {
					t.Error("an addition where a block is taken out")
				}
			}
			if len(taken) == 0 || render.Find(it.Body, "https://meet.example.org/").State != render.Absent || w.writes < 2 {
				t.Errorf("%d writes in all: the block was not taken out", w.writes)
			}
		})
	}
}
