package systemtest

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/koyomi-cal/koyomi/ews"
	"github.com/koyomi-cal/koyomi/ews/ewstest"
	"github.com/koyomi-cal/koyomi/internal/connector"
)

// TestServersAway: the cloud is down for an hour, then the key server, then
// Exchange. Calendars go on being written, and every list is right when the
// server is back, without a restart.
func TestServersAway(t *testing.T) {
	memStory(t, func(t *testing.T, r *memRig, n *memNode) {
		for _, who := range memPeople {
			r.opened(who) // devices enrol while everything is up
		}
		before := r.book(memAnn, memPlan{subject: "Before", location: "@meet", invited: []string{memBob}})
		memQuiet(time.Minute)
		for _, server := range []string{memCloud, memKMS} {
			r.net.pull(server)
			tried := r.net.tried(server)
			m := r.book(memBob, memPlan{subject: "While " + server + " is away", location: "@meet", in: 3 * time.Hour, invited: []string{memCho}})
			before.rename("Before, again " + server)
			memQuiet(time.Hour)
			m.decorated(server+" away", true)
			if more := r.net.tried(server) - tried; more > 600 {
				t.Errorf("%s was called %d times in the hour in which it was down", server, more)
			}
			alarms := n.Connector().Status().Alarms
			if server == memCloud && (len(alarms) != 1 || alarms[0].ID != "cloud") {
				t.Errorf("%s is down and the alarms are %v", server, alarms)
			}
			r.net.plug(server)
			memQuiet(10 * time.Minute)
			r.judge(server + " is back")
			if alarms := n.Connector().Status().Alarms; len(alarms) != 0 {
				t.Errorf("%s is back and the alarms are %v", server, alarms)
			}
		}

		r.net.pull(memExchange)
		tried := r.net.tried(memExchange)
		memQuiet(time.Hour)
		if more := r.net.tried(memExchange) - tried; more > 400 {
			t.Errorf("Exchange was called %d times in the hour in which it was down", more)
		}
		if alarms := n.Connector().Status().Alarms; len(alarms) != 1 || alarms[0].ID != "exchange" {
			t.Errorf("Exchange is down and the alarms are %v", alarms)
		}
		memSentence(t, n.Connector().Status().Alarms[0].Why)
		r.net.plug(memExchange)
		m := r.book(memCho, memPlan{subject: "Exchange is back", location: "@meet", in: 3 * time.Hour, invited: []string{memDee}})
		memQuiet(10 * time.Minute)
		m.decorated("Exchange is back", true)
		r.judge("Exchange is back")
		if alarms := n.Connector().Status().Alarms; len(alarms) != 0 {
			t.Errorf("Exchange is back and the alarms are %v", alarms)
		}
	})
}

// TestAsLongAsTheServerSays: while Exchange asks that one mailbox be left
// alone, not one request is sent for it, and the others are served.
func TestAsLongAsTheServerSays(t *testing.T) {
	memStory(t, func(t *testing.T, r *memRig, n *memNode) {
		const pause = 7 * time.Minute
		r.x.Fail(ewstest.Fault{Mailbox: memBob, BackOff: pause, Match: memOurs})
		struck := time.Now()
		bobs := r.book(memBob, memPlan{subject: "Bob's", location: "@meet", in: 2 * time.Hour, invited: []string{memCho}})
		memQuiet(time.Minute)
		anns := r.book(memAnn, memPlan{subject: "Ann's", location: "@meet", in: 2 * time.Hour, invited: []string{memDee}})
		memQuiet(time.Minute)
		anns.decorated("while Bob's mailbox is busy", true)
		memQuiet(pause - 3*time.Minute)
		var asked time.Time
		for _, c := range r.x.Calls() {
			switch {
			case !memOurs(c) || c.Mailbox != memBob || c.At.Before(struck):
			case c.Code == "ErrorServerBusy":
				asked = c.At
			case !asked.IsZero() && c.At.Before(asked.Add(pause)):
				t.Errorf("%s for the mailbox after %v", c.Op, c.At.Sub(asked))
			}
		}
		if asked.IsZero() {
			t.Error("the server was never asked, so nothing was shown")
		}
		memQuiet(10 * time.Minute)
		bobs.decorated("later", true)
		r.judge("later")
	})
}

// TestBusyWrite: a write that the server puts off is made later, once.
func TestBusyWrite(t *testing.T) {
	memStory(t, func(t *testing.T, r *memRig, _ *memNode) {
		r.x.Fail(ewstest.Fault{Op: "UpdateItem", Mailbox: memAnn, BackOff: 2 * time.Minute, Match: memOurs})
		m := r.book(memAnn, memPlan{subject: "Put off", location: "@meet", invited: []string{memBob}})
		memQuiet(time.Minute)
		if memBlocks(m.own().Body) != 0 {
			t.Error("written although the server was busy")
		}
		memQuiet(5 * time.Minute)
		m.decorated("later", true)
		if got := r.mailed(m.uid, memBob); got != 1 {
			t.Errorf("mailed %d times", got)
		}
		r.judge("later")
	})
}

// memOurs reports whether a call is the connector's.
func memOurs(c ewstest.Call) bool { return c.Login == memService }

// TestBrokenStreams: streams are cut in mid-document, events are missed, and
// nothing is lost.
func TestBrokenStreams(t *testing.T) {
	memStory(t, func(t *testing.T, r *memRig, _ *memNode) {
		for i := range 12 {
			switch i % 4 {
			case 0:
				r.net.cut(memExchange)
			case 1:
				r.x.Fail(ewstest.Fault{Op: "GetStreamingEvents", CutAfterBytes: 700 + 400*i})
				r.net.cut(memExchange)
			case 2:
				r.x.Fail(ewstest.Fault{Op: "GetStreamingEvents", Code: "ErrorMissedNotificationEvents"})
				r.net.cut(memExchange)
			case 3:
				r.x.Fail(ewstest.Fault{Op: "GetStreamingEvents", Code: "ErrorSubscriptionNotFound"})
				r.net.cut(memExchange)
			}
			by := memPeople[i%4]
			m := r.book(by, memPlan{subject: "Meeting " + string(rune('a'+i)), location: "@meet", in: time.Duration(2+i) * time.Hour, invited: []string{memPeople[(i+1)%4], memGuest}})
			if i%3 == 0 {
				m.respond(memPeople[(i+1)%4], ews.AcceptItem)
			}
			memQuiet(3 * time.Minute)
			m.decorated("after the cut", true)
			r.judge("after the cut")
		}
	})
}

// TestRestartsAndLostCache: the connector is stopped while people go on, and
// cache.db goes while it runs.
func TestRestartsAndLostCache(t *testing.T) {
	memStory(t, func(t *testing.T, r *memRig, n *memNode) {
		a := r.book(memAnn, memPlan{subject: "One", location: "@meet", in: 5 * time.Hour, invited: []string{memBob}})
		memQuiet(time.Second)
		n.end()
		b := r.book(memBob, memPlan{subject: "Two", location: "@meet", in: 6 * time.Hour, invited: []string{memAnn}})
		gone := r.book(memCho, memPlan{subject: "Gone", location: "@meet", in: 6 * time.Hour})
		memOK(t, r.x.Remove(memCho, gone.own().ID))
		memQuiet(time.Hour)
		n = r.start("one")
		memQuiet(time.Minute)
		a.decorated("restarted", true)
		b.decorated("restarted", true)
		r.judge("restarted")

		n.loseCache()
		c := r.book(memCho, memPlan{subject: "Three", location: "@webex", in: 4 * time.Hour, invited: []string{memDee}})
		a.rename("One, renamed")
		memQuiet(10 * time.Minute)
		c.decorated("cache lost", true)
		r.judge("cache lost")
		n.loseCache()
		memOK(t, r.x.Remove(memCho, c.own().ID))
		memQuiet(5 * time.Minute)
		n.end()
		n = r.start("one")
		memQuiet(5 * time.Minute)
		r.judge("cache lost, removed, restarted")
		if got := len(r.x.CallsTo("UpdateItem", "")); got == 0 {
			t.Fatal("nothing was ever written")
		}
		_ = n
	})
}

// TestLostAnswers: the answer to the write is lost, or the item is saved and
// nobody is mailed. Nothing is mailed twice, and the organizer is told.
func TestLostAnswers(t *testing.T) {
	for name, c := range map[string]struct {
		fault  ewstest.Fault
		mailed int
		notice string
	}{
		"answer lost":          {ewstest.Fault{DropAnswer: true}, 1, ""},
		"answer cut":           {ewstest.Fault{CutAfterBytes: 300}, 1, ""},
		"saved but not mailed": {ewstest.Fault{SavedNotMailed: true, Code: "ErrorInternalServerError"}, 0, "sending-not-confirmed"},
		"status 500, not done": {ewstest.Fault{Status: 500, Page: "<html>oops</html>"}, 1, ""},
	} {
		t.Run(name, func(t *testing.T) {
			memStory(t, func(t *testing.T, r *memRig, _ *memNode) {
				f := c.fault
				f.Op, f.Match = "UpdateItem", memOurs
				r.x.Fail(f)
				m := r.book(memAnn, memPlan{subject: "Important", location: "@meet", in: 3 * time.Hour, invited: []string{memBob, memGuest}})
				memQuiet(20 * time.Minute)
				m.decorated(name, c.mailed == 1)
				for _, to := range []string{memBob, memGuest} {
					if got := r.mailed(m.uid, to); got != c.mailed {
						t.Errorf("%s got %d updates, not %d", to, got, c.mailed)
					}
				}
				for _, e := range r.opened(memAnn) {
					if e.Head.Notice != c.notice {
						t.Errorf("the organizer is told %q, not %q", e.Head.Notice, c.notice)
					}
				}
				r.judge(name)
			})
		})
	}
}

// TestTwoConnectors: two nodes that know nothing of each other serve the same
// mailboxes: still one block, and one mail.
func TestTwoConnectors(t *testing.T) {
	memStory(t, func(t *testing.T, r *memRig, _ *memNode) {
		r.start("two") // with databases and a secret of its own: its links are others
		var all []*memMeeting
		for i := range 8 {
			by := memPeople[i%4]
			all = append(all, r.book(by, memPlan{subject: "Shared " + string(rune('a'+i)), location: []string{"@meet", "@webex"}[i%2],
				in: time.Duration(2+i) * time.Hour, invited: []string{memPeople[(i+1)%4], memGuest}, draft: i == 5}))
			memQuiet(time.Duration(i%3) * time.Second)
		}
		memQuiet(10 * time.Minute)
		for i, m := range all {
			m.decorated("two nodes", !(i == 5))
			for _, to := range m.invited {
				want := 1
				if i == 5 {
					want = 0
				}
				if got := r.mailed(m.uid, to); got != want {
					t.Errorf("%s got %d updates about %q, not %d", to, got, m.own().Subject, want)
				}
			}
		}
		all[0].locate("@webex")
		all[1].locate("Nowhere")
		memQuiet(10 * time.Minute)
		all[0].decorated("keyword changed", true)
		if memBlocks(all[1].own().Body) != 0 {
			t.Error("the block stays without its keyword")
		}
		r.judge("two nodes")
	})
}

// memSentence fails unless a text for people says something and names nobody.
func memSentence(t *testing.T, s string) {
	t.Helper()
	if len(strings.Fields(s)) < 4 || strings.Contains(s, "%!") {
		t.Errorf("%q is no sentence", s)
	}
	if strings.Contains(s, "@") || strings.Contains(s, memPassword) && !strings.Contains(s, "the account's name or password") {
		t.Errorf("%q names somebody or a secret", s)
	}
}

// want fails unless a mailbox is in a state.
func (n *memNode) want(address, state string) connector.MailboxStatus {
	n.r.t.Helper()
	synctest.Wait()
	s := n.status(address)
	if s.State != state {
		n.r.t.Errorf("a mailbox is %s, not %s: %s", s.State, state, s.Cause)
	}
	return s
}

// TestLostEventAndAServerAway: an event is lost with its document, and the server
// is away before the stream is opened again. What was missed is asked for.
func TestLostEventAndAServerAway(t *testing.T) {
	memStory(t, func(t *testing.T, r *memRig, _ *memNode) {
		m := r.book(memAnn, memPlan{subject: "Known", in: 5 * time.Hour})
		memQuiet(time.Minute)
		for cut := 600; cut < 2400; cut += 300 {
			r.x.Fail(ewstest.Fault{Op: "GetStreamingEvents", CutAfterBytes: cut})
			r.net.cut(memExchange)
			memQuiet(10 * time.Second)
			m.rename(m.own().Subject + "!")
			synctest.Wait()
			r.net.pull(memExchange)
			memQuiet(time.Minute)
			r.net.plug(memExchange)
			memQuiet(5 * time.Minute)
			r.x.Heal()
			r.judge("the server is back")
		}
	})
}
