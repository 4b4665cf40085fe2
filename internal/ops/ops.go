// Package ops is what operators see of a running role: whether it is well, and
// its metrics.
//
// A role fills a [Status] with one sentence per part ([Status.Set]) and
// registers its metrics with a Prometheus registry of its own; [Handler] serves
// both as /healthz and /metrics; [Serve] runs an HTTP server that stops in
// order. Nothing that this package prints names a person or a meeting: parts and
// labels are a role's own fixed words, mailboxes go by their short ids.
package ops

import (
	"encoding/json"
	"net/http"
	"slices"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Status is the health of a role's parts. The zero value is ready and well.
type Status struct {
	mu    sync.Mutex
	parts map[string]string
}

// Part is one part of a role that is not well.
type Part struct {
	Name string `json:"name"`
	Why  string `json:"why"` // what is wrong and what to do, without secrets or addresses of people
}

// Set says how a part is; an empty why means well.
func (s *Status) Set(part, why string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.parts == nil {
		s.parts = map[string]string{}
	}
	if why == "" {
		delete(s.parts, part)
	} else {
		s.parts[part] = why
	}
}

// Unwell returns the parts that are not well, by name.
func (s *Status) Unwell() []Part {
	s.mu.Lock()
	defer s.mu.Unlock()
	parts := make([]Part, 0, len(s.parts))
	for name, why := range s.parts {
		parts = append(parts, Part{name, why})
	}
	slices.SortFunc(parts, func(a, b Part) int {
		if a.Name < b.Name {
			return -1
		}
		return 1
	})
	return parts
}

// NewRegistry returns a registry that knows the process and the Go runtime.
func NewRegistry() *prometheus.Registry {
	r := prometheus.NewRegistry()
	r.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return r
}

// Handler serves GET /healthz and GET /metrics. /healthz answers 200 when all
// is well and 503 with the parts that are not:
//
//	{"ok":false,"unwell":[{"name":"cloud","why":"..."}]}
func Handler(status *Status, metrics prometheus.Gatherer) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		unwell := status.Unwell()
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Cache-Control", "no-store")
		if len(unwell) > 0 {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		_ = json.NewEncoder(w).Encode(struct { // fails only if nobody listens any more
			OK     bool   `json:"ok"`
			Unwell []Part `json:"unwell,omitempty"`
		}{len(unwell) == 0, unwell})
	})
	mux.Handle("GET /metrics", promhttp.HandlerFor(metrics, promhttp.HandlerOpts{}))
	return mux
}
