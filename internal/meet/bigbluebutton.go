package meet

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base32"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/koyomi-cal/koyomi/internal/calendar"
)

// BigBlueButtonConfig says where the [Door] to a BigBlueButton server is.
type BigBlueButtonConfig struct {
	URL    string // of the door, e.g. "https://join.example.com"
	Key    Secret // which the door has too: it opens to no address that was not made with it
	Secret Secret // at least 16 random bytes, from which names of rooms are derived
}

// Prefix returns what all links begin with, so that detection knows them again.
func (c BigBlueButtonConfig) Prefix() string { return strings.TrimRight(c.URL, "/") + "/b/" }

// BigBlueButton makes addresses for meetings at a BigBlueButton server. A
// meeting there has to be created shortly before somebody joins, with the
// server's secret; an invitation is written weeks before. So the address is
// that of a [Door], which creates the meeting when somebody comes. It is made
// without asking anybody: 128 bits derived as [Jitsi] does, and a seal by which
// the door knows that the address was made here.
type BigBlueButton struct {
	name   string
	prefix string
	rooms  *Jitsi // derives names
	key    Secret
}

// NewBigBlueButton checks the configuration.
func NewBigBlueButton(name string, c BigBlueButtonConfig) (*BigBlueButton, error) {
	u, err := url.Parse(c.URL)
	if err != nil || !secure(u) || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return nil, fmt.Errorf("meeting service %s: the address of the door to BigBlueButton has to be of the form https://join.example.com", name)
	}
	if len(c.Secret) < minSecret || len(c.Key) < minSecret {
		return nil, fmt.Errorf("meeting service %s: the key of the door to BigBlueButton has to have at least %d random bytes", name, minSecret)
	}
	return &BigBlueButton{name: name, prefix: c.Prefix(), rooms: &Jitsi{name: name, secret: c.Secret}, key: c.Key}, nil
}

// Name is the service's name as people know it.
func (b *BigBlueButton) Name() string { return b.name }

// Format prints the name only, whatever the verb: within are secrets.
func (b *BigBlueButton) Format(f fmt.State, _ rune) { fmt.Fprint(f, b.name) }

// Join returns the address of a meeting, of a pair or of the mailbox.
func (b *BigBlueButton) Join(ctx context.Context, r Request) (calendar.JoinDetails, error) {
	d, err := b.rooms.Join(ctx, r)
	if err != nil {
		return d, err
	}
	d.Kind, d.URL = "bigbluebutton", b.prefix+sealRoom(b.key, strings.TrimPrefix(d.URL, "/"))
	return d, nil
}

// Enter returns the address with the organiser's own pass to the door, good
// until an hour after the meeting.
func (b *BigBlueButton) Enter(e Entrance) (string, error) {
	room, ours := strings.CutPrefix(e.URL, b.prefix)
	if _, valid := openRoom(b.key, room); !ours || !valid {
		return "", notModerated(b.name)
	}
	_, to := tokenLife(time.Now(), e.Until)
	return e.URL + "?m=" + moderatorPass(b.key, room, to), nil
}

var roomText = base32.StdEncoding.WithPadding(base32.NoPadding)

const (
	roomBytes = 16 // of a room's name
	sealBytes = 10 // of its seal
)

// keyed is HMAC-SHA-256 over a use and parts, each with its length.
func keyed(key Secret, use string, parts ...[]byte) []byte {
	mac := hmac.New(sha256.New, key)
	for _, p := range append([][]byte{[]byte("koyomi door 1 " + use)}, parts...) {
		mac.Write(binary.BigEndian.AppendUint64(nil, uint64(len(p))))
		mac.Write(p)
	}
	return mac.Sum(nil)
}

// sealRoom writes a room's name together with its seal.
func sealRoom(key Secret, room string) string {
	name, err := roomText.DecodeString(strings.ToUpper(room))
	if err != nil {
		return ""
	}
	return strings.ToLower(roomText.EncodeToString(append(name, keyed(key, "room", name)[:sealBytes]...)))
}

// openRoom returns the name of a sealed room; false for one not made with the key.
func openRoom(key Secret, sealed string) (room string, ok bool) {
	if sealed != strings.ToLower(sealed) {
		return "", false // one spelling only: a rate limit counts by it
	}
	all, err := roomText.DecodeString(strings.ToUpper(sealed))
	if err != nil || len(all) != roomBytes+sealBytes || strings.ToLower(roomText.EncodeToString(all)) != sealed {
		return "", false
	}
	name, seal := all[:roomBytes], all[roomBytes:]
	return strings.ToLower(roomText.EncodeToString(name)), hmac.Equal(seal, keyed(key, "room", name)[:sealBytes])
}

// moderatorPass lets who has it in as moderator of one room until a time.
func moderatorPass(key Secret, sealed string, until time.Time) string {
	at := binary.BigEndian.AppendUint64(nil, uint64(until.Unix()))
	return base64.RawURLEncoding.EncodeToString(append(at, keyed(key, "moderator", []byte(sealed), at)[:roomBytes]...))
}

// isModerator checks a pass.
func isModerator(key Secret, sealed, pass string, now time.Time) bool {
	raw, err := base64.RawURLEncoding.DecodeString(pass)
	if err != nil || len(raw) != 8+roomBytes {
		return false
	}
	at := raw[:8]
	return hmac.Equal(raw[8:], keyed(key, "moderator", []byte(sealed), at)[:roomBytes]) && uint64(now.Unix()) < binary.BigEndian.Uint64(at)
}
