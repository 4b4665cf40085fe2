package meet

import (
	"context"
	"fmt"
	"net/url"
	"strings"

	"github.com/koyomi-cal/koyomi/internal/calendar"
)

// TemplateConfig describes personal rooms whose addresses follow a pattern. In
// URL and SIP these stand for parts of the organiser's address:
//
//	{{user}}     ann
//	{{domain}}   example.com
//	{{address}}  ann@example.com
type TemplateConfig struct {
	Provider string // kind of the link, a provider name of package detect; empty: "other"
	URL      string // e.g. "https://vc.example.com/{{user}}"
	SIP      string // e.g. "{{user}}@vc.example.com"; empty: none
	Passcode string // the same for all rooms; empty: none
	Dialin   []calendar.Dialin
}

// Prefix returns what all links of the pattern begin with, so that detection
// knows them again; empty if the pattern begins with a placeholder.
func (c TemplateConfig) Prefix() string {
	prefix, _, _ := strings.Cut(c.URL, "{{")
	return prefix
}

// Template hands out personal rooms by a pattern.
type Template struct {
	name   string
	config TemplateConfig
}

// NewTemplate checks the pattern.
func NewTemplate(name string, c TemplateConfig) (*Template, error) {
	if c.Provider == "" {
		c.Provider = "other"
	}
	sample := calendar.Mailbox{Address: "user@example.com"}
	raw, err := expand(c.URL, sample, url.PathEscape)
	if err != nil {
		return nil, fmt.Errorf("meeting service %s: url: %w", name, err)
	}
	if u, err := url.Parse(raw); err != nil || u.Scheme != "https" || u.Host == "" || strings.Contains(c.Prefix(), " ") {
		return nil, fmt.Errorf("meeting service %s: url has to begin with https:// and a host, such as https://vc.example.com/{{user}}", name)
	}
	if raw == c.URL {
		return nil, fmt.Errorf("meeting service %s: url has no {{user}} or {{address}}: everybody would get the same room", name)
	}
	sip, err := expand(c.SIP, sample, nil)
	if err != nil {
		return nil, fmt.Errorf("meeting service %s: sip: %w", name, err)
	}
	if sip != "" && !strings.Contains(sip, "@") {
		return nil, fmt.Errorf("meeting service %s: sip has to be an address such as {{user}}@vc.example.com", name)
	}
	return &Template{name, c}, nil
}

// Name is the service's name as people know it.
func (t *Template) Name() string { return t.name }

// Join returns the mailbox's personal room; nothing else is offered.
func (t *Template) Join(_ context.Context, r Request) (calendar.JoinDetails, error) {
	if r.Action == Space || r.Action == OneTime {
		return calendar.JoinDetails{}, notOffered(t.name, r.Action)
	}
	link, err := expand(t.config.URL, r.Mailbox, url.PathEscape)
	if err == nil {
		var sip string
		if sip, err = expand(t.config.SIP, r.Mailbox, nil); err == nil {
			return calendar.JoinDetails{Service: t.name, Personal: true, JoinMethod: calendar.JoinMethod{
				Kind: t.config.Provider, URL: link, SIP: sip, Passcode: t.config.Passcode, Dialin: t.config.Dialin,
			}}, nil
		}
	}
	return calendar.JoinDetails{}, &Error{Service: t.name, State: BadRequest, Message: "the mailbox has no address from which to make its room", Cause: err}
}

// expand fills a pattern with the parts of a mailbox's address.
func expand(pattern string, m calendar.Mailbox, escape func(string) string) (string, error) {
	if escape == nil {
		escape = func(s string) string { return s }
	}
	address := strings.ToLower(strings.TrimSpace(m.Address))
	user, domain, ok := strings.Cut(address, "@")
	if !ok || user == "" || domain == "" || strings.ContainsAny(address, " \t\r\n\"<>/?#") {
		return "", fmt.Errorf("mailbox %s has no SMTP address that can stand in a link", m.ID)
	}
	out := strings.NewReplacer("{{user}}", escape(user), "{{domain}}", escape(domain), "{{address}}", escape(address)).Replace(pattern)
	if strings.Contains(out, "{{") || strings.Contains(out, "}}") {
		return "", fmt.Errorf("unknown placeholder in %q: there are {{user}}, {{domain}} and {{address}}", pattern)
	}
	return out, nil
}
