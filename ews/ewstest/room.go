package ewstest

import (
	"strings"
	"time"
)

// Room says how a room's mailbox processes invitations, in the words of
// Set-CalendarProcessing. The zero value keeps everything and answers nothing;
// [DefaultRoom] is what the server sets for a new room.
type Room struct {
	AutoAccept            bool // answers by itself: accepts where free, else declines
	AllowConflicts        bool
	DeleteSubject         bool // the subject is lost
	AddOrganizerToSubject bool // the organizer's name is the subject, or comes before it
	DeleteComments        bool // the body is lost
	DeleteAttachments     bool // the attachments are lost
	RemovePrivateProperty bool // private meetings become normal
	KeepRequests          bool // the request stays in the Inbox after the answer

	// What a series may collide with and still be booked, its free occurrences
	// accepted and the others declined one by one: so many percent of its
	// occurrences, and so many of them. Where either is more, all is declined.
	ConflictPercentageAllowed int
	MaximumConflictInstances  int

	BookingWindowInDays     int           // how far ahead it can be booked; 0: no limit
	EnforceSchedulingWindow bool          // a series that goes on beyond that is declined; else what lies beyond is not looked at
	MaximumDuration         time.Duration // of a meeting; 0: no limit
	NoRecurringMeetings     bool          // series are declined
}

// DefaultRoom returns what a room does when nobody has changed its settings.
func DefaultRoom() Room {
	return Room{
		AutoAccept: true, DeleteSubject: true, AddOrganizerToSubject: true, DeleteComments: true, DeleteAttachments: true, RemovePrivateProperty: true,
		BookingWindowInDays: 180, EnforceSchedulingWindow: true, MaximumDuration: 24 * time.Hour,
	}
}

// processRoom does what a room's calendar assistant does with a request: it
// strips the copy and answers.
func (p *post) processRoom(b *mailbox, copy, letter *Item, m meeting) {
	t := p.copyFor(b, letter)
	if t == nil {
		return
	}
	stripped := b.room.strip(t.single)
	if t.isOccurrence() {
		c := t.it.shallow()
		c.Exceptions = t.it.except(t.occ, stripped, FieldSubject|FieldBody|FieldSensitivity)
		t.it = b.replace(p.now, c)
		t.occ, _ = t.it.occurrenceAt(p.s.zones.location(t.it.Zone), t.occ.original)
		t.single = t.it.occurrence(t.occ)
	} else {
		t.it = b.replace(p.now, stripped)
		t.single = t.it
	}
	if !b.room.AutoAccept || (letter.Kind == "InformationalUpdate" && !p.s.opt.Profile.roomAnswers()) {
		return
	}
	p.book(b, t, letter.Subject)
	if !b.room.KeepRequests {
		b.move(p.now, b.setRead(p.now, letter, true), deletedFolder)
	}
}

// strip returns the copy as the room keeps it.
func (r *Room) strip(it *Item) *Item {
	c := it.shallow()
	if r.DeleteSubject {
		c.Subject = ""
	}
	if r.AddOrganizerToSubject {
		c.Subject = strings.TrimSpace(orElse(it.Organizer.Name, it.Organizer.Address) + " " + c.Subject)
	}
	if r.DeleteComments {
		c.Body, c.seed = Body{Type: it.body().Type}, 0
	}
	if r.DeleteAttachments {
		c.Attachments = nil
	}
	if r.RemovePrivateProperty {
		c.Sensitivity = "Normal"
	}
	return c
}

// book answers for a room: accepts, declines, or accepts a series and declines
// the occurrences at which the room is taken.
func (p *post) book(b *mailbox, t *target, subject string) {
	accept, decline := answers["AcceptItem"], answers["DeclineItem"]
	taken, of := p.conflicts(b, t.single)
	r := b.room
	tooMany := len(taken) > r.MaximumConflictInstances || 100*len(taken) > r.ConflictPercentageAllowed*of
	if t.single.Recurrence == nil {
		tooMany = len(taken) > 0
	}
	if p.againstPolicy(r, t.single) || tooMany && !r.AllowConflicts {
		p.answer(t, decline, subject, nil, true, false)
		return
	}
	p.answer(t, accept, subject, nil, true, false)
	if r.AllowConflicts || t.single.Recurrence == nil {
		return
	}
	for _, w := range taken {
		series := b.item(calendarFolder, t.it.num)
		if series == nil {
			return
		}
		if o, found := series.occurrenceAt(p.s.zones.location(series.Zone), w.original); found {
			p.answer(&target{box: b, it: series, occ: o, single: series.occurrence(o)}, decline, subject, nil, true, false)
		}
	}
}

// againstPolicy reports whether a room may not be booked in this way, free or
// not.
func (p *post) againstPolicy(r *Room, it *Item) bool {
	if r.MaximumDuration > 0 && it.End.Sub(it.Start) > r.MaximumDuration || r.NoRecurringMeetings && it.Recurrence != nil {
		return true
	}
	if r.BookingWindowInDays == 0 {
		return false
	}
	limit := p.now.AddDate(0, 0, r.BookingWindowInDays)
	if it.Start.After(limit) {
		return true
	}
	if it.Recurrence == nil || !r.EnforceSchedulingWindow {
		return false
	}
	beyond := false
	loc := p.s.zones.location(it.Zone)
	it.series(loc, dayOf(limit.In(loc)), false, func(o occurrence) bool {
		beyond = o.start.After(limit)
		return !beyond
	})
	return beyond
}

// conflicts returns when a room is taken of what a meeting wants, and how often
// it wants it. Of a series, the half year from now counts.
func (p *post) conflicts(b *mailbox, it *Item) (taken []occurrence, of int) {
	loc := p.s.zones.location(it.Zone)
	wanted := []occurrence{{start: it.Start, end: it.End}}
	if it.Recurrence != nil {
		from := later(p.now, it.Start)
		wanted = it.window(loc, from, from.Add(180*24*time.Hour))
	}
	for _, w := range wanted {
		for _, busy := range p.s.busyTimes(b, w.start, w.end) {
			if busy.uid != it.UID && busy.status != "Free" {
				taken = append(taken, w)
				break
			}
		}
	}
	return taken, len(wanted)
}
