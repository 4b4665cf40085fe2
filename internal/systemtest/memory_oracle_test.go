package systemtest

import (
	"fmt"
	"html"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/koyomi-cal/koyomi/ews/ewstest"
	"github.com/koyomi-cal/koyomi/internal/calendar"
)

// The oracle says from the simulator's calendars alone what everybody's list
// has to be. It shares no code with what it judges: links are found by a
// regular expression, blocks by their visible last line.

var (
	memLink = regexp.MustCompile(`https://(?:meet\.example\.net|rooms\.example\.net|[a-z0-9]+\.zoom\.us)/[A-Za-z0-9/_.?=-]+`)
	memTags = regexp.MustCompile(`(?s)<!--.*?-->|<style.*?</style>|<[^>]*>`)
)

const memLastLine = "Join details added by Koyomi"

// memText is what a body shows, white space made one.
func memText(b ewstest.Body) string {
	s := b.Content
	if b.Type == "HTML" {
		s = html.UnescapeString(memTags.ReplaceAllString(s, " "))
	}
	return strings.Join(strings.Fields(s), " ")
}

// memBlocks counts the join blocks in a body.
func memBlocks(b ewstest.Body) int { return strings.Count(memText(b), memLastLine) }

// memEntry is one line of a list.
type memEntry struct {
	Start, End                   time.Time
	Subject, Location, Organizer string
	Link                         string
	Response, Status             string
	Attendees                    string
}

func (e memEntry) String() string {
	return fmt.Sprintf("%s %q at %q by %s link %q response %q status %q to %s",
		e.Start.Format("Jan 2 15:04"), e.Subject, e.Location, e.Organizer, e.Link, e.Response, e.Status, e.Attendees)
}

// shown is what the person's device shows.
func (r *memRig) shown(who string) []string {
	r.t.Helper()
	var out []string
	for _, m := range r.opened(who) {
		e := memEntry{
			Start: m.Head.Start.UTC(), End: m.Head.End.UTC(), Subject: m.Head.Subject, Location: m.Head.Location,
			Organizer: strings.ToLower(m.Head.Organizer.Address), Response: string(m.Head.Response), Status: m.Head.Status,
		}
		if len(m.Head.Join) > 0 {
			e.Link = m.Head.Join[0].URL
		}
		var names []string
		for _, a := range m.Details.Attendees {
			names = append(names, strings.ToLower(a.Address)+"="+string(a.Response))
		}
		e.Attendees = strings.Join(names, " ")
		if strings.Contains(m.Details.Notes, memLastLine) && m.Head.Notice == "" && strings.EqualFold(m.Head.Organizer.Address, who) {
			r.t.Errorf("%s's agenda of %q repeats the join block", who, m.Head.Subject)
		}
		out = append(out, e.String())
	}
	slices.Sort(out)
	return out
}

// due is what the person's calendar says the device has to show.
func (r *memRig) due(who string) []string {
	now := time.Now()
	masters := map[string]ewstest.Item{}
	for _, it := range r.x.Calendar(who) {
		masters[it.UID] = it
	}
	var out []string
	for _, it := range r.x.View(who, now.AddDate(0, 0, -7), now.AddDate(0, 0, 31)) {
		if it.Response == ewstest.ResponseDecline {
			continue
		}
		e := memEntry{
			Start: it.Start.UTC(), End: it.End.UTC(), Subject: it.Subject, Location: it.Location,
			Organizer: strings.ToLower(it.Organizer.Address), Status: calendar.StatusConfirmed,
		}
		if it.Response == ewstest.ResponseTentative || it.Busy == "Tentative" {
			e.Status = calendar.StatusTentative
		}
		e.Response = string(memResponse(it.Response, it.IsOrganizer()))
		e.Link = memLink.FindString(it.Location + " " + html.UnescapeString(it.Body.Content))
		if e.Link == "" && it.Occurrence != "" {
			e.Link = memLink.FindString(html.UnescapeString(masters[it.UID].Body.Content))
		}
		if it.IsCancelled() {
			e.Status, e.Link = calendar.StatusCancelled, ""
		}
		var names []string
		for _, kind := range []ewstest.Kind{ewstest.Required, ewstest.Optional, ewstest.Resource} {
			for _, a := range it.Attendees {
				if a.Kind == kind {
					names = append(names, strings.ToLower(a.Address)+"="+string(memResponse(a.Response, false)))
				}
			}
		}
		e.Attendees = strings.Join(names, " ")
		out = append(out, e.String())
	}
	slices.Sort(out)
	return out
}

func memResponse(s string, own bool) calendar.Response {
	switch s {
	case ewstest.ResponseOrganizer:
		return calendar.Organiser
	case ewstest.ResponseTentative:
		return calendar.Tentative
	case ewstest.ResponseAccept:
		return calendar.Accepted
	case ewstest.ResponseDecline:
		return calendar.Declined
	}
	if own && s == "" {
		return calendar.Organiser
	}
	return calendar.NoResponse
}

// judge holds everything that must always be true at a quiet moment against the
// world.
func (r *memRig) judge(when string) {
	r.t.Helper()
	for _, who := range memPeople {
		want, got := r.due(who), r.shown(who)
		for _, e := range got {
			if !slices.Contains(want, e) {
				r.t.Errorf("%s: %s is shown what is not in the calendar:\n  %s", when, who, e)
			}
		}
		for _, e := range want {
			if !slices.Contains(got, e) {
				r.t.Errorf("%s: %s is not shown:\n  %s", when, who, e)
			}
		}
		if len(got) > len(want) {
			r.t.Errorf("%s: %s is shown %d entries, not %d", when, who, len(got), len(want))
		}
		for _, it := range r.x.Calendar(who) {
			if n := memBlocks(it.Body); n > 1 {
				r.t.Errorf("%s: %d blocks in %q of %s", when, n, it.Subject, who)
			}
			for _, ex := range it.Exceptions {
				if ex.Item != nil && memBlocks(ex.Item.Body) > 1 {
					r.t.Errorf("%s: an exception of %q has several blocks", when, it.Subject)
				}
			}
			if !it.IsOrganizer() && it.Property("KoyomiJoin") != "" {
				r.t.Errorf("%s: an attendee's copy of %q carries the marker", when, it.Subject)
			}
		}
	}
	r.judgeMails(when)
}

// judgeMails counts: beyond what people's own saves mailed, at most one update
// for each change that wanted one.
func (r *memRig) judgeMails(when string) {
	r.t.Helper()
	got := map[string]int{}
	for _, m := range r.x.Mails() {
		if m.Class == ewstest.ClassRequest {
			got[m.UID+" "+strings.ToLower(m.To)]++
		}
	}
	for _, key := range slices.Sorted(maps.Keys(got)) {
		uid, to, _ := strings.Cut(key, " ")
		if ours := got[key] - r.asked[key]; ours > r.allowed[uid] {
			r.t.Errorf("%s: %s got %d updates of ours about one meeting, and %d changes asked for one", when, to, ours, r.allowed[uid])
		}
	}
}

// mailed returns how many updates of ours somebody got about a meeting.
func (r *memRig) mailed(uid, to string) int {
	n := 0
	for _, m := range r.x.Mails() {
		if m.Class == ewstest.ClassRequest && m.UID == uid && strings.EqualFold(m.To, to) {
			n++
		}
	}
	return n - r.asked[uid+" "+to]
}
