package mailbox

import (
	"strings"

	"github.com/koyomi-cal/koyomi/internal/calendar"
)

// outsiders reports whether anybody from outside the organisation is invited:
// a person whose mail domain is neither the mailbox's nor one of the
// organisation's nor below one of these. Rooms and addresses without a domain
// (those of the directory) are never outside.
func (r *Rules) outsiders(it *calendar.Item) bool {
	for _, a := range it.Attendees {
		at := strings.LastIndexByte(a.Address, '@')
		if at >= 0 && a.Role != calendar.Resource && !r.inside(a.Address[at+1:]) {
			return true
		}
	}
	return false
}

func (r *Rules) inside(domain string) bool {
	for _, own := range append([]string{r.Mailbox.Address}, append(r.Mailbox.Aliases, r.Domains...)...) {
		own = own[strings.LastIndexByte(own, '@')+1:]
		if n := len(domain) - len(own); own != "" && n >= 0 && strings.EqualFold(domain[n:], own) && (n == 0 || domain[n-1] == '.') {
			return true
		}
	}
	return false
}
