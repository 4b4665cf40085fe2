package detect

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/koyomi-cal/koyomi/internal/calendar"
)

// TestInvitations runs the invented invitations of testdata. A file holds many
// cases; the parts of a case are NAME/location, NAME/subject, NAME/body.txt or
// NAME/body.html, NAME/property/X and NAME/want. A want has one "key value" a
// line:
//
//	url, sip, provider     exactly; what is not named must be empty
//	id, passcode, h323     exactly, if named
//	dialin NUMBER [PIN]    once for each; "dialin none"
//	also URL               among the alternates, in this order
//	rejected TEXT          a rejection whose text or reason holds TEXT; "rejected none"
//	why TEXT               the best candidate's reasons hold TEXT
func TestInvitations(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no testdata: %v", err)
	}
	rules := &Rules{SIPDomains: []string{"video.example.com"}, JitsiHosts: []string{"talk.example.org"}, Rooms: []Room{{"other", "https://rooms.example.com/r/"}}}
	d := New(rules)
	for _, file := range files {
		archive, err := txtar.ParseFile(file)
		if err != nil {
			t.Fatal(err)
		}
		names, inputs, wants := cases(t, archive)
		for _, name := range names {
			t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar")+"/"+name, func(t *testing.T) {
				t.Parallel()
				if wants[name] == "" {
					t.Fatal("no want")
				}
				compare(t, d.Detect(*inputs[name]), wants[name])
			})
		}
	}
}

func cases(t *testing.T, archive *txtar.Archive) (names []string, inputs map[string]*Input, wants map[string]string) {
	t.Helper()
	inputs, wants = map[string]*Input{}, map[string]string{}
	for _, f := range archive.Files {
		name, part, _ := strings.Cut(f.Name, "/")
		in := inputs[name]
		if in == nil {
			in = &Input{ID: name, Properties: map[string]string{}}
			inputs[name] = in
			names = append(names, name)
		}
		data := strings.TrimSuffix(string(f.Data), "\n")
		switch part {
		case "location":
			in.Location = data
		case "subject":
			in.Subject = data
		case "body.txt":
			in.Body, in.BodyType = data, calendar.BodyText
		case "body.html":
			in.Body, in.BodyType = data, calendar.BodyHTML
		case "want":
			wants[name] = data
		default:
			property, ok := strings.CutPrefix(part, "property/")
			if !ok {
				t.Fatalf("unknown part %s", f.Name)
			}
			in.Properties[property] = data
		}
	}
	return names, inputs, wants
}

func compare(t *testing.T, r Result, want string) {
	t.Helper()
	exact := map[string]string{"url": r.URL, "sip": r.SIP, "provider": r.Provider, "id": r.MeetingID, "passcode": r.Passcode, "h323": r.H323, "keyword": r.Keyword}
	must := map[string]string{"url": "", "sip": "", "provider": ""}
	var dialin, also []string
	for line := range strings.Lines(want) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		switch key {
		case "url", "sip", "provider", "id", "passcode", "h323", "keyword":
			must[key] = value
		case "dialin":
			dialin = append(dialin, value)
		case "also":
			also = append(also, value)
		case "why":
			if len(r.Candidates) == 0 || !strings.Contains(strings.Join(r.Candidates[0].Why, "; "), value) {
				t.Errorf("no reason %q in %+v", value, r.Candidates)
			}
		case "rejected":
			if value == "none" {
				if len(r.Rejected) > 0 {
					t.Errorf("rejected: %+v", r.Rejected)
				}
			} else if !strings.Contains(fmt.Sprintf("%+v", r.Rejected), value) {
				t.Errorf("nothing rejected with %q: %+v", value, r.Rejected)
			}
		default:
			t.Fatalf("unknown want %q", line)
		}
	}
	for key, value := range must {
		if exact[key] != value {
			t.Errorf("%s is %q, want %q", key, exact[key], value)
		}
	}
	if r.Join != (must["provider"] != "") {
		t.Errorf("join is %v", r.Join)
	}
	if len(dialin) > 0 {
		got := []string{}
		for _, d := range r.Dialin {
			got = append(got, strings.TrimSpace(d.Number+" "+d.PIN))
		}
		if len(got) == 0 {
			got = []string{"none"}
		}
		if strings.Join(got, "|") != strings.Join(dialin, "|") {
			t.Errorf("dial-in %q, want %q", got, dialin)
		}
	}
	var alternates []string
	for _, m := range r.Methods()[min(1, len(r.Methods())):] {
		alternates = append(alternates, m.URL)
	}
	if len(also) > 0 && strings.Join(alternates, "|") != strings.Join(also, "|") {
		t.Errorf("alternates %q, want %q", alternates, also)
	}
}

func TestKeywords(t *testing.T) {
	t.Parallel()
	rules := &Rules{Keywords: append(defaultKeywords(), Keyword{Word: "@meeting", Default: ActionSpace, Service: "long"}, Keyword{Word: "@会議", Default: ActionOneTime, Service: "ja"}, Keyword{Word: "video!", Service: "bang"})}
	for location, want := range map[string]string{
		"@meet":                          "@meet default onetime meet",
		"@webex":                         "@webex default myroom webex",
		"@MEET":                          "@meet default onetime meet",
		"＠ＭＥＥＴ":                          "@meet default onetime meet",
		"＠meet：myroom":                   "@meet:myroom myroom onetime meet",
		"@Meet:Space":                    "@meet:space space onetime meet",
		"@webex:onetime, room 4":         "@webex:onetime onetime myroom webex",
		"Room 4 / @meet":                 "@meet default onetime meet",
		"Room 4/@meet":                   "@meet default onetime meet",
		"(@meet)":                        "@meet default onetime meet",
		"@meet; Room 4":                  "@meet default onetime meet",
		"@meet.":                         "@meet default onetime meet",
		"@meet - Room 4":                 "@meet default onetime meet",
		"会議室A、@meet":                     "@meet default onetime meet",
		"会議室@meetで":                      "@meet default onetime meet",
		"@webex @meet":                   "@webex default myroom webex",
		"@meet @webex":                   "@meet default onetime meet",
		"@meet:unknown":                  "@meet default onetime meet",
		"@meet: bring cake":              "@meet default onetime meet",
		"@meet:myrooms":                  "@meet default onetime meet",
		"@meeting":                       "@meeting default space long",
		"@meet\u200b":                    "@meet default onetime meet",
		"＠会議":                            "@会議 default onetime ja",
		"video!":                         "video! default  bang",
		"ann@meet.example and @webex":    "@webex default myroom webex",
		"ann@meet.example":               "",
		"ann@meet":                       "",
		"@meet.example":                  "",
		"@meets":                         "",
		"@meet_room":                     "",
		"@meet-room":                     "",
		"x@webex:myroom":                 "",
		"@@meet":                         "",
		"@meet@example.com":              "",
		"https://example.com/@meet":      "",
		"https://example.com/?u=@meet&b": "",
		"":                               "",
		"meet":                           "",
	} {
		r := Detect(Input{Location: location}, rules)
		got := ""
		if r.Keyword != "" {
			got = fmt.Sprintf("%s %s %s %s", r.Keyword, r.KeywordAction, r.KeywordDefault, r.KeywordService)
		}
		if got != want {
			t.Errorf("%q: %q, want %q", location, got, want)
		}
		if want != "" && (!r.Join || r.Provider != "keyword" || r.Methods() != nil) {
			t.Errorf("%q: join %v by %q", location, r.Join, r.Provider)
		}
	}
	if r := Detect(Input{Body: "@meet", Subject: "@meet"}, nil); r.Join {
		t.Errorf("a keyword outside the location: %+v", r.Keyword)
	}
	if r := Detect(Input{Location: "@meet https://zoom.us/j/123456789"}, nil); r.Provider != "zoom" || r.Keyword != "@meet" {
		t.Errorf("keyword and link: %q %q", r.Provider, r.Keyword)
	}
}

func TestMethods(t *testing.T) {
	t.Parallel()
	r := Detect(Input{Body: "https://zoom.us/j/123456789\nPasscode: 99aa\nbackup: https://meet.google.com/abc-defg-hij\n"}, nil)
	m := r.Methods()
	if len(m) != 2 || m[0].Kind != "zoom" || m[0].ID != "123456789" || m[0].Passcode != "99aa" || m[1].Kind != "meet" || m[1].ID != "abc-defg-hij" {
		t.Errorf("methods %+v", m)
	}
	if m := (&Result{}).Methods(); m != nil {
		t.Errorf("methods of nothing: %+v", m)
	}
}

func TestOwnServiceFirst(t *testing.T) {
	t.Parallel()
	in := Input{Body: "https://zoom.us/j/123456789 or https://talk.example.org/weekly"}
	if r := Detect(in, &Rules{JitsiHosts: []string{"talk.example.org"}, Priority: []string{"jitsi"}}); r.Provider != "jitsi" {
		t.Errorf("own service behind: %+v", r.Candidates)
	}
	if r := Detect(in, &Rules{JitsiHosts: []string{"talk.example.org"}}); r.Provider != "zoom" || len(r.Candidates) != 2 {
		t.Errorf("order: %+v", r.Candidates)
	}
	if r := Detect(in, nil); len(r.Candidates) != 1 {
		t.Errorf("a host that nobody listed: %+v", r.Candidates)
	}
}

// TestPlaces: a candidate names where it stands in the field as it came.
func TestPlaces(t *testing.T) {
	t.Parallel()
	const link = "https://zoom.us/j/123456789"
	for name, in := range map[string]Input{
		"location":    {Location: "会議室 " + link + " 4"},
		"text":        {Body: "＠\u200b> x\n" + link + ".\n"},
		"quoted text": {Body: "On Monday:\n> > see\n> > " + link + "\n"},
		"html text":   {BodyType: calendar.BodyHTML, Body: "<p>A&amp;B&nbsp;é " + link + "</p>"},
		"href":        {BodyType: calendar.BodyHTML, Body: "<p>See <a class=x href='" + link + "'>here</a></p>"},
		"property":    {Properties: map[string]string{"X-GOOGLE-CONFERENCE": link}},
	} {
		r := Detect(in, nil)
		if len(r.Candidates) != 1 {
			t.Errorf("%s: %+v", name, r.Candidates)
			continue
		}
		c := r.Candidates[0]
		source := in.Location + in.Body + in.Properties["X-GOOGLE-CONFERENCE"]
		if got := strings.TrimRight(source[c.Start:c.End], "."); got != link {
			t.Errorf("%s: %d to %d is %q", name, c.Start, c.End, got)
		}
	}
}

func TestText(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"<html><head><style>p{}</style><title>x</title></head><body><p>One<br>two &amp; <b>three</b></p><table><tr><td>a</td><td>b</td></tr></table><script>x</script></body></html>": "One\ntwo & three\na\tb\n",
		"<pre>a\n b</pre>c":      "a\n b\nc",
		"a < b and <3 hearts":    "a < b and <3 hearts",
		"<p>line\r\nwrapped</p>": "line  wrapped\n",
		"":                       "",
	} {
		if got := Text(calendar.Body{Type: calendar.BodyHTML, Content: in}); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
	if got := Text(calendar.Body{Type: calendar.BodyText, Content: "a <b>"}); got != "a <b>" {
		t.Errorf("text: %q", got)
	}
}
