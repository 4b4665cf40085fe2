package ewstest

import (
	"slices"
	"strconv"
	"strings"

	"github.com/koyomi-cal/koyomi/ews/internal/wire"
)

// shape is what a request wants to see of items ([MS-OXWSCDATA] 2.2.4.45,
// ItemResponseShapeType).
type shape struct {
	base     string // "IdOnly", "Default", "AllProperties"
	bodyType string // "Best", "HTML", "Text"
	mime     bool
	most     int // MaximumBodySize; 0: no limit
	fields   map[string]bool
	extended []Property
	chosen   map[string][]*property // by element name, in schema order

	find bool // the rules of FindItem: short strings, no body, no recipients
}

// parseShape reads an ItemShape.
func (r *request) parseShape(e *wire.Element, find bool) (*shape, error) {
	if e == nil {
		return nil, schemaViolation("the element ItemShape is missing")
	}
	s := &shape{
		base: e.Value("BaseShape"), bodyType: e.Value("BodyType"), mime: e.Value("IncludeMimeContent") == "true",
		fields: map[string]bool{}, chosen: map[string][]*property{}, find: find,
	}
	if s.bodyType == "" {
		s.bodyType = "Best"
	}
	if n, err := strconv.Atoi(e.Value("MaximumBodySize")); err == nil && n > 0 {
		s.most = n
	}
	if !slices.Contains([]string{"IdOnly", "Default", "AllProperties"}, s.base) {
		return nil, schemaViolation("%q is not a BaseShape", s.base)
	}
	if !slices.Contains([]string{"Best", "HTML", "Text"}, s.bodyType) {
		return nil, schemaViolation("%q is not a BodyType", s.bodyType)
	}
	add := e.Child("AdditionalProperties")
	for f := range add.All("FieldURI") {
		s.fields[f.Attr("FieldURI")] = true
	}
	for f := range add.All("ExtendedFieldURI") {
		p, err := parsePath(f)
		if err != nil {
			return nil, err
		}
		s.extended = append(s.extended, p)
	}
	return s, nil
}

// has reports whether a field was asked for by name.
func (s *shape) has(uri string) bool { return s.fields[uri] }

// properties returns what an element of that name shows, in schema order.
func (s *shape) properties(element string) []*property {
	if chosen, ok := s.chosen[element]; ok {
		return chosen
	}
	var out []*property
	for _, p := range tableOf(element) {
		if s.wants(p) {
			out = append(out, p)
		}
	}
	s.chosen[element] = out
	return out
}

func (s *shape) wants(p *property) bool {
	if s.find && p.deep {
		return false
	}
	if s.fields[p.uri] || p.uri == "item:ItemId" || (p.uri == "item:MimeContent" && s.mime) ||
		(p.uri == "item:ExtendedProperty" && len(s.extended) > 0) {
		return true
	}
	switch s.base {
	case "Default":
		return p.in == inDefault
	case "AllProperties":
		return p.in == inDefault || p.in == inAll
	}
	return false
}

// parsePath reads an ExtendedFieldURI ([MS-OXWSCORE] PathToExtendedFieldType).
func parsePath(e *wire.Element) (Property, error) {
	p := Property{
		Set: strings.Clone(e.Attr("DistinguishedPropertySetId")), Name: strings.Clone(e.Attr("PropertyName")),
		Tag: strings.Clone(e.Attr("PropertyTag")), Type: strings.Clone(e.Attr("PropertyType")),
	}
	if g := e.Attr("PropertySetId"); g != "" {
		if p.Set != "" {
			return p, schemaViolation("ExtendedFieldURI names two property sets")
		}
		p.Set = strings.Clone(g)
	}
	if id := e.Attr("PropertyId"); id != "" {
		n, err := strconv.Atoi(id)
		if err != nil {
			return p, schemaViolation("PropertyId %q is not a number", id)
		}
		p.ID = n
	}
	if p.Type == "" {
		return p, schemaViolation("ExtendedFieldURI has no PropertyType")
	}
	if p.Set != "" && setGUID(p.Set) == "" {
		return p, schemaViolation("%q is not a property set", p.Set)
	}
	named := p.Set != "" && (p.Name != "") != (p.ID != 0)
	if (p.Tag != "") == named {
		return p, failf("ErrorInvalidExtendedProperty", "The extended property attribute combination is invalid.")
	}
	return p, nil
}

// propertySets are the property sets with a name of their own
// ([MS-OXPROPS] 1.3.2).
var propertySets = map[string]string{
	"PublicStrings":     "00020329-0000-0000-c000-000000000046",
	"Common":            "00062008-0000-0000-c000-000000000046",
	"Appointment":       "00062002-0000-0000-c000-000000000046",
	"Meeting":           "6ed8da90-450b-101b-98da-00aa003f1305",
	"Address":           "00062004-0000-0000-c000-000000000046",
	"Task":              "00062003-0000-0000-c000-000000000046",
	"Sharing":           "00062040-0000-0000-c000-000000000046",
	"InternetHeaders":   "00020386-0000-0000-c000-000000000046",
	"CalendarAssistant": "11000e07-b51b-40d6-af21-caa85edab1d0",
	"UnifiedMessaging":  "4442858e-a9e3-4e80-b900-317a210cc15b",
}

// setGUID returns the GUID of a property set, or "" where there is none.
func setGUID(set string) string {
	if g, ok := propertySets[set]; ok {
		return g
	}
	if len(set) == 36 && set[8] == '-' && set[13] == '-' && set[18] == '-' && set[23] == '-' {
		return strings.ToLower(set)
	}
	return ""
}

// same reports whether two paths name one property. Names are compared with
// case: that is what the server's named property table does.
func (p *Property) same(q Property) bool {
	if p.Tag != "" || q.Tag != "" {
		return tagNumber(p.Tag) == tagNumber(q.Tag)
	}
	return p.ID == q.ID && p.Name == q.Name && setGUID(p.Set) == setGUID(q.Set)
}

func tagNumber(tag string) int64 {
	n, err := strconv.ParseInt(tag, 0, 64)
	if err != nil {
		return -1
	}
	return n
}

// attributes returns the path as the attributes of an ExtendedFieldURI, in the
// order that real servers use.
func (p *Property) attributes() []string {
	var out []string
	switch {
	case p.Tag != "":
		out = append(out, "PropertyTag", "0x"+strconv.FormatInt(tagNumber(p.Tag), 16))
	case propertySets[p.Set] != "":
		out = append(out, "DistinguishedPropertySetId", p.Set)
	default:
		out = append(out, "PropertySetId", setGUID(p.Set))
	}
	switch {
	case p.Name != "":
		out = append(out, "PropertyName", p.Name)
	case p.ID != 0:
		out = append(out, "PropertyId", strconv.Itoa(p.ID))
	}
	return append(out, "PropertyType", p.Type)
}
