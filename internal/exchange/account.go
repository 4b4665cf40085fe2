package exchange

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/koyomi-cal/koyomi/ews"
	"github.com/koyomi-cal/koyomi/ews/activedirectory"
)

// SignIn is how the service accounts sign in. The zero value is Basic.
type SignIn struct {
	Scheme ews.Scheme
	// Realm, KDCs and SPN are for Kerberos, see activedirectory.KerberosOptions.
	Realm string
	KDCs  []string
	SPN   string
	// NoBinding leaves the channel binding of Extended Protection out.
	NoBinding bool
	// TokenURL and Scope are for OAuth.
	TokenURL, Scope string
}

// Login is the name and secret of a service account.
type Login struct {
	Username     string
	PasswordFile string // looked at every five seconds
	Password     ews.Secret
	KeytabFile   string // of Kerberos, in the place of the password; looked at, too
	// CertificateFile is for OAuth, in the place of the password: a certificate in
	// PEM, and its RSA key in KeyFile or, where that is empty, behind it. Both are
	// looked at, too.
	CertificateFile, KeyFile string
}

// files are those that the login is made of.
func (l Login) files() []string {
	return []string{l.PasswordFile, l.KeytabFile, l.CertificateFile, l.KeyFile}
}

// Proxy is an HTTP proxy in front of Exchange. The zero value is none.
type Proxy struct {
	URL string
	Login
	Scheme ews.Scheme // Basic or NTLM
}

// testEvery is how often the account that stands by is tested.
const testEvery = time.Hour

// logins returns the accounts in the order in which they are used.
func (o *Options) logins() []Login {
	list := []Login{{o.Username, o.PasswordFile, o.Password, o.KeytabFile, o.CertificateFile, o.KeyFile}}
	if o.Standby != nil {
		list = append(list, *o.Standby)
	}
	return list
}

// readSecrets reads the files of all secrets.
func (x *Exchange) readSecrets() error {
	for _, l := range append(x.opt.logins(), x.opt.Proxy.Login) {
		for _, name := range l.files() {
			if name == "" {
				continue
			}
			data, err := os.ReadFile(name)
			if err != nil {
				return fmt.Errorf("the file with the Exchange password, keytab or certificate cannot be read: %w", err)
			}
			x.files[name] = data
		}
	}
	return nil
}

// makeAccounts makes the accounts with what their files hold.
func (x *Exchange) makeAccounts() error {
	for _, l := range x.opt.logins() {
		c, err := x.credentialsOf(l)
		if err != nil {
			return err
		}
		if e, is := errors.AsType[*ews.Error](c.Check()); is {
			return fmt.Errorf("exchange: %s", e.Message)
		}
		x.accounts = append(x.accounts, ews.NewAccount(c, ews.AccountOptions{
			Hold: x.opt.AuthHold, NoBinding: x.opt.SignIn.NoBinding, Lends: x.opt.Directory != nil,
		}))
	}
	if p := x.opt.Proxy; p.Username != "" {
		x.proxy = ews.NewAccount(x.proxyCredentials(), ews.AccountOptions{Hold: x.opt.AuthHold})
	}
	return nil
}

func (x *Exchange) proxyCredentials() ews.Credentials {
	p := x.opt.Proxy
	return ews.Credentials{Username: p.Username, Password: x.passwordOf(p.Login), Scheme: p.Scheme}
}

func (x *Exchange) passwordOf(l Login) ews.Secret {
	if l.PasswordFile == "" {
		return l.Password
	}
	return ews.NewSecret(string(bytes.TrimRight(x.files[l.PasswordFile], "\r\n")))
}

// credentialsOf returns what a login signs in with.
func (x *Exchange) credentialsOf(l Login) (ews.Credentials, error) {
	o := x.opt.SignIn
	c := ews.Credentials{Username: l.Username, Password: x.passwordOf(l), Scheme: o.Scheme}
	switch o.Scheme {
	case ews.Negotiate:
		n, err := activedirectory.NewNegotiator(activedirectory.KerberosOptions{
			Realm: o.Realm, KDCs: o.KDCs, SPN: o.SPN, Username: l.Username, Password: c.Password, KeytabFile: l.KeytabFile, DialContext: x.opt.DialContext,
		})
		if err != nil {
			return c, fmt.Errorf("exchange: %w", err)
		}
		c.Negotiator, c.Password = n, ews.Secret{}
	case ews.OAuth:
		c.Tokens = &ews.TokenEndpoint{URL: o.TokenURL, Scope: o.Scope}
		if l.CertificateFile != "" {
			certificate, err := x.certificateOf(l)
			if err != nil {
				return c, err
			}
			c.Tokens.Certificate, c.Password = certificate, ews.Secret{}
		}
	}
	return c, nil
}

// certificateOf makes of its files the certificate of a login.
func (x *Exchange) certificateOf(l Login) (*tls.Certificate, error) {
	c, err := tls.X509KeyPair(x.files[l.CertificateFile], x.files[cmp.Or(l.KeyFile, l.CertificateFile)])
	if err != nil {
		return nil, fmt.Errorf("exchange: the certificate and key for OAuth cannot be used; both are PEM, the key without a passphrase, and it is the certificate's own: %w", err)
	}
	return &c, nil
}

// fingerprint is what a refused secret is recognised by.
func (x *Exchange) fingerprint(l Login) string {
	secret := l.Username + "\x00" + x.passwordOf(l).Reveal()
	for _, name := range []string{l.KeytabFile, l.CertificateFile, l.KeyFile} {
		if name != "" {
			secret += "\x00" + string(x.files[name])
		}
	}
	return secret
}

// renew takes up new content of secrets' files and reports whether there is any.
func (x *Exchange) renew() (renewed bool) {
	for i, l := range x.opt.logins() {
		changed := false
		for _, name := range l.files() {
			changed = x.changed(name) || changed
		}
		if !changed {
			continue
		}
		x.mu.Lock()
		c, err := x.credentialsOf(l)
		x.mu.Unlock()
		if err != nil {
			x.log.Warn("the new content of a password, keytab or certificate file is of no use; what was there before stays", "error", err)
			continue
		}
		x.accounts[i].SetCredentials(c)
		if renewed = true; i == 0 {
			x.first.Store(true)
		}
	}
	if x.proxy != nil && x.changed(x.opt.Proxy.PasswordFile) {
		x.mu.Lock()
		c := x.proxyCredentials()
		x.mu.Unlock()
		x.proxy.SetCredentials(c)
		renewed = true
	}
	return renewed
}

// clientOf makes a client of an account.
func (x *Exchange) clientOf(a *ews.Account) (*ews.Client, error) {
	o := x.opt
	client, err := ews.New(ews.Options{
		URL: o.URL, Account: a, CAFile: o.CAFile, RootCAs: o.RootCAs, Timeout: o.Timeout, Proxy: o.Proxy.URL, ProxyAccount: x.proxy,
		Scheduler: o.Scheduler, UserAgent: o.UserAgent, Logger: o.Log, DialContext: o.DialContext,
	})
	if e, is := errors.AsType[*ews.Error](err); is {
		return nil, fmt.Errorf("exchange: %s", e.Message)
	}
	return client, err
}

// idle returns the account that stands by, or -1.
func (x *Exchange) idle() int {
	x.mu.Lock()
	defer x.mu.Unlock()
	if len(x.accounts) < 2 {
		return -1
	}
	return 1 - x.active
}

// inUseHeld reports whether the account in use is refused. A refused proxy is
// no reason for another account.
func (x *Exchange) inUseHeld() bool {
	x.mu.Lock()
	a := x.accounts[x.active]
	x.mu.Unlock()
	return !a.HeldUntil().IsZero()
}

// OnStandby reports whether the second service account is in use, because the
// first was refused: somebody should look at it.
func (x *Exchange) OnStandby() bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.active == 1
}

// wantOther has Run look at the account that stands by, since the other one is
// of no use.
func (x *Exchange) wantOther() {
	if x.idle() < 0 || !x.inUseHeld() {
		return
	}
	select {
	case x.failed <- struct{}{}:
	default:
	}
}

// testIdle tries the account that stands by and returns its client, or nil
// where it is of no use, and whether the server has let it in. It needs no
// mailbox: an answer of any kind to it shows that it is.
func (x *Exchange) testIdle(ctx context.Context) (client *ews.Client, letIn bool) {
	i := x.idle()
	if i < 0 || !x.accounts[i].HeldUntil().IsZero() {
		return nil, false
	}
	client, err := x.clientOf(x.accounts[i])
	if err != nil {
		return nil, false
	}
	at := client
	if x.finder != nil {
		if at, err = client.At(x.finder.someURL()); err != nil {
			return client, false // nothing is found yet: there is nowhere to test it
		}
	}
	ctx, cancel := context.WithTimeout(ctx, x.opt.Timeout)
	defer cancel()
	_, err = at.As("").Probe(ctx)
	e, failed := errors.AsType[*ews.Error](err)
	if !failed || e.Class() != ews.Auth {
		return client, err == nil || failed && strings.HasPrefix(e.Code, "Error")
	}
	x.refused() // to be remembered
	x.log.Error("the service account that stands by is refused, too; enter its right password", "error", e)
	client.Close()
	return nil, false
}

// failOver goes over to the account that stands by, where the one in use is
// refused.
func (x *Exchange) failOver(ctx context.Context) {
	if !x.inUseHeld() {
		return
	}
	if client, _ := x.testIdle(ctx); client != nil {
		x.use(client)
		x.log.Error("the service account is refused; the one that stands by is used now: see to the refused one")
	}
}

// goBack tests the account that stands by, and goes back to it where that is the
// first one: the second only stands in for it.
func (x *Exchange) goBack(ctx context.Context) {
	client, letIn := x.testIdle(ctx)
	switch {
	case client == nil:
	case !x.OnStandby() || !letIn:
		client.Close()
	default:
		x.use(client)
		x.log.Info("the first service account is let in again and is used from now on")
	}
}

// use has the account that stood by used from now on. What is under way ends with
// the old one; watches move one after the other.
func (x *Exchange) use(client *ews.Client) {
	x.mu.Lock()
	old := x.client
	x.client, x.active = client, 1-x.active
	x.mu.Unlock()
	old.Close()
	x.retry()
}
