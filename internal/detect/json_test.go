package detect

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

func TestRunJSON(t *testing.T) {
	t.Parallel()
	in := `{"id":"a","subject":"","location":"@Meet:space","body":"","body_type":"text","properties":{}}
{"id":"b","body":"Join https://zoom.us/j/123456789?pwd=1&x=<2>\nPhone: +49 30 1234567\nMeeting ID: 123 456 789"}

not json
{"id":"c","body_type":"rtf"}
{"id":7,"body":"x"}
[]
{"id":"d","location":"Kitchen","extra":true}`
	want := []string{
		`{"id":"a","join":true,"provider":"keyword","url":null,"sip":null,"h323":null,"meeting_id":null,"passcode":null,"dialin":[],"keyword":"@meet:space","keyword_action":"space","candidates":[],"rejected":[]}`,
		`{"id":"b","join":true,"provider":"zoom","url":"https://zoom.us/j/123456789?pwd=1&x=","sip":null,"h323":null,"meeting_id":"123456789","passcode":"1","dialin":[{"number":"+49301234567","pin":"123456789"}],"keyword":null,"keyword_action":null,` +
			`"candidates":[{"provider":"zoom","url":"https://zoom.us/j/123456789?pwd=1&x=","field":"body","start":5,"end":41,"score":2040,"why":["a zoom meeting link"]}],"rejected":[]}`,
		`{"id":null,"error":"not a JSON object of the documented form: invalid character 'o' in literal null (expecting 'u')"}`,
		`{"id":"c","error":"\"body_type\" is neither \"text\" nor \"html\""}`,
		`{"id":"7","error":"not a JSON object of the documented form: json: cannot unmarshal number into Go struct field Input.id of type string"}`,
		`{"id":null,"error":"not a JSON object of the documented form: json: cannot unmarshal array into Go value of type detect.Input"}`,
		`{"id":"d","join":false,"provider":null,"url":null,"sip":null,"h323":null,"meeting_id":null,"passcode":null,"dialin":[],"keyword":null,"keyword_action":null,"candidates":[],"rejected":[]}`,
	}
	var out bytes.Buffer
	if err := RunJSON(t.Context(), strings.NewReader(in), &out, nil); !errors.Is(err, ErrBrokenLine) {
		t.Errorf("error %v", err)
	}
	got := strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
	if len(got) != len(want) {
		t.Fatalf("%d lines of %d:\n%s", len(got), len(want), out.String())
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("line %d\n got %s\nwant %s", i, got[i], want[i])
		}
	}
}

func TestRunJSONEnds(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	if err := RunJSON(t.Context(), strings.NewReader(""), &out, nil); err != nil || out.Len() > 0 {
		t.Errorf("empty input: %v %q", err, out.String())
	}
	if err := RunJSON(t.Context(), iotest.ErrReader(io.ErrClosedPipe), &out, nil); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("broken input: %v", err)
	}
	if err := RunJSON(t.Context(), strings.NewReader("{}\n"), failing{}, nil); !errors.Is(err, io.ErrShortWrite) {
		t.Errorf("broken output: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := RunJSON(ctx, strings.NewReader("{}\n{}\n"), &out, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

type failing struct{}

func (failing) Write([]byte) (int, error) { return 0, io.ErrShortWrite }

func TestLongLine(t *testing.T) {
	t.Parallel()
	in := bufio.NewReaderSize(strings.NewReader("{}\r\n"+strings.Repeat("x", 100)+"\nshort\n"+strings.Repeat("y", 100)), 16)
	for _, want := range []struct {
		line string
		err  error
	}{{"{}", nil}, {"", errLong}, {"short", nil}, {"", io.EOF}} {
		line, err := readLine(in, 50)
		if string(line) != want.line || !errors.Is(err, want.err) {
			t.Errorf("%q %v, want %q %v", line, err, want.line, want.err)
		}
	}
	var out bytes.Buffer
	ok, err := New(nil).answerLine(json.NewEncoder(&out), nil, true)
	if ok || err != nil || !strings.Contains(out.String(), "longer than 24 MiB") {
		t.Errorf("%v %v %q", ok, err, out.String())
	}
}
