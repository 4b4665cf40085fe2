package ewstest

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

func restriction(op, uri, value string) string {
	return `<t:` + op + `><t:FieldURI FieldURI="` + uri + `"/><t:FieldURIOrConstant><t:Constant Value="` + value + `"/></t:FieldURIOrConstant></t:` + op + `>`
}

func find(folder, view, where, order string) string {
	if where != "" {
		where = "<m:Restriction>" + where + "</m:Restriction>"
	}
	if order != "" {
		order = "<m:SortOrder>" + order + "</m:SortOrder>"
	}
	return `<m:FindItem Traversal="Shallow"><m:ItemShape>` + shapeOf("IdOnly", "item:Subject") + `</m:ItemShape>` + view + where + order +
		`<m:ParentFolderIds><t:DistinguishedFolderId Id="` + folder + `"/></m:ParentFolderIds></m:FindItem>`
}

func (r *rig) found(mailbox, body string) string {
	r.t.Helper()
	var out []string
	for _, it := range r.ok(mailbox, body).Find("RootFolder", "Items").Children {
		out = append(out, it.Value("Subject"))
	}
	return strings.Join(out, " ")
}

func TestSearch(t *testing.T) {
	t.Parallel()
	r := newRig(t, Options{})
	for i, name := range []string{"apple", "pear", "plum", "Plumcake"} {
		start := noon.AddDate(0, 0, i)
		it := Item{Subject: name, UID: "uid-" + name, Start: start, End: start.Add(time.Hour), Location: "L" + fmt.Sprint(i)}
		it.Extended = []Property{{Set: "PublicStrings", Name: "Fruit", Type: "String", Value: name}}
		if _, err := r.s.Add(user1, it); err != nil {
			t.Fatal(err)
		}
	}
	contains := `<t:Contains ContainmentMode="Substring" ContainmentComparison="IgnoreCase"><t:FieldURI FieldURI="item:Subject"/><t:Constant Value="PLUM"/></t:Contains>`
	extended := `<t:IsEqualTo><t:ExtendedFieldURI DistinguishedPropertySetId="PublicStrings" PropertyName="Fruit" PropertyType="String"/><t:FieldURIOrConstant><t:Constant Value="pear"/></t:FieldURIOrConstant></t:IsEqualTo>`
	up := func(uri string) string {
		return `<t:FieldOrder Order="Ascending"><t:FieldURI FieldURI="` + uri + `"/></t:FieldOrder>`
	}
	for _, tc := range []struct{ where, order, want string }{
		{restriction("IsEqualTo", "item:Subject", "pear"), "", "pear"},
		{restriction("IsEqualTo", "calendar:UID", "uid-plum"), "", "plum"},
		{restriction("IsNotEqualTo", "item:Subject", "pear"), up("item:Subject"), "Plumcake apple plum"},
		{contains, up("calendar:Start"), "plum Plumcake"},
		{extended, "", "pear"},
		{"<t:And>" + contains + restriction("IsGreaterThan", "calendar:Start", "2026-11-25T12:00:00Z") + "</t:And>", "", "Plumcake"},
		{"<t:Or>" + extended + restriction("IsLessThanOrEqualTo", "calendar:End", "2026-11-23T13:00:00+00:00") + "</t:Or>", up("calendar:End"), "apple pear"},
		{"<t:Not>" + contains + "</t:Not>", up("item:Subject"), "apple pear"},
		{`<t:Exists><t:FieldURI FieldURI="item:Categories"/></t:Exists>`, "", ""},
		{restriction("IsGreaterThanOrEqualTo", "item:DateTimeCreated", "2026-11-23T12:00:00Z"), up("item:Subject"), "Plumcake apple pear plum"},
		{restriction("IsLessThan", "item:Size", "10"), "", ""},
		{"", `<t:FieldOrder Order="Descending"><t:FieldURI FieldURI="calendar:Start"/></t:FieldOrder>`, "Plumcake plum pear apple"},
	} {
		if got := r.found(user1, find("calendar", "", tc.where, tc.order)); got != tc.want {
			t.Errorf("%s %s:\n got %s\nwant %s", tc.where, tc.order, got, tc.want)
		}
	}
	nested := strings.Repeat("<t:Not>", 50) + contains + strings.Repeat("</t:Not>", 50)
	for body, want := range map[string]string{
		find("calendar", "", nested, ""):                                              "ErrorRestrictionTooLong",
		find("calendar", "", "<t:Near/>", ""):                                         "ErrorUnsupportedTypeForConversion",
		find("calendar", "", "", up("calendar:IsOrganizer")):                          "ErrorUnsupportedPathForSortGroup",
		find("calendar", "", "<t:And/>", ""):                                          "ErrorSchemaValidation",
		strings.Replace(find("calendar", "", "", ""), "item:Subject", "item:Body", 1): "ErrorInvalidPropertyRequest",
		strings.Replace(find("calendar", "", "", ""), "Shallow", "Wide", 1):           "ErrorSchemaValidation",
		find("Calendar", "", "", ""):                                                  "ErrorSchemaValidation",
	} {
		if got := r.code(user1, body); got != want {
			t.Errorf("%.120s: %s, want %s", body, got, want)
		}
	}
}

func TestPages(t *testing.T) {
	t.Parallel()
	r := newRig(t, Options{})
	for i := range 5 {
		if _, err := r.s.Add(user1, Item{Class: ClassNote, Subject: fmt.Sprint(i), Received: noon.Add(time.Duration(i) * time.Minute)}); err != nil {
			t.Fatal(err)
		}
	}
	for _, tc := range []struct{ view, want, attrs string }{
		{`<m:IndexedPageItemView MaxEntriesReturned="2" Offset="0" BasePoint="Beginning"/>`, "4 3", "2 5 false"},
		{`<m:IndexedPageItemView MaxEntriesReturned="2" Offset="4" BasePoint="Beginning"/>`, "0", "5 5 true"},
		{`<m:IndexedPageItemView MaxEntriesReturned="9" Offset="2" BasePoint="End"/>`, "1 0", "5 5 true"},
		{`<m:IndexedPageItemView Offset="99" BasePoint="Beginning"/>`, "", "5 5 true"},
	} {
		m := r.ok(user1, find("inbox", tc.view, "", ""))
		root := m.Child("RootFolder")
		var got []string
		for _, it := range root.Child("Items").Children {
			got = append(got, it.Value("Subject"))
		}
		if strings.Join(got, " ") != tc.want {
			t.Errorf("%s: %v", tc.view, got)
		}
		if attrs := root.Attr("IndexedPagingOffset") + " " + root.Attr("TotalItemsInView") + " " + root.Attr("IncludesLastItemInRange"); attrs != tc.attrs {
			t.Errorf("%s: %s, want %s", tc.view, attrs, tc.attrs)
		}
	}
}

func TestCalendarViewBounds(t *testing.T) {
	t.Parallel()
	r := newRig(t, Options{})
	add := func(subject, start, end string) {
		s, _ := time.Parse(time.RFC3339, start)
		e, _ := time.Parse(time.RFC3339, end)
		if _, err := r.s.Add(user1, Item{Subject: subject, Start: s, End: e}); err != nil {
			t.Fatal(err)
		}
	}
	add("before", "2026-11-24T08:00:00Z", "2026-11-24T09:00:00Z")
	add("into", "2026-11-24T08:30:00Z", "2026-11-24T09:30:00Z")
	add("moment", "2026-11-24T09:00:00Z", "2026-11-24T09:00:00Z")
	add("at-end", "2026-11-24T10:00:00Z", "2026-11-24T11:00:00Z")
	add("around", "2026-11-24T07:00:00Z", "2026-11-24T12:00:00Z")
	if got := r.found(user1, calendarView("2026-11-24T09:00:00Z", "2026-11-24T10:00:00Z", "item:Subject")); got != "around into moment" {
		t.Errorf("the window shows %s", got)
	}
	for body, want := range map[string]string{
		calendarView("2026-01-01T00:00:00Z", "2028-01-04T00:00:00Z"): "ErrorCalendarViewRangeTooBig",
		calendarView("2026-01-01T00:00:00Z", "2027-12-31T00:00:00Z"): "NoError",
		calendarView("2026-01-02T00:00:00Z", "2026-01-01T00:00:00Z"): "ErrorCalendarEndDateIsEarlierThanStartDate",
		calendarView("soon", "2026-01-01T00:00:00Z"):                 "ErrorSchemaValidation",
		strings.Replace(calendarView("2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"), "<m:ParentFolderIds>", "<m:Restriction>"+restriction("IsEqualTo", "item:Subject", "x")+"</m:Restriction><m:ParentFolderIds>", 1): "ErrorUnsupportedPathForQuery",
	} {
		if got := r.code(user1, body); got != want {
			t.Errorf("%.200s: %s, want %s", body, got, want)
		}
	}
}

func TestCalendarViewLimits(t *testing.T) {
	t.Parallel()
	r := newRig(t, Options{})
	series := Item{Subject: "daily", Start: noon, End: noon.Add(time.Hour), Recurrence: &Recurrence{Pattern: Daily, Start: DateOf(noon)}}
	for range 3 {
		if _, err := r.s.Add(user1, series); err != nil {
			t.Fatal(err)
		}
	}
	year := calendarView("2026-11-23T00:00:00Z", "2027-11-23T00:00:00Z")
	m := r.one(user1, year)
	if m.Value("ResponseCode") != "ErrorExceededFindCountLimit" || m.Child("MessageXml") == nil {
		t.Errorf("%s for 1095 items", m.Value("ResponseCode"))
	}
	m = r.ok(user1, strings.Replace(year, "<m:CalendarView ", `<m:CalendarView MaxEntriesReturned="10" `, 1))
	root := m.Child("RootFolder")
	if root.Attr("TotalItemsInView") != "1095" || root.Attr("IncludesLastItemInRange") != "false" || len(root.Child("Items").Children) != 10 {
		t.Errorf("with a limit: %v", root.Attrs)
	}
}

func TestFindItemShortensStrings(t *testing.T) {
	t.Parallel()
	r := newRig(t, Options{})
	long := strings.Repeat("é", 300)
	it, err := r.s.Add(user1, Item{Subject: long, Location: long, Start: noon, End: noon.Add(time.Hour), Attendees: []Attendee{{Person: Person{"U", user2}, Kind: Required}},
		Extended: []Property{{Set: "PublicStrings", Name: "URL", Type: "String", Value: long}}, Body: Body{Type: "Text", Content: "b"}})
	if err != nil {
		t.Fatal(err)
	}
	fields := []string{"item:Subject", "calendar:Location", "calendar:RequiredAttendees", "calendar:Recurrence", `<t:ExtendedFieldURI DistinguishedPropertySetId="PublicStrings" PropertyName="URL" PropertyType="String"/>`}
	m := r.ok(user1, calendarView("2026-11-23T00:00:00Z", "2026-11-24T00:00:00Z", fields...))
	got, _ := itemOf(m)
	for _, path := range [][]string{{"Subject"}, {"Location"}, {"ExtendedProperty", "Value"}} {
		if n := len([]rune(got.Value(path...))); n != 255 {
			t.Errorf("FindItem gives %d characters of %v", n, path)
		}
	}
	if got.Child("RequiredAttendees") != nil {
		t.Error("FindItem gives attendees")
	}
	whole := r.get(user1, it.ID, fields...)
	if whole.Value("Location") != long || whole.Child("RequiredAttendees") == nil {
		t.Error("GetItem does not give the whole")
	}
}

func TestFolders(t *testing.T) {
	t.Parallel()
	r := newRig(t, Options{EventsPerUser: 4})
	m := r.ok(user1, `<m:GetFolder><m:FolderShape>`+shapeOf("AllProperties", `<t:ExtendedFieldURI PropertyTag="0x670a" PropertyType="SystemTime"/>`, `<t:ExtendedFieldURI PropertyTag="0x670b" PropertyType="Integer"/>`)+
		`</m:FolderShape><m:FolderIds><t:DistinguishedFolderId Id="calendar"/></m:FolderIds></m:GetFolder>`)
	f := m.Find("Folders", "CalendarFolder")
	if f.Value("FolderClass") != "IPF.Appointment" || f.Value("TotalCount") != "4" || f.Value("EffectiveRights", "Modify") != "true" {
		t.Errorf("the calendar: %v", f)
	}
	props := slices.Collect(f.All("ExtendedProperty"))
	if len(props) != 2 || props[1].Value("Value") != "0" {
		t.Errorf("its commit time and deletions: %v", props)
	}
	id := f.Child("FolderId").Attr("Id")
	if got := r.code(user1, `<m:GetFolder><m:FolderShape>`+shapeOf("IdOnly")+`</m:FolderShape><m:FolderIds><t:FolderId Id="`+id+`"/></m:FolderIds></m:GetFolder>`); got != "NoError" {
		t.Errorf("by its id: %s", got)
	}
	if got := r.code(user2, `<m:GetFolder><m:FolderShape>`+shapeOf("IdOnly")+`</m:FolderShape><m:FolderIds><t:FolderId Id="`+id+`"/></m:FolderIds></m:GetFolder>`); got != "ErrorFolderNotFound" {
		t.Errorf("by its id, for another: %s", got)
	}
	m = r.ok(user1, `<m:FindFolder Traversal="Deep"><m:FolderShape>`+shapeOf("Default")+`</m:FolderShape><m:IndexedPageFolderView MaxEntriesReturned="2" Offset="0" BasePoint="Beginning"/><m:Restriction>`+
		restriction("IsEqualTo", "folder:FolderClass", "IPF.Appointment")+`</m:Restriction><m:ParentFolderIds><t:DistinguishedFolderId Id="root"/></m:ParentFolderIds></m:FindFolder>`)
	if fs := m.Find("RootFolder", "Folders"); len(fs.Children) != 1 || fs.Children[0].Value("DisplayName") != "Calendar" {
		t.Errorf("calendars: %v", fs)
	}
	m = r.ok(user1, `<m:FindFolder Traversal="Shallow"><m:FolderShape>`+shapeOf("IdOnly")+`</m:FolderShape><m:ParentFolderIds><t:DistinguishedFolderId Id="msgfolderroot"/></m:ParentFolderIds></m:FindFolder>`)
	if n := m.Child("RootFolder").Attr("TotalItemsInView"); n != "11" {
		t.Errorf("%s folders below the top", n)
	}
}

func TestMoveItem(t *testing.T) {
	t.Parallel()
	r := newRig(t, Options{})
	id := r.create(user1, "SendToNone", planning+tomorrow).Attr("Id")
	move := func(id string) string {
		return `<m:MoveItem><m:ToFolderId><t:DistinguishedFolderId Id="deleteditems"/></m:ToFolderId><m:ItemIds><t:ItemId Id="` + id + `"/></m:ItemIds></m:MoveItem>`
	}
	_, fresh := itemOf(r.ok(user1, move(id)))
	if fresh.Attr("Id") == id || len(r.s.Calendar(user1)) != 0 || r.s.DeletedItems(user1)[0].ID != fresh.Attr("Id") {
		t.Errorf("moved to %v", fresh)
	}
	for bad, want := range map[string]string{id: "ErrorItemNotFound", "x": "ErrorInvalidIdMalformed"} {
		if got := r.code(user1, move(bad)); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
	other := r.create(user2, "SendToNone", planning+tomorrow).Attr("Id")
	if got := r.code(user1, move(other)); got != "ErrorAccessDenied" {
		t.Errorf("somebody else's: %s", got)
	}
}

func TestDeleteItem(t *testing.T) {
	t.Parallel()
	r := newRig(t, Options{})
	id := r.create(user1, "SendToNone", planning+tomorrow).Attr("Id")
	del := func(kind, mode string) string {
		return `<m:DeleteItem DeleteType="` + kind + `"` + mode + `><m:ItemIds><t:ItemId Id="` + id + `"/></m:ItemIds></m:DeleteItem>`
	}
	for body, want := range map[string]string{del("Gone", ""): "ErrorSchemaValidation", del("HardDelete", ""): "ErrorSendMeetingCancellationsRequired", del("HardDelete", ` SendMeetingCancellations="x"`): "ErrorSchemaValidation"} {
		if got := r.code(user1, body); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
	r.ok(user1, del("HardDelete", ` SendMeetingCancellations="SendToNone"`))
	if len(r.s.Calendar(user1))+len(r.s.DeletedItems(user1)) != 0 {
		t.Error("it is still somewhere")
	}
}
