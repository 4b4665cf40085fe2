package foreign

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/koyomi-cal/koyomi/ews"
	"github.com/koyomi-cal/koyomi/ews/ewstest"
	"github.com/koyomi-cal/koyomi/internal/calendar"
	"github.com/koyomi-cal/koyomi/internal/exchange"
)

// publicDir is a folder that a daemon can read after it has given up root.
func publicDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "koyomi-foreign-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o777); err != nil { //nolint:gosec // nothing in it is worth a thing
		t.Fatal(err)
	}
	return dir
}

// certificate writes cert.pem, key.pem, both.pem and ca.pem for hosts, and
// returns who trusts them.
func certificate(t *testing.T, dir string, hosts ...string) *x509.CertPool {
	t.Helper()
	cert, ca, err := ewstest.NewCertificate(time.Now(), hosts...)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(cert.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	key := string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
	var chain strings.Builder
	for _, c := range cert.Certificate {
		chain.Write(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c}))
	}
	write(t, dir, "key.pem", key)
	write(t, dir, "cert.pem", chain.String())
	write(t, dir, "both.pem", chain.String()+key)
	write(t, dir, "ca.pem", string(ca))
	return trusting(ca)
}

// serve starts a simulator in this process, whose calls a test can count.
func serve(t *testing.T, o ewstest.Options) *ewstest.Server {
	t.Helper()
	o.Users = max(o.Users, 3)
	s := ewstest.Start(o)
	t.Cleanup(s.Close)
	if err := s.Err(); err != nil {
		t.Fatal(err)
	}
	return s
}

// sent fails the test where the simulator has not seen an operation: what the
// test saw then came from somewhere else.
func sent(t *testing.T, s *ewstest.Server, op string) {
	t.Helper()
	if s.Count(op) == 0 {
		t.Errorf("%s never came through", op)
	}
}

// streams follows a mailbox's events for so many notifications, or to the error.
func streams(ctx context.Context, m *ews.Mailbox, notifications int) (seen int, err error) {
	id, err := m.Subscribe(ctx, ews.SubscribeRequest{})
	if err != nil {
		return 0, err
	}
	for _, err := range m.GetStreamingEvents(ctx, []string{id}, time.Minute) {
		if err != nil {
			return seen, err
		}
		if seen++; seen == notifications {
			break
		}
	}
	return seen, nil
}

// TestHaproxy puts a load balancer between, which takes TLS apart and builds it
// anew and cuts connections that are idle. A real one is set up with 60 s and
// streams have a heartbeat every 45; here it is 3 s and 2. A stream with a slower
// heartbeat is cut, which the client has to notice.
func TestHaproxy(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name      string
		heartbeat time.Duration
		lives     bool
	}{
		{"heartbeat within the idle time", 2 * time.Second, true},
		{"heartbeat too slow", time.Minute, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := serve(t, ewstest.Options{TLS: true, Heartbeat: tt.heartbeat})
			host := newHost(t)
			pool, _ := bridge(t, host, "mail.example.com", s)
			c := client(t, ews.Options{URL: "https://mail.example.com" + ewstest.Path, RootCAs: pool, DialContext: to(host)}, service)

			began := time.Now()
			n, err := streams(limited(t), c.As(user(1)), 5)
			took := time.Since(began)
			t.Logf("%d notifications in %v, then %v", n, took.Round(time.Millisecond), err)
			e, _ := errors.AsType[*ews.Error](err)
			switch {
			case tt.lives && (err != nil || took < 6*time.Second):
				t.Errorf("the stream lived %v and ended with %v, although its heartbeat is faster than the load balancer's idle time", took, err)
			case !tt.lives && (n != 1 || e == nil || e.Class() != ews.Transient):
				t.Errorf("%d notifications and %v: a stream that the load balancer cuts has to end as a transient error after its first word", n, err)
			}
			sent(t, s, "GetStreamingEvents")
		})
	}
}

// bridge has haproxy take TLS apart for a name, and build it anew to a simulator.
// It returns who trusts the name, and the file with the authority.
func bridge(t *testing.T, host, name string, s *ewstest.Server) (roots *x509.CertPool, ca string) {
	t.Helper()
	const haproxy = "/usr/sbin/haproxy"
	need(t, "haproxy", haproxy)
	dir := t.TempDir()
	roots = certificate(t, dir, name)
	conf := write(t, dir, "haproxy.cfg", strings.NewReplacer(
		"{host}", host, "{pem}", filepath.Join(dir, "both.pem"), "{ca}", write(t, dir, "backend.pem", string(s.CA)),
		"{backend}", strings.TrimSuffix(strings.TrimPrefix(s.URL, "https://"), ewstest.Path),
	).Replace(haproxyConfig))
	p := start(t, "haproxy", exec.Command(haproxy, "-db", "-f", conf))
	if err := p.listens(net.JoinHostPort(host, webPort)); err != nil {
		t.Fatal(err)
	}
	return roots, filepath.Join(dir, "ca.pem")
}

const haproxyConfig = `defaults
  mode http
  timeout connect 5s
  timeout client 3s
  timeout server 3s
frontend exchange
  bind {host}:8443 ssl crt {pem} alpn http/1.1
  default_backend servers
backend servers
  server one {backend} ssl verify required verifyhost localhost ca-file {ca} alpn http/1.1
`

// client is ours.
func client(t *testing.T, o ews.Options, name string) *ews.Client {
	t.Helper()
	if o.Credentials.Username == "" {
		o.Credentials.Username, o.Credentials.Password = name, ews.NewSecret(password)
	}
	c, err := ews.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// webPort is where web servers listen instead of 443, which is for root.
const webPort = "8443"

// to leads every connection to the web server on one address, whatever the name
// and port.
func to(host string) func(ctx context.Context, network, address string) (net.Conn, error) {
	return func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, net.JoinHostPort(host, webPort))
	}
}

// TestNginx stands for every proxy that holds answers back until it has enough of
// them: a stream never begins behind it. Koyomi's Exchange then asks for changes
// instead; where the proxy passes everything on, it streams.
func TestNginx(t *testing.T) {
	t.Parallel()
	const nginx = "/usr/sbin/nginx"
	need(t, "nginx", nginx)
	for _, buffering := range []string{"on", "off"} {
		t.Run("proxy_buffering "+buffering, func(t *testing.T) {
			t.Parallel()
			s := serve(t, ewstest.Options{})
			dir, host := publicDir(t), newHost(t)
			pool := certificate(t, dir, "mail.example.com")
			conf := write(t, dir, "nginx.conf", strings.NewReplacer(
				"{user}", userDirective("user www-data;"), "{dir}", dir, "{host}", host, "{buffering}", buffering, "{backend}", strings.TrimSuffix(s.URL, ewstest.Path),
			).Replace(nginxConfig))
			p := start(t, "nginx", exec.Command(nginx, "-e", "stderr", "-p", dir, "-c", conf))
			if err := p.listens(net.JoinHostPort(host, webPort)); err != nil {
				t.Fatal(err)
			}
			x, err := exchange.New(exchange.Options{
				URL: "https://mail.example.com" + ewstest.Path, Username: service, Password: ews.NewSecret(password), RootCAs: pool, DialContext: to(host),
				FirstWord: time.Second, Poll: time.Second,
			})
			if err != nil {
				t.Fatal(err)
			}
			box := calendar.Mailbox{ID: "box-1", Address: user(1)}
			caught, told := 0, 0
			for n, err := range x.Watch(limited(t), []calendar.Mailbox{box}) {
				if err != nil {
					t.Logf("told of %v", err)
					continue
				}
				if n.Change.Kind == calendar.Catchup {
					if caught++; caught == 1 {
						add(t, s)
					}
				} else {
					told++
				}
				if buffering == "on" && caught == 5 || buffering == "off" && told > 0 {
					break
				}
			}
			t.Logf("caught up %d times, told of %d changes, %d streams", caught, told, s.Count("GetStreamingEvents"))
			switch n := s.Count("GetStreamingEvents"); {
			case buffering == "on" && (told > 0 || n != 3):
				t.Errorf("%d changes came by %d streams through a proxy that holds streams back; after three that do not begin none is tried", told, n)
			case buffering == "off" && (told == 0 || n == 0):
				t.Errorf("no change came by a stream (%d)", n)
			}
		})
	}
}

func add(t *testing.T, s *ewstest.Server) {
	t.Helper()
	begin := time.Now().Add(24 * time.Hour).Truncate(time.Hour)
	if _, err := s.Add(user(1), ewstest.Item{Subject: "News", Start: begin, End: begin.Add(time.Hour)}); err != nil {
		t.Error(err)
	}
}

// userDirective is for daemons that root starts and that then give root up.
func userDirective(s string) string {
	if os.Getuid() != 0 {
		return ""
	}
	return s
}

const nginxConfig = `{user}
daemon off;
worker_processes 1;
pid {dir}/pid;
error_log stderr;
events { worker_connections 64; }
http {
  access_log off;
  client_body_temp_path {dir}/body;
  proxy_temp_path {dir}/proxy;
  fastcgi_temp_path {dir}/fastcgi;
  uwsgi_temp_path {dir}/uwsgi;
  scgi_temp_path {dir}/scgi;
  server {
    listen {host}:8443 ssl;
    ssl_certificate {dir}/cert.pem;
    ssl_certificate_key {dir}/key.pem;
    location / {
      proxy_pass {backend};
      proxy_http_version 1.1;
      proxy_buffering {buffering};
      proxy_read_timeout 60s;
    }
  }
}
`

func trusting(ca []byte) *x509.CertPool {
	p := x509.NewCertPool()
	p.AppendCertsFromPEM(ca)
	return p
}
