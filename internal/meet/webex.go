package meet

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/koyomi-cal/koyomi/internal/calendar"
)

// WebexConfig describes a Webex site, as its REST API
// (developer.webex.com, Meetings and Meeting Preferences) knows it.
type WebexConfig struct {
	URL          string // default "https://webexapis.com/v1"
	ClientID     string // of the service app or integration
	ClientSecret Secret
	RefreshToken Secret

	// Host is the address of the one person whose token this is: every meeting
	// is then hosted by that person, and there is one personal room. Empty: the
	// token is an administrator's, and each organiser hosts the own meetings.
	Host      string
	SiteURL   string            // such as "example.webex.com"; empty: the host's preferred site
	Transport http.RoundTripper // nil: the default one
}

// limits are those that Webex documents for making meetings.
func (c WebexConfig) limits() Limits {
	if c.Host != "" {
		return Limits{Overall: 100}
	}
	return Limits{Overall: 3000, PerHost: 800}
}

// Webex makes meetings at Webex. They have a neutral topic and no invitees, and
// Webex is told each time to send no mail: the invitation is the calendar's.
type Webex struct {
	name   string
	config WebexConfig
	api    *caller
	tokens *refresher
}

// NewWebex checks the configuration.
func NewWebex(name string, c WebexConfig) (*Webex, error) {
	if c.URL == "" {
		c.URL = "https://webexapis.com/v1"
	}
	c.URL = strings.TrimRight(c.URL, "/")
	if u, err := url.Parse(c.URL); err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || !secure(u) {
		return nil, fmt.Errorf("meeting service %s: the Webex url has to be of the form https://webexapis.com/v1", name)
	}
	if c.ClientID == "" || len(c.ClientSecret) == 0 || len(c.RefreshToken) == 0 {
		return nil, fmt.Errorf("meeting service %s: Webex needs the client id, the client secret and the refresh token of a service app or an integration", name)
	}
	api := newCaller(name, c.Transport)
	return &Webex{name: name, config: c, api: api, tokens: &refresher{
		api: api, url: c.URL + "/access_token", id: c.ClientID, secret: c.ClientSecret, refresh: c.RefreshToken,
	}}, nil
}

// secure reports whether a secret may be sent to an address.
func secure(u *url.URL) bool {
	return u.Scheme == "https" || u.Scheme == "http" && (u.Hostname() == "127.0.0.1" || u.Hostname() == "::1" || u.Hostname() == "localhost")
}

// Check signs in.
func (w *Webex) Check(ctx context.Context) error {
	_, err := w.tokens.token(ctx)
	return err
}

// Name is the service's name as people know it.
func (w *Webex) Name() string { return w.name }

// webexMeeting is a meeting as the API writes it; what is not read is left out.
type webexMeeting struct {
	ID        string         `json:"id"`
	Number    string         `json:"meetingNumber"`
	Password  string         `json:"password"`
	WebLink   string         `json:"webLink"`
	SIP       string         `json:"sipAddress"`
	Telephony webexTelephony `json:"telephony"`
	Tags      []string       `json:"integrationTags"`
}

type webexTelephony struct {
	AccessCode string `json:"accessCode"`
	Numbers    []struct {
		Number string `json:"callInNumber"`
	} `json:"callInNumbers"`
}

// webexOrder is what is asked for. There are no invitees and no agenda.
type webexOrder struct {
	Title      string   `json:"title,omitempty"`
	Start      string   `json:"start"`
	End        string   `json:"end"`
	TimeZone   string   `json:"timezone"`
	Recurrence string   `json:"recurrence,omitempty"`
	SendEmail  bool     `json:"sendEmail"` // always false
	HostEmail  string   `json:"hostEmail,omitempty"`
	SiteURL    string   `json:"siteUrl,omitempty"`
	Tags       []string `json:"integrationTags,omitempty"`
}

func (w *Webex) order(r Request) (webexOrder, error) {
	o := webexOrder{HostEmail: w.host(r)}
	if w.config.Host == "" && o.HostEmail == "" {
		return o, w.api.fail(BadRequest, time.Time{}, "cannot tell who hosts the meeting: the mailbox has no address", nil)
	}
	var start, end time.Time
	start, end, o.Recurrence = webexTimes(r, time.Now())
	zone, err := time.LoadLocation(r.TimeZone)
	if err != nil || r.TimeZone == "Local" {
		zone = time.UTC
	}
	o.TimeZone = zone.String()
	o.Start, o.End = start.In(zone).Format(time.RFC3339), end.In(zone).Format(time.RFC3339)
	return o, nil
}

// host is the host's address where the token is an administrator's.
func (w *Webex) host(r Request) string {
	if w.config.Host != "" {
		return ""
	}
	return strings.TrimSpace(r.Mailbox.Address)
}

// What Webex accepts as a meeting's length.
const (
	webexLeast = 10 * time.Minute
	webexMost  = 24 * time.Hour
)

// webexTimes are times that Webex accepts: not in the past, and neither too
// short nor too long. A series that began already goes on from its next period.
func webexTimes(r Request, now time.Time) (start, end time.Time, rule string) {
	start, rule = r.Start, r.Recurrence
	length := min(max(r.End.Sub(r.Start), webexLeast), webexMost)
	if rule != "" && start.Before(now) {
		start, rule = upcoming(start, r.TimeZone, rule, now)
	}
	if soon := now.Add(time.Minute).Truncate(time.Minute); start.Before(soon) {
		length = min(max(r.End.Sub(soon), webexLeast), length)
		start = soon
	}
	return start, start.Add(length), rule
}

// Create makes a meeting, or a series where the request has a rule.
func (w *Webex) Create(ctx context.Context, r Request) (Made, error) {
	o, err := w.order(r)
	if err != nil {
		return Made{}, err
	}
	o.Title, o.SiteURL, o.Tags = Topic(r.Locale, r.Mailbox.Name), w.config.SiteURL, []string{r.Tag}
	answer, err := w.call(ctx, http.MethodPost, "/meetings", nil, o)
	if err != nil {
		return Made{}, err
	}
	made, err := w.read(answer.body)
	if err != nil { // it was made, and we do not know it
		return Made{}, w.api.fail(Unclear, time.Time{}, "sent an answer that cannot be read", err)
	}
	return made, nil
}

// Update gives a meeting other times. One that is over has none to follow.
func (w *Webex) Update(ctx context.Context, r Request, id string) error {
	if r.Recurrence == "" && !r.End.After(time.Now()) {
		return nil
	}
	o, err := w.order(r)
	if err != nil {
		return err
	}
	_, err = w.call(ctx, http.MethodPatch, "/meetings/"+url.PathEscape(id), nil, o)
	return err
}

// End deletes a meeting with all its occurrences.
func (w *Webex) End(ctx context.Context, r Request, id string) error {
	q := url.Values{"sendEmail": {"false"}}
	if host := w.host(r); host != "" {
		q.Set("hostEmail", host)
	}
	_, err := w.call(ctx, http.MethodDelete, "/meetings/"+url.PathEscape(id), q, nil)
	if stateOf(err) == Missing {
		return nil
	}
	return err
}

const (
	webexPage  = 100 // meetings in one answer
	webexPages = 20  // answers that are read to find one
)

// Find returns a meeting by its id, or by its tag.
func (w *Webex) Find(ctx context.Context, r Request, id string) (Made, error) {
	q := url.Values{}
	if host := w.host(r); host != "" {
		q.Set("hostEmail", host)
	}
	if id != "" {
		answer, err := w.call(ctx, http.MethodGet, "/meetings/"+url.PathEscape(id), q, nil)
		if err != nil {
			return Made{}, err
		}
		return w.read(answer.body)
	}
	// The meeting may have been moved since it was asked for: the window is wide
	// and the tag does the choosing.
	now := time.Now().UTC()
	to := now
	if r.End.After(to) {
		to = r.End.UTC()
	}
	q.Set("meetingType", "meetingSeries")
	q.Set("integrationTag", r.Tag)
	q.Set("from", now.Add(-24*time.Hour).Format(time.RFC3339))
	q.Set("to", to.AddDate(0, 3, 0).Format(time.RFC3339))
	q.Set("max", fmt.Sprint(webexPage))
	for page := range webexPages {
		q.Set("offset", fmt.Sprint(page*webexPage))
		answer, err := w.call(ctx, http.MethodGet, "/meetings", q, nil)
		if err != nil {
			if stateOf(err) == Missing { // a list is never missing
				err = w.api.fail(Unavailable, time.Time{}, "does not list its meetings", err)
			}
			return Made{}, err
		}
		items, err := webexList(answer.body)
		if err != nil {
			return Made{}, w.unread(err)
		}
		for _, m := range items {
			if slices.Contains(m.Tags, r.Tag) {
				return w.made(m)
			}
		}
		if len(items) < webexPage {
			return Made{}, w.api.fail(Missing, time.Time{}, "has no such meeting", nil)
		}
	}
	return Made{}, w.api.fail(Unavailable, time.Time{}, "lists more meetings than can be looked through", nil)
}

func webexList(body []byte) ([]webexMeeting, error) {
	var page struct {
		Items *[]webexMeeting `json:"items"`
	}
	if err := json.Unmarshal(body, &page); err != nil {
		return nil, err
	}
	if page.Items == nil {
		return nil, fmt.Errorf("a list without items")
	}
	return *page.Items, nil
}

// call makes one request with a token, and once more with a new token where the
// old one is not accepted any more.
func (w *Webex) call(ctx context.Context, method, path string, q url.Values, order any) (reply, error) {
	var body []byte
	if order != nil {
		var err error
		if body, err = json.Marshal(order); err != nil {
			return reply{}, err
		}
	}
	address := w.config.URL + path
	if len(q) > 0 {
		address += "?" + q.Encode()
	}
	var answer reply
	for try := 0; ; try++ {
		token, err := w.tokens.token(ctx)
		if err != nil {
			return reply{}, err
		}
		r, err := http.NewRequestWithContext(ctx, method, address, bytes.NewReader(body))
		if err != nil {
			return reply{}, err
		}
		r.Header.Set("Authorization", "Bearer "+string(token))
		r.Header.Set("Accept", "application/json")
		if body != nil {
			r.Header.Set("Content-Type", "application/json")
		}
		answer, err = w.api.send(ctx, r, method != http.MethodGet)
		if !refusedWith(err, http.StatusUnauthorized) {
			return answer, err
		}
		w.tokens.forget(token)
		if try > 0 {
			return reply{}, w.api.fail(Unavailable, time.Time{}, "does not accept its own token: look at the app's scopes and whether an administrator still authorises it", err)
		}
	}
}

func (w *Webex) unread(cause error) error {
	return w.api.fail(Unavailable, time.Time{}, "sent an answer that cannot be read", cause)
}

func (w *Webex) read(body []byte) (Made, error) {
	var m webexMeeting
	if err := json.Unmarshal(body, &m); err != nil {
		return Made{}, w.unread(err)
	}
	return w.made(m)
}

// made takes over what goes into an invitation, and refuses what must not.
func (w *Webex) made(m webexMeeting) (Made, error) {
	if m.ID == "" || len(m.ID) > 512 || !plainLink(m.WebLink) {
		return Made{}, w.unread(fmt.Errorf("a meeting without an id or a link"))
	}
	return Made{ID: m.ID, Details: w.details(m)}, nil
}

func (w *Webex) details(m webexMeeting) calendar.JoinDetails {
	d := calendar.JoinDetails{Service: w.name, JoinMethod: calendar.JoinMethod{
		Kind: "webex", URL: m.WebLink, ID: plainText(m.Number), Passcode: plainText(m.Password),
	}}
	if sip := plainText(m.SIP); strings.Count(sip, "@") == 1 && !strings.ContainsAny(sip, " <>\"") {
		d.SIP = sip
	}
	for _, n := range m.Telephony.Numbers[:min(len(m.Telephony.Numbers), maxDialin)] {
		if number := plainText(n.Number); number != "" {
			d.Dialin = append(d.Dialin, calendar.Dialin{Number: number, PIN: plainText(m.Telephony.AccessCode)})
		}
	}
	return d
}

// maxDialin is how many telephone numbers an invitation shows.
const maxDialin = 4

// plainLink reports whether a service's link may be shown and opened.
func plainLink(link string) bool {
	u, err := url.Parse(link)
	return err == nil && u.Scheme == "https" && u.Host != "" && u.User == nil && len(link) <= 2000 &&
		!strings.ContainsFunc(link, func(r rune) bool { return r <= ' ' || r > '~' || r == '<' || r == '>' || r == '"' })
}

// plainText is one short line as a service wrote it, or nothing.
func plainText(s string) string {
	s = strings.TrimSpace(s)
	if len(s) > 200 || strings.ContainsFunc(s, func(r rune) bool {
		return unicode.IsControl(r) || r == '\u2028' || r == '\u2029' || r == unicode.ReplacementChar
	}) {
		return ""
	}
	return s
}

// webexRooms hands out people's personal rooms at Webex.
type webexRooms struct{ *Webex }

// Join returns the organiser's personal room; nothing is made.
func (w webexRooms) Join(ctx context.Context, r Request) (calendar.JoinDetails, error) {
	if r.Action != MyRoom && r.Action != "" && r.Action != Default {
		return calendar.JoinDetails{}, notOffered(w.name, r.Action)
	}
	q := url.Values{}
	if w.config.Host != "" && !r.Mailbox.Owns(w.config.Host) {
		return calendar.JoinDetails{}, w.api.fail(NotOffered, time.Time{},
			"has one person's token only, whose personal room is not this organiser's: use another keyword, or have an administrator authorise the app", nil)
	}
	if host := w.host(r); host != "" {
		q.Set("userEmail", host)
	}
	if w.config.SiteURL != "" {
		q.Set("siteUrl", w.config.SiteURL)
	}
	answer, err := w.call(ctx, http.MethodGet, "/meetingPreferences/personalMeetingRoom", q, nil)
	if err != nil {
		if stateOf(err) == Missing {
			err = w.api.fail(NotOffered, time.Time{}, "has no personal room for this organiser", err)
		}
		return calendar.JoinDetails{}, err
	}
	return w.room(answer.body)
}

func (w webexRooms) room(body []byte) (calendar.JoinDetails, error) {
	var room struct {
		Link      string         `json:"personalMeetingRoomLink"`
		SIP       string         `json:"sipAddress"`
		Telephony webexTelephony `json:"telephony"`
	}
	if err := json.Unmarshal(body, &room); err != nil {
		return calendar.JoinDetails{}, w.unread(err)
	}
	if !plainLink(room.Link) {
		return calendar.JoinDetails{}, w.unread(fmt.Errorf("a personal room without a link"))
	}
	d := w.details(webexMeeting{WebLink: room.Link, SIP: room.SIP, Telephony: room.Telephony})
	d.Personal = true
	return d, nil
}

// Format prints the name only, whatever the verb: within are secrets.
func (w *Webex) Format(f fmt.State, _ rune) { fmt.Fprint(f, w.name) }
