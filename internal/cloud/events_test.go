package cloud_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/koyomi-cal/koyomi/internal/account"
	"github.com/koyomi-cal/koyomi/internal/api"
	"github.com/koyomi-cal/koyomi/internal/cloud"
)

// listener collects the events of one client's stream.
type listener struct {
	events chan api.Event
	stop   func()
}

func listen(t *testing.T, c *api.Client, last int64) *listener {
	ctx, cancel := context.WithCancel(t.Context())
	l := &listener{events: make(chan api.Event, 1000)}
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer close(l.events)
		for e, err := range c.Events(ctx, last) {
			if err != nil {
				return
			}
			l.events <- e
		}
	}()
	l.stop = func() { cancel(); <-done }
	t.Cleanup(l.stop)
	synctest.Wait()
	return l
}

// took returns what came since the last call.
func (l *listener) took() (all []api.Event) {
	synctest.Wait()
	for {
		select {
		case e, ok := <-l.events:
			if !ok {
				return all
			}
			all = append(all, e)
		default:
			return all
		}
	}
}

func names(events []api.Event) string {
	s := ""
	for _, e := range events {
		s += e.Name + " " + strings.TrimRight(e.Resource[:3], "A") + ";"
	}
	return s
}

// A reader that was away gets one event for each resource that changed, and no
// other; one that is new gets each once.
func TestReplay(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := start(t)
		connector, _ := w.client(cloud.Subject{Connector: "main"})
		user, me := w.client(cloud.Subject{})
		ctx := t.Context()
		var res []string
		for _, name := range []string{"aaa", "bbb", "ccc"} {
			r := id(name)
			res = append(res, r)
			if err := connector.SetDelivery(ctx, r, []string{me}); err != nil {
				t.Fatal(err)
			}
		}
		first := listen(t, user, 0)
		all := first.took()
		if len(all) != 3 {
			t.Fatalf("a new reader got %v", all)
		}
		first.stop()
		for rev := int64(1); rev < 6; rev++ {
			put(t, connector, res[2], id("x"), "h", rev)
			put(t, connector, res[0], id("x"), "h", rev)
		}
		second := listen(t, user, all[2].ID)
		missed := second.took()
		if len(missed) != 2 || missed[0].Resource != res[2] || missed[1].Resource != res[0] || missed[1].ID <= missed[0].ID {
			t.Errorf("missed %v", missed)
		}
		for _, e := range missed {
			page, err := user.Items(ctx, e.Resource, 0)
			if err != nil || page.Cursor != e.Cursor || e.Cursor != e.ID {
				t.Errorf("event %+v, page %d, %v", e, page.Cursor, err)
			}
		}
		third := listen(t, user, missed[1].ID)
		if got := third.took(); len(got) != 0 {
			t.Errorf("nothing was missed, got %v", got)
		}
		// The same part again is no change; nor is the same delivery list.
		p := put(t, connector, res[0], id("y"), "h", 1)
		if got := third.took(); len(got) != 1 {
			t.Errorf("a put gave %v", got)
		}
		if _, err := connector.Put(ctx, res[0], id("y"), "h", p); err != nil {
			t.Fatal(err)
		}
		if err := connector.SetDelivery(ctx, res[0], []string{me}); err != nil {
			t.Fatal(err)
		}
		if got := third.took(); len(got) != 0 {
			t.Errorf("no change gave %v", got)
		}
	})
}

// Whoever is taken off a delivery list is told, and sees and hears nothing more.
func TestDeliveryTakenBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := start(t)
		connector, _ := w.client(cloud.Subject{Connector: "main"})
		a, aID := w.client(cloud.Subject{})
		b, bID := w.client(cloud.Subject{})
		ctx, res := t.Context(), id("cal")
		la, lb := listen(t, a, 0), listen(t, b, 0)
		if err := connector.SetDelivery(ctx, res, []string{aID}); err != nil {
			t.Fatal(err)
		}
		put(t, connector, res, id("x"), "h", 1)
		if got := names(la.took()); got != "delivery Y2F;change Y2F;" {
			t.Errorf("a got %s", got)
		}
		if got := lb.took(); len(got) != 0 {
			t.Errorf("b got %v", got)
		}
		if err := connector.SetDelivery(ctx, res, []string{bID}); err != nil {
			t.Fatal(err)
		}
		put(t, connector, res, id("x"), "h", 2)
		if got := names(la.took()); got != "delivery Y2F;" {
			t.Errorf("a, taken off, got %s", got)
		}
		if got := names(lb.took()); got != "delivery Y2F;change Y2F;" {
			t.Errorf("b got %s", got)
		}
		if _, err := a.Items(ctx, res, 0); code(err) != api.CodeNotFound {
			t.Errorf("a, taken off, still reads: %v", err)
		}
		if me, err := a.Me(ctx); err != nil || len(me.Resources) != 0 {
			t.Errorf("a, taken off: %v, %v", me, err)
		}
	})
}

// rawStream opens an event stream whose bytes the test reads itself.
func (w *world) rawStream(as *api.Client, last string) *http.Response {
	w.t.Helper()
	req, err := http.NewRequestWithContext(w.t.Context(), "GET", "http://localhost/v1/events", nil)
	if err != nil {
		w.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+w.secrets[as].Reveal())
	if last != "" {
		req.Header.Set("Last-Event-ID", last)
	}
	resp, err := w.transport().RoundTrip(req)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { resp.Body.Close() })
	return resp
}

func TestHeartbeat(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := start(t)
		user, _ := w.client(cloud.Subject{})
		resp := w.rawStream(user, "")
		h := resp.Header
		if h.Get("Content-Type") != "text/event-stream" || h.Get("Cache-Control") != "no-store" || h.Get("X-Accel-Buffering") != "no" {
			t.Errorf("headers %v", h)
		}
		r := bufio.NewReader(resp.Body)
		begin := time.Now()
		for range 200 { // over an hour
			for _, want := range []string{":\n", "\n"} {
				if line, err := r.ReadString('\n'); err != nil || line != want {
					t.Fatalf("read %q, %v after %v", line, err, time.Since(begin))
				}
			}
		}
		if took := time.Since(begin); took < time.Hour || took > 2*time.Hour {
			t.Errorf("200 heartbeats took %v", took)
		}
	})
}

// A reader that takes nothing is dropped; it neither holds anybody up nor costs
// more than its resources.
func TestSlowReader(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := start(t)
		connector, _ := w.client(cloud.Subject{Connector: "main"})
		slow, slowID := w.client(cloud.Subject{})
		quick, quickID := w.client(cloud.Subject{})
		ctx, res := t.Context(), id("cal")
		if err := connector.SetDelivery(ctx, res, []string{slowID, quickID}); err != nil {
			t.Fatal(err)
		}
		resp := w.rawStream(slow, "")
		l := listen(t, quick, 0)
		l.took()
		synctest.Wait()
		begin := time.Now()
		for rev := int64(1); rev <= 150; rev++ {
			put(t, connector, res, id("x"), "h", rev)
		}
		if took := time.Since(begin); took > time.Second {
			t.Errorf("writing took %v beside a slow reader", took)
		}
		if got := l.took(); len(got) == 0 || got[len(got)-1].Cursor <= got[0].Cursor && len(got) > 1 {
			t.Errorf("the quick one got %v", got)
		}
		time.Sleep(time.Minute)
		raw, err := io.ReadAll(resp.Body)
		if err == nil && len(raw) == 0 {
			t.Error("nothing was read at all")
		}
		if n := strings.Count(string(raw), "event:"); n > 100 {
			t.Errorf("%d events waited for the slow one", n)
		}
		if errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("the slow one was not dropped: %v", err)
		}
	})
}

func TestStreamLimits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := start(t)
		user, _ := w.client(cloud.Subject{})
		var open []*http.Response
		for range 16 {
			r := w.rawStream(user, "")
			if r.StatusCode != 200 {
				t.Fatal(r.StatusCode)
			}
			open = append(open, r)
		}
		if r := w.rawStream(user, ""); r.StatusCode != 429 || r.Header.Get("Retry-After") == "" {
			t.Errorf("the 17th stream: %d", r.StatusCode)
		}
		open[0].Body.Close()
		synctest.Wait()
		if r := w.rawStream(user, ""); r.StatusCode != 200 {
			t.Errorf("after one ended: %d", r.StatusCode)
		}
		for _, bad := range []string{"x", "-1", "1.5", "99999999999999999999"} {
			if r := w.rawStream(user, bad); r.StatusCode != 400 {
				t.Errorf("Last-Event-ID %s: %d", bad, r.StatusCode)
			}
		}
	})
}

// When the server stops, streams end at once and do not hold it up.
func TestStopWithStreams(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := start(t)
		user, _ := w.client(cloud.Subject{})
		resp := w.rawStream(user, "")
		ended := make(chan error)
		go func() {
			_, err := io.Copy(io.Discard, resp.Body)
			ended <- err
		}()
		time.Sleep(time.Minute)
		begin := time.Now()
		w.stop()
		if err := <-ended; err != nil {
			t.Errorf("the stream ended with %v", err)
		}
		if took := time.Since(begin); took > time.Second {
			t.Errorf("stopping took %v", took)
		}
	})
}

// The cloud's cache is removed while it runs: the connector is told by a 404,
// puts everything again, and readers begin again by themselves.
func TestCacheRemovedInUse(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := start(t)
		connector, _ := w.client(cloud.Subject{Connector: "main"})
		user, me := w.client(cloud.Subject{})
		ctx, res := t.Context(), id("cal")
		if err := connector.SetDelivery(ctx, res, []string{me}); err != nil {
			t.Fatal(err)
		}
		put(t, connector, res, id("x"), "h", 1)
		page, err := user.Items(ctx, res, 0)
		if err != nil {
			t.Fatal(err)
		}
		l := listen(t, user, page.Cursor)
		l.took()
		time.Sleep(time.Minute) // a store's numbers begin at its first moment
		if err := os.Remove(w.dir + "/cache.db"); err != nil {
			t.Fatal(err)
		}
		_, err = connector.Put(ctx, res, id("x"), "h", api.Part{Rev: 2, JWE: sealed(res, id("x"), "h", 2)})
		if code(err) != api.CodeNotFound {
			t.Fatalf("put into a cache that is gone: %v", err)
		}
		if err := connector.SetDelivery(ctx, res, []string{me}); err != nil {
			t.Fatal(err)
		}
		put(t, connector, res, id("x"), "h", 2)
		if got := names(l.took()); got != "delivery Y2F;change Y2F;" {
			t.Errorf("the reader was told %s", got)
		}
		if _, err := user.Items(ctx, res, page.Cursor); code(err) != api.CodeReset {
			t.Errorf("an old cursor: %v", err)
		}
		if page, err := user.Items(ctx, res, 0); err != nil || len(page.Items) != 1 || page.Items[0].Rev != 2 {
			t.Errorf("from the beginning: %v, %v", page, err)
		}
		// Without settings there is no saying who is who, and it says so.
		if err := os.Rename(w.dir+"/settings.db", w.dir+"/moved"); err != nil {
			t.Fatal(err)
		}
		if got := w.raw("GET", "/healthz", nil, ""); !strings.HasPrefix(got, "503") || !strings.Contains(w.log.String(), "settings.db") {
			t.Errorf("healthz without settings: %s", got)
		}
		if err := os.Rename(w.dir+"/moved", w.dir+"/settings.db"); err != nil {
			t.Fatal(err)
		}
		if got := w.raw("GET", "/healthz", nil, ""); !strings.HasPrefix(got, "200") {
			t.Errorf("healthz: %s", got)
		}
	})
}

// Many writers and readers at once: each reader ends up at the last cursor, and
// hears its events in order.
func TestManyAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := start(t)
		connector, _ := w.client(cloud.Subject{Connector: "main"})
		ctx := t.Context()
		var ids []string
		var listeners []*listener
		for range 8 {
			user, me := w.client(cloud.Subject{})
			ids = append(ids, me)
			listeners = append(listeners, listen(t, user, 0))
			time.Sleep(time.Minute)
		}
		const writers, writes = 5, 20
		for i := range writers {
			if err := connector.SetDelivery(ctx, id(strconv.Itoa(i)), ids); err != nil {
				t.Fatal(err)
			}
		}
		done := make(chan int64)
		for i := range writers {
			go func() {
				res, last := id(strconv.Itoa(i)), int64(0)
				for rev := int64(1); rev <= writes; rev++ {
					n, err := connector.Put(ctx, res, id("x"), "h", api.Part{Rev: rev, JWE: sealed(res, id("x"), "h", rev)})
					if err != nil {
						t.Error(err)
					}
					last = n.Cursor
				}
				done <- last
			}()
		}
		var last int64
		for range writers {
			last = max(last, <-done)
		}
		for i, l := range listeners {
			got := l.took()
			prev := int64(0)
			for _, e := range got {
				if e.ID < prev {
					t.Errorf("listener %d heard %d after %d", i, e.ID, prev)
				}
				prev = e.ID
			}
			if prev != last {
				t.Errorf("listener %d ended at %d, the last change was %d", i, prev, last)
			}
		}
	})
}

func TestCodes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := start(t)
		ctx := t.Context()
		redeem := func(code string) error {
			time.Sleep(time.Minute)
			_, err := api.Redeem(ctx, api.ClientOptions{URL: "http://localhost", Transport: w.transport()}, code)
			return err
		}
		enrol := func() string {
			c, _, err := cloud.Enrol(ctx, w.accounts, cloud.Subject{})
			if err != nil {
				t.Fatal(err)
			}
			return c.Reveal()
		}
		once, old, guessed := enrol(), enrol(), enrol()
		if err := redeem(" " + once + "\n"); err != nil {
			t.Fatal(err)
		}
		spent := redeem(once)
		for range 5 {
			if err := redeem(guessed[:20] + account.NewCode(account.Cloud).Reveal()[20:]); code(err) != api.CodeInvalidCode {
				t.Errorf("a guess: %v", err)
			}
		}
		tried := redeem(guessed)
		time.Sleep(30 * time.Minute)
		late, unknown := redeem(old), redeem(account.NewCode(account.Cloud).Reveal())
		for name, err := range map[string]error{"spent": spent, "tried": tried, "late": late} {
			if code(err) != api.CodeInvalidCode || err.Error() != unknown.Error() {
				t.Errorf("%s: %v; unknown: %v", name, err, unknown)
			}
		}
		if err := redeem(account.NewCode(account.KMS).Reveal()); err == nil || code(err) != "" {
			t.Errorf("a code for the key server was sent to the cloud: %v", err)
		}
		if got := w.raw("POST", "/v1/redeem", nil, `{"code":"`+account.NewCode(account.KMS).Reveal()+`"}`); !strings.HasPrefix(got, "400") || !strings.Contains(got, "for the key server") {
			t.Errorf("a code for the key server: %s", got)
		}
		if got := w.raw("POST", "/v1/redeem", nil, `{"code":"cloud-x"}`); !strings.HasPrefix(got, "400") {
			t.Errorf("half a code: %s", got)
		}

		_, c1, err := cloud.Enrol(ctx, w.accounts, cloud.Subject{Connector: "Main"})
		if err != nil {
			t.Fatal(err)
		}
		_, c2, err := cloud.Enrol(ctx, w.accounts, cloud.Subject{Connector: "main"})
		if err != nil || c1 != c2 {
			t.Errorf("a connector that enrols again is %s, then %s, %v", c1, c2, err)
		}
		_, c3, err := cloud.Enrol(ctx, w.accounts, cloud.Subject{Connector: "other"})
		if err != nil || c3 == c1 {
			t.Errorf("another connector is %s, %v", c3, err)
		}
		_, again, err := cloud.Enrol(ctx, w.accounts, cloud.Subject{Account: c3})
		if err != nil || again != c3 {
			t.Errorf("a further device's account is %s, %v", again, err)
		}
		for _, s := range []cloud.Subject{{Connector: "a b"}, {Connector: strings.Repeat("a", 65)}, {Account: "x"}, {Account: c1, Connector: "main"}} {
			if _, _, err := cloud.Enrol(ctx, w.accounts, s); !errors.Is(err, cloud.ErrSubject) {
				t.Errorf("%+v: %v", s, err)
			}
		}
	})
}

// Whoever guesses credentials or codes is slowed down, and so is a device that
// asks without end; a connector is not.
func TestRates(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := start(t)
		connector, _ := w.client(cloud.Subject{Connector: "main"})
		user, _ := w.client(cloud.Subject{})
		count := func(ask func() string) int {
			for n := range 450 {
				if strings.HasPrefix(ask(), "429") {
					return n
				}
			}
			return -1
		}
		if n := count(func() string { return w.raw("GET", "/v1/me", user, "") }); n < 100 {
			t.Errorf("a user was stopped after %d requests", n)
		}
		if n := count(func() string { return w.raw("GET", "/v1/me", connector, "") }); n != -1 {
			t.Errorf("a connector was stopped after %d requests", n)
		}
		if n := count(func() string { return w.raw("GET", "/v1/me", nil, "") }); n < 1 || n > 30 {
			t.Errorf("a stranger was stopped after %d requests", n)
		}
		if n := count(func() string {
			return w.raw("POST", "/v1/redeem", nil, fmt.Sprintf(`{"code":"%s"}`, account.NewCode(account.Cloud).Reveal()))
		}); n > 30 {
			t.Errorf("guessing codes was stopped after %d", n)
		}
		time.Sleep(time.Hour)
		if got := w.raw("GET", "/v1/me", user, ""); !strings.HasPrefix(got, "200") {
			t.Errorf("an hour later: %s", got)
		}
	})
}
