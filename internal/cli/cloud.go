package cli

import (
	"errors"
	"fmt"

	"github.com/koyomi-cal/koyomi/internal/account"
	"github.com/koyomi-cal/koyomi/internal/api"
	"github.com/koyomi-cal/koyomi/internal/cloud"
	"github.com/koyomi-cal/koyomi/internal/store/sqlite"
	"github.com/koyomi-cal/koyomi/internal/web"
)

type cloudCommands struct {
	Serve cloudServe `cmd:"" default:"withargs" help:"Run the cloud."`
	Enrol cloudEnrol `cmd:"" help:"Print a one-time code for a new account or a connector."`
}

type cloudServe struct {
	configFlags
}

// Run serves until it is told to stop.
func (c *cloudServe) Run(env *environment) (err error) {
	var config cloudConfig
	if err := c.load(env, &config); err != nil {
		return err
	}
	accounts, err := sqlite.OpenAccounts(env.ctx, database(config.Data, "settings.db", true))
	if err != nil {
		return err
	}
	defer closing(&err, accounts)
	objects, err := sqlite.OpenObjects(env.ctx, database(config.Data, "cache.db", true))
	if err != nil {
		return err
	}
	defer closing(&err, objects)
	log := env.logger(config.Log)
	server, err := cloud.New(cloud.Options{
		Accounts: accounts, Objects: objects, App: web.App(), Logger: log,
		Config: api.AppConfig{KMS: config.KMS.URL, Authority: config.KMS.Authority},
		Guard:  guard(config.URL, config.Listen, nil),
	})
	if err != nil {
		return err
	}
	l, err := listen(env.ctx, config.Listen, config.TLS)
	if err != nil {
		return err
	}
	log.Info("cloud runs", "listen", l.Addr().String())
	return server.Run(env.ctx, l)
}

type cloudEnrol struct {
	configFlags
	Connector string `placeholder:"NAME" help:"A connector, by a name of your choice, instead of a person."`
	Account   string `placeholder:"ID" help:"A further device of the account with this id."`
}

// Run prints the account's id and the code. The server may be running.
func (c *cloudEnrol) Run(env *environment) (err error) {
	var config cloudConfig
	if err := c.load(env, &config); err != nil {
		return err
	}
	accounts, err := sqlite.OpenAccounts(env.ctx, database(config.Data, "settings.db", false))
	if err != nil {
		return err
	}
	defer closing(&err, accounts)
	code, id, err := cloud.Enrol(env.ctx, accounts, cloud.Subject{Connector: c.Connector, Account: c.Account})
	if errors.Is(err, cloud.ErrSubject) {
		return usagef("%v", err)
	} else if err != nil {
		return err
	}
	fmt.Fprintf(env.stdout, "account %s\ncode    %s\n", id, code.Reveal())
	fmt.Fprintf(env.stderr, "the code is good once, for %v\n", account.CodeLife)
	return nil
}
