package ews_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/koyomi-cal/koyomi/ews"
	"github.com/koyomi-cal/koyomi/ews/ewstest"
)

// signInServer starts a server over TLS and a client of its service account.
func signInServer(t *testing.T, o ewstest.Options, creds ews.Credentials, change func(*ews.Options)) (*ewstest.Server, *ews.Client) {
	t.Helper()
	o.Users, o.TLS = 2, true
	s := ewstest.Start(o)
	t.Cleanup(s.Close)
	if s.Err() != nil {
		t.Fatal(s.Err())
	}
	return s, clientOf(t, s, creds, change)
}

func clientOf(t *testing.T, s *ewstest.Server, creds ews.Credentials, change func(*ews.Options)) *ews.Client {
	t.Helper()
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(s.CA)
	opts := ews.Options{URL: s.URL, RootCAs: pool, Credentials: creds}
	if change != nil {
		change(&opts)
	}
	c, err := ews.New(opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func byNTLM(name, password string) ews.Credentials {
	return ews.Credentials{Username: name, Password: ews.NewSecret(password), Scheme: ews.NTLM}
}

func ask(t *testing.T, c *ews.Client) *ews.Error {
	t.Helper()
	_, err := c.As("user0001@example.com").Probe(t.Context())
	if err == nil {
		return nil
	}
	e, is := errors.AsType[*ews.Error](err)
	if !is {
		t.Fatalf("got %v", err)
	}
	return e
}

// TestNTLM signs in with every spelling of the name, with and without Extended
// Protection.
func TestNTLM(t *testing.T) {
	t.Parallel()
	for _, protection := range []string{ewstest.ProtectionOff, ewstest.ProtectionAllow, ewstest.ProtectionRequire} {
		for _, name := range []string{`EXAMPLE\svc`, "svc@example.com", "svc"} {
			t.Run(protection+" "+strings.ReplaceAll(name, `\`, "-"), func(t *testing.T) {
				t.Parallel()
				s, c := signInServer(t, ewstest.Options{Auth: []string{ewstest.AuthNTLM}, ExtendedProtection: protection}, byNTLM(name, "password"), nil)
				for range 3 {
					if err := ask(t, c); err != nil {
						t.Fatal(err)
					}
				}
				if n := s.Refused("svc@example.com"); n != 0 {
					t.Errorf("%d refused", n)
				}
			})
		}
	}
}

// TestNTLMWithoutBinding leaves the binding out, as behind a load balancer with
// a certificate of its own.
func TestNTLMWithoutBinding(t *testing.T) {
	t.Parallel()
	for protection, fine := range map[string]bool{ewstest.ProtectionAllow: true, ewstest.ProtectionRequire: false} {
		s, c := signInServer(t, ewstest.Options{Auth: []string{ewstest.AuthNTLM}, ExtendedProtection: protection}, ews.Credentials{}, func(o *ews.Options) {
			o.Account = ews.NewAccount(byNTLM("svc@example.com", "password"), ews.AccountOptions{NoBinding: true})
		})
		if err := ask(t, c); (err == nil) != fine {
			t.Errorf("%s: %v, %d refused", protection, err, s.Refused("svc@example.com"))
		}
	}
}

// TestNTLMOtherCertificate lets a server expect the binding of another
// certificate: the client tries once without, remembers that, and tells.
func TestNTLMOtherCertificate(t *testing.T) {
	t.Parallel()
	other, _, err := ewstest.NewCertificate(time.Now(), "exchange.example.com")
	if err != nil {
		t.Fatal(err)
	}
	inner := ewstest.NewServer(ewstest.Options{Users: 1, Auth: []string{ewstest.AuthNTLM}, Certificate: other.Certificate[0], Lockout: 5})
	t.Cleanup(inner.Close)
	front := listenTLS(t, inner)
	c := clientOf(t, &ewstest.Server{URL: front.url, CA: front.ca}, byNTLM("svc@example.com", "password"), nil)
	for range 3 {
		if err := ask(t, c); err != nil {
			t.Fatal(err)
		}
	}
	strict := clientOf(t, &ewstest.Server{URL: front.url, CA: front.ca}, ews.Credentials{}, func(o *ews.Options) {
		o.Account = ews.NewAccount(byNTLM("svc@example.com", "password"), ews.AccountOptions{Threshold: 3})
	})
	if err := ask(t, strict); err == nil || err.Code != ews.CodeAuthFailed {
		t.Errorf("with a threshold of 3 a second attempt was made: %v", err)
	}
}

// TestNTLMWrongPassword tries a wrong password as often as the account can bear:
// half of the threshold, whatever the sign-in takes.
func TestNTLMWrongPassword(t *testing.T) {
	t.Parallel()
	s, c := signInServer(t, ewstest.Options{Auth: []string{ewstest.AuthNTLM}, Lockout: 5}, byNTLM(`EXAMPLE\svc`, "wrong"), nil)
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			if err := ask(t, c); err == nil || err.Code != ews.CodeAuthFailed {
				t.Errorf("got %v", err)
			}
		})
	}
	wg.Wait()
	if n := s.Refused("svc@example.com"); n > 2 || s.Lockouts() != 0 {
		t.Errorf("refused %d times, locked %d times", n, s.Lockouts())
	}
	if c.HeldUntil().IsZero() {
		t.Error("there is no hold")
	}
	c.SetCredentials(byNTLM(`EXAMPLE\svc`, "password"))
	if err := ask(t, c); err != nil {
		t.Error(err)
	}
}

// TestNTLMConcurrent sends many requests at once: connections are used again and
// never shared, and no handshake is done for each request.
func TestNTLMConcurrent(t *testing.T) {
	t.Parallel()
	legs := &countLegs{}
	s, c := signInServer(t, ewstest.Options{Auth: []string{ewstest.AuthNTLM}}, byNTLM("svc@example.com", "password"), func(o *ews.Options) {
		o.DialContext = legs.dial
		o.MaxConcurrent = 4
	})
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 25 {
				if err := ask(t, c); err != nil {
					t.Errorf("got %v", err)
				}
			}
		})
	}
	wg.Wait()
	if n := legs.dials.Load(); n > 8 {
		t.Errorf("%d connections for 100 requests, four at once", n)
	}
	if n := s.Refused("svc@example.com"); n != 0 {
		t.Errorf("%d refused", n)
	}
}

// TestNTLMLostConnection has the server close all connections: the sign-in is
// done anew, unnoticed, also for requests that must not be sent twice.
func TestNTLMLostConnection(t *testing.T) {
	t.Parallel()
	legs := &countLegs{}
	_, c := signInServer(t, ewstest.Options{Auth: []string{ewstest.AuthNTLM}}, byNTLM("svc@example.com", "password"), func(o *ews.Options) { o.DialContext = legs.dial })
	if err := ask(t, c); err != nil {
		t.Fatal(err)
	}
	legs.closeAll()
	if err := ask(t, c); err != nil {
		t.Errorf("after the connection was closed: %v", err)
	}
	if n := legs.dials.Load(); n != 2 {
		t.Errorf("%d connections", n)
	}
}

// TestNTLMNotOffered keeps the password at home where the server wants another
// way, and does not go down to Basic.
func TestNTLMNotOffered(t *testing.T) {
	t.Parallel()
	s, c := signInServer(t, ewstest.Options{Auth: []string{ewstest.AuthBasic}}, byNTLM("svc@example.com", "password"), nil)
	err := ask(t, c)
	if err == nil || err.Code != ews.CodeNoScheme || err.Class() != ews.AccountLevel || !c.HeldUntil().IsZero() {
		t.Errorf("got %v", err)
	}
	if n := len(s.Calls()); n != 0 {
		t.Errorf("%d calls", n)
	}
}

// TestNTLMStream reads a stream on a connection of its own, with other requests
// beside it.
func TestNTLMStream(t *testing.T) {
	t.Parallel()
	_, c := signInServer(t, ewstest.Options{Auth: []string{ewstest.AuthNTLM}}, byNTLM("svc@example.com", "password"), nil)
	if err := ask(t, c); err != nil {
		t.Fatal(err)
	}
	box := c.As("user0001@example.com")
	sub, err := box.Subscribe(t.Context(), ews.SubscribeRequest{})
	if err != nil {
		t.Fatal(err)
	}
	heard := 0
	for _, err := range box.GetStreamingEvents(t.Context(), []string{sub}, time.Minute) {
		if err != nil {
			t.Fatal(err)
		}
		heard++
		if err := ask(t, c); err != nil {
			t.Errorf("beside the stream: %v", err)
		}
		break
	}
	if heard != 1 {
		t.Error("the stream is silent")
	}
}

// TestNTLMLegs looks at a sign-in on the wire: the first leg has no body and
// says nothing of the user, the body comes with the second, on the same
// connection, and what comes after carries nothing of the sign-in.
func TestNTLMLegs(t *testing.T) {
	t.Parallel()
	s := ewstest.Start(ewstest.Options{Users: 1, Auth: []string{ewstest.AuthNTLM}})
	t.Cleanup(s.Close)
	wire := &written{}
	c, err := ews.New(ews.Options{URL: s.URL, Credentials: byNTLM("svc@example.com", "password"), DialContext: wire.dial})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	for range 2 {
		if err := ask(t, c); err != nil {
			t.Fatal(err)
		}
	}
	if len(wire.conns) != 1 {
		t.Fatalf("%d connections", len(wire.conns))
	}
	requests := strings.Split(wire.conns[0].sent.String(), "POST /EWS/Exchange.asmx HTTP/1.1\r\n")[1:]
	if len(requests) != 3 {
		t.Fatalf("%d requests:\n%s", len(requests), &wire.conns[0].sent)
	}
	for i, want := range []struct{ has, hasNot string }{
		{"Content-Length: 0\r\n", "Envelope"}, {"Authorization: NTLM TlRMTVNTUAADAAAA", "Content-Length: 0\r\n"}, {"Envelope", "Authorization"},
	} {
		if !strings.Contains(requests[i], want.has) || strings.Contains(requests[i], want.hasNot) {
			t.Errorf("request %d:\n%s", i+1, requests[i])
		}
	}
	if !strings.Contains(requests[1], "Envelope") || !strings.Contains(requests[0], "Authorization: NTLM TlRMTVNTUAABAAAA") {
		t.Error("the legs are not those of a sign-in")
	}
}

// written remembers what was written on each connection.
type written struct{ conns []*writtenConn }

type writtenConn struct {
	net.Conn
	sent strings.Builder
}

func (c *writtenConn) Write(p []byte) (int, error) {
	c.sent.Write(p)
	return c.Conn.Write(p)
}

func (w *written) dial(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := new(net.Dialer).DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	c := &writtenConn{Conn: conn}
	w.conns = append(w.conns, c)
	return c, nil
}

// TestNTLMMiddleboxes closes connections in the middle of the sign-in, or gives
// each request a connection of its own: the error says what to look at, and the
// password is not blamed.
func TestNTLMMiddleboxes(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]http.HandlerFunc{
		"closes": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Connection", "close")
			w.Header().Set("WWW-Authenticate", "NTLM")
			w.WriteHeader(http.StatusUnauthorized)
		},
		"forgets": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("WWW-Authenticate", "NTLM")
			w.WriteHeader(http.StatusUnauthorized)
		},
		"garbage": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("WWW-Authenticate", "NTLM TlRMTVNTUAACAAAA")
			w.WriteHeader(http.StatusUnauthorized)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			front := httptest.NewServer(answer)
			t.Cleanup(front.Close)
			c, err := ews.New(ews.Options{URL: front.URL, Credentials: byNTLM("svc@example.com", "password")})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(c.Close)
			if e := ask(t, c); e == nil || e.Code != ews.CodeTransport || !c.HeldUntil().IsZero() {
				t.Errorf("got %v, held until %v", e, c.HeldUntil())
			}
		})
	}
}

type front struct {
	url string
	ca  []byte
}

// listenTLS serves with a certificate that is not the one that the server
// expects bindings of.
func listenTLS(t *testing.T, s *ewstest.Server) front {
	t.Helper()
	cert, ca, err := ewstest.NewCertificate(time.Now(), "127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var running sync.WaitGroup
	running.Go(func() {
		if err := s.Serve(tls.NewListener(l, &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12})); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() { s.Close(); running.Wait() })
	return front{"https://" + l.Addr().String() + ewstest.Path, ca}
}

// countLegs counts connections and can close them all.
type countLegs struct {
	dials atomic.Int32
	mu    sync.Mutex
	conns []net.Conn
}

func (c *countLegs) dial(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := new(net.Dialer).DialContext(ctx, network, address)
	if err == nil {
		c.dials.Add(1)
		c.mu.Lock()
		c.conns = append(c.conns, conn)
		c.mu.Unlock()
	}
	return conn, err
}

func (c *countLegs) closeAll() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, conn := range c.conns {
		_ = conn.Close()
	}
}
