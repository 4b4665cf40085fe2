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
)

// ParseGlobalObjectID reads an id in base64, as extended properties give it.
// It reports false for what is none.
func ParseGlobalObjectID(s string) (GlobalObjectID, bool) {
	b, err := base64.StdEncoding.DecodeString(strings.TrimSpace(s))
	if err != nil || !validGOID(b) {
		return nil, false
	}
	return b, true
}

func validGOID(b []byte) bool {
	return len(b) >= goidHeader && string(b[:16]) == goidPrefix &&
		uint64(binary.LittleEndian.Uint32(b[36:goidHeader])) == uint64(len(b)-goidHeader)
}

// GlobalObjectIDOf returns the clean id that Exchange makes of an iCalendar
// UID: the UID of an Exchange meeting is the id in hexadecimal, any other is
// wrapped.
func GlobalObjectIDOf(uid string) GlobalObjectID {
	if b, err := hex.DecodeString(uid); err == nil && validGOID(b) {
		return GlobalObjectID(b).Clean()
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

// String returns the id in base64, as extended properties have it.
func (id GlobalObjectID) String() string { return base64.StdEncoding.EncodeToString(id) }
