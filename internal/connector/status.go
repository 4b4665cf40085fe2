package connector

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/koyomi-cal/koyomi/internal/calendar"
	"github.com/koyomi-cal/koyomi/internal/mailbox"
	"github.com/koyomi-cal/koyomi/internal/ops"
	"github.com/koyomi-cal/koyomi/internal/store"
)

// The states of a mailbox.
const (
	StatePending   = "pending"   // not served yet
	StateActivated = "activated" // served
	StateError     = "error"     // cannot be served; it is tried again
)

// The parts of which an alarm can stand.
const (
	alarmExchange = "exchange"
	alarmCloud    = "cloud"
	alarmKeys     = "kms"
	alarmBreaker  = "breaker"
	alarmStore    = "store"
	alarmServices = "services"
	alarmStandby  = "standby"
	alarmBug      = "bug" // stands until the next start
)

// MailboxStatus is how one mailbox is served.
type MailboxStatus struct {
	ID       calendar.MailboxID     `json:"mailbox"`
	Address  string                 `json:"-"` // the served mailbox's own address, for an authorised administrator only
	State    string                 `json:"state"`
	Step     calendar.Step          `json:"step,omitempty"`  // how far it has come, or where it failed
	Cause    string                 `json:"cause,omitempty"` // sentence: what is wrong and what to do
	Baseline time.Time              `json:"baseline,omitzero"`
	LastSync time.Time              `json:"lastSync,omitzero"`
	Seen     time.Time              `json:"seen,omitzero"`     // when the server last answered for it
	Waiting  map[mailbox.Reason]int `json:"waiting,omitempty"` // items that are not done yet, by reason
}

// The severities of alarms.
const (
	SeverityError   = "error"   // mailboxes are not served as they should be
	SeverityWarning = "warning" // they are, but what makes up for a failure is in use
)

// Alarm is one thing that is wrong, however many mailboxes it concerns.
type Alarm struct {
	ID       string    `json:"id"`
	Severity string    `json:"severity"` // SeverityError or SeverityWarning
	Since    time.Time `json:"since"`
	Count    int       `json:"count"` // how often it was met
	Why      string    `json:"why"`   // sentence: what is wrong and what to do
}

// Status is a snapshot of everything that an administrator sees at a glance.
type Status struct {
	Mailboxes []MailboxStatus `json:"mailboxes"`
	Alarms    []Alarm         `json:"alarms"`
}

// Status returns how every mailbox is served and what is wrong.
func (c *Connector) Status() Status {
	s := Status{Alarms: c.alarms.list()}
	for _, b := range c.list() {
		b.mu.Lock()
		st := b.status
		m := MailboxStatus{
			ID: b.mb.ID, Address: b.mb.Address, State: cmp.Or(st.state, StatePending), Step: st.step, Cause: st.cause,
			Baseline: st.baseline, LastSync: st.lastSync, Seen: st.seen, Waiting: maps.Clone(st.reasons),
		}
		b.mu.Unlock()
		s.Mailboxes = append(s.Mailboxes, m)
	}
	return s
}

// TraceLine is one recorded reason.
type TraceLine struct {
	At      time.Time        `json:"at"`
	Meeting string           `json:"meeting,omitempty"` // opaque id
	Reason  mailbox.Reason   `json:"reason"`
	Waiting calendar.Waiting `json:"waiting,omitzero"` // for a meeting service, with the reasons that say so
}

// Trace returns why what was or was not done in a mailbox since a time, oldest
// first.
func (c *Connector) Trace(ctx context.Context, id calendar.MailboxID, since time.Time) ([]TraceLine, error) {
	return ReadTrace(ctx, c.opt.Cache, id, since)
}

// ReadTrace is [Connector.Trace] from beside the connector.
func ReadTrace(ctx context.Context, cache store.Cache, id calendar.MailboxID, since time.Time) ([]TraceLine, error) {
	lines, err := cache.Trace(ctx, string(id), since)
	if err != nil {
		return nil, fmt.Errorf("read the trace: %w", err)
	}
	out := make([]TraceLine, 0, len(lines))
	for _, l := range lines {
		var t traceLine
		if json.Unmarshal(l.Line, &t) == nil {
			out = append(out, TraceLine{At: l.At, Meeting: t.Meeting, Reason: mailbox.Reason(t.Reason), Waiting: t.Waiting})
		}
	}
	return out, nil
}

// Metrics are counts since the start, and a few numbers of the moment.
type Metrics struct {
	Notices, Events                int64 // what watches told; what the core took in
	Reads, Views, Faults           int64 // requests for one item, for a calendar; failed ones
	Published, Withdrawn, Unsent   int64 // entries put, taken out, not put
	Joins, JoinsFailed             int64
	Panics                         int64
	Writes                         map[string]int64 // by outcome: "written" and those of [mailbox.Outcome]
	Pending, Activated, InError    int              // mailboxes
	Loaded                         int              // mailboxes whose state is in memory, about
	HourWrites, HourRecipients     int              // in this hour, as the breaker counts
	LimitWrites, LimitRecipients   int
	ReadyMailboxes, SleepingAlarms int // boxes that wait for a worker; boxes that wait for a time
}

type counters struct {
	notices, events, reads, views, faults, published, withdrawn, unsent, joins, joinsFailed, panics atomic.Int64

	mu     sync.Mutex
	writes map[string]int64
}

func (n *counters) outcome(o string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.writes == nil {
		n.writes = map[string]int64{}
	}
	n.writes[o]++
}

// Metrics returns the counts of the moment.
func (c *Connector) Metrics() Metrics {
	n := &c.metrics
	m := Metrics{
		Notices: n.notices.Load(), Events: n.events.Load(), Reads: n.reads.Load(), Views: n.views.Load(), Faults: n.faults.Load(),
		Published: n.published.Load(), Withdrawn: n.withdrawn.Load(), Unsent: n.unsent.Load(),
		Joins: n.joins.Load(), JoinsFailed: n.joinsFailed.Load(), Panics: n.panics.Load(),
	}
	n.mu.Lock()
	m.Writes = maps.Clone(n.writes)
	n.mu.Unlock()
	for _, b := range c.list() {
		b.mu.Lock()
		switch b.status.state {
		case StateActivated:
			m.Activated++
		case StateError:
			m.InError++
		default:
			m.Pending++
		}
		if b.status.loaded {
			m.Loaded++
		}
		b.mu.Unlock()
	}
	load, limit := c.breaker.numbers(time.Now())
	m.HourWrites, m.HourRecipients = load.Writes, load.Recipients
	m.LimitWrites, m.LimitRecipients = limit.Writes, limit.Recipients
	m.ReadyMailboxes, m.SleepingAlarms = c.ready.len(), c.clock.len()
	return m
}

// alarms are what is wrong right now: one for each cause.
type alarms struct {
	log    *slog.Logger
	health *ops.Status

	mu     sync.Mutex
	active map[string]*Alarm
}

func newAlarms(log *slog.Logger, health *ops.Status) *alarms {
	return &alarms{log: log, health: health, active: map[string]*Alarm{}}
}

// set raises an alarm, or counts it once more.
func (a *alarms) set(id, why string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	al := a.active[id]
	if al == nil {
		al = &Alarm{ID: id, Severity: SeverityError, Since: time.Now()}
		level := slog.LevelError
		if id == alarmStandby {
			al.Severity, level = SeverityWarning, slog.LevelWarn
		}
		a.active[id] = al
		a.log.Log(context.Background(), level, "alarm", "alarm", id, "why", why)
	}
	al.Count++
	if al.Why != why {
		al.Why = why
		a.health.Set(id, why)
	}
}

// clear ends an alarm.
func (a *alarms) clear(id string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.active[id] == nil {
		return
	}
	delete(a.active, id)
	a.health.Set(id, "")
	a.log.Info("alarm is over", "alarm", id)
}

// fault raises the alarm of a fault that concerns more than one mailbox.
func (a *alarms) fault(err error) {
	f := faultOf(err)
	if f.Class == calendar.NoAccount || f.Class == calendar.Wait && f.Step == calendar.StepConnect {
		a.set(alarmExchange, f.Sentence)
	}
}

// reached ends the alarm about the calendars' server.
func (a *alarms) reached() { a.clear(alarmExchange) }

func (a *alarms) list() []Alarm {
	a.mu.Lock()
	defer a.mu.Unlock()
	out := make([]Alarm, 0, len(a.active))
	for _, al := range a.active {
		out = append(out, *al)
	}
	slices.SortFunc(out, func(x, y Alarm) int { return cmp.Compare(x.ID, y.ID) })
	return out
}
