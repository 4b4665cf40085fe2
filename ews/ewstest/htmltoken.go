package ewstest

import (
	"html"
	"strings"
)

// tokenKind is one of the parts that an HTML body is made of.
type tokenKind uint8

const (
	textToken tokenKind = iota
	openToken
	closeToken
	commentToken // comments, conditional comments, declarations
)

// token is one part of an HTML body.
type token struct {
	kind  tokenKind
	text  string // of text, as written; of comments too
	name  string // of a tag, in lower case
	attrs []attribute
	empty bool // <br/>
}

// attribute is one of a tag; its value is unescaped.
type attribute struct{ name, value string }

func (t *token) attr(name string) string {
	for _, a := range t.attrs {
		if a.name == name {
			return a.value
		}
	}
	return ""
}

// tokens cuts an HTML body into its parts, forgiving as a mail server has to
// be: what is no tag is text.
func tokens(s string, yield func(token)) {
	for s != "" {
		lt := strings.IndexByte(s, '<')
		if lt < 0 {
			yield(token{kind: textToken, text: s})
			return
		}
		if lt > 0 {
			yield(token{kind: textToken, text: s[:lt]})
			s = s[lt:]
		}
		tok, rest, ok := tag(s)
		if !ok {
			yield(token{kind: textToken, text: "<"})
			s = s[1:]
			continue
		}
		s = rest
		yield(tok)
		if tok.kind == openToken && !tok.empty && (tok.name == "style" || tok.name == "script") {
			end := strings.Index(strings.ToLower(s), "</"+tok.name)
			if end < 0 {
				end = len(s)
			}
			if end > 0 {
				yield(token{kind: textToken, text: s[:end]})
			}
			s = s[end:]
		}
	}
}

// tag reads what begins with "<".
func tag(s string) (tok token, rest string, ok bool) {
	if strings.HasPrefix(s, "<!--") {
		if end := strings.Index(s[4:], "-->"); end >= 0 {
			return token{kind: commentToken, text: s[:4+end+3]}, s[4+end+3:], true
		}
		return token{kind: commentToken, text: s}, "", true
	}
	end := tagEnd(s)
	if end < 0 || len(s) < 3 {
		return tok, s, false
	}
	inner := s[1:end]
	switch {
	case inner == "":
		return tok, s, false
	case inner[0] == '!' || inner[0] == '?':
		return token{kind: commentToken, text: s[:end+1]}, s[end+1:], true
	case inner[0] == '/':
		name := strings.ToLower(strings.TrimSpace(inner[1:]))
		return token{kind: closeToken, name: name}, s[end+1:], isTagName(name)
	}
	tok = token{kind: openToken}
	if strings.HasSuffix(inner, "/") {
		tok.empty, inner = true, inner[:len(inner)-1]
	}
	n := strings.IndexAny(inner, " \t\r\n/")
	if n < 0 {
		n = len(inner)
	}
	tok.name = strings.ToLower(inner[:n])
	tok.attrs = attributes(inner[n:])
	return tok, s[end+1:], isTagName(tok.name)
}

// tagEnd returns where the ">" of a tag stands, quoted ones left out.
func tagEnd(s string) int {
	quote := byte(0)
	for i := 1; i < len(s); i++ {
		switch c := s[i]; {
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case c == '"' || c == '\'':
			if s[i-1] == '=' || isSpace(s[i-1]) {
				quote = c
			}
		case c == '>':
			return i
		case c == '<':
			return -1
		}
	}
	return -1
}

func isTagName(name string) bool {
	if name == "" || !(name[0] >= 'a' && name[0] <= 'z') {
		return false
	}
	for _, c := range []byte(name) {
		if !(c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == ':' || c == '-') {
			return false
		}
	}
	return true
}

func attributes(s string) []attribute {
	var out []attribute
	for {
		s = strings.TrimLeft(s, " \t\r\n/")
		if s == "" {
			return out
		}
		n := strings.IndexAny(s, "= \t\r\n")
		if n < 0 {
			return append(out, attribute{name: strings.ToLower(s)})
		}
		a := attribute{name: strings.ToLower(s[:n])}
		s = strings.TrimLeft(s[n:], " \t\r\n")
		if strings.HasPrefix(s, "=") {
			a.value, s = attributeValue(strings.TrimLeft(s[1:], " \t\r\n"))
		}
		if a.name != "" {
			out = append(out, a)
		}
	}
}

func attributeValue(s string) (value, rest string) {
	if s == "" {
		return "", ""
	}
	if q := s[0]; q == '"' || q == '\'' {
		if end := strings.IndexByte(s[1:], q); end >= 0 {
			return html.UnescapeString(s[1 : 1+end]), s[end+2:]
		}
		return html.UnescapeString(s[1:]), ""
	}
	n := strings.IndexAny(s, " \t\r\n")
	if n < 0 {
		n = len(s)
	}
	return html.UnescapeString(s[:n]), s[n:]
}
