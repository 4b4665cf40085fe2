package api

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	someID         = "AAAAAAAAAAAAAAAAAAAAAA"
	someCredential = "Credential-credential-credential-credentiaA"
)

// answer is a transport that always gives the same answer and remembers what it
// was asked.
type answer struct {
	status int
	body   string
	header http.Header
	err    error
	asked  []*http.Request
}

func (a *answer) RoundTrip(r *http.Request) (*http.Response, error) {
	a.asked = append(a.asked, r)
	if a.err != nil {
		return nil, a.err
	}
	h := a.header
	if h == nil {
		h = http.Header{}
	}
	return &http.Response{StatusCode: a.status, Header: h, Body: io.NopCloser(strings.NewReader(a.body)), Request: r}, nil
}

func clientOf(t *testing.T, rt http.RoundTripper) *Client {
	t.Helper()
	c, err := NewClient(ClientOptions{URL: "http://localhost:1/", Credential: NewCredential(someCredential), Transport: rt})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// Whatever answers in the cloud's place, the error says what to do, and
// whether to try again.
func TestErrors(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name      string
		answer    answer
		code      string
		temporary bool
		says      string
	}{
		{"no network", answer{err: errors.New("connection refused")}, CodeTransport, true, "cannot be reached"},
		{"another server", answer{status: 404, body: "<html>"}, CodeTransport, true, "configured address"},
		{"a redirect", answer{status: 307, header: http.Header{"Location": {"https://evil.example/"}}}, CodeTransport, true, "configured address"},
		{"a proxy", answer{status: 502, body: "bad gateway"}, CodeTransport, true, "proxy"},
		{"not JSON", answer{status: 200, body: "hello"}, CodeTransport, true, "form"},
		{"not found", answer{status: 404, body: `{"error":{"code":"not_found","message":"nothing"}}`}, CodeNotFound, false, "nothing"},
		{"stale", answer{status: 409, body: `{"error":{"code":"stale","message":"newer"},"rev":7}`}, CodeStale, false, "newer"},
		{"too many", answer{status: 429, body: `{"error":{"code":"too_many","message":"slow"}}`, header: http.Header{"Retry-After": {"7"}}}, CodeTooMany, true, "slow"},
		{"broken", answer{status: 503, body: `{"error":{"code":"unavailable","message":"db"}}`}, CodeUnavailable, true, "db"},
		{"too large", answer{status: 413, body: `{"error":{"code":"too_large","message":"large"}}`}, CodeTooLarge, false, "large"},
	} {
		client := clientOf(t, &c.answer)
		for op, ask := range map[string]func() error{
			"me":       func() error { _, err := client.Me(t.Context()); return err },
			"items":    func() error { _, err := client.Items(t.Context(), someID, 1); return err },
			"put":      func() error { _, err := client.Put(t.Context(), someID, someID, "h", Part{}); return err },
			"delete":   func() error { _, err := client.Delete(t.Context(), someID, someID, 1); return err },
			"delivery": func() error { return client.SetDelivery(t.Context(), someID, nil) },
		} {
			err := ask()
			e, ok := errors.AsType[*Error](err)
			if !ok || e.Code != c.code || e.Temporary() != c.temporary || e.Op != op || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%s, %s: %v", c.name, op, err)
				continue
			}
			if c.code == CodeStale && e.Rev != 7 || c.code == CodeTooMany && e.RetryAfter != 7*time.Second {
				t.Errorf("%s: %+v", c.name, e)
			}
		}
		for _, r := range c.answer.asked {
			if r.URL.Host != "localhost:1" || r.Header.Get("Authorization") != "Bearer "+someCredential {
				t.Errorf("%s: asked %s with %s", c.name, r.URL, r.Header)
			}
		}
	}
}

// What is asked goes to the address that belongs to it, whatever the ids hold.
func TestPaths(t *testing.T) {
	t.Parallel()
	a := &answer{status: 200, body: "{}"}
	c := clientOf(t, a)
	ctx := t.Context()
	for _, err := range []error{
		func() error { _, err := c.Put(ctx, "../x", "a/b", "h?", Part{Rev: 1, JWE: "j"}); return err }(),
		func() error { _, err := c.Delete(ctx, "r", "i", 3); return err }(),
		func() error { _, err := c.Items(ctx, "r", 9); return err }(),
		c.SetDelivery(ctx, "r", nil),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	want := []string{
		"PUT /v1/resources/..%2Fx/items/a%2Fb/h%3F", "DELETE /v1/resources/r/items/i?rev=3",
		"GET /v1/resources/r/items?after=9", "PUT /v1/resources/r",
	}
	for i, r := range a.asked {
		if got := r.Method + " " + r.URL.RequestURI(); got != want[i] {
			t.Errorf("asked %s, want %s", got, want[i])
		}
	}
	raw, err := io.ReadAll(a.asked[3].Body)
	if err != nil || string(raw) != `{"accounts":[]}` {
		t.Errorf("delivery to nobody is %s, %v", raw, err)
	}
}

func TestOptions(t *testing.T) {
	t.Parallel()
	for url, ok := range map[string]bool{
		"https://cloud.example.com": true, "https://cloud.example.com/": true, "https://cloud.example.com:8443": true,
		"http://localhost:8480": true, "http://LOCALHOST": true, "http://127.0.0.1": true, "http://[::1]:1": true,
		"http://cloud.example.com": false, "http://127.0.0.1.example.com": false, "http://10.0.0.1": false, "ftp://localhost": false, "cloud": false, "": false,
		"https://user@cloud.example.com": false, "https://cloud.example.com/path": false, "https://cloud.example.com?q": false, "://": false,
	} {
		o := ClientOptions{URL: url, Credential: NewCredential(someCredential), Transport: &answer{}}
		if _, err := NewClient(o); (err == nil) != ok {
			t.Errorf("%q: %v", url, err)
		}
		if _, err := Redeem(t.Context(), o, "cloud-x"); !ok && err == nil {
			t.Errorf("%q: redeemed", url)
		}
	}
	if _, err := NewClient(ClientOptions{URL: "https://cloud.example.com"}); err == nil || !strings.Contains(err.Error(), "one-time code") {
		t.Errorf("without a credential: %v", err)
	}
}

func TestRedeem(t *testing.T) {
	t.Parallel()
	good := `{"credential":"` + someCredential + `","account":"` + someID + `","role":"user"}`
	a := &answer{status: 200, body: good}
	o := ClientOptions{URL: "https://cloud.example.com", Transport: a, Credential: NewCredential("an old one")}
	got, err := Redeem(t.Context(), o, " cloud-code\n")
	if err != nil || got.Account != someID || got.Role != User || got.Credential.Reveal() != someCredential {
		t.Fatalf("redeemed %v, %v", got, err)
	}
	if a.asked[0].Header.Get("Authorization") != "" {
		t.Error("the old credential was sent along")
	}
	for _, bad := range []string{`{}`, strings.Replace(good, someID, "x", 1), strings.Replace(good, someCredential, "x", 1)} {
		if _, err := Redeem(t.Context(), ClientOptions{URL: o.URL, Transport: &answer{status: 200, body: bad}}, "cloud-code"); err == nil {
			t.Errorf("took %s", bad)
		}
	}
	other := &answer{status: 200, body: good}
	if _, err := Redeem(t.Context(), ClientOptions{URL: o.URL, Transport: other}, "kms-code"); err == nil || len(other.asked) != 0 {
		t.Errorf("a code for the key server: asked %d times, %v", len(other.asked), err)
	}
}

// A credential cannot be printed, in whatever form somebody tries.
func TestCredentialIsRedacted(t *testing.T) {
	t.Parallel()
	a := RedeemAnswer{Credential: NewCredential("hush-hush"), Account: "x"}
	var log bytes.Buffer
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "a", a, "c", a.Credential)
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "c", a.Credential)
	all := log.String() + a.Credential.String()
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%q", "%d"} {
		all += fmt.Sprintf(verb, a) + fmt.Sprintf(verb, &a) + fmt.Sprintf(verb, a.Credential)
	}
	if strings.Contains(all, "hush") || strings.Contains(all, "68757368") || !strings.Contains(all, "[redacted]") {
		t.Error(all)
	}
	// Over the wire it must go.
	raw, err := json.Marshal(a)
	var back RedeemAnswer
	if err := errors.Join(err, json.Unmarshal(raw, &back)); err != nil || back != a {
		t.Errorf("came back as %v, %v", back.Credential.Reveal(), err)
	}
}

func TestForms(t *testing.T) {
	t.Parallel()
	for s, want := range map[string]bool{someID: true, "": false, someID[1:]: false, someID + "A": false,
		"AAAAAAAAAAAAAAAAAAAAAB": false, "AAAAAAAAAAAAAAAAAAAAA+": false, "AAAAAAAAAAAAAAAAAAAA.A": false, "AAAAAAAAAAAAAAAAAAAAA\n": false} {
		if ValidID(s) != want {
			t.Errorf("id %q: %v", s, !want)
		}
	}
	for s, want := range map[string]bool{someCredential: true, "": false, someCredential[1:]: false, someCredential + "A": false, someCredential[:42] + "B": false} {
		if ValidCredential(s) != want {
			t.Errorf("credential %q: %v", s, !want)
		}
	}
	for s, want := range map[string]bool{"h": true, "b": true, "": false, "c": false, "hb": false, "H": false} {
		if ValidPart(s) != want {
			t.Errorf("part %q: %v", s, !want)
		}
	}
	for n, want := range map[int64]bool{1: true, MaxRevision: true, 0: false, -1: false, MaxRevision + 1: false} {
		if ValidRevision(n) != want {
			t.Errorf("revision %d: %v", n, !want)
		}
	}
}

// FuzzValidSealed: what is admitted has a header that says nothing but ids and
// numbers, and the place that was asked.
func FuzzValidSealed(f *testing.F) {
	header := `{"alg":"dir","enc":"A256GCM","kid":"kms:` + someID + `/00000000-0000-4000-8000-000000000000","typ":"koyomi+jwe",` +
		`"hc":{"o":"` + someID + `","r":"` + someID + `","i":"` + someID + `","p":"h","v":3,"g":1}}`
	f.Add([]byte(header), "AAAA")
	f.Add([]byte(`{}`), "")
	f.Add([]byte(strings.Replace(header, `"g":1`, `"g":1,"x":"y"`, 1)), "AAAA")
	f.Fuzz(func(t *testing.T, head []byte, text string) {
		jwe := base64.RawURLEncoding.EncodeToString(head) + ".." + strings.Repeat("A", 16) + "." + strings.Repeat("A", 1366) + text + "." + strings.Repeat("A", 22)
		if !ValidSealed(jwe, someID, someID, "h", 3) {
			return
		}
		if strings.Trim(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
			t.Errorf("text %q", text)
		}
		var h struct {
			Alg, Enc, Kid, Typ string
			HC                 struct {
				O, R, I, P string
				V, G       int64
			}
		}
		d := json.NewDecoder(bytes.NewReader(head))
		d.DisallowUnknownFields()
		if err := d.Decode(&h); err != nil {
			t.Fatalf("header %q: %v", head, err)
		}
		if h.HC.R != someID || h.HC.I != someID || h.HC.P != "h" || h.HC.V != 3 || !ValidID(h.HC.O) || len(head) > 400 {
			t.Errorf("header %q", head)
		}
	})
}

// script is a transport whose answers are streams that the test writes.
type script struct {
	streams chan *io.PipeWriter
	last    []string
}

func (s *script) RoundTrip(r *http.Request) (*http.Response, error) {
	s.last = append(s.last, r.Header.Get("Last-Event-ID"))
	pr, pw := io.Pipe()
	stop := context.AfterFunc(r.Context(), func() { pr.CloseWithError(context.Cause(r.Context())) })
	context.AfterFunc(r.Context(), func() { stop() })
	s.streams <- pw
	return &http.Response{StatusCode: 200, Header: http.Header{}, Body: pr, Request: r}, nil
}

type got struct {
	e   Event
	err error
}

func read(ctx context.Context, c *Client, last int64) chan got {
	out := make(chan got)
	go func() {
		defer close(out)
		for e, err := range c.Events(ctx, last) {
			out <- got{e, err}
		}
	}()
	return out
}

func TestEvents(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &script{streams: make(chan *io.PipeWriter)}
		c := clientOf(t, s)
		out := read(t.Context(), c, 41)
		w := <-s.streams
		go func() {
			io.WriteString(w, ":\n\n: a comment\n\nevent: cha")
			io.WriteString(w, "nge\r\ndata: {\"resource\":\"r\",\ndata: \"cursor\":7}\nid: 42\nretry: 5\n\n")
			io.WriteString(w, "event: of the future\ndata: {}\n\n")
			io.WriteString(w, "data: {}\n\n")
			io.WriteString(w, "event:delivery\ndata:{\"resource\":\"r\"}\nid:43\n\n")
			w.Close()
		}()
		if g := <-out; g.err != nil || g.e != (Event{ID: 42, Name: EventChange, Resource: "r", Cursor: 7}) {
			t.Errorf("first %+v", g)
		}
		if g := <-out; g.err != nil || g.e != (Event{ID: 43, Name: EventDelivery, Resource: "r"}) {
			t.Errorf("second %+v", g)
		}
		g := <-out
		if e, ok := errors.AsType[*Error](g.err); !ok || !e.Temporary() || !errors.Is(g.err, io.EOF) {
			t.Errorf("the end is %v", g.err)
		}
		if _, more := <-out; more {
			t.Error("something after the end")
		}
		if s.last[0] != "41" {
			t.Errorf("asked from %s", s.last[0])
		}
	})
}

// A stream without a sign of life is given up after a minute, one with
// heartbeats never.
func TestEventsSilence(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &script{streams: make(chan *io.PipeWriter)}
		out := read(t.Context(), clientOf(t, s), 0)
		w := <-s.streams
		for range 100 {
			time.Sleep(Heartbeat)
			io.WriteString(w, ":\n\n")
		}
		begin := time.Now()
		g := <-out
		if e, ok := errors.AsType[*Error](g.err); !ok || e.Code != CodeTransport || !e.Temporary() || time.Since(begin) != time.Minute {
			t.Errorf("after %v: %v", time.Since(begin), g.err)
		}
		<-out
		if s.last[0] != "" {
			t.Errorf("asked from %q", s.last[0])
		}
	})
}

func TestEventsStop(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &script{streams: make(chan *io.PipeWriter, 1)}
		ctx, cancel := context.WithCancel(t.Context())
		out := read(ctx, clientOf(t, s), 0)
		<-s.streams
		cancel()
		if g := <-out; !errors.Is(g.err, context.Canceled) {
			t.Errorf("cancelled: %v", g.err)
		}
		<-out
		// Leaving the loop ends the stream.
		for _, err := range clientOf(t, &answer{status: 200, body: "event: change\ndata: {}\nid: 1\n\n"}).Events(t.Context(), 0) {
			if err != nil {
				t.Error(err)
			}
			break
		}
		for _, a := range []*answer{{status: 401, body: `{"error":{"code":"unauthorized","message":"x"}}`}, {err: &net.OpError{Op: "dial", Err: errors.New("no")}}} {
			for _, err := range clientOf(t, a).Events(t.Context(), 0) {
				if e, ok := errors.AsType[*Error](err); !ok || e.Op != "events" || e.Temporary() == (a.status == 401) {
					t.Errorf("%v", err)
				}
			}
		}
		for name, body := range map[string]string{"long line": strings.Repeat("x", 1<<16), "long event": strings.Repeat("data: x\n", 1<<14),
			"not JSON": "event: change\ndata: x\n\n", "id": "id: x\n\n"} {
			n := 0
			for e, err := range clientOf(t, &answer{status: 200, body: body}).Events(t.Context(), 0) {
				if n++; err == nil || n > 1 {
					t.Errorf("%s: %v, %v", name, e, err)
				}
			}
			if n != 1 {
				t.Errorf("%s: %d errors", name, n)
			}
		}
	})
}

func FuzzEvents(f *testing.F) {
	f.Add("event: change\ndata: {\"resource\":\"r\",\"cursor\":7}\nid: 42\n\n")
	f.Add(":\n\n:\r\n\r\nid:-1\ndata\n\n")
	f.Fuzz(func(t *testing.T, body string) {
		c := clientOf(t, &answer{status: 200, body: body})
		ended, events := 0, 0
		for e, err := range c.Events(t.Context(), 0) {
			if err != nil {
				ended++
				continue
			}
			if events++; ended > 0 || e.Name != EventChange && e.Name != EventDelivery {
				t.Errorf("event %+v", e)
			}
		}
		if ended != 1 || events > strings.Count(body, "\n") {
			t.Errorf("%d events, %d ends", events, ended)
		}
	})
}
