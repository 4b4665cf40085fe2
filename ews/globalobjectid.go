package ews

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"strings"
	"time"
)

// GlobalObjectID names a meeting in every copy ([MS-OXOCAL] 2.2.1.27): 16
// fixed bytes, the date of an exception, a creation time, zeros, and data with
// its length.
type GlobalObjectID []byte

// The fixed beginning of a GlobalObjectID, and of data that holds a foreign UID.
const (
	goidPrefix = "\x04\x00\x00\x00\x82\x00\xE0\x00\x74\xC5\xB7\x10\x1A\x82\xE0\x08"
	vCalUID    = "vCal-Uid\x01\x00\x00\x00"
	goidHeader = 40 // bytes before the data

	longestGOID = 8192 // characters that are read
)

// ParseGlobalObjectID reads an id in base64, as extended properties give it, or
// in hexadecimal digits of either case, as UIDs and some programs do. It
// reports false for what is none.
func ParseGlobalObjectID(s string) (GlobalObjectID, bool) {
	s = strings.TrimSpace(s)
	if len(s) > longestGOID {
		return nil, false
	}
	for _, decode := range []func(string) ([]byte, error){hex.DecodeString, base64.StdEncoding.DecodeString, base64.RawStdEncoding.DecodeString} {
		if b, err := decode(s); err == nil && validGOID(b) {
			return b, true
		}
	}
	return nil, false
}

// NewGlobalObjectID returns a clean id as a server makes it for a meeting of its
// own: the time of creation, in steps of 100 ns since 1601, and 16 bytes that
// nothing else has.
func NewGlobalObjectID(created time.Time, unique [16]byte) GlobalObjectID {
	id := make([]byte, goidHeader, goidHeader+len(unique))
	copy(id, goidPrefix)
	binary.LittleEndian.PutUint64(id[20:], uint64(created.Unix()+secondsTo1970)*1e7+uint64(created.Nanosecond()/100))
	binary.LittleEndian.PutUint32(id[36:], uint32(len(unique)))
	return append(id, unique[:]...)
}

// secondsTo1970 counts from 1601, where the clock of Windows begins.
const secondsTo1970 = 11644473600

func validGOID(b []byte) bool {
	return len(b) >= goidHeader && string(b[:16]) == goidPrefix &&
		uint64(binary.LittleEndian.Uint32(b[36:goidHeader])) == uint64(len(b)-goidHeader)
}

// GlobalObjectIDOf returns the clean id that Exchange makes of an iCalendar
// UID: the UID of an Exchange meeting is the id in hexadecimal, any other is
// wrapped.
func GlobalObjectIDOf(uid string) GlobalObjectID {
	if len(uid) <= longestGOID {
		if b, err := hex.DecodeString(uid); err == nil && validGOID(b) {
			return GlobalObjectID(b).Clean()
		}
	}
	data := vCalUID + uid + "\x00"
	id := make([]byte, goidHeader, goidHeader+len(data))
	copy(id, goidPrefix)
	binary.LittleEndian.PutUint32(id[36:], uint32(len(data)))
	return append(id, data...)
}

// Clean returns the id without the date of an exception.
func (id GlobalObjectID) Clean() GlobalObjectID {
	c := bytes.Clone(id)
	if len(c) >= 20 {
		clear(c[16:20])
	}
	return c
}

// UID returns the iCalendar UID of the meeting.
func (id GlobalObjectID) UID() string {
	if len(id) > goidHeader {
		if uid, ok := bytes.CutPrefix(id[goidHeader:], []byte(vCalUID)); ok {
			return string(bytes.TrimRight(uid, "\x00"))
		}
	}
	return strings.ToUpper(hex.EncodeToString(id.Clean()))
}

// Date returns the original date of an exception, at midnight UTC, or the zero
// time for a clean id.
func (id GlobalObjectID) Date() time.Time {
	if len(id) < 20 || bytes.Equal(id[16:20], []byte{0, 0, 0, 0}) {
		return time.Time{}
	}
	return time.Date(int(binary.BigEndian.Uint16(id[16:])), time.Month(id[18]), int(id[19]), 0, 0, 0, 0, time.UTC)
}

// On returns the id of the exception whose original start is on that day, as
// the clock of t shows it: that of the series' time zone.
func (id GlobalObjectID) On(t time.Time) GlobalObjectID {
	c := bytes.Clone(id)
	if y, m, d := t.Date(); len(c) >= 20 && y > 0 && y < 1<<16 {
		binary.BigEndian.PutUint16(c[16:], uint16(y))
		c[18], c[19] = byte(m), byte(d)
	}
	return c
}

// Created returns when the meeting was made, where its server wrote that down;
// else the zero time.
func (id GlobalObjectID) Created() time.Time {
	if len(id) < goidHeader {
		return time.Time{}
	}
	ticks := binary.LittleEndian.Uint64(id[20:])
	if ticks == 0 || ticks > 1<<62 {
		return time.Time{}
	}
	return time.Unix(int64(ticks/1e7)-secondsTo1970, int64(ticks%1e7)*100).UTC()
}

// Same reports whether two ids are of one meeting: exceptions belong to their
// series, and the UID of a foreign calendar is compared without regard to case,
// because some servers change it on the way from the organizer to an attendee.
func (id GlobalObjectID) Same(other GlobalObjectID) bool {
	return len(id) > 0 && SameUID(id.UID(), other.UID())
}

// SameUID reports whether two UIDs are of one meeting, as Same does. An empty
// one is no meeting's.
func SameUID(a, b string) bool { return a != "" && strings.EqualFold(a, b) }

// String returns the id in base64, as extended properties have it.
func (id GlobalObjectID) String() string { return base64.StdEncoding.EncodeToString(id) }
