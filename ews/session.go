package ews

import (
	"bytes"
	"context"
	"crypto/x509"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptrace"
	"strings"
	"time"
)

// session sends requests to any host as one account: by HTTP/1.1, through the
// account's gate, and never along a redirect.
type session struct {
	account *Account
	pooled  *http.Transport
	fresh   *http.Transport // a new connection for each request
	log     *slog.Logger
}

// newSession makes a session of the account. CAFile, RootCAs, DialContext,
// MaxConcurrent and Logger are looked at.
func (o *Options) newSession(a *Account) (*session, error) {
	roots, err := o.roots()
	if err != nil {
		return nil, err
	}
	return o.sessionWith(a, roots), nil
}

func (o *Options) sessionWith(a *Account, roots *x509.CertPool) *session {
	log := o.Logger
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &session{account: a, pooled: o.transport(roots, true), fresh: o.transport(roots, false), log: log}
}

// close ends the idle connections.
func (s *session) close() {
	s.pooled.CloseIdleConnections()
	s.fresh.CloseIdleConnections()
}

// do sends a request with a body, answers a 401 as the gate wants it, and
// returns the response, whatever its status: only 401 and 456 become an error,
// of class Auth. The request has neither Authorization nor a body of its own,
// and its header client-request-id names it in errors. A stream gets a
// connection that nobody else waits for.
func (s *session) do(ctx context.Context, op string, req *http.Request, body []byte, stream bool) (*http.Response, *Error) {
	a := &attempt{
		call: call{op: op, id: req.Header.Get("client-request-id"), stream: stream},
		req:  req, body: body, host: strings.ToLower(req.URL.Host),
	}
	gate := s.account.gate
	p, held := gate.enter(ctx, op, a.host)
	if held != nil {
		return nil, held
	}
	resp, refusal, err := s.try(ctx, a, p, s.pooled)
	if refusal == nil || p.turn != nil || refusal.Code == CodeAccountLocked {
		return s.leave(a, p, resp, refusal, err)
	}
	if p, held = gate.confirm(ctx, op, a.host, p); held != nil {
		return nil, held
	}
	way := s.pooled
	if p.turn != nil {
		way = s.fresh
	}
	resp, refusal, err = s.try(ctx, a, p, way)
	return s.leave(a, p, resp, refusal, err)
}

// attempt is a request on its way through a session.
type attempt struct {
	call
	req  *http.Request
	body []byte
	host string // lower case, with the port where the URL has one
}

// leave gives a pass back with what the request has met, and returns what do
// returns.
func (s *session) leave(a *attempt, p pass, resp *http.Response, refusal, err *Error) (*http.Response, *Error) {
	gate := s.account.gate
	switch {
	case refusal != nil:
		gate.leave(p, refused, refusal)
		return nil, refusal
	case err != nil:
		gate.leave(p, unknown, err)
		return nil, err
	case !answersEWS(resp): // from something in front of Exchange: says nothing of the password
		gate.leave(p, unknown, a.statusError(resp, nil))
	case passedAuth(resp):
		gate.leave(p, accepted, nil)
	default:
		gate.leave(p, unknown, nil)
	}
	return resp, nil
}

// try sends a request once. A refused password is a refusal, not an error.
func (s *session) try(ctx context.Context, a *attempt, p pass, way http.RoundTripper) (resp *http.Response, refusal, failure *Error) {
	began := time.Now()
	req := a.request(ctx)
	req.SetBasicAuth(p.Username, p.Password.Reveal())
	resp, err := way.RoundTrip(req)
	s.record(ctx, a, resp, err, time.Since(began))
	switch {
	case err != nil:
		return nil, nil, a.transportError(ctx, err)
	case resp.StatusCode == http.StatusUnauthorized || resp.StatusCode == 456:
		defer resp.Body.Close()
		return nil, a.refusal(resp), nil
	}
	return resp, nil, nil
}

// request returns a copy of the request with its body. The body is whole in
// memory: some servers refuse chunked ones.
func (a *attempt) request(ctx context.Context) *http.Request {
	req := a.req.Clone(httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		WroteHeaders: func() { a.sent.Store(true) },
	}))
	if a.body != nil {
		req.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(a.body)), nil }
		req.Body, _ = req.GetBody()
		req.ContentLength = int64(len(a.body))
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
