package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/koyomi-cal/koyomi/ews"
	"github.com/koyomi-cal/koyomi/internal/bench"
)

type benchCommands struct {
	EWS    benchEWS       `cmd:"" name:"ews" help:"The Exchange client against the simulator: reads every item of every mailbox, prints one JSON object."`
	Client benchEWSClient `cmd:"" name:"ews-client" hidden:"" help:"The measured process of ews."`
}

type benchEWS struct {
	Mailboxes int    `default:"1000" help:"Mailboxes, 1 to 100000."`
	Events    int    `default:"100" help:"Calendar items in each, 1 to 10000."`
	Attendees int    `default:"5" help:"People invited to each item."`
	Workers   int    `default:"2" help:"Mailboxes read at once."`
	Batch     int    `default:"25" help:"Items in one request, 1 to 200."`
	Plain     bool   `help:"Do not ask for packed (gzip) answers."`
	Versus    string `name:"vs" placeholder:"exchangelib" help:"Have this Python client do the same in the same run, and compare."`
	Python    string `default:"/usr/bin/python3" help:"With --vs: the Python that has it."`
}

// Run measures and prints the result. Progress goes to standard error.
func (c *benchEWS) Run(env *environment) error {
	switch {
	case c.Versus != "" && c.Versus != "exchangelib":
		return usagef("--vs: the bench knows exchangelib, not %q", c.Versus)
	case c.Mailboxes < 1 || c.Mailboxes > 100_000 || c.Events < 1 || c.Events > 10_000:
		return usagef("--mailboxes is 1 to 100000, --events 1 to 10000")
	case c.Batch < 1 || c.Batch > 200 || c.Workers < 1 || c.Workers > 100:
		return usagef("--batch is 1 to 200, --workers 1 to 100")
	}
	program, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find this program, to start it once more: %w", err)
	}
	result, err := bench.NewEWS(bench.EWSOptions{
		Program: program, Mailboxes: c.Mailboxes, Events: c.Events, Attendees: c.Attendees, Workers: c.Workers, Batch: c.Batch,
		Plain: c.Plain, Versus: c.Versus, Python: c.Python, Progress: env.stderr,
	}).Run(env.ctx)
	if env.ctx.Err() != nil {
		return errors.New("ended before the result was there")
	}
	if err != nil {
		return err
	}
	out := json.NewEncoder(env.stdout)
	out.SetIndent("", "  ")
	return out.Encode(result)
}

type benchEWSClient struct {
	URL       string `required:""`
	Mailboxes int    `required:""`
	Workers   int    `default:"4"`
	Batch     int    `default:"50"`
	Plain     bool
	Profile   string `help:"Write a CPU profile to this file."`
}

// Run is the measured process.
func (c *benchEWSClient) Run(env *environment) error {
	addresses := make([]string, c.Mailboxes)
	for i := range addresses {
		addresses[i] = fmt.Sprintf("user%04d@example.com", i+1)
	}
	stop, err := profile(c.Profile)
	if err != nil {
		return err
	}
	defer stop()
	var told struct {
		sync.Mutex
		at time.Time
	}
	told.at = time.Now()
	result, err := bench.Load(env.ctx, bench.LoadOptions{
		URL: c.URL, Account: ews.Credentials{Username: "svc@example.com", Password: ews.NewSecret("password")},
		Mailboxes: addresses, Workers: c.Workers, Batch: c.Batch, Plain: c.Plain,
		Progress: func(items int64) {
			told.Lock()
			defer told.Unlock()
			if now := time.Now(); now.Sub(told.at) > time.Second {
				told.at = now
				fmt.Fprintf(env.stderr, "koyomi ews: %d items\n", items)
			}
		},
	})
	if err != nil {
		return err
	}
	return json.NewEncoder(env.stdout).Encode(result)
}
