package seal

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"fmt"
	"log/slog"
)

// KeySize is the size of a content key and of an index key in bytes.
const KeySize = 32

// Key is a content key: it seals and opens one kind of part of one calendar.
// It prints as its id, never its value; the zero value seals and opens nothing.
type Key struct {
	ID string // kms:AUTHORITY/UUID
	m  *material
}

type material struct{ aead cipher.AEAD }

// NewKey makes a key of 32 bytes, which it does not keep.
func NewKey(id string, raw []byte) (Key, error) {
	if !validKeyID(id) {
		return Key{}, fmt.Errorf("%w: key id is out of form", ErrMalformed)
	}
	if len(raw) != KeySize {
		return Key{}, fmt.Errorf("%w: a content key has %d bytes, not %d", ErrMalformed, KeySize, len(raw))
	}
	block, err := aes.NewCipher(raw)
	if err != nil {
		return Key{}, err
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return Key{}, err
	}
	return Key{ID: id, m: &material{aead}}, nil
}

// String names the key and hides its value.
func (k Key) String() string { return "key " + k.ID + " [redacted]" }

// Format names the key and hides its value, whatever the verb.
func (k Key) Format(f fmt.State, _ rune) { fmt.Fprint(f, k.String()) }

// LogValue names the key and hides its value.
func (k Key) LogValue() slog.Value { return slog.StringValue(k.String()) }

// MarshalText names the key and hides its value, in JSON too.
func (k Key) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// IndexKey turns the names of meetings into item ids that say nothing to
// anyone without it. It prints as [redacted].
type IndexKey struct{ raw string }

// NewIndexKey makes an index key of 32 bytes.
func NewIndexKey(raw []byte) (IndexKey, error) {
	if len(raw) != KeySize {
		return IndexKey{}, fmt.Errorf("%w: an index key has %d bytes, not %d", ErrMalformed, KeySize, len(raw))
	}
	return IndexKey{string(raw)}, nil
}

// String hides the key.
func (IndexKey) String() string { return "[redacted]" }

// Format hides the key, whatever the verb.
func (IndexKey) Format(f fmt.State, _ rune) { fmt.Fprint(f, "[redacted]") }

// LogValue hides the key.
func (IndexKey) LogValue() slog.Value { return slog.StringValue("[redacted]") }

// MarshalText hides the key, in JSON too.
func (IndexKey) MarshalText() ([]byte, error) { return []byte("[redacted]"), nil }

// ItemID names a meeting within one calendar: the first 16 bytes of
// HMAC-SHA256(index key, item key) in base64url. It is stable for a calendar
// and cannot be linked between calendars. The item key is whatever names the
// meeting in its mailbox, e.g. its UID and the recurrence id of an occurrence.
func ItemID(ik IndexKey, itemKey string) string {
	m := hmac.New(sha256.New, []byte(ik.raw))
	m.Write([]byte(itemKey))
	return encoding.EncodeToString(m.Sum(nil)[:16])
}

// Resource is a calendar as the key server knows it, with the keys that a
// connector seals it by.
type Resource struct {
	ID        string // 16 bytes in base64url
	Org       string // 16 bytes in base64url
	Authority string // the key server's, 16 bytes in base64url
	Index     IndexKey
	Head      Key
	Body      Key
}

// Keys is where a connector gets its keys from. The key server's client
// implements it. Methods fail with an error that says what to do; a network
// that is down is not told from a server that is.
type Keys interface {
	// Ensure returns the resource of an owner's calendar, making it at the
	// first call. The owner is the mailbox's primary SMTP address, without
	// regard to case.
	Ensure(ctx context.Context, owner string) (Resource, error)
	// Fetch returns those of the named keys that exist and are the caller's.
	Fetch(ctx context.Context, kids []string) ([]Key, error)
}
