package ews

import (
	"context"
	"encoding/base64"
	"errors"
	"net/http"

	"github.com/koyomi-cal/koyomi/ews/internal/ntlm"
)

// bySignIn sends a request on a connection that is signed in, or signs one in
// with it.
func (s *session) bySignIn(ctx context.Context, a *attempt, p pass, again bool) (*http.Response, outcome) {
	bind := s.account.binds(a.host)
	resp, o := s.onConnection(ctx, a, p, again, bind)
	if o.verdict != refused || !bind || o.err.Code != CodeAuthFailed || a.req.URL.Scheme != "https" || !s.account.gate.retry(p) {
		return resp, o
	}
	other, without := s.onConnection(ctx, a, p, true, false)
	if without.verdict == accepted {
		s.account.unbind(a.host, s.log)
	}
	return other, without
}

// onConnection finds a connection for a request and sends it there. Idle ones
// may turn out to be closed, and new ones may be closed in the middle of the
// sign-in by something in between: then another one is taken, for nothing that
// counts was sent.
func (s *session) onConnection(ctx context.Context, a *attempt, p pass, again, bind bool) (*http.Response, outcome) {
	for used, unused := 0, 0; ; {
		c, err := s.take(ctx, a, p, again || used >= maxSpents)
		if err != nil {
			return s.judge(a, sent{err: a.transportError(ctx, err), raw: err})
		}
		isNew := !c.used
		c.used = true
		r := s.over(ctx, a, p, c, bind, again)
		if r.lost && ctx.Err() == nil {
			if c.close(); !isNew {
				used++
				continue
			}
			if unused++; unused < 3 {
				continue
			}
			return s.judge(a, sent{err: a.noChallenge(true, false)})
		}
		if r.refused != nil {
			c.close()
			return nil, outcome{refused, r.refused, false}
		}
		if r.err != nil || r.resp.StatusCode == http.StatusUnauthorized || r.resp.StatusCode == 456 {
			resp, o := s.judge(a, r.sent)
			c.close()
			return resp, o
		}
		r.resp.Body = &lease{ReadCloser: r.resp.Body, s: s, c: c, last: r.resp.Close || r.unsigned}
		return s.judge(a, r.sent)
	}
}

// leg is what became of a request on one connection.
type leg struct {
	sent
	lost     bool   // the connection was, before anything was sent that counts
	unsigned bool   // the response came before the sign-in was complete
	refused  *Error // before the server was asked, by the directory
}

// over sends a request over a connection.
func (s *session) over(ctx context.Context, a *attempt, p pass, c *connection, bind, again bool) leg {
	if c.signedIn {
		r := s.send(ctx, a, c.transport, a.request(ctx))
		if r.err == nil && r.resp.StatusCode == http.StatusUnauthorized { // it has lost the sign-in; no secret was sent
			drain(r.resp)
			return leg{lost: true}
		}
		return leg{sent: r, lost: errors.Is(r.raw, errSpent)}
	}
	if p.Scheme == Negotiate {
		return s.negotiate(ctx, a, p, c, bind, again)
	}
	return s.ntlm(ctx, a, p, c, bind)
}

// ntlm signs a connection in with a request ([MS-NTHT]). The first leg has no
// body: it would be sent for nothing.
func (s *session) ntlm(ctx context.Context, a *attempt, p pass, c *connection, bind bool) leg {
	hello := ntlm.NewNegotiate()
	first := a.req.Clone(ctx)
	first.Body, first.ContentLength = http.NoBody, 0
	first.Header.Set("Authorization", "NTLM "+base64.StdEncoding.EncodeToString(hello))
	r := s.send(ctx, a, c.transport, first)
	if r.err != nil {
		return leg{sent: r, lost: errors.Is(r.raw, errSpent)}
	}
	if r.resp.StatusCode != http.StatusUnauthorized {
		if r.resp.StatusCode < 300 || r.resp.StatusCode == http.StatusInternalServerError {
			drain(r.resp)
			r.err = a.fail(CodeNoScheme, "the server answers without asking who it is, so it cannot be signed in to; use another way to sign in, or check the URL", nil)
		}
		return leg{sent: r, unsigned: true}
	}
	data, offered := challenge(r.resp.Header, "WWW-Authenticate", "NTLM")
	whole := drain(r.resp)
	if data == "" || !whole {
		return leg{sent: sent{err: a.noChallenge(offered, whole)}, lost: offered && !whole}
	}
	msg, err := ntlmAnswer(p, hello, data, "HTTP/"+a.req.URL.Hostname(), c.binding(bind))
	if err != nil {
		return leg{sent: sent{err: a.fail(CodeTransport, "the server's part of the sign-in cannot be understood; check what is in front of it", err)}}
	}
	req := a.request(ctx)
	req.Header.Set("Authorization", "NTLM "+msg)
	r = s.send(ctx, a, c.transport, req)
	if r.err == nil {
		persists := r.resp.Header.Get("Persistent-Auth")
		c.signedIn = persists == "" || persists == "true"
	}
	return leg{sent: r, lost: errors.Is(r.raw, errSpent)}
}

// noChallenge says why a sign-in by NTLM did not go on.
func (c *call) noChallenge(offered, whole bool) *Error {
	switch {
	case !offered:
		return c.fail(CodeNoScheme, "the server does not offer NTLM; switch Windows authentication on for the EWS virtual directory, or use another way to sign in", nil)
	case !whole:
		return c.fail(CodeTransport, "the connection was closed in the middle of the sign-in; check that the load balancer keeps connections, and does not share them between clients", nil)
	}
	return c.fail(CodeTransport, "the server does not go on with the sign-in; check that the load balancer sends all of a connection to one server", nil)
}

// ntlmAnswer answers a challenge in base64.
func ntlmAnswer(p pass, hello []byte, data, target string, binding []byte) (string, error) {
	ch, err := base64.StdEncoding.DecodeString(data)
	if err != nil {
		return "", err
	}
	client := ntlm.Client{Key: p.key, Target: target, Binding: binding}
	client.User, client.Domain = ntlm.SplitName(p.Username)
	msg, err := client.Answer(hello, ch)
	return base64.StdEncoding.EncodeToString(msg), err
}

// binding returns the hash of the connection's channel bindings, or nil.
func (c *connection) binding(want bool) []byte {
	if !want || c.tls == nil || len(c.tls.PeerCertificates) == 0 {
		return nil
	}
	return ntlm.Binding(c.tls.PeerCertificates[0])
}
