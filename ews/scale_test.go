package ews_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/koyomi-cal/koyomi/ews"
	"github.com/koyomi-cal/koyomi/ews/ewstest"
)

// scale is how large a run is. The small one is part of every test; the large
// one is started by hand:
//
//	KOYOMI_SCALE=50000 KOYOMI_SCALE_SECONDS=600 go test ./ews -run TestScale -v -timeout 30m
//
// Every server is a site of its own, as in an organisation with many places.
// With KOYOMI_SCALE_ONE_SITE=1 all of them are in one: then each group has
// mailboxes on every server, and the death of one touches all.
type scale struct {
	mailboxes, seconds, rate, backEnds int
}

func scaleOf() (s scale, large bool) {
	s = scale{mailboxes: 1000, seconds: 3, rate: 200, backEnds: 4}
	number := func(name string, v *int) {
		if n, err := strconv.Atoi(os.Getenv(name)); err == nil && n > 0 {
			*v, large = n, true
		}
	}
	number("KOYOMI_SCALE", &s.mailboxes)
	number("KOYOMI_SCALE_SECONDS", &s.seconds)
	return s, large
}

// state is what the server says of itself.
type state struct {
	Streams, Subscriptions int
	Refusals               ewstest.Refusals
	Calls                  map[string]int
}

// TestScaleServer is the other process of TestScale: a simulator that does what
// it is told on its standard input.
func TestScaleServer(t *testing.T) {
	n, err := strconv.Atoi(os.Getenv("KOYOMI_SCALE_SERVER"))
	if err != nil {
		return // only TestScale starts it
	}
	s := ewstest.Start(ewstest.Options{Users: n, BackEnds: 4})
	defer s.Close()
	for i := range n {
		var d ewstest.Discovery // one site
		if os.Getenv("KOYOMI_SCALE_ONE_SITE") == "" {
			d.Grouping = s.BackEndName(s.BackEndOf(user(i + 1)))
		}
		s.SetDiscovery(user(i+1), d)
	}
	fmt.Println("url", s.URL)
	in := bufio.NewScanner(os.Stdin)
	for in.Scan() {
		word, rest, _ := strings.Cut(in.Text(), " ")
		arg, _ := strconv.Atoi(rest)
		switch word {
		case "add":
			for range arg {
				mailbox := user(rand.IntN(n) + 1)
				it, err := s.Add(mailbox, ewstest.Item{Subject: "x", Start: time.Now(), End: time.Now().Add(time.Hour)})
				if err != nil {
					t.Fatal(err)
				}
				fmt.Println("added", it.ID)
			}
		case "stop":
			lost := s.StreamsOn(arg)
			s.StopBackEnd(arg)
			fmt.Println("done", lost)
		case "failover":
			s.FailOver(arg, (arg+1)%4)
			fmt.Println("done")
		case "state":
			st := state{Streams: s.Streams(), Subscriptions: s.Subscriptions(""), Refusals: s.Refusals(""), Calls: map[string]int{}}
			for _, op := range []string{"Subscribe", "Unsubscribe", "GetStreamingEvents", "SyncFolderItems"} {
				st.Calls[op] = s.Count(op)
			}
			text, _ := json.Marshal(st)
			fmt.Println("state", string(text))
		}
	}
}

// plant is the server in the other process.
type plant struct {
	t    *testing.T
	in   io.WriteCloser
	cmd  *exec.Cmd
	url  chan string
	said chan string // answers
	lock sync.Mutex
	ids  []string // items that were added
}

func startPlant(t *testing.T, n int) *plant {
	t.Helper()
	p := &plant{t: t, cmd: exec.Command(os.Args[0], "-test.run=^TestScaleServer$", "-test.timeout=0"), url: make(chan string, 1), said: make(chan string, 1)}
	p.cmd.Env = append(os.Environ(), "KOYOMI_SCALE_SERVER="+strconv.Itoa(n))
	p.cmd.Stderr = io.Discard // TLS and HTTP noise
	out, err := p.cmd.StdoutPipe()
	if err == nil {
		p.in, err = p.cmd.StdinPipe()
	}
	if err == nil {
		err = p.cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			word, rest, _ := strings.Cut(lines.Text(), " ")
			switch word {
			case "url":
				p.url <- rest
			case "added":
				p.lock.Lock()
				p.ids = append(p.ids, rest)
				p.lock.Unlock()
			case "done", "state":
				p.said <- rest
			}
		}
	}()
	t.Cleanup(func() {
		p.in.Close()
		<-done
		if err := p.cmd.Wait(); err != nil {
			t.Error(err)
		}
	})
	return p
}

func (p *plant) tell(format string, args ...any) {
	fmt.Fprintf(p.in, format+"\n", args...)
}

func (p *plant) ask(format string, args ...any) string {
	p.tell(format, args...)
	return <-p.said
}

func (p *plant) state() (s state) {
	if err := json.Unmarshal([]byte(p.ask("state")), &s); err != nil {
		p.t.Fatal(err)
	}
	return s
}

// added returns what was added so far.
func (p *plant) added() []string {
	p.lock.Lock()
	defer p.lock.Unlock()
	return slices.Clone(p.ids)
}

// until waits for a state and returns how long it took.
func (p *plant) until(limit time.Duration, ok func(state) bool) time.Duration {
	p.t.Helper()
	began := time.Now()
	for {
		s := p.state()
		switch {
		case ok(s):
			return time.Since(began)
		case time.Since(began) > limit:
			p.t.Fatalf("after %v: %+v", limit, s)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// watchers follows all mailboxes in groups, and notes what it is told of.
type watchers struct {
	client *ews.Client
	quiet  atomic.Bool // nothing is asked for: there is nothing to know yet

	mu     sync.Mutex
	seen   map[string]bool
	syncs  int
	wanted chan string
	failed int
}

func (w *watchers) follow(ctx context.Context, g *ews.Group) {
	for ev, err := range g.Events(ctx) {
		switch {
		case err != nil:
			w.mu.Lock()
			w.failed++
			w.mu.Unlock()
		case ev.Kind == ews.GroupChange:
			w.saw(ev.Event.ItemID.ID)
		case !w.quiet.Load():
			select {
			case w.wanted <- ev.Mailbox:
			case <-ctx.Done():
			}
		}
	}
}

func (w *watchers) saw(id string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.seen[id] = true
}

// catchUp asks for what was missed.
func (w *watchers) catchUp(ctx context.Context) {
	for {
		var mailbox string
		select {
		case mailbox = <-w.wanted:
		case <-ctx.Done():
			return
		}
		for ctx.Err() == nil {
			page, err := w.client.As(mailbox).SyncFolderItems(ews.WithPriority(ctx, ews.Load), ews.SyncFolderItemsRequest{})
			if e, is := errors.AsType[*ews.Error](err); is {
				time.Sleep(max(e.BackOff, 100*time.Millisecond))
				continue
			}
			for _, c := range page.Changes {
				w.saw(c.Item.ItemID.ID)
			}
			break
		}
		w.mu.Lock()
		w.syncs++
		w.mu.Unlock()
	}
}

// missing returns how many of the items nobody was told of.
func (w *watchers) missing(ids []string) (n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, id := range ids {
		if !w.seen[id] {
			n++
		}
	}
	return n
}

// groupings finds the mailboxes by Autodiscover and deals them to groups: those
// of one endpoint and GroupingInformation may share a stream.
func groupings(ctx context.Context, t *testing.T, client *ews.Client, url string, mailboxes []string) (groups [][]string) {
	t.Helper()
	began := time.Now()
	trust, err := ews.NewTrust(nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	d, err := client.Discoverer(ews.DiscovererOptions{Trust: trust, SCP: func(context.Context, string) ([]ews.ServiceConnectionPoint, error) {
		return []ews.ServiceConnectionPoint{{URL: strings.TrimSuffix(url, ewstest.Path) + ewstest.AutodiscoverXML, Verified: true}}, nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	of := map[[2]string][]string{}
	for _, found := range d.Find(ctx, mailboxes...) {
		if found.Err != nil {
			t.Fatal(found.Err)
		}
		key := [2]string{found.EWSURL, found.GroupingInformation}
		of[key] = append(of[key], found.Address)
	}
	for list := range maps.Values(of) {
		rand.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] }) // addresses say nothing of servers
		groups = slices.AppendSeq(groups, slices.Chunk(list, ews.GroupSize))
	}
	t.Logf("found %d mailboxes in %d groupings within %v: %d groups", len(mailboxes), len(of), time.Since(began).Round(time.Millisecond), len(groups))
	return groups
}

// held returns the bytes of memory in use.
func held() int {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int(m.HeapInuse + m.StackInuse)
}

// TestScale follows many mailboxes of a server in another process: through
// heartbeats, many events and the death of a back end.
func TestScale(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	sc, large := scaleOf()
	p := startPlant(t, sc.mailboxes)
	sched := ews.NewScheduler(ews.SchedulerOptions{})
	url := <-p.url
	client, err := ews.New(ews.Options{URL: url, Scheduler: sched, Credentials: ews.Credentials{Username: "svc@example.com", Password: ews.NewSecret("password")}})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	w := &watchers{client: client, seen: map[string]bool{}, wanted: make(chan string)}
	w.quiet.Store(true)
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	defer running.Wait()
	defer cancel()

	lists := groupings(ctx, t, client, url, users(sc.mailboxes))
	before, began := held(), time.Now()
	streams := 0
	for _, list := range lists {
		g, err := ews.NewGroup(ews.GroupOptions{Client: client, Mailboxes: list})
		if err != nil {
			t.Fatal(err)
		}
		running.Go(func() { w.follow(ctx, g) })
		streams++
	}
	p.until(10*time.Minute, func(s state) bool { return s.Streams == streams && s.Subscriptions == sc.mailboxes })
	t.Logf("%d mailboxes on %d streams after %v", sc.mailboxes, streams, time.Since(began).Round(time.Millisecond))
	per := (held() - before) / sc.mailboxes
	t.Logf("%d bytes of heap and stack a mailbox", per)
	if large && per > 2048 {
		t.Error("more than 2 KiB a mailbox")
	}
	w.quiet.Store(false)
	for range 16 {
		running.Go(func() { w.catchUp(ctx) })
	}

	tick := time.NewTicker(time.Second / 10)
	defer tick.Stop()
	add := func(seconds int) {
		for range seconds * 10 {
			<-tick.C
			p.tell("add %d", sc.rate/10)
		}
	}
	add(sc.seconds)
	p.until(10*time.Second, func(state) bool { return w.missing(p.added()) == 0 })
	t.Logf("%d events in %d s, all told; %d mailboxes had to be synchronised", len(p.added()), sc.seconds, w.syncs)

	calls := p.state().Calls
	killed := time.Now()
	lost := p.ask("stop 1")
	if lost == "0" {
		t.Error("no stream is on the back end that was killed")
	}
	add(2)
	p.ask("failover 1")
	p.until(30*time.Second-time.Since(killed), func(s state) bool { return s.Subscriptions == sc.mailboxes && s.Streams >= streams })
	t.Logf("%s streams were back %v after their back end was killed, which another one took over after 2 s", lost, time.Since(killed).Round(time.Millisecond))
	add(1)
	p.until(time.Minute, func(state) bool { return w.missing(p.added()) == 0 })
	end := p.state()
	w.mu.Lock()
	t.Logf("%d events in all, none missed; %d mailboxes synchronised, %d failures told; calls before %v and after %v", len(p.added()), w.syncs, w.failed, calls, end.Calls)
	w.mu.Unlock()
	t.Logf("scheduler: %+v", sched.Stats())
	if end.Refusals != (ewstest.Refusals{}) {
		t.Errorf("the server's budget was exceeded: %+v", end.Refusals)
	}
}
