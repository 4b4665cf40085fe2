package cli

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"path/filepath"

	"github.com/koyomi-cal/koyomi/internal/account"
	"github.com/koyomi-cal/koyomi/internal/store/sqlite"
)

// configFlags are the flags of every command that reads a configuration.
type configFlags struct {
	Config string   `short:"c" placeholder:"FILE" help:"Configuration file; see koyomi config."`
	Set    []string `sep:"none" placeholder:"KEY=VALUE" help:"Set one value, over environment and file."`
}

// load reads a role's configuration and checks it.
func (f configFlags) load(env *environment, into interface{ check() error }) error {
	if err := loadConfig(into, f.Config, env.getenv, f.Set); err != nil {
		return err
	}
	if err := into.check(); err != nil {
		where := f.Config
		if where == "" {
			where = "without --config FILE"
		}
		return &configError{where, err.Error()}
	}
	return nil
}

// listen opens a listener, with TLS where there is a certificate. A new
// certificate takes a restart.
func listen(ctx context.Context, address string, t tlsConfig) (net.Listener, error) {
	var config *tls.Config
	if t.CertFile != "" {
		cert, err := tls.LoadX509KeyPair(t.CertFile, t.KeyFile)
		if err != nil {
			return nil, fmt.Errorf("tls: %s and %s cannot be used as certificate and key: %s", t.CertFile, t.KeyFile, plain(err))
		}
		config = &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12}
	}
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	if config != nil {
		l = tls.NewListener(l, config)
	}
	return l, nil
}

// guard admits the host of the address that a server is known by, and loopback
// where it listens there.
func guard(address, listen string, origins []string) account.Guard {
	g := account.Guard{Origins: origins}
	if u, err := url.Parse(address); err == nil && u.Hostname() != "" {
		g.Hosts = append(g.Hosts, u.Hostname())
	}
	if host, _, err := net.SplitHostPort(listen); err == nil && loopback(host) && len(g.Hosts) > 0 {
		g.Hosts = append(g.Hosts, "localhost", "127.0.0.1", "::1")
	}
	return g
}

// closing closes what a command opened and joins its error to the command's.
func closing(err *error, c io.Closer) { *err = errors.Join(*err, c.Close()) }

// database names one file of a role. A server takes it for itself, a command
// beside it does not.
func database(data, name string, server bool) sqlite.Options {
	return sqlite.Options{Path: filepath.Join(data, name), Exclusive: server}
}
