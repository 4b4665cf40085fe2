package activedirectory

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"

	"github.com/go-krb5/krb5/iana/chksumtype"
	"github.com/go-krb5/krb5/keytab"
	"github.com/go-krb5/krb5/service"
	"github.com/go-krb5/krb5/spnego"
)

// Acceptor is the other side of a [Negotiator]: a service that lets in who has a
// ticket for it. It is what a server for tests is made with.
type Acceptor struct{ keys *keytab.Keytab }

// NewAcceptor reads the service's keys.
func NewAcceptor(keytabFile string) (*Acceptor, error) {
	data, err := os.ReadFile(keytabFile)
	if err != nil {
		return nil, fmt.Errorf("the service's keytab cannot be read: %w", err)
	}
	keys, err := parseKeytab(data)
	if err != nil {
		return nil, errors.New("kerberos: the service's keytab file is none")
	}
	return &Acceptor{keys}, nil
}

var errToken = errors.New("kerberos: the token is none that this service takes")

// Accept checks the first token of a client, in SPNEGO or without. It returns
// the client's name as "svc@REALM" and the hash of its channel bindings, nil
// where it gave none. A token is accepted once.
func (a *Acceptor) Accept(token []byte) (login string, binding []byte, err error) {
	defer func() { // the library's parsers are not made for strangers
		if recover() != nil {
			login, binding, err = "", nil, errToken
		}
	}()
	var outer spnego.SPNEGOToken
	if err := outer.Unmarshal(token); err == nil && outer.Init {
		token = outer.NegTokenInit.MechTokenBytes
	}
	var inner spnego.KRB5Token
	if err := inner.Unmarshal(token); err != nil || !inner.IsAPReq() {
		return "", nil, errToken
	}
	req := inner.APReq
	ok, who, err := service.VerifyAPREQ(&req, service.NewSettings(a.keys, service.DecodePAC(false)))
	if err != nil || !ok {
		return "", nil, errors.Join(errToken, err)
	}
	sum := req.Authenticator.Cksum
	if sum.CksumType != chksumtype.GSSAPI || len(sum.Checksum) < 24 || binary.LittleEndian.Uint32(sum.Checksum) != bndLength {
		return "", nil, errToken
	}
	if given := sum.Checksum[4 : 4+bndLength]; !bytes.Equal(given, make([]byte, bndLength)) {
		binding = bytes.Clone(given)
	}
	return who.UserName() + "@" + who.Domain(), binding, nil
}
