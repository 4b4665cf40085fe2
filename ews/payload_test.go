package ews

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// sendingLater is a transport that answers before it has read the body, and
// reads it when it is told to, as net/http may.
type sendingLater struct {
	read chan struct{}
	wg   sync.WaitGroup
	got  chan []byte
}

func (s *sendingLater) RoundTrip(req *http.Request) (*http.Response, error) {
	s.wg.Go(func() {
		defer req.Body.Close()
		head := make([]byte, 100)
		n, _ := io.ReadFull(req.Body, head)
		<-s.read
		rest, _ := io.ReadAll(req.Body)
		s.got <- append(head[:n], rest...)
	})
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {"text/xml"}}, Body: io.NopCloser(strings.NewReader(""))}, nil
}

// TestPayloadStillRead: a request whose answer came before its body was sent
// keeps its memory, while the next ones are written.
func TestPayloadStillRead(t *testing.T) {
	t.Parallel()
	c := &Client{}
	m := c.As("user@example.com")
	write := func(fill string) *call {
		t.Helper()
		call, err := newCall(m, "GetItem", version2013SP1, func(r *request) {
			writeGetItem(r, Shape{}, []ItemRef{{ItemID: ItemID{ID: strings.Repeat(fill, 9000)}}})
		})
		if err != nil {
			t.Fatal(err)
		}
		return call
	}
	late := &sendingLater{read: make(chan struct{}), got: make(chan []byte, 1)}
	first := write("a")
	want := bytes.Clone(first.payload.data)
	plain, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://127.0.0.1/", nil)
	a := &attempt{req: plain, body: first.payload}
	req := a.request(t.Context())
	resp, _ := late.RoundTrip(req)
	resp.Body.Close()
	c.forget(first)
	for _, fill := range []string{"b", "c", "d"} {
		c.forget(write(fill))
	}
	close(late.read)
	if got := <-late.got; !bytes.Equal(got, want) {
		t.Error("what was still being sent has changed")
	}
	late.wg.Wait()
	if _, err := req.GetBody(); !errors.Is(err, errSentEnough) {
		t.Errorf("a request that is over is sent again: %v", err)
	}
}

// TestPayloadReaders: the memory is free when every reader is closed, however
// often each is, and a closed one reads nothing of what is written next.
func TestPayloadReaders(t *testing.T) {
	t.Parallel()
	p := &payload{data: bytes.Repeat([]byte("x"), loose+1)}
	one, err1 := p.reader()
	two, err2 := p.reader()
	if err1 != nil || err2 != nil {
		t.Fatal(err1, err2)
	}
	if data, err := io.ReadAll(one); err != nil || !bytes.Equal(data, p.data) {
		t.Errorf("%d bytes, %v", len(data), err)
	}
	one.Close()
	one.Close()
	if p.end() {
		t.Error("free while a reader is open")
	}
	two.Close()
	if !p.end() {
		t.Error("not free without readers")
	}
	if n, err := two.Read(make([]byte, 10)); n != 0 || !errors.Is(err, http.ErrBodyReadAfterClose) {
		t.Errorf("a closed reader reads %d bytes, %v", n, err)
	}
	small := &payload{data: []byte("small")}
	r, err := small.reader()
	if err != nil || !small.end() {
		t.Fatal("a copy holds nothing")
	}
	copy(small.data, "SMALL")
	if data, _ := io.ReadAll(r); string(data) != "small" {
		t.Errorf("a copy reads %q", data)
	}
}

// piecemeal is a connection that lets others run while it writes.
type piecemeal struct{ net.Conn }

func (c piecemeal) Write(p []byte) (n int, err error) {
	for err == nil && n < len(p) {
		var k int
		k, err = c.Conn.Write(p[n:min(n+1024, len(p))])
		n += k
		runtime.Gosched()
	}
	return n, err
}

// torn reports whether a request has bytes of another one: each has an id of
// one letter only. One that is cut off harms nobody.
func torn(r io.Reader) bool {
	data, err := io.ReadAll(r)
	_, id, found := bytes.Cut(data, []byte(`ItemId Id="`))
	if err != nil || !found {
		return false
	}
	id, _, found = bytes.Cut(id, []byte(`"`))
	return !found || len(id) == 0 || len(bytes.Trim(id, string(id[:1]))) > 0
}

// TestPayloadOverTheWire has servers answer, refuse and turn away requests
// before they have read them, and callers give up in the middle. The requests
// that follow come whole, and none has a byte of another.
func TestPayloadOverTheWire(t *testing.T) {
	t.Parallel()
	reply := response("GetItem", failed("GetItem", "ErrorItemNotFound"))
	for name, status := range map[string]int{"answers": http.StatusOK, "is busy": http.StatusServiceUnavailable, "refuses": http.StatusUnauthorized, "is silent": 0} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if early := r.Header.Get("X-AnchorMailbox") == "early@example.com"; early && status != 0 {
					http.NewResponseController(w).EnableFullDuplex()
					w.Header().Set("Content-Length", strconv.Itoa(len(reply)))
					soap(w, status, reply)
					http.NewResponseController(w).Flush()
				}
				if torn(r.Body) {
					t.Error("a request came with bytes of another one")
				}
				if r.Header.Get("X-AnchorMailbox") == "late@example.com" {
					soap(w, http.StatusOK, reply)
				} else if status == 0 {
					<-r.Context().Done()
				}
			}))
			defer server.Close()
			c, err := New(Options{
				URL: server.URL, Credentials: Credentials{Username: "svc", Password: NewSecret(rigPassword)},
				DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
					conn, err := new(net.Dialer).DialContext(ctx, network, address)
					return piecemeal{conn}, err
				},
			})
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			for i := range 24 {
				letter := string(rune('a' + i))
				ctx, end := context.WithTimeout(t.Context(), 10*time.Millisecond)
				sendGetItem(ctx, c, "early@example.com", strings.Repeat(letter, 96<<10-i*1024))
				end()
				c.TryNow()
				if err := sendGetItem(t.Context(), c, "late@example.com", strings.Repeat(strings.ToUpper(letter), 96<<10)); err != nil {
					t.Errorf("the request after it: %v", err)
				}
			}
		})
	}
}

// sendGetItem asks for one item without asking the scheduler.
func sendGetItem(ctx context.Context, c *Client, mailbox, id string) error {
	call, err := newCall(c.As(mailbox), "GetItem", version2013SP1, func(r *request) { writeGetItem(r, Shape{}, []ItemRef{ItemID{ID: id}.Ref()}) })
	if err != nil {
		return err
	}
	defer c.forget(call)
	a, err := c.exchange(ctx, call)
	if err == nil {
		c.done(a)
	}
	return err
}

// TestPayloadIsReused: a request that was sent and answered leaves its memory to
// the next.
func TestPayloadIsReused(t *testing.T) {
	t.Parallel()
	g := newRig(t, nil, func(w http.ResponseWriter, _ recorded) {
		soap(w, http.StatusOK, response("GetItem", failed("GetItem", "ErrorItemNotFound")))
	})
	for range 20 {
		id := ItemID{ID: strings.Repeat("x", 5000)}
		if _, err := g.As("user@example.com").GetItem(t.Context(), Shape{}, id.Ref()); err != nil {
			t.Fatal(err)
		}
		if len(g.Client.requests.free) > 0 {
			return
		}
	}
	t.Error("20 requests left no memory to the next one")
}
