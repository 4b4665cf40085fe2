package meet

import (
	"bytes"
	"context"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"time"
)

// fault is what goes wrong with one request.
type fault string

const (
	lostRequest fault = "lost request" // it never reached the service
	lostAnswer  fault = "lost answer"  // the service did it; the answer never came
	brokenOff   fault = "broken off"   // half of the answer came
	garbage     fault = "garbage"      // the service did it and answers nonsense
	huge        fault = "huge"         // the service did it and answers without end
	slow        fault = "slow"         // the service did it and answers too late
	tooMany     fault = "429"          // refused: once more in 90 s
	down        fault = "500"          // refused, and nobody knows how far it came
	denied      fault = "401"          // the token is not accepted
	forbidden   fault = "403"
	elsewhere   fault = "302"
)

// wire carries requests to a handler without a network, so that a test's time
// may be fake, and lets faults happen on the way.
type wire struct {
	service http.Handler

	mu     sync.Mutex
	faults map[string][]fault // what happens to the next requests, by "METHOD /path"; "" for any
	seen   []string           // "METHOD /path" of every request
	bodies []string
	urls   []string
	at     []time.Time
}

// next has faults happen to the next requests whose method and path begin so.
func (w *wire) next(prefix string, f ...fault) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.faults == nil {
		w.faults = map[string][]fault{}
	}
	w.faults[prefix] = append(w.faults[prefix], f...)
}

func (w *wire) take(request string) fault {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.seen, w.at = append(w.seen, request), append(w.at, time.Now())
	for _, prefix := range slices.Sorted(maps.Keys(w.faults)) {
		if list := w.faults[prefix]; len(list) > 0 && strings.HasPrefix(request, prefix) {
			w.faults[prefix] = list[1:]
			return list[0]
		}
	}
	return ""
}

// count returns how many requests began so.
func (w *wire) count(prefix string) (n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, s := range w.seen {
		if strings.HasPrefix(s, prefix) {
			n++
		}
	}
	return n
}

// RoundTrip is that of http.RoundTripper.
func (w *wire) RoundTrip(r *http.Request) (*http.Response, error) {
	var body []byte
	if r.Body != nil {
		var err error
		if body, err = io.ReadAll(r.Body); err != nil {
			return nil, err
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
	}
	f := w.take(r.Method + " " + r.URL.Path)
	w.mu.Lock()
	w.bodies, w.urls = append(w.bodies, string(body)), append(w.urls, r.URL.String())
	w.mu.Unlock()
	answer := func(code int, header, value string) (*http.Response, error) {
		rec := httptest.NewRecorder()
		if header != "" {
			rec.Header().Set(header, value)
		}
		rec.WriteHeader(code)
		return rec.Result(), nil
	}
	switch f {
	case lostRequest:
		return nil, errors.New("connection reset")
	case tooMany:
		return answer(http.StatusTooManyRequests, "Retry-After", "90")
	case down:
		return answer(http.StatusBadGateway, "", "")
	case denied:
		return answer(http.StatusUnauthorized, "", "")
	case forbidden:
		return answer(http.StatusForbidden, "", "")
	case elsewhere:
		return answer(http.StatusFound, "Location", "https://evil.example/")
	}
	rec := httptest.NewRecorder()
	w.service.ServeHTTP(rec, r)
	switch f {
	case lostAnswer:
		return nil, errors.New("connection reset")
	case garbage:
		return &http.Response{StatusCode: 200, Header: http.Header{}, Body: io.NopCloser(strings.NewReader("<html>\x00{]"))}, nil
	case huge:
		return &http.Response{StatusCode: 200, Header: http.Header{}, Body: io.NopCloser(endless{})}, nil
	case brokenOff:
		return &http.Response{StatusCode: 200, Header: http.Header{}, Body: io.NopCloser(io.MultiReader(strings.NewReader(`{"id":"`), failing{}))}, nil
	case slow:
		if err := wait(r.Context(), time.Hour); err != nil {
			return nil, err
		}
	}
	return rec.Result(), nil
}

func wait(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

type endless struct{}

func (endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = ' '
	}
	return len(p), nil
}

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

// ledger is one in memory; full makes it fail.
type ledger struct {
	mu      sync.Mutex
	entries map[string]Entry
	calls   map[string][]byte
	full    error
}

func newLedger() *ledger { return &ledger{entries: map[string]Entry{}, calls: map[string][]byte{}} }

func (l *ledger) Entry(_ context.Context, tag string) (Entry, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.entries[tag], l.full
}

func (l *ledger) PutEntry(_ context.Context, tag string, e Entry) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.full == nil {
		l.entries[tag] = e
	}
	return l.full
}

func (l *ledger) Calls(_ context.Context, service string) ([]byte, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.calls[service], l.full
}

func (l *ledger) PutCalls(_ context.Context, service string, counts []byte) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.full == nil {
		l.calls[service] = counts
	}
	return l.full
}
