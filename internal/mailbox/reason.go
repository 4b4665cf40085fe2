package mailbox

// Reason is why something was or was not done with a meeting: a code for
// programs and traces, with a sentence for people.
type Reason string

// The reasons. Their texts are part of the trace and of docs/behaviour.md.
const (
	NothingAsked     Reason = "nothing-asked"
	NotOrganizer     Reason = "not-organizer"
	BeforeBaseline   Reason = "before-baseline"
	Past             Reason = "past"
	CancelledMeeting Reason = "cancelled"
	Deleted          Reason = "in-deleted-items"
	ForeignClass     Reason = "item-class"
	Protected        Reason = "rights-managed"
	SignedItem       Reason = "signed"
	BodyNotRead      Reason = "body-not-read"
	TooManyPeople    Reason = "too-many-attendees"
	TooHeavy         Reason = "too-heavy"
	NoIdentity       Reason = "no-identity"
	Unattributed     Reason = "organizer-unknown"
	OptedOut         Reason = "opted-out"
	BlockUnclear     Reason = "block-unclear"
	ForeignMarker    Reason = "made-for-another-meeting"
	OwnBlockFound    Reason = "block-without-marker"
	Done             Reason = "done"
	Settling         Reason = "settling"
	Draft            Reason = "draft"
	WaitingJoin      Reason = "waiting-for-service"
	Inserted         Reason = "inserted"
	Replaced         Reason = "replaced"
	Removed          Reason = "removed"
	Resent           Reason = "mailed-late"
	ConflictOnce     Reason = "conflict"
	ConflictTwice    Reason = "conflict-again"
	ServerBusy       Reason = "server-busy"
	ServerRefused    Reason = "server-refused"
	AnswerLost       Reason = "answer-lost"
	NotConfirmed     Reason = "sending-not-confirmed"
	Confirmed        Reason = "sending-confirmed"
	NotSeen          Reason = "invitation-not-seen"
	Held             Reason = "held-by-breaker"
	TooManyWrites    Reason = "too-many-writes"
	ReadLater        Reason = "cannot-read-now"
	ServiceDown      Reason = "service-unavailable"
	ServiceQuota     Reason = "service-quota"
	ServiceRefused   Reason = "service-refused"
	ServiceUnknown   Reason = "service-not-configured"
	RenderRefused    Reason = "body-not-changeable"
)

// Sentence explains the reason to an administrator.
func (r Reason) Sentence() string {
	if s, ok := sentences()[r]; ok {
		return s
	}
	return string(r)
}

func sentences() map[Reason]string {
	return map[Reason]string{
		NothingAsked:     "The location holds no keyword, so nothing was written.",
		NotOrganizer:     "This is an attendee's copy; only the organizer's copy is ever written.",
		BeforeBaseline:   "The item was last modified before the mailbox was activated; it is shown, not written, until an administrator releases it.",
		Past:             "The meeting is over.",
		CancelledMeeting: "The meeting is cancelled.",
		Deleted:          "The item lies in Deleted Items.",
		ForeignClass:     "The item class is not an appointment that may be rewritten.",
		Protected:        "The item is protected by rights management and cannot be rewritten.",
		SignedItem:       "The item is signed; a write would break the signature.",
		BodyNotRead:      "The body could not be read whole, so it is not rewritten.",
		TooManyPeople:    "The meeting has more than 1,500 attendees.",
		TooHeavy:         "Size times attendees is above 200 MB; an update would be mailed to all of them.",
		NoIdentity:       "The item has neither a GlobalObjectId nor a UID; it is listed only.",
		Unattributed:     "The organizer's address is not one of this mailbox's own; add it as an alias if it is.",
		OptedOut:         "The organizer took the join block out; it is not put back.",
		BlockUnclear:     "The join block is not wholly recognisable any more; it is left as it is.",
		ForeignMarker:    "The item is a copy of another meeting that was already sent; its join details stay.",
		OwnBlockFound:    "The body already shows a join block; no second one is written.",
		Done:             "The join block is in place.",
		Settling:         "The item changed a moment ago; the write waits until it is quiet.",
		Draft:            "There is no sign yet that the invitation was sent; the write waits.",
		WaitingJoin:      "The meeting service was asked for join details.",
		Inserted:         "The join block was written.",
		Replaced:         "The keyword changed; the join block was replaced.",
		Removed:          "The keyword was removed; so was the join block.",
		Resent:           "The invitation turned out to have been sent without the join block; one update was mailed.",
		ConflictOnce:     "The item changed while it was being written; it is read and decided anew.",
		ConflictTwice:    "The item changed twice while it was being written; the next change starts anew.",
		ServerBusy:       "The server asked to wait.",
		ServerRefused:    "The server refused the write.",
		AnswerLost:       "The answer to the write was lost; the item is looked at before anything else.",
		NotConfirmed:     "The join block was saved; whether the update was mailed could not be confirmed. It is not sent again by itself.",
		Confirmed:        "An attendee's copy shows the join block.",
		NotSeen:          "The join block is in place, but there is no sign that the invitation was ever sent.",
		Held:             "The breaker holds all writes until an administrator acknowledges the alarm.",
		TooManyWrites:    "This meeting was written too often this month; it is left alone.",
		ReadLater:        "The item could not be read now; it is tried again.",
		ServiceDown:      "The meeting service does not answer; it is asked again.",
		ServiceQuota:     "The meeting service lets no more meetings be made today; it is asked again when its limit has room.",
		ServiceRefused:   "The meeting service refused to make a meeting.",
		ServiceUnknown:   "No meeting service is configured for this keyword.",
		RenderRefused:    "The body cannot be changed without risk; it is left as it is.",
	}
}
