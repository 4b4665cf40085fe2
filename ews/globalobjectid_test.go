package ews

import (
	"encoding/base64"
	"encoding/hex"
	"strings"
	"testing"
	"time"
)

func TestGlobalObjectID(t *testing.T) {
	t.Parallel()
	const prefix = "040000008200E00074C5B7101A82E008"
	fromHex := func(s string) GlobalObjectID {
		b, err := hex.DecodeString(s)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	exchange := prefix + "00000000" + "805E9A3B2C1DD901" + "0000000000000000" + "10000000" + "00112233445566778899AABBCCDDEEFF"
	foreign := prefix + "00000000" + "0000000000000000" + "0000000000000000" + "13000000" + hex.EncodeToString([]byte("vCal-Uid")) + "01000000" + hex.EncodeToString([]byte("abc-12")) + "00"
	for uid, want := range map[string]string{
		exchange:                  exchange,
		strings.ToLower(exchange): exchange,
		"abc-12":                  foreign,
		strings.Replace(exchange, prefix+"00000000", prefix+"07EA0B17", 1): exchange, // of an exception: cleaned
	} {
		id := GlobalObjectIDOf(uid)
		if got := strings.ToUpper(hex.EncodeToString(id)); got != strings.ToUpper(want) {
			t.Errorf("%s: got %s, want %s", uid, got, want)
		}
		back, ok := ParseGlobalObjectID(id.String())
		if !ok || !strings.EqualFold(back.UID(), uid) && !strings.EqualFold(back.UID(), exchange) {
			t.Errorf("%s came back as %s, %v", uid, back.UID(), ok)
		}
		if !id.Date().IsZero() {
			t.Errorf("%s: a clean id has the date %v", uid, id.Date())
		}
	}
	exception := fromHex(strings.Replace(exchange, prefix+"00000000", prefix+"07EA0B17", 1))
	if got := exception.Date(); got != time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC) {
		t.Errorf("date %v", got)
	}
	if got := exception.UID(); got != exchange {
		t.Errorf("the UID of an exception is its series': %s", got)
	}
	for _, bad := range []string{"", "????", base64.StdEncoding.EncodeToString(fromHex(prefix)), base64.StdEncoding.EncodeToString(fromHex(exchange)[:50])} {
		if _, ok := ParseGlobalObjectID(bad); ok {
			t.Errorf("%q was taken for an id", bad)
		}
	}
}

// TestGlobalObjectIDOfAForeignUID has the bytes that exchangelib, which is
// somebody else's, makes of this UID.
func TestGlobalObjectIDOfAForeignUID(t *testing.T) {
	t.Parallel()
	const uid = "261cbc18-1f65-5a0a-bd11-23b1e224cc2f"
	want := "\x04\x00\x00\x00\x82\x00\xe0\x00t\xc5\xb7\x10\x1a\x82\xe0\x08" + strings.Repeat("\x00", 20) + "1\x00\x00\x00vCal-Uid\x01\x00\x00\x00" + uid + "\x00"
	if got := GlobalObjectIDOf(uid); string(got) != want {
		t.Errorf("got %q", string(got))
	}
	if upper := GlobalObjectIDOf(strings.ToUpper(uid)); !upper.Same(GlobalObjectIDOf(uid)) || SameUID("", "") {
		t.Error("copies differ in case")
	}
}

func TestGlobalObjectIDOfOurOwn(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 23, 9, 30, 0, 123456700, time.UTC)
	id := NewGlobalObjectID(at, [16]byte{1, 2, 3})
	if !id.Created().Equal(at) || !id.Date().IsZero() {
		t.Errorf("created %v, date %v", id.Created(), id.Date())
	}
	tokyo := time.FixedZone("", 9*3600)
	x := id.On(time.Date(2026, 12, 1, 0, 30, 0, 0, tokyo)) // in UTC it is November still
	if !x.Date().Equal(time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC)) || !x.Same(id) || x.UID() != id.UID() {
		t.Errorf("an exception on %v", x.Date())
	}
	for _, s := range []string{id.String(), strings.TrimRight(id.String(), "="), hex.EncodeToString(id), id.UID(), " " + id.String() + "\n"} {
		if got, ok := ParseGlobalObjectID(s); !ok || string(got) != string(id) {
			t.Errorf("%q reads %v", s, ok)
		}
	}
	if _, ok := ParseGlobalObjectID(strings.Repeat("0", 1<<20)); ok {
		t.Error("a megabyte of zeros")
	}
	if !GlobalObjectID(nil).Created().IsZero() || GlobalObjectID(nil).Same(nil) {
		t.Error("nothing is a meeting")
	}
}

func FuzzGlobalObjectID(f *testing.F) {
	f.Add("abc", []byte(goidPrefix))
	f.Add("040000008200E00074C5B7101A82E00800000000000000000000000000000000000000000000000000000000", []byte{})
	f.Fuzz(func(t *testing.T, uid string, data []byte) {
		id := GlobalObjectIDOf(uid)
		if !validGOID(id) {
			t.Errorf("%q makes no valid id", uid)
		}
		if strings.Contains(uid, "\x00") {
			return // not in a UID; trailing ones cannot be told from padding
		}
		if got := id.UID(); got != uid && !strings.EqualFold(got, hex.EncodeToString(id)) {
			t.Errorf("%q came back as %q", uid, got)
		}
		_ = GlobalObjectID(data).UID()
		_ = GlobalObjectID(data).Date()
		_ = GlobalObjectID(data).Created()
		if on := id.On(time.Date(2026, 2, 3, 0, 0, 0, 0, time.UTC)); uid != "" && !on.Same(id) || on.Date().Day() != 3 {
			t.Errorf("the exception of %q is of another meeting", uid)
		}
	})
}
