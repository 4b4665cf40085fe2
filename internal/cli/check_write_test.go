package cli

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/koyomi-cal/koyomi/ews/ewstest"
	"github.com/koyomi-cal/koyomi/internal/exchange"
)

// profiles are servers that differ in everything that a probe can see.
func profiles() map[string]ewstest.Profile {
	yes, no := true, false
	return map[string]ewstest.Profile{
		"keeps all": {
			Name: "exchange2019 15.2.1544.11", Dialect: ewstest.Exchange2019, ServerVersion: "15.2.1544.11", Schema: "V2017_07_11",
			NativeBody:  map[ewstest.NativeBody]ewstest.NativeBody{"text": "html", "html": "html", "rtf": "rtf"},
			AppendToRTF: &ewstest.Append{Text: true, Links: true, Images: true},
			Mails:       map[string]int{"SendToNone": 0, "SendOnlyToChanged": 0, "SendToChangedAndSaveCopy": 0, "SendOnlyToAll": 1, "SendToAllAndSaveCopy": 1},
			Travels:     []string{}, RoomAnswersUpdates: &yes, RequestSentGiven: &yes,
		},
		"loses links": {
			Name: "exchange2016 15.1.2507.40", Dialect: ewstest.Exchange2016, ServerVersion: "15.1.2507.40", Schema: "V2017_07_11",
			NativeBody:  map[ewstest.NativeBody]ewstest.NativeBody{"text": "text", "html": "rtf", "rtf": "html"},
			AppendToRTF: &ewstest.Append{Text: true, Images: true, Attachments: true},
			Mails:       map[string]int{"SendToNone": 0, "SendOnlyToChanged": 1, "SendToChangedAndSaveCopy": 1, "SendOnlyToAll": 2, "SendToAllAndSaveCopy": 2},
			Travels:     []string{"KoyomiJoin", "TMS:ExternalConferenceData"}, RoomAnswersUpdates: &no, RequestSentGiven: &yes,
		},
		"says little": {
			Name: "exchange2013 15.0.1497.48", Dialect: ewstest.Exchange2013, ServerVersion: "15.0.1497.48", Schema: "V2_23",
			NativeBody:  map[ewstest.NativeBody]ewstest.NativeBody{"text": "rtf", "html": "html", "rtf": "rtf"},
			AppendToRTF: &ewstest.Append{Text: true, Links: true},
			Mails:       map[string]int{"SendToNone": 0, "SendOnlyToChanged": 0, "SendToChangedAndSaveCopy": 0, "SendOnlyToAll": 1, "SendToAllAndSaveCopy": 0},
			Travels:     []string{"KoyomiGoid", "KoyomiHash", "KoyomiJoin", "KoyomiVersion"}, RoomAnswersUpdates: &yes, RequestSentGiven: &no,
		},
	}
}

// TestCheckWriteGivesTheProfileBack is the proof that the probe sees what is
// there: on a server that plays a profile it finds that profile.
func TestCheckWriteGivesTheProfileBack(t *testing.T) {
	t.Parallel()
	for name, want := range profiles() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := ewstest.Start(ewstest.Options{Profile: &want})
			t.Cleanup(s.Close)
			s.AddMailbox("a@example.com", "A")
			s.AddMailbox("b@example.com", "B")
			s.AddMailbox("room@example.com", "Room", ewstest.AsRoom(ewstest.DefaultRoom()))
			begin := time.Now().Add(72 * time.Hour)
			if _, err := s.Add("a@example.com", ewstest.Item{
				Subject: exchange.PreparedSubject, Start: begin, End: begin.Add(time.Hour), Busy: "Free",
				Attachments: []ewstest.Attachment{{Name: "agenda.pdf", ContentType: "application/pdf", Size: 4000}},
				Body:        ewstest.Body{Type: "HTML", RTF: true, Content: `<html><body><p>Words <a href="https://example.com/x">link</a> <img src="https://example.com/i.png" alt="i"></p></body></html>`},
			}); err != nil {
				t.Fatal(err)
			}
			file := filepath.Join(t.TempDir(), "profile.json")
			code, stdout, stderr := call(t, "check", "--config", checkConfig(t, s.URL, "password"), "--json", "--write", "--yes",
				"--wait", "10ms", "--room", "room@example.com", "--profile", file, "a@example.com", "b@example.com")
			if code != 0 {
				t.Fatalf("exit code %d\n%s%s", code, stdout, stderr)
			}
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got, err := ewstest.ParseProfile(strings.NewReader(string(data)))
			if err != nil {
				t.Fatalf("%v\n%s", err, data)
			}
			if !reflect.DeepEqual(*got, want) {
				wanted, _ := json.MarshalIndent(want, "", "  ")
				t.Errorf("found\n%s\nwant\n%s", data, wanted)
			}
			nothingLeft(t, s)
		})
	}
}

// nothingLeft demands that no canary stands in any calendar.
func nothingLeft(t *testing.T, s *ewstest.Server) {
	t.Helper()
	for _, m := range s.Mailboxes() {
		for _, it := range s.Calendar(m) {
			if it.Subject != exchange.PreparedSubject {
				t.Errorf("%s still has %q", m, it.Subject)
			}
		}
	}
}

// TestCheckWriteCleansUpAfterFailure: a server that fails in the middle.
func TestCheckWriteCleansUpAfterFailure(t *testing.T) {
	t.Parallel()
	for _, op := range []string{"UpdateItem", "SyncFolderItems", "FindItem"} {
		t.Run(op, func(t *testing.T) {
			t.Parallel()
			s := simulator(t)
			s.AddMailbox("b@example.com", "B")
			s.Fail(ewstest.Fault{Op: op, Times: 1, Code: "ErrorInternalServerError"})
			code, stdout, stderr := call(t, "check", "--config", checkConfig(t, s.URL, "password"), "--write", "--yes", "--wait", "10ms", "aya@example.com", "b@example.com")
			if code != 1 || !strings.Contains(stdout, "canary") {
				t.Errorf("exit code %d\n%s%s", code, stdout, stderr)
			}
			nothingLeft(t, s)
		})
	}
}

// TestCheckWriteLong: the life of a subscription is looked for where that is
// asked for, and what fails there is said with its code.
func TestCheckWriteLong(t *testing.T) {
	t.Parallel()
	for _, long := range []bool{false, true} {
		s := simulator(t)
		s.AddMailbox("b@example.com", "B")
		s.Fail(ewstest.Fault{Op: "Subscribe", Skip: 2, Code: "ErrorExceededSubscriptionCount"}) // behind those of the steps
		args := []string{"--config", checkConfig(t, s.URL, "password"), "--write", "--yes", "--wait", "10ms"}
		if long {
			args = append(args, "--long")
		}
		code, steps := checkJSON(t, append(args, "aya@example.com", "b@example.com")...)
		last := steps[len(steps)-1]
		if failed := code == 1 && last.Step == "canary" && last.Code == "ErrorExceededSubscriptionCount" && strings.Contains(last.Cause, "wait for subscriptions to end"); failed != long {
			t.Errorf("--long is %v: exit code %d, %+v", long, code, last)
		}
		nothingLeft(t, s)
	}
}

func TestCheckWriteRefuses(t *testing.T) {
	t.Parallel()
	s := simulator(t)
	config := checkConfig(t, s.URL, "password")
	for args, want := range map[string]string{
		"": "needs two different test mailboxes", "aya@example.com": "needs two", "aya@example.com AYA@example.com": "needs two",
		"aya@example.com nobody": "is no address", "--room aya@example.com aya@example.com b@example.com": "is a third mailbox",
	} {
		code, _, stderr := call(t, append([]string{"check", "--config", config, "--write", "--yes"}, strings.Fields(args)...)...)
		if code != 2 || !strings.Contains(stderr, want) {
			t.Errorf("%q: exit code %d, %s", args, code, stderr)
		}
	}
	s.AddMailbox("b@example.com", "B")
	code, stdout, _ := call(t, "check", "--config", config, "--write", "aya@example.com", "b@example.com")
	if code != 1 || !strings.Contains(stdout, "add --yes") {
		t.Errorf("exit code %d, %s", code, stdout)
	}
	if n := s.Count("CreateItem"); n != 0 {
		t.Errorf("%d items were created unasked", n)
	}
}

func TestCheckInJapanese(t *testing.T) {
	t.Parallel()
	s := simulator(t)
	config := checkConfig(t, s.URL, "password")
	code, stdout, _ := call(t, "check", "--lang", "ja", "--config", config, "closed@example.com", "aya@example.com")
	for _, want := range []string{"  サーバー検出  正常", "  偽装          失敗    アカウントにこの", "対処    New-ManagementRoleAssignment", "メールボックス 2 件: 正常 1 件、失敗 1 件"} {
		if code != 1 || !strings.Contains(stdout, want) {
			t.Errorf("exit code %d, missing %q in\n%s", code, want, stdout)
		}
	}
	for env, want := range map[string]lang{"ja_JP.UTF-8": japanese, "C": english, "": english} {
		if got, err := language("", func(string) string { return env }); err != nil || got != want {
			t.Errorf("%q: %s %v", env, got, err)
		}
	}
	if _, err := language("fr", nil); err == nil {
		t.Error("fr was taken")
	}
}

func TestCheckKeepsTheOrder(t *testing.T) {
	t.Parallel()
	s := simulator(t)
	var args []string
	for i := range 40 {
		a := fmt.Sprintf("m%02d@example.com", i)
		s.AddMailbox(a, a)
		args = append(args, a)
	}
	_, steps := checkJSON(t, append([]string{"--parallel", "8", "--config", checkConfig(t, s.URL, "password")}, args...)...)
	var got []string
	for _, st := range steps {
		if st.Mailbox != "" && (len(got) == 0 || got[len(got)-1] != st.Mailbox) {
			got = append(got, st.Mailbox)
		}
	}
	if !reflect.DeepEqual(got, args) {
		t.Errorf("order %v", got)
	}
}

func TestCertificateWarning(t *testing.T) {
	t.Parallel()
	k := checker{lang: english}
	for left, want := range map[time.Duration]string{
		31 * 24 * time.Hour: "", 29 * 24 * time.Hour: "than 30 days", 6 * 24 * time.Hour: "than 7 days", time.Hour: "than 1 day", -time.Hour: "than 1 day",
	} {
		if got := k.certificate(left); !strings.Contains(got, want) || (want == "") != (got == "") {
			t.Errorf("%v: %q", left, got)
		}
	}
}

func TestWidth(t *testing.T) {
	t.Parallel()
	for s, want := range map[string]int{"": 0, "abc": 3, "認証": 4, "ｱ": 1, "é": 1, "ーA": 3, "、": 2} {
		if got := width(s); got != want {
			t.Errorf("%q: %d, want %d", s, got, want)
		}
	}
}
