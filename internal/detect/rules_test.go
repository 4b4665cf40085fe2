package detect

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

func TestRules(t *testing.T) {
	t.Parallel()
	rules := &Rules{
		JitsiHosts: []string{"Talk.example.org"},
		Hosts: []Host{
			{Provider: "pexip", Host: "vc.example.com"},
			{Provider: "bigbluebutton", Host: ".learn.example.com"},
			{Provider: "nextcloudtalk", Host: "files.example.com"},
			{Provider: "lasuite", Host: "visio.example.com"},
			{Provider: "cms", Host: "*.cms.example.com"},
			{Provider: "zoom", Host: "rooms.example.net"},
			{Provider: "other", Host: "meet.example.com", Prefix: "/rooms/"},
		},
		Patterns: []Pattern{{Name: "numbers", Provider: "other", Pattern: `https://call\.example\.com/\?n=(?P<id>\d{4,9})\b`}, {Name: "plain", Provider: "jitsi", Pattern: `https://[a-z]+\.rooms\.example\.com/[a-z]+`}},
		Rooms:    []Room{{"other", "https://rooms.example.com/r/"}},
	}
	if err := rules.Validate(); err != nil {
		t.Fatal(err)
	}
	d := New(rules)
	for link, want := range map[string]string{
		"https://talk.example.org/weekly":                                     "jitsi weekly",
		"https://vc.example.com/webapp/m/ann.lee":                             "pexip ann.lee",
		"https://vc.example.com/portal/ann.lee":                               "",
		"https://learn.example.com/b/ann-abc-def-ghi":                         "bigbluebutton ",
		"https://a.learn.example.com/b/ann-abc-def-ghi":                       "bigbluebutton ",
		"https://learn.example.com.evil.example/b/x":                          "",
		"https://files.example.com/call/a1b2c3d4":                             "nextcloudtalk a1b2c3d4",
		"https://files.example.com/s/a1b2c3d4":                                "",
		"https://visio.example.com/abc-defg-hij":                              "lasuite abc-defg-hij",
		"https://eu.cms.example.com/meeting/100002?secret=a":                  "cms 100002",
		"https://cms.example.com/help":                                        "",
		"https://rooms.example.net/j/81230000001":                             "zoom 81230000001",
		"https://meet.example.com/rooms/Board/now?x=1":                        "other Board",
		"https://meet.example.com/rooms/":                                     "",
		"https://meet.example.com/about":                                      "",
		"https://call.example.com/?n=4711&x=y":                                "other 4711",
		"https://call.example.com/?n=abc":                                     "",
		"https://evil.example/https://call.example.com/?n=4711":               "",
		"https://blue.rooms.example.com/board":                                "jitsi ",
		"https://rooms.example.com/r/ann":                                     "other ",
		"https://user@call.example.com/?n=4711":                               "",
		"https://urldefense.com/v3/__https://call.example.com/?n=4711__;!!a$": "other 4711",
	} {
		r := d.Detect(Input{Location: link})
		got := ""
		if r.Join {
			got = r.Provider + " " + r.MeetingID
		}
		if got != want {
			t.Errorf("%s: %q, want %q (rejected %v)", link, got, want, r.Rejected)
		}
	}
	if r := d.Detect(Input{Location: "https://call.example.com/?n=4711"}); r.Candidates[0].Why[0] != `the organisation's pattern "numbers"` {
		t.Errorf("reason %q", r.Candidates[0].Why)
	}
	if r := d.Detect(Input{Location: "meet.example.com/rooms/Board"}); r.URL != "https://meet.example.com/rooms/Board" {
		t.Errorf("without scheme: %q", r.URL)
	}
}

func TestPriority(t *testing.T) {
	t.Parallel()
	in := Input{Location: "https://whereby.com/example-room", Body: "https://zoom.us/j/81230000001\nhttps://example.webex.com/meet/ann\nhttps://meet.google.com/abc-mnop-xyz\n"}
	order := func(priority ...string) string {
		var got []string
		for _, m := range New(&Rules{Priority: priority}).Detect(in).Candidates {
			got = append(got, m.Provider)
		}
		return strings.Join(got, " ")
	}
	for _, c := range []struct{ priority, want string }{
		{"", "whereby zoom meet webex"},           // a meeting before a room
		{"meet", "whereby meet zoom webex"},       // the field counts more
		{"webex meet", "whereby webex meet zoom"}, // the list counts more than what kind of link it is
		{"webex whereby zoom", "whereby webex zoom meet"},
		{"teams slack", "whereby zoom meet webex"},
	} {
		if got := order(strings.Fields(c.priority)...); got != c.want {
			t.Errorf("%q: %s, want %s", c.priority, got, c.want)
		}
	}
	quoted := Input{Body: "New: https://meet.google.com/abc-mnop-xyz\n> https://zoom.us/j/81230000001\n"}
	if r := New(&Rules{Priority: []string{"zoom"}}).Detect(quoted); r.Provider != "meet" {
		t.Errorf("a quoted link of the own service goes first: %+v", r.Candidates)
	}
}

func TestValidate(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("a", maxPattern+1)
	for _, c := range []struct {
		rules Rules
		want  string
	}{
		{Rules{}, ""},
		{Rules{SIPDomains: []string{"video.example.com", "sip:4711@example.com"}}, `sip_domains[1] "sip:4711@example.com": write the host alone`},
		{Rules{SIPDomains: []string{"a@example.com"}}, `sip_domains[0] "a@example.com": write the domain alone`},
		{Rules{JitsiHosts: []string{"https://meet.example.org"}}, `jitsi_hosts[0] "https://meet.example.org": write the host alone`},
		{Rules{JitsiHosts: []string{""}}, `jitsi_hosts[0]: missing`},
		{Rules{JitsiHosts: []string{"*.co.uk"}}, `jitsi_hosts[0] "*.co.uk": everybody's hosts`},
		{Rules{JitsiHosts: []string{"meet.*.org"}}, `a "*" may stand`},
		{Rules{JitsiHosts: []string{"intranet"}}, `write the full name`},
		{Rules{JitsiHosts: []string{"münchen.example"}}, `xn-- form`},
		{Rules{JitsiHosts: []string{"a..example.org"}}, `not the name of a host`},
		{Rules{Hosts: []Host{{"pexip", "vc.example.com", ""}, {"Pexip", "vc.example.com", ""}}}, `hosts[1] "vc.example.com": provider: no known provider`},
		{Rules{Hosts: []Host{{"other", "vc.example.com", ""}}}, `hosts[0] "vc.example.com": prefix: missing`},
		{Rules{Hosts: []Host{{"other", "vc.example.com", "rooms/"}}}, `prefix: write it from the "/"`},
		{Rules{Hosts: []Host{{"other", "vc.example.com", "/a b"}}}, `prefix: not the beginning of a path`},
		{Rules{Hosts: []Host{{"other", "vc.example.com:8443", "/r/"}}}, `host: write the host alone`},
		{Rules{Patterns: []Pattern{{"", "other", `https://a\.example\.com/x`}}}, `patterns[0]: name: missing`},
		{Rules{Patterns: []Pattern{{"p", "other", `https://a\.example\.com/x`}, {"p", "other", `https://a\.example\.com/y`}}}, `patterns[1] "p": name: another pattern`},
		{Rules{Patterns: []Pattern{{"p", "other", `https://a\.example\.com/(`}}}, `patterns[0] "p": pattern: missing closing )`},
		{Rules{Patterns: []Pattern{{"p", "other", `.*\.example\.com/|https://`}}}, `pattern: it fits links of any host`},
		{Rules{Patterns: []Pattern{{"p", "other", `https://[^/]+/j/\d+`}}}, `pattern: it fits links of any host`},
		{Rules{Patterns: []Pattern{{"p", "other", ""}}}, `pattern: missing`},
		{Rules{Patterns: []Pattern{{"p", "other", long}}}, `pattern: longer than 512 bytes`},
		{Rules{Patterns: make([]Pattern, maxPatterns+1)}, `patterns: 33 entries, at most 32`},
		{Rules{Rooms: []Room{{"other", "vc.example.com/r/"}}}, `rooms[0] "vc.example.com/r/": prefix: write a whole beginning`},
		{Rules{Rooms: []Room{{"other", "https://vc.example.com"}}}, `prefix: a prefix that ends inside the host`},
		{Rules{Rooms: []Room{{"other", ""}}}, `rooms[0]: prefix: missing`},
		{Rules{Keywords: []Keyword{{Word: " "}}}, `keywords[0] " ": word: missing`},
		{Rules{Priority: []string{"zoom", "teams", "zoom"}}, `priority[2] "zoom": named twice`},
		{Rules{Priority: []string{"skypeforbusiness"}}, `priority[0] "skypeforbusiness": no known provider`},
	} {
		err := c.rules.Validate()
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+.80v: %v, want %q", c.rules, err, c.want)
		}
		var rule *RuleError
		if err != nil && !errors.As(err, &rule) {
			t.Errorf("%v is no RuleError", err)
		}
		New(&c.rules).Detect(Input{Body: "https://vc.example.com/rooms/1"}) // what is wrong is left out
	}
}

// TestWrongRulesAreLeftOut: a rule that Validate refuses takes no link.
func TestWrongRulesAreLeftOut(t *testing.T) {
	t.Parallel()
	r := New(&Rules{
		Hosts:    []Host{{"other", "*.com", "/"}, {"nobody", "a.example.com", "/"}},
		Patterns: []Pattern{{"all", "other", ".*"}, {"broken", "other", "("}},
	}).Detect(Input{Body: "https://a.example.com/x https://b.com/y"})
	if r.Join {
		t.Errorf("joined by %+v", r.Candidates)
	}
}

// TestProviders: the closed list of names that answers may carry.
func TestProviders(t *testing.T) {
	t.Parallel()
	want := strings.Fields(`zoom teams meet webex gotomeeting ringcentral jitsi bigbluebutton nextcloudtalk
element livekit lasuite skype4b skype bluejeans pexip chime starleaf lifesize whereby cms tencent lark dingtalk voov zhumu dialpad freeconferencecall
8x8 vonage facetime slack discord gather around tuple pop livestorm streamyard vimeo demodesk doxyme zoho teamviewer protonmeet telemost
meetecho calcom workplace whatsapp vsee duo ovice reclaim gong chorus blackboard userzoom coscreen preply venue teemyco pumble suitconference zmpage livemeeting other`)
	slices.Sort(want)
	if got := Providers(); !slices.Equal(got, want) {
		t.Errorf("providers\n%s\nwant\n%s", got, want)
	}
}
