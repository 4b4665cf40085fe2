package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/koyomi-cal/koyomi/internal/calendar"
	"github.com/koyomi-cal/koyomi/internal/connector"
	"github.com/koyomi-cal/koyomi/internal/exchange"
	"github.com/koyomi-cal/koyomi/internal/mailbox"
)

type traceCommand struct {
	configFlags
	Meeting  string `placeholder:"ID" help:"Only this meeting, by the id that the trace shows or the beginning of it; with all its decisions."`
	Since    string `placeholder:"TIME" help:"From then on: 2026-11-24, 2026-11-24T09:30:00Z, or how long ago, such as 90m, 12h or 3d; default: all that is kept."`
	Last     int    `default:"5" help:"How many decisions are shown of each meeting; 0: all."`
	Subjects bool   `help:"Show subjects too, read from Exchange now. The audit record will say so."`
	JSON     bool   `name:"json" help:"Print one JSON object."`
	Lang     string `help:"Language: en or ja; default as LC_ALL, LC_MESSAGES and LANG say."`

	Mailbox string `arg:"" help:"Address or short id."`
}

// decision is one line of a trace. As JSON its names stay, new ones may come.
type decision struct {
	At       time.Time        `json:"at"`
	Reason   mailbox.Reason   `json:"reason"`
	Sentence string           `json:"sentence"`
	Waiting  calendar.Waiting `json:"waiting,omitzero"`
}

// traced is one meeting of a trace.
type traced struct {
	Meeting   string     `json:"meeting"` // opaque id; empty: the calendar as a whole
	Subject   string     `json:"subject,omitempty"`
	Unread    string     `json:"unread,omitempty"` // why there is no subject
	Earlier   int        `json:"earlier,omitempty"`
	Decisions []decision `json:"decisions"` // oldest first
}

// trace is what is printed.
type trace struct {
	Address  string             `json:"address,omitempty"`
	Mailbox  calendar.MailboxID `json:"mailbox"`
	Since    time.Time          `json:"since,omitzero"`
	Meetings []traced           `json:"meetings"` // the one decided on last is the last
}

// Run prints the trace.
func (c *traceCommand) Run(env *environment) (err error) {
	lang, err := language(c.Lang, env.getenv)
	if err != nil {
		return err
	}
	since, err := pastTime(c.Since, time.Now())
	if err != nil {
		return err
	}
	b, err := c.beside(env)
	if err != nil {
		return err
	}
	defer closing(&err, b)
	m, err := b.named(env.ctx, c.Mailbox)
	if err != nil {
		return err
	}
	t, err := b.trace(env.ctx, m, since, lang)
	if err != nil {
		return err
	}
	if c.Meeting != "" {
		if err := t.only(c.Meeting); err != nil {
			return err
		}
	} else {
		t.shorten(c.Last)
	}
	if c.Subjects {
		if err := b.subjects(env, m, &t, lang); err != nil {
			return err
		}
	}
	if c.JSON {
		return printJSON(env.stdout, t)
	}
	t.print(env, lang)
	return nil
}

// pastTime reads a time, or how long ago it was.
func pastTime(text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04", "2006-01-02 15:04", "2006-01-02"} {
		if t, err := time.ParseInLocation(layout, text, time.Local); err == nil {
			return t, nil
		}
	}
	ago, err := time.ParseDuration(text)
	if days, is := strings.CutSuffix(text, "d"); is {
		if ago, err = time.ParseDuration(days + "h"); err == nil {
			ago *= 24
		}
	}
	if err != nil || ago < 0 {
		return time.Time{}, usagef("--since: %q is neither a time such as 2026-11-24T09:30:00Z nor a length such as 12h or 3d", text)
	}
	return now.Add(-ago), nil
}

// trace reads the decisions and puts those about one meeting together.
func (b *beside) trace(ctx context.Context, m connector.Member, since time.Time, lang lang) (trace, error) {
	t := trace{Address: m.Address, Mailbox: m.ID, Since: since, Meetings: []traced{}}
	lines, err := connector.ReadTrace(ctx, b.cache, m.ID, since)
	if err != nil {
		return t, err
	}
	at := map[string]int{}
	for _, l := range lines {
		i, has := at[l.Meeting]
		if !has {
			i = len(t.Meetings)
			at[l.Meeting] = i
			t.Meetings = append(t.Meetings, traced{Meeting: l.Meeting})
		}
		t.Meetings[i].Decisions = append(t.Meetings[i].Decisions, decision{l.At, l.Reason, lang.decided(l.Reason), l.Waiting})
	}
	slices.SortStableFunc(t.Meetings, func(x, y traced) int {
		return x.Decisions[len(x.Decisions)-1].At.Compare(y.Decisions[len(y.Decisions)-1].At)
	})
	return t, nil
}

// only leaves one meeting.
func (t *trace) only(id string) error {
	found := slices.DeleteFunc(t.Meetings, func(m traced) bool { return m.Meeting == "" || !strings.HasPrefix(m.Meeting, id) })
	switch len(found) {
	case 1:
		t.Meetings = found
		return nil
	case 0:
		return fmt.Errorf("--meeting: the trace has no meeting %s in that time", id)
	}
	return fmt.Errorf("--meeting: %d meetings begin with %s: give more of it", len(found), id)
}

// shorten leaves the last decisions of each meeting.
func (t *trace) shorten(last int) {
	for i := range t.Meetings {
		m := &t.Meetings[i]
		if n := len(m.Decisions) - last; last > 0 && n > 0 {
			m.Earlier, m.Decisions = n, m.Decisions[n:]
		}
	}
}

// subjects reads them from Exchange, once that was put into the audit record.
// They go to whoever asked, and nowhere else.
func (b *beside) subjects(env *environment, m connector.Member, t *trace, lang lang) error {
	if !m.Served() {
		return errors.New("--subjects: the mailbox is not activated, so nothing of it is read")
	}
	saved, err := b.cache.LoadMailbox(env.ctx, string(m.ID))
	if err != nil {
		return err
	}
	state := new(mailbox.State)
	if err := state.UnmarshalBinary(saved.Core); err != nil && len(saved.Core) > 0 {
		return err
	}
	items := map[string]string{}
	for _, k := range state.Known() {
		items[k.Ref] = k.Item
	}
	b.config.withDecisions(env)
	o, err := b.config.Exchange.options(env, slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	x, err := exchange.New(o)
	if err != nil {
		return err
	}
	if err := x.Remember(env.ctx, b.settings); err != nil {
		return err
	}
	if err := b.roster.Audited(env.ctx, commandLine, "trace.subjects", m.ID); err != nil {
		return err
	}
	for i := range t.Meetings {
		e := &t.Meetings[i]
		id := items[e.Meeting]
		if id == "" {
			e.Unread = lang.text("not in the calendar any more", "予定表にありません")
			continue
		}
		it, err := x.Get(env.ctx, m.Mailbox.Mailbox, id)
		if f, is := errors.AsType[*calendar.Fault](err); is && f.Class == calendar.Missing {
			e.Unread = lang.text("not in the calendar any more", "予定表にありません")
			continue
		}
		if err != nil {
			return fmt.Errorf("--subjects: %w", err)
		}
		e.Subject = cutTo(visible(it.Subject), 255)
	}
	return nil
}

// traceIndent is the column at which sentences begin.
const traceIndent = 2 + len("2006-01-02 15:04:05") + 2

// print writes the trace for people.
func (t trace) print(env *environment, lang lang) {
	w := env.stdout
	columns := columnsOf(w, env.getenv)
	fmt.Fprintln(w, strings.TrimSpace(t.Address+" "+string(t.Mailbox)))
	if len(t.Meetings) == 0 {
		fmt.Fprintln(w, lang.text("Nothing was decided in that time.", "この期間の記録はありません。"))
		return
	}
	for _, m := range t.Meetings {
		heading := lang.text("meeting ", "会議 ") + m.Meeting
		if m.Meeting == "" {
			heading = lang.text("the calendar as a whole", "予定表全体")
		}
		fmt.Fprintln(w, "\n"+heading)
		if s := cmp.Or(m.Subject, m.Unread); s != "" {
			if m.Subject == "" {
				s = "(" + s + ")"
			}
			for _, line := range wrapped(s, columns-2) {
				fmt.Fprintln(w, "  "+line)
			}
		}
		if m.Earlier > 0 {
			fmt.Fprintf(w, lang.text("  (%d earlier)\n", "  (以前の記録 %d 件)\n"), m.Earlier)
		}
		for _, d := range m.Decisions {
			head := "  " + d.At.Local().Format("2006-01-02 15:04:05") + "  "
			for _, line := range wrapped(d.text(lang)+" ["+string(d.Reason)+"]", columns-traceIndent) {
				fmt.Fprintln(w, head+line)
				head = strings.Repeat(" ", traceIndent)
			}
		}
	}
}

// text is the sentence, with what is waited for.
func (d decision) text(lang lang) string {
	w := d.Waiting
	if w.Service == "" {
		return d.Sentence
	}
	text := d.Sentence + lang.text(" Service: ", " サービス: ") + w.Service + lang.text(", since ", "、開始: ") + w.Since.Local().Format("2006-01-02 15:04")
	if !w.Retry.IsZero() {
		text += lang.text(", again at ", "、次回: ") + w.Retry.Local().Format("2006-01-02 15:04")
	}
	return text + lang.text(".", "。")
}
