package ews

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	_ "time/tzdata" // servers and containers without a zone database exist
)

// zoneName is a row of a table of zones in zones_gen.go.
type zoneName struct{ from, to string }

// find looks a name up without regard to case.
func find(table []zoneName, name string) (zoneName, bool) {
	name = strings.ToLower(name)
	i, found := slices.BinarySearchFunc(table, name, func(z zoneName, name string) int {
		return cmp.Compare(strings.ToLower(z.from), name)
	})
	if !found {
		return zoneName{}, false
	}
	return table[i], true
}

// longestZone bounds the ids that are looked at.
const longestZone = 256

// LoadZone returns the time zone that an id of a calendar item names. Beside
// the ids of Windows ("W. Europe Standard Time") and of IANA, in any case, it
// knows what is met in the wild: "tzone://Microsoft/Utc", the names that
// Windows displays, of which the cities or a few well-known words are enough,
// also in German, French and Japanese, and as a last resort an offset such as
// in "(UTC+05:45) …", which says nothing of daylight time.
//
// An id that stands for "whatever the definition beside it says", such as
// "tzone://Microsoft/Custom", is an error here: see [ZoneDefinition.Location]
// and [CalendarItem.Zone].
func LoadZone(id string) (*time.Location, error) {
	if loc := namedZone(id); loc != nil {
		return loc, nil
	}
	if loc := offsetZone(id); loc != nil {
		return loc, nil
	}
	return nil, fmt.Errorf("time zone %.40q is not known; use its definition or the offset of the item's wall clock", id)
}

// WindowsZone returns the id that Windows has for a zone of IANA, in any case,
// old names included. IANA has zones that are no zone of Windows.
func WindowsZone(iana string) (id string, ok bool) {
	z, ok := find(ianaZones[:], iana)
	return z.to, ok
}

// IANAZone returns the name that IANA has for a zone of Windows, in any case:
// the one that CLDR gives for the whole territory.
func IANAZone(windows string) (name string, ok bool) {
	z, ok := find(windowsZones[:], windows)
	return z.to, ok
}

// namedZone returns the zone that an id names, with its daylight time, or nil.
func namedZone(id string) *time.Location {
	id = strings.TrimSpace(id)
	if id == "" || len(id) > longestZone {
		return nil
	}
	switch strings.ToLower(id) {
	case "utc", "z", "tzone://microsoft/utc", "etc/utc":
		return time.UTC
	case "tzone://microsoft/custom", "local":
		return nil
	}
	if z, ok := find(windowsZones[:], id); ok {
		return load(z.to)
	}
	if z, ok := find(ianaZones[:], id); ok {
		return load(z.from)
	}
	if strings.Contains(id, "/") && !strings.Contains(id, ":") {
		if loc := load(id); loc != nil {
			return loc
		}
	}
	return displayedZone(id)
}

func load(name string) *time.Location {
	loc, err := time.LoadLocation(name)
	if err != nil {
		return nil
	}
	return loc
}

// displayedZone reads the name that Windows displays: an offset in brackets,
// which differs from one version of Windows to the next and is not looked at,
// and then cities or words.
func displayedZone(id string) *time.Location {
	name := id
	if end := strings.IndexByte(name, ')'); end > 0 && name[0] == '(' {
		name = name[end+1:]
	}
	name = plain(name)
	if loc := wordZone(name); loc != nil {
		return loc
	}
	for part := range strings.FieldsFuncSeq(name, func(r rune) bool { return r == ',' || r == ';' || r == '、' || r == '，' }) {
		part = strings.TrimSpace(part)
		if before, _, cut := strings.Cut(part, "("); cut && strings.TrimSpace(before) != "" {
			part = strings.TrimSpace(before)
		}
		if loc := wordZone(part); loc != nil {
			return loc
		}
		if zone := cityZone(part); zone != "" {
			return load(zone)
		}
	}
	return nil
}

func wordZone(words string) *time.Location {
	for _, z := range zoneWords {
		if z.from == words {
			return namedZone(z.to)
		}
	}
	return nil
}

// cityZone returns the zone of a city as far as Windows tells it apart: the
// zone of Berlin is that of all of western Europe.
func cityZone(city string) string {
	for _, z := range ianaZones {
		area, last, ok := strings.Cut(z.from, "/")
		if i := strings.LastIndexByte(last, '/'); i >= 0 {
			last = last[i+1:]
		}
		if !ok || area == "US" || area == "Etc" || len(last) != len(city) || !strings.EqualFold(strings.ReplaceAll(last, "_", " "), city) {
			continue
		}
		iana, _ := IANAZone(z.to)
		return iana
	}
	return ""
}

// plain puts a name into lower case without accents and with plain spaces.
func plain(s string) string {
	s = strings.NewReplacer("é", "e", "è", "e", "ê", "e", "á", "a", "à", "a", "â", "a", "ã", "a", "ä", "a", "ö", "o", "ó", "o", "ô", "o", "õ", "o",
		"ü", "u", "ú", "u", "ù", "u", "í", "i", "î", "i", "ç", "c", "ñ", "n", "ß", "ss", "’", "'", "\u00a0", " ", "\u3000", " ",
		"（", "(", "）", ")").Replace(strings.ToLower(s))
	return strings.Join(strings.Fields(s), " ")
}

// zoneWords are what Windows displays that is neither an id nor a city of
// IANA, in lower case and without accents, by the id of the zone.
var zoneWords = []zoneName{
	{"abu dhabi", "Arabian Standard Time"}, {"alaska", "Alaskan Standard Time"}, {"aleutian islands", "Aleutian Standard Time"},
	{"arizona", "US Mountain Standard Time"}, {"astana", "Central Asia Standard Time"}, {"athen", "GTB Standard Time"},
	{"athenes", "GTB Standard Time"}, {"atlantic time (canada)", "Atlantic Standard Time"}, {"azores", "Azores Standard Time"},
	{"baja california", "Pacific Standard Time (Mexico)"}, {"beijing", "China Standard Time"}, {"bern", "W. Europe Standard Time"},
	{"berne", "W. Europe Standard Time"}, {"bougainville island", "Bougainville Standard Time"}, {"brasilia", "E. South America Standard Time"},
	{"bruessel", "Romance Standard Time"}, {"brussel", "Romance Standard Time"}, {"bruxelles", "Romance Standard Time"},
	{"buenos aires", "Argentina Standard Time"}, {"cape verde is.", "Cape Verde Standard Time"}, {"cabo verde is.", "Cape Verde Standard Time"},
	{"canberra", "AUS Eastern Standard Time"}, {"central america", "Central America Standard Time"},
	{"central time (us & canada)", "Central Standard Time"}, {"chatham islands", "Chatham Islands Standard Time"},
	{"chennai", "India Standard Time"}, {"chokurdakh", "Russia Time Zone 10"}, {"city of buenos aires", "Argentina Standard Time"},
	{"coordinated universal time", "UTC"}, {"coordinated universal time+12", "UTC+12"}, {"coordinated universal time+13", "UTC+13"},
	{"coordinated universal time-02", "UTC-02"}, {"coordinated universal time-08", "UTC-08"}, {"coordinated universal time-09", "UTC-09"},
	{"coordinated universal time-11", "UTC-11"}, {"e. europe", "E. Europe Standard Time"},
	{"easter island", "Easter Island Standard Time"}, {"eastern time (us & canada)", "Eastern Standard Time"},
	{"edimbourg", "GMT Standard Time"}, {"edinburgh", "GMT Standard Time"}, {"ekaterinburg", "Ekaterinburg Standard Time"},
	{"georgetown", "SA Western Standard Time"}, {"greenland", "Greenland Standard Time"}, {"greenwich mean time", "GMT Standard Time"},
	{"guadalajara", "Central Standard Time (Mexico)"}, {"hanoi", "SE Asia Standard Time"}, {"hawaii", "Hawaiian Standard Time"},
	{"indiana (east)", "US Eastern Standard Time"}, {"international date line west", "Dateline Standard Time"}, {"islamabad", "Pakistan Standard Time"},
	{"israel", "Israel Standard Time"}, {"kairo", "Egypt Standard Time"}, {"kiritimati island", "Line Islands Standard Time"},
	{"kopenhagen", "Romance Standard Time"}, {"copenhague", "Romance Standard Time"}, {"le caire", "Egypt Standard Time"},
	{"londres", "GMT Standard Time"}, {"madrid", "Romance Standard Time"}, {"marquesas islands", "Marquesas Standard Time"},
	{"mitteleuropaische normalzeit", "W. Europe Standard Time"}, {"mitteleuropaische zeit", "W. Europe Standard Time"},
	{"moscou", "Russian Standard Time"}, {"moskau", "Russian Standard Time"}, {"mountain time (us & canada)", "Mountain Standard Time"},
	{"mumbai", "India Standard Time"}, {"muscat", "Arabian Standard Time"}, {"new caledonia", "Central Pacific Standard Time"},
	{"new delhi", "India Standard Time"}, {"newfoundland", "Newfoundland Standard Time"}, {"nuku'alofa", "Tonga Standard Time"},
	{"old windhoek", "Namibia Standard Time"}, {"osaka", "Tokyo Standard Time"}, {"pacific time (us & canada)", "Pacific Standard Time"},
	{"pekin", "China Standard Time"}, {"peking", "China Standard Time"}, {"petropavlovsk-kamchatsky", "Russia Time Zone 11"},
	{"port louis", "Mauritius Standard Time"}, {"prag", "Central Europe Standard Time"}, {"pretoria", "South Africa Standard Time"},
	{"rom", "W. Europe Standard Time"}, {"salvador", "Bahia Standard Time"}, {"samoa", "Samoa Standard Time"}, {"sapporo", "Tokyo Standard Time"},
	{"saskatchewan", "Canada Central Standard Time"}, {"solomon is.", "Central Pacific Standard Time"},
	{"sri jayawardenepura", "Sri Lanka Standard Time"}, {"st. petersburg", "Russian Standard Time"}, {"temps universel coordonne", "UTC"},
	{"the azores", "Azores Standard Time"}, {"turks and caicos", "Turks And Caicos Standard Time"}, {"varsovie", "Central European Standard Time"},
	{"vienne", "W. Europe Standard Time"}, {"warschau", "Central European Standard Time"}, {"wellington", "New Zealand Standard Time"},
	{"west bengal", "India Standard Time"}, {"west central africa", "W. Central Africa Standard Time"},
	{"westeuropaische normalzeit", "W. Europe Standard Time"}, {"wien", "W. Europe Standard Time"},
	{"koordinierte weltzeit", "UTC"}, {"協定世界時", "UTC"}, {"東京", "Tokyo Standard Time"}, {"東京 (標準時)", "Tokyo Standard Time"}, {"大阪", "Tokyo Standard Time"},
	{"札幌", "Tokyo Standard Time"}, {"ソウル", "Korea Standard Time"}, {"北京", "China Standard Time"}, {"香港", "China Standard Time"}, {"重慶", "China Standard Time"},
	{"台北", "Taipei Standard Time"}, {"シンガポール", "Singapore Standard Time"}, {"クアラルンプール", "Singapore Standard Time"}, {"バンコク", "SE Asia Standard Time"},
	{"ロンドン", "GMT Standard Time"}, {"ダブリン", "GMT Standard Time"}, {"パリ", "Romance Standard Time"}, {"ブリュッセル", "Romance Standard Time"},
	{"アムステルダム", "W. Europe Standard Time"}, {"ベルリン", "W. Europe Standard Time"}, {"ローマ", "W. Europe Standard Time"}, {"モスクワ", "Russian Standard Time"},
	{"太平洋標準時 (米国およびカナダ)", "Pacific Standard Time"}, {"山地標準時 (米国およびカナダ)", "Mountain Standard Time"},
	{"中部標準時 (米国およびカナダ)", "Central Standard Time"}, {"東部標準時 (米国およびカナダ)", "Eastern Standard Time"}, {"ハワイ", "Hawaiian Standard Time"},
	{"シドニー", "AUS Eastern Standard Time"}, {"キャンベラ", "AUS Eastern Standard Time"}, {"ニューデリー", "India Standard Time"},
}

// offsetZone reads an offset: in brackets before a name, or alone, as in
// "UTC+09:00", "GMT-0500" or "+09:00".
func offsetZone(id string) *time.Location {
	s := strings.ToUpper(strings.TrimSpace(id))
	if len(s) > longestZone {
		return nil
	}
	bracket := strings.HasPrefix(s, "(")
	if bracket {
		var ok bool
		if s, _, ok = strings.Cut(s[1:], ")"); !ok {
			return nil
		}
	}
	s = strings.TrimSpace(strings.TrimPrefix(strings.TrimPrefix(s, "UTC"), "GMT"))
	if s == "" && bracket {
		return time.UTC
	}
	if len(s) < 2 || s[0] != '+' && s[0] != '-' {
		return nil
	}
	hours, minutes, _ := strings.Cut(s[1:], ":")
	if len(hours) == 4 && minutes == "" {
		hours, minutes = hours[:2], hours[2:]
	}
	h, err := strconv.Atoi(hours)
	m, err2 := strconv.Atoi(cmp.Or(minutes, "0"))
	if err != nil || err2 != nil || h < 0 || h > 14 || m < 0 || m > 59 {
		return nil
	}
	seconds := h*3600 + m*60
	if s[0] == '-' {
		seconds = -seconds
	}
	return time.FixedZone("", seconds)
}

// Zone returns the time zone in which an item was made and a series repeats:
// the one that its id names, else its definition, where that was read, else
// the offset of its wall clock or of its id, else UTC. Exact is false where
// nothing but an offset, or nothing, is known: daylight time is then unknown
// too.
func (it *CalendarItem) Zone() (loc *time.Location, exact bool) {
	if loc := namedZone(it.StartTimeZone); loc != nil {
		return loc, true
	}
	if it.StartZone != nil {
		if loc, err := it.StartZone.Location(); err == nil {
			return loc, true
		}
	}
	if !it.StartWall.IsZero() {
		_, offset := it.StartWall.Zone()
		return time.FixedZone("", offset), false
	}
	if loc := offsetZone(it.StartTimeZone); loc != nil {
		return loc, false
	}
	return time.UTC, false
}

// Dates returns the first and the last day of an all-day event, as midnights
// in UTC that stand for a date, both included. Servers give such an event as
// midnights in the zone in which it was made: its date in UTC, or in the
// reader's zone, is often another.
func (it *CalendarItem) Dates() (first, last time.Time) {
	loc, exact := it.Zone()
	local := func(t time.Time) time.Time {
		if exact || !it.StartWall.IsZero() {
			return dayOf(t.In(loc))
		}
		// Nothing is known of the zone, but that it was midnight there: the
		// nearest one is right from UTC-11 to UTC+12.
		return dayOf(t.UTC().Add(12 * time.Hour))
	}
	first = local(it.Start)
	if !it.StartWall.IsZero() {
		first = dayOf(it.StartWall)
	}
	last = local(it.End).AddDate(0, 0, -1)
	if it.End.Sub(it.Start)%(24*time.Hour) != 0 && !exact {
		last = first.AddDate(0, 0, int((it.End.Sub(it.Start)+12*time.Hour)/(24*time.Hour))-1) // over a change of daylight time
	}
	if last.Before(first) {
		last = first
	}
	return first, last
}

// dayOf drops the time of day and the zone.
func dayOf(t time.Time) time.Time {
	y, m, d := t.Date()
	return time.Date(y, m, d, 0, 0, 0, 0, time.UTC)
}
