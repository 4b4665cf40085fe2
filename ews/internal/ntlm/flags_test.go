package ntlm

import (
	"bytes"
	"testing"
	"time"
)

// told makes a challenge with target information of a test's own.
func told(t testing.TB, negotiate []byte, info Info) []byte {
	t.Helper()
	plain, err := NewChallenge(negotiate, [8]byte{1, 2, 3, 4, 5, 6, 7, 8}, "EXAMPLE", "EX01", "example.com", time.Unix(1_800_000_000, 0))
	if err != nil {
		t.Fatal(err)
	}
	b := &builder{msg: bytes.Clone(plain)}
	b.put(40, info.bytes())
	return b.msg
}

// TestServersFlagsStay: what the server says in its flags, such as that the
// account may sign in by constrained means only, stays beside the flag that
// says there is a MIC, and the server's own target information is not changed
// by the answer to it.
func TestServersFlagsStay(t *testing.T) {
	t.Parallel()
	negotiate := NewNegotiate()
	stamp := fileTime(time.Unix(1_800_000_000, 0))
	for name, tc := range map[string]struct{ flags, want []byte }{
		"none":       {nil, []byte{2, 0, 0, 0}},
		"of its own": {[]byte{1, 0, 0, 0x80}, []byte{3, 0, 0, 0x80}},
		"too short":  {[]byte{1}, []byte{2, 0, 0, 0}},
	} {
		c := vectorClient()
		c.Binding, c.Target = bytes.Repeat([]byte{7}, 16), "HTTP/mail.example.com"
		info := Info{{NbDomainName, utf16le("EXAMPLE")}, {Timestamp, stamp}, {ChannelBindings, make([]byte, 16)}}
		if tc.flags != nil {
			info = append(info, Pair{AvFlags, tc.flags})
		}
		challenge := told(t, negotiate, info)
		before := bytes.Clone(challenge)
		msg, err := c.Answer(negotiate, challenge)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(challenge, before) {
			t.Errorf("%s: the challenge was changed", name)
		}
		a, err := ParseAuthenticate(msg)
		if err != nil {
			t.Fatal(err)
		}
		if got, _ := a.Info.Value(AvFlags); !bytes.Equal(got, tc.want) {
			t.Errorf("%s: flags %x, want %x", name, got, tc.want)
		}
		if got, _ := a.Binding(); !bytes.Equal(got, c.Binding) {
			t.Errorf("%s: binding %x", name, got)
		}
		if err := a.Verify(negotiate, challenge, c.Key); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestOneCharacterSet: where the server leaves the choice, the answer is in
// Unicode and says so alone.
func TestOneCharacterSet(t *testing.T) {
	t.Parallel()
	negotiate := NewNegotiate()
	challenge := told(t, negotiate, Info{{Timestamp, fileTime(time.Unix(1_800_000_000, 0))}})
	challenge[20] |= byte(FlagUnicode | FlagOEM)
	msg, err := vectorClient().Answer(negotiate, challenge)
	if err != nil {
		t.Fatal(err)
	}
	a, err := ParseAuthenticate(msg)
	if err != nil {
		t.Fatal(err)
	}
	if a.Flags&FlagUnicode == 0 || a.Flags&FlagOEM != 0 || a.User != "User" {
		t.Errorf("flags %x, user %q", a.Flags, a.User)
	}
}
