package ewstest

import (
	"encoding/base64"
	"encoding/binary"
	"hash/crc32"
)

// syncState is how far a client has come with a folder. A run over several
// pages goes through the items by number, newest first, and takes only what
// was there when it began; so each item comes once, and what changes meanwhile
// comes in the next run.
type syncState struct {
	box    guid
	epoch  uint32
	folder uint32
	base   uint64 // changes up to this number are known to the client
	top    uint64 // the run ends with this change; zero between runs
	next   uint64 // the run goes on below this item number
}

// stateMagic begins the payload of every state.
const stateMagic = "KYS1"

// encode returns the state in the form real ones have: base64 of gzip. The
// payload is stored without compression, because it is short.
func (s syncState) encode() string {
	p := make([]byte, 0, 64)
	p = append(p, stateMagic...)
	p = append(p, s.box[:]...)
	p = binary.BigEndian.AppendUint32(p, s.epoch)
	p = binary.BigEndian.AppendUint32(p, s.folder)
	for _, n := range []uint64{s.base, s.top, s.next} {
		p = binary.BigEndian.AppendUint64(p, n)
	}
	b := []byte{0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 4, 0, 1}
	b = binary.LittleEndian.AppendUint16(b, uint16(len(p)))
	b = binary.LittleEndian.AppendUint16(b, ^uint16(len(p)))
	b = append(b, p...)
	b = binary.LittleEndian.AppendUint32(b, crc32.ChecksumIEEE(p))
	b = binary.LittleEndian.AppendUint32(b, uint32(len(p)))
	return base64.StdEncoding.EncodeToString(b)
}

const (
	statePayload = 4 + 16 + 4 + 4 + 3*8
	stateHead    = 15
)

// decodeState reads a state that encode made. ok is false for anything else.
func decodeState(text string) (s syncState, ok bool) {
	b, err := base64.StdEncoding.DecodeString(text)
	if err != nil || len(b) != stateHead+statePayload+8 {
		return s, false
	}
	p := b[stateHead : stateHead+statePayload]
	if string(p[:4]) != stateMagic || binary.LittleEndian.Uint32(b[stateHead+statePayload:]) != crc32.ChecksumIEEE(p) {
		return s, false
	}
	copy(s.box[:], p[4:20])
	s.epoch, s.folder = binary.BigEndian.Uint32(p[20:]), binary.BigEndian.Uint32(p[24:])
	s.base, s.top, s.next = binary.BigEndian.Uint64(p[28:]), binary.BigEndian.Uint64(p[36:]), binary.BigEndian.Uint64(p[44:])
	return s, true
}

// ForgetSyncStates makes all sync states of a mailbox invalid that were given
// out before, as a restore or a move to another database does.
func (s *Server) ForgetSyncStates(address string) {
	s.change(address, func(b *mailbox) { b.epoch++ })
}

// syncChange is one change to report.
type syncChange struct {
	element string // "Create", "Update", "Delete", "ReadFlagChange"
	it      *Item
	gone    uint64 // number of a deleted item
}

// changes returns the next page of changes after a state, at most so many, the
// state after them, and whether that is all. The caller holds Server.mu.
func (b *mailbox) changes(f *folder, s syncState, most int) (out []syncChange, after syncState, last bool) {
	if s.top == 0 {
		s.top, s.next = b.cn, b.lastItem+1
	}
	for i := len(f.items) - 1; i >= 0 && !s.deleting(); i-- {
		it := f.items[i]
		if it.num >= s.next || it.born > s.top {
			continue
		}
		c, ok := changeSince(it, s.base)
		if !ok {
			continue
		}
		if len(out) == most {
			return out, s, false
		}
		out = append(out, c)
		s.next = it.num
	}
	if !s.deleting() {
		s.next = deletingBit | (s.top + 1)
	}
	for i := len(f.gone) - 1; i >= 0; i-- {
		g := f.gone[i]
		if g.cn <= s.base || g.cn >= s.next&^deletingBit || g.born > s.base {
			continue
		}
		if len(out) == most {
			return out, s, false
		}
		out = append(out, syncChange{element: "Delete", gone: g.item})
		s.next = deletingBit | g.cn
	}
	return out, syncState{box: s.box, epoch: s.epoch, folder: s.folder, base: s.top}, true
}

// deletingBit marks in next that the run has come to the deletions, which are
// told by change number.
const deletingBit = 1 << 63

func (s *syncState) deleting() bool { return s.next&deletingBit != 0 }

// changeSince returns how an item changed after a change number.
func changeSince(it *Item, base uint64) (syncChange, bool) {
	switch {
	case it.born > base:
		return syncChange{element: "Create", it: it}, true
	case it.cn > base:
		return syncChange{element: "Update", it: it}, true
	case it.readCN > base:
		return syncChange{element: "ReadFlagChange", it: it}, true
	}
	return syncChange{}, false
}
