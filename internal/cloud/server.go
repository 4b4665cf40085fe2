package cloud

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/koyomi-cal/koyomi/internal/account"
	"github.com/koyomi-cal/koyomi/internal/api"
	"github.com/koyomi-cal/koyomi/internal/store"
	"golang.org/x/sync/errgroup"
)

// Options are what a server needs.
type Options struct {
	Accounts store.Accounts // opened for this server alone; the caller closes both after Run
	Objects  store.Objects
	App      fs.FS         // the people's app, index.html at its root; nil: none is served
	Config   api.AppConfig // what the app is told; the key server's origin also goes into the content security policy
	Guard    account.Guard // host names of this server
	// Frames are origins that may show the app in a frame. None by default.
	Frames []string
	Logger *slog.Logger // nil: no log
}

// Server is the cloud: an http.Handler, and Run around it.
type Server struct {
	accounts store.Accounts
	objects  store.Objects
	guard    account.Guard
	log      *slog.Logger
	mux      *http.ServeMux
	app      *app
	hub      *hub

	// change is held from a write to the store until its events are handed
	// out, so that events leave in the order of their numbers.
	change sync.Mutex

	strangers *account.Limiter // by address: codes that were wrong and unknown credentials
	users     *account.Limiter // by account
}

const (
	pruneEvery    = time.Hour
	tombstoneLife = 45 * 24 * time.Hour // longer than the window of a calendar that is served
	shutdownFor   = 5 * time.Second
)

// New returns a server ready to serve or Run.
func New(o Options) (*Server, error) {
	s := &Server{
		accounts: o.Accounts, objects: o.Objects, guard: o.Guard, log: o.Logger,
		mux: http.NewServeMux(), hub: newHub(),
		strangers: account.NewLimiter(6*time.Second, 20, 10_000),
		users:     account.NewLimiter(50*time.Millisecond, 300, 100_000),
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	var err error
	if s.app, err = newApp(o.App, o.Config, o.Frames); err != nil {
		return nil, err
	}
	s.mux.HandleFunc("GET /healthz", s.health)
	s.mux.HandleFunc("POST /v1/redeem", s.redeem)
	s.route("GET /v1/me", "", (*Server).me)
	s.route("PUT /v1/resources/{resource}", api.Connector, (*Server).setDelivery)
	s.route("GET /v1/resources/{resource}/items", "", (*Server).items)
	s.route("PUT /v1/resources/{resource}/items/{item}/{part}", api.Connector, (*Server).putPart)
	s.route("DELETE /v1/resources/{resource}/items/{item}", api.Connector, (*Server).deleteItem)
	s.route("GET /v1/events", "", (*Server).events)
	s.mux.HandleFunc("/v1/", func(w http.ResponseWriter, _ *http.Request) { s.fail(w, notFound()) })
	s.mux.Handle("/", s.app)
	return s, nil
}

// Run serves on the listener until the context ends, then ends the event
// streams and lets running requests finish. It closes the listener.
func (s *Server) Run(ctx context.Context, l net.Listener) error {
	srv := &http.Server{
		Handler:           s,
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       time.Minute,
		WriteTimeout:      time.Minute,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
	}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		if err := srv.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			return fmt.Errorf("cloud: %w", err)
		}
		return nil
	})
	g.Go(func() error {
		<-ctx.Done()
		s.hub.close()
		stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownFor)
		defer cancel()
		if err := srv.Shutdown(stop); err != nil {
			return srv.Close()
		}
		return nil
	})
	g.Go(func() error { s.prune(ctx); return nil })
	return g.Wait()
}

// prune forgets codes and tombstones that are too old to matter.
func (s *Server) prune(ctx context.Context) {
	for {
		now := time.Now()
		err := errors.Join(s.accounts.Prune(ctx, now), s.objects.Prune(ctx, now.Add(-tombstoneLife)))
		if err != nil && ctx.Err() == nil {
			s.log.Error("cloud cannot prune", "error", err)
		}
		t := time.NewTimer(pruneEvery)
		select {
		case <-ctx.Done():
			t.Stop()
			return
		case <-t.C:
		}
	}
}

// ServeHTTP answers one request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
	if no := s.guard.Check(r); no != nil {
		s.fail(w, refuse(no.Status, no.Code, no.Message))
		return
	}
	s.mux.ServeHTTP(w, r)
}

// call is one authenticated request.
type call struct {
	w        http.ResponseWriter
	r        *http.Request
	account  store.Account
	resource string // from the path, in form; empty if there is none
}

// route registers a handler behind authentication. A handler returns what to
// answer, or nil if it has answered itself.
func (s *Server) route(pattern string, role api.Role, handle func(*Server, *call) (any, error)) {
	s.mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
		begin := time.Now()
		c := &call{w: w, r: r}
		answer, err := func() (any, error) {
			var err error
			if c.account, err = s.authenticate(r); err != nil {
				return nil, err
			}
			if role != "" && api.Role(c.account.Role) != role {
				return nil, refuse(http.StatusForbidden, api.CodeForbidden, "this is for a "+string(role)+"'s account")
			}
			if res := r.PathValue("resource"); res != "" {
				if !api.ValidID(res) {
					return nil, notFound()
				}
				c.resource = res
			}
			return handle(s, c)
		}()
		status := http.StatusOK
		switch {
		case err != nil:
			status = s.fail(w, err)
		case answer != nil:
			s.reply(w, answer)
		}
		s.log.Debug("request", "route", pattern, "account", c.account.ID, "resource", c.resource, "status", status, "took", time.Since(begin))
	})
}

// authenticate finds out whose credential came with a request.
func (s *Server) authenticate(r *http.Request) (store.Account, error) {
	text, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if ok && api.ValidCredential(text) {
		a, err := s.accounts.Account(r.Context(), sha256.Sum256([]byte(text)))
		switch {
		case errors.Is(err, store.ErrNotFound):
		case err != nil:
			return store.Account{}, s.unavailable(err)
		default:
			return a, s.withinRate(a)
		}
	}
	if wait, ok := s.strangers.Allow(account.RemoteKey(r)); !ok {
		return store.Account{}, tooMany(wait)
	}
	return store.Account{}, refuse(http.StatusUnauthorized, api.CodeUnauthorized, "this credential is not known; redeem a new one-time code")
}

// withinRate keeps people's devices to a rate. Connectors bring what their
// calendars bring.
func (s *Server) withinRate(a store.Account) error {
	if api.Role(a.Role) == api.Connector {
		return nil
	}
	if wait, ok := s.users.Allow(a.ID); !ok {
		return tooMany(wait)
	}
	return nil
}

func (s *Server) health(w http.ResponseWriter, r *http.Request) {
	if err := errors.Join(s.accounts.Ping(r.Context()), s.objects.Ping(r.Context())); err != nil {
		s.fail(w, s.unavailable(err))
		return
	}
	s.reply(w, map[string]bool{"ok": true})
}

// fault is an error on its way to the client.
type fault struct {
	status     int
	code       string
	message    string
	rev        int64
	retryAfter time.Duration
}

func (f *fault) Error() string { return f.message }

func refuse(status int, code, message string) *fault {
	return &fault{status: status, code: code, message: message}
}

func badRequest(message string) *fault {
	return refuse(http.StatusBadRequest, api.CodeBadRequest, message)
}

// notFound answers for what does not exist and for what is not the caller's
// alike.
func notFound() *fault {
	return refuse(http.StatusNotFound, api.CodeNotFound, "there is nothing there for this account")
}

func tooMany(wait time.Duration) *fault {
	f := refuse(http.StatusTooManyRequests, api.CodeTooMany, "too many requests; wait, then try again")
	f.retryAfter = wait
	return f
}

// unavailable logs what is wrong with the store and tells the caller that
// something is. A caller who went away is told nothing.
func (s *Server) unavailable(err error) *fault {
	if errors.Is(err, context.Canceled) {
		s.log.Debug("the caller went away")
	} else {
		s.log.Error("cloud cannot answer", "error", err)
	}
	return refuse(http.StatusServiceUnavailable, api.CodeUnavailable, "the cloud cannot use its database; its log says why")
}

// explain turns the store's errors into faults.
func (s *Server) explain(err error) error {
	stale, isStale := errors.AsType[*store.StaleError](err)
	switch {
	case err == nil:
		return nil
	case isStale:
		f := refuse(http.StatusConflict, api.CodeStale, "a newer revision is stored")
		f.rev = stale.Rev
		return f
	case errors.Is(err, store.ErrNotFound):
		return notFound()
	case errors.Is(err, store.ErrReset):
		return refuse(http.StatusGone, api.CodeReset, "this cursor is too old; begin again with 0")
	}
	return s.unavailable(err)
}

func (s *Server) reply(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(w).Encode(v); err != nil {
		s.log.Debug("answer broke off", "error", err)
	}
}

// fail answers with an error and returns the status.
func (s *Server) fail(w http.ResponseWriter, err error) int {
	f, ok := errors.AsType[*fault](err)
	if !ok {
		f = s.unavailable(err)
	}
	var body api.ErrorBody
	body.Error.Code, body.Error.Message, body.Rev = f.code, f.message, f.rev
	w.Header().Set("Content-Type", "application/json")
	if f.retryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(f.retryAfter.Seconds()))))
	}
	w.WriteHeader(f.status)
	if err := json.NewEncoder(w).Encode(body); err != nil {
		s.log.Debug("answer broke off", "error", err)
	}
	return f.status
}
