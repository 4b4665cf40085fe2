package cli

import (
	"testing"
	"time"

	"github.com/koyomi-cal/koyomi/internal/mailbox"
)

// TestDecisionsInJapanese demands a sentence of its own for every reason.
func TestDecisionsInJapanese(t *testing.T) {
	t.Parallel()
	words := japaneseDecisions()
	for _, r := range mailbox.Reasons() {
		if words[r] == "" {
			t.Errorf("reason %q has no Japanese sentence", r)
		}
		if got := lang(japanese).decided(r); got != words[r] {
			t.Errorf("reason %q is %q", r, got)
		}
		if got := lang(english).decided(r); got != r.Sentence() {
			t.Errorf("reason %q is %q", r, got)
		}
	}
	if got := lang(japanese).decided("not-known-here"); got != "not-known-here" {
		t.Errorf("an unknown reason is %q", got)
	}
}

func TestPastTime(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	for text, want := range map[string]time.Time{
		"":                     {},
		"90m":                  now.Add(-90 * time.Minute),
		"3d":                   now.AddDate(0, 0, -3),
		"2026-11-24T09:30:00Z": now.Add(-150 * time.Minute),
		"2026-11-20":           time.Date(2026, 11, 20, 0, 0, 0, 0, time.Local),
	} {
		if got, err := pastTime(text, now); err != nil || !got.Equal(want) {
			t.Errorf("%q is %v, %v; want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"yesterday", "-3h", "3w", "d"} {
		if _, err := pastTime(text, now); err == nil {
			t.Errorf("%q was taken", text)
		}
	}
}
