package node

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"github.com/koyomi-cal/koyomi/ews"
	"github.com/koyomi-cal/koyomi/internal/cloud"
	"github.com/koyomi-cal/koyomi/internal/connector"
	"github.com/koyomi-cal/koyomi/internal/detect"
	"github.com/koyomi-cal/koyomi/internal/exchange"
	"github.com/koyomi-cal/koyomi/internal/kms"
	"github.com/koyomi-cal/koyomi/internal/mailbox"
	"github.com/koyomi-cal/koyomi/internal/meet"
	"github.com/koyomi-cal/koyomi/internal/store"
	"github.com/koyomi-cal/koyomi/internal/store/sqlite"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// wire answers requests by a handler, without a network. It fails as often as
// down says first.
type wire struct {
	handler http.Handler
	down    atomic.Int64
	calls   atomic.Int64
}

func (w *wire) RoundTrip(r *http.Request) (*http.Response, error) {
	w.calls.Add(1)
	if w.down.Add(-1) >= 0 {
		return nil, errors.New("connection refused")
	}
	rec := httptest.NewRecorder()
	w.handler.ServeHTTP(rec, r)
	return rec.Result(), nil
}

// servers are a key server and a cloud, and the options of a node for them.
type servers struct {
	keys     store.KMS
	accounts store.Accounts
	kms      *wire
	cloud    *wire
	codes    int // how many were asked for
	options  Options
}

func newServers(t *testing.T) *servers {
	t.Helper()
	dir, ctx := t.TempDir(), t.Context()
	keys, err := sqlite.OpenKMS(ctx, sqlite.Options{Path: filepath.Join(dir, "kms", "settings.db")})
	if err != nil {
		t.Fatal(err)
	}
	accounts, err := sqlite.OpenAccounts(ctx, sqlite.Options{Path: filepath.Join(dir, "cloud", "settings.db")})
	if err != nil {
		t.Fatal(err)
	}
	objects, err := sqlite.OpenObjects(ctx, sqlite.Options{Path: filepath.Join(dir, "cloud", "cache.db")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(keys.Close(), accounts.Close(), objects.Close()); err != nil {
			t.Error(err)
		}
	})
	keyServer, err := kms.New(ctx, kms.Options{Store: keys, MasterFile: filepath.Join(dir, "master")})
	if err != nil {
		t.Fatal(err)
	}
	cloudServer, err := cloud.New(cloud.Options{Accounts: accounts, Objects: objects})
	if err != nil {
		t.Fatal(err)
	}
	s := &servers{keys: keys, accounts: accounts, kms: &wire{handler: keyServer}, cloud: &wire{handler: cloudServer}}
	s.options = Options{
		Data:      filepath.Join(dir, "connector"),
		Connector: connector.Options{Rules: mailbox.Rules{Detect: detect.New(nil)}},
		Exchange:  exchange.Options{URL: "https://mail.example.com/EWS/Exchange.asmx", Username: "svc", Password: ews.NewSecret("x")},
		Cloud: Peer{URL: "http://localhost:1", Transport: s.cloud, Code: func() (string, error) {
			s.codes++
			code, _, err := cloud.Enrol(ctx, accounts, cloud.Subject{Connector: "node"})
			return code.Reveal(), err
		}},
		KMS: Peer{URL: "http://localhost:2", Transport: s.kms, Code: func() (string, error) {
			s.codes++
			code, err := kms.Enrol(ctx, keys, kms.Subject{Connector: "node"})
			return code.Reveal(), err
		}},
	}
	return s
}

// open opens a node and closes it at once.
func (s *servers) open(t *testing.T) error {
	t.Helper()
	n, err := Open(t.Context(), s.options)
	if err != nil {
		return err
	}
	return n.Close()
}

// TestEnrolsOnce: the first start takes two codes, no later one takes any or
// needs a server.
func TestEnrolsOnce(t *testing.T) {
	t.Parallel()
	s := newServers(t)
	if err := s.open(t); err != nil || s.codes != 2 {
		t.Fatalf("%v after %d codes", err, s.codes)
	}
	before := s.kms.calls.Load() + s.cloud.calls.Load()
	for range 2 {
		if err := s.open(t); err != nil || s.codes != 2 {
			t.Errorf("%v after %d codes", err, s.codes)
		}
	}
	if after := s.kms.calls.Load() + s.cloud.calls.Load(); after != before {
		t.Errorf("a start asked a server %d times", after-before)
	}
	// Another server's address is another enrolment.
	s.options.Cloud.URL = "http://localhost:3"
	if err := s.open(t); err != nil || s.codes != 3 {
		t.Errorf("%v after %d codes", err, s.codes)
	}
}

// TestRenews: a new code is redeemed at the next start, the same one is not
// tried twice, and none at all is no hindrance.
func TestRenews(t *testing.T) {
	t.Parallel()
	s := newServers(t)
	var next, last string
	fresh := s.options.Cloud.Code
	s.options.Cloud.Renew = true
	s.options.Cloud.Code = func() (string, error) {
		if next == "" {
			return "", errors.New("no file")
		}
		return next, nil
	}
	for i, kind := range []string{"first", "same", "none", "new", "same", "spent"} {
		switch before := s.cloud.calls.Load(); kind {
		case "first", "new":
			code, err := fresh()
			if err != nil {
				t.Fatal(err)
			}
			last, next = next, code
			if err := s.open(t); err != nil || s.cloud.calls.Load() != before+1 {
				t.Errorf("%d %s: %v after %d calls", i, kind, err, s.cloud.calls.Load()-before)
			}
		case "spent":
			next = last
			if err := s.open(t); err == nil || !strings.Contains(err.Error(), "not enrolled at") {
				t.Errorf("%d %s: %v", i, kind, err)
			}
		default:
			keep := next
			if kind == "none" {
				next = ""
			}
			if err := s.open(t); err != nil || s.cloud.calls.Load() != before {
				t.Errorf("%d %s: %v after %d calls", i, kind, err, s.cloud.calls.Load()-before)
			}
			next = keep
		}
	}
}

// TestWaitsForServers: a first start before the servers are up waits for them.
func TestWaitsForServers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newServers(t)
		s.kms.down.Store(3)
		s.cloud.down.Store(2)
		begin := time.Now()
		if err := s.open(t); err != nil || s.codes != 2 {
			t.Fatalf("%v after %d codes", err, s.codes)
		}
		if waited := time.Since(begin); waited != (1+2+4+1+2)*time.Second {
			t.Errorf("waited %v", waited)
		}
	})
}

func TestGivesUpWaiting(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newServers(t)
		s.kms.down.Store(1 << 40)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if _, err := Open(ctx, s.options); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
	})
}

// TestLostAnswer: the key server took the code and its answer was lost. The
// next try with the same code and key gives the same instance.
func TestLostAnswer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newServers(t)
		server, lost := s.kms.handler, false
		s.kms.handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if !lost {
				lost = true
				server.ServeHTTP(httptest.NewRecorder(), r)
				w.WriteHeader(http.StatusBadGateway)
				return
			}
			server.ServeHTTP(w, r)
		})
		if err := s.open(t); err != nil || !lost || s.codes != 2 {
			t.Errorf("%v after %d codes", err, s.codes)
		}
	})
}

func TestOpenSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	junk := filepath.Join(dir, "junk.pem")
	if err := os.WriteFile(junk, []byte("no certificate"), 0o600); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name string
		edit func(*Options)
		want string
	}{
		{"no code", func(o *Options) { o.KMS.Code = nil }, "not enrolled at http://localhost:2 yet: get a one-time code from the key server"},
		{"wrong code", func(o *Options) { o.Cloud.Code = func() (string, error) { return "cloud-AAAA", nil } }, "not enrolled at http://localhost:1"},
		{"code for elsewhere", func(o *Options) { o.Cloud.Code, o.KMS.Code = o.KMS.Code, o.Cloud.Code }, "this one is for the cloud"},
		{"code cannot be read", func(o *Options) { o.KMS.Code = func() (string, error) { return "", errors.New("no file") } }, "no file"},
		{"CA file missing", func(o *Options) { o.KMS.Transport, o.KMS.CAFile = nil, dir+"/none" }, "the CA file for http://localhost:2 cannot be read"},
		{"CA file without certificate", func(o *Options) { o.Cloud.Transport, o.Cloud.CAFile = nil, junk }, "holds no certificate in PEM form"},
		{"http to a stranger", func(o *Options) { o.KMS.URL = "http://kms.example.com" }, "https"},
		{"Exchange", func(o *Options) { o.Exchange.URL = "http://mail.example.com" }, "use https"},
		{"services", func(o *Options) {
			o.Services = func(meet.Secret, meet.Ledger) ([]meet.Service, error) { return nil, errors.New("bad service") }
		}, "bad service"},
		{"mailboxes", func(o *Options) {
			o.Connector.Mailboxes = make([]connector.Mailbox, 2)
		}, "address in common"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := newServers(t)
			good := s.options
			tt.edit(&s.options)
			if err := s.open(t); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want …%s", err, tt.want)
			}
			// Nothing stays locked: a start after the repair works.
			s.options = good
			if err := s.open(t); err != nil {
				t.Errorf("after the repair: %v", err)
			}
		})
	}
}

// TestServicesGetALastingSecret: rooms are derived from it.
func TestServicesGetALastingSecret(t *testing.T) {
	t.Parallel()
	s := newServers(t)
	var secrets []string
	s.options.Services = func(secret meet.Secret, _ meet.Ledger) ([]meet.Service, error) {
		secrets = append(secrets, string([]byte(secret)))
		return nil, nil
	}
	for range 2 {
		if err := s.open(t); err != nil {
			t.Fatal(err)
		}
	}
	if len(secrets[0]) != 32 || secrets[0] != secrets[1] {
		t.Error("the secret is short or changed")
	}
}

func TestMetrics(t *testing.T) {
	t.Parallel()
	s := newServers(t)
	n, err := Open(t.Context(), s.options)
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	reg := prometheus.NewPedanticRegistry()
	reg.MustRegister(n.Collector())
	families, err := reg.Gather()
	if err != nil || len(families) < 15 {
		t.Errorf("%d families, %v", len(families), err)
	}
	names := map[string]bool{}
	for _, f := range families {
		names[f.GetName()] = true
	}
	for _, name := range []string{"requests_queued", "mailboxes_held", "halvings_total", "back_offs_total"} {
		if !names["koyomi_exchange_"+name] {
			t.Errorf("the scheduler's %s is missing", name)
		}
	}
	if len(n.Connector().Status().Mailboxes) != 0 {
		t.Error("mailboxes from nowhere")
	}
}
