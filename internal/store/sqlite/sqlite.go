// Package sqlite keeps the roles' records in SQLite files: one for each of the
// interfaces of package store, opened by the function of the same name.
//
// A file has one connection that writes and up to four that read. The journal
// is a write-ahead log; settings are written through to the disk before a
// method returns, caches when SQLite gets to it. A cache that is damaged, or
// that somebody removes while it is in use, is begun anew; settings are not,
// because there is nothing to begin them from: the error says so.
//
// Several processes may have a file open, as when a command enrols a user while
// the server runs. The server itself opens it with Options.Exclusive, so that two
// servers never share one.
//
// The SQL keeps to what PostgreSQL understands as well: $n parameters, BIGINT
// and BYTEA, times as microseconds since 1970, ids made here.
package sqlite

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/koyomi-cal/koyomi/internal/store"
	"github.com/pressly/goose/v3"
	driver "modernc.org/sqlite"
	lib "modernc.org/sqlite/lib"
)

//go:embed migrations
var migrations embed.FS

// Options say which file to open, and how.
type Options struct {
	// Path of the file. It is made with mode 0600 if it is not there, and its
	// folder with mode 0700.
	Path string
	// Exclusive takes the file for this process as the role's only server: a
	// second one fails with store.ErrBusy. Commands leave it out.
	Exclusive bool

	busy     time.Duration // how long to wait for another process; tests shorten it
	maxPages int           // how many pages the file may have; tests fill the disk by it
}

// kind says how a file of one interface is treated.
type kind struct {
	name    string // folder of its migrations
	durable bool   // write through to the disk; never begin anew
	erase   bool   // overwrite what is removed
}

// db is one open file.
type db struct {
	path  string
	kind  kind
	write *sql.DB
	read  *sql.DB
	file  os.FileInfo // as it was when opened
	lock  *os.File
}

const readers = 4

func open(ctx context.Context, o Options, k kind) (_ *db, err error) {
	d := &db{path: o.Path, kind: k}
	defer func() {
		if err != nil {
			err = errors.Join(err, d.close())
		}
	}()
	if err := os.MkdirAll(filepath.Dir(o.Path), 0o700); err != nil {
		return nil, fmt.Errorf("cannot make the folder for %s: %w", o.Path, err)
	}
	if o.Exclusive {
		if d.lock, err = lockFile(o.Path + ".lock"); err != nil {
			return nil, fmt.Errorf("%w: %s is in use by another running server; stop it first, or give this one a data folder of its own (%w)",
				store.ErrBusy, o.Path, err)
		}
	}
	// SQLite would make the file with the umask's mode, and gives its journal the file's.
	f, err := os.OpenFile(o.Path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("cannot open the database: %w", err)
	}
	d.file, err = f.Stat()
	if err := errors.Join(err, f.Close()); err != nil {
		return nil, err
	}
	if d.write, err = pool(o, k, true); err != nil {
		return nil, err
	}
	if d.read, err = pool(o, k, false); err != nil {
		return nil, err
	}
	if err := d.migrate(ctx); err != nil {
		return nil, err
	}
	if k.durable {
		return d, d.checkIntegrity(ctx)
	}
	return d, nil
}

// pool opens the connections for writing or for reading.
func pool(o Options, k kind, write bool) (*sql.DB, error) {
	path, err := filepath.Abs(o.Path)
	if err != nil {
		return nil, err
	}
	busy := o.busy
	if busy == 0 {
		busy = 5 * time.Second
	}
	q := url.Values{}
	add := func(name string, value any) { q.Add("_pragma", fmt.Sprintf("%s(%v)", name, value)) }
	add("busy_timeout", busy.Milliseconds())
	if write {
		q.Set("_txlock", "immediate")
		add("journal_mode", "WAL")
		add("synchronous", map[bool]string{true: "FULL", false: "NORMAL"}[k.durable])
		add("foreign_keys", "ON")
		if k.erase {
			add("secure_delete", "ON")
		}
		if o.maxPages > 0 {
			add("max_page_count", o.maxPages)
		}
	} else {
		add("query_only", "ON")
	}
	dsn := "file://" + (&url.URL{Path: filepath.ToSlash(path)}).EscapedPath() + "?" + q.Encode()
	connector, err := driver.NewConnector(dsn)
	if err != nil {
		return nil, err
	}
	p := sql.OpenDB(connector)
	if write {
		p.SetMaxOpenConns(1)
	} else {
		p.SetMaxOpenConns(readers)
		p.SetMaxIdleConns(readers)
	}
	return p, nil
}

// migrate brings the file to this program's version. Two processes may begin a
// new file at once: one of them loses a race that does not matter and looks again.
func (d *db) migrate(ctx context.Context) error {
	files, err := fs.Sub(migrations, "migrations/"+d.kind.name)
	if err != nil {
		return err
	}
	for try := 0; ; try++ {
		if err = d.migrateOnce(ctx, files); err == nil {
			return nil
		}
		err = d.explain(err)
		if try == 4 || ctx.Err() != nil || errors.Is(err, store.ErrDamaged) || errors.Is(err, store.ErrNewer) || errors.Is(err, store.ErrFull) {
			return err
		}
	}
}

func (d *db) migrateOnce(ctx context.Context, files fs.FS) error {
	p, err := goose.NewProvider(goose.DialectSQLite3, d.write, files, goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return err
	}
	have, known, err := p.GetVersions(ctx)
	switch {
	case err != nil:
		return err
	case have > known:
		return fmt.Errorf("%w: %s has version %d and this program knows %d; run the newer program, or restore the backup from before the upgrade",
			store.ErrNewer, d.path, have, known)
	case have == known:
		return nil
	}
	_, err = p.Up(ctx)
	return err
}

func (d *db) checkIntegrity(ctx context.Context) error {
	var found string
	err := d.write.QueryRowContext(ctx, "PRAGMA quick_check(1)").Scan(&found)
	if err != nil {
		return d.explain(err)
	}
	if found != "ok" {
		return d.damaged()
	}
	return nil
}

func (d *db) close() error {
	var errs []error
	if d.read != nil {
		errs = append(errs, d.read.Close())
	}
	if d.write != nil {
		errs = append(errs, d.write.Close())
	}
	if d.lock != nil {
		errs = append(errs, d.lock.Close())
		d.lock = nil
	}
	return errors.Join(errs...)
}

// present fails with ErrLost if the file is not the one that was opened. SQLite
// itself would go on writing to a file without a name.
func (d *db) present() error {
	now, err := os.Stat(d.path)
	if err == nil && os.SameFile(now, d.file) {
		return nil
	}
	todo := "it is begun anew"
	if d.kind.durable {
		todo = "stop, put it back from a backup, and start again"
	}
	return fmt.Errorf("%w: %s, while it was in use; %s", store.ErrLost, d.path, todo)
}

// update runs a transaction that writes.
func (d *db) update(ctx context.Context, fn func(tx *sql.Tx) error) error {
	if err := d.present(); err != nil {
		return err
	}
	tx, err := d.write.BeginTx(ctx, nil)
	if err != nil {
		return d.explain(err)
	}
	if err := fn(tx); err != nil {
		tx.Rollback()
		return d.explain(err)
	}
	return d.explain(tx.Commit())
}

// view runs a transaction that reads, all of it at one state of the file.
func (d *db) view(ctx context.Context, fn func(tx *sql.Tx) error) error {
	tx, err := d.read.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return d.explain(err)
	}
	defer tx.Rollback()
	return d.explain(fn(tx))
}

func (d *db) damaged() error {
	todo := "it is begun anew"
	if d.kind.durable {
		todo = "stop, put it back from a backup, and start again"
	}
	return fmt.Errorf("%w: %s; %s", store.ErrDamaged, d.path, todo)
}

// explain turns SQLite's errors into the store's, with the file and what to do.
func (d *db) explain(err error) error {
	if errors.Is(err, sql.ErrNoRows) {
		return store.ErrNotFound
	}
	e, ok := errors.AsType[*driver.Error](err)
	if !ok {
		return err
	}
	switch code := e.Code(); {
	case code == lib.SQLITE_IOERR_SHORT_READ, code&0xff == lib.SQLITE_CORRUPT, code&0xff == lib.SQLITE_NOTADB:
		return d.damaged()
	case code&0xff == lib.SQLITE_FULL:
		return fmt.Errorf("%w: %s cannot grow; free some space, and it goes on by itself", store.ErrFull, d.path)
	case code&0xff == lib.SQLITE_BUSY:
		return fmt.Errorf("%w: %s; end the other program, and it goes on by itself", store.ErrBusy, d.path)
	case code&0xff == lib.SQLITE_READONLY, code&0xff == lib.SQLITE_CANTOPEN:
		return fmt.Errorf("cannot write %s: give this program's user the right to write the file and its folder (SQLite error %s)", d.path, strconv.Itoa(code))
	}
	return fmt.Errorf("%s: %w", filepath.Base(d.path), err)
}

// rows runs a query and gives each row to scan.
func rows(ctx context.Context, tx *sql.Tx, scan func(r *sql.Rows) error, query string, args ...any) error {
	r, err := tx.QueryContext(ctx, query, args...)
	if err != nil {
		return err
	}
	defer r.Close()
	for r.Next() {
		if err := scan(r); err != nil {
			return err
		}
	}
	return r.Err()
}

// exec runs a statement and returns how many rows it touched.
func exec(ctx context.Context, tx *sql.Tx, query string, args ...any) (int64, error) {
	res, err := tx.ExecContext(ctx, query, args...)
	if err != nil {
		return 0, err
	}
	return res.RowsAffected()
}

// micros is a time as it is kept; the zero time is 0.
func micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

// fromMicros is its inverse, in UTC.
func fromMicros(n int64) time.Time {
	if n == 0 {
		return time.Time{}
	}
	return time.UnixMicro(n).UTC()
}

// blob keeps empty apart from NULL, which no column takes.
func blob(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}
