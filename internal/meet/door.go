package meet

import (
	"cmp"
	"context"
	"crypto/sha1" //nolint:gosec // BigBlueButton's first checksum; older servers know no other
	"crypto/sha256"
	"crypto/sha512"
	"embed"
	"encoding/hex"
	"encoding/xml"
	"errors"
	"fmt"
	"hash"
	"html/template"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode"
)

//go:embed door
var doorFiles embed.FS

// DoorConfig is what a [Door] needs.
type DoorConfig struct {
	URL      string // of BigBlueButton's API, e.g. "https://bbb.example.com/bigbluebutton/api"
	Secret   Secret // shared with BigBlueButton ("bbb-conf --secret" prints it)
	Checksum string // "sha1", "sha256", "sha384" or "sha512"; empty: "sha256"
	Key      Secret // which makes addresses, see [BigBlueButtonConfig]
	Lobby    bool   // guests wait until a moderator lets them in
	Locale   string // language of the page where a browser asks for none of ours; empty: "en"

	// Allow says whether a caller or a room may go on, and else when. Nil: always.
	Allow     func(r *http.Request, room string) (wait time.Duration, ok bool)
	Transport http.RoundTripper // to BigBlueButton; nil: the default one
	Log       *slog.Logger      // nil: none
}

// Door is a small web page before a BigBlueButton server. Whoever opens an
// address from an invitation is asked for a name; then the meeting is created,
// unless it is there, and the browser is sent to join it. It needs no database
// and knows no calendar: an address carries a seal, and with it all that the
// door has to know. It calls one server, the configured one, and nothing in a
// request has a say in where.
type Door struct {
	config DoorConfig
	api    *caller
	hash   func() hash.Hash
	pages  *template.Template
	policy string
	log    *slog.Logger
}

// NewDoor checks the configuration.
func NewDoor(c DoorConfig) (*Door, error) {
	c.URL = strings.TrimRight(c.URL, "/")
	u, err := url.Parse(c.URL)
	if err != nil || u.Host == "" || !secure(u) || u.User != nil || u.RawQuery != "" {
		return nil, errors.New("the address of BigBlueButton has to be of the form https://bbb.example.com/bigbluebutton/api")
	}
	if len(c.Secret) == 0 || len(c.Key) < minSecret {
		return nil, fmt.Errorf("the door needs BigBlueButton's secret, and a key of at least %d random bytes that the connector has too", minSecret)
	}
	d := &Door{config: c, api: newCaller("BigBlueButton", c.Transport), log: c.Log}
	if d.log == nil {
		d.log = slog.New(slog.DiscardHandler)
	}
	switch c.Checksum {
	case "", "sha256":
		d.hash = sha256.New
	case "sha1":
		d.hash = sha1.New
	case "sha384":
		d.hash = sha512.New384
	case "sha512":
		d.hash = sha512.New
	default:
		return nil, fmt.Errorf("checksum %q is none of sha1, sha256, sha384, sha512", c.Checksum)
	}
	d.api.client.Timeout = 15 * time.Second
	// The browser follows the form's answer to BigBlueButton, which this rule is
	// asked about as well.
	d.policy = "default-src 'none'; style-src 'self'; form-action 'self' " + u.Scheme + "://" + u.Host + "; base-uri 'none'; frame-ancestors 'none'"
	d.pages, err = template.ParseFS(doorFiles, "door/page.html")
	return d, err
}

// Format prints where it leads, whatever the verb: within are secrets.
func (d *Door) Format(f fmt.State, _ rune) { fmt.Fprint(f, "door to BigBlueButton") }

// Handler serves the door: /b/ROOM, and what belongs to its page.
func (d *Door) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /b/{room}", d.ask)
	mux.HandleFunc("POST /b/{room}", d.enter)
	mux.HandleFunc("GET /door.css", func(w http.ResponseWriter, r *http.Request) {
		http.ServeFileFS(w, r, doorFiles, "door/door.css")
	})
	safe := http.NewCrossOriginProtection().Handler(mux)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", d.policy)
		h.Set("Referrer-Policy", "no-referrer") // an address opens a meeting
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Robots-Tag", "noindex")
		h.Set("Cache-Control", "no-store")
		r.Body = http.MaxBytesReader(w, r.Body, 4<<10)
		safe.ServeHTTP(w, r)
	})
}

// words are a page's texts.
type words struct{ Lang, Title, Ask, Join, Moderator, Unknown, Later, Busy string }

func (d *Door) words(r *http.Request) words {
	all := map[string]words{
		"en": {"en", "Join the meeting", "Your name", "Join", "You join as moderator.",
			"This address leads to no meeting. Look whether it was copied whole from the invitation.",
			"The meeting cannot be opened at the moment. Try again in a minute.", "Too many tries. Wait a moment, then try again."},
		"ja": {"ja", "会議に参加", "お名前", "参加する", "モデレーターとして参加します。",
			"このアドレスの会議は見つかりません。招待状のアドレスがすべて入力されているか確認してください。",
			"現在、会議を開けません。1分ほど待ってからもう一度お試しください。", "試行回数が多すぎます。しばらく待ってからもう一度お試しください。"},
	}
	for tag := range strings.SplitSeq(r.Header.Get("Accept-Language"), ",") {
		language, _, _ := strings.Cut(strings.ToLower(strings.TrimSpace(tag)), ";")
		language, _, _ = strings.Cut(language, "-")
		if w, known := all[language]; known {
			return w
		}
	}
	if w, known := all[d.config.Locale]; known {
		return w
	}
	return all["en"]
}

// page is what the template shows.
type page struct {
	words
	Form      bool
	Name      string
	Pass      string
	Moderates bool
	Trouble   string
}

func (d *Door) show(w http.ResponseWriter, code int, p page) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(code)
	if err := d.pages.ExecuteTemplate(w, "page.html", p); err != nil {
		d.log.Debug("page not written", "error", err)
	}
}

// admit finds out whether the address is one of ours and the caller not too
// eager. A guessed address counts as well.
func (d *Door) admit(w http.ResponseWriter, r *http.Request, p page) (room string, ok bool) {
	sealed := r.PathValue("room")
	room, known := openRoom(d.config.Key, sealed)
	if d.config.Allow != nil {
		if wait, ok := d.config.Allow(r, room); !ok {
			w.Header().Set("Retry-After", strconv.Itoa(int(max(wait, time.Second).Seconds())))
			p.Trouble = p.Busy
			d.show(w, http.StatusTooManyRequests, p)
			return "", false
		}
	}
	if !known {
		p.Trouble = p.Unknown
		d.show(w, http.StatusNotFound, p)
	}
	return room, known
}

func (d *Door) ask(w http.ResponseWriter, r *http.Request) {
	p := page{words: d.words(r)}
	if _, ok := d.admit(w, r, p); !ok {
		return
	}
	p.Form = true
	if pass := r.URL.Query().Get("m"); isModerator(d.config.Key, r.PathValue("room"), pass, time.Now()) {
		p.Pass, p.Moderates = pass, true
	}
	d.show(w, http.StatusOK, p)
}

func (d *Door) enter(w http.ResponseWriter, r *http.Request) {
	p := page{words: d.words(r)}
	room, ok := d.admit(w, r, p)
	if !ok {
		return
	}
	if err := r.ParseForm(); err != nil {
		http.Error(w, "the form is too long", http.StatusBadRequest)
		return
	}
	p.Form, p.Name, p.Pass = true, cleanName(r.PostForm.Get("name")), r.PostForm.Get("m")
	p.Moderates = isModerator(d.config.Key, r.PathValue("room"), p.Pass, time.Now())
	if p.Name == "" {
		d.show(w, http.StatusBadRequest, p)
		return
	}
	created, err := d.create(r.Context(), room, p.Lang)
	if err != nil {
		d.log.Warn("meeting not created", "error", err)
		w.Header().Set("Retry-After", "60")
		p.Trouble = p.Later
		d.show(w, http.StatusServiceUnavailable, p)
		return
	}
	q := url.Values{"fullName": {p.Name}, "meetingID": {meetingID(room)}, "role": {"VIEWER"}, "createTime": {created}, "redirect": {"true"}}
	if p.Moderates {
		q.Set("role", "MODERATOR")
	}
	http.Redirect(w, r, d.call("join", q), http.StatusSeeOther)
}

// maxName is the most characters of a visitor's name.
const maxName = 64

// cleanName is a name as others may see it; empty if there is none.
func cleanName(s string) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Cf, r) || r == unicode.ReplacementChar {
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, ""))
	s = strings.Join(strings.Fields(s), " ")
	if runes := []rune(s); len(runes) > maxName {
		s = strings.TrimSpace(string(runes[:maxName]))
	}
	return s
}

func meetingID(room string) string { return "koyomi-" + room }

// create has the meeting made, which changes nothing where it is there, and
// returns when that was: by it a browser joins this meeting and no later one.
func (d *Door) create(ctx context.Context, room, locale string) (created string, err error) {
	q := url.Values{"meetingID": {meetingID(room)}, "name": {Topic(cmp.Or(d.config.Locale, locale), "")}}
	if d.config.Lobby {
		q.Set("guestPolicy", "ASK_MODERATOR")
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, d.call("create", q), nil)
	if err != nil {
		return "", err
	}
	answer, err := d.api.send(ctx, r, false)
	if err != nil {
		return "", errors.New(err.Error()) // the cause holds the address with its checksum
	}
	return readCreated(answer.body)
}

// call writes an API call: the checksum is over the call's name, the query as it
// is sent and the secret.
func (d *Door) call(name string, q url.Values) string {
	query := q.Encode()
	h := d.hash()
	h.Write([]byte(name + query + string(d.config.Secret)))
	return d.config.URL + "/" + name + "?" + query + "&checksum=" + hex.EncodeToString(h.Sum(nil))
}

// maxCreated bounds an answer of BigBlueButton.
const maxCreated = 64 << 10

// readCreated reads the answer to create.
func readCreated(body []byte) (created string, err error) {
	var answer struct {
		XMLName xml.Name `xml:"response"`
		Code    string   `xml:"returncode"`
		Key     string   `xml:"messageKey"`
		Created int64    `xml:"createTime"`
	}
	if len(body) > maxCreated {
		return "", errors.New("BigBlueButton sent an answer that is too long")
	}
	if err := xml.Unmarshal(body, &answer); err != nil {
		return "", errors.New("BigBlueButton sent an answer that cannot be read: is the address that of its API?")
	}
	switch {
	case answer.Code != "SUCCESS" && answer.Key == "checksumError":
		return "", errors.New("BigBlueButton does not accept the checksum: look at the secret, and whether it knows the checksum's kind")
	case answer.Code != "SUCCESS":
		return "", fmt.Errorf("BigBlueButton refuses to create the meeting: %s", plainText(answer.Key))
	case answer.Created <= 0:
		return "", errors.New("BigBlueButton did not say when the meeting was created")
	}
	return strconv.FormatInt(answer.Created, 10), nil
}
