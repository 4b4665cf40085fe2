package meet

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// maxReply bounds an answer of a service.
const maxReply = 4 << 20

// caller sends requests to one service. It follows no redirect, reads no more
// than is sensible, and after "too many requests" sends none until the service
// allows it.
type caller struct {
	service string
	client  *http.Client

	mu    sync.Mutex
	until time.Time // no request before this
}

// newCaller makes a caller over a transport; nil: the default one.
func newCaller(service string, transport http.RoundTripper) *caller {
	return &caller{service: service, client: &http.Client{
		Transport: transport, Timeout: 30 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// reply is a service's answer of status 200 to 299.
type reply struct {
	header http.Header
	body   []byte
}

// patience is how long to wait after "too many requests" that names no time.
const patience = time.Minute

// send makes one request. changing says that the service does something by it:
// where the answer is lost, the error's State is then Unclear.
func (c *caller) send(ctx context.Context, r *http.Request, changing bool) (reply, error) {
	c.mu.Lock()
	until := c.until
	c.mu.Unlock()
	if time.Now().Before(until) {
		return reply{}, c.fail(Unavailable, until, "asked for patience", nil)
	}
	answer, err := c.client.Do(r.WithContext(ctx))
	if err != nil {
		var op *net.OpError
		if errors.As(err, &op) && op.Op == "dial" {
			changing = false // it was never sent
		}
		return reply{}, c.lost(changing, "does not answer", err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(io.LimitReader(answer.Body, maxReply+1))
	switch {
	case err != nil:
		return reply{}, c.lost(changing, "broke off its answer", err)
	case len(body) > maxReply:
		return reply{}, c.lost(changing, "sent an answer that is too long", nil)
	case answer.StatusCode >= 200 && answer.StatusCode < 300:
		return reply{answer.Header, body}, nil
	}
	return reply{}, c.refused(answer, changing)
}

// refused says what an answer means that is no success.
func (c *caller) refused(a *http.Response, changing bool) error {
	switch code := a.StatusCode; {
	case code == http.StatusTooManyRequests:
		until := retryAfter(a.Header.Get("Retry-After"), time.Now())
		c.mu.Lock()
		if until.After(c.until) {
			c.until = until
		}
		c.mu.Unlock()
		return c.fail(Unavailable, until, "asked for patience", nil)
	case code == http.StatusServiceUnavailable && a.Header.Get("Retry-After") != "":
		return c.fail(Unavailable, retryAfter(a.Header.Get("Retry-After"), time.Now()), "is not available", nil)
	case code == http.StatusNotFound || code == http.StatusGone:
		return c.fail(Missing, time.Time{}, "has no such meeting", nil)
	case code >= 500:
		return c.lost(changing, "failed with status "+strconv.Itoa(code), nil)
	}
	return c.fail(BadRequest, time.Time{}, "refuses the request with status "+strconv.Itoa(a.StatusCode), statusError(a.StatusCode))
}

// statusError is the status of a refusal, for those who act upon it.
type statusError int

// Error names the status.
func (s statusError) Error() string { return "status " + strconv.Itoa(int(s)) }

func (c *caller) lost(changing bool, message string, cause error) error {
	state := Unavailable
	if changing {
		state = Unclear
	}
	return c.fail(state, time.Time{}, message, cause)
}

func (c *caller) fail(state string, retry time.Time, message string, cause error) error {
	return &Error{Service: c.service, State: state, RetryAt: retry, Message: message, Cause: cause}
}

// retryAfter reads when to ask again (RFC 9110, section 10.2.3): seconds or a
// date, at most a day ahead.
func retryAfter(v string, now time.Time) time.Time {
	wait := patience
	if n, err := strconv.ParseInt(strings.TrimSpace(v), 10, 32); err == nil && n >= 0 {
		wait = time.Duration(n) * time.Second
	} else if at, err := http.ParseTime(v); err == nil {
		wait = at.Sub(now)
	}
	return now.Add(min(max(wait, time.Second), 24*time.Hour))
}
