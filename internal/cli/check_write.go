package cli

import (
	"bufio"
	"errors"
	"fmt"
	"net/mail"
	"os"
	"strings"

	"github.com/koyomi-cal/koyomi/ews"
	"github.com/koyomi-cal/koyomi/internal/exchange"
)

// checkWrite refuses what would write to anybody who was not named.
func (c *checkCommand) checkWrite() error {
	if len(c.Mailboxes) != 2 || strings.EqualFold(c.Mailboxes[0], c.Mailboxes[1]) {
		return usagef("--write needs two different test mailboxes: koyomi check --config FILE --write A@example.com B@example.com")
	}
	for _, a := range append([]string{c.Room}, c.Mailboxes...) {
		if p, err := mail.ParseAddress(a); a != "" && (err != nil || p.Address != a) {
			return usagef("--write: %q is no address", a)
		}
	}
	if c.Room != "" && (strings.EqualFold(c.Room, c.Mailboxes[0]) || strings.EqualFold(c.Room, c.Mailboxes[1])) {
		return usagef("--room is a third mailbox; a room that is B needs no --room")
	}
	return nil
}

// canary plays the meeting and reports it as a step.
func (c *checkCommand) canary(env *environment, found *servers, r *report) {
	s := step{Step: "canary"}
	if err := c.confirm(env, r.lang); err != nil {
		s.Cause = err.Error()
		r.add([]step{s})
		return
	}
	box := func(address string) exchange.ProbeMailbox {
		if address == "" {
			return exchange.ProbeMailbox{}
		}
		client, err := found.client(address)
		if err != nil { // a room that was not looked for is at A's server
			client, err = found.client(c.Mailboxes[0])
		}
		if err != nil {
			return exchange.ProbeMailbox{}
		}
		return exchange.ProbeMailbox{Box: client.As(address), Address: address}
	}
	result, err := exchange.NewProbe(exchange.ProbeOptions{
		A: box(c.Mailboxes[0]), B: box(c.Mailboxes[1]), Room: box(c.Room), Wait: c.Wait, Long: c.Long,
		Progress: func(what string) { fmt.Fprintf(env.stderr, "canary: %s\n", what) },
	}).Run(env.ctx)
	r.canary = result
	if err == nil && c.Profile != "" {
		err = writeProfile(c.Profile, result.Profile)
	}
	if err != nil {
		s.Cause = sentence(err)
		if e, is := errors.AsType[*ews.Error](err); is {
			s.Code = e.Code
		}
	} else {
		s.OK, s.Detail = true, r.lang.text("played and removed", "実行し、削除しました")
	}
	if n := len(result.Left); n > 0 {
		s.Warning = r.lang.text("left behind: ", "残っているもの: ") + strings.Join(result.Left, "; ")
	}
	r.add([]step{s})
	if !c.JSON {
		printCanary(r, result)
	}
}

// confirm asks on a terminal; elsewhere --yes has to be there.
func (c *checkCommand) confirm(env *environment, l lang) error {
	if c.Yes {
		return nil
	}
	f, is := env.stdin.(*os.File)
	if !is || !isTerminal(f) {
		return errors.New(l.text("--write sends mail between the two mailboxes: add --yes to say that this is wanted",
			"--write は 2 つのメールボックス間でメールを送信します。よければ --yes を付けてください"))
	}
	fmt.Fprintf(env.stderr, l.text("Play a canary meeting in %s and %s (mails are sent between them)? Type yes: ",
		"%s と %s で試験会議を実行しますか (両者の間でメールが送信されます)? yes と入力してください: "), c.Mailboxes[0], c.Mailboxes[1])
	line, _ := bufio.NewReader(f).ReadString('\n')
	if strings.TrimSpace(line) != "yes" {
		return errors.New(l.text("not wanted; nothing was written", "中止しました。何も書き込んでいません"))
	}
	return nil
}

func writeProfile(name string, p *exchange.Profile) error {
	f, err := os.Create(name)
	if err != nil {
		return fmt.Errorf("--profile: %s cannot be written: %s", name, plain(err))
	}
	if err := p.Write(f); err != nil {
		f.Close()
		return err
	}
	return f.Close()
}

// printCanary shows what was found out.
func printCanary(r *report, result exchange.ProbeResult) {
	for _, n := range result.Notes {
		r.row("", r.lang.text("note", "注記"), n)
	}
	fmt.Fprintln(r.env.stdout, r.lang.text("\nWhat this server does:", "\nこのサーバーの動作:"))
	if err := result.Profile.Write(r.env.stdout); err != nil {
		r.row("", r.lang.text("note", "注記"), err.Error())
	}
}
