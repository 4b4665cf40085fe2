package render

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/koyomi-cal/koyomi/internal/calendar"
)

// embedded is a copy of the files in the program, for tests that add some.
func embedded(t *testing.T) map[string]string {
	t.Helper()
	m := map[string]string{}
	for _, pattern := range []string{"locales/*.json", "templates/*"} {
		names, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			data, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			m[filepath.ToSlash(name)] = string(data)
		}
	}
	return m
}

func TestSixLanguages(t *testing.T) {
	t.Parallel()
	if got := Locales(); !slices.Equal(got, []string{"de", "en", "es", "fr", "ja", "zh-Hans"}) {
		t.Errorf("languages %q", got)
	}
}

// TestLocaleFiles: each file has the keys of the English one, in its order, and
// the same places to fill.
func TestLocaleFiles(t *testing.T) {
	t.Parallel()
	keys := regexp.MustCompile(`(?m)^  "(\w+)"`)
	optional := []string{"also", "dir", "earlier"}
	of := func(text string) (found []string) {
		for _, m := range keys.FindAllStringSubmatch(text, -1) {
			if !slices.Contains(optional, m[1]) {
				found = append(found, m[1])
			}
		}
		return found
	}
	all := embedded(t)
	want := of(all["locales/en.json"])
	if n := reflect.TypeFor[locale]().NumField() - len(optional) - 4; len(want) != n {
		t.Errorf("English has %d keys of %d", len(want), n)
	}
	for name, file := range all {
		if !strings.HasPrefix(name, "locales/") {
			continue
		}
		text := file
		if got := of(text); !slices.Equal(got, want) {
			t.Errorf("%s has the keys %q, not %q", name, got, want)
		}
		if strings.ContainsAny(text, "%<&") || strings.Contains(text, "{{") {
			t.Errorf("%s holds a placeholder or markup", name)
		}
	}
}

// TestSeventhLanguage: one file more is all that a language takes, also one
// that runs from right to left.
func TestSeventhLanguage(t *testing.T) {
	t.Parallel()
	all := embedded(t)
	all["locales/he.json"] = `{
  "tag": "he", "also": ["iw"], "dir": "rtl", "font": "Arial,sans-serif", "colon": ": ",
  "first": "הצטרפות לפגישה המקוונת", "last": "פרטי ההצטרפות נוספו על ידי Koyomi",
  "passcode": "קוד גישה", "id": "מזהה פגישה", "service": "שירות", "sip": "מערכת וידאו (SIP)", "h323": "מערכת וידאו (H.323)", "phone": "טלפון", "pin": "קוד"
}`
	s, err := newShelf(all)
	if err != nil {
		t.Fatal(err)
	}
	for _, tag := range []string{"he", "he-IL", "iw"} {
		o := options(tag)
		o.English = true
		block, err := s.block(details(), o)
		if err != nil || !strings.Contains(block.HTML, `dir="rtl" lang="he"`) {
			t.Fatalf("%s: %v %s", tag, err, block.HTML)
		}
		for _, b := range []calendar.Body{htmlBody("<p>x</p>"), textBody("x\n")} {
			out, err := s.put(b, newPage(b), block, room)
			if err != nil {
				t.Fatal(err)
			}
			p := newPage(out)
			f := s.find(p, room)
			if back, _, err := s.takeOut(out, p, f.spot); f.State != Whole || f.Locale != "he" || err != nil || back != b {
				t.Errorf("%s: %+v %v", tag, f, err)
			}
		}
	}
}

func TestLocaleRefused(t *testing.T) {
	t.Parallel()
	for want, edit := range map[string]func(map[string]any){
		"named after its tag": func(l map[string]any) { l["tag"] = "xy" },
		"unknown field":       func(l map[string]any) { l["colour"] = "red" },
		"never empty":         func(l map[string]any) { l["phone"] = " " },
		"hold no markup":      func(l map[string]any) { l["first"] = "a & b" },
		"told apart":          func(l map[string]any) { l["last"] = "Join the online meeting" },
		"cannot unmarshal":    func(l map[string]any) { l["pin"] = 1 },
	} {
		all := embedded(t)
		l := map[string]any{}
		if err := json.Unmarshal([]byte(all["locales/de.json"]), &l); err != nil {
			t.Fatal(err)
		}
		l["first"], l["last"] = "Erste Zeile", "Letzte Zeile"
		l["tag"] = "xx"
		edit(l)
		data, err := json.Marshal(l)
		if err != nil {
			t.Fatal(err)
		}
		all["locales/xx.json"] = string(data)
		if _, err := newShelf(all); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
}

func TestLanguageOfTag(t *testing.T) {
	t.Parallel()
	s, err := library()
	if err != nil {
		t.Fatal(err)
	}
	for tag, want := range map[string]string{
		"de-CH": "de", "fr-CA": "fr", "es-419": "es", "es_MX": "es", "EN-us": "en", "ja-JP-u-ca-japanese": "ja",
		"zh": "zh-Hans", "zh-CN": "zh-Hans", "zh-SG": "zh-Hans", "zh-Hans-CN": "zh-Hans", "zh-TW": "en", "zh-Hant": "en", "zh-HK": "en",
		"pt-BR": "en", "": "en", "-": "en", "x": "en",
	} {
		if got := s.language(tag).Tag; got != want {
			t.Errorf("%q: %s, want %s", tag, got, want)
		}
	}
}

// TestEarlierVersion: a block that a former version wrote, in another order and
// with other words, is found and taken out; a block written anew has today's.
func TestEarlierVersion(t *testing.T) {
	t.Parallel()
	then := embedded(t)
	edit := func(m map[string]string, name, old, new string) {
		data := m[name]
		if !strings.Contains(data, old) {
			t.Fatalf("%s holds no %q", name, old)
		}
		m[name] = strings.Replace(data, old, new, 1)
	}
	edit(then, "locales/de.json", `"first": "An der Online-Besprechung teilnehmen"`, `"first": "Online-Besprechung betreten"`)
	edit(then, "locales/de.json", `"last": "Teilnahmedaten hinzugefügt von Koyomi"`, `"last": "Angaben von Koyomi"`)
	edit(then, "locales/de.json", `"Kenncode"`, `"Kennwort"`)
	edit(then, "templates/block.html", `<table border="0"`, `<table border="1" bgcolor="red"`)
	edit(then, "templates/block.txt", "{{.L.First}}\n", "{{.L.First}}\n\n")
	now := embedded(t)
	edit(now, "locales/de.json", `"last"`, `"earlier": {"first": ["Online-Besprechung betreten"], "last": ["Angaben von Koyomi"]}, "last"`)
	before, err := newShelf(then)
	if err != nil {
		t.Fatal(err)
	}
	after, err := newShelf(now)
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range []calendar.Body{htmlBody("<p>Agenda</p>"), textBody("Agenda\r\n")} {
		old, err := before.block(details(), options("de"))
		if err != nil {
			t.Fatal(err)
		}
		with, err := before.put(b, newPage(b), old, room)
		if err != nil {
			t.Fatal(err)
		}
		p := newPage(with)
		f := after.find(p, room)
		if f.State != Whole || f.Locale != "de" {
			t.Fatalf("%+v in %q", f, with.Content)
		}
		back, _, err := after.takeOut(with, p, f.spot)
		if err != nil || back != b {
			t.Errorf("%v %q", err, back.Content)
		}
		today, err := after.block(details(), options("de"))
		if err != nil || !strings.Contains(today.Text, "Kenncode") || !strings.Contains(today.Text, "An der Online") {
			t.Errorf("%v %s", err, today.Text)
		}
	}
}

func TestLocalesOnDiskAreEmbedded(t *testing.T) {
	t.Parallel()
	names, err := os.ReadDir("locales")
	if err != nil || len(names) != len(Locales()) {
		t.Errorf("%d files, %d languages: %v", len(names), len(Locales()), err)
	}
}
