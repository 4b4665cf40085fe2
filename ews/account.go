package ews

import (
	"fmt"
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
	OAuth     Scheme = "oauth"     // RFC 6750: a bearer token
)

// Credentials are the name and password of the account that calls.
type Credentials struct {
	Username string // "DOMAIN\user" or "user@example.com"
	Password Secret
	Scheme   Scheme
}

// AccountOptions configure an [Account].
type AccountOptions struct {
	// Hold is how long the account's secret is not used after a server has
	// refused it; default 30 min. It is to be no shorter than the directory's
	// lockOutObservationWindow.
	Hold time.Duration
}

// Account is one service account: its name and secret, and what keeps it from
// being locked. Directories lock an account by what all who use its secret do
// together, so everything that does shares one Account: the clients of several
// endpoints, Autodiscover, and a proxy that takes the same name and password.
//
// It is safe for use by several goroutines at once.
type Account struct {
	gate *gate
}

// NewAccount returns the account with these credentials. It sends nothing.
func NewAccount(creds Credentials, o AccountOptions) *Account {
	return &Account{gate: newGate(creds, orDefault(o.Hold, 30*time.Minute))}
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
