package ewstest

import (
	"encoding/base64"
	"encoding/hex"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/koyomi-cal/koyomi/ews"
)

// TestTwoWritersOfGlobalObjectIDs holds the client's ids against those of the
// simulator, which were written from [MS-OXOCAL] 2.2.1.27 by themselves.
func TestTwoWritersOfGlobalObjectIDs(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		uid := rapid.OneOf(
			rapid.StringMatching(`[0-9A-Za-z@.{}/-]{1,80}`), rapid.StringMatching(`[0-9a-f]{2,100}`), rapid.String().Filter(func(s string) bool { return s != "" && !strings.Contains(s, "\x00") }),
			rapid.Map(rapid.SliceOfN(rapid.Byte(), 0, 40), func(tail []byte) string { return hex.EncodeToString(append([]byte(goidPrefix), tail...)) }),
			rapid.Map(rapid.Uint64(), func(n uint64) string { return newUID(time.Unix(int64(n%4e9), 0), guid{1}, n) }),
		).Draw(rt, "uid")
		mine := cleanGOID(uid)
		theirs := ews.GlobalObjectIDOf(uid)
		if string(mine) != string(theirs) {
			rt.Fatalf("%q: %x and %x", uid, mine, theirs)
		}
		read, ok := ews.ParseGlobalObjectID(base64.StdEncoding.EncodeToString(mine))
		if !ok || !strings.EqualFold(read.UID(), uid) && string(ews.GlobalObjectIDOf(read.UID())) != string(mine) {
			rt.Fatalf("%q came back as %q, %v", uid, read.UID(), ok)
		}
		original := time.Unix(rapid.Int64Range(0, 4e9).Draw(rt, "original"), 0).In(time.FixedZone("", rapid.IntRange(-12, 14).Draw(rt, "zone")*3600))
		of := ews.GlobalObjectID(goid(uid, original))
		y, m, d := original.Date()
		if !of.Date().Equal(time.Date(y, m, d, 0, 0, 0, 0, time.UTC)) || string(of.Clean()) != string(mine) || string(theirs.On(original)) != string(of) {
			rt.Fatalf("%q on %v: %x", uid, original, []byte(of))
		}
	})
}

func TestNewUIDsAreReadByTheClient(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 23, 9, 30, 0, 0, time.UTC)
	id, ok := ews.ParseGlobalObjectID(newUID(at, guid{7}, 42))
	if !ok || !id.Created().Equal(at) || len(id) != 56 {
		t.Errorf("%v, %v, %d bytes", ok, id.Created(), len(id))
	}
	var unique [16]byte
	copy(unique[:], id[40:])
	if again := ews.NewGlobalObjectID(at, unique); string(again) != string(id) {
		t.Errorf("the client makes %x", []byte(again))
	}
}
