// Package presence says who is out of office, and how often it is worth asking.
//
// Exchange tells nobody when automatic replies are switched on or off, and each
// look at them costs a request. So the package has two parts, both pure:
//
//   - [Look.Presence] turns what one look found, the automatic replies and the
//     out-of-office stretches of the calendar, into what colleagues see at a
//     given time, and says when that changes by itself. Scheduled replies are so
//     switched to the second, without a further request.
//   - [Rota] says whose turn it is. People whom somebody is looking at come
//     within a minute, all others every quarter of an hour, and together never
//     above a tenth of the requests that the server gives us: above that, the
//     intervals grow, and [Rota.Intervals] shows what was reached.
//
// What colleagues see ends by itself: a presence that nobody renews expires, so
// that a dead connector leaves nobody out of office for ever.
package presence

import (
	"slices"
	"time"

	"github.com/koyomi-cal/koyomi/internal/calendar"
)

// outOfOffice is how free/busy names the stretches that count.
const outOfOffice = "oof"

// Look is what one look at a mailbox found.
type Look struct {
	At      time.Time // when it was taken
	Replies calendar.Replies
	Busy    []calendar.Busy // the calendar's stretches, where these count too; may be nil
}

// Presence returns what colleagues see at a time, valid for the given time from
// the look on, and when it changes without a further look; zero means never.
// Stretches that touch or overlap count as one.
func (l Look) Presence(now time.Time, valid time.Duration) (p calendar.Presence, change time.Time) {
	p.Expires = l.At.Add(valid)
	if l.Replies.State == calendar.RepliesOn {
		p.OutOfOffice = true
		return p, time.Time{}
	}
	for _, w := range l.stretches() {
		switch {
		case now.Before(w.From):
			return p, w.From
		case now.Before(w.To):
			p.OutOfOffice, p.From, p.To = true, w.From, w.To
			return p, w.To
		}
	}
	return p, time.Time{}
}

// stretches returns the absences in order, joined where they touch.
func (l Look) stretches() []calendar.Window {
	var all []calendar.Window
	if r := l.Replies; r.State == calendar.RepliesScheduled && r.From.Before(r.To) {
		all = append(all, calendar.Window{From: r.From, To: r.To})
	}
	for _, b := range l.Busy {
		if b.ShowAs == outOfOffice && b.From.Before(b.To) {
			all = append(all, b.Window)
		}
	}
	slices.SortFunc(all, func(a, b calendar.Window) int { return a.From.Compare(b.From) })
	joined := all[:0]
	for _, w := range all {
		if n := len(joined); n > 0 && !w.From.After(joined[n-1].To) {
			if w.To.After(joined[n-1].To) {
				joined[n-1].To = w.To
			}
			continue
		}
		joined = append(joined, w)
	}
	return joined
}
