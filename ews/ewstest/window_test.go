package ewstest

import (
	"errors"
	"strings"
	"testing"
	"time"
)

// TestWindowThatIsStale: somebody has a draft open while it is written to, and
// then sends it. The attendees get what the window showed, and the organizer's
// calendar keeps what was written, as if nothing had been sent (KB 4502145).
func TestWindowThatIsStale(t *testing.T) {
	t.Parallel()
	r := newRig(t, Options{})
	id := r.create(user1, "SendToNone", planning+tomorrow+attendees("RequiredAttendees", user2))
	w, err := r.s.Open(user1, id.Attr("Id"))
	if err != nil {
		t.Fatal(err)
	}
	r.ok(user1, updateItem(id, "NeverOverwrite", "SendToNone", setField("item:Body", `<t:Body BodyType="HTML">&lt;p&gt;Join here&lt;/p&gt;</t:Body>`)))
	if err := w.Send(func(it *Item) { it.Subject = "Planning!" }); !errors.Is(err, ErrSaveConflict) {
		t.Fatalf("a stale window was saved: %v", err)
	}
	org, copy := r.s.Calendar(user1)[0], r.s.Calendar(user2)
	if org.Subject != "Planning" || org.RequestSent || !strings.Contains(org.Body.Content, "Join here") {
		t.Errorf("the organizer has %q, sent %v, %q", org.Subject, org.RequestSent, org.Body.Content)
	}
	if len(copy) != 1 || copy[0].Subject != "Planning!" || strings.Contains(copy[0].Body.Content, "Join here") || copy[0].UID != org.UID {
		t.Errorf("the attendee has %+v", copy)
	}
	if mails := r.s.Mails(); len(mails) != 1 || mails[0].Kind != "NewMeetingRequest" {
		t.Errorf("mails %+v", mails)
	}
	if err := w.Save(func(*Item) {}); !errors.Is(err, ErrSaveConflict) {
		t.Errorf("saved without sending: %v", err)
	}
}

// TestWindowThatIsFresh: without a write in between, sending saves, and the next
// time it is an update.
func TestWindowThatIsFresh(t *testing.T) {
	t.Parallel()
	r := newRig(t, Options{})
	id := r.create(user1, "SendToNone", planning+tomorrow+attendees("RequiredAttendees", user2)+attendees("Resources", room)).Attr("Id")
	w, err := r.s.Open(user1, id)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Send(func(it *Item) { it.Subject = "Planning!" }); err != nil {
		t.Fatal(err)
	}
	org := r.s.Calendar(user1)[0]
	if !org.RequestSent || org.Unsent || org.Subject != "Planning!" || org.Attendees[1].Response != ResponseAccept {
		t.Errorf("%+v", org)
	}
	if err := w.Save(func(it *Item) { it.Body.Content += "x" }); err != nil || !r.s.Calendar(user1)[0].Unsent {
		t.Errorf("saved: %v", err)
	}
	for kind, change := range map[string]func(*Item){
		"FullUpdate":          func(it *Item) { it.Start, it.End = it.Start.Add(time.Hour), it.End.Add(time.Hour) },
		"InformationalUpdate": func(it *Item) { it.Location = "there" },
	} {
		if err := w.Send(change); err != nil {
			t.Fatal(err)
		}
		if m := r.s.Mails(); m[len(m)-2].Kind != kind && m[len(m)-3].Kind != kind {
			t.Errorf("%s: %+v", kind, m[len(m)-3:])
		}
	}
	if r.s.Calendar(user1)[0].Unsent {
		t.Error("everybody was told")
	}
	for what, err := range map[string]error{
		"another's": second(r.s.Open(user2, id)), "nothing": second(r.s.Open(user1, "x")),
	} {
		if err == nil {
			t.Errorf("opened %s", what)
		}
	}
	r.s.RemoveMailbox(user1)
	if err := w.Save(func(*Item) {}); err == nil {
		t.Error("saved into a mailbox that is gone")
	}
}

// TestUnsentChanges: who writes silently leaves Outlook offering to send an
// update, until everybody was told.
func TestUnsentChanges(t *testing.T) {
	t.Parallel()
	r := newRig(t, Options{})
	id := r.create(user1, "SendOnlyToAll", planning+tomorrow+attendees("RequiredAttendees", user2))
	for _, c := range []struct {
		mode  string
		want  bool
		mails int
	}{{"SendToNone", true, 1}, {"SendOnlyToChanged", true, 1}, {"SendToAllAndSaveCopy", false, 2}, {"SendToChangedAndSaveCopy", true, 2}, {"SendToNone", true, 2}, {"SendOnlyToAll", false, 3}} {
		r.ok(user1, updateItem(id, "AlwaysOverwrite", c.mode, setField("calendar:Location", `<t:Location>`+c.mode+`</t:Location>`)))
		if it := r.s.Calendar(user1)[0]; it.Unsent != c.want || len(r.s.Mails()) != c.mails {
			t.Errorf("%s: unsent %v, %d mails", c.mode, it.Unsent, len(r.s.Mails()))
		}
		if it := r.s.Calendar(user2)[0]; it.Unsent {
			t.Errorf("%s: the attendee has something to send", c.mode)
		}
	}
	draft := r.create(user1, "SendToNone", planning+tomorrow+attendees("RequiredAttendees", user2))
	r.ok(user1, updateItem(draft, "AlwaysOverwrite", "SendToNone", setField("item:Subject", `<t:Subject>x</t:Subject>`)))
	if it := r.s.Calendar(user1)[1]; it.Unsent {
		t.Error("a draft was never sent")
	}
}

// TestCopies: a copy has everything, our marks included, but its identity.
func TestCopies(t *testing.T) {
	t.Parallel()
	r := newRig(t, Options{})
	id := r.create(user1, "SendOnlyToAll", planning+tomorrow+attendees("RequiredAttendees", user2)+weekly).Attr("Id")
	if err := r.s.Edit(user1, id, func(it *Item) {
		it.Extended = append(it.Extended, Property{Set: "PublicStrings", Name: "KoyomiJoin", Type: "String", Value: "https://x.example/"})
	}); err != nil {
		t.Fatal(err)
	}
	made, err := r.s.Copy(user1, id, "calendar")
	if err != nil {
		t.Fatal(err)
	}
	old := r.s.Calendar(user1)[0]
	if made.UID == old.UID || made.ID == old.ID || made.Property("KoyomiJoin") != old.Property("KoyomiJoin") || made.Subject != old.Subject || made.Recurrence == nil || !made.RequestSent {
		t.Errorf("%+v", made)
	}
	copyItem := func(folder, ids string) string {
		return `<m:CopyItem><m:ToFolderId><t:DistinguishedFolderId Id="` + folder + `"/></m:ToFolderId><m:ItemIds>` + ids + `</m:ItemIds></m:CopyItem>`
	}
	r.ok(user1, copyItem("calendar", `<t:ItemId Id="`+id+`"/>`))
	if n := len(r.s.Calendar(user1)); n != 3 {
		t.Errorf("%d items", n)
	}
	for body, want := range map[string]string{
		copyItem("calendar", occurrenceID(id, 2)):      "ErrorCalendarCannotMoveOrCopyOccurrence",
		copyItem("calendar", `<t:ItemId Id="x"/>`):     "ErrorInvalidIdMalformed",
		copyItem("nowhere", `<t:ItemId Id="`+id+`"/>`): "ErrorFolderNotFound",
		copyItem("calendar", ""):                       "ErrorSchemaValidation",
	} {
		if got := r.code(user1, body); got != want {
			t.Errorf("%.160s: %s, want %s", body, got, want)
		}
	}
	for what, err := range map[string]error{
		"another's": second(r.s.Copy(user2, id, "calendar")), "to nowhere": second(r.s.Copy(user1, id, "nowhere")),
	} {
		if err == nil {
			t.Errorf("copied %s", what)
		}
	}
}

// booked sends a meeting to the room and returns its answer and what it has.
func (r *rig) booked(fields string) (answer string, in []Item) {
	r.t.Helper()
	times, series, _ := strings.Cut(fields, "|")
	r.create(user1, "SendOnlyToAll", planning+times+attendees("Resources", room)+series)
	all := r.s.Calendar(user1)
	return all[len(all)-1].Attendees[0].Response, r.s.View(room, noon, noon.AddDate(2, 0, 0))
}

// TestRoomPolicies: what a room declines although it is free, and what it books
// although it is taken.
func TestRoomPolicies(t *testing.T) {
	t.Parallel()
	const (
		long    = `<t:Start>2026-11-24T10:00:00Z</t:Start><t:End>2026-11-26T11:00:00Z</t:End>`
		far     = `<t:Start>2027-11-24T10:00:00Z</t:Start><t:End>2027-11-24T11:00:00Z</t:End>`
		taken   = `<t:Start>2026-12-08T10:30:00Z</t:Start><t:End>2026-12-08T10:45:00Z</t:End>`
		endless = `<t:Recurrence><t:DailyRecurrence><t:Interval>1</t:Interval></t:DailyRecurrence><t:NoEndRecurrence><t:StartDate>2026-11-24</t:StartDate></t:NoEndRecurrence></t:Recurrence>`
	)
	for _, c := range []struct {
		name     string
		room     func(*Room)
		first    string // is in the room already
		fields   string
		answer   string
		showing  int // occurrences of both
		declined int // mails that decline
	}{
		{"free", nil, "", tomorrow, ResponseAccept, 1, 0},
		{"two days", nil, "", long, ResponseDecline, 0, 1},
		{"two days, allowed", func(r *Room) { r.MaximumDuration = 0 }, "", long, ResponseAccept, 1, 0},
		{"next year", nil, "", far, ResponseDecline, 0, 1},
		{"next year, allowed", func(r *Room) { r.BookingWindowInDays = 0 }, "", far, ResponseAccept, 1, 0},
		{"a series without end", nil, "", tomorrow + "|" + endless, ResponseDecline, 0, 1},
		{"a series that ends", nil, "", tomorrow + "|" + weekly, ResponseAccept, 5, 0},
		{"no series", func(r *Room) { r.NoRecurringMeetings = true }, "", tomorrow + "|" + weekly, ResponseDecline, 0, 1},
		{"a series into one meeting", nil, taken, tomorrow + "|" + weekly, ResponseDecline, 1, 1},
		{"the same, one of five allowed", func(r *Room) { r.ConflictPercentageAllowed, r.MaximumConflictInstances = 20, 1 }, taken, tomorrow + "|" + weekly, ResponseAccept, 5, 1},
		{"the same, too many percent", func(r *Room) { r.ConflictPercentageAllowed, r.MaximumConflictInstances = 19, 1 }, taken, tomorrow + "|" + weekly, ResponseDecline, 1, 1},
		{"double booking allowed", func(r *Room) { r.AllowConflicts = true }, taken, tomorrow + "|" + weekly, ResponseAccept, 6, 0},
		{"nobody answers", func(r *Room) { r.AutoAccept = false }, "", tomorrow, "", 1, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, Options{})
			settings := DefaultRoom()
			if c.room != nil {
				c.room(&settings)
			}
			r.s.change(room, func(b *mailbox) { b.room = &settings })
			if c.first != "" {
				r.booked(c.first)
			}
			answer, in := r.booked(c.fields)
			declined := 0
			for _, m := range r.s.Mails() {
				if m.Class == ClassDeclined {
					declined++
				}
			}
			if answer != c.answer || len(in) != c.showing || declined != c.declined {
				t.Errorf("%q, %d in the room, %d declined; want %q, %d, %d", answer, len(in), declined, c.answer, c.showing, c.declined)
			}
		})
	}
}

// TestRoomSwitches: each of the settings by itself, and none of them.
func TestRoomSwitches(t *testing.T) {
	t.Parallel()
	fields := `<t:Subject>Secret plan</t:Subject><t:Sensitivity>Private</t:Sensitivity><t:Body BodyType="Text">agenda</t:Body>` + tomorrow
	for name, c := range map[string]struct {
		room Room
		want string
	}{
		"keeps all": {Room{AutoAccept: true}, "Secret plan|agenda|Private"}, "subject": {Room{AutoAccept: true, DeleteSubject: true}, "|agenda|Private"},
		"organizer before it": {Room{AutoAccept: true, AddOrganizerToSubject: true}, "User 1 Secret plan|agenda|Private"},
		"comments":            {Room{AutoAccept: true, DeleteComments: true}, "Secret plan||Private"},
		"private flag":        {Room{AutoAccept: true, RemovePrivateProperty: true}, "Secret plan|agenda|Normal"},
		"default":             {DefaultRoom(), "User 1||Normal"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, Options{})
			r.s.change(room, func(b *mailbox) { b.room = &c.room })
			r.create(user1, "SendOnlyToAll", fields+attendees("Resources", room))
			it := r.s.Calendar(room)[0]
			want := strings.Replace(c.want, "User 1", r.s.Calendar(user1)[0].Organizer.Name, 1)
			if got := it.Subject + "|" + it.Body.Content + "|" + it.Sensitivity; got != want {
				t.Errorf("%s, want %s", got, want)
			}
		})
	}
}
