package cli

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/koyomi-cal/koyomi/internal/connector"
	"github.com/koyomi-cal/koyomi/internal/render"
)

const (
	maxTable = 32 << 20 // bytes of a table of mailboxes: 100,000 with all columns fit
	maxLine  = 64 << 10
)

// tableColumns are the columns of a table of mailboxes. Only the first is needed.
func tableColumns() []string {
	return []string{"address", "name", "locale", "owner", "account", "aliases"}
}

// reportColumns are those that `mailboxes list --csv` writes beside them; they
// are not looked at when it is read again.
func reportColumns() []string {
	return []string{"mailbox", "state", "step", "cause", "repair", "since", "baseline", "last_seen", "by"}
}

// readMailboxes reads a table of mailboxes from a file, or from standard input
// for "-".
func readMailboxes(env *environment, file string) ([]change, []rejection, error) {
	var from io.Reader = env.stdin
	if file != "-" {
		f, err := os.Open(file)
		if err != nil {
			return nil, nil, fmt.Errorf("--csv: %s cannot be read: %s", file, plain(err))
		}
		defer f.Close()
		from = f
	}
	data, err := io.ReadAll(io.LimitReader(from, maxTable+1))
	switch {
	case err != nil:
		return nil, nil, fmt.Errorf("--csv: %s cannot be read: %s", file, plain(err))
	case len(data) > maxTable:
		return nil, nil, fmt.Errorf("--csv: %s is larger than 32 MB; is it the right file?", file)
	case !utf8.Valid(data):
		return nil, nil, fmt.Errorf("--csv: %s is not UTF-8: save it as \"CSV UTF-8\"", file)
	}
	all, refused, err := parseMailboxes(data)
	if err != nil {
		err = fmt.Errorf("--csv: %s: %w", file, err)
	}
	return all, refused, err
}

// parseMailboxes reads a table, one line a mailbox, with commas or semicolons
// between the columns. A line that cannot be read is refused, and the others
// are taken.
func parseMailboxes(data []byte) (all []change, refused []rejection, err error) {
	lines := bufio.NewScanner(bytes.NewReader(bytes.TrimPrefix(data, []byte("\ufeff"))))
	lines.Buffer(nil, maxLine)
	var names []string
	comma := ','
	n := 0
	for lines.Scan() {
		n++
		line := strings.TrimRight(lines.Text(), "\r")
		if strings.Trim(line, " \t,;") == "" {
			continue
		}
		if names == nil {
			if !strings.Contains(line, ",") && strings.Contains(line, ";") {
				comma = ';'
			}
			if names, err = heading(line, comma); err != nil {
				return nil, nil, fmt.Errorf("line %d: %w", n, err)
			}
			continue
		}
		m, where, err := tableLine(line, comma, names)
		if err != nil {
			refused = append(refused, rejection{Where: fmt.Sprintf("line %d, column %s", n, where), Why: err.Error()})
			continue
		}
		all = append(all, change{m, fmt.Sprintf("line %d", n)})
	}
	switch {
	case errors.Is(lines.Err(), bufio.ErrTooLong):
		return nil, nil, fmt.Errorf("line %d is longer than 64 kB; is it the right file?", n+1)
	case names == nil:
		return nil, nil, errors.New("it is empty: the first line names the columns, of which address is needed")
	}
	return all, refused, lines.Err()
}

// heading reads the line that names the columns.
func heading(line string, comma rune) ([]string, error) {
	names, err := fields(line, comma)
	if err != nil {
		return nil, err
	}
	for i, n := range names {
		names[i] = strings.ToLower(strings.TrimSpace(n))
		switch {
		case !slices.Contains(tableColumns(), names[i]) && !slices.Contains(reportColumns(), names[i]):
			return nil, fmt.Errorf("column %d is %q: the first line names the columns, and there are %s", i+1, n, strings.Join(tableColumns(), ", "))
		case slices.Contains(names[:i], names[i]):
			return nil, fmt.Errorf("column %s is there twice", names[i])
		}
	}
	if !slices.Contains(names, "address") {
		return nil, errors.New("there is no column address")
	}
	return names, nil
}

func fields(line string, comma rune) ([]string, error) {
	r := csv.NewReader(strings.NewReader(line))
	r.Comma, r.TrimLeadingSpace = comma, true
	f, err := r.Read()
	var p *csv.ParseError
	if errors.As(err, &p) {
		return nil, fmt.Errorf("%w at character %d", p.Err, p.Column)
	}
	return f, err
}

// tableLine reads one line. It names the column at fault.
func tableLine(line string, comma rune, names []string) (m connector.Mailbox, column string, err error) {
	values, err := fields(line, comma)
	if err != nil {
		return m, "1", err
	}
	if len(values) > len(names) {
		return m, fmt.Sprint(len(names) + 1), fmt.Errorf("there are %d columns, and the first line names %d", len(values), len(names))
	}
	for i, v := range values {
		v = strings.TrimSpace(v)
		if rest, quoted := strings.CutPrefix(v, "'"); quoted && inert(rest) == v {
			v = rest // as `mailboxes list --csv` writes it
		}
		switch names[i] {
		case "address":
			if m.Address = v; !isAddress(v) {
				return m, names[i], fmt.Errorf("%q is not an address such as aya@example.com", cutTo(v, 80))
			}
		case "name":
			m.Name = v
		case "locale":
			m.Locale = v
			if err := (render.Options{Locale: v}).Check(); err != nil {
				return m, names[i], err
			}
		case "owner":
			m.Owner = v
		case "account":
			m.Account = v
		case "aliases":
			m.Aliases = strings.FieldsFunc(v, func(r rune) bool { return strings.ContainsRune(" ,;|", r) })
			for _, a := range m.Aliases {
				if !isAddress(a) {
					return m, names[i], fmt.Errorf("%q is not an address such as aya@example.com", cutTo(a, 80))
				}
			}
		}
	}
	if m.Address == "" {
		return m, "address", errors.New("the address is missing")
	}
	return m, "", nil
}

// cutTo shortens a text that is shown in an error.
func cutTo(s string, n int) string {
	if r := []rune(s); len(r) > n {
		return string(r[:n]) + "…"
	}
	return s
}
