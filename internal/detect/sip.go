package detect

import (
	"bytes"
	"cmp"
	"strings"
)

// conferenceDomain reports whether a host is a domain on which an address is a
// meeting and never a person's, or lies below one where digits are.
func conferenceDomain(host string, digits bool) bool {
	for rest, more := tailLabels(host, 3), true; more; _, rest, more = strings.Cut(rest, ".") {
		switch rest {
		case "zoomcrc.com", "zmeu.us", "m.webex.com", "meet.chime.in", "sip.rcv.com", "rcv.com", "lifesizecloud.com", "bjn.vc", "sip.bluejeans.com", "t.plcm.vc", "plcm.vc", "call.sl",
			"pexip.me", "vc.pexip.com", "vmr.vc", "v.tencent.com", "starleaf.com", "sip.goto.com", "8x8.vc", "jitsi.net":
			if rest == host || digits {
				return true
			}
		}
	}
	return false
}

// sip looks for addresses that a video system dials: with a scheme, on a
// conference domain, or with the meeting's own number as the name.
func (s *search) sip(values []value) {
	for _, f := range s.fields {
		if f.field == "subject" || s.out.SIP != "" {
			continue
		}
		for _, l := range f.links {
			scheme, rest, _ := strings.Cut(l.href, ":")
			switch strings.ToLower(scheme) {
			case "sip", "sips":
				s.address(f, addressIn(rest), l.src, l.from, true, values)
			case "mailto":
				s.address(f, addressIn(rest), l.src, l.from, false, values)
			}
		}
		for at := 0; at < len(f.text) && s.out.SIP == ""; {
			i := bytes.IndexByte(f.text[at:], '@')
			if i < 0 {
				break
			}
			from, to := addressAround(f.text, at, at+i)
			f.steps += max(to, at+i+1) - min(from, at)
			if bytes.HasPrefix(f.text[to:], []byte(";gruu")) {
				s.gruu(f, from, to)
			} else if to > at+i+1 && !f.taken(from) {
				before := strings.ToLower(string(f.text[max(0, from-5):from]))
				scheme := strings.HasSuffix(before, "sip:") || strings.HasSuffix(before, "sips:")
				s.address(f, string(f.text[from:to]), span{}, from, scheme, values)
			}
			at = max(to, at+i+1)
		}
	}
	if s.out.SIP == "" {
		s.out.SIP = s.cvi
	}
}

// gruu takes a Skype for Business conference address
// (NAME@DOMAIN;gruu;opaque=app:conf:focus:id:ID) where no link is there: the
// part before the semicolon alone is the organiser's own address. Teams writes
// the same form for what no video system can dial.
func (s *search) gruu(f *flat, from, to int) {
	end := to
	for end < len(f.text) && end-to < 256 && inWord(f.text[end]) {
		end++
	}
	f.steps += end - to
	addr := f.text[from:end]
	if s.out.URL != "" || !bytes.Contains(addr, []byte("app:conf:focus:id:")) || bytes.Contains(addr, []byte("id:teams:")) {
		return
	}
	s.out.SIP, s.out.Provider = string(addr), "skype4b"
	s.out.Candidates = append(s.out.Candidates, Candidate{Provider: "skype4b", SIP: s.out.SIP, Field: f.field, Start: f.source(from), End: f.source(end-1) + 1, Score: 10 * strength(f.field), Why: []string{"a Skype for Business conference address"}})
}

// addressAround cuts out NAME@DOMAIN around an "@", not reaching back beyond
// begin.
func addressAround(text []byte, begin, at int) (from, to int) {
	from, to = at, at+1
	for from > begin && at-from < 128 && (isAlnum(text[from-1]) || bytes.IndexByte([]byte("._+-#"), text[from-1]) >= 0) {
		from--
	}
	for to < len(text) && to-at < 256 && (isAlnum(text[to]) || text[to] == '.' || text[to] == '-') {
		to++
	}
	for to > at+1 && (text[to-1] == '.' || text[to-1] == '-') {
		to--
	}
	if from == at {
		return from, at + 1
	}
	return from, to
}

// addressIn returns the address of a link without its parameters.
func addressIn(rest string) string {
	addr, _, _ := strings.Cut(percent(rest), "?")
	return addr
}

// address decides whether NAME@DOMAIN is a way into the meeting. Without src
// it stands in the text, at a place of it.
func (s *search) address(f *flat, addr string, src span, at int, scheme bool, values []value) {
	name, host, ok := strings.Cut(strings.ToLower(strings.TrimSpace(addr)), "@")
	if !ok || name == "" || s.out.SIP != "" || !strings.Contains(host, ".") {
		return
	}
	why := s.sipReason(f, name, host, at, scheme)
	below := numberBelow(f.text[min(at+len(addr), len(f.text)):])
	if why == "" && below != "" && below == firstOf(values, videoID) {
		why = "above the video id of a conference"
	}
	if why == "" {
		if allOf(name, isDigit) && len(name) >= 4 {
			s.reject(addr, "digits on a domain that is not listed for meetings: it may be a person's mail address")
		}
		return
	}
	if src == (span{}) {
		src = span{f.source(at), f.source(at+len(addr)-1) + 1}
	}
	if (host == "m.webex.com" || under(host, "plcm.vc")) && !strings.Contains(name, ".") {
		if s.cvi != "" && strings.HasSuffix(s.cvi, "@"+host) {
			addr = s.cvi
		} else if id := cmp.Or(firstOf(values, videoID), below); id != "" {
			addr = id + "." + addr
		}
		why += ", of a video interoperability service"
	}
	if host == "teams.bjn.vc" && below != "" && !strings.Contains(name, ".") {
		addr = name + "." + below + "@" + host
	}
	s.out.SIP = strings.TrimSpace(addr)
	if len(s.out.Candidates) < maxFound {
		s.out.Candidates = append(s.out.Candidates, Candidate{Provider: "sip", SIP: s.out.SIP, Field: f.field, Start: src.from, End: src.to, Score: 10*strength(f.field) - 50, Why: []string{why}})
	}
}

// numberBelow returns the number on one of the two lines below a tenant key:
// the video id, whatever the language calls it.
func numberBelow(text []byte) string {
	for range 3 {
		line, rest, ok := bytes.Cut(text[:min(len(text), 512)], []byte("\n"))
		if i := bytes.IndexByte(line, ':'); i >= 0 && bytes.IndexByte(line, '@') < 0 {
			for i < len(line) && !isDigit(line[i]) {
				i++
			}
			if d, _ := digitGroup(line[i:]); len(d) >= 9 && len(d) <= 12 {
				return d
			}
		}
		if !ok {
			break
		}
		text = rest
	}
	return ""
}

// sipReason says why an address is a meeting's, empty if it is not.
func (s *search) sipReason(f *flat, name, host string, at int, scheme bool) string {
	digits := allOf(strings.ReplaceAll(name, ".", ""), isDigit)
	for _, d := range s.domains {
		if under(host, d) && (digits || scheme) {
			return "on a domain of the organisation's meetings"
		}
	}
	if conferenceDomain(host, digits) {
		return "on a conference domain"
	}
	if under(host, "webex.com") && host != "webex.com" && strings.Count(host, ".") == 2 && !mailbox(name) {
		return "on a Webex site"
	}
	if strings.HasSuffix(s.cvi, "@"+host) {
		return "on the domain of a video interoperability service"
	}
	if a, ok := parse(s.out.URL); ok && a.host == host && domain(host) != host && name == strings.ToLower(s.out.MeetingID) {
		return "the room's own name on its own host"
	}
	number, _, _ := strings.Cut(name, ".")
	if allOf(number, isDigit) && len(number) >= 5 && s.out.MeetingID == number {
		return "the meeting's own number"
	}
	if scheme {
		return "a sip: address"
	}
	if digits && announced(f.text, at) {
		return "announced as a video address"
	}
	return ""
}

// mailbox reports whether a name is one that services send mail from.
func mailbox(name string) bool {
	for _, w := range []string{"noreply", "no-reply", "donotreply", "messenger", "support", "info", "help", "meetings"} {
		if name == w {
			return true
		}
	}
	return false
}

// announced reports whether the text in front of a place, on the same line,
// speaks of video systems.
func announced(text []byte, at int) bool {
	var buf [80]byte
	line := buf[:copy(buf[:], text[max(0, at-len(buf)):at])]
	line = line[bytes.LastIndexByte(line, '\n')+1:]
	for i, c := range line {
		if 'A' <= c && c <= 'Z' {
			line[i] |= 0x20
		}
	}
	for _, word := range []string{"sip", "video system", "h.323", "videosystem", "cisco"} {
		if bytes.Contains(line, []byte(word)) {
			return true
		}
	}
	return false
}

// interop reads the address of a video interoperability service out of the
// link to its instructions, which holds both parts in every language.
func interop(a address) string {
	switch {
	case under(a.host, "webex.com") && strings.HasPrefix(strings.ToLower(a.path), "/msteams"):
		conf, key := a.query("confid"), a.query("tenantkey")
		host := a.query("domain")
		if host == "" {
			host = "m.webex.com"
		}
		if conf != "" && key != "" {
			return conf + "." + key + "@" + host
		}
	case under(a.host, "plcm.vc") && strings.HasPrefix(strings.ToLower(a.path), "/teams"):
		conf, key := a.query("conf"), a.query("key")
		if conf != "" && key != "" {
			return conf + "." + key + "@t.plcm.vc"
		}
	case a.host == "pexip.me" && strings.HasPrefix(a.path, "/teams/"):
		host, conf, _ := strings.Cut(a.path[len("/teams/"):], "/")
		if conf = strings.TrimSuffix(conf, "/"); strings.Contains(host, ".") && len(conf) >= 6 && allOf(conf, isDigit) {
			return conf + "@" + strings.ToLower(host)
		}
	case strings.EqualFold(strings.TrimSuffix(a.path, "/"), "/teams"):
		conf, host := a.query("conf"), a.query("d")
		if strings.Contains(host, ".") && len(conf) >= 6 && allOf(conf, isDigit) {
			return conf + "@" + strings.ToLower(host)
		}
	}
	return ""
}

// h323 looks for IP##NUMBER, and for an IP address behind the word H.323.
func (s *search) h323() {
	for _, f := range s.fields {
		f.steps += 2 * len(f.text)
		if i := bytes.Index(f.text, []byte("##")); i > 0 {
			from, to := i, i+2
			for from > 0 && i-from < 64 && (isAlnum(f.text[from-1]) || f.text[from-1] == '.') {
				from--
			}
			for to < len(f.text) && to-i < 32 && isDigit(f.text[to]) {
				to++
			}
			if to > i+2 && bytes.Count(f.text[from:i], []byte(".")) >= 1 {
				s.out.H323 = string(f.text[from:to])
				return
			}
		}
		i := bytes.Index(f.text, []byte("H.323"))
		if i < 0 || s.out.MeetingID == "" || !allOf(s.out.MeetingID, isDigit) {
			continue
		}
		if ip := firstIP(f.text[i+5 : min(len(f.text), i+120)]); ip != "" {
			s.out.H323 = ip + "##" + s.out.MeetingID
			return
		}
	}
}

// firstIP finds an IPv4 address in a short text.
func firstIP(text []byte) string {
	for field := range bytes.FieldsFuncSeq(text, func(r rune) bool { return r != '.' && (r < '0' || r > '9') }) {
		if parts := bytes.Split(bytes.Trim(field, "."), []byte(".")); len(parts) == 4 {
			fine := true
			for _, p := range parts {
				fine = fine && len(p) > 0 && len(p) <= 3
			}
			if fine {
				return string(bytes.Trim(field, "."))
			}
		}
	}
	return ""
}
