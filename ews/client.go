package ews

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/x509"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/url"
	"os"
	"strings"
	"sync"
	"time"
)

// Options configure a [Client]. URL is required, and Account or Credentials.
type Options struct {
	// URL of the endpoint, such as "https://mail.example.com/EWS/Exchange.asmx".
	// http is refused unless the host is this machine.
	URL string
	// Account calls. It may be shared by several clients and a Discoverer, and
	// should be where they use the same name and password. Where it is nil, the
	// client has an account of its own, made of Credentials and AuthHold.
	Account     *Account
	Credentials Credentials

	// CAFile is a PEM file with certificates of authorities that are trusted
	// beside the system's. RootCAs replaces both.
	CAFile  string
	RootCAs *x509.CertPool

	// Proxy is the URL of an HTTP proxy, such as "http://proxy.example.com:3128".
	// Where it is empty, connections are made directly, whatever the environment
	// says. ProxyAccount signs in there by Basic or NTLM; nil: without.
	Proxy        string
	ProxyAccount *Account

	// Timeout bounds every request but GetStreamingEvents, from the first byte
	// sent to the last received; default 100 s.
	Timeout time.Duration
	// Silence is how long an event stream may be silent before it counts as
	// dead; default 110 s. Servers send a heartbeat every 45 s.
	Silence time.Duration
	// AuthHold is how long nothing is sent after the server has refused the
	// password; default 30 min.
	AuthHold time.Duration
	// Scheduler decides when requests are sent. It should be shared by all
	// clients of a program. Where it is nil, the client has one of its own, which
	// lets MaxConcurrent requests at once to each server at most; default 10.
	Scheduler     *Scheduler
	MaxConcurrent int
	// MaxResponse bounds an answer, unpacked, in bytes; default 64 MB.
	MaxResponse int64
	// Uncompressed asks for answers that are not packed: less CPU on both
	// sides, several times the bytes. For servers that are near.
	Uncompressed bool

	UserAgent string       // default "koyomi-ews"; servers may admit clients by it
	Logger    *slog.Logger // gets one debug record per request; default none

	// DialContext replaces the way connections are made.
	DialContext func(ctx context.Context, network, address string) (net.Conn, error)
	// Trace gets every request and answer in clear, without the credentials.
	// They hold subjects, bodies and addresses.
	Trace io.Writer
}

// Client is the account's access to one endpoint. It is safe for use by
// several goroutines at once.
type Client struct {
	opts    Options
	url     string
	account *Account
	session *session

	requests  shelf[request]      // in which requests are written
	buffers   shelf[bytes.Buffer] // into which answers are read
	unpackers shelf[gzip.Reader]
	decoders  shelf[decoder]

	trace *tracer
	clock clock

	scheduler *Scheduler
	host      string // of the URL
	manners   manners

	versions sync.Map // mailbox address -> RequestServerVersion, where it is not the default
}

// New checks the options and returns a client. It sends nothing.
func New(opts Options) (*Client, error) {
	u, err := endpoint(opts.URL)
	if err != nil {
		return nil, err
	}
	if opts.Account == nil {
		if err := opts.Credentials.check(); err != nil {
			return nil, err
		}
	}
	opts.Timeout = orDefault(opts.Timeout, 100*time.Second)
	opts.Silence = orDefault(opts.Silence, 110*time.Second)
	if opts.Scheduler == nil {
		opts.Scheduler = NewScheduler(SchedulerOptions{Most: orDefault(opts.MaxConcurrent, 10)})
	}
	opts.MaxConcurrent = opts.Scheduler.opt.Most
	opts.MaxResponse = orDefault(opts.MaxResponse, 64<<20)
	if opts.UserAgent == "" {
		opts.UserAgent = "koyomi-ews"
	}
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	c := &Client{opts: opts, url: u, account: opts.Account, scheduler: opts.Scheduler, trace: &tracer{w: opts.Trace}}
	c.host = hostOf(u)
	if c.account == nil {
		c.account = NewAccount(opts.Credentials, AccountOptions{Hold: opts.AuthHold})
	}
	c.opts.Credentials = Credentials{} // the account has them
	if c.session, err = opts.newSession(c.account); err != nil {
		return nil, err
	}
	return c, nil
}

// Close ends the idle connections. The client must not be used afterwards.
func (c *Client) Close() { c.session.close() }

// SetCredentials replaces the credentials of the client's account, see
// [Account.SetCredentials].
func (c *Client) SetCredentials(creds Credentials) { c.account.SetCredentials(creds) }

// TryNow lifts the hold after a refused password, see [Account.TryNow].
func (c *Client) TryNow() {
	c.account.TryNow()
	c.scheduler.TryNow()
	if c.opts.ProxyAccount != nil {
		c.opts.ProxyAccount.TryNow()
	}
}

// HeldUntil returns the time until which nothing is sent because a server has
// refused the password, or a proxy its own, see [Account.HeldUntil].
func (c *Client) HeldUntil() time.Time {
	until := c.account.HeldUntil()
	if p := c.opts.ProxyAccount; p != nil && p.HeldUntil().After(until) {
		until = p.HeldUntil()
	}
	return until
}

// Hold sends nothing until a time, see [Account.Hold].
func (c *Client) Hold(until time.Time) { c.account.Hold(until) }

// String prints the endpoint's host.
func (c *Client) String() string {
	return "ews.Client(" + c.host + ")"
}

// Format prints like String, whatever the verb.
func (c *Client) Format(f fmt.State, _ rune) { fmt.Fprint(f, c.String()) }

// Mailbox is a mailbox on whose user's behalf the account calls. Its methods
// are the operations of the protocol.
type Mailbox struct {
	client  *Client
	address string // "": the account itself
	route   *route // nil: by the address
}

// As returns the mailbox with this SMTP address: every call impersonates it
// ([MS-OXWSCDATA] ExchangeImpersonationType) and is routed by it
// (X-AnchorMailbox). An empty address stands for the account itself, without
// impersonation.
func (c *Client) As(mailbox string) *Mailbox {
	return &Mailbox{client: c, address: strings.TrimSpace(mailbox)}
}

// String hides the address.
func (m *Mailbox) String() string { return "ews.Mailbox" }

// Format hides the address, whatever the verb.
func (m *Mailbox) Format(f fmt.State, _ rune) { fmt.Fprint(f, m.String()) }

// endpoint checks an endpoint's URL.
func endpoint(s string) (string, error) {
	u, err := url.Parse(s)
	switch {
	case err != nil || u.Host == "":
		return "", invalid("", "give the whole URL of Exchange Web Services, such as https://mail.example.com/EWS/Exchange.asmx")
	case u.User != nil:
		return "", invalid("", "leave name and password out of the URL; give them as credentials")
	case u.Scheme == "https", u.Scheme == "http" && loopback(u.Hostname()):
		return u.String(), nil
	case u.Scheme == "http":
		return "", invalid("", "use https: over http the password would cross the network in clear")
	}
	return "", invalid("", "the URL of Exchange Web Services begins with https://")
}

func hostOf(endpoint string) string {
	u, err := url.Parse(endpoint)
	if err != nil {
		return ""
	}
	return strings.ToLower(u.Host)
}

func loopback(host string) bool {
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}

// roots returns the certificate authorities to trust; nil are the system's.
func (o *Options) roots() (*x509.CertPool, error) {
	if o.RootCAs != nil || o.CAFile == "" {
		return o.RootCAs, nil
	}
	pem, err := os.ReadFile(o.CAFile)
	if err != nil {
		e := invalid("", "the CA file cannot be read; check that it exists and may be read")
		e.Cause = err
		return nil, e
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	if !pool.AppendCertsFromPEM(pem) {
		return nil, invalid("", "the CA file holds no certificate in PEM form; convert it, or name another file")
	}
	return pool, nil
}

func orDefault[T int | int64 | time.Duration](v, d T) T {
	if v <= 0 {
		return d
	}
	return v
}

func invalid(op, message string) *Error {
	return &Error{Op: op, Code: CodeInvalid, Message: message}
}
