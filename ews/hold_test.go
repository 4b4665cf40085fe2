package ews_test

import (
	"errors"
	"testing"
	"time"

	"github.com/koyomi-cal/koyomi/ews"
	"github.com/koyomi-cal/koyomi/ews/ewstest"
)

// TestHold: a hold from before is like a refusal of now: nothing is sent until
// somebody acts.
func TestHold(t *testing.T) {
	t.Parallel()
	s := ewstest.Start(ewstest.Options{Users: 1})
	t.Cleanup(s.Close)
	c, err := ews.New(ews.Options{URL: s.URL, Credentials: ews.Credentials{Username: "svc@example.com", Password: ews.NewSecret("password")}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	until := time.Now().Add(time.Hour)
	c.Hold(until)
	_, err = c.As("user0001@example.com").Probe(t.Context())
	if e, is := errors.AsType[*ews.Error](err); !is || e.Class() != ews.Auth || e.Code != ews.CodeAuthFailed {
		t.Errorf("a held call fails with %v", err)
	}
	if got := c.HeldUntil(); !got.Equal(until) {
		t.Errorf("held until %v, not %v", got, until)
	}
	if n := len(s.Calls()); n != 0 {
		t.Errorf("%d calls were sent", n)
	}
	c.TryNow()
	if _, err := c.As("user0001@example.com").Probe(t.Context()); err != nil {
		t.Errorf("after the hold: %v", err)
	}
}
