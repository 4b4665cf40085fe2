package sqlite

import (
	"path/filepath"
	"testing"

	"github.com/koyomi-cal/koyomi/internal/store"
	"github.com/koyomi-cal/koyomi/internal/store/storetest"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	_ store.Settings = (*Settings)(nil)
	_ store.Meetings = (*Settings)(nil)
	_ store.Cache    = (*Cache)(nil)
	_ store.Accounts = (*Accounts)(nil)
	_ store.Objects  = (*Objects)(nil)
	_ store.KMS      = (*KMS)(nil)
)

// at opens a file in a folder whose name would trip a careless address.
func at(t *testing.T) Options {
	return Options{Path: filepath.Join(t.TempDir(), "a b%20#?&", "x.db"), Exclusive: true}
}

func opened[S any](t *testing.T) func(S, error) S {
	return func(s S, err error) S {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
}

func TestSettings(t *testing.T) {
	t.Parallel()
	storetest.Settings(t, func(t *testing.T) store.Settings { return opened[*Settings](t)(OpenSettings(t.Context(), at(t))) })
}

func TestMeetings(t *testing.T) {
	t.Parallel()
	storetest.Meetings(t, func(t *testing.T) *Settings { return opened[*Settings](t)(OpenSettings(t.Context(), at(t))) })
}

func TestCache(t *testing.T) {
	t.Parallel()
	storetest.Cache(t, func(t *testing.T) store.Cache { return opened[*Cache](t)(OpenCache(t.Context(), at(t))) })
}

func TestAccounts(t *testing.T) {
	t.Parallel()
	storetest.Accounts(t, func(t *testing.T) store.Accounts { return opened[*Accounts](t)(OpenAccounts(t.Context(), at(t))) })
}

func TestObjects(t *testing.T) {
	t.Parallel()
	storetest.Objects(t, func(t *testing.T) store.Objects { return opened[*Objects](t)(OpenObjects(t.Context(), at(t))) })
}

func TestKMS(t *testing.T) {
	t.Parallel()
	storetest.KMS(t, func(t *testing.T) store.KMS { return opened[*KMS](t)(OpenKMS(t.Context(), at(t))) })
}
