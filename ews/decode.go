package ews

import (
	"strconv"
	"strings"
	"time"

	"github.com/koyomi-cal/koyomi/ews/internal/wire"
)

// The readers of values in a tree. Absent and unreadable values give the zero value: a
// server's slip in one property must not cost the whole item. Strings are
// cloned, because the tree's share the memory of the document.

func str(e *wire.Element) string {
	if e == nil {
		return ""
	}
	return strings.Clone(e.Text)
}

// word reads a value in which white space means nothing.
func word(e *wire.Element) string {
	if e == nil {
		return ""
	}
	return strings.Clone(strings.TrimSpace(e.Text))
}

func number(e *wire.Element) int { return parseNumber(e.Value()) }

func truth(e *wire.Element) bool {
	value, _ := parseTruth(e.Value())
	return value
}

func parseNumber(s string) int {
	n, _ := strconv.Atoi(strings.TrimSpace(s))
	return n
}

// parseTruth parses an xs:boolean, and reports whether it is one.
func parseTruth(s string) (value, ok bool) {
	switch strings.TrimSpace(s) {
	case "true", "1", "True":
		return true, true
	case "false", "0", "False":
		return false, true
	}
	return false, false
}

// dateTime reads an xs:dateTime and returns it in UTC.
func dateTime(e *wire.Element) time.Time { return parseTime(e.Value()).UTC() }

// parseTime parses an xs:dateTime. Servers write up to nine fractional digits.
// Without a zone it is UTC. What is no time, or before any calendar, is zero.
func parseTime(s string) time.Time {
	if s = strings.TrimSpace(s); s == "" {
		return time.Time{}
	}
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05", "2006-01-02Z07:00", time.DateOnly} {
		if t, err := time.Parse(layout, s); err == nil {
			if t.Year() <= 1 {
				return time.Time{}
			}
			return t
		}
	}
	return time.Time{}
}

// parseDate drops the zone that some servers write after an xs:date.
func parseDate(s string) string {
	s = strings.TrimSpace(s)
	return s[:min(len(s), len(time.DateOnly))]
}

func itemID(e *wire.Element) ItemID {
	return ItemID{ID: strings.Clone(e.Attr("Id")), ChangeKey: strings.Clone(e.Attr("ChangeKey"))}
}

func folderID(e *wire.Element) FolderID {
	return FolderID{ID: strings.Clone(e.Attr("Id")), ChangeKey: strings.Clone(e.Attr("ChangeKey"))}
}
