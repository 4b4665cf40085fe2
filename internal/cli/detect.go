package cli

import (
	"errors"

	"github.com/koyomi-cal/koyomi/internal/detect"
)

type detectCommand struct {
	SIPDomains []string `name:"sip-domain" placeholder:"DOMAIN" help:"Domain on which digits@domain is a meeting and not a mail address; may be repeated."`
	JitsiHosts []string `name:"jitsi-host" placeholder:"HOST" help:"Host of an own Jitsi server; may be repeated."`
}

// Run answers standard input line by line.
func (c *detectCommand) Run(env *environment) error {
	err := detect.RunJSON(env.ctx, env.stdin, env.stdout, &detect.Rules{SIPDomains: c.SIPDomains, JitsiHosts: c.JitsiHosts})
	if errors.Is(err, detect.ErrBrokenLine) {
		return errors.New("some lines are no invitation; their answers say why")
	}
	return err
}
