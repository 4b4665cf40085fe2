package cli

import (
	"errors"

	"github.com/koyomi-cal/koyomi/ews"
	"github.com/koyomi-cal/koyomi/ews/activedirectory"
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
	if text := signInCauseInJapanese(e); text != "" {
		return text
	}
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
	case ews.CodeTransport:
		return "接続が途中で失敗しました"
	case ews.CodeUnavailable:
		return "サーバーを一時的に利用できません"
	case ews.CodeProxyAuth:
		return "プロキシがユーザー名またはパスワードを要求しているか、拒否しました"
	case ews.CodeNoScheme:
		return "サーバーはこの認証方式を提供していません"
	case ews.CodeOnline:
		return "メールボックスは Exchange Online にあります"
	case ews.CodeHostPending:
		return "自動検出の結果が、許可されていないホストでした。資格情報は送信していません"
	case ews.CodeNotDiscovered:
		return "このドメインの自動検出サービスが見つかりません"
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

// signInCauseInJapanese puts into words what the directory or a token endpoint
// has against an account.
func signInCauseInJapanese(e *ews.Error) string {
	switch e.Values[activedirectory.KerberosError] {
	case "KDC_ERR_PREAUTH_FAILED", "keytab incorrect":
		return "ディレクトリがアカウントのパスワードまたは keytab を拒否しました"
	case "KDC_ERR_KEY_EXPIRED":
		return "アカウントのパスワードの有効期限が切れています"
	case "KDC_ERR_C_PRINCIPAL_UNKNOWN":
		return "アカウントがディレクトリにありません"
	case "KDC_ERR_S_PRINCIPAL_UNKNOWN":
		return "サーバーのサービス プリンシパル名 (SPN) がディレクトリにありません"
	case "KRB_AP_ERR_SKEW":
		return "このマシンとディレクトリの時刻が 5 分以上ずれています"
	case "KDC_ERR_ETYPE_NOSUPP":
		return "ディレクトリにこのアカウントの AES の鍵がありません"
	case "error getting key":
		return "keytab にこのアカウントの鍵がありません"
	case "other":
		return "Kerberos のチケットを取得できません"
	}
	switch which := e.Values[ews.TokenError]; {
	case which == "":
		return ""
	case which == "7000222":
		return "クライアント シークレットの有効期限が切れています"
	case which == "700027":
		return "トークン エンドポイントに証明書が登録されていません"
	case which == "700016":
		return "トークン エンドポイントにクライアント ID がありません"
	case e.Code == ews.CodeAuthFailed:
		return "トークン エンドポイントがクライアント ID、シークレットまたは証明書を拒否しました"
	}
	return "トークン エンドポイントの URL またはスコープが正しくありません"
}
