package activedirectory

import (
	"bytes"
	"encoding/binary"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/go-krb5/krb5/asn1tools"
	"github.com/go-krb5/krb5/crypto"
	"github.com/go-krb5/krb5/gssapi"
	"github.com/go-krb5/krb5/iana"
	"github.com/go-krb5/krb5/iana/asn1apptag"
	"github.com/go-krb5/krb5/iana/etypeID"
	"github.com/go-krb5/krb5/iana/keyusage"
	"github.com/go-krb5/krb5/iana/msgtype"
	"github.com/go-krb5/krb5/messages"
	"github.com/go-krb5/krb5/types"
	"github.com/go-krb5/x/encoding/asn1"

	"github.com/koyomi-cal/koyomi/ews"
)

const ldapSPN = "ldap/dc1.corp.example"

// signingIn returns a client that has sent its ticket, and the service's keys.
func signingIn(t testing.TB) *saslClient {
	t.Helper()
	c, err := newSASL(t)
	if err != nil {
		t.Fatal(err)
	}
	if token, more, err := c.InitSecContext(ldapSPN, nil); err != nil || !more || len(token) == 0 {
		t.Fatalf("the first step: %d bytes, more %v, %v", len(token), more, err)
	}
	return c
}

func newSASL(t testing.TB) (*saslClient, error) {
	t.Helper()
	n, err := NewNegotiator(KerberosOptions{Realm: realm, Username: "svc", Password: ews.NewSecret("x")})
	if err != nil {
		return nil, err
	}
	_, keys := writeKeytab(t, ldapSPN)
	n.tickets[ldapSPN] = newTicket(t, keys, ldapSPN)
	return &saslClient{ctx: t.Context(), n: n}, nil
}

// newKey returns a key that nobody else has.
func newKey(t testing.TB) types.EncryptionKey {
	t.Helper()
	e, err := crypto.GetEtype(etypeID.AES256_CTS_HMAC_SHA1_96)
	if err != nil {
		t.Fatal(err)
	}
	key, err := types.GenerateEncryptionKey(e)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// apRep makes the answer of a service (RFC 4120 5.5.2) in its token (RFC 4121
// 4.1).
func apRep(t testing.TB, key types.EncryptionKey, usage uint32, part messages.EncAPRepPart) []byte {
	t.Helper()
	plain, err := asn1.MarshalWithParams(part, "application,explicit,tag:27")
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := crypto.GetEncryptedData(plain, key, usage, 0)
	if err != nil {
		t.Fatal(err)
	}
	msg, err := asn1.MarshalWithParams(messages.APRep{PVNO: iana.PVNO, MsgType: msgtype.KRB_AP_REP, EncPart: sealed}, "application,explicit,tag:15")
	if err != nil {
		t.Fatal(err)
	}
	return mechToken(t, "\x02\x00", msg)
}

func mechToken(t testing.TB, id string, msg []byte) []byte {
	t.Helper()
	oid, err := asn1.Marshal(gssapi.OIDKRB5.OID())
	if err != nil {
		t.Fatal(err)
	}
	return asn1tools.AddASNAppTag(slices.Concat(oid, []byte(id), msg), 0)
}

// TestMutualAuthentication: mutual authentication is asked for, so the service
// has to prove with its AP-REP that it could read the ticket (RFC 4120 3.2.5):
// by the ticket's key, about the time that this client has sent. Who does not
// is refused, and so is who sends the client's own token back.
func TestMutualAuthentication(t *testing.T) {
	t.Parallel()
	if asn1apptag.EncAPRepPart != 27 || asn1apptag.APREP != 15 {
		t.Fatal("the tags are others")
	}
	answer := func(c *saslClient) messages.EncAPRepPart {
		return messages.EncAPRepPart{CTime: c.auth.CTime, Cusec: c.auth.Cusec, Subkey: newKey(t), SequenceNumber: 7}
	}
	for name, make := range map[string]func(c *saslClient) []byte{
		"another key": func(c *saslClient) []byte { return apRep(t, newKey(t), keyusage.AP_REP_ENCPART, answer(c)) },
		"another use": func(c *saslClient) []byte { return apRep(t, c.ticket.key, keyusage.AP_REQ_AUTHENTICATOR, answer(c)) },
		"another second": func(c *saslClient) []byte {
			a := answer(c)
			a.CTime = a.CTime.Add(time.Second)
			return apRep(t, c.ticket.key, keyusage.AP_REP_ENCPART, a)
		},
		"another microsecond": func(c *saslClient) []byte {
			a := answer(c)
			a.Cusec++
			return apRep(t, c.ticket.key, keyusage.AP_REP_ENCPART, a)
		},
		"its own token": func(c *saslClient) []byte {
			token, _, err := c.ticket.mechToken(nil, saslFlags)
			if err != nil {
				t.Fatal(err)
			}
			return token
		},
		"an error": func(*saslClient) []byte { return mechToken(t, "\x03\x00", []byte("\x7e\x02\x30\x00")) },
		"nothing":  func(*saslClient) []byte { return []byte{} },
		"no token": func(*saslClient) []byte { return []byte("AP-REP") },
		"the end off": func(c *saslClient) []byte {
			a := apRep(t, c.ticket.key, keyusage.AP_REP_ENCPART, answer(c))
			return a[:len(a)-1]
		},
	} {
		c := signingIn(t)
		if _, _, err := c.InitSecContext(ldapSPN, make(c)); !errors.Is(err, errSASL) {
			t.Errorf("%s: %v", name, err)
		}
		if len(c.subkey.KeyValue) != 0 {
			t.Errorf("%s: its key was taken", name)
		}
	}
	c := signingIn(t)
	right := answer(c)
	if next, more, err := c.InitSecContext(ldapSPN, apRep(t, c.ticket.key, keyusage.AP_REP_ENCPART, right)); err != nil || more || next != nil {
		t.Fatalf("the right answer: more %v, %v", more, err)
	}
	if !bytes.Equal(c.subkey.KeyValue, right.Subkey.KeyValue) {
		t.Error("the service's key was not taken")
	}
	unproven := signingIn(t)
	if _, _, err := unproven.InitSecContext(ldapSPN, nil); !errors.Is(err, errSASL) {
		t.Errorf("a service that says nothing: %v", err)
	}
}

// wrapped makes the wrap token of a server (RFC 4121 4.2.6.2), with what follows
// the header turned round by so many bytes (4.2.5).
func wrapped(t testing.TB, key types.EncryptionKey, flags byte, payload []byte, turns int) []byte {
	t.Helper()
	w := gssapi.WrapToken{Flags: flags, SndSeqNum: 9, Payload: payload}
	if err := w.SetCheckSum(key, keyusage.GSSAPI_ACCEPTOR_SEAL); err != nil {
		t.Fatal(err)
	}
	out := []byte{5, 4, flags, 0xff}
	out = binary.BigEndian.AppendUint16(out, uint16(len(w.CheckSum)))
	out = binary.BigEndian.AppendUint16(out, uint16(turns))
	out = binary.BigEndian.AppendUint64(out, w.SndSeqNum)
	body := slices.Concat(payload, w.CheckSum)
	if at := turns % len(body); at > 0 { // to the right
		body = slices.Concat(body[len(body)-at:], body[:len(body)-at])
	}
	return append(out, body...)
}

// TestWrapToken reads what the server offers in the last step, and answers.
func TestWrapToken(t *testing.T) {
	t.Parallel()
	c := signingIn(t)
	c.subkey = newKey(t)
	offer := []byte{7, 0, 0x10, 0}
	for _, key := range []struct {
		flags byte
		key   types.EncryptionKey
	}{{acceptorFlag, c.ticket.key}, {acceptorFlag | subkeyFlag, c.subkey}} {
		for _, turns := range []int{0, 1, 12, 15, 16, 28, 1000} {
			got, payload, err := c.unwrap(wrapped(t, key.key, key.flags, offer, turns))
			if err != nil || !bytes.Equal(payload, offer) || !bytes.Equal(got.KeyValue, key.key.KeyValue) {
				t.Errorf("flags %d, turned by %d: %x, %v", key.flags, turns, payload, err)
			}
		}
	}
	good := wrapped(t, c.subkey, acceptorFlag|subkeyFlag, offer, 3)
	for i := range good {
		if i == 3 || i == 6 { // the filler, and whole turns of sixteen bytes
			continue
		}
		bad := bytes.Clone(good)
		bad[i] ^= 1
		if _, _, err := c.unwrap(bad); !errors.Is(err, errSASL) {
			t.Errorf("byte %d changed: %v", i, err)
		}
	}
	for name, bad := range map[string][]byte{
		"nothing": nil, "a header": good[:wrapHeader], "one byte": good[:wrapHeader+1], "the end off": good[:len(good)-1], "more": append(bytes.Clone(good), 0),
		"of a client":  wrapped(t, c.subkey, subkeyFlag, offer, 0),
		"sealed":       wrapped(t, c.subkey, acceptorFlag|subkeyFlag|sealedFlag, offer, 0),
		"another key":  wrapped(t, newKey(t), acceptorFlag, offer, 0),
		"no sum":       append([]byte{5, 4, acceptorFlag, 0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9}, offer...),
		"sum too long": append([]byte{5, 4, acceptorFlag, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9}, offer...),
	} {
		if _, _, err := c.unwrap(bad); !errors.Is(err, errSASL) {
			t.Errorf("%s: %v", name, err)
		}
	}
	choice, err := c.NegotiateSaslAuth(wrapped(t, c.subkey, acceptorFlag|subkeyFlag, offer, 0), "u")
	if err != nil {
		t.Fatal(err)
	}
	var w gssapi.WrapToken
	if err := w.Unmarshal(choice, false); err != nil {
		t.Fatal(err)
	}
	if ok, err := w.Verify(c.subkey, keyusage.GSSAPI_INITIATOR_SEAL); !ok || err != nil || !bytes.Equal(w.Payload, []byte{1, 0, 0, 0, 'u'}) || w.Flags != subkeyFlag {
		t.Errorf("the choice: %x, flags %d, %v", w.Payload, w.Flags, err)
	}
	for _, offer := range [][]byte{{6, 0, 0x10, 0}, {7, 0, 0}, {7, 0, 0x10, 0, 0}} {
		if _, err := c.NegotiateSaslAuth(wrapped(t, c.subkey, acceptorFlag|subkeyFlag, offer, 0), ""); err == nil {
			t.Errorf("the offer %x is taken", offer)
		}
	}
	if err := c.DeleteSecContext(); err != nil || len(c.subkey.KeyValue) != 0 || len(c.ticket.key.KeyValue) != 0 {
		t.Errorf("keys are left: %v", err)
	}
}

// FuzzUnwrap reads whatever a server may send for a wrap token: what passes has
// been signed with the right key.
func FuzzUnwrap(f *testing.F) {
	c := signingIn(f)
	c.subkey = newKey(f)
	offer := []byte{7, 0, 0x10, 0}
	f.Add(wrapped(f, c.subkey, acceptorFlag|subkeyFlag, offer, 0))
	f.Add(wrapped(f, c.ticket.key, acceptorFlag, offer, 5))
	f.Add([]byte{5, 4, 1, 0xff, 0, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9, 1})
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, token []byte) {
		before := bytes.Clone(token)
		_, payload, err := c.unwrap(token)
		if !bytes.Equal(before, token) {
			t.Error("the token was changed")
		}
		if err == nil && !bytes.Equal(payload, offer) {
			t.Errorf("forged: %x", payload)
		}
		_, _ = c.NegotiateSaslAuth(token, "")
	})
}

// FuzzAPRep reads whatever a server may send for the answer to a ticket.
func FuzzAPRep(f *testing.F) {
	c := signingIn(f)
	part := messages.EncAPRepPart{CTime: c.auth.CTime, Cusec: c.auth.Cusec, Subkey: newKey(f)}
	good := apRep(f, c.ticket.key, keyusage.AP_REP_ENCPART, part)
	f.Add(apRep(f, newKey(f), keyusage.AP_REP_ENCPART, part))
	f.Add(mechToken(f, "\x03\x00", []byte("\x7e\x02\x30\x00")))
	f.Add([]byte("\x60\x00"))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, answer []byte) {
		if err := c.accept(answer); err == nil && !bytes.Equal(answer, good) {
			t.Errorf("forged: %x", answer)
		}
	})
}
