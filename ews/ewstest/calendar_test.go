package ewstest

import (
	"strings"
	"testing"
	"time"
)

const planning = `<t:Subject>Planning</t:Subject><t:Body BodyType="HTML">&lt;p&gt;Agenda&lt;/p&gt;</t:Body>`

func TestInvitationReachesTheAttendees(t *testing.T) {
	t.Parallel()
	r := newRig(t, Options{})
	id := r.create(user1, "SendToAllAndSaveCopy", planning+tomorrow+`<t:Location>@meet</t:Location>`+
		attendees("RequiredAttendees", user2, "guest@else.example")+attendees("OptionalAttendees", user3))

	org := r.get(user1, id.Attr("Id"), "calendar:IsMeeting", "calendar:MeetingRequestWasSent", "calendar:IsOrganizer", "calendar:MyResponseType",
		"calendar:AppointmentState", "calendar:UID", "calendar:RequiredAttendees", "calendar:Organizer", "item:Culture", "item:ItemClass")
	for path, want := range map[string]string{
		"IsMeeting": "true", "MeetingRequestWasSent": "true", "IsOrganizer": "true", "MyResponseType": "Organizer", "AppointmentState": "1",
		"Culture": "en-US", "ItemClass": "IPM.Appointment",
	} {
		if got := org.Value(path); got != want {
			t.Errorf("organizer's %s = %q, want %q", path, got, want)
		}
	}
	if got := org.Value("Organizer", "Mailbox", "EmailAddress"); got != user1 {
		t.Errorf("organizer = %q", got)
	}

	copies := r.s.Calendar(user2)
	if len(copies) != 1 {
		t.Fatalf("attendee has %d items, want 1", len(copies))
	}
	c := copies[0]
	if c.UID != org.Value("UID") || c.IsOrganizer() || !c.IsMeeting() || c.State != StateMeeting|StateReceived {
		t.Errorf("copy: UID %q, state %d", c.UID, c.State)
	}
	if c.Response != ResponseNone || !c.RequestSent || c.Busy != "Tentative" || c.Organizer.Address != user1 {
		t.Errorf("copy: response %q, sent %v, busy %q, organizer %q", c.Response, c.RequestSent, c.Busy, c.Organizer.Address)
	}
	if c.Body != (Body{Type: "HTML", Content: "<p>Agenda</p>"}) || c.Location != "@meet" {
		t.Errorf("copy: body %+v, location %q", c.Body, c.Location)
	}
	inbox := r.s.Inbox(user2)
	if len(inbox) != 1 || inbox[0].Class != ClassRequest || inbox[0].Kind != "NewMeetingRequest" || inbox[0].From.Address != user1 {
		t.Errorf("attendee's Inbox: %+v", inbox)
	}
	if sent := r.s.Sent(user1); len(sent) != 1 || len(sent[0].To) != 2 || len(sent[0].Cc) != 1 {
		t.Errorf("Sent Items: %+v", sent)
	}
	if mails := r.s.Mails(); len(mails) != 3 {
		t.Errorf("%d mails, want one for each attendee, the one outside too", len(mails))
	}
}

func TestCopyAsTheAttendeeReadsIt(t *testing.T) {
	t.Parallel()
	r := newRig(t, Options{})
	r.create(user1, "SendOnlyToAll", planning+tomorrow+attendees("RequiredAttendees", user2))
	it, _ := itemOf(r.ok(user2, calendarView("2026-11-23T00:00:00Z", "2026-11-30T00:00:00Z", "calendar:IsOrganizer", "calendar:MyResponseType",
		"calendar:AppointmentState", "calendar:CalendarItemType", "calendar:Organizer", "calendar:LegacyFreeBusyStatus")))
	for path, want := range map[string]string{
		"IsOrganizer": "false", "MyResponseType": "NoResponseReceived", "AppointmentState": "3", "CalendarItemType": "Single",
		"LegacyFreeBusyStatus": "Tentative",
	} {
		if got := it.Value(path); got != want {
			t.Errorf("%s = %q, want %q", path, got, want)
		}
	}
	if len(r.s.Sent(user1)) != 0 {
		t.Error("SendOnlyToAll left a copy in Sent Items")
	}
}

func TestUpdateSendsOncePerAttendee(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		mode         string
		mails, saved int
		reaches      bool
	}{
		{"SendToNone", 0, 0, false},
		{"SendOnlyToAll", 2, 0, true},
		{"SendToAllAndSaveCopy", 2, 1, true},
		{"SendOnlyToChanged", 0, 0, false},
	} {
		t.Run(tc.mode, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, Options{})
			id := r.create(user1, "SendOnlyToAll", planning+tomorrow+attendees("RequiredAttendees", user2, user3))
			before := len(r.s.Mails())
			m := r.ok(user1, updateItem(id, "NeverOverwrite", tc.mode, setField("item:Body", `<t:Body BodyType="HTML">&lt;p&gt;Join&lt;/p&gt;</t:Body>`)))
			if m.Value("ConflictResults", "Count") != "0" {
				t.Error("no ConflictResults")
			}
			if _, fresh := itemOf(m); fresh.Attr("Id") != id.Attr("Id") || fresh.Attr("ChangeKey") == id.Attr("ChangeKey") {
				t.Errorf("id %v -> %v", id, fresh)
			}
			if got := len(r.s.Mails()) - before; got != tc.mails {
				t.Errorf("%d mails, want %d", got, tc.mails)
			}
			if got := len(r.s.Sent(user1)); got != tc.saved {
				t.Errorf("%d in Sent Items, want %d", got, tc.saved)
			}
			if got := r.s.Calendar(user2)[0].Body.Content == "<p>Join</p>"; got != tc.reaches {
				t.Errorf("the copy has the new body: %v, want %v", got, tc.reaches)
			}
			if tc.reaches {
				inbox := r.s.Inbox(user2)
				if len(inbox) != 2 || inbox[1].Kind != "InformationalUpdate" {
					t.Errorf("Inbox: %+v", inbox)
				}
			}
		})
	}
}

func TestAnswersAndWhatAnUpdateKeepsOfThem(t *testing.T) {
	t.Parallel()
	r := newRig(t, Options{})
	id := r.create(user1, "SendOnlyToAll", planning+tomorrow+attendees("RequiredAttendees", user2))
	letter := r.s.Inbox(user2)[0].ID
	r.ok(user2, `<m:CreateItem MessageDisposition="SendAndSaveCopy"><m:Items><t:AcceptItem><t:Body BodyType="Text">fine</t:Body><t:ReferenceItemId Id="`+
		letter+`"/></t:AcceptItem></m:Items></m:CreateItem>`)
	if c := r.s.Calendar(user2)[0]; c.Response != ResponseAccept || c.Busy != "Busy" || !c.Replied.Equal(noon) {
		t.Errorf("copy after accepting: %q %q %v", c.Response, c.Busy, c.Replied)
	}
	if len(r.s.Inbox(user2)) != 0 || len(r.s.DeletedItems(user2)) != 1 {
		t.Error("the request is still in the Inbox")
	}
	if a := r.s.Calendar(user1)[0].Attendees[0]; a.Response != ResponseAccept || !a.Responded.Equal(noon) {
		t.Errorf("organizer knows %+v", a)
	}
	if in := r.s.Inbox(user1); len(in) != 1 || in[0].Class != ClassAccepted || in[0].Subject != "Accepted: Planning" || in[0].Body.Content != "fine" {
		t.Errorf("organizer's Inbox: %+v", in)
	}

	key := func() string {
		return `<t:ItemId Id="` + id.Attr("Id") + `" ChangeKey="` + r.s.Calendar(user1)[0].ChangeKey + `"/>`
	}
	r.ok(user1, updateOf(key(), "NeverOverwrite", "SendOnlyToAll", setField("calendar:Location", `<t:Location>Room 2</t:Location>`)))
	if c := r.s.Calendar(user2)[0]; c.Response != ResponseAccept || c.Location != "Room 2" {
		t.Errorf("an update of the place took the answer away: %q", c.Response)
	}
	r.ok(user1, updateOf(key(), "NeverOverwrite", "SendOnlyToAll",
		setField("calendar:Start", `<t:Start>2026-11-25T10:00:00Z</t:Start>`), setField("calendar:End", `<t:End>2026-11-25T11:00:00Z</t:End>`)))
	if c := r.s.Calendar(user2)[0]; c.Response != ResponseNone || c.Busy != "Tentative" || c.Sequence != 1 {
		t.Errorf("after a new time: response %q, busy %q, sequence %d", c.Response, c.Busy, c.Sequence)
	}
	if a := r.s.Calendar(user1)[0].Attendees[0]; a.Response != "" {
		t.Errorf("organizer still counts on %+v", a)
	}
}

func TestDeclineTakesTheCopyAway(t *testing.T) {
	t.Parallel()
	r := newRig(t, Options{})
	r.create(user1, "SendOnlyToAll", planning+tomorrow+attendees("RequiredAttendees", user2))
	r.ok(user2, `<m:CreateItem MessageDisposition="SendOnly"><m:Items><t:DeclineItem><t:ReferenceItemId Id="`+r.s.Calendar(user2)[0].ID+
		`"/></t:DeclineItem></m:Items></m:CreateItem>`)
	if len(r.s.Calendar(user2)) != 0 || len(r.s.DeletedItems(user2)) != 1 {
		t.Error("the copy stayed")
	}
	if a := r.s.Calendar(user1)[0].Attendees[0]; a.Response != ResponseDecline {
		t.Errorf("organizer knows %+v", a)
	}
	own := r.s.Calendar(user1)[0].ID
	if code := r.code(user1, `<m:CreateItem MessageDisposition="SendOnly"><m:Items><t:AcceptItem><t:ReferenceItemId Id="`+own+
		`"/></t:AcceptItem></m:Items></m:CreateItem>`); code != "ErrorCalendarIsOrganizerForAccept" {
		t.Errorf("accepting one's own meeting: %s", code)
	}
}

func TestCancel(t *testing.T) {
	t.Parallel()
	cancel := map[string]func(id string) string{
		"CancelCalendarItem": func(id string) string {
			return `<m:CreateItem MessageDisposition="SendAndSaveCopy"><m:Items><t:CancelCalendarItem><t:ReferenceItemId Id="` + id +
				`"/><t:NewBodyContent BodyType="Text">sorry</t:NewBodyContent></t:CancelCalendarItem></m:Items></m:CreateItem>`
		},
		"DeleteItem": func(id string) string {
			return `<m:DeleteItem DeleteType="MoveToDeletedItems" SendMeetingCancellations="SendToAllAndSaveCopy"><m:ItemIds><t:ItemId Id="` + id +
				`"/></m:ItemIds></m:DeleteItem>`
		},
	}
	for name, body := range cancel {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, Options{})
			id := r.create(user1, "SendOnlyToAll", planning+tomorrow+attendees("RequiredAttendees", user2))
			r.ok(user1, body(id.Attr("Id")))
			c := r.s.Calendar(user2)[0]
			if !c.IsCancelled() || c.Subject != "Canceled: Planning" || c.Busy != "Free" {
				t.Errorf("copy: %q, state %d, %s", c.Subject, c.State, c.Busy)
			}
			if in := r.s.Inbox(user2); len(in) != 2 || in[1].Class != ClassCancellation {
				t.Errorf("Inbox: %+v", in)
			}
			if len(r.s.Calendar(user1)) != 0 || len(r.s.DeletedItems(user1)) != 1 || len(r.s.Sent(user1)) != 1 {
				t.Error("the organizer's side is not as it should be")
			}
			if code := r.code(user2, `<m:CreateItem MessageDisposition="SendOnly"><m:Items><t:AcceptItem><t:ReferenceItemId Id="`+c.ID+
				`"/></t:AcceptItem></m:Items></m:CreateItem>`); code != "ErrorCalendarIsCancelledForAccept" {
				t.Errorf("accepting what is cancelled: %s", code)
			}
		})
	}
}

func TestAttendeesComeAndGo(t *testing.T) {
	t.Parallel()
	r := newRig(t, Options{})
	id := r.create(user1, "SendOnlyToAll", planning+tomorrow+attendees("RequiredAttendees", user2))
	r.ok(user1, updateItem(id, "AutoResolve", "SendOnlyToChanged", setField("calendar:RequiredAttendees", attendees("RequiredAttendees", user3))))
	if in := r.s.Inbox(user3); len(in) != 1 || in[0].Kind != "NewMeetingRequest" {
		t.Errorf("who came: %+v", in)
	}
	if in := r.s.Inbox(user2); len(in) != 2 || in[1].Class != ClassCancellation {
		t.Errorf("who went: %+v", in)
	}
}

func TestDraftIsSentLater(t *testing.T) {
	t.Parallel()
	r := newRig(t, Options{})
	id := r.create(user1, "SendToNone", planning+tomorrow+attendees("RequiredAttendees", user2))
	if it := r.s.Calendar(user1)[0]; it.RequestSent || !it.IsMeeting() || len(r.s.Calendar(user2)) != 0 {
		t.Error("a draft was sent")
	}
	m := r.ok(user1, updateItem(id, "NeverOverwrite", "SendToNone", setField("calendar:Location", `<t:Location>here</t:Location>`)))
	_, id = itemOf(m)
	if len(r.s.Mails()) != 0 {
		t.Error("SendToNone sent")
	}
	r.ok(user1, updateItem(id, "NeverOverwrite", "SendToAllAndSaveCopy", setField("item:Subject", `<t:Subject>Final</t:Subject>`)))
	if in := r.s.Inbox(user2); len(in) != 1 || in[0].Kind != "NewMeetingRequest" || !r.s.Calendar(user1)[0].RequestSent {
		t.Errorf("Inbox: %+v", in)
	}
}

func TestSendToAllMakesAMeetingOfAnAppointment(t *testing.T) {
	t.Parallel()
	r := newRig(t, Options{})
	id := r.create(user1, "SendToNone", planning+tomorrow)
	r.ok(user1, updateItem(id, "NeverOverwrite", "SendToAllAndSaveCopy", setField("calendar:Location", `<t:Location>x</t:Location>`)))
	if it := r.s.Calendar(user1)[0]; !it.IsMeeting() {
		t.Error("still an appointment")
	}
}

func TestAttendeeMayNotUpdateForAll(t *testing.T) {
	t.Parallel()
	r := newRig(t, Options{})
	r.create(user1, "SendOnlyToAll", planning+tomorrow+attendees("RequiredAttendees", user2))
	c := r.s.Calendar(user2)[0]
	id := `<t:ItemId Id="` + c.ID + `" ChangeKey="` + c.ChangeKey + `"/>`
	change := setField("calendar:Location", `<t:Location>mine</t:Location>`)
	if code := r.code(user2, updateOf(id, "NeverOverwrite", "SendToAllAndSaveCopy", change)); code != "ErrorCalendarIsNotOrganizer" {
		t.Errorf("code %s", code)
	}
	r.ok(user2, updateOf(id, "NeverOverwrite", "SendToNone", change))
	if r.s.Calendar(user1)[0].Location == "mine" || r.s.Calendar(user2)[0].Location != "mine" {
		t.Error("the wrong copy changed")
	}
}

func TestConflictResolution(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ mode, key, want string }{
		{"NeverOverwrite", "fresh", "NoError"},
		{"NeverOverwrite", "stale", "ErrorIrresolvableConflict"},
		{"NeverOverwrite", "short", "ErrorChangeKeyRequiredForWriteOperations"},
		{"NeverOverwrite", "", "ErrorChangeKeyRequiredForWriteOperations"},
		{"NeverOverwrite", "rubbish", "ErrorInvalidChangeKey"},
		{"AutoResolve", "stale", "NoError"},
		{"AutoResolve", "short", "ErrorChangeKeyRequiredForWriteOperations"},
		{"AlwaysOverwrite", "short", "NoError"},
		{"Perhaps", "fresh", "ErrorSchemaValidation"},
	} {
		t.Run(tc.mode+" "+tc.key, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, Options{})
			id := r.create(user1, "SendToNone", planning+tomorrow)
			keys := map[string]string{"stale": id.Attr("ChangeKey"), "short": "DwAAAA==", "rubbish": "!!"}
			if err := r.s.Edit(user1, id.Attr("Id"), func(it *Item) { it.Subject = "Edited meanwhile" }); err != nil {
				t.Fatal(err)
			}
			keys["fresh"] = r.s.Calendar(user1)[0].ChangeKey
			if keys["fresh"] == keys["stale"] {
				t.Fatal("an edit left the change key")
			}
			got := r.code(user1, updateOf(`<t:ItemId Id="`+id.Attr("Id")+`" ChangeKey="`+keys[tc.key]+`"/>`, tc.mode, "SendToNone",
				setField("calendar:Location", `<t:Location>x</t:Location>`)))
			if got != tc.want {
				t.Errorf("code %s, want %s", got, tc.want)
			}
			if changed := r.s.Calendar(user1)[0].Location == "x"; changed != (tc.want == "NoError") {
				t.Errorf("changed: %v", changed)
			}
		})
	}
}

func TestWhatCreateAndUpdateRefuse(t *testing.T) {
	t.Parallel()
	r := newRig(t, Options{})
	id := r.create(user1, "SendToNone", planning+tomorrow)
	set := func(changes ...string) string { return updateItem(id, "AlwaysOverwrite", "SendToNone", changes...) }
	for _, tc := range []struct{ name, body, want string }{
		{"no send mode", `<m:CreateItem><m:Items><t:CalendarItem>` + tomorrow + `</t:CalendarItem></m:Items></m:CreateItem>`, "ErrorSendMeetingInvitationsRequired"},
		{"unknown send mode", createMeeting("SendToSome", tomorrow), "ErrorSchemaValidation"},
		{"wrong order", createMeeting("SendToNone", tomorrow+`<t:Subject>late</t:Subject>`), "ErrorSchemaValidation"},
		{"unknown element", createMeeting("SendToNone", `<t:Sugar>1</t:Sugar>`), "ErrorSchemaValidation"},
		{"read-only element", createMeeting("SendToNone", tomorrow+`<t:IsMeeting>true</t:IsMeeting>`), "ErrorInvalidPropertySet"},
		{"end before start", createMeeting("SendToNone", `<t:Start>2026-11-24T10:00:00Z</t:Start><t:End>2026-11-24T09:00:00Z</t:End>`), "ErrorCalendarEndDateIsEarlierThanStartDate"},
		{"no date", createMeeting("SendToNone", `<t:Start>soon</t:Start>`), "ErrorSchemaValidation"},
		{"start alone", set(setField("calendar:Start", `<t:Start>2026-11-25T10:00:00Z</t:Start>`)), "ErrorCalendarEndDateIsEarlierThanStartDate"},
		{"two properties", set(`<t:SetItemField><t:FieldURI FieldURI="item:Subject"/><t:CalendarItem><t:Subject>a</t:Subject><t:Location>b</t:Location></t:CalendarItem></t:SetItemField>`), "ErrorIncorrectUpdatePropertyCount"},
		{"another property", set(setField("item:Subject", `<t:Location>b</t:Location>`)), "ErrorUpdatePropertyMismatch"},
		{"append a subject", set(`<t:AppendToItemField><t:FieldURI FieldURI="item:Subject"/><t:CalendarItem><t:Subject>a</t:Subject></t:CalendarItem></t:AppendToItemField>`), "ErrorInvalidPropertyAppend"},
		{"unknown item", updateOf(`<t:ItemId Id="AAAA" ChangeKey="AAAA"/>`, "AlwaysOverwrite", "SendToNone", setField("item:Subject", `<t:Subject>a</t:Subject>`)), "ErrorInvalidIdMalformed"},
		{"bad recurrence", createMeeting("SendToNone", tomorrow+`<t:Recurrence><t:DailyRecurrence><t:Interval>1</t:Interval></t:DailyRecurrence><t:NumberedRecurrence><t:StartDate>2026-11-24</t:StartDate><t:NumberOfOccurrences>0</t:NumberOfOccurrences></t:NumberedRecurrence></t:Recurrence>`), "ErrorCalendarInvalidRecurrence"},
		{"extended without type", createMeeting("SendToNone", `<t:ExtendedProperty><t:ExtendedFieldURI PropertySetId="x" PropertyName="y" PropertyType="String"/><t:Value>1</t:Value></t:ExtendedProperty>`), "ErrorSchemaValidation"},
		{"empty item list", `<m:CreateItem SendMeetingInvitations="SendToNone"><m:Items/></m:CreateItem>`, "ErrorSchemaValidation"},
		{"a contact", `<m:CreateItem><m:Items><t:Contact/></m:Items></m:CreateItem>`, "ErrorInvalidOperation"},
	} {
		if got := r.code(user1, tc.body); got != tc.want {
			t.Errorf("%s: %s, want %s", tc.name, got, tc.want)
		}
	}
	if n := len(r.s.Calendar(user1)); n != 1 {
		t.Errorf("%d items; a refused one was saved", n)
	}
}

func TestUpdateOfADeletedItem(t *testing.T) {
	t.Parallel()
	r := newRig(t, Options{})
	id := r.create(user1, "SendToNone", planning+tomorrow)
	moved, err := r.s.Move(user1, id.Attr("Id"), "deleteditems")
	if err != nil {
		t.Fatal(err)
	}
	change := setField("item:Subject", `<t:Subject>a</t:Subject>`)
	if got := r.code(user1, updateItem(id, "AlwaysOverwrite", "SendToNone", change)); got != "ErrorItemNotFound" {
		t.Errorf("old id: %s", got)
	}
	if got := r.code(user1, updateOf(`<t:ItemId Id="`+moved+`"/>`, "AlwaysOverwrite", "SendToNone", change)); got != "ErrorCalendarCannotUpdateDeletedItem" {
		t.Errorf("new id: %s", got)
	}
}

func TestExtendedPropertiesStayOrTravel(t *testing.T) {
	t.Parallel()
	prop := func(name, value string) string {
		return `<t:ExtendedProperty><t:ExtendedFieldURI DistinguishedPropertySetId="PublicStrings" PropertyName="` + name +
			`" PropertyType="String"/><t:Value>` + value + `</t:Value></t:ExtendedProperty>`
	}
	fields := planning + prop("KoyomiJoin", "https://join.example/1") + prop("SkypeTeamsMeetingUrl", "https://teams.example/1") + prop("Mine", "m") +
		tomorrow + attendees("RequiredAttendees", user2)
	r := newRig(t, Options{Travel: []string{"Mine"}})
	id := r.create(user1, "SendOnlyToAll", fields)
	c := r.s.Calendar(user2)[0]
	if c.Property("KoyomiJoin") != "" || c.Property("SkypeTeamsMeetingUrl") == "" || c.Property("Mine") != "m" {
		t.Errorf("the copy has %+v", c.Extended)
	}
	uri := `<t:ExtendedFieldURI PropertySetId="00020329-0000-0000-C000-000000000046" PropertyName="KoyomiJoin" PropertyType="String"/>`
	it := r.get(user1, id.Attr("Id"), uri, `<t:ExtendedFieldURI DistinguishedPropertySetId="PublicStrings" PropertyName="koyomijoin" PropertyType="String"/>`)
	var got []string
	for p := range it.All("ExtendedProperty") {
		got = append(got, p.Value("Value"))
	}
	if len(got) != 1 || got[0] != "https://join.example/1" {
		t.Errorf("by GUID and in another case: %q; want the one with the right case", got)
	}
	del := `<t:DeleteItemField>` + uri + `</t:DeleteItemField>`
	r.ok(user1, updateItem(id, "NeverOverwrite", "SendToNone", del))
	if o := r.s.Calendar(user1)[0]; o.Property("KoyomiJoin") != "" || o.Property("Mine") != "m" {
		t.Error("the wrong property was deleted")
	}
}

func TestAppendToABody(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ kind, old, add, want string }{
		{"HTML", "&lt;html&gt;&lt;body&gt;&lt;p&gt;a&lt;/p&gt;&lt;/body&gt;&lt;/html&gt;", "&lt;p&gt;b&lt;/p&gt;", "<html><body><p>a</p><p>b</p></body></html>"},
		{"Text", "a", "b", "ab"},
	} {
		t.Run(tc.kind, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, Options{})
			id := r.create(user1, "SendToNone", `<t:Body BodyType="`+tc.kind+`">`+tc.old+`</t:Body>`+tomorrow)
			r.ok(user1, updateItem(id, "NeverOverwrite", "SendToNone", `<t:AppendToItemField><t:FieldURI FieldURI="item:Body"/><t:CalendarItem><t:Body BodyType="`+
				tc.kind+`">`+tc.add+`</t:Body></t:CalendarItem></t:AppendToItemField>`))
			if b := r.s.Calendar(user1)[0].Body; b.Content != tc.want || b.Type != tc.kind {
				t.Errorf("%+v, want %q", b, tc.want)
			}
		})
	}
}

func TestAllDayEventsStandOnMidnightsOfTheirZone(t *testing.T) {
	t.Parallel()
	r := newRig(t, Options{Zone: "Tokyo Standard Time"})
	r.create(user1, "SendToNone", `<t:Start>2026-11-24T03:00:00Z</t:Start><t:End>2026-11-24T05:00:00Z</t:End><t:IsAllDayEvent>true</t:IsAllDayEvent>`)
	it := r.s.Calendar(user1)[0]
	if !it.Start.Equal(time.Date(2026, 11, 23, 15, 0, 0, 0, time.UTC)) || it.End.Sub(it.Start) != 24*time.Hour {
		t.Errorf("%v to %v", it.Start, it.End)
	}
	wall := r.get(user1, it.ID, "calendar:StartWallClock", "calendar:StartTimeZoneId")
	if wall.Value("StartWallClock") != "2026-11-24T00:00:00+09:00" || wall.Value("StartTimeZoneId") != "Tokyo Standard Time" {
		t.Errorf("%q in %q", wall.Value("StartWallClock"), wall.Value("StartTimeZoneId"))
	}
}

func TestNativeBody(t *testing.T) {
	t.Parallel()
	native := `<t:ExtendedFieldURI PropertyTag="0x1016" PropertyType="Integer"/>`
	r := newRig(t, Options{})
	for want, b := range map[string]Body{"1": {Type: "Text", Content: "x"}, "2": {Type: "HTML", RTF: true, Content: "<p>x</p>"}, "3": {Type: "HTML", Content: "<p>x</p>"}} {
		it, err := r.s.Add(user1, Item{Subject: "n" + want, Body: b, Start: noon, End: noon.Add(time.Hour)})
		if err != nil {
			t.Fatal(err)
		}
		got := r.get(user1, it.ID, native, "item:Body")
		if v := got.Value("ExtendedProperty", "Value"); v != want {
			t.Errorf("native body %q, want %s", v, want)
		}
		if kind := got.Child("Body").Attr("BodyType"); kind != b.Type {
			t.Errorf("Best gives %s for %+v", kind, b)
		}
	}
	rtf := r.s.Calendar(user1)
	for _, it := range rtf {
		if it.Body.RTF {
			r.ok(user1, updateOf(`<t:ItemId Id="`+it.ID+`"/>`, "AlwaysOverwrite", "SendToNone", setField("item:Body", `<t:Body BodyType="HTML">y</t:Body>`)))
			if got := r.get(user1, it.ID, native).Value("ExtendedProperty", "Value"); got != "3" {
				t.Errorf("after a write of HTML the native body is %s, want 3", got)
			}
		}
	}
}

func TestEveryShapeOfEveryKind(t *testing.T) {
	t.Parallel()
	r := newRig(t, Options{EventsPerUser: 60})
	id := r.create(user1, "SendToAllAndSaveCopy", `<t:Subject>All &lt;of&gt; it</t:Subject><t:Sensitivity>Private</t:Sensitivity><t:Categories><t:String>Red</t:String></t:Categories><t:Importance>High</t:Importance>`+
		tomorrow+attendees("RequiredAttendees", user2)+attendees("OptionalAttendees", "x@else.example")+attendees("Resources", room)+
		`<t:Recurrence><t:RelativeMonthlyRecurrence><t:Interval>2</t:Interval><t:DaysOfWeek>Weekday</t:DaysOfWeek><t:DayOfWeekIndex>Last</t:DayOfWeekIndex></t:RelativeMonthlyRecurrence><t:EndDateRecurrence><t:StartDate>2026-11-24</t:StartDate><t:EndDate>2027-11-24</t:EndDate></t:EndDateRecurrence></t:Recurrence>`)
	occurrence := func(n string) string {
		return `<t:OccurrenceItemId RecurringMasterId="` + id.Attr("Id") + `" InstanceIndex="` + n + `"/>`
	}
	r.ok(user1, updateOf(occurrence("2"), "AlwaysOverwrite", "SendToNone", setField("item:Subject", `<t:Subject>Other</t:Subject>`)))
	r.ok(user1, `<m:DeleteItem DeleteType="HardDelete" SendMeetingCancellations="SendToNone"><m:ItemIds>`+occurrence("3")+`</m:ItemIds></m:DeleteItem>`)
	for _, box := range []string{user1, user2, room} {
		for _, folder := range []string{"calendar", "inbox", "sentitems", "deleteditems"} {
			for _, it := range r.s.Items(box, folder) {
				for _, base := range []string{"IdOnly", "Default", "AllProperties"} {
					m := r.ok(box, `<m:GetItem><m:ItemShape>`+shapeOf(base, everyField(it.Class)...)+`</m:ItemShape><m:ItemIds><t:ItemId Id="`+it.ID+`"/></m:ItemIds></m:GetItem>`)
					if got, _ := itemOf(m); got.Name != elementOf(it.Class) {
						t.Errorf("%s is shown as %s", it.Class, got.Name)
					}
				}
			}
			r.ok(box, `<m:FindItem Traversal="Shallow"><m:ItemShape>`+shapeOf("AllProperties")+`</m:ItemShape><m:IndexedPageItemView MaxEntriesReturned="100" Offset="0" BasePoint="Beginning"/><m:ParentFolderIds><t:DistinguishedFolderId Id="`+folder+`"/></m:ParentFolderIds></m:FindItem>`)
		}
	}
	var names []string
	it := r.get(user1, id.Attr("Id"), everyField(ClassAppointment)...)
	for _, c := range it.Children {
		names = append(names, c.Name)
	}
	for _, want := range []string{"ModifiedOccurrences", "DeletedOccurrences", "Recurrence", "FirstOccurrence", "LastOccurrence", "Resources", "MimeContent"} {
		if !strings.Contains(strings.Join(names, " "), want) {
			t.Errorf("a master with all fields lacks %s", want)
		}
	}
}

// everyField returns all URIs that an element knows.
func everyField(class string) []string {
	var out []string
	for _, p := range tableOf(elementOf(class)) {
		if p.uri != "item:ExtendedProperty" {
			out = append(out, p.uri)
		}
	}
	return out
}
