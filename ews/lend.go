package ews

import (
	"context"
	"errors"
	"time"
)

// Lend has the account's secret tried by something else than a request over
// HTTP, such as a bind to a directory, under the same rules: not while it is
// held, one at a time until it has worked, and with a hold after a refusal. The
// function gets the credentials and returns whether they were refused, and why
// it failed; without both they count as accepted. An *[Error] of its own is what
// the caller gets. It is not called where the account keeps nothing that could
// be used: under OAuth, and under NTLM without [AccountOptions.Lends].
//
// The error is an *[Error], of class Auth after a refusal.
func (a *Account) Lend(ctx context.Context, op, host string, try func(c Credentials) (refusal bool, err error)) error {
	err := a.use(ctx, op, host, func(p pass, _ bool) outcome {
		switch {
		case p.Scheme == OAuth:
			return outcome{unknown, invalid(op, "a directory takes no OAuth; leave it out, and give the addresses that it would name"), false}
		case p.Password.Reveal() == "" && p.Negotiator == nil:
			return outcome{unknown, invalid(op, "the account keeps no password that can be used here; give it one"), false}
		}
		refusal, err := try(p.Credentials)
		own, is := errors.AsType[*Error](err)
		switch {
		case is:
			own = own.in(op)
		case refusal:
			own = &Error{Op: op, Code: CodeAuthFailed, Message: "the directory refuses the account's name or password; enter the right one", Cause: err}
		case err != nil:
			own = &Error{Op: op, Code: CodeTransport, Message: "the directory could not be asked", Cause: err}
		default:
			return outcome{verdict: accepted, answered: true}
		}
		if refusal {
			return outcome{refused, own, false}
		}
		return outcome{unknown, own, false}
	})
	if err != nil {
		return err
	}
	return nil
}

// SetLockout takes over what the directory's policy says, see
// [AccountOptions.Hold] and [AccountOptions.Threshold]; a threshold of 0 says
// that it never locks. A hold that is under way stays as long as it is.
func (a *Account) SetLockout(hold time.Duration, threshold int) {
	if threshold == 0 {
		threshold = 10
	}
	a.gate.mu.Lock()
	defer a.gate.mu.Unlock()
	a.gate.hold, a.gate.most = orDefault(hold, 30*time.Minute), max(1, threshold/2)
}

// Account returns the account by which the client calls.
func (c *Client) Account() *Account { return c.account }
