package ews

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// endpointRig is a token endpoint that answers as a test wants.
type endpointRig struct {
	*httptest.Server
	asked  atomic.Int32
	life   atomic.Int64 // s
	answer atomic.Pointer[func(w http.ResponseWriter, r *http.Request)]
	last   atomic.Pointer[http.Request]
}

func newEndpoint(t *testing.T) *endpointRig {
	t.Helper()
	e := &endpointRig{}
	e.life.Store(3600)
	e.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n := e.asked.Add(1)
		_ = r.ParseForm()
		e.last.Store(r)
		if f := e.answer.Load(); f != nil {
			(*f)(w, r)
			return
		}
		fmt.Fprintf(w, `{"token_type":"Bearer","expires_in":%d,"access_token":"token-%d"}`, e.life.Load(), n)
	}))
	t.Cleanup(e.Close)
	return e
}

func (e *endpointRig) credentials() Credentials {
	return Credentials{Username: "client-1", Password: NewSecret("client secret"), Scheme: OAuth, Tokens: &TokenEndpoint{URL: e.URL, Scope: "https://outlook.office365.com/.default"}}
}

// bearer lets in who has one of the tokens.
func bearer(tokens ...string) func(http.ResponseWriter, recorded) {
	return func(w http.ResponseWriter, r recorded) {
		for _, t := range tokens {
			if r.Header.Get("Authorization") == "Bearer "+t {
				alive(w, r)
				return
			}
		}
		w.Header().Set("X-Ms-Diagnostics", `2000003;reason="The audience claim value is invalid.";error_category="invalid_resource"`)
		w.Header().Set("WWW-Authenticate", `Bearer client_id="00000002-0000-0ff1-ce00-000000000000"`)
		w.WriteHeader(http.StatusUnauthorized)
	}
}

// TestOAuth asks for one token, uses it for all, and replaces it before its end.
func TestOAuth(t *testing.T) {
	t.Parallel()
	e := newEndpoint(t)
	g := newRig(t, func(o *Options) { o.Credentials = e.credentials() }, bearer("token-1", "token-2", "token-3"))
	for range 3 {
		if err := probe(t, g.Client); err != nil {
			t.Fatal(err)
		}
	}
	if n := e.asked.Load(); n != 1 {
		t.Errorf("asked %d times", n)
	}
	form := e.last.Load().PostForm
	for k, want := range map[string]string{
		"grant_type": "client_credentials", "client_id": "client-1", "client_secret": "client secret", "scope": "https://outlook.office365.com/.default",
	} {
		if got := form.Get(k); got != want {
			t.Errorf("%s is %q", k, got)
		}
	}
	k := g.account.gate.creds.tokens
	k.until, k.next = time.Now().Add(time.Minute), time.Time{} // about to end
	if err := probe(t, g.Client); err != nil || e.asked.Load() != 2 {
		t.Errorf("%v, asked %d times", err, e.asked.Load())
	}
	// An endpoint that is down leaves the token that is still good.
	down := func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "down", http.StatusServiceUnavailable) }
	e.answer.Store(&down)
	k.until, k.next = time.Now().Add(time.Minute), time.Time{}
	if err := probe(t, g.Client); err != nil || e.asked.Load() != 3 {
		t.Errorf("%v, asked %d times", err, e.asked.Load())
	}
	if err := probe(t, g.Client); err != nil || e.asked.Load() != 3 {
		t.Errorf("%v, asked %d times although it was just down", err, e.asked.Load())
	}
	k.until = time.Now().Add(-time.Second)
	wantError(t, probe(t, g.Client), CodeUnavailable)
}

// TestOAuthLostToken has the server refuse a token: a new one is tried once.
func TestOAuthLostToken(t *testing.T) {
	t.Parallel()
	e := newEndpoint(t)
	var good atomic.Pointer[string]
	good.Store(ptr("token-1"))
	g := newRig(t, func(o *Options) { o.Credentials = e.credentials() }, func(w http.ResponseWriter, r recorded) { bearer(*good.Load())(w, r) })
	if err := probe(t, g.Client); err != nil {
		t.Fatal(err)
	}
	good.Store(ptr("token-2"))
	if err := probe(t, g.Client); err != nil {
		t.Fatal(err)
	}
	good.Store(ptr("none"))
	err := wantError(t, probe(t, g.Client), CodeAuthFailed)
	if !strings.Contains(err.Message, "scope") || g.HeldUntil().IsZero() {
		t.Errorf("%v, held until %v", err, g.HeldUntil())
	}
}

// TestOAuthRefused sorts what the endpoint says.
func TestOAuthRefused(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		status int
		body   string
		code   string
		held   bool
	}{
		"wrong secret": {401, `{"error":"invalid_client","error_description":"AADSTS7000215"}`, CodeAuthFailed, true},
		"wrong scope":  {400, `{"error":"invalid_scope"}`, CodeNoScheme, false},
		"busy":         {429, ``, CodeUnavailable, false},
		"a page":       {200, `<html>`, CodeNoScheme, false},
		"no token":     {200, `{"token_type":"Bearer"}`, CodeNoScheme, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := newEndpoint(t)
			say := func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(tc.status)
				fmt.Fprint(w, tc.body)
			}
			e.answer.Store(&say)
			g := newRig(t, func(o *Options) { o.Credentials = e.credentials() }, alive)
			wantError(t, probe(t, g.Client), tc.code)
			if held := !g.HeldUntil().IsZero(); held != tc.held || len(g.requests()) != 0 {
				t.Errorf("held %v, %d requests", held, len(g.requests()))
			}
			if _ = probe(t, g.Client); tc.held && e.asked.Load() != 1 {
				t.Errorf("the secret was sent %d times", e.asked.Load())
			}
		})
	}
}

// TestOAuthCertificate checks the assertion with the certificate's key.
func TestOAuthCertificate(t *testing.T) {
	t.Parallel()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	e := newEndpoint(t)
	creds := e.credentials()
	creds.Password = Secret{}
	creds.Tokens.Certificate = &tls.Certificate{Certificate: [][]byte{[]byte("der")}, PrivateKey: key}
	g := newRig(t, func(o *Options) { o.Credentials = creds }, bearer("token-1"))
	if err := probe(t, g.Client); err != nil {
		t.Fatal(err)
	}
	form := e.last.Load().PostForm
	if form.Has("client_secret") || form.Get("client_assertion_type") != "urn:ietf:params:oauth:client-assertion-type:jwt-bearer" {
		t.Errorf("form %v", form)
	}
	parts := strings.Split(form.Get("client_assertion"), ".")
	if len(parts) != 3 {
		t.Fatalf("%d parts", len(parts))
	}
	sig, _ := base64.RawURLEncoding.DecodeString(parts[2])
	sum := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	if err := rsa.VerifyPSS(&key.PublicKey, crypto.SHA256, sum[:], sig, nil); err != nil {
		t.Error(err)
	}
	var claims struct {
		Aud, Iss, Sub, Jti string
		Exp                int64
	}
	body, _ := base64.RawURLEncoding.DecodeString(parts[1])
	if err := json.Unmarshal(body, &claims); err != nil || claims.Aud != e.URL || claims.Iss != "client-1" || claims.Sub != "client-1" ||
		claims.Jti == "" || time.Until(time.Unix(claims.Exp, 0)) < time.Minute {
		t.Errorf("%v: %s", err, body)
	}
}

func TestCredentialsCheck(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]Credentials{
		"no name":       {},
		"no negotiator": {Username: "u", Scheme: Negotiate},
		"no endpoint":   {Username: "u", Scheme: OAuth},
		"http endpoint": {Username: "u", Scheme: OAuth, Tokens: &TokenEndpoint{URL: "http://login.example.com"}},
		"no client":     {Scheme: OAuth, Tokens: &TokenEndpoint{URL: "https://login.example.com"}},
		"no key":        {Username: "u", Scheme: OAuth, Tokens: &TokenEndpoint{URL: "https://login.example.com", Certificate: &tls.Certificate{}}},
		"unknown":       {Username: "u", Scheme: "magic"},
	} {
		if _, err := New(Options{URL: "https://mail.example.com/", Credentials: c}); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
}
