package detect

import (
	"encoding/binary"
	"sort"
)

// marks says where each place of a text stands in its source. Where the two
// run in step nothing is kept. Where they part a mark is, as the difference to
// the mark before it, which takes two bytes as a rule: a mail that is all
// entities, or one quoted line after the other, has one for every character.
type marks struct {
	pieces []piece
	last   mark // not in pieces yet: it is replaced if nothing was written since
	open   bool // last is one
}

// mark says that text from here on stands at this place of the source.
type mark struct{ text, src int }

// piece is a run of marks.
type piece struct {
	first, end mark
	deltas     []byte // from first to end
}

const (
	firstPiece = 64  // bytes of the first piece
	pieceSize  = 256 // bytes of all later ones
	deltaSize  = 2 * binary.MaxVarintLen64
)

// add marks that the text from place text on stands at src.
func (m *marks) add(text, src int) {
	if src-m.last.src == text-m.last.text {
		return // in step with the last mark, or with the beginning
	}
	if m.open && text == m.last.text {
		m.last.src = src
		return
	}
	if m.open {
		m.keep()
	}
	m.last, m.open = mark{text, src}, true
}

// keep puts the last mark into the pieces.
func (m *marks) keep() {
	if n := len(m.pieces); n > 0 {
		if p := &m.pieces[n-1]; cap(p.deltas)-len(p.deltas) >= deltaSize {
			p.deltas = binary.AppendUvarint(p.deltas, uint64(m.last.text-p.end.text))
			p.deltas = binary.AppendVarint(p.deltas, int64(m.last.src-p.end.src-(m.last.text-p.end.text)))
			p.end = m.last
			return
		}
	}
	size := firstPiece
	if len(m.pieces) > 0 {
		size = pieceSize
	}
	m.pieces = append(m.pieces, piece{m.last, m.last, make([]byte, 0, size)})
}

// at returns where a place of the text stands in the source.
func (m *marks) at(text int) int {
	if m.open && text >= m.last.text {
		return m.last.src + text - m.last.text
	}
	k := sort.Search(len(m.pieces), func(k int) bool { return m.pieces[k].first.text > text }) - 1
	if k < 0 {
		return text
	}
	here := m.pieces[k].first
	for deltas := m.pieces[k].deltas; len(deltas) > 0; {
		d, n := binary.Uvarint(deltas)
		if here.text+int(d) > text {
			break
		}
		shift, n2 := binary.Varint(deltas[n:])
		here = mark{here.text + int(d), here.src + int(d) + int(shift)}
		deltas = deltas[n+n2:]
	}
	return here.src + text - here.text
}

// bits is a set of places of a text.
type bits []uint64

// set adds the places from from to to-1. Places beyond most are not added.
func (b *bits) set(from, to, most int) {
	if from >= to || from >= most {
		return
	}
	if *b == nil {
		*b = make(bits, most/64+1)
	}
	to = min(to, most)
	for from < to && from%64 != 0 {
		(*b)[from/64] |= 1 << (from % 64)
		from++
	}
	for ; from+64 <= to; from += 64 {
		(*b)[from/64] = ^uint64(0)
	}
	for ; from < to; from++ {
		(*b)[from/64] |= 1 << (from % 64)
	}
}

// has reports whether a place is in the set.
func (b bits) has(i int) bool { return i/64 < len(b) && b[i/64]>>(i%64)&1 != 0 }
