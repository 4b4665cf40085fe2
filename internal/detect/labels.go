package detect

import (
	"bytes"
	"strings"
	"unicode"
	"unicode/utf8"
)

// class says what a labelled value in an invitation's text is.
type class int8

const (
	noClass    class = iota
	meetingID        // number or name of the meeting
	accessCode       // number that a caller types, often the meeting's own
	passcode         // what one is asked for on joining
	phoneCode        // a passcode for the phone or a SIP device only
	phonePIN         // what a caller types
	videoID          // a video system's part of an address
	hostOnly         // what only the host uses
	typed            // what one is told to enter: a PIN if "#" or "as the … PIN" follows
)

// value is a labelled value.
type value struct {
	class class
	text  string
	at    int // of the value in the flat's text
	flat  *flat
}

// labelWord is a word that makes a label.
type labelWord struct {
	class class
	order int    // the first that fits counts
	word  string // lower case
	whole bool   // only as a word of its own
}

// labelIndex holds the words by their first byte.
type labelIndex [256][]labelWord

// labelWords lists the words by which labels are known, in the languages in
// which services write their invitations. A leading "=" asks for the whole
// word.
func labelWords() *labelIndex {
	table := []struct {
		class class
		words string
	}{
		{hostOnly, "host key|host pin|host code|host passcode|moderator|leader|organizer pin|organiser pin|hostschlüssel|host-kennnummer|clé de l'hôte|clé d'hôte|clave de anfitrión|chiave host|chave de anfitrião|hostsleutel|värdnyckel|ключ хоста|클라이언트 키|호스트 키|主持人金鑰|主持人密|主持人密钥|ホストキー|ホスト キー|chairperson|presenter"},
		{hostOnly, "password reset|reset password|reset dial-in|webinar password link"},
		{phoneCode, "phone passcode|phone password|telephone passcode|telephone password|audio passcode|sip password|sip passcode|sip-passwort|sip-salasana|sip 비밀번호|sip密|sip パスワード|sipパスワード|mot de passe sip|contraseña sip|password sip|senha sip|" +
			"participant passcode|attendee passcode|numeric passcode|numeric password|video system passcode|video system password|h.323/sip pas|h.323 pas|passcode telefon|kenncode telefon|from phones|from video systems|videosystem|from a phone|password for audio|password for video|passwort für audio|passwort für video"},
		{videoID, "video id|video-id|vtc|video conference id|videokonferenz-id|id vidéo|id de vídeo|id de video|id video|ビデオ id|ビデオid|视频 id|視訊 id|비디오 id|videoconference id|video conferencing id|id de videoconferencia|id de conférence vidéo|videokonferenskod|id de la vidéo|id. de vídeo|id. de video|id do vídeo|videon tunnus|identyfikator wideo|id videa|идентификатор видео|ідентифікатор відео|video kimliği|視訊識別碼|視訊會議識別碼|视频会议 id|מזהה וידאו|معرف الفيديو"},
		{phonePIN, "phone conference id|conference id|konferenz-id|telefonkonferenz-id|id de conférence|id de conferencia|id conferenza|id da conferência|会議 id (電話)|電話会議 id|电话会议 id|conferentie-id|konferens-id|konference-id|id konferencji|id konference|=pin|pin-code|pin code|pincode|codice pin|attendee pin|meeting pin|conference code|participant code|participant pin|conf id|konferensnummer|telefonische vergadering|telefonkonferanse-id|puhelinneuvottelun tunnus|konferencji telefonicznej|id telefonické konference|телефонной конференции|телефонної конференції|telefon konferansı kimliği|電話會議識別碼|מזהה ועידת טלפון|מזהה ועידה|معرف مؤتمر الهاتف|conferencia telefónica|conférence téléphonique|conferenza telefonica|conferência por telefone|전화 회의 id|teilnehmercode|teilnehmer-code|teilnehmer-pin|konferenzcode|konferenz-pin|einwahlcode|einwahl-pin|code participant|code de conférence|code pin|código de participante|código de conferencia|código pin|codice partecipante|codice conferenza|deelnemerscode|deelnemercode|pincode|deltagerkode|deltagarkod|osallistujakoodi|kod uczestnika|kód účastníka|код участника|katılımcı kodu|参加者コード|会議コード|参会码|參加者代碼|참가자 코드"},
		{accessCode, "access code|accesscode|zugriffscode|zugangscode|zugangsnummer|code d'accès/id|アクセスコード|アクセス コード|访问码|接入码|存取碼|액세스 코드|código de acceso/id|codice di accesso/id|código de acesso/id|käyttökoodi|åtkomstkod/|toegangscode/|event number|code d'accès à la|codice di accesso:"},
		{passcode, "passcode|pass code|password|passwort|kennwort|kenncode|meeting key|meeting password|event password|session password|contraseña|clave|código de acceso|codigo de acceso|código secreto|mot de passe|code secret|code d'accès|codice di accesso|codice d'accesso|" +
			"senha|código de acesso|palavra-passe|wachtwoord|toegangscode|lösenord|lösenkod|åtkomstkod|passord|tilgangskode|adgangskode|adgangskod|salasana|tunnuskoodi|pääsykoodi|hasło|kod dostępu|heslo|přístupový kód|prístupový kód|jelszó|azonosítókód|parola|geçiş kodu|şifre|" +
			"пароль|код доступа|код доступу|секретний код|секретный код|код допуска|kодовый|パスコード|パスワード|密码|密碼|入会密|암호|비밀번호|패스코드|पासकोड|รหัสผ่าน|mật khẩu|mật mã|kata sandi|kode sandi|סיסמה|סיסמא|קוד סודי|קוד מעבר|קוד גישה|رمز المرور|رمز الدخول|كلمة المرور|κωδικός|parolă|cod de acces|лозинка|šifra|geslo|slaptažodis|parole|salasõna|passwd|=pwd|=pw"},
		{meetingID, "meeting id|meeting-id|meetingid|meeting number|meeting no|meeting code|webinar id|webinar-id|event id|session id|besprechungs-id|besprechungsnummer|meetingnummer|meeting-kennnummer|sitzungsnummer|konferenznummer|id de reunión|id. de reunión|id de la reunión|número de reunión|id de réunion|id de la réunion|id réunion|numéro de réunion|numéro de la réunion|" +
			"id riunione|id della riunione|numero riunione|numero della riunione|id da reunião|id de reunião|número da reunião|número de reunião|vergadering-id|vergaderings-id|vergader-id|vergaderingsnummer|mötes-id|møte-id|møde-id|mødenummer|mötesnummer|møtenummer|kokouksen tunnus|kokoustunnus|kokouksen numero|tapaamistunnus|identyfikator spotkania|id spotkania|numer spotkania|id schůzky|číslo schůzky|id stretnutia|" +
			"értekezlet azonosító|értekezlet-azonosító|toplantı kimliği|toplantı no|toplantı numarası|идентификатор|ідентифікатор|номер совещания|номер встречи|id собрания|id встречи|会議 id|会議id|ミーティング id|ミーティングid|ミーティング番号|会議番号|ウェビナー id|ウェビナーid|会议 id|会议id|会议号|会議號|会議号|會議 id|會議id|會議號|會議識別碼|會議編號|会议编号|會議代碼|会议代码|회의 id|모임 id|미팅 id|회의 번호|회의번호|मीटिंग id|मीटिंग आईडी|รหัสการประชุม|id cuộc họp|id rapat|מזהה פגישה|מזהה ישיבה|מזהה הפגישה|معرف الاجتماع|معرّف الاجتماع|" +
			"αναγνωριστικό|id ședință|id întâlnire|id sastanka|id sestanka|susitikimo id|sapulces id|koosoleku id|room number|room id|raumnummer|conference number|=id|=mtg id"},
	}
	index, order := &labelIndex{}, 0
	for _, row := range table {
		for w := range strings.SplitSeq(row.words, "|") {
			word, whole := strings.CutPrefix(w, "=")
			index[word[0]] = append(index[word[0]], labelWord{row.class, order, word, whole})
			order++
		}
	}
	return index
}

// classify says what a label announces.
func (d *Detector) classify(label string) class {
	label = strings.ReplaceAll(strings.ToLower(label), "’", "'")
	c := d.firstClass(label)
	if c == passcode || c == accessCode {
		// "Numéro de la réunion (code d'accès)": the number comes first.
		if before, _, ok := strings.Cut(label, "("); ok && d.firstClass(before) == meetingID {
			return meetingID
		}
	}
	return c
}

// firstClass returns the class of the first word of the list that a label
// holds.
func (d *Detector) firstClass(label string) class {
	best := labelWord{order: -1}
	for i := 0; i < len(label); i++ {
		for _, w := range d.registry.labels[label[i]] {
			if (best.order < 0 || w.order < best.order) && strings.HasPrefix(label[i:], w.word) && (!w.whole || alone(label, i, i+len(w.word))) {
				best = w
			}
		}
	}
	return best.class
}

// alone reports whether label[from:to] is a word of its own.
func alone(label string, from, to int) bool {
	before, _ := utf8.DecodeLastRuneInString(label[:from])
	after, _ := utf8.DecodeRuneInString(label[to:])
	return (from == 0 || !unicode.IsLetter(before) || before >= 0x3000) && (to == len(label) || !unicode.IsLetter(after) || after >= 0x3000)
}

// maxLabel bounds the length of a label in bytes.
const maxLabel = 72

// values reads the labelled values of a flat.
func (s *search) values(f *flat) (found []value) {
	f.steps += len(f.text)
	last := 0 // behind the previous label
	defer func() { found = append(append(found, s.unmarked(f)...), s.ownLines(f)...) }()
	for at := 0; len(found) < 4*maxFound; {
		i := bytes.IndexByte(f.text[at:], ':')
		if i < 0 {
			return found
		}
		at += i + 1
		if at < len(f.text) && f.text[at] == '/' || at > 1 && isDigit(f.text[at-2]) {
			continue
		}
		begin := labelBegin(f.text, max(last, at-1-maxLabel), at-1)
		f.steps += at - begin
		last = at
		from := skipBlanks(f.text, at)
		if at-1-begin < 2 || from == len(f.text) {
			continue
		}
		c := s.classify(string(f.text[begin : at-1]))
		if c == noClass || c == hostOnly {
			continue
		}
		nextLine := bytes.IndexByte(f.text[at:from], '\n') >= 0
		if v := readValue(c, f.text[from:min(len(f.text), from+128)], nextLine); v != "" {
			if mark := f.text[from-1]; mark == '*' || mark == '_' || mark == '`' {
				v = strings.TrimRight(v, string(mark)) // emphasis around the value
			}
			found = append(found, value{c, v, from, f})
		}
	}
	return found
}

// unmarked reads numbers that follow upon a word without a colon, as in "PIN
// 4711#" or "passcode 123456".
func (s *search) unmarked(f *flat) (found []value) {
	const enough = 64 << 10 // nobody writes so beyond the first pages
	text := f.text[:min(len(f.text), enough)]
	f.steps += len(text)
	for at := 1; at < len(text) && len(found) < 4*maxFound; at++ {
		if !isDigit(text[at]) || text[at-1] != ' ' {
			continue
		}
		c := unmarkedLabel(text[:at])
		if c == noClass {
			continue
		}
		if d, n := digitGroup(f.text[at:min(len(f.text), at+40)]); len(d) >= 4 && (c != typed || isTyped(f.text[at+n:])) {
			if c == typed {
				c = phonePIN
			}
			found = append(found, value{c, d, at, f})
			at += n
		}
	}
	return found
}

// unmarkedLabel says what the words announce that a text ends with, a blank
// behind them.
func unmarkedLabel(text []byte) class {
	for _, w := range []labelWord{{class: passcode, word: "passcode "}, {class: passcode, word: "password "}, {class: accessCode, word: "access code "}, {class: phonePIN, word: "participant code "}, {class: phonePIN, word: "conference id "},
		{class: phonePIN, word: "conference code "}, {class: phonePIN, word: "pin "}, {class: meetingID, word: "meeting id "}, {class: meetingID, word: "meeting number "}, {class: typed, word: "enter "}} {
		i := len(text) - len(w.word)
		if i < 0 || text[len(text)-2]|0x20 != w.word[len(w.word)-2] || !strings.EqualFold(string(text[i:]), w.word) {
			continue
		}
		if i > 0 && isLetter(text[i-1]) || bytes.Contains(bytes.ToLower(text[max(0, i-8):i]), []byte("host")) {
			return noClass
		}
		return w.class
	}
	return noClass
}

// isTyped reports whether what follows a number says that a caller types it.
func isTyped(after []byte) bool {
	after = bytes.ToLower(after[:min(len(after), 40)])
	if i := bytes.IndexByte(after, '\n'); i >= 0 {
		after = after[:i]
	}
	return bytes.HasPrefix(after, []byte("#")) || bytes.HasPrefix(after, []byte(" as ")) && bytes.Contains(after, []byte("pin"))
}

// maxLabelLine bounds the length in bytes of a line that is a label without a
// colon, as the heads of cells in a table are.
const maxLabelLine = 48

// ownLines reads values that stand on a line of their own below a line that is
// their label.
func (s *search) ownLines(f *flat) (found []value) {
	var above []byte // the last line that was not empty
	f.lines(func(l span) bool {
		line := bytes.TrimSpace(f.text[l.from:min(l.to, l.from+2*maxLabelLine)])
		if len(line) == 0 {
			return true
		}
		label := above
		above = line
		if l.to-l.from >= 2*maxLabelLine || len(label) == 0 || len(label) > maxLabelLine || !holdsDigit(line) || bytes.IndexByte(line, ':') >= 0 ||
			bytes.ContainsAny(label, ".:?!@0123456789") || bytes.Count(label, []byte(" ")) > 4 {
			return true
		}
		f.steps += len(label) + len(line)
		c := s.classify(string(label))
		if c == noClass || c == hostOnly {
			return true
		}
		v := ""
		if bytes.IndexByte(line, ' ') < 0 {
			v = readValue(c, line, false)
		} else if d, n := digitGroup(line); c != passcode && len(d) >= 4 && len(bytes.TrimRight(line[n:], "# ")) == 0 {
			v = d
		}
		if v != "" {
			found = append(found, value{c, v, l.from + bytes.Index(f.text[l.from:l.to], line), f})
		}
		return len(found) < maxFound
	})
	return found
}

func holdsDigit(line []byte) bool {
	for _, c := range line {
		if isDigit(c) {
			return true
		}
	}
	return false
}

// labelBegin finds where a label begins that ends at to.
func labelBegin(text []byte, from, to int) int {
	if i := bytes.LastIndexAny(text[from:to], "\n|;\t"); i >= 0 {
		from += i + 1
	}
	for from < to && !utf8.RuneStart(text[from]) {
		from++
	}
	return from
}

// skipBlanks passes over blanks, emphasis marks and one line break.
func skipBlanks(text []byte, at int) int {
	breaks := 0
	for ; at < len(text); at++ {
		switch text[at] {
		case ' ', '\t', '\r', '*', '_', '`':
		case '\n':
			if breaks++; breaks > 2 {
				return at
			}
		default:
			return at
		}
	}
	return at
}

// readValue reads the value behind a label of a class; apart says that it
// stands on a line of its own.
func readValue(c class, text []byte, apart bool) string {
	if c != passcode && c != phoneCode {
		if d, _ := digitGroup(text); len(d) >= 3 {
			return d
		}
	}
	n := 0
	for n < len(text) && text[n] > ' ' && text[n] != '<' {
		n++
	}
	token := strings.TrimRight(string(text[:n]), ".,;`'\"")
	token = strings.TrimSuffix(strings.TrimSuffix(token, "**"), "__")
	if strings.Count(token, ")") > strings.Count(token, "(") {
		token = token[:strings.LastIndexByte(token, ')')]
	}
	if i := strings.IndexByte(token, '('); i > 0 && i+1 < len(token) && token[i+1] >= utf8.RuneSelf {
		token = token[:i] // a remark, without a blank in front as Japanese has it
	}
	token = strings.TrimSuffix(token, "#")
	if c == passcode || c == phoneCode {
		if len(token) < 3 || len(token) > 64 || strings.Contains(token, "://") || strings.HasSuffix(token, ":") || prose(token, text[n:], apart) {
			return ""
		}
		return strings.NewReplacer("&amp;", "&", "&lt;", "<", "&gt;", ">").Replace(token)
	}
	if len(token) >= 4 && len(token) <= 40 && strings.ContainsAny(token, "0123456789") && allOf(token, func(c byte) bool { return isAlnum(c) || c == '-' }) {
		return token
	}
	return ""
}

// prose reports whether what stands where a passcode is expected is the first
// word of a sentence, or the next label.
func prose(token string, rest []byte, apart bool) bool {
	if i := bytes.IndexByte(rest, '\n'); i >= 0 {
		rest = rest[:i]
	}
	rest = bytes.TrimSpace(rest)
	if len(rest) == 0 {
		return false
	}
	if apart {
		return bytes.IndexByte(rest, ':') >= 0 || !strings.ContainsAny(token, "0123456789")
	}
	return (isLetter(rest[0]) || rest[0] >= 0x80) && !strings.ContainsAny(token, "0123456789!@$%&+=?^~#") && token == strings.ToLower(token)
}

// digitGroup reads digits that are grouped by single blanks or dashes, and how
// long they are in the text.
func digitGroup(text []byte) (digits string, n int) {
	var b []byte
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case isDigit(c):
			b = append(b, c)
			n = i + 1
		case (c == ' ' || c == '-' || c == '.') && len(b) > 0 && i+1 < len(text) && isDigit(text[i+1]):
		default:
			if isAlnum(c) && i == n {
				return "", 0 // digits and letters: not a number
			}
			return string(b), n
		}
	}
	return string(b), n
}
