package detect

import (
	"encoding/base64"
	"net/url"
	"strings"
)

// maxNesting bounds how many wrappers are taken off one link. Mail that passed
// through three organisations has been seen with four.
const maxNesting = 6

// wrapper is a mail filter or redirector whose links carry their target.
type wrapper struct {
	name   string
	host   string // the host itself and everything below it
	path   string // prefix, lower case; empty: any
	param  string // query parameter with the target; empty: decode knows
	decode func(string) string
}

// wrappers lists them. Nothing is ever fetched to find a target.
func wrappers() []wrapper {
	return []wrapper{
		{"SafeLinks", "safelinks.protection.outlook.com", "", "url", nil},
		{"SafeLinks", "safelinks.protection.office365.us", "", "url", nil},
		{"SafeLinks", "safelinks.protection.outlook.cn", "", "url", nil},
		{"Teams SafeLinks", "statics.teams.cdn.office.net", "/evergreen-assets/safelinks", "url", nil},
		{"Proofpoint v3", "urldefense.com", "/v3/", "", proofpoint3},
		{"Proofpoint v3", "urldefense.us", "/v3/", "", proofpoint3},
		{"Proofpoint v2", "urldefense.proofpoint.com", "/v2/url", "u", proofpoint2},
		{"Proofpoint v2", "urldefense.us", "/v2/url", "u", proofpoint2},
		{"Proofpoint v1", "urldefense.proofpoint.com", "/v1/url", "u", nil},
		{"Google redirect", "google.com", "/url", "q", nil},
		{"Google redirect", "google.com", "/url", "url", nil},
		{"Barracuda", "linkprotect.cudasvc.com", "/url", "a", nil},
		{"Cisco", "secure-web.cisco.com", "", "", lastSegment},
		{"Sophos", "protection.sophos.com", "", "u", base64URL},
		{"FireEye", "protect2.fireeye.com", "/v1/url", "u", nil},
		{"Trend Micro", "ctp.trendmicro.com", "/wis/clicktime", "url", nil},
		{"Slack redirect", "slack-redir.net", "/link", "url", nil},
		{"Facebook redirect", "facebook.com", "/l.php", "u", nil},
		{"LinkedIn redirect", "linkedin.com", "/redir", "url", nil},
	}
}

// opaque reports whether a host wraps links in such a way that only its own
// server knows the target.
func opaque(host string) bool {
	for _, h := range []string{"mimecast.com", "mimecastprotect.com", "url.emailprotection.link", "t.co", "bit.ly", "tinyurl.com"} {
		if under(host, h) {
			return true
		}
	}
	return false
}

// unwrap takes the wrappers off a link and returns their names, outermost
// first.
func (r *registry) unwrap(raw string) (string, []string) {
	var names []string
	for range maxNesting {
		target, name := r.unwrapOnce(raw)
		if target == "" {
			break
		}
		raw = target
		names = append(names, name)
	}
	return raw, names
}

func (r *registry) unwrapOnce(raw string) (target, name string) {
	u, ok := parse(raw)
	if !ok {
		return "", ""
	}
	for _, w := range r.wrappers {
		if !under(u.host, w.host) || !strings.HasPrefix(strings.ToLower(u.path), w.path) {
			continue
		}
		value := u.raw
		if w.param != "" {
			value = u.query(w.param)
			if w.decode == nil {
				value = percent(value)
			}
		}
		if w.decode != nil {
			value = w.decode(value)
		}
		value = strings.TrimSpace(value)
		if _, ok := parse(value); ok && value != raw {
			return value, w.name
		}
		if rest, ok := parse("https://" + value); ok && !strings.Contains(value, "://") && strings.Contains(rest.host, ".") && r.knows(rest.host) {
			return "https://" + value, w.name
		}
	}
	return "", ""
}

// percent undoes one level of percent-encoding; a broken escape stays.
func percent(s string) string {
	if !strings.Contains(s, "%") {
		return s
	}
	var out strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '%' && i+2 < len(s) && unhex(s[i+1]) >= 0 && unhex(s[i+2]) >= 0 {
			out.WriteByte(byte(unhex(s[i+1])<<4 | unhex(s[i+2])))
			i += 2
			continue
		}
		out.WriteByte(s[i])
	}
	return out.String()
}

func unhex(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c|0x20 >= 'a' && c|0x20 <= 'f':
		return int(c|0x20-'a') + 10
	}
	return -1
}

// proofpoint2 undoes v2: "-XX" for an escaped byte, "_" for "/".
func proofpoint2(s string) string {
	return percent(strings.NewReplacer("_", "/", "-", "%").Replace(s))
}

// proofpoint3 undoes v3: https://urldefense.com/v3/__URL__;BYTES!!KEY. In the
// URL "*" stands for the next byte of BYTES (base64url), "**X" for a run of
// them, whose length is X's place in the base64 alphabet plus two.
func proofpoint3(raw string) string {
	_, rest, ok := strings.Cut(raw, "/v3/__")
	if !ok {
		return ""
	}
	i := strings.LastIndex(rest, "__;")
	if i < 0 {
		return strings.TrimSuffix(rest, "__")
	}
	target, tail := rest[:i], rest[i+3:]
	coded, _, _ := strings.Cut(tail, "!")
	list, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(coded, "="))
	if err != nil {
		list = nil
	}
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	var out strings.Builder
	for i := 0; i < len(target); i++ {
		if target[i] != '*' || len(list) == 0 {
			out.WriteByte(target[i])
			continue
		}
		n := 1
		if i+2 < len(target) && target[i+1] == '*' {
			n = strings.IndexByte(alphabet, target[i+2]) + 2
			i += 2
		}
		n = min(n, len(list))
		out.Write(list[:n])
		list = list[n:]
	}
	target = out.String()
	// v3 also folds "://" to ":/".
	if i := strings.Index(target, ":/"); i > 0 && !strings.HasPrefix(target[i:], "://") {
		target = target[:i] + "://" + target[i+2:]
	}
	return target
}

// lastSegment undoes a wrapper that puts the whole escaped target last in its
// path.
func lastSegment(raw string) string {
	i := strings.Index(strings.ToLower(raw), "/http")
	if i < 0 {
		return ""
	}
	return percent(raw[i+1:])
}

// base64URL undoes a target in base64.
func base64URL(s string) string {
	s = strings.TrimRight(percent(s), "=")
	for _, enc := range []*base64.Encoding{base64.RawURLEncoding, base64.RawStdEncoding} {
		if b, err := enc.DecodeString(s); err == nil {
			return string(b)
		}
	}
	return ""
}

// address is a link taken apart. Nothing in it is decoded but the host, which
// is in lower case and without port.
type address struct {
	raw    string
	scheme string
	host   string
	path   string
	search string // query without "?"
	hash   string // fragment without "#"
	user   bool   // there is a user part: the host is not what it seems
}

// parse takes a link apart. It is more patient than net/url: broken escapes
// and brackets are met in real invitations and must survive.
func parse(raw string) (address, bool) {
	a := address{raw: raw}
	i := strings.Index(raw, ":")
	if i <= 0 || i > 12 {
		return a, false
	}
	a.scheme = strings.ToLower(raw[:i])
	rest := raw[i+1:]
	for _, c := range []byte(a.scheme) {
		if !isLetter(c) && (c < '0' || c > '9') {
			return a, false
		}
	}
	if !strings.HasPrefix(rest, "//") {
		if a.scheme != "msteams" {
			return a, false
		}
		a.host = "teams.microsoft.com"
	} else {
		rest = rest[2:]
		end := strings.IndexAny(rest, "/?#")
		if end < 0 {
			end = len(rest)
		}
		host := rest[:end]
		rest = rest[end:]
		if k := strings.LastIndexByte(host, '@'); k >= 0 {
			a.user, host = true, host[k+1:]
		}
		if k := strings.IndexByte(host, ':'); k >= 0 {
			host = host[:k]
		}
		a.host = strings.ToLower(strings.TrimSuffix(host, "."))
	}
	if a.host == "" || strings.ContainsAny(a.host, " %[]\"'<>") {
		return a, false
	}
	rest, a.hash, _ = strings.Cut(rest, "#")
	a.path, a.search, _ = strings.Cut(rest, "?")
	return a, true
}

// query returns a parameter as written, looked up without regard to case.
func (a address) query(name string) string {
	for part := range strings.SplitSeq(a.search, "&") {
		key, value, _ := strings.Cut(part, "=")
		if strings.EqualFold(key, name) {
			return value
		}
	}
	return ""
}

// under reports whether a host is a domain or lies below it.
func under(host, domain string) bool {
	return host == domain || len(host) > len(domain) && strings.HasSuffix(host, domain) && host[len(host)-len(domain)-1] == '.'
}

// unescape decodes a path segment or parameter for showing it.
func unescape(s string) string {
	if t, err := url.PathUnescape(s); err == nil {
		return t
	}
	return s
}
