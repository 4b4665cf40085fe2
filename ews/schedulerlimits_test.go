package ews

import (
	"testing"
	"time"
)

// TestSchedulerIdle: answers that come fast while there is room say nothing of
// how much the server bears.
func TestSchedulerIdle(t *testing.T) {
	inTime(t, func(t *testing.T) {
		d := desk{NewScheduler(SchedulerOptions{Start: 4, Most: 16})}
		for range 30 {
			k := d.ask(get("m", Live))
			time.Sleep(50 * time.Millisecond)
			k.done(nil, "")
		}
		if got := d.s.Stats().Servers[0]; got.Limit != 4 || got.InFlight != 0 {
			t.Errorf("after requests one by one: %+v", got)
		}
	})
}

// TestSchedulerStreams: a stream hangs for half an hour and takes no place.
func TestSchedulerStreams(t *testing.T) {
	inTime(t, func(t *testing.T) {
		d := desk{NewScheduler(SchedulerOptions{Start: 1, Most: 1})}
		hangs := get("anchor", Live)
		hangs.op, hangs.stream = "GetStreamingEvents", true
		streams := []*ticket{d.ask(hangs), d.ask(hangs), d.ask(hangs)}
		for _, k := range streams {
			if !k.granted {
				t.Fatal("a stream waits for a place")
			}
		}
		k := d.ask(get("m", Live))
		if !k.granted {
			t.Fatal("streams take places")
		}
		streams[0].done(nil, "")
		if d.ask(get("n", Live)).granted {
			t.Error("a stream gives a place back that it did not have")
		}
		k.done(nil, "")
	})
}

// TestSchedulerBackOffIsOfOneBudget: other budgets may go on, also what of them
// waits already.
func TestSchedulerBackOffIsOfOneBudget(t *testing.T) {
	inTime(t, func(t *testing.T) {
		d := desk{NewScheduler(SchedulerOptions{Start: 1, Most: 1})}
		one, two := new(Account), new(Account)
		of := func(a *Account, mailbox string) job {
			j := get(mailbox, Live)
			j.key.account = a
			return j
		}
		busy := d.ask(of(one, "m"))
		same, other, else1 := d.ask(of(one, "m")), d.ask(of(two, "m")), d.ask(of(one, "n"))
		busy.done(&Error{Code: "ErrorServerBusy", BackOff: time.Minute}, "")
		if same.refusal == nil || same.refusal.BackOff != time.Minute {
			t.Errorf("what waited for the same budget: %v", same.refusal)
		}
		if other.refusal != nil || else1.refusal != nil || !other.granted {
			t.Errorf("what waited for other budgets: %v, %v, granted %v", other.refusal, else1.refusal, other.granted)
		}
		other.done(nil, "")
		if !else1.granted {
			t.Error("the other mailbox does not go on")
		}
		else1.done(nil, "")
		time.Sleep(30 * time.Second)
		if k := d.ask(of(one, "m")); k.refusal == nil || k.refusal.BackOff != 30*time.Second {
			t.Errorf("half a minute later: %v", k.refusal)
		}
		time.Sleep(30 * time.Second)
		k := d.ask(of(one, "m"))
		if !k.granted {
			t.Errorf("when the time is over: %v", k.refusal)
		}
		k.done(nil, "")
	})
}

// TestSchedulerLongestBackOff: of several times that a mailbox or a server has
// asked for the latest counts, in whatever order they came.
func TestSchedulerLongestBackOff(t *testing.T) {
	inTime(t, func(t *testing.T) {
		for name, code := range map[string]string{"mailbox": "ErrorServerBusy", "server": CodeUnavailable} {
			d := desk{NewScheduler(SchedulerOptions{Start: 2, Most: 2})}
			a, b := d.ask(get("m", Live)), d.ask(get("m", Live))
			a.done(&Error{Code: code, BackOff: time.Minute}, "")
			b.done(&Error{Code: code, BackOff: time.Second}, "")
			if k := d.ask(get("m", Live)); k.refusal == nil || k.refusal.BackOff != time.Minute {
				t.Errorf("%s: %v", name, k.refusal)
			}
		}
	})
}

// TestSchedulerProbeRefused: a probe whose password is refused, or that its
// caller ends, does not say that the endpoint can be reached; one whose request
// was answered at all does.
func TestSchedulerProbeRefused(t *testing.T) {
	inTime(t, func(t *testing.T) {
		for code, back := range map[string]bool{CodeAuthFailed: false, CodeCanceled: false, "ErrorItemNotFound": true, CodeUnavailable: true} {
			d := desk{NewScheduler(SchedulerOptions{Start: 4, Most: 4})}
			d.ask(get("a", Live)).done(&Error{Code: CodeRefused, Message: "down"}, "")
			time.Sleep(time.Second)
			probe := d.ask(get("a", Live))
			if !probe.granted {
				t.Fatalf("%s: nothing tries: %v", code, probe.refusal)
			}
			probe.done(&Error{Code: code}, "")
			next, after := d.ask(get("b", Live)), d.ask(get("c", Live))
			if got := next.granted && after.granted; got != back {
				t.Errorf("%s: granted %v and %v", code, next.granted, after.granted)
			}
		}
	})
}

// TestSchedulerAddressCase: two spellings of an address are one budget.
func TestSchedulerAddressCase(t *testing.T) {
	t.Parallel()
	g := newRig(t, nil, alive)
	a, b := g.As("User@Example.com").job(ctxOf(t), "GetItem", 1), g.As("user@EXAMPLE.com").job(ctxOf(t), "GetItem", 1)
	if a.key != b.key {
		t.Errorf("%v and %v", a.key.mailbox, b.key.mailbox)
	}
}

// TestWorstFailure: of the messages of one answer the one that asks for the
// longest pause counts, and of those that ask for none the one that says that
// the server has too much to do.
func TestWorstFailure(t *testing.T) {
	t.Parallel()
	none, busy := &Error{Code: "ErrorItemNotFound"}, &Error{Code: "ErrorTimeoutExpired"}
	short, long := &Error{Code: "ErrorServerBusy", BackOff: time.Second}, &Error{Code: "ErrorServerBusy", BackOff: time.Minute}
	for _, order := range [][]*Error{{none, short, long, busy}, {long, short, none}, {busy, long, none}, {short, long}} {
		k := &ticket{}
		for _, e := range order {
			k.note(e)
		}
		if k.failure != long {
			t.Errorf("%v of %d failures counts", k.failure, len(order))
		}
	}
	k := &ticket{}
	k.note(none)
	k.note(busy)
	k.note(none)
	if k.failure != busy {
		t.Errorf("%v counts, not that the server has too much to do", k.failure)
	}
}

// TestRoutedCallTeachesNothing: what a call that was sent to a back end by its
// cookie is answered by says nothing of where the mailbox lives.
func TestRoutedCallTeachesNothing(t *testing.T) {
	inTime(t, func(t *testing.T) {
		d := desk{NewScheduler(SchedulerOptions{Start: 2, Most: 2})}
		d.ask(get("m", Live)).done(nil, "home")
		routed := get("m", Live)
		routed.server = "group"
		d.ask(routed).done(nil, "group")
		k := d.ask(get("m", Live))
		if k.lane.name != "home" {
			t.Errorf("the mailbox is thought to live on %q", k.lane.name)
		}
		k.done(nil, "")
	})
}
