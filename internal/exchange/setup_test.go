package exchange

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/koyomi-cal/koyomi/ews"
	"github.com/koyomi-cal/koyomi/ews/ewstest"
	"github.com/koyomi-cal/koyomi/internal/calendar"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// pipes is a network in memory: a listener, and the way to call it. While it is
// down, calls are refused.
type pipes struct {
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once

	mu    sync.Mutex
	down  bool
	dials int
	open  []net.Conn
}

func newPipes() *pipes { return &pipes{conns: make(chan net.Conn), done: make(chan struct{})} }

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.done:
		return nil, io.EOF
	}
}

func (p *pipes) Close() error {
	p.once.Do(func() { close(p.done) })
	return nil
}

func (p *pipes) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 80} }

var errRefused = &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}

func (p *pipes) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	p.mu.Lock()
	p.dials++
	down := p.down
	p.mu.Unlock()
	if down {
		return nil, errRefused
	}
	client, server := net.Pipe()
	select {
	case p.conns <- server:
		p.mu.Lock()
		p.open = append(p.open, client)
		p.mu.Unlock()
		return client, nil
	case <-p.done:
	case <-ctx.Done():
	}
	client.Close()
	server.Close()
	return nil, errRefused
}

func (p *pipes) setDown(down bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.down = down; down {
		for _, c := range p.open {
			c.Close()
		}
		p.open = nil
	}
}

func (p *pipes) dialed() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.dials
}

// office is a simulated Exchange on fake time, with an Exchange of ours on it.
type office struct {
	t   *testing.T
	srv *ewstest.Server
	net *pipes
	x   *Exchange
	ann calendar.Mailbox
	bob calendar.Mailbox

	ahead time.Duration // of the server's clock
}

const annAddr, bobAddr = "ann@example.com", "bob@example.com"

// inOffice runs a test for a dialect on fake time.
func inOffice(t *testing.T, d ewstest.Dialect, change func(*Options), fn func(t *testing.T, o *office)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(26 * 365 * 24 * time.Hour) // away from the turn of the millennium
		o := &office{t: t, net: newPipes()}
		o.srv = ewstest.NewServer(ewstest.Options{Dialect: d, Now: func() time.Time { return time.Now().Add(o.ahead) }})
		o.srv.AddMailbox(annAddr, "Ann", ewstest.InZone("W. Europe Standard Time"))
		o.srv.AddMailbox(bobAddr, "Bob")
		served := make(chan error, 1)
		go func() { served <- o.srv.Serve(o.net) }()
		opt := Options{
			URL: "http://localhost/EWS/Exchange.asmx", Username: "svc@example.com", Password: ews.NewSecret("password"), DialContext: o.net.dial,
		}
		if change != nil {
			change(&opt)
		}
		x, err := New(opt)
		if err != nil {
			t.Fatal(err)
		}
		o.x = x
		o.ann, o.bob = calendar.Mailbox{ID: "mb-ann", Address: annAddr}, calendar.Mailbox{ID: "mb-bob", Address: bobAddr}
		defer func() {
			x.ews().Close()
			o.net.setDown(true)
			o.srv.Close()
			o.net.Close()
			<-served
		}()
		fn(t, o)
	})
}

// eachDialect runs a test for the usual server and the unusual one.
func eachDialect(t *testing.T, fn func(t *testing.T, o *office)) {
	t.Parallel()
	for _, d := range []ewstest.Dialect{ewstest.Exchange2019, ewstest.Exchange2013, ewstest.Gromox} {
		t.Run(string(d), func(t *testing.T) { inOffice(t, d, nil, fn) })
	}
}

// meeting puts a meeting into Ann's calendar.
func (o *office) meeting(it ewstest.Item) ewstest.Item {
	o.t.Helper()
	if it.Start.IsZero() {
		it.Start = time.Now().Add(time.Hour).Truncate(time.Hour)
	}
	if it.End.IsZero() {
		it.End = it.Start.Add(30 * time.Minute)
	}
	made, err := o.srv.Add(annAddr, it)
	if err != nil {
		o.t.Fatal(err)
	}
	return made
}

func (o *office) get(id string) calendar.Item {
	o.t.Helper()
	it, err := o.x.Get(o.t.Context(), o.ann, id)
	if err != nil {
		o.t.Fatal(err)
	}
	return it
}

// class returns the class of a fault, and makes sure that it is one that may be
// shown.
func class(t *testing.T, err error) calendar.FaultClass {
	t.Helper()
	f, is := errors.AsType[*calendar.Fault](err)
	switch {
	case err == nil:
		return ""
	case !is:
		t.Fatalf("not a fault: %v", err)
	case f.Sentence == "" || f.Step == "" || strings.Contains(f.Error(), "@"):
		t.Errorf("fault of no use to people, or too much: %+v", f)
	}
	return f.Class
}

// said is one thing that a watch tells.
type said struct {
	notice calendar.Notice
	err    error
}

// listener collects what a watch tells.
type listener struct {
	mu    sync.Mutex
	heard []said
	stop  func()
}

func (o *office) watch(mailboxes ...calendar.Mailbox) *listener {
	ctx, cancel := context.WithCancel(o.t.Context())
	l := &listener{}
	done := make(chan struct{})
	l.stop = func() { cancel(); <-done }
	go func() {
		defer close(done)
		for n, err := range o.x.Watch(ctx, mailboxes) {
			l.mu.Lock()
			l.heard = append(l.heard, said{n, err})
			l.mu.Unlock()
		}
	}()
	return l
}

// take returns what was heard since the last time, after some time.
func (l *listener) take(after time.Duration) []said {
	time.Sleep(after)
	synctest.Wait()
	l.mu.Lock()
	defer l.mu.Unlock()
	out := l.heard
	l.heard = nil
	return out
}

// count returns how often a change of a kind was told of an item; an empty id
// stands for any.
func count(heard []said, m calendar.Mailbox, kind calendar.ChangeKind, id string) (n int) {
	for _, s := range heard {
		if s.err == nil && s.notice.Mailbox == m.ID && s.notice.Change.Kind == kind && (id == "" || s.notice.Change.ID == id) {
			n++
		}
	}
	return n
}

func faults(heard []said, m calendar.Mailbox) (out []*calendar.Fault) {
	for _, s := range heard {
		if f, is := errors.AsType[*calendar.Fault](s.err); is && s.notice.Mailbox == m.ID {
			out = append(out, f)
		}
	}
	return out
}

func contextOf(t *testing.T) (context.Context, context.CancelFunc) {
	return context.WithCancel(t.Context())
}
