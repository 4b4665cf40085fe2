package meet

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// webexServer is a small server with the documented shape of Webex's REST API:
// what is not allowed there is refused here.
type webexServer struct {
	t *testing.T

	mu       sync.Mutex
	meetings map[string]map[string]any
	made     int
	refresh  string // the refresh token that counts
	access   string
	expires  time.Time
	issued   int
	page     int // most items in a list; 0: as asked
}

func (s *webexServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	path := strings.TrimPrefix(r.URL.Path, "/v1")
	if path == "/access_token" {
		s.token(w, r)
		return
	}
	if r.Header.Get("Authorization") != "Bearer "+s.access || time.Now().After(s.expires) {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	q := r.URL.Query()
	id := strings.TrimPrefix(path, "/meetings/")
	switch {
	case r.Method == "GET" && path == "/meetingPreferences/personalMeetingRoom":
		if q.Get("userEmail") == "bob@example.com" {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		s.answer(w, map[string]any{"personalMeetingRoomLink": "https://example.webex.com/meet/ann", "sipAddress": "ann@example.webex.com", "topic": "Ann's room", "hostPin": "1234"})
	case r.Method == "POST" && path == "/meetings":
		s.create(w, r)
	case r.Method == "GET" && path == "/meetings":
		s.list(w, q)
	case s.meetings[id] == nil:
		w.WriteHeader(http.StatusNotFound)
	case r.Method == "GET":
		s.answer(w, s.meetings[id])
	case r.Method == "PATCH":
		order, ok := s.order(w, r)
		if ok {
			maps.Copy(s.meetings[id], order)
			s.answer(w, s.meetings[id])
		}
	case r.Method == "DELETE":
		if q.Get("sendEmail") != "false" {
			s.t.Error("a deletion that sends mails")
		}
		delete(s.meetings, id)
		w.WriteHeader(http.StatusNoContent)
	default:
		w.WriteHeader(http.StatusMethodNotAllowed)
	}
}

func (s *webexServer) answer(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(w).Encode(v); err != nil {
		s.t.Error(err)
	}
}

func (s *webexServer) token(w http.ResponseWriter, r *http.Request) {
	if r.FormValue("grant_type") != "refresh_token" || r.FormValue("client_id") != "app" || r.FormValue("client_secret") != "s3cr3t-of-the-app" || r.FormValue("refresh_token") != s.refresh {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	s.issued++
	s.access, s.expires = fmt.Sprint("access-", s.issued), time.Now().Add(14*24*time.Hour)
	s.answer(w, map[string]any{"access_token": s.access, "expires_in": 1209600, "refresh_token": s.refresh, "refresh_token_expires_in": 7776000})
}

// order reads and judges what is asked for.
func (s *webexServer) order(w http.ResponseWriter, r *http.Request) (map[string]any, bool) {
	var o map[string]any
	if err := json.NewDecoder(r.Body).Decode(&o); err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return nil, false
	}
	start, err1 := time.Parse(time.RFC3339, fmt.Sprint(o["start"]))
	end, err2 := time.Parse(time.RFC3339, fmt.Sprint(o["end"]))
	title, _ := o["title"].(string)
	switch {
	case err1 != nil || err2 != nil:
		s.t.Errorf("times %v, %v", o["start"], o["end"])
	case o["sendEmail"] != false:
		s.t.Error("an order that sends mails")
	case o["invitees"] != nil, o["agenda"] != nil:
		s.t.Errorf("an order that tells too much: %v", o)
	case start.Before(time.Now()), end.Sub(start) < 10*time.Minute, end.Sub(start) > 24*time.Hour, len([]rune(title)) > 128:
		w.WriteHeader(http.StatusBadRequest)
		return nil, false
	default:
		return o, true
	}
	w.WriteHeader(http.StatusBadRequest)
	return nil, false
}

func (s *webexServer) create(w http.ResponseWriter, r *http.Request) {
	o, ok := s.order(w, r)
	if !ok {
		return
	}
	s.made++
	id := fmt.Sprintf("870f51ff287b41be8648412901e0402f_%d", s.made)
	maps.Copy(o, map[string]any{
		"id": id, "meetingNumber": fmt.Sprint(123456780 + s.made), "password": "BgJep@43", "webLink": "https://example.webex.com/example/j.php?MTID=m" + id,
		"sipAddress": fmt.Sprintf("%d@example.webex.com", 123456780+s.made), "meetingType": "meetingSeries", "state": "active", "hostKey": "123456",
		"telephony": map[string]any{"accessCode": "1234567890", "callInNumbers": []any{map[string]any{"label": "US Toll", "callInNumber": "+1-415-655-0003", "tollType": "toll"}}},
	})
	s.meetings[id] = o
	s.answer(w, o)
}

func (s *webexServer) list(w http.ResponseWriter, q url.Values) {
	from, err1 := time.Parse(time.RFC3339, q.Get("from"))
	to, err2 := time.Parse(time.RFC3339, q.Get("to"))
	most, err3 := strconv.Atoi(q.Get("max"))
	offset, err4 := strconv.Atoi(q.Get("offset"))
	if err := errors.Join(err1, err2, err3, err4); err != nil || most > 100 || q.Get("meetingType") != "meetingSeries" {
		s.t.Errorf("list of %v: %v", q, err)
	}
	items := []any{}
	for _, id := range slices.Sorted(maps.Keys(s.meetings)) {
		m := s.meetings[id]
		start, _ := time.Parse(time.RFC3339, fmt.Sprint(m["start"]))
		if start.Before(from) || start.After(to) {
			continue
		}
		if tags, _ := m["integrationTags"].([]any); s.page == 0 && !slices.Contains(tags, any(q.Get("integrationTag"))) {
			continue // with a page set, the filter is not known
		}
		items = append(items, m)
	}
	items = items[min(offset, len(items)):]
	s.answer(w, map[string]any{"items": items[:min(most, len(items))]})
}

func (s *webexServer) tags() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []string
	for _, m := range s.meetings {
		all = append(all, fmt.Sprint(m["integrationTags"]))
	}
	return all
}

func newWebexRig(t *testing.T, edit func(*WebexConfig)) (rig, *webexServer) {
	t.Helper()
	s := &webexServer{t: t, meetings: map[string]map[string]any{}, refresh: "refresh"}
	w := &wire{service: s}
	c := WebexConfig{ClientID: "app", ClientSecret: Secret("s3cr3t-of-the-app"), RefreshToken: Secret("refresh"), Transport: w}
	if edit != nil {
		edit(&c)
	}
	host, err := NewWebex("Webex", c)
	if err != nil {
		t.Fatal(err)
	}
	return rig{host: host, wire: w, meetings: s.tags, create: "POST /v1/meetings", change: "PATCH ", end: "DELETE "}, s
}

func TestWebexHost(t *testing.T) {
	t.Parallel()
	testHost(t, func(t *testing.T) rig { r, _ := newWebexRig(t, nil); return r })
}

func TestWebexAsOnePerson(t *testing.T) {
	t.Parallel()
	testHost(t, func(t *testing.T) rig {
		r, _ := newWebexRig(t, func(c *WebexConfig) { c.Host = "ann@example.com" })
		return r
	})
}

func TestWebexOrders(t *testing.T) {
	t.Parallel()
	day := 24 * time.Hour
	for name, tt := range map[string]struct {
		edit  func(*Request)
		host  string
		title string
		start time.Duration // from now
		long  time.Duration
		rule  string
		zone  string
	}{
		"plain":          {func(*Request) {}, "", "Meeting", 2 * time.Hour, time.Hour, "", "Europe/Berlin"},
		"name, Japanese": {func(r *Request) { r.Mailbox.Name, r.Locale = "山田 花子", "ja-JP" }, "", "会議、山田 花子", 2 * time.Hour, time.Hour, "", "Europe/Berlin"},
		"long name":      {func(r *Request) { r.Mailbox.Name = strings.Repeat("長", 200) }, "", "Meeting, " + strings.Repeat("長", 119), 2 * time.Hour, time.Hour, "", "Europe/Berlin"},
		"one person's":   {func(*Request) {}, "boss@example.com", "Meeting", 2 * time.Hour, time.Hour, "", "Europe/Berlin"},
		"too short":      {func(r *Request) { r.End = r.Start.Add(time.Minute) }, "", "Meeting", 2 * time.Hour, 10 * time.Minute, "", "Europe/Berlin"},
		"all week":       {func(r *Request) { r.End = r.Start.Add(7 * day) }, "", "Meeting", 2 * time.Hour, day, "", "Europe/Berlin"},
		"has begun":      {func(r *Request) { r.Start, r.End = r.Start.Add(-3*time.Hour), r.End.Add(-2*time.Hour) }, "", "Meeting", time.Minute, 59 * time.Minute, "", "Europe/Berlin"},
		"unknown zone":   {func(r *Request) { r.TimeZone = "Customized Time Zone" }, "", "Meeting", 2 * time.Hour, time.Hour, "", "UTC"},
		"series":         {func(r *Request) { r.Recurrence = "FREQ=WEEKLY;BYDAY=MO,TU;COUNT=8" }, "", "Meeting", 2 * time.Hour, time.Hour, "FREQ=WEEKLY;BYDAY=MO,TU;COUNT=8", "Europe/Berlin"},
		"series under way": {func(r *Request) {
			r.Recurrence, r.TimeZone = "FREQ=WEEKLY;BYDAY=MO,TU;COUNT=8", "UTC"
			r.Start, r.End = r.Start.Add(-15*day), r.End.Add(-15*day)
		}, "", "Meeting", 6*day + 2*time.Hour, time.Hour, "FREQ=WEEKLY;BYDAY=MO,TU;COUNT=2", "UTC"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r, s := newWebexRig(t, func(c *WebexConfig) { c.Host, c.SiteURL = tt.host, "example.webex.com" })
				now, o := time.Now(), order("t1")
				tt.edit(&o)
				made, err := r.host.Create(t.Context(), o)
				if err != nil {
					t.Fatal(err)
				}
				m := s.meetings[made.ID]
				start, _ := time.Parse(time.RFC3339, fmt.Sprint(m["start"]))
				end, _ := time.Parse(time.RFC3339, fmt.Sprint(m["end"]))
				rule, _ := m["recurrence"].(string)
				if m["title"] != tt.title || start.Sub(now) != tt.start || end.Sub(start) != tt.long || rule != tt.rule || m["timezone"] != tt.zone || m["siteUrl"] != "example.webex.com" {
					t.Errorf("asked for %v (start in %v, %v long)", m, start.Sub(now), end.Sub(start))
				}
				if host, _ := m["hostEmail"].(string); (host == "") != (tt.host != "") {
					t.Errorf("host %q", host)
				}
				d := made.Details
				if d.Kind != "webex" || d.URL != m["webLink"] || d.SIP != "123456781@example.webex.com" || d.ID != "123456781" || d.Passcode != "BgJep@43" || len(d.Dialin) != 1 || d.Dialin[0].PIN != "1234567890" {
					t.Errorf("details %+v", d.JoinMethod)
				}
			})
		})
	}
}

func TestWebexFindsAmongMany(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r, s := newWebexRig(t, nil)
		for i := range 250 {
			if _, err := r.host.Create(t.Context(), order(fmt.Sprint("t", i))); err != nil {
				t.Fatal(err)
			}
		}
		s.page = 1 // the service does not know the filter
		if m, err := r.host.Find(t.Context(), order("t249"), ""); err != nil || m.ID == "" {
			t.Errorf("error %v", err)
		}
		if _, err := r.host.Find(t.Context(), order("none"), ""); stateOf(err) != Missing {
			t.Errorf("error %v", err)
		}
		for i := range 1800 {
			s.meetings[fmt.Sprint("x", i)] = s.meetings[slices.Sorted(maps.Keys(s.meetings))[0]]
		}
		if _, err := r.host.Find(t.Context(), order("none"), ""); stateOf(err) != Unavailable {
			t.Errorf("too many to look through: %v", err)
		}
	})
}

func TestWebexTokens(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r, s := newWebexRig(t, nil)
		k := NewKeeper(r.host, newLedger(), Limits{})
		join(t, k, order("t1"))
		join(t, k, order("t1"))
		if s.issued != 1 {
			t.Errorf("%d tokens for two calls", s.issued)
		}
		s.access = "revoked" // a new one is fetched, and the meeting is made once
		join(t, k, order("t2"))
		time.Sleep(15 * 24 * time.Hour)
		join(t, k, order("t3"))
		if s.issued != 3 || len(r.meetings()) != 3 {
			t.Errorf("%d tokens, meetings %v", s.issued, r.meetings())
		}
		r.wire.next("POST /v1/meetings", denied, denied)
		if _, err := k.Join(t.Context(), order("t4")); stateOf(err) != Unavailable || !strings.Contains(err.Error(), "scopes") {
			t.Errorf("error %v", err)
		}
		s.access, s.refresh = "gone", "another"
		_, err := k.Join(t.Context(), order("t5"))
		e, is := errors.AsType[*Error](err)
		if !is || e.State != Unavailable || time.Until(e.RetryAt) < time.Minute || !strings.Contains(e.Message, "refresh token") {
			t.Errorf("error %v", err)
		}
		if strings.Contains(fmt.Sprintf("%v %+v %#v", err, e, r.host), "s3cr3t-of-the-app") {
			t.Error("a secret shows")
		}
	})
}

func TestWebexPersonalRooms(t *testing.T) {
	t.Parallel()
	s := &webexServer{t: t, meetings: map[string]map[string]any{}, refresh: "refresh"}
	w := &wire{service: s}
	c := WebexConfig{ClientID: "app", ClientSecret: Secret("s3cr3t-of-the-app"), RefreshToken: Secret("refresh"), Transport: w}
	all, err := New(Config{Name: "Webex", Default: MyRoom, Webex: &c, Ledger: newLedger()})
	if err != nil {
		t.Fatal(err)
	}
	d := join(t, all, Request{Mailbox: ann})
	if !d.Personal || d.Kind != "webex" || d.URL != "https://example.webex.com/meet/ann" || d.SIP != "ann@example.webex.com" || d.Passcode != "" {
		t.Errorf("room %+v", d.JoinMethod)
	}
	if w.count("POST /v1/meetings") != 0 {
		t.Error("a meeting was made")
	}
	_, err = all.Join(t.Context(), Request{Mailbox: bob, Action: MyRoom})
	if stateOf(err) != NotOffered {
		t.Errorf("nobody's room: %v", err)
	}
	if _, err = all.Join(t.Context(), Request{Mailbox: ann, Action: Space, Key: "k"}); stateOf(err) != NotOffered {
		t.Errorf("a space: %v", err)
	}
	if k := all.(Keeping).Keeps(MyRoom); k != nil {
		t.Error("a personal room is kept")
	}
	if k := all.(Keeping).Keeps(OneTime); k == nil {
		t.Error("a meeting is not kept")
	}
	c.Host = "ann@example.com"
	one, err := New(Config{Name: "Webex", Webex: &c, Ledger: newLedger()})
	if err != nil {
		t.Fatal(err)
	}
	join(t, one, Request{Mailbox: ann, Action: MyRoom})
	if _, err = one.Join(t.Context(), Request{Mailbox: bob, Action: MyRoom}); stateOf(err) != NotOffered {
		t.Errorf("somebody else's room: %v", err)
	}
}

// TestWebexHonoursItsLimits: the 101st meeting of a day is not even asked for.
func TestWebexHonoursItsLimits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &webexServer{t: t, meetings: map[string]map[string]any{}, refresh: "refresh"}
		w := &wire{service: s}
		c := WebexConfig{ClientID: "app", ClientSecret: Secret("s3cr3t-of-the-app"), RefreshToken: Secret("refresh"), Host: "ann@example.com", Transport: w}
		all, err := New(Config{Name: "Webex", Webex: &c, Ledger: newLedger()})
		if err != nil {
			t.Fatal(err)
		}
		w.next("POST /v1/meetings", forbidden) // one that fails counts
		for i := range 100 {
			r := order(fmt.Sprint("t", i))
			if _, err := all.Join(t.Context(), r); (err != nil) != (i == 0) {
				t.Fatalf("%d: %v", i, err)
			}
		}
		later(t, all, order("t101"), Quota, 24*time.Hour+quotaStep)
		if n := w.count("POST /v1/meetings"); n != 100 {
			t.Errorf("%d calls", n)
		}
		time.Sleep(24*time.Hour + quotaStep)
		join(t, all, order("t101"))
	})
}

// TestWebexOverTheNetwork: a server that is away is no lost answer, and a
// redirect is not followed with a token.
func TestWebexOverTheNetwork(t *testing.T) {
	t.Parallel()
	s := &webexServer{t: t, meetings: map[string]map[string]any{}, refresh: "refresh"}
	server := httptest.NewServer(s)
	r, _ := newWebexRig(t, func(c *WebexConfig) { c.Transport, c.URL = nil, server.URL+"/v1" })
	if _, err := r.host.Create(t.Context(), order("t1")); err != nil {
		t.Fatal(err)
	}
	server.Close()
	if _, err := r.host.Create(t.Context(), order("t2")); stateOf(err) != Unavailable {
		t.Errorf("error %v", err)
	}
}

func TestWebexConfigErrors(t *testing.T) {
	t.Parallel()
	good := WebexConfig{ClientID: "app", ClientSecret: Secret("s"), RefreshToken: Secret("r")}
	for name, edit := range map[string]func(*WebexConfig){
		"http": func(c *WebexConfig) { c.URL = "http://webexapis.com/v1" }, "query": func(c *WebexConfig) { c.URL = "https://webexapis.com/v1?x" },
		"no id": func(c *WebexConfig) { c.ClientID = "" }, "no secret": func(c *WebexConfig) { c.ClientSecret = nil }, "no token": func(c *WebexConfig) { c.RefreshToken = nil },
	} {
		c := good
		edit(&c)
		if _, err := New(Config{Name: "W", Webex: &c, Ledger: newLedger()}); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	if _, err := New(Config{Name: "W", Webex: &good}); err == nil {
		t.Error("without a ledger: accepted")
	}
	if _, err := New(Config{Name: "W", Webex: &good, Ledger: newLedger(), Jitsi: &JitsiConfig{URL: "https://meet.example.com", Secret: secret}}); err == nil {
		t.Error("two services that make meetings: accepted")
	}
}

func TestUpcoming(t *testing.T) {
	t.Parallel()
	at := func(s string) time.Time {
		v, err := time.Parse("2006-01-02 15:04 MST", s)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	for name, tt := range map[string]struct{ start, zone, rule, now, want, after string }{
		"daily over the change of clocks": {"2026-10-20 08:00 UTC", "Europe/Berlin", "FREQ=DAILY;INTERVAL=2;COUNT=10", "2026-10-26 12:00 UTC", "2026-10-28 09:00 UTC", "FREQ=DAILY;INTERVAL=2;COUNT=6"},
		"the 31st":                        {"2026-01-31 10:00 UTC", "UTC", "FREQ=MONTHLY;BYMONTHDAY=31", "2026-02-10 00:00 UTC", "2026-03-31 10:00 UTC", "FREQ=MONTHLY;BYMONTHDAY=31"},
		"yearly":                          {"2020-05-01 10:00 UTC", "UTC", "FREQ=YEARLY", "2026-06-01 00:00 UTC", "2027-05-01 10:00 UTC", "FREQ=YEARLY"},
		"not understood":                  {"2020-05-01 10:00 UTC", "UTC", "FREQ=HOURLY", "2026-06-01 00:00 UTC", "2020-05-01 10:00 UTC", "FREQ=HOURLY"},
		"nothing left":                    {"2026-01-01 10:00 UTC", "UTC", "COUNT=2;FREQ=DAILY", "2026-06-01 00:00 UTC", "2026-06-01 10:00 UTC", "COUNT=1;FREQ=DAILY"},
	} {
		start, rule := upcoming(at(tt.start), tt.zone, tt.rule, at(tt.now))
		if !start.Equal(at(tt.want)) || rule != tt.after {
			t.Errorf("%s: %v %s", name, start.UTC(), rule)
		}
	}
}

func FuzzWebexReplies(f *testing.F) {
	f.Add([]byte(`{"id":"x","webLink":"https://e.webex.com/j.php?MTID=m","telephony":{"callInNumbers":[{"callInNumber":"+1"}]}}`))
	f.Add([]byte(`{"items":[{"id":"x","integrationTags":["t"]}]}`))
	f.Add([]byte(`{"access_token":"a","expires_in":1e99}`))
	f.Add([]byte(`{"personalMeetingRoomLink":"https://e.webex.com/meet/a","sipAddress":"a@b"}`))
	w := &Webex{name: "W", api: newCaller("W", nil)}
	f.Fuzz(func(t *testing.T, body []byte) {
		for _, read := range []func([]byte) (string, string, error){
			func(b []byte) (string, string, error) {
				m, err := w.read(b)
				return m.Details.URL, m.Details.SIP + m.Details.Passcode, err
			},
			func(b []byte) (string, string, error) { d, err := webexRooms{w}.room(b); return d.URL, d.SIP, err },
		} {
			link, text, err := read(body)
			if err == nil && !strings.HasPrefix(strings.ToLower(link), "https://") || strings.ContainsAny(link+text, "\r\n\x00") || err != nil && link != "" {
				t.Errorf("%q: link %q, text %q, error %v", body, link, text, err)
			}
		}
		if access, _, life, err := readTokens(body); err == nil && (len(access) == 0 || life <= 0 || strings.ContainsAny(string(access), "\r\n ")) {
			t.Errorf("%q: token of %d bytes for %v", body, len(access), life)
		}
		if _, err := webexList(body); err != nil {
			return
		}
	})
}
