package kms_test

import (
	"crypto/elliptic"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/koyomi-cal/koyomi/internal/account"
	"github.com/koyomi-cal/koyomi/internal/kms"
	"github.com/koyomi-cal/koyomi/internal/seal"
)

// A cloud, or whoever sits on the line, that sends again whatever it has seen
// and plays whatever it holds gets no key: not at once, not after a restart of
// the key server, not later.
func TestReplayGetsNoKey(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := start(t)
		ctx := t.Context()
		connector, user := w.enrol(kms.Subject{Connector: "main"}), w.enrol(kms.Subject{User: "a@example.com"})
		res, err := connector.Ensure(ctx, "a@example.com")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := user.Mine(ctx); err != nil {
			t.Fatal(err)
		}
		if _, err := user.Fetch(ctx, []string{res.Head.ID}); err != nil {
			t.Fatal(err)
		}
		item := seal.ItemID(res.Index, "uid")
		jwe, err := seal.Seal(res.Head, seal.Header{Org: res.Org, Resource: res.ID, Item: item, Part: "h", Rev: 1}, []byte(`{}`))
		if err != nil {
			t.Fatal(err)
		}
		seen := slices.Clone(w.seen)
		if len(seen) < 5 {
			t.Fatalf("only %d requests were seen", len(seen))
		}
		// What a cloud has of its own: credentials, ids, sealed parts, key ids.
		credential := b64(sum("a credential"))
		holds := []string{credential, res.ID, res.Org, item, jwe, res.Head.ID, account.NewCode(account.Cloud).Reveal(), w.server.Authority()}

		attack := func(when string) {
			post := func(path, auth, body string) (int, string) {
				time.Sleep(7 * time.Second) // below what slows an address down, so that every answer counts
				status, answer := w.post(path, auth, body)
				if status == http.StatusTooManyRequests {
					t.Fatal("the attack was slowed down and shows nothing")
				}
				return status, answer
			}
			check := func(what string, status int, answer string) {
				if status == http.StatusOK || strings.Contains(answer, `"k"`) || strings.Contains(answer, `"ik"`) {
					t.Errorf("%s, %s: %d %s", when, what, status, answer)
				}
			}
			for _, r := range seen {
				if r.path == "/kms/v1/enrol" {
					status, answer := post(r.path, r.auth, strings.Replace(r.body, `"x":"`, `"x":"A`, 1))
					check("an enrolment for a key that is none", status, answer)
					var e map[string]any
					if err := json.Unmarshal([]byte(r.body), &e); err != nil {
						t.Fatal(err)
					}
					jwk, err := seal.NewJWK(&newKey(t).PublicKey)
					if err != nil {
						t.Fatal(err)
					}
					e["jwk"] = jwk
					changed, err := json.Marshal(e)
					if err != nil {
						t.Fatal(err)
					}
					status, answer = post(r.path, "", string(changed))
					check("a spent code for a key of its own", status, answer)
					continue
				}
				status, answer := post(r.path, r.auth, r.body)
				check("the same request", status, answer)
				for _, op := range []string{"ensureResource", "myResources", "getKeys"} {
					for _, body := range []string{r.body, `{}`, `{"owner":"a@example.com"}`, `{"kids":["` + res.Head.ID + `"]}`} {
						if "/kms/v1/"+op == r.path && body == r.body {
							continue
						}
						status, answer := post("/kms/v1/"+op, r.auth, body)
						check("its signature on another request", status, answer)
					}
				}
				// The same signature in its other form: (r, s) and (r, n-s) both verify.
				status, answer = post(r.path, "KMS-JWS "+otherForm(t, strings.TrimPrefix(r.auth, "KMS-JWS ")), r.body)
				check("its signature in another form", status, answer)
			}
			for _, h := range holds {
				for _, auth := range []string{"Bearer " + h, "KMS-JWS " + h, h} {
					status, answer := post("/kms/v1/getKeys", auth, `{"kids":["`+res.Head.ID+`"]}`)
					check("what the cloud holds, as authorization", status, answer)
				}
				body, err := json.Marshal(map[string]any{"code": h, "jwk": map[string]string{"kty": "EC", "crv": "P-256"}})
				if err != nil {
					t.Fatal(err)
				}
				status, answer := post("/kms/v1/enrol", "", string(body))
				check("what the cloud holds, as a code", status, answer)
			}
		}
		// A first round at once, so that every nonce is still within its time.
		for _, r := range seen {
			if r.auth == "" {
				continue
			}
			if got := w.send(strings.TrimPrefix(r.path, "/kms/v1/"), r.auth, r.body); got != kms.CodeReplay {
				t.Errorf("at once: %s %s", r.path, got)
			}
		}
		w.stop()
		w.run()
		for _, r := range seen {
			if r.auth == "" {
				continue
			}
			if got := w.send(strings.TrimPrefix(r.path, "/kms/v1/"), r.auth, r.body); got != kms.CodeReplay {
				t.Errorf("after a restart: %s %s", r.path, got)
			}
		}
		attack("after a restart")
		time.Sleep(24 * time.Hour)
		attack("a day later")
	})
}

// otherForm turns an ES256 signature (r, s) into (r, n-s).
func otherForm(t *testing.T, jws string) string {
	t.Helper()
	i := strings.LastIndexByte(jws, '.')
	raw, err := base64.RawURLEncoding.DecodeString(jws[i+1:])
	if err != nil {
		t.Fatal(err)
	}
	n := elliptic.P256().Params().N.Bytes()
	borrow := 0
	for j := 31; j >= 0; j-- {
		d := int(n[j]) - int(raw[32+j]) - borrow
		borrow = 0
		if d < 0 {
			d, borrow = d+256, 1
		}
		raw[32+j] = byte(d)
	}
	return jws[:i+1] + b64(raw)
}
