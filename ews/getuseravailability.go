package ews

import (
	"context"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"time"

	"github.com/koyomi-cal/koyomi/ews/internal/wire"
)

// AvailabilityRequest says whose free/busy is wanted, and when.
type AvailabilityRequest struct {
	Mailboxes []string // SMTP addresses, at most 100
	From, To  time.Time
	Interval  time.Duration // of FreeBusy.Merged; default 30 min
}

// FreeBusy is one mailbox's free/busy ([MS-OXWAVLS] FreeBusyResponseType), or why there is
// none for it.
type FreeBusy struct {
	// View is what the server was willing to show: "None", "MergedOnly",
	// "FreeBusy", "FreeBusyMerged", "Detailed", "DetailedMerged".
	View string
	// Merged has one digit per interval: 0 free, 1 tentative, 2 busy, 3 out of
	// office, 4 no data or working elsewhere. The highest wins.
	Merged string
	Events []BusyEvent
	// WorkingHours are the person's, where the server shows them.
	WorkingHours *WorkingHours
	Err          error
}

// WorkingHours are when somebody works, in the time zone of their mailbox
// ([MS-OXWAVLS] WorkingHours).
type WorkingHours struct {
	Zone    *ZoneDefinition // the time zone; nil where the server gave none that can be
	Periods []WorkingPeriod
}

// WorkingPeriod is a part of the day in which somebody works.
type WorkingPeriod struct {
	Days       []string      // "Monday"...
	Start, End time.Duration // since midnight
}

// BusyEvent is one entry of a calendar as others may see it ([MS-OXWAVLS]
// CalendarEvent). Subject and Location are empty where the caller has no right to
// them. It prints its status only.
type BusyEvent struct {
	Start, End                        time.Time
	Status                            FreeBusyStatus
	Subject, Location                 string
	IsMeeting, IsRecurring, IsPrivate bool
}

// String prints the status only.
func (b BusyEvent) String() string { return "BusyEvent(" + string(b.Status) + ")" }

// Format prints like String, whatever the verb.
func (b BusyEvent) Format(f fmt.State, _ rune) { fmt.Fprint(f, b.String()) }

// LogValue prints like String.
func (b BusyEvent) LogValue() slog.Value { return slog.StringValue(b.String()) }

// GetUserAvailability reads the free/busy of up to 100 mailboxes over at most
// 42 days ([MS-OXWAVLS] 3.1.4.1). The results are in the order of the
// mailboxes, each with its own error: mailboxes in another organisation often
// have one. It works without impersonation, too.
func (m *Mailbox) GetUserAvailability(ctx context.Context, req AvailabilityRequest) ([]FreeBusy, error) {
	return do(ctx, m, operation[[]FreeBusy]{
		name: "GetUserAvailability", safe: true, write: req.write,
		read: func(a answer) ([]FreeBusy, error) {
			list := a.body.Child("FreeBusyResponseArray")
			if list == nil {
				return nil, a.fail(CodeMalformed, "the answer has no free/busy", nil)
			}
			results := make([]FreeBusy, 0, len(req.Mailboxes))
			for _, e := range list.Children {
				results = append(results, a.freeBusy(e))
			}
			for len(results) < len(req.Mailboxes) {
				results = append(results, FreeBusy{Err: a.fail(CodeMalformed, "the answer leaves this mailbox out", nil)})
			}
			return results[:len(req.Mailboxes)], nil
		},
	})
}

func (a answer) freeBusy(e *wire.Element) FreeBusy {
	if err := a.failure(e.Child("ResponseMessage")); err != nil {
		return FreeBusy{Err: err}
	}
	view := e.Child("FreeBusyView")
	fb := FreeBusy{View: word(view.Child("FreeBusyViewType")), Merged: word(view.Child("MergedFreeBusy"))}
	for c := range view.Child("CalendarEventArray").All("CalendarEvent") {
		d := c.Child("CalendarEventDetails")
		fb.Events = append(fb.Events, BusyEvent{
			Start: dateTime(c.Child("StartTime")), End: dateTime(c.Child("EndTime")), Status: FreeBusyStatus(word(c.Child("BusyType"))),
			Subject: str(d.Child("Subject")), Location: str(d.Child("Location")),
			IsMeeting: truth(d.Child("IsMeeting")), IsRecurring: truth(d.Child("IsRecurring")), IsPrivate: truth(d.Child("IsPrivate")),
		})
	}
	fb.WorkingHours = workingHours(view.Child("WorkingHours"))
	return fb
}

func workingHours(e *wire.Element) *WorkingHours {
	if e == nil {
		return nil
	}
	minutes := func(e *wire.Element) time.Duration {
		return time.Duration(min(max(number(e), -2880), 2880)) * time.Minute
	}
	w := &WorkingHours{Zone: serializableZone(e.Child("TimeZone"))}
	for p := range e.Child("WorkingPeriodArray").All("WorkingPeriod") {
		w.Periods = append(w.Periods, WorkingPeriod{
			Days: strings.Fields(str(p.Child("DayOfWeek"))), Start: minutes(p.Child("StartTimeInMinutes")), End: minutes(p.Child("EndTimeInMinutes")),
		})
	}
	return w
}

// write asks for UTC: the times of the answer carry no zone and are in the
// one of the request, which servers insist on.
func (req AvailabilityRequest) write(r *request) {
	if len(req.Mailboxes) == 0 || len(req.Mailboxes) > 100 {
		r.refuse("free/busy is asked for 1 to 100 mailboxes at once")
	}
	if !req.To.After(req.From) {
		r.refuse("the end of the time must be after its start")
	}
	r.Start("m:GetUserAvailabilityRequest")
	r.Start("t:TimeZone")
	r.Leaf("t:Bias", "0")
	for _, name := range []string{"t:StandardTime", "t:DaylightTime"} {
		r.Start(name)
		r.Leaf("t:Bias", "0")
		r.Leaf("t:Time", "00:00:00")
		r.Leaf("t:DayOrder", "1")
		r.Leaf("t:Month", "1")
		r.Leaf("t:DayOfWeek", "Sunday")
		r.End()
	}
	r.End()
	r.Start("m:MailboxDataArray")
	for _, address := range req.Mailboxes {
		r.Start("t:MailboxData")
		r.Start("t:Email")
		r.Leaf("t:Address", address)
		r.End()
		r.Leaf("t:AttendeeType", "Required")
		r.End()
	}
	r.End()
	const zoneless = "2006-01-02T15:04:05"
	r.Start("t:FreeBusyViewOptions")
	r.Start("t:TimeWindow")
	r.Leaf("t:StartTime", req.From.UTC().Format(zoneless))
	r.Leaf("t:EndTime", req.To.UTC().Format(zoneless))
	r.End()
	r.Leaf("t:MergedFreeBusyIntervalInMinutes", strconv.Itoa(int(orDefault(req.Interval, 30*time.Minute).Minutes())))
	r.Leaf("t:RequestedView", "DetailedMerged")
	r.End()
	r.End()
}
