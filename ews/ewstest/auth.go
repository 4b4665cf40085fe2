package ewstest

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/koyomi-cal/koyomi/ews/internal/ntlm"
)

// The ways to sign in, for [Options.Auth].
const (
	AuthBasic     = "basic"
	AuthNTLM      = "ntlm"
	AuthNegotiate = "negotiate" // Kerberos by Options.Kerberos, and NTLM
	AuthOAuth     = "oauth"     // tokens from [TokenPath]
)

// The settings of Extended Protection, for [Options.ExtendedProtection].
const (
	ProtectionOff     = "off"     // channel bindings are not looked at
	ProtectionAllow   = "allow"   // a wrong one is refused; none is taken
	ProtectionRequire = "require" // only the right one is taken, and only over TLS
)

// Ticket is what a service makes of a Kerberos token.
type Ticket struct {
	Login   string // address or DOMAIN\name
	Binding []byte // hash of the client's channel bindings; nil: it gave none
	Reply   []byte // the service's token in return; may be nil
}

// lockoutTime is how long wrong passwords count, and an account stays locked.
const lockoutTime = 30 * time.Minute

// checkAuth fills in the defaults of the options for signing in.
func (o *Options) checkAuth() error {
	if len(o.Auth) == 0 {
		o.Auth = []string{AuthBasic}
	}
	for _, a := range o.Auth {
		if !slices.Contains([]string{AuthBasic, AuthNTLM, AuthNegotiate, AuthOAuth}, a) {
			return fmt.Errorf("there is no way to sign in called %q; use basic, ntlm, negotiate or oauth", a)
		}
	}
	if o.ExtendedProtection == "" {
		o.ExtendedProtection = ProtectionAllow
	}
	if !slices.Contains([]string{ProtectionOff, ProtectionAllow, ProtectionRequire}, o.ExtendedProtection) {
		return fmt.Errorf("extended protection is off, allow or require, not %q", o.ExtendedProtection)
	}
	return nil
}

// ParseAuth reads a list of ways to sign in such as "basic,ntlm".
func ParseAuth(list string) ([]string, error) {
	o := Options{Auth: strings.FieldsFunc(strings.ToLower(list), func(r rune) bool { return r == ',' || r == ' ' })}
	return o.Auth, o.checkAuth()
}

// signIn is what a connection is signed in as, and how far it has come.
type signIn struct {
	mu               sync.Mutex
	login            string // "": not signed in
	hello, challenge []byte // of a sign-in that is under way
}

type signInKey struct{}

// connContext gives each connection its sign-in.
func connContext(ctx context.Context, _ net.Conn) context.Context {
	return context.WithValue(ctx, signInKey{}, &signIn{})
}

// offer names the ways to sign in, in the order of IIS.
func (s *Server) offer(h http.Header) {
	for _, way := range []struct{ name, value string }{
		{AuthNegotiate, "Negotiate"}, {AuthNTLM, "NTLM"}, {AuthOAuth, `Bearer client_id="00000002-0000-0ff1-ce00-000000000000"`}, {AuthBasic, `Basic realm="` + s.opt.Host + `"`},
	} {
		if slices.Contains(s.opt.Auth, way.name) {
			h.Add("WWW-Authenticate", way.value)
		}
	}
}

// authenticate returns the lower-case login of a request and its mailbox, if it
// has one. Where the request is not let in, it sets the headers of the answer.
func (s *Server) authenticate(w http.ResponseWriter, r *http.Request) (login string, box *mailbox, ok bool) {
	state, _ := r.Context().Value(signInKey{}).(*signIn)
	if state == nil {
		state = &signIn{} // the handler runs in a server of somebody else's: only Basic can work
	}
	state.mu.Lock()
	defer state.mu.Unlock()
	scheme, data, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	offered := func(way string) bool { return slices.Contains(s.opt.Auth, way) }
	switch scheme = strings.ToLower(scheme); {
	case scheme == "" && state.login != "":
		login, ok = state.login, true
	case scheme == "basic" && offered(AuthBasic):
		login, ok = s.byPassword(r)
	case scheme == "bearer" && offered(AuthOAuth):
		if login, ok = s.byBearer(data); !ok {
			w.Header().Set("X-Ms-Diagnostics", `2000003;reason="The token is not valid.";error_category="invalid_token"`)
		}
	case scheme == "ntlm" && offered(AuthNTLM), scheme == "negotiate" && offered(AuthNegotiate):
		state.login = ""
		if login, ok = s.byToken(w, r, state, scheme, data); ok {
			state.login = login
			w.Header().Set("Persistent-Auth", "true")
		}
	}
	if !ok {
		if w.Header().Get("WWW-Authenticate") == "" {
			s.offer(w.Header())
		}
		return login, nil, false
	}
	_, box, ok = s.account(login)
	return login, box, ok
}

// byPassword checks a login with Basic.
func (s *Server) byPassword(r *http.Request) (string, bool) {
	user, password, has := r.BasicAuth()
	if !has {
		return "", false
	}
	login := s.loginOf(user)
	want, _, known := s.account(login)
	return login, s.attempt(login, known && want.is(password))
}

// byToken takes a sign-in with NTLM or Kerberos one step further.
func (s *Server) byToken(w http.ResponseWriter, r *http.Request, state *signIn, scheme, data string) (string, bool) {
	token, err := base64.StdEncoding.DecodeString(strings.TrimSpace(data))
	if err != nil {
		return "", false
	}
	name := map[string]string{"ntlm": "NTLM ", "negotiate": "Negotiate "}[scheme]
	hello, challenge := state.hello, state.challenge
	state.hello, state.challenge = nil, nil
	switch ntlm.Kind(token) {
	case 1:
		var nonce [8]byte
		rand.Read(nonce[:]) // never fails
		domain, _, _ := strings.Cut(s.opt.Domain, ".")
		computer, _, _ := strings.Cut(s.opt.Host, ".")
		challenge, err := ntlm.NewChallenge(token, nonce, strings.ToUpper(domain), strings.ToUpper(computer), s.opt.Domain, s.opt.Now())
		if err == nil {
			state.hello, state.challenge = token, challenge
			w.Header().Set("WWW-Authenticate", name+base64.StdEncoding.EncodeToString(challenge))
		}
		return "", false
	case 3:
		return s.byNTLM(r, hello, challenge, token)
	}
	if scheme != "negotiate" || s.opt.Kerberos == nil {
		return "", false
	}
	ticket, err := s.opt.Kerberos(token)
	login := s.loginOf(ticket.Login)
	if _, _, known := s.account(login); err != nil || !known || !s.bound(r, ticket.Binding, ticket.Binding != nil) {
		return "", false
	}
	if ticket.Reply != nil {
		w.Header().Set("WWW-Authenticate", name+base64.StdEncoding.EncodeToString(ticket.Reply))
	}
	return login, true
}

// byNTLM checks the third message.
func (s *Server) byNTLM(r *http.Request, hello, challenge, token []byte) (string, bool) {
	a, err := ntlm.ParseAuthenticate(token)
	if err != nil || challenge == nil {
		return "", false // NTLMv1, or an answer to nothing: another connection's
	}
	user := a.User
	if a.Domain != "" && !strings.Contains(user, "@") {
		user = a.Domain + `\` + user
	}
	login := s.loginOf(user)
	want, _, known := s.account(login)
	err = a.Verify(hello, challenge, ntlm.NewKey(a.User, a.Domain, string(want)))
	if !s.attempt(login, known && err == nil) {
		return login, false
	}
	given, has := a.Binding()
	return login, s.bound(r, given, has)
}

// bound checks the channel binding of a request.
func (s *Server) bound(r *http.Request, given []byte, has bool) bool {
	if s.opt.ExtendedProtection == ProtectionOff {
		return true
	}
	required := s.opt.ExtendedProtection == ProtectionRequire
	if r.TLS == nil || s.binding == nil {
		return !required
	}
	if !has {
		return !required
	}
	return hmac.Equal(given, s.binding)
}

// bindTo makes the channel binding of a certificate the right one.
func (s *Server) bindTo(der []byte) {
	if cert, err := x509.ParseCertificate(der); err == nil {
		s.binding = ntlm.Binding(cert)
	}
}

// loginOf returns the login that a name of a user stands for. Names are
// addresses, DOMAIN\name or a bare name.
func (s *Server) loginOf(user string) string {
	login := strings.ToLower(user)
	if i := strings.LastIndexByte(login, '\\'); i >= 0 {
		login = login[i+1:]
	}
	if !strings.Contains(login, "@") {
		login += "@" + strings.ToLower(s.opt.Domain)
	}
	return login
}

// account returns what is known of a login.
func (s *Server) account(login string) (password secret, box *mailbox, known bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if box = s.names[login]; box != nil {
		return box.password, box, true
	}
	password, known = s.accounts[login]
	return password, nil, known
}

// attempt counts an attempt to sign in with a password, right or wrong, and
// returns whether it gets in: not where the account is locked.
func (s *Server) attempt(login string, right bool) bool {
	s.logMu.Lock()
	defer s.logMu.Unlock()
	now := s.opt.Now()
	if s.locked(login, now) {
		right = false
	}
	if right {
		delete(s.wrong, login)
		return true
	}
	if len(s.refused) < 1<<16 {
		s.refused[login]++
	}
	if s.opt.Lockout <= 0 || s.locked(login, now) || len(s.wrong) > 1<<16 {
		return false
	}
	s.wrong[login] = append(slices.DeleteFunc(s.wrong[login], func(at time.Time) bool { return now.Sub(at) >= lockoutTime }), now)
	if len(s.wrong[login]) >= s.opt.Lockout {
		delete(s.wrong, login)
		s.lockedUntil[login] = now.Add(lockoutTime)
		s.lockouts++
	}
	return false
}

func (s *Server) locked(login string, now time.Time) bool { return now.Before(s.lockedUntil[login]) }

// Lockouts returns how often an account was locked.
func (s *Server) Lockouts() int {
	s.logMu.Lock()
	defer s.logMu.Unlock()
	return s.lockouts
}

// refuse writes the body of a 401: nothing, but for a locked account.
func (s *Server) refuse(w http.ResponseWriter, login string) {
	s.logMu.Lock()
	locked := login != "" && s.locked(login, s.opt.Now())
	s.logMu.Unlock()
	w.WriteHeader(http.StatusUnauthorized)
	if locked {
		_, _ = bytes.NewBufferString("The referenced account is currently locked out and may not be logged on to.").WriteTo(w)
	}
}
