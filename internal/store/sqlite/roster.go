package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"slices"
	"strconv"

	"github.com/koyomi-cal/koyomi/internal/store"
)

// PutMembers implements store.Roster.
func (s *Settings) PutMembers(ctx context.Context, members []store.Member, entries ...store.AuditEntry) error {
	return s.db.update(ctx, func(tx *sql.Tx) error {
		for _, m := range members {
			_, err := exec(ctx, tx, `INSERT INTO roster (mailbox, standing, at, details) VALUES ($1, $2, $3, $4)
				ON CONFLICT (mailbox) DO UPDATE SET standing = excluded.standing, at = excluded.at, details = excluded.details`,
				m.Mailbox, string(m.Standing), micros(m.At), blob(m.Details))
			if err != nil {
				return err
			}
		}
		for _, e := range entries {
			if err := audit(ctx, tx, e); err != nil {
				return err
			}
		}
		return raiseRosterRev(ctx, tx)
	})
}

// MoveMember implements store.Roster.
func (s *Settings) MoveMember(ctx context.Context, mailbox string, from, to store.Standing) (moved bool, err error) {
	err = s.db.update(ctx, func(tx *sql.Tx) error {
		n, err := exec(ctx, tx, `UPDATE roster SET standing = $3 WHERE mailbox = $1 AND standing = $2`, mailbox, string(from), string(to))
		if moved = n > 0; err != nil || !moved {
			return err
		}
		return raiseRosterRev(ctx, tx)
	})
	return moved, err
}

// Members implements store.Roster.
func (s *Settings) Members(ctx context.Context) (all []store.Member, err error) {
	err = s.db.view(ctx, func(tx *sql.Tx) error {
		return rows(ctx, tx, func(r *sql.Rows) error {
			var m store.Member
			var standing string
			var at int64
			if err := r.Scan(&m.Mailbox, &standing, &at, &m.Details); err != nil {
				return err
			}
			m.Standing, m.At = store.Standing(standing), fromMicros(at)
			all = append(all, m)
			return nil
		}, `SELECT mailbox, standing, at, details FROM roster ORDER BY mailbox`)
	})
	return all, err
}

// RosterRev implements store.Roster.
func (s *Settings) RosterRev(ctx context.Context) (rev int64, err error) {
	err = s.db.view(ctx, func(tx *sql.Tx) (err error) {
		rev, err = rosterRev(ctx, tx)
		return err
	})
	return rev, err
}

// rosterRevision is the setting that counts the changes of the roster.
const rosterRevision = "roster.rev"

func rosterRev(ctx context.Context, tx *sql.Tx) (int64, error) {
	var value []byte
	err := tx.QueryRowContext(ctx, `SELECT value FROM setting WHERE name = $1`, rosterRevision).Scan(&value)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	return strconv.ParseInt(string(value), 10, 64)
}

func raiseRosterRev(ctx context.Context, tx *sql.Tx) error {
	rev, err := rosterRev(ctx, tx)
	if err != nil {
		return err
	}
	_, err = exec(ctx, tx, `INSERT INTO setting (name, value) VALUES ($1, $2)
		ON CONFLICT (name) DO UPDATE SET value = excluded.value`, rosterRevision, []byte(strconv.FormatInt(rev+1, 10)))
	return err
}

// History implements store.Roster.
func (s *Settings) History(ctx context.Context, mailbox string, limit int) (all []store.AuditEntry, err error) {
	err = s.db.view(ctx, func(tx *sql.Tx) error {
		return rows(ctx, tx, func(r *sql.Rows) error {
			var e store.AuditEntry
			var at int64
			if err := r.Scan(&at, &e.Actor, &e.Action, &e.Subject); err != nil {
				return err
			}
			e.At = fromMicros(at)
			all = append(all, e)
			return nil
		}, `SELECT at, actor, action, subject FROM audit WHERE subject = $1 ORDER BY n DESC LIMIT $2`, mailbox, limit)
	})
	slices.Reverse(all)
	return all, err
}

// Purge implements store.Roster.
func (s *Settings) Purge(ctx context.Context, mailbox string) (p store.Purged, err error) {
	err = s.db.update(ctx, func(tx *sql.Tx) error {
		p = store.Purged{}
		var served int
		err := tx.QueryRowContext(ctx, `SELECT COUNT(*) FROM roster WHERE mailbox = $1 AND standing IN ($2, $3)`,
			mailbox, string(store.Configured), string(store.Chosen)).Scan(&served)
		if err != nil {
			return err
		}
		if served > 0 {
			return store.ErrTaken
		}
		n, err := exec(ctx, tx, `DELETE FROM roster WHERE mailbox = $1`, mailbox)
		if err != nil {
			return err
		}
		p.Member = n > 0
		if n, err = exec(ctx, tx, `DELETE FROM activated WHERE mailbox = $1`, mailbox); err != nil {
			return err
		}
		p.Activation = n > 0
		// The sums stay, nobody's: what is usual in an hour is learned from them.
		_, err = exec(ctx, tx, `INSERT INTO write_count (mailbox, hour, writes, recipients)
			SELECT '', hour, writes, recipients FROM write_count WHERE mailbox = $1
			ON CONFLICT (hour, mailbox) DO UPDATE SET
				writes = write_count.writes + excluded.writes, recipients = write_count.recipients + excluded.recipients`, mailbox)
		if err != nil {
			return err
		}
		n, err = exec(ctx, tx, `DELETE FROM write_count WHERE mailbox = $1`, mailbox)
		p.Hours = int(n)
		return err
	})
	return p, err
}

// PutStatuses implements store.Statuses.
func (c *Cache) PutStatuses(ctx context.Context, list ...store.MailboxNote) error {
	return c.change(ctx, nil, func(tx *sql.Tx) error {
		for _, n := range list {
			_, err := exec(ctx, tx, `INSERT INTO status (mailbox, at, note) VALUES ($1, $2, $3)
				ON CONFLICT (mailbox) DO UPDATE SET at = excluded.at, note = excluded.note`, n.Mailbox, micros(n.At), blob(n.Note))
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// Statuses implements store.Statuses.
func (c *Cache) Statuses(ctx context.Context) (all []store.MailboxNote, err error) {
	err = c.file.use(ctx, func(d *db, _ int) error {
		all = nil
		return d.view(ctx, func(tx *sql.Tx) error {
			return rows(ctx, tx, func(r *sql.Rows) error {
				var n store.MailboxNote
				var at int64
				if err := r.Scan(&n.Mailbox, &at, &n.Note); err != nil {
					return err
				}
				n.At = fromMicros(at)
				all = append(all, n)
				return nil
			}, `SELECT mailbox, at, note FROM status ORDER BY mailbox`)
		})
	})
	return all, err
}
