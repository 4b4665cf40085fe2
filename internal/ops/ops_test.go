package ops

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func get(t *testing.T, h http.Handler, path string) (int, string) {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil))
	return w.Code, w.Body.String()
}

func TestHealth(t *testing.T) {
	t.Parallel()
	var s Status
	h := Handler(&s, NewRegistry())
	if code, body := get(t, h, "/healthz"); code != 200 || body != `{"ok":true}`+"\n" {
		t.Errorf("%d %s", code, body)
	}
	s.Set("kms", "the key server does not answer; is it running?")
	s.Set("cloud", "the credential was refused")
	want := `{"ok":false,"unwell":[{"name":"cloud","why":"the credential was refused"},{"name":"kms","why":"the key server does not answer; is it running?"}]}`
	if code, body := get(t, h, "/healthz"); code != 503 || strings.TrimSpace(body) != want {
		t.Errorf("%d %s", code, body)
	}
	s.Set("kms", "")
	s.Set("cloud", "")
	if code, _ := get(t, h, "/healthz"); code != 200 {
		t.Errorf("did not heal: %d", code)
	}
}

func TestMetrics(t *testing.T) {
	t.Parallel()
	reg := NewRegistry()
	c := prometheus.NewCounter(prometheus.CounterOpts{Name: "koyomi_writes_total", Help: "Writes."})
	reg.MustRegister(c)
	c.Add(3)
	code, body := get(t, Handler(new(Status), reg), "/metrics")
	if code != 200 || !strings.Contains(body, "\nkoyomi_writes_total 3\n") || !strings.Contains(body, "\ngo_goroutines ") {
		t.Errorf("%d %s", code, body)
	}
}

// TestServeStopsInOrder: a request that runs when the role is told to stop gets
// its answer, and no other is taken.
func TestServeStopsInOrder(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	entered, leave := make(chan bool), make(chan bool)
	h := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		close(entered)
		<-leave
		io.WriteString(w, "whole")
	})
	served := make(chan error, 1)
	go func() { served <- Serve(ctx, l, h, slog.New(slog.DiscardHandler)) }()

	answer := make(chan string, 1)
	go func() {
		client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
		res, err := client.Get("http://" + l.Addr().String())
		if err != nil {
			answer <- err.Error()
			return
		}
		defer res.Body.Close()
		b, _ := io.ReadAll(res.Body)
		answer <- string(b)
	}()
	<-entered
	stop()
	for { // the listener closes before the request ends
		c, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			break
		}
		c.Close()
	}
	close(leave)
	if got := <-answer; got != "whole" {
		t.Errorf("running request got %q", got)
	}
	if err := <-served; err != nil {
		t.Error(err)
	}
}

func TestServeReportsABrokenListener(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	if err := Serve(t.Context(), l, http.NotFoundHandler(), slog.New(slog.DiscardHandler)); err == nil {
		t.Error("no error from a closed listener")
	}
}
