package ews_test

import (
	"bufio"
	"encoding/base64"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/koyomi-cal/koyomi/ews"
	"github.com/koyomi-cal/koyomi/ews/ewstest"
	"github.com/koyomi-cal/koyomi/ews/internal/ntlm"
)

// proxy is an HTTP proxy that knows CONNECT and one password.
type proxy struct {
	url      string
	scheme   string // "": takes anybody
	password string
	tunnels  atomic.Int32
	refused  atomic.Int32
}

func startProxy(t *testing.T, scheme, password string) *proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{url: "http://" + l.Addr().String(), scheme: scheme, password: password}
	var running sync.WaitGroup
	var mu sync.Mutex
	var open []net.Conn
	running.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			open = append(open, conn)
			mu.Unlock()
			running.Go(func() { p.serve(conn) })
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		mu.Lock()
		for _, c := range open {
			_ = c.Close()
		}
		mu.Unlock()
		running.Wait()
	})
	return p
}

func (p *proxy) serve(conn net.Conn) {
	defer conn.Close()
	r := bufio.NewReader(conn)
	var hello, challenge []byte
	for {
		req, err := http.ReadRequest(r)
		if err != nil {
			return
		}
		if req.Method != http.MethodConnect {
			_, _ = io.WriteString(conn, "HTTP/1.1 405 No\r\nContent-Length: 0\r\n\r\n")
			return
		}
		given, ok := req.Header.Get("Proxy-Authorization"), p.scheme == ""
		switch scheme, data, _ := strings.Cut(given, " "); {
		case ok:
		case scheme == "Basic" && p.scheme == "Basic":
			text, _ := base64.StdEncoding.DecodeString(data)
			ok = string(text) == "svc@example.com:"+p.password
			if !ok {
				p.refused.Add(1)
			}
		case scheme == "NTLM" && p.scheme == "NTLM":
			msg, _ := base64.StdEncoding.DecodeString(data)
			if ntlm.Kind(msg) == 1 {
				hello = msg
				challenge, _ = ntlm.NewChallenge(msg, [8]byte{1}, "D", "C", "d", time.Now())
				_, _ = io.WriteString(conn, "HTTP/1.1 407 No\r\nProxy-Authenticate: NTLM "+base64.StdEncoding.EncodeToString(challenge)+"\r\nContent-Length: 2\r\n\r\nno")
				continue
			}
			a, err := ntlm.ParseAuthenticate(msg)
			ok = err == nil && a.Verify(hello, challenge, ntlm.NewKey(a.User, a.Domain, p.password)) == nil
			if !ok {
				p.refused.Add(1)
			}
		}
		if !ok {
			_, _ = io.WriteString(conn, "HTTP/1.1 407 No\r\nProxy-Authenticate: "+p.scheme+"\r\nContent-Length: 0\r\n\r\n")
			continue
		}
		out, err := net.Dial("tcp", req.Host)
		if err != nil {
			_, _ = io.WriteString(conn, "HTTP/1.1 502 No\r\nContent-Length: 0\r\n\r\n")
			return
		}
		p.tunnels.Add(1)
		_, _ = io.WriteString(conn, "HTTP/1.1 200 Yes\r\n\r\n")
		var both sync.WaitGroup
		both.Go(func() { _, _ = io.Copy(out, r); _ = out.(*net.TCPConn).CloseWrite() })
		_, _ = io.Copy(conn, out)
		_ = conn.Close()
		both.Wait()
		_ = out.Close()
		return
	}
}

func asProxyUser(password string, scheme ews.Scheme) *ews.Account {
	return ews.NewAccount(ews.Credentials{Username: "svc@example.com", Password: ews.NewSecret(password), Scheme: scheme}, ews.AccountOptions{})
}

// TestProxy goes through proxies of every kind, with NTLM to the server inside.
func TestProxy(t *testing.T) {
	t.Parallel()
	for name, scheme := range map[string]ews.Scheme{"": "", "Basic": ews.Basic, "NTLM": ews.NTLM} {
		for _, inner := range []ews.Scheme{ews.Basic, ews.NTLM} {
			t.Run(name+" "+string(inner), func(t *testing.T) {
				t.Parallel()
				p := startProxy(t, name, "password")
				s, c := signInServer(t, ewstest.Options{Auth: []string{ewstest.AuthNTLM, ewstest.AuthBasic}, ExtendedProtection: ewstest.ProtectionRequire}, ews.Credentials{
					Username: "svc@example.com", Password: ews.NewSecret("password"), Scheme: inner,
				}, func(o *ews.Options) {
					o.Proxy = p.url
					if name != "" {
						o.ProxyAccount = asProxyUser("password", scheme)
					}
				})
				for range 2 {
					if err := ask(t, c); err != nil {
						t.Fatal(err)
					}
				}
				if p.tunnels.Load() != 1 || s.Count("ConvertId") != 2 {
					t.Errorf("%d tunnels, %d calls", p.tunnels.Load(), s.Count("ConvertId"))
				}
			})
		}
	}
}

// TestProxyRefuses sends the proxy's password once, and has the client held
// until there is another.
func TestProxyRefuses(t *testing.T) {
	t.Parallel()
	for name, scheme := range map[string]ews.Scheme{"Basic": ews.Basic, "NTLM": ews.NTLM} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := startProxy(t, name, "password")
			account := asProxyUser("wrong", scheme)
			s, c := signInServer(t, ewstest.Options{}, ews.Credentials{Username: "svc@example.com", Password: ews.NewSecret("password")}, func(o *ews.Options) {
				o.Proxy, o.ProxyAccount = p.url, account
			})
			for range 5 {
				if err := ask(t, c); err == nil || err.Code != ews.CodeProxyAuth || err.Class() != ews.Auth {
					t.Fatalf("got %v", err)
				}
			}
			if n := p.refused.Load(); n != 1 || c.HeldUntil().IsZero() || len(s.Calls()) != 0 {
				t.Errorf("%d refused, held until %v", n, c.HeldUntil())
			}
			account.SetCredentials(ews.Credentials{Username: "svc@example.com", Password: ews.NewSecret("password"), Scheme: scheme})
			if err := ask(t, c); err != nil || !c.HeldUntil().IsZero() {
				t.Errorf("the right password: %v", err)
			}
		})
	}
}

// TestProxySharedAccount: a proxy that takes the same name and password has the
// same gate, and nobody waits for himself.
func TestProxySharedAccount(t *testing.T) {
	t.Parallel()
	for _, scheme := range []ews.Scheme{ews.Basic, ews.NTLM} {
		p := startProxy(t, map[ews.Scheme]string{ews.Basic: "Basic", ews.NTLM: "NTLM"}[scheme], "password")
		account := asProxyUser("wrong", scheme)
		s, c := signInServer(t, ewstest.Options{Auth: []string{ewstest.AuthBasic, ewstest.AuthNTLM}}, ews.Credentials{}, func(o *ews.Options) {
			o.Proxy, o.Account, o.ProxyAccount = p.url, account, account
		})
		for range 3 {
			if err := ask(t, c); err == nil || err.Class() != ews.Auth {
				t.Fatalf("got %v", err)
			}
		}
		if n := p.refused.Load(); n != 1 || s.Refused("svc@example.com") != 0 {
			t.Errorf("%s: the wrong password was sent %d times", scheme, n)
		}
		account.SetCredentials(ews.Credentials{Username: "svc@example.com", Password: ews.NewSecret("password"), Scheme: scheme})
		if err := ask(t, c); err != nil {
			t.Errorf("the right password: %v", err)
		}
	}
}

// TestProxyWithoutPassword says what is missing, and holds nothing.
func TestProxyWithoutPassword(t *testing.T) {
	t.Parallel()
	p := startProxy(t, "Basic", "password")
	_, c := signInServer(t, ewstest.Options{}, ews.Credentials{Username: "svc@example.com", Password: ews.NewSecret("password")}, func(o *ews.Options) { o.Proxy = p.url })
	if err := ask(t, c); err == nil || err.Code != ews.CodeProxyAuth || !strings.Contains(err.Message, "asks for") {
		t.Errorf("got %v", err)
	}
	for _, bad := range []string{"proxy:3128", "ftp://proxy", "http://user:pw@proxy:3128"} {
		if _, err := ews.New(ews.Options{URL: "https://mail.example.com/", Credentials: ews.Credentials{Username: "u"}, Proxy: bad}); err == nil {
			t.Errorf("%s is taken", bad)
		}
	}
}
