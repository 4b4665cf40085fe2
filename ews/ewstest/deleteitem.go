package ewstest

import (
	"slices"

	"github.com/koyomi-cal/koyomi/ews/internal/wire"
)

// deleteItem answers DeleteItem ([MS-OXWSCORE] 3.1.4.3; for meetings
// [MS-OXWSMTGS] 3.1.4.5).
func (r *request) deleteItem() error {
	kind := r.body.Attr("DeleteType")
	if !slices.Contains([]string{"HardDelete", "SoftDelete", "MoveToDeletedItems"}, kind) {
		return schemaViolation("%q is not a DeleteType", kind)
	}
	mode := r.body.Attr("SendMeetingCancellations")
	if !slices.Contains(sendModes, mode) {
		return schemaViolation("%q is not a value of SendMeetingCancellations", mode)
	}
	ids := r.body.Child("ItemIds")
	if ids == nil || len(ids.Children) == 0 {
		return schemaViolation("ItemIds is empty")
	}
	errs := make([]error, len(ids.Children))
	if err := r.blocked(); err != nil {
		for i := range errs {
			errs[i] = err
		}
	} else {
		r.s.mu.Lock()
		for i, e := range ids.Children {
			if errs[i] = r.spared(i); errs[i] == nil {
				errs[i] = r.deleteOne(e, kind, mode)
			}
		}
		r.s.mu.Unlock()
	}
	r.begin()
	for _, err := range errs {
		r.message(err, "", func() {})
	}
	return nil
}

// deleteOne deletes an item or an occurrence. The caller holds Server.mu.
func (r *request) deleteOne(e *wire.Element, kind, mode string) error {
	t, err := r.item(e)
	if err != nil {
		return err
	}
	if t.it.isCalendar() && mode == "" {
		return fail("ErrorSendMeetingCancellationsRequired")
	}
	p := r.post()
	if t.it.isCalendar() && mode != "SendToNone" {
		p.tell(t, mode == "SendToAllAndSaveCopy")
	}
	switch {
	case t.isOccurrence():
		master := t.it.without(t.occ.original)
		if r.s.traits.quietOccurrences {
			t.box.replaceQuietly(p.now, master)
		} else {
			t.box.replace(p.now, master)
		}
	case kind == "MoveToDeletedItems" && t.it.folder != deletedFolder:
		t.box.move(p.now, t.it, deletedFolder)
	default:
		t.box.remove(p.now, t.it)
	}
	return nil
}

// tell mails that a meeting was deleted: the organizer's attendees that it is
// cancelled, if they were ever told of it, and the organizer that an attendee
// declines.
func (p *post) tell(t *target, save bool) {
	switch {
	case !t.single.IsMeeting() || t.single.IsCancelled() || t.it.folder == deletedFolder:
	case !t.single.IsOrganizer():
		if !p.mute {
			a := answers["DeclineItem"]
			p.reply(t, t.single, a.class, a.prefix+t.single.Subject, a.response, nil, save)
		}
	case t.single.RequestSent:
		p.cancel(meeting{box: t.box, it: t.it, one: t.single}, t.single.Attendees, nil, save)
	}
}
