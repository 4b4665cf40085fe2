package cli

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"os"
	"time"

	"github.com/koyomi-cal/koyomi/ews/ewstest"
)

type exchangeCommand struct {
	Listen  string `default:"127.0.0.1:8485" help:"Address and port, on loopback." placeholder:"ADDR"`
	Users   int    `default:"10" help:"Mailboxes user0001@example.com and on, all with the password \"password\"."`
	Events  int    `default:"0" help:"Calendar items in each of them."`
	Guests  int    `name:"attendees" default:"0" help:"People invited to each of these, at most 100."`
	Dialect string `default:"exchange2019" help:"exchange2013, exchange2016, exchange2019, exchangese or gromox."`
	Auth    string `default:"basic" help:"Ways to sign in: basic."`
	TLS     bool   `help:"Serve https with a certificate of an authority made for this run."`
	CAOut   string `placeholder:"FILE" help:"With --tls: where to write that authority's certificate."`
}

// Run serves the simulator until it is told to stop. It holds invented data and
// takes a known password, so it listens on loopback only.
func (c *exchangeCommand) Run(env *environment) error {
	dialect, err := ewstest.ParseDialect(c.Dialect)
	switch host, _, splitErr := net.SplitHostPort(c.Listen); {
	case err != nil:
		return usagef("--dialect: %v", err)
	case c.Auth != "basic":
		return usagef("--auth: the simulator knows basic, not %q", c.Auth)
	case splitErr != nil || !loopback(host):
		return usagef("--listen: the simulator takes a known password and listens on loopback only, for example 127.0.0.1:8485")
	case c.Users < 0 || c.Events < 0:
		return usagef("--users and --events are 0 or more")
	case c.Guests < 0 || c.Guests > 100:
		return usagef("--attendees is 0 to 100")
	case c.CAOut != "" && !c.TLS:
		return usagef("--ca-out goes with --tls")
	}
	l, err := new(net.ListenConfig).Listen(env.ctx, "tcp", c.Listen)
	if err != nil {
		return err
	}
	scheme := "http"
	if c.TLS {
		scheme = "https"
		if l, err = c.secure(l); err != nil {
			return err
		}
	}
	s := ewstest.NewServer(ewstest.Options{Dialect: dialect, Users: c.Users, EventsPerUser: c.Events, Attendees: c.Guests})
	fmt.Fprintf(env.stdout, "Exchange simulator (%s) at %s://%s%s\n", dialect, scheme, l.Addr(), ewstest.Path)
	fmt.Fprintf(env.stdout, "users user0001@example.com to user%04d@example.com, service account svc@example.com, password \"password\"\n", c.Users)
	stop := context.AfterFunc(env.ctx, s.Close)
	defer stop()
	defer s.Close()
	return s.Serve(l)
}

// secure puts TLS over the listener.
func (c *exchangeCommand) secure(l net.Listener) (net.Listener, error) {
	ca, cert, err := newAuthority(time.Now())
	if err != nil {
		l.Close()
		return nil, err
	}
	if c.CAOut != "" {
		if err := os.WriteFile(c.CAOut, ca, 0o644); err != nil { //nolint:gosec // a public certificate
			l.Close()
			return nil, fmt.Errorf("--ca-out: %s cannot be written: %s", c.CAOut, plain(err))
		}
	}
	return tls.NewListener(l, &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"}}), nil
}
