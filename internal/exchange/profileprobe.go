package exchange

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/koyomi-cal/koyomi/ews"
)

// ProbeOptions say between whom a canary meeting is played. A and B are
// required. They are test mailboxes: the probe writes to their calendars and
// looks for its own messages in their Inbox and Deleted Items.
type ProbeOptions struct {
	A, B, Room ProbeMailbox // Room: one to invite as well, or none
	// Wait is how long a mail may take; one that should not come is waited for
	// as long. Default 20 s.
	Wait time.Duration
	// Long has the life of a subscription found out, which takes up to two
	// hours.
	Long     bool
	Progress func(string) // is told what is being done; may be nil
}

// ProbeMailbox is a mailbox and its address.
type ProbeMailbox struct {
	Box     *ews.Mailbox
	Address string
}

// ProbeResult is what a probe found out. Notes say what it could not, and Left
// what it could not take away again; neither holds an address of others.
type ProbeResult struct {
	Profile *Profile `json:"profile"`
	Notes   []string `json:"notes,omitempty"`
	Left    []string `json:"left,omitempty"`
}

// Probe plays a canary meeting between two test mailboxes, looks at what the
// server makes of it, and removes it.
type Probe struct {
	opt    ProbeOptions
	token  string // in the subject of all that the probe makes
	start  time.Time
	made   []*canary
	result ProbeResult
}

// canary is one meeting that the probe has made.
type canary struct {
	id         ews.ItemID
	goid, uid  string
	start, end time.Time
	sent       bool
}

// PreparedSubject is the subject of an appointment that somebody may have made
// in mailbox A with Outlook on the desktop beforehand: stored as RTF, with a
// link, an image and an attachment. Only such an item shows what an append
// leaves of them. The probe changes it and leaves it there.
const PreparedSubject = "Koyomi RTF"

// markers are the properties of ours whose travels are looked at.
func markers() []string {
	return []string{"KoyomiGoid", "KoyomiHash", "KoyomiJoin", "KoyomiVersion", "TMS:ExternalConferenceData"}
}

// NewProbe returns a probe.
func NewProbe(o ProbeOptions) *Probe {
	if o.Wait <= 0 {
		o.Wait = 20 * time.Second
	}
	if o.Progress == nil {
		o.Progress = func(string) {}
	}
	start := time.Now().UTC().Truncate(24*time.Hour).AddDate(0, 0, 33)
	return &Probe{opt: o, token: strings.ToLower(rand.Text()[:10]), start: start.Add(4 * time.Hour), result: ProbeResult{Profile: &Profile{}}}
}

// cleanTime bounds the removal.
const cleanTime = time.Minute

// Run plays and removes the meeting, and returns what was found out until then,
// also where it fails or ctx ends.
func (p *Probe) Run(ctx context.Context) (ProbeResult, error) {
	err := p.play(ctx)
	p.opt.Progress("remove the canary meetings")
	clean, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanTime)
	defer cancel()
	p.remove(clean)
	return p.result, err
}

func (p *Probe) play(ctx context.Context) error {
	for _, s := range []struct {
		what string
		do   func(context.Context) error
	}{
		{"ask for the server's version", p.version},
		{"write bodies and look at how they are stored", p.bodies},
		{"append to a body stored as RTF", p.prepared},
		{"invite, update and count the mails", p.mails},
		{"wait for subscriptions to end", p.life},
	} {
		p.opt.Progress(s.what)
		if err := s.do(ctx); err != nil {
			return fmt.Errorf("%s: %w", s.what, err)
		}
	}
	return nil
}

func (p *Probe) note(format string, args ...any) {
	p.result.Notes = append(p.result.Notes, fmt.Sprintf(format, args...))
}

// version finds out which server it is.
func (p *Probe) version(ctx context.Context) error {
	i, err := p.opt.A.Box.Probe(ctx)
	if err != nil {
		return err
	}
	r := p.result.Profile
	r.Schema = i.Version
	switch {
	case i.Major == 0:
		return nil
	case i.Major == 15 && i.Minor == 0 && i.Build == 847:
		r.Dialect = "gromox"
	case i.Major == 15 && i.Minor == 0:
		r.Dialect = "exchange2013"
	case i.Major == 15 && i.Minor == 1:
		r.Dialect = "exchange2016"
	case i.Major == 15 && i.Minor == 2 && i.Build >= 2562:
		r.Dialect = "exchangese"
	default:
		r.Dialect = "exchange2019"
	}
	r.ServerVersion = fmt.Sprintf("%d.%d.%d.%d", i.Major, i.Minor, i.Build, i.Number)
	r.Name = r.Dialect + " " + r.ServerVersion
	return nil
}

// create makes a canary meeting in A, to which B is invited.
func (p *Probe) create(ctx context.Context, body ews.Body, send ews.SendMode, extended ...ews.ExtendedProperty) (*canary, error) {
	c := &canary{start: p.start.Add(time.Duration(len(p.made)) * 15 * time.Minute)}
	c.end = c.start.Add(15 * time.Minute)
	it := ews.CalendarItem{
		Subject: "Koyomi canary " + p.token, Body: &body, Start: c.start, End: c.end, Status: ews.Free, Extended: extended,
		RequiredAttendees: []ews.Attendee{{EmailAddress: ews.EmailAddress{Address: p.opt.B.Address}}},
	}
	if p.opt.Room.Box != nil && send != ews.SendToNone {
		it.Resources = []ews.Attendee{{EmailAddress: ews.EmailAddress{Address: p.opt.Room.Address}}}
	}
	p.made = append(p.made, c) // before it is sure: what a lost answer has made is looked for too
	c.sent = send != ews.SendToNone
	made, err := one(p.opt.A.Box.CreateItem(ctx, ews.CreateItemRequest{Items: []ews.CalendarItem{it}, Send: send}))
	if err != nil {
		return c, err
	}
	c.id = made.ItemID
	got, err := p.read(ctx, p.opt.A.Box, c.id)
	if err != nil {
		return c, err
	}
	c.id, c.uid = got.ItemID, got.UID
	c.goid, _ = got.Property(ews.CleanGlobalObjectIDField())
	return c, nil
}

func (p *Probe) read(ctx context.Context, box *ews.Mailbox, id ews.ItemID) (ews.CalendarItem, error) {
	var extended []ews.ExtendedField
	for _, name := range markers() {
		extended = append(extended, ews.PublicString(name))
	}
	return one(box.GetItem(ctx, ews.CalendarShape(ews.BodyHTML, extended...), ews.ItemID{ID: id.ID}.Ref()))
}

// update writes an HTML body, or appends to it.
func (p *Probe) update(ctx context.Context, id ews.ItemID, send ews.SendMode, u ews.FieldUpdate) error {
	_, err := one(p.opt.A.Box.UpdateItem(ctx, ews.UpdateItemRequest{
		Changes: []ews.ItemChange{{Item: id.Ref(), Updates: []ews.FieldUpdate{u}}}, Send: send,
	}))
	return err
}

// html is a body with words, a link and an image.
func (p *Probe) html(n int) ews.CalendarItem {
	return ews.CalendarItem{Body: &ews.Body{Type: ews.BodyHTML, Content: fmt.Sprintf(
		`<html><body><p>Koyomi canary words %s %d</p><p><a href="https://example.com/koyomi/%s">canary link</a></p><p><img src="https://example.com/koyomi.png" alt="canary image"></p></body></html>`,
		p.token, n, p.token)}}
}

// bodies finds out how bodies are stored after HTML was written over them.
func (p *Probe) bodies(ctx context.Context) error {
	p.result.Profile.NativeBody = map[string]string{}
	text := ews.Body{Type: ews.BodyText, Content: "Koyomi canary words " + p.token}
	for _, body := range []ews.Body{text, *p.html(0).Body} {
		c, err := p.create(ctx, body, ews.SendToNone)
		if err != nil {
			return err
		}
		if err := p.follow(ctx, c.id); err != nil {
			return err
		}
	}
	return nil
}

// follow writes HTML into an item until every way of storing that it goes
// through is known.
func (p *Probe) follow(ctx context.Context, id ews.ItemID) error {
	known := p.result.Profile.NativeBody
	for n := range 4 {
		it, err := p.read(ctx, p.opt.A.Box, id)
		if err != nil {
			return err
		}
		before := native(&it)
		if before == "rtf" && p.result.Profile.AppendToRTF == nil && strings.Contains(it.Body.Content, "<img") {
			if it, err = p.append(ctx, &it); err != nil {
				return err
			}
		}
		if _, done := known[before]; done || before == "" {
			return nil
		}
		if err := p.update(ctx, it.ItemID, ews.SendToNone, ews.Set("item:Body", p.html(n+1))); err != nil {
			return err
		}
		if it, err = p.read(ctx, p.opt.A.Box, id); err != nil {
			return err
		}
		if after := native(&it); after != "" {
			known[before] = after
		}
	}
	return nil
}

// native names the way in which an item's body is stored.
func native(it *ews.CalendarItem) string {
	switch v, _ := it.Property(ews.NativeBodyField()); v {
	case "1":
		return "text"
	case "2":
		return "rtf"
	case "3":
		return "html"
	}
	return ""
}

// append puts something behind a body stored as RTF and looks at what is left.
func (p *Probe) append(ctx context.Context, it *ews.CalendarItem) (ews.CalendarItem, error) {
	before := it.Body.Content
	added := "Koyomi canary appended " + p.token
	if err := p.update(ctx, it.ItemID, ews.SendToNone,
		ews.Append("item:Body", ews.CalendarItem{Body: &ews.Body{Type: ews.BodyHTML, Content: "<p>" + added + "</p>"}})); err != nil {
		e, is := errors.AsType[*ews.Error](err)
		if !is || e.Class() == ews.Transient {
			return *it, err
		}
		p.note("the server refuses to append to a body stored as RTF [%s]", e.Code)
		p.result.Profile.AppendToRTF = &Kept{}
		return *it, nil
	}
	after, err := p.read(ctx, p.opt.A.Box, it.ItemID)
	if err != nil {
		return *it, err
	}
	kept := &Kept{}
	if after.Body != nil && strings.Contains(after.Body.Content, added) {
		kept.Text = kept.text(before, after.Body.Content)
		kept.Links = times(after.Body.Content, "href=") >= times(before, "href=")
		kept.Images = times(after.Body.Content, "<img") >= times(before, "<img")
		kept.Attachments = it.HasAttachments && after.HasAttachments
	}
	if !it.HasAttachments {
		p.note("there was no attachment to lose when something was appended to RTF: make an appointment %q with a link, an image and an attachment in mailbox A with Outlook, then probe again", PreparedSubject)
	}
	p.result.Profile.AppendToRTF = kept
	return after, nil
}

func times(s, part string) int { return strings.Count(strings.ToLower(s), part) }

// text reports whether every word that was visible still is.
func (Kept) text(before, after string) bool {
	have := " " + strings.Join(words(after), " ") + " "
	for _, w := range words(before) {
		if !strings.Contains(have, " "+w+" ") {
			return false
		}
	}
	return true
}

// words returns the words of HTML, without tags.
func words(s string) []string {
	var b strings.Builder
	if i := strings.Index(strings.ToLower(s), "<body"); i >= 0 {
		s = s[i:]
	}
	for depth, i := 0, 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '<':
			depth++
			b.WriteByte(' ')
		case c == '>' && depth > 0:
			depth--
		case depth == 0:
			b.WriteByte(c)
		}
	}
	return strings.Fields(b.String())
}

// prepared looks at the item that somebody has made with Outlook.
func (p *Probe) prepared(ctx context.Context) error {
	now := time.Now().UTC()
	page, err := p.opt.A.Box.FindItem(ctx, ews.FindItemRequest{Start: now, End: now.AddDate(0, 2, 0), Shape: ews.ViewShape()})
	if err != nil {
		return err
	}
	for i := range page.Items {
		if page.Items[i].Subject != PreparedSubject {
			continue
		}
		it, err := p.read(ctx, p.opt.A.Box, page.Items[i].ItemID)
		if err != nil {
			return err
		}
		if native(&it) != "rtf" || it.Body == nil {
			p.note("the appointment %q is not stored as RTF; make it with Outlook on the desktop", PreparedSubject)
			return nil
		}
		if it, err = p.append(ctx, &it); err != nil {
			return err
		}
		p.result.Left = append(p.result.Left, fmt.Sprintf("the appointment %q in mailbox A, changed", PreparedSubject))
		return p.follow(ctx, it.ItemID)
	}
	if p.result.Profile.AppendToRTF == nil {
		p.note("nothing was stored as RTF: make an appointment %q with a link, an image and an attachment in mailbox A with Outlook, then probe again", PreparedSubject)
	}
	return nil
}
