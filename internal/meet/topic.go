package meet

import (
	"strings"
	"unicode"
)

// Topic is what a meeting is called at a service: never what it is about. It
// names the organiser where the name is known, so that a host tells the own
// meetings from a deputy's, in the language given by its BCP 47 tag, and has at
// most 128 characters.
func Topic(locale, name string) string {
	words := map[string][2]string{ // the word, and what stands between it and the name
		"en": {"Meeting", ", "}, "ja": {"会議", "、"}, "de": {"Besprechung", ", "},
		"fr": {"Réunion", ", "}, "es": {"Reunión", ", "}, "zh": {"会议", "，"},
	}
	language, _, _ := strings.Cut(strings.ToLower(locale), "-")
	w, known := words[language]
	if !known {
		w = words["en"]
	}
	name = strings.Join(strings.FieldsFunc(name, func(r rune) bool { return unicode.IsControl(r) || unicode.IsSpace(r) }), " ")
	if name == "" {
		return w[0]
	}
	topic := []rune(w[0] + w[1] + name)
	return strings.TrimSpace(string(topic[:min(len(topic), maxTopic)]))
}

// maxTopic is the most characters of a topic; the narrowest service counts.
const maxTopic = 128
