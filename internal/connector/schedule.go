package connector

import (
	"container/heap"
	"context"
	"math/rand/v2"
	"sync"
	"time"
)

// queue holds the boxes that have work, each at most once.
type queue struct {
	mu     sync.Mutex
	some   *sync.Cond
	boxes  []*box
	closed bool
}

func newQueue() *queue {
	q := &queue{}
	q.some = sync.NewCond(&q.mu)
	return q
}

func (q *queue) put(b *box) {
	q.mu.Lock()
	q.boxes = append(q.boxes, b)
	q.mu.Unlock()
	q.some.Signal()
}

// take waits for a box; nil says that the queue is closed.
func (q *queue) take() *box {
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(q.boxes) == 0 && !q.closed {
		q.some.Wait()
	}
	if q.closed {
		return nil
	}
	b := q.boxes[0]
	q.boxes[0] = nil
	q.boxes = q.boxes[1:]
	return b
}

func (q *queue) close() {
	q.mu.Lock()
	q.closed = true
	q.mu.Unlock()
	q.some.Broadcast()
}

func (q *queue) len() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.boxes)
}

func (q *queue) isClosed() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.closed
}

// clock wakes boxes: one heap and one timer for all of them.
type clock struct {
	mu    sync.Mutex
	alarm alarmHeap
	kick  chan struct{}
}

func newClock() *clock { return &clock{kick: make(chan struct{}, 1)} }

// set moves a box's wake-up; the zero time takes it away.
func (k *clock) set(b *box, at time.Time) {
	k.mu.Lock()
	defer k.mu.Unlock()
	first := len(k.alarm) > 0 && k.alarm[0] == b
	switch {
	case at.Equal(b.wakeAt) && (b.slot > 0) == !at.IsZero():
		return
	case at.IsZero():
		heap.Remove(&k.alarm, b.slot-1)
		b.wakeAt = at
	case b.slot == 0:
		b.wakeAt = at
		heap.Push(&k.alarm, b)
	default:
		b.wakeAt = at
		heap.Fix(&k.alarm, b.slot-1)
	}
	if first || len(k.alarm) > 0 && k.alarm[0] == b {
		select {
		case k.kick <- struct{}{}:
		default:
		}
	}
}

func (k *clock) len() int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return len(k.alarm)
}

// due takes out a box whose time has come, or says how long to wait: a negative
// time means until the next kick.
func (k *clock) due(now time.Time) (*box, time.Duration) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(k.alarm) == 0 {
		return nil, -1
	}
	b := k.alarm[0]
	if wait := b.wakeAt.Sub(now); wait > 0 {
		return nil, wait
	}
	heap.Pop(&k.alarm)
	b.wakeAt = time.Time{}
	return b, 0
}

// run calls fire for each box whose time comes, until ctx ends.
func (k *clock) run(ctx context.Context, fire func(*box)) {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		b, wait := k.due(time.Now())
		if b != nil {
			fire(b)
			continue
		}
		if wait < 0 {
			wait = time.Hour
		}
		timer.Reset(wait)
		select {
		case <-ctx.Done():
			return
		case <-k.kick:
		case <-timer.C:
		}
	}
}

func (c *Connector) fire(b *box) { b.wake() }

// alarmHeap orders boxes by their wake-up.
type alarmHeap []*box

func (h alarmHeap) Len() int           { return len(h) }
func (h alarmHeap) Less(i, j int) bool { return h[i].wakeAt.Before(h[j].wakeAt) }
func (h alarmHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].slot, h[j].slot = i+1, j+1
}

// Push adds a box.
func (h *alarmHeap) Push(x any) {
	b := x.(*box)
	*h = append(*h, b)
	b.slot = len(*h)
}

// Pop takes the last box.
func (h *alarmHeap) Pop() any {
	old := *h
	b := old[len(old)-1]
	old[len(old)-1] = nil
	*h, b.slot = old[:len(old)-1], 0
	return b
}

// backOff is how long to wait after so many failures in a row: doubling from
// one second to thirty, with a random share taken off so that many do not come
// back at once.
func backOff(tries int) time.Duration {
	d := min(time.Second<<min(tries, 5), 30*time.Second)
	return d - rand.N(d/2)
}

// earliest returns the first of the times that are set.
func earliest(times ...time.Time) (first time.Time) {
	for _, t := range times {
		if !t.IsZero() && (first.IsZero() || t.Before(first)) {
			first = t
		}
	}
	return first
}
