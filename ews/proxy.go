package ews

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/koyomi-cal/koyomi/ews/internal/ntlm"
)

const dialTime = 15 * time.Second

// dialer makes connections, through a proxy where there is one.
type dialer struct {
	direct  func(ctx context.Context, network, address string) (net.Conn, error)
	tls     *tls.Config
	proxy   *url.URL // nil: none
	account *Account // of the proxy; nil: it asks for none
	agent   string
}

func (o *Options) dialer(roots *x509.CertPool) (*dialer, error) {
	d := &dialer{
		direct: o.DialContext, account: o.ProxyAccount, agent: o.UserAgent,
		tls: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
	}
	if d.direct == nil {
		d.direct = (&net.Dialer{Timeout: dialTime, KeepAlive: 30 * time.Second}).DialContext
	}
	if o.Proxy == "" {
		return d, nil
	}
	u, err := url.Parse(o.Proxy)
	switch {
	case err != nil || u.Hostname() == "" || u.Scheme != "http" && u.Scheme != "https":
		return nil, invalid("", "give the whole URL of the proxy, such as http://proxy.example.com:3128")
	case u.User != nil:
		return nil, invalid("", "leave name and password out of the proxy's URL; give them as credentials")
	}
	d.proxy = u
	return d, nil
}

// transport makes connections by HTTP/1.1 only: authentication and hanging
// requests of Exchange do not work over HTTP/2.
func (o *Options) transport(roots *x509.CertPool, keepAlive bool) *http.Transport {
	var h1 http.Protocols
	h1.SetHTTP1(true)
	dial := func(context.Context, string, string) (net.Conn, error) { return nil, errSpent }
	t := &http.Transport{
		DialContext: dial, Protocols: &h1, TLSHandshakeTimeout: dialTime,
		DisableKeepAlives:   !keepAlive,
		DisableCompression:  true, // asked for by hand: not for streams
		MaxIdleConnsPerHost: o.MaxConcurrent,
		IdleConnTimeout:     idleTime,
	}
	if d, err := o.dialer(roots); err == nil { // newSession has told the error
		t.DialContext, t.TLSClientConfig = d.dial, d.tls
	}
	return t
}

// secure puts TLS over a connection, which it closes where that fails.
func (d *dialer) secure(ctx context.Context, raw net.Conn, host string) (*tls.Conn, error) {
	config := d.tls.Clone()
	config.ServerName = host
	config.NextProtos = []string{"http/1.1"}
	conn := tls.Client(raw, config)
	ctx, cancel := context.WithTimeout(ctx, dialTime)
	defer cancel()
	if err := conn.HandshakeContext(ctx); err != nil {
		_ = raw.Close()
		return nil, err
	}
	return conn, nil
}

// passKey is the context's key for the permission of the request for which a
// connection is made.
type passKey struct{}

type usedPass struct {
	account *Account
	pass    pass
}

// proxyRefusal is a 407.
type proxyRefusal struct {
	why    *Error
	shared bool // the secret is the one that the request uses, too
}

// Error says why.
func (r *proxyRefusal) Error() string { return r.why.Error() }

// Unwrap returns the error for the caller.
func (r *proxyRefusal) Unwrap() error { return r.why }

// dial makes a connection. A proxy's secret goes through the gate of its own
// account, or is under the request's permission where it is the same account.
func (d *dialer) dial(ctx context.Context, network, address string) (net.Conn, error) {
	if d.proxy == nil {
		return d.direct(ctx, network, address)
	}
	if d.account == nil {
		conn, _, err := d.tunnel(ctx, address, nil)
		return conn, err
	}
	if used, is := ctx.Value(passKey{}).(usedPass); is && used.account == d.account {
		conn, v, err := d.tunnel(ctx, address, &used.pass)
		if v == refused {
			e, _ := errors.AsType[*Error](err)
			return nil, &proxyRefusal{e, true}
		}
		return conn, err
	}
	var conn net.Conn
	var failure error
	refusal := d.account.use(ctx, "CONNECT", d.proxy.Host, func(p pass, _ bool) (o outcome) {
		conn, o.verdict, failure = d.tunnel(ctx, address, &p)
		o.err, _ = errors.AsType[*Error](failure)
		o.answered = o.verdict != refused
		if failure != nil && o.err == nil {
			o.err = (&call{op: "CONNECT"}).explain(ctx, failure)
		}
		return o
	})
	if refusal != nil {
		return nil, &proxyRefusal{ofProxy(refusal), false}
	}
	return conn, failure
}

// ofProxy turns what the gate of a proxy's account says into an error of the
// proxy.
func ofProxy(e *Error) *Error {
	if e.Class() != Auth || e.Code == CodeProxyAuth {
		return e
	}
	c := *e
	c.Code, c.Message = CodeProxyAuth, refusedByProxy
	return &c
}

const refusedByProxy = "the proxy refuses its user name or password, and they are not tried again for now; enter the right ones"

// tunnel asks the proxy for a connection (RFC 9110 9.3.6), with a secret where
// there is one.
func (d *dialer) tunnel(ctx context.Context, address string, p *pass) (net.Conn, verdict, error) {
	conn, err := d.toProxy(ctx)
	if err != nil {
		return nil, unknown, err
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	_ = conn.SetDeadline(time.Now().Add(2 * dialTime))
	resp, err := d.ask(conn, address, p) //nolint:bodyclose // what follows the head is the tunnel
	switch {
	case err != nil:
	case resp.StatusCode/100 == 2 && ctx.Err() == nil && stop():
		_ = conn.SetDeadline(time.Time{})
		return conn, accepted, nil
	case resp.StatusCode == http.StatusProxyAuthRequired && p == nil:
		err = &Error{Code: CodeProxyAuth, Message: "the proxy asks for a user name and password; give them", HTTPStatus: resp.StatusCode}
	case resp.StatusCode == http.StatusProxyAuthRequired:
		_ = conn.Close()
		return nil, refused, &Error{Code: CodeProxyAuth, Message: refusedByProxy, HTTPStatus: resp.StatusCode}
	case ctx.Err() == nil:
		err = &Error{Code: CodeTransport, Message: "the proxy does not make the connection; check that its rules allow this server and port", HTTPStatus: resp.StatusCode}
	default:
		err = ctx.Err()
	}
	_ = conn.Close()
	return nil, unknown, err
}

// toProxy connects to the proxy itself.
func (d *dialer) toProxy(ctx context.Context) (net.Conn, error) {
	port := d.proxy.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[d.proxy.Scheme]
	}
	conn, err := d.direct(ctx, "tcp", net.JoinHostPort(d.proxy.Hostname(), port))
	if err != nil || d.proxy.Scheme == "http" {
		return conn, err
	}
	return d.secure(ctx, conn, d.proxy.Hostname())
}

// ask sends CONNECT, twice with NTLM.
func (d *dialer) ask(conn net.Conn, address string, p *pass) (*http.Response, error) {
	r := bufio.NewReader(conn)
	if p == nil {
		return d.connect(conn, r, address, "")
	}
	if p.Scheme != NTLM {
		return d.connect(conn, r, address, basic(*p))
	}
	hello := ntlm.NewNegotiate()
	resp, err := d.connect(conn, r, address, "NTLM "+base64.StdEncoding.EncodeToString(hello))
	if err != nil || resp.StatusCode != http.StatusProxyAuthRequired {
		return resp, err
	}
	data, _ := challenge(resp.Header, "Proxy-Authenticate", "NTLM")
	if !drain(resp) || data == "" {
		return nil, &Error{Code: CodeNoScheme, Message: "the proxy does not take NTLM; give a name and password for Basic"}
	}
	msg, err := ntlmAnswer(*p, hello, data, "HTTP/"+d.proxy.Hostname(), nil)
	if err != nil {
		return nil, err
	}
	return d.connect(conn, r, address, "NTLM "+msg)
}

// connect sends one CONNECT and reads the head of the answer.
func (d *dialer) connect(conn net.Conn, r *bufio.Reader, address, authorization string) (*http.Response, error) {
	req := &http.Request{Method: http.MethodConnect, URL: &url.URL{Opaque: address}, Host: address, Header: http.Header{}}
	if d.agent != "" {
		req.Header.Set("User-Agent", d.agent)
	}
	if authorization != "" {
		req.Header.Set("Proxy-Authorization", authorization)
	}
	if err := req.Write(conn); err != nil {
		return nil, err
	}
	resp, err := http.ReadResponse(r, req)
	if err == nil && resp.StatusCode/100 == 2 && r.Buffered() > 0 {
		return nil, io.ErrUnexpectedEOF // the server must not speak first
	}
	return resp, err
}
