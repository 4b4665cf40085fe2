package demo

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/koyomi-cal/koyomi/ews"
	"github.com/koyomi-cal/koyomi/ews/ewstest"
	"github.com/koyomi-cal/koyomi/internal/account"
	"github.com/koyomi-cal/koyomi/internal/api"
	"github.com/koyomi-cal/koyomi/internal/calendar"
	"github.com/koyomi-cal/koyomi/internal/cloud"
	"github.com/koyomi-cal/koyomi/internal/connector"
	"github.com/koyomi-cal/koyomi/internal/detect"
	"github.com/koyomi-cal/koyomi/internal/exchange"
	"github.com/koyomi-cal/koyomi/internal/kms"
	"github.com/koyomi-cal/koyomi/internal/mailbox"
	"github.com/koyomi-cal/koyomi/internal/meet"
	"github.com/koyomi-cal/koyomi/internal/node"
	"github.com/koyomi-cal/koyomi/internal/ops"
	"github.com/koyomi-cal/koyomi/internal/render"
	"github.com/koyomi-cal/koyomi/internal/store"
	"github.com/koyomi-cal/koyomi/internal/store/sqlite"
	"github.com/koyomi-cal/koyomi/internal/web"
)

// password is everybody's on the simulated Exchange.
const password = "password"

// system is everything that runs.
type system struct {
	ports    ports
	data     string
	log      *slog.Logger
	exchange *ewstest.Server
	accounts store.Accounts
	objects  store.Objects
	keys     store.KMS
	cloud    *cloud.Server
	kms      *kms.Server
	status   ops.Status
	node     *node.Node
	opened   chan struct{} // closed when node is there
	page     *page
}

// open makes all parts but the node, which needs the servers to run.
func open(ctx context.Context, o Options, p ports) (_ *system, err error) {
	s := &system{ports: p, data: o.Data, log: o.Log, opened: make(chan struct{})}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.close())
		}
	}()
	file := func(role, name string) sqlite.Options {
		return sqlite.Options{Path: filepath.Join(o.Data, role, name), Exclusive: true}
	}
	keys, err := sqlite.OpenKMS(ctx, file("kms", "settings.db"))
	if err != nil {
		return nil, err
	}
	s.keys = keys
	accounts, err := sqlite.OpenAccounts(ctx, file("cloud", "settings.db"))
	if err != nil {
		return nil, err
	}
	s.accounts = accounts
	objects, err := sqlite.OpenObjects(ctx, file("cloud", "cache.db"))
	if err != nil {
		return nil, err
	}
	s.objects = objects

	_, port, _ := net.SplitHostPort(p.app.Addr().String())
	if s.kms, err = kms.New(ctx, kms.Options{
		Store: keys, MasterFile: filepath.Join(o.Data, "kms", "master.key"), Logger: o.Log,
		Guard: account.Guard{Origins: []string{url(p.app), "http://localhost:" + port}},
	}); err != nil {
		return nil, err
	}
	if s.cloud, err = cloud.New(cloud.Options{
		Accounts: accounts, Objects: objects, App: web.App(), Frames: []string{url(p.page)}, Logger: o.Log,
		Config: api.AppConfig{KMS: url(p.keys), Authority: s.kms.Authority(), Org: s.kms.Org(), Embedder: url(p.page)},
	}); err != nil {
		return nil, err
	}
	s.exchange = ewstest.Start(ewstest.Options{Password: password})
	if err := s.exchange.Err(); err != nil {
		return nil, err
	}
	for _, who := range people() {
		s.exchange.AddMailbox(who.Address, who.Name)
	}
	if s.page, err = newPage(s); err != nil {
		return nil, err
	}
	return s, nil
}

// serve runs everything until ctx ends. The node goes first, because it calls
// the others.
func (s *system) serve(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	others, stop := context.WithCancel(context.WithoutCancel(ctx))
	g.Go(func() error { return s.kms.Run(others, s.ports.keys) })
	g.Go(func() error { return s.cloud.Run(others, s.ports.app) })
	g.Go(func() error { return ops.Serve(others, s.ports.page, guarded(s.page), s.log) })
	metrics := ops.NewRegistry()
	g.Go(func() error {
		return ops.Serve(others, s.ports.metrics, guarded(ops.Handler(&s.status, metrics)), s.log)
	})
	g.Go(func() error {
		defer stop()
		n, err := node.Open(ctx, s.nodeOptions())
		if err != nil {
			return err
		}
		s.node = n
		close(s.opened)
		if err := metrics.Register(n.Collector()); err != nil {
			return err
		}
		return n.Run(ctx)
	})
	return g.Wait()
}

// guarded lets only this machine's own pages in.
func guarded(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if no := (account.Guard{}).Check(r); no != nil {
			http.Error(w, no.Message, no.Status)
			return
		}
		h.ServeHTTP(w, r)
	})
}

// nodeOptions is the connector as the demo has it: it writes at once.
func (s *system) nodeOptions() node.Options {
	connectorName := "demo"
	o := node.Options{
		Data: filepath.Join(s.data, "connector"), Log: s.log,
		Exchange: exchange.Options{URL: s.exchange.URL, Username: "svc@example.com", Password: ews.NewSecret(password)},
		Cloud: node.Peer{URL: url(s.ports.app), Code: func() (string, error) {
			code, _, err := cloud.Enrol(context.Background(), s.accounts, cloud.Subject{Connector: connectorName})
			return code.Reveal(), err
		}},
		KMS: node.Peer{URL: url(s.ports.keys), Code: func() (string, error) {
			code, err := kms.Enrol(context.Background(), s.keys, kms.Subject{Connector: connectorName})
			return code.Reveal(), err
		}},
		Services: services,
		Connector: connector.Options{
			Status: &s.status,
			Rules: mailbox.Rules{
				Settle: -1, DraftSettle: 2 * time.Second, Detect: detect.New(rules()), Render: render.Options{WithPhone: true, WithVideo: true},
			},
		},
	}
	for _, who := range people() {
		o.Connector.Mailboxes = append(o.Connector.Mailboxes, connector.Mailbox{
			Mailbox: calendar.Mailbox{Address: who.Address, Name: who.Name}, Owner: who.Address, Account: accountID(who.Address),
		})
	}
	return o
}

// meetName is the demo's meeting service as people see it.
const meetName = "Demo Meet"

// The hosts of the demo's meetings: a public Jitsi server, on which a room is
// opened by whoever comes first, and an invented one for personal rooms.
const (
	jitsiURL = "https://meet.jit.si"
	roomsURL = "https://rooms.example.com/"
)

// services are what @meet and @webex stand for.
func services(secret meet.Secret, _ meet.Ledger) ([]meet.Service, error) {
	m, err := meet.New(meet.Config{
		Name:     meetName,
		Jitsi:    &meet.JitsiConfig{URL: jitsiURL, Secret: secret},
		Personal: &meet.TemplateConfig{URL: roomsURL + "{{user}}", SIP: "{{user}}@rooms.example.com"},
	})
	return []meet.Service{m}, err
}

// rules are the demo's keywords. Both stand for the one service it has.
func rules() *detect.Rules {
	return &detect.Rules{
		Keywords: []detect.Keyword{
			{Word: "@meet", Default: detect.ActionOneTime}, {Word: "@webex", Default: detect.ActionMyRoom},
		},
		Rooms: []detect.Room{{Provider: "other", Prefix: roomsURL}},
	}
}

// accountID is a person's account at the cloud: opaque, and the same at each
// start on the same data.
func accountID(address string) string {
	sum := sha256.Sum256([]byte("demo account of " + address))
	return base64.RawURLEncoding.EncodeToString(sum[:16])
}

// codes makes a fresh pair of one-time codes for a person.
func (s *system) codes(ctx context.Context, who person) (cloudCode, kmsCode string, err error) {
	c, _, err := cloud.Enrol(ctx, s.accounts, cloud.Subject{Account: accountID(who.Address)})
	if err != nil {
		return "", "", err
	}
	k, err := kms.Enrol(ctx, s.keys, kms.Subject{User: who.Address})
	if err != nil {
		return "", "", err
	}
	return c.Reveal(), k.Reveal(), nil
}

// link is a fresh sign-in link to the app. The codes stand in its fragment,
// which no server is sent.
func (s *system) link(ctx context.Context, who person) (string, error) {
	c, k, err := s.codes(ctx, who)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%s/#k=%s&c=%s", url(s.ports.app), k, c), nil
}

// activated waits until every mailbox is served.
func (s *system) activated(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-s.opened:
	}
	for {
		waiting := 0
		for _, m := range s.node.Connector().Status().Mailboxes {
			if m.State == connector.StateError {
				return fmt.Errorf("mailbox %v cannot be served: %s", m.ID, m.Cause)
			}
			if m.State != connector.StateActivated {
				waiting++
			}
		}
		if waiting == 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// close closes what is open. Call it after serve.
func (s *system) close() error {
	var errs []error
	if s.page != nil {
		s.page.close()
	}
	if s.exchange != nil {
		s.exchange.Close()
	}
	if s.node != nil {
		errs = append(errs, s.node.Close())
	}
	if s.accounts != nil {
		errs = append(errs, s.accounts.Close())
	}
	if s.objects != nil {
		errs = append(errs, s.objects.Close())
	}
	if s.keys != nil {
		errs = append(errs, s.keys.Close())
	}
	return errors.Join(errs...)
}
