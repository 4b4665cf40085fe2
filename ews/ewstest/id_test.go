package ewstest

import (
	"encoding/base64"
	"encoding/hex"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestIds(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		r := ref{folder: rapid.Uint32().Draw(t, "folder"), item: rapid.Uint64Range(0, 1<<48-1).Draw(t, "item")}
		copy(r.mailbox[:], rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "mailbox"))
		if r.item != 0 && rapid.Bool().Draw(t, "occurrence") {
			r.original = time.Unix(rapid.Int64Range(-1e9, 7e10).Draw(t, "original"), 0).UTC()
		}
		id := r.encode()
		if got, ok := decodeID(id); !ok || got != r {
			t.Fatalf("%+v -> %s -> %+v", r, id, got)
		}
		if !strings.HasPrefix(id, "AAMk") {
			t.Fatalf("an id begins with %.4s", id)
		}
		bent := []byte(id)
		i := rapid.IntRange(0, len(bent)-1).Draw(t, "at")
		bent[i] = 'A' + (bent[i]+1)%26
		decodeID(string(bent)) // must not do harm
		decodeID(id[:i])
	})
	for _, bad := range []string{"", "AAMk", "!", strings.Repeat("A", 152), base64.StdEncoding.EncodeToString(make([]byte, 113))} {
		if _, ok := decodeID(bad); ok {
			t.Errorf("%q is an id", bad)
		}
	}
	item, folder := ref{folder: 4, item: 1}.encode(), ref{folder: 4}.encode()
	if len(item) != 152 || len(folder) != 120 {
		t.Errorf("ids of %d and %d characters, real ones have 152 and 120", len(item), len(folder))
	}
}

func TestChangeKeys(t *testing.T) {
	t.Parallel()
	key := changeKey(kindCalendar, guid{1}, 1<<40+7)
	if cn, ok := changeNumber(key); !ok || cn != 1<<40+7 || !strings.HasPrefix(key, "DwAAABYAAA") {
		t.Errorf("%s reads %d", key, cn)
	}
	for _, bad := range []string{"", "DwAAAA==", "!", key[:20]} {
		if _, ok := changeNumber(bad); ok {
			t.Errorf("%q names a version", bad)
		}
	}
	if shortKey(kindCalendar) != "DwAAAA==" || shortKey(kindFolder) != "AQAAAA==" || shortKey(kindMessage) != "CQAAAA==" {
		t.Error("short keys look different")
	}
}

func TestGlobalObjectIds(t *testing.T) {
	t.Parallel()
	// The layout of [MS-OXOCAL] 2.2.1.27, and of a foreign UID in 2.2.1.28.
	for uid, want := range map[string]string{
		"uid-1": "040000008200e00074c5b7101a82e008" + "00000000" + "0000000000000000" + "0000000000000000" + "12000000" + "7643616c2d556964" + "01000000" + "7569642d31" + "00",
		"040000008200E00074C5B7101A82E00807EA0B1780000000000000000000000000000000" + "02000000" + "ABCD": "040000008200e00074c5b7101a82e0080000000080000000000000000000000000000000" + "02000000" + "abcd",
	} {
		if got := hex.EncodeToString(cleanGOID(uid)); got != want {
			t.Errorf("%s:\n got %s\nwant %s", uid, got, want)
		}
	}
	uid := newUID(noon, guid{0xab}, 7)
	if len(uid) != 112 || uid != strings.ToUpper(uid) || strings.ToUpper(hex.EncodeToString(cleanGOID(uid))) != uid {
		t.Errorf("a new UID is %s", uid)
	}
	if b := goid(uid, time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC)); hex.EncodeToString(b[16:20]) != "07ea0c01" {
		t.Errorf("an occurrence has the date %x", b[16:20])
	}
	if filetime(time.Date(1601, 1, 1, 0, 0, 0, 0, time.UTC).Add(time.Second)) == 0 || filetime(time.Unix(0, 0)) != 116444736000000000 {
		t.Error("FILETIME is off")
	}
}

func TestConvertId(t *testing.T) {
	t.Parallel()
	r := newRig(t, Options{})
	id := r.create(user1, "SendToNone", tomorrow).Attr("Id")
	convert := func(from, id, to, mailbox string) string {
		return `<m:ConvertId DestinationFormat="` + to + `"><m:SourceIds><t:AlternateId Format="` + from + `" Id="` + id + `" Mailbox="` + mailbox + `"/></m:SourceIds></m:ConvertId>`
	}
	for _, format := range []string{"EntryId", "HexEntryId", "StoreId", "OwaId", "EwsLegacyId", "EwsId"} {
		there := r.ok("", convert("EwsId", id, format, "blah@blah.com")).Child("AlternateId")
		if there.Attr("Mailbox") != user1 || there.Attr("Format") != format {
			t.Errorf("%s: %v; the mailbox is the true one", format, there.Attrs)
		}
		back := r.ok("", convert(format, there.Attr("Id"), "EwsId", "x")).Child("AlternateId")
		if back.Attr("Id") != id {
			t.Errorf("%s and back: %s", format, back.Attr("Id"))
		}
	}
	for body, want := range map[string]string{
		convert("EwsId", "DUMMY", "EntryId", "DUMMY"):                         "ErrorInvalidIdMalformed",
		convert("EwsId", id, "EntryId", ""):                                   "ErrorInvalidIdMalformed",
		convert("HexEntryId", "zz", "EwsId", "x"):                             "ErrorInvalidIdMalformed",
		convert("EwsId", id, "Base64", "x"):                                   "ErrorSchemaValidation",
		convert("Base64", id, "EwsId", "x"):                                   "ErrorSchemaValidation",
		`<m:ConvertId DestinationFormat="EwsId"><m:SourceIds/></m:ConvertId>`: "ErrorSchemaValidation",
	} {
		if got := r.code("", body); got != want {
			t.Errorf("%s: %s, want %s", body, got, want)
		}
	}
}

func TestSubscriptionIdsNameTheServer(t *testing.T) {
	t.Parallel()
	r := newRig(t, Options{Host: "mail7.example.com"})
	id := r.subscribe(user1, calendarOnly)
	if host, ok := decodeSubscription(id); !ok || host != "mail7.example.com" {
		t.Errorf("%s names %q", id, host)
	}
	if _, ok := decodeSubscription("//8="); ok {
		t.Error("two bytes are an id")
	}
}

func TestTimeZones(t *testing.T) {
	t.Parallel()
	z := &zones{}
	for _, w := range windowsZones {
		if _, err := time.LoadLocation(w.iana); err != nil {
			t.Errorf("%s: %v", w.id, err)
		}
		if loc := z.location(w.id); loc == time.UTC && w.id != "UTC" {
			t.Errorf("%s is UTC", w.id)
		}
	}
	for id, want := range map[string]string{"": "UTC", "Asia/Tokyo": "Asia/Tokyo", "tokyo standard time": "Asia/Tokyo", "Customized Time Zone": "UTC", "Local": "UTC", "../etc/passwd": "UTC"} {
		if got := z.location(id).String(); got != want {
			t.Errorf("%q is %s, want %s", id, got, want)
		}
	}
	r := newRig(t, Options{})
	m := r.ok("", `<m:GetServerTimeZones ReturnFullTimeZoneData="true"><m:Ids><t:Id>W. Europe Standard Time</t:Id><t:Id>India Standard Time</t:Id><t:Id>Newfoundland Standard Time</t:Id></m:Ids></m:GetServerTimeZones>`)
	var got []string
	for d := range m.Child("TimeZoneDefinitions").All("TimeZoneDefinition") {
		var biases []string
		for p := range d.Child("Periods").All("Period") {
			biases = append(biases, p.Attr("Bias"))
		}
		got = append(got, d.Attr("Name")+" "+strings.Join(biases, " "))
	}
	want := []string{"(UTC-03:30) Newfoundland Standard Time PT3H30M PT2H30M", "(UTC+01:00) W. Europe Standard Time -PT1H -PT2H", "(UTC+05:30) India Standard Time -PT5H30M"}
	if !slices.Equal(got, want) {
		t.Errorf("\n got %q\nwant %q", got, want)
	}
	berlin := slices.Collect(m.Child("TimeZoneDefinitions").All("TimeZoneDefinition"))[1]
	change := slices.Collect(berlin.Find("TransitionsGroups", "TransitionsGroup").All("RecurringDayTransition"))
	if len(change) != 2 || change[0].Value("Month") != "3" || change[0].Value("Occurrence") != "-1" || change[0].Value("DayOfWeek") != "Sunday" || change[0].Value("TimeOffset") != "PT2H" || change[1].Value("TimeOffset") != "PT3H" {
		t.Errorf("Berlin changes by %v", change)
	}
	all := r.ok("", `<m:GetServerTimeZones ReturnFullTimeZoneData="false"/>`)
	if n := len(all.Child("TimeZoneDefinitions").Children); n != len(windowsZones) {
		t.Errorf("%d zones", n)
	}
	if got := r.code("", `<m:GetServerTimeZones ReturnFullTimeZoneData="perhaps"/>`); got != "ErrorSchemaValidation" {
		t.Errorf("code %s", got)
	}
}

func TestTimeZoneContext(t *testing.T) {
	t.Parallel()
	r := newRig(t, Options{})
	doc := strings.Replace(envelope(user1, createMeeting("SendToNone", `<t:Start>2026-11-24T10:00:00</t:Start><t:End>2026-11-24T11:00:00</t:End>`)), "<t:ExchangeImpersonation>",
		`<t:TimeZoneContext><t:TimeZoneDefinition Id="Tokyo Standard Time"/></t:TimeZoneContext><t:MailboxCulture>ja-JP</t:MailboxCulture><t:ExchangeImpersonation>`, 1)
	if a := r.send(svc, "password", doc); a.status != 200 {
		t.Fatalf("%s", a.raw)
	}
	it := r.s.Calendar(user1)[0]
	if !it.Start.Equal(time.Date(2026, 11, 24, 1, 0, 0, 0, time.UTC)) || it.Culture != "ja-JP" {
		t.Errorf("start %v, culture %s", it.Start, it.Culture)
	}
	get := strings.Replace(envelope(user1, getItem(it.ID, "calendar:Start")), "<t:ExchangeImpersonation>", `<t:TimeZoneContext><t:TimeZoneDefinition Id="Tokyo Standard Time"/></t:TimeZoneContext><t:ExchangeImpersonation>`, 1)
	a := r.send(svc, "password", get)
	got, _ := itemOf(a.body.Find("ResponseMessages", "GetItemResponseMessage"))
	if got.Value("Start") != "2026-11-24T10:00:00+09:00" {
		t.Errorf("with the context: %s", got.Value("Start"))
	}
	if got := r.get(user1, it.ID, "calendar:Start").Value("Start"); got != "2026-11-24T01:00:00Z" {
		t.Errorf("without: %s", got)
	}
}
