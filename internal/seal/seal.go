// Package seal is the only implementation of Koyomi's sealing format: a part of
// a meeting goes in as JSON and comes out as a JWE that nobody without the key
// can read, and that cannot be put in another part's place.
//
// # Format
//
// A sealed part is a JWE in compact form (RFC 7516 section 7.1), always with
// direct encryption ("alg":"dir") and AES-256-GCM ("enc":"A256GCM"):
//
//	BASE64URL(header) . . BASE64URL(iv) . BASE64URL(ciphertext) . BASE64URL(tag)
//
// with the header
//
//	{"alg":"dir","enc":"A256GCM","kid":"kms:AUTHORITY/UUID","typ":"koyomi+jwe",
//	 "hc":{"o":ORG,"r":RESOURCE,"i":ITEM,"p":PART,"v":REVISION,"g":GENERATION}}
//
// The header is the additional authenticated data, as in every JWE. "hc" says
// where the part belongs, and [Open] compares it with what the reader asked
// for: that is what stops a store from swapping, mixing up or copying parts.
// A header with any other field, with a field twice, with "zip" or "crit" is
// refused.
//
// The plaintext is JSON with trailing spaces up to a size that says little
// about the content: a body up to the next power of two, everything else up to
// the next multiple of 1024 bytes, both at least 1024. [Open] takes the spaces
// away again.
//
// # Use
//
// The connector gets a [Resource] for each calendar from its [Keys], names
// items by [ItemID] and calls [Seal]; a reader calls [Open] with the header it
// expects. The initial vector is random: one key seals at most 2^28 messages,
// far more than a calendar has in the key's life.
//
// Signatures of requests are compact JWS with ES256: [SignJWS], [ParseJWS].
//
// Everything here is the standard library's cryptography; the package imports
// nothing of ours and keeps no state.
package seal

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
)

// MaxPlaintext is the most that one part holds, padding included: 512 KiB.
const MaxPlaintext = 512 << 10

// maxSealed is the longest JWE that is looked at.
const maxSealed = MaxPlaintext/3*4 + 4096

// The ways in which opening fails. Errors from this package wrap one of them
// and never quote what they refused.
var (
	// ErrMalformed: not a sealed part in this format.
	ErrMalformed = errors.New("not a sealed part")
	// ErrContext: a sealed part, but of another calendar, item, part or revision than asked for.
	ErrContext = errors.New("sealed for another place")
	// ErrKey: sealed under another key.
	ErrKey = errors.New("sealed under another key")
	// ErrForged: key and place are right, but the text was changed or made without the key.
	ErrForged = errors.New("sealed part was changed or made without the key")
	// ErrTooLarge: more than MaxPlaintext after padding.
	ErrTooLarge = errors.New("part is larger than can be sealed")
)

// encoding is base64url without padding, refusing stray bits. It skips line
// breaks, so texts are held against broken first.
var encoding = base64.RawURLEncoding.Strict()

// broken reports whether a text has line breaks, which would give one message
// many texts.
func broken(s string) bool { return strings.IndexByte(s, '\n') >= 0 || strings.IndexByte(s, '\r') >= 0 }

// padUnit is the smallest size of a padded plaintext.
const padUnit = 1024

// paddedSize returns the size to which n bytes of a part are padded.
func paddedSize(part string, n int) int {
	if part != PartBody {
		return max(padUnit, (n+padUnit-1)/padUnit*padUnit)
	}
	size := padUnit
	for size < n {
		size *= 2
	}
	return size
}

// Seal seals a part under a key. The header's KeyID is set to the key's own;
// its other fields must be in form (see [Header]). The plaintext is JSON text:
// spaces at its end do not come back. The result differs each time.
//
// It fails with ErrTooLarge, or with ErrMalformed for a header out of form or
// the zero key.
func Seal(k Key, h Header, plaintext []byte) (string, error) {
	if k.m == nil {
		return "", fmt.Errorf("%w: no key", ErrMalformed)
	}
	h.KeyID = k.ID
	if err := h.check(); err != nil {
		return "", err
	}
	size := paddedSize(h.Part, len(plaintext))
	if size > MaxPlaintext {
		return "", fmt.Errorf("%w: %d bytes, at most %d", ErrTooLarge, len(plaintext), MaxPlaintext)
	}
	head := h.appendJSON(make([]byte, 0, 320))
	// One buffer holds the text: header, two dots, iv, dot, ciphertext, dot, tag.
	headLen := encoding.EncodedLen(len(head))
	out := make([]byte, headLen, headLen+2+16+1+encoding.EncodedLen(size)+1+22)
	encoding.Encode(out, head)

	padded := make([]byte, size, size+ivSize+tagSize)
	copy(padded, plaintext)
	for i := len(plaintext); i < size; i++ {
		padded[i] = ' '
	}
	sealed := k.m.aead.Seal(padded[:0], nil, padded, out)
	out = append(out, '.', '.')
	out = encoding.AppendEncode(out, sealed[:ivSize])
	out = append(out, '.')
	out = encoding.AppendEncode(out, sealed[ivSize:ivSize+size])
	out = append(out, '.')
	out = encoding.AppendEncode(out, sealed[ivSize+size:])
	return string(out), nil
}

// Open opens a sealed part that is said to be the one that want names. Org,
// Resource, Item and Part must be as wanted; so must KeyID, Rev and Generation
// unless they are zero, which means any ([Inspect] tells which it was).
//
// It fails with ErrMalformed, ErrContext, ErrKey or ErrForged. The checks come
// in this order, and only the last of them says anything about the key.
func Open(k Key, want Header, jwe string) ([]byte, error) {
	p, err := split(jwe)
	if err != nil {
		return nil, err
	}
	if err := p.header.matches(want); err != nil {
		return nil, err
	}
	if k.m == nil || p.header.KeyID != k.ID {
		return nil, ErrKey
	}
	n := encoding.DecodedLen(len(p.text))
	buf := make([]byte, 0, ivSize+n+tagSize)
	for _, s := range []string{p.iv, p.text, p.tag} {
		if buf, err = encoding.AppendDecode(buf, []byte(s)); err != nil {
			return nil, ErrMalformed
		}
	}
	plain, err := k.m.aead.Open(buf[:0], nil, buf, []byte(p.head))
	if err != nil {
		return nil, ErrForged
	}
	return bytes.TrimRight(plain, " "), nil
}

// Inspect reads a sealed part's header without a key. What it says is only
// known to be true once Open has opened the part.
func Inspect(jwe string) (Header, error) {
	p, err := split(jwe)
	return p.header, err
}

const (
	ivSize  = 12
	tagSize = 16
)

// pieces is a JWE taken apart, still encoded.
type pieces struct {
	head, iv, text, tag string
	header              Header
}

func split(jwe string) (p pieces, err error) {
	if len(jwe) > maxSealed || broken(jwe) {
		return pieces{}, fmt.Errorf("%w: too long, or broken into lines", ErrMalformed)
	}
	f := strings.Split(jwe, ".")
	if len(f) != 5 || f[1] != "" {
		return pieces{}, fmt.Errorf("%w: not a compact JWE with direct encryption", ErrMalformed)
	}
	p = pieces{head: f[0], iv: f[2], text: f[3], tag: f[4]}
	if len(p.iv) != encoding.EncodedLen(ivSize) || len(p.tag) != encoding.EncodedLen(tagSize) {
		return pieces{}, fmt.Errorf("%w: iv or tag of another size", ErrMalformed)
	}
	raw, err := encoding.DecodeString(p.head)
	if err != nil {
		return pieces{}, fmt.Errorf("%w: header is not base64url", ErrMalformed)
	}
	if p.header, err = parseHeader(raw); err != nil {
		return pieces{}, err
	}
	return p, nil
}
