package exchange

import (
	"context"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"fmt"
	"sync"
	"time"
)

// Notes keep a value under a name over restarts of the program. The store's
// settings are notes.
type Notes interface {
	// InitValue sets the value of a name that has none and returns what it has
	// then.
	InitValue(ctx context.Context, name string, value []byte) ([]byte, error)
	// PutValue sets the value of a name.
	PutValue(ctx context.Context, name string, value []byte) error
}

// holds remember that the server refused the password. Without them a program
// that is started again and again would try it each time, until the directory
// locks the account.
type holds struct {
	mu    sync.Mutex
	notes Notes
	until [2]time.Time // as noted for each account; zero: nothing is noted
}

const (
	holdTime = 5 * time.Second // for writing a note
)

// holdName is the name of an account's note.
func holdName(account int) string {
	if account == 0 {
		return "exchange.hold"
	}
	return "exchange.hold.standby"
}

// hold is the note. The password is recognised by 16 bits of a slow hash under
// a salt of the note's own: enough to tell a new password from the refused one,
// and too little to find the password by trying.
type hold struct {
	Salt  []byte    `json:"salt"`
	Hash  []byte    `json:"hash"`
	Until time.Time `json:"until"`
}

const (
	holdRounds = 100_000
	holdBytes  = 2
)

func holdHash(secret string, salt []byte) ([]byte, error) {
	return pbkdf2.Key(sha256.New, secret, salt, holdRounds, holdBytes)
}

// Remember has a refused password noted, and takes up what an earlier run of the
// program noted: the same password is not tried before the hold is over. Call it
// before anything is asked.
func (x *Exchange) Remember(ctx context.Context, notes Notes) error {
	x.holds.mu.Lock()
	defer x.holds.mu.Unlock()
	x.holds.notes = notes
	if x.finder != nil {
		if _, err := x.finder.exchangeHosts(ctx, notes); err != nil {
			return err
		}
	}
	for i, l := range x.opt.logins() {
		if err := x.remember(ctx, i, l); err != nil {
			return err
		}
	}
	return nil
}

// remember takes up what is noted of one account.
func (x *Exchange) remember(ctx context.Context, i int, l Login) error {
	text, err := x.holds.notes.InitValue(ctx, holdName(i), []byte{})
	if err != nil {
		return fmt.Errorf("read whether the Exchange password was refused: %w", err)
	}
	var h hold
	if len(text) == 0 || json.Unmarshal(text, &h) != nil {
		return nil
	}
	now := time.Now()
	x.holds.until[i] = h.Until
	if latest := now.Add(x.opt.AuthHold); h.Until.After(latest) {
		h.Until = latest // the clock was set back
	}
	if !h.Until.After(now) {
		return nil
	}
	x.mu.Lock()
	hash, err := holdHash(x.fingerprint(l), h.Salt)
	x.mu.Unlock()
	if err != nil {
		return fmt.Errorf("compare the Exchange password with the refused one: %w", err)
	}
	if subtle.ConstantTimeCompare(hash, h.Hash) == 1 {
		x.accounts[i].Hold(h.Until)
		x.log.Warn("the Exchange password was refused before this start and is not tried again for now; new content of its file is", "until", h.Until)
	}
	return nil
}

// refused notes which accounts' passwords the server has refused, and returns
// until when the one in use, or the proxy's, is not used.
func (x *Exchange) refused() time.Time {
	x.holds.mu.Lock()
	defer x.holds.mu.Unlock()
	for i, l := range x.opt.logins() {
		until := x.accounts[i].HeldUntil()
		if until.IsZero() || x.holds.notes == nil || until.Equal(x.holds.until[i]) {
			continue
		}
		x.mu.Lock()
		secret := x.fingerprint(l)
		x.mu.Unlock()
		h := hold{Salt: make([]byte, 16), Until: until}
		rand.Read(h.Salt) // never fails
		var err error
		if h.Hash, err = holdHash(secret, h.Salt); err == nil {
			err = x.note(i, h)
		}
		if err != nil {
			x.log.Error("it cannot be noted that the Exchange password was refused; do not restart before the password is right", "error", err)
			continue
		}
		x.holds.until[i] = until
	}
	return x.ews().HeldUntil()
}

// accepted forgets a refusal: the server takes the password.
func (x *Exchange) accepted() {
	x.holds.mu.Lock()
	defer x.holds.mu.Unlock()
	x.mu.Lock()
	i := x.active
	x.mu.Unlock()
	if x.holds.notes == nil || x.holds.until[i].IsZero() || !x.accounts[i].HeldUntil().IsZero() {
		return // nothing is noted, or the refusal is newer than this answer
	}
	if err := x.note(i, hold{}); err != nil {
		x.log.Warn("it cannot be noted that the Exchange password is right again", "error", err)
		return
	}
	x.holds.until[i] = time.Time{}
}

// note writes the note; the zero value takes it away.
func (x *Exchange) note(account int, h hold) error {
	var text []byte
	if !h.Until.IsZero() {
		var err error
		if text, err = json.Marshal(h); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), holdTime)
	defer cancel()
	return x.holds.notes.PutValue(ctx, holdName(account), text)
}
