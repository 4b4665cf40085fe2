package ews

import (
	"cmp"
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"time"
)

// line is what streams of subscriptions on one server have in common; where
// each mailbox has a stream of its own, there is a line for each.
type line struct {
	main   *strand
	side   *strand // of mailboxes that came late, until the main one is opened anew
	openAt time.Time
	tries  int
}

// strand is one open stream.
type strand struct {
	line    *line
	members []*member // sorted by their subscriptions
	anchor  *member   // on whose behalf it is open
	via     *route
	cut     context.CancelCauseFunc
	opened  time.Time
	begun   bool
}

var (
	errJoin        = errors.New("the stream is opened anew with more mailboxes")
	errWiden       = errors.New("the whole mailbox has to be watched")
	errMoved       = errors.New("the back end is another one")
	errSilentStart = errors.New("the event stream did not begin; a proxy may hold answers back")
)

func (l *line) end(cause error) {
	for _, st := range []*strand{l.main, l.side} {
		if st != nil {
			st.cut(cause)
		}
	}
}

// openStreams opens the streams that can be opened, and returns when there is
// something to do next.
func (g *Group) openStreams(ctx context.Context, now time.Time, alone bool) (next time.Time) {
	next = now.Add(time.Hour)
	earlier := func(t time.Time) {
		if t.Before(next) {
			next = t
		}
	}
	waiting := false // for a place among those that are being subscribed, which kick when they are done
	for _, m := range g.members {
		if m.sub == "" && !m.busy {
			if m.due.After(now) {
				earlier(m.due)
			} else {
				waiting = true
			}
		}
	}
	if waiting && g.busy == 0 {
		earlier(g.leadAt)
	}
	g.dropEmpty()
	if !g.started && (g.busy > 0 || waiting) && (g.since.IsZero() || now.Sub(g.since) < gather) {
		if !g.since.IsZero() {
			earlier(g.since.Add(gather))
		}
		return next
	}
	for key, pool := range g.pool(alone) {
		l := g.lines[key]
		if l == nil {
			l = &line{}
			g.lines[key] = l
		}
		g.started = true
		switch {
		case l.openAt.After(now):
			earlier(l.openAt)
		case l.side != nil && l.main != nil && now.Sub(l.side.opened) < gatherSide:
			earlier(l.side.opened.Add(gatherSide))
		case l.side != nil: // joins when it has ended
			l.side.cut(errJoin)
		case l.main == nil || g.busy == 0:
			if at := g.open(ctx, l, pool, now); !at.IsZero() {
				earlier(at)
			}
		}
	}
	return next
}

// dropEmpty forgets lines that nobody needs.
func (g *Group) dropEmpty() {
	for key, l := range g.lines {
		if l.main == nil && l.side == nil && l.tries == 0 {
			delete(g.lines, key)
		}
	}
}

// pool returns the mailboxes that have a subscription and no stream, by line.
func (g *Group) pool(alone bool) map[string][]*member {
	var out map[string][]*member
	for _, m := range g.members {
		if m.sub == "" || m.strand != nil {
			continue
		}
		key := m.address
		if !alone {
			key = SubscriptionServer(m.sub)
		}
		if out == nil {
			out = map[string][]*member{}
		}
		out[key] = append(out[key], m)
	}
	return out
}

// open opens a stream for mailboxes. The anchor is the first that the server
// has not asked to leave alone; where there is none, nothing is opened and the
// time returned at which there is.
func (g *Group) open(ctx context.Context, l *line, pool []*member, now time.Time) (wait time.Time) {
	var anchor *member
	for _, m := range pool {
		until := g.client.As(m.address).heldUntil()
		if !until.After(now) {
			anchor = m
			break
		}
		if wait.IsZero() || until.Before(wait) {
			wait = until
		}
	}
	if anchor == nil {
		return wait
	}
	st := &strand{line: l, members: slices.Clone(pool), anchor: anchor, opened: now}
	if host := SubscriptionServer(anchor.sub); host == g.host && !g.client.manners.streamsAlone() {
		st.via = g.route
	}
	slices.SortFunc(st.members, func(a, b *member) int { return cmp.Compare(a.sub, b.sub) })
	for _, m := range st.members {
		m.strand = st
	}
	if l.main == nil {
		l.main = st
	} else {
		l.side = st
	}
	ctx, cut := context.WithCancelCause(ctx)
	st.cut = cut
	g.work.Go(func() {
		err := g.read(ctx, st)
		if cause := context.Cause(ctx); cause != nil && err != nil {
			err = cause
		}
		g.ended(ctx, st, err)
		cut(nil)
	})
	return time.Time{}
}

// read reads a stream to its end. It calls nothing on the server.
func (g *Group) read(ctx context.Context, st *strand) error {
	ids := make([]string, len(st.members))
	for i, m := range st.members {
		ids[i] = m.sub
	}
	start := time.AfterFunc(g.opt.FirstWord, func() { st.cut(errSilentStart) })
	defer start.Stop()
	length := g.opt.StreamTime - rand.N(g.opt.StreamTime/2+1)
	mb := g.client.As(st.anchor.address).along(st.via)
	for n, err := range mb.GetStreamingEvents(ctx, ids, length) {
		if err != nil {
			return err
		}
		if !st.begun {
			start.Stop()
			g.client.manners.began(len(st.members))
			carried := g.begun(st)
			if g.opt.Begun != nil {
				g.opt.Begun(carried)
			}
		}
		if len(n.Events) > 0 && g.heard(st, n.Events) {
			return errWiden
		}
	}
	return nil
}

// begun takes in that a stream has begun: what was missed before can be asked
// for now. It returns how many mailboxes are carried.
func (g *Group) begun(st *strand) (carried int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	st.begun = true
	for _, m := range g.members {
		if m.strand != nil && m.strand.begun {
			carried++
		}
	}
	for _, m := range st.members {
		if m.missed && !m.gone {
			m.missed = false
			g.tell(m, GroupSync, nil)
		}
	}
	if st.via == nil || st.via != g.route {
		return carried
	}
	if home := st.via.server(); g.home == "" {
		g.home = home
	} else if home != "" && home != g.home {
		g.rebuild(nil, time.Now())
	}
	return carried
}

// heard takes in the events of one document. It reports whether the mailboxes
// have to be watched as a whole.
func (g *Group) heard(st *strand, events []Event) (widen bool) {
	var named, unnamed []*member
	g.mu.Lock()
	defer g.mu.Unlock()
	for i := range events {
		ev := &events[i]
		m := st.member(ev.SubscriptionID)
		switch {
		case m == nil || m.gone:
		case ev.ItemID.ID != "":
			named = append(named, m)
			if ev.Type == Modified && !m.whole {
				g.client.manners.byItem()
			}
			g.change(m, ev)
		case ev.Type == Modified && !m.whole && !slices.Contains(unnamed, m):
			unnamed = append(unnamed, m)
		}
	}
	for _, m := range unnamed {
		if !slices.Contains(named, m) && g.client.manners.byFolder() {
			g.tell(m, GroupSync, nil)
		}
	}
	return !st.members[0].whole && g.client.manners.whole()
}

// change tells of one event. Where too many wait, the mailbox is synchronised
// instead.
func (g *Group) change(m *member, ev *Event) {
	if m.late || len(g.queue) >= mostTold {
		m.late, g.late = true, true
		return
	}
	g.put(told{GroupEvent{Mailbox: m.address, Kind: GroupChange, Event: *ev, AllFolders: m.whole}, nil})
}

// member returns the mailbox of a subscription.
func (st *strand) member(id string) *member {
	i, has := slices.BinarySearchFunc(st.members, id, func(m *member, id string) int { return cmp.Compare(m.sub, id) })
	switch {
	case has:
		return st.members[i]
	case len(st.members) == 1:
		return st.members[0] // some servers name it otherwise
	}
	return nil
}

// ended takes in the end of a stream and what it means for its subscriptions.
func (g *Group) ended(ctx context.Context, st *strand, err error) {
	now := time.Now()
	g.mu.Lock()
	defer g.mu.Unlock()
	defer g.kick()
	l := st.line
	if l.main == st {
		l.main = nil
	} else {
		l.side = nil
	}
	for _, m := range st.members {
		m.strand = nil
		if m.gone {
			g.endLater(context.WithoutCancel(ctx), m.address, m.sub, st.via)
		}
	}
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		return // the group stops
	}
	lasted := now.Sub(st.opened) > hasty
	if lasted {
		l.tries = 0
	}
	e, failed := errors.AsType[*Error](err)
	switch {
	case errors.Is(err, errJoin), errors.Is(err, errMoved):
		st.miss()
		return
	case errors.Is(err, errWiden):
		for _, m := range st.members {
			g.endLater(context.WithoutCancel(ctx), m.address, m.sub, st.via)
			g.drop(m)
		}
		return
	case err == nil && lasted:
		return // in good order; what happens meanwhile waits at the server
	case errors.Is(err, errSilentStart):
		if g.client.manners.silence(now) {
			g.opt.Logger.Warn("no event stream comes through; changes are asked for instead; look for a proxy that buffers answers", "every", g.opt.Poll)
		}
		st.miss()
	case err == nil:
		if l.tries > 0 {
			g.dropAll(st)
		}
	case failed && e.Code == "ErrorNewEventStreamConnectionOpened":
		g.fence = e
		g.put(told{GroupEvent{}, nil})
		g.queue = g.queue[:len(g.queue)-1] // only wakes the loop
		return
	case failed:
		g.failed(st, e)
		g.put(told{GroupEvent{}, e})
	}
	g.later(l, e, now)
}

// later plans when a stream that failed is opened again.
func (g *Group) later(l *line, e *Error, now time.Time) {
	l.openAt = now.Add(min(probePause(l.tries), soonAgain))
	if e != nil && (e.Class() == Resubscribe || len(e.SubscriptionIDs) > 0) && l.tries == 0 {
		l.openAt = now // the good ones go on
	}
	l.tries++
	if e != nil && e.BackOff > 0 && e.Code != "ErrorServerBusy" { // after that another one can be the anchor
		l.openAt = latest(l.openAt, now.Add(e.BackOff))
	}
	l.openAt = latest(l.openAt, g.client.HeldUntil())
}

// failed works out what an error means for the subscriptions of a stream. One
// that the server has put into a document came in order: nothing is lost but
// what it names.
func (g *Group) failed(st *strand, e *Error) {
	switch class := e.Class(); {
	case class == Resubscribe && len(e.SubscriptionIDs) == 0:
		g.dropAll(st) // nobody knows which
	case len(e.SubscriptionIDs) > 0:
		g.learnMix(st, e.SubscriptionIDs)
		for _, m := range st.members {
			if slices.Contains(e.SubscriptionIDs, m.sub) {
				g.drop(m)
			}
		}
	case class == MailboxPermanent, class == Resync, class == Rediscover:
		g.drop(st.anchor)
		st.anchor.due = time.Now().Add(g.opt.Recheck)
		g.tell(st.anchor, "", e)
	case class == ItemLocal, class == OwnBug:
		g.dropAll(st)
	default:
		st.miss()
		if SubscriptionServer(st.anchor.sub) == "" {
			g.dropAll(st) // some servers give the same ids out again after a restart
		}
	}
}

func (st *strand) miss() {
	for _, m := range st.members {
		m.missed = true
	}
}

func (g *Group) dropAll(st *strand) {
	for _, m := range st.members {
		g.drop(m)
	}
}

// learnMix learns from a stream of several mailboxes with which the server found
// fault but for its anchor: it may be one that cannot carry two mailboxes in
// one stream. Exchange, whose subscriptions name their server, can.
func (g *Group) learnMix(st *strand, bad []string) {
	if len(st.members) < 2 || st.begun || len(bad) != len(st.members)-1 ||
		slices.Contains(bad, st.anchor.sub) || SubscriptionServer(st.anchor.sub) != "" {
		return
	}
	if g.client.manners.refusedMix() {
		g.opt.Logger.Info("the server wants one event stream for each mailbox")
	}
}
