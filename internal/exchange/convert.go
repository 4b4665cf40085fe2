package exchange

import (
	"encoding/base64"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/koyomi-cal/koyomi/ews"
	"github.com/koyomi-cal/koyomi/internal/calendar"
)

// This file is the one place where Exchange's words become ours and ours become
// Exchange's.

// The names of the marker's properties, in PublicStrings. Each name costs a
// mailbox database a number for ever, so they are few and fixed.
const (
	propJoin    = "KoyomiJoin"
	propGOID    = "KoyomiGoid"
	propHash    = "KoyomiHash"
	propVersion = "KoyomiVersion"
	propSIP     = "TMS:ExternalConferenceData"
)

// shape asks for a whole item.
func shape(maxBody int) ews.Shape {
	extended := append(ews.ConferenceFields(),
		ews.PublicString(propJoin), ews.PublicString(propGOID), ews.PublicString(propHash), ews.PublicString(propVersion))
	s := ews.CalendarShape(ews.BodyBest, extended...)
	s.MaximumBodySize = maxBody
	return s
}

// bodyless is the shape for an item whose body the server cannot read.
func bodyless() ews.Shape {
	s := shape(0)
	s.BodyType, s.MaximumBodySize = "", 0
	kept := s.Fields[:0]
	for _, f := range s.Fields {
		if f.URI != "item:Body" && f.URI != "calendar:Recurrence" {
			kept = append(kept, f)
		}
	}
	s.Fields = kept
	return s
}

// toItem translates an item as read by the shape.
func toItem(e *ews.CalendarItem, f folder, maxBody int) calendar.Item {
	it := calendar.Item{
		ID: e.ItemID.ID, ChangeKey: e.ItemID.ChangeKey, Kind: toKind(e), ItemClass: e.ItemClass,
		UID: e.UID, GOID: toGOID(e),
		Subject: e.Subject, Location: e.Location, Body: toBody(e, maxBody), Culture: e.Culture, Sensitivity: toSensitivity(e.Sensitivity),
		Start: e.Start, End: e.End, TimeZone: zoneName(e), AllDay: e.IsAllDay, ShowAs: toShowAs(e.Status),
		MyResponse: toResponse(e.MyResponse), IsOrganizer: toTri(e.IsOrganizer), IsMeeting: toTri(e.IsMeeting),
		Cancelled: e.IsCancelled, RequestSent: toTri(e.MeetingRequestSent),
		Created: e.Created, Modified: e.LastModified,
		InDeletedItems: f.deleted != "" && e.ParentFolderID.ID == f.deleted,
		RightsManaged:  e.RightsManaged(), Signed: e.Signed(),
		HasAttachments: e.HasAttachments, Size: e.Size,
		Marker: toMarker(e), Properties: toProperties(e),
		Last: lastEnd(e), Recurrence: toRule(e),
	}
	if e.Organizer != nil {
		it.Organizer = toPerson(*e.Organizer)
	}
	if s := e.AppointmentState; s != nil {
		it.Received = calendar.TriOf(*s&2 != 0)
		it.Cancelled = it.Cancelled || *s&4 != 0
	}
	for _, list := range []struct {
		role calendar.Role
		of   []ews.Attendee
	}{{calendar.Required, e.RequiredAttendees}, {calendar.Optional, e.OptionalAttendees}, {calendar.Resource, e.Resources}} {
		for _, a := range list.of {
			it.Attendees = append(it.Attendees, calendar.Attendee{Person: toPerson(a.EmailAddress), Role: list.role, Response: toResponse(a.Response)})
		}
	}
	if it.Kind == calendar.Occurrence || it.Kind == calendar.Exception {
		it.RecurrenceID = firstSet(e.RecurrenceID, e.OriginalStart, e.Start)
	}
	for _, o := range e.ModifiedOccurrences {
		it.Exceptions = append(it.Exceptions, calendar.Occurrences{ID: o.ItemID.ID, Start: o.Start, End: o.End, OriginalStart: o.OriginalStart})
	}
	return it
}

func firstSet(times ...time.Time) time.Time {
	for _, t := range times {
		if !t.IsZero() {
			return t.UTC()
		}
	}
	return time.Time{}
}

func toKind(e *ews.CalendarItem) calendar.Kind {
	switch e.Type {
	case ews.RecurringMaster:
		return calendar.Master
	case ews.Occurrence:
		return calendar.Occurrence
	case ews.Exception:
		return calendar.Exception
	case "":
		if e.Recurrence != nil {
			return calendar.Master
		}
	}
	return calendar.Single
}

// toGOID returns the meeting's clean id in base64, the same for every copy.
func toGOID(e *ews.CalendarItem) string {
	for _, f := range []ews.ExtendedField{ews.CleanGlobalObjectIDField(), ews.GlobalObjectIDField()} {
		v, _ := e.Property(f)
		if id, ok := ews.ParseGlobalObjectID(v); ok {
			return canonical(id)
		}
	}
	v, _ := e.Property(ews.CleanGlobalObjectIDField())
	if raw, err := base64.StdEncoding.DecodeString(v); err == nil && len(raw) > 0 {
		return base64.StdEncoding.EncodeToString(raw) // no id as we know them, but an id
	}
	return ""
}

// canonical spells an id in one way: without the date of an exception, and the
// UID of a foreign calendar, which is a part of it and which some servers spell
// in other letters on the way to an attendee, in small ones.
func canonical(id ews.GlobalObjectID) string {
	return ews.GlobalObjectIDOf(strings.ToLower(id.UID())).String()
}

// toBody takes the body as it is stored. One that was cut, by the server or
// here, is not whole; what there is of it still tells of links.
func toBody(e *ews.CalendarItem, maxBody int) calendar.Body {
	b := calendar.Body{Type: calendar.BodyText}
	if v, has := e.Property(ews.NativeBodyField()); has {
		switch v {
		case "1":
			b.Native = calendar.BodyText
		case "2":
			b.Native = calendar.BodyRTF
		case "3":
			b.Native = calendar.BodyHTML
		}
	}
	if e.Body == nil {
		return b
	}
	if e.Body.Type == ews.BodyHTML {
		b.Type = calendar.BodyHTML
	}
	b.Content, b.Whole = e.Body.Content, !e.Body.Truncated
	if len(b.Content) > maxBody {
		cut := maxBody
		for cut > 0 && !utf8.RuneStart(b.Content[cut]) {
			cut--
		}
		b.Content, b.Whole = strings.Clone(b.Content[:cut]), false
	}
	return b
}

func toSensitivity(s string) calendar.Sensitivity {
	switch s := calendar.Sensitivity(strings.ToLower(s)); s {
	case calendar.Personal, calendar.Private, calendar.Confidential:
		return s
	}
	return calendar.Normal
}

func toShowAs(s ews.FreeBusyStatus) string {
	switch s {
	case ews.Free:
		return "free"
	case ews.Tentative:
		return "tentative"
	case ews.OOF:
		return "oof"
	case ews.NoData:
		return "nodata"
	case ews.WorkingElsewhere:
		return "elsewhere"
	}
	return "busy"
}

func toResponse(r ews.ResponseType) calendar.Response {
	switch r {
	case ews.ResponseOrganizer:
		return calendar.Organiser
	case ews.ResponseTentative:
		return calendar.Tentative
	case ews.ResponseAccept:
		return calendar.Accepted
	case ews.ResponseDecline:
		return calendar.Declined
	}
	return calendar.NoResponse
}

func toTri(b *bool) calendar.Tri {
	if b == nil {
		return calendar.Unknown
	}
	return calendar.TriOf(*b)
}

// toPerson leaves out an address that is no SMTP address: it names nobody
// outside of that Exchange.
func toPerson(a ews.EmailAddress) calendar.Person {
	p := calendar.Person{Name: a.Name}
	if strings.Contains(a.Address, "@") && !strings.EqualFold(a.RoutingType, "EX") {
		p.Address = strings.TrimSpace(a.Address)
	}
	return p
}

func toMarker(e *ews.CalendarItem) calendar.Marker {
	get := func(name string) string {
		v, _ := e.Property(ews.PublicString(name))
		return v
	}
	m := calendar.Marker{Join: get(propJoin), GOID: get(propGOID), Hash: get(propHash), Version: get(propVersion)}
	if id, ok := ews.ParseGlobalObjectID(m.GOID); ok {
		m.GOID = canonical(id)
	}
	return m
}

// toProperties returns the conference properties that detection reads.
func toProperties(e *ews.CalendarItem) map[string]string {
	var p map[string]string
	set := func(name, value string) {
		if value == "" {
			return
		}
		if p == nil {
			p = map[string]string{}
		}
		p[name] = value
	}
	for _, f := range ews.ConferenceFields() {
		if v, has := e.Property(f); has {
			set(f.Name, v)
		}
	}
	set("JoinOnlineMeetingUrl", e.JoinOnlineMeetingURL)
	return p
}

// lastEnd is when a series is over; zero where it has no end or says nothing.
func lastEnd(e *ews.CalendarItem) time.Time {
	switch {
	case e.Recurrence == nil:
		return time.Time{}
	case e.LastOccurrence != nil && !e.LastOccurrence.End.IsZero() && (e.Recurrence.EndDate != "" || e.Recurrence.Count > 0):
		return e.LastOccurrence.End
	}
	end, _ := ews.SeriesEnd(e)
	return end
}

func fromBody(b *calendar.Body) *ews.Body {
	if b.Type == calendar.BodyHTML {
		return &ews.Body{Type: ews.BodyHTML, Content: b.Content}
	}
	return &ews.Body{Type: ews.BodyText, Content: b.Content}
}

// fromPatch translates a write into the changes of one UpdateItem. What is added
// to a body stored as RTF is appended where appends is set, which leaves RTF as
// it is; else the server's own HTML is written back with the addition.
func fromPatch(p *calendar.Patch, appends bool) []ews.FieldUpdate {
	var u []ews.FieldUpdate
	switch {
	case p.Addition != nil && appends:
		u = append(u, ews.Append("item:Body", ews.CalendarItem{Body: fromBody(p.Addition)}))
	case p.Body != nil:
		u = append(u, ews.Set("item:Body", ews.CalendarItem{Body: fromBody(p.Body)}))
	}
	if p.Location != nil {
		u = append(u, ews.Set("calendar:Location", ews.CalendarItem{Location: *p.Location}))
	}
	put := func(name, value string) {
		f := ews.PublicString(name)
		if value == "" {
			u = append(u, ews.DeleteProperty(f))
			return
		}
		u = append(u, ews.SetProperty(ews.ExtendedProperty{Field: f, Value: value}))
	}
	if m := p.Marker; m != nil {
		put(propJoin, m.Join)
		put(propGOID, m.GOID)
		put(propHash, m.Hash)
		put(propVersion, m.Version)
	}
	switch {
	case p.SIP != "":
		put(propSIP, p.SIP)
	case p.Marker != nil && *p.Marker == (calendar.Marker{}):
		put(propSIP, "") // ours goes with the marker
	}
	return u
}
