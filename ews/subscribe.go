package ews

import "context"

// SubscribeRequest says what a streaming subscription watches.
type SubscribeRequest struct {
	Folders []FolderRef // default the calendar
	// AllFolders watches the whole mailbox instead. Some servers give events
	// about items, rather than about their folder, only so.
	AllFolders bool
	Events     []EventType // default created, modified, deleted, moved
}

// Subscribe makes a streaming subscription and returns its id ([MS-OXWSNTIF]
// 3.1.4.3). It watches one mailbox and lives as long as a stream reads it, and
// some minutes without. It belongs to the account: another one cannot read it.
func (m *Mailbox) Subscribe(ctx context.Context, req SubscribeRequest) (string, error) {
	return do(ctx, m, operation[string]{
		name: "Subscribe", write: req.write,
		read: func(a answer) (string, error) {
			msg, err := a.single()
			if err != nil {
				return "", err
			}
			id := word(msg.Child("SubscriptionId"))
			if id == "" {
				return "", a.fail(CodeMalformed, "the answer has no subscription id", nil)
			}
			return id, nil
		},
	})
}

func (req SubscribeRequest) write(r *request) {
	r.Start("m:Subscribe")
	if req.AllFolders {
		r.Start("m:StreamingSubscriptionRequest", "SubscribeToAllFolders", "true")
	} else {
		r.Start("m:StreamingSubscriptionRequest")
		r.folders("t:FolderIds", req.Folders)
	}
	events := req.Events
	if len(events) == 0 {
		events = []EventType{Created, Modified, Deleted, Moved}
	}
	r.Start("t:EventTypes")
	for _, e := range events {
		r.Leaf("t:EventType", string(e))
	}
	r.End()
	r.End()
	r.End()
}
