// Package detect finds the meeting in an invitation: from its location, body
// and conference properties it says which keyword was typed, which link leads
// into the meeting, which SIP or H.323 address a room system dials, which
// numbers a phone dials, and why.
//
// It is pure: text in, result with reasons out; it never opens a link to see
// where it leads. Precision goes before recall, because a wrong button is
// worse than none: a link counts only if its host belongs to a known service
// (compared label by label, never by a piece of the text) and its path has the
// shape of a meeting there. The registry of services is a table in
// providers.go.
//
// The work is done in four steps. Each field becomes a flat text, as a reader
// sees it, with the links that markup hides (flat.go). Links are cut out of
// it, cleaned, freed of the wrappers of mail filters (unwrap.go) and judged by
// the registry; SIP addresses, phone numbers, meeting numbers and passcodes
// are read from the same text. Last, the candidates are ranked: conference
// property before location before body, a meeting before a lasting room, the
// first before the second. Everything is linear in the size of the invitation.
package detect

import (
	"cmp"
	"slices"
	"strings"

	"github.com/koyomi-cal/koyomi/internal/calendar"
)

// maxField bounds how much of one field is read, in bytes. What an invitation
// says beyond that is not how to join.
const maxField = 8 << 20

// maxFound bounds how many candidates and how many rejections are kept.
const maxFound = 64

// Input is an invitation.
type Input struct {
	ID         string            `json:"id"`
	Subject    string            `json:"subject"`
	Location   string            `json:"location"`
	Body       string            `json:"body"`
	BodyType   calendar.BodyType `json:"body_type"` // text or html; empty: text
	Properties map[string]string `json:"properties"`
}

// Candidate is something that might be the way into the meeting.
type Candidate struct {
	Provider string
	URL      string // canonical: unwrapped, cleaned; empty of an address
	SIP      string
	Field    string // "location", "body", "subject" or "property:NAME"
	Start    int    // bytes into the field as it came
	End      int
	Score    int
	Why      []string

	id string // meeting id that the link holds
}

// Rejection is something that looks like a way into a meeting and is none.
type Rejection struct {
	Text string
	Why  string
}

// Result is what was found. Empty means not found.
type Result struct {
	ID       string
	Join     bool   // there is a way to join, or a keyword that will make one
	Provider string // name from the registry, or sip, h323, phone, keyword
	URL      string // canonical link
	SIP      string // without "sip:"
	H323     string
	MeetingID,
	Passcode string
	Dialin []calendar.Dialin

	Keyword        string // as typed, in lower case, e.g. "@webex:myroom"
	KeywordAction  Action // ActionDefault without a modifier
	KeywordDefault Action // what the keyword's rule makes of ActionDefault
	KeywordService string // service of the rule that the keyword belongs to

	Candidates []Candidate // ranked, best first
	Rejected   []Rejection
}

// Detector holds an organisation's rules ready for use. It is safe for
// concurrent use.
type Detector struct {
	registry *registry
	keywords []Keyword
	domains  []string
}

// New prepares rules; nil stands for the defaults.
func New(rules *Rules) *Detector {
	if rules == nil {
		rules = &Rules{}
	}
	d := &Detector{registry: newRegistry(rules), keywords: rules.Keywords}
	if d.keywords == nil {
		d.keywords = defaultKeywords()
	}
	for _, s := range rules.SIPDomains {
		d.domains = append(d.domains, strings.ToLower(strings.TrimSpace(s)))
	}
	return d
}

// Detect finds the meeting in one invitation by an organisation's rules; nil
// stands for the defaults. Whoever has many invitations may prepare a
// [Detector] once.
func Detect(in Input, rules *Rules) Result { return New(rules).Detect(in) }

// search is one invitation being looked at.
type search struct {
	*Detector
	in     Input
	fields []*flat
	out    Result
	seen   map[string]bool // rejected texts
	cvi    string          // SIP address of a video interoperability service, from its link
	steps  int             // bytes looked at beside those that the flats count
}

// Detect finds the meeting in one invitation.
func (d *Detector) Detect(in Input) Result { return d.search(in).out }

// search does the work of Detect.
func (d *Detector) search(in Input) *search {
	s := &search{Detector: d, in: in, seen: map[string]bool{}}
	s.out.ID = in.ID
	s.flatten()
	for _, f := range s.fields {
		s.links(f)
	}
	s.keyword()
	s.rank()
	s.details()
	s.conclude()
	return s
}

// flatten makes the flats of all fields, strongest first.
func (s *search) flatten() {
	names := make([]string, 0, len(s.in.Properties))
	for name := range s.in.Properties {
		if strength(propertyField+name) > 0 {
			names = append(names, name)
		}
	}
	slices.SortFunc(names, func(a, b string) int {
		return cmp.Or(strength(propertyField+b)-strength(propertyField+a), strings.Compare(a, b))
	})
	for _, name := range names {
		value := clip(s.in.Properties[name])
		if strings.EqualFold(name, "X-ALT-DESC") {
			s.fields = append(s.fields, flattenHTML(propertyField+name, value))
			continue
		}
		s.fields = append(s.fields, flattenText(propertyField+name, unescapeProperty(value)))
	}
	s.fields = append(s.fields, flattenText("location", clip(s.in.Location)))
	if s.in.BodyType == calendar.BodyHTML {
		s.fields = append(s.fields, flattenHTML("body", clip(s.in.Body)))
	} else {
		s.fields = append(s.fields, flattenText("body", clip(s.in.Body)))
	}
	s.fields = append(s.fields, flattenText("subject", clip(s.in.Subject)))
	s.fields = slices.DeleteFunc(s.fields, func(f *flat) bool { return len(f.text) == 0 && len(f.links) == 0 })
}

func clip(v string) string { return v[:min(len(v), maxField)] }

// unescapeProperty undoes the escapes of an iCalendar text value (RFC 5545
// 3.3.11).
func unescapeProperty(v string) string {
	if !strings.Contains(v, `\`) {
		return v
	}
	return strings.NewReplacer(`\,`, ",", `\;`, ";", `\n`, "\n", `\N`, "\n", `\\`, `\`).Replace(v)
}

const propertyField = "property:"

// strength says how much a field counts.
func strength(field string) int {
	name, isProperty := strings.CutPrefix(field, propertyField)
	if !isProperty {
		switch field {
		case "location":
			return 300
		case "body":
			return 200
		}
		return 100
	}
	name, parameters, _ := strings.Cut(strings.ToUpper(name), ";")
	if name == "CONFERENCE" && forOthers(parameters) {
		return 0
	}
	switch name {
	case "X-GOOGLE-CONFERENCE", "CONFERENCE", "X-MICROSOFT-SKYPETEAMSMEETINGURL", "X-MICROSOFT-ONLINEMEETINGEXTERNALLINK", "X-MICROSOFT-ONLINEMEETINGINTERNALLINK",
		"SKYPETEAMSMEETINGURL", "JOINONLINEMEETINGURL", "ONLINEMEETINGEXTERNALLINK", "ONLINEMEETINGINTERNALLINK":
		return 500
	case "X-MICROSOFT-ONLINEMEETINGCONFLINK", "ONLINEMEETINGCONFLINK":
		return 490
	case "URL":
		return 400
	case "X-ALT-DESC":
		return 190
	case "X-MICROSOFT-SKYPETEAMSPROPERTIES", "SKYPETEAMSPROPERTIES", "X-MICROSOFT-SCHEDULINGSERVICEUPDATEURL", "X-MICROSOFT-ONLINEMEETINGINFORMATION":
		return 0
	}
	return 150
}

// reject notes why something was not taken.
func (s *search) reject(text, why string) {
	if len(s.out.Rejected) < maxFound && why != "" && !s.seen[text] {
		s.seen[text] = true
		s.out.Rejected = append(s.out.Rejected, Rejection{text, why})
	}
}

// rank orders the candidates and drops those that say the same.
func (s *search) rank() {
	slices.SortStableFunc(s.out.Candidates, func(a, b Candidate) int { return cmp.Compare(b.Score, a.Score) })
	kept := s.out.Candidates[:0]
	for _, c := range s.out.Candidates {
		i := slices.IndexFunc(kept, func(k Candidate) bool { return sameMeeting(k, c) })
		if i < 0 {
			kept = append(kept, c)
			continue
		}
		if richer(c.URL, kept[i].URL) {
			kept[i].URL = c.URL
			kept[i].Why = append(kept[i].Why, "with what the "+c.Field+" adds to the link")
		}
	}
	s.out.Candidates = kept
	if len(kept) > 0 {
		s.out.Provider, s.out.URL = kept[0].Provider, kept[0].URL
	}
}

// sameMeeting reports whether two links lead into the same meeting.
func sameMeeting(a, b Candidate) bool {
	if a.Provider != b.Provider {
		return false
	}
	if a.URL == b.URL || a.id != "" && a.id == b.id {
		return true
	}
	u, _ := parse(a.URL)
	v, _ := parse(b.URL)
	return u.host == v.host && u.path == v.path && (u.search == "" || v.search == "") && u.hash == v.hash
}

// richer reports whether link a carries a passcode that link b lacks.
func richer(a, b string) bool {
	u, ok := parse(a)
	v, _ := parse(b)
	return ok && u.scheme == "https" && u.search != "" && v.search == "" && v.hash == "" ||
		ok && u.scheme == "https" && u.query("pwd") != "" && v.query("pwd") == ""
}

// conclude decides what kind of answer this is.
func (s *search) conclude() {
	o := &s.out
	switch {
	case o.URL != "":
	case o.Keyword != "":
		o.Provider = "keyword"
	case o.SIP != "":
		o.Provider = cmp.Or(o.Provider, "sip")
	case o.H323 != "":
		o.Provider = "h323"
	case len(o.Dialin) > 0:
		o.Provider = "phone"
	default:
		o.Provider, o.MeetingID, o.Passcode = "", "", ""
	}
	o.Join = o.Provider != ""
	if len(o.Candidates) == 0 && o.SIP == "" && o.H323 == "" && len(o.Dialin) == 0 {
		o.MeetingID, o.Passcode = "", ""
	}
}

// Methods lists the ways to join, best first: the one that was chosen with
// everything known about it, then links of other meetings or services.
func (r *Result) Methods() []calendar.JoinMethod {
	if !r.Join || r.Provider == "keyword" {
		return nil
	}
	methods := []calendar.JoinMethod{{Kind: r.Provider, URL: r.URL, SIP: r.SIP, H323: r.H323, ID: r.MeetingID, Passcode: r.Passcode, Dialin: r.Dialin}}
	for _, c := range r.Candidates {
		if c.URL != "" && c.URL != r.URL {
			methods = append(methods, calendar.JoinMethod{Kind: c.Provider, URL: c.URL, ID: c.id})
		}
	}
	return methods
}
