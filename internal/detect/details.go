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
	case "pexip", "cms", "bigbluebutton", "starleaf", "lifesize":
		s.out.Passcode = firstOf(values, phonePIN) // these ask everybody for a PIN
	}
}
