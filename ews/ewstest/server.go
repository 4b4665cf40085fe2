package ewstest

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Options are what a server is made with. The zero value is a usable server
// without users.
type Options struct {
	// Dialect is the server to play; Exchange2019 where empty.
	Dialect Dialect
	// Users is how many mailboxes user0001@Domain and so on there are.
	Users int
	// EventsPerUser is how many calendar items each of them has. They are the
	// same in every run that has the same Now.
	EventsPerUser int
	// Attendees is how many people are invited to each of those events.
	Attendees int
	// Now is the server's clock; time.Now where nil.
	Now func() time.Time
	// Heartbeat is the pause between the heartbeats of a stream; 45 s where
	// zero, which is what real servers do.
	Heartbeat time.Duration
	// EventDelay is how long events wait before they are sent, so that those
	// of one change travel together. Zero is what the dialect does, which is
	// at once for all but gromox; a negative value is at once for all.
	EventDelay time.Duration
	// ServiceAccount is the login that may impersonate; svc@Domain where
	// empty. It has no mailbox of its own.
	ServiceAccount string
	// Password is everybody's; "password" where empty.
	Password string
	// Domain is that of the users; "example.com" where empty.
	Domain string
	// Zone is the time zone of the mailboxes, by its Windows id; UTC where
	// empty.
	Zone string
	// Culture is the language of the mailboxes; "en-US" where empty.
	Culture string
	// Travel names the properties in PublicStrings that go with an invitation
	// to the attendees' copies; "*" stands for all. By default only those do
	// that online meetings of the server's maker use: do not rely on your own.
	Travel []string
	// TLS makes Start listen with a certificate of an authority of its own,
	// for 127.0.0.1 and localhost.
	TLS bool
	// Auth lists the ways to sign in: AuthBasic, AuthNTLM, AuthNegotiate,
	// AuthOAuth; Basic alone where empty. NTLM and Negotiate need the server's own
	// listener: they belong to the connection.
	Auth []string
	// ExtendedProtection says what becomes of channel bindings: ProtectionOff,
	// ProtectionAllow or ProtectionRequire; allow where empty, as on real servers.
	ExtendedProtection string
	// Certificate is what a listener given to Serve shows, in DER: the channel
	// bindings are of it. Start sets its own.
	Certificate []byte
	// Kerberos checks the token of a client that signs in by Negotiate.
	Kerberos func(token []byte) (Ticket, error)
	// Lockout is after how many wrong passwords within half an hour an account
	// is locked for another half; 0: never.
	Lockout int
	// BackEnds is how many mailbox servers stand behind the front end; 1 where
	// zero. Mailboxes are dealt out to them in turn. BackEndDialects gives each
	// a version of its own, which makes a mixed farm: an empty one, or that of
	// gromox, is Dialect.
	BackEnds        int
	BackEndDialects []Dialect
	// StoreRTF stores the HTML bodies of new items as RTF, as servers were seen
	// to do that Outlook on the desktop writes to. An update in HTML stores HTML,
	// unless the Profile says otherwise.
	StoreRTF bool
	// Budget is what a mailbox may ask of the server.
	Budget Budget
	// Latency is how long each request takes, and Jitter bounds what is added
	// to it, which Seed decides.
	Latency, Jitter time.Duration
	Seed            uint64
	// Profile is what one server does differently from its dialect. Its
	// Dialect, where set, replaces that of Options.
	Profile *Profile
	// Host is the name by which the server calls itself in ids and headers;
	// "exchange.Domain" where empty.
	Host string
}

// Server is an Exchange server in memory. Its methods may be called at any
// time from any goroutine.
type Server struct {
	// URL is the address of the EWS endpoint once [Start] has returned, and CA
	// the certificate in PEM that a client has to trust where Options.TLS was
	// set.
	URL string
	CA  []byte

	opt      Options
	binding  []byte // the right channel binding; nil: none is known
	traits   traits
	zones    zones
	http     http.Server
	done     chan struct{} // closed by Close
	handler  sync.WaitGroup
	startup  error
	packers  sync.Pool // of *gzip.Writer
	backs    []*backEnd
	turn     atomic.Uint64 // of requests that no mailbox routes
	requests atomic.Uint64
	lags     atomic.Uint64
	budget   Budget
	auto     autodiscovery
	oauth    tokenService

	services sync.Map // further logins that may impersonate, in small letters

	mu       sync.RWMutex // guards what follows, and everything in the mailboxes
	boxes    map[guid]*mailbox
	names    map[string]*mailbox // by lower-case address and alias
	accounts map[string]secret   // lower-case logins without a mailbox
	subs     map[string]*subscription
	lastSub  uint64
	mails    []Mail

	logMu       sync.Mutex // guards what follows
	calls       []Call
	counts      map[string]int // calls by operation
	faults      []*Fault
	refused     map[string]int         // wrong passwords by login
	wrong       map[string][]time.Time // of them, those that count for the lockout
	lockedUntil map[string]time.Time
	lockouts    int
	budgets     map[string]*spending // by budgetKey
	closed      bool
	listener    sync.WaitGroup
}

// NewServer returns a server that does not listen yet. Call [Server.Serve], or
// use [Server.Handler].
func NewServer(o Options) *Server {
	o.Domain = cmp.Or(o.Domain, "example.com")
	o.ServiceAccount = cmp.Or(o.ServiceAccount, "svc@"+o.Domain)
	o.Password = cmp.Or(o.Password, "password")
	o.Heartbeat = cmp.Or(o.Heartbeat, 45*time.Second)
	o.Culture = cmp.Or(o.Culture, "en-US")
	o.Zone = cmp.Or(o.Zone, "UTC")
	o.Host = cmp.Or(o.Host, "exchange."+o.Domain)
	if o.Profile != nil {
		p := *o.Profile
		o.Dialect = cmp.Or(p.Dialect, o.Dialect)
		p.Dialect, o.Profile = cmp.Or(o.Dialect, Exchange2019), &p
	}
	o.Dialect = cmp.Or(o.Dialect, Exchange2019)
	if o.Now == nil {
		o.Now = time.Now
	}
	s := &Server{
		opt: o, traits: o.Dialect.traits(), done: make(chan struct{}),
		boxes: map[guid]*mailbox{}, names: map[string]*mailbox{}, accounts: map[string]secret{}, subs: map[string]*subscription{},
		counts: map[string]int{}, refused: map[string]int{}, wrong: map[string][]time.Time{}, lockedUntil: map[string]time.Time{}, budgets: map[string]*spending{},
	}
	if o.Profile != nil {
		s.traits = o.Profile.traits()
	}
	if o.EventDelay != 0 {
		s.traits.tick = max(o.EventDelay, 0)
	}
	s.makeBackEnds()
	s.budget = o.Budget.withDefaults(s.traits)
	s.accounts[strings.ToLower(o.ServiceAccount)] = secret(o.Password)
	s.startup = s.opt.checkAuth()
	s.bindTo(o.Certificate)
	s.http.ConnContext = connContext
	s.http.Handler = s.Handler()
	s.http.ReadHeaderTimeout = time.Minute
	s.fill(o.Users, o.EventsPerUser)
	return s
}

// Start returns a server that listens on a port of its own on loopback; its
// address is in URL. Where that fails, every call to the server fails and
// [Server.Err] says why.
func Start(o Options) *Server {
	s := NewServer(o)
	l, err := s.listen()
	if err = cmp.Or(s.startup, err); err != nil {
		s.startup = err
		s.URL = "http://127.0.0.1:0" + Path
		return s
	}
	s.listener.Go(func() {
		if err := s.Serve(l); err != nil {
			s.logMu.Lock()
			s.startup = err
			s.logMu.Unlock()
		}
	})
	return s
}

// listen opens a port on loopback and sets URL.
func (s *Server) listen() (net.Listener, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen on loopback: %w", err)
	}
	s.URL = "http://" + l.Addr().String() + Path
	if !s.opt.TLS {
		return l, nil
	}
	cert, ca, err := NewCertificate(time.Now(), "127.0.0.1", "localhost")
	if err != nil {
		_ = l.Close()
		return nil, err
	}
	s.bindTo(cert.Certificate[0])
	s.CA, s.URL = ca, "https://"+l.Addr().String()+Path
	return tls.NewListener(l, &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12}), nil
}

// Err returns why a server from [Start] does not listen, or nil.
func (s *Server) Err() error {
	s.logMu.Lock()
	defer s.logMu.Unlock()
	return s.startup
}

// Path is where EWS is found on a server, in any case.
const Path = "/EWS/Exchange.asmx"

// Serve answers on the listener until [Server.Close], and then returns nil.
func (s *Server) Serve(l net.Listener) error {
	if err := s.http.Serve(l); err != nil && !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve Exchange: %w", err)
	}
	return nil
}

// Close ends the streams with their last document, waits for what is being
// answered and closes all connections and listeners.
func (s *Server) Close() {
	s.logMu.Lock()
	first := !s.closed
	s.closed = true
	if first {
		close(s.done)
	}
	s.logMu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	if err := s.http.Shutdown(ctx); err != nil {
		_ = s.http.Close() // somebody holds a connection open without asking anything
	}
	s.handler.Wait()
	s.listener.Wait()
}

// enter counts a request that is being answered. It returns false after Close.
func (s *Server) enter() bool {
	s.logMu.Lock()
	defer s.logMu.Unlock()
	if s.closed {
		return false
	}
	s.handler.Add(1)
	return true
}

// now is the server's clock, without the monotonic part, in the resolution
// that the store keeps.
func (s *Server) now() time.Time { return s.opt.Now().UTC().Round(0).Truncate(time.Millisecond) }

func (s *Server) location(b *mailbox) *time.Location { return s.zones.location(b.zone) }

// MailboxOption changes a mailbox that [Server.AddMailbox] makes.
type MailboxOption func(*mailbox)

// InZone sets the mailbox's time zone by its Windows id.
func InZone(id string) MailboxOption { return func(b *mailbox) { b.zone = id } }

// WithCulture sets the mailbox's language, such as "ja-JP".
func WithCulture(culture string) MailboxOption { return func(b *mailbox) { b.culture = culture } }

// WithPassword gives the mailbox's user a password of their own.
func WithPassword(password string) MailboxOption {
	return func(b *mailbox) { b.password = secret(password) }
}

// WithAliases gives the mailbox further addresses.
func WithAliases(addresses ...string) MailboxOption {
	return func(b *mailbox) { b.aliases = append(b.aliases, addresses...) }
}

// AsRoom makes the mailbox a room that processes invitations.
func AsRoom(r Room) MailboxOption { return func(b *mailbox) { b.room = &r } }

// AddMailbox adds a mailbox with its address and display name. The user logs
// in with the address. An address that exists already is left as it is.
func (s *Server) AddMailbox(address, name string, opts ...MailboxOption) {
	b := newMailbox(address, name)
	b.zone, b.culture, b.password = s.opt.Zone, s.opt.Culture, secret(s.opt.Password)
	for _, o := range opts {
		o(b)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	key := strings.ToLower(address)
	if s.names[key] != nil {
		return
	}
	b.settle(len(s.boxes) % len(s.backs))
	s.boxes[b.guid] = b
	for _, a := range append([]string{key}, b.aliases...) {
		s.names[strings.ToLower(a)] = b
	}
}

// RemoveMailbox takes a mailbox away, as if it had been disabled.
func (s *Server) RemoveMailbox(address string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	b := s.names[strings.ToLower(address)]
	if b == nil {
		return
	}
	delete(s.boxes, b.guid)
	maps.DeleteFunc(s.names, func(_ string, other *mailbox) bool { return other == b })
	maps.DeleteFunc(s.subs, func(_ string, sub *subscription) bool { return sub.box == b })
}

// Mailboxes returns the addresses of all mailboxes, in no order.
func (s *Server) Mailboxes() []string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	out := make([]string, 0, len(s.boxes))
	for _, b := range s.boxes {
		out = append(out, b.address)
	}
	return out
}
