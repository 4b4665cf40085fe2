package mailbox

import "time"

// Load is how much was written in one hour.
type Load struct{ Writes, Recipients int }

// Breaker decides whether writes may go on: more than four times the learned
// peak hour, or more than the cap, stops them all until an administrator
// acknowledges. In the first 14 days only the cap counts. However quiet an
// organisation was, a tenth of the cap is no alarm.
type Breaker struct {
	Writes, Recipients int // cap per hour; 0: 100 writes and 1,000 recipients
	Mailboxes          int // each served mailbox adds one write and ten recipients
	Since              time.Time
	Peak               Load // the busiest hour so far, the current one left out
}

// learning is how long only the cap counts.
const learning = 14 * 24 * time.Hour

// Limit is what one hour may hold.
func (b Breaker) Limit(now time.Time) Load {
	limit := Load{Writes: b.Writes, Recipients: b.Recipients}
	if limit.Writes == 0 {
		limit.Writes = 100
	}
	if limit.Recipients == 0 {
		limit.Recipients = 1000
	}
	limit.Writes += b.Mailboxes
	limit.Recipients += 10 * b.Mailboxes
	if !b.Since.IsZero() && now.Sub(b.Since) >= learning {
		limit.Writes = min(limit.Writes, max(4*b.Peak.Writes, limit.Writes/10))
		limit.Recipients = min(limit.Recipients, max(4*b.Peak.Recipients, limit.Recipients/10))
	}
	return limit
}

// Allow reports whether one more write that mails so many people fits into an
// hour that already holds the given load.
func (b Breaker) Allow(now time.Time, hour Load, recipients int) bool {
	limit := b.Limit(now)
	return hour.Writes < limit.Writes && hour.Recipients+recipients <= limit.Recipients
}
