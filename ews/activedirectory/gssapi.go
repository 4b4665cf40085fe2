package activedirectory

import (
	"context"
	"encoding/binary"
	"errors"
	"slices"

	"github.com/go-krb5/krb5/crypto"
	"github.com/go-krb5/krb5/gssapi"
	"github.com/go-krb5/krb5/iana/keyusage"
	"github.com/go-krb5/krb5/messages"
	"github.com/go-krb5/krb5/spnego"
	"github.com/go-krb5/krb5/types"
	"github.com/go-ldap/ldap/v3"
)

// saslClient signs one connection to a directory in by SASL's mechanism GSSAPI
// (RFC 4752) with Kerberos (RFC 4121). It is an [ldap.GSSAPIClient]. It wants no
// security layer, since there is TLS: domain controllers take no second one.
type saslClient struct {
	ctx     context.Context
	n       *Negotiator
	binding []byte

	ticket ticket
	auth   types.Authenticator
	subkey types.EncryptionKey // of the server's choice; may be none
}

var _ ldap.GSSAPIClient = (*saslClient)(nil)

var errSASL = errors.New("the domain controller's answer to the Kerberos ticket is none")

// saslFlags ask for no protection of messages: with it, domain controllers
// refuse the sign-in over TLS.
const saslFlags = gssapi.ContextFlagMutual | gssapi.ContextFlagSequence

// InitSecContext takes the steps before the last.
func (c *saslClient) InitSecContext(spn string, answer []byte) ([]byte, bool, error) {
	return c.InitSecContextWithOptions(spn, answer, nil)
}

// InitSecContextWithOptions sends the ticket, and then takes the server's answer
// to it. The library's own options are of no use here.
func (c *saslClient) InitSecContextWithOptions(spn string, answer []byte, _ []int) (next []byte, more bool, err error) {
	switch {
	case answer != nil:
		return nil, false, c.accept(answer)
	case c.auth.AVNO != 0: // the library would go round for ever
		return nil, false, errSASL
	}
	if c.ticket, err = c.n.get(c.ctx, spn, false); err != nil {
		return nil, false, err
	}
	next, c.auth, err = c.ticket.mechToken(c.binding, saslFlags)
	return next, true, err
}

// accept reads AP-REP: who has answered is who has the service's key.
func (c *saslClient) accept(answer []byte) (err error) {
	defer func() { // the library's parsers are not made for strangers
		if recover() != nil {
			err = errSASL
		}
	}()
	var token spnego.KRB5Token
	if token.Unmarshal(answer) != nil || !token.IsAPRep() {
		return errSASL
	}
	plain, err := crypto.DecryptEncPart(token.APRep.EncPart, c.ticket.key, keyusage.AP_REP_ENCPART)
	if err != nil {
		return errSASL
	}
	var part messages.EncAPRepPart
	if part.Unmarshal(plain) != nil || part.CTime.Unix() != c.auth.CTime.Unix() || part.Cusec != c.auth.Cusec {
		return errSASL
	}
	c.subkey = part.Subkey
	return nil
}

// NegotiateSaslAuth takes the last step (RFC 4752 3.1): the server offers its
// security layers, and the client chooses none.
func (c *saslClient) NegotiateSaslAuth(offer []byte, authzid string) (choice []byte, err error) {
	defer func() {
		if recover() != nil {
			choice, err = nil, errSASL
		}
	}()
	key, payload, err := c.unwrap(offer)
	if err != nil {
		return nil, err
	}
	if len(payload) != 4 || payload[0]&1 == 0 {
		return nil, errors.New("the domain controller takes no sign-in by Kerberos without a security layer of its own, which there is not over TLS")
	}
	w := gssapi.WrapToken{SndSeqNum: uint64(c.auth.SeqNumber), Payload: slices.Concat([]byte{1, 0, 0, 0}, []byte(authzid))}
	if len(c.subkey.KeyValue) > 0 {
		w.Flags = subkeyFlag
	}
	if err := w.SetCheckSum(key, keyusage.GSSAPI_INITIATOR_SEAL); err != nil {
		return nil, err
	}
	w.EC = uint16(len(w.CheckSum))
	return w.Marshal()
}

// The flags of a wrap token (RFC 4121 4.2.2).
const (
	acceptorFlag, sealedFlag, subkeyFlag = 1, 2, 4
	wrapHeader                           = 16
)

// unwrap reads a wrap token of the server (RFC 4121 4.2.6.2) and returns what is
// in it, and the key. What follows the header may be rotated (4.2.5).
func (c *saslClient) unwrap(token []byte) (key types.EncryptionKey, payload []byte, err error) {
	if len(token) <= wrapHeader || token[0] != 5 || token[1] != 4 || token[2]&^subkeyFlag != acceptorFlag {
		return key, nil, errSASL
	}
	body, sum := slices.Clone(token[wrapHeader:]), int(binary.BigEndian.Uint16(token[4:]))
	if turns := int(binary.BigEndian.Uint16(token[6:])) % len(body); turns > 0 {
		body = slices.Concat(body[turns:], body[:turns])
	}
	if sum == 0 || sum > len(body) {
		return key, nil, errSASL
	}
	key = c.ticket.key
	if token[2]&subkeyFlag != 0 {
		key = c.subkey
	}
	w := gssapi.WrapToken{
		Flags: token[2], SndSeqNum: binary.BigEndian.Uint64(token[8:]), Payload: body[:len(body)-sum], CheckSum: body[len(body)-sum:],
	}
	if ok, err := w.Verify(key, keyusage.GSSAPI_ACCEPTOR_SEAL); err != nil || !ok {
		return key, nil, errSASL
	}
	return key, w.Payload, nil
}

// DeleteSecContext forgets the keys.
func (c *saslClient) DeleteSecContext() error {
	c.ticket, c.subkey = ticket{}, types.EncryptionKey{}
	return nil
}
