package render

import (
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	htmltemplate "html/template"
	"path"
	"slices"
	"strings"
	"sync"
	texttemplate "text/template"
)

//go:embed locales/*.json templates/block.html templates/block.txt
var files embed.FS

// locale is one language of the join block, as read from locales/TAG.json. A
// further language is one more file: nothing else lists them.
type locale struct {
	Tag   string   `json:"tag"`   // BCP 47, as in the file's name, e.g. "ja"
	Also  []string `json:"also"`  // further tags that this file serves, as they are written, e.g. "zh-CN"
	Dir   string   `json:"dir"`   // "rtl" where the language runs from right to left
	Font  string   `json:"font"`  // CSS font-family
	Colon string   `json:"colon"` // between a label and its value

	First string `json:"first"` // the block's first visible line
	Last  string `json:"last"`  // the block's last visible line, followed by " (CODE)"

	// Earlier holds the first and last lines of former versions, by which
	// blocks that they wrote are still found. Whoever rewords First or Last
	// moves the old wording here.
	Earlier struct {
		First []string `json:"first"`
		Last  []string `json:"last"`
	} `json:"earlier"`

	Passcode string `json:"passcode"`
	ID       string `json:"id"`
	Service  string `json:"service"`
	SIP      string `json:"sip"`
	H323     string `json:"h323"`
	Phone    string `json:"phone"`
	PIN      string `json:"pin"`

	firstKeys []string // first lines without blanks, as find sees them
	lastKeys  []string // last lines without blanks, with the opening parenthesis
	prefix    string   // markup in front of the first line, as the template writes it
	suffix    string   // markup after the last line
}

// shelf is everything that is embedded, parsed once and never changed.
type shelf struct {
	locales []locale // sorted by tag
	html    *htmltemplate.Template
	text    *texttemplate.Template
}

// library reads the embedded files. They are part of the program, so an error
// here is a mistake that every test sees; it still reaches the caller as an
// error.
var library = sync.OnceValues(func() (*shelf, error) {
	all := map[string]string{}
	for _, dir := range []string{"locales", "templates"} {
		entries, err := files.ReadDir(dir)
		if err != nil {
			return nil, fmt.Errorf("join block: %w", err)
		}
		for _, e := range entries {
			data, err := files.ReadFile(dir + "/" + e.Name())
			if err != nil {
				return nil, fmt.Errorf("join block: %w", err)
			}
			all[dir+"/"+e.Name()] = string(data)
		}
	}
	return newShelf(all)
})

// newShelf makes a shelf of files, by name.
func newShelf(files map[string]string) (*shelf, error) {
	s := &shelf{}
	var err error
	if s.html, err = htmltemplate.New("block.html").Parse(files["templates/block.html"]); err != nil {
		return nil, fmt.Errorf("join block template: %w", err)
	}
	if s.text, err = texttemplate.New("block.txt").Parse(files["templates/block.txt"]); err != nil {
		return nil, fmt.Errorf("join block template: %w", err)
	}
	var names []string
	for name := range files {
		if strings.HasPrefix(name, "locales/") {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, name := range names {
		l, err := s.readLocale(name, files[name])
		if err != nil {
			return nil, fmt.Errorf("join block language %s: %w", name, err)
		}
		s.locales = append(s.locales, l)
	}
	return s, s.distinct()
}

func (s *shelf) readLocale(name, data string) (locale, error) {
	l := locale{Dir: "ltr"}
	d := json.NewDecoder(strings.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(&l); err != nil {
		return l, err
	}
	if l.Tag+".json" != path.Base(name) {
		return l, fmt.Errorf("the file of language %q is named after its tag", l.Tag)
	}
	for _, text := range []string{l.Font, l.Colon, l.First, l.Last, l.Passcode, l.ID, l.Service, l.SIP, l.H323, l.Phone, l.PIN} {
		if squeeze(text) == "" {
			return l, errors.New("font, colon, first, last, passcode, id, service, sip, h323, phone and pin are never empty")
		}
	}
	for _, text := range append(l.Earlier.First, l.First) {
		l.firstKeys = append(l.firstKeys, squeeze(text))
	}
	for _, text := range append(l.Earlier.Last, l.Last) {
		l.lastKeys = append(l.lastKeys, squeeze(text+" ("))
	}
	probe, err := s.execute(fields{L: &l, Font: htmltemplate.CSS(l.Font), Section: section{L: &l, URL: "https://example.com/"}})
	if err != nil {
		return l, err
	}
	i, j := strings.Index(probe.HTML, l.First), strings.LastIndex(probe.HTML, noCode)
	if i < 0 || j < 0 {
		return l, errors.New("the first and the last line of a block hold no markup")
	}
	l.prefix, l.suffix = probe.HTML[:i], probe.HTML[j+len(noCode):]
	return l, nil
}

// distinct makes sure that no first or last line can be taken for that of
// another language: by them find tells where a block begins and ends.
func (s *shelf) distinct() error {
	type key struct{ tag, text string }
	var keys []key
	for i := range s.locales {
		l := &s.locales[i]
		for _, text := range slices.Concat(l.firstKeys, l.lastKeys) {
			keys = append(keys, key{l.Tag, text})
		}
	}
	for i, a := range keys {
		for j, b := range keys {
			if i != j && strings.Contains(a.text, b.text) {
				return fmt.Errorf("join block languages %s and %s: %q holds %q, so a block's lines could not be told apart", a.tag, b.tag, a.text, b.text)
			}
		}
	}
	return nil
}

// language returns the locale for a BCP 47 tag: the tag itself, or else what
// it is a variant of, or else English. Chinese in traditional characters is no
// variant of Chinese in simplified ones.
func (s *shelf) language(tag string) *locale {
	tag = strings.ToLower(strings.ReplaceAll(strings.TrimSpace(tag), "_", "-"))
	same := func(t string) bool { return strings.ToLower(t) == tag }
	for i := range s.locales {
		if slices.ContainsFunc(s.locales[i].Also, same) {
			return &s.locales[i]
		}
	}
	for ; tag != ""; tag = tag[:max(strings.LastIndexByte(tag, '-'), 0)] {
		for i := range s.locales {
			if same(s.locales[i].Tag) {
				return &s.locales[i]
			}
		}
	}
	return s.english()
}

func (s *shelf) english() *locale {
	i := slices.IndexFunc(s.locales, func(l locale) bool { return l.Tag == "en" })
	return &s.locales[max(i, 0)]
}

// Locales lists the languages in which a join block can be written, as BCP 47
// tags in alphabetical order.
func Locales() []string {
	s, err := library()
	if err != nil {
		return nil
	}
	var tags []string
	for _, l := range s.locales {
		tags = append(tags, l.Tag)
	}
	return tags
}
