package ewstest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// NativeBody is how a body is stored: PidTagNativeBody in words ([MS-OXCMSG]
// 2.2.1.58.2).
type NativeBody string

// The ways to store a body.
const (
	NativeText NativeBody = "text"
	NativeRTF  NativeBody = "rtf"
	NativeHTML NativeBody = "html"
)

// Append is what of a body stored as RTF is still there after AppendToItemField
// has put something behind it.
type Append struct {
	Text        bool `json:"text"`
	Links       bool `json:"links"`
	Images      bool `json:"images"`
	Attachments bool `json:"attachments"`
}

// Profile is what was found out about one server, beyond what its [Dialect]
// says of all of its kind. "koyomi check --write" writes one, Options.Profile
// plays it. A field that is absent leaves the dialect as it is.
type Profile struct {
	// Name says which server it is, for people.
	Name string `json:"name,omitempty"`
	// Dialect is what the profile differs from; Exchange2019 where empty.
	Dialect Dialect `json:"dialect,omitempty"`
	// ServerVersion is the build in ServerVersionInfo, such as
	// "15.2.1544.11"; Schema is the Version attribute beside it.
	ServerVersion string `json:"server_version,omitempty"`
	Schema        string `json:"schema,omitempty"`
	// NativeBody says how a body is stored after an update has written HTML
	// to an item whose body was stored in the way of the key.
	NativeBody map[NativeBody]NativeBody `json:"native_body,omitempty"`
	// AppendToRTF is what AppendToItemField leaves of a body stored as RTF.
	AppendToRTF *Append `json:"append_to_rtf,omitempty"`
	// Mails says how many mails an attendee whom nothing added or removed
	// gets for one update of the body, by the value of
	// SendMeetingInvitationsOrCancellations.
	Mails map[string]int `json:"mails,omitempty"`
	// Travels names the properties in PublicStrings that reach an attendee's
	// copy. Absent leaves it to Options.Travel; an empty list means none.
	Travels []string `json:"travels,omitzero"`
	// RoomAnswersUpdates says whether a room answers an update again that
	// leaves the time as it was.
	RoomAnswersUpdates *bool `json:"room_answers_updates,omitempty"`
	// SubscriptionSeconds is how long a streaming subscription lives without
	// a stream.
	SubscriptionSeconds int `json:"subscription_seconds,omitempty"`
	// RequestSentGiven says whether calendar items carry
	// MeetingRequestWasSent.
	RequestSentGiven *bool `json:"request_sent_given,omitempty"`
}

// Bounds of a profile.
const (
	mostProfile       = 64 << 10 // bytes
	mostProfileText   = 200      // bytes of a text
	mostProfileMails  = 10
	mostProfileTravel = 100
	mostProfileLife   = 24 * time.Hour
)

// ParseProfile reads a profile in JSON. It takes nothing that it does not
// understand: the error names the field and what it may hold.
func ParseProfile(r io.Reader) (*Profile, error) {
	data, err := io.ReadAll(io.LimitReader(r, mostProfile+1))
	if err != nil {
		return nil, fmt.Errorf("read profile: %w", err)
	}
	if len(data) > mostProfile {
		return nil, fmt.Errorf("profile is larger than %d KiB", mostProfile>>10)
	}
	if err := checkFields(data); err != nil {
		return nil, err
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	p := &Profile{}
	if err := d.Decode(p); err != nil {
		return nil, profileError(err)
	}
	if err := p.check(); err != nil {
		return nil, err
	}
	return p, nil
}

// checkFields refuses what package json lets pass: anything but one object, a
// field that is there twice or in another case, and null.
func checkFields(data []byte) error {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(data, &fields); err != nil {
		return profileError(err)
	}
	if fields == nil {
		return errors.New("profile: it holds null, not an object")
	}
	d, seen := json.NewDecoder(bytes.NewReader(data)), map[string]bool{}
	_, _ = d.Token() // the brace: Unmarshal has seen that the whole is well formed
	for d.More() {
		t, err := d.Token()
		if err != nil {
			return profileError(err)
		}
		name, _ := t.(string)
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return profileError(err)
		}
		switch {
		case seen[name]:
			return fmt.Errorf("profile: field %.40q is there twice", name)
		case name != strings.ToLower(name):
			return fmt.Errorf("profile: there is no field %.40q; fields are in lower case", name)
		case string(value) == "null":
			return fmt.Errorf("profile: field %.40q is null; leave it out instead", name)
		}
		seen[name] = true
	}
	return nil
}

// profileError says in which field or at which byte a document is wrong.
func profileError(err error) error {
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	switch {
	case errors.As(err, &syntax) && syntax.Error() == "unexpected end of JSON input":
		return errors.New("profile: it ends before its end")
	case errors.As(err, &syntax):
		return fmt.Errorf("profile: not JSON at byte %d: %w", syntax.Offset, err)
	case errors.As(err, &kind) && kind.Field != "":
		return fmt.Errorf("profile: field %.60q cannot hold a JSON %s", kind.Field, kind.Value)
	case errors.As(err, &kind):
		return fmt.Errorf("profile: it holds a JSON %s, not an object", kind.Value)
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return errors.New("profile: it ends before its end")
	}
	return fmt.Errorf("profile: %.200w", err)
}

// check holds the values against what can be played.
func (p *Profile) check() error {
	for _, f := range []struct{ field, text string }{{"name", p.Name}, {"server_version", p.ServerVersion}, {"schema", p.Schema}} {
		if len(f.text) > mostProfileText {
			return fmt.Errorf("profile: field %q is longer than %d bytes", f.field, mostProfileText)
		}
	}
	if _, err := ParseDialect(string(p.Dialect)); err != nil {
		return fmt.Errorf("profile: field \"dialect\": %w", err)
	}
	if _, err := p.build(); err != nil {
		return err
	}
	for _, c := range p.Schema {
		if c != '_' && (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') {
			return fmt.Errorf("profile: field \"schema\" holds a name such as V2017_07_11, not %q", p.Schema)
		}
	}
	if life := time.Duration(p.SubscriptionSeconds) * time.Second; p.SubscriptionSeconds < 0 || life > mostProfileLife || life < 0 {
		return fmt.Errorf("profile: field \"subscription_seconds\" goes from 1 to %d; leave it out for what the dialect does", int(mostProfileLife.Seconds()))
	}
	return p.checkLists()
}

func (p *Profile) checkLists() error {
	kinds := []NativeBody{NativeText, NativeRTF, NativeHTML}
	for before, after := range p.NativeBody {
		if !slices.Contains(kinds, before) || !slices.Contains(kinds, after) {
			return fmt.Errorf("profile: field \"native_body\" maps %q to %.20q; both are text, rtf or html", before, after)
		}
	}
	for mode, n := range p.Mails {
		if mode == "" || !slices.Contains(updateModes, mode) {
			return fmt.Errorf("profile: field \"mails\" names %.40q; use %s", mode, strings.Join(updateModes[1:], ", "))
		}
		if n < 0 || n > mostProfileMails {
			return fmt.Errorf("profile: field \"mails\": %s goes from 0 to %d mails", mode, mostProfileMails)
		}
	}
	if len(p.Travels) > mostProfileTravel {
		return fmt.Errorf("profile: field \"travels\" names more than %d properties", mostProfileTravel)
	}
	for _, name := range p.Travels {
		if name == "" || len(name) > mostProfileText {
			return fmt.Errorf("profile: field \"travels\" holds names of 1 to %d bytes", mostProfileText)
		}
	}
	return nil
}

// build reads ServerVersion: four numbers, or none.
func (p *Profile) build() (out [4]int, err error) {
	if p.ServerVersion == "" {
		return out, nil
	}
	parts := strings.Split(p.ServerVersion, ".")
	ok := len(parts) == len(out)
	for i := 0; ok && i < len(out); i++ {
		out[i], ok = parseInt(parts[i])
		ok = ok && out[i] >= 0 && out[i] < 1<<16
	}
	if !ok {
		return out, fmt.Errorf("profile: field \"server_version\" holds four numbers such as 15.2.1544.11, not %.40q", p.ServerVersion)
	}
	return out, nil
}

// traits are those of the dialect with what the profile says over them.
func (p *Profile) traits() traits {
	t := p.Dialect.traits()
	if p.ServerVersion != "" {
		t.build, _ = p.build() // ParseProfile has looked; of a Profile made by hand a wrong one is zero
	}
	if p.Schema != "" {
		t.schema = p.Schema
	}
	if p.SubscriptionSeconds > 0 {
		t.subscriptionLife = time.Duration(p.SubscriptionSeconds) * time.Second
	}
	return t
}

// written returns how a body is stored after HTML was written over one that
// was stored in the way of before.
func (p *Profile) written(before NativeBody) NativeBody {
	if p != nil && p.NativeBody[before] != "" {
		return p.NativeBody[before]
	}
	return NativeHTML
}

// appended returns what an append leaves of a body stored as RTF: all, unless
// the profile knows otherwise.
func (p *Profile) appended() Append {
	if p != nil && p.AppendToRTF != nil {
		return *p.AppendToRTF
	}
	return Append{Text: true, Links: true, Images: true, Attachments: true}
}

// mailsTo returns how many mails an old attendee gets for an update. otherwise
// is what happens without a profile.
func (p *Profile) mailsTo(mode string, otherwise int) int {
	if p == nil {
		return otherwise
	}
	if n, ok := p.Mails[mode]; ok {
		return n
	}
	return otherwise
}

// roomAnswers reports whether a room answers an update that leaves the time.
func (p *Profile) roomAnswers() bool {
	return p == nil || p.RoomAnswersUpdates == nil || *p.RoomAnswersUpdates
}

// givesRequestSent reports whether MeetingRequestWasSent is shown. otherwise is
// what the dialect does.
func (p *Profile) givesRequestSent(otherwise bool) bool {
	if p == nil || p.RequestSentGiven == nil {
		return otherwise
	}
	return *p.RequestSentGiven
}
