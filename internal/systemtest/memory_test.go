package systemtest

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/koyomi-cal/koyomi/ews"
	"github.com/koyomi-cal/koyomi/ews/ewstest"
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
	"github.com/koyomi-cal/koyomi/internal/render"
	"github.com/koyomi-cal/koyomi/internal/seal"
	"github.com/koyomi-cal/koyomi/internal/store"
	"github.com/koyomi-cal/koyomi/internal/store/sqlite"
)

// The people of the stories. The guest has no mailbox here.
const (
	memAnn   = "ann@example.com"
	memBob   = "bob@example.com"
	memCho   = "cho@example.com"
	memDee   = "dee@example.com"
	memGuest = "guest@elsewhere.example"
)

var memPeople = []string{memAnn, memBob, memCho, memDee}

const memPassword = "password"

// memRig is the whole system in one process: the simulator, the key server and
// the cloud on a network in memory, and one or more connectors.
type memRig struct {
	t        *testing.T
	net      *memNet
	dir      string
	x        *ewstest.Server
	accounts store.Accounts
	keys     store.KMS
	cloud    *cloud.Server
	kms      *kms.Server
	people   map[string]*ews.Client
	readers  map[string]*memReader
	log      memLog

	asked   map[string]int // mails that people's own saves cause, by meeting and recipient
	allowed map[string]int // changes of a meeting that want an update of ours
}

// newMemRig starts everything but the connectors. It must be called inside a
// synctest bubble; everything is ended with the test.
func newMemRig(t *testing.T, dialect ewstest.Dialect) *memRig {
	t.Helper()
	time.Sleep(time.Until(time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC))) // a Monday
	r := &memRig{
		t: t, net: newMemNet(t), dir: t.TempDir(), people: map[string]*ews.Client{}, readers: map[string]*memReader{},
		asked: map[string]int{}, allowed: map[string]int{},
	}
	r.x = ewstest.NewServer(ewstest.Options{Dialect: dialect, Password: memPassword})
	for _, p := range memPeople {
		r.x.AddMailbox(p, strings.ToUpper(p[:1])+p[1:3])
	}
	r.serveExchange()
	r.serveRoles()
	return r
}

func (r *memRig) serveExchange() {
	l := r.net.listen(memExchange)
	var g sync.WaitGroup
	g.Go(func() {
		if err := r.x.Serve(l); err != nil {
			r.t.Error(err)
		}
	})
	r.t.Cleanup(func() {
		for _, c := range r.people {
			c.Close()
		}
		r.x.Close()
		g.Wait()
	})
}

// serveRoles runs the key server and the cloud.
func (r *memRig) serveRoles() {
	t, ctx := r.t, context.Background()
	file := func(parts ...string) sqlite.Options {
		return sqlite.Options{Path: filepath.Join(append([]string{r.dir}, parts...)...), Exclusive: true}
	}
	keys, err := sqlite.OpenKMS(ctx, file("kms", "settings.db"))
	memOK(t, err)
	accounts, err := sqlite.OpenAccounts(ctx, file("cloud", "settings.db"))
	memOK(t, err)
	objects, err := sqlite.OpenObjects(ctx, file("cloud", "cache.db"))
	memOK(t, err)
	r.keys, r.accounts = keys, accounts
	r.kms, err = kms.New(ctx, kms.Options{Store: keys, MasterFile: filepath.Join(r.dir, "kms", "master.key")})
	memOK(t, err)
	r.cloud, err = cloud.New(cloud.Options{Accounts: accounts, Objects: objects})
	memOK(t, err)
	ctx, stop := context.WithCancel(ctx)
	var g sync.WaitGroup
	for address, run := range map[string]func(context.Context) error{
		memKMS:   func(ctx context.Context) error { return r.kms.Run(ctx, r.net.listen(memKMS)) },
		memCloud: func(ctx context.Context) error { return r.cloud.Run(ctx, r.net.listen(memCloud)) },
	} {
		g.Go(func() {
			if err := run(ctx); err != nil {
				t.Errorf("%s: %v", address, err)
			}
		})
	}
	synctest.Wait()
	t.Cleanup(func() {
		r.net.transport.CloseIdleConnections()
		stop()
		g.Wait()
		memOK(t, errors.Join(keys.Close(), accounts.Close(), objects.Close()))
	})
}

func memOK(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func memURL(address string) string { return "http://" + address }

// memAccount is a person's account at the cloud.
func memAccount(address string) string {
	sum := sha256.Sum256([]byte("account of " + address))
	return base64.RawURLEncoding.EncodeToString(sum[:16])
}

// memNode is one connector in memory.
type memNode struct {
	r    *memRig
	name string
	stop context.CancelFunc
	done chan error // gets what Open or Run returned
	up   chan struct{}
	*node.Node
}

// memChange changes what a node is made of.
type memChange func(*node.Options)

// options are those of a node with the people's mailboxes.
func (r *memRig) options(name string) node.Options {
	o := node.Options{
		Data: filepath.Join(r.dir, "connector-"+name),
		Log:  slog.New(slog.NewTextHandler(&r.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Exchange: exchange.Options{
			URL: memURL(memExchange) + ewstest.Path, Username: "svc@example.com", Password: ews.NewSecret(memPassword), DialContext: r.net.dial,
		},
		Cloud: node.Peer{URL: memURL(memCloud), Transport: r.net.transport, Code: func() (string, error) {
			code, _, err := cloud.Enrol(context.Background(), r.accounts, cloud.Subject{Connector: "node"})
			return code.Reveal(), err
		}},
		KMS: node.Peer{URL: memURL(memKMS), Transport: r.net.transport, Code: func() (string, error) {
			code, err := kms.Enrol(context.Background(), r.keys, kms.Subject{Connector: "node"})
			return code.Reveal(), err
		}},
		Services: memServices,
		Connector: connector.Options{Rules: mailbox.Rules{
			Detect: detect.New(memRules()), Render: render.Options{Locale: "en", WithPhone: true, WithVideo: true},
		}},
	}
	for _, p := range memPeople {
		o.Connector.Mailboxes = append(o.Connector.Mailboxes, connector.Mailbox{
			Mailbox: calendar.Mailbox{Address: p}, Owner: p, Account: memAccount(p),
		})
	}
	return o
}

const (
	memMeetURL  = "https://meet.example.net"
	memRoomsURL = "https://rooms.example.net/"
)

func memServices(secret meet.Secret, _ meet.Ledger) ([]meet.Service, error) {
	m, err := meet.New(meet.Config{
		Name: "Meet", Jitsi: &meet.JitsiConfig{URL: memMeetURL, Secret: secret}, Personal: &meet.TemplateConfig{URL: memRoomsURL + "{{user}}"},
	})
	return []meet.Service{m}, err
}

func memRules() *detect.Rules {
	return &detect.Rules{
		Keywords: []detect.Keyword{
			{Word: "@meet", Default: detect.ActionOneTime}, {Word: "@webex", Default: detect.ActionMyRoom},
		},
		JitsiHosts: []string{"meet.example.net"},
		Rooms:      []detect.Room{{Provider: "other", Prefix: memRoomsURL}},
	}
}

// start runs a node and waits until it has come to rest.
func (r *memRig) start(name string, changes ...memChange) *memNode {
	o := r.options(name)
	for _, c := range changes {
		c(&o)
	}
	ctx, stop := context.WithCancel(context.Background())
	n := &memNode{r: r, name: name, stop: stop, done: make(chan error, 1), up: make(chan struct{})}
	go func() {
		n.done <- func() error {
			opened, err := node.Open(ctx, o)
			if err != nil {
				return err
			}
			n.Node = opened
			close(n.up)
			return errors.Join(opened.Run(ctx), opened.Close())
		}()
	}()
	r.t.Cleanup(func() { n.end() })
	time.Sleep(time.Second)
	synctest.Wait()
	return n
}

// end stops the node in order. It may be called twice.
func (n *memNode) end() {
	if n.stop == nil {
		return
	}
	n.stop()
	n.stop = nil
	if err := <-n.done; err != nil && !errors.Is(err, context.Canceled) {
		n.r.t.Errorf("connector %s: %v", n.name, err)
	}
}

// failed waits for the end of a node that cannot start and returns why.
func (n *memNode) failed() error {
	n.r.t.Helper()
	select {
	case err := <-n.done:
		n.stop()
		n.stop = nil
		return err
	default:
		n.r.t.Fatal("the node runs")
		return nil
	}
}

// status is what a node says of one mailbox.
func (n *memNode) status(address string) connector.MailboxStatus {
	n.r.t.Helper()
	for _, m := range n.Connector().Status().Mailboxes {
		if m.Address == address {
			return m
		}
	}
	n.r.t.Fatalf("there is no mailbox %s", address)
	return connector.MailboxStatus{}
}

// quiet lets time pass and everything come to rest.
func memQuiet(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// loseCache takes cache.db away under a running node.
func (n *memNode) loseCache() {
	n.r.t.Helper()
	path := filepath.Join(n.r.dir, "connector-"+n.name, "cache.db")
	for _, f := range []string{path, path + "-wal", path + "-shm"} {
		if err := os.Remove(f); err != nil && !errors.Is(err, os.ErrNotExist) {
			n.r.t.Fatal(err)
		}
	}
}

// memReader is a person's own device: it knows what the person's codes gave it
// and nothing else.
type memReader struct {
	cloud *api.Client
	keys  *kms.Client
}

func (r *memRig) reader(who string) *memReader {
	r.t.Helper()
	if d := r.readers[who]; d != nil {
		return d
	}
	ctx := context.Background()
	kmsCode, err := kms.Enrol(ctx, r.keys, kms.Subject{User: who})
	memOK(r.t, err)
	cloudCode, _, err := cloud.Enrol(ctx, r.accounts, cloud.Subject{Account: memAccount(who)})
	memOK(r.t, err)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	memOK(r.t, err)
	options := kms.ClientOptions{URL: memURL(memKMS), Key: key, Transport: r.net.transport}
	options.Identity, err = kms.Redeem(ctx, options, kmsCode.Reveal())
	memOK(r.t, err)
	d := new(memReader)
	d.keys, err = kms.NewClient(options)
	memOK(r.t, err)
	o := api.ClientOptions{URL: memURL(memCloud), Transport: r.net.transport}
	answer, err := api.Redeem(ctx, o, cloudCode.Reveal())
	memOK(r.t, err)
	o.Credential = answer.Credential
	d.cloud, err = api.NewClient(o)
	memOK(r.t, err)
	r.readers[who] = d
	return d
}

// opened returns the person's list, opened with the person's own keys: what a
// device that was never there before would show.
func (r *memRig) opened(who string) []calendar.Meeting {
	r.t.Helper()
	ctx, d := context.Background(), r.reader(who)
	mine, err := d.keys.Mine(ctx)
	memOK(r.t, err)
	me, err := d.cloud.Me(ctx)
	memOK(r.t, err)
	var all []calendar.Meeting
	for _, id := range me.Resources {
		var res seal.Resource
		for _, m := range mine {
			if m.ID == id {
				res = m
			}
		}
		if res.ID == "" {
			r.t.Errorf("%s is delivered a calendar without keys for it", who)
			continue
		}
		heads, bodies := map[string][]byte{}, map[string][]byte{}
		for page := (api.Page{More: true}); page.More; {
			page, err = d.cloud.Items(ctx, id, page.Cursor)
			memOK(r.t, err)
			for _, e := range page.Items {
				if e.Deleted {
					delete(heads, e.Item)
					delete(bodies, e.Item)
					continue
				}
				key, into := res.Head, heads
				if e.Part == seal.PartBody {
					key, into = res.Body, bodies
				}
				text, err := seal.Open(key, seal.Header{Org: res.Org, Resource: id, Item: e.Item, Part: e.Part, Rev: e.Rev}, e.JWE)
				memOK(r.t, err)
				into[e.Item] = text
			}
		}
		for item, head := range heads {
			m, err := calendar.Decode(head, bodies[item])
			memOK(r.t, err)
			all = append(all, m)
		}
	}
	return all
}

// memLog collects what the connectors log, for the search for what must not be
// in it. It ends the test where they do a great deal at one moment, for in fake
// time a loop without a pause never ends.
type memLog struct {
	mu     sync.Mutex
	text   strings.Builder
	moment time.Time
	lines  int
}

func (l *memLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if now := time.Now(); !now.Equal(l.moment) {
		l.moment, l.lines = now, 0
	}
	if l.lines++; l.lines > 5000 {
		s := l.text.String()
		panic("the connector is busy without a pause; it logged last:\n" + s[max(0, len(s)-4000):])
	}
	return l.text.Write(p)
}

func (l *memLog) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}
