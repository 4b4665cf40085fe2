package exchange

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/koyomi-cal/koyomi/ews"
)

// inboxes follow what arrives in B, and what comes back to A.
type inboxes struct {
	requests  []*folderSync // where B's requests arrive: the Inbox, and Deleted Items where it answers by itself
	responses *folderSync
}

// folderSync counts the messages about the canary that are new in a folder.
type folderSync struct {
	box    *ews.Mailbox
	folder string
	state  string
}

// fresh returns how many messages of a class came since the last call.
func (f *folderSync) fresh(ctx context.Context, class, token string) (n int, err error) {
	for {
		page, err := f.box.SyncFolderItems(ctx, ews.SyncFolderItemsRequest{
			Folder: ews.FolderRef{Distinguished: f.folder}, State: f.state, Shape: ews.Shape{Fields: ews.Fields("item:ItemClass", "item:Subject")},
		})
		if err != nil {
			return 0, err
		}
		for _, c := range page.Changes {
			if c.Kind == ews.SyncCreate && strings.HasPrefix(c.Item.ItemClass, class) && strings.Contains(c.Item.Subject, token) {
				n++
			}
		}
		f.state = page.State
		if page.Last {
			return n, nil
		}
	}
}

func (p *Probe) open(ctx context.Context) (*inboxes, error) {
	in := &inboxes{
		requests:  []*folderSync{{box: p.opt.B.Box, folder: "inbox"}, {box: p.opt.B.Box, folder: "deleteditems"}},
		responses: &folderSync{box: p.opt.A.Box, folder: "inbox"},
	}
	for _, f := range append([]*folderSync{in.responses}, in.requests...) {
		if _, err := f.fresh(ctx, requestClass, p.token); err != nil {
			return nil, err
		}
	}
	return in, nil
}

// The classes of meeting messages ([MS-OXOCAL] 2.2.6 and 2.2.7).
const (
	requestClass  = "IPM.Schedule.Meeting.Request"
	responseClass = "IPM.Schedule.Meeting.Resp"
)

// settle waits for mails and counts them.
func (in *inboxes) settle(ctx context.Context, wait time.Duration, token string) (requests, responses int, err error) {
	select {
	case <-ctx.Done():
		return 0, 0, context.Cause(ctx)
	case <-time.After(wait):
	}
	for _, f := range in.requests {
		n, err := f.fresh(ctx, requestClass, token)
		if err != nil {
			return 0, 0, err
		}
		requests += n
	}
	responses, err = in.responses.fresh(ctx, responseClass, token)
	return requests, responses, err
}

// mails invites B, and the room, updates the body in every way, and counts.
func (p *Probe) mails(ctx context.Context) error {
	in, err := p.open(ctx)
	if err != nil {
		return err
	}
	var marked []ews.ExtendedProperty
	for _, name := range markers() {
		marked = append(marked, ews.ExtendedProperty{Field: ews.PublicString(name), Value: "canary"})
	}
	c, err := p.create(ctx, *p.html(0).Body, ews.SendToAllAndSaveCopy, marked...)
	if err != nil {
		return err
	}
	if _, _, err := in.settle(ctx, p.opt.Wait, p.token); err != nil {
		return err
	}
	mine, err := p.read(ctx, p.opt.A.Box, c.id)
	if err != nil {
		return err
	}
	given := mine.MeetingRequestSent != nil
	p.result.Profile.RequestSentGiven = &given
	if err := p.travels(ctx, c); err != nil {
		return err
	}
	bRoom := answered(mine.RequiredAttendees, p.opt.B.Address)
	if !bRoom { // superseded requests go to Deleted Items by themselves
		in.requests = in.requests[:1]
	}
	return p.modes(ctx, in, c, bRoom || answered(mine.Resources, p.opt.Room.Address) || answered(mine.RequiredAttendees, p.opt.Room.Address))
}

// answered reports whether somebody has answered.
func answered(list []ews.Attendee, address string) bool {
	for _, a := range list {
		if address != "" && strings.EqualFold(a.Address, address) {
			return a.Response == ews.ResponseAccept || a.Response == ews.ResponseDecline || a.Response == ews.ResponseTentative
		}
	}
	return false
}

func (p *Probe) modes(ctx context.Context, in *inboxes, c *canary, room bool) error {
	p.result.Profile.Mails = map[string]int{}
	mailed, again := false, false
	for n, mode := range []ews.SendMode{ews.SendToNone, ews.SendOnlyToChanged, ews.SendToChangedAndSaveCopy, ews.SendOnlyToAll, ews.SendToAllAndSaveCopy} {
		p.opt.Progress("update with " + string(mode))
		it, err := p.read(ctx, p.opt.A.Box, c.id)
		if err != nil {
			return err
		}
		if err := p.update(ctx, it.ItemID, mode, ews.Set("item:Body", p.html(n+1))); err != nil {
			e, is := errors.AsType[*ews.Error](err)
			if !is || e.Class() == ews.Transient || e.Class() == ews.Canceled {
				return err
			}
			p.note("an update with %s is refused [%s]", mode, e.Code)
			continue
		}
		requests, responses, err := in.settle(ctx, p.opt.Wait, p.token)
		if err != nil {
			return err
		}
		p.result.Profile.Mails[string(mode)] = requests
		mailed, again = mailed || requests > 0, again || responses > 0
	}
	switch {
	case !room:
		p.note("no room answered, so it is not known whether one answers an update again: name one with --room")
	case mailed:
		p.result.Profile.RoomAnswersUpdates = &again
	}
	return nil
}

// travels looks at which of our properties reached B.
func (p *Probe) travels(ctx context.Context, c *canary) error {
	copies, err := p.find(ctx, p.opt.B.Box, c)
	if err != nil {
		return err
	}
	if len(copies) == 0 {
		p.note("the invitation did not become an item in the calendar of B within %v", p.opt.Wait)
		return nil
	}
	it, err := p.read(ctx, p.opt.B.Box, copies[0])
	if err != nil {
		return err
	}
	p.result.Profile.Travels = []string{}
	for _, name := range markers() {
		if _, has := it.Property(ews.PublicString(name)); has {
			p.result.Profile.Travels = append(p.result.Profile.Travels, name)
		}
	}
	return nil
}

// find finds the canary's copies in a calendar. A room may have taken the
// subject off.
func (p *Probe) find(ctx context.Context, box *ews.Mailbox, c *canary) ([]ews.ItemID, error) {
	page, err := box.FindItem(ctx, ews.FindItemRequest{Start: c.start, End: c.end, Shape: ews.ViewShape()})
	if err != nil {
		return nil, err
	}
	var ids []ews.ItemID
	for i := range page.Items {
		it := &page.Items[i]
		goid, _ := it.Property(ews.CleanGlobalObjectIDField())
		if c.goid != "" && goid == c.goid || c.uid != "" && strings.EqualFold(it.UID, c.uid) || strings.Contains(it.Subject, p.token) {
			ids = append(ids, it.ItemID)
		}
	}
	return ids, nil
}

// remove takes everything away that the probe has made: B declines without a
// word, A cancels. What stays is said in the result.
func (p *Probe) remove(ctx context.Context) {
	anySent := false
	for _, c := range p.made {
		anySent = anySent || c.sent
		if c.sent {
			p.decline(ctx, p.opt.B, c)
		}
		p.cancel(ctx, c)
		for _, at := range []struct {
			who string
			m   ProbeMailbox
		}{{"A", p.opt.A}, {"B", p.opt.B}, {"the room", p.opt.Room}} {
			if at.m.Box == nil || at.who != "A" && !c.sent {
				continue
			}
			ids, err := p.find(ctx, at.m.Box, c)
			if err != nil || len(ids) > 0 {
				p.result.Left = append(p.result.Left, fmt.Sprintf("the meeting \"Koyomi canary %s\" at %s in the calendar of %s; delete it there",
					p.token, c.start.Format("2006-01-02 15:04 MST"), at.who))
			}
		}
	}
	if anySent {
		p.result.Left = append(p.result.Left, fmt.Sprintf("messages with \"Koyomi canary %s\" in Inbox, Sent Items and Deleted Items of the mailboxes", p.token))
	}
}

func (p *Probe) decline(ctx context.Context, m ProbeMailbox, c *canary) {
	ids, err := p.find(ctx, m.Box, c)
	if err != nil {
		return // the look afterwards says so
	}
	for _, id := range ids {
		if it, err := p.read(ctx, m.Box, id); err == nil {
			_, _ = m.Box.Respond(ctx, ews.RespondRequest{Action: ews.DeclineItem, Item: it.ItemID, Disposition: ews.SaveOnly}) // the look afterwards tells
		}
	}
}

func (p *Probe) cancel(ctx context.Context, c *canary) {
	ids := []ews.ItemID{c.id}
	if c.id.ID == "" { // the answer was lost
		ids, _ = p.find(ctx, p.opt.A.Box, c)
	}
	how := ews.SaveOnly
	if c.sent && p.opt.Room.Box != nil {
		how = ews.SendOnly // so that the room is free again
	}
	for _, id := range ids {
		if it, err := p.read(ctx, p.opt.A.Box, id); err == nil {
			_, _ = p.opt.A.Box.Respond(ctx, ews.RespondRequest{Action: ews.CancelCalendarItem, Item: it.ItemID, Disposition: how}) // as above
		}
	}
}

// life finds out how long a subscription lives without a stream: first in steps
// of five minutes up to an hour, then in steps of twenty seconds.
func (p *Probe) life(ctx context.Context) error {
	if !p.opt.Long {
		return nil
	}
	low, high, err := p.survive(ctx, 0, 5*time.Minute, 12)
	if err != nil {
		return err
	}
	if high > 0 {
		if low, _, err = p.survive(ctx, low, 20*time.Second, int((high-low)/(20*time.Second))); err != nil {
			return err
		}
	} else {
		p.note("a subscription lives for more than an hour without a stream")
	}
	p.result.Profile.SubscriptionSeconds = int(low / time.Second)
	return nil
}

// survive makes n subscriptions and looks at each once, one step after another.
// It returns the greatest age at which one was there and the smallest at which
// one was not, or 0.
func (p *Probe) survive(ctx context.Context, from, step time.Duration, n int) (low, high time.Duration, err error) {
	ids := make([]string, n)
	for i := range ids {
		if ids[i], err = p.opt.A.Box.Subscribe(ctx, ews.SubscribeRequest{}); err != nil {
			return 0, 0, err
		}
	}
	defer func() {
		clean, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanTime)
		defer cancel()
		for _, id := range ids {
			_ = p.opt.A.Box.Unsubscribe(clean, id) // they end by themselves
		}
	}()
	began := time.Now()
	low = from
	for i, id := range ids {
		age := from + time.Duration(i+1)*step
		select {
		case <-ctx.Done():
			return low, 0, context.Cause(ctx)
		case <-time.After(time.Until(began.Add(age))):
		}
		there, err := p.there(ctx, id)
		if err != nil {
			return low, 0, err
		}
		if !there {
			return low, age, nil
		}
		low = age
	}
	return low, 0, nil
}

// there reports whether a subscription still is.
func (p *Probe) there(ctx context.Context, id string) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	for _, err := range p.opt.A.Box.GetStreamingEvents(ctx, []string{id}, time.Minute) {
		if e, is := errors.AsType[*ews.Error](err); is && e.Class() == ews.Resubscribe {
			return false, nil
		}
		return err == nil, err
	}
	return false, nil
}
