package account

import (
	"container/list"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// Limiter keeps each key, an address or an account, to a rate. It remembers a
// bounded number of keys; when there are more, it forgets the one that was
// longest quiet, whose allowance had time to fill up again.
type Limiter struct {
	every time.Duration
	burst int
	max   int

	mu    sync.Mutex
	keys  map[string]*list.Element
	order *list.List // of *bucket, most recently used first
}

type bucket struct {
	key string
	*rate.Limiter
}

// NewLimiter admits burst requests of a key at once and one more each interval,
// for up to max keys.
func NewLimiter(every time.Duration, burst, max int) *Limiter {
	return &Limiter{every: every, burst: burst, max: max, keys: map[string]*list.Element{}, order: list.New()}
}

// Allow takes one request of a key. If it is one too many, it says after how
// long the next is admitted.
func (l *Limiter) Allow(key string) (wait time.Duration, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := l.keys[key]
	if e == nil {
		if l.order.Len() >= l.max {
			old := l.order.Remove(l.order.Back()).(*bucket)
			delete(l.keys, old.key)
		}
		e = l.order.PushFront(&bucket{key, rate.NewLimiter(rate.Every(l.every), l.burst)})
		l.keys[key] = e
	}
	l.order.MoveToFront(e)
	if e.Value.(*bucket).Allow() {
		return 0, true
	}
	return l.every, false
}

// Spent reports whether a key has nothing left, without taking anything: for
// limits on failures, which are known only afterwards. It says after how long
// there is something again.
func (l *Limiter) Spent(key string) (wait time.Duration, spent bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := l.keys[key]
	if e == nil || e.Value.(*bucket).Tokens() >= 1 {
		return 0, false
	}
	return l.every, true
}

// RemoteKey names the caller of a request for a limiter: its IPv4 address, or
// the /64 network of its IPv6 address, which is what one site has.
func RemoteKey(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		host = r.RemoteAddr
	}
	a, err := netip.ParseAddr(host)
	if err != nil {
		return host
	}
	a = a.Unmap().WithZone("")
	if a.Is6() {
		p, _ := a.Prefix(64) // 64 is in range for IPv6
		return p.String()
	}
	return a.String()
}
