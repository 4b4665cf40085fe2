package ewstest

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

const weekly = `<t:Recurrence><t:WeeklyRecurrence><t:Interval>1</t:Interval><t:DaysOfWeek>Tuesday</t:DaysOfWeek></t:WeeklyRecurrence>` +
	`<t:NumberedRecurrence><t:StartDate>2026-11-24</t:StartDate><t:NumberOfOccurrences>5</t:NumberOfOccurrences></t:NumberedRecurrence></t:Recurrence>`

// view returns the subjects and starts that a mailbox's calendar shows.
func (r *rig) view(mailbox string) string {
	r.t.Helper()
	m := r.ok(mailbox, calendarView("2026-11-23T00:00:00Z", "2027-02-01T00:00:00Z", "item:Subject", "calendar:Start", "calendar:CalendarItemType"))
	var out []string
	for _, it := range m.Find("RootFolder", "Items").Children {
		out = append(out, fmt.Sprintf("%s %s %.1s", it.Value("Subject"), it.Value("Start")[5:16], it.Value("CalendarItemType")))
	}
	return strings.Join(out, ", ")
}

func occurrenceID(master string, n int) string {
	return fmt.Sprintf(`<t:OccurrenceItemId RecurringMasterId="%s" InstanceIndex="%d"/>`, master, n)
}

func TestSeriesInBothCalendars(t *testing.T) {
	t.Parallel()
	r := newRig(t, Options{})
	id := r.create(user1, "SendOnlyToAll", `<t:Subject>S</t:Subject>`+tomorrow+attendees("RequiredAttendees", user2)+weekly).Attr("Id")
	want := "S 11-24T10:00 O, S 12-01T10:00 O, S 12-08T10:00 O, S 12-15T10:00 O, S 12-22T10:00 O"
	for _, box := range []string{user1, user2} {
		if got := r.view(box); got != want {
			t.Errorf("%s sees %s", box, got)
		}
	}
	r.ok(user1, updateOf(occurrenceID(id, 2), "AlwaysOverwrite", "SendOnlyToAll", setField("item:Subject", `<t:Subject>X</t:Subject>`),
		setField("calendar:Start", `<t:Start>2026-12-02T15:00:00Z</t:Start>`), setField("calendar:End", `<t:End>2026-12-02T16:00:00Z</t:End>`)))
	r.ok(user1, `<m:DeleteItem DeleteType="HardDelete" SendMeetingCancellations="SendOnlyToAll"><m:ItemIds>`+occurrenceID(id, 3)+`</m:ItemIds></m:DeleteItem>`)
	if got := r.view(user1); got != "S 11-24T10:00 O, X 12-02T15:00 E, S 12-15T10:00 O, S 12-22T10:00 O" {
		t.Errorf("organizer sees %s", got)
	}
	if got := r.view(user2); got != "S 11-24T10:00 O, X 12-02T15:00 E, Canceled: S 12-08T10:00 E, S 12-15T10:00 O, S 12-22T10:00 O" {
		t.Errorf("attendee sees %s", got)
	}
	if in := r.s.Inbox(user2); len(in) != 3 || !in[1].Original.Equal(time.Date(2026, 12, 1, 10, 0, 0, 0, time.UTC)) || in[2].Class != ClassCancellation {
		t.Errorf("attendee's Inbox: %+v", in)
	}
	for n, code := range map[int]string{0: "ErrorCalendarOccurrenceIndexIsOutOfRecurrenceRange", 3: "ErrorCalendarOccurrenceIsDeletedFromRecurrence", 4: "NoError", 6: "ErrorCalendarOccurrenceIndexIsOutOfRecurrenceRange"} {
		if got := r.code(user1, `<m:GetItem><m:ItemShape>`+shapeOf("Default")+`</m:ItemShape><m:ItemIds>`+occurrenceID(id, n)+`</m:ItemIds></m:GetItem>`); got != code {
			t.Errorf("occurrence %d: %s, want %s", n, got, code)
		}
	}
}

func TestMasterTellsItsOccurrences(t *testing.T) {
	t.Parallel()
	r := newRig(t, Options{})
	id := r.create(user1, "SendToNone", `<t:Subject>S</t:Subject>`+tomorrow+weekly).Attr("Id")
	m := r.ok(user1, updateOf(occurrenceID(id, 4), "AlwaysOverwrite", "SendToNone", setField("item:Body", `<t:Body BodyType="Text">own</t:Body>`)))
	_, changed := itemOf(m)
	r.ok(user1, `<m:DeleteItem DeleteType="HardDelete" SendMeetingCancellations="SendToNone"><m:ItemIds>`+occurrenceID(id, 1)+`</m:ItemIds></m:DeleteItem>`)
	it := r.get(user1, id, "calendar:Recurrence", "calendar:FirstOccurrence", "calendar:LastOccurrence", "calendar:ModifiedOccurrences", "calendar:DeletedOccurrences", "calendar:CalendarItemType")
	for path, want := range map[string]string{
		"Recurrence/WeeklyRecurrence/DaysOfWeek":            "Tuesday",
		"Recurrence/NumberedRecurrence/NumberOfOccurrences": "5",
		"FirstOccurrence/Start":                             "2026-12-01T10:00:00Z",
		"LastOccurrence/OriginalStart":                      "2026-12-22T10:00:00Z",
		"ModifiedOccurrences/Occurrence/OriginalStart":      "2026-12-15T10:00:00Z",
		"DeletedOccurrences/DeletedOccurrence/Start":        "2026-11-24T10:00:00Z",
		"CalendarItemType":                                  "RecurringMaster",
	} {
		if got := it.Value(strings.Split(path, "/")...); got != want {
			t.Errorf("%s = %q, want %q", path, got, want)
		}
	}
	if got := it.Find("ModifiedOccurrences", "Occurrence", "ItemId").Attr("Id"); got != changed.Attr("Id") {
		t.Errorf("the exception is called %s there and %s in the update's answer", got, changed.Attr("Id"))
	}
	one := r.get(user1, changed.Attr("Id"), "item:Body", "calendar:CalendarItemType", "calendar:RecurrenceId", "calendar:UID", "calendar:IsRecurring", "item:ItemClass",
		`<t:ExtendedFieldURI DistinguishedPropertySetId="Meeting" PropertyId="3" PropertyType="Binary"/>`)
	if one.Value("Body") != "own" || one.Value("CalendarItemType") != "Exception" || one.Value("RecurrenceId") != "2026-12-15T10:00:00Z" || one.Value("ItemClass") != "IPM.Appointment.Occurrence" {
		t.Errorf("the exception: %v", one)
	}
	master := r.ok(user1, `<m:GetItem><m:ItemShape>`+shapeOf("Default", "calendar:CalendarItemType")+`</m:ItemShape><m:ItemIds><t:RecurringMasterItemId OccurrenceId="`+changed.Attr("Id")+`"/></m:ItemIds></m:GetItem>`)
	if got, mid := itemOf(master); mid.Attr("Id") != id || got.Value("CalendarItemType") != "RecurringMaster" {
		t.Errorf("its master: %v", got)
	}
	for body, want := range map[string]string{
		`<t:RecurringMasterItemId OccurrenceId="` + r.create(user1, "SendToNone", tomorrow).Attr("Id") + `"/>`: "ErrorCalendarCannotUseIdForRecurringMasterId",
		occurrenceID(changed.Attr("Id"), 1): "ErrorCalendarCannotUseIdForOccurrenceId",
	} {
		if got := r.code(user1, `<m:GetItem><m:ItemShape>`+shapeOf("IdOnly")+`</m:ItemShape><m:ItemIds>`+body+`</m:ItemIds></m:GetItem>`); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

func TestMasterChangesAndExceptions(t *testing.T) {
	t.Parallel()
	r := newRig(t, Options{})
	id := r.create(user1, "SendToNone", `<t:Subject>S</t:Subject>`+tomorrow+weekly).Attr("Id")
	r.ok(user1, updateOf(occurrenceID(id, 2), "AlwaysOverwrite", "SendToNone", setField("item:Body", `<t:Body BodyType="Text">own</t:Body>`)))
	master := `<t:ItemId Id="` + id + `"/>`
	r.ok(user1, updateOf(master, "AlwaysOverwrite", "SendToNone", setField("item:Subject", `<t:Subject>New</t:Subject>`), setField("item:Body", `<t:Body BodyType="Text">all</t:Body>`)))
	m := r.ok(user1, `<m:GetItem><m:ItemShape>`+shapeOf("IdOnly", "item:Subject", "item:Body")+`</m:ItemShape><m:ItemIds>`+occurrenceID(id, 2)+`</m:ItemIds></m:GetItem>`)
	if x, _ := itemOf(m); x.Value("Body") != "own" || x.Value("Subject") != "New" {
		t.Errorf("the exception has subject %q and body %q; it keeps its own body and follows in the rest", x.Value("Subject"), x.Value("Body"))
	}
	r.ok(user1, updateOf(master, "AlwaysOverwrite", "SendToNone", setField("calendar:Start", `<t:Start>2026-11-24T12:00:00Z</t:Start>`), setField("calendar:End", `<t:End>2026-11-24T13:00:00Z</t:End>`)))
	if it := r.s.Calendar(user1)[0]; len(it.Exceptions) != 0 {
		t.Error("a new time of the series left its exceptions")
	}
	r.ok(user1, updateOf(master, "AlwaysOverwrite", "SendToNone", `<t:DeleteItemField><t:FieldURI FieldURI="calendar:Recurrence"/></t:DeleteItemField>`))
	if got := r.view(user1); got != "New 11-24T12:00 S" {
		t.Errorf("without a recurrence: %s", got)
	}
}

func TestOccurrencesKeepTheirOrder(t *testing.T) {
	t.Parallel()
	r := newRig(t, Options{})
	id := r.create(user1, "SendToNone", `<t:Subject>S</t:Subject>`+tomorrow+weekly).Attr("Id")
	for date, want := range map[string]string{"2026-12-08": "ErrorOccurrenceCrossingBoundary", "2026-11-24": "ErrorOccurrenceCrossingBoundary", "2026-12-20": "ErrorOccurrenceCrossingBoundary", "2026-12-07": "NoError"} {
		got := r.code(user1, updateOf(occurrenceID(id, 2), "AlwaysOverwrite", "SendToNone", setField("calendar:Start", `<t:Start>`+date+`T10:00:00Z</t:Start>`),
			setField("calendar:End", `<t:End>`+date+`T11:00:00Z</t:End>`)))
		if got != want {
			t.Errorf("moved to %s: %s, want %s", date, got, want)
		}
	}
	if got := r.code(user1, `<m:MoveItem><m:ToFolderId><t:DistinguishedFolderId Id="deleteditems"/></m:ToFolderId><m:ItemIds>`+occurrenceID(id, 4)+`</m:ItemIds></m:MoveItem>`); got != "ErrorCalendarCannotMoveOrCopyOccurrence" {
		t.Errorf("moving an occurrence: %s", got)
	}
	if got := r.code(user1, updateOf(occurrenceID(id, 4), "AlwaysOverwrite", "SendToNone", setField("calendar:Recurrence", weekly))); got != "ErrorInvalidPropertySet" {
		t.Errorf("a recurrence for an occurrence: %s", got)
	}
}

func TestAnswerToOneOccurrence(t *testing.T) {
	t.Parallel()
	r := newRig(t, Options{})
	r.create(user1, "SendOnlyToAll", `<t:Subject>S</t:Subject>`+tomorrow+attendees("RequiredAttendees", user2)+weekly)
	m := r.ok(user2, calendarView("2026-12-01T00:00:00Z", "2026-12-10T00:00:00Z"))
	var ids []string
	for _, it := range m.Find("RootFolder", "Items").Children {
		ids = append(ids, it.Child("ItemId").Attr("Id"))
	}
	for i, object := range []string{"AcceptItem", "DeclineItem"} {
		r.ok(user2, `<m:CreateItem MessageDisposition="SendOnly"><m:Items><t:`+object+`><t:ReferenceItemId Id="`+ids[i]+`"/></t:`+object+`></m:Items></m:CreateItem>`)
	}
	if got := r.view(user2); got != "S 11-24T10:00 O, S 12-01T10:00 E, S 12-15T10:00 O, S 12-22T10:00 O" {
		t.Errorf("attendee sees %s", got)
	}
	org := r.s.Calendar(user1)[0]
	var answers []string
	for _, x := range org.Exceptions {
		answers = append(answers, x.Item.Attendees[0].Response)
	}
	if strings.Join(answers, " ") != "Accept Decline" || org.Attendees[0].Response != "" {
		t.Errorf("the organizer knows %v, and of the series %q", answers, org.Attendees[0].Response)
	}
}

func TestInvitedToOneOccurrenceOnly(t *testing.T) {
	t.Parallel()
	r := newRig(t, Options{})
	id := r.create(user1, "SendToNone", `<t:Subject>S</t:Subject>`+tomorrow+weekly).Attr("Id")
	r.ok(user1, updateOf(occurrenceID(id, 2), "AlwaysOverwrite", "SendOnlyToAll", setField("calendar:RequiredAttendees", attendees("RequiredAttendees", user3))))
	if got := r.view(user3); got != "S 12-01T10:00 S" {
		t.Errorf("attendee sees %s", got)
	}
	c := r.s.Calendar(user3)[0]
	it := r.get(user3, c.ID, `<t:ExtendedFieldURI DistinguishedPropertySetId="Meeting" PropertyId="3" PropertyType="Binary"/>`,
		`<t:ExtendedFieldURI DistinguishedPropertySetId="Meeting" PropertyId="35" PropertyType="Binary"/>`)
	var goids []string
	for p := range it.All("ExtendedProperty") {
		goids = append(goids, p.Value("Value"))
	}
	if len(goids) != 2 || goids[0] == goids[1] {
		t.Errorf("the global object id does not hold the date: %v", goids)
	}
}
