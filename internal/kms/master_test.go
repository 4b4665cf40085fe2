package kms_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/koyomi-cal/koyomi/internal/kms"
	"github.com/koyomi-cal/koyomi/internal/store/sqlite"
)

func TestMasterFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "a", "master.key")
	if _, err := kms.LoadMaster(path, false); !errors.Is(err, kms.ErrMaster) || !strings.Contains(err.Error(), "put it back") {
		t.Errorf("a missing file: %v", err)
	}
	m, err := kms.LoadMaster(path, true)
	if err != nil {
		t.Fatal(err)
	}
	if m.String() != "[redacted]" {
		t.Error("a master key prints")
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("mode %v, %v", info.Mode(), err)
	}
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := kms.LoadMaster(path, true); err != nil {
		t.Fatal(err)
	}
	if after, err := os.ReadFile(path); err != nil || string(after) != string(before) {
		t.Error("loading again made another key")
	}
	for _, mode := range []os.FileMode{0o640, 0o604, 0o620, 0o644, 0o610, 0o666} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		if _, err := kms.LoadMaster(path, true); !errors.Is(err, kms.ErrMaster) || !strings.Contains(err.Error(), "chmod 600") {
			t.Errorf("mode %o: %v", mode, err)
		}
	}
	if err := os.Chmod(path, 0o400); err != nil {
		t.Fatal(err)
	}
	if _, err := kms.LoadMaster(path, false); err != nil {
		t.Errorf("mode 0400: %v", err)
	}
	link := path + ".link"
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	for name, p := range map[string]string{"a link": link, "a folder": filepath.Dir(path)} {
		if _, err := kms.LoadMaster(p, true); !errors.Is(err, kms.ErrMaster) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, text := range map[string]string{"empty": "", "cut": string(before[:40]), "without its header": string(before[20:]), "two": string(before) + string(before)} {
		p := filepath.Join(t.TempDir(), "x")
		if err := os.WriteFile(p, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := kms.LoadMaster(p, true)
		if !errors.Is(err, kms.ErrMaster) || !strings.Contains(err.Error(), "not whole") {
			t.Errorf("%s: %v", name, err)
		}
		if len(text) > 30 && strings.Contains(err.Error(), text[21:30]) {
			t.Errorf("%s: the error quotes the key", name)
		}
	}
	if _, err := kms.LoadMaster(filepath.Join(path, "below-a-file"), true); !errors.Is(err, kms.ErrMaster) {
		t.Errorf("a place that cannot be: %v", err)
	}
}

// A database that was made under one master key is not opened under another,
// and a lost one is not silently replaced.
func TestMasterOfTheDatabase(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	open := func() error {
		st, err := sqlite.OpenKMS(context.Background(), sqlite.Options{Path: dir + "/settings.db"})
		if err != nil {
			t.Fatal(err)
		}
		_, err = kms.New(context.Background(), kms.Options{Store: st, MasterFile: dir + "/master.key"})
		return errors.Join(err, st.Close())
	}
	if err := open(); err != nil {
		t.Fatal(err)
	}
	if err := open(); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(dir+"/master.key", dir+"/kept"); err != nil {
		t.Fatal(err)
	}
	if err := open(); !errors.Is(err, kms.ErrMaster) || !strings.Contains(err.Error(), "missing") {
		t.Errorf("with the file gone: %v", err)
	}
	if _, err := os.Stat(dir + "/master.key"); err == nil {
		t.Fatal("a new key was made over the old one's database")
	}
	if _, err := kms.LoadMaster(dir+"/master.key", true); err != nil {
		t.Fatal(err)
	}
	if err := open(); !errors.Is(err, kms.ErrMaster) || !strings.Contains(err.Error(), "another one") {
		t.Errorf("with another file: %v", err)
	}
	if err := os.Rename(dir+"/kept", dir+"/master.key"); err != nil {
		t.Fatal(err)
	}
	if err := open(); err != nil {
		t.Errorf("with the right file again: %v", err)
	}
}
