package connector

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/koyomi-cal/koyomi/internal/calendar"
	"github.com/koyomi-cal/koyomi/internal/mailbox"
	"github.com/koyomi-cal/koyomi/internal/store"
)

// loadHistory is how far back the busiest hour is looked for.
const loadHistory = 60 * 24 * time.Hour

// breaker counts writes by the hour, for all mailboxes together, and stops them
// when the pure [mailbox.Breaker] says so. Counts and the stop are in
// settings.db: a restart lifts nothing.
type breaker struct {
	settings store.Settings
	alarms   *alarms

	mu      sync.Mutex
	rule    mailbox.Breaker
	hour    time.Time // the hour that load counts
	load    mailbox.Load
	tripped bool
	before  bool // it was tripped before this start: what it held is not known
}

const (
	keySince   = "breaker.since"
	keyTripped = "breaker.tripped"
)

func newBreaker(ctx context.Context, opt Options, served int, a *alarms) (*breaker, error) {
	now := time.Now().UTC()
	b := &breaker{
		settings: opt.Settings, alarms: a, hour: now.Truncate(time.Hour),
		rule: mailbox.Breaker{Writes: opt.Writes, Recipients: opt.Recipients, Mailboxes: served},
	}
	text, err := now.MarshalText()
	if err != nil {
		return nil, err
	}
	if text, err = opt.Settings.InitValue(ctx, keySince, text); err != nil {
		return nil, err
	}
	if err := b.rule.Since.UnmarshalText(text); err != nil {
		return nil, fmt.Errorf("%s in settings.db: %w", keySince, err)
	}
	counts, err := opt.Settings.Writes(ctx, now.Add(-loadHistory))
	if err != nil {
		return nil, err
	}
	hours := map[time.Time]mailbox.Load{}
	for _, n := range counts {
		h := hours[n.Hour.UTC()]
		h.Writes += n.Writes
		h.Recipients += n.Recipients
		hours[n.Hour.UTC()] = h
	}
	for h, l := range hours {
		if h.Equal(b.hour) {
			b.load = l
		} else {
			b.peak(l)
		}
	}
	switch note, err := opt.Settings.Value(ctx, keyTripped); {
	case err == nil && len(note) > 0:
		b.before = true
		b.trip()
	case err == nil:
	case !errors.Is(err, store.ErrNotFound):
		return nil, err
	}
	return b, nil
}

func (b *breaker) peak(l mailbox.Load) {
	b.rule.Peak.Writes = max(b.rule.Peak.Writes, l.Writes)
	b.rule.Peak.Recipients = max(b.rule.Peak.Recipients, l.Recipients)
}

func (b *breaker) trip() {
	b.tripped = true
	b.alarms.set(alarmBreaker, "the breaker holds all writes to calendars: more were due in this hour than ever before, or than the cap allows; look at the trace, then run koyomi connector acknowledge")
}

// take counts a write before it is made. It reports false where the breaker
// holds it back.
func (b *breaker) take(ctx context.Context, id calendar.MailboxID, now time.Time, recipients int) (bool, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if h := now.UTC().Truncate(time.Hour); h.After(b.hour) {
		b.peak(b.load)
		b.hour, b.load = h, mailbox.Load{}
	}
	if b.tripped {
		return false, nil
	}
	if !b.rule.Allow(now, b.load, recipients) {
		note, err := json.Marshal(b.load)
		if err != nil {
			return false, err
		}
		if err := b.settings.PutValue(ctx, keyTripped, note); err != nil {
			return false, fmt.Errorf("record that the breaker holds writes: %w", err)
		}
		b.trip()
		return false, nil
	}
	if err := b.settings.AddWrites(ctx, string(id), now, 1, recipients); err != nil {
		return false, fmt.Errorf("count a write: %w", err)
	}
	b.load.Writes++
	b.load.Recipients += recipients
	return true, nil
}

// giveBack takes a write off again that was certainly not made. A count that
// stays is on the safe side.
func (b *breaker) giveBack(ctx context.Context, id calendar.MailboxID, at time.Time, recipients int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.settings.AddWrites(ctx, string(id), at, -1, -recipients) != nil {
		return
	}
	if at.UTC().Truncate(time.Hour).Equal(b.hour) {
		b.load.Writes--
		b.load.Recipients -= recipients
	}
}

// acknowledge lets writes go on. What was written in the current hour counts as
// learned, or the next write would stop them again.
// It reports whether any mailbox may have something that was held.
func (b *breaker) acknowledge(ctx context.Context) (all bool, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.tripped {
		return false, nil
	}
	if err := b.settings.PutValue(ctx, keyTripped, []byte{}); err != nil {
		return false, fmt.Errorf("record that the breaker was acknowledged: %w", err)
	}
	b.peak(b.load)
	all, b.load, b.tripped, b.before = b.before, mailbox.Load{}, false, false
	b.alarms.clear(alarmBreaker)
	return all, nil
}

// numbers returns what the current hour holds and may hold.
func (b *breaker) numbers(now time.Time) (load, limit mailbox.Load) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if now.UTC().Truncate(time.Hour).Equal(b.hour) {
		load = b.load
	}
	return load, b.rule.Limit(now)
}

// Acknowledge lets writes go on after the breaker has held them, and has the
// mailboxes in which something was held looked at again.
func (c *Connector) Acknowledge(ctx context.Context) error {
	all, err := c.breaker.acknowledge(ctx)
	if err != nil {
		return err
	}
	if err := c.opt.Settings.Audit(ctx, store.AuditEntry{At: time.Now().UTC(), Actor: "administrator", Action: "breaker.acknowledge"}); err != nil {
		return fmt.Errorf("record that the breaker was acknowledged: %w", err)
	}
	for _, b := range c.list() {
		b.mu.Lock()
		held := b.held
		b.held = false
		b.mu.Unlock()
		if held || all {
			b.post(mailbox.Lost{})
		}
	}
	return nil
}
