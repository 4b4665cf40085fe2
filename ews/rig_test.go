package ews

import (
	"context"
	"errors"
	"flag"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/koyomi-cal/koyomi/ews/internal/wire"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// recorded is a request as a server saw it.
type recorded struct {
	*http.Request
	op      string
	payload string
	chunked bool
}

// rig is a client with a server that answers as a test wants and remembers
// what it was asked.
type rig struct {
	*Client
	server *httptest.Server

	mu   sync.Mutex
	seen []recorded
}

const rigPassword = "correct horse battery staple"

// newRig starts a server that answers with the function. Options may be nil.
func newRig(t *testing.T, set func(*Options), answer func(w http.ResponseWriter, r recorded)) *rig {
	t.Helper()
	g := &rig{}
	g.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rec := record(r)
		g.mu.Lock()
		g.seen = append(g.seen, rec)
		g.mu.Unlock()
		answer(w, rec)
	}))
	t.Cleanup(g.server.Close)
	opts := Options{
		URL:         g.server.URL + "/EWS/Exchange.asmx",
		Credentials: Credentials{Username: `EXAMPLE\svc`, Password: NewSecret(rigPassword)},
	}
	if set != nil {
		set(&opts)
	}
	c, err := New(opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	g.Client = c
	return g
}

func record(r *http.Request) recorded {
	data, _ := io.ReadAll(r.Body)
	rec := recorded{Request: r, payload: string(data), chunked: len(r.TransferEncoding) > 0}
	if env, err := wire.Parse(data, wire.Limits{}); err == nil {
		if body := env.Body(); body != nil {
			rec.op = strings.TrimSuffix(body.Name, "Request")
		}
	}
	return rec
}

func (g *rig) requests() []recorded {
	g.mu.Lock()
	defer g.mu.Unlock()
	return append([]recorded(nil), g.seen...)
}

// answerWith answers every request with the transcript in testdata/responses.
func answerWith(t *testing.T, name string) func(http.ResponseWriter, recorded) {
	t.Helper()
	data := transcript(t, name)
	return func(w http.ResponseWriter, _ recorded) { soap(w, http.StatusOK, data) }
}

func transcript(t testing.TB, name string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", "responses", name+".xml"))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func soap(w http.ResponseWriter, status int, body string) {
	w.Header().Set("Content-Type", "text/xml; charset=utf-8")
	w.WriteHeader(status)
	io.WriteString(w, body)
}

// envelope wraps a response element as Exchange does.
func envelope(body string) string {
	return `<?xml version="1.0" encoding="utf-8"?><s:Envelope xmlns:s="` + wire.NSSoap + `"><s:Header><h:ServerVersionInfo MajorVersion="15" MinorVersion="2" MajorBuildNumber="1544" MinorBuildNumber="4" Version="V2017_07_11" xmlns:h="` + wire.NSTypes + `" xmlns="` + wire.NSTypes + `"/></s:Header><s:Body xmlns:xsi="` + wire.NSXSI + `" xmlns:xsd="` + wire.NSXSD + `">` + body + `</s:Body></s:Envelope>`
}

// response makes an answer with response messages.
func response(op, messages string) string {
	return envelope(`<m:` + op + `Response xmlns:m="` + wire.NSMessages + `" xmlns:t="` + wire.NSTypes + `"><m:ResponseMessages>` + messages + `</m:ResponseMessages></m:` + op + `Response>`)
}

func success(op, payload string) string {
	return `<m:` + op + `ResponseMessage ResponseClass="Success"><m:ResponseCode>NoError</m:ResponseCode>` + payload + `</m:` + op + `ResponseMessage>`
}

func failed(op, code string) string {
	return `<m:` + op + `ResponseMessage ResponseClass="Error"><m:MessageText>about user@example.com</m:MessageText><m:ResponseCode>` + code + `</m:ResponseCode><m:DescriptiveLinkKey>0</m:DescriptiveLinkKey></m:` + op + `ResponseMessage>`
}

// wantError checks that err is an *Error with the code whose text names no
// address, and returns it.
func wantError(t *testing.T, err error, code string) *Error {
	t.Helper()
	var e *Error
	if !errors.As(err, &e) {
		t.Fatalf("got %v, want an *Error with code %s", err, code)
	}
	if e.Code != code {
		t.Fatalf("got %v, want code %s", e, code)
	}
	for _, private := range []string{"@example.com", rigPassword, "127.0.0.1"} {
		if strings.Contains(e.Error(), private) {
			t.Errorf("the error's text holds %q: %s", private, e)
		}
	}
	if e.Message == "" {
		t.Error("the error has no sentence")
	}
	return e
}

func ctxOf(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func utc(s string) time.Time {
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		panic(err)
	}
	return t.UTC()
}

func ptr[T any](v T) *T { return &v }
