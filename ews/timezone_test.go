package ews

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/koyomi-cal/koyomi/ews/internal/wire"
)

func TestLoadZone(t *testing.T) {
	t.Parallel()
	for id, want := range map[string]string{
		"Tokyo Standard Time": "Asia/Tokyo", "tokyo standard time": "Asia/Tokyo", " W. Europe Standard Time ": "Europe/Berlin",
		"Asia/Tokyo": "Asia/Tokyo", "europe/berlin": "Europe/Berlin", "Asia/Calcutta": "Asia/Calcutta", "US/Pacific": "US/Pacific", "America/Indianapolis": "America/Indianapolis",
		"UTC": "UTC", "tzone://Microsoft/Utc": "UTC", "Etc/UTC": "UTC", "Antarctica/Troll": "Antarctica/Troll", "UTC-11": "Etc/GMT+11",
		// Names as Windows displays them, of several versions.
		"(UTC+01:00) Amsterdam, Berlin, Bern, Rome, Stockholm, Vienna":  "Europe/Berlin",
		"(GMT+01:00) Amsterdam, Berlin, Bern, Rome, Stockholm, Vienna":  "Europe/Berlin",
		"(UTC+01:00) Amsterdam, Berlin, Bern, Rom, Stockholm, Wien":     "Europe/Berlin",
		"(UTC+01:00) Amsterdam, Berlin, Berne, Rome, Stockholm, Vienne": "Europe/Berlin",
		"(UTC+01:00) アムステルダム、ベルリン、ベルン、ローマ、ストックホルム、ウィーン":                 "Europe/Berlin",
		"(UTC+01:00) Brussels, Copenhagen, Madrid, Paris":               "Europe/Paris",
		"(UTC+01:00) Brüssel, Kopenhagen, Madrid, Paris":                "Europe/Paris",
		"(UTC-08:00) Pacific Time (US & Canada)":                        "America/Los_Angeles",
		"(UTC-08:00) 太平洋標準時 (米国およびカナダ)":                                 "America/Los_Angeles",
		"(UTC-05:00) Eastern Time (US & Canada)":                        "America/New_York",
		"(UTC+09:00) Osaka, Sapporo, Tokyo":                             "Asia/Tokyo",
		"(UTC+09:00) 大阪、札幌、東京":                                          "Asia/Tokyo",
		"東京 (標準時)":                                                      "Asia/Tokyo",
		"(UTC+04:00) Moscow, St. Petersburg, Volgograd":                 "Europe/Moscow", // the offset of an old Windows
		"(UTC) Dublin, Edinburgh, Lisbon, London":                       "Europe/London",
		"(UTC) Coordinated Universal Time":                              "UTC",
		"(UTC-06:00) Guadalajara, Mexico City, Monterrey":               "America/Mexico_City",
		"(UTC+06:30) Yangon (Rangoon)":                                  "Asia/Yangon",
		"(UTC-03:00) City of Buenos Aires":                              "America/Argentina/Buenos_Aires",
		"Mitteleuropäische Zeit":                                        "Europe/Berlin", "Westeuropäische Normalzeit": "Europe/Berlin",
		"Paris, Madrid": "Europe/Paris",
		// An offset is the last resort.
		"(UTC+05:45) Nirgendwo": "", "UTC+09:00": "", "GMT-0500": "",
	} {
		loc, err := LoadZone(id)
		if err != nil {
			t.Errorf("%q: %v", id, err)
		} else if loc.String() != want {
			t.Errorf("%q is %s, not %s", id, loc, want)
		}
	}
	for id, want := range map[string]string{"(UTC+05:45) Nirgendwo": "+05:45", "UTC+09:00": "+09:00", "GMT-0500": "-05:00", "-03:30": "-03:30", "(UTC-02:00) Customized Time Zone": "-02:00"} {
		if loc, err := LoadZone(id); err != nil || nineIn(loc) != want {
			t.Errorf("%q: %v, %v", id, loc, err)
		}
	}
	for _, id := range []string{"", "tzone://Microsoft/Custom", "Customized Time Zone", "Local", "local", "../../etc/passwd", "Nowhere/None", "(UTC", "UTC+99:00", "+", strings.Repeat("x", 1000)} {
		if loc, err := LoadZone(id); err == nil {
			t.Errorf("%.40q is %s", id, loc)
		}
	}
}

func nineIn(loc *time.Location) string {
	return time.Date(2026, 7, 1, 9, 0, 0, 0, loc).Format("-07:00")
}

func TestZoneNames(t *testing.T) {
	t.Parallel()
	for iana, want := range map[string]string{"Europe/Berlin": "W. Europe Standard Time", "europe/busingen": "W. Europe Standard Time", "Asia/Calcutta": "India Standard Time", "Asia/Kolkata": "India Standard Time", "America/Nuuk": "Greenland Standard Time", "America/Godthab": "Greenland Standard Time"} {
		if got, ok := WindowsZone(iana); !ok || got != want {
			t.Errorf("%s: %q", iana, got)
		}
	}
	if id, ok := WindowsZone("Antarctica/Troll"); ok {
		t.Errorf("Troll is in %q, which keeps other hours", id)
	}
	if name, ok := IANAZone("india standard time"); !ok || name != "Asia/Kolkata" {
		t.Errorf("India: %s", name)
	}
}

// TestZonesAgainstGo holds the table against the one of Go's own time package,
// which was made by other people from another file of the same source. Where
// two names differ, the zones must keep the same hours.
func TestZonesAgainstGo(t *testing.T) {
	t.Parallel()
	root, err := exec.CommandContext(t.Context(), "go", "env", "GOROOT").Output()
	if err != nil {
		t.Fatalf("Go says not where its sources are: %v", err)
	}
	f, err := os.Open(filepath.Join(strings.TrimSpace(string(root)), "src", "time", "zoneinfo_abbrs_windows.go"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	row := regexp.MustCompile(`^\t"([^"]+)": +\{.*// (\S+)`)
	n := 0
	for s := bufio.NewScanner(f); s.Scan(); {
		m := row.FindStringSubmatch(s.Text())
		if m == nil {
			continue
		}
		n++
		name, ok := IANAZone(m[1])
		if !ok {
			t.Errorf("%q is missing", m[1])
			continue
		}
		if diff := hoursDiffer(t, name, m[2]); diff != "" {
			t.Errorf("%s: %s and %s differ at %s", m[1], name, m[2], diff)
		}
	}
	if n < 130 {
		t.Errorf("%d zones were compared", n)
	}
}

// hoursDiffer returns when two zones show another time in the years that
// calendars look at.
func hoursDiffer(t *testing.T, a, b string) string {
	t.Helper()
	la, err := time.LoadLocation(a)
	if err != nil {
		t.Fatal(err)
	}
	lb, err := time.LoadLocation(b)
	if err != nil {
		t.Fatal(err)
	}
	for at := time.Date(2025, 6, 1, 0, 30, 0, 0, time.UTC); at.Year() < 2030; at = at.Add(6 * time.Hour) {
		if _, oa := at.In(la).Zone(); at.In(lb).Format("-07:00") != time.Unix(0, 0).In(time.FixedZone("", oa)).Format("-07:00") {
			return at.String()
		}
	}
	return ""
}

// westEurope is a definition as a server gives it ([MS-OXWSGTZ] 4.1).
const westEurope = `<StartTimeZone Id="tzone://Microsoft/Custom" Name="Custom">` +
	`<Periods><Period Bias="-PT60M" Name="Standard" Id="std"/><Period Bias="-PT2H" Name="Daylight" Id="dlt"/></Periods>` +
	`<TransitionsGroups><TransitionsGroup Id="0">` +
	`<RecurringDayTransition><To Kind="Period">dlt</To><TimeOffset>PT2H</TimeOffset><Month>3</Month><DayOfWeek>Sunday</DayOfWeek><Occurrence>-1</Occurrence></RecurringDayTransition>` +
	`<RecurringDayTransition><To Kind="Period">std</To><TimeOffset>PT3H</TimeOffset><Month>10</Month><DayOfWeek>Sunday</DayOfWeek><Occurrence>-1</Occurrence></RecurringDayTransition>` +
	`</TransitionsGroup></TransitionsGroups><Transitions><Transition><To Kind="Group">0</To></Transition></Transitions></StartTimeZone>`

// unitedStates changed its rules in 2007 and is at home on the other side.
const unitedStates = `<StartTimeZone Id="Eastern" Name="E">` +
	`<Periods><Period Bias="PT5H" Name="Standard" Id="s"/><Period Bias="PT240M" Name="Daylight" Id="d"/></Periods><TransitionsGroups>` +
	`<TransitionsGroup Id="old"><RecurringDayTransition><To Kind="Period">d</To><TimeOffset>PT2H</TimeOffset><Month>4</Month><DayOfWeek>Sunday</DayOfWeek><Occurrence>1</Occurrence></RecurringDayTransition>` +
	`<RecurringDayTransition><To Kind="Period">s</To><TimeOffset>PT2H</TimeOffset><Month>10</Month><DayOfWeek>Sunday</DayOfWeek><Occurrence>-1</Occurrence></RecurringDayTransition></TransitionsGroup>` +
	`<TransitionsGroup Id="new"><RecurringDayTransition><To Kind="Period">d</To><TimeOffset>PT2H</TimeOffset><Month>3</Month><DayOfWeek>Sunday</DayOfWeek><Occurrence>2</Occurrence></RecurringDayTransition>` +
	`<RecurringDayTransition><To Kind="Period">s</To><TimeOffset>PT2H</TimeOffset><Month>11</Month><DayOfWeek>Sunday</DayOfWeek><Occurrence>1</Occurrence></RecurringDayTransition></TransitionsGroup>` +
	`</TransitionsGroups><Transitions><Transition><To Kind="Group">old</To></Transition>` +
	`<AbsoluteDateTransition><To Kind="Group">new</To><DateTime>2007-01-01T00:00:00</DateTime></AbsoluteDateTransition></Transitions></StartTimeZone>`

// sydney has daylight time over the turn of the year.
const sydney = `<StartTimeZone Id="x" Name="x"><Periods><Period Bias="-PT10H" Id="s"/><Period Bias="-PT11H" Id="d"/></Periods><TransitionsGroups><TransitionsGroup Id="g">` +
	`<RecurringDayTransition><To Kind="Period">d</To><TimeOffset>PT2H</TimeOffset><Month>10</Month><DayOfWeek>Sunday</DayOfWeek><Occurrence>1</Occurrence></RecurringDayTransition>` +
	`<RecurringDayTransition><To Kind="Period">s</To><TimeOffset>PT3H</TimeOffset><Month>4</Month><DayOfWeek>Sunday</DayOfWeek><Occurrence>1</Occurrence></RecurringDayTransition>` +
	`</TransitionsGroup></TransitionsGroups><Transitions><Transition><To Kind="Group">g</To></Transition></Transitions></StartTimeZone>`

func defined(t testing.TB, doc string) *ZoneDefinition {
	t.Helper()
	e, err := wire.Parse([]byte(doc), wire.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	return zoneDefinition(e)
}

// TestDefinitions: the zone that is made of rules keeps the hours of the zone
// of IANA that they describe, to the second.
func TestDefinitions(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		doc, like string
		from, to  int
	}{{westEurope, "Europe/Berlin", 1997, 2035}, {unitedStates, "America/New_York", 1988, 2035}, {sydney, "Australia/Sydney", 2009, 2035}} {
		loc, err := defined(t, c.doc).Location()
		if err != nil {
			t.Fatal(err)
		}
		like, err := time.LoadLocation(c.like)
		if err != nil {
			t.Fatal(err)
		}
		for at := time.Date(c.from, 1, 1, 0, 0, 0, 0, time.UTC); at.Year() < c.to; at = at.Add(time.Hour) {
			for _, u := range []time.Time{at, at.Add(-time.Second)} {
				_, got := u.In(loc).Zone()
				if _, want := u.In(like).Zone(); got != want {
					t.Fatalf("%s at %v: %d, not %d", c.like, u, got, want)
				}
			}
		}
		if y := time.Date(2199, 7, 1, 0, 0, 0, 0, time.UTC); y.In(loc).Format("-07:00") != y.In(like).Format("-07:00") {
			t.Errorf("%s in 2199: %v", c.like, y.In(loc))
		}
	}
}

func TestDefinitionsThatCannotBe(t *testing.T) {
	t.Parallel()
	head := `<StartTimeZone Id="x" Name="x"><Periods><Period Bias="PT5H" Id="s"/></Periods>`
	for name, doc := range map[string]string{
		"an id only":       `<StartTimeZone Id="x" Name="x"/>`,
		"a bias of a week": `<StartTimeZone Id="x"><Periods><Period Bias="P7D" Id="s"/></Periods></StartTimeZone>`,
		"a bad bias":       `<StartTimeZone Id="x"><Periods><Period Bias="5 hours" Id="s"/></Periods></StartTimeZone>`,
		"month 13":         head + `<TransitionsGroups><TransitionsGroup Id="g"><RecurringDateTransition><To Kind="Period">s</To><TimeOffset>PT2H</TimeOffset><Month>13</Month><Day>1</Day></RecurringDateTransition></TransitionsGroup></TransitionsGroups></StartTimeZone>`,
		"no date":          head + `<Transitions><AbsoluteDateTransition><To Kind="Period">s</To></AbsoluteDateTransition></Transitions></StartTimeZone>`,
	} {
		if d := defined(t, doc); d != nil {
			t.Errorf("%s: %+v", name, d)
		}
	}
	for name, doc := range map[string]string{
		"no rules":        head + `</StartTimeZone>`,
		"unknown group":   head + `<Transitions><Transition><To Kind="Group">9</To></Transition></Transitions></StartTimeZone>`,
		"unknown period":  head + `<Transitions><Transition><To Kind="Period">9</To></Transition></Transitions></StartTimeZone>`,
		"an empty group":  head + `<TransitionsGroups><TransitionsGroup Id="g"/></TransitionsGroups></StartTimeZone>`,
		"too many groups": head + `<TransitionsGroups>` + strings.Repeat(`<TransitionsGroup Id="g"/>`, 511) + `</TransitionsGroups></StartTimeZone>`,
	} {
		d := defined(t, doc)
		if d == nil {
			t.Fatalf("%s could not be read", name)
		}
		if loc, err := d.Location(); err == nil {
			t.Errorf("%s: %v", name, loc)
		}
	}
	fixed := defined(t, head+`<Transitions><Transition><To Kind="Period">s</To></Transition></Transitions></StartTimeZone>`)
	if loc, err := fixed.Location(); err != nil || nineIn(loc) != "-05:00" {
		t.Errorf("no daylight time: %v, %v", loc, err)
	}
	dated := defined(t, strings.Replace(head, `</Periods>`, `<Period Bias="PT4H" Id="d"/></Periods>`, 1)+`<TransitionsGroups><TransitionsGroup Id="g">`+
		`<RecurringDateTransition><To Kind="Period">d</To><TimeOffset>PT0S</TimeOffset><Month>5</Month><Day>15</Day></RecurringDateTransition>`+
		`<RecurringDateTransition><To Kind="Period">s</To><TimeOffset>PT24H</TimeOffset><Month>9</Month><Day>15</Day></RecurringDateTransition></TransitionsGroup></TransitionsGroups></StartTimeZone>`)
	loc, err := dated.Location()
	if err != nil || nineIn(loc) != "-04:00" || time.Date(2026, 9, 15, 12, 0, 0, 0, loc).Format("-07:00") != "-04:00" || time.Date(2026, 9, 16, 12, 0, 0, 0, loc).Format("-07:00") != "-05:00" {
		t.Errorf("by date, and with no transitions beside the only group: %v, %v", loc, err)
	}
}

// TestZoneOfAnItem: the order in which an item's zone is looked for.
func TestZoneOfAnItem(t *testing.T) {
	t.Parallel()
	wall := time.Date(2026, 7, 1, 9, 0, 0, 0, time.FixedZone("", 5*3600+45*60))
	rules := defined(t, westEurope)
	broken := &ZoneDefinition{}
	for _, c := range []struct {
		name  string
		it    CalendarItem
		want  string
		exact bool
	}{
		{"id before rules", CalendarItem{StartTimeZone: "Tokyo Standard Time", StartZone: rules, StartWall: wall}, "+09:00", true},
		{"rules of a custom zone", CalendarItem{StartTimeZone: "tzone://Microsoft/Custom", StartZone: rules, StartWall: wall}, "+02:00", true},
		{"rules of a customized one", CalendarItem{StartTimeZone: "(UTC+05:00) Customized Time Zone", StartZone: rules, StartWall: wall}, "+02:00", true},
		{"a display name before rules", CalendarItem{StartTimeZone: "(UTC+09:00) Osaka, Sapporo, Tokyo", StartZone: rules}, "+09:00", true},
		{"wall clock", CalendarItem{StartTimeZone: "Customized Time Zone", StartZone: broken, StartWall: wall}, "+05:45", false},
		{"wall clock before the offset in a name", CalendarItem{StartTimeZone: "(UTC+01:00) Irgendwo", StartWall: wall}, "+05:45", false},
		{"offset in a name", CalendarItem{StartTimeZone: "(UTC+01:00) Irgendwo"}, "+01:00", false},
		{"empty", CalendarItem{StartWall: wall}, "+05:45", false},
		{"nothing", CalendarItem{}, "+00:00", false},
	} {
		loc, exact := c.it.Zone()
		if nineIn(loc) != c.want || exact != c.exact {
			t.Errorf("%s: %s, %v", c.name, nineIn(loc), exact)
		}
	}
}

// TestDatesOfAllDayEvents: they are midnights in the zone where they were made,
// and their dates in UTC are wrong on both sides of Greenwich.
func TestDatesOfAllDayEvents(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, zone, start, end, wall string
		want                         string
	}{
		{"Tokyo", "Tokyo Standard Time", "2026-11-22T15:00:00Z", "2026-11-23T15:00:00Z", "", "2026-11-23 2026-11-23"},
		{"Tokyo, by its clock", "?", "2026-11-22T15:00:00Z", "2026-11-24T15:00:00Z", "2026-11-23T00:00:00+09:00", "2026-11-23 2026-11-24"},
		{"Los Angeles", "Pacific Standard Time", "2026-11-23T08:00:00Z", "2026-11-24T08:00:00Z", "", "2026-11-23 2026-11-23"},
		{"Kiritimati", "Line Islands Standard Time", "2026-11-22T10:00:00Z", "2026-11-23T10:00:00Z", "", "2026-11-23 2026-11-23"},
		{"unknown, east", "", "2026-11-22T15:00:00Z", "2026-11-23T15:00:00Z", "", "2026-11-23 2026-11-23"},
		{"unknown, west", "", "2026-11-23T08:00:00Z", "2026-11-25T08:00:00Z", "", "2026-11-23 2026-11-24"},
		{"over a change of daylight time", "W. Europe Standard Time", "2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z", "", "2026-10-25 2026-10-25"},
		{"the same by its clock", "", "2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z", "2026-10-25T00:00:00+02:00", "2026-10-25 2026-10-25"},
		{"the end before the start", "UTC", "2026-11-23T00:00:00Z", "2026-11-23T00:00:00Z", "", "2026-11-23 2026-11-23"},
	} {
		it := CalendarItem{IsAllDay: true, StartTimeZone: c.zone, Start: parseTime(c.start), End: parseTime(c.end), StartWall: parseTime(c.wall)}
		first, last := it.Dates()
		if got := first.Format(time.DateOnly) + " " + last.Format(time.DateOnly); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}

func TestDurations(t *testing.T) {
	t.Parallel()
	for s, want := range map[string]time.Duration{"PT0S": 0, "-PT60M": -time.Hour, "PT5H30M": 330 * time.Minute, "P1DT2H": 26 * time.Hour, "PT0.5S": time.Second / 2, "P0D": 0} {
		if got, ok := isoDuration(s); !ok || got != want {
			t.Errorf("%s: %v, %v", s, got, ok)
		}
	}
	for _, s := range []string{"", "P", "PT", "60", "PT1", "P1H", "PT1Y", "PTM", "PT99999999999999H", "P-1D", "PT1.2.3S"} {
		if got, ok := isoDuration(s); ok && s != "PT" {
			t.Errorf("%q: %v", s, got)
		}
	}
}

func FuzzZone(f *testing.F) {
	for _, id := range []string{"Tokyo Standard Time", "(UTC+01:00) Amsterdam, Berlin", "tzone://Microsoft/Custom", "UTC+09:00", "Europe/Berlin", "(UTC", "東京"} {
		f.Add(id)
	}
	f.Fuzz(func(t *testing.T, id string) {
		loc, err := LoadZone(id)
		if (loc == nil) == (err == nil) {
			t.Errorf("%v and %v", loc, err)
		}
		if loc == time.Local {
			t.Error("the zone of this machine is nobody's")
		}
		it := CalendarItem{StartTimeZone: id, Start: time.Unix(0, 0), End: time.Unix(86400, 0)}
		if loc, _ := it.Zone(); loc == nil {
			t.Error("an item without a zone")
		}
		it.Dates()
	})
}

func FuzzZoneDefinition(f *testing.F) {
	for _, doc := range []string{westEurope, unitedStates, sydney} {
		f.Add([]byte(doc))
	}
	f.Fuzz(func(t *testing.T, doc []byte) {
		e, err := wire.Parse(doc, wire.Limits{})
		if err != nil {
			return
		}
		d := zoneDefinition(e)
		if d == nil {
			return
		}
		loc, err := d.Location()
		if err != nil {
			return
		}
		for year := 1960; year < 2220; year += 13 {
			at := time.Date(year, 7, 1, 0, 0, 0, 0, time.UTC)
			if _, offset := at.In(loc).Zone(); offset > 86400 || offset < -86400 {
				t.Errorf("an offset of %d", offset)
			}
		}
	})
}
