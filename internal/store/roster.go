package store

import (
	"context"
	"time"
)

// Roster is what settings.db knows of who is to be served: by configuration or
// by command, and who has left.
type Roster interface {
	// PutMembers writes members' records, new or changed, with the audit entries
	// about them, and raises the roster's revision.
	PutMembers(ctx context.Context, members []Member, entries ...AuditEntry) error
	// Members returns every record in the order of the mailboxes' ids.
	Members(ctx context.Context) ([]Member, error)
	// MoveMember changes a member's standing from one to another, like
	// PutMembers. It reports false where that was not its standing.
	MoveMember(ctx context.Context, mailbox string, from, to Standing) (bool, error)
	// RosterRev returns a number that is another one after every change.
	RosterRev(ctx context.Context) (int64, error)
	// History returns the audit entries about a mailbox, oldest first: the
	// latest ones where there are more than limit.
	History(ctx context.Context, mailbox string, limit int) ([]AuditEntry, error)
	// Purge removes a mailbox's record, its activation and its share in the
	// write counts, whose sums stay, and says what there was. Audit entries stay
	// for as long as they are kept. It fails with ErrTaken, and removes nothing,
	// where the mailbox is configured or chosen.
	Purge(ctx context.Context, mailbox string) (Purged, error)
}

// Standing says why a mailbox is on the roster.
type Standing string

// The standings.
const (
	Configured Standing = "configured" // it stands in the configuration
	Chosen     Standing = "chosen"     // it was activated by command
	Leaving    Standing = "leaving"    // not served any more; the cloud may still have something of it
	Left       Standing = "left"       // not served any more, and taken out of the cloud
)

// Member is one mailbox of the roster.
type Member struct {
	Mailbox  string // short id
	Standing Standing
	At       time.Time // since when, by our clock
	Details  []byte    // address, names and owner, sealed by the connector
}

// Purged is what there was of a mailbox before it was removed.
type Purged struct {
	Member     bool
	Activation bool
	Hours      int // hours in which something was written
}

// Statuses is what cache.db knows of how mailboxes are served, for those who
// look at it from beside the connector.
type Statuses interface {
	// PutStatuses writes the statuses of mailboxes.
	PutStatuses(ctx context.Context, list ...MailboxNote) error
	// Statuses returns all of them in the order of the mailboxes' ids.
	Statuses(ctx context.Context) ([]MailboxNote, error)
}

// MailboxNote is one mailbox's status.
type MailboxNote struct {
	Mailbox string
	At      time.Time
	Note    []byte // opaque: ids, codes and sentences, never content
}
