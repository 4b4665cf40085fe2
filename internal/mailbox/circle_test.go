package mailbox_test

import (
	"testing"
	"time"

	"github.com/koyomi-cal/koyomi/internal/calendar"
	"github.com/koyomi-cal/koyomi/internal/mailbox"
	"github.com/koyomi-cal/koyomi/internal/render"
)

// TestViewsAndReadsDoNotGoRoundInACircle: a view looks again at a series that
// waits for its write, and a series that was read is viewed. Of the two only a
// change may lead to the other.
func TestViewsAndReadsDoNotGoRoundInACircle(t *testing.T) {
	t.Parallel()
	bounded := func(t *testing.T, b *box) {
		t.Helper()
		for n := 0; len(b.queue) > 0; n++ {
			if n > 200 {
				t.Fatalf("%d events without a change, the last %T", n, b.queue[0])
			}
			ev := b.queue[0]
			b.queue = b.queue[1:]
			b.step(ev)
		}
	}
	for name, before := range map[string]func(b *box){
		"while it settles": func(*box) {},
		"refused":          func(b *box) { b.fault = func(*calendar.Item) mailbox.Outcome { return mailbox.Refused } },
		"held":             func(b *box) { b.fault = func(*calendar.Item) mailbox.Outcome { return mailbox.Stopped } },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, all := quiet(t, 1)
			b := all[0]
			before(b)
			m := b.meeting(func(it *calendar.Item) {
				it.Kind, it.Last, it.ChangeKey = calendar.Master, start.Add(60*24*time.Hour), "key"
				invite("stranger@example.net")(it)
			})
			bounded(t, b)
			w.now = w.now.Add(time.Second)
			b.touch(m)
			bounded(t, b)
			b.queue = append(b.queue, mailbox.Lost{})
			bounded(t, b)
			for range 3 {
				if n := b.state.NextWake(); n.Before(w.now.Add(time.Hour)) && !n.IsZero() {
					w.now = n
				}
				b.queue = append(b.queue, mailbox.Tick{}, mailbox.Lost{})
				bounded(t, b)
			}
			if b.fault == nil {
				b.want(m, 1, 1, render.Whole)
			}
		})
	}
}
