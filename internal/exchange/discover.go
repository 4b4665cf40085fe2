package exchange

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/koyomi-cal/koyomi/ews"
	"github.com/koyomi-cal/koyomi/ews/activedirectory"
	"github.com/koyomi-cal/koyomi/internal/calendar"
)

// Autodiscover says how the server of each mailbox is found, where no URL is
// given.
type Autodiscover struct {
	// Trust says to which hosts the account's password may go. Required.
	Trust      *ews.Trust
	RootDomain bool          // also try https://domain/
	Resolver   *net.Resolver // for SRV records; default the system's
	Life       time.Duration // how long an answer counts; default 24 h
}

// nowhere is the endpoint of the client that stands for the account while the
// mailboxes' own are found. Nothing is sent there: the name never resolves
// (RFC 2606).
const nowhere = "https://exchange.invalid/EWS/Exchange.asmx"

// refreshEvery is how often it is looked for answers that have grown old.
const refreshEvery = 5 * time.Minute

// finder finds the server of each mailbox.
type finder struct {
	x     *Exchange
	opt   Autodiscover
	hosts *hosts

	mu      sync.Mutex
	base    *ews.Client // whose account and connections are used
	d       *ews.Discoverer
	clients map[string]*ews.Client // by URL
	changed chan struct{}          // closed when mailboxes may have another server
}

func newFinder(x *Exchange, opt Autodiscover) (*finder, error) {
	if opt.Trust == nil {
		return nil, errors.New("exchange: name the hosts that Autodiscover may send the password to")
	}
	return &finder{x: x, opt: opt, hosts: newHosts(opt.Trust), changed: make(chan struct{})}, nil
}

// on returns the discoverer on top of the client that is used now.
func (f *finder) on(base *ews.Client) (*ews.Discoverer, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.base == base {
		return f.d, nil
	}
	o := ews.DiscovererOptions{Trust: f.opt.Trust, RootDomain: f.opt.RootDomain, Resolver: f.opt.Resolver, Life: f.opt.Life}
	if f.x.opt.Directory != nil {
		dir, err := f.x.directory(base)
		if err != nil {
			return nil, err
		}
		o.SCP = dir.ServiceConnectionPoints
	}
	d, err := base.Discoverer(o)
	if err != nil {
		return nil, err
	}
	if f.d != nil {
		d.Adopt(f.d)
		f.d.Close()
	}
	f.base, f.d, f.clients = base, d, map[string]*ews.Client{}
	return d, nil
}

// client returns the client of a URL.
func (f *finder) client(url string) (*ews.Client, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if c := f.clients[url]; c != nil {
		return c, nil
	}
	c, err := f.base.At(url)
	if err == nil {
		f.clients[url] = c
	}
	return c, err
}

// someURL returns the URL of a server that was found, or none.
func (f *finder) someURL() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	for url := range f.clients {
		return url
	}
	return ""
}

// at returns the client of a mailbox's server.
func (x *Exchange) at(ctx context.Context, address string) (*ews.Client, error) {
	base := x.ews()
	if x.finder == nil {
		return base, nil
	}
	d, err := x.finder.on(base)
	if err != nil {
		return nil, err
	}
	found := d.Find(ctx, address)[0]
	if found.Err != nil {
		return nil, x.unfound(found)
	}
	return x.finder.client(found.EWSURL)
}

// clientAt returns the client of a URL that was found.
func (x *Exchange) clientAt(url string) (*ews.Client, error) {
	if _, err := x.finder.on(x.ews()); err != nil {
		return nil, err
	}
	return x.finder.client(url)
}

// batchSize is how many items are to be asked for in one request.
func (x *Exchange) batchSize(ctx context.Context, m calendar.Mailbox) int {
	client, err := x.at(ctx, m.Address)
	if err != nil {
		client = x.ews() // the request itself will say what is wrong
	}
	return client.As(m.Address).BatchSize()
}

// forgetFolders forgets the calendars of mailboxes that have come from another
// server: their ids are new there.
func (x *Exchange) forgetFolders(last map[string]part, now part, members []calendar.Mailbox) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, m := range members {
		if was, known := last[m.Address]; known && was.url != now.url {
			delete(x.folders, m.Address)
		}
		last[m.Address] = now
	}
}

// unfound says why a mailbox has no server.
func (x *Exchange) unfound(found ews.Discovery) *calendar.Fault {
	fault := x.fault(calendar.StepConnect, found.Err)
	if hosts := found.Err.Values["Hosts"]; found.Err.Code == ews.CodeHostPending && hosts != "" {
		fault.Sentence = fmt.Sprintf("Autodiscover leads to a host that has not been allowed, and nothing was sent to it: %s; "+
			"if it is the organisation's own, koyomi autodiscover allow, with its name, has it used", strings.ReplaceAll(hosts, " ", ", "))
	}
	return fault
}

// noteCall takes in how a call for a mailbox went: it may say that the mailbox
// has moved.
func (x *Exchange) noteCall(address string, err error) {
	if x.finder == nil {
		return
	}
	e, is := errors.AsType[*ews.Error](err)
	if err != nil && !is {
		return
	}
	d, failed := x.finder.on(x.ews())
	if failed == nil && d.Report(address, e) {
		x.finder.announce()
	}
}

// tryNow has those that were not found looked for again.
func (f *finder) tryNow() {
	f.mu.Lock()
	d := f.d
	f.mu.Unlock()
	if d != nil {
		d.TryNow()
	}
}

// announce has the watches look where their mailboxes are.
func (f *finder) announce() {
	f.mu.Lock()
	defer f.mu.Unlock()
	close(f.changed)
	f.changed = make(chan struct{})
}

func (f *finder) change() <-chan struct{} {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.changed
}

// directory is Active Directory, read as the account of a client.
func (x *Exchange) directory(base *ews.Client) (*activedirectory.Directory, error) {
	o := *x.opt.Directory
	o.Account, o.DialContext = base.Account(), x.opt.DialContext
	return activedirectory.NewDirectory(o)
}

// runFurther does what is to be done from time to time, until ctx ends.
func (x *Exchange) runFurther(ctx context.Context) {
	var g sync.WaitGroup
	defer g.Wait()
	if x.finder != nil {
		g.Go(func() { x.finder.run(ctx) })
	}
	if x.opt.Directory != nil {
		g.Go(func() { x.keepPolicy(ctx) })
	}
}

// keepPolicy reads once an hour, and when another client is used, by what
// policy the directory locks the account, and holds to it.
func (x *Exchange) keepPolicy(ctx context.Context) {
	tick := time.NewTicker(refreshEvery)
	defer tick.Stop()
	var (
		of *ews.Client
		at time.Time
	)
	for {
		if base := x.ews(); base != of || time.Since(at) >= time.Hour {
			if x.readPolicy(ctx, base) {
				of, at = base, time.Now()
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func (x *Exchange) readPolicy(ctx context.Context, base *ews.Client) bool {
	policy, err := x.Lockout(ctx, Access{Username: x.usernameOf(base), Client: base})
	if err != nil {
		x.log.Warn("the directory's lockout policy cannot be read; a refused password rests for the configured time", "error", err)
		return false
	}
	x.log.Info("the directory's lockout policy", "threshold", policy.Threshold, "window", policy.Window, "known", policy.Known)
	return true
}

// usernameOf returns the name of the account that a client calls as.
func (x *Exchange) usernameOf(c *ews.Client) string {
	for i, l := range x.opt.logins() {
		if x.accounts[i] == c.Account() {
			return l.Username
		}
	}
	return x.opt.Username
}

// run renews answers that have grown old, until ctx ends.
func (f *finder) run(ctx context.Context) {
	tick := time.NewTicker(refreshEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			if d, err := f.on(f.x.ews()); err == nil {
				d.Close()
			}
			return
		case <-tick.C:
			if d, err := f.on(f.x.ews()); err == nil {
				d.Refresh(ctx)
				f.announce()
			}
		}
	}
}

// part is those mailboxes of a watch that one stream can carry.
type part struct {
	url, grouping string
}

// split finds the servers of mailboxes and sorts them by it.
func (f *finder) split(ctx context.Context, mailboxes []calendar.Mailbox) (parts map[part][]calendar.Mailbox, lost map[string]*calendar.Fault, err error) {
	d, err := f.on(f.x.ews())
	if err != nil {
		return nil, nil, err
	}
	addresses := make([]string, len(mailboxes))
	for i, m := range mailboxes {
		addresses[i] = m.Address
	}
	parts, lost = map[part][]calendar.Mailbox{}, map[string]*calendar.Fault{}
	for i, found := range d.Find(ctx, addresses...) {
		if found.Err != nil {
			lost[mailboxes[i].Address] = f.x.unfound(found)
			continue
		}
		p := part{found.EWSURL, found.GroupingInformation}
		parts[p] = append(parts[p], mailboxes[i])
	}
	return parts, lost, nil
}

// told is one thing that a part of a watch tells.
type told struct {
	notice calendar.Notice
	err    error
}

// watchFound watches mailboxes wherever their servers are, and goes after those
// that move.
func (x *Exchange) watchFound(ctx context.Context, mailboxes []calendar.Mailbox) iter.Seq2[calendar.Notice, error] {
	return func(yield func(calendar.Notice, error) bool) {
		ctx, cancel := context.WithCancel(ctx)
		w := &foundWatch{x: x, mailboxes: mailboxes, out: make(chan told), parts: map[part]*running{}, last: map[string]part{}}
		var all sync.WaitGroup
		all.Go(func() { w.follow(ctx) })
		defer all.Wait()
		defer cancel()
		for {
			select {
			case t := <-w.out:
				f, is := errors.AsType[*calendar.Fault](t.err)
				if !yield(t.notice, t.err) || is && f.Class == calendar.Taken {
					return
				}
			case <-ctx.Done():
				return
			}
		}
	}
}

// foundWatch is one call of watchFound.
type foundWatch struct {
	x         *Exchange
	mailboxes []calendar.Mailbox
	out       chan told
	parts     map[part]*running
	last      map[string]part // where each mailbox was, by address
}

// running is a part that is being watched.
type running struct {
	members []calendar.Mailbox
	end     context.CancelFunc
	done    chan struct{}
}

// follow keeps each mailbox watched at its server.
func (w *foundWatch) follow(ctx context.Context) {
	defer func() {
		for p := range w.parts {
			w.stop(p)
		}
	}()
	for ctx.Err() == nil {
		changed, renewal := w.x.finder.change(), w.x.renewal()
		parts, lost, err := w.x.finder.split(ctx, w.mailboxes)
		if err != nil {
			w.say(ctx, calendar.Notice{}, w.x.fault(calendar.StepConnect, err))
			return
		}
		w.arrange(ctx, parts)
		for _, m := range w.mailboxes {
			if f := lost[m.Address]; f != nil && ctx.Err() == nil {
				w.say(ctx, calendar.Notice{Mailbox: m.ID}, f)
			}
		}
		w.wait(ctx, changed, renewal, len(lost) > 0)
	}
}

// wait returns when it may be otherwise.
func (w *foundWatch) wait(ctx context.Context, changed, renewal <-chan struct{}, soon bool) {
	var again <-chan time.Time
	if soon {
		t := time.NewTimer(w.x.opt.Recheck)
		defer t.Stop()
		again = t.C
	}
	select {
	case <-ctx.Done():
	case <-changed:
	case <-renewal:
	case <-again:
	}
}

// arrange has exactly these parts watched. One whose mailboxes are the same
// goes on undisturbed.
func (w *foundWatch) arrange(ctx context.Context, parts map[part][]calendar.Mailbox) {
	same := func(a, b calendar.Mailbox) bool { return a.ID == b.ID && a.Address == b.Address }
	for p, r := range w.parts {
		if !slices.EqualFunc(r.members, parts[p], same) {
			w.stop(p)
		}
	}
	for p, members := range parts {
		if w.parts[p] != nil {
			continue
		}
		w.x.forgetFolders(w.last, p, members)
		own, end := context.WithCancel(ctx)
		r := &running{members: members, end: end, done: make(chan struct{})}
		w.parts[p] = r
		go func() {
			defer close(r.done)
			client := func() (*ews.Client, error) { return w.x.clientAt(p.url) }
			for n, err := range w.x.watchAt(own, client, members) {
				w.say(own, n, err)
			}
		}()
	}
}

// stop ends a part and waits until it has.
func (w *foundWatch) stop(p part) {
	w.parts[p].end()
	<-w.parts[p].done
	delete(w.parts, p)
}

func (w *foundWatch) say(ctx context.Context, n calendar.Notice, err error) {
	select {
	case w.out <- told{n, err}:
	case <-ctx.Done():
	}
}
