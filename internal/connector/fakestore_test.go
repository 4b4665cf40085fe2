package connector

import (
	"context"
	"crypto/rand"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/koyomi-cal/koyomi/internal/api"
	"github.com/koyomi-cal/koyomi/internal/calendar"
	"github.com/koyomi-cal/koyomi/internal/seal"
	"github.com/koyomi-cal/koyomi/internal/store"
)

// disk is what outlives a crash: settings.db and cache.db.
type disk struct {
	mu        sync.Mutex
	values    map[string][]byte
	activated map[string]store.Activated
	writes    map[string]store.WriteCount
	audit     []store.AuditEntry
	boxes     map[string]store.MailboxState
	rows      map[string]map[string]store.Published
	traces    map[string][]store.TraceLine
	epoch     int // of cache.db: raised when the file is deleted
	full      error
}

func newDisk() *disk {
	d := &disk{}
	d.loseSettings()
	d.loseCache()
	return d
}

func (d *disk) loseSettings() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.values, d.activated, d.writes = map[string][]byte{}, map[string]store.Activated{}, map[string]store.WriteCount{}
}

func (d *disk) loseCache() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.boxes, d.rows, d.traces = map[string]store.MailboxState{}, map[string]map[string]store.Published{}, map[string][]store.TraceLine{}
	d.epoch++
}

// settings and cache are the disk as one run sees it.
type settings struct {
	*disk
	gate *gate
}

type cache struct {
	*disk
	gate   *gate
	loaded map[string]int
}

func onDisk(d *disk, g *gate, fn func() error) error {
	before, after := g.pass()
	if before != nil {
		return before
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.full != nil {
		return d.full
	}
	if err := fn(); err != nil {
		return err
	}
	return after
}

func (s settings) PutActivated(_ context.Context, a store.Activated) error {
	return onDisk(s.disk, s.gate, func() error { s.activated[a.Mailbox] = a; return nil })
}

func (s settings) Activated(context.Context) (all []store.Activated, err error) {
	err = onDisk(s.disk, s.gate, func() error {
		all = slices.Collect(maps.Values(s.activated))
		return nil
	})
	return all, err
}

func (s settings) DeleteActivated(_ context.Context, m string) error {
	return onDisk(s.disk, s.gate, func() error { delete(s.activated, m); return nil })
}

func (s settings) Value(_ context.Context, key string) (v []byte, err error) {
	err = onDisk(s.disk, s.gate, func() error {
		var has bool
		if v, has = s.values[key]; !has {
			return store.ErrNotFound
		}
		return nil
	})
	return v, err
}

func (s settings) PutValue(_ context.Context, key string, v []byte) error {
	return onDisk(s.disk, s.gate, func() error { s.values[key] = v; return nil })
}

func (s settings) InitValue(_ context.Context, key string, v []byte) (out []byte, err error) {
	err = onDisk(s.disk, s.gate, func() error {
		if old, has := s.values[key]; has {
			out = old
			return nil
		}
		s.values[key], out = v, v
		return nil
	})
	return out, err
}

func (s settings) AddWrites(_ context.Context, m string, at time.Time, writes, recipients int) error {
	return onDisk(s.disk, s.gate, func() error {
		h := at.UTC().Truncate(time.Hour)
		key := h.Format(time.RFC3339) + m
		c := s.writes[key]
		s.writes[key] = store.WriteCount{Mailbox: m, Hour: h, Writes: c.Writes + writes, Recipients: c.Recipients + recipients}
		return nil
	})
}

func (s settings) Writes(_ context.Context, since time.Time) (all []store.WriteCount, err error) {
	err = onDisk(s.disk, s.gate, func() error {
		for _, c := range s.writes {
			if c.Hour.Add(time.Hour).After(since) {
				all = append(all, c)
			}
		}
		return nil
	})
	return all, err
}

func (s settings) Audit(_ context.Context, e store.AuditEntry) error {
	return onDisk(s.disk, s.gate, func() error { s.audit = append(s.audit, e); return nil })
}

func (s settings) AuditSince(context.Context, time.Time, int) ([]store.AuditEntry, error) {
	return nil, nil
}
func (s settings) Prune(context.Context, time.Time, time.Time) error { return nil }
func (s settings) Close() error                                      { return nil }

func (c cache) LoadMailbox(_ context.Context, m string) (st store.MailboxState, err error) {
	err = onDisk(c.disk, c.gate, func() error {
		st = c.boxes[m]
		c.loaded[m] = c.epoch
		return nil
	})
	return st, err
}

func (c cache) SaveMailbox(_ context.Context, saves ...store.MailboxSave) error {
	return onDisk(c.disk, c.gate, func() error {
		for _, s := range saves {
			if c.loaded[s.Mailbox] != c.epoch {
				return fmt.Errorf("%w: cache.db", store.ErrLost)
			}
			c.boxes[s.Mailbox] = store.MailboxState{Core: slices.Clone(s.State.Core), Sync: slices.Clone(s.State.Sync)}
			if c.rows[s.Mailbox] == nil {
				c.rows[s.Mailbox] = map[string]store.Published{}
			}
			for _, r := range s.Publish {
				r.Hash = slices.Clone(r.Hash)
				c.rows[s.Mailbox][r.Item] = r
			}
			for _, e := range s.Withdrawn {
				delete(c.rows[s.Mailbox], e)
			}
			c.traces[s.Mailbox] = append(c.traces[s.Mailbox], s.Trace...)
		}
		return nil
	})
}

func (c cache) Published(_ context.Context, m string) (rows map[string]store.Published, err error) {
	err = onDisk(c.disk, c.gate, func() error { rows = maps.Clone(c.rows[m]); return nil })
	return rows, err
}

func (c cache) Trace(_ context.Context, m string, since time.Time) (lines []store.TraceLine, err error) {
	err = onDisk(c.disk, c.gate, func() error {
		for _, l := range c.traces[m] {
			if !l.At.Before(since) {
				lines = append(lines, l)
			}
		}
		return nil
	})
	return lines, err
}

func (c cache) DeleteMailbox(_ context.Context, m string) error {
	return onDisk(c.disk, c.gate, func() error {
		delete(c.boxes, m)
		delete(c.rows, m)
		delete(c.traces, m)
		return nil
	})
}
func (c cache) PutPublished(context.Context, string, ...store.Published) error { return nil }
func (c cache) DeletePublished(context.Context, string, ...string) error       { return nil }
func (c cache) AppendTrace(context.Context, string, ...store.TraceLine) error  { return nil }
func (c cache) Prune(context.Context, time.Time) error                         { return nil }
func (c cache) Close() error                                                   { return nil }

// text returns everything on the disk, for a look for what must not be there.
func (d *disk) text() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return fmt.Sprintf("%v %v %s %s %s", d.activated, d.rows, dump(d.boxes), d.traces, d.audit)
}

func dump(m map[string]store.MailboxState) string {
	var b strings.Builder
	for _, s := range m {
		b.Write(s.Core)
		b.Write(s.Sync)
	}
	return b.String()
}

// cloud keeps what is put into it, and refuses what a cloud refuses.
type cloud struct {
	t         *testing.T
	mu        sync.Mutex
	resources map[string]*resource
	cursor    int64
	down      error
	puts      int
}

type resource struct {
	accounts []string
	parts    map[string]api.Entry // by item and part
	deleted  map[string]int64
}

func newCloud(t *testing.T) *cloud { return &cloud{t: t, resources: map[string]*resource{}} }

type cloudUser struct {
	*cloud
	gate *gate
}

func inCloud[T any](u cloudUser, id string, fn func(r *resource) (T, error)) (T, error) {
	var none T
	before, after := u.gate.pass()
	if before != nil {
		return none, before
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.down != nil {
		return none, u.down
	}
	r := u.resources[id]
	if r == nil {
		return none, &api.Error{Op: "put", Code: api.CodeNotFound, Status: 404, Message: "unknown"}
	}
	out, err := fn(r)
	if err == nil {
		err = after
	}
	return out, err
}

func (u cloudUser) SetDelivery(_ context.Context, id string, accounts []string) error {
	u.mu.Lock()
	if u.down == nil && u.resources[id] == nil {
		u.resources[id] = &resource{parts: map[string]api.Entry{}, deleted: map[string]int64{}}
	}
	u.mu.Unlock()
	_, err := inCloud(u, id, func(r *resource) (int, error) { r.accounts = accounts; return 0, nil })
	return err
}

func (u cloudUser) Put(_ context.Context, id, item, part string, p api.Part) (api.Written, error) {
	return inCloud(u, id, func(r *resource) (api.Written, error) {
		if !api.ValidID(item) || !api.ValidPart(part) || !api.ValidRevision(p.Rev) || !api.ValidSealed(p.JWE, id, item, part, p.Rev) {
			u.t.Errorf("put out of form: %q %q %d", item, part, p.Rev)
		}
		if old := r.parts[item+part]; old.Rev > p.Rev || r.deleted[item] >= p.Rev {
			return api.Written{}, &api.Error{Op: "put", Code: api.CodeStale, Status: 409, Rev: max(old.Rev, r.deleted[item])}
		}
		u.cursor++
		u.puts++
		r.parts[item+part] = api.Entry{Item: item, Part: part, Rev: p.Rev, JWE: p.JWE}
		return api.Written{Cursor: u.cursor}, nil
	})
}

func (u cloudUser) Delete(_ context.Context, id, item string, rev int64) (api.Written, error) {
	return inCloud(u, id, func(r *resource) (api.Written, error) {
		for _, part := range []string{"h", "b"} {
			if old := r.parts[item+part]; old.Rev > rev {
				return api.Written{}, &api.Error{Op: "delete", Code: api.CodeStale, Status: 409, Rev: old.Rev}
			}
		}
		u.cursor++
		delete(r.parts, item+"h")
		delete(r.parts, item+"b")
		r.deleted[item] = rev
		return api.Written{Cursor: u.cursor}, nil
	})
}

func (u cloudUser) Items(_ context.Context, id string, after int64) (api.Page, error) {
	return inCloud(u, id, func(r *resource) (api.Page, error) {
		p := api.Page{Cursor: u.cursor}
		if after == 0 {
			for _, k := range slices.Sorted(maps.Keys(r.parts)) {
				p.Items = append(p.Items, r.parts[k])
			}
		}
		return p, nil
	})
}

// keys are the key server: a resource for each owner.
type keys struct {
	mu   sync.Mutex
	made map[string]seal.Resource
	down error
	asks int
}

func newKeys() *keys { return &keys{made: map[string]seal.Resource{}} }

type keysUser struct {
	*keys
	gate *gate
}

func (u keysUser) Ensure(_ context.Context, owner string) (seal.Resource, error) {
	before, after := u.gate.pass()
	if before != nil {
		return seal.Resource{}, before
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	u.asks++
	if u.down != nil {
		return seal.Resource{}, u.down
	}
	r, has := u.made[owner]
	if !has {
		r = newResource()
		u.made[owner] = r
	}
	return r, after
}

func (u keysUser) Fetch(context.Context, []string) ([]seal.Key, error) { return nil, nil }

func newResource() seal.Resource {
	raw := func(n int) []byte {
		b := make([]byte, n)
		rand.Read(b)
		return b
	}
	id := func() string { return api22(raw(16)) }
	r := seal.Resource{ID: id(), Org: id(), Authority: id()}
	key := func() seal.Key {
		u := raw(16)
		k, err := seal.NewKey(fmt.Sprintf("kms:%s/%x-%x-%x-%x-%x", r.Authority, u[:4], u[4:6], u[6:8], u[8:10], u[10:]), raw(32))
		if err != nil {
			panic(err)
		}
		return k
	}
	r.Head, r.Body = key(), key()
	ik, err := seal.NewIndexKey(raw(32))
	if err != nil {
		panic(err)
	}
	r.Index = ik
	return r
}

// list opens what the cloud holds for an owner, by subject.
func (c *cloud) list(k *keys, owner string) map[string]calendar.Meeting {
	c.t.Helper()
	k.mu.Lock()
	res, has := k.made[owner]
	k.mu.Unlock()
	c.mu.Lock()
	defer c.mu.Unlock()
	out := map[string]calendar.Meeting{}
	r := c.resources[res.ID]
	if !has || r == nil {
		return out
	}
	for key, e := range r.parts {
		if e.Part != seal.PartHead {
			continue
		}
		open := func(key seal.Key, part string) []byte {
			text, err := seal.Open(key, seal.Header{Org: res.Org, Resource: res.ID, Item: e.Item, Part: part}, r.parts[e.Item+part].JWE)
			if err != nil {
				c.t.Errorf("open %s: %v", part, err)
			}
			return text
		}
		if r.parts[e.Item+"b"].Rev == 0 {
			c.t.Errorf("head without body: %s", key)
			continue
		}
		m, err := calendar.Decode(open(res.Head, seal.PartHead), open(res.Body, seal.PartBody))
		if err != nil {
			c.t.Error(err)
		}
		if _, twice := out[m.Head.Subject]; twice {
			c.t.Errorf("%q is listed twice", m.Head.Subject)
		}
		out[m.Head.Subject] = m
	}
	return out
}
