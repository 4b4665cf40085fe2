package ews

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"
)

// connection is one connection with the sign-in that belongs to it. It carries
// one request at a time. Where it is lost, it does not come back as another one
// that is not signed in: errSpent says so, and nothing was sent.
type connection struct {
	key       string // scheme and host
	transport *http.Transport
	raw       net.Conn
	tls       *tls.ConnectionState // nil over http
	version   int                  // of the credentials
	used      bool
	signedIn  bool
}

var errSpent = errors.New("the connection was closed while it was idle")

// connect opens a connection to a request's host.
func (s *session) connect(ctx context.Context, a *attempt, version int) (*connection, error) {
	u := a.req.URL
	address := a.host
	if u.Port() == "" {
		address = net.JoinHostPort(u.Hostname(), map[string]string{"http": "80"}[u.Scheme])
		if u.Scheme == "https" {
			address = net.JoinHostPort(u.Hostname(), "443")
		}
	}
	raw, err := s.dialer.dial(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	c := &connection{key: u.Scheme + "//" + a.host, raw: raw, version: version}
	if u.Scheme == "https" {
		secured, err := s.dialer.secure(ctx, raw, u.Hostname())
		if err != nil {
			return nil, err
		}
		state := secured.ConnectionState()
		c.raw, c.tls = secured, &state
	}
	var once sync.Once
	hand := func(context.Context, string, string) (conn net.Conn, err error) {
		err = errSpent
		once.Do(func() { conn, err = c.raw, nil })
		return conn, err
	}
	var h1 http.Protocols
	h1.SetHTTP1(true)
	c.transport = &http.Transport{
		DialContext: hand, DialTLSContext: hand, Protocols: &h1, DisableCompression: true,
		MaxConnsPerHost: 1, IdleConnTimeout: idleTime,
	}
	return c, nil
}

// close ends the connection, whatever is under way on it.
func (c *connection) close() {
	c.transport.CloseIdleConnections()
	_ = c.raw.Close()
}

// take returns an idle connection that these credentials have signed in, or
// opens one.
func (s *session) take(ctx context.Context, a *attempt, p pass, fresh bool) (*connection, error) {
	key := a.req.URL.Scheme + "//" + a.host
	for !fresh {
		s.mu.Lock()
		list := s.idle[key]
		if len(list) == 0 {
			s.mu.Unlock()
			break
		}
		c := list[len(list)-1]
		s.idle[key] = list[:len(list)-1]
		s.mu.Unlock()
		if c.version == p.version {
			return c, nil
		}
		c.close()
	}
	return s.connect(ctx, a, p.version)
}

// keep takes a connection back that is signed in, or could be again.
func (s *session) keep(c *connection) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || len(s.idle[c.key]) >= s.most {
		c.close()
		return
	}
	s.idle[c.key] = append(s.idle[c.key], c)
}

// lease lets a connection go where its response was read to the end, and ends
// it where the rest is not wanted.
type lease struct {
	io.ReadCloser
	s    *session
	c    *connection
	last bool // the server closes the connection
	once sync.Once
}

// Read reads on.
func (l *lease) Read(p []byte) (int, error) {
	n, err := l.ReadCloser.Read(p)
	if err == io.EOF {
		l.end(!l.last)
	} else if err != nil {
		l.end(false)
	}
	return n, err
}

// Close ends the response.
func (l *lease) Close() error {
	err := l.ReadCloser.Close()
	l.end(false)
	return err
}

func (l *lease) end(whole bool) {
	l.once.Do(func() {
		if whole {
			l.s.keep(l.c)
		} else {
			l.c.close()
		}
	})
}

// drain reads a short body to its end, so that its connection can go on. It
// reports whether it can.
func drain(resp *http.Response) bool {
	defer resp.Body.Close()
	n, err := io.Copy(io.Discard, io.LimitReader(resp.Body, 64<<10))
	return err == nil && n < 64<<10 && !resp.Close
}

const (
	idleTime  = 90 * time.Second // IIS closes after 120 s
	maxSpents = 20               // idle connections that may turn out to be closed, one after the other
)

// challenge returns the data of a scheme in WWW-Authenticate or
// Proxy-Authenticate, and whether the scheme is offered at all.
func challenge(h http.Header, name, scheme string) (data string, offered bool) {
	for _, v := range h.Values(name) {
		for part := range strings.SplitSeq(v, ",") {
			word, rest, _ := strings.Cut(strings.TrimSpace(part), " ")
			if !strings.EqualFold(word, scheme) {
				continue
			}
			if offered = true; rest != "" {
				return strings.TrimSpace(rest), true
			}
		}
	}
	return data, offered
}
