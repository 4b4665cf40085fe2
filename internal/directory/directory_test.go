package directory

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"testing"

	ber "github.com/go-asn1-ber/asn1-ber"
	"github.com/go-ldap/ldap/v3"

	"github.com/koyomi-cal/koyomi/ews/activedirectory"
)

// forest is a directory in memory that understands the filters of RFC 4515.
type forest struct {
	entries []activedirectory.Entry
	filters []string
	err     error
}

func (f *forest) Search(_ context.Context, q activedirectory.Query) iter.Seq2[activedirectory.Entry, error] {
	return func(yield func(activedirectory.Entry, error) bool) {
		f.filters = append(f.filters, q.Filter)
		filter, err := ldap.CompileFilter(q.Filter)
		if err = errors.Join(err, f.err); err != nil {
			yield(activedirectory.Entry{}, err)
			return
		}
		n := 0
		for _, e := range f.entries {
			if !f.holds(filter, e) {
				continue
			}
			if n++; !yield(e, nil) || n == q.Limit {
				return
			}
		}
	}
}

func (f *forest) holds(p *ber.Packet, e activedirectory.Entry) bool {
	values := func(name string) []string { return e.Attributes[strings.ToLower(name)] }
	has := func(name string, ok func(string) bool) bool { return slices.ContainsFunc(values(name), ok) }
	text := func(i int) string { return ber.DecodeString(p.Children[i].Data.Bytes()) }
	switch p.Tag {
	case ldap.FilterAnd:
		return !slices.ContainsFunc(p.Children, func(c *ber.Packet) bool { return !f.holds(c, e) })
	case ldap.FilterOr:
		return slices.ContainsFunc(p.Children, func(c *ber.Packet) bool { return f.holds(c, e) })
	case ldap.FilterNot:
		return !f.holds(p.Children[0], e)
	case ldap.FilterPresent:
		return len(values(ber.DecodeString(p.Data.Bytes()))) > 0
	case ldap.FilterEqualityMatch:
		return has(text(0), func(v string) bool { return strings.EqualFold(v, text(1)) })
	case ldap.FilterSubstrings:
		part := p.Children[1].Children[0]
		return has(text(0), func(v string) bool {
			want := strings.ToLower(ber.DecodeString(part.Data.Bytes()))
			if part.Tag == ldap.FilterSubstringsAny {
				return strings.Contains(strings.ToLower(v), want)
			}
			return strings.HasPrefix(strings.ToLower(v), strings.ReplaceAll(want, "* ", ""))
		})
	case ldap.FilterExtensibleMatch: // memberOf, transitively
		group := text(len(p.Children) - 1)
		for _, c := range p.Children {
			if c.Tag == ldap.MatchingRuleAssertionMatchValue {
				group = ber.DecodeString(c.Data.Bytes())
			}
		}
		return f.within(e, group, 0)
	}
	return false
}

func (f *forest) within(e activedirectory.Entry, group string, depth int) bool {
	for _, g := range e.Attributes["memberof"] {
		if g == group {
			return true
		}
		for _, parent := range f.entries {
			if parent.DN == g && depth < 10 && f.within(parent, group, depth+1) {
				return true
			}
		}
	}
	return false
}

// maker makes entries, each with a GUID of its own.
type maker struct{ last byte }

func (m *maker) entry(name string, attributes ...string) activedirectory.Entry {
	m.last++
	e := activedirectory.Entry{DN: "CN=" + name + ",DC=corp", Attributes: map[string][]string{
		"cn": {name}, "objectclass": {"top", "user"}, "objectcategory": {"person"}, "objectguid": {strings.Repeat("\x01", 15) + string(rune(m.last))},
	}}
	for _, a := range attributes {
		k, v, _ := strings.Cut(a, "=")
		k = strings.ToLower(k)
		if k == "objectclass" {
			e.Attributes[k] = nil
		}
		e.Attributes[k] = append(e.Attributes[k], v)
	}
	return e
}

func sample() *forest {
	entry := new(maker).entry
	sid := []byte{1, 5, 0, 0, 0, 0, 0, 5}
	for _, n := range []uint32{21, 7, 8, 9, 513} {
		sid = binary.LittleEndian.AppendUint32(sid, n)
	}
	return &forest{entries: []activedirectory.Entry{
		entry("All", "objectClass=group", "mail=all@example.com", "proxyAddresses=SMTP:all@example.com"),
		entry("Tokyo", "objectClass=group", "memberOf=CN=All,DC=corp"),
		entry("Twin", "objectClass=group"), entry("twin", "objectClass=group"),
		entry("Domain Users", "objectClass=group", "objectSid="+string(sid)),
		entry("ann", "displayName=Ann Tanaka (部長)", "givenName=Ann", "sn=Tanaka", "mail=ann@example.com", "memberOf=CN=Tokyo,DC=corp",
			"proxyAddresses=smtp:Tanaka@example.com", "proxyAddresses=SMTP:Ann@Example.com", "proxyAddresses=smtp:ann@example.com", "proxyAddresses=x500:/o=Example", "proxyAddresses=smtp:not an address"),
		entry("ben", "mail=ben@example.com", "memberOf=CN=All,DC=corp", "memberOf=CN=Tokyo,DC=corp", "primaryGroupID=513"),
		entry("blue", "displayName=Blue Room", "mail=blue@example.com", "msExchRecipientTypeDetails=16", "msExchResourceCapacity=12"),
		entry("far", "displayName=Far Tanaka", "mail=far@example.com", "msExchRecipientTypeDetails=2147483648"),
		entry("hid", "displayName=Hid Tanaka", "mail=hid@example.com", "msExchHideFromAddressLists=TRUE", "msExchRecipientTypeDetails=4"),
		entry("nobody", "displayName=No Mail Tanaka"),
	}}
}

func names(t *testing.T, seq iter.Seq2[Person, error]) string {
	t.Helper()
	var all []string
	for p, err := range seq {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, strings.ToLower(p.Address))
	}
	return strings.Join(all, " ")
}

func TestPerson(t *testing.T) {
	t.Parallel()
	d := New(sample())
	p, ok, err := d.Lookup(t.Context(), " TANAKA@example.com ")
	if err != nil || !ok {
		t.Fatal(ok, err)
	}
	if p.Address != "Ann@Example.com" || strings.Join(p.Aliases, " ") != "tanaka@example.com" || p.Name != "Ann Tanaka (部長)" || p.Kind != User || p.Remote || p.Hidden {
		t.Errorf("%+q", []any{p.Address, p.Aliases, p.Name, p.Kind})
	}
	if p.GUID != "01010101-0101-0101-0101-010101010106" {
		t.Errorf("GUID %s", p.GUID)
	}
	if s := fmt.Sprintf("%v %+v %s", p, p, p.LogValue()); strings.Contains(s, "nn") {
		t.Errorf("prints %s", s)
	}
	for address, want := range map[string]string{
		"blue@example.com": "room false 12", "far@example.com": "user true 0", "hid@example.com": "shared false 0", "ben@example.com": "user false 0",
	} {
		p, ok, err := d.Lookup(t.Context(), address)
		if got := fmt.Sprint(p.Kind, " ", p.Remote, " ", p.Capacity); err != nil || !ok || got != want {
			t.Errorf("%s: %s, %v, %v", address, got, ok, err)
		}
	}
	for _, address := range []string{"", "none@example.com", "*", "all@example.com", "ann@example.com)(mail=*"} {
		if p, ok, err := d.Lookup(t.Context(), address); ok || err != nil {
			t.Errorf("%q: %v, %v", address, p, err)
		}
	}
}

func TestMembers(t *testing.T) {
	t.Parallel()
	d := New(sample())
	for group, want := range map[string]string{
		"All": "ann@example.com ben@example.com", "all@example.com": "ann@example.com ben@example.com",
		" tokyo ": "ann@example.com ben@example.com", "Domain Users": "ben@example.com",
	} {
		if got := names(t, d.Members(t.Context(), group)); got != want {
			t.Errorf("%s: %s", group, got)
		}
	}
	for group, want := range map[string]error{"": ErrNoGroup, "Nobody": ErrNoGroup, "ann": ErrNoGroup, "*": ErrNoGroup, "Twin": ErrGroups} {
		for _, err := range d.Members(t.Context(), group) {
			if !errors.Is(err, want) {
				t.Errorf("%q: %v", group, err)
			}
		}
	}
	if got := names(t, d.All(t.Context())); got != "ann@example.com ben@example.com blue@example.com far@example.com hid@example.com" {
		t.Errorf("everybody: %s", got)
	}
}

func TestComplete(t *testing.T) {
	t.Parallel()
	f := sample()
	d := New(f)
	for typed, want := range map[string]string{
		"tan": "Ann@Example.com far@example.com", "ann tan": "Ann@Example.com", "tan ann": "Ann@Example.com", "room": "blue@example.com",
		"blue@": "blue@example.com", "  ": "", "*": "", ")(mail=*": "", strings.Repeat("x", 101): "", "zz": "",
	} {
		found, err := d.Complete(t.Context(), typed, 10)
		var got []string
		for _, p := range found {
			got = append(got, p.Address)
		}
		if err != nil || strings.Join(got, " ") != want {
			t.Errorf("%q: %s, %v", typed, got, err)
		}
	}
	if found, _ := d.Complete(t.Context(), "tan", 1); len(found) != 1 {
		t.Errorf("%d found, one was wanted", len(found))
	}
	f.err = errors.New("away")
	if _, err := d.Complete(t.Context(), "tan", 1); !errors.Is(err, f.err) {
		t.Errorf("a directory that is away: %v", err)
	}
	for _, err := range d.Members(t.Context(), "All") {
		if !errors.Is(err, f.err) {
			t.Errorf("a directory that is away: %v", err)
		}
	}
}

// An entry is strangers' input: whatever it holds, a Person is bounded.
func FuzzPerson(f *testing.F) {
	f.Add("0102030405060708090a0b0c0d0e0f10", "Ann", "ann@example.com", "SMTP:x@y", "4")
	f.Add("", strings.Repeat("é", 200), "@", "smtp:", "-1")
	f.Fuzz(func(t *testing.T, id, name, mail, proxy, details string) {
		raw, _ := hex.DecodeString(id)
		p, ok := person(activedirectory.Entry{Attributes: map[string][]string{
			"objectguid": {string(raw)}, "displayname": {name}, "mail": {mail}, "proxyaddresses": {proxy, mail}, "msexchrecipienttypedetails": {details}, "msexchresourcecapacity": {details},
		}})
		if ok && (!plausible(p.Address) || len(p.GUID) != 36) || len(p.Name) > maxName || p.Capacity < 0 || slices.Contains(p.Aliases, strings.ToLower(p.Address)) {
			t.Errorf("%q %q %q", p.Address, p.GUID, p.Aliases)
		}
		relativeID([]byte(name))
	})
}
