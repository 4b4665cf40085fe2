package mailbox

import (
	"github.com/koyomi-cal/koyomi/internal/calendar"
	"github.com/koyomi-cal/koyomi/internal/detect"
)

// Effect is something for the shell to do. Effects are carried out in order;
// the state is saved before a [Write] is. The set is closed: the types of this
// file.
type Effect interface{ effect() }

type (
	// Get reads one item whole: body as stored, attendees, marker. The answer
	// is Read, ReadFailed or Gone.
	Get struct{ ID string }

	// View reads every entry of the window. The answer is Viewed or ViewFailed.
	View struct{ Window calendar.Window }

	// Publish shows one entry in the meeting list.
	Publish struct {
		Entry   string
		Meeting calendar.Meeting
	}

	// Withdraw takes one entry out of the meeting list.
	Withdraw struct{ Entry string }

	// Keep ends a view: entries published earlier and not named here are
	// withdrawn.
	Keep struct{ Entries []string }

	// Join asks a meeting service for join details. The answer is Joined or
	// JoinFailed with the same ID and Wish. The same Key gets the same details.
	Join struct {
		ID, Wish string
		Hash     string // of the wish, as a Hold names it
		Service  string
		Action   detect.Action
		Key      string
		People   []string // SMTP addresses of all who meet
		Times    Times
	}

	// Hold says which meetings at services an item needs. For each meeting made
	// there for Key, [Hosted.Apply] takes it in. It is put down before the effects
	// that follow it are carried out.
	Hold struct {
		Mailbox calendar.MailboxID
		Key     string   // of the meeting whose join details are shown
		Use     string   // opaque id of the meeting that shows them
		Wishes  []string // hashes of the keywords whose meetings are needed; none: it needs none any more
		Own     bool     // it is the meeting they were made for: Times are to be followed
		Times   Times
	}

	// Write makes the one write. The answer is Written or WriteFailed.
	Write struct {
		Patch      calendar.Patch
		Recipients int // how many people it mails; 0 with NotifyNone
	}

	// Copy says that this mailbox holds an attendee's copy of a meeting of
	// somebody else, for the organizer's mailbox to know if it is served.
	Copy struct {
		Organizer string // SMTP address
		Key       string
		Block     bool
		Cancelled bool
	}

	// Trace records why something was or was not done.
	Trace struct {
		Ref     string // opaque id of the meeting
		Reason  Reason
		Waiting calendar.Waiting // for a meeting service, with the reasons that say so
	}
)

func (Get) effect()      {}
func (View) effect()     {}
func (Publish) effect()  {}
func (Withdraw) effect() {}
func (Keep) effect()     {}
func (Join) effect()     {}
func (Hold) effect()     {}
func (Write) effect()    {}
func (Copy) effect()     {}
func (Trace) effect()    {}

// String hides the organizer's address.
func (c Copy) String() string { return "copy" }

// String hides the meeting's key.
func (h Hold) String() string { return "hold" }

// String hides who meets.
func (j Join) String() string { return "join(" + string(j.Action) + ")" }
