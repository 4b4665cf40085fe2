package kms

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
)

// ErrMaster means that the master key's file is missing, out of form, open to others, or
// not the one that the database was made under. The message says what to do.
var ErrMaster = errors.New("master key")

// masterHeader begins the file; the key follows in base64url, and a line end.
const masterHeader = "koyomi-kms-master-1 "

// Master is the key under which all others lie in the database. It prints as
// [redacted].
type Master struct {
	aead  cipher.AEAD
	check []byte // tells one master key from another, and nothing else
}

// LoadMaster reads the master key from a file of mode 0600 (or less), outside
// the database and its backups. With create, a missing file is made. It fails
// with ErrMaster.
func LoadMaster(path string, create bool) (*Master, error) {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, os.ErrNotExist) && create:
		if err := createMaster(path); err != nil {
			return nil, fmt.Errorf("%w: cannot make %s: %w", ErrMaster, path, err)
		}
		return LoadMaster(path, false)
	case errors.Is(err, os.ErrNotExist):
		return nil, fmt.Errorf("%w: %s is missing, and the database cannot be read without it: put it back", ErrMaster, path)
	case err != nil:
		return nil, fmt.Errorf("%w: %w", ErrMaster, err)
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%w: %s is not a regular file", ErrMaster, path)
	case info.Mode().Perm()&0o077 != 0:
		return nil, fmt.Errorf("%w: others may read or write %s (mode %04o): find out who did, then chmod 600 it", ErrMaster, path, info.Mode().Perm())
	}
	text, err := readSame(path, info)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMaster, err)
	}
	line, header := strings.CutPrefix(strings.TrimSuffix(string(text), "\n"), masterHeader)
	raw, err := encoding.DecodeString(line)
	if !header || err != nil || len(raw) != 32 {
		return nil, fmt.Errorf("%w: %s is not whole: put it back from where you keep it", ErrMaster, path)
	}
	return newMaster(raw)
}

// readSame reads a file if it is still the one that was looked at.
func readSame(path string, looked os.FileInfo) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	now, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !os.SameFile(now, looked) || now.Mode() != looked.Mode() {
		return nil, fmt.Errorf("%s was changed while it was read", path)
	}
	return io.ReadAll(io.LimitReader(f, 1024))
}

func newMaster(raw []byte) (*Master, error) {
	block, err := aes.NewCipher(raw)
	if err != nil {
		return nil, err
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return nil, err
	}
	mac := hmac.New(sha256.New, raw)
	mac.Write([]byte("koyomi-kms-master-1 check"))
	return &Master{aead, mac.Sum(nil)}, nil
}

// createMaster makes the file so that it is whole on the disk, or not there.
func createMaster(path string) (err error) {
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	var raw [32]byte
	rand.Read(raw[:]) // never fails, by its contract
	tmp := path + ".new"
	if err := os.Remove(tmp); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err // what a crash left
	}
	f, err := os.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteString(masterHeader + encoding.EncodeToString(raw[:]) + "\n")
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return errors.Join(err, os.Remove(tmp))
	}
	// A link fails where a rename would replace another's key.
	if err := errors.Join(os.Link(tmp, path), os.Remove(tmp)); err != nil {
		return err
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// wrap seals a key for the database. The additional data ties it to its place.
func (m *Master) wrap(kid, resource string, key []byte) []byte {
	return m.aead.Seal(nil, nil, key, []byte(kid+"|"+resource))
}

// unwrap opens it again.
func (m *Master) unwrap(kid, resource string, wrapped []byte) ([]byte, error) {
	key, err := m.aead.Open(nil, nil, wrapped, []byte(kid+"|"+resource))
	if err != nil {
		return nil, fmt.Errorf("%w: the key of a row does not open: the database was changed by hand; restore it", ErrMaster)
	}
	return key, nil
}

// String hides the key.
func (*Master) String() string { return "[redacted]" }

// Format hides the key, whatever the verb.
func (*Master) Format(f fmt.State, _ rune) { fmt.Fprint(f, "[redacted]") }

// LogValue hides the key.
func (*Master) LogValue() slog.Value { return slog.StringValue("[redacted]") }
