package ewstest

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Mail is one message to one recipient that the server took, whether the
// recipient is here or somewhere else.
type Mail struct {
	At       time.Time
	From, To string // addresses
	Class    string // item class, such as "IPM.Schedule.Meeting.Request"
	Subject  string
	UID      string    // of the meeting it speaks of
	Kind     string    // MeetingRequestType of a request
	Original time.Time // of an occurrence that it speaks of
}

// mostMails bounds what Mails remembers.
const mostMails = 50000

// Mails returns every mail that was sent, in order, at most the last fifty
// thousand. To count what people outside got, count here: they have no Inbox.
func (s *Server) Mails() []Mail {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return slices.Clone(s.mails)
}

// post delivers mail. Its methods are called with Server.mu held.
type post struct {
	s    *Server
	now  time.Time
	mute bool // saved but not mailed
}

// meeting is what a mail speaks of: the organizer's item, or one occurrence
// of it.
type meeting struct {
	box *mailbox
	it  *Item // the stored item; of an occurrence, the master
	one *Item // the occurrence as views show it; else it
}

func (m *meeting) isOccurrence() bool { return m.one != m.it }

// invite sends requests about a meeting to some of its attendees. kinds says
// what each request is; significant says that old answers no longer count.
func (p *post) invite(m meeting, to []Attendee, kind func(Attendee) string, significant, save bool) {
	if p.mute || len(to) == 0 {
		return
	}
	msg := p.request(m, kind(to[0]))
	if save {
		p.saveSent(m.box, msg)
	}
	for _, a := range to {
		if strings.EqualFold(a.Address, m.box.address) {
			continue
		}
		letter := msg.shallow()
		letter.Kind = kind(a)
		p.record(letter, a.Person)
		box := p.s.names[strings.ToLower(a.Address)]
		if box == nil {
			continue
		}
		var copy *Item
		if !p.s.traits.noProcessing {
			copy = p.enter(box, m, significant)
			letter.about = copy.num
		}
		letter = p.drop(box, letter)
		if box.room != nil && copy != nil {
			p.processRoom(box, copy, letter, m)
		}
	}
}

// request makes the message about a meeting.
func (p *post) request(m meeting, kind string) *Item {
	msg := p.notice(m, ClassRequest, m.one.Subject)
	msg.Kind, msg.Attendees, msg.Busy = kind, m.one.Attendees, m.one.Busy
	msg.Recurrence, msg.Exceptions, msg.Deleted = m.one.Recurrence, m.one.Exceptions, m.one.Deleted
	msg.NoResponse = m.one.NoResponse
	return msg
}

// notice makes a message of a class about a meeting, from its organizer.
func (p *post) notice(m meeting, class, subject string) *Item {
	msg := &Item{
		Class: class, Subject: subject, Body: m.one.body(), Sensitivity: m.one.Sensitivity, Importance: m.one.Importance,
		Culture: m.one.Culture, Extended: p.travelling(m.one.Extended), Attachments: m.one.Attachments, UID: m.one.UID, Start: m.one.Start, End: m.one.End,
		AllDay: m.one.AllDay, Zone: m.one.Zone, Location: m.one.Location, Organizer: m.box.person(), From: m.box.person(),
		Sequence: m.one.Sequence, Received: p.now, Original: m.one.Original, Reminder: -1,
	}
	for _, a := range m.one.Attendees {
		if a.Kind == Optional {
			msg.Cc = append(msg.Cc, a.Person)
		} else {
			msg.To = append(msg.To, a.Person)
		}
	}
	msg.MessageID = p.messageID(m.box)
	return msg
}

func (p *post) messageID(b *mailbox) string {
	return fmt.Sprintf("<%x.%x@%s>", b.guid[:8], b.next(), p.s.opt.Domain)
}

// record remembers that a mail was sent.
func (p *post) record(msg *Item, to Person) {
	if len(p.s.mails) >= mostMails {
		p.s.mails = slices.Delete(p.s.mails, 0, mostMails/4)
	}
	p.s.mails = append(p.s.mails, Mail{
		At: p.now, From: msg.From.Address, To: to.Address, Class: msg.Class, Subject: msg.Subject, UID: msg.UID, Kind: msg.Kind,
		Original: msg.Original,
	})
}

// drop puts a message into an Inbox.
func (p *post) drop(box *mailbox, msg *Item) *Item { return box.add(p.now, inboxFolder, msg) }

func (p *post) saveSent(box *mailbox, msg *Item) {
	c := msg.shallow()
	c.Read = true
	box.add(p.now, sentFolder, c)
}

// travelling returns the properties that go with an invitation.
func (p *post) travelling(list []Property) []Property {
	var out []Property
	for _, x := range list {
		if p.travels(x) {
			out = append(out, x)
		}
	}
	return out
}

func (p *post) travels(x Property) bool {
	if setGUID(x.Set) != propertySets["PublicStrings"] {
		return true
	}
	if known := p.s.opt.Profile; known != nil && known.Travels != nil {
		return slices.Contains(known.Travels, x.Name)
	}
	if slices.Contains(p.s.opt.Travel, "*") {
		return true
	}
	for _, prefix := range []string{"OnlineMeeting", "UC", "SkypeTeams", "SchedulingService", "ConferenceTelURI"} {
		if strings.HasPrefix(x.Name, prefix) {
			return true
		}
	}
	return slices.Contains(p.s.opt.Travel, x.Name)
}

// enter puts a meeting into an attendee's calendar, or updates what is there.
func (p *post) enter(box *mailbox, m meeting, significant bool) *Item {
	have := box.byUID(m.it.UID)
	switch {
	case have == nil && m.isOccurrence():
		return box.add(p.now, calendarFolder, p.copyOf(box, m.one))
	case have == nil:
		return box.add(p.now, calendarFolder, p.copyOf(box, m.it))
	case m.isOccurrence() && have.Recurrence != nil:
		return p.enterOccurrence(box, have, m, significant)
	}
	c := p.copyOf(box, m.one)
	c.num, c.folder, c.born, c.readCN, c.Created = have.num, have.folder, have.born, have.readCN, have.Created
	c.Categories, c.Reminder = have.Categories, have.Reminder
	if !significant {
		c.Response, c.Replied, c.Busy = have.Response, have.Replied, have.Busy
	}
	return box.replace(p.now, c)
}

// enterOccurrence updates one occurrence in an attendee's series.
func (p *post) enterOccurrence(box *mailbox, have *Item, m meeting, significant bool) *Item {
	o, found := have.occurrenceAt(p.s.zones.location(have.Zone), m.one.Original)
	if !found {
		return have
	}
	x := have.occurrence(o)
	fresh := p.copyOf(box, m.one)
	changed := FieldSubject | FieldBody | FieldLocation | FieldAttendees | FieldExtended | FieldSensitivity | FieldState | FieldAllDay
	copyFields(x, fresh, changed)
	x.Start, x.End = m.one.Start, m.one.End
	if significant {
		x.Response, x.Replied, x.Busy = ResponseNone, time.Time{}, "Tentative"
		changed |= FieldResponse | FieldBusy
	}
	c := have.shallow()
	c.Exceptions = have.except(o, x, changed)
	c.Deleted = slices.DeleteFunc(slices.Clone(have.Deleted), func(t time.Time) bool { return t.Equal(o.original) })
	return box.replace(p.now, c)
}

// copyOf makes an attendee's copy of a meeting: the body as it was mailed, not
// what else the organizer's copy holds.
func (p *post) copyOf(box *mailbox, it *Item) *Item {
	c := it.shallow()
	c.num, c.cn, c.born, c.readCN, c.folder, c.about = 0, 0, 0, 0, 0, 0
	c.Extended = p.travelling(it.Extended)
	c.Categories, c.Created, c.Occurrence = nil, time.Time{}, ""
	c.intended, c.Busy = orElse(it.Busy, "Busy"), "Tentative"
	c.State = StateMeeting | StateReceived | it.State&StateCancelled
	c.Unsent = false
	c.RequestSent, c.Response, c.Replied, c.Reminder = true, ResponseNone, time.Time{}, 15
	c.Attendees = slices.Clone(it.Attendees)
	for i := range c.Attendees {
		c.Attendees[i].Response, c.Attendees[i].Responded = "", time.Time{}
	}
	c.Exceptions = p.exceptionsOf(it.Exceptions)
	return c
}

// exceptionsOf makes the attendee's form of a series' exceptions.
func (p *post) exceptionsOf(list []Exception) []Exception {
	out := slices.Clone(list)
	for i, x := range out {
		if x.Item == nil {
			continue
		}
		c := x.Item.shallow()
		c.Extended = p.travelling(c.Extended)
		c.State |= StateMeeting | StateReceived
		out[i].Item = c
		out[i].Set &^= FieldBusy | FieldReminder | FieldCategories | FieldResponse
	}
	return out
}

// cancel tells attendees that a meeting, or one occurrence, will not happen.
func (p *post) cancel(m meeting, to []Attendee, body *Body, save bool) {
	if p.mute || len(to) == 0 {
		return
	}
	msg := p.notice(m, ClassCancellation, "Canceled: "+m.one.Subject)
	if body != nil {
		msg.Body = *body
	}
	if save {
		p.saveSent(m.box, msg)
	}
	for _, a := range to {
		if strings.EqualFold(a.Address, m.box.address) {
			continue
		}
		p.record(msg, a.Person)
		box := p.s.names[strings.ToLower(a.Address)]
		if box == nil {
			continue
		}
		letter := msg.shallow()
		if have := box.byUID(m.it.UID); have != nil && !p.s.traits.noProcessing {
			letter.about = have.num
			p.strikeOut(box, have, m)
		}
		p.drop(box, letter)
	}
}

// strikeOut marks an attendee's copy as cancelled. Rooms lose it.
func (p *post) strikeOut(box *mailbox, have *Item, m meeting) {
	if m.isOccurrence() && have.Recurrence != nil {
		o, found := have.occurrenceAt(p.s.zones.location(have.Zone), m.one.Original)
		switch {
		case !found:
		case box.room != nil:
			box.replace(p.now, have.without(o.original))
		default:
			x := have.occurrence(o)
			x.Subject, x.State, x.Busy = "Canceled: "+x.Subject, x.State|StateCancelled, "Free"
			c := have.shallow()
			c.Exceptions = have.except(o, x, FieldSubject|FieldState|FieldBusy)
			box.replace(p.now, c)
		}
		return
	}
	if box.room != nil {
		box.remove(p.now, have)
		return
	}
	c := have.shallow()
	c.Subject, c.State, c.Busy = "Canceled: "+have.Subject, have.State|StateCancelled, "Free"
	box.replace(p.now, c)
}
