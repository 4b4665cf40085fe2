package activedirectory

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"time"

	"github.com/go-ldap/ldap/v3"

	"github.com/koyomi-cal/koyomi/ews"
	"github.com/koyomi-cal/koyomi/ews/internal/ntlm"
)

// DirectoryOptions say how the directory is reached. Servers and Account are
// required.
type DirectoryOptions struct {
	// Servers are the domain controllers to ask, the first that can be reached:
	// "dc1.corp.example.com", with ":port" where it is not 636. They speak LDAP
	// over TLS, and their certificates are verified for the name given here.
	Servers []string
	// Account signs in, under the rules that keep it from being locked: give the
	// one that calls Exchange where it is the same. With a password it does so
	// by a simple bind, whatever its scheme is there; one of NTLM needs
	// [ews.AccountOptions.Lends]. A [Negotiator] with a keytab signs in by
	// Kerberos, as ldap/ and the name of the server. OAuth is nothing that a
	// directory takes.
	Account *ews.Account
	// Pointers are further servers, written like Servers, to which service
	// connection points may lead. To others they do not.
	Pointers []string
	// Site is the site of this computer in the directory; its Exchange servers
	// come first. May be empty.
	Site string

	// CAFile is a PEM file of authorities that are trusted beside the system's.
	// RootCAs replaces both.
	CAFile  string
	RootCAs *x509.CertPool
	Timeout time.Duration // of one question with its sign-in; default 15 s

	// DialContext replaces the way connections are made.
	DialContext func(ctx context.Context, network, address string) (net.Conn, error)
}

// Directory reads Active Directory. It is safe for use by several goroutines at
// once; each question has a connection of its own.
type Directory struct {
	opt      DirectoryOptions
	roots    *x509.CertPool
	pointers map[string]bool // servers with their ports
}

// NewDirectory checks the options and returns a Directory. It sends nothing.
func NewDirectory(o DirectoryOptions) (*Directory, error) {
	switch {
	case len(o.Servers) == 0:
		return nil, errors.New("name a domain controller, such as dc1.corp.example.com")
	case o.Account == nil:
		return nil, errors.New("give the account that reads the directory")
	}
	if o.Timeout <= 0 {
		o.Timeout = 15 * time.Second
	}
	if o.DialContext == nil {
		o.DialContext = (&net.Dialer{}).DialContext
	}
	d := &Directory{opt: o, roots: o.RootCAs, pointers: map[string]bool{}}
	for _, list := range []*[]string{&d.opt.Servers, &d.opt.Pointers} {
		all := make([]string, len(*list))
		for i, s := range *list {
			at, err := address(s)
			if err != nil {
				return nil, err
			}
			all[i], d.pointers[at] = at, true
		}
		*list = all
	}
	if d.roots == nil && o.CAFile != "" {
		pool, err := trusted(o.CAFile)
		if err != nil {
			return nil, err
		}
		d.roots = pool
	}
	return d, nil
}

// address returns a server with its port, in lower case.
func address(s string) (string, error) {
	s = strings.ToLower(strings.TrimSpace(s))
	if s == "" || strings.ContainsAny(s, "/@ ?#") {
		return "", fmt.Errorf("%q is no server: write its name, such as dc1.corp.example.com", s)
	}
	if host, port, err := net.SplitHostPort(s); err == nil && port != "" {
		return net.JoinHostPort(strings.TrimSuffix(host, "."), port), nil
	}
	return net.JoinHostPort(strings.TrimSuffix(strings.Trim(s, "[]"), "."), "636"), nil
}

func trusted(file string) (*x509.CertPool, error) {
	pem, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("the CA file of the directory cannot be read; check that it exists and may be read: %w", err)
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	if !pool.AppendCertsFromPEM(pem) {
		return nil, errors.New("the CA file of the directory holds no certificate in PEM form")
	}
	return pool, nil
}

// ask runs a question on a connection to the first server that can be reached.
func (d *Directory) ask(ctx context.Context, servers []string, question func(*ldap.Conn) error) error {
	ctx, cancel := context.WithTimeout(ctx, d.opt.Timeout)
	defer cancel()
	var last error
	for _, s := range servers {
		conn, err := d.dial(ctx, s)
		if err != nil {
			last = fmt.Errorf("reach the domain controller %s: %w", s, err)
			continue
		}
		return d.on(ctx, conn, s, question)
	}
	return last
}

// on signs in and runs the question.
func (d *Directory) on(ctx context.Context, conn net.Conn, server string, question func(*ldap.Conn) error) error {
	l := ldap.NewConn(conn, true)
	l.SetTimeout(d.opt.Timeout)
	l.Start()
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	defer func() { _ = l.Close() }()
	if err := d.bind(ctx, l, server, bindingOf(conn)); err != nil {
		return err
	}
	return question(l)
}

// dial makes a connection whose certificate was verified.
func (d *Directory) dial(ctx context.Context, server string) (net.Conn, error) {
	host, _, err := net.SplitHostPort(server)
	if err != nil {
		return nil, err
	}
	raw, err := d.opt.DialContext(ctx, "tcp", server)
	if err != nil {
		return nil, err
	}
	conn := tls.Client(raw, &tls.Config{ServerName: host, RootCAs: d.roots, MinVersion: tls.VersionTLS12})
	if err := conn.HandshakeContext(ctx); err != nil {
		_ = raw.Close()
		return nil, err
	}
	return conn, nil
}

// bindingOf returns the hash of a TLS connection's channel bindings, which
// domain controllers may ask for.
func bindingOf(conn net.Conn) []byte {
	c, is := conn.(*tls.Conn)
	if !is || len(c.ConnectionState().PeerCertificates) == 0 {
		return nil
	}
	return ntlm.Binding(c.ConnectionState().PeerCertificates[0])
}

// bind signs in.
func (d *Directory) bind(ctx context.Context, l *ldap.Conn, server string, binding []byte) error {
	return d.opt.Account.Lend(ctx, "Bind", "ldaps://"+server, func(c ews.Credentials) (refusal bool, err error) {
		name, password := c.Username, c.Password
		if c.Negotiator != nil {
			n, ours := c.Negotiator.(*Negotiator)
			switch {
			case !ours:
				return false, errors.New("the directory takes no tickets but those of this package")
			case n.keys != nil:
				return bindByTicket(ctx, l, n, server, binding)
			}
			name, password = n.user+"@"+n.opt.Realm, n.opt.Password
		}
		err = l.Bind(name, password.Reveal())
		return ldap.IsErrorWithCode(err, ldap.LDAPResultInvalidCredentials), err
	})
}

// bindByTicket signs in by Kerberos. The secret is refused by the ticket's
// issuer, never by who takes the ticket.
func bindByTicket(ctx context.Context, l *ldap.Conn, n *Negotiator, server string, binding []byte) (refusal bool, err error) {
	host, _, _ := net.SplitHostPort(server)
	spn := "ldap/" + host
	if err = l.GSSAPIBind(&saslClient{ctx: ctx, n: n, binding: binding}, spn, ""); err == nil {
		return false, nil
	}
	if e, is := errors.AsType[*ews.Error](err); is {
		return e.Class() == ews.Auth, err
	}
	n.forget(spn)
	return false, err
}

// root reads the naming contexts.
func root(l *ldap.Conn) (*ldap.Entry, error) {
	return base(l, "", "configurationNamingContext", "defaultNamingContext")
}

// base reads one entry by its name.
func base(l *ldap.Conn, dn string, attributes ...string) (*ldap.Entry, error) {
	found, err := l.Search(ldap.NewSearchRequest(dn, ldap.ScopeBaseObject, ldap.NeverDerefAliases, 1, 10, false, "(objectClass=*)", attributes, nil))
	switch {
	case err != nil:
		return nil, err
	case len(found.Entries) != 1:
		return nil, fmt.Errorf("the directory does not show %q; check the account's rights", dn)
	}
	return found.Entries[0], nil
}
