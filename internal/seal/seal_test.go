package seal_test

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"
	"github.com/koyomi-cal/koyomi/internal/seal"
	"pgregory.net/rapid"
)

const testKID = "kms:AAAAAAAAAAAAAAAAAAAAAA/00000000-0000-4000-8000-000000000001"

func newKey(t testing.TB) (seal.Key, []byte) {
	t.Helper()
	raw := make([]byte, 32)
	rand.Read(raw)
	k, err := seal.NewKey(testKID, raw)
	if err != nil {
		t.Fatal(err)
	}
	return k, raw
}

func place(part string) seal.Header {
	return seal.Header{Org: b64(fixed("org", 16)), Resource: b64(fixed("resource", 16)), Item: b64(fixed("item", 16)), Part: part, Rev: 7, Generation: 2}
}

func TestRoundTrip(t *testing.T) {
	t.Parallel()
	key, _ := newKey(t)
	rapid.Check(t, func(t *rapid.T) {
		h := place(rapid.SampledFrom([]string{"h", "b", "m", "c", "r", "n"}).Draw(t, "part"))
		h.Rev = rapid.Int64Range(1, 1<<53-1).Draw(t, "rev")
		h.Generation = rapid.Int64Range(0, 1<<53-1).Draw(t, "generation")
		text := bytes.TrimRight(rapid.SliceOfN(rapid.Byte(), 0, 5000).Draw(t, "text"), " ")
		jwe, err := seal.Seal(key, h, text)
		if err != nil {
			t.Fatal(err)
		}
		got, err := seal.Open(key, h, jwe)
		if err != nil || !bytes.Equal(got, text) {
			t.Fatalf("opened %q, %v; sealed %q", got, err, text)
		}
		in, err := seal.Inspect(jwe)
		h.KeyID = key.ID
		if err != nil || in != h {
			t.Fatalf("inspected %+v, %v; want %+v", in, err, h)
		}
	})
}

// Sizes say as little as they are meant to.
func TestPadding(t *testing.T) {
	t.Parallel()
	key, _ := newKey(t)
	for _, c := range []struct {
		part  string
		n     int
		padto int
	}{
		{"h", 0, 1024}, {"h", 1, 1024}, {"h", 1024, 1024}, {"h", 1025, 2048}, {"h", 3000, 3072}, {"n", 10, 1024},
		{"b", 0, 1024}, {"b", 1024, 1024}, {"b", 1025, 2048}, {"b", 2049, 4096}, {"b", 4097, 8192}, {"b", seal.MaxPlaintext, seal.MaxPlaintext},
	} {
		jwe, err := seal.Seal(key, place(c.part), bytes.Repeat([]byte("x"), c.n))
		if err != nil {
			t.Fatal(err)
		}
		if got := base64.RawURLEncoding.DecodedLen(len(strings.Split(jwe, ".")[3])); got != c.padto {
			t.Errorf("part %s of %d bytes: %d on the wire, want %d", c.part, c.n, got, c.padto)
		}
		if got, err := seal.Open(key, place(c.part), jwe); err != nil || len(got) != c.n {
			t.Errorf("part %s of %d bytes: opened %d bytes, %v", c.part, c.n, len(got), err)
		}
	}
	for _, part := range []string{"h", "b"} {
		if _, err := seal.Seal(key, place(part), bytes.Repeat([]byte("x"), seal.MaxPlaintext+1)); !errors.Is(err, seal.ErrTooLarge) {
			t.Errorf("part %s over the limit: %v", part, err)
		}
	}
}

// Every single bit of a sealed part matters.
func TestEveryBitFlip(t *testing.T) {
	t.Parallel()
	key, _ := newKey(t)
	h := place("h")
	jwe, err := seal.Seal(key, h, []byte(`{"v":1}`))
	if err != nil {
		t.Fatal(err)
	}
	for i := range len(jwe) * 8 {
		b := []byte(jwe)
		b[i/8] ^= 1 << (i % 8)
		if got, err := seal.Open(key, h, string(b)); err == nil {
			t.Fatalf("bit %d: opened %q", i, got)
		}
	}
	for i := range len(jwe) + 1 {
		for _, brk := range []string{"\n", "\r"} {
			if _, err := seal.Open(key, h, jwe[:i]+brk+jwe[i:]); err == nil {
				t.Fatalf("line break at %d: opened", i)
			}
		}
	}
}

func TestSealRefuses(t *testing.T) {
	t.Parallel()
	key, _ := newKey(t)
	for name, change := range map[string]func(h *seal.Header){
		"org":             func(h *seal.Header) { h.Org = "contoso.example" },
		"resource":        func(h *seal.Header) { h.Resource = "" },
		"item":            func(h *seal.Header) { h.Item = `AAAA","x":"AAAAAAAAAAAA` },
		"item stray bits": func(h *seal.Header) { h.Item = "AAAAAAAAAAAAAAAAAAAAAB" },
		"part":            func(h *seal.Header) { h.Part = "hb" },
		"no part":         func(h *seal.Header) { h.Part = "" },
		"revision":        func(h *seal.Header) { h.Rev = 0 },
		"large revision":  func(h *seal.Header) { h.Rev = 1 << 53 },
		"generation":      func(h *seal.Header) { h.Generation = -1 },
	} {
		h := place("h")
		change(&h)
		if s, err := seal.Seal(key, h, nil); !errors.Is(err, seal.ErrMalformed) || s != "" {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := seal.Seal(seal.Key{}, place("h"), nil); !errors.Is(err, seal.ErrMalformed) {
		t.Errorf("zero key: %v", err)
	}
	jwe, err := seal.Seal(key, place("h"), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := seal.Open(seal.Key{}, place("h"), jwe); !errors.Is(err, seal.ErrKey) {
		t.Errorf("zero key opens: %v", err)
	}
	want := place("h")
	want.KeyID = strings.Replace(testKID, "1", "2", 1)
	if _, err := seal.Open(key, want, jwe); !errors.Is(err, seal.ErrKey) {
		t.Errorf("another key id wanted: %v", err)
	}
	if _, err := seal.Inspect(strings.Repeat("A", 1<<21)); !errors.Is(err, seal.ErrMalformed) {
		t.Errorf("2 MiB: %v", err)
	}
}

func TestKeysRefuse(t *testing.T) {
	t.Parallel()
	for _, kid := range []string{"", "kms:", "kms:AAAAAAAAAAAAAAAAAAAAAA", "kms:kms.example.com/00000000-0000-4000-8000-000000000001",
		"AAAAAAAAAAAAAAAAAAAAAA/00000000-0000-4000-8000-000000000001", testKID + "0", strings.ToUpper(testKID),
		"kms:AAAAAAAAAAAAAAAAAAAAAA/00000000x0000-4000-8000-000000000001", "kms:AAAAAAAAAAAAAAAAAAAAAA/0000000g-0000-4000-8000-000000000001"} {
		if _, err := seal.NewKey(kid, make([]byte, 32)); !errors.Is(err, seal.ErrMalformed) {
			t.Errorf("kid %q: %v", kid, err)
		}
	}
	for _, n := range []int{0, 16, 31, 33} {
		if _, err := seal.NewKey(testKID, make([]byte, n)); !errors.Is(err, seal.ErrMalformed) {
			t.Errorf("key of %d bytes: %v", n, err)
		}
		if _, err := seal.NewIndexKey(make([]byte, n)); !errors.Is(err, seal.ErrMalformed) {
			t.Errorf("index key of %d bytes: %v", n, err)
		}
	}
}

// Keys cannot be printed, in whatever form somebody tries.
func TestKeysAreRedacted(t *testing.T) {
	t.Parallel()
	raw := []byte("0123456789abcdefghijklmnopqrstuv")
	k, err := seal.NewKey(testKID, raw)
	if err != nil {
		t.Fatal(err)
	}
	ik, err := seal.NewIndexKey(raw)
	if err != nil {
		t.Fatal(err)
	}
	res := seal.Resource{Head: k, Body: k, Index: ik}
	var log bytes.Buffer
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "key", k, "index", ik, "resource", res)
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "key", k, "index", ik, "resource", res)
	asJSON, err := json.Marshal(map[string]any{"a": k, "b": ik, "c": res})
	if err != nil {
		t.Fatal(err)
	}
	all := log.String() + string(asJSON) + fmt.Sprint(k, ik, res) + k.String() + ik.String()
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%q", "%d"} {
		all += fmt.Sprintf(verb, k) + fmt.Sprintf(verb, ik) + fmt.Sprintf(verb, res) + fmt.Sprintf(verb, &res)
	}
	for _, hidden := range []string{string(raw), "30313233", b64(raw), base64.StdEncoding.EncodeToString(raw), "[48 49 50"} {
		if strings.Contains(all, hidden) {
			t.Errorf("key shows as %q in %s", hidden, all)
		}
	}
	if !strings.Contains(all, "[redacted]") {
		t.Error("nothing was printed at all")
	}
}

// A library that others wrote opens what we seal, and makes what we open.
func TestInteropGoJose(t *testing.T) {
	t.Parallel()
	key, raw := newKey(t)
	h := place("b")
	text := []byte(`{"v":1,"notes":"議題"}`)
	ours, err := seal.Seal(key, h, text)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := jose.ParseEncryptedCompact(ours, []jose.KeyAlgorithm{jose.DIRECT}, []jose.ContentEncryption{jose.A256GCM})
	if err != nil {
		t.Fatal(err)
	}
	got, err := parsed.Decrypt(raw)
	if err != nil || strings.TrimRight(string(got), " ") != string(text) {
		t.Fatalf("go-jose opened %q, %v", got, err)
	}

	opts := (&jose.EncrypterOptions{}).WithType("koyomi+jwe").WithHeader("kid", key.ID).WithHeader("hc",
		map[string]any{"o": h.Org, "r": h.Resource, "i": h.Item, "p": h.Part, "v": h.Rev, "g": h.Generation})
	enc, err := jose.NewEncrypter(jose.A256GCM, jose.Recipient{Algorithm: jose.DIRECT, Key: raw}, opts)
	if err != nil {
		t.Fatal(err)
	}
	obj, err := enc.Encrypt(text)
	if err != nil {
		t.Fatal(err)
	}
	theirs, err := obj.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	if got, err = seal.Open(key, h, theirs); err != nil || string(got) != string(text) {
		t.Fatalf("opened go-jose's as %q, %v", got, err)
	}
}

func TestInteropGoJoseJWS(t *testing.T) {
	t.Parallel()
	priv, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	ours, err := seal.SignJWS(priv, "instance", "t+jws", []byte("payload"))
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := jose.ParseSignedCompact(ours, []jose.SignatureAlgorithm{jose.ES256})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := parsed.Verify(&priv.PublicKey); err != nil || string(got) != "payload" {
		t.Fatalf("go-jose verified %q, %v", got, err)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: priv},
		(&jose.SignerOptions{}).WithType("t+jws").WithHeader("kid", "instance"))
	if err != nil {
		t.Fatal(err)
	}
	obj, err := signer.Sign([]byte("payload"))
	if err != nil {
		t.Fatal(err)
	}
	theirs, err := obj.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	j, err := seal.ParseJWS(theirs)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := j.Verify(&priv.PublicKey, "t+jws"); err != nil || string(got) != "payload" || j.KeyID != "instance" {
		t.Fatalf("verified %q of %q, %v", got, j.KeyID, err)
	}
	jwk, err := seal.NewJWK(&priv.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	tp, err := (&jose.JSONWebKey{Key: &priv.PublicKey}).Thumbprint(5) // crypto.SHA256
	if err != nil || jwk.Thumbprint() != b64(tp) {
		t.Errorf("thumbprint %s, go-jose's %s, %v", jwk.Thumbprint(), b64(tp), err)
	}
}

func TestSignRefuses(t *testing.T) {
	t.Parallel()
	p256, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for name, sign := range map[string]func() (string, error){
		"no key":          func() (string, error) { return seal.SignJWS(nil, "k", "t", nil) },
		"P-384":           func() (string, error) { return seal.SignJWS(p384, "k", "t", nil) },
		"kid with quote":  func() (string, error) { return seal.SignJWS(p256, `k","alg":"none`, "t", nil) },
		"typ with escape": func() (string, error) { return seal.SignJWS(p256, "k", `\u0041`, nil) },
		"kid in Japanese": func() (string, error) { return seal.SignJWS(p256, "花子", "t", nil) },
	} {
		if s, err := sign(); !errors.Is(err, seal.ErrSignature) || s != "" {
			t.Errorf("%s: %q, %v", name, s, err)
		}
	}
	if _, err := seal.NewJWK(&p384.PublicKey); !errors.Is(err, seal.ErrSignature) {
		t.Errorf("JWK of P-384: %v", err)
	}
	if _, err := seal.ParseJWS(strings.Repeat("A", 1<<20)); !errors.Is(err, seal.ErrSignature) {
		t.Errorf("1 MiB: %v", err)
	}
	good, err := seal.NewJWK(&p256.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(j *seal.JWK){
		"kty":         func(j *seal.JWK) { j.Type = "RSA" },
		"crv":         func(j *seal.JWK) { j.Curve = "P-384" },
		"x":           func(j *seal.JWK) { j.X = "" },
		"not a point": func(j *seal.JWK) { j.Y = j.X },
		"line break":  func(j *seal.JWK) { j.Y += "\n" },
	} {
		j := good
		change(&j)
		if _, err := j.PublicKey(); !errors.Is(err, seal.ErrSignature) {
			t.Errorf("JWK with wrong %s: %v", name, err)
		}
	}
	j, err := seal.ParseJWS(mustSign(t, p256))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := j.Verify(nil, "t"); !errors.Is(err, seal.ErrSignature) {
		t.Errorf("no public key: %v", err)
	}
	if _, err := j.Verify(&p384.PublicKey, "t"); !errors.Is(err, seal.ErrSignature) {
		t.Errorf("P-384 public key: %v", err)
	}
}

func mustSign(t *testing.T, key *ecdsa.PrivateKey) string {
	t.Helper()
	s, err := seal.SignJWS(key, "k", "t", []byte("payload"))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// No two seals of the same text are alike.
func TestFresh(t *testing.T) {
	t.Parallel()
	key, _ := newKey(t)
	seen := map[string]bool{}
	for range 5000 {
		jwe, err := seal.Seal(key, place("h"), []byte(`{}`))
		if err != nil {
			t.Fatal(err)
		}
		iv := strings.Split(jwe, ".")[2]
		if seen[iv] {
			t.Fatal("initial vector twice")
		}
		seen[iv] = true
	}
}

func FuzzOpen(f *testing.F) {
	// The one part that exists under this key comes from the vectors: it must be
	// the same in every process of the fuzzer.
	r := readVectors(f, "open.txt")[0]
	key, err := seal.NewKey(r["kid"], r.bytes(f, "key"))
	if err != nil {
		f.Fatal(err)
	}
	good := r["jwe"]
	f.Add(good)
	head, _, _ := strings.Cut(good, ".")
	f.Add(head + "..AAAAAAAAAAAAAAAA..AAAAAAAAAAAAAAAAAAAAAA")
	f.Add(b64([]byte(`{"alg":"dir"}`)) + "....")
	f.Add("....")
	f.Fuzz(func(t *testing.T, jwe string) {
		h, err := seal.Inspect(jwe)
		if err != nil {
			if h != (seal.Header{}) || !errors.Is(err, seal.ErrMalformed) {
				t.Errorf("failed with %v and gave %+v", err, h)
			}
			return
		}
		// What parses must say the same when it is opened, and must not open
		// unless it is the one part that was sealed under this key.
		got, err := seal.Open(key, h, jwe)
		if err == nil && jwe != good {
			t.Errorf("opened %q", got)
		}
		if errors.Is(err, seal.ErrContext) {
			t.Error("a part does not match its own header")
		}
	})
}

func FuzzParseJWS(f *testing.F) {
	d := fixed("signing key", 32)
	key, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), d)
	if err != nil {
		f.Fatal(err)
	}
	good, err := seal.SignJWS(key, "k", "t", []byte("payload"))
	if err != nil {
		f.Fatal(err)
	}
	signed := good[:strings.LastIndexByte(good, '.')]
	f.Add(good)
	f.Add(signed + "." + b64(make([]byte, 64)))
	f.Add("..")
	f.Fuzz(func(t *testing.T, text string) {
		j, err := seal.ParseJWS(text)
		if err != nil {
			return
		}
		if _, err := j.Verify(&key.PublicKey, j.Type); err == nil && !strings.HasPrefix(text, signed+".") {
			t.Errorf("verified %q", text)
		}
	})
}

func benchText() []byte { return []byte(`{"v":1,"notes":"` + strings.Repeat("x", 2048-19) + `"}`) }

func BenchmarkSeal(b *testing.B) {
	key, _ := newKey(b)
	text, h := benchText(), place("b")
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		if _, err := seal.Seal(key, h, text); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkOpen(b *testing.B) {
	key, _ := newKey(b)
	text, h := benchText(), place("b")
	jwe, err := seal.Seal(key, h, text)
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		if _, err := seal.Open(key, h, jwe); err != nil {
			b.Fatal(err)
		}
	}
}

func joseEncrypter(b *testing.B, raw []byte, h seal.Header) jose.Encrypter {
	opts := (&jose.EncrypterOptions{}).WithType("koyomi+jwe").WithHeader("kid", testKID).WithHeader("hc",
		map[string]any{"o": h.Org, "r": h.Resource, "i": h.Item, "p": h.Part, "v": h.Rev, "g": h.Generation})
	enc, err := jose.NewEncrypter(jose.A256GCM, jose.Recipient{Algorithm: jose.DIRECT, Key: raw}, opts)
	if err != nil {
		b.Fatal(err)
	}
	return enc
}

// BenchmarkSealGoJose makes an encrypter for each message, as one must to bind
// a header to it.
func BenchmarkSealGoJose(b *testing.B) {
	_, raw := newKey(b)
	text, h := benchText(), place("b")
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		obj, err := joseEncrypter(b, raw, h).Encrypt(text)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := obj.CompactSerialize(); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkOpenGoJose(b *testing.B) {
	key, raw := newKey(b)
	text := benchText()
	jwe, err := seal.Seal(key, place("b"), text)
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		obj, err := jose.ParseEncryptedCompact(jwe, []jose.KeyAlgorithm{jose.DIRECT}, []jose.ContentEncryption{jose.A256GCM})
		if err != nil {
			b.Fatal(err)
		}
		if _, err := obj.Decrypt(raw); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkSealBareGCM(b *testing.B) {
	aead, text, buf := bareGCM(b)
	for b.Loop() {
		buf = aead.Seal(buf[:0], nil, text, nil)
	}
}

func BenchmarkOpenBareGCM(b *testing.B) {
	aead, text, buf := bareGCM(b)
	sealed := aead.Seal(nil, nil, text, nil)
	for b.Loop() {
		var err error
		if buf, err = aead.Open(buf[:0], nil, sealed, nil); err != nil {
			b.Fatal(err)
		}
	}
}

func bareGCM(b *testing.B) (cipher.AEAD, []byte, []byte) {
	_, raw := newKey(b)
	block, err := aes.NewCipher(raw)
	if err != nil {
		b.Fatal(err)
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		b.Fatal(err)
	}
	text := benchText()
	b.SetBytes(int64(len(text)))
	return aead, text, make([]byte, 0, len(text)+64)
}
