package exchange

import (
	"context"
	"errors"
	"iter"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"github.com/koyomi-cal/koyomi/ews"
	"github.com/koyomi-cal/koyomi/internal/calendar"
)

const (
	subscribeAtOnce = 8                // subscriptions made at the same time by one watch
	streamless      = 3                // streams in a row that never begin until changes are asked for instead
	retryStream     = 15 * time.Minute // when a stream is tried again then
	hasty           = 5 * time.Second  // a stream that is closed sooner than this did not work
)

// said is one thing that a watch tells.
type said struct {
	notice calendar.Notice
	err    error
}

// watch is one call of Watch.
type watch struct {
	x   *Exchange
	out chan said
}

// sub is one mailbox of a watch.
type sub struct {
	m      calendar.Mailbox
	id     string // of the subscription; empty: there is none
	folder string // id of the calendar
	whole  bool   // the whole mailbox is watched
	due    time.Time
	tries  int
}

// Watch tells what happens in the calendars of up to 200 mailboxes until ctx
// ends. Each begins with a notice of kind Catchup; another one follows whenever
// changes may have been missed. A fault beside a mailbox's notice says that it
// cannot be watched now; it is tried again by itself.
func (x *Exchange) Watch(ctx context.Context, mailboxes []calendar.Mailbox) iter.Seq2[calendar.Notice, error] {
	return func(yield func(calendar.Notice, error) bool) {
		ctx, cancel := context.WithCancel(ctx)
		w := &watch{x: x, out: make(chan said)}
		subs := make([]*sub, len(mailboxes))
		for i, m := range mailboxes {
			subs[i] = &sub{m: m}
		}
		var running sync.WaitGroup
		running.Go(func() { w.group(ctx, subs) })
		defer running.Wait()
		defer cancel()
		for {
			select {
			case s := <-w.out:
				if !yield(s.notice, s.err) {
					return
				}
			case <-ctx.Done():
				return
			}
		}
	}
}

// say hands something to the loop over the watch.
func (w *watch) say(ctx context.Context, n calendar.Notice, err error) {
	select {
	case w.out <- said{n, err}:
	case <-ctx.Done():
	}
}

func (w *watch) catchUp(ctx context.Context, subs ...*sub) {
	for _, s := range subs {
		w.say(ctx, calendar.Notice{Mailbox: s.m.ID, Change: calendar.Change{Kind: calendar.Catchup}}, nil)
	}
}

// group watches mailboxes by one stream, or by one each where the server will
// not have it otherwise, or by asking.
func (w *watch) group(ctx context.Context, subs []*sub) {
	tries, broken := 0, false
	for ctx.Err() == nil {
		alone, poll := w.x.manner()
		switch {
		case poll > 0:
			w.poll(ctx, subs, poll)
			continue
		case alone && len(subs) > 1:
			var g sync.WaitGroup
			for _, s := range subs {
				g.Go(func() { w.group(ctx, []*sub{s}) })
			}
			g.Wait()
			return
		}
		w.subscribe(ctx, subs)
		live := having(subs)
		if len(live) == 0 {
			if w.idle(ctx, nextDue(subs)) {
				makeDue(subs)
			}
			continue
		}
		began, err := w.follow(ctx, subs, live, &broken)
		switch {
		case errors.Is(err, errWiden):
			w.unsubscribe(ctx, live)
			continue
		case errors.Is(err, errCut):
			broken = true // what was on its way is lost
			continue
		case err == nil && began:
			continue
		}
		if began {
			tries = 0
		}
		broken = broken || err != nil
		w.ended(ctx, live, err)
		again := time.Now().Add(backOff(tries))
		if held := w.x.ews().HeldUntil(); held.After(again) {
			again = held // nothing is sent before, unless the password is another one
		}
		w.idle(ctx, again)
		tries++
	}
}

// manner says how mailboxes are to be watched: one by one, and by asking at an
// interval where streams do not come through.
func (x *Exchange) manner() (alone bool, poll time.Duration) {
	x.know.mu.Lock()
	defer x.know.mu.Unlock()
	if time.Now().Before(x.know.pollUntil) {
		poll = x.opt.Poll
	}
	return x.know.cannotMix, poll
}

// poll has the changes of each mailbox asked for, once, and waits.
func (w *watch) poll(ctx context.Context, subs []*sub, every time.Duration) {
	w.catchUp(ctx, subs...)
	w.idle(ctx, time.Now().Add(every-rand.N(every/5)))
}

// idle waits for a time, or for new credentials, which make everything due.
func (w *watch) idle(ctx context.Context, until time.Time) (renewed bool) {
	t := time.NewTimer(time.Until(until))
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	case <-w.x.renewal():
		return true
	}
	return false
}

func having(subs []*sub) (live []*sub) {
	for _, s := range subs {
		if s.id != "" {
			live = append(live, s)
		}
	}
	return live
}

// nextDue is when the first of the mailboxes without subscription is tried again.
func nextDue(subs []*sub) time.Time {
	next := time.Now().Add(time.Hour)
	for _, s := range subs {
		if s.id == "" && s.due.Before(next) {
			next = s.due
		}
	}
	return next
}

// subscribe makes the subscriptions that are due and reports whether there is a
// new one.
func (w *watch) subscribe(ctx context.Context, subs []*sub) bool {
	now, fresh := time.Now(), make([]bool, len(subs))
	slots := make(chan struct{}, subscribeAtOnce)
	var g sync.WaitGroup
	for i, s := range subs {
		if s.id != "" || s.due.After(now) || ctx.Err() != nil {
			continue
		}
		slots <- struct{}{}
		g.Go(func() {
			defer func() { <-slots }()
			fresh[i] = w.subscribeOne(ctx, s)
		})
	}
	g.Wait()
	for _, f := range fresh {
		if f {
			return true
		}
	}
	return false
}

func (w *watch) subscribeOne(ctx context.Context, s *sub) bool {
	x := w.x
	if x.folder(s.m).calendar == "" {
		if _, err := x.Bind(ctx, s.m); err != nil {
			w.refused(ctx, s, err)
			return false
		}
	}
	s.folder = x.folder(s.m).calendar
	x.know.mu.Lock()
	s.whole = x.know.folderNew > 1 && !x.know.itemNews
	x.know.mu.Unlock()
	id, err := ask(ctx, x, s.m, calendar.StepSubscribe, func(ctx context.Context, mb *ews.Mailbox) (string, error) {
		return mb.Subscribe(ctx, ews.SubscribeRequest{AllFolders: s.whole})
	})
	if err != nil {
		w.refused(ctx, s, err)
		return false
	}
	s.id, s.tries = id, 0
	w.catchUp(ctx, s)
	return true
}

// refused plans when a mailbox that cannot be watched is tried again, and says
// why.
func (w *watch) refused(ctx context.Context, s *sub, err error) {
	if ctx.Err() != nil {
		return
	}
	f := w.x.fault(calendar.StepSubscribe, err)
	s.due = time.Now().Add(backOff(s.tries))
	s.tries++
	if f.Class == calendar.NoMailbox || f.Class == calendar.Denied || f.Class == calendar.StateLost {
		s.due = time.Now().Add(w.x.opt.Recheck)
	}
	if f.Until.After(s.due) {
		s.due = f.Until
	}
	w.say(ctx, calendar.Notice{Mailbox: s.m.ID}, f)
}

// errCut says that we have ended a stream to open another one.
var errCut = errors.New("stream is opened anew with more mailboxes")

// errWiden says that the server names items only to those who watch everything.
var errWiden = errors.New("the whole mailbox has to be watched")

// errSilentStart says that a stream did not begin in time.
var errSilentStart = errors.New("the event stream did not begin; a proxy may hold answers back")

// follow reads one stream to its end. Beside it the mailboxes without
// subscription are tried again; a new one ends the stream, so that the next
// carries it too. Where broken says that events may have been lost with an
// earlier stream, the changes are asked for as soon as this one has begun. It
// reports whether the stream worked for a while.
func (w *watch) follow(ctx context.Context, subs, live []*sub, broken *bool) (began bool, err error) {
	x := w.x
	anchor := x.anchor(live)
	if at := x.pace.wait(strings.ToLower(anchor.m.Address)); !at.IsZero() {
		w.idle(ctx, at)
		return true, nil // nothing was tried, so nothing failed
	}
	if f := x.pace.enter(strings.ToLower(anchor.m.Address)); f != nil {
		w.idle(ctx, f.Until)
		return true, nil
	}
	ctx, cut := context.WithCancelCause(ctx)
	var beside sync.WaitGroup
	beside.Go(func() {
		for ctx.Err() == nil {
			if w.idle(ctx, nextDue(subs)) {
				makeDue(subs)
			}
			if w.subscribe(ctx, subs) {
				cut(errCut)
			}
		}
	})
	start := time.AfterFunc(x.opt.FirstWord, func() { cut(errSilentStart) })
	defer func() {
		start.Stop()
		cut(nil)
		beside.Wait()
	}()

	opened, first := time.Now(), true
	ids, byID := make([]string, len(live)), make(map[string]*sub, len(live))
	for i, s := range live {
		ids[i], byID[s.id] = s.id, s
	}
	length := x.opt.StreamTime - rand.N(x.opt.StreamTime/4)
	for n, err := range x.ews().As(anchor.m.Address).GetStreamingEvents(ctx, ids, length) {
		if err != nil {
			if cause := context.Cause(ctx); cause != nil && ctx.Err() != nil {
				err = cause
			}
			x.streamFailed(anchor, err, first)
			return time.Since(opened) > hasty, err
		}
		if first {
			first = false
			start.Stop()
			x.pace.leave(strings.ToLower(anchor.m.Address), nil, nil)
			x.know.learn(func(k *knowledge) { k.noStream = 0 })
			if *broken {
				*broken = false
				w.catchUp(ctx, live...)
			}
		}
		if w.tell(ctx, n.Events, byID, live) {
			return true, errWiden
		}
	}
	return time.Since(opened) > hasty, nil
}

func makeDue(subs []*sub) {
	for _, s := range subs {
		if s.id == "" {
			s.due = time.Time{}
		}
	}
}

// anchor is the mailbox on whose behalf the stream is opened: the first that is
// not to be left alone.
func (x *Exchange) anchor(live []*sub) *sub {
	for _, s := range live {
		if x.pace.wait(strings.ToLower(s.m.Address)).IsZero() {
			return s
		}
	}
	return live[0]
}

// streamFailed takes in why a stream ended.
func (x *Exchange) streamFailed(anchor *sub, err error, first bool) {
	if first {
		x.pace.leave(strings.ToLower(anchor.m.Address), x.fault(calendar.StepSubscribe, err), err)
	}
	if !errors.Is(err, errSilentStart) {
		return
	}
	x.know.learn(func(k *knowledge) {
		if k.noStream++; k.noStream >= streamless {
			k.noStream, k.pollUntil = 0, time.Now().Add(retryStream)
			x.log.Warn("no event stream comes through; changes are asked for instead; look for a proxy that buffers answers", "every", x.opt.Poll)
		}
	})
}

// ended works out what a failed stream means for its subscriptions.
func (w *watch) ended(ctx context.Context, live []*sub, err error) {
	if ctx.Err() != nil {
		return
	}
	e, is := errors.AsType[*ews.Error](err)
	switch {
	case err == nil, is && e.Class() == ews.Resubscribe && len(e.SubscriptionIDs) == 0:
		drop(live) // closed at once, or nobody knows which: all of them anew
	case is && e.Class() == ews.Resubscribe:
		w.x.mixed(live, e.SubscriptionIDs)
		for _, s := range live {
			for _, id := range e.SubscriptionIDs {
				if s.id == id {
					drop([]*sub{s})
				}
			}
		}
	case is && e.Class() == ews.ItemLocal, is && e.Class() == ews.OwnBug, is && e.Class() == ews.MailboxPermanent:
		drop(live)
		w.x.mixed(live, nil)
	case len(live) == 1:
		drop(live) // some servers give the same ids out again after a restart
	}
	if is {
		f := w.x.fault(calendar.StepSubscribe, err)
		w.say(ctx, calendar.Notice{}, f)
	}
}

func drop(subs []*sub) {
	for _, s := range subs {
		s.id, s.due = "", time.Time{}
	}
}

// mixed learns from a stream of several mailboxes that failed at once: if the
// server found fault with all subscriptions but the anchor's, it cannot carry
// those of two mailboxes in one stream.
func (x *Exchange) mixed(live []*sub, bad []string) {
	if len(live) < 2 || bad != nil && len(bad) < len(live)-1 {
		return
	}
	x.know.learn(func(k *knowledge) { k.cannotMix = true })
	x.log.Info("the server wants one event stream for each mailbox")
}

// unsubscribe ends subscriptions that have become useless.
func (w *watch) unsubscribe(ctx context.Context, subs []*sub) {
	for _, s := range subs {
		_, err := ask(ctx, w.x, s.m, calendar.StepSubscribe, func(ctx context.Context, mb *ews.Mailbox) (struct{}, error) {
			return struct{}{}, mb.Unsubscribe(ctx, s.id)
		})
		if err != nil {
			w.x.log.Debug("subscription is left to end by itself", "mailbox", s.m, "error", err)
		}
	}
	drop(subs)
}

// tell translates the events of one document. It reports whether the mailboxes
// have to be watched as a whole.
func (w *watch) tell(ctx context.Context, events []ews.Event, byID map[string]*sub, live []*sub) (widen bool) {
	items, folders := map[*sub]bool{}, map[*sub]bool{}
	for i := range events {
		ev := &events[i]
		s := byID[ev.SubscriptionID]
		if s == nil {
			if len(live) > 1 {
				continue
			}
			s = live[0]
		}
		if ev.ItemID.ID == "" {
			if ev.Type == ews.Modified && (ev.FolderID.ID == s.folder || !s.whole) {
				folders[s] = true
			}
			continue
		}
		items[s] = true
		for _, ch := range changes(ev, s) {
			w.say(ctx, calendar.Notice{Mailbox: s.m.ID, Change: ch, At: ev.Time}, nil)
		}
	}
	for s := range folders {
		if w.x.byFolder(events, s, items[s]) {
			w.catchUp(ctx, s)
		}
	}
	return w.x.widen(live)
}

// changes translates one event about an item.
func changes(ev *ews.Event, s *sub) (out []calendar.Change) {
	here := func(f ews.FolderID) bool { return f.ID == s.folder || f.ID == "" && !s.whole }
	switch ev.Type {
	case ews.Deleted:
		if here(ev.ParentFolderID) {
			out = append(out, calendar.Change{Kind: calendar.Delete, ID: ev.ItemID.ID})
		}
	case ews.Moved:
		if here(ev.OldParentFolderID) && ev.OldItemID.ID != "" {
			out = append(out, calendar.Change{Kind: calendar.Delete, ID: ev.OldItemID.ID})
		}
		if here(ev.ParentFolderID) {
			out = append(out, calendar.Change{Kind: calendar.Upsert, ID: ev.ItemID.ID})
		}
	case ews.Created, ews.Modified, ews.Copied:
		if here(ev.ParentFolderID) {
			out = append(out, calendar.Change{Kind: calendar.Upsert, ID: ev.ItemID.ID})
		}
	}
	return out
}

// byFolder decides about an event that names the calendar and no item. Exchange
// sends one beside each event about an item, where it means nothing.
func (x *Exchange) byFolder(events []ews.Event, s *sub, withItem bool) (ask bool) {
	x.know.learn(func(k *knowledge) {
		for i := range events {
			if ev := &events[i]; ev.ItemID.ID != "" && ev.Type == ews.Modified && !s.whole {
				k.itemNews = true
			}
		}
		if withItem || k.itemNews {
			return
		}
		ask = true
		if !s.whole {
			k.folderNew++
		}
	})
	return ask
}

// widen reports whether the mailboxes have to be watched as a whole from now
// on, because the server does not name items otherwise.
func (x *Exchange) widen(live []*sub) bool {
	x.know.mu.Lock()
	defer x.know.mu.Unlock()
	return x.know.folderNew > 1 && !x.know.itemNews && !live[0].whole
}
