package cli

import (
	"errors"
	"fmt"
	"strings"

	"github.com/koyomi-cal/koyomi/ews"
)

// cause puts what went wrong into a sentence. The server's own words, which may
// hold addresses, are never part of it.
func (k checker) cause(err error) string {
	if k.lang != japanese {
		return sentence(err)
	}
	if errors.Is(err, errBuffered) {
		return "イベントの受信が始まりません。途中のプロキシが応答を溜めている可能性があります"
	}
	e, is := errors.AsType[*ews.Error](err)
	if !is {
		return sentence(err)
	}
	if text := causeInJapanese(e); text != "" {
		return text + " [" + e.Code + "]"
	}
	return sentence(err)
}

func causeInJapanese(e *ews.Error) string {
	switch e.Code {
	case ews.CodeAuthFailed:
		return "アカウント名またはパスワードが拒否されました"
	case ews.CodeAccountLocked:
		return "アカウントがロックされています"
	case ews.CodeCertificate:
		return "サーバー証明書を信頼できないか、ホスト名が一致しないか、期限が切れています"
	case ews.CodeTLS:
		return "TLS で接続できません"
	case ews.CodeDNS:
		return "ホスト名を DNS で解決できません"
	case ews.CodeRefused:
		return "接続が拒否されました"
	case ews.CodeTimeout:
		return "時間内に応答がありません"
	case ews.CodeNotFound, ews.CodeNotEWS, ews.CodeRedirected:
		return "この URL で応答したのは Exchange Web Services ではありません"
	case ews.CodeForbidden:
		return "サーバーがアクセスを禁止しています"
	case "ErrorImpersonateUserDenied", "ErrorImpersonationDenied", "ErrorImpersonationFailed":
		return "アカウントにこのメールボックスの偽装 (ApplicationImpersonation) の権限がありません"
	case "ErrorAccessDenied":
		return "アクセスが拒否されました"
	case "ErrorNonExistentMailbox", "ErrorCannotFindUser", "ErrorMailRecipientNotFound":
		return "このメールボックスはサーバーにありません"
	case "ErrorServerBusy", "ErrorExceededConnectionCount":
		return "サーバーが混み合っています"
	case "ErrorExceededSubscriptionCount":
		return "購読数の上限に達しています"
	case "ErrorMailboxMoveInProgress":
		return "メールボックスは移動中です"
	case "ErrorMailboxStoreUnavailable", "ErrorMailboxFailover":
		return "メールボックス データベースを利用できません"
	case "ErrorAccountDisabled", "ErrorMailboxLogonFailed":
		return "メールボックスを開けません"
	case "ErrorFolderNotFound":
		return "予定表フォルダーがありません"
	}
	return ""
}

// repair names the command or the place that helps, where there is one. What is
// for the Exchange Management Shell stands as it is to be typed.
func (k checker) repair(err error, address string) string {
	if errors.Is(err, errBuffered) {
		return k.lang.text("switch off response buffering for /EWS on every proxy and load balancer in between (nginx: proxy_buffering off)",
			"途中のすべてのプロキシとロードバランサーで /EWS の応答のバッファリングを無効にしてください (nginx: proxy_buffering off)")
	}
	e, is := errors.AsType[*ews.Error](err)
	if !is {
		return ""
	}
	switch e.Code {
	case ews.CodeAuthFailed:
		return k.lang.text("check exchange.username and the content of exchange.password_file; if both are right: ",
			"exchange.username と exchange.password_file の内容を確認してください。正しい場合: ") + k.schemeCommand()
	case ews.CodeNoScheme:
		return k.lang.text("choose another exchange.sign_in.scheme, or allow this one on the server: ",
			"exchange.sign_in.scheme を変更するか、サーバーで許可してください: ") + k.schemeCommand()
	case ews.CodeProxyAuth:
		return k.lang.text("check exchange.proxy.username, the content of exchange.proxy.password_file and exchange.proxy.scheme",
			"exchange.proxy.username、exchange.proxy.password_file の内容、exchange.proxy.scheme を確認してください")
	case ews.CodeAccountLocked:
		return "Unlock-ADAccount -Identity " + quoteShell(accountName(k.account))
	case ews.CodeCertificate:
		return k.lang.text("name the authority's certificate in exchange.ca_file, or the host that stands in the server's certificate in exchange.url",
			"認証局の証明書を exchange.ca_file に指定するか、サーバー証明書にあるホスト名を exchange.url に指定してください")
	case ews.CodeDNS:
		return k.lang.text("check the host name in exchange.url", "exchange.url のホスト名を確認してください")
	case ews.CodeRefused, ews.CodeTimeout, ews.CodeTransport:
		return k.lang.text("check that the server runs and that a firewall lets this machine reach it",
			"サーバーが動作していること、ファイアウォールがこのマシンからの接続を許可していることを確認してください")
	case ews.CodeNotFound, ews.CodeNotEWS, ews.CodeRedirected:
		return k.lang.text("exchange.url has to be the address of EWS itself, such as https://mail.example.com/EWS/Exchange.asmx: ",
			"exchange.url には EWS の URL を指定してください (例: https://mail.example.com/EWS/Exchange.asmx): ") +
			"Get-WebServicesVirtualDirectory | Format-List InternalUrl,ExternalUrl"
	case ews.CodeForbidden:
		return "Get-OrganizationConfig | Format-List EwsEnabled,EwsApplicationAccessPolicy,EwsAllowList,EwsBlockList"
	}
	return k.mailboxRepair(e.Code, address)
}

func (k checker) mailboxRepair(code, address string) string {
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
	option := map[string]string{"ntlm": "WindowsAuthentication", "kerberos": "WindowsAuthentication", "oauth": "OAuthAuthentication"}[k.scheme]
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

// advice is a setting of the server that no request shows, with the command
// that looks at it or sets it.
type advice struct {
	Topic   string `json:"topic"`
	Text    string `json:"text"`
	Command string `json:"command"`
}

// adviceFor lists what to look at on every server. The commands are for the
// Exchange Management Shell; names in capitals are the administrator's.
func adviceFor(account string, l lang) []advice {
	user := quoteShell(accountName(account))
	return []advice{
		{"scope", l.text("Say which mailboxes the account may open; without a scope it may open all.",
			"アカウントが開けるメールボックスを限定します。スコープがなければ、すべて開けます。"),
			`New-ManagementScope -Name "Koyomi mailboxes" -RecipientRestrictionFilter {MemberOfGroup -eq "GROUP'S DISTINGUISHED NAME"}`},
		{"impersonation", l.text("Give it the impersonation role inside that scope.", "そのスコープ内で偽装の役割を割り当てます。"), roleCommand(account)},
		{"throttling", l.text("The account's own policy; limits that are higher, never absent. It is charged for what is not charged to the mailboxes.",
			"アカウント専用の調整ポリシーです。上限を上げるだけで、無制限にはしないでください。"),
			`New-ThrottlingPolicy -Name "Koyomi" -ThrottlingPolicyScope Regular -EwsMaxConcurrency 100 -EwsMaxSubscriptions 5000; Set-ThrottlingPolicyAssociation ` + user + ` -ThrottlingPolicy "Koyomi"`},
		{"rooms", l.text("Rooms strip the subject, the text, attachments and the private flag of their copies by default. To show them in the room:",
			"会議室は既定で、件名、本文、添付ファイル、非公開の設定を取り除きます。会議室に表示するには:"),
			"Get-Mailbox -RecipientTypeDetails RoomMailbox | Set-CalendarProcessing -AutomateProcessing AutoAccept -DeleteComments $false -DeleteSubject $false -AddOrganizerToSubject $false -DeleteAttachments $false -RemovePrivateProperty $false"},
		{"remote domains", l.text("TNEF towards other organisations turns invitations into winmail.dat; $null or $false is right for the Internet.",
			"他組織宛てで TNEF が有効だと、会議出席依頼が winmail.dat になります。インターネット宛ては $null または $false が適切です。"),
			"Get-RemoteDomain | Format-Table DomainName,TNEFEnabled; Set-RemoteDomain Default -TNEFEnabled $false"},
		{"extended protection", l.text("Signing in by NTLM with Extended Protection needs the same certificate on a load balancer and on the server; the setting is:",
			"拡張保護を使う NTLM では、ロードバランサーとサーバーの証明書が同一である必要があります。設定の確認:"),
			"Get-WebServicesVirtualDirectory | Format-List Server,BasicAuthentication,WindowsAuthentication,ExtendedProtectionTokenChecking,ExtendedProtectionFlags"},
		{"lockout", l.text("The lockout threshold has to be above the number of requests under way at once (10).",
			"ロックアウトのしきい値は、同時に送信中の要求数 (10) より大きくしてください。"),
			lockoutCommand(account)},
		{"certificates", l.text("When the servers' certificates end.", "サーバー証明書の有効期限。"),
			"Get-ExchangeCertificate | Format-Table Subject,Services,NotAfter"},
		{"grommunio", l.text("On grommunio there is no role: make the account an owner of each mailbox (in a shell on the server).",
			"grommunio には役割がありません。サーバー上で、各メールボックスの所有者にアカウントを追加します。"),
			"gromox-mbop -u ADDRESS set-store-owner " + accountName(account)},
	}
}
