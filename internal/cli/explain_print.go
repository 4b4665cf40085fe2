package cli

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/koyomi-cal/koyomi/internal/calendar"
	"github.com/koyomi-cal/koyomi/internal/detect"
	"github.com/koyomi-cal/koyomi/internal/invite"
)

// The layout of an explanation: columns of a terminal.
const (
	explainWidth  = 80
	explainIndent = 14       // where values begin
	explainText   = 16 << 10 // bytes of one text that are shown at most
	explainLines  = 4        // of a link that is not the button's; --json has the whole
)

// Colours that are readable on light and on dark ground, by SGR number
// (ECMA-48 8.3.117).
const (
	bold    = "1"
	faint   = "2"
	green   = "1;32"
	red     = "1;31"
	magenta = "35"
	cyan    = "36"
)

// explainer writes an explanation for people.
type explainer struct {
	lang       lang
	colour     bool
	configured bool // the rules come from a configuration
	out        strings.Builder
}

func (p *explainer) paint(colour, s string) string {
	if !p.colour || colour == "" || s == "" {
		return s
	}
	return "\x1b[" + colour + "m" + s + "\x1b[0m"
}

// wrapped writes a text behind a name in the first column. What does not fit
// goes on below, at the same column; most lines at most, all if most is 0.
func (p *explainer) wrapped(indent int, name, nameColour, text, colour string, most int) {
	lines := fold(visible(text[:min(len(text), explainText)]), explainWidth-indent)
	if most > 0 && len(lines) > most+1 {
		rest := width(strings.Join(lines[most:], ""))
		lines = append(lines[:most], "… "+p.lang.text(fmt.Sprintf("(%d more characters; --json has them all)", rest), fmt.Sprintf("(残り %d 文字、全文は --json)", rest)))
	}
	for i, line := range lines {
		head := strings.Repeat(" ", indent)
		if i == 0 {
			head = p.paint(nameColour, padded(name, indent))
		}
		p.out.WriteString(strings.TrimRight(head+p.paint(colour, line), " ") + "\n")
	}
}

// row writes a fact, nothing where there is none.
func (p *explainer) row(en, ja, text, colour string) {
	if text != "" {
		p.wrapped(explainIndent, "  "+p.lang.text(en, ja), faint, text, colour, 0)
	}
}

func (p *explainer) heading(en, ja, colour string) {
	p.out.WriteString("\n" + p.paint(cmp.Or(colour, bold), p.lang.text(en, ja)) + "\n")
}

// document says what was read.
func (p *explainer) document(name string, doc *invite.Document) {
	kinds := map[invite.Kind][2]string{
		invite.Mail: {"a mail", "メール"}, invite.Calendar: {"a calendar file", "カレンダーファイル"}, invite.HTML: {"HTML", "HTML"}, invite.Text: {"text", "テキスト"},
	}
	k := kinds[doc.Kind]
	text := name + ": " + p.lang.text(k[0], k[1])
	if n := len(doc.Events); n > 1 {
		text += p.lang.text(fmt.Sprintf(", %d events", n), fmt.Sprintf("、予定 %d 件", n))
	}
	for _, line := range fold(text, explainWidth) {
		p.out.WriteString(p.paint(faint, line) + "\n")
	}
}

// event explains one event.
func (p *explainer) event(e *invite.Event, r detect.Result) {
	title := cmp.Or(strings.TrimSpace(e.Input.Subject), p.lang.text("(no subject)", "（件名なし）"))
	p.out.WriteString("\n")
	for _, line := range fold(visible(title[:min(len(title), explainText)]), explainWidth) {
		p.out.WriteString(p.paint(bold, line) + "\n")
	}
	p.facts(e)
	p.button(&r)
	p.keyword(&r)
	p.candidates(&r)
	p.rejected(&r)
}

// facts help to recognise the meeting.
func (p *explainer) facts(e *invite.Event) {
	who := e.Organizer.Name
	if a := e.Organizer.Address; a != "" {
		who = strings.TrimSpace(who + " <" + a + ">")
	}
	p.row("Organizer", "主催者", who, "")
	p.row("Start", "開始", p.moment(e.Start), "")
	p.row("End", "終了", cmp.Or(p.moment(e.End), e.Duration), "")
	p.row("Repeats", "繰り返し", e.Recurrence, "")
	p.row("Occurrence", "対象の回", p.moment(e.RecurrenceID), "")
	p.row("Location", "場所", strings.Join(strings.Fields(e.Input.Location), " "), "")
	message := strings.TrimSpace(e.Method + " " + e.Status)
	if e.Attendees > 0 && message != "" {
		message += p.lang.text(fmt.Sprintf(", to %d", e.Attendees), fmt.Sprintf("、出席者 %d 名", e.Attendees))
	}
	state := ""
	if e.Method == "CANCEL" || e.Status == "CANCELLED" {
		state = magenta
	}
	p.row("Message", "種別", message, state)
	p.row("Part", "パート", e.Part, "")
}

func (p *explainer) moment(m invite.Moment) string {
	zone := strings.TrimPrefix(strings.Join([]string{m.Zone, m.Offset}, " "), " ")
	if m.Offset == "" {
		zone = m.Zone
	}
	text := strings.Replace(m.Value, "T", " ", 1)
	if m.Value != "" && strings.Contains(m.Value, "T") {
		text = strings.TrimSuffix(text, ":00")
	}
	if zone != "" && text != "" {
		text += " (" + zone + ")"
	}
	return text
}

// button shows what Join would do.
func (p *explainer) button(r *detect.Result) {
	if !r.Join || r.Provider == "keyword" {
		if r.Keyword == "" {
			p.heading("No button", "ボタンなし", magenta)
			p.wrapped(2, "", "", p.lang.text("Nothing in it leads into a meeting.", "会議に参加できるものは見つかりませんでした。"), "", 0)
		}
		return
	}
	p.heading("Join: "+r.Provider, "参加: "+r.Provider, green)
	p.row("Link", "リンク", r.URL, cyan)
	p.row("Meeting ID", "会議 ID", r.MeetingID, "")
	p.row("Passcode", "パスコード", r.Passcode, "")
	p.row("SIP", "SIP", r.SIP, "")
	p.row("H.323", "H.323", r.H323, "")
	for i, d := range r.Dialin {
		en, ja := "Phone", "電話"
		if i > 0 {
			en, ja = "", ""
		}
		p.row(en, ja, dialinText(d), "")
	}
}

func dialinText(d calendar.Dialin) string {
	if d.PIN != "" {
		return d.Number + "  PIN " + d.PIN
	}
	return d.Number
}

// keyword says what the keyword in the location asks for.
func (p *explainer) keyword(r *detect.Result) {
	if r.Keyword == "" {
		return
	}
	p.heading("Keyword: "+r.Keyword, "キーワード: "+r.Keyword, green)
	action := r.KeywordAction
	if action == detect.ActionDefault && r.KeywordDefault != "" {
		action = r.KeywordDefault
	}
	does := map[detect.Action][2]string{
		detect.ActionMyRoom:  {"puts the organizer's personal room into the invitation", "主催者の個人会議室を招待状に書き込みます"},
		detect.ActionSpace:   {"puts a lasting space into the invitation", "常設スペースを招待状に書き込みます"},
		detect.ActionOneTime: {"makes a new meeting and puts it into the invitation", "新しい会議を作成して招待状に書き込みます"},
		detect.ActionDefault: {"makes what the meeting service makes without a modifier", "会議サービスの既定の会議を作成します"},
	}[action]
	p.row("Action", "動作", p.lang.text(does[0], does[1]), "")
	service := r.KeywordService
	if service == "" {
		service = p.lang.text("the first one of the configuration", "設定の最初のサービス")
	}
	p.row("Service", "サービス", service, "")
	if r.Join && r.Provider != "keyword" {
		p.wrapped(2, "", "", p.lang.text("The invitation has a way to join already; the keyword asks for another.", "招待状にはすでに参加方法がありますが、キーワードは別の会議を求めています。"), magenta, 0)
	}
	if !p.configured {
		p.wrapped(2, "", "", p.lang.text("These are the defaults; --config FILE has your organisation's keywords.", "既定のキーワードです。組織のキーワードは --config FILE で指定してください。"), faint, 0)
	}
}

// candidates lists all that was found, with score and reasons.
func (p *explainer) candidates(r *detect.Result) {
	if len(r.Candidates) == 0 {
		return
	}
	p.heading("Found, best first", "見つかったもの（優先順）", "")
	for i, c := range r.Candidates {
		target := cmp.Or(c.URL, c.SIP)
		head := padded(fmt.Sprintf("%3d.", i+1), 6)
		p.out.WriteString(head + p.paint(bold, visible(c.Provider)) + "  " + p.lang.field(c.Field) + "  " + p.paint(faint, p.lang.text("score ", "点数 ")+strconv.Itoa(c.Score)) + "\n")
		p.wrapped(6, "", "", target, cyan, explainLines)
		for _, why := range c.Why {
			p.wrapped(8, "      - ", faint, p.lang.reason(why), "", 0)
		}
	}
}

// rejected lists what looked like a way in and was refused. Deceit comes
// first and in red.
func (p *explainer) rejected(r *detect.Result) {
	if len(r.Rejected) == 0 {
		return
	}
	deceits := 0
	for _, j := range r.Rejected {
		if deceptive(j.Why) {
			deceits++
		}
	}
	if deceits > 0 {
		p.heading("WARNING: it may be a forgery", "警告: 偽装の可能性があります", red)
		p.refusals(r, true, red)
	}
	if deceits < len(r.Rejected) {
		p.heading("Refused", "採用しなかったもの", "")
		p.refusals(r, false, "")
	}
}

func (p *explainer) refusals(r *detect.Result, deceit bool, colour string) {
	for _, j := range r.Rejected {
		if deceptive(j.Why) == deceit {
			p.wrapped(4, "  x ", cmp.Or(colour, faint), j.Text, "", explainLines)
			p.wrapped(6, "    - ", faint, p.lang.reason(j.Why), colour, 0)
		}
	}
}

// deceptive reports whether a refusal's reason speaks of a link that pretends.
func deceptive(why string) bool {
	for _, sign := range []string{"only looks like", "disguised", "leads to another host"} {
		if strings.Contains(why, sign) {
			return true
		}
	}
	return false
}

// problems lists what could not be read.
func (p *explainer) problems(list []invite.Problem) {
	if len(list) == 0 {
		return
	}
	p.heading("Not read, or not as it stands", "読めなかった部分", magenta)
	for _, q := range list {
		p.wrapped(4, "  ! ", magenta, p.lang.problem(q), "", 0)
	}
}

// fold breaks a text into lines of at most so many columns: at blanks, else
// behind what separates the parts of a link, else anywhere.
func fold(text string, columns int) []string {
	var lines []string
	for width(text) > columns {
		end, at, n := 0, 0, 0
		for i, r := range text {
			w := width(string(r))
			if n+w > columns {
				break
			}
			n, end = n+w, i+utf8.RuneLen(r)
			if r == ' ' || n*5 > columns*4 && strings.ContainsRune("/?&=、。", r) {
				at = end
			}
		}
		if end < len(text) && text[end] == ' ' {
			at = end
		}
		if at == 0 {
			at = max(end, 1)
		}
		lines = append(lines, strings.TrimRight(text[:at], " "))
		text = strings.TrimLeft(text[at:], " ")
	}
	return append(lines, text)
}

// visible makes a stranger's text safe to show: what steers a terminal, turns
// the direction of writing or takes no room is written out.
func visible(s string) string {
	var out strings.Builder
	for _, r := range strings.ToValidUTF8(s, "\uFFFD") {
		switch {
		case r == '\n' || r == '\t' || r == '\r':
			out.WriteByte(' ')
		case unicode.IsControl(r), unicode.Is(unicode.Cf, r), r == '\u2028', r == '\u2029':
			fmt.Fprintf(&out, "\\u{%X}", r)
		default:
			out.WriteRune(r)
		}
	}
	return out.String()
}
