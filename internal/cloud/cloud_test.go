package cloud_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"testing/synctest"
	"time"

	"github.com/koyomi-cal/koyomi/internal/account"
	"github.com/koyomi-cal/koyomi/internal/account/accounttest"
	"github.com/koyomi-cal/koyomi/internal/api"
	"github.com/koyomi-cal/koyomi/internal/cloud"
	"github.com/koyomi-cal/koyomi/internal/store/sqlite"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// world is a running cloud in memory.
type world struct {
	t        *testing.T
	dir      string
	accounts *sqlite.Accounts
	objects  *sqlite.Objects
	server   *cloud.Server
	listener *accounttest.Listener
	stop     func()
	log      bytes.Buffer
	secrets  map[*api.Client]api.Credential
}

// start runs a cloud for the length of a test. It is to be called inside a
// synctest bubble.
func start(t *testing.T) *world {
	w := &world{t: t, dir: t.TempDir(), secrets: map[*api.Client]api.Credential{}}
	ctx := t.Context()
	var err error
	if w.accounts, err = sqlite.OpenAccounts(ctx, sqlite.Options{Path: filepath.Join(w.dir, "settings.db"), Exclusive: true}); err != nil {
		t.Fatal(err)
	}
	if w.objects, err = sqlite.OpenObjects(ctx, sqlite.Options{Path: filepath.Join(w.dir, "cache.db"), Exclusive: true}); err != nil {
		t.Fatal(err)
	}
	w.server, err = cloud.New(cloud.Options{
		Accounts: w.accounts, Objects: w.objects,
		App:    fstest.MapFS{"index.html": {Data: []byte("<!doctype html>app")}, "assets/app-1a2b.js": {Data: []byte("1")}},
		Config: api.AppConfig{KMS: "https://kms.example.com", Authority: id("authority"), Org: id("org")},
		Guard:  account.Guard{Hosts: []string{"localhost", "cloud.example.com"}},
		Logger: slog.New(slog.NewTextHandler(&w.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	})
	if err != nil {
		t.Fatal(err)
	}
	w.listener = accounttest.Listen()
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan error)
	go func() { done <- w.server.Run(ctx, w.listener) }()
	w.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error("Run:", err)
		}
		if err := errors.Join(w.accounts.Close(), w.objects.Close()); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(w.stop)
	return w
}

// client redeems a code and returns a client with its account.
func (w *world) client(who cloud.Subject) (*api.Client, string) {
	w.t.Helper()
	code, id, err := cloud.Enrol(w.t.Context(), w.accounts, who)
	if err != nil {
		w.t.Fatal(err)
	}
	o := api.ClientOptions{URL: "http://localhost", Transport: w.transport()}
	a, err := api.Redeem(w.t.Context(), o, code.Reveal())
	if err != nil {
		w.t.Fatal(err)
	}
	if a.Account != id {
		w.t.Errorf("redeemed account %s, enrolled %s", a.Account, id)
	}
	o.Credential = a.Credential
	c, err := api.NewClient(o)
	if err != nil {
		w.t.Fatal(err)
	}
	w.secrets[c] = a.Credential
	return c, id
}

func (w *world) transport() *http.Transport {
	tr := w.listener.Transport()
	w.t.Cleanup(tr.CloseIdleConnections)
	return tr
}

// id is 16 bytes in base64url, the same for the same name.
func id(name string) string {
	raw := make([]byte, 16)
	copy(raw, name)
	return b64(raw)
}

var encoding = base64.RawURLEncoding

func b64(b []byte) string { return encoding.EncodeToString(b) }

// sealed looks like a sealed part to whoever has no key.
func sealed(resource, item, part string, rev int64) string {
	text := make([]byte, 12+1024+16)
	rand.Read(text)
	head := fmt.Sprintf(`{"alg":"dir","enc":"A256GCM","kid":"kms:%s/00000000-0000-4000-8000-000000000000","typ":"koyomi+jwe",`+
		`"hc":{"o":"%s","r":"%s","i":"%s","p":"%s","v":%d,"g":1}}`, id("authority"), id("org"), resource, item, part, rev)
	return b64([]byte(head)) + ".." + b64(text[:12]) + "." + b64(text[12:1036]) + "." + b64(text[1036:])
}

func put(t *testing.T, c *api.Client, resource, item, part string, rev int64) api.Part {
	t.Helper()
	p := api.Part{Rev: rev, JWE: sealed(resource, item, part, rev)}
	if _, err := c.Put(t.Context(), resource, item, part, p); err != nil {
		t.Fatal(err)
	}
	return p
}

func code(err error) string {
	if e, ok := errors.AsType[*api.Error](err); ok {
		return e.Code
	}
	return ""
}

// The road of a meeting: the connector delivers a resource and puts its parts,
// the user's app is told, reads them, and sees a later one go away.
func TestRoad(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := start(t)
		connector, _ := w.client(cloud.Subject{Connector: "main"})
		user, account := w.client(cloud.Subject{})
		ctx, res, item := t.Context(), id("calendar"), id("meeting")

		if err := connector.SetDelivery(ctx, res, []string{account}); err != nil {
			t.Fatal(err)
		}
		head := put(t, connector, res, item, "h", 1)
		body := put(t, connector, res, item, "b", 1)

		me, err := user.Me(ctx)
		if err != nil || len(me.Resources) != 1 || me.Resources[0] != res || me.Role != api.User {
			t.Fatalf("me is %+v, %v", me, err)
		}
		page, err := user.Items(ctx, res, 0)
		if err != nil {
			t.Fatal(err)
		}
		want := []api.Entry{{Item: item, Part: "h", Rev: 1, JWE: head.JWE}, {Item: item, Part: "b", Rev: 1, JWE: body.JWE}}
		if fmt.Sprint(page.Items) != fmt.Sprint(want) || page.More {
			t.Fatalf("got %v, want %v", page, want)
		}

		events := make(chan api.Event)
		streamCtx, stop := context.WithCancel(ctx)
		defer func() { stop(); <-events }()
		go func() {
			defer close(events)
			for e, err := range user.Events(streamCtx, 0) {
				if err != nil {
					return
				}
				select {
				case events <- e:
				case <-streamCtx.Done():
					return
				}
			}
		}()
		if e := <-events; e.Name != api.EventChange || e.Resource != res || e.Cursor != page.Cursor {
			t.Fatalf("first event %+v, want cursor %d", e, page.Cursor)
		}
		time.Sleep(10 * time.Minute) // heartbeats keep it alive
		begin := time.Now()
		if _, err := connector.Delete(ctx, res, item, 2); err != nil {
			t.Fatal(err)
		}
		e := <-events
		if since := time.Since(begin); since > time.Second {
			t.Errorf("the event took %v", since)
		}
		page2, err := user.Items(ctx, res, page.Cursor)
		if err != nil {
			t.Fatal(err)
		}
		if fmt.Sprint(page2.Items) != fmt.Sprint([]api.Entry{{Item: item, Rev: 2, Deleted: true}}) || page2.Cursor != e.Cursor {
			t.Fatalf("after deletion: %+v, event %+v", page2, e)
		}
	})
}

// What is foreign and what does not exist are told from each other by nothing.
func TestForeignIsUnknown(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := start(t)
		connector, _ := w.client(cloud.Subject{Connector: "main"})
		other, _ := w.client(cloud.Subject{Connector: "other"})
		_, owner := w.client(cloud.Subject{})
		stranger, _ := w.client(cloud.Subject{})
		ctx, res, item := t.Context(), id("calendar"), id("meeting")
		if err := connector.SetDelivery(ctx, res, []string{owner}); err != nil {
			t.Fatal(err)
		}
		put(t, connector, res, item, "h", 1)

		asked := map[string]func(c *api.Client, resource string) error{
			"items": func(c *api.Client, r string) error { _, err := c.Items(ctx, r, 0); return err },
			"put": func(c *api.Client, r string) error {
				_, err := c.Put(ctx, r, item, "h", api.Part{Rev: 2, JWE: sealed(r, item, "h", 2)})
				return err
			},
			"delete": func(c *api.Client, r string) error { _, err := c.Delete(ctx, r, item, 2); return err },
		}
		for name, ask := range asked {
			c := other
			if name == "items" {
				c = stranger
			}
			foreign, unknown := ask(c, res), ask(c, id("nothing"))
			if code(foreign) != api.CodeNotFound || fmt.Sprint(foreign) != fmt.Sprint(unknown) {
				t.Errorf("%s: foreign %v, unknown %v", name, foreign, unknown)
			}
		}
		if err := other.SetDelivery(ctx, res, nil); code(err) != api.CodeNotFound {
			t.Errorf("another connector may set the delivery: %v", err)
		}
		if _, err := stranger.Put(ctx, res, item, "h", api.Part{Rev: 2, JWE: sealed(res, item, "h", 2)}); code(err) != api.CodeForbidden {
			t.Errorf("a user may write: %v", err)
		}
		// The two answers as bytes, with every header.
		var answers []string
		for _, r := range []string{res, id("nothing"), "not-an-id"} {
			answers = append(answers, w.raw("GET", "/v1/resources/"+r+"/items?after=0", stranger, ""))
		}
		if answers[0] != answers[1] || answers[1] != answers[2] {
			t.Errorf("answers differ:\n%s\n%s\n%s", answers[0], answers[1], answers[2])
		}
	})
}

// raw returns a whole answer as text, without the date.
func (w *world) raw(method, path string, as *api.Client, body string) string {
	w.t.Helper()
	req, err := http.NewRequest(method, "http://localhost"+path, strings.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	if as != nil {
		req.Header.Set("Authorization", "Bearer "+w.secrets[as].Reveal())
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := w.transport().RoundTrip(req)
	if err != nil {
		w.t.Fatal(err)
	}
	defer resp.Body.Close()
	all, err := io.ReadAll(resp.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	resp.Header.Del("Date")
	return fmt.Sprint(resp.StatusCode, resp.Header, string(all))
}

// Somebody who goes away before the answer is no fault of the cloud's.
func TestCallerGoesAway(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := start(t)
		c, _ := w.client(cloud.Subject{Connector: "main"})
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		r := httptest.NewRequestWithContext(ctx, http.MethodGet, "http://localhost/v1/me", nil)
		r.Header.Set("Authorization", "Bearer "+w.secrets[c].Reveal())
		w.server.ServeHTTP(httptest.NewRecorder(), r)
		w.stop()
		if log := w.log.String(); strings.Contains(log, "level=ERROR") || !strings.Contains(log, "went away") {
			t.Errorf("the log says:\n%s", log)
		}
	})
}
