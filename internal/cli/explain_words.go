package cli

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/koyomi-cal/koyomi/internal/invite"
)

// field names a field of an invitation.
func (l lang) field(field string) string {
	name, isProperty := strings.CutPrefix(field, "property:")
	switch {
	case isProperty:
		return l.text("property ", "プロパティ ") + visible(name)
	case l != japanese:
		return "in the " + field
	case field == "location":
		return "場所"
	case field == "body":
		return "本文"
	case field == "subject":
		return "件名"
	}
	return field
}

// reason puts one of detect's reasons into the language. A reason that has no
// translation is shown as it is.
func (l lang) reason(why string) string {
	if l != japanese {
		return why
	}
	for _, r := range japaneseReasons() {
		if text, fits := translated(why, r[0], r[1]); fits {
			return text
		}
	}
	return why
}

// translated puts what stands for each "%" of a pattern, one or two, into its
// translation.
func translated(text, pattern, into string) (string, bool) {
	before, after, hole := strings.Cut(pattern, "%")
	if !hole {
		return into, text == pattern
	}
	if between, end, two := strings.Cut(after, "%"); two {
		rest, begins := strings.CutPrefix(text, before)
		first, second, has := strings.Cut(rest, between)
		head, tail, _ := strings.Cut(into, "%")
		return head + first + strings.Replace(tail, "%", strings.TrimSuffix(second, end), 1), begins && has
	}
	if len(text) < len(before)+len(after) || !strings.HasPrefix(text, before) || !strings.HasSuffix(text, after) {
		return "", false
	}
	return strings.Replace(into, "%", text[len(before):len(text)-len(after)], 1), true
}

// japaneseReasons are detect's reasons in Japanese; "%" stands for a name.
func japaneseReasons() [][2]string {
	return [][2]string{
		// What a link is.
		{"below % on a host of the organisation, by the organisation's rule for %", "% の下にある（組織の規則: %）"},
		{"a % meeting link, by the organisation's rule for %", "% の会議リンク（組織の規則: %）"},
		{"a lasting % room, by the organisation's rule for %", "% の常設会議室（組織の規則: %）"},
		{"a lasting % room, by its shape", "形から % の常設会議室と判断"},
		{"a lasting % room", "% の常設会議室"},
		{"a % meeting link, by its shape", "形から % の会議リンクと判断"},
		{"a % meeting link", "% の会議リンク"},
		{"one of the organisation's own rooms", "組織の会議室のリンク"},
		{"the organisation's pattern %", "組織のパターン % に一致"},
		{"the property says that it is the conference", "プロパティが会議であることを示している"},
		{"a Skype for Business conference address", "Skype for Business の会議アドレス"},
		{"on a domain of the organisation's meetings", "組織の会議用ドメインのアドレス"},
		{"on a conference domain", "会議用ドメインのアドレス"},
		{"on a Webex site", "Webex サイトのアドレス"},
		{"the meeting's own number", "会議番号と一致"},
		{"a sip: address", "sip: アドレス"},
		{"announced as a video address", "ビデオ用アドレスとして記載"},
		// How it was written and weighed.
		{"in a link's href", "リンクの href にある"},
		{"in what only some mail programs show", "一部のメールソフトだけが表示する部分にある"},
		{"percent-encoded", "パーセントエンコードされている"},
		{"without https://", "https:// なしで書かれている"},
		{"wrapped by %", "% のラッパーを外した"},
		{"the organisation's own service", "組織のサービス"},
		{"a service that the organisation prefers", "組織が優先するサービス"},
		{"not where people see it", "人の目に触れない場所にある"},
		{"in a quoted mail", "引用されたメールの中にある"},
		{"called %", "「%」と書かれている"},
		{"with what the % adds to the link", "% にある情報をリンクに補った"},
		// Why something was refused.
		{"the host % only looks like %", "ホスト % は % に似せているだけ"},
		{"the host is disguised behind a user name", "ホストがユーザー名の陰に隠されている"},
		{"the text of a link that leads to another host, %", "リンクの文字とは別のホスト % に移動する"},
		{"a list of dial-in numbers, not a meeting", "電話番号の一覧で、会議ではない"},
		{"a help page, not a meeting", "ヘルプページで、会議ではない"},
		{"a download page, not a meeting", "ダウンロードページで、会議ではない"},
		{"a recording, not a meeting", "録画で、会議ではない"},
		{"a registration page, not a meeting", "登録ページで、会議ではない"},
		{"meeting options for the organiser, not a meeting", "主催者用の会議オプションで、会議ではない"},
		{"a chat or channel, not a meeting", "チャットまたはチャネルで、会議ではない"},
		{"a page that starts a new meeting, not this one", "新しい会議を始めるページで、この会議ではない"},
		{"an account page, not a meeting", "アカウントページで、会議ではない"},
		{"a page to book a meeting, not the meeting", "会議の予約ページで、会議ではない"},
		{"a calendar file, not a meeting", "カレンダーファイルで、会議ではない"},
		{"a page about an event, not a meeting", "イベントの案内ページで、会議ではない"},
		{"instructions for video systems, not a meeting", "ビデオ会議装置の手順で、会議ではない"},
		{"a document, not a meeting", "文書で、会議ではない"},
		{"a calendar entry, not a meeting", "予定の項目で、会議ではない"},
		{"a call to people, not a meeting", "個人への通話で、会議ではない"},
		{"a page that asks for a meeting id", "会議 ID を入力するページ"},
		{"a page about a meeting for its organiser", "主催者用の会議情報ページ"},
		{"the page that resets a dial-in PIN", "電話参加用 PIN の再設定ページ"},
		{"a test meeting", "テスト会議"},
		{"a test call", "テスト通話"},
		{"a page of a meeting service that is not a meeting", "会議サービスのページだが、会議ではない"},
		{"a wrapped link whose target only the filter's server knows", "行き先をフィルターのサーバーだけが知っているリンク"},
		{"no known meeting service", "既知の会議サービスではない"},
		{"digits on a domain that is not listed for meetings: it may be a person's mail address", "会議用に登録されていないドメインの数字アドレスで、個人のメールアドレスかもしれない"},
	}
}

// problem says what could not be read.
func (l lang) problem(p invite.Problem) string {
	if l != japanese {
		return p.String()
	}
	var where []string
	if p.Part != "" {
		where = append(where, "パート "+p.Part)
	}
	if p.Line > 0 {
		where = append(where, strconv.Itoa(p.Line)+" 行目")
	}
	if p.Field != "" {
		where = append(where, p.Field)
	}
	text := map[invite.Code]string{
		invite.WinMail:         "winmail.dat (TNEF) は開きません。HTML またはテキスト形式で送るよう送信者に依頼してください",
		invite.Encrypted:       "暗号化されているため開きません",
		invite.SignedOpaque:    "本文が S/MIME 署名の中にあるため開きません",
		invite.TooDeep:         "入れ子が深すぎるため、その先は読みません",
		invite.TooManyParts:    "パートが多すぎるため、残りは読みません",
		invite.TooManyEvents:   "予定が多すぎるため、残りは読みません",
		invite.TooLong:         "長すぎるため、残りは読みません",
		invite.UnknownCharset:  "文字コード % は不明です。ASCII の部分だけを読みました",
		invite.GuessedCharset:  "文字コードの指定がないか誤っています。% として読みました",
		invite.UnknownEncoding: "転送エンコーディング % は不明です",
		invite.BrokenEncoding:  "% の一部が壊れています。残りは読みました",
		invite.BrokenHeader:    "ヘッダーではない行を読み飛ばしました",
		invite.BrokenField:     "値を読み取れません",
		invite.BrokenLine:      "プロパティではない行を読み飛ばしました",
		invite.BareLineEnd:     "改行がエスケープされていません。続きも本文として読みました",
		invite.Unclosed:        "% の終わりがありません。末尾まで読みました",
		invite.NoBoundary:      "multipart の境界が指定されていません。先頭行から推定しました",
		invite.NoEvent:         "予定 (VEVENT) のないカレンダーです",
	}[p.Code]
	if text == "" {
		return p.String()
	}
	text = strings.Replace(text, "%", p.Detail, 1)
	if len(where) == 0 {
		return text
	}
	return strings.Join(where, "、") + ": " + text
}

// unreadable puts the reason why nothing can be read into the language.
func unreadable(l lang, err error) error {
	if l != japanese {
		return err
	}
	for _, t := range []struct {
		err  error
		text string
	}{
		{invite.ErrEmpty, "内容がありません"},
		{invite.ErrLarge, fmt.Sprintf("%d MiB を超えています。招待状ではありません", invite.MaxDocument>>20)},
		{invite.ErrBinary, "メールでもカレンダーでもテキストでもありません"},
		{invite.ErrMSG, "Outlook の .msg ファイルです。Outlook で .eml または .ics として保存するか、本文を貼り付けてください"},
		{invite.ErrEvents, "予定 (VEVENT) のないカレンダーです"},
	} {
		if errors.Is(err, t.err) {
			return errors.New(t.text)
		}
	}
	return err
}
