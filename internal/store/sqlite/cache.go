package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/koyomi-cal/koyomi/internal/store"
)

// renewable is a cache file that is begun anew when it is lost or damaged.
type renewable struct {
	opts  Options
	kind  kind
	begin func(ctx context.Context, d *db) error // what a new file needs beyond migrations; may be nil

	mu  sync.RWMutex
	db  *db
	gen int // raised each time the file is begun anew
}

func openRenewable(ctx context.Context, o Options, k kind, begin func(context.Context, *db) error) (*renewable, error) {
	r := &renewable{opts: o, kind: k, begin: begin}
	d, err := r.open(ctx)
	if errors.Is(err, store.ErrDamaged) {
		d, err = r.openAnew(ctx)
	}
	if err != nil {
		return nil, err
	}
	r.db = d
	return r, nil
}

func (r *renewable) open(ctx context.Context) (*db, error) {
	d, err := open(ctx, r.opts, r.kind)
	if err != nil || r.begin == nil {
		return d, err
	}
	if err := r.begin(ctx, d); err != nil {
		return nil, errors.Join(err, d.close())
	}
	return d, nil
}

func (r *renewable) openAnew(ctx context.Context) (*db, error) {
	for _, suffix := range []string{"", "-wal", "-shm"} {
		if err := os.Remove(r.opts.Path + suffix); err != nil && !errors.Is(err, os.ErrNotExist) {
			return nil, fmt.Errorf("cannot begin a damaged cache anew: %w", err)
		}
	}
	return r.open(ctx)
}

func (r *renewable) close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.db.close()
}

// use runs fn on the file. If the file turns out to be lost or damaged, it is
// begun anew, and the error says so: the work is the caller's to repeat.
func (r *renewable) use(ctx context.Context, fn func(d *db, gen int) error) error {
	r.mu.RLock()
	gen := r.gen
	err := fn(r.db, gen)
	r.mu.RUnlock()
	if !errors.Is(err, store.ErrLost) && !errors.Is(err, store.ErrDamaged) {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.gen != gen {
		return err // another caller was first
	}
	old := r.db
	if e := old.close(); e != nil {
		err = fmt.Errorf("%w (closing it: %w)", err, e)
	}
	d, e := r.openAnew(context.WithoutCancel(ctx))
	if e != nil {
		return fmt.Errorf("%w; beginning it anew failed: %w", err, e)
	}
	r.db = d
	r.gen++
	return err
}

// Cache is the connector's cache.db.
type Cache struct {
	file *renewable

	mu     sync.Mutex
	loaded map[string]int // mailbox -> generation of the file it was loaded from
}

// OpenCache opens the connector's cache.db, making it if it is not there or
// damaged.
func OpenCache(ctx context.Context, o Options) (*Cache, error) {
	f, err := openRenewable(ctx, o, kind{name: "cache"}, nil)
	if err != nil {
		return nil, err
	}
	return &Cache{file: f, loaded: map[string]int{}}, nil
}

// Close closes the file.
func (c *Cache) Close() error { return c.file.close() }

// LoadMailbox implements store.Cache.
func (c *Cache) LoadMailbox(ctx context.Context, mailbox string) (st store.MailboxState, err error) {
	load := func(d *db, gen int) error {
		if err := d.present(); err != nil {
			return err
		}
		st = store.MailboxState{}
		err := d.view(ctx, func(tx *sql.Tx) error {
			return tx.QueryRowContext(ctx, `SELECT core, sync FROM mailbox WHERE id = $1`, mailbox).Scan(&st.Core, &st.Sync)
		})
		if err == nil || errors.Is(err, store.ErrNotFound) {
			c.setLoaded(mailbox, gen)
			return nil
		}
		return err
	}
	err = c.file.use(ctx, load)
	if errors.Is(err, store.ErrLost) || errors.Is(err, store.ErrDamaged) {
		err = c.file.use(ctx, load) // from the new file
	}
	return st, err
}

func (c *Cache) setLoaded(mailbox string, gen int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.loaded[mailbox] = gen
}

// current fails with ErrLost if a mailbox was loaded from a file that is gone.
func (c *Cache) current(mailbox string, gen int) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if was, ok := c.loaded[mailbox]; ok && was != gen {
		return errStaleLoad
	}
	c.loaded[mailbox] = gen
	return nil
}

// errStaleLoad reports a mailbox that must be loaded again, where the file
// itself is all right by now.
var errStaleLoad = errors.New("mailbox was loaded from a cache that was begun anew since")

// change writes to the file for mailboxes that were loaded from it.
func (c *Cache) change(ctx context.Context, mailboxes []string, fn func(tx *sql.Tx) error) error {
	err := c.file.use(ctx, func(d *db, gen int) error {
		for _, m := range mailboxes {
			if err := c.current(m, gen); err != nil {
				return err
			}
		}
		return d.update(ctx, fn)
	})
	if errors.Is(err, errStaleLoad) {
		return fmt.Errorf("%w: %s: %w; load it again", store.ErrLost, c.file.opts.Path, err)
	}
	return err
}

// SaveMailbox implements store.Cache.
func (c *Cache) SaveMailbox(ctx context.Context, saves ...store.MailboxSave) error {
	ids := make([]string, len(saves))
	for i, s := range saves {
		ids[i] = s.Mailbox
	}
	return c.change(ctx, ids, func(tx *sql.Tx) error {
		for _, s := range saves {
			_, err := exec(ctx, tx, `INSERT INTO mailbox (id, core, sync) VALUES ($1, $2, $3)
				ON CONFLICT (id) DO UPDATE SET core = excluded.core, sync = excluded.sync`,
				s.Mailbox, blob(s.State.Core), blob(s.State.Sync))
			if err != nil {
				return err
			}
			if err := putPublished(ctx, tx, s.Mailbox, s.Publish); err != nil {
				return err
			}
			if err := deletePublished(ctx, tx, s.Mailbox, s.Withdrawn); err != nil {
				return err
			}
			if err := appendTrace(ctx, tx, s.Mailbox, s.Trace); err != nil {
				return err
			}
		}
		return nil
	})
}

// DeleteMailbox implements store.Cache.
func (c *Cache) DeleteMailbox(ctx context.Context, mailbox string) error {
	err := c.change(ctx, nil, func(tx *sql.Tx) error {
		for _, q := range []string{`DELETE FROM mailbox WHERE id = $1`, `DELETE FROM published WHERE mailbox = $1`, `DELETE FROM trace WHERE mailbox = $1`, `DELETE FROM status WHERE mailbox = $1`} {
			if _, err := exec(ctx, tx, q, mailbox); err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil || errors.Is(err, store.ErrLost) || errors.Is(err, store.ErrDamaged) {
		c.mu.Lock()
		delete(c.loaded, mailbox)
		c.mu.Unlock()
		return nil // a cache begun anew has nothing of it
	}
	return err
}

// Published implements store.Cache.
func (c *Cache) Published(ctx context.Context, mailbox string) (map[string]store.Published, error) {
	all := map[string]store.Published{}
	err := c.file.use(ctx, func(d *db, _ int) error {
		return d.view(ctx, func(tx *sql.Tx) error {
			return rows(ctx, tx, func(r *sql.Rows) error {
				var p store.Published
				if err := r.Scan(&p.Item, &p.Hash, &p.Rev); err != nil {
					return err
				}
				all[p.Item] = p
				return nil
			}, `SELECT item, hash, rev FROM published WHERE mailbox = $1`, mailbox)
		})
	})
	return all, err
}

// PutPublished implements store.Cache.
func (c *Cache) PutPublished(ctx context.Context, mailbox string, list ...store.Published) error {
	return c.change(ctx, []string{mailbox}, func(tx *sql.Tx) error { return putPublished(ctx, tx, mailbox, list) })
}

// DeletePublished implements store.Cache.
func (c *Cache) DeletePublished(ctx context.Context, mailbox string, items ...string) error {
	return c.change(ctx, []string{mailbox}, func(tx *sql.Tx) error { return deletePublished(ctx, tx, mailbox, items) })
}

// AppendTrace implements store.Cache.
func (c *Cache) AppendTrace(ctx context.Context, mailbox string, lines ...store.TraceLine) error {
	return c.change(ctx, []string{mailbox}, func(tx *sql.Tx) error { return appendTrace(ctx, tx, mailbox, lines) })
}

// Trace implements store.Cache.
func (c *Cache) Trace(ctx context.Context, mailbox string, since time.Time) (all []store.TraceLine, err error) {
	err = c.file.use(ctx, func(d *db, _ int) error {
		return d.view(ctx, func(tx *sql.Tx) error {
			return rows(ctx, tx, func(r *sql.Rows) error {
				var l store.TraceLine
				var at int64
				if err := r.Scan(&at, &l.Line); err != nil {
					return err
				}
				l.At = fromMicros(at)
				all = append(all, l)
				return nil
			}, `SELECT at, line FROM trace WHERE mailbox = $1 AND at >= $2 ORDER BY n`, mailbox, micros(since))
		})
	})
	return all, err
}

// Prune implements store.Cache.
func (c *Cache) Prune(ctx context.Context, before time.Time) error {
	return c.change(ctx, nil, func(tx *sql.Tx) error {
		_, err := exec(ctx, tx, `DELETE FROM trace WHERE at < $1`, micros(before))
		return err
	})
}

func putPublished(ctx context.Context, tx *sql.Tx, mailbox string, list []store.Published) error {
	for _, p := range list {
		_, err := exec(ctx, tx, `INSERT INTO published (mailbox, item, hash, rev) VALUES ($1, $2, $3, $4)
			ON CONFLICT (mailbox, item) DO UPDATE SET hash = excluded.hash, rev = excluded.rev`, mailbox, p.Item, blob(p.Hash), p.Rev)
		if err != nil {
			return err
		}
	}
	return nil
}

func deletePublished(ctx context.Context, tx *sql.Tx, mailbox string, items []string) error {
	for _, item := range items {
		if _, err := exec(ctx, tx, `DELETE FROM published WHERE mailbox = $1 AND item = $2`, mailbox, item); err != nil {
			return err
		}
	}
	return nil
}

func appendTrace(ctx context.Context, tx *sql.Tx, mailbox string, lines []store.TraceLine) error {
	for _, l := range lines {
		_, err := exec(ctx, tx, `INSERT INTO trace (mailbox, n, at, line)
			SELECT $1, COALESCE(MAX(n), 0) + 1, $2, $3 FROM trace WHERE mailbox = $1`, mailbox, micros(l.At), blob(l.Line))
		if err != nil {
			return err
		}
	}
	return nil
}
