package ews

import (
	"context"
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/koyomi-cal/koyomi/ews/internal/wire"
)

// ask lets a client call once against a transcript.
func ask[T any](t *testing.T, name string, call func(context.Context, *Mailbox) (T, error)) (T, error) {
	t.Helper()
	g := newRig(t, nil, answerWith(t, name))
	return call(ctxOf(t), g.As("user@example.com"))
}

func mustAsk[T any](t *testing.T, name string, call func(context.Context, *Mailbox) (T, error)) T {
	t.Helper()
	v, err := ask(t, name, call)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return v
}

// same compares deeply. The types print nothing, so a difference is named by
// its field.
func same(t *testing.T, got, want any) {
	t.Helper()
	if reflect.DeepEqual(got, want) {
		return
	}
	g, w := reflect.ValueOf(got), reflect.ValueOf(want)
	if g.Kind() != reflect.Struct || g.Type() != w.Type() {
		t.Errorf("got %#v, want %#v", got, want)
		return
	}
	for i := range g.NumField() {
		if a, b := g.Field(i).Interface(), w.Field(i).Interface(); !reflect.DeepEqual(a, b) {
			t.Errorf("%s: got %v, want %v", g.Type().Field(i).Name, reflect.Indirect(g.Field(i)), reflect.Indirect(w.Field(i)))
		}
	}
}

func getItems(n int) func(context.Context, *Mailbox) ([]ItemResult, error) {
	refs := slices.Repeat([]ItemRef{{ItemID: ItemID{ID: "X"}}}, n)
	return func(ctx context.Context, m *Mailbox) ([]ItemResult, error) {
		return m.GetItem(ctx, CalendarShape(BodyBest), refs...)
	}
}

func TestGetItemWhole(t *testing.T) {
	t.Parallel()
	got := mustAsk(t, "getitem_single", getItems(1))[0]
	if got.Err != nil {
		t.Fatal(got.Err)
	}
	smtp := func(name, address, kind string) EmailAddress { return EmailAddress{name, address, "SMTP", kind} }
	want := CalendarItem{
		ItemID: ItemID{"AAMkADk=", "DwAAABYAAAB1"}, ParentFolderID: FolderID{"AAMkFolder=", "AQAAAA=="}, ItemClass: "IPM.Appointment",
		Subject: "Plan & review", Sensitivity: "Private",
		Body:       &Body{Type: BodyHTML, Content: "<html><body><p>Agenda&nbsp;1</p>\r\n</body></html>"},
		Categories: []string{"Blue category", "x"}, Importance: "High", Size: 6543, Culture: "en-US",
		Created: utc("2026-11-20T08:00:00Z"), LastModified: utc("2026-11-21T09:30:15Z"), LastModifiedBy: "Somebody",
		Rights:        &EffectiveRights{Delete: true, Modify: true, Read: true, ViewPrivateItems: true},
		ReminderIsSet: ptr(true), ReminderMinutes: ptr(15),
		UID: "040000008200E00074C5B7101A82E00800000000", Start: utc("2026-11-23T09:00:00Z"), End: utc("2026-11-23T10:00:00Z"),
		Status: Busy, Location: "@meet", IsMeeting: ptr(true), IsRecurring: ptr(false), MeetingRequestSent: ptr(true), IsResponseRequested: ptr(true),
		Type: Single, MyResponse: ResponseOrganizer, Organizer: ptr(smtp("User One", "user0001@example.com", "Mailbox")),
		RequiredAttendees: []Attendee{
			{EmailAddress: smtp("User Two", "user0002@example.com", "Mailbox"), Response: ResponseAccept, LastResponse: utc("2026-11-21T09:30:00Z")},
			{EmailAddress: smtp("Everybody", "all@example.com", "PublicDL"), Response: ResponseUnknown},
		},
		OptionalAttendees: []Attendee{{EmailAddress: smtp("User Three", "user0003@example.com", ""), Response: ResponseNoResponse}},
		Resources:         []Attendee{{EmailAddress: smtp("Room 1", "room1@example.com", ""), Response: ResponseDecline}},
		SequenceNumber:    ptr(2), AppointmentState: ptr(1), IsOrganizer: ptr(true),
		StartTimeZone: "Tokyo Standard Time", EndTimeZone: "Tokyo Standard Time", StartWall: parseTime("2026-11-23T18:00:00+09:00"),
		IsOnlineMeeting: ptr(true), JoinOnlineMeetingURL: "https://lync.example.com/meet/1",
		Extended: []ExtendedProperty{
			{Field: CleanGlobalObjectIDField(), Value: "BAAAAIIA4AB0xbcQGoLgCAAAAAA="},
			{Field: NativeBodyField(), Value: "3"},
			{Field: PublicString("SkypeTeamsMeetingUrl"), Value: "https://teams.example.com/l/meetup-join/1?a=b&c=d"},
			{Field: ExtendedField{Set: "11000e07-b51b-40d6-af21-caa85edab1d0", ID: 11, Type: "StringArray"}, Values: []string{"a", "b"}},
		},
	}
	same(t, got.Item, want)
	if got.Item.RightsManaged() || got.Item.Signed() {
		t.Error("the item is neither protected nor signed")
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
		if s := fmt.Sprintf(verb, got); strings.Contains(s, "Plan") || strings.Contains(s, "user0002") {
			t.Errorf("%s prints what a person wrote: %s", verb, s)
		}
	}
}

func TestGetItemMaster(t *testing.T) {
	t.Parallel()
	it := mustAsk(t, "getitem_master", getItems(1))[0].Item
	same(t, *it.Recurrence, Recurrence{
		Pattern: Weekly, Interval: 2, DaysOfWeek: []string{"Monday", "Thursday"}, FirstDayOfWeek: "Sunday", StartDate: "2026-07-02", EndDate: "2026-12-31",
	})
	same(t, it.ModifiedOccurrences, []OccurrenceInfo{{ItemID{"M3", "K"}, utc("2026-07-30T09:00:00Z"), utc("2026-07-30T10:00:00Z"), utc("2026-07-30T07:00:00Z")}})
	same(t, it.DeletedOccurrences, []time.Time{utc("2026-07-16T07:00:00Z")})
	if it.LastOccurrence.End != utc("2026-12-31T09:00:00Z") || it.FirstOccurrence.ItemID.ID != "M1" {
		t.Errorf("first and last occurrence: %v, %v", it.FirstOccurrence, it.LastOccurrence)
	}
	if it.StartTimeZone != "tzone://Microsoft/Custom" || it.Type != RecurringMaster {
		t.Errorf("zone %q, type %q", it.StartTimeZone, it.Type)
	}
}

func TestGetItemBatch(t *testing.T) {
	t.Parallel()
	got := mustAsk(t, "getitem_batch", getItems(5))
	if len(got) != 5 || got[0].Err != nil || got[0].Item.Subject != "first" {
		t.Fatalf("got %d results, first %v", len(got), got[0].Err)
	}
	for i, want := range map[int]struct {
		code  string
		class Class
	}{
		1: {"ErrorItemNotFound", ItemLocal}, 2: {CodeMalformed, Transient}, 3: {"ErrorBatchProcessingStopped", Transient}, 4: {CodeMalformed, Transient},
	} {
		if e := wantError(t, got[i].Err, want.code); e.Class() != want.class {
			t.Errorf("item %d: class %s, want %s", i, e.Class(), want.class)
		}
	}
}

func TestGetItemGrommunio(t *testing.T) {
	t.Parallel()
	it := mustAsk(t, "getitem_grommunio", getItems(1))[0].Item
	if !it.LastModified.Equal(utc("2026-11-21T09:30:15.123456789Z")) || it.Start != utc("2026-11-23T09:00:00Z") || it.End != utc("2026-11-23T10:00:00Z") {
		t.Errorf("times: %v %v %v", it.LastModified, it.Start, it.End)
	}
	if it.IsMeeting == nil || !*it.IsMeeting || it.IsOrganizer != nil || it.AppointmentState != nil || it.MeetingRequestSent != nil || it.Organizer != nil {
		t.Error("what is absent must not be false, what is there must be read")
	}
	if it.Body == nil || it.Body.Content != "" || len(it.RequiredAttendees) != 1 {
		t.Error("body or attendees")
	}
}

func TestGetItemDirty(t *testing.T) {
	t.Parallel()
	it := mustAsk(t, "getitem_dirty", getItems(1))[0].Item
	if want := "cut \uFFFD\uFFFD\uFFFDend \uFFFD R&D"; it.Subject != want {
		t.Errorf("subject %q, want %q", it.Subject, want)
	}
	if it.Body.Content != "a\uFFFDb" || it.Body.Type != BodyText || it.Location != "ok" {
		t.Errorf("body %q, location %q", it.Body.Content, it.Location)
	}
	if !it.Start.IsZero() || it.Size != 0 || it.IsMeeting != nil {
		t.Error("what cannot be read must be absent")
	}
}

func TestGetItemRights(t *testing.T) {
	t.Parallel()
	it := mustAsk(t, "getitem_rights", getItems(1))[0].Item
	if !it.RightsManaged() {
		t.Error("the license was not seen")
	}
	for name, tc := range map[string]struct {
		it      CalendarItem
		managed bool
		signed  bool
	}{
		"plain":               {CalendarItem{}, false, false},
		"license that allows": {CalendarItem{RightsLicense: &RightsLicense{EditAllowed: ptr(true)}}, false, false},
		"not decrypted":       {CalendarItem{RightsLicense: &RightsLicense{DecryptionStatus: 3}}, true, false},
		"content class":       {CalendarItem{Extended: []ExtendedProperty{{Field: ExtendedField{Set: "00020386-0000-0000-C000-000000000046", Name: "Content-Class", Type: "String"}, Value: "rpmsg.message"}}}, true, false},
		"S/MIME":              {CalendarItem{ItemClass: "IPM.Appointment.SMIME.MultipartSigned"}, false, true},
		"clear-signed":        {CalendarItem{Extended: []ExtendedProperty{{Field: ExtendedField{Tag: "0x10160003", Type: "Integer"}, Value: "4"}}}, false, true},
	} {
		if tc.it.RightsManaged() != tc.managed || tc.it.Signed() != tc.signed {
			t.Errorf("%s: managed %v, signed %v", name, tc.it.RightsManaged(), tc.it.Signed())
		}
	}
}

func TestProperty(t *testing.T) {
	t.Parallel()
	it := CalendarItem{Extended: []ExtendedProperty{
		{Field: ExtendedField{Tag: "4118", Type: "Integer"}, Value: "1"},
		{Field: ExtendedField{Set: "00020329-0000-0000-C000-000000000046", Name: "KoyomiJoin", Type: "String"}, Value: "2"},
		{Field: ExtendedField{Set: "6ED8DA90-450B-101B-98DA-00AA003F1305", ID: 35, Type: "Binary"}, Value: "3"},
	}}
	for want, f := range map[string]ExtendedField{"1": NativeBodyField(), "2": PublicString("KoyomiJoin"), "3": CleanGlobalObjectIDField()} {
		if got, ok := it.Property(f); !ok || got != want {
			t.Errorf("%+v: got %q", f, got)
		}
	}
	for _, f := range []ExtendedField{GlobalObjectIDField(), PublicString("Other"), {Tag: "0x1000"}, {Set: "Common", ID: 35}} {
		if got, ok := it.Property(f); ok {
			t.Errorf("%+v: got %q", f, got)
		}
	}
}

func TestFindItem(t *testing.T) {
	t.Parallel()
	find := func(ctx context.Context, m *Mailbox) (FindItemPage, error) {
		return m.FindItem(ctx, FindItemRequest{Start: utc("2026-11-23T00:00:00Z"), End: utc("2026-11-24T00:00:00Z"), Shape: ViewShape()})
	}
	page := mustAsk(t, "finditem_view", find)
	var types []CalendarItemType
	for _, it := range page.Items {
		types = append(types, it.Type)
	}
	if !page.Last || page.Total != 3 || !slices.Equal(types, []CalendarItemType{Single, Occurrence, Exception}) {
		t.Errorf("last %v, total %d, types %v", page.Last, page.Total, types)
	}
	if who := page.Items[0].Organizer; who == nil || who.Name != "User One" || who.Address != "" {
		t.Error("organizer without address")
	}
	if page = mustAsk(t, "finditem_cut", find); page.Last {
		t.Error("a cut page must not be the last")
	}
	_, err := ask(t, "finditem_limit", find)
	if e := wantError(t, err, "ErrorExceededFindCountLimit"); e.Values["PolicyLimit"] != "1000" {
		t.Errorf("values %v", e.Values)
	}
}

func TestGetFolder(t *testing.T) {
	t.Parallel()
	got := mustAsk(t, "getfolder", func(ctx context.Context, m *Mailbox) ([]FolderResult, error) {
		return m.GetFolder(ctx, FolderFields(), FolderRef{}, FolderRef{Distinguished: "tasks"})
	})
	f := got[0].Folder
	if f.ID != (FolderID{"F", "AgAAAB"}) || f.ParentID.ID != "P" || f.Class != "IPF.Appointment" || f.DisplayName != "Calendar" || f.TotalCount != 12 || f.ChildFolderCount != 1 {
		t.Errorf("folder %+v", f)
	}
	same(t, *f.Rights, EffectiveRights{CreateContents: true, Delete: true, Read: true})
	if v, _ := f.Property(CommitTimeField()); v != "2026-11-22T12:00:00Z" {
		t.Errorf("commit time %q", v)
	}
	if v, _ := f.Property(DeletedCountField()); v != "7" {
		t.Errorf("deleted count %q", v)
	}
	if e := wantError(t, got[1].Err, "ErrorFolderNotFound"); e.Class() != Resync {
		t.Errorf("class %s", e.Class())
	}
}

func TestSyncFolderItems(t *testing.T) {
	t.Parallel()
	sync := func(ctx context.Context, m *Mailbox) (SyncFolderItemsPage, error) {
		return m.SyncFolderItems(ctx, SyncFolderItemsRequest{State: "old"})
	}
	page := mustAsk(t, "syncfolderitems", sync)
	var got []string
	for _, c := range page.Changes {
		got = append(got, string(c.Kind)+" "+c.Item.ItemID.ID)
	}
	if page.State != "H4sIAAA=" || page.Last || !slices.Equal(got, []string{"Create A", "Update B", "Delete C", "ReadFlagChange D"}) {
		t.Errorf("state %q, last %v, changes %v", page.State, page.Last, got)
	}
	page, err := ask(t, "syncfolderitems_busy", sync)
	if e := wantError(t, err, "ErrorServerBusy"); e.BackOff != 5*time.Second || e.Values["Policy"] != "ConcurrentSyncCalls" || e.Class() != Transient {
		t.Errorf("%v, values %v", e, e.Values)
	}
	if page.State != "" || page.Last {
		t.Error("an error must not look like an empty last page")
	}
	_, err = ask(t, "syncfolderitems_invalid", sync)
	if e := wantError(t, err, "ErrorInvalidSyncStateData"); e.Class() != Resync {
		t.Errorf("class %s", e.Class())
	}
	_, err = ask(t, "syncfolderitems_stateless", sync)
	wantError(t, err, CodeMalformed)
}

func TestSubscriptions(t *testing.T) {
	t.Parallel()
	subscribe := func(ctx context.Context, m *Mailbox) (string, error) { return m.Subscribe(ctx, SubscribeRequest{}) }
	unsubscribe := func(ctx context.Context, m *Mailbox) (string, error) { return "", m.Unsubscribe(ctx, "S") }
	if id := mustAsk(t, "subscribe", subscribe); id != "HgBleC0xLmV4YW1wbGUuY29t" {
		t.Errorf("id %q", id)
	}
	_, err := ask(t, "unsubscribe", subscribe)
	wantError(t, err, CodeMalformed)
	mustAsk(t, "unsubscribe", unsubscribe)
	mustAsk(t, "unsubscribe_gone", unsubscribe)
	_, err = ask(t, "fault_busy", unsubscribe)
	wantError(t, err, "ErrorServerBusy")
}

func TestWrites(t *testing.T) {
	t.Parallel()
	created := mustAsk(t, "createitem", func(ctx context.Context, m *Mailbox) ([]ItemResult, error) {
		return m.CreateItem(ctx, CreateItemRequest{Items: []CalendarItem{{Subject: "x"}}})
	})
	if created[0].Item.ItemID != (ItemID{"N", "DwAAABYAAAB2"}) {
		t.Errorf("created %v", created[0].Item.ItemID)
	}
	ids := mustAsk(t, "createitem_accept", func(ctx context.Context, m *Mailbox) ([]ItemID, error) {
		return m.Respond(ctx, RespondRequest{Action: AcceptItem, Item: ItemID{ID: "C"}})
	})
	same(t, ids, []ItemID{{"C", "K"}, {"R", "K"}})
	change := ItemChange{Item: ItemID{"A", "K"}.Ref(), Updates: []FieldUpdate{Set("item:Subject", CalendarItem{Subject: "x"})}}
	updated := mustAsk(t, "updateitem", func(ctx context.Context, m *Mailbox) ([]ItemResult, error) {
		return m.UpdateItem(ctx, UpdateItemRequest{Changes: []ItemChange{change, change}})
	})
	if updated[0].Err != nil || updated[0].Item.ItemID.ChangeKey != "DwAAABYAAAB3" {
		t.Errorf("updated %v", updated[0])
	}
	if e := wantError(t, updated[1].Err, "ErrorIrresolvableConflict"); e.Class() != Refetch {
		t.Errorf("class %s", e.Class())
	}
	_, err := ask(t, "fault_impersonate", func(ctx context.Context, m *Mailbox) ([]ItemID, error) {
		return m.Respond(ctx, RespondRequest{Action: DeclineItem, Item: ItemID{ID: "C"}})
	})
	wantError(t, err, "ErrorImpersonateUserDenied")
}

func TestConvertId(t *testing.T) {
	t.Parallel()
	got := mustAsk(t, "convertid", func(ctx context.Context, m *Mailbox) ([]AlternateIDResult, error) {
		return m.ConvertId(ctx, HexEntryID, AlternateID{}, AlternateID{})
	})
	same(t, got[0].ID, AlternateID{HexEntryID, "00000000ABCD", "user@example.com"})
	wantError(t, got[1].Err, "ErrorInvalidIdMalformed")

	probe := func(ctx context.Context, m *Mailbox) (ServerInfo, error) { return m.Probe(ctx) }
	same(t, mustAsk(t, "convertid_malformed", probe), ServerInfo{Version: "V2017_07_11", Major: 15, Minor: 2, Build: 1544, Number: 4})
	same(t, mustAsk(t, "convertid", probe), ServerInfo{Version: "V2017_07_11", Major: 15, Minor: 2, Build: 1544, Number: 4})
	_, err := ask(t, "fault_impersonate", probe)
	if e := wantError(t, err, "ErrorImpersonateUserDenied"); e.Class() != MailboxPermanent {
		t.Errorf("class %s", e.Class())
	}
}

func TestGetUserOofSettings(t *testing.T) {
	t.Parallel()
	oof := func(ctx context.Context, m *Mailbox) (OofSettings, error) { return m.GetUserOofSettings(ctx, "") }
	got := mustAsk(t, "getuseroofsettings", oof)
	start, end := utc("2026-11-23T00:00:00Z"), utc("2026-11-25T00:00:00Z")
	same(t, got, OofSettings{State: OofScheduled, Start: start, End: end, ExternalAudience: "All", InternalReply: "Away"})
	for at, want := range map[time.Time]bool{start.Add(-1): false, start: true, end.Add(-1): true, end: false} {
		if got.Active(at) != want {
			t.Errorf("active at %v: %v", at, !want)
		}
	}
	if !(OofSettings{State: OofEnabled}).Active(end) || (OofSettings{State: OofDisabled, Start: start, End: end}).Active(start) {
		t.Error("a duration means nothing unless the state is Scheduled")
	}
	if s := fmt.Sprintf("%+v", got); strings.Contains(s, "Away") {
		t.Errorf("the reply is printed: %s", s)
	}
	_, err := ask(t, "getuseroofsettings_denied", oof)
	wantError(t, err, "ErrorAccessDenied")
	_, err = ask(t, "unsubscribe", oof)
	wantError(t, err, CodeMalformed)
}

func TestGetUserAvailability(t *testing.T) {
	t.Parallel()
	call := func(ctx context.Context, m *Mailbox) ([]FreeBusy, error) {
		return m.GetUserAvailability(ctx, AvailabilityRequest{Mailboxes: []string{"a@example.com", "nobody@example.com", "c@example.com"},
			From: utc("2026-11-23T00:00:00Z"), To: utc("2026-11-24T00:00:00Z")})
	}
	got := mustAsk(t, "getuseravailability", call)
	zone, err := got[0].WorkingHours.Zone.Location()
	if err != nil {
		t.Fatal(err)
	}
	if local := utc("2026-07-01T00:00:00Z").In(zone).Format(time.RFC3339); local != "2026-07-01T09:00:00+09:00" {
		t.Errorf("working hours are in a zone in which midnight of Greenwich is %s", local)
	}
	got[0].WorkingHours.Zone = nil
	same(t, got[0], FreeBusy{View: "DetailedMerged", Merged: "00230", Events: []BusyEvent{
		{Start: utc("2026-11-23T01:00:00Z"), End: utc("2026-11-23T01:30:00Z"), Status: Busy, Subject: "Plan", Location: "Room", IsMeeting: true, IsPrivate: true},
		{Start: utc("2026-11-23T01:30:00Z"), End: utc("2026-11-23T02:00:00Z"), Status: OOF},
	}, WorkingHours: &WorkingHours{Periods: []WorkingPeriod{{Days: []string{"Monday", "Tuesday"}, Start: 8 * time.Hour, End: 17 * time.Hour}}}})
	if e := wantError(t, got[1].Err, "ErrorMailRecipientNotFound"); e.Values["ExceptionCode"] != "5009" || !strings.Contains(e.Detail, "nobody@") {
		t.Errorf("values %v, detail %q", e.Values, e.Detail)
	}
	wantError(t, got[2].Err, CodeMalformed)
	if s := fmt.Sprintf("%+v", got[0]); strings.Contains(s, "Plan") {
		t.Errorf("the subject is printed: %s", s)
	}
	_, err = ask(t, "unsubscribe", call)
	wantError(t, err, CodeMalformed)
}

// TestFaults reads every shape of fault with both statuses.
func TestFaults(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]struct {
		code    string
		class   Class
		backOff time.Duration
	}{
		"fault_busy":        {"ErrorServerBusy", Transient, 297749 * time.Millisecond},
		"fault_connections": {"ErrorExceededConnectionCount", Transient, 0},
		"fault_impersonate": {"ErrorImpersonateUserDenied", MailboxPermanent, 0},
		"fault_schema":      {"ErrorSchemaValidation", OwnBug, 0},
		"fault_grommunio":   {"ErrorCannotFindUser", MailboxPermanent, 0},
		"fault_client":      {"Client", OwnBug, 0},
		"fault_soap12":      {"Server", Transient, 0},
	} {
		for _, status := range []int{http.StatusOK, http.StatusInternalServerError} {
			t.Run(fmt.Sprint(name, status), func(t *testing.T) {
				t.Parallel()
				data := transcript(t, name)
				g := newRig(t, nil, func(w http.ResponseWriter, _ recorded) { soap(w, status, data) })
				_, err := g.As("user@example.com").Subscribe(ctxOf(t), SubscribeRequest{})
				e := wantError(t, err, want.code)
				if e.Class() != want.class || e.BackOff != want.backOff || e.HTTPStatus != status || e.Op != "Subscribe" || e.Unclear || len(e.RequestID) != 36 {
					t.Errorf("%v: class %s, status %d, op %s", e, e.Class(), e.HTTPStatus, e.Op)
				}
				if e.Detail == "" {
					t.Error("the server's words are lost")
				}
			})
		}
	}
}

// TestTranscriptsSchema holds the transcripts that claim to be what Exchange
// sends to the published schema.
func TestTranscriptsSchema(t *testing.T) {
	t.Parallel()
	var docs []string
	for _, name := range []string{"getitem_single", "getitem_master", "getitem_rights", "finditem_view", "finditem_cut", "getfolder", "syncfolderitems",
		"syncfolderitems_busy", "subscribe", "unsubscribe", "createitem", "createitem_accept", "updateitem", "convertid", "getuseroofsettings", "getuseravailability"} {
		_, rest, _ := strings.Cut(transcript(t, name), "<s:Body")
		_, rest, _ = strings.Cut(rest, ">")
		body, _, _ := strings.Cut(rest, "</s:Body>")
		end := strings.IndexByte(body, ' ')
		docs = append(docs, body[:end]+` xmlns:xsi="`+wire.NSXSI+`"`+body[end:])
	}
	validate(t, docs)
}

// TestSerializableZone reads the zones of working hours, among them those that
// cannot be.
func TestSerializableZone(t *testing.T) {
	t.Parallel()
	rule := func(name, bias, order, month, at string) string {
		return "<" + name + "><Bias>" + bias + "</Bias><Time>" + at + "</Time><DayOrder>" + order + "</DayOrder><Month>" + month + "</Month><DayOfWeek>Sunday</DayOfWeek></" + name + ">"
	}
	for name, c := range map[string]struct{ zone, winter, summer string }{
		"Berlin":              {"<Bias>-60</Bias>" + rule("StandardTime", "0", "5", "10", "03:00:00") + rule("DaylightTime", "-60", "5", "3", "02:00:00"), "13:00", "14:00"},
		"New York":            {"<Bias>300</Bias>" + rule("StandardTime", "0", "1", "11", "02:00:00") + rule("DaylightTime", "-60", "2", "3", "02:00:00"), "07:00", "08:00"},
		"Sydney":              {"<Bias>-600</Bias>" + rule("StandardTime", "0", "1", "4", "03:00:00") + rule("DaylightTime", "-60", "1", "10", "02:00:00"), "23:00", "22:00"},
		"Delhi, no rules":     {"<Bias>-330</Bias>" + rule("StandardTime", "0", "0", "0", "00:00:00") + rule("DaylightTime", "0", "0", "0", "00:00:00"), "17:30", "17:30"},
		"rules that are none": {"<Bias>0</Bias>" + rule("StandardTime", "0", "9", "13", "soon") + rule("DaylightTime", "-60", "1", "3", "02:00:00"), "12:00", "12:00"},
		"half":                {"<Bias>0</Bias>" + rule("StandardTime", "0", "1", "1", "00:00:00"), "", ""},
		"a bias of a week":    {"<Bias>10080</Bias>" + rule("StandardTime", "0", "1", "1", "00:00:00") + rule("DaylightTime", "0", "1", "1", "00:00:00"), "", ""},
	} {
		e, err := wire.Parse([]byte("<TimeZone>"+c.zone+"</TimeZone>"), wire.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		d := serializableZone(e)
		if d == nil {
			if c.winter != "" {
				t.Errorf("%s: not read", name)
			}
			continue
		}
		loc, err := d.Location()
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		winter, summer := utc("2026-01-15T12:00:00Z").In(loc).Format("15:04"), utc("2026-07-15T12:00:00Z").In(loc).Format("15:04")
		if winter != c.winter || summer != c.summer {
			t.Errorf("%s: noon is %s in January and %s in July, want %s and %s", name, winter, summer, c.winter, c.summer)
		}
	}
	if serializableZone(nil) != nil {
		t.Error("no zone is one")
	}
}
