package kms

import (
	"encoding/base64"
	"encoding/json"
	"fmt"

	"github.com/koyomi-cal/koyomi/internal/seal"
)

// The wire form, as the package comment has it.

const (
	pathPrefix     = "/kms/v1/"
	pathDescriptor = pathPrefix + "descriptor"
	pathEnrol      = pathPrefix + "enrol"

	scheme      = "KMS-JWS "
	requestType = "koyomi-kms+jws"

	opEnsure = "ensureResource"
	opMine   = "myResources"
	opKeys   = "getKeys"

	maxBody   = 64 << 10 // of a request; an answer is smaller than maxAnswer
	maxAnswer = 1 << 20
	maxKIDs   = 50
)

// Part letters of keys in the store.
const (
	partHead  = "h"
	partBody  = "b"
	partIndex = "i"
)

// descriptor says whose server this is.
type descriptor struct {
	Authority string `json:"authority"`
	Org       string `json:"org"`
}

type enrolRequest struct {
	Code string   `json:"code"`
	JWK  seal.JWK `json:"jwk"`
}

type enrolAnswer struct {
	Instance  string `json:"instance"`
	Authority string `json:"authority"`
	Org       string `json:"org"`
	Role      Role   `json:"role"`
	User      string `json:"user,omitempty"`
	Connector string `json:"connector,omitempty"`
}

type ensureRequest struct {
	Owner string `json:"owner"`
}

// wireKey is a content key on its way to somebody entitled to it.
type wireKey struct {
	KID string `json:"kid"`
	K   secret `json:"k"`
}

type wireKeys struct {
	Head wireKey `json:"h"`
	Body wireKey `json:"b"`
}

type wireResource struct {
	Resource string   `json:"resource"`
	Org      string   `json:"org"`
	IK       secret   `json:"ik,omitempty"` // for connectors
	Keys     wireKeys `json:"keys"`
}

type mineAnswer struct {
	Resources []wireResource `json:"resources"`
}

type keysRequest struct {
	KIDs []string `json:"kids"`
}

type foundKey struct {
	KID      string `json:"kid"`
	Resource string `json:"resource"`
	Part     string `json:"part"`
	K        secret `json:"k"`
}

type keysAnswer struct {
	Keys []foundKey `json:"keys"`
}

// claims is the payload of a request's signature.
type claims struct {
	Authority string `json:"aud"`
	Op        string `json:"op"`
	BodyHash  string `json:"bh"`
	IssuedAt  int64  `json:"iat"`
	Nonce     string `json:"jti"`
}

type wireError struct {
	Error struct {
		Code    string `json:"code"`
		Message string `json:"message"`
	} `json:"error"`
	Now int64 `json:"now,omitempty"`
}

// encoding is base64url without padding.
var encoding = base64.RawURLEncoding.Strict()

// secret is the value of a key. It prints as [redacted]; only its JSON, which
// goes over the wire, is whole.
type secret []byte

func (secret) String() string                 { return "[redacted]" }
func (secret) Format(f fmt.State, _ rune)     { fmt.Fprint(f, "[redacted]") }
func (s secret) MarshalJSON() ([]byte, error) { return json.Marshal(encoding.EncodeToString(s)) }
func (s *secret) UnmarshalJSON(b []byte) error {
	var text string
	if err := json.Unmarshal(b, &text); err != nil {
		return err
	}
	raw, err := encoding.DecodeString(text)
	*s = raw
	return err
}
