package cli

import (
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/koyomi-cal/koyomi/ews"
	"github.com/koyomi-cal/koyomi/ews/activedirectory"
)

// remedy is what to do: in words, by a command, or both, the command last. The
// command stands as it is to be typed, into the Exchange Management Shell where
// nothing else is said.
type remedy struct{ words, command string }

// String is both.
func (r remedy) String() string { return r.words + r.command }

// cure gives a step what to do.
func (s *step) cure(r remedy) { s.Repair, s.Command = r.String(), r.command }

// repair names the command or the place that helps, where there is one.
func (k checker) repair(err error, address string) remedy {
	if errors.Is(err, errBuffered) {
		return remedy{words: k.lang.text("switch off response buffering for /EWS on every proxy and load balancer in between (nginx: proxy_buffering off)",
			"途中のすべてのプロキシとロードバランサーで /EWS の応答のバッファリングを無効にしてください (nginx: proxy_buffering off)")}
	}
	e, is := errors.AsType[*ews.Error](err)
	if !is {
		return remedy{}
	}
	switch e.Code {
	case ews.CodeAuthFailed, ews.CodeNoScheme, ews.CodeAccountLocked, ews.CodeProxyAuth:
		return k.signInRepair(e)
	case ews.CodeTransport:
		if e.Values[activedirectory.KerberosError] != "" {
			return k.signInRepair(e)
		}
		return k.unreached()
	case ews.CodeCertificate:
		return remedy{words: k.lang.text("name the authority's certificate in exchange.ca_file, or the host that stands in the server's certificate in exchange.url",
			"認証局の証明書を exchange.ca_file に指定するか、サーバー証明書にあるホスト名を exchange.url に指定してください")}
	case ews.CodeDNS:
		return remedy{words: k.lang.text("check the host name in exchange.url", "exchange.url のホスト名を確認してください") + k.viaProxy()}
	case ews.CodeRefused, ews.CodeTimeout:
		return k.unreached()
	case ews.CodeNotFound, ews.CodeNotEWS, ews.CodeRedirected:
		return remedy{k.lang.text("exchange.url has to be the address of EWS itself, such as https://mail.example.com/EWS/Exchange.asmx: ",
			"exchange.url には EWS の URL を指定してください (例: https://mail.example.com/EWS/Exchange.asmx): "),
			"Get-WebServicesVirtualDirectory | Format-List InternalUrl,ExternalUrl"}
	case ews.CodeForbidden:
		return remedy{command: "Get-OrganizationConfig | Format-List EwsEnabled,EwsApplicationAccessPolicy,EwsAllowList,EwsBlockList"}
	}
	return remedy{command: k.mailboxCommand(e.Code, address)}
}

func (k checker) unreached() remedy {
	return remedy{words: k.lang.text("check that the server runs and that a firewall lets this machine reach it",
		"サーバーが動作していること、ファイアウォールがこのマシンからの接続を許可していることを確認してください") + k.viaProxy()}
}

// viaProxy adds the proxy to what is to be looked at, where there is one.
func (k checker) viaProxy() string {
	if k.config.Proxy.URL == "" {
		return ""
	}
	return k.lang.text("; what is asked first is the proxy in exchange.proxy.url", "。最初の接続先は exchange.proxy.url のプロキシです")
}

// signInRepair helps where an account or a way to sign in is refused.
func (k checker) signInRepair(e *ews.Error) remedy {
	secret := "exchange.password_file"
	switch s := k.config.SignIn; {
	case s.Keytab != "":
		secret = "exchange.sign_in.keytab_file"
	case s.CertFile != "":
		secret = "exchange.sign_in.certificate_file"
	}
	switch {
	case e.Code == ews.CodeProxyAuth:
		return remedy{words: k.lang.text("check exchange.proxy.username, the content of exchange.proxy.password_file and exchange.proxy.scheme",
			"exchange.proxy.username、exchange.proxy.password_file の内容、exchange.proxy.scheme を確認してください")}
	case e.Code == ews.CodeAccountLocked:
		return remedy{command: "Unlock-ADAccount -Identity " + quoteShell(accountName(k.account))}
	case e.Values[activedirectory.KerberosError] != "":
		return k.kerberosRepair(e, secret)
	case e.Values[ews.TokenError] != "":
		return k.tokenRepair(e, secret)
	case e.Code == ews.CodeNoScheme:
		return remedy{k.lang.text("choose another exchange.sign_in.scheme, or allow this one on the server: ",
			"exchange.sign_in.scheme を変更するか、サーバーで許可してください: "), k.schemeCommand()}
	case k.config.SignIn.Scheme == "oauth": // the token is there, and Exchange does not take it
		return remedy{k.lang.text("check exchange.sign_in.scope and the application's permission full_access_as_app; if both are right: ",
			"exchange.sign_in.scope とアプリケーションの権限 full_access_as_app を確認してください。正しい場合: "),
			"Get-AuthServer | Format-List Name,Type,Enabled,AuthMetadataUrl; " + k.schemeCommand()}
	}
	return remedy{k.lang.text("check exchange.username and the content of "+secret+"; if both are right: ",
		"exchange.username と "+secret+" の内容を確認してください。正しい場合: "), k.schemeCommand()}
}

// kerberosRepair helps where the directory gives no ticket.
func (k checker) kerberosRepair(e *ews.Error, secret string) remedy {
	user := quoteShell(accountName(k.account))
	switch e.Values[activedirectory.KerberosError] {
	case "KDC_ERR_S_PRINCIPAL_UNKNOWN":
		return remedy{k.lang.text("on a domain controller; ACCOUNT is that of the Exchange servers: ", "ドメイン コントローラーで実行。ACCOUNT は Exchange サーバーのアカウント: "),
			"setspn -S " + k.spn() + ` DOMAIN\ACCOUNT`}
	case "KRB_AP_ERR_SKEW":
		return remedy{words: k.lang.text("have this computer take its time from the domain controllers (NTP)", "このマシンの時刻をドメイン コントローラーに合わせてください (NTP)")}
	case "KDC_ERR_ETYPE_NOSUPP":
		return remedy{command: "Set-ADUser -Identity " + user + " -KerberosEncryptionType AES128,AES256"}
	case "error getting key":
		return remedy{k.lang.text("make the keytab anew: ", "keytab を作り直してください: "),
			"ktpass -princ " + accountName(k.account) + "@" + strings.ToUpper(k.config.SignIn.Realm) + " -mapuser " + accountName(k.account) + " -crypto AES256-SHA1 -ptype KRB5_NT_PRINCIPAL -pass * -out koyomi.keytab"}
	}
	if e.Class() != ews.Auth {
		return remedy{k.lang.text("check exchange.sign_in.realm and kdc, and that port 88 is open: ", "exchange.sign_in.realm と kdc、およびポート 88 を確認してください: "),
			"Resolve-DnsName -Type SRV _kerberos._tcp." + strings.ToLower(k.config.SignIn.Realm)}
	}
	return remedy{k.lang.text("check exchange.username, exchange.sign_in.realm and the content of "+secret+": ",
		"exchange.username、exchange.sign_in.realm、"+secret+" の内容を確認してください: "),
		"Get-ADUser -Identity " + user + " -Properties PasswordExpired,LockedOut | Format-List Name,Enabled,PasswordExpired,LockedOut"}
}

// spn is the name of the service that is asked for.
func (k checker) spn() string {
	if k.config.SignIn.SPN != "" {
		return k.config.SignIn.SPN
	}
	if u, err := url.Parse(k.found.urls[0]); err == nil && u.Host != "" {
		return "HTTP/" + u.Hostname()
	}
	return "HTTP/HOST"
}

// tokenRepair helps where the token endpoint gives no token.
func (k checker) tokenRepair(e *ews.Error, secret string) remedy {
	if e.Code != ews.CodeAuthFailed {
		return remedy{words: k.lang.text("check exchange.sign_in.token_url and exchange.sign_in.scope, which ends with /.default for the Microsoft identity platform",
			"exchange.sign_in.token_url と exchange.sign_in.scope を確認してください (Microsoft ID プラットフォームのスコープは /.default で終わります)")}
	}
	command := `Get-MgApplication -Filter "appId eq ` + quoteShell(k.account) + `" | Format-List DisplayName,KeyCredentials,PasswordCredentials`
	if u, err := url.Parse(k.config.SignIn.TokenURL); err == nil && strings.HasPrefix(strings.ToLower(u.Path), "/adfs/") {
		command = "Get-AdfsServerApplication -Identifier " + quoteShell(k.account) + " | Format-List"
	}
	return remedy{k.lang.text("check exchange.username, which is the client id, and "+secret+" against the application's registration (PowerShell of the directory): ",
		"exchange.username (クライアント ID) と "+secret+" を、アプリケーションの登録と照合してください (ディレクトリの PowerShell): "), command}
}

// mailboxCommand looks at a mailbox, or gives the account its rights.
func (k checker) mailboxCommand(code, address string) string {
	box := quoteShell(address)
	switch code {
	case "ErrorImpersonateUserDenied", "ErrorImpersonationDenied", "ErrorImpersonationFailed", "ErrorAccessDenied":
		return roleCommand(k.account)
	case "ErrorNonExistentMailbox", "ErrorCannotFindUser", "ErrorMailRecipientNotFound":
		return "Get-Recipient " + box
	case "ErrorAccountDisabled", "ErrorMailboxLogonFailed":
		return fmt.Sprintf("Get-Mailbox %s | Format-List ExchangeUserAccountControl,AccountDisabled", box)
	case "ErrorMailboxMoveInProgress":
		return "Get-MoveRequest " + box + " | Get-MoveRequestStatistics"
	case "ErrorMailboxStoreUnavailable", "ErrorMailboxFailover":
		return fmt.Sprintf("Get-Mailbox %s | Select-Object -ExpandProperty Database | Get-MailboxDatabaseCopyStatus", box)
	case "ErrorServerBusy", "ErrorExceededConnectionCount", "ErrorExceededSubscriptionCount":
		return "Get-ThrottlingPolicyAssociation " + box + " | Format-List ThrottlingPolicyId"
	case "ErrorFolderNotFound":
		return fmt.Sprintf("Get-MailboxFolderStatistics %s -FolderScope Calendar", box)
	}
	return ""
}

// schemeCommand has the servers offer the way to sign in that is configured.
func (k checker) schemeCommand() string {
	option := map[string]string{"ntlm": "WindowsAuthentication", "kerberos": "WindowsAuthentication", "oauth": "OAuthAuthentication"}[k.config.SignIn.Scheme]
	if option == "" {
		option = "BasicAuthentication"
	}
	return "Get-WebServicesVirtualDirectory | Set-WebServicesVirtualDirectory -" + option + " $true"
}

// lockoutCommand shows after how many refused passwords an account is locked.
func lockoutCommand(account string) string {
	return "Get-ADDefaultDomainPasswordPolicy | Format-List LockoutThreshold,LockoutObservationWindow; Get-ADUserResultantPasswordPolicy " + quoteShell(accountName(account))
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
