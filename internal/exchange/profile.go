package exchange

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
)

// Profile is what "koyomi check --write" has found out about one server, with
// nobody's name or address in it. The connector reads from it how bodies are
// written (Options.Profile), and "koyomi exchange --dialect-file" plays it. A
// field that is absent was not found out.
type Profile struct {
	// Name says which server it is, for people; Dialect is the nearest of the
	// simulator's.
	Name    string `json:"name,omitempty"`
	Dialect string `json:"dialect,omitempty"`
	// ServerVersion is the build, such as "15.2.1544.11"; Schema the name of
	// the newest schema that the server knows.
	ServerVersion string `json:"server_version,omitempty"`
	Schema        string `json:"schema,omitempty"`
	// NativeBody says how a body is stored ("text", "rtf", "html") after an
	// update has written HTML over one that was stored in the way of the key.
	NativeBody map[string]string `json:"native_body,omitempty"`
	// AppendToRTF is what AppendToItemField leaves of a body stored as RTF.
	AppendToRTF *Kept `json:"append_to_rtf,omitempty"`
	// Mails says how many mails an attendee whom nothing added or removed gets
	// for an update of the body, by SendMeetingInvitationsOrCancellations.
	Mails map[string]int `json:"mails,omitempty"`
	// Travels names our properties that reach an attendee's copy; empty: none.
	Travels []string `json:"travels,omitzero"`
	// RoomAnswersUpdates says whether a room answers an update again that
	// leaves the time as it was.
	RoomAnswersUpdates *bool `json:"room_answers_updates,omitempty"`
	// SubscriptionSeconds is how long a streaming subscription is known to
	// live without a stream.
	SubscriptionSeconds int `json:"subscription_seconds,omitempty"`
	// RequestSentGiven says whether meetings carry MeetingRequestWasSent.
	RequestSentGiven *bool `json:"request_sent_given,omitempty"`
}

// Kept is what of a body is still there after a write.
type Kept struct {
	Text        bool `json:"text"`
	Links       bool `json:"links"`
	Images      bool `json:"images"`
	Attachments bool `json:"attachments"`
}

// All reports whether nothing was lost.
func (k Kept) All() bool { return k.Text && k.Links && k.Images && k.Attachments }

// AppendsToRTF reports whether something is added to a body stored as RTF by
// AppendToItemField: only where the probe has seen that this loses nothing.
// Else, and without a profile, the server's own HTML is written back with the
// addition.
func (p *Profile) AppendsToRTF() bool {
	return p != nil && p.AppendToRTF != nil && p.AppendToRTF.All()
}

const mostProfile = 64 << 10 // bytes

// ParseProfile reads a profile. Fields that it does not know are an error: a
// profile of a newer version may mean something else.
func ParseProfile(data []byte) (*Profile, error) {
	if len(data) > mostProfile {
		return nil, errors.New("it is larger than any profile")
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	p := &Profile{}
	if err := d.Decode(p); err != nil {
		return nil, fmt.Errorf("it is no profile as `koyomi check --write` writes it: %s", strings.TrimPrefix(err.Error(), "json: "))
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("something follows the profile")
	}
	return p, nil
}

// ReadProfile reads a profile from a file.
func ReadProfile(name string) (*Profile, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, mostProfile+1))
	if err != nil {
		return nil, err
	}
	return ParseProfile(data)
}

// Write writes the profile as it is read.
func (p *Profile) Write(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(p)
}
