package ewstest

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/subtle"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// TokenPath is where a server that takes tokens gives them out, in any case: to
// an application that shows its secret, which is the password of the login of
// that name, or signs with its certificate ([Server.SetClientCertificate]).
const TokenPath = "/organization/oauth2/v2.0/token"

// tokenLife is how long a token is good.
const tokenLife = time.Hour

// assertionType names a JWT as what an application signs in with (RFC 7523 2.2).
const assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

// tokenService gives tokens out and knows them again.
type tokenService struct {
	mu           sync.Mutex
	certificates map[string]*x509.Certificate // by login
	used         map[string]time.Time         // ids of assertions, until they end
	tokens       map[string]bearer
}

// bearer is a token that was given out.
type bearer struct {
	login string
	until time.Time
}

// SetClientCertificate registers the certificate with which an application may
// sign in: an RSA certificate in DER. A new one takes the place of the old one.
func (s *Server) SetClientCertificate(login string, der []byte) error {
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return fmt.Errorf("register a certificate: %w", err)
	}
	if _, is := cert.PublicKey.(*rsa.PublicKey); !is {
		return errors.New("register a certificate: its key is no RSA key")
	}
	s.oauth.mu.Lock()
	defer s.oauth.mu.Unlock()
	if s.oauth.certificates == nil {
		s.oauth.certificates = map[string]*x509.Certificate{}
	}
	s.oauth.certificates[s.loginOf(login)] = cert
	return nil
}

// RevokeTokens makes every token that was given out worthless.
func (s *Server) RevokeTokens() {
	s.oauth.mu.Lock()
	defer s.oauth.mu.Unlock()
	clear(s.oauth.tokens)
}

// tokenRefusal is why there is no token (RFC 6749 5.2), with the number that
// the maker of Exchange gives it.
type tokenRefusal struct {
	status int
	code   string
	number int
}

// byBearer returns whose token it is.
func (s *Server) byBearer(value string) (string, bool) {
	s.oauth.mu.Lock()
	defer s.oauth.mu.Unlock()
	t, has := s.oauth.tokens[strings.TrimSpace(value)]
	return t.login, has && s.opt.Now().Before(t.until)
}

// giveToken answers requests for a token; it returns false for others.
func (s *Server) giveToken(w http.ResponseWriter, r *http.Request) bool {
	if !strings.EqualFold(r.URL.Path, TokenPath) || !slices.Contains(s.opt.Auth, AuthOAuth) {
		return false
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	r.Body = http.MaxBytesReader(w, r.Body, 64<<10)
	value, no := s.newToken(r)
	s.log(Call{At: s.now(), Login: s.loginOf(r.PostFormValue("client_id")), Op: "Token"})
	if no != nil {
		w.WriteHeader(no.status)
		_ = json.NewEncoder(w).Encode(map[string]any{
			"error": no.code, "error_codes": []int{no.number},
			"error_description": fmt.Sprintf("AADSTS%d: The application cannot have a token. Trace ID: 0 Timestamp: %s", no.number, s.now().Format(time.RFC3339)),
		})
		return true
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"token_type": "Bearer", "expires_in": int(tokenLife.Seconds()), "access_token": value})
	return true
}

func (s *Server) newToken(r *http.Request) (string, *tokenRefusal) {
	switch {
	case r.Method != http.MethodPost || r.ParseForm() != nil:
		return "", &tokenRefusal{http.StatusBadRequest, "invalid_request", 900144}
	case r.PostFormValue("grant_type") != "client_credentials":
		return "", &tokenRefusal{http.StatusBadRequest, "unsupported_grant_type", 70003}
	case !strings.HasSuffix(r.PostFormValue("scope"), "/.default"):
		return "", &tokenRefusal{http.StatusBadRequest, "invalid_scope", 1002012}
	}
	login := s.loginOf(r.PostFormValue("client_id"))
	want, _, known := s.account(login)
	if !known {
		return "", &tokenRefusal{http.StatusBadRequest, "unauthorized_client", 700016}
	}
	if assertion := r.PostFormValue("client_assertion"); assertion != "" {
		if no := s.oauth.verify(login, r, assertion, s.opt.Now()); no != nil {
			return "", no
		}
	} else if !s.attempt(login, want.is(r.PostFormValue("client_secret"))) {
		return "", &tokenRefusal{http.StatusUnauthorized, "invalid_client", 7000215}
	}
	value := rand.Text() + rand.Text()
	s.oauth.mu.Lock()
	defer s.oauth.mu.Unlock()
	if s.oauth.tokens == nil || len(s.oauth.tokens) > 1<<16 {
		s.oauth.tokens = map[string]bearer{}
	}
	s.oauth.tokens[value] = bearer{login, s.opt.Now().Add(tokenLife)}
	return value, nil
}

// claims are those of an assertion that count (RFC 7523 3).
type claims struct {
	Audience string `json:"aud"`
	Issuer   string `json:"iss"`
	Subject  string `json:"sub"`
	ID       string `json:"jti"`
	From     int64  `json:"nbf"`
	Until    int64  `json:"exp"`
}

// verify checks an assertion as the identity platform does: signed by PS256 with
// the registered certificate, whose SHA-256 is in x5t#S256; for this endpoint; by
// the application and about it; now, for ten minutes at most; and once.
func (o *tokenService) verify(login string, r *http.Request, assertion string, now time.Time) *tokenRefusal {
	refuse := func(number int) *tokenRefusal {
		return &tokenRefusal{http.StatusUnauthorized, "invalid_client", number}
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	cert := o.certificates[login]
	parts := strings.Split(assertion, ".")
	if cert == nil || len(parts) != 3 || r.PostFormValue("client_assertion_type") != assertionType {
		return refuse(700027)
	}
	var header struct {
		Algorithm string `json:"alg"`
		Thumb     string `json:"x5t#S256"`
	}
	var c claims
	thumb := sha256.Sum256(cert.Raw)
	sum := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	signature, err := base64.RawURLEncoding.DecodeString(parts[2])
	switch {
	case err != nil || part(parts[0], &header) != nil || part(parts[1], &c) != nil || header.Algorithm != "PS256":
		return refuse(700027)
	case subtle.ConstantTimeCompare([]byte(header.Thumb), []byte(base64.RawURLEncoding.EncodeToString(thumb[:]))) == 0,
		rsa.VerifyPSS(cert.PublicKey.(*rsa.PublicKey), crypto.SHA256, sum[:], signature, &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash}) != nil: // SetClientCertificate has seen the type
		return refuse(700027)
	case !strings.EqualFold(c.Audience, audience(r)):
		return refuse(700023)
	case c.Issuer != r.PostFormValue("client_id") || c.Subject != c.Issuer:
		return refuse(700021)
	}
	from, until := time.Unix(c.From, 0), time.Unix(c.Until, 0)
	if now.Before(from.Add(-5*time.Minute)) || !now.Before(until) || until.Sub(from) > 15*time.Minute || now.Before(cert.NotBefore) || now.After(cert.NotAfter) {
		return refuse(700024)
	}
	return o.once(c.ID, until, now, refuse)
}

// once refuses an assertion that has been shown before. o.mu is held.
func (o *tokenService) once(id string, until, now time.Time, refuse func(int) *tokenRefusal) *tokenRefusal {
	if _, again := o.used[id]; again || id == "" {
		return refuse(700025)
	}
	if o.used == nil {
		o.used = map[string]time.Time{}
	}
	for old, end := range o.used {
		if !now.Before(end) {
			delete(o.used, old)
		}
	}
	o.used[id] = until
	return nil
}

// part reads one part of a JWT.
func part(text string, into any) error {
	data, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		return err
	}
	return json.Unmarshal(data, into)
}

// audience is the endpoint's own address, as the client calls it.
func audience(r *http.Request) string {
	if r.TLS != nil {
		return "https://" + r.Host + r.URL.Path
	}
	return "http://" + r.Host + r.URL.Path
}
