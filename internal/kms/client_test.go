package kms_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/koyomi-cal/koyomi/internal/account"
	"github.com/koyomi-cal/koyomi/internal/kms"
)

// answer is a transport that always gives the same answer.
type answer struct {
	status int
	body   string
	header http.Header
	err    error
}

func (a answer) RoundTrip(r *http.Request) (*http.Response, error) {
	if a.err != nil {
		return nil, a.err
	}
	h := a.header
	if h == nil {
		h = http.Header{}
	}
	return &http.Response{StatusCode: a.status, Header: h, Body: io.NopCloser(strings.NewReader(a.body)), Request: r}, nil
}

var identity = kms.Identity{Instance: "AAAAAAAAAAAAAAAAAAAAAA", Authority: "AAAAAAAAAAAAAAAAAAAAAA"}

func clientOf(t *testing.T, a answer) *kms.Client {
	t.Helper()
	c, err := kms.NewClient(kms.ClientOptions{URL: "http://127.0.0.1:1", Key: newKey(t), Identity: identity, Transport: a})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// Whatever answers in the key server's place, the error says what to do, and
// whether to try again.
func TestClientErrors(t *testing.T) {
	t.Parallel()
	key := `"k":"` + strings.Repeat("A", 43) + `"`
	res := func(authority string) string {
		kid := `"kid":"kms:` + authority + `/00000000-0000-4000-8000-000000000000",`
		return `{"resource":"r","org":"o","ik":"` + strings.Repeat("A", 43) + `","keys":{"h":{` + kid + key + `},"b":{` + kid + key + `}}}`
	}
	for _, c := range []struct {
		name      string
		answer    answer
		code      string
		temporary bool
		says      string
	}{
		{"good", answer{status: 200, body: res(identity.Authority)}, "<nil>", false, ""},
		{"no network", answer{err: errors.New("connection refused")}, kms.CodeTransport, true, "cannot be reached"},
		{"another server", answer{status: 404, body: "<html>"}, kms.CodeTransport, true, "configured address"},
		{"a redirect", answer{status: 302, header: http.Header{"Location": {"https://evil.example/"}}}, kms.CodeTransport, true, "configured address"},
		{"not JSON", answer{status: 200, body: "hello"}, kms.CodeTransport, true, "form"},
		{"a foreign authority", answer{status: 200, body: res("BBBBBBBBBBBBBBBBBBBBBA")}, kms.CodeTransport, true, "another authority"},
		{"a short key", answer{status: 200, body: strings.ReplaceAll(res(identity.Authority), key, `"k":"AAAA"`)}, kms.CodeTransport, true, "32 bytes"},
		{"no index key", answer{status: 200, body: strings.Replace(res(identity.Authority), "ik", "x", 1)}, kms.CodeTransport, true, "32 bytes"},
		{"a key that is no base64", answer{status: 200, body: strings.ReplaceAll(res(identity.Authority), key, `"k":"****"`)}, kms.CodeTransport, true, "form"},
		{"too many", answer{status: 429, body: `{"error":{"code":"too_many","message":"slow"}}`, header: http.Header{"Retry-After": {"7"}}}, kms.CodeTooMany, true, "slow"},
		{"forbidden", answer{status: 403, body: `{"error":{"code":"forbidden","message":"no"}}`}, kms.CodeForbidden, false, "no"},
		{"broken", answer{status: 503, body: `{"error":{"code":"unavailable","message":"db"}}`}, kms.CodeUnavailable, true, "db"},
	} {
		_, err := clientOf(t, c.answer).Ensure(t.Context(), "a@example.com")
		if code(err) != c.code {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if e, ok := errors.AsType[*kms.Error](err); ok {
			if e.Temporary() != c.temporary || !strings.Contains(err.Error(), c.says) || e.Op != "ensureResource" {
				t.Errorf("%s: temporary %v, %q", c.name, e.Temporary(), err)
			}
			if strings.Contains(err.Error(), "AAAA") {
				t.Errorf("%s: the error quotes the answer: %v", c.name, err)
			}
		}
	}
	if _, err := clientOf(t, answer{status: 200, body: `{"resources":[{}]}`}).Mine(t.Context()); code(err) != kms.CodeTransport {
		t.Errorf("a resource without keys: %v", err)
	}
	if _, err := clientOf(t, answer{status: 200, body: `{"keys":[{"kid":"x"}]}`}).Fetch(t.Context(), []string{"x"}); code(err) != kms.CodeTransport {
		t.Errorf("a key without a name: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := clientOf(t, answer{err: context.Canceled}).Mine(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

func TestClientOptions(t *testing.T) {
	t.Parallel()
	key := newKey(t)
	for url, ok := range map[string]bool{
		"https://kms.example.com": true, "https://kms.example.com/": true, "https://kms.example.com:8443": true,
		"http://localhost:8481": true, "http://127.0.0.1": true, "http://[::1]:1": true,
		"http://kms.example.com": false, "http://localhost.example.com": false, "ftp://localhost": false, "kms.example.com": false, "": false,
		"https://user@kms.example.com": false, "https://kms.example.com/path": false, "https://kms.example.com?q": false, "https://kms.example.com#f": false,
	} {
		o := kms.ClientOptions{URL: url, Key: key, Identity: identity}
		if _, err := kms.NewClient(o); (err == nil) != ok {
			t.Errorf("%q: %v", url, err)
		}
		if !ok {
			if _, err := kms.Redeem(t.Context(), o, account.NewCode(account.KMS).Reveal()); err == nil {
				t.Errorf("%q: redeemed", url)
			}
		}
	}
	for name, o := range map[string]kms.ClientOptions{"no key": {URL: "https://a", Identity: identity}, "no identity": {URL: "https://a", Key: key}} {
		if _, err := kms.NewClient(o); err == nil || !strings.Contains(err.Error(), "one-time code") {
			t.Errorf("%s: %v", name, err)
		}
	}
	o := kms.ClientOptions{URL: "https://kms.example.com", Key: key, Transport: answer{status: 200, body: `{}`}}
	if _, err := kms.Redeem(t.Context(), o, account.NewCode(account.KMS).Reveal()); code(err) != kms.CodeTransport {
		t.Errorf("an enrolment without an identity: %v", err)
	}
	o.Key = nil
	if _, err := kms.Redeem(t.Context(), o, account.NewCode(account.KMS).Reveal()); err == nil {
		t.Error("redeemed without a key")
	}
}

// An error of the client shows neither key nor code.
func TestErrorsAreClean(t *testing.T) {
	t.Parallel()
	c := account.NewCode(account.KMS)
	o := kms.ClientOptions{URL: "https://kms.example.com", Key: newKey(t), Transport: answer{err: errors.New("no route")}}
	_, err := kms.Redeem(t.Context(), o, c.Reveal())
	all, merr := json.Marshal(c)
	if merr != nil {
		t.Fatal(merr)
	}
	text := fmt.Sprintf("%v %+v %#v", err, err, c) + string(all) + c.String()
	if strings.Contains(text, c.Reveal()[5:]) {
		t.Errorf("the code shows in %s", text)
	}
}
