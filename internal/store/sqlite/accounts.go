package sqlite

import (
	"context"
	"crypto/subtle"
	"database/sql"
	"errors"
	"time"

	"github.com/koyomi-cal/koyomi/internal/store"
)

// Accounts is the cloud's settings.db.
type Accounts struct{ db *db }

// OpenAccounts opens the cloud's settings.db, making it if it is not there.
func OpenAccounts(ctx context.Context, o Options) (*Accounts, error) {
	d, err := open(ctx, o, kind{name: "accounts", durable: true})
	if err != nil {
		return nil, err
	}
	return &Accounts{d}, nil
}

// Close closes the file.
func (a *Accounts) Close() error { return a.db.close() }

// PutCode implements store.Accounts.
func (a *Accounts) PutCode(ctx context.Context, c store.Code) error {
	return a.db.update(ctx, func(tx *sql.Tx) error {
		_, err := exec(ctx, tx, `INSERT INTO code (id, hash, expires, tries, role, subject) VALUES ($1, $2, $3, $4, $5, $6)`,
			c.ID, c.Hash[:], micros(c.Expires), c.Tries, c.Role, c.Subject)
		return err
	})
}

// Redeem implements store.Accounts.
func (a *Accounts) Redeem(ctx context.Context, id string, hash, credential [32]byte, now time.Time) (acc store.Account, err error) {
	good := false
	err = a.db.update(ctx, func(tx *sql.Tx) error {
		var stored []byte
		var expires int64
		var tries int
		err := tx.QueryRowContext(ctx, `SELECT hash, expires, tries, role, subject FROM code WHERE id = $1`, id).
			Scan(&stored, &expires, &tries, &acc.Role, &acc.ID)
		if errors.Is(err, sql.ErrNoRows) {
			return nil
		}
		if err != nil {
			return err
		}
		if tries < 1 || micros(now) >= expires {
			return nil
		}
		if subtle.ConstantTimeCompare(stored, hash[:]) == 0 {
			_, err := exec(ctx, tx, `UPDATE code SET tries = tries - 1 WHERE id = $1`, id)
			return err
		}
		if _, err := exec(ctx, tx, `DELETE FROM code WHERE id = $1`, id); err != nil {
			return err
		}
		good = true
		_, err = exec(ctx, tx, `INSERT INTO credential (hash, account, role, at) VALUES ($1, $2, $3, $4)`,
			credential[:], acc.ID, acc.Role, micros(now))
		return err
	})
	if err == nil && !good {
		err = store.ErrCode
	}
	if err != nil {
		return store.Account{}, err
	}
	return acc, nil
}

// Account implements store.Accounts.
func (a *Accounts) Account(ctx context.Context, credential [32]byte) (acc store.Account, err error) {
	err = a.db.view(ctx, func(tx *sql.Tx) error {
		return tx.QueryRowContext(ctx, `SELECT account, role FROM credential WHERE hash = $1`, credential[:]).Scan(&acc.ID, &acc.Role)
	})
	return acc, err
}

// InitValue implements store.Accounts.
func (a *Accounts) InitValue(ctx context.Context, key string, value []byte) ([]byte, error) {
	return a.db.initValue(ctx, key, value)
}

// Prune implements store.Accounts.
func (a *Accounts) Prune(ctx context.Context, now time.Time) error {
	return a.db.update(ctx, func(tx *sql.Tx) error {
		_, err := exec(ctx, tx, `DELETE FROM code WHERE expires < $1`, micros(now))
		return err
	})
}

// Ping implements store.Accounts.
func (a *Accounts) Ping(ctx context.Context) error { return a.db.ping(ctx) }

// ping fails if the file is gone or cannot be read.
func (d *db) ping(ctx context.Context) error {
	if err := d.present(); err != nil {
		return err
	}
	var n int
	return d.explain(d.read.QueryRowContext(ctx, `SELECT COUNT(*) FROM goose_db_version`).Scan(&n))
}
