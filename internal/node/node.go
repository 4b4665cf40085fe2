// Package node puts one connector together: its two databases, Exchange, the
// clients of the cloud and the key server, and package connector in the middle.
// It decides nothing; it is here so that the command, the demo and the loads
// start the same thing in the same way.
//
//	n, err := node.Open(ctx, node.Options{Data: dir, Exchange: …, Cloud: …, KMS: …, Connector: …})
//	...
//	defer n.Close()
//	err = n.Run(ctx) // until ctx ends
//
// # Enrolment
//
// At its first start a node makes a key of its own and redeems two one-time
// codes: one at the key server for an instance id, one at the cloud for a
// credential. What it gets is kept in settings.db, by the address of the server
// that gave it; afterwards no code is needed and no server has to be up for a
// start. A server that does not answer is asked again until it does; one that
// refuses a code ends the start, for only a person can help. A server that lost
// its database knows the node no more: a new code is redeemed at the next start
// ([Peer.Renew]).
package node

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"

	"golang.org/x/sync/errgroup"

	"github.com/koyomi-cal/koyomi/internal/connector"
	"github.com/koyomi-cal/koyomi/internal/exchange"
	"github.com/koyomi-cal/koyomi/internal/meet"
	"github.com/koyomi-cal/koyomi/internal/store"
	"github.com/koyomi-cal/koyomi/internal/store/sqlite"
)

// Options say what a node is made of.
type Options struct {
	Data     string // folder of settings.db and cache.db
	Exchange exchange.Options
	Cloud    Peer
	KMS      Peer

	// Services makes the meeting services. The secret is this installation's
	// own and stays the same: rooms derived from it are stable and cannot be
	// guessed. Nil: none.
	// The ledger remembers what they make.
	Services func(secret meet.Secret, ledger meet.Ledger) ([]meet.Service, error)

	// Connector has the mailboxes and the rules; Open fills in the rest.
	Connector connector.Options
	Log       *slog.Logger // nil: no log
}

// Node is one connector with everything around it.
type Node struct {
	connector *connector.Connector
	exchange  *exchange.Exchange
	settings  store.Settings
	cache     store.Cache
	data      string
	log       *slog.Logger
}

// Open opens the databases, enrols where that was not done before, and makes
// the connector. It waits for servers that do not answer, until ctx ends. It
// fails with a sentence that says what to do.
func Open(ctx context.Context, o Options) (_ *Node, err error) {
	n := &Node{}
	defer func() {
		if err != nil {
			err = errors.Join(err, n.Close())
		}
	}()
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	o.Exchange.Log, o.Connector.Log = o.Log, o.Log
	n.data, n.log = o.Data, o.Log
	if n.exchange, err = exchange.New(o.Exchange); err != nil {
		return n, err
	}
	settings, err := sqlite.OpenSettings(ctx, sqlite.Options{Path: filepath.Join(o.Data, "settings.db"), Exclusive: true})
	if err != nil {
		return n, err
	}
	n.settings = settings
	if err := n.exchange.Remember(ctx, settings); err != nil {
		return n, err
	}
	cache, err := sqlite.OpenCache(ctx, sqlite.Options{Path: filepath.Join(o.Data, "cache.db"), Exclusive: true})
	if err != nil {
		return n, err
	}
	n.cache = cache

	e := enrolment{settings: settings, log: o.Log}
	c := o.Connector
	c.Reader, c.Watcher, c.Writer = n.exchange, n.exchange, n.exchange
	c.Settings, c.Cache, c.Meetings = settings, cache, settings
	c.Roster, c.Statuses = settings, cache
	if c.Keys, err = e.keys(ctx, o.KMS); err != nil {
		return n, err
	}
	if c.Cloud, err = e.cloud(ctx, o.Cloud); err != nil {
		return n, err
	}
	if o.Services != nil {
		secret, err := settings.InitValue(ctx, "rooms", randomBytes(32))
		if err != nil {
			return n, fmt.Errorf("read this installation's own secret: %w", err)
		}
		if c.Services, err = o.Services(secret, connector.Ledger{Meetings: settings, Settings: settings}); err != nil {
			return n, err
		}
	}
	n.connector, err = connector.New(ctx, c)
	return n, err
}

// Connector returns the connector, for its status and metrics.
func (n *Node) Connector() *connector.Connector { return n.connector }

// Run serves until ctx ends and returns nil after an orderly stop.
func (n *Node) Run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return n.exchange.Run(ctx) })
	g.Go(func() error { return n.connector.Run(ctx) })
	g.Go(func() error { n.acknowledged(ctx); return nil })
	g.Go(func() error { n.watchStandby(ctx); return nil })
	return g.Wait()
}

// Close closes the databases. Call it after Run.
func (n *Node) Close() error {
	var errs []error
	if n.cache != nil {
		errs = append(errs, n.cache.Close())
	}
	if n.settings != nil {
		errs = append(errs, n.settings.Close())
	}
	return errors.Join(errs...)
}
