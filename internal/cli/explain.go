package cli

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/koyomi-cal/koyomi/internal/detect"
	"github.com/koyomi-cal/koyomi/internal/invite"
)

type explainCommand struct {
	ruleFlags
	JSON  bool   `name:"json" help:"Print one JSON object a line for each event: what koyomi detect says, with the event and what could not be read."`
	Lang  string `help:"Language: en or ja; default as LC_ALL, LC_MESSAGES and LANG say."`
	Color string `default:"auto" enum:"auto,always,never" help:"Colours: auto (on a terminal, unless NO_COLOR is set), always or never."`
	File  string `arg:"" help:"A saved mail (.eml), a calendar file (.ics), pasted HTML or text; - is standard input."`
}

// Help is printed below the flags' list.
func (explainCommand) Help() string {
	return "Paste an invitation to try the organisation's own rules: koyomi explain --config FILE - < pasted.txt"
}

// Run explains one document.
func (c *explainCommand) Run(env *environment) error {
	lang, err := language(c.Lang, env.getenv)
	if err != nil {
		return err
	}
	rules, err := c.rules(env)
	if err != nil {
		return err
	}
	data, err := c.read(env)
	if err != nil {
		return err
	}
	doc, err := invite.Read(data)
	if err != nil {
		return fmt.Errorf("%s: %w", c.name(), unreadable(lang, err))
	}
	if c.JSON {
		return explainJSON(env, doc, rules)
	}
	colour := c.Color == "always" || c.Color == "auto" && env.getenv("NO_COLOR") == "" && env.getenv("TERM") != "dumb" && isTerminal(env.stdout)
	d := detect.New(rules)
	p := &explainer{lang: lang, colour: colour, configured: c.Config != ""}
	p.document(c.name(), doc)
	for i := range doc.Events {
		p.event(&doc.Events[i], d.Detect(doc.Events[i].Input))
	}
	p.problems(doc.Problems)
	_, err = io.WriteString(env.stdout, p.out.String())
	return err
}

func (c *explainCommand) name() string {
	if c.File == "-" {
		return "standard input"
	}
	return visible(c.File)
}

// read reads the document, and no more of it than is ever looked at.
func (c *explainCommand) read(env *environment) ([]byte, error) {
	in := env.stdin
	if c.File != "-" {
		f, err := os.Open(c.File)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil, usagef("%s: there is no such file; name a saved mail or calendar file, or - for standard input", c.name())
		case err != nil:
			return nil, fmt.Errorf("%s cannot be read: %s", c.name(), plain(err))
		}
		defer f.Close()
		in = f
	}
	data, err := io.ReadAll(io.LimitReader(in, invite.MaxDocument+1))
	if err != nil {
		return nil, fmt.Errorf("%s cannot be read: %s", c.name(), plain(err))
	}
	return data, nil
}

// eventFacts is what --json adds to detect's answer. Names stay, new ones may
// come.
type eventFacts struct {
	Kind         invite.Kind `json:"kind"` // of the document
	Part         string      `json:"part,omitempty"`
	Method       string      `json:"method,omitempty"`
	Status       string      `json:"status,omitempty"`
	Summary      string      `json:"summary,omitempty"`
	Location     string      `json:"location,omitempty"`
	Organizer    *factPerson `json:"organizer"`
	Attendees    int         `json:"attendees"`
	Start        *factMoment `json:"start"`
	End          *factMoment `json:"end"`
	Duration     string      `json:"duration,omitempty"`
	Recurrence   string      `json:"recurrence,omitempty"`
	RecurrenceID *factMoment `json:"recurrence_id,omitempty"`
	BodyFrom     string      `json:"body_from,omitempty"`
}

type factPerson struct {
	Name    string `json:"name,omitempty"`
	Address string `json:"address,omitempty"`
}

type factMoment struct {
	Value  string `json:"value"`
	Zone   string `json:"zone,omitempty"`
	Offset string `json:"offset,omitempty"`
}

type factProblem struct {
	Part  string      `json:"part,omitempty"`
	Line  int         `json:"line,omitempty"`
	Field string      `json:"field,omitempty"`
	Code  invite.Code `json:"code"`
	Text  string      `json:"text"`
}

// explainJSON prints for each event the line that koyomi detect prints, with
// two more members: "event" and "problems", those of the whole document.
func explainJSON(env *environment, doc *invite.Document, rules *detect.Rules) error {
	var in, answers bytes.Buffer
	enc := json.NewEncoder(&in)
	for i := range doc.Events {
		if err := enc.Encode(doc.Events[i].Input); err != nil {
			return err
		}
	}
	if err := detect.RunJSON(env.ctx, &in, &answers, rules); err != nil {
		return err
	}
	problems := []factProblem{}
	for _, p := range doc.Problems {
		problems = append(problems, factProblem{p.Part, p.Line, p.Field, p.Code, p.String()})
	}
	for i := range doc.Events {
		line, err := answers.ReadBytes('\n')
		if err != nil {
			return fmt.Errorf("event %d: %w", i+1, err)
		}
		if err := withFacts(env.stdout, line, doc.Kind, &doc.Events[i], problems); err != nil {
			return err
		}
	}
	return nil
}

// withFacts writes one answer with the two members put before its end.
func withFacts(w io.Writer, answer []byte, kind invite.Kind, e *invite.Event, problems []factProblem) error {
	facts := eventFacts{
		Kind: kind, Part: e.Part, Method: e.Method, Status: e.Status, Summary: e.Input.Subject, Location: e.Input.Location, Attendees: e.Attendees,
		Start: factOf(e.Start), End: factOf(e.End), Duration: e.Duration, Recurrence: e.Recurrence, RecurrenceID: factOf(e.RecurrenceID), BodyFrom: e.BodyFrom,
	}
	if e.Organizer != (invite.Person{}) {
		facts.Organizer = &factPerson{e.Organizer.Name, e.Organizer.Address}
	}
	var more bytes.Buffer
	enc := json.NewEncoder(&more)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(struct {
		Event    eventFacts    `json:"event"`
		Problems []factProblem `json:"problems"`
	}{facts, problems}); err != nil {
		return err
	}
	line := append(bytes.TrimSuffix(bytes.TrimSpace(answer), []byte("}")), ',')
	_, err := w.Write(append(line, more.Bytes()[1:]...))
	return err
}

func factOf(m invite.Moment) *factMoment {
	if m.Value == "" {
		return nil
	}
	return &factMoment{m.Value, m.Zone, m.Offset}
}
