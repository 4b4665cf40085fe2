package render

import (
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

// Options say how a join block is written.
type Options struct {
	Locale  string // BCP 47 tag; unknown or empty: English
	Service string // meeting service as people know it; empty: the one in the join details
	// Header and Footer are the administrator's own plain text, at most 1,024
	// characters each: the header stands below the three lines one needs to
	// join, the footer above the last line.
	Header, Footer string
	WithPhone      bool // show dial-in numbers
	WithVideo      bool // show SIP and H.323 addresses
}

// Check reports what is wrong with a header or footer. Configuration is
// checked with it once; every block checks it again.
func (o Options) Check() error {
	s, err := library()
	if err != nil {
		return err
	}
	for _, note := range []struct{ name, text string }{{"header", o.Header}, {"footer", o.Footer}, {"service name", o.Service}} {
		if utf8.RuneCountInString(note.text) > maxNote {
			return fmt.Errorf("the join block's %s is longer than %d characters: shorten it", note.name, maxNote)
		}
		key := squeeze(note.text)
		for _, l := range s.locales {
			if strings.Contains(key, l.firstKey) || strings.Contains(key, l.lastKey) {
				return fmt.Errorf("the join block's %s repeats the block's own first or last line %q or %q: reword it", note.name, l.First, l.Last)
			}
		}
	}
	return nil
}

// Block is one join block in both forms. Text has lines that end in "\n"; the
// last one has no end.
type Block struct {
	HTML, Text string
}

// fields is what the templates see.
type fields struct {
	L        *locale
	Font     htmltemplate.CSS
	URL      string
	Href     htmltemplate.URL
	Passcode string
	ID       string
	Service  string
	Header   []string
	Footer   []string
	SIP      *link
	H323     *link
	Phones   []phone
	Code     string
}

type link struct {
	Text string
	Href htmltemplate.URL
}

type phone struct {
	link
	PIN string
}

// NewBlock writes the join details as a block. It fails when they hold no
// https link or a value that cannot be shown in one line.
func NewBlock(j calendar.JoinDetails, o Options) (Block, error) {
	s, err := library()
	if err != nil {
		return Block{}, err
	}
	if err := o.Check(); err != nil {
		return Block{}, err
	}
	f, err := fill(j, o)
	if err != nil {
		return Block{}, err
	}
	l := s.language(o.Locale)
	f.Code = "0000"
	draft, err := s.execute(l, f)
	if err != nil {
		return Block{}, err
	}
	visible := squeeze(draft.Text)
	f.Code = check(strings.TrimSuffix(visible, "0000)"))
	return s.execute(l, f)
}

// execute runs both templates.
func (s *shelf) execute(l *locale, f fields) (Block, error) {
	f.L = l
	f.Font = htmltemplate.CSS(l.Font) // from an embedded file
	f.Href = htmltemplate.URL(f.URL)  // checked by checkURL
	var html, text strings.Builder
	if err := s.html.Execute(&html, f); err != nil {
		return Block{}, fmt.Errorf("write join block: %w", err)
	}
	if err := s.text.Execute(&text, f); err != nil {
		return Block{}, fmt.Errorf("write join block: %w", err)
	}
	return Block{HTML: strings.TrimSpace(html.String()), Text: strings.TrimSpace(text.String())}, nil
}

// fill checks the join details and makes the template's fields of them.
func fill(j calendar.JoinDetails, o Options) (fields, error) {
	f := fields{URL: j.URL, Header: notes(o.Header), Footer: notes(o.Footer)}
	if err := checkURL(j.URL); err != nil {
		return f, err
	}
	var err error
	one := func(dst *string, what, value string) {
		if err == nil {
			*dst, err = oneLine(what, value)
		}
	}
	service := o.Service
	if service == "" {
		service = j.Service
	}
	one(&f.Passcode, "passcode", j.Passcode)
	one(&f.ID, "meeting id", j.ID)
	one(&f.Service, "service name", service)
	if err != nil {
		return f, err
	}
	if o.WithVideo {
		if f.SIP, err = address("sip", j.SIP); err != nil {
			return f, err
		}
		if f.H323, err = address("h323", j.H323); err != nil {
			return f, err
		}
	}
	if o.WithPhone {
		for _, d := range j.Dialin[:min(len(j.Dialin), maxPhones)] {
			p, err := telephone(d)
			if err != nil {
				return f, err
			}
			f.Phones = append(f.Phones, p)
		}
	}
	return f, nil
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

// address makes a link of a SIP or H.323 address, nil of an empty one.
func address(scheme, addr string) (*link, error) {
	addr = strings.TrimSpace(addr)
	rest := strings.TrimPrefix(strings.TrimPrefix(addr, scheme+":"), "sips:")
	if rest == "" {
		return nil, nil
	}
	bad := func(r rune) bool { return r <= ' ' || r > '~' || strings.ContainsRune(`"<>\^{|}`+"`'", r) }
	if len(addr) > maxValue || strings.IndexFunc(rest, bad) >= 0 {
		return nil, fmt.Errorf("the join details' %s address is not a plain address", scheme)
	}
	if strings.HasPrefix(addr, "sips:") {
		scheme = "sips"
	}
	return &link{Text: rest, Href: htmltemplate.URL(scheme + ":" + rest)}, nil // checked above
}

// telephone makes a number that a phone dials, PIN included.
func telephone(d calendar.Dialin) (phone, error) {
	var p phone
	number, err := oneLine("phone number", d.Number)
	if err != nil {
		return p, err
	}
	keep := func(set string) func(rune) rune {
		return func(r rune) rune {
			if strings.ContainsRune(set, r) {
				return r
			}
			return -1
		}
	}
	href := "tel:" + strings.Map(keep("+0123456789"), number)
	if p.PIN = strings.Map(keep("0123456789*"), d.PIN); p.PIN != "" {
		href += ",," + p.PIN + "%23"
	}
	p.link = link{Text: number, Href: htmltemplate.URL(href)} // digits only
	return p, nil
}

// check is the short code that closes a block's last line: four characters
// over the block's visible text up to it, without blanks. By it find knows
// that everything between the first and the last line is still ours.
func check(visible string) string {
	const letters = "0123456789ABCDEFGHJKMNPQRSTVWXYZ" // Crockford's: nothing to misread
	sum := sha256.Sum256([]byte(visible))
	n := binary.BigEndian.Uint32(sum[:])
	var code [4]byte
	for i := range code {
		code[i] = letters[n&31]
		n >>= 5
	}
	return string(code[:])
}

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
