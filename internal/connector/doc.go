// Package connector runs mailboxes: it feeds what happens in calendars to the
// pure core (package mailbox) and carries out what the core wants done. It
// decides nothing about meetings.
//
// # How to call it
//
//	c, err := connector.New(ctx, connector.Options{Mailboxes: …, Reader: x, Watcher: x, Writer: x, …})
//	...
//	err = c.Run(ctx)    // until ctx ends
//	c.Status()          // at any time
//
// Calendars come in through the small interfaces of this package, which
// package exchange implements; sealed meetings go out through [Cloud].
//
// # One mailbox
//
// A mailbox is a box with a queue. It has a goroutine only while it has work:
// a worker takes the box, feeds its events to the core one at a time and
// carries the effects out in order, until the queue is empty. A hundred thousand
// boxes without work cost their records and nothing more; their states lie in
// cache.db and are loaded when something happens. All waiting is in one heap
// with one timer.
//
// A box starts like this, at each start of the program and whenever the watcher
// says that something may have been missed ([calendar.Catchup]):
//
//	bind → (watched: events wait in the queue) → changes since the saved sync
//	state, page by page, each processed before its state is saved → Started →
//	the queue
//
// A mailbox seen for the first time is activated: its baseline is set by the
// server's clock and written to settings.db, a sync state is taken and
// everything before it is left alone; the list comes from a view.
//
// # What survives what
//
// The state is saved before each write to a calendar, with the intent in it,
// and after each turn. Any failure to save ends the turn and drops what is in
// memory: the box starts again from what was saved last, exactly as after a
// crash. There is one road back, and it is used often enough to work.
//
// A lost cache.db costs one view of each calendar. A lost settings.db sets a
// new baseline: nothing older is ever written.
//
// # Publishing
//
// An entry of the meeting list is sealed under the calendar's keys and put into
// the cloud if its keyed hash differs from what was put last. Revisions are
// milliseconds, raised where the cloud knows a later one. When cloud or key
// server are away, nothing is kept in clear to be sent later: the mailbox is
// marked, and when both are back its calendar is viewed again. Reading and
// writing calendars go on meanwhile.
//
// # Stopping
//
// When Run's context ends, no further event is taken; effects under way may end
// within [Options.Grace], then they are aborted. Run returns when every
// goroutine is gone.
package connector
