package exchange

import (
	"context"
	"crypto/x509"
	"errors"

	"github.com/koyomi-cal/koyomi/ews"
	"github.com/koyomi-cal/koyomi/ews/activedirectory"
)

// Access is one service account for a program that looks at each answer itself,
// such as one that says what is wrong. It signs in exactly as the Exchange does
// from which it comes.
type Access struct {
	Username string
	// Client calls Options.URL; where servers are found by Autodiscover it calls
	// none, and its At gives the client of one that was found.
	Client *ews.Client
	// Certificate is that by which the account gets its tokens, or nil.
	Certificate *x509.Certificate
}

// Accesses returns the service accounts in the order in which they are used.
// Closing the clients is the caller's; the Exchange is not to run meanwhile.
func (x *Exchange) Accesses() ([]Access, error) {
	var all []Access
	for i, l := range x.opt.logins() {
		client := x.ews()
		if i > 0 {
			var err error
			if client, err = x.clientOf(x.accounts[i]); err != nil {
				return nil, err
			}
		}
		a := Access{Username: l.Username, Client: client}
		if l.CertificateFile != "" {
			c, err := x.certificateOf(l)
			if err != nil {
				return nil, err
			}
			a.Certificate = c.Leaf
		}
		all = append(all, a)
	}
	return all, nil
}

// Find finds the servers of mailboxes, in their order. It is for an Exchange
// with Autodiscover.
func (x *Exchange) Find(ctx context.Context, addresses ...string) ([]ews.Discovery, error) {
	if x.finder == nil {
		return nil, errors.New("exchange: the address is given, there is nothing to find")
	}
	d, err := x.finder.on(x.ews())
	if err != nil {
		return nil, err
	}
	defer d.Close()
	return d.Find(ctx, addresses...), nil
}

// MaxConcurrent is how many requests are under way at once to one server, at
// the most.
func (x *Exchange) MaxConcurrent() int { return x.opt.MaxConcurrent }

// HasDirectory reports whether Active Directory can be asked.
func (x *Exchange) HasDirectory() bool { return x.opt.Directory != nil }

// Lockout reads from the directory, as the account itself, when it locks the
// account, and has the account hold to it.
func (x *Exchange) Lockout(ctx context.Context, a Access) (activedirectory.Lockout, error) {
	if x.opt.Directory == nil {
		return activedirectory.Lockout{}, errors.New("exchange: no directory is given")
	}
	dir, err := x.directory(a.Client)
	if err != nil {
		return activedirectory.Lockout{}, err
	}
	policy, err := dir.Lockout(ctx, a.Username)
	if err != nil {
		return activedirectory.Lockout{}, err
	}
	a.Client.Account().SetLockout(max(policy.Hold(), x.opt.AuthHold), policy.Threshold)
	return policy, nil
}
