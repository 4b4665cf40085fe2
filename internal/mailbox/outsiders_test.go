package mailbox

import (
	"strings"
	"testing"

	"github.com/koyomi-cal/koyomi/internal/calendar"
	"github.com/koyomi-cal/koyomi/internal/render"
)

func TestOutsiders(t *testing.T) {
	t.Parallel()
	r := Rules{Mailbox: calendar.Mailbox{Address: "aya@Example.com", Aliases: []string{"aya@example.net"}}, Domains: []string{"example.org"}}
	for want, lists := range map[bool][][]string{
		false: {nil, {"bo@example.com"}, {"BO@EXAMPLE.ORG", "c@example.net"}, {"d@mail.example.org"}, {"/o=Org/cn=Recipients/cn=x"}, {""}},
		true:  {{"bo@example.edu"}, {"bo@example.com", "eve@notexample.org"}, {"x@org"}, {"x@example.com.evil.example"}, {"no-domain@"}},
	} {
		for _, list := range lists {
			it := &calendar.Item{}
			for _, a := range list {
				it.Attendees = append(it.Attendees, calendar.Attendee{Person: calendar.Person{Address: a}})
			}
			if got := r.outsiders(it); got != want {
				t.Errorf("%v: %v", list, got)
			}
		}
	}
	room := &calendar.Item{Attendees: []calendar.Attendee{{Person: calendar.Person{Address: "room@rooms.example"}, Role: calendar.Resource}}}
	if r.outsiders(room) {
		t.Error("a room is a guest")
	}
}

// TestBlockLanguage: the organisation's setting, else the invitation's own;
// English below it for guests.
func TestBlockLanguage(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		set, culture, guest string
		english             bool
		first               string
		below               bool
	}{
		"set":                      {"de", "fr-FR", "", true, "An der Online-Besprechung", false},
		"the invitation's":         {"", "fr-CA", "", true, "Rejoindre", false},
		"unknown":                  {"", "tlh", "eve@example.edu", true, "Join the", false},
		"traditional Chinese":      {"", "zh-TW", "", true, "Join the", false},
		"guest":                    {"ja", "en-US", "eve@example.edu", true, "オンライン会議", true},
		"guest, switched off":      {"ja", "en-US", "eve@example.edu", false, "オンライン会議", false},
		"guest of an English firm": {"en", "", "eve@example.edu", true, "Join the", false},
	} {
		s := turn{r: &Rules{
			Mailbox: calendar.Mailbox{Address: "aya@example.com"}, Render: render.Options{Locale: c.set, English: c.english},
		}}
		it := &calendar.Item{ID: "1", Culture: c.culture, Body: calendar.Body{Type: calendar.BodyText, Whole: true}}
		it.Attendees = []calendar.Attendee{{Person: calendar.Person{Address: "bo@example.com"}}, {Person: calendar.Person{Address: c.guest}}}
		p, err := s.patch(&tracked{join: &calendar.JoinDetails{JoinMethod: calendar.JoinMethod{URL: "https://meet.example.org/x"}}}, it, verdict{do: insert})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		text := p.Body.Content
		if !strings.HasPrefix(text, c.first) || strings.Contains(text, "\r\n\r\nJoin the") != c.below {
			t.Errorf("%s: %q", name, text)
		}
	}
}
