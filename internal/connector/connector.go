package connector

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/koyomi-cal/koyomi/internal/calendar"
	"github.com/koyomi-cal/koyomi/internal/mailbox"
	"github.com/koyomi-cal/koyomi/internal/meet"
	"github.com/koyomi-cal/koyomi/internal/ops"
	"github.com/koyomi-cal/koyomi/internal/seal"
	"github.com/koyomi-cal/koyomi/internal/store"
)

// Mailbox is a mailbox to be served.
type Mailbox struct {
	calendar.Mailbox        // its ID is set by New
	Owner            string // the user at the key server; empty: the address
	Account          string // the account at the cloud; empty: the list is delivered to nobody
}

// Options is what a connector is made of. What has no default is needed.
type Options struct {
	Mailboxes []Mailbox

	Reader   Reader
	Watcher  Watcher
	Writer   Writer
	Keys     seal.Keys
	Cloud    Cloud
	Settings store.Settings
	Cache    store.Cache
	Services []meet.Service // the first is the default; none: keywords get no meeting
	Roster   store.Roster   // who is activated beside those of Mailboxes; nil: nobody
	Statuses store.Statuses // where to note how mailboxes are served; nil: nowhere
	Meetings store.Meetings // what services made; needed where one of them makes meetings that have to be ended

	// Rules hold for every mailbox; New fills in what is a mailbox's own. A
	// mailbox's Locale goes before Rules.Render.Locale.
	Rules mailbox.Rules

	Writes, Recipients int // caps of the breaker per hour; see [mailbox.Breaker]

	Workers     int           // how many mailboxes are worked on at once; default 16
	Recheck     time.Duration // how often a mailbox that cannot be served is tried again; default 5 min
	Catchup     time.Duration // how often changes are asked for although the watch tells them; default 4 h
	Keep        time.Duration // how long an idle mailbox's state stays in memory; default 2 min
	JoinTimeout time.Duration // longest wait for a meeting service; default 10 s
	Grace       time.Duration // how long effects under way may take when Run stops; default 10 s
	TraceDays   int           // how long trace lines are kept; default 7
	PurgeAfter  time.Duration // how long what is kept of a mailbox outlives its leaving; default 30 days, negative for ever

	Log    *slog.Logger // default: none
	Status *ops.Status  // told how exchange, cloud, kms, breaker and store are; default: none
}

// Connector serves mailboxes. Make it with New.
type Connector struct {
	opt     Options
	log     *slog.Logger
	served          // the boxes
	roster  *Roster // nil: only the mailboxes of the options are served
	secrets secrets

	ready   *queue
	clock   *clock
	publish *publisher
	breaker *breaker
	alarms  *alarms
	metrics counters
	joins   chan struct{} // one token for each call of a meeting service under way
	keeps   bool          // some service makes meetings that have to be ended
	duties  chan struct{} // something may be due at a service

	started atomic.Bool
	tasks   sync.WaitGroup // joins under way
}

// secrets are this installation's own random keys. They never leave it.
type secrets struct {
	names   []byte // salt of the mailboxes' short ids
	entries []byte // makes opaque ids of meetings
	content []byte // hashes what was published
}

// New makes a connector. It reads settings.db: the installation's secrets,
// which it makes at the first start, and who is activated. It fails when that
// cannot be read or an option is missing.
func New(ctx context.Context, opt Options) (*Connector, error) {
	opt.defaults()
	if opt.Reader == nil || opt.Watcher == nil || opt.Writer == nil || opt.Keys == nil || opt.Cloud == nil || opt.Settings == nil || opt.Cache == nil || opt.Rules.Detect == nil {
		return nil, errors.New("connector: Reader, Watcher, Writer, Keys, Cloud, Settings, Cache and Rules.Detect are needed")
	}
	c := &Connector{
		opt: opt, log: opt.Log,
		served: newServed(),
		joins:  make(chan struct{}, joinLimit), keeps: keeps(opt.Services), duties: make(chan struct{}, 1),
		alarms: newAlarms(opt.Log, opt.Status),
	}
	if c.keeps && opt.Meetings == nil {
		return nil, errors.New("connector: Meetings is needed for a service whose meetings have to be ended")
	}
	if err := c.loadSecrets(ctx); err != nil {
		return nil, err
	}
	if err := c.firstBoxes(ctx); err != nil {
		return nil, err
	}
	var err error
	c.breaker, err = newBreaker(ctx, opt, len(c.list()), c.alarms)
	if err != nil {
		return nil, fmt.Errorf("read how much was written lately: %w", err)
	}
	c.ready, c.clock, c.publish = newQueue(), newClock(), newPublisher(c)
	return c, nil
}

func (o *Options) defaults() {
	days := func(d *time.Duration, def time.Duration) {
		if *d <= 0 {
			*d = def
		}
	}
	days(&o.Recheck, 5*time.Minute)
	days(&o.Catchup, 4*time.Hour)
	days(&o.Keep, 2*time.Minute)
	days(&o.JoinTimeout, 10*time.Second)
	days(&o.Grace, 10*time.Second)
	if o.Workers <= 0 {
		o.Workers = 16
	}
	if o.PurgeAfter == 0 {
		o.PurgeAfter = 30 * 24 * time.Hour
	}
	if o.TraceDays <= 0 {
		o.TraceDays = 7
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Status == nil {
		o.Status = new(ops.Status)
	}
}

func (c *Connector) loadSecrets(ctx context.Context) error {
	root, err := installationSecret(ctx, c.opt.Settings)
	if err != nil {
		return err
	}
	if c.opt.Roster != nil {
		if c.roster, err = newRoster(root, c.opt.Settings, c.opt.Roster); err != nil {
			return err
		}
	}
	derive := func(use string) []byte { return mac(root, use) }
	c.secrets = secrets{names: derive("names"), entries: derive("entries"), content: derive("content")}
	return nil
}

// installationSecret returns the installation's own secret; it makes one at the
// first start.
func installationSecret(ctx context.Context, settings store.Settings) ([]byte, error) {
	fresh := make([]byte, 32)
	rand.Read(fresh) // never fails
	root, err := settings.InitValue(ctx, "secret", fresh)
	if err != nil {
		return nil, fmt.Errorf("read this installation's own secret: %w", err)
	}
	return root, nil
}

// Run serves the mailboxes until ctx ends, then stops in order. It may be
// called once. It returns nil after an orderly stop: whatever goes wrong with a
// mailbox, a server or a file is shown by Status and tried again.
func (c *Connector) Run(ctx context.Context) error {
	if c.started.Swap(true) {
		return errors.New("connector: Run was called twice")
	}
	work, abort := context.WithCancel(context.WithoutCancel(ctx))
	defer abort()
	stop := context.AfterFunc(ctx, func() {
		c.ready.close()
		t := time.AfterFunc(c.opt.Grace, abort)
		context.AfterFunc(work, func() { t.Stop() })
	})
	defer stop()

	var g errgroup.Group
	for range c.opt.Workers {
		g.Go(func() error { c.worker(work); return nil })
	}
	c.regroup(ctx, &g, c.list())
	if c.roster != nil {
		g.Go(func() error { c.follow(ctx, &g); return nil })
	}
	if c.opt.Statuses != nil {
		g.Go(func() error { c.noteStatuses(ctx); return nil })
	}
	g.Go(func() error { c.clock.run(ctx, c.fire); return nil })
	g.Go(func() error { c.prune(ctx); return nil })
	if c.keeps {
		g.Go(func() error { c.attend(ctx); return nil })
	}
	err := g.Wait()
	abort()
	c.tasks.Wait()
	return err
}

// watch follows one group of mailboxes for as long as the connector runs.
func (c *Connector) watch(ctx context.Context, group []*box) {
	boxes := make([]calendar.Mailbox, len(group))
	for i, b := range group {
		boxes[i] = b.mb
	}
	for tries := 0; ctx.Err() == nil; tries++ {
		rest := backOff(tries)
		for n, err := range c.opt.Watcher.Watch(ctx, boxes) {
			c.heard(n, err)
			switch {
			case err != nil && faultOf(err).Class == calendar.Taken: // another program serves them: do not fight
				rest = c.opt.Recheck
			case err == nil:
				tries = 0
			case n.Mailbox == "" && faultOf(err).Class == calendar.NoAccount: // none of them can be served
				for _, b := range group {
					b.failed(err)
				}
			}
		}
		pause(ctx, rest)
	}
}

// heard takes in what a watch says. It does not block.
func (c *Connector) heard(n calendar.Notice, err error) {
	b := c.box(n.Mailbox)
	if b == nil {
		if err != nil {
			c.alarms.fault(err)
			c.log.Warn("watch failed", "error", err)
		}
		return
	}
	if err != nil {
		c.alarms.fault(err)
		level := slog.LevelDebug // an alarm stands for what concerns all of them
		if faultOf(err).Class == calendar.NoMailbox {
			level = slog.LevelWarn
		}
		c.log.Log(context.Background(), level, "mailbox cannot be watched", "mailbox", b.mb, "error", err)
		b.failed(err)
		return
	}
	c.metrics.notices.Add(1)
	switch n.Change.Kind {
	case calendar.Upsert:
		b.post(mailbox.Changed{ID: n.Change.ID})
	case calendar.Delete:
		b.post(mailbox.Gone{ID: n.Change.ID})
	case calendar.Resync:
		b.post(mailbox.Lost{})
	case calendar.Catchup:
		b.catchUp()
	}
}

// prune throws away, once a day, what is older than it is kept.
func (c *Connector) prune(ctx context.Context) {
	for {
		now := time.Now()
		if err := c.opt.Cache.Prune(ctx, now.AddDate(0, 0, -c.opt.TraceDays)); err != nil && ctx.Err() == nil {
			c.log.Warn("old trace lines stay", "error", err)
		}
		if err := c.opt.Settings.Prune(ctx, now.Add(-loadHistory), now.AddDate(-1, 0, 0)); err != nil && ctx.Err() == nil {
			c.log.Warn("old audit entries stay", "error", err)
		}
		c.purgeLeft(ctx, now)
		if !pause(ctx, 24*time.Hour) {
			return
		}
	}
}

// entry makes the opaque id of a meeting in one mailbox.
func (c *Connector) entry(id calendar.MailboxID, key string) string {
	return base64.RawURLEncoding.EncodeToString(mac(c.secrets.entries, string(id), key)[:16])
}

// mac is HMAC-SHA256 over texts, each closed by a zero byte.
func mac(key []byte, texts ...string) []byte {
	m := hmac.New(sha256.New, key)
	for _, t := range texts {
		m.Write([]byte(t))
		m.Write([]byte{0})
	}
	return m.Sum(nil)
}

// pause waits and reports whether ctx still runs.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}
