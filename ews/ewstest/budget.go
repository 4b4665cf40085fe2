package ewstest

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Budget is what a throttling policy lets one mailbox ask for. Where a field is
// zero the dialect decides; a negative one lifts the limit.
type Budget struct {
	// Concurrency is EwsMaxConcurrency: requests at a time, streams not
	// counted. 27.
	Concurrency int
	// Hanging is HangingConnectionLimit: streams at a time. 3 in 2013, 10
	// since.
	Hanging int
	// Subscriptions is EwsMaxSubscriptions. 5000.
	Subscriptions int
	// SyncCalls is ConcurrentSyncCalls. 5 since 2016.
	SyncCalls int

	// Cost is the server's time that a request is charged with. Where it is
	// zero nothing is charged, and the three fields below have no effect.
	Cost time.Duration
	// MaxBurst is what may be used at once, RechargeRate what comes back in an
	// hour, and CutoffBalance how far below zero the balance goes before
	// requests are refused with ErrorServerBusy until it is back at zero. A
	// refused request is charged too, so whoever goes on asking waits longer.
	// 300 s, 900 s and 3000 s.
	MaxBurst, RechargeRate, CutoffBalance time.Duration
}

// withDefaults fills in what the dialect decides.
func (b Budget) withDefaults(t traits) Budget {
	choose := func(v *int, standard int) {
		if *v == 0 {
			*v = standard
		}
		*v = max(*v, 0)
	}
	concurrency := 27
	if t.prefix != "s" {
		concurrency = 0
	}
	choose(&b.Concurrency, concurrency)
	choose(&b.Hanging, t.hanging)
	choose(&b.Subscriptions, mostSubscriptions)
	choose(&b.SyncCalls, t.sync)
	for _, d := range []struct {
		v        *time.Duration
		standard time.Duration
	}{{&b.MaxBurst, 300 * time.Second}, {&b.RechargeRate, 900 * time.Second}, {&b.CutoffBalance, 3000 * time.Second}} {
		if *d.v == 0 {
			*d.v = d.standard
		}
		*d.v = max(*d.v, 0)
	}
	return b
}

// Refusals counts what the budget of a mailbox has refused.
type Refusals struct {
	Concurrency   int // ErrorExceededConnectionCount for requests
	Hanging       int // the same for streams
	Subscriptions int // ErrorExceededSubscriptionCount
	SyncCalls     int // ErrorServerBusy of ConcurrentSyncCalls
	Busy          int // ErrorServerBusy of an empty bucket
	// Early counts the requests that came before the end of a pause that an
	// answer had asked for with BackOffMilliseconds, scripted or not.
	Early int
}

// spending is what has been taken out of one budget.
type spending struct {
	calls, streams, syncs int
	balance               time.Duration
	at                    time.Time // of the balance
	cutOff                bool      // until the balance is back at zero
	until                 time.Time // the end of a pause that was asked for
	refused               Refusals
}

// Refusals returns what the budget of a mailbox has refused; "" adds all up.
func (s *Server) Refusals(mailbox string) Refusals {
	s.logMu.Lock()
	defer s.logMu.Unlock()
	var sum Refusals
	for key, p := range s.budgets {
		if _, of, _ := strings.Cut(key, "|"); mailbox != "" && !strings.EqualFold(of, mailbox) {
			continue
		}
		r := p.refused
		sum.Concurrency += r.Concurrency
		sum.Hanging += r.Hanging
		sum.Subscriptions += r.Subscriptions
		sum.SyncCalls += r.SyncCalls
		sum.Busy += r.Busy
		sum.Early += r.Early
	}
	return sum
}

// budgetKey names the budget that pays for a request: the caller's own, or
// the copy of the impersonated mailbox's that all service accounts share.
func (r *request) budgetKey() string {
	if r.as != nil && r.as != r.own {
		return "impersonated|" + strings.ToLower(r.as.address)
	}
	return "own|" + r.login
}

// spend runs f on the budget that pays for the request.
func (r *request) spend(f func(p *spending, b Budget)) {
	limits := r.s.budget
	if t := r.server().traits; r.s.opt.Budget.Hanging == 0 {
		limits.Hanging = t.hanging
	}
	if t := r.server().traits; r.s.opt.Budget.SyncCalls == 0 {
		limits.SyncCalls = t.sync
	}
	key := r.budgetKey()
	r.s.logMu.Lock()
	defer r.s.logMu.Unlock()
	p := r.s.budgets[key]
	if p == nil {
		p = &spending{balance: limits.MaxBurst, at: r.call.At}
		r.s.budgets[key] = p
	}
	f(p, limits)
	if p.calls == 0 && p.streams == 0 && p.syncs == 0 && limits.Cost == 0 && p.refused == (Refusals{}) && !p.until.After(r.call.At) {
		delete(r.s.budgets, key)
	}
}

// charge takes the request out of its budget, or refuses it. What it returns
// gives back what a running request holds.
func (r *request) charge() (release func(), err error) {
	var f *failure
	r.spend(func(p *spending, b Budget) {
		if r.call.At.Before(p.until) {
			p.refused.Early++
		}
		if wait := p.draw(r.call.At, b); wait > 0 {
			p.refused.Busy++
			p.until = r.call.At.Add(wait)
			f = busy(wait)
			f.fault = true
			return
		}
		if r.call.Op == "GetStreamingEvents" {
			return // has a limit of its own
		}
		if b.Concurrency > 0 && p.calls >= b.Concurrency {
			p.refused.Concurrency++
			f = faultOf("ErrorExceededConnectionCount")
			f.text = fmt.Sprintf("You have exceeded the available concurrent connections for your account.  Try again once your other requests have completed. "+
				"This operation exceeds the throttling budget for policy part 'MaxConcurrency', policy value '%d',  Budget type: 'Ews'.  Suggested backoff time 0 ms.", b.Concurrency)
			f.values = []string{"Policy", "MaxConcurrency", "MaxConcurrencyLimit", strconv.Itoa(b.Concurrency), "ErrorMessage", f.text}
			return
		}
		p.calls++
	})
	if f != nil {
		return nil, f
	}
	if r.call.Op == "GetStreamingEvents" {
		return func() {}, nil
	}
	return func() { r.spend(func(p *spending, _ Budget) { p.calls-- }) }, nil
}

// draw charges one request and returns how long its caller has to wait, which
// is zero as long as the budget has not been cut off.
func (p *spending) draw(now time.Time, b Budget) time.Duration {
	if b.Cost <= 0 {
		return 0
	}
	rate := float64(b.RechargeRate) / float64(time.Hour)
	if passed := now.Sub(p.at); passed > 0 {
		p.balance = min(p.balance+time.Duration(float64(passed)*rate), b.MaxBurst)
		p.at = now
	}
	if p.balance >= 0 {
		p.cutOff = false
	}
	p.balance -= b.Cost
	if p.balance < -b.CutoffBalance {
		p.cutOff = true
	}
	if !p.cutOff {
		return 0
	}
	if rate <= 0 {
		return time.Hour
	}
	return (time.Duration(float64(-p.balance)/rate) + time.Millisecond).Truncate(time.Millisecond)
}

// told remembers that an answer has asked for a pause.
func (r *request) told(f *failure) {
	if f == nil || f.code != "ErrorServerBusy" {
		return
	}
	for i := 0; i+1 < len(f.values); i += 2 {
		if ms, ok := parseInt(f.values[i+1]); ok && f.values[i] == "BackOffMilliseconds" && ms > 0 {
			until := r.call.At.Add(time.Duration(ms) * time.Millisecond)
			r.spend(func(p *spending, _ Budget) {
				if until.After(p.until) {
					p.until = until
				}
			})
		}
	}
}

// hang counts an open stream against the budget of its caller
// (HangingConnectionLimit).
func (r *request) hang() (release func(), err error) {
	var f *failure
	r.spend(func(p *spending, b Budget) {
		if b.Hanging > 0 && p.streams >= b.Hanging {
			p.refused.Hanging++
			f = faultOf("ErrorExceededConnectionCount")
			f.values = []string{"Policy", "HangingConnectionLimit", "PolicyLimit", strconv.Itoa(b.Hanging), "BackOffMilliseconds", "0"}
			return
		}
		p.streams++
	})
	if f != nil {
		return nil, f
	}
	return func() { r.spend(func(p *spending, _ Budget) { p.streams-- }) }, nil
}

// Streams returns how many streams are open.
func (s *Server) Streams() int {
	s.logMu.Lock()
	defer s.logMu.Unlock()
	n := 0
	for _, p := range s.budgets {
		n += p.streams
	}
	return n
}

// enterSync counts a Sync call on a mailbox and refuses it where there are too
// many at once.
func (r *request) enterSync() (leave func(), err error) {
	var f *failure
	r.spend(func(p *spending, b Budget) {
		if b.SyncCalls > 0 && p.syncs >= b.SyncCalls {
			p.refused.SyncCalls++
			f = busy(5 * time.Second)
			f.values = append(f.values, "Policy", "ConcurrentSyncCalls", "PolicyLimit", strconv.Itoa(b.SyncCalls))
			return
		}
		p.syncs++
	})
	if f != nil {
		r.told(f)
		return nil, f
	}
	return func() { r.spend(func(p *spending, _ Budget) { p.syncs-- }) }, nil
}

// crowded refuses another subscription on a mailbox that has its fill. The
// caller holds Server.mu.
func (r *request) crowded(b *mailbox) error {
	limit := r.s.budget.Subscriptions
	if limit <= 0 || len(b.subs) < limit {
		return nil
	}
	r.spend(func(p *spending, _ Budget) { p.refused.Subscriptions++ })
	f := fail("ErrorExceededSubscriptionCount")
	f.values = []string{"Policy", "MaxSubscriptions", "PolicyLimit", strconv.Itoa(limit)}
	return f
}
