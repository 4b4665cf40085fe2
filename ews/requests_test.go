package ews

import (
	"context"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/koyomi-cal/koyomi/ews/internal/wire"
)

// fullItem has a value for every property that can be written.
func fullItem() CalendarItem {
	day := utc("2026-11-23T00:00:00Z")
	return CalendarItem{
		ItemClass: "IPM.Appointment", Subject: "A & B < C\x00\x0b", Sensitivity: "Private", Body: &Body{Type: BodyHTML, Content: "<p>x</p>\r\n"},
		Categories: []string{"red", "blue"}, Importance: "High", ReminderIsSet: ptr(true), ReminderMinutes: ptr(15), Culture: "ja-JP",
		UID: "u-1", Start: day.Add(9 * time.Hour), End: day.Add(10 * time.Hour), IsAllDay: true, Status: Busy, Location: "@meet",
		IsResponseRequested: ptr(false), AllowNewTimeProposal: ptr(false),
		RequiredAttendees: []Attendee{{EmailAddress: EmailAddress{Name: "B", Address: "b@example.com", RoutingType: "SMTP"}}},
		OptionalAttendees: []Attendee{{EmailAddress: EmailAddress{Address: "c@example.com"}}},
		Resources:         []Attendee{{EmailAddress: EmailAddress{Address: "room@example.com"}}},
		Recurrence:        &Recurrence{Pattern: Weekly, Interval: 2, DaysOfWeek: []string{"Monday", "Friday"}, FirstDayOfWeek: "Sunday", StartDate: "2026-11-23", Count: 5},
		StartTimeZone:     "Tokyo Standard Time", EndTimeZone: "Tokyo Standard Time",
		Extended: []ExtendedProperty{
			{Field: PublicString("KoyomiJoin"), Value: "https://meet.example.com/x"},
			{Field: ExtendedField{Set: "11000e07-b51b-40d6-af21-caa85edab1d0", ID: 11, Type: "StringArray"}, Values: []string{"a", "b"}},
			{Field: ExtendedField{Tag: "0x1016", Type: "Integer"}, Value: "3"},
		},
	}
}

// everyRequest has one call for each shape of request that the client sends.
func everyRequest() map[string]func(context.Context, *Mailbox) {
	day := utc("2026-11-23T00:00:00Z")
	id := ItemID{ID: "AAMk=", ChangeKey: "EAAA"}
	full := fullItem()
	recurring := func(r Recurrence) CalendarItem {
		r.StartDate = "2026-11-23"
		return CalendarItem{Subject: "s", Start: day, End: day.Add(time.Hour), Recurrence: &r}
	}
	return map[string]func(context.Context, *Mailbox){
		"convertid": func(ctx context.Context, m *Mailbox) {
			m.ConvertId(ctx, HexEntryID, AlternateID{EwsID, "AAMk=", "user@example.com"}, AlternateID{OwaID, "x", "user@example.com"})
		},
		"convertid_probe": func(ctx context.Context, m *Mailbox) { m.Probe(ctx) },
		"getfolder": func(ctx context.Context, m *Mailbox) {
			m.GetFolder(ctx, FolderFields(), FolderRef{}, FolderRef{Distinguished: "deleteditems", Owner: "other@example.com"}, FolderRef{ID: FolderID{ID: "F", ChangeKey: "K"}})
		},
		"getfolder_ids": func(ctx context.Context, m *Mailbox) { m.GetFolder(ctx, nil) },
		"finditem_view": func(ctx context.Context, m *Mailbox) {
			m.FindItem(ctx, FindItemRequest{Shape: ViewShape(PublicString("KoyomiJoin")), Start: day, End: day.AddDate(0, 0, 28), Folder: FolderRef{Owner: "user@example.com"}})
		},
		"finditem_equal": func(ctx context.Context, m *Mailbox) {
			m.FindItem(ctx, FindItemRequest{Equal: &ExtendedProperty{Field: CleanGlobalObjectIDField(), Value: "BAAA"}, Max: 10, Offset: 5})
		},
		"getitem": func(ctx context.Context, m *Mailbox) {
			m.GetItem(ctx, CalendarShape(BodyBest, ConferenceFields()...), id.Ref(), id.OccurrenceAt(3), id.MasterOf())
		},
		"getitem_shape": func(ctx context.Context, m *Mailbox) {
			m.GetItem(ctx, Shape{Base: AllProperties, BodyType: BodyText, FilterHTML: true, BlockImages: true, MIME: true, MaximumBodySize: 1 << 20,
				Fields: []PropertyPath{Field("item:TextBody"), {URI: "item:InternetMessageHeader", Index: "Content-Class"}}}, ItemID{ID: "A"}.Ref())
		},
		"syncfolderitems": func(ctx context.Context, m *Mailbox) { m.SyncFolderItems(ctx, SyncFolderItemsRequest{}) },
		"syncfolderitems_state": func(ctx context.Context, m *Mailbox) {
			m.SyncFolderItems(ctx, SyncFolderItemsRequest{State: "H4sI=", Max: 9999, Ignore: []ItemID{{ID: "A"}, id}})
		},
		"subscribe": func(ctx context.Context, m *Mailbox) { m.Subscribe(ctx, SubscribeRequest{}) },
		"subscribe_all": func(ctx context.Context, m *Mailbox) {
			m.Subscribe(ctx, SubscribeRequest{AllFolders: true, Events: []EventType{Created, NewMail}})
		},
		"unsubscribe": func(ctx context.Context, m *Mailbox) { m.Unsubscribe(ctx, "S") },
		"getstreamingevents": func(ctx context.Context, m *Mailbox) {
			for range m.GetStreamingEvents(ctx, []string{"S1", "S2"}, 29*time.Minute) {
			}
		},
		"createitem": func(ctx context.Context, m *Mailbox) {
			m.CreateItem(ctx, CreateItemRequest{Send: SendToAllAndSaveCopy, Items: []CalendarItem{full, {Subject: "s", Start: day, End: day.Add(time.Hour)}}})
		},
		"createitem_series": func(ctx context.Context, m *Mailbox) {
			m.CreateItem(ctx, CreateItemRequest{Items: []CalendarItem{
				recurring(Recurrence{Pattern: Daily, EndDate: "2026-12-24"}),
				recurring(Recurrence{Pattern: AbsoluteMonthly, Interval: 1, DayOfMonth: 23}),
				recurring(Recurrence{Pattern: RelativeMonthly, Interval: 3, DaysOfWeek: []string{"Weekday"}, DayOfWeekIndex: "Last", Count: 3}),
				recurring(Recurrence{Pattern: AbsoluteYearly, DayOfMonth: 23, Month: "November"}),
				recurring(Recurrence{Pattern: RelativeYearly, DaysOfWeek: []string{"Monday"}, DayOfWeekIndex: "Fourth", Month: "November"}),
			}})
		},
		"createitem_accept": func(ctx context.Context, m *Mailbox) {
			m.Respond(ctx, RespondRequest{Action: AcceptItem, Item: id, Body: &Body{Type: BodyText, Content: "yes"}})
		},
		"createitem_tentative": func(ctx context.Context, m *Mailbox) {
			m.Respond(ctx, RespondRequest{Action: TentativelyAcceptItem, Item: id, Disposition: SendOnly, ProposedStart: day, ProposedEnd: day.Add(time.Hour)})
		},
		"createitem_decline": func(ctx context.Context, m *Mailbox) {
			m.Respond(ctx, RespondRequest{Action: DeclineItem, Item: id, Disposition: SaveOnly})
		},
		"createitem_cancel": func(ctx context.Context, m *Mailbox) {
			m.Respond(ctx, RespondRequest{Action: CancelCalendarItem, Item: id, Body: &Body{Type: BodyText, Content: "off"}})
		},
		"updateitem": func(ctx context.Context, m *Mailbox) {
			m.UpdateItem(ctx, UpdateItemRequest{Send: SendToAllAndSaveCopy, SuppressReadReceipts: true, Changes: []ItemChange{{Item: id.Ref(), Updates: []FieldUpdate{
				Set("item:Body", CalendarItem{Body: &Body{Type: BodyHTML, Content: "<p>x</p>"}}),
				SetProperty(ExtendedProperty{Field: PublicString("KoyomiJoin"), Value: "v"}),
				DeleteProperty(PublicString("KoyomiHash")),
			}}}})
		},
		"updateitem_every": func(ctx context.Context, m *Mailbox) {
			var updates []FieldUpdate
			for _, uri := range writable() {
				if uri != "" {
					updates = append(updates, Set(uri, full))
				}
			}
			m.UpdateItem(ctx, UpdateItemRequest{Conflict: AlwaysOverwrite, Changes: []ItemChange{
				{Item: id.Ref(), Updates: updates},
				{Item: id.OccurrenceAt(2), Updates: []FieldUpdate{Append("item:Body", CalendarItem{Body: &Body{Type: BodyText, Content: "x"}})}},
				{Item: id.MasterOf(), Updates: []FieldUpdate{Delete(Field("calendar:Resources")), Delete(PropertyPath{URI: "item:InternetMessageHeader", Index: "X-Koyomi"})}},
			}})
		},
		"getuseroofsettings": func(ctx context.Context, m *Mailbox) { m.GetUserOofSettings(ctx, "") },
		"getuseravailability": func(ctx context.Context, m *Mailbox) {
			m.GetUserAvailability(ctx, AvailabilityRequest{Mailboxes: []string{"a@example.com", "b@example.com"}, From: day, To: day.AddDate(0, 0, 1), Interval: 15 * time.Minute})
		},
	}
}

// TestRequests pins the bytes of every request, and checks what is the same in
// all of them.
func TestRequests(t *testing.T) {
	t.Parallel()
	for name, call := range everyRequest() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := newRig(t, nil, func(w http.ResponseWriter, _ recorded) { soap(w, 200, envelope("<m:Nothing/>")) })
			call(ctxOf(t), g.As("user@example.com"))
			seen := g.requests()
			if len(seen) != 1 {
				t.Fatalf("%d requests were sent", len(seen))
			}
			checkHeaders(t, seen[0])
			golden(t, filepath.Join("testdata", "requests", name+".xml"), seen[0].payload)
		})
	}
}

func checkHeaders(t *testing.T, r recorded) {
	t.Helper()
	for name, want := range map[string]string{
		"Content-Type": "text/xml; charset=utf-8", "X-AnchorMailbox": "user@example.com", "return-client-request-id": "true", "User-Agent": "koyomi-ews",
	} {
		if got := r.Header.Get(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	if r.chunked || r.ContentLength != int64(len(r.payload)) {
		t.Errorf("chunked %v, length %d of %d", r.chunked, r.ContentLength, len(r.payload))
	}
	if r.Proto != "HTTP/1.1" || r.Method != http.MethodPost {
		t.Errorf("%s %s", r.Method, r.Proto)
	}
	if id := r.Header.Get("client-request-id"); len(id) != 36 || id[14] != '4' {
		t.Errorf("client-request-id is %q", id)
	}
	wantGzip := r.op != "GetStreamingEvents"
	if got := r.Header.Get("Accept-Encoding") == "gzip"; got != wantGzip {
		t.Errorf("Accept-Encoding is %q", r.Header.Get("Accept-Encoding"))
	}
	if user, password, _ := r.BasicAuth(); user != `EXAMPLE\svc` || password != rigPassword {
		t.Errorf("credentials are %q", user)
	}
	if _, sent := r.Header["Idempotency-Key"]; sent {
		t.Error("an Idempotency-Key was sent")
	}
	if strings.Contains(r.payload, rigPassword) {
		t.Error("the password is in the body")
	}
}

func golden(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("differs from %s (run with -update to accept):\n%s", path, got)
	}
}

// TestRequestsSchema validates every request against the published schema.
func TestRequestsSchema(t *testing.T) {
	t.Parallel()
	var bodies []string
	for _, name := range goldenNames(t) {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		bodies = append(bodies, bodyOf(t, string(data)))
	}
	if len(bodies) != len(everyRequest()) {
		t.Errorf("%d golden files for %d requests", len(bodies), len(everyRequest()))
	}
	validate(t, bodies)
}

// TestVariantsSchema validates what every combination of options makes: each
// shape, each way to name items and folders, each form of extended property,
// each single property set and each created alone, and every pattern and range
// of a series.
func TestVariantsSchema(t *testing.T) {
	t.Parallel()
	var docs []string
	add := func(op string, write func(*request)) {
		c, err := newCall((&Client{}).As("user@example.com"), op, version2013SP1, write)
		if err != nil {
			t.Fatalf("%s: %v", op, err)
		}
		docs = append(docs, bodyOf(t, string(c.payload.data)))
	}
	for _, s := range shapeVariants() {
		add("GetItem", func(r *request) { writeGetItem(r, s, []ItemRef{{ItemID: ItemID{ID: "A"}}}) })
		add("FindItem", FindItemRequest{Shape: s, Start: utc("2026-11-23T00:00:00Z"), End: utc("2026-11-24T00:00:00Z")}.write)
		add("SyncFolderItems", SyncFolderItemsRequest{Shape: s}.write)
	}
	for _, id := range []ItemID{{ID: "A"}, {ID: "A", ChangeKey: "K"}} {
		for _, ref := range []ItemRef{id.Ref(), id.OccurrenceAt(1), id.MasterOf()} {
			add("GetItem", func(r *request) { writeGetItem(r, Shape{}, []ItemRef{ref, ref}) })
			add("UpdateItem", UpdateItemRequest{Changes: []ItemChange{{Item: ref, Updates: []FieldUpdate{Delete(Field("item:Body"))}}}}.write)
		}
		for _, action := range []MeetingAction{AcceptItem, TentativelyAcceptItem, DeclineItem, CancelCalendarItem} {
			for _, d := range []Disposition{"", SaveOnly, SendOnly, SendAndSaveCopy} {
				for _, b := range []*Body{nil, {Type: BodyText}, {Type: BodyHTML, Content: "<p>x</p>"}} {
					add("CreateItem", RespondRequest{Action: action, Item: id, Body: b, Disposition: d}.write)
				}
			}
		}
	}
	full := fullItem()
	for _, uri := range writable() {
		if uri == "" {
			continue
		}
		for _, send := range []SendMode{"", SendToNone, SendOnlyToAll, SendToAllAndSaveCopy, SendOnlyToChanged, SendToChangedAndSaveCopy} {
			add("UpdateItem", UpdateItemRequest{Send: send, SuppressReadReceipts: true, Changes: []ItemChange{{Item: ItemID{ID: "A"}.Ref(), Updates: []FieldUpdate{Set(uri, full)}}}}.write)
		}
		add("CreateItem", func(r *request) {
			r.Start("m:CreateItem", "SendMeetingInvitations", "SendToNone")
			r.Start("m:Items")
			r.Start("t:CalendarItem")
			r.property(uri, &full)
			r.End()
			r.End()
			r.End()
		})
	}
	for _, f := range extendedVariants() {
		p := ExtendedProperty{Field: f, Value: "dg==", Values: []string{"a", "b"}}
		add("UpdateItem", UpdateItemRequest{Changes: []ItemChange{{Item: ItemID{ID: "A"}.Ref(), Updates: []FieldUpdate{SetProperty(p), DeleteProperty(f)}}}}.write)
		add("FindItem", FindItemRequest{Equal: &p}.write)
	}
	for _, rec := range recurrenceVariants() {
		add("UpdateItem", UpdateItemRequest{Changes: []ItemChange{{Item: ItemID{ID: "A"}.Ref(), Updates: []FieldUpdate{Set("calendar:Recurrence", CalendarItem{Recurrence: &rec})}}}}.write)
	}
	if len(docs) < 300 {
		t.Errorf("%d variants only", len(docs))
	}
	validate(t, docs)
}

func shapeVariants() []Shape {
	var list []Shape
	for _, base := range []BaseShape{"", IDOnly, DefaultShape, AllProperties} {
		for _, body := range []BodyType{"", BodyHTML, BodyText, BodyBest} {
			for _, on := range []bool{false, true} {
				s := Shape{Base: base, BodyType: body, FilterHTML: on, BlockImages: on, MIME: on, Fields: CalendarShape(body, ConferenceFields()...).Fields}
				if on {
					s.MaximumBodySize, s.Fields = 1000, nil
				}
				list = append(list, s)
			}
		}
	}
	return append(list, ViewShape(), Shape{Fields: append(Fields("item:TextBody", "calendar:StartTimeZone", "calendar:EndWallClock", "item:ResponseObjects", "calendar:AppointmentReplyTime",
		"calendar:AllowNewTimeProposal", "calendar:DoNotForwardMeeting", "item:IsDraft"), PropertyPath{URI: "item:InternetMessageHeader", Index: "X"})})
}

func extendedVariants() []ExtendedField {
	var list []ExtendedField
	for _, set := range []string{"Meeting", "Appointment", "Common", "PublicStrings", "Address", "InternetHeaders", "CalendarAssistant", "UnifiedMessaging",
		"Task", "Sharing", "11000e07-b51b-40d6-af21-caa85edab1d0"} {
		list = append(list, ExtendedField{Set: set, Name: "n", Type: "String"}, ExtendedField{Set: set, ID: 35, Type: "Binary"})
	}
	for _, typ := range []string{"Boolean", "Double", "Integer", "Long", "Short", "SystemTime", "CLSID", "StringArray", "BinaryArray", "IntegerArray"} {
		list = append(list, ExtendedField{Tag: "0x1016", Type: typ})
	}
	return list
}

func recurrenceVariants() []Recurrence {
	var list []Recurrence
	for _, r := range []Recurrence{
		{Pattern: Daily}, {Pattern: Daily, Interval: 3}, {Pattern: Weekly, DaysOfWeek: []string{"Monday"}},
		{Pattern: Weekly, Interval: 2, DaysOfWeek: []string{"Monday", "Sunday"}, FirstDayOfWeek: "Monday"},
		{Pattern: AbsoluteMonthly, DayOfMonth: 31}, {Pattern: RelativeMonthly, DaysOfWeek: []string{"Day"}, DayOfWeekIndex: "First"},
		{Pattern: AbsoluteYearly, DayOfMonth: 29, Month: "February"}, {Pattern: RelativeYearly, DaysOfWeek: []string{"WeekendDay"}, DayOfWeekIndex: "Last", Month: "May"},
	} {
		r.StartDate = "2026-11-23"
		byDate, byCount := r, r
		byDate.EndDate, byCount.Count = "2027-11-23", 7
		list = append(list, r, byDate, byCount)
	}
	return list
}

func goldenNames(t *testing.T) []string {
	names, err := filepath.Glob(filepath.Join("testdata", "requests", "*.xml"))
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// bodyOf cuts the body element out of an envelope as a document of its own.
func bodyOf(t *testing.T, doc string) string {
	_, rest, ok1 := strings.Cut(doc, "<s:Body>")
	body, _, ok2 := strings.Cut(rest, "</s:Body>")
	end := strings.IndexAny(body, " >/")
	if !ok1 || !ok2 || end < 0 {
		t.Fatalf("no body in %s", doc)
	}
	return body[:end] + ` xmlns:m="` + wire.NSMessages + `" xmlns:t="` + wire.NSTypes + `"` + body[end:]
}

// validate runs xmllint over documents.
func validate(t *testing.T, docs []string) {
	t.Helper()
	schema := os.Getenv("KOYOMI_SCHEMA")
	if schema == "" {
		t.Skip("skipped: not here: KOYOMI_SCHEMA does not name the folder of the schema")
	}
	xmllint, err := exec.LookPath("xmllint")
	if err != nil {
		t.Fatal("xmllint is missing: install libxml2-utils")
	}
	dir := t.TempDir()
	args := []string{"--noout", "--nonet", "--schema", linkSchema(t, schema, dir)}
	for i, doc := range docs {
		path := filepath.Join(dir, strconv.Itoa(i)+".xml")
		if err := os.WriteFile(path, []byte(doc), 0o600); err != nil {
			t.Fatal(err)
		}
		args = append(args, path)
	}
	if out, err := exec.Command(xmllint, args...).CombinedOutput(); err != nil {
		t.Errorf("xmllint: %v\n%s", err, out)
	}
}

// linkSchema puts the schema's files into dir, Types.xsd also under the
// lower-case name by which Messages.xsd includes it, and returns Messages.xsd.
func linkSchema(t *testing.T, from, dir string) string {
	t.Helper()
	from, err := filepath.Abs(from)
	if err != nil {
		t.Fatal(err)
	}
	for name, file := range map[string]string{"Messages.xsd": "Messages.xsd", "Types.xsd": "Types.xsd", "types.xsd": "Types.xsd", "xml.xsd": "xml.xsd"} {
		if err := os.Symlink(filepath.Join(from, file), filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(dir, "Messages.xsd")
}

// TestRefusedCalls makes calls that cannot be made: nothing must be sent.
func TestRefusedCalls(t *testing.T) {
	t.Parallel()
	g := newRig(t, nil, func(w http.ResponseWriter, r recorded) { t.Errorf("%s was sent", r.op) })
	m, ctx := g.As("user@example.com"), ctxOf(t)
	day := utc("2026-11-23T00:00:00Z")
	id := ItemID{ID: "A"}.Ref()
	set := func(updates ...FieldUpdate) error {
		_, err := m.UpdateItem(ctx, UpdateItemRequest{Changes: []ItemChange{{Item: id, Updates: updates}}})
		return err
	}
	second := func(_ any, err error) error { return err }
	for name, err := range map[string]error{
		"no id to convert":      second(m.ConvertId(ctx, EwsID)),
		"view without time":     second(m.FindItem(ctx, FindItemRequest{Start: day, End: day})),
		"no item to read":       second(m.GetItem(ctx, Shape{})),
		"item without id":       second(m.GetItem(ctx, Shape{}, ItemRef{})),
		"empty path":            second(m.GetItem(ctx, Shape{Fields: []PropertyPath{{}}}, id)),
		"property without type": second(m.GetItem(ctx, Shape{Fields: []PropertyPath{ExtendedField{Tag: "0x1"}.Path()}}, id)),
		"nothing to create":     second(m.CreateItem(ctx, CreateItemRequest{})),
		"unknown body type":     second(m.CreateItem(ctx, CreateItemRequest{Items: []CalendarItem{{Body: &Body{Type: BodyBest}}}})),
		"bad recurrence":        second(m.CreateItem(ctx, CreateItemRequest{Items: []CalendarItem{{Recurrence: &Recurrence{Pattern: "Hourly", StartDate: "2026-11-23"}}}})),
		"unknown action":        second(m.Respond(ctx, RespondRequest{Action: "ForwardItem", Item: ItemID{ID: "A"}})),
		"response without id":   second(m.Respond(ctx, RespondRequest{Action: AcceptItem})),
		"nothing to change":     second(m.UpdateItem(ctx, UpdateItemRequest{})),
		"no updates":            set(),
		"empty update":          set(FieldUpdate{}),
		"read-only property":    set(Set("calendar:Organizer", CalendarItem{})),
		"no attendees":          set(Set("calendar:RequiredAttendees", CalendarItem{})),
		"no reminder":           set(Set("item:ReminderMinutesBeforeStart", CalendarItem{})),
		"no truth":              set(Set("item:ReminderIsSet", CalendarItem{})),
		"no body":               set(Set("item:Body", CalendarItem{})),
		"no recurrence":         set(Set("calendar:Recurrence", CalendarItem{})),
		"oof of nobody":         second(g.As("").GetUserOofSettings(ctx, "")),
		"free/busy of nobody":   second(m.GetUserAvailability(ctx, AvailabilityRequest{From: day, To: day.Add(1)})),
		"free/busy of too many": second(m.GetUserAvailability(ctx, AvailabilityRequest{Mailboxes: make([]string, 101), From: day, To: day.Add(1)})),
		"free/busy of no time":  second(m.GetUserAvailability(ctx, AvailabilityRequest{Mailboxes: []string{"a"}})),
		"stream of nothing":     first(m.GetStreamingEvents(ctx, nil, time.Minute)),
	} {
		t.Run(name, func(t *testing.T) {
			if e := wantError(t, err, CodeInvalid); e.Class() != OwnBug || e.Op == "" {
				t.Errorf("class %s, op %q", e.Class(), e.Op)
			}
		})
	}
}

// first returns the first error of a stream.
func first(seq func(func(Notification, error) bool)) error {
	for _, err := range seq {
		if err != nil {
			return err
		}
	}
	return nil
}

// TestWithoutImpersonation checks that As("") calls as the account itself.
func TestWithoutImpersonation(t *testing.T) {
	t.Parallel()
	g := newRig(t, nil, func(w http.ResponseWriter, _ recorded) { soap(w, 200, response("ConvertId", success("ConvertId", ""))) })
	if _, err := g.As("").Probe(ctxOf(t)); err != nil {
		t.Fatal(err)
	}
	r := g.requests()[0]
	if strings.Contains(r.payload, "ExchangeImpersonation") || r.Header.Get("X-AnchorMailbox") != "" {
		t.Errorf("the account impersonates: %s", r.payload)
	}
	if !slices.Contains(r.Header.Values("Accept"), "text/xml") {
		t.Error("Accept is missing")
	}
}
