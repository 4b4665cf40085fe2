package detect

import (
	"bytes"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/koyomi-cal/koyomi/internal/calendar"
)

// maxDialin bounds how many numbers are kept. Zoom lists up to eighty.
const maxDialin = 100

// number is a phone number in a text.
type number struct {
	digits string // "+" only where it was printed
	pin    string
	code   string // a second number to type: the passcode
	at     int
}

// numbers reads the phone numbers of a flat: international ones anywhere,
// national ones where the text around them speaks of phones.
func (s *search) numbers(f *flat) []number {
	var found []number
	c := phoneContext{flat: f}
	f.lines(func(l span) bool {
		c.next(l)
		line := f.text[l.from:min(l.to, l.from+4096)]
		before := len(found)
		for at := dialMark(line, 0); at < len(line) && len(found) < maxDialin; {
			n, to := readNumber(line, at, c.speaks)
			f.steps += max(to, at+1) - at
			if to > at && n.digits != "" && !f.taken(l.from+at) && !s.labelled(f, l.from, l.from+at) && (n.pin != "" || !c.personal()) {
				n.at = l.from + at
				found = append(found, n)
			}
			at = max(to, at+1)
		}
		c.listed = len(found) > before
		return len(found) < maxDialin
	})
	for _, l := range f.links {
		if len(found) < maxDialin && len(l.href) > 4 && strings.EqualFold(l.href[:4], "tel:") {
			if n, _ := readNumber([]byte(l.href[4:]), 0, func() bool { return true }); n.digits != "" {
				n.at = l.from
				found = append(found, n)
			}
		}
	}
	return found
}

// phoneContext tells whether the text around a line is about phones: the line
// itself, the one above it, or a list of numbers that began below such a line.
type phoneContext struct {
	*flat
	line, above span
	listed      bool // the line above held a number
	inList      bool // and that one stood below a line about phones
	known       bool
	answer      bool
	signed      bool // below the words with which a letter ends
	followed    int  // how far signatures were looked for
	lower       []byte
}

// personal reports whether a number on the line is a person's, not a
// conference's: it stands in a signature, or says whom to call.
func (c *phoneContext) personal() bool {
	for c.followed < c.line.to {
		line := c.text[c.followed:c.line.to]
		if i := bytes.IndexByte(line, '\n'); i >= 0 {
			line = line[:i]
		}
		c.signs(line)
		c.followed += len(line) + 1
		c.steps += len(line) + 1
	}
	if c.signed {
		return true
	}
	lower := bytes.ToLower(c.text[c.line.from:min(c.line.to, c.line.from+200)])
	for _, w := range []string{"call me", "reach me", "text me", "whatsapp", "my cell", "my mobile", "my number", "meine nummer", "rufen sie mich", "ruf mich", "questions", "rückfragen", "fragen:", "contact:", "kontakt:", "helpdesk", "help desk", "hotline", "reception", "emergency"} {
		if bytes.Contains(lower, []byte(w)) {
			return true
		}
	}
	return false
}

// signs follows where a signature begins and where the next part of the mail
// does.
func (c *phoneContext) signs(line []byte) {
	if len(line) > 160 {
		return
	}
	c.lower = c.lower[:0]
	for _, r := range string(bytes.TrimSpace(line)) {
		c.lower = utf8.AppendRune(c.lower, unicode.ToLower(r))
	}
	lower := c.lower
	if string(lower) == "--" {
		c.signed = true
		return
	}
	if c.signed {
		for _, w := range []string{"dial", "join", "einwahl", "one tap", "conference", "meeting", "zoom", "webex", "teams", "____", "----", "====", "会议", "会議", "réunion", "reunión", "riunione", "reunião", "besprechung"} {
			if bytes.Contains(lower, []byte(w)) {
				c.signed = false
				return
			}
		}
		return
	}
	if len(lower) > 60 || bytes.IndexByte(lower, ':') >= 0 {
		return
	}
	for _, w := range []string{"regards", "best wishes", "sincerely", "cheers,", "thanks,", "grüße", "grüßen", "grüsse", "gruß", "cordialement", "bien à vous", "saludos", "atentamente", "saluti", "atenciosamente", "groet", "hälsning", "hilsen", "terveisin", "pozdraw", "s pozdravem", "с уважением", "з повагою", "saygılar"} {
		if bytes.Contains(lower, []byte(w)) {
			c.signed = true
			return
		}
	}
}

func (c *phoneContext) next(l span) {
	if len(bytes.TrimSpace(c.text[c.line.from:min(c.line.to, c.line.from+64)])) > 0 {
		c.inList = c.listed && c.speaks()
		c.above = c.line
	}
	c.line, c.known, c.listed = l, false, false
}

func (c *phoneContext) speaks() bool {
	if !c.known {
		c.known = true
		c.answer = c.inList || speaksOfPhones(c.text[c.line.from:c.line.to]) || speaksOfPhones(c.text[c.above.from:c.above.to])
	}
	return c.answer
}

// labelled reports whether what stands at a place is announced as something
// else than a phone number.
func (s *search) labelled(f *flat, line, at int) bool {
	begin := max(line, at-maxLabel)
	label := f.text[begin:at]
	if i := bytes.LastIndexAny(label, "|;,"); i >= 0 {
		label = label[i+1:]
	}
	i := bytes.LastIndexByte(label, ':')
	if i < 0 {
		return bytes.HasSuffix(bytes.TrimRight(label, " "), []byte("PIN"))
	}
	if bytes.ContainsAny(label[i:], "0123456789") && f.text[at] == '+' {
		return false // something else stands between
	}
	word := strings.ToLower(string(label[:i]))
	for _, w := range []string{"fax", "mobile", "mobil", "handy", "cell"} {
		if strings.HasSuffix(strings.TrimSpace(word), w) {
			return true
		}
	}
	return s.classify(word) != noClass
}

// speaksOfPhones reports whether a line is about phones.
func speaksOfPhones(line []byte) bool {
	lower := strings.ToLower(string(line[:min(len(line), 300)]))
	for _, w := range []string{"toll", "dial", "phone", "call-in", "call in", "telefon", "téléphone", "teléfono", "telefono", "einwahl", "einwählen", "freephone", "numéro vert", "gratuit", "gratis", "gebührenfrei",
		"tel:", "tel.", "one-touch", "one tap", "電話", "ダイヤル", "电话", "拨号", "撥", "전화", "телефон", "puhelin", "soita", "international:"} {
		if strings.Contains(lower, w) {
			return true
		}
	}
	return false
}

// dialMark returns the first place from at on where a phone number may begin.
func dialMark(line []byte, at int) int {
	for at < len(line) && !isDigit(line[at]) && line[at] != '+' && line[at] != '(' && line[at] != '%' {
		at++
	}
	return at
}

// readNumber reads a phone number at a place of a line, with what is typed
// after the call is through. Without one, to is where to look on.
func readNumber(line []byte, at int, national func() bool) (n number, to int) {
	c := line[at]
	plus := c == '+' || at+2 < len(line) && c == '%' && line[at+1] == '2' && line[at+2]|0x20 == 'b'
	if !plus && c != '(' && !isDigit(c) {
		return n, at + 1
	}
	if at > 0 {
		if p := line[at-1]; isAlnum(p) || p == '/' && !plus || p == '@' || p == '.' || p == '*' || p == '#' || p == '-' && !plus || p == '=' || p == '_' {
			return n, runEnd(line, at)
		}
	}
	i := at
	if plus {
		if i++; c == '%' {
			i += 2
		}
	}
	digits, i, dots := dialled(line, i)
	switch {
	case len(digits) < 7 || len(digits) > 15:
		return n, max(i, at+1)
	case !plus && (dots == 3 && len(digits) <= 12 || len(digits) > 13 || !national()):
		return n, max(i, at+1)
	case i < len(line) && (isLetter(line[i]) || line[i] == '@' || line[i] == ':' || line[i] == '/' && !plus):
		return n, max(i, at+1)
	case !plus && i < len(line) && (line[i] == '#' || line[i] == ')' && line[at] != '(' || line[i] == '.' && i+1 < len(line) && isLetter(line[i+1])):
		return n, i // a code that is typed, a remark in brackets, part of an address
	}
	n.digits = digits
	if plus {
		n.digits = "+" + digits
	}
	n.pin, n.code, to = tail(line, i)
	return n, to
}

// runEnd returns where the run of digits at a place ends.
func runEnd(line []byte, at int) int {
	for at < len(line) && (isDigit(line[at]) || line[at] == '+') {
		at++
	}
	return max(at, 1)
}

// dialled reads the digits of a number with the marks that group them.
func dialled(line []byte, i int) (digits string, end, dots int) {
	var b []byte
	end = i
	for ; i < len(line) && len(b) <= 16; i++ {
		switch c := line[i]; {
		case isDigit(c):
			b = append(b, c)
			end = i + 1
		case c == '(' && bytes.HasPrefix(line[i:], []byte("(0)")):
			i += 2 // the zero that is not dialled from abroad
			end = i + 1
		case c == ' ' || c == '-' || c == '.' || c == '(' || c == ')' || c == '/':
			if c == '.' {
				dots++
			}
			// At most two marks between digits; two blanks end a number.
			if i+1 < len(line) && line[i+1] == ' ' && c == ' ' {
				return string(b), end, dots
			}
			if i-end >= 3 {
				return string(b), end, dots
			}
		default:
			return string(b), end, dots
		}
	}
	return string(b), end, dots
}

// tail reads what is typed after the call is through: ",,9405654#,,*5599#".
// Short groups choose a language or wait; "*01*" is a device's own mark.
func tail(line []byte, i int) (pin, code string, to int) {
	if i < len(line) && line[i] == ' ' && i+1 < len(line) && line[i+1] == ',' {
		i++
	}
	begin := i
	for i < len(line) && (isDigit(line[i]) || strings.IndexByte(",;#*%px", line[i]) >= 0) {
		if line[i] == '%' {
			if i+2 >= len(line) || unhex(line[i+1]) < 0 || unhex(line[i+2]) < 0 {
				break
			}
			i += 2
		}
		i++
	}
	typed := strings.ReplaceAll(percent(string(line[begin:i])), "*01*", "")
	if typed == "" || !strings.ContainsRune(",;px", rune(typed[0])) {
		return "", "", i
	}
	for group := range strings.FieldsFuncSeq(typed, func(r rune) bool { return r < '0' || r > '9' }) {
		if len(group) < 4 {
			continue
		}
		if pin == "" {
			pin = group
		} else if group != pin && code == "" {
			code = group
		}
	}
	return pin, code, i
}

// dialin collects the numbers of all flats and gives each what the caller
// types.
func (s *search) dialin(values []value) {
	var all []number
	common := ""
	for _, f := range s.fields {
		if f.field == "subject" {
			continue
		}
		for _, n := range s.numbers(f) {
			if slices.ContainsFunc(values, func(v value) bool { return v.flat == f && v.at == n.at }) {
				continue // a PIN or meeting number that looks like a phone's
			}
			if n.pin == "" {
				n.pin = onLine(values, f, n)
			} else if common == "" {
				common = n.pin
			}
			all = append(all, n)
		}
	}
	if common == "" {
		common = firstOf(values, phonePIN, accessCode)
	}
	if common == "" && allOf(s.out.MeetingID, isDigit) {
		common = s.out.MeetingID
	}
	if common == "" {
		common = firstOf(values, phoneCode)
	}
	if common == "" && s.out.URL == "" {
		common = firstOf(values, passcode)
	}
	if common == "" && allOf(s.out.MeetingID, isDigit) {
		common = s.out.MeetingID
	}
	for _, n := range all {
		if n.code != "" && s.out.Passcode == "" {
			s.out.Passcode = n.code
		}
		if n.pin == "" && !strings.HasSuffix(n.digits, common) {
			n.pin = common // unless the number ends in it: then it is dialled through
		}
		s.addNumber(calendar.Dialin{Number: n.digits, PIN: n.pin})
	}
	if s.out.URL == "" && s.out.SIP == "" && common == "" {
		s.out.Dialin = nil // somebody's phone number, not a conference
	}
}

// addNumber keeps a number once: of a national and an international form of
// the same the latter.
func (s *search) addNumber(d calendar.Dialin) {
	for i, k := range s.out.Dialin {
		short, long := k, d
		if len(short.Number) > len(long.Number) {
			short, long = long, short
		}
		if short.Number == long.Number || national(short.Number, long.Number) {
			if long.PIN == "" {
				long.PIN = short.PIN
			}
			s.out.Dialin[i] = long
			return
		}
	}
	s.out.Dialin = append(s.out.Dialin, d)
}

// national reports whether short is the national form of the international
// number long: the same digits behind a prefix such as 0, 1 or 8.
func national(short, long string) bool {
	if strings.HasPrefix(short, "+") || !strings.HasPrefix(long, "+") {
		return false
	}
	return strings.HasSuffix(long, strings.TrimLeft(short, "0")) || len(short) >= 10 && strings.HasSuffix(long, short[1:])
}

// onLine returns the PIN that stands on a number's own line.
func onLine(values []value, f *flat, n number) string {
	stop := len(f.text)
	if i := bytes.IndexByte(f.text[n.at:], '\n'); i >= 0 {
		stop = n.at + i
	}
	for _, v := range values {
		if v.flat == f && v.at > n.at && v.at < stop && (v.class == phonePIN || v.class == accessCode) && allOf(v.text, isDigit) {
			return v.text
		}
	}
	return ""
}

// firstOf returns the first value of digits of the first class that has one.
func firstOf(values []value, classes ...class) string {
	for _, c := range classes {
		for _, v := range values {
			if v.class == c && allOf(v.text, isDigit) {
				return v.text
			}
		}
	}
	return ""
}
