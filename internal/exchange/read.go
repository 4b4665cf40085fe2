package exchange

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/koyomi-cal/koyomi/ews"
	"github.com/koyomi-cal/koyomi/internal/calendar"
)

const findMost = 1000 // items found in one request; servers refuse more

// knowledge is what was learned about the server from its answers.
type knowledge struct {
	mu        sync.Mutex
	expands   calendar.Tri // calendar views expand series
	organizer calendar.Tri // items say IsOrganizer
}

func (k *knowledge) learn(f func(*knowledge)) {
	k.mu.Lock()
	defer k.mu.Unlock()
	f(k)
}

func (k *knowledge) seen(it *ews.CalendarItem) {
	k.learn(func(k *knowledge) {
		if it.IsOrganizer != nil {
			k.organizer = calendar.Yes
		} else if k.organizer == calendar.Unknown {
			k.organizer = calendar.No
		}
	})
}

// Bind finds the mailbox's calendar. The baseline that it proposes is the
// server's time (ours, where it sends none), and later than anything that the
// server says was changed in the folder.
func (x *Exchange) Bind(ctx context.Context, m calendar.Mailbox) (calendar.Binding, error) {
	now := time.Now().UTC()
	if f := x.folder(m); now.Sub(f.at) < time.Minute {
		return f.binding, nil // the watch has just found it
	}
	commit := time.Time{}
	f, err := ask(ctx, x, m, calendar.StepBind, func(ctx context.Context, mb *ews.Mailbox) (folder, error) {
		found, err := mb.GetFolder(ctx, ews.FolderFields(), ews.FolderRef{}, ews.FolderRef{Distinguished: "deleteditems"})
		if err != nil {
			return folder{}, err
		}
		if found[0].Err != nil {
			return folder{}, found[0].Err
		}
		f := folder{calendar: found[0].Folder.ID.ID}
		if len(found) > 1 && found[1].Err == nil {
			f.deleted = found[1].Folder.ID.ID
		}
		if v, has := found[0].Folder.Property(ews.CommitTimeField()); has {
			commit, _ = time.Parse(time.RFC3339Nano, v)
		}
		return f, nil
	})
	if err != nil {
		return calendar.Binding{}, err
	}
	client, err := x.at(ctx, m.Address)
	if err != nil {
		return calendar.Binding{}, x.fault(calendar.StepConnect, err)
	}
	server, has := client.ServerTime()
	if !has {
		server = now
	}
	b := calendar.Binding{Now: baseline(server, commit.UTC()), AbsentIsSent: x.opt.AbsentIsSent}
	if b.WeakChangeKeys, err = x.weakKeys(ctx, m, now); err != nil {
		return calendar.Binding{}, err
	}
	f.binding, f.at = b, now
	x.mu.Lock()
	x.folders[m.Address] = f
	x.mu.Unlock()
	return b, nil
}

// baseline is the time from which on an item counts as new. Servers give an
// item's last change in whole seconds: what is saved in this second must not
// count as old, unless something old was saved in it.
func baseline(now, commit time.Time) time.Time {
	base := now.Truncate(time.Second)
	if commit.IsZero() || commit.Before(base) {
		return base
	}
	return commit.Truncate(time.Second).Add(time.Second)
}

// weakKeys finds out whether the server ignores change keys. Those that do are
// those that never say IsOrganizer; where the calendar is empty, nothing is
// known yet and the careful answer is given.
func (x *Exchange) weakKeys(ctx context.Context, m calendar.Mailbox, now time.Time) (bool, error) {
	known := func() calendar.Tri {
		x.know.mu.Lock()
		defer x.know.mu.Unlock()
		return x.know.organizer
	}
	if k := known(); k != calendar.Unknown {
		return k == calendar.No, nil
	}
	page, err := x.find(ctx, m, calendar.Window{From: now.AddDate(0, -1, 0), To: now.AddDate(0, 1, 0)}, 1)
	if err != nil {
		return false, err
	}
	if len(page.Items) > 0 {
		if _, err := x.readItems(ctx, m, []ews.ItemRef{page.Items[0].ItemID.Ref()}); err != nil {
			return false, err
		}
	}
	return known() != calendar.Yes, nil
}

// Changes returns a page of what changed since a state.
func (x *Exchange) Changes(ctx context.Context, m calendar.Mailbox, state string) (calendar.Changes, error) {
	page, err := ask(ctx, x, m, calendar.StepSubscribe, func(ctx context.Context, mb *ews.Mailbox) (ews.SyncFolderItemsPage, error) {
		return mb.SyncFolderItems(ctx, ews.SyncFolderItemsRequest{State: state})
	})
	if err != nil {
		return calendar.Changes{}, err
	}
	c := calendar.Changes{State: page.State, More: !page.Last}
	for _, ch := range page.Changes {
		switch ch.Kind {
		case ews.SyncCreate, ews.SyncUpdate:
			c.Changes = append(c.Changes, calendar.Change{Kind: calendar.Upsert, ID: ch.Item.ItemID.ID})
		case ews.SyncDelete:
			c.Changes = append(c.Changes, calendar.Change{Kind: calendar.Delete, ID: ch.Item.ItemID.ID})
		}
	}
	return c, nil
}

// Get reads one item whole.
func (x *Exchange) Get(ctx context.Context, m calendar.Mailbox, id string) (calendar.Item, error) {
	ref := ews.ItemID{ID: id}.Ref()
	e, err := ask(ctx, x, m, calendar.StepRead, func(ctx context.Context, mb *ews.Mailbox) (ews.CalendarItem, error) {
		return one(mb.GetItem(ctx, shape(x.opt.MaxBody), ref))
	})
	if corrupt(err) {
		e, err = ask(ctx, x, m, calendar.StepRead, func(ctx context.Context, mb *ews.Mailbox) (ews.CalendarItem, error) {
			return one(mb.GetItem(ctx, bodyless(), ref))
		})
	}
	if err != nil {
		return calendar.Item{}, err
	}
	x.know.seen(&e)
	return toItem(&e, x.folder(m), x.opt.MaxBody), nil
}

func (x *Exchange) folder(m calendar.Mailbox) folder {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.folders[m.Address]
}

// one returns the only item of an answer.
func one(results []ews.ItemResult, err error) (ews.CalendarItem, error) {
	switch {
	case err != nil:
		return ews.CalendarItem{}, err
	case len(results) == 0:
		return ews.CalendarItem{}, errors.New("the answer is empty")
	}
	return results[0].Item, results[0].Err
}

// corrupt reports whether the server has an item that it cannot read whole.
func corrupt(err error) bool {
	e, is := errors.AsType[*ews.Error](err)
	if !is {
		return false
	}
	switch e.Code {
	case "ErrorItemCorrupt", "ErrorCorruptData", "ErrorContentConversionFailed", "ErrorPropertyValueCorrupt":
		return true
	}
	return false
}

// readItems reads items whole, batch by batch. Items that went meanwhile are
// left out; those that the server stopped before are asked for again. It is not
// ews.Mailbox.GetItems, for the same reason as findAll, and since any item that
// failed in passing, wherever in the batch, is asked for again, a busy server within
// an answer ends the whole, and what is corrupt is read anew without its body.
func (x *Exchange) readItems(ctx context.Context, m calendar.Mailbox, refs []ews.ItemRef) ([]ews.CalendarItem, error) {
	var items []ews.CalendarItem
	for len(refs) > 0 {
		n := min(x.batchSize(ctx, m), len(refs))
		some, left, err := x.readBatch(ctx, m, refs[:n])
		if err != nil {
			return nil, err
		}
		if len(left) == n { // no progress: what the first of them says is the reason
			return nil, &calendar.Fault{Class: calendar.Wait, Step: calendar.StepRead, Sentence: "the server stopped before it read any item; it is tried again"}
		}
		items = append(items, some...)
		refs = append(left, refs[n:]...)
	}
	return items, nil
}

// readBatch reads a few items in one request.
func (x *Exchange) readBatch(ctx context.Context, m calendar.Mailbox, refs []ews.ItemRef) (items []ews.CalendarItem, left []ews.ItemRef, err error) {
	results, err := ask(ctx, x, m, calendar.StepRead, func(ctx context.Context, mb *ews.Mailbox) ([]ews.ItemResult, error) {
		results, err := mb.GetItem(ctx, shape(x.opt.MaxBody), refs...)
		for _, r := range results {
			if e, is := errors.AsType[*ews.Error](r.Err); is && e.Code == "ErrorServerBusy" {
				return nil, e
			}
		}
		return results, err
	})
	if err != nil {
		return nil, nil, err
	}
	for i, r := range results {
		e, is := errors.AsType[*ews.Error](r.Err)
		switch {
		case r.Err == nil:
			x.know.seen(&r.Item)
			items = append(items, r.Item)
		case corrupt(r.Err):
			it, err := ask(ctx, x, m, calendar.StepRead, func(ctx context.Context, mb *ews.Mailbox) (ews.CalendarItem, error) {
				return one(mb.GetItem(ctx, bodyless(), refs[i]))
			})
			if err == nil {
				items = append(items, it)
			} else if f := x.fault(calendar.StepRead, err); f.Class == calendar.Wait || f.Class == calendar.NoAccount {
				return nil, nil, err
			}
		case is && e.Class() == ews.Transient:
			left = append(left, refs[i])
		default:
			x.log.Debug("item left out of a view", "mailbox", m, "error", r.Err)
		}
	}
	return items, left, nil
}

// find finds what lies in a window, bodies left out.
func (x *Exchange) find(ctx context.Context, m calendar.Mailbox, w calendar.Window, most int) (ews.FindItemPage, error) {
	return ask(ctx, x, m, calendar.StepRead, func(ctx context.Context, mb *ews.Mailbox) (ews.FindItemPage, error) {
		return mb.FindItem(ctx, ews.FindItemRequest{Start: w.From, End: w.To, Max: most, Shape: ews.ViewShape()})
	})
}
