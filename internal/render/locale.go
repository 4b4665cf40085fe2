package render

import (
	"embed"
	"encoding/json"
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
	Tag   string `json:"tag"`   // BCP 47, e.g. "ja"
	Font  string `json:"font"`  // CSS font-family
	Colon string `json:"colon"` // between a label and its value

	First string `json:"first"` // the block's first visible line
	Last  string `json:"last"`  // the block's last visible line, followed by " (CODE)"

	Passcode string `json:"passcode"`
	ID       string `json:"id"`
	Service  string `json:"service"`
	SIP      string `json:"sip"`
	H323     string `json:"h323"`
	Phone    string `json:"phone"`
	PIN      string `json:"pin"`

	firstKey string // First without blanks, as find sees it
	lastKey  string // Last without blanks, with the opening parenthesis
	prefix   string // markup in front of the first line, as the template writes it
	suffix   string // markup after the last line
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
	s := &shelf{}
	var err error
	if s.html, err = htmltemplate.ParseFS(files, "templates/block.html"); err != nil {
		return nil, fmt.Errorf("join block template: %w", err)
	}
	if s.text, err = texttemplate.ParseFS(files, "templates/block.txt"); err != nil {
		return nil, fmt.Errorf("join block template: %w", err)
	}
	names, err := files.ReadDir("locales")
	if err != nil {
		return nil, fmt.Errorf("join block languages: %w", err)
	}
	for _, name := range names {
		l, err := s.readLocale(name.Name())
		if err != nil {
			return nil, fmt.Errorf("join block language %s: %w", name.Name(), err)
		}
		s.locales = append(s.locales, l)
	}
	return s, nil
})

func (s *shelf) readLocale(name string) (locale, error) {
	var l locale
	data, err := files.ReadFile(path.Join("locales", name))
	if err != nil {
		return l, err
	}
	if err := json.Unmarshal(data, &l); err != nil {
		return l, err
	}
	l.firstKey, l.lastKey = squeeze(l.First), squeeze(l.Last+" (")
	probe, err := s.execute(&l, fields{URL: "https://example.com/", Code: "0000"})
	if err != nil {
		return l, err
	}
	i := strings.Index(probe.HTML, l.First)
	j := strings.LastIndex(probe.HTML, "(0000)")
	if l.First == "" || l.Last == "" || i < 0 || j < 0 {
		return l, fmt.Errorf("the first and the last line of a block are never empty and hold no markup")
	}
	l.prefix, l.suffix = probe.HTML[:i], probe.HTML[j+len("(0000)"):]
	return l, nil
}

// language returns the locale for a BCP 47 tag: the tag itself, or else its
// primary language, or else English.
func (s *shelf) language(tag string) *locale {
	tag = strings.ToLower(strings.ReplaceAll(strings.TrimSpace(tag), "_", "-"))
	for ; tag != ""; tag = tag[:max(strings.LastIndexByte(tag, '-'), 0)] {
		for i := range s.locales {
			if strings.ToLower(s.locales[i].Tag) == tag {
				return &s.locales[i]
			}
		}
	}
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
