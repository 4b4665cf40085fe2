package cli

import (
	"encoding/binary"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-krb5/krb5/crypto"
	"github.com/go-krb5/krb5/iana"
	"github.com/go-krb5/krb5/iana/errorcode"
	"github.com/go-krb5/krb5/iana/etypeID"
	"github.com/go-krb5/krb5/iana/keyusage"
	"github.com/go-krb5/krb5/iana/msgtype"
	"github.com/go-krb5/krb5/iana/nametype"
	"github.com/go-krb5/krb5/iana/patype"
	"github.com/go-krb5/krb5/keytab"
	"github.com/go-krb5/krb5/messages"
	"github.com/go-krb5/krb5/types"
	"github.com/go-krb5/x/encoding/asn1"

	"github.com/koyomi-cal/koyomi/ews/activedirectory"
	"github.com/koyomi-cal/koyomi/ews/ewstest"
)

const (
	kerberosRealm = "CORP.EXAMPLE"
	kerberosType  = etypeID.AES256_CTS_HMAC_SHA1_96
)

// kdc is a key distribution centre (RFC 4120) for principals with passwords, the
// services among them.
type kdc struct {
	keys  *keytab.Keytab
	known []string
}

func startKDC(t *testing.T, principals map[string]string) (k *kdc, address string) {
	t.Helper()
	k = &kdc{keys: keytab.New()}
	for name, password := range principals {
		if err := k.keys.AddEntry(name, kerberosRealm, password, time.Now(), 1, kerberosType); err != nil {
			t.Fatal(err)
		}
		k.known = append(k.known, name)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
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
			g.Go(func() {
				defer c.Close()
				_ = c.SetDeadline(time.Now().Add(30 * time.Second))
				var head [4]byte
				if _, err := io.ReadFull(c, head[:]); err != nil {
					return
				}
				data := make([]byte, min(binary.BigEndian.Uint32(head[:]), 1<<20))
				if _, err := io.ReadFull(c, data); err != nil {
					return
				}
				out := k.answer(data)
				_, _ = c.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(out))), out...))
			})
		}
	})
	t.Cleanup(func() { l.Close(); g.Wait() })
	return k, l.Addr().String()
}

// keytab writes the keys of one principal into a file.
func (k *kdc) keytab(t *testing.T, name, password string) string {
	t.Helper()
	keys := keytab.New()
	if err := keys.AddEntry(name, kerberosRealm, password, time.Now(), 1, kerberosType); err != nil {
		t.Fatal(err)
	}
	data, err := keys.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "keytab")
	if err := os.WriteFile(file, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func (k *kdc) answer(data []byte) []byte {
	var as messages.ASReq
	if as.Unmarshal(data) == nil {
		return k.signIn(&as)
	}
	var tgs messages.TGSReq
	if tgs.Unmarshal(data) == nil {
		return k.service(&tgs)
	}
	return refusal(errorcode.KRB_ERR_GENERIC, nil)
}

func refusal(code int32, further []byte) []byte {
	e := messages.NewKRBError(types.NewPrincipalName(nametype.KRB_NT_SRV_INST, "krbtgt/"+kerberosRealm), kerberosRealm, code, "")
	e.EData = further
	out, _ := e.Marshal()
	return out
}

// signIn checks that the client has the password, by the time that it has
// encrypted, and gives it a ticket for tickets.
func (k *kdc) signIn(req *messages.ASReq) []byte {
	user := req.ReqBody.CName
	if !slices.Contains(k.known, user.PrincipalNameString()) {
		return refusal(errorcode.KDC_ERR_C_PRINCIPAL_UNKNOWN, nil)
	}
	key, _, err := k.keys.GetEncryptionKey(user, kerberosRealm, 1, kerberosType)
	if err != nil {
		return refusal(errorcode.KDC_ERR_ETYPE_NOSUPP, nil)
	}
	for _, pa := range req.PAData {
		var sealed types.PAEncTimestamp
		if pa.PADataType != patype.PA_ENC_TIMESTAMP || sealed.Unmarshal(pa.PADataValue) != nil {
			continue
		}
		if _, err := crypto.DecryptEncPart(types.EncryptedData(sealed), key, keyusage.AS_REQ_PA_ENC_TIMESTAMP); err != nil {
			return refusal(errorcode.KDC_ERR_PREAUTH_FAILED, nil)
		}
		body, sealedTo := k.ticket(user, req.ReqBody.SName, req.ReqBody.Nonce, key, keyusage.AS_REP_ENCPART)
		rep := messages.ASRep{KDCRepFields: body}
		rep.MsgType = msgtype.KRB_AS_REP
		return marshalled(&rep, sealedTo)
	}
	info, _ := asn1.Marshal(types.ETypeInfo2{{EType: kerberosType, Salt: kerberosRealm + user.PrincipalNameString()}})
	further, _ := asn1.Marshal(types.MethodData{{PADataType: patype.PA_ETYPE_INFO2, PADataValue: info}, {PADataType: patype.PA_ENC_TIMESTAMP}})
	return refusal(errorcode.KDC_ERR_PREAUTH_REQUIRED, further)
}

// service gives a ticket for a service to who has one for tickets.
func (k *kdc) service(req *messages.TGSReq) []byte {
	if !slices.Contains(k.known, req.ReqBody.SName.PrincipalNameString()) {
		return refusal(errorcode.KDC_ERR_S_PRINCIPAL_UNKNOWN, nil)
	}
	for _, pa := range req.PAData {
		var ap messages.APReq
		if pa.PADataType != patype.PA_TGS_REQ || ap.Unmarshal(pa.PADataValue) != nil || ap.Ticket.DecryptEncPart(k.keys, nil) != nil {
			continue
		}
		part := ap.Ticket.DecryptedEncPart
		body, err := k.ticket(part.CName, req.ReqBody.SName, req.ReqBody.Nonce, part.Key, keyusage.TGS_REP_ENCPART_SESSION_KEY)
		rep := messages.TGSRep{KDCRepFields: body}
		rep.MsgType = msgtype.KRB_TGS_REP
		return marshalled(&rep, err)
	}
	return refusal(errorcode.KRB_AP_ERR_BAD_INTEGRITY, nil)
}

func marshalled(rep interface{ Marshal() ([]byte, error) }, err error) []byte {
	out, failed := rep.Marshal()
	if err != nil || failed != nil {
		return refusal(errorcode.KRB_ERR_GENERIC, nil)
	}
	return out
}

// ticket makes a ticket and what the client has to know of it, sealed to a key.
func (k *kdc) ticket(user, service types.PrincipalName, nonce int, key types.EncryptionKey, usage uint32) (messages.KDCRepFields, error) {
	now := time.Now().UTC().Truncate(time.Second)
	end := now.Add(10 * time.Hour)
	tkt, session, err := messages.NewTicket(user, kerberosRealm, service, kerberosRealm, types.NewKrbFlags(), k.keys, kerberosType, 1, now, now, end, end)
	if err != nil {
		return messages.KDCRepFields{}, err
	}
	part := messages.EncKDCRepPart{
		Key: session, LastReqs: []messages.LastReq{{LRValue: now}}, Nonce: nonce, Flags: types.NewKrbFlags(),
		AuthTime: now, StartTime: now, EndTime: end, RenewTill: end, SRealm: kerberosRealm, SName: service,
	}
	data, err := part.Marshal()
	if err != nil {
		return messages.KDCRepFields{}, err
	}
	sealed, err := crypto.GetEncryptedData(data, key, usage, 1)
	return messages.KDCRepFields{PVNO: iana.PVNO, CRealm: kerberosRealm, CName: user, Ticket: tkt, EncPart: sealed}, err
}

// TestCheckByKerberos signs in by tickets of a directory, with Extended Protection
// required, by password and by keytab, and says of each refusal what to do.
func TestCheckByKerberos(t *testing.T) {
	t.Parallel()
	const service = "HTTP/127.0.0.1"
	k, at := startKDC(t, map[string]string{"svc": "password", "other": "x", service: "of the service", "krbtgt/" + kerberosRealm: "of the realm"})
	acceptor, err := activedirectory.NewAcceptor(k.keytab(t, service, "of the service"))
	if err != nil {
		t.Fatal(err)
	}
	s := ewstest.Start(ewstest.Options{
		TLS: true, Domain: strings.ToLower(kerberosRealm), Auth: []string{ewstest.AuthNegotiate}, ExtendedProtection: ewstest.ProtectionRequire,
		Kerberos: func(token []byte) (ewstest.Ticket, error) {
			login, binding, err := acceptor.Accept(token)
			return ewstest.Ticket{Login: login, Binding: binding}, err
		},
	})
	t.Cleanup(s.Close)
	s.AddMailbox("aya@example.com", "Aya")
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, s.CA, 0o600); err != nil {
		t.Fatal(err)
	}
	base := []string{"exchange.ca_file=" + ca, "exchange.sign_in.scheme=kerberos", "exchange.sign_in.realm=corp.example", "exchange.sign_in.kdc=" + at, "exchange.username=svc"}
	const well = "discover=true authenticate=true impersonate=true bind=true subscribe=true write=true"
	signIns{
		{name: "password", steps: well},
		{name: "keytab", password: "unused", set: []string{"exchange.password_file=", "exchange.sign_in.keytab_file=" + k.keytab(t, "svc", "password")}, steps: well},
		{name: "wrong password", password: "wrong", code: "AuthFailed", cause: "password or keytab", causeJa: "パスワードまたは keytab を拒否",
			repair: "exchange.sign_in.realm and the content of exchange.password_file: ", command: "Get-ADUser -Identity 'svc' -Properties PasswordExpired,LockedOut | Format-List Name,Enabled,PasswordExpired,LockedOut"},
		{name: "wrong keytab", set: []string{"exchange.password_file=", "exchange.sign_in.keytab_file=" + k.keytab(t, "svc", "wrong")}, code: "AuthFailed",
			cause: "password or keytab", causeJa: "パスワードまたは keytab を拒否", repair: "the content of exchange.sign_in.keytab_file: ", command: "Get-ADUser -Identity 'svc'"},
		{name: "unknown account", set: []string{"exchange.username=nobody"}, code: "AuthFailed", cause: "does not know the account", causeJa: "アカウントがディレクトリにありません", command: "Get-ADUser -Identity 'nobody'"},
		{name: "keytab of another", set: []string{"exchange.username=other", "exchange.password_file=", "exchange.sign_in.keytab_file=" + k.keytab(t, "svc", "password")},
			code: "NoScheme", cause: "no key of the account", causeJa: "keytab にこのアカウントの鍵がありません", command: "ktpass -princ other@CORP.EXAMPLE -mapuser other -crypto AES256-SHA1"},
		{name: "unknown service", set: []string{"exchange.sign_in.spn=HTTP/mail.corp.example"}, code: "NoScheme", cause: "setspn", causeJa: "サービス プリンシパル名",
			repair: "on a domain controller", command: `setspn -S HTTP/mail.corp.example DOMAIN\ACCOUNT`},
		{name: "no directory", set: []string{"exchange.sign_in.kdc=127.0.0.1:1"}, code: "Transport", cause: "port 88", causeJa: "チケットを取得できません",
			repair: "exchange.sign_in.realm and kdc", command: "Resolve-DnsName -Type SRV _kerberos._tcp.corp.example"},
		{name: "binding left out", set: []string{"exchange.sign_in.epa=off"}, code: "AuthFailed", cause: "setspn -Q", causeJa: "拒否",
			command: "Get-WebServicesVirtualDirectory | Set-WebServicesVirtualDirectory -WindowsAuthentication $true"},
	}.run(t, s, base)
}
