package connector

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/koyomi-cal/koyomi/internal/calendar"
	"github.com/koyomi-cal/koyomi/internal/store"
)

// Roster is who is to be served, as settings.db has it: whoever stands in the
// configuration, and whoever was activated by command. It is used by the
// connector and, from beside it, by commands; a connector that runs takes up
// what they change within five seconds.
//
// A mailbox that is taken off is not served from then on; the connector takes
// its list out of the cloud, and what is kept of it is purged later. Addresses
// are kept sealed under a key derived from the installation's own secret: they
// are not seen by who looks into the file, and are no secret to who has it and
// means to read them.
type Roster struct {
	settings store.Settings
	members  store.Roster
	names    []byte
	sealer   cipher.AEAD
}

// Member is one mailbox of the roster.
type Member struct {
	Mailbox  // Address is empty where its record cannot be read any more
	Standing store.Standing
	At       time.Time // since when
}

// Served reports whether the mailbox is to be served.
func (m Member) Served() bool {
	return m.Standing == store.Configured || m.Standing == store.Chosen
}

// OpenRoster returns the roster. It makes the installation's secret, if there
// is none yet.
func OpenRoster(ctx context.Context, settings store.Settings, members store.Roster) (*Roster, error) {
	root, err := installationSecret(ctx, settings)
	if err != nil {
		return nil, err
	}
	return newRoster(root, settings, members)
}

func newRoster(root []byte, settings store.Settings, members store.Roster) (*Roster, error) {
	block, err := aes.NewCipher(mac(root, "roster"))
	if err != nil {
		return nil, err
	}
	sealer, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return nil, err
	}
	return &Roster{settings: settings, members: members, names: mac(root, "names"), sealer: sealer}, nil
}

// ID returns the short id of an address.
func (r *Roster) ID(address string) calendar.MailboxID {
	return calendar.NewMailboxID(r.names, address)
}

// details is the sealed form of what is known of a member.
type details struct {
	Address string   `json:"a"`
	Aliases []string `json:"l,omitempty"`
	Name    string   `json:"n,omitempty"`
	Locale  string   `json:"c,omitempty"`
	Owner   string   `json:"o,omitempty"`
	Account string   `json:"d,omitempty"`
}

func (r *Roster) record(m Mailbox, s store.Standing, at time.Time) (store.Member, error) {
	text, err := json.Marshal(details{m.Address, m.Aliases, m.Name, m.Locale, m.Owner, m.Account})
	if err != nil {
		return store.Member{}, err
	}
	id := string(m.ID)
	return store.Member{Mailbox: id, Standing: s, At: at.UTC().Truncate(time.Microsecond), Details: r.sealer.Seal(nil, nil, text, []byte(id))}, nil
}

func (r *Roster) member(rec store.Member) Member {
	m := Member{Standing: rec.Standing, At: rec.At}
	m.ID = calendar.MailboxID(rec.Mailbox)
	var d details
	if text, err := r.sealer.Open(nil, nil, rec.Details, []byte(rec.Mailbox)); err == nil && json.Unmarshal(text, &d) == nil {
		m.Address, m.Aliases, m.Name, m.Locale, m.Owner, m.Account = d.Address, d.Aliases, d.Name, d.Locale, d.Owner, d.Account
	}
	return m
}

// Members returns everybody on the roster, those who have left among them, in
// the order of their addresses.
func (r *Roster) Members(ctx context.Context) ([]Member, error) {
	all, err := r.members.Members(ctx)
	if err != nil {
		return nil, fmt.Errorf("read who is served: %w", err)
	}
	out := make([]Member, 0, len(all))
	for _, rec := range all {
		out = append(out, r.member(rec))
	}
	slices.SortFunc(out, func(a, b Member) int { return strings.Compare(strings.ToLower(a.Address), strings.ToLower(b.Address)) })
	return out, nil
}

// The errors of Activate and Deactivate about one mailbox.
var (
	ErrConfigured = errors.New("it stands in mailboxes of the connector's configuration, which goes before commands")
	ErrNotServed  = errors.New("it is not activated")
	ErrShared     = errors.New("one of its addresses belongs to another mailbox that is served")
)

// Outcome is what became of one mailbox of an Activate or Deactivate.
type Outcome struct {
	Mailbox calendar.MailboxID
	Changed bool  // false: it was so already
	Err     error // ErrConfigured, ErrNotServed or ErrShared
}

// Activate puts mailboxes on the roster, all in one go, and the change into the
// audit record. Of one that is there already it takes over names, owner and
// account; its baseline stays. One that had left begins with a new baseline.
func (r *Roster) Activate(ctx context.Context, actor string, mailboxes ...Mailbox) ([]Outcome, error) {
	return r.change(ctx, actor, "roster.activate", mailboxes, func(m Mailbox, old Member, taken map[string]calendar.MailboxID) (*Member, error) {
		if old.Standing == store.Configured {
			return nil, ErrConfigured
		}
		for _, a := range m.addresses() {
			if by := taken[a]; by != "" && by != m.ID {
				return nil, ErrShared
			}
		}
		for _, a := range m.addresses() {
			taken[a] = m.ID
		}
		if old.Served() && old.same(m) {
			return nil, nil
		}
		at := time.Now()
		if old.Served() {
			at = old.At
		}
		return &Member{Mailbox: m, Standing: store.Chosen, At: at}, nil
	})
}

// Deactivate takes mailboxes off the roster, all in one go, and puts the change
// into the audit record.
func (r *Roster) Deactivate(ctx context.Context, actor string, mailboxes ...Mailbox) ([]Outcome, error) {
	return r.change(ctx, actor, "roster.deactivate", mailboxes, func(_ Mailbox, old Member, _ map[string]calendar.MailboxID) (*Member, error) {
		switch old.Standing {
		case store.Configured:
			return nil, ErrConfigured
		case "":
			return nil, ErrNotServed
		case store.Chosen:
			return &Member{Mailbox: old.Mailbox, Standing: store.Leaving, At: time.Now()}, nil
		}
		return nil, nil
	})
}

// change makes one change of the roster. next returns the record that a mailbox
// is to have, nil where it stays.
func (r *Roster) change(ctx context.Context, actor, action string, mailboxes []Mailbox, next func(Mailbox, Member, map[string]calendar.MailboxID) (*Member, error)) ([]Outcome, error) {
	all, err := r.Members(ctx)
	if err != nil {
		return nil, err
	}
	known, taken := map[calendar.MailboxID]Member{}, map[string]calendar.MailboxID{}
	for _, m := range all {
		known[m.ID] = m
		if m.Served() {
			for _, a := range m.addresses() {
				taken[a] = m.ID
			}
		}
	}
	var out []Outcome
	var puts []store.Member
	for _, m := range mailboxes {
		if m.ID == "" {
			m.ID = r.ID(m.Address)
		}
		o := Outcome{Mailbox: m.ID}
		var to *Member
		if to, o.Err = next(m, known[m.ID], taken); o.Err == nil && to != nil {
			rec, err := r.record(to.Mailbox, to.Standing, to.At)
			if err != nil {
				return nil, err
			}
			known[m.ID], o.Changed = *to, true
			puts = append(puts, rec)
		}
		out = append(out, o)
	}
	if len(puts) == 0 {
		return out, nil
	}
	entries := make([]store.AuditEntry, len(puts))
	for i, p := range puts {
		entries[i] = store.AuditEntry{At: time.Now().UTC(), Actor: actor, Action: action, Subject: p.Mailbox}
	}
	if err := r.members.PutMembers(ctx, puts, entries...); err != nil {
		return nil, fmt.Errorf("record who is served: %w", err)
	}
	return out, nil
}

func (r *Roster) audit(ctx context.Context, actor, action string, id calendar.MailboxID) error {
	err := r.settings.Audit(ctx, store.AuditEntry{At: time.Now().UTC(), Actor: actor, Action: action, Subject: string(id)})
	if err != nil {
		return fmt.Errorf("put it into the audit record: %w", err)
	}
	return nil
}

// configured holds the roster against the configuration: who stands there now,
// and who did when it was last read and does not any more. It writes only what
// is not so already. A mailbox that is activated and was never on the roster has
// been served before there was one.
func (r *Roster) configured(ctx context.Context, mailboxes []Mailbox, active map[calendar.MailboxID]store.Activated) error {
	all, err := r.Members(ctx)
	if err != nil {
		return err
	}
	known := map[calendar.MailboxID]Member{}
	for _, m := range all {
		known[m.ID] = m
	}
	now := time.Now()
	var puts []store.Member
	put := func(m Mailbox, s store.Standing, at time.Time) error {
		rec, err := r.record(m, s, at)
		if err == nil {
			puts = append(puts, rec)
		}
		return err
	}
	for _, m := range mailboxes {
		m.ID = r.ID(m.Address)
		old := known[m.ID]
		delete(known, m.ID)
		if old.Standing == store.Chosen || old.Standing == store.Configured && old.same(m) {
			continue // by command it stays, also if it is taken out of the configuration again
		}
		at := now
		switch a := active[m.ID]; {
		case old.Standing == store.Configured:
			at = old.At
		case old.Standing == "" && a.Mailbox != "":
			at = a.At
		}
		if err := put(m, store.Configured, at); err != nil {
			return err
		}
	}
	for _, old := range known {
		if old.Standing == store.Configured {
			if err := put(old.Mailbox, store.Leaving, now); err != nil {
				return err
			}
		}
	}
	if len(puts) == 0 {
		return nil
	}
	if err := r.members.PutMembers(ctx, puts); err != nil {
		return fmt.Errorf("record who is served: %w", err)
	}
	return nil
}

// left notes that nothing of a mailbox is in the cloud any more, unless it came
// back meanwhile.
func (r *Roster) left(ctx context.Context, id calendar.MailboxID) error {
	moved, err := r.members.MoveMember(ctx, string(id), store.Leaving, store.Left)
	if err != nil || !moved {
		return err
	}
	return r.audit(ctx, "connector", "mailbox.leave", id)
}

// addresses are all of a mailbox's own, in lower case.
func (m Mailbox) addresses() []string {
	out := []string{strings.ToLower(strings.TrimSpace(m.Address))}
	for _, a := range m.Aliases {
		out = append(out, strings.ToLower(strings.TrimSpace(a)))
	}
	return out
}

// same reports whether nothing about a mailbox is different.
func (m Mailbox) same(o Mailbox) bool {
	return m.Address == o.Address && m.Name == o.Name && m.Locale == o.Locale && m.Owner == o.Owner && m.Account == o.Account && slices.Equal(m.Aliases, o.Aliases)
}
