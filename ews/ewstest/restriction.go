package ewstest

import (
	"strconv"
	"strings"
	"time"

	"github.com/koyomi-cal/koyomi/ews/internal/wire"
)

// matcher decides whether an item belongs to the result of a search.
type matcher func(*mailbox, *Item) bool

// deepestRestriction bounds how far conditions nest.
const deepestRestriction = 32

// restriction compiles a search expression ([MS-OXWSSRCH] 2.2.4.27,
// RestrictionType). No restriction matches everything.
func (r *request) restriction(e *wire.Element) (matcher, error) {
	if e == nil {
		return func(*mailbox, *Item) bool { return true }, nil
	}
	if len(e.Children) != 1 {
		return nil, schemaViolation("Restriction holds one expression")
	}
	return r.expression(e.Children[0], 0)
}

func (r *request) expression(e *wire.Element, depth int) (matcher, error) {
	if depth > deepestRestriction {
		return nil, fail("ErrorRestrictionTooLong")
	}
	switch e.Name {
	case "And", "Or", "Not":
		return r.combination(e, depth)
	case "Exists":
		path, err := parseField(e)
		return func(b *mailbox, it *Item) bool { _, ok := r.fieldValue(b, it, path); return ok }, err
	case "Contains":
		return r.contains(e)
	case "IsEqualTo", "IsNotEqualTo", "IsGreaterThan", "IsGreaterThanOrEqualTo", "IsLessThan", "IsLessThanOrEqualTo":
		return r.comparison(e)
	}
	return nil, failf("ErrorUnsupportedTypeForConversion", "The search expression %q is not supported.", e.Name)
}

func (r *request) combination(e *wire.Element, depth int) (matcher, error) {
	var parts []matcher
	for _, c := range e.Children {
		m, err := r.expression(c, depth+1)
		if err != nil {
			return nil, err
		}
		parts = append(parts, m)
	}
	if len(parts) == 0 {
		return nil, schemaViolation("%s is empty", e.Name)
	}
	return func(b *mailbox, it *Item) bool {
		for _, m := range parts {
			switch e.Name {
			case "Not":
				return !m(b, it)
			case "And":
				if !m(b, it) {
					return false
				}
			case "Or":
				if m(b, it) {
					return true
				}
			}
		}
		return e.Name == "And"
	}, nil
}

func (r *request) contains(e *wire.Element) (matcher, error) {
	path, err := parseField(e)
	if err != nil {
		return nil, err
	}
	want := strings.Clone(e.Child("Constant").Attr("Value"))
	fold := strings.Contains(e.Attr("ContainmentComparison"), "IgnoreCase")
	mode := e.Attr("ContainmentMode")
	return func(b *mailbox, it *Item) bool {
		have, ok := r.fieldValue(b, it, path)
		w := want
		if fold {
			have, w = strings.ToLower(have), strings.ToLower(w)
		}
		switch mode {
		case "FullString":
			return ok && have == w
		case "Prefixed":
			return ok && strings.HasPrefix(have, w)
		}
		return ok && strings.Contains(have, w)
	}, nil
}

func (r *request) comparison(e *wire.Element) (matcher, error) {
	path, err := parseField(e)
	if err != nil {
		return nil, err
	}
	other := e.Child("FieldURIOrConstant")
	if other == nil || other.Child("Constant") == nil {
		return nil, failf("ErrorUnsupportedQueryFilter", "Only comparisons with a constant are supported.")
	}
	want := strings.Clone(other.Child("Constant").Attr("Value"))
	return func(b *mailbox, it *Item) bool {
		have, ok := r.fieldValue(b, it, path)
		if !ok {
			return e.Name == "IsNotEqualTo"
		}
		c := compareValues(have, want)
		switch e.Name {
		case "IsEqualTo":
			return c == 0
		case "IsNotEqualTo":
			return c != 0
		case "IsGreaterThan":
			return c > 0
		case "IsGreaterThanOrEqualTo":
			return c >= 0
		case "IsLessThan":
			return c < 0
		}
		return c <= 0
	}, nil
}

// compareValues compares as times, as numbers, or as text.
func compareValues(a, b string) int {
	ta, err1 := parseTimeIn(a, time.UTC)
	tb, err2 := parseTimeIn(b, time.UTC)
	if err1 == nil && err2 == nil {
		return ta.Compare(tb)
	}
	na, err1 := strconv.ParseInt(a, 0, 64)
	nb, err2 := strconv.ParseInt(b, 0, 64)
	if err1 == nil && err2 == nil {
		return int(max(-1, min(1, na-nb)))
	}
	return strings.Compare(a, b)
}

// fieldPath names a property in a search expression or an update.
type fieldPath struct {
	uri      string
	extended *Property
}

// parseField reads the first path among an element's children.
func parseField(e *wire.Element) (fieldPath, error) {
	if f := e.Child("FieldURI"); f != nil {
		return fieldPath{uri: strings.Clone(f.Attr("FieldURI"))}, nil
	}
	if f := e.Child("ExtendedFieldURI"); f != nil {
		p, err := parsePath(f)
		return fieldPath{extended: &p}, err
	}
	if f := e.Child("IndexedFieldURI"); f != nil {
		return fieldPath{uri: strings.Clone(f.Attr("FieldURI")) + "/" + strings.Clone(f.Attr("FieldIndex"))}, nil
	}
	return fieldPath{}, schemaViolation("%s names no property", e.Name)
}

// fieldValue returns a property as text, and whether the item has it.
func (r *request) fieldValue(b *mailbox, it *Item, path fieldPath) (string, bool) {
	if path.extended != nil {
		v := &view{r: r, box: b, it: it, all: it, shape: &shape{}, loc: r.s.zones.location(it.Zone)}
		p, ok := v.property(*path.extended)
		return p.Value, ok
	}
	moment := func(t time.Time) (string, bool) { return t.Format(time.RFC3339), !t.IsZero() }
	switch path.uri {
	case "item:Subject":
		return it.Subject, true
	case "item:ItemClass":
		return it.Class, true
	case "item:Body":
		return it.body().Content, true
	case "item:DateTimeReceived", "item:DateTimeSent":
		return moment(it.receivedAt())
	case "item:DateTimeCreated":
		return moment(it.Created)
	case "item:LastModifiedTime":
		return moment(it.Modified)
	case "item:Size":
		return strconv.Itoa(it.size()), true
	case "item:Sensitivity":
		return orElse(it.Sensitivity, "Normal"), true
	case "item:Categories":
		return strings.Join(it.Categories, ";"), len(it.Categories) > 0
	case "item:IsDraft":
		return strconv.FormatBool(it.Draft), true
	case "message:IsRead":
		return strconv.FormatBool(it.Read), !it.isCalendar()
	case "message:From", "message:Sender":
		return it.From.Address, it.From.Address != ""
	case "message:InternetMessageId":
		return it.MessageID, it.MessageID != ""
	}
	return calendarValue(it, path.uri)
}

func calendarValue(it *Item, uri string) (string, bool) {
	if it.Start.IsZero() {
		return "", false
	}
	switch uri {
	case "calendar:Start":
		return it.Start.Format(time.RFC3339), true
	case "calendar:End":
		return it.End.Format(time.RFC3339), true
	case "calendar:UID":
		return it.UID, it.UID != ""
	case "calendar:Location":
		return it.Location, true
	case "calendar:IsMeeting":
		return strconv.FormatBool(it.IsMeeting()), true
	case "calendar:IsCancelled":
		return strconv.FormatBool(it.IsCancelled()), true
	case "calendar:IsRecurring":
		return strconv.FormatBool(it.Recurrence != nil), true
	case "calendar:IsAllDayEvent":
		return strconv.FormatBool(it.AllDay), true
	case "calendar:Organizer":
		return it.Organizer.Address, it.Organizer.Address != ""
	}
	return "", false
}
