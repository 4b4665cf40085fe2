package ewstest

import "slices"

// unsubscribe answers Unsubscribe ([MS-OXWSNTIF] 3.1.4.4).
func (r *request) unsubscribe() error {
	if r.body.Child("SubscriptionId") == nil {
		return schemaViolation("the element SubscriptionId is missing")
	}
	id := r.body.Value("SubscriptionId")
	r.s.mu.Lock()
	sub := r.s.subs[id]
	var err error
	switch {
	case sub == nil || sub.back != r.back:
		err = fail("ErrorSubscriptionNotFound")
	case sub.account != r.login:
		err = fail("ErrorSubscriptionAccessDenied")
	default:
		delete(r.s.subs, id)
		sub.box.subs = slices.DeleteFunc(sub.box.subs, func(other *subscription) bool { return other == sub })
	}
	r.s.mu.Unlock()
	r.begin()
	r.message(err, "", func() {})
	return nil
}
