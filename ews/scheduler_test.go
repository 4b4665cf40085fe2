package ews

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"
)

// desk is a scheduler on fake time whose requests a test grants and answers by
// hand.
type desk struct {
	s *Scheduler
}

func (d *desk) ask(j job) *ticket {
	t := &ticket{job: j, s: d.s, ready: make(chan struct{})}
	d.s.mu.Lock()
	defer d.s.mu.Unlock()
	d.s.submit(t)
	return t
}

func (t *ticket) done(failure *Error, server string) {
	t.failure, t.answered = failure, server
	t.leave()
}

func get(mailbox string, p Priority) job {
	return job{op: "GetItem", key: boxKey{nil, mailbox}, endpoint: "mail.example.com", priority: p}
}

func inTime(t *testing.T, test func(t *testing.T)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, test)
}

// TestSchedulerAgainstOracle: whatever comes in whatever order, there are never
// more requests under way than the limit, nobody is forgotten, the more urgent
// goes first unless somebody was passed over too often, and a mailbox is left
// alone to the nanosecond.
func TestSchedulerAgainstOracle(t *testing.T) {
	inTime(t, func(t *testing.T) {
		rapid.Check(undated{t}, func(rt *rapid.T) {
			o := &oracle{rt: rt, desk: desk{NewScheduler(SchedulerOptions{Start: rapid.IntRange(1, 6).Draw(rt, "start"), Most: 8})}, until: map[string]time.Time{}}
			for range rapid.IntRange(1, 120).Draw(rt, "steps") {
				switch rapid.IntRange(0, 9).Draw(rt, "step") {
				case 0, 1, 2, 3, 4:
					o.submit()
				case 5, 6, 7, 8:
					o.finish()
				default:
					time.Sleep(time.Duration(rapid.IntRange(1, 700).Draw(rt, "ms")) * time.Millisecond)
				}
				o.check()
			}
			for len(o.running()) > 0 {
				o.finishOne(0, nil)
				o.check()
			}
			for _, k := range o.all {
				if !k.granted && k.refusal == nil {
					rt.Fatalf("%v of %s waits for ever", k.priority, k.key.mailbox)
				}
			}
			if st := o.s.Stats(); len(st.Servers) > 0 && st.Servers[0].InFlight != 0 || len(o.s.boxes) > len(o.until) {
				rt.Fatalf("something is left: %+v, %d boxes", st, len(o.s.boxes))
			}
		})
	})
}

type oracle struct {
	rt *rapid.T
	desk
	all   []*ticket
	until map[string]time.Time
	ended map[*ticket]bool
}

func (o *oracle) running() (list []*ticket) {
	for _, k := range o.all {
		if k.granted && !o.ended[k] {
			list = append(list, k)
		}
	}
	return list
}

func (o *oracle) waiting() (list []*ticket) {
	for _, k := range o.all {
		if !k.granted && k.refusal == nil {
			list = append(list, k)
		}
	}
	return list
}

func (o *oracle) submit() {
	j := get(fmt.Sprint("m", rapid.IntRange(0, 3).Draw(o.rt, "mailbox")), Priority(rapid.IntRange(0, 3).Draw(o.rt, "priority")))
	if rapid.IntRange(0, 3).Draw(o.rt, "sync") == 0 {
		j.op = "SyncFolderItems"
	}
	k := o.ask(j)
	o.all = append(o.all, k)
	held := o.until[j.key.mailbox].After(time.Now())
	if held != (k.refusal != nil) || held && k.refusal.BackOff != time.Until(o.until[j.key.mailbox]) {
		o.rt.Fatalf("held %v until %v, but refused by %v", held, o.until[j.key.mailbox], k.refusal)
	}
}

func (o *oracle) finish() {
	run := o.running()
	if len(run) == 0 {
		return
	}
	var e *Error
	switch rapid.IntRange(0, 5).Draw(o.rt, "outcome") {
	case 0:
		e = &Error{Code: "ErrorServerBusy", BackOff: time.Duration(rapid.IntRange(0, 2000).Draw(o.rt, "back-off")) * time.Millisecond}
	case 1:
		e = &Error{Code: "ErrorItemNotFound"}
	}
	o.finishOne(rapid.IntRange(0, len(run)-1).Draw(o.rt, "which"), e)
}

func (o *oracle) finishOne(i int, e *Error) {
	k := o.running()[i]
	before := o.waiting()
	if o.ended == nil {
		o.ended = map[*ticket]bool{}
	}
	o.ended[k] = true
	if e != nil && e.BackOff > 0 {
		if at := time.Now().Add(e.BackOff); at.After(o.until[k.key.mailbox]) {
			o.until[k.key.mailbox] = at
		}
	}
	k.done(e, "")
	// Among those that were granted by this, nobody less urgent came before
	// somebody more urgent who could have had the place, but for patience.
	l := o.s.lanes["mail.example.com"]
	for _, w := range before {
		if !w.granted || w.priority == Live {
			continue
		}
		for _, v := range o.waiting() {
			if slices.Contains(before, v) && v.priority == w.priority && v.line != nil && index(before, v) < index(before, w) && v.key != w.key && !v.serial() && !w.serial() {
				o.rt.Fatal("of two equally urgent requests the later one went first")
			}
		}
	}
	for p := range l.passed {
		if patience[p] > 0 && l.passed[p] > patience[p]+1 {
			o.rt.Fatalf("%v was passed over %d times", Priority(p), l.passed[p])
		}
	}
}

func index(list []*ticket, k *ticket) int { return slices.Index(list, k) }

func (o *oracle) check() {
	l := o.s.lanes["mail.example.com"]
	if l == nil {
		return
	}
	run := o.running()
	lowly, syncs := 0, map[string]int{}
	for _, k := range run {
		if k.priority >= Load {
			lowly++
		}
		if k.serial() {
			syncs[k.key.mailbox]++
		}
	}
	if l.inFlight != len(run) || l.lowly != lowly || l.limit > 8 || l.limit < 1 {
		o.rt.Fatalf("%d under way and %d lowly, counted %d and %d, limit %v", len(run), lowly, l.inFlight, l.lowly, l.limit)
	}
	for m, n := range syncs {
		if n > 1 {
			o.rt.Fatalf("%d requests synchronise %s at once", n, m)
		}
	}
	for _, w := range o.waiting() {
		if o.until[w.key.mailbox].After(time.Now()) {
			o.rt.Fatalf("a request for %s waits although it is held", w.key.mailbox)
		}
		if w.line != nil && l.fits(w.priority) {
			o.rt.Fatalf("a %v request waits although there is a place: %d of %v", w.priority, l.inFlight, l.limit)
		}
		if w.line == nil && syncs[w.key.mailbox] == 0 && !slices.ContainsFunc(o.waiting(), func(v *ticket) bool { return v.key == w.key && v.line != nil && v.serial() }) {
			o.rt.Fatal("a mailbox waits to be synchronised and nobody does it")
		}
	}
}

// TestSchedulerGrows: the limit rises while answers stay fast, stays where they
// get slow, and halves once for all that one overload makes fail.
func TestSchedulerGrows(t *testing.T) {
	inTime(t, func(t *testing.T) {
		d := desk{NewScheduler(SchedulerOptions{Start: 2, Most: 16})}
		l := d.s.named("mail.example.com")
		round := func(took time.Duration, e *Error) int {
			var run []*ticket
			for range int(l.limit) {
				run = append(run, d.ask(get("m", Live)))
			}
			over := d.ask(get("m", Live))
			if !run[len(run)-1].granted || over.granted {
				t.Fatalf("the limit %v is not kept", l.limit)
			}
			d.s.mu.Lock()
			d.s.withdraw(over)
			d.s.mu.Unlock()
			time.Sleep(took)
			for _, k := range run {
				k.done(e, "")
			}
			return int(l.limit)
		}
		if got := round(50*time.Millisecond, nil); got != 4 {
			t.Errorf("limit %d after a fast round", got)
		}
		for range 10 {
			round(50*time.Millisecond, nil)
		}
		if got := int(l.limit); got != 16 {
			t.Errorf("limit %d after many fast rounds", got)
		}
		if got := round(50*time.Millisecond, &Error{Code: "ErrorInsufficientResources"}); got != 8 {
			t.Errorf("limit %d after one overload, in which all failed", got)
		}
		if got := round(500*time.Millisecond, nil); got != 8 {
			t.Errorf("limit %d after slow answers", got)
		}
		if got := round(50*time.Millisecond, nil); got != 8 {
			t.Errorf("limit %d: it grows too fast after an overload", got)
		}
		if got := round(50*time.Millisecond, nil); got != 9 {
			t.Errorf("limit %d: it does not grow", got)
		}
		for range 20 {
			round(time.Second, &Error{Code: CodeTimeout, Unclear: true})
		}
		if got := d.s.Stats(); got.Servers[0].Limit != 1 || got.Halvings < 4 {
			t.Errorf("after timeouts: %+v", got)
		}
		k := d.ask(get("m", Live)) // nothing else to do: no reason to allow more
		k.done(nil, "")
	})
}

// TestSchedulerFairness: loads do not take the last places, and what is live
// does not starve them.
func TestSchedulerFairness(t *testing.T) {
	inTime(t, func(t *testing.T) {
		d := desk{NewScheduler(SchedulerOptions{Start: 8, Most: 8})}
		var open []*ticket
		ask := func(p Priority) *ticket {
			k := d.ask(get("m", p))
			open = append(open, k)
			return k
		}
		running := func() (list []*ticket) {
			for _, k := range open {
				if k.granted {
					list = append(list, k)
				}
			}
			return list
		}
		for range 200 {
			ask(Load)
		}
		if n := len(running()); n != 6 {
			t.Errorf("%d loads at once", n)
		}
		for range 2 {
			if !ask(Live).granted {
				t.Fatal("loads are in the way of what is urgent")
			}
		}
		loads := 0
		for range 180 { // there is always something live to do
			ask(Live)
			ask(Live)
			k := running()[0]
			if k.priority == Load {
				loads++
			}
			open = slices.DeleteFunc(open, func(o *ticket) bool { return o == k })
			k.done(nil, "")
		}
		if loads < 18 || loads > 32 {
			t.Errorf("%d of 180 places went to loads", loads)
		}
	})
}

// TestSchedulerServers: each back end has its own limit, by what answers say.
func TestSchedulerServers(t *testing.T) {
	inTime(t, func(t *testing.T) {
		d := desk{NewScheduler(SchedulerOptions{Start: 1, Most: 4})}
		d.ask(get("a", Live)).done(nil, "be1")
		d.ask(get("b", Live)).done(nil, "be2")
		first := d.ask(get("a", Live))
		if !first.granted || d.ask(get("a", Live)).granted || !d.ask(get("b", Live)).granted {
			t.Error("the back ends are not told apart")
		}
		j := get("c", Live)
		j.server = "be1" // by the cookie
		if d.ask(j).granted {
			t.Error("a call that is routed to a back end is not counted there")
		}
		for i := range mostLanes + 10 {
			d.ask(get(fmt.Sprint("x", i), Live)).done(nil, fmt.Sprint("server", i))
		}
		if n := len(d.s.Stats().Servers); n > mostLanes+1 {
			t.Errorf("%d servers", n)
		}
	})
}

// TestSchedulerUnreachable: an endpoint that cannot be reached is tried by one
// request at a time.
func TestSchedulerUnreachable(t *testing.T) {
	inTime(t, func(t *testing.T) {
		d := desk{NewScheduler(SchedulerOptions{Start: 2, Most: 2})}
		down := &Error{Code: CodeRefused, Message: "down"}
		a, b := d.ask(get("a", Live)), d.ask(get("b", Live))
		waits := d.ask(get("c", Live))
		a.done(down, "")
		if waits.refusal == nil || waits.refusal.Code != CodeRefused || waits.refusal.BackOff <= 0 {
			t.Fatalf("what waits is not told: %v", waits.refusal)
		}
		b.done(&Error{Code: CodeCanceled}, "")
		tries, asked := 0, time.Now()
		for time.Since(asked) < 5*time.Minute {
			one, two := d.ask(get("a", Live)), d.ask(get("b", Background))
			if two.granted {
				t.Fatal("two requests try at once")
			}
			if one.granted {
				tries++
				one.done(down, "")
			}
			time.Sleep(100 * time.Millisecond)
		}
		if tries < 8 || tries > 25 {
			t.Errorf("%d tries in five minutes", tries)
		}
		d.s.TryNow()
		d.ask(get("a", Live)).done(nil, "")
		if !d.ask(get("a", Live)).granted || !d.ask(get("b", Live)).granted {
			t.Error("it does not go on")
		}
	})
}

// TestSchedulerBatch: batches grow with success and shrink where they take too
// long.
func TestSchedulerBatch(t *testing.T) {
	inTime(t, func(t *testing.T) {
		d := desk{NewScheduler(SchedulerOptions{})}
		l := d.s.named("mail.example.com")
		read := func(took time.Duration, e *Error) {
			j := get("m", Load)
			j.items = l.batch
			k := d.ask(j)
			time.Sleep(took)
			k.done(e, "")
		}
		for want := 10; want < 25; want++ {
			if l.batch != want {
				t.Fatalf("batch %d, want %d", l.batch, want)
			}
			read(time.Second, nil)
		}
		read(time.Second, nil)
		if l.batch != 25 {
			t.Errorf("batch %d after more success", l.batch)
		}
		if read(time.Second, &Error{Code: "ErrorTimeoutExpired"}); l.batch != 12 {
			t.Errorf("batch %d after a timeout", l.batch)
		}
		if read(11*time.Second, nil); l.batch != 6 {
			t.Errorf("batch %d after a slow answer", l.batch)
		}
		for range 9 {
			read(time.Second, &Error{Code: "ErrorTimeoutExpired"})
		}
		if l.batch != 1 {
			t.Errorf("batch %d after many", l.batch)
		}
	})
}

// TestSchedulerRetryAfter: a front end that says 503 means everybody on that
// server.
func TestSchedulerRetryAfter(t *testing.T) {
	inTime(t, func(t *testing.T) {
		d := desk{NewScheduler(SchedulerOptions{})}
		d.ask(get("a", Live)).done(nil, "be1")
		d.ask(get("b", Live)).done(nil, "be2")
		d.ask(get("a", Live)).done(&Error{Code: CodeUnavailable, BackOff: 7 * time.Second}, "be1")
		if k := d.ask(get("a", Live)); k.refusal == nil || k.refusal.BackOff != 7*time.Second {
			t.Errorf("refused by %v", k.refusal)
		}
		if !d.ask(get("b", Live)).granted {
			t.Error("the other back end is left alone, too")
		}
		time.Sleep(7 * time.Second)
		if !d.ask(get("a", Live)).granted {
			t.Error("it is left alone for longer than it asked")
		}
	})
}

// TestSchedulerCancel: whoever stops waiting is forgotten, and takes nothing
// with them.
func TestSchedulerCancel(t *testing.T) {
	inTime(t, func(t *testing.T) {
		d := desk{NewScheduler(SchedulerOptions{Start: 1, Most: 1})}
		sync := get("m", Live)
		sync.op = "SyncFolderItems"
		first := d.ask(sync)
		reason := errors.New("enough")
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(time.Second, func() { cancel(reason) })
		_, e := d.s.enter(ctx, sync)
		if e == nil || e.Code != CodeCanceled || !errors.Is(e, reason) {
			t.Fatalf("got %v", e)
		}
		if _, e = d.s.enter(ctx, get("n", Live)); e == nil {
			t.Fatal("a call that was ended before it began is sent")
		}
		first.done(nil, "")
		if k := d.ask(sync); !k.granted {
			t.Error("the mailbox cannot be synchronised any more")
		} else {
			k.done(nil, "")
		}
		if n := len(d.s.boxes); n != 0 {
			t.Errorf("%d mailboxes are kept in mind", n)
		}
	})
}

func TestPriority(t *testing.T) {
	t.Parallel()
	if p := priorityOf(t.Context()); p != Live {
		t.Errorf("default %v", p)
	}
	for p, name := range map[Priority]string{Live: "live", Soon: "soon", Load: "load", Background: "background"} {
		if got := priorityOf(WithPriority(t.Context(), p)); got != p || p.String() != name {
			t.Errorf("%v became %v", p, got)
		}
	}
	if p := priorityOf(WithPriority(t.Context(), 99)); p != Background {
		t.Errorf("odd one: %v", p)
	}
}

// TestRoute: the newest cookie counts, goes out as a cookie, and ends when it
// is over.
func TestRoute(t *testing.T) {
	inTime(t, func(t *testing.T) {
		r := newRoute("anchor@example.com", "")
		answer := func(cookies ...string) {
			r.learn(&http.Response{Header: http.Header{"Set-Cookie": cookies}})
		}
		sent := func() string {
			h := http.Header{}
			r.apply(h)
			if h.Get("X-AnchorMailbox") != "anchor@example.com" || h.Get("X-PreferServerAffinity") != "true" {
				t.Errorf("headers %v", h)
			}
			return h.Get("Cookie")
		}
		if got := sent(); got != "" || r.server() != "" {
			t.Errorf("cookies at first: %q", got)
		}
		answer("X-BackEndOverrideCookie=Be1.example.com~194; path=/; secure; HttpOnly", "balancer=7; Max-Age=60")
		if got := sent(); got != "X-BackEndOverrideCookie=Be1.example.com~194; balancer=7" || r.server() != "be1.example.com" {
			t.Errorf("cookies %q to %s", got, r.server())
		}
		answer("X-BackEndOverrideCookie=be2.example.com~194; path=/")
		time.Sleep(time.Minute)
		if got := sent(); got != "X-BackEndOverrideCookie=be2.example.com~194" {
			t.Errorf("cookies %q", got)
		}
		for i := range 40 {
			answer(fmt.Sprintf("c%d=x", i))
		}
		if len(r.jar) > mostCookies {
			t.Errorf("%d cookies", len(r.jar))
		}
		answer("X-BackEndOverrideCookie=; Max-Age=-1")
		if r.override() != "" {
			t.Error("a cookie that was taken back is sent")
		}
		var none *route
		none.learn(&http.Response{})
		h := http.Header{}
		if none.apply(h); len(h) != 0 || none.server() != "" {
			t.Error("no route is one")
		}
	})
}

func FuzzSubscriptionServer(f *testing.F) {
	f.Add("GQBleGNoYW5nZTAxLmV4YW1wbGUuY29tEAAAAA==")
	f.Add("AQAAAA==")
	f.Add("")
	f.Fuzz(func(t *testing.T, id string) {
		for _, c := range SubscriptionServer(id) {
			if c <= ' ' || c > '~' {
				t.Errorf("%q in a server's name", c)
			}
		}
	})
}

// undated is a test without a deadline, which fake time does not have.
type undated struct{ rapid.TB }
