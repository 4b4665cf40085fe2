package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/koyomi-cal/koyomi/ews"
)

type checkCommand struct {
	configFlags
	JSON      bool     `name:"json" help:"Print one JSON object instead of the table."`
	Mailboxes []string `arg:"" optional:"" help:"Addresses to try; none: those of the configuration."`
}

// step is one thing that has to work, and how it went.
type step struct {
	Mailbox string `json:"mailbox,omitempty"` // empty: the server as a whole
	Step    string `json:"step"`
	OK      bool   `json:"ok"`
	Detail  string `json:"detail,omitempty"`
	Cause   string `json:"cause,omitempty"`
	Repair  string `json:"repair,omitempty"`
}

// Run goes through the steps. It writes nothing to any mailbox.
func (c *checkCommand) Run(env *environment) error {
	var config connectorConfig
	if err := loadConfig(&config, c.Config, env.getenv, c.Set); err != nil {
		return err
	}
	if err := config.Exchange.check(); err != nil {
		return err
	}
	mailboxes := c.Mailboxes
	if len(mailboxes) == 0 {
		for _, m := range config.Mailboxes {
			mailboxes = append(mailboxes, m.Address)
		}
	}
	client, err := newExchange(env, config.Exchange)
	if err != nil {
		return err
	}
	defer client.Close()

	r := report{env: env, asJSON: c.JSON}
	k := checker{client: client, account: config.Exchange.Username, url: config.Exchange.URL, out: r.add}
	if k.server(env.ctx) {
		for _, m := range mailboxes {
			k.mailbox(env.ctx, m)
		}
	}
	return r.end()
}

// checker tries the steps in their order and stops at the first that fails.
type checker struct {
	client  *ews.Client
	account string
	url     string
	out     func(step)
}

const streamWait = 15 * time.Second // a server answers a stream at once; a buffering proxy never does

// server tries what concerns every mailbox.
func (k checker) server(ctx context.Context) bool {
	info, err := k.client.As("").Probe(ctx)
	e, isEWS := errors.AsType[*ews.Error](err)
	refused := isEWS && e.Class() == ews.Auth
	// An account without a mailbox may be told so once it is signed in.
	if err != nil && !refused && !(isEWS && strings.HasPrefix(e.Code, "Error")) {
		k.out(step{Step: "discover", Cause: k.cause(err), Repair: k.repair(err, "")})
		return false
	}
	host := k.url
	if u, err := url.Parse(k.url); err == nil {
		host = u.Host
	}
	k.out(step{Step: "discover", OK: true, Detail: strings.TrimSpace(host + " " + version(info))})
	if refused {
		k.out(step{Step: "authenticate", Cause: k.cause(err), Repair: k.repair(err, "")})
		return false
	}
	k.out(step{Step: "authenticate", OK: true})
	return true
}

func version(i ews.ServerInfo) string {
	if i.Major == 0 {
		return ""
	}
	return fmt.Sprintf("%d.%d.%d.%d", i.Major, i.Minor, i.Build, i.Number)
}

// mailbox tries what concerns one mailbox.
func (k checker) mailbox(ctx context.Context, address string) {
	box := k.client.As(address)
	var rights *ews.EffectiveRights
	steps := []struct {
		name string
		try  func() error
	}{
		{"impersonate", func() error { _, err := box.Probe(ctx); return err }},
		{"bind", func() (err error) { rights, err = bind(ctx, box); return err }},
		{"subscribe", func() error { return subscribe(ctx, box) }},
	}
	for _, s := range steps {
		if err := s.try(); err != nil {
			k.out(step{Mailbox: address, Step: s.name, Cause: k.cause(err), Repair: k.repair(err, address)})
			return
		}
		k.out(step{Mailbox: address, Step: s.name, OK: true})
	}
	switch {
	case rights == nil:
		k.out(step{Mailbox: address, Step: "write", OK: true, Detail: "the server does not say; nothing was written"})
	case rights.Modify:
		k.out(step{Mailbox: address, Step: "write", OK: true, Detail: "allowed; nothing was written"})
	default:
		k.out(step{Mailbox: address, Step: "write", Cause: "the account may read this calendar but not change it", Repair: roleCommand(k.account)})
	}
}

// bind opens the calendar and returns what may be done in it.
func bind(ctx context.Context, box *ews.Mailbox) (*ews.EffectiveRights, error) {
	folders, err := box.GetFolder(ctx, ews.Fields("folder:EffectiveRights"))
	if err != nil {
		return nil, err
	}
	for _, f := range folders {
		return f.Folder.Rights, f.Err
	}
	return nil, errors.New("the server named no calendar")
}

// subscribe makes a subscription, waits for the first word of its stream, and
// takes it away again.
func subscribe(ctx context.Context, box *ews.Mailbox) error {
	id, err := box.Subscribe(ctx, ews.SubscribeRequest{})
	if err != nil {
		return err
	}
	defer box.Unsubscribe(context.WithoutCancel(ctx), id) //nolint:errcheck // it ends by itself in minutes
	ctx, cancel := context.WithTimeoutCause(ctx, streamWait, errBuffered)
	defer cancel()
	for _, err := range box.GetStreamingEvents(ctx, []string{id}, time.Minute) {
		if context.Cause(ctx) == errBuffered { //nolint:errorlint // set above, as it is
			return errBuffered
		}
		return err // the first document, or why there is none
	}
	return errBuffered
}

var errBuffered = errors.New("the event stream stays silent, as behind a proxy that keeps answers back")

// cause puts what went wrong into a sentence.
func (k checker) cause(err error) string { return sentence(err) }

// repair names the command or the place that helps, where there is one.
func (k checker) repair(err error, address string) string {
	if errors.Is(err, errBuffered) {
		return "switch off response buffering for /EWS on every proxy and load balancer in between (nginx: proxy_buffering off)"
	}
	e, is := errors.AsType[*ews.Error](err)
	if !is {
		return ""
	}
	switch e.Code {
	case ews.CodeAuthFailed:
		return "check exchange.username and the content of exchange.password_file; if both are right: Get-WebServicesVirtualDirectory | Set-WebServicesVirtualDirectory -BasicAuthentication $true"
	case ews.CodeAccountLocked:
		return fmt.Sprintf("Unlock-ADAccount -Identity %s", quoteShell(accountName(k.account)))
	case ews.CodeCertificate:
		return "name the authority's certificate in exchange.ca_file, or the host that stands in the server's certificate in exchange.url"
	case ews.CodeDNS:
		return "check the host name in exchange.url"
	case ews.CodeRefused, ews.CodeTimeout, ews.CodeTransport:
		return "check that the server runs and that a firewall lets this machine reach it"
	case ews.CodeNotFound, ews.CodeNotEWS, ews.CodeRedirected:
		return "exchange.url has to be the address of EWS itself, such as https://mail.example.com/EWS/Exchange.asmx: Get-WebServicesVirtualDirectory | Format-List InternalUrl,ExternalUrl"
	case ews.CodeForbidden:
		return "Get-OrganizationConfig | Format-List EwsEnabled,EwsApplicationAccessPolicy,EwsAllowList,EwsBlockList"
	case "ErrorImpersonateUserDenied", "ErrorImpersonationDenied", "ErrorImpersonationFailed", "ErrorAccessDenied":
		return roleCommand(k.account)
	case "ErrorNonExistentMailbox", "ErrorCannotFindUser", "ErrorMailRecipientNotFound":
		return "Get-Recipient " + quoteShell(address)
	case "ErrorAccountDisabled", "ErrorMailboxLogonFailed":
		return fmt.Sprintf("Get-Mailbox %s | Format-List ExchangeUserAccountControl,AccountDisabled", quoteShell(address))
	}
	return ""
}

// roleCommand gives the account the impersonation role within a scope.
func roleCommand(account string) string {
	return fmt.Sprintf(`New-ManagementRoleAssignment -Name "Koyomi impersonation" -Role ApplicationImpersonation -User %s -CustomRecipientWriteScope "Koyomi mailboxes"`, quoteShell(accountName(account)))
}

// accountName takes the domain off DOMAIN\name.
func accountName(account string) string {
	if i := strings.LastIndexByte(account, '\\'); i >= 0 {
		return account[i+1:]
	}
	return account
}

// quoteShell quotes a text for the Exchange Management Shell, which knows no
// way out of single quotes but doubling them.
func quoteShell(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

// report prints steps as they come, or all at the end as JSON.
type report struct {
	env    *environment
	asJSON bool
	steps  []step
	last   string
}

func (r *report) add(s step) {
	r.steps = append(r.steps, s)
	if r.asJSON {
		return
	}
	if s.Mailbox != r.last {
		fmt.Fprintf(r.env.stdout, "%s\n", s.Mailbox)
		r.last = s.Mailbox
	}
	if s.OK {
		fmt.Fprintln(r.env.stdout, strings.TrimRight(fmt.Sprintf("  %-13s ok      %s", s.Step, s.Detail), " "))
		return
	}
	fmt.Fprintf(r.env.stdout, "  %-13s FAILED  %s\n", s.Step, s.Cause)
	if s.Repair != "" {
		fmt.Fprintf(r.env.stdout, "  %-13s repair  %s\n", "", s.Repair)
	}
}

// end prints the JSON and says whether every step went well.
func (r *report) end() error {
	failed := 0
	for _, s := range r.steps {
		if !s.OK {
			failed++
		}
	}
	if r.asJSON {
		out := json.NewEncoder(r.env.stdout)
		out.SetIndent("", "  ")
		out.SetEscapeHTML(false)
		if err := out.Encode(struct {
			OK    bool   `json:"ok"`
			Steps []step `json:"steps"`
		}{failed == 0, r.steps}); err != nil {
			return err
		}
	}
	if failed > 0 {
		return quietError{fmt.Errorf("%d steps failed", failed)}
	}
	return nil
}
