package ews

import (
	"bytes"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/koyomi-cal/koyomi/ews/internal/wire"
)

func TestParseTime(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"2026-11-23T09:00:00Z":                "2026-11-23T09:00:00Z",
		" 2026-11-23T09:00:00.123456789Z\n":   "2026-11-23T09:00:00.123456789Z",
		"2026-11-23T09:00:00.12345678901234Z": "2026-11-23T09:00:00.123456789Z",
		"2026-11-23T09:00:00":                 "2026-11-23T09:00:00Z",
		"2026-11-23T09:00:00.5":               "2026-11-23T09:00:00.5Z",
		"2026-11-23T18:00:00+09:00":           "2026-11-23T09:00:00Z",
		"2026-11-23":                          "2026-11-23T00:00:00Z",
		"2026-11-23Z":                         "2026-11-23T00:00:00Z",
		"2026-11-23-07:00":                    "2026-11-23T07:00:00Z",
		"0001-01-01T00:00:00Z":                "",
		"":                                    "",
		"yesterday":                           "",
	} {
		got := parseTime(in)
		if want == "" && !got.IsZero() || want != "" && !got.Equal(utc(want)) {
			t.Errorf("%q: got %v, want %s", in, got, want)
		}
	}
}

// FuzzDecode gives every reader every document: none may fail otherwise than
// with an *Error, nor print what it read.
func FuzzDecode(f *testing.F) {
	names, err := filepath.Glob(filepath.Join("testdata", "responses", "*.xml"))
	if err != nil || len(names) == 0 {
		f.Fatalf("no transcripts: %v", err)
	}
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		c := &call{op: "Fuzz"}
		a, err := c.interpret(&http.Response{StatusCode: 200}, data)
		if err == nil {
			err = readAll(a)
		}
		var e *Error
		if err != nil && (!errors.As(err, &e) || e.Message == "" || e.Class() == "") {
			t.Errorf("got %#v", err)
		}
	})
}

// readAll runs every reader over an answer and joins the errors.
func readAll(a answer) error {
	results := each(a, 3, func(msg *wire.Element, e *Error) ItemResult { return a.item(msg, e) })
	_, err := a.notification()
	errs := []error{err}
	for _, r := range results {
		errs = append(errs, r.Err)
	}
	var walk func(e *wire.Element)
	walk = func(e *wire.Element) {
		if it := decoded[CalendarItem](e); it != nil {
			_, _ = it.RightsManaged(), it.Signed()
		}
		errs = append(errs, a.freeBusy(e).Err)
		if id, ok := ParseGlobalObjectID(e.Text); ok {
			_ = id.UID()
		}
		for _, c := range e.Children {
			walk(c)
		}
	}
	walk(a.body)
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// FuzzStream reads a stream from any bytes.
func FuzzStream(f *testing.F) {
	f.Add([]byte(status("OK") + notes(modified, moved) + status("Closed")))
	f.Add([]byte("<Envelope><Body><Fault/></Body></Envelope>"))
	f.Fuzz(func(t *testing.T, data []byte) {
		resp := &http.Response{StatusCode: 200}
		s := streamReader{client: &Client{trace: &tracer{}}, call: &call{op: "Fuzz"}, resp: resp, docs: wire.NewSplitter(bytes.NewReader(data), 1<<16)}
		err := s.run(t.Context(), func(Notification) bool { return true })
		var e *Error
		if err != nil && !errors.As(err, &e) {
			t.Errorf("got %#v", err)
		}
	})
}
