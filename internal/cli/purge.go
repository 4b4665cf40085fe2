package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/koyomi-cal/koyomi/internal/calendar"
	"github.com/koyomi-cal/koyomi/internal/connector"
	"github.com/koyomi-cal/koyomi/internal/mailbox"
	"github.com/koyomi-cal/koyomi/internal/store"
)

type purgeCommand struct {
	configFlags
	Force bool          `help:"Also if its list is still in the cloud: give that up."`
	Wait  time.Duration `default:"20s" help:"How long to wait for a running connector to take the list out of the cloud."`
	JSON  bool          `name:"json" help:"Print the receipt as JSON."`
	Lang  string        `help:"Language: en or ja; default as LC_ALL, LC_MESSAGES and LANG say."`

	Mailbox string `arg:"" help:"Address or short id of a mailbox that is not served any more."`
}

// Run purges, and prints the receipt. The same again removes nothing more.
func (c *purgeCommand) Run(env *environment) (err error) {
	lang, err := language(c.Lang, env.getenv)
	if err != nil {
		return err
	}
	b, err := c.beside(env)
	if err != nil {
		return err
	}
	defer closing(&err, b)
	m, err := b.named(env.ctx, c.Mailbox)
	if err != nil {
		return err
	}
	if m.Standing == store.Configured {
		return fmt.Errorf("%s: take it out of mailboxes in the connector's configuration and restart the connector first", cmp.Or(m.Address, string(m.ID)))
	}
	receipt, err := b.purge(env.ctx, m.ID, c.Force, c.Wait)
	switch {
	case errors.Is(err, connector.ErrServed):
		return fmt.Errorf("%w: koyomi mailboxes deactivate %s", err, cmp.Or(m.Address, string(m.ID)))
	case errors.Is(err, connector.ErrInCloud):
		return fmt.Errorf("%w; start it and repeat this, or give the list up with --force", err)
	case err != nil:
		return err
	}
	if c.JSON {
		return printJSON(env.stdout, receipt)
	}
	printReceipt(env, lang, receipt)
	return nil
}

// purge purges a mailbox, once a connector has taken its list out of the cloud.
func (b *beside) purge(ctx context.Context, id calendar.MailboxID, force bool, wait time.Duration) (connector.Receipt, error) {
	until := time.Now().Add(wait)
	for {
		r, err := b.roster.Purge(ctx, b.cache, commandLine, id, force)
		if !errors.Is(err, connector.ErrInCloud) || time.Now().After(until) {
			return r, err
		}
		t := time.NewTimer(min(time.Second, max(wait, time.Millisecond)))
		select {
		case <-ctx.Done():
			t.Stop()
			return r, ctx.Err()
		case <-t.C:
		}
	}
}

// printReceipt says what was removed, and what was not.
func printReceipt(env *environment, lang lang, r connector.Receipt) {
	w := env.stdout
	row := func(en, ja string, value any) {
		fmt.Fprintln(w, "  "+padded(lang.text(en, ja), 32)+" "+fmt.Sprint(value))
	}
	yes := func(b bool) string {
		if b {
			return lang.text("removed", "削除")
		}
		return lang.text("none", "なし")
	}
	fmt.Fprintln(w, lang.text("Purged ", "消去: ")+string(r.Mailbox)+lang.text(" at ", " ")+r.At.Local().Format("2006-01-02 15:04:05"))
	row("address, names and owner", "アドレスと名前", yes(r.Record))
	row("activation and baseline", "有効化と基準時刻", yes(r.Activation))
	row("what was remembered of its items", "予定の状態", yes(r.State))
	row("entries noted as published", "公開済み項目の記録", r.Entries)
	row("lines of its trace", "トレースの行", r.Trace)
	row("hours of write counts", "書き込み数の記録 (時間)", r.Hours)
	row("audit entries that stay", "残る監査記録", r.Audit)
	if r.Nothing() {
		fmt.Fprintln(w, lang.text("There was nothing to remove.", "削除するものはありませんでした。"))
	}
	if r.Resource != "" {
		fmt.Fprintln(w, lang.text("The keys of its calendar stay at the key server, resource ", "予定表の鍵は鍵サーバーに残ります。リソース ")+r.Resource)
	}
}

type exportCommand struct {
	configFlags
	Out  string `short:"o" placeholder:"FILE" default:"-" help:"Write into this file, which only you may read; default: standard output."`
	Lang string `help:"Language of the receipt: en or ja; default as LC_ALL, LC_MESSAGES and LANG say."`

	Mailbox string `arg:"" help:"Address or short id."`
}

// exported is everything that the connector keeps of a mailbox, but for secrets
// and sync states. What lies sealed in the cloud is read by its owner.
type exported struct {
	Receipt exportReceipt      `json:"receipt"`
	Record  *listed            `json:"record"`
	Writes  []store.WriteCount `json:"writes"`
	Items   []exportedItem     `json:"items"`
	Entries []string           `json:"entries"` // opaque ids of what is noted as published
	Trace   []traced           `json:"trace"`
	History []event            `json:"history"`
}

type exportedItem struct {
	Item    string         `json:"item"`
	Meeting string         `json:"meeting,omitempty"`
	Reason  mailbox.Reason `json:"reason,omitempty"`
	Series  bool           `json:"series,omitempty"`
}

// exportReceipt says what was exported.
type exportReceipt struct {
	Mailbox calendar.MailboxID `json:"mailbox"`
	At      time.Time          `json:"at"`
	Record  bool               `json:"record"`
	Writes  int                `json:"writes"`
	Items   int                `json:"items"`
	Entries int                `json:"entries"`
	Trace   int                `json:"trace"`
	History int                `json:"history"`
}

// Run writes the export, and its receipt on standard error. That it was made is
// put into the audit record first.
func (c *exportCommand) Run(env *environment) (err error) {
	lang, err := language(c.Lang, env.getenv)
	if err != nil {
		return err
	}
	b, err := c.beside(env)
	if err != nil {
		return err
	}
	defer closing(&err, b)
	m, err := b.named(env.ctx, c.Mailbox)
	if err != nil {
		return err
	}
	if err := b.roster.Audited(env.ctx, commandLine, "mailbox.export", m.ID); err != nil {
		return err
	}
	x, err := b.export(env.ctx, m)
	if err != nil {
		return err
	}
	if err := writeExport(env, c.Out, x); err != nil {
		return fmt.Errorf("--out: %s cannot be written: %s", c.Out, plain(err))
	}
	r := x.Receipt
	fmt.Fprintf(env.stderr, lang.text("Exported %s at %s: %d items, %d entries, %d lines of trace, %d hours of writes, %d audit entries.\n",
		"書き出し: %s %s: 予定 %d 件、公開項目 %d 件、トレース %d 行、書き込み記録 %d 時間、監査記録 %d 件\n"),
		r.Mailbox, r.At.Local().Format("2006-01-02 15:04:05"), r.Items, r.Entries, r.Trace, r.Writes, r.History)
	return nil
}

func writeExport(env *environment, file string, x exported) (err error) {
	w, err := create(env, file)
	if err != nil {
		return err
	}
	defer closing(&err, w)
	return printJSON(w, x)
}

// export gathers what is kept of a mailbox.
func (b *beside) export(ctx context.Context, m connector.Member) (x exported, err error) {
	x = exported{Writes: []store.WriteCount{}, Items: []exportedItem{}, Entries: []string{}}
	all, err := b.listing(ctx, time.Now())
	if err != nil {
		return x, err
	}
	for _, e := range all.Mailboxes {
		if e.Mailbox == m.ID {
			x.Record = &e
		}
	}
	counts, err := b.settings.Writes(ctx, time.Time{})
	if err != nil {
		return x, err
	}
	for _, n := range counts {
		if n.Mailbox == string(m.ID) {
			x.Writes = append(x.Writes, n)
		}
	}
	saved, err := b.cache.LoadMailbox(ctx, string(m.ID))
	if err != nil {
		return x, err
	}
	if len(saved.Core) > 0 {
		state := new(mailbox.State)
		if err := state.UnmarshalBinary(saved.Core); err != nil {
			return x, err
		}
		for _, k := range state.Known() {
			x.Items = append(x.Items, exportedItem{k.Item, k.Ref, k.Reason, k.Series})
		}
	}
	rows, err := b.cache.Published(ctx, string(m.ID))
	if err != nil {
		return x, err
	}
	for entry := range rows {
		x.Entries = append(x.Entries, entry)
	}
	t, err := b.trace(ctx, m, time.Time{}, english)
	if err != nil {
		return x, err
	}
	lines := 0
	for _, e := range t.Meetings {
		lines += len(e.Decisions)
	}
	x.Trace = t.Meetings
	if x.History, err = b.history(ctx, m.ID); err != nil {
		return x, err
	}
	x.Receipt = exportReceipt{
		Mailbox: m.ID, At: time.Now().UTC().Truncate(time.Second), Record: x.Record != nil,
		Writes: len(x.Writes), Items: len(x.Items), Entries: len(x.Entries), Trace: lines, History: len(x.History),
	}
	return x, nil
}
