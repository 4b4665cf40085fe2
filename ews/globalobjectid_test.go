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
	})
}
