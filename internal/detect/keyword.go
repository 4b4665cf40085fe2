package detect

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Action says what a keyword asks for.
type Action string

// The actions. ActionDefault leaves it to the organisation's setting.
const (
	ActionDefault Action = "default"
	ActionMyRoom  Action = "myroom"  // the organiser's personal room
	ActionSpace   Action = "space"   // a lasting space
	ActionOneTime Action = "onetime" // a new meeting
)

// Keyword is one word that organisers type into the location.
type Keyword struct {
	Word    string // e.g. "@meet"
	Default Action // what the word asks for without a modifier
	Service string // meeting service that it stands for
}

func defaultKeywords() []Keyword {
	return []Keyword{
		{Word: "@webex", Default: ActionMyRoom, Service: "webex"},
		{Word: "@meet", Default: ActionOneTime, Service: "meet"},
	}
}

// keyword looks for a keyword in the location: the leftmost one counts, the
// longest of several that begin at the same place.
func (s *search) keyword() {
	i := slices.IndexFunc(s.fields, func(f *flat) bool { return f.field == "location" })
	if i < 0 {
		return
	}
	const enough = 16 << 10 // a keyword is typed at the beginning, not behind pages
	text := string(s.fields[i].text[:min(len(s.fields[i].text), enough)])
	s.steps += len(text) * (2 + len(s.keywords))
	lower := strings.ToLower(text)
	if len(lower) != len(text) {
		lower = asciiLower(text) // a letter whose lower case has another length
	}
	best := -1
	for _, k := range s.keywords {
		word := strings.ToLower(k.Word)
		if word == "" {
			continue
		}
		for at := 0; ; {
			i := strings.Index(lower[at:], word)
			if i < 0 {
				break
			}
			i += at
			at = i + len(word)
			if !opens(lower[:i]) || !closes(lower[at:]) {
				continue
			}
			if best < 0 || i < best || i == best && len(word) > len(s.out.Keyword) {
				best = i
				s.out.Keyword, s.out.KeywordAction, s.out.KeywordDefault, s.out.KeywordService = word, ActionDefault, k.Default, k.Service
				if mod := modifier(lower[at:]); mod != "" {
					s.out.Keyword, s.out.KeywordAction = word+":"+string(mod), mod
				}
			}
			break
		}
	}
}

func asciiLower(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'A' && r <= 'Z' {
			return r | 0x20
		}
		return r
	}, s)
}

// modifier reads ":myroom", ":space" or ":onetime".
func modifier(rest string) Action {
	for _, a := range []Action{ActionMyRoom, ActionSpace, ActionOneTime} {
		if tail, ok := strings.CutPrefix(rest, ":"+string(a)); ok && closes(tail) {
			return a
		}
	}
	return ""
}

// opens reports whether a keyword may begin behind this text: not inside a
// mail address or another word. Scripts without blanks between words do not
// count.
func opens(before string) bool {
	r, _ := utf8.DecodeLastRuneInString(before)
	before = before[max(0, len(before)-512):] // as far as a link's "://" may be away
	return before == "" || !partOfWord(r) && !strings.ContainsRune("@.+%=&/_-", r) || r == '/' && !strings.Contains(before, "://")
}

// closes reports whether a keyword may end in front of this text.
func closes(after string) bool {
	r, n := utf8.DecodeRuneInString(after)
	if after == "" {
		return true
	}
	if r == '.' || r == '-' || r == '@' {
		next, _ := utf8.DecodeRuneInString(after[n:])
		return !partOfWord(next) // a full stop or dash, not the rest of an address
	}
	return !partOfWord(r)
}

func partOfWord(r rune) bool {
	return r == '_' || (unicode.IsLetter(r) || unicode.IsDigit(r)) && !unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Hangul, unicode.Thai)
}
