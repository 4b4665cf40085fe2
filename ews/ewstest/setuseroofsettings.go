package ewstest

import (
	"slices"
	"strings"
	"time"

	"github.com/koyomi-cal/koyomi/ews/internal/wire"
)

// setUserOofSettings answers SetUserOofSettings ([MS-OXWOOF] 3.1.4.2).
func (r *request) setUserOofSettings() error {
	e := r.body.Child("UserOofSettings")
	o := OOF{State: e.Value("OofState"), Audience: e.Value("ExternalAudience")}
	if !slices.Contains([]string{"Disabled", "Enabled", "Scheduled"}, o.State) ||
		!slices.Contains([]string{"None", "Known", "All"}, o.Audience) {
		return schemaViolation("OofState or ExternalAudience is missing or not valid")
	}
	o.State, o.Audience = strings.Clone(o.State), strings.Clone(o.Audience)
	o.Internal = strings.Clone(e.Value("InternalReply", "Message"))
	o.External = strings.Clone(e.Value("ExternalReply", "Message"))
	address, err := r.oofMailbox()
	if d := e.Child("Duration"); err == nil && d != nil {
		var err1, err2 error
		o.Start, err1 = parseTimeIn(d.Value("StartTime"), time.UTC)
		o.End, err2 = parseTimeIn(d.Value("EndTime"), time.UTC)
		if err1 != nil || err2 != nil || (o.State == "Scheduled" && !o.End.After(o.Start)) {
			err = failf("ErrorInvalidScheduledOofDuration", "The duration of the automatic replies is not valid.")
		}
	} else if err == nil && o.State == "Scheduled" {
		err = failf("ErrorInvalidScheduledOofDuration", "Scheduled automatic replies need a duration.")
	}
	if err == nil {
		err = r.blocked()
	}
	if err == nil {
		r.s.SetOOF(address, o)
	}
	r.envelope()
	r.w.Start("m:SetUserOofSettingsResponse", "xmlns:m", wire.NSMessages, "xmlns:t", wire.NSTypes)
	r.single(err)
	r.w.End()
	return nil
}
