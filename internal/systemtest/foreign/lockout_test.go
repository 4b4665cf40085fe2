package foreign

import (
	"context"
	"errors"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/koyomi-cal/koyomi/ews"
	"github.com/koyomi-cal/koyomi/internal/calendar"
	"github.com/koyomi-cal/koyomi/internal/exchange"
)

// TestLockout has the Exchange of a connector use a wrong password, in a domain
// that locks an account after five of them in half an hour. Many mailboxes are
// watched and read at once, all day; the account is not locked, a fault says why
// nothing comes, and ten seconds after the right password is in the file
// everything works. Another account shows that the policy is real.
func TestLockout(t *testing.T) {
	t.Parallel()
	d := joinDomain(t)
	w := startApache(t, "GssapiAllowedMech krb5\n  GssapiBasicAuth On\n  GssapiBasicAuthMech krb5\n  GssapiCredStore keytab:{dir}/web.keytab",
		d.webFiles(t), "KRB5_CONFIG={dir}/krb5.conf")
	ctx := limited(t)

	// A program without manners, for comparison.
	victim := func(secret string) error {
		c := client(t, w.options(ews.Credentials{Username: "victim@" + realm, Password: ews.NewSecret(secret)}), "")
		_, err := c.As(user(1)).GetFolder(ctx, ews.FolderFields())
		return err
	}
	if err := victim(domainPassword); err != nil {
		t.Fatalf("the right password: %v", err)
	}
	for range 5 {
		if e, is := asError(victim("wrong")); !is || e.Class() != ews.Auth {
			t.Fatalf("a wrong password: %v", e)
		}
	}
	if n, locked := d.badPasswords(t, "victim"); !locked {
		t.Fatalf("the domain does not lock an account after %d wrong passwords", n)
	}
	if err := victim(domainPassword); err == nil {
		t.Fatal("a locked account can sign in")
	}

	dir := t.TempDir()
	file := write(t, dir, "password", "what it was last year\n")
	o := w.options(ews.Credentials{})
	x, err := exchange.New(exchange.Options{URL: o.URL, RootCAs: o.RootCAs, DialContext: o.DialContext, Username: "svc@" + realm, PasswordFile: file})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(ctx)
	var running sync.WaitGroup
	running.Go(func() { _ = x.Run(ctx) })
	defer running.Wait()
	defer stop()

	boxes := []calendar.Mailbox{{ID: "1", Address: user(1)}, {ID: "2", Address: user(2)}, {ID: "3", Address: user(3)}}
	faults, works := make(chan error, 100), make(chan time.Time, 100)
	running.Go(func() {
		for n, err := range x.Watch(ctx, boxes) {
			switch {
			case err != nil:
				select {
				case faults <- err:
				default:
				}
			case n.Change.Kind == calendar.Catchup:
				select {
				case works <- time.Now():
				default:
				}
			}
		}
	})
	alarm := <-faults
	if f, is := errors.AsType[*calendar.Fault](alarm); !is || f.Class != calendar.NoAccount {
		t.Errorf("the fault is %v", alarm)
	}
	// Whoever else wants something of Exchange meanwhile gets it from no one.
	for range 20 {
		for _, m := range boxes {
			if _, err := x.Bind(ctx, m); err == nil {
				t.Error("something works with a wrong password")
			}
		}
	}
	if n, locked := d.badPasswords(t, "svc"); locked || n == 0 || n > 2 {
		t.Errorf("the account has had %d wrong passwords (locked: %v); 1 or 2 are allowed, half of five", n, locked)
	}
	if n := len(w.exchange.CallsTo("Subscribe", user(1))); n != 0 {
		t.Errorf("%d subscriptions with a wrong password", n)
	}

	entered := time.Now()
	if err := os.WriteFile(file, []byte(domainPassword+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for range boxes {
		select {
		case at := <-works:
			t.Logf("works %v after the right password", at.Sub(entered).Round(time.Millisecond))
			if at.Sub(entered) > 10*time.Second {
				t.Errorf("work resumes %v after the right password is in the file, not within 10 s", at.Sub(entered))
			}
		case <-ctx.Done():
			t.Fatal("work does not resume with the right password")
		}
	}
	if n, locked := d.badPasswords(t, "svc"); locked {
		t.Errorf("locked after %d wrong passwords", n)
	}
}
