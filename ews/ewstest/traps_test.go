package ewstest

import (
	"strings"
	"testing"
	"unicode"
)

// TestIdsAreCaseSensitive: an id whose letters are turned round is another
// item's, or nobody's; who keeps ids without regard to case mixes items up.
func TestIdsAreCaseSensitive(t *testing.T) {
	t.Parallel()
	for _, dialect := range Dialects() {
		r := newRig(t, Options{Dialect: dialect})
		id := r.create(user1, "SendToNone", tomorrow).Attr("Id")
		for name, other := range map[string]string{
			"ToUpper": strings.ToUpper(id), "ToLower": strings.ToLower(id),
			"the other case": strings.Map(func(c rune) rune {
				if unicode.IsUpper(c) {
					return unicode.ToLower(c)
				}
				return unicode.ToUpper(c)
			}, id),
		} {
			if code := r.code(user1, getItem(other)); code == "NoError" {
				t.Errorf("%s, %s: the item is found by %s", dialect, name, other)
			}
		}
	}
}

// TestAlternateIdHasItsType: real servers write the type, and some clients
// generated from the schema cannot read the answer without.
func TestAlternateIdHasItsType(t *testing.T) {
	t.Parallel()
	for _, dialect := range Dialects() {
		r := newRig(t, Options{Dialect: dialect})
		id := r.create(user1, "SendToNone", tomorrow).Attr("Id")
		a := r.send(svc, "password", envelope(user1, `<m:ConvertId DestinationFormat="HexEntryId"><m:SourceIds><t:AlternateId Format="EwsId" Id="`+id+`" Mailbox="`+user1+`"/></m:SourceIds></m:ConvertId>`))
		if !strings.Contains(string(a.raw), `xsi:type="t:AlternateIdType"`) {
			t.Errorf("%s: %s", dialect, a.raw)
		}
	}
}

// TestSOAPActionIsNotLookedAt: the WSDL has a wrong one, most clients send
// none, and some send that of another operation.
func TestSOAPActionIsNotLookedAt(t *testing.T) {
	t.Parallel()
	r := newRig(t, Options{})
	for _, action := range []string{"", `""`, "http://schemas.microsoft.com/exchange/services/2006/messages/GetEvents", "nonsense"} {
		if a := r.send(svc, "password", envelope(user1, getCalendar), "SOAPAction", action); a.status != 200 {
			t.Errorf("%q: %d", action, a.status)
		}
	}
}

// TestUpdateNeedsItsSendMode: UpdateItem of a calendar item without its
// attribute is refused, and so is DeleteItem.
func TestUpdateNeedsItsSendMode(t *testing.T) {
	t.Parallel()
	r := newRig(t, Options{})
	id := r.create(user1, "SendToNone", tomorrow)
	body := updateItem(id, "AlwaysOverwrite", "SendToNone", setField("item:Subject", `<t:Subject>x</t:Subject>`))
	if got := r.code(user1, strings.Replace(body, ` SendMeetingInvitationsOrCancellations="SendToNone"`, "", 1)); got != "ErrorSendMeetingInvitationsOrCancellationsRequired" {
		t.Errorf("UpdateItem: %s", got)
	}
	if got := r.code(user1, strings.Replace(body, ` ConflictResolution="AlwaysOverwrite"`, "", 1)); got != "ErrorSchemaValidation" {
		t.Errorf("without ConflictResolution: %s", got)
	}
	remove := `<m:DeleteItem DeleteType="HardDelete"><m:ItemIds><t:ItemId Id="` + id.Attr("Id") + `"/></m:ItemIds></m:DeleteItem>`
	if got := r.code(user1, remove); got != "ErrorSendMeetingCancellationsRequired" {
		t.Errorf("DeleteItem: %s", got)
	}
}
