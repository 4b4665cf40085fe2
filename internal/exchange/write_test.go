package exchange

import (
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/koyomi-cal/koyomi/ews/ewstest"
	"github.com/koyomi-cal/koyomi/internal/calendar"
)

var ours = calendar.Marker{Join: "https://rooms.example.com/1", GOID: "goid", Hash: "hash", Version: "1 mailed"}

// sent puts a meeting that Bob was invited to into both calendars.
func (o *office) sent(subject string) ewstest.Item {
	bob := []ewstest.Attendee{{Person: ewstest.Person{Name: "Bob", Address: bobAddr}, Kind: ewstest.Required}}
	return o.meeting(ewstest.Item{
		Subject: subject, Body: ewstest.Body{Type: "Text", Content: "agenda"}, Attendees: bob,
		State: ewstest.StateMeeting, RequestSent: true, Response: ewstest.ResponseOrganizer,
	})
}

func (o *office) patch(it calendar.Item, n calendar.Notify) calendar.Patch {
	return calendar.Patch{
		ID: it.ID, ChangeKey: it.ChangeKey, Notify: n, Marker: &ours, SIP: "room@rooms.example.com",
		Body: &calendar.Body{Type: it.Body.Type, Content: it.Body.Content + "\nhttps://rooms.example.com/1"},
	}
}

func TestPatch(t *testing.T) {
	eachDialect(t, func(t *testing.T, o *office) {
		made := o.sent("review")
		it := o.get(made.ID)
		for _, c := range []struct {
			notify calendar.Notify
			mails  int
		}{{calendar.NotifyNone, 0}, {calendar.NotifyAll, 1}} {
			before := len(o.srv.Inbox(bobAddr))
			newID, err := o.x.Patch(t.Context(), o.ann, o.patch(it, c.notify))
			if err != nil || newID != "" {
				t.Fatalf("%q %v", newID, err)
			}
			if n := len(o.srv.Inbox(bobAddr)) - before; n != c.mails {
				t.Errorf("%s: %d mails", c.notify, n)
			}
			it = o.get(made.ID)
			if it.Marker != ours || !strings.Contains(it.Body.Content, "https://rooms.example.com/1") || it.Properties[propSIP] != "room@rooms.example.com" {
				t.Errorf("what was written is not there: %+v", it.Marker)
			}
		}
		call := o.srv.CallsTo("UpdateItem", annAddr)[1]
		if call.SendMode != "SendToAllAndSaveCopy" || call.Conflict != "NeverOverwrite" || len(o.srv.Sent(annAddr)) != 1 {
			t.Errorf("sent as %s, %s", call.SendMode, call.Conflict)
		}
		location := "Room 1"
		none := calendar.Marker{}
		if _, err := o.x.Patch(t.Context(), o.ann, calendar.Patch{
			ID: it.ID, ChangeKey: it.ChangeKey, Notify: calendar.NotifyNone, Marker: &none, Location: &location,
		}); err != nil {
			t.Fatal(err)
		}
		if it = o.get(made.ID); it.Marker.Present() || it.Properties[propSIP] != "" || it.Location != "Room 1" {
			t.Errorf("marker is still there: %+v", it.Marker)
		}
	})
}

func TestSentItemsStayClean(t *testing.T) {
	t.Parallel()
	inOffice(t, ewstest.Exchange2019, func(opt *Options) { opt.SendOnlyToAll = true }, func(t *testing.T, o *office) {
		it := o.get(o.sent("review").ID)
		if _, err := o.x.Patch(t.Context(), o.ann, o.patch(it, calendar.NotifyAll)); err != nil {
			t.Fatal(err)
		}
		if len(o.srv.Sent(annAddr)) != 0 || len(o.srv.Inbox(bobAddr)) != 1 {
			t.Error("not mailed, or kept in Sent Items")
		}
	})
}

// TestWritesThatFail: what is said of a write that failed must be right about
// whether it was carried out, or say that it is not known.
func TestWritesThatFail(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		fault ewstest.Fault
		want  calendar.FaultClass
		saved bool
	}{
		{"answer lost", ewstest.Fault{DropAnswer: true}, calendar.Uncertain, true},
		{"answer cut", ewstest.Fault{CutAfterBytes: 300}, calendar.Uncertain, true},
		{"saved, then an error", ewstest.Fault{SavedNotMailed: true, Code: "ErrorInternalServerError", InBody: true}, calendar.Uncertain, true},
		{"internal error", ewstest.Fault{Code: "ErrorInternalServerError"}, calendar.Uncertain, false},
		{"time-out of the server", ewstest.Fault{Code: "ErrorTimeoutExpired", InBody: true}, calendar.Uncertain, false},
		{"time-out of ours", ewstest.Fault{Delay: 2 * time.Hour}, calendar.Uncertain, true},
		{"bad gateway", ewstest.Fault{Status: http.StatusBadGateway}, calendar.Uncertain, false},
		{"unavailable", ewstest.Fault{Status: http.StatusServiceUnavailable}, calendar.Wait, false},
		{"busy", ewstest.Fault{BackOff: time.Minute}, calendar.Wait, false},
		{"busy, in the body", ewstest.Fault{BackOff: time.Minute, InBody: true}, calendar.Wait, false},
		{"conflict", ewstest.Fault{Code: "ErrorIrresolvableConflict", InBody: true}, calendar.Stale, false},
		{"gone", ewstest.Fault{Code: "ErrorItemNotFound", InBody: true}, calendar.Missing, false},
		{"not the organizer", ewstest.Fault{Code: "ErrorCalendarIsNotOrganizer", InBody: true}, calendar.Denied, false},
		{"quota", ewstest.Fault{Code: "ErrorQuotaExceeded", InBody: true}, calendar.Denied, false},
		{"schema", ewstest.Fault{Code: "ErrorSchemaValidation"}, calendar.Denied, false},
		{"no right to the mailbox", ewstest.Fault{Code: "ErrorImpersonateUserDenied"}, calendar.NoMailbox, false},
		{"password", ewstest.Fault{Status: http.StatusUnauthorized, Times: -1}, calendar.NoAccount, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			inOffice(t, ewstest.Exchange2019, nil, func(t *testing.T, o *office) {
				it := o.get(o.sent("review").ID)
				c.fault.Op = "UpdateItem"
				o.srv.Fail(c.fault)
				_, err := o.x.Patch(t.Context(), o.ann, o.patch(it, calendar.NotifyAll))
				if got := class(t, err); got != c.want {
					t.Errorf("class %q, not %q: %v", got, c.want, err)
				}
				o.srv.Heal()
				time.Sleep(time.Hour)
				if saved := o.get(it.ID).Marker == ours; saved != c.saved {
					t.Errorf("saved: %v", saved)
				}
			})
		})
	}
}

func TestConflict(t *testing.T) {
	t.Parallel()
	inOffice(t, ewstest.Exchange2019, nil, func(t *testing.T, o *office) {
		it := o.get(o.sent("review").ID)
		if err := o.srv.Edit(annAddr, it.ID, func(it *ewstest.Item) { it.Body.Content = "edited meanwhile" }); err != nil {
			t.Fatal(err)
		}
		if _, err := o.x.Patch(t.Context(), o.ann, o.patch(it, calendar.NotifyAll)); class(t, err) != calendar.Stale {
			t.Errorf("conflict: %v", err)
		}
		if it := o.get(it.ID); it.Body.Content != "edited meanwhile" || len(o.srv.Inbox(bobAddr)) != 0 {
			t.Errorf("somebody's edit is lost: %q", it.Body.Content)
		}
	})
}

// TestNothingIsSentWhileAskedToWait: a mailbox that is to be left alone is left
// alone, whoever asks; others are served.
func TestNothingIsSentWhileAskedToWait(t *testing.T) {
	t.Parallel()
	inOffice(t, ewstest.Exchange2019, nil, func(t *testing.T, o *office) {
		it := o.get(o.sent("review").ID)
		o.srv.Fail(ewstest.Fault{Op: "GetItem", BackOff: time.Minute})
		_, err := o.x.Get(t.Context(), o.ann, it.ID)
		until := err.(*calendar.Fault).Until
		if class(t, err) != calendar.Wait || time.Until(until) != time.Minute {
			t.Errorf("until %v", time.Until(until))
		}
		o.srv.ForgetCalls()
		for time.Now().Add(time.Second).Before(until) {
			for _, err := range []error{
				second(o.x.Get(t.Context(), o.ann, it.ID)), second(o.x.Patch(t.Context(), o.ann, o.patch(it, calendar.NotifyNone))),
				second(o.x.Changes(t.Context(), o.ann, "")), second(o.x.Bind(t.Context(), o.ann)),
			} {
				if f := err.(*calendar.Fault); f.Class != calendar.Wait || !f.Until.Equal(until) {
					t.Fatalf("not kept back: %v", err)
				}
			}
			if _, err := o.x.Changes(t.Context(), o.bob, ""); err != nil {
				t.Fatalf("another mailbox: %v", err)
			}
			time.Sleep(5 * time.Second)
		}
		for _, c := range o.srv.Calls() {
			if c.Mailbox == annAddr {
				t.Errorf("%s was sent", c.Op)
			}
		}
		time.Sleep(6 * time.Second)
		if _, err := o.x.Get(t.Context(), o.ann, it.ID); err != nil {
			t.Errorf("after the wait: %v", err)
		}
	})
}

func second[T any](_ T, err error) error { return err }

// TestServerThatCannotBeReached is tried by one request at a time, ever more
// seldom.
func TestServerThatCannotBeReached(t *testing.T) {
	t.Parallel()
	inOffice(t, ewstest.Exchange2019, nil, func(t *testing.T, o *office) {
		it := o.get(o.sent("review").ID)
		o.net.setDown(true)
		synctest.Wait()
		before := o.net.dialed()
		for range 3600 {
			_, err := o.x.Patch(t.Context(), o.ann, o.patch(it, calendar.NotifyAll))
			if f := err.(*calendar.Fault); f.Class != calendar.Wait || f.Step != calendar.StepConnect {
				t.Fatalf("down: %v", err)
			}
			time.Sleep(time.Second)
		}
		if n := o.net.dialed() - before; n < 100 || n > 300 {
			t.Errorf("%d tries in an hour", n)
		}
		o.net.setDown(false)
		time.Sleep(31 * time.Second)
		if _, err := o.x.Patch(t.Context(), o.ann, o.patch(it, calendar.NotifyAll)); err != nil {
			t.Errorf("does not heal: %v", err)
		}
	})
}
