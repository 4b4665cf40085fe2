package exchange

import (
	"context"
	"errors"
	"iter"
	"strings"

	"github.com/koyomi-cal/koyomi/ews"
	"github.com/koyomi-cal/koyomi/internal/calendar"
)

// Watch tells what happens in the calendars of up to 200 mailboxes until ctx
// ends. Each begins with a notice of kind Catchup; another one follows whenever
// changes may have been missed. A fault beside a mailbox's notice says that it
// cannot be watched now; it is tried again by itself. After a fault of class
// Taken the watch ends: another program follows these mailboxes.
func (x *Exchange) Watch(ctx context.Context, mailboxes []calendar.Mailbox) iter.Seq2[calendar.Notice, error] {
	if x.finder != nil {
		return x.watchFound(ctx, mailboxes)
	}
	return x.watchAt(ctx, func() (*ews.Client, error) { return x.ews(), nil }, mailboxes)
}

// watchAt watches mailboxes that are all at one server.
func (x *Exchange) watchAt(ctx context.Context, at func() (*ews.Client, error), mailboxes []calendar.Mailbox) iter.Seq2[calendar.Notice, error] {
	return func(yield func(calendar.Notice, error) bool) {
		w := &watch{x: x, at: at, by: make(map[string]calendar.Mailbox, len(mailboxes))}
		addresses := make([]string, len(mailboxes))
		for i, m := range mailboxes {
			addresses[i] = m.Address
			w.by[strings.ToLower(m.Address)] = m
		}
		var state *ews.GroupState
		for more := true; more && ctx.Err() == nil; {
			client, err := at()
			if err != nil {
				yield(calendar.Notice{}, x.fault(calendar.StepConnect, err))
				return
			}
			g, err := ews.NewGroup(w.options(client, addresses, state))
			if err != nil {
				yield(calendar.Notice{}, x.fault(calendar.StepSubscribe, err))
				return
			}
			more = w.follow(ctx, client, g, yield)
			s := g.State(nil)
			state = &s
		}
	}
}

// watch is one call of Watch.
type watch struct {
	x  *Exchange
	at func() (*ews.Client, error)
	by map[string]calendar.Mailbox // by address in lower case
}

func (w *watch) options(client *ews.Client, addresses []string, state *ews.GroupState) ews.GroupOptions {
	o := w.x.opt
	return ews.GroupOptions{
		Client: client, Mailboxes: addresses, State: state, Logger: o.Log,
		StreamTime: o.StreamTime, FirstWord: o.FirstWord, Poll: o.Poll, Recheck: o.Recheck,
		Prepare: func(ctx context.Context, address string) error {
			m := w.by[strings.ToLower(address)]
			if w.x.folder(m).calendar != "" {
				return nil
			}
			_, err := w.x.Bind(calendar.WithUrgency(ctx, calendar.UrgentLoad), m)
			return err
		},
	}
}

// follow tells what a group tells. It returns true where the group has to be
// made anew, because another client took the place of its one.
func (w *watch) follow(ctx context.Context, client *ews.Client, g *ews.Group, yield func(calendar.Notice, error) bool) (again bool) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		w.renew(ctx, client, g, cancel)
	}()
	defer func() { <-done }()
	defer cancel()
	for ev, err := range g.Events(ctx) {
		m := w.by[strings.ToLower(ev.Mailbox)]
		switch {
		case err != nil:
			w.x.noteCall(m.Address, err)
			f := w.x.fault(calendar.StepSubscribe, err)
			if !yield(calendar.Notice{Mailbox: m.ID}, f) || f.Class == calendar.Taken {
				return false
			}
		case ev.Kind == ews.GroupSync:
			if !yield(calendar.Notice{Mailbox: m.ID, Change: calendar.Change{Kind: calendar.Catchup}}, nil) {
				return false
			}
		default:
			for _, ch := range changes(&ev.Event, w.x.folder(m).calendar, ev.AllFolders) {
				if !yield(calendar.Notice{Mailbox: m.ID, Change: ch, At: ev.Event.Time}, nil) {
					return false
				}
			}
		}
	}
	return w.other(client)
}

// other reports whether another client has taken the place of this one.
func (w *watch) other(client *ews.Client) bool {
	now, err := w.at()
	return err == nil && now != client
}

// renew has everything tried at once when credentials have changed, and ends
// the group when the client has.
func (w *watch) renew(ctx context.Context, client *ews.Client, g *ews.Group, end func()) {
	for {
		renewal := w.x.renewal()
		if w.other(client) {
			end()
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-renewal:
			g.TryNow()
		}
	}
}

// changes translates one event about an item.
func changes(ev *ews.Event, folder string, whole bool) (out []calendar.Change) {
	here := func(f ews.FolderID) bool { return f.ID == folder || f.ID == "" && !whole }
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

// taken reports whether another program has opened a stream with our
// subscriptions.
func taken(err error) bool {
	e, is := errors.AsType[*ews.Error](err)
	return is && e.Code == "ErrorNewEventStreamConnectionOpened"
}
