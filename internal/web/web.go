// Package web holds the pages that Koyomi's servers hand out, built and ready:
// the people's app, and the page of the demo.
//
// The sources are TypeScript and lie in ui; what a browser loads is built from
// them into dist, which is committed and embedded here. So a binary needs no
// file beside it and a fresh clone no Node. After a change in ui:
//
//	cd internal/web/ui && npm ci && npm run build
//
// The build gives the same bytes on every machine, and the checks of a change
// fail when dist is not what ui builds.
//
// A server serves [App] or [Demo] from the root of an origin:
//
//   - index.html and every file at the top may change from version to version:
//     Cache-Control "no-cache". Files under assets/ carry a hash of their
//     contents in their name: "public, max-age=31536000, immutable".
//   - Every answer carries the Content-Security-Policy of [Policy] and the
//     headers of [Headers]. The pages are written for that policy: no inline
//     script or style, no foreign origin but the key server, no string that
//     becomes HTML.
//
// [Handler] does all of this.
//
// What the app opens with its keys never comes near this package: the pages
// are the same for everybody and hold no data of anybody.
package web

import (
	"embed"
	"io/fs"
	"net/http"
	"path"
	"strings"
)

//go:embed all:dist
var dist embed.FS

// App returns the files of the people's app, index.html at the top.
func App() fs.FS { return sub("dist/app") }

// Demo returns the files of the demo's page, index.html at the top.
func Demo() fs.FS { return sub("dist/demo") }

func sub(dir string) fs.FS {
	f, err := fs.Sub(dist, dir)
	if err != nil {
		return dist // only an invalid path name fails, and ours are constants
	}
	return f
}

// PolicyOptions names the origins that a page may deal with, beside its own.
// Each is scheme, host and port, such as "https://kms.example.com".
type PolicyOptions struct {
	Connect   []string // may be asked over the network: the app's key server
	Frame     []string // may be shown in a frame of the page: the demo's app
	Ancestors []string // may show the page in a frame; none: nobody may
}

// Policy returns the Content-Security-Policy under which the pages work.
func Policy(o PolicyOptions) string {
	list := func(own string, others []string) string {
		return strings.TrimSpace(strings.Join(append([]string{own}, others...), " "))
	}
	directives := []string{
		"default-src 'none'",
		"script-src 'self'",
		"style-src 'self'",
		"img-src 'self'",
		"manifest-src 'self'",
		"worker-src 'self'",
		"connect-src " + list("'self'", o.Connect),
		"base-uri 'none'",
		"form-action 'none'",
		"require-trusted-types-for 'script'",
		"trusted-types koyomi",
	}
	if len(o.Frame) > 0 {
		directives = append(directives, "frame-src "+list("", o.Frame))
	}
	if len(o.Ancestors) > 0 {
		directives = append(directives, "frame-ancestors "+list("", o.Ancestors))
	} else {
		directives = append(directives, "frame-ancestors 'none'")
	}
	return strings.Join(directives, "; ")
}

// Headers sets what every answer of a server of pages carries beside the
// policy: no address of ours in a foreign log, no guessing of types, no window
// that shares ours.
func Headers(h http.Header) {
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Permissions-Policy", "camera=(), microphone=(), geolocation=()")
}

// Handler serves the files of [App] or [Demo] from the root of an origin under
// the given policy. It answers GET and HEAD; a path that is no file is 404.
func Handler(files fs.FS, policy string) http.Handler {
	server := http.FileServerFS(files)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		Headers(w.Header())
		w.Header().Set("Content-Security-Policy", policy)
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			http.Error(w, "these pages are only read: use GET", http.StatusMethodNotAllowed)
			return
		}
		name := strings.TrimPrefix(path.Clean("/"+r.URL.Path), "/")
		if name == "" {
			name = "index.html"
		}
		if info, err := fs.Stat(files, name); err != nil || info.IsDir() {
			http.Error(w, "there is no such page", http.StatusNotFound)
			return
		}
		if strings.HasPrefix(name, "assets/") {
			w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
		} else {
			w.Header().Set("Cache-Control", "no-cache")
		}
		if t := contentType(name); t != "" {
			w.Header().Set("Content-Type", t)
		}
		server.ServeHTTP(w, r)
	})
}

// contentType fixes the types of our files: what the operating system's table
// says differs from machine to machine, and with nosniff a wrong one is fatal.
func contentType(name string) string {
	switch path.Ext(name) {
	case ".html":
		return "text/html; charset=utf-8"
	case ".js":
		return "text/javascript; charset=utf-8"
	case ".css":
		return "text/css; charset=utf-8"
	case ".svg":
		return "image/svg+xml"
	case ".png":
		return "image/png"
	case ".webmanifest":
		return "application/manifest+json"
	}
	return ""
}
