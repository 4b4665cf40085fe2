package meet

import (
	"context"
	"encoding/json"
	"slices"
	"sync"
	"time"
)

// Limits are how many meetings a service lets be made within 24 hours; 0: as
// many as one likes. Calls that failed count.
type Limits struct {
	Overall int // by all hosts together
	PerHost int // for one host
}

const (
	quotaWindow = 24 * time.Hour
	quotaStep   = 10 * time.Minute // calls are counted by so much
)

// calls counts what was asked for one host in one step.
type calls struct {
	At   int64  `json:"t"` // begin of the step, Unix seconds
	Host string `json:"h"` // short id of a mailbox
	N    int    `json:"n"`
}

// quota counts calls so that a service's daily limits are never run into. A
// call counts from before it is made, and until its whole step is 24 hours ago.
type quota struct {
	service string
	limits  Limits
	ledger  Ledger

	mu     sync.Mutex
	loaded bool
	steps  []calls // oldest first
}

// take counts one call, or says when there is room for it.
func (q *quota) take(ctx context.Context, now time.Time, host string) error {
	if q.limits == (Limits{}) {
		return nil
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if err := q.load(ctx); err != nil {
		return err
	}
	q.steps = slices.DeleteFunc(q.steps, func(c calls) bool { return !c.until().After(now) })
	retry := q.room(q.limits.PerHost, func(c calls) bool { return c.Host == host })
	if all := q.room(q.limits.Overall, func(calls) bool { return true }); all.After(retry) {
		retry = all
	}
	if !retry.IsZero() {
		return &Error{Service: q.service, State: Quota, RetryAt: retry, Message: "lets no more meetings be made today; the next one is made when its limit of 24 hours has room again"}
	}
	step := now.Truncate(quotaStep).Unix()
	i := slices.IndexFunc(q.steps, func(c calls) bool { return c.At == step && c.Host == host })
	if i < 0 {
		q.steps, i = append(q.steps, calls{At: step, Host: host}), len(q.steps)
	}
	q.steps[i].N++
	counts, err := json.Marshal(q.steps)
	if err == nil {
		err = q.ledger.PutCalls(ctx, q.service, counts)
	}
	if err != nil {
		return &Error{Service: q.service, State: Unavailable, Message: "is not asked, because the call could not be counted", Cause: err}
	}
	return nil
}

func (c calls) until() time.Time { return time.Unix(c.At, 0).Add(quotaStep + quotaWindow) }

// room returns when calls of a kind drop below a limit; zero: they are.
func (q *quota) room(limit int, kind func(calls) bool) time.Time {
	if limit == 0 {
		return time.Time{}
	}
	n := 0
	for _, c := range slices.Backward(q.steps) {
		if !kind(c) {
			continue
		}
		if n += c.N; n >= limit {
			return c.until()
		}
	}
	return time.Time{}
}

// load reads what was counted before this start. What cannot be read counts as
// nothing: the service itself still knows its limits.
func (q *quota) load(ctx context.Context) error {
	if q.loaded {
		return nil
	}
	counts, err := q.ledger.Calls(ctx, q.service)
	if err != nil {
		return &Error{Service: q.service, State: Unavailable, Message: "is not asked, because the calls of the last day could not be read", Cause: err}
	}
	if json.Unmarshal(counts, &q.steps) != nil {
		q.steps = nil
	}
	q.loaded = true
	return nil
}
