package ews

import (
	"net/http"
	"sync/atomic"
	"time"
)

// clock knows how far the server's clock is from ours.
type clock struct{ ahead atomic.Pointer[time.Duration] }

// note takes in an answer's Date (RFC 9110 6.6.1), which is in whole seconds:
// the server's time was that or up to a second later.
func (c *clock) note(resp *http.Response) {
	if at, err := http.ParseTime(resp.Header.Get("Date")); err == nil {
		ahead := time.Until(at)
		c.ahead.Store(&ahead)
	}
}

// ServerTime returns what the server's clock shows now, by the Date of its
// last answer, to within a second and never later than it is. Before the first
// answer, and with a server that sends no Date, it returns false.
func (c *Client) ServerTime() (time.Time, bool) {
	ahead := c.clock.ahead.Load()
	if ahead == nil {
		return time.Time{}, false
	}
	return time.Now().Add(*ahead).UTC(), true
}
