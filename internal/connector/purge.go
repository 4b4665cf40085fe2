package connector

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/koyomi-cal/koyomi/internal/calendar"
	"github.com/koyomi-cal/koyomi/internal/mailbox"
	"github.com/koyomi-cal/koyomi/internal/store"
)

// farewell takes everything of a mailbox that is not served any more out of the
// cloud, has it delivered to nobody, and drops its state. It is repeated until
// it is done; the trace stays until the purge.
func (t *turn) farewell() {
	b := t.b
	b.mem = &memory{core: mailbox.New(b.active.Baseline), rows: map[string]store.Published{}, put: map[string]bool{}, gone: map[string]bool{}}
	defer func() { b.mem = nil }()
	err := t.compare() // nothing is known, so all that there is goes
	if err == nil && b.active.Resource != "" {
		err = t.c.publish.cloud.call(t.ctx, func(ctx context.Context) error {
			return t.c.opt.Cloud.SetDelivery(ctx, b.active.Resource, []string{})
		})
		if unknown(err) {
			err = nil
		}
	}
	if err == nil {
		err = t.dropState()
	}
	if err == nil {
		err = t.c.roster.left(t.ctx, b.mb.ID)
	}
	if err != nil {
		t.c.log.Info("mailbox is not out of the cloud yet; it is tried again", "mailbox", b.mb, "error", err)
		t.retry(t.c.publish.cloud.back())
		return
	}
	t.c.log.Info("mailbox has left", "mailbox", b.mb)
	b.gone.Store(true)
}

// dropState removes the state of a mailbox and what is noted of its entries.
func (t *turn) dropState() error {
	id := string(t.b.mb.ID)
	rows, err := t.c.opt.Cache.Published(t.ctx, id)
	if err != nil {
		return err
	}
	if _, err := t.c.opt.Cache.LoadMailbox(t.ctx, id); err != nil {
		return err
	}
	s := store.MailboxSave{Mailbox: id}
	for entry := range rows {
		s.Withdrawn = append(s.Withdrawn, entry)
	}
	return t.c.opt.Cache.SaveMailbox(t.ctx, s)
}

// Receipt says what a purge removed. It names no content.
type Receipt struct {
	Mailbox    calendar.MailboxID `json:"mailbox"`
	At         time.Time          `json:"at"`
	Record     bool               `json:"record"`     // address, names and owner on the roster
	Activation bool               `json:"activation"` // baseline and the calendar's id
	Resource   string             `json:"resource,omitempty"`
	State      bool               `json:"state"`   // what the core remembered of its items
	Entries    int                `json:"entries"` // noted as being in the cloud
	Trace      int                `json:"trace"`   // lines
	Hours      int                `json:"hours"`   // of write counts, whose sums stay without a name
	Audit      int                `json:"audit"`   // entries that stay for as long as they are kept
}

// Nothing reports whether there was nothing to remove.
func (r Receipt) Nothing() bool {
	return !r.Record && !r.Activation && !r.State && r.Entries == 0 && r.Trace == 0 && r.Hours == 0
}

// The errors of Purge about the mailbox itself.
var (
	ErrServed  = errors.New("it is served: deactivate it first")
	ErrInCloud = errors.New("its list is not taken out of the cloud yet: a running connector does that")
)

// Purge removes everything that is kept of a mailbox that has left, but for the
// audit record, and puts that into the audit record. The same again removes
// nothing more. With force, a list that is still in the cloud is given up.
func (r *Roster) Purge(ctx context.Context, cache store.Cache, actor string, id calendar.MailboxID, force bool) (Receipt, error) {
	rec := Receipt{Mailbox: id, At: time.Now().UTC().Truncate(time.Second)}
	all, err := r.members.Members(ctx)
	if err != nil {
		return rec, fmt.Errorf("read who is served: %w", err)
	}
	for _, m := range all {
		switch {
		case m.Mailbox != string(id):
		case r.member(m).Served():
			return rec, ErrServed
		case m.Standing == store.Leaving && !force:
			return rec, ErrInCloud
		}
	}
	if err := r.count(ctx, cache, &rec); err != nil {
		return rec, err
	}
	if !rec.Nothing() { // first: a purge that is cut short is repeated, never denied
		if err := r.audit(ctx, actor, "mailbox.purge", id); err != nil {
			return rec, err
		}
	}
	if err := cache.DeleteMailbox(ctx, string(id)); err != nil {
		return rec, fmt.Errorf("remove what cache.db has of it: %w", err)
	}
	gone, err := r.members.Purge(ctx, string(id)) // last: as long as it is on the roster, it is found again
	if err != nil {
		return rec, fmt.Errorf("remove what settings.db has of it: %w", err)
	}
	rec.Record, rec.Activation, rec.Hours = gone.Member, gone.Activation, gone.Hours
	return rec, nil
}

// count fills in what there is.
func (r *Roster) count(ctx context.Context, cache store.Cache, rec *Receipt) error {
	id := string(rec.Mailbox)
	st, err := cache.LoadMailbox(ctx, id)
	if err != nil {
		return err
	}
	rows, err := cache.Published(ctx, id)
	if err != nil {
		return err
	}
	lines, err := cache.Trace(ctx, id, time.Time{})
	if err != nil {
		return err
	}
	active, err := r.settings.Activated(ctx)
	if err != nil {
		return err
	}
	for _, a := range active {
		if a.Mailbox == id {
			rec.Resource, rec.Activation = a.Resource, true
		}
	}
	members, err := r.members.Members(ctx)
	if err != nil {
		return err
	}
	for _, m := range members {
		rec.Record = rec.Record || m.Mailbox == id
	}
	history, err := r.History(ctx, rec.Mailbox)
	rec.State, rec.Entries, rec.Trace, rec.Audit = len(st.Core) > 0, len(rows), len(lines), len(history)
	return err
}

// maxHistory is how many audit entries of one mailbox are shown.
const maxHistory = 10000

// History returns what was done to a mailbox, oldest first.
func (r *Roster) History(ctx context.Context, id calendar.MailboxID) ([]store.AuditEntry, error) {
	h, err := r.members.History(ctx, string(id), maxHistory)
	if err != nil {
		return nil, fmt.Errorf("read the audit record: %w", err)
	}
	return h, nil
}

// Audited puts into the audit record that something was done to a mailbox.
func (r *Roster) Audited(ctx context.Context, actor, action string, id calendar.MailboxID) error {
	return r.audit(ctx, actor, action, id)
}

// purgeLeft purges the mailboxes that left long ago.
func (c *Connector) purgeLeft(ctx context.Context, now time.Time) {
	if c.roster == nil || c.opt.PurgeAfter < 0 {
		return
	}
	members, err := c.roster.Members(ctx)
	if err != nil {
		c.log.Warn("mailboxes that left are not purged", "error", err)
		return
	}
	for _, m := range members {
		if m.Standing != store.Left || now.Sub(m.At) < c.opt.PurgeAfter {
			continue
		}
		rec, err := c.roster.Purge(ctx, c.opt.Cache, "connector", m.ID, false)
		if err != nil {
			c.log.Warn("mailbox that left is not purged", "mailbox", m.Mailbox, "error", err)
			continue
		}
		c.log.Info("mailbox that left is purged", "mailbox", m.Mailbox, "entries", rec.Entries, "trace", rec.Trace, "hours", rec.Hours)
	}
}
