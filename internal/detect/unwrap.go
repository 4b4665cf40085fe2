package detect

import (
	"net/url"
	"strings"
)

// maxNesting bounds how many wrappers are taken off one link. Mail that passed
// through three organisations has been seen with four.
const maxNesting = 6

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
	if !ok || u.user {
		return "", ""
	}
	r.wrappers.candidates(u, func(w *wrapper) bool {
		value := strings.TrimSpace(w.target(u))
		if value == "" || value == raw || len(value) > maxURL {
			return false
		}
		if v, ok := parse(value); ok && isWeb(value) && strings.Contains(v.host, ".") {
			target, name = value, w.name
			return true
		}
		if v, ok := parse("https://" + value); ok && !strings.Contains(value, "://") && strings.Contains(v.host, ".") && r.knows(v.host) {
			target, name = "https://"+value, w.name
			return true
		}
		return false
	})
	return target, name
}

// percent undoes one level of percent-encoding; a broken escape stays.
func percent(s string) string {
	i := strings.IndexByte(s, '%')
	if i < 0 {
		return s
	}
	var out strings.Builder
	out.Grow(len(s))
	for ; i >= 0; i = strings.IndexByte(s, '%') {
		out.WriteString(s[:i])
		if s = s[i:]; len(s) > 2 && unhex(s[1]) >= 0 && unhex(s[2]) >= 0 {
			out.WriteByte(byte(unhex(s[1])<<4 | unhex(s[2])))
			s = s[3:]
		} else {
			out.WriteByte('%')
			s = s[1:]
		}
	}
	out.WriteString(s)
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
	i := strings.IndexByte(raw[:min(len(raw), 13)], ':')
	if i <= 0 {
		return a, false
	}
	a.scheme = strings.ToLower(raw[:i])
	rest := raw[i+1:]
	if !allOf(a.scheme, isAlnum) {
		return a, false
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
	if a.host == "" || strings.ContainsAny(a.host, " %[]\"'<>\\") {
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
