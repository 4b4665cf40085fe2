package detect

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/koyomi-cal/koyomi/internal/calendar"
)

// maxLine bounds one line of input in bytes: a body of maxField fits with
// every second character escaped.
const maxLine = 24 << 20

// ErrBrokenLine is returned by RunJSON at its end if a line of input was not
// what it should be: exit code 1.
var ErrBrokenLine = errors.New("at least one input line was not a JSON object of the documented form: see the \"error\" of the answers")

// answer is a result as JSON: what is absent is null, lists are never null.
type answer struct {
	ID            *string     `json:"id"`
	Join          bool        `json:"join"`
	Provider      *string     `json:"provider"`
	URL           *string     `json:"url"`
	SIP           *string     `json:"sip"`
	H323          *string     `json:"h323"`
	MeetingID     *string     `json:"meeting_id"`
	Passcode      *string     `json:"passcode"`
	Dialin        []dialin    `json:"dialin"`
	Keyword       *string     `json:"keyword"`
	KeywordAction *string     `json:"keyword_action"`
	Candidates    []candidate `json:"candidates"`
	Rejected      []rejection `json:"rejected"`
}

type dialin struct {
	Number string  `json:"number"`
	PIN    *string `json:"pin"`
}

type candidate struct {
	Provider string   `json:"provider"`
	URL      string   `json:"url,omitempty"`
	SIP      string   `json:"sip,omitempty"`
	Field    string   `json:"field"`
	Start    int      `json:"start"`
	End      int      `json:"end"`
	Score    int      `json:"score"`
	Why      []string `json:"why"`
}

type rejection struct {
	Text string `json:"text"`
	Why  string `json:"why"`
}

// optional is null in JSON where a string is empty.
func optional(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// MarshalJSON writes the result in the form that `koyomi detect` promises.
func (r Result) MarshalJSON() ([]byte, error) { return json.Marshal(r.answer()) }

func (r *Result) answer() answer {
	a := answer{ID: optional(r.ID), Join: r.Join, Provider: optional(r.Provider), URL: optional(r.URL), SIP: optional(r.SIP), H323: optional(r.H323), MeetingID: optional(r.MeetingID), Passcode: optional(r.Passcode),
		Keyword: optional(r.Keyword), KeywordAction: optional(string(r.KeywordAction)), Dialin: []dialin{}, Candidates: []candidate{}, Rejected: []rejection{}}
	for _, d := range r.Dialin {
		a.Dialin = append(a.Dialin, dialin{d.Number, optional(d.PIN)})
	}
	for _, c := range r.Candidates {
		a.Candidates = append(a.Candidates, candidate{c.Provider, c.URL, c.SIP, c.Field, c.Start, c.End, c.Score, c.Why})
	}
	for _, j := range r.Rejected {
		a.Rejected = append(a.Rejected, rejection(j))
	}
	return a
}

// RunJSON answers invitations: one JSON object a line in, one a line out, in
// the same order and nothing else. A line that is no such object gets
// {"id":…,"error":…}, the rest goes on, and ErrBrokenLine is returned at the
// end.
func RunJSON(ctx context.Context, r io.Reader, w io.Writer, rules *Rules) error {
	d := New(rules)
	in := bufio.NewReaderSize(r, 64<<10)
	out := bufio.NewWriter(w)
	enc := json.NewEncoder(out)
	enc.SetEscapeHTML(false)
	broken := false
	for {
		line, err := readLine(in, maxLine)
		if len(line) > 0 || errors.Is(err, errLong) {
			if ok, werr := d.answerLine(enc, line, errors.Is(err, errLong)); werr != nil {
				return fmt.Errorf("write answer: %w", werr)
			} else if !ok {
				broken = true
			}
			if in.Buffered() == 0 {
				if werr := out.Flush(); werr != nil {
					return fmt.Errorf("write answer: %w", werr)
				}
			}
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil && !errors.Is(err, errLong) {
			if ferr := out.Flush(); ferr != nil {
				return fmt.Errorf("write answer: %w", ferr)
			}
			switch {
			case !errors.Is(err, io.EOF):
				return fmt.Errorf("read input: %w", err)
			case broken:
				return ErrBrokenLine
			}
			return nil
		}
	}
}

// answerLine writes the answer to one line and reports whether the line was
// sound.
func (d *Detector) answerLine(enc *json.Encoder, line []byte, long bool) (ok bool, err error) {
	var in Input
	problem := ""
	if long {
		problem = fmt.Sprintf("the line is longer than %d MiB", maxLine>>20)
	} else if err := json.Unmarshal(line, &in); err != nil {
		problem = "not a JSON object of the documented form: " + err.Error()
	} else if in.BodyType != "" && in.BodyType != calendar.BodyText && in.BodyType != calendar.BodyHTML {
		problem = `"body_type" is neither "text" nor "html"`
	}
	if problem == "" {
		r := d.Detect(in)
		return true, enc.Encode(r.answer())
	}
	id := in.ID
	if id == "" {
		var only struct {
			ID any `json:"id"`
		}
		if json.Unmarshal(line, &only) == nil && only.ID != nil {
			id = fmt.Sprint(only.ID)
		}
	}
	return false, enc.Encode(struct {
		ID    *string `json:"id"`
		Error string  `json:"error"`
	}{optional(id), problem})
}

var errLong = errors.New("line too long")

// readLine reads one line of at most most bytes, without its end. Empty lines
// are passed over by the caller.
func readLine(in *bufio.Reader, most int) ([]byte, error) {
	var line []byte
	long := false
	for {
		part, err := in.ReadSlice('\n')
		if !long {
			line = append(line, part...)
			long = len(line) > most
		}
		if errors.Is(err, bufio.ErrBufferFull) {
			continue
		}
		for len(line) > 0 && (line[len(line)-1] == '\n' || line[len(line)-1] == '\r' || line[len(line)-1] == ' ') {
			line = line[:len(line)-1]
		}
		if long {
			if err != nil {
				return nil, err
			}
			return nil, errLong
		}
		return line, err
	}
}
