package render

import (
	"bytes"
	"strings"

	nethtml "golang.org/x/net/html"
	"golang.org/x/net/html/atom"
)

// A quoted mail is other people's text. It is recognised by markup that mail
// clients put around it, by ">" in plain text, and by the lines with which
// Outlook and others open it. Where recognition is in doubt the block merely
// stands higher up, so it may be generous.

// quoting says what a start tag does about a quoted mail.
type quoting int8

const (
	noQuote   quoting = iota
	wrapsMail         // the element's content is a quoted mail
	opensMail         // all that follows is a quoted mail: the element is its header
)

// quotes reads a start tag's attributes.
func quotes(z *nethtml.Tokenizer, a atom.Atom, more bool) quoting {
	for n := 0; more && n < 64; n++ {
		var key, val []byte
		key, val, more = z.TagAttr()
		switch string(key) {
		case "type":
			if a == atom.Blockquote && strings.EqualFold(string(val), "cite") {
				return wrapsMail
			}
		case "cite":
			if a == atom.Blockquote {
				return wrapsMail
			}
		case "class", "id":
			for _, word := range strings.Fields(string(val[:min(len(val), 256)])) {
				if q := quoteName(word); q != noQuote {
					return q
				}
			}
		}
	}
	return noQuote
}

// quoteName knows the names under which mail clients wrap a quoted mail.
func quoteName(word string) quoting {
	word = strings.TrimPrefix(strings.ToLower(word), "x_")
	switch word {
	case "divrplyfwdmsg", "outlookmessageheader", "replysplit":
		return opensMail
	case "gmail_quote", "gmail_quote_container", "gmail_extra", "moz-cite-prefix", "yahoo_quoted", "protonmail_quote", "tutanota_quote",
		"mail-editor-reference-message-container", "olk_src_body_section", "zmail_extra", "freebirdquote":
		return wrapsMail
	}
	if strings.HasPrefix(word, "yahoo_quoted") || strings.HasPrefix(word, "ms-outlook-mobile-reference-message") {
		return wrapsMail
	}
	return noQuote
}

// headerWord returns the part that a field name plays in a mail's header, 0 if
// none. The name comes without blanks and in lower case.
func headerWord(name string) byte {
	switch name {
	case "from", "von", "de", "da", "van", "från", "fra", "od", "dela", "feladó", "kimden", "gönderen", "lähettäjä", "saatja", "no", "nuo", "dari", "từ",
		"差出人", "送信元", "送信者", "发件人", "寄件者", "寄件人", "보낸사람", "от", "откого", "від", "από", "מאת", "من", "จาก":
		return 'f'
	case "sent", "date", "gesendet", "datum", "envoyé", "enviado", "enviadoel", "enviadaem", "enviat", "fecha", "inviato", "data", "verzonden", "skickat",
		"sendt", "dato", "wysłano", "odesláno", "odoslané", "poslano", "elküldve", "dátum", "gönderildi", "gönderilen", "gönderilmetarihi", "tarih", "lähetetty",
		"päivämäärä", "trimis", "saadetud", "kuupäev", "dikirim", "tanggal", "đãgửi", "ngày", "送信日時", "日時", "日付", "发送时间", "发送日期", "日期", "时间",
		"寄件日期", "傳送日期", "보낸날짜", "날짜", "отправлено", "дата", "изпратено", "надіслано", "στάλθηκε", "ημερομηνία", "נשלח", "תאריך",
		"تاريخالإرسال", "مرسل", "التاريخ", "ส่ง", "ส่งเมื่อ", "วันที่":
		return 's'
	case "to", "an", "à", "para", "a", "aan", "till", "til", "do", "komu", "za", "prima", "címzett", "kime", "alıcı", "vastaanottaja", "către", "pera", "kepada", "đến", "tới",
		"宛先", "收件人", "收件者", "받는사람", "кому", "до", "προς", "אל", "إلى", "ถึง":
		return 't'
	case "cc", "kopie", "copie", "kopia", "kopio", "másolatotkap", "bilgi", "抄送", "副本", "참조", "копия", "копія", "κοιν", "עותק", "نسخة", "สำเนา":
		return 'c'
	case "subject", "betreff", "objet", "asunto", "assunto", "assumpte", "oggetto", "onderwerp", "ämne", "emne", "temat", "předmět", "predmet", "zadeva", "tárgy",
		"konu", "aihe", "subiect", "tema", "teema", "subjek", "chủđề", "件名", "主题", "主旨", "제목", "тема", "относно", "θέμα", "נושא", "الموضوع", "เรื่อง":
		return 'j'
	}
	return 0
}

// field returns the part that a line plays in a mail header, 0 if none.
func field(words []byte) byte {
	words = bytes.TrimLeft(words[:min(len(words), 64)], "*>")
	i := bytes.IndexAny(words, ":：")
	if i <= 0 {
		return 0
	}
	return headerWord(strings.ToLower(string(bytes.TrimRight(words[:i], "*"))))
}

// separates reports whether a quoted mail begins with line k: a header of at
// least three different fields that starts with the sender, or a line such as
// -----Original Message-----.
func (p *page) separates(k int) bool {
	words := p.words(k)
	if dashed(words) {
		return original(words) || p.headed(k+1)
	}
	if field(words) != 'f' {
		return false
	}
	var kinds [128]bool
	n := 1
	for i := k + 1; i < len(p.lines) && i <= k+5; i++ {
		// A line without a field belongs to a long list of recipients.
		if c := field(p.words(i)); c != 0 && c != 'f' && !kinds[c] {
			kinds[c] = true
			n++
		}
	}
	return n >= 3 && (kinds['s'] || kinds['j'])
}

// dashed reports whether words stand between two runs of dashes.
func dashed(words []byte) bool {
	const dashes = "----"
	return len(words) >= 12 && len(words) < 120 && string(words[:4]) == dashes && string(words[len(words)-4:]) == dashes && len(bytes.Trim(words, "-")) > 0
}

// headed reports whether line k is the first of a mail's header.
func (p *page) headed(k int) bool { return k < len(p.lines) && field(p.words(k)) != 0 }

// original reports whether a dashed line is the one that mail clients write
// above a mail that is replied to or forwarded, or above an appointment.
func original(words []byte) bool {
	switch strings.ToLower(string(bytes.Trim(words, "-"))) {
	case "originalmessage", "originalappointment", "forwardedmessage", "ursprünglichenachricht", "ursprünglichertermin", "originalnachricht", "weitergeleitetenachricht",
		"messaged'origine", "messaged’origine", "rendez-vousd'origine", "rendez-vousd’origine", "messagetransféré", "mensajeoriginal", "citaoriginal", "mensajereenviado",
		"messaggiooriginale", "appuntamentooriginale", "messaggioinoltrato", "oorspronkelijkbericht", "oorspronkelijkeafspraak", "doorgestuurdbericht",
		"mensagemoriginal", "mensagemencaminhada", "ursprungligtmeddelande", "originalmeddelelse", "oprindeligmeddelelse", "opprinneligmelding", "alkuperäinenviesti",
		"wiadomośćoryginalna", "původnízpráva", "pôvodnáspráva", "eredetiüzenet", "mesajoriginal", "orijinalmesaj", "özgünileti", "исходноесообщение",
		"пересылаемоесообщение", "元のメッセージ", "元の予定", "転送メッセージ", "转发的邮件", "原始邮件", "原始约会", "轉寄郵件", "原始郵件", "원본메시지", "전달된메시지":
		return true
	}
	return false
}

// attributes reports whether a line is of the kind "On Monday Ann wrote:".
func attributes(words []byte) bool {
	if len(words) > 400 || !bytes.HasSuffix(words, []byte(":")) && !bytes.HasSuffix(words, []byte("：")) {
		return false
	}
	text := strings.ToLower(string(words))
	for _, verb := range []string{"wrote", "schrieb", "écrit", "escribió", "escreveu", "hascritto", "haescrit", "schreef", "skrev", "kirjoitti", "napisał", "napsal", "написал",
		"írta", "yazdı", "写道", "寫道", "のメール", "書きました", "のメッセージ", "작성", "έγραψε", "כתב", "كتب", "เขียน"} {
		if strings.Contains(text, verb) {
			return true
		}
	}
	return false
}

// rule reports whether a line is a drawn rule.
func rule(words []byte) bool {
	return len(words) >= 5 && len(words) < 1024 && len(bytes.Trim(words, "_-=─━—*")) == 0
}

// quoteAt finds the quoted mail at the end of the page: the first line of it,
// and the source position where the organiser's own text ends, which is in
// front of a signature. Without them they are the number of lines and the
// page's end.
func (p *page) quoteAt() (first, at int) {
	if p.settled {
		return p.mail.first, p.mail.at
	}
	first = p.quoteLine()
	at = p.end
	if first < len(p.lines) {
		at = min(int(p.lines[first].anchor), p.end)
	}
	if k := p.signature(first); k >= 0 {
		at = min(int(p.lines[k].anchor), at)
	}
	p.mail, p.settled = mailAt{first, at}, true
	return first, at
}

// mailAt is where a quoted mail at the end begins.
type mailAt struct{ first, at int } // a line, a position in the source

// quoteLine returns the first line of the quoted mail at the end, or the
// number of lines.
func (p *page) quoteLine() int {
	first := -1
	for k := range p.lines {
		if p.separates(k) {
			if first < 0 {
				first = p.opening(k)
			}
			return first
		}
		switch {
		case p.lines[k].quoted && first < 0:
			first = p.opening(k)
		case !p.lines[k].quoted:
			first = -1 // the organiser's own text goes on below the quote
		}
	}
	if first >= 0 {
		return first
	}
	return len(p.lines)
}

// signature returns the line "-- " (RFC 3676 4.3) in front of the quoted mail,
// or -1: what stands below it is greyed, folded or cut off by many programs. A
// long text below is no signature.
func (p *page) signature(quote int) int {
	const most = 12
	for k := quote - 1; k >= 0 && k > quote-1-most; k-- {
		if string(p.words(k)) != "--" || p.lines[k].quoted {
			continue
		}
		rest := p.src[p.lines[k].src:]
		if strings.HasPrefix(rest, "-- ") || strings.HasPrefix(rest, "--&nbsp;") || strings.HasPrefix(rest, "--\u00a0") {
			return k
		}
	}
	return -1
}

// opening steps back over what introduces a quoted mail that begins with line
// k: a rule, or "On Monday Ann wrote:", which may be broken in two.
func (p *page) opening(k int) int {
	if k > 0 && (rule(p.words(k-1)) || attributes(p.words(k-1))) {
		k--
		if k > 0 && len(p.words(k)) < 12 && bytes.HasPrefix(p.words(k-1), []byte("On")) {
			k--
		}
	}
	return k
}
