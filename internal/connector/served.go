package connector

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/koyomi-cal/koyomi/internal/calendar"
	"github.com/koyomi-cal/koyomi/internal/store"
)

// served are the mailboxes that are served. They change while the connector
// runs; whoever reads them takes what there is at that moment.
type served struct {
	mu     sync.RWMutex
	boxes  map[calendar.MailboxID]*box
	order  []*box          // never changed in place
	byName map[string]*box // by every address in lower case

	// Of the goroutine that follows the roster; before, of New and Run.
	groups  []*watchGroup
	retired map[calendar.MailboxID]*box // gone; the last turn may not be over yet
	leaving map[calendar.MailboxID]*box // being taken out of the cloud
	rev     int64                       // of the roster, as taken up
}

// watchGroup is one watch under way.
type watchGroup struct {
	boxes []*box
	stop  context.CancelFunc
	done  chan struct{}
}

func newServed() served {
	return served{
		boxes: map[calendar.MailboxID]*box{}, byName: map[string]*box{},
		retired: map[calendar.MailboxID]*box{}, leaving: map[calendar.MailboxID]*box{}, rev: -1,
	}
}

// list returns the boxes in their order. It must not be changed.
func (s *served) list() []*box {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.order
}

// box returns the box of a mailbox, nil if it is not served.
func (s *served) box(id calendar.MailboxID) *box {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.boxes[id]
}

// named returns the box of an address, nil if it is not served.
func (s *served) named(address string) *box {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.byName[strings.ToLower(strings.TrimSpace(address))]
}

func (c *Connector) newBox(m Mailbox) *box {
	m.ID = calendar.NewMailboxID(c.secrets.names, m.Address)
	b := &box{c: c, mb: m.Mailbox, owner: m.Owner, account: m.Account, as: m}
	if b.owner == "" {
		b.owner = m.Address
	}
	return b
}

func (c *Connector) addBox(m Mailbox) (*box, error) {
	b := c.newBox(m)
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, a := range m.addresses() {
		if other := c.byName[a]; other != nil && other != b {
			return nil, fmt.Errorf("mailboxes %v and %v have an address in common: each address belongs to one mailbox", other.mb.ID, b.mb.ID)
		}
	}
	for _, a := range m.addresses() {
		c.byName[a] = b
	}
	c.boxes[b.mb.ID], c.order = b, append(slices.Clip(c.order), b)
	return b, nil
}

// retire stops serving a mailbox: from here on its turn, should it be in one,
// reads, writes and puts nothing more.
func (c *Connector) retire(b *box) {
	b.gone.Store(true)
	c.mu.Lock()
	if c.boxes[b.mb.ID] == b {
		delete(c.boxes, b.mb.ID)
		for _, a := range b.as.addresses() {
			delete(c.byName, a)
		}
		c.order = slices.DeleteFunc(slices.Clone(c.order), func(o *box) bool { return o == b })
	}
	c.mu.Unlock()
	c.clock.set(b, time.Time{})
	c.retired[b.mb.ID] = b
}

// idle reports whether no worker has the box, and no meeting service is asked
// for it.
func (b *box) idle() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return !b.queued && b.joins == 0
}

// wish is a mailbox that is to be served.
type wish struct {
	Mailbox
	since time.Time
}

// plan is what the roster and settings.db say.
type plan struct {
	served  []wish
	leaving []Member
	active  map[calendar.MailboxID]store.Activated
}

// plan reads whom to serve: the mailboxes of the options, then those of the
// roster that are activated by command.
func (c *Connector) plan(ctx context.Context) (p plan, err error) {
	list, err := c.opt.Settings.Activated(ctx)
	if err != nil {
		return p, fmt.Errorf("read who is activated: %w", err)
	}
	p.active = make(map[calendar.MailboxID]store.Activated, len(list))
	for _, a := range list {
		p.active[calendar.MailboxID(a.Mailbox)] = a
	}
	var members []Member
	if c.roster != nil {
		if members, err = c.roster.Members(ctx); err != nil {
			return p, err
		}
	}
	known := map[calendar.MailboxID]Member{}
	for _, m := range members {
		known[m.ID] = m
	}
	for _, m := range c.opt.Mailboxes {
		m.ID = calendar.NewMailboxID(c.secrets.names, m.Address)
		p.served = append(p.served, wish{m, known[m.ID].At})
		delete(known, m.ID)
	}
	for _, m := range members {
		if _, has := known[m.ID]; !has {
			continue // of the configuration
		}
		switch m.Standing {
		case store.Chosen:
			p.served = append(p.served, wish{m.Mailbox, m.At})
		case store.Leaving:
			p.leaving = append(p.leaving, m)
		}
	}
	return p, nil
}

// firstBoxes makes the boxes of the start.
func (c *Connector) firstBoxes(ctx context.Context) error {
	if c.roster != nil {
		list, err := c.opt.Settings.Activated(ctx)
		if err != nil {
			return fmt.Errorf("read who is activated: %w", err)
		}
		active := map[calendar.MailboxID]store.Activated{}
		for _, a := range list {
			active[calendar.MailboxID(a.Mailbox)] = a
		}
		if err := c.roster.configured(ctx, c.opt.Mailboxes, active); err != nil {
			return err
		}
	}
	p, err := c.plan(ctx)
	if err != nil {
		return err
	}
	for i, w := range p.served {
		b, err := c.addBox(w.Mailbox)
		switch {
		case err != nil && i < len(c.opt.Mailboxes):
			return err
		case err != nil:
			c.log.Error("mailbox is not served", "error", err)
		default:
			b.activated(p.active[b.mb.ID], w.since)
		}
	}
	return nil
}

// activated gives a new box its activation, unless that was of an earlier time
// on the roster: then it is activated anew, with a new baseline.
func (b *box) activated(a store.Activated, since time.Time) {
	b.since = since
	if !a.At.Before(since) {
		b.active = a
	}
}

// rosterEvery is how often changes of the roster are looked for.
const rosterEvery = 5 * time.Second

// follow takes up what changes in the roster until ctx ends.
func (c *Connector) follow(ctx context.Context, g *errgroup.Group) {
	for {
		if err := c.takeUp(ctx, g); err != nil && ctx.Err() == nil {
			c.log.Error("changes of who is served are not taken up", "error", err)
		}
		if !pause(ctx, rosterEvery) {
			return
		}
	}
}

// takeUp holds the boxes against the roster, if that has changed.
func (c *Connector) takeUp(ctx context.Context, g *errgroup.Group) error {
	rev, err := c.opt.Roster.RosterRev(ctx)
	if err != nil || rev == c.rev {
		return err
	}
	p, err := c.plan(ctx)
	if err != nil {
		return err
	}
	wanted := make(map[calendar.MailboxID]wish, len(p.served))
	for _, w := range p.served {
		wanted[w.ID] = w
	}
	for _, b := range c.list() {
		if w, is := wanted[b.mb.ID]; !is || !w.same(b.as) || w.since.After(b.since) {
			c.log.Info("mailbox is taken off", "mailbox", b.mb, "again", is)
			c.retire(b)
		}
	}
	for id, b := range c.leaving {
		if _, is := wanted[id]; is || b.gone.Load() {
			delete(c.leaving, id)
			c.retire(b)
		}
	}
	fresh, later := c.takeOn(p)
	c.regroup(ctx, g, fresh)
	c.breaker.serves(len(c.list()))
	if !later {
		c.rev = rev
	}
	return nil
}

// takeOn makes the boxes that are missing. It reports whether one has to wait
// until the last turn of the one before it is over.
func (c *Connector) takeOn(p plan) (fresh []*box, later bool) {
	for id, old := range c.retired {
		if old.idle() {
			delete(c.retired, id)
		}
	}
	for _, w := range p.served {
		switch {
		case c.box(w.ID) != nil:
			continue
		case c.retired[w.ID] != nil:
			later = true
			continue
		}
		b, err := c.addBox(w.Mailbox)
		if err != nil {
			c.log.Error("mailbox is not served", "error", err)
			continue
		}
		b.activated(p.active[b.mb.ID], w.since)
		fresh = append(fresh, b)
	}
	for _, m := range p.leaving {
		switch {
		case c.leaving[m.ID] != nil:
		case c.retired[m.ID] != nil:
			later = true
		default:
			b := c.newBox(m.Mailbox)
			b.mb.ID, b.leaving, b.active = m.ID, true, p.active[m.ID]
			c.leaving[m.ID] = b
			b.wake()
		}
	}
	return fresh, later
}

// regroup ends the watches of boxes that are gone, and has those that are left
// and the fresh ones watched.
func (c *Connector) regroup(ctx context.Context, g *errgroup.Group, fresh []*box) {
	gone := func(b *box) bool { return b.gone.Load() }
	loose := slices.Clone(fresh)
	keep := c.groups[:0]
	end := func(w *watchGroup) {
		w.stop()
		<-w.done
		loose = append(loose, slices.DeleteFunc(w.boxes, gone)...)
	}
	for _, w := range c.groups {
		if slices.ContainsFunc(w.boxes, gone) {
			end(w)
		} else {
			keep = append(keep, w)
		}
	}
	c.groups = keep
	if n := len(c.groups); n > 0 && len(loose) > 0 && len(c.groups[n-1].boxes)+len(loose) <= GroupSize {
		end(c.groups[n-1]) // rather one restarted watch than many small ones
		c.groups = c.groups[:n-1]
	}
	for boxes := range slices.Chunk(loose, GroupSize) {
		ctx, stop := context.WithCancel(ctx)
		w := &watchGroup{boxes: slices.Clone(boxes), stop: stop, done: make(chan struct{})}
		c.groups = append(c.groups, w)
		g.Go(func() error {
			defer close(w.done)
			defer stop()
			c.watch(ctx, slices.Clone(w.boxes))
			return nil
		})
	}
}

// serves tells the breaker how many mailboxes there are now.
func (b *breaker) serves(mailboxes int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.rule.Mailboxes = mailboxes
}
