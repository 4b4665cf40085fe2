package exchange

import (
	"strings"
	"testing"

	"github.com/koyomi-cal/koyomi/ews/ewstest"
	"github.com/koyomi-cal/koyomi/internal/calendar"
)

// TestNativeBodies: how a body is stored decides whether and how it may be
// rewritten, so it is read from PidTagNativeBody, and what BodyType Best
// returns stands in where a server does not say.
func TestNativeBodies(t *testing.T) {
	eachDialect(t, func(t *testing.T, o *office) {
		for want, b := range map[calendar.BodyType]ewstest.Body{
			calendar.BodyText: {Type: "Text", Content: "plain"}, calendar.BodyHTML: {Type: "HTML", Content: "<p>x</p>"},
			calendar.BodyRTF: {Type: "HTML", RTF: true, Content: ewstest.RewriteAsRTF("<p>x</p>")},
		} {
			it := o.get(o.meeting(ewstest.Item{Subject: "s", Body: b}).ID)
			if it.Body.Native != want || !it.Body.Whole || (it.Body.Type == calendar.BodyText) != (want == calendar.BodyText) {
				t.Errorf("%s: native %q, type %q, whole %v", want, it.Body.Native, it.Body.Type, it.Body.Whole)
			}
		}
	})
}

// TestBodyCut: a body that was cut is not whole, and nobody rewrites it.
func TestBodyCut(t *testing.T) {
	t.Parallel()
	inOffice(t, ewstest.Exchange2019, func(opt *Options) { opt.MaxBody = 200 }, func(t *testing.T, o *office) {
		it := o.get(o.meeting(ewstest.Item{Subject: "s", Body: ewstest.Body{Type: "Text", Content: strings.Repeat("長", 100)}}).ID)
		if it.Body.Whole || len(it.Body.Content) > 200 || !strings.HasPrefix(strings.Repeat("長", 100), it.Body.Content) {
			t.Errorf("whole %v, %d bytes", it.Body.Whole, len(it.Body.Content))
		}
	})
}

// TestRTFIsAppendedToOrRewritten: what is added to a body in RTF is appended
// only where the profile of the server says that this loses nothing. Else the
// server's own HTML is written back with it, and the body is HTML from then on.
func TestRTFIsAppendedToOrRewritten(t *testing.T) {
	t.Parallel()
	all := Kept{Text: true, Links: true, Images: true, Attachments: true}
	lossy := all
	lossy.Images = false
	for name, c := range map[string]struct {
		profile *Profile
		want    calendar.BodyType
	}{
		"without a profile": {nil, calendar.BodyHTML}, "nothing was found out": {&Profile{}, calendar.BodyHTML},
		"appending loses pictures": {&Profile{AppendToRTF: &lossy}, calendar.BodyHTML}, "appending loses nothing": {&Profile{AppendToRTF: &all}, calendar.BodyRTF},
	} {
		t.Run(name, func(t *testing.T) {
			inOffice(t, ewstest.Exchange2019, func(opt *Options) { opt.Profile = c.profile }, func(t *testing.T, o *office) {
				made := o.meeting(ewstest.Item{Subject: "s", Body: ewstest.Body{Type: "HTML", RTF: true, Content: ewstest.RewriteAsRTF(`<p>Agenda <a href="https://docs.example/">here</a></p>`)}})
				it := o.get(made.ID)
				const block = `<p>Join: <a href="https://rooms.example.com/1">https://rooms.example.com/1</a></p>`
				whole := it.Body
				whole.Content = strings.Replace(whole.Content, "</body>", block+"</body>", 1)
				p := o.patch(it, calendar.NotifyNone)
				p.Body, p.Addition = &whole, &calendar.Body{Type: calendar.BodyHTML, Content: block}
				if _, err := o.x.Patch(t.Context(), o.ann, p); err != nil {
					t.Fatal(err)
				}
				it = o.get(made.ID)
				if it.Body.Native != c.want || it.Marker != ours {
					t.Errorf("stored as %s, marker %+v", it.Body.Native, it.Marker)
				}
				for _, kept := range []string{"Agenda", `href="https://docs.example/"`, `href="https://rooms.example.com/1"`} {
					if strings.Count(it.Body.Content, kept) != 1 {
						t.Errorf("%q is there %d times", kept, strings.Count(it.Body.Content, kept))
					}
				}
			})
		})
	}
}
