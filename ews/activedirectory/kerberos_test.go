package activedirectory

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-krb5/krb5/iana/errorcode"
	"github.com/go-krb5/krb5/iana/etypeID"
	"github.com/go-krb5/krb5/iana/nametype"
	"github.com/go-krb5/krb5/keytab"
	"github.com/go-krb5/krb5/messages"
	"github.com/go-krb5/krb5/types"

	"github.com/koyomi-cal/koyomi/ews"
	"github.com/koyomi-cal/koyomi/ews/ewstest"
)

const realm = "CORP.EXAMPLE"

// writeKeytab writes the keys of a service.
func writeKeytab(t testing.TB, spn string) (string, *keytab.Keytab) {
	t.Helper()
	keys := keytab.New()
	if err := keys.AddEntry(spn, realm, "of the service", time.Now(), 1, etypeID.AES256_CTS_HMAC_SHA1_96); err != nil {
		t.Fatal(err)
	}
	data, err := keys.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "service.keytab")
	if err := os.WriteFile(file, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return file, keys
}

// newTicket makes a ticket as a directory would.
func newTicket(t testing.TB, keys *keytab.Keytab, spn string) ticket {
	t.Helper()
	now := time.Now().UTC()
	user := types.NewPrincipalName(nametype.KRB_NT_PRINCIPAL, "svc")
	tkt, key, err := messages.NewTicket(user, realm, types.NewPrincipalName(nametype.KRB_NT_SRV_INST, spn), realm, types.NewKrbFlags(),
		keys, etypeID.AES256_CTS_HMAC_SHA1_96, 1, now, now, now.Add(time.Hour), now.Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	return ticket{tkt, key, user, realm, now}
}

// TestToken lets a service take what the client makes, with the channel binding
// in it, and once only.
func TestToken(t *testing.T) {
	t.Parallel()
	const spn = "HTTP/mail.corp.example"
	file, keys := writeKeytab(t, spn)
	a, err := NewAcceptor(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, binding := range [][]byte{nil, bytes.Repeat([]byte{7}, 16)} {
		n, err := NewNegotiator(KerberosOptions{Realm: "corp.example", Username: `CORP\svc`, Password: ews.NewSecret("x")})
		if err != nil {
			t.Fatal(err)
		}
		n.tickets[spn] = newTicket(t, keys, spn)
		token, err := n.Token(t.Context(), "MAIL.corp.example", binding, false)
		if err != nil {
			t.Fatal(err)
		}
		login, got, err := a.Accept(token)
		if err != nil || login != "svc@"+realm || !bytes.Equal(got, binding) {
			t.Errorf("binding %x: %q %x %v", binding, login, got, err)
		}
		if _, _, err := a.Accept(token); err == nil {
			t.Error("a token is accepted twice")
		}
		for i := 0; i < len(token); i += 7 {
			bad := bytes.Clone(token)
			bad[i] ^= 0x55
			if login, _, err := a.Accept(bad); err == nil && login != "svc@"+realm {
				t.Errorf("byte %d: %q", i, login)
			}
		}
	}
	if _, _, err := a.Accept([]byte("x")); !errors.Is(err, errToken) {
		t.Errorf("got %v", err)
	}
}

// TestNegotiateWithServer signs a client in to the simulator by a ticket, with
// Extended Protection required.
func TestNegotiateWithServer(t *testing.T) {
	t.Parallel()
	const spn = "HTTP/127.0.0.1"
	file, keys := writeKeytab(t, spn)
	a, err := NewAcceptor(file)
	if err != nil {
		t.Fatal(err)
	}
	s := ewstest.Start(ewstest.Options{Users: 1, TLS: true, Domain: "corp.example", Auth: []string{ewstest.AuthNegotiate}, ExtendedProtection: ewstest.ProtectionRequire,
		Kerberos: func(token []byte) (ewstest.Ticket, error) {
			login, binding, err := a.Accept(token)
			return ewstest.Ticket{Login: login, Binding: binding}, err
		}})
	t.Cleanup(s.Close)
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, s.CA, 0o600); err != nil {
		t.Fatal(err)
	}
	n, err := NewNegotiator(KerberosOptions{Realm: realm, Username: "svc", Password: ews.NewSecret("x"), KDCs: []string{"127.0.0.1:1"}})
	if err != nil {
		t.Fatal(err)
	}
	n.tickets[spn] = newTicket(t, keys, spn)
	for noBinding, fine := range map[bool]bool{false: true, true: false} {
		account := ews.NewAccount(ews.Credentials{Scheme: ews.Negotiate, Negotiator: n}, ews.AccountOptions{NoBinding: noBinding})
		c, err := ews.New(ews.Options{URL: s.URL, CAFile: ca, Account: account})
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if _, err := c.As("user0001@corp.example").Probe(t.Context()); (err == nil) != fine {
				t.Errorf("without binding %v: %v", noBinding, err)
			}
		}
		c.Close()
	}
}

// kdc answers every request with one error.
func kdc(t *testing.T, code int32) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			var head [4]byte
			if _, err := io.ReadFull(conn, head[:]); err == nil {
				_, _ = io.CopyN(io.Discard, conn, int64(binary.BigEndian.Uint32(head[:])))
				e := messages.NewKRBError(types.NewPrincipalName(nametype.KRB_NT_SRV_INST, "krbtgt/"+realm), realm, code, "no")
				msg, _ := e.Marshal()
				_, _ = conn.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(msg))), msg...))
			}
			_ = conn.Close()
		}
	}()
	return l.Addr().String()
}

// TestDirectoryErrors: what the directory says decides whether the secret is
// used on.
func TestDirectoryErrors(t *testing.T) {
	t.Parallel()
	for code, want := range map[int32]string{
		errorcode.KDC_ERR_CLIENT_REVOKED:      ews.CodeAccountLocked,
		errorcode.KDC_ERR_C_PRINCIPAL_UNKNOWN: ews.CodeAuthFailed,
		errorcode.KDC_ERR_KEY_EXPIRED:         ews.CodeAuthFailed,
		errorcode.KRB_AP_ERR_SKEW:             ews.CodeNoScheme,
		errorcode.KRB_ERR_GENERIC:             ews.CodeTransport,
	} {
		n, err := NewNegotiator(KerberosOptions{Realm: realm, Username: "svc@" + realm, Password: ews.NewSecret("secret"), KDCs: []string{kdc(t, code)}})
		if err != nil {
			t.Fatal(err)
		}
		_, err = n.Token(t.Context(), "mail.corp.example", nil, false)
		if e, is := errors.AsType[*ews.Error](err); !is || e.Code != want || strings.Contains(e.Error(), "svc") {
			t.Errorf("%d: %v, want %s", code, err, want)
		}
	}
}

// TestRefusedDirectory holds the account after one refusal of the directory,
// and asks no web server meanwhile.
func TestRefusedDirectory(t *testing.T) {
	t.Parallel()
	s := ewstest.Start(ewstest.Options{Users: 1, Auth: []string{ewstest.AuthNegotiate}})
	t.Cleanup(s.Close)
	n, err := NewNegotiator(KerberosOptions{Realm: realm, Username: "svc", Password: ews.NewSecret("secret"), KDCs: []string{kdc(t, errorcode.KDC_ERR_CLIENT_REVOKED)}})
	if err != nil {
		t.Fatal(err)
	}
	c, err := ews.New(ews.Options{URL: s.URL, Credentials: ews.Credentials{Username: "svc", Scheme: ews.Negotiate, Negotiator: n}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	_, err = c.As("user0001@example.com").Probe(t.Context())
	if e, is := errors.AsType[*ews.Error](err); !is || e.Code != ews.CodeAccountLocked || c.HeldUntil().IsZero() {
		t.Errorf("%v, held until %v", err, c.HeldUntil())
	}
}

// TestOldTicket keeps one while the directory cannot be reached.
func TestOldTicket(t *testing.T) {
	t.Parallel()
	const spn = "HTTP/mail.corp.example"
	_, keys := writeKeytab(t, spn)
	down := func(context.Context, string, string) (net.Conn, error) { return nil, errors.New("down") }
	n, err := NewNegotiator(KerberosOptions{Realm: realm, Username: "svc", Password: ews.NewSecret("x"), KDCs: []string{"dc1"}, DialContext: down})
	if err != nil {
		t.Fatal(err)
	}
	old := newTicket(t, keys, spn)
	old.at = time.Now().Add(-2 * time.Hour)
	n.tickets[spn] = old
	if _, err := n.Token(t.Context(), "mail.corp.example", nil, false); err != nil {
		t.Errorf("got %v", err)
	}
	if _, err := n.Token(t.Context(), "mail.corp.example", nil, true); err == nil {
		t.Error("a ticket that was refused is used again")
	}
}

func TestKerberosOptions(t *testing.T) {
	t.Parallel()
	junk := filepath.Join(t.TempDir(), "junk")
	if err := os.WriteFile(junk, []byte("\x05\x02\x00\x00\x00\x10junk"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, o := range []KerberosOptions{
		{}, {Username: "svc", Password: ews.NewSecret("x")}, {Realm: "R", Password: ews.NewSecret("x")}, {Realm: "R", Username: "svc"},
		{Realm: "R", Username: "svc", KeytabFile: "/nowhere"}, {Realm: "R", Username: "svc", KeytabFile: junk},
	} {
		if _, err := NewNegotiator(o); err == nil {
			t.Errorf("%+v is taken", o.Username)
		}
	}
	if _, err := NewAcceptor(junk); err == nil {
		t.Error("junk is a keytab")
	}
	n, err := NewNegotiator(KerberosOptions{Realm: "R", Username: "svc", Password: ews.NewSecret("hunter2")})
	if err != nil {
		t.Fatal(err)
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
		if s := fmt.Sprintf(verb, ews.Credentials{Negotiator: n}); strings.Contains(s, "hunter2") {
			t.Errorf("printed %s", s)
		}
	}
}
