package storetest

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/koyomi-cal/koyomi/internal/store"
)

// Roster is the suite for store.Roster.
func Roster[S interface {
	store.Settings
	store.Roster
}](t *testing.T, open func(t *testing.T) S) {
	ctx := context.Background()
	run(t, "Members", open, func(t *testing.T, s S) {
		all, rev := get[[]store.Member](t), get[int64](t)
		equal(t, "empty list", all(s.Members(ctx)), nil)
		before := rev(s.RosterRev(ctx))
		a := store.Member{Mailbox: "mb-a", Standing: store.Chosen, At: begin, Details: []byte{0, 0xff}}
		b := store.Member{Mailbox: "mb-b", Standing: store.Configured, At: begin.Add(time.Hour), Details: []byte{1}}
		must(t, s.PutMembers(ctx, []store.Member{b, a}))
		equal(t, "list", all(s.Members(ctx)), []store.Member{a, b})
		e := store.AuditEntry{At: begin, Actor: "command line", Action: "roster.activate", Subject: "mb-a"}
		must(t, s.PutMembers(ctx, []store.Member{a}, e))
		equal(t, "history", get[[]store.AuditEntry](t)(s.History(ctx, "mb-a", 9)), []store.AuditEntry{e})
		after := rev(s.RosterRev(ctx))
		if after == before {
			t.Error("the revision did not change")
		}
		a.Standing, a.At = store.Leaving, begin.Add(2*time.Hour)
		must(t, s.PutMembers(ctx, []store.Member{a}))
		equal(t, "list", all(s.Members(ctx)), []store.Member{a, b})
		moved := get[bool](t)
		equal(t, "moved from what it is", moved(s.MoveMember(ctx, "mb-a", store.Leaving, store.Left)), true)
		equal(t, "moved from what it was", moved(s.MoveMember(ctx, "mb-a", store.Leaving, store.Chosen)), false)
		a.Standing = store.Left
		equal(t, "list", all(s.Members(ctx)), []store.Member{a, b})
		if r := rev(s.RosterRev(ctx)); r <= after {
			t.Error("the revision did not change")
		}
		last := rev(s.RosterRev(ctx))
		get[store.Purged](t)(s.Purge(ctx, "mb-a"))
		must(t, s.PutMembers(ctx, []store.Member{a}))
		if r := rev(s.RosterRev(ctx)); r == last || r == after {
			t.Error("a revision came twice")
		}
	})
	run(t, "History", open, func(t *testing.T, s S) {
		var mine []store.AuditEntry
		for i := range 6 {
			e := store.AuditEntry{At: begin.Add(time.Duration(i) * time.Minute), Actor: "command line", Action: "roster.activate", Subject: fmt.Sprint("mb-", i%2)}
			must(t, s.Audit(ctx, e))
			if i%2 == 1 {
				mine = append(mine, e)
			}
		}
		history := get[[]store.AuditEntry](t)
		equal(t, "history", history(s.History(ctx, "mb-1", 10)), mine)
		equal(t, "the latest two", history(s.History(ctx, "mb-1", 2)), mine[1:])
		equal(t, "of nobody", len(history(s.History(ctx, "mb-9", 2))), 0)
	})
	run(t, "Purge", open, func(t *testing.T, s S) {
		hour := begin.Truncate(time.Hour)
		must(t, s.PutMembers(ctx, []store.Member{{Mailbox: "mb-a", Standing: store.Left, At: begin}, {Mailbox: "mb-b", Standing: store.Chosen, At: begin}}))
		must(t, s.PutActivated(ctx, store.Activated{Mailbox: "mb-a", Baseline: begin}))
		must(t, s.PutActivated(ctx, store.Activated{Mailbox: "mb-b", Baseline: begin}))
		must(t, s.AddWrites(ctx, "mb-a", begin, 2, 3))
		must(t, s.AddWrites(ctx, "mb-b", begin, 1, 1))
		equal(t, "purged", get[store.Purged](t)(s.Purge(ctx, "mb-a")), store.Purged{Member: true, Activation: true, Hours: 1})
		equal(t, "purged again", get[store.Purged](t)(s.Purge(ctx, "mb-a")), store.Purged{})
		members, active := get[[]store.Member](t)(s.Members(ctx)), get[[]store.Activated](t)(s.Activated(ctx))
		if len(members) != 1 || members[0].Mailbox != "mb-b" || len(active) != 1 || active[0].Mailbox != "mb-b" {
			t.Errorf("another mailbox was touched: %v %v", members, active)
		}
		equal(t, "sums stay", get[[]store.WriteCount](t)(s.Writes(ctx, time.Time{})), []store.WriteCount{
			{Hour: hour, Writes: 2, Recipients: 3}, {Mailbox: "mb-b", Hour: hour, Writes: 1, Recipients: 1},
		})
		_, err := s.Purge(ctx, "mb-b")
		want(t, err, store.ErrTaken)
		equal(t, "still activated", len(get[[]store.Activated](t)(s.Activated(ctx))), 1)
		must(t, s.PutMembers(ctx, []store.Member{{Mailbox: "mb-b", Standing: store.Leaving, At: begin}}))
		must(t, s.AddWrites(ctx, "mb-b", begin, 0, 1))
		equal(t, "the second purge", get[store.Purged](t)(s.Purge(ctx, "mb-b")).Hours, 1)
		equal(t, "sums add up", get[[]store.WriteCount](t)(s.Writes(ctx, time.Time{})), []store.WriteCount{{Hour: hour, Writes: 3, Recipients: 5}})
	})
}

// Statuses is the suite for store.Statuses.
func Statuses[S interface {
	store.Cache
	store.Statuses
}](t *testing.T, open func(t *testing.T) S) {
	ctx := context.Background()
	run(t, "Statuses", open, func(t *testing.T, s S) {
		all := get[[]store.MailboxNote](t)
		equal(t, "empty list", all(s.Statuses(ctx)), nil)
		a, b := store.MailboxNote{Mailbox: "mb-a", At: begin, Note: []byte("1")}, store.MailboxNote{Mailbox: "mb-b", At: begin, Note: []byte("2")}
		must(t, s.PutStatuses(ctx, b, a))
		equal(t, "list", all(s.Statuses(ctx)), []store.MailboxNote{a, b})
		a.Note, a.At = []byte("3"), begin.Add(time.Second)
		must(t, s.PutStatuses(ctx, a))
		equal(t, "list", all(s.Statuses(ctx)), []store.MailboxNote{a, b})
		must(t, s.DeleteMailbox(ctx, "mb-a"))
		equal(t, "without one", all(s.Statuses(ctx)), []store.MailboxNote{b})
	})
}
