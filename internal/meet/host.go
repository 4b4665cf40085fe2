package meet

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/koyomi-cal/koyomi/internal/calendar"
)

// Host is the client of one product at which meetings are made, changed and
// ended. It speaks the product's protocol and remembers nothing: a [Keeper]
// beside it sees to it that no crash and no lost answer makes a second meeting.
// Its errors are *[Error]. It may be used by several goroutines.
type Host interface {
	// Name is the service's name as people know it.
	Name() string
	// Create makes the meeting that a request asks for and puts the request's
	// Tag on it, so that Find knows it again. State Unclear says that it may or
	// may not have been made; any other error, that it was not.
	Create(ctx context.Context, r Request) (Made, error)
	// Find returns the meeting with an id, or where that is empty the one that
	// carries r.Tag. State Missing says for certain that there is none.
	Find(ctx context.Context, r Request, id string) (Made, error)
	// Update gives the meeting the request's times.
	Update(ctx context.Context, r Request, id string) error
	// End takes the meeting away. One that is gone already is none of its
	// errors.
	End(ctx context.Context, r Request, id string) error
}

// Made is a meeting as a service has it.
type Made struct {
	ID      string // by which the service knows it; opens nothing
	Details calendar.JoinDetails
}

// Entry is what has to be remembered of one meeting at a service. It holds no
// link, address or subject.
type Entry struct {
	ID    string    `json:"id,omitempty"`    // the service's
	Asked time.Time `json:"asked,omitzero"`  // making it was begun then, and how it ended is not known
	Shape string    `json:"shape,omitempty"` // hash of the times that the service has
}

// Ledger keeps entries, so that they outlive a crash: what a method has stored
// is on the disk when it returns.
type Ledger interface {
	// Entry returns what is kept under a tag, the zero Entry if nothing is.
	Entry(ctx context.Context, tag string) (Entry, error)
	// PutEntry keeps an entry under a tag.
	PutEntry(ctx context.Context, tag string, e Entry) error
	// Calls returns what PutCalls last kept for a service, nil if nothing.
	Calls(ctx context.Context, service string) ([]byte, error)
	// PutCalls keeps how much a service was asked.
	PutCalls(ctx context.Context, service string, counts []byte) error
}

// grace is how long a service may take over a request whose answer was lost.
// Only then does it count that the meeting is not there.
const grace = time.Minute

// Keeper is a [Service] over a [Host]. It puts down that it is about to make a
// meeting before it does, and after an answer that was lost looks for it at the
// service before it makes another.
type Keeper struct {
	host   Host
	ledger Ledger
	quota  *quota

	mu   sync.Mutex
	busy map[string]chan struct{} // tags at work
}

// NewKeeper makes a keeper that honours the limits.
func NewKeeper(h Host, l Ledger, limits Limits) *Keeper {
	return &Keeper{host: h, ledger: l, quota: &quota{service: h.Name(), limits: limits, ledger: l}, busy: map[string]chan struct{}{}}
}

// Keeping is a [Service] some of whose meetings live at the service until they
// are ended.
type Keeping interface {
	Service
	// Keeps returns the keeper of what an action makes; nil where that needs no
	// ending.
	Keeps(action string) *Keeper
}

// Name is the service's name as people know it.
func (k *Keeper) Name() string { return k.host.Name() }

// Keeps returns the keeper itself.
func (k *Keeper) Keeps(string) *Keeper { return k }

// Join returns the join details of the meeting with the request's tag, made if
// it is not there.
func (k *Keeper) Join(ctx context.Context, r Request) (calendar.JoinDetails, error) {
	if r.Tag == "" || r.Key == "" {
		return calendar.JoinDetails{}, k.failed(BadRequest, "the meeting has neither a GlobalObjectId nor a UID: it is listed, but none is made at the service", nil)
	}
	defer k.lock(r.Tag)()
	e, err := k.ledger.Entry(ctx, r.Tag)
	if err != nil {
		return calendar.JoinDetails{}, k.unkept(err)
	}
	made, err := k.made(ctx, r, e)
	if stateOf(err) == Missing {
		made, err = k.create(ctx, r)
	}
	return made.Details, err
}

// made looks for the meeting that an entry tells of.
func (k *Keeper) made(ctx context.Context, r Request, e Entry) (Made, error) {
	switch {
	case e.ID != "":
		return k.host.Find(ctx, r, e.ID)
	case e.Asked.IsZero():
		return Made{}, k.failed(Missing, "no meeting was made", nil)
	}
	if until := e.Asked.Add(grace); time.Now().Before(until) {
		return Made{}, &Error{Service: k.Name(), State: Unavailable, RetryAt: until, Message: "did not say whether it made the meeting; it is looked for in a moment"}
	}
	found, err := k.host.Find(ctx, r, "")
	if err == nil {
		err = k.keep(ctx, r, Entry{ID: found.ID, Shape: r.shape()})
	}
	return found, err
}

func (k *Keeper) create(ctx context.Context, r Request) (Made, error) {
	now := time.Now()
	if err := k.quota.take(ctx, now, string(r.Mailbox.ID)); err != nil {
		return Made{}, err
	}
	if err := k.keep(ctx, r, Entry{Asked: now}); err != nil {
		return Made{}, err
	}
	made, err := k.host.Create(ctx, r)
	switch {
	case err == nil:
		return made, k.keep(ctx, r, Entry{ID: made.ID, Shape: r.shape()})
	case stateOf(err) == Unclear:
		return Made{}, &Error{Service: k.Name(), State: Unavailable, RetryAt: now.Add(grace), Cause: err,
			Message: "did not say whether it made the meeting; it is looked for in a moment"}
	}
	return Made{}, errors.Join(err, k.keep(context.WithoutCancel(ctx), r, Entry{}))
}

// Follow gives the meeting the request's times, if it has others. Where no
// meeting was made there is nothing to follow.
func (k *Keeper) Follow(ctx context.Context, r Request) error {
	defer k.lock(r.Tag)()
	e, err := k.ledger.Entry(ctx, r.Tag)
	switch {
	case err != nil:
		return k.unkept(err)
	case e.ID == "" || e.Shape == r.shape():
		return nil
	}
	if err := k.host.Update(ctx, r, e.ID); err != nil && stateOf(err) != Missing {
		return err
	}
	return k.keep(ctx, r, Entry{ID: e.ID, Shape: r.shape()})
}

// End takes the meeting away, for good. Where none was made, or it is gone
// already, there is nothing to do.
func (k *Keeper) End(ctx context.Context, r Request) error {
	defer k.lock(r.Tag)()
	e, err := k.ledger.Entry(ctx, r.Tag)
	if err != nil {
		return k.unkept(err)
	}
	if e.ID == "" && !e.Asked.IsZero() {
		made, err := k.made(ctx, r, e)
		if err != nil && stateOf(err) != Missing {
			return err
		}
		e.ID = made.ID
	}
	if e.ID == "" {
		return nil
	}
	if err := k.host.End(ctx, r, e.ID); err != nil && stateOf(err) != Missing {
		return err
	}
	return k.keep(ctx, r, Entry{})
}

func (k *Keeper) keep(ctx context.Context, r Request, e Entry) error {
	if err := k.ledger.PutEntry(ctx, r.Tag, e); err != nil {
		return k.unkept(err)
	}
	return nil
}

func (k *Keeper) unkept(err error) *Error {
	return k.failed(Unavailable, "is not asked, because what is made there could not be put down", err)
}

func (k *Keeper) failed(state, message string, cause error) *Error {
	return &Error{Service: k.Name(), State: state, Message: message, Cause: cause}
}

// lock waits until nobody works on the tag and returns what ends the work.
func (k *Keeper) lock(tag string) (unlock func()) {
	for {
		k.mu.Lock()
		other := k.busy[tag]
		if other == nil {
			mine := make(chan struct{})
			k.busy[tag] = mine
			k.mu.Unlock()
			return func() {
				k.mu.Lock()
				delete(k.busy, tag)
				k.mu.Unlock()
				close(mine)
			}
		}
		k.mu.Unlock()
		<-other
	}
}

// stateOf returns the state of an error, empty for none and for foreign ones.
func stateOf(err error) string {
	if e, is := errors.AsType[*Error](err); is {
		return e.State
	}
	return ""
}

// shape hashes what a service knows of a request: a change of it is what there
// is to follow.
func (r *Request) shape() string {
	h := sha256.Sum256(fmt.Appendf(nil, "%d %d %s %s", r.Start.Unix(), r.End.Unix(), r.TimeZone, r.Recurrence))
	return hex.EncodeToString(h[:8])
}
