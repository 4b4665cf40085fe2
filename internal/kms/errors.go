package kms

import (
	"fmt"
	"net/http"
	"time"
)

// The codes of errors, for programs.
const (
	CodeBadRequest   = "bad_request"     // 400: out of form
	CodeUnauthorized = "unauthorized"    // 401: no instance of this server signed this
	CodeReplay       = "replay"          // 401: the same request was here before
	CodeForbidden    = "forbidden"       // 403: not for this role
	CodeInvalidCode  = "invalid_code"    // 403: no such one-time code, or it is spent, too old, or had its tries
	CodeTaken        = "other_connector" // 403: the owner's calendar belongs to another connector
	CodeNotFound     = "not_found"       // 404: no such operation
	CodeTooLarge     = "too_large"       // 413
	CodeClock        = "clock"           // 425: the caller's clock is wrong; "now" has the server's
	CodeTooMany      = "too_many"        // 429: Retry-After has seconds
	CodeUnavailable  = "unavailable"     // 503: the server's store does not answer
	CodeTransport    = "transport"       // client only: no answer that is the server's
)

// Error is how an operation of the key server fails, for both sides: Code for
// programs, Message for people, Cause for the log.
type Error struct {
	Op         string // the operation, e.g. "getKeys"
	Code       string
	Message    string // a sentence that says what to do
	Status     int    // HTTP status; 0: no answer
	RetryAfter time.Duration
	Cause      error

	now int64 // server's time, with CodeClock
}

// Error returns the operation and the sentence.
func (e *Error) Error() string {
	s := "key server"
	if e.Op != "" {
		s += ": " + e.Op
	}
	s += ": " + e.Message
	if e.Cause != nil {
		s += fmt.Sprintf(" (%v)", e.Cause)
	}
	return s
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Cause }

// Temporary reports whether the same request can succeed later without anybody
// doing anything.
func (e *Error) Temporary() bool {
	return e.Code == CodeTransport || e.Code == CodeTooMany || e.Status >= http.StatusInternalServerError
}

func refuse(status int, code, message string) *Error {
	return &Error{Status: status, Code: code, Message: message}
}

func badRequest(message string) *Error {
	return refuse(http.StatusBadRequest, CodeBadRequest, message)
}
