package ews

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"fmt"
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
	// Certificate signs in instead of a client secret (RFC 7523, with the
	// certificate's SHA-256 in x5t#S256). Its key is an RSA key.
	Certificate *tls.Certificate
}

func (t *TokenEndpoint) check(client string) *Error {
	if t == nil || client == "" {
		return invalid("", "OAuth needs a token endpoint and a client id")
	}
	u, err := url.Parse(t.URL)
	if err != nil || u.Host == "" || u.User != nil || u.Scheme != "https" && (u.Scheme != "http" || !loopback(u.Hostname())) {
		return invalid("", "give the whole URL of the token endpoint; it begins with https://")
	}
	if t.Certificate != nil {
		if _, is := t.Certificate.PrivateKey.(*rsa.PrivateKey); !is || len(t.Certificate.Certificate) == 0 {
			return invalid("", "the certificate for OAuth needs an RSA key")
		}
	}
	return nil
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
}

// newToken asks the endpoint for a token.
func (s secret) newToken(ctx context.Context, a *attempt, way http.RoundTripper) (string, time.Duration, *outcome) {
	fail := func(v verdict, code, message string, cause error) (string, time.Duration, *outcome) {
		return "", 0, &outcome{verdict: v, err: a.fail(code, message, cause)}
	}
	form := url.Values{"grant_type": {"client_credentials"}, "client_id": {s.Username}}
	if s.Tokens.Scope != "" {
		form.Set("scope", s.Tokens.Scope)
	}
	if s.Tokens.Certificate != nil {
		assertion, err := s.Tokens.assertion(s.Username, time.Now())
		if err != nil {
			return fail(unknown, CodeInvalid, "the certificate for OAuth cannot sign", err)
		}
		form.Set("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
		form.Set("client_assertion", assertion)
	} else {
		form.Set("client_secret", s.Password.Reveal())
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
	switch life := seconds(answer.Life); {
	case resp.StatusCode == http.StatusOK && answer.Token != "" && strings.EqualFold(answer.Type, "Bearer"):
		return answer.Token, max(life, time.Minute), nil
	case answer.Error == "invalid_client", answer.Error == "unauthorized_client", answer.Error == "invalid_grant":
		return fail(refused, CodeAuthFailed, "the token endpoint refuses the client id or its secret or certificate; enter the right one, and check that it has not expired", nil)
	case answer.Error == "invalid_scope", answer.Error == "invalid_resource", answer.Error == "invalid_request":
		return fail(unknown, CodeNoScheme, "the token endpoint finds the scope or the request wrong; check its URL, the client id and the scope", nil)
	case resp.StatusCode == http.StatusTooManyRequests || resp.StatusCode >= 500:
		e := a.fail(CodeUnavailable, "the token endpoint is not available at the moment; try again later", nil)
		e.BackOff, e.HTTPStatus = retryAfter(resp.Header.Get("Retry-After")), resp.StatusCode
		return "", 0, &outcome{verdict: unknown, err: e}
	}
	return fail(unknown, CodeNoScheme, "what answers at the URL of the token endpoint is none; check the URL", nil)
}

func seconds(raw json.RawMessage) time.Duration {
	n, err := strconv.Atoi(strings.Trim(string(raw), `"`))
	if err != nil || n < 0 {
		return 0
	}
	return time.Duration(min(n, 86400)) * time.Second
}

// assertion makes a JWT that only the certificate's key can sign (RFC 7523 3).
func (t *TokenEndpoint) assertion(client string, now time.Time) (string, error) {
	key, is := t.Certificate.PrivateKey.(*rsa.PrivateKey)
	if !is {
		return "", fmt.Errorf("a key of type %T", t.Certificate.PrivateKey)
	}
	thumb := sha256.Sum256(t.Certificate.Certificate[0])
	header, err := json.Marshal(map[string]string{"alg": "PS256", "typ": "JWT", "x5t#S256": base64.RawURLEncoding.EncodeToString(thumb[:])})
	if err != nil {
		return "", err
	}
	claims, err := json.Marshal(map[string]any{
		"aud": t.URL, "iss": client, "sub": client, "jti": newGUID(),
		"nbf": now.Add(-time.Minute).Unix(), "exp": now.Add(10 * time.Minute).Unix(),
	})
	if err != nil {
		return "", err
	}
	text := base64.RawURLEncoding.EncodeToString(header) + "." + base64.RawURLEncoding.EncodeToString(claims)
	sum := sha256.Sum256([]byte(text))
	sig, err := rsa.SignPSS(rand.Reader, key, crypto.SHA256, sum[:], &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash})
	if err != nil {
		return "", err
	}
	return text + "." + base64.RawURLEncoding.EncodeToString(sig), nil
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
