package ntlm

import (
	"bytes"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.Join(strings.Fields(s), ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// The published conversation ([MS-NLMP] 4.2.4): user User of Domain with
// password Password, at the beginning of time.
const (
	vectorChallenge = `4e544c4d53535000 02000000 0c000c0038000000 33828ae2 0123456789abcdef 0000000000000000
		2400240044000000 060070170000000f 530065007200760065007200
		02000c0044006f006d00610069006e00 01000c00530065007200760065007200 00000000`
	vectorAuthenticate = `4e544c4d53535000 03000000 180018006c000000 5400540084000000 0c000c0048000000 0800080054000000
		100010005c000000 10001000d8000000 358288e2 0501280a0000000f
		44006f006d00610069006e00 5500730065007200 43004f004d0050005500540045005200
		86c35097ac9cec102554764a57cccc19aaaaaaaaaaaaaaaa
		68cd0ab851e51c96aabc927bebef6a1c 0101000000000000 0000000000000000 aaaaaaaaaaaaaaaa 00000000
		02000c0044006f006d00610069006e00 01000c00530065007200760065007200 00000000 00000000
		c5dad2544fc9799094ce1ce90bc9d03e`
	vectorKey = "0c868a403bfd7a93a3001ef22ef02e3f"
)

func vectorClient() *Client {
	return &Client{
		User: "User", Domain: "Domain", Workstation: "COMPUTER", Key: NewKey("User", "Domain", "Password"),
		Now:    func() time.Time { return time.Date(1601, 1, 1, 0, 0, 0, 0, time.UTC) },
		Random: bytes.NewReader(append(bytes.Repeat([]byte{0xAA}, 8), bytes.Repeat([]byte{0x55}, 16)...)),
	}
}

// TestVector compares with the published conversation: the key, both responses
// and the sealed session key.
func TestVector(t *testing.T) {
	t.Parallel()
	c := vectorClient()
	if got := hex.EncodeToString(c.Key.bytes()); got != vectorKey {
		t.Errorf("the key is %s", got)
	}
	want, err := ParseAuthenticate(unhex(t, vectorAuthenticate))
	if err != nil {
		t.Fatal(err)
	}
	if err := want.Verify(NewNegotiate(), unhex(t, vectorChallenge), c.Key); err != nil {
		t.Errorf("the published answer: %v", err)
	}
	if want.User != "User" || want.Domain != "Domain" || want.Workstation != "COMPUTER" || want.HasMIC() {
		t.Errorf("read %+v", want)
	}
	msg, err := c.Answer(NewNegotiate(), unhex(t, vectorChallenge))
	if err != nil {
		t.Fatal(err)
	}
	got, err := ParseAuthenticate(msg)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got.nt, want.nt) {
		t.Errorf("NT response\n got %x\nwant %x", got.nt, want.nt)
	}
	lm, _ := field(msg, 12)
	if wantLM, _ := field(want.raw, 12); !bytes.Equal(lm, wantLM) {
		t.Errorf("LM response\n got %x\nwant %x", lm, wantLM)
	}
	if !bytes.Equal(got.sealed, want.sealed) {
		t.Errorf("sealed session key %x, want %x", got.sealed, want.sealed)
	}
	if got.User != want.User || got.Domain != want.Domain || got.Workstation != want.Workstation {
		t.Errorf("names %q %q %q", got.Domain, got.User, got.Workstation)
	}
	if !bytes.Equal(msg[micAt:payloadAt], make([]byte, 16)) {
		t.Error("a server that does not tell the time got a MIC")
	}
}

// conversation signs in to a server that tells the time.
func conversation(t testing.TB, c *Client, change func(negotiate, challenge []byte)) (negotiate, challenge, msg []byte, a *Authenticate) {
	t.Helper()
	negotiate = NewNegotiate()
	challenge, err := NewChallenge(negotiate, [8]byte{1, 2, 3, 4, 5, 6, 7, 8}, "EXAMPLE", "EX01", "example.com", time.Unix(1_800_000_000, 0))
	if err != nil {
		t.Fatal(err)
	}
	if change != nil {
		change(negotiate, challenge)
	}
	if msg, err = c.Answer(negotiate, challenge); err != nil {
		t.Fatal(err)
	}
	if a, err = ParseAuthenticate(msg); err != nil {
		t.Fatal(err)
	}
	return negotiate, challenge, msg, a
}

func TestConversation(t *testing.T) {
	t.Parallel()
	binding := bytes.Repeat([]byte{7}, 16)
	for _, keyExchange := range []bool{false, true} {
		for _, oem := range []bool{false, true} {
			t.Run(fmt.Sprintf("key exchange %v, OEM %v", keyExchange, oem), func(t *testing.T) {
				t.Parallel()
				user := "jürgen"
				if oem {
					user = "svc"
				}
				c := &Client{User: user, Domain: "EXAMPLE", Key: NewKey(user, "EXAMPLE", "pässword"), Target: "HTTP/mail.example.com", Binding: binding}
				negotiate, challenge, msg, a := conversation(t, c, func(_, challenge []byte) {
					if keyExchange {
						challenge[23] |= byte(FlagKeyExchange >> 24)
					}
					if oem {
						challenge[20] = challenge[20]&^byte(FlagUnicode) | byte(FlagOEM)
					}
				})
				if err := a.Verify(negotiate, challenge, NewKey(a.User, a.Domain, "pässword")); err != nil {
					t.Fatal(err)
				}
				if a.User != user || a.Domain != "EXAMPLE" {
					t.Errorf("names %q %q", a.User, a.Domain)
				}
				if got, has := a.Binding(); !has || !bytes.Equal(got, binding) {
					t.Errorf("binding %x", got)
				}
				if target, _ := a.Info.Value(TargetName); !bytes.Equal(target, utf16le("HTTP/mail.example.com")) {
					t.Errorf("target %x", target)
				}
				if stamp, _ := a.Info.Value(Timestamp); !bytes.Equal(stamp, fileTime(time.Unix(1_800_000_000, 0))) || !bytes.Equal(a.nt[24:32], stamp) {
					t.Error("the server's time is not the answer's")
				}
				if lm, _ := field(msg, 12); !bytes.Equal(lm, make([]byte, 24)) {
					t.Errorf("LM response %x", lm)
				}
				if keyExchange != (len(a.sealed) == 16) {
					t.Errorf("sealed session key %x", a.sealed)
				}
				if err := a.Verify(negotiate, challenge, NewKey(a.User, a.Domain, "wrong")); !errors.Is(err, ErrProof) {
					t.Errorf("wrong password: %v", err)
				}
			})
		}
	}
}

// TestChanged changes every byte of each message that somebody in between
// could: the server must notice.
func TestChanged(t *testing.T) {
	t.Parallel()
	c := &Client{User: "svc@example.com", Key: NewKey("svc@example.com", "", "password"), Target: "HTTP/h", Binding: make([]byte, 16)}
	negotiate, challenge, msg, a := conversation(t, c, nil)
	if err := a.Verify(negotiate, challenge, c.Key); err != nil {
		t.Fatal(err)
	}
	for i := range negotiate {
		other := bytes.Clone(negotiate)
		other[i] ^= 1
		if a.Verify(other, challenge, c.Key) == nil {
			t.Errorf("byte %d of NEGOTIATE", i)
		}
	}
	for i := range challenge {
		other := bytes.Clone(challenge)
		other[i] ^= 1
		if a.Verify(negotiate, other, c.Key) == nil {
			t.Errorf("byte %d of CHALLENGE", i)
		}
	}
	for i := range msg {
		other := bytes.Clone(msg)
		other[i] ^= 1
		if b, err := ParseAuthenticate(other); err == nil && b.Verify(negotiate, challenge, c.Key) == nil {
			t.Errorf("byte %d of AUTHENTICATE", i)
		}
	}
}

// TestWithoutBinding sends none, not one of zeroes.
func TestWithoutBinding(t *testing.T) {
	t.Parallel()
	_, _, _, a := conversation(t, &Client{User: "u", Key: NewKey("u", "", "p")}, nil)
	if _, has := a.Binding(); has {
		t.Error("there is a binding")
	}
	if _, has := a.Info.Value(TargetName); has {
		t.Error("there is a target")
	}
}

func TestVersion1(t *testing.T) {
	t.Parallel()
	b := newBuilder(kindAuthenticate, payloadAt)
	b.put(12, make([]byte, 24))
	b.put(20, make([]byte, 24))
	if _, err := ParseAuthenticate(b.msg); !errors.Is(err, ErrVersion1) {
		t.Errorf("got %v", err)
	}
}

// TestBinding has values that another implementation agrees with: of a
// certificate's hash, and of one of each kind of signature.
func TestBinding(t *testing.T) {
	t.Parallel()
	data := append([]byte("tls-server-end-point:"), unhex(t, "E3CA49271E5089CC48CE82109F1324F41DBEDDC29A777410C738F7868C4FF405")...)
	if got := hex.EncodeToString(bindingOf(data)); got != "6ea19df066da4622051f9c4f92c6df74" {
		t.Errorf("binding %s", got)
	}
	for a, want := range map[x509.SignatureAlgorithm]string{
		x509.MD5WithRSA:       "a8398e96473163fef6cae76013e8ab5a",
		x509.SHA1WithRSA:      "a8398e96473163fef6cae76013e8ab5a",
		x509.SHA256WithRSA:    "a8398e96473163fef6cae76013e8ab5a",
		x509.SHA256WithRSAPSS: "a8398e96473163fef6cae76013e8ab5a",
		x509.ECDSAWithSHA384:  "739577dd5d88de0182832d9514adc780",
		x509.SHA512WithRSA:    "45b8f0cc0e9b980cb5ca628926d6b564",
		x509.PureEd25519:      "",
	} {
		got := hex.EncodeToString(Binding(&x509.Certificate{Raw: []byte("certificate"), SignatureAlgorithm: a}))
		if got != want {
			t.Errorf("%v: %s, want %s", a, got, want)
		}
	}
}

func TestSplitName(t *testing.T) {
	t.Parallel()
	for name, want := range map[string][2]string{
		`EXAMPLE\svc`: {"svc", "EXAMPLE"}, "svc@example.com": {"svc@example.com", ""}, "svc": {"svc", ""}, `A\b\c`: {`b\c`, "A"},
	} {
		if u, d := SplitName(name); u != want[0] || d != want[1] {
			t.Errorf("%s: %q of %q", name, u, d)
		}
	}
}

func TestKeyHidden(t *testing.T) {
	t.Parallel()
	k := NewKey("User", "Domain", "Password")
	type holder struct{ k Key }
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%d"} {
		for _, s := range []string{fmt.Sprintf(verb, k), fmt.Sprintf(verb, holder{k}), fmt.Sprintf(verb, Client{Key: k})} {
			if strings.Contains(s, vectorKey[:8]) || strings.Contains(s, "12 134 138") || strings.Contains(s, "0xc, 0x86") {
				t.Errorf("printed %s", s)
			}
		}
	}
}

func TestMalformed(t *testing.T) {
	t.Parallel()
	challenge := unhex(t, vectorChallenge)
	for n := range challenge {
		if c, err := ParseChallenge(challenge[:n]); err == nil && c.Info != nil {
			t.Errorf("a challenge of %d bytes is taken", n)
		}
	}
	msg := unhex(t, vectorAuthenticate)
	for n := range msg {
		if _, err := ParseAuthenticate(msg[:n]); err == nil {
			t.Errorf("an answer of %d bytes is taken", n)
		}
	}
	if _, err := NewChallenge(make([]byte, 40), [8]byte{}, "", "", "", time.Now()); !errors.Is(err, ErrMalformed) {
		t.Errorf("got %v", err)
	}
	if Kind(make([]byte, maxMessage+1)) != 0 || Kind(NewNegotiate()) != 1 || Kind(challenge) != 2 || Kind(msg) != 3 {
		t.Error("Kind")
	}
}

// FuzzMessages gives both sides bytes of strangers. What is taken is in bounds
// and round the conversation it holds.
func FuzzMessages(f *testing.F) {
	f.Add(NewNegotiate(), unhex(f, vectorChallenge), unhex(f, vectorAuthenticate))
	c := &Client{User: "svc", Domain: "EXAMPLE", Key: NewKey("svc", "EXAMPLE", "password"), Target: "HTTP/h", Binding: make([]byte, 16)}
	negotiate, challenge, msg, _ := conversation(f, c, nil)
	f.Add(negotiate, challenge, msg)
	f.Fuzz(func(t *testing.T, negotiate, challenge, msg []byte) {
		if _, err := NewChallenge(negotiate, [8]byte{}, "D", "C", "d", time.Unix(0, 0)); err == nil && Kind(negotiate) != kindNegotiate {
			t.Error("a challenge to no NEGOTIATE")
		}
		if a, err := ParseAuthenticate(msg); err == nil {
			a.HasMIC()
			a.Binding()
			_ = a.Verify(negotiate, challenge, NewKey(a.User, a.Domain, "password"))
		}
		answer, err := c.Answer(negotiate, challenge)
		if err != nil {
			return
		}
		if len(answer) > maxMessage {
			return // longer than any server takes
		}
		a, err := ParseAuthenticate(answer)
		if err != nil {
			t.Fatalf("our own answer: %v", err)
		}
		if err := a.Verify(negotiate, challenge, NewKey("svc", "EXAMPLE", "password")); err != nil && !oddFlags(a) {
			t.Errorf("our own answer: %v", err)
		}
	})
}

// oddFlags reports whether a server's own flags hide the MIC from the answer.
func oddFlags(a *Authenticate) bool { v, has := a.Info.Value(AvFlags); return has && len(v) != 4 }
