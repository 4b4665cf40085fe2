package ews

import (
	"fmt"
	"strings"
	"time"
)

// Error is a failure of one operation, or of one item of it.
//
// Its text names no address and nothing that a person wrote, so it may be
// logged. Detail is what the server said and may hold both.
type Error struct {
	Op         string        // operation, e.g. "GetItem"
	Code       string        // response code, e.g. "ErrorServerBusy", or one of the Code constants
	Message    string        // sentence for people: what is wrong and what to do
	Detail     string        // the server's own words; not part of Error()
	HTTPStatus int           // 0: no HTTP answer
	BackOff    time.Duration // how long the server asks to be left alone; 0: it does not say
	RequestID  string        // client-request-id, to be found in the server's logs

	// Unclear says that the request reached the server and its answer did not
	// come back whole: whether it was carried out is not known.
	Unclear bool

	SubscriptionIDs []string          // of GetStreamingEvents: the subscriptions that failed
	Values          map[string]string // the server's MessageXml, e.g. "PolicyLimit"

	Cause error // may be nil
}

// Codes of this package, for failures that have no response code.
const (
	CodeAuthFailed    = "AuthFailed"    // 401, or a call held back after one
	CodeAccountLocked = "AccountLocked" // 401 or 456 that says so
	CodeProxyAuth     = "ProxyAuth"     // 407, or a call held back after one
	CodeNoScheme      = "NoScheme"      // the server or token endpoint does not offer the way to sign in
	CodeForbidden     = "Forbidden"     // 403
	CodeNotFound      = "NotFound"      // 404 or 405: nothing answers at this path
	CodeRedirected    = "Redirected"    // to elsewhere; not followed
	CodeNotEWS        = "NotEWS"        // an answer that is not SOAP, such as a log-in page
	CodeUnavailable   = "Unavailable"   // 429, 500 to 504 without a SOAP fault
	CodeCertificate   = "Certificate"   // TLS certificate not trusted or not for this host
	CodeTLS           = "TLS"           // any other TLS failure
	CodeDNS           = "DNS"           // host name not found
	CodeRefused       = "Refused"       // connection refused
	CodeTimeout       = "Timeout"       // no answer in time
	CodeTransport     = "Transport"     // any other failure of the connection
	CodeTruncated     = "Truncated"     // the answer ends in the middle
	CodeTooLarge      = "TooLarge"      // the answer is larger than allowed
	CodeMalformed     = "Malformed"     // the answer is not the expected XML
	CodeCanceled      = "Canceled"      // the caller's context ended; Cause says how
	CodeInvalid       = "Invalid"       // the call cannot be made: wrong arguments or options
)

// Error returns operation, sentence and code.
func (e *Error) Error() string {
	var b strings.Builder
	if e.Op != "" {
		b.WriteString(e.Op)
		b.WriteString(": ")
	}
	b.WriteString(e.Message)
	if e.BackOff > 0 {
		fmt.Fprintf(&b, " (wait %v)", e.BackOff.Round(time.Millisecond))
	}
	if e.Code != "" {
		fmt.Fprintf(&b, " [%s]", e.Code)
	}
	return b.String()
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Cause }

// in returns the error as it is for another operation, whose request was not
// sent because of it.
func (e *Error) in(op string) *Error {
	c := *e
	c.Op, c.Unclear, c.RequestID = op, false, ""
	return &c
}

// Class says what helps against a failure.
type Class string

// The classes of failures.
const (
	Transient        Class = "transient"         // wait, then send the same again
	Rediscover       Class = "rediscover"        // the mailbox has moved: find its server anew
	MailboxPermanent Class = "mailbox-permanent" // this mailbox cannot be used until somebody changes something
	AccountLevel     Class = "account"           // no mailbox can be used: the account or the whole server is at fault
	Auth             Class = "auth"              // the account's password is refused: send nothing more under it
	Resync           Class = "resync"            // the sync state is lost: start from nothing
	Resubscribe      Class = "resubscribe"       // the subscription is lost: subscribe, then sync
	Refetch          Class = "refetch"           // the item has changed: read it, decide again
	ItemLocal        Class = "item"              // this item alone: leave it out
	OwnBug           Class = "bug"               // the request is wrong: sending it again will not help
	Canceled         Class = "canceled"          // the caller ended it
)

// Class sorts the error by its code. Codes that are not known are Transient
// with status 500 and up, and ItemLocal otherwise.
func (e *Error) Class() Class {
	if c, ok := classOf(e.Code); ok {
		return c
	}
	if e.HTTPStatus >= 500 && !strings.HasPrefix(e.Code, "Error") {
		return Transient
	}
	return ItemLocal
}

// classOf is the table of codes. It names those that need a reaction of their
// own; the protocol has some 520 in all.
func classOf(code string) (Class, bool) {
	switch code {
	case "ErrorServerBusy", "ErrorInternalServerTransientError", "ErrorTimeoutExpired", "ErrorTooManyObjectsOpened",
		"ErrorMailboxStoreUnavailable", "ErrorMailboxFailover", "ErrorConnectionFailed", "ErrorConnectionFailedTransientError",
		"ErrorADUnavailable", "ErrorADOperation", "ErrorExceededConnectionCount", "ErrorExceededSubscriptionCount",
		"ErrorInsufficientResources", "Server", "ServerBusy", "InternalServerError", "ErrorBatchProcessingStopped", "ErrorNoRespondingCASInDestinationSite",
		"ErrorProxyCallFailed", "ErrorProxyTokenExpired", "ErrorContentConversionFailed", "ErrorInternalServerError",
		CodeUnavailable, CodeTimeout, CodeTransport, CodeTruncated, CodeRefused, CodeDNS, CodeMalformed:
		return Transient, true
	case "ErrorMailboxMoveInProgress", "ErrorCrossSiteRequest", "ErrorProxyRequestNotAllowed", "ErrorReadEventsFailed",
		"ErrorWrongServerVersion", "ErrorNoDestinationCASDueToVersionMismatch", CodeRedirected:
		return Rediscover, true
	case "ErrorNonExistentMailbox", "ErrorImpersonateUserDenied", "ErrorImpersonationFailed", "ErrorImpersonationDenied",
		"ErrorAccountDisabled", "ErrorInvalidLicense", "ErrorMailboxLogonFailed", "ErrorOrganizationAccessBlocked",
		"ErrorMailRecipientNotFound", "ErrorCannotFindUser", "ErrorAccessDenied", "ErrorInvalidSmtpAddress",
		"InvalidUser", "InvalidDomain", "SettingIsNotAvailable", CodeOnline, CodeHostPending, CodeNotDiscovered:
		return MailboxPermanent, true
	case "ErrorMissingEmailAddress", "ErrorInvalidExchangeImpersonationHeaderData", CodeForbidden, CodeNotFound,
		CodeNotEWS, CodeCertificate, CodeTLS, CodeNoScheme:
		return AccountLevel, true
	case CodeAuthFailed, CodeAccountLocked, CodeProxyAuth:
		return Auth, true
	case "ErrorInvalidSyncStateData", "ErrorSyncFolderNotFound", "ErrorFolderNotFound":
		return Resync, true
	case "ErrorSubscriptionNotFound", "ErrorInvalidSubscription", "ErrorExpiredSubscription", "ErrorSubscriptionUnsubscribed",
		"ErrorMissedNotificationEvents", "ErrorSubscriptionAccessDenied", "ErrorProxiedSubscriptionCallFailure",
		"ErrorInvalidWatermark", "ErrorNewEventStreamConnectionOpened":
		return Resubscribe, true
	case "ErrorIrresolvableConflict", "ErrorStaleObject", "ErrorChangeKeyRequired", "ErrorChangeKeyRequiredForWriteOperations",
		"ErrorInvalidChangeKey":
		return Refetch, true
	case "ErrorSchemaValidation", "ErrorInvalidRequest", "ErrorInvalidPropertySet", "ErrorInvalidPropertyRequest",
		"ErrorInvalidPropertyUpdateSentMessage", "ErrorInvalidPropertyAppend", "ErrorInvalidPropertyDelete",
		"ErrorIncorrectUpdatePropertyCount", "ErrorUpdatePropertyMismatch", "ErrorInvalidIdMalformed",
		"ErrorSendMeetingInvitationsOrCancellationsRequired", "ErrorSendMeetingInvitationsRequired",
		"ErrorCalendarViewRangeTooBig", "ErrorMailboxDataArrayTooBig", "ErrorTimeIntervalTooBig",
		"ErrorRequestStreamTooBig", "ErrorInvalidServerVersion", "ErrorIncorrectSchemaVersion",
		"ErrorInvalidSchemaVersionForMailboxVersion", "ErrorInvalidSubscriptionRequest", "ErrorTimeZone",
		CodeInvalid, CodeTooLarge, "Client":
		return OwnBug, true
	case CodeCanceled:
		return Canceled, true
	}
	return "", false
}

// sentence says for people what a response code means and what to do. The
// server's own words are never part of it.
func sentence(code string) string {
	switch code {
	case "ErrorServerBusy", "ErrorExceededConnectionCount":
		return "the server is busy and asks to be left alone for a while"
	case "ErrorImpersonateUserDenied", "ErrorImpersonationDenied", "ErrorImpersonationFailed":
		return "the account may not act for this mailbox; give it the role ApplicationImpersonation with a management scope that contains the mailbox"
	case "ErrorNonExistentMailbox", "ErrorCannotFindUser", "ErrorMailRecipientNotFound":
		return "the server has no such mailbox; check its address, and whether it has moved to another organisation"
	case "ErrorAccessDenied":
		return "the server denies access to this; check the account's rights to the mailbox or folder"
	case "ErrorAccountDisabled", "ErrorMailboxLogonFailed":
		return "the mailbox cannot be opened; check that its user is enabled"
	case "ErrorMissingEmailAddress":
		return "the account has no mailbox of its own; name a mailbox to impersonate"
	case "ErrorMailboxMoveInProgress":
		return "the mailbox is being moved; wait until the move is done"
	case "ErrorMailboxStoreUnavailable", "ErrorMailboxFailover":
		return "the mailbox's database is not available at the moment; wait"
	case "ErrorInvalidSyncStateData":
		return "the sync state is no longer valid; synchronise from the beginning"
	case "ErrorFolderNotFound", "ErrorSyncFolderNotFound":
		return "the folder does not exist"
	case "ErrorItemNotFound":
		return "the item does not exist any more"
	case "ErrorIrresolvableConflict", "ErrorStaleObject", "ErrorInvalidChangeKey":
		return "the item was changed by somebody else in the meantime; read it again"
	case "ErrorChangeKeyRequired", "ErrorChangeKeyRequiredForWriteOperations":
		return "the item's change key is missing; read the item first"
	case "ErrorBatchProcessingStopped":
		return "the server stopped before it came to this item; send it again"
	case "ErrorSubscriptionNotFound", "ErrorInvalidSubscription", "ErrorExpiredSubscription", "ErrorSubscriptionUnsubscribed":
		return "the subscription no longer exists; subscribe again, then synchronise"
	case "ErrorNewEventStreamConnectionOpened":
		return "another connection has taken over the subscription; make sure that only one program uses it"
	case "ErrorSchemaValidation", "ErrorInvalidRequest", "Client":
		return "the server finds the request wrong; report this as a bug"
	case "ErrorExceededFindCountLimit":
		return "the server does not return that many items at once; ask for a shorter time"
	}
	switch c, _ := classOf(code); c {
	case Transient:
		return "the server has a passing problem; try again later"
	case Rediscover:
		return "another server is responsible for the mailbox; find it anew"
	}
	return "the server refused the request"
}
