package cli

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/koyomi-cal/koyomi/ews"
	"github.com/koyomi-cal/koyomi/ews/activedirectory"
)

// checker tries the steps in their order and stops at the first that fails.
type checker struct {
	found   *servers
	config  exchangeConfig
	account string
	lang    lang
}

// streamWait is how long a stream may take to begin: a server answers at once, a
// buffering proxy never does.
const streamWait = 15 * time.Second

// ok and failure make steps.
func ok(mailbox, name, detail string) step {
	return step{Mailbox: mailbox, Step: name, OK: true, Detail: detail}
}

func (k checker) failure(mailbox, name string, err error) step {
	s := step{Mailbox: mailbox, Step: name, Cause: k.cause(err)}
	s.cure(k.repair(err, mailbox))
	if e, is := errors.AsType[*ews.Error](err); is {
		s.Code = e.Code
	}
	return s
}

// server tries what concerns every mailbox of one server.
func (k checker) server(ctx context.Context, address string) (steps []step, well bool) {
	info, err := k.letIn(ctx, address, 0)
	refused, before := signInFailed(err)
	if err != nil && !refused {
		return []step{k.failure("", "discover", err)}, false
	}
	host := address
	if u, err := url.Parse(address); err == nil {
		host = u.Host
	}
	found := ok("", "discover", strings.TrimSpace(host+" "+version(info)))
	if end := k.expiry(ctx, address); !end.IsZero() {
		found.Detail += k.lang.text(", certificate until ", "、証明書の期限 ") + end.UTC().Format(time.DateOnly)
		if found.Warning = k.certificate(time.Until(end)); found.Warning != "" {
			found.cure(remedy{command: "Get-ExchangeCertificate | Format-List Thumbprint,Services,NotAfter"})
		}
	}
	if !before || strings.Contains(found.Detail, " ") { // it was reached
		steps = append(steps, found)
	}
	if refused {
		return append(steps, k.failure("", "authenticate", err)), false
	}
	steps = append(steps, k.authenticated(ctx, "authenticate", 0))
	if len(k.found.accounts) < 2 {
		return steps, true
	}
	if _, err := k.letIn(ctx, address, 1); err != nil {
		return append(steps, k.as(1).failure("", "standby", err)), true
	}
	return append(steps, k.authenticated(ctx, "standby", 1)), true
}

// signInFailed reports whether a failure is one of signing in, and whether it
// came before the server was asked.
func signInFailed(err error) (refused, before bool) {
	e, is := errors.AsType[*ews.Error](err)
	if !is || e.Code == ews.CodeProxyAuth { // who stands before the server
		return false, false
	}
	before = e.Values[activedirectory.KerberosError] != "" || e.Values[ews.TokenError] != ""
	return before || e.Class() == ews.Auth || e.Code == ews.CodeNoScheme, before
}

// letIn asks a server something as one of the accounts, which may have no
// mailbox: being told so is an answer, too.
func (k checker) letIn(ctx context.Context, address string, account int) (ews.ServerInfo, error) {
	info, err := k.found.clients[address][account].As("").Probe(ctx)
	if e, is := errors.AsType[*ews.Error](err); is && e.Class() != ews.Auth && strings.HasPrefix(e.Code, "Error") {
		err = nil
	}
	return info, err
}

// as is the checker with another account, for what is said of it.
func (k checker) as(account int) checker {
	k.account = k.found.accounts[account].Username
	return k
}

// authenticated is the step of an account that is let in: how, and how far it
// is from being locked, or until when its certificate is good.
func (k checker) authenticated(ctx context.Context, name string, account int) step {
	a := k.found.accounts[account]
	who := fmt.Sprintf(k.lang.text("%s as %s", "%s、%s"), schemeName(k.config.SignIn.Scheme), a.Username)
	if k.config.SignIn.Scheme == "oauth" {
		s := ok("", name, who)
		if a.Certificate != nil {
			s.Detail += k.lang.text(", certificate until ", "、証明書の期限 ") + a.Certificate.NotAfter.UTC().Format(time.DateOnly)
			k.clientCertificate(&s, time.Until(a.Certificate.NotAfter))
		}
		return s
	}
	limit, warning := k.lockout(ctx, a)
	s := ok("", name, who+fmt.Sprintf(k.lang.text(
		"; at most %d requests are under way when a password is refused: keep the lockout threshold above that",
		"; パスワードが拒否された時点で送信中の要求は最大 %d 件です。ロックアウトのしきい値はこれより大きくしてください"), k.found.exchange.MaxConcurrent())+limit)
	if s.Warning = warning; warning != "" {
		s.cure(remedy{command: lockoutCommand(a.Username)})
	}
	return s
}

// clientCertificate warns before the certificate ends with which an application
// signs in.
func (k checker) clientCertificate(s *step, left time.Duration) {
	days := soon(left)
	if days == 0 {
		return
	}
	s.Warning = k.lang.text("the certificate with which the account signs in ends in less than "+plural(days, "day")+"; from then on nothing works",
		"サインインに使う証明書の有効期限まで残り "+strconv.Itoa(days)+" 日未満です。期限が切れると接続できなくなります")
	s.cure(remedy{words: k.lang.text("make a new one, register it for the application beside the old one, then replace the files that exchange.sign_in.certificate_file and key_file name: they are taken up within five seconds",
		"新しい証明書を作り、古い証明書と並べてアプリケーションに登録してから、exchange.sign_in.certificate_file と key_file のファイルを置き換えてください (5 秒以内に反映されます)")})
}

// schemeName is how people call a way to sign in.
func schemeName(scheme string) string {
	switch scheme {
	case "ntlm":
		return "NTLM"
	case "kerberos":
		return "Kerberos"
	case "oauth":
		return "OAuth"
	}
	return "Basic"
}

// certificate warns 30, 7 and 1 days before a server's certificate ends.
func (k checker) certificate(left time.Duration) (warning string) {
	days := soon(left)
	if days == 0 {
		return ""
	}
	return k.lang.text("the server's certificate ends in less than "+plural(days, "day")+"; from then on nothing works",
		"サーバー証明書の有効期限まで残り "+strconv.Itoa(days)+" 日未満です。期限が切れると接続できなくなります")
}

// soon returns in less than how many days something ends of which one is warned;
// 0: not soon.
func soon(left time.Duration) int {
	for _, days := range []int{1, 7, 30} {
		if left <= time.Duration(days)*24*time.Hour {
			return days
		}
	}
	return 0
}

// version says which product a build is.
func version(i ews.ServerInfo) string {
	if i.Major == 0 {
		return ""
	}
	return fmt.Sprintf("%s %d.%d.%d.%d", product(i), i.Major, i.Minor, i.Build, i.Number)
}

func product(i ews.ServerInfo) string {
	switch {
	case i.Major == 15 && i.Minor == 0 && i.Build == 847 && i.Number == 4040:
		return "grommunio"
	case i.Major == 15 && i.Minor == 0:
		return "Exchange 2013"
	case i.Major == 15 && i.Minor == 1:
		return "Exchange 2016"
	case i.Major == 15 && i.Minor == 2 && i.Build >= 2562:
		return "Exchange SE"
	case i.Major == 15 && i.Minor == 2:
		return "Exchange 2019"
	}
	return "Exchange"
}

// mailbox tries what concerns one mailbox.
func (k checker) mailbox(ctx context.Context, address string) (out []step) {
	var backEnd string
	ctx = context.WithValue(ctx, backEndKey{}, &backEnd)
	if d, looked := k.found.of[address]; looked {
		out = append(out, k.discovered(address, d))
	}
	client, err := k.found.client(address)
	if err != nil {
		return out
	}
	box, first := client.As(address), len(out)
	info, err := box.Probe(ctx)
	if err != nil {
		return append(out, k.failure(address, "impersonate", err))
	}
	out = append(out, ok(address, "impersonate", ""))
	out = append(out, k.standby(ctx, address)...)
	rights, err := bind(ctx, box)
	if err != nil {
		return append(out, k.failure(address, "bind", err))
	}
	out = append(out, ok(address, "bind", ""))
	if err := subscribe(ctx, box); err != nil {
		return append(out, k.failure(address, "subscribe", err))
	}
	out[first].Detail = version(info)
	if backEnd != "" {
		out[first].Detail = strings.TrimSpace(out[first].Detail + k.lang.text(" on ", " 所在 ") + backEnd)
	}
	out = append(out, ok(address, "subscribe", ""))
	switch {
	case rights == nil:
		return append(out, ok(address, "write", k.lang.text("the server does not say; nothing was written", "サーバーが権限を返しません。書き込みはしていません")))
	case rights.Modify:
		return append(out, ok(address, "write", k.lang.text("allowed; nothing was written", "許可されています。書き込みはしていません")))
	}
	s := step{
		Mailbox: address, Step: "write", Code: "ErrorAccessDenied",
		Cause: k.lang.text("the account may read this calendar but not change it", "この予定表は読めますが、変更できません"),
	}
	s.cure(remedy{command: roleCommand(k.account)})
	return append(out, s)
}

// standby tries whether the account that stands by may act for a mailbox, where
// there is one that is let in.
func (k checker) standby(ctx context.Context, address string) []step {
	if len(k.found.accounts) < 2 || !k.found.accounts[1].Client.HeldUntil().IsZero() {
		return nil
	}
	client, err := k.found.clientOf(1, address)
	if err == nil {
		_, err = client.As(address).Probe(ctx)
	}
	if err != nil {
		return []step{k.as(1).failure(address, "standby", err)}
	}
	return []step{ok(address, "standby", "")}
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

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return strconv.Itoa(n) + " " + noun + "s"
}
