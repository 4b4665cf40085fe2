package detect

import (
	"compress/zlib"
	"encoding/base64"
	"io"
	"strings"
)

// wrapper is a mail filter or redirector whose links carry their target.
type wrapper struct {
	name   string
	hosts  string // the hosts themselves and everything below them; empty: any host
	path   string // prefix, or "*" and a suffix; lower case
	params string // query parameters, the first that is there holds the target; empty: decode gets the whole link
	also   string // a parameter that must be there too: on any host the path alone says too little
	decode func(string) string
}

const googleHosts = "google.com google.de google.at google.ch google.fr google.be google.nl google.es google.pt google.it google.pl google.se google.dk google.no google.fi google.cz google.co.uk google.ie google.ca google.com.au google.co.nz google.co.in google.co.jp google.co.kr google.com.br google.com.mx"

// wrapperTable lists them. Nothing is ever fetched to find a target.
func wrapperTable() []wrapper {
	return []wrapper{
		{"SafeLinks", "safelinks.protection.outlook.com safelinks.protection.office365.us safelinks.protection.outlook.cn safelinks.protection.outlook.de", "", "url", "", nil},
		{"Teams SafeLinks", "statics.teams.cdn.office.net statics.teams.cdn.live.net teams.public.onecdn.static.microsoft statics.gcch.teams.microsoft.us", "/evergreen-assets/safelinks", "url", "", nil},
		{"Outlook on the web", "", "*/redir.aspx", "url", "c", nil},
		{"Outlook on the web", "", "*/redir.aspx", "url", "ref", nil},
		{"Outlook on the web", "", "*/redir.aspx", "url", "surl", nil},
		{"Outlook on the web", "", "*/owa/redir.aspx", "ref", "", base64Tail},
		{"Outlook on the web", "outlook.office365.com outlook.office.com outlook.live.com outlook.cloud.microsoft", "*redirect", "destination url", "", nil},
		{"Proofpoint v3", "urldefense.com urldefense.us urldefense.proofpoint.com", "/v3/", "", "", proofpoint3},
		{"Proofpoint v2", "urldefense.proofpoint.com urldefense.us urldefense.com", "/v2/url", "u", "", proofpoint2},
		{"Proofpoint v1", "urldefense.proofpoint.com urldefense.com", "/v1/url", "u", "", nil},
		{"Google redirect", googleHosts, "/url", "q url", "", nil},
		{"Google Meet redirect", "meet.google.com", "/linkredirect", "dest", "", nil},
		{"Barracuda", "linkprotect.cudasvc.com", "", "a", "", nil},
		{"Cisco", "secure-web.cisco.com", "", "", "", lastSegment},
		{"Cisco", "secure-web.cisco.com", "", "url", "", nil},
		{"Sophos", "protection.sophos.com", "", "u", "", base64URL},
		{"FireEye", "protect2.fireeye.com protect.fireeye.com protect2.fireeye.us protect.trellix.com protect2.trellix.com", "", "u", "", nil},
		{"Trend Micro", "trendmicro.com trendmicro.eu trendmicro.co.jp", "/wis/clicktime", "url", "", nil},
		{"Fortinet", "", "*/fmlurlsvc/", "url", "fewreq", nil},
		{"Symantec", "clicktime.symantec.com clicktime.cloud.postoffice.net", "", "u", "", nil},
		{"Check Point", "url.avanan.click avanan.click protect.checkpoint.com", "/v2/", "", "", underscores},
		{"Zix", "link.zixcentral.com", "/u/", "u", "", nil},
		{"EdgePilot", "link.edgepilot.com", "", "u", "", nil},
		{"Egress", "defend.egress.com", "/warning", "base64url", "", deflated},
		{"Libraesva", "urlsand.esvalabs.com", "", "u", "", nil},
		{"TitanHQ", "linklock.titanhq.com", "/analyse", "url", "", nil},
		{"Menlo", "safe.menlosecurity.com isolate.menlosecurity.com", "", "", "", lastSegment},
		{"GMX", "deref-gmx.net deref-gmx.com deref-web.de deref-mail.com deref-1und1.de", "", "redirecturl", "", nil},
		{"Slack redirect", "slack-redir.net", "/link", "url v", "", nil},
		{"Facebook redirect", "facebook.com messenger.com workplace.com", "/l.php", "u", "", nil},
		{"Instagram redirect", "l.instagram.com", "", "u", "", nil},
		{"LinkedIn redirect", "linkedin.com", "/redir", "url", "", nil},
		{"LinkedIn redirect", "linkedin.com", "/safety/go", "url", "", nil},
		{"YouTube redirect", "youtube.com", "/redirect", "q", "", nil},
	}
}

// opaque reports whether a host wraps links in such a way that only its own
// server knows the target.
func opaque(host string) bool {
	for _, h := range []string{"mimecast.com", "mimecastprotect.com", "url.emailprotection.link", "mailguard.com.au", "inky.com", "hornetsecurity.com", "l.antigena.com", "linkscan.io",
		"sendgrid.net", "list-manage.com", "awstrack.me", "lnkd.in", "t.co", "bit.ly", "tinyurl.com", "ow.ly", "is.gd", "rebrand.ly", "c.gle"} {
		if under(host, h) {
			return true
		}
	}
	return false
}

// wrapperIndex is the table made ready for looking up.
type wrapperIndex struct {
	byHost   map[string][]wrapper
	anywhere []wrapper
}

func wrappers() *wrapperIndex {
	x := &wrapperIndex{byHost: map[string][]wrapper{}}
	for _, w := range wrapperTable() {
		if w.hosts == "" {
			x.anywhere = append(x.anywhere, w)
		}
		for host := range strings.FieldsSeq(w.hosts) {
			x.byHost[host] = append(x.byHost[host], w)
		}
	}
	return x
}

// candidates calls f with the wrappers that may have made a link, until f says
// stop.
func (x *wrapperIndex) candidates(a address, f func(*wrapper) (stop bool)) {
	for rest := tailLabels(a.host, 6); ; {
		rows := x.byHost[rest]
		for i := range rows {
			if f(&rows[i]) {
				return
			}
		}
		_, next, more := strings.Cut(rest, ".")
		if !more {
			break
		}
		rest = next
	}
	for i := range x.anywhere {
		if f(&x.anywhere[i]) {
			return
		}
	}
}

// tailLabels returns the last n labels of a host.
func tailLabels(host string, n int) string {
	for i := len(host); i > 0; {
		i = strings.LastIndexByte(host[:i], '.')
		if n--; n == 0 && i >= 0 {
			return host[i+1:]
		}
	}
	return host
}

// target returns what a link of the wrapper's shape carries, else nothing.
func (w *wrapper) target(a address) string {
	if suffix, ok := strings.CutPrefix(w.path, "*"); ok {
		if len(a.path) < len(suffix) || !strings.EqualFold(a.path[len(a.path)-len(suffix):], suffix) {
			return ""
		}
	} else if len(a.path) < len(w.path) || !strings.EqualFold(a.path[:len(w.path)], w.path) {
		return ""
	}
	if w.also != "" && a.query(w.also) == "" {
		return ""
	}
	if w.params == "" {
		return w.decode(a.raw)
	}
	for key := range strings.FieldsSeq(w.params) {
		value := a.query(key)
		if value == "" {
			continue
		}
		if w.decode != nil {
			return w.decode(value)
		}
		return percent(value)
	}
	return ""
}

// proofpoint2 undoes v2: "-XX" for an escaped byte, "_" for "/".
func proofpoint2(s string) string {
	out := []byte(s)
	for i, c := range out {
		switch c {
		case '_':
			out[i] = '/'
		case '-':
			out[i] = '%'
		}
	}
	return percent(string(out))
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
	out.Grow(len(target) + len(list))
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
	return twoSlashes(out.String())
}

// twoSlashes undoes what some filters and servers do to "://": they fold it
// to ":/", or escape the colon.
func twoSlashes(target string) string {
	for _, scheme := range []string{"https", "http"} {
		rest, ok := strings.CutPrefix(target, scheme)
		if !ok {
			continue
		}
		if len(rest) > 3 && strings.EqualFold(rest[:3], "%3a") {
			rest = ":" + rest[3:]
		}
		if strings.HasPrefix(rest, ":/") && !strings.HasPrefix(rest, "://") {
			rest = "://" + rest[2:]
		}
		return scheme + rest
	}
	return target
}

// underscores undoes https://HOST/v2/[rNN/]___URL___.TOKEN.
func underscores(raw string) string {
	_, rest, ok := strings.Cut(raw, "/___")
	if !ok {
		return ""
	}
	if i := strings.LastIndex(rest, "___."); i >= 0 {
		rest = rest[:i]
	}
	rest = strings.TrimRight(rest, "_")
	if lower := strings.ToLower(rest[:min(len(rest), 16)]); strings.Contains(lower, "%2f") {
		rest = percent(rest)
	}
	return twoSlashes(rest)
}

// lastSegment undoes a wrapper that puts the whole target last in its path,
// escaped or not.
func lastSegment(raw string) string {
	for at := 8; at < len(raw); { // behind the wrapper's own scheme
		i := strings.IndexByte(raw[at:], '/')
		if i < 0 {
			return ""
		}
		if at += i + 1; len(raw)-at > 4 && strings.EqualFold(raw[at:at+4], "http") {
			if escaped := raw[at:]; strings.Contains(strings.ToLower(escaped[:min(len(escaped), 16)]), "%2f") {
				return percent(escaped)
			}
			return twoSlashes(raw[at:])
		}
	}
	return ""
}

// base64URL undoes a target in base64.
func base64URL(s string) string {
	s = strings.TrimRight(percent(s), "=.")
	for _, enc := range []*base64.Encoding{base64.RawURLEncoding, base64.RawStdEncoding} {
		if b, err := enc.DecodeString(s); err == nil {
			return string(b)
		}
	}
	return ""
}

// base64Tail undoes a token in base64 whose end is the target.
func base64Tail(s string) string {
	s = base64URL(s)
	if i := strings.Index(s, "http"); i >= 0 {
		return s[i:]
	}
	return ""
}

// deflated undoes a target in zlib (RFC 1950) and base64.
func deflated(s string) string {
	r, err := zlib.NewReader(strings.NewReader(base64URL(s)))
	if err != nil {
		return ""
	}
	defer func() { _ = r.Close() }()
	b, err := io.ReadAll(io.LimitReader(r, maxURL))
	if err != nil {
		return ""
	}
	return string(b)
}
