package ews

import (
	"context"
	"errors"
	"iter"
	"strconv"
	"strings"
	"time"

	"github.com/koyomi-cal/koyomi/ews/internal/wire"
)

// The values of RequestServerVersion that are sent ([MS-OXWSCDATA] ExchangeVersionType).
// Newer ones bring nothing that the operations here need, and older back ends
// refuse them.
const (
	version2013SP1 = "Exchange2013_SP1"
	version2013    = "Exchange2013"
)

// operation is what makes one operation different from another.
type operation[T any] struct {
	name  string
	safe  bool // reads only
	items int  // of a batch
	write func(*request)
	read  func(answer) (T, error)
}

// do carries an operation out. Where the mailbox's back end does not know the
// version of the request, it is sent once more with the older one, which is
// then kept for this mailbox.
func do[T any](ctx context.Context, m *Mailbox, op operation[T]) (T, error) {
	result, err := once(ctx, m, op, m.version())
	if e, ok := errors.AsType[*Error](err); ok && versionRefused(e.Code) && m.version() == version2013SP1 {
		older, err2 := once(ctx, m, op, version2013)
		if e2, ok := errors.AsType[*Error](err2); !ok || !versionRefused(e2.Code) {
			m.client.versions.Store(strings.ToLower(m.address), version2013)
			return older, err2
		}
	}
	return result, err
}

func once[T any](ctx context.Context, m *Mailbox, op operation[T], version string) (T, error) {
	var none T
	call, err := newCall(m, op.name, version, func(r *request) {
		r.Grow(op.items * roomForID)
		op.write(r)
	})
	if err != nil {
		return none, err
	}
	defer m.client.forget(call)
	call.safe = op.safe
	ticket, held := m.client.scheduler.enter(ctx, m.job(ctx, op.name, op.items))
	if held != nil {
		return none, held
	}
	defer ticket.leave()
	call.ticket = ticket
	a, err := m.client.exchange(ctx, call)
	if err != nil {
		ticket.met(err)
		return none, err
	}
	defer m.client.done(a)
	if e := a.versionRefused(); e != nil {
		return none, e
	}
	result, err := op.read(a)
	ticket.met(err)
	return result, err
}

// version returns the RequestServerVersion for the mailbox.
func (m *Mailbox) version() string {
	if v, ok := m.client.versions.Load(strings.ToLower(m.address)); ok {
		return v.(string)
	}
	return version2013SP1
}

// versionRefused reports whether a code may mean that the request's version is
// too new for the mailbox's back end.
func versionRefused(code string) bool {
	switch code {
	case "ErrorInvalidServerVersion", "ErrorIncorrectSchemaVersion", "ErrorInvalidRequest", "ErrorInvalidSchemaVersionForMailboxVersion":
		return true
	}
	return false
}

// versionRefused returns the refusal where every response message of an answer
// is one. Where only some are, the others were carried out and must not be
// sent again. ErrorInvalidRequest of an item says nothing of the version.
func (a answer) versionRefused() (refusal *Error) {
	for msg := range a.messages() {
		refusal = a.failure(msg)
		if refusal == nil || refusal.Code == "ErrorInvalidRequest" || !versionRefused(refusal.Code) {
			return nil
		}
	}
	return refusal
}

// request is a request's body being written. Its memory is used again.
type request struct {
	wire.Writer
	version string
	err     error // what keeps the request from being made
}

// Reset makes the request empty.
func (r *request) Reset() {
	r.Writer.Reset()
	r.version, r.err = "", nil
}

// refuse notes that the caller asks for what cannot be asked.
func (r *request) refuse(message string) {
	if r.err == nil {
		r.err = invalid("", message)
	}
}

// usualRequest is room enough for most requests, and roomForID is what an item's
// id with its change key takes.
const (
	usualRequest = 8 << 10
	roomForID    = 256
)

// newCall writes the envelope with its headers in the order in which
// Microsoft's own library has them: version, then impersonation.
func newCall(m *Mailbox, op, version string, write func(*request)) (*call, error) {
	r := m.client.requests.take()
	r.version = version
	r.Grow(usualRequest)
	r.Declaration()
	r.Fill(`<s:Envelope xmlns:s="`+wire.NSSoap+`" xmlns:m="`+wire.NSMessages+`" xmlns:t="`+wire.NSTypes+`"><s:Header><t:RequestServerVersion Version="{}"/>`, version)
	if m.address != "" {
		r.Fill(`<t:ExchangeImpersonation><t:ConnectingSID><t:SmtpAddress>{}</t:SmtpAddress></t:ConnectingSID></t:ExchangeImpersonation>`, m.address)
	}
	r.Raw(`</s:Header><s:Body>`)
	write(r)
	r.Raw(`</s:Body></s:Envelope>`)
	if e, ok := errors.AsType[*Error](r.err); ok {
		r.Reset()
		m.client.requests.put(r)
		return nil, e.in(op)
	}
	return &call{op: op, mailbox: m.address, route: m.route, payload: &payload{data: r.Bytes()}, request: r}, nil
}

// messages ranges over the response messages of an answer ([MS-OXWSCDATA]
// ArrayOfResponseMessagesType).
func (a answer) messages() iter.Seq[*wire.Element] {
	return func(yield func(*wire.Element) bool) {
		list := a.body.Child("ResponseMessages")
		if list == nil {
			return
		}
		for _, msg := range list.Children {
			if !yield(msg) {
				return
			}
		}
	}
}

// single returns the only response message of an answer.
func (a answer) single() (*wire.Element, error) {
	for msg := range a.messages() {
		if e := a.failure(msg); e != nil {
			return nil, e
		}
		return msg, nil
	}
	return nil, a.fail(CodeMalformed, "the answer has no response message", nil)
}

// each calls read for each of n response messages in order. An item that the
// answer does not mention failed.
func each[T any](a answer, n int, read func(msg *wire.Element, e *Error) T) []T {
	results := make([]T, 0, n)
	for msg := range a.messages() {
		if len(results) == n {
			break
		}
		results = append(results, read(msg, a.failure(msg)))
	}
	for len(results) < n {
		results = append(results, read(nil, a.fail(CodeMalformed, "the answer leaves this item out", nil)))
	}
	return results
}

// failure returns the error in a response message, or nil. A warning is one
// where it has a code: so is what a stopped batch leaves out.
func (a answer) failure(msg *wire.Element) *Error {
	code := strings.TrimSpace(msg.Value("ResponseCode"))
	class := msg.Attr("ResponseClass")
	if class == "Success" || class != "Error" && (code == "" || code == "NoError") {
		return nil
	}
	if code == "" || code == "NoError" {
		code = "ErrorInternalServerError"
	}
	e := a.fail(code, sentence(code), nil)
	e.Detail = str(msg.Child("MessageText"))
	e.take(wire.MessageValues(msg))
	a.ticket.note(e)
	return e
}

// fault makes an error of a SOAP fault.
func (a answer) fault(f *wire.Fault) *Error {
	code := f.ResponseCode
	if code == "" || code == "NoError" {
		switch code = f.Code; code {
		case "Sender", "":
			code = "Client"
		case "Receiver":
			code = "Server"
		}
	}
	code = strings.Clone(code)
	if !strings.HasPrefix(code, "Error") && strings.Contains(f.String, "server version is invalid") {
		code = "ErrorInvalidServerVersion"
	}
	e := a.fail(code, sentence(code), nil)
	e.Detail = strings.Clone(f.String)
	if e.Detail == "" {
		e.Detail = strings.Clone(f.Message)
	}
	e.take(f.Values)
	return e
}

// take keeps the values of a MessageXml.
func (e *Error) take(values map[string]string) {
	if len(values) == 0 {
		return
	}
	e.Values = make(map[string]string, len(values))
	for k, v := range values {
		e.Values[strings.Clone(k)] = strings.Clone(v)
	}
	if ms, err := strconv.ParseInt(values["BackOffMilliseconds"], 10, 64); err == nil && ms > 0 {
		e.BackOff = time.Duration(min(ms, 86_400_000)) * time.Millisecond
	}
}

func (a answer) fail(code, message string, cause error) *Error {
	return &Error{Op: a.op, Code: strings.Clone(code), Message: message, HTTPStatus: a.status, RequestID: a.id, Cause: cause}
}
