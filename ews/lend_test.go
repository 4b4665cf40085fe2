package ews

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// TestLend: a directory that refuses the password holds it for everybody, for
// as long as the directory's policy says.
func TestLend(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := NewAccount(Credentials{Username: "svc", Password: NewSecret("wrong")}, AccountOptions{})
		a.SetLockout(time.Hour, 6)
		tries := 0
		bind := func() error {
			return a.Lend(t.Context(), "Bind", "ldaps://dc1:636", func(c Credentials) (bool, error) {
				tries++
				if c.Username != "svc" || c.Password.Reveal() != "right" {
					return true, errors.New("49")
				}
				return false, nil
			})
		}
		for range 3 {
			wantError(t, bind(), CodeAuthFailed)
		}
		if until := a.HeldUntil(); tries != 1 || time.Until(until) != time.Hour {
			t.Errorf("%d tries, held until %v", tries, until)
		}
		a.SetCredentials(Credentials{Username: "svc", Password: NewSecret("right")})
		if err := bind(); err != nil {
			t.Error(err)
		}
		wantError(t, a.Lend(t.Context(), "Bind", "x", func(Credentials) (bool, error) { return false, errors.New("down") }), CodeTransport)
		if !a.HeldUntil().IsZero() {
			t.Error("a directory that is down holds the password")
		}
		a.SetCredentials(Credentials{Username: "svc", Password: NewSecret("right"), Scheme: NTLM})
		wantError(t, bind(), CodeInvalid) // a key of it is all that is left
		a = NewAccount(Credentials{Username: "svc", Password: NewSecret("right"), Scheme: NTLM}, AccountOptions{Lends: true})
		if err := bind(); err != nil {
			t.Error(err)
		}
		a.SetCredentials(Credentials{Username: "svc", Password: NewSecret("right"), Scheme: OAuth})
		wantError(t, bind(), CodeInvalid)
		a.SetCredentials(Credentials{Scheme: Negotiate, Negotiator: noTickets{}})
		own := &Error{Code: CodeAccountLocked, Message: "the account is locked"}
		err := a.Lend(t.Context(), "Bind", "x", func(Credentials) (bool, error) { return true, own })
		if wantError(t, err, CodeAccountLocked); a.HeldUntil().IsZero() {
			t.Error("what the directory says of a locked account is not heeded")
		}
	})
}

// noTickets is a Negotiator that has none.
type noTickets struct{}

func (noTickets) Token(context.Context, string, []byte, bool) ([]byte, error) {
	return nil, errors.New("none")
}
