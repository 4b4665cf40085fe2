package ews

import (
	"cmp"
	"context"
	"errors"
	"iter"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"
)

// GroupSize is how many mailboxes one stream carries at most
// ([MS-OXWSNTIF] 2.2.4.5: SubscriptionIds).
const GroupSize = 200

// GroupOptions say whom a [Group] watches. Client and Mailboxes, or State, are
// required.
type GroupOptions struct {
	Client *Client
	// Mailboxes are up to [GroupSize] SMTP addresses with the same endpoint and
	// the same GroupingInformation (see [Discovery]).
	Mailboxes []string
	// State is that of a predecessor, whose stream is taken over with one
	// request. Where Mailboxes is empty its mailboxes are watched.
	State *GroupState

	StreamTime time.Duration // how long one stream is held open, up to half of it taken off at random; default 29 min, most 30
	FirstWord  time.Duration // how long a stream may take to begin; default 15 s
	Poll       time.Duration // how often changes are to be asked for where no stream comes through; default 30 s
	Recheck    time.Duration // how often a mailbox that cannot be watched is tried again; default 5 min
	AtOnce     int           // subscriptions made at the same time; default 8

	// Prepare, if not nil, is called before a mailbox is subscribed. Where it
	// fails, the mailbox is tried again later.
	Prepare func(ctx context.Context, mailbox string) error
	// Begun, if not nil, is called whenever a stream has begun, with the number
	// of mailboxes that streams carry then. It is called by who reads the stream,
	// and must not wait.
	Begun  func(carried int)
	Logger *slog.Logger // default none
}

// GroupEventKind is what a [GroupEvent] tells.
type GroupEventKind string

// The kinds of events of a group.
const (
	// GroupChange is one event about an item.
	GroupChange GroupEventKind = "change"
	// GroupSync says that changes may have been missed: ask with
	// SyncFolderItems for what happened since the sync state that you have.
	// Every mailbox begins with one, once its changes are being told.
	GroupSync GroupEventKind = "sync"
)

// GroupEvent is what a group tells of one mailbox.
type GroupEvent struct {
	Mailbox string
	Kind    GroupEventKind
	Event   Event // of GroupChange
	// AllFolders says that the whole mailbox is watched, since the server does
	// not name items otherwise: look at Event.ParentFolderID.
	AllFolders bool
}

// Group watches the calendars of up to 200 mailboxes by one connection, as
// Microsoft's guide to affinity between subscriptions has it: the mailboxes are
// sorted by address; the first is the anchor, and is subscribed first; the
// server's answer sets the cookie X-BackEndOverrideCookie, by which the other
// subscriptions, made with the anchor's address in X-AnchorMailbox, come to the
// same back end; and one GetStreamingEvents, as the anchor, reads them all.
//
// A stream that ends in order is opened again at once with the same
// subscriptions, for a time that differs from stream to stream. Subscriptions
// that the server has lost are made anew, and only their mailboxes have to be
// synchronised; the others go on meanwhile, and one that comes late gets a
// small stream of its own until all can be joined. A new server in the cookie
// means that the whole group is built anew. After a connection that broke, all
// of its mailboxes have to be synchronised, for what was on its way is lost.
//
// Servers that will not carry two mailboxes in one stream get one stream each;
// where no stream comes through, a proxy that hoards answers for one, changes
// are to be asked for at intervals.
type Group struct {
	opt    GroupOptions
	client *Client
	kicked chan struct{} // one token while there is something to plan
	told   chan struct{} // one token while there is something to tell

	mu      sync.Mutex // guards what follows
	members []*member  // sorted by address
	route   *route     // nil: nobody is subscribed
	host    string     // of the route's first subscription
	home    string     // server that the cookie named when it was made
	rebuilt time.Time
	since   time.Time        // when the first of the present subscriptions was made
	started bool             // every mailbox has been tried since then
	lines   map[string]*line // streams, by what they have in common
	busy    int              // subscriptions being made
	leadAt  time.Time        // when a first subscription is tried again
	leads   int              // that failed in a row
	pollAt  time.Time
	queue   []told
	late    bool // a member is: its events did not fit into the queue
	fence   *Error
	work    sync.WaitGroup
}

// member is one mailbox of a group. There are many of them: it is small.
type member struct {
	address string
	sub     string // id of the subscription; empty: there is none
	strand  *strand
	due     time.Time // when it is subscribed
	tries   uint8
	astray  uint8 // times that its subscription landed on another server
	whole   bool  // the whole mailbox is subscribed
	busy    bool  // is being subscribed
	known   bool  // has been watched before
	missed  bool  // changes may have been missed
	late    bool  // the same, since its events did not fit into the queue
	gone    bool  // removed
}

// told is one thing to tell.
type told struct {
	GroupEvent
	err error
}

const (
	mostTold  = 4096            // events that wait; of more, the mailboxes have to be synchronised
	hasty     = 5 * time.Second // a stream that ends sooner than this did not work
	soonAgain = 8 * time.Second // longest pause before what failed in passing is tried again
	gather    = time.Minute     // how long the first stream waits for the last subscription

	// gatherSide is how long a stream of late mailboxes is left in peace while
	// more of them come: each time that it is opened anew, all that it has must
	// be synchronised. What happens in the others meanwhile waits at the server.
	gatherSide = 5 * time.Second
)

// NewGroup checks the options and returns a group. It sends nothing.
func NewGroup(opt GroupOptions) (*Group, error) {
	if opt.State != nil && len(opt.Mailboxes) == 0 {
		for _, m := range opt.State.Mailboxes {
			opt.Mailboxes = append(opt.Mailboxes, m.Address)
		}
	}
	switch {
	case opt.Client == nil:
		return nil, invalid("", "give the group a client")
	case len(opt.Mailboxes) == 0 || len(opt.Mailboxes) > GroupSize:
		return nil, invalid("", "a group has 1 to 200 mailboxes")
	}
	opt.StreamTime = min(orDefault(opt.StreamTime, 29*time.Minute), 30*time.Minute)
	opt.FirstWord = orDefault(opt.FirstWord, 15*time.Second)
	opt.Poll = orDefault(opt.Poll, 30*time.Second)
	opt.Recheck = orDefault(opt.Recheck, 5*time.Minute)
	opt.AtOnce = orDefault(opt.AtOnce, 8)
	if opt.Logger == nil {
		opt.Logger = slog.New(slog.DiscardHandler)
	}
	g := &Group{
		opt: opt, client: opt.Client, lines: map[string]*line{},
		kicked: make(chan struct{}, 1), told: make(chan struct{}, 1),
	}
	g.add(opt.Mailboxes)
	g.takeOver(opt.State)
	g.opt.Mailboxes, g.opt.State = nil, nil
	return g, nil
}

// GroupState is what a successor needs to go on with a group: in another
// process, on another machine, or after a restart. It can be kept as JSON. The
// subscriptions belong to the account that made them.
type GroupState struct {
	Anchor    string         `json:"anchor"`
	Cookie    string         `json:"cookie,omitempty"` // value of X-BackEndOverrideCookie
	Mailboxes []MailboxState `json:"mailboxes"`
}

// MailboxState is the part of one mailbox.
type MailboxState struct {
	Address      string `json:"address"`
	Subscription string `json:"subscription,omitempty"`
	AllFolders   bool   `json:"all_folders,omitempty"`
	SyncState    string `json:"sync_state,omitempty"` // the caller's: everything before it is dealt with
}

// takeOver goes on with the subscriptions of a predecessor.
func (g *Group) takeOver(s *GroupState) {
	if s == nil {
		return
	}
	for _, ms := range s.Mailboxes {
		if m := g.find(ms.Address); m != nil && ms.Subscription != "" {
			m.sub, m.whole, m.missed, m.known = ms.Subscription, ms.AllFolders, true, true
			if sameAddress(ms.Address, s.Anchor) || g.host == "" {
				g.host = SubscriptionServer(m.sub)
			}
			g.started = true
		}
	}
	if g.started {
		g.route = newRoute(cmp.Or(s.Anchor, g.members[0].address), s.Cookie)
		g.home = g.route.server()
	}
}

// State returns what a successor needs. The function gives the caller's sync
// state of a mailbox; nil leaves them out. It may be called at any time.
func (g *Group) State(syncState func(mailbox string) string) GroupState {
	g.mu.Lock()
	defer g.mu.Unlock()
	s := GroupState{Mailboxes: make([]MailboxState, len(g.members))}
	if g.route != nil {
		s.Anchor, s.Cookie = g.route.anchor, g.route.override()
	}
	for i, m := range g.members {
		s.Mailboxes[i] = MailboxState{Address: m.address, Subscription: m.sub, AllFolders: m.whole}
		if syncState != nil {
			s.Mailboxes[i].SyncState = syncState(m.address)
		}
	}
	return s
}

// Add takes a mailbox into the group. It is told of as soon as it is
// subscribed. It fails where the group is full.
func (g *Group) Add(mailbox string) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.find(mailbox) == nil && len(g.members) >= GroupSize {
		return invalid("", "the group has 200 mailboxes already; make another one")
	}
	g.add([]string{mailbox})
	g.kick()
	return nil
}

// Remove takes a mailbox out of the group. Nothing more is told of it; its
// subscription is ended.
func (g *Group) Remove(mailbox string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if m := g.find(mailbox); m != nil {
		m.gone = true
		g.members = slices.DeleteFunc(g.members, func(o *member) bool { return o == m })
		g.queue = slices.DeleteFunc(g.queue, func(t told) bool { return t.Mailbox == m.address })
		g.kick()
	}
}

// TryNow has everything tried at once that waits to be tried again: after the
// password was changed, for example.
func (g *Group) TryNow() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.leadAt = time.Time{}
	for _, m := range g.members {
		m.due = time.Time{}
	}
	for _, l := range g.lines {
		l.openAt = time.Time{}
	}
	g.kick()
}

func sameAddress(a, b string) bool { return strings.EqualFold(a, b) }

func byAddress(m *member, address string) int {
	return cmp.Compare(strings.ToLower(m.address), strings.ToLower(address))
}

// add and find are called with mu held.
func (g *Group) add(mailboxes []string) {
	for _, a := range mailboxes {
		a = strings.TrimSpace(a)
		if i, has := slices.BinarySearchFunc(g.members, a, byAddress); !has && a != "" {
			g.members = slices.Insert(g.members, i, &member{address: a})
		}
	}
}

func (g *Group) find(mailbox string) *member {
	i, has := slices.BinarySearchFunc(g.members, strings.TrimSpace(mailbox), byAddress)
	if !has {
		return nil
	}
	return g.members[i]
}

// Events tells what happens in the mailboxes until ctx ends. An error beside a
// mailbox says that it cannot be watched now, one without a mailbox that the
// stream failed; both are tried again by the group itself. Only with the code
// ErrorNewEventStreamConnectionOpened the sequence ends: somebody else has
// opened a stream with these subscriptions and is responsible for the mailboxes
// from now on. Do not fight: find out whether they are still yours.
//
// The connections are read by goroutines of their own, which have ended when
// the sequence has; so the loop may call the server. Where it is slow, waiting
// events become a GroupSync of their mailbox. Events may be called again after
// its end, and goes on with the subscriptions that there are.
func (g *Group) Events(ctx context.Context) iter.Seq2[GroupEvent, error] {
	return func(yield func(GroupEvent, error) bool) {
		ctx, cancel := context.WithCancel(ctx)
		g.work.Go(func() { g.run(ctx) })
		defer g.stopped()
		defer g.work.Wait()
		defer cancel()
		for {
			t, has, fence := g.next()
			switch {
			case has:
				if !yield(t.GroupEvent, t.err) {
					return
				}
				continue
			case fence != nil:
				yield(GroupEvent{}, fence)
				return
			}
			select {
			case <-g.told:
			case <-ctx.Done():
				return
			}
		}
	}
}

// next returns what is to be told next.
func (g *Group) next() (t told, has bool, fence *Error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.queue) == 0 && g.late {
		g.late = false
		for _, m := range g.members {
			if m.late {
				m.late = false
				g.tell(m, GroupSync, nil)
			}
		}
	}
	if len(g.queue) == 0 {
		g.queue = nil
		return told{}, false, g.fence
	}
	t, g.queue = g.queue[0], g.queue[1:]
	return t, true, nil
}

// stopped keeps in mind what was not told.
func (g *Group) stopped() {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, m := range g.members {
		m.missed = m.missed || m.sub != ""
		m.late = false
	}
	g.queue, g.late, g.fence = nil, false, nil
	g.lines = map[string]*line{}
}

// tell puts something into the queue. The caller holds mu.
func (g *Group) tell(m *member, kind GroupEventKind, err error) {
	g.put(told{GroupEvent{Mailbox: m.address, Kind: kind, AllFolders: m.whole}, err})
}

func (g *Group) put(t told) {
	g.queue = append(g.queue, t)
	select {
	case g.told <- struct{}{}:
	default:
	}
}

// kick has the group planned anew.
func (g *Group) kick() {
	select {
	case g.kicked <- struct{}{}:
	default:
	}
}

// run plans what is to be done until ctx ends.
func (g *Group) run(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-g.kicked:
		case <-timer.C:
		}
		timer.Reset(max(time.Until(g.plan(ctx)), time.Millisecond))
	}
}

// plan starts everything that is due and returns when the next thing is.
func (g *Group) plan(ctx context.Context) time.Time {
	now := time.Now()
	alone, pollUntil := g.client.manners.streamsAlone(), g.client.manners.polls(now)
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.fence != nil {
		return now.Add(time.Hour)
	}
	if !pollUntil.IsZero() {
		return g.poll(now, pollUntil)
	}
	g.subscribeDue(ctx, now, alone)
	return g.openStreams(ctx, now, alone)
}

// poll has the changes of the mailboxes asked for that no stream carries.
func (g *Group) poll(now, until time.Time) time.Time {
	if !g.pollAt.After(now) {
		for _, m := range g.members {
			if m.strand == nil {
				g.tell(m, GroupSync, nil)
			}
		}
		g.pollAt = now.Add(g.opt.Poll - rand.N(g.opt.Poll/5+1))
	}
	if until.Before(g.pollAt) {
		return until
	}
	return g.pollAt
}

// subscribeDue begins to make the subscriptions that are due. Where there is
// none yet, the first one brings the cookie for the others.
func (g *Group) subscribeDue(ctx context.Context, now time.Time, alone bool) {
	first := !slices.ContainsFunc(g.members, func(m *member) bool { return m.sub != "" })
	if first && g.busy == 0 {
		g.route, g.started, g.home, g.host, g.since = nil, false, "", "", time.Time{}
	}
	if first && g.leadAt.After(now) {
		return
	}
	for _, m := range g.members {
		if m.sub != "" || m.busy || m.due.After(now) {
			continue
		}
		if g.busy >= g.opt.AtOnce || first && !alone && g.busy > 0 {
			return
		}
		if first && !alone {
			g.route = newRoute(m.address, "")
		}
		m.busy = true
		g.busy++
		via := g.route
		if alone {
			via = nil
		}
		g.work.Go(func() { g.subscribe(ctx, m, via) })
	}
}

// subscribe makes one subscription.
func (g *Group) subscribe(ctx context.Context, m *member, via *route) {
	whole := g.client.manners.whole()
	id, err := g.trySubscribe(ctx, m, via, whole)
	g.mu.Lock()
	defer g.mu.Unlock()
	m.busy = false
	g.busy--
	g.kick()
	switch {
	case m.gone || ctx.Err() != nil:
		if err == nil {
			g.endLater(ctx, m.address, id, via)
		}
	case err != nil:
		g.refused(m, err)
	case via != g.route && via != nil: // the group was built anew meanwhile
		g.endLater(ctx, m.address, id, via)
	case g.strayed(m, id, via):
		m.astray++
		m.due = time.Now().Add(probePause(int(m.astray)))
		g.endLater(ctx, m.address, id, via)
	default:
		g.subscribed(m, id, whole, via)
	}
}

func (g *Group) trySubscribe(ctx context.Context, m *member, via *route, whole bool) (string, error) {
	if g.opt.Prepare != nil {
		if err := g.opt.Prepare(ctx, m.address); err != nil {
			return "", err
		}
	}
	p := Load
	if m.known {
		p = Soon // it was watched, and is not now
	}
	return g.client.As(m.address).along(via).Subscribe(WithPriority(ctx, p), SubscribeRequest{AllFolders: whole})
}

// strayed reports whether a subscription landed on another server than the
// others and should be tried again: twice, for it may be the rule here. Where
// the cookie sent it there, it is the others that are in the wrong place.
func (g *Group) strayed(m *member, id string, via *route) bool {
	host := SubscriptionServer(id)
	if g.host == "" || host == "" || host == g.host || m.astray >= 2 {
		return false
	}
	home := via.server()
	return home == "" || g.home == "" || home == g.home || time.Since(g.rebuilt) < time.Minute
}

// subscribed takes in a new subscription.
func (g *Group) subscribed(m *member, id string, whole bool, via *route) {
	now := time.Now()
	m.sub, m.whole, m.tries, m.known, m.missed = id, whole, 0, true, false
	g.leads = 0
	if g.host == "" {
		g.host = SubscriptionServer(id)
	}
	if g.since.IsZero() {
		g.since = now
	}
	g.tell(m, GroupSync, nil)
	if via == nil {
		return
	}
	if home := via.server(); g.home == "" {
		g.home = home
	} else if home != "" && home != g.home {
		g.rebuild(m, now)
	}
}

// refused plans when a mailbox that cannot be watched is tried again, and says
// why.
func (g *Group) refused(m *member, err error) {
	now := time.Now()
	m.due = now.Add(min(probePause(int(m.tries)), soonAgain))
	m.tries = min(m.tries+1, 100)
	passing := true
	if e, is := errors.AsType[*Error](err); is {
		switch e.Class() {
		case MailboxPermanent, ItemLocal, Resync, OwnBug:
			m.due, passing = now.Add(g.opt.Recheck), false
		case Auth:
			m.due = latest(m.due, g.client.HeldUntil())
		}
		if e.BackOff > 0 {
			m.due = latest(m.due, now.Add(e.BackOff))
		}
	}
	if passing {
		g.leadAt = now.Add(min(probePause(g.leads), soonAgain))
		g.leads++
	}
	g.tell(m, "", err)
	if e, is := errors.AsType[*Error](err); is && (unreachable(e) || e.Class() == Auth || e.Class() == AccountLevel) {
		g.tellWaiting(err)
	}
}

// tellWaiting tells of the mailboxes that have not been tried yet why they are
// not: where the server or the account is at fault, the first one is tried for all.
func (g *Group) tellWaiting(err error) {
	for _, m := range g.members {
		if m.sub == "" && !m.busy && m.tries == 0 {
			m.tries = 1
			g.tell(m, "", err)
		}
	}
}

func latest(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// rebuild makes all subscriptions anew but that of one member: the cookie
// names another server than before. It is done once a minute at most, for a
// balancer may send us to and fro.
func (g *Group) rebuild(but *member, now time.Time) {
	if now.Sub(g.rebuilt) < time.Minute {
		return
	}
	g.opt.Logger.Info("event streams move to another back-end server")
	g.rebuilt, g.home, g.host = now, g.route.server(), ""
	g.started, g.since = false, now // one stream for all of them
	for _, m := range g.members {
		if m == but {
			g.host = SubscriptionServer(m.sub)
			continue
		}
		g.drop(m)
	}
	for _, l := range g.lines {
		l.end(errMoved)
	}
}

// drop forgets a subscription, which is made anew.
func (g *Group) drop(m *member) { m.sub, m.due = "", time.Time{} }

// endLater ends a subscription that is of no use any more.
func (g *Group) endLater(ctx context.Context, mailbox, id string, via *route) {
	if ctx.Err() != nil || id == "" {
		return
	}
	g.work.Go(func() {
		err := g.client.As(mailbox).along(via).Unsubscribe(WithPriority(ctx, Background), id)
		if err != nil {
			g.opt.Logger.Debug("subscription is left to end by itself", "error", err)
		}
	})
}
