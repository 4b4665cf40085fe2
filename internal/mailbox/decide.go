package mailbox

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"

	"github.com/koyomi-cal/koyomi/internal/calendar"
	"github.com/koyomi-cal/koyomi/internal/detect"
	"github.com/koyomi-cal/koyomi/internal/render"
)

// action is what a decision wants done to an item.
type action string

const (
	nothing action = ""
	insert  action = "insert"  // block and marker, for the first time
	replace action = "replace" // the keyword changed, or a copy gets its own meeting
	remove  action = "remove"  // block and marker
	unmark  action = "unmark"  // marker only: keyword and block are gone
	resend  action = "resend"  // nothing new to write; the invitation went out without it
)

// verdict is a decision on one copy of one item.
type verdict struct {
	do      action
	reason  Reason
	wish    string // the keyword as typed, for which join details are needed
	service string
	act     detect.Action
	notify  calendar.Notify
	draft   bool // attendees, and no sign that the invitation was sent
}

const (
	maxPeople = 1500
	maxWeight = 200 << 20 // item size times attendees
)

func (s *turn) detect(it *calendar.Item) *detect.Result {
	found := s.r.Detect.Detect(detect.Input{
		Subject: it.Subject, Location: it.Location,
		Body: it.Body.Content, BodyType: it.Body.Type, Properties: it.Properties,
	})
	return &found
}

// decide says what ought to be written to an item, from nothing but the item
// itself and what other copies of the meeting showed.
func (s *turn) decide(t *tracked, it *calendar.Item, found *detect.Result) verdict {
	if found.Keyword == "" && !it.Marker.Present() {
		return verdict{reason: NothingAsked}
	}
	if why := s.untouchable(it); why != "" {
		return verdict{reason: why}
	}
	sent := s.sent(t, it)
	v := verdict{
		wish: found.Keyword, service: found.KeywordService, act: found.KeywordAction,
		notify: calendar.NotifyNone,
		draft:  len(it.Attendees) > 0 && !sent,
	}
	if v.act == detect.ActionDefault && found.KeywordDefault != "" {
		v.act = found.KeywordDefault
	}
	if len(it.Attendees) > 0 && sent {
		v.notify = calendar.NotifyAll
	}
	switch {
	case !it.Marker.Present():
		if holdsBlock(it) {
			return verdict{reason: OwnBlockFound}
		}
		v.do, v.reason = insert, Inserted
		return v
	case found.Keyword == "":
		return s.unwanted(v, it)
	}
	return s.marked(v, t, it, sent)
}

// unwanted decides for an item whose keyword is gone while its marker stays.
func (s *turn) unwanted(v verdict, it *calendar.Item) verdict {
	v.wish = ""
	switch render.Find(it.Body, it.Marker.Join).State {
	case render.Whole:
		v.do, v.reason = remove, Removed
	case render.Absent:
		v.do, v.reason, v.notify, v.draft = unmark, Removed, calendar.NotifyNone, false
	default:
		return verdict{reason: BlockUnclear}
	}
	return v
}

// marked decides for an item that carries both keyword and marker.
func (s *turn) marked(v verdict, t *tracked, it *calendar.Item, sent bool) verdict {
	mark := readMark(it.Marker)
	switch render.Find(it.Body, it.Marker.Join).State {
	case render.Whole:
	case render.Absent:
		return verdict{reason: OptedOut}
	default:
		return verdict{reason: BlockUnclear}
	}
	if it.Marker.GOID != "" && it.Marker.GOID != it.Key() {
		switch {
		case mark.personal:
			return verdict{reason: Done}
		case sent:
			return verdict{reason: ForeignMarker}
		}
		v.do, v.reason = replace, Replaced
		return v
	}
	if mark.wish != wishHash(v.wish) {
		v.do, v.reason = replace, Replaced
		return v
	}
	if mark.silent && t.CopyBare && len(it.Attendees) > 0 {
		v.do, v.reason, v.wish = resend, Resent, ""
		return v
	}
	return verdict{reason: Done}
}

// untouchable says why an item must not be written at all, or nothing.
func (s *turn) untouchable(it *calendar.Item) Reason {
	if why := s.foreign(it); why != "" {
		return why
	}
	people := len(it.Attendees)
	end := it.End
	if it.Kind == calendar.Master {
		end = it.Last
	}
	switch {
	case it.Modified.Before(s.baseline):
		return BeforeBaseline
	case it.Cancelled:
		return CancelledMeeting
	case it.InDeletedItems:
		return Deleted
	case !end.IsZero() && !end.After(s.now):
		return Past
	case !s.classAllowed(it.ItemClass):
		return ForeignClass
	case it.RightsManaged:
		return Protected
	case it.Signed:
		return SignedItem
	case it.Key() == "":
		return NoIdentity
	case it.AttendeesCut || people > maxPeople:
		return TooManyPeople
	case it.Size*int64(people) > maxWeight:
		return TooHeavy
	case !it.Body.Whole:
		return BodyNotRead
	}
	return ""
}

// foreign says why an item is not this mailbox's own to write.
func (s *turn) foreign(it *calendar.Item) Reason {
	alone := len(it.Attendees) == 0
	own := it.IsOrganizer == calendar.Yes
	if it.IsOrganizer == calendar.Unknown {
		own = it.MyResponse == calendar.Organiser ||
			it.IsMeeting == calendar.Yes && it.Received == calendar.No ||
			alone && it.Organizer.Address == "" && it.Received != calendar.Yes
	}
	switch {
	case !own:
		return NotOrganizer
	case it.Organizer.Address == "" && !alone:
		return Unattributed
	case it.Organizer.Address != "" && !s.r.Mailbox.Owns(it.Organizer.Address):
		return Unattributed
	}
	return ""
}

func (s *turn) classAllowed(class string) bool {
	if class == "" || strings.EqualFold(class, "IPM.Appointment") {
		return true
	}
	for _, c := range s.r.ItemClasses {
		if strings.EqualFold(class, c) {
			return true
		}
	}
	return false
}

// sent reports whether there is evidence that the invitation went out.
func (s *turn) sent(t *tracked, it *calendar.Item) bool {
	if it.RequestSent == calendar.Yes || t.CopySeen {
		return true
	}
	if it.RequestSent == calendar.Unknown && s.r.AbsentIsSent {
		return true
	}
	for _, a := range it.Attendees {
		if a.Response == calendar.Accepted || a.Response == calendar.Declined || a.Response == calendar.Tentative {
			return true
		}
	}
	return false
}

// holdsBlock reports whether the body shows a join block of any meeting, or
// part of one, outside of quoted mails.
func holdsBlock(it *calendar.Item) bool {
	switch f := render.Find(it.Body, ""); f.State {
	case render.Absent:
		return false
	case render.Partial:
		return f.Reason != render.Quoted && f.Reason != render.LinkOnly
	}
	return true
}

// mark is what the marker's KoyomiHash and KoyomiVersion say. The hash is made
// of the keyword as typed and of the join details: a change of settings,
// template or language changes neither, so it rewrites nothing.
type mark struct {
	wish     string
	personal bool
	silent   bool // written without telling anybody
}

func readMark(m calendar.Marker) mark {
	wish, _, _ := strings.Cut(m.Hash, ".")
	words := strings.Fields(m.Version)
	has := func(w string) bool {
		for _, x := range words {
			if x == w {
				return true
			}
		}
		return false
	}
	return mark{wish: wish, personal: has("personal"), silent: has("silent")}
}

func newMarker(key, wish string, d *calendar.JoinDetails, n calendar.Notify) calendar.Marker {
	version := "1 mailed"
	if n == calendar.NotifyNone {
		version = "1 silent"
	}
	if d.Personal {
		version += " personal"
	}
	return calendar.Marker{Join: d.URL, GOID: key, Hash: wishHash(wish) + "." + render.Hash(*d), Version: version}
}

// stamp is how a saved marker is recognised after a lost answer. It holds
// hashes and words of our own only.
func stamp(m calendar.Marker) string { return m.Hash + " " + m.Version }

func wishHash(wish string) string {
	h := sha256.Sum256([]byte("koyomi wish\x00" + wish))
	return hex.EncodeToString(h[:8])
}
