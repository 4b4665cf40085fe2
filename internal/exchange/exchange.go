package exchange

import (
	"bytes"
	"context"
	"crypto/x509"
	"fmt"
	"log/slog"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/koyomi-cal/koyomi/ews"
	"github.com/koyomi-cal/koyomi/ews/activedirectory"
	"github.com/koyomi-cal/koyomi/internal/calendar"
)

// Options are one Exchange and the account by which it is used.
type Options struct {
	URL string
	// Autodiscover finds the server of each mailbox where URL is empty.
	Autodiscover *Autodiscover
	// Directory is Active Directory, as which the account signs in there, too:
	// Autodiscover asks it, and its lockout policy says how long a refused
	// password rests. Account and DialContext in it are not looked at.
	Directory *activedirectory.DirectoryOptions
	Username  string
	// PasswordFile holds the password and nothing else. It is looked at every
	// five seconds: new content is tried at once. Password is used where there
	// is no file.
	PasswordFile string
	Password     ews.Secret
	KeytabFile   string // of Kerberos, in the place of the password
	// CertificateFile and KeyFile are of OAuth, in the place of the password, see
	// Login.
	CertificateFile, KeyFile string
	SignIn                   SignIn
	Standby                  *Login // a second account; nil: none
	Proxy                    Proxy
	CAFile                   string // looked at like the password file
	RootCAs                  *x509.CertPool

	Timeout       time.Duration  // of one request; default 60 s
	AuthHold      time.Duration  // how long a refused password is not used; default 30 min
	MaxConcurrent int            // requests at once to one server, where there is no Scheduler; default 10
	Scheduler     *ews.Scheduler // of the whole program; nil: one of its own
	MaxBody       int            // bytes of a body that are read; a longer one is not whole; default 2 MiB

	SendOnlyToAll bool          // keep our updates out of the organizer's Sent Items
	AbsentIsSent  bool          // a server that never says MeetingRequestWasSent counts as having sent
	Profile       *Profile      // what was found out about the server; nil: nothing, and RTF bodies are rewritten
	Poll          time.Duration // how often changes are asked for where no stream comes through; default 30 s
	Recheck       time.Duration // how often a mailbox that cannot be watched is tried again; default 5 min
	StreamTime    time.Duration // how long one stream is held open; default 29 min, at most 30
	FirstWord     time.Duration // how long a stream may take to begin; default 15 s

	UserAgent   string
	Log         *slog.Logger // default: none
	DialContext func(ctx context.Context, network, address string) (net.Conn, error)
}

// lookEvery is how often the password file is looked at.
const lookEvery = 5 * time.Second

// Exchange reads, follows and writes calendars. It is safe for use by several
// goroutines at once.
type Exchange struct {
	opt    Options
	log    *slog.Logger
	know   knowledge
	finder *finder // nil: all mailboxes are at the URL

	accounts []*ews.Account // one, or two
	proxy    *ews.Account   // nil: the proxy asks for none
	failed   chan struct{}  // the account in use is refused
	first    atomic.Bool    // the first account has a new password
	moving   chan struct{}  // holds the turn of the watch that moves to another account

	mu      sync.Mutex
	client  *ews.Client
	active  int               // account in use
	files   map[string][]byte // content as last seen
	renewed chan struct{}     // closed when credentials or trust change
	holds   holds
	folders map[string]folder // by mailbox address
}

// folder is a mailbox's calendar.
type folder struct {
	calendar, deleted string // ids

	binding calendar.Binding // as found when the watch began
	at      time.Time
}

// New checks the options, reads the files and returns an Exchange. It sends
// nothing. It fails with a sentence that says what to do.
func New(opt Options) (*Exchange, error) {
	for _, d := range []struct {
		value *time.Duration
		def   time.Duration
	}{
		{&opt.Timeout, time.Minute}, {&opt.AuthHold, 30 * time.Minute}, {&opt.Poll, 30 * time.Second},
		{&opt.Recheck, 5 * time.Minute}, {&opt.StreamTime, 29 * time.Minute}, {&opt.FirstWord, 15 * time.Second},
	} {
		if *d.value <= 0 {
			*d.value = d.def
		}
	}
	if opt.MaxBody <= 0 {
		opt.MaxBody = 2 << 20
	}
	if opt.MaxConcurrent <= 0 {
		opt.MaxConcurrent = 10
	}
	if opt.Scheduler == nil {
		opt.Scheduler = ews.NewScheduler(ews.SchedulerOptions{Most: opt.MaxConcurrent})
	}
	if opt.Log == nil {
		opt.Log = slog.New(slog.DiscardHandler)
	}
	x := &Exchange{
		opt: opt, log: opt.Log,
		files: map[string][]byte{}, renewed: make(chan struct{}), folders: map[string]folder{},
		failed: make(chan struct{}, 1), moving: make(chan struct{}, 1),
	}
	if opt.Autodiscover != nil && opt.URL == "" {
		find, err := newFinder(x, *opt.Autodiscover)
		if err != nil {
			return nil, err
		}
		x.finder, x.opt.URL = find, nowhere
	}
	if err := x.readSecrets(); err != nil {
		return nil, err
	}
	if err := x.makeAccounts(); err != nil {
		return nil, err
	}
	if opt.CAFile != "" {
		data, err := os.ReadFile(opt.CAFile)
		if err != nil {
			return nil, fmt.Errorf("the CA file for Exchange cannot be read; check that it exists and may be read: %w", err)
		}
		x.files[opt.CAFile] = data
	}
	client, err := x.clientOf(x.accounts[0])
	if err != nil {
		return nil, err
	}
	x.client = client
	return x, nil
}

// Run looks at the password and CA files until ctx ends, then closes the idle
// connections. Without it the Exchange works, with what was read at New.
func (x *Exchange) Run(ctx context.Context) error {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	test := time.NewTicker(testEvery)
	defer test.Stop()
	var further sync.WaitGroup
	further.Go(func() { x.runFurther(ctx) })
	defer further.Wait()
	for {
		select {
		case <-ctx.Done():
			x.ews().Close()
			return nil
		case <-tick.C:
			x.lookAtHosts(ctx)
			if x.look(); x.OnStandby() && x.first.CompareAndSwap(true, false) {
				x.goBack(ctx)
			}
		case <-x.failed:
			x.failOver(ctx)
		case <-test.C:
			x.goBack(ctx)
		}
	}
}

// look takes up new content of the files.
func (x *Exchange) look() {
	password, trust := x.renew(), x.changed(x.opt.CAFile)
	if trust {
		x.mu.Lock()
		client, err := x.clientOf(x.accounts[x.active])
		if err == nil {
			x.client.Close()
			x.client = client
		}
		x.mu.Unlock()
		if trust = err == nil; !trust {
			x.log.Warn("the new CA file is of no use; the old one stays", "error", err)
		}
	}
	if !password && !trust {
		return
	}
	x.log.Info("password or CA file has changed; the new content is tried now")
	x.retry()
}

// changed reads a file again and reports whether its content is another one.
func (x *Exchange) changed(name string) bool {
	if name == "" {
		return false
	}
	data, err := os.ReadFile(name)
	if err != nil {
		return false // it may just be replaced; what was read stays
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if bytes.Equal(data, x.files[name]) || len(bytes.TrimSpace(data)) == 0 {
		return false
	}
	x.files[name] = data
	return true
}

// TryNow lifts the hold after a refused password and the pause after a server
// that could not be reached.
func (x *Exchange) TryNow() {
	x.ews().TryNow()
	x.retry()
}

// retry has everybody try at once what is waited with.
func (x *Exchange) retry() {
	x.opt.Scheduler.TryNow()
	if x.finder != nil {
		x.finder.tryNow()
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	close(x.renewed)
	x.renewed = make(chan struct{})
}

func (x *Exchange) ews() *ews.Client {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.client
}

// renewal returns a channel that is closed when it is worth trying again at once.
func (x *Exchange) renewal() <-chan struct{} {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.renewed
}
