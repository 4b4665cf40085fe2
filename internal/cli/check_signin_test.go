package cli

import (
	"crypto/tls"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	ber "github.com/go-asn1-ber/asn1-ber"
	"github.com/go-ldap/ldap/v3"

	"github.com/koyomi-cal/koyomi/ews/ewstest"
)

// byNTLM starts an Exchange that takes NTLM over TLS alone and returns a
// configuration for it.
func byNTLM(t *testing.T, password string) (*ewstest.Server, string, []string) {
	t.Helper()
	s := ewstest.Start(ewstest.Options{TLS: true, Auth: []string{ewstest.AuthNTLM}, ExtendedProtection: ewstest.ProtectionRequire, Lockout: 3})
	t.Cleanup(s.Close)
	if err := s.Err(); err != nil {
		t.Fatal(err)
	}
	s.AddMailbox("aya@example.com", "Aya")
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, s.CA, 0o600); err != nil {
		t.Fatal(err)
	}
	return s, checkConfig(t, s.URL, password), []string{"--set", "exchange.ca_file=" + ca, "--set", "exchange.sign_in.scheme=ntlm"}
}

// TestCheckByNTLM: check signs in as the connector does, and tries the second
// account too.
func TestCheckByNTLM(t *testing.T) {
	t.Parallel()
	_, config, set := byNTLM(t, "password")
	code, steps := checkJSON(t, append([]string{"--config", config}, set...)...)
	if want := "discover=true authenticate=true impersonate=true bind=true subscribe=true write=true"; code != 0 || names(steps) != want {
		t.Fatalf("exit code %d, %+v", code, steps)
	}
	if want := `NTLM as EXAMPLE\svc; at most 10 requests`; !strings.HasPrefix(steps[1].Detail, want) {
		t.Errorf("%q does not begin with %q", steps[1].Detail, want)
	}
	for password, want := range map[string]string{
		"password": "authenticate=true standby=true impersonate=true standby=true bind=true subscribe=true write=true",
		"wrong":    "authenticate=true standby=false impersonate=true bind=true subscribe=true write=true",
	} {
		file := filepath.Join(t.TempDir(), "second")
		if err := os.WriteFile(file, []byte(password), 0o600); err != nil {
			t.Fatal(err)
		}
		args := append([]string{"--config", config, "--set", `exchange.standby.username=EXAMPLE\svc`, "--set", "exchange.standby.password_file=" + file}, set...)
		if _, steps := checkJSON(t, args...); names(steps) != "discover=true "+want {
			t.Errorf("with a second account whose password is %s: %+v", password, steps)
		}
	}
}

// TestCheckByNTLMRefused: a wrong password is used up as often as the connector
// does, and what is wrong is said for the scheme.
func TestCheckByNTLMRefused(t *testing.T) {
	t.Parallel()
	s, config, set := byNTLM(t, "wrong")
	code, steps := checkJSON(t, append([]string{"--config", config}, set...)...)
	last := steps[len(steps)-1]
	if code != 1 || names(steps) != "discover=true authenticate=false" || last.Code != "AuthFailed" ||
		!strings.Contains(last.Cause, "password") || !strings.Contains(last.Repair, "WindowsAuthentication $true") {
		t.Errorf("exit code %d, %+v", code, steps)
	}
	basic := append([]string{"--config", config}, set[:2]...)
	if _, steps := checkJSON(t, basic...); names(steps) != "discover=true authenticate=false" {
		t.Errorf("Basic, which the server does not offer: %+v", steps)
	}
	// The third wrong password locks the account: one is used up with the channel
	// binding, and one without, to know which of them is refused.
	right := append([]string{"--config", checkConfig(t, s.URL, "password")}, set...)
	if code, steps := checkJSON(t, right...); code != 0 {
		t.Errorf("the wrong password was tried more than once each way: %+v", steps)
	}
}

// TestCheckByAutodiscover finds the server through the directory, which says
// too how soon it locks the account.
func TestCheckByAutodiscover(t *testing.T) {
	t.Parallel()
	s, config, set := byNTLM(t, "password")
	u, err := url.Parse(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	s.SetDiscovery("gone@example.com", ewstest.Discovery{Online: true})
	dc := controller{point: "https://" + u.Host + ewstest.AutodiscoverXML}
	at, ca := dc.start(t)
	set = append(set, "--set", "exchange.url=", "--set", "exchange.directory.servers="+at, "--set", "exchange.directory.ca_file="+ca,
		"--set", "exchange.autodiscover.allowed_hosts="+u.Host)
	code, steps := checkJSON(t, append(append([]string{"--config", config}, set...), "aya@example.com", "gone@example.com")...)
	want := "discover=true authenticate=true discover=true impersonate=true bind=true subscribe=true write=true discover=false"
	if code != 1 || names(steps) != want {
		t.Fatalf("exit code %d, %+v", code, steps)
	}
	if s := steps[1]; !strings.Contains(s.Detail, "NTLM as") || !strings.HasSuffix(s.Detail, "it is 5 within 30m0s") ||
		!strings.Contains(s.Warning, "can lock the account") || !strings.Contains(s.Repair, "LockoutThreshold") {
		t.Errorf("authenticate: %+v", s)
	}
	if s := steps[2]; s.Mailbox != "aya@example.com" || !strings.HasPrefix(s.Detail, u.Host) {
		t.Errorf("discover: %+v", s)
	}
	if s := steps[7]; s.Code != "ExchangeOnline" || !strings.Contains(s.Repair, "take it off the list") {
		t.Errorf("a mailbox in Exchange Online: %+v", s)
	}
}

// controller is a directory that knows where Autodiscover is and when it locks.
type controller struct{ point string }

func (d controller) start(t *testing.T) (address, caFile string) {
	t.Helper()
	cert, ca, err := ewstest.NewCertificate(time.Now(), "127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	caFile = filepath.Join(t.TempDir(), "dc.pem")
	if err := os.WriteFile(caFile, ca, 0o600); err != nil {
		t.Fatal(err)
	}
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
			g.Go(func() { d.serve(c) })
		}
	})
	t.Cleanup(func() { l.Close(); g.Wait() })
	return l.Addr().String(), caFile
}

// entry is what a search for a name or by a filter finds.
func (d controller) entry(base, filter string) map[string]string {
	switch {
	case base == "":
		return map[string]string{"configurationNamingContext": "CN=Configuration,DC=example", "defaultNamingContext": "DC=example"}
	case strings.Contains(filter, "sAMAccountName=svc"):
		return map[string]string{"cn": "svc"}
	case strings.Contains(filter, "serviceConnectionPoint"):
		return map[string]string{"keywords": "77378F46-2C66-4aa9-A6A6-3E7A48B19596", "serviceBindingInformation": d.point}
	case base == "DC=example":
		return map[string]string{"lockoutThreshold": "5", "lockOutObservationWindow": "-18000000000", "lockoutDuration": "-18000000000"}
	}
	return nil
}

func (d controller) serve(c net.Conn) {
	defer c.Close()
	for {
		p, err := ber.ReadPacket(c)
		if err != nil || len(p.Children) < 2 {
			return
		}
		id, op := p.Children[0].Value.(int64), p.Children[1]
		send := func(tag ber.Tag, parts ...*ber.Packet) {
			fmt.Fprintf(c, "%s", sequence(ber.NewInteger(ber.ClassUniversal, ber.TypePrimitive, ber.TagInteger, id, ""), packet(ber.ClassApplication, tag, parts)).Bytes())
		}
		result := func(tag ber.Tag, code uint16) {
			send(tag, ber.NewInteger(ber.ClassUniversal, ber.TypePrimitive, ber.TagEnumerated, uint64(code), ""), octets(""), octets(""))
		}
		switch op.Tag {
		case ldap.ApplicationBindRequest:
			code := uint16(ldap.LDAPResultInvalidCredentials)
			if op.Children[1].Value == `EXAMPLE\svc` && op.Children[2].Data.String() == "password" {
				code = ldap.LDAPResultSuccess
			}
			result(ldap.ApplicationBindResponse, code)
		case ldap.ApplicationSearchRequest:
			filter, _ := ldap.DecompileFilter(op.Children[6])
			base := op.Children[0].Value.(string)
			var attributes []*ber.Packet
			for name, value := range d.entry(base, filter) {
				attributes = append(attributes, sequence(octets(name), packet(ber.ClassUniversal, ber.TagSet, []*ber.Packet{octets(value)})))
			}
			if attributes != nil {
				send(ldap.ApplicationSearchResultEntry, octets(base), sequence(attributes...))
			}
			result(ldap.ApplicationSearchResultDone, ldap.LDAPResultSuccess)
		default:
			return
		}
	}
}

func octets(s string) *ber.Packet {
	return ber.NewString(ber.ClassUniversal, ber.TypePrimitive, ber.TagOctetString, s, "")
}

func sequence(parts ...*ber.Packet) *ber.Packet {
	return packet(ber.ClassUniversal, ber.TagSequence, parts)
}

func packet(class ber.Class, tag ber.Tag, parts []*ber.Packet) *ber.Packet {
	p := ber.Encode(class, ber.TypeConstructed, tag, nil, "")
	for _, c := range parts {
		p.AppendChild(c)
	}
	return p
}
