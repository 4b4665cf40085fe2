package ews

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// denier answers 401 while it is on, and counts what it sees.
type denier struct {
	on       atomic.Bool
	once     atomic.Bool // off again after the first
	tries    atomic.Int32
	refused  atomic.Int32
	arrived  chan struct{} // not nil: gets a value for each request
	release  chan struct{} // not nil: requests wait for it
	header   string
	body     string
	password atomic.Pointer[string] // not nil: only this one is accepted
}

func (d *denier) answer(w http.ResponseWriter, r recorded) {
	d.tries.Add(1)
	if d.arrived != nil {
		d.arrived <- struct{}{}
		<-d.release
	}
	_, given, _ := r.BasicAuth()
	wrong := d.password.Load() != nil && *d.password.Load() != given
	if d.on.Load() || wrong {
		if d.once.Load() {
			d.on.Store(false)
		}
		d.refused.Add(1)
		if d.header != "" {
			w.Header().Set("WWW-Authenticate", d.header)
		}
		w.WriteHeader(http.StatusUnauthorized)
		w.Write([]byte(d.body))
		return
	}
	alive(w, r)
}

// TestWrongPassword tries a password that never worked: once, whoever asks.
func TestWrongPassword(t *testing.T) {
	t.Parallel()
	d := &denier{header: `Basic realm="mail"`}
	d.password.Store(ptr("right"))
	g := newRig(t, nil, d.answer)
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			_, err := g.As("user@example.com").Probe(t.Context())
			var e *Error
			if !errors.As(err, &e) || e.Code != CodeAuthFailed || e.Class() != Auth || e.Op != "ConvertId" {
				t.Errorf("got %v", err)
			}
		})
	}
	wg.Wait()
	if n := d.tries.Load(); n != 1 {
		t.Errorf("the wrong password was sent %d times", n)
	}
	if until := g.HeldUntil(); time.Until(until) < 29*time.Minute {
		t.Errorf("held until %v", until)
	}
	g.TryNow()
	wantError(t, probe(t, g.Client), CodeAuthFailed)
	if n := d.tries.Load(); n != 2 {
		t.Errorf("after TryNow: sent %d times", n)
	}
	g.SetCredentials(Credentials{Username: "u", Password: NewSecret("right")})
	if err := probe(t, g.Client); err != nil {
		t.Errorf("the right password: %v", err)
	}
	if !g.HeldUntil().IsZero() {
		t.Error("still held")
	}
}

// TestPassing401 lets a password that has worked be refused once: it is
// confirmed on a fresh connection, and nobody notices.
func TestPassing401(t *testing.T) {
	t.Parallel()
	d := &denier{}
	g := newRig(t, nil, d.answer)
	if err := probe(t, g.Client); err != nil {
		t.Fatal(err)
	}
	d.once.Store(true)
	d.on.Store(true)
	if err := probe(t, g.Client); err != nil {
		t.Fatal(err)
	}
	if d.refused.Load() != 1 || d.tries.Load() != 3 {
		t.Errorf("%d refused of %d", d.refused.Load(), d.tries.Load())
	}
	seen := g.requests()
	if seen[1].RemoteAddr == seen[2].RemoteAddr {
		t.Error("the confirmation was not sent on a fresh connection")
	}
}

// TestLasting401 refuses a password that has worked while ten requests are
// under way: one confirmation, then nothing more.
func TestLasting401(t *testing.T) {
	t.Parallel()
	const n = 10
	d := &denier{}
	g := newRig(t, func(o *Options) { o.Scheduler = NewScheduler(SchedulerOptions{Start: n, Most: n}) }, d.answer)
	if err := probe(t, g.Client); err != nil {
		t.Fatal(err)
	}
	d.arrived, d.release = make(chan struct{}), make(chan struct{})
	d.on.Store(true)
	var wg sync.WaitGroup
	for range n {
		wg.Go(func() {
			_, err := g.As("user@example.com").Probe(t.Context())
			var e *Error
			if !errors.As(err, &e) || e.Code != CodeAuthFailed {
				t.Errorf("got %v", err)
			}
		})
	}
	for range n {
		<-d.arrived
	}
	close(d.release)
	<-d.arrived // the confirmation
	wg.Wait()
	wantError(t, probe(t, g.Client), CodeAuthFailed)
	if got := d.refused.Load(); got != n+1 {
		t.Errorf("the password was refused %d times, want %d", got, n+1)
	}
}

// TestLockedAccount stops at once, whatever worked before.
func TestLockedAccount(t *testing.T) {
	t.Parallel()
	for name, status := range map[string]int{"text": 401, "status": 456} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var locked atomic.Bool
			var n atomic.Int32
			g := newRig(t, nil, func(w http.ResponseWriter, r recorded) {
				n.Add(1)
				if !locked.Load() {
					alive(w, r)
					return
				}
				w.WriteHeader(status)
				fmt.Fprint(w, "The referenced account is currently locked out and may not be logged on to.")
			})
			if err := probe(t, g.Client); err != nil {
				t.Fatal(err)
			}
			locked.Store(true)
			for range 3 {
				wantError(t, probe(t, g.Client), CodeAccountLocked)
			}
			if n.Load() != 2 {
				t.Errorf("%d requests", n.Load())
			}
		})
	}
}

func TestNoBasic(t *testing.T) {
	t.Parallel()
	d := &denier{header: "Negotiate, NTLM"}
	d.on.Store(true)
	g := newRig(t, nil, d.answer)
	if e := wantError(t, probe(t, g.Client), CodeAuthFailed); !strings.Contains(e.Message, "Basic") {
		t.Errorf("got %v", e)
	}
}

// TestDownServer lets the first request of many fail: the others, which wait
// for what becomes of the password, fail with it and do not try in turn.
func TestDownServer(t *testing.T) {
	t.Parallel()
	d := &denier{arrived: make(chan struct{}), release: make(chan struct{})}
	g := newRig(t, nil, func(w http.ResponseWriter, r recorded) {
		d.arrived <- struct{}{}
		<-d.release
		http.Error(w, "down", http.StatusBadGateway)
	})
	var wg sync.WaitGroup
	for range 5 {
		wg.Go(func() {
			_, err := g.As("user@example.com").Probe(t.Context())
			var e *Error
			if !errors.As(err, &e) || e.Code != CodeUnavailable {
				t.Errorf("got %v", err)
			}
		})
	}
	<-d.arrived
	go func() { // requests that start only after the first has failed try by themselves
		for range d.arrived {
		}
	}()
	close(d.release)
	wg.Wait()
	close(d.arrived)
	if !g.HeldUntil().IsZero() {
		t.Error("a server that is down must not count as a refusal")
	}
}

// TestHoldEnds goes through a hold in fake time.
func TestHoldEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := newGate(Credentials{Username: "u"}, time.Hour, false)
		refusal := &Error{Code: CodeAuthFailed, Message: "no"}
		tries := 0
		for range 2 * 60 { // two hours, a try a minute
			if p, held := g.enter(t.Context(), "GetItem", "h"); held == nil {
				tries++
				g.leave(p, refused, refusal)
			} else if held.Code != CodeAuthFailed || held.Op != "GetItem" {
				t.Fatalf("got %v", held)
			}
			time.Sleep(time.Minute)
		}
		if tries != 2 {
			t.Errorf("%d tries in two hours, want 2", tries)
		}
	})
}

// TestStaleAnswer checks that an answer to old credentials says nothing of the
// new ones.
func TestStaleAnswer(t *testing.T) {
	t.Parallel()
	g := newGate(Credentials{Username: "old"}, time.Hour, false)
	p, _ := g.enter(t.Context(), "GetItem", "h")
	g.set(Credentials{Username: "new"})
	g.leave(p, refused, &Error{Code: CodeAuthFailed})
	p, held := g.enter(t.Context(), "GetItem", "h")
	if held != nil || p.Username != "new" {
		t.Errorf("got %q, %v", p.Username, held)
	}
	g.leave(p, accepted, nil)
	again, held := g.confirm(t.Context(), "GetItem", "h", pass{version: 0})
	if held != nil || again.turn != nil || again.Username != "new" {
		t.Errorf("a 401 for the old credentials doubts the new: %v %v", again.turn, held)
	}
}

func TestSecret(t *testing.T) {
	t.Parallel()
	const password = "hunter2"
	creds := Credentials{Username: "u", Password: NewSecret(password)}
	type hidden struct{ creds Credentials }
	c, err := New(Options{URL: "https://mail.example.com/EWS/Exchange.asmx", Credentials: creds})
	if err != nil {
		t.Fatal(err)
	}
	data, err := json.Marshal(creds)
	if err != nil {
		t.Fatal(err)
	}
	printed := []string{string(data), creds.Password.String(), creds.Password.LogValue().String(), slog.AnyValue(creds).String()}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		printed = append(printed, fmt.Sprintf(verb, creds), fmt.Sprintf(verb, creds.Password), fmt.Sprintf(verb, hidden{creds}),
			fmt.Sprintf(verb, c), fmt.Sprintf(verb, c.account), fmt.Sprintf(verb, c.account.gate), fmt.Sprintf(verb, c.As("user@example.com")), fmt.Sprintf(verb, Options{Credentials: creds}))
	}
	for _, s := range printed {
		for _, private := range []string{password, fmt.Sprintf("%x", password), "user@example.com"} {
			if strings.Contains(s, private) {
				t.Errorf("printed: %s", s)
			}
		}
	}
	if creds.Password.Reveal() != password || (Secret{}).Reveal() != "" {
		t.Error("Reveal")
	}
}
