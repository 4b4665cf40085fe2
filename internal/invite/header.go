package invite

import (
	"bytes"
	"io"
	"mime"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// header is what is read of a header (RFC 5322 2.2): the first field of each
// name, in lower case, unfolded but not decoded.
type header map[string]string

// header reads a header and returns it with the body that follows. A line
// that is no field is noted and left out; where the first line is none, all is
// body.
func (r *reader) header(data []byte, part string) (header, []byte) {
	fields := map[string][]byte{}
	name, size := "", 0
	all := data
	for first := true; len(data) > 0; first = false {
		line, rest := cutLine(data)
		if len(line) == 0 {
			data = rest
			break
		}
		if size += len(line); size > maxHeader {
			r.problem(Problem{Part: part, Code: TooLong})
			_, data = cutHeader(data)
			break
		}
		data = rest
		if line[0] == ' ' || line[0] == '\t' {
			if name != "" {
				fields[name] = append(fields[name], line...)
			}
			continue
		}
		m := headerName.FindSubmatch(line)
		switch {
		case m != nil:
			name = strings.ToLower(string(m[1]))
			if _, twice := fields[name]; twice {
				name = ""
			} else {
				fields[name] = slices.Clone(line[len(m[0]):])
			}
		case first && isEnvelope(line):
		case first:
			r.problem(Problem{Part: part, Code: BrokenHeader})
			return header{}, all
		default:
			name = ""
			r.problem(Problem{Part: part, Code: BrokenHeader})
		}
	}
	h := header{}
	for name, value := range fields {
		h[name] = strings.TrimSpace(string(value))
	}
	return h, data
}

// isEnvelope reports whether a line is the one between mails in an mbox file.
func isEnvelope(line []byte) bool {
	return bytes.HasPrefix(line, []byte("From ")) || bytes.HasPrefix(line, []byte(">From "))
}

// cutHeader finds the empty line at the end of a header.
func cutHeader(data []byte) (head, body []byte) {
	for _, gap := range []string{"\n\r\n", "\n\n"} {
		if i := bytes.Index(data, []byte(gap)); i >= 0 {
			return data[:i+1], data[i+len(gap):]
		}
	}
	return data, nil
}

// text decodes a field of words (RFC 2047). Bytes that are not encoded though
// they ought to be are guessed at.
func (r *reader) text(h header, field, part string) string {
	raw := h[field]
	if !utf8.ValidString(raw) {
		raw = r.guess([]byte(raw), part)
	}
	if !strings.Contains(raw, "=?") {
		return strings.TrimSpace(raw)
	}
	failed := false
	words := mime.WordDecoder{CharsetReader: func(label string, in io.Reader) (io.Reader, error) {
		label, _, _ = strings.Cut(label, "*") // a language, RFC 2231 5
		if e := lookup(strings.ToLower(label)); e != nil {
			return e.NewDecoder().Reader(in), nil
		}
		failed = true
		r.problem(Problem{Part: part, Field: fieldName(field), Code: UnknownCharset, Detail: label})
		return strings.NewReader(""), nil
	}}
	text, err := words.DecodeHeader(raw)
	if err != nil || failed {
		if !failed {
			r.problem(Problem{Part: part, Field: fieldName(field), Code: BrokenField})
		}
		return strings.TrimSpace(raw)
	}
	return strings.TrimSpace(text)
}

// fieldName writes a field's name as people know it.
func fieldName(field string) string {
	words := strings.Split(field, "-")
	for i, w := range words {
		if w != "" {
			words[i] = strings.ToUpper(w[:1]) + w[1:]
		}
	}
	return strings.Join(words, "-")
}

// person reads an address field's first mailbox: NAME <ADDRESS>, or ADDRESS
// (NAME), or ADDRESS. It takes what strict readers refuse.
func (r *reader) person(h header, field, part string) Person {
	value := r.text(h, field, part)
	if open := strings.LastIndexByte(value, '<'); open >= 0 {
		address, _, _ := strings.Cut(value[open+1:], ">")
		return Person{Name: strings.Trim(strings.TrimSpace(value[:open]), `"' `), Address: strings.TrimSpace(address)}
	}
	address, name, _ := strings.Cut(value, "(")
	if !strings.Contains(address, "@") {
		return Person{Name: strings.Trim(value, `"' `)}
	}
	return Person{Name: strings.TrimSuffix(strings.TrimSpace(name), ")"), Address: strings.TrimSpace(address)}
}

// media reads Content-Type and Content-Disposition: VALUE; NAME=VALUE…, with
// parameters that are continued, encoded and in any character set (RFC 2231),
// and with encoded words in them, which is not allowed and common.
func (r *reader) media(h header, field, part string) (value string, params map[string]string) {
	value, rest, _ := strings.Cut(h[field], ";")
	value = strings.ToLower(strings.TrimSpace(value))
	params = map[string]string{}
	pieces := map[string][]piece{}
	for rest != "" && len(params)+len(pieces) < 64 {
		var name, text string
		name, text, rest = cutParameter(rest)
		if name == "" {
			continue
		}
		base, number, encoded := splitParameter(name)
		if number < 0 && !encoded {
			params[base] = r.text(header{field: text}, field, part)
			continue
		}
		pieces[base] = append(pieces[base], piece{number, encoded, text})
	}
	for base, list := range pieces {
		params[base] = r.assemble(list, part)
	}
	return value, params
}

// piece is one of a parameter's continuations (RFC 2231 3).
type piece struct {
	number  int
	encoded bool
	text    string
}

// cutParameter reads the next NAME=VALUE, with or without quotes.
func cutParameter(s string) (name, value, rest string) {
	s = strings.TrimLeft(s, "; \t\r\n")
	i := strings.IndexAny(s, "=;")
	if i < 0 || s[i] == ';' {
		if i < 0 {
			return "", "", ""
		}
		return "", "", s[i:]
	}
	name = strings.ToLower(strings.TrimSpace(s[:i]))
	s = strings.TrimLeft(s[i+1:], " \t\r\n")
	if !strings.HasPrefix(s, `"`) {
		value, rest, _ = strings.Cut(s, ";")
		return name, strings.TrimSpace(value), rest
	}
	var out strings.Builder
	for i := 1; i < len(s); i++ {
		switch {
		case s[i] == '"':
			return name, out.String(), s[i+1:]
		case s[i] == '\\' && i+1 < len(s):
			i++
		}
		out.WriteByte(s[i])
	}
	return name, out.String(), "" // the closing quote is missing
}

// splitParameter takes NAME*0* apart; the number is -1 without one.
func splitParameter(name string) (base string, number int, encoded bool) {
	name, encoded = strings.CutSuffix(name, "*")
	base, digits, continued := strings.Cut(name, "*")
	if n, err := strconv.Atoi(digits); continued && err == nil && n >= 0 {
		return base, n, encoded
	}
	return base, -1, encoded
}

// assemble joins the continuations of one parameter and decodes them.
func (r *reader) assemble(list []piece, part string) string {
	slices.SortStableFunc(list, func(a, b piece) int { return a.number - b.number })
	label := ""
	var out []byte
	for i, p := range list {
		text := p.text
		if i == 0 && p.encoded {
			if set, rest, ok := strings.Cut(text, "'"); ok {
				label = set
				_, text, _ = strings.Cut(rest, "'")
			}
		}
		if p.encoded {
			out = append(out, unpercent(text)...)
		} else {
			out = append(out, text...)
		}
	}
	return r.unicode(out, label, part)
}

// unpercent undoes percent-encoding; a broken escape stays.
func unpercent(s string) []byte {
	out := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] == '%' && i+2 < len(s) && unhex(s[i+1]) >= 0 && unhex(s[i+2]) >= 0 {
			out = append(out, byte(unhex(s[i+1])<<4|unhex(s[i+2])))
			i += 2
			continue
		}
		out = append(out, s[i])
	}
	return out
}

func unhex(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c|0x20 >= 'a' && c|0x20 <= 'f':
		return int(c|0x20-'a') + 10
	}
	return -1
}
