package api

import (
	"encoding/json"
	"fmt"
	"log/slog"
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

	// Embedder is the origin that shows the app in a frame and is told what it
	// opened. Only the demo has one.
	Embedder string `json:"embedder,omitempty"`
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
