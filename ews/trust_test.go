package ews

import (
	"net/url"
	"strings"
	"testing"
)

// TestTrustTricks: only the one host that is allowed is, however another one
// is written.
func TestTrustTricks(t *testing.T) {
	t.Parallel()
	trust, err := NewTrust([]HostRule{
		{Host: "mail.example.com", State: HostAllowed}, {Host: "Other.Example.com:8443", State: HostAllowed}, {Host: "192.0.2.7", State: HostAllowed},
		{Host: "2001:db8::7", State: HostAllowed}, {Host: "blocked.example.com", State: HostBlocked}, {Host: "localhost:8080", State: HostAllowed},
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for raw, want := range map[string]bool{
		"https://mail.example.com/EWS/Exchange.asmx":            true,
		"https://MAIL.Example.COM/x":                            true,
		"https://mail.example.com./x":                           true,
		"https://mail.example.com:443/x":                        true,
		"https://other.example.com:8443/x":                      true,
		"https://192.0.2.7/x":                                   true,
		"https://[2001:db8::7]/x":                               true,
		"https://[2001:DB8:0::7]:443/x":                         true,
		"http://localhost:8080/x":                               true,
		"http://mail.example.com/x":                             false,
		"https://mail.example.com:8443/x":                       false,
		"https://other.example.com/x":                           false,
		"https://evil-mail.example.com/x":                       false,
		"https://evilmail.example.com/x":                        false,
		"https://sub.mail.example.com/x":                        false,
		"https://example.com/x":                                 false,
		"https://mail.example.com.evil.test/x":                  false,
		"https://mail.example.com..evil.test/x":                 false,
		"https://mail.example.com@evil.test/x":                  false,
		"https://mail.example.com:443@evil.test/x":              false,
		"https://user@mail.example.com/x":                       false,
		"https://evil.test\\@mail.example.com/x":                false,
		"https://evil.test/https://mail.example.com/":           false,
		"https://evil.test?mail.example.com":                    false,
		"https://evil.test#mail.example.com":                    false,
		"https:mail.example.com/x":                              false,
		"https:///mail.example.com/x":                           false,
		"//mail.example.com/x":                                  false,
		"mail.example.com":                                      false,
		"ftp://mail.example.com/x":                              false,
		"https://mail.example.com:/x":                           false,
		"https://mail.example.com:0443/x":                       true,
		"https://mail.example.com:65979/x":                      false, // 443 modulo 65536
		"https://mail.example.com%2eevil.test/x":                false,
		"https://mail.example.com%00.evil.test/x":               false,
		"https://mail.example.com\x00.evil.test/x":              false,
		"https://mail.example.com\t.evil.test/x":                false,
		"https://ｍail.example.com/x":                            false, // full width
		"https://maıl.example.com/x":                            false, // dotless i
		"https://mail。example。com/x":                            false, // ideographic full stop
		"https://xn--mail-.example.com/x":                       false,
		"https://192.0.2.7.evil.test/x":                         false,
		"https://3221225991/x":                                  false, // 192.0.2.7 as one number
		"https://0xc0.0.2.7/x":                                  false,
		"https://192.0.519/x":                                   false,
		"https://[::ffff:192.0.2.7]/x":                          true, // the same host
		"https://[fe80::1%25eth0]/x":                            false,
		"https://blocked.example.com/x":                         false,
		"":                                                      false,
		"https://" + strings.Repeat("a", 64) + ".example.com/x": false,
	} {
		if got := trust.Allows(raw); got != want {
			t.Errorf("Allows(%q) is %v", raw, got)
		}
	}
}

func TestTrustTyped(t *testing.T) {
	t.Parallel()
	for _, bad := range []string{"", "*.example.com", "https://mail.example.com", "mail.example.com/x", "a@mail.example.com", "müller.example", "127.1", "-a.example", "a..b", "mail.example.com:0", "mail.example.com:99999", "a b", "mail.example.com?x", `a\b`} {
		if _, err := NewTrust([]HostRule{{Host: bad, State: HostAllowed}}, nil); err == nil {
			t.Errorf("%q is taken as a host", bad)
		}
	}
	if _, err := NewTrust([]HostRule{{Host: "a.example", State: "maybe"}}, nil); err == nil {
		t.Error("a state that is none is taken")
	}
}

func TestTrustPending(t *testing.T) {
	t.Parallel()
	var told []HostRule
	trust, err := NewTrust([]HostRule{{Host: "bad.example.com", State: HostBlocked}}, func(r HostRule) { told = append(told, r) })
	if err != nil {
		t.Fatal(err)
	}
	meet := func(raw string) {
		u, err := safeURL(raw)
		if err != nil {
			t.Fatal(err)
		}
		trust.meet(u, OriginRedirect)
	}
	meet("https://new.example.com/a")
	meet("https://NEW.example.com./b")
	meet("https://bad.example.com/")
	if len(told) != 1 || told[0] != (HostRule{Host: "new.example.com", State: HostPending, Origin: OriginRedirect}) {
		t.Errorf("told of %+v", told)
	}
	if trust.Allows("https://new.example.com/") {
		t.Error("a pending host is allowed")
	}
	if err := trust.Set("new.example.com", HostAllowed); err != nil || !trust.Allows("https://new.example.com/") {
		t.Errorf("the host is not allowed after it was: %v", err)
	}
	bad, _ := safeURL("https://bad.example.com/autodiscover")
	trust.publish(bad)
	if trust.Allows("https://bad.example.com/") {
		t.Error("the directory has lifted a block")
	}
	for i := range 3 * maxPending {
		meet("https://h" + strings.Repeat("x", i%50) + "." + strings.Repeat("y", 1+i/50) + ".example/")
	}
	if n := len(trust.Rules()); n > maxPending {
		t.Errorf("%d rules: others can have any number noted", n)
	}
}

// FuzzTrust: a URL that is allowed leads, as net/url and net/http read it, to
// the one host that is.
func FuzzTrust(f *testing.F) {
	for _, s := range []string{
		"https://mail.example.com/x", "https://MAIL.example.com.:443/", "https://mail.example.com@evil.test/", "https://[::1]:8443/",
		"https://evil-mail.example.com", "https://ｍail.example.com/", "https://mail.example.com%2f.evil.test/", "http://127.0.0.1:80/",
	} {
		f.Add(s)
	}
	trust, err := NewTrust([]HostRule{{Host: "mail.example.com", State: HostAllowed}}, nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		u, err := safeURL(raw)
		if err == nil {
			again, err := safeURL(u.String())
			if err != nil || again.String() != u.String() {
				t.Fatalf("%q becomes %q becomes %v, %v", raw, u, again, err)
			}
			for _, c := range u.Host {
				if c >= 0x80 {
					t.Fatalf("%q keeps the host %q", raw, u.Host)
				}
			}
		}
		if !trust.Allows(raw) {
			return
		}
		v, err := url.Parse(raw)
		if err != nil || v.Scheme != "https" || v.User != nil || strings.ToLower(strings.TrimSuffix(v.Hostname(), ".")) != "mail.example.com" ||
			strings.TrimLeft(v.Port(), "0") != "" && strings.TrimLeft(v.Port(), "0") != "443" {
			t.Fatalf("%q is allowed", raw)
		}
	})
}
