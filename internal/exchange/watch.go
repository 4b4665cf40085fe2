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
		for _, m := range mailboxes {
			w.by[strings.ToLower(m.Address)] = m
		}
		w.run(ctx, yield)
	}
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
