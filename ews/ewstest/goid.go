package ewstest

import (
	"encoding/binary"
	"encoding/hex"
	"strings"
	"time"
)

// goidPrefix begins every GlobalObjectId ([MS-OXOCAL] 2.2.1.27).
const goidPrefix = "\x04\x00\x00\x00\x82\x00\xe0\x00\x74\xc5\xb7\x10\x1a\x82\xe0\x08"

// filetime converts a moment to 100 ns since 1601.
func filetime(t time.Time) uint64 { return uint64(t.UnixNano()/100 + 116444736000000000) }

// newUID returns the UID of a meeting made here: the hexadecimal digits of its
// CleanGlobalObjectId, with the time of creation and 16 bytes that nothing
// else has.
func newUID(created time.Time, box guid, n uint64) string {
	b := make([]byte, 0, 56)
	b = append(b, goidPrefix...)
	b = append(b, 0, 0, 0, 0)
	b = binary.LittleEndian.AppendUint64(b, filetime(created))
	b = append(b, 0, 0, 0, 0, 0, 0, 0, 0, 16, 0, 0, 0)
	b = append(b, box[:8]...)
	b = binary.BigEndian.AppendUint64(b, n)
	return strings.ToUpper(hex.EncodeToString(b))
}

// cleanGOID returns the CleanGlobalObjectId for a UID: what the UID spells if
// it was made by Exchange, or else a wrapper around a foreign one ([MS-OXCICAL]
// 2.1.3.1.1.20.26).
func cleanGOID(uid string) []byte {
	if b, err := hex.DecodeString(uid); err == nil && len(b) >= 40 && string(b[:16]) == goidPrefix && int64(binary.LittleEndian.Uint32(b[36:40]))+40 == int64(len(b)) {
		copy(b[16:20], []byte{0, 0, 0, 0})
		return b
	}
	data := append([]byte("vCal-Uid\x01\x00\x00\x00"), uid...)
	data = append(data, 0)
	b := make([]byte, 0, 40+len(data))
	b = append(b, goidPrefix...)
	b = append(b, make([]byte, 20)...)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(data)))
	return append(b, data...)
}

// goid returns the GlobalObjectId: the clean one, with the date of the
// occurrence in the zone of the series where it is about one.
func goid(uid string, original time.Time) []byte {
	b := cleanGOID(uid)
	if !original.IsZero() {
		binary.BigEndian.PutUint16(b[16:18], uint16(original.Year()))
		b[18], b[19] = byte(original.Month()), byte(original.Day())
	}
	return b
}
