package ews

import (
	"context"
	"fmt"
	"log/slog"
	"time"
)

// OofState says when automatic replies are sent ([MS-OXWOOF] OofState).
type OofState string

// The states of automatic replies. OofScheduled sends them between Start and
// End only.
const (
	OofDisabled  OofState = "Disabled"
	OofEnabled   OofState = "Enabled"
	OofScheduled OofState = "Scheduled"
)

// OofSettings are a mailbox's automatic replies ([MS-OXWOOF] UserOofSettings). They
// print their state only.
type OofSettings struct {
	State            OofState
	Start, End       time.Time // meant only with OofScheduled, though often given without
	ExternalAudience string    // "None", "Known", "All"
	InternalReply    string
	ExternalReply    string
}

// Active reports whether automatic replies are on at a time.
func (s OofSettings) Active(at time.Time) bool {
	switch s.State {
	case OofEnabled:
		return true
	case OofScheduled:
		return !at.Before(s.Start) && at.Before(s.End)
	}
	return false
}

// String prints the state only.
func (s OofSettings) String() string { return "OofSettings(" + string(s.State) + ")" }

// Format prints like String, whatever the verb.
func (s OofSettings) Format(f fmt.State, _ rune) { fmt.Fprint(f, s.String()) }

// LogValue prints like String.
func (s OofSettings) LogValue() slog.Value { return slog.StringValue(s.String()) }

// GetUserOofSettings reads the automatic replies of a mailbox ([MS-OXWOOF]
// 3.1.4.1), by default of the impersonated one. There is no notification for
// them.
func (m *Mailbox) GetUserOofSettings(ctx context.Context, address string) (OofSettings, error) {
	if address == "" {
		address = m.address
	}
	return do(ctx, m, operation[OofSettings]{
		name: "GetUserOofSettings", safe: true,
		write: func(r *request) {
			if address == "" {
				r.refuse("name the mailbox whose automatic replies are wanted")
			}
			r.Start("m:GetUserOofSettingsRequest")
			r.Start("t:Mailbox")
			r.Leaf("t:Address", address)
			r.End()
			r.End()
		},
		read: func(a answer) (OofSettings, error) {
			msg := a.body.Child("ResponseMessage")
			if msg == nil {
				return OofSettings{}, a.fail(CodeMalformed, "the answer has no response message", nil)
			}
			if e := a.failure(msg); e != nil {
				return OofSettings{}, e
			}
			s := a.body.Child("OofSettings")
			if s == nil {
				return OofSettings{}, a.fail(CodeMalformed, "the answer has no settings", nil)
			}
			return OofSettings{
				State: OofState(word(s.Child("OofState"))), ExternalAudience: word(s.Child("ExternalAudience")),
				Start: dateTime(s.Find("Duration", "StartTime")), End: dateTime(s.Find("Duration", "EndTime")),
				InternalReply: str(s.Find("InternalReply", "Message")), ExternalReply: str(s.Find("ExternalReply", "Message")),
			}, nil
		},
	})
}
