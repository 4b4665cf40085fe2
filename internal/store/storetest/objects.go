package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/koyomi-cal/koyomi/internal/store"
	"pgregory.net/rapid"
)

var anyLimit = store.Limit{Parts: 1000, Bytes: 1 << 30}

// Objects is the suite for store.Objects.
func Objects(t *testing.T, open func(t *testing.T) store.Objects) {
	ctx := context.Background()
	notice := get[store.Notice]
	page := get[store.Page]
	changes := get[[]store.Change]

	run(t, "Delivery", open, func(t *testing.T, o store.Objects) {
		n := notice(t)(o.SetDelivery(ctx, "con", "r1", []string{"a", "b"}))
		slices.Sort(n.Accounts)
		equal(t, "new list", n, store.Notice{Change: store.Change{Resource: "r1", Cursor: n.Cursor}, Changed: true, Accounts: []string{"a", "b"}})
		same := notice(t)(o.SetDelivery(ctx, "con", "r1", []string{"b", "a", "a"}))
		equal(t, "same list", same, store.Notice{Change: n.Change})
		n2 := notice(t)(o.SetDelivery(ctx, "con", "r1", []string{"b", "c"}))
		slices.Sort(n2.Accounts)
		equal(t, "who gained or lost", n2.Accounts, []string{"a", "c"})
		if n2.Cursor <= n.Cursor {
			t.Errorf("cursor went from %d to %d", n.Cursor, n2.Cursor)
		}
		_, err := o.SetDelivery(ctx, "other", "r1", nil)
		want(t, err, store.ErrNotFound)

		n3 := notice(t)(o.SetDelivery(ctx, "con", "r2", []string{"b"}))
		equal(t, "delivered", changes(t)(o.Delivered(ctx, "b", 0)), []store.Change{n2.Change, n3.Change})
		equal(t, "delivered since", changes(t)(o.Delivered(ctx, "b", n2.Cursor)), []store.Change{n3.Change})
		equal(t, "no more delivered", len(changes(t)(o.Delivered(ctx, "a", 0))), 0)
		empty := notice(t)(o.SetDelivery(ctx, "con", "r3", nil))
		equal(t, "new for nobody", empty, store.Notice{Change: store.Change{Resource: "r3", Cursor: empty.Cursor}, Changed: true})
		must(t, o.Ping(ctx))
	})
	run(t, "Access", open, func(t *testing.T, o store.Objects) {
		notice(t)(o.SetDelivery(ctx, "con", "r1", []string{"a"}))
		for _, who := range []string{"a", "con"} {
			_, err := o.Parts(ctx, who, "r1", 0, anyLimit)
			must(t, err)
		}
		for _, c := range [][2]string{{"b", "r1"}, {"other", "r1"}, {"a", "r2"}, {"", "r1"}} {
			_, err := o.Parts(ctx, c[0], c[1], 0, anyLimit)
			want(t, err, store.ErrNotFound)
		}
		p := store.Part{Item: "i", Part: "h", Rev: 1, JWE: "x"}
		for _, c := range [][2]string{{"a", "r1"}, {"other", "r1"}, {"con", "r2"}} {
			_, err := o.PutPart(ctx, c[0], c[1], p)
			want(t, err, store.ErrNotFound)
			_, err = o.DeleteItem(ctx, c[0], c[1], "i", 2, begin)
			want(t, err, store.ErrNotFound)
		}
		notice(t)(o.SetDelivery(ctx, "con", "r1", nil))
		_, err := o.Parts(ctx, "a", "r1", 0, anyLimit)
		want(t, err, store.ErrNotFound)
	})
	run(t, "Revisions", open, func(t *testing.T, o store.Objects) {
		notice(t)(o.SetDelivery(ctx, "con", "r", []string{"a"}))
		put := func(part string, rev int64, jwe string) (store.Notice, error) {
			return o.PutPart(ctx, "con", "r", store.Part{Item: "i", Part: part, Rev: rev, JWE: jwe})
		}
		stale := func(err error, rev int64) {
			t.Helper()
			want(t, err, store.ErrStale)
			if e, ok := errors.AsType[*store.StaleError](err); !ok || e.Rev != rev {
				t.Errorf("stale against %v, want %d", err, rev)
			}
		}
		n := notice(t)(put("h", 5, "five"))
		equal(t, "first", n, store.Notice{Change: store.Change{Resource: "r", Cursor: n.Cursor}, Changed: true, Accounts: []string{"a"}})
		equal(t, "same again", notice(t)(put("h", 5, "five")), store.Notice{Change: n.Change})
		equal(t, "sealed again", notice(t)(put("h", 5, "five'")).Changed, true)
		_, err := put("h", 4, "four")
		stale(err, 5)
		notice(t)(put("b", 1, "one")) // parts count for themselves
		_, err = o.DeleteItem(ctx, "con", "r", "i", 4, begin)
		stale(err, 5)
		n = notice(t)(o.DeleteItem(ctx, "con", "r", "i", 6, begin))
		equal(t, "deleted", n.Changed, true)
		equal(t, "deleted again", notice(t)(o.DeleteItem(ctx, "con", "r", "i", 6, begin)), store.Notice{Change: n.Change})
		equal(t, "deleted by an older", notice(t)(o.DeleteItem(ctx, "con", "r", "i", 2, begin)), store.Notice{Change: n.Change})
		for _, part := range []string{"h", "b"} {
			_, err = put(part, 6, "late")
			stale(err, 6)
		}
		notice(t)(put("h", 7, "seven"))
		all := page(t)(o.Parts(ctx, "a", "r", 0, anyLimit))
		equal(t, "all", all.Parts, []store.Part{{Item: "i", Part: "h", Rev: 7, JWE: "seven"}})
		// An item that was never there leaves a tombstone too: its put may be on the way.
		notice(t)(o.DeleteItem(ctx, "con", "r", "never", 3, begin))
		_, err = o.PutPart(ctx, "con", "r", store.Part{Item: "never", Part: "h", Rev: 2, JWE: "x"})
		stale(err, 3)
	})
	run(t, "Cursor", open, func(t *testing.T, o store.Objects) {
		first := notice(t)(o.SetDelivery(ctx, "con", "r", []string{"a"}))
		for i := range 5 {
			notice(t)(o.PutPart(ctx, "con", "r", store.Part{Item: fmt.Sprint(i), Part: "h", Rev: 1, JWE: strings.Repeat("x", 100)}))
		}
		items := func(p store.Page) (s string) {
			for _, p := range p.Parts {
				s += p.Item
				if p.Deleted {
					s += "-"
				}
			}
			return s
		}
		p1 := page(t)(o.Parts(ctx, "a", "r", 0, store.Limit{Parts: 2, Bytes: 1 << 20}))
		equal(t, "first page", items(p1), "01")
		equal(t, "more", p1.More, true)
		p2 := page(t)(o.Parts(ctx, "a", "r", p1.Cursor, store.Limit{Parts: 1000, Bytes: 250}))
		equal(t, "second page", items(p2), "23")
		equal(t, "more by size", p2.More, true)
		p3 := page(t)(o.Parts(ctx, "a", "r", p2.Cursor, store.Limit{Parts: 1000, Bytes: 1}))
		equal(t, "third page, one at least", items(p3), "4")
		equal(t, "no more", p3.More, false)
		notice(t)(o.DeleteItem(ctx, "con", "r", "2", 2, begin))
		n := notice(t)(o.PutPart(ctx, "con", "r", store.Part{Item: "0", Part: "h", Rev: 2, JWE: "y"}))
		p4 := page(t)(o.Parts(ctx, "a", "r", p3.Cursor, anyLimit))
		equal(t, "what changed", items(p4), "2-0")
		equal(t, "tombstone", p4.Parts[0], store.Part{Item: "2", Rev: 2, Deleted: true})
		equal(t, "cursor", p4.Cursor, n.Cursor)
		equal(t, "from the beginning", items(page(t)(o.Parts(ctx, "a", "r", 0, anyLimit))), "1340")
		equal(t, "nothing new", page(t)(o.Parts(ctx, "a", "r", p4.Cursor, anyLimit)), store.Page{Cursor: p4.Cursor})

		must(t, o.Prune(ctx, begin))
		equal(t, "not yet pruned", items(page(t)(o.Parts(ctx, "a", "r", p3.Cursor, anyLimit))), "2-0")
		must(t, o.Prune(ctx, begin.Add(time.Second)))
		_, err := o.Parts(ctx, "a", "r", p3.Cursor, anyLimit)
		want(t, err, store.ErrReset)
		_, err = o.Parts(ctx, "a", "r", first.Cursor-1, anyLimit)
		want(t, err, store.ErrReset)
		_, err = o.Parts(ctx, "a", "r", n.Cursor+1, anyLimit)
		want(t, err, store.ErrReset)
		equal(t, "later cursors are good", page(t)(o.Parts(ctx, "a", "r", n.Cursor, anyLimit)), store.Page{Cursor: n.Cursor})
	})
	run(t, "AgainstModel", open, func(t *testing.T, o store.Objects) { objectsModel(t, o) })
}

// objectsModel plays random writes of one connector and a reader that reads
// along at random moments by cursor: it must always come to hold exactly what
// the writes left.
func objectsModel(t *testing.T, o store.Objects) {
	ctx := context.Background()
	round := 0
	rapid.Check(t, func(t *rapid.T) {
		round++
		res := fmt.Sprint("r", round)
		if _, err := o.SetDelivery(ctx, "con", res, []string{"a"}); err != nil {
			t.Fatal(err)
		}
		model := map[string]string{} // item/part -> jwe
		reader := map[string]store.Part{}
		rev, cursor := int64(0), int64(0)
		read := func() {
			for {
				p, err := o.Parts(ctx, "a", res, cursor, store.Limit{Parts: rapid.IntRange(1, 4).Draw(t, "page"), Bytes: 1 << 20})
				if err != nil {
					t.Fatal(err)
				}
				for _, part := range p.Parts {
					if !part.Deleted {
						reader[part.Item+"/"+part.Part] = part
						continue
					}
					for _, x := range []string{"h", "b"} {
						if have, ok := reader[part.Item+"/"+x]; ok && have.Rev <= part.Rev {
							delete(reader, part.Item+"/"+x)
						}
					}
				}
				cursor = p.Cursor
				if !p.More {
					break
				}
			}
			got := map[string]string{}
			for k, p := range reader {
				got[k] = p.JWE
			}
			if fmt.Sprint(got) != fmt.Sprint(model) {
				t.Fatalf("reader holds %v, writes left %v", got, model)
			}
		}
		for range rapid.IntRange(1, 12).Draw(t, "steps") {
			item := rapid.SampledFrom([]string{"i", "j"}).Draw(t, "item")
			switch rapid.IntRange(0, 4).Draw(t, "what") {
			case 0:
				rev++
				if _, err := o.DeleteItem(ctx, "con", res, item, rev, begin); err != nil {
					t.Fatal(err)
				}
				delete(model, item+"/h")
				delete(model, item+"/b")
			case 1:
				read()
			default:
				rev++
				part := rapid.SampledFrom([]string{"h", "b"}).Draw(t, "part")
				jwe := fmt.Sprint(rev)
				if _, err := o.PutPart(ctx, "con", res, store.Part{Item: item, Part: part, Rev: rev, JWE: jwe}); err != nil {
					t.Fatal(err)
				}
				model[item+"/"+part] = jwe
			}
		}
		read()
	})
}
