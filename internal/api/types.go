package api

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"regexp"
)

// Limits that both sides keep.
const (
	MaxSealed   = 1 << 20   // characters in one JWE
	MaxAccounts = 1000      // accounts on one delivery list
	MaxRevision = 1<<53 - 1 // highest revision or cursor: what a browser can count to
)

// Role says what a credential may do.
type Role string

// The roles of an account.
const (
	User      Role = "user"      // reads what is delivered to it
	Connector Role = "connector" // writes its resources and their delivery lists
)

// RedeemRequest asks for the credential of a one-time code.
type RedeemRequest struct {
	Code string `json:"code"`
}

// RedeemAnswer is the only time that a credential leaves the cloud.
type RedeemAnswer struct {
	Credential Credential `json:"credential"`
	Account    string     `json:"account"`
	Role       Role       `json:"role"`
}

// Me says who the caller is and which resources are delivered to it.
type Me struct {
	Account   string   `json:"account"`
	Role      Role     `json:"role"`
	Resources []string `json:"resources"`
}

// Delivery is the list of accounts that get a resource.
type Delivery struct {
	Accounts []string `json:"accounts"`
}

// Part is one sealed part of an item, as the connector puts it.
type Part struct {
	Rev int64  `json:"rev"`
	JWE string `json:"jwe"`
}

// Entry is one line of a resource as a reader gets it: a sealed part, or the
// tombstone of an item (Deleted, with Part and JWE empty).
type Entry struct {
	Item    string `json:"item"`
	Part    string `json:"part,omitempty"`
	Rev     int64  `json:"rev"`
	JWE     string `json:"jwe,omitempty"`
	Deleted bool   `json:"deleted,omitempty"`
}

// Page is a resource's entries after a cursor.
type Page struct {
	Items  []Entry `json:"items"`
	Cursor int64   `json:"cursor"` // ask again after this
	More   bool    `json:"more"`
}

// Written answers a put or a delete: the resource's cursor after it.
type Written struct {
	Cursor int64 `json:"cursor"`
}

// The names of the events.
const (
	EventChange   = "change"
	EventDelivery = "delivery"
)

// Event is one event of the stream.
type Event struct {
	ID       int64  `json:"-"` // give it back as Last-Event-ID
	Name     string `json:"-"` // EventChange or EventDelivery
	Resource string `json:"resource"`
	Cursor   int64  `json:"cursor,omitempty"`
}

// AppConfig is what the people's app reads from /config.json before anything
// else. It holds nothing that is secret and no name of a person or a host
// other than the key server's address.
type AppConfig struct {
	KMS       string `json:"kms"`       // origin of the key server, e.g. "https://kms.example.com"
	Authority string `json:"authority"` // the key server's authority: 16 bytes in base64url
	Org       string `json:"org"`       // the organisation's opaque id; empty: as the key server says
}

// Credential is a secret that prints as [redacted] in every form; only its
// JSON, which is the wire, and Reveal give it away.
type Credential struct{ secret string }

// NewCredential wraps the text of a credential, e.g. as read from a store.
func NewCredential(secret string) Credential { return Credential{secret} }

// Reveal returns the text, to be stored or sent.
func (c Credential) Reveal() string { return c.secret }

// String hides the credential.
func (c Credential) String() string { return "[redacted]" }

// Format hides the credential, whatever the verb.
func (c Credential) Format(f fmt.State, _ rune) { fmt.Fprint(f, "[redacted]") }

// LogValue hides the credential.
func (c Credential) LogValue() slog.Value { return slog.StringValue("[redacted]") }

// MarshalJSON writes the credential: it is the wire form of RedeemAnswer.
func (c Credential) MarshalJSON() ([]byte, error) { return json.Marshal(c.secret) }

// UnmarshalJSON reads the credential.
func (c *Credential) UnmarshalJSON(b []byte) error { return json.Unmarshal(b, &c.secret) }

// The forms of everything that crosses this wire or is stored behind it.
// Nothing else is accepted: a field that matches none of these cannot exist.
var (
	idForm         = regexp.MustCompile(`^[A-Za-z0-9_-]{21}[AQgw]$`)
	partForm       = regexp.MustCompile(`^[hb]$`)
	credentialForm = regexp.MustCompile(`^[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]$`)
	jweForm        = regexp.MustCompile(`^[A-Za-z0-9_-]{64,1024}\.\.[A-Za-z0-9_-]{16}\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]{22}$`)
)

// ValidID reports whether s is 16 bytes in canonical base64url: the form of the
// ids of accounts, resources and items.
func ValidID(s string) bool { return len(s) == 22 && idForm.MatchString(s) }

// ValidPart reports whether s is the letter of a part that is stored.
func ValidPart(s string) bool { return partForm.MatchString(s) }

// ValidCredential reports whether s has the form of a credential.
func ValidCredential(s string) bool { return len(s) == 43 && credentialForm.MatchString(s) }

// ValidSealed reports whether s has the form of a compact JWE with direct
// encryption (RFC 7516 section 7.1, empty second part) within the size limit.
func ValidSealed(s string) bool { return len(s) <= MaxSealed && jweForm.MatchString(s) }

// ValidRevision reports whether n can be a revision.
func ValidRevision(n int64) bool { return n > 0 && n <= MaxRevision }
