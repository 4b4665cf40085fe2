package cli

import (
	"errors"
	"fmt"
	"log/slog"

	"github.com/koyomi-cal/koyomi/ews"
	"github.com/koyomi-cal/koyomi/ews/activedirectory"
	"github.com/koyomi-cal/koyomi/internal/exchange"
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
		log.Warn("Autodiscover met a host that is not allowed, and sent it nothing; add it to exchange.autodiscover.allowed_hosts or blocked_hosts",
			"host", r.Host, "origin", r.Origin)
	})
	if err != nil {
		return err
	}
	o.Autodiscover = &exchange.Autodiscover{Trust: trust, RootDomain: c.Autodiscover.RootDomain}
	return nil
}
