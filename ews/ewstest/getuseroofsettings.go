package ewstest

import (
	"strings"
	"time"

	"github.com/koyomi-cal/koyomi/ews/internal/wire"
)

// OOF are the automatic replies of a mailbox ([MS-OXWOOF] 2.2.3).
type OOF struct {
	State      string    // "Disabled", "Enabled", "Scheduled"
	Audience   string    // "None", "Known", "All"; "All" where empty
	Start, End time.Time // of Scheduled; today's next full hour and a day later where zero
	Internal   string    // the reply, as HTML
	External   string
}

// SetOOF sets a mailbox's automatic replies.
func (s *Server) SetOOF(address string, o OOF) { s.change(address, func(b *mailbox) { b.oof = &o }) }

// OOF returns a mailbox's automatic replies.
func (s *Server) OOF(address string) OOF {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if b := s.names[strings.ToLower(address)]; b != nil && b.oof != nil {
		return *b.oof
	}
	return OOF{State: "Disabled"}
}

// getUserOofSettings answers GetUserOofSettings ([MS-OXWOOF] 3.1.4.1). Its
// answer has no response messages.
func (r *request) getUserOofSettings() error {
	if r.body.Child("Mailbox") == nil {
		return schemaViolation("the element Mailbox is missing")
	}
	address, err := r.oofMailbox()
	if err == nil {
		err = r.blocked()
	}
	r.envelope()
	r.w.Start("m:GetUserOofSettingsResponse", "xmlns:m", wire.NSMessages, "xmlns:t", wire.NSTypes)
	r.single(err)
	if err == nil {
		r.showOOF(r.s.OOF(address))
	}
	r.w.End()
	return nil
}

// single writes the one ResponseMessage of the older operations.
func (r *request) single(err error) {
	if err == nil {
		r.w.Start("m:ResponseMessage", "ResponseClass", "Success")
		r.w.Leaf("m:ResponseCode", "NoError")
		r.w.End()
		return
	}
	f := failureOf(err)
	r.call.Code = f.code
	r.w.Start("m:ResponseMessage", "ResponseClass", "Error")
	f.writeMessage(r.w)
	r.w.End()
}

// oofMailbox returns the address of the mailbox that the request names, if the
// caller may see its settings.
func (r *request) oofMailbox() (string, error) {
	address := strings.TrimSpace(r.body.Value("Mailbox", "Address"))
	r.s.mu.RLock()
	defer r.s.mu.RUnlock()
	b := r.s.names[strings.ToLower(address)]
	if b == nil {
		return "", fail("ErrorMailRecipientNotFound")
	}
	if !r.mayOpen(b) {
		return "", fail("ErrorAccessDenied")
	}
	return b.address, nil
}

func (r *request) showOOF(o OOF) {
	start, end := o.Start, o.End
	if start.IsZero() {
		start = r.s.now().Truncate(time.Hour).Add(time.Hour)
	}
	if end.IsZero() {
		end = start.Add(24 * time.Hour)
	}
	r.w.Start("t:OofSettings")
	r.w.Leaf("t:OofState", orElse(o.State, "Disabled"))
	r.w.Leaf("t:ExternalAudience", orElse(o.Audience, "All"))
	r.w.Start("t:Duration") // always there, without a zone: UTC
	r.w.Leaf("t:StartTime", start.UTC().Format("2006-01-02T15:04:05"))
	r.w.Leaf("t:EndTime", end.UTC().Format("2006-01-02T15:04:05"))
	r.w.End()
	for _, reply := range []struct{ name, text string }{{"InternalReply", o.Internal}, {"ExternalReply", o.External}} {
		r.w.Start("t:" + reply.name)
		r.w.Leaf("t:Message", reply.text)
		r.w.End()
	}
	r.w.End()
	r.w.Leaf("m:AllowExternalOof", "All")
}
