package connector

import (
	"context"
	"iter"

	"github.com/koyomi-cal/koyomi/internal/api"
	"github.com/koyomi-cal/koyomi/internal/calendar"
)

// Reader reads calendars. Its errors are *[calendar.Fault].
type Reader interface {
	// Bind finds the mailbox's calendar: the first call of each run.
	Bind(ctx context.Context, m calendar.Mailbox) (calendar.Binding, error)
	// View returns every entry of the window, series expanded, with bodies, and
	// the masters of those series.
	View(ctx context.Context, m calendar.Mailbox, w calendar.Window) (entries, masters []calendar.Item, err error)
	// Changes returns a page of what changed since a state; the empty state
	// stands for everything that there is. A state that is worth nothing any
	// more is a fault of class StateLost.
	Changes(ctx context.Context, m calendar.Mailbox, state string) (calendar.Changes, error)
	// Get reads one item whole. An item that is not there, or not in the
	// calendar any more, is a fault of class Missing.
	Get(ctx context.Context, m calendar.Mailbox, id string) (calendar.Item, error)
}

// Watcher follows calendars.
type Watcher interface {
	// Watch tells what happens in the calendars of up to [GroupSize] mailboxes
	// until ctx ends. A notice of kind Catchup comes for each mailbox once its
	// changes are being told, and again whenever some may have been missed. A
	// fault beside a notice is about that notice's mailbox, which is tried again
	// by the watcher itself. The loop over it must not block.
	Watch(ctx context.Context, mailboxes []calendar.Mailbox) iter.Seq2[calendar.Notice, error]
}

// Writer writes to calendars. Its errors are *[calendar.Fault].
type Writer interface {
	// Patch makes one write under the patch's change key and returns the item's
	// id after it, which is empty where it stays the same.
	Patch(ctx context.Context, m calendar.Mailbox, p calendar.Patch) (newID string, err error)
}

// GroupSize is how many mailboxes one watch follows.
const GroupSize = 200

// Cloud is where sealed parts are put. *[api.Client] implements it.
type Cloud interface {
	// SetDelivery sets the accounts that get a resource.
	SetDelivery(ctx context.Context, resource string, accounts []string) error
	// Put writes one sealed part of an item.
	Put(ctx context.Context, resource, item, part string, p api.Part) (api.Written, error)
	// Delete removes an item.
	Delete(ctx context.Context, resource, item string, rev int64) (api.Written, error)
	// Items lists what the cloud holds of a resource.
	Items(ctx context.Context, resource string, after int64) (api.Page, error)
}
