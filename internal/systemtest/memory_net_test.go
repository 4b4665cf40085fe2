package systemtest

import (
	"context"
	"net"
	"net/http"
	"sync"
	"syscall"
	"testing"
)

// The servers of the system in memory, by their addresses.
const (
	memExchange = "127.0.0.1:8001"
	memCloud    = "127.0.0.1:8002"
	memKMS      = "127.0.0.1:8003"
)

// memNet is a network in memory: listeners by address, and the plugs to pull.
type memNet struct {
	mu        sync.Mutex
	listeners map[string]*memListener
	down      map[string]bool
	conns     map[string]map[*memConn]bool
	dials     map[string]int
	transport *http.Transport
}

func newMemNet(t *testing.T) *memNet {
	n := &memNet{
		listeners: map[string]*memListener{}, down: map[string]bool{}, conns: map[string]map[*memConn]bool{}, dials: map[string]int{},
	}
	n.transport = &http.Transport{DialContext: n.dial}
	t.Cleanup(n.transport.CloseIdleConnections)
	return n
}

// listen opens an address.
func (n *memNet) listen(address string) net.Listener {
	n.mu.Lock()
	defer n.mu.Unlock()
	l := &memListener{net: n, address: address, incoming: make(chan net.Conn), closed: make(chan struct{})}
	n.listeners[address] = l
	return l
}

// dial connects to an address, as a net.Dialer does.
func (n *memNet) dial(ctx context.Context, _, address string) (net.Conn, error) {
	n.mu.Lock()
	l := n.listeners[address]
	n.dials[address]++
	if l == nil || n.down[address] {
		n.mu.Unlock()
		return nil, &net.OpError{Op: "dial", Net: "tcp", Addr: memAddr(address), Err: syscall.ECONNREFUSED}
	}
	client, server := net.Pipe()
	pair := [2]*memConn{{Conn: client, net: n, address: address}, {Conn: server, net: n, address: address}}
	if n.conns[address] == nil {
		n.conns[address] = map[*memConn]bool{}
	}
	for _, c := range pair {
		n.conns[address][c] = true
	}
	n.mu.Unlock()
	select {
	case l.incoming <- pair[1]:
		return pair[0], nil
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-l.closed:
		return nil, &net.OpError{Op: "dial", Net: "tcp", Addr: memAddr(address), Err: syscall.ECONNREFUSED}
	}
}

// pull takes an address off the network, with every connection to it.
func (n *memNet) pull(address string) {
	n.mu.Lock()
	n.down[address] = true
	n.mu.Unlock()
	n.cut(address)
}

// plug puts it back.
func (n *memNet) plug(address string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.down, address)
}

// cut breaks the connections to an address wherever they are.
func (n *memNet) cut(address string) {
	n.mu.Lock()
	var all []*memConn
	for c := range n.conns[address] {
		all = append(all, c)
	}
	n.mu.Unlock()
	for _, c := range all {
		_ = c.Close()
	}
}

// tried returns how often somebody dialled an address.
func (n *memNet) tried(address string) int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.dials[address]
}

type memConn struct {
	net.Conn
	net     *memNet
	address string
}

func (c *memConn) Close() error {
	c.net.mu.Lock()
	delete(c.net.conns[c.address], c)
	c.net.mu.Unlock()
	return c.Conn.Close()
}

func (c *memConn) RemoteAddr() net.Addr { return memAddr("127.0.0.1:50000") }

type memListener struct {
	net      *memNet
	address  string
	incoming chan net.Conn
	closed   chan struct{}
	once     sync.Once
}

func (l *memListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.incoming:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *memListener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

func (l *memListener) Addr() net.Addr { return memAddr(l.address) }

type memAddr string

func (memAddr) Network() string  { return "tcp" }
func (a memAddr) String() string { return string(a) }
