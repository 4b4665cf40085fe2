package render

import (
	"fmt"
	"html"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	nethtml "golang.org/x/net/html"

	"github.com/koyomi-cal/koyomi/internal/calendar"
)

// A rewriter does to a body what some program does to it between two looks.
type rewriter struct {
	name string
	want State // of the block afterwards; of a block left alone also why
	why  Reason
	do   func(calendar.Body) calendar.Body
}

// inHTML makes a rewriter's function of one for HTML.
func inHTML(f func(string) string) func(calendar.Body) calendar.Body {
	return func(b calendar.Body) calendar.Body {
		if b.Type == calendar.BodyHTML {
			b.Content = f(b.Content)
		}
		return b
	}
}

// asText makes a rewriter's function of a conversion to plain text.
func asText(c toText, f func(string) string) func(calendar.Body) calendar.Body {
	return func(b calendar.Body) calendar.Body {
		if b.Type == calendar.BodyHTML {
			b.Type, b.Content = calendar.BodyText, c.convert(b.Content)
		}
		if f != nil {
			b.Content = f(b.Content)
		}
		return b
	}
}

var (
	tags     = regexp.MustCompile(`<(/?)([a-zA-Z:0-9]+)([^>]*)>`)
	hrefs    = regexp.MustCompile(`href="([^"]*)"`)
	styles   = regexp.MustCompile(` (style|lang|dir|class|id|border|cellspacing|cellpadding|type)="[^"]*"`)
	links    = regexp.MustCompile(`https://[^\s<>"]+`)
	between  = regexp.MustCompile(`>\s+<`)
	nonASCII = regexp.MustCompile(`[^\x00-\x7f]`)
	spaces   = regexp.MustCompile(` `)
	anchors  = regexp.MustCompile(`</?a\b[^>]*>`)
)

func safelink(u string) string {
	return "https://eur01.safelinks.protection.outlook.com/?url=" + url.QueryEscape(u) + "&data=05%7C02%7Cann%40example.com%7C0&sdata=Zm9v%3D&reserved=0"
}

func proofpoint2(u string) string {
	q := strings.NewReplacer("%3A", "-3A", "%2F", "_", "%3F", "-3F", "%3D", "-3D", "%26", "-26", "-", "-2D", "_", "-5F").Replace(url.QueryEscape(u))
	return "https://urldefense.proofpoint.com/v2/url?u=" + q + "&d=DwMFaQ&c=abc&r=def&m=ghi&s=jkl&e="
}

func proofpoint3(u string) string {
	return "https://urldefense.com/v3/__" + strings.Replace(u, "=", "*", 1) + "__;PQ!!Abc-1_x!def$"
}

// linked rewrites the targets of web links.
func linked(f func(string) string) func(string) string {
	return func(s string) string {
		return hrefs.ReplaceAllStringFunc(s, func(h string) string {
			u := html.UnescapeString(h[len(`href="`) : len(h)-1])
			if !strings.HasPrefix(u, "https://") {
				return h
			}
			return `href="` + html.EscapeString(f(u)) + `" originalsrc="` + html.EscapeString(u) + `" shash="x"`
		})
	}
}

func textLinked(f func(string) string) func(string) string {
	return func(s string) string { return links.ReplaceAllStringFunc(s, f) }
}

// retag renames elements and drops or changes attributes.
func retag(f func(end bool, name, attrs string) string) func(string) string {
	return func(s string) string {
		return tags.ReplaceAllStringFunc(s, func(t string) string {
			m := tags.FindStringSubmatch(t)
			return f(m[1] != "", strings.ToLower(m[2]), m[3])
		})
	}
}

func tag(end bool, name, attrs string) string {
	if end {
		return "</" + name + ">"
	}
	return "<" + name + attrs + ">"
}

// outlookWeb lays paragraphs out as Outlook on the web does.
func outlookWeb(s string) string {
	s = retag(func(end bool, name, attrs string) string {
		switch {
		case name == "p" && end:
			return "</span></div>\r\n<div><br></div>"
		case name == "p":
			return `<div class="elementToProof" style="font-family:Aptos"><span style="color: rgb(0, 0, 0);" data-ogsc="black">`
		case name == "b" && !end:
			return `<b style="font-weight:700">`
		}
		return tag(end, name, attrs)
	})(s)
	return strings.ReplaceAll(s, " (", "&nbsp;(")
}

// gmail writes what its editor makes of pasted or edited mail.
func gmail(s string) string {
	s = retag(func(end bool, name, attrs string) string {
		switch name {
		case "p":
			return tag(end, "div", ` style="margin:0px"`)
		case "td":
			return tag(end, "td", ` style="margin:0px;font-family:arial,sans-serif"`)
		case "html", "head", "body", "meta":
			return ""
		}
		return tag(end, name, attrs)
	})(s)
	s = strings.ReplaceAll(s, " - ", "&nbsp;- ")
	return linked(func(u string) string {
		return "https://www.google.com/url?q=" + url.QueryEscape(u) + "&source=gmail&ust=1&usg=x"
	})(s)
}

// flattened makes lines of everything, as calendars on phones and on the web do
// that know links and line breaks only.
func flattened(s string) string {
	c := toText{}
	lines := strings.Split(c.convert(s), "\n")
	for i, l := range lines {
		l = html.EscapeString(strings.TrimRight(l, "\r"))
		lines[i] = links.ReplaceAllStringFunc(l, func(u string) string { return `<a href="` + u + `" target="_blank">` + u + `</a>` })
	}
	return strings.Join(lines, "<br>")
}

// rewriters are the programs, and what is to become of a block.
var rewriters = []rewriter{
	{"nothing", Whole, "", inHTML(func(s string) string { return s })},
	{"Word saves", Whole, "", inHTML(rewrite)},
	{"Outlook on the web", Whole, "", inHTML(outlookWeb)},
	{"Outlook on the web, twice", Whole, "", inHTML(func(s string) string { return outlookWeb(outlookWeb(s)) })},
	{"Word, then Outlook on the web", Whole, "", inHTML(func(s string) string { return outlookWeb(rewrite(s)) })},
	{"Gmail's editor", Whole, "", inHTML(gmail)},
	{"a web editor without tables", Whole, "", inHTML(retag(func(end bool, name, attrs string) string {
		switch name {
		case "table", "tbody", "tr", "td":
			return tag(end, "div", "")
		}
		return tag(end, name, attrs)
	}))},
	{"a sanitizer", Whole, "", inHTML(func(s string) string { return styles.ReplaceAllString(s, "") })},
	{"a minifier", Whole, "", inHTML(func(s string) string { return between.ReplaceAllString(s, "><") })},
	{"old style", Whole, "", inHTML(retag(func(end bool, name, attrs string) string {
		switch name {
		case "p":
			if end {
				return "</FONT><BR>"
			}
			return "<FONT FACE=Arial SIZE=2>"
		}
		return tag(end, strings.ToUpper(name), attrs)
	}))},
	{"entities", Whole, "", inHTML(func(s string) string {
		return nonASCII.ReplaceAllStringFunc(s, func(c string) string { return fmt.Sprintf("&#x%X;", []rune(c)[0]) })
	})},
	{"hard spaces", Whole, "", inHTML(func(s string) string {
		return regexp.MustCompile(`>[^<]+<`).ReplaceAllStringFunc(s, func(t string) string { return spaces.ReplaceAllString(t, "&nbsp;") })
	})},
	{"links taken out", Whole, "", inHTML(func(s string) string { return anchors.ReplaceAllString(s, "") })},
	{"SafeLinks in targets", Whole, "", inHTML(linked(safelink))},
	{"Proofpoint in targets", Whole, "", inHTML(linked(proofpoint2))},
	{"opaque links in targets", Whole, "", inHTML(linked(func(string) string { return "https://protect.example/s/aB3x?domain=meet.example.org" }))},
	{"a web calendar", Whole, "", inHTML(flattened)},
	{"Samsung", Whole, "", inHTML(func(s string) string {
		return `<p dir="ltr">` + strings.ReplaceAll(flattened(s), "<br>", "</p>\n<p dir=\"ltr\">") + "</p>"
	})},
	{"iPhone", Whole, "", asText(toText{}, nil)},
	{"Exchange's text", Whole, "", asText(toText{echo: "<%s>", eol: "\r\n"}, nil)},
	{"Google's text", Whole, "", asText(toText{echo: " <%s>"}, nil)},
	{"Thunderbird's text", Whole, "", asText(toText{bold: "*", auto: "<%s>"}, nil)},
	{"Markdown", Whole, "", asText(toText{bold: "**", auto: "<%s>"}, nil)},
	{"text wrapped at blanks", Whole, "", asText(toText{}, func(s string) string { return strings.ReplaceAll(s, " ", "\n") })},
	{"text indented", Whole, "", asText(toText{}, func(s string) string { return "    " + strings.ReplaceAll(s, "\n", "\n    ") })},
	{"text, SafeLinks", Whole, "", asText(toText{}, textLinked(safelink))},
	{"text, SafeLinks behind links", Whole, "", asText(toText{}, func(s string) string {
		return textLinked(func(u string) string { return u + " <" + safelink(u) + ">" })(s)
	})},
	{"text, Proofpoint 2", Whole, "", asText(toText{}, textLinked(proofpoint2))},
	{"text, Proofpoint 3", Whole, "", asText(toText{}, textLinked(proofpoint3))},

	// What no reader of the text can undo is left alone, and says why.
	{"text, opaque links", Partial, Edited, asText(toText{}, textLinked(func(string) string { return "https://protect.example/s/aB3x" }))},
	{"a translator", Partial, Edited, asText(toText{}, func(s string) string {
		return strings.NewReplacer("Example Meet", "Beispieltreffen").Replace(s)
	})},
	{"quoted by a reply", Partial, Quoted, asText(toText{}, func(s string) string { return "> " + strings.ReplaceAll(s, "\n", "\n> ") })},
	{"forwarded below a header", Partial, Quoted, inHTML(func(s string) string {
		return "<p>FYI</p><div id=divRplyFwdMsg><b>From:</b> a</div>" + s
	})},
	{"last line cut", Partial, NoLastLine, func(b calendar.Body) calendar.Body {
		b.Content = regexp.MustCompile(`\([0-9A-Z]{4}\)`).ReplaceAllString(b.Content, "")
		return b
	}},
}

// toText is a conversion from HTML to plain text.
type toText struct {
	bold string // put around bold text
	echo string // put behind the text of a link, with its target
	auto string // put around the text of a link that is its own target
	eol  string
}

func (c toText) convert(s string) string {
	var b strings.Builder
	z := nethtml.NewTokenizer(strings.NewReader(s))
	href, skip, at := "", 0, 0
	var shown strings.Builder
	for {
		kind := z.Next()
		at += len(z.Raw())
		switch kind {
		case nethtml.ErrorToken:
			eol := c.eol
			if eol == "" {
				eol = "\n"
			}
			return strings.ReplaceAll(b.String(), "\n", eol)
		case nethtml.TextToken:
			t := html.UnescapeString(string(z.Raw()))
			t = strings.NewReplacer("\r", "", "\n", " ").Replace(t)
			if skip > 0 || strings.Trim(t, " ") == "" {
				continue
			}
			shown.WriteString(t)
			if href == "" {
				b.WriteString(t)
			}
		case nethtml.StartTagToken, nethtml.EndTagToken, nethtml.SelfClosingTagToken:
			raw := string(z.Raw())
			name, _ := z.TagName()
			switch n := string(name); n {
			case "head", "style", "script":
				skip += map[bool]int{true: 1, false: -1}[kind == nethtml.StartTagToken]
			case "b", "strong":
				b.WriteString(c.bold)
			case "a":
				if kind == nethtml.StartTagToken {
					href = "#"
					if m := hrefs.FindStringSubmatch(raw); m != nil {
						href = html.UnescapeString(m[1])
					}
					shown.Reset()
					continue
				}
				b.WriteString(c.link(shown.String(), href))
				href = ""
			case "p", "div", "br", "tr", "li", "table", "ul", "h1", "blockquote":
				if c.bold != "" && strings.Contains(raw, "font-weight:bold") {
					b.WriteString("\n" + c.bold) // bold by style
					line, _, _ := strings.Cut(s[at:], "<")
					b.WriteString(html.UnescapeString(line) + c.bold)
					z.Next()
					at += len(z.Raw())
				} else if kind != nethtml.EndTagToken || n == "p" || n == "table" {
					b.WriteString("\n")
				}
			}
		}
	}
}

func (c toText) link(text, href string) string {
	switch {
	case c.auto != "" && text == href:
		return fmt.Sprintf(c.auto, text)
	case c.echo != "" && strings.Contains(href, ":"):
		return text + fmt.Sprintf(c.echo, href)
	}
	return text
}

// owners are bodies of an organiser, in which everything has to stay.
var owners = map[string]calendar.Body{
	"empty":    htmlBody("<html><body></body></html>"),
	"agenda":   htmlBody(`<html><head><style>p{margin:0}</style></head><body><p>Agenda <b>one</b> - two</p><ul><li>a</li><li>b</li></ul><p>Notes: <a href="https://docs.example/x?a=1&amp;b=2">the notes</a></p></body></html>`),
	"fragment": htmlBody(`Please read <a href="https://docs.example/y">this</a> first`),
	"picture":  htmlBody(`<html><body><table><tbody><tr><td><img src="cid:1" alt="logo"></td><td>会議 のお知らせ</td></tr></tbody></table></body></html>`),
	"provider": htmlBody(`<html><body><p>Hi</p><div>________________________________</div><div>Microsoft Teams meeting</div><div><a href="https://teams.example/l/x">Join</a></div><div>________________________________</div></body></html>`),
	"reply":    htmlBody(`<html><body><div>See below</div><hr><div id="divRplyFwdMsg"><b>From:</b> Ann<br><b>Sent:</b> Monday<br><b>Subject:</b> Plan</div><p>old <a href="https://old.example/z">text</a></p></body></html>`),
	"rtl":      htmlBody(`<html><body dir="rtl"><p>סדר היום</p></body></html>`),
	"plain":    textBody("Agenda\r\nSee https://docs.example/x\r\n"),
}

// templates are the shapes a block has by setting.
func templates(locale string) map[string]Options {
	full, bare := options(locale), Options{Locale: locale}
	full.English = locale != "en"
	return map[string]Options{"full": options(locale), "bare": bare, "English below": full}
}

// foreign is what is not ours in a body: words, links, pictures, elements; with
// lines or without.
func foreign(b calendar.Body, lines bool) string {
	var found []string
	if b.Type == calendar.BodyHTML {
		found = append(found, regexp.MustCompile(`(?i)(href|src)="[^"]*"`).FindAllString(b.Content, -1)...)
		for _, name := range []string{"table", "tr", "td", "div", "span", "b", "font", "p", "br"} {
			if !lines && (name == "p" || name == "br") {
				continue
			}
			found = append(found, fmt.Sprint(len(regexp.MustCompile("(?i)<"+name+`\b`).FindAllString(b.Content, -1)), " ", name))
		}
	}
	return string(newPage(b).seen) + "\n" + strings.Join(found, "\n")
}

// TestRewriters: whatever program had a body in its hands, the block is found
// and taken out without a residue and without anybody else's text, link or
// picture; or it is left alone with the reason.
func TestRewriters(t *testing.T) {
	t.Parallel()
	for _, r := range rewriters {
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			found, removed, left := 0, 0, 0
			for name, own := range owners {
				for _, locale := range Locales() {
					for shape, o := range templates(locale) {
						at := strings.Join([]string{name, locale, shape}, ", ")
						put, err := Insert(own, details(), o)
						if err != nil {
							t.Fatalf("%s: %v", at, err)
						}
						b := r.do(put)
						if r.want != Whole && b == put {
							continue // nothing that this program changes
						}
						f := Find(b, room)
						if f.State != r.want || f.Reason != r.why && r.want == Partial {
							t.Errorf("%s: %v %v\n%s", at, f.State, f.Reason, b.Content)
							continue
						}
						out, err := Remove(b, room)
						if r.want != Whole {
							left++
							if err == nil || out != b {
								t.Errorf("%s: touched: %v", at, err)
							}
							continue
						}
						found++
						if f.Locale != locale {
							t.Errorf("%s: language %s", at, f.Locale)
						}
						// Where margins became empty lines, these may stay.
						lines := r.name != "Samsung" && r.name != "a web calendar"
						if want, got := foreign(r.do(own), lines), foreign(out, lines); err != nil || got != want {
							t.Errorf("%s: %v\n got %s\nwant %s\nfrom %s\n  to %s", at, err, got, want, b.Content, out.Content)
							continue
						}
						removed++
					}
				}
			}
			t.Logf("found %d, removed %d, left alone %d", found, removed, left)
			if found+left == 0 || found != removed {
				t.Errorf("found %d, removed %d", found, removed)
			}
		})
	}
	if !slices.ContainsFunc(rewriters, func(r rewriter) bool { return r.want == Partial }) {
		t.Error("nothing is left alone")
	}
}
