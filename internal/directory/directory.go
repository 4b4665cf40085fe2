// Package directory reads an organisation's people, rooms and shared mailboxes
// from Active Directory, in Koyomi's words.
//
//	d := directory.New(source)                  // an *activedirectory.Directory
//	for p, err := range d.Members(ctx, "Koyomi Users") { … }   // whom to activate
//	p, ok, err := d.Lookup(ctx, "ann@example.com")             // whose mailbox this is
//	some, err := d.Complete(ctx, "tan", 10)                    // what a person types
//
// It is asked for three things: whom a group names, nested groups and all, when
// mailboxes are activated by group; who owns a mailbox, by the one name that
// outlives every renaming (objectGUID), when the key server is told; and people
// and rooms by a few letters, when somebody schedules.
//
// The directory is strangers' input like any other: entries without an address
// are left out, names are cut, and what somebody types reaches a filter only
// escaped. Attributes that Exchange adds to the schema (msExch…) may be missing
// altogether; then everybody is a user, and nobody is hidden.
package directory

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"slices"
	"strconv"
	"strings"

	"github.com/koyomi-cal/koyomi/ews/activedirectory"
)

// Kind is what a mailbox is for.
type Kind string

// The kinds of mailboxes.
const (
	User      Kind = "user"
	Shared    Kind = "shared"
	Room      Kind = "room"
	Equipment Kind = "equipment"
)

// Person is somebody or something that has a mailbox. It prints its GUID only.
type Person struct {
	GUID     string   // objectGUID, such as 6d9bd043-9a15-4a08-b8e4-7a4d8a4e3d3c; stable over renames and moves
	Address  string   // primary SMTP address
	Aliases  []string // further addresses that are delivered there, in lower case, sorted
	Name     string   // display name
	Kind     Kind
	Remote   bool // the mailbox lies somewhere else, in Exchange Online as a rule: seen, never served here
	Hidden   bool // not to be shown in address lists
	Capacity int  // of a room: seats; 0: not said
}

// String prints the GUID only.
func (p Person) String() string { return "person(" + p.GUID + ")" }

// Format prints like String, whatever the verb.
func (p Person) Format(f fmt.State, _ rune) { fmt.Fprint(f, p.String()) }

// LogValue prints like String.
func (p Person) LogValue() slog.Value { return slog.StringValue(p.String()) }

// Source answers queries: *activedirectory.Directory.
type Source interface {
	Search(context.Context, activedirectory.Query) iter.Seq2[activedirectory.Entry, error]
}

// Directory reads people from a source. It keeps nothing and is safe for use by
// several goroutines at once.
type Directory struct{ source Source }

// New returns a directory over a source.
func New(source Source) *Directory { return &Directory{source: source} }

// The errors of Members.
var (
	ErrNoGroup = errors.New("the directory has no such group: give its name, its address or its distinguished name")
	ErrGroups  = errors.New("several groups have that name: give the distinguished name of one")
)

// mailboxes finds everything that has an address and is no group or contact.
const mailboxes = "(|(mail=*)(proxyAddresses=*))(objectCategory=person)(objectClass=user)"

// attributes are what a Person is made of.
func attributes() []string {
	return []string{
		"objectGUID", "mail", "proxyAddresses", "displayName", "cn",
		"msExchRecipientTypeDetails", "msExchHideFromAddressLists", "msExchResourceCapacity",
	}
}

// All reads everybody who has a mailbox.
func (d *Directory) All(ctx context.Context) iter.Seq2[Person, error] {
	return d.find(ctx, "(&"+mailboxes+")", 0)
}

// Members reads everybody who belongs to a group, directly or through other
// groups, each once. Errors are ErrNoGroup, ErrGroups, or of the directory.
func (d *Directory) Members(ctx context.Context, group string) iter.Seq2[Person, error] {
	return func(yield func(Person, error) bool) {
		g, err := d.group(ctx, group)
		if err != nil {
			yield(Person{}, err)
			return
		}
		// 1.2.840.113556.1.4.1941 follows memberOf through groups within groups
		// ([MS-ADTS] LDAP_MATCHING_RULE_TRANSITIVE_EVAL). Everybody's primary
		// group, "Domain Users" as a rule, is not in memberOf.
		in := "(memberOf:1.2.840.113556.1.4.1941:=" + activedirectory.Escape(g.DN) + ")"
		if rid, ok := relativeID([]byte(g.First("objectSid"))); ok {
			in = "(|" + in + "(primaryGroupID=" + strconv.FormatUint(uint64(rid), 10) + "))"
		}
		for p, err := range d.find(ctx, "(&"+mailboxes+in+")", 0) {
			if !yield(p, err) {
				return
			}
		}
	}
}

// group finds the one group that is meant.
func (d *Directory) group(ctx context.Context, name string) (activedirectory.Entry, error) {
	n := activedirectory.Escape(strings.TrimSpace(name))
	if n == "" {
		return activedirectory.Entry{}, ErrNoGroup
	}
	var found []activedirectory.Entry
	for e, err := range d.source.Search(ctx, activedirectory.Query{
		Filter:     "(&(objectClass=group)(|(cn=" + n + ")(sAMAccountName=" + n + ")(mail=" + n + ")(proxyAddresses=smtp:" + n + ")(distinguishedName=" + n + ")))",
		Attributes: []string{"objectSid"}, Limit: 2,
	}) {
		if err != nil {
			return activedirectory.Entry{}, err
		}
		found = append(found, e)
	}
	switch len(found) {
	case 0:
		return activedirectory.Entry{}, ErrNoGroup
	case 1:
		return found[0], nil
	}
	return activedirectory.Entry{}, ErrGroups
}

// Lookup returns whose address this is, by any of their addresses. It reports
// false where it is nobody's.
func (d *Directory) Lookup(ctx context.Context, address string) (p Person, ok bool, err error) {
	a := activedirectory.Escape(strings.TrimSpace(address))
	if a == "" {
		return Person{}, false, nil
	}
	for p, err := range d.find(ctx, "(&"+mailboxes+"(|(mail="+a+")(proxyAddresses=smtp:"+a+")))", 1) {
		return p, err == nil, err
	}
	return Person{}, false, nil
}

// maxTyped bounds what is looked for, in bytes.
const maxTyped = 100

// Complete returns people, rooms and shared mailboxes for what somebody has
// typed: each word begins a part of the name or an address. At most limit are
// returned; who is hidden from address lists is not.
func (d *Directory) Complete(ctx context.Context, typed string, limit int) ([]Person, error) {
	words := strings.Fields(typed)
	if len(words) == 0 || len(typed) > maxTyped || limit <= 0 {
		return nil, nil
	}
	var f strings.Builder
	f.WriteString("(&" + mailboxes + "(!(msExchHideFromAddressLists=TRUE))")
	for _, w := range words {
		w = activedirectory.Escape(w)
		f.WriteString("(|(displayName=" + w + "*)(displayName=* " + w + "*)(givenName=" + w + "*)(sn=" + w + "*)(mail=" + w + "*)(proxyAddresses=smtp:" + w + "*))")
	}
	f.WriteString(")")
	var out []Person
	for p, err := range d.find(ctx, f.String(), limit) {
		if err != nil {
			return nil, err
		}
		if !p.Hidden {
			out = append(out, p)
		}
	}
	return out, nil
}

// find reads the people whom a filter finds.
func (d *Directory) find(ctx context.Context, filter string, limit int) iter.Seq2[Person, error] {
	return func(yield func(Person, error) bool) {
		for e, err := range d.source.Search(ctx, activedirectory.Query{Filter: filter, Attributes: attributes(), Limit: limit}) {
			if err != nil {
				yield(Person{}, err)
				return
			}
			if p, ok := person(e); ok && !yield(p, nil) {
				return
			}
		}
	}
}

// Bounds on what an entry says.
const (
	maxName    = 256 // bytes of a name
	maxAddress = 254 // bytes of an address (RFC 5321 4.5.3.1)
	maxAliases = 500
)

// person reads an entry. It reports false for one without an address or GUID.
func person(e activedirectory.Entry) (Person, bool) {
	p := Person{GUID: guid([]byte(e.First("objectGUID"))), Name: e.First("displayName"), Hidden: strings.EqualFold(e.First("msExchHideFromAddressLists"), "TRUE")}
	if p.Name == "" {
		p.Name = e.First("cn")
	}
	p.Name = cut(p.Name)
	for _, proxy := range e.Text("proxyAddresses") {
		kind, address, ok := strings.Cut(proxy, ":")
		switch {
		case !ok || !strings.EqualFold(kind, "smtp") || !plausible(address) || len(p.Aliases) == maxAliases:
		case kind == "SMTP" && p.Address == "":
			p.Address = address
		default:
			p.Aliases = append(p.Aliases, strings.ToLower(address))
		}
	}
	if mail := e.First("mail"); p.Address == "" && plausible(mail) {
		p.Address = mail
	}
	p.Aliases = slices.DeleteFunc(p.Aliases, func(a string) bool { return strings.EqualFold(a, p.Address) })
	slices.Sort(p.Aliases)
	p.Aliases = slices.Compact(p.Aliases)
	p.Kind, p.Remote = kindOf(e.First("msExchRecipientTypeDetails"))
	if n, err := strconv.Atoi(e.First("msExchResourceCapacity")); err == nil && n > 0 {
		p.Capacity = n
	}
	return p, p.Address != "" && p.GUID != ""
}

func plausible(address string) bool {
	at := strings.LastIndexByte(address, '@')
	return at > 0 && at < len(address)-1 && len(address) <= maxAddress && !strings.ContainsAny(address, " \t\r\n<>\x00")
}

// cut shortens a name to what is bearable, at the start of a character.
func cut(name string) string {
	if len(name) <= maxName {
		return name
	}
	return strings.ToValidUTF8(name[:maxName], "")
}

// kindOf reads msExchRecipientTypeDetails, a set of bits of which one is set.
func kindOf(details string) (kind Kind, remote bool) {
	n, err := strconv.ParseInt(details, 10, 64)
	if err != nil {
		return User, false
	}
	switch n {
	case 1 << 2:
		return Shared, false
	case 1 << 4:
		return Room, false
	case 1 << 5:
		return Equipment, false
	case 1 << 7, 1 << 31: // mail users have a mailbox somewhere else
		return User, true
	case 1 << 33:
		return Room, true
	case 1 << 34:
		return Equipment, true
	case 1 << 35:
		return Shared, true
	}
	return User, false
}

// guid writes an objectGUID as people write it ([MS-DTYP] 2.3.4.3): its first
// three parts are little-endian.
func guid(b []byte) string {
	if len(b) != 16 {
		return ""
	}
	var out [16]byte
	binary.BigEndian.PutUint32(out[0:], binary.LittleEndian.Uint32(b[0:]))
	binary.BigEndian.PutUint16(out[4:], binary.LittleEndian.Uint16(b[4:]))
	binary.BigEndian.PutUint16(out[6:], binary.LittleEndian.Uint16(b[6:]))
	copy(out[8:], b[8:])
	h := hex.EncodeToString(out[:])
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}

// relativeID returns the last part of a SID ([MS-DTYP] 2.4.2.2).
func relativeID(sid []byte) (uint32, bool) {
	if len(sid) < 12 || len(sid) != 8+4*int(sid[1]) {
		return 0, false
	}
	return binary.LittleEndian.Uint32(sid[len(sid)-4:]), true
}
