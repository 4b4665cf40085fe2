package ewstest

import (
	"strings"

	"github.com/koyomi-cal/koyomi/ews/internal/wire"
)

// itemOrder, calendarOrder and messageOrder are the elements that the schema
// allows in an item that is created, in its order (Types.xsd, ItemType and
// what extends it).
const (
	itemOrder = ` MimeContent ItemId ParentFolderId ItemClass Subject Sensitivity Body Attachments DateTimeReceived Size Categories Importance
		InReplyTo IsSubmitted IsDraft IsFromMe IsResend IsUnmodified InternetMessageHeaders DateTimeSent DateTimeCreated ResponseObjects
		ReminderDueBy ReminderIsSet ReminderNextTime ReminderMinutesBeforeStart DisplayCc DisplayTo DisplayBcc HasAttachments ExtendedProperty
		Culture EffectiveRights LastModifiedName LastModifiedTime IsAssociated WebClientReadFormQueryString WebClientEditFormQueryString
		ConversationId UniqueBody Flag `
	calendarOrder = ` UID RecurrenceId DateTimeStamp Start End OriginalStart IsAllDayEvent LegacyFreeBusyStatus Location When IsMeeting IsCancelled
		IsRecurring MeetingRequestWasSent IsResponseRequested CalendarItemType MyResponseType Organizer RequiredAttendees OptionalAttendees
		Resources InboxReminders ConflictingMeetingCount AdjacentMeetingCount ConflictingMeetings AdjacentMeetings Duration TimeZone
		AppointmentReplyTime AppointmentSequenceNumber AppointmentState Recurrence FirstOccurrence LastOccurrence ModifiedOccurrences
		DeletedOccurrences MeetingTimeZone StartTimeZone EndTimeZone ConferenceType AllowNewTimeProposal IsOnlineMeeting MeetingWorkspaceUrl
		NetShowUrl EnhancedLocation StartWallClock EndWallClock StartTimeZoneId EndTimeZoneId `
	messageOrder = ` Sender ToRecipients CcRecipients BccRecipients IsReadReceiptRequested IsDeliveryReceiptRequested ConversationIndex
		ConversationTopic From InternetMessageId IsRead IsResponseRequested References ReplyTo ReceivedBy ReceivedRepresenting `
)

// inOrder refuses an item whose elements are not in the order of the schema,
// as Exchange does. gromox does not look.
func (r *request) inOrder(e *wire.Element) error {
	if r.s.traits.faultsWith200 {
		return nil
	}
	order := strings.Fields(itemOrder + messageOrder)
	switch e.Name {
	case "CalendarItem":
		order = strings.Fields(itemOrder + calendarOrder)
	case "Message":
	default:
		return nil
	}
	at := 0
	for _, c := range e.Children {
		for at < len(order) && order[at] != c.Name {
			at++
		}
		if at == len(order) {
			f := schemaViolation("The element '%s' has invalid child element '%s'", e.Name, c.Name)
			return f
		}
		if c.Name != "ExtendedProperty" {
			at++
		}
	}
	return nil
}
