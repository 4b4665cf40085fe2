package cli

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
