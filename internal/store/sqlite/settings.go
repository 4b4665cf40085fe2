package sqlite

import (
	"context"
	"database/sql"
	"time"

	"github.com/koyomi-cal/koyomi/internal/store"
)

// Settings is the connector's settings.db.
type Settings struct{ db *db }

// OpenSettings opens the connector's settings.db, making it if it is not there.
func OpenSettings(ctx context.Context, o Options) (*Settings, error) {
	d, err := open(ctx, o, kind{name: "settings", durable: true})
	if err != nil {
		return nil, err
	}
	return &Settings{d}, nil
}

// Close closes the file.
func (s *Settings) Close() error { return s.db.close() }

// PutActivated implements store.Settings.
func (s *Settings) PutActivated(ctx context.Context, a store.Activated) error {
	return s.db.update(ctx, func(tx *sql.Tx) error {
		_, err := exec(ctx, tx, `INSERT INTO activated (mailbox, baseline, resource, at) VALUES ($1, $2, $3, $4)
			ON CONFLICT (mailbox) DO UPDATE SET baseline = excluded.baseline, resource = excluded.resource, at = excluded.at`,
			a.Mailbox, micros(a.Baseline), a.Resource, micros(a.At))
		return err
	})
}

// Activated implements store.Settings.
func (s *Settings) Activated(ctx context.Context) (all []store.Activated, err error) {
	err = s.db.view(ctx, func(tx *sql.Tx) error {
		return rows(ctx, tx, func(r *sql.Rows) error {
			var a store.Activated
			var baseline, at int64
			if err := r.Scan(&a.Mailbox, &baseline, &a.Resource, &at); err != nil {
				return err
			}
			a.Baseline, a.At = fromMicros(baseline), fromMicros(at)
			all = append(all, a)
			return nil
		}, `SELECT mailbox, baseline, resource, at FROM activated ORDER BY mailbox`)
	})
	return all, err
}

// DeleteActivated implements store.Settings.
func (s *Settings) DeleteActivated(ctx context.Context, mailbox string) error {
	return s.db.update(ctx, func(tx *sql.Tx) error {
		_, err := exec(ctx, tx, `DELETE FROM activated WHERE mailbox = $1`, mailbox)
		return err
	})
}

// Value implements store.Settings.
func (s *Settings) Value(ctx context.Context, key string) ([]byte, error) {
	return s.db.value(ctx, key)
}

// PutValue implements store.Settings.
func (s *Settings) PutValue(ctx context.Context, key string, value []byte) error {
	return s.db.update(ctx, func(tx *sql.Tx) error {
		_, err := exec(ctx, tx, `INSERT INTO setting (name, value) VALUES ($1, $2)
			ON CONFLICT (name) DO UPDATE SET value = excluded.value`, key, blob(value))
		return err
	})
}

// InitValue implements store.Settings.
func (s *Settings) InitValue(ctx context.Context, key string, value []byte) ([]byte, error) {
	return s.db.initValue(ctx, key, value)
}

// AddWrites implements store.Settings.
func (s *Settings) AddWrites(ctx context.Context, mailbox string, at time.Time, writes, recipients int) error {
	return s.db.update(ctx, func(tx *sql.Tx) error {
		_, err := exec(ctx, tx, `INSERT INTO write_count (mailbox, hour, writes, recipients) VALUES ($1, $2, $3, $4)
			ON CONFLICT (hour, mailbox) DO UPDATE SET
				writes = write_count.writes + excluded.writes, recipients = write_count.recipients + excluded.recipients`,
			mailbox, micros(at.UTC().Truncate(time.Hour)), writes, recipients)
		return err
	})
}

// Writes implements store.Settings.
func (s *Settings) Writes(ctx context.Context, since time.Time) (all []store.WriteCount, err error) {
	err = s.db.view(ctx, func(tx *sql.Tx) error {
		return rows(ctx, tx, func(r *sql.Rows) error {
			var c store.WriteCount
			var hour int64
			if err := r.Scan(&c.Mailbox, &hour, &c.Writes, &c.Recipients); err != nil {
				return err
			}
			c.Hour = fromMicros(hour)
			all = append(all, c)
			return nil
		}, `SELECT mailbox, hour, writes, recipients FROM write_count WHERE hour > $1 ORDER BY hour, mailbox`,
			micros(since.Add(-time.Hour)))
	})
	return all, err
}

// Audit implements store.Settings.
func (s *Settings) Audit(ctx context.Context, e store.AuditEntry) error {
	return s.db.update(ctx, func(tx *sql.Tx) error { return audit(ctx, tx, e) })
}

// AuditSince implements store.Settings.
func (s *Settings) AuditSince(ctx context.Context, since time.Time, limit int) ([]store.AuditEntry, error) {
	return s.db.auditSince(ctx, since, limit)
}

// Prune implements store.Settings.
func (s *Settings) Prune(ctx context.Context, writes, audit time.Time) error {
	return s.db.update(ctx, func(tx *sql.Tx) error {
		if _, err := exec(ctx, tx, `DELETE FROM write_count WHERE hour < $1`, micros(writes)); err != nil {
			return err
		}
		_, err := exec(ctx, tx, `DELETE FROM audit WHERE at < $1`, micros(audit))
		return err
	})
}

// What several files have: named values, and an audit record.

func (d *db) value(ctx context.Context, key string) (value []byte, err error) {
	err = d.view(ctx, func(tx *sql.Tx) error {
		return tx.QueryRowContext(ctx, `SELECT value FROM setting WHERE name = $1`, key).Scan(&value)
	})
	return value, err
}

func (d *db) initValue(ctx context.Context, key string, value []byte) (stands []byte, err error) {
	err = d.update(ctx, func(tx *sql.Tx) error {
		_, err := exec(ctx, tx, `INSERT INTO setting (name, value) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING`, key, blob(value))
		if err != nil {
			return err
		}
		return tx.QueryRowContext(ctx, `SELECT value FROM setting WHERE name = $1`, key).Scan(&stands)
	})
	return stands, err
}

func audit(ctx context.Context, tx *sql.Tx, e store.AuditEntry) error {
	_, err := exec(ctx, tx, `INSERT INTO audit (n, at, actor, action, subject)
		SELECT COALESCE(MAX(n), 0) + 1, $1, $2, $3, $4 FROM audit`, micros(e.At), e.Actor, e.Action, e.Subject)
	return err
}

func (d *db) auditSince(ctx context.Context, since time.Time, limit int) (all []store.AuditEntry, err error) {
	err = d.view(ctx, func(tx *sql.Tx) error {
		return rows(ctx, tx, func(r *sql.Rows) error {
			var e store.AuditEntry
			var at int64
			if err := r.Scan(&at, &e.Actor, &e.Action, &e.Subject); err != nil {
				return err
			}
			e.At = fromMicros(at)
			all = append(all, e)
			return nil
		}, `SELECT at, actor, action, subject FROM audit WHERE at >= $1 ORDER BY n LIMIT $2`, micros(since), limit)
	})
	return all, err
}
