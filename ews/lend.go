package ews

import (
	"context"
	"time"
)

// Lend has the account's name and password tried by something else than a
// request over HTTP, such as a bind to a directory, under the same rules: not
// while they are held, one at a time until they have worked, and with a hold
// after a refusal. The function returns whether they were refused, and why it
// failed; without both they count as accepted. Where the account keeps no
// password, as under NTLM and Negotiate, it is not called.
//
// The error is an *[Error], of class Auth after a refusal.
func (a *Account) Lend(ctx context.Context, op, host string, try func(username string, password Secret) (refusal bool, err error)) error {
	err := a.use(ctx, op, host, func(p pass, _ bool) outcome {
		if p.Password.Reveal() == "" || p.Scheme != Basic {
			return outcome{unknown, invalid(op, "the account keeps no password that can be used here; sign in to the directory by Kerberos, or give it an account of its own"), false}
		}
		refusal, err := try(p.Username, p.Password)
		switch {
		case refusal:
			return outcome{refused, &Error{Op: op, Code: CodeAuthFailed, Message: "the directory refuses the account's name or password; enter the right one", Cause: err}, false}
		case err != nil:
			return outcome{unknown, &Error{Op: op, Code: CodeTransport, Message: "the directory could not be asked", Cause: err}, false}
		}
		return outcome{verdict: accepted, answered: true}
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
