package cli

import (
	"errors"

	"github.com/koyomi-cal/koyomi/internal/detect"
)

type detectCommand struct {
	ruleFlags
}

// Run answers standard input line by line.
func (c *detectCommand) Run(env *environment) error {
	rules, err := c.rules(env)
	if err != nil {
		return err
	}
	if err := detect.RunJSON(env.ctx, env.stdin, env.stdout, rules); errors.Is(err, detect.ErrBrokenLine) {
		return errors.New("some lines are no invitation; their answers say why")
	} else if err != nil {
		return err
	}
	return nil
}
