package ews

import (
	"testing"
)

// TestSharedAccount gives two clients of two servers one account: what one
// meets binds the other.
func TestSharedAccount(t *testing.T) {
	t.Parallel()
	d := &denier{}
	d.password.Store(ptr("right"))
	a := NewAccount(Credentials{Username: "svc", Password: NewSecret("wrong")}, AccountOptions{})
	share := func(o *Options) { o.Account = a }
	one, other := newRig(t, share, d.answer), newRig(t, share, d.answer)
	wantError(t, probe(t, one.Client), CodeAuthFailed)
	wantError(t, probe(t, other.Client), CodeAuthFailed)
	if n := d.tries.Load(); n != 1 {
		t.Errorf("the wrong password was sent %d times", n)
	}
	if one.HeldUntil().IsZero() || !one.HeldUntil().Equal(other.HeldUntil()) {
		t.Errorf("held until %v and %v", one.HeldUntil(), other.HeldUntil())
	}
	other.SetCredentials(Credentials{Username: "svc", Password: NewSecret("right")})
	if err := probe(t, one.Client); err != nil {
		t.Error(err)
	}
}
