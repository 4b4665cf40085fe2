package meet

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
)

// refresher turns a refresh token into access tokens (RFC 6749, section 6).
type refresher struct {
	api    *caller
	url    string
	id     string
	secret Secret

	mu      sync.Mutex
	refresh Secret
	access  Secret
	expires time.Time
}

// early is how long before its end a token is not used any more.
const early = 5 * time.Minute

// token returns an access token that is good for a while.
func (f *refresher) token(ctx context.Context) (Secret, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.access) > 0 && time.Now().Add(early).Before(f.expires) {
		return f.access, nil
	}
	form := url.Values{
		"grant_type": {"refresh_token"}, "client_id": {f.id}, "client_secret": {string(f.secret)}, "refresh_token": {string(f.refresh)},
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, f.url, strings.NewReader(form.Encode()))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Accept", "application/json")
	answer, err := f.api.send(ctx, r, false)
	switch s := stateOf(err); {
	case s == BadRequest || s == Missing:
		return nil, f.api.fail(Unavailable, time.Now().Add(10*time.Minute),
			"gives no token for the app: check the client id, and renew the client secret and the refresh token in their files", err)
	case err != nil:
		return nil, err
	}
	access, refresh, life, err := readTokens(answer.body)
	if err != nil {
		return nil, f.api.fail(Unavailable, time.Time{}, "sent a token that cannot be read", err)
	}
	f.access, f.expires = access, time.Now().Add(life)
	if len(refresh) > 0 {
		f.refresh = refresh
	}
	return f.access, nil
}

// readTokens reads an answer of a token endpoint (RFC 6749, section 5.1).
func readTokens(body []byte) (access, refresh Secret, life time.Duration, err error) {
	var t struct {
		Access  string  `json:"access_token"`
		Refresh string  `json:"refresh_token"`
		Expires float64 `json:"expires_in"`
	}
	if json.Unmarshal(body, &t) != nil || !tokenText(t.Access) || t.Refresh != "" && !tokenText(t.Refresh) {
		return nil, nil, 0, errors.New("an answer without a usable access_token") // the parser's error may quote a token
	}
	life = time.Duration(min(max(t.Expires, 0), 90*24*3600)) * time.Second
	if life == 0 {
		life = 2 * early
	}
	return Secret(t.Access), Secret(t.Refresh), life, nil
}

// tokenText reports whether a text can stand in a header.
func tokenText(s string) bool {
	return s != "" && len(s) <= 8192 && !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' })
}

// forget throws an access token away that is not accepted.
func (f *refresher) forget(token Secret) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if string(f.access) == string(token) {
		f.access = nil
	}
}

// refusedWith reports whether a service refused with a status.
func refusedWith(err error, status int) bool {
	s, is := errors.AsType[statusError](err)
	return is && int(s) == status
}
