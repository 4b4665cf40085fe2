package ews

import (
	"context"
	"errors"
)

// Unsubscribe ends a subscription ([MS-OXWSNTIF] 3.1.4.4). One that does not
// exist any more is ended already: that is no error.
func (m *Mailbox) Unsubscribe(ctx context.Context, subscription string) error {
	_, err := do(ctx, m, operation[struct{}]{
		name: "Unsubscribe", safe: true,
		write: func(r *request) {
			r.Start("m:Unsubscribe")
			r.Leaf("m:SubscriptionId", subscription)
			r.End()
		},
		read: func(a answer) (struct{}, error) {
			_, err := a.single()
			return struct{}{}, err
		},
	})
	if e, ok := errors.AsType[*Error](err); ok && e.Class() == Resubscribe && e.Code != "ErrorSubscriptionAccessDenied" {
		return nil
	}
	return err
}
