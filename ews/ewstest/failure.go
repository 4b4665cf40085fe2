package ewstest

import (
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/koyomi-cal/koyomi/ews/internal/wire"
)

// failure is an error as the protocol knows it: a response code with a
// sentence. Most are put into the response message they belong to; those with
// fault set end the whole request.
type failure struct {
	code   string
	text   string
	fault  bool
	status int      // of the HTTP answer to a fault; 500 where zero
	values []string // pairs of name and value for MessageXml
}

func (f *failure) Error() string { return f.code + ": " + f.text }

// fail returns the failure of one response message.
func fail(code string) *failure { return &failure{code: code, text: textOf(code)} }

// failf is fail with a sentence of its own.
func failf(code, format string, args ...any) *failure {
	return &failure{code: code, text: fmt.Sprintf(format, args...)}
}

// faultOf returns a failure that ends the request.
func faultOf(code string) *failure { return &failure{code: code, text: textOf(code), fault: true} }

// busy is how Exchange asks for a pause.
func busy(backOff time.Duration) *failure {
	f := fail("ErrorServerBusy")
	f.values = []string{"BackOffMilliseconds", strconv.FormatInt(backOff.Milliseconds(), 10)}
	return f
}

// failureOf returns the failure that err is, or one that stands for it. It
// returns nil for nil.
func failureOf(err error) *failure {
	if err == nil {
		return nil
	}
	var f *failure
	if errors.As(err, &f) {
		return f
	}
	return failf("ErrorInternalServerError", "%v", err)
}

// schemaViolation is the fault for a request that the schema does not allow.
func schemaViolation(format string, args ...any) *failure {
	violation := fmt.Sprintf(format, args...)
	return &failure{
		code: "ErrorSchemaValidation", text: "The request failed schema validation: " + violation, fault: true,
		values: []string{"LineNumber", "1", "LinePosition", "1", "Violation", violation},
	}
}

// texts are the sentences that go with the codes ([MS-OXWSCDATA] 2.2.5.24).
var texts = map[string]string{
	"ErrorAccessDenied":                                  "Access is denied. Check credentials and try again.",
	"ErrorCalendarCannotMoveOrCopyOccurrence":            "Occurrences of a recurring series can't be moved.",
	"ErrorCalendarCannotUpdateDeletedItem":               "Can't update a calendar item that is in the Deleted Items folder.",
	"ErrorCalendarEndDateIsEarlierThanStartDate":         "EndDate is earlier than StartDate",
	"ErrorCalendarIsCancelledForAccept":                  "Cannot accept a cancelled meeting.",
	"ErrorCalendarIsCancelledForDecline":                 "Cannot decline a cancelled meeting.",
	"ErrorCalendarIsCancelledForTentative":               "Cannot tentatively accept a cancelled meeting.",
	"ErrorCalendarIsOrganizerForAccept":                  "The organizer of a meeting cannot accept it.",
	"ErrorCalendarIsOrganizerForDecline":                 "The organizer of a meeting cannot decline it.",
	"ErrorCalendarIsOrganizerForTentative":               "The organizer of a meeting cannot tentatively accept it.",
	"ErrorCalendarIsNotOrganizer":                        "Must be an organizer to cancel the meeting.",
	"ErrorCalendarInvalidRecurrence":                     "The recurrence is not valid.",
	"ErrorCalendarOccurrenceIndexIsOutOfRecurrenceRange": "Occurrence index is out of recurrence range.",
	"ErrorCalendarOccurrenceIsDeletedFromRecurrence":     "Occurrence with this index was previously deleted from the recurrence.",
	"ErrorCalendarViewRangeTooBig":                       "The specified view range exceeds the maximum range of two years.",
	"ErrorCannotFindUser":                                "Impersonation failed: the user does not exist.",
	"ErrorChangeKeyRequired":                             "The change key is required.",
	"ErrorChangeKeyRequiredForWriteOperations":           "The specified change key is not valid for this operation: it names no version.",
	"ErrorCorruptData":                                   "An internal inconsistency was detected in the object.",
	"ErrorExceededConnectionCount":                       "You have exceeded the available concurrent connections for your account.  Try again once your other requests have completed.",
	"ErrorExceededFindCountLimit":                        "You have exceeded the maximum number of objects that can be returned for the find operation. Use paging to reduce the result size and try your request again.",
	"ErrorFolderNotFound":                                "The specified folder could not be found in the store.",
	"ErrorImpersonateUserDenied":                         "The account does not have permission to impersonate the requested user.",
	"ErrorImpersonationFailed":                           "Impersonation failed.",
	"ErrorInternalServerError":                           "An internal server error occurred. The operation failed.",
	"ErrorInternalServerTransientError":                  "An internal server error occurred. Try again later.",
	"ErrorInvalidChangeKey":                              "The change key is invalid.",
	"ErrorInvalidExchangeImpersonationHeaderData":        "ExchangeImpersonation SOAP header must be present for this type of OAuth token or is incomplete.",
	"ErrorInvalidFolderId":                               "Id is invalid.",
	"ErrorInvalidId":                                     "Id is invalid.",
	"ErrorInvalidIdMalformed":                            "Id is malformed.",
	"ErrorInvalidOperation":                              "The requested operation is invalid.",
	"ErrorInvalidPropertyRequest":                        "Property is not valid for this object type.",
	"ErrorInvalidPropertySet":                            "Set action is invalid for property.",
	"ErrorInvalidRecipients":                             "At least one recipient is not valid.",
	"ErrorInvalidRequest":                                "The request is invalid.",
	"ErrorInvalidServerVersion":                          "The specified server version is invalid.",
	"ErrorInvalidSubscription":                           "Invalid subscription.",
	"ErrorInvalidSubscriptionRequest":                    "Subscription information is not valid: all folders must be in one mailbox.",
	"ErrorInvalidSyncStateData":                          "Synchronization state data is corrupt or otherwise invalid.",
	"ErrorInvalidTimeInterval":                           "The time interval is not valid.",
	"ErrorIrresolvableConflict":                          "The send or update operation could not be performed because the change key passed in the request does not match the current change key for the item.",
	"ErrorItemNotFound":                                  "The specified object was not found in the store.",
	"ErrorItemSavePropertyError":                         "Some properties could not be saved.",
	"ErrorMailRecipientNotFound":                         "Mailbox logon failed., The recipient was not found.",
	"ErrorMailboxMoveInProgress":                         "Mailbox move in progress. Try again later., Cannot open mailbox.",
	"ErrorMailboxStoreUnavailable":                       "The mailbox database is temporarily unavailable., Cannot open mailbox.",
	"ErrorBatchProcessingStopped":                        "The batch was stopped because one of the items before this one failed.",
	"ErrorReadEventsFailed":                              "Notification events could not be read.",
	"ErrorInvalidSchemaVersionForMailboxVersion":         "The requested schema version is not supported by the server that holds the mailbox.",
	"ErrorMailboxDataArrayTooBig":                        "The mailbox data array holds too many mailboxes.",
	"ErrorMessageDispositionRequired":                    "MessageDisposition is required for messages.",
	"ErrorMissedNotificationEvents":                      "Notification events have been missed.",
	"ErrorMissingEmailAddress":                           "When making a request as an account that does not have a mailbox, you must specify the mailbox primary SMTP address for any distinguished folder Ids.",
	"ErrorNewEventStreamConnectionOpened":                "A new event stream connection was opened for this subscription.",
	"ErrorNoFreeBusyAccess":                              "The caller does not have free/busy access to the mailbox.",
	"ErrorNonExistentMailbox":                            "The SMTP address has no mailbox associated with it.",
	"ErrorOccurrenceCrossingBoundary":                    "Occurrence cannot be moved past another occurrence.",
	"ErrorSendMeetingCancellationsRequired":              "SendMeetingCancellations attribute is required for calendar items.",
	"ErrorSendMeetingInvitationsRequired":                "SendMeetingInvitations attribute is required for calendar items.",
	"ErrorSendMeetingInvitationsOrCancellationsRequired": "SendMeetingInvitationsOrCancellations attribute is required for calendar items.",
	"ErrorServerBusy":                                    "The server cannot service this request right now. Try again later.",
	"ErrorSubscriptionAccessDenied":                      "Access is denied. Only the owner of the subscription may access it.",
	"ErrorSubscriptionNotFound":                          "The specified subscription was not found.",
	"ErrorSyncFolderNotFound":                            "The folder to be synchronized could not be found.",
	"ErrorTimeIntervalTooBig":                            "The requested time window is too big.",
	"ErrorTimeZone":                                      "The time zone is missing or not valid.",
	"ErrorUpdatePropertyMismatch":                        "Update property does not match property ID.",
	"ErrorIncorrectUpdatePropertyCount":                  "An object within a change description must contain one and only one property to modify.",
	"ErrorItemCorrupt":                                   "The item is corrupt.",
}

func textOf(code string) string {
	if t := texts[code]; t != "" {
		return t
	}
	return "The operation failed with " + code + "."
}

// writeMessage writes the head of a response message.
func (f *failure) writeMessage(w *wire.Writer) {
	w.Leaf("m:MessageText", f.text)
	w.Leaf("m:ResponseCode", f.code)
	w.Leaf("m:DescriptiveLinkKey", "0")
	if len(f.values) > 0 {
		w.Start("m:MessageXml")
		for i := 0; i+1 < len(f.values); i += 2 {
			w.Leaf("t:Value", f.values[i+1], "Name", f.values[i])
		}
		w.End()
	}
}

// wireFault returns the failure as a SOAP fault with the order of its values.
func (f *failure) wireFault() (*wire.Fault, []string) {
	out := &wire.Fault{Code: f.code, ResponseCode: f.code, String: f.text, Message: f.text, Values: map[string]string{}}
	var order []string
	for i := 0; i+1 < len(f.values); i += 2 {
		out.Values[f.values[i]] = f.values[i+1]
		order = append(order, f.values[i])
	}
	return out, order
}
