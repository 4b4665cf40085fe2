package mailbox

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/koyomi-cal/koyomi/internal/calendar"
)

// Times are when a meeting takes place, as a meeting service has to know it.
type Times struct {
	Start      time.Time `json:"s"`
	End        time.Time `json:"e"`
	TimeZone   string    `json:"z,omitempty"`
	Recurrence string    `json:"r,omitempty"` // of a series: its rule
	Last       time.Time `json:"l,omitzero"`  // of a series: end of its last occurrence; zero: unknown or endless
}

func timesOf(it *calendar.Item) Times {
	return Times{Start: it.Start.UTC(), End: it.End.UTC(), TimeZone: it.TimeZone, Recurrence: it.Recurrence, Last: it.Last.UTC()}
}

// over is when the meeting is over for good; zero: never, as far as is known.
func (t Times) over() time.Time {
	if t.Recurrence == "" {
		return t.End
	}
	return t.Last
}

// Lasting is how long a meeting at a service stays after its cancellation was
// seen: whoever cancelled by mistake finds it as it was.
const Lasting = 24 * time.Hour

// Hosted is what is remembered of one meeting that lives at a meeting service:
// who needs it, and when it takes place. It is counted by the meetings of the
// calendar that show its link, each under an opaque id: the one it was made for
// and copies of it. It ends when none of them needs it any more, and nothing
// but a [Hold] that says so lets go of it: no calendar that is silent, no item
// that is gone. Times and ids are all that is in it.
type Hosted struct {
	Wish    string               `json:"w"` // hash of the keyword it was made for
	Service string               `json:"n,omitempty"`
	Action  string               `json:"a,omitempty"`
	Mailbox calendar.MailboxID   `json:"m"` // who called it
	Locale  string               `json:"o,omitempty"`
	Times   Times                `json:"t"`
	Moved   bool                 `json:"v,omitempty"` // the service may have other times
	Uses    map[string]time.Time `json:"u"`           // zero: needed; else not needed from then on
	Retry   time.Time            `json:"d,omitzero"`  // the service failed: nothing before this
}

// Ask notes that join details were asked for on behalf of a use. Until they
// stand in an invitation the meeting is needed for a day.
func (h *Hosted) Ask(now time.Time, use string) {
	if h.Uses == nil {
		h.Uses = map[string]time.Time{}
	}
	if until, has := h.Uses[use]; !has || !until.IsZero() {
		h.Uses[use] = now.Add(Lasting)
	}
}

// Apply takes in what a calendar says about the meeting.
func (h *Hosted) Apply(now time.Time, e Hold) {
	if slices.Contains(e.Wishes, h.Wish) {
		if h.Uses == nil {
			h.Uses = map[string]time.Time{}
		}
		h.Uses[e.Use] = time.Time{}
		if e.Own && e.Mailbox == h.Mailbox && e.Times != h.Times {
			h.Times, h.Moved, h.Retry = e.Times, true, time.Time{}
		}
		return
	}
	if until, has := h.Uses[e.Use]; has && until.IsZero() {
		h.Uses[e.Use] = now.Add(Lasting)
	}
}

// Duty is what is to be done for a meeting at a service.
type Duty string

// The duties.
const (
	Rest   Duty = ""       // nothing
	Follow Duty = "follow" // give it the calendar's times
	End    Duty = "end"    // take it away
	Forget Duty = "forget" // it is over: nothing needs to be remembered
)

// Next returns the next duty and when it is due; the zero time with Rest.
func (h *Hosted) Next() (Duty, time.Time) {
	duty, at := Rest, time.Time{}
	if over := h.Times.over(); !over.IsZero() {
		duty, at = Forget, over.Add(Lasting)
	}
	if ends, free := h.ends(); free && (at.IsZero() || ends.Before(at)) {
		duty, at = End, ends
	}
	if h.Moved && (at.IsZero() || h.Retry.Before(at)) {
		return Follow, h.Retry
	}
	if duty != Forget && h.Retry.After(at) {
		at = h.Retry
	}
	return duty, at
}

// ends is when nobody needs the meeting any more.
func (h *Hosted) ends() (at time.Time, free bool) {
	for _, until := range h.Uses {
		if until.IsZero() {
			return time.Time{}, false
		}
		if until.After(at) {
			at = until
		}
	}
	return at, len(h.Uses) > 0
}

// Done takes in how a duty went; a retry in the future says that it failed and
// is to be done again then.
func (h *Hosted) Done(d Duty, retry time.Time) {
	h.Retry = retry
	if d == Follow && retry.IsZero() {
		h.Moved = false
	}
}

// hold says which meetings at services an item needs. Only what is seen counts:
// the organizer's own copy with its marker, or that copy cancelled, or without
// the marker that it had.
func (s *turn) hold(t *tracked, it *calendar.Item) {
	if t.Intent != nil || it.InDeletedItems || it.Kind == calendar.Occurrence || it.Kind == calendar.Exception || s.foreign(it) != "" {
		return
	}
	e := Hold{Mailbox: s.r.Mailbox.ID, Use: t.Ref, Key: it.Key(), Own: true, Times: timesOf(it)}
	m := readMark(it.Marker)
	switch own := it.Marker.GOID == "" || it.Marker.GOID == it.Key(); {
	case !it.Marker.Present() && t.Held == "", it.Marker.Present() && m.personal && t.Held == "":
		return
	case it.Cancelled || !it.Marker.Present() || m.personal:
	case own:
		e.Wishes = []string{m.wish}
	case s.sent(t, it): // a copy that went out with the other meeting's link
		e.Key, e.Own, e.Times, e.Wishes = it.Marker.GOID, false, Times{}, []string{m.wish}
	default:
		return // a copy that gets its own meeting
	}
	stamp := holdStamp(s.r.Entry(e.Key), e)
	if t.Held != stamp {
		t.Held = stamp
		s.emit(e)
	}
	if len(e.Wishes) == 0 && !it.Marker.Present() {
		t.Held = "" // let go of, and nothing left to say
	}
}

// holdBoth needs, before a write, the meeting that it shows beside the one that
// the invitation shows now: whichever of them is there afterwards, it lives.
func (s *turn) holdBoth(t *tracked, it *calendar.Item, v verdict) {
	if v.do != insert && v.do != replace || t.join.Personal {
		return
	}
	e := Hold{Mailbox: s.r.Mailbox.ID, Use: t.Ref, Key: it.Key(), Own: true, Times: timesOf(it), Wishes: []string{wishHash(v.wish)}}
	if m := readMark(it.Marker); it.Marker.Present() && !m.personal && m.wish != e.Wishes[0] {
		e.Wishes = append(e.Wishes, m.wish)
	}
	t.Held = "both" // the next read says which
	s.emit(e)
}

// letGo says that the meeting is cancelled, as an attendee's copy shows and no
// organizer's copy denies.
func (s *turn) letGo(key string) {
	s.emit(Hold{Mailbox: s.r.Mailbox.ID, Use: s.r.Entry(key), Key: key})
}

func holdStamp(entry string, e Hold) string {
	h := sha256.Sum256(fmt.Appendf(nil, "%s %s %v %v", entry, strings.Join(e.Wishes, " "), e.Own, e.Times))
	return hex.EncodeToString(h[:6])
}
