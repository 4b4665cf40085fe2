package ews

import (
	"cmp"
	"container/list"
	"context"
	"errors"
	"iter"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// Priority says how urgent a request is. Put it into the context of a call
// with [WithPriority].
type Priority int

// The priorities, the most urgent first. Of two requests for one server the
// more urgent one goes first; but whoever is passed over too often goes before
// everybody, so that nothing waits for ever. Loads and what is in the background
// never take the last places of a server: something urgent always finds one soon.
const (
	Live       Priority = iota // somebody waits for it; the default
	Soon                       // about a mailbox with a meeting in the next hours
	Load                       // first reading of a mailbox, catching up
	Background                 // whenever there is room
	priorities = iota
)

// String returns the priority's name in lower case.
func (p Priority) String() string {
	switch p {
	case Live:
		return "live"
	case Soon:
		return "soon"
	case Load:
		return "load"
	}
	return "background"
}

type priorityKey struct{}

// WithPriority returns a context whose calls have the priority.
func WithPriority(ctx context.Context, p Priority) context.Context {
	return context.WithValue(ctx, priorityKey{}, min(max(p, Live), Background))
}

func priorityOf(ctx context.Context) Priority {
	p, _ := ctx.Value(priorityKey{}).(Priority)
	return p
}

// SchedulerOptions configure a [Scheduler]. The zero value is usable.
type SchedulerOptions struct {
	// Start is how many requests are under way at once to a server of which
	// nothing is known yet, and Most how many it may become; defaults 4 and 32.
	// Streams do not count.
	Start, Most int
}

// Scheduler keeps the requests of a program to what Exchange bears. Make one,
// and give it to every client in [Options.Scheduler].
//
// It lets so many requests at once to each back-end server as that server
// answers without getting slower: one more for as long as answers take as long
// as they did when there was little to do, and half as many as soon as one of
// them says that the server is busy, or does not come. The back-end server of
// a mailbox is known from earlier answers (X-CalculatedBETarget); before that
// the endpoint counts as one server.
//
// Where the server asks to leave a mailbox alone (BackOffMilliseconds), not one
// request for this mailbox leaves before that time is over to the millisecond,
// of whatever account: another one that acts for it has the same budget. Calls made meanwhile fail at once with the code
// ErrorServerBusy and the rest of the time in Error.BackOff, so that they do
// not keep a worker who could do something else. An endpoint that cannot be
// reached is tried by one request at a time, at intervals up to thirty seconds.
//
// Of SyncFolderItems one at a time is sent for each mailbox
// (ConcurrentSyncCalls of the throttling policy).
type Scheduler struct {
	opt SchedulerOptions

	mu        sync.Mutex
	lanes     map[string]*lane // by the name of a back end, or by endpoint
	endpoints map[string]*reach
	boxes     map[boxKey]*box
	halvings  int64
	backOffs  int64
}

// mostLanes bounds the servers that are told apart: their names come from
// answers.
const mostLanes = 1000

// boxKey names a budget: Exchange charges what is done for a mailbox to a copy of
// that mailbox's budget, which all service accounts share, and what an account
// does for itself to its own.
type boxKey struct {
	account *Account // nil: all that act for the mailbox
	mailbox string   // in lower case
}

// budget names the budget that pays for requests for the mailbox.
func (m *Mailbox) budget() boxKey {
	if m.address == "" {
		return boxKey{account: m.client.account}
	}
	return boxKey{mailbox: strings.ToLower(m.address)}
}

// box is what is known of a budget. Mailboxes of which nothing is known have none.
type box struct {
	lane    *lane     // its back end; nil: not known
	until   time.Time // nothing is sent before
	syncing bool
	waiting []*ticket // to synchronise
}

// reach is whether an endpoint can be reached.
type reach struct {
	why     *Error // why not; nil: it can
	until   time.Time
	tries   int
	probing bool // one request finds out whether it can be reached again
}

// job is what the scheduler has to know of a request.
type job struct {
	op       string
	key      boxKey
	endpoint string
	server   string // back end that will answer; empty: not known from the call itself
	priority Priority
	items    int  // of a batch
	stream   bool // hangs: takes no place
}

// ticket is the permission to send one request. It is given back by leave.
type ticket struct {
	job
	s     *Scheduler
	lane  *lane
	at    time.Time // when it was granted
	probe bool

	line    *list.List // in which it waits
	place   *list.Element
	ready   chan struct{} // closed when granted or refused
	granted bool
	refusal *Error

	// What the answer told; of the goroutine that has the ticket.
	failure  *Error // the worst
	answered string // name of the back end that answered
}

// NewScheduler returns a scheduler.
func NewScheduler(opt SchedulerOptions) *Scheduler {
	opt.Most = orDefault(opt.Most, 32)
	opt.Start = min(orDefault(opt.Start, 4), opt.Most)
	return &Scheduler{opt: opt, lanes: map[string]*lane{}, endpoints: map[string]*reach{}, boxes: map[boxKey]*box{}}
}

// TryNow has endpoints that cannot be reached tried at once. What a server
// asked for stays.
func (s *Scheduler) TryNow() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.endpoints)
}

// enter waits until a request may be sent, or says why it may not.
func (s *Scheduler) enter(ctx context.Context, j job) (*ticket, *Error) {
	t := &ticket{job: j, s: s, ready: make(chan struct{})}
	s.mu.Lock()
	s.submit(t)
	s.mu.Unlock()
	select {
	case <-t.ready:
		if t.refusal != nil {
			return nil, t.refusal
		}
		return t, nil
	case <-ctx.Done():
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case t.refusal != nil:
		return nil, t.refusal
	case t.granted:
		s.release(t)
	default:
		s.withdraw(t)
	}
	return nil, canceled(ctx, j.op)
}

// submit takes a request in: it is refused, granted or waits. The caller of
// this and of what follows holds mu.
func (s *Scheduler) submit(t *ticket) {
	now := time.Now()
	b := s.boxes[t.key]
	t.lane = s.laneOf(t, b)
	if t.refusal = s.held(t, b, now); t.refusal != nil {
		close(t.ready)
		return
	}
	if t.stream {
		s.grant(t, now)
		return
	}
	if t.serial() {
		if b == nil {
			b = &box{}
			s.boxes[t.key] = b
		}
		if b.syncing {
			b.waiting = append(b.waiting, t)
			return
		}
		b.syncing = true
	}
	s.queue(t)
}

// serial reports whether a mailbox bears one request of this kind at a time.
func (t *ticket) serial() bool { return strings.HasPrefix(t.op, "Sync") }

// held returns why a request must not be sent now, or nil. Where an endpoint
// may be tried again, this request is the one that does.
func (s *Scheduler) held(t *ticket, b *box, now time.Time) *Error {
	if b != nil && b.until.After(now) {
		return t.heldUntil(b.until, now, "the server asked to leave this mailbox alone; nothing was sent")
	}
	if t.lane.until.After(now) {
		return t.heldUntil(t.lane.until, now, "the server asked to be left alone; nothing was sent")
	}
	r := s.endpoints[t.endpoint]
	if r == nil || r.why == nil {
		return nil
	}
	if !r.probing && !r.until.After(now) {
		r.probing, t.probe = true, true
		return nil
	}
	e := r.why.in(t.op)
	e.BackOff = max(r.until.Sub(now), time.Second)
	return e
}

func (t *ticket) heldUntil(until, now time.Time, message string) *Error {
	return &Error{Op: t.op, Code: "ErrorServerBusy", Message: message, BackOff: until.Sub(now)}
}

// laneOf returns the lane of a request.
func (s *Scheduler) laneOf(t *ticket, b *box) *lane {
	switch {
	case t.server != "":
		return s.named(t.server)
	case b != nil && b.lane != nil:
		return b.lane
	}
	return s.named(t.endpoint)
}

func (s *Scheduler) named(name string) *lane {
	l := s.lanes[name]
	if l == nil {
		if len(s.lanes) >= mostLanes {
			name = ""
			if l = s.lanes[name]; l != nil {
				return l
			}
		}
		l = newLane(name, s.opt)
		s.lanes[name] = l
	}
	return l
}

// queue has a request wait for a place at its server, which may be there.
func (s *Scheduler) queue(t *ticket) {
	t.line = &t.lane.lines[t.priority]
	t.place = t.line.PushBack(t)
	s.dispatch(t.lane)
}

// dispatch grants what there is room for.
func (s *Scheduler) dispatch(l *lane) {
	now := time.Now()
	for t := l.next(); t != nil; t = l.next() {
		t.line.Remove(t.place)
		t.line, t.place = nil, nil
		l.take(t.priority, now)
		s.grant(t, now)
	}
}

func (s *Scheduler) grant(t *ticket, now time.Time) {
	t.at, t.granted = now, true
	close(t.ready)
}

// refuse ends the wait of a request.
func (s *Scheduler) refuse(t *ticket, e *Error) {
	t.refusal = e
	s.withdraw(t)
	close(t.ready)
}

// withdraw takes a waiting request back.
func (s *Scheduler) withdraw(t *ticket) {
	if t.line == nil { // waits to synchronise
		if b := s.boxes[t.key]; b != nil {
			b.waiting = slices.DeleteFunc(b.waiting, func(w *ticket) bool { return w == t })
		}
	} else {
		t.line.Remove(t.place)
		t.line, t.place = nil, nil
		s.synced(t)
	}
	s.probed(t)
}

// release gives a request's place back.
func (s *Scheduler) release(t *ticket) {
	s.probed(t)
	if t.stream {
		return
	}
	t.lane.give(t.priority)
	s.synced(t)
	s.dispatch(t.lane)
}

func (s *Scheduler) probed(t *ticket) {
	if r := s.endpoints[t.endpoint]; t.probe && r != nil {
		r.probing = false
	}
}

// synced lets the next request synchronise the mailbox.
func (s *Scheduler) synced(t *ticket) {
	b := s.boxes[t.key]
	if !t.serial() || b == nil {
		return
	}
	for len(b.waiting) > 0 {
		next := b.waiting[0]
		b.waiting = b.waiting[1:]
		next.lane = s.laneOf(next, b)
		if e := s.held(next, b, time.Now()); e != nil {
			s.refuse(next, e)
			continue
		}
		s.queue(next)
		return
	}
	b.syncing, b.waiting = false, nil
	s.tidy(t.key, b)
}

// tidy forgets a mailbox of which there is nothing to know.
func (s *Scheduler) tidy(key boxKey, b *box) {
	if b.lane == nil && b.until.IsZero() && !b.syncing && len(b.waiting) == 0 {
		delete(s.boxes, key)
	}
}

// note keeps what a response message or the whole answer failed with.
func (t *ticket) note(e *Error) {
	if t == nil || e == nil {
		return
	}
	if f := t.failure; f == nil || e.BackOff > f.BackOff || e.BackOff == f.BackOff && overloaded(e) && !overloaded(f) {
		t.failure = e
	}
}

// met keeps what a call has failed with.
func (t *ticket) met(err error) {
	if e, is := errors.AsType[*Error](err); is {
		t.note(e)
	}
}

// heard keeps which back end has answered.
func (t *ticket) heard(h http.Header) {
	if t != nil {
		t.answered = backEnd(h)
	}
}

// job describes a request to the scheduler.
func (m *Mailbox) job(ctx context.Context, op string, items int) job {
	return job{
		op: op, key: m.budget(), endpoint: m.client.host,
		server: m.route.server(), priority: priorityOf(ctx), items: items,
	}
}

// BatchSize is how many items should be asked for in one GetItem: between 10
// and 25, more the better the mailbox's server copes, and fewer where even ten
// are too many.
func (m *Mailbox) BatchSize() int {
	s, j := m.client.scheduler, m.job(context.Background(), "", 0)
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.laneOf(&ticket{job: j}, s.boxes[j.key]).batch
}

// heldUntil returns until when no request for the mailbox is sent because the
// server asked for that; the zero time says that there is no such time.
func (m *Mailbox) heldUntil() time.Time {
	s := m.client.scheduler
	s.mu.Lock()
	defer s.mu.Unlock()
	if b := s.boxes[m.budget()]; b != nil {
		return b.until
	}
	return time.Time{}
}

// leave gives a ticket back and takes in what the request has met.
func (t *ticket) leave() {
	s, now := t.s, time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	e := t.failure
	if t.answered != "" && t.server == "" {
		s.learn(t.key, t.answered)
	}
	s.reached(t, e, now)
	if !t.stream {
		switch {
		case e == nil:
			t.lane.grow(t, now)
		case overloaded(e):
			s.halvings += t.lane.halve(t, now)
		}
	}
	if e != nil && e.BackOff > 0 {
		s.backOff(t, e, now)
	}
	s.release(t)
}

// learn keeps which back end a mailbox is on.
func (s *Scheduler) learn(key boxKey, server string) {
	b := s.boxes[key]
	if b == nil {
		b = &box{}
		s.boxes[key] = b
	}
	if b.lane == nil || b.lane.name != server {
		b.lane = s.named(server)
	}
}

// backOff leaves a mailbox, or a whole server, alone for as long as it asked.
func (s *Scheduler) backOff(t *ticket, e *Error, now time.Time) {
	s.backOffs++
	until := now.Add(e.BackOff)
	if e.Code == CodeUnavailable { // said by what stands before the mailboxes
		if until.After(t.lane.until) {
			t.lane.until = until
		}
		s.refuseAll(now, func(w *ticket) bool { return w.lane == t.lane })
		return
	}
	b := s.boxes[t.key]
	if b == nil {
		b = &box{}
		s.boxes[t.key] = b
	}
	if until.After(b.until) {
		b.until = until
	}
	s.refuseAll(now, func(w *ticket) bool { return w.key == t.key })
	s.sweep(now)
}

// refuseAll ends the wait of what must not be sent any more.
func (s *Scheduler) refuseAll(now time.Time, which func(*ticket) bool) {
	var out []*ticket
	for _, l := range s.lanes {
		for p := range l.lines {
			for el := l.lines[p].Front(); el != nil; el = el.Next() {
				if w := el.Value.(*ticket); which(w) {
					out = append(out, w)
				}
			}
		}
	}
	for _, b := range s.boxes {
		for _, w := range b.waiting {
			if which(w) {
				out = append(out, w)
			}
		}
	}
	for _, w := range out {
		if e := s.held(w, s.boxes[w.key], now); e != nil && w.refusal == nil && !w.granted {
			s.refuse(w, e)
		}
	}
}

// sweep forgets times that are over.
func (s *Scheduler) sweep(now time.Time) {
	for key, b := range s.boxes {
		if !b.until.IsZero() && !b.until.After(now) {
			b.until = time.Time{}
			s.tidy(key, b)
		}
	}
}

// reached takes in whether the endpoint could be reached.
func (s *Scheduler) reached(t *ticket, e *Error, now time.Time) {
	r := s.endpoints[t.endpoint]
	switch {
	case e != nil && unreachable(e):
		if r == nil {
			r = &reach{}
			s.endpoints[t.endpoint] = r
		}
		if r.why == nil || t.probe {
			r.until = now.Add(probePause(r.tries))
			r.tries++
		}
		r.why = e
		s.refuseAll(now, func(w *ticket) bool { return w.endpoint == t.endpoint && !w.probe })
	case r != nil && (e == nil || e.Class() != Canceled && e.Class() != Auth):
		delete(s.endpoints, t.endpoint)
	}
}

// probePause doubles from half a second to thirty seconds, with a random share
// taken off so that many programs do not come back at once.
func probePause(tries int) time.Duration {
	d := min(500*time.Millisecond<<min(tries, 6), 30*time.Second)
	return d - rand.N(d/2)
}

// unreachable reports whether a failure is one of the whole endpoint: no other
// request has a better chance right now.
func unreachable(e *Error) bool {
	switch e.Code {
	case CodeRefused, CodeDNS, CodeCertificate, CodeTLS, CodeForbidden, CodeNotFound, CodeNotEWS, CodeRedirected:
		return true
	case CodeTimeout, CodeTransport:
		return !e.Unclear
	}
	return false
}

// overloaded reports whether a failure says that the server has too much to do.
func overloaded(e *Error) bool {
	switch e.Code {
	case "ErrorServerBusy", "ErrorExceededConnectionCount", "ErrorTimeoutExpired", "ErrorInsufficientResources",
		"ErrorTooManyObjectsOpened", CodeTimeout, CodeUnavailable:
		return true
	}
	return false
}

// SchedulerStats are a scheduler's decisions, for metrics.
type SchedulerStats struct {
	Servers  []ServerStats
	Held     int   // mailboxes that are left alone now
	Halvings int64 // times that a server was given half as much to do
	BackOffs int64 // times that a server asked to be left alone
}

// ServerStats are what one back-end server, or an endpoint whose servers are
// not known, bears.
type ServerStats struct {
	Server   string // name of the back end, or address of the endpoint
	Limit    int    // requests at once
	InFlight int
	Queued   [priorities]int // by Priority
	Batch    int             // items in one request
}

// QueuedBy ranges over the priorities by name, and how many requests of each
// wait.
func (s ServerStats) QueuedBy() iter.Seq2[string, int] {
	return func(yield func(string, int) bool) {
		for p, n := range s.Queued {
			if !yield(Priority(p).String(), n) {
				return
			}
		}
	}
}

// Stats returns what the scheduler does now.
func (s *Scheduler) Stats() SchedulerStats {
	now := time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	out := SchedulerStats{Halvings: s.halvings, BackOffs: s.backOffs}
	for _, b := range s.boxes {
		if b.until.After(now) {
			out.Held++
		}
	}
	for l := range maps.Values(s.lanes) {
		st := ServerStats{Server: l.name, Limit: int(l.limit), InFlight: l.inFlight, Batch: l.batch}
		for p := range l.lines {
			st.Queued[p] = l.lines[p].Len()
		}
		out.Servers = append(out.Servers, st)
	}
	slices.SortFunc(out.Servers, func(a, b ServerStats) int { return cmp.Compare(a.Server, b.Server) })
	return out
}
