package meet

import (
	"crypto"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/koyomi-cal/koyomi/internal/calendar"
)

// Entrance asks for a link by which the organiser gets into a meeting as its
// moderator.
type Entrance struct {
	Mailbox calendar.Mailbox // the organiser's
	URL     string           // the link that stands in the invitation
	Until   time.Time        // when the meeting ends
}

// Moderated is a [Service] whose meetings know a moderator. The link that it
// hands out here is the organiser's own and short-lived: it is made when the
// organiser pushes Join, and never written into an invitation.
type Moderated interface {
	Service
	// Enter returns the organiser's own link into the meeting behind e.URL. It
	// fails with State NotOffered where that link is none of this service, or
	// where the service has no moderators.
	Enter(e Entrance) (url string, err error)
}

// SigningKey is an RSA private key that signs tokens. It never shows.
type SigningKey struct{ key *rsa.PrivateKey }

// minKeyBits is the least size of a key that signs tokens.
const minKeyBits = 2048

// ParseSigningKey reads an RSA private key from PEM, in PKCS #8 or PKCS #1.
func ParseSigningKey(text []byte) (SigningKey, error) {
	block, _ := pem.Decode(text)
	if block == nil {
		return SigningKey{}, errors.New("the file holds no PEM block: it has to begin with -----BEGIN PRIVATE KEY-----")
	}
	key, err := x509.ParsePKCS1PrivateKey(block.Bytes)
	if err != nil {
		parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
		rsaKey, is := parsed.(*rsa.PrivateKey)
		if err != nil || !is {
			return SigningKey{}, errors.New("the file holds no RSA private key without a password")
		}
		key = rsaKey
	}
	if key.N.BitLen() < minKeyBits {
		return SigningKey{}, fmt.Errorf("the RSA key has %d bits; make one with at least %d", key.N.BitLen(), minKeyBits)
	}
	return SigningKey{key}, nil
}

// String hides the key.
func (SigningKey) String() string { return "[redacted]" }

// Format hides the key, whatever the verb.
func (SigningKey) Format(f fmt.State, _ rune) { fmt.Fprint(f, "[redacted]") }

// LogValue hides the key.
func (SigningKey) LogValue() slog.Value { return slog.StringValue("[redacted]") }

// MarshalText hides the key from encoders.
func (SigningKey) MarshalText() ([]byte, error) { return []byte("[redacted]"), nil }

// JitsiToken says how tokens are signed for a Jitsi Meet server that asks for
// them (mod_auth_token). Either Secret or Key is set.
type JitsiToken struct {
	AppID    string     // claim iss
	Audience string     // claim aud; empty: the app id
	Subject  string     // claim sub; empty: the tenant of the server's url, else its host
	Secret   Secret     // of the app: HS256
	Key      SigningKey // RS256
	KeyID    string     // header kid, by which the server finds the public key
}

func (t *JitsiToken) check() error {
	switch {
	case t.AppID == "":
		return errors.New("tokens need the app id that the server was set up with")
	case (len(t.Secret) > 0) == (t.Key.key != nil):
		return errors.New("tokens are signed either with the app's secret or with a private key: give one of them")
	}
	return nil
}

const (
	tokenLead = time.Minute    // clocks differ by so much
	tokenLag  = time.Hour      // a meeting runs over by so much
	tokenMost = 24 * time.Hour // no token is good for longer
)

// tokenLife is from when to when a token is good that is made now for a meeting
// until a time.
func tokenLife(now, until time.Time) (from, to time.Time) {
	if until.Before(now) {
		until = now
	}
	to = until.Add(tokenLag)
	if most := now.Add(tokenMost); to.After(most) {
		to = most
	}
	return now.Add(-tokenLead), to
}

// jitsiClaims are those of a token as mod_auth_token and the moderation modules
// beside it read them. Within context, every value is a string.
type jitsiClaims struct {
	Issuer    string       `json:"iss"`
	Audience  string       `json:"aud"`
	Subject   string       `json:"sub"`
	Room      string       `json:"room"`
	NotBefore int64        `json:"nbf"`
	Expires   int64        `json:"exp"`
	Context   jitsiContext `json:"context"`
}

type jitsiContext struct {
	User map[string]string `json:"user"`
}

// sign makes a compact token of the claims (RFC 7515, section 3.1).
func (t *JitsiToken) sign(c jitsiClaims) (string, error) {
	header := map[string]string{"typ": "JWT", "alg": "HS256"}
	if t.Key.key != nil {
		header["alg"] = "RS256"
	}
	if t.KeyID != "" {
		header["kid"] = t.KeyID
	}
	var parts []string
	for _, v := range []any{header, c} {
		text, err := json.Marshal(v)
		if err != nil {
			return "", err
		}
		parts = append(parts, base64.RawURLEncoding.EncodeToString(text))
	}
	input := strings.Join(parts, ".")
	var sig []byte
	if t.Key.key == nil {
		mac := hmac.New(sha256.New, t.Secret)
		mac.Write([]byte(input))
		sig = mac.Sum(nil)
	} else {
		sum := sha256.Sum256([]byte(input))
		var err error
		if sig, err = rsa.SignPKCS1v15(rand.Reader, t.Key.key, crypto.SHA256, sum[:]); err != nil {
			return "", err
		}
	}
	return input + "." + base64.RawURLEncoding.EncodeToString(sig), nil
}
