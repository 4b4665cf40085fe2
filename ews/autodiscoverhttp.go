package ews

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/koyomi-cal/koyomi/ews/internal/wire"
)

// plainWay sends requests without credentials.
type plainWay struct {
	pace
	transport http.RoundTripper
	userAgent string
}

// get returns status and header of an answer. Its body is thrown away.
func (w plainWay) get(ctx context.Context, u *url.URL, timeout time.Duration) (seen *glance, failure *Error) {
	t, refusal := w.enter(ctx, "Autodiscover", u)
	if refusal != nil {
		return nil, refusal
	}
	defer func() { w.leave(t, failure) }()
	c := call{op: "Autodiscover", id: newGUID()}
	ctx, cancel := context.WithTimeoutCause(ctx, timeout, errTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, c.fail(CodeInvalid, "the address cannot be asked", err)
	}
	req.Header.Set("User-Agent", w.userAgent)
	resp, err := w.transport.RoundTrip(req)
	if err != nil {
		return nil, c.transportError(ctx, err)
	}
	defer resp.Body.Close()
	_, _ = io.CopyN(io.Discard, resp.Body, 64<<10)
	if e := c.statusError(resp, nil); e.Code == CodeUnavailable {
		t.note(e) // it asks to be left alone
	}
	return &glance{resp.StatusCode, resp.Header}, nil
}

// glance is what counts of an answer to somebody without credentials.
type glance struct {
	StatusCode int
	Header     http.Header
}

// form is one way to ask at a place.
type form struct {
	method string // soap or pox
	url    *url.URL
}

// forms returns how to ask at a URL: by SOAP, then by plain XML, each under
// its own name in the same folder. A URL that is neither is no Autodiscover.
func forms(u *url.URL, method string) []form {
	ext := len(u.Path) - 4
	if ext < 0 || !strings.EqualFold(u.Path[ext:], ".svc") && !strings.EqualFold(u.Path[ext:], ".xml") {
		return nil
	}
	var out []form
	for _, f := range []struct{ method, ext string }{{"soap", ".svc"}, {"pox", ".xml"}} {
		if method == "" || method == f.method {
			v := *u
			v.Path, v.RawPath = u.Path[:ext]+f.ext, ""
			out = append(out, form{f.method, &v})
		}
	}
	return out
}

// try asks at one place. It reports whether that was the place; an error ends
// the search.
func (s *search) try(ctx context.Context, p place) (bool, *Error) {
	u, err := safeURL(p.url)
	if err != nil {
		s.note(p.origin, shown(p.url), "", time.Now(), CodeRedirected, "this is no https address and is not asked")
		return false, nil
	}
	state := s.d.opts.Trust.state(u)
	switch ways := forms(u, p.method); {
	case onlineHost(u.Hostname()):
		s.online = true
		s.note(p.origin, u.String(), state, time.Now(), CodeOnline, "this is Exchange Online, which is not followed")
	case state == HostBlocked:
		s.note(p.origin, u.String(), state, time.Now(), CodeHostPending, "the host is blocked and is not asked")
	case len(ways) == 0:
		s.note(p.origin, u.String(), state, time.Now(), CodeNotFound, "this is no address of Autodiscover")
	case state != HostAllowed:
		return s.glimpse(ctx, p, ways)
	default:
		for _, f := range ways {
			if done, stop := s.ask(ctx, p, f); done || stop != nil {
				return done, stop
			}
		}
		s.d.forget(s.domain, p)
	}
	return false, nil
}

// glimpse looks, without credentials and without naming a mailbox, at a host
// that is not allowed: where Autodiscover may be there, the administrator is
// asked; where it redirects, that is followed.
func (s *search) glimpse(ctx context.Context, p place, ways []form) (bool, *Error) {
	for _, f := range ways {
		if s.seen[f.url.String()] {
			continue
		}
		s.seen[f.url.String()] = true
		began := time.Now()
		resp, err := s.d.plain.get(ctx, f.url, s.d.opts.Timeout)
		switch {
		case err != nil:
			s.failed(f.method, f.url, HostPending, began, err)
			return false, nil
		case redirects(resp):
			s.note(f.method, f.url.String(), HostPending, began, CodeRedirected, "it redirects")
			return s.follow(ctx, f.url, resp)
		case resp.StatusCode != http.StatusNotFound && resp.StatusCode != http.StatusGone:
			s.d.opts.Trust.meet(f.url, p.origin)
			s.pending = append(s.pending, hostKey(f.url))
			s.note(f.method, f.url.String(), HostPending, began, CodeHostPending, "the host answers and is not allowed: no credentials were sent")
			return false, nil
		}
		s.note(f.method, f.url.String(), HostPending, began, CodeNotFound, "there is nothing here")
	}
	return false, nil
}

// unsafeRedirect asks http://autodiscover.domain where to go. Nothing of its
// answer counts but a redirect to https.
func (s *search) unsafeRedirect(ctx context.Context, raw string) (place, bool) {
	u, err := url.Parse(raw)
	if err != nil {
		return place{}, false
	}
	began := time.Now()
	if safe, err := safeURL("https://" + u.Host); err != nil || s.d.opts.Trust.state(safe) == HostBlocked {
		s.note("redirect", raw, HostBlocked, began, CodeHostPending, "the host is blocked and is not asked")
		return place{}, false
	}
	resp, failure := s.d.plain.get(ctx, u, s.d.opts.Timeout)
	switch {
	case failure != nil:
		s.note("redirect", raw, "", began, failure.Code, failure.Message)
		return place{}, false
	case resp.StatusCode != http.StatusMovedPermanently && resp.StatusCode != http.StatusFound:
		s.note("redirect", raw, "", began, CodeNotFound, "it does not redirect")
		return place{}, false
	}
	target, err := safeURL(resp.Header.Get("Location"))
	if err != nil || target.Scheme != "https" {
		s.note("redirect", raw, "", began, CodeRedirected, "it does not redirect to an https address")
		return place{}, false
	}
	s.note("redirect", raw, "", began, "", "it redirects to "+target.Host)
	return place{origin: OriginRedirect, url: target.String()}, true
}

func redirects(resp *glance) bool {
	switch resp.StatusCode {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther, http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		return true
	}
	return false
}

// follow goes where a response redirects to.
func (s *search) follow(ctx context.Context, from *url.URL, resp *glance) (bool, *Error) {
	target, err := from.Parse(resp.Header.Get("Location"))
	if s.hops++; s.hops > maxHops {
		s.note("redirect", from.String(), "", time.Now(), CodeRedirected, "too many redirects; this one is not followed")
		return false, nil
	}
	if err != nil {
		s.note("redirect", from.String(), "", time.Now(), CodeRedirected, "it redirects to what is no address")
		return false, nil
	}
	return s.try(ctx, place{origin: OriginRedirect, url: target.String()})
}

// ask asks an allowed host in one form, for all mailboxes of the search.
func (s *search) ask(ctx context.Context, p place, f form) (bool, *Error) {
	if s.seen[f.url.String()] {
		return false, nil
	}
	s.seen[f.url.String()] = true
	began := time.Now()
	if p.method != f.method { // it has not worked yet
		resp, err := s.look(ctx, f)
		switch {
		case err != nil:
			s.failed(f.method, f.url, HostAllowed, began, err)
			return false, nil
		case resp != nil:
			return s.follow(ctx, f.url, resp)
		}
	}
	if f.method == "soap" {
		return s.soap(ctx, p, f)
	}
	return s.pox(ctx, p, f)
}

// look finds out, without credentials, whether Autodiscover is at a URL. It
// returns an error where it is not, and the response where it redirects.
func (s *search) look(ctx context.Context, f form) (*glance, *Error) {
	resp, err := s.d.plain.get(ctx, f.url, s.d.opts.Timeout)
	if err != nil {
		return nil, err
	}
	not := func(code, message string) *Error {
		return &Error{Op: "Autodiscover", Code: code, Message: message, HTTPStatus: resp.StatusCode}
	}
	switch status := resp.StatusCode; {
	case redirects(resp):
		return resp, nil
	case status == http.StatusUnauthorized:
		if !s.d.opts.Account.offered(resp.Header) {
			return nil, not(CodeNotDiscovered, "Autodiscover does not offer the account's way to sign in; switch it on for the Autodiscover virtual directory")
		}
		if marked(resp.Header) || !s.locked(ctx, f.url) {
			return nil, nil
		}
		return nil, not(CodeNotEWS, "the server asks for a password at every path and does not look like Exchange; it gets none")
	case f.method == "pox" && (status == http.StatusMethodNotAllowed || status == http.StatusBadRequest || status == http.StatusOK && strings.Contains(resp.Header.Get("Content-Type"), "xml")),
		f.method == "soap" && status == http.StatusOK && marked(resp.Header):
		return nil, nil
	case status == http.StatusServiceUnavailable || status == http.StatusTooManyRequests:
		return nil, not(CodeUnavailable, "Autodiscover is not available at the moment; it is asked again later")
	}
	return nil, not(CodeNotFound, "there is no Autodiscover here")
}

// marked reports whether a header is Exchange's.
func marked(h http.Header) bool {
	for _, name := range []string{"X-SOAP-Enabled", "X-OAuth-Enabled", "X-WSSecurity-Enabled", "X-FEServer", "X-BEServer", "X-CalculatedBETarget", "X-DiagInfo"} {
		if h.Get(name) != "" {
			return true
		}
	}
	return false
}

// locked reports whether a server asks for a password where there is nothing.
func (s *search) locked(ctx context.Context, at *url.URL) bool {
	u := *at
	u.Path, u.RawPath, u.RawQuery = "/"+newGUID(), "", ""
	resp, err := s.d.plain.get(ctx, &u, s.d.opts.Timeout)
	return err != nil || resp.StatusCode == http.StatusUnauthorized
}

// soap asks for all mailboxes in one request.
func (s *search) soap(ctx context.Context, p place, f form) (bool, *Error) {
	var asks []*sought
	var users []string
	for _, a := range s.asks {
		if !a.done && !a.moved {
			asks, users = append(asks, a), append(users, a.at)
		}
	}
	data, done, stop := s.post(ctx, f, "GetUserSettings", getUserSettings(f.url.String(), users), "")
	if data == nil {
		return done, stop
	}
	began := time.Now()
	got, err := parseUserSettings(data, len(users))
	if err != nil {
		s.refused(f, began, err)
		return false, nil
	}
	s.remember(p, f)
	for i, a := range asks {
		s.settle(a, f.url, got[i])
	}
	return true, nil
}

// pox asks for one mailbox after the other. The first answer decides whether
// this is the place.
func (s *search) pox(ctx context.Context, p place, f form) (bool, *Error) {
	answered := false
	for _, a := range s.asks {
		if a.done || a.moved {
			continue
		}
		data, done, stop := s.post(ctx, f, "Autodiscover", poxRequestFor(a.at), a.at)
		if data == nil && (stop != nil || !answered) {
			return done, stop
		}
		began := time.Now()
		got, err := parsePOX(data)
		if err != nil {
			if s.refused(f, began, err); !answered {
				return false, nil
			}
			a.told = true
			a.fail(err)
			continue
		}
		answered = true
		s.remember(p, f)
		s.settle(a, f.url, got)
	}
	return answered, nil
}

// refused takes in an answer that is an error as a whole. A host that says in it
// that it is busy is left alone.
func (s *search) refused(f form, began time.Time, err *Error) {
	if err.Code == busyCode {
		err.BackOff = busyPause
		s.d.plain.rest(f.url)
	}
	s.failed(f.method, f.url, HostAllowed, began, err)
}

// post sends one request with credentials and returns the document of the
// answer. Without a document, the rest says what becomes of the search.
func (s *search) post(ctx context.Context, f form, op string, text []byte, anchor string) (data []byte, done bool, stop *Error) {
	d := s.d
	began := time.Now()
	if d.opts.Trust.state(f.url) != HostAllowed { // the last look before credentials go out
		s.note(f.method, f.url.String(), "", began, CodeHostPending, "the host is not allowed: no credentials were sent")
		return nil, false, nil
	}
	c := &call{op: op, id: newGUID()}
	t, failure := d.plain.enter(ctx, op, f.url)
	if failure != nil {
		s.failed(f.method, f.url, HostAllowed, began, failure)
		return nil, false, nil
	}
	data, redirect, failure := s.exchange(ctx, f, c, text, anchor)
	d.plain.leave(t, failure)
	switch {
	case failure != nil:
		s.failed(f.method, f.url, HostAllowed, began, failure)
		if class := failure.Class(); class == Auth || class == Canceled {
			return nil, false, failure
		}
		return nil, false, nil
	case redirect != nil:
		s.note(f.method, f.url.String(), HostAllowed, began, CodeRedirected, "it redirects")
		done, stop = s.follow(ctx, f.url, redirect)
		return nil, done, stop
	}
	s.note(f.method, f.url.String(), HostAllowed, began, "", "it answers")
	return data, true, nil
}

// exchange sends one request with credentials and returns the document of the
// answer, or where it redirects to.
func (s *search) exchange(ctx context.Context, f form, c *call, text []byte, anchor string) ([]byte, *glance, *Error) {
	d := s.d
	ctx, cancel := context.WithTimeoutCause(ctx, d.opts.Timeout, errTimeout)
	defer cancel()
	req, err := d.request(ctx, f.url, c, anchor)
	if err != nil {
		return nil, nil, c.fail(CodeInvalid, "the request cannot be made", err)
	}
	resp, failure := d.session.do(ctx, c.op, req, &payload{data: text}, false)
	if failure != nil {
		return nil, nil, failure
	}
	defer resp.Body.Close()
	if seen := (&glance{resp.StatusCode, resp.Header}); redirects(seen) {
		return nil, seen, nil
	}
	data, err := readAnswer(resp)
	switch {
	case err != nil:
		return nil, nil, c.readError(ctx, resp, err)
	case resp.StatusCode != http.StatusOK && !(resp.StatusCode == http.StatusInternalServerError && looksLikeXML(data)):
		return nil, nil, c.statusError(resp, nil)
	}
	return data, nil, nil
}

// request makes a POST without its body and credentials.
func (d *Discoverer) request(ctx context.Context, u *url.URL, c *call, anchor string) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, u.String(), nil)
	if err != nil {
		return nil, err
	}
	h := req.Header
	h.Set("Content-Type", "text/xml; charset=utf-8")
	h.Set("Accept", "text/xml")
	h.Set("Accept-Encoding", "gzip")
	h.Set("User-Agent", d.opts.UserAgent)
	h.Set("client-request-id", c.id)
	h.Set("return-client-request-id", "true")
	if anchor != "" {
		h.Set("X-AnchorMailbox", anchor)
	}
	h["Idempotency-Key"] = []string{} // not sent: lets net/http repeat it where an idle connection was closed
	return req, nil
}

// readAnswer reads a body, unpacked and bounded. It is never nil without an
// error.
func readAnswer(resp *http.Response) ([]byte, error) {
	body, err := unpacked(resp)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	n, err := b.ReadFrom(io.LimitReader(body, maxAnswer+1))
	switch {
	case err != nil:
		return nil, err
	case n > maxAnswer:
		return nil, wire.ErrTooLarge
	case n == 0:
		return nil, io.ErrUnexpectedEOF
	}
	return b.Bytes(), nil
}

// note adds a step.
func (s *search) note(method, u string, host HostState, began time.Time, code, result string) {
	s.steps = append(s.steps, DiscoveryStep{Method: method, URL: u, Host: host, Result: result, Code: code, Took: time.Since(began)})
}

// failed adds a step that went wrong, and keeps what may pass.
func (s *search) failed(method string, u *url.URL, host HostState, began time.Time, err *Error) {
	s.note(method, u.String(), host, began, err.Code, err.Message)
	if host == HostAllowed && err.Code != CodeNotFound {
		s.passing(err)
	}
}

// passing keeps what may pass: the latest that does, and before that one that says
// when.
func (s *search) passing(err *Error) {
	if s.last == nil || err.Class() == Transient && (s.last.BackOff == 0 || s.last.Class() != Transient) {
		s.last = err
	}
}

// shown returns as much of a URL that nobody has checked as may be printed.
func shown(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return ""
	}
	return (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}).String()
}

// remember keeps where Autodiscover of a domain has answered. Where a single
// mailbox was redirected to says nothing of the others.
func (s *search) remember(p place, f form) {
	if s.via != "" {
		return
	}
	s.d.mu.Lock()
	defer s.d.mu.Unlock()
	s.d.worked[s.domain] = place{origin: p.origin, url: f.url.String(), method: f.method}
}

// forget gives up a place that has answered before and does no more.
func (d *Discoverer) forget(domain string, p place) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.worked[domain] == p {
		delete(d.worked, domain)
	}
}

// offered reports whether a 401 offers the way by which the account signs in.
func (a *Account) offered(h http.Header) bool {
	a.gate.mu.Lock()
	scheme := a.gate.creds.Scheme
	a.gate.mu.Unlock()
	want := map[Scheme]string{Basic: "basic", NTLM: "ntlm", Negotiate: "negotiate", OAuth: "bearer"}[scheme]
	for _, c := range h.Values("WWW-Authenticate") {
		for part := range strings.SplitSeq(strings.ToLower(c), ",") {
			if word, _, _ := strings.Cut(strings.TrimSpace(part), " "); word == want {
				return true
			}
		}
	}
	return false
}
