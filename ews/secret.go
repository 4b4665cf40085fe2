package ews

import (
	"fmt"
	"log/slog"
)

// Secret is a password. It prints "[redacted]" in every form, and as JSON; the
// pointer keeps it from being printed from inside a structure as well.
type Secret struct{ value *string }

// NewSecret returns s as a Secret.
func NewSecret(s string) Secret { return Secret{&s} }

const redacted = "[redacted]"

// Reveal returns the password itself.
func (s Secret) Reveal() string {
	if s.value == nil {
		return ""
	}
	return *s.value
}

// String returns "[redacted]".
func (Secret) String() string { return redacted }

// Format prints "[redacted]", whatever the verb.
func (Secret) Format(f fmt.State, _ rune) { fmt.Fprint(f, redacted) }

// LogValue returns "[redacted]".
func (Secret) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText returns "[redacted]", so that no encoder writes the password.
func (Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }
