package ewstest

import (
	"slices"
	"strings"

	"github.com/koyomi-cal/koyomi/ews/internal/wire"
)

// createItem answers CreateItem ([MS-OXWSCORE] 3.1.4.2; for meetings
// [MS-OXWSMTGS] 3.1.4.4): calendar items, messages, and the response objects
// that accept, decline and cancel.
func (r *request) createItem() error {
	items := r.body.Child("Items")
	if items == nil || len(items.Children) == 0 {
		return schemaViolation("Items is empty")
	}
	if err := r.checkModes(); err != nil {
		return err
	}
	for _, e := range items.Children {
		if err := r.inOrder(e); err != nil {
			return err
		}
	}
	if err := r.blocked(); err != nil {
		r.begin()
		for range items.Children {
			r.message(err, "m:Items", nil)
		}
		return nil
	}
	made := make([]outcome, len(items.Children))
	r.s.mu.Lock()
	for i, e := range items.Children {
		if made[i].err = r.spared(i); made[i].err == nil {
			made[i] = r.create(e)
		}
	}
	r.s.mu.Unlock()
	r.begin()
	for _, m := range made {
		r.message(m.err, "m:Items", func() {
			r.w.Start("m:Items")
			for _, it := range m.items {
				r.showID(m.box, it)
			}
			r.w.End()
		})
	}
	return nil
}

// outcome is what became of one thing to create or update.
type outcome struct {
	box   *mailbox
	items []*Item
	err   error
}

// sendModes and dispositions are the values of the attributes that say who
// gets mail ([MS-OXWSCDATA] 2.2.5.4, 2.2.5.25).
var (
	sendModes    = []string{"", "SendToNone", "SendOnlyToAll", "SendToAllAndSaveCopy"}
	updateModes  = []string{"", "SendToNone", "SendOnlyToAll", "SendOnlyToChanged", "SendToAllAndSaveCopy", "SendToChangedAndSaveCopy"}
	dispositions = []string{"", "SaveOnly", "SendOnly", "SendAndSaveCopy"}
)

func (r *request) checkModes() error {
	if v := r.body.Attr("MessageDisposition"); !slices.Contains(dispositions, v) {
		return schemaViolation("%q is not a MessageDisposition", v)
	}
	if v := r.body.Attr("SendMeetingInvitations"); !slices.Contains(sendModes, v) {
		return schemaViolation("%q is not a value of SendMeetingInvitations", v)
	}
	return nil
}

// post returns what delivers the mail of this call.
func (r *request) post() *post {
	return &post{s: r.s, now: r.s.now(), mute: r.fault.SavedNotMailed}
}

// create makes one item. The caller holds Server.mu.
func (r *request) create(e *wire.Element) outcome {
	if r.as == nil {
		return outcome{err: fail("ErrorMissingEmailAddress")}
	}
	switch e.Name {
	case "CalendarItem":
		return r.createAppointment(e)
	case "Message":
		return r.createMessage(e)
	case "AcceptItem", "TentativelyAcceptItem", "DeclineItem":
		return r.respond(e)
	case "CancelCalendarItem":
		return r.cancelItem(e)
	}
	return outcome{err: failf("ErrorInvalidOperation", "The simulator does not create a %.40q.", e.Name)}
}

// saveFolder returns the folder that the request names, or the standard one.
func (r *request) saveFolder(standard uint32) (*mailbox, uint32, error) {
	if e := r.body.Child("SavedItemFolderId"); e != nil && len(e.Children) > 0 {
		b, f, err := r.folder(e.Children[0])
		if err != nil {
			return nil, 0, err
		}
		return b, f.num, nil
	}
	if r.s.traits.outboxDefault {
		standard = outboxFolder
	}
	return r.as, standard, nil
}

// build makes an item from the children of its element.
func (r *request) build(e *wire.Element, it *Item) error {
	c := &change{r: r, it: it, kind: e.Name}
	c.inZone(e.Child("StartTimeZone"))
	for _, child := range e.Children {
		if _, err := c.element(child); err != nil {
			return err
		}
	}
	if editor := r.s.editor(r.call); editor != "" {
		it.Body = edited(editor, it.body())
		it.seed = 0
	}
	return nil
}

func (r *request) createAppointment(e *wire.Element) outcome {
	mode := r.body.Attr("SendMeetingInvitations")
	if mode == "" {
		return outcome{err: fail("ErrorSendMeetingInvitationsRequired")}
	}
	box, folder, err := r.saveFolder(calendarFolder)
	if err != nil {
		return outcome{err: err}
	}
	p := r.post()
	it := &Item{Class: ClassAppointment, Reminder: 15, Busy: "Busy", Zone: box.zone, Culture: box.culture, Body: Body{Type: "Text"}}
	if id := r.http.Header.Get("Accept-Language"); id != "" && len(id) < 12 && !strings.ContainsAny(id, ",;*") {
		it.Culture = id
	}
	if culture := r.culture(); culture != "" {
		it.Culture = culture
	}
	it.Start = p.now.Truncate(30 * 60 * 1e9).Add(30 * 60 * 1e9)
	if err := r.build(e, it); err != nil {
		return outcome{err: err}
	}
	if it.End.IsZero() {
		it.End = it.Start.Add(30 * 60 * 1e9)
	}
	c := &change{r: r, it: it, kind: e.Name}
	if err := c.settle(box); err != nil {
		return outcome{err: err}
	}
	if it.UID == "" {
		it.UID = newUID(p.now, box.guid, box.lastItem+1)
	}
	sending := mode != "SendToNone"
	if sending && !p.mute {
		it.State |= StateMeeting
		it.RequestSent = true
	}
	box.add(p.now, folder, it)
	if sending {
		p.invite(meeting{box, it, it}, it.Attendees, func(Attendee) string { return "NewMeetingRequest" }, true, mode == "SendToAllAndSaveCopy")
	}
	return outcome{box: box, items: []*Item{box.item(folder, it.num)}}
}

// culture returns what the MailboxCulture header says.
func (r *request) culture() string {
	if c := strings.TrimSpace(r.header.Value("MailboxCulture")); len(c) < 20 {
		return strings.Clone(c)
	}
	return ""
}

func (r *request) createMessage(e *wire.Element) outcome {
	disposition := r.body.Attr("MessageDisposition")
	if disposition == "" {
		return outcome{err: fail("ErrorMessageDispositionRequired")}
	}
	sending := disposition != "SaveOnly"
	standard := draftsFolder
	if sending {
		standard = sentFolder
	}
	box, folder, err := r.saveFolder(standard)
	if err != nil {
		return outcome{err: err}
	}
	p := r.post()
	it := &Item{Class: ClassNote, Culture: box.culture, Body: Body{Type: "Text"}, From: box.person(), Received: p.now, Read: true, Reminder: -1, Draft: !sending}
	if err := r.build(e, it); err != nil {
		return outcome{err: err}
	}
	if it.MessageID == "" {
		it.MessageID = p.messageID(box)
	}
	if sending {
		if len(it.To)+len(it.Cc) == 0 {
			return outcome{err: fail("ErrorInvalidRecipients")}
		}
		p.send(it)
	}
	if disposition == "SendOnly" {
		return outcome{box: box}
	}
	return outcome{box: box, items: []*Item{box.add(p.now, folder, it)}}
}

// send delivers a plain message.
func (p *post) send(it *Item) {
	if p.mute {
		return
	}
	for _, to := range slices.Concat(it.To, it.Cc) {
		p.record(it, to)
		if box := p.s.names[strings.ToLower(to.Address)]; box != nil {
			letter := it.shallow()
			letter.Read = false
			p.drop(box, letter)
		}
	}
}
