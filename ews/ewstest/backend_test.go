package ewstest

import (
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/koyomi-cal/koyomi/ews/internal/wire"
)

// routed sends a request for a mailbox with an anchor and, where cookie is
// not "-", with affinity.
func (r *rig) routed(mailbox, anchor, cookie, body string) answer {
	r.t.Helper()
	h := []string{"X-AnchorMailbox", anchor}
	if cookie != "-" {
		h = append(h, "X-PreferServerAffinity", "true")
	}
	if cookie != "-" && cookie != "" {
		h = append(h, "Cookie", overrideCookie+"="+cookie)
	}
	a := r.send(svc, "password", envelope(mailbox, body), h...)
	if a.status == http.StatusOK {
		r.keep(a.raw)
	}
	return a
}

// cookieOf returns the override cookie that an answer sets.
func cookieOf(a answer) string {
	for _, c := range (&http.Response{Header: a.header}).Cookies() {
		if c.Name == overrideCookie {
			return c.Value
		}
	}
	return ""
}

// codeIn is the first response code of an answer, or of its fault.
func codeIn(a answer) string {
	if a.body == nil {
		return http.StatusText(a.status)
	}
	if c := a.body.Value("detail", "ResponseCode"); c != "" {
		return c
	}
	if res := a.body.Child("ResponseMessages"); res != nil {
		return res.Children[0].Value("ResponseCode")
	}
	return a.body.Value("ResponseMessage", "ResponseCode")
}

const subscribeCalendar = `<m:Subscribe><m:StreamingSubscriptionRequest>` + calendarOnly + allEvents + `</m:StreamingSubscriptionRequest></m:Subscribe>`

func idOf(t *testing.T, a answer) string {
	t.Helper()
	id := a.body.Child("ResponseMessages").Children[0].Value("SubscriptionId")
	if id == "" {
		t.Fatalf("no subscription: %s", a.raw)
	}
	return id
}

func TestAffinityKeepsAGroupOnOneBackEnd(t *testing.T) {
	t.Parallel()
	r := newRig(t, Options{BackEnds: 2, Users: 4})
	if r.s.BackEndOf(user1) == r.s.BackEndOf(user2) {
		t.Fatal("neighbours share a back end")
	}
	first := r.routed(user1, user1, "", subscribeCalendar)
	cookie := cookieOf(first)
	if host, version, _ := strings.Cut(cookie, "~"); host != r.s.BackEndName(0) || len(version) != 10 {
		t.Fatalf("the override cookie is %q", cookie)
	}
	second := r.routed(user2, user1, cookie, subscribeCalendar)
	if got := cookieOf(second); got != "" {
		t.Errorf("a good cookie was set anew: %q", got)
	}
	a, b := idOf(t, first), idOf(t, second)
	for _, id := range []string{a, b} {
		if host, _ := decodeSubscription(id); host != r.s.BackEndName(0) {
			t.Errorf("a subscription of the group is on %s", host)
		}
	}
	// The same ids by another way than the group's.
	elsewhere := idOf(t, r.routed(user2, user2, "-", subscribeCalendar))
	if host, _ := decodeSubscription(elsewhere); host != r.s.BackEndName(1) {
		t.Errorf("without affinity it is on %s", host)
	}
	for name, try := range map[string]struct{ anchor, cookie, body, want string }{
		"anchor of the other back end":   {user2, "-", streamBody(1, a), "ErrorSubscriptionNotFound"},
		"cookie of the other back end":   {user1, r.s.BackEndName(1) + "~1", streamBody(1, a, b), "ErrorSubscriptionNotFound"},
		"a cookie without affinity":      {user2, "-", streamBody(1, b), "ErrorSubscriptionNotFound"},
		"unsubscribing on the wrong one": {user2, "-", `<m:Unsubscribe><m:SubscriptionId>` + b + `</m:SubscriptionId></m:Unsubscribe>`, "ErrorSubscriptionNotFound"},
		"unsubscribing on the right one": {user2, cookie, `<m:Unsubscribe><m:SubscriptionId>` + b + `</m:SubscriptionId></m:Unsubscribe>`, "NoError"},
		"garbage falls back to anchor":   {user1, "nowhere~x", getCalendar, "NoError"},
	} {
		if name == "unsubscribing on the right one" {
			continue // last, below
		}
		if got := codeIn(r.routed(user1, try.anchor, try.cookie, try.body)); got != try.want {
			t.Errorf("%s: %s, want %s", name, got, try.want)
		}
	}
	if got := codeIn(r.routed(user2, user2, cookie, `<m:Unsubscribe><m:SubscriptionId>`+b+`</m:SubscriptionId></m:Unsubscribe>`)); got != "NoError" {
		t.Errorf("unsubscribing with the cookie: %s", got)
	}
}

func TestServersNameThemselves(t *testing.T) {
	t.Parallel()
	r := newRig(t, Options{BackEnds: 2})
	a := r.routed(user2, user1, "-", getCalendar)
	for name, want := range map[string]string{
		"X-FEServer": "EXCHANGE01", "X-BEServer": "EXCHANGE02", "X-CalculatedBETarget": "exchange02.example.com", "X-DiagInfo": "EXCHANGE02",
	} {
		if got := a.header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	b := r.routed(user2, user1, "-", getCalendar)
	if x, y := a.header.Get("request-id"), b.header.Get("request-id"); len(x) != 36 || x == y {
		t.Errorf("request ids %q and %q", x, y)
	}
	if !strings.Contains(a.header.Get("Set-Cookie"), "exchangecookie=") {
		t.Error("no exchangecookie")
	}
	if c := r.s.Calls()[0]; c.BackEnd != "exchange02.example.com" {
		t.Errorf("the log says %q", c.BackEnd)
	}
}

// listen opens a stream with a cookie.
func (r *rig) streamWith(anchor, cookie string, ids ...string) *listening {
	r.t.Helper()
	req, err := http.NewRequestWithContext(r.t.Context(), http.MethodPost, "http://exchange.example.com"+Path, strings.NewReader(envelope(anchor, streamBody(30, ids...))))
	if err != nil {
		r.t.Fatal(err)
	}
	req.SetBasicAuth(svc, "password")
	req.Header.Set("X-AnchorMailbox", anchor)
	req.Header.Set("X-PreferServerAffinity", "true")
	req.Header.Set("Cookie", overrideCookie+"="+cookie)
	res, err := r.client.Do(req)
	if err != nil {
		r.t.Fatal(err)
	}
	return &listening{r, res.Body, wire.NewSplitter(res.Body, 4<<20), func() {}}
}

func TestBackEndStopsAndComesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := clockRig(t, Options{BackEnds: 2, Users: 4})
		first := r.routed(user1, user1, "", subscribeCalendar)
		cookie := cookieOf(first)
		a, b := idOf(t, first), idOf(t, r.routed(user2, user1, cookie, subscribeCalendar))
		l := r.streamWith(user1, cookie, a, b)
		defer l.close()
		l.next()
		if n := r.s.StreamsOn(0); n != 1 {
			t.Errorf("%d streams on the first back end", n)
		}
		r.s.StopBackEnd(0)
		if _, err := l.cut.Next(); err == nil {
			t.Error("the stream did not break off")
		}
		if got := r.routed(user1, user1, "", getCalendar); got.status != http.StatusServiceUnavailable || got.body != nil {
			t.Errorf("the mailbox of a stopped back end: %d", got.status)
		}
		if got := codeIn(r.routed(user1, user2, "-", getCalendar)); got != "ErrorMailboxStoreUnavailable" {
			t.Errorf("by way of the other back end: %s", got)
		}
		if got := codeIn(r.routed(user2, user2, "-", getCalendar)); got != "NoError" {
			t.Errorf("the other back end's mailbox: %s", got)
		}
		again := r.routed(user2, user2, cookie, subscribeCalendar)
		if host, _, _ := strings.Cut(cookieOf(again), "~"); host != r.s.BackEndName(1) {
			t.Errorf("the cookie of a stopped back end is not set anew: %q", host)
		}
		r.s.FailOver(0, 1)
		if got := codeIn(r.routed(user1, user1, "-", getCalendar)); got != "NoError" || r.s.BackEndOf(user1) != 1 {
			t.Errorf("after the failover: %s on %d", got, r.s.BackEndOf(user1))
		}
		r.s.StartBackEnd(0)
		if got := codeIn(r.routed(user1, user1, cookie, streamBody(1, a, b))); got != "ErrorSubscriptionNotFound" {
			t.Errorf("old subscriptions after the restart: %s", got)
		}
	})
}

func TestMoveBetweenBackEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := clockRig(t, Options{BackEnds: 2, Users: 4})
		first := r.routed(user1, user1, "", subscribeCalendar)
		cookie := cookieOf(first)
		a, b := idOf(t, first), idOf(t, r.routed(user3, user1, cookie, subscribeCalendar))
		l := r.streamWith(user1, cookie, a, b)
		defer l.close()
		l.next()
		r.s.StartMove(user3)
		for name, body := range map[string]string{
			"reading": getCalendar, "writing": createMeeting("SendToNone", tomorrow), "subscribing": subscribeCalendar, "syncing": syncBody("calendar", "", 5),
		} {
			if got := codeIn(r.routed(user3, user3, "-", body)); got != "ErrorMailboxMoveInProgress" {
				t.Errorf("%s during the move: %s", name, got)
			}
		}
		r.s.FinishMove(user3, 1)
		m, _ := l.next()
		if got := m.Value("ResponseCode"); got != "ErrorReadEventsFailed" || m.Value("ErrorSubscriptionIds", "SubscriptionId") != b {
			t.Errorf("the stream ends with %s about %q", got, m.Value("ErrorSubscriptionIds", "SubscriptionId"))
		}
		if got := codeIn(r.routed(user3, user3, "-", getCalendar)); got != "NoError" || r.s.BackEndOf(user3) != 1 {
			t.Errorf("after the move: %s on %d", got, r.s.BackEndOf(user3))
		}
		l2 := r.streamWith(user1, cookie, a)
		defer l2.close()
		if got := l2.events(); got != "OK" {
			t.Errorf("the other subscription: %s", got)
		}
	})
}

func TestMixedFarm(t *testing.T) {
	t.Parallel()
	r := newRig(t, Options{Dialect: Exchange2016, BackEndDialects: []Dialect{Exchange2016, Exchange2013}})
	ask := func(mailbox, version string) answer {
		return r.send(svc, "password", strings.Replace(envelope(mailbox, getCalendar), "Exchange2013_SP1", version, 1))
	}
	for _, try := range []struct{ mailbox, version, want string }{
		{user1, "Exchange2016", "NoError"},
		{user2, "Exchange2016", "ErrorInvalidSchemaVersionForMailboxVersion"},
		{user2, "Exchange2013_SP1", "NoError"},
		{user1, "Exchange2019", "ErrorInvalidServerVersion"},
	} {
		if got := codeIn(ask(try.mailbox, try.version)); got != try.want {
			t.Errorf("%s asks for %s: %s, want %s", try.mailbox, try.version, got, try.want)
		}
	}
	if a := ask(user2, "Exchange2013"); !strings.Contains(string(a.raw), `MinorVersion="0"`) {
		t.Error("the answer does not have the version of the mailbox's server")
	}
}

func TestLatencyComesFromASeed(t *testing.T) {
	measure := func(seed uint64) (out []time.Duration) {
		synctest.Test(t, func(t *testing.T) {
			r := clockRig(t, Options{Latency: 20 * time.Millisecond, Jitter: 30 * time.Millisecond, Seed: seed})
			for range 5 {
				start := time.Now()
				r.ok(user1, getCalendar)
				d := time.Since(start)
				if d < 20*time.Millisecond || d >= 50*time.Millisecond {
					t.Errorf("a call took %v", d)
				}
				out = append(out, d)
			}
		})
		return out
	}
	a, b, c := measure(1), measure(1), measure(2)
	for i := range a {
		if a[i] != b[i] {
			t.Errorf("the same seed gives %v and %v", a, b)
		}
	}
	if a[0] == c[0] && a[1] == c[1] && a[2] == c[2] {
		t.Error("another seed gives the same")
	}
}
