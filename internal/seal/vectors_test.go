package seal_test

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"flag"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/koyomi-cal/koyomi/internal/seal"
)

var update = flag.Bool("update", false, "write the test vectors anew")

// A vector file is a list of records separated by empty lines. A record is
// lines of "name: value"; a line that begins with # is a comment. Keys are
// base64url. Every implementation of the format reads the same files.
//
// open.txt: open "jwe" with the key "kid"/"key" for the place "org", "resource",
// "item", "part", "rev", "generation"; "expect" is ok, malformed, context, key or
// forged; with ok, "plaintext" is what comes out.
//
// itemid.txt: "index-key" and "item-key" give "item".
//
// jws.txt: "jws" of type "typ" with the public key "x", "y"; "expect" is ok or
// invalid; with ok, "payload" is what was signed, "thumbprint" the key's.
type record map[string]string

func readVectors(t testing.TB, name string) (all []record) {
	t.Helper()
	f, err := os.Open("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	cur := record{}
	s := bufio.NewScanner(f)
	s.Buffer(nil, 1<<20)
	for s.Scan() {
		line := s.Text()
		switch k, v, ok := strings.Cut(line, ": "); {
		case strings.HasPrefix(line, "#"):
		case line == "":
			if len(cur) > 0 {
				all = append(all, cur)
			}
			cur = record{}
		case !ok:
			if k, empty := strings.CutSuffix(line, ":"); empty {
				cur[k] = ""
				continue
			}
			t.Fatalf("%s: %q is no record line", name, line)
		default:
			cur[k] = v
		}
	}
	if len(cur) > 0 {
		all = append(all, cur)
	}
	if s.Err() != nil || len(all) == 0 {
		t.Fatalf("%s: %v, %d records", name, s.Err(), len(all))
	}
	return all
}

func writeVectors(t *testing.T, name, comment string, order []string, all []record) {
	t.Helper()
	var b strings.Builder
	b.WriteString("# " + comment + "\n")
	for _, r := range all {
		b.WriteString("\n")
		for _, k := range order {
			if v, ok := r[k]; ok {
				b.WriteString(strings.TrimRight(k+": "+v, " ") + "\n")
			}
		}
	}
	if err := os.WriteFile("testdata/"+name, []byte(b.String()), 0o644); err != nil {
		t.Fatal(err)
	}
}

func (r record) int(name string) int64 {
	n, _ := strconv.ParseInt(r[name], 10, 64)
	return n
}

func (r record) bytes(t testing.TB, name string) []byte {
	t.Helper()
	b, err := base64.RawURLEncoding.DecodeString(r[name])
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return b
}

func (r record) place() seal.Header {
	return seal.Header{Org: r["org"], Resource: r["resource"], Item: r["item"], Part: r["part"], Rev: r.int("rev"), Generation: r.int("generation")}
}

// class names the way in which opening failed.
func class(err error) string {
	for name, is := range map[string]error{"malformed": seal.ErrMalformed, "context": seal.ErrContext, "key": seal.ErrKey, "forged": seal.ErrForged} {
		if errors.Is(err, is) {
			return name
		}
	}
	if err != nil {
		return err.Error()
	}
	return "ok"
}

func TestOpenVectors(t *testing.T) {
	t.Parallel()
	if *update {
		writeOpenVectors(t)
	}
	seen := map[string]int{}
	for _, r := range readVectors(t, "open.txt") {
		t.Run(r["name"], func(t *testing.T) {
			key, err := seal.NewKey(r["kid"], r.bytes(t, "key"))
			if err != nil {
				t.Fatal(err)
			}
			seen[r["expect"]]++
			got, err := seal.Open(key, r.place(), r["jwe"])
			if class(err) != r["expect"] {
				t.Fatalf("got %s (%v), want %s", class(err), err, r["expect"])
			}
			if err == nil && string(got) != r["plaintext"] {
				t.Errorf("plaintext %q, want %q", got, r["plaintext"])
			}
			if err != nil && got != nil {
				t.Errorf("failed and gave %d bytes", len(got))
			}
		})
	}
	for _, want := range []string{"ok", "malformed", "context", "key", "forged"} {
		if seen[want] == 0 {
			t.Errorf("no vector expects %q", want)
		}
	}
}

func TestItemIDVectors(t *testing.T) {
	t.Parallel()
	if *update {
		writeItemIDVectors(t)
	}
	for _, r := range readVectors(t, "itemid.txt") {
		ik, err := seal.NewIndexKey(r.bytes(t, "index-key"))
		if err != nil {
			t.Fatal(err)
		}
		if got := seal.ItemID(ik, r["item-key"]); got != r["item"] {
			t.Errorf("%q: item %s, want %s", r["item-key"], got, r["item"])
		}
	}
}

func TestJWSVectors(t *testing.T) {
	t.Parallel()
	if *update {
		writeJWSVectors(t)
	}
	for _, r := range readVectors(t, "jws.txt") {
		t.Run(r["name"], func(t *testing.T) {
			jwk := seal.JWK{Type: "EC", Curve: "P-256", X: r["x"], Y: r["y"]}
			pub, err := jwk.PublicKey()
			if err != nil {
				t.Fatal(err)
			}
			got := "invalid"
			j, err := seal.ParseJWS(r["jws"])
			if err == nil {
				var payload []byte
				if payload, err = j.Verify(pub, r["typ"]); err == nil {
					got = "ok"
					if string(payload) != r["payload"] || j.KeyID != r["kid"] || jwk.Thumbprint() != r["thumbprint"] {
						t.Errorf("payload %q, kid %q, thumbprint %q", payload, j.KeyID, jwk.Thumbprint())
					}
				}
			}
			if got != r["expect"] {
				t.Errorf("got %s (%v), want %s", got, err, r["expect"])
			}
			if err != nil && !errors.Is(err, seal.ErrSignature) {
				t.Errorf("%v is not ErrSignature", err)
			}
		})
	}
}

// fixed is n bytes that look random and are the same each time.
func fixed(name string, n int) []byte {
	var b []byte
	for i := 0; len(b) < n; i++ {
		sum := sha256.Sum256(fmt.Appendf(nil, "koyomi test vector %s %d", name, i))
		b = append(b, sum[:]...)
	}
	return b[:n]
}

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

func writeOpenVectors(t *testing.T) {
	place := seal.Header{Org: b64(fixed("org", 16)), Resource: b64(fixed("resource", 16)), Item: b64(fixed("item", 16)), Part: "h", Rev: 3, Generation: 1}
	kid := "kms:" + b64(fixed("authority", 16)) + "/3f2b8c1e-5a4d-4e6f-8a7b-9c0d1e2f3a4b"
	raw := fixed("key", 32)
	key, err := seal.NewKey(kid, raw)
	if err != nil {
		t.Fatal(err)
	}
	head := `{"v":1,"subject":"月例会議","start":"2026-11-24T10:00:00Z","join":{"url":"https://meet.example.com/a"}}`
	body := `{"v":1,"notes":"` + strings.Repeat("議題 agenda ", 120) + `"}`
	sealAs := func(h seal.Header, text string) string {
		s, err := seal.Seal(key, h, []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	bodyPlace := place
	bodyPlace.Part = "b"
	good := sealAs(place, head)
	var all []record
	add := func(name, expect, jwe, plaintext string, h seal.Header, change record) {
		r := record{"name": name, "expect": expect, "kid": kid, "key": b64(raw), "org": h.Org, "resource": h.Resource, "item": h.Item, "part": h.Part,
			"rev": strconv.FormatInt(h.Rev, 10), "generation": strconv.FormatInt(h.Generation, 10), "jwe": jwe}
		if expect == "ok" {
			r["plaintext"] = plaintext
		}
		for k, v := range change {
			r[k] = v
		}
		all = append(all, r)
	}
	add("head", "ok", good, head, place, nil)
	add("body", "ok", sealAs(bodyPlace, body), body, bodyPlace, nil)
	add("exactly 1024 bytes", "ok", sealAs(place, strings.Repeat("1", 1024)), strings.Repeat("1", 1024), place, nil)
	add("any revision and generation", "ok", good, head, place, record{"rev": "0", "generation": "0"})
	for _, f := range []string{"org", "resource", "item"} {
		add("another "+f, "context", good, "", place, record{f: b64(fixed("other", 16))})
	}
	add("another part", "context", good, "", place, record{"part": "b"})
	add("another revision", "context", good, "", place, record{"rev": "4"})
	add("another generation", "context", good, "", place, record{"generation": "2"})
	add("another key id", "key", good, "", place, record{"kid": strings.Replace(kid, "3f2b", "3f2c", 1)})
	add("another key of the same id", "forged", good, "", place, record{"key": b64(fixed("other key", 32))})

	f := strings.Split(good, ".")
	with := func(i int, s string) string {
		g := append([]string{}, f...)
		g[i] = s
		return strings.Join(g, ".")
	}
	flip := func(s string) string { // another character of the alphabet with the same unused bits
		if s[0] == 'A' {
			return "B" + s[1:]
		}
		return "A" + s[1:]
	}
	add("iv changed", "forged", with(2, flip(f[2])), "", place, nil)
	add("ciphertext changed", "forged", with(3, flip(f[3])), "", place, nil)
	add("tag changed", "forged", with(4, flip(f[4])), "", place, nil)
	add("ciphertext cut", "forged", with(3, f[3][:len(f[3])-2]), "", place, nil)

	rawHead, _ := base64.RawURLEncoding.DecodeString(f[0])
	header := func(name, expect, from, to string) {
		h := strings.Replace(string(rawHead), from, to, 1)
		if h == string(rawHead) {
			t.Fatalf("%s: nothing replaced", name)
		}
		add("header: "+name, expect, with(0, b64([]byte(h))), "", place, nil)
	}
	header("revision changed", "forged", `"v":3`, `"v":5`)
	all[len(all)-1]["rev"] = "5"
	header("zip", "malformed", `"typ"`, `"zip":"DEF","typ"`)
	header("crit", "malformed", `"typ"`, `"crit":["exp"],"typ"`)
	header("field of our own", "malformed", `"typ"`, `"x":1,"typ"`)
	header("field in hc", "malformed", `,"g":1`, `,"g":1,"s":"x"`)
	header("field twice", "malformed", `"enc":"A256GCM"`, `"enc":"A256GCM","alg":"dir"`)
	header("field in another case", "malformed", `"alg"`, `"ALG"`)
	header("field missing", "malformed", `"typ":"koyomi+jwe",`, ``)
	header("field of hc missing", "malformed", `,"g":1`, ``)
	header("another alg", "malformed", `"dir"`, `"A256KW"`)
	header("another enc", "malformed", `A256GCM`, `A128GCM`)
	header("another typ", "malformed", `koyomi+jwe`, `JWE`)
	header("white space", "malformed", `"enc":`, `"enc": `)
	header("escaped text", "malformed", `"dir"`, `"d\u0069r"`)
	header("revision as text", "malformed", `"v":3`, `"v":"3"`)
	header("revision with a fraction", "malformed", `"v":3`, `"v":3.0`)
	header("revision zero", "malformed", `"v":3`, `"v":0`)
	header("leading zero", "malformed", `"v":3`, `"v":03`)
	header("revision over 2^53", "malformed", `"v":3`, `"v":9007199254740992`)
	header("unknown part", "malformed", `"p":"h"`, `"p":"x"`)
	header("kid with a host", "malformed", `"kms:`, `"kms:kms.example.com/`)
	header("something after it", "malformed", `}}`, `}}{}`)
	add("key encrypted", "malformed", with(1, "AAAA"), "", place, nil)
	add("four parts", "malformed", strings.Join(f[:4], "."), "", place, nil)
	add("six parts", "malformed", good+".AAAA", "", place, nil)
	add("iv short", "malformed", with(2, f[2][:14]), "", place, nil)
	add("tag long", "malformed", with(4, f[4]+"AA"), "", place, nil)
	add("padding character", "malformed", with(4, f[4][:21]+"="), "", place, nil)
	add("standard alphabet", "malformed", with(3, "+"+f[3][1:]), "", place, nil)
	add("empty", "malformed", "", "", place, nil)
	writeVectors(t, "open.txt", "Opening sealed parts. See vectors_test.go for what the lines mean.",
		[]string{"name", "expect", "kid", "key", "org", "resource", "item", "part", "rev", "generation", "plaintext", "jwe"}, all)
}

func writeItemIDVectors(t *testing.T) {
	raw := fixed("index key", 32)
	ik, err := seal.NewIndexKey(raw)
	if err != nil {
		t.Fatal(err)
	}
	var all []record
	for _, k := range []string{"", "040000008200E00074C5B7101A82E008", "a@example.com/2026-11-24T10:00:00Z", "会議"} {
		all = append(all, record{"index-key": b64(raw), "item-key": k, "item": seal.ItemID(ik, k)})
	}
	writeVectors(t, "itemid.txt", "Item ids: the first 16 bytes of HMAC-SHA256(index-key, item-key as UTF-8) in base64url.",
		[]string{"index-key", "item-key", "item"}, all)
}

func writeJWSVectors(t *testing.T) {
	d := fixed("signing key", 32)
	key, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), d)
	if err != nil {
		t.Fatal(err)
	}
	jwk, err := seal.NewJWK(&key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	payload := `{"aud":"x","op":"getKeys","iat":1764000000}`
	good, err := seal.SignJWS(key, "instance-1", "koyomi-kms+jws", []byte(payload))
	if err != nil {
		t.Fatal(err)
	}
	var all []record
	add := func(name, expect, jws string, change record) {
		r := record{"name": name, "expect": expect, "d": b64(d), "x": jwk.X, "y": jwk.Y, "typ": "koyomi-kms+jws", "jws": jws}
		if expect == "ok" {
			r["kid"], r["payload"], r["thumbprint"] = "instance-1", payload, jwk.Thumbprint()
		}
		for k, v := range change {
			r[k] = v
		}
		all = append(all, r)
	}
	f := strings.Split(good, ".")
	head := func(h string) string { return b64([]byte(h)) + "." + f[1] + "." + f[2] }
	add("request", "ok", good, nil)
	add("another type", "invalid", good, record{"typ": "other+jws"})
	add("alg none", "invalid", head(`{"alg":"none","kid":"instance-1","typ":"koyomi-kms+jws"}`), nil)
	add("alg none, no signature", "invalid", b64([]byte(`{"alg":"none","kid":"instance-1","typ":"koyomi-kms+jws"}`))+"."+f[1]+".", nil)
	add("alg HS256", "invalid", head(`{"alg":"HS256","kid":"instance-1","typ":"koyomi-kms+jws"}`), nil)
	add("another kid", "invalid", head(`{"alg":"ES256","kid":"instance-2","typ":"koyomi-kms+jws"}`), nil)
	add("kid twice", "invalid", head(`{"alg":"ES256","kid":"instance-1","kid":"instance-1","typ":"koyomi-kms+jws"}`), nil)
	add("jwk in the header", "invalid", head(`{"alg":"ES256","kid":"instance-1","typ":"koyomi-kms+jws","jwk":"x"}`), nil)
	add("payload changed", "invalid", f[0]+"."+b64([]byte(`{"op":"x"}`))+"."+f[2], nil)
	add("signature of zeros", "invalid", f[0]+"."+f[1]+"."+b64(make([]byte, 64)), nil)
	add("signature short", "invalid", f[0]+"."+f[1]+"."+f[2][:80], nil)
	add("two parts", "invalid", f[0]+"."+f[1], nil)
	add("empty", "invalid", "", nil)
	writeVectors(t, "jws.txt", "ES256 signatures. d is the private key, for those who want to sign too.",
		[]string{"name", "expect", "d", "x", "y", "typ", "kid", "thumbprint", "payload", "jws"}, all)
}
