package ews

import (
	"context"
	"errors"
	"time"
)

const (
	// maxView is the longest time of one calendar view; Exchange refuses more
	// than two years with ErrorCalendarViewRangeTooBig.
	maxView = 2 * 365 * 24 * time.Hour
	// maxHalving bounds how often a time is halved: two years down to minutes.
	maxHalving = 18
)

// View finds everything in a calendar between two times, however much it is
// and however long the time. Where there is more than one answer of
// [Mailbox.FindItem] holds (ErrorExceededFindCountLimit, or a page that is not
// the last), it halves the time and asks for both halves; items that reach
// over the middle are returned once. The order is the server's.
func (m *Mailbox) View(ctx context.Context, req FindItemRequest) ([]CalendarItem, error) {
	if req.Equal != nil || !req.End.After(req.Start) {
		return nil, invalid("FindItem", "a view has a start and an end after it, and no property to find by")
	}
	v := view{mailbox: m, seen: map[string]bool{}}
	for start := req.Start; start.Before(req.End); start = start.Add(maxView) {
		part := req
		part.Start = start
		if end := start.Add(maxView); end.Before(req.End) {
			part.End = end
		}
		if err := v.find(ctx, part, 0); err != nil {
			return nil, err
		}
	}
	return v.items, nil
}

// view is what one call of View has found.
type view struct {
	mailbox *Mailbox
	seen    map[string]bool // ids
	items   []CalendarItem
}

func (v *view) find(ctx context.Context, req FindItemRequest, halved int) error {
	page, err := v.mailbox.FindItem(ctx, req)
	e, failed := errors.AsType[*Error](err)
	switch middle := req.Start.Add(req.End.Sub(req.Start) / 2).Truncate(time.Second); {
	case failed && e.Code != "ErrorExceededFindCountLimit", err != nil && !failed:
		return err
	case (failed || !page.Last) && halved < maxHalving && middle.After(req.Start):
		first, second := req, req
		first.End, second.Start = middle, middle
		if err := v.find(ctx, first, halved+1); err != nil {
			return err
		}
		return v.find(ctx, second, halved+1)
	case failed:
		return err
	}
	for i := range page.Items {
		if id := page.Items[i].ItemID.ID; !v.seen[id] {
			v.seen[id] = true
			v.items = append(v.items, page.Items[i])
		}
	}
	return nil
}

// GetItems reads any number of items by calls of [Mailbox.GetItem] of
// [Mailbox.BatchSize] each. What a server leaves out because it has stopped
// the batch (ErrorBatchProcessingStopped) is asked for again, and only that;
// where a call brings nothing at all but that, it is an error of each item
// left. An error of a whole call, such as ErrorServerBusy, comes with the
// results so far, which are in the order of the references.
func (m *Mailbox) GetItems(ctx context.Context, shape Shape, refs ...ItemRef) ([]ItemResult, error) {
	results := make([]ItemResult, 0, len(refs))
	for len(results) < len(refs) {
		rest := refs[len(results):]
		batch, err := m.GetItem(ctx, shape, rest[:min(len(rest), m.BatchSize())]...)
		if err != nil {
			return results, err
		}
		n := len(batch)
		for n > 0 && stopped(batch[n-1].Err) {
			n--
		}
		if n == 0 {
			n = len(batch)
		}
		results = append(results, batch[:n]...)
	}
	return results, nil
}

// stopped reports whether the server did not come to an item.
func stopped(err error) bool {
	e, ok := errors.AsType[*Error](err)
	return ok && e.Code == "ErrorBatchProcessingStopped"
}
