package render

import (
	"cmp"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	htmltemplate "html/template"
	"net/url"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/koyomi-cal/koyomi/internal/calendar"
)

// Bounds on what a block shows. They keep a block findable: find looks no
// further back than maxBlock from a last line.
const (
	maxURL    = 2048 // bytes
	maxValue  = 256  // bytes of a passcode, id or address
	maxNote   = 1024 // characters of header or footer
	maxPhones = 10
	maxBlock  = 32 << 10 // bytes of visible text without blanks
)

// Options say how a join block is written. Those of an organisation become
// those of one invitation by [Options.For].
type Options struct {
	Locale  string // BCP 47 tag; unknown: English; empty: the invitation's own language, by For
	English bool   // the same in English below it, where its own language is another
	Service string // meeting service as people know it; empty: the one in the join details
	// Header and Footer are the administrator's own plain text, at most 1,024
	// characters each: the header stands below the three lines one needs to
	// join, the footer above the last line. Notes has those of single
	// languages; English below another language shows its own notes only.
	Header, Footer string
	Notes          []Notes
	WithPhone      bool // show dial-in numbers
	WithVideo      bool // show SIP and H.323 addresses
}

// Notes are the administrator's header and footer in one language.
type Notes struct {
	Locale         string // BCP 47 tag
	Header, Footer string // as in Options
}

// For returns the options for one invitation: in the language that the
// organisation set, else in the invitation's own (its Culture, a BCP 47 tag);
// with English below it only if somebody from outside the organisation is
// invited.
func (o Options) For(culture string, outsiders bool) Options {
	if o.Locale == "" {
		o.Locale = culture
	}
	o.English = o.English && outsiders
	return o
}

// Check reports what is wrong with a language, header or footer. Configuration
// is checked with it once; every block checks its texts again.
func (o Options) Check() error {
	s, err := library()
	if err != nil {
		return err
	}
	if err := s.known(o.Locale); o.Locale != "" && err != nil {
		return err
	}
	for i, n := range o.Notes {
		if err := s.known(n.Locale); err != nil {
			return err
		}
		for _, m := range o.Notes[:i] {
			if s.language(m.Locale) == s.language(n.Locale) {
				return fmt.Errorf("the join block's header and footer in language %q stand twice: keep one", n.Locale)
			}
		}
	}
	return s.checkNotes(o)
}

// known refuses a language that the block is not written in, so that a slip of
// the pen does not silently become English.
func (s *shelf) known(tag string) error {
	if l := s.language(tag); l != s.english() || strings.EqualFold(strings.SplitN(tag+"-", "-", 2)[0], "en") {
		return nil
	}
	return fmt.Errorf("the join block is not written in language %q: choose one of %s", tag, strings.Join(Locales(), ", "))
}

func (s *shelf) checkNotes(o Options) error {
	for _, n := range append([]Notes{{Header: o.Header, Footer: o.Footer}, {Header: o.Service}}, o.Notes...) {
		for _, text := range []string{n.Header, n.Footer} {
			if utf8.RuneCountInString(text) > maxNote {
				return fmt.Errorf("the join block's header or footer %s is longer than %d characters: shorten it", n.Locale, maxNote)
			}
			if key := squeeze(text); key != "" && s.repeats(key) {
				return fmt.Errorf("the join block's header or footer %s repeats the block's own first or last line in some language: reword it", n.Locale)
			}
		}
	}
	return nil
}

// repeats reports whether a text holds a first or last line of a block.
func (s *shelf) repeats(key string) bool {
	for i := range s.locales {
		for _, k := range slices.Concat(s.locales[i].firstKeys, s.locales[i].lastKeys) {
			if strings.Contains(key, k) {
				return true
			}
		}
	}
	return false
}

// Block is one join block in both forms. Text has lines that end in "\n"; the
// last one has no end.
type Block struct {
	HTML, Text string
}

// fields is what the templates see.
type fields struct {
	L       *locale
	Font    htmltemplate.CSS
	Section section
	English *section // below it; nil: none
	Code    string
}

// section is the join details in one language.
type section struct {
	L        *locale
	URL      string
	Href     htmltemplate.URL
	Passcode string
	ID       string
	Service  string
	Header   []string
	Ways     []way
	Footer   []string
}

// way is a further way to join: an address of a video system or a number.
type way struct {
	Label string
	Text  string
	Href  htmltemplate.URL
	PIN   string
	Opens bool // the first one of its kind
}

// NewBlock writes the join details as a block. It fails when they hold no
// https link or a value that cannot be shown in one line.
func NewBlock(j calendar.JoinDetails, o Options) (Block, error) {
	s, err := library()
	if err != nil {
		return Block{}, err
	}
	return s.block(j, o)
}

func (s *shelf) block(j calendar.JoinDetails, o Options) (Block, error) {
	if err := s.checkNotes(o); err != nil {
		return Block{}, err
	}
	l := s.language(o.Locale)
	own, err := s.section(l, j, o)
	if err != nil {
		return Block{}, err
	}
	f := fields{L: l, Font: htmltemplate.CSS(l.Font), Section: own} // a font from an embedded file
	if en := s.english(); o.English && en != l {
		below, err := s.section(en, j, Options{Service: o.Service, Notes: o.Notes, WithPhone: o.WithPhone, WithVideo: o.WithVideo})
		if err != nil {
			return Block{}, err
		}
		f.English = &below
	}
	b, err := s.execute(f)
	if err != nil {
		return Block{}, err
	}
	visible := []byte(squeeze(b.Text))
	code := check(visible[:len(visible)-len(noCode)+1])
	return Block{HTML: putCode(b.HTML, code), Text: putCode(b.Text, code)}, nil
}

// noCode stands where the code will be, until the rest of the text is known.
const noCode = "(0000)"

func putCode(text, code string) string {
	i := strings.LastIndex(text, noCode)
	return text[:i+1] + code + text[i+len(noCode)-1:]
}

// execute runs both templates. The code is not in the block yet.
func (s *shelf) execute(f fields) (Block, error) {
	f.Code = noCode[1 : len(noCode)-1]
	var html, text strings.Builder
	if err := s.html.Execute(&html, f); err != nil {
		return Block{}, fmt.Errorf("write join block: %w", err)
	}
	if err := s.text.Execute(&text, f); err != nil {
		return Block{}, fmt.Errorf("write join block: %w", err)
	}
	return Block{HTML: strings.TrimSpace(html.String()), Text: strings.TrimSpace(text.String())}, nil
}

// section checks the join details and puts them into one language.
func (s *shelf) section(l *locale, j calendar.JoinDetails, o Options) (section, error) {
	if err := checkURL(j.URL); err != nil {
		return section{}, err
	}
	f := section{L: l, URL: j.URL, Href: htmltemplate.URL(j.URL)} // checked above
	f.Header, f.Footer = notes(o.Header), notes(o.Footer)
	for _, n := range o.Notes {
		if s.language(n.Locale) == l {
			f.Header, f.Footer = notes(n.Header), notes(n.Footer)
		}
	}
	var err error
	one := func(dst *string, what, value string) {
		if err == nil {
			*dst, err = oneLine(what, value)
		}
	}
	one(&f.Passcode, "passcode", j.Passcode)
	one(&f.ID, "meeting id", j.ID)
	one(&f.Service, "service name", cmp.Or(o.Service, j.Service))
	if err == nil && o.WithVideo {
		err = f.video(j)
	}
	if err == nil && o.WithPhone {
		err = f.phones(j)
	}
	return f, err
}

// video adds the addresses that a video system calls.
func (f *section) video(j calendar.JoinDetails) error {
	n := len(f.Ways)
	for _, a := range []struct{ scheme, label, addr string }{{"sip", f.L.SIP, j.SIP}, {"h323", f.L.H323, j.H323}} {
		w, err := address(a.scheme, a.addr)
		if err != nil {
			return err
		}
		if w.Text != "" {
			w.Label, w.Opens = a.label, len(f.Ways) == n
			f.Ways = append(f.Ways, w)
		}
	}
	return nil
}

// phones adds the numbers to dial.
func (f *section) phones(j calendar.JoinDetails) error {
	for i, d := range j.Dialin[:min(len(j.Dialin), maxPhones)] {
		w, err := telephone(d)
		if err != nil {
			return err
		}
		w.Label, w.Opens = f.L.Phone, i == 0
		f.Ways = append(f.Ways, w)
	}
	return nil
}

// checkURL makes sure that a link can stand in HTML and in text as it is, so
// that what people read and what they click are the same.
func checkURL(raw string) error {
	if raw == "" {
		return errors.New("the join details hold no link: the meeting service has to give one")
	}
	u, err := url.Parse(raw)
	bad := func(r rune) bool { return r <= ' ' || r > '~' || strings.ContainsRune(`"<>\^{|}`+"`'", r) }
	if err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil || len(raw) > maxURL || strings.IndexFunc(raw, bad) >= 0 {
		return errors.New("the join link is not a plain https:// address: correct the meeting service's settings")
	}
	return nil
}

// oneLine refuses a value that would break out of its line.
func oneLine(what, value string) (string, error) {
	value = strings.TrimSpace(value)
	if len(value) > maxValue || !utf8.ValidString(value) || strings.ContainsFunc(value, func(r rune) bool { return unicode.IsControl(r) || r == '\u2028' || r == '\u2029' }) {
		return "", fmt.Errorf("the join details' %s is not one short line of text", what)
	}
	return value, nil
}

// notes splits the administrator's text into lines.
func notes(text string) []string {
	text = strings.TrimSpace(strings.ToValidUTF8(text, "\uFFFD"))
	if text == "" {
		return nil
	}
	lines := strings.Split(strings.ReplaceAll(text, "\r\n", "\n"), "\n")
	for i, l := range lines {
		lines[i] = strings.TrimSpace(strings.Map(func(r rune) rune {
			if unicode.IsControl(r) {
				return ' '
			}
			return r
		}, l))
	}
	return lines
}

// address makes a way of a SIP or H.323 address, an empty one of none.
func address(scheme, addr string) (way, error) {
	addr = strings.TrimSpace(addr)
	rest := strings.TrimPrefix(strings.TrimPrefix(addr, scheme+":"), "sips:")
	if rest == "" {
		return way{}, nil
	}
	bad := func(r rune) bool { return r <= ' ' || r > '~' || strings.ContainsRune(`"<>\^{|}`+"`'", r) }
	if len(addr) > maxValue || strings.IndexFunc(rest, bad) >= 0 {
		return way{}, fmt.Errorf("the join details' %s address is not a plain address", scheme)
	}
	if strings.HasPrefix(addr, "sips:") {
		scheme = "sips"
	}
	return way{Text: rest, Href: htmltemplate.URL(scheme + ":" + rest)}, nil // checked above
}

// telephone makes a number that a phone dials, PIN included.
func telephone(d calendar.Dialin) (way, error) {
	number, err := oneLine("phone number", d.Number)
	if err != nil {
		return way{}, err
	}
	keep := func(set string) func(rune) rune {
		return func(r rune) rune {
			if strings.ContainsRune(set, r) {
				return r
			}
			return -1
		}
	}
	w := way{Text: number, PIN: strings.Map(keep("0123456789*"), d.PIN)}
	href := "tel:" + strings.Map(keep("+0123456789"), number)
	if w.PIN != "" {
		href += ",," + w.PIN + "%23"
	}
	w.Href = htmltemplate.URL(href) // digits only
	return w, nil
}

// check is the short code that closes a block's last line: four characters
// over the block's visible text up to it, without blanks. By it find knows
// that everything between the first and the last line is still ours. Signs
// that conversions to plain text put around words and links do not count.
func check(visible []byte) string {
	const letters = "0123456789ABCDEFGHJKMNPQRSTVWXYZ" // Crockford's: nothing to misread
	sum := sha256.Sum256(essence(visible))
	n := binary.BigEndian.Uint32(sum[:])
	var code [4]byte
	for i := range code {
		code[i] = letters[n&31]
		n >>= 5
	}
	return string(code[:])
}

// essence leaves out of a visible text what stands for emphasis (*Join*,
// _Join_) or around a link (<https://...>) in plain text.
func essence(visible []byte) []byte {
	kept := make([]byte, 0, len(visible))
	for _, c := range visible {
		if !decoration(c) {
			kept = append(kept, c)
		}
	}
	return kept
}

func decoration(c byte) bool { return c == '*' || c == '_' || c == '<' || c == '>' }

// Hash is the marker's hash over the join details (exchange.md 3.4): 96 bits
// in base64url. It depends on what one needs to join and on nothing else, so
// that no change of language, template, header or service name ever looks like
// a change of the meeting.
func Hash(j calendar.JoinDetails) string {
	h := sha256.New()
	put := func(s string) {
		var n [8]byte
		binary.BigEndian.PutUint64(n[:], uint64(len(s)))
		h.Write(n[:])
		h.Write([]byte(s))
	}
	for _, s := range []string{"koyomi join details 1", j.Kind, j.URL, j.SIP, j.H323, j.ID, j.Passcode} {
		put(s)
	}
	phones := slices.Clone(j.Dialin)
	slices.SortFunc(phones, func(a, b calendar.Dialin) int {
		return strings.Compare(a.Number+"\x00"+a.PIN, b.Number+"\x00"+b.PIN)
	})
	for _, d := range phones {
		put(d.Number)
		put(d.PIN)
	}
	return base64.RawURLEncoding.EncodeToString(h.Sum(nil)[:12])
}
