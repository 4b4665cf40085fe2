package ewstest

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestOOF(t *testing.T) {
	t.Parallel()
	r := newRig(t, Options{})
	read := func(box string) string {
		return `<m:GetUserOofSettingsRequest><t:Mailbox><t:Address>` + box + `</t:Address></t:Mailbox></m:GetUserOofSettingsRequest>`
	}
	settings := r.as(user1, read(user1)).Child("OofSettings")
	if settings.Value("OofState") != "Disabled" || settings.Value("Duration", "StartTime") != "2026-11-23T13:00:00" {
		t.Errorf("nothing set: %v", settings)
	}
	write := func(state, extra string) string {
		return `<m:SetUserOofSettingsRequest><t:Mailbox><t:Address>` + user1 + `</t:Address></t:Mailbox><t:UserOofSettings><t:OofState>` + state + `</t:OofState><t:ExternalAudience>Known</t:ExternalAudience>` +
			extra + `<t:InternalReply><t:Message>away</t:Message></t:InternalReply></t:UserOofSettings></m:SetUserOofSettingsRequest>`
	}
	for _, tc := range []struct{ body, want string }{
		{write("Scheduled", `<t:Duration><t:StartTime>2026-12-01T00:00:00</t:StartTime><t:EndTime>2026-12-02T00:00:00</t:EndTime></t:Duration>`), "NoError"},
		{write("Scheduled", ""), "ErrorInvalidScheduledOofDuration"},
		{write("Scheduled", `<t:Duration><t:StartTime>2026-12-02T00:00:00</t:StartTime><t:EndTime>2026-12-02T00:00:00</t:EndTime></t:Duration>`), "ErrorInvalidScheduledOofDuration"},
		{write("Sometimes", ""), "ErrorSchemaValidation"},
		{read(user2), "ErrorAccessDenied"},
		{read("nobody@example.com"), "ErrorMailRecipientNotFound"},
	} {
		if got := r.code(user1, tc.body); got != tc.want {
			t.Errorf("%.300s: %s, want %s", tc.body, got, tc.want)
		}
	}
	o := r.s.OOF(user1)
	if o.State != "Scheduled" || o.Audience != "Known" || o.Internal != "away" || !o.Start.Equal(time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC)) {
		t.Errorf("set: %+v", o)
	}
	r.s.SetOOF(user1, OOF{State: "Enabled", External: "gone"})
	if got := r.as(user1, read(user1)).Child("OofSettings"); got.Value("OofState") != "Enabled" || got.Value("ExternalReply", "Message") != "gone" {
		t.Errorf("set directly: %v", got)
	}
}

// availabilityBody asks for people in the zone of New York.
func availabilityBody(view, from, to string, people ...string) string {
	out := `<m:GetUserAvailabilityRequest><t:TimeZone><t:Bias>300</t:Bias><t:StandardTime><t:Bias>0</t:Bias><t:Time>02:00:00</t:Time><t:DayOrder>1</t:DayOrder><t:Month>11</t:Month><t:DayOfWeek>Sunday</t:DayOfWeek></t:StandardTime>` +
		`<t:DaylightTime><t:Bias>-60</t:Bias><t:Time>02:00:00</t:Time><t:DayOrder>2</t:DayOrder><t:Month>3</t:Month><t:DayOfWeek>Sunday</t:DayOfWeek></t:DaylightTime></t:TimeZone><m:MailboxDataArray>`
	for _, p := range people {
		out += `<t:MailboxData><t:Email><t:Address>` + p + `</t:Address></t:Email><t:AttendeeType>Required</t:AttendeeType></t:MailboxData>`
	}
	return out + `</m:MailboxDataArray><t:FreeBusyViewOptions><t:TimeWindow><t:StartTime>` + from + `</t:StartTime><t:EndTime>` + to +
		`</t:EndTime></t:TimeWindow><t:MergedFreeBusyIntervalInMinutes>60</t:MergedFreeBusyIntervalInMinutes><t:RequestedView>` + view + `</t:RequestedView></t:FreeBusyViewOptions></m:GetUserAvailabilityRequest>`
}

func TestAvailability(t *testing.T) {
	t.Parallel()
	r := newRig(t, Options{Zone: "Tokyo Standard Time"})
	add := func(box, busy string, start time.Time, rec *Recurrence) {
		if _, err := r.s.Add(box, Item{Subject: "s", Busy: busy, Start: start, End: start.Add(time.Hour), Recurrence: rec}); err != nil {
			t.Fatal(err)
		}
	}
	ten := time.Date(2026, 11, 24, 15, 0, 0, 0, time.UTC) // 10:00 in New York
	add(user1, "Tentative", ten, nil)
	add(user1, "OOF", ten.Add(30*time.Minute), nil)
	add(user1, "Free", ten.Add(3*time.Hour), nil)
	add(user2, "Busy", ten.AddDate(0, 0, -7), &Recurrence{Pattern: Weekly, Days: On(time.Tuesday), Start: day(2026, 11, 17)})
	r.s.HideFreeBusy(user3, "ErrorNoFreeBusyAccess")
	res := r.as(user1, availabilityBody("DetailedMerged", "2026-11-24T08:00:00", "2026-11-24T16:00:00", user1, user2, user3, "nobody@example.com")).Child("FreeBusyResponseArray")
	var got []string
	for f := range res.All("FreeBusyResponse") {
		v := f.Child("FreeBusyView")
		got = append(got, f.Value("ResponseMessage", "ResponseCode")+" "+v.Value("FreeBusyViewType")+" "+v.Value("MergedFreeBusy"))
	}
	want := "NoError DetailedMerged 00330000, NoError FreeBusyMerged 00200000, ErrorNoFreeBusyAccess None , ErrorMailRecipientNotFound None "
	if s := strings.Join(got, ", "); s != want {
		t.Errorf("\n got %s\nwant %s", s, want)
	}
	v := res.Children[0].Child("FreeBusyView")
	if e := v.Find("CalendarEventArray", "CalendarEvent"); e.Value("StartTime") != "2026-11-24T10:00:00" || e.Value("BusyType") != "Tentative" || e.Value("CalendarEventDetails", "Subject") != "s" {
		t.Errorf("the first event: %v", e)
	}
	if res.Children[1].Find("FreeBusyView", "CalendarEventArray", "CalendarEvent", "CalendarEventDetails") != nil {
		t.Error("others get details")
	}
	if v.Value("WorkingHours", "TimeZone", "Bias") != "-540" {
		t.Errorf("working hours are in bias %s", v.Value("WorkingHours", "TimeZone", "Bias"))
	}
	offset := r.as(user1, availabilityBody("MergedOnly", "2026-11-24T13:00:00Z", "2026-11-24T16:00:00-05:00", user1)).Find("FreeBusyResponseArray", "FreeBusyResponse", "FreeBusyView")
	if got := offset.Value("MergedFreeBusy"); got != "00330000" {
		t.Errorf("a window with offsets: %s", got)
	}
	many := make([]string, 101)
	for body, want := range map[string]string{
		availabilityBody("Detailed", "2026-11-24T08:00:00", "2027-11-24T16:00:00", user1):                                             "ErrorTimeIntervalTooBig",
		availabilityBody("Detailed", "2026-11-24T08:00:00", "2026-11-24T08:00:00", user1):                                             "ErrorInvalidTimeInterval",
		availabilityBody("All", "2026-11-24T08:00:00", "2026-11-24T09:00:00", user1):                                                  "ErrorInvalidFreeBusyViewType",
		availabilityBody("Detailed", "2026-11-24T08:00:00", "2026-11-24T09:00:00", many...):                                           "ErrorMailboxDataArrayTooBig",
		strings.Replace(availabilityBody("Detailed", "2026-11-24T08:00:00", "2026-11-24T09:00:00", user1), "TimeZone>", "NoZone>", 2): "ErrorTimeZone",
	} {
		if got := r.code(user1, body); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

func TestAvailabilityAcrossAChangeOfTheClock(t *testing.T) {
	t.Parallel()
	r := newRig(t, Options{})
	// 10:00 in New York before and after 14 March 2027.
	for _, utc := range []time.Time{time.Date(2027, 3, 13, 15, 0, 0, 0, time.UTC), time.Date(2027, 3, 15, 14, 0, 0, 0, time.UTC)} {
		if _, err := r.s.Add(user1, Item{Start: utc, End: utc.Add(time.Hour)}); err != nil {
			t.Fatal(err)
		}
	}
	res := r.as(user1, availabilityBody("Detailed", "2027-03-12T00:00:00", "2027-03-17T00:00:00", user1))
	var got []string
	for e := range res.Find("FreeBusyResponseArray", "FreeBusyResponse", "FreeBusyView", "CalendarEventArray").All("CalendarEvent") {
		got = append(got, e.Value("StartTime"))
	}
	if s := strings.Join(got, " "); s != "2027-03-13T10:00:00 2027-03-15T10:00:00" {
		t.Error(s)
	}
}

func TestRoom(t *testing.T) {
	t.Parallel()
	r := newRig(t, Options{})
	fields := `<t:Subject>Secret plan</t:Subject><t:Sensitivity>Private</t:Sensitivity><t:Body BodyType="Text">agenda</t:Body>`
	id := r.create(user1, "SendOnlyToAll", fields+tomorrow+attendees("Resources", room))
	c := r.s.Calendar(room)[0]
	org := r.s.Calendar(user1)[0]
	if c.Subject != org.Organizer.Name || c.Body.Content != "" || c.Sensitivity != "Normal" || c.Response != ResponseAccept || c.Busy != "Busy" {
		t.Errorf("the room has %q %q %q %q %q", c.Subject, c.Body.Content, c.Sensitivity, c.Response, c.Busy)
	}
	if org.Attendees[0].Response != ResponseAccept || len(r.s.Inbox(user1)) != 1 || r.s.Inbox(user1)[0].Subject != "Accepted: Secret plan" {
		t.Errorf("the organizer knows %+v, Inbox %+v", org.Attendees, r.s.Inbox(user1))
	}
	if len(r.s.Inbox(room)) != 0 {
		t.Error("the request stayed in the room's Inbox")
	}
	r.create(user2, "SendOnlyToAll", planning+tomorrow+attendees("Resources", room))
	if a := r.s.Calendar(user2)[0].Attendees[0]; a.Response != ResponseDecline || len(r.s.Calendar(room)) != 1 {
		t.Errorf("a taken room says %q", a.Response)
	}
	r.ok(user1, updateOf(`<t:ItemId Id="`+id.Attr("Id")+`"/>`, "AlwaysOverwrite", "SendOnlyToAll", setField("item:Body", `<t:Body BodyType="HTML">Join</t:Body>`)))
	if in := r.s.Inbox(user1); len(in) != 2 || in[1].Class != ClassAccepted {
		t.Errorf("an update gets no answer of the room: %+v", in)
	}
	if c := r.s.Calendar(room)[0]; c.Body.Content != "" {
		t.Errorf("the update left %q in the room", c.Body.Content)
	}
	r.ok(user1, `<m:DeleteItem DeleteType="HardDelete" SendMeetingCancellations="SendOnlyToAll"><m:ItemIds><t:ItemId Id="`+id.Attr("Id")+`"/></m:ItemIds></m:DeleteItem>`)
	if len(r.s.Calendar(room)) != 0 {
		t.Error("the room keeps what was cancelled")
	}
}

func TestRoomWithASeries(t *testing.T) {
	t.Parallel()
	r := newRig(t, Options{})
	id := r.create(user1, "SendOnlyToAll", planning+tomorrow+attendees("Resources", room)+weekly).Attr("Id")
	r.ok(user1, updateOf(occurrenceID(id, 2), "AlwaysOverwrite", "SendOnlyToAll", setField("item:Subject", `<t:Subject>Other</t:Subject>`)))
	var subjects []string
	for _, it := range r.s.View(room, noon, noon.AddDate(0, 0, 20)) {
		subjects = append(subjects, it.Subject+" "+it.Response)
	}
	name := r.s.Calendar(user1)[0].Organizer.Name
	if s := strings.Join(subjects, ", "); s != fmt.Sprintf("%[1]s Accept, %[1]s Accept, %[1]s Accept", name) {
		t.Errorf("the room shows %s", s)
	}
	r.create(user2, "SendOnlyToAll", planning+`<t:Start>2026-12-08T10:30:00Z</t:Start><t:End>2026-12-08T10:45:00Z</t:End>`+attendees("Resources", room))
	if a := r.s.Calendar(user2)[0].Attendees[0]; a.Response != ResponseDecline {
		t.Errorf("during the third occurrence the room says %q", a.Response)
	}
	r.ok(user1, `<m:DeleteItem DeleteType="HardDelete" SendMeetingCancellations="SendOnlyToAll"><m:ItemIds>`+occurrenceID(id, 3)+`</m:ItemIds></m:DeleteItem>`)
	if n := len(r.s.View(room, noon, noon.AddDate(0, 0, 20))); n != 2 {
		t.Errorf("the room shows %d after one was cancelled", n)
	}
}

func TestPlainMail(t *testing.T) {
	t.Parallel()
	r := newRig(t, Options{})
	message := func(disposition, to string) string {
		return `<m:CreateItem MessageDisposition="` + disposition + `"><m:Items><t:Message><t:Subject>Hi</t:Subject><t:Body BodyType="Text">b</t:Body><t:ToRecipients>` + to + `</t:ToRecipients></t:Message></m:Items></m:CreateItem>`
	}
	to := `<t:Mailbox><t:EmailAddress>` + user2 + `</t:EmailAddress></t:Mailbox><t:Mailbox><t:EmailAddress>x@else.example</t:EmailAddress></t:Mailbox>`
	r.ok(user1, message("SaveOnly", to))
	if len(r.s.Items(user1, "drafts")) != 1 || len(r.s.Mails()) != 0 {
		t.Error("a draft was not only saved")
	}
	r.ok(user1, message("SendOnly", to))
	r.ok(user1, message("SendAndSaveCopy", to))
	if len(r.s.Sent(user1)) != 1 || len(r.s.Inbox(user2)) != 2 || len(r.s.Mails()) != 4 {
		t.Errorf("sent %d, received %d, mails %d", len(r.s.Sent(user1)), len(r.s.Inbox(user2)), len(r.s.Mails()))
	}
	for body, want := range map[string]string{message("SendOnly", ""): "ErrorInvalidRecipients", message("Fling", to): "ErrorSchemaValidation",
		strings.Replace(message("SaveOnly", to), ` MessageDisposition="SaveOnly"`, "", 1): "ErrorMessageDispositionRequired"} {
		if got := r.code(user1, body); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

func TestUserConfiguration(t *testing.T) {
	t.Parallel()
	r := newRig(t, Options{Zone: "Tokyo Standard Time"})
	body := func(name, folder string) string {
		return `<m:GetUserConfiguration><m:UserConfigurationName Name="` + name + `"><t:DistinguishedFolderId Id="` + folder + `"/></m:UserConfigurationName><m:UserConfigurationProperties>All</m:UserConfigurationProperties></m:GetUserConfiguration>`
	}
	for _, tc := range []struct{ name, folder, want string }{
		{"OWA.UserOptions", "root", "NoError"}, {"OWA.UserOptions", "inbox", "ErrorItemNotFound"}, {"CategoryList", "calendar", "ErrorItemNotFound"},
		{"OWA.UserOptions", "archiveroot", "ErrorFolderNotFound"},
	} {
		if got := r.code(user1, body(tc.name, tc.folder)); got != tc.want {
			t.Errorf("%s in %s: %s, want %s", tc.name, tc.folder, got, tc.want)
		}
	}
	entry := r.ok(user1, body("OWA.UserOptions", "root")).Find("UserConfiguration", "Dictionary", "DictionaryEntry")
	if entry.Value("DictionaryKey", "Value") != "timezone" || entry.Value("DictionaryValue", "Value") != "Tokyo Standard Time" {
		t.Errorf("the options: %v", entry)
	}
}
