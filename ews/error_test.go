package ews

import (
	"strings"
	"testing"
)

// TestClasses is the table of reactions: what helps against each code that a
// calendar service meets.
func TestClasses(t *testing.T) {
	t.Parallel()
	for class, codes := range map[Class]string{
		Transient: `ErrorServerBusy ErrorInternalServerTransientError ErrorTimeoutExpired ErrorTooManyObjectsOpened ErrorMailboxStoreUnavailable
			ErrorMailboxFailover ErrorConnectionFailed ErrorADUnavailable ErrorADOperation ErrorExceededConnectionCount ErrorInsufficientResources
			ErrorBatchProcessingStopped ErrorNoRespondingCASInDestinationSite ErrorProxyCallFailed ErrorProxyTokenExpired ErrorContentConversionFailed
			ErrorInternalServerError Unavailable Truncated Malformed`,
		Rediscover: `ErrorMailboxMoveInProgress ErrorCrossSiteRequest ErrorProxyRequestNotAllowed ErrorReadEventsFailed ErrorWrongServerVersion
			ErrorNoDestinationCASDueToVersionMismatch`,
		MailboxPermanent: `ErrorNonExistentMailbox ErrorImpersonateUserDenied ErrorImpersonationFailed ErrorImpersonationDenied ErrorAccountDisabled
			ErrorInvalidLicense ErrorMailboxLogonFailed ErrorOrganizationAccessBlocked ErrorMailRecipientNotFound ErrorCannotFindUser ErrorAccessDenied`,
		AccountLevel: `ErrorMissingEmailAddress ErrorInvalidExchangeImpersonationHeaderData Forbidden`,
		Resync:       `ErrorInvalidSyncStateData ErrorSyncFolderNotFound ErrorFolderNotFound`,
		Resubscribe: `ErrorSubscriptionNotFound ErrorInvalidSubscription ErrorExpiredSubscription ErrorSubscriptionUnsubscribed
			ErrorMissedNotificationEvents ErrorSubscriptionAccessDenied ErrorProxiedSubscriptionCallFailure ErrorInvalidWatermark
			ErrorNewEventStreamConnectionOpened`,
		Refetch: `ErrorIrresolvableConflict ErrorStaleObject ErrorChangeKeyRequired ErrorChangeKeyRequiredForWriteOperations ErrorInvalidChangeKey`,
		ItemLocal: `ErrorItemNotFound ErrorItemCorrupt ErrorCorruptData ErrorCalendarOccurrenceIsDeletedFromRecurrence
			ErrorCalendarOccurrenceIndexIsOutOfRecurrenceRange ErrorOccurrenceCrossingBoundary ErrorCalendarIsNotOrganizer
			ErrorCalendarCannotUpdateDeletedItem ErrorNobodyKnowsThisOne`,
		OwnBug: `ErrorSchemaValidation ErrorInvalidRequest ErrorInvalidPropertySet ErrorInvalidPropertyRequest ErrorIncorrectUpdatePropertyCount
			ErrorUpdatePropertyMismatch ErrorSendMeetingInvitationsOrCancellationsRequired ErrorInvalidIdMalformed ErrorCalendarViewRangeTooBig
			ErrorMailboxDataArrayTooBig ErrorTimeIntervalTooBig ErrorRequestStreamTooBig`,
	} {
		for _, code := range strings.Fields(codes) {
			if got := (&Error{Code: code, HTTPStatus: 500}).Class(); got != class {
				t.Errorf("%s is %s, want %s", code, got, class)
			}
			if s := sentence(code); s == "" {
				t.Errorf("%s has no sentence", code)
			}
		}
	}
}
