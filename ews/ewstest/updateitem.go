package ewstest

import (
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/koyomi-cal/koyomi/ews/internal/wire"
)

// updateItem answers UpdateItem ([MS-OXWSCORE] 3.1.4.9; for meetings
// [MS-OXWSMTGS] 3.1.4.9).
func (r *request) updateItem() error {
	if v := r.body.Attr("ConflictResolution"); !slices.Contains([]string{"NeverOverwrite", "AutoResolve", "AlwaysOverwrite"}, v) {
		return schemaViolation("%q is not a ConflictResolution", v)
	}
	if v := r.body.Attr("SendMeetingInvitationsOrCancellations"); !slices.Contains(updateModes, v) {
		return schemaViolation("%q is not a value of SendMeetingInvitationsOrCancellations", v)
	}
	if err := r.checkModes(); err != nil {
		return err
	}
	changes := slices.Collect(r.body.Child("ItemChanges").All("ItemChange"))
	if len(changes) == 0 {
		return schemaViolation("ItemChanges is empty")
	}
	made := make([]outcome, len(changes))
	if err := r.blocked(); err != nil {
		for i := range made {
			made[i].err = err
		}
	} else {
		r.s.mu.Lock()
		for i, e := range changes {
			if made[i].err = r.spared(i); made[i].err == nil {
				made[i] = r.update(e)
			}
		}
		r.s.mu.Unlock()
	}
	r.begin()
	for _, m := range made {
		r.message(m.err, "m:Items", func() {
			r.w.Start("m:Items")
			r.showID(m.box, m.items[0])
			r.w.End()
			r.w.Start("m:ConflictResults")
			r.w.Leaf("t:Count", "0")
			r.w.End()
		})
	}
	return nil
}

// update changes one item or one occurrence. The caller holds Server.mu.
func (r *request) update(e *wire.Element) outcome {
	if len(e.Children) != 2 || e.Children[1].Name != "Updates" {
		return outcome{err: schemaViolation("ItemChange holds an id and Updates")}
	}
	t, err := r.item(e.Children[0])
	if err == nil {
		err = r.mayUpdate(t, e.Children[0])
	}
	if err != nil {
		return outcome{err: err}
	}
	u := &updating{r: r, t: t, p: r.post(), before: t.single, after: t.single.shallow(), mode: r.body.Attr("SendMeetingInvitationsOrCancellations")}
	if err := u.apply(e.Children[1]); err != nil {
		return outcome{err: err}
	}
	stored, err := u.save()
	if err != nil {
		return outcome{err: err}
	}
	return outcome{box: t.box, items: []*Item{stored}}
}

// mayUpdate checks the version the caller has seen, and that the call says
// what to do about mail.
func (r *request) mayUpdate(t *target, id *wire.Element) error {
	if err := r.checkVersion(t, id.Attr("ChangeKey")); err != nil {
		return err
	}
	if !t.it.isCalendar() {
		if r.body.Attr("MessageDisposition") == "" && elementOf(t.it.Class) == "Message" {
			return fail("ErrorMessageDispositionRequired")
		}
		return nil
	}
	if r.body.Attr("SendMeetingInvitationsOrCancellations") == "" {
		return fail("ErrorSendMeetingInvitationsOrCancellationsRequired")
	}
	if t.it.folder == deletedFolder {
		return fail("ErrorCalendarCannotUpdateDeletedItem")
	}
	return nil
}

// checkVersion enforces ConflictResolution ([MS-OXWSCORE] 2.2.5.2).
func (r *request) checkVersion(t *target, key string) error {
	mode := r.body.Attr("ConflictResolution")
	if r.s.traits.ignoresChangeKeys || mode == "AlwaysOverwrite" {
		return nil
	}
	if key == "" || key == shortKey(t.it.kind()) {
		return fail("ErrorChangeKeyRequiredForWriteOperations")
	}
	cn, ok := changeNumber(key)
	if !ok {
		return fail("ErrorInvalidChangeKey")
	}
	if cn != t.it.cn && mode == "NeverOverwrite" {
		return fail("ErrorIrresolvableConflict")
	}
	return nil
}

// updating is one change of an item while it happens.
type updating struct {
	r             *request
	t             *target
	p             *post
	before, after *Item // the occurrence as views show it, where it is one
	set           Fields
	mode          string
	readOnly      bool // nothing but the read flag changes
}

// apply carries the updates out on after.
func (u *updating) apply(updates *wire.Element) error {
	if len(updates.Children) == 0 {
		return schemaViolation("Updates is empty")
	}
	c := &change{r: u.r, it: u.after, kind: elementOf(u.before.Class)}
	if c.kind != "CalendarItem" {
		c.kind = "Message"
	}
	u.readOnly = true
	for _, e := range updates.Children {
		c.inZone(e.Find("CalendarItem", "StartTimeZone"))
	}
	for _, e := range updates.Children {
		path, err := parseField(e)
		if err != nil {
			return err
		}
		field, err := c.update(e, path)
		if err != nil {
			return err
		}
		u.set |= field
		u.readOnly = u.readOnly && path.uri == "message:IsRead"
	}
	if editor := u.r.s.editor(u.r.call); editor != "" {
		u.after.Body, u.after.seed = edited(editor, u.after.body()), 0
		u.set |= FieldBody
	} else if u.set&FieldBody == 0 {
		u.after.Body, u.after.seed = u.before.Body, u.before.seed
	}
	if u.t.isOccurrence() && u.set&FieldRecurrence != 0 {
		return fail("ErrorInvalidPropertySet")
	}
	return c.settle(u.t.box)
}

// update carries out one SetItemField, AppendToItemField or DeleteItemField.
func (c *change) update(e *wire.Element, path fieldPath) (Fields, error) {
	if e.Name == "DeleteItemField" {
		if path.extended != nil {
			path.extended.Value = ""
			if field := c.it.setMAPI(*path.extended); field != 0 {
				return field, nil
			}
			c.it.dropExtended(*path.extended)
			return FieldExtended, nil
		}
		s, ok := setters[path.uri]
		if !ok {
			return 0, fail("ErrorInvalidPropertyDelete")
		}
		return s.field, s.set(c, nil)
	}
	value, err := c.value(e, path)
	if err != nil {
		return 0, err
	}
	switch e.Name {
	case "SetItemField":
		return c.element(value)
	case "AppendToItemField":
		return c.append(value)
	}
	return 0, schemaViolation("%q is not an update", e.Name)
}

// value returns the one property that a change holds, and checks that it is
// the one that the path names.
func (c *change) value(e *wire.Element, path fieldPath) (*wire.Element, error) {
	if len(e.Children) != 2 {
		return nil, schemaViolation("%s holds a path and an item", e.Name)
	}
	item := e.Children[1]
	if len(item.Children) != 1 {
		return nil, fail("ErrorIncorrectUpdatePropertyCount")
	}
	value := item.Children[0]
	if path.extended != nil {
		uri := value.Child("ExtendedFieldURI")
		if value.Name != "ExtendedProperty" || uri == nil {
			return nil, fail("ErrorUpdatePropertyMismatch")
		}
		p, err := parsePath(uri)
		if err != nil {
			return nil, err
		}
		if !p.same(*path.extended) {
			return nil, fail("ErrorUpdatePropertyMismatch")
		}
		return value, nil
	}
	_, name, _ := strings.Cut(path.uri, ":")
	if value.Name != name {
		return nil, fail("ErrorUpdatePropertyMismatch")
	}
	return value, nil
}

// append adds to a body or to a list of attendees.
func (c *change) append(value *wire.Element) (Fields, error) {
	switch value.Name {
	case "Body":
		return FieldBody, c.appendBody(value)
	case "RequiredAttendees":
		return FieldAttendees, c.appendAttendees(value, Required)
	case "OptionalAttendees":
		return FieldAttendees, c.appendAttendees(value, Optional)
	case "Resources":
		return FieldAttendees, c.appendAttendees(value, Resource)
	}
	return 0, fail("ErrorInvalidPropertyAppend")
}

// save stores the changed item and mails what the mode asks for.
func (u *updating) save() (*Item, error) {
	if u.readOnly {
		return u.t.box.setRead(u.p.now, u.before, u.after.Read), nil
	}
	plan, err := u.plan()
	if err != nil {
		return nil, err
	}
	if u.t.isOccurrence() {
		err = u.saveOccurrence()
	} else {
		u.saveWhole()
	}
	if err != nil {
		return nil, err
	}
	plan.carryOut(u)
	return u.stored(), nil
}

// stored returns the item as it is after the mail, which a room may have
// answered already.
func (u *updating) stored() *Item {
	it := u.t.box.item(u.t.it.folder, u.t.it.num)
	if it == nil || !u.t.isOccurrence() {
		return it
	}
	o, _ := it.occurrenceAt(u.r.s.zones.location(it.Zone), u.t.occ.original)
	return it.occurrence(o)
}

func (u *updating) saveWhole() {
	rescheduled := !u.after.Start.Equal(u.before.Start) || !u.after.End.Equal(u.before.End)
	if u.after.Recurrence != nil && rescheduled {
		u.after.Exceptions, u.after.Deleted = nil, nil
	}
	u.after.Draft = u.before.Draft
	u.after = u.t.box.replace(u.p.now, u.after)
}

// saveOccurrence makes the occurrence an exception of its series.
func (u *updating) saveOccurrence() error {
	if !u.after.Start.Equal(u.before.Start) {
		if err := u.crosses(); err != nil {
			return err
		}
	}
	master := u.t.it.shallow()
	master.Exceptions = u.t.it.except(u.t.occ, u.after, u.set)
	if u.r.s.traits.quietOccurrences {
		u.t.it = u.t.box.replaceQuietly(u.p.now, master)
	} else {
		u.t.it = u.t.box.replace(u.p.now, master)
	}
	o, _ := u.t.it.occurrenceAt(u.r.s.zones.location(master.Zone), u.t.occ.original)
	u.t.occ = o
	u.after = u.t.it.occurrence(o)
	return nil
}

// crosses refuses to move an occurrence to or past the day of its neighbours
// ([MS-OXOCAL] 2.2.1.44.5, and ErrorOccurrenceCrossingBoundary).
func (u *updating) crosses() error {
	loc := u.r.s.zones.location(u.t.it.Zone)
	day := dayOf(u.after.Start.In(loc))
	var before, after dayNumber = firstDay, lastDay + 1
	u.t.it.series(loc, firstDay, false, func(o occurrence) bool {
		switch d := dayOf(o.start.In(loc)); {
		case o.original.Before(u.t.occ.original):
			before = d
		case o.original.After(u.t.occ.original):
			after = d
			return false
		}
		return true
	})
	if day <= before || day >= after {
		return fail("ErrorOccurrenceCrossingBoundary")
	}
	return nil
}

// mailing is what an update will mail.
type mailing struct {
	to, removed []Attendee
	added       map[string]bool // lower-case addresses
	first       bool            // nobody was invited before
	significant bool
	save        bool
	again       int // more mails to each, on servers that a profile knows
}

// plan decides about mail before anything is stored, and marks the item as
// sent.
func (u *updating) plan() (mailing, error) {
	m := mailing{}
	standard := 1
	if u.mode == "SendToNone" || strings.Contains(u.mode, "Changed") {
		standard = 0
	}
	times := u.p.s.opt.Profile.mailsTo(u.mode, standard)
	untold := u.before.Unsent || u.before.RequestSent && u.before.IsOrganizer()
	if u.mode == "" || (u.mode == "SendToNone" && times == 0) || !u.after.isCalendar() {
		u.after.Unsent = untold
		return m, nil
	}
	if !u.before.IsOrganizer() {
		return m, fail("ErrorCalendarIsNotOrganizer")
	}
	m.save = strings.HasSuffix(u.mode, "AndSaveCopy")
	m.first = !u.before.RequestSent
	m.added = map[string]bool{}
	m.significant = !u.after.Start.Equal(u.before.Start) || !u.after.End.Equal(u.before.End) ||
		!reflect.DeepEqual(u.after.Recurrence, u.before.Recurrence)
	m.removed = missing(u.before.Attendees, u.after.Attendees)
	added := missing(u.after.Attendees, u.before.Attendees)
	for _, a := range added {
		m.added[strings.ToLower(a.Address)] = true
	}
	m.to = u.after.Attendees
	m.again = times - 1
	if times == 0 {
		m.to = added
	}
	if u.p.mute {
		return m, nil
	}
	u.after.State |= StateMeeting
	u.after.RequestSent = true
	u.after.Unsent = untold && times == 0 // those who were not told do not know it yet
	u.set |= FieldState
	if m.significant {
		u.after.Sequence++
		u.after.Attendees = slices.Clone(u.after.Attendees)
		for i := range u.after.Attendees {
			u.after.Attendees[i].Response, u.after.Attendees[i].Responded = "", time.Time{}
		}
	}
	return m, nil
}

// missing returns who is in a and not in b.
func missing(a, b []Attendee) []Attendee {
	var out []Attendee
	for _, x := range a {
		if !slices.ContainsFunc(b, func(y Attendee) bool { return strings.EqualFold(x.Address, y.Address) }) {
			out = append(out, x)
		}
	}
	return out
}

func (m *mailing) carryOut(u *updating) {
	speaks := meeting{box: u.t.box, it: u.after, one: u.after}
	if u.t.isOccurrence() {
		speaks.it = u.t.it
	}
	if !m.first {
		u.p.cancel(speaks, m.removed, nil, m.save)
	}
	u.p.invite(speaks, m.to, func(a Attendee) string {
		switch {
		case m.first || m.added[strings.ToLower(a.Address)]:
			return "NewMeetingRequest"
		case m.significant:
			return "FullUpdate"
		}
		return "InformationalUpdate"
	}, m.significant || m.first, m.save)
	for range m.again {
		u.p.invite(speaks, m.to, func(Attendee) string { return "InformationalUpdate" }, false, false)
	}
}
