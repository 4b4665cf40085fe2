package cli

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/koyomi-cal/koyomi/internal/detect"
)

// detectionConfig holds an organisation's own rules for finding meetings, over
// those that the program brings.
type detectionConfig struct {
	Hosts    []hostConfig    `yaml:"hosts" help:"Hosts on which the organisation runs a meeting service itself"`
	Patterns []patternConfig `yaml:"patterns" help:"Links that no host and prefix describes"`
	Rooms    []roomConfig    `yaml:"rooms" help:"Beginnings of links that lead into lasting rooms; those of services are known already"`
	Priority []string        `yaml:"priority" help:"Providers, such as [webex, jitsi], that go before others where an invitation names several in the same place, dearest first"`
}

type hostConfig struct {
	Provider string `yaml:"provider" help:"Name of the service as koyomi explain shows it, such as bigbluebutton, or other"`
	Host     string `yaml:"host" help:"The host, such as bbb.example.com; .example.com is that domain and all below it, *.example.com what is below it"`
	Prefix   string `yaml:"prefix" help:"How the path of a meeting begins, such as /rooms/; empty: as this service's links look everywhere"`
}

type patternConfig struct {
	Name     string `yaml:"name" help:"Name by which koyomi explain calls the pattern"`
	Provider string `yaml:"provider" help:"Name of the service, or other"`
	Pattern  string `yaml:"pattern" help:"Regular expression (RE2) for whole links with their host, such as https://vc\\.example\\.com/r/\\d+; a group named id is the meeting's number or name"`
}

type roomConfig struct {
	Provider string `yaml:"provider" help:"Name of the service, or other"`
	Prefix   string `yaml:"prefix" help:"How the links begin, from https:// to behind the host at least, such as https://vc.example.com/room/"`
}

// ownRules are the rules that the configuration writes out.
func (c *connectorConfig) ownRules() *detect.Rules {
	r := &detect.Rules{SIPDomains: slices.Clone(c.Organisation.SIPDomains), JitsiHosts: slices.Clone(c.Organisation.JitsiHosts), Priority: c.Detection.Priority}
	for _, h := range c.Detection.Hosts {
		r.Hosts = append(r.Hosts, detect.Host(h))
	}
	for _, p := range c.Detection.Patterns {
		r.Patterns = append(r.Patterns, detect.Pattern(p))
	}
	for _, m := range c.Detection.Rooms {
		r.Rooms = append(r.Rooms, detect.Room(m))
	}
	return r
}

// detectRules are the organisation's rules, with its keywords and with the
// hosts and rooms of its services. Without keywords there is one, for the first
// service.
func (c *connectorConfig) detectRules() *detect.Rules {
	r := c.ownRules()
	for _, k := range c.Keywords {
		r.Keywords = append(r.Keywords, detect.Keyword{Word: k.Word, Default: detect.Action(k.Action), Service: k.Service})
	}
	if len(r.Keywords) == 0 {
		r.Keywords = []detect.Keyword{{Word: "@meet", Default: detect.ActionDefault}}
	}
	for _, s := range c.Services {
		m := s.meet(nil)
		if m.Jitsi != nil {
			r.JitsiHosts = append(r.JitsiHosts, m.Jitsi.Host())
		}
		if m.Personal != nil && m.Personal.Prefix() != "" {
			r.Rooms = append(r.Rooms, detect.Room{Provider: cmp.Or(m.Personal.Provider, "other"), Prefix: m.Personal.Prefix()})
		}
		if m.BigBlueButton != nil {
			r.Rooms = append(r.Rooms, detect.Room{Provider: "bigbluebutton", Prefix: m.BigBlueButton.Prefix()})
		}
	}
	return r
}

// checkRules refuses rules that cannot work, in a sentence that names the key.
func (c *connectorConfig) checkRules() error {
	services := map[string]bool{"": true}
	for i, s := range c.Services {
		if s.Name == "" {
			return fmt.Errorf("services: entry %d needs a name", i+1)
		}
		services[s.Name] = true
	}
	for _, k := range c.Keywords {
		if !strings.HasPrefix(k.Word, "@") || len(k.Word) < 2 {
			return fmt.Errorf("keywords: %q is no keyword: it begins with @, such as @meet", k.Word)
		}
		if !services[k.Service] {
			return fmt.Errorf("keywords: %s names the service %q, which is not in services", k.Word, k.Service)
		}
	}
	err := firstOf(c.ownRules().Validate())
	var rule *detect.RuleError
	switch {
	case !errors.As(err, &rule):
		return err
	case strings.HasPrefix(rule.Rule, "sip_domains"), strings.HasPrefix(rule.Rule, "jitsi_hosts"):
		return fmt.Errorf("organisation.%w", rule)
	}
	return fmt.Errorf("detection.%w", rule)
}

// ruleFlags are the flags of commands that find meetings.
type ruleFlags struct {
	configFlags
	SIPDomains []string `name:"sip-domain" placeholder:"DOMAIN" help:"Domain on which digits@domain is a meeting and not a mail address; may be repeated."`
	JitsiHosts []string `name:"jitsi-host" placeholder:"HOST" help:"Host of an own Jitsi server; may be repeated."`
}

// rules returns the rules of the connector's configuration where one is named,
// else the defaults, with what the flags add.
func (f ruleFlags) rules(env *environment) (*detect.Rules, error) {
	r := &detect.Rules{}
	if f.Config != "" || len(f.Set) > 0 {
		var config connectorConfig
		if err := loadConfig(&config, f.Config, env.getenv, f.Set); err != nil {
			return nil, err
		}
		if err := config.checkRules(); err != nil {
			return nil, &configError{orDefault(f.Config, "--set"), err.Error()}
		}
		r = config.detectRules()
	}
	flags := &detect.Rules{SIPDomains: f.SIPDomains, JitsiHosts: f.JitsiHosts}
	var rule *detect.RuleError
	if err := firstOf(flags.Validate()); errors.As(err, &rule) {
		flag := "--jitsi-host"
		if strings.HasPrefix(rule.Rule, "sip_domains") {
			flag = "--sip-domain"
		}
		return nil, usagef("%s: %s", flag, rule.Problem)
	}
	r.SIPDomains = append(r.SIPDomains, f.SIPDomains...)
	r.JitsiHosts = append(r.JitsiHosts, f.JitsiHosts...)
	return r, nil
}

func orDefault(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}
