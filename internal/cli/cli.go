// Package cli is the command line: it reads flags and configuration, puts the
// packages of a role together and runs them until it is told to stop.
//
// [Main] is all of the program but os.Exit. It parses the arguments, runs the
// one command they name and turns its error into one sentence on standard
// error and an exit code: 0 done, 1 failed, 2 wrong usage.
//
// A role is put together in plain sight in one file each (connector.go,
// cloud.go, kms.go): open the databases, make the parts from their options,
// hand each part what it needs, run all in one errgroup. Nothing here decides
// anything about calendars or keys.
//
// The first SIGINT or SIGTERM stops a role in order: no new work is begun,
// what is running may end within a few seconds. A second one ends the process
// at once.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/url"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"syscall"

	"github.com/alecthomas/kong"
)

// Exit codes of every command.
const (
	exitDone   = 0
	exitFailed = 1
	exitUsage  = 2
)

// Main runs the command that args (without the program's name) ask for and
// returns the exit code.
func Main(args []string, stdin io.Reader, stdout, stderr io.Writer, getenv func(string) string) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // the second signal ends the process
	return run(ctx, args, stdin, stdout, stderr, getenv)
}

// environment is what a command may touch of the world.
type environment struct {
	ctx            context.Context
	stdin          io.Reader
	stdout, stderr io.Writer
	getenv         func(string) string
}

// commands is the command line. Kong reads the tags; each command's Run is in
// its own file.
type commands struct {
	Connector connectorCommands `cmd:"" help:"The connector: runs beside Exchange and serves its mailboxes."`
	Demo      demoCommand       `cmd:"" help:"Everything on this machine, with a simulated Exchange and a filled calendar."`
	Cloud     cloudCommands     `cmd:"" help:"The cloud: carries sealed meetings and serves the people's app."`
	KMS       kmsCommands       `cmd:"" name:"kms" help:"The key server: keeps the keys and who may have them."`
	Join      joinCommand       `cmd:"" help:"The door to BigBlueButton: creates a meeting when somebody opens its address."`
	Exchange  exchangeCommand   `cmd:"" help:"The Exchange simulator alone."`
	Discover  discoverCommands  `cmd:"" name:"autodiscover" help:"Which hosts Autodiscover may send the service account's password to."`
	Mailboxes mailboxesCommands `cmd:"" help:"Who is served: list, activate, deactivate, history."`
	Trace     traceCommand      `cmd:"" help:"Say why what was or was not done with a mailbox's meetings."`
	Purge     purgeCommand      `cmd:"" help:"Remove all that is kept of a mailbox that is not served any more; prints a receipt."`
	Export    exportCommand     `cmd:"" help:"Write all that is kept of a mailbox as JSON; prints a receipt."`
	Check     checkCommand      `cmd:"" help:"Test the link to Exchange step by step; writes nothing."`
	Bench     benchCommands     `cmd:"" help:"Measure a part of the system under load on this machine; prints JSON."`
	Detect    detectCommand     `cmd:"" help:"Find the meeting in invitations: one JSON object a line in, one a line out."`
	Explain   explainCommand    `cmd:"" help:"Say of one invitation what the Join button would be, and why."`
	Config    configCommand     `cmd:"" help:"Print a commented sample configuration of a role."`
	Version   versionCommand    `cmd:"" help:"Print the version."`
}

func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer, getenv func(string) string) int {
	env := &environment{ctx: ctx, stdin: stdin, stdout: stdout, stderr: stderr, getenv: getenv}
	asked := false
	parser, err := kong.New(&commands{},
		kong.Name("koyomi"),
		kong.Description("Koyomi joins an organisation's Exchange calendars to its video meetings."),
		kong.Writers(stdout, stderr),
		kong.Exit(func(int) { asked = true }), // --help was printed
		kong.ConfigureHelp(kong.HelpOptions{Compact: true}),
	)
	if err != nil {
		return fail(stderr, err)
	}
	if len(args) == 0 {
		return fail(stderr, usagef("name a command, for example `koyomi demo`; `koyomi --help` lists them"))
	}
	command, err := parser.Parse(args)
	switch {
	case asked:
		return exitDone
	case err != nil:
		return fail(stderr, usagef("%v; see `koyomi --help`", err))
	}
	if err := command.Run(env); err != nil {
		return fail(stderr, err)
	}
	return exitDone
}

// fail prints the error's one sentence and returns its exit code.
func fail(stderr io.Writer, err error) int {
	var quiet quietError
	if errors.As(err, &quiet) {
		return exitFailed
	}
	fmt.Fprintln(stderr, "koyomi: "+sentence(err))
	var usage usageError
	if errors.As(err, &usage) {
		return exitUsage
	}
	return exitFailed
}

// usageError is a command line that cannot be carried out as it stands.
type usageError struct{ text string }

func usagef(format string, args ...any) error { return usageError{fmt.Sprintf(format, args...)} }

// Error returns the sentence.
func (e usageError) Error() string { return e.text }

// quietError is a failure whose words have been printed already.
type quietError struct{ cause error }

// Error returns the cause's words.
func (e quietError) Error() string { return e.cause.Error() }

// Unwrap returns the cause.
func (e quietError) Unwrap() error { return e.cause }

// sentence puts an error into words for a person.
func sentence(err error) string {
	text := err.Error()
	if errors.Is(err, syscall.EADDRINUSE) {
		return "the address is in use by another program; stop that, or choose another with --listen or in the configuration: " + text
	}
	return strings.ReplaceAll(text, "\n", "; ")
}

// plain returns what went wrong with a file or an address without repeating
// its name.
func plain(err error) string {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err.Error()
	}
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err.Error()
	}
	return err.Error()
}

// logger returns a logger to standard error as the configuration has it.
func (e *environment) logger(c logConfig) *slog.Logger {
	var level slog.Level
	if level.UnmarshalText([]byte(c.Level)) != nil {
		level = slog.LevelInfo
	}
	options := &slog.HandlerOptions{Level: level}
	if c.Format == "json" {
		return slog.New(slog.NewJSONHandler(e.stderr, options))
	}
	return slog.New(slog.NewTextHandler(e.stderr, options))
}

type configCommand struct {
	Role     string `arg:"" optional:"" help:"connector, cloud or kms."`
	Markdown bool   `hidden:"" help:"Print docs/config.md."`
}

// Run prints the sample.
func (c *configCommand) Run(env *environment) error {
	if c.Markdown {
		markdown(env.stdout)
		return nil
	}
	for _, r := range roles() {
		if r.name == c.Role {
			sample(env.stdout, r.name, r.config())
			return nil
		}
	}
	return usagef("name a role: `koyomi config connector`, `koyomi config cloud`, `koyomi config kms` or `koyomi config join`")
}

type versionCommand struct{}

// Run prints the module's version and the revision it was built from.
func (versionCommand) Run(env *environment) error {
	version, revision := "(unknown)", ""
	if info, ok := debug.ReadBuildInfo(); ok {
		version = info.Main.Version
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" && len(s.Value) > 12 {
				revision = " " + s.Value[:12]
			}
		}
		revision += " " + info.GoVersion
	}
	fmt.Fprintln(env.stdout, "koyomi "+version+revision)
	return nil
}
