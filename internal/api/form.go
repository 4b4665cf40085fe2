package api

import (
	"encoding/base64"
	"regexp"
	"strconv"
	"strings"
)

// The forms of everything that crosses this wire and is stored behind it.
// Nothing else is accepted: a field in which something readable could stand
// does not exist.
var (
	idForm         = regexp.MustCompile(`^[A-Za-z0-9_-]{21}[AQgw]$`)
	credentialForm = regexp.MustCompile(`^[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]$`)
	headerForm     = regexp.MustCompile(`^\{"alg":"dir","enc":"A256GCM",` +
		`"kid":"kms:[A-Za-z0-9_-]{21}[AQgw]/[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}","typ":"koyomi\+jwe",` +
		`"hc":\{"o":"[A-Za-z0-9_-]{21}[AQgw]","r":"([A-Za-z0-9_-]{22})","i":"([A-Za-z0-9_-]{22})","p":"([hb])","v":([1-9][0-9]{0,15}),"g":(?:0|[1-9][0-9]{0,15})\}\}$`)
)

// ValidID reports whether s is 16 bytes in canonical base64url: the form of the
// ids of accounts, resources and items.
func ValidID(s string) bool { return len(s) == 22 && idForm.MatchString(s) }

// ValidPart reports whether s is the letter of a part that is stored.
func ValidPart(s string) bool { return s == "h" || s == "b" }

// ValidCredential reports whether s has the form of a credential.
func ValidCredential(s string) bool { return len(s) == 43 && credentialForm.MatchString(s) }

// ValidRevision reports whether n can be a revision.
func ValidRevision(n int64) bool { return n > 0 && n <= MaxRevision }

// ValidSealed reports whether a JWE is what may be stored as this part of this
// item in this revision: compact, with direct encryption, in size, and with a
// header that has exactly the fields of the sealing format, each an opaque id
// or a number, and says the same place. The cloud cannot check more; the reader
// with the key does.
func ValidSealed(jwe, resource, item, part string, rev int64) bool {
	f := strings.Split(jwe, ".")
	if len(jwe) > MaxSealed || len(f) != 5 || f[1] != "" || len(f[2]) != 16 || len(f[3]) < 1366 || len(f[4]) != 22 {
		return false // iv 12 bytes, text at least 1024, tag 16
	}
	if !base64url(f[2]) || !base64url(f[3]) || !base64url(f[4]) || len(f[0]) > 1024 {
		return false
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(f[0])
	if err != nil || !base64url(f[0]) {
		return false
	}
	m := headerForm.FindSubmatch(raw)
	return m != nil && string(m[1]) == resource && string(m[2]) == item && string(m[3]) == part &&
		string(m[4]) == strconv.FormatInt(rev, 10)
}

func base64url(s string) bool {
	for i := range len(s) {
		switch c := s[i]; {
		case 'A' <= c && c <= 'Z', 'a' <= c && c <= 'z', '0' <= c && c <= '9', c == '-', c == '_':
		default:
			return false
		}
	}
	return true
}
