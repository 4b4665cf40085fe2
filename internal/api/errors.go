package api

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"
)

// The codes of errors, for programs.
const (
	CodeBadRequest   = "bad_request"  // 400: out of form
	CodeUnauthorized = "unauthorized" // 401: no such credential
	CodeInvalidCode  = "invalid_code" // 403: no such one-time code, or it is spent, too old, or had its tries
	CodeForbidden    = "forbidden"    // 403: not for this role
	CodeNotFound     = "not_found"    // 404: unknown, or not the caller's
	CodeStale        = "stale"        // 409: older than the stored revision, which is in "rev"
	CodeReset        = "reset"        // 410: the cursor is too old; begin again with 0
	CodeTooLarge     = "too_large"    // 413
	CodeTooMany      = "too_many"     // 429: Retry-After has seconds
	CodeUnavailable  = "unavailable"  // 503: the cloud's store does not answer
	CodeTransport    = "transport"    // client only: no answer that is the cloud's
)

// Error is how a request to the cloud fails: Code for programs, Message for
// people, Cause for the log.
type Error struct {
	Op         string // what was asked: "redeem", "me", "delivery", "put", "delete", "items", "events"
	Code       string
	Message    string // a sentence that says what to do
	Status     int    // HTTP status; 0: no answer
	Rev        int64  // the stored revision, with CodeStale
	RetryAfter time.Duration
	Cause      error
}

// Error returns the operation and the sentence.
func (e *Error) Error() string {
	s := "cloud: " + e.Op + ": " + e.Message
	if e.Cause != nil {
		s += fmt.Sprintf(" (%v)", e.Cause)
	}
	return s
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Cause }

// Temporary reports whether the same request can succeed later without anybody
// doing anything. RetryAfter says when at the earliest, if the cloud said so.
func (e *Error) Temporary() bool {
	return e.Code == CodeTransport || e.Code == CodeTooMany || e.Status >= http.StatusInternalServerError
}

// ErrorBody is the JSON of an error.
type ErrorBody struct {
	Error struct {
		Code    string `json:"code"`
		Message string `json:"message"`
	} `json:"error"`
	Rev int64 `json:"rev,omitempty"`
}

func unreachable(op string, cause error) error {
	return &Error{Op: op, Code: CodeTransport, Message: "the cloud cannot be reached; it is tried again", Cause: cause}
}

func badAnswer(op string, cause error) error {
	return &Error{Op: op, Code: CodeTransport, Message: "the answer is not in the form that was agreed; the cloud may be of another version", Cause: cause}
}

func errorOf(op string, resp *http.Response) error {
	e := &Error{Op: op, Status: resp.StatusCode}
	var b ErrorBody
	raw, err := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	if err != nil || json.Unmarshal(raw, &b) != nil || b.Error.Code == "" {
		e.Code = CodeTransport
		e.Message = fmt.Sprintf("what answered with status %d is not the cloud; look at the configured address and the proxy before it", resp.StatusCode)
		return e
	}
	e.Code, e.Message, e.Rev = b.Error.Code, b.Error.Message, b.Rev
	if n, err := strconv.Atoi(resp.Header.Get("Retry-After")); err == nil && n > 0 {
		e.RetryAfter = time.Duration(n) * time.Second
	}
	return e
}
