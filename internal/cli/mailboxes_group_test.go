package cli

import (
	"context"
	"errors"
	"iter"
	"strings"
	"testing"

	"github.com/koyomi-cal/koyomi/ews/activedirectory"
	"github.com/koyomi-cal/koyomi/internal/directory"
)

// someDirectory has one group of two people, one of whom is somewhere else.
type someDirectory struct{}

func (someDirectory) Search(_ context.Context, q activedirectory.Query) iter.Seq2[activedirectory.Entry, error] {
	entry := func(mail, details string) activedirectory.Entry {
		return activedirectory.Entry{DN: "CN=" + mail, Attributes: map[string][]string{
			"objectguid": {"0123456789abcdef"}, "mail": {mail}, "displayname": {"Somebody"},
			"msexchrecipienttypedetails": {details},
		}}
	}
	return func(yield func(activedirectory.Entry, error) bool) {
		switch {
		case strings.Contains(q.Filter, "objectClass=group") && strings.Contains(q.Filter, "cn=Staff"):
			yield(activedirectory.Entry{DN: "CN=Staff"}, nil)
		case strings.Contains(q.Filter, "objectClass=group"):
		case strings.Contains(q.Filter, "CN=Staff"):
			_ = yield(entry("aya@example.com", "1"), nil) && yield(entry("far@example.com", "2147483648"), nil)
		}
	}
}

func TestMembersOfAGroup(t *testing.T) {
	t.Parallel()
	d := directory.New(someDirectory{})
	people, refused, err := membersOf(t.Context(), d, "Staff", "guid")
	if err != nil || len(people) != 1 || people[0].Address != "aya@example.com" || people[0].Name != "Somebody" || len(people[0].Owner) != 36 {
		t.Errorf("%v %v", people, err)
	}
	if len(refused) != 1 || refused[0].Address != "far@example.com" {
		t.Errorf("refused: %v", refused)
	}
	if people, _, _ = membersOf(t.Context(), d, "Staff", "address"); len(people) != 1 || people[0].Owner != "" {
		t.Errorf("%v", people)
	}
	if _, _, err := membersOf(t.Context(), d, "Nobody", ""); !errors.Is(err, directory.ErrNoGroup) {
		t.Errorf("%v", err)
	}
}
