package exchange

import (
	"bytes"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

func TestProfileRoundTrip(t *testing.T) {
	t.Parallel()
	yes, no := true, false
	p := &Profile{
		Name: "n", Dialect: "exchange2016", ServerVersion: "15.1.2507.39", Schema: "V2017_07_11",
		NativeBody: map[string]string{"text": "text", "rtf": "html"}, AppendToRTF: &Kept{Text: true, Links: true},
		Mails: map[string]int{"SendToNone": 0, "SendOnlyToAll": 1}, Travels: []string{}, RoomAnswersUpdates: &no,
		SubscriptionSeconds: 300, RequestSentGiven: &yes,
	}
	var b bytes.Buffer
	if err := p.Write(&b); err != nil {
		t.Fatal(err)
	}
	got, err := ParseProfile(b.Bytes())
	if err != nil || !reflect.DeepEqual(got, p) {
		t.Errorf("%v\n%s\n%+v", err, b.Bytes(), got)
	}
	name := filepath.Join(t.TempDir(), "profile.json")
	if err := os.WriteFile(name, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := ReadProfile(name); err != nil || !reflect.DeepEqual(got, p) {
		t.Errorf("from the file: %v %+v", err, got)
	}
}

func TestProfileRefuses(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"": "no profile", "[]": "no profile", `{"native":1}`: "unknown field", `{"mails":{"a":"b"}}`: "no profile",
		"{}{}": "follows", strings.Repeat(" ", mostProfile+1): "larger",
	} {
		if _, err := ParseProfile([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.20q: %v, want %q", text, err, want)
		}
	}
	if _, err := ReadProfile("/nowhere/at/all"); err == nil {
		t.Error("a file that is not there was read")
	}
}

func TestAppendsToRTFOnlyWhereNothingIsLost(t *testing.T) {
	t.Parallel()
	all := Kept{Text: true, Links: true, Images: true, Attachments: true}
	lost := all
	lost.Images = false
	for _, tt := range []struct {
		p    *Profile
		want bool
	}{{nil, false}, {&Profile{}, false}, {&Profile{AppendToRTF: &all}, true}, {&Profile{AppendToRTF: &lost}, false}} {
		if got := tt.p.AppendsToRTF(); got != tt.want {
			t.Errorf("%+v: %v", tt.p, got)
		}
	}
}
