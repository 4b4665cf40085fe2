package ews_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/koyomi-cal/koyomi/ews"
	"github.com/koyomi-cal/koyomi/ews/ewstest"
)

// wires is a network in memory.
type wires struct {
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once

	mu   sync.Mutex
	down bool
	open []net.Conn
}

func (p *wires) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.done:
		return nil, io.EOF
	}
}

func (p *wires) Close() error   { p.once.Do(func() { close(p.done) }); return nil }
func (p *wires) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 80} }

func (p *wires) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	p.mu.Lock()
	down := p.down
	p.mu.Unlock()
	if down {
		return nil, &net.OpError{Op: "dial", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}
	}
	client, server := net.Pipe()
	select {
	case p.conns <- server:
		p.mu.Lock()
		p.open = append(p.open, client)
		p.mu.Unlock()
		return client, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (p *wires) setDown(down bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.down = down; down {
		for _, c := range p.open {
			c.Close()
		}
		p.open = nil
	}
}

// hall is a simulated Exchange on fake time, and a client.
type hall struct {
	t      *testing.T
	srv    *ewstest.Server
	net    *wires
	client *ews.Client
	sched  *ews.Scheduler
	stop   []func() // what else has to end
}

func inHall(t *testing.T, o ewstest.Options, test func(*hall)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(26 * 365 * 24 * time.Hour)
		h := &hall{t: t, srv: ewstest.NewServer(o), net: &wires{conns: make(chan net.Conn), done: make(chan struct{})}, sched: ews.NewScheduler(ews.SchedulerOptions{})}
		served := make(chan error, 1)
		go func() { served <- h.srv.Serve(h.net) }()
		h.client = h.newClient("svc@example.com")
		defer func() {
			for _, stop := range h.stop {
				stop()
			}
			h.client.Close()
			h.net.setDown(true)
			h.srv.Close()
			h.net.Close()
			<-served
		}()
		test(h)
	})
}

func (h *hall) newClient(user string) *ews.Client {
	c, err := ews.New(ews.Options{
		URL: "http://localhost/EWS/Exchange.asmx", DialContext: h.net.dial, Scheduler: h.sched,
		Credentials: ews.Credentials{Username: user, Password: ews.NewSecret("password")},
	})
	if err != nil {
		h.t.Fatal(err)
	}
	return c
}

func user(n int) string { return fmt.Sprintf("user%04d@example.com", n) }

func users(n int) (list []string) {
	for i := range n {
		list = append(list, user(i+1))
	}
	return list
}

// ear listens to a group.
type ear struct {
	g    *ews.Group
	stop func()

	mu    sync.Mutex
	heard []heard
	ended bool
}

type heard struct {
	ews.GroupEvent
	err error
}

func (h *hall) group(o ews.GroupOptions) *ews.Group {
	h.t.Helper()
	if o.Client == nil {
		o.Client = h.client
	}
	g, err := ews.NewGroup(o)
	if err != nil {
		h.t.Fatal(err)
	}
	return g
}

func (h *hall) listen(g *ews.Group) *ear {
	ctx, cancel := context.WithCancel(h.t.Context())
	e := &ear{g: g}
	done := make(chan struct{})
	e.stop = func() { cancel(); <-done }
	go func() {
		defer close(done)
		for ev, err := range g.Events(ctx) {
			e.mu.Lock()
			e.heard = append(e.heard, heard{ev, err})
			e.mu.Unlock()
		}
		e.mu.Lock()
		e.ended = true
		e.mu.Unlock()
	}()
	return e
}

// take returns what was heard since the last time, after some time.
func (e *ear) take(after time.Duration) []heard {
	time.Sleep(after)
	synctest.Wait()
	e.mu.Lock()
	defer e.mu.Unlock()
	out := e.heard
	e.heard = nil
	return out
}

func of(all []heard, mailbox string, kind ews.GroupEventKind) (n int) {
	for _, h := range all {
		if h.err == nil && h.Kind == kind && (mailbox == "" || h.Mailbox == mailbox) {
			n++
		}
	}
	return n
}

func (h *hall) add(mailbox string) string {
	h.t.Helper()
	it, err := h.srv.Add(mailbox, ewstest.Item{Subject: "x", Start: time.Now().Add(time.Hour), End: time.Now().Add(2 * time.Hour)})
	if err != nil {
		h.t.Fatal(err)
	}
	return it.ID
}

func changed(all []heard, mailbox, id string) bool {
	return slices.ContainsFunc(all, func(h heard) bool { return h.Mailbox == mailbox && h.Event.ItemID.ID == id })
}

// TestGroupAffinity follows Microsoft's steps: the anchor first, the others
// with its cookie and address, one stream on its behalf.
func TestGroupAffinity(t *testing.T) {
	t.Parallel()
	inHall(t, ewstest.Options{Users: 20, BackEnds: 3}, func(h *hall) {
		g := h.group(ews.GroupOptions{Mailboxes: append(users(20), strings.ToUpper(user(3)))})
		e := h.listen(g)
		defer e.stop()
		all := e.take(10 * time.Second)
		calls := h.srv.Calls()
		if len(calls) != 21 || calls[20].Op != "GetStreamingEvents" || len(calls[20].Subs) != 20 || calls[20].Mailbox != user(1) {
			t.Fatalf("%d calls, the last of them %s for %s", len(calls), calls[len(calls)-1].Op, calls[len(calls)-1].Mailbox)
		}
		home := h.srv.BackEndName(h.srv.BackEndOf(user(1)))
		for i, c := range calls {
			if !strings.EqualFold(c.Anchor, user(1)) || c.Header.Get("X-PreferServerAffinity") != "true" || i > 0 && !strings.HasPrefix(c.Affinity, home+"~") {
				t.Errorf("call %d: %s for %s anchored at %s by %q", i, c.Op, c.Mailbox, c.Anchor, c.Affinity)
			}
			if c.Header.Get("X-BackEndOverrideCookie") != "" {
				t.Error("the cookie is sent as a header")
			}
		}
		for _, id := range calls[20].Subs {
			if got := ews.SubscriptionServer(id); got != home {
				t.Errorf("a subscription on %s", got)
			}
		}
		for _, m := range users(20) {
			if of(all, m, ews.GroupSync) != 1 {
				t.Errorf("%s is synchronised %d times", m, of(all, m, ews.GroupSync))
			}
		}
		id := h.add(user(7))
		if all := e.take(time.Second); !changed(all, user(7), id) || of(all, user(8), ews.GroupChange) > 0 {
			t.Errorf("heard %v", all)
		}
	})
}

// TestGroupReopens: a stream that ends in order is opened again with the same
// ids, at once; nothing is missed and nobody has to synchronise.
func TestGroupReopens(t *testing.T) {
	t.Parallel()
	inHall(t, ewstest.Options{Users: 5}, func(h *hall) {
		e := h.listen(h.group(ews.GroupOptions{Mailboxes: users(5), StreamTime: 4 * time.Minute}))
		defer e.stop()
		e.take(10 * time.Second)
		h.srv.ForgetCalls()
		lengths := map[time.Duration]bool{}
		var all []heard
		for range 60 {
			h.add(user(2))
			all = append(all, e.take(time.Minute)...)
		}
		calls := h.srv.Calls()
		for i, c := range calls {
			if c.Op != "GetStreamingEvents" || len(c.Subs) != 5 {
				t.Fatalf("%s with %d ids", c.Op, len(c.Subs))
			}
			if i > 0 {
				lengths[c.At.Sub(calls[i-1].At).Round(time.Minute)] = true
				if late := c.At.Sub(calls[i-1].At) % time.Minute; late > 100*time.Millisecond {
					t.Errorf("opened again after %v", late)
				}
			}
		}
		if len(calls) < 14 || len(calls) > 31 || len(lengths) < 2 {
			t.Errorf("%d streams in an hour, %d lengths", len(calls), len(lengths))
		}
		if n := of(all, user(2), ews.GroupChange); n != 60 || of(all, "", ews.GroupSync) != 0 {
			t.Errorf("%d of 60 changes, %d times to synchronise", n, of(all, "", ews.GroupSync))
		}
	})
}

// TestGroupSuccessor: a group's state opens its stream again with one request.
func TestGroupSuccessor(t *testing.T) {
	t.Parallel()
	inHall(t, ewstest.Options{Users: 50, BackEnds: 2}, func(h *hall) {
		g := h.group(ews.GroupOptions{Mailboxes: users(50)})
		e := h.listen(g)
		e.take(10 * time.Second)
		text, err := json.Marshal(g.State(func(m string) string { return "state of " + m }))
		if err != nil {
			t.Fatal(err)
		}
		e.stop()
		synctest.Wait() // an event that the server writes into a connection that ends is lost, see TestGroupHandOver
		if n := h.srv.Streams(); n != 0 {
			t.Fatalf("%d streams after the end", n)
		}
		id := h.add(user(9)) // while nobody listens
		h.srv.ForgetCalls()
		var state ews.GroupState
		if err := json.Unmarshal(text, &state); err != nil {
			t.Fatal(err)
		}
		if state.Anchor != user(1) || state.Cookie == "" || state.Mailboxes[8].SyncState != "state of "+user(9) {
			t.Errorf("state %+v", state)
		}
		next := h.listen(h.group(ews.GroupOptions{Client: h.newClient("svc@example.com"), State: &state}))
		defer next.stop()
		all := next.take(10 * time.Second)
		calls := h.srv.Calls()
		if len(calls) != 1 || calls[0].Op != "GetStreamingEvents" || calls[0].Affinity != state.Cookie || len(calls[0].Subs) != 50 {
			t.Fatalf("%d calls", len(calls))
		}
		if !changed(all, user(9), id) || of(all, "", ews.GroupSync) != 50 {
			t.Errorf("a change is missed, or %d are to be synchronised", of(all, "", ews.GroupSync))
		}
	})
}

// TestGroupHandOver: whatever happens while a stream passes from one group to the
// next, be it written into the connection that ends, is told of as an event, or
// found by who synchronises when told to.
func TestGroupHandOver(t *testing.T) {
	t.Parallel()
	inHall(t, ewstest.Options{Users: 3, BackEnds: 2, Latency: 3 * time.Millisecond}, func(h *hall) {
		known := map[string]bool{}
		states := map[string]string{}
		listen := func(ctx context.Context, client *ews.Client, g *ews.Group) {
			for ev, err := range g.Events(ctx) {
				switch {
				case err != nil:
					t.Errorf("%v", err)
				case ev.Kind == ews.GroupChange:
					known[ev.Event.ItemID.ID] = true
				default:
					for last := false; !last; {
						page, err := client.As(ev.Mailbox).SyncFolderItems(h.t.Context(), ews.SyncFolderItemsRequest{State: states[ev.Mailbox]})
						if err != nil {
							t.Errorf("%v", err)
							return
						}
						for _, ch := range page.Changes {
							known[ch.Item.ItemID.ID] = true
						}
						states[ev.Mailbox], last = page.State, page.Last
					}
				}
			}
		}
		var added []string
		var state *ews.GroupState
		for turn := range 20 {
			client := h.newClient("svc@example.com")
			g := h.group(ews.GroupOptions{Client: client, Mailboxes: users(3), State: state})
			ctx, cancel := context.WithCancel(h.t.Context())
			done := make(chan struct{})
			go func() { defer close(done); listen(ctx, client, g) }()
			for i := range 200 + turn {
				time.Sleep(time.Millisecond)
				added = append(added, h.add(user(i%3+1)))
			}
			s := g.State(nil)
			cancel()
			added = append(added, h.add(user(1))) // before the server can know
			<-done
			state = &s
			client.Close()
		}
		client := h.newClient("svc@example.com")
		defer client.Close()
		g := h.group(ews.GroupOptions{Client: client, State: state})
		ctx, cancel := context.WithCancel(h.t.Context())
		done := make(chan struct{})
		go func() { defer close(done); listen(ctx, client, g) }()
		time.Sleep(time.Minute)
		cancel()
		<-done
		missed := 0
		for _, id := range added {
			if !known[id] {
				missed++
			}
		}
		if missed > 0 || len(h.srv.CallsTo("Subscribe", "")) != 3 {
			t.Errorf("%d of %d changes missed, %d subscriptions", missed, len(added), len(h.srv.CallsTo("Subscribe", "")))
		}
	})
}

// TestGroupFence: whose stream is taken over by another one ends, and does not
// fight for it.
func TestGroupFence(t *testing.T) {
	t.Parallel()
	inHall(t, ewstest.Options{Users: 3}, func(h *hall) {
		g := h.group(ews.GroupOptions{Mailboxes: users(3)})
		e := h.listen(g)
		defer e.stop()
		e.take(10 * time.Second)
		state := g.State(nil)
		next := h.listen(h.group(ews.GroupOptions{State: &state}))
		defer next.stop()
		next.take(time.Second)
		h.srv.ForgetCalls()
		all := e.take(10 * time.Minute)
		last := all[len(all)-1]
		f, is := errors.AsType[*ews.Error](last.err)
		if !e.ended || !is || f.Code != "ErrorNewEventStreamConnectionOpened" {
			t.Fatalf("ended %v with %v", e.ended, last.err)
		}
		if n := len(h.srv.Calls()); n != 0 || h.srv.Streams() != 1 {
			t.Errorf("%d calls after the fence, %d streams", n, h.srv.Streams())
		}
		id := h.add(user(2))
		if all := next.take(time.Second); !changed(all, user(2), id) {
			t.Error("the other one is not undisturbed")
		}
	})
}

// TestGroupBadIDs: subscriptions that the server has lost are made anew; the
// good ones stay, and only the others have to be synchronised.
func TestGroupBadIDs(t *testing.T) {
	t.Parallel()
	inHall(t, ewstest.Options{Users: 10, BackEnds: 2}, func(h *hall) {
		g := h.group(ews.GroupOptions{Mailboxes: users(10)})
		e := h.listen(g)
		defer e.stop()
		e.take(10 * time.Second)
		state := g.State(nil)
		for _, n := range []int{3, 7} {
			if err := h.client.As(user(n)).Unsubscribe(h.t.Context(), state.Mailboxes[n-1].Subscription); err != nil {
				t.Fatal(err)
			}
			h.srv.MoveMailbox(user(n), 1-h.srv.BackEndOf(user(n)))
		}
		h.srv.ForgetCalls()
		h.srv.CutStreams()
		all := e.take(20 * time.Second)
		for _, m := range users(10) {
			if of(all, m, ews.GroupSync) != 1 {
				t.Errorf("after a broken stream %s is synchronised %d times", m, of(all, m, ews.GroupSync))
			}
		}
		if n := len(h.srv.CallsTo("Subscribe", "")); n != 2 {
			t.Errorf("%d subscriptions anew", n)
		}
		h.srv.MoveMailbox(user(5), 1-h.srv.BackEndOf(user(5))) // ends its stream in order
		id := h.add(user(6))
		all = e.take(20 * time.Second)
		if of(all, "", ews.GroupSync) != 1 || of(all, user(5), ews.GroupSync) != 1 || !changed(all, user(6), id) {
			t.Errorf("one lost subscription: %d to synchronise", of(all, "", ews.GroupSync))
		}
		id = h.add(user(5))
		if !changed(e.take(time.Second), user(5), id) {
			t.Error("the moved mailbox is not followed")
		}
		e.take(time.Hour)
		if n := h.srv.Streams(); n != 1 {
			t.Errorf("%d streams an hour later", n)
		}
	})
}

// TestGroupBackEndKilled: the group comes back on another server, and nothing
// is missed.
func TestGroupBackEndKilled(t *testing.T) {
	t.Parallel()
	inHall(t, ewstest.Options{Users: 30, BackEnds: 2}, func(h *hall) {
		g := h.group(ews.GroupOptions{Mailboxes: users(30)})
		e := h.listen(g)
		defer e.stop()
		e.take(10 * time.Second)
		dead := h.srv.BackEndOf(user(1))
		h.srv.StopBackEnd(dead)
		time.Sleep(10 * time.Second)
		h.srv.FailOver(dead, 1-dead)
		all := e.take(20 * time.Second)
		for _, m := range users(30) {
			if of(all, m, ews.GroupSync) == 0 {
				t.Errorf("%s is not to be synchronised", m)
			}
		}
		if h.srv.StreamsOn(1-dead) == 0 || h.srv.StreamsOn(dead) != 0 {
			t.Fatal("the stream is not back")
		}
		for _, m := range users(30) {
			if id := h.add(m); !changed(e.take(time.Second), m, id) {
				t.Errorf("%s is not followed", m)
			}
		}
	})
}

// TestGroupAddRemove changes a group that is listened to.
func TestGroupAddRemove(t *testing.T) {
	t.Parallel()
	inHall(t, ewstest.Options{Users: 4}, func(h *hall) {
		g := h.group(ews.GroupOptions{Mailboxes: users(2)})
		e := h.listen(g)
		defer e.stop()
		e.take(10 * time.Second)
		if err := g.Add(user(3)); err != nil {
			t.Fatal(err)
		}
		all := e.take(10 * time.Second)
		id := h.add(user(3))
		other := h.add(user(1))
		all = append(all, e.take(time.Second)...)
		if of(all, "", ews.GroupSync) != 1 || !changed(all, user(3), id) || !changed(all, user(1), other) {
			t.Errorf("added: %v", all)
		}
		e.take(time.Hour)
		if n := h.srv.Streams(); n != 1 {
			t.Errorf("%d streams after an hour", n)
		}
		g.Remove(user(1))
		h.add(user(1))
		id = h.add(user(3))
		if all := e.take(time.Second); of(all, user(1), ews.GroupChange) != 0 || !changed(all, user(3), id) {
			t.Errorf("removed: %v", all)
		}
		if e.take(time.Hour); h.srv.Subscriptions(user(1)) != 0 {
			t.Error("the subscription lives on")
		}
	})
}

// TestGroupSlowListener: events that do not fit become a synchronisation.
func TestGroupSlowListener(t *testing.T) {
	t.Parallel()
	inHall(t, ewstest.Options{Users: 2}, func(h *hall) {
		ctx, cancel := context.WithCancel(h.t.Context())
		defer cancel()
		syncs, changes := 0, 0
		for ev, err := range h.group(ews.GroupOptions{Mailboxes: users(2)}).Events(ctx) {
			if err != nil {
				t.Fatal(err)
			}
			switch ev.Kind {
			case ews.GroupSync:
				syncs++
			case ews.GroupChange:
				if changes++; changes == 1 {
					for range 3 {
						for range 1000 {
							h.add(user(2))
						}
						time.Sleep(time.Second)
					}
				}
			}
			if syncs == 2 && changes == 0 {
				for range 2 {
					time.Sleep(2 * time.Second)
					for range 1000 {
						h.add(user(1))
					}
				}
			}
			if syncs == 3 {
				break
			}
		}
		if changes > 4200 || changes < 100 {
			t.Errorf("%d changes", changes)
		}
	})
}
