package cli

import "github.com/koyomi-cal/koyomi/internal/mailbox"

// decided puts a reason of the core into a sentence.
func (l lang) decided(r mailbox.Reason) string {
	if l == japanese {
		if s := japaneseDecisions()[r]; s != "" {
			return s
		}
	}
	return r.Sentence()
}

// japaneseDecisions are the core's reasons in Japanese.
func japaneseDecisions() map[mailbox.Reason]string {
	return map[mailbox.Reason]string{
		mailbox.NothingAsked:     "場所にキーワードがないため、何も書き込みませんでした。",
		mailbox.NotOrganizer:     "出席者側の予定です。書き込むのは開催者の予定だけです。",
		mailbox.BeforeBaseline:   "メールボックスの有効化より前に更新された予定です。表示はしますが、管理者が許可するまで書き込みません。",
		mailbox.Past:             "会議は終了しています。",
		mailbox.CancelledMeeting: "会議は取り消されています。",
		mailbox.Deleted:          "予定は「削除済みアイテム」にあります。",
		mailbox.ForeignClass:     "アイテム クラスが、書き込んでよい予定のものではありません。",
		mailbox.Protected:        "権限管理で保護されているため、書き込めません。",
		mailbox.SignedItem:       "署名付きの予定です。書き込むと署名が無効になります。",
		mailbox.BodyNotRead:      "本文の全体を読み取れなかったため、書き込みません。",
		mailbox.TooManyPeople:    "出席者が 1,500 人を超えています。",
		mailbox.TooHeavy:         "サイズと出席者数の積が 200 MB を超えています。更新すると全員に送信されます。",
		mailbox.NoIdentity:       "GlobalObjectId も UID もないため、一覧への表示だけを行います。",
		mailbox.Unattributed:     "開催者のアドレスがこのメールボックスのものではありません。本人のものであれば別名に追加してください。",
		mailbox.OptedOut:         "開催者が参加情報を削除しました。再び追加することはありません。",
		mailbox.BlockUnclear:     "参加情報が書き換えられて判別できないため、そのままにします。",
		mailbox.ForeignMarker:    "送信済みの別の会議のコピーです。参加情報はそのまま残します。",
		mailbox.OwnBlockFound:    "本文にはすでに参加情報があります。二つ目は書き込みません。",
		mailbox.Done:             "参加情報は書き込み済みです。",
		mailbox.Settling:         "変更された直後です。落ち着くまで書き込みを待ちます。",
		mailbox.Draft:            "招待が送信された形跡がまだないため、書き込みを待ちます。",
		mailbox.WaitingJoin:      "会議サービスに参加情報を問い合わせました。",
		mailbox.Inserted:         "参加情報を書き込みました。",
		mailbox.Replaced:         "キーワードが変わったため、参加情報を差し替えました。",
		mailbox.Removed:          "キーワードが削除されたため、参加情報も削除しました。",
		mailbox.Resent:           "招待が参加情報なしで送信されていたため、更新を一度だけ送信しました。",
		mailbox.ConflictOnce:     "書き込み中に予定が変更されました。読み直して判断し直します。",
		mailbox.ConflictTwice:    "書き込み中に予定が二度変更されました。次の変更を待って判断し直します。",
		mailbox.ServerBusy:       "サーバーが待機を求めました。",
		mailbox.ServerRefused:    "サーバーが書き込みを拒否しました。",
		mailbox.AnswerLost:       "書き込みの応答が届きませんでした。まず予定を確認します。",
		mailbox.NotConfirmed:     "参加情報は保存されましたが、更新が送信されたか確認できません。自動では再送しません。",
		mailbox.Confirmed:        "出席者側の予定に参加情報があることを確認しました。",
		mailbox.NotSeen:          "参加情報は書き込み済みですが、招待が送信された形跡がありません。",
		mailbox.Held:             "ブレーカーがすべての書き込みを止めています。管理者がアラームを確認すると再開します。",
		mailbox.TooManyWrites:    "今月この会議への書き込みが多すぎるため、これ以上は書き込みません。",
		mailbox.ReadLater:        "今は予定を読み取れません。後で再試行します。",
		mailbox.ServiceDown:      "会議サービスが応答しません。後で再試行します。",
		mailbox.ServiceQuota:     "会議サービスの本日の上限に達しました。空きができたら再試行します。",
		mailbox.ServiceRefused:   "会議サービスが会議の作成を拒否しました。",
		mailbox.ServiceUnknown:   "このキーワードに対応する会議サービスが設定されていません。",
		mailbox.RenderRefused:    "本文を安全に変更できないため、そのままにします。",
	}
}
