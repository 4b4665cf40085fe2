package calendar

import "time"

// Catchup is the kind of a [Notice] that names no item: from now on the
// mailbox's changes are told, and what changed before has to be asked for. A
// watch begins with one for each mailbox and repeats it whenever something may
// have been missed.
const Catchup ChangeKind = "catch-up"

// Binding is what a source knows of a calendar once it has found it.
type Binding struct {
	Now            time.Time // by the server's clock
	WeakChangeKeys bool      // the server ignores change keys: a write does not notice that the item changed
	AbsentIsSent   bool      // RequestSent is never given, and this installation counts that as sent
}

// FaultClass says what helps against a [Fault].
type FaultClass string

// The classes of faults.
const (
	Wait      FaultClass = "wait"      // nothing was done; send the same again, not before Until
	Uncertain FaultClass = "uncertain" // the answer was lost: it may or may not have been done
	Stale     FaultClass = "stale"     // the item changed underneath: read it, decide again
	Missing   FaultClass = "missing"   // the item is not there
	Denied    FaultClass = "denied"    // this item or this write alone: the server will not have it
	StateLost FaultClass = "state"     // the sync state is worth nothing: start from the empty one
	NoMailbox FaultClass = "mailbox"   // this mailbox cannot be served until somebody changes something
	Taken     FaultClass = "taken"     // somebody else serves these mailboxes now: do not fight for them
	NoAccount FaultClass = "account"   // no mailbox can: the account or the whole server is at fault
)

// Step is how far serving a mailbox has come.
type Step string

// The steps of serving a mailbox, in their order.
const (
	StepConnect      Step = "connect"
	StepAuthenticate Step = "authenticate"
	StepImpersonate  Step = "impersonate"
	StepBind         Step = "bind"
	StepSubscribe    Step = "subscribe"
	StepRead         Step = "read"
	StepWrite        Step = "write"
)

// Fault is the one error of a source of calendars. Its text is a sentence for
// people that says what is wrong and what to do; it names no address, subject
// or secret, so it may be logged and shown. The cause may hold more.
type Fault struct {
	Class    FaultClass
	Step     Step
	Until    time.Time // no request before this; zero: the server named no time
	Sentence string
	Cause    error
}

// Error returns the sentence.
func (f *Fault) Error() string { return f.Sentence }

// Unwrap returns the cause.
func (f *Fault) Unwrap() error { return f.Cause }
