package ntlm

import (
	"crypto"
	"crypto/hmac"
	"crypto/md5" //nolint:gosec // the protocol's
	"crypto/rc4" //nolint:gosec // the protocol's
	"crypto/x509"
	"encoding/binary"
	"fmt"
	"strings"

	_ "crypto/sha1"   //nolint:gosec // for Binding
	_ "crypto/sha256" // for Binding
	_ "crypto/sha512" // for Binding

	"golang.org/x/crypto/md4" //nolint:staticcheck // the protocol's
)

// Key is what NTLMv2 makes of a password for one spelling of the user's name
// and domain ([MS-NLMP] 3.3.2 NTOWFv2). With it one can sign in as the user, but
// the password cannot be read from it. It prints "[redacted]" in every form.
type Key struct{ value *string }

// NewKey makes the key. The name and domain are those in the messages.
func NewKey(user, domain, password string) Key {
	h := md4.New()
	h.Write(utf16le(password))
	k := string(mac(h.Sum(nil), utf16le(strings.ToUpper(user)+domain)))
	return Key{&k}
}

// String returns "[redacted]".
func (Key) String() string { return "[redacted]" }

// Format prints "[redacted]", whatever the verb.
func (k Key) Format(f fmt.State, _ rune) { fmt.Fprint(f, k.String()) }

func (k Key) bytes() []byte {
	if k.value == nil {
		return make([]byte, 16)
	}
	return []byte(*k.value)
}

// mac is HMAC-MD5 over the parts.
func mac(key []byte, parts ...[]byte) []byte {
	h := hmac.New(md5.New, key)
	for _, p := range parts {
		h.Write(p)
	}
	return h.Sum(nil)
}

// rc4k encrypts or decrypts the 16 bytes of a session key.
func rc4k(key, data []byte) []byte {
	out := make([]byte, len(data))
	if c, err := rc4.NewCipher(key); err == nil { // fails for no key of 16 bytes
		c.XORKeyStream(out, data)
	}
	return out
}

// Binding returns the hash of the channel bindings of a TLS connection to a
// server with this certificate: type tls-server-end-point (RFC 5929 4.1), in
// the form of RFC 4121 4.1.1.2, which NTLM and Kerberos share. It is nil for a
// certificate whose signature has no hash, for which none is defined.
func Binding(cert *x509.Certificate) []byte {
	hash := endPointHash(cert.SignatureAlgorithm)
	if hash == 0 {
		return nil
	}
	h := hash.New()
	h.Write(cert.Raw)
	return bindingOf(append([]byte("tls-server-end-point:"), h.Sum(nil)...))
}

// bindingOf hashes the structure around the data of channel bindings.
func bindingOf(data []byte) []byte {
	// Types and lengths of both addresses are zero.
	sum := md5.Sum(append(binary.LittleEndian.AppendUint32(make([]byte, 16, 128), uint32(len(data))), data...)) //nolint:gosec // the protocol's
	return sum[:]
}

// endPointHash returns the hash of a signature, with SHA-256 in the place of the
// broken ones.
func endPointHash(a x509.SignatureAlgorithm) crypto.Hash {
	switch a {
	case x509.SHA384WithRSA, x509.SHA384WithRSAPSS, x509.ECDSAWithSHA384:
		return crypto.SHA384
	case x509.SHA512WithRSA, x509.SHA512WithRSAPSS, x509.ECDSAWithSHA512:
		return crypto.SHA512
	case x509.UnknownSignatureAlgorithm, x509.PureEd25519:
		return 0
	}
	return crypto.SHA256
}
