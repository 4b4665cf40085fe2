package connector

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime/debug"
	"time"

	"github.com/koyomi-cal/koyomi/internal/calendar"
	"github.com/koyomi-cal/koyomi/internal/mailbox"
	"github.com/koyomi-cal/koyomi/internal/store"
)

// memory is a mailbox's state while it is loaded.
type memory struct {
	core  *mailbox.State
	rules mailbox.Rules
	note  note
	rows  map[string]store.Published // by entry

	unsent bool // something is not in the cloud as it should be

	// What is to be saved beside the state.
	put   map[string]bool // entries whose rows changed
	gone  map[string]bool // entries whose rows went
	trace []store.TraceLine

	savedCore, savedNote []byte
}

// note is what the connector itself remembers of a mailbox: the store's opaque
// Sync blob.
type note struct {
	Sync      string `json:"s,omitempty"` // the source's sync state, all before it is processed
	Lost      bool   `json:"l,omitempty"` // the calendar has to be viewed: changes were missed
	Dirty     bool   `json:"d,omitempty"` // something may not have reached the cloud
	Compared  bool   `json:"c,omitempty"` // the cloud holds nothing that is not in the rows
	Delivered string `json:"a,omitempty"` // for which resource and account delivery is set
	Cursor    int64  `json:"n,omitempty"` // where the cloud's resource stood after our last write
}

// turn is a worker's work on one box.
type turn struct {
	c       *Connector
	b       *box
	ctx     context.Context
	answers []mailbox.Event
	fed     bool
	broken  error // the turn has to end: what is in memory is not what is saved
}

// worker takes boxes and works on them until the queue is closed.
func (c *Connector) worker(ctx context.Context) {
	for {
		b := c.ready.take()
		if b == nil {
			return
		}
		for more := true; more && !c.ready.isClosed(); more = b.release() {
			c.work(ctx, b)
		}
	}
}

// errBug is shown of a mailbox at which the program itself failed. It begins
// anew later, and the others are served.
var errBug = errors.New("a bug in Koyomi stopped the work on this mailbox; report the log line with its stack")

// work is one turn of a box: everything that is due, to the end.
func (c *Connector) work(ctx context.Context, b *box) {
	t := &turn{c: c, b: b, ctx: ctx}
	defer func() {
		if p := recover(); p != nil {
			c.metrics.panics.Add(1)
			c.log.Error("mailbox stopped by a bug", "mailbox", b.mb, "stack", string(debug.Stack()))
			t.broken = errBug
		}
		t.end()
	}()
	t.run()
}

func (t *turn) run() {
	b, now := t.b, time.Now()
	switch {
	case b.gone.Load():
		return
	case b.leaving:
		t.farewell()
		return
	}
	b.mu.Lock()
	pending := b.pending || due(b.syncAt, now)
	b.mu.Unlock()
	if pending {
		t.catchUp()
	}
	if !b.live || t.broken != nil || !t.hasWork(now) || !t.load() {
		return // events wait until the mailbox is live
	}
	if due(b.tickAt, now) {
		t.feed(mailbox.Tick{})
	}
	if due(b.resendAt, now) {
		t.resend()
	}
	t.drain()
	if t.broken != nil {
		return
	}
	if b.mem.note.Dirty = b.mem.unsent; !b.mem.unsent {
		b.resends = 0
	}
	t.save()
}

// hasWork reports whether there is anything for which the state is needed.
func (t *turn) hasWork(now time.Time) bool {
	b := t.b
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.mem != nil || len(b.events) > 0 || due(b.tickAt, now) || due(b.resendAt, now)
}

func due(at, now time.Time) bool { return !at.IsZero() && !at.After(now) }

// end arranges what comes next.
func (t *turn) end() {
	b, now := t.b, time.Now()
	if t.broken != nil {
		t.c.log.Warn("mailbox starts again from what was saved", "mailbox", b.mb, "error", t.broken)
		if errors.Is(t.broken, errBug) {
			t.c.alarms.set(alarmBug, t.broken.Error())
		} else {
			t.c.alarms.set(alarmStore, t.broken.Error())
		}
		b.failed(t.broken)
		b.mem, b.live = nil, false
		b.dropAt = time.Time{}
		t.retry(time.Time{})
	}
	m := b.mem
	if m != nil {
		b.tickAt = m.core.NextWake()
		reasons := counted(m.core.Pending())
		b.mu.Lock()
		b.status.reasons = reasons
		busy := b.joins > 0 || len(b.events) > 0
		b.mu.Unlock()
		keep := now.Add(t.c.opt.Keep)
		switch {
		case t.fed:
			b.dropAt = keep
		case due(b.dropAt, now) && (busy || !b.tickAt.IsZero() && b.tickAt.Before(keep) || m.unsaved()):
			b.dropAt = keep
		case due(b.dropAt, now):
			b.mem, b.dropAt = nil, time.Time{}
		}
	}
	if b.gone.Load() {
		b.mem = nil
		t.c.clock.set(b, time.Time{})
		return
	}
	b.mu.Lock()
	b.status.loaded, b.status.baseline = b.mem != nil, b.active.Baseline
	b.mu.Unlock()
	if !b.live { // nothing else can be done before
		t.c.clock.set(b, b.syncAt)
		return
	}
	t.c.clock.set(b, earliest(b.syncAt, b.tickAt, b.resendAt, b.dropAt))
}

// counted counts items by their reason.
func counted(items map[string]mailbox.Reason) map[mailbox.Reason]int {
	if len(items) == 0 {
		return nil
	}
	n := map[mailbox.Reason]int{}
	for _, why := range items {
		n[why]++
	}
	return n
}

func (m *memory) unsaved() bool { return len(m.put)+len(m.gone)+len(m.trace) > 0 }

// retry plans the next catch-up after a failure.
func (t *turn) retry(until time.Time) {
	b := t.b
	at := time.Now().Add(backOff(b.failures))
	if until.After(at) {
		at = until
	}
	b.failures++
	b.syncAt = at
}

// load reads the state from cache.db, or begins with an empty one.
func (t *turn) load() bool {
	b := t.b
	if b.mem != nil {
		return true
	}
	saved, err := t.c.opt.Cache.LoadMailbox(t.ctx, string(b.mb.ID))
	if err == nil {
		var rows map[string]store.Published
		if rows, err = t.c.opt.Cache.Published(t.ctx, string(b.mb.ID)); err == nil {
			b.mem = t.unpack(saved, rows)
		}
	}
	if err != nil {
		t.broken = err
		return false
	}
	switch {
	case t.broken != nil:
		return false
	case b.live && b.mem.note.Sync == "": // the cache was lost meanwhile
		b.live, b.syncAt = false, time.Now()
		return false
	case b.live:
		t.feed(mailbox.Started{})
		t.drain()
	}
	return t.broken == nil
}

// unpack makes the state of what was saved. What cannot be read, or belongs to
// another baseline, is as good as lost.
func (t *turn) unpack(saved store.MailboxState, rows map[string]store.Published) *memory {
	b := t.b
	m := &memory{rows: rows, put: map[string]bool{}, gone: map[string]bool{}, savedCore: saved.Core, savedNote: saved.Sync}
	if m.rows == nil {
		m.rows = map[string]store.Published{}
	}
	m.rules = t.rules()
	m.core = mailbox.New(b.active.Baseline)
	old := new(mailbox.State)
	err := old.UnmarshalBinary(saved.Core)
	if err == nil && old.Baseline().Equal(b.active.Baseline) && json.Unmarshal(saved.Sync, &m.note) == nil {
		m.core, m.unsent = old, m.note.Dirty
		return m
	}
	if len(saved.Core) > 0 {
		t.c.log.Warn("saved state is set aside; the calendar is viewed anew", "mailbox", b.mb)
	}
	m.note = note{}
	return m
}

// rules are the connector's, with what is the mailbox's own filled in.
func (t *turn) rules() mailbox.Rules {
	r := t.c.opt.Rules
	r.Mailbox = t.b.mb
	id := t.b.mb.ID
	r.Entry = func(key string) string { return t.c.entry(id, key) }
	r.WeakChangeKeys = r.WeakChangeKeys || t.b.binding.WeakChangeKeys
	r.AbsentIsSent = r.AbsentIsSent || t.b.binding.AbsentIsSent
	if t.b.mb.Locale != "" {
		r.Render.Locale = t.b.mb.Locale
	}
	return r
}

// save writes the state, if it changed. A failure breaks the turn.
func (t *turn) save() bool {
	if t.broken != nil {
		return false
	}
	m := t.b.mem
	core, err := m.core.MarshalBinary()
	if err == nil {
		var sync []byte
		if sync, err = json.Marshal(m.note); err == nil {
			err = t.write(core, sync)
		}
	}
	if err != nil {
		t.broken = fmt.Errorf("save the state of a mailbox: %w", err)
	}
	return err == nil
}

func (t *turn) write(core, sync []byte) error {
	m := t.b.mem
	if bytes.Equal(core, m.savedCore) && bytes.Equal(sync, m.savedNote) && !m.unsaved() {
		return nil
	}
	s := store.MailboxSave{
		Mailbox: string(t.b.mb.ID), State: store.MailboxState{Core: core, Sync: sync}, Trace: m.trace,
	}
	for entry := range m.put {
		s.Publish = append(s.Publish, m.rows[entry])
	}
	for entry := range m.gone {
		s.Withdrawn = append(s.Withdrawn, entry)
	}
	if err := t.c.opt.Cache.SaveMailbox(t.ctx, s); err != nil {
		return err
	}
	clear(m.put)
	clear(m.gone)
	m.trace, m.savedCore, m.savedNote = nil, core, sync
	t.c.alarms.clear(alarmStore)
	return nil
}

// drain feeds answers and waiting events until there are none, or Run stops.
func (t *turn) drain() {
	for t.broken == nil && !t.stopping() {
		if len(t.answers) > 0 {
			ev := t.answers[0]
			if read, is := ev.(mailbox.Read); is && t.b.changedMeanwhile(read.Item.ID) {
				ev = mailbox.Changed{ID: read.Item.ID}
			} else {
				t.answers = t.answers[1:]
			}
			t.feed(ev)
			continue
		}
		ev, ok := t.b.next()
		if !ok {
			return
		}
		t.feed(ev)
	}
}

// feed gives one event to the core and carries the effects out.
func (t *turn) feed(ev mailbox.Event) {
	if t.broken != nil {
		return
	}
	t.fed = true
	t.c.metrics.events.Add(1)
	m := t.b.mem
	if _, is := ev.(mailbox.Lost); is {
		m.note.Lost = true
	}
	effects := m.core.Step(&m.rules, time.Now(), ev)
	t.trace(effects) // first: whatever saves the state saves its reasons beside it
	for _, e := range effects {
		if h, is := e.(mailbox.Hold); is && t.broken == nil {
			t.hold(h) // before the state is saved that counts it as said
		}
	}
	t.announce(effects)
	for _, e := range effects {
		if t.broken != nil {
			return
		}
		t.do(e)
	}
	if _, is := ev.(mailbox.Viewed); is {
		m.note.Lost = false
	}
}

// soonest is how near something to do has to be for a mailbox to go first.
const soonest = 2 * time.Hour

// urgency is that of catching up: mailboxes with something to do in the next
// hours go first, and none of them before changes that are being followed.
func (t *turn) urgency() calendar.Urgency {
	if m := t.b.mem; m != nil {
		if at := m.core.NextWake(); !at.IsZero() && time.Until(at) < soonest {
			return calendar.UrgentSoon
		}
	}
	return calendar.UrgentLoad
}

// catchUp brings the mailbox from what was saved to now.
func (t *turn) catchUp() {
	b := t.b
	ctx := t.ctx
	t.ctx = calendar.WithUrgency(ctx, t.urgency())
	err := t.caughtUp()
	t.ctx = ctx
	if t.broken != nil || t.stopping() {
		return
	}
	if err != nil {
		f := faultOf(err)
		t.c.alarms.fault(err)
		t.c.log.Warn("mailbox not caught up", "mailbox", b.mb, "error", f)
		b.failed(err)
		until := f.Until
		if f.Class == calendar.NoMailbox {
			until = time.Now().Add(t.c.opt.Recheck)
		}
		t.retry(until)
		return
	}
	t.c.alarms.reached()
	b.failures, b.live = 0, true
	b.syncAt = time.Now().Add(t.c.opt.Catchup - rand.N(t.c.opt.Catchup/4))
	b.well(calendar.StepSubscribe, time.Now())
}

func (t *turn) stopping() bool { return t.c.ready.isClosed() || t.b.gone.Load() }

func (t *turn) caughtUp() error {
	b := t.b
	b.mu.Lock()
	b.pending = false
	b.mu.Unlock()
	if err := t.bind(); err != nil {
		return err
	}
	if !t.load() {
		return t.broken
	}
	t.ctx = calendar.WithUrgency(t.ctx, t.urgency()) // now that the state is known
	m := b.mem
	if m.note.Sync == "" {
		if err := t.freshState(); err != nil {
			return err
		}
	}
	if err := t.changes(); err != nil {
		return err
	}
	if t.stopping() {
		return nil
	}
	if !b.live {
		if m.note.Dirty {
			b.resendAt = time.Now()
		}
		t.feed(mailbox.Started{})
		t.drain()
	}
	if m.note.Lost && !t.stopping() {
		t.feed(mailbox.Lost{})
		t.drain()
	}
	if t.broken == nil {
		t.save()
	}
	return t.broken
}

// bind finds the calendar, and activates the mailbox if this is the first time.
func (t *turn) bind() error {
	b := t.b
	if b.bound {
		return nil
	}
	binding, err := t.c.opt.Reader.Bind(t.ctx, b.mb)
	if err != nil {
		return err
	}
	b.binding = binding
	if b.active.Mailbox == "" {
		a := store.Activated{Mailbox: string(b.mb.ID), Baseline: binding.Now.UTC().Truncate(time.Microsecond), At: time.Now().UTC().Truncate(time.Microsecond)}
		if err := t.c.opt.Settings.PutActivated(t.ctx, a); err != nil {
			return fmt.Errorf("record the activation of a mailbox: %w", err)
		}
		b.active = a
		t.c.log.Info("mailbox activated", "mailbox", b.mb, "baseline", a.Baseline)
		err := t.c.opt.Settings.Audit(t.ctx, store.AuditEntry{At: a.At, Actor: "connector", Action: "mailbox.activate", Subject: a.Mailbox})
		if err != nil {
			return fmt.Errorf("record the activation of a mailbox: %w", err)
		}
	}
	b.bound = true
	return nil
}

// freshState takes a sync state that has everything before now behind it: what
// there is comes from a view.
func (t *turn) freshState() error {
	state := ""
	for !t.stopping() {
		page, err := t.c.opt.Reader.Changes(t.ctx, t.b.mb, state)
		if err != nil {
			return err
		}
		if !page.More || page.State == state {
			t.b.mem.note.Sync, t.b.mem.note.Lost = page.State, true
			return nil
		}
		state = page.State
	}
	return nil
}

// changes processes what changed since the saved state, page by page.
func (t *turn) changes() error {
	m := t.b.mem
	for more := true; more && t.broken == nil && !t.stopping(); {
		page, err := t.c.opt.Reader.Changes(t.ctx, t.b.mb, m.note.Sync)
		if err != nil {
			if faultOf(err).Class != calendar.StateLost {
				return err
			}
			t.c.log.Info("sync state was lost; the calendar is viewed anew", "mailbox", t.b.mb)
			m.note.Sync = ""
			return t.freshState()
		}
		for _, ch := range page.Changes {
			switch ch.Kind {
			case calendar.Upsert:
				t.feed(mailbox.Changed{ID: ch.ID})
			case calendar.Delete:
				t.feed(mailbox.Gone{ID: ch.ID})
			case calendar.Resync:
				m.note.Lost = true
			}
			t.drain()
		}
		more = page.More && page.State != m.note.Sync
		if t.broken == nil && !t.stopping() {
			m.note.Sync = page.State
			t.save()
		}
	}
	return t.broken
}
