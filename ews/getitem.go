package ews

import (
	"context"

	"github.com/koyomi-cal/koyomi/ews/internal/wire"
)

// GetItem reads items ([MS-OXWSCORE] 3.1.4.4). The
// results are in the order of the references; an item that cannot be read has
// its own error, which for the rest of a batch that the server has given up is
// ErrorBatchProcessingStopped. Ten to 25 items a call suit servers well. All
// items of a call lie in one mailbox.
func (m *Mailbox) GetItem(ctx context.Context, shape Shape, refs ...ItemRef) ([]ItemResult, error) {
	return do(ctx, m, operation[[]ItemResult]{
		name: "GetItem", safe: true, items: len(refs),
		write: func(r *request) { writeGetItem(r, shape, refs) },
		read: func(a answer) ([]ItemResult, error) {
			return each(a, len(refs), func(msg *wire.Element, e *Error) ItemResult { return a.item(msg, e) }), nil
		},
	})
}

func writeGetItem(r *request, shape Shape, refs []ItemRef) {
	if len(refs) == 0 {
		r.refuse("there is no item to read")
	}
	r.Start("m:GetItem")
	r.shape(shape)
	r.Start("m:ItemIds")
	for _, ref := range refs {
		r.itemRef(ref)
	}
	r.End()
	r.End()
}

// item reads the one item of a response message.
func (a answer) item(msg *wire.Element, e *Error) ItemResult {
	if e != nil {
		return ItemResult{Err: e}
	}
	for _, e := range msg.Child("Items").Elements() {
		if it := decoded[CalendarItem](e); it != nil {
			return ItemResult{Item: *it}
		}
	}
	return ItemResult{Err: a.fail(CodeMalformed, "the answer leaves this item out", nil)}
}
