package ews_test

import (
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/koyomi-cal/koyomi/ews"
	"github.com/koyomi-cal/koyomi/ews/ewstest"
)

// detour is a front end of its own before the simulator. Once it is told of a
// mailbox it sends everything that comes without that mailbox's server in the
// cookie to that server, and the simulator answers with a new cookie.
type detour struct {
	client  *ews.Client
	instead atomic.Pointer[string]
}

func (h *hall) detour() *detour {
	f := &detour{}
	inner := h.srv.Handler()
	s := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if to := f.instead.Load(); to != nil {
			home := h.srv.BackEndName(h.srv.BackEndOf(*to))
			if c, err := r.Cookie("X-BackEndOverrideCookie"); err != nil || !strings.HasPrefix(c.Value, home) {
				r.Header.Del("Cookie")
				r.Header.Set("X-AnchorMailbox", *to)
			}
		}
		inner.ServeHTTP(w, r)
	})}
	net := &wires{conns: make(chan net.Conn), done: make(chan struct{})}
	var served sync.WaitGroup
	served.Go(func() { _ = s.Serve(net) })
	var err error
	f.client, err = ews.New(ews.Options{
		URL: "http://localhost/EWS/Exchange.asmx", DialContext: net.dial, Scheduler: h.sched,
		Credentials: ews.Credentials{Username: "svc@example.com", Password: ews.NewSecret("password")},
	})
	if err != nil {
		h.t.Fatal(err)
	}
	h.stop = append(h.stop, func() { f.client.Close(); net.setDown(true); s.Close(); served.Wait() })
	return f
}

// TestGroupNewServerInCookie: an answer's cookie names another server than
// before, as after a fail-over of what stands in front. The group moves there
// as a whole, and nothing is missed.
func TestGroupNewServerInCookie(t *testing.T) {
	t.Parallel()
	inHall(t, ewstest.Options{Users: 12, BackEnds: 2}, func(h *hall) {
		way := h.detour()
		g := h.group(ews.GroupOptions{Client: way.client, Mailboxes: users(10)})
		e := h.listen(g)
		defer e.stop()
		e.take(10 * time.Second)
		old := h.srv.BackEndOf(user(1))
		if h.srv.StreamsOn(old) != 1 {
			t.Fatal("the stream is not where the anchor lives")
		}
		elsewhere := user(2)
		way.instead.Store(&elsewhere)
		if err := g.Add(user(11)); err != nil {
			t.Fatal(err)
		}
		early := h.add(user(5)) // while it moves
		all := e.take(20 * time.Second)
		for _, m := range users(11) {
			if of(all, m, ews.GroupSync) == 0 {
				t.Errorf("%s is not to be synchronised", m)
			}
		}
		if !changed(all, user(5), early) && of(all, user(5), ews.GroupSync) == 0 {
			t.Error("a change was missed")
		}
		if n := h.srv.StreamsOn(1 - old); n != 1 || h.srv.StreamsOn(old) != 0 {
			t.Errorf("%d streams on the new server, %d on the old one", n, h.srv.StreamsOn(old))
		}
		for _, ms := range g.State(nil).Mailboxes {
			if got := ews.SubscriptionServer(ms.Subscription); got != h.srv.BackEndName(1-old) {
				t.Errorf("%s is subscribed on %q", ms.Address, got)
			}
		}
		for _, m := range users(11) {
			if id := h.add(m); !changed(e.take(time.Second), m, id) {
				t.Errorf("%s is not followed", m)
			}
		}
	})
}

// TestGroupOfManyServers: the mailboxes of a site live on several servers, and
// one of them, not the group's, dies. The others are not disturbed, and those
// that come back one by one do not have each other synchronised over and over.
func TestGroupOfManyServers(t *testing.T) {
	t.Parallel()
	inHall(t, ewstest.Options{Users: 200, BackEnds: 4}, func(h *hall) {
		e := h.listen(h.group(ews.GroupOptions{Mailboxes: users(200)}))
		defer e.stop()
		e.take(10 * time.Second)
		opened, subscribed := h.srv.Count("GetStreamingEvents"), h.srv.Count("Subscribe")
		dead := (h.srv.BackEndOf(user(1)) + 1) % 4
		lost := map[string]bool{}
		for _, m := range users(200) {
			lost[m] = h.srv.BackEndOf(m) == dead
		}
		h.srv.StopBackEnd(dead)
		time.Sleep(2 * time.Second)
		h.srv.FailOver(dead, (dead+2)%4)
		all := e.take(28 * time.Second)
		for _, m := range users(200) {
			n := of(all, m, ews.GroupSync)
			if n > 3 || lost[m] && n == 0 || !lost[m] && n > 1 {
				t.Errorf("%s is synchronised %d times, lost %v", m, n, lost[m])
			}
			if id := h.add(m); !changed(e.take(time.Second), m, id) {
				t.Errorf("%s is not followed", m)
			}
		}
		if n := h.srv.Count("Subscribe") - subscribed; n > 50*6 {
			t.Errorf("%d subscriptions tried for 50 mailboxes", n)
		}
		if n := h.srv.Count("GetStreamingEvents") - opened; n > 12 {
			t.Errorf("%d streams opened", n)
		}
	})
}

// TestGroupGrommunio: a server that names the folder of a change and not the
// item, and that cannot carry two mailboxes in one stream. After two changes
// the mailboxes are watched as a whole; each has a stream of its own.
func TestGroupGrommunio(t *testing.T) {
	t.Parallel()
	inHall(t, ewstest.Options{Users: 3, Dialect: ewstest.Gromox}, func(h *hall) {
		g := h.group(ews.GroupOptions{Mailboxes: users(3)})
		e := h.listen(g)
		defer e.stop()
		all := e.take(30 * time.Second)
		for _, m := range users(3) {
			if of(all, m, ews.GroupSync) == 0 {
				t.Errorf("%s is not to be synchronised", m)
			}
		}
		if n := h.srv.Streams(); n != 3 {
			t.Fatalf("%d streams for three mailboxes", n)
		}
		id := h.add(user(1))
		if !changed(e.take(10*time.Second), user(1), id) {
			t.Error("a new item is not told of")
		}
		for n := range 2 { // they come as changes of the folder
			h.edit(user(1), id)
			if all := e.take(30 * time.Second); of(all, user(1), ews.GroupSync) == 0 {
				t.Errorf("change %d: %v", n+1, all)
			}
		}
		// Every mailbox learns from what the first one met.
		e.take(time.Hour)
		for _, m := range users(3) {
			id := h.add(m)
			e.take(10 * time.Second)
			h.edit(m, id)
			all := e.take(10 * time.Second)
			if !changed(all, m, id) {
				t.Errorf("%s: a change is not told by its item: %v", m, all)
			}
			for _, ev := range all {
				if ev.Kind == ews.GroupChange && !ev.AllFolders {
					t.Errorf("%s is not watched as a whole", m)
				}
			}
		}
		if n := h.srv.Streams(); n != 3 {
			t.Errorf("%d streams in the end", n)
		}
	})
}

func (h *hall) edit(mailbox, id string) {
	h.t.Helper()
	if err := h.srv.Edit(mailbox, id, func(it *ewstest.Item) { it.Location += "x" }); err != nil {
		h.t.Fatal(err)
	}
}
