package connector

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/koyomi-cal/koyomi/internal/mailbox"
	"github.com/koyomi-cal/koyomi/internal/meet"
	"github.com/koyomi-cal/koyomi/internal/store"
)

// Ledger remembers in settings.db what is made at meeting services, for
// package meet.
type Ledger struct {
	Meetings store.Meetings
	Settings store.Settings
}

// Entry implements meet.Ledger.
func (l Ledger) Entry(ctx context.Context, tag string) (e meet.Entry, err error) {
	m, err := l.Meetings.Meeting(ctx, tag)
	if errors.Is(err, store.ErrNotFound) || err == nil && len(m.Entry) == 0 {
		return meet.Entry{}, nil
	}
	if err == nil {
		err = json.Unmarshal(m.Entry, &e)
	}
	return e, err
}

// PutEntry implements meet.Ledger.
func (l Ledger) PutEntry(ctx context.Context, tag string, e meet.Entry) error {
	return l.Meetings.UpdateMeeting(ctx, tag, func(m *store.Meeting) (err error) {
		m.Entry, err = json.Marshal(e)
		return err
	})
}

// Calls implements meet.Ledger.
func (l Ledger) Calls(ctx context.Context, service string) ([]byte, error) {
	v, err := l.Settings.Value(ctx, "calls."+service)
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil
	}
	return v, err
}

// PutCalls implements meet.Ledger.
func (l Ledger) PutCalls(ctx context.Context, service string, counts []byte) error {
	return l.Settings.PutValue(ctx, "calls."+service, counts)
}

// keeper returns the keeper of what a service makes by an action, nil if it
// makes nothing that has to be ended.
func keeper(s meet.Service, action string) *meet.Keeper {
	if k, is := s.(meet.Keeping); is {
		return k.Keeps(action)
	}
	return nil
}

// keeps reports whether any service makes meetings that have to be ended.
func keeps(services []meet.Service) bool {
	for _, s := range services {
		for _, action := range []string{meet.Default, meet.MyRoom, meet.Space, meet.OneTime} {
			if keeper(s, action) != nil {
				return true
			}
		}
	}
	return false
}

// family is the opaque id of a calendar's meeting, whoever's calendar it is.
func (c *Connector) family(key string) string {
	return base64.RawURLEncoding.EncodeToString(mac(c.secrets.entries, "family", key)[:16])
}

// tag is the opaque id under which the meeting is made for one wish.
func (c *Connector) tag(key, wish string) string {
	return "koyomi-" + base64.RawURLEncoding.EncodeToString(mac(c.secrets.entries, "meeting", key, wish)[:16])
}

// hosted changes what is remembered of one meeting at a service.
func (c *Connector) hosted(ctx context.Context, tag string, change func(m *store.Meeting, h *mailbox.Hosted)) error {
	return c.opt.Meetings.UpdateMeeting(ctx, tag, func(m *store.Meeting) error {
		var h mailbox.Hosted
		if len(m.Held) > 0 {
			if err := json.Unmarshal(m.Held, &h); err != nil {
				return fmt.Errorf("what is remembered of a meeting at a service cannot be read: %w", err)
			}
		}
		change(m, &h)
		var err error
		if m.Held, err = json.Marshal(h); err != nil {
			return err
		}
		duty, at := h.Next()
		if m.Due = at; duty != mailbox.Rest && at.IsZero() {
			m.Due = time.Now()
		}
		return nil
	})
}

// ask puts down that a meeting is about to be made, and for whom.
func (c *Connector) ask(ctx context.Context, s meet.Service, r meet.Request, e mailbox.Join) error {
	use := c.entry(r.Mailbox.ID, e.Key)
	return c.hosted(ctx, r.Tag, func(m *store.Meeting, h *mailbox.Hosted) {
		m.Family = c.family(e.Key)
		if h.Wish == "" {
			*h = mailbox.Hosted{Wish: e.Hash, Service: s.Name(), Action: r.Action, Mailbox: r.Mailbox.ID, Locale: r.Locale, Times: e.Times}
		}
		h.Ask(time.Now(), use)
	})
}

// hold takes in what a calendar says about the meetings made for it.
func (t *turn) hold(e mailbox.Hold) {
	c := t.c
	if !c.keeps {
		return
	}
	made, err := c.opt.Meetings.MeetingsOf(t.ctx, c.family(e.Key))
	for _, m := range made {
		if err == nil {
			err = c.hosted(t.ctx, m.Tag, func(_ *store.Meeting, h *mailbox.Hosted) { h.Apply(time.Now(), e) })
		}
	}
	if err != nil {
		t.broken = fmt.Errorf("remember who needs a meeting at a service: %w", err)
		return
	}
	if len(made) > 0 {
		c.kickDuties()
	}
}

func (c *Connector) kickDuties() {
	select {
	case c.duties <- struct{}{}:
	default:
	}
}

const (
	dutyEvery = time.Minute // how often it is looked for duties at services
	dutyBatch = 50          // and how many are done in one look
	dutyTime  = time.Minute // longest time for one
)

// attend does what is due at meeting services, until ctx ends: it gives meetings
// the calendar's times, and ends those that nobody needs any more.
func (c *Connector) attend(ctx context.Context) {
	for ctx.Err() == nil {
		due, err := c.opt.Meetings.MeetingsDue(ctx, time.Now(), dutyBatch)
		if err != nil && ctx.Err() == nil {
			c.log.Warn("meetings at services are looked at later", "error", err)
		}
		failed := map[string]bool{}
		for _, m := range due {
			if ctx.Err() == nil {
				c.duty(ctx, m, failed)
			}
		}
		wait := time.NewTimer(dutyEvery)
		select {
		case <-ctx.Done():
		case <-wait.C:
		case <-c.duties:
		}
		wait.Stop()
	}
}

// duty does one of them. A service that failed in this round is left alone.
func (c *Connector) duty(ctx context.Context, m store.Meeting, failed map[string]bool) {
	// A round takes its time: what a calendar said since it began counts.
	m, err := c.opt.Meetings.Meeting(ctx, m.Tag)
	if err != nil {
		return
	}
	var h mailbox.Hosted
	if err := json.Unmarshal(m.Held, &h); err != nil {
		c.log.Error("what is remembered of a meeting at a service cannot be read; it is not ended", "tag", m.Tag, "error", err)
		return
	}
	duty, at := h.Next()
	if at.After(time.Now()) {
		return
	}
	b, s := c.box(h.Mailbox), c.service(h.Service)
	switch k := keeper(s, h.Action); {
	case duty == mailbox.Forget:
		c.forgetMeeting(ctx, m.Tag)
		return
	case duty == mailbox.Rest:
		return
	case b == nil || k == nil: // the mailbox or the service is not served at present
		c.dutyDone(ctx, m.Tag, duty, time.Now().Add(24*time.Hour))
		return
	case failed[h.Service]:
		c.dutyDone(ctx, m.Tag, duty, time.Now().Add(dutyEvery+rand.N(dutyEvery)))
		return
	default:
		short, cancel := context.WithTimeout(ctx, dutyTime)
		defer cancel()
		r := meet.Request{
			Mailbox: b.mb, Key: m.Family, Action: h.Action, Tag: m.Tag, Locale: h.Locale,
			Start: h.Times.Start, End: h.Times.End, TimeZone: h.Times.TimeZone, Recurrence: h.Times.Recurrence,
		}
		if duty == mailbox.End {
			err = k.End(short, r)
		} else {
			err = k.Follow(short, r)
		}
	}
	if err == nil {
		c.alarms.clear(alarmServices)
		c.log.Info("meeting at a service", "mailbox", b.mb, "service", h.Service, "did", string(duty))
		if duty == mailbox.End {
			c.forgetMeeting(ctx, m.Tag)
		} else {
			c.dutyDone(ctx, m.Tag, duty, time.Time{})
		}
		return
	}
	failed[h.Service] = true
	if ctx.Err() != nil {
		return // Run stops; it is still due
	}
	retry := time.Now().Add(5*time.Minute + rand.N(5*time.Minute))
	if f, is := errors.AsType[*meet.Error](err); is && !f.RetryAt.IsZero() {
		retry = f.RetryAt
	}
	c.log.Warn("meeting service failed", "mailbox", b.mb, "service", h.Service, "duty", string(duty), "error", err)
	c.alarms.set(alarmServices, fmt.Sprintf("meetings at %s cannot be changed or ended: %v; it is tried again", h.Service, err))
	c.dutyDone(ctx, m.Tag, duty, retry)
}

func (c *Connector) dutyDone(ctx context.Context, tag string, d mailbox.Duty, retry time.Time) {
	if err := c.hosted(ctx, tag, func(_ *store.Meeting, h *mailbox.Hosted) { h.Done(d, retry) }); err != nil && ctx.Err() == nil {
		c.log.Warn("what was done at a meeting service is not put down; it is done again", "tag", tag, "error", err)
	}
}

func (c *Connector) forgetMeeting(ctx context.Context, tag string) {
	if err := c.opt.Meetings.DeleteMeeting(ctx, tag); err != nil && ctx.Err() == nil {
		c.log.Warn("a meeting at a service that is over is not forgotten", "tag", tag, "error", err)
	}
}
