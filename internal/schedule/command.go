package schedule

import (
	"context"
	"strings"
	"time"

	"github.com/koyomi-cal/koyomi/internal/calendar"
	"github.com/koyomi-cal/koyomi/internal/freebusy"
)

// maxPeople bounds whom free/busy is read for at once.
const maxPeople = 100

// Create asks for a new meeting.
type Create struct {
	Command string         // id of the command
	Draft   calendar.Draft // its UID is set here
	Known   []string       // addresses of those who were seen to be busy: no conflict
}

// Create makes a meeting and invites people, once for each command. It returns
// the meeting, made now or by an earlier attempt.
func (d *Desk) Create(ctx context.Context, m calendar.Mailbox, c Create) (calendar.ItemID, error) {
	return d.once(m, c.Command, func() (calendar.ItemID, error) { return d.create(ctx, m, c) })
}

func (d *Desk) create(ctx context.Context, m calendar.Mailbox, c Create) (calendar.ItemID, error) {
	draft := c.Draft
	draft.UID = d.UID(m, c.Command)
	if err := draft.Check(); err != nil {
		return calendar.ItemID{}, &Error{Code: Invalid, Sentence: err.Error()}
	}
	w := calendar.Window{From: draft.Start, To: draft.End}
	made, found, err := d.opt.Calendars.FindUID(ctx, m, draft.UID, w)
	switch {
	case err != nil:
		return calendar.ItemID{}, of(err)
	case found:
		return made, nil
	}
	if err := d.free(ctx, m, draft.Attendees, w, calendar.Window{}, c.Known); err != nil {
		return calendar.ItemID{}, err
	}
	made, err = d.opt.Calendars.Create(ctx, m, draft)
	if !uncertain(err) {
		return made, ofMaybe(err)
	}
	if d.rest(ctx) != nil {
		return calendar.ItemID{}, notConfirmed(err)
	}
	if made, found, again := d.opt.Calendars.FindUID(ctx, m, draft.UID, w); again == nil && found {
		return made, nil
	}
	return calendar.ItemID{}, notConfirmed(err)
}

// ofMaybe translates a fault, or none.
func ofMaybe(err error) error {
	if err == nil {
		return nil
	}
	return of(err)
}

// Change asks for changes to a meeting of one's own.
type Change struct {
	Command   string
	Amendment calendar.Amendment // its change key is looked up here
	Known     []string           // addresses of those who were seen to be busy: no conflict
}

// Change changes a meeting and tells people, in one mail. Nothing is done where
// the meeting is as it is wanted.
func (d *Desk) Change(ctx context.Context, m calendar.Mailbox, c Change) (calendar.ItemID, error) {
	return d.once(m, c.Command, func() (calendar.ItemID, error) { return d.change(ctx, m, c) })
}

func (d *Desk) change(ctx context.Context, m calendar.Mailbox, c Change) (calendar.ItemID, error) {
	a := c.Amendment
	if !a.Start.IsZero() && !a.End.After(a.Start) {
		return calendar.ItemID{}, &Error{Code: Invalid, Sentence: "end: the meeting has to end after it starts"}
	}
	it, err := d.own(ctx, m, a.ID)
	if err != nil {
		return calendar.ItemID{}, err
	}
	if as(&it, &a) {
		return calendar.ItemID{ID: it.ID, ChangeKey: it.ChangeKey}, nil
	}
	if !a.Start.IsZero() || a.Attendees != nil {
		people, w := it.Attendees, calendar.Window{From: it.Start, To: it.End}
		own := w
		if a.Attendees != nil {
			people = a.Attendees
		}
		if !a.Start.IsZero() {
			w = calendar.Window{From: a.Start, To: a.End}
		}
		if err := d.free(ctx, m, people, w, own, c.Known); err != nil {
			return calendar.ItemID{}, err
		}
	}
	a.ChangeKey = it.ChangeKey
	done, err := d.opt.Calendars.Amend(ctx, m, a, len(it.Attendees) > 0)
	if !uncertain(err) {
		return done, ofMaybe(err)
	}
	if d.rest(ctx) != nil {
		return calendar.ItemID{}, notConfirmed(err)
	}
	if it, again := d.opt.Reader.Get(ctx, m, a.ID); again == nil && as(&it, &a) {
		return calendar.ItemID{ID: it.ID, ChangeKey: it.ChangeKey}, nil
	}
	return calendar.ItemID{}, notConfirmed(err)
}

// own reads a meeting that the mailbox may change.
func (d *Desk) own(ctx context.Context, m calendar.Mailbox, id string) (calendar.Item, error) {
	it, err := d.opt.Reader.Get(ctx, m, id)
	switch {
	case err != nil:
		return it, of(err)
	case it.IsOrganizer == calendar.No, it.Received == calendar.Yes, it.Organizer.Address != "" && !m.Owns(it.Organizer.Address):
		return it, &Error{Code: NotYours, Sentence: "only the organizer can change or cancel a meeting; answer the invitation instead"}
	}
	return it, nil
}

// as reports whether a meeting is as an amendment wants it.
func as(it *calendar.Item, a *calendar.Amendment) bool {
	switch {
	case a.Subject != nil && it.Subject != *a.Subject, a.Location != nil && it.Location != *a.Location:
		return false
	case !a.Start.IsZero() && (!it.Start.Equal(a.Start) || !it.End.Equal(a.End)):
		return false
	case a.Attendees == nil:
		return true
	case len(a.Attendees) != len(it.Attendees):
		return false
	}
	there := map[string]bool{}
	for _, x := range it.Attendees {
		there[strings.ToLower(x.Address)] = true
	}
	for _, x := range a.Attendees {
		if !there[strings.ToLower(x.Address)] {
			return false
		}
	}
	return true
}

// Cancel cancels a meeting of one's own and tells people, in one mail. A meeting
// that is cancelled already is done; one that is not there is [Gone].
func (d *Desk) Cancel(ctx context.Context, m calendar.Mailbox, command, id, words string) error {
	_, err := d.once(m, command, func() (calendar.ItemID, error) {
		it, err := d.own(ctx, m, id)
		if err != nil || it.Cancelled || it.InDeletedItems {
			return calendar.ItemID{}, err
		}
		err = d.opt.Calendars.Cancel(ctx, m, calendar.ItemID{ID: it.ID, ChangeKey: it.ChangeKey}, words)
		if !uncertain(err) {
			return calendar.ItemID{}, ofMaybe(err)
		}
		return calendar.ItemID{}, d.settled(ctx, m, id, err, func(it *calendar.Item) bool { return it.Cancelled || it.InDeletedItems })
	})
	return err
}

// Answer accepts, accepts tentatively or declines an invitation, once. An
// invitation that has this answer is done.
func (d *Desk) Answer(ctx context.Context, m calendar.Mailbox, command, id string, r calendar.Response, words string) error {
	if r != calendar.Accepted && r != calendar.Tentative && r != calendar.Declined {
		return &Error{Code: Invalid, Sentence: "response: accepted, tentative or declined"}
	}
	_, err := d.once(m, command, func() (calendar.ItemID, error) {
		it, err := d.opt.Reader.Get(ctx, m, id)
		switch {
		case err != nil:
			return calendar.ItemID{}, of(err)
		case it.MyResponse == calendar.Organiser || it.IsOrganizer == calendar.Yes:
			return calendar.ItemID{}, &Error{Code: NotYours, Sentence: "your own meeting cannot be answered; cancel it instead"}
		case it.Cancelled:
			return calendar.ItemID{}, &Error{Code: Gone, Sentence: "the meeting was cancelled"}
		case it.MyResponse == r:
			return calendar.ItemID{}, nil
		}
		err = d.opt.Calendars.Answer(ctx, m, calendar.ItemID{ID: it.ID, ChangeKey: it.ChangeKey}, r, words)
		if !uncertain(err) {
			return calendar.ItemID{}, ofMaybe(err)
		}
		return calendar.ItemID{}, d.settled(ctx, m, id, err, func(it *calendar.Item) bool { return it.MyResponse == r })
	})
	return err
}

// settled looks at a meeting after a lost answer. One that is not there any more
// was cancelled or declined.
func (d *Desk) settled(ctx context.Context, m calendar.Mailbox, id string, lost error, done func(*calendar.Item) bool) error {
	if d.rest(ctx) != nil {
		return notConfirmed(lost)
	}
	it, err := d.opt.Reader.Get(ctx, m, id)
	if err != nil && of(err).Code == Gone || err == nil && done(&it) {
		return nil
	}
	return notConfirmed(lost)
}

// Grid is free/busy of people and rooms, and the best times to meet.
type Grid struct {
	People      []calendar.Availability
	Suggestions []freebusy.Suggestion
}

// Look asks for free/busy.
type Look struct {
	Window   calendar.Window // at most 42 days
	Required []string        // addresses; with Optional and Rooms at most 100
	Optional []string
	Rooms    []string
	Duration time.Duration // of the meeting; 0: no suggestions
	Most     int           // suggestions; default 5
}

// Look reads free/busy of people and rooms and suggests times. Nothing is kept.
func (d *Desk) Look(ctx context.Context, m calendar.Mailbox, l Look) (Grid, error) {
	all := append(append(append([]string(nil), l.Required...), l.Optional...), l.Rooms...)
	if len(all) == 0 || len(all) > maxPeople {
		return Grid{}, &Error{Code: Invalid, Sentence: "people: free/busy is shown for 1 to 100 people and rooms at once"}
	}
	found, err := d.opt.People.FreeBusy(ctx, m, all, l.Window)
	if err != nil {
		return Grid{}, of(err)
	}
	g := Grid{People: found}
	if l.Duration > 0 && len(found) == len(all) {
		r, o := len(l.Required), len(l.Required)+len(l.Optional)
		most := l.Most
		if most <= 0 {
			most = 5
		}
		g.Suggestions = freebusy.Suggest(freebusy.Wanted{
			Window: l.Window, Duration: l.Duration, Required: found[:r], Optional: found[r:o], Rooms: found[o:],
		}, most)
	}
	return g, nil
}
