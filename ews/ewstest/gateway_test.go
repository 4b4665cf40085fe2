package ewstest

import (
	"encoding/base64"
	"strings"
	"testing"
	"time"
)

// What mail gateways do: iCalendar in and out, MAPI properties by tag, folders
// of their own.

const invitation = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nBEGIN:VTIMEZONE\r\nTZID:W. Europe Standard Time\r\nBEGIN:STANDARD\r\nDTSTART:16010101T000000\r\nEND:STANDARD\r\nEND:VTIMEZONE\r\n" +
	"BEGIN:VEVENT\r\nUID:abc-123\r\nSUMMARY;LANGUAGE=de:Planung\\, morgen\r\nDESCRIPTION:line one\\nline\r\n  two\r\nLOCATION:Raum 1\r\nDTSTART;TZID=\"W. Europe Standard Time\":20261125T100000\r\n" +
	"DTEND;TZID=\"W. Europe Standard Time\":20261125T110000\r\nORGANIZER:MAILTO:user0001@example.com\r\nATTENDEE;PARTSTAT=NEEDS-ACTION;CN=\"Two: 2\":mailto:user0002@example.com\r\n" +
	"ATTENDEE;ROLE=OPT-PARTICIPANT:MAILTO:x@else.example\r\nRRULE:FREQ=WEEKLY;BYDAY=WE;COUNT=3\r\nEXDATE;TZID=\"W. Europe Standard Time\":20261202T100000\r\nCLASS:PRIVATE\r\nTRANSP:TRANSPARENT\r\n" +
	"BEGIN:VALARM\r\nDESCRIPTION:not this\r\nEND:VALARM\r\nEND:VEVENT\r\nBEGIN:VEVENT\r\nSUMMARY:nor this\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"

func mimeContent(ics string) string {
	return `<t:MimeContent>` + base64.StdEncoding.EncodeToString([]byte(ics)) + `</t:MimeContent>`
}

func TestCreateFromICalendar(t *testing.T) {
	t.Parallel()
	r := newRig(t, Options{})
	r.create(user1, "SendToAllAndSaveCopy", mimeContent(invitation)+`<t:ReminderIsSet>false</t:ReminderIsSet>`)
	it := r.s.Calendar(user1)[0]
	if it.Subject != "Planung, morgen" || it.Body.Content != "line one\r\nline two" || it.Location != "Raum 1" || it.UID != "abc-123" || it.Sensitivity != "Private" || it.Busy != "Free" || it.Reminder != -1 {
		t.Errorf("%+v", it)
	}
	if !it.Start.Equal(time.Date(2026, 11, 25, 9, 0, 0, 0, time.UTC)) || it.Zone != "W. Europe Standard Time" || it.End.Sub(it.Start) != time.Hour {
		t.Errorf("%v to %v in %s", it.Start, it.End, it.Zone)
	}
	if len(it.Attendees) != 2 || it.Attendees[1].Kind != Optional || it.Attendees[0].Address != user2 {
		t.Errorf("attendees %+v", it.Attendees)
	}
	if n := len(r.s.View(user2, noon, noon.AddDate(0, 1, 0))); n != 2 {
		t.Errorf("the attendee sees %d occurrences, want two of three", n)
	}
	if r.s.Inbox(user2)[0].UID != "abc-123" {
		t.Error("the foreign UID is lost")
	}
}

func TestICalendarRules(t *testing.T) {
	t.Parallel()
	start := time.Date(2026, 11, 25, 10, 0, 0, 0, time.UTC) // a Wednesday
	for rule, want := range map[string]string{
		"FREQ=DAILY;INTERVAL=2":                      "2026-11-25 2026-11-27 2026-11-29",
		"FREQ=DAILY;BYDAY=MO,TU,WE,TH,FR":            "2026-11-25 2026-11-26 2026-11-27",
		"FREQ=WEEKLY":                                "2026-11-25 2026-12-02 2026-12-09",
		"FREQ=WEEKLY;WKST=MO;INTERVAL=2;BYDAY=SU,WE": "2026-11-25 2026-11-29 2026-12-09",
		"FREQ=MONTHLY":                               "2026-11-25 2026-12-25 2027-01-25",
		"FREQ=MONTHLY;BYDAY=-1FR":                    "2026-11-27 2026-12-25 2027-01-29",
		"FREQ=MONTHLY;BYDAY=MO;BYSETPOS=2":           "2026-12-14 2027-01-11 2027-02-08",
		"FREQ=YEARLY":                                "2026-11-25 2027-11-25 2028-11-25",
		"FREQ=YEARLY;BYMONTH=3;BYDAY=1SU":            "2027-03-07 2028-03-05 2029-03-04",
		"FREQ=DAILY;UNTIL=20261126T100000Z":          "2026-11-25 2026-11-26",
		"FREQ=DAILY;COUNT=1":                         "2026-11-25",
	} {
		r, err := parseRule(rule, start)
		if err != nil {
			t.Errorf("%s: %v", rule, err)
			continue
		}
		if got := strings.Join(r.list(3), " "); got != want {
			t.Errorf("%s: %s, want %s", rule, got, want)
		}
	}
	for _, rule := range []string{"", "FREQ=HOURLY", "FREQ=WEEKLY;BYDAY=XX", "FREQ=DAILY;COUNT=x", "FREQ=DAILY;UNTIL=soon", "FREQ=MONTHLY;BYDAY=7MO", "FREQ=WEEKLY;BYDAY=xxMO", "FREQ=DAILY;INTERVAL=9999"} {
		if r, err := parseRule(rule, start); err == nil {
			t.Errorf("%q reads %+v", rule, r)
		}
	}
}

func TestICalendarThatIsNotGood(t *testing.T) {
	t.Parallel()
	r := newRig(t, Options{})
	event := func(lines string) string {
		return createMeeting("SendToNone", mimeContent("BEGIN:VEVENT\r\n"+lines+"\r\nEND:VEVENT\r\n"))
	}
	for body, want := range map[string]string{
		createMeeting("SendToNone", `<t:MimeContent>!</t:MimeContent>`):   "ErrorMimeContentInvalidBase64String",
		createMeeting("SendToNone", mimeContent("hello")):                 "ErrorMimeContentInvalid",
		event("DTSTART:yesterday"):                                        "ErrorMimeContentInvalid",
		event("DTSTART:20261125T100000Z\r\nDURATION:P9Y"):                 "ErrorMimeContentInvalid",
		event("DTSTART:20261125T100000Z\r\nRRULE:FREQ=SECONDLY"):          "ErrorMimeContentInvalid",
		event("DTSTART:20261125T100000Z\r\nDURATION:P1DT2H30M"):           "NoError",
		event("DTSTART;VALUE=DATE:20261125\r\nDTEND;VALUE=DATE:20261126"): "NoError",
	} {
		if got := r.code(user1, body); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
	var got []string
	for _, it := range r.s.Calendar(user1) {
		got = append(got, it.End.Sub(it.Start).String())
		if it.AllDay != (it.End.Sub(it.Start) == 24*time.Hour) {
			t.Errorf("all day: %v", it.AllDay)
		}
	}
	if s := strings.Join(got, " "); s != "26h30m0s 24h0m0s" && s != "24h0m0s 26h30m0s" {
		t.Errorf("lengths %s", s)
	}
}

func TestPropertiesByTag(t *testing.T) {
	t.Parallel()
	r := newRig(t, Options{})
	id := r.create(user1, "SendToNone", planning+tomorrow)
	set := func(path, value string) string {
		return `<t:SetItemField><t:ExtendedFieldURI ` + path + `/><t:Item><t:ExtendedProperty><t:ExtendedFieldURI ` + path + `/><t:Value>` + value + `</t:Value></t:ExtendedProperty></t:Item></t:SetItemField>`
	}
	r.ok(user1, updateItem(id, "AlwaysOverwrite", "SendToNone",
		set(`PropertyTag="0x37" PropertyType="String"`, "by tag"), set(`PropertyTag="0x17" PropertyType="Integer"`, "2"), set(`PropertyTag="0x36" PropertyType="Integer"`, "2"),
		set(`DistinguishedPropertySetId="Appointment" PropertyId="33288" PropertyType="String"`, "there"), set(`DistinguishedPropertySetId="Appointment" PropertyId="33285" PropertyType="Integer"`, "3"),
		set(`DistinguishedPropertySetId="Common" PropertyId="34051" PropertyType="Boolean"`, "true"), set(`DistinguishedPropertySetId="Common" PropertyId="34049" PropertyType="Integer"`, "5"),
		set(`PropertyTag="0x1000" PropertyType="String"`, "text")))
	it := r.s.Calendar(user1)[0]
	if it.Subject != "by tag" || it.Importance != "High" || it.Sensitivity != "Private" || it.Location != "there" || it.Busy != "OOF" || it.Reminder != 5 || it.Body != (Body{Type: "Text", Content: "text"}) || len(it.Extended) != 0 {
		t.Errorf("%+v", it)
	}
	r.ok(user1, updateItem(id, "AlwaysOverwrite", "SendToNone", `<t:DeleteItemField><t:ExtendedFieldURI PropertyTag="0x1000" PropertyType="String"/></t:DeleteItemField>`,
		set(`DistinguishedPropertySetId="Common" PropertyId="34051" PropertyType="Boolean"`, "false")))
	if it := r.s.Calendar(user1)[0]; it.Body.Content != "" || it.Reminder != -1 {
		t.Errorf("deleted: %+v", it)
	}
	// And every one of them can be read, with what else the server works out.
	paths := []string{}
	for _, p := range []string{
		`PropertyTag="0x37" PropertyType="String"`, `PropertyTag="0x1a" PropertyType="String"`, `PropertyTag="0xe08" PropertyType="Integer"`, `PropertyTag="0xe23" PropertyType="Integer"`,
		`PropertyTag="0x3007" PropertyType="SystemTime"`, `PropertyTag="0x3008" PropertyType="SystemTime"`, `PropertyTag="0xfff" PropertyType="Binary"`,
		`DistinguishedPropertySetId="Appointment" PropertyId="33281" PropertyType="Integer"`, `DistinguishedPropertySetId="Appointment" PropertyId="33285" PropertyType="Integer"`,
		`DistinguishedPropertySetId="Appointment" PropertyId="33288" PropertyType="String"`, `DistinguishedPropertySetId="Appointment" PropertyId="33293" PropertyType="SystemTime"`,
		`DistinguishedPropertySetId="Appointment" PropertyId="33294" PropertyType="SystemTime"`, `DistinguishedPropertySetId="Appointment" PropertyId="33301" PropertyType="Boolean"`,
		`DistinguishedPropertySetId="Appointment" PropertyId="33303" PropertyType="Integer"`, `DistinguishedPropertySetId="Appointment" PropertyId="33315" PropertyType="Boolean"`,
		`DistinguishedPropertySetId="Appointment" PropertyId="33321" PropertyType="Boolean"`, `DistinguishedPropertySetId="PublicStrings" PropertyName="urn:schemas:calendar:instancetype" PropertyType="Integer"`,
	} {
		paths = append(paths, `<t:ExtendedFieldURI `+p+`/>`)
	}
	n := 0
	for range r.get(user1, id.Attr("Id"), paths...).All("ExtendedProperty") {
		n++
	}
	if n != len(paths) {
		t.Errorf("%d of %d properties can be read", n, len(paths))
	}
}

func TestTimesWithoutAnOffsetAreInTheStartsZone(t *testing.T) {
	t.Parallel()
	r := newRig(t, Options{})
	id := r.create(user1, "SendToNone", `<t:Start>2026-11-25T10:00:00</t:Start><t:End>2026-11-25T11:00:00</t:End><t:StartTimeZone Id="Tokyo Standard Time"/>`)
	if it := r.s.Calendar(user1)[0]; !it.Start.Equal(time.Date(2026, 11, 25, 1, 0, 0, 0, time.UTC)) {
		t.Errorf("created at %v", it.Start)
	}
	r.ok(user1, updateItem(id, "AlwaysOverwrite", "SendToNone", setField("calendar:Start", `<t:Start>2026-11-25T10:00:00</t:Start>`), setField("calendar:End", `<t:End>2026-11-25T11:00:00</t:End>`),
		setField("calendar:StartTimeZone", `<t:StartTimeZone Id="W. Europe Standard Time"/>`)))
	if it := r.s.Calendar(user1)[0]; !it.Start.Equal(time.Date(2026, 11, 25, 9, 0, 0, 0, time.UTC)) || it.Zone != "W. Europe Standard Time" {
		t.Errorf("updated to %v in %s", it.Start, it.Zone)
	}
}

func TestFoldersCanBeMade(t *testing.T) {
	t.Parallel()
	r := newRig(t, Options{})
	create := func(parent, folder string) string {
		return `<m:CreateFolder><m:ParentFolderId><t:DistinguishedFolderId Id="` + parent + `"/></m:ParentFolderId><m:Folders>` + folder + `</m:Folders></m:CreateFolder>`
	}
	m := r.ok(user1, create("msgfolderroot", `<t:CalendarFolder><t:DisplayName>Team</t:DisplayName></t:CalendarFolder>`))
	id := m.Find("Folders", "CalendarFolder", "FolderId").Attr("Id")
	for body, want := range map[string]string{
		create("msgfolderroot", `<t:Folder><t:DisplayName>team</t:DisplayName></t:Folder>`): "ErrorFolderExists",
		create("calendar", `<t:Folder><t:DisplayName>Team</t:DisplayName></t:Folder>`):      "NoError",
		create("calendar", `<t:Folder/>`):                                                   "ErrorFolderSavePropertyError",
		create("archiveroot", `<t:Folder/>`):                                                "ErrorFolderNotFound",
		create("calendar", ""):                                                              "ErrorSchemaValidation",
	} {
		if got := r.code(user1, body); got != want {
			t.Errorf("%.300s: %s, want %s", body, got, want)
		}
	}
	saved := strings.Replace(createMeeting("SendToNone", planning+tomorrow), `<t:DistinguishedFolderId Id="calendar"/>`, `<t:FolderId Id="`+id+`"/>`, 1)
	r.ok(user1, saved)
	if len(r.s.Items(user1, "Team")) != 1 {
		t.Error("nothing is in the new folder")
	}
	drop := func(kind, folder string) string {
		return `<m:DeleteFolder DeleteType="` + kind + `"><m:FolderIds>` + folder + `</m:FolderIds></m:DeleteFolder>`
	}
	for body, want := range map[string]string{
		drop("HardDelete", `<t:DistinguishedFolderId Id="calendar"/>`): "ErrorDeleteDistinguishedFolder",
		drop("Burn", ""): "ErrorSchemaValidation", drop("HardDelete", ""): "ErrorSchemaValidation",
	} {
		if got := r.code(user1, body); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
	r.ok(user1, drop("HardDelete", `<t:FolderId Id="`+id+`"/>`))
	if got := r.code(user1, saved); got != "ErrorFolderNotFound" {
		t.Errorf("after it was deleted: %s", got)
	}
}
