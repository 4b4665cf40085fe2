// Package store names what the roles keep and how they ask for it: records,
// errors, and one small interface for each role and kind of file. The driver
// is in store/sqlite; store/storetest is the suite that every driver passes.
//
// Each role has up to two files:
//
//	settings.db  what cannot be had again: who is activated, keys, accounts,
//	             audit. Small, backed up, written through to the disk.
//	cache.db     what Exchange or a connector can give again. When it is lost,
//	             work begins anew and nothing else happens.
//
// The connector has [Settings] and [Cache], the cloud [Accounts] and [Objects],
// the key server [KMS].
//
// Nothing in here holds a subject, a body, a link or an attendee in clear.
// Blobs are opaque to the store. Times are kept to the microsecond; the zero
// time is kept as such. Strings are ids or short names; whoever writes them has
// checked their form.
//
// # Errors
//
// A method fails with an error that wraps one of the errors below where its
// documentation names it, or one of those that every method can give: ErrLost,
// ErrDamaged, ErrFull, ErrBusy. These carry a sentence that says which file and
// what to do.
package store

import (
	"context"
	"errors"
	"time"
)

// What a method of the interfaces can fail with.
var (
	// ErrNotFound: no such record.
	ErrNotFound = errors.New("not found")
	// ErrStale: the revision is older than the stored one.
	ErrStale = errors.New("older than the stored revision")
	// ErrTaken: the record exists and belongs to somebody else.
	ErrTaken = errors.New("belongs to somebody else")
	// ErrReset: the cursor is too old to go on from.
	ErrReset = errors.New("cursor is too old")
	// ErrCode: no such code, or it is spent, too old, or had its tries.
	ErrCode = errors.New("one-time code is not valid")

	// ErrLost: the file was removed or replaced while in use. A cache has been
	// begun anew: load again what was loaded.
	ErrLost = errors.New("database file was removed or replaced")
	// ErrDamaged: the file is not a database any more.
	ErrDamaged = errors.New("database file is damaged")
	// ErrFull: no space on the disk.
	ErrFull = errors.New("disk is full")
	// ErrBusy: another process holds the file.
	ErrBusy = errors.New("database file is held by another process")
	// ErrNewer: the file was written by a newer version of the program.
	ErrNewer = errors.New("database file is of a newer version")
)

// Code is a one-time code as a server keeps it.
type Code struct {
	ID      string   // public half
	Hash    [32]byte // SHA-256 of the secret half
	Expires time.Time
	Tries   int    // wrong tries that are left
	Role    string // of the account or instance that it makes
	Subject string // what it is bound to: see the interface that keeps it
}

// AuditEntry is one line of a role's own record of what people and programs
// did. It names ids, never content.
type AuditEntry struct {
	At      time.Time
	Actor   string // instance, account or "command line"
	Action  string // e.g. "enrol.code"
	Subject string // id of what it was done to
}

// Settings is the connector's settings.db.
type Settings interface {
	// PutActivated writes a mailbox's record, new or changed.
	PutActivated(ctx context.Context, a Activated) error
	// Activated returns the activated mailboxes in the order of their ids.
	Activated(ctx context.Context) ([]Activated, error)
	// DeleteActivated removes a mailbox's record, if there is one.
	DeleteActivated(ctx context.Context, mailbox string) error

	// Value returns the value of a key, or ErrNotFound.
	Value(ctx context.Context, key string) ([]byte, error)
	// PutValue sets the value of a key.
	PutValue(ctx context.Context, key string, value []byte) error
	// InitValue sets the value of a key that has none and returns what it has
	// then: of two that try, one value stands.
	InitValue(ctx context.Context, key string, value []byte) ([]byte, error)

	// AddWrites counts writes and the recipients of their mails in the hour
	// that contains at.
	AddWrites(ctx context.Context, mailbox string, at time.Time, writes, recipients int) error
	// Writes returns the counts of the hours that end after since, oldest first.
	Writes(ctx context.Context, since time.Time) ([]WriteCount, error)

	// Audit appends to the record.
	Audit(ctx context.Context, e AuditEntry) error
	// AuditSince returns entries from a time on, oldest first, at most limit.
	AuditSince(ctx context.Context, since time.Time, limit int) ([]AuditEntry, error)
	// Prune removes write counts and audit entries from before a time.
	Prune(ctx context.Context, writes, audit time.Time) error

	Close() error
}

// Meetings is what settings.db knows of meetings that were made at meeting
// services: it outlives the cache, because only by it are they ended.
type Meetings interface {
	// Meeting returns what is kept under a tag, or ErrNotFound.
	Meeting(ctx context.Context, tag string) (Meeting, error)
	// UpdateMeeting has a function change what is kept under a tag, beginning
	// with an empty record if there is none, while nobody else does. An error of
	// the function changes nothing and is returned.
	UpdateMeeting(ctx context.Context, tag string, change func(*Meeting) error) error
	// DeleteMeeting removes what is kept under a tag, if anything is.
	DeleteMeeting(ctx context.Context, tag string) error
	// MeetingsOf returns the meetings made for one meeting of a calendar, in the
	// order of their tags.
	MeetingsOf(ctx context.Context, family string) ([]Meeting, error)
	// MeetingsDue returns those of which something is due by a time, the
	// earliest first, at most limit.
	MeetingsDue(ctx context.Context, now time.Time, limit int) ([]Meeting, error)
}

// Meeting is one meeting at a service. The blobs hold no link, address or
// subject.
type Meeting struct {
	Tag    string    // opaque id
	Family string    // opaque id of the calendar's meeting that it was made for
	Due    time.Time // when something is to be done about it; zero: never
	Held   []byte    // who needs it: the core's
	Entry  []byte    // what the service has: the service's client's
}

// Activated is a mailbox that is served.
type Activated struct {
	Mailbox  string    // short id
	Baseline time.Time // items last modified before it are never written; by Exchange's clock
	Resource string    // the calendar's resource id at the key server and the cloud; empty: not yet known
	At       time.Time // when it was activated, by our clock
}

// WriteCount is what was written for one mailbox in one hour.
type WriteCount struct {
	Mailbox    string
	Hour       time.Time // its begin, UTC
	Writes     int
	Recipients int
}

// Cache is the connector's cache.db: for each mailbox its state, what is
// published of it, and the trace.
//
// A mailbox is loaded before it is saved. When the file is lost or damaged
// while in use, it is begun anew, empty, and for each mailbox that was loaded
// from the old one the next save fails with ErrLost until it is loaded again,
// which then gives the zero state. So nothing is ever saved half.
type Cache interface {
	// LoadMailbox returns a mailbox's state, the zero state if there is none.
	LoadMailbox(ctx context.Context, mailbox string) (MailboxState, error)
	// SaveMailbox writes states, published rows and trace lines of one or more
	// mailboxes in one transaction: all of it or nothing.
	SaveMailbox(ctx context.Context, saves ...MailboxSave) error
	// DeleteMailbox removes everything of a mailbox.
	DeleteMailbox(ctx context.Context, mailbox string) error
	// Published returns what is published of a mailbox, by item id.
	Published(ctx context.Context, mailbox string) (map[string]Published, error)
	// PutPublished writes published rows of a mailbox alone.
	PutPublished(ctx context.Context, mailbox string, rows ...Published) error
	// DeletePublished removes published rows of a mailbox alone.
	DeletePublished(ctx context.Context, mailbox string, items ...string) error
	// AppendTrace appends lines to a mailbox's trace.
	AppendTrace(ctx context.Context, mailbox string, lines ...TraceLine) error
	// Trace returns a mailbox's lines from a time on, oldest first.
	Trace(ctx context.Context, mailbox string, since time.Time) ([]TraceLine, error)
	// Prune removes trace lines from before a time.
	Prune(ctx context.Context, before time.Time) error

	Close() error
}

// MailboxState is what the connector must know of a mailbox to go on after a
// stop. Both are opaque; the core's blob carries its own version.
type MailboxState struct {
	Core []byte // the core's state
	Sync []byte // Exchange's sync state and whatever the source adds
}

// MailboxSave is one mailbox's share of a [Cache.SaveMailbox].
type MailboxSave struct {
	Mailbox   string
	State     MailboxState
	Publish   []Published // rows to write
	Withdrawn []string    // items whose rows to remove
	Trace     []TraceLine // lines to append
}

// Published is what the cloud holds of one item.
type Published struct {
	Item string // item id
	Hash []byte // keyed hash of what was sealed, to know whether it changed
	Rev  int64  // revision that was put
}

// TraceLine is one reason for what was or was not done.
type TraceLine struct {
	At   time.Time
	Line []byte // opaque: ids and codes, never content
}

// Accounts is the cloud's settings.db: who may speak to it. A code's Subject is
// the account that it makes a credential for; a connector's account is the
// same for each credential made under its name.
type Accounts interface {
	// PutCode stores a new code.
	PutCode(ctx context.Context, c Code) error
	// Redeem spends a code and stores the hash of the credential that was made
	// for it. It counts a wrong try, and fails with ErrCode.
	Redeem(ctx context.Context, id string, hash, credential [32]byte, now time.Time) (Account, error)
	// Account returns whose credential this is the hash of, or ErrNotFound.
	Account(ctx context.Context, credential [32]byte) (Account, error)
	// InitValue sets the value of a key that has none and returns what it has then.
	InitValue(ctx context.Context, key string, value []byte) ([]byte, error)
	// Prune removes codes that expired before a time.
	Prune(ctx context.Context, now time.Time) error
	// Ping reads something.
	Ping(ctx context.Context) error

	Close() error
}

// Account is somebody known to the cloud by an opaque id.
type Account struct {
	ID   string
	Role string
}

// Objects is the cloud's cache.db: resources, their delivery lists and sealed
// parts. Every change takes the next number of one sequence, which is the cursor
// of what was changed; the sequence begins above every number that an earlier
// file can have given out. When the file is lost or damaged while in use, it is
// begun anew, empty: the connector finds its resources unknown and puts them
// again, and readers get ErrReset.
type Objects interface {
	// SetDelivery sets a resource's delivery list, and makes the resource if it
	// is new. It fails with ErrNotFound if it is another connector's.
	// The notice names the accounts that were added or removed.
	SetDelivery(ctx context.Context, connector, resource string, accounts []string) (Notice, error)
	// Delivered returns the resources delivered to an account that changed after
	// a cursor, in the order of their last change.
	Delivered(ctx context.Context, account string, after int64) ([]Change, error)
	// PutPart writes a part of an item. The same part again changes nothing. It
	// fails with ErrNotFound if the resource is not the connector's, and with a
	// *StaleError.
	PutPart(ctx context.Context, connector, resource string, p Part) (Notice, error)
	// DeleteItem removes an item's parts and leaves a tombstone; the same again
	// changes nothing. It fails like PutPart.
	DeleteItem(ctx context.Context, connector, resource, item string, rev int64, now time.Time) (Notice, error)
	// Parts returns a resource's parts and tombstones after a cursor, in the
	// order of their last change, for an account that it is delivered to or
	// whose it is. From 0, tombstones are left out. It fails with ErrNotFound
	// and ErrReset.
	Parts(ctx context.Context, account, resource string, after int64, limit Limit) (Page, error)
	// Prune removes tombstones from before a time.
	Prune(ctx context.Context, before time.Time) error
	// Ping reads something.
	Ping(ctx context.Context) error

	Close() error
}

// Part is one sealed part of an item, or its tombstone (Deleted, the part empty).
type Part struct {
	Item    string
	Part    string
	Rev     int64
	JWE     string
	Deleted bool
}

// Limit bounds a page: as many parts, and no further part once there are as
// many bytes. A page holds at least one part.
type Limit struct {
	Parts int
	Bytes int
}

// Page is a stretch of a resource's parts.
type Page struct {
	Parts  []Part
	Cursor int64 // go on after this
	More   bool
}

// Change says how far a resource has come.
type Change struct {
	Resource string
	Cursor   int64
}

// Notice is a change and whom to tell. Its cursor is where the resource stands,
// also if nothing changed.
type Notice struct {
	Change
	Changed  bool
	Accounts []string // on the delivery list; for SetDelivery: added or removed
}

// StaleError is ErrStale with the revision that is stored.
type StaleError struct{ Rev int64 }

// Error is that of ErrStale.
func (e *StaleError) Error() string { return ErrStale.Error() }

// Unwrap returns ErrStale.
func (e *StaleError) Unwrap() error { return ErrStale }

// KMS is the key server's settings.db. A code's Subject is the owner or the
// connector's name. What is removed from it is overwritten.
type KMS interface {
	// InitValue sets the value of a key that has none and returns what it has then.
	InitValue(ctx context.Context, key string, value []byte) ([]byte, error)
	// Value returns the value of a key, or ErrNotFound.
	Value(ctx context.Context, key string) ([]byte, error)

	// PutCode stores a new code and the audit entry for it.
	PutCode(ctx context.Context, c Code, e AuditEntry) error
	// Enrol spends a code for an instance, whose Role and Subject it sets from
	// the code. The same code again with the same public key gives the first
	// instance. It counts a wrong try, and fails with ErrCode.
	Enrol(ctx context.Context, id string, hash [32]byte, in Instance) (Instance, error)
	// Instance returns an instance, or ErrNotFound.
	Instance(ctx context.Context, id string) (Instance, error)
	// UseNonce takes a nonce of an instance and reports whether it was new.
	UseNonce(ctx context.Context, instance, nonce string, expires time.Time) (bool, error)

	// EnsureResource stores a resource with its keys, unless the owner has one:
	// then it returns that. It fails with ErrTaken if it is another connector's.
	EnsureResource(ctx context.Context, r Resource) (Resource, error)
	// Owned returns the resources of an owner.
	Owned(ctx context.Context, owner string) ([]Resource, error)
	// WrappedKeys returns those of the named keys that exist, with whose they are.
	WrappedKeys(ctx context.Context, kids []string) ([]OwnedKey, error)

	// AuditSince returns entries from a time on, oldest first, at most limit.
	AuditSince(ctx context.Context, since time.Time, limit int) ([]AuditEntry, error)
	// Prune removes nonces and codes that expired before a time.
	Prune(ctx context.Context, now time.Time) error

	Close() error
}

// Instance is a client that enrolled.
type Instance struct {
	ID      string
	Role    string
	Subject string // owner or connector
	Public  []byte // uncompressed P-256 point
	At      time.Time
}

// Resource is a calendar as the key server knows it.
type Resource struct {
	ID        string
	Owner     string
	Connector string // name of the connector that made it
	At        time.Time
	Keys      []WrappedKey
}

// WrappedKey is a key under the master key.
type WrappedKey struct {
	KID     string
	Part    string // "h", "b" or "i", the index key
	Wrapped []byte
}

// OwnedKey is a key and whose it is.
type OwnedKey struct {
	WrappedKey
	Resource, Owner, Connector string
}
