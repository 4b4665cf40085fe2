package meet

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base32"
	"encoding/binary"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/koyomi-cal/koyomi/internal/calendar"
)

// JitsiConfig describes a Jitsi Meet server.
type JitsiConfig struct {
	URL    string // e.g. "https://meet.example.com", with a tenant's path where there is one
	Secret Secret // at least 16 random bytes; a new one makes new names

	// Token signs the organiser in as moderator; nil: the server asks for no
	// tokens. The link in an invitation never carries one: whoever opens it gets
	// in as the server allows guests, or by its own sign-in.
	Token *JitsiToken
}

// Host returns the server's host, so that detection knows its links.
func (c JitsiConfig) Host() string {
	if u, err := url.Parse(c.URL); err == nil {
		return u.Hostname()
	}
	return ""
}

// Jitsi makes rooms on a Jitsi Meet server. A room needs no creating: whoever
// opens its link first opens it. Hence its name is all that protects it:
// 128 bits of HMAC-SHA-256 under the installation's secret, over
//
//   - the meeting's key, for a new meeting. Another meeting, another room; the
//     same meeting asked again, the same room; a copy, which has its own key,
//     its own room;
//   - the two addresses, for the space of two people: the same in all their
//     meetings. A third person gets another room, because the link to a
//     lasting space of two is not to be handed on. Spaces of more people are
//     per meeting: they last as long as its series;
//   - the address, for a personal room.
//
// Never over a subject: it changes, and it is guessed.
type Jitsi struct {
	name   string
	base   string
	secret Secret
	token  *JitsiToken
}

// NewJitsi checks the configuration.
func NewJitsi(name string, c JitsiConfig) (*Jitsi, error) {
	u, err := url.Parse(c.URL)
	if err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return nil, fmt.Errorf("meeting service %s: the Jitsi url has to be of the form https://meet.example.com", name)
	}
	if len(c.Secret) < minSecret {
		return nil, fmt.Errorf("meeting service %s: the secret for room names has to have at least %d random bytes", name, minSecret)
	}
	j := &Jitsi{name: name, base: strings.TrimRight(c.URL, "/"), secret: slices.Clone(c.Secret)}
	if c.Token == nil {
		return j, nil
	}
	if err := c.Token.check(); err != nil {
		return nil, fmt.Errorf("meeting service %s: %w", name, err)
	}
	t := *c.Token
	if t.Audience == "" {
		t.Audience = t.AppID
	}
	if t.Subject == "" {
		t.Subject = u.Hostname()
		if tenant := strings.Trim(u.Path, "/"); tenant != "" {
			t.Subject = tenant
		}
	}
	j.token = &t
	return j, nil
}

// Name is the service's name as people know it.
func (j *Jitsi) Name() string { return j.name }

// Join returns the room of a meeting, of a pair or of the mailbox.
func (j *Jitsi) Join(_ context.Context, r Request) (calendar.JoinDetails, error) {
	var room string
	own := strings.ToLower(strings.TrimSpace(r.Mailbox.Address))
	switch r.Action {
	case "", Default, OneTime:
		room = j.room("meeting", r.Key)
	case Space:
		room = j.room("space", r.Key)
		if pair := people(own, r); len(pair) == 2 {
			room = j.room("pair", pair...)
		}
	case MyRoom:
		if own == "" {
			return calendar.JoinDetails{}, &Error{Service: j.name, State: BadRequest, Message: "the mailbox has no address from which to make its room"}
		}
		room = j.room("personal", own)
	default:
		return calendar.JoinDetails{}, notOffered(j.name, r.Action)
	}
	if r.Key == "" && r.Action != MyRoom {
		return calendar.JoinDetails{}, &Error{Service: j.name, State: BadRequest, Message: "the meeting has neither a GlobalObjectId nor a UID: it is listed, but gets no room"}
	}
	return calendar.JoinDetails{Service: j.name, Personal: r.Action == MyRoom, JoinMethod: calendar.JoinMethod{Kind: "jitsi", URL: j.base + "/" + room}}, nil
}

// Enter returns the link with a token for the organiser. The token names the
// room, so that it opens no other, and ends an hour after the meeting.
func (j *Jitsi) Enter(e Entrance) (string, error) {
	room, ours := strings.CutPrefix(e.URL, j.base+"/")
	if j.token == nil || !ours || room == "" || strings.ContainsAny(room, "/?#%") {
		return "", notModerated(j.name)
	}
	from, to := tokenLife(time.Now(), e.Until)
	user := map[string]string{
		"id": j.room("person", strings.ToLower(e.Mailbox.Address)), "moderator": "true", "affiliation": "owner",
	}
	if e.Mailbox.Name != "" {
		user["name"] = e.Mailbox.Name
	}
	token, err := j.token.sign(jitsiClaims{
		Issuer: j.token.AppID, Audience: j.token.Audience, Subject: j.token.Subject, Room: room,
		NotBefore: from.Unix(), Expires: to.Unix(), Context: jitsiContext{User: user},
	})
	if err != nil {
		return "", &Error{Service: j.name, State: BadRequest, Message: "the token for the moderator cannot be signed: check the key", Cause: err}
	}
	return e.URL + "?jwt=" + token, nil
}

// people lists the distinct addresses of those who meet, sorted.
func people(own string, r Request) []string {
	var list []string
	if own != "" {
		list = append(list, own)
	}
	for _, p := range r.People {
		if p = strings.ToLower(strings.TrimSpace(p)); p != "" && !r.Mailbox.Owns(p) {
			list = append(list, p)
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// room derives a room's name: 128 bits in base32, in lower case as Jitsi
// writes names itself.
func (j *Jitsi) room(purpose string, parts ...string) string {
	mac := hmac.New(sha256.New, j.secret)
	for _, p := range append([]string{"koyomi room 1", purpose}, parts...) {
		var n [8]byte
		binary.BigEndian.PutUint64(n[:], uint64(len(p)))
		mac.Write(n[:])
		mac.Write([]byte(p))
	}
	name := base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(mac.Sum(nil)[:16])
	return strings.ToLower(name)
}

// Format prints the name only, whatever the verb: within are secrets.
func (j *Jitsi) Format(f fmt.State, _ rune) { fmt.Fprint(f, j.name) }
