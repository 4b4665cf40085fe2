package kms_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/koyomi-cal/koyomi/internal/account"
	"github.com/koyomi-cal/koyomi/internal/kms"
	"github.com/koyomi-cal/koyomi/internal/seal"
	"github.com/koyomi-cal/koyomi/internal/store"
)

// The connector seals for an owner; the owner's browser opens it, and nobody
// else's gets a key.
func TestRoad(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := start(t)
		ctx := t.Context()
		connector := w.enrol(kms.Subject{Connector: "Main"})
		hanako, taro := w.enrol(kms.Subject{User: " Hanako@Example.com"}), w.enrol(kms.Subject{User: "taro@example.com"})
		if connector.id.Role != kms.Connector || connector.id.Subject != "main" || hanako.id.Role != kms.User || hanako.id.Subject != "hanako@example.com" {
			t.Errorf("identities %+v, %+v", connector.id, hanako.id)
		}

		res, err := connector.Ensure(ctx, "HANAKO@example.com")
		if err != nil {
			t.Fatal(err)
		}
		again, err := connector.Ensure(ctx, "hanako@example.com ")
		if err != nil || again.ID != res.ID || again.Head.ID != res.Head.ID || again.Body.ID != res.Body.ID || again.Index != res.Index {
			t.Errorf("made again: %v, %v", again, err)
		}
		h := seal.Header{Org: res.Org, Resource: res.ID, Item: seal.ItemID(res.Index, "uid"), Part: seal.PartHead, Rev: 1}
		jwe, err := seal.Seal(res.Head, h, []byte(`{"subject":"secret"}`))
		if err != nil {
			t.Fatal(err)
		}

		mine, err := hanako.Mine(ctx)
		if err != nil || len(mine) != 1 || mine[0].ID != res.ID || mine[0].Org != res.Org {
			t.Fatalf("hanako has %v, %v", mine, err)
		}
		if got, err := seal.Open(mine[0].Head, h, jwe); err != nil || string(got) != `{"subject":"secret"}` {
			t.Errorf("opened %q, %v", got, err)
		}
		body := "{}"
		if _, wire := w.post("/kms/v1/myResources", sign(t, hanako, claims{"aud": hanako.id.Authority, "op": "myResources", "iat": time.Now().Unix()}, body), body); !strings.Contains(wire, res.ID) || strings.Contains(wire, `"ik"`) {
			t.Errorf("a user's instance got the index key: %d bytes", len(wire))
		}
		if _, err := seal.Open(mine[0].Body, h, jwe); err == nil {
			t.Error("the body's key opens a head")
		}

		rows, err := w.store.Owned(ctx, "hanako@example.com")
		if err != nil || len(rows) != 1 || len(rows[0].Keys) != 3 {
			t.Fatal(rows, err)
		}
		kids := []string{rows[0].Keys[0].KID, rows[0].Keys[1].KID, rows[0].Keys[2].KID, "kms:" + res.Authority + "/00000000-0000-4000-8000-000000000000"}
		for _, c := range []struct {
			who  string
			d    device
			want int
		}{{"owner", hanako, 2}, {"connector", connector, 2}, {"another user", taro, 0}, {"another connector", w.enrol(kms.Subject{Connector: "other"}), 0}} {
			keys, err := c.d.Fetch(ctx, kids)
			if err != nil || len(keys) != c.want {
				t.Errorf("%s got %d keys, %v; want %d", c.who, len(keys), err, c.want)
			}
		}
		if mine, err := taro.Mine(ctx); err != nil || len(mine) != 0 {
			t.Errorf("taro has %v, %v", mine, err)
		}
	})
}

// Only a connector makes resources, only for itself, and only a user has some.
func TestRights(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := start(t)
		ctx := t.Context()
		connector, other, user := w.enrol(kms.Subject{Connector: "main"}), w.enrol(kms.Subject{Connector: "other"}), w.enrol(kms.Subject{User: "a@example.com"})
		if _, err := user.Ensure(ctx, "a@example.com"); code(err) != kms.CodeForbidden {
			t.Errorf("a user made a resource: %v", err)
		}
		if _, err := connector.Mine(ctx); code(err) != kms.CodeForbidden {
			t.Errorf("a connector has resources of its own: %v", err)
		}
		first, err := connector.Ensure(ctx, "a@example.com")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := other.Ensure(ctx, "a@example.com"); code(err) != kms.CodeTaken {
			t.Errorf("another connector got the resource: %v", err)
		}
		// A second node of the same connector serves the same calendars.
		node2 := w.enrol(kms.Subject{Connector: "main"})
		if got, err := node2.Ensure(ctx, "a@example.com"); err != nil || got.ID != first.ID {
			t.Errorf("a second node got %v, %v", got, err)
		}
		for _, owner := range []string{"", "a", "@", "a@", "@b", "a@b@c", "a b@c", "a\x00@b", strings.Repeat("a", 320) + "@b"} {
			if _, err := connector.Ensure(ctx, owner); code(err) != kms.CodeBadRequest {
				t.Errorf("owner %q: %v", owner, err)
			}
		}
		// Two that make the same one at the same time get one.
		ids := make(chan string, 6)
		for i := range cap(ids) {
			go func() {
				c := connector
				if i%2 == 1 {
					c = node2
				}
				r, err := c.Ensure(ctx, "b@example.com")
				if err != nil {
					t.Error(err)
				}
				ids <- r.ID
			}()
		}
		var all []string
		for range cap(ids) {
			all = append(all, <-ids)
		}
		if len(slices.Compact(all)) != 1 {
			t.Errorf("resources of one owner: %v", all)
		}
	})
}

func TestCodes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := start(t)
		ctx := t.Context()
		redeem := func(key *ecdsa.PrivateKey, code string) (kms.Identity, error) {
			time.Sleep(time.Minute) // the allowance of an address
			return kms.Redeem(ctx, kms.ClientOptions{URL: "http://localhost", Key: key, Transport: w}, code)
		}
		enrol := func() string {
			c, err := kms.Enrol(ctx, w.store, kms.Subject{User: "a@example.com"})
			if err != nil {
				t.Fatal(err)
			}
			return c.Reveal()
		}
		key := newKey(t)
		once := enrol()
		first, err := redeem(key, once)
		if err != nil {
			t.Fatal(err)
		}
		if again, err := redeem(key, once); err != nil || again != first {
			t.Errorf("the same key again, after a lost answer: %+v, %v", again, err)
		}
		_, spent := redeem(newKey(t), once)
		old := enrol()
		time.Sleep(30 * time.Minute)
		_, late := redeem(key, old)
		_, unknown := redeem(key, account.NewCode(account.KMS).Reveal())
		guessed := enrol()
		for range 5 {
			if _, err := redeem(key, guessed[:20]+account.NewCode(account.KMS).Reveal()[20:]); code(err) != kms.CodeInvalidCode {
				t.Errorf("a guess: %v", err)
			}
		}
		_, tried := redeem(key, guessed)
		for name, err := range map[string]error{"spent": spent, "late": late, "tried": tried} {
			if code(err) != kms.CodeInvalidCode || err.Error() != unknown.Error() {
				t.Errorf("%s code: %v; unknown: %v", name, err, unknown)
			}
		}
		// A code for the cloud never leaves this side.
		n := len(w.seen)
		if _, err := redeem(key, account.NewCode(account.Cloud).Reveal()); !errors.Is(err, account.ErrCode) || len(w.seen) != n {
			t.Errorf("a code for the cloud was sent to the key server: %v", err)
		}
		for _, s := range []kms.Subject{{}, {User: "a@b", Connector: "c"}, {User: "no address"}, {Connector: "a b"}, {Connector: strings.Repeat("a", 65)}} {
			if _, err := kms.Enrol(ctx, w.store, s); !errors.Is(err, kms.ErrSubject) {
				t.Errorf("%+v: %v", s, err)
			}
		}
	})
}

// An address that only guesses is slowed down.
func TestGuessingIsSlow(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := start(t)
		key := newKey(t)
		try := func() error {
			_, err := kms.Redeem(t.Context(), kms.ClientOptions{URL: "http://localhost", Key: key, Transport: w}, account.NewCode(account.KMS).Reveal())
			return err
		}
		begin := time.Now()
		for n := 0; ; n++ {
			err := try()
			if code(err) == kms.CodeTooMany {
				e, _ := errors.AsType[*kms.Error](err)
				if n < 5 || e.RetryAfter <= 0 || !e.Temporary() {
					t.Errorf("stopped after %d tries, retry after %v", n, e.RetryAfter)
				}
				break
			}
			if n > 100 {
				t.Fatal("a hundred guesses at once")
			}
		}
		guesses := 0
		for time.Since(begin) < time.Hour {
			time.Sleep(time.Second)
			if code(try()) == kms.CodeInvalidCode {
				guesses++
			}
		}
		if guesses > 700 {
			t.Errorf("%d guesses in an hour", guesses)
		}
	})
}

// A whole office behind one address enrols at once: only failures are slowed.
func TestOfficeBehindOneAddress(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := start(t)
		begin := time.Now()
		for i := range 60 {
			w.enrol(kms.Subject{User: fmt.Sprintf("user%d@example.com", i)})
		}
		if took := time.Since(begin); took > time.Second {
			t.Errorf("60 enrolments took %v", took)
		}
	})
}

// A request over anything but what was signed is refused, and no answer tells
// an unknown instance from a wrong signature.
func TestSignedOver(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := start(t)
		d := w.enrol(kms.Subject{Connector: "main"})
		good := claims{"aud": d.id.Authority, "op": "getKeys", "iat": time.Now().Unix()}
		body := `{"kids":[]}`
		if got := w.send("getKeys", sign(t, d, good, body), body); got != "ok" {
			t.Fatalf("a good request: %s", got)
		}
		with := func(name string, value any) claims {
			c := claims{}
			for k, v := range good {
				c[k] = v
			}
			c[name] = value
			if value == nil {
				delete(c, name)
			}
			return c
		}
		now := time.Now().Unix()
		stranger := d
		stranger.key = newKey(t)
		nobody := d
		nobody.id.Instance = account.NewID()
		for _, c := range []struct {
			name, op, auth, body, want string
		}{
			{"another authority", "getKeys", sign(t, d, with("aud", account.NewID()), body), body, kms.CodeUnauthorized},
			{"another operation signed", "getKeys", sign(t, d, with("op", "ensureResource"), body), body, kms.CodeUnauthorized},
			{"another operation asked", "ensureResource", sign(t, d, good, body), body, kms.CodeUnauthorized},
			{"another body", "getKeys", sign(t, d, good, body), `{"kids":["x"]}`, kms.CodeUnauthorized},
			{"another key", "getKeys", sign(t, stranger, good, body), body, kms.CodeUnauthorized},
			{"another instance", "getKeys", sign(t, nobody, good, body), body, kms.CodeUnauthorized},
			{"no signature", "getKeys", "", body, kms.CodeUnauthorized},
			{"bearer", "getKeys", "Bearer x", body, kms.CodeUnauthorized},
			{"not a JWS", "getKeys", "KMS-JWS x.y", body, kms.CodeUnauthorized},
			{"too old", "getKeys", sign(t, d, with("iat", now-301), body), body, kms.CodeClock},
			{"old", "getKeys", sign(t, d, with("iat", now-299), body), body, "ok"},
			{"too far ahead", "getKeys", sign(t, d, with("iat", now+62), body), body, kms.CodeClock},
			{"ahead", "getKeys", sign(t, d, with("iat", now+59), body), body, "ok"},
			{"no nonce", "getKeys", sign(t, d, with("jti", ""), body), body, kms.CodeBadRequest},
			{"short nonce", "getKeys", sign(t, d, with("jti", "AAAA"), body), body, kms.CodeBadRequest},
			{"unknown claim", "getKeys", sign(t, d, with("admin", true), body), body, kms.CodeBadRequest},
			{"iat as text", "getKeys", sign(t, d, with("iat", "now"), body), body, kms.CodeBadRequest},
			{"unknown operation", "shred", sign(t, d, with("op", "shred"), body), body, kms.CodeNotFound},
			{"unknown field", "getKeys", sign(t, d, good, `{"kids":[],"x":1}`), `{"kids":[],"x":1}`, kms.CodeBadRequest},
			{"two values", "getKeys", sign(t, d, good, `{"kids":[]} 1`), `{"kids":[]} 1`, kms.CodeBadRequest},
			{"not JSON", "getKeys", sign(t, d, good, `{`), `{`, kms.CodeBadRequest},
		} {
			time.Sleep(10 * time.Millisecond)
			if got := w.send(c.op, c.auth, c.body); got != c.want {
				t.Errorf("%s: %s, want %s", c.name, got, c.want)
			}
		}
		many, err := json.Marshal(map[string][]string{"kids": make([]string, 51)})
		if err != nil {
			t.Fatal(err)
		}
		if got := w.send("getKeys", sign(t, d, good, string(many)), string(many)); got != kms.CodeBadRequest {
			t.Errorf("51 keys at once: %s", got)
		}
		if keys, err := d.Fetch(t.Context(), make([]string, 120)); err != nil || len(keys) != 0 {
			t.Errorf("the client's 120 keys: %v, %v", keys, err)
		}
		big := strings.Repeat(" ", 64<<10+1)
		if got := w.send("getKeys", sign(t, d, good, big), big); got != kms.CodeTooLarge {
			t.Errorf("more than 64 KiB: %s", got)
		}
	})
}

// A client with a wrong clock goes by the server's.
func TestClientClock(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := start(t)
		d := w.enrol(kms.Subject{User: "a@example.com"})
		late := &clock{w: w, by: -3600}
		o := kms.ClientOptions{URL: "http://localhost", Key: d.key, Identity: d.id, Transport: late}
		c, err := kms.NewClient(o)
		if err != nil {
			t.Fatal(err)
		}
		// The server's answers claim another time; ours follows, and is then refused.
		if _, err := c.Mine(t.Context()); code(err) != kms.CodeClock || late.asked != 2 {
			t.Errorf("asked %d times: %v", late.asked, err)
		}
		late.by = 0
		if _, err := c.Mine(t.Context()); err != nil || late.asked != 4 {
			t.Errorf("did not come back to the right time: %v after %d", err, late.asked)
		}
	})
}

// clock makes the server's first answer one about a clock that is off.
type clock struct {
	w     *world
	by    int64
	asked int
}

func (c *clock) RoundTrip(r *http.Request) (*http.Response, error) {
	c.asked++
	if c.asked > 1 {
		return c.w.RoundTrip(r)
	}
	body := fmt.Sprintf(`{"error":{"code":"clock","message":"x"},"now":%d}`, time.Now().Unix()+c.by)
	return &http.Response{StatusCode: 425, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body)), Request: r}, nil
}

// The server's records and log have nothing that opens a calendar.
func TestAtRest(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := start(t)
		ctx := t.Context()
		connector := w.enrol(kms.Subject{Connector: "main"})
		if _, err := connector.Ensure(ctx, "hanako@example.com"); err != nil {
			t.Fatal(err)
		}
		_, answer := w.post("/kms/v1/ensureResource", sign(t, connector,
			claims{"aud": connector.id.Authority, "op": "ensureResource", "iat": time.Now().Unix()}, `{"owner":"hanako@example.com"}`), `{"owner":"hanako@example.com"}`)
		var got struct {
			IK   string
			Keys map[string]struct{ K string }
		}
		if err := json.Unmarshal([]byte(answer), &got); err != nil || got.IK == "" || got.Keys["h"].K == "" || got.Keys["b"].K == "" {
			t.Fatalf("%s: %v", answer, err)
		}
		codes := []string{}
		for _, r := range w.seen {
			if r.path == "/kms/v1/enrol" {
				var e struct{ Code string }
				if err := json.Unmarshal([]byte(r.body), &e); err != nil {
					t.Fatal(err)
				}
				codes = append(codes, e.Code[len(e.Code)-22:])
			}
		}
		w.stop()
		files, err := filepath.Glob(w.dir + "/settings.db*")
		if err != nil || len(files) == 0 {
			t.Fatal(files, err)
		}
		master, err := os.ReadFile(w.dir + "/keys/master.key")
		if err != nil {
			t.Fatal(err)
		}
		text := bytes.Clone(w.log.Bytes())
		for _, f := range files {
			raw, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			text = append(text, raw...)
		}
		for name, s := range map[string]string{"index key": got.IK, "head key": got.Keys["h"].K, "body key": got.Keys["b"].K, "code": codes[0],
			"master key": strings.TrimSpace(strings.TrimPrefix(string(master), "koyomi-kms-master-1 "))} {
			raw, err := base64.RawURLEncoding.DecodeString(s)
			if err != nil || len(raw) < 16 {
				t.Fatalf("%s: %q, %v", name, s, err)
			}
			if bytes.Contains(text, raw) || bytes.Contains(text, []byte(s)) {
				t.Errorf("the %s lies in the database or the log", name)
			}
		}
		if strings.Contains(w.log.String(), "hanako") {
			t.Errorf("the log names a person: %s", w.log.String())
		}
		if !strings.Contains(w.log.String(), "ensureResource") {
			t.Error("the log says nothing at all")
		}
		w.run()
	})
}

// The pages that may ask, the names under which the server answers.
func TestHostAndOrigin(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := start(t)
		ask := func(method, path, host, origin string) *http.Response {
			t.Helper()
			r, err := http.NewRequest(method, "http://localhost"+path, nil)
			if err != nil {
				t.Fatal(err)
			}
			r.Host = host
			if origin != "" {
				r.Header.Set("Origin", origin)
			}
			resp, err := w.RoundTrip(r)
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			return resp
		}
		if r := ask("OPTIONS", "/kms/v1/getKeys", "localhost:8481", appOrigin); r.StatusCode != 204 ||
			r.Header.Get("Access-Control-Allow-Origin") != appOrigin || !strings.Contains(r.Header.Get("Access-Control-Allow-Headers"), "Authorization") {
			t.Errorf("preflight from the app: %d %v", r.StatusCode, r.Header)
		}
		for _, c := range []struct {
			host, origin string
			want         int
		}{
			{"localhost:8481", "", 200}, {"127.0.0.1", "", 200}, {"[::1]:8481", "", 200}, {"LOCALHOST.", "", 200},
			{"localhost:8481", appOrigin, 200}, {"localhost:8481", "http://localhost:8481", 200},
			{"evil.example", "", 421}, {"localhost.evil.example", "", 421}, {"10.0.0.1", "", 421}, {"127.0.0.1.evil.example", "", 421},
			{"localhost:8481", "https://evil.example", 403}, {"localhost:8481", "null", 403}, {"localhost:8481", "http://localhost:8480", 403},
			{"localhost:8481", "https://calendar.example.com.evil.example", 403},
		} {
			r := ask("GET", "/kms/v1/descriptor", c.host, c.origin)
			if r.StatusCode != c.want {
				t.Errorf("host %s, origin %q: %d, want %d", c.host, c.origin, r.StatusCode, c.want)
			}
			if allowed := r.Header.Get("Access-Control-Allow-Origin"); (allowed != "") != (c.origin == appOrigin) {
				t.Errorf("origin %q is allowed %q", c.origin, allowed)
			}
			if r.Header.Get("Cache-Control") != "no-store" || r.Header.Get("X-Content-Type-Options") != "nosniff" {
				t.Errorf("headers %v", r.Header)
			}
		}
		if r := ask("GET", "/", "localhost", ""); r.StatusCode != 404 {
			t.Errorf("/: %d", r.StatusCode)
		}
		if r := ask("POST", "/kms/v1/enrol", "localhost", ""); r.StatusCode != 400 {
			t.Errorf("a body without its type: %d", r.StatusCode)
		}
		if r := ask("GET", "/healthz", "localhost", ""); r.StatusCode != 200 {
			t.Errorf("healthz: %d", r.StatusCode)
		}
		if err := os.Rename(w.dir+"/settings.db", w.dir+"/x"); err != nil {
			t.Fatal(err)
		}
		c := w.send("enrol", "", `{"code":"`+account.NewCode(account.KMS).Reveal()+`","jwk":`+jwk(t)+`}`)
		if c != kms.CodeUnavailable {
			t.Errorf("without a database: %s", c)
		}
		if err := os.Rename(w.dir+"/x", w.dir+"/settings.db"); err != nil {
			t.Fatal(err)
		}
	})
}

func jwk(t *testing.T) string {
	t.Helper()
	k, err := seal.NewJWK(&newKey(t).PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := json.Marshal(k)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// A row of the database moved to another resource does not open.
func TestMovedKeyDoesNotOpen(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := start(t)
		ctx := t.Context()
		connector, mallory := w.enrol(kms.Subject{Connector: "main"}), w.enrol(kms.Subject{User: "mallory@example.com"})
		victim, err := connector.Ensure(ctx, "hanako@example.com")
		if err != nil {
			t.Fatal(err)
		}
		own, err := connector.Ensure(ctx, "mallory@example.com")
		if err != nil {
			t.Fatal(err)
		}
		rows, err := w.store.WrappedKeys(ctx, []string{victim.Head.ID})
		if err != nil || len(rows) != 1 {
			t.Fatal(rows, err)
		}
		_, err = w.store.EnsureResource(ctx, store.Resource{ID: "x", Owner: "other@example.com", Connector: "main",
			Keys: []store.WrappedKey{{KID: own.Head.ID[:len(own.Head.ID)-1] + "0", Part: "h", Wrapped: rows[0].Wrapped}}})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := connector.Fetch(ctx, []string{own.Head.ID[:len(own.Head.ID)-1] + "0"}); code(err) != kms.CodeUnavailable {
			t.Errorf("a copied row opens: %v", err)
		}
		if !strings.Contains(w.log.String(), "changed by hand") {
			t.Errorf("the log does not say why: %s", w.log.String())
		}
		if keys, err := mallory.Fetch(ctx, []string{victim.Head.ID}); err != nil || len(keys) != 0 {
			t.Errorf("mallory got %v, %v", keys, err)
		}
	})
}

// Somebody who goes away before the answer is no fault of the server's.
func TestCallerGoesAway(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := start(t)
		d := w.enrol(kms.Subject{User: "a@example.com"})
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		r := httptest.NewRequestWithContext(ctx, http.MethodPost, "http://localhost/kms/v1/myResources", strings.NewReader("{}"))
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Authorization", sign(t, d, claims{"aud": d.id.Authority, "op": "myResources", "iat": time.Now().Unix()}, "{}"))
		w.server.ServeHTTP(httptest.NewRecorder(), r)
		w.stop()
		if log := w.log.String(); strings.Contains(log, "level=ERROR") || !strings.Contains(log, "went away") {
			t.Errorf("the log says:\n%s", log)
		}
		w.run()
	})
}
