package ews

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/koyomi-cal/koyomi/ews/internal/wire"
)

// probe is the cheapest call.
func probe(t *testing.T, c *Client) error {
	t.Helper()
	_, err := c.As("user@example.com").Probe(ctxOf(t))
	return err
}

func alive(w http.ResponseWriter, _ recorded) {
	soap(w, 200, response("ConvertId", failed("ConvertId", "ErrorInvalidIdMalformed")))
}

// TestAnswers gives the client everything that is not an answer.
func TestAnswers(t *testing.T) {
	t.Parallel()
	html := func(status int, header ...string) func(http.ResponseWriter, recorded) {
		return func(w http.ResponseWriter, _ recorded) {
			w.Header().Set("Content-Type", "text/html")
			for i := 0; i < len(header); i += 2 {
				w.Header().Set(header[i], header[i+1])
			}
			w.WriteHeader(status)
			io.WriteString(w, "<!DOCTYPE html><html><body>Sign in, user@example.com</body></html>")
		}
	}
	xml := func(status int, body string) func(http.ResponseWriter, recorded) {
		return func(w http.ResponseWriter, _ recorded) { soap(w, status, body) }
	}
	whole := response("ConvertId", success("ConvertId", ""))
	for name, tc := range map[string]struct {
		answer  func(http.ResponseWriter, recorded)
		code    string
		class   Class
		backOff time.Duration
		unclear bool
	}{
		"log-in page":        {html(200), CodeNotEWS, AccountLevel, 0, false},
		"log-in page as xml": {xml(200, "<!DOCTYPE html><html/>"), CodeNotEWS, AccountLevel, 0, false},
		"forms log-in":       {html(440), CodeNotEWS, AccountLevel, 0, false},
		"server error page": {func(w http.ResponseWriter, _ recorded) {
			w.Header().Set("Content-Type", "text/html")
			io.WriteString(w, "<html><title>Server Error in '/EWS' Application.</title></html>")
		}, CodeUnavailable, Transient, 0, false},
		"generic error":  {html(302, "Location", "/ews/genericerrorpage.htm"), CodeUnavailable, Transient, 0, false},
		"redirect":       {html(302, "Location", "https://evil.example.org/EWS/Exchange.asmx"), CodeRedirected, Rediscover, 0, false},
		"redirect 307":   {html(307, "Location", "https://evil.example.org/"), CodeRedirected, Rediscover, 0, false},
		"forbidden":      {html(403), CodeForbidden, AccountLevel, 0, false},
		"not found":      {html(404), CodeNotFound, AccountLevel, 0, false},
		"not allowed":    {html(405), CodeNotFound, AccountLevel, 0, false},
		"bad request":    {html(400), "Client", OwnBug, 0, false},
		"too many":       {html(429, "Retry-After", "30"), CodeUnavailable, Transient, 30 * time.Second, false},
		"unavailable":    {html(503, "Retry-After", "soon"), CodeUnavailable, Transient, 0, false},
		"bad gateway":    {html(502), CodeUnavailable, Transient, 0, false},
		"misdirected":    {html(421), CodeUnavailable, Transient, 0, false},
		"other XML":      {xml(200, "<a/>"), CodeMalformed, Transient, 0, true},
		"broken XML":     {xml(200, "<a></b>"), CodeMalformed, Transient, 0, true},
		"empty body":     {xml(200, ""), CodeTruncated, Transient, 0, true},
		"empty envelope": {xml(200, envelope("")), CodeMalformed, Transient, 0, false},
		"no messages":    {xml(200, envelope("<m:ConvertIdResponse/>")), CodeMalformed, Transient, 0, false},
		"no closing tag": {xml(200, strings.TrimSuffix(whole, "</s:Envelope>")), CodeTruncated, Transient, 0, true},
		"truncated data": {xml(200, whole[:len(whole)/2]+"=== Truncated Data ==="), CodeTruncated, Transient, 0, true},
		"XML with 503":   {xml(503, "<error/>"), CodeUnavailable, Transient, 0, false},
		"version in text": {func(w http.ResponseWriter, _ recorded) {
			http.Error(w, "The specified server version is invalid.", 500)
		}, "ErrorInvalidServerVersion", OwnBug, 0, false},
		"cut connection": {func(w http.ResponseWriter, _ recorded) {
			w.Header().Set("Content-Type", "text/xml")
			w.Header().Set("Content-Length", "9999")
			io.WriteString(w, whole)
			http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		}, CodeTruncated, Transient, 0, true},
		"bad gzip": {func(w http.ResponseWriter, _ recorded) {
			w.Header().Set("Content-Encoding", "gzip")
			soap(w, 200, whole)
		}, CodeTruncated, Transient, 0, true},
		"too large":          {xml(200, "<a>"+strings.Repeat("x", 2<<20)+"</a>"), CodeTooLarge, OwnBug, 0, true},
		"class without code": {xml(200, response("ConvertId", `<m:ConvertIdResponseMessage ResponseClass="Error"/>`)), "ErrorInternalServerError", Transient, 0, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := newRig(t, func(o *Options) { o.MaxResponse = 1 << 20 }, tc.answer)
			e := wantError(t, probe(t, g.Client), tc.code)
			if e.Class() != tc.class || e.BackOff != tc.backOff || e.Unclear != tc.unclear {
				t.Errorf("%v: class %s, unclear %v", e, e.Class(), e.Unclear)
			}
			if strings.Contains(e.Error(), "evil.example.org") {
				t.Errorf("the error names the other host: %v", e)
			}
		})
	}
}

func TestRetryAfterDate(t *testing.T) {
	t.Parallel()
	if d := retryAfter(time.Now().Add(time.Hour).UTC().Format(http.TimeFormat)); d < 59*time.Minute || d > time.Hour {
		t.Errorf("got %v", d)
	}
	if d := retryAfter(time.Now().Add(-time.Hour).UTC().Format(http.TimeFormat)); d != 0 {
		t.Errorf("got %v", d)
	}
}

// TestRedirectNotFollowed checks that no request, and so no password, reaches
// the other host.
func TestRedirectNotFollowed(t *testing.T) {
	t.Parallel()
	var reached atomic.Int32
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached.Add(1) }))
	defer other.Close()
	g := newRig(t, nil, func(w http.ResponseWriter, _ recorded) {
		w.Header().Set("Location", other.URL)
		w.WriteHeader(http.StatusTemporaryRedirect)
	})
	wantError(t, probe(t, g.Client), CodeRedirected)
	if reached.Load() != 0 {
		t.Error("the redirect was followed")
	}
}

func TestGzip(t *testing.T) {
	t.Parallel()
	g := newRig(t, nil, func(w http.ResponseWriter, _ recorded) {
		w.Header().Set("Content-Encoding", "gzip")
		w.Header().Set("Content-Type", "text/xml; charset=utf-8")
		z := gzip.NewWriter(w)
		io.WriteString(z, response("Subscribe", success("Subscribe", "<m:SubscriptionId>S</m:SubscriptionId>")))
		z.Close()
	})
	if id, err := g.As("u@example.com").Subscribe(ctxOf(t), SubscribeRequest{}); err != nil || id != "S" {
		t.Errorf("got %q, %v", id, err)
	}
}

// TestConnectionErrors makes connections fail.
func TestConnectionErrors(t *testing.T) {
	t.Parallel()
	fail := func(err error) func(*Options) {
		return func(o *Options) {
			o.DialContext = func(context.Context, string, string) (net.Conn, error) { return nil, err }
		}
	}
	for name, tc := range map[string]struct {
		set   func(*Options)
		code  string
		class Class
	}{
		"name":                  {fail(&net.DNSError{Err: "no such host", Name: "mail.example.com", IsNotFound: true}), CodeDNS, Transient},
		"refused":               {fail(&net.OpError{Op: "dial", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}), CodeRefused, Transient},
		"timeout":               {fail(&net.OpError{Op: "dial", Err: os.ErrDeadlineExceeded}), CodeTimeout, Transient},
		"anything":              {fail(errors.New("network is down at 127.0.0.1")), CodeTransport, Transient},
		"TLS to a plain server": {func(o *Options) { o.URL = strings.Replace(o.URL, "http:", "https:", 1) }, CodeTLS, AccountLevel},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := newRig(t, tc.set, alive)
			e := wantError(t, probe(t, g.Client), tc.code)
			if e.Class() != tc.class || e.Unclear || e.Cause == nil {
				t.Errorf("%v: class %s, unclear %v, cause %v", e, e.Class(), e.Unclear, e.Cause)
			}
		})
	}
	t.Run("closed without answer", func(t *testing.T) {
		t.Parallel()
		g := newRig(t, nil, func(http.ResponseWriter, recorded) { panic(http.ErrAbortHandler) })
		_, err := g.As("").CreateItem(ctxOf(t), CreateItemRequest{Items: []CalendarItem{{Subject: "x"}}})
		if e := wantError(t, err, CodeTransport); !e.Unclear {
			t.Error("the request has reached the server: it must count as unclear")
		}
		if n := len(g.requests()); n != 1 {
			t.Errorf("a write was sent %d times", n)
		}
	})
}

// TestTLS tries servers with certificates that are not to be trusted.
func TestTLS(t *testing.T) {
	t.Parallel()
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { alive(w, record(r)) }))
	server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	server.StartTLS()
	t.Cleanup(server.Close)
	dir := t.TempDir()
	ca := filepath.Join(dir, "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	junk := filepath.Join(dir, "junk.pem")
	if err := os.WriteFile(junk, []byte("junk"), 0o600); err != nil {
		t.Fatal(err)
	}
	client := func(set func(*Options)) (*Client, error) {
		o := Options{URL: server.URL + "/EWS/Exchange.asmx", Credentials: Credentials{Username: "u", Password: NewSecret("p")}}
		set(&o)
		return New(o)
	}
	for name, tc := range map[string]struct {
		set  func(*Options)
		code string
	}{
		"unknown CA":  {func(*Options) {}, CodeCertificate},
		"own CA file": {func(o *Options) { o.CAFile = ca }, ""},
		"own pool": {func(o *Options) {
			o.RootCAs = x509.NewCertPool()
			o.RootCAs.AddCert(server.Certificate())
		}, ""},
		"other host": {func(o *Options) {
			o.CAFile = ca
			o.URL = strings.Replace(o.URL, "127.0.0.1", "localhost", 1)
		}, CodeCertificate},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, err := client(tc.set)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			if err = probe(t, c); tc.code == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			if e := wantError(t, err, tc.code); e.Unclear || e.Class() != AccountLevel {
				t.Errorf("unclear %v, class %s", e.Unclear, e.Class())
			}
		})
	}
	for name, file := range map[string]string{"no such file": filepath.Join(dir, "none.pem"), "not PEM": junk} {
		_, err := client(func(o *Options) { o.CAFile = file })
		t.Log(name, err)
		wantError(t, err, CodeInvalid)
	}
}

func TestExpiredCertificate(t *testing.T) {
	t.Parallel()
	c := &call{op: "GetItem"}
	e := c.explain(t.Context(), &tls.CertificateVerificationError{Err: x509.CertificateInvalidError{Reason: x509.Expired}})
	if e.Code != CodeCertificate || !strings.Contains(e.Message, "expired") {
		t.Errorf("got %v", e)
	}
}

func TestNewRefuses(t *testing.T) {
	t.Parallel()
	creds := Credentials{Username: "u", Password: NewSecret("p")}
	for name, o := range map[string]Options{
		"no URL":          {Credentials: creds},
		"no scheme":       {URL: "mail.example.com/EWS", Credentials: creds},
		"http elsewhere":  {URL: "http://mail.example.com/EWS/Exchange.asmx", Credentials: creds},
		"ftp":             {URL: "ftp://mail.example.com/", Credentials: creds},
		"password in URL": {URL: "https://u:p@mail.example.com/", Credentials: creds},
		"not a URL":       {URL: "https://[::1", Credentials: creds},
		"no user name":    {URL: "https://mail.example.com/EWS/Exchange.asmx"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := New(o)
			wantError(t, err, CodeInvalid)
		})
	}
	for _, u := range []string{"http://localhost:1/EWS", "http://127.0.0.1/EWS", "http://[::1]:80/EWS", "https://mail.example.com/EWS/Exchange.asmx"} {
		if _, err := New(Options{URL: u, Credentials: creds}); err != nil {
			t.Errorf("%s: %v", u, err)
		}
	}
}

// TestTimeout lets the server take the request and say nothing.
func TestTimeout(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		defer far.Close()
		c, err := New(Options{
			URL: "http://localhost/EWS/Exchange.asmx", Credentials: Credentials{Username: "u", Password: NewSecret("p")},
			Timeout:     5 * time.Second,
			DialContext: func(context.Context, string, string) (net.Conn, error) { return near, nil },
		})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		taken := make(chan struct{})
		go func() {
			defer close(taken)
			_, _ = io.Copy(io.Discard, far) // until the client hangs up
		}()
		began := time.Now()
		if e := wantError(t, probe(t, c), CodeTimeout); !e.Unclear || e.Class() != Transient {
			t.Errorf("unclear %v, class %s", e.Unclear, e.Class())
		}
		if took := time.Since(began); took != 5*time.Second {
			t.Errorf("gave up after %v", took)
		}
		<-taken
	})
}

// TestCancel ends calls that are under way, and calls that wait for a place.
func TestCancel(t *testing.T) {
	t.Parallel()
	arrived, release := make(chan struct{}, 1), make(chan struct{})
	g := newRig(t, func(o *Options) { o.MaxConcurrent = 1 }, func(_ http.ResponseWriter, r recorded) {
		arrived <- struct{}{}
		select {
		case <-release:
		case <-r.Context().Done():
		}
	})
	defer close(release)
	reason := errors.New("shutting down")
	ctx, cancel := context.WithCancelCause(t.Context())
	done := make(chan error, 1)
	go func() {
		_, err := g.As("").Probe(ctx)
		done <- err
	}()
	<-arrived
	waiting, stop := context.WithCancel(t.Context())
	stop()
	_, err := g.As("").Probe(waiting)
	if e := wantError(t, err, CodeCanceled); !errors.Is(e, context.Canceled) || e.Unclear {
		t.Errorf("%v, cause %v", e, e.Cause)
	}
	cancel(reason)
	if e := wantError(t, <-done, CodeCanceled); !errors.Is(e, reason) || e.Class() != Canceled || !e.Unclear {
		t.Errorf("%v, cause %v, unclear %v", e, e.Cause, e.Unclear)
	}
}

// TestVersionFallback meets a back end that does not know SP1.
func TestVersionFallback(t *testing.T) {
	t.Parallel()
	old := func(refusal string, status int) func(http.ResponseWriter, recorded) {
		return func(w http.ResponseWriter, r recorded) {
			if strings.Contains(r.payload, `Version="Exchange2013_SP1"`) {
				soap(w, status, refusal)
				return
			}
			soap(w, 200, response("UpdateItem", success("UpdateItem", `<m:Items><t:CalendarItem><t:ItemId Id="A" ChangeKey="B"/></t:CalendarItem></m:Items>`)))
		}
	}
	update := UpdateItemRequest{SuppressReadReceipts: true, Changes: []ItemChange{{Item: ItemID{"A", "K"}.Ref(), Updates: []FieldUpdate{Delete(Field("item:Categories"))}}}}
	for name, answer := range map[string]func(http.ResponseWriter, recorded){
		"fault":   old(transcript(t, "fault_version"), 500),
		"message": old(response("UpdateItem", failed("UpdateItem", "ErrorInvalidSchemaVersionForMailboxVersion")), 200),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := newRig(t, nil, answer)
			for range 2 {
				got, err := g.As("User@example.com").UpdateItem(ctxOf(t), update)
				if err != nil || got[0].Err != nil {
					t.Fatalf("%v %v", err, got)
				}
			}
			if _, err := g.As("other@example.com").UpdateItem(ctxOf(t), update); err != nil {
				t.Fatal(err)
			}
			var sent []string
			for _, r := range g.requests() {
				v := "SP1"
				if strings.Contains(r.payload, `"Exchange2013"`) {
					v = "2013"
					if strings.Contains(r.payload, "SuppressReadReceipts") {
						t.Error("Exchange 2013 does not know SuppressReadReceipts")
					}
				}
				sent = append(sent, v)
			}
			if got := strings.Join(sent, " "); got != "SP1 2013 2013 SP1 2013" {
				t.Errorf("sent %s: one fallback for each mailbox", got)
			}
		})
	}
}

// TestNoFallback sends nothing twice where it may have been carried out, and
// keeps no version that did not help.
func TestNoFallback(t *testing.T) {
	t.Parallel()
	change := ItemChange{Item: ItemID{"A", "K"}.Ref(), Updates: []FieldUpdate{Delete(Field("item:Categories"))}}
	update := UpdateItemRequest{Changes: []ItemChange{change, change}}
	ok := success("UpdateItem", `<m:Items><t:CalendarItem><t:ItemId Id="A"/></t:CalendarItem></m:Items>`)
	for name, tc := range map[string]struct {
		answer string
		sent   int
	}{
		"half done":        {response("UpdateItem", failed("UpdateItem", "ErrorInvalidServerVersion")+ok), 1},
		"item's own fault": {response("UpdateItem", failed("UpdateItem", "ErrorInvalidRequest")+failed("UpdateItem", "ErrorInvalidRequest")), 1},
		"never understood": {transcript(t, "fault_version"), 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := newRig(t, nil, func(w http.ResponseWriter, _ recorded) { soap(w, 200, tc.answer) })
			g.As("u@example.com").UpdateItem(ctxOf(t), update)
			if n := len(g.requests()); n != tc.sent {
				t.Errorf("sent %d times, want %d", n, tc.sent)
			}
			if v := g.As("u@example.com").version(); v != version2013SP1 {
				t.Errorf("version %s was kept", v)
			}
		})
	}
}

// TestTraceAndLog checks what is written where.
func TestTraceAndLog(t *testing.T) {
	t.Parallel()
	var trace, log bytes.Buffer
	g := newRig(t, func(o *Options) {
		o.Trace = &trace
		o.Logger = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	}, func(w http.ResponseWriter, r recorded) {
		w.Header().Set("X-FEServer", "EX-FE-1")
		answerWith(t, "getitem_single")(w, r)
	})
	if _, err := g.As("user@example.com").GetItem(ctxOf(t), CalendarShape(BodyHTML), ItemID{ID: "A"}.Ref()); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"> GetItem", "< GetItem", "Plan &amp; review", "user@example.com"} {
		if !strings.Contains(trace.String(), want) {
			t.Errorf("the trace lacks %q", want)
		}
	}
	for _, want := range []string{"op=GetItem", "status=200", "x-feserver=EX-FE-1", "client_request_id="} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log lacks %q: %s", want, &log)
		}
	}
	for _, private := range []string{"Plan", "@example.com", rigPassword, "Basic"} {
		if strings.Contains(log.String(), private) {
			t.Errorf("the log holds %q", private)
		}
	}
	if strings.Contains(trace.String(), rigPassword) || strings.Contains(trace.String(), "Authorization") {
		t.Error("the trace holds the credentials")
	}
}

// TestIdleConnection lets the server close a connection that the client keeps:
// a read is sent again unnoticed.
func TestIdleConnection(t *testing.T) {
	t.Parallel()
	var n atomic.Int32
	g := newRig(t, nil, func(w http.ResponseWriter, r recorded) {
		if n.Add(1) == 2 {
			panic(http.ErrAbortHandler)
		}
		alive(w, r)
	})
	for range 2 {
		if err := probe(t, g.Client); err != nil {
			t.Fatal(err)
		}
	}
	if n.Load() != 3 {
		t.Errorf("%d requests", n.Load())
	}
}

func TestLimitsOfParsing(t *testing.T) {
	t.Parallel()
	deep := strings.Repeat("<a>", 1000) + strings.Repeat("</a>", 1000)
	g := newRig(t, nil, func(w http.ResponseWriter, _ recorded) { soap(w, 200, envelope(deep)) })
	if e := wantError(t, probe(t, g.Client), CodeTooLarge); !errors.Is(e, wire.ErrTooLarge) {
		t.Errorf("cause %v", e.Cause)
	}
}
