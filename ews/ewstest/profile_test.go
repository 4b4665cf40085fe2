package ewstest

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

const wholeProfile = `{"name":"Head office","dialect":"exchange2016","server_version":"15.1.2507.58","schema":"V2018_01_08",
	"native_body":{"html":"rtf","rtf":"html"},"append_to_rtf":{"text":true,"links":true,"images":false,"attachments":true},
	"mails":{"SendOnlyToChanged":1,"SendToNone":0},"travels":["KoyomiJoin"],"room_answers_updates":false,"subscription_seconds":90,
	"request_sent_given":false}`

func TestParseProfile(t *testing.T) {
	t.Parallel()
	p, err := ParseProfile(strings.NewReader(wholeProfile))
	if err != nil {
		t.Fatal(err)
	}
	data, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	again, err := ParseProfile(strings.NewReader(string(data)))
	if err != nil || !reflect.DeepEqual(p, again) {
		t.Errorf("a written profile reads back as %+v, %v", again, err)
	}
	for doc, want := range map[string]string{
		``:                                 "ends before its end",
		`null`:                             "null",
		`[]`:                               "array",
		`{"name":"x"`:                      "ends before its end",
		`{} {}`:                            "byte 4",
		`{"colour":1}`:                     `"colour"`,
		`{"Name":"x"}`:                     `"Name"`,
		`{"name":"x","name":"y"}`:          `"name" is there twice`,
		`{"name":null}`:                    `"name" is null`,
		`{"name":1}`:                       `"name"`,
		`{"dialect":"exchange2007"}`:       `"dialect"`,
		`{"server_version":"15.2"}`:        `"server_version"`,
		`{"server_version":"15.2.-1.0"}`:   `"server_version"`,
		`{"schema":"<x>"}`:                 `"schema"`,
		`{"native_body":{"html":"word"}}`:  `"native_body"`,
		`{"append_to_rtf":{"smell":true}}`: `"smell"`,
		`{"mails":{"SendToSome":1}}`:       `"mails"`,
		`{"mails":{"SendToNone":99}}`:      `"mails"`,
		`{"mails":{"":1}}`:                 `"mails"`,
		`{"travels":[""]}`:                 `"travels"`,
		`{"subscription_seconds":-1}`:      `"subscription_seconds"`,
		`{"subscription_seconds":9000000}`: `"subscription_seconds"`,
		`{"room_answers_updates":"no"}`:    `"room_answers_updates"`,
		`{"name":"` + strings.Repeat("x", 300) + `"}`:   `"name"`,
		`{"name":"` + strings.Repeat("x", 70000) + `"}`: "larger than 64 KiB",
	} {
		_, err := ParseProfile(strings.NewReader(doc))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.40s: %v, want %s", doc, err, want)
		}
	}
}

func FuzzParseProfile(f *testing.F) {
	for _, s := range []string{wholeProfile, `{}`, `{"mails":{"SendToNone":1}}`, `{"a":{"a":1}}`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, doc string) {
		p, err := ParseProfile(strings.NewReader(doc))
		if err != nil {
			return
		}
		data, err := json.Marshal(p)
		if err != nil {
			t.Fatal(err)
		}
		again, err := ParseProfile(strings.NewReader(string(data)))
		if err != nil {
			t.Fatalf("%s: %v", data, err)
		}
		second, _ := json.Marshal(again)
		if string(second) != string(data) {
			t.Errorf("%s became %s", data, second)
		}
		NewServer(Options{Profile: p}).Close()
	})
}

func TestProfileIsPlayed(t *testing.T) {
	t.Parallel()
	no := false
	r := newRig(t, Options{Travel: []string{"*"}, Profile: &Profile{
		Dialect: Exchange2013, ServerVersion: "15.0.1497.99", Schema: "V2_99", Mails: map[string]int{"SendOnlyToChanged": 1, "SendToNone": 1, "SendOnlyToAll": 2},
		Travels: []string{"KoyomiJoin"}, RoomAnswersUpdates: &no, RequestSentGiven: &no,
	}})
	extra := func(name string) string {
		return `<t:ExtendedProperty><t:ExtendedFieldURI DistinguishedPropertySetId="PublicStrings" PropertyName="` + name + `" PropertyType="String"/><t:Value>v</t:Value></t:ExtendedProperty>`
	}
	id := r.create(user1, "SendOnlyToAll", `<t:Subject>x</t:Subject>`+extra("KoyomiJoin")+extra("UCMeetingSetting")+tomorrow+
		attendees("RequiredAttendees", user2)+attendees("Resources", room))
	c := r.s.Calendar(user2)[0]
	if c.Property("KoyomiJoin") != "v" || c.Property("UCMeetingSetting") != "" {
		t.Errorf("the copy has %v", c.Extended)
	}
	a := r.send(svc, "password", envelope(user1, getItem(id.Attr("Id"), "calendar:MeetingRequestWasSent")))
	if strings.Contains(string(a.raw), "MeetingRequestWasSent") || !strings.Contains(string(a.raw), `MinorBuildNumber="99" Version="V2_99"`) {
		t.Errorf("the item: %s", a.raw)
	}
	answers := len(r.s.Mails())
	for _, try := range []struct {
		mode string
		want int
	}{{"SendOnlyToChanged", 1}, {"SendToNone", 1}, {"SendOnlyToAll", 2}, {"SendToChangedAndSaveCopy", 0}} {
		before := len(r.s.Mails())
		r.ok(user1, updateItem(id, "AlwaysOverwrite", try.mode, setField("item:Body", `<t:Body BodyType="Text">`+try.mode+`</t:Body>`)))
		toUser := 0
		for _, m := range r.s.Mails()[before:] {
			if m.To == user2 {
				toUser++
			} else if m.To == user1 {
				t.Errorf("%s: the room answers again", try.mode)
			}
		}
		if toUser != try.want {
			t.Errorf("%s: %d mails, want %d", try.mode, toUser, try.want)
		}
	}
	if answers != 3 { // two requests, one answer of the room
		t.Errorf("%d mails for the invitation", answers)
	}
}

func TestProfileSubscriptionLife(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := clockRig(t, Options{Profile: &Profile{SubscriptionSeconds: 60}})
		id := r.subscribe(user1, calendarOnly)
		time.Sleep(59 * time.Second)
		l := r.stream(user1, 1, id)
		if got := l.events(); got != "OK" {
			t.Errorf("before its end: %s", got)
		}
		l.close()
		time.Sleep(61 * time.Second)
		if got := r.code(user1, streamBody(1, id)); got != "ErrorSubscriptionNotFound" {
			t.Errorf("after its end: %s", got)
		}
	})
}
