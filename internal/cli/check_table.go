package cli

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// lang is the language of a table for people. What programs read, and what is
// typed into a shell, is the same in all of them.
type lang string

const (
	english  lang = "en"
	japanese lang = "ja"
)

// language chooses it: by the flag, else as POSIX has it.
func language(flag string, getenv func(string) string) (lang, error) {
	switch l := lang(flag); l {
	case english, japanese:
		return l, nil
	case "":
	default:
		return "", usagef("--lang: there are en and ja, not %q", flag)
	}
	for _, name := range []string{"LC_ALL", "LC_MESSAGES", "LANG"} {
		if v := getenv(name); v != "" {
			if strings.HasPrefix(v, "ja") {
				return japanese, nil
			}
			return english, nil
		}
	}
	return english, nil
}

// text returns the text in the language.
func (l lang) text(en, ja string) string {
	if l == japanese {
		return ja
	}
	return en
}

// stepNames are what people read for the steps.
func (l lang) step(name string) string {
	if l != japanese {
		return name
	}
	switch name {
	case "discover":
		return "サーバー検出"
	case "authenticate":
		return "認証"
	case "standby":
		return "待機アカウント"
	case "service":
		return "会議サービス"
	case "impersonate":
		return "偽装"
	case "bind":
		return "予定表"
	case "subscribe":
		return "購読"
	case "write":
		return "書き込み"
	case "canary":
		return "試験会議"
	}
	return name
}

// print writes one step of the table, and a heading where the mailbox is
// another one.
func (r *report) print(s step) {
	if !r.begun || s.Mailbox != r.last {
		heading := s.Mailbox
		if heading == "" {
			heading = r.lang.text("server", "サーバー")
		}
		fmt.Fprintln(r.env.stdout, heading)
		r.last, r.begun = s.Mailbox, true
	}
	if s.OK {
		r.row(r.lang.step(s.Step), r.lang.text("ok", "正常"), s.Detail)
	} else {
		r.row(r.lang.step(s.Step), r.lang.text("FAILED", "失敗"), s.Cause)
	}
	if s.Warning != "" {
		r.row("", r.lang.text("WARNING", "警告"), s.Warning)
	}
	r.repair(s)
}

// repair writes what to do. A command is never broken: whoever copies it gets it
// whole, whatever the terminal makes of its end.
func (r *report) repair(s step) {
	label, words := r.lang.text("repair", "対処"), strings.TrimSuffix(s.Repair, s.Command)
	switch {
	case s.Repair == "":
	case r.columns == 0 || words == "" && indent+width(s.Command) <= r.columns:
		fmt.Fprintln(r.env.stdout, "  "+padded("", 13)+" "+padded(label, 7)+" "+s.Repair)
	default:
		r.row("", label, words)
		if s.Command != "" {
			fmt.Fprintln(r.env.stdout, "    "+s.Command)
		}
	}
}

// indent is the column at which texts begin.
const indent = 2 + 13 + 1 + 7 + 1

// row writes a text beside two words, on a terminal in as many lines as it takes.
func (r *report) row(name, state, text string) {
	head := "  " + padded(name, 13) + " " + padded(state, 7) + " "
	for _, line := range wrapped(text, r.columns-indent) {
		fmt.Fprintln(r.env.stdout, strings.TrimRight(head+line, " "))
		head = strings.Repeat(" ", indent)
	}
}

// wrapped breaks a text into lines of so many columns: behind a space, or where
// there is none in reach, before an East Asian character that may begin a line;
// other words stay whole. Less than twenty columns are as good as none.
func wrapped(text string, columns int) []string {
	if columns < 20 || width(text) <= columns {
		return []string{text}
	}
	var out []string
	begin, at, end := 0, 0, 0 // of the line; where it can be broken; its columns
	runes := []rune(text)
	for i, c := range runes {
		w := width(string(c))
		if i > begin && (runes[i-1] == ' ' || w == 2 && !strings.ContainsRune("、。)）」ー", c)) {
			at = i
		}
		if end += w; end > columns && at > begin && c != ' ' {
			out = append(out, strings.TrimRight(string(runes[begin:at]), " "))
			begin, end = at, width(string(runes[at:i+1]))
		}
	}
	return append(out, string(runes[begin:]))
}

// columnsOf returns how wide tables are: as wide as the terminal says in COLUMNS,
// else 80, and as wide as they are where nobody looks.
func columnsOf(w io.Writer, getenv func(string) string) int {
	if !isTerminal(w) {
		return 0
	}
	if n, err := strconv.Atoi(getenv("COLUMNS")); err == nil && n >= 40 {
		return n
	}
	return 80
}

// line is the summary for people. Where the server itself failed it says so, and
// that nothing is known of the mailboxes.
func (s summary) line(l lang) string {
	steps := make([]string, len(s.Elsewhere))
	for i, name := range s.Elsewhere {
		steps[i] = l.step(name)
	}
	failed := strings.Join(steps, l.text(", ", "、"))
	mailboxes := func(n int) string { return strings.Replace(plural(n, "mailbox"), "mailboxs", "mailboxes", 1) }
	var parts []string
	if s.Mailboxes > 0 || s.NotTried == 0 && failed == "" {
		parts = append(parts, fmt.Sprintf(l.text("%s: %d well, %d failed", "メールボックス %s: 正常 %d 件、失敗 %d 件"),
			l.text(mailboxes(s.Mailboxes), fmt.Sprintf("%d 件", s.Mailboxes)), s.Well, s.Failed))
	}
	if failed != "" {
		parts = append(parts, l.text("failed for all: ", "全体で失敗: ")+failed)
	}
	if s.NotTried > 0 {
		parts = append(parts, l.text(mailboxes(s.NotTried)+" not looked at: repair that first", fmt.Sprintf("未確認のメールボックス %d 件 (先に上記を解決してください)", s.NotTried)))
	}
	parts = append(parts, l.text(plural(s.Warnings, "warning"), fmt.Sprintf("警告 %d 件", s.Warnings)))
	return strings.Join(parts, l.text("; ", "、"))
}

// printEnd writes the summary and the advice.
func (r *report) printEnd() {
	fmt.Fprintln(r.env.stdout, "\n"+r.summary().line(r.lang))
	if len(r.advice) == 0 {
		return
	}
	fmt.Fprintln(r.env.stdout, r.lang.text("\nSettings that no request shows (Exchange Management Shell):",
		"\n要求では確認できない設定 (Exchange 管理シェル):"))
	for _, a := range r.advice {
		for _, line := range wrapped(a.Text, r.columns-2) {
			fmt.Fprintln(r.env.stdout, "  "+line)
		}
		fmt.Fprintln(r.env.stdout, "    "+a.Command)
	}
}

// progress shows how many of all mailboxes are done: as a counter on a
// terminal, else as a line for every hundredth. A negative number takes the
// counter away.
func (r *report) progress(done, of int) {
	w := r.env.stderr
	switch {
	case done < 0:
		if r.counter {
			fmt.Fprint(w, "\r\x1b[K")
			r.counter = false
		}
	case of < 2:
	case isTerminal(w):
		fmt.Fprintf(w, "\r\x1b[K%d/%d", done, of)
		r.counter = true
	case done > 0 && done%100 == 0:
		fmt.Fprintf(w, "%d/%d\n", done, of)
	}
}

// padded fills a text with spaces up to a number of columns on a terminal.
func padded(s string, columns int) string {
	return s + strings.Repeat(" ", max(0, columns-width(s)))
}

// width is how many columns a text takes on a terminal: East Asian characters
// take two (Unicode Standard Annex 11), marks that combine none.
func width(s string) (n int) {
	for i, r := range s {
		switch {
		case r == utf8.RuneError && !strings.HasPrefix(s[i:], "\uFFFD"), unicode.In(r, unicode.Mn, unicode.Me, unicode.Cf):
		case unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Hangul) && (r < 0xFF61 || r > 0xFFDC),
			r >= 0x3000 && r <= 0x303F, r >= 0x30A0 && r <= 0x30FF, r >= 0xFF01 && r <= 0xFF60, r >= 0xFFE0 && r <= 0xFFE6,
			r >= 0x1F300 && r <= 0x1FAFF:
			n += 2
		default:
			n++
		}
	}
	return n
}
