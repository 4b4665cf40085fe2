package cloud

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io/fs"
	"net/http"
	"path"
	"strings"
	"time"

	"github.com/koyomi-cal/koyomi/internal/api"
)

// app serves the people's app from memory, with the headers that keep it from
// talking to anybody but this cloud and the key server.
type app struct {
	files  map[string]file // by URL path
	policy string
}

type file struct {
	content []byte
	kind    string
	tag     string
	fixed   bool // its name changes with its content
}

// newApp reads the app's files. The configuration is one of them.
func newApp(fsys fs.FS, config api.AppConfig, frames []string) (*app, error) {
	a := &app{files: map[string]file{}, policy: policy(config.KMS, frames)}
	raw, err := json.Marshal(config)
	if err != nil {
		return nil, err
	}
	a.add("/config.json", raw)
	if fsys == nil {
		return a, nil
	}
	err = fs.WalkDir(fsys, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := fs.ReadFile(fsys, name)
		if err != nil {
			return err
		}
		a.add("/"+name, content)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("cannot read the app's files: %w", err)
	}
	if index, ok := a.files["/index.html"]; ok {
		a.files["/"] = index
	}
	return a, nil
}

func (a *app) add(name string, content []byte) {
	sum := sha256.Sum256(content)
	a.files[name] = file{
		content: content,
		kind:    contentType(name),
		tag:     `"` + base64.RawURLEncoding.EncodeToString(sum[:16]) + `"`,
		fixed:   strings.HasPrefix(name, "/assets/"),
	}
}

// policy is the content security policy of the app: everything from its own
// origin, nothing inline, connections to here and to the key server only.
func policy(kms string, frames []string) string {
	ancestors := "'none'"
	if len(frames) > 0 {
		ancestors = strings.Join(frames, " ")
	}
	return strings.Join([]string{
		"default-src 'none'",
		"script-src 'self'",
		"style-src 'self'",
		"img-src 'self'",
		"font-src 'self'",
		"manifest-src 'self'",
		"worker-src 'self'",
		strings.TrimSpace("connect-src 'self' " + kms),
		"base-uri 'none'",
		"form-action 'none'",
		"require-trusted-types-for 'script'",
		"trusted-types koyomi",
		"frame-ancestors " + ancestors,
	}, "; ")
}

// ServeHTTP answers for the app's files and nothing else.
func (a *app) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	f, ok := a.files[r.URL.Path]
	if !ok {
		http.Error(w, "There is no such page.", http.StatusNotFound)
		return
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		h.Set("Allow", "GET, HEAD")
		http.Error(w, "Pages are only read.", http.StatusMethodNotAllowed)
		return
	}
	h.Set("Content-Security-Policy", a.policy)
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=(), payment=(), usb=()")
	h.Set("Content-Type", f.kind)
	h.Set("ETag", f.tag)
	h.Set("Cache-Control", "no-cache") // ask each time whether it is still the same
	if f.fixed {
		h.Set("Cache-Control", "public, max-age=31536000, immutable")
	}
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(f.content))
}

// contentType goes by the file's name alone, the same on every machine.
func contentType(name string) string {
	switch path.Ext(name) {
	case ".html":
		return "text/html; charset=utf-8"
	case ".js", ".mjs":
		return "text/javascript; charset=utf-8"
	case ".css":
		return "text/css; charset=utf-8"
	case ".json":
		return "application/json"
	case ".webmanifest":
		return "application/manifest+json"
	case ".svg":
		return "image/svg+xml"
	case ".png":
		return "image/png"
	case ".ico":
		return "image/x-icon"
	case ".woff2":
		return "font/woff2"
	case ".txt":
		return "text/plain; charset=utf-8"
	}
	return "application/octet-stream"
}
