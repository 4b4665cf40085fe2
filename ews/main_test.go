package ews

import (
	"testing"

	"go.uber.org/goleak"
)

// TestMain checks that no call and no stream leaves a goroutine behind.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }
