package render

import (
	"errors"
	"strings"
	"testing"

	"github.com/koyomi-cal/koyomi/internal/calendar"
)

// bodies are what Insert meets, by name; "|" marks where the block must stand.
var bodies = []struct{ name, kind, content string }{
	{"empty", "html", "|"},
	{"fragment", "html", "<p>Agenda</p>|"},
	{"document", "html", "<html><head><title>x</title></head><body><div>Agenda</div>|</body></html>\r\n"},
	{"no end of body", "html", "<html><body>Agenda|"},
	{"text after body", "html", "<html><body>Agenda</body></html><p>Disclaimer</p>|"},
	{"two bodies", "html", "<html><body>Agenda</body></html><html><body>more|</body></html>"},
	{"word", "html", `<html><body lang=EN-US><div class=WordSection1><p class=MsoNormal>Agenda<o:p></o:p></p><p class=MsoNormal><o:p>&nbsp;</o:p></p></div>|</body></html>`},
	{"outlook reply", "html", `<div class=WordSection1><p class=MsoNormal>See below</p>|<div><div style='border:none;border-top:solid #E1E1E1 1.0pt;padding:3.0pt 0in 0in 0in'><p class=MsoNormal><b>From:</b> Ann &lt;ann@example.com&gt;<br><b>Sent:</b> Monday<br><b>To:</b> Bob<br><b>Subject:</b> Plan</p></div></div><p>old text</p></div>`},
	{"outlook reply, ja", "html", `<p>下記の件です</p>|<hr><p><b>差出人:</b> Ann<br><b>送信日時:</b> 月曜日<br><b>宛先:</b> Bob<br><b>件名:</b> 計画</p><p>old</p>`},
	{"outlook web reply", "html", `<div>See</div><div id="appendonsend"></div>|<hr><div id="divRplyFwdMsg"><b>From:</b> Ann<br></div><div>old</div>`},
	{"gmail", "html", `<div dir="ltr">See</div>|<br><div class="gmail_quote"><div class="gmail_attr">On Mon Ann wrote:</div><blockquote class="gmail_quote">old</blockquote></div>`},
	{"apple", "html", `<html><body>See|<div><br><blockquote type="cite"><div>On Mon, Ann wrote:</div>old</blockquote></div></body></html>`},
	{"own text below quote", "html", `<blockquote type=cite>old</blockquote><p>My answer</p>|`},
	{"indented own text", "html", `<blockquote style="margin-left:3em">Agenda</blockquote>|`},
	{"quote in table", "html", `<table><tr><td>Agenda</td></tr><tr><td>|<b>From:</b> A<br>Sent: B<br>To: C<br>Subject: D</td></tr></table>`},
	{"agenda like a header", "html", "<p>From: Berlin<br>To: Rome</p>|"},
	{"other provider", "html", "<p>Hi</p><div>________________________________________</div><div>Microsoft Teams meeting</div><a href=\"https://teams.microsoft.com/l/x\">Join</a><div>________________________________________</div>|"},
	{"open comment", "html", "<p>Agenda</p>|<!-- never closed <p>x"},
	{"open tag", "html", `<p>Agenda</p>|<a href="`},
	{"open script", "html", "<p>Agenda</p>|<script>x = 1"},
	{"open title", "html", "|<title>"},
	{"conditional comments", "html", "<p>A<![if !supportLists]>1.<![endif]></p><!--[if mso]><p>x</p><![endif]-->|"},

	{"signature, html", "html", `<div>Agenda</div>|<div class="moz-signature">-- <br>Ann<br>Example Ltd</div>`},
	{"signature, Gmail", "html", `<div>Agenda</div>|<span class="gmail_signature_prefix">--&nbsp;</span><br><div dir="ltr" class="gmail_signature">Ann</div>`},
	{"signature and quote", "html", `<p>See below</p>|<p>-- <br>Ann</p><blockquote type="cite"><p>old</p></blockquote>`},
	{"two dashes are no signature", "html", `<p>Agenda</p><p>--</p><p>Budget</p>|`},
	{"end of body in a comment", "html", `<html><body><p>A</p><!-- </body> --><p>B</p>|</body></html>`},
	{"end of body in a script", "html", `<html><body><p>A</p><script>var s = "</body>";</script><p>B</p>|</body></html>`},
	{"end of body in an attribute", "html", `<html><body><p title="</body>">A</p><p>B</p>|</body></html>`},
	{"end of body in a text box", "html", `<html><body><p>A</p><textarea></body></textarea>|</body></html>`},
	{"downlevel comment around the body", "html", "<html><!--[if gte mso 9]><xml><o:x/></xml><![endif]--><body><!--[if mso]></body><![endif]--><p>A</p>|</body></html>"},
	{"list left open", "html", "<ul><li>one<li>two|"},
	{"table left open", "html", "<table><tr><td>one<tr><td>two|"},
	{"nested table", "html", "<table><tr><td><table><tr><td>x</td></tr></table></td></tr></table>|"},
	{"right to left", "html", `<html dir="rtl"><body dir="rtl"><p>סדר היום</p><p>جدول الأعمال</p>|</body></html>`},
	{"Japanese", "html", "<html><body lang=JA><p class=MsoNormal>お疲れ様です。<br>会議の件&#12391;す。</p>|</body></html>"},
	{"Apple Mail reply", "html", `<body style="word-wrap: break-word;">See below<div><br></div>|<div><blockquote type="cite"><div>On 3 May 2026, at 10:00, Ann &lt;ann@example.com&gt; wrote:</div><br><div>old</div></blockquote></div></body>`},
	{"Gmail reply", "html", `<div dir="ltr">See below</div>|<br><div class="gmail_quote"><div dir="ltr" class="gmail_attr">On Mon, Ann wrote:<br></div><blockquote class="gmail_quote"><p>old</p></blockquote></div>`},
	{"Thunderbird reply", "html", `<p>See below</p>|<div class="moz-cite-prefix">Am 03.05.26 um 10:00 schrieb Ann:<br></div><blockquote type="cite" cite="mid:1"><p>old</p></blockquote>`},
	{"Outlook on phones", "html", `<div>See below</div>|<hr><div id="divRplyFwdMsg" dir="ltr"><font><b>De:</b> Ann<br></font></div><div>old</div>`},
	{"new Outlook", "html", `<div class="elementToProof">See below</div><div id="appendonsend"></div>|<hr style="display:inline-block;width:98%"><div id="x_divRplyFwdMsg"><b>Von:</b> Ann</div><div>old</div>`},
	{"Notes", "html", `<p>See below</p>|<p>From: Ann</p><p>To: Bob</p><p>Date: 3 May</p><p>Subject: Plan</p><p>old</p>`},
	{"Zoom", "html", "<p>Ann is inviting you to a scheduled Zoom meeting.</p><p>Topic: Plan</p><p>Time: 3 May</p><p>Join Zoom Meeting<br><a href=\"https://zoom.example/j/1\">https://zoom.example/j/1</a></p>|"},
	{"Webex", "html", "<p>Hi</p><p>-- Do not delete or change any of the following text. --</p><p>Join meeting</p>|"},
	{"Google", "html", "<p>Hi</p><p>-::~:~::~:~:~:~:~:~:~:~:~:~:~:~:~:~:~:~::~:~::-<br>Please do not edit this section.<br><br>Join: https://meet.google.example/x<br>-::~:~::~:~:~:~:~:~:~:~:~:~:~:~:~:~:~:~::~:~::-</p>|"},
	{"a heading between dashes", "html", "<p>Hi</p><p>------ Agenda ------</p><p>Budget</p>|"},
	{"empty", "text", "|"},
	{"one line", "text", "Agenda|"},
	{"lf", "text", "Agenda\nBudget\n|"},
	{"blank lines", "text", "Agenda\r\n\r\n\r\n|"},
	{"old mac", "text", "Agenda\rBudget\r|"},
	{"cr at the end, lf inside", "text", "Agenda\nBudget\r|"},
	{"markup is text", "text", "<b>Agenda</b> </body>|"},
	{"original message", "text", "See below\r\n\r\n|-----Original Message-----\r\nFrom: Ann\r\n\r\nold"},
	{"header", "text", "See below\r\n|________________________________\r\nFrom: Ann\r\nSent: Monday\r\nTo: Bob;\r\n  Carl\r\nSubject: Plan\r\n\r\nold"},
	{"only a quote", "text", "|> old\n> older\n"},
	{"wrote", "text", "See below\n\n|On Monday, Ann wrote:\n> old\n"},
	{"wrote, broken", "text", "See below\n\n|On Monday, Ann <ann@example.com>\nwrote:\n> old\n"},
	{"own text below quote", "text", "> old\nMy answer\n|"},
	{"german", "text", "Siehe unten\r\n\r\n|-----Ursprüngliche Nachricht-----\r\nVon: Ann\r\n"},
	{"signature", "text", "Agenda\r\n|-- \r\nAnn\r\nExample Ltd\r\n"},
	{"only a signature", "text", "|-- \r\nAnn\r\n"},
	{"a long text below two dashes", "text", "Agenda\n-- \n" + strings.Repeat("item\n", 20) + "|"},
	{"signature and quote", "text", "See below\n|-- \nAnn\n\nOn Monday, Ann wrote:\n> old\n"},
	{"Google", "text", "Hi\n\n-::~:~::~:~:~:~:~:~:~:~:~:~:~:~:~:~:~:~::~:~::-\nPlease do not edit this section.\n\nJoin: https://meet.google.example/x\n-::~:~::~:~:~:~:~:~:~:~:~:~:~:~:~:~:~:~::~:~::-|"},
	{"Teams", "text", "Hi\r\n________________________________________________________________________________\r\nMicrosoft Teams meeting\r\nJoin: https://teams.example/l/x\r\n________________________________________________________________________________\r\n|"},
	{"Webex", "text", "Hi\r\n\r\n-- Do not delete or change any of the following text. --\r\n\r\nJoin meeting\r\n|"},
	{"a heading between dashes", "text", "Hi\n------ Agenda ------\nBudget\n|"},
	{"right to left", "text", "סדר היום\r\nجدول الأعمال|"},
	{"Japanese", "text", "お疲れ様です。\r\n会議の件です。\r\n|"},
	{"quoted appointment", "text", "See below\r\n\r\n|-----Original Appointment-----\r\nFrom: Ann\r\nWhen: Monday\r\n"},
}

func TestInsertPlace(t *testing.T) {
	t.Parallel()
	for _, tt := range bodies {
		for _, locale := range Locales() {
			t.Run(tt.kind+"/"+tt.name+"/"+locale, func(t *testing.T) {
				t.Parallel()
				before, after, ok := strings.Cut(tt.content, "|")
				if !ok {
					t.Fatal("no place marked")
				}
				b := calendar.Body{Type: calendar.BodyType(tt.kind), Content: before + after, Whole: true}
				if f := Find(b, room); f.State != Absent {
					t.Fatalf("before: %+v", f)
				}
				out, err := Insert(b, details(), options(locale))
				if err != nil {
					t.Fatal(err)
				}
				if !strings.HasPrefix(out.Content, before) || !strings.HasSuffix(out.Content, after) {
					t.Errorf("block at the wrong place:\n%s", out.Content)
				}
				if out.Type != b.Type {
					t.Errorf("type changed to %s", out.Type)
				}
				if f := Find(out, room); f.State != Whole || f.Locale != locale {
					t.Errorf("find: %+v", f)
				}
				back, err := Remove(out, room)
				if err != nil || back != b {
					t.Errorf("remove: %v\n got %q\nwant %q", err, back.Content, b.Content)
				}
				if _, err := Insert(out, details(), options(locale)); !errors.Is(err, ErrThere) {
					t.Errorf("second insert: %v", err)
				}
			})
		}
	}
}

// headers are the first lines of a mail that Outlook quotes, in the languages
// in which people use it: sender, date, recipient, subject.
var headers = map[string][4]string{
	"en": {"From:", "Sent:", "To:", "Subject:"}, "de": {"Von:", "Gesendet:", "An:", "Betreff:"}, "fr": {"De :", "Envoyé :", "À :", "Objet :"},
	"es": {"De:", "Enviado el:", "Para:", "Asunto:"}, "pt": {"De:", "Enviada em:", "Para:", "Assunto:"}, "it": {"Da:", "Inviato:", "A:", "Oggetto:"},
	"nl": {"Van:", "Verzonden:", "Aan:", "Onderwerp:"}, "sv": {"Från:", "Skickat:", "Till:", "Ämne:"}, "da": {"Fra:", "Sendt:", "Til:", "Emne:"},
	"fi": {"Lähettäjä:", "Lähetetty:", "Vastaanottaja:", "Aihe:"}, "pl": {"Od:", "Wysłano:", "Do:", "Temat:"}, "cs": {"Od:", "Odesláno:", "Komu:", "Předmět:"},
	"sk": {"Od:", "Odoslané:", "Komu:", "Predmet:"}, "hu": {"Feladó:", "Elküldve:", "Címzett:", "Tárgy:"}, "ro": {"De la:", "Trimis:", "Către:", "Subiect:"},
	"hr": {"Od:", "Poslano:", "Prima:", "Predmet:"}, "tr": {"Kimden:", "Gönderildi:", "Kime:", "Konu:"}, "ru": {"От:", "Отправлено:", "Кому:", "Тема:"},
	"uk": {"Від:", "Надіслано:", "Кому:", "Тема:"}, "bg": {"От:", "Изпратено:", "До:", "Относно:"}, "el": {"Από:", "Στάλθηκε:", "Προς:", "Θέμα:"},
	"he": {"מאת:", "נשלח:", "אל:", "נושא:"}, "ar": {"من:", "تاريخ الإرسال:", "إلى:", "الموضوع:"}, "th": {"จาก:", "ส่ง:", "ถึง:", "เรื่อง:"},
	"vi": {"Từ:", "Đã gửi:", "Tới:", "Chủ đề:"}, "id": {"Dari:", "Dikirim:", "Kepada:", "Subjek:"}, "ca": {"De:", "Enviat:", "Per a:", "Assumpte:"},
	"ja": {"差出人:", "送信日時:", "宛先:", "件名:"}, "zh-Hans": {"发件人:", "发送时间:", "收件人:", "主题:"}, "zh-Hant": {"寄件者:", "寄件日期:", "收件者:", "主旨:"},
	"ko": {"보낸 사람:", "보낸 날짜:", "받는 사람:", "제목:"},
}

func TestInsertAboveQuotedMail(t *testing.T) {
	t.Parallel()
	for lang, h := range headers {
		for form, b := range map[string]calendar.Body{
			"Word":        htmlBody("<div class=WordSection1><p class=MsoNormal>Mine</p>|<div><div style='border:none'><p class=MsoNormal><b>" + h[0] + "</b> Ann<br><b>" + h[1] + "</b> x<br><b>" + h[2] + "</b> Bob<br><b>" + h[3] + "</b> Plan</p></div></div><p>old</p></div>"),
			"paragraphs":  htmlBody("<p>Mine</p>|<p>" + h[0] + " Ann</p><p>" + h[1] + " x</p><p>" + h[2] + " Bob;</p><p>Carl</p><p>" + h[3] + " Plan</p><p>old</p>"),
			"text":        textBody("Mine\r\n\r\n|" + h[0] + " Ann\r\n" + h[1] + " x\r\n" + h[2] + " Bob\r\n" + h[3] + " Plan\r\n\r\nold"),
			"text, bold":  textBody("Mine\n|_____________________________\n*" + h[0] + "* Ann\n*" + h[1] + "* x\n*" + h[2] + "* Bob\n*" + h[3] + "* Plan\n\nold"),
			"full-width":  textBody("Mine\n|" + strings.ReplaceAll(h[0], ":", "：") + " Ann\n" + strings.ReplaceAll(h[2], ":", "：") + " Bob\n" + strings.ReplaceAll(h[3], ":", "：") + " Plan\n\nold"),
			"appointment": textBody("Mine\n|-----XXXXX-----\n" + h[0] + " Ann\n" + h[1] + " x\nold"),
		} {
			before, after, _ := strings.Cut(b.Content, "|")
			b.Content = before + after
			out, err := Insert(b, details(), options("en"))
			if err != nil || !strings.HasPrefix(out.Content, before) || !strings.HasSuffix(out.Content, after) {
				t.Errorf("%s, %s: %v\n%s", lang, form, err, out.Content)
			}
			if back, err := Remove(out, room); err != nil || back != b {
				t.Errorf("%s, %s: removed: %v %q", lang, form, err, back.Content)
			}
		}
	}
}
