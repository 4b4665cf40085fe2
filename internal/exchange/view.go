package exchange

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/koyomi-cal/koyomi/ews"
	"github.com/koyomi-cal/koyomi/internal/calendar"
)

// View returns every entry of the window, whole. Occurrences that are like
// their master are not read one by one: they are the master at another time.
func (x *Exchange) View(ctx context.Context, m calendar.Mailbox, w calendar.Window) (entries, masters []calendar.Item, err error) {
	found, err := x.findAll(ctx, m, w, 0)
	if err != nil {
		return nil, nil, err
	}
	v := view{x: x, m: m, w: w, series: map[string]ews.ItemID{}, unmade: map[string][]ews.CalendarItem{}}
	v.sort(found)
	if err := v.readOwn(ctx); err != nil {
		return nil, nil, err
	}
	if err := v.readSeries(ctx); err != nil {
		return nil, nil, err
	}
	expands, err := x.expands(ctx, m, w)
	if err != nil {
		return nil, nil, err
	}
	if expands == calendar.No {
		if err := v.expandSeries(ctx); err != nil {
			return nil, nil, err
		}
	}
	return v.entries, v.masters, nil
}

// view is one look at a window.
type view struct {
	x *Exchange
	m calendar.Mailbox
	w calendar.Window

	own    []ews.ItemRef                 // to be read by themselves: single meetings and exceptions
	series map[string]ews.ItemID         // an entry of each series, by the series' key
	unmade map[string][]ews.CalendarItem // occurrences, by the series' key

	entries, masters []calendar.Item
}

// sort tells apart what has to be read by itself from what is like its master.
func (v *view) sort(found []ews.CalendarItem) {
	for i := range found {
		it := &found[i]
		if !v.w.Contains(it.Start, it.End) {
			continue // some servers show what only touches the window
		}
		key := toGOID(it)
		if key == "" {
			key = it.UID
		}
		switch toKind(it) {
		case calendar.Master: // not expanded by the server; expandSeries finds it
		case calendar.Occurrence:
			if key == "" {
				v.own = append(v.own, it.ItemID.Ref())
				continue
			}
			v.series[key] = it.ItemID
			v.unmade[key] = append(v.unmade[key], *it)
		case calendar.Exception:
			if _, has := v.series[key]; !has && key != "" {
				v.series[key] = it.ItemID
			}
			v.own = append(v.own, it.ItemID.Ref())
		default:
			v.own = append(v.own, it.ItemID.Ref())
		}
	}
}

func (v *view) readOwn(ctx context.Context) error {
	items, err := v.x.readItems(ctx, v.m, v.own)
	if err != nil {
		return err
	}
	for i := range items {
		v.add(&items[i])
	}
	return nil
}

func (v *view) add(e *ews.CalendarItem) {
	v.entries = append(v.entries, toItem(e, v.x.folder(v.m), v.x.opt.MaxBody))
}

// readSeries reads the master of each series by one of its entries. Occurrences
// whose master cannot be had are read by themselves.
func (v *view) readSeries(ctx context.Context) error {
	keys := make([]string, 0, len(v.series))
	refs := make([]ews.ItemRef, 0, len(v.series))
	for key, id := range v.series {
		keys, refs = append(keys, key), append(refs, id.MasterOf())
	}
	masters, err := v.x.readItems(ctx, v.m, refs)
	if err != nil {
		return err
	}
	byKey := map[string]*ews.CalendarItem{}
	for i := range masters {
		byKey[toGOID(&masters[i])], byKey[masters[i].UID] = &masters[i], &masters[i]
		v.masters = append(v.masters, toItem(&masters[i], v.x.folder(v.m), v.x.opt.MaxBody))
	}
	var alone []ews.ItemRef
	for _, key := range keys {
		master := byKey[key]
		for i := range v.unmade[key] {
			o := &v.unmade[key][i]
			if master == nil || !alike(master, o) {
				alone = append(alone, o.ItemID.Ref())
				continue
			}
			made := occurrence(master, o.ItemID, o.Start, o.End)
			v.add(&made)
		}
	}
	v.own = alone
	return v.readOwn(ctx)
}

// alike reports whether an occurrence, as found, can be one of the master: two
// series may have one id where somebody copied the first.
func alike(master, o *ews.CalendarItem) bool {
	return strings.HasPrefix(master.Subject, o.Subject) && strings.HasPrefix(master.Location, o.Location)
}

// occurrence is a master at the time of one of its occurrences.
func occurrence(master *ews.CalendarItem, id ews.ItemID, start, end time.Time) ews.CalendarItem {
	o := *master
	o.ItemID, o.Type, o.Start, o.End, o.RecurrenceID, o.OriginalStart = id, ews.Occurrence, start, end, start, start
	o.Recurrence, o.FirstOccurrence, o.LastOccurrence, o.ModifiedOccurrences, o.DeletedOccurrences = nil, nil, nil, nil, nil
	return o
}

// maxHalving bounds how often a window is halved: 37 days down to a minute.
const maxHalving = 16

// findAll finds everything in a window, halving it where there is too much for
// one answer. It is not ews.Mailbox.View, which would be one call to [ask]: here
// each request is one, so that after a pause or a move between two of them the next
// one goes by the client and the server of then; a full answer counts as cut, even
// from a server that calls it the last one; and expandSeries asks for fifty years
// at once, which View, made for Exchange, would ask for in parts of two.
func (x *Exchange) findAll(ctx context.Context, m calendar.Mailbox, w calendar.Window, depth int) ([]ews.CalendarItem, error) {
	page, err := x.find(ctx, m, w, findMost)
	switch {
	case err == nil && (page.Last && len(page.Items) < findMost || depth == maxHalving):
		return page.Items, nil
	case err != nil && (!tooMany(err) || depth == maxHalving):
		return nil, err
	}
	middle := w.From.Add(w.To.Sub(w.From) / 2).Truncate(time.Second)
	if !middle.After(w.From) {
		return page.Items, err
	}
	first, err := x.findAll(ctx, m, calendar.Window{From: w.From, To: middle}, depth+1)
	if err != nil {
		return nil, err
	}
	second, err := x.findAll(ctx, m, calendar.Window{From: middle, To: w.To}, depth+1)
	if err != nil {
		return nil, err
	}
	seen := make(map[string]bool, len(first))
	for i := range first {
		seen[first[i].ItemID.ID] = true
	}
	for i := range second {
		if !seen[second[i].ItemID.ID] { // what reaches over the middle is in both
			first = append(first, second[i])
		}
	}
	return first, nil
}

func tooMany(err error) bool {
	e, is := errors.AsType[*ews.Error](err)
	return is && e.Code == "ErrorExceededFindCountLimit"
}

// expands finds out whether the server expands series. Exchange does, and
// refuses views of more than two years; a server that answers one does not.
func (x *Exchange) expands(ctx context.Context, m calendar.Mailbox, w calendar.Window) (calendar.Tri, error) {
	x.know.mu.Lock()
	known := x.know.expands
	x.know.mu.Unlock()
	if known != calendar.Unknown {
		return known, nil
	}
	_, err := x.find(ctx, m, calendar.Window{From: longAgo(w), To: w.To}, 1)
	e, is := errors.AsType[*ews.Error](err)
	switch {
	case err == nil:
		known = calendar.No
	case is && e.Code == "ErrorCalendarViewRangeTooBig":
		known = calendar.Yes
	case is && e.Class() != ews.OwnBug && e.Class() != ews.ItemLocal:
		return calendar.Unknown, err
	default:
		known = calendar.Yes
	}
	x.know.learn(func(k *knowledge) { k.expands = known })
	return known, nil
}

// longAgo is before any series that is still running can have begun.
func longAgo(w calendar.Window) time.Time { return w.To.AddDate(-50, 0, 0).Truncate(24 * time.Hour) }

// expandSeries adds the occurrences of every series that the server has left
// to us. It looks at all that ever began, since a series shows where it began
// only.
func (v *view) expandSeries(ctx context.Context) error {
	found, err := v.x.findAll(ctx, v.m, calendar.Window{From: longAgo(v.w), To: v.w.To}, 0)
	if err != nil {
		return err
	}
	var refs []ews.ItemRef
	for i := range found {
		if toKind(&found[i]) == calendar.Master {
			refs = append(refs, found[i].ItemID.Ref())
		}
	}
	masters, err := v.x.readItems(ctx, v.m, refs)
	if err != nil {
		return err
	}
	if err := v.x.readZones(ctx, v.m, masters); err != nil {
		return err
	}
	for i := range masters {
		if err := v.expandOne(ctx, &masters[i]); err != nil {
			return err
		}
	}
	return nil
}

// expandOne adds a master and its occurrences in the window.
func (v *view) expandOne(ctx context.Context, master *ews.CalendarItem) error {
	instances, err := ews.Expand(master, v.w.From, v.w.To)
	if err != nil {
		v.x.log.Debug("series left out of a view", "mailbox", v.m, "error", err)
		return nil
	}
	if len(instances) == 0 {
		return nil
	}
	var refs []ews.ItemRef
	for _, i := range instances {
		if i.ItemID.ID != "" {
			refs = append(refs, i.ItemID.Ref())
		}
	}
	exceptions, err := v.x.readItems(ctx, v.m, refs)
	if err != nil {
		return err
	}
	read := map[string]*ews.CalendarItem{}
	for i := range exceptions {
		read[exceptions[i].ItemID.ID] = &exceptions[i]
	}
	for _, i := range instances {
		id := i.ItemID
		if id.ID == "" {
			id = ews.ItemID{ID: master.ItemID.ID + "#" + i.OriginalStart.Format("20060102T150405Z"), ChangeKey: master.ItemID.ChangeKey}
		}
		made := occurrence(master, id, i.Start, i.End)
		if e := read[i.ItemID.ID]; e != nil {
			made = *e
		}
		made.RecurrenceID, made.OriginalStart = i.OriginalStart, i.OriginalStart
		if made.Type = ews.Occurrence; i.Exception {
			made.Type = ews.Exception
		}
		v.add(&made)
	}
	v.masters = append(v.masters, toItem(master, v.x.folder(v.m), v.x.opt.MaxBody))
	return nil
}
