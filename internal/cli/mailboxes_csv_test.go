package cli

import (
	"strings"
	"testing"
	"unicode/utf8"
)

// FuzzMailboxTable: no table makes the reader fail in any other way than by an
// error, and what is taken is an address.
func FuzzMailboxTable(f *testing.F) {
	for _, s := range []string{"address\naya@example.com\n", "\ufeffname;address\n\"A;B\";b@example.com\r\n", "address,aliases\na@b,\"x@y z\"\n", "", "a,b\n", "address\n\"x\n"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if !utf8.Valid(data) {
			return
		}
		all, refused, err := parseMailboxes(data)
		if err != nil && len(all)+len(refused) > 0 {
			t.Error("lines beside an error")
		}
		if len(all)+len(refused) > strings.Count(string(data), "\n")+1 {
			t.Error("more mailboxes than lines")
		}
		for _, m := range all {
			if !isAddress(m.Address) || m.where == "" {
				t.Errorf("%q was taken from %q", m.Address, m.where)
			}
		}
	})
}
