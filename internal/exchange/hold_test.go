package exchange_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/koyomi-cal/koyomi/ews"
	"github.com/koyomi-cal/koyomi/ews/ewstest"
	"github.com/koyomi-cal/koyomi/internal/calendar"
	"github.com/koyomi-cal/koyomi/internal/exchange"
)

// notes are kept in memory.
type notes struct {
	mu   sync.Mutex
	text map[string]string
}

func (n *notes) InitValue(_ context.Context, name string, value []byte) ([]byte, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if _, has := n.text[name]; !has {
		n.text[name] = string(value)
	}
	return []byte(n.text[name]), nil
}

func (n *notes) PutValue(_ context.Context, name string, value []byte) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.text[name] = string(value)
	return nil
}

// TestRefusedPasswordIsRemembered: a new start does not try a refused password,
// tries another one at once, and what is noted does not hold the password.
func TestRefusedPasswordIsRemembered(t *testing.T) {
	t.Parallel()
	s := ewstest.Start(ewstest.Options{Users: 1})
	t.Cleanup(s.Close)
	kept := &notes{text: map[string]string{}}
	bind := func(password string) error {
		x, err := exchange.New(exchange.Options{URL: s.URL, Username: "svc@example.com", Password: ews.NewSecret(password)})
		if err != nil {
			t.Fatal(err)
		}
		if err := x.Remember(t.Context(), kept); err != nil {
			t.Fatal(err)
		}
		_, err = x.Bind(t.Context(), calendar.Mailbox{Address: "user0001@example.com"})
		return err
	}
	for i := range 3 {
		f, is := errors.AsType[*calendar.Fault](bind("Tr0ub4dor"))
		if !is || f.Class != calendar.NoAccount || f.Until.IsZero() {
			t.Fatalf("start %d: %v", i, f)
		}
	}
	if n := s.Refused("svc@example.com"); n != 1 {
		t.Errorf("three starts tried the refused password %d times", n)
	}
	for _, text := range kept.text {
		if strings.Contains(text, "Tr0ub4dor") || strings.Contains(text, "svc@") {
			t.Error("the note holds the account or its password")
		}
	}
	if err := bind("password"); err != nil {
		t.Errorf("another password is not tried: %v", err)
	}
	// It was right, so nothing is held any more, not even the first.
	if err := bind("Tr0ub4dor"); err == nil || s.Refused("svc@example.com") != 2 {
		t.Errorf("after the right password: %v, %d tries", err, s.Refused("svc@example.com"))
	}
}
