// Package calendar holds Koyomi's own words for what a calendar contains: the
// mailbox, the item as one copy of it lies in that mailbox, the meeting as a
// person sees it, its attendees and the ways to join it, and presence.
//
// Everything else in the module speaks these words. The adapters on the
// outside (package exchange towards Exchange Web Services, package connector
// towards the cloud) translate into and out of them, so that the packages that
// decide (detect, render, mailbox) never meet a foreign format.
//
// Two families of types live here:
//
//   - [Item], [Patch], [Change], [View] and [Notice] describe one copy of an
//     appointment in one mailbox and what can happen to it. An item is what
//     Exchange said, no more: where a server left a property out, the
//     corresponding field says "unknown".
//   - [Meeting] is what a person may see of an item. It has exactly one
//     encoding, versioned JSON, written by [Encode] and read by [Decode]. That
//     JSON is only ever sealed.
//
// Items, meetings and people are private. Their String, Format and LogValue
// print ids and nothing else, so that a subject or an address cannot slip into
// a log by accident; only Encode writes them whole.
//
// The package is pure: no I/O, no clock, no goroutine.
package calendar

import (
	"crypto/sha256"
	"encoding/base32"
	"fmt"
	"log/slog"
	"strings"
)

// MailboxID is the short id by which logs, metrics and databases name a
// mailbox. It says nothing about the address to those who do not know it and
// is stable for one address within one installation.
type MailboxID string

// NewMailboxID derives the short id of an address under the installation's own
// random salt: the first 60 bits of SHA-256 in lower-case base32. Without the
// salt, an id cannot be matched against a list of addresses.
func NewMailboxID(salt []byte, address string) MailboxID {
	h := sha256.New()
	h.Write(salt)
	h.Write([]byte(strings.ToLower(strings.TrimSpace(address))))
	enc := base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(h.Sum(nil))
	return MailboxID("mb-" + strings.ToLower(enc[:12]))
}

// Mailbox is a user's or a room's Exchange mailbox that Koyomi serves.
type Mailbox struct {
	ID      MailboxID
	Address string   // primary SMTP address
	Aliases []string // further addresses that are this mailbox's own
	Name    string   // display name, may be empty
	Locale  string   // language for people: a BCP 47 tag such as "ja"; empty: the organisation's
}

// Owns reports whether the address is one of the mailbox's own. SMTP addresses
// are compared without case, as Exchange does.
func (m Mailbox) Owns(address string) bool {
	address = strings.TrimSpace(address)
	if strings.EqualFold(address, m.Address) {
		return true
	}
	for _, a := range m.Aliases {
		if strings.EqualFold(address, a) {
			return true
		}
	}
	return false
}

// String prints the short id only.
func (m Mailbox) String() string { return string(m.ID) }

// Format prints the short id only, whatever the verb.
func (m Mailbox) Format(f fmt.State, _ rune) { fmt.Fprint(f, string(m.ID)) }

// LogValue prints the short id only.
func (m Mailbox) LogValue() slog.Value { return slog.StringValue(string(m.ID)) }

// Tri is a property that a server may leave out: absent is not false.
type Tri int8

// The three values of a [Tri].
const (
	Unknown Tri = iota
	No
	Yes
)

// TriOf returns Yes or No.
func TriOf(b bool) Tri {
	if b {
		return Yes
	}
	return No
}

// String returns "unknown", "no" or "yes".
func (t Tri) String() string { return [...]string{"unknown", "no", "yes"}[t] }
