package ewstest

import (
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"time"
)

// guid names a mailbox in ids.
type guid [16]byte

func (g guid) String() string {
	return fmt.Sprintf("%x-%x-%x-%x-%x", g[0:4], g[4:6], g[6:8], g[8:10], g[10:16])
}

// ref is what an item or folder id says, in the layout that Exchange uses: the
// mailbox as text, and an entry id with the global counters of the folder and
// the message ([MS-OXCDATA] 2.2.4).
type ref struct {
	mailbox  guid
	folder   uint32
	item     uint64    // zero in the id of a folder
	original time.Time // of an occurrence: the start the pattern gave it
}

const (
	idMailboxItem  = 3  // id type: entry id within a mailbox named by GUID
	instrNormal    = 0  // id processing instruction
	instrOccurence = 1  // the store id begins with the date of an occurrence
	folderEntry    = 46 // bytes of a folder's entry id
	messageEntry   = 70
	occurrenceSize = 1 + 8 + messageEntry + 2
)

// storeProvider is the MAPI provider uid in all entry ids of the simulator.
var storeProvider = [16]byte{0x4b, 0x6f, 0x79, 0x6f, 0x6d, 0x69, 0x20, 0x65, 0x77, 0x73, 0x74, 0x65, 0x73, 0x74, 0x20, 0x31}

// encode returns the id as clients see it.
func (r ref) encode() string {
	entry := r.entryID()
	b := make([]byte, 0, 128)
	b = append(b, 0, idMailboxItem, 36, 0)
	b = append(b, r.mailbox.String()...)
	if r.original.IsZero() {
		b = append(b, instrNormal, byte(len(entry)), 0)
		b = append(b, entry...)
	} else {
		b = append(b, instrOccurence, occurrenceSize, 0, 8)
		b = binary.BigEndian.AppendUint64(b, uint64(r.original.Unix()))
		b = append(b, entry...)
		b = append(b, 0, 0x10)
	}
	return base64.StdEncoding.EncodeToString(b)
}

// entryID returns the MAPI entry id of the folder or message.
func (r ref) entryID() []byte {
	b := make([]byte, 4, messageEntry)
	b = append(b, storeProvider[:]...)
	kind := byte(1)
	if r.item != 0 {
		kind = 7
	}
	b = append(b, kind, 0)
	b = append(b, r.mailbox[:]...)
	b = append(b, counter(uint64(r.folder))...)
	if r.item != 0 {
		b = append(b, r.mailbox[:]...)
		b = append(b, counter(r.item)...)
	}
	return b
}

// counter returns a global counter of six bytes with its padding of two.
func counter(n uint64) []byte {
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], n<<16)
	return b[:]
}

// decodeID reads an id that encode made. ok is false for anything else.
func decodeID(s string) (r ref, ok bool) {
	b, err := base64.StdEncoding.DecodeString(s)
	if err != nil || len(b) < 43 || b[0] != 0 || b[1] != idMailboxItem || b[2] != 36 || b[3] != 0 {
		return r, false
	}
	text, instr, size, rest := b[4:40], b[40], int(b[41])|int(b[42])<<8, b[43:]
	if len(rest) != size {
		return r, false
	}
	if instr == instrOccurence {
		if size != occurrenceSize || rest[0] != 8 {
			return r, false
		}
		r.original = time.Unix(int64(binary.BigEndian.Uint64(rest[1:9])), 0).UTC()
		if y := r.original.Year(); y < 1601 || y > 4501 {
			return r, false
		}
		rest = rest[9 : 9+messageEntry]
	}
	if !r.entry(rest) || r.mailbox.String() != string(text) {
		return r, false
	}
	return r, true
}

// entry reads an entry id.
func (r *ref) entry(b []byte) bool {
	if (len(b) != folderEntry && len(b) != messageEntry) || [16]byte(b[4:20]) != storeProvider {
		return false
	}
	copy(r.mailbox[:], b[22:38])
	r.folder = uint32(binary.BigEndian.Uint64(b[38:46]) >> 16)
	if len(b) == messageEntry {
		r.item = binary.BigEndian.Uint64(b[62:70]) >> 16
	}
	return (len(b) == messageEntry) == (r.item != 0)
}

// The object kinds in a change key.
const (
	kindFolder   = 1
	kindMessage  = 9
	kindCalendar = 15
)

// changeKey returns a change key: the kind, and the predecessor's GUID with
// the change number.
func changeKey(kind byte, box guid, cn uint64) string {
	b := make([]byte, 0, 30)
	b = append(b, kind, 0, 0, 0, 22, 0, 0, 0)
	b = append(b, box[:]...)
	b = append(b, counter(cn)[:6]...)
	return base64.StdEncoding.EncodeToString(b)
}

// shortKey is the change key without a change number, as events carry it. It
// is good for nothing.
func shortKey(kind byte) string { return base64.StdEncoding.EncodeToString([]byte{kind, 0, 0, 0}) }

// changeNumber reads a change key. ok is false for anything but a whole one.
func changeNumber(key string) (cn uint64, ok bool) {
	b, err := base64.StdEncoding.DecodeString(key)
	if err != nil || len(b) != 30 || b[4] != 22 {
		return 0, false
	}
	return binary.BigEndian.Uint64(append([]byte{0, 0}, b[24:30]...)), true
}
