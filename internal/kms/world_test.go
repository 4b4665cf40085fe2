package kms_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/koyomi-cal/koyomi/internal/account"
	"github.com/koyomi-cal/koyomi/internal/account/accounttest"
	"github.com/koyomi-cal/koyomi/internal/kms"
	"github.com/koyomi-cal/koyomi/internal/seal"
	"github.com/koyomi-cal/koyomi/internal/store/sqlite"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const appOrigin = "https://calendar.example.com"

// world is a running key server in memory.
type world struct {
	t        *testing.T
	dir      string
	store    *sqlite.KMS
	server   *kms.Server
	listener *accounttest.Listener
	log      bytes.Buffer
	stop     func()

	mu   sync.Mutex
	seen []recorded // every request that went over the wire
}

type recorded struct {
	path, auth, body string
}

// start runs a key server for the length of a test, inside a synctest bubble.
func start(t *testing.T) *world {
	w := &world{t: t, dir: t.TempDir()}
	w.run()
	t.Cleanup(func() { w.stop() })
	return w
}

func (w *world) run() {
	w.t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(w.t.Context()))
	var err error
	if w.store, err = sqlite.OpenKMS(ctx, sqlite.Options{Path: w.dir + "/settings.db", Exclusive: true}); err != nil {
		w.t.Fatal(err)
	}
	w.server, err = kms.New(ctx, kms.Options{
		Store: w.store, MasterFile: w.dir + "/keys/master.key",
		Guard:  account.Guard{Origins: []string{appOrigin}},
		Logger: slog.New(slog.NewTextHandler(&w.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	})
	if err != nil {
		w.t.Fatal(err)
	}
	w.listener = accounttest.Listen()
	done := make(chan error)
	go func() { done <- w.server.Run(ctx, w.listener) }()
	w.stop = func() {
		cancel()
		if err := errors.Join(<-done, w.store.Close()); err != nil {
			w.t.Error("stop:", err)
		}
	}
}

// RoundTrip sends a request to the server as it runs now, and writes it down.
func (w *world) RoundTrip(r *http.Request) (*http.Response, error) {
	body := ""
	if r.Body != nil {
		raw, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		body = string(raw)
		r = r.Clone(r.Context())
		r.Body = io.NopCloser(strings.NewReader(body))
	}
	w.mu.Lock()
	w.seen = append(w.seen, recorded{r.URL.Path, r.Header.Get("Authorization"), body})
	w.mu.Unlock()
	tr := w.listener.Transport()
	tr.DisableKeepAlives = true
	return tr.RoundTrip(r)
}

// device is a client with its key and identity.
type device struct {
	*kms.Client
	key *ecdsa.PrivateKey
	id  kms.Identity
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func (w *world) enrol(who kms.Subject) device {
	w.t.Helper()
	code, err := kms.Enrol(w.t.Context(), w.store, who)
	if err != nil {
		w.t.Fatal(err)
	}
	o := kms.ClientOptions{URL: "http://localhost", Key: newKey(w.t), Transport: w}
	if o.Identity, err = kms.Redeem(w.t.Context(), o, code.Reveal()); err != nil {
		w.t.Fatal(err)
	}
	c, err := kms.NewClient(o)
	if err != nil {
		w.t.Fatal(err)
	}
	return device{c, o.Key, o.Identity}
}

func code(err error) string {
	if e, ok := errors.AsType[*kms.Error](err); ok {
		return e.Code
	}
	return fmt.Sprint(err)
}

// claims is what a request's signature covers.
type claims map[string]any

// sign makes the Authorization header of a request. The body's hash and a fresh
// nonce are added where the claims have none.
func sign(t *testing.T, d device, c claims, body string) string {
	t.Helper()
	full := claims{"bh": b64(sum(body)), "jti": account.NewID()}
	for k, v := range c {
		full[k] = v
	}
	payload, err := json.Marshal(full)
	if err != nil {
		t.Fatal(err)
	}
	s, err := seal.SignJWS(d.key, d.id.Instance, "koyomi-kms+jws", payload)
	if err != nil {
		t.Fatal(err)
	}
	return "KMS-JWS " + s
}

func sum(s string) []byte {
	h := sha256.Sum256([]byte(s))
	return h[:]
}

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

// send sends a request with this Authorization and returns the error's code, or
// "ok".
func (w *world) send(op, auth, body string) string {
	w.t.Helper()
	status, raw := w.post("/kms/v1/"+op, auth, body)
	if status == http.StatusOK {
		return "ok"
	}
	var e struct {
		Error struct{ Code, Message string }
	}
	if err := json.Unmarshal([]byte(raw), &e); err != nil || e.Error.Code == "" || e.Error.Message == "" {
		w.t.Errorf("an error that is none: %d %s", status, raw)
	}
	return e.Error.Code
}

func (w *world) post(path, auth, body string) (int, string) {
	w.t.Helper()
	req, err := http.NewRequest(http.MethodPost, "http://localhost"+path, strings.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	if auth != "" {
		req.Header.Set("Authorization", auth)
	}
	resp, err := w.RoundTrip(req)
	if err != nil {
		w.t.Fatal(err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return resp.StatusCode, string(raw)
}
