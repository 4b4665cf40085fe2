package cli

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/koyomi-cal/koyomi/ews"
	"github.com/koyomi-cal/koyomi/ews/activedirectory"
	"github.com/koyomi-cal/koyomi/internal/exchange"
	"github.com/koyomi-cal/koyomi/internal/store"
	"github.com/koyomi-cal/koyomi/internal/store/sqlite"
)

// rules are the hosts of the configuration.
func (c *exchangeConfig) rules() (rules []ews.HostRule) {
	for _, h := range c.Autodiscover.AllowedHosts {
		rules = append(rules, ews.HostRule{Host: h, State: ews.HostAllowed})
	}
	for _, h := range c.Autodiscover.BlockedHosts {
		rules = append(rules, ews.HostRule{Host: h, State: ews.HostBlocked})
	}
	return rules
}

// trust checks the hosts of the configuration.
func (c *exchangeConfig) trust() (*ews.Trust, error) { return c.trustTelling(nil) }

func (c *exchangeConfig) trustTelling(pending func(ews.HostRule)) (*ews.Trust, error) {
	t, err := ews.NewTrust(c.rules(), pending)
	if e, is := errors.AsType[*ews.Error](err); is {
		return nil, fmt.Errorf("exchange.autodiscover: %s", e.Message)
	}
	return t, err
}

// find puts what the configuration says of Autodiscover and of the directory
// into options. A host that is met and not allowed is told once.
func (c *exchangeConfig) find(o *exchange.Options, log *slog.Logger) error {
	if len(c.Directory.Servers) > 0 {
		o.Directory = &activedirectory.DirectoryOptions{Servers: c.Directory.Servers, Site: c.Directory.Site, CAFile: c.Directory.CAFile}
	}
	if c.URL != "" {
		return nil
	}
	trust, err := c.trustTelling(func(r ews.HostRule) {
		log.Warn("Autodiscover met a host that is not allowed, and sent it nothing; decide with koyomi autodiscover allow or block",
			"host", r.Host, "origin", r.Origin)
	})
	if err != nil {
		return err
	}
	o.Autodiscover = &exchange.Autodiscover{Trust: trust, RootDomain: c.Autodiscover.RootDomain}
	return nil
}

type discoverCommands struct {
	List   autodiscoverList   `cmd:"" help:"Print the hosts: allowed, pending or blocked, and where each was met."`
	Allow  autodiscoverAllow  `cmd:"" help:"Let hosts have the service account's password."`
	Block  autodiscoverBlock  `cmd:"" help:"Have hosts not even asked without a password."`
	Forget autodiscoverForget `cmd:"" help:"Take back what was decided about hosts: they wait again."`
}

// hostFlags are what the decisions about hosts have in common.
type hostFlags struct {
	configFlags
	Hosts []string `arg:"" help:"Host names, with :port where it is not 443."`
}

type (
	autodiscoverAllow  struct{ hostFlags }
	autodiscoverBlock  struct{ hostFlags }
	autodiscoverForget struct{ hostFlags }
)

// Run allows the hosts. The connector may be running.
func (c *autodiscoverAllow) Run(env *environment) error { return c.decide(env, ews.HostAllowed) }

// Run blocks the hosts. The connector may be running.
func (c *autodiscoverBlock) Run(env *environment) error { return c.decide(env, ews.HostBlocked) }

// Run takes decisions back. The connector may be running.
func (c *autodiscoverForget) Run(env *environment) error { return c.decide(env, ews.HostPending) }

// decide notes one decision about every host, and who can read the record who it
// was that decided: somebody with the right to the data folder.
func (c *hostFlags) decide(env *environment, state ews.HostState) (err error) {
	config, settings, err := c.settings(env)
	if err != nil {
		return err
	}
	defer closing(&err, settings)
	for _, host := range c.Hosts {
		if err := config.Exchange.contradicts(host, state); err != nil {
			return err
		}
	}
	for _, host := range c.Hosts {
		r, err := exchange.DecideHost(env.ctx, settings, host, state)
		if err != nil {
			return fmt.Errorf("%s: %w", host, err)
		}
		if err := settings.Audit(env.ctx, store.AuditEntry{At: time.Now(), Actor: "command line", Action: "autodiscover." + string(state), Subject: r.Host}); err != nil {
			return err
		}
		fmt.Fprintf(env.stdout, "%s %s\n", r.Host, state)
	}
	fmt.Fprintln(env.stderr, "A connector that runs takes it up within five seconds.")
	return nil
}

// settings opens the connector's settings beside it.
func (f configFlags) settings(env *environment) (*connectorConfig, store.Settings, error) {
	var config connectorConfig
	if err := loadConfig(&config, f.Config, env.getenv, f.Set); err != nil {
		return nil, nil, err
	}
	settings, err := sqlite.OpenSettings(env.ctx, database(config.Data, "settings.db", false))
	return &config, settings, err
}

// contradicts refuses a decision that the configuration would not let stand.
func (c *exchangeConfig) contradicts(host string, state ews.HostState) error {
	typed, err := ews.NewTrust([]ews.HostRule{{Host: host, State: state}}, nil)
	if e, is := errors.AsType[*ews.Error](err); is {
		return usagef("%s: %s", host, e.Message)
	}
	trust, err := c.trust()
	if err != nil {
		return err
	}
	for _, r := range trust.Rules() {
		if r.Host == typed.Rules()[0].Host && r.State != state {
			return fmt.Errorf("%s stands in exchange.autodiscover.%s_hosts: take it out there, the configuration goes before what is decided here", r.Host, r.State)
		}
	}
	return nil
}

type autodiscoverList struct {
	configFlags
	JSON bool `name:"json" help:"Print one JSON array."`
}

// knownHost is one host as it is printed. As JSON its names stay, new ones may
// come.
type knownHost struct {
	ews.HostRule
	By string `json:"by,omitempty"` // who decided: "configuration" or "command"
}

// Run prints the hosts of the configuration and those that are noted.
func (c *autodiscoverList) Run(env *environment) (err error) {
	config, settings, err := c.settings(env)
	if err != nil {
		return err
	}
	defer closing(&err, settings)
	trust, err := config.Exchange.trust()
	if err != nil {
		return err
	}
	noted, err := exchange.Hosts(env.ctx, settings)
	if err != nil {
		return err
	}
	all, typed := []knownHost{}, map[string]bool{}
	for _, r := range trust.Rules() {
		typed[r.Host] = true
		all = append(all, knownHost{r, "configuration"})
	}
	for _, r := range noted {
		h := knownHost{HostRule: r}
		if r.State != ews.HostPending {
			h.By = "command"
		}
		if !typed[r.Host] {
			all = append(all, h)
		}
	}
	slices.SortFunc(all, func(a, b knownHost) int { return cmp.Compare(a.Host, b.Host) })
	if c.JSON {
		return json.NewEncoder(env.stdout).Encode(all)
	}
	if len(all) == 0 {
		fmt.Fprintln(env.stdout, "No host is known: none is allowed, and Autodiscover has met none.")
	}
	for _, h := range all {
		fmt.Fprintln(env.stdout, strings.TrimRight(padded(string(h.State), 8)+" "+padded(h.Host, 40)+" "+padded(h.Origin, 10)+" "+h.By, " "))
	}
	return nil
}

// withDecisions adds what was decided by command to the configuration's hosts, for
// programs other than the connector itself, where its settings can be read.
func (c *connectorConfig) withDecisions(env *environment) {
	file := filepath.Join(c.Data, "settings.db")
	if _, err := os.Stat(file); err != nil || c.Exchange.URL != "" {
		return
	}
	settings, err := sqlite.OpenSettings(env.ctx, database(c.Data, "settings.db", false))
	if err != nil {
		return // the configuration alone counts then
	}
	defer func() { _ = settings.Close() }()
	noted, err := exchange.Hosts(env.ctx, settings)
	if err != nil {
		return
	}
	a := &c.Exchange.Autodiscover
	for _, r := range noted {
		switch {
		case c.Exchange.contradicts(r.Host, r.State) != nil:
		case r.State == ews.HostAllowed:
			a.AllowedHosts = append(a.AllowedHosts, r.Host)
		case r.State == ews.HostBlocked:
			a.BlockedHosts = append(a.BlockedHosts, r.Host)
		}
	}
}
