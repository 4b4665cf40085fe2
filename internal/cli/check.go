package cli

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/url"
	"os"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"
)

type checkCommand struct {
	configFlags
	JSON     bool   `name:"json" help:"Print one JSON object instead of the table."`
	Advice   bool   `help:"Print also what to look at on rooms, remote domains, throttling and certificates."`
	Lang     string `help:"Language of the table: en or ja; default as LC_ALL, LC_MESSAGES and LANG say."`
	Parallel int    `default:"4" help:"Mailboxes tried at once, 1 to 10."`

	Write   bool          `help:"Play a canary meeting between the two test mailboxes A and B that are named, and remove it; find out how the server treats bodies and mails."`
	Room    string        `placeholder:"ADDRESS" help:"With --write: a room to invite as well."`
	Profile string        `placeholder:"FILE" help:"With --write: write what was found out into this file, for exchange.profile and for koyomi exchange --dialect-file."`
	Wait    time.Duration `default:"20s" help:"With --write: how long a mail may take to arrive; one that should not come is waited for as long."`
	Long    bool          `help:"With --write: find out too how long a subscription lives without a stream; takes up to two hours."`
	Yes     bool          `help:"With --write: do not ask."`

	Mailboxes []string `arg:"" optional:"" help:"Addresses to try; none: those of the configuration. With --write: A and B."`
}

// step is one thing that has to work, and how it went. It is part of the JSON
// that --json prints: names stay, new ones may come.
type step struct {
	Mailbox string `json:"mailbox,omitempty"` // empty: the server as a whole
	Step    string `json:"step"`
	OK      bool   `json:"ok"`
	Detail  string `json:"detail,omitempty"`
	Warning string `json:"warning,omitempty"` // it works, but not for ever
	Cause   string `json:"cause,omitempty"`
	Code    string `json:"code,omitempty"` // of the failure, for programs
	Repair  string `json:"repair,omitempty"`
	Command string `json:"command,omitempty"` // the end of Repair that is to be typed
}

// Run goes through the steps. Without --write it writes nothing to any mailbox.
func (c *checkCommand) Run(env *environment) error {
	lang, err := language(c.Lang, env.getenv)
	if err != nil {
		return err
	}
	if c.Parallel < 1 || c.Parallel > 10 {
		return usagef("--parallel is 1 to 10")
	}
	if c.Write {
		if err := c.checkWrite(); err != nil {
			return err
		}
	}
	var config connectorConfig
	if err := loadConfig(&config, c.Config, env.getenv, c.Set); err != nil {
		return err
	}
	config.withDecisions(env)
	if err := config.Exchange.check(); err != nil {
		return err
	}
	mailboxes, err := c.toTry(env, &config)
	if err != nil {
		return err
	}
	found, err := findServers(env, config.Exchange, mailboxes, slog.New(backEndHandler{}))
	if err != nil {
		return err
	}
	defer found.close()
	r := &report{env: env, named: distinct(mailboxes), asJSON: c.JSON, lang: lang, columns: columnsOf(env.stdout, env.getenv)}
	k := checker{found: found, config: config.Exchange, account: config.Exchange.Username, lang: lang}
	well := true
	for _, u := range found.urls {
		steps, answers := k.server(env.ctx, u)
		r.add(steps)
		well = well && answers
	}
	if well {
		if err := k.all(env.ctx, mailboxes, c.Parallel, r); err != nil {
			return err
		}
	}
	if c.Write && r.failed() == 0 {
		c.canary(env, found, r)
	}
	r.add(config.serviceSteps(env, lang))
	if c.Advice || c.JSON {
		r.advice = adviceFor(config.Exchange.Username, lang)
	}
	return r.end()
}

// all tries the mailboxes, a few at once, and reports them in their order.
func (k checker) all(ctx context.Context, mailboxes []string, parallel int, r *report) error {
	done := make([]chan []step, len(mailboxes))
	for i := range done {
		done[i] = make(chan []step, 1)
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(parallel + 1)
	g.Go(func() error {
		defer r.progress(-1, 0)
		for i, d := range done {
			r.progress(i, len(mailboxes))
			select {
			case steps := <-d:
				r.add(steps)
			case <-ctx.Done():
				return errors.New("ended before every mailbox was tried")
			}
		}
		return nil
	})
	for i, m := range mailboxes {
		g.Go(func() error {
			if ctx.Err() == nil {
				done[i] <- k.mailbox(ctx, m)
			}
			return nil
		})
	}
	return g.Wait()
}

// expiry returns when the server's certificate ends, or zero where there is
// none or it cannot be seen from here.
func (k checker) expiry(ctx context.Context, address string) time.Time {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "https" {
		return time.Time{}
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if k.config.CAFile != "" {
		if pem, err := os.ReadFile(k.config.CAFile); err == nil {
			if config.RootCAs, err = x509.SystemCertPool(); err != nil {
				config.RootCAs = x509.NewCertPool()
			}
			config.RootCAs.AppendCertsFromPEM(pem)
		}
	}
	port := u.Port()
	if port == "" {
		port = "443"
	}
	dialer := tls.Dialer{NetDialer: &net.Dialer{Timeout: 10 * time.Second}, Config: config}
	conn, err := dialer.DialContext(ctx, "tcp", net.JoinHostPort(u.Hostname(), port))
	if err != nil {
		return time.Time{} // such as behind a proxy; the other steps say whether it works
	}
	defer conn.Close()
	c, is := conn.(*tls.Conn)
	if !is || len(c.ConnectionState().PeerCertificates) == 0 {
		return time.Time{}
	}
	return c.ConnectionState().PeerCertificates[0].NotAfter
}

// backEndHandler takes the name of the back end that answered out of the
// client's log records and keeps it where the request's context says.
type backEndHandler struct{}

type backEndKey struct{}

// Enabled takes debug records: those of requests are.
func (backEndHandler) Enabled(ctx context.Context, _ slog.Level) bool {
	return ctx.Value(backEndKey{}) != nil
}

// Handle keeps the name.
func (backEndHandler) Handle(ctx context.Context, r slog.Record) error {
	if into, is := ctx.Value(backEndKey{}).(*string); is {
		r.Attrs(func(a slog.Attr) bool {
			if a.Key == "x-calculatedbetarget" || a.Key == "x-beserver" && *into == "" {
				*into = a.Value.String()
			}
			return true
		})
	}
	return nil
}

// WithAttrs and WithGroup make nothing of it.
func (h backEndHandler) WithAttrs([]slog.Attr) slog.Handler { return h }

// WithGroup returns the same handler.
func (h backEndHandler) WithGroup(string) slog.Handler { return h }

// report prints steps as they come, or all at the end as JSON.
type report struct {
	env     *environment
	asJSON  bool
	lang    lang
	columns int // of the terminal; 0: lines are as long as they are
	named   int // mailboxes that are to be tried
	steps   []step
	advice  []advice
	canary  any // of --write
	last    string
	begun   bool
	counter bool // a counter stands on the terminal
}

func (r *report) add(steps []step) {
	r.progress(-1, 0)
	r.steps = append(r.steps, steps...)
	if r.asJSON {
		return
	}
	for _, s := range steps {
		r.print(s)
	}
}

func (r *report) failed() (n int) {
	for _, s := range r.steps {
		if !s.OK {
			n++
		}
	}
	return n
}

// distinct counts the mailboxes of a list, in which one may stand twice.
func distinct(mailboxes []string) int {
	return len(slices.Compact(slices.Sorted(slices.Values(mailboxes))))
}

// summary counts mailboxes.
type summary struct {
	Mailboxes int      `json:"mailboxes"` // that were tried
	Well      int      `json:"well"`
	Failed    int      `json:"failed"`
	NotTried  int      `json:"not_tried"` // since a step before them failed
	Warnings  int      `json:"warnings"`
	Elsewhere []string `json:"failed_elsewhere,omitempty"` // steps that failed and are no mailbox's
}

func (r *report) summary() (s summary) {
	failed, seen := map[string]bool{}, map[string]bool{}
	for _, st := range r.steps {
		if st.Mailbox != "" {
			seen[st.Mailbox] = true
			failed[st.Mailbox] = failed[st.Mailbox] || !st.OK
		} else if !st.OK && !slices.Contains(s.Elsewhere, st.Step) {
			s.Elsewhere = append(s.Elsewhere, st.Step)
		}
		if st.Warning != "" {
			s.Warnings++
		}
	}
	s.Mailboxes = len(seen)
	s.NotTried = max(0, r.named-len(seen))
	for m := range seen {
		if failed[m] {
			s.Failed++
		} else {
			s.Well++
		}
	}
	return s
}

// end prints summary and advice, or the JSON, and says whether every step went
// well.
func (r *report) end() error {
	failed := r.failed()
	if r.asJSON {
		out := json.NewEncoder(r.env.stdout)
		out.SetIndent("", "  ")
		out.SetEscapeHTML(false)
		if err := out.Encode(struct {
			OK      bool     `json:"ok"`
			Summary summary  `json:"summary"`
			Steps   []step   `json:"steps"`
			Advice  []advice `json:"advice,omitempty"`
			Canary  any      `json:"canary,omitempty"`
		}{failed == 0, r.summary(), r.steps, r.advice, r.canary}); err != nil {
			return err
		}
	} else {
		r.printEnd()
	}
	if failed > 0 {
		return quietError{fmt.Errorf("%d steps failed", failed)}
	}
	return nil
}

// isTerminal reports whether somebody looks at what is written.
func isTerminal(w io.Writer) bool {
	f, is := w.(*os.File)
	if !is {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
