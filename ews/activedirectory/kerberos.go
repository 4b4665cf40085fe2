package activedirectory

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-krb5/krb5/asn1tools"
	"github.com/go-krb5/krb5/client"
	krb5config "github.com/go-krb5/krb5/config"
	"github.com/go-krb5/krb5/gssapi"
	"github.com/go-krb5/krb5/iana/chksumtype"
	"github.com/go-krb5/krb5/iana/etypeID"
	krbflags "github.com/go-krb5/krb5/iana/flags"
	"github.com/go-krb5/krb5/keytab"
	"github.com/go-krb5/krb5/messages"
	"github.com/go-krb5/krb5/spnego"
	"github.com/go-krb5/krb5/types"
	"github.com/go-krb5/x/encoding/asn1"

	"github.com/koyomi-cal/koyomi/ews"
)

// KerberosOptions are an account and where its tickets come from. Realm and
// Username are required, and Password or KeytabFile.
type KerberosOptions struct {
	// Realm is the directory's domain in Kerberos' way, such as
	// "CORP.EXAMPLE.COM"; small letters are made large.
	Realm string
	// KDCs are domain controllers, "dc1.corp.example.com" with ":port" where it
	// is not 88. Where there are none, DNS is asked for them.
	KDCs []string
	// Username is "svc", "svc@CORP.EXAMPLE.COM" or `CORP\svc`.
	Username string
	Password ews.Secret
	// KeytabFile holds the account's keys, in the place of the password. It is
	// read once.
	KeytabFile string
	// SPN is the name of the service, where it is not HTTP/ and the host of the
	// URL.
	SPN string
	// DialContext replaces the way connections to the KDCs are made. They are
	// TCP connections.
	DialContext func(ctx context.Context, network, address string) (net.Conn, error)
}

// Negotiator signs in by Kerberos. It is an [ews.Negotiator], and asks the
// directory for nothing that it still has: a ticket is used for an hour, and
// longer where the directory cannot be reached.
type Negotiator struct {
	opt  KerberosOptions
	user string
	keys *keytab.Keytab // nil: by password

	mu      sync.Mutex
	tickets map[string]ticket // by SPN
}

// ticket is what one service takes.
type ticket struct {
	ticket messages.Ticket
	key    types.EncryptionKey
	cname  types.PrincipalName
	realm  string
	at     time.Time
}

const (
	ticketFresh = time.Hour
	ticketLife  = 9 * time.Hour // directories give ten
	kdcTime     = 10 * time.Second
)

// NewNegotiator checks the options and reads the keytab. It sends nothing.
func NewNegotiator(o KerberosOptions) (*Negotiator, error) {
	n := &Negotiator{opt: o, user: o.Username, tickets: map[string]ticket{}}
	if _, user, has := strings.Cut(n.user, `\`); has {
		n.user = user
	}
	if user, realm, has := strings.Cut(n.user, "@"); has {
		n.user = user
		if n.opt.Realm == "" {
			n.opt.Realm = realm
		}
	}
	n.opt.Realm = strings.ToUpper(n.opt.Realm)
	switch {
	case n.opt.Realm == "":
		return nil, errors.New("kerberos: name the realm, such as CORP.EXAMPLE.COM")
	case n.user == "":
		return nil, errors.New("kerberos: name the account")
	case o.KeytabFile == "" && o.Password.Reveal() == "":
		return nil, errors.New("kerberos: give a keytab or a password")
	case o.KeytabFile == "":
		return n, nil
	}
	data, err := os.ReadFile(o.KeytabFile)
	if err != nil {
		return nil, fmt.Errorf("the keytab cannot be read; check that it exists and may be read: %w", err)
	}
	if n.keys, err = parseKeytab(data); err != nil {
		return nil, errors.New("kerberos: the keytab file is none; make it with ktpass, ktutil or samba-tool")
	}
	return n, nil
}

// parseKeytab reads a keytab. The library's reader is not made for anything else.
func parseKeytab(data []byte) (kt *keytab.Keytab, err error) {
	defer func() {
		if recover() != nil {
			err = errors.New("malformed")
		}
	}()
	kt = keytab.New()
	if err := kt.Unmarshal(data); err != nil {
		return nil, err
	}
	if len(kt.Entries) == 0 {
		return nil, errors.New("empty")
	}
	return kt, nil
}

// String names nobody.
func (*Negotiator) String() string { return "activedirectory.Negotiator" }

// Format prints like String, whatever the verb.
func (n *Negotiator) Format(f fmt.State, _ rune) { fmt.Fprint(f, n.String()) }

// Token returns a token for the service HTTP on a host, see [ews.Negotiator].
func (n *Negotiator) Token(ctx context.Context, host string, binding []byte, fresh bool) ([]byte, error) {
	spn := n.opt.SPN
	if spn == "" {
		spn = "HTTP/" + strings.ToLower(host)
	}
	t, err := n.get(ctx, spn, fresh)
	if err != nil {
		return nil, err
	}
	return t.token(binding)
}

// get returns a ticket, of the directory where the one from before is old.
func (n *Negotiator) get(ctx context.Context, spn string, fresh bool) (ticket, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	old, has := n.tickets[spn]
	age := time.Since(old.at)
	if has && !fresh && age < ticketFresh {
		return old, nil
	}
	t, err := n.ask(ctx, spn)
	if err == nil {
		n.tickets[spn] = t
		return t, nil
	}
	e := explain(err)
	if has && !fresh && age < ticketLife && e.Class() != ews.Auth {
		return old, nil
	}
	return ticket{}, e
}

// ask signs in to the directory and gets a ticket. The library's client would
// sign in again by itself, beside the rules that keep the account from being
// locked, so it lives no longer than this.
func (n *Negotiator) ask(ctx context.Context, spn string) (ticket, error) {
	c := n.client(ctx)
	defer c.Destroy()
	if err := c.Login(); err != nil {
		return ticket{}, err
	}
	tkt, key, err := c.GetServiceTicket(spn)
	if err != nil {
		return ticket{}, err
	}
	return ticket{tkt, key, c.Credentials.CName(), c.Credentials.Domain(), time.Now()}, nil
}

func (n *Negotiator) client(ctx context.Context) *client.Client {
	conf := krb5config.New()
	d := &conf.LibDefaults
	d.DefaultRealm, d.UDPPreferenceLimit, d.DNSLookupKDC = n.opt.Realm, 1, len(n.opt.KDCs) == 0
	ids := []int32{etypeID.AES256_CTS_HMAC_SHA1_96, etypeID.AES128_CTS_HMAC_SHA1_96, etypeID.RC4_HMAC}
	d.DefaultTktEnctypeIDs, d.DefaultTGSEnctypeIDs, d.PermittedEnctypeIDs = ids, ids, ids
	realm := krb5config.Realm{Realm: n.opt.Realm}
	for _, kdc := range n.opt.KDCs {
		if _, _, err := net.SplitHostPort(kdc); err != nil {
			kdc = net.JoinHostPort(kdc, "88")
		}
		realm.KDC = append(realm.KDC, kdc)
	}
	conf.Realms = append(conf.Realms, realm)
	dial := client.UseDialer(&dialer{ctx, n.opt.DialContext})
	if n.keys != nil {
		return client.NewWithKeytab(n.user, n.opt.Realm, n.keys, conf, dial, client.DisablePAFXFAST(true))
	}
	return client.NewWithPassword(n.user, n.opt.Realm, n.opt.Password.Reveal(), conf, dial, client.DisablePAFXFAST(true))
}

// dialer gives the library a context.
type dialer struct {
	ctx  context.Context
	dial func(ctx context.Context, network, address string) (net.Conn, error)
}

// Dial connects to a KDC.
func (d *dialer) Dial(network, address string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(d.ctx, kdcTime)
	defer cancel()
	if d.dial != nil {
		return d.dial(ctx, network, address)
	}
	return new(net.Dialer).DialContext(ctx, network, address)
}

// KerberosError is the key in the Values of an [ews.Error] under which a refusal
// of the directory says which one it is, such as "KDC_ERR_S_PRINCIPAL_UNKNOWN" (RFC
// 4120 7.5.9). It tells apart what fails at the directory and what at the server.
const KerberosError = "KerberosError"

// explain turns what the directory says into an error for people. The library
// gives it as text.
func explain(err error) *ews.Error {
	text := err.Error()
	e := &ews.Error{Op: "Kerberos", Code: ews.CodeTransport, Cause: err, Values: map[string]string{KerberosError: "other"},
		Message: "there is no Kerberos ticket for the server; check the realm, and that its domain controllers can be reached on port 88"}
	for _, c := range []struct{ in, code, message string }{
		{"KDC_ERR_PREAUTH_FAILED", ews.CodeAuthFailed, "the directory refuses the account's password or keytab; enter the right one"},
		{"keytab incorrect", ews.CodeAuthFailed, "the directory refuses the account's password or keytab; enter the right one"},
		{"KDC_ERR_CLIENT_REVOKED", ews.CodeAccountLocked, "the account is locked or disabled; unlock it in the directory, then try again"},
		{"KDC_ERR_KEY_EXPIRED", ews.CodeAuthFailed, "the account's password has expired; set a new one"},
		{"KDC_ERR_C_PRINCIPAL_UNKNOWN", ews.CodeAuthFailed, "the directory does not know the account; check its name and the realm"},
		{"KDC_ERR_S_PRINCIPAL_UNKNOWN", ews.CodeNoScheme, "the directory knows no service of the server's name; name the server in full, and give the account of Exchange the SPN HTTP/ with that name (setspn -S)"},
		{"KRB_AP_ERR_SKEW", ews.CodeNoScheme, "the clocks of this computer and of the directory differ by more than five minutes; set them"},
		{"KDC_ERR_ETYPE_NOSUPP", ews.CodeNoScheme, "the directory has no key of a kind that is taken; switch AES on for the account, and set its password anew"},
		{"error getting key", ews.CodeNoScheme, "the keytab holds no key of the account; check name and realm in it"},
	} {
		if strings.Contains(text, c.in) {
			e.Code, e.Message, e.Values[KerberosError] = c.code, c.message, c.in
			return e
		}
	}
	return e
}

// Token ids (RFC 4121 4.1) and the flags of the checksum (4.1.1.1). HTTP servers
// are not asked for mutual authentication: TLS has proved who they are before,
// and the channel binding ties the ticket to that proof. Domain controllers are,
// see [saslClient].
const (
	apReqID   = "\x01\x00"
	gssFlags  = gssapi.ContextFlagInteg | gssapi.ContextFlagConf
	bndLength = 16
)

// token makes the first token of SPNEGO (RFC 4178 4.2.1) around an AP-REQ whose
// checksum holds the channel binding (RFC 4121 4.1.1).
func (t ticket) token(binding []byte) ([]byte, error) {
	mech, _, err := t.mechToken(binding, gssFlags)
	if err != nil {
		return nil, err
	}
	init := spnego.SPNEGOToken{Init: true, NegTokenInit: spnego.NegTokenInit{
		MechTypes:      []asn1.ObjectIdentifier{gssapi.OIDKRB5.OID(), gssapi.OIDMSLegacyKRB5.OID()},
		MechTokenBytes: mech,
	}}
	return init.Marshal()
}

// mechToken makes the token within, and returns what the service answers to.
func (t ticket) mechToken(binding []byte, flags uint32) ([]byte, types.Authenticator, error) {
	auth, err := types.NewAuthenticator(t.realm, t.cname)
	if err != nil {
		return nil, auth, err
	}
	sum := make([]byte, 24)
	binary.LittleEndian.PutUint32(sum, bndLength)
	copy(sum[4:4+bndLength], binding) // zeroes: no binding is given
	binary.LittleEndian.PutUint32(sum[20:], flags)
	auth.Cksum = types.Checksum{CksumType: chksumtype.GSSAPI, Checksum: sum}
	req, err := messages.NewAPReq(t.ticket, t.key, auth)
	if err != nil {
		return nil, auth, err
	}
	if flags&gssapi.ContextFlagMutual != 0 {
		types.SetFlag(&req.APOptions, krbflags.APOptionMutualRequired)
	}
	msg, err := req.Marshal()
	if err != nil {
		return nil, auth, err
	}
	oid, err := asn1.Marshal(gssapi.OIDKRB5.OID())
	if err != nil {
		return nil, auth, err
	}
	return asn1tools.AddASNAppTag(slices.Concat(oid, []byte(apReqID), msg), 0), auth, nil
}

// forget has the next ticket for a service come from the directory.
func (n *Negotiator) forget(spn string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.tickets, spn)
}
