package render

import (
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
	case "from", "von", "de", "da", "van", "från", "fra", "差出人", "送信元", "发件人", "寄件者", "보낸사람":
		return 'f'
	case "sent", "date", "gesendet", "datum", "envoyé", "enviado", "enviadoel", "fecha", "inviato", "data", "verzonden", "skickat", "sendt",
		"送信日時", "日時", "日付", "发送时间", "日期", "寄件日期", "보낸날짜":
		return 's'
	case "to", "an", "à", "para", "a", "aan", "till", "til", "宛先", "收件人", "收件者", "받는사람":
		return 't'
	case "cc", "kopie", "copie", "抄送", "副本", "참조":
		return 'c'
	case "subject", "betreff", "objet", "asunto", "assunto", "oggetto", "onderwerp", "ämne", "emne", "件名", "主题", "主旨", "제목":
		return 'j'
	}
	return 0
}

// field returns the part that a line plays in a mail header, 0 if none.
func field(words string) byte {
	words = strings.TrimLeft(words[:min(len(words), 64)], "*>")
	i := strings.IndexAny(words, ":：")
	if i <= 0 {
		return 0
	}
	return headerWord(strings.ToLower(strings.TrimRight(words[:i], "*")))
}

// separates reports whether a quoted mail begins with line k: a header of at
// least three different fields that starts with the sender, or a line such as
// -----Original Message-----.
func (p *page) separates(k int) bool {
	words := p.words(k)
	if len(words) >= 12 && len(words) < 120 && strings.HasPrefix(words, "----") && strings.HasSuffix(words, "----") && strings.Trim(words, "-") != "" {
		return true
	}
	if field(words) != 'f' {
		return false
	}
	kinds := map[byte]bool{'f': true}
	for i := k + 1; i < len(p.lines) && i <= k+5; i++ {
		c := field(p.words(i))
		if c == 0 {
			continue // a long list of recipients runs over several lines
		}
		kinds[c] = true
	}
	return len(kinds) >= 3 && (kinds['s'] || kinds['j'])
}

// attributes reports whether a line is of the kind "On Monday Ann wrote:".
func attributes(words string) bool {
	if len(words) > 400 || !strings.HasSuffix(words, ":") && !strings.HasSuffix(words, "：") {
		return false
	}
	words = strings.ToLower(words)
	for _, verb := range []string{"wrote", "schrieb", "écrit", "escribió", "escreveu", "hascritto", "schreef", "skrev", "写道", "寫道", "のメール", "書きました", "작성"} {
		if strings.Contains(words, verb) {
			return true
		}
	}
	return false
}

// rule reports whether a line is a drawn rule.
func rule(words string) bool {
	return len(words) >= 5 && strings.Trim(words, "_-=─━—*") == ""
}

// quoteAt finds the quoted mail at the end of the page: the first line of it,
// and the source position in front of it. Without one they are the number of
// lines and the page's end.
func (p *page) quoteAt() (first, at int) {
	first = -1
	for k := range p.lines {
		if p.separates(k) {
			if first < 0 {
				first = p.opening(k)
			}
			return first, min(int(p.lines[first].anchor), p.end)
		}
		switch {
		case p.lines[k].quoted && first < 0:
			first = p.opening(k)
		case !p.lines[k].quoted:
			first = -1 // the organiser's own text goes on below the quote
		}
	}
	if first >= 0 {
		return first, min(int(p.lines[first].anchor), p.end)
	}
	return len(p.lines), p.end
}

// opening steps back over what introduces a quoted mail that begins with line
// k: a rule, or "On Monday Ann wrote:", which may be broken in two.
func (p *page) opening(k int) int {
	if k > 0 && (rule(p.words(k-1)) || attributes(p.words(k-1))) {
		k--
		if k > 0 && len(p.words(k)) < 12 && strings.HasPrefix(p.words(k-1), "On") {
			k--
		}
	}
	return k
}
