package connector

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/koyomi-cal/koyomi/internal/calendar"
	"github.com/koyomi-cal/koyomi/internal/store"
)

const (
	noteEvery = 5 * time.Second // how often changed statuses are noted
	noteSeen  = time.Minute     // how old the note of a last answer may be
	noteBatch = 1000            // statuses in one transaction
)

// noted is what was last noted of a box.
type noted struct {
	text string // all but the times of answers
	seen time.Time
}

// noteStatuses notes how mailboxes are served, for those who look from beside
// the connector, until ctx ends.
func (c *Connector) noteStatuses(ctx context.Context) {
	last := map[calendar.MailboxID]noted{}
	for {
		if err := c.noteChanged(ctx, last); err != nil && ctx.Err() == nil {
			c.log.Warn("statuses of mailboxes are not noted", "error", err)
			clear(last) // the file may have been begun anew
		}
		if !pause(ctx, noteEvery) {
			return
		}
	}
}

func (c *Connector) noteChanged(ctx context.Context, last map[calendar.MailboxID]noted) error {
	now := time.Now().UTC()
	puts := []store.MailboxNote{{At: now}} // of nobody: the connector runs
	if now.Sub(last[""].seen) < noteSeen {
		puts = nil
	} else {
		last[""] = noted{seen: now}
	}
	flush := func() error {
		if len(puts) == 0 {
			return nil
		}
		err := c.opt.Statuses.PutStatuses(ctx, puts...)
		puts = puts[:0]
		return err
	}
	for _, m := range c.Status().Mailboxes {
		seen := m.Seen
		m.Seen, m.LastSync = time.Time{}, time.Time{}
		text, err := json.Marshal(m)
		if err != nil {
			return err
		}
		old, has := last[m.ID]
		if has && old.text == string(text) && seen.Sub(old.seen) < noteSeen {
			continue
		}
		last[m.ID] = noted{string(text), seen}
		m.Seen = seen
		if text, err = json.Marshal(m); err != nil {
			return err
		}
		puts = append(puts, store.MailboxNote{Mailbox: string(m.ID), At: now, Note: text})
		if len(puts) == noteBatch {
			if err := flush(); err != nil {
				return err
			}
		}
	}
	return flush()
}

// Notes are how mailboxes were served when that was last noted.
type Notes struct {
	Mailboxes map[calendar.MailboxID]MailboxNote
	At        time.Time // when the connector last noted anything, which while it runs is less than two minutes ago
}

// MailboxNote is the status of one mailbox, with the time at which it was noted.
type MailboxNote struct {
	MailboxStatus
	At time.Time
}

// Noted returns what a connector has noted, whether it runs or not.
func Noted(ctx context.Context, statuses store.Statuses) (Notes, error) {
	list, err := statuses.Statuses(ctx)
	if err != nil {
		return Notes{}, fmt.Errorf("read how mailboxes are served: %w", err)
	}
	out := Notes{Mailboxes: make(map[calendar.MailboxID]MailboxNote, len(list))}
	var bad error
	for _, n := range list {
		if n.At.After(out.At) {
			out.At = n.At
		}
		if n.Mailbox == "" {
			continue
		}
		m := MailboxNote{At: n.At}
		if err := json.Unmarshal(n.Note, &m.MailboxStatus); err != nil {
			bad = errors.Join(bad, err) // one bad note hides no other
			continue
		}
		out.Mailboxes[m.ID] = m
	}
	return out, bad
}
