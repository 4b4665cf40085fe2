package demo

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/koyomi-cal/koyomi/internal/api"
	"github.com/koyomi-cal/koyomi/internal/calendar"
	"github.com/koyomi-cal/koyomi/internal/kms"
	"github.com/koyomi-cal/koyomi/internal/seal"
)

// reader is a device of the person that the demo is about: it does what the
// app in a browser does. It redeems its two codes, follows the cloud, fetches
// its keys and opens what comes.
type reader struct {
	cloud *api.Client
	keys  *kms.Client

	mu       sync.Mutex
	mine     map[string]seal.Resource
	cursors  map[string]int64
	meetings map[string]calendar.Head // opened heads, by item
	parts    map[string]int           // sealed parts, by item
	newest   newest
	changed  chan struct{} // closed at every change
}

// newest is the sealed part that came last.
type newest struct {
	JWE    string
	At     time.Time
	Cursor int64
}

// enrol makes the device's own key and redeems the codes.
func enrol(ctx context.Context, cloudURL, kmsURL, cloudCode, kmsCode string) (*reader, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make a key: %w", err)
	}
	identity, err := kms.Redeem(ctx, kms.ClientOptions{URL: kmsURL, Key: key}, kmsCode)
	if err != nil {
		return nil, err
	}
	answer, err := api.Redeem(ctx, api.ClientOptions{URL: cloudURL}, cloudCode)
	if err != nil {
		return nil, err
	}
	r := &reader{
		mine: map[string]seal.Resource{}, cursors: map[string]int64{}, meetings: map[string]calendar.Head{},
		parts: map[string]int{}, changed: make(chan struct{}),
	}
	if r.keys, err = kms.NewClient(kms.ClientOptions{URL: kmsURL, Key: key, Identity: identity}); err != nil {
		return nil, err
	}
	if r.cloud, err = api.NewClient(api.ClientOptions{URL: cloudURL, Credential: answer.Credential}); err != nil {
		return nil, err
	}
	return r, nil
}

// follow reads along until ctx ends.
func (r *reader) follow(ctx context.Context) error {
	var last int64
	for ctx.Err() == nil {
		for e, err := range r.cloud.Events(ctx, last) {
			if err == nil {
				last = e.ID
				err = r.catchUp(ctx, e.Resource)
			}
			if err != nil && ctx.Err() == nil && !temporary(err) {
				return err
			}
		}
		select {
		case <-ctx.Done():
		case <-time.After(200 * time.Millisecond):
		}
	}
	return nil
}

// temporary reports whether the same may go well a moment later.
func temporary(err error) bool {
	t, is := errors.AsType[interface {
		error
		Temporary() bool
	}](err)
	return is && t.Temporary()
}

// catchUp reads what is new of a resource.
func (r *reader) catchUp(ctx context.Context, resource string) error {
	res, err := r.resource(ctx, resource)
	if err != nil {
		return err
	}
	for more := true; more; {
		r.mu.Lock()
		after := r.cursors[resource]
		r.mu.Unlock()
		page, err := r.cloud.Items(ctx, resource, after)
		if e, is := errors.AsType[*api.Error](err); is && e.Code == api.CodeReset {
			r.forget(resource)
			continue
		} else if err != nil {
			return err
		}
		if err := r.take(res, page); err != nil {
			return err
		}
		more = page.More
	}
	return nil
}

// resource returns one of the person's own resources with its keys.
func (r *reader) resource(ctx context.Context, id string) (seal.Resource, error) {
	r.mu.Lock()
	res, known := r.mine[id]
	r.mu.Unlock()
	if known {
		return res, nil
	}
	all, err := r.keys.Mine(ctx)
	if err != nil {
		return seal.Resource{}, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, res := range all {
		r.mine[res.ID] = res
	}
	if res, known = r.mine[id]; !known {
		return seal.Resource{}, errors.New("the cloud delivers a calendar that is not this person's")
	}
	return res, nil
}

// take opens a page's heads.
func (r *reader) take(res seal.Resource, page api.Page) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, e := range page.Items {
		if e.Deleted {
			delete(r.meetings, e.Item)
			delete(r.parts, e.Item)
			continue
		}
		r.parts[e.Item]++
		r.newest = newest{JWE: e.JWE, At: time.Now(), Cursor: page.Cursor}
		if e.Part != seal.PartHead {
			continue
		}
		text, err := seal.Open(res.Head, seal.Header{Org: res.Org, Resource: res.ID, Item: e.Item, Part: e.Part, Rev: e.Rev}, e.JWE)
		if err != nil {
			return fmt.Errorf("a part of the person's calendar does not open: %w", err)
		}
		m, err := calendar.Decode(text, nil)
		if err != nil {
			return err
		}
		r.meetings[e.Item] = m.Head
	}
	r.cursors[res.ID] = page.Cursor
	r.newest.Cursor = max(r.newest.Cursor, page.Cursor)
	close(r.changed)
	r.changed = make(chan struct{})
	return nil
}

func (r *reader) forget(resource string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.cursors[resource] = 0
	clear(r.meetings)
	clear(r.parts)
}

// find waits for a meeting that the condition holds for.
func (r *reader) find(ctx context.Context, is func(calendar.Head) bool) (calendar.Head, error) {
	for {
		r.mu.Lock()
		changed := r.changed
		for _, h := range r.meetings {
			if is(h) {
				r.mu.Unlock()
				return h, nil
			}
		}
		r.mu.Unlock()
		select {
		case <-ctx.Done():
			return calendar.Head{}, context.Cause(ctx)
		case <-changed:
		}
	}
}

// holds says what the cloud holds of the person's calendar.
func (r *reader) holds() (items int, n newest) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.parts), r.newest
}
