package ews

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/koyomi-cal/koyomi/ews/internal/wire"
)

// call is one request on its way.
type call struct {
	op      string
	mailbox string
	payload *payload
	request *request // whose memory the payload has; nil: nobody's
	safe    bool     // reads only: may be sent again on a fresh connection
	stream  bool
	route   *route
	ticket  *ticket
	id      string      // client-request-id
	sent    atomic.Bool // the server may have seen it
	decoder *decoder    // of the only answer; nil: each is decoded by its own
}

// answer is what came back: an envelope without a fault.
type answer struct {
	op      string
	id      string
	status  int
	env     *wire.Element
	body    *wire.Element // the response element in it
	buf     *bytes.Buffer // the memory of both; nil: theirs alone
	decoder *decoder      // and of the items in them
	ticket  *ticket
}

// exchange sends a request and reads its answer whole.
func (c *Client) exchange(ctx context.Context, call *call) (answer, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, c.opts.Timeout, errTimeout)
	defer cancel()
	resp, err := c.send(ctx, call)
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close()
	buf, err := c.read(resp)
	c.trace.response(call, resp, buf.Bytes())
	if err != nil {
		return answer{}, call.readError(ctx, resp, err)
	}
	call.decoder = c.decoders.take()
	a, err := call.interpret(resp, buf.Bytes())
	a.buf, a.decoder = buf, call.decoder
	return a, err
}

// done takes an answer back when everything that its caller wants has been
// copied out of it.
func (c *Client) done(a answer) {
	if a.decoder != nil {
		a.decoder.reset()
		c.decoders.put(a.decoder)
	}
	if a.buf != nil && a.buf.Cap() <= keptBuffer {
		a.buf.Reset()
		c.buffers.put(a.buf)
	}
}

// send sends a request and returns the response, which may hold an envelope.
func (c *Client) send(ctx context.Context, call *call) (*http.Response, error) {
	call.id = newGUID()
	req, err := c.request(ctx, call)
	if err != nil {
		return nil, call.fail(CodeInvalid, "the request cannot be made", err)
	}
	c.trace.request(call)
	resp, failure := c.session.do(ctx, call.op, req, call.payload, call.stream)
	if failure != nil {
		return nil, failure
	}
	c.clock.note(resp)
	call.route.learn(resp)
	call.ticket.heard(resp.Header)
	if answersEWS(resp) {
		return resp, nil
	}
	defer resp.Body.Close()
	buf, err := c.read(resp)
	data := buf.Bytes()
	c.trace.response(call, resp, data)
	if err != nil {
		data = nil
	}
	return nil, call.statusError(resp, data)
}

// request makes the HTTP request, without its body.
func (c *Client) request(ctx context.Context, call *call) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url, nil)
	if err != nil {
		return nil, err
	}
	h := req.Header
	h.Set("Content-Type", "text/xml; charset=utf-8")
	h.Set("Accept", "text/xml")
	h.Set("User-Agent", c.opts.UserAgent)
	h.Set("client-request-id", call.id)
	h.Set("return-client-request-id", "true")
	if !call.stream && !c.opts.Uncompressed { // a compressor would hold events back
		h.Set("Accept-Encoding", "gzip")
	}
	if call.mailbox != "" {
		h.Set("X-AnchorMailbox", call.mailbox)
	}
	call.route.apply(h)
	if call.safe {
		h["Idempotency-Key"] = []string{} // not sent: lets net/http repeat it where an idle connection was closed
	}
	return req, nil
}

// read reads a response's body, unpacked and bounded.
func (c *Client) read(resp *http.Response) (*bytes.Buffer, error) {
	buf := c.buffers.take()
	body := io.Reader(resp.Body)
	if packed(resp) {
		z := c.unpackers.take()
		if err := z.Reset(resp.Body); err != nil {
			return buf, err
		}
		defer c.unpackers.put(z)
		body = z
	}
	_, err := buf.ReadFrom(io.LimitReader(body, c.opts.MaxResponse+1))
	if int64(buf.Len()) > c.opts.MaxResponse {
		return buf, wire.ErrTooLarge
	}
	return buf, err
}

// forget takes back the memory of a request whose call is over. Where something
// still reads it, it is left alone.
func (c *Client) forget(call *call) {
	r := call.request
	if call.request = nil; r == nil || !call.payload.end() {
		return
	}
	if cap(call.payload.data) <= keptRequest {
		r.Reset()
		c.requests.put(r)
	}
}

// keptRequest is the largest memory of a request that is kept for the next one.
const keptRequest = 128 << 10

// keptBuffer is the largest buffer that is kept for the next answer.
const keptBuffer = 1 << 20

func packed(resp *http.Response) bool {
	return strings.EqualFold(resp.Header.Get("Content-Encoding"), "gzip")
}

// unpacked returns the response's body without its compression.
func unpacked(resp *http.Response) (io.Reader, error) {
	if packed(resp) {
		return gzip.NewReader(resp.Body)
	}
	return resp.Body, nil
}

// fail makes an error of this call.
func (c *call) fail(code, message string, cause error) *Error {
	return &Error{Op: c.op, Code: code, Message: message, RequestID: c.id, Cause: cause}
}

// errTimeout and errSilent are the causes of a context that this package ends.
var (
	errTimeout = errors.New("no answer in time")
	errSilent  = errors.New("the stream has been silent for too long")
)

func canceled(ctx context.Context, op string) *Error {
	return &Error{Op: op, Code: CodeCanceled, Message: "the call was ended by its caller", Cause: context.Cause(ctx)}
}

// transportError explains why there is no response.
func (c *call) transportError(ctx context.Context, err error) *Error {
	e := c.explain(ctx, err)
	e.Unclear = c.sent.Load()
	return e
}

func (c *call) explain(ctx context.Context, err error) *Error {
	if known, is := errors.AsType[*Error](err); is { // of a proxy
		e := known.in(c.op)
		e.RequestID = c.id
		return e
	}
	if ctx.Err() != nil {
		switch cause := context.Cause(ctx); {
		case errors.Is(cause, errTimeout):
			return c.fail(CodeTimeout, "the server did not answer in time; check that it is up and reachable", cause)
		case errors.Is(cause, errSilent):
			return c.fail(CodeTimeout, "the event stream was silent for too long; check that no proxy or load balancer buffers it, then open it again", cause)
		}
		return canceled(ctx, c.op)
	}
	var (
		dns      *net.DNSError
		verify   *tls.CertificateVerificationError
		record   tls.RecordHeaderError
		alert    tls.AlertError
		timeout  net.Error
		authErr  x509.UnknownAuthorityError
		hostErr  x509.HostnameError
		validErr x509.CertificateInvalidError
	)
	switch {
	case errors.As(err, &hostErr):
		return c.fail(CodeCertificate, "the server's certificate is for another host name; use the name that it was made for", err)
	case errors.As(err, &validErr) && validErr.Reason == x509.Expired:
		return c.fail(CodeCertificate, "the server's certificate has expired or is not valid yet; renew it, and check the clocks", err)
	case errors.As(err, &authErr), errors.As(err, &verify):
		return c.fail(CodeCertificate, "the server's certificate is not trusted; name the CA that made it in a CA file", err)
	case errors.As(err, &record), strings.Contains(err.Error(), "server gave HTTP response to HTTPS client"):
		return c.fail(CodeTLS, "the server does not speak TLS on this port; check the URL's port", err)
	case errors.As(err, &alert):
		return c.fail(CodeTLS, "the TLS handshake failed; the server must offer TLS 1.2 or newer", err)
	case errors.As(err, &dns):
		return c.fail(CodeDNS, "the server's host name is not known to DNS; check the URL", err)
	case errors.Is(err, syscall.ECONNREFUSED):
		return c.fail(CodeRefused, "the server refuses the connection; check that it is up and the URL's port", err)
	case errors.As(err, &timeout) && timeout.Timeout():
		return c.fail(CodeTimeout, "the server cannot be reached in time; check that it is up and no firewall is in between", err)
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return c.fail(CodeTransport, "the server closed the connection without an answer", err)
	}
	return c.fail(CodeTransport, "the connection to the server failed", err)
}

// readError explains why a response could not be read to its end.
func (c *call) readError(ctx context.Context, resp *http.Response, err error) *Error {
	var e *Error
	switch {
	case errors.Is(err, wire.ErrTooLarge):
		e = c.fail(CodeTooLarge, "the answer is larger than allowed; ask for fewer items at once", err)
	case ctx.Err() == nil:
		e = c.fail(CodeTruncated, "the answer ended in the middle", err)
	default:
		e = c.explain(ctx, err)
	}
	e.HTTPStatus, e.Unclear = resp.StatusCode, true
	return e
}

// refusal explains a 401 or 456.
func (c *call) refusal(resp *http.Response, scheme Scheme) *Error {
	text, _ := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	e := c.fail(CodeAuthFailed, "the server refuses the account's name or password; enter the right one", nil)
	challenges := strings.ToLower(strings.Join(resp.Header.Values("WWW-Authenticate"), ","))
	switch {
	case resp.StatusCode == 456, bytes.Contains(text, []byte("locked out")):
		e.Code, e.Message = CodeAccountLocked, "the account is locked; unlock it in the directory, then try again"
	case scheme == NTLM:
	case scheme == Negotiate:
		e.Message = "the server refuses the Kerberos ticket; check that the SPN HTTP/ with its name belongs to its account (setspn -Q), and the clocks"
	case scheme == OAuth:
		e.Message = "the server refuses the token"
		if text := diagnostics(resp.Header.Get("X-Ms-Diagnostics")); text != "" {
			e.Message = text
		}
	case challenges != "" && !strings.Contains(challenges, "basic"):
		e.Message = "the server does not offer Basic authentication; switch it on for the EWS virtual directory"
	}
	e.HTTPStatus = resp.StatusCode
	return e
}

// interpret reads the envelope in a response.
func (c *call) interpret(resp *http.Response, data []byte) (answer, error) {
	d := c.decoder
	if d == nil {
		d = new(decoder)
	}
	env, err := d.envelope(data)
	if err != nil || env.Name != "Envelope" {
		return answer{}, c.notEnvelope(resp, data, err)
	}
	a := answer{op: c.op, id: c.id, status: resp.StatusCode, env: env, body: env.Body(), ticket: c.ticket}
	if f := wire.ParseFault(env); f != nil {
		return answer{}, a.fault(f)
	}
	if a.body == nil {
		return answer{}, a.fail(CodeMalformed, "the answer is empty", nil)
	}
	return a, nil
}

// notEnvelope explains an answer that is no envelope.
func (c *call) notEnvelope(resp *http.Response, data []byte, err error) *Error {
	e := c.statusError(resp, data)
	if resp.StatusCode == http.StatusOK && e.Code == CodeNotEWS && looksLikeXML(data) {
		e.Code, e.Message = CodeMalformed, "the answer is not the XML that it should be"
		if errors.Is(err, wire.ErrTruncated) {
			e.Code, e.Message = CodeTruncated, "the answer ended in the middle"
		}
		if errors.Is(err, wire.ErrTooLarge) {
			e.Code, e.Message = CodeTooLarge, "the answer is larger than allowed; ask for fewer items at once"
		}
		e.Unclear = true
	}
	e.Cause = err
	return e
}

func looksLikeXML(data []byte) bool {
	head := bytes.ToLower(bytes.TrimSpace(data[:min(len(data), 512)]))
	head = bytes.TrimPrefix(head, []byte("\uFEFF"))
	return len(head) == 0 || bytes.HasPrefix(head, []byte("<")) && !bytes.Contains(head, []byte("<html")) && !bytes.Contains(head, []byte("<!doctype"))
}

// statusError explains a response that is not from Exchange Web Services.
func (c *call) statusError(resp *http.Response, data []byte) *Error {
	e := c.fail("", "", nil)
	e.HTTPStatus = resp.StatusCode
	switch s := resp.StatusCode; {
	case s == http.StatusFound && strings.Contains(strings.ToLower(resp.Header.Get("Location")), "genericerrorpage"),
		s == http.StatusOK && bytes.Contains(data, []byte("Server Error in")):
		e.Code, e.Message = CodeUnavailable, "the server has an internal problem; try again later"
	case s >= 300 && s < 400:
		e.Code, e.Message = CodeRedirected, "the server redirects to another address, which is not followed; give the final address of Exchange Web Services as URL"
	case s == http.StatusForbidden:
		e.Code, e.Message = CodeForbidden, "the server does not let this program in; check EwsApplicationAccessPolicy, IP restrictions and, for Exchange Online, EWSEnabled"
	case s == http.StatusNotFound, s == http.StatusMethodNotAllowed, s == http.StatusGone:
		e.Code, e.Message = CodeNotFound, "there is no Exchange Web Services at this path; on Exchange it is /EWS/Exchange.asmx"
	case s == http.StatusMisdirectedRequest, s == http.StatusTooManyRequests, s >= 500:
		e.Code, e.Message = CodeUnavailable, "the server is not available at the moment; try again later"
		e.BackOff = retryAfter(resp.Header.Get("Retry-After"))
		if bytes.Contains(data, []byte("server version is invalid")) {
			e.Code, e.Message = "ErrorInvalidServerVersion", sentence("ErrorInvalidServerVersion")
		}
	case s >= 400 && s != 440:
		e.Code, e.Message = "Client", fmt.Sprintf("the server finds the request wrong (HTTP status %d); check the URL", s)
	default:
		e.Code, e.Message = CodeNotEWS, "the answer is a web page, not Exchange Web Services; check the URL, and that no log-in page of a proxy is in front of it"
	}
	return e
}

// retryAfter parses seconds or a date.
func retryAfter(s string) time.Duration {
	if n, err := strconv.Atoi(s); err == nil && n > 0 {
		return time.Duration(min(n, 86400)) * time.Second
	}
	if t, err := http.ParseTime(s); err == nil {
		return max(0, min(time.Until(t), 24*time.Hour))
	}
	return 0
}

// newGUID returns a random GUID ([RFC 9562] version 4).
func newGUID() string {
	var b [16]byte
	rand.Read(b[:]) // never fails
	b[6] = b[6]&0x0F | 0x40
	b[8] = b[8]&0x3F | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// tracer writes requests and answers in clear.
type tracer struct {
	mu sync.Mutex
	w  io.Writer
}

func (t *tracer) request(c *call) {
	t.write("> %s %s\n%s\n", c.op, c.id, c.payload.data)
}

func (t *tracer) response(c *call, resp *http.Response, data []byte) {
	t.write("< %s %s %d\n%s\n", c.op, c.id, resp.StatusCode, data)
}

func (t *tracer) write(format string, args ...any) {
	if t.w == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	fmt.Fprintf(t.w, format, args...)
}
