package ewstest

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/koyomi-cal/koyomi/ews/internal/wire"
)

// The bounds of a request for availability.
const (
	mostAvailability = 100
	longestWindow    = 42 * 24 * time.Hour
)

// busyTime is one stretch in which somebody is not free.
type busyTime struct {
	start, end time.Time
	status     string
	uid        string
	it         *Item
	occurrence string
}

// busyTimes returns what the calendar of a mailbox shows in a window. The
// caller holds Server.mu.
func (s *Server) busyTimes(b *mailbox, from, to time.Time) []busyTime {
	var out []busyTime
	add := func(it *Item, o string) {
		if !it.IsCancelled() {
			out = append(out, busyTime{it.Start, it.End, orElse(it.Busy, "Busy"), it.UID, it, o})
		}
	}
	for _, it := range b.folder(calendarFolder).items {
		switch {
		case !it.isCalendar():
		case it.Recurrence != nil:
			for _, o := range it.window(s.zones.location(it.Zone), from, to) {
				one := it.occurrence(o)
				add(one, one.Occurrence)
			}
		case seen(it.Start, it.End, from, to):
			add(it, "")
		}
	}
	slices.SortStableFunc(out, func(a, b busyTime) int { return a.start.Compare(b.start) })
	return out
}

// HideFreeBusy makes the availability of a mailbox unknown to everybody but
// itself, with an error of that code, such as "ErrorNoFreeBusyAccess" or
// "ErrorProxyRequestProcessingFailed". An empty code undoes it.
func (s *Server) HideFreeBusy(address, code string) {
	s.change(address, func(b *mailbox) { b.hidden = code })
}

// availability is a request for availability.
type availability struct {
	zone     biasZone
	from, to time.Time
	view     string
	interval time.Duration
}

// getUserAvailability answers GetUserAvailability ([MS-OXWAVLS] 3.1.4.1).
// Times in it are in the zone of the request, without an offset.
func (r *request) getUserAvailability() error {
	if r.body.Child("MailboxDataArray") == nil {
		return schemaViolation("the element MailboxDataArray is missing")
	}
	q, err := r.parseAvailability()
	if err != nil {
		return err
	}
	boxes := slices.Collect(r.body.Child("MailboxDataArray").All("MailboxData"))
	if len(boxes) == 0 {
		return schemaViolation("MailboxDataArray is empty")
	}
	if len(boxes) > mostAvailability {
		return faultOf("ErrorMailboxDataArrayTooBig")
	}
	r.envelope()
	r.w.Start("m:GetUserAvailabilityResponse", "xmlns:m", wire.NSMessages, "xmlns:t", wire.NSTypes)
	r.w.Start("m:FreeBusyResponseArray")
	for _, e := range boxes {
		r.freeBusy(strings.TrimSpace(e.Value("Email", "Address")), q)
	}
	r.w.End()
	r.w.End()
	return nil
}

func (r *request) parseAvailability() (availability, error) {
	q := availability{view: "MergedOnly", interval: 30 * time.Minute}
	zone := r.body.Child("TimeZone")
	if zone == nil {
		return q, faultOf("ErrorTimeZone")
	}
	var err error
	if q.zone, err = parseBiasZone(zone); err != nil {
		return q, faultOf("ErrorTimeZone")
	}
	options := r.body.Child("FreeBusyViewOptions")
	if options == nil {
		return q, faultOf("ErrorInvalidFreeBusyViewType")
	}
	if v := options.Value("RequestedView"); v != "" {
		q.view = v
	}
	if !slices.Contains([]string{"MergedOnly", "FreeBusy", "FreeBusyMerged", "Detailed", "DetailedMerged"}, q.view) {
		return q, faultOf("ErrorInvalidFreeBusyViewType")
	}
	if v := options.Value("MergedFreeBusyIntervalInMinutes"); v != "" {
		n, ok := parseInt(v)
		if !ok || n < 5 || n > 1440 {
			return q, faultOf("ErrorInvalidMergedFreeBusyInterval")
		}
		q.interval = time.Duration(n) * time.Minute
	}
	var err1, err2 error
	q.from, err1 = q.zone.parse(options.Value("TimeWindow", "StartTime"))
	q.to, err2 = q.zone.parse(options.Value("TimeWindow", "EndTime"))
	if err1 != nil || err2 != nil || !q.to.After(q.from) {
		return q, faultOf("ErrorInvalidTimeInterval")
	}
	if q.to.Sub(q.from) > longestWindow {
		return q, faultOf("ErrorTimeIntervalTooBig")
	}
	return q, nil
}

// freeBusy writes the answer for one mailbox.
func (r *request) freeBusy(address string, q availability) {
	r.s.mu.RLock()
	b := r.s.names[strings.ToLower(address)]
	var times []busyTime
	own, hidden := false, ""
	if b != nil {
		own, hidden = r.mayOpen(b), b.hidden
		times = r.s.busyTimes(b, q.from, q.to)
	}
	r.s.mu.RUnlock()
	var err error
	switch {
	case b == nil:
		err = fail("ErrorMailRecipientNotFound")
	case hidden != "" && !own:
		err = fail(hidden)
	default:
		err = r.blocked()
	}
	r.w.Start("m:FreeBusyResponse")
	defer r.w.End()
	if f := failureOf(err); f != nil {
		r.freeBusyError(f)
		return
	}
	r.single(nil)
	r.freeBusyView(b, times, q, own)
}

// freeBusyError writes the failure of one mailbox, whose MessageXml is in the
// namespace of errors.
func (r *request) freeBusyError(f *failure) {
	r.call.Code = f.code
	r.w.Start("m:ResponseMessage", "ResponseClass", "Error")
	r.w.Leaf("m:MessageText", f.text)
	r.w.Leaf("m:ResponseCode", f.code)
	r.w.Leaf("m:DescriptiveLinkKey", "0")
	r.w.Start("m:MessageXml")
	r.w.Leaf("ExceptionType", "Microsoft.Exchange.InfoWorker.Common.Availability.MailRecipientNotFoundException", "xmlns", wire.NSErrors)
	r.w.Leaf("ExceptionCode", "5009", "xmlns", wire.NSErrors)
	r.w.Leaf("ExceptionServerName", r.s.opt.Host, "xmlns", wire.NSErrors)
	r.w.Leaf("ExceptionMessage", f.text, "xmlns", wire.NSErrors)
	r.w.End()
	r.w.End()
	r.w.Start("m:FreeBusyView")
	r.w.Leaf("t:FreeBusyViewType", "None")
	r.w.End()
}

// freeBusyView writes as much as the caller may see: others than the owner get
// no details.
func (r *request) freeBusyView(b *mailbox, times []busyTime, q availability, own bool) {
	view := q.view
	if !own {
		view = strings.Replace(view, "Detailed", "FreeBusy", 1)
	}
	merged := view == "MergedOnly" || strings.HasSuffix(view, "Merged")
	r.w.Start("m:FreeBusyView")
	if r.s.traits.noMerged {
		merged = false
	}
	r.w.Leaf("t:FreeBusyViewType", view)
	if merged {
		r.w.Leaf("t:MergedFreeBusy", mergedFreeBusy(times, q))
	}
	if view != "MergedOnly" {
		r.w.Start("t:CalendarEventArray")
		for _, t := range times {
			r.busyEvent(b, t, q, strings.HasPrefix(view, "Detailed"))
		}
		r.w.End()
	}
	loc := r.s.location(b)
	r.w.Start("t:WorkingHours")
	r.w.Start("t:TimeZone")
	writeSerializable(r.w, r.s.zones.in(loc, q.from.In(loc).Year()))
	r.w.End()
	r.w.Start("t:WorkingPeriodArray")
	r.w.Start("t:WorkingPeriod")
	r.w.Leaf("t:DayOfWeek", "Monday Tuesday Wednesday Thursday Friday")
	r.w.Leaf("t:StartTimeInMinutes", "480")
	r.w.Leaf("t:EndTimeInMinutes", "1020")
	r.w.End()
	r.w.End()
	r.w.End()
	r.w.End()
}

func (r *request) busyEvent(b *mailbox, t busyTime, q availability, detailed bool) {
	const layout = "2006-01-02T15:04:05"
	r.w.Start("t:CalendarEvent")
	r.w.Leaf("t:StartTime", q.zone.local(t.start).Format(layout))
	r.w.Leaf("t:EndTime", q.zone.local(t.end).Format(layout))
	r.w.Leaf("t:BusyType", t.status)
	if detailed {
		r.w.Start("t:CalendarEventDetails")
		r.w.Leaf("t:ID", strings.ToUpper(hexID(b.itemRef(t.it))))
		r.w.Leaf("t:Subject", t.it.Subject)
		r.w.Leaf("t:Location", t.it.Location)
		r.w.Leaf("t:IsMeeting", strconv.FormatBool(t.it.IsMeeting()))
		r.w.Leaf("t:IsRecurring", strconv.FormatBool(t.occurrence != ""))
		r.w.Leaf("t:IsException", strconv.FormatBool(t.occurrence == "Exception"))
		r.w.Leaf("t:IsReminderSet", strconv.FormatBool(t.it.Reminder >= 0))
		r.w.Leaf("t:IsPrivate", strconv.FormatBool(t.it.Sensitivity == "Private"))
		r.w.End()
	}
	r.w.End()
}

// mergedFreeBusy returns a digit for each interval of the window; where
// several things meet, the highest counts.
func mergedFreeBusy(times []busyTime, q availability) string {
	out := make([]byte, 0, 64)
	for at := q.from; at.Before(q.to); at = at.Add(q.interval) {
		end, digit := at.Add(q.interval), byte('0')
		for _, t := range times {
			if t.start.Before(end) && t.end.After(at) {
				digit = max(digit, '0'+byte(max(0, slices.Index(busyNames, t.status))))
			}
		}
		out = append(out, digit)
	}
	return string(out)
}
