package sqlite

import (
	"context"
	"crypto/subtle"
	"database/sql"
	"errors"
	"time"

	"github.com/koyomi-cal/koyomi/internal/store"
)

// KMS is the key server's settings.db.
type KMS struct{ db *db }

// OpenKMS opens the key server's settings.db, making it if it is not there.
func OpenKMS(ctx context.Context, o Options) (*KMS, error) {
	d, err := open(ctx, o, kind{name: "kms", durable: true, erase: true})
	if err != nil {
		return nil, err
	}
	return &KMS{d}, nil
}

// Close closes the file.
func (k *KMS) Close() error { return k.db.close() }

// InitValue implements store.KMS.
func (k *KMS) InitValue(ctx context.Context, key string, value []byte) ([]byte, error) {
	return k.db.initValue(ctx, key, value)
}

// Value implements store.KMS.
func (k *KMS) Value(ctx context.Context, key string) ([]byte, error) { return k.db.value(ctx, key) }

// PutCode implements store.KMS.
func (k *KMS) PutCode(ctx context.Context, c store.Code, e store.AuditEntry) error {
	return k.db.update(ctx, func(tx *sql.Tx) error {
		_, err := exec(ctx, tx, `INSERT INTO code (id, hash, expires, tries, role, subject, instance) VALUES ($1, $2, $3, $4, $5, $6, '')`,
			c.ID, c.Hash[:], micros(c.Expires), c.Tries, c.Role, c.Subject)
		if err != nil {
			return err
		}
		return audit(ctx, tx, e)
	})
}

// Enrol implements store.KMS.
func (k *KMS) Enrol(ctx context.Context, id string, hash [32]byte, in store.Instance) (got store.Instance, err error) {
	good := false
	err = k.db.update(ctx, func(tx *sql.Tx) error {
		var stored []byte
		var expires int64
		var tries int
		var spent string
		err := tx.QueryRowContext(ctx, `SELECT hash, expires, tries, role, subject, instance FROM code WHERE id = $1`, id).
			Scan(&stored, &expires, &tries, &in.Role, &in.Subject, &spent)
		if errors.Is(err, sql.ErrNoRows) {
			return nil
		}
		if err != nil {
			return err
		}
		if tries < 1 || micros(in.At) >= expires {
			return nil
		}
		if subtle.ConstantTimeCompare(stored, hash[:]) == 0 {
			_, err := exec(ctx, tx, `UPDATE code SET tries = tries - 1 WHERE id = $1`, id)
			return err
		}
		if spent != "" {
			got, err = instance(ctx, tx, spent)
			good = err == nil && subtle.ConstantTimeCompare(got.Public, in.Public) == 1
			return err
		}
		if _, err := exec(ctx, tx, `UPDATE code SET instance = $1 WHERE id = $2`, in.ID, id); err != nil {
			return err
		}
		_, err = exec(ctx, tx, `INSERT INTO instance (id, role, subject, public, at) VALUES ($1, $2, $3, $4, $5)`,
			in.ID, in.Role, in.Subject, blob(in.Public), micros(in.At))
		if err != nil {
			return err
		}
		got, good = in, true
		return audit(ctx, tx, store.AuditEntry{At: in.At, Actor: in.ID, Action: "enrol", Subject: in.Subject})
	})
	if err == nil && !good {
		err = store.ErrCode
	}
	if err != nil {
		return store.Instance{}, err
	}
	return got, nil
}

func instance(ctx context.Context, tx *sql.Tx, id string) (in store.Instance, err error) {
	var at int64
	err = tx.QueryRowContext(ctx, `SELECT id, role, subject, public, at FROM instance WHERE id = $1`, id).
		Scan(&in.ID, &in.Role, &in.Subject, &in.Public, &at)
	in.At = fromMicros(at)
	return in, err
}

// Instance implements store.KMS.
func (k *KMS) Instance(ctx context.Context, id string) (in store.Instance, err error) {
	err = k.db.view(ctx, func(tx *sql.Tx) error {
		in, err = instance(ctx, tx, id)
		return err
	})
	return in, err
}

// UseNonce implements store.KMS.
func (k *KMS) UseNonce(ctx context.Context, instance, nonce string, expires time.Time) (fresh bool, err error) {
	err = k.db.update(ctx, func(tx *sql.Tx) error {
		n, err := exec(ctx, tx, `INSERT INTO nonce (instance, nonce, expires) VALUES ($1, $2, $3)
			ON CONFLICT (instance, nonce) DO NOTHING`, instance, nonce, micros(expires))
		fresh = n == 1
		return err
	})
	return fresh && err == nil, err
}

// EnsureResource implements store.KMS.
func (k *KMS) EnsureResource(ctx context.Context, r store.Resource) (got store.Resource, err error) {
	err = k.db.update(ctx, func(tx *sql.Tx) error {
		have, err := owned(ctx, tx, r.Owner)
		if err != nil {
			return err
		}
		if len(have) > 0 {
			got = have[0]
			if got.Connector != r.Connector {
				return store.ErrTaken
			}
			return nil
		}
		_, err = exec(ctx, tx, `INSERT INTO resource (id, owner, connector, at) VALUES ($1, $2, $3, $4)`, r.ID, r.Owner, r.Connector, micros(r.At))
		if err != nil {
			return err
		}
		for _, w := range r.Keys {
			_, err := exec(ctx, tx, `INSERT INTO wrapped_key (kid, resource, part, wrapped) VALUES ($1, $2, $3, $4)`, w.KID, r.ID, w.Part, blob(w.Wrapped))
			if err != nil {
				return err
			}
		}
		got = r
		return audit(ctx, tx, store.AuditEntry{At: r.At, Actor: r.Connector, Action: "resource.create", Subject: r.ID})
	})
	if err != nil {
		return store.Resource{}, err
	}
	return got, nil
}

// Owned implements store.KMS.
func (k *KMS) Owned(ctx context.Context, owner string) (all []store.Resource, err error) {
	err = k.db.view(ctx, func(tx *sql.Tx) error {
		all, err = owned(ctx, tx, owner)
		return err
	})
	return all, err
}

func owned(ctx context.Context, tx *sql.Tx, owner string) (all []store.Resource, err error) {
	err = rows(ctx, tx, func(r *sql.Rows) error {
		var res store.Resource
		var at int64
		if err := r.Scan(&res.ID, &res.Owner, &res.Connector, &at); err != nil {
			return err
		}
		res.At = fromMicros(at)
		all = append(all, res)
		return nil
	}, `SELECT id, owner, connector, at FROM resource WHERE owner = $1`, owner)
	if err != nil {
		return nil, err
	}
	for i := range all {
		err := rows(ctx, tx, func(r *sql.Rows) error {
			var w store.WrappedKey
			if err := r.Scan(&w.KID, &w.Part, &w.Wrapped); err != nil {
				return err
			}
			all[i].Keys = append(all[i].Keys, w)
			return nil
		}, `SELECT kid, part, wrapped FROM wrapped_key WHERE resource = $1 ORDER BY kid`, all[i].ID)
		if err != nil {
			return nil, err
		}
	}
	return all, nil
}

// WrappedKeys implements store.KMS.
func (k *KMS) WrappedKeys(ctx context.Context, kids []string) (all []store.OwnedKey, err error) {
	err = k.db.view(ctx, func(tx *sql.Tx) error {
		for _, kid := range kids {
			var o store.OwnedKey
			err := tx.QueryRowContext(ctx, `SELECT k.kid, k.part, k.wrapped, r.id, r.owner, r.connector
				FROM wrapped_key k JOIN resource r ON r.id = k.resource WHERE k.kid = $1`, kid).
				Scan(&o.KID, &o.Part, &o.Wrapped, &o.Resource, &o.Owner, &o.Connector)
			switch {
			case errors.Is(err, sql.ErrNoRows):
			case err != nil:
				return err
			default:
				all = append(all, o)
			}
		}
		return nil
	})
	return all, err
}

// AuditSince implements store.KMS.
func (k *KMS) AuditSince(ctx context.Context, since time.Time, limit int) ([]store.AuditEntry, error) {
	return k.db.auditSince(ctx, since, limit)
}

// Prune implements store.KMS.
func (k *KMS) Prune(ctx context.Context, now time.Time) error {
	return k.db.update(ctx, func(tx *sql.Tx) error {
		if _, err := exec(ctx, tx, `DELETE FROM nonce WHERE expires < $1`, micros(now)); err != nil {
			return err
		}
		_, err := exec(ctx, tx, `DELETE FROM code WHERE expires < $1`, micros(now))
		return err
	})
}
