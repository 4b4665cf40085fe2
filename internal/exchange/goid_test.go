package exchange

import (
	"strings"
	"testing"
	"time"

	"github.com/koyomi-cal/koyomi/ews"
)

// TestCopiesAreCorrelated: the organizer's copy, an attendee's and an exception
// have one key, whatever the server did to the id on the way.
func TestCopiesAreCorrelated(t *testing.T) {
	t.Parallel()
	own := ews.NewGlobalObjectID(time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC), [16]byte{1})
	foreign := ews.GlobalObjectIDOf("Abc-DEF@example.com")
	item := func(f ews.ExtendedField, value string) *ews.CalendarItem {
		return &ews.CalendarItem{Extended: []ews.ExtendedProperty{{Field: f, Value: value}}}
	}
	clean, full := ews.CleanGlobalObjectIDField(), ews.GlobalObjectIDField()
	day := time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC)
	for name, c := range map[string]struct{ a, b *ews.CalendarItem }{
		"an exception":                 {item(clean, own.String()), item(full, own.On(day).String())},
		"a clean id that is not clean": {item(clean, own.String()), item(clean, own.On(day).String())},
		"a UID in other letters":       {item(clean, foreign.String()), item(clean, ews.GlobalObjectIDOf(strings.ToLower("Abc-DEF@example.com")).String())},
	} {
		if a, b := toGOID(c.a), toGOID(c.b); a == "" || a != b {
			t.Errorf("%s: %s and %s", name, a, b)
		}
	}
	if toGOID(item(clean, own.String())) == toGOID(item(clean, foreign.String())) {
		t.Error("two meetings have one key")
	}
	// The marker was written for the key of its time: both are spelled anew.
	marked := item(ews.PublicString(propGOID), foreign.String())
	marked.Extended = append(marked.Extended, ews.ExtendedProperty{Field: clean, Value: foreign.String()})
	if m := toMarker(marked); m.GOID != toGOID(marked) {
		t.Errorf("the marker is for %s, the item is %s", m.GOID, toGOID(marked))
	}
	if got := toMarker(item(ews.PublicString(propGOID), "goid")).GOID; got != "goid" {
		t.Errorf("a key that is no id: %s", got)
	}
}
