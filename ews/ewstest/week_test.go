package ewstest

import (
	"fmt"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/koyomi-cal/koyomi/ews/internal/wire"
)

// meetingModel is what a random week expects of one meeting.
type meetingModel struct {
	uid, id   string
	organizer int
	invited   map[int]string // attendee -> their answer; "" none yet
	own, told string         // body of the organizer's copy, and as last mailed
	sent      bool
	cancelled bool
}

// week is a server with the model beside it.
type week struct {
	t        *rapid.T
	s        *Server
	meetings []*meetingModel
	mails    int
	n        int
}

const weekPeople = 4

func person(i int) string { return fmt.Sprintf("user%04d@example.com", i+1) }

func (w *week) call(box, body string) *wire.Element {
	req := httptest.NewRequest("POST", Path, strings.NewReader(envelope(box, body)))
	req.SetBasicAuth(svc, "password")
	rec := httptest.NewRecorder()
	w.s.Handler().ServeHTTP(rec, req)
	root, err := wire.Parse(rec.Body.Bytes(), wire.Limits{})
	if err != nil {
		w.t.Fatal(err)
	}
	m := root.Body().Child("ResponseMessages")
	if m == nil || m.Children[0].Value("ResponseCode") != "NoError" {
		w.t.Fatalf("%s\n%s", body, rec.Body)
	}
	return m.Children[0]
}

// pick draws one of the meetings that fit, or nil.
func (w *week) pick(fit func(*meetingModel) bool) *meetingModel {
	var some []*meetingModel
	for _, m := range w.meetings {
		if fit(m) {
			some = append(some, m)
		}
	}
	if len(some) == 0 {
		return nil
	}
	return rapid.SampledFrom(some).Draw(w.t, "meeting")
}

func live(m *meetingModel) bool { return !m.cancelled }

func (w *week) body() (xml, content string) {
	w.n++
	content = fmt.Sprintf("body %d", w.n)
	return `<t:Body BodyType="Text">` + content + `</t:Body>`, content
}

func (w *week) schedule() {
	m := &meetingModel{organizer: rapid.IntRange(0, weekPeople-1).Draw(w.t, "organizer"), invited: map[int]string{}}
	var addresses []string
	for i := range weekPeople {
		if i != m.organizer && rapid.Bool().Draw(w.t, "invited") {
			m.invited[i] = ""
			addresses = append(addresses, person(i))
		}
	}
	m.sent = len(addresses) > 0 && rapid.Bool().Draw(w.t, "send")
	mode, list := "SendToNone", ""
	if m.sent {
		mode = "SendOnlyToAll"
		w.mails += len(addresses)
	}
	if len(addresses) > 0 {
		list = attendees("RequiredAttendees", addresses...)
	}
	xml, content := w.body()
	m.own, m.told = content, content
	_, id := itemOf(w.call(person(m.organizer), createMeeting(mode, xml+tomorrow+list)))
	m.id = id.Attr("Id")
	it, ok := w.s.Item(m.id)
	if !ok {
		w.t.Fatal("what was created is not there")
	}
	m.uid = it.UID
	w.meetings = append(w.meetings, m)
}

func (w *week) rewrite() {
	m := w.pick(live)
	if m == nil {
		return
	}
	mode := rapid.SampledFrom([]string{"SendToNone", "SendOnlyToAll", "SendToAllAndSaveCopy"}).Draw(w.t, "mode")
	xml, content := w.body()
	it, _ := w.s.Item(m.id)
	w.call(person(m.organizer), updateOf(`<t:ItemId Id="`+m.id+`" ChangeKey="`+it.ChangeKey+`"/>`, "NeverOverwrite", mode, setField("item:Body", xml)))
	m.own = content
	if mode != "SendToNone" && len(m.invited) > 0 {
		m.told, m.sent = content, true
		w.mails += len(m.invited)
		for i, answer := range m.invited {
			if answer == ResponseDecline {
				m.invited[i] = "" // the meeting is in their calendar again, unanswered there
			}
		}
	}
}

func (w *week) answer() {
	m := w.pick(func(m *meetingModel) bool { return live(m) && m.sent })
	if m == nil {
		return
	}
	i := rapid.SampledFrom(sortedKeys(m.invited)).Draw(w.t, "attendee")
	c := w.copyOf(i, m)
	if c == nil {
		return
	}
	object := rapid.SampledFrom([]string{"AcceptItem", "TentativelyAcceptItem", "DeclineItem"}).Draw(w.t, "answer")
	w.call(person(i), `<m:CreateItem MessageDisposition="SendAndSaveCopy"><m:Items><t:`+object+`><t:ReferenceItemId Id="`+c.ID+`"/></t:`+object+`></m:Items></m:CreateItem>`)
	m.invited[i] = answers[object].response
	w.mails++
}

func (w *week) cancel() {
	m := w.pick(live)
	if m == nil {
		return
	}
	w.call(person(m.organizer), `<m:DeleteItem DeleteType="MoveToDeletedItems" SendMeetingCancellations="SendOnlyToAll"><m:ItemIds><t:ItemId Id="`+m.id+`"/></m:ItemIds></m:DeleteItem>`)
	m.cancelled = true
	if m.sent {
		w.mails += len(m.invited)
	}
}

func (w *week) copyOf(i int, m *meetingModel) *Item {
	for _, it := range w.s.Calendar(person(i)) {
		if it.UID == m.uid {
			return &it
		}
	}
	return nil
}

func sortedKeys(m map[int]string) []int {
	var out []int
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}

// check compares the server with the model.
func (w *week) check() {
	if n := len(w.s.Mails()); n != w.mails {
		w.t.Fatalf("%d mails, the model has %d", n, w.mails)
	}
	for _, m := range w.meetings {
		org := w.copyOf(m.organizer, m)
		if (org == nil) != m.cancelled || (org != nil && org.Body.Content != m.own) {
			w.t.Fatalf("the organizer's copy of %+v is %+v", m, org)
		}
		for i, answer := range m.invited {
			c := w.copyOf(i, m)
			wants := m.sent && answer != ResponseDecline
			switch {
			case (c != nil) != wants:
				w.t.Fatalf("attendee %d of %+v has %+v", i, m, c)
			case c == nil:
			case c.Body.Content != m.told || c.IsCancelled() != m.cancelled || c.IsOrganizer():
				w.t.Fatalf("attendee %d of %+v has %+v", i, m, c)
			case answer != "" && c.Response != answer:
				w.t.Fatalf("attendee %d answered %s and has %s", i, answer, c.Response)
			}
		}
	}
}

// TestAnyWeek lets people schedule, rewrite, answer and cancel at random, and
// holds what the server then has against a model that knows only the rules.
func TestAnyWeek(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		w := &week{t: t, s: NewServer(Options{Users: weekPeople, Now: func() time.Time { return noon }})}
		for range rapid.IntRange(1, 25).Draw(t, "steps") {
			rapid.SampledFrom([]func(){w.schedule, w.rewrite, w.rewrite, w.answer, w.answer, w.cancel}).Draw(t, "step")()
			w.check()
		}
	})
}
