package ews

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1" //nolint:gosec // for the name of a certificate only
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"
)

// TokenEndpoint is where OAuth gets tokens by the client's own credentials (RFC
// 6749 4.4): of Exchange Online, or of AD FS for Exchange on premises.
type TokenEndpoint struct {
	// URL, such as "https://login.microsoftonline.com/TENANT/oauth2/v2.0/token".
	// http is refused unless the host is this machine.
	URL string
	// Scope, such as "https://outlook.office365.com/.default".
	Scope string
	// Certificate signs in instead of a client secret, by a JWT that its key has
	// signed (RFC 7523): by PS256 with the certificate's SHA-256 in x5t#S256, or as
	// AD FS takes it where the URL is one of AD FS. Its key is an RSA key.
	Certificate *tls.Certificate
}

// TokenError is the key in [Error.Values] under which a refusal of the token
// endpoint says which one it is: the number of AADSTS where it gives one, else
// the error of RFC 6749 5.2. It tells apart what the endpoint refuses and what
// Exchange does.
const TokenError = "TokenError"

func (t *TokenEndpoint) check(client string) *Error {
	if t == nil || client == "" {
		return invalid("", "OAuth needs a token endpoint and a client id")
	}
	u, err := url.Parse(t.URL)
	if err != nil || u.Host == "" || u.User != nil || u.Scheme != "https" && (u.Scheme != "http" || !loopback(u.Hostname())) {
		return invalid("", "give the whole URL of the token endpoint; it begins with https://")
	}
	if t.Certificate != nil {
		if t.key() == nil || len(t.Certificate.Certificate) == 0 {
			return invalid("", "the certificate for OAuth needs an RSA key")
		}
	}
	return nil
}

// key returns the certificate's key, or nil where it is no RSA key.
func (t *TokenEndpoint) key() crypto.Signer {
	key, is := t.Certificate.PrivateKey.(crypto.Signer)
	if !is {
		return nil
	}
	if _, is := key.Public().(*rsa.PublicKey); !is {
		return nil
	}
	return key
}

// refreshEarly is how long before its end a token is replaced. One that fails
// to be is used to its end.
const refreshEarly = 5 * time.Minute

// tokens keep the token of one set of credentials.
type tokens struct {
	mu    sync.Mutex
	value string
	until time.Time
	next  time.Time // earliest attempt to replace a token that is still good
}

// get returns a token, or why there is none.
func (t *tokens) get(ctx context.Context, a *attempt, way http.RoundTripper, s secret, fresh bool) (string, *outcome) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := time.Now()
	if left := t.until.Sub(now); !fresh && left > 0 && (left > refreshEarly || now.Before(t.next)) {
		return t.value, nil
	}
	value, life, o := s.newToken(ctx, a, way)
	if o == nil {
		t.value, t.until, t.next = value, now.Add(life), now.Add(life-refreshEarly)
		return value, nil
	}
	if !fresh && o.verdict == unknown && t.until.After(now) && ctx.Err() == nil {
		t.next = now.Add(30 * time.Second)
		return t.value, nil
	}
	t.value, t.until = "", time.Time{}
	return "", o
}

// tokenAnswer is what a token endpoint says (RFC 6749 5.1 and 5.2).
type tokenAnswer struct {
	Token string          `json:"access_token"`
	Type  string          `json:"token_type"`
	Life  json.RawMessage `json:"expires_in"` // s; some servers send a string
	Error string          `json:"error"`
	Codes []int           `json:"error_codes"` // AADSTS numbers
}

// which is the most exact name of a refusal.
func (a *tokenAnswer) which() string {
	if len(a.Codes) > 0 {
		return strconv.Itoa(a.Codes[0])
	}
	return a.Error
}

// tokenForm is what the endpoint is asked with.
func (s secret) tokenForm(now time.Time) (url.Values, error) {
	form := url.Values{"grant_type": {"client_credentials"}, "client_id": {s.Username}}
	if s.Tokens.Scope != "" {
		form.Set("scope", s.Tokens.Scope)
	}
	if s.Tokens.Certificate == nil {
		form.Set("client_secret", s.Password.Reveal())
		return form, nil
	}
	assertion, err := s.Tokens.assertion(s.Username, now)
	form.Set("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
	form.Set("client_assertion", assertion)
	return form, err
}

// newToken asks the endpoint for a token.
func (s secret) newToken(ctx context.Context, a *attempt, way http.RoundTripper) (string, time.Duration, *outcome) {
	fail := func(v verdict, code, message string, cause error) (string, time.Duration, *outcome) {
		return "", 0, &outcome{verdict: v, err: a.fail(code, message, cause)}
	}
	form, err := s.tokenForm(time.Now())
	if err != nil {
		return fail(unknown, CodeInvalid, "the certificate for OAuth cannot sign", err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.Tokens.URL, strings.NewReader(form.Encode()))
	if err != nil {
		return fail(unknown, CodeInvalid, "the token cannot be asked for", err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Accept", "application/json")
	resp, err := way.RoundTrip(req)
	if err != nil {
		return "", 0, &outcome{verdict: proxyVerdict(err), err: a.explain(ctx, err)}
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	var answer tokenAnswer
	if err != nil || json.Unmarshal(data, &answer) != nil {
		answer = tokenAnswer{}
	}
	if life := seconds(answer.Life); resp.StatusCode == http.StatusOK && answer.Token != "" && strings.EqualFold(answer.Type, "Bearer") {
		return answer.Token, max(life, time.Minute), nil
	}
	return "", 0, s.noToken(a, resp, &answer)
}

// noToken says why an endpoint gave no token.
func (s secret) noToken(a *attempt, resp *http.Response, answer *tokenAnswer) *outcome {
	fail := func(v verdict, code, message string) *outcome {
		e := a.fail(code, message, nil)
		e.HTTPStatus = resp.StatusCode
		if which := answer.which(); which != "" {
			e.Values = map[string]string{TokenError: which}
		}
		return &outcome{verdict: v, err: e}
	}
	switch answer.Error {
	case "invalid_client", "unauthorized_client", "invalid_grant":
		return fail(refused, CodeAuthFailed, tokenSentence(answer.which(), s.Tokens.Certificate != nil))
	case "invalid_scope", "invalid_resource", "invalid_request":
		return fail(unknown, CodeNoScheme, "the token endpoint finds the scope or the request wrong; check its URL, the client id and the scope")
	}
	if resp.StatusCode == http.StatusTooManyRequests || resp.StatusCode >= 500 {
		o := fail(unknown, CodeUnavailable, "the token endpoint is not available at the moment; try again later")
		o.err.BackOff = retryAfter(resp.Header.Get("Retry-After"))
		return o
	}
	o := fail(unknown, CodeNoScheme, "what answers at the URL of the token endpoint is none; check the URL")
	o.err.Values = map[string]string{TokenError: "none"}
	return o
}

// tokenSentence says for people why an application is refused.
func tokenSentence(which string, byCertificate bool) string {
	switch which {
	case "7000215":
		return "the token endpoint refuses the client secret; enter the secret's value, not its id"
	case "7000222":
		return "the client secret has expired; make a new one for the application and enter it"
	case "700027":
		return "the token endpoint does not know the certificate; add it to the application's registration, and check that the key belongs to it"
	case "700024", "700021", "700023", "700025", "700030", "50027":
		return "the token endpoint finds the signed assertion wrong; check this computer's clock, the client id and the endpoint's URL"
	case "700016":
		return "the token endpoint does not know the client id; check it, and the tenant in the endpoint's URL"
	case "7000112":
		return "the application is disabled; enable it in its registration"
	}
	if strings.HasPrefix(which, "53") {
		return "a Conditional Access policy keeps the application from signing in; exempt it, or this computer's address"
	}
	if byCertificate {
		return "the token endpoint refuses the client id or its certificate; register the certificate for the application, and check that it has not expired"
	}
	return "the token endpoint refuses the client id or its secret; enter the right one, and check that it has not expired"
}

func seconds(raw json.RawMessage) time.Duration {
	n, err := strconv.Atoi(strings.Trim(string(raw), `"`))
	if err != nil || n < 0 {
		return 0
	}
	return time.Duration(min(n, 86400)) * time.Second
}

// assertion makes a JWT that only the certificate's key can sign (RFC 7523 3). AD
// FS knows neither PS256 nor x5t#S256; it takes RS256 with the SHA-1 in x5t (RFC
// 7515 4.1.7), which names the certificate and protects nothing.
func (t *TokenEndpoint) assertion(client string, now time.Time) (string, error) {
	key, thumb := t.key(), sha256.Sum256(t.Certificate.Certificate[0])
	var how crypto.SignerOpts = &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: crypto.SHA256}
	head := map[string]string{"alg": "PS256", "typ": "JWT", "x5t#S256": base64.RawURLEncoding.EncodeToString(thumb[:])}
	if t.adfs() {
		short := sha1.Sum(t.Certificate.Certificate[0]) //nolint:gosec // a name, as above
		how, head = crypto.SHA256, map[string]string{"alg": "RS256", "typ": "JWT", "x5t": base64.RawURLEncoding.EncodeToString(short[:])}
	}
	header, err := json.Marshal(head)
	if err != nil {
		return "", err
	}
	claims, err := json.Marshal(map[string]any{
		"aud": t.URL, "iss": client, "sub": client, "jti": newGUID(),
		"iat": now.Unix(), "nbf": now.Add(-time.Minute).Unix(), "exp": now.Add(9 * time.Minute).Unix(),
	})
	if err != nil {
		return "", err
	}
	text := base64.RawURLEncoding.EncodeToString(header) + "." + base64.RawURLEncoding.EncodeToString(claims)
	sum := sha256.Sum256([]byte(text))
	sig, err := key.Sign(rand.Reader, sum[:], how)
	if err != nil {
		return "", err
	}
	return text + "." + base64.RawURLEncoding.EncodeToString(sig), nil
}

// adfs reports whether the endpoint is one of AD FS, whose path is always this.
func (t *TokenEndpoint) adfs() bool {
	u, err := url.Parse(t.URL)
	return err == nil && strings.HasPrefix(strings.ToLower(u.Path), "/adfs/")
}

// diagnostics says for people what a server's x-ms-diagnostics means, such as
// 2000003;reason="…";error_category="invalid_token".
func diagnostics(value string) string {
	number, _, _ := strings.Cut(value, ";")
	switch strings.TrimSpace(number) {
	case "2000000", "2000001", "2000002":
		return "the server cannot make anything of the token; check that the scope is that of Exchange"
	case "2000003":
		return "the token is not for this server, or has expired; check the scope, and the clocks"
	case "2000004", "2000005":
		return "the token's issuer is not trusted by the server; check its authentication servers (Get-AuthServer)"
	case "2000006", "2000007":
		return "the user of the token is not known to the server; check the mailbox and the tenant"
	case "2000008":
		return "the token lacks the permission; give the application full_access_as_app, or a role with a scope, and consent to it"
	}
	return ""
}
