package api

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"iter"
	"net/http"
	"strconv"
	"time"
)

const (
	// Heartbeat is how often the cloud sends a comment on a quiet stream.
	Heartbeat = 20 * time.Second
	// silence is after how long without a byte a stream counts as broken.
	silence  = 3 * Heartbeat
	maxEvent = 64 << 10 // bytes of one event
)

// Events reads the event stream from an event id on, 0 for the beginning, until
// the context ends or the stream breaks. The last pair is the reason, an
// *Error or the context's; after a Temporary one the caller waits a little and
// goes on from the last event's id. Events of a name that this version does not
// know are left out.
func (c *Client) Events(ctx context.Context, last int64) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		ctx, cancel := context.WithCancelCause(ctx)
		defer cancel(nil)
		watchdog := time.AfterFunc(silence, func() { cancel(errSilent) })
		defer watchdog.Stop()

		body, err := c.openEvents(ctx, last)
		if err != nil {
			yield(Event{}, err)
			return
		}
		defer body.Close()
		r := bufio.NewReader(&watched{body, watchdog})
		for {
			e, err := readEvent(r)
			if err != nil {
				if cause := context.Cause(ctx); cause != nil && !errors.Is(cause, errSilent) {
					yield(Event{}, cause)
				} else {
					yield(Event{}, &Error{Op: "events", Code: CodeTransport, Message: "the event stream ended; it is opened again", Cause: errors.Join(cause, err)})
				}
				return
			}
			if e.Name != EventChange && e.Name != EventDelivery {
				continue
			}
			if !yield(e, nil) {
				return
			}
		}
	}
}

var errSilent = errors.New("no sign of life for a minute")

func (c *Client) openEvents(ctx context.Context, last int64) (io.ReadCloser, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.origin+"/v1/events", nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", "text/event-stream")
	req.Header.Set("Authorization", "Bearer "+c.credential.Reveal())
	if last > 0 {
		req.Header.Set("Last-Event-ID", strconv.FormatInt(last, 10))
	}
	resp, err := c.http.Do(req)
	if err != nil {
		if cause := context.Cause(ctx); cause != nil && !errors.Is(cause, errSilent) {
			return nil, cause
		}
		return nil, unreachable("events", err)
	}
	if resp.StatusCode != http.StatusOK {
		defer resp.Body.Close()
		return nil, errorOf("events", resp)
	}
	return resp.Body, nil
}

// watched resets the watchdog with every byte that comes.
type watched struct {
	r   io.Reader
	dog *time.Timer
}

func (w *watched) Read(p []byte) (int, error) {
	n, err := w.r.Read(p)
	if n > 0 {
		w.dog.Reset(silence)
	}
	return n, err
}

// readEvent reads one event of a stream in the form of the HTML standard,
// section 9.2.6: fields on lines of their own, an empty line at its end,
// comments in between.
func readEvent(r *bufio.Reader) (e Event, err error) {
	var data []byte
	size := 0
	for {
		line, err := r.ReadSlice('\n')
		if err != nil {
			return Event{}, err // also bufio.ErrBufferFull: a line longer than any of ours
		}
		if size += len(line); size > maxEvent {
			return Event{}, errors.New("an event larger than 64 KiB")
		}
		line = bytes.TrimRight(line, "\r\n")
		name, value, _ := bytes.Cut(line, []byte(":"))
		value = bytes.TrimPrefix(value, []byte(" "))
		switch string(name) {
		case "event":
			e.Name = string(value)
		case "data":
			data = append(append(data, value...), '\n')
		case "id":
			if e.ID, err = strconv.ParseInt(string(value), 10, 64); err != nil {
				return Event{}, errors.New("an event id that is no number")
			}
		}
		if len(line) > 0 {
			continue
		}
		if data == nil { // only comments so far
			e, size = Event{}, 0
			continue
		}
		if err := json.Unmarshal(data, &e); err != nil {
			return Event{}, errors.New("an event that is not JSON")
		}
		return e, nil
	}
}
