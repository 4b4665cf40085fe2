package cli

import (
	"errors"
	"fmt"

	"github.com/koyomi-cal/koyomi/internal/account"
	"github.com/koyomi-cal/koyomi/internal/kms"
	"github.com/koyomi-cal/koyomi/internal/store"
	"github.com/koyomi-cal/koyomi/internal/store/sqlite"
)

type kmsCommands struct {
	Serve  kmsServe  `cmd:"" default:"withargs" help:"Run the key server."`
	Init   kmsInit   `cmd:"" help:"Make the database, the master key and the server's own name, unless they are there."`
	Status kmsStatus `cmd:"" help:"Print the server's own name and the organisation's id."`
	Enrol  kmsEnrol  `cmd:"" help:"Print a one-time code for a user or a connector."`
}

type kmsServe struct {
	configFlags
}

// Run serves until it is told to stop.
func (c *kmsServe) Run(env *environment) (err error) {
	server, st, config, err := c.open(env, true)
	if err != nil {
		return err
	}
	defer closing(&err, st)
	l, err := listen(env.ctx, config.Listen, config.TLS)
	if err != nil {
		return err
	}
	env.logger(config.Log).Info("key server runs", "listen", l.Addr().String(), "authority", server.Authority())
	return server.Run(env.ctx, l)
}

// open makes a server of the configuration. The caller closes the store.
func (f configFlags) open(env *environment, exclusive bool) (*kms.Server, store.KMS, *kmsConfig, error) {
	var config kmsConfig
	if err := f.load(env, &config); err != nil {
		return nil, nil, nil, err
	}
	st, err := sqlite.OpenKMS(env.ctx, database(config.Data, "settings.db", exclusive))
	if err != nil {
		return nil, nil, nil, err
	}
	server, err := kms.New(env.ctx, kms.Options{
		Store: st, MasterFile: config.MasterFile, Guard: guard(config.URL, config.Listen, config.Origins), Logger: env.logger(config.Log),
	})
	if err != nil {
		return nil, nil, nil, errors.Join(err, st.Close())
	}
	return server, st, &config, nil
}

type kmsInit struct {
	configFlags
}

// Run makes what a first start would make. It is safe to repeat.
func (c *kmsInit) Run(env *environment) (err error) {
	server, st, config, err := c.open(env, false)
	if err != nil {
		return err
	}
	defer closing(&err, st)
	fmt.Fprintf(env.stdout, "authority %s\norg       %s\nmaster key in %s: keep a copy of it apart from the database\n", server.Authority(), server.Org(), config.MasterFile)
	return nil
}

type kmsStatus struct {
	configFlags
}

// Run prints what the cloud's configuration needs to know.
func (c *kmsStatus) Run(env *environment) (err error) {
	var config kmsConfig
	if err := c.load(env, &config); err != nil {
		return err
	}
	st, err := sqlite.OpenKMS(env.ctx, database(config.Data, "settings.db", false))
	if err != nil {
		return err
	}
	defer closing(&err, st)
	for _, name := range []string{"authority", "org"} {
		value, err := st.Value(env.ctx, name)
		if errors.Is(err, store.ErrNotFound) {
			return errors.New("the key server was never started with this configuration; run `koyomi kms init`")
		} else if err != nil {
			return err
		}
		fmt.Fprintf(env.stdout, "%-9s %s\n", name, value)
	}
	return nil
}

type kmsEnrol struct {
	configFlags
	User      string `arg:"" optional:"" help:"The user's primary mail address."`
	Connector string `placeholder:"NAME" help:"Instead of a user: a connector, by a name of your choice."`
}

// Run prints the code. The server may be running.
func (c *kmsEnrol) Run(env *environment) (err error) {
	var config kmsConfig
	if err := c.load(env, &config); err != nil {
		return err
	}
	st, err := sqlite.OpenKMS(env.ctx, database(config.Data, "settings.db", false))
	if err != nil {
		return err
	}
	defer closing(&err, st)
	code, err := kms.Enrol(env.ctx, st, kms.Subject{User: c.User, Connector: c.Connector})
	if errors.Is(err, kms.ErrSubject) {
		return usagef("%v", err)
	} else if err != nil {
		return err
	}
	fmt.Fprintf(env.stdout, "code    %s\n", code.Reveal())
	fmt.Fprintf(env.stderr, "the code is good once, for %v\n", account.CodeLife)
	return nil
}
