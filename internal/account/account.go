// Package account holds what every listener of Koyomi needs to know who may
// come in: one-time codes, rate limits, and the check of the Host and Origin
// headers. The cloud, the key server and the console use the same.
//
// # One-time codes
//
// A code is shown to a person once and redeemed once. It has a public half,
// by which the server finds it and counts wrong tries, and a secret half of 128
// random bits, of which the server keeps the SHA-256 only:
//
//	kms-RANDOM      for the key server
//	cloud-RANDOM    for the cloud
//
// RANDOM is 22 bytes in base64url, 6 for the public half. The prefix keeps a
// code from being typed in at the wrong server: [ParseCode] refuses it there,
// and clients refuse it before they send it.
//
// # Guard
//
// A page on another site can make a browser call any address, also one on
// loopback, under any name that it can make resolve there. [Guard] lets only the
// names in that the server was given, and requests from pages only from the
// origins that it was given.
package account

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"
)

// What a one-time code is worth.
const (
	CodeLife  = 30 * time.Minute
	CodeTries = 5
)

// Kind says at which server a code is redeemed.
type Kind string

// The kinds of code.
const (
	KMS   Kind = "kms"
	Cloud Kind = "cloud"
)

// ErrCode means a text that is no code of this kind. The message says which server
// it is for, if it is a code at all.
var ErrCode = errors.New("not a one-time code")

const (
	codeIDSize = 6
	codeSize   = codeIDSize + 16
)

var encoding = base64.RawURLEncoding.Strict()

// Code is a one-time code. It prints as [redacted]; Reveal is for showing it to
// the person that it was made for.
type Code struct {
	ID   string   // public half, 8 characters of base64url
	Hash [32]byte // SHA-256 of the secret half
	text string
}

// NewCode makes a code from fresh randomness.
func NewCode(kind Kind) Code {
	var raw [codeSize]byte
	rand.Read(raw[:]) // never fails, by its contract
	return code(kind, raw[:])
}

func code(kind Kind, raw []byte) Code {
	return Code{
		ID:   encoding.EncodeToString(raw[:codeIDSize]),
		Hash: sha256.Sum256(raw[codeIDSize:]),
		text: string(kind) + "-" + encoding.EncodeToString(raw),
	}
}

// ParseCode reads a code as somebody typed or pasted it, with white space
// around it at most. It fails with ErrCode.
func ParseCode(kind Kind, text string) (Code, error) {
	text = strings.TrimSpace(text)
	random, ok := strings.CutPrefix(text, string(kind)+"-")
	if !ok {
		other := KMS
		if kind == KMS {
			other = Cloud
		}
		if strings.HasPrefix(text, string(other)+"-") {
			return Code{}, fmt.Errorf("%w for %s: this one is for %s", ErrCode, kind.place(), other.place())
		}
		return Code{}, fmt.Errorf("%w: one for %s begins with %q", ErrCode, kind.place(), string(kind)+"-")
	}
	raw, err := encoding.DecodeString(random)
	if err != nil || len(raw) != codeSize || strings.ContainsAny(random, "\r\n") {
		return Code{}, fmt.Errorf("%w: some of it is missing or was changed; copy it whole", ErrCode)
	}
	return code(kind, raw), nil
}

// place names the server for people.
func (k Kind) place() string {
	if k == KMS {
		return "the key server"
	}
	return "the cloud"
}

// Reveal returns the code as a person gets it.
func (c Code) Reveal() string { return c.text }

// String hides the code.
func (Code) String() string { return "[redacted]" }

// Format hides the code, whatever the verb.
func (Code) Format(f fmt.State, _ rune) { fmt.Fprint(f, "[redacted]") }

// LogValue hides the code.
func (Code) LogValue() slog.Value { return slog.StringValue("[redacted]") }

// MarshalText hides the code, in JSON too.
func (Code) MarshalText() ([]byte, error) { return []byte("[redacted]"), nil }

// NewID makes an opaque id: 16 random bytes in base64url.
func NewID() string {
	var raw [16]byte
	rand.Read(raw[:]) // never fails, by its contract
	return encoding.EncodeToString(raw[:])
}
