package exchange

import (
	"context"

	"github.com/koyomi-cal/koyomi/ews"
	"github.com/koyomi-cal/koyomi/internal/calendar"
)

// readZones reads the rules of the time zones that have no known name, such as
// "tzone://Microsoft/Custom". They are large and seldom needed: only a series
// that we expand ourselves depends on them.
func (x *Exchange) readZones(ctx context.Context, m calendar.Mailbox, masters []ews.CalendarItem) error {
	var refs []ews.ItemRef
	byID := map[string]*ews.CalendarItem{}
	for i := range masters {
		if _, exact := masters[i].Zone(); !exact && masters[i].StartTimeZone != "" {
			refs = append(refs, masters[i].ItemID.Ref())
			byID[masters[i].ItemID.ID] = &masters[i]
		}
	}
	for len(refs) > 0 {
		n := min(x.batchSize(ctx, m), len(refs))
		results, err := ask(ctx, x, m, calendar.StepRead, func(ctx context.Context, mb *ews.Mailbox) ([]ews.ItemResult, error) {
			return mb.GetItem(ctx, ews.Shape{Fields: ews.Fields("calendar:StartTimeZone")}, refs[:n]...)
		})
		if err != nil {
			return err
		}
		for _, r := range results {
			if it := byID[r.Item.ItemID.ID]; r.Err == nil && it != nil {
				it.StartZone = r.Item.StartZone
			}
		}
		refs = refs[n:]
	}
	return nil
}

// zoneName returns the name that the rest of the world has for an item's time
// zone, the one of IANA; where there is none, what the server said.
func zoneName(e *ews.CalendarItem) string {
	if e.StartTimeZone == "" {
		return ""
	}
	if loc, exact := e.Zone(); exact && e.StartZone == nil {
		return loc.String()
	}
	return e.StartTimeZone
}
