package ewstest

import (
	"strings"
	"testing"
	"time"
)

// berlinRules defines the zone of Berlin under a name that nobody knows.
const berlinRules = `<t:StartTimeZone Id="tzone://Microsoft/Custom" Name="Custom">` +
	`<t:Periods><t:Period Bias="-PT60M" Name="Standard" Id="std"/><t:Period Bias="-PT2H" Name="Daylight" Id="dlt"/></t:Periods><t:TransitionsGroups><t:TransitionsGroup Id="0">` +
	`<t:RecurringDayTransition><t:To Kind="Period">dlt</t:To><t:TimeOffset>PT2H</t:TimeOffset><t:Month>3</t:Month><t:DayOfWeek>Sunday</t:DayOfWeek><t:Occurrence>-1</t:Occurrence></t:RecurringDayTransition>` +
	`<t:RecurringDayTransition><t:To Kind="Period">std</t:To><t:TimeOffset>PT3H</t:TimeOffset><t:Month>10</t:Month><t:DayOfWeek>Sunday</t:DayOfWeek><t:Occurrence>-1</t:Occurrence></t:RecurringDayTransition>` +
	`</t:TransitionsGroup></t:TransitionsGroups><t:Transitions><t:Transition><t:To Kind="Group">0</t:To></t:Transition></t:Transitions></t:StartTimeZone>`

// TestZoneOfItsOwn: a series in a zone that only its rules describe keeps the
// clock of these rules, and answers give the id that was given and the rules.
func TestZoneOfItsOwn(t *testing.T) {
	t.Parallel()
	r := newRig(t, Options{})
	const daily = `<t:Recurrence><t:DailyRecurrence><t:Interval>1</t:Interval></t:DailyRecurrence><t:NumberedRecurrence><t:StartDate>2027-03-27</t:StartDate><t:NumberOfOccurrences>3</t:NumberOfOccurrences></t:NumberedRecurrence></t:Recurrence>`
	id := r.create(user1, "SendToNone", `<t:Start>2027-03-27T09:00:00</t:Start><t:End>2027-03-27T10:00:00</t:End>`+daily+berlinRules)
	var got []string
	for _, it := range r.s.View(user1, noon, noon.AddDate(1, 0, 0)) {
		got = append(got, it.Start.Format("2T15"))
	}
	if s := strings.Join(got, " "); s != "27T08 28T07 29T07" {
		t.Errorf("shown at %s", s)
	}
	it := r.get(user1, id.Attr("Id"), `<t:FieldURI FieldURI="calendar:StartTimeZone"/>`, `<t:FieldURI FieldURI="calendar:StartTimeZoneId"/>`, `<t:FieldURI FieldURI="calendar:StartWallClock"/>`)
	zone := it.Child("StartTimeZone")
	if it.Value("StartTimeZoneId") != "tzone://Microsoft/Custom" || zone.Attr("Id") != "tzone://Microsoft/Custom" || it.Value("StartWallClock") != "2027-03-27T09:00:00+01:00" {
		t.Errorf("%q %q %q", it.Value("StartTimeZoneId"), zone.Attr("Id"), it.Value("StartWallClock"))
	}
	n := 0
	for range zone.Find("TransitionsGroups", "TransitionsGroup").All("RecurringDayTransition") {
		n++
	}
	if n != 2 {
		t.Errorf("%d changes of the clock in a year", n)
	}
}

func TestPosixZones(t *testing.T) {
	t.Parallel()
	for rules, like := range map[string]string{"<S>-1:00<D>-2:00,M3.5.0/2:00,M10.5.0/3:00": "Europe/Berlin", "<S>5:00<D>4:00,M3.2.0/2:00,M11.1.0/2:00": "America/New_York", "<S>-9:00": "Asia/Tokyo"} {
		loc := posixZone(rules)
		want, err := time.LoadLocation(like)
		if loc == nil || err != nil {
			t.Fatalf("%s: %v %v", rules, loc, err)
		}
		for at := time.Date(2010, 1, 1, 0, 30, 0, 0, time.UTC); at.Year() < 2040; at = at.Add(7 * time.Hour) {
			if a, b := at.In(loc).Format("-07:00"), at.In(want).Format("-07:00"); a != b {
				t.Fatalf("%s at %v: %s, not %s", like, at, a, b)
			}
		}
	}
	if shownZone("") != "UTC" || shownZone("x#y") != "x" || findZone("x#nonsense,") == nil {
		t.Error("names of zones")
	}
}
