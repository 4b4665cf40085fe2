package kms

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/koyomi-cal/koyomi/internal/account"
	"github.com/koyomi-cal/koyomi/internal/seal"
)

// Identity is who an instance is at which key server. It is not secret.
type Identity struct {
	Instance  string `json:"instance"`
	Authority string `json:"authority"` // the server's; keys of any other are refused
	Org       string `json:"org"`
	Role      Role   `json:"role"`
	Subject   string `json:"subject"` // the user's address, or the connector's name
}

// ClientOptions are what a client needs.
type ClientOptions struct {
	URL       string            // the server's origin; http:// only on loopback
	Key       *ecdsa.PrivateKey // the instance's own, P-256
	Identity  Identity          // as Redeem gave it
	Transport http.RoundTripper // nil: the default one
}

// Client speaks to a key server for one instance. It implements seal.Keys.
type Client struct {
	origin string
	key    *ecdsa.PrivateKey
	id     Identity
	http   *http.Client
	ahead  atomic.Int64 // seconds by which the server's clock is ahead of ours
}

var _ seal.Keys = (*Client)(nil)

const requestTimeout = 15 * time.Second

// NewClient returns a client for an enrolled instance.
func NewClient(o ClientOptions) (*Client, error) {
	origin, err := checkOrigin(o.URL)
	if err != nil {
		return nil, err
	}
	if o.Key == nil || o.Identity.Instance == "" || o.Identity.Authority == "" {
		return nil, errors.New("key server: not enrolled; redeem a one-time code first")
	}
	return &Client{origin: origin, key: o.Key, id: o.Identity, http: httpClient(o.Transport)}, nil
}

// Redeem enrols a key at the server with a one-time code. If the answer is
// lost, the same call can be made again. It needs URL, Key and Transport only.
func Redeem(ctx context.Context, o ClientOptions, code string) (Identity, error) {
	origin, err := checkOrigin(o.URL)
	if err != nil {
		return Identity{}, err
	}
	if _, err := account.ParseCode(account.KMS, code); err != nil {
		return Identity{}, err // a code for elsewhere must not be sent here
	}
	if o.Key == nil {
		return Identity{}, errors.New("key server: no key to enrol")
	}
	jwk, err := seal.NewJWK(&o.Key.PublicKey)
	if err != nil {
		return Identity{}, err
	}
	body, err := json.Marshal(enrolRequest{Code: code, JWK: jwk})
	if err != nil {
		return Identity{}, err
	}
	var a enrolAnswer
	if err := post(ctx, httpClient(o.Transport), origin+pathEnrol, "enrol", "", body, &a); err != nil {
		return Identity{}, err
	}
	id := Identity{Instance: a.Instance, Authority: a.Authority, Org: a.Org, Role: a.Role, Subject: a.User + a.Connector}
	if id.Instance == "" || id.Authority == "" {
		return Identity{}, &Error{Op: "enrol", Code: CodeTransport, Message: "what answered is not a key server; look at the configured address"}
	}
	return id, nil
}

// Ensure implements seal.Keys.
func (c *Client) Ensure(ctx context.Context, owner string) (seal.Resource, error) {
	var a wireResource
	if err := c.ask(ctx, opEnsure, ensureRequest{owner}, &a); err != nil {
		return seal.Resource{}, err
	}
	return c.resource(opEnsure, a, true)
}

// Mine returns the resources of the user whose instance this is, without index
// keys.
func (c *Client) Mine(ctx context.Context) ([]seal.Resource, error) {
	var a mineAnswer
	if err := c.ask(ctx, opMine, struct{}{}, &a); err != nil {
		return nil, err
	}
	var all []seal.Resource
	for _, w := range a.Resources {
		r, err := c.resource(opMine, w, false)
		if err != nil {
			return nil, err
		}
		all = append(all, r)
	}
	return all, nil
}

// Fetch implements seal.Keys.
func (c *Client) Fetch(ctx context.Context, kids []string) (keys []seal.Key, err error) {
	for len(kids) > 0 {
		n := min(len(kids), maxKIDs)
		var a keysAnswer
		if err := c.ask(ctx, opKeys, keysRequest{kids[:n]}, &a); err != nil {
			return nil, err
		}
		for _, k := range a.Keys {
			key, err := c.seal(opKeys, k.KID, k.K)
			if err != nil {
				return nil, err
			}
			keys = append(keys, key)
		}
		kids = kids[n:]
	}
	return keys, nil
}

func (c *Client) resource(op string, w wireResource, index bool) (r seal.Resource, err error) {
	r = seal.Resource{ID: w.Resource, Org: w.Org, Authority: c.id.Authority}
	if index {
		if r.Index, err = seal.NewIndexKey(w.IK); err != nil {
			return seal.Resource{}, badAnswer(op, err)
		}
	}
	if r.Head, err = c.seal(op, w.Keys.Head.KID, w.Keys.Head.K); err != nil {
		return seal.Resource{}, err
	}
	if r.Body, err = c.seal(op, w.Keys.Body.KID, w.Keys.Body.K); err != nil {
		return seal.Resource{}, err
	}
	return r, nil
}

// seal makes a key of what the server gave, if it is of the server's authority.
func (c *Client) seal(op, kid string, raw secret) (seal.Key, error) {
	if !strings.HasPrefix(kid, "kms:"+c.id.Authority+"/") {
		return seal.Key{}, badAnswer(op, errors.New("a key of another authority"))
	}
	k, err := seal.NewKey(kid, raw)
	if err != nil {
		return seal.Key{}, badAnswer(op, err)
	}
	return k, nil
}

func badAnswer(op string, cause error) error {
	return &Error{Op: op, Code: CodeTransport, Message: "the answer is not in the form that was agreed; the server may be of another version", Cause: cause}
}

// ask signs and sends a request. If the server says that our clock is wrong, it
// goes by the server's from then on, and asks once more.
func (c *Client) ask(ctx context.Context, op string, req, answer any) error {
	body, err := json.Marshal(req)
	if err != nil {
		return err
	}
	for try := 0; ; try++ {
		auth, err := c.sign(op, body)
		if err != nil {
			return err
		}
		err = post(ctx, c.http, c.origin+pathPrefix+op, op, scheme+auth, body, answer)
		e, ok := errors.AsType[*Error](err)
		if !ok || e.Code != CodeClock || e.now == 0 || try > 0 {
			return err
		}
		c.ahead.Store(e.now - time.Now().Unix())
	}
}

func (c *Client) sign(op string, body []byte) (string, error) {
	hash := sha256.Sum256(body)
	var nonce [16]byte
	rand.Read(nonce[:]) // never fails, by its contract
	payload, err := json.Marshal(claims{
		Authority: c.id.Authority, Op: op, BodyHash: encoding.EncodeToString(hash[:]),
		IssuedAt: time.Now().Unix() + c.ahead.Load(), Nonce: encoding.EncodeToString(nonce[:]),
	})
	if err != nil {
		return "", err
	}
	return seal.SignJWS(c.key, c.id.Instance, requestType, payload)
}

// post sends a request and reads the answer or the error.
func post(ctx context.Context, hc *http.Client, url, op, auth string, body []byte, answer any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	if auth != "" {
		req.Header.Set("Authorization", auth)
	}
	resp, err := hc.Do(req)
	if err != nil {
		return &Error{Op: op, Code: CodeTransport, Message: "the key server cannot be reached; it is tried again", Cause: err}
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return &Error{Op: op, Code: CodeTransport, Status: resp.StatusCode, Message: "the key server's answer broke off; it is tried again", Cause: err}
	}
	if resp.StatusCode != http.StatusOK {
		return errorOf(op, resp, raw)
	}
	if err := json.Unmarshal(raw, answer); err != nil {
		return badAnswer(op, errors.New("not JSON")) // the decoder's own error could quote a key
	}
	return nil
}

func errorOf(op string, resp *http.Response, raw []byte) error {
	e := &Error{Op: op, Status: resp.StatusCode}
	var w wireError
	if json.Unmarshal(raw, &w) != nil || w.Error.Code == "" {
		e.Code = CodeTransport
		e.Message = fmt.Sprintf("what answered with status %d is not a key server; look at the configured address and the proxy before it", resp.StatusCode)
		return e
	}
	e.Code, e.Message, e.now = w.Error.Code, w.Error.Message, w.Now
	if n, err := strconv.Atoi(resp.Header.Get("Retry-After")); err == nil && n > 0 {
		e.RetryAfter = time.Duration(n) * time.Second
	}
	return e
}

func httpClient(t http.RoundTripper) *http.Client {
	return &http.Client{
		Transport: t,
		Timeout:   requestTimeout,
		// A request is signed for one server: nothing follows it elsewhere.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// checkOrigin admits https, and http on loopback.
func checkOrigin(text string) (string, error) {
	u, err := url.Parse(strings.TrimSuffix(text, "/"))
	if err != nil || u.Host == "" || u.Path != "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil {
		return "", fmt.Errorf("key server: the address is an origin, such as https://kms.example.com")
	}
	if u.Scheme != "https" && (u.Scheme != "http" || !account.Loopback(u.Hostname())) {
		return "", fmt.Errorf("key server: only https is used, and http on this machine itself; change the address of %s", u.Host)
	}
	return u.Scheme + "://" + u.Host, nil
}
