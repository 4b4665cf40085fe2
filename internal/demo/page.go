package demo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/koyomi-cal/koyomi/ews"
	"github.com/koyomi-cal/koyomi/internal/calendar"
	"github.com/koyomi-cal/koyomi/internal/detect"
	"github.com/koyomi-cal/koyomi/internal/render"
	"github.com/koyomi-cal/koyomi/internal/web"
)

// page is the server of the demo's page: the page itself, and a small calendar
// client for the simulated Exchange. Each call becomes requests of Exchange Web
// Services as the person that the demo is about. The page's source says what
// is asked and answered (internal/web/ui/src/demo/api.ts).
type page struct {
	*system
	client *ews.Client // signed in as the person
	mux    *http.ServeMux

	mu     sync.Mutex
	reader *reader // the person's other device, once it is there
}

func newPage(s *system) (*page, error) {
	client, err := ews.New(ews.Options{
		URL: s.exchange.URL, UserAgent: "koyomi-demo",
		Credentials: ews.Credentials{Username: people()[0].Address, Password: ews.NewSecret(password)},
	})
	if err != nil {
		return nil, err
	}
	p := &page{system: s, client: client, mux: http.NewServeMux()}
	p.mux.Handle("/", web.Handler(web.Demo(), web.Policy(web.PolicyOptions{Frame: []string{url(s.ports.app)}})))
	for pattern, handle := range map[string]func(*http.Request) (any, error){
		"GET /api/state": p.state, "GET /api/cloud": p.holdings, "GET /api/inbox": p.inbox, "GET /api/events": p.events,
		"POST /api/events": p.create, "PATCH /api/events/{id}": p.update, "DELETE /api/events/{id}": p.remove,
	} {
		p.mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) { answer(w, r, handle) })
	}
	return p, nil
}

func (p *page) close() { p.client.Close() }

// ServeHTTP answers one request.
func (p *page) ServeHTTP(w http.ResponseWriter, r *http.Request) { p.mux.ServeHTTP(w, r) }

// refusal is an error for the page: a status, a code and a sentence.
type refusal struct {
	status        int
	code, message string
}

// Error returns the sentence.
func (r *refusal) Error() string { return r.message }

const maxRequest = 1 << 20

func answer(w http.ResponseWriter, r *http.Request, handle func(*http.Request) (any, error)) {
	r.Body = http.MaxBytesReader(w, r.Body, maxRequest)
	web.Headers(w.Header())
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Content-Type", "application/json")
	v, err := handle(r)
	if err != nil {
		no := &refusal{http.StatusBadGateway, "exchange", err.Error()}
		errors.As(err, &no)
		w.WriteHeader(no.status)
		v = map[string]any{"error": map[string]string{"code": no.code, "message": no.message}}
	}
	json.NewEncoder(w).Encode(v) //nolint:errcheck // the page has gone away
}

// read decodes a request's JSON.
func read(r *http.Request, into any) error {
	if t := r.Header.Get("Content-Type"); !strings.HasPrefix(t, "application/json") {
		return &refusal{http.StatusUnsupportedMediaType, "type", "send JSON"}
	}
	if err := json.NewDecoder(r.Body).Decode(into); err != nil {
		return &refusal{http.StatusBadRequest, "form", "this is not in the form that the page sends"}
	}
	return nil
}

// The JSON of the page.
type (
	userJSON struct {
		Name    string `json:"name"`
		Address string `json:"address"`
	}
	stateJSON struct {
		Me      userJSON   `json:"me"`
		Users   []userJSON `json:"users"`
		AppLink string     `json:"appLink"`
		Service string     `json:"service"`
	}
	attendeeJSON struct {
		userJSON
		Response string `json:"response"`
	}
	eventJSON struct {
		ID        string         `json:"id"`
		ChangeKey string         `json:"changeKey"`
		UID       string         `json:"uid"`
		Subject   string         `json:"subject"`
		Start     time.Time      `json:"start"`
		End       time.Time      `json:"end"`
		AllDay    bool           `json:"allDay"`
		Location  string         `json:"location"`
		Body      string         `json:"body"`
		BodyType  string         `json:"bodyType"`
		Organizer userJSON       `json:"organizer"`
		Attendees []attendeeJSON `json:"attendees"`
		Joined    bool           `json:"joined"`
		JoinURL   string         `json:"joinUrl"`
		Mine      bool           `json:"mine"`
	}
	draftJSON struct {
		Subject   *string    `json:"subject"`
		Start     *time.Time `json:"start"`
		End       *time.Time `json:"end"`
		Location  *string    `json:"location"`
		Body      *string    `json:"body"`
		Attendees []string   `json:"attendees"`
	}
	messageJSON struct {
		ID       string    `json:"id"`
		Subject  string    `json:"subject"`
		From     userJSON  `json:"from"`
		Received time.Time `json:"received"`
		Kind     string    `json:"kind"`
	}
	lastJSON struct {
		JWE   string    `json:"jwe"`
		Bytes int       `json:"bytes"`
		At    time.Time `json:"at"`
	}
	cloudJSON struct {
		Cursor int64    `json:"cursor"`
		Items  int      `json:"items"`
		Last   lastJSON `json:"last"`
	}
)

func (p *page) state(r *http.Request) (any, error) {
	all := people()
	link, err := p.link(r.Context(), all[0])
	if err != nil {
		return nil, err
	}
	s := stateJSON{Me: userJSON(all[0]), AppLink: link, Service: meetName}
	for _, who := range all {
		s.Users = append(s.Users, userJSON(who))
	}
	return s, nil
}

// follow lets the page show what the cloud holds.
func (p *page) follow(r *reader) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.reader = r
}

func (p *page) holdings(*http.Request) (any, error) {
	p.mu.Lock()
	r := p.reader
	p.mu.Unlock()
	if r == nil {
		return cloudJSON{}, nil
	}
	items, n := r.holds()
	return cloudJSON{Cursor: n.Cursor, Items: items, Last: lastJSON{n.JWE[:min(len(n.JWE), 700)], len(n.JWE), n.At}}, nil
}

// inbox lists the mails about meetings that somebody got, the newest first.
func (p *page) inbox(r *http.Request) (any, error) {
	address := r.URL.Query().Get("user")
	messages := []messageJSON{}
	mails := p.exchange.Mails()
	for i := len(mails) - 1; i >= 0 && len(messages) < 200; i-- {
		m := mails[i]
		if strings.EqualFold(m.To, address) {
			messages = append(messages, messageJSON{strconv.Itoa(i), m.Subject, userJSON(named(m.From)), m.At, mailKind(m.Class, m.Kind)})
		}
	}
	return map[string]any{"messages": messages}, nil
}

// mailKind puts the class of a meeting's mail into the page's words.
func mailKind(class, kind string) string {
	switch {
	case strings.HasPrefix(class, "IPM.Schedule.Meeting.Resp"):
		return "response"
	case class == "IPM.Schedule.Meeting.Canceled":
		return "cancellation"
	case kind == "" || kind == "NewMeetingRequest":
		return "request"
	}
	return "update"
}

func named(address string) person {
	for _, who := range people() {
		if strings.EqualFold(who.Address, address) {
			return who
		}
	}
	return person{Address: address}
}

// around is how much more than the days asked for is answered: the page's day
// is that of the browser's time zone.
const around = 14 * time.Hour

func (p *page) events(r *http.Request) (any, error) {
	q := r.URL.Query()
	day, err := time.Parse(time.DateOnly, q.Get("day"))
	days, daysErr := strconv.Atoi(q.Get("days"))
	if err != nil || daysErr != nil || days < 1 || days > 31 {
		return nil, &refusal{http.StatusBadRequest, "day", "ask for day=YYYY-MM-DD and days=1 to 31"}
	}
	me := p.client.As("")
	found, err := me.FindItem(r.Context(), ews.FindItemRequest{Start: day.Add(-around), End: day.AddDate(0, 0, days).Add(around), Shape: ews.Shape{}})
	if err != nil {
		return nil, err
	}
	list := []eventJSON{}
	for _, it := range found.Items {
		e, err := p.event(r.Context(), it.ItemID)
		var gone *ews.Error
		if errors.As(err, &gone) && gone.Code == "ErrorItemNotFound" {
			continue
		} else if err != nil {
			return nil, err
		}
		list = append(list, e)
	}
	return map[string]any{"events": list}, nil
}

// markerJoin is the property in which the connector keeps the link it wrote.
func markerJoin() ews.ExtendedField { return ews.PublicString("KoyomiJoin") }

// event reads one item as the page shows it.
func (p *page) event(ctx context.Context, id ews.ItemID) (eventJSON, error) {
	results, err := p.client.As("").GetItem(ctx, ews.CalendarShape(ews.BodyBest, markerJoin()), id.Ref())
	if err != nil {
		return eventJSON{}, err
	}
	if len(results) != 1 {
		return eventJSON{}, errors.New("the answer is about another item")
	}
	if results[0].Err != nil {
		return eventJSON{}, results[0].Err
	}
	return show(&results[0].Item), nil
}

func show(it *ews.CalendarItem) eventJSON {
	e := eventJSON{
		ID: it.ItemID.ID, ChangeKey: it.ItemID.ChangeKey, UID: it.UID, Subject: it.Subject, Start: it.Start, End: it.End,
		AllDay: it.IsAllDay, Location: it.Location, BodyType: "text", Attendees: []attendeeJSON{},
	}
	body := calendar.Body{Type: calendar.BodyText, Whole: true}
	if it.Body != nil {
		body.Content = it.Body.Content
		if it.Body.Type == ews.BodyHTML {
			body.Type = calendar.BodyHTML
		}
	}
	e.Body, e.BodyType = body.Content, string(body.Type)
	for _, list := range [][]ews.Attendee{it.RequiredAttendees, it.OptionalAttendees} {
		for _, a := range list {
			e.Attendees = append(e.Attendees, attendeeJSON{userJSON{a.Name, a.Address}, string(a.Response)})
		}
	}
	me := people()[0]
	e.Organizer, e.Mine = userJSON(me), true
	if it.Organizer != nil && !strings.EqualFold(it.Organizer.Address, me.Address) {
		e.Organizer, e.Mine = userJSON{it.Organizer.Name, it.Organizer.Address}, false
	}
	if e.JoinURL, _ = it.Property(markerJoin()); e.JoinURL == "" {
		e.JoinURL = detect.Detect(detect.Input{Location: it.Location, Body: body.Content, BodyType: body.Type}, nil).URL
	}
	e.Joined = e.JoinURL != "" && render.Find(body, e.JoinURL).State == render.Whole
	return e
}

// create makes a meeting as a calendar program does: saved and, if people are
// invited, sent.
func (p *page) create(r *http.Request) (any, error) {
	var d draftJSON
	if err := read(r, &d); err != nil {
		return nil, err
	}
	if d.Subject == nil || d.Start == nil || d.End == nil || d.End.Before(*d.Start) {
		return nil, &refusal{http.StatusBadRequest, "draft", "give the meeting a subject, a start and an end after it"}
	}
	it := ews.CalendarItem{Subject: *d.Subject, Start: *d.Start, End: *d.End, Status: ews.Busy}
	if d.Location != nil {
		it.Location = *d.Location
	}
	if d.Body != nil && strings.TrimSpace(*d.Body) != "" {
		it.Body = &ews.Body{Type: ews.BodyHTML, Content: htmlOf(*d.Body)}
	}
	for _, a := range d.Attendees {
		invite(&it, named(a))
	}
	id, err := save(r.Context(), p.client.As(""), it)
	if err != nil {
		return nil, err
	}
	return p.event(r.Context(), id)
}

// save creates an item and sends its invitations.
func save(ctx context.Context, box *ews.Mailbox, it ews.CalendarItem) (ews.ItemID, error) {
	send := ews.SendToNone
	if len(it.RequiredAttendees) > 0 {
		send = ews.SendToAllAndSaveCopy
	}
	results, err := box.CreateItem(ctx, ews.CreateItemRequest{Items: []ews.CalendarItem{it}, Send: send})
	switch {
	case err != nil:
		return ews.ItemID{}, err
	case len(results) != 1:
		return ews.ItemID{}, errors.New("the answer does not say which item was made")
	}
	return results[0].Item.ItemID, results[0].Err
}

func (p *page) update(r *http.Request) (any, error) {
	var d draftJSON
	if err := read(r, &d); err != nil {
		return nil, err
	}
	var updates []ews.FieldUpdate
	set := func(uri string, it ews.CalendarItem) { updates = append(updates, ews.Set(uri, it)) }
	if d.Subject != nil {
		set("item:Subject", ews.CalendarItem{Subject: *d.Subject})
	}
	if d.Location != nil {
		set("calendar:Location", ews.CalendarItem{Location: *d.Location})
	}
	if d.Body != nil {
		set("item:Body", ews.CalendarItem{Body: &ews.Body{Type: ews.BodyHTML, Content: htmlOf(*d.Body)}})
	}
	if d.Start != nil && d.End != nil {
		set("calendar:Start", ews.CalendarItem{Start: *d.Start})
		set("calendar:End", ews.CalendarItem{End: *d.End})
	}
	if len(updates) == 0 {
		return nil, &refusal{http.StatusBadRequest, "draft", "there is nothing to change; start and end go together"}
	}
	id := ews.ItemID{ID: r.PathValue("id")}
	e, err := p.event(r.Context(), id)
	if err != nil {
		return nil, err
	}
	id.ChangeKey = e.ChangeKey
	send := ews.SendToNone
	if len(e.Attendees) > 0 {
		send = ews.SendToAllAndSaveCopy
	}
	results, err := p.client.As("").UpdateItem(r.Context(), ews.UpdateItemRequest{
		Changes: []ews.ItemChange{{Item: id.Ref(), Updates: updates}}, Send: send, Conflict: ews.AlwaysOverwrite,
	})
	if err != nil {
		return nil, err
	}
	if len(results) == 1 && results[0].Err != nil {
		return nil, results[0].Err
	}
	return p.event(r.Context(), id)
}

// remove deletes an appointment, cancels a meeting that people were invited to,
// and declines somebody else's.
func (p *page) remove(r *http.Request) (any, error) {
	e, err := p.event(r.Context(), ews.ItemID{ID: r.PathValue("id")})
	if err != nil {
		return nil, err
	}
	if e.Mine && len(e.Attendees) == 0 {
		// No operation of package ews deletes: Koyomi never does.
		return struct{}{}, p.exchange.Remove(people()[0].Address, e.ID)
	}
	action := ews.CancelCalendarItem
	if !e.Mine {
		action = ews.DeclineItem
	}
	if _, err := p.client.As("").Respond(r.Context(), ews.RespondRequest{Action: action, Item: ews.ItemID{ID: e.ID, ChangeKey: e.ChangeKey}}); err != nil {
		return nil, fmt.Errorf("the meeting stays: %w", err)
	}
	return struct{}{}, nil
}
