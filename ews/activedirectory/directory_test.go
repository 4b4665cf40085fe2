package activedirectory

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	ber "github.com/go-asn1-ber/asn1-ber"
	"github.com/go-ldap/ldap/v3"

	"github.com/koyomi-cal/koyomi/ews"
	"github.com/koyomi-cal/koyomi/ews/ewstest"
)

// record is an entry of a tiny directory.
type record struct {
	dn     string
	filter string // part of the filter by which it is found in a subtree; empty: only by its name
	attrs  map[string][]string
}

// tiny is an LDAP server that knows a few entries and one password.
type tiny struct {
	records []record

	mu       sync.Mutex
	binds    int
	searches []string // base of each
}

const (
	config = "CN=Configuration,DC=corp,DC=example"
	domain = "DC=corp,DC=example"
)

func rootEntry() record {
	return record{attrs: map[string][]string{"configurationNamingContext": {config}, "defaultNamingContext": {domain}}}
}

// start serves the directory under a name and returns the options to reach it.
func (s *tiny) start(t *testing.T, name string, certFor ...string) (string, *x509.CertPool) {
	t.Helper()
	if len(certFor) == 0 {
		certFor = []string{name}
	}
	cert, ca, err := ewstest.NewCertificate(time.Now(), certFor...)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca)
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{cert}})
	if err != nil {
		t.Fatal(err)
	}
	var g sync.WaitGroup
	g.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			g.Go(func() { s.serve(c) })
		}
	})
	t.Cleanup(func() { l.Close(); g.Wait() })
	return l.Addr().String(), roots
}

func (s *tiny) serve(c net.Conn) {
	defer c.Close()
	for {
		p, err := ber.ReadPacket(c)
		if err != nil || len(p.Children) < 2 {
			return
		}
		id, op := p.Children[0].Value.(int64), p.Children[1]
		switch op.Tag {
		case ldap.ApplicationBindRequest:
			s.mu.Lock()
			s.binds++
			s.mu.Unlock()
			code := uint16(ldap.LDAPResultInvalidCredentials)
			if op.Children[1].Value == `CORP\svc` && op.Children[2].Data.String() == "password" {
				code = ldap.LDAPResultSuccess
			}
			reply(c, id, result(ldap.ApplicationBindResponse, code))
		case ldap.ApplicationSearchRequest:
			s.search(c, id, op)
		default:
			return
		}
	}
}

func (s *tiny) search(c io.Writer, id int64, op *ber.Packet) {
	base, scope := op.Children[0].Value.(string), op.Children[1].Value.(int64)
	filter, _ := ldap.DecompileFilter(op.Children[6])
	s.mu.Lock()
	s.searches = append(s.searches, base)
	s.mu.Unlock()
	for _, r := range s.records {
		byName := scope == ldap.ScopeBaseObject && strings.EqualFold(r.dn, base)
		inTree := scope == ldap.ScopeWholeSubtree && r.filter != "" && strings.Contains(filter, r.filter) && strings.HasSuffix(strings.ToLower(r.dn), strings.ToLower(base))
		if !byName && !inTree {
			continue
		}
		e := ber.Encode(ber.ClassApplication, ber.TypeConstructed, ldap.ApplicationSearchResultEntry, nil, "")
		e.AppendChild(octets(r.dn))
		list := ber.Encode(ber.ClassUniversal, ber.TypeConstructed, ber.TagSequence, nil, "")
		for name, values := range r.attrs {
			a := ber.Encode(ber.ClassUniversal, ber.TypeConstructed, ber.TagSequence, nil, "")
			a.AppendChild(octets(name))
			set := ber.Encode(ber.ClassUniversal, ber.TypeConstructed, ber.TagSet, nil, "")
			for _, v := range values {
				set.AppendChild(octets(v))
			}
			a.AppendChild(set)
			list.AppendChild(a)
		}
		e.AppendChild(list)
		reply(c, id, e)
	}
	reply(c, id, result(ldap.ApplicationSearchResultDone, ldap.LDAPResultSuccess))
}

func octets(s string) *ber.Packet {
	return ber.NewString(ber.ClassUniversal, ber.TypePrimitive, ber.TagOctetString, s, "")
}

func result(tag ber.Tag, code uint16) *ber.Packet {
	p := ber.Encode(ber.ClassApplication, ber.TypeConstructed, tag, nil, "")
	p.AppendChild(ber.NewInteger(ber.ClassUniversal, ber.TypePrimitive, ber.TagEnumerated, uint64(code), ""))
	p.AppendChild(octets(""))
	p.AppendChild(octets(""))
	return p
}

func reply(w io.Writer, id int64, op *ber.Packet) {
	p := ber.Encode(ber.ClassUniversal, ber.TypeConstructed, ber.TagSequence, nil, "")
	p.AppendChild(ber.NewInteger(ber.ClassUniversal, ber.TypePrimitive, ber.TagInteger, id, ""))
	p.AppendChild(op)
	_, _ = w.Write(p.Bytes())
}

func account(password string) *ews.Account {
	return ews.NewAccount(ews.Credentials{Username: `CORP\svc`, Password: ews.NewSecret(password)}, ews.AccountOptions{})
}

func directory(t *testing.T, s *tiny, change func(*DirectoryOptions)) *Directory {
	t.Helper()
	at, roots := s.start(t, "127.0.0.1")
	o := DirectoryOptions{Servers: []string{at}, Account: account("password"), RootCAs: roots}
	if change != nil {
		change(&o)
	}
	d, err := NewDirectory(o)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func point(name string, keywords []string, urls ...string) record {
	return record{
		dn: "CN=" + name + ",CN=Services," + config, filter: "serviceConnectionPoint",
		attrs: map[string][]string{"keywords": keywords, "serviceBindingInformation": urls},
	}
}

func urls(t *testing.T, d *Directory, mailDomain string) []string {
	t.Helper()
	points, err := d.ServiceConnectionPoints(t.Context(), mailDomain)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, p := range points {
		if !p.Verified {
			t.Error("what came over TLS counts as not verified")
		}
		out = append(out, p.URL)
	}
	return out
}

func TestServiceConnectionPoints(t *testing.T) {
	t.Parallel()
	const a, b, c = "https://a/Autodiscover/Autodiscover.xml", "https://b/Autodiscover/Autodiscover.xml", "https://c/Autodiscover/Autodiscover.xml"
	s := &tiny{records: []record{
		rootEntry(),
		point("far", []string{urlID, "Site=Berlin"}, a), point("none", []string{strings.ToLower(urlID)}, b, strings.ToUpper(b)),
		point("near", []string{urlID, "site=TOKYO"}, c), point("other", []string{"something"}, "https://x"),
	}}
	d := directory(t, s, func(o *DirectoryOptions) { o.Site = "Tokyo" })
	if got := urls(t, d, "example.com"); !slices.Equal(got, []string{c, b, a}) {
		t.Errorf("got %v", got)
	}
}

// TestPointers: a pointer for the domain comes first, one for all comes last,
// none leads to a server that is not named, and a circle ends.
func TestPointers(t *testing.T) {
	t.Parallel()
	const own, theirs, deep = "https://own/x.xml", "https://theirs/x.xml", "https://deep/x.xml"
	forest := &tiny{records: []record{rootEntry(), point("u", []string{urlID}, theirs)}}
	other, roots := forest.start(t, "127.0.0.1")
	stranger := &tiny{records: []record{rootEntry(), point("u", []string{urlID}, "https://evil/x.xml")}}
	strangerAt, _ := stranger.start(t, "localhost")
	s := &tiny{records: []record{
		rootEntry(),
		point("p1", []string{pointerID, "Domain=Example.org"}, "LDAP://127.0.0.1/"+config),
		point("p2", []string{pointerID, "Domain=evil.example"}, "LDAP://"+strangerAt+"/"+config),
		point("p3", []string{pointerID, "Domain=deep.example"}, "LDAP:///CN=Deep,"+config),
		point("p4", []string{pointerID, "Domain=round.example"}, "LDAP:///"+config),
		{dn: "CN=x,CN=Deep," + config, filter: "serviceConnectionPoint", attrs: map[string][]string{"keywords": {urlID}, "serviceBindingInformation": {deep}}},
	}}
	at, ownRoots := s.start(t, "127.0.0.1")
	_ = roots
	d, err := NewDirectory(DirectoryOptions{Servers: []string{at}, Account: account("password"), RootCAs: ownRoots, Pointers: []string{other}})
	if err != nil {
		t.Fatal(err)
	}
	if got := urls(t, d, "deep.example"); !slices.Equal(got, []string{deep}) {
		t.Errorf("a pointer within the directory gives %v", got)
	}
	for _, dom := range []string{"evil.example", "round.example", "nowhere.example"} {
		if got := urls(t, d, dom); !slices.Equal(got, []string{deep}) { // what is in the directory itself
			t.Errorf("%s gives %v", dom, got)
		}
	}
	if stranger.binds > 0 {
		t.Error("the password went to a server that nobody named")
	}
	if len(s.searches) > 60 {
		t.Errorf("%d searches: a circle of pointers goes on", len(s.searches))
	}
	for raw, want := range map[string]bool{
		"LDAP://127.0.0.1/" + config: true, "ldap://evil.test/" + config: false, "https://127.0.0.1/x": false, "LDAP://u@127.0.0.1/" + config: false,
		"LDAP:///": false, "LDAP:///nonsense": false, "::": false, "LDAP://127.0.0.1.evil.test/": false,
	} {
		if _, _, ok := d.pointer(raw); ok != want {
			t.Errorf("pointer %q is followed: %v", raw, ok)
		}
	}
}

func TestFallbackPointer(t *testing.T) {
	t.Parallel()
	const deep = "https://deep/x.xml"
	s := &tiny{records: []record{
		rootEntry(),
		point("p", []string{pointerID}, "LDAP:///CN=Deep,DC=corp,DC=example"),
		{dn: "CN=x,CN=Deep,DC=corp,DC=example", filter: "serviceConnectionPoint", attrs: map[string][]string{"keywords": {urlID}, "serviceBindingInformation": {deep}}},
	}}
	if got := urls(t, directory(t, s, nil), "example.com"); !slices.Equal(got, []string{deep}) {
		t.Errorf("got %v", got)
	}
}

// TestDirectoryRefuses: a certificate for another name gets no password; a
// wrong password is sent once.
func TestDirectoryRefuses(t *testing.T) {
	t.Parallel()
	s := &tiny{records: []record{rootEntry()}}
	at, roots := s.start(t, "127.0.0.1", "dc9.corp.example")
	d, err := NewDirectory(DirectoryOptions{Servers: []string{at}, Account: account("password"), RootCAs: roots})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.ServiceConnectionPoints(t.Context(), "example.com"); err == nil || s.binds > 0 {
		t.Errorf("a certificate for another name: %v, %d binds", err, s.binds)
	}
	other := &tiny{records: []record{rootEntry()}}
	wrong := account("wrong")
	d = directory(t, other, func(o *DirectoryOptions) { o.Account = wrong })
	for range 4 {
		_, err := d.ServiceConnectionPoints(t.Context(), "example.com")
		if e, is := errors.AsType[*ews.Error](err); !is || e.Class() != ews.Auth {
			t.Fatalf("a wrong password gives %v", err)
		}
	}
	if other.binds != 1 || wrong.HeldUntil().IsZero() {
		t.Errorf("%d binds with the wrong password; held until %v", other.binds, wrong.HeldUntil())
	}
	for _, o := range []DirectoryOptions{
		{}, {Servers: []string{"dc1"}}, {Servers: []string{"ldap://dc1"}, Account: wrong}, {Servers: []string{""}, Account: wrong},
		{Servers: []string{"dc1"}, Account: wrong, CAFile: "testdata/none.pem"},
	} {
		if _, err := NewDirectory(o); err == nil {
			t.Errorf("%+v is taken", o)
		}
	}
}

func TestLockout(t *testing.T) {
	t.Parallel()
	user := func(pso string) record {
		r := record{dn: "CN=svc,CN=Users," + domain, filter: "sAMAccountName=svc)", attrs: map[string][]string{"sAMAccountName": {"svc"}}}
		if pso != "" {
			r.attrs["msDS-ResultantPSO"] = []string{pso}
		}
		return r
	}
	policy := record{dn: domain, attrs: map[string][]string{
		"lockoutThreshold": {"5"}, "lockOutObservationWindow": {"-18000000000"}, "lockoutDuration": {"-9223372036854775808"},
	}}
	const psoDN = "CN=Strict,CN=Password Settings Container,CN=System," + domain
	pso := record{dn: psoDN, attrs: map[string][]string{
		"msDS-LockoutThreshold": {"3"}, "msDS-LockoutObservationWindow": {"-36000000000"}, "msDS-LockoutDuration": {"-6000000000"},
	}}
	ofDomain := Lockout{Known: true, Threshold: 5, Window: 30 * time.Minute}
	for name, c := range map[string]struct {
		records []record
		account string
		want    Lockout
		hold    time.Duration
	}{
		"domain":          {[]record{user(""), policy}, `CORP\svc`, ofDomain, 30 * time.Minute},
		"by address":      {[]record{user(""), policy}, `svc@corp.example`, ofDomain, 30 * time.Minute},
		"own":             {[]record{user(psoDN), policy, pso}, `CORP\svc`, Lockout{true, 3, time.Hour, 10 * time.Minute}, time.Hour},
		"own, unreadable": {[]record{user(psoDN), policy}, `CORP\svc`, Lockout{Threshold: 2, Window: 30 * time.Minute}, 30 * time.Minute},
		"never":           {[]record{user(""), {dn: domain, attrs: map[string][]string{"lockoutThreshold": {"0"}, "lockOutObservationWindow": {"-18000000000"}, "lockoutDuration": {"0"}}}}, "svc", Lockout{Known: true, Window: 30 * time.Minute}, 30 * time.Minute},
	} {
		got, err := directory(t, &tiny{records: append(c.records, rootEntry())}, nil).Lockout(t.Context(), c.account)
		if err != nil || got != c.want || got.Hold() != c.hold {
			t.Errorf("%s: %+v, hold %v, %v", name, got, got.Hold(), err)
		}
	}
	for name, records := range map[string][]record{
		"no account": {policy}, "no policy": {user("")},
		"no number": {user(""), {dn: domain, attrs: map[string][]string{"lockoutThreshold": {"many"}}}},
		"no time":   {user(""), {dn: domain, attrs: map[string][]string{"lockoutThreshold": {"5"}, "lockOutObservationWindow": {"7"}}}},
	} {
		if got, err := directory(t, &tiny{records: append(records, rootEntry())}, nil).Lockout(t.Context(), "svc"); err == nil {
			t.Errorf("%s gives %+v", name, got)
		}
	}
}

func FuzzPointer(f *testing.F) {
	for _, s := range []string{"LDAP://127.0.0.1/" + config, "LDAP:///CN=x", "ldaps://dc.corp.example:636/", "LDAP://127.0.0.1@evil.test/CN=x"} {
		f.Add(s)
	}
	d, err := NewDirectory(DirectoryOptions{Servers: []string{"dc.corp.example"}, Account: account("x")})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		if server, _, ok := d.pointer(raw); ok && server != "dc.corp.example:636" {
			t.Fatalf("%q leads to %s", raw, server)
		}
	})
}
