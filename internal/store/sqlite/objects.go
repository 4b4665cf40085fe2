package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/koyomi-cal/koyomi/internal/store"
)

// Objects is the cloud's cache.db.
type Objects struct{ file *renewable }

// OpenObjects opens the cloud's cache.db, making it if it is not there or
// damaged.
func OpenObjects(ctx context.Context, o Options) (*Objects, error) {
	f, err := openRenewable(ctx, o, kind{name: "objects"}, beginSequence)
	if err != nil {
		return nil, err
	}
	return &Objects{f}, nil
}

// beginSequence starts a new file's sequence at the time in microseconds: above
// what any earlier file gave out, as long as that changed less than a million
// times a second and the clock was not set back.
func beginSequence(ctx context.Context, d *db) error {
	return d.update(ctx, func(tx *sql.Tx) error {
		_, err := exec(ctx, tx, `INSERT INTO sequence (id, value) VALUES (1, $1) ON CONFLICT (id) DO NOTHING`, time.Now().UnixMicro())
		return err
	})
}

// Close closes the file.
func (o *Objects) Close() error { return o.file.close() }

// do runs fn on the file, once more if the file had to be begun anew: then the
// second run finds it empty, and says so.
func (o *Objects) do(ctx context.Context, fn func(d *db) error) error {
	run := func(d *db, _ int) error { return fn(d) }
	err := o.file.use(ctx, run)
	if errors.Is(err, store.ErrLost) || errors.Is(err, store.ErrDamaged) {
		err = o.file.use(ctx, run)
	}
	return err
}

func (o *Objects) update(ctx context.Context, fn func(tx *sql.Tx) error) error {
	return o.do(ctx, func(d *db) error { return d.update(ctx, fn) })
}

func (o *Objects) view(ctx context.Context, fn func(tx *sql.Tx) error) error {
	return o.do(ctx, func(d *db) error { return d.view(ctx, fn) })
}

// SetDelivery implements store.Objects.
func (o *Objects) SetDelivery(ctx context.Context, connector, resource string, accounts []string) (n store.Notice, err error) {
	err = o.update(ctx, func(tx *sql.Tx) error {
		n = store.Notice{}
		seq, err := writable(ctx, tx, connector, resource)
		isNew := errors.Is(err, errNoResource)
		if err != nil && !isNew {
			return err
		}
		have, err := delivery(ctx, tx, resource)
		if err != nil {
			return err
		}
		n = store.Notice{Change: store.Change{Resource: resource, Cursor: seq}, Accounts: difference(have, accounts)}
		if !isNew && len(n.Accounts) == 0 {
			return nil
		}
		n.Changed = true
		if n.Cursor, err = nextSeq(ctx, tx); err != nil {
			return err
		}
		if isNew {
			_, err = exec(ctx, tx, `INSERT INTO resource (id, connector, seq, floor) VALUES ($1, $2, $3, $3)`, resource, connector, n.Cursor)
		} else {
			_, err = exec(ctx, tx, `UPDATE resource SET seq = $1 WHERE id = $2`, n.Cursor, resource)
		}
		if err != nil {
			return err
		}
		if _, err := exec(ctx, tx, `DELETE FROM delivery WHERE resource = $1`, resource); err != nil {
			return err
		}
		for _, a := range accounts {
			_, err := exec(ctx, tx, `INSERT INTO delivery (account, resource) VALUES ($1, $2) ON CONFLICT (account, resource) DO NOTHING`, a, resource)
			if err != nil {
				return err
			}
		}
		return nil
	})
	return n, err
}

// errNoResource is ErrNotFound for a resource that nobody has.
var errNoResource = fmt.Errorf("%w: no such resource", store.ErrNotFound)

// writable returns where a resource stands if it is the connector's. It fails
// with errNoResource if it is nobody's and with ErrNotFound if it is another's.
func writable(ctx context.Context, tx *sql.Tx, connector, resource string) (seq int64, err error) {
	var whose string
	err = tx.QueryRowContext(ctx, `SELECT connector, seq FROM resource WHERE id = $1`, resource).Scan(&whose, &seq)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return 0, errNoResource
	case err != nil:
		return 0, err
	case whose != connector:
		return 0, store.ErrNotFound
	}
	return seq, nil
}

func delivery(ctx context.Context, tx *sql.Tx, resource string) (accounts []string, err error) {
	err = rows(ctx, tx, func(r *sql.Rows) error {
		var a string
		if err := r.Scan(&a); err != nil {
			return err
		}
		accounts = append(accounts, a)
		return nil
	}, `SELECT account FROM delivery WHERE resource = $1 ORDER BY account`, resource)
	return accounts, err
}

// difference returns what is in one list and not in both.
func difference(a, b []string) (only []string) {
	in := map[string]int{}
	for _, s := range a {
		in[s] |= 1
	}
	for _, s := range b {
		in[s] |= 2
	}
	for s, where := range in {
		if where != 3 {
			only = append(only, s)
		}
	}
	return only
}

func nextSeq(ctx context.Context, tx *sql.Tx) (n int64, err error) {
	err = tx.QueryRowContext(ctx, `UPDATE sequence SET value = value + 1 WHERE id = 1 RETURNING value`).Scan(&n)
	return n, err
}

// advance gives a resource's change its number and finds whom to tell.
func advance(ctx context.Context, tx *sql.Tx, resource string) (n store.Notice, err error) {
	n = store.Notice{Changed: true, Change: store.Change{Resource: resource}}
	if n.Cursor, err = nextSeq(ctx, tx); err != nil {
		return n, err
	}
	if _, err = exec(ctx, tx, `UPDATE resource SET seq = $1 WHERE id = $2`, n.Cursor, resource); err != nil {
		return n, err
	}
	n.Accounts, err = delivery(ctx, tx, resource)
	return n, err
}

// Delivered implements store.Objects.
func (o *Objects) Delivered(ctx context.Context, account string, after int64) (all []store.Change, err error) {
	err = o.view(ctx, func(tx *sql.Tx) error {
		all = nil
		return rows(ctx, tx, func(r *sql.Rows) error {
			var c store.Change
			if err := r.Scan(&c.Resource, &c.Cursor); err != nil {
				return err
			}
			all = append(all, c)
			return nil
		}, `SELECT r.id, r.seq FROM delivery d JOIN resource r ON r.id = d.resource
			WHERE d.account = $1 AND r.seq > $2 ORDER BY r.seq`, account, after)
	})
	return all, err
}

// PutPart implements store.Objects.
func (o *Objects) PutPart(ctx context.Context, connector, resource string, p store.Part) (n store.Notice, err error) {
	err = o.update(ctx, func(tx *sql.Tx) error {
		seq, err := writable(ctx, tx, connector, resource)
		if err != nil {
			return err
		}
		n = store.Notice{Change: store.Change{Resource: resource, Cursor: seq}}
		same := false
		err = rows(ctx, tx, func(r *sql.Rows) error {
			var part, jwe string
			var rev int64
			if err := r.Scan(&part, &rev, &jwe); err != nil {
				return err
			}
			if rev > p.Rev || part == "" && rev == p.Rev {
				return &store.StaleError{Rev: rev}
			}
			same = same || part != "" && rev == p.Rev && jwe == p.JWE
			return nil
		}, `SELECT part, rev, jwe FROM part WHERE resource = $1 AND item = $2 AND part IN ('', $3)`, resource, p.Item, p.Part)
		if err != nil || same {
			return err
		}
		if n, err = advance(ctx, tx, resource); err != nil {
			return err
		}
		_, err = exec(ctx, tx, `INSERT INTO part (resource, item, part, rev, seq, jwe, at) VALUES ($1, $2, $3, $4, $5, $6, 0)
			ON CONFLICT (resource, item, part) DO UPDATE SET rev = excluded.rev, seq = excluded.seq, jwe = excluded.jwe`,
			resource, p.Item, p.Part, p.Rev, n.Cursor, p.JWE)
		return err
	})
	return n, err
}

// DeleteItem implements store.Objects.
func (o *Objects) DeleteItem(ctx context.Context, connector, resource, item string, rev int64, now time.Time) (n store.Notice, err error) {
	err = o.update(ctx, func(tx *sql.Tx) error {
		seq, err := writable(ctx, tx, connector, resource)
		if err != nil {
			return err
		}
		n = store.Notice{Change: store.Change{Resource: resource, Cursor: seq}}
		gone := false
		err = rows(ctx, tx, func(r *sql.Rows) error {
			var part string
			var have int64
			if err := r.Scan(&part, &have); err != nil {
				return err
			}
			if part != "" && have > rev {
				return &store.StaleError{Rev: have}
			}
			gone = gone || part == "" && have >= rev
			return nil
		}, `SELECT part, rev FROM part WHERE resource = $1 AND item = $2`, resource, item)
		if err != nil || gone {
			return err
		}
		if n, err = advance(ctx, tx, resource); err != nil {
			return err
		}
		if _, err := exec(ctx, tx, `DELETE FROM part WHERE resource = $1 AND item = $2`, resource, item); err != nil {
			return err
		}
		_, err = exec(ctx, tx, `INSERT INTO part (resource, item, part, rev, seq, jwe, at) VALUES ($1, $2, '', $3, $4, '', $5)`,
			resource, item, rev, n.Cursor, micros(now))
		return err
	})
	return n, err
}

// Parts implements store.Objects.
func (o *Objects) Parts(ctx context.Context, account, resource string, after int64, limit store.Limit) (page store.Page, err error) {
	err = o.view(ctx, func(tx *sql.Tx) error {
		page = store.Page{}
		var seq, floor int64
		err := tx.QueryRowContext(ctx, `SELECT r.seq, r.floor FROM resource r
			LEFT JOIN delivery d ON d.resource = r.id AND d.account = $1
			WHERE r.id = $2 AND (r.connector = $1 OR d.account IS NOT NULL)`, account, resource).Scan(&seq, &floor)
		if err != nil {
			return err
		}
		if after != 0 && (after < floor || after > seq) {
			return store.ErrReset
		}
		page.Cursor = seq
		bytes := 0
		err = rows(ctx, tx, func(r *sql.Rows) error {
			if page.More {
				return nil
			}
			var p store.Part
			var at int64
			if err := r.Scan(&p.Item, &p.Part, &p.Rev, &at, &p.JWE); err != nil {
				return err
			}
			p.Deleted = p.Part == ""
			bytes += len(p.JWE)
			if full := len(page.Parts) >= limit.Parts || bytes > limit.Bytes; full && len(page.Parts) > 0 {
				page.More = true
				return nil
			}
			page.Parts = append(page.Parts, p)
			page.Cursor = at
			return nil
		}, `SELECT item, part, rev, seq, jwe FROM part WHERE resource = $1 AND seq > $2 AND (part <> '' OR $2 > 0)
			ORDER BY seq LIMIT $3`, resource, after, limit.Parts+1)
		if !page.More {
			page.Cursor = seq
		}
		return err
	})
	return page, err
}

// Prune implements store.Objects.
func (o *Objects) Prune(ctx context.Context, before time.Time) error {
	return o.update(ctx, func(tx *sql.Tx) error {
		_, err := exec(ctx, tx, `UPDATE resource SET floor =
				(SELECT MAX(p.seq) FROM part p WHERE p.resource = resource.id AND p.part = '' AND p.at < $1)
			WHERE EXISTS (SELECT 1 FROM part p WHERE p.resource = resource.id AND p.part = '' AND p.at < $1)`, micros(before))
		if err != nil {
			return err
		}
		_, err = exec(ctx, tx, `DELETE FROM part WHERE part = '' AND at < $1`, micros(before))
		return err
	})
}

// Ping implements store.Objects.
func (o *Objects) Ping(ctx context.Context) error {
	return o.do(ctx, func(d *db) error { return d.ping(ctx) })
}
