package ews

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"sync"
)

// payload is the body of a request, whole in memory: some servers refuse
// chunked ones. It is sent as often as it takes, by whatever connection.
//
// net/http may still be sending it when the answer is there, or the call was
// given up: a server may answer before it has read everything. So the memory is
// written again only when every reader is closed, and a reader that is closed
// reads nothing more, whatever its owner does.
type payload struct {
	mu   sync.Mutex
	data []byte
	open int  // readers
	over bool // nothing is sent any more
}

// errSentEnough is what a reader gets that comes after the end.
var errSentEnough = errors.New("the request is over")

// loose is up to what size a payload is sent from a copy. net/http sends the
// header by itself before a body whose reader it does not know, which for a body
// that fits into its buffer with the header would be one packet more.
const loose = 3 << 10

// reader returns a reader of the whole.
func (p *payload) reader() (io.ReadCloser, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.over:
		return nil, errSentEnough
	case len(p.data) <= loose:
		return io.NopCloser(bytes.NewReader(bytes.Clone(p.data))), nil
	}
	p.open++
	return &payloadReader{p: p}, nil
}

// end lets no more readers be made, and reports whether there are none.
func (p *payload) end() (idle bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.over = true
	return p.open == 0
}

// payloadReader reads a payload from its beginning. It has no WriteTo, which
// would hand the memory on for longer than a call.
type payloadReader struct {
	p      *payload
	read   int
	closed bool
}

// Read copies the next bytes.
func (r *payloadReader) Read(b []byte) (int, error) {
	r.p.mu.Lock()
	defer r.p.mu.Unlock()
	if r.closed {
		return 0, http.ErrBodyReadAfterClose
	}
	n := copy(b, r.p.data[r.read:])
	if r.read += n; n == 0 && len(b) > 0 {
		return 0, io.EOF
	}
	return n, nil
}

// Close ends the reading. It waits for a Read that is under way.
func (r *payloadReader) Close() error {
	r.p.mu.Lock()
	defer r.p.mu.Unlock()
	if !r.closed {
		r.closed = true
		r.p.open--
	}
	return nil
}
