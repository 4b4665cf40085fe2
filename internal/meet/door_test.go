package meet

import (
	"bytes"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

const bbbSecret = "639259d4-9dd8-4b25-bf01-95f9567eaf4b"

// bbbServer is a small server with the documented shape of BigBlueButton's API.
type bbbServer struct {
	t      *testing.T
	sum    func([]byte) string
	rooms  map[string]int64 // by meetingID: when it was created
	joined []url.Values
}

func (s *bbbServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	answer := func(text string) { fmt.Fprintf(w, "<response>%s</response>", text) }
	name := strings.TrimPrefix(r.URL.Path, "/bigbluebutton/api/")
	query, checksum, _ := strings.Cut(r.URL.RawQuery, "&checksum=")
	if checksum != s.sum([]byte(name+query+bbbSecret)) {
		answer("<returncode>FAILED</returncode><messageKey>checksumError</messageKey>")
		return
	}
	q := r.URL.Query()
	id := q.Get("meetingID")
	switch name {
	case "create":
		if id == "" || len(q.Get("name")) < 2 || strings.Contains(id, ",") {
			answer("<returncode>FAILED</returncode><messageKey>validationError</messageKey>")
			return
		}
		again := ""
		if s.rooms[id] == 0 {
			s.rooms[id] = time.Now().UnixMilli()
		} else {
			again = "<messageKey>duplicateWarning</messageKey>"
		}
		answer(fmt.Sprintf("<returncode>SUCCESS</returncode><meetingID>%s</meetingID><createTime>%d</createTime>%s", id, s.rooms[id], again))
	case "join":
		if q.Get("createTime") != fmt.Sprint(s.rooms[id]) || q.Get("fullName") == "" {
			s.t.Errorf("join %v", q)
		}
		s.joined = append(s.joined, q)
	}
}

func sums() map[string]func([]byte) string {
	return map[string]func([]byte) string{
		"sha1":   func(b []byte) string { h := sha1.Sum(b); return hex.EncodeToString(h[:]) },
		"sha256": func(b []byte) string { h := sha256.Sum256(b); return hex.EncodeToString(h[:]) },
		"sha384": func(b []byte) string { h := sha512.Sum384(b); return hex.EncodeToString(h[:]) },
		"sha512": func(b []byte) string { h := sha512.Sum512(b); return hex.EncodeToString(h[:]) },
	}
}

var doorKey = Secret("fedcba9876543210")

type doorRig struct {
	server  *bbbServer
	wire    *wire
	service *BigBlueButton
	door    http.Handler
	log     *bytes.Buffer
}

func newDoorRig(t *testing.T, edit func(*DoorConfig)) doorRig {
	t.Helper()
	r := doorRig{log: new(bytes.Buffer)}
	c := DoorConfig{URL: "https://bbb.example.com/bigbluebutton/api/", Secret: Secret(bbbSecret), Key: doorKey, Log: slog.New(slog.NewTextHandler(r.log, nil))}
	if edit != nil {
		edit(&c)
	}
	sum := c.Checksum
	if sum == "" {
		sum = "sha256"
	}
	r.server = &bbbServer{t: t, sum: sums()[sum], rooms: map[string]int64{}}
	r.wire = &wire{service: r.server}
	c.Transport = r.wire
	d, err := NewDoor(c)
	if err != nil {
		t.Fatal(err)
	}
	r.door = d.Handler()
	if r.service, err = NewBigBlueButton("BBB", BigBlueButtonConfig{URL: "https://join.example.com/", Key: doorKey, Secret: secret}); err != nil {
		t.Fatal(err)
	}
	if shown := fmt.Sprintf("%v %+v %#v %v", d, d, d, r.service); strings.Contains(shown, bbbSecret) || strings.Contains(shown, string(doorKey)) {
		t.Errorf("a secret shows: %s", shown)
	}
	return r
}

// visit opens an address, with a form where a name is given.
func (r doorRig) visit(address string, form url.Values, header ...string) *http.Response {
	method, body := http.MethodGet, ""
	if form != nil {
		method, body = http.MethodPost, form.Encode()
	}
	q := httptest.NewRequest(method, address, strings.NewReader(body))
	if form != nil {
		q.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for i := 0; i+1 < len(header); i += 2 {
		q.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	r.door.ServeHTTP(w, q)
	return w.Result()
}

func text(t *testing.T, a *http.Response) string {
	t.Helper()
	var b bytes.Buffer
	if _, err := b.ReadFrom(a.Body); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestDoor(t *testing.T) {
	t.Parallel()
	for sum := range sums() {
		r := newDoorRig(t, func(c *DoorConfig) { c.Checksum = sum })
		link := join(t, r.service, Request{Mailbox: ann, Key: "k1"}).URL
		if again := join(t, r.service, Request{Mailbox: ann, Key: "k1"}).URL; again != link || !strings.HasPrefix(link, "https://join.example.com/b/") || strings.Contains(link, "?") {
			t.Errorf("addresses %s, %s", link, again)
		}
		a := r.visit(link, nil)
		if body := text(t, a); a.StatusCode != 200 || !strings.Contains(body, "Your name") || len(r.wire.seen) != 0 {
			t.Errorf("page %d %s, calls %v", a.StatusCode, body, r.wire.seen)
		}
		csp := a.Header.Get("Content-Security-Policy")
		if !strings.Contains(csp, "default-src 'none'") || !strings.Contains(csp, "form-action 'self' https://bbb.example.com;") || strings.Contains(csp, "unsafe") {
			t.Errorf("policy %s", csp)
		}
		for range 2 { // the second finds the meeting that the first made
			a = r.visit(link, url.Values{"name": {" Zoë &amp; <b>\u202e李 "}})
			to, err := url.Parse(a.Header.Get("Location"))
			if err != nil || a.StatusCode != http.StatusSeeOther || to.Host != "bbb.example.com" || to.Path != "/bigbluebutton/api/join" {
				t.Fatalf("%s: sent to %v, status %d", sum, to, a.StatusCode)
			}
			r.server.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, to.String(), nil))
		}
		if len(r.server.rooms) != 1 || len(r.server.joined) != 2 || r.server.joined[0].Get("role") != "VIEWER" || r.server.joined[0].Get("fullName") != "Zoë &amp; <b>李" {
			t.Errorf("%s: rooms %v, joined %v", sum, r.server.rooms, r.server.joined)
		}
		for _, u := range r.wire.urls {
			if strings.Contains(u, "example.com%") || strings.Contains(u, "Ann") || strings.Contains(u, bbbSecret) {
				t.Errorf("call %s", u)
			}
		}
	}
}

func TestModeratorAtTheDoor(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newDoorRig(t, func(c *DoorConfig) { c.Lobby = true })
		plain := join(t, r.service, Request{Mailbox: ann, Key: "k1"}).URL
		other := join(t, r.service, Request{Mailbox: ann, Key: "k2"}).URL
		own, err := r.service.Enter(Entrance{Mailbox: ann, URL: plain, Until: time.Now().Add(time.Hour)})
		if err != nil {
			t.Fatal(err)
		}
		pass := own[strings.Index(own, "?m=")+3:]
		role := func(link, pass string) string {
			t.Helper()
			a := r.visit(link, url.Values{"name": {"Ann"}, "m": {pass}})
			to, err := url.Parse(a.Header.Get("Location"))
			if err != nil || a.StatusCode != http.StatusSeeOther {
				t.Fatalf("status %d", a.StatusCode)
			}
			return to.Query().Get("role")
		}
		if body := text(t, r.visit(own, nil)); !strings.Contains(body, "as moderator") || !strings.Contains(body, pass) {
			t.Errorf("page %s", body)
		}
		if got := role(plain, pass); got != "MODERATOR" {
			t.Errorf("role %s", got)
		}
		if !strings.Contains(r.wire.urls[0], "guestPolicy=ASK_MODERATOR") {
			t.Errorf("call %s", r.wire.urls[0])
		}
		for name, got := range map[string]string{
			"another room": role(other, pass), "no pass": role(plain, ""), "changed": role(plain, "B"+pass[1:]), "cut": role(plain, pass[:8]), "garbage": role(plain, "%%"),
		} {
			if got != "VIEWER" {
				t.Errorf("%s: role %s", name, got)
			}
		}
		time.Sleep(2 * time.Hour)
		if got := role(plain, pass); got != "VIEWER" {
			t.Errorf("too late: role %s", got)
		}
		for _, link := range []string{"https://join.example.org/b/x", plain + "x", "https://join.example.com/b/"} {
			if _, err := r.service.Enter(Entrance{URL: link}); stateOf(err) != NotOffered {
				t.Errorf("%s: %v", link, err)
			}
		}
	})
}

func TestDoorStaysShut(t *testing.T) {
	t.Parallel()
	r := newDoorRig(t, nil)
	link := join(t, r.service, Request{Mailbox: ann, Key: "k1"}).URL
	foreign, err := NewBigBlueButton("X", BigBlueButtonConfig{URL: "https://join.example.com", Key: secret, Secret: secret})
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		link string
		form url.Values
		head []string
		code int
	}{
		"another key":    {join(t, foreign, Request{Mailbox: ann, Key: "k1"}).URL, url.Values{"name": {"x"}}, nil, 404},
		"made up":        {"https://join.example.com/b/meeting", url.Values{"name": {"x"}}, nil, 404},
		"upper case":     {strings.Replace(link, link[27:], strings.ToUpper(link[27:]), 1), nil, nil, 404},
		"a path":         {link + "/..%2f", nil, nil, 404},
		"elsewhere":      {"https://join.example.com/", nil, nil, 404},
		"no name":        {link, url.Values{"name": {" \u200b\n"}}, nil, 400},
		"too long":       {link, url.Values{"name": {strings.Repeat("x", 5000)}}, nil, 400},
		"another site":   {link, url.Values{"name": {"x"}}, []string{"Sec-Fetch-Site", "cross-site"}, 403},
		"the stylesheet": {"https://join.example.com/door.css", nil, nil, 200},
	} {
		a := r.visit(tt.link, tt.form, tt.head...)
		if a.StatusCode != tt.code || a.Header.Get("Content-Security-Policy") == "" || a.Header.Get("Referrer-Policy") != "no-referrer" {
			t.Errorf("%s: status %d, header %v", name, a.StatusCode, a.Header)
		}
	}
	if len(r.wire.seen) != 0 {
		t.Errorf("calls %v", r.wire.seen)
	}
	// Whatever is wrong with the server, nobody is sent anywhere.
	for _, f := range []fault{lostRequest, lostAnswer, brokenOff, garbage, huge, slow, down, forbidden, elsewhere, tooMany} {
		r := newDoorRig(t, nil)
		r.wire.next("GET ", f)
		if f == slow {
			continue // below, in fake time
		}
		a := r.visit(link, url.Values{"name": {"x"}})
		if body := text(t, a); a.StatusCode != 503 || a.Header.Get("Location") != "" || !strings.Contains(body, "cannot be opened") {
			t.Errorf("%s: status %d", f, a.StatusCode)
		}
		if log := r.log.String(); !strings.Contains(log, "meeting not created") || strings.Contains(log, "checksum=") || strings.Contains(log, bbbSecret) {
			t.Errorf("%s: log %s", f, log)
		}
	}
	synctest.Test(t, func(t *testing.T) {
		r := newDoorRig(t, nil)
		r.wire.next("GET ", slow)
		if a := r.visit(link, url.Values{"name": {"x"}}); a.StatusCode != 503 {
			t.Errorf("slow: status %d", a.StatusCode)
		}
	})
	wrong := newDoorRig(t, func(c *DoorConfig) { c.Secret = Secret("another") })
	if a := wrong.visit(link, url.Values{"name": {"x"}}); a.StatusCode != 503 || !strings.Contains(wrong.log.String(), "does not accept the checksum") {
		t.Errorf("wrong secret: status %d, log %s", a.StatusCode, wrong.log)
	}
}

func TestDoorSpeaksAndLimits(t *testing.T) {
	t.Parallel()
	full := map[string]int{}
	r := newDoorRig(t, func(c *DoorConfig) {
		c.Locale = "ja"
		c.Allow = func(_ *http.Request, room string) (time.Duration, bool) {
			full[room]++
			return 30 * time.Second, full[room] <= 5
		}
	})
	link := join(t, r.service, Request{Mailbox: ann, Key: "k1"}).URL
	for want, accept := range map[string]string{"Your name": "fr, en-GB;q=0.8, ja", "お名前": "ja-JP,en;q=0.5"} {
		if body := text(t, r.visit(link, nil, "Accept-Language", accept)); !strings.Contains(body, want) {
			t.Errorf("%s: %s", accept, body)
		}
	}
	for range 3 {
		if body := text(t, r.visit(link, nil)); !strings.Contains(body, "お名前") || !strings.Contains(body, `lang="ja"`) {
			t.Errorf("by its own language: %s", body)
		}
	}
	a := r.visit(link, url.Values{"name": {"x"}})
	if a.StatusCode != 429 || a.Header.Get("Retry-After") != "30" || len(r.wire.seen) != 0 {
		t.Errorf("status %d, header %v", a.StatusCode, a.Header)
	}
	body := text(t, r.visit(join(t, r.service, Request{Mailbox: ann, Key: "k2"}).URL, url.Values{"name": {`"><script>x`}}))
	if strings.Contains(body, "<script>") {
		t.Errorf("page %s", body)
	}
}

func TestDoorConfigErrors(t *testing.T) {
	t.Parallel()
	good := DoorConfig{URL: "https://bbb.example.com/bigbluebutton/api", Secret: Secret("s"), Key: doorKey}
	for name, edit := range map[string]func(*DoorConfig){
		"http": func(c *DoorConfig) { c.URL = "http://bbb.example.com/x" }, "no secret": func(c *DoorConfig) { c.Secret = nil },
		"short key": func(c *DoorConfig) { c.Key = Secret("x") }, "another checksum": func(c *DoorConfig) { c.Checksum = "md5" },
	} {
		c := good
		edit(&c)
		if _, err := NewDoor(c); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	for name, c := range map[string]BigBlueButtonConfig{
		"http": {URL: "http://join.example.com", Key: doorKey, Secret: secret}, "short key": {URL: "https://join.example.com", Key: Secret("x"), Secret: secret},
	} {
		if _, err := New(Config{Name: "B", BigBlueButton: &c}); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	s, err := New(Config{Name: "B", BigBlueButton: &BigBlueButtonConfig{URL: "https://join.example.com", Key: doorKey, Secret: secret}})
	if err != nil {
		t.Fatal(err)
	}
	d := join(t, s, Request{Mailbox: ann, Key: "k"})
	if d.Kind != "bigbluebutton" || d.Service != "B" {
		t.Errorf("details %+v", d.JoinMethod)
	}
	if link, err := s.(Moderated).Enter(Entrance{Mailbox: ann, URL: d.URL}); err != nil || !strings.Contains(link, "?m=") {
		t.Errorf("link %s, error %v", link, err)
	}
	if _, err := s.Join(t.Context(), Request{Mailbox: ann}); stateOf(err) != BadRequest {
		t.Errorf("no key: %v", err)
	}
}

func FuzzDoor(f *testing.F) {
	f.Add("meeting", "name", "pass", []byte("<response><returncode>SUCCESS</returncode><createTime>1</createTime></response>"))
	f.Add("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "\u202e", "AAAA", []byte("<!DOCTYPE x [<!ENTITY a \"b\">]><response>&a;</response>"))
	f.Fuzz(func(t *testing.T, sealed, name, pass string, reply []byte) {
		if _, ok := openRoom(doorKey, sealed); ok || isModerator(doorKey, sealed, pass, time.Unix(0, 0)) {
			t.Errorf("%q, %q: let in", sealed, pass)
		}
		if n := cleanName(name); strings.ContainsAny(n, "\r\n\x00\u202e") || len([]rune(n)) > maxName || cleanName(n) != n {
			t.Errorf("name %q becomes %q", name, n)
		}
		if created, err := readCreated(reply); err == nil && strings.Trim(created, "0123456789") != "" || err != nil && created != "" {
			t.Errorf("%q: %q, %v", reply, created, err)
		}
	})
}
