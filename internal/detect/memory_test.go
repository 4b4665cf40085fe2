//go:build !race

package detect

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
)

// TestMemory: all that is taken from the heap while an invitation is read,
// given back or not, is at most four times the invitation. The race detector
// takes memory of its own, so it is not there with it.
func TestMemory(t *testing.T) {
	const constant = 1 << 20 // candidates, rejections and their reasons
	d := New(nil)
	d.Detect(Input{Body: "x"})
	check := func(name, kind string, in Input, size int) {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		d.Detect(in)
		runtime.ReadMemStats(&after)
		most := 4
		if strings.HasPrefix(name, "safelinks") || name == "proofpoint" || name == "json" {
			most = 6 // each wrapper that is taken off leaves the link with it behind
		}
		if taken := int(after.TotalAlloc - before.TotalAlloc); taken > most*size+constant {
			t.Errorf("%s as %s: %s", name, kind, fmt.Sprintf("%.1f times its %d bytes", float64(taken)/float64(size), size))
		}
	}
	for name, body := range adversaries(1_000_000) {
		for kind, in := range inputs(body) {
			check(name, kind, in, len(body))
		}
	}
	large := adversaries(8_000_000)
	for _, name := range worst() {
		if strings.HasPrefix(name, "only") {
			check(name, "html", inputs(large[name])["html"], len(large[name]))
		}
	}
}
