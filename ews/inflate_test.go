package ews

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/koyomi-cal/koyomi/ews/internal/wire"
)

// pack packs what gunzip is tried with, at a level of compress/gzip.
func pack(t testing.TB, data []byte, level int, name string) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := gzip.NewWriterLevel(&b, level)
	if err != nil {
		t.Fatal(err)
	}
	w.Name = name
	if _, err := w.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// samples are texts that every kind of block is made of.
func samples() map[string][]byte {
	r := rand.New(rand.NewPCG(1, 2))
	noise, skewed := make([]byte, 100_000), make([]byte, 300_000)
	for i := range noise {
		noise[i] = byte(r.Uint32())
	}
	for i := range skewed { // the rare ones get codes of up to 15 bits
		skewed[i] = byte(min(r.ExpFloat64()*9, 255))
	}
	var items strings.Builder
	for i := range 500 {
		fmt.Fprintf(&items, `<t:CalendarItem><t:Subject>Number %d</t:Subject><t:Start>2026-01-%02dT10:00:00Z</t:Start></t:CalendarItem>`, r.IntN(1e6), i%28+1)
	}
	return map[string][]byte{
		"empty": {}, "one": {'x'}, "run": bytes.Repeat([]byte{'a'}, 70_000), "pair": bytes.Repeat([]byte("ab"), 70_000),
		"noise": noise, "skewed": skewed, "items": []byte(items.String()),
	}
}

// TestGunzip unpacks what compress/gzip packs, alone and after another member,
// and refuses it where a byte is missing, wrong, or too much.
func TestGunzip(t *testing.T) {
	t.Parallel()
	var z inflater
	for name, data := range samples() {
		for _, level := range []int{gzip.NoCompression, gzip.BestSpeed, gzip.DefaultCompression, gzip.BestCompression, gzip.HuffmanOnly} {
			packed := pack(t, data, level, "name")
			two := append(bytes.Clone(packed), pack(t, data, level, "")...)
			want := append(bytes.Clone(data), data...)
			if got, err := z.gunzip([]byte("before"), two, int64(len(want))); err != nil || string(got) != "before"+string(want) {
				t.Fatalf("%s at level %d: %v, %d bytes of %d", name, level, err, len(got), len(want))
			}
			if _, err := z.gunzip(nil, packed, int64(len(data))-1); len(data) > 0 && !errors.Is(err, wire.ErrTooLarge) {
				t.Errorf("%s at level %d, one byte more than allowed: %v", name, level, err)
			}
			for n := 0; n < len(packed); n += 1 + len(packed)/97 {
				if _, err := z.gunzip(nil, packed[:n], 1<<20); err == nil {
					t.Errorf("%s at level %d, cut at %d: no error", name, level, n)
				}
			}
			packed[len(packed)-5] ^= 1
			if _, err := z.gunzip(nil, packed, 1<<20); !errors.Is(err, gzip.ErrChecksum) {
				t.Errorf("%s at level %d, wrong checksum: %v", name, level, err)
			}
		}
	}
	if _, err := z.gunzip(nil, []byte("<html>not packed at all"), 1<<20); !errors.Is(err, gzip.ErrHeader) {
		t.Errorf("no gzip: %v", err)
	}
}

// FuzzGunzip holds gunzip against compress/gzip: what the one takes, the other
// does, and to the same end. As a checksum is not found by chance, the bytes
// are tried as a bare block too.
func FuzzGunzip(f *testing.F) {
	for name, data := range samples() {
		for _, level := range []int{gzip.BestSpeed, gzip.BestCompression, gzip.HuffmanOnly} {
			f.Add(pack(f, data[:min(len(data), 5000)], level, name))
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		const limit = 1 << 20
		var z inflater
		got, err := z.gunzip(nil, data, limit)
		want, wantErr := slowly(data, limit)
		if (err == nil) != (wantErr == nil) || err == nil && !bytes.Equal(got, want) {
			t.Fatalf("got %d bytes, %v; want %d, %v", len(got), err, len(want), wantErr)
		}
		const header = "\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"
		got, err = z.gunzip(nil, append([]byte(header), data...), limit)
		want, wantErr = io.ReadAll(io.LimitReader(flate.NewReader(bytes.NewReader(data)), limit+1))
		if wantErr == nil && len(want) <= limit && !bytes.HasPrefix(got, want) || err == nil && wantErr != nil {
			t.Fatalf("a bare block: got %d bytes, %v; want %d, %v", len(got), err, len(want), wantErr)
		}
	})
}

func slowly(data []byte, limit int64) ([]byte, error) {
	r, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	out, err := io.ReadAll(io.LimitReader(r, limit+1))
	if int64(len(out)) > limit {
		return nil, wire.ErrTooLarge
	}
	return out, err
}

func BenchmarkGunzip(b *testing.B) {
	data := samples()["items"]
	packed := pack(b, data, gzip.DefaultCompression, "")
	b.Run("here", func(b *testing.B) {
		var z inflater
		var buf []byte
		b.SetBytes(int64(len(data)))
		b.ReportAllocs()
		for b.Loop() {
			out, err := z.gunzip(buf[:0], packed, 1<<20)
			if err != nil {
				b.Fatal(err)
			}
			buf = out
		}
	})
	b.Run("compress/gzip", func(b *testing.B) {
		var z gzip.Reader
		var buf bytes.Buffer
		b.SetBytes(int64(len(data)))
		b.ReportAllocs()
		for b.Loop() {
			buf.Reset()
			if err := z.Reset(bytes.NewReader(packed)); err != nil {
				b.Fatal(err)
			}
			if _, err := buf.ReadFrom(&z); err != nil {
				b.Fatal(err)
			}
		}
	})
}
