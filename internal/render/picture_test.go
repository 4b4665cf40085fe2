package render

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/koyomi-cal/koyomi/internal/calendar"
)

// mails are invitations as people write them, one for each language, with the
// administrator's notes. The browser tests take pictures of what Insert makes
// of them.
var mails = map[string]struct{ body, header, footer string }{
	"en": {`<p>Hello everyone,</p><p>let us go through the figures of the third quarter and decide on the budget for the trade fair. The slides are in the <a href="https://docs.example.com/q3">shared folder</a>.</p><ol><li>Review of the figures</li><li>Trade fair: budget and stand</li><li>Open points</li></ol><p>Kind regards<br>Aya Tanaka</p>`,
		"Please mute your microphone when you are not speaking.", "Trouble joining? Call the help desk on extension 100."},
	"ja": {`<p>関係者各位</p><p>お世話になっております。第3四半期の実績確認と、展示会の予算についてご相談させてください。資料は<a href="https://docs.example.com/q3">共有フォルダー</a>に置いてあります。</p><ol><li>実績の確認</li><li>展示会の予算とブース</li><li>その他</li></ol><p>よろしくお願いいたします。<br>田中 彩</p>`,
		"発言時以外はマイクをミュートにしてください。", "接続できない場合は、ヘルプデスク (内線 100) までお問い合わせください。"},
	"de": {`<p>Guten Tag zusammen,</p><p>wir gehen die Zahlen des dritten Quartals durch und entscheiden über das Messebudget. Die Folien liegen im <a href="https://docs.example.com/q3">gemeinsamen Ordner</a>.</p><ol><li>Durchsicht der Zahlen</li><li>Messe: Budget und Stand</li><li>Offene Punkte</li></ol><p>Mit freundlichen Grüßen<br>Aya Tanaka</p>`,
		"Bitte schalten Sie Ihr Mikrofon stumm, wenn Sie nicht sprechen.", "Probleme beim Einwählen? Rufen Sie den Helpdesk unter der Durchwahl 100 an."},
	"fr": {`<p>Bonjour à tous,</p><p>Nous passerons en revue les chiffres du troisième trimestre et déciderons du budget du salon. Les diapositives se trouvent dans le <a href="https://docs.example.com/q3">dossier partagé</a>.</p><ol><li>Revue des chiffres</li><li>Salon : budget et stand</li><li>Points divers</li></ol><p>Cordialement,<br>Aya Tanaka</p>`,
		"Veuillez couper votre micro lorsque vous ne parlez pas.", "Un problème de connexion ? Appelez l’assistance au poste 100."},
	"es": {`<p>Buenos días a todos:</p><p>Vamos a revisar las cifras del tercer trimestre y a decidir el presupuesto de la feria. Las diapositivas están en la <a href="https://docs.example.com/q3">carpeta compartida</a>.</p><ol><li>Revisión de las cifras</li><li>Feria: presupuesto y stand</li><li>Puntos pendientes</li></ol><p>Un saludo cordial,<br>Aya Tanaka</p>`,
		"Silencie el micrófono cuando no esté hablando, por favor.", "¿Problemas para conectarse? Llame al servicio de asistencia, extensión 100."},
	"zh-Hans": {`<p>各位同事：</p><p>我们将回顾第三季度的数据，并确定展会预算。资料已放在<a href="https://docs.example.com/q3">共享文件夹</a>中。</p><ol><li>数据回顾</li><li>展会：预算与展位</li><li>其他事项</li></ol><p>此致<br>田中 彩</p>`,
		"不发言时请将麦克风静音。", "无法加入会议？请拨打分机 100 联系服务台。"},
}

// TestMailGolden keeps the invitations of which pictures are taken: as Outlook
// would send them, with a mail quoted below, in each language; and one each
// with English below, with no more than a link, and with a very long one.
func TestMailGolden(t *testing.T) {
	t.Parallel()
	full := calendar.JoinDetails{Service: "Example Meet", JoinMethod: calendar.JoinMethod{
		Kind: "jitsi", URL: "https://meet.example.com/kr7q-v3nm-9xtb", Passcode: "482 951", ID: "812 4407 1936", SIP: "81244071936@meet.example.com",
		Dialin: []calendar.Dialin{{Number: "+49 30 901820", PIN: "81244071936"}, {Number: "+81 3 4520 1234", PIN: "81244071936"}},
	}}
	long := full
	long.URL = "https://conference.headquarters.example.com/rooms/quarterly-figures-and-trade-fair-budget/join?t=eyJhbGciOiJIUzI1NiJ9.eyJyb29tIjoicTMifQ.s5Yf0m8cQkq1Vh3xWn2aZt7Lr9uPbE4dJ6gKo&src=calendar&lang=de"
	for _, locale := range Locales() {
		m, ok := mails[locale]
		if !ok {
			t.Errorf("no mail in %s: add one, and look at its picture", locale)
			continue
		}
		all := Options{Locale: locale, Header: m.header, Footer: m.footer, WithPhone: true, WithVideo: true}
		write := func(name string, j calendar.JoinDetails, o Options) {
			t.Helper()
			b := htmlBody(`<html><head><meta http-equiv="Content-Type" content="text/html; charset=utf-8"></head><body>` + m.body + `</body></html>`)
			if strings.HasSuffix(name, "quoted") {
				b.Content = strings.Replace(b.Content, "</body>", `<div style="border:none;border-top:solid #E1E1E1 1.0pt;padding:3.0pt 0 0 0"><p><b>From:</b> Ben Weber<br><b>Sent:</b> Monday, 2 November 2026 09:12<br><b>To:</b> Aya Tanaka<br><b>Subject:</b> Q3</p></div><p>Could we meet on this?</p></body>`, 1)
			}
			out, err := Insert(b, j, o)
			if err != nil {
				t.Fatal(err)
			}
			golden(t, filepath.Join("testdata", "mail."+name+".html"), out.Content+"\n")
		}
		write(locale, full, all)
		switch locale {
		case "ja":
			all.English = true
			all.Notes = []Notes{{Locale: "en", Footer: mails["en"].footer}}
			write("ja+en", full, all)
		case "de":
			write("de.long", long, all)
		case "en":
			write("en.quoted", full, Options{Locale: locale})
			write("en.bare", calendar.JoinDetails{JoinMethod: calendar.JoinMethod{URL: full.URL}}, Options{Locale: locale})
		}
	}
}
