package cli

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/koyomi-cal/koyomi/internal/account"
	"github.com/koyomi-cal/koyomi/internal/calendar"
	"github.com/koyomi-cal/koyomi/internal/connector"
	"github.com/koyomi-cal/koyomi/internal/detect"
	"github.com/koyomi-cal/koyomi/internal/mailbox"
	"github.com/koyomi-cal/koyomi/internal/meet"
	"github.com/koyomi-cal/koyomi/internal/node"
	"github.com/koyomi-cal/koyomi/internal/ops"
	"github.com/koyomi-cal/koyomi/internal/render"
)

type connectorCommands struct {
	Serve       connectorServe       `cmd:"" default:"withargs" help:"Run the connector."`
	Acknowledge connectorAcknowledge `cmd:"" help:"Let writes go on after the breaker has stopped them all."`
}

type connectorAcknowledge struct {
	configFlags
}

// Run leaves word for the connector, which may be running.
func (c *connectorAcknowledge) Run(env *environment) error {
	var config connectorConfig
	if err := c.load(env, &config); err != nil {
		return err
	}
	if err := node.Acknowledge(config.Data); err != nil {
		return err
	}
	_, err := fmt.Fprintln(env.stdout, "Acknowledged: the connector writes again within five seconds, or at its next start.")
	return err
}

type connectorServe struct {
	configFlags
}

// Run serves the mailboxes until it is told to stop.
func (c *connectorServe) Run(env *environment) error {
	var config connectorConfig
	if err := c.load(env, &config); err != nil {
		return err
	}
	log := env.logger(config.Log)
	status := new(ops.Status)
	options, err := config.node(env)
	if err != nil {
		return err
	}
	options.Log, options.Connector.Status = log, status

	l, err := listen(env.ctx, config.Admin.Listen, config.Admin.TLS)
	if err != nil {
		return err
	}
	metrics := ops.NewRegistry()
	admin := guarded(guard("", config.Admin.Listen, nil), ops.Handler(status, metrics))

	// /healthz answers from the first moment on, also while the node waits for
	// a server to enrol at.
	status.Set("start", "the connector is starting")
	g, ctx := errgroup.WithContext(env.ctx)
	g.Go(func() error { return ops.Serve(ctx, l, admin, log) })
	g.Go(func() (err error) {
		n, err := node.Open(ctx, options)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, n.Close()) }()
		if err := metrics.Register(n.Collector()); err != nil {
			return err
		}
		status.Set("start", "")
		log.Info("connector runs", "mailboxes", len(options.Connector.Mailboxes), "admin", l.Addr().String())
		return n.Run(ctx)
	})
	if err := g.Wait(); !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

// guarded lets a request in by the names that the server is known by.
func guarded(g account.Guard, h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if no := g.Check(r); no != nil {
			http.Error(w, no.Message, no.Status)
			return
		}
		h.ServeHTTP(w, r)
	})
}

// node turns the configuration into what a node is made of. Secrets and codes
// are read here or when they are needed, never kept in the configuration.
func (c *connectorConfig) node(env *environment) (node.Options, error) {
	x, err := c.Exchange.options(env, env.logger(c.Log))
	if err != nil {
		return node.Options{}, err
	}
	o := node.Options{
		Data: c.Data, Exchange: x,
		Cloud: c.Cloud.peer(env, "cloud"), KMS: c.KMS.peer(env, "kms"),
		Services: func(secret meet.Secret, ledger meet.Ledger) ([]meet.Service, error) {
			return c.meetServices(env, secret, ledger)
		},
		Connector: connector.Options{
			Writes: c.Safety.Writes, Recipients: c.Safety.Recipients, PurgeAfter: days(c.Safety.PurgeAfter),
			Rules: mailbox.Rules{
				Detect: detect.New(c.detectRules()),
				Render: c.Organisation.block(), Domains: c.domains(),
				Settle: orNone(c.Safety.Settle), DraftSettle: orNone(c.Safety.DraftSettle),
				Back: days(c.Safety.DaysBack), Ahead: days(c.Safety.DaysAhead), Lead: orNone(c.Organisation.ButtonLead),
				AbsentIsSent: c.Exchange.AbsentSent == "sent",
			},
		},
	}
	if err := o.Connector.Rules.Render.Check(); err != nil {
		return node.Options{}, fmt.Errorf("organisation: %w", err)
	}
	for i, m := range c.Mailboxes {
		if err := (render.Options{Locale: m.Locale}).Check(); err != nil {
			return node.Options{}, fmt.Errorf("mailboxes: entry %d: %w", i+1, err)
		}
		o.Connector.Mailboxes = append(o.Connector.Mailboxes, m.mailbox())
	}
	return o, nil
}

// mailbox is the mailbox as the connector has it.
func (m mailboxConfig) mailbox() connector.Mailbox {
	return connector.Mailbox{
		Mailbox: calendar.Mailbox{Address: m.Address, Aliases: m.Aliases, Name: m.Name, Locale: m.Locale},
		Owner:   m.Owner, Account: m.Account,
	}
}

// block is how join blocks are written.
func (c *organisationConfig) block() render.Options {
	o := render.Options{
		Locale: c.Locale, English: c.English, Header: c.Header, Footer: c.Footer, WithPhone: c.Phone, WithVideo: c.Video,
	}
	for _, n := range c.Notes {
		o.Notes = append(o.Notes, render.Notes{Locale: n.Locale, Header: n.Header, Footer: n.Footer})
	}
	return o
}

// domains are the mail domains of the organisation: those set, and those of
// the mailboxes served.
func (c *connectorConfig) domains() []string {
	all := slices.Clone(c.Organisation.Domains)
	for _, m := range c.Mailboxes {
		for _, a := range append([]string{m.Address}, m.Aliases...) {
			all = append(all, strings.ToLower(a[strings.LastIndexByte(a, '@')+1:]))
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// peer is a server that the connector calls, with its one-time code.
func (p peerConfig) peer(env *environment, name string) node.Peer {
	return node.Peer{URL: p.URL, CAFile: p.CAFile, Renew: true, Code: func() (string, error) {
		code, err := readSecret(env, name+".code_file", p.CodeFile, name+"-code")
		if err != nil {
			err = fmt.Errorf("%w (this connector is not enrolled yet: `koyomi %s enrol --connector NAME` prints a one-time code)", err, name)
		}
		return code, err
	}}
}

// orNone writes the configuration's "none" as the rules have it.
func orNone(d time.Duration) time.Duration {
	if d == 0 {
		return -1
	}
	return d
}

func days(n int) time.Duration { return orNone(time.Duration(n) * 24 * time.Hour) }
