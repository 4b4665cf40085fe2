package ntlm

import (
	"encoding/binary"
	"errors"
	"strings"
	"unicode/utf16"
)

// Flags are what the two sides agree on ([MS-NLMP] 2.2.2.5).
type Flags uint32

// The flags that matter here.
const (
	FlagUnicode          Flags = 1 << 0
	FlagOEM              Flags = 1 << 1
	FlagRequestTarget    Flags = 1 << 2
	FlagSign             Flags = 1 << 4
	FlagSeal             Flags = 1 << 5
	FlagNTLM             Flags = 1 << 9
	FlagAlwaysSign       Flags = 1 << 15
	FlagTargetTypeDomain Flags = 1 << 16
	FlagExtendedSecurity Flags = 1 << 19
	FlagTargetInfo       Flags = 1 << 23
	FlagVersion          Flags = 1 << 25
	Flag128              Flags = 1 << 29
	FlagKeyExchange      Flags = 1 << 30
	Flag56               Flags = 1 << 31
)

// ErrMalformed says that bytes are not the message that they should be.
var ErrMalformed = errors.New("ntlm: the message is malformed")

// maxMessage bounds a message. HTTP servers take no header as long as that.
const maxMessage = 64 << 10

const signature = "NTLMSSP\x00"

// The kinds of messages.
const (
	kindNegotiate    = 1
	kindChallenge    = 2
	kindAuthenticate = 3
)

// version is what a client or server of Windows 10 says it is ([MS-NLMP]
// 2.2.2.10). Some servers insist on the last byte, the revision of NTLM.
var version = [8]byte{10, 0, 0x61, 0x4A, 0, 0, 0, 15}

// Kind returns 1, 2 or 3 for the three messages, and 0 for anything else.
func Kind(msg []byte) int {
	if len(msg) < 12 || len(msg) > maxMessage || string(msg[:8]) != signature {
		return 0
	}
	if k := binary.LittleEndian.Uint32(msg[8:]); k >= kindNegotiate && k <= kindAuthenticate {
		return int(k)
	}
	return 0
}

// field returns the bytes that the length and offset at a position name.
func field(msg []byte, at int) ([]byte, error) {
	if at+8 > len(msg) {
		return nil, ErrMalformed
	}
	n := int(binary.LittleEndian.Uint16(msg[at:]))
	offset := uint64(binary.LittleEndian.Uint32(msg[at+4:]))
	if n == 0 {
		return nil, nil
	}
	if offset+uint64(n) > uint64(len(msg)) {
		return nil, ErrMalformed
	}
	return msg[offset : offset+uint64(n)], nil
}

// builder writes a message: a fixed head, then what its fields point to.
type builder struct{ msg []byte }

func newBuilder(kind uint32, head int) *builder {
	b := &builder{msg: make([]byte, head, head+256)}
	copy(b.msg, signature)
	binary.LittleEndian.PutUint32(b.msg[8:], kind)
	return b
}

// put appends a value and writes its length and offset at a position.
func (b *builder) put(at int, value []byte) {
	binary.LittleEndian.PutUint16(b.msg[at:], uint16(len(value)))
	binary.LittleEndian.PutUint16(b.msg[at+2:], uint16(len(value)))
	binary.LittleEndian.PutUint32(b.msg[at+4:], uint32(len(b.msg)))
	b.msg = append(b.msg, value...)
}

func (b *builder) flags(at int, f Flags) { binary.LittleEndian.PutUint32(b.msg[at:], uint32(f)) }

// encode writes text as UTF-16, or in the OEM character set where that is not
// agreed on. OEM means ASCII here: nobody knows which one the other side has.
func encode(s string, f Flags) []byte {
	if f&FlagUnicode != 0 {
		return utf16le(s)
	}
	return []byte(s)
}

func decode(b []byte, f Flags) string {
	if f&FlagUnicode == 0 {
		return strings.ToValidUTF8(string(b), "\uFFFD")
	}
	units := make([]uint16, len(b)/2)
	for i := range units {
		units[i] = binary.LittleEndian.Uint16(b[2*i:])
	}
	return string(utf16.Decode(units))
}

func utf16le(s string) []byte {
	units := utf16.Encode([]rune(s))
	b := make([]byte, 0, 2*len(units))
	for _, u := range units {
		b = binary.LittleEndian.AppendUint16(b, u)
	}
	return b
}

// ID names a pair of the target information ([MS-NLMP] 2.2.2.1).
type ID uint16

// The pairs.
const (
	EndOfList       ID = 0
	NbComputerName  ID = 1
	NbDomainName    ID = 2
	DNSComputerName ID = 3
	DNSDomainName   ID = 4
	AvFlags         ID = 6 // 32 bits; 0x2: there is a MIC
	Timestamp       ID = 7 // FILETIME
	TargetName      ID = 9 // of the service that the client means
	ChannelBindings ID = 10
)

// micProvided is the flag in AvFlags that says there is a MIC.
const micProvided = 2

// Pair is one piece of target information.
type Pair struct {
	ID    ID
	Value []byte
}

// Info is target information, in the server's order.
type Info []Pair

// Value returns the first value of an id, and whether there is one.
func (i Info) Value(id ID) ([]byte, bool) {
	for _, p := range i {
		if p.ID == id {
			return p.Value, true
		}
	}
	return nil, false
}

// set replaces the value of an id or appends it.
func (i Info) set(id ID, value []byte) Info {
	for n, p := range i {
		if p.ID == id {
			i[n].Value = value
			return i
		}
	}
	return append(i, Pair{id, value})
}

// bytes writes the list with its end.
func (i Info) bytes() []byte {
	var b []byte
	for _, p := range i {
		b = binary.LittleEndian.AppendUint16(b, uint16(p.ID))
		b = binary.LittleEndian.AppendUint16(b, uint16(len(p.Value)))
		b = append(b, p.Value...)
	}
	return append(b, 0, 0, 0, 0)
}

// parseInfo reads a list up to its end; one without an end is malformed.
func parseInfo(b []byte) (Info, error) {
	var list Info
	for len(b) >= 4 {
		id, n := ID(binary.LittleEndian.Uint16(b)), int(binary.LittleEndian.Uint16(b[2:]))
		if id == EndOfList {
			return list, nil
		}
		if len(b) < 4+n {
			return nil, ErrMalformed
		}
		list = append(list, Pair{id, b[4 : 4+n]})
		b = b[4+n:]
	}
	return nil, ErrMalformed
}
