package node

import (
	"context"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/koyomi-cal/koyomi/ews"
	"github.com/koyomi-cal/koyomi/ews/ewstest"
	"github.com/koyomi-cal/koyomi/internal/calendar"
	"github.com/koyomi-cal/koyomi/internal/connector"
	"github.com/koyomi-cal/koyomi/internal/exchange"
	"github.com/koyomi-cal/koyomi/internal/ops"
)

// pipes is a network in memory.
type pipes struct {
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.done:
		return nil, io.EOF
	}
}

func (p *pipes) Close() error   { p.once.Do(func() { close(p.done) }); return nil }
func (p *pipes) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 80} }

func (p *pipes) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	client, server := net.Pipe()
	select {
	case p.conns <- server:
		return client, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// TestStandby: while the second service account is in use an alarm stands that
// says what to do, and the metric says so; both end by themselves when the first
// one is let in again.
func TestStandby(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		srv := ewstest.NewServer(ewstest.Options{Users: 1, Auth: []string{"basic"}})
		srv.AddServiceAccount("svc2@example.com", "second")
		p := &pipes{conns: make(chan net.Conn), done: make(chan struct{})}
		served := make(chan error, 1)
		go func() { served <- srv.Serve(p) }()
		defer func() { srv.Close(); p.Close(); <-served }()

		s := newServers(t)
		file := filepath.Join(t.TempDir(), "password")
		enter := func(password string) {
			t.Helper()
			if err := os.WriteFile(file, []byte(password), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		enter("password")
		health := new(ops.Status)
		s.options.Connector.Status = health
		s.options.Exchange = exchange.Options{
			URL: "http://localhost/EWS/Exchange.asmx", Username: "svc@example.com", PasswordFile: file, SignIn: exchange.SignIn{Scheme: ews.Basic},
			Standby: &exchange.Login{Username: "svc2@example.com", Password: ews.NewSecret("second")}, DialContext: p.dial,
		}
		n, err := Open(t.Context(), s.options)
		if err != nil {
			t.Fatal(err)
		}
		defer n.Close()
		reg := prometheus.NewPedanticRegistry()
		reg.MustRegister(n.Collector())
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- n.Run(ctx) }()
		defer func() {
			cancel()
			if err := <-ended; err != nil {
				t.Error(err)
			}
		}()
		ask := func() { _, _ = n.exchange.Changes(ctx, calendar.Mailbox{Address: "user0001@example.com"}, "") }
		demand := func(when string, inUse bool) {
			t.Helper()
			time.Sleep(2 * lookEvery)
			synctest.Wait()
			families, err := reg.Gather()
			if err != nil {
				t.Fatal(err)
			}
			metric := -1.0
			for _, f := range families {
				if f.GetName() == "koyomi_exchange_standby" {
					metric = f.GetMetric()[0].GetGauge().GetValue()
				}
			}
			a, unwell := n.Connector().Status().Alarms, health.Unwell()
			if !inUse {
				if metric != 0 || len(a) != 0 || len(unwell) != 0 {
					t.Errorf("%s: metric %v, alarms %+v, health %+v", when, metric, a, unwell)
				}
				return
			}
			if metric != 1 || len(a) != 1 || len(unwell) != 1 || unwell[0].Name != "standby" {
				t.Fatalf("%s: metric %v, alarms %+v, health %+v", when, metric, a, unwell)
			}
			if a[0].ID != "standby" || a[0].Severity != connector.SeverityWarning || a[0].Count != 1 || !strings.Contains(a[0].Why, "enter the first one's right password") || strings.Contains(a[0].Why, "@") {
				t.Errorf("%s: %+v", when, a[0])
			}
		}
		ask()
		demand("at first", false)
		srv.SetPassword("svc@example.com", "changed")
		ask()
		demand("refused", true)
		demand("still refused", true)
		enter("changed")
		demand("let in again", false)
	})
}
