package connector

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"github.com/koyomi-cal/koyomi/internal/calendar"
	"github.com/koyomi-cal/koyomi/internal/mailbox"
	"github.com/koyomi-cal/koyomi/internal/meet"
	"github.com/koyomi-cal/koyomi/internal/store"
)

// joinLimit is how many calls of meeting services run at once.
const joinLimit = 16

// do carries one effect out. Get, View, Join and Write get exactly one answer.
// Hold and Trace were carried out before.
func (t *turn) do(e mailbox.Effect) {
	switch e := e.(type) {
	case mailbox.Get:
		t.get(e)
	case mailbox.View:
		t.view(e)
	case mailbox.Publish:
		t.publish(e)
	case mailbox.Withdraw:
		t.withdraw(e.Entry)
	case mailbox.Keep:
		t.keepOnly(e.Entries)
	case mailbox.Join:
		t.join(e)
	case mailbox.Write:
		t.writeItem(e)
	case mailbox.Copy:
		t.copySeen(e)
	}
}

func (t *turn) answer(ev mailbox.Event) { t.answers = append(t.answers, ev) }

// fault takes note of a failed request to the source and returns when it may
// be tried again.
func (t *turn) fault(err error) (f *calendar.Fault, until time.Time) {
	f = faultOf(err)
	t.c.metrics.faults.Add(1)
	t.c.alarms.fault(err)
	t.b.failed(err)
	t.c.log.Info("request failed", "mailbox", t.b.mb, "error", f)
	until = time.Now().Add(backOff(t.b.failures))
	if f.Class == calendar.NoMailbox {
		until = time.Now().Add(t.c.opt.Recheck)
	}
	if f.Until.After(until) {
		until = f.Until
	}
	t.b.failures++
	return f, until
}

// reached takes note of a request that was answered.
func (t *turn) reached(step calendar.Step) {
	t.b.failures = 0
	t.c.alarms.reached()
	t.b.well(step, time.Time{})
}

func (t *turn) get(e mailbox.Get) {
	t.c.metrics.reads.Add(1)
	it, err := t.c.opt.Reader.Get(t.ctx, t.b.mb, e.ID)
	if err == nil {
		t.reached(calendar.StepSubscribe)
		t.answer(mailbox.Read{Item: it})
		return
	}
	switch f := faultOf(err); f.Class {
	case calendar.Missing:
		t.answer(mailbox.Gone{ID: e.ID})
	case calendar.Denied:
		t.c.log.Info("item cannot be read", "mailbox", t.b.mb, "error", f)
		t.answer(mailbox.ReadFailed{ID: e.ID, Why: mailbox.BodyNotRead})
	default:
		_, until := t.fault(err)
		t.answer(mailbox.ReadFailed{ID: e.ID, Until: until, Why: mailbox.ReadLater})
	}
}

func (t *turn) view(e mailbox.View) {
	t.c.metrics.views.Add(1)
	entries, masters, err := t.c.opt.Reader.View(t.ctx, t.b.mb, e.Window)
	if err != nil {
		_, until := t.fault(err)
		t.b.mem.note.Lost = true
		t.answer(mailbox.ViewFailed{Until: until})
		return
	}
	t.reached(calendar.StepSubscribe)
	t.answer(mailbox.Viewed{Window: e.Window, Entries: entries, Masters: masters})
}

// writeItem makes the one write: counted by the breaker first, with the intent saved.
func (t *turn) writeItem(e mailbox.Write) {
	failed := func(o mailbox.Outcome, until time.Time) {
		t.c.metrics.outcome(string(o))
		t.answer(mailbox.WriteFailed{ID: e.Patch.ID, Outcome: o, Until: until})
	}
	if t.b.gone.Load() {
		failed(mailbox.Stopped, time.Time{})
		return
	}
	if !t.save() {
		return // the turn is over; the intent was not put down, so nothing is written
	}
	now := time.Now()
	ok, err := t.c.breaker.take(t.ctx, t.b.mb.ID, now, e.Recipients)
	if err != nil {
		t.broken = err
		return
	}
	if !ok {
		t.b.mu.Lock()
		t.b.held = true
		t.b.mu.Unlock()
		failed(mailbox.Stopped, time.Time{})
		return
	}
	newID, err := t.c.opt.Writer.Patch(t.ctx, t.b.mb, e.Patch)
	if err == nil {
		t.reached(calendar.StepWrite)
		t.c.metrics.outcome("written")
		t.answer(mailbox.Written{ID: e.Patch.ID, NewID: newID})
		return
	}
	f := faultOf(err)
	if f.Class != calendar.Uncertain {
		t.c.breaker.giveBack(t.ctx, t.b.mb.ID, now, e.Recipients)
	}
	switch f.Class {
	case calendar.Stale, calendar.Missing:
		failed(mailbox.Conflict, time.Time{})
	case calendar.Denied:
		t.c.log.Warn("write refused", "mailbox", t.b.mb, "error", f)
		failed(mailbox.Refused, time.Time{})
	case calendar.Wait, calendar.NoAccount, calendar.NoMailbox:
		_, until := t.fault(err)
		failed(mailbox.Busy, until)
	default:
		_, _ = t.fault(err)
		failed(mailbox.Unclear, time.Time{})
	}
}

// join asks a meeting service beside the mailbox's own work: a slow service
// holds nothing else up.
func (t *turn) join(e mailbox.Join) {
	c, b := t.c, t.b
	service := c.service(e.Service)
	if service == nil {
		t.answer(mailbox.JoinFailed{ID: e.ID, Wish: e.Wish, Why: mailbox.ServiceUnknown})
		return
	}
	r := meet.Request{
		Mailbox: b.mb, Key: e.Key, Action: string(e.Action), People: e.People, Locale: b.mem.rules.Render.Locale,
		Start: e.Times.Start, End: e.Times.End, TimeZone: e.Times.TimeZone, Recurrence: e.Times.Recurrence,
	}
	b.mu.Lock()
	b.joins++
	tries := b.failures
	b.mu.Unlock()
	ctx := t.ctx // the turn may change its own before this ends
	c.tasks.Go(func() {
		ev := c.askService(ctx, service, r, e, tries)
		b.mu.Lock()
		b.joins--
		b.mu.Unlock()
		b.post(ev)
	})
}

func (c *Connector) askService(ctx context.Context, s meet.Service, r meet.Request, e mailbox.Join, tries int) mailbox.Event {
	failed := func(why mailbox.Reason, until time.Time) mailbox.Event {
		c.metrics.joinsFailed.Add(1)
		return mailbox.JoinFailed{ID: e.ID, Wish: e.Wish, Until: until, Why: why, Service: s.Name()}
	}
	later := time.Now().Add(c.opt.JoinTimeout + backOff(tries+3))
	select {
	case c.joins <- struct{}{}:
		defer func() { <-c.joins }()
	case <-ctx.Done():
		return failed(mailbox.ServiceDown, later)
	}
	ctx, cancel := context.WithTimeout(ctx, c.opt.JoinTimeout)
	defer cancel()
	if keeper(s, r.Action) != nil {
		r.Tag = c.tag(e.Key, e.Hash)
		if err := c.ask(ctx, s, r, e); err != nil {
			c.log.Warn("meeting service not asked", "mailbox", r.Mailbox, "service", s.Name(), "error", err)
			return failed(mailbox.ServiceDown, later)
		}
	}
	details, err := s.Join(ctx, r)
	if err == nil {
		c.metrics.joins.Add(1)
		return mailbox.Joined{ID: e.ID, Wish: e.Wish, Details: details}
	}
	c.log.Warn("meeting service failed", "mailbox", r.Mailbox, "service", s.Name(), "error", err)
	return failed(joinFault(err, later))
}

// joinFault says why a service made no meeting, and when to ask again.
func joinFault(err error, later time.Time) (mailbox.Reason, time.Time) {
	f, is := errors.AsType[*meet.Error](err)
	switch {
	case is && (f.State == meet.NotOffered || f.State == meet.BadRequest):
		return mailbox.ServiceRefused, time.Time{}
	case is && f.State == meet.Quota && !f.RetryAt.IsZero():
		return mailbox.ServiceQuota, f.RetryAt
	case is && !f.RetryAt.IsZero():
		return mailbox.ServiceDown, f.RetryAt // as told: neither earlier nor later
	}
	return mailbox.ServiceDown, later
}

// service finds a meeting service by name; the empty name is the first.
func (c *Connector) service(name string) meet.Service {
	for _, s := range c.opt.Services {
		if name == "" || strings.EqualFold(s.Name(), name) {
			return s
		}
	}
	return nil
}

// copySeen tells the organizer's mailbox, if it is served, what an attendee's
// copy shows.
func (t *turn) copySeen(e mailbox.Copy) {
	b := t.c.named(e.Organizer)
	if b != nil && b != t.b {
		b.post(mailbox.CopySeen{Key: e.Key, Block: e.Block, Cancelled: e.Cancelled})
	}
}

// traceLine is the stored form of a trace line.
type traceLine struct {
	Meeting string           `json:"m,omitempty"` // opaque id
	Reason  string           `json:"r"`
	Waiting calendar.Waiting `json:"w,omitzero"`
}

// trace puts the reasons among the effects into the trace.
func (t *turn) trace(effects []mailbox.Effect) {
	for _, e := range effects {
		e, is := e.(mailbox.Trace)
		if !is {
			continue
		}
		line, err := json.Marshal(traceLine{Meeting: e.Ref, Reason: string(e.Reason), Waiting: e.Waiting})
		if err != nil {
			t.broken = err
			return
		}
		t.c.log.Debug("decided", "mailbox", t.b.mb, "meeting", e.Ref, "reason", e.Reason)
		t.b.mem.trace = append(t.b.mem.trace, store.TraceLine{At: time.Now(), Line: line})
	}
}
