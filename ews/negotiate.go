package ews

import (
	"context"
	"encoding/base64"
	"errors"
)

// Negotiator makes the tokens by which an account signs in to HTTP servers with
// Kerberos ([MS-SPNG], RFC 4559). Package activedirectory has one.
//
// It is used by several goroutines at once. What it prints, in whatever form,
// holds no secret.
type Negotiator interface {
	// Token returns the first token for the service HTTP on a host. The binding
	// is the hash of the channel bindings of RFC 4121 4.1.1.2, or nil. With
	// fresh it does not use a ticket from before, for a server has refused one.
	//
	// Where the directory refuses the secret, it fails with an *Error of class
	// Auth: the secret is not used again for a while then.
	Token(ctx context.Context, host string, binding []byte, fresh bool) ([]byte, error)
}

// negotiate signs a connection in with a request, which carries the token: there
// is nothing to ask the server for. What the server says of itself in return is
// not needed, since TLS has said it.
func (s *session) negotiate(ctx context.Context, a *attempt, p pass, c *connection, bind, again bool) leg {
	token, err := p.Negotiator.Token(ctx, a.req.URL.Hostname(), c.binding(bind), again)
	if err != nil {
		e, is := errors.AsType[*Error](err)
		switch {
		case ctx.Err() != nil:
			e = canceled(ctx, a.op)
		case !is:
			e = a.fail(CodeTransport, "there is no Kerberos ticket for the server; check the realm, the addresses of its domain controllers and the clock", err)
		default:
			e = e.in(a.op)
		}
		if e.Class() == Auth {
			return leg{refused: e}
		}
		return leg{sent: sent{err: e}}
	}
	req := a.request(ctx)
	req.Header.Set("Authorization", "Negotiate "+base64.StdEncoding.EncodeToString(token))
	r := s.send(ctx, a, c.transport, req)
	if r.err == nil {
		c.signedIn = r.resp.Header.Get("Persistent-Auth") == "true"
	}
	return leg{sent: r, lost: errors.Is(r.raw, errSpent)}
}
