package ntlm

import (
	"bytes"
	"crypto/hmac"
	"encoding/binary"
	"errors"
	"time"
)

// What is wrong with an AUTHENTICATE message that is well formed.
var (
	ErrVersion1 = errors.New("ntlm: the client answers with NTLMv1, which is refused")
	ErrProof    = errors.New("ntlm: the password is wrong")
	ErrMIC      = errors.New("ntlm: the messages were changed on their way")
)

// Challenge is the server's message ([MS-NLMP] 2.2.1.2).
type Challenge struct {
	Flags  Flags
	Server [8]byte // the challenge itself
	Target string  // domain or server
	Info   Info
}

// ParseChallenge reads a server's message.
func ParseChallenge(msg []byte) (*Challenge, error) {
	if Kind(msg) != kindChallenge || len(msg) < 32 {
		return nil, ErrMalformed
	}
	c := &Challenge{Flags: Flags(binary.LittleEndian.Uint32(msg[20:])), Server: [8]byte(msg[24:32])}
	target, err := field(msg, 12)
	if err != nil {
		return nil, err
	}
	c.Target = decode(target, c.Flags)
	if c.Flags&FlagTargetInfo == 0 || len(msg) < 48 {
		return c, nil
	}
	info, err := field(msg, 40)
	if err != nil || len(info) == 0 {
		return c, err
	}
	c.Info, err = parseInfo(info)
	return c, err
}

// NewChallenge returns the answer to a NEGOTIATE message: the challenge of a
// server of a domain at a time. It returns ErrMalformed where the message is
// none, or asks for neither character set.
func NewChallenge(negotiate []byte, server [8]byte, domain, computer, dnsDomain string, now time.Time) ([]byte, error) {
	if Kind(negotiate) != kindNegotiate || len(negotiate) < 16 {
		return nil, ErrMalformed
	}
	f := Flags(binary.LittleEndian.Uint32(negotiate[12:]))
	if f&(FlagUnicode|FlagOEM) == 0 {
		return nil, ErrMalformed
	}
	if f &= asked | FlagKeyExchange | FlagSign | FlagSeal; f&FlagUnicode != 0 {
		f &^= FlagOEM
	}
	f |= FlagTargetTypeDomain | FlagTargetInfo | FlagNTLM | FlagRequestTarget
	info := Info{
		{NbDomainName, utf16le(domain)}, {NbComputerName, utf16le(computer)},
		{DNSDomainName, utf16le(dnsDomain)}, {DNSComputerName, utf16le(computer + "." + dnsDomain)},
		{Timestamp, fileTime(now)},
	}
	b := newBuilder(kindChallenge, 56)
	b.flags(20, f)
	copy(b.msg[24:], server[:])
	copy(b.msg[48:], version[:])
	b.put(12, encode(domain, f))
	b.put(40, info.bytes())
	return b.msg, nil
}

// Authenticate is the client's answer ([MS-NLMP] 2.2.1.3).
type Authenticate struct {
	Flags        Flags
	User, Domain string
	Workstation  string
	Info         Info // as the client's key covers it

	raw, nt, sealed []byte
}

// ParseAuthenticate reads a client's answer. It returns ErrVersion1 for one
// that is not of NTLMv2, and ErrMalformed.
func ParseAuthenticate(msg []byte) (*Authenticate, error) {
	if Kind(msg) != kindAuthenticate || len(msg) < shortestEnd {
		return nil, ErrMalformed
	}
	a := &Authenticate{Flags: Flags(binary.LittleEndian.Uint32(msg[60:])), raw: msg}
	var texts [3][]byte
	for i, at := range []int{28, 36, 44} {
		var err error
		if texts[i], err = field(msg, at); err != nil {
			return nil, err
		}
	}
	a.Domain, a.User, a.Workstation = decode(texts[0], a.Flags), decode(texts[1], a.Flags), decode(texts[2], a.Flags)
	var err error
	if a.nt, err = field(msg, 20); err != nil {
		return nil, err
	}
	if a.sealed, err = field(msg, 52); err != nil {
		return nil, err
	}
	const proof, head = 16, 28 // the target information follows
	if len(a.nt) <= 24 {
		return nil, ErrVersion1
	}
	if len(a.nt) < proof+head || !bytes.HasPrefix(a.nt[proof:], []byte{1, 1}) {
		return nil, ErrMalformed
	}
	if len(a.nt) == proof+head {
		return a, nil
	}
	if a.Info, err = parseInfo(a.nt[proof+head:]); err != nil {
		return nil, err
	}
	return a, nil
}

// Verify checks the answer with the key of its User and Domain against the two
// messages before it: the proof of the password and, where the client says that
// there is one, the MIC.
func (a *Authenticate) Verify(negotiate, challenge []byte, key Key) error {
	ch, err := ParseChallenge(challenge)
	if err != nil {
		return err
	}
	if !hmac.Equal(mac(key.bytes(), ch.Server[:], a.nt[16:]), a.nt[:16]) {
		return ErrProof
	}
	if !a.HasMIC() {
		return nil
	}
	session := mac(key.bytes(), a.nt[:16])
	if a.Flags&FlagKeyExchange != 0 {
		if len(a.sealed) != 16 {
			return ErrMalformed
		}
		session = rc4k(session, a.sealed)
	}
	if len(a.raw) < payloadAt {
		return ErrMalformed
	}
	zeroed := bytes.Clone(a.raw)
	clear(zeroed[micAt:payloadAt])
	if !hmac.Equal(mac(session, negotiate, challenge, zeroed), a.raw[micAt:payloadAt]) {
		return ErrMIC
	}
	return nil
}

// HasMIC reports whether the client says that there is a MIC.
func (a *Authenticate) HasMIC() bool {
	v, has := a.Info.Value(AvFlags)
	return has && len(v) == 4 && v[0]&micProvided != 0
}

// Binding returns the hash of the channel bindings in the answer, and whether
// there is one. One of zeroes stands for a client that knows of none.
func (a *Authenticate) Binding() ([]byte, bool) { return a.Info.Value(ChannelBindings) }
