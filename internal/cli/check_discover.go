package cli

import (
	"context"
	"fmt"
	"log/slog"
	"net/url"
	"strings"

	"github.com/koyomi-cal/koyomi/ews"
	"github.com/koyomi-cal/koyomi/ews/activedirectory"
)

// servers holds a client for each address of Exchange Web Services, and which
// of them serves a mailbox.
type servers struct {
	clients map[string]*ews.Client   // by URL
	of      map[string]ews.Discovery // by address; empty where one URL serves all
	url     string                   // that one
	account *ews.Account
}

func (s *servers) close() {
	for _, c := range s.clients {
		c.Close()
	}
}

// client returns the client for a mailbox, or why there is none.
func (s *servers) client(mailbox string) (*ews.Client, error) {
	if s.url != "" {
		return s.clients[s.url], nil
	}
	d := s.of[mailbox]
	if d.Err != nil {
		return nil, d.Err
	}
	return s.clients[d.EWSURL], nil
}

// directory opens the directory of the configuration; none is nil. It signs in
// with the same account, so that a wrong password is tried no more often.
func (c *exchangeConfig) openDirectory(account *ews.Account) (*activedirectory.Directory, error) {
	if len(c.Directory.Servers) == 0 {
		return nil, nil
	}
	d, err := activedirectory.NewDirectory(activedirectory.DirectoryOptions{
		Servers: c.Directory.Servers, Site: c.Directory.Site, CAFile: c.Directory.CAFile, Account: account,
	})
	if err != nil {
		return nil, fmt.Errorf("exchange.directory: %w", err)
	}
	return d, nil
}

// findServers makes the client of the configuration's URL or, without one,
// finds the servers of the mailboxes by Autodiscover.
func findServers(env *environment, c exchangeConfig, mailboxes []string, log *slog.Logger) (*servers, error) {
	s := &servers{clients: map[string]*ews.Client{}, of: map[string]ews.Discovery{}, url: c.URL}
	if c.URL != "" {
		client, err := newExchange(env, c, log)
		if err != nil {
			return nil, err
		}
		s.clients[c.URL], s.account = client, client.Account()
		return s, nil
	}
	password, err := readSecret(env, "exchange.password_file", c.PasswordFile, exchangeCredential)
	if err != nil {
		return nil, err
	}
	trust, err := c.trust()
	if err != nil {
		return nil, err
	}
	s.account = ews.NewAccount(ews.Credentials{Username: c.Username, Password: ews.NewSecret(password)}, ews.AccountOptions{})
	o := ews.Options{Account: s.account, CAFile: c.CAFile, Timeout: c.Timeout, UserAgent: userAgent, Logger: log}
	dir, err := c.openDirectory(s.account)
	if err != nil {
		return nil, err
	}
	opts := ews.DiscovererOptions{Options: o, Trust: trust, RootDomain: c.Autodiscover.RootDomain}
	if dir != nil {
		opts.SCP = dir.ServiceConnectionPoints
	}
	d, err := ews.NewDiscoverer(opts)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	for _, f := range d.Find(env.ctx, mailboxes...) {
		s.of[f.Address] = f
		if f.Err != nil || s.clients[f.EWSURL] != nil {
			continue
		}
		o.URL = f.EWSURL
		if s.clients[f.EWSURL], err = ews.New(o); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// discovered is the step of one mailbox whose server was looked for.
func (k checker) discovered(mailbox string, d ews.Discovery) step {
	if d.Err == nil {
		host := d.EWSURL
		if u, err := url.Parse(d.EWSURL); err == nil {
			host = u.Host
		}
		return ok(mailbox, "discover", strings.TrimSpace(host+" "+d.ServerVersion))
	}
	s := k.failure(mailbox, "discover", d.Err)
	switch d.Err.Code {
	case ews.CodeHostPending:
		s.Repair = k.lang.text("allow the host, if it is yours: exchange.autodiscover.allowed_hosts: ", "自組織のホストであれば許可してください: exchange.autodiscover.allowed_hosts: ") + d.Err.Values["Hosts"]
	case ews.CodeOnline:
		s.Repair = k.lang.text("the mailbox is in Exchange Online, which is not served: take it off the list", "メールボックスは Exchange Online にあり、対象外です。一覧から外してください")
	default:
		s.Repair = "Get-ClientAccessService | Format-List Name,AutoDiscoverServiceInternalUri"
	}
	return s
}

// lockout says how many refused passwords lock the account, where a directory
// is named.
func (k checker) lockout(ctx context.Context) string {
	if k.dir == nil {
		return ""
	}
	l, err := k.dir.Lockout(ctx, k.account)
	switch {
	case err != nil:
		return k.lang.text("; its threshold cannot be read from the directory", "(ディレクトリからしきい値を読めません)")
	case l.Threshold == 0:
		return k.lang.text("; the directory never locks it", "(ディレクトリはロックしません)")
	}
	return fmt.Sprintf(k.lang.text("; it is %d within %v", "(しきい値 %d 回、期間 %v)"), l.Threshold, l.Window)
}
