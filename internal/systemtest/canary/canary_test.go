package canary

import (
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
)

// chance makes the same bytes at each run.
func chance(seed uint64) *rand.ChaCha8 { return rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8)}) }

func randomBytes(r *rand.ChaCha8, n int) []byte {
	b := make([]byte, n)
	_, _ = r.Read(b)
	return b
}

// secrets are of the kinds that a calendar holds.
func secrets(r *rand.ChaCha8) []Secret {
	token := func() string { return base64.RawURLEncoding.EncodeToString(randomBytes(r, 15)) }
	start := time.Date(2026, 11, 23, 9, 30, 0, 0, time.FixedZone("", 9*3600))
	all := []Secret{Time("start", start), Time("end", start.Add(45*time.Minute))}
	for i := range 4 {
		t := token()
		all = append(all,
			Text(fmt.Sprint("subject ", i), "四半期会議"+t), Text(fmt.Sprint("address ", i), "Hana."+t+"@canary-"+t[:5]+".example"),
			Text(fmt.Sprint("link ", i), "https://meet.example/"+t), Text(fmt.Sprint("body ", i), "CANARY-"+t))
	}
	return all
}

func scanner(t *testing.T, all []Secret) *Scanner {
	t.Helper()
	s, err := New(all...)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// Every secret is found in every form, plain, compressed once and twice, and
// cut at both ends.
func TestFindsWhatIsPlanted(t *testing.T) {
	t.Parallel()
	r := chance(1)
	all := secrets(r)
	s := scanner(t, all)

	// One blob holds all forms with chance between them; places has where each begins.
	var blob []byte
	type planted struct{ what, secret string }
	places := map[int]planted{}
	plant := func(secret, what string, b []byte) {
		blob = append(blob, randomBytes(r, 40)...)
		places[len(blob)] = planted{what, secret}
		blob = append(blob, b...)
	}
	for _, secret := range all {
		for _, f := range secret.forms {
			if len(f.bytes) < window {
				continue
			}
			plant(secret.name, f.name, f.bytes)
			if len(f.bytes) >= f.least+8 {
				plant(secret.name, f.name+", cut at both ends", f.bytes[4:len(f.bytes)-4])
			}
		}
	}
	blob = append(blob, randomBytes(r, 40)...)
	if len(places) < 5000 {
		t.Errorf("only %d secrets were planted", len(places))
	}
	around := func(b []byte) []byte { return slices.Concat(randomBytes(r, 300), b, randomBytes(r, 300)) }
	for layer, data := range map[string][]byte{
		"":        blob,
		" gzip":   around(squeeze(t, "gzip", blob)),
		" zlib":   around(squeeze(t, "zlib", blob)),
		" nested": around(squeeze(t, "gzip", around(squeeze(t, "zlib", blob)))),
	} {
		hits := map[planted]bool{}
		for _, h := range s.Scan(data) {
			for at := h.At; at < h.At+3; at++ { // chance may have lengthened it
				if p, is := places[at]; is && p.secret == h.Secret {
					hits[p] = true
				}
			}
		}
		for _, p := range places {
			if !hits[p] {
				t.Errorf("missed: %s as %s%s", p.secret, p.what, layer)
			}
		}
	}
}

// Chance is not taken for a secret, neither in raw bytes nor in their usual
// encodings, and neither are other moments.
func TestFindsNothingElse(t *testing.T) {
	t.Parallel()
	r := chance(2)
	s := scanner(t, secrets(r))
	raw := randomBytes(r, 2<<20)
	var moments strings.Builder
	for i := range 20000 {
		at := time.Date(2026, 11, 24, 0, 30, 7, 0, time.UTC).Add(time.Duration(i) * 61 * time.Second)
		fmt.Fprintf(&moments, "%s %d %d;", at.Format(time.RFC3339Nano), at.Unix(), at.UnixMicro())
	}
	for name, data := range map[string][]byte{
		"raw": raw, "base64": []byte(base64.StdEncoding.EncodeToString(raw)), "hexadecimal": []byte(hex.EncodeToString(raw)),
		"moments": []byte(moments.String()),
	} {
		if hits := s.Scan(data); len(hits) > 0 {
			t.Errorf("%s: %v", name, hits)
		}
	}
}

// A moment is found whole only, and in its own time zone too.
func TestTimes(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 23, 9, 30, 0, 0, time.FixedZone("", 9*3600))
	s := scanner(t, []Secret{Time("start", at)})
	for _, text := range []string{
		"2026-11-23T00:30:00Z", "2026-11-23T09:30:00+09:00", `{"start":"2026-11-23T00:30:00.000Z"}`, "DTSTART:20261123T003000Z",
		"DTSTART;TZID=Asia/Tokyo:20261123T093000", "1795393800", "1795393800000", "2026年11月23日 09:30", "134398674000000000",
	} {
		if !found(s.Scan([]byte(text)), "start") {
			t.Errorf("missed in %s", text)
		}
	}
	for _, text := range []string{"2026-11-23", "2026-11-23T00:31:00Z", "1795393801", "00:30:00"} {
		if hits := s.Scan([]byte(text)); len(hits) > 0 {
			t.Errorf("%s: %v", text, hits)
		}
	}
}

func TestTooShort(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "1234567"} {
		if _, err := New(Text("secret", text)); err == nil {
			t.Errorf("%q was taken", text)
		}
	}
}

// A hit says where and how, and not what.
func TestHitHidesTheSecret(t *testing.T) {
	t.Parallel()
	s := scanner(t, []Secret{Text("subject", "Quarterly figures")})
	hits := s.Scan([]byte("xxx Quarterly figures"))
	if len(hits) == 0 || hits[0].String() != "subject as text, 17 bytes at 4" {
		t.Errorf("%v", hits)
	}
}

func found(hits []Hit, name string) bool {
	return slices.ContainsFunc(hits, func(h Hit) bool { return h.Secret == name })
}

func squeeze(t *testing.T, how string, b []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	var w io.WriteCloser = gzip.NewWriter(&out)
	if how == "zlib" {
		w = zlib.NewWriter(&out)
	}
	if _, err := w.Write(b); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}
