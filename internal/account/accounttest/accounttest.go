// Package accounttest helps to test servers without a port: a net.Listener in
// memory and a transport that dials it. Under testing/synctest a day of
// requests passes in no time, because a pipe that waits is a goroutine that
// waits, and not the network.
package accounttest

import (
	"context"
	"net"
	"net/http"
	"sync"
)

// Listener accepts connections that Dial makes in memory.
type Listener struct {
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

// Listen returns a listener without an address.
func Listen() *Listener {
	return &Listener{conns: make(chan net.Conn), done: make(chan struct{})}
}

// Accept waits for the next Dial.
func (l *Listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

// Close ends Accept and Dial with net.ErrClosed.
func (l *Listener) Close() error {
	l.once.Do(func() { close(l.done) })
	return nil
}

// Addr returns a name in place of an address.
func (l *Listener) Addr() net.Addr { return addr{} }

// Dial connects to the listener, whatever the address.
func (l *Listener) Dial(ctx context.Context, _, _ string) (net.Conn, error) {
	client, server := net.Pipe()
	select {
	case l.conns <- server:
		return client, nil
	case <-l.done:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Transport returns a transport that reaches the listener under every host name.
// Its idle connections must be closed at the test's end.
func (l *Listener) Transport() *http.Transport {
	return &http.Transport{DialContext: l.Dial}
}

type addr struct{}

func (addr) Network() string { return "memory" }
func (addr) String() string  { return "memory" }
