package cli

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"os"
	"slices"
	"time"

	"github.com/koyomi-cal/koyomi/ews/ewstest"
)

type exchangeCommand struct {
	Listen  string `default:"127.0.0.1:8485" help:"Address and port, on loopback." placeholder:"ADDR"`
	Users   int    `default:"10" help:"Mailboxes user0001@example.com and on, all with the password \"password\"."`
	Events  int    `default:"0" help:"Calendar items in each of them."`
	Guests  int    `name:"attendees" default:"0" help:"People invited to each of these, at most 100."`
	Dialect string `default:"exchange2019" help:"exchange2013, exchange2016, exchange2019, exchangese or gromox."`
	File    string `name:"dialect-file" placeholder:"FILE" help:"Play the server that \"koyomi check --write\" has described in this file."`
	Backs   int    `name:"back-ends" default:"1" help:"Mailbox servers behind the front end, at most 99."`
	Auth    string `default:"basic" help:"Ways to sign in, with commas: basic, ntlm, oauth (tokens for svc@example.com at /organization/oauth2/v2.0/token)."`
	Protect string `name:"extended-protection" default:"allow" help:"Channel bindings of NTLM: off, allow (a wrong one is refused) or require. With --tls."`
	TLS     bool   `help:"Serve https with a certificate of an authority made for this run."`
	CAOut   string `placeholder:"FILE" help:"With --tls: where to write that authority's certificate."`
}

// Run serves the simulator until it is told to stop. It holds invented data and
// takes a known password, so it listens on loopback only.
func (c *exchangeCommand) Run(env *environment) error {
	dialect, err := ewstest.ParseDialect(c.Dialect)
	auth, authErr := ewstest.ParseAuth(c.Auth)
	switch host, _, splitErr := net.SplitHostPort(c.Listen); {
	case err != nil:
		return usagef("--dialect: %v", err)
	case authErr != nil || slices.Contains(auth, ewstest.AuthNegotiate):
		return usagef("--auth: the simulator alone knows basic, ntlm and oauth, not %q", c.Auth)
	case !slices.Contains([]string{ewstest.ProtectionOff, ewstest.ProtectionAllow, ewstest.ProtectionRequire}, c.Protect):
		return usagef("--extended-protection is off, allow or require")
	case splitErr != nil || !loopback(host):
		return usagef("--listen: the simulator takes a known password and listens on loopback only, for example 127.0.0.1:8485")
	case c.Users < 0 || c.Events < 0:
		return usagef("--users and --events are 0 or more")
	case c.Guests < 0 || c.Guests > 100:
		return usagef("--attendees is 0 to 100")
	case c.Backs < 1 || c.Backs > 99:
		return usagef("--back-ends is 1 to 99")
	case c.CAOut != "" && !c.TLS:
		return usagef("--ca-out goes with --tls")
	}
	profile, err := c.profile()
	if err != nil {
		return err
	}
	if profile != nil && profile.Dialect != "" {
		dialect = profile.Dialect
	}
	l, err := new(net.ListenConfig).Listen(env.ctx, "tcp", c.Listen)
	if err != nil {
		return err
	}
	options := ewstest.Options{
		Dialect: dialect, Profile: profile, BackEnds: c.Backs, Users: c.Users, EventsPerUser: c.Events, Attendees: c.Guests, Auth: auth, ExtendedProtection: c.Protect,
	}
	scheme := "http"
	if c.TLS {
		scheme = "https"
		if l, options.Certificate, err = c.secure(l); err != nil {
			return err
		}
	}
	s := ewstest.NewServer(options)
	fmt.Fprintf(env.stdout, "Exchange simulator (%s) at %s://%s%s\n", dialect, scheme, l.Addr(), ewstest.Path)
	fmt.Fprintf(env.stdout, "users user0001@example.com to user%04d@example.com, service account svc@example.com, password \"password\"\n", c.Users)
	stop := context.AfterFunc(env.ctx, s.Close)
	defer stop()
	defer s.Close()
	return s.Serve(l)
}

// profile reads --dialect-file.
func (c *exchangeCommand) profile() (*ewstest.Profile, error) {
	if c.File == "" {
		return nil, nil
	}
	f, err := os.Open(c.File)
	if err != nil {
		return nil, fmt.Errorf("--dialect-file: %s cannot be read: %s", c.File, plain(err))
	}
	defer f.Close()
	p, err := ewstest.ParseProfile(f)
	if err != nil {
		return nil, fmt.Errorf("--dialect-file: %s: %w; \"koyomi check --write\" writes such a file", c.File, err)
	}
	return p, nil
}

// secure puts TLS over the listener and returns the certificate that it shows.
func (c *exchangeCommand) secure(l net.Listener) (net.Listener, []byte, error) {
	ca, cert, err := newAuthority(time.Now())
	if err != nil {
		l.Close()
		return nil, nil, err
	}
	if c.CAOut != "" {
		if err := os.WriteFile(c.CAOut, ca, 0o644); err != nil { //nolint:gosec // a public certificate
			l.Close()
			return nil, nil, fmt.Errorf("--ca-out: %s cannot be written: %s", c.CAOut, plain(err))
		}
	}
	return tls.NewListener(l, &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"}}), cert.Certificate[0], nil
}
