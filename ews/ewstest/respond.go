package ewstest

import (
	"slices"
	"strings"
	"time"

	"github.com/koyomi-cal/koyomi/ews/internal/wire"
)

// answerKind is what a response object says.
type answerKind struct{ response, class, prefix, short, wrong string }

// answers are the response objects that answer an invitation ([MS-OXWSMTGS]
// 2.2.4.1, 2.2.4.23, 2.2.4.13).
var answers = map[string]answerKind{
	"AcceptItem":            {ResponseAccept, ClassAccepted, "Accepted: ", "Accept", "AcceptItem"},
	"TentativelyAcceptItem": {ResponseTentative, ClassTentative, "Tentative: ", "Tentative", "Tentative"},
	"DeclineItem":           {ResponseDecline, ClassDeclined, "Declined: ", "Decline", "DeclineItem"},
}

// respond answers a meeting request: by the message in the Inbox, or by the
// item in the calendar. The caller holds Server.mu.
func (r *request) respond(e *wire.Element) outcome {
	t, err := r.reference(e)
	if err != nil {
		return outcome{err: err}
	}
	kind := answers[e.Name]
	p := r.post()
	if t.it.isCalendar() {
		switch {
		case t.single.IsOrganizer():
			return outcome{err: fail("ErrorCalendarIsOrganizerFor" + kind.short)}
		case t.single.IsCancelled():
			return outcome{err: fail("ErrorCalendarIsCancelledFor" + kind.short)}
		}
	} else if elementOf(t.it.Class) != "MeetingRequest" {
		return outcome{err: fail("ErrorInvalidItemForOperation" + kind.wrong)}
	}
	var letter *Item
	if !t.it.isCalendar() {
		letter = t.it
		if t = p.copyFor(t.box, letter); t == nil {
			return outcome{err: fail("ErrorItemNotFound")}
		}
	}
	send := r.body.Attr("MessageDisposition") != "SaveOnly" && !t.single.NoResponse
	var body *Body
	if b := e.Child("Body"); b != nil {
		body = &Body{Type: strings.Clone(orElse(b.Attr("BodyType"), "Text")), Content: strings.Clone(b.Text)}
	}
	done := p.answer(t, kind, t.single.Subject, body, send, r.body.Attr("MessageDisposition") == "SendAndSaveCopy")
	if letter != nil {
		t.box.move(p.now, t.box.setRead(p.now, letter, true), deletedFolder)
	}
	return outcome{box: t.box, items: done}
}

// reference finds the item that a response object refers to.
func (r *request) reference(e *wire.Element) (*target, error) {
	id := e.Child("ReferenceItemId")
	if id == nil {
		return nil, schemaViolation("%s has no ReferenceItemId", e.Name)
	}
	return r.itemByID(id.Attr("Id"), false)
}

// copyFor finds the calendar item that a request is about. Where the server
// does not process invitations, answering one makes the copy.
func (p *post) copyFor(b *mailbox, letter *Item) *target {
	have := b.byUID(letter.UID)
	if have == nil {
		c := p.copyOf(b, letter)
		c.Class, c.Organizer = ClassAppointment, letter.Organizer
		have = b.add(p.now, calendarFolder, c)
	}
	t := &target{box: b, it: have, single: have}
	if !letter.Original.IsZero() && have.Recurrence != nil {
		o, found := have.occurrenceAt(p.s.zones.location(have.Zone), letter.Original)
		if !found {
			return nil
		}
		t.occ, t.single = o, have.occurrence(o)
	}
	return t
}

// answer records an answer in the attendee's calendar and sends it. It returns
// what the answer leaves there.
func (p *post) answer(t *target, kind answerKind, subject string, body *Body, send, save bool) []*Item {
	c := t.single.shallow()
	c.Response, c.Replied = kind.response, p.now
	switch kind.response {
	case ResponseAccept:
		c.Busy = orElse(c.intended, "Busy")
	case ResponseTentative:
		c.Busy = "Tentative"
	}
	if send && !p.mute {
		p.reply(t, c, kind.class, kind.prefix+subject, kind.response, body, save)
	}
	switch {
	case kind.response == ResponseDecline && t.isOccurrence():
		t.box.replace(p.now, t.it.without(t.occ.original))
		return nil
	case kind.response == ResponseDecline:
		return []*Item{t.box.move(p.now, t.box.replace(p.now, c), deletedFolder)}
	case t.isOccurrence():
		m := t.it.shallow()
		m.Exceptions = t.it.except(t.occ, c, FieldResponse|FieldBusy)
		stored := t.box.replace(p.now, m)
		o, _ := stored.occurrenceAt(p.s.zones.location(stored.Zone), t.occ.original)
		return []*Item{stored.occurrence(o)}
	}
	return []*Item{t.box.replace(p.now, c)}
}

// reply sends a response to the organizer and records it there.
func (p *post) reply(t *target, c *Item, class, subject, response string, body *Body, save bool) {
	msg := &Item{
		Class: class, Subject: subject, Body: Body{Type: "Text"}, Culture: t.box.culture, UID: c.UID,
		Start: c.Start, End: c.End, Zone: c.Zone, Location: c.Location, Organizer: c.Organizer, From: t.box.person(),
		To: []Person{c.Organizer}, Received: p.now, Sequence: c.Sequence, Reminder: -1, MessageID: p.messageID(t.box),
	}
	if t.isOccurrence() {
		msg.Original = t.occ.original
	}
	if body != nil {
		msg.Body = *body
	}
	if save {
		p.saveSent(t.box, msg)
	}
	p.record(msg, c.Organizer)
	org := p.s.names[strings.ToLower(c.Organizer.Address)]
	if org == nil {
		return
	}
	letter := msg.shallow()
	if have := org.byUID(c.UID); have != nil {
		letter.about = have.num
		p.track(org, have, t.box.address, response, msg.Original)
	}
	p.drop(org, letter)
}

// track records an attendee's answer in the organizer's copy.
func (p *post) track(org *mailbox, have *Item, address, response string, original time.Time) {
	if p.s.traits.noProcessing {
		return
	}
	record := func(list []Attendee) []Attendee {
		list = slices.Clone(list)
		for i := range list {
			if strings.EqualFold(list[i].Address, address) {
				list[i].Response, list[i].Responded = response, p.now
			}
		}
		return list
	}
	c := have.shallow()
	if original.IsZero() || have.Recurrence == nil {
		c.Attendees = record(have.Attendees)
		org.replace(p.now, c)
		return
	}
	o, found := have.occurrenceAt(p.s.zones.location(have.Zone), original)
	if !found {
		return
	}
	x := have.occurrence(o)
	x.Attendees = record(x.Attendees)
	c.Exceptions = have.except(o, x, FieldAttendees)
	org.replace(p.now, c)
}

// cancelItem carries out CancelCalendarItem ([MS-OXWSMTGS] 2.2.4.10): the
// attendees are told, and the organizer's copy goes to Deleted Items.
func (r *request) cancelItem(e *wire.Element) outcome {
	t, err := r.reference(e)
	if err != nil {
		return outcome{err: err}
	}
	if !t.it.isCalendar() || !t.it.IsMeeting() || !t.it.IsOrganizer() {
		return outcome{err: fail("ErrorCalendarIsNotOrganizer")}
	}
	var body *Body
	if b := e.Child("NewBodyContent"); b != nil {
		body = &Body{Type: strings.Clone(orElse(b.Attr("BodyType"), "Text")), Content: strings.Clone(b.Text)}
	}
	p := r.post()
	m := meeting{box: t.box, it: t.it, one: t.single}
	if t.single.RequestSent { // else nobody knows of it
		p.cancel(m, t.single.Attendees, body, r.body.Attr("MessageDisposition") == "SendAndSaveCopy")
	}
	if t.isOccurrence() {
		t.box.replace(p.now, t.it.without(t.occ.original))
		return outcome{box: t.box}
	}
	c := t.it.shallow()
	c.State |= StateCancelled
	c.Subject = "Canceled: " + c.Subject
	c.Busy = "Free"
	return outcome{box: t.box, items: []*Item{t.box.move(p.now, t.box.replace(p.now, c), deletedFolder)}}
}
