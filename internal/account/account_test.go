package account

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestCode(t *testing.T) {
	t.Parallel()
	for _, kind := range []Kind{KMS, Cloud} {
		seen := map[string]bool{}
		for range 100 {
			c := NewCode(kind)
			if seen[c.ID] || !strings.HasPrefix(c.Reveal(), string(kind)+"-") || len(c.Reveal()) != len(kind)+1+30 {
				t.Fatalf("code %s", c.Reveal())
			}
			seen[c.ID] = true
			back, err := ParseCode(kind, " "+c.Reveal()+"\r\n")
			if err != nil || back != c {
				t.Fatalf("%s came back as %s, %v", c.Reveal(), back.Reveal(), err)
			}
		}
	}
	good := NewCode(KMS).Reveal()
	for text, says := range map[string]string{
		"": `begins with "kms-"`, "x": `begins with "kms-"`, good[4:]: `begins with "kms-"`, "kms-": "missing", good[:len(good)-1]: "missing", good + "A": "missing",
		good[:10] + "\n" + good[10:]: "missing", good[:10] + "*" + good[11:]: "missing", NewCode(Cloud).Reveal(): "for the cloud",
	} {
		c, err := ParseCode(KMS, text)
		if !errors.Is(err, ErrCode) || !strings.Contains(err.Error(), says) || c != (Code{}) {
			t.Errorf("%q: %v", text, err)
		}
		if len(text) > 20 && strings.Contains(err.Error(), text[10:20]) {
			t.Errorf("the error quotes the code: %v", err)
		}
	}
	if _, err := ParseCode(Cloud, good); err == nil || !strings.Contains(err.Error(), "for the key server") {
		t.Errorf("a key server's code at the cloud: %v", err)
	}
}

func TestCodeIsRedacted(t *testing.T) {
	t.Parallel()
	c := NewCode(KMS)
	var log bytes.Buffer
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "c", c)
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "c", c)
	raw, err := json.Marshal(map[string]any{"c": c})
	if err != nil {
		t.Fatal(err)
	}
	all := log.String() + string(raw) + c.String()
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%q"} {
		all += fmt.Sprintf(verb, c) + fmt.Sprintf(verb, struct{ C Code }{c})
	}
	if strings.Contains(all, c.Reveal()[12:]) || !strings.Contains(all, "[redacted]") {
		t.Error(all)
	}
}

func TestNewID(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for range 1000 {
		id := NewID()
		if raw, err := encoding.DecodeString(id); err != nil || len(raw) != 16 || seen[id] {
			t.Fatalf("id %q, %v", id, err)
		}
		seen[id] = true
	}
}

func request(host, origin string) *http.Request {
	r := &http.Request{Host: host, Header: http.Header{}}
	if origin != "" {
		r.Header.Set("Origin", origin)
	}
	return r
}

func TestGuard(t *testing.T) {
	t.Parallel()
	open := Guard{}
	named := Guard{Hosts: []string{"Cloud.example.com", "[2001:db8::1]"}, Origins: []string{"https://app.example.com/"}}
	for _, c := range []struct {
		g            Guard
		host, origin string
		want         int // 0: let in
	}{
		{open, "localhost", "", 0}, {open, "localhost:80", "", 0}, {open, "127.0.0.1:8480", "", 0}, {open, "127.9.9.9", "", 0}, {open, "[::1]", "", 0},
		{open, "[::ffff:127.0.0.1]:1", "", 0}, {open, "cloud.example.com", "", 421}, {open, "", "", 421}, {open, "localhost.evil.example:80", "", 421},
		{open, "0.0.0.0", "", 421}, {open, "[::]", "", 421}, {open, "localhost:80", "http://localhost:80", 0}, {open, "localhost:80", "http://localhost:81", 403},
		{open, "localhost:80", "null", 403}, {open, "localhost:80", "http://127.0.0.1:80", 403}, {open, "localhost:80", "://", 403}, {open, "localhost:80", "file://", 403},
		{named, "cloud.example.com", "", 0}, {named, "CLOUD.example.com.:443", "", 0}, {named, "[2001:db8::1]:443", "", 0}, {named, "localhost", "", 421},
		{named, "cloud.example.com.evil.example", "", 421}, {named, "xcloud.example.com", "", 421},
		{named, "cloud.example.com", "https://app.example.com", 0}, {named, "cloud.example.com", "https://cloud.example.com", 0},
		{named, "cloud.example.com", "http://app.example.com", 403}, {named, "cloud.example.com", "https://app.example.com.evil.example", 403},
		{named, "cloud.example.com", "https://app.example.com:8443", 403}, {named, "cloud.example.com", "https://evil.example/cloud.example.com", 403},
	} {
		no := c.g.Check(request(c.host, c.origin))
		got := 0
		if no != nil {
			got = no.Status
			if no.Code == "" || no.Message == "" {
				t.Errorf("a refusal without a reason: %+v", no)
			}
		}
		if got != c.want {
			t.Errorf("hosts %v, host %q, origin %q: %d, want %d", c.g.Hosts, c.host, c.origin, got, c.want)
		}
	}
	if named.Allowed("") || (Guard{Origins: []string{""}}).Allowed("") || !named.Allowed("https://APP.example.com") {
		t.Error("which origins get CORS headers")
	}
}

func TestLimiter(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := NewLimiter(time.Second, 3, 2)
		take := func(key string) bool { _, ok := l.Allow(key); return ok }
		for range 3 {
			if !take("a") {
				t.Fatal("within the burst")
			}
		}
		if wait, spent := l.Spent("a"); !spent || wait != time.Second {
			t.Errorf("spent: %v, %v", wait, spent)
		}
		if _, spent := l.Spent("never seen"); spent || len(l.keys) != 1 {
			t.Error("looking takes something")
		}
		if wait, ok := l.Allow("a"); ok || wait != time.Second {
			t.Errorf("over the burst: %v, %v", wait, ok)
		}
		if !take("b") {
			t.Error("another key waits too")
		}
		time.Sleep(time.Second)
		if _, spent := l.Spent("a"); spent {
			t.Error("spent after a second")
		}
		if !take("a") || take("a") {
			t.Error("not one more after a second")
		}
		// A third key pushes out the one that was longest quiet: b, not a.
		take("c")
		if take("a") {
			t.Error("a busy key was forgotten")
		}
		if len(l.keys) != 2 || l.order.Len() != 2 {
			t.Errorf("remembers %d keys", len(l.keys))
		}
		time.Sleep(time.Hour)
		for range 3 {
			if !take("a") {
				t.Error("the allowance did not fill up")
			}
		}
	})
}

func TestRemoteKey(t *testing.T) {
	t.Parallel()
	for addr, want := range map[string]string{
		"192.0.2.1:50000": "192.0.2.1", "[2001:db8:1:2:3:4:5:6]:1": "2001:db8:1:2::/64", "[2001:db8:1:2::9]:2": "2001:db8:1:2::/64",
		"[::ffff:192.0.2.1]:3": "192.0.2.1", "[fe80::1%eth0]:3": "fe80::/64", "memory": "memory", "": "",
	} {
		if got := RemoteKey(&http.Request{RemoteAddr: addr}); got != want {
			t.Errorf("%s: %s, want %s", addr, got, want)
		}
	}
}

func FuzzParseCode(f *testing.F) {
	f.Add("kms-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")
	f.Add("cloud-x")
	f.Fuzz(func(t *testing.T, text string) {
		if c, err := ParseCode(KMS, text); err == nil && c.Reveal() != strings.TrimSpace(text) {
			t.Errorf("%q was read as %q", text, c.Reveal())
		}
	})
}
