package detect

import "strings"

// details reads what stands around the link: meeting number, passcode,
// addresses and numbers to dial.
func (s *search) details() {
	var values []value
	for _, f := range s.fields {
		if f.field != "subject" {
			values = append(values, s.values(f)...)
		}
	}
	values = append(values, s.properties()...)
	s.meetingID(values)
	s.passcode(values)
	s.dialin(values)
	s.sip(values)
	s.h323()
	if s.out.MeetingID == "" && s.out.SIP != "" && s.out.Provider != "teams" {
		name, _, _ := strings.Cut(s.out.SIP, "@")
		if id, _, _ := strings.Cut(name, "."); len(id) >= 6 && allOf(id, isDigit) {
			s.out.MeetingID = id
		}
	}
	if s.out.MeetingID == "" && s.out.URL != "" {
		for _, d := range s.out.Dialin {
			if len(d.PIN) >= 6 && s.out.Provider != "teams" && s.out.Provider != "meet" && s.out.Provider != "jitsi" {
				s.out.MeetingID = d.PIN
				break
			}
		}
	}
}

// meetingID takes the number that is printed as the meeting's, else the one in
// the link.
func (s *search) meetingID(values []value) {
	linked := ""
	if len(s.out.Candidates) > 0 {
		linked = s.out.Candidates[0].id
	}
	for _, v := range values {
		if v.class == meetingID && v.text == linked {
			s.out.MeetingID = linked
			return
		}
	}
	if linked != "" && allOf(linked, isDigit) {
		s.out.MeetingID = linked
		return
	}
	for _, c := range []class{meetingID, accessCode} {
		for _, v := range values {
			if v.class == c {
				s.out.MeetingID = v.text
				return
			}
		}
	}
	s.out.MeetingID, _, _ = strings.Cut(linked, "@") // without the domain of an alias
}

// passcode takes the first printed passcode that is not for phones only, else
// a short one in the link.
func (s *search) passcode(values []value) {
	a, ok := parse(s.out.URL)
	linked := strings.ReplaceAll(percent(a.query("pw")), "+", " ")
	for _, v := range values {
		if v.class == passcode && v.text != s.out.MeetingID {
			if s.out.Passcode = v.text; strings.Contains(linked, " ") && strings.HasPrefix(string(v.flat.text[v.at:]), linked) {
				s.out.Passcode = linked // of several words
			}
			return
		}
	}
	if ok {
		for _, key := range []string{"pwd", "pw", "passcode"} {
			if v := a.query(key); v != "" && len(v) <= 10 && allOf(v, isAlnum) {
				s.out.Passcode = v
				return
			}
		}
	}
	for _, v := range values {
		if v.class == phoneCode {
			s.out.Passcode = v.text
			return
		}
	}
	switch s.out.Provider {
	case "pexip", "cms", "starleaf", "lifesize":
		if pin := firstOf(values, phonePIN); pin != s.out.MeetingID {
			s.out.Passcode = pin // these ask everybody for it
		}
	}
}

// properties reads the numbers that properties hold bare: their names are the
// labels.
func (s *search) properties() (found []value) {
	for _, f := range s.fields {
		name, isProperty := strings.CutPrefix(strings.ToUpper(f.field), strings.ToUpper(propertyField))
		if !isProperty || len(f.text) > maxLabel {
			continue
		}
		var c class
		switch {
		case strings.HasSuffix(name, "ONLINEMEETINGCONFERENCEID"):
			c = phonePIN
		case strings.HasPrefix(name, "X-") && strings.HasSuffix(name, "MEETING-ID"):
			c = meetingID
		case strings.HasPrefix(name, "X-") && (strings.HasSuffix(name, "MEETING-PASSWORD") || strings.HasSuffix(name, "PASSCODE")):
			c = passcode
		default:
			continue
		}
		if v := readValue(c, f.text, false); v != "" {
			found = append(found, value{c, v, 0, f})
		}
	}
	return found
}

// forOthers reports whether the parameters of a CONFERENCE property (RFC 7986
// 6.3) say that it is not for attendees, or not for talking.
func forOthers(parameters string) bool {
	for p := range strings.SplitSeq(parameters, ";") {
		if features, ok := strings.CutPrefix(p, "FEATURE="); ok {
			talks := strings.Contains(features, "VIDEO") || strings.Contains(features, "AUDIO") || strings.Contains(features, "PHONE")
			return strings.Contains(features, "MODERATOR") || !talks
		}
	}
	return false
}
