// Package canary looks for secrets in bytes that must not hold them: database
// files, recorded traffic, logs.
//
//	s := canary.New(canary.Text("subject", "Quarterly figures 7Kq"), canary.Time("start", start))
//	for _, hit := range s.Scan(data) { … }
//
// A secret is looked for as it is and in every form that programs commonly give
// it: UTF-8 and UTF-16, upper and lower case, backwards, base64 and base32 at
// every alignment, hexadecimal, percent, quoted-printable, JSON and HTML
// escapes, the usual digests without a key; all of that inside gzip and zlib
// streams too. A text counts as found where a stretch of eight of its bytes
// stands there, so a copy that was cut, wrapped or split over two pages is found
// as well. A time is looked for in the notations of dates and as a number of
// seconds and their fractions, in decimal and in binary, and counts only where
// it stands whole: half a date is no secret.
//
// A search that finds nothing proves little unless it would have found
// something. The package's own tests plant every secret in every form; whoever
// uses it should also scan something that does hold the secrets.
package canary

import (
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"encoding/binary"
	"fmt"
	"io"
	"strconv"
	"time"
)

// Secret is something to look for: make it with Text or Time.
type Secret struct {
	name  string
	forms []form
}

// form is one way to write a secret down.
type form struct {
	name  string
	bytes []byte
	least int // length of the shortest stretch of it that counts
}

// Text is a secret that a person wrote, such as a subject, an address or a
// link. Texts of fewer than eight bytes cannot be told from chance and are
// refused by New.
func Text(name, text string) Secret {
	s := Secret{name: name}
	if len(text) < window {
		return s
	}
	for _, f := range formsOf(text) {
		f.least = min(f.least, len(f.bytes))
		s.forms = append(s.forms, f)
	}
	return s
}

// Time is a moment, such as the start of a meeting. A moment on a full minute is
// told best from the many others that programs write down.
func Time(name string, t time.Time) Secret {
	s := Secret{name: name}
	for _, text := range notations(t) {
		for _, f := range formsOf(text) {
			f.name, f.least = text+" as "+f.name, len(f.bytes)
			s.forms = append(s.forms, f)
		}
	}
	for _, f := range numbers(t) {
		f.least = len(f.bytes)
		s.forms = append(s.forms, f)
	}
	return s
}

// Hit is a place where a secret stands.
type Hit struct {
	Secret string // its name
	Form   string // how it is written
	Layer  string // in which compressed streams; empty: none
	At     int    // offset in the innermost of them
	Len    int
}

// String describes the hit without the secret.
func (h Hit) String() string {
	return fmt.Sprintf("%s as %s, %d bytes at %d%s", h.Secret, h.Form, h.Len, h.At, h.Layer)
}

// window is the length of the stretches that are compared.
const window = 8

// Scanner looks for many secrets at once.
type Scanner struct {
	forms  []located
	filter []uint64 // a bit for each hash of a stretch: most places need no further look
	places map[uint64][]place
}

type located struct {
	form
	secret string
}

// place is a stretch within a form.
type place struct{ form, offset int }

const filterBits = 22

func hash(stretch uint64) uint64 { return stretch * 0x9E3779B97F4A7C15 >> (64 - filterBits) }

// New makes a scanner. It fails where a secret is too short to be looked for.
func New(secrets ...Secret) (*Scanner, error) {
	s := &Scanner{filter: make([]uint64, 1<<filterBits/64), places: map[uint64][]place{}}
	for _, secret := range secrets {
		if len(secret.forms) == 0 {
			return nil, fmt.Errorf("canary: %s has fewer than %d bytes and cannot be told from chance", secret.name, window)
		}
		seen := map[string]bool{}
		for _, f := range secret.forms {
			if len(f.bytes) < window || seen[string(f.bytes)] {
				continue
			}
			seen[string(f.bytes)] = true
			s.add(located{f, secret.name})
		}
	}
	return s, nil
}

func (s *Scanner) add(f located) {
	n := len(s.forms)
	s.forms = append(s.forms, f)
	for i := 0; i+window <= len(f.bytes); i++ {
		stretch := binary.LittleEndian.Uint64(f.bytes[i:])
		h := hash(stretch)
		s.filter[h>>6] |= 1 << (h & 63)
		s.places[stretch] = append(s.places[stretch], place{n, i})
	}
}

// Scan returns every place in data where a secret stands.
func (s *Scanner) Scan(data []byte) []Hit {
	var hits []Hit
	s.layers(data, "", 0, &hits)
	return hits
}

// flat looks at the bytes as they are.
func (s *Scanner) flat(data []byte, layer string, hits *[]Hit) {
	for i := 0; i+window <= len(data); i++ {
		stretch := binary.LittleEndian.Uint64(data[i:])
		if h := hash(stretch); s.filter[h>>6]&(1<<(h&63)) == 0 {
			continue
		}
		for _, p := range s.places[stretch] {
			f := &s.forms[p.form]
			if p.offset > 0 && i > 0 && f.bytes[p.offset-1] == data[i-1] {
				continue // the rest of a run that was looked at
			}
			n := window
			for p.offset+n < len(f.bytes) && i+n < len(data) && f.bytes[p.offset+n] == data[i+n] {
				n++
			}
			if n >= f.least {
				*hits = append(*hits, Hit{f.secret, f.name, layer, i, n})
			}
		}
	}
}

const (
	maxLayers  = 3
	maxInflate = 64 << 20
)

// layers looks at the bytes and at what compressed streams among them hold.
func (s *Scanner) layers(data []byte, layer string, depth int, hits *[]Hit) {
	s.flat(data, layer, hits)
	if depth == maxLayers {
		return
	}
	for i := nextStream(data, 0); i >= 0; i = nextStream(data, i+1) {
		var r io.Reader
		var err error
		kind := "gzip"
		if data[i] == 0x1f {
			r, err = gzip.NewReader(bytes.NewReader(data[i:]))
		} else {
			kind = "zlib"
			r, err = zlib.NewReader(bytes.NewReader(data[i:]))
		}
		if err != nil {
			continue
		}
		inner, _ := io.ReadAll(io.LimitReader(r, maxInflate)) // what came before an error counts too
		if len(inner) >= window {
			s.layers(inner, layer+" in "+kind+" at "+strconv.Itoa(i), depth+1, hits)
		}
	}
}

// nextStream returns where a gzip or zlib stream may begin, or -1.
func nextStream(data []byte, from int) int {
	for i := from; i+3 < len(data); i++ {
		switch {
		case data[i] == 0x1f && data[i+1] == 0x8b && data[i+2] == 8:
			return i
		case data[i] == 0x78 && bytes.IndexByte([]byte{0x01, 0x5e, 0x9c, 0xda}, data[i+1]) >= 0:
			return i
		}
	}
	return -1
}
