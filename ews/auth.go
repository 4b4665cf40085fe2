package ews

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/koyomi-cal/koyomi/ews/internal/ntlm"
)

// gate keeps the account from being locked: every request passes it.
//
// A password that has not yet worked is tried by one request alone, while the
// others wait for what becomes of it. Where the server refuses it, nothing
// passes any more until the hold is over or somebody acts. Where it has worked
// before, a refusal may be a passing fault of the server (Exchange says 401
// when it throttles, too): one request, again alone and on a fresh connection,
// confirms it.
type gate struct {
	hold  time.Duration
	lends bool // the password is kept
	most  int  // refusals within a hold that this package brings about of its own accord

	mu      sync.Mutex
	creds   secret
	version int         // of the credentials: what old ones met does not count
	worked  bool        // the server has accepted the password
	until   time.Time   // nothing passes before
	refusal *Error      // what every call gets until then
	turn    *turn       // not nil: one request is trying the password
	spent   []time.Time // refusals of the last hold's length
}

// secret is what signs in, in the form in which it does least harm.
type secret struct {
	Credentials
	key    ntlm.Key // of NTLM, in the place of the password
	tokens *tokens  // of OAuth
}

func newSecret(c Credentials, lends bool) secret {
	s := secret{Credentials: c}
	switch c.Scheme {
	case NTLM:
		user, domain := ntlm.SplitName(c.Username)
		s.key = ntlm.NewKey(user, domain, c.Password.Reveal())
		if !lends {
			s.Password = Secret{}
		}
	case OAuth:
		s.tokens = &tokens{}
	}
	return s
}

// turn is the try of one request for which the others wait.
type turn struct {
	done chan struct{}
	host string // that is asked
	err  *Error // why it could not be asked; the others need not try
}

// pass is the permission to send one request. It is given back by leave.
type pass struct {
	secret
	version int
	turn    *turn // not nil: this request tries the password for all
}

// verdict is what a request tells of the password.
type verdict int

const (
	unknown verdict = iota // the server could not be asked
	accepted
	refused
)

func newGate(creds Credentials, hold time.Duration, lends bool) *gate {
	return &gate{creds: newSecret(creds, lends), hold: hold, most: 1, lends: lends}
}

// enter waits for a turn that is under way and returns a pass, or the reason
// why there is none.
func (g *gate) enter(ctx context.Context, op, host string) (pass, *Error) {
	for {
		g.mu.Lock()
		if g.turn == nil {
			defer g.mu.Unlock()
			if time.Now().Before(g.until) {
				return pass{}, g.refusal.in(op)
			}
			p := pass{secret: g.creds, version: g.version}
			if !g.worked {
				p.turn = g.take(host)
			}
			return p, nil
		}
		t := g.turn
		g.mu.Unlock()
		if err := t.wait(ctx, op, host); err != nil {
			return pass{}, err
		}
	}
}

// confirm is called after a 401 by a request without a turn. It returns a pass
// for a second try: with a turn where this request is the one that confirms,
// without where another has done so.
func (g *gate) confirm(ctx context.Context, op, host string, p pass) (pass, *Error) {
	g.mu.Lock()
	if g.turn == nil && g.worked && p.version == g.version {
		defer g.mu.Unlock()
		p.turn = g.take(host)
		return p, nil
	}
	g.mu.Unlock()
	return g.enter(ctx, op, host)
}

// leave gives a pass back with what the request has met.
func (g *gate) leave(p pass, v verdict, e *Error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if p.version == g.version {
		switch v {
		case accepted:
			g.worked = true
		case refused:
			g.worked, g.refusal, g.until = false, e, time.Now().Add(g.hold)
			g.spend()
		}
	}
	if p.turn != nil {
		if v == unknown {
			p.turn.err = e
		}
		close(p.turn.done)
		g.turn = nil
	}
}

// spend counts a refusal. What is older than a hold the directory has forgotten.
func (g *gate) spend() {
	now := time.Now()
	g.spent = slices.DeleteFunc(g.spent, func(at time.Time) bool { return now.Sub(at) >= g.hold })
	g.spent = append(g.spent, now)
}

// retry counts a refusal and reports whether the request that tries the secret
// for all may do so in another way: the account is far from being locked.
func (g *gate) retry(p pass) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if p.turn == nil || p.version != g.version {
		return false
	}
	g.spend()
	if len(g.spent) < g.most {
		return true
	}
	g.spent = g.spent[:len(g.spent)-1] // leave counts it
	return false
}

// take makes the caller the one that tries.
func (g *gate) take(host string) *turn {
	g.turn = &turn{done: make(chan struct{}), host: host}
	return g.turn
}

// wait waits for the end of the turn; it returns why the same host could not be
// asked, if so.
func (t *turn) wait(ctx context.Context, op, host string) *Error {
	select {
	case <-t.done:
	case <-ctx.Done():
		return canceled(ctx, op)
	}
	if t.err == nil || t.err.Code == CodeCanceled || t.host != host {
		return nil
	}
	return t.err.in(op)
}

func (g *gate) set(creds Credentials) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.creds, g.worked, g.until = newSecret(creds, g.lends), false, time.Time{}
	g.version++
}

// keep begins a hold that somebody remembers from before.
func (g *gate) keep(until time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.worked, g.until = false, until
	g.refusal = &Error{
		Code:    CodeAuthFailed,
		Message: "the server has refused the account's name or password, and it is not tried again for now so that the account is not locked; enter the right one",
	}
}

func (g *gate) lift() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.until = time.Time{}
}

func (g *gate) heldUntil() time.Time {
	g.mu.Lock()
	defer g.mu.Unlock()
	if time.Now().Before(g.until) {
		return g.until
	}
	return time.Time{}
}
