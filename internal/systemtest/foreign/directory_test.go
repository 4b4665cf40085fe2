package foreign

import (
	"errors"
	"net/url"
	"path/filepath"
	"testing"
	"time"

	"github.com/koyomi-cal/koyomi/ews"
	"github.com/koyomi-cal/koyomi/ews/activedirectory"
	"github.com/koyomi-cal/koyomi/ews/ewstest"
	"github.com/koyomi-cal/koyomi/internal/directory"
)

// asks is our way into the domain's directory.
func (d *domain) asks(t *testing.T, account, secret string) (*activedirectory.Directory, *ews.Account) {
	t.Helper()
	a := ews.NewAccount(ews.Credentials{Username: account + "@ad.example.com", Password: ews.NewSecret(secret)}, ews.AccountOptions{})
	return d.directory(t, a), a
}

func (d *domain) directory(t *testing.T, a *ews.Account) *activedirectory.Directory {
	t.Helper()
	dir, err := activedirectory.NewDirectory(activedirectory.DirectoryOptions{
		Servers: []string{controllerName}, Account: a, Site: "Default-First-Site-Name", RootCAs: d.roots, DialContext: d.dial,
	})
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// TestDirectoryByKerberos reads the directory as accounts do that sign in to
// Exchange by Kerberos, with a keytab or a password, or by NTLM.
func TestDirectoryByKerberos(t *testing.T) {
	t.Parallel()
	d := joinDomain(t)
	kerberos := func(o activedirectory.KerberosOptions) ews.Credentials {
		o.Realm, o.KDCs, o.Username, o.DialContext = realm, []string{d.host}, "standby", d.dial
		n, err := activedirectory.NewNegotiator(o)
		if err != nil {
			t.Fatal(err)
		}
		return ews.Credentials{Username: "standby", Scheme: ews.Negotiate, Negotiator: n}
	}
	for name, c := range map[string]ews.Credentials{
		"keytab":   kerberos(activedirectory.KerberosOptions{KeytabFile: filepath.Join(d.dir, "standby.keytab")}),
		"password": kerberos(activedirectory.KerberosOptions{Password: ews.NewSecret(domainPassword)}),
		"ntlm":     {Username: `EXAMPLE\standby`, Password: ews.NewSecret(domainPassword), Scheme: ews.NTLM},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := d.directory(t, ews.NewAccount(c, ews.AccountOptions{Lends: true}))
			points, err := dir.ServiceConnectionPoints(limited(t), "ad.example.com")
			if err != nil || len(points) == 0 || points[0].URL != autodiscoverAt {
				t.Fatalf("%+v, %v, because of %v", points, err, errors.Unwrap(err))
			}
			if policy, err := dir.Lockout(limited(t), "standby"); err != nil || policy.Threshold != 5 {
				t.Errorf("%+v, %v", policy, err)
			}
		})
	}
}

// TestLockoutPolicy reads from the directory how careful one has to be.
func TestLockoutPolicy(t *testing.T) {
	t.Parallel()
	d := joinDomain(t)
	dir, _ := d.asks(t, "standby", domainPassword)
	got, err := dir.Lockout(limited(t), "standby@ad.example.com")
	if err != nil {
		t.Fatal(err)
	}
	want := activedirectory.Lockout{Known: true, Threshold: 5, Window: 30 * time.Minute, Duration: 30 * time.Minute}
	if got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
}

// TestAutodiscoverBySCP finds a mailbox as a computer of the domain does: the
// directory names the Autodiscover service, nearest first, and that the mailbox's
// server.
func TestAutodiscoverBySCP(t *testing.T) {
	t.Parallel()
	d := joinDomain(t)
	dir, _ := d.asks(t, "standby", domainPassword)
	points, err := dir.ServiceConnectionPoints(limited(t), "ad.example.com")
	if err != nil {
		t.Fatal(err)
	}
	var urls []string
	for _, p := range points {
		urls = append(urls, p.URL)
	}
	if len(urls) == 0 || urls[0] != autodiscoverAt {
		t.Fatalf("the directory names %q, want first %s", urls, autodiscoverAt)
	}

	s := serve(t, ewstest.Options{TLS: true, Domain: "ad.example.com"})
	at, err := url.Parse(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	host := newHost(t)
	roots, _ := bridge(t, host, mailHost, s)
	trust, err := ews.NewTrust([]ews.HostRule{{Host: mailHost, State: ews.HostAllowed}, {Host: at.Host, State: ews.HostAllowed}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	find, err := ews.NewDiscoverer(ews.DiscovererOptions{
		Options: ews.Options{
			Credentials: ews.Credentials{Username: "svc@ad.example.com", Password: ews.NewSecret(password)}, RootCAs: roots, DialContext: to(host),
		},
		Trust: trust, SCP: dir.ServiceConnectionPoints,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(find.Close)
	found := find.Find(limited(t), "user0001@ad.example.com")
	if len(found) != 1 || found[0].Err != nil || found[0].EWSURL == "" {
		t.Fatalf("found %+v", found)
	}
	t.Logf("found %s by %+v", found[0].EWSURL, found[0].Steps)
	sent(t, s, "GetUserSettings")
}

// TestDirectoryRefusesPassword asks the directory with a wrong password: it is
// used up once, whatever is asked.
func TestDirectoryRefusesPassword(t *testing.T) {
	t.Parallel()
	d := joinDomain(t)
	dir, account := d.asks(t, "careful", "wrong")
	for range 5 {
		_, err := dir.Lockout(limited(t), "careful@ad.example.com")
		if e, is := asError(err); !is || e.Class() != ews.Auth {
			t.Errorf("a wrong password: %v", err)
		}
		if _, err := dir.ServiceConnectionPoints(limited(t), "ad.example.com"); err == nil {
			t.Error("the directory answers to a wrong password")
		}
	}
	if account.HeldUntil().IsZero() {
		t.Error("the refused password is not held back")
	}
	if n, locked := d.badPasswords(t, "careful"); locked || n != 1 {
		t.Errorf("the account has had %d wrong passwords (locked: %v), want 1", n, locked)
	}
}

// TestPeople reads the people of a domain: more than one page of them, by groups
// within groups, by any address, by what somebody types.
func TestPeople(t *testing.T) {
	t.Parallel()
	d := joinDomain(t)
	source, _ := d.asks(t, "standby", domainPassword)
	dir := directory.New(source)
	seen := map[string]directory.Person{}
	for p, err := range dir.Members(limited(t), "Everybody") {
		if err != nil {
			t.Fatal(err)
		}
		if _, twice := seen[p.Address]; twice {
			t.Errorf("%s comes twice", p)
		}
		seen[p.Address] = p
	}
	if len(seen) != 615 {
		t.Errorf("%d members, want 615", len(seen))
	}
	p, ok, err := dir.Lookup(limited(t), "P7@example.org")
	if err != nil || !ok || p.Address != "person0007@example.com" || p.Name != "Person 0007 田中" || p.GUID != seen[p.Address].GUID || len(p.GUID) != 36 {
		t.Errorf("%q %q %q, %v, %v", p.Address, p.Name, p.GUID, ok, err)
	}
	found, err := dir.Complete(limited(t), "0042 田", 5)
	if err != nil || len(found) != 1 || found[0].Address != "person0042@example.com" {
		t.Errorf("%d found, %v", len(found), err)
	}
	if found, err = dir.Complete(limited(t), "person", 5); err != nil || len(found) != 5 {
		t.Errorf("%d found of many, %v", len(found), err)
	}
	for _, err := range dir.Members(limited(t), "No such group") {
		if !errors.Is(err, directory.ErrNoGroup) {
			t.Errorf("a group that is not there: %v", err)
		}
	}
	for range dir.All(limited(t)) {
		break // whoever has seen enough may go
	}
}
