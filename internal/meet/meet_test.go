package meet

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/koyomi-cal/koyomi/internal/calendar"
)

var (
	secret = Secret("0123456789abcdef")
	ann    = calendar.Mailbox{ID: "mb-ann", Address: "Ann.Lee@Example.com", Aliases: []string{"ann@example.com"}}
	bob    = calendar.Mailbox{ID: "mb-bob", Address: "bob@example.com"}
)

func both(t *testing.T) Service {
	t.Helper()
	s, err := New(Config{Name: "Example Meet", Personal: &TemplateConfig{Provider: "pexip", URL: "https://vc.example.com/webapp/conference/{{user}}", SIP: "{{user}}@vc.example.com", Passcode: "42", Dialin: []calendar.Dialin{{Number: "+49301"}}},
		Jitsi: &JitsiConfig{URL: "https://meet.example.com/", Secret: secret}})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func join(t *testing.T, s Service, r Request) calendar.JoinDetails {
	t.Helper()
	d, err := s.Join(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestActions(t *testing.T) {
	t.Parallel()
	s := both(t)
	if s.Name() != "Example Meet" {
		t.Errorf("name %q", s.Name())
	}
	mine := join(t, s, Request{Mailbox: ann, Key: "k1", Action: MyRoom})
	want := calendar.JoinDetails{Service: "Example Meet", Personal: true, JoinMethod: calendar.JoinMethod{Kind: "pexip", URL: "https://vc.example.com/webapp/conference/ann.lee", SIP: "ann.lee@vc.example.com", Passcode: "42", Dialin: []calendar.Dialin{{Number: "+49301"}}}}
	if fmt.Sprintf("%+v", mine.JoinMethod) != fmt.Sprintf("%+v", want.JoinMethod) || mine.Service != want.Service || !mine.Personal {
		t.Errorf("my room: %+v", mine.JoinMethod)
	}
	first := join(t, s, Request{Mailbox: ann, Key: "k1"})
	if first.Kind != "jitsi" || first.Personal || !strings.HasPrefix(first.URL, "https://meet.example.com/") || len(first.URL) != len("https://meet.example.com/")+26 {
		t.Errorf("new meeting: %+v", first.JoinMethod)
	}
	for name, r := range map[string]Request{
		"default by name":  {Mailbox: ann, Key: "k1", Action: Default},
		"one-time":         {Mailbox: ann, Key: "k1", Action: OneTime},
		"another mailbox":  {Mailbox: bob, Key: "k1"}, // the meeting moved to its delegate: still one room
		"with people":      {Mailbox: ann, Key: "k1", People: []string{"x@example.com"}},
		"another language": {Mailbox: ann, Key: "k1", Locale: "ja"},
	} {
		if got := join(t, s, r); got.URL != first.URL {
			t.Errorf("%s: another room", name)
		}
	}
	for name, r := range map[string]Request{
		"another meeting": {Mailbox: ann, Key: "k2"},
		"space":           {Mailbox: ann, Key: "k1", Action: Space},
	} {
		if got := join(t, s, r); got.URL == first.URL {
			t.Errorf("%s: the same room", name)
		}
	}
}

func TestSpace(t *testing.T) {
	t.Parallel()
	s := both(t)
	pair := join(t, s, Request{Mailbox: ann, Key: "k1", Action: Space, People: []string{"BOB@example.com ", "ann@example.com"}})
	for name, r := range map[string]Request{
		"another meeting of the two": {Mailbox: ann, Key: "k2", Action: Space, People: []string{"bob@example.com"}},
		"the other way round":        {Mailbox: bob, Key: "k3", Action: Space, People: []string{"ann.lee@example.com", "bob@example.com"}},
	} {
		if got := join(t, s, r); got.URL != pair.URL {
			t.Errorf("%s: another space", name)
		}
	}
	three := join(t, s, Request{Mailbox: ann, Key: "k1", Action: Space, People: []string{"bob@example.com", "eve@example.com"}})
	if three.URL == pair.URL {
		t.Error("a third person got into the space of two")
	}
	if again := join(t, s, Request{Mailbox: ann, Key: "k1", Action: Space, People: []string{"bob@example.com", "eve@example.com", "joe@example.com"}}); again.URL != three.URL {
		t.Error("a series lost its space because somebody joined")
	}
}

func TestJitsiAlone(t *testing.T) {
	t.Parallel()
	s, err := New(Config{Name: "Meet", Jitsi: &JitsiConfig{URL: "https://meet.example.com/team", Secret: secret}})
	if err != nil {
		t.Fatal(err)
	}
	mine := join(t, s, Request{Mailbox: ann, Action: MyRoom})
	if !mine.Personal || !strings.HasPrefix(mine.URL, "https://meet.example.com/team/") || mine.URL != join(t, s, Request{Mailbox: ann, Key: "k", Action: MyRoom}).URL || mine.URL == join(t, s, Request{Mailbox: bob, Action: MyRoom}).URL {
		t.Errorf("personal room: %+v", mine.JoinMethod)
	}
	other, err := New(Config{Name: "Meet", Jitsi: &JitsiConfig{URL: "https://meet.example.com/team", Secret: Secret("another secret, 16 bytes")}})
	if err != nil {
		t.Fatal(err)
	}
	if join(t, other, Request{Mailbox: ann, Action: MyRoom}).URL == mine.URL {
		t.Error("the name does not depend on the secret")
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	personal, err := New(Config{Name: "Rooms", Personal: &TemplateConfig{URL: "https://vc.example.com/{{address}}"}})
	if err != nil {
		t.Fatal(err)
	}
	if got := join(t, personal, Request{Mailbox: ann}); got.URL != "https://vc.example.com/ann.lee@example.com" || got.Kind != "other" {
		t.Errorf("default of personal rooms: %+v", got.JoinMethod)
	}
	template, err := NewTemplate("T", TemplateConfig{URL: "https://vc.example.com/{{user}}"})
	if err != nil {
		t.Fatal(err)
	}
	jitsi, err := NewJitsi("J", JitsiConfig{URL: "https://meet.example.com", Secret: secret})
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		service Service
		request Request
		state   string
	}{
		"no meetings":       {personal, Request{Mailbox: ann, Key: "k", Action: OneTime}, NotOffered},
		"no spaces":         {template, Request{Mailbox: ann, Key: "k", Action: Space}, NotOffered},
		"unknown action":    {jitsi, Request{Mailbox: ann, Key: "k", Action: "party"}, NotOffered},
		"no key":            {jitsi, Request{Mailbox: ann}, BadRequest},
		"no address":        {jitsi, Request{Action: MyRoom}, BadRequest},
		"no address, room":  {personal, Request{Mailbox: calendar.Mailbox{ID: "mb-x"}}, BadRequest},
		"address with path": {personal, Request{Mailbox: calendar.Mailbox{Address: "a/../b@example.com"}}, BadRequest},
	} {
		_, err := tt.service.Join(t.Context(), tt.request)
		var e *Error
		if !errors.As(err, &e) || e.State != tt.state || e.Error() == "" || !e.RetryAt.IsZero() {
			t.Errorf("%s: %v", name, err)
		}
		if err != nil && strings.Contains(err.Error(), "@") {
			t.Errorf("%s: an address in %q", name, err)
		}
	}
	if names := template.Name() + jitsi.Name(); names != "TJ" {
		t.Error(names)
	}
	cause := errors.New("x")
	if !errors.Is(&Error{Cause: cause}, cause) {
		t.Error("cause lost")
	}
}

func TestConfigErrors(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]Config{
		"no name":             {Jitsi: &JitsiConfig{URL: "https://meet.example.com", Secret: secret}},
		"nothing":             {Name: "x"},
		"http":                {Name: "x", Jitsi: &JitsiConfig{URL: "http://meet.example.com", Secret: secret}},
		"query":               {Name: "x", Jitsi: &JitsiConfig{URL: "https://meet.example.com?x", Secret: secret}},
		"short secret":        {Name: "x", Jitsi: &JitsiConfig{URL: "https://meet.example.com", Secret: Secret("short")}},
		"unknown default":     {Name: "x", Default: "party", Jitsi: &JitsiConfig{URL: "https://meet.example.com", Secret: secret}},
		"default not offered": {Name: "x", Default: Space, Personal: &TemplateConfig{URL: "https://vc.example.com/{{user}}"}},
		"no placeholder":      {Name: "x", Personal: &TemplateConfig{URL: "https://vc.example.com/room"}},
		"unknown placeholder": {Name: "x", Personal: &TemplateConfig{URL: "https://vc.example.com/{{name}}"}},
		"template http":       {Name: "x", Personal: &TemplateConfig{URL: "http://vc.example.com/{{user}}"}},
		"sip placeholder":     {Name: "x", Personal: &TemplateConfig{URL: "https://vc.example.com/{{user}}", SIP: "{{x}}@y"}},
		"sip no address":      {Name: "x", Personal: &TemplateConfig{URL: "https://vc.example.com/{{user}}", SIP: "{{user}}"}},
	} {
		if _, err := New(c); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestForDetection(t *testing.T) {
	t.Parallel()
	if p := (TemplateConfig{URL: "https://vc.example.com/r/{{user}}?x"}).Prefix(); p != "https://vc.example.com/r/" {
		t.Errorf("prefix %q", p)
	}
	if h := (JitsiConfig{URL: "https://meet.example.com:8443/x"}).Host(); h != "meet.example.com" {
		t.Errorf("host %q", h)
	}
	if h := (JitsiConfig{URL: "://"}).Host(); h != "" {
		t.Errorf("host %q", h)
	}
}

func TestSecretNeverShows(t *testing.T) {
	t.Parallel()
	var log strings.Builder
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "secret", secret, "config", JitsiConfig{Secret: secret})
	js, err := json.Marshal(JitsiConfig{Secret: secret})
	if err != nil {
		t.Fatal(err)
	}
	all := fmt.Sprintf("%v %s %x %q %+v %#v %s", secret, secret, secret, secret, Config{Jitsi: &JitsiConfig{Secret: secret}}, JitsiConfig{Secret: secret}, secret.String()) + string(js) + log.String()
	for _, form := range []string{string(secret), fmt.Sprintf("%x", string(secret)), "48 49"} {
		if strings.Contains(all, form) {
			t.Errorf("the secret shows in %s", all)
		}
	}
}

// TestRoomsAreFresh: whatever the key, the link is a plain one, the same each
// time, and shared with no other key.
func TestRoomsAreFresh(t *testing.T) {
	t.Parallel()
	s, err := NewJitsi("J", JitsiConfig{URL: "https://meet.example.com", Secret: secret})
	if err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(t *rapid.T) {
		a, b := rapid.StringN(1, 40, -1).Draw(t, "a"), rapid.StringN(1, 40, -1).Draw(t, "b")
		get := func(key string) string {
			d, err := s.Join(context.Background(), Request{Mailbox: ann, Key: key})
			if err != nil {
				t.Fatal(err)
			}
			return d.URL
		}
		if first, again := get(a), get(a); first != again || (first == get(b)) != (a == b) {
			t.Fatalf("rooms of %q and %q", a, b)
		}
		if u, err := url.Parse(get(a)); err != nil || strings.Trim(u.Path, "/abcdefghijklmnopqrstuvwxyz234567") != "" {
			t.Fatalf("link %q", get(a))
		}
	})
}
