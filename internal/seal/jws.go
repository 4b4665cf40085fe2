package seal

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"strings"
)

// maxSigned is the longest JWS that is looked at.
const maxSigned = 64 << 10

// ErrSignature means a JWS out of form, by another algorithm, or not by this key.
var ErrSignature = errors.New("signature is not valid")

// JWS is a signed message (RFC 7515, compact form) whose signature has not been
// checked yet: KeyID says whose it claims to be, [JWS.Verify] whether it is.
type JWS struct {
	KeyID   string // header "kid": the signer's instance
	Type    string // header "typ"
	payload []byte
	signed  string
	r, s    *big.Int
}

// SignJWS signs a payload with ES256 (RFC 7518 section 3.4). The header is
// {"alg":"ES256","kid":keyID,"typ":typ}; keyID and typ are printable ASCII
// without quotes and backslashes.
func SignJWS(key *ecdsa.PrivateKey, keyID, typ string, payload []byte) (string, error) {
	if key == nil || key.Curve != elliptic.P256() {
		return "", fmt.Errorf("%w: ES256 needs a P-256 key", ErrSignature)
	}
	head := `{"alg":"ES256","kid":"` + keyID + `","typ":"` + typ + `"}`
	if k, t, err := parseJWSHeader([]byte(head)); err != nil || k != keyID || t != typ {
		return "", fmt.Errorf("%w: key id or type is out of form", ErrSignature)
	}
	signed := encoding.EncodeToString([]byte(head)) + "." + encoding.EncodeToString(payload)
	digest := sha256.Sum256([]byte(signed))
	r, s, err := ecdsa.Sign(rand.Reader, key, digest[:])
	if err != nil {
		return "", err
	}
	var sig [64]byte
	r.FillBytes(sig[:32])
	s.FillBytes(sig[32:])
	return signed + "." + encoding.EncodeToString(sig[:]), nil
}

// ParseJWS takes a compact JWS apart. The header must hold alg (ES256), kid and
// typ, each once, and nothing else. It fails with ErrSignature.
func ParseJWS(text string) (*JWS, error) {
	if len(text) > maxSigned || broken(text) {
		return nil, fmt.Errorf("%w: too long, or broken into lines", ErrSignature)
	}
	f := strings.Split(text, ".")
	if len(f) != 3 {
		return nil, fmt.Errorf("%w: not a compact JWS", ErrSignature)
	}
	head, err1 := encoding.DecodeString(f[0])
	payload, err2 := encoding.DecodeString(f[1])
	sig, err3 := encoding.DecodeString(f[2])
	if errors.Join(err1, err2, err3) != nil || len(sig) != 64 {
		return nil, fmt.Errorf("%w: not base64url, or a signature of another size", ErrSignature)
	}
	j := &JWS{
		payload: payload,
		signed:  text[:len(f[0])+1+len(f[1])],
		r:       new(big.Int).SetBytes(sig[:32]),
		s:       new(big.Int).SetBytes(sig[32:]),
	}
	var err error
	if j.KeyID, j.Type, err = parseJWSHeader(head); err != nil {
		return nil, err
	}
	return j, nil
}

// Verify returns the payload if the message is of this type and signed by this
// key, and ErrSignature otherwise.
func (j *JWS) Verify(pub *ecdsa.PublicKey, typ string) ([]byte, error) {
	digest := sha256.Sum256([]byte(j.signed))
	if j.Type != typ || pub == nil || pub.Curve != elliptic.P256() || !ecdsa.Verify(pub, digest[:], j.r, j.s) {
		return nil, ErrSignature
	}
	return j.payload, nil
}

func parseJWSHeader(raw []byte) (kid, typ string, err error) {
	s := scanner{text: raw}
	var alg string
	s.object(func(name string) {
		switch name {
		case "alg":
			alg = s.str()
		case "kid":
			kid = s.str()
		case "typ":
			typ = s.str()
		default:
			s.fail()
		}
	}, 3)
	if s.bad || s.pos != len(raw) || alg != "ES256" {
		return "", "", fmt.Errorf("%w: header has another form or algorithm", ErrSignature)
	}
	return kid, typ, nil
}

// JWK is a public P-256 key as JSON (RFC 7517, RFC 7518 section 6.2). A
// browser's exported key has more fields; they are ignored.
type JWK struct {
	Type  string `json:"kty"` // "EC"
	Curve string `json:"crv"` // "P-256"
	X     string `json:"x"`
	Y     string `json:"y"`
}

// NewJWK returns the public key as JWK.
func NewJWK(pub *ecdsa.PublicKey) (JWK, error) {
	raw, err := pub.Bytes()
	if err != nil || pub.Curve != elliptic.P256() {
		return JWK{}, fmt.Errorf("%w: ES256 needs a P-256 key", ErrSignature)
	}
	return JWK{"EC", "P-256", encoding.EncodeToString(raw[1:33]), encoding.EncodeToString(raw[33:])}, nil
}

// PublicKey returns the key, or ErrSignature if it is no point of P-256.
func (j JWK) PublicKey() (*ecdsa.PublicKey, error) {
	x, err1 := encoding.DecodeString(j.X)
	y, err2 := encoding.DecodeString(j.Y)
	if j.Type != "EC" || j.Curve != "P-256" || errors.Join(err1, err2) != nil ||
		len(x) != 32 || len(y) != 32 || broken(j.X+j.Y) {
		return nil, fmt.Errorf("%w: not a public P-256 key", ErrSignature)
	}
	pub, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), append(append([]byte{4}, x...), y...))
	if err != nil {
		return nil, fmt.Errorf("%w: not a point of P-256", ErrSignature)
	}
	return pub, nil
}

// Thumbprint names the key by its content (RFC 7638, SHA-256, base64url).
func (j JWK) Thumbprint() string {
	b, _ := json.Marshal(struct {
		Curve string `json:"crv"`
		Type  string `json:"kty"`
		X     string `json:"x"`
		Y     string `json:"y"`
	}{j.Curve, j.Type, j.X, j.Y}) // four strings always encode
	sum := sha256.Sum256(b)
	return encoding.EncodeToString(sum[:])
}
