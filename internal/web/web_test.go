package web

import (
	"bytes"
	"compress/gzip"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
)

var pages = map[string]fs.FS{"app": App(), "demo": Demo()}

func TestPagesNameOnlyTheirOwnFiles(t *testing.T) {
	t.Parallel()
	reference := regexp.MustCompile(`(?:src|href)="([^"]+)"`)
	for name, files := range pages {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			html, err := fs.ReadFile(files, "index.html")
			if err != nil {
				t.Fatalf("no index.html: %v (build it: cd internal/web/ui && npm ci && npm run build)", err)
			}
			found := reference.FindAllStringSubmatch(string(html), -1)
			if len(found) < 3 {
				t.Fatalf("index.html names %d files, want at least an icon, a script and a style sheet", len(found))
			}
			for _, m := range found {
				if _, err := fs.Stat(files, strings.TrimPrefix(m[1], "./")); err != nil {
					t.Errorf("index.html names %q: %v", m[1], err)
				}
			}
		})
	}
}

// The policy forbids inline code; a page that needed it would be dead.
func TestPagesHaveNothingInline(t *testing.T) {
	t.Parallel()
	inline := regexp.MustCompile(`(?i)<style|\sstyle=|\son[a-z]+=|<script(?:[^>]*)>[^<\s]|"javascript:|"data:`)
	for name, files := range pages {
		html, err := fs.ReadFile(files, "index.html")
		if err != nil {
			t.Fatal(err)
		}
		if m := inline.Find(html); m != nil {
			t.Errorf("%s: index.html has something inline: %q", name, m)
		}
	}
}

func TestBuiltFilesFetchNothingForeign(t *testing.T) {
	t.Parallel()
	// Names and examples, which nothing loads: XML namespaces, the invitation
	// that the demo pastes, the hint of an address in the sign-in form.
	known := regexp.MustCompile(`^https?://(www\.w3\.org/|example\.zoom\.us/|…)`)
	address := regexp.MustCompile(`https?://[^\s"'` + "`" + `)<>\\]+`)
	files, bytes := 0, 0
	for name, pageFiles := range pages {
		err := fs.WalkDir(pageFiles, ".", func(p string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || strings.HasSuffix(p, ".png") {
				return err
			}
			text, err := fs.ReadFile(pageFiles, p)
			files, bytes = files+1, bytes+len(text)
			for _, a := range address.FindAllString(string(text), -1) {
				if !known.MatchString(a) {
					t.Errorf("%s/%s names the foreign address %s", name, p, a)
				}
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if files < 8 || bytes < 50_000 {
		t.Errorf("looked at %d files with %d bytes: that cannot be both pages", files, bytes)
	}
}

func TestPolicy(t *testing.T) {
	t.Parallel()
	app := Policy(PolicyOptions{Connect: []string{"https://kms.example.com"}})
	for _, want := range []string{
		"default-src 'none'", "script-src 'self';", "style-src 'self';", "connect-src 'self' https://kms.example.com;",
		"frame-ancestors 'none'", "require-trusted-types-for 'script'", "base-uri 'none'",
	} {
		if !strings.Contains(app, want) {
			t.Errorf("app's policy lacks %q: %s", want, app)
		}
	}
	if strings.Contains(app, "unsafe") || strings.Contains(app, "frame-src") {
		t.Errorf("app's policy allows too much: %s", app)
	}
	demo := Policy(PolicyOptions{Frame: []string{"http://127.0.0.1:8480"}, Ancestors: []string{"http://a.example", "http://b.example"}})
	for _, want := range []string{"frame-src http://127.0.0.1:8480;", "frame-ancestors http://a.example http://b.example", "connect-src 'self';"} {
		if !strings.Contains(demo, want) {
			t.Errorf("demo's policy lacks %q: %s", want, demo)
		}
	}
}

func TestHandler(t *testing.T) {
	t.Parallel()
	policy := Policy(PolicyOptions{})
	h := Handler(App(), policy)
	var script string
	err := fs.WalkDir(App(), "assets", func(p string, d fs.DirEntry, err error) error {
		if err == nil && strings.HasPrefix(d.Name(), "index-") && strings.HasSuffix(p, ".js") {
			script = p
		}
		return err
	})
	if err != nil || script == "" {
		t.Fatalf("no script among the app's files: %v", err)
	}
	for _, tc := range []struct {
		method, path string
		status       int
		kind, cache  string
	}{
		{"GET", "/", 200, "text/html; charset=utf-8", "no-cache"},
		{"HEAD", "/", 200, "text/html; charset=utf-8", "no-cache"},
		{"GET", "/" + script, 200, "text/javascript; charset=utf-8", "public, max-age=31536000, immutable"},
		{"GET", "/sw.js", 200, "text/javascript; charset=utf-8", "no-cache"},
		{"GET", "/manifest.webmanifest", 200, "application/manifest+json", "no-cache"},
		{"GET", "/icon.svg", 200, "image/svg+xml", "no-cache"},
		{"GET", "/icon-192.png", 200, "image/png", "no-cache"},
		{"GET", "/assets/", 404, "", ""},
		{"GET", "/nothing", 404, "", ""},
		{"GET", "/../web.go", 404, "", ""},
		{"POST", "/", 405, "", ""},
	} {
		t.Run(tc.method+tc.path, func(t *testing.T) {
			t.Parallel()
			w := httptest.NewRecorder()
			r := httptest.NewRequest(tc.method, "http://127.0.0.1/", nil)
			r.URL.Path = tc.path
			h.ServeHTTP(w, r)
			head := w.Result().Header
			if w.Code != tc.status {
				t.Fatalf("status %d, want %d", w.Code, tc.status)
			}
			if got := head.Get("Content-Security-Policy"); got != policy {
				t.Errorf("policy %q", got)
			}
			if head.Get("X-Content-Type-Options") != "nosniff" || head.Get("Referrer-Policy") != "no-referrer" {
				t.Errorf("headers lack nosniff or no-referrer: %v", head)
			}
			if tc.status != http.StatusOK {
				return
			}
			if got := head.Get("Content-Type"); got != tc.kind {
				t.Errorf("type %q, want %q", got, tc.kind)
			}
			if got := head.Get("Cache-Control"); got != tc.cache {
				t.Errorf("cache control %q, want %q", got, tc.cache)
			}
			if tc.method == "HEAD" && w.Body.Len() > 0 {
				t.Errorf("HEAD answered %d bytes", w.Body.Len())
			}
		})
	}
}

// The app's first load stays small: what a phone on a poor line fetches.
func TestAppIsSmall(t *testing.T) {
	t.Parallel()
	const most = 60_000
	total := 0
	err := fs.WalkDir(App(), ".", func(p string, _ fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(p, ".js") {
			return err
		}
		text, err := fs.ReadFile(App(), p)
		var packed bytes.Buffer
		z := gzip.NewWriter(&packed)
		z.Write(text) //nolint:errcheck // a buffer takes everything
		z.Close()     //nolint:errcheck
		total += packed.Len()
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d bytes of gzip JavaScript", total)
	if total < 10_000 || total > most {
		t.Errorf("the app is %d bytes of gzip JavaScript, want at most %d", total, most)
	}
}

// The shell that the service worker keeps must be the one that is served.
func TestServiceWorkerNamesTheFiles(t *testing.T) {
	t.Parallel()
	text, err := fs.ReadFile(App(), "sw.js")
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(text), "__VERSION__") || strings.Contains(string(text), "__FILES__") {
		t.Fatal("sw.js was not completed by the build")
	}
	names := regexp.MustCompile(`"(\./[^"]*)"`).FindAllStringSubmatch(string(text), -1)
	if len(names) < 6 {
		t.Fatalf("sw.js keeps %d files", len(names))
	}
	for _, m := range names {
		name := strings.TrimPrefix(m[1], "./")
		if name == "" {
			name = "index.html"
		}
		if _, err := fs.Stat(App(), name); err != nil {
			t.Errorf("sw.js keeps %q: %v", m[1], err)
		}
	}
}
