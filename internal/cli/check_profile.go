package cli

import (
	"fmt"

	"github.com/koyomi-cal/koyomi/internal/exchange"
)

// readProfile reads the profile that the configuration names; none is nil.
func readProfile(file string) (*exchange.Profile, error) {
	if file == "" {
		return nil, nil
	}
	p, err := exchange.ReadProfile(file)
	if err != nil {
		return nil, fmt.Errorf("exchange.profile: %s cannot be used: %s", file, plain(err))
	}
	return p, nil
}
