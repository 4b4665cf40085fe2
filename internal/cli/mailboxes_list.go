package cli

import (
	"cmp"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/koyomi-cal/koyomi/internal/calendar"
	"github.com/koyomi-cal/koyomi/internal/connector"
	"github.com/koyomi-cal/koyomi/internal/mailbox"
	"github.com/koyomi-cal/koyomi/internal/store"
)

type mailboxesList struct {
	configFlags
	State string `enum:",pending,activated,error,leaving,left" default:"" help:"Only those in this state: pending, activated, error, leaving or left."`
	CSV   string `name:"csv" placeholder:"FILE" help:"Write a table into this file; - for standard output."`
	JSON  bool   `name:"json" help:"Print one JSON object."`
	Lang  string `help:"Language: en or ja; default as LC_ALL, LC_MESSAGES and LANG say."`

	Mailboxes []string `arg:"" optional:"" help:"Only these: addresses or short ids."`
}

// The states of a mailbox that is not served any more, beside those of package
// connector.
const (
	stateLeaving = string(store.Leaving)
	stateLeft    = string(store.Left)
)

// listed is one mailbox as it is printed. As JSON its names stay, new ones may
// come.
type listed struct {
	Address  string                 `json:"address"`
	Mailbox  calendar.MailboxID     `json:"mailbox"`
	State    string                 `json:"state"`
	Step     calendar.Step          `json:"step,omitempty"`
	Cause    string                 `json:"cause,omitempty"`
	Repair   string                 `json:"repair,omitempty"`
	Since    time.Time              `json:"since,omitzero"` // activated, or gone
	Baseline time.Time              `json:"baseline,omitzero"`
	Seen     time.Time              `json:"lastSeen,omitzero"`
	Waiting  map[mailbox.Reason]int `json:"waiting,omitempty"`
	By       string                 `json:"by"` // "configuration" or "command"
	Name     string                 `json:"name,omitempty"`
	Locale   string                 `json:"locale,omitempty"`
	Owner    string                 `json:"owner,omitempty"`
	Account  string                 `json:"account,omitempty"`
	Aliases  []string               `json:"aliases,omitempty"`
}

// listing is the whole report.
type listing struct {
	At        time.Time      `json:"at"`      // of the last word of a connector
	Running   bool           `json:"running"` // that is less than two minutes ago
	Counts    map[string]int `json:"counts"`  // by state, of all
	Mailboxes []listed       `json:"mailboxes"`
}

// quietFor is after what silence a connector counts as not running.
const quietFor = 2 * time.Minute

// Run prints who is served.
func (c *mailboxesList) Run(env *environment) (err error) {
	lang, err := language(c.Lang, env.getenv)
	if err != nil {
		return err
	}
	if c.JSON && c.CSV != "" {
		return usagef("--json and --csv are two forms of the same: choose one")
	}
	b, err := c.beside(env)
	if err != nil {
		return err
	}
	defer closing(&err, b)
	only := map[calendar.MailboxID]bool{}
	for _, name := range c.Mailboxes {
		m, err := b.named(env.ctx, name)
		if err != nil {
			return err
		}
		only[m.ID] = true
	}
	all, err := b.listing(env.ctx, time.Now())
	if err != nil {
		return err
	}
	all.Mailboxes = slices.DeleteFunc(all.Mailboxes, func(m listed) bool {
		return c.State != "" && m.State != c.State || len(only) > 0 && !only[m.Mailbox]
	})
	switch {
	case c.JSON:
		return printJSON(env.stdout, all)
	case c.CSV != "":
		return all.table(env, c.CSV)
	}
	all.print(env, lang, time.Now())
	return nil
}

// withConfigured adds the mailboxes of the configuration that are not on the
// roster yet.
func (b *beside) withConfigured(all []connector.Member) []connector.Member {
	known := map[calendar.MailboxID]bool{}
	for _, m := range all {
		known[m.ID] = true
	}
	for _, m := range b.config.Mailboxes {
		n := connector.Member{Mailbox: m.mailbox(), Standing: store.Configured}
		if n.ID = b.roster.ID(m.Address); !known[n.ID] {
			all = append(all, n)
		}
	}
	return all
}

// listing puts together what the databases say.
func (b *beside) listing(ctx context.Context, now time.Time) (l listing, err error) {
	members, err := b.members(ctx)
	if err != nil {
		return l, err
	}
	notes, err := connector.Noted(ctx, b.cache)
	if err != nil {
		return l, err
	}
	active, err := b.settings.Activated(ctx)
	if err != nil {
		return l, err
	}
	baselines := map[calendar.MailboxID]store.Activated{}
	for _, a := range active {
		baselines[calendar.MailboxID(a.Mailbox)] = a
	}
	l = listing{At: notes.At, Running: now.Sub(notes.At) < quietFor, Counts: map[string]int{}, Mailboxes: []listed{}}
	for _, m := range members {
		e := listed{
			Address: m.Address, Mailbox: m.ID, Since: m.At, State: connector.StatePending, By: "command",
			Name: m.Name, Locale: m.Locale, Owner: m.Owner, Account: m.Account, Aliases: m.Aliases,
		}
		if m.Standing == store.Configured {
			e.By = "configuration"
		}
		if !m.Served() {
			e.State = string(m.Standing)
		} else if a := baselines[m.ID]; a.Mailbox != "" && !a.At.Before(m.At) {
			e.Baseline, e.State = a.Baseline, connector.StateActivated
		}
		if n, has := notes.Mailboxes[m.ID]; has && m.Served() && !n.At.Before(m.At) {
			e.State, e.Step, e.Cause, e.Seen, e.Waiting = n.State, n.Step, n.Cause, n.Seen, n.Waiting
		}
		if e.Cause != "" {
			e.Repair = b.repair(e)
		}
		l.Counts[e.State]++
		l.Mailboxes = append(l.Mailboxes, e)
	}
	slices.SortStableFunc(l.Mailboxes, func(x, y listed) int {
		return cmp.Compare(strings.ToLower(x.Address), strings.ToLower(y.Address))
	})
	return l, nil
}

// repair is the command that helps: it stands as it is to be typed.
func (b *beside) repair(e listed) string {
	if e.Step == calendar.StepImpersonate {
		return roleCommand(b.config.Exchange.Username)
	}
	check := "koyomi check"
	if b.file != "" {
		check += " --config " + b.file
	}
	return check + " " + e.Address
}

// Widths of the table's columns: together with the gaps 79.
const addressWidth, stateWidth, timeWidth = 34, 10, 16

// print writes the table for people.
func (l listing) print(env *environment, lang lang, now time.Time) {
	w := env.stdout
	if len(l.Mailboxes) > 0 {
		fmt.Fprintln(w, strings.TrimRight(padded(lang.text("ADDRESS", "アドレス"), addressWidth)+" "+padded(lang.text("STATE", "状態"), stateWidth)+" "+
			padded(lang.text("BASELINE", "基準時刻"), timeWidth)+" "+lang.text("LAST SEEN", "最終応答"), " "))
	}
	columns := columnsOf(w, env.getenv)
	for _, m := range l.Mailboxes {
		state := padded(lang.state(m.State), stateWidth) + " " + padded(moment(m.Baseline), timeWidth) + " " + moment(m.Seen)
		name := cmp.Or(m.Address, string(m.Mailbox))
		if width(name) > addressWidth {
			fmt.Fprintln(w, name)
			name = ""
		}
		fmt.Fprintln(w, strings.TrimRight(padded(name, addressWidth)+" "+state, " "))
		if m.Cause == "" {
			continue
		}
		for i, line := range wrapped(lang.step(string(m.Step))+": "+m.Cause, columns-4) {
			fmt.Fprintln(w, strings.Repeat(" ", 2+2*min(i, 1))+line)
		}
		fmt.Fprintln(w, "  "+lang.text("repair:", "対処:"))
		fmt.Fprintln(w, "    "+m.Repair)
	}
	fmt.Fprintln(w, l.summary(lang))
	switch {
	case l.At.IsZero():
		fmt.Fprintln(env.stderr, lang.text("No connector has run on this data folder yet.", "このデータフォルダーではまだコネクターが動作していません。"))
	case !l.Running:
		fmt.Fprintln(env.stderr, lang.text("The connector does not run; this is how it was at ", "コネクターは停止中です。最後の状態: ")+l.At.Local().Format("2006-01-02 15:04")+lang.text(".", ""))
	}
}

// moment is a time in the time zone of whoever reads it.
func moment(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.Local().Format("2006-01-02 15:04")
}

// summary counts by state.
func (l listing) summary(lang lang) string {
	var parts []string
	total := 0
	for _, s := range []string{connector.StateActivated, connector.StatePending, connector.StateError, stateLeaving, stateLeft} {
		n := l.Counts[s]
		if total += n; n > 0 {
			parts = append(parts, fmt.Sprintf(lang.text("%d %s", "%[2]s %[1]d 件"), n, lang.state(s)))
		}
	}
	if total == 0 {
		return lang.text("No mailbox is activated: koyomi mailboxes activate ADDRESS", "有効なメールボックスはありません: koyomi mailboxes activate ADDRESS")
	}
	return strings.Join(parts, lang.text(", ", "、"))
}

// state names a state for people.
func (l lang) state(s string) string {
	if l != japanese {
		return s
	}
	switch s {
	case connector.StatePending:
		return "準備中"
	case connector.StateActivated:
		return "有効"
	case connector.StateError:
		return "エラー"
	case stateLeaving:
		return "解除中"
	case stateLeft:
		return "解除済み"
	}
	return s
}

// table writes the report as CSV, which `mailboxes activate` reads again.
func (l listing) table(env *environment, file string) (err error) {
	f, err := create(env, file)
	if err != nil {
		return fmt.Errorf("--csv: %s cannot be written: %s", file, plain(err))
	}
	defer closing(&err, f)
	out := csv.NewWriter(f)
	stamp := func(t time.Time) string {
		if t.IsZero() {
			return ""
		}
		return t.UTC().Format(time.RFC3339)
	}
	rows := [][]string{{"address", "name", "locale", "owner", "account", "aliases", "mailbox", "state", "step", "cause", "repair", "since", "baseline", "last_seen", "by"}}
	for _, m := range l.Mailboxes {
		rows = append(rows, []string{
			m.Address, m.Name, m.Locale, m.Owner, m.Account, strings.Join(m.Aliases, " "), string(m.Mailbox), m.State, string(m.Step),
			m.Cause, m.Repair, stamp(m.Since), stamp(m.Baseline), stamp(m.Seen), m.By,
		})
	}
	for _, r := range rows {
		for i := range r {
			r[i] = inert(r[i])
		}
	}
	return errors.Join(out.WriteAll(rows), out.Error())
}

// inert keeps a spreadsheet from taking a text for a formula.
func inert(s string) string {
	if s != "" && strings.ContainsRune("=+-@\t\r", rune(s[0])) {
		return "'" + s
	}
	return s
}

type mailboxesHistory struct {
	configFlags
	JSON    bool   `name:"json" help:"Print one JSON object."`
	Lang    string `help:"Language: en or ja; default as LC_ALL, LC_MESSAGES and LANG say."`
	Mailbox string `arg:"" help:"Address or short id."`
}

// event is one entry of a history as it is printed.
type event struct {
	At     time.Time `json:"at"`
	Action string    `json:"action"`
	Actor  string    `json:"actor"`
}

// Run prints the history.
func (c *mailboxesHistory) Run(env *environment) (err error) {
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
	events, err := b.history(env.ctx, m.ID)
	if err != nil {
		return err
	}
	if c.JSON {
		return printJSON(env.stdout, struct {
			Address string             `json:"address,omitempty"`
			Mailbox calendar.MailboxID `json:"mailbox"`
			History []event            `json:"history"`
		}{m.Address, m.ID, events})
	}
	for _, e := range events {
		fmt.Fprintln(env.stdout, strings.TrimRight(e.At.Local().Format("2006-01-02 15:04:05")+" "+padded(lang.actor(e.Actor), 14)+" "+lang.action(e.Action), " "))
	}
	if len(events) == 0 {
		fmt.Fprintln(env.stdout, lang.text("Nothing was done to this mailbox yet.", "このメールボックスの記録はありません。"))
	}
	return nil
}

func (b *beside) history(ctx context.Context, id calendar.MailboxID) ([]event, error) {
	entries, err := b.roster.History(ctx, id)
	if err != nil {
		return nil, err
	}
	out := make([]event, 0, len(entries))
	for _, e := range entries {
		out = append(out, event{e.At, e.Action, e.Actor})
	}
	return out, nil
}

// action puts an action of the audit record into words.
func (l lang) action(a string) string {
	for _, w := range [][3]string{
		{"roster.activate", "activation asked for", "有効化の指示"},
		{"roster.deactivate", "deactivation asked for", "無効化の指示"},
		{"mailbox.activate", "activated; its baseline is set", "有効化され、基準時刻を設定"},
		{"mailbox.leave", "taken out of the cloud", "クラウドから削除"},
		{"mailbox.purge", "purged", "データを消去"},
		{"mailbox.export", "exported", "データを書き出し"},
		{"trace.subjects", "subjects read for a trace", "トレースのため件名を参照"},
	} {
		if w[0] == a {
			return l.text(w[1], w[2])
		}
	}
	return a
}

// actor puts an actor of the audit record into words.
func (l lang) actor(a string) string {
	switch a {
	case commandLine:
		return l.text(a, "コマンド")
	case "connector":
		return l.text(a, "コネクター")
	}
	return a
}
