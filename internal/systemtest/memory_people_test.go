package systemtest

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/koyomi-cal/koyomi/ews"
	"github.com/koyomi-cal/koyomi/ews/ewstest"
)

// What people do, over Exchange Web Services with their own login, as their
// calendar programs do it.

func (r *memRig) person(who string) *ews.Mailbox {
	r.t.Helper()
	c := r.people[who]
	if c == nil {
		var err error
		c, err = ews.New(ews.Options{
			URL: memURL(memExchange) + ewstest.Path, Credentials: ews.Credentials{Username: who, Password: ews.NewSecret(memPassword)}, DialContext: r.net.dial,
		})
		memOK(r.t, err)
		r.people[who] = c
	}
	return c.As("")
}

// memMeeting is one meeting as its organizer made it.
type memMeeting struct {
	r        *memRig
	uid      string
	by       string
	invited  []string
	optedOut bool
}

// memPlan is a meeting to be made.
type memPlan struct {
	subject, location string
	in                time.Duration // until the start; default an hour
	invited           []string
	text              bool // a text body instead of HTML
	draft             bool // saved, not sent
	series            *ews.Recurrence
}

// book saves a meeting and, unless it is a draft, sends its invitations.
func (r *memRig) book(by string, p memPlan) *memMeeting {
	r.t.Helper()
	if p.in == 0 {
		p.in = time.Hour
	}
	start := time.Now().Add(p.in).Truncate(time.Minute)
	body := &ews.Body{Type: ews.BodyHTML, Content: "<html><body><p>About " + p.subject + "</p></body></html>"}
	if p.text {
		body = &ews.Body{Type: ews.BodyText, Content: "About " + p.subject + "\n"}
	}
	it := ews.CalendarItem{Subject: p.subject, Location: p.location, Start: start, End: start.Add(30 * time.Minute), Body: body, Recurrence: p.series}
	if p.series != nil {
		p.series.StartDate, it.StartTimeZone = start.Format(time.DateOnly), "UTC"
	}
	for _, a := range p.invited {
		it.RequiredAttendees = append(it.RequiredAttendees, ews.Attendee{EmailAddress: ews.EmailAddress{Address: a}})
	}
	send := ews.SendToAllAndSaveCopy
	if p.draft || len(p.invited) == 0 {
		send = ews.SendToNone
	}
	made, err := r.person(by).CreateItem(context.Background(), ews.CreateItemRequest{Items: []ews.CalendarItem{it}, Send: send})
	memOK(r.t, err)
	memOK(r.t, made[0].Err)
	stored, ok := r.x.Item(made[0].Item.ItemID.ID)
	if !ok {
		r.t.Fatal("the meeting was not stored")
	}
	m := &memMeeting{r: r, uid: stored.UID, by: by, invited: p.invited}
	m.sent(send)
	if strings.Contains(p.location, "@") {
		r.allowed[m.uid]++
	}
	return m
}

// sent counts the mails that a save of the organizer's causes.
func (m *memMeeting) sent(how ews.SendMode) {
	if how == ews.SendToNone {
		return
	}
	for _, a := range m.invited {
		m.r.asked[m.uid+" "+a]++
	}
}

// copy is the meeting as it lies in somebody's calendar.
func (m *memMeeting) copy(who string) (ewstest.Item, bool) {
	for _, it := range m.r.x.Calendar(who) {
		if it.UID == m.uid {
			return it, true
		}
	}
	return ewstest.Item{}, false
}

func (m *memMeeting) own() ewstest.Item {
	m.r.t.Helper()
	it, ok := m.copy(m.by)
	if !ok {
		m.r.t.Fatal("the meeting is gone")
	}
	return it
}

// change saves changes of the organizer's, and mails them if how says so.
// A change of the keyword wants an update of ours.
func (m *memMeeting) change(how ews.SendMode, updates ...ews.FieldUpdate) {
	m.r.t.Helper()
	it := m.own()
	done, err := m.r.person(m.by).UpdateItem(context.Background(), ews.UpdateItemRequest{
		Changes: []ews.ItemChange{{Item: ews.ItemID{ID: it.ID, ChangeKey: it.ChangeKey}.Ref(), Updates: updates}},
		Send:    how, Conflict: ews.AlwaysOverwrite,
	})
	memOK(m.r.t, err)
	memOK(m.r.t, done[0].Err)
	m.sent(how)
}

// mode is how a program saves a meeting: with mail once it was sent.
func (m *memMeeting) mode() ews.SendMode {
	if len(m.invited) > 0 && m.own().RequestSent {
		return ews.SendToAllAndSaveCopy
	}
	return ews.SendToNone
}

func (m *memMeeting) rename(subject string) {
	m.r.t.Helper()
	m.change(m.mode(), ews.Set("item:Subject", ews.CalendarItem{Subject: subject}))
}

func (m *memMeeting) shift(by time.Duration) {
	m.r.t.Helper()
	it := m.own()
	moved := ews.CalendarItem{Start: it.Start.Add(by), End: it.End.Add(by)}
	m.change(m.mode(), ews.Set("calendar:Start", moved), ews.Set("calendar:End", moved))
}

// locate changes the location; another keyword, or none, wants an update.
func (m *memMeeting) locate(location string) {
	m.r.t.Helper()
	m.r.allowed[m.uid]++
	m.change(m.mode(), ews.Set("calendar:Location", ews.CalendarItem{Location: location}))
}

// send mails a draft.
func (m *memMeeting) send() {
	m.r.t.Helper()
	m.change(ews.SendToAllAndSaveCopy, ews.Set("calendar:Location", ews.CalendarItem{Location: m.own().Location}))
}

// dropBlock has the organizer take the join block out of the body.
func (m *memMeeting) dropBlock() {
	m.r.t.Helper()
	m.optedOut = true
	m.change(m.mode(), ews.Set("item:Body", ews.CalendarItem{Body: &ews.Body{Type: ews.BodyHTML, Content: "<p>I do not want that</p>"}}))
}

// respond answers the invitation. It reports false where the person has none.
func (m *memMeeting) respond(who string, action ews.MeetingAction) bool {
	m.r.t.Helper()
	it, ok := m.copy(who)
	if !ok || it.IsOrganizer() || it.IsCancelled() {
		return false
	}
	_, err := m.r.person(who).Respond(context.Background(), ews.RespondRequest{Action: action, Item: ews.ItemID{ID: it.ID, ChangeKey: it.ChangeKey}})
	memOK(m.r.t, err)
	return true
}

// cancel calls the meeting off.
func (m *memMeeting) cancel() {
	m.r.t.Helper()
	it := m.own()
	_, err := m.r.person(m.by).Respond(context.Background(), ews.RespondRequest{
		Action: ews.CancelCalendarItem, Item: ews.ItemID{ID: it.ID, ChangeKey: it.ChangeKey},
	})
	if e, is := errors.AsType[*ews.Error](err); is && e.Unclear {
		return
	}
	memOK(m.r.t, err)
}

// decorated fails unless the organizer's copy has the one block and the
// served attendees' copies show the same link.
func (m *memMeeting) decorated(when string, copies bool) {
	m.r.t.Helper()
	it := m.own()
	if memBlocks(it.Body) != 1 || it.Property("KoyomiJoin") == "" {
		m.r.t.Errorf("%s: %q has %d blocks, marker %v", when, it.Subject, memBlocks(it.Body), it.Property("KoyomiJoin") != "")
		return
	}
	link := memLink.FindString(it.Body.Content)
	if link != it.Property("KoyomiJoin") {
		m.r.t.Errorf("%s: block and marker of %q differ", when, it.Subject)
	}
	for _, a := range m.invited {
		c, has := m.copy(a)
		if copies && has && memLink.FindString(c.Body.Content) != link {
			m.r.t.Errorf("%s: %s's copy of %q does not have the link", when, a, it.Subject)
		}
	}
}
