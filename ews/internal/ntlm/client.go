package ntlm

import (
	"crypto/rand"
	"encoding/binary"
	"io"
	"strings"
	"time"
)

// asked is what a client asks for. Sealing is left to TLS.
const asked = FlagUnicode | FlagOEM | FlagRequestTarget | FlagNTLM | FlagAlwaysSign | FlagExtendedSecurity | FlagTargetInfo | FlagVersion | Flag128 | Flag56

// NewNegotiate returns the first message ([MS-NLMP] 2.2.1.1). It says nothing of
// the user.
func NewNegotiate() []byte {
	b := newBuilder(kindNegotiate, 40)
	b.flags(12, asked)
	copy(b.msg[32:], version[:])
	return b.msg
}

// Client signs a user in.
type Client struct {
	User   string // without its domain, or a user principal name
	Domain string // empty for a user principal name
	Key    Key    // of User and Domain

	// Target is the service that is meant, such as "HTTP/mail.example.com".
	Target string
	// Binding is that of the connection, see [Binding]. Where it is nil, none
	// is sent; one of zeroes would be refused by servers that look.
	Binding []byte

	// Now and Random replace the clock and the source of randomness.
	Now    func() time.Time
	Random io.Reader
	// Workstation is the client's name; servers may log it.
	Workstation string
}

// SplitName parts "DOMAIN\user"; anything else is a user without a domain.
func SplitName(name string) (user, domain string) {
	if d, u, has := strings.Cut(name, `\`); has {
		return u, d
	}
	return name, ""
}

// Answer returns the third message ([MS-NLMP] 3.1.5.1.2) to a challenge that
// followed the first. It fails with [ErrMalformed], or where there is no
// randomness.
func (c *Client) Answer(negotiate, challenge []byte) ([]byte, error) {
	ch, err := ParseChallenge(challenge)
	if err != nil {
		return nil, err
	}
	source := c.Random
	if source == nil {
		source = rand.Reader
	}
	var random [24]byte // the client's challenge, the session's key
	if _, err := io.ReadFull(source, random[:]); err != nil {
		return nil, err
	}
	stamp, told := ch.Info.Value(Timestamp)
	if told = told && len(stamp) == 8; !told {
		stamp = fileTime(c.now())
	}
	nt := c.response(ch, stamp, random[:8], told)
	lm := make([]byte, 24) // none where the server tells the time: it takes NTLMv2
	if !told {
		lm = append(mac(c.Key.bytes(), ch.Server[:], random[:8]), random[:8]...)
	}
	session := mac(c.Key.bytes(), nt[:16]) // the base key is the key exchange key in NTLMv2
	var sealed []byte
	if ch.Flags&FlagKeyExchange != 0 {
		sealed, session = rc4k(session, random[8:]), random[8:]
	}
	msg := c.message(ch.Flags, lm, nt, sealed)
	if told {
		copy(msg[micAt:], mac(session, negotiate, challenge, msg))
	}
	return msg, nil
}

// Positions in an AUTHENTICATE message ([MS-NLMP] 2.2.1.3).
const (
	micAt       = 72
	payloadAt   = 88
	shortestEnd = 64 // of a message without version and MIC
)

// message writes the message with a MIC of zeroes.
func (c *Client) message(f Flags, lm, nt, sealed []byte) []byte {
	f &= asked | FlagKeyExchange | FlagSign | FlagSeal
	if f&FlagUnicode != 0 {
		f &^= FlagOEM
	}
	b := newBuilder(kindAuthenticate, payloadAt)
	b.flags(60, f)
	copy(b.msg[64:], version[:])
	b.put(28, encode(c.Domain, f))
	b.put(36, encode(c.User, f))
	b.put(44, encode(c.Workstation, f))
	b.put(12, lm)
	b.put(20, nt)
	b.put(52, sealed)
	return b.msg
}

// response returns the NTLMv2 response ([MS-NLMP] 3.3.2): the proof and what it
// is over.
func (c *Client) response(ch *Challenge, stamp, nonce []byte, mic bool) []byte {
	info := append(Info(nil), ch.Info...)
	if mic {
		flags := make([]byte, 4)
		if v, has := info.Value(AvFlags); has && len(v) == 4 {
			copy(flags, v)
		}
		flags[0] |= micProvided
		info = info.set(AvFlags, flags)
	}
	if c.Binding != nil {
		info = info.set(ChannelBindings, c.Binding)
	}
	if c.Target != "" {
		info = info.set(TargetName, utf16le(c.Target))
	}
	blob := []byte{1, 1, 0, 0, 0, 0, 0, 0}
	blob = append(append(blob, stamp...), nonce...)
	blob = append(blob, 0, 0, 0, 0)
	blob = append(append(blob, info.bytes()...), 0, 0, 0, 0)
	return append(mac(c.Key.bytes(), ch.Server[:], blob), blob...)
}

func (c *Client) now() time.Time {
	if c.Now == nil {
		return time.Now()
	}
	return c.Now()
}

// fileTime counts 100 ns since 1601.
func fileTime(t time.Time) []byte {
	const epoch = 11_644_473_600 // s from then to 1970
	return binary.LittleEndian.AppendUint64(nil, uint64((t.Unix()+epoch)*10_000_000+int64(t.Nanosecond()/100)))
}
