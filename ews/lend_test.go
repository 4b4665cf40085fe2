package ews

import (
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
			return a.Lend(t.Context(), "Bind", "ldaps://dc1:636", func(username string, password Secret) (bool, error) {
				tries++
				if username != "svc" || password.Reveal() != "right" {
					return true, errors.New("49")
				}
				return false, nil
			})
		}
		for range 3 {
			wantError(t, bind(), CodeAuthFailed)
		}
		if until := a.HeldUntil(); tries != 1 || until.Sub(time.Now()) != time.Hour {
			t.Errorf("%d tries, held until %v", tries, until)
		}
		a.SetCredentials(Credentials{Username: "svc", Password: NewSecret("right")})
		if err := bind(); err != nil {
			t.Error(err)
		}
		wantError(t, a.Lend(t.Context(), "Bind", "x", func(string, Secret) (bool, error) { return false, errors.New("down") }), CodeTransport)
		if !a.HeldUntil().IsZero() {
			t.Error("a directory that is down holds the password")
		}
		a.SetCredentials(Credentials{Username: "svc", Password: NewSecret("right"), Scheme: NTLM})
		wantError(t, bind(), CodeInvalid)
	})
}
