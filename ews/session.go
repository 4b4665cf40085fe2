package ews

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptrace"
	"strings"
	"sync"
	"time"
)

// session sends requests to any host as one account: by HTTP/1.1, through the
// account's gate, and never along a redirect.
//
// With Basic and OAuth every request stands for itself, and net/http keeps the
// connections. With NTLM and Negotiate the sign-in belongs to the connection, so
// the session keeps those itself and hands each to one request at a time.
type session struct {
	account *Account
	dialer  *dialer
	pooled  *http.Transport
	fresh   *http.Transport // a new connection for each request
	log     *slog.Logger
	most    int // idle connections to a host

	mu     sync.Mutex
	idle   map[string][]*connection // by scheme and host
	closed bool
}

// newSession makes a session of the account. CAFile, RootCAs, DialContext,
// Proxy, ProxyAccount, MaxConcurrent and Logger are looked at.
func (o *Options) newSession(a *Account) (*session, error) {
	roots, err := o.roots()
	if err != nil {
		return nil, err
	}
	log := o.Logger
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	d, err := o.dialer(roots)
	if err != nil {
		return nil, err
	}
	return &session{
		account: a, dialer: d, log: log, most: orDefault(o.MaxConcurrent, 10), idle: map[string][]*connection{},
		pooled: o.transport(roots, true), fresh: o.transport(roots, false),
	}, nil
}

// close ends the idle connections; those in use end with their request.
func (s *session) close() {
	s.mu.Lock()
	idle := s.idle
	s.idle, s.closed = nil, true
	s.mu.Unlock()
	for _, list := range idle {
		for _, c := range list {
			c.close()
		}
	}
	s.pooled.CloseIdleConnections()
	s.fresh.CloseIdleConnections()
}

// do sends a request with a body, answers a 401 as the gate wants it, and
// returns the response, whatever its status: only 401 and 456 become an error,
// of class Auth. The request has neither Authorization nor a body of its own,
// and its header client-request-id names it in errors. A stream gets a
// connection that nobody else waits for.
func (s *session) do(ctx context.Context, op string, req *http.Request, body *payload, stream bool) (*http.Response, *Error) {
	a := &attempt{
		call: call{op: op, id: req.Header.Get("client-request-id"), stream: stream},
		req:  req, body: body, host: strings.ToLower(req.URL.Host),
	}
	var resp *http.Response
	err := s.account.use(ctx, op, a.host, func(p pass, again bool) (o outcome) {
		// A proxy that takes the same account uses this permission.
		resp, o = s.try(context.WithValue(ctx, passKey{}, usedPass{s.account, p}), a, p, again) //nolint:bodyclose // the caller closes it
		return o
	})
	if err != nil {
		return nil, err
	}
	return resp, nil
}

// attempt is a request on its way through a session.
type attempt struct {
	call
	req  *http.Request
	body *payload // nil: none
	host string   // lower case, with the port where the URL has one

	scheme Scheme
}

// try sends a request once, in the credentials' way.
func (s *session) try(ctx context.Context, a *attempt, p pass, again bool) (*http.Response, outcome) {
	switch a.scheme = p.Scheme; p.Scheme {
	case NTLM, Negotiate:
		return s.bySignIn(ctx, a, p, again)
	case OAuth:
		token, o := p.tokens.get(ctx, a, s.pooled, p.secret, again)
		if o != nil {
			return nil, *o
		}
		return s.plainly(ctx, a, again, "Bearer "+token)
	}
	return s.plainly(ctx, a, again, basic(p))
}

// plainly sends a request that stands for itself.
func (s *session) plainly(ctx context.Context, a *attempt, again bool, authorization string) (*http.Response, outcome) {
	way := s.pooled
	if again {
		way = s.fresh
	}
	req := a.request(ctx)
	req.Header.Set("Authorization", authorization)
	return s.judge(a, s.send(ctx, a, way, req))
}

// sent is a response, or why there is none.
type sent struct {
	resp *http.Response
	err  *Error
	raw  error
}

// send sends one request on its way.
func (s *session) send(ctx context.Context, a *attempt, way http.RoundTripper, req *http.Request) sent {
	began := time.Now()
	resp, err := way.RoundTrip(req) //nolint:bodyclose // judge closes it, or the caller of do
	s.record(ctx, a, resp, err, time.Since(began))
	if err != nil {
		return sent{err: a.transportError(ctx, err), raw: err}
	}
	return sent{resp: resp}
}

// judge says what an answer to a request with a secret tells of it.
func (s *session) judge(a *attempt, r sent) (*http.Response, outcome) {
	switch {
	case r.err != nil:
		return nil, outcome{proxyVerdict(r.raw), r.err, false}
	case r.resp.StatusCode == http.StatusUnauthorized || r.resp.StatusCode == 456:
		defer r.resp.Body.Close()
		return nil, outcome{refused, a.refusal(r.resp, a.scheme), false}
	case !answersEWS(r.resp): // from something in front of Exchange: says nothing of the password
		return r.resp, outcome{unknown, a.statusError(r.resp, nil), true}
	case passedAuth(r.resp):
		return r.resp, outcome{accepted, nil, true}
	}
	return r.resp, outcome{unknown, nil, true}
}

// proxyVerdict reports whether a connection failed because a proxy refused the
// very secret that the request was to use.
func proxyVerdict(err error) verdict {
	if p, is := errors.AsType[*proxyRefusal](err); is && p.shared {
		return refused
	}
	return unknown
}

// request returns a copy of the request with its body, which whoever gets it
// sends by a transport: that closes it.
func (a *attempt) request(ctx context.Context) *http.Request {
	req := a.req.Clone(httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		WroteHeaders: func() { a.sent.Store(true) },
	}))
	if a.body != nil {
		req.GetBody = a.body.reader
		req.Body, _ = req.GetBody() // the call is not over
		req.ContentLength = int64(len(a.body.data))
	}
	return req
}

// record writes one debug record. It holds no address of a mailbox.
func (s *session) record(ctx context.Context, a *attempt, resp *http.Response, err error, took time.Duration) {
	if !s.log.Enabled(ctx, slog.LevelDebug) {
		return
	}
	attrs := []slog.Attr{slog.String("op", a.op), slog.String("client_request_id", a.id), slog.Duration("took", took)}
	if err != nil {
		attrs = append(attrs, slog.Bool("failed", true))
	} else {
		attrs = append(attrs, slog.Int("status", resp.StatusCode))
		for _, name := range []string{"request-id", "X-FEServer", "X-BEServer", "X-CalculatedBETarget", "X-CasErrorCode"} {
			if v := resp.Header.Get(name); v != "" {
				attrs = append(attrs, slog.String(strings.ToLower(name), v))
			}
		}
	}
	s.log.LogAttrs(ctx, slog.LevelDebug, "ews request", attrs...)
}

// answersEWS reports whether a response can hold a SOAP envelope.
func answersEWS(resp *http.Response) bool {
	ct := resp.Header.Get("Content-Type")
	return strings.Contains(ct, "xml") || ct == "" && passedAuth(resp)
}

// passedAuth reports whether such a response proves that the server has
// accepted the password.
func passedAuth(resp *http.Response) bool {
	return resp.StatusCode == http.StatusOK || resp.StatusCode == http.StatusInternalServerError
}
