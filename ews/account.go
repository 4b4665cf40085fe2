package ews

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"
)

// Scheme is a way to sign in over HTTP.
type Scheme string

// The schemes. Basic is the cheapest, since every request stands for itself.
// NTLM and Negotiate are what Exchange offers by default; there the sign-in
// belongs to the connection. No scheme ever falls back to another one.
const (
	Basic     Scheme = ""          // RFC 7617: name and password with every request, over TLS
	NTLM      Scheme = "ntlm"      // [MS-NTHT], NTLMv2 only
	Negotiate Scheme = "negotiate" // RFC 4559, by Kerberos
	OAuth     Scheme = "oauth"     // RFC 6750: a bearer token, got by RFC 6749 4.4
)

// Credentials are the name and secret of the account that calls, and how it
// signs in.
type Credentials struct {
	Username string // "DOMAIN\user" or "user@example.com"; of OAuth: the client id
	Password Secret // of OAuth: the client secret
	Scheme   Scheme

	// Negotiator makes the tokens of Negotiate, and is needed for it alone. It
	// has name and secret of its own; Username is for people then.
	Negotiator Negotiator
	// Tokens says where OAuth gets its tokens, and is needed for it alone.
	Tokens *TokenEndpoint
}

// Check says what is missing, with code [CodeInvalid]. It asks no server. [New]
// does it for [Options.Credentials]; who makes an [Account] does it before.
func (c *Credentials) Check() error {
	if e := c.check(); e != nil {
		return e
	}
	return nil
}

func (c *Credentials) check() *Error {
	switch c.Scheme {
	case Basic, NTLM:
		if c.Username == "" {
			return invalid("", "give the user name of the account that calls Exchange")
		}
	case Negotiate:
		if c.Negotiator == nil {
			return invalid("", "signing in by Kerberos needs a Negotiator")
		}
	case OAuth:
		return c.Tokens.check(c.Username)
	default:
		return invalid("", "there is no such way to sign in; use basic, ntlm, negotiate or oauth")
	}
	return nil
}

// AccountOptions configure an [Account].
type AccountOptions struct {
	// Hold is how long the account's secret is not used after a server has
	// refused it; default 30 min. It is to be no shorter than the directory's
	// lockOutObservationWindow.
	Hold time.Duration
	// Threshold is after how many refused passwords within that window the
	// directory locks the account (lockoutThreshold); default 5. This package
	// uses up no more than half of it of its own accord.
	Threshold int
	// NoBinding leaves the channel binding of Extended Protection out of NTLM
	// and Negotiate. Without it the binding is sent; where a server refuses it
	// and takes the same sign-in without, as behind a load balancer with a
	// certificate of its own, the account remembers that for the host.
	NoBinding bool
	// Lends keeps the password under NTLM, which else keeps a key made of it,
	// for [Account.Lend].
	Lends bool
}

// Account is one service account: its name and secret, and what keeps it from
// being locked. Directories lock an account by what all who use its secret do
// together, so everything that does shares one Account: the clients of several
// endpoints, Autodiscover, and a proxy that takes the same name and password.
//
// It is safe for use by several goroutines at once.
type Account struct {
	gate *gate
	opts AccountOptions

	mu      sync.Mutex
	unbound map[string]bool // hosts that take no channel binding
}

// NewAccount returns the account with these credentials. It sends nothing.
func NewAccount(creds Credentials, o AccountOptions) *Account {
	o.Hold = orDefault(o.Hold, 30*time.Minute)
	o.Threshold = orDefault(o.Threshold, 5)
	g := newGate(creds, o.Hold, o.Lends)
	g.most = max(1, o.Threshold/2)
	return &Account{gate: g, opts: o, unbound: map[string]bool{}}
}

// SetCredentials replaces the credentials and lifts a hold after a refused
// password.
func (a *Account) SetCredentials(creds Credentials) { a.gate.set(creds) }

// TryNow lifts the hold after a refused password: the next call tries it once
// more.
func (a *Account) TryNow() { a.gate.lift() }

// HeldUntil returns the time until which the secret is not used because a
// server has refused it; it is zero where there is no hold.
func (a *Account) HeldUntil() time.Time { return a.gate.heldUntil() }

// Hold uses the secret no more until a time, as if a server had just refused
// it: for a program that remembers over its restarts that one has. New
// credentials and TryNow lift it.
func (a *Account) Hold(until time.Time) { a.gate.keep(until) }

// String names no secret and nobody.
func (*Account) String() string { return "ews.Account" }

// Format prints like String, whatever the verb.
func (a *Account) Format(f fmt.State, _ rune) { fmt.Fprint(f, a.String()) }

// use has a secret tried as the gate wants it: once, and after a refusal of one
// that has worked once more. The try says what it has met.
func (a *Account) use(ctx context.Context, op, host string, try func(p pass, again bool) outcome) *Error {
	p, held := a.gate.enter(ctx, op, host)
	if held != nil {
		return held
	}
	o := try(p, false)
	if o.verdict == refused && p.turn == nil && o.err.Code != CodeAccountLocked {
		if p, held = a.gate.confirm(ctx, op, host, p); held != nil {
			return held
		}
		o = try(p, p.turn != nil)
	}
	a.gate.leave(p, o.verdict, o.err)
	if o.answered {
		return nil
	}
	return o.err
}

// outcome is what a request has met.
type outcome struct {
	verdict  verdict
	err      *Error // why it was refused, or why the server could not be asked
	answered bool   // there is a response for the caller, whatever err says to those who wait
}

// binds reports whether channel bindings are sent to a host.
func (a *Account) binds(host string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return !a.opts.NoBinding && !a.unbound[host]
}

// unbind remembers that a host takes the sign-in without channel binding only.
func (a *Account) unbind(host string, log *slog.Logger) {
	a.mu.Lock()
	a.unbound[host] = true
	a.mu.Unlock()
	log.Warn("the server refuses the channel binding of Extended Protection and takes the sign-in without it: what answers there shows another certificate than Exchange has; give both the same one")
}
