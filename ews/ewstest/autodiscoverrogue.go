package ewstest

import (
	"io"
	"net/http"
	"slices"
	"sync"
)

// Rogue is a host that is after credentials: at every path it claims to be
// Autodiscover, asks for a password by every scheme, takes any, and answers that
// all mailboxes are at itself. It notes what it was sent. The zero value is
// ready; serve it under the names that a test has a client led to.
type Rogue struct {
	mu     sync.Mutex
	visits []Visit
}

// Visit is one request to a [Rogue].
type Visit struct {
	Host        string
	Method      string
	Path        string
	Credentials bool // there was an Authorization header, or another one that signs in
	Body        int  // bytes
}

// Visits returns the requests so far.
func (g *Rogue) Visits() []Visit {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Clone(g.visits)
}

// ServeHTTP notes the request and asks for more.
func (g *Rogue) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	data, _ := io.ReadAll(io.LimitReader(r.Body, 1<<20))
	v := Visit{Host: r.Host, Method: r.Method, Path: r.URL.Path, Body: len(data)}
	for _, name := range []string{"Authorization", "Proxy-Authorization", "Cookie"} {
		v.Credentials = v.Credentials || r.Header.Get(name) != ""
	}
	v.Credentials = v.Credentials || r.URL.User != nil
	g.mu.Lock()
	g.visits = append(g.visits, v)
	g.mu.Unlock()
	h := w.Header()
	h.Set("X-SOAP-Enabled", "True")
	h.Set("X-OAuth-Enabled", "True")
	h.Set("X-FEServer", "ROGUE01")
	if !v.Credentials {
		for _, scheme := range []string{"Negotiate", "NTLM", `Basic realm="mail"`, `Bearer realm="mail"`} {
			h.Add("WWW-Authenticate", scheme)
		}
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	h.Set("Content-Type", "text/xml; charset=utf-8")
	_, _ = io.WriteString(w, `<?xml version="1.0" encoding="utf-8"?><Autodiscover xmlns="`+poxBase+`"><Response xmlns="`+poxResponse+
		`"><Account><Action>settings</Action><Protocol><Type>EXPR</Type><EwsUrl>https://`+r.Host+Path+`</EwsUrl></Protocol></Account></Response></Autodiscover>`)
}
