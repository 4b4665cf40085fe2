package ews

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"encoding/binary"
	"hash/crc32"
	"io"
	"math/bits"
	"slices"

	"github.com/koyomi-cal/koyomi/ews/internal/wire"
)

// inflater unpacks whole gzip answers ([RFC 1951], [RFC 1952]). To unpack is
// the largest part of what a load costs a client; with the packed answer whole
// in memory it takes half of what compress/gzip needs, which must be ready to
// wait in the middle of each symbol.
//
// The zero value is ready to use. It accepts and refuses what compress/gzip
// does.
type inflater struct {
	packed bytes.Buffer // into which answers are read

	in  []byte
	pos int
	acc uint64 // bits that were read ahead, next one lowest
	n   int    // how many
	out []byte
	max int // of out

	start       int // where the member's output begins: nothing reaches behind it
	lits, dists huffman
	lens        huffman // of the tables' own sizes
	sizes       [maxLits + maxDists]uint8
}

const (
	maxLits  = 288
	maxDists = 32
	rootBits = 10 // looked up at once
	maxBits  = 15
)

// slot is an entry of a table: how many bits the code has (4 bits), how many
// follow it (4 bits), what it is, and a value.
type slot uint32

const (
	isLiteral slot = (iota + 1) << 8
	isCopy         // a length, or a distance
	isEnd
	isLink      // to the table of longer codes; value: where it begins
	kind   slot = 7 << 8
)

func (s slot) bits() int  { return int(s & 15) }
func (s slot) extra() int { return int(s >> 4 & 15) }
func (s slot) value() int { return int(s >> 16) }

// huffman is a table of codes: the first 2^rootBits slots by the next bits, then
// tables for what follows rootBits bits.
type huffman struct {
	slots []slot
	rest  int // bits of the second tables
}

var errPacked = flate.CorruptInputError(0)

// unpack appends what a packed answer unpacks to, at most limit bytes, to dst.
func (z *inflater) unpack(dst []byte, r io.Reader, limit int64) ([]byte, error) {
	_, err := z.packed.ReadFrom(r)
	if err == nil {
		dst, err = z.gunzip(dst, z.packed.Bytes(), limit)
	}
	if z.packed.Reset(); z.packed.Cap() > keptBuffer {
		z.packed = bytes.Buffer{}
	}
	return dst, err
}

// gunzip appends what data unpacks to, at most limit bytes, to dst.
func (z *inflater) gunzip(dst, data []byte, limit int64) (out []byte, err error) {
	z.in, z.pos, z.out, z.max = data, 0, dst, len(dst)+int(limit)
	defer func() { z.in, z.out = nil, nil }()
	if len(data) == 0 {
		return dst, io.EOF
	}
	for z.pos < len(z.in) {
		if err := z.member(); err != nil {
			return z.out, err
		}
	}
	return z.out, nil
}

// member unpacks one member of a gzip file; most have one.
func (z *inflater) member() error {
	if err := z.header(); err != nil {
		return err
	}
	if n := len(z.in); n >= 4 { // the last member's size, to be believed within reason
		size := int64(binary.LittleEndian.Uint32(z.in[n-4:]))
		z.out = slices.Grow(z.out, int(min(size, int64(z.max-len(z.out)), int64(n)*64))+8)
	}
	z.start, z.acc, z.n = len(z.out), 0, 0
	for last := false; !last; {
		head, err := z.take(3)
		if err != nil {
			return err
		}
		last = head&1 == 1
		switch head >> 1 {
		case 0:
			err = z.stored()
		case 1:
			err = z.fixed()
		case 2:
			if err = z.tables(); err == nil {
				err = z.codes(&z.lits, &z.dists)
			}
		default:
			err = errPacked
		}
		if err != nil {
			return err
		}
	}
	z.pos -= z.n / 8 // what was read ahead
	if len(z.in)-z.pos < 8 {
		return io.ErrUnexpectedEOF
	}
	tail := z.in[z.pos:]
	z.pos += 8
	whole := z.out[z.start:]
	if binary.LittleEndian.Uint32(tail) != crc32.ChecksumIEEE(whole) || binary.LittleEndian.Uint32(tail[4:]) != uint32(len(whole)) {
		return gzip.ErrChecksum
	}
	return nil
}

// header passes over a member's header.
func (z *inflater) header() error {
	const (
		hasCRC, hasExtra, hasName, hasComment = 1 << 1, 1 << 2, 1 << 3, 1 << 4
		longest                               = 512
	)
	start := z.pos
	h := z.in[start:]
	if len(h) < 10 {
		return io.ErrUnexpectedEOF
	}
	if h[0] != 0x1F || h[1] != 0x8B || h[2] != 8 {
		return gzip.ErrHeader
	}
	flags, n := h[3], 10
	if flags&hasExtra != 0 {
		if len(h) < n+2 {
			return io.ErrUnexpectedEOF
		}
		if n += 2 + int(binary.LittleEndian.Uint16(h[n:])); n > len(h) {
			return io.ErrUnexpectedEOF
		}
	}
	for _, flag := range []byte{hasName, hasComment} {
		if flags&flag == 0 {
			continue
		}
		i := bytes.IndexByte(h[n:min(len(h), n+longest)], 0)
		if i < 0 {
			return gzip.ErrHeader
		}
		n += i + 1
	}
	if flags&hasCRC != 0 {
		if len(h) < n+2 {
			return io.ErrUnexpectedEOF
		}
		if binary.LittleEndian.Uint16(h[n:]) != uint16(crc32.ChecksumIEEE(h[:n])) {
			return gzip.ErrHeader
		}
		n += 2
	}
	z.pos = start + n
	return nil
}

// fill reads ahead: 56 bits at least, where there are so many.
func (z *inflater) fill() {
	if len(z.in)-z.pos >= 8 {
		z.acc |= binary.LittleEndian.Uint64(z.in[z.pos:]) << z.n
		z.pos += (63 - z.n) >> 3
		z.n |= 56
		return
	}
	for ; z.n <= 56 && z.pos < len(z.in); z.pos++ {
		z.acc |= uint64(z.in[z.pos]) << z.n
		z.n += 8
	}
}

// take returns the next bits, 16 at most.
func (z *inflater) take(n int) (int, error) {
	if z.n < n {
		if z.fill(); z.n < n {
			return 0, io.ErrUnexpectedEOF
		}
	}
	v := int(z.acc & (1<<n - 1))
	z.acc >>= n
	z.n -= n
	return v, nil
}

// stored copies a block that is not packed.
func (z *inflater) stored() error {
	z.pos -= z.n / 8
	z.acc, z.n = 0, 0
	if len(z.in)-z.pos < 4 {
		return io.ErrUnexpectedEOF
	}
	size := binary.LittleEndian.Uint16(z.in[z.pos:])
	if binary.LittleEndian.Uint16(z.in[z.pos+2:]) != ^size {
		return errPacked
	}
	z.pos += 4
	if len(z.in)-z.pos < int(size) {
		return io.ErrUnexpectedEOF
	}
	if len(z.out)+int(size) > z.max {
		return wire.ErrTooLarge
	}
	z.out = append(z.out, z.in[z.pos:z.pos+int(size)]...)
	z.pos += int(size)
	return nil
}

// codes unpacks a block by its tables.
func (z *inflater) codes(lits, dists *huffman) error {
	// Fields are kept in variables, which the compiler keeps in registers.
	acc, n, pos, in, out := z.acc, z.n, z.pos, z.in, z.out
	defer func() { z.acc, z.n, z.pos, z.out = acc, n, pos, out }()
	for {
		if n < 48 { // a length takes 20 bits, a distance 28
			if len(in)-pos >= 8 && len(out) <= z.max {
				acc |= binary.LittleEndian.Uint64(in[pos:]) << (n & 63)
				pos += (63 - n) >> 3
				n |= 56
			} else {
				if len(out) > z.max {
					return wire.ErrTooLarge
				}
				for ; n <= 56 && pos < len(in); pos++ {
					acc |= uint64(in[pos]) << (n & 63)
					n += 8
				}
			}
		}
		s := lits.slots[acc&(1<<rootBits-1)]
		if s&kind == isLink {
			s = lits.slots[s.value()+int(acc>>rootBits&(1<<lits.rest-1))]
		}
		acc >>= s & 15
		if n -= s.bits(); n < 0 {
			return io.ErrUnexpectedEOF
		}
		switch s & kind {
		case isLiteral:
			out = append(out, byte(s>>16))
			continue
		case isCopy:
		case isEnd:
			if len(out) > z.max {
				return wire.ErrTooLarge
			}
			return nil
		default:
			return errPacked
		}
		length := s.value() + int(acc&(1<<s.extra()-1))
		acc >>= s.extra()
		n -= s.extra()
		d := dists.slots[acc&(1<<rootBits-1)]
		if d&kind == isLink {
			d = dists.slots[d.value()+int(acc>>rootBits&(1<<dists.rest-1))]
		}
		if d&kind != isCopy {
			return errPacked
		}
		acc >>= d & 15
		distance := d.value() + int(acc&(1<<d.extra()-1))
		acc >>= d.extra()
		if n -= d.bits() + d.extra(); n < 0 {
			return io.ErrUnexpectedEOF
		}
		from := len(out) - distance
		if from < z.start {
			return errPacked
		}
		if len(out)+length > z.max {
			return wire.ErrTooLarge
		}
		for length > distance { // what is copied is copied again
			out = append(out, out[from:from+distance]...)
			length -= distance
			distance *= 2
		}
		out = append(out, out[from:from+length]...)
	}
}

// fixed unpacks a block with the tables that need not be sent.
func (z *inflater) fixed() error {
	sizes := z.sizes[:]
	for i := range sizes {
		switch {
		case i >= maxLits:
			sizes[i] = 5
		case i < 144 || i >= 280:
			sizes[i] = 8
		case i < 256:
			sizes[i] = 9
		default:
			sizes[i] = 7
		}
	}
	if !z.lits.build(sizes[:maxLits], litSlot) || !z.dists.build(sizes[maxLits:], distSlot) {
		return errPacked
	}
	return z.codes(&z.lits, &z.dists)
}

// sizeOrder is in which order the sizes of the codes for sizes come.
var sizeOrder = [19]uint8{16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15}

// tables reads the tables of a block.
func (z *inflater) tables() error {
	head, err := z.take(14)
	if err != nil {
		return err
	}
	lits, dists, lens := head&31+257, head>>5&31+1, head>>10+4
	if lits > 286 || dists > 30 {
		return errPacked
	}
	var own [19]uint8
	for _, i := range sizeOrder[:lens] {
		size, err := z.take(3)
		if err != nil {
			return err
		}
		own[i] = uint8(size)
	}
	if !z.lens.build(own[:], litSlot) {
		return errPacked
	}
	sizes := z.sizes[:lits+dists]
	for i := 0; i < len(sizes); {
		z.fill()
		s := z.lens.slots[z.acc&(1<<rootBits-1)]
		if s.bits() > z.n {
			return io.ErrUnexpectedEOF
		}
		z.acc >>= s.bits()
		z.n -= s.bits()
		if s&kind != isLiteral {
			return errPacked
		}
		v := s.value()
		if v < 16 {
			sizes[i] = uint8(v)
			i++
			continue
		}
		var size uint8
		least, more := 3, 3
		switch v {
		case 16:
			if i == 0 {
				return errPacked
			}
			size, more = sizes[i-1], 2
		case 18:
			least, more = 11, 7
		}
		times, err := z.take(more)
		if err != nil {
			return err
		}
		if times += least; times > len(sizes)-i {
			return errPacked
		}
		for range times {
			sizes[i] = size
			i++
		}
	}
	if !z.lits.build(sizes[:lits], litSlot) || !z.dists.build(sizes[lits:], distSlot) {
		return errPacked
	}
	return nil
}

// litSlot returns what a literal, the end or a length means. 286 and 287 mean
// nothing.
func litSlot(symbol int) slot {
	switch v := symbol - 257; {
	case v < -1:
		return isLiteral | slot(symbol)<<16
	case v == -1:
		return isEnd
	case v < 8:
		return isCopy | slot(v+3)<<16
	case v < 28:
		extra := v/4 - 1
		return isCopy | slot(extra)<<4 | slot((v&3+4)<<extra+3)<<16
	case v == 28:
		return isCopy | 258<<16
	}
	return 0
}

// distSlot returns what the symbol of a distance means. 30 and 31 mean nothing.
func distSlot(symbol int) slot {
	if symbol < 4 {
		return isCopy | slot(symbol+1)<<16
	}
	if symbol >= 30 {
		return 0
	}
	extra := symbol/2 - 1
	return isCopy | slot(extra)<<4 | slot((symbol&1+2)<<extra+1)<<16
}

// build makes the table of symbols whose codes have these sizes. It returns
// false where no code can be like that.
func (h *huffman) build(sizes []uint8, meaning func(symbol int) slot) bool {
	var count, next [maxBits + 1]int
	longest := 0
	for _, n := range sizes {
		if n > 0 {
			count[n]++
			longest = max(longest, int(n))
		}
	}
	code := 0
	for n := 1; n <= longest; n++ {
		code <<= 1
		next[n] = code
		code += count[n]
	}
	if longest > 0 && code != 1<<longest && (code != 1 || longest != 1) {
		return false
	}
	h.rest = max(0, longest-rootBits)
	h.slots = slices.Grow(h.slots[:0], 1<<rootBits)[:1<<rootBits]
	clear(h.slots)
	for symbol, n := range sizes {
		if n == 0 {
			continue
		}
		size := int(n)
		reversed := int(bits.Reverse16(uint16(next[n])) >> (16 - n))
		next[n]++
		s := meaning(symbol)
		if s == 0 {
			continue
		}
		s |= slot(n)
		if size <= rootBits {
			for i := reversed; i < 1<<rootBits; i += 1 << size {
				h.slots[i] = s
			}
			continue
		}
		second := h.second(reversed & (1<<rootBits - 1))
		for i := reversed >> rootBits; i < len(second); i += 1 << (size - rootBits) {
			second[i] = s
		}
	}
	return true
}

// second returns the second table behind a slot.
func (h *huffman) second(root int) []slot {
	size := 1 << h.rest
	if h.slots[root] == 0 {
		begin := len(h.slots)
		h.slots = slices.Grow(h.slots, size)[:begin+size]
		clear(h.slots[begin:])
		h.slots[root] = isLink | slot(begin)<<16
	}
	begin := h.slots[root].value()
	return h.slots[begin : begin+size]
}
