package ewstest

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
)

// backEnd is one mailbox server behind the front end that clients talk to.
type backEnd struct {
	host   string // its name in ids, cookies and headers
	traits traits
	down   atomic.Bool
}

// short is the back end's name as Windows knows it.
func (b *backEnd) short() string {
	name, _, _ := strings.Cut(b.host, ".")
	return strings.ToUpper(name)
}

// version is what follows the name in X-BackEndOverrideCookie: the build in
// one number, as .NET's ServerVersion packs it.
func (b *backEnd) version() int {
	v := b.traits.build
	return 0x70008000 | v[0]<<22 | v[1]<<16 | v[2]
}

// makeBackEnds makes the mailbox servers. One alone has the name of the server
// that clients see; several have a number after it.
func (s *Server) makeBackEnds() {
	n := min(max(s.opt.BackEnds, len(s.opt.BackEndDialects), 1), mostBackEnds)
	for i := range n {
		b := &backEnd{host: s.opt.Host, traits: s.traits}
		if n > 1 {
			name, rest, _ := strings.Cut(s.opt.Host, ".")
			b.host = strings.TrimSuffix(fmt.Sprintf("%s%02d.%s", name, i+1, rest), ".")
		}
		if i < len(s.opt.BackEndDialects) && s.traits.prefix == "s" {
			if d := s.opt.BackEndDialects[i]; d != "" && d != Gromox {
				b.traits = d.traits()
			}
		}
		s.backs = append(s.backs, b)
	}
}

// mostBackEnds bounds Options.BackEnds.
const mostBackEnds = 99

// BackEndName returns the name of the n-th back end, counted from zero, as ids
// and headers show it.
func (s *Server) BackEndName(n int) string {
	if n < 0 || n >= len(s.backs) {
		return ""
	}
	return s.backs[n].host
}

// BackEndOf returns on which back end a mailbox lives, or -1 where there is
// none of that address.
func (s *Server) BackEndOf(address string) int {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if b := s.names[strings.ToLower(address)]; b != nil {
		return int(b.home.Load())
	}
	return -1
}

// home returns the back end that a mailbox lives on.
func (s *Server) home(b *mailbox) *backEnd { return s.backs[b.home.Load()] }

// StopBackEnd stops a back end, as a crash does: its streams break off in the
// middle of a document, its subscriptions are lost, those on its mailboxes too,
// and what needs its mailboxes fails until [Server.StartBackEnd] or
// [Server.FailOver].
func (s *Server) StopBackEnd(n int) {
	if n < 0 || n >= len(s.backs) {
		return
	}
	s.mu.Lock()
	s.backs[n].down.Store(true)
	lost := s.loseSubscriptions(func(sub *subscription) bool { return sub.back == s.backs[n] })
	blind := s.loseSubscriptions(func(sub *subscription) bool { return int(sub.box.home.Load()) == n })
	s.mu.Unlock()
	s.cut(lost)
	blinded(blind)
}

// StartBackEnd starts a back end that was stopped. Its subscriptions do not
// come back.
func (s *Server) StartBackEnd(n int) {
	if n < 0 || n >= len(s.backs) {
		return
	}
	s.backs[n].down.Store(false)
}

// FailOver brings all mailboxes of one back end up on another, as a database
// availability group does after a crash. Subscriptions on them are lost.
func (s *Server) FailOver(from, to int) {
	if min(from, to) < 0 || max(from, to) >= len(s.backs) {
		return
	}
	s.mu.Lock()
	lost := s.loseSubscriptions(func(sub *subscription) bool { return int(sub.box.home.Load()) == from })
	for _, b := range s.boxes {
		if int(b.home.Load()) == from {
			b.settle(to)
		}
	}
	s.mu.Unlock()
	blinded(lost)
}

// MoveMailbox moves a mailbox to another back end at once. Subscriptions on it
// are lost: a stream that carries one ends with ErrorReadEventsFailed.
func (s *Server) MoveMailbox(address string, backEnd int) {
	s.StartMove(address)
	s.FinishMove(address, backEnd)
}

// StartMove makes a mailbox answer ErrorMailboxMoveInProgress until
// [Server.FinishMove].
func (s *Server) StartMove(address string) {
	s.change(address, func(b *mailbox) { b.moving.Store(true) })
}

// FinishMove ends what [Server.StartMove] began: the mailbox lives on that back
// end.
func (s *Server) FinishMove(address string, backEnd int) {
	if backEnd < 0 || backEnd >= len(s.backs) {
		return
	}
	s.mu.Lock()
	b := s.names[strings.ToLower(address)]
	var lost []*subscription
	if b != nil {
		b.settle(backEnd)
		lost = s.loseSubscriptions(func(sub *subscription) bool { return sub.box == b })
	}
	s.mu.Unlock()
	blinded(lost)
}

// loseSubscriptions forgets subscriptions. The caller holds mu.
func (s *Server) loseSubscriptions(which func(*subscription) bool) []*subscription {
	var lost []*subscription
	for id, sub := range s.subs {
		if which(sub) {
			delete(s.subs, id)
			lost = append(lost, sub)
		}
	}
	for _, sub := range lost {
		sub.box.subs = slices.DeleteFunc(sub.box.subs, func(other *subscription) bool { return other == sub })
	}
	return lost
}

// blinded ends the streams of subscriptions whose mailbox has gone elsewhere.
func blinded(subs []*subscription) {
	for _, sub := range subs {
		sub.mu.Lock()
		st := sub.stream
		sub.mu.Unlock()
		if st != nil {
			st.blind(sub)
		}
	}
}

// StreamsOn returns how many streams are open to a back end.
func (s *Server) StreamsOn(n int) int {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if n < 0 || n >= len(s.backs) {
		return 0
	}
	open := map[*stream]bool{}
	for _, sub := range s.subs {
		sub.mu.Lock()
		if sub.back == s.backs[n] && sub.stream != nil {
			open[sub.stream] = true
		}
		sub.mu.Unlock()
	}
	return len(open)
}

// overrideCookie keeps a group of subscriptions on one back end.
const overrideCookie = "X-BackEndOverrideCookie"

// route finds the back end that answers a request: the one in the override
// cookie where affinity is asked for and the cookie is good, else that of the
// anchor mailbox, else that of the caller, else the next in turn. It returns
// false where the back end is down.
func (r *request) route() bool {
	s := r.s
	affinity := strings.EqualFold(r.http.Header.Get("X-PreferServerAffinity"), "true")
	s.mu.RLock()
	defer s.mu.RUnlock()
	if affinity {
		if b := s.overridden(r.http); b != nil {
			r.back = b
			return true
		}
	}
	back := s.anchored(strings.TrimSpace(r.http.Header.Get("X-AnchorMailbox")), r.own)
	if r.back = back; back.down.Load() {
		return false
	}
	if affinity && s.traits.prefix == "s" {
		http.SetCookie(r.out, &http.Cookie{Name: overrideCookie, Value: back.host + "~" + strconv.Itoa(back.version()), Path: "/", HttpOnly: true})
	}
	return true
}

// unavailablePage is what the front end says when it cannot reach a back end.
const unavailablePage = "<!DOCTYPE HTML PUBLIC \"-//W3C//DTD HTML 4.01//EN\"\"http://www.w3.org/TR/html4/strict.dtd\">\r\n<HTML><HEAD><TITLE>Service Unavailable</TITLE></HEAD>\r\n<BODY><h2>Service Unavailable</h2>\r\n<hr><p>HTTP Error 503. The service is unavailable.</p>\r\n</BODY></HTML>\r\n"

// overridden returns the back end that the newest override cookie names, if it
// runs.
func (s *Server) overridden(r *http.Request) *backEnd {
	for _, c := range slices.Backward(r.CookiesNamed(overrideCookie)) {
		host, version, _ := strings.Cut(c.Value, "~")
		if _, err := strconv.Atoi(version); err != nil {
			continue
		}
		for _, b := range s.backs {
			if strings.EqualFold(b.host, host) && !b.down.Load() {
				return b
			}
		}
	}
	return nil
}

func (s *Server) anchored(anchor string, own *mailbox) *backEnd {
	if b := s.names[strings.ToLower(anchor)]; b != nil {
		return s.home(b)
	}
	if own != nil {
		return s.home(own)
	}
	if len(s.backs) == 1 {
		return s.backs[0]
	}
	start := int(s.turn.Add(1))
	for i := range s.backs {
		if b := s.backs[(start+i)%len(s.backs)]; !b.down.Load() {
			return b
		}
	}
	return s.backs[start%len(s.backs)]
}

// server returns the back end whose version the answer has: where the mailbox
// lives, because the others proxy to it.
func (r *request) server() *backEnd {
	if r.as != nil {
		return r.s.home(r.as)
	}
	return r.back
}

// settle says that the mailbox lives on that back end now.
func (b *mailbox) settle(backEnd int) {
	b.home.Store(uint32(backEnd))
	b.moving.Store(false)
}

// unreachable returns why a mailbox cannot be opened just now, or nil.
func (s *Server) unreachable(b *mailbox) error {
	switch {
	case b == nil:
		return nil
	case b.moving.Load():
		return fail("ErrorMailboxMoveInProgress")
	case s.home(b).down.Load():
		return fail("ErrorMailboxStoreUnavailable")
	}
	return nil
}

// accessible is unreachable for the mailbox the request is about.
func (r *request) accessible() error {
	return r.s.unreachable(r.as)
}

// nameServers writes the headers by which servers of this kind say who
// answered.
func (r *request) nameServers(h http.Header) {
	if r.s.traits.prefix != "s" || r.back == nil {
		return
	}
	be := r.server()
	r.call.BackEnd = be.host
	set := func(name, value string) { h[name] = []string{value} } // in the case that the servers write
	set("request-id", pseudoGUID("request", r.s.requests.Add(1)).String())
	set("X-FEServer", r.s.backs[0].short())
	set("X-BEServer", be.short())
	set("X-CalculatedBETarget", be.host)
	set("X-DiagInfo", be.short())
	set("X-AspNet-Version", "4.0.30319")
	set("X-Powered-By", "ASP.NET")
	set("Server", "Microsoft-IIS/10.0")
	set("Cache-Control", "private")
	if _, err := r.http.Cookie(exchangeCookie); err != nil {
		g := pseudoGUID("cookie", r.s.requests.Load())
		until := r.s.now().AddDate(1, 0, 0).UTC().Format("Mon, 02-Jan-2006 15:04:05 GMT") // the old way, which some clients insist on
		r.out.Header().Add("Set-Cookie", exchangeCookie+"="+hex.EncodeToString(g[:])+"; expires="+until+"; path=/; HttpOnly")
	}
}

// exchangeCookie is what every server of this kind gives to every client.
const exchangeCookie = "exchangecookie"

// pseudoGUID makes a GUID that is the same in every run.
func pseudoGUID(of string, n uint64) guid {
	sum := sha256.Sum256(binary.BigEndian.AppendUint64([]byte(of), n))
	return guid(sum[:16])
}
