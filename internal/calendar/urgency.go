package calendar

import "context"

// Urgency says to a source how soon something is needed; what is more urgent
// goes first. Without one, a call is as urgent as somebody's waiting for it.
type Urgency int

// The urgencies, the greatest first.
const (
	UrgentNow        Urgency = iota // a change is being followed, or somebody waits
	UrgentSoon                      // a mailbox with a meeting in the next hours
	UrgentLoad                      // a mailbox is read for the first time, or catches up
	UrgentBackground                // whenever there is room
)

type urgencyKey struct{}

// WithUrgency returns a context whose calls to a source have the urgency.
func WithUrgency(ctx context.Context, u Urgency) context.Context {
	return context.WithValue(ctx, urgencyKey{}, u)
}

// UrgencyOf returns the urgency of calls with the context.
func UrgencyOf(ctx context.Context) Urgency {
	u, _ := ctx.Value(urgencyKey{}).(Urgency)
	return u
}
