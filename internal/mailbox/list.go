package mailbox

import (
	"slices"
	"strings"
	"time"

	"github.com/koyomi-cal/koyomi/internal/calendar"
	"github.com/koyomi-cal/koyomi/internal/detect"
	"github.com/koyomi-cal/koyomi/internal/render"
)

// listOne shows a single meeting as it was just read, or takes it out of the
// list.
func (s *turn) listOne(t *tracked, it *calendar.Item, found *detect.Result) {
	old := t.Entries
	t.Entries, t.seen = nil, s.turns
	if s.shown(it) {
		t.Entries = []string{s.publish(t, it, found.Methods())}
	}
	s.withdraw(old)
}

// listAll shows every entry of the viewed window and withdraws all others. A
// single meeting that was read by itself after the view was asked for is left
// as that read showed it.
func (s *turn) listAll(ev Viewed) {
	byKey := make(map[string][]calendar.JoinMethod)
	master := make(map[string]*calendar.Item)
	for i := range ev.Masters {
		m := &ev.Masters[i]
		master[m.Key()] = m
		byKey[m.Key()] = s.detect(m).Methods()
	}
	for _, t := range s.items {
		if !s.newer(t) {
			t.Entries = nil
		}
	}
	for i := range ev.Entries {
		it := &ev.Entries[i]
		owner := it.ID
		if m := master[it.Key()]; m != nil && it.Kind != calendar.Single {
			owner = m.ID
		}
		t := s.track(owner)
		if it.Kind == calendar.Single && s.newer(t) || !s.shown(it) {
			continue
		}
		ways := s.detect(it).Methods()
		if len(ways) == 0 {
			ways = byKey[it.Key()] // an exception gets its button from the master
		}
		t.Entries = append(t.Entries, s.publish(t, it, ways))
	}
	var keep []string
	for _, id := range s.ids() {
		keep = append(keep, s.items[id].Entries...)
	}
	s.emit(Keep{Entries: keep})
}

// newer reports whether the item was read by itself since the view was asked
// for.
func (s *turn) newer(t *tracked) bool {
	return !t.Series && t.seen > s.asked
}

// withdraw takes entries out of the list that no item stands for any more. An
// item that moved has a new id and the same entry.
func (s *turn) withdraw(entries []string) {
	for _, e := range entries {
		listed := false
		for _, t := range s.items {
			listed = listed || slices.Contains(t.Entries, e)
		}
		if !listed {
			s.emit(Withdraw{Entry: e})
		}
	}
}

// shown reports whether an item belongs in the list: inside the horizon, not
// declined, not thrown away.
func (s *turn) shown(it *calendar.Item) bool {
	return it.MyResponse != calendar.Declined && !it.InDeletedItems &&
		s.r.Window(s.now).Contains(it.Start, it.End)
}

// publish shows one entry and returns its opaque id.
func (s *turn) publish(t *tracked, it *calendar.Item, ways []calendar.JoinMethod) string {
	m := calendar.Meeting{Key: it.Key(), RecurrenceID: it.RecurrenceID}
	if m.Key == "" {
		m.Key = "id:" + it.ID
	}
	m.Head = calendar.Head{
		UID: it.UID, Start: it.Start, End: it.End, TimeZone: it.TimeZone, AllDay: it.AllDay,
		Subject: it.Subject, Location: it.Location, Organizer: it.Organizer,
		Join: ways, Status: status(it), Response: it.MyResponse, Sensitivity: it.Sensitivity,
		Series: it.Kind != calendar.Single,
		OBTP: calendar.OBTP{
			Lead: int(orElse(s.r.Lead, 5*time.Minute) / time.Second),
			Lag:  int(max(s.r.Lag, 0) / time.Second),
		},
		Notice: t.notice(),
	}
	if m.Head.Notice == string(ServiceDown) || m.Head.Notice == string(ServiceQuota) {
		m.Head.Waiting = t.awaited()
		if t.Series && m.Head.Waiting.Retry.Sub(s.now) < viewAgain {
			m.Head.Waiting.Retry = time.Time{} // a series is not listed anew for each try
		}
	}
	if it.Cancelled {
		m.Head.Join = nil
	}
	m.Details = calendar.Details{Notes: notes(it), Attendees: it.Attendees}
	entry := s.r.Entry(m.ItemKey())
	s.emit(Publish{Entry: entry, Meeting: m})
	return entry
}

// viewAgain is how far off the next try has to be for a series to name it.
const viewAgain = 5 * time.Minute

// notice is what the organizer is told beside the meeting.
func (t *tracked) notice() string {
	switch t.Reason {
	case NotConfirmed, NotSeen, ServiceDown, ServiceQuota, ServiceRefused, ServiceUnknown, BlockUnclear, RenderRefused, ServerRefused, TooManyWrites:
		return string(t.Reason)
	}
	return ""
}

func status(it *calendar.Item) string {
	switch {
	case it.Cancelled:
		return calendar.StatusCancelled
	case it.MyResponse == calendar.Tentative || it.ShowAs == "tentative":
		return calendar.StatusTentative
	}
	return calendar.StatusConfirmed
}

// maxNotes bounds the agenda that is shown; the invitation itself stays whole.
const maxNotes = 16 << 10

// tidy takes away what only markup put there: spaces around lines, and more
// than one empty line in a row.
func tidy(text string) string {
	lines := strings.Split(text, "\n")
	kept := lines[:0]
	for _, l := range lines {
		l = strings.TrimSpace(l)
		if l != "" || len(kept) > 0 && kept[len(kept)-1] != "" {
			kept = append(kept, l)
		}
	}
	return strings.Join(kept, "\n")
}

// notes is the agenda as plain text, without our own block: the app has a
// button for that.
func notes(it *calendar.Item) string {
	b := it.Body
	if it.Marker.Join != "" {
		if without, err := render.Remove(b, it.Marker.Join); err == nil {
			b = without
		}
	}
	text := detect.Text(b)
	if b.Type == calendar.BodyHTML {
		text = tidy(text)
	}
	text = strings.TrimSpace(text)
	if len(text) > maxNotes {
		text = text[:maxNotes]
		for len(text) > 0 && text[len(text)-1]&0xC0 == 0x80 {
			text = text[:len(text)-1]
		}
		if n := len(text); n > 0 && text[n-1] >= 0xC0 {
			text = text[:n-1]
		}
		text += " …"
	}
	return text
}
