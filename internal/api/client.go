package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// ClientOptions are what a client needs.
type ClientOptions struct {
	URL        string // the cloud's origin; http:// only on loopback
	Credential Credential
	Transport  http.RoundTripper // nil: the default one
}

// Client speaks to the cloud for one account. Its methods may be called at the
// same time.
type Client struct {
	origin     string
	credential Credential
	http       *http.Client
}

const (
	requestTimeout = 30 * time.Second
	maxAnswer      = 16 << 20
)

// NewClient returns a client for an account.
func NewClient(o ClientOptions) (*Client, error) {
	origin, err := checkOrigin(o.URL)
	if err != nil {
		return nil, err
	}
	if !ValidCredential(o.Credential.Reveal()) {
		return nil, errors.New("cloud: no credential; redeem a one-time code first")
	}
	return newClient(origin, o), nil
}

func newClient(origin string, o ClientOptions) *Client {
	return &Client{origin: origin, credential: o.Credential, http: &http.Client{
		Transport: o.Transport,
		// The credential is for one origin: nothing follows it elsewhere.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// Redeem turns a one-time code into a credential. A code is good once: if the
// answer is lost, a new one is needed. It needs URL and Transport only.
func Redeem(ctx context.Context, o ClientOptions, code string) (RedeemAnswer, error) {
	origin, err := checkOrigin(o.URL)
	if err != nil {
		return RedeemAnswer{}, err
	}
	code = strings.TrimSpace(code)
	if !strings.HasPrefix(code, "cloud-") {
		// A code for elsewhere must not be sent here.
		return RedeemAnswer{}, errors.New(`cloud: a one-time code for the cloud begins with "cloud-"; this is another one`)
	}
	var a RedeemAnswer
	o.Credential = Credential{}
	if err := newClient(origin, o).do(ctx, "redeem", http.MethodPost, "/v1/redeem", RedeemRequest{code}, &a); err != nil {
		return RedeemAnswer{}, err
	}
	if !ValidCredential(a.Credential.Reveal()) || !ValidID(a.Account) {
		return RedeemAnswer{}, badAnswer("redeem", nil)
	}
	return a, nil
}

// Me says who the client is and what is delivered to it.
func (c *Client) Me(ctx context.Context) (Me, error) {
	var a Me
	err := c.do(ctx, "me", http.MethodGet, "/v1/me", nil, &a)
	return a, err
}

// SetDelivery says which accounts get a resource, and makes the resource if it
// is new. Connectors only.
func (c *Client) SetDelivery(ctx context.Context, resource string, accounts []string) error {
	if accounts == nil {
		accounts = []string{}
	}
	return c.do(ctx, "delivery", http.MethodPut, "/v1/resources/"+url.PathEscape(resource), Delivery{accounts}, &struct{}{})
}

// Put writes a sealed part. The same part may be put again. Connectors only. An
// error with CodeStale carries the stored revision in Rev; one with
// CodeNotFound means that the cloud does not have the resource (any more): set
// its delivery and put everything again.
func (c *Client) Put(ctx context.Context, resource, item, part string, p Part) (Written, error) {
	var a Written
	path := "/v1/resources/" + url.PathEscape(resource) + "/items/" + url.PathEscape(item) + "/" + url.PathEscape(part)
	err := c.do(ctx, "put", http.MethodPut, path, p, &a)
	return a, err
}

// Delete removes an item with a revision above its parts'. It fails like Put.
func (c *Client) Delete(ctx context.Context, resource, item string, rev int64) (Written, error) {
	var a Written
	path := "/v1/resources/" + url.PathEscape(resource) + "/items/" + url.PathEscape(item) + "?rev=" + strconv.FormatInt(rev, 10)
	err := c.do(ctx, "delete", http.MethodDelete, path, nil, &a)
	return a, err
}

// Items returns a page of a resource's entries after a cursor, 0 for the first.
// An error with CodeReset means: forget the resource's items, begin with 0.
func (c *Client) Items(ctx context.Context, resource string, after int64) (Page, error) {
	var a Page
	path := "/v1/resources/" + url.PathEscape(resource) + "/items?after=" + strconv.FormatInt(after, 10)
	err := c.do(ctx, "items", http.MethodGet, path, nil, &a)
	return a, err
}

// do sends a request and reads the answer or the error.
func (c *Client) do(ctx context.Context, op, method, path string, body, answer any) error {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	var sent io.Reader
	if body != nil {
		raw, err := json.Marshal(body)
		if err != nil {
			return err
		}
		sent = bytes.NewReader(raw)
	}
	req, err := http.NewRequestWithContext(ctx, method, c.origin+path, sent)
	if err != nil {
		return err
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if c.credential != (Credential{}) {
		req.Header.Set("Authorization", "Bearer "+c.credential.Reveal())
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return unreachable(op, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return errorOf(op, resp)
	}
	raw, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return &Error{Op: op, Code: CodeTransport, Message: "the cloud's answer broke off; it is tried again", Cause: err}
	}
	if err := json.Unmarshal(raw, answer); err != nil {
		return badAnswer(op, errors.New("not JSON")) // the decoder's own error could quote a credential
	}
	return nil
}

// checkOrigin admits https, and http on loopback.
func checkOrigin(text string) (string, error) {
	u, err := url.Parse(strings.TrimSuffix(text, "/"))
	if err != nil || u.Host == "" || u.Path != "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil {
		return "", errors.New("cloud: the address is an origin, such as https://calendar.example.com")
	}
	if u.Scheme != "https" && (u.Scheme != "http" || !loopback(u.Hostname())) {
		return "", fmt.Errorf("cloud: only https is used, and http on this machine itself; change the address of %s", u.Host)
	}
	return u.Scheme + "://" + u.Host, nil
}

func loopback(host string) bool {
	a, err := netip.ParseAddr(host)
	return strings.EqualFold(host, "localhost") || err == nil && a.Unmap().IsLoopback()
}
