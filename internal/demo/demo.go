// Package demo shows the whole of Koyomi on one machine: a simulated Exchange
// with a filled calendar, the key server, the cloud with the people's app, a
// connector between them, and a page with a small calendar client beside the
// app. Nothing in it is mocked: the roles are the real ones, on loopback.
//
//	err := demo.Run(ctx, demo.Options{Listen: "127.0.0.1:8480", Out: os.Stdout})
//
// The mailboxes are activated first, on empty calendars; then the day is filled
// in over Exchange Web Services as people's calendar programs would do it. So
// everything in it is younger than the baseline and decorated.
//
// With Once the story plays without a person: somebody saves a meeting with
// @meet, and a device of theirs waits for it in the cloud and opens it with its
// own key. The result is one JSON object.
package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"strconv"

	"golang.org/x/sync/errgroup"

	"github.com/koyomi-cal/koyomi/internal/account"
)

// Options say how the demo runs. Listen and Out are needed.
type Options struct {
	// Listen is the app's address on loopback. The key server takes the next
	// port, the connector's metrics the one after it, the demo's page the third.
	// Port 0 picks four free ones.
	Listen string
	// Data is where each role keeps its databases: Data/cloud, Data/kms and
	// Data/connector. Empty: a temporary folder, removed at the end.
	Data    string
	Once    bool
	Subject string // of the meeting that begins within minutes, and of Once's story
	Out     io.Writer
	Log     *slog.Logger // nil: no log
}

// ErrListen says that the address is not one that the demo can listen on, and
// why.
var ErrListen = errors.New("listen")

// Run runs the demo until ctx ends, or with Once until the story is over.
func Run(ctx context.Context, o Options) (err error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Data == "" {
		dir, err := os.MkdirTemp("", "koyomi-demo-")
		if err != nil {
			return fmt.Errorf("make a temporary folder: %w", err)
		}
		o.Data = dir
		defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	}
	ports, err := listen(ctx, o.Listen)
	if err != nil {
		return err
	}
	s, err := open(ctx, o, ports)
	if err != nil {
		return errors.Join(err, ports.close())
	}
	defer func() { err = errors.Join(err, s.close()) }()

	ctx, stop := context.WithCancel(ctx)
	defer stop()
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return s.serve(ctx) })
	g.Go(func() error {
		err := s.play(ctx, o)
		if o.Once {
			stop()
		}
		return err
	})
	if err = g.Wait(); errors.Is(err, context.Canceled) {
		err = nil
	}
	return err
}

// ports are the four listeners.
type ports struct{ app, keys, metrics, page net.Listener }

// listen takes the four ports, or none.
func listen(ctx context.Context, address string) (p ports, err error) {
	host, port, err := net.SplitHostPort(address)
	number, numberErr := strconv.Atoi(port)
	switch {
	case err != nil || numberErr != nil || number < 0 || number > 65535-3:
		return p, fmt.Errorf("%w: %q is not address:port, such as 127.0.0.1:8480", ErrListen, address)
	case !account.Loopback(host):
		return p, fmt.Errorf("%w: the demo takes known passwords and listens on loopback only, for example 127.0.0.1:8480", ErrListen)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, p.close())
		}
	}()
	for i, l := range []*net.Listener{&p.app, &p.keys, &p.metrics, &p.page} {
		next := 0
		if number > 0 {
			next = number + i
		}
		if *l, err = new(net.ListenConfig).Listen(ctx, "tcp", net.JoinHostPort(host, strconv.Itoa(next))); err != nil {
			return p, err
		}
	}
	return p, nil
}

func (p ports) close() error {
	var errs []error
	for _, l := range []net.Listener{p.app, p.keys, p.metrics, p.page} {
		if l != nil {
			errs = append(errs, l.Close())
		}
	}
	return errors.Join(errs...)
}

// url is how a browser on this machine reaches a listener.
func url(l net.Listener) string { return "http://" + l.Addr().String() }
