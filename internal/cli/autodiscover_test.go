package cli

import (
	"strings"
	"testing"

	"github.com/koyomi-cal/koyomi/internal/exchange"
)

// TestAutodiscoverConfig: the configuration names the hosts, and what is no host
// is refused before anything is asked.
func TestAutodiscoverConfig(t *testing.T) {
	t.Parallel()
	c := exchangeConfig{Username: "svc", Autodiscover: autodiscoverConfig{AllowedHosts: []string{"mail.example.com"}, BlockedHosts: []string{"example.com"}}}
	if err := c.check(); err != nil {
		t.Fatal(err)
	}
	c.Directory.Servers = []string{"dc1.corp.example.com"}
	var o exchange.Options
	if err := c.find(&o, nil); err != nil || o.Autodiscover == nil || o.Directory == nil {
		t.Fatalf("%+v, %v", o, err)
	}
	if trust := o.Autodiscover.Trust; !trust.Allows("https://mail.example.com/x") || trust.Allows("https://example.com/x") || trust.Allows("https://other.example.com/") {
		t.Error("the hosts of the configuration are not those that are trusted")
	}
	direct := exchangeConfig{URL: "https://mail.example.com/EWS/Exchange.asmx", Username: "svc"}
	o = exchange.Options{}
	if err := direct.find(&o, nil); err != nil || o.Autodiscover != nil {
		t.Errorf("a direct address is looked for: %+v, %v", o.Autodiscover, err)
	}
	for _, host := range []string{"*.example.com", "https://mail.example.com", "a@b"} {
		c.Autodiscover.AllowedHosts = []string{host}
		if err := c.check(); err == nil || !strings.Contains(err.Error(), "exchange.autodiscover") {
			t.Errorf("%q is taken: %v", host, err)
		}
	}
	if err := (&exchangeConfig{Username: "svc"}).check(); err == nil || !strings.Contains(err.Error(), "exchange.url") {
		t.Errorf("neither address nor hosts: %v", err)
	}
}
