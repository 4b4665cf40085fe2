package cli

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/mail"
	"os"
	"path/filepath"
	"strings"

	"github.com/koyomi-cal/koyomi/internal/calendar"
	"github.com/koyomi-cal/koyomi/internal/connector"
	"github.com/koyomi-cal/koyomi/internal/directory"
	"github.com/koyomi-cal/koyomi/internal/exchange"
	"github.com/koyomi-cal/koyomi/internal/render"
	"github.com/koyomi-cal/koyomi/internal/store/sqlite"
)

type mailboxesCommands struct {
	List       mailboxesList       `cmd:"" help:"Print who is served, in which state, and what to do about those that are not."`
	Activate   mailboxesActivate   `cmd:"" help:"Have mailboxes served. What stands in their calendars by then is shown and never written."`
	Deactivate mailboxesDeactivate `cmd:"" help:"Stop serving mailboxes, and take their lists out of the cloud."`
	History    mailboxesHistory    `cmd:"" help:"Print what was done to one mailbox, by whom and when."`
}

// commandLine is by whom the audit record says that a command was given:
// whoever has the right to the data folder.
const commandLine = "command line"

// beside is what a command sees of a connector, which may be running.
type beside struct {
	config   connectorConfig
	file     string // of the configuration
	settings *sqlite.Settings
	cache    *sqlite.Cache
	roster   *connector.Roster
}

// beside opens the connector's databases.
func (f configFlags) beside(env *environment) (b *beside, err error) {
	b = &beside{file: f.Config}
	if err := loadConfig(&b.config, f.Config, env.getenv, f.Set); err != nil {
		return nil, err
	}
	if err := b.config.checkMailboxes(); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, b.Close())
		}
	}()
	if b.settings, err = sqlite.OpenSettings(env.ctx, database(b.config.Data, "settings.db", false)); err != nil {
		return b, err
	}
	if b.cache, err = sqlite.OpenCache(env.ctx, database(b.config.Data, "cache.db", false)); err != nil {
		return b, err
	}
	b.roster, err = connector.OpenRoster(env.ctx, b.settings, b.settings)
	return b, err
}

// Close closes the databases.
func (b *beside) Close() error {
	var errs []error
	if b.cache != nil {
		errs = append(errs, b.cache.Close())
	}
	if b.settings != nil {
		errs = append(errs, b.settings.Close())
	}
	return errors.Join(errs...)
}

// members are those of the roster, and those of the configuration that no
// connector has taken up yet.
func (b *beside) members(ctx context.Context) ([]connector.Member, error) {
	all, err := b.roster.Members(ctx)
	if err != nil {
		return nil, err
	}
	return b.withConfigured(all), nil
}

// isShortID reports whether a text has the form of a short id.
func isShortID(s string) bool {
	rest, ok := strings.CutPrefix(s, "mb-")
	return ok && len(rest) == 12 && strings.Trim(rest, "abcdefghijklmnopqrstuvwxyz234567") == ""
}

// named returns the mailbox that an argument names: by its address, one of its
// further addresses, or its short id. One that is not on the roster comes back
// with its id and, if that was given, its address.
func (b *beside) named(ctx context.Context, name string) (connector.Member, error) {
	name = strings.TrimSpace(name)
	byID := isShortID(name)
	if !byID && !isAddress(name) {
		return connector.Member{}, usagef("%q is neither an address such as aya@example.com nor a short id such as mb-abcdefghij23", name)
	}
	all, err := b.members(ctx)
	if err != nil {
		return connector.Member{}, err
	}
	for _, m := range all {
		if byID && string(m.ID) == name || !byID && m.Owns(name) {
			return m, nil
		}
	}
	var m connector.Member
	m.ID = calendar.MailboxID(name)
	if !byID {
		m.ID, m.Address = b.roster.ID(name), name
	}
	return m, nil
}

func isAddress(s string) bool {
	p, err := mail.ParseAddress(s)
	return err == nil && p.Address == s && len(s) <= 254
}

// who are the mailboxes that a command is about.
type who struct {
	Mailboxes []string `arg:"" optional:"" help:"Addresses; short ids, too, of those that are known."`
	CSV       string   `name:"csv" placeholder:"FILE" help:"A table of mailboxes; its first line names the columns: address, and if need be name, locale, owner, account, aliases."`
	Group     string   `placeholder:"NAME" help:"Everybody in a group of Active Directory, groups within it and all."`
	JSON      bool     `name:"json" help:"Print one JSON object."`
	Lang      string   `help:"Language: en or ja; default as LC_ALL, LC_MESSAGES and LANG say."`
}

type mailboxesActivate struct {
	configFlags
	who
	Name    string   `help:"Display name; of one mailbox only, as the next four."`
	Locale  string   `help:"Language of its join blocks."`
	Owner   string   `help:"The user at the key server; default: the address."`
	Account string   `help:"The account at the cloud, as koyomi cloud enrol printed it."`
	Alias   []string `placeholder:"ADDRESS" help:"A further address of the mailbox; may be repeated."`
	OwnerBy string   `name:"owner-by" enum:"address,guid" default:"address" help:"With --group: what the user is called at the key server: address, or guid for the directory's objectGUID, which outlives renaming."`
}

type mailboxesDeactivate struct {
	configFlags
	who
}

// change is one mailbox of a command, and where it was named.
type change struct {
	connector.Mailbox
	where string // line of a table; empty: named by itself
}

// rejection is a mailbox for which nothing was done, and why. It is part of the
// JSON that is printed.
type rejection struct {
	Where   string `json:"where,omitempty"`
	Address string `json:"address,omitempty"`
	Why     string `json:"why"`
}

// Run activates.
func (c *mailboxesActivate) Run(env *environment) error {
	one := c.Name != "" || c.Locale != "" || c.Owner != "" || c.Account != "" || len(c.Alias) > 0
	if one && (len(c.Mailboxes) != 1 || c.CSV != "" || c.Group != "") {
		return usagef("--name, --locale, --owner, --account and --alias go with one address, and with no --csv or --group")
	}
	return c.run(env, c.configFlags, c.OwnerBy, func(m *connector.Mailbox) error {
		if one {
			m.Name, m.Locale, m.Owner, m.Account, m.Aliases = c.Name, c.Locale, c.Owner, c.Account, c.Alias
		}
		return checkMailbox(*m)
	}, (*connector.Roster).Activate)
}

// Run deactivates.
func (c *mailboxesDeactivate) Run(env *environment) error {
	return c.run(env, c.configFlags, "", func(*connector.Mailbox) error { return nil }, (*connector.Roster).Deactivate)
}

// checkMailbox refuses what could not be served as it is named.
func checkMailbox(m connector.Mailbox) error {
	for _, a := range append([]string{m.Address}, m.Aliases...) {
		if !isAddress(a) {
			return fmt.Errorf("%q is not an address such as aya@example.com", a)
		}
	}
	return (render.Options{Locale: m.Locale}).Check()
}

type act func(r *connector.Roster, ctx context.Context, actor string, m ...connector.Mailbox) ([]connector.Outcome, error)

// run gathers the mailboxes, does it, and says what was done. What cannot be
// done for one holds up no other.
func (w *who) run(env *environment, f configFlags, ownerBy string, complete func(*connector.Mailbox) error, do act) (err error) {
	lang, err := language(w.Lang, env.getenv)
	if err != nil {
		return err
	}
	if len(w.Mailboxes) == 0 && w.CSV == "" && w.Group == "" {
		return usagef("name mailboxes by address, --csv FILE or --group NAME")
	}
	b, err := f.beside(env)
	if err != nil {
		return err
	}
	defer closing(&err, b)
	all, refused, err := w.gather(env, b, ownerBy)
	if err != nil {
		return err
	}
	good := all[:0]
	for _, m := range all {
		if err := complete(&m.Mailbox); err != nil {
			refused = append(refused, rejection{m.where, m.Address, sentence(err)})
			continue
		}
		good = append(good, m)
	}
	mailboxes := make([]connector.Mailbox, len(good))
	for i, m := range good {
		mailboxes[i] = m.Mailbox
	}
	out, err := do(b.roster, env.ctx, commandLine, mailboxes...)
	if err != nil {
		return err
	}
	done := changes{lang: lang, all: good, out: out, refused: refused}
	return done.print(env, w.JSON)
}

// gather collects who is meant: each mailbox once.
func (w *who) gather(env *environment, b *beside, ownerBy string) (all []change, refused []rejection, err error) {
	members, err := b.members(env.ctx)
	if err != nil {
		return nil, nil, err
	}
	known := map[calendar.MailboxID]connector.Mailbox{}
	for _, m := range members {
		known[m.ID] = m.Mailbox
	}
	seen := map[calendar.MailboxID]string{}
	add := func(m connector.Mailbox, where string) {
		if m.ID == "" {
			m.ID = b.roster.ID(m.Address)
		}
		if at, twice := seen[m.ID]; twice {
			if at != "" && where != "" {
				refused = append(refused, rejection{where, m.Address, "the same address as " + at})
			}
			return
		}
		seen[m.ID] = where
		all = append(all, change{kept(m, known[m.ID]), where})
	}
	for _, name := range w.Mailboxes {
		m, err := b.named(env.ctx, name)
		if err != nil {
			return nil, nil, err
		}
		if m.Address == "" {
			return nil, nil, fmt.Errorf("%s: no mailbox with that short id is known", name)
		}
		add(m.Mailbox, "")
	}
	if w.CSV != "" {
		lines, bad, err := readMailboxes(env, w.CSV)
		if err != nil {
			return nil, nil, err
		}
		refused = append(refused, bad...)
		for _, l := range lines {
			add(l.Mailbox, l.where)
		}
	}
	if w.Group != "" {
		people, bad, err := b.group(env, w.Group, ownerBy)
		if err != nil {
			return nil, nil, err
		}
		refused = append(refused, bad...)
		for _, m := range people {
			add(m, "")
		}
	}
	return all, refused, nil
}

// kept fills in, of what is known of a mailbox, what nothing new is said about.
func kept(m, old connector.Mailbox) connector.Mailbox {
	m.Name, m.Locale = cmp.Or(m.Name, old.Name), cmp.Or(m.Locale, old.Locale)
	m.Owner, m.Account = cmp.Or(m.Owner, old.Owner), cmp.Or(m.Account, old.Account)
	if len(m.Aliases) == 0 {
		m.Aliases = old.Aliases
	}
	return m
}

// group reads who is in a group.
func (b *beside) group(env *environment, name, ownerBy string) (people []connector.Mailbox, refused []rejection, err error) {
	if len(b.config.Exchange.Directory.Servers) == 0 {
		return nil, nil, errors.New("--group: name domain controllers in exchange.directory.servers first")
	}
	o, err := b.config.Exchange.options(env, slog.New(slog.DiscardHandler))
	if err != nil {
		return nil, nil, err
	}
	x, err := exchange.New(o)
	if err != nil {
		return nil, nil, err
	}
	ad, err := x.Directory()
	if err != nil {
		return nil, nil, err
	}
	return membersOf(env.ctx, directory.New(ad), name, ownerBy)
}

// membersOf turns the people of a group into mailboxes.
func membersOf(ctx context.Context, d *directory.Directory, group, ownerBy string) (people []connector.Mailbox, refused []rejection, err error) {
	for p, err := range d.Members(ctx, group) {
		if err != nil {
			return nil, nil, fmt.Errorf("--group %s: %w", group, err)
		}
		if p.Remote {
			refused = append(refused, rejection{Address: p.Address, Why: "the mailbox is somewhere else, such as in Exchange Online, and not served"})
			continue
		}
		var m connector.Mailbox
		m.Address, m.Aliases, m.Name = p.Address, p.Aliases, p.Name
		if ownerBy == "guid" {
			m.Owner = p.GUID
		}
		people = append(people, m)
	}
	return people, refused, nil
}

// changes are what a command did.
type changes struct {
	lang    lang
	all     []change
	out     []connector.Outcome
	refused []rejection
}

// maxNamed is how many mailboxes are named one by one.
const maxNamed = 50

// print says what was done, and fails where something was not.
func (c changes) print(env *environment, asJSON bool) error {
	type one struct {
		Mailbox calendar.MailboxID `json:"mailbox"`
		Address string             `json:"address"`
		Changed bool               `json:"changed"`
	}
	done, changed := []one{}, 0
	for i, o := range c.out {
		if o.Err != nil {
			c.refused = append(c.refused, rejection{c.all[i].where, c.all[i].Address, c.lang.why(o.Err)})
			continue
		}
		if o.Changed {
			changed++
		}
		done = append(done, one{o.Mailbox, c.all[i].Address, o.Changed})
	}
	if asJSON {
		if c.refused == nil {
			c.refused = []rejection{}
		}
		if err := printJSON(env.stdout, struct {
			OK      bool        `json:"ok"`
			Changed int         `json:"changed"`
			Done    []one       `json:"mailboxes"`
			Refused []rejection `json:"refused"`
		}{len(c.refused) == 0, changed, done, c.refused}); err != nil {
			return err
		}
	} else {
		for _, d := range done[:min(len(done), maxNamed)] {
			fmt.Fprintln(env.stdout, d.Address+": "+map[bool]string{
				true: c.lang.text("changed", "変更しました"), false: c.lang.text("so already", "変更はありません"),
			}[d.Changed])
		}
		if c.lang == japanese {
			fmt.Fprintf(env.stdout, "変更 %d 件、変更なし %d 件、失敗 %d 件\n", changed, len(done)-changed, len(c.refused))
		} else {
			fmt.Fprintf(env.stdout, "%d changed, %d so already, %d refused.\n", changed, len(done)-changed, len(c.refused))
		}
		for _, r := range c.refused {
			fmt.Fprintln(env.stderr, "koyomi: "+r.String())
		}
	}
	if changed > 0 {
		fmt.Fprintln(env.stderr, c.lang.text("A connector that runs takes it up within five seconds.", "動作中のコネクターには 5 秒以内に反映されます。"))
	}
	if len(c.refused) > 0 {
		return quietError{fmt.Errorf("%d mailboxes were refused", len(c.refused))}
	}
	return nil
}

// why puts what the roster refuses into words.
func (l lang) why(err error) string {
	switch {
	case l != japanese:
	case errors.Is(err, connector.ErrConfigured):
		return "コネクターの設定の mailboxes に記載されており、設定が優先されます"
	case errors.Is(err, connector.ErrNotServed):
		return "有効化されていません"
	case errors.Is(err, connector.ErrShared):
		return "同じアドレスが別のメールボックスで使われています"
	}
	return err.Error()
}

// String is place, address and reason.
func (r rejection) String() string {
	var parts []string
	for _, p := range []string{r.Where, r.Address, r.Why} {
		if p != "" {
			parts = append(parts, p)
		}
	}
	return strings.Join(parts, ": ")
}

// printJSON writes one value as indented JSON.
func printJSON(w interface{ Write([]byte) (int, error) }, v any) error {
	out := json.NewEncoder(w)
	out.SetIndent("", "  ")
	out.SetEscapeHTML(false)
	return out.Encode(v)
}

// create opens a file that only its owner may read, or standard output for "-".
func create(env *environment, file string) (w interface {
	Write([]byte) (int, error)
	Close() error
}, err error) {
	if file == "-" {
		return standardOutput{env}, nil
	}
	return os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
}

// standardOutput is never closed.
type standardOutput struct{ env *environment }

// Write writes to it.
func (s standardOutput) Write(p []byte) (int, error) { return s.env.stdout.Write(p) }

// Close does nothing.
func (standardOutput) Close() error { return nil }

// toTry are the mailboxes that are named, by address or short id, or else all
// that are served. Without a connector's data folder those are the
// configuration's.
func (c *checkCommand) toTry(env *environment, config *connectorConfig) ([]string, error) {
	var byID bool
	for _, m := range c.Mailboxes {
		byID = byID || isShortID(m)
	}
	if len(c.Mailboxes) > 0 && !byID {
		return c.Mailboxes, nil
	}
	var all []string
	if _, err := os.Stat(filepath.Join(config.Data, "settings.db")); err != nil && !byID {
		for _, m := range config.Mailboxes {
			all = append(all, m.Address)
		}
		return all, nil
	}
	b, err := c.beside(env)
	if err != nil {
		return nil, err
	}
	defer func() { _ = b.Close() }() // it was only read
	if !byID {
		members, err := b.members(env.ctx)
		for _, m := range members {
			if m.Served() && m.Address != "" {
				all = append(all, m.Address)
			}
		}
		return all, err
	}
	for _, name := range c.Mailboxes {
		m, err := b.named(env.ctx, name)
		if err != nil {
			return nil, err
		}
		if m.Address == "" {
			return nil, fmt.Errorf("%s: no mailbox with that short id is known", name)
		}
		all = append(all, m.Address)
	}
	return all, nil
}
