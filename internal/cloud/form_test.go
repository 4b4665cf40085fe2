package cloud_test

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/koyomi-cal/koyomi/internal/api"
	"github.com/koyomi-cal/koyomi/internal/cloud"
	"github.com/koyomi-cal/koyomi/internal/store"
)

// Nothing readable fits into any field that is stored, whatever a connector
// that leaks tries.
func TestNothingReadableFits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := start(t)
		connector, _ := w.client(cloud.Subject{Connector: "main"})
		ctx, res, item := t.Context(), id("cal"), id("meeting")
		if err := connector.SetDelivery(ctx, res, nil); err != nil {
			t.Fatal(err)
		}
		good := sealed(res, item, "h", 1)
		f := strings.Split(good, ".")
		path := "/v1/resources/" + res + "/items/" + item + "/h"
		body := func(jwe string) string { return `{"rev":1,"jwe":"` + jwe + `"}` }
		for name, c := range map[string]struct{ method, path, body string }{
			"a delivery to an address":     {"PUT", "/v1/resources/" + res, `{"accounts":["hanako@example.com"]}`},
			"a delivery with a name":       {"PUT", "/v1/resources/" + res, `{"accounts":[],"name":"secret-canary"}`},
			"a resource with a name":       {"PUT", "/v1/resources/secret-canary-secret-ca", `{"accounts":[]}`},
			"an item with a name":          {"PUT", "/v1/resources/" + res + "/items/secret-canary/h", body(good)},
			"an item with a time":          {"PUT", "/v1/resources/" + res + "/items/2031-05-06T10:00:00Z-x/h", body(good)},
			"a part with a name":           {"PUT", "/v1/resources/" + res + "/items/" + item + "/start", body(good)},
			"a part that is not stored":    {"PUT", "/v1/resources/" + res + "/items/" + item + "/c", body(sealed(res, item, "c", 1))},
			"a field beside it":            {"PUT", path, `{"rev":1,"jwe":"` + good + `","subject":"secret-canary"}`},
			"two values":                   {"PUT", path, body(good) + `"secret-canary"`},
			"clear text":                   {"PUT", path, body("secret-canary")},
			"a header of another place":    {"PUT", path, body(sealed(res, id("other"), "h", 1))},
			"a header of another calendar": {"PUT", path, body(sealed(id("other"), item, "h", 1))},
			"a header of another part":     {"PUT", path, body(sealed(res, item, "b", 1))},
			"a header of another revision": {"PUT", path, body(sealed(res, item, "h", 2))},
			"a short text":                 {"PUT", path, body(f[0] + ".." + f[2] + "." + f[3][:100] + "." + f[4])},
			"a text with other characters": {"PUT", path, body(f[0] + ".." + f[2] + ".secret canary " + f[3] + "." + f[4])},
			"an encrypted key":             {"PUT", path, body(f[0] + ".AAAA." + f[2] + "." + f[3] + "." + f[4])},
			"no revision":                  {"PUT", path, `{"jwe":"` + good + `"}`},
			"a negative revision":          {"PUT", path, `{"rev":-1,"jwe":"` + good + `"}`},
			"a deletion without revision":  {"DELETE", "/v1/resources/" + res + "/items/" + item, ""},
			"a deletion by text":           {"DELETE", "/v1/resources/" + res + "/items/" + item + "?rev=secret-canary", ""},
			"a deletion of a name":         {"DELETE", "/v1/resources/" + res + "/items/secret-canary?rev=1", ""},
			"a cursor by text":             {"GET", "/v1/resources/" + res + "/items?after=secret-canary", ""},
			"a cursor below zero":          {"GET", "/v1/resources/" + res + "/items?after=-5", ""},
			"a code that is none":          {"POST", "/v1/redeem", `{"code":"secret-canary"}`},
			"too many accounts":            {"PUT", "/v1/resources/" + res, `{"accounts":["` + strings.Repeat(id("x")+`","`, 1000) + id("y") + `"]}`},
			"a way that is none":           {"GET", "/v1/secret-canary", ""},
		} {
			got := w.raw(c.method, c.path, connector, c.body)
			if !strings.HasPrefix(got, "4") || strings.Contains(got, "secret-canary") {
				t.Errorf("%s: %s", name, got)
			}
		}
		for name, header := range map[string]string{
			"a field of its own":   strings.Replace(head(good), `"typ"`, `"subject":"secret-canary","typ"`, 1),
			"a field in hc":        strings.Replace(head(good), `"g":1`, `"g":1,"start":1764000000`, 1),
			"a host in kid":        strings.Replace(head(good), `kms:`, `kms:secret-canary.example.com/`, 1),
			"text for the org":     strings.Replace(head(good), id("org"), "secret-canary", 1),
			"another algorithm":    strings.Replace(head(good), "A256GCM", "A128GCM", 1),
			"a generation as text": strings.Replace(head(good), `"g":1`, `"g":"secret-canary"`, 1),
			"a part with more":     strings.Replace(head(good), `"p":"h"`, `"p":"hb"`, 1),
			"a number with more":   strings.Replace(head(good), `"v":1`, `"v":01`, 1),
		} {
			if header == head(good) {
				t.Fatalf("%s: nothing replaced", name)
			}
			if got := w.raw("PUT", path, connector, body(b64([]byte(header))+".."+f[2]+"."+f[3]+"."+f[4])); !strings.HasPrefix(got, "400") {
				t.Errorf("a header with %s: %s", name, got)
			}
		}
		if got := w.raw("PUT", path, connector, body(good)); !strings.HasPrefix(got, "200") {
			t.Errorf("a good part: %s", got)
		}
		big := sealed(res, item, "h", 2)
		big = strings.Replace(big, ".."+strings.Split(big, ".")[2]+".", ".."+strings.Split(big, ".")[2]+"."+strings.Repeat("A", api.MaxSealed), 1)
		if got := w.raw("PUT", path, connector, `{"rev":2,"jwe":"`+big+`"}`); !strings.HasPrefix(got, "400") {
			t.Errorf("a part over the limit: %.200s", got)
		}
		if got := w.raw("PUT", path, connector, `{"rev":2,"jwe":"`+big+strings.Repeat("A", 1<<17)+`"}`); !strings.HasPrefix(got, "413") {
			t.Errorf("a body over the limit: %.200s", got)
		}

		files, err := filepath.Glob(w.dir + "/*.db*")
		if err != nil || len(files) < 4 {
			t.Fatal(files, err)
		}
		all := bytes.Clone(w.log.Bytes())
		for _, name := range files {
			raw, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, raw...)
		}
		for _, secret := range []string{"secret-canary", "hanako", "2031-05-06", w.secrets[connector].Reveal()} {
			if bytes.Contains(all, []byte(secret)) {
				t.Errorf("%q lies in the database or the log", secret)
			}
		}
		if !bytes.Contains(all, []byte(item)) {
			t.Error("nothing was stored at all")
		}
	})
}

func head(jwe string) string {
	h, _, _ := strings.Cut(jwe, ".")
	raw, err := encoding.DecodeString(h)
	if err != nil {
		panic(err)
	}
	return string(raw)
}

func TestRevisionsOverTheWire(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := start(t)
		connector, _ := w.client(cloud.Subject{Connector: "main"})
		ctx, res, item := t.Context(), id("cal"), id("meeting")
		if err := connector.SetDelivery(ctx, res, nil); err != nil {
			t.Fatal(err)
		}
		put(t, connector, res, item, "h", 5)
		_, err := connector.Put(ctx, res, item, "h", api.Part{Rev: 4, JWE: sealed(res, item, "h", 4)})
		stale, ok := errors.AsType[*api.Error](err)
		if !ok || stale.Code != api.CodeStale || stale.Rev != 5 || stale.Temporary() {
			t.Errorf("an older revision: %v", err)
		}
		if _, err := connector.Delete(ctx, res, item, 4); code(err) != api.CodeStale {
			t.Errorf("an older deletion: %v", err)
		}
		// The connector reads its own resources, to find its place again.
		page, err := connector.Items(ctx, res, 0)
		if err != nil || len(page.Items) != 1 || page.Items[0].Rev != 5 {
			t.Errorf("the connector reads %v, %v", page, err)
		}
		for rev := int64(6); rev < 20; rev++ {
			if _, err := connector.Delete(ctx, res, id(fmt.Sprint(rev)), rev); err != nil {
				t.Fatal(err)
			}
		}
		if page, err := connector.Items(ctx, res, page.Cursor); err != nil || len(page.Items) != 14 || !page.Items[0].Deleted {
			t.Errorf("tombstones: %v, %v", page, err)
		}
	})
}

// A large calendar comes in pages.
func TestPages(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := start(t)
		connector, account := w.client(cloud.Subject{Connector: "main"})
		ctx, res := t.Context(), id("cal")
		if err := connector.SetDelivery(ctx, res, nil); err != nil {
			t.Fatal(err)
		}
		const n = 620
		for i := range n { // over the wire it would take its time
			item := id(fmt.Sprint(i))
			if _, err := w.objects.PutPart(ctx, account, res, store.Part{Item: item, Part: "h", Rev: 1, JWE: sealed(res, item, "h", 1)}); err != nil {
				t.Fatal(err)
			}
		}
		seen, pages, cursor := map[string]bool{}, 0, int64(0)
		for {
			page, err := connector.Items(ctx, res, cursor)
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range page.Items {
				seen[e.Item] = true
			}
			pages++
			cursor = page.Cursor
			if !page.More {
				break
			}
		}
		if len(seen) != n || pages != 2 {
			t.Errorf("%d items in %d pages", len(seen), pages)
		}
	})
}

func TestApp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := start(t)
		get := func(method, path, host, origin string, header ...string) *http.Response {
			t.Helper()
			r, err := http.NewRequest(method, "http://localhost"+path, nil)
			if err != nil {
				t.Fatal(err)
			}
			r.Host = host
			if origin != "" {
				r.Header.Set("Origin", origin)
			}
			for i := 0; i < len(header); i += 2 {
				r.Header.Set(header[i], header[i+1])
			}
			resp, err := w.transport().RoundTrip(r)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { resp.Body.Close() })
			return resp
		}
		index := get("GET", "/", "localhost:8480", "")
		csp := index.Header.Get("Content-Security-Policy")
		for _, want := range []string{"default-src 'none'", "script-src 'self';", "style-src 'self';", "connect-src 'self' https://kms.example.com;", "frame-ancestors 'none'", "base-uri 'none'", "form-action 'none'"} {
			if !strings.Contains(csp+";", want) {
				t.Errorf("policy %q lacks %q", csp, want)
			}
		}
		if strings.Contains(csp, "unsafe") || strings.Contains(csp, "*") || strings.Contains(csp, "data:") {
			t.Errorf("policy %q", csp)
		}
		h := index.Header
		if index.StatusCode != 200 || h.Get("Content-Type") != "text/html; charset=utf-8" || h.Get("Cache-Control") != "no-cache" ||
			h.Get("Referrer-Policy") != "no-referrer" || h.Get("X-Content-Type-Options") != "nosniff" || h.Get("ETag") == "" {
			t.Errorf("index: %d %v", index.StatusCode, h)
		}
		if r := get("GET", "/", "localhost", "", "If-None-Match", h.Get("ETag")); r.StatusCode != 304 {
			t.Errorf("the same index again: %d", r.StatusCode)
		}
		if r := get("GET", "/assets/app-1a2b.js", "localhost", ""); !strings.Contains(r.Header.Get("Cache-Control"), "immutable") || r.Header.Get("Content-Type") != "text/javascript; charset=utf-8" {
			t.Errorf("an asset: %v", r.Header)
		}
		config := get("GET", "/config.json", "localhost", "")
		var buf bytes.Buffer
		if _, err := buf.ReadFrom(config.Body); err != nil || config.Header.Get("Content-Type") != "application/json" ||
			buf.String() != fmt.Sprintf(`{"kms":"https://kms.example.com","authority":"%s","org":"%s"}`, id("authority"), id("org")) {
			t.Errorf("config: %s %v", buf.String(), config.Header)
		}
		for _, c := range []struct {
			method, path, host, origin string
			want                       int
		}{
			{"HEAD", "/", "cloud.example.com", "", 200}, {"GET", "/index.html", "cloud.example.com", "", 200},
			{"POST", "/", "localhost", "", 405}, {"GET", "/assets/", "localhost", "", 404}, {"GET", "/none", "localhost", "", 404},
			{"GET", "/../cloud.go", "localhost", "", 307}, {"GET", "/", "evil.example", "", 421}, {"GET", "/v1/me", "evil.example", "", 421},
			{"GET", "/v1/me", "localhost:8480", "https://evil.example", 403}, {"GET", "/v1/me", "localhost:8480", "http://localhost:8480", 401},
			{"GET", "/v1/me", "127.0.0.1", "", 421},
		} {
			if r := get(c.method, c.path, c.host, c.origin); r.StatusCode != c.want {
				t.Errorf("%s %s at %s from %q: %d, want %d", c.method, c.path, c.host, c.origin, r.StatusCode, c.want)
			}
		}
	})
}
