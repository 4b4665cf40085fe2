package ews

import (
	"context"
	"maps"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"time"
)

// Codes of [Discoverer], beside those of the protocol.
const (
	CodeOnline        = "ExchangeOnline" // the mailbox lives in Exchange Online, which is not followed
	CodeHostPending   = "HostPending"    // the way leads to a host that nobody has allowed; Values["Hosts"] names it
	CodeNotDiscovered = "NotDiscovered"  // no Autodiscover was found for the domain
)

// Discovery is what Autodiscover says of one mailbox.
type Discovery struct {
	Address             string // as it was asked for
	EWSURL              string // of an allowed host; empty where Err is not nil
	GroupingInformation string // mailboxes of one value may share a stream; may be empty
	ServerVersion       string // such as "15.2.1544.11"; may be empty
	SMTPAddress         string // the mailbox's own address, where the server says it
	Online              bool   // the mailbox lives in Exchange Online
	Found               time.Time
	Steps               []DiscoveryStep // what was tried; nil where the answer comes from the cache
	Err                 *Error
}

// DiscoveryStep is one thing that was tried. Nothing in it names a mailbox.
type DiscoveryStep struct {
	Method string        `json:"method"` // scp, soap, pox, redirect, srv or answer
	URL    string        `json:"url"`
	Host   HostState     `json:"host,omitempty"` // of the URL's host
	Result string        `json:"result"`         // a sentence
	Code   string        `json:"code,omitempty"` // empty: it went well
	Took   time.Duration `json:"took_ns"`
}

// ServiceConnectionPoint is one Autodiscover URL that the directory publishes.
type ServiceConnectionPoint struct {
	URL string
	// Verified says that it was read over TLS from a server whose certificate
	// was verified: only then its host is allowed by it.
	Verified bool
}

// DiscovererOptions configure a [Discoverer].
type DiscovererOptions struct {
	// Options are those of the requests. Account, or Credentials, is required;
	// URL is not used; the default of Timeout is 15 s for each request.
	Options
	// Trust says where credentials may go. Required.
	Trust *Trust
	// SCP asks the directory for a domain, best first; nil leaves it out.
	// Package activedirectory has one.
	SCP func(ctx context.Context, domain string) ([]ServiceConnectionPoint, error)
	// RootDomain also tries https://domain/, where most organisations have
	// their web site.
	RootDomain bool
	// Resolver asks for SRV records; default net.DefaultResolver.
	Resolver *net.Resolver
	// Life is how long an answer counts, up to a tenth more or less; default
	// 24 h.
	Life time.Duration
}

// Discoverer finds the Exchange server of mailboxes by Autodiscover
// ([MS-OXDISCO], [MS-OXWSADISC], [MS-OXDSCLI]).
//
// It asks, in this order: what has worked for the domain before; the service
// connection points of the directory; https://domain (where RootDomain is
// set); https://autodiscover.domain; where http://autodiscover.domain
// redirects; the SRV records of the domain. Each is tried by SOAP, with up to
// a hundred mailboxes in one request, and then by plain XML.
//
// No credential goes to a host that its [Trust] does not allow, wherever the
// host comes from. Before credentials go to an endpoint that has not worked
// yet, it is looked at without: one that asks for a password at every path is
// some other web server, and its 401 would say nothing of the password.
//
// It is safe for use by several goroutines at once.
type Discoverer struct {
	opts    DiscovererOptions
	session *session
	plain   plainWay

	mu     sync.Mutex
	known  map[string]*entry // by lower-case address
	worked map[string]place  // endpoints by domain
}

// entry is what is known of one mailbox.
type entry struct {
	d      Discovery
	asked  time.Time // when it was looked for last
	due    time.Time // when it is looked for again
	busy   time.Time // nobody asks before: the server is busy with this mailbox
	doubts int       // failures in a row that a move would explain
	tries  int       // failed searches in a row
}

const (
	doubtful   = 3                // 404, 421 or 503 in a row until the URL is doubted
	retryFirst = time.Minute      // after a search that found nothing
	retryMost  = 30 * time.Minute //
	doubtPause = time.Minute      // between two searches for one mailbox because of move signals
)

// NewDiscoverer checks the options and returns a Discoverer. It sends nothing.
func NewDiscoverer(opts DiscovererOptions) (*Discoverer, error) {
	switch {
	case opts.Trust == nil:
		return nil, invalid("", "name the hosts that may get the account's credentials (Trust)")
	case opts.Account == nil:
		if err := opts.Credentials.check(); err != nil {
			return nil, err
		}
	}
	opts.Timeout = orDefault(opts.Timeout, 15*time.Second)
	opts.Life = orDefault(opts.Life, 24*time.Hour)
	opts.UserAgent = or(opts.UserAgent, "koyomi-ews")
	if opts.Account == nil {
		opts.Account = NewAccount(opts.Credentials, AccountOptions{Hold: opts.AuthHold})
	}
	opts.Credentials = Credentials{} // the account has them
	if opts.Resolver == nil {
		opts.Resolver = net.DefaultResolver
	}
	if opts.Scheduler == nil {
		opts.Scheduler = NewScheduler(SchedulerOptions{})
	}
	s, err := opts.newSession(opts.Account)
	if err != nil {
		return nil, err
	}
	roots, err := opts.roots()
	if err != nil {
		return nil, err
	}
	return &Discoverer{
		opts: opts, session: s, plain: plainWay{pace{opts.Scheduler, opts.Account}, opts.transport(roots, false), opts.UserAgent},
		known: map[string]*entry{}, worked: map[string]place{},
	}, nil
}

// Close ends the idle connections.
func (d *Discoverer) Close() { d.session.close() }

// Find returns what is known of the mailboxes, in their order, and asks about
// those of which nothing is known, or something old or doubted. What failed is
// in the Err of each. Where an answer is old and no newer one can be had, the
// old one counts.
func (d *Discoverer) Find(ctx context.Context, addresses ...string) []Discovery {
	out := make([]Discovery, len(addresses))
	var asks []*sought
	byKey := map[string]*sought{}
	now := time.Now()
	d.mu.Lock()
	for _, a := range addresses {
		key := strings.ToLower(strings.TrimSpace(a))
		if e := d.known[key]; (e == nil || !now.Before(e.due)) && byKey[key] == nil {
			byKey[key] = &sought{key: key, address: strings.TrimSpace(a), at: strings.TrimSpace(a)}
			asks = append(asks, byKey[key])
		}
	}
	d.mu.Unlock()
	d.run(ctx, asks)
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, a := range asks {
		d.keep(ctx, a)
	}
	for i, a := range addresses {
		key := strings.ToLower(strings.TrimSpace(a))
		if fresh := byKey[key]; fresh != nil && d.known[key] == nil { // ended by the caller
			out[i] = fresh.found
		} else {
			out[i] = d.known[key].d
		}
		if fresh := byKey[key]; fresh != nil {
			out[i].Steps = fresh.found.Steps
		}
		out[i].Address = a
		out[i] = d.recheck(out[i])
	}
	return out
}

// recheck holds a kept answer against the trust of now.
func (d *Discoverer) recheck(f Discovery) Discovery {
	if f.Err == nil && !d.opts.Trust.Allows(f.EWSURL) {
		f.Err, f.EWSURL = hostPending(f.EWSURL), ""
	}
	return f
}

// keep takes in the result of a search. d.mu is held.
func (d *Discoverer) keep(ctx context.Context, a *sought) {
	e, now := d.known[a.key], time.Now()
	if err := a.found.Err; err != nil && !a.found.Online && (ctx.Err() != nil || err.Class() == Auth || err.Class() == Canceled) {
		if e != nil && e.d.Err == nil {
			return // the old answer stays
		}
		delete(d.known, a.key)
		return // nothing was learned
	}
	if e == nil {
		e = &entry{}
		d.known[a.key] = e
	}
	steps := a.found.Steps
	a.found.Steps = nil
	defer func() { a.found.Steps = steps }()
	if a.found.Err != nil && !a.found.Online {
		pause := min(retryFirst<<min(e.tries, 10), retryMost)
		e.tries++
		e.due = now.Add(pause - rand.N(pause/10))
		e.asked = now
		if a.told && a.found.Err.Code == busyCode {
			e.busy = now.Add(busyPause)
			e.due = latest(e.due, e.busy)
		}
		if e.d.EWSURL == "" || a.told && a.found.Err.Code == CodeHostPending {
			e.d = a.found
		}
		return
	}
	*e = entry{d: a.found, asked: now, due: now.Add(d.opts.Life - d.opts.Life/10 + rand.N(d.opts.Life/5))}
}

// Adopt takes over what another Discoverer knows: where a second account takes the
// place of the first, the mailboxes are still where they were. Nothing of it counts
// that the trust of this one does not allow.
func (d *Discoverer) Adopt(other *Discoverer) {
	other.mu.Lock()
	known, worked := make(map[string]*entry, len(other.known)), maps.Clone(other.worked)
	for key, e := range other.known {
		own := *e
		known[key] = &own
	}
	other.mu.Unlock()
	d.mu.Lock()
	defer d.mu.Unlock()
	d.known, d.worked = known, worked
}

// Report takes in how a call at the URL of a mailbox went; nil is well. Errors
// that say or hint that the mailbox has moved have it looked for again at the
// next Find: those of class Rediscover at once, 404, 421 and 503 when they come
// three times in a row. It reports whether that is so.
func (d *Discoverer) Report(address string, err *Error) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	e := d.known[strings.ToLower(strings.TrimSpace(address))]
	if e == nil {
		return false
	}
	switch {
	case err == nil:
		e.doubts = 0
		return false
	case err.Class() == Rediscover:
		e.doubts = doubtful
	case err.HTTPStatus == 404 || err.HTTPStatus == 421 || err.HTTPStatus == 503:
		e.doubts++
	default:
		return false
	}
	if e.doubts < doubtful {
		return false
	}
	now := time.Now()
	if again := e.asked.Add(doubtPause); again.After(now) {
		if again.Before(e.due) {
			e.due = again
		}
		return false
	}
	e.doubts, e.due = 0, now
	return true
}

// Forget has mailboxes looked for again at the next Find; without addresses,
// all of them; those with which a server is busy once its pause is over.
func (d *Discoverer) Forget(addresses ...string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.plain.tryNow()
	if len(addresses) == 0 {
		clear(d.worked)
		for key := range d.known {
			d.drop(key)
		}
	}
	for _, a := range addresses {
		d.drop(strings.ToLower(strings.TrimSpace(a)))
	}
}

// drop forgets a mailbox but for a pause that its server has asked for. d.mu is
// held.
func (d *Discoverer) drop(key string) {
	switch e := d.known[key]; {
	case e != nil && e.busy.After(time.Now()):
		e.due = e.busy
	default:
		delete(d.known, key)
	}
}

// Refresh asks again about mailboxes whose answer is old, at most a hundred at
// once, until none is left. A program calls it every few minutes, so that Find
// need not wait.
func (d *Discoverer) Refresh(ctx context.Context) {
	for ctx.Err() == nil {
		now := time.Now()
		var due []string
		d.mu.Lock()
		for key, e := range d.known {
			if e.d.Err == nil && !now.Before(e.due) && len(due) < maxUsers {
				due = append(due, key)
			}
		}
		d.mu.Unlock()
		if len(due) == 0 {
			return
		}
		d.Find(ctx, due...)
	}
}

// Account returns the account by which is asked.
func (d *Discoverer) Account() *Account { return d.opts.Account }

// At returns a client of another endpoint with the account, the connections,
// the scheduler and the options of this one: for mailboxes that a [Discoverer]
// finds at several. Close ends the idle connections of all of them.
func (c *Client) At(endpointURL string) (*Client, error) {
	u, err := endpoint(endpointURL)
	if err != nil {
		return nil, err
	}
	n := &Client{opts: c.opts, url: u, account: c.account, session: c.session, trace: c.trace, scheduler: c.scheduler, host: hostOf(u)}
	n.opts.URL = endpointURL
	return n, nil
}

// Discoverer returns a Discoverer with the account and the options of this
// client; those in o are not looked at.
func (c *Client) Discoverer(o DiscovererOptions) (*Discoverer, error) {
	o.Options = c.opts
	o.Account, o.Scheduler, o.Timeout = c.account, c.scheduler, 0
	return NewDiscoverer(o)
}

// TryNow has the mailboxes that could not be found looked for at the next Find:
// for when somebody has mended something, or allowed a host.
func (d *Discoverer) TryNow() {
	d.plain.tryNow()
	d.mu.Lock()
	defer d.mu.Unlock()
	for key, e := range d.known {
		if e.d.Err != nil {
			d.drop(key)
		}
	}
}
