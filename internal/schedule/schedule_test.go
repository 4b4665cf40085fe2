package schedule

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/koyomi-cal/koyomi/ews"
	"github.com/koyomi-cal/koyomi/ews/ewstest"
	"github.com/koyomi-cal/koyomi/internal/calendar"
	"github.com/koyomi-cal/koyomi/internal/exchange"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const annAddr, bobAddr, eveAddr = "ann@example.com", "bob@example.com", "eve@example.com"

// office is a simulated Exchange and a desk in front of it.
type office struct {
	t    *testing.T
	srv  *ewstest.Server
	x    *exchange.Exchange
	desk *Desk
	ann  calendar.Mailbox
	bob  calendar.Mailbox
}

func newOffice(t *testing.T) *office {
	t.Helper()
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	o := &office{t: t, srv: ewstest.NewServer(ewstest.Options{})}
	for _, a := range []string{annAddr, bobAddr, eveAddr} {
		o.srv.AddMailbox(a, strings.TrimSuffix(a, "@example.com"))
	}
	var served sync.WaitGroup
	served.Go(func() { _ = o.srv.Serve(l) })
	o.x, err = exchange.New(exchange.Options{URL: "http://" + l.Addr().String() + "/EWS/Exchange.asmx", Username: "svc@example.com", Password: ews.NewSecret("password")})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	served.Go(func() { _ = o.x.Run(ctx) })
	t.Cleanup(func() { stop(); o.srv.Close(); l.Close(); served.Wait() })
	o.desk = New(Options{Calendars: o.x, People: o.x, Reader: o.x, Secret: []byte("0123456789abcdef"), Rest: time.Millisecond})
	o.ann, o.bob = calendar.Mailbox{ID: "mb-ann", Address: annAddr}, calendar.Mailbox{ID: "mb-bob", Address: bobAddr}
	return o
}

func (o *office) create(command string) Create {
	start := time.Now().Add(24 * time.Hour).Truncate(time.Hour)
	return Create{Command: command, Draft: calendar.Draft{
		Subject: "Budget", Location: "@meet", Start: start, End: start.Add(time.Hour), TimeZone: "Asia/Tokyo",
		Attendees: []calendar.Attendee{{Person: calendar.Person{Address: bobAddr}}},
	}}
}

// mails counts what the server sent.
func (o *office) mails() int { return len(o.srv.Mails()) }

// code returns the code of an error, and makes sure that it may be shown.
func code(t *testing.T, err error) Code {
	t.Helper()
	e, is := errors.AsType[*Error](err)
	switch {
	case err == nil:
		return ""
	case !is:
		t.Fatalf("not one of ours: %v", err)
	case e.Sentence == "" || strings.Contains(e.Error(), "@") || strings.Contains(e.Error(), "Budget"):
		t.Errorf("of no use to people, or too much: %q", e.Error())
	}
	return e.Code
}

func TestCreate(t *testing.T) {
	o := newOffice(t)
	c := o.create("c1")
	made, err := o.desk.Create(t.Context(), o.ann, c)
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		again, err := o.desk.Create(t.Context(), o.ann, c)
		if err != nil || again.ID != made.ID {
			t.Errorf("given again: %v", err)
		}
	}
	if n := len(o.srv.Calendar(annAddr)); n != 1 || o.mails() != 1 {
		t.Errorf("%d meetings and %d mails of one command", n, o.mails())
	}
	other, err := o.desk.Create(t.Context(), o.ann, Create{Command: "c2", Draft: c.Draft, Known: []string{strings.ToUpper(bobAddr)}})
	if err != nil || other.ID == made.ID {
		t.Errorf("another command: %v", err)
	}
	if o.desk.UID(o.ann, "c1") == o.desk.UID(o.bob, "c1") {
		t.Error("the commands of two people have one UID")
	}
	for name, change := range map[string]func(*Create){
		"no command": func(c *Create) { c.Command = "" }, "long command": func(c *Create) { c.Command = strings.Repeat("x", 201) },
		"ends before": func(c *Create) { c.Draft.End = c.Draft.Start }, "no zone": func(c *Create) { c.Draft.TimeZone = "" },
		"no address": func(c *Create) { c.Draft.Attendees = append(c.Draft.Attendees, calendar.Attendee{}) },
		"no days":    func(c *Create) { c.Draft.Repeat = &calendar.Repeat{Every: calendar.Weekly} },
	} {
		c := o.create("bad")
		change(&c)
		if _, err := o.desk.Create(t.Context(), o.ann, c); code(t, err) != Invalid {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// The same command at once from two places is one meeting.
func TestCreateAtOnce(t *testing.T) {
	o := newOffice(t)
	c := o.create("c1")
	var g sync.WaitGroup
	for range 8 {
		g.Go(func() {
			if _, err := o.desk.Create(t.Context(), o.ann, c); err != nil {
				t.Error(err)
			}
		})
	}
	g.Wait()
	if n := len(o.srv.Calendar(annAddr)); n != 1 || o.mails() != 1 {
		t.Errorf("%d meetings and %d mails", n, o.mails())
	}
}

func TestConflict(t *testing.T) {
	o := newOffice(t)
	c := o.create("c1")
	if _, err := o.srv.Add(bobAddr, ewstest.Item{Subject: "dentist", Start: c.Draft.Start.Add(30 * time.Minute), End: c.Draft.End, Busy: "OOF"}); err != nil {
		t.Fatal(err)
	}
	_, err := o.desk.Create(t.Context(), o.ann, c)
	e, _ := errors.AsType[*Error](err)
	if code(t, err) != Conflict || !slices.Equal(e.People, []string{bobAddr}) {
		t.Fatalf("%v", err)
	}
	if len(o.srv.Calendar(annAddr)) != 0 || o.mails() != 0 {
		t.Error("a meeting was made over another one")
	}
	c.Known = e.People
	if _, err := o.desk.Create(t.Context(), o.ann, c); err != nil {
		t.Errorf("all the same: %v", err)
	}
	c = o.create("c2")
	c.Draft.Attendees[0].Role = calendar.Optional
	if _, err := o.desk.Create(t.Context(), o.ann, c); err != nil {
		t.Errorf("who need not come is in the way: %v", err)
	}
}

// A lost answer is looked into; what is not there is not made again by itself.
func TestCreateUnclear(t *testing.T) {
	o := newOffice(t)
	o.srv.Fail(ewstest.Fault{Op: "CreateItem", DropAnswer: true})
	if _, err := o.desk.Create(t.Context(), o.ann, o.create("made")); err != nil {
		t.Errorf("made, and its answer lost: %v", err)
	}
	o.srv.Fail(ewstest.Fault{Op: "CreateItem", Code: "ErrorInternalServerError"})
	c := o.create("lost")
	c.Known = []string{bobAddr}
	if _, err := o.desk.Create(t.Context(), o.ann, c); code(t, err) != NotConfirmed {
		t.Errorf("not made: %v", err)
	}
	if n := o.srv.Count("CreateItem"); n != 2 {
		t.Errorf("%d attempts, want 2", n)
	}
	if _, err := o.desk.Create(t.Context(), o.ann, c); err != nil {
		t.Errorf("the person's own second attempt: %v", err)
	}
	o.srv.Fail(ewstest.Fault{Op: "CreateItem", BackOff: time.Minute})
	c = o.create("busy")
	c.Known = []string{bobAddr}
	_, err := o.desk.Create(t.Context(), o.ann, c)
	if e, _ := errors.AsType[*Error](err); code(t, err) != Later || time.Until(e.Until) < 50*time.Second {
		t.Errorf("a busy server: %v", err)
	}
	if n := len(o.srv.Calendar(annAddr)); n != 2 || o.mails() != 2 {
		t.Errorf("%d meetings, %d mails", n, o.mails())
	}
}

func TestChange(t *testing.T) {
	o := newOffice(t)
	c := o.create("c1")
	made, err := o.desk.Create(t.Context(), o.ann, c)
	if err != nil {
		t.Fatal(err)
	}
	subject, later := "Budget 2", c.Draft.Start.Add(30*time.Minute)
	change := Change{Command: "c2", Amendment: calendar.Amendment{ID: made.ID, Subject: &subject, Start: later, End: later.Add(time.Hour), TimeZone: "Asia/Tokyo"}}
	for range 3 { // Bob's copy of this very meeting is not in its way
		if _, err := o.desk.Change(t.Context(), o.ann, change); err != nil {
			t.Fatal(err)
		}
	}
	if o.mails() != 2 {
		t.Errorf("%d mails, want the invitation and one change", o.mails())
	}
	evening := c.Draft.Start.Add(8 * time.Hour)
	if _, err := o.srv.Add(eveAddr, ewstest.Item{Subject: "x", Start: evening, End: evening.Add(time.Hour)}); err != nil {
		t.Fatal(err)
	}
	both := []calendar.Attendee{{Person: calendar.Person{Address: bobAddr}}, {Person: calendar.Person{Address: eveAddr}}}
	move := Change{Command: "c3", Amendment: calendar.Amendment{ID: made.ID, Start: evening, End: evening.Add(time.Hour), TimeZone: "Asia/Tokyo", Attendees: both}}
	if _, err := o.desk.Change(t.Context(), o.ann, move); code(t, err) != Conflict {
		t.Errorf("moved to where Eve is busy: %v", err)
	}
	move.Known = []string{eveAddr}
	o.srv.Fail(ewstest.Fault{Op: "UpdateItem", DropAnswer: true})
	for range 2 {
		if _, err := o.desk.Change(t.Context(), o.ann, move); err != nil {
			t.Errorf("its answer lost: %v", err)
		}
	}
	if n := o.srv.Count("UpdateItem"); n != 2 {
		t.Errorf("%d writes, want 2", n)
	}
	o.srv.Fail(ewstest.Fault{Op: "UpdateItem", Code: "ErrorInternalServerError"})
	where := "Room 1"
	if _, err := o.desk.Change(t.Context(), o.ann, Change{Command: "c4", Amendment: calendar.Amendment{ID: made.ID, Location: &where}}); code(t, err) != NotConfirmed {
		t.Errorf("not changed: %v", err)
	}
	for name, bad := range map[Code]Change{
		Gone:    {Command: "c5", Amendment: calendar.Amendment{ID: "AAMkAGE=", Location: &where}},
		Invalid: {Command: "c6", Amendment: calendar.Amendment{ID: made.ID, Start: evening}},
	} {
		if _, err := o.desk.Change(t.Context(), o.ann, bad); code(t, err) != name && code(t, err) != Refused {
			t.Errorf("%s: %v", name, err)
		}
	}
	bobs, found, err := o.x.FindUID(t.Context(), o.bob, o.desk.UID(o.ann, "c1"), calendar.Window{From: c.Draft.Start, To: evening.Add(time.Hour)})
	if err != nil || !found {
		t.Fatal(found, err)
	}
	if _, err := o.desk.Change(t.Context(), o.bob, Change{Command: "c7", Amendment: calendar.Amendment{ID: bobs.ID, Location: &where}}); code(t, err) != NotYours {
		t.Errorf("another's meeting: %v", err)
	}
	if err := o.desk.Cancel(t.Context(), o.bob, "c8", bobs.ID, ""); code(t, err) != NotYours {
		t.Errorf("another's meeting: %v", err)
	}
}

func TestAnswerAndCancel(t *testing.T) {
	o := newOffice(t)
	c := o.create("c1")
	made, err := o.desk.Create(t.Context(), o.ann, c)
	if err != nil {
		t.Fatal(err)
	}
	bobs, found, err := o.x.FindUID(t.Context(), o.bob, o.desk.UID(o.ann, "c1"), calendar.Window{From: c.Draft.Start, To: c.Draft.End})
	if err != nil || !found {
		t.Fatal(found, err)
	}
	o.srv.Fail(ewstest.Fault{Op: "CreateItem", DropAnswer: true})
	for i := range 3 {
		if err := o.desk.Answer(t.Context(), o.bob, fmt.Sprint("a", i), bobs.ID, calendar.Accepted, "gladly"); err != nil {
			t.Fatal(err)
		}
	}
	if o.mails() != 2 {
		t.Errorf("%d mails, want the invitation and one answer", o.mails())
	}
	if err := o.desk.Answer(t.Context(), o.ann, "a4", made.ID, calendar.Accepted, ""); code(t, err) != NotYours {
		t.Errorf("one's own meeting: %v", err)
	}
	if err := o.desk.Answer(t.Context(), o.bob, "a5", bobs.ID, calendar.NoResponse, ""); code(t, err) != Invalid {
		t.Errorf("no answer: %v", err)
	}
	o.srv.Fail(ewstest.Fault{Op: "CreateItem", DropAnswer: true})
	if err := o.desk.Cancel(t.Context(), o.ann, "k1", made.ID, "next week"); err != nil {
		t.Errorf("cancelled, and its answer lost: %v", err)
	}
	if err := o.desk.Cancel(t.Context(), o.ann, "k1", made.ID, "next week"); err != nil && code(t, err) != Gone {
		t.Errorf("given again: %v", err)
	}
	if o.mails() != 3 {
		t.Errorf("%d mails, want one that cancels", o.mails()-2)
	}
	if err := o.desk.Answer(t.Context(), o.bob, "a6", bobs.ID, calendar.Declined, ""); code(t, err) != Gone {
		t.Errorf("what was cancelled is answered: %v", err)
	}
}

func TestLook(t *testing.T) {
	o := newOffice(t)
	day := time.Now().Add(24 * time.Hour).Truncate(24 * time.Hour)
	if _, err := o.srv.Add(bobAddr, ewstest.Item{Subject: "x", Start: day.Add(9 * time.Hour), End: day.Add(11 * time.Hour)}); err != nil {
		t.Fatal(err)
	}
	w := calendar.Window{From: day.Add(9 * time.Hour), To: day.Add(13 * time.Hour)}
	g, err := o.desk.Look(t.Context(), o.ann, Look{Window: w, Required: []string{annAddr, bobAddr}, Optional: []string{"nobody@example.com"}, Duration: time.Hour, Most: 2})
	if err != nil {
		t.Fatal(err)
	}
	if len(g.People) != 3 || len(g.People[1].Busy) != 1 || g.People[2].Fault != calendar.Missing {
		t.Errorf("%+v", g.People)
	}
	if len(g.Suggestions) != 2 || len(g.Suggestions[0].Missing) != 0 || g.Suggestions[0].From.Before(day.Add(11*time.Hour)) {
		t.Errorf("%+v", g.Suggestions)
	}
	if _, err := o.desk.Look(t.Context(), o.ann, Look{Window: w}); code(t, err) != Invalid {
		t.Errorf("nobody: %v", err)
	}
	if _, err := o.desk.Look(t.Context(), o.ann, Look{Window: calendar.Window{From: day, To: day.AddDate(0, 3, 0)}, Required: []string{bobAddr}}); code(t, err) != Refused {
		t.Errorf("three months: %v", err)
	}
	if s := fmt.Sprint(slices.Collect(func(yield func(any) bool) { yield((&Error{Code: Conflict, People: []string{bobAddr}}).LogValue()) })); strings.Contains(s, "@") {
		t.Errorf("people in a log: %s", s)
	}
}
