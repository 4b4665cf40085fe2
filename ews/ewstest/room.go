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
	RemovePrivateProperty bool // private meetings become normal
	KeepRequests          bool // the request stays in the Inbox after the answer
}

// DefaultRoom returns what a room does when nobody has changed its settings.
func DefaultRoom() Room {
	return Room{AutoAccept: true, DeleteSubject: true, AddOrganizerToSubject: true, DeleteComments: true, RemovePrivateProperty: true}
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
	kind := answers["AcceptItem"]
	if !b.room.AllowConflicts && p.conflicts(b, t.it) {
		kind = answers["DeclineItem"]
	}
	p.answer(t, kind, letter.Subject, nil, true, false)
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
	if r.RemovePrivateProperty {
		c.Sensitivity = "Normal"
	}
	return c
}

// conflicts reports whether a room is taken when a meeting wants it. Of a
// series, the next half year counts.
func (p *post) conflicts(b *mailbox, it *Item) bool {
	loc := p.s.zones.location(it.Zone)
	wanted := []occurrence{{start: it.Start, end: it.End}}
	if it.Recurrence != nil {
		from := later(p.now, it.Start)
		wanted = it.window(loc, from, from.Add(180*24*time.Hour))
	}
	for _, w := range wanted {
		for _, busy := range p.s.busyTimes(b, w.start, w.end) {
			if busy.uid != it.UID && busy.status != "Free" {
				return true
			}
		}
	}
	return false
}
