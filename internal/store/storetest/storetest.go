// Package storetest is the suite that every driver of package store passes. A
// driver's test calls one function for each interface, with a function that
// opens a new, empty store; the store is closed by the suite.
//
//	func TestSettings(t *testing.T) {
//		storetest.Settings(t, func(t *testing.T) store.Settings { … })
//	}
package storetest

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/koyomi-cal/koyomi/internal/store"
)

// begin is a moment with a fraction, so that a driver which rounds is caught.
var begin = time.Date(2026, 11, 24, 9, 30, 0, 123456000, time.UTC)

// run runs one part of a suite on a store of its own.
func run[S interface{ Close() error }](t *testing.T, name string, open func(t *testing.T) S, test func(t *testing.T, s S)) {
	t.Run(name, func(t *testing.T) {
		t.Parallel()
		s := open(t)
		defer func() {
			if err := s.Close(); err != nil {
				t.Error("Close:", err)
			}
		}()
		test(t, s)
	})
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func want(t *testing.T, err, is error) {
	t.Helper()
	if !errors.Is(err, is) {
		t.Errorf("error is %v, want %v", err, is)
	}
}

func equal[T any](t *testing.T, what string, got, want T) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%s is %+v, want %+v", what, got, want)
	}
}

// get unwraps a result in the middle of an assertion.
func get[T any](t *testing.T) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// Settings is the suite for store.Settings.
func Settings(t *testing.T, open func(t *testing.T) store.Settings) {
	ctx := context.Background()
	run(t, "Activated", open, func(t *testing.T, s store.Settings) {
		all := get[[]store.Activated](t)
		equal(t, "empty list", all(s.Activated(ctx)), nil)
		b := store.Activated{Mailbox: "mb-b", Baseline: begin, At: begin.Add(time.Second)}
		a := store.Activated{Mailbox: "mb-a", Baseline: begin, Resource: "r", At: begin}
		must(t, s.PutActivated(ctx, b))
		must(t, s.PutActivated(ctx, a))
		equal(t, "list", all(s.Activated(ctx)), []store.Activated{a, b})
		b.Resource = "r2"
		must(t, s.PutActivated(ctx, b))
		must(t, s.DeleteActivated(ctx, "mb-a"))
		must(t, s.DeleteActivated(ctx, "mb-unknown"))
		equal(t, "list", all(s.Activated(ctx)), []store.Activated{b})
		must(t, s.PutActivated(ctx, store.Activated{Mailbox: "mb-z"}))
		equal(t, "zero times", all(s.Activated(ctx))[1], store.Activated{Mailbox: "mb-z"})
	})
	run(t, "Value", open, func(t *testing.T, s store.Settings) {
		value := get[[]byte](t)
		_, err := s.Value(ctx, "salt")
		want(t, err, store.ErrNotFound)
		must(t, s.PutValue(ctx, "salt", []byte{0, 1, 0xff}))
		must(t, s.PutValue(ctx, "salt", []byte{0, 2, 0xff}))
		equal(t, "value", value(s.Value(ctx, "salt")), []byte{0, 2, 0xff})
		must(t, s.PutValue(ctx, "none", nil))
		equal(t, "length of an empty value", len(value(s.Value(ctx, "none"))), 0)
	})
	run(t, "InitValue", open, func(t *testing.T, s store.Settings) { initValue(t, s) })
	run(t, "Writes", open, func(t *testing.T, s store.Settings) {
		writes := get[[]store.WriteCount](t)
		hour := begin.Truncate(time.Hour)
		must(t, s.AddWrites(ctx, "mb-a", begin, 1, 5))
		must(t, s.AddWrites(ctx, "mb-a", begin.Add(29*time.Minute), 2, 0))
		must(t, s.AddWrites(ctx, "mb-b", begin, 1, 1))
		must(t, s.AddWrites(ctx, "mb-a", begin.Add(time.Hour).In(time.FixedZone("half", 1800)), 1, 1))
		first := []store.WriteCount{{Mailbox: "mb-a", Hour: hour, Writes: 3, Recipients: 5}, {Mailbox: "mb-b", Hour: hour, Writes: 1, Recipients: 1}}
		second := store.WriteCount{Mailbox: "mb-a", Hour: hour.Add(time.Hour), Writes: 1, Recipients: 1}
		equal(t, "all", writes(s.Writes(ctx, time.Time{})), append(first, second))
		equal(t, "since within the first hour", len(writes(s.Writes(ctx, begin))), 3)
		equal(t, "since its end", writes(s.Writes(ctx, hour.Add(time.Hour))), []store.WriteCount{second})
		must(t, s.Prune(ctx, hour.Add(time.Hour), time.Time{}))
		equal(t, "after pruning", writes(s.Writes(ctx, time.Time{})), []store.WriteCount{second})
	})
	run(t, "Audit", open, func(t *testing.T, s store.Settings) {
		audit := get[[]store.AuditEntry](t)
		var all []store.AuditEntry
		for i := range 5 {
			e := store.AuditEntry{At: begin.Add(time.Duration(i) * time.Minute), Actor: "admin", Action: "activate", Subject: fmt.Sprint("mb-", i)}
			must(t, s.Audit(ctx, e))
			all = append(all, e)
		}
		equal(t, "all", audit(s.AuditSince(ctx, time.Time{}, 100)), all)
		equal(t, "two from the third on", audit(s.AuditSince(ctx, all[2].At, 2)), all[2:4])
		must(t, s.Prune(ctx, time.Time{}, all[3].At))
		equal(t, "after pruning", audit(s.AuditSince(ctx, time.Time{}, 100)), all[3:])
		must(t, s.Audit(ctx, all[0]))
		equal(t, "order of appending", audit(s.AuditSince(ctx, time.Time{}, 100))[2], all[0])
	})
}

// Meetings is the suite for store.Meetings.
func Meetings[S interface {
	store.Meetings
	Close() error
}](t *testing.T, open func(t *testing.T) S) {
	ctx := context.Background()
	one, list := get[store.Meeting], get[[]store.Meeting]
	put := func(t *testing.T, s S, m store.Meeting) {
		t.Helper()
		must(t, s.UpdateMeeting(ctx, m.Tag, func(old *store.Meeting) error { *old = m; return nil }))
	}
	a := store.Meeting{Tag: "a", Family: "f", Due: begin, Held: []byte("held"), Entry: []byte{0, 1}}
	b := store.Meeting{Tag: "b", Family: "f", Held: []byte("x"), Entry: []byte("y")}
	c := store.Meeting{Tag: "c", Family: "g", Due: begin.Add(-time.Second), Held: []byte("x"), Entry: []byte("y")}
	run(t, "Update", open, func(t *testing.T, s S) {
		_, err := s.Meeting(ctx, "a")
		want(t, err, store.ErrNotFound)
		put(t, s, a)
		put(t, s, b)
		equal(t, "stored", one(t)(s.Meeting(ctx, "a")), a)
		must(t, s.UpdateMeeting(ctx, "a", func(m *store.Meeting) error { m.Entry = append(m.Entry, 2); return nil }))
		changed := a
		changed.Entry = []byte{0, 1, 2}
		equal(t, "changed", one(t)(s.Meeting(ctx, "a")), changed)
		no := errors.New("no")
		want(t, s.UpdateMeeting(ctx, "a", func(m *store.Meeting) error { m.Held = nil; return no }), no)
		want(t, s.UpdateMeeting(ctx, "z", func(*store.Meeting) error { return no }), no)
		equal(t, "after a change that failed", one(t)(s.Meeting(ctx, "a")), changed)
		_, err = s.Meeting(ctx, "z")
		want(t, err, store.ErrNotFound)
		must(t, s.DeleteMeeting(ctx, "a"))
		must(t, s.DeleteMeeting(ctx, "a"))
		_, err = s.Meeting(ctx, "a")
		want(t, err, store.ErrNotFound)
		equal(t, "the other", one(t)(s.Meeting(ctx, "b")), b)
	})
	run(t, "Lists", open, func(t *testing.T, s S) {
		for _, m := range []store.Meeting{b, a, c} {
			put(t, s, m)
		}
		equal(t, "of a family", list(t)(s.MeetingsOf(ctx, "f")), []store.Meeting{a, b})
		equal(t, "of no family", len(list(t)(s.MeetingsOf(ctx, ""))), 0)
		equal(t, "due", list(t)(s.MeetingsDue(ctx, begin, 10)), []store.Meeting{c, a})
		equal(t, "due before", list(t)(s.MeetingsDue(ctx, begin.Add(-time.Microsecond), 10)), []store.Meeting{c})
		equal(t, "the first that is due", list(t)(s.MeetingsDue(ctx, begin, 1)), []store.Meeting{c})
	})
	run(t, "Race", open, func(t *testing.T, s S) {
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				if err := s.UpdateMeeting(ctx, "a", func(m *store.Meeting) error { m.Held = append(m.Held, 'x'); return nil }); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		equal(t, "changes that stand", string(one(t)(s.Meeting(ctx, "a")).Held), "xxxxxxxx")
	})
}

// initValue checks that of many who set a value, one stands.
func initValue(t *testing.T, s interface {
	InitValue(context.Context, string, []byte) ([]byte, error)
}) {
	ctx := context.Background()
	var wg sync.WaitGroup
	got := make([]string, 8)
	for i := range got {
		wg.Go(func() {
			v, err := s.InitValue(ctx, "salt", []byte{byte(i)})
			if err != nil {
				t.Error(err)
			}
			got[i] = string(v)
		})
	}
	wg.Wait()
	equal(t, "number of values that stand", len(slices.Compact(got)), 1)
	equal(t, "another key", string(get[[]byte](t)(s.InitValue(ctx, "other", []byte("x")))), "x")
}

// Cache is the suite for store.Cache.
func Cache(t *testing.T, open func(t *testing.T) store.Cache) {
	ctx := context.Background()
	state := get[store.MailboxState]
	rows := get[map[string]store.Published]
	lines := get[[]store.TraceLine]

	run(t, "SaveMailbox", open, func(t *testing.T, c store.Cache) {
		equal(t, "unknown mailbox", state(t)(c.LoadMailbox(ctx, "mb-a")), store.MailboxState{})
		save := store.MailboxSave{
			Mailbox: "mb-a", State: store.MailboxState{Core: []byte("core"), Sync: []byte{0, 1}},
			Publish: []store.Published{{Item: "i1", Hash: []byte("h1"), Rev: 1}, {Item: "i2", Hash: []byte("h2"), Rev: 1}},
			Trace:   []store.TraceLine{{At: begin, Line: []byte("l1")}},
		}
		other := store.MailboxSave{Mailbox: "mb-b", State: store.MailboxState{Core: []byte("b"), Sync: []byte("b")}}
		must(t, c.SaveMailbox(ctx, save, other))
		equal(t, "state", state(t)(c.LoadMailbox(ctx, "mb-a")), save.State)
		equal(t, "other state", state(t)(c.LoadMailbox(ctx, "mb-b")), other.State)

		save.State.Core, save.Publish, save.Withdrawn = []byte("core2"), []store.Published{{Item: "i2", Hash: []byte("h3"), Rev: 9}}, []string{"i1", "none"}
		save.Trace = []store.TraceLine{{At: begin.Add(time.Second), Line: []byte("l2")}}
		must(t, c.SaveMailbox(ctx, save))
		equal(t, "state", state(t)(c.LoadMailbox(ctx, "mb-a")), save.State)
		equal(t, "published", rows(t)(c.Published(ctx, "mb-a")), map[string]store.Published{"i2": {Item: "i2", Hash: []byte("h3"), Rev: 9}})
		equal(t, "published of another", rows(t)(c.Published(ctx, "mb-b")), map[string]store.Published{})
		equal(t, "trace", lines(t)(c.Trace(ctx, "mb-a", begin)), []store.TraceLine{{At: begin, Line: []byte("l1")}, {At: begin.Add(time.Second), Line: []byte("l2")}})
		must(t, c.SaveMailbox(ctx)) // nothing to save

		must(t, c.DeleteMailbox(ctx, "mb-a"))
		equal(t, "deleted state", state(t)(c.LoadMailbox(ctx, "mb-a")), store.MailboxState{})
		equal(t, "deleted rows", len(rows(t)(c.Published(ctx, "mb-a"))), 0)
		equal(t, "deleted trace", len(lines(t)(c.Trace(ctx, "mb-a", time.Time{}))), 0)
		equal(t, "other state still", state(t)(c.LoadMailbox(ctx, "mb-b")), other.State)
	})
	run(t, "Published", open, func(t *testing.T, c store.Cache) {
		must(t, c.PutPublished(ctx, "mb-a", store.Published{Item: "i1", Hash: []byte("h"), Rev: 1}, store.Published{Item: "i2", Rev: 1 << 52}))
		must(t, c.PutPublished(ctx, "mb-a", store.Published{Item: "i1", Hash: []byte("h2"), Rev: 2}))
		got := rows(t)(c.Published(ctx, "mb-a"))
		equal(t, "rewritten row", got["i1"], store.Published{Item: "i1", Hash: []byte("h2"), Rev: 2})
		equal(t, "large revision", got["i2"].Rev, 1<<52)
		must(t, c.DeletePublished(ctx, "mb-a", "i1", "i2", "i3"))
		equal(t, "after deletion", len(rows(t)(c.Published(ctx, "mb-a"))), 0)
	})
	run(t, "Trace", open, func(t *testing.T, c store.Cache) {
		var all []store.TraceLine
		for i := range 10 {
			all = append(all, store.TraceLine{At: begin.Add(time.Duration(i) * time.Hour), Line: []byte{byte(i)}})
		}
		must(t, c.AppendTrace(ctx, "mb-a", all[:7]...))
		must(t, c.AppendTrace(ctx, "mb-a", all[7:]...))
		must(t, c.AppendTrace(ctx, "mb-b", all[0]))
		equal(t, "since", lines(t)(c.Trace(ctx, "mb-a", all[3].At)), all[3:])
		must(t, c.Prune(ctx, all[8].At))
		equal(t, "after pruning", lines(t)(c.Trace(ctx, "mb-a", time.Time{})), all[8:])
		equal(t, "another's after pruning", len(lines(t)(c.Trace(ctx, "mb-b", time.Time{}))), 0)
		must(t, c.AppendTrace(ctx, "mb-a", all[0]))
		equal(t, "order of appending", lines(t)(c.Trace(ctx, "mb-a", time.Time{}))[2], all[0])
	})
	run(t, "TogetherOrNotAtAll", open, func(t *testing.T, c store.Cache) {
		done, cancel := context.WithCancel(ctx)
		cancel()
		err := c.SaveMailbox(done, store.MailboxSave{Mailbox: "mb-a", State: store.MailboxState{Core: []byte("x")}})
		want(t, err, context.Canceled)
		equal(t, "state after a save that failed", state(t)(c.LoadMailbox(ctx, "mb-a")), store.MailboxState{})
	})
}

func code(id, secret string) store.Code {
	return store.Code{ID: id, Hash: sha256.Sum256([]byte(secret)), Expires: begin.Add(30 * time.Minute), Tries: 5, Role: "user", Subject: "subject-" + id}
}

// codes checks how often and how long a one-time code is good, by a function
// that redeems one.
func codes(t *testing.T, put func(store.Code) error, redeem func(id, secret string, at time.Time) error) {
	must(t, put(code("once", "s")))
	want(t, redeem("unknown", "s", begin), store.ErrCode)
	want(t, redeem("once", "wrong", begin), store.ErrCode)
	must(t, redeem("once", "s", begin))
	want(t, redeem("once", "s", begin), store.ErrCode)

	must(t, put(code("late", "s")))
	want(t, redeem("late", "s", begin.Add(30*time.Minute)), store.ErrCode)
	must(t, redeem("late", "s", begin.Add(30*time.Minute-time.Microsecond)))

	must(t, put(code("tried", "s")))
	for range 4 {
		want(t, redeem("tried", "wrong", begin), store.ErrCode)
	}
	must(t, redeem("tried", "s", begin))
	must(t, put(code("guessed", "s")))
	for range 5 {
		want(t, redeem("guessed", "wrong", begin), store.ErrCode)
	}
	want(t, redeem("guessed", "s", begin), store.ErrCode)

	must(t, put(code("raced", "s")))
	won := make(chan bool, 8)
	var wg sync.WaitGroup
	for range cap(won) {
		wg.Go(func() { won <- redeem("raced", "s", begin) == nil })
	}
	wg.Wait()
	close(won)
	n := 0
	for ok := range won {
		if ok {
			n++
		}
	}
	equal(t, "number of winners of a race for one code", n, 1)
}

// Accounts is the suite for store.Accounts.
func Accounts(t *testing.T, open func(t *testing.T) store.Accounts) {
	ctx := context.Background()
	run(t, "Codes", open, func(t *testing.T, a store.Accounts) {
		var mu sync.Mutex
		n := byte(0)
		codes(t, func(c store.Code) error { return a.PutCode(ctx, c) }, func(id, secret string, at time.Time) error {
			mu.Lock()
			n++
			credential := [32]byte{n}
			mu.Unlock()
			_, err := a.Redeem(ctx, id, sha256.Sum256([]byte(secret)), credential, at)
			return err
		})
	})
	run(t, "Account", open, func(t *testing.T, a store.Accounts) {
		_, err := a.Account(ctx, [32]byte{1})
		want(t, err, store.ErrNotFound)
		c := code("c", "s")
		c.Role = "connector"
		must(t, a.PutCode(ctx, c))
		acc := get[store.Account](t)
		made := acc(a.Redeem(ctx, "c", c.Hash, [32]byte{1}, begin))
		equal(t, "account", made, store.Account{ID: "subject-c", Role: "connector"})
		equal(t, "whose credential", acc(a.Account(ctx, [32]byte{1})), made)
		_, err = a.Account(ctx, [32]byte{2})
		want(t, err, store.ErrNotFound)
		must(t, a.Ping(ctx))
	})
	run(t, "Prune", open, func(t *testing.T, a store.Accounts) {
		must(t, a.PutCode(ctx, code("c", "s")))
		must(t, a.Prune(ctx, begin))
		must(t, a.Prune(ctx, begin.Add(time.Hour)))
		_, err := a.Redeem(ctx, "c", sha256.Sum256([]byte("s")), [32]byte{1}, begin)
		want(t, err, store.ErrCode)
	})
	run(t, "InitValue", open, func(t *testing.T, a store.Accounts) { initValue(t, a) })
}

// KMS is the suite for store.KMS.
func KMS(t *testing.T, open func(t *testing.T) store.KMS) {
	ctx := context.Background()
	enrol := func(k store.KMS, id, secret, instance, public string, at time.Time) (store.Instance, error) {
		return k.Enrol(ctx, id, sha256.Sum256([]byte(secret)), store.Instance{ID: instance, Public: []byte(public), At: at})
	}
	entry := store.AuditEntry{At: begin, Actor: "command line", Action: "enrol.code", Subject: "x"}
	run(t, "Codes", open, func(t *testing.T, k store.KMS) {
		var mu sync.Mutex
		n := 0
		codes(t, func(c store.Code) error { return k.PutCode(ctx, c, entry) }, func(id, secret string, at time.Time) error {
			mu.Lock()
			n++
			name := fmt.Sprint("in-", n)
			mu.Unlock()
			_, err := enrol(k, id, secret, name, name, at)
			return err
		})
	})
	run(t, "Enrol", open, func(t *testing.T, k store.KMS) {
		in := get[store.Instance](t)
		must(t, k.PutCode(ctx, code("c", "s"), entry))
		first := in(enrol(k, "c", "s", "in-1", "pub", begin))
		equal(t, "instance", first, store.Instance{ID: "in-1", Role: "user", Subject: "subject-c", Public: []byte("pub"), At: begin})
		equal(t, "stored", in(k.Instance(ctx, "in-1")), first)
		equal(t, "same key again", in(enrol(k, "c", "s", "in-2", "pub", begin.Add(time.Minute))), first)
		_, err := enrol(k, "c", "s", "in-2", "other", begin)
		want(t, err, store.ErrCode)
		_, err = enrol(k, "c", "s", "in-2", "pub", begin.Add(time.Hour))
		want(t, err, store.ErrCode)
		_, err = k.Instance(ctx, "in-2")
		want(t, err, store.ErrNotFound)
		audit := get[[]store.AuditEntry](t)(k.AuditSince(ctx, begin, 10))
		equal(t, "audit", audit, []store.AuditEntry{entry, {At: begin, Actor: "in-1", Action: "enrol", Subject: "subject-c"}})
	})
	run(t, "Nonce", open, func(t *testing.T, k store.KMS) {
		fresh := get[bool](t)
		equal(t, "new", fresh(k.UseNonce(ctx, "a", "n", begin)), true)
		equal(t, "again", fresh(k.UseNonce(ctx, "a", "n", begin)), false)
		equal(t, "of another", fresh(k.UseNonce(ctx, "b", "n", begin.Add(time.Hour))), true)
		must(t, k.Prune(ctx, begin.Add(time.Minute)))
		equal(t, "pruned", fresh(k.UseNonce(ctx, "a", "n", begin.Add(time.Hour))), true)
		equal(t, "not yet pruned", fresh(k.UseNonce(ctx, "b", "n", begin)), false)
	})
	run(t, "Resources", open, func(t *testing.T, k store.KMS) {
		res := get[store.Resource](t)
		r := store.Resource{ID: "r1", Owner: "hanako@example.com", Connector: "main", At: begin, Keys: []store.WrappedKey{
			{KID: "k1", Part: "h", Wrapped: []byte{1}}, {KID: "k2", Part: "b", Wrapped: []byte{2}}, {KID: "k3", Part: "i", Wrapped: []byte{3}}}}
		equal(t, "made", res(k.EnsureResource(ctx, r)), r)
		again := r
		again.ID, again.Keys = "r2", []store.WrappedKey{{KID: "k9", Part: "h", Wrapped: []byte{9}}}
		equal(t, "made once", res(k.EnsureResource(ctx, again)), r)
		again.Connector = "other"
		_, err := k.EnsureResource(ctx, again)
		want(t, err, store.ErrTaken)
		owned := get[[]store.Resource](t)
		equal(t, "owned", owned(k.Owned(ctx, r.Owner)), []store.Resource{r})
		equal(t, "owned by nobody", len(owned(k.Owned(ctx, "taro@example.com"))), 0)
		keys := get[[]store.OwnedKey](t)(k.WrappedKeys(ctx, []string{"k2", "k9", "none", "k1"}))
		equal(t, "keys", keys, []store.OwnedKey{
			{WrappedKey: r.Keys[1], Resource: "r1", Owner: r.Owner, Connector: "main"}, {WrappedKey: r.Keys[0], Resource: "r1", Owner: r.Owner, Connector: "main"}})
	})
	run(t, "EnsureRace", open, func(t *testing.T, k store.KMS) {
		var wg sync.WaitGroup
		ids := make([]string, 8)
		for i := range ids {
			wg.Go(func() {
				id := fmt.Sprint("r", i)
				got, err := k.EnsureResource(ctx, store.Resource{ID: id, Owner: "o", Connector: "c", At: begin, Keys: []store.WrappedKey{{KID: "k" + id, Part: "h", Wrapped: []byte(id)}}})
				if err != nil {
					t.Error(err)
				}
				ids[i] = got.ID
			})
		}
		wg.Wait()
		equal(t, "number of resources of one owner", len(slices.Compact(ids)), 1)
	})
	run(t, "Value", open, func(t *testing.T, k store.KMS) {
		_, err := k.Value(ctx, "salt")
		want(t, err, store.ErrNotFound)
		initValue(t, k)
		equal(t, "length", len(get[[]byte](t)(k.Value(ctx, "salt"))), 1)
	})
	run(t, "PruneCodes", open, func(t *testing.T, k store.KMS) {
		must(t, k.PutCode(ctx, code("c", "s"), entry))
		must(t, k.Prune(ctx, begin.Add(time.Hour)))
		_, err := enrol(k, "c", "s", "in", "pub", begin)
		want(t, err, store.ErrCode)
	})
}
