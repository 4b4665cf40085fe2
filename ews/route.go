package ews

import (
	"encoding/base64"
	"encoding/binary"
	"net/http"
	"strings"
	"sync"
	"time"
)

// overrideCookie names the server that answers, and its version:
// "X-BackEndOverrideCookie=server~1942061522". It is a cookie, never a header.
const overrideCookie = "X-BackEndOverrideCookie"

const (
	mostCookies = 16   // in one jar
	mostCookie  = 4096 // bytes of one
)

// route takes the calls of a stream group to one and the same back end: the
// subscriptions of one stream must all live there. It is the group's own jar
// of cookies: some of them are about a mailbox or a balancer's choice, and a
// jar that all calls share would send them astray. A nil route leaves a call to
// the anchor that every impersonated call has.
type route struct {
	anchor string // whose back end the front end goes to while there is no cookie

	mu  sync.Mutex
	jar []cookie
}

type cookie struct {
	name, value string
	expires     time.Time // zero: with the group
}

func newRoute(anchor, override string) *route {
	r := &route{anchor: anchor}
	if override != "" {
		r.jar = []cookie{{name: overrideCookie, value: override}}
	}
	return r
}

// along returns the mailbox with calls that take a route.
func (m *Mailbox) along(r *route) *Mailbox {
	return &Mailbox{client: m.client, address: m.address, route: r}
}

// apply adds to a request what routes it.
func (r *route) apply(h http.Header) {
	if r == nil {
		return
	}
	h.Set("X-AnchorMailbox", r.anchor)
	h.Set("X-PreferServerAffinity", "true")
	now := time.Now()
	var b strings.Builder
	r.mu.Lock()
	for _, c := range r.jar {
		if !c.expires.IsZero() && !c.expires.After(now) {
			continue
		}
		if b.Len() > 0 {
			b.WriteString("; ")
		}
		b.WriteString(c.name + "=" + c.value)
	}
	r.mu.Unlock()
	if b.Len() > 0 {
		h.Set("Cookie", b.String())
	}
}

// learn keeps the cookies of an answer; the newest of a name counts.
func (r *route) learn(resp *http.Response) {
	if r == nil {
		return
	}
	now := time.Now()
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, c := range resp.Cookies() {
		if len(c.Name)+len(c.Value) > mostCookie {
			continue
		}
		got := cookie{name: c.Name, value: c.Value, expires: c.Expires}
		if c.MaxAge > 0 {
			got.expires = now.Add(time.Duration(min(c.MaxAge, 86400)) * time.Second)
		}
		r.put(got, c.MaxAge < 0 || !c.Expires.IsZero() && !c.Expires.After(now))
	}
}

func (r *route) put(c cookie, gone bool) {
	for i := range r.jar {
		if r.jar[i].name != c.name {
			continue
		}
		if gone {
			r.jar = append(r.jar[:i], r.jar[i+1:]...)
		} else {
			r.jar[i] = c
		}
		return
	}
	if !gone && len(r.jar) < mostCookies {
		r.jar = append(r.jar, c)
	}
}

// override returns the value of the cookie that names the back end.
func (r *route) override() string {
	if r == nil {
		return ""
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, c := range r.jar {
		if c.name == overrideCookie {
			return c.value
		}
	}
	return ""
}

// server returns the back end that the cookie names, or "".
func (r *route) server() string {
	name, _, _ := strings.Cut(r.override(), "~")
	return strings.ToLower(name)
}

// backEnd returns the name of the server that has answered, or "".
func backEnd(h http.Header) string {
	for _, name := range []string{"X-CalculatedBETarget", "X-BEServer", "X-TargetBEServer"} {
		if v := strings.ToLower(strings.TrimSpace(h.Get(name))); v != "" && len(v) <= 255 {
			return v
		}
	}
	return ""
}

// SubscriptionServer returns the name of the mailbox server in the id of a
// streaming subscription: two bytes with its length, the name, a GUID and the
// time. All subscriptions of one stream must show the same. It returns "" for
// ids of another layout.
func SubscriptionServer(id string) string {
	head := min(len(id), 4*((2+255+2)/3)) // as much of it as a name can take
	b, err := base64.StdEncoding.DecodeString(id[:head/4*4])
	if err != nil || len(b) < 2 {
		return ""
	}
	n := int(binary.LittleEndian.Uint16(b))
	if n == 0 || n > 255 || len(b) < 2+n {
		return ""
	}
	name := b[2 : 2+n]
	for _, c := range name {
		if c <= ' ' || c >= 0x7f {
			return ""
		}
	}
	return strings.ToLower(string(name))
}
