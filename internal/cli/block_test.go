package cli

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/koyomi-cal/koyomi/internal/calendar"
	"github.com/koyomi-cal/koyomi/internal/render"
)

// TestBlockSettings: from the file to the words of a join block.
func TestBlockSettings(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "connector.yaml")
	text := `organisation:
  domains: [example.org]
  footer: "Ask reception."
  show_phone: false
  notes:
    - locale: ja
      header: "時間厳守でお願いいたします。"
mailboxes:
  - address: Aya@Example.com
    aliases: [aya@example.net]
  - address: bo@example.com
`
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	var c connectorConfig
	if err := loadConfig(&c, file, func(string) string { return "" }, nil); err != nil {
		t.Fatal(err)
	}
	if got := c.domains(); !slices.Equal(got, []string{"example.com", "example.net", "example.org"}) {
		t.Errorf("domains %q", got)
	}
	o := c.Organisation.block()
	if err := o.Check(); err != nil {
		t.Fatal(err)
	}
	j := calendar.JoinDetails{JoinMethod: calendar.JoinMethod{
		URL: "https://meet.example.org/x", SIP: "1@example.org", Dialin: []calendar.Dialin{{Number: "+49 30 1"}},
	}}
	for culture, want := range map[string]string{
		"ja-JP": "オンライン会議に参加\nhttps://meet.example.org/x\n\n時間厳守でお願いいたします。\n\nビデオ会議端末 (SIP)：1@example.org\n\n" +
			"Join the online meeting\nhttps://meet.example.org/x\n\nVideo system (SIP): 1@example.org\n\nこの参加情報は Koyomi が追加しました (",
		"en-GB": "Join the online meeting\nhttps://meet.example.org/x\n\nVideo system (SIP): 1@example.org\n\nAsk reception.\n\nJoin details added by Koyomi (",
	} {
		block, err := render.NewBlock(j, o.For(culture, true))
		if err != nil || !strings.HasPrefix(block.Text, want) {
			t.Errorf("%s: %v\n%s", culture, err, block.Text)
		}
	}
}

func TestBlockSettingsRefused(t *testing.T) {
	t.Parallel()
	for want, c := range map[string]organisationConfig{
		"choose one of de, en, es, fr, ja, zh-Hans": {Locale: "tlh"},
		"is not written in language":                {Notes: []noteConfig{{Locale: "zh-TW"}}},
		"stand twice":                               {Notes: []noteConfig{{Locale: "de"}, {Locale: "de-AT"}}},
		"longer than 1024 characters":               {Notes: []noteConfig{{Locale: "ja", Footer: strings.Repeat("あ", 1025)}}},
		"reword it":                                 {Header: "join the Online meeting? Join the online meeting!"},
	} {
		if err := c.block().Check(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", want, err)
		}
	}
}
