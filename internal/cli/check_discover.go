package cli

import (
	"context"
	"fmt"
	"log/slog"
	"net/url"
	"slices"
	"strings"

	"github.com/koyomi-cal/koyomi/ews"
	"github.com/koyomi-cal/koyomi/internal/exchange"
)

// servers is Exchange as the connector uses it, with a client for each account
// and address of Exchange Web Services, and which address serves a mailbox.
type servers struct {
	exchange *exchange.Exchange
	accounts []exchange.Access        // the one in use, and one that stands by
	urls     []string                 // of the servers
	of       map[string]ews.Discovery // by address; empty where one URL serves all
	clients  map[string][]*ews.Client // by URL, one for each account
}

func (s *servers) close() {
	for _, a := range s.accounts {
		a.Client.Close()
	}
}

// client returns the client for a mailbox, or why there is none.
func (s *servers) client(mailbox string) (*ews.Client, error) { return s.clientOf(0, mailbox) }

// clientOf is client for one of the accounts.
func (s *servers) clientOf(account int, mailbox string) (*ews.Client, error) {
	url := s.urls[0]
	if len(s.of) > 0 {
		d, known := s.of[mailbox]
		switch {
		case !known:
			return nil, fmt.Errorf("the server of %s was not looked for", mailbox)
		case d.Err != nil:
			return nil, d.Err
		}
		url = d.EWSURL
	}
	return s.clients[url][account], nil
}

// findServers takes the configuration's URL or, without one, finds the servers
// of the mailboxes by Autodiscover. It signs in as the connector does.
func findServers(env *environment, c exchangeConfig, mailboxes []string, log *slog.Logger) (*servers, error) {
	o, err := c.options(env, log)
	if err != nil {
		return nil, err
	}
	o.Log = log
	s := &servers{of: map[string]ews.Discovery{}, clients: map[string][]*ews.Client{}, urls: []string{c.URL}}
	if s.exchange, err = exchange.New(o); err != nil {
		return nil, err
	}
	if s.accounts, err = s.exchange.Accesses(); err != nil {
		return nil, err
	}
	if c.URL == "" {
		if err := s.find(env.ctx, mailboxes); err != nil {
			return nil, err
		}
	}
	for _, u := range s.urls {
		for _, a := range s.accounts {
			client, err := a.Client.At(u)
			if err != nil {
				return nil, err
			}
			s.clients[u] = append(s.clients[u], client)
		}
	}
	return s, nil
}

// find finds the servers of mailboxes.
func (s *servers) find(ctx context.Context, mailboxes []string) error {
	found, err := s.exchange.Find(ctx, mailboxes...)
	if err != nil {
		return err
	}
	s.urls = s.urls[:0]
	for _, f := range found {
		s.of[f.Address] = f
		if f.Err == nil && !slices.Contains(s.urls, f.EWSURL) {
			s.urls = append(s.urls, f.EWSURL)
		}
	}
	slices.Sort(s.urls)
	return nil
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
	case ews.CodeAuthFailed, ews.CodeAccountLocked, ews.CodeNoScheme, ews.CodeProxyAuth: // as anywhere
	case ews.CodeHostPending:
		s.cure(remedy{k.lang.text("if the host is your own, allow it: ", "自組織のホストであれば許可してください: "), allowCommand(d.Err.Values["Hosts"])})
	case ews.CodeOnline:
		s.cure(remedy{words: k.lang.text("the mailbox is in Exchange Online, which is not served: take it off the list", "メールボックスは Exchange Online にあり、対象外です。一覧から外してください")})
	default:
		s.cure(remedy{command: "Get-ClientAccessService | Format-List Name,AutoDiscoverServiceInternalUri"})
	}
	return s
}

// lockout says how many refused passwords lock an account, where a directory is
// named, and warns where requests under way can be as many.
func (k checker) lockout(ctx context.Context, a exchange.Access) (detail, warning string) {
	if !k.found.exchange.HasDirectory() {
		return "", ""
	}
	l, err := k.found.exchange.Lockout(ctx, a)
	switch {
	case err != nil:
		return k.lang.text("; its threshold cannot be read from the directory", "(ディレクトリからしきい値を読めません)"),
			k.lang.text("directory: ", "ディレクトリ: ") + sentence(err)
	case l.Threshold == 0:
		return k.lang.text("; the directory never locks it", "(ディレクトリはロックしません)"), ""
	case l.Threshold <= k.found.exchange.MaxConcurrent():
		warning = k.lang.text("a password that is changed while requests are under way can lock the account: raise the threshold, or change passwords with a standby account",
			"要求の送信中にパスワードを変更すると、アカウントがロックされることがあります。しきい値を上げるか、待機アカウントを使って変更してください")
	}
	return fmt.Sprintf(k.lang.text("; it is %d within %v", "(しきい値 %d 回、期間 %v)"), l.Threshold, l.Window), warning
}

// allowCommand allows the hosts of an error.
func allowCommand(hosts string) string { return "koyomi autodiscover allow " + hosts }
