package kms

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"mime"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/koyomi-cal/koyomi/internal/account"
	"github.com/koyomi-cal/koyomi/internal/seal"
	"github.com/koyomi-cal/koyomi/internal/store"
	"golang.org/x/sync/errgroup"
)

// Options are what a server needs.
type Options struct {
	Store      store.KMS     // opened for this server alone; the caller closes it after Run
	MasterFile string        // the master key's file; made at the first start
	Guard      account.Guard // host names of this server, and the app's origins, which browsers may call from
	Logger     *slog.Logger  // nil: no log
}

// Server is the key server: an http.Handler, and Run around it.
type Server struct {
	store     store.KMS
	master    *Master
	authority string
	org       string
	guard     account.Guard
	log       *slog.Logger
	mux       *http.ServeMux

	strangers *account.Limiter // by address: codes that were wrong and requests that were not authenticated
	instances *account.Limiter // by instance: everything else
}

const (
	clockPast   = 300 * time.Second
	clockAhead  = 60 * time.Second
	pruneEvery  = 5 * time.Minute
	shutdownFor = 5 * time.Second
)

// New returns a server ready to serve or Run. At the first start it makes the
// authority's name and the master key. It fails with ErrMaster or with the
// store's errors.
func New(ctx context.Context, o Options) (*Server, error) {
	s := &Server{
		store: o.Store, guard: o.Guard, log: o.Logger, mux: http.NewServeMux(),
		strangers: account.NewLimiter(6*time.Second, 20, 10_000),
		instances: account.NewLimiter(10*time.Millisecond, 1000, 100_000),
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	if err := s.loadMaster(ctx, o.MasterFile); err != nil {
		return nil, err
	}
	for name, value := range map[string]*string{"authority": &s.authority, "org": &s.org} {
		v, err := s.store.InitValue(ctx, name, []byte(account.NewID()))
		if err != nil {
			return nil, err
		}
		*value = string(v)
	}
	s.mux.HandleFunc("GET /healthz", s.health)
	s.mux.HandleFunc("GET "+pathDescriptor, s.describe)
	s.mux.HandleFunc("POST "+pathEnrol, s.enrol)
	s.mux.HandleFunc("POST "+pathPrefix+"{op}", s.operate)
	s.mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		s.fail(w, refuse(http.StatusNotFound, CodeNotFound, "the key server has nothing there"))
	})
	return s, nil
}

// loadMaster makes the master key only for a database that has none yet: for
// any other, a missing file is an accident that a new key would seal.
func (s *Server) loadMaster(ctx context.Context, path string) error {
	_, err := s.store.Value(ctx, "master")
	fresh := errors.Is(err, store.ErrNotFound)
	if err != nil && !fresh {
		return err
	}
	if s.master, err = LoadMaster(path, fresh); err != nil {
		return err
	}
	check, err := s.store.InitValue(ctx, "master", s.master.check)
	if err != nil {
		return err
	}
	if subtle.ConstantTimeCompare(check, s.master.check) == 0 {
		return fmt.Errorf("%w: %s is another one than the database was made under: put the right file back", ErrMaster, path)
	}
	return nil
}

// Authority returns the server's name in every key id.
func (s *Server) Authority() string { return s.authority }

// Org returns the organisation's opaque id.
func (s *Server) Org() string { return s.org }

// Run serves on the listener until the context ends, then lets running requests
// finish. It closes the listener.
func (s *Server) Run(ctx context.Context, l net.Listener) error {
	srv := &http.Server{
		Handler:           s,
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       30 * time.Second,
		WriteTimeout:      30 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
	}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		if err := srv.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			return fmt.Errorf("key server: %w", err)
		}
		return nil
	})
	g.Go(func() error {
		<-ctx.Done()
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

// prune forgets nonces and codes that are too old to matter.
func (s *Server) prune(ctx context.Context) {
	for {
		if err := s.store.Prune(ctx, time.Now()); err != nil && ctx.Err() == nil {
			s.log.Error("key server cannot prune", "error", err)
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
	h.Add("Vary", "Origin")
	if no := s.guard.Check(r); no != nil {
		s.fail(w, refuse(no.Status, no.Code, no.Message))
		return
	}
	if origin := r.Header.Get("Origin"); s.guard.Allowed(origin) {
		h.Set("Access-Control-Allow-Origin", origin)
		h.Set("Access-Control-Expose-Headers", "Retry-After")
		if r.Method == http.MethodOptions {
			h.Set("Access-Control-Allow-Methods", "GET, POST")
			h.Set("Access-Control-Allow-Headers", "Authorization, Content-Type")
			h.Set("Access-Control-Max-Age", "600")
			w.WriteHeader(http.StatusNoContent)
			return
		}
	}
	s.mux.ServeHTTP(w, r)
}

func (s *Server) health(w http.ResponseWriter, r *http.Request) {
	if _, err := s.store.Value(r.Context(), "authority"); err != nil {
		s.fail(w, s.unavailable("healthz", err))
		return
	}
	s.reply(w, map[string]bool{"ok": true})
}

func (s *Server) describe(w http.ResponseWriter, _ *http.Request) {
	s.reply(w, descriptor{s.authority, s.org})
}

// enrol redeems a one-time code.
func (s *Server) enrol(w http.ResponseWriter, r *http.Request) {
	from := account.RemoteKey(r)
	if wait, spent := s.strangers.Spent(from); spent {
		s.fail(w, tooMany(wait))
		return
	}
	var req enrolRequest
	body, err := readBody(w, r)
	if err == nil {
		err = decode(body, &req, false) // a browser's JWK has fields of its own
	}
	if err != nil {
		s.fail(w, err)
		return
	}
	answer, err := s.redeem(r.Context(), req)
	if err != nil {
		s.strangers.Allow(from)
		s.fail(w, err)
		return
	}
	s.log.Info("instance enrolled", "instance", answer.Instance, "role", answer.Role)
	s.reply(w, answer)
}

func (s *Server) redeem(ctx context.Context, req enrolRequest) (enrolAnswer, error) {
	pub, err := req.JWK.PublicKey()
	if err != nil {
		return enrolAnswer{}, badRequest("the key is not a public P-256 key as JWK")
	}
	point, err := pub.Bytes()
	if err != nil {
		return enrolAnswer{}, badRequest("the key is not a public P-256 key as JWK")
	}
	code, err := account.ParseCode(account.KMS, req.Code)
	if err != nil {
		return enrolAnswer{}, badRequest("this is " + err.Error())
	}
	in, err := s.store.Enrol(ctx, code.ID, code.Hash, store.Instance{ID: account.NewID(), Public: point, At: time.Now()})
	if errors.Is(err, store.ErrCode) {
		return enrolAnswer{}, refuse(http.StatusForbidden, CodeInvalidCode,
			"this one-time code does not exist, was used, is older than 30 minutes, or was tried wrongly five times; ask for a new one")
	}
	if err != nil {
		return enrolAnswer{}, s.unavailable("enrol", err)
	}
	a := enrolAnswer{Instance: in.ID, Authority: s.authority, Org: s.org, Role: Role(in.Role)}
	if a.Role == User {
		a.User = in.Subject
	} else {
		a.Connector = in.Subject
	}
	return a, nil
}

// operate authenticates a request and carries it out.
func (s *Server) operate(w http.ResponseWriter, r *http.Request) {
	op := r.PathValue("op")
	begin := time.Now()
	instance := ""
	answer, err := func() (any, error) {
		body, err := readBody(w, r)
		if err != nil {
			return nil, err
		}
		in, err := s.authenticate(r, op, body)
		if err != nil {
			return nil, err
		}
		instance = in.ID
		if wait, ok := s.instances.Allow(in.ID); !ok {
			return nil, tooMany(wait)
		}
		return s.carryOut(r.Context(), in, op, body)
	}()
	status := http.StatusOK
	if err != nil {
		status = s.fail(w, err)
	} else {
		s.reply(w, answer)
	}
	if status == http.StatusNotFound || instance == "" {
		op = "" // what a stranger wrote does not reach the log
	}
	s.log.Debug("key request", "op", op, "instance", instance, "status", status, "took", time.Since(begin))
}

// authenticate finds out whose request this is, and that it is new.
func (s *Server) authenticate(r *http.Request, op string, body []byte) (store.Instance, error) {
	in, c, err := s.verify(r)
	if err != nil {
		if e, ok := errors.AsType[*Error](err); ok && e.Code == CodeUnauthorized {
			if wait, ok := s.strangers.Allow(account.RemoteKey(r)); !ok {
				return store.Instance{}, tooMany(wait)
			}
		}
		return store.Instance{}, err
	}
	hash := sha256.Sum256(body)
	now := time.Now()
	issued := time.Unix(c.IssuedAt, 0)
	nonce, err := encoding.DecodeString(c.Nonce)
	switch {
	case c.Authority != s.authority || c.Op != op || c.BodyHash != encoding.EncodeToString(hash[:]):
		return store.Instance{}, unauthorized()
	case err != nil || len(nonce) != 16 || strings.ContainsAny(c.Nonce, "\r\n"):
		return store.Instance{}, badRequest("the nonce is not 16 bytes in base64url")
	case issued.Before(now.Add(-clockPast)) || issued.After(now.Add(clockAhead)):
		e := refuse(http.StatusTooEarly, CodeClock, "the caller's clock is wrong, or the request is an old one; set the clock")
		e.now = now.Unix()
		return store.Instance{}, e
	}
	fresh, err := s.store.UseNonce(r.Context(), in.ID, c.Nonce, issued.Add(clockPast+time.Second))
	if err != nil {
		return store.Instance{}, s.unavailable(op, err)
	}
	if !fresh {
		return store.Instance{}, refuse(http.StatusUnauthorized, CodeReplay, "this request was here before; sign a new one")
	}
	return in, nil
}

// verify checks the signature of a request and returns what was signed.
func (s *Server) verify(r *http.Request) (in store.Instance, c claims, err error) {
	token, ok := strings.CutPrefix(r.Header.Get("Authorization"), scheme)
	if !ok {
		return in, c, unauthorized()
	}
	jws, err := seal.ParseJWS(token)
	if err != nil {
		return in, c, unauthorized()
	}
	in, err = s.store.Instance(r.Context(), jws.KeyID)
	if errors.Is(err, store.ErrNotFound) {
		return in, c, unauthorized()
	}
	if err != nil {
		return in, c, s.unavailable("authenticate", err)
	}
	pub, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), in.Public)
	if err != nil {
		return in, c, s.unavailable("authenticate", err)
	}
	payload, err := jws.Verify(pub, requestType)
	if err != nil {
		return in, c, unauthorized()
	}
	if err := decode(payload, &c, true); err != nil {
		return in, c, err
	}
	return in, c, nil
}

func unauthorized() *Error {
	return refuse(http.StatusUnauthorized, CodeUnauthorized, "no instance of this key server signed this request for it; enrol with a new one-time code")
}

func tooMany(wait time.Duration) *Error {
	e := refuse(http.StatusTooManyRequests, CodeTooMany, "too many requests; wait, then try again")
	e.RetryAfter = wait
	return e
}

// unavailable logs what is wrong with the store and tells the caller that
// something is. A caller who went away is told nothing.
func (s *Server) unavailable(op string, err error) *Error {
	if errors.Is(err, context.Canceled) {
		s.log.Debug("the caller went away", "op", op)
	} else {
		s.log.Error("key server cannot answer", "op", op, "error", err)
	}
	return refuse(http.StatusServiceUnavailable, CodeUnavailable, "the key server cannot use its database; its log says why")
}

// readBody reads a JSON body within the limit.
func readBody(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != "application/json" {
		return nil, badRequest("the request's Content-Type is not application/json")
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if _, big := errors.AsType[*http.MaxBytesError](err); big {
		return nil, refuse(http.StatusRequestEntityTooLarge, CodeTooLarge, "the request is larger than 64 KiB")
	}
	if err != nil {
		return nil, badRequest("the request broke off")
	}
	return body, nil
}

// decode reads one JSON value, with known fields only if strict.
func decode(body []byte, into any, strict bool) error {
	d := json.NewDecoder(strings.NewReader(string(body)))
	if strict {
		d.DisallowUnknownFields()
	}
	if err := d.Decode(into); err != nil {
		return badRequest("the request is not the JSON that this operation takes")
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return badRequest("the request has something after its JSON")
	}
	return nil
}

func (s *Server) reply(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(w).Encode(v); err != nil {
		s.log.Debug("answer broke off", "error", err)
	}
}

// fail answers with an error and returns the status.
func (s *Server) fail(w http.ResponseWriter, err error) int {
	e, ok := errors.AsType[*Error](err)
	if !ok {
		e = s.unavailable("", err)
	}
	var body wireError
	body.Error.Code, body.Error.Message, body.Now = e.Code, e.Message, e.now
	w.Header().Set("Content-Type", "application/json")
	if e.RetryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(e.RetryAfter.Seconds()))))
	}
	w.WriteHeader(e.Status)
	if err := json.NewEncoder(w).Encode(body); err != nil {
		s.log.Debug("answer broke off", "error", err)
	}
	return e.Status
}

// newKeyID names a new key: kms:AUTHORITY/UUID, the UUID of version 4 (RFC 9562).
func (s *Server) newKeyID() string {
	var u [16]byte
	rand.Read(u[:]) // never fails, by its contract
	u[6] = u[6]&0x0f | 0x40
	u[8] = u[8]&0x3f | 0x80
	return fmt.Sprintf("kms:%s/%x-%x-%x-%x-%x", s.authority, u[:4], u[4:6], u[6:8], u[8:10], u[10:])
}
