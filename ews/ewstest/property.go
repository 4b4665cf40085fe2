package ewstest

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/koyomi-cal/koyomi/ews/internal/wire"
)

// property is one field of an item: how its URI is spelled, in which base
// shapes it comes, and how it is written.
type property struct {
	uri   string
	in    baseShape
	deep  bool // FindItem does not give it
	write func(*view)
}

// baseShape says in which base shapes a property comes without being asked
// for.
type baseShape uint8

const (
	inNone baseShape = iota
	inAll
	inDefault
)

// view is one item while it is being written.
type view struct {
	r     *request
	w     *wire.Writer
	box   *mailbox
	it    *Item // an occurrence is already merged
	all   *Item // the master of an occurrence; else it
	shape *shape
	loc   *time.Location
}

// show writes an item as the shape wants it.
func (r *request) show(b *mailbox, it, master *Item, s *shape) {
	if master == nil {
		master = it
	}
	v := &view{r: r, w: r.w, box: b, it: it, all: master, shape: s, loc: r.s.zones.location(master.Zone)}
	element := elementOf(it.Class)
	r.w.Start("t:" + element)
	for _, p := range s.properties(element) {
		p.write(v)
	}
	r.w.End()
}

// showID writes an item with nothing but its id.
func (r *request) showID(b *mailbox, it *Item) {
	r.w.Start("t:" + elementOf(it.Class))
	r.itemID(b, it)
	r.w.End()
}

func (r *request) itemID(b *mailbox, it *Item) {
	r.w.Leaf("t:ItemId", "", "Id", b.itemRef(it).encode(), "ChangeKey", it.changeKey(b))
}

func (it *Item) changeKey(b *mailbox) string { return changeKey(it.kind(), b.guid, it.cn) }

// elementOf returns the element that an item class is shown as.
func elementOf(class string) string {
	switch {
	case class == ClassAppointment || strings.HasPrefix(class, ClassAppointment+"."):
		return "CalendarItem"
	case strings.HasPrefix(class, ClassRequest):
		return "MeetingRequest"
	case strings.HasPrefix(class, ClassCancellation):
		return "MeetingCancellation"
	case strings.HasPrefix(class, "IPM.Schedule.Meeting.Resp"):
		return "MeetingResponse"
	}
	return "Message"
}

// tableOf returns the properties of an element in the order of the schema.
func tableOf(element string) []*property {
	var parts [][]property
	switch element {
	case "CalendarItem":
		parts = [][]property{itemProperties, calendarProperties}
	case "MeetingRequest":
		parts = [][]property{itemProperties, messageProperties, meetingProperties, requestProperties}
	case "MeetingCancellation", "MeetingResponse":
		parts = [][]property{itemProperties, messageProperties, meetingProperties, noticeProperties}
	default:
		parts = [][]property{itemProperties, messageProperties}
	}
	var out []*property
	for _, part := range parts {
		for i := range part {
			out = append(out, &part[i])
		}
	}
	return out
}

// leaf writes an element where there is something to write. FindItem cuts
// strings after 255 characters.
func (v *view) leaf(name, text string) {
	if text == "" {
		return
	}
	v.w.Leaf("t:"+name, v.short(text))
}

func (v *view) short(text string) string {
	if !v.shape.find || len(text) <= 255 {
		return text
	}
	n := 0
	for i := range text {
		if n == 255 || i > 508 {
			return text[:i]
		}
		n++
	}
	return text
}

func (v *view) flag(name string, on bool) { v.w.Leaf("t:"+name, strconv.FormatBool(on)) }

func (v *view) number(name string, n int) { v.w.Leaf("t:"+name, strconv.Itoa(n)) }

func (v *view) moment(name string, t time.Time) {
	if !t.IsZero() {
		v.w.Leaf("t:"+name, v.r.stamp(t))
	}
}

func (v *view) person(name string, p Person) {
	if p.Address == "" {
		return
	}
	v.w.Start("t:" + name)
	v.mailbox(p)
	v.w.End()
}

func (v *view) mailbox(p Person) {
	v.w.Start("t:Mailbox")
	name := p.Name
	if name == "" {
		name = p.Address
	}
	v.w.Leaf("t:Name", name)
	v.w.Leaf("t:EmailAddress", p.Address)
	v.w.Leaf("t:RoutingType", "SMTP")
	v.w.Leaf("t:MailboxType", v.r.s.mailboxType(p.Address))
	v.w.End()
}

func (s *Server) mailboxType(address string) string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.names[strings.ToLower(address)] != nil {
		return "Mailbox"
	}
	return "OneOff"
}

func (v *view) people(name string, list []Person) {
	if len(list) == 0 {
		return
	}
	v.w.Start("t:" + name)
	for _, p := range list {
		v.mailbox(p)
	}
	v.w.End()
}

// itemProperties are those of ItemType ([MS-OXWSCORE] 2.2.4.24).
var itemProperties = []property{
	{"item:MimeContent", inNone, true, func(v *view) {
		v.w.Leaf("t:MimeContent", v.mime(), "CharacterSet", "UTF-8")
	}},
	{"item:ItemId", inDefault, false, func(v *view) { v.r.itemID(v.box, v.it) }},
	{"item:ParentFolderId", inAll, false, func(v *view) { v.r.folderID("t:ParentFolderId", v.box, v.it.folder) }},
	{"item:ItemClass", inAll, false, func(v *view) { v.leaf("ItemClass", v.itemClass()) }},
	{"item:Subject", inDefault, false, func(v *view) { v.leaf("Subject", v.it.Subject) }},
	{"item:Sensitivity", inDefault, false, func(v *view) { v.leaf("Sensitivity", orElse(v.it.Sensitivity, "Normal")) }},
	{"item:Body", inDefault, true, (*view).body},
	{"item:Attachments", inAll, true, (*view).attachments},
	{"item:DateTimeReceived", inAll, false, func(v *view) { v.moment("DateTimeReceived", v.it.receivedAt()) }},
	{"item:Size", inDefault, false, func(v *view) { v.number("Size", v.it.size()) }},
	{"item:Categories", inAll, false, (*view).categories},
	{"item:Importance", inAll, false, func(v *view) { v.leaf("Importance", orElse(v.it.Importance, "Normal")) }},
	{"item:IsSubmitted", inAll, false, func(v *view) { v.flag("IsSubmitted", false) }},
	{"item:IsDraft", inAll, false, func(v *view) { v.flag("IsDraft", v.it.Draft) }},
	{"item:IsFromMe", inAll, false, func(v *view) { v.flag("IsFromMe", strings.EqualFold(v.it.From.Address, v.box.address)) }},
	{"item:IsResend", inAll, false, func(v *view) { v.flag("IsResend", false) }},
	{"item:IsUnmodified", inAll, false, func(v *view) { v.flag("IsUnmodified", v.it.cn == v.it.born) }},
	{"item:DateTimeSent", inAll, false, func(v *view) { v.moment("DateTimeSent", v.it.receivedAt()) }},
	{"item:DateTimeCreated", inAll, false, func(v *view) { v.moment("DateTimeCreated", v.it.Created) }},
	{"item:ResponseObjects", inDefault, true, (*view).responseObjects},
	{"item:ReminderDueBy", inAll, false, func(v *view) { v.moment("ReminderDueBy", v.it.Start) }},
	{"item:ReminderIsSet", inAll, false, func(v *view) { v.flag("ReminderIsSet", v.it.isCalendar() && v.it.Reminder >= 0) }},
	{"item:ReminderMinutesBeforeStart", inAll, false, func(v *view) {
		v.number("ReminderMinutesBeforeStart", max(v.it.Reminder, 0))
	}},
	{"item:DisplayCc", inAll, false, func(v *view) { v.w.Leaf("t:DisplayCc", v.short(v.display(Optional, v.it.Cc))) }},
	{"item:DisplayTo", inAll, false, func(v *view) { v.w.Leaf("t:DisplayTo", v.short(v.display(Required, v.it.To))) }},
	{"item:HasAttachments", inDefault, false, func(v *view) { v.flag("HasAttachments", v.it.hasAttachments()) }},
	{"item:ExtendedProperty", inDefault, false, (*view).extended},
	{"item:Culture", inAll, false, func(v *view) { v.leaf("Culture", orElse(v.it.Culture, v.box.culture)) }},
	{"item:EffectiveRights", inAll, false, func(v *view) { v.r.rights() }},
	{"item:LastModifiedName", inAll, false, func(v *view) { v.leaf("LastModifiedName", v.box.name) }},
	{"item:LastModifiedTime", inAll, false, func(v *view) { v.moment("LastModifiedTime", v.it.Modified) }},
	{"item:IsAssociated", inAll, false, func(v *view) { v.flag("IsAssociated", false) }},
	{"item:ConversationId", inAll, false, func(v *view) { v.w.Leaf("t:ConversationId", "", "Id", v.conversation()) }},
	{"item:UniqueBody", inNone, true, func(v *view) { v.writeBody("UniqueBody", v.shape.bodyType) }},
	{"item:InstanceKey", inAll, false, func(v *view) { v.leaf("InstanceKey", v.instanceKey()) }},
	{"item:NormalizedBody", inNone, true, func(v *view) { v.writeBody("NormalizedBody", v.shape.bodyType) }},
	{"item:Preview", inNone, false, func(v *view) { v.leaf("Preview", v.preview()) }},
	{"item:TextBody", inNone, true, func(v *view) { v.writeBody("TextBody", "Text") }},
}

// messageProperties are those of MessageType ([MS-OXWSMSG] 2.2.4.1).
var messageProperties = []property{
	{"message:Sender", inAll, false, func(v *view) { v.person("Sender", v.it.From) }},
	{"message:ToRecipients", inDefault, true, func(v *view) { v.people("ToRecipients", v.it.To) }},
	{"message:CcRecipients", inDefault, true, func(v *view) { v.people("CcRecipients", v.it.Cc) }},
	{"message:IsReadReceiptRequested", inDefault, false, func(v *view) { v.flag("IsReadReceiptRequested", false) }},
	{"message:IsDeliveryReceiptRequested", inAll, false, func(v *view) { v.flag("IsDeliveryReceiptRequested", false) }},
	{"message:ConversationIndex", inAll, false, func(v *view) { v.leaf("ConversationIndex", v.conversation()) }},
	{"message:ConversationTopic", inAll, false, func(v *view) { v.leaf("ConversationTopic", v.it.Subject) }},
	{"message:From", inDefault, false, func(v *view) { v.person("From", v.it.From) }},
	{"message:InternetMessageId", inAll, false, func(v *view) { v.leaf("InternetMessageId", v.it.MessageID) }},
	{"message:IsRead", inDefault, false, func(v *view) { v.flag("IsRead", v.it.Read) }},
	{"message:IsResponseRequested", inAll, false, func(v *view) { v.flag("IsResponseRequested", !v.it.NoResponse) }},
	{"message:ReceivedBy", inAll, false, func(v *view) { v.person("ReceivedBy", v.box.person()) }},
	{"message:ReceivedRepresenting", inAll, false, func(v *view) { v.person("ReceivedRepresenting", v.box.person()) }},
}

// display joins the names of recipients, or of attendees of a kind.
func (v *view) display(kind Kind, people []Person) string {
	var names []string
	for _, p := range people {
		names = append(names, orElse(p.Name, p.Address))
	}
	if v.it.isCalendar() && !(v.r.s.traits.hiddenAttendees && !v.shape.has("calendar:IsMeeting")) {
		for _, a := range v.it.Attendees {
			if a.Kind == kind || (kind == Required && a.Kind == Resource) {
				names = append(names, orElse(a.Name, a.Address))
			}
		}
	}
	return strings.Join(names, "; ")
}

func orElse(s, other string) string {
	if s == "" {
		return other
	}
	return s
}

func (v *view) itemClass() string {
	if v.it.Occurrence == "Occurrence" || v.it.Occurrence == "Exception" {
		return "IPM.Appointment.Occurrence"
	}
	return v.it.Class
}

func (v *view) categories() {
	if len(v.it.Categories) == 0 {
		return
	}
	v.w.Start("t:Categories")
	for _, c := range v.it.Categories {
		v.w.Leaf("t:String", c)
	}
	v.w.End()
}

// extended writes the extended properties that were asked for, with the path
// that the request used.
func (v *view) extended() {
	for _, path := range v.shape.extended {
		p, ok := v.property(path)
		if !ok {
			continue
		}
		v.w.Start("t:ExtendedProperty")
		v.w.Leaf("t:ExtendedFieldURI", "", path.attributes()...)
		if strings.HasSuffix(path.Type, "Array") {
			v.w.Start("t:Values")
			for _, s := range p.Values {
				v.w.Leaf("t:Value", v.short(s))
			}
			v.w.End()
		} else {
			v.w.Leaf("t:Value", v.short(p.Value))
		}
		v.w.End()
	}
}

// responseObjects tells what may be answered to the item.
func (v *view) responseObjects() {
	var names []string
	switch {
	case v.it.isCalendar() && v.it.IsMeeting() && v.it.IsOrganizer():
		names = []string{"CancelCalendarItem", "ForwardItem"}
	case (v.it.isCalendar() && v.it.IsMeeting()) || elementOf(v.it.Class) == "MeetingRequest":
		names = []string{"AcceptItem", "TentativelyAcceptItem", "DeclineItem", "ReplyToItem", "ReplyAllToItem", "ForwardItem"}
	case v.it.isCalendar():
		names = []string{"ForwardItem"}
	default:
		names = []string{"ReplyToItem", "ReplyAllToItem", "ForwardItem"}
	}
	v.w.Start("t:ResponseObjects")
	for _, n := range names {
		v.w.Leaf("t:"+n, "")
	}
	v.w.End()
}

func (r *request) rights() {
	r.w.Start("t:EffectiveRights")
	for _, name := range []string{"CreateAssociated", "CreateContents", "CreateHierarchy", "Delete", "Modify", "Read", "ViewPrivateItems"} {
		r.w.Leaf("t:"+name, strconv.FormatBool(!slices.Contains([]string{"CreateAssociated", "CreateHierarchy"}, name)))
	}
	r.w.End()
}

// receivedAt is when the item reached its folder.
func (it *Item) receivedAt() time.Time {
	if !it.Received.IsZero() {
		return it.Received
	}
	return it.Created
}
