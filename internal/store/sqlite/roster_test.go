package sqlite

import (
	"testing"

	"github.com/koyomi-cal/koyomi/internal/store/storetest"
)

func TestRoster(t *testing.T) {
	t.Parallel()
	storetest.Roster(t, func(t *testing.T) *Settings { return opened[*Settings](t)(OpenSettings(t.Context(), at(t))) })
}

func TestStatuses(t *testing.T) {
	t.Parallel()
	storetest.Statuses(t, func(t *testing.T) *Cache { return opened[*Cache](t)(OpenCache(t.Context(), at(t))) })
}
