package demo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/koyomi-cal/koyomi/ews"
	"github.com/koyomi-cal/koyomi/internal/calendar"
	"github.com/koyomi-cal/koyomi/internal/render"
)

// How long the story waits for each thing to happen.
const (
	startLimit = 30 * time.Second
	storyLimit = 20 * time.Second
)

// play fills the calendar once all mailboxes are served, and then either prints
// the links and lets people play, or plays the story itself.
func (s *system) play(ctx context.Context, o Options) error {
	starting, cancel := context.WithTimeoutCause(ctx, startLimit, errors.New("the mailboxes were not served in time"))
	defer cancel()
	if err := s.activated(starting); err != nil {
		return err
	}
	me := people()[0]
	cloudCode, kmsCode, err := s.codes(ctx, me)
	if err != nil {
		return err
	}
	r, err := enrol(ctx, url(s.ports.app), url(s.ports.keys), cloudCode, kmsCode)
	if err != nil {
		return err
	}
	s.page.follow(r)
	followed := make(chan error, 1)
	ctx, stop := context.WithCancelCause(ctx)
	go func() {
		err := r.follow(ctx)
		if err != nil {
			stop(err)
		}
		followed <- err
	}()
	err = func() error {
		if o.Once {
			return s.once(ctx, o, r)
		}
		if err := s.fill(ctx, day(time.Now(), o.Subject)); err != nil {
			return err
		}
		if err := s.welcome(ctx, o); err != nil {
			return err
		}
		<-ctx.Done()
		return nil
	}()
	stop(context.Canceled)
	return errors.Join(err, <-followed)
}

// fill makes the day, each meeting by whoever calls it.
func (s *system) fill(ctx context.Context, entries []entry) error {
	all := people()
	for _, e := range entries {
		client, err := s.signIn(all[e.by])
		if err != nil {
			return err
		}
		for _, i := range e.invited {
			invite(&e.item, all[i])
		}
		_, err = save(ctx, client.As(""), e.item)
		client.Close()
		if err == nil && e.declined {
			err = s.decline(ctx, e.item)
		}
		if err != nil {
			return fmt.Errorf("fill the calendar: %w", err)
		}
	}
	return nil
}

func (s *system) signIn(who person) (*ews.Client, error) {
	return ews.New(ews.Options{URL: s.exchange.URL, Credentials: ews.Credentials{Username: who.Address, Password: ews.NewSecret(password)}})
}

// decline says no to an invitation as the person that the demo is about.
func (s *system) decline(ctx context.Context, it ews.CalendarItem) error {
	me := s.page.client.As("")
	found, err := me.FindItem(ctx, ews.FindItemRequest{Start: it.Start, End: it.End, Shape: ews.ViewShape()})
	if err != nil {
		return err
	}
	for _, f := range found.Items {
		if f.Subject != it.Subject {
			continue
		}
		_, err := me.Respond(ctx, ews.RespondRequest{Action: ews.DeclineItem, Item: f.ItemID})
		return err
	}
	return errors.New("the invitation to decline did not arrive")
}

// welcome prints the links.
func (s *system) welcome(ctx context.Context, o Options) error {
	link, err := s.link(ctx, people()[0])
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(o.Out, `Koyomi demo: %s's calendar, on this machine only

  Calendar and app    %s
  The app alone       %s
                      (good once, for 30 minutes; the page above makes fresh ones)
  Exchange            %s
                      (as %s, password %q)
  Health, metrics     %s/metrics

Open the first link and save a meeting with @meet in its location.
Ctrl-C ends the demo.
`, people()[0].Name, url(s.ports.page), link, s.exchange.URL, people()[0].Address, password, url(s.ports.metrics))
	return err
}

// result is what Once prints.
type result struct {
	OK      bool    `json:"ok"`
	Block   float64 `json:"seconds_to_join_block"`
	List    float64 `json:"seconds_to_list"`
	Subject string  `json:"subject"`
	JoinURL string  `json:"join_url"`
	Error   string  `json:"error,omitempty"`
}

// ErrStory says that the story of Once did not come to its good end. What is
// missing stands in the JSON.
var ErrStory = errors.New("the story did not come to its good end")

// once plays the story: a meeting with @meet is saved, the block appears in it,
// and the person's own device opens the sealed meeting with its own key.
func (s *system) once(ctx context.Context, o Options, r *reader) error {
	ctx, cancel := context.WithTimeoutCause(ctx, storyLimit, errors.New("nothing more happened in time"))
	defer cancel()
	res, err := s.story(ctx, day(time.Now(), o.Subject)[0], r)
	res.OK = err == nil
	if err != nil {
		res.Error = err.Error()
		err = ErrStory
	}
	out := json.NewEncoder(o.Out)
	out.SetEscapeHTML(false)
	return errors.Join(err, out.Encode(res))
}

func (s *system) story(ctx context.Context, e entry, r *reader) (res result, err error) {
	res.Subject = e.item.Subject
	for _, i := range e.invited {
		invite(&e.item, people()[i])
	}
	begin := time.Now()
	id, err := save(ctx, s.page.client.As(""), e.item)
	if err != nil {
		return res, fmt.Errorf("save the meeting: %w", err)
	}
	saved, err := s.page.event(ctx, id)
	if err != nil {
		return res, fmt.Errorf("read the meeting: %w", err)
	}
	listed := make(chan error, 1)
	var head calendar.Head
	go func() {
		var err error
		head, err = r.find(ctx, func(h calendar.Head) bool {
			return strings.EqualFold(h.UID, saved.UID) && h.Subject == e.item.Subject && len(h.Join) > 0
		})
		res.List = time.Since(begin).Seconds()
		listed <- err
	}()
	block, err := s.block(ctx, id)
	res.Block, res.JoinURL = time.Since(begin).Seconds(), block
	if err := <-listed; err != nil {
		return res, fmt.Errorf("no device opened the meeting with a way to join: %w", err)
	}
	switch {
	case err != nil:
		return res, fmt.Errorf("no join block in the meeting: %w", err)
	case head.Join[0].URL != block:
		return res, errors.New("the device was shown another link than stands in the meeting")
	}
	return res, nil
}

// block waits until the join block stands in the item and returns its link.
func (s *system) block(ctx context.Context, id ews.ItemID) (string, error) {
	for {
		e, err := s.page.event(ctx, id)
		if err != nil {
			return "", err
		}
		body := calendar.Body{Type: calendar.BodyType(e.BodyType), Content: e.Body, Whole: true}
		if e.JoinURL != "" && render.Find(body, e.JoinURL).State == render.Whole {
			return e.JoinURL, nil
		}
		select {
		case <-ctx.Done():
			return "", context.Cause(ctx)
		case <-time.After(10 * time.Millisecond):
		}
	}
}
