package activedirectory

import (
	"context"
	"fmt"
	"iter"
	"net"
	"strings"

	"github.com/go-ldap/ldap/v3"
)

// Query asks the directory for entries (RFC 4511 4.5.1).
type Query struct {
	Base       string   // name of the entry at the top; empty: the domain, or the whole forest where a global catalogue is asked (port 3269)
	Filter     string   // RFC 4515; what people typed goes through [Escape]
	Attributes []string // to be returned
	Limit      int      // entries at most; 0: all
}

// Entry is one answer to a Query.
type Entry struct {
	DN         string              // its name
	Attributes map[string][]string // by name in lower case; values may be no text
}

// Text returns the values of an attribute, whose name is taken without case.
func (e Entry) Text(attribute string) []string { return e.Attributes[strings.ToLower(attribute)] }

// First returns the first value of an attribute; empty where it has none.
func (e Entry) First(attribute string) string {
	if v := e.Text(attribute); len(v) > 0 {
		return v[0]
	}
	return ""
}

// entry reads what the library read.
func entry(l *ldap.Entry) Entry {
	e := Entry{DN: l.DN, Attributes: make(map[string][]string, len(l.Attributes))}
	for _, a := range l.Attributes {
		e.Attributes[strings.ToLower(a.Name)] = a.Values
	}
	return e
}

// Escape makes text harmless within a filter (RFC 4515 3).
func Escape(text string) string { return ldap.EscapeFilter(text) }

// pageSize is how many entries are asked for at once. A domain controller gives
// no more than 1,000 (MaxPageSize).
const pageSize = 500

// Search reads what a query finds, page by page (RFC 2696), for as long as the
// caller goes on. DirectoryOptions.Timeout bounds the sign-in and each page. An
// error ends the sequence; the first server that can be reached answers it whole.
func (d *Directory) Search(ctx context.Context, q Query) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		conn, server, err := d.reach(ctx)
		if err == nil {
			err = d.on(ctx, conn, server, func(l *ldap.Conn) error { return pages(ctx, l, server, q, yield) })
		}
		if err != nil {
			yield(Entry{}, err)
		}
	}
}

// reach connects to the first server that answers.
func (d *Directory) reach(ctx context.Context) (conn net.Conn, server string, err error) {
	ctx, cancel := context.WithTimeout(ctx, d.opt.Timeout)
	defer cancel()
	for _, server = range d.opt.Servers {
		if conn, err = d.dial(ctx, server); err == nil {
			return conn, server, nil
		}
		err = fmt.Errorf("reach the domain controller %s: %w", server, err)
	}
	return nil, "", err
}

// pages reads one page after another. It returns no error once the caller has
// stopped.
func pages(ctx context.Context, l *ldap.Conn, server string, q Query, yield func(Entry, error) bool) error {
	base := q.Base
	if base == "" && !strings.HasSuffix(server, ":3269") {
		r, err := root(l)
		if err != nil {
			return fmt.Errorf("read the directory's contexts: %w", err)
		}
		base = r.GetAttributeValue("defaultNamingContext")
	}
	paging := ldap.NewControlPaging(pageSize)
	ask := ldap.NewSearchRequest(base, ldap.ScopeWholeSubtree, ldap.NeverDerefAliases, 0, 0, false, q.Filter, q.Attributes, []ldap.Control{paging})
	for n := 0; ; {
		found, err := l.Search(ask)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			return fmt.Errorf("search the directory: %w", err)
		}
		for _, e := range found.Entries {
			if n++; !yield(entry(e), nil) || n == q.Limit {
				return nil
			}
		}
		next, is := ldap.FindControl(found.Controls, ldap.ControlTypePaging).(*ldap.ControlPaging)
		if !is || len(next.Cookie) == 0 {
			return nil
		}
		paging.SetCookie(next.Cookie)
	}
}
