package kms

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/koyomi-cal/koyomi/internal/account"
	"github.com/koyomi-cal/koyomi/internal/seal"
	"github.com/koyomi-cal/koyomi/internal/store"
)

// carryOut does what an authenticated instance asks for.
func (s *Server) carryOut(ctx context.Context, in store.Instance, op string, body []byte) (any, error) {
	switch op {
	case opEnsure:
		if err := only(Connector, in); err != nil {
			return nil, err
		}
		return s.ensureResource(ctx, in, body)
	case opMine:
		if err := only(User, in); err != nil {
			return nil, err
		}
		return s.myResources(ctx, in, body)
	case opKeys:
		return s.getKeys(ctx, in, body)
	}
	return nil, refuse(http.StatusNotFound, CodeNotFound, "the key server has no such operation")
}

func only(role Role, in store.Instance) error {
	if Role(in.Role) != role {
		return refuse(http.StatusForbidden, CodeForbidden, "this operation is for a "+string(role)+"'s instance")
	}
	return nil
}

// ensureResource gives a connector the resource of an owner's calendar. Only
// here does the relation of owner and resource come into being.
func (s *Server) ensureResource(ctx context.Context, in store.Instance, body []byte) (any, error) {
	var req ensureRequest
	if err := decode(body, &req, true); err != nil {
		return nil, err
	}
	owner, ok := normaliseOwner(req.Owner)
	if !ok {
		return nil, badRequest("the owner is not a mail address")
	}
	have, err := s.store.Owned(ctx, owner)
	if err != nil {
		return nil, s.unavailable(opEnsure, err)
	}
	var res store.Resource
	if len(have) > 0 {
		res = have[0]
		if res.Connector != in.Subject {
			err = store.ErrTaken
		}
	} else {
		res, err = s.store.EnsureResource(ctx, s.newResource(owner, in.Subject))
	}
	switch {
	case errors.Is(err, store.ErrTaken):
		return nil, refuse(http.StatusForbidden, CodeTaken,
			"this owner's calendar belongs to a connector of another name; enrol this one under that name, or deactivate the mailbox there")
	case err != nil:
		return nil, s.unavailable(opEnsure, err)
	}
	out, err := s.open(res, true)
	if err != nil {
		return nil, s.unavailable(opEnsure, err)
	}
	return out, nil
}

func (s *Server) newResource(owner, connector string) store.Resource {
	res := store.Resource{ID: account.NewID(), Owner: owner, Connector: connector, At: time.Now()}
	for _, part := range []string{partHead, partBody, partIndex} {
		var key [seal.KeySize]byte
		rand.Read(key[:]) // never fails, by its contract
		kid := s.newKeyID()
		res.Keys = append(res.Keys, store.WrappedKey{KID: kid, Part: part, Wrapped: s.master.wrap(kid, res.ID, key[:])})
	}
	return res
}

// open unwraps a resource's keys; the index key for connectors only.
func (s *Server) open(res store.Resource, index bool) (wireResource, error) {
	out := wireResource{Resource: res.ID, Org: s.org}
	for _, w := range res.Keys {
		if w.Part == partIndex && !index {
			continue
		}
		key, err := s.master.unwrap(w.KID, res.ID, w.Wrapped)
		if err != nil {
			return wireResource{}, err
		}
		switch w.Part {
		case partHead:
			out.Keys.Head = wireKey{w.KID, key}
		case partBody:
			out.Keys.Body = wireKey{w.KID, key}
		case partIndex:
			out.IK = key
		}
	}
	return out, nil
}

// myResources gives a user's instance the resources that the user owns.
func (s *Server) myResources(ctx context.Context, in store.Instance, body []byte) (any, error) {
	if err := decode(body, &struct{}{}, true); err != nil {
		return nil, err
	}
	all, err := s.store.Owned(ctx, in.Subject)
	if err != nil {
		return nil, s.unavailable(opMine, err)
	}
	out := mineAnswer{Resources: []wireResource{}}
	for _, res := range all {
		r, err := s.open(res, false)
		if err != nil {
			return nil, s.unavailable(opMine, err)
		}
		out.Resources = append(out.Resources, r)
	}
	return out, nil
}

// getKeys gives those of the named keys that exist and are the caller's: a
// user's own, a connector's of the resources it made.
func (s *Server) getKeys(ctx context.Context, in store.Instance, body []byte) (any, error) {
	var req keysRequest
	if err := decode(body, &req, true); err != nil {
		return nil, err
	}
	if len(req.KIDs) > maxKIDs {
		return nil, badRequest(fmt.Sprintf("at most %d keys at once", maxKIDs))
	}
	all, err := s.store.WrappedKeys(ctx, req.KIDs)
	if err != nil {
		return nil, s.unavailable(opKeys, err)
	}
	out := keysAnswer{Keys: []foundKey{}}
	for _, k := range all {
		mine := k.Owner == in.Subject
		if Role(in.Role) == Connector {
			mine = k.Connector == in.Subject
		}
		if !mine || k.Part == partIndex {
			continue
		}
		key, err := s.master.unwrap(k.KID, k.Resource, k.Wrapped)
		if err != nil {
			return nil, s.unavailable(opKeys, err)
		}
		out.Keys = append(out.Keys, foundKey{k.KID, k.Resource, k.Part, key})
	}
	return out, nil
}
