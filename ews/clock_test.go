package ews

import (
	"net/http"
	"testing"
	"time"
)

func TestServerTime(t *testing.T) {
	t.Parallel()
	ahead := 2 * time.Hour
	g := newRig(t, nil, func(w http.ResponseWriter, _ recorded) {
		w.Header()["Date"] = nil // net/http sends none
		if ahead != 0 {
			w.Header().Set("Date", time.Now().Add(ahead).UTC().Format(http.TimeFormat))
		}
		w.WriteHeader(http.StatusServiceUnavailable)
	})
	if at, ok := g.ServerTime(); ok {
		t.Errorf("before any answer the server's time is %v", at)
	}
	ask := func() { _, _ = g.As("").GetUserOofSettings(t.Context(), "a@example.com") }
	ask()
	at, ok := g.ServerTime()
	if off := time.Until(at); !ok || off > ahead || off < ahead-time.Minute {
		t.Errorf("the server's clock is %v ahead, want just under %v", off, ahead)
	}
	ahead = 0
	ask()
	if _, ok := g.ServerTime(); !ok {
		t.Error("an answer without a Date made the server's time unknown")
	}
}
