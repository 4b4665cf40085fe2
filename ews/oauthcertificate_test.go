package ews_test

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/koyomi-cal/koyomi/ews"
	"github.com/koyomi-cal/koyomi/ews/ewstest"
)

const application = "11111111-2222-3333-4444-555555555555"

// byToken starts an Exchange that takes tokens alone, and its token endpoint.
func byToken(t *testing.T, o ewstest.Options) (*ewstest.Server, *ews.TokenEndpoint) {
	t.Helper()
	o.Auth, o.Users = []string{ewstest.AuthOAuth}, 1
	s := ewstest.Start(o)
	t.Cleanup(s.Close)
	if err := s.Err(); err != nil {
		t.Fatal(err)
	}
	s.AddServiceAccount(application+"@example.com", "the secret")
	return s, &ews.TokenEndpoint{URL: strings.TrimSuffix(s.URL, ewstest.Path) + ewstest.TokenPath, Scope: "https://outlook.office365.com/.default"}
}

func newClientCertificate(t *testing.T, until time.Time) *tls.Certificate {
	t.Helper()
	c, err := ewstest.NewClientCertificate("Koyomi", until)
	if err != nil {
		t.Fatal(err)
	}
	return &c
}

// answering returns the address of a server that answers by a function.
func answering(t *testing.T, f http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewServer(f)
	t.Cleanup(s.Close)
	return s.URL
}

// TestOAuthAtTheSimulator gets a token by secret and by certificate, is let in by
// it, and gets another one when that is taken back.
func TestOAuthAtTheSimulator(t *testing.T) {
	t.Parallel()
	registered := newClientCertificate(t, time.Now().AddDate(0, 6, 0))
	for name, tc := range map[string]struct {
		secret      string
		certificate *tls.Certificate
		scope       string
		client      string
		code, which string
		held        bool
	}{
		"secret":             {secret: "the secret"},
		"certificate":        {certificate: registered},
		"wrong secret":       {secret: "wrong", code: ews.CodeAuthFailed, which: "7000215", held: true},
		"other certificate":  {certificate: newClientCertificate(t, time.Now().AddDate(0, 6, 0)), code: ews.CodeAuthFailed, which: "700027", held: true},
		"nobody":             {secret: "the secret", client: "nobody", code: ews.CodeAuthFailed, which: "700016", held: true},
		"scope of something": {secret: "the secret", scope: "Mail.Read", code: ews.CodeNoScheme, which: "1002012"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, endpoint := byToken(t, ewstest.Options{})
			if err := s.SetClientCertificate(application, registered.Certificate[0]); err != nil {
				t.Fatal(err)
			}
			endpoint.Certificate = tc.certificate
			if tc.scope != "" {
				endpoint.Scope = tc.scope
			}
			client := application
			if tc.client != "" {
				client = tc.client
			}
			c, err := ews.New(ews.Options{URL: s.URL, Credentials: ews.Credentials{
				Username: client, Password: ews.NewSecret(tc.secret), Scheme: ews.OAuth, Tokens: endpoint,
			}})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(c.Close)
			for range 2 {
				_, err = c.As("user0001@example.com").GetFolder(t.Context(), nil)
			}
			if tc.code != "" {
				e, _ := errors.AsType[*ews.Error](err)
				if e == nil || e.Code != tc.code || !tc.held && e.Values[ews.TokenError] != tc.which || c.HeldUntil().IsZero() == tc.held || s.Count("GetFolder") != 0 {
					t.Errorf("%v %v, held until %v, %d calls", err, e.Values, c.HeldUntil(), s.Count("GetFolder"))
				}
				return
			}
			if err != nil || s.Count("Token") != 1 {
				t.Fatalf("%v after %d tokens", err, s.Count("Token"))
			}
			s.RevokeTokens()
			if _, err := c.As("user0001@example.com").GetFolder(t.Context(), nil); err != nil || s.Count("Token") != 2 {
				t.Errorf("%v after %d tokens", err, s.Count("Token"))
			}
		})
	}
}

// TestTokenSentences: what the endpoint says becomes a sentence that says what to
// do, and nothing of its own words.
func TestTokenSentences(t *testing.T) {
	t.Parallel()
	for number, want := range map[int]string{
		7000215: "not its id", 7000222: "has expired", 700027: "add it to the application's registration", 700024: "clock",
		700016: "client id", 7000112: "disabled", 53003: "Conditional Access", 90000: "register the certificate",
	} {
		e := refusedToken(t, number)
		if e.Code != ews.CodeAuthFailed || !strings.Contains(e.Message, want) || strings.Contains(e.Error(), "Trace") || e.HTTPStatus != http.StatusUnauthorized {
			t.Errorf("%d: %v", number, e)
		}
	}
}

func refusedToken(t *testing.T, number int) *ews.Error {
	t.Helper()
	at := answering(t, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusUnauthorized)
		_ = json.NewEncoder(w).Encode(map[string]any{"error": "invalid_client", "error_codes": []int{number}, "error_description": "Trace ID: of somebody"})
	})
	c, err := ews.New(ews.Options{URL: at, Credentials: ews.Credentials{
		Username: application, Scheme: ews.OAuth, Tokens: &ews.TokenEndpoint{URL: at, Certificate: newClientCertificate(t, time.Now().AddDate(1, 0, 0))},
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_, err = c.As("user0001@example.com").Probe(t.Context())
	e, is := errors.AsType[*ews.Error](err)
	if !is {
		t.Fatalf("%d: %v", number, err)
	}
	return e
}

// TestAssertionForADFS: AD FS, known by the path of its endpoint, gets what it
// knows: RS256, and the SHA-1 in x5t.
func TestAssertionForADFS(t *testing.T) {
	t.Parallel()
	cert := newClientCertificate(t, time.Now().AddDate(1, 0, 0))
	forms := make(chan url.Values, 1)
	at := answering(t, func(w http.ResponseWriter, r *http.Request) {
		_ = r.ParseForm()
		forms <- r.PostForm
		w.WriteHeader(http.StatusServiceUnavailable)
	})
	c, err := ews.New(ews.Options{URL: at, Credentials: ews.Credentials{
		Username: application, Scheme: ews.OAuth, Tokens: &ews.TokenEndpoint{URL: at + "/adfs/oauth2/token", Certificate: cert},
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_, _ = c.As("user0001@example.com").Probe(t.Context()) // it gets no token
	parts := strings.Split((<-forms).Get("client_assertion"), ".")
	head, _ := base64.RawURLEncoding.DecodeString(parts[0])
	if !strings.Contains(string(head), `"alg":"RS256"`) || !strings.Contains(string(head), `"x5t":"`) || strings.Contains(string(head), "S256\":") {
		t.Errorf("header %s", head)
	}
	sum := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	signature, _ := base64.RawURLEncoding.DecodeString(parts[2])
	if err := rsa.VerifyPKCS1v15(&cert.PrivateKey.(*rsa.PrivateKey).PublicKey, crypto.SHA256, sum[:], signature); err != nil {
		t.Error(err)
	}
}

// TestAssertionsThatAreRefused shows that the simulator's endpoint tells a right
// assertion from wrong ones: it would be no test otherwise.
func TestAssertionsThatAreRefused(t *testing.T) {
	t.Parallel()
	s, endpoint := byToken(t, ewstest.Options{})
	cert := newClientCertificate(t, time.Now().AddDate(1, 0, 0))
	if err := s.SetClientCertificate(application, cert.Certificate[0]); err != nil {
		t.Fatal(err)
	}
	thumb := sha256.Sum256(cert.Certificate[0])
	sign := func(change func(head, claims map[string]any)) string {
		head := map[string]any{"alg": "PS256", "typ": "JWT", "x5t#S256": base64.RawURLEncoding.EncodeToString(thumb[:])}
		claims := map[string]any{
			"aud": endpoint.URL, "iss": application, "sub": application, "jti": rand.Text(),
			"nbf": time.Now().Unix(), "exp": time.Now().Add(5 * time.Minute).Unix(),
		}
		change(head, claims)
		h, _ := json.Marshal(head)
		c, _ := json.Marshal(claims)
		text := base64.RawURLEncoding.EncodeToString(h) + "." + base64.RawURLEncoding.EncodeToString(c)
		sum := sha256.Sum256([]byte(text))
		sig, err := rsa.SignPSS(rand.Reader, cert.PrivateKey.(*rsa.PrivateKey), crypto.SHA256, sum[:], &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash})
		if err != nil {
			t.Fatal(err)
		}
		return text + "." + base64.RawURLEncoding.EncodeToString(sig)
	}
	ask := func(assertion string) (status, number int) {
		resp, err := http.PostForm(endpoint.URL, url.Values{
			"grant_type": {"client_credentials"}, "client_id": {application}, "scope": {endpoint.Scope}, "client_assertion": {assertion},
			"client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"},
		})
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		var out struct {
			Codes []int `json:"error_codes"`
		}
		if err := json.NewDecoder(resp.Body).Decode(&out); err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, append(out.Codes, 0)[0]
	}
	good := sign(func(_, _ map[string]any) {})
	if status, number := ask(good); status != http.StatusOK || number != 0 {
		t.Fatalf("the right one: %d %d", status, number)
	}
	for name, tc := range map[string]struct {
		assertion string
		number    int
	}{
		"twice":             {good, 700025},
		"no JWT":            {"x.y", 700027},
		"changed":           {good[:len(good)-8] + "AAAAAAAA", 700027},
		"other algorithm":   {sign(func(h, _ map[string]any) { h["alg"] = "RS256" }), 700027},
		"other thumbprint":  {sign(func(h, _ map[string]any) { h["x5t#S256"] = "AAAA" }), 700027},
		"other endpoint":    {sign(func(_, c map[string]any) { c["aud"] = "https://login.example.com/" }), 700023},
		"other application": {sign(func(_, c map[string]any) { c["iss"] = "somebody" }), 700021},
		"old":               {sign(func(_, c map[string]any) { c["exp"] = time.Now().Add(-time.Minute).Unix() }), 700024},
		"for ever":          {sign(func(_, c map[string]any) { c["exp"] = time.Now().AddDate(1, 0, 0).Unix() }), 700024},
	} {
		if status, number := ask(tc.assertion); status != http.StatusUnauthorized || number != tc.number {
			t.Errorf("%s: %d %d, want %d", name, status, number, tc.number)
		}
	}
}

// TestClientCertificateOptions: what cannot sign is refused before it is used.
func TestClientCertificateOptions(t *testing.T) {
	t.Parallel()
	elliptic, _, err := ewstest.NewCertificate(time.Now(), "x.example.com")
	if err != nil {
		t.Fatal(err)
	}
	s, endpoint := byToken(t, ewstest.Options{})
	endpoint.Certificate = &elliptic
	c := ews.Credentials{Username: application, Scheme: ews.OAuth, Tokens: endpoint}
	if err := c.Check(); err == nil || !strings.Contains(err.Error(), "RSA") {
		t.Errorf("an elliptic key: %v", err)
	}
	if s.SetClientCertificate("x", elliptic.Certificate[0]) == nil || s.SetClientCertificate("x", []byte("no")) == nil {
		t.Error("a certificate that cannot be used is registered")
	}
}
