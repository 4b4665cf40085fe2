package sqlite

import (
	"bytes"
	"context"
	"crypto/sha256"
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/koyomi-cal/koyomi/internal/store"
)

// opens has every kind of file, with how it treats damage.
var opens = map[string]struct {
	open  func(ctx context.Context, o Options) (interface{ Close() error }, error)
	heals bool
}{
	"settings": {func(ctx context.Context, o Options) (interface{ Close() error }, error) {
		return closer(OpenSettings(ctx, o))
	}, false},
	"cache": {func(ctx context.Context, o Options) (interface{ Close() error }, error) {
		return closer(OpenCache(ctx, o))
	}, true},
	"accounts": {func(ctx context.Context, o Options) (interface{ Close() error }, error) {
		return closer(OpenAccounts(ctx, o))
	}, false},
	"objects": {func(ctx context.Context, o Options) (interface{ Close() error }, error) {
		return closer(OpenObjects(ctx, o))
	}, true},
	"kms": {func(ctx context.Context, o Options) (interface{ Close() error }, error) {
		return closer(OpenKMS(ctx, o))
	}, false},
}

// closer keeps a failed open from becoming a value that is not nil.
func closer[S interface{ Close() error }](s S, err error) (interface{ Close() error }, error) {
	if err != nil {
		return nil, err
	}
	return s, nil
}

// says checks an error's kind, and that it names the file.
func says(t *testing.T, err, is error, words ...string) {
	t.Helper()
	if !errors.Is(err, is) {
		t.Fatalf("error is %v, want %v", err, is)
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("%q does not say %q", err, w)
		}
	}
}

func TestDamagedFile(t *testing.T) {
	t.Parallel()
	garbage := map[string]func(whole []byte) []byte{
		"no database": func([]byte) []byte { return bytes.Repeat([]byte("not a database "), 1000) },
		"cut short":   func(whole []byte) []byte { return whole[:len(whole)/2] },
		"zeros within": func(whole []byte) []byte {
			b := bytes.Clone(whole)
			clear(b[100:])
			return b
		},
	}
	for name, k := range opens {
		for damage, do := range garbage {
			t.Run(name+"/"+damage, func(t *testing.T) {
				t.Parallel()
				o := at(t)
				s, err := k.open(t.Context(), o)
				if err != nil {
					t.Fatal(err)
				}
				if err := s.Close(); err != nil {
					t.Fatal(err)
				}
				whole, err := os.ReadFile(o.Path)
				if err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(o.Path, do(whole), 0o600); err != nil {
					t.Fatal(err)
				}
				s, err = k.open(t.Context(), o)
				if !k.heals {
					says(t, err, store.ErrDamaged, o.Path, "backup")
					return
				}
				if err != nil {
					t.Fatalf("a damaged cache is not begun anew: %v", err)
				}
				if err := s.Close(); err != nil {
					t.Error(err)
				}
			})
		}
	}
}

func TestFileIsPrivate(t *testing.T) {
	t.Parallel()
	for name, k := range opens {
		o := at(t)
		s, err := k.open(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		entries, err := os.ReadDir(filepath.Dir(o.Path))
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			if info, err := e.Info(); err != nil || info.Mode().Perm() != 0o600 {
				t.Errorf("%s: %s has mode %v, %v", name, e.Name(), info.Mode(), err)
			}
		}
		if len(entries) < 3 { // file, journal, lock
			t.Errorf("%s: only %d files", name, len(entries))
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestSecondServer(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	o := at(t)
	first := opened[*KMS](t)(OpenKMS(ctx, o))
	_, err := OpenKMS(ctx, o)
	says(t, err, store.ErrBusy, o.Path, "another running server")
	// A command gets in beside the server.
	o.Exclusive = false
	second := opened[*KMS](t)(OpenKMS(ctx, o))
	if _, err := second.InitValue(ctx, "a", []byte("1")); err != nil {
		t.Error(err)
	}
	if v, err := first.Value(ctx, "a"); err != nil || string(v) != "1" {
		t.Errorf("the server sees %q, %v", v, err)
	}
	if err := errors.Join(second.Close(), first.Close()); err != nil {
		t.Error(err)
	}
	o.Exclusive = true
	third := opened[*KMS](t)(OpenKMS(ctx, o))
	if err := third.Close(); err != nil {
		t.Error(err)
	}
}

// Several processes begin the same file at the same time.
func TestOpenTogether(t *testing.T) {
	t.Parallel()
	o := at(t)
	o.Exclusive = false
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			s, err := OpenAccounts(t.Context(), o)
			if err != nil {
				t.Error(err)
				return
			}
			if err := errors.Join(s.Ping(t.Context()), s.Close()); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

func TestBusy(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	o := at(t)
	o.busy = 10 * time.Millisecond
	s := opened[*Settings](t)(OpenSettings(ctx, o))
	defer s.Close()
	other := opened[*Settings](t)(OpenSettings(ctx, Options{Path: o.Path}))
	defer other.Close()
	tx, err := other.db.write.BeginTx(ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	says(t, s.PutValue(ctx, "a", nil), store.ErrBusy, o.Path, "end the other program")
	if err := tx.Rollback(); err != nil {
		t.Fatal(err)
	}
	if err := s.PutValue(ctx, "a", nil); err != nil {
		t.Errorf("after the other ended: %v", err)
	}
}

func TestDiskFull(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	o := at(t)
	o.maxPages = 30
	s := opened[*Settings](t)(OpenSettings(ctx, o))
	defer s.Close()
	var err error
	for i := 0; err == nil && i < 1000; i++ {
		err = s.PutValue(ctx, strings.Repeat("k", i+1), make([]byte, 4096))
	}
	says(t, err, store.ErrFull, o.Path, "free some space")
	if _, err := s.Value(ctx, "k"); err != nil {
		t.Errorf("reading while the disk is full: %v", err)
	}
	if _, err := s.db.write.ExecContext(ctx, "PRAGMA max_page_count = 100000"); err != nil {
		t.Fatal(err)
	}
	if err := s.PutValue(ctx, "more", make([]byte, 4096)); err != nil {
		t.Errorf("after space was freed: %v", err)
	}
}

func TestNewerVersion(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	o := at(t)
	s := opened[*Settings](t)(OpenSettings(ctx, o))
	_, err := s.db.write.ExecContext(ctx, `INSERT INTO goose_db_version (version_id, is_applied) VALUES (99, 1)`)
	if err := errors.Join(err, s.Close()); err != nil {
		t.Fatal(err)
	}
	_, err = OpenSettings(ctx, o)
	says(t, err, store.ErrNewer, o.Path, "version 99", "newer program")
}

func TestNoRight(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "a-file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, k := range opens {
		_, err := k.open(t.Context(), Options{Path: filepath.Join(file, "x.db")})
		if err == nil || !strings.Contains(err.Error(), file) {
			t.Errorf("%s: a folder that cannot be made: %v", name, err)
		}
		_, err = k.open(t.Context(), Options{Path: filepath.Dir(file)})
		if err == nil || !strings.Contains(err.Error(), filepath.Dir(file)) {
			t.Errorf("%s: a folder in the file's place: %v", name, err)
		}
	}
}

// Settings that are removed while in use are not written on a file that nobody
// will find again.
func TestSettingsLost(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	o := at(t)
	s := opened[*Settings](t)(OpenSettings(ctx, o))
	defer s.Close()
	if err := os.Rename(o.Path, o.Path+".moved"); err != nil {
		t.Fatal(err)
	}
	says(t, s.PutValue(ctx, "a", nil), store.ErrLost, o.Path, "backup")
	if err := os.WriteFile(o.Path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	says(t, s.PutValue(ctx, "a", nil), store.ErrLost, o.Path)
	if err := os.Rename(o.Path+".moved", o.Path); err != nil {
		t.Fatal(err)
	}
	if err := s.PutValue(ctx, "a", nil); err != nil {
		t.Errorf("after it was put back: %v", err)
	}
}

// A journal that outlived its file says nothing about the next one.
func TestOldJournal(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	o := at(t)
	s := opened[*Settings](t)(OpenSettings(ctx, o))
	if err := s.PutValue(ctx, "a", []byte("old")); err != nil {
		t.Fatal(err)
	}
	journal, err := os.ReadFile(o.Path + "-wal")
	if err != nil || len(journal) == 0 {
		t.Fatalf("no journal to keep: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.Remove(o.Path), os.WriteFile(o.Path+"-wal", journal, 0o600)); err != nil {
		t.Fatal(err)
	}
	s = opened[*Settings](t)(OpenSettings(ctx, o))
	defer s.Close()
	if v, err := s.Value(ctx, "a"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("the old journal was played into the new file: %q, %v", v, err)
	}
}

// lose makes a cache file unusable in each way in which it can happen.
var lose = map[string]func(path string) error{
	"removed": os.Remove,
	"removed with its journal": func(path string) error {
		return errors.Join(os.Remove(path), os.Remove(path+"-wal"), os.Remove(path+"-shm"))
	},
	"folder removed": func(path string) error { return os.RemoveAll(filepath.Dir(path)) },
	"replaced": func(path string) error {
		return errors.Join(os.Remove(path), os.WriteFile(path, []byte("something else"), 0o600))
	},
}

func TestCacheLostInUse(t *testing.T) {
	t.Parallel()
	for name, do := range lose {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx := t.Context()
			o := at(t)
			c := opened[*Cache](t)(OpenCache(ctx, o))
			defer func() { c.Close() }()
			save := func(mailbox, core string) error {
				return c.SaveMailbox(ctx, store.MailboxSave{Mailbox: mailbox, State: store.MailboxState{Core: []byte(core), Sync: []byte("s")}})
			}
			for _, m := range []string{"a", "b"} {
				if _, err := c.LoadMailbox(ctx, m); err != nil {
					t.Fatal(err)
				}
				if err := save(m, "old"); err != nil {
					t.Fatal(err)
				}
			}
			if err := do(o.Path); err != nil {
				t.Fatal(err)
			}
			says(t, save("a", "more"), store.ErrLost, o.Path)
			says(t, save("a", "more"), store.ErrLost, "load it again")
			says(t, c.AppendTrace(ctx, "b", store.TraceLine{}), store.ErrLost)
			for _, m := range []string{"a", "b"} {
				st, err := c.LoadMailbox(ctx, m)
				if err != nil || len(st.Core) != 0 {
					t.Fatalf("loaded %q, %v, from the file begun anew", st.Core, err)
				}
				if err := save(m, "new"); err != nil {
					t.Fatal(err)
				}
			}
			if err := save("never loaded", "new"); err != nil {
				t.Error(err)
			}
			if err := c.Close(); err != nil {
				t.Fatal(err)
			}
			c = opened[*Cache](t)(OpenCache(ctx, o))
			if st, err := c.LoadMailbox(ctx, "a"); err != nil || string(st.Core) != "new" {
				t.Errorf("after a restart: %q, %v", st.Core, err)
			}
		})
	}
}

// Loading finds out as well, and goes on at once.
func TestCacheLostAtLoad(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	o := at(t)
	c := opened[*Cache](t)(OpenCache(ctx, o))
	defer func() { c.Close() }()
	if err := c.SaveMailbox(ctx, store.MailboxSave{Mailbox: "a", State: store.MailboxState{Core: []byte("old")}}); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(o.Path); err != nil {
		t.Fatal(err)
	}
	if st, err := c.LoadMailbox(ctx, "a"); err != nil || len(st.Core) != 0 {
		t.Fatalf("loaded %q, %v", st.Core, err)
	}
	if err := c.DeleteMailbox(ctx, "a"); err != nil {
		t.Error(err)
	}
	if err := os.Remove(o.Path); err != nil {
		t.Fatal(err)
	}
	if err := c.DeleteMailbox(ctx, "a"); err != nil {
		t.Errorf("deleting from a file that is gone: %v", err)
	}
}

// Damage that shows while a cache is in use is an end of that file too.
func TestCacheDamagedInUse(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	o := at(t)
	c := opened[*Cache](t)(OpenCache(ctx, o))
	defer c.Close()
	for _, m := range []string{"a", "b", "c"} {
		err := c.SaveMailbox(ctx, store.MailboxSave{Mailbox: m, State: store.MailboxState{Core: make([]byte, 100_000)}})
		if err != nil {
			t.Fatal(err)
		}
	}
	var busy, log, done int
	if err := c.file.db.write.QueryRowContext(ctx, "PRAGMA wal_checkpoint(TRUNCATE)").Scan(&busy, &log, &done); err != nil || busy != 0 {
		t.Fatal(busy, err)
	}
	// The connections hold pages in memory; new ones read the file.
	c.file.db.read.SetMaxIdleConns(0)
	c.file.db.write.SetMaxIdleConns(0)
	f, err := os.OpenFile(o.Path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.WriteAt(bytes.Repeat([]byte{0xa5}, int(info.Size())), 0)
	if err := errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
	_, err = c.Published(ctx, "a")
	says(t, err, store.ErrDamaged, o.Path, "anew")
	if st, err := c.LoadMailbox(ctx, "a"); err != nil || len(st.Core) != 0 {
		t.Errorf("loaded %d bytes, %v", len(st.Core), err)
	}
}

// Objects come back empty, with cursors above all that were given out.
func TestObjectsLostInUse(t *testing.T) {
	t.Parallel()
	for name, do := range lose {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx := t.Context()
			o := at(t)
			s := opened[*Objects](t)(OpenObjects(ctx, o))
			defer func() { s.Close() }()
			old, err := s.SetDelivery(ctx, "con", "r", []string{"a"})
			if err != nil {
				t.Fatal(err)
			}
			if err := do(o.Path); err != nil {
				t.Fatal(err)
			}
			_, err = s.PutPart(ctx, "con", "r", store.Part{Item: "i", Part: "h", Rev: 1})
			if !errors.Is(err, store.ErrNotFound) {
				t.Fatalf("put into a file that is gone: %v", err)
			}
			again, err := s.SetDelivery(ctx, "con", "r", []string{"a"})
			if err != nil || again.Cursor <= old.Cursor {
				t.Fatalf("cursor %d after %d, %v", again.Cursor, old.Cursor, err)
			}
			if _, err := s.Parts(ctx, "a", "r", old.Cursor, store.Limit{Parts: 1, Bytes: 1}); !errors.Is(err, store.ErrReset) {
				t.Errorf("an old cursor: %v", err)
			}
			if err := s.Ping(ctx); err != nil {
				t.Error(err)
			}
		})
	}
}

// What the key server removes is not left on the disk.
func TestErase(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	o := at(t)
	k := opened[*KMS](t)(OpenKMS(ctx, o))
	secret := []byte("a-nonce-that-is-to-go-away-entirely")
	if _, err := k.UseNonce(ctx, "in", string(secret), time.Unix(1, 0)); err != nil {
		t.Fatal(err)
	}
	c := store.Code{ID: "c", Hash: sha256.Sum256(secret), Expires: time.Unix(1, 0), Tries: 1}
	if err := k.PutCode(ctx, c, store.AuditEntry{}); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(k.Prune(ctx, time.Unix(2, 0)), k.Close()); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(filepath.Dir(o.Path), "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		raw, err := os.ReadFile(f)
		if err != nil || bytes.Contains(raw, secret) || bytes.Contains(raw, c.Hash[:]) {
			t.Errorf("%s still has what was removed (%v)", f, err)
		}
	}
}

// Reading connections cannot write.
func TestReadersOnlyRead(t *testing.T) {
	t.Parallel()
	s := opened[*Settings](t)(OpenSettings(t.Context(), at(t)))
	defer s.Close()
	err := s.db.view(t.Context(), func(tx *sql.Tx) error {
		_, err := tx.Exec(`DELETE FROM setting`)
		return err
	})
	if err == nil {
		t.Error("a reader deleted")
	}
}

func BenchmarkSaveMailbox(b *testing.B) {
	c, err := OpenCache(b.Context(), Options{Path: filepath.Join(b.TempDir(), "cache.db")})
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	s := store.MailboxSave{Mailbox: "a", State: store.MailboxState{Core: make([]byte, 4096), Sync: make([]byte, 400)},
		Publish: []store.Published{{Item: "i", Hash: make([]byte, 32), Rev: 1}}, Trace: []store.TraceLine{{Line: make([]byte, 80)}}}
	for b.Loop() {
		if err := c.SaveMailbox(b.Context(), s); err != nil {
			b.Fatal(err)
		}
	}
}
