package ewstest

import (
	"net/http"
	"strconv"
	"testing"
	"testing/synctest"
	"time"
)

// backOff returns the pause that an answer asks for.
func backOff(a answer) time.Duration {
	for v := range a.body.Child("detail").Child("MessageXml").All("Value") {
		if v.Attr("Name") == "BackOffMilliseconds" {
			ms, _ := strconv.Atoi(v.Text)
			return time.Duration(ms) * time.Millisecond
		}
	}
	return 0
}

func TestBudgetIsCutOffAndRecharges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := clockRig(t, Options{Budget: Budget{Cost: time.Second, MaxBurst: 2 * time.Second, CutoffBalance: time.Second, RechargeRate: 6 * time.Minute}})
		ask := func(mailbox string) answer { return r.send(svc, "password", envelope(mailbox, getCalendar)) }
		for i := range 3 { // two of the burst, one of what may be owed
			if got := codeIn(ask(user1)); got != "NoError" {
				t.Fatalf("call %d: %s", i+1, got)
			}
		}
		a := ask(user1)
		if codeIn(a) != "ErrorServerBusy" || a.status != http.StatusInternalServerError {
			t.Fatalf("over the budget: %d %s", a.status, codeIn(a))
		}
		first := backOff(a) // two seconds owed, ten come back in each hundred
		if first < 20*time.Second || first > 21*time.Second {
			t.Errorf("the server asks for %v", first)
		}
		if got := codeIn(ask(user2)); got != "NoError" {
			t.Errorf("another mailbox: %s", got)
		}
		time.Sleep(time.Second)
		if again := backOff(ask(user1)); again < first+8*time.Second {
			t.Errorf("asking early leaves the pause at %v after %v", again, first)
		}
		if n := r.s.Refusals(user1); n.Busy != 2 || n.Early != 1 {
			t.Errorf("refusals %+v", n)
		}
		time.Sleep(40 * time.Second)
		if got := codeIn(ask(user1)); got != "NoError" {
			t.Errorf("after the pause: %s", got)
		}
		if n := r.s.Refusals(""); n.Early != 1 {
			t.Errorf("waiting as told counts as early: %+v", n)
		}
	})
}

func TestConcurrencyBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := clockRig(t, Options{Latency: time.Minute})
		codes := make(chan string, 40)
		for range 30 {
			go func() { codes <- codeIn(r.send(svc, "password", envelope(user1, getCalendar))) }()
		}
		got := map[string]int{}
		for range 30 {
			got[<-codes]++
		}
		if got["NoError"] != 27 || got["ErrorExceededConnectionCount"] != 3 {
			t.Errorf("thirty at once: %v", got)
		}
		if n := r.s.Refusals(user1).Concurrency; n != 3 {
			t.Errorf("%d counted", n)
		}
		a := r.code(user2, getCalendar)
		if a != "NoError" {
			t.Errorf("another mailbox: %s", a)
		}
	})
}

func TestBudgetsOfStreamsAndSubscriptions(t *testing.T) {
	for _, dialect := range []Dialect{Exchange2013, Exchange2019} {
		synctest.Test(t, func(t *testing.T) {
			limit := map[Dialect]int{Exchange2013: 3, Exchange2019: 10}[dialect]
			r := clockRig(t, Options{Dialect: dialect, Budget: Budget{Subscriptions: 11}})
			var ids []string
			for range 11 {
				ids = append(ids, r.subscribe(user1, calendarOnly))
			}
			if got := r.code(user1, subscribeCalendar); got != "ErrorExceededSubscriptionCount" {
				t.Errorf("a subscription too many: %s", got)
			}
			for _, id := range ids[:limit] {
				l := r.stream(user1, 5, id)
				defer l.close()
				l.next()
			}
			if got := r.code(user1, streamBody(5, ids[limit])); got != "ErrorExceededConnectionCount" {
				t.Errorf("stream %d at once: %s", limit+1, got)
			}
			if n := r.s.Streams(); n != limit {
				t.Errorf("%d streams are open", n)
			}
			if n := r.s.Refusals(user1); n != (Refusals{Hanging: 1, Subscriptions: 1}) {
				t.Errorf("refusals %+v", n)
			}
		})
	}
}

func TestEarlyCountsScriptedPauses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := clockRig(t, Options{})
		r.s.Fail(Fault{Mailbox: user1, BackOff: time.Minute})
		if got := r.code(user1, getCalendar); got != "ErrorServerBusy" {
			t.Fatal(got)
		}
		time.Sleep(59 * time.Second)
		r.ok(user2, getCalendar)
		if n := r.s.Refusals("").Early; n != 0 {
			t.Errorf("%d early calls before there was one", n)
		}
		r.ok(user1, getCalendar)
		if n := r.s.Refusals(user1).Early; n != 1 {
			t.Errorf("%d early calls", n)
		}
		time.Sleep(time.Second)
		r.ok(user1, getCalendar)
		if n := r.s.Refusals(user1).Early; n != 1 {
			t.Errorf("%d early calls after the pause", n)
		}
	})
}
