package cloud

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/koyomi-cal/koyomi/internal/api"
	"github.com/koyomi-cal/koyomi/internal/store"
)

const (
	maxStreams   = 16 // of one account
	writeTimeout = 10 * time.Second
)

// hub hands events to the streams of the accounts that they are for.
type hub struct {
	mu      sync.Mutex
	streams map[string]map[*stream]bool // by account
	closed  chan struct{}
	once    sync.Once
}

// stream is what one reader has not yet taken: the latest event of each kind
// for each resource, so that a slow reader costs no more than its resources.
type stream struct {
	mu      sync.Mutex
	waiting map[subject]int64 // -> cursor
	wake    chan struct{}
}

type subject struct{ name, resource string }

func newHub() *hub {
	return &hub{streams: map[string]map[*stream]bool{}, closed: make(chan struct{})}
}

// close ends every stream, now and later.
func (h *hub) close() { h.once.Do(func() { close(h.closed) }) }

// open adds a stream of an account, or returns nil if it has too many.
func (h *hub) open(account string) *stream {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.streams[account]) >= maxStreams {
		return nil
	}
	if h.streams[account] == nil {
		h.streams[account] = map[*stream]bool{}
	}
	st := &stream{waiting: map[subject]int64{}, wake: make(chan struct{}, 1)}
	h.streams[account][st] = true
	return st
}

func (h *hub) drop(account string, st *stream) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.streams[account], st)
	if len(h.streams[account]) == 0 {
		delete(h.streams, account)
	}
}

// publish tells the accounts of a notice. It never waits for a reader.
func (h *hub) publish(name string, n store.Notice) {
	if !n.Changed {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, a := range n.Accounts {
		for st := range h.streams[a] {
			st.put(subject{name, n.Resource}, n.Cursor)
		}
	}
}

func (st *stream) put(s subject, cursor int64) {
	st.mu.Lock()
	defer st.mu.Unlock()
	st.waiting[s] = cursor
	select {
	case st.wake <- struct{}{}:
	default:
	}
}

// take returns what is waiting in the order of its numbers.
func (st *stream) take() []api.Event {
	st.mu.Lock()
	defer st.mu.Unlock()
	var all []api.Event
	for s, cursor := range st.waiting {
		all = append(all, api.Event{ID: cursor, Name: s.name, Resource: s.resource, Cursor: cursor})
	}
	clear(st.waiting)
	slices.SortFunc(all, func(a, b api.Event) int { return cmp.Compare(a.ID, b.ID) })
	return all
}

// events is the event stream. What changed before it opened comes from the
// store, by one event for each resource; the stream is opened first, so that
// nothing falls between.
func (s *Server) events(c *call) (any, error) {
	last := int64(0)
	if text := c.r.Header.Get("Last-Event-ID"); text != "" {
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil || n < 0 {
			return nil, badRequest("Last-Event-ID is not a number of this stream")
		}
		last = n
	}
	st := s.hub.open(c.account.ID)
	if st == nil {
		return nil, tooMany(time.Minute)
	}
	defer s.hub.drop(c.account.ID, st)
	missed, err := s.objects.Delivered(c.r.Context(), c.account.ID, last)
	if err != nil {
		return nil, s.explain(err)
	}
	out := newEventWriter(c.w)
	if err := out.begin(); err != nil {
		return nil, nil
	}
	for _, m := range missed {
		out.event(api.Event{ID: m.Cursor, Name: api.EventChange, Resource: m.Resource, Cursor: m.Cursor})
	}
	heartbeat := time.NewTicker(api.Heartbeat)
	defer heartbeat.Stop()
	for {
		if err := out.flush(); err != nil {
			return nil, nil // the reader is gone or too slow; it comes back by itself
		}
		select {
		case <-c.r.Context().Done():
			return nil, nil
		case <-s.hub.closed:
			return nil, nil
		case <-heartbeat.C:
			out.comment()
		case <-st.wake:
			for _, e := range st.take() {
				out.event(e)
			}
		}
	}
}

// eventWriter writes a stream in the form of the HTML standard, section 9.2.6.
type eventWriter struct {
	w   http.ResponseWriter
	rc  *http.ResponseController
	buf []byte
}

func newEventWriter(w http.ResponseWriter) *eventWriter {
	return &eventWriter{w: w, rc: http.NewResponseController(w)}
}

func (o *eventWriter) begin() error {
	// A stream has no end by which its request must be read.
	if err := o.rc.SetReadDeadline(time.Time{}); err != nil {
		return err
	}
	h := o.w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("X-Accel-Buffering", "no") // nginx would hold it back
	o.comment()
	return nil
}

func (o *eventWriter) comment() { o.buf = append(o.buf, ":\n\n"...) }

func (o *eventWriter) event(e api.Event) {
	if e.Name == api.EventDelivery {
		e.Cursor = 0
	}
	data, _ := json.Marshal(e) // an opaque id and a number always encode
	o.buf = fmt.Appendf(o.buf, "event: %s\ndata: %s\nid: %d\n\n", e.Name, data, e.ID)
}

// flush writes what was added. A reader that does not take it in time is dropped.
func (o *eventWriter) flush() error {
	if err := o.rc.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
		return err
	}
	if _, err := o.w.Write(o.buf); err != nil {
		return err
	}
	o.buf = o.buf[:0]
	return o.rc.Flush()
}
