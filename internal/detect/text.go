package detect

import "github.com/koyomi-cal/koyomi/internal/calendar"

// Text returns a body as plain text, as a reader sees it: of HTML the text
// without markup, scripts and styles; of text the text itself. It reads the
// first 8 MiB.
func Text(b calendar.Body) string {
	if b.Type != calendar.BodyHTML {
		return clip(b.Content)
	}
	return string(flattenHTML("body", clip(b.Content)).text)
}
