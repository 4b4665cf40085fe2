package connector

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/koyomi-cal/koyomi/internal/api"
	"github.com/koyomi-cal/koyomi/internal/calendar"
	"github.com/koyomi-cal/koyomi/internal/mailbox"
	"github.com/koyomi-cal/koyomi/internal/seal"
	"github.com/koyomi-cal/koyomi/internal/store"
)

const (
	linkTimeout = 20 * time.Second // one call of the cloud or the key server
	vaultTime   = 15 * time.Minute // how long an idle calendar's keys stay in memory
	vaultSize   = 10000            // and of how many calendars at most
	maxNames    = 500              // attendees that are listed where all of them do not fit
)

// publisher is the way to the cloud and the key server.
type publisher struct {
	c           *Connector
	cloud, keys *link

	mu    sync.Mutex
	vault map[calendar.MailboxID]vaulted
}

type vaulted struct {
	res seal.Resource
	at  time.Time
}

func newPublisher(c *Connector) *publisher {
	return &publisher{
		c: c, vault: map[calendar.MailboxID]vaulted{},
		cloud: &link{name: alarmCloud, alarms: c.alarms}, keys: &link{name: alarmKeys, alarms: c.alarms},
	}
}

// errAway says that a call was not made: the server failed a moment ago.
var errAway = errors.New("not tried: the server failed a moment ago")

// link is a connection to one server. After a failure no call is made for a
// while, whoever asks.
type link struct {
	name   string
	alarms *alarms

	mu    sync.Mutex
	tries int
	until time.Time
}

// call makes a call unless the server failed a moment ago. What the server
// refuses is the caller's business; only silence and disorder count as failure.
func (l *link) call(ctx context.Context, fn func(context.Context) error) error {
	l.mu.Lock()
	away := time.Now().Before(l.until)
	l.mu.Unlock()
	if away {
		return errAway
	}
	short, cancel := context.WithTimeout(ctx, linkTimeout)
	defer cancel()
	err := fn(short)
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case err == nil || refused(err):
		l.tries, l.until = 0, time.Time{}
		l.alarms.clear(l.name)
	case ctx.Err() == nil:
		wait := backOff(l.tries)
		if e, is := errors.AsType[*api.Error](err); is {
			wait = max(wait, e.RetryAfter)
		}
		l.until = time.Now().Add(wait)
		l.tries++
		l.alarms.set(l.name, err.Error())
	}
	return err
}

// refused reports whether the cloud understood a request and will not have it:
// it is at work, and the same request will fail again.
func refused(err error) bool {
	e, is := errors.AsType[*api.Error](err)
	if !is {
		return false
	}
	switch e.Code {
	case api.CodeStale, api.CodeNotFound, api.CodeReset, api.CodeBadRequest, api.CodeTooLarge:
		return true
	}
	return false
}

// stale returns the revision that the cloud has, where it is later than ours.
func stale(err error) (int64, bool) {
	e, is := errors.AsType[*api.Error](err)
	if !is || e.Code != api.CodeStale {
		return 0, false
	}
	return e.Rev, true
}

// unknown reports whether the cloud has nothing of the resource any more.
func unknown(err error) bool {
	e, is := errors.AsType[*api.Error](err)
	return is && (e.Code == api.CodeNotFound || e.Code == api.CodeReset)
}

// back is when the link is worth trying, a little spread.
func (l *link) back() time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	at := time.Now().Add(time.Second)
	if l.until.After(at) {
		at = l.until
	}
	return at.Add(rand.N(2 * time.Second))
}

// resource returns the calendar's keys. It fails while the key server is away
// and they are not in memory.
func (t *turn) resource() (seal.Resource, error) {
	p, b := t.c.publish, t.b
	p.mu.Lock()
	v, ok := p.vault[b.mb.ID]
	p.mu.Unlock()
	if ok && time.Since(v.at) < vaultTime {
		return v.res, nil
	}
	var res seal.Resource
	err := p.keys.call(t.ctx, func(ctx context.Context) (err error) {
		res, err = t.c.opt.Keys.Ensure(ctx, b.owner)
		return err
	})
	if err != nil {
		return seal.Resource{}, err
	}
	if err := t.known(res); err != nil {
		return seal.Resource{}, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.vault) >= vaultSize {
		clear(p.vault)
	}
	p.vault[b.mb.ID] = vaulted{res, time.Now()}
	return res, nil
}

// known records the calendar's resource. Another one than last time means that
// the key server began anew: everything has to be sealed anew.
func (t *turn) known(res seal.Resource) error {
	b := t.b
	if b.active.Resource == res.ID {
		return nil
	}
	a := b.active
	a.Resource = res.ID
	if err := t.c.opt.Settings.PutActivated(t.ctx, a); err != nil {
		t.broken = fmt.Errorf("record a mailbox's resource: %w", err)
		return t.broken
	}
	if b.active.Resource != "" {
		t.c.log.Warn("the key server has new keys for a calendar; all of it is published anew", "mailbox", b.mb)
		t.forget()
	}
	b.active = a
	return nil
}

// forget makes everything published count as not published.
func (t *turn) forget() {
	m := t.b.mem
	for entry := range m.rows {
		m.drop(entry)
	}
	m.note.Delivered, m.note.Compared, m.note.Cursor = "", false, 0
	m.unsent, m.note.Dirty = true, true
	t.sendAgain()
}

func (m *memory) set(row store.Published) {
	m.rows[row.Item] = row
	m.put[row.Item] = true
	delete(m.gone, row.Item)
}

func (m *memory) drop(entry string) {
	delete(m.rows, entry)
	delete(m.put, entry)
	m.gone[entry] = true
}

// A row's Hash is the id by which the cloud knows the entry, 16 bytes, and the
// hash of what was put under it, 16 bytes or none: then it has to be put again.
const idSize, hashSize = 16, 16

func rowItem(r store.Published) string {
	return base64.RawURLEncoding.EncodeToString(r.Hash[:min(idSize, len(r.Hash))])
}

func rowHash(r store.Published) string { return string(r.Hash[min(idSize, len(r.Hash)):]) }

func newRow(entry, item string, hash []byte, rev int64) (store.Published, error) {
	id, err := base64.RawURLEncoding.DecodeString(item)
	if err != nil || len(id) != idSize {
		return store.Published{}, errors.New("item id is out of form")
	}
	return store.Published{Item: entry, Hash: append(id, hash...), Rev: rev}, nil
}

// nextRev is a revision that the cloud has not seen: a time, or one more than
// the last.
func nextRev(last int64) int64 { return max(time.Now().UnixMilli(), last+1) }

// announce puts down which entries are about to appear in the cloud for the
// first time, so that they are found and taken out again if the program stops
// before it knows more about them.
func (t *turn) announce(effects []mailbox.Effect) {
	m, fresh := t.b.mem, false
	for _, e := range effects {
		p, is := e.(mailbox.Publish)
		if !is {
			continue
		}
		if _, has := m.rows[p.Entry]; has {
			continue
		}
		res, err := t.resource()
		if err != nil {
			return // nothing will be put
		}
		row, err := newRow(p.Entry, seal.ItemID(res.Index, p.Meeting.ItemKey()), nil, 0)
		if err != nil {
			continue
		}
		m.set(row)
		fresh = true
	}
	if fresh {
		m.note.Dirty = true
		t.save()
	}
}

// publish puts one entry into the cloud unless it is there as it is.
func (t *turn) publish(e mailbox.Publish) {
	m := t.b.mem
	head, body, err := encode(e.Meeting)
	if err != nil {
		t.c.log.Error("entry cannot be encoded", "mailbox", t.b.mb, "entry", e.Entry, "error", err)
		return
	}
	hash := mac(t.c.secrets.content, string(head), string(body))[:hashSize]
	row, has := m.rows[e.Entry]
	if has && rowHash(row) == string(hash) {
		return
	}
	res, err := t.resource()
	if err == nil {
		err = t.deliver(res, false)
	}
	if err != nil {
		t.notSent(err)
		return
	}
	item := seal.ItemID(res.Index, e.Meeting.ItemKey())
	rev, err := t.putBoth(res, item, nextRev(row.Rev), head, body)
	switch _, late := stale(err); {
	case err == nil:
		t.c.metrics.published.Add(1)
	case refused(err) && !late && !unknown(err), errors.Is(err, seal.ErrTooLarge):
		t.c.metrics.unsent.Add(1)
		t.c.log.Error("entry is refused by the cloud; it is left out until it changes", "mailbox", t.b.mb, "entry", e.Entry, "error", err)
	default:
		hash = nil // whatever is there now, it has to be put again
		t.notSent(err)
	}
	if row, err = newRow(e.Entry, item, hash, rev); err == nil {
		m.set(row)
	}
}

// encode writes a meeting's two parts, with fewer names where all of them are
// more than can be sealed.
func encode(m calendar.Meeting) (head, body []byte, err error) {
	head, body, err = calendar.Encode(m)
	if err == nil && len(body) > seal.MaxPlaintext {
		m.Details.Attendees = m.Details.Attendees[:min(len(m.Details.Attendees), maxNames)]
		head, body, err = calendar.Encode(m)
	}
	return head, body, err
}

// putBoth seals and puts the details, then the head, under one revision, and
// returns the revision. Where the cloud knows a later one it takes a later one.
func (t *turn) putBoth(res seal.Resource, item string, rev int64, head, body []byte) (int64, error) {
	for try := 0; ; try++ {
		err := t.put(res, res.Body, item, seal.PartBody, rev, body)
		if err == nil {
			err = t.put(res, res.Head, item, seal.PartHead, rev, head)
		}
		if stored, is := stale(err); is && try < 2 {
			rev = nextRev(stored)
			continue
		}
		return rev, err
	}
}

func (t *turn) put(res seal.Resource, key seal.Key, item, part string, rev int64, text []byte) error {
	h := seal.Header{Org: res.Org, Resource: res.ID, Item: item, Part: part, Rev: rev}
	jwe, err := seal.Seal(key, h, text)
	if err != nil {
		return err
	}
	var done api.Written
	err = t.c.publish.cloud.call(t.ctx, func(ctx context.Context) (err error) {
		done, err = t.c.opt.Cloud.Put(ctx, res.ID, item, part, api.Part{Rev: rev, JWE: jwe})
		return err
	})
	if err == nil {
		t.b.mem.note.Cursor = max(t.b.mem.note.Cursor, done.Cursor)
	}
	return err
}

// deliver tells the cloud who gets this calendar, once for each account.
func (t *turn) deliver(res seal.Resource, again bool) error {
	note := &t.b.mem.note
	key := res.ID + " " + t.b.account
	if note.Delivered == key && !again {
		return nil
	}
	accounts := []string{}
	if t.b.account != "" {
		accounts = append(accounts, t.b.account)
	}
	err := t.c.publish.cloud.call(t.ctx, func(ctx context.Context) error {
		return t.c.opt.Cloud.SetDelivery(ctx, res.ID, accounts)
	})
	if err == nil {
		note.Delivered = key
	}
	return err
}

// withdraw takes one entry out of the cloud.
func (t *turn) withdraw(entry string) {
	m := t.b.mem
	row, has := m.rows[entry]
	if !has {
		return
	}
	if err := t.remove(rowItem(row), nextRev(row.Rev)); err != nil {
		t.notSent(err)
		return
	}
	t.c.metrics.withdrawn.Add(1)
	m.drop(entry)
}

func (t *turn) remove(item string, rev int64) error {
	resource := t.b.active.Resource
	if resource == "" {
		return nil // nothing was ever put
	}
	for try := 0; ; try++ {
		var done api.Written
		err := t.c.publish.cloud.call(t.ctx, func(ctx context.Context) (err error) {
			done, err = t.c.opt.Cloud.Delete(ctx, resource, item, rev)
			return err
		})
		if stored, is := stale(err); is && try < 2 {
			rev = nextRev(stored)
			continue
		}
		if err == nil {
			t.b.mem.note.Cursor = max(t.b.mem.note.Cursor, done.Cursor)
		}
		return err
	}
}

// keepOnly withdraws every entry that is not named, and holds the cloud against
// what is known of it.
func (t *turn) keepOnly(entries []string) {
	keep := make(map[string]bool, len(entries))
	for _, e := range entries {
		keep[e] = true
	}
	for entry := range t.b.mem.rows {
		if !keep[entry] {
			t.withdraw(entry)
		}
	}
	if err := t.compare(); err != nil {
		t.notSent(err)
	}
}

// compare asks the cloud what changed since our last write. It must be
// nothing; if the cloud began anew, everything is put again. The first time,
// and after cache.db was lost, what it holds and we do not know is removed.
func (t *turn) compare() error {
	m := t.b.mem
	if t.b.active.Resource == "" {
		return nil
	}
	after := m.note.Cursor
	if !m.note.Compared {
		after = 0
	}
	mine := map[string]bool{}
	for _, row := range m.rows {
		mine[rowItem(row)] = true
	}
	for {
		var page api.Page
		err := t.c.publish.cloud.call(t.ctx, func(ctx context.Context) (err error) {
			page, err = t.c.opt.Cloud.Items(ctx, t.b.active.Resource, after)
			return err
		})
		switch {
		case unknown(err):
			if len(m.rows) > 0 {
				t.forget()
			}
			return nil
		case err != nil:
			return err
		}
		for _, e := range page.Items {
			if e.Deleted || mine[e.Item] || m.note.Compared {
				continue
			}
			mine[e.Item] = true // once
			if err := t.remove(e.Item, nextRev(e.Rev)); err != nil {
				return err
			}
		}
		if !page.More || page.Cursor <= after {
			m.note.Compared = true
			m.note.Cursor = max(m.note.Cursor, page.Cursor)
			return nil
		}
		after = page.Cursor
	}
}

// notSent marks the mailbox: something of it is not in the cloud as it should
// be. It is viewed again when cloud and key server are back.
func (t *turn) notSent(err error) {
	m := t.b.mem
	if !m.unsent {
		t.c.log.Info("list is not up to date in the cloud; it is sent again later", "mailbox", t.b.mb, "error", err)
	}
	t.c.metrics.unsent.Add(1)
	m.unsent = true
	if unknown(err) {
		t.forget()
		return
	}
	t.sendAgain()
}

// sendAgain plans the next look at cloud and key server: when both are worth
// trying, and later each time that it was of no use.
func (t *turn) sendAgain() {
	p, b := t.c.publish, t.b
	at := p.cloud.back()
	if k := p.keys.back(); k.After(at) {
		at = k
	}
	at = at.Add(min(time.Second<<min(b.resends, 10), 5*time.Minute) - time.Second)
	if b.resendAt.Before(at) {
		b.resendAt = at
	}
}

// resend views the calendar again if cloud and key server answer.
func (t *turn) resend() {
	m, b := t.b.mem, t.b
	b.resendAt = time.Time{}
	if !m.unsent {
		return
	}
	b.resends++
	res, err := t.resource()
	if err == nil {
		err = t.deliver(res, true)
	}
	if err != nil {
		t.notSent(err)
		return
	}
	m.unsent = false
	t.feed(mailbox.Lost{})
}
