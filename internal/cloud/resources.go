package cloud

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/koyomi-cal/koyomi/internal/account"
	"github.com/koyomi-cal/koyomi/internal/api"
	"github.com/koyomi-cal/koyomi/internal/store"
)

// A page of entries is bounded both ways, so that a phone on a train gets one.
const (
	pageParts = 500
	pageBytes = 2 << 20
	smallBody = 64 << 10
)

// redeem gives a credential for a one-time code.
func (s *Server) redeem(w http.ResponseWriter, r *http.Request) {
	from := account.RemoteKey(r)
	answer, err := func() (*api.RedeemAnswer, error) {
		if wait, spent := s.strangers.Spent(from); spent {
			return nil, tooMany(wait)
		}
		var req api.RedeemRequest
		if err := readJSON(w, r, &req, smallBody); err != nil {
			return nil, err
		}
		code, err := account.ParseCode(account.Cloud, req.Code)
		if err != nil {
			return nil, badRequest("this is " + err.Error())
		}
		credential := newCredential()
		a, err := s.accounts.Redeem(r.Context(), code.ID, code.Hash, sha256.Sum256([]byte(credential.Reveal())), time.Now())
		if errors.Is(err, store.ErrCode) {
			return nil, refuse(http.StatusForbidden, api.CodeInvalidCode,
				"this one-time code does not exist, was used, is older than 30 minutes, or was tried wrongly five times; ask for a new one")
		}
		if err != nil {
			return nil, s.unavailable(err)
		}
		return &api.RedeemAnswer{Credential: credential, Account: a.ID, Role: api.Role(a.Role)}, nil
	}()
	if err != nil {
		s.strangers.Allow(from)
		s.fail(w, err)
		return
	}
	s.log.Info("credential given", "account", answer.Account, "role", answer.Role)
	s.reply(w, answer)
}

func (s *Server) me(c *call) (any, error) {
	list, err := s.objects.Delivered(c.r.Context(), c.account.ID, 0)
	if err != nil {
		return nil, s.explain(err)
	}
	me := api.Me{Account: c.account.ID, Role: api.Role(c.account.Role), Resources: []string{}}
	for _, d := range list {
		me.Resources = append(me.Resources, d.Resource)
	}
	return me, nil
}

func (s *Server) setDelivery(c *call) (any, error) {
	var req api.Delivery
	if err := readJSON(c.w, c.r, &req, smallBody); err != nil {
		return nil, err
	}
	if len(req.Accounts) > api.MaxAccounts {
		return nil, badRequest(fmt.Sprintf("at most %d accounts get a resource", api.MaxAccounts))
	}
	for _, a := range req.Accounts {
		if !api.ValidID(a) {
			return nil, badRequest("an account's id is out of form; it is what the cloud's enrolment printed")
		}
	}
	s.change.Lock()
	defer s.change.Unlock()
	n, err := s.objects.SetDelivery(c.r.Context(), c.account.ID, c.resource, req.Accounts)
	if err != nil {
		return nil, s.explain(err)
	}
	s.hub.publish(api.EventDelivery, n)
	return struct{}{}, nil
}

func (s *Server) items(c *call) (any, error) {
	after, err := number(c.r, "after")
	if err != nil {
		return nil, err
	}
	page, err := s.objects.Parts(c.r.Context(), c.account.ID, c.resource, after, store.Limit{Parts: pageParts, Bytes: pageBytes})
	if err != nil {
		return nil, s.explain(err)
	}
	out := api.Page{Items: make([]api.Entry, len(page.Parts)), Cursor: page.Cursor, More: page.More}
	for i, p := range page.Parts {
		out.Items[i] = api.Entry(p)
	}
	return out, nil
}

func (s *Server) putPart(c *call) (any, error) {
	item, part := c.r.PathValue("item"), c.r.PathValue("part")
	if !api.ValidID(item) || !api.ValidPart(part) {
		return nil, badRequest("the item's id or its part is out of form")
	}
	var req api.Part
	if err := readJSON(c.w, c.r, &req, api.MaxSealed+smallBody); err != nil {
		return nil, err
	}
	if !api.ValidRevision(req.Rev) || !api.ValidSealed(req.JWE, c.resource, item, part, req.Rev) {
		return nil, badRequest("this is not a part sealed for this place and revision")
	}
	s.change.Lock()
	defer s.change.Unlock()
	n, err := s.objects.PutPart(c.r.Context(), c.account.ID, c.resource, store.Part{Item: item, Part: part, Rev: req.Rev, JWE: req.JWE})
	if err != nil {
		return nil, s.explain(err)
	}
	s.hub.publish(api.EventChange, n)
	return api.Written{Cursor: n.Cursor}, nil
}

func (s *Server) deleteItem(c *call) (any, error) {
	item := c.r.PathValue("item")
	rev, err := number(c.r, "rev")
	if err != nil {
		return nil, err
	}
	if !api.ValidID(item) || !api.ValidRevision(rev) {
		return nil, badRequest("the item's id or the revision is out of form")
	}
	s.change.Lock()
	defer s.change.Unlock()
	n, err := s.objects.DeleteItem(c.r.Context(), c.account.ID, c.resource, item, rev, time.Now())
	if err != nil {
		return nil, s.explain(err)
	}
	s.hub.publish(api.EventChange, n)
	return api.Written{Cursor: n.Cursor}, nil
}

// number reads a number from the query; absent is 0.
func number(r *http.Request, name string) (int64, error) {
	text := r.URL.Query().Get(name)
	if text == "" {
		return 0, nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 0 || n > api.MaxRevision {
		return 0, badRequest(name + " is not a number in range")
	}
	return n, nil
}

// readJSON reads a body of one JSON object with known fields, up to a size.
func readJSON(w http.ResponseWriter, r *http.Request, into any, limit int64) error {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != "application/json" {
		return badRequest("the request's Content-Type is not application/json")
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, limit))
	if _, big := errors.AsType[*http.MaxBytesError](err); big {
		return refuse(http.StatusRequestEntityTooLarge, api.CodeTooLarge, "the request is larger than is stored")
	}
	if err != nil {
		return badRequest("the request broke off")
	}
	d := json.NewDecoder(strings.NewReader(string(body)))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return badRequest("the request is not the JSON that belongs here")
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return badRequest("the request has something after its JSON")
	}
	return nil
}
