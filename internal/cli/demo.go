package cli

import (
	"errors"
	"log/slog"

	"github.com/koyomi-cal/koyomi/internal/demo"
)

type demoCommand struct {
	Listen  string `default:"127.0.0.1:8480" placeholder:"ADDR" help:"The app's address on loopback; key server, metrics and the demo's page take the three ports after it."`
	Data    string `placeholder:"DIR" help:"Keep the databases there; without it they are thrown away at the end."`
	Once    bool   `help:"Play the story without a person and print one JSON object."`
	Subject string `placeholder:"TEXT" help:"Subject of the first meeting."`
	Verbose bool   `short:"v" help:"Log what the roles do."`
}

// Run runs the demo until it is told to stop.
func (c *demoCommand) Run(env *environment) error {
	log := slog.New(slog.DiscardHandler)
	if c.Verbose {
		log = env.logger(logConfig{Level: "debug"})
	}
	err := demo.Run(env.ctx, demo.Options{Listen: c.Listen, Data: c.Data, Once: c.Once, Subject: c.Subject, Out: env.stdout, Log: log})
	switch {
	case errors.Is(err, demo.ErrListen):
		return usagef("--%v", err)
	case errors.Is(err, demo.ErrStory):
		return quietError{err}
	}
	return err
}
