package connector

import (
	"slices"
	"strings"
	"testing"

	"github.com/koyomi-cal/koyomi/ews/ewstest"
	"github.com/koyomi-cal/koyomi/internal/calendar"
	"github.com/koyomi-cal/koyomi/internal/detect"
	"github.com/koyomi-cal/koyomi/internal/render"
)

// TestJoinBlockSurvivesRTF: a server that stores RTF drops comments, ids,
// classes, data attributes and what hides text. The block is found again all
// the same, by what is visible, and can be taken out and put in anew.
func TestJoinBlockSurvivesRTF(t *testing.T) {
	t.Parallel()
	const url, other = "https://meet.example.org/quiet-lake-7391", "https://meet.example.org/loud-sea-1"
	join := calendar.JoinDetails{Service: "Example Meet", JoinMethod: calendar.JoinMethod{
		Kind: "jitsi", URL: url, Passcode: "4711 <&>", ID: "123 456 789", SIP: "sip:123456789@example.org",
		Dialin: []calendar.Dialin{{Number: "+49 30 1234567", PIN: "4711"}},
	}}
	again := join
	again.URL = other
	bodies := map[string]string{
		"empty":   "<html><body></body></html>",
		"agenda":  `<html><body><p>Agenda <b>one</b></p><ul><li>a<li>b</ul><p><a href="https://docs.example/x">notes</a></p></body></html>`,
		"hidden":  `<html><body><div style="display:none">preheader https://zoom.example/j/1</div><p id="x" class="y" data-z="1">Über \ {uns}</p><!-- c --></body></html>`,
		"picture": `<html><body><table><tr><td><img src="cid:1" alt="logo"></td><td>会議 🎥</td></tr></table></body></html>`,
		"RTF":     ewstest.RewriteAsRTF("<p>Agenda <u>two</u></p>"),
	}
	trips := map[string]func(string) string{
		"RTF":             ewstest.RewriteAsRTF,
		"RTF twice":       func(s string) string { return ewstest.RewriteAsRTF(ewstest.RewriteAsRTF(s)) },
		"Outlook":         ewstest.RewriteAsOutlook,
		"Outlook, RTF":    func(s string) string { return ewstest.RewriteAsRTF(ewstest.RewriteAsOutlook(s)) },
		"RTF, Outlook":    func(s string) string { return ewstest.RewriteAsOutlook(ewstest.RewriteAsRTF(s)) },
		"appended to RTF": nil,
		"RTF and a day on": func(s string) string {
			return strings.Replace(ewstest.RewriteAsRTF(s), "</body>", "<p>PS: late</p></body>", 1)
		},
	}
	for _, o := range blockShapes() {
		locale := o.Locale
		for name, content := range bodies {
			old := calendar.Body{Type: calendar.BodyHTML, Native: calendar.BodyRTF, Content: content, Whole: true}
			put, err := render.Insert(old, join, o)
			if err != nil {
				t.Fatalf("%s, %s: %v", locale, name, err)
			}
			for trip, through := range trips {
				b := put
				if through != nil {
					b.Content = through(put.Content)
				} else if added, end := render.Addition(old, join, o); !end {
					t.Errorf("%s, %s: the block's place is not the end", locale, name)
				} else {
					b.Content = ewstest.RewriteAsRTF(strings.Replace(old.Content, "</body>", added.Content+"</body>", 1))
				}
				if f := render.Find(b, url); f.State != render.Whole || f.Locale != locale {
					t.Errorf("%s, %s, %s: %v %v %s\n%s", locale, name, trip, f.State, f.Reason, f.Locale, b.Content)
					continue
				}
				gone, err := render.Remove(b, url)
				if err != nil || strings.Contains(gone.Content, url) {
					t.Errorf("%s, %s, %s: taken out: %v", locale, name, trip, err)
				}
				without := old
				if without.Content = ewstest.RewriteAsRTF(old.Content); through != nil {
					without.Content = through(old.Content)
				}
				if got, want := strings.Fields(detect.Text(gone)), strings.Fields(detect.Text(without)); !slices.Equal(got, want) {
					t.Errorf("%s, %s, %s: %q is left, not %q", locale, name, trip, got, want)
				}
				if anew, err := render.Replace(b, url, again, o); err != nil || render.Find(anew, other).State != render.Whole || strings.Contains(anew.Content, url) {
					t.Errorf("%s, %s, %s: put in anew: %v", locale, name, trip, err)
				}
			}
		}
	}
}

// blockShapes are the settings under which a block differs, in each language.
func blockShapes() (all []render.Options) {
	for _, locale := range render.Locales() {
		full := render.Options{Locale: locale, Header: "Welcome.", Footer: "Help: extension 100", WithPhone: true, WithVideo: true}
		both := full
		both.English = true
		all = append(all, full, both, render.Options{Locale: locale})
	}
	return all
}
